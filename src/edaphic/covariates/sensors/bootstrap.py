"""Bootstrap intervals of a line: whole groups of pairs are drawn, not single pairs.

Pixels of one date share its haze, sun and phenology, and neighbours on one scene share their field: a hundred of them tell less than a
hundred from as many places. An interval that draws single pixels is far too narrow. So pairs come with a group (a pair of dates, a block
of cells), and groups are drawn with replacement. Efron and Tibshirani (1993), An Introduction to the Bootstrap; percentile intervals.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.covariates.sensors.line import Floats, Line, with_draws
from edaphic.covariates.sensors.major_axis import How, Moments, fit, keep, slopes

FEW_GROUPS = 10
"""Fewer groups than these are told: their interval is a rough one, as a rule too narrow."""


def fit_bootstrap(
    x: ArrayLike, y: ArrayLike, how: How | None = None, *, groups: ArrayLike | None = None, samples: int = 1000, seed: int = 0
) -> Line:
    """A line through pairs, with percentile limits from bootstrap samples of groups.

    Parameters
    ----------
    x, y : array_like, shape (n,)
    how : How, optional
        Pairs that are clipped are so once and for all samples, so that their choice is no part of the interval.
    groups : array_like, shape (n,), optional
        Label of the group of each pair, whatever it is; each pair is one of its own unless given, as if pairs were independent.
    samples : int
        Number of bootstrap samples, at least 1.
    seed : int
        The same seed gives the same limits, to the bit.

    Returns
    -------
    Line
        As :func:`fit`, its limits from the samples, which it carries as ``draws``.

    Raises
    ------
    ValueError
        Unlike lengths, or no samples.

    Examples
    --------
    >>> line = fit_bootstrap([0, 1, 2, 3, 4, 5], [1, 3, 5, 7, 9, 11], samples=50)
    >>> round(line.slope_low, 9), round(line.slope_high, 9), line.intervals
    (2.0, 2.0, 'bootstrap')
    >>> fit_bootstrap([0, 1, 2, 3], [1, 3, 5, 8], groups=["a", "a", "a", "a"]).reason
    'no limits: all pairs are of one group, and groups are drawn'
    """
    how = how or How()
    if samples < 1:
        raise ValueError(f"samples {samples}; expected at least 1")
    kept = keep(x, y, how)
    if groups is not None and np.shape(groups) != kept.shape:
        raise ValueError(f"groups of shape {np.shape(groups)} for {len(kept)} pairs; expected a label for each")
    line = fit(x, y, how)
    line = replace(line, slope_low=np.nan, slope_high=np.nan, intercept_low=np.nan, intercept_high=np.nan, intervals="bootstrap")
    if np.isnan(line.slope):
        return line
    line = replace(line, reason="")
    labels = np.arange(len(kept)) if groups is None else np.asarray(groups)
    names, member = np.unique(labels[kept], return_inverse=True)
    if len(names) < 2:
        return replace(line, reason="no limits: all pairs are of one group, and groups are drawn")
    given_x, given_y = (np.asarray(part, dtype=np.float64)[kept] for part in (x, y))
    draws = _draws(given_x, given_y, member.ravel(), len(names), how, samples, seed)
    if len(names) < FEW_GROUPS:
        line = replace(line, notes=(*line.notes, f"{len(names)} groups of pairs only: the limits are rough, and as a rule too narrow"))
    return with_draws(line, draws)


def _draws(x: Floats, y: Floats, member: NDArray[np.intp], groups: int, how: How, samples: int, seed: int) -> Floats:
    """Slope and intercept of each sample, from sums of groups: no sample of pairs is ever made.

    The seed's stream is used sample by sample, so that more samples leave the first ones as they were.
    """
    mean_x, mean_y = float(x.mean()), float(y.mean())
    dx, dy = x - mean_x, y - mean_y
    parts = np.stack([np.bincount(member, part, groups) for part in (np.ones(len(x)), dx, dy, dx * dx, dy * dy, dx * dy)])
    ends = np.stack([_extreme(values, member, groups, low) for values in (x, y) for low in (True, False)]) if how.method == "rma" else None
    random = np.random.default_rng(seed)
    sums, ratio = np.empty((6, samples)), np.full(samples, how.error_ratio)
    for number in range(samples):
        times = np.bincount(random.integers(groups, size=groups), minlength=groups).astype(np.float64)
        # A plain sum, for a matrix product may differ in its last bits with the number of threads.
        sums[:, number] = (parts * times).sum(axis=1)
        if ends is not None:
            ratio[number] = _ratio_of(ends[:, times > 0], how)
    with np.errstate(divide="ignore", invalid="ignore"):
        n, sx, sy = sums[:3]
        squares = [(raw - one * other / n) / (n - 1) for raw, one, other in zip(sums[3:], (sx, sy, sx), (sx, sy, sy), strict=True)]
        of = Moments(n, sx / n, sy / n, *(np.where(n > 2, part, np.nan) for part in squares))
        slope = slopes(of, how.method, ratio)
    return np.column_stack([slope, mean_y + of.mean_y - slope * (mean_x + of.mean_x)])


def _extreme(values: Floats, member: NDArray[np.intp], groups: int, low: bool) -> Floats:
    found = np.full(groups, np.inf if low else -np.inf)
    (np.minimum if low else np.maximum).at(found, member, values)
    return found


def _ratio_of(ends: Floats, how: How) -> float:
    """Squared ratio of the ranges of a sample, from the smallest and largest x and y of its groups."""
    low_x, high_x, low_y, high_y = ends[0].min(), ends[1].max(), ends[2].min(), ends[3].max()
    range_y = high_y if how.ranges[0] == "relative" else high_y - low_y
    range_x = high_x if how.ranges[1] == "relative" else high_x - low_x
    with np.errstate(divide="ignore", invalid="ignore"):
        return float((np.float64(range_y) / np.float64(range_x)) ** 2)
