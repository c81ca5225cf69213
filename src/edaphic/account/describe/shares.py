"""Small sums that readers of a stock table do: widths of intervals, weighted means, shares by depth and by class, bounds of groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import TableError

Floats = NDArray[np.float64]

DEPTH_SHARE_COLUMNS = ("top_cm", "bottom_cm", "total", "share")

DENOMINATOR_COLUMNS = ("class_name", "total", "share_of_listed", "share_of_overall")

NOT_LISTED = "not listed"
"""What the classes leave of the total over everything."""

_SLACK_CM = 1e-9


class RelativeUncertainty(NamedTuple):
    """Widths of an interval over its mean; ``full`` is what the second paper calls U."""

    full: Floats
    half: Floats


def relative_uncertainty(low: ArrayLike, mean: ArrayLike, high: ArrayLike) -> RelativeUncertainty:
    """Full and half width of an interval, over the mean.

    U = (high - low) / mean is the **full** width (equation 7 of the second paper: 34, 37 and 38 %). Most tables print the half
    width, which is the number behind a "plus or minus" where the interval is even; so both are given, by name.

    Parameters
    ----------
    low, mean, high : array_like
        Shapes that broadcast, one unit; NaN stays NaN.

    Returns
    -------
    RelativeUncertainty
        Shares (0.34 is 34 %). NaN where the mean is not above zero: a share of nothing has no meaning.

    Raises
    ------
    TableError
        A low limit above its high limit; infinite numbers.

    Examples
    --------
    Cropland of the second paper, 62 (52 to 73) Mg/ha: 21 / 62.

    >>> found = relative_uncertainty(52.0, 62.0, 73.0)
    >>> round(float(found.full), 4), round(float(found.half), 4)
    (0.3387, 0.1694)
    """
    below, middle, above = np.broadcast_arrays(*(np.asarray(values, dtype=np.float64) for values in (low, mean, high)))
    faults = [
        f"{name}: found {int(np.isinf(values).sum())} infinite values; expected numbers"
        for name, values in (("low", below), ("mean", middle), ("high", above))
        if np.isinf(values).any()
    ]
    if crossed := int((below > above).sum()):
        faults.append(f"limits: found {crossed} low limits above the high ones; expected low <= high")
    if faults:
        raise TableError(faults)
    full = np.divide(above - below, middle, out=np.full(middle.shape, np.nan), where=middle > 0.0)
    return RelativeUncertainty(full, full / 2.0)


def area_weighted_mean(values: ArrayLike, areas: ArrayLike) -> float:
    """Mean of densities (mass per area) that weighs each by its area: total mass over total area.

    Parameters
    ----------
    values : array_like, shape (n,)
        Density of each class or cell; NaN where there is none, which then takes no part, nor its area.
    areas : array_like, shape (n,)
        Of the same, any one unit, not negative.

    Returns
    -------
    float
        NaN where no area is left.

    Raises
    ------
    TableError
        Shapes that differ, negative, missing or infinite areas.

    Examples
    --------
    1 ha of 10 and 3 ha of 20 t/ha hold 70 t on 4 ha; the plain mean would be 15.

    >>> area_weighted_mean([10.0, 20.0], [1.0, 3.0])
    17.5
    """
    density, area = np.asarray(values, dtype=np.float64), np.asarray(areas, dtype=np.float64)
    if density.shape != area.shape or density.ndim != 1:
        raise TableError(f"values and areas: found shapes {density.shape} and {area.shape}; expected one shape (n,)")
    faults = [f"values: found {count} infinite; expected numbers" for count in [int(np.isinf(density).sum())] if count]
    if wrong := int((~np.isfinite(area) | (area < 0.0)).sum()):
        faults.append(f"areas: found {wrong} negative, missing or infinite; expected 0 or more")
    if faults:
        raise TableError(faults)
    known = ~np.isnan(density)
    whole = float(area[known].sum())
    return float((density[known] * area[known]).sum()) / whole if whole > 0.0 else float("nan")


def depth_shares(layers: Sequence[tuple[float, float]], totals: ArrayLike) -> pd.DataFrame:
    """Share of each layer in all of them together.

    Parameters
    ----------
    layers : sequence of (top_cm, bottom_cm)
        In any order. Layers that are made of others (0-200 beside 0-30, 30-100 and 100-200) may be among them: they are the check.
    totals : array_like, shape (layers,)
        Total, or mean per area, of each layer; one unit.

    Returns
    -------
    DataFrame
        :data:`DEPTH_SHARE_COLUMNS`: the layers from the top down, their shares adding up to 1; then each layer that is made of
        others, with its **own** total over the sum of the layers it is made of as ``share``: 1 where stocks add up.

    Raises
    ------
    TableError
        Layers without thickness, given twice, with gaps or overlaps; totals that are negative, missing or all zero.

    Examples
    --------
    >>> depth_shares([(0, 30), (30, 100), (0, 100)], [3.0, 1.0, 4.0])
       top_cm  bottom_cm  total  share
    0     0.0       30.0    3.0   0.75
    1    30.0      100.0    1.0   0.25
    2     0.0      100.0    4.0   1.00
    """
    total = np.asarray(totals, dtype=np.float64)
    bounds = [(float(top), float(bottom)) for top, bottom in layers]
    faults = _layer_faults(bounds, total)
    if faults:
        raise TableError(faults)
    by_layer = dict(zip(bounds, total.tolist(), strict=True))
    parts = sorted(layer for layer in bounds if not any(_within(other, layer) for other in bounds))
    apart = [(a, b) for a, b in pairwise(parts) if abs(a[1] - b[0]) > _SLACK_CM]
    if apart:
        found = [f"{a[0]:g}-{a[1]:g} and then {b[0]:g}-{b[1]:g} cm" for a, b in apart]
        raise TableError([f"layers: found {text}; expected neither gap nor overlap" for text in found])
    whole = sum(by_layer[layer] for layer in parts)
    if not whole > 0.0:
        raise TableError(f"totals: found a sum of {whole:g}; expected more than 0")
    rows = [(*layer, by_layer[layer], by_layer[layer] / whole) for layer in parts]
    for layer in sorted(set(bounds) - set(parts), key=lambda one: (one[1], -one[0])):
        inside = [part for part in parts if _within(part, layer)]
        if abs(inside[0][0] - layer[0]) > _SLACK_CM or abs(inside[-1][1] - layer[1]) > _SLACK_CM:
            raise TableError(f"layers: found {layer[0]:g}-{layer[1]:g} cm; expected the bounds of the layers it is made of")
        made_of = sum(by_layer[part] for part in inside)
        rows.append((*layer, by_layer[layer], by_layer[layer] / made_of if made_of > 0.0 else float("nan")))
    return pd.DataFrame(rows, columns=list(DEPTH_SHARE_COLUMNS))


def _within(inner: tuple[float, float], outer: tuple[float, float]) -> bool:
    return inner != outer and outer[0] - _SLACK_CM <= inner[0] and inner[1] <= outer[1] + _SLACK_CM


def _layer_faults(layers: list[tuple[float, float]], totals: Floats) -> list[str]:
    thin = [layer for layer in layers if not 0.0 <= layer[0] < layer[1] < np.inf]
    faults = [f"layers: found {top:g}-{bottom:g} cm; expected 0 <= top < bottom" for top, bottom in thin]
    twice = sorted({layer for layer in layers if layers.count(layer) > 1})
    faults += [f"layers: found {top:g}-{bottom:g} cm more than once; expected each once" for top, bottom in twice]
    if totals.shape != (len(layers),) or not layers:
        return [*faults, f"totals: found shape {totals.shape} for {len(layers)} layers; expected one for each layer, and one at least"]
    if wrong := int((~np.isfinite(totals) | (totals < 0.0)).sum()):
        faults.append(f"totals: found {wrong} negative, missing or infinite; expected 0 or more")
    return faults


def denominators(totals: Mapping[str, float], overall: float | None = None) -> pd.DataFrame:
    """Shares of classes under both denominators: the sum of the classes listed, and the total over everything.

    A share means something only with what it is a share of: where classes leave something out, alpine meadow is 38.7 % of those
    listed and 36.9 % of all (third paper). Both are given, and what is not listed has a row of its own.

    Parameters
    ----------
    totals : mapping of str to float
        Total of each class, in the order to be kept; not negative.
    overall : float, optional
        Total over everything, in the same unit; the sum of the classes unless given.

    Returns
    -------
    DataFrame
        :data:`DENOMINATOR_COLUMNS`; the last row is :data:`NOT_LISTED`, overall less the classes (below zero where they are
        more than all, which is then to be explained), with no share of the listed.

    Raises
    ------
    TableError
        No class, negative, missing or infinite totals, or a sum of zero.

    Examples
    --------
    >>> denominators({"meadow": 3.0, "steppe": 1.0}, 5.0)
       class_name  total  share_of_listed  share_of_overall
    0      meadow    3.0             0.75               0.6
    1      steppe    1.0             0.25               0.2
    2  not listed    1.0              NaN               0.2
    """
    faults = [f"{name}: found a total of {value}; expected 0 or more" for name, value in totals.items() if not 0.0 <= value < np.inf]
    if NOT_LISTED in totals:
        faults.append(f"{NOT_LISTED}: the name is taken; expected another one")
    listed = float(sum(totals.values()))
    whole = listed if overall is None else float(overall)
    if not faults and not listed > 0.0:
        faults.append(f"totals: found a sum of {listed:g} over {len(totals)} classes; expected more than 0")
    if not 0.0 < whole < np.inf and not faults:
        faults.append(f"overall: found {whole:g}; expected more than 0")
    if faults:
        raise TableError(faults)
    rest = whole - listed if overall is not None else 0.0
    rows = [(name, float(value), value / listed, value / whole) for name, value in totals.items()]
    return pd.DataFrame([*rows, (NOT_LISTED, rest, float("nan"), rest / whole)], columns=list(DENOMINATOR_COLUMNS))


class GroupBounds(NamedTuple):
    """A sum of groups and its two bounds."""

    total: float
    independent_low: float
    independent_high: float
    fully_correlated_low: float
    fully_correlated_high: float


def group_bounds(totals: ArrayLike, lows: ArrayLike, highs: ArrayLike) -> GroupBounds:
    """Bounds of a sum of groups whose own intervals are known, and nothing of how their errors go together.

    The fully correlated bound adds up limits, as if all groups erred in one direction at once: this is what the second paper
    prints for all land (62 + 148 + 451 = 661). The independent bound adds up squared half widths, side by side. Neither is an
    interval of the sum; :mod:`edaphic.account` simulates one where a map and a variogram are there.

    Parameters
    ----------
    totals, lows, highs : array_like, shape (groups,)
        One unit; low <= total <= high.

    Returns
    -------
    GroupBounds

    Raises
    ------
    TableError
        Shapes that differ, limits that do not enclose their total, numbers that are missing or infinite.

    Examples
    --------
    Two groups of 10 with limits of 7 and 13, and of 6 and 14: sides of 3 and 4 make 7 together and 5 apart.

    >>> group_bounds([10.0, 10.0], [7.0, 6.0], [13.0, 14.0])
    GroupBounds(total=20.0, independent_low=15.0, independent_high=25.0, fully_correlated_low=13.0, fully_correlated_high=27.0)
    """
    middle, low, high = (np.asarray(values, dtype=np.float64) for values in (totals, lows, highs))
    if not middle.shape == low.shape == high.shape or middle.ndim != 1 or not middle.size:
        raise TableError(f"totals and limits: found shapes {middle.shape}, {low.shape}, {high.shape}; expected one shape (groups,)")
    faults = []
    if wrong := int((~np.isfinite(np.stack([middle, low, high]))).sum()):
        faults.append(f"totals and limits: found {wrong} missing or infinite; expected numbers")
    elif outside := int(((low > middle) | (middle > high)).sum()):
        faults.append(f"limits: found {outside} that do not enclose their total; expected low <= total <= high")
    if faults:
        raise TableError(faults)
    total = float(middle.sum())
    below, above = (float(np.sqrt((side**2).sum())) for side in (middle - low, high - middle))
    return GroupBounds(total, total - below, total + above, float(low.sum()), float(high.sum()))


def residual_half_width(mean: float, median: float, efficiency: float, *, level: float = 0.95) -> float:
    """Half width that a prediction interval must have about, from what a table prints: mean, median and skill.

    With log-normal values, exp(sigma^2) = (mean / median)^2 and sd = mean sqrt(exp(sigma^2) - 1); the residual sd is
    sd sqrt(1 - efficiency), and the half width that times the normal quantile. A rule of thumb that tells an interval of the mean from one
    of the values: the third paper prints 7.9 t/ha where this gives 109.

    Parameters
    ----------
    mean, median : float
        Of the observations, above 0 and mean >= median.
    efficiency : float
        Share of variance explained, at most 1.
    level : float
        Of the interval.

    Returns
    -------
    float, unit of the mean

    Raises
    ------
    TableError
        Numbers that cannot be.

    Examples
    --------
    >>> round(residual_half_width(67.6, 43.9, 0.51), 1)
    108.6
    """
    faults = []
    if not 0.0 < median <= mean < np.inf:
        faults.append(f"mean and median: found {mean:g} and {median:g}; expected 0 < median <= mean")
    if not efficiency <= 1.0:
        faults.append(f"efficiency: found {efficiency:g}; expected at most 1")
    if not 0.0 < level < 1.0:
        faults.append(f"level: found {level:g}; expected between 0 and 1")
    if faults:
        raise TableError(faults)
    spread = mean * np.sqrt((mean / median) ** 2 - 1.0)
    return float(spread * np.sqrt(1.0 - efficiency) * NormalDist().inv_cdf(0.5 + level / 2.0))
