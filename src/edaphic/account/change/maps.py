"""Change of every cell between two periods, window by window, and what share of each class it is shown in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.account.change.cells import CellChange, cell_change, check_options, statistic_names
from edaphic.account.change.classes import Classes
from edaphic.account.change.regional import SENSITIVITY, UNKNOWN, TimeCorrelation
from edaphic.account.maps import Reader, check_shape
from edaphic.account.sums import Sums
from edaphic.account.totals import ClassLayer
from edaphic.covariates.grid import Window, cell_area_m2, windows
from edaphic.errors import RasterError
from edaphic.units import M2_PER_KM2

Floats = NDArray[np.float64]

CELL_COLUMNS = (
    "by", "class", "class_name", "cells", "area_km2", "before_kg_m2", "after_kg_m2", "change_kg_m2", "cell_sd_kg_m2",
    "cell_minimum_detectable_kg_m2", "increase_share", "decrease_share", "not_shown_share", "level", "power", "rho", "rho_origin",
    "verdict",
)  # fmt: skip

CELL_SENSITIVITY_COLUMNS = (
    "by", "class", "class_name", "rho", "cell_sd_kg_m2", "cell_minimum_detectable_kg_m2", "increase_share", "decrease_share",
    "not_shown_share",
)  # fmt: skip


@dataclass(frozen=True)
class MapChange:
    """Tables of the change of cells.

    Attributes
    ----------
    changes : DataFrame
        Columns :data:`CELL_COLUMNS`.
    sensitivity : DataFrame
        Columns :data:`CELL_SENSITIVITY_COLUMNS`: a row for each correlation in time that was tried.
    """

    changes: pd.DataFrame
    sensitivity: pd.DataFrame


def change_maps(
    before: Mapping[str, Reader],
    after: Mapping[str, Reader],
    grid: GeoBox,
    correlation: TimeCorrelation,
    write: Callable[[Window, dict[str, NDArray[np.floating]]], None] | None = None,
    classes: Sequence[ClassLayer] = (),
    *,
    interval: float = 0.9,
    level: float = 0.9,
    power: float = 0.8,
    sensitivity: Sequence[float] = SENSITIVITY,
    window_size: int = 512,
) -> MapChange:
    """Change of each cell, and by class the share of the area where it is shown.

    Parameters
    ----------
    before, after : mapping of str to callable
        Readers of the maps of each period under :func:`~edaphic.account.change.cells.statistic_names`, kg/m2.
    grid : GeoBox
    correlation : TimeCorrelation
        Where it is not known all but the mean change is NaN; the sensitivity table is there all the same.
    write : callable, optional
        Takes a window and its maps (height, width): the fields of a :class:`~edaphic.account.change.cells.CellChange`.
    classes : sequence of ClassLayer
    interval, level, power
        As for :func:`~edaphic.account.change.cells.cell_change`.
    sensitivity : sequence of float
        Correlations to try besides.
    window_size : int
        Cells read at once, a side: bounds the memory, does not change the result.

    Returns
    -------
    MapChange
        Means over area of the cells with a value in both periods; ``cell_sd`` and ``cell_minimum_detectable`` are means of those of single
        cells, not of a mean or a total. Shares are of area: the interval of the cell lies above zero, below it, or holds it.

    Raises
    ------
    RasterError
        Maps missing, maps that cover other cells within a period, quantiles that cross by more than their rounding.
    ModelError
        A correlation, level or power out of range.
    """
    check_options(correlation.rho, level, power)
    names = statistic_names(interval)
    _check_names(before, after, names)
    groups, tried = Classes(classes), correlation.sensitivity(sensitivity)
    sums = Sums(4 + 4 * len(tried))
    for window in windows(grid, window_size):
        first, second = (_read(maps, names, window, when) for when, maps in (("before", before), ("after", after)))
        if write is not None:
            found = cell_change(first, second, correlation.rho, interval=interval, level=level, power=power)
            write(window, {field.name: getattr(found, field.name) for field in fields(CellChange)})
        known = np.isfinite(first["mean"] + second["mean"]).ravel()
        area = np.where(known, np.nan_to_num(cell_area_m2(grid, window).ravel(), nan=0.0), 0.0)
        each = [cell_change(first, second, rho, interval=interval, level=level, power=power, limits=False) for rho in tried]
        stocks = [np.where(known, one["mean"].ravel(), 0.0) * area for one in (first, second)]
        parts = np.stack([known.astype(np.float64), area, *stocks, *(row for one in each for row in _parts(one, area, known, level))])
        for key, cells in groups.split(window):
            sums.add_cells(key, parts, cells)
    rows, many = [], []
    for key, told in groups.rows(sums):
        basic, by_rho = sums[key][:4], sums[key][4:].reshape(len(tried), 4)
        shares = {rho: _shares(part, float(basic[1])) for rho, part in zip(tried, by_rho, strict=True)}
        many += [told | {"rho": rho} | share for rho, share in shares.items()]
        own = shares[float(correlation.rho)] if correlation.rho is not None else dict.fromkeys(next(iter(shares.values())), np.nan)
        rows.append(told | _means(basic) | own | {"level": level, "power": power} | _verdict(correlation, own))
    return MapChange(pd.DataFrame(rows, columns=list(CELL_COLUMNS)), pd.DataFrame(many, columns=list(CELL_SENSITIVITY_COLUMNS)))


def _check_names(before: Mapping[str, Reader], after: Mapping[str, Reader], names: Sequence[str]) -> None:
    faults = [
        f"change, {when}: no map {name}; expected {', '.join(names)}"
        for when, maps in (("before", before), ("after", after))
        for name in names
        if name not in maps
    ]
    if faults:
        raise RasterError(faults)


def _read(maps: Mapping[str, Reader], names: tuple[str, ...], window: Window, when: str) -> dict[str, Floats]:
    """Maps of a period in a window, quantiles in order where rounding crossed them."""
    found = {name: check_shape(np.asarray(maps[name](window), np.float64), window, f"change, {when}, {name}") for name in names}
    low, middle, high, mean = (found[name] for name in names)
    faults = []
    for name in names[:3]:
        if unlike := int(np.count_nonzero(np.isnan(found[name]) != np.isnan(mean))):
            faults.append(f"change, {when}: {name} and mean cover different cells ({unlike} in {window})")
    room = 1e-6 * np.abs(middle) + 1.001 * sum(float(getattr(maps[name], "error", 0.0)) for name in names[:3])
    if crossing := int(np.count_nonzero((low > middle + room) | (middle > high + room))):
        faults.append(f"change, {when}: {names[0]}, q50 and {names[2]} cross in {crossing} cells of {window}")
    if faults:
        raise RasterError(faults)
    return {names[0]: np.minimum(low, middle), "q50": middle, names[2]: np.maximum(middle, high), "mean": mean}


def _parts(one: CellChange, area: Floats, known: NDArray[np.bool_], level: float) -> list[Floats]:
    """Area times sd, detectable change, increase shown, decrease shown. An interval lies above zero where p of an increase is so large."""
    p, tail = one.p_increase.ravel(), 0.5 - level / 2.0
    numbers = [np.where(known, values.ravel(), 0.0) for values in (one.sd, one.minimum_detectable)]
    shown = [known & (p > 1.0 - tail), known & (p < tail)]
    return [area * values for values in (*numbers, *shown)]


def _means(sums: Floats) -> dict[str, object]:
    cells, area, first, second = int(sums[0]), *(float(value) for value in sums[1:])
    before, after = (value / area if area > 0.0 else np.nan for value in (first, second))
    return {
        "cells": cells,
        "area_km2": area / M2_PER_KM2,
        "before_kg_m2": before,
        "after_kg_m2": after,
        "change_kg_m2": after - before,
    }


def _shares(sums: Floats, area: float) -> dict[str, float]:
    names = ("cell_sd_kg_m2", "cell_minimum_detectable_kg_m2", "increase_share", "decrease_share")
    found = {name: float(value) / area if area > 0.0 else np.nan for name, value in zip(names, sums, strict=True)}
    return found | {"not_shown_share": 1.0 - found["increase_share"] - found["decrease_share"]}


def _verdict(correlation: TimeCorrelation, own: Mapping[str, float]) -> dict[str, object]:
    if correlation.rho is None:
        return {"rho": np.nan, "rho_origin": correlation.origin, "verdict": UNKNOWN}
    if not np.isfinite(own["increase_share"]):
        words = "no cell has a value in both periods"
    else:
        increase, decrease = (f"{100.0 * own[name]:.1f} %" for name in ("increase_share", "decrease_share"))
        words = f"of the area, {increase} shows an increase and {decrease} a decrease, cell by cell"
    return {"rho": correlation.rho, "rho_origin": correlation.origin, "verdict": words}
