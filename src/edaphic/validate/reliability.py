"""Curves of coverage: does each interval, and each quantile, hold the share of observations that it should.

PICP is the share of observations inside the central interval of a level, QCP the share at or below a quantile, which shows a bias to one
side that PICP hides (Schmidinger and Heuvelink 2023, Geoderma 437).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from edaphic.errors import ModelError
from edaphic.validate.metrics import without_group
from edaphic.validate.probabilistic import CURVE, checked, row_mean, row_weights

Array = NDArray[np.float64]


def pit(observed: ArrayLike, quantiles: ArrayLike, levels: ArrayLike) -> Array:
    """Probability integral transform: the level at which each observation lies in its own distribution.

    Straight between quantiles; the middle of the levels where quantiles tie at the observation; halfway to 0 or 1 beyond the outer
    quantiles, since nothing more is known there. Uniform where the distributions are right.

    >>> pit([2.0, 0.0, 9.0], [[1.0, 3.0, 5.0]] * 3, [0.1, 0.5, 0.9])
    array([0.3 , 0.05, 0.95])
    """
    o, q, tau, _ = checked(observed, quantiles, levels, None)
    y, last = o[:, None], q.shape[1] - 1
    below, at_most = np.sum(q < y, axis=1), np.sum(q <= y, axis=1)
    row, left, right = np.arange(len(o)), np.clip(below - 1, 0, last), np.clip(below, 0, last)
    width = q[row, right] - q[row, left]
    share = np.divide(o - q[row, left], width, out=np.zeros_like(o), where=width > 0)
    between = tau[left] + share * (tau[right] - tau[left])
    tied = 0.5 * (tau[right] + tau[np.clip(at_most - 1, 0, last)])
    cases = [at_most > below, below == 0, below > last]
    return np.asarray(np.select(cases, [tied, np.full_like(o, tau[0] / 2), np.full_like(o, (1 + tau[-1]) / 2)], between))


def pit_histogram(values: ArrayLike, bins: int = 10, *, groups: ArrayLike | None = None, band: float = 0.95) -> pd.DataFrame:
    """Share of the PIT values in bins of equal width, with the band of :func:`share_interval`.

    Returns
    -------
    DataFrame
        ``low``, ``high``, ``share``, ``share_low``, ``share_high``, ``expected``. Choose bins no finer than the levels of the quantiles.

    Examples
    --------
    >>> pit_histogram([0.1, 0.2, 0.3, 0.9], bins=2)[["low", "high", "share", "expected"]].to_numpy().tolist()
    [[0.0, 0.5, 0.75, 0.5], [0.5, 1.0, 0.25, 0.5]]
    """
    u = np.asarray(values, dtype=float)
    if bad := int(np.sum(~((u >= 0) & (u <= 1)))):
        raise ModelError(f"PIT: {bad} of {u.size} values are missing or outside 0 to 1; expected levels")
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, u, side="right") - 1, 0, bins - 1)
    share, low, high = share_interval(place[:, None] == np.arange(bins), groups, band=band)
    columns = (edges[:-1], edges[1:], share, low, high, np.full(bins, 1 / bins))
    return pd.DataFrame(dict(zip(("low", "high", "share", "share_low", "share_high", "expected"), columns, strict=True)))


def share_interval(
    hits: ArrayLike, groups: ArrayLike | None = None, *, weights: ArrayLike | None = None, band: float = 0.95
) -> tuple[Array, Array, Array]:
    """Share of hits, and the interval in which the share of the population lies.

    The score interval of Wilson (1927) for n Bernoulli trials. With groups (profiles, places, blocks), or weights, n is what a simple
    sample of the same variance would hold (Kish's design effect; Korn and Graubard 1998, Survey Methodology 24), but never more than there
    are rows. The variance is the linearised one of whole groups, to which a bootstrap by group tends. Where all rows hit or none, n is the
    number of groups.

    Parameters
    ----------
    hits : array_like of bool (n,) or (n, k)
    groups : array_like (n,), optional
    weights : array_like (n,), optional
    band : float
        Level of the interval.

    Returns
    -------
    share, low, high : array (k,)
        NaN for no rows.

    Examples
    --------
    >>> share, low, high = share_interval(np.arange(100) < 90)
    >>> share.round(3).tolist(), low.round(3).tolist(), high.round(3).tolist()
    ([0.9], [0.826], [0.945])
    """
    z = np.asarray(hits, dtype=float)
    z = z[:, None] if z.ndim == 1 else z
    n, k = z.shape
    if n == 0:
        empty = np.full(k, np.nan)
        return empty, empty.copy(), empty.copy()
    w = row_weights(weights, n)
    share = np.clip(row_mean(z, w), 0.0, 1.0)
    w = w / w.sum()
    counted = 1 / np.sum(w**2)
    if count := without_group(groups):
        raise ModelError(f"shares: {count} of {n} rows have no group; expected the profile, place or block of each")
    code = np.arange(n) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    if len(code) != n:
        raise ModelError(f"shares: {len(code)} groups for {n} rows; expected one for each")
    count = int(code.max()) + 1
    off = w[:, None] * (z - share)
    by_group = np.column_stack([np.bincount(code, weights=off[:, j]) for j in range(k)])
    variance = np.sum(by_group**2, axis=0) * (count / max(count - 1, 1))
    size = np.full(k, min(float(count), counted))
    some = (variance > 0) & (share > 0) & (share < 1)
    # A simple sample of n rows has the variance p (1 - p) / (n - 1).
    np.divide(share * (1 - share) * (counted / max(counted - 1, 1e-9)), variance, out=size, where=some)
    size = np.clip(size, 1.0, counted) if count > 1 else np.ones(k)
    t = float(ndtri((1 + band) / 2))
    middle = (share + t**2 / (2 * size)) / (1 + t**2 / size)
    half = t / (1 + t**2 / size) * np.sqrt(share * (1 - share) / size + t**2 / (4 * size**2))
    return share, np.clip(middle - half, 0.0, share), np.clip(middle + half, share, 1.0)


def curve_table(
    observed: ArrayLike,
    quantiles: ArrayLike,
    levels: ArrayLike,
    *,
    curve: Sequence[float] = CURVE,
    groups: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    band: float = 0.95,
) -> pd.DataFrame:
    """PICP and QCP curves.

    Parameters
    ----------
    observed : array_like (n,)
    quantiles : array_like (n, k)
    levels : array_like (k,)
        Quantiles between them are interpolated; none are made up beyond the outer two. :func:`curve_levels` gives all that are needed.
    curve : sequence of float
        Levels p at which to tell both curves.
    groups, weights, band
        As for :func:`share_interval`.

    Returns
    -------
    DataFrame
        ``level``, ``picp`` (share of observations in the central interval of level p, limits among them; should be p), ``picp_low``,
        ``picp_high``, ``qcp`` (share at or below the quantile of level p; should be p), ``qcp_low``, ``qcp_high``, ``width`` (mean width of
        the interval). NaN where the quantiles do not reach so far.

    Examples
    --------
    >>> table = curve_table([1.0, 2.0, 3.0, 9.0], [[0.0, 2.0, 4.0]] * 4, [0.25, 0.5, 0.75], curve=(0.5,))
    >>> table[["level", "picp", "qcp", "width"]].to_numpy().tolist()
    [[0.5, 0.75, 0.5, 4.0]]
    """
    o, q, tau, w = checked(observed, quantiles, levels, weights)
    p = np.asarray(curve, dtype=float)
    low, high, at = (_at(q, tau, v) for v in ((1 - p) / 2, (1 + p) / 2, p))
    y = o[:, None]
    picp = share_interval((y >= low) & (y <= high), groups, weights=weights, band=band)
    qcp = share_interval(y <= at, groups, weights=weights, band=band)
    known = (np.isfinite(low[0] + high[0]), np.isfinite(at[0]))
    out: dict[str, Array] = {"level": p}
    for name, values, is_known in (("picp", picp, known[0]), ("qcp", qcp, known[1])):
        for suffix, value in zip(("", "_low", "_high"), values, strict=True):
            out[name + suffix] = np.where(is_known, value, np.nan)
    out["width"] = row_mean(high - low, w)
    return pd.DataFrame(out)


def g_statistic(levels: ArrayLike, picp: ArrayLike) -> float:
    """Goodness of an accuracy plot (Deutsch 1997; Goovaerts 2001, Geoderma 103).

    G = 1 - integral from 0 to 1 of [3 a(p) - 2] [picp(p) - p] dp, a(p) = 1 where picp(p) >= p, else 0: the area between the curve and the
    diagonal, counted twice where fewer observations are inside than promised. 1 is best. The curve is taken as straight between the levels,
    with 0 at 0 and 1 at 1; levels that are NaN are left out.

    >>> g_statistic([0.5], [0.5]), g_statistic([0.5], [0.7]), g_statistic([0.5], [0.3])
    (1.0, 0.9, 0.8)
    """
    p, share = np.asarray(levels, dtype=float), np.asarray(picp, dtype=float)
    keep = np.isfinite(share) & (p > 0) & (p < 1)
    if not keep.any():
        raise ModelError("accuracy plot: no level with a known share; expected one or more between 0 and 1")
    order = np.argsort(p[keep], kind="stable")
    p = np.concatenate([[0.0], p[keep][order], [1.0]])
    d = np.concatenate([[0.0], share[keep][order] - p[1:-1], [0.0]])
    left, right, width = d[:-1], d[1:], np.diff(p)
    size = np.abs(left) + np.abs(right)
    crosses = left * right < 0
    with np.errstate(invalid="ignore"):
        above = np.where(crosses, np.maximum(left, right) ** 2 / (2 * size), np.maximum(left + right, 0) / 2)
        below = np.where(crosses, np.minimum(left, right) ** 2 / (2 * size), np.maximum(-left - right, 0) / 2)
    return float(round(1 - np.sum(width * (above + 2 * below)), 14))


def _at(quantiles: Array, levels: Array, wanted: Array) -> Array:
    """Quantiles at other levels, straight between those known; NaN beyond them."""
    out = np.full((len(quantiles), len(wanted)), np.nan)
    for j, level in enumerate(wanted):
        near = int(np.argmin(np.abs(levels - level)))
        right = int(np.searchsorted(levels, level))
        if abs(levels[near] - level) < 1e-9:
            out[:, j] = quantiles[:, near]
        elif 0 < right < len(levels):
            share = (level - levels[right - 1]) / (levels[right] - levels[right - 1])
            out[:, j] = quantiles[:, right - 1] * (1 - share) + quantiles[:, right] * share
    return out
