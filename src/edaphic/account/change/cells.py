"""Change of single cells: the difference of two predictive distributions whose errors are correlated in time.

The distribution of a cell at one date is a two-piece normal through its three quantiles: with Z standard normal and z = Phi^-1 of the
upper level, ``Q(Z) = q50 + u Z`` for Z > 0 and ``q50 + l Z`` for Z < 0, where ``u = (q95 - q50) / z`` and ``l = (q50 - q05) / z``; then
scaled so that its mean ``q50 + (u - l) / sqrt(2 pi)`` is the mapped mean. The scores of the two dates are bivariate normal with
correlation rho, and ``D = Q2(Z2) - Q1(Z1)``. Mean, variance and distribution of D have closed forms; only the limits of its interval are
searched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from edaphic.account.change.normal import phi, wedge
from edaphic.account.maps import quantile_names
from edaphic.compiled import kernel
from edaphic.errors import ModelError

Floats = NDArray[np.float64]

_CLOSE = 1e-9
_ROUNDS = 60


@dataclass(frozen=True)
class CellChange:
    """Change of cells, all fields of the shape of the maps and in their unit; NaN where a map has no value or rho is not known.

    Attributes
    ----------
    change : float array
        Mean change: the difference of the mapped means. Known whatever rho.
    sd : float array
        Standard deviation of the change.
    low, high : float array
        Its central interval.
    p_increase : float array
        Probability that the later value is the larger one; a decrease has the rest.
    minimum_detectable : float array
        Smallest true change that an interval of this level excludes zero for, with the stated power.
    """

    change: Floats
    sd: Floats
    low: Floats
    high: Floats
    p_increase: Floats
    minimum_detectable: Floats


def statistic_names(interval: float) -> tuple[str, str, str, str]:
    """Names of the maps of a date: lower limit, median, upper limit, mean.

    >>> statistic_names(0.9)
    ('q05', 'q50', 'q95', 'mean')
    """
    low, high = quantile_names(interval)
    return low, "q50", high, "mean"


def cell_change(
    before: Mapping[str, ArrayLike],
    after: Mapping[str, ArrayLike],
    rho: float | None,
    *,
    interval: float = 0.9,
    level: float = 0.9,
    power: float = 0.8,
    limits: bool = True,
) -> CellChange:
    """Change between two dates, cell by cell.

    Parameters
    ----------
    before, after : mapping of str to array_like
        Maps of each date under :func:`statistic_names`, all of one shape. They are of one new profile in each cell, so is the change.
    rho : float or None
        Correlation in time of the errors (of the scores), -1 to 1. None: not known, all but ``change`` is NaN.
    interval : float
        Level of the interval that the quantile maps bound.
    level : float
        Of the interval of the change.
    power : float
        With which the minimum detectable change is seen.
    limits : bool
        False leaves ``low`` and ``high`` NaN, which is most of the time.

    Returns
    -------
    CellChange

    Raises
    ------
    ModelError
        Maps missing or of different shapes, quantiles that cross, a correlation or a level out of range.

    Notes
    -----
    With ``k(r) = (sqrt(1 - r^2) + r (pi / 2 + asin r)) / (2 pi)``, the mean of the product of the positive parts of two standard normal
    variables of correlation r, ``cov = (u1 u2 + l1 l2) k(rho) - (u1 l2 + l1 u2) k(-rho) - (u1 - l1)(u2 - l2) / (2 pi)``; a variance is the
    same with rho = 1. The distribution of D is a sum of probabilities of wedges (:func:`edaphic.account.change.normal.wedge`). The
    minimum detectable change is ``(z(1 - a / 2) + z(power)) sd``, a = 1 - level. Quantiles that cross by less than 1e-6 of the median, as
    by rounding, are taken as equal.

    Examples
    --------
    Two even distributions with sd 1 and 1, rho 0.5: the variance of the change is 1 + 1 - 1 = 1.

    >>> z = 1.6448536269514722
    >>> one, two = ({"q05": m - z, "q50": m, "q95": m + z, "mean": m} for m in (10.0, 11.0))
    >>> found = cell_change(one, two, 0.5)
    >>> [round(float(value), 4) for value in (found.change, found.sd, found.low, found.high, found.p_increase, found.minimum_detectable)]
    [1.0, 1.0, -0.6449, 2.6449, 0.8413, 2.4865]
    """
    check_options(rho, level, power)
    names = statistic_names(interval)
    first, second, shape = _stacked(before, after, names)
    spread = float(ndtri(0.5 + interval / 2.0))
    tail = float(ndtri(0.5 + level / 2.0))
    if rho is None:
        found = np.full((len(fields(CellChange)), first.shape[1]), np.nan)
        found[0] = second[3] - first[3]
    else:
        found = _changes(first, second, float(rho), spread, tail, 0.5 - level / 2.0, tail + float(ndtri(power)), limits)
    return CellChange(*(row.reshape(shape) for row in found))


def check_options(rho: float | None, level: float, power: float, where: str = "change") -> None:
    """Refuse what is out of range.

    Raises
    ------
    ModelError
    """
    faults = []
    if rho is not None and not -1.0 <= rho <= 1.0:
        faults.append(f"{where}: correlation of errors in time {rho:g}; expected -1 to 1, or nothing where it is not known")
    if not 0.0 < level < 1.0:
        faults.append(f"{where}: level {level:g}; expected a share between 0 and 1")
    if not 0.5 <= power < 1.0:
        faults.append(f"{where}: power {power:g}; expected a share from 0.5 and below 1")
    if faults:
        raise ModelError(faults)


def _stacked(
    before: Mapping[str, ArrayLike], after: Mapping[str, ArrayLike], names: tuple[str, ...]
) -> tuple[Floats, Floats, tuple[int, ...]]:
    faults, dates = [], []
    for when, maps in (("before", before), ("after", after)):
        if missing := [name for name in names if name not in maps]:
            faults.append(f"change, {when}: no {', '.join(missing)} among {', '.join(sorted(maps)) or 'no maps'}")
            continue
        dates.append([np.asarray(maps[name], dtype=np.float64) for name in names])
    shapes = sorted({one.shape for date in dates for one in date})
    if len(shapes) > 1:
        faults.append(f"change: maps of shapes {', '.join(map(str, shapes))}; expected one shape")
    if not faults:
        for when, date in zip(("before", "after"), dates, strict=True):
            room = 1e-6 * np.abs(date[1])
            if crossing := int(np.count_nonzero((date[0] > date[1] + room) | (date[1] > date[2] + room))):
                faults.append(f"change, {when}: {names[0]}, q50 and {names[2]} cross in {crossing} cells; expected rising quantiles")
    if faults:
        raise ModelError(faults)
    first, second = (np.stack([one.ravel() for one in date]) for date in dates)
    return first, second, shapes[0]


@kernel
def _changes(before: Floats, after: Floats, rho: float, spread: float, tail: float, share: float, detect: float, limits: bool) -> Floats:
    """All fields of a CellChange, (6, cells)."""
    cells = before.shape[1]
    out = np.full((6, cells), np.nan)
    for i in range(cells):
        change = after[3, i] - before[3, i]
        m1, l1, u1 = _pieces(before[0, i], before[1, i], before[2, i], before[3, i], spread)
        m2, l2, u2 = _pieces(after[0, i], after[1, i], after[2, i], after[3, i], spread)
        if not np.isfinite(change + m1 + l1 + u1 + m2 + l2 + u2):
            continue
        variance = _product(u1, l1, u1, l1, 1.0) + _product(u2, l2, u2, l2, 1.0) - 2.0 * _product(u1, l1, u2, l2, rho)
        sd = math.sqrt(max(variance, 0.0))
        out[0, i], out[1, i], out[5, i] = change, sd, detect * sd
        out[4, i] = 1.0 - distribution(0.0, m1, l1, u1, m2, l2, u2, rho)
        if limits and l1 == u1 and l2 == u2:
            out[2, i], out[3, i] = change - tail * sd, change + tail * sd
        elif limits:
            out[2, i] = _quantile(share, change, sd, -tail, m1, l1, u1, m2, l2, u2, rho)
            out[3, i] = _quantile(1.0 - share, change, sd, tail, m1, l1, u1, m2, l2, u2, rho)
    return out


@kernel
def _pieces(low: float, middle: float, high: float, mean: float, spread: float) -> tuple[float, float, float]:
    """Median and both scales, of the mapped mean: scaled, or moved where that has no meaning."""
    below, above = max(middle - low, 0.0) / spread, max(high - middle, 0.0) / spread
    centre = middle + (above - below) / math.sqrt(2.0 * math.pi)
    if centre > 0.0 and mean > 0.0:
        factor = mean / centre
        return middle * factor, below * factor, above * factor
    return middle + (mean - centre), below, above


@kernel
def _product(u1: float, l1: float, u2: float, l2: float, rho: float) -> float:
    """Covariance of two two-piece normals."""
    root = math.sqrt(max(1.0 - rho * rho, 0.0))
    turn = math.asin(rho)
    alike = (root + rho * (0.5 * math.pi + turn)) / (2.0 * math.pi)
    unlike = (root - rho * (0.5 * math.pi - turn)) / (2.0 * math.pi)
    return (u1 * u2 + l1 * l2) * alike - (u1 * l2 + l1 * u2) * unlike - (u1 - l1) * (u2 - l2) / (2.0 * math.pi)


@kernel
def distribution(d: float, m1: float, l1: float, u1: float, m2: float, l2: float, u2: float, rho: float) -> float:
    """Probability that the change is at most d; half the probability of d itself where it has one."""
    g = d + m1 - m2
    if g == 0.0:
        return 0.5 * (_below(g, False, l1, u1, l2, u2, rho) + _below(g, True, l1, u1, l2, u2, rho))
    return _below(g, g > 0.0, l1, u1, l2, u2, rho)


@kernel
def _below(g: float, positive: bool, l1: float, u1: float, l2: float, u2: float, rho: float) -> float:
    """Probability of ``P2(Z2) < g + P1(Z1)``, P the piece of a distribution without its median; g = 0 as the limit from its side.

    The later value is compared with its median on one side of where the earlier one, moved by g, meets it.
    """
    spread = math.sqrt(max(1.0 - rho * rho, 0.0))
    if positive:
        turn = -g / l1 if l1 > 0.0 else -np.inf
        first = _piece(-np.inf, turn, g, positive, l1, l2, rho, spread) + _piece(turn, 0.0, g, positive, l1, u2, rho, spread)
        return min(first + _piece(0.0, np.inf, g, positive, u1, u2, rho, spread), 1.0)
    turn = -g / u1 if u1 > 0.0 else np.inf
    first = _piece(-np.inf, 0.0, g, positive, l1, l2, rho, spread) + _piece(0.0, turn, g, positive, u1, l2, rho, spread)
    return min(first + _piece(turn, np.inf, g, positive, u1, u2, rho, spread), 1.0)


@kernel
def _piece(a: float, b: float, g: float, positive: bool, c1: float, c2: float, rho: float, spread: float) -> float:
    """Probability of a < Z1 < b and c2 Z2 < g + c1 Z1."""
    if a >= b:
        return 0.0
    slope, width = c1 - rho * c2, spread * c2
    if slope == 0.0 and width == 0.0:
        return phi(b) - phi(a) if positive else 0.0
    return max(wedge(b, g, slope, width) - wedge(a, g, slope, width), 0.0)


@kernel
def _quantile(
    share: float, centre: float, sd: float, z: float, m1: float, l1: float, u1: float, m2: float, l2: float, u2: float, rho: float
) -> float:
    """Change below which lies a share of the distribution: secant steps from the normal guess, kept between two bounds."""
    if sd == 0.0:
        return centre
    low, high = centre - 12.0 * sd, centre + 12.0 * sd
    here = centre + z * sd
    slope = math.exp(-0.5 * z * z) / (math.sqrt(2.0 * math.pi) * sd)
    last, missed_last = np.nan, np.nan
    for _ in range(_ROUNDS):
        missed = distribution(here, m1, l1, u1, m2, l2, u2, rho) - share
        if abs(missed) < _CLOSE or high - low < _CLOSE * sd:
            break
        if missed > 0.0:
            high = here
        else:
            low = here
        if missed != missed_last and not np.isnan(last):
            slope = (missed - missed_last) / (here - last)
        last, missed_last = here, missed
        here = here - missed / slope if slope > 0.0 else np.nan
        if not low < here < high:
            here = 0.5 * (low + high)
    return here
