r"""Lines between two variables that both have errors: major axis and its relatives, with parametric limits.

Least squares puts all error into y. Where x has error too, as any sensor has, its slope is too flat: by the factor
var(true x) / var(measured x). The major axis takes the direction of largest variance, and recovers the line where both variables have
errors of the same variance; a known ratio of the variances (Deming) makes it right elsewhere.

=====  ==========================================================================================================
ols    ordinary least squares: b = sxy / sxx
ma     major axis, with the ratio d of error variances (y over x; 1 by default), k = sqrt(d):
       b = (syy - d sxx + sqrt((syy - d sxx)^2 + 4 d sxy^2)) / (2 sxy)
sma    standard (or reduced) major axis: b = sign(r) sqrt(syy / sxx)
rma    ranged major axis: the major axis of both variables divided by their ranges
=====  ==========================================================================================================

Limits of ma and rma: the angle plus and minus asin(sqrt(H)), H = t^2 / ((l1/l2 + l2/l1 - 2)(n - 2)) with the eigenvalues l1, l2 of the
covariance matrix and Student's t of n - 2 degrees of freedom; none where H is above 1. Limits of sma: b (sqrt(B + 1) -+ sqrt(B)),
B = t^2 (1 - r^2) / (n - 2). Jolicoeur and Mosimann (1968), Growth 32, 339-354; Legendre and Legendre (2012), Numerical Ecology, section
10.3; Deming (1943), Statistical Adjustment of Data. They hold for independent pairs from a bivariate normal distribution. Pixels of one
scene are not independent: see :mod:`edaphic.covariates.sensors.bootstrap`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from edaphic.covariates.sensors.line import VERTICAL, Floats, Line

Method = Literal["ma", "sma", "ols", "rma"]
Range = Literal["interval", "relative"]

METHODS: tuple[Method, ...] = ("ma", "sma", "ols", "rma")
LEAST = 3
"""Fewest pairs that give a line."""

ROUNDS = 50
"""Most rounds of clipping."""

FIRM = 0.05
"""A correlation with a larger p-value than this is said not to differ from 0."""


@dataclass(frozen=True)
class How:
    """How a line is fitted.

    Parameters
    ----------
    method : {"ma", "sma", "ols", "rma"}
    error_ratio : float
        Of ma: variance of the errors of y over that of the errors of x.
    ranges : (range of y, range of x), each "interval" or "relative"
        Of rma: largest less smallest value, or the largest (for variables with a true zero).
    confidence : float
        Of the limits, between 0 and 1.
    clip : float, optional
        Pairs farther from the line than this many robust standard deviations (1.4826 times the median absolute deviation) are left
        out, again and again until the same ones are; None leaves all in. The first line goes through the medians: outliers do not lead it.

    Raises
    ------
    ValueError
        A choice that is not known, or a number that cannot be.
    """

    method: Method = "ma"
    error_ratio: float = 1.0
    ranges: tuple[Range, Range] = ("interval", "interval")
    confidence: float = 0.95
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method {self.method!r}; expected one of {', '.join(METHODS)}")
        if not (math.isfinite(self.error_ratio) and self.error_ratio > 0):
            raise ValueError(f"error_ratio {self.error_ratio}; expected a positive number")
        if self.error_ratio != 1.0 and self.method != "ma":
            raise ValueError(f"error_ratio {self.error_ratio:g} with {self.method}; expected it with ma only")
        if not 0.0 < self.confidence < 1.0:
            raise ValueError(f"confidence {self.confidence}; expected a number between 0 and 1")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip {self.clip}; expected a positive number of standard deviations")


@dataclass(frozen=True)
class Moments:
    """Means, variances and covariance (over n - 1) of pairs; each a number, or an array of one for each bootstrap sample."""

    n: Floats
    mean_x: Floats
    mean_y: Floats
    sxx: Floats
    syy: Floats
    sxy: Floats


def moments(x: Floats, y: Floats) -> Moments:
    """Of one sample; in two passes, so that large means do not spoil small variances."""
    n = np.float64(len(x))
    mean_x, mean_y = x.mean(), y.mean()
    dx, dy = x - mean_x, y - mean_y
    with np.errstate(over="ignore", invalid="ignore"):
        found = (n, mean_x, mean_y, (dx * dx).sum() / (n - 1), (dy * dy).sum() / (n - 1), (dx * dy).sum() / (n - 1))
    return Moments(*(np.asarray(value) for value in found))


def slopes(of: Moments, method: Method, ratio: Floats | float) -> Floats:
    """The slope of each sample; NaN where it has none.

    Parameters
    ----------
    of : Moments
    method : str
    ratio : float or ndarray
        Of ma and rma: the square of the unit of y over that of x, in which both have errors of one size.

    Examples
    --------
    >>> one = Moments(*(np.array([value]) for value in (9.0, 0.0, 0.0, 2.0, 2.0, 1.0)))
    >>> [slopes(one, method, 1.0).tolist() for method in ("ols", "sma", "ma")]
    [[0.5], [1.0], [1.0]]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if method == "ols":
            found = of.sxy / of.sxx
        elif method == "sma":
            found = np.where(of.sxy == 0, np.nan, np.sign(of.sxy) * np.sqrt(of.syy / of.sxx))
        else:
            # Two forms of one root: each keeps its digits where the other loses them.
            apart = of.syy - ratio * of.sxx
            root = np.hypot(apart, 2.0 * np.sqrt(ratio) * of.sxy)
            found = np.where(apart >= 0, (apart + root) / (2.0 * of.sxy), 2.0 * ratio * of.sxy / (root - apart))
    return np.where(np.isfinite(found), found, np.nan)


def fit(x: ArrayLike, y: ArrayLike, how: How | None = None) -> Line:
    """A line through pairs, with parametric limits.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Pairs; those in which either is not finite are left out and counted.
    how : How, optional

    Returns
    -------
    Line
        Where there is none (fewer than three pairs, no variance, no direction) slope and intercept are NaN and ``reason`` says why.

    Raises
    ------
    ValueError
        Unlike lengths.

    Examples
    --------
    >>> fit([0, 1, 2, 3], [1, 3, 5, 7]).slope
    2.0
    >>> fit([0, 0, 4, 4], [0, 2, 2, 4], How("ols")).slope
    0.5
    >>> fit([1, 1, 1], [1, 2, 3]).reason
    'no variance in x: all 3 pairs have 1'
    """
    how = how or How()
    kept = keep(x, y, how)
    given_x, given_y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    line = _fitted(given_x[kept], given_y[kept], how)
    finite = int((np.isfinite(given_x) & np.isfinite(given_y)).sum())
    notes = line.notes
    if line.count < finite:
        notes = (f"{finite - line.count:,} of {finite:,} pairs were left out, farther than {how.clip:g} standard deviations", *notes)
    return replace(line, dropped=len(kept) - line.count, notes=notes)


def keep(x: ArrayLike, y: ArrayLike, how: How) -> NDArray[np.bool_]:
    """Which pairs are fitted: those with two finite numbers, less those that are clipped."""
    given_x, given_y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if given_x.shape != given_y.shape or given_x.ndim != 1:
        raise ValueError(f"x of shape {given_x.shape} and y of shape {given_y.shape}; expected two of one length")
    finite = np.isfinite(given_x) & np.isfinite(given_y)
    if how.clip is None or finite.sum() < LEAST:
        return finite
    kept = finite.copy()
    kept[finite] = _near(given_x[finite], given_y[finite], how, how.clip)
    return kept


def _near(x: Floats, y: Floats, how: How, clip: float) -> NDArray[np.bool_]:
    """Pairs near the line, found anew with the line until they stay the same.

    The first line goes through the medians with the slope of the median absolute deviations: outliers do not move it, while a first line
    fitted to all pairs may follow them.
    """
    spread_x, spread_y = (float(stats.median_abs_deviation(part)) for part in (x, y))
    sign = float(np.sign(stats.spearmanr(x, y).statistic)) if spread_x and spread_y else 0.0
    line: Line | None = None
    if sign:
        slope = sign * spread_y / spread_x
        line = Line("start", slope, float(np.median(y)) - slope * float(np.median(x)))
    kept = np.ones(len(x), dtype=np.bool_)
    for _ in range(ROUNDS):
        line = _fitted(x[kept], y[kept], how) if line is None else line
        if not math.isfinite(line.slope):
            return kept
        # Distances at right angles and along y differ by a factor that is the same for all pairs: either clips the same ones.
        far = y - line.slope * x - line.intercept
        scale = 1.4826 * float(np.median(np.abs(far - np.median(far))))
        # More than half of the pairs on one line, as whole numbers may be: there is no scale to clip by.
        now = np.abs(far - np.median(far)) <= clip * scale if scale > 0 else np.ones(len(x), dtype=np.bool_)
        if line.method != "start" and np.array_equal(now, kept):
            break
        kept, line = now, None
    return kept


def _ratio(x: Floats, y: Floats, how: How) -> float:
    if how.method != "rma":
        return how.error_ratio
    return (_range(y, how.ranges[0]) / _range(x, how.ranges[1])) ** 2


def _range(values: Floats, kind: Range) -> float:
    return float(values.max() if kind == "relative" else values.max() - values.min())


def _fitted(x: Floats, y: Floats, how: How) -> Line:
    blank = Line(how.method, math.nan, math.nan, count=len(x), confidence=how.confidence)
    reason = _degenerate(x, y, how)
    if reason:
        return replace(blank, reason=reason)
    of = moments(x, y)
    if not all(np.isfinite(part) for part in (of.sxx, of.syy, of.sxy)):
        return replace(blank, reason="the numbers are too large for their variance")
    r = float(np.clip(of.sxy / math.sqrt(of.sxx) / math.sqrt(of.syy), -1.0, 1.0))
    ratio = _ratio(x, y, how)
    slope = float(slopes(of, how.method, ratio))
    blank = replace(blank, correlation=r, mean_x=float(of.mean_x), mean_y=float(of.mean_y))
    if math.isnan(slope):
        return replace(blank, reason=_directionless(of, how.method, ratio))
    line = replace(blank, slope=slope, intercept=blank.mean_y - slope * blank.mean_x, notes=_warnings(r, slope, len(x)))
    return _limited(line, of, how, ratio)


def _degenerate(x: Floats, y: Floats, how: How) -> str:
    if len(x) < LEAST:
        return f"{len(x)} {'pair' if len(x) == 1 else 'pairs'}; expected {LEAST} or more"
    for name, values in (("x", x), ("y", y)):
        if values.min() == values.max():
            return f"no variance in {name}: all {len(values):,} pairs have {values[0]:g}"
        if how.method == "rma" and how.ranges[name == "x"] == "relative" and values.min() < 0:
            return f"{name} has values below 0, which a relative range does not allow"
    return ""


def _directionless(of: Moments, method: Method, ratio: float) -> str:
    if method == "sma":
        return "the correlation is 0: the sign of the slope is not known"
    return "the axis is vertical" if of.syy > ratio * of.sxx else "no direction: the variance is the same in all"


def _warnings(r: float, slope: float, n: int) -> tuple[str, ...]:
    notes = []
    p = float(2.0 * stats.t.sf(abs(r) * math.sqrt((n - 2) / max(1.0 - r * r, 1e-300)), n - 2))
    if p > FIRM:
        notes.append(f"the correlation of {r:.3g} does not differ from 0 (p = {p:.2g}): the line has no firm direction")
    elif slope < 0:
        notes.append("the slope is negative: one sensor falls where the other rises; are these the same bands?")
    return tuple(notes)


def _limited(line: Line, of: Moments, how: How, ratio: float) -> Line:
    """The line with its parametric limits, or the reason why there are none."""
    line = replace(line, intervals="parametric")
    ends = parametric(of, line, how, ratio)
    if isinstance(ends, str):
        return replace(line, reason=ends)
    if how.method in ("ma", "rma") and ends[0] > ends[1]:
        return replace(line, reason=VERTICAL)
    if how.method == "ols":
        t = _t(line)
        error = math.sqrt(_unexplained(of, line) * (1.0 / line.count + line.mean_x**2 / (float(of.sxx) * (line.count - 1))))
        cuts = [line.intercept - t * error, line.intercept + t * error]
    else:
        cuts = sorted(line.mean_y - end * line.mean_x for end in ends)
    return replace(line, slope_low=min(ends), slope_high=max(ends), intercept_low=cuts[0], intercept_high=cuts[1])


def parametric(of: Moments, line: Line, how: How, ratio: float) -> Sequence[float] | str:
    """Slopes at both ends of the interval, from the lower to the upper angle; or why there are none.

    Of ma and rma the second is the smaller one where the interval holds the vertical.
    """
    t, n = _t(line), line.count
    if how.method == "ols":
        half = t * math.sqrt(_unexplained(of, line) / (float(of.sxx) * (n - 1)))
        return line.slope - half, line.slope + half
    if how.method == "sma":
        b = t * t * (1.0 - line.correlation**2) / (n - 2)
        ends = [line.slope * (math.sqrt(b + 1.0) + side * math.sqrt(b)) for side in (-1.0, 1.0)]
        return sorted(ends)
    unit = math.sqrt(ratio)
    sxx, syy, sxy = float(of.sxx), float(of.syy) / ratio, float(of.sxy) / unit
    # H with the product of the eigenvalues above: it is 0, not undefined, where all pairs lie on the line.
    h = t * t * max(sxx * syy - sxy * sxy, 0.0) / (((sxx - syy) ** 2 + 4.0 * sxy * sxy) * (n - 2))
    if h > 1.0:
        return f"no limits: H is {h:.3g}, above 1, as the pairs have no clear direction"
    angle, half = math.atan(line.slope / unit), math.asin(math.sqrt(h))
    return unit * math.tan(angle - half), unit * math.tan(angle + half)


def _t(line: Line) -> float:
    return float(stats.t.ppf(0.5 + 0.5 * line.confidence, line.count - 2))


def _unexplained(of: Moments, line: Line) -> float:
    """Variance of the residuals of least squares."""
    return max(float(of.syy) * (1.0 - line.correlation**2), 0.0) * (line.count - 1) / (line.count - 2)
