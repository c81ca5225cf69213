"""Trend of a series of maps, cell by cell: Theil-Sen slope and Mann-Kendall test.

The slope is the median of the slopes of all pairs of periods (Theil 1950; Sen 1968, Journal of the American Statistical Association 63,
1379-1389). The test asks whether later values tend to be higher (Mann 1945, Econometrica 13, 245-259; Kendall 1975, Rank correlation
methods): S counts the pairs that rise less those that fall.

Both describe a series. Where all periods are maps of one model, they share the model and its errors, and p is no evidence of change:
see :data:`DESCRIPTIVE`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from odc.geo.geobox import GeoBox
from scipy.special import ndtri

from edaphic.account.change.classes import Classes
from edaphic.account.change.discovery import FalseDiscovery
from edaphic.account.change.trend_kernel import FEWEST, MOST_EXACT, exact_p, trends
from edaphic.account.maps import Reader, check_shape
from edaphic.account.sums import Sums
from edaphic.account.totals import ClassLayer
from edaphic.covariates.grid import Window, cell_area_m2, windows
from edaphic.errors import ModelError
from edaphic.units import M2_PER_KM2

Floats = NDArray[np.float64]

DESCRIPTIVE = (
    "descriptive: the periods are maps of one model and share its errors; p tells how steadily the maps move, "
    "and is not evidence that the soil changed"
)
"""Goes beside every trend of maps of one model."""

INDEPENDENT = "p assumes that the values of the periods err independently of one another"
"""Goes beside a trend of values that were observed anew in each period."""

P_VALUES = ("normal", "exact")
"""How p is had. ``normal``: from z with tied variance and continuity correction. ``exact``: from all orders of the values, for up to
10 of them without ties; the others as ``normal``."""

TREND_COLUMNS = (
    "by", "class", "class_name", "cells", "too_few_values", "area_km2", "mean_slope_kg_m2_per_year", "rising_share", "falling_share",
    "shown_rising_share", "shown_falling_share", "false_discovery", "control", "p_values", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Trend:
    """Trend of each series; all fields have the shape of the values without their first axis.

    Attributes
    ----------
    count : int array
        Values of the series. With fewer than 4 all else is NaN.
    slope, slope_low, slope_high : float array
        Theil-Sen slope, per unit of time, and its confidence limits. A limit is NaN where the series is too short for the level.
    s, variance, z, tau, p : float array
        Mann-Kendall S, its variance with ties, z with continuity correction, S over its largest value with ties (NaN where all values
        are equal), two-sided p.
    exact : bool array
        p is that of all orders of the values.
    """

    count: NDArray[np.int64]
    slope: Floats
    slope_low: Floats
    slope_high: Floats
    s: Floats
    variance: Floats
    z: Floats
    tau: Floats
    p: Floats
    exact: NDArray[np.bool_]


def trend(values: ArrayLike, times: ArrayLike, *, level: float = 0.95, p_values: str = "normal") -> Trend:
    """Theil-Sen slope and Mann-Kendall test of many series.

    Parameters
    ----------
    values : array_like (periods, ...)
        Values that are not finite are gaps.
    times : array_like (periods,)
        Of the periods, rising; steps may differ.
    level : float
        Of the confidence limits of the slope.
    p_values : {"normal", "exact"}
        See :data:`P_VALUES`.

    Returns
    -------
    Trend

    Raises
    ------
    ModelError
        Times that do not rise or are not as many as periods, an unknown choice, a level outside 0 to 1.

    Notes
    -----
    With n values and groups of t equal ones, ``variance = (n (n - 1)(2 n + 5) - sum t (t - 1)(2 t + 5)) / 18``,
    ``z = (S - sign S) / sqrt(variance)``, and ``tau = S / sqrt((N - sum t (t - 1) / 2) N)`` with N = n (n - 1) / 2. The limits of the
    slope are those of rank (N - C) / 2 and (N + C) / 2 + 1 among the N slopes, rounded, with C = z of the level times sqrt(variance)
    (Sen 1968; Gilbert 1987, Statistical methods for environmental pollution monitoring, section 16.5). A series of equal values has
    slope 0 and p = 1.

    Examples
    --------
    The six slopes are 1/5, 2/10, 1/15, 1/5, 0 and -1/5: the median is (1/15 + 1/5) / 2, four pairs rise and one falls.

    >>> one = trend([0.0, 1.0, 2.0, 1.0], [2000, 2005, 2010, 2015])
    >>> float(one.slope), float(one.s), int(one.count)
    (0.13333333333333333, 3.0, 4)
    >>> float(trend([1.0, 2.0, 3.0, 4.0], [1, 2, 3, 4], p_values="exact").p)  # 2 of 24 orders
    0.08333333333333333
    """
    series, when = _checked(values, times, level, p_values)
    table = exact_p() if p_values == "exact" else np.full((MOST_EXACT + 1, 1), np.nan)
    flat = np.ascontiguousarray(series.reshape(series.shape[0], -1))
    found = trends(flat, when, float(ndtri(0.5 + level / 2.0)), table, p_values == "exact")
    shape = series.shape[1:]
    numbers = {name: found[row].reshape(shape) for row, name in enumerate(field.name for field in fields(Trend))}
    count, exact = numbers.pop("count"), numbers.pop("exact")
    return Trend(count=count.astype(np.int64), exact=exact == 1.0, **numbers)


def _checked(values: ArrayLike, times: ArrayLike, level: float, p_values: str) -> tuple[Floats, Floats]:
    series, when = np.asarray(values, dtype=np.float64), np.asarray(times, dtype=np.float64)
    faults = time_faults(when)
    if series.ndim == 0 or when.ndim != 1 or series.shape[0] != when.size:
        faults.append(f"trend: values of shape {series.shape} for {when.size} times; expected one period for each time")
    if not 0.0 < level < 1.0:
        faults.append(f"trend: level {level:g}; expected a share between 0 and 1")
    if p_values not in P_VALUES:
        faults.append(f"trend: p_values: found {p_values!r}; expected one of {', '.join(P_VALUES)}")
    if faults:
        raise ModelError(faults)
    return series, when


def time_faults(times: Floats) -> list[str]:
    """What is wrong with the times of periods.

    >>> time_faults(np.array([2000.0, 1995.0]))
    ['trend: times 2000, 1995; expected numbers that rise']
    """
    if np.isfinite(times).all() and (np.diff(times) > 0).all():
        return []
    return [f"trend: times {', '.join(f'{time:g}' for time in times.ravel()[:12])}; expected numbers that rise"]


def trend_maps(
    readers: Sequence[Reader],
    times: Sequence[float],
    grid: GeoBox,
    write: Callable[[Window, dict[str, NDArray[np.floating]]], None] | None = None,
    classes: Sequence[ClassLayer] = (),
    *,
    one_model: bool = True,
    level: float = 0.95,
    p_values: str = "normal",
    control: str = "benjamini-hochberg",
    false_discovery: float = 0.05,
    window_size: int = 512,
) -> pd.DataFrame:
    """Trend of maps of several periods, window by window, with false discoveries controlled over all cells.

    Parameters
    ----------
    readers : sequence of callable
        Window -> stock (height, width), kg/m2, one for each period.
    times : sequence of float
        Year of each period, rising.
    grid : GeoBox
    write : callable, optional
        Takes a window and its maps (height, width): "count", "slope", "slope_low", "slope_high", "tau", "p", "p_adjusted".
    classes : sequence of ClassLayer
        What to tell by, besides all cells together.
    one_model : bool
        The maps come from one model: the table says :data:`DESCRIPTIVE`, else :data:`INDEPENDENT`.
    level, p_values
        As for :func:`trend`.
    control : str
        One of :data:`edaphic.account.change.discovery.CONTROLS`; over the cells of the whole map.
    false_discovery : float
        Rate at which a trend counts as shown.
    window_size : int
        Cells read at once, a side: bounds the memory, does not change the result.

    Returns
    -------
    DataFrame with the columns :data:`TREND_COLUMNS`: "all", then each class. Cells and area are those with a trend (4 values or more),
    ``too_few_values`` those with one to three; shares are of that area: slopes above and below 0, and those of them whose adjusted p is
    at most ``false_discovery``.

    Raises
    ------
    ModelError
        As :func:`trend`; another number of maps than of times; fewer than 4 periods.
    RasterError
        A reader gives another shape than that of its window.

    Notes
    -----
    The maps are read twice: the first pass gathers p, the second adjusts it and writes.
    """
    _check_maps(readers, times, p_values, level, false_discovery)
    groups, sums, found = Classes(classes), Sums(len(_PARTS)), FalseDiscovery(control)
    cut = windows(grid, window_size)
    for window in cut:
        found.add(trend(_stack(readers, window), times, level=level, p_values=p_values).p)
    for window in cut:
        one = trend(_stack(readers, window), times, level=level, p_values=p_values)
        adjusted = found.adjusted(one.p)
        if write is not None:
            names = ("slope", "slope_low", "slope_high", "tau", "p")
            write(window, {"count": one.count.astype(np.float64), **{name: getattr(one, name) for name in names}, "p_adjusted": adjusted})
        parts = _parts(one, adjusted <= false_discovery, cell_area_m2(grid, window))
        for key, cells in groups.split(window):
            sums.add_cells(key, parts, cells)
    told = {
        "false_discovery": false_discovery,
        "control": control,
        "p_values": p_values,
        "note": DESCRIPTIVE if one_model else INDEPENDENT,
    }
    rows = [first | _row(sums[key]) | told for key, first in groups.rows(sums)]
    return pd.DataFrame(rows, columns=list(TREND_COLUMNS))


def _check_maps(readers: Sequence[Reader], times: Sequence[float], p_values: str, level: float, rate: float) -> None:
    faults = []
    if len(readers) != len(times):
        faults.append(f"trend: {len(readers)} maps for {len(times)} times; expected one map for each time")
    elif len(times) < FEWEST:
        faults.append(f"trend: {len(times)} periods; expected {FEWEST} or more")
    if not 0.0 < rate < 1.0:
        faults.append(f"trend: false_discovery {rate:g}; expected a share between 0 and 1")
    try:
        _checked(np.zeros(len(times)), times, level, p_values)
    except ModelError as found:
        faults += found.faults
    if faults:
        raise ModelError(faults)


def _stack(readers: Sequence[Reader], window: Window) -> Floats:
    return np.stack([check_shape(np.asarray(read(window), np.float64), window, f"trend, map {i + 1}") for i, read in enumerate(readers)])


# rows of what is summed over cells
_PARTS = ("cells", "too_few", "area", "slope", "rising", "falling", "shown_rising", "shown_falling")


def _parts(one: Trend, shown: NDArray[np.bool_], area_m2: Floats) -> Floats:
    """What is summed, cell by cell, shape (8, n)."""
    known = np.isfinite(one.slope).ravel()
    area = np.where(known, np.nan_to_num(area_m2.ravel(), nan=0.0), 0.0)
    slope = np.where(known, one.slope.ravel(), 0.0)
    count, found = one.count.ravel(), shown.ravel()
    signs = [area * (slope > 0), area * (slope < 0), area * (found & (slope > 0)), area * (found & (slope < 0))]
    return np.stack([known.astype(np.float64), ((count > 0) & ~known).astype(np.float64), area, area * slope, *signs])


def _row(sums: Floats) -> dict[str, object]:
    cells, few, area = int(sums[0]), int(sums[1]), float(sums[2])
    shares = [float(part) / area if area > 0.0 else float("nan") for part in sums[3:]]
    names = ("mean_slope_kg_m2_per_year", "rising_share", "falling_share", "shown_rising_share", "shown_falling_share")
    return {"cells": cells, "too_few_values": few, "area_km2": area / M2_PER_KM2, **dict(zip(names, shares, strict=True))}
