"""A fitted line between two sensors: its inverse, lines one after the other, and values brought along it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

VERTICAL = "the interval holds a vertical line, so that the slope has no bounds"


@dataclass(frozen=True)
class Line:
    """A line y = slope x + intercept, and how firm it is.

    Parameters
    ----------
    method : str
        ols, ma, sma, rma, or what the line was made of.
    slope, intercept : float
        NaN where there is no line; ``reason`` says why.
    slope_low, slope_high, intercept_low, intercept_high : float
        Confidence limits, NaN where there are none; ``reason`` says why.
    correlation : float
        Pearson's r of the pairs.
    count, dropped : int
        Pairs that were used, and pairs that were not: without a number, or clipped.
    mean_x, mean_y : float
        The centroid of the pairs that were used. Every line here goes through it.
    intervals : str
        What the limits are: parametric, bootstrap, or none.
    reason : str
        Why the line or its limits are missing; empty where nothing is.
    notes : tuple of str
        What a reader has to know of the fit.
    draws : ndarray of shape (n, 2), optional
        Slope and intercept of each bootstrap sample.

    Examples
    --------
    >>> line = Line("ma", slope=2.0, intercept=1.0)
    >>> back = line.inverse()
    >>> back.slope, back.intercept
    (0.5, -0.5)
    """

    method: str
    slope: float
    intercept: float
    slope_low: float = math.nan
    slope_high: float = math.nan
    intercept_low: float = math.nan
    intercept_high: float = math.nan
    correlation: float = math.nan
    count: int = 0
    dropped: int = 0
    mean_x: float = math.nan
    mean_y: float = math.nan
    intervals: str = "none"
    confidence: float = 0.95
    reason: str = ""
    notes: tuple[str, ...] = ()
    draws: Floats | None = field(default=None, repr=False, compare=False)

    @property
    def angle_deg(self) -> float:
        """Angle of the line with the x axis, in degrees, from -90 to 90.

        >>> Line("ma", 1.0, 0.0).angle_deg
        45.0
        """
        return math.degrees(math.atan(self.slope))

    def inverse(self) -> Line:
        """The same line from y to x: x = y / slope - intercept / slope.

        Limits of the slope are the reciprocals. Limits of the intercept come from the bootstrap samples, each one inverted, or, where the
        limits are parametric, from the ends of the slope through the centroid; those of least squares have no such form and are missing.
        """
        if not math.isfinite(self.slope):
            return self
        if self.slope == 0.0:
            return _without_line(self, "the slope is 0: a line that is level cannot be inverted")
        slope = 1.0 / self.slope
        turned = replace(
            self, slope=slope, intercept=-self.intercept * slope, mean_x=self.mean_y, mean_y=self.mean_x,
            slope_low=math.nan, slope_high=math.nan, intercept_low=math.nan, intercept_high=math.nan, draws=None,
        )  # fmt: skip
        if self.draws is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                draws = np.column_stack([1.0 / self.draws[:, 0], -self.draws[:, 1] / self.draws[:, 0]])
            return with_draws(turned, draws)
        if not (math.isfinite(self.slope_low) and math.isfinite(self.slope_high)):
            return turned
        if self.slope_low <= 0.0 <= self.slope_high:
            return replace(turned, reason=VERTICAL)
        ends = 1.0 / self.slope_high, 1.0 / self.slope_low
        turned = replace(turned, slope_low=ends[0], slope_high=ends[1])
        if self.method == "ols" or not math.isfinite(self.mean_x):
            return replace(turned, reason="the limits of the intercept of an inverted line do not follow from those of the line")
        cuts = sorted(turned.mean_y - end * turned.mean_x for end in ends)
        return replace(turned, intercept_low=cuts[0], intercept_high=cuts[1])


def chain(first: Line, second: Line) -> Line:
    """Two lines one after the other: from TM to ETM+, then from ETM+ to OLI.

    Where both have the same number of bootstrap samples the limits come from them, the two fits being independent of each other;
    otherwise the limits are missing. The count is the smaller of the two; there is no correlation, for nobody saw pairs of the ends.

    Examples
    --------
    >>> both = chain(Line("ma", 2.0, 1.0), Line("ma", 3.0, 0.5))
    >>> both.slope, both.intercept, both.method
    (6.0, 3.5, 'ma, then ma')
    """
    joined = Line(
        f"{first.method}, then {second.method}",
        second.slope * first.slope,
        second.slope * first.intercept + second.intercept,
        count=min(first.count, second.count),
        mean_x=first.mean_x,
        confidence=first.confidence,
        reason="limits of lines one after the other need bootstrap samples of both, as many of one as of the other",
    )
    if first.draws is None or second.draws is None or len(first.draws) != len(second.draws) or first.confidence != second.confidence:
        return joined
    slopes = second.draws[:, 0] * first.draws[:, 0]
    return with_draws(replace(joined, reason=""), np.column_stack([slopes, second.draws[:, 0] * first.draws[:, 1] + second.draws[:, 1]]))


def with_draws(line: Line, draws: Floats) -> Line:
    """The line with percentile limits from bootstrap samples.

    Percentiles are taken of the angle around the line's own, for the steepest line is next to the steepest that falls: a slope of +1000 and
    one of -1000 are neighbours. Angles are measured where the line itself has 45 degrees, so that units do not matter.
    """
    good = draws[~np.isnan(draws).any(axis=1)]
    line = replace(line, draws=draws, intervals="bootstrap")
    if len(good) < 0.95 * len(draws) or not len(good):
        return replace(line, reason=f"only {len(good)} of {len(draws)} bootstrap samples have a line")
    if line.slope == 0.0 or not math.isfinite(line.slope):
        return replace(line, reason=line.reason or "the slope is 0, so that its percentiles have no scale")
    tail = 0.5 * (1.0 - line.confidence)
    unit = abs(line.slope)
    middle = math.copysign(0.25 * math.pi, line.slope)
    around = np.arctan(good[:, 0] / unit) - middle
    around = np.where(around > 0.5 * math.pi, around - math.pi, np.where(around <= -0.5 * math.pi, around + math.pi, around))
    low, high = (middle + float(part) for part in np.quantile(around, [tail, 1.0 - tail]))
    if low <= -0.5 * math.pi or high >= 0.5 * math.pi:
        return replace(line, reason=VERTICAL)
    cuts = np.quantile(good[:, 1], [tail, 1.0 - tail])
    return replace(
        line, slope_low=unit * math.tan(low), slope_high=unit * math.tan(high), intercept_low=float(cuts[0]), intercept_high=float(cuts[1])
    )


def _without_line(line: Line, reason: str) -> Line:
    return Line(line.method, math.nan, math.nan, correlation=line.correlation, count=line.count, dropped=line.dropped, reason=reason)


def apply(values: ArrayLike, slope: float, intercept: float, inverse: bool = False) -> Floats:
    """Values of one sensor as the other would see them.

    Parameters
    ----------
    values : array_like
        Any shape. Whole numbers are taken to float64 first, so that nothing overflows; NaN stays NaN.
    slope, intercept : float
    inverse : bool
        Go the other way: (values - intercept) / slope.

    Returns
    -------
    ndarray of float64, of the same shape

    Raises
    ------
    ValueError
        Slope or intercept are no numbers, or a level line is to be inverted.

    Examples
    --------
    >>> apply([1.0, 2.0], 2.0, 0.5).tolist()
    [2.5, 4.5]
    >>> apply([2.5, 4.5], 2.0, 0.5, inverse=True).tolist()
    [1.0, 2.0]
    >>> apply(np.array([30000], dtype=np.int16), 2.0, 0.0).tolist()
    [60000.0]
    """
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise ValueError(f"slope {slope:g} and intercept {intercept:g}; expected numbers")
    if inverse and slope == 0.0:
        raise ValueError("slope 0: a level line cannot be inverted")
    given = np.asarray(values, dtype=np.float64)
    result: Floats = (given - intercept) / slope if inverse else slope * given + intercept
    return result
