"""Scores of predicted quantiles, intervals and distributions: do they keep their promise, and how sharp are they.

Quantiles are a table (n, k): row by row, at k levels that ascend. Coverage is judged by the whole curve: the share of observations inside
the central interval of each level (PICP), and the share at or below each quantile (QCP), which shows a bias to one side that PICP hides
(Schmidinger and Heuvelink 2023, Geoderma 437). Proper scores (pinball loss, interval score, CRPS; Gneiting and Raftery 2007, Journal of the
American Statistical Association 102) rank predictions by reliability and sharpness at once; smaller is better, in the unit of the values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import ModelError

Array = NDArray[np.float64]

CURVE = (*(p / 100 for p in range(5, 100, 5)), 0.99)
"""Levels of the intervals and quantiles of a coverage curve: 5, 10 ... 95 and 99 %."""


def curve_levels(intervals: Sequence[float] = CURVE) -> tuple[float, ...]:
    """Levels of the quantiles that a curve over these intervals needs: both limits of each, the levels themselves, and the median.

    >>> curve_levels((0.5, 0.9))
    (0.05, 0.25, 0.5, 0.75, 0.9, 0.95)
    """
    needed = {0.5, *intervals}
    for p in intervals:
        needed |= {(1 - p) / 2, (1 + p) / 2}
    return tuple(sorted({round(level, 10) for level in needed}))


def pinball(observed: ArrayLike, quantiles: ArrayLike, levels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean pinball loss of each quantile: (y - q) tau where y lies above q, (q - y) (1 - tau) where it lies below.

    Parameters
    ----------
    observed : array_like (n,)
    quantiles : array_like (n, k), or (n,) where there is one level
    levels : array_like (k,) or scalar
    weights : array_like (n,), optional

    Returns
    -------
    array (k,)
        In the unit of the values (Koenker and Bassett 1978, Econometrica 46).

    Examples
    --------
    >>> pinball([1.0, 3.0], [2.0, 2.0], 0.9)
    array([0.5])
    """
    o, q, tau, w = checked(observed, quantiles, levels, weights)
    beyond = o[:, None] - q
    return row_mean(np.maximum(tau * beyond, (tau - 1) * beyond), w)


def interval_score(
    observed: ArrayLike, low: ArrayLike, high: ArrayLike, level: float, *, weights: ArrayLike | None = None
) -> float:
    """Mean interval score (Winkler 1972): the width, and 2 / (1 - level) times how far the observation lies outside.

    >>> interval_score([1.0, 5.0], [0.0, 0.0], [4.0, 4.0], 0.9)  # (4 + (4 + 20 x 1)) / 2
    14.0
    """
    if not 0 < level < 1:
        raise ModelError(f"interval: level {level:g}; expected one between 0 and 1, such as 0.9")
    limits = _both(low, high)
    o, q, _, w = checked(observed, limits, ((1 - level) / 2, (1 + level) / 2), weights)
    outside = np.maximum(q[:, 0] - o, 0.0) + np.maximum(o - q[:, 1], 0.0)
    return float(row_mean(q[:, 1] - q[:, 0] + round(2 / (1 - level), 12) * outside, w))


def crps_quantiles(observed: ArrayLike, quantiles: ArrayLike, levels: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Mean continuous ranked probability score of a distribution known by some quantiles.

    CRPS = integral of (F(x) - [x >= y])^2 dx (Matheson and Winkler 1976, Management Science 22), exact for the F that runs straight from
    quantile to quantile and has what lies beyond the outer levels at the outer quantiles. With levels of 1 to 99 % a Gaussian scores within
    0.5 % of its closed form; with few levels the tails are missed, so compare distributions at the same levels only.

    Parameters
    ----------
    observed : array_like (n,)
    quantiles : array_like (n, k)
    levels : array_like (k,)
    weights : array_like (n,), optional

    Examples
    --------
    >>> crps_quantiles([3.0], [[1.0]], [0.5])  # one value: the absolute error
    2.0
    >>> round(crps_quantiles([0.5], [[0.0, 1.0]], [0.0, 1.0]), 6)  # uniform: 2 x integral of x^2 from 0 to 1/2
    0.083333
    """
    o, q, tau, w = checked(observed, quantiles, levels, weights)
    y = o[:, None]
    score = np.maximum(q[:, 0] - o, 0.0) + np.maximum(o - q[:, -1], 0.0)
    if q.shape[1] > 1:
        left, right = q[:, :-1], q[:, 1:]
        cut = np.clip(y, left, right)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(right > left, (cut - left) / (right - left), 0.0)
        at_cut = tau[:-1] + share * np.diff(tau)
        score += np.sum(_mean_square(tau[:-1], at_cut) * (cut - left), axis=1)
        score += np.sum(_mean_square(1 - at_cut, 1 - tau[1:]) * (right - cut), axis=1)
    return float(row_mean(score, w))


def crps_ensemble(
    observed: ArrayLike,
    members: ArrayLike,
    *,
    member_weights: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    fair: bool = False,
) -> float:
    """Mean CRPS of an ensemble: mean of abs(x - y) less half the mean of abs(x - x') over all pairs of members.

    Parameters
    ----------
    observed : array_like (n,)
    members : array_like (n, m)
        In any order.
    member_weights : array_like (m,) or (n, m), optional
        Not negative; only their ratios within a row count.
    weights : array_like (n,), optional
    fair : bool
        Members are a random sample of the distribution that is judged: pairs of a member with itself are left out (Ferro 2014, Quarterly
        Journal of the Royal Meteorological Society 140). Without member weights only.

    Examples
    --------
    >>> crps_ensemble([2.0], [[1.0, 3.0]])  # 1 - 1/2
    0.5
    """
    x = np.asarray(members, dtype=float)
    if x.ndim != 2:
        raise ModelError(f"ensemble: members of shape {x.shape}; expected one row per observation")
    order = np.argsort(x, axis=1, kind="stable")
    x = np.take_along_axis(x, order, axis=1)
    o, x, _, w = checked(observed, x, np.full(x.shape[1], 0.5), weights, rising=False)
    if member_weights is None:
        v = np.full(x.shape, 1 / x.shape[1])
    else:
        if fair:
            raise ModelError("ensemble: fair scores of weighted members; expected one or the other")
        v = np.broadcast_to(np.asarray(member_weights, dtype=float), x.shape)
        v = np.take_along_axis(v, order, axis=1)
        if not np.isfinite(v).all() or (v < 0).any() or (v.sum(axis=1) <= 0).any():
            raise ModelError("ensemble: member weights that are negative, missing or all zero; expected weights of zero or more")
        v = v / v.sum(axis=1, keepdims=True)
    e = x - o[:, None]
    pairs = np.sum(v * e * (2 * np.cumsum(v, axis=1) - v - 1), axis=1)
    if fair:
        if x.shape[1] < 2:
            raise ModelError("ensemble: one member; expected two or more for a fair score")
        pairs = pairs * x.shape[1] / (x.shape[1] - 1)
    return float(row_mean(np.sum(v * np.abs(e), axis=1) - pairs, w))


def interval_scores(table: pd.DataFrame, level: float) -> dict[str, float]:
    """Interval score, pinball losses and width of out-of-fold intervals, before (``_raw``) and after adjustment.

    Parameters
    ----------
    table : DataFrame
        ``observed``, ``q05_raw``, ``q95_raw``, ``q05``, ``q95``: limits of the interval of ``level``, whatever it is.
    level : float
        For example 0.9.

    Returns
    -------
    dict
        ``interval_score``, ``pinball_low``, ``pinball_high``, ``mean_width``, and each with ``_raw``. The interval score is 2 / (1 - level)
        times the sum of the two pinball losses.

    Examples
    --------
    >>> table = pd.DataFrame({"observed": [1.0], "q05_raw": [2.0], "q95_raw": [3.0], "q05": [0.0], "q95": [4.0]})
    >>> found = interval_scores(table, 0.9)
    >>> found["interval_score"], found["interval_score_raw"]
    (4.0, 21.0)
    """
    out = {}
    tau = ((1 - level) / 2, (1 + level) / 2)
    for suffix in ("", "_raw"):
        limits = _both(table[f"q05{suffix}"], table[f"q95{suffix}"])
        low, high = pinball(table["observed"], limits, tau)
        out[f"interval_score{suffix}"] = interval_score(table["observed"], limits[:, 0], limits[:, 1], level)
        out[f"pinball_low{suffix}"], out[f"pinball_high{suffix}"] = float(low), float(high)
        out[f"mean_width{suffix}"] = float(np.mean(limits[:, 1] - limits[:, 0]))
    return out


def _both(low: ArrayLike, high: ArrayLike) -> Array:
    one, other = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    if one.shape != other.shape:
        raise ModelError(f"interval: {one.shape} lower and {other.shape} upper limits; expected as many of both")
    return np.column_stack([one, other])


def _mean_square(a: Array, b: Array) -> Array:
    """Mean of the square of what runs straight from a to b."""
    return (a * a + a * b + b * b) / 3


def row_weights(weights: ArrayLike | None, n: int) -> Array:
    """Weights of n rows; ones where none are given."""
    if weights is None:
        return np.ones(n)
    w = np.asarray(weights, dtype=float)
    if w.shape != (n,) or not np.isfinite(w).all() or (w < 0).any() or not (w > 0).any():
        raise ModelError(f"weights: shape {w.shape}, or negative, missing or all zero; expected {n} weights of zero or more")
    return w


def row_mean(values: Array, weights: Array) -> Array:
    """Weighted mean over rows; not a matrix product, whose last bits depend on the library's threads."""
    return np.asarray(np.sum(values.T * weights, axis=-1) / np.sum(weights))


def checked(
    observed: ArrayLike, quantiles: ArrayLike, levels: ArrayLike, weights: ArrayLike | None, *, rising: bool = True
) -> tuple[Array, Array, Array, Array]:
    """Observations, quantiles, levels and weights as arrays that fit each other, or all that is wrong with them."""
    o, q = np.asarray(observed, dtype=float), np.asarray(quantiles, dtype=float)
    tau = np.atleast_1d(np.asarray(levels, dtype=float))
    q = q[:, None] if q.ndim == 1 else q
    if o.ndim != 1 or len(o) == 0 or q.shape != (len(o), len(tau)):
        found = f"{o.shape} observed values, a table of {q.shape}, {len(tau)} levels"
        raise ModelError(f"quantiles: {found}; expected a row per observation and a column per level")
    faults = []
    for name, values in (("observed values", o), ("quantiles", q)):
        if count := int(np.sum(~np.isfinite(values))):
            faults.append(f"quantiles: {count} {name} are missing or infinite; expected numbers")
    if rising:
        if not ((tau >= 0) & (tau <= 1)).all() or (np.diff(tau) <= 0).any():
            faults.append("quantiles: levels that do not ascend or lie outside 0 to 1; expected levels such as 0.05, 0.5, 0.95")
        if count := int(np.sum((np.diff(q, axis=1) < 0).any(axis=1))):
            faults.append(f"quantiles: {count} of {len(o)} rows fall as the level rises; expected quantiles that do not cross")
    if faults:
        raise ModelError(faults)
    return o, q, tau, row_weights(weights, len(o))
