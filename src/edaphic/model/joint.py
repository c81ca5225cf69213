"""The distribution of a sum of layers whose errors go together: joint realisations of the layers of a cell.

Quantiles of layers do not add up: their sum is too wide, unless the errors of all layers go together fully. What is known of a layer in a
cell is its quantile function; how the layers go together is told by a Gaussian copula (Nelsen, R. B. 2006, An introduction to copulas,
2nd ed., Springer, section 2.3): draws z of a normal distribution with the correlation R, u = Phi(z), and the value of each layer is its
quantile at its u. The draws are one fixed, scrambled Sobol sequence (Owen, A. B. 1998, Scrambling Sobol' and Niederreiter-Xing points,
Journal of Complexity 14, 466-489), the same for every cell, so what is said of a cell depends on nothing but the cell.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from edaphic.compiled import kernel

LEVELS = (0.0, 0.005, 0.025, 0.05, 0.1, 0.175, 0.25, 0.375, 0.5, 0.625, 0.75, 0.825, 0.9, 0.95, 0.975, 0.995, 1.0)
"""Levels at which the quantile function of a layer is asked for. Between them it is straight against the normal score of the level, which
serves skewed distributions with half the levels that straight lines against the level itself take; outside the second and the last but
one it is straight against the level. Limits of sums of three layers (lognormal, or 300 values drawn of it) are right within 2 % of the
width of the 90 % interval, those at 5 and 95 % within 1.2 %. Farther out less is known: where layers are lognormal to their ends, sums at
99 % came out up to 0.3 of that width too high."""
DRAWS = 512
"""Joint realisations of a cell; a power of two, as Sobol sequences want."""
SEED = 6
"""Start of the scrambling: part of the method, not of a run. Of 150, the one whose limits (2.5 to 97.5 %) of sums of 2 to 6 lognormal
layers err least at worst: by 3.5 % of the width of the 90 % interval, by 0.9 % in root mean square."""
BINS = 256
"""Bins in which the realisations of a cell are sorted, so that only a few bins need more."""
FULL = 24
"""Members of a bin that are sorted by insertion."""


class Draws(NamedTuple):
    """Where each realisation lies in the quantile function of each layer.

    ``below`` (draws, L): the level of :data:`LEVELS` below it; ``share`` (draws, L): how far it is on the way to the next.
    """

    below: NDArray[np.int64]
    share: NDArray[np.float64]


def draws_of(correlation: NDArray[np.float64], draws: int = DRAWS) -> Draws:
    """Joint realisations of layers as places in their quantile functions.

    Parameters
    ----------
    correlation : float64 (L, L)
        Of the normal scores; symmetric, without negative eigenvalues, ones on the diagonal.
    draws : int
        A power of two.
    """
    matrix = np.ascontiguousarray(correlation, dtype=np.float64)
    return _draws(matrix.tobytes(), len(matrix), draws, SEED)


@lru_cache(maxsize=64)
def _draws(matrix: bytes, layers: int, draws: int, seed: int) -> Draws:
    correlation = np.frombuffer(matrix, dtype=np.float64).reshape(layers, layers)
    root = _root(correlation)
    plain = qmc.Sobol(layers, scramble=True, rng=seed).random(draws)
    normal = ndtri(np.clip(plain, 1e-12, 1 - 1e-12)) @ root.T
    # Rounding may leave a layer a little short of a variance of one.
    normal /= np.sqrt(np.maximum(np.sum(root**2, axis=1), 1e-12))
    grid, level = np.asarray(LEVELS), ndtr(normal)
    below = np.clip(np.searchsorted(grid, level, side="right") - 1, 0, len(grid) - 2).astype(np.int64)
    score = ndtri(np.clip(grid, 1e-12, 1 - 1e-12))
    inner = (below > 0) & (below < len(grid) - 2)
    return Draws(below, np.where(inner, (normal - score[below]) / np.diff(score)[below], (level - grid[below]) / np.diff(grid)[below]))


def _root(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """A (L, L) with A A' = R, whose first column is all that the plain sum of the scores depends on.

    The first dimension of a Sobol sequence is spread best, and it is the sum that is asked for.
    """
    first = correlation.sum(axis=1) / np.sqrt(max(float(correlation.sum()), 1e-9))
    value, vector = np.linalg.eigh(correlation - np.outer(first, first))
    # One direction is used up; the largest of the others come next. Their signs are fixed, whatever library found them.
    vector = (vector * np.where(vector[np.abs(vector).argmax(axis=0), range(len(value))] < 0, -1.0, 1.0))[:, :0:-1]
    return np.column_stack([first, vector * np.sqrt(np.maximum(value[:0:-1], 0.0))])


def joint_quantiles(
    layers: NDArray[np.float64], factors: NDArray[np.float64], draws: Draws, levels: tuple[float, ...]
) -> NDArray[np.float64]:
    """Quantiles of weighted sums of layers.

    Parameters
    ----------
    layers : float64 (L, n, len(LEVELS))
        Quantiles of each layer in each cell, at :data:`LEVELS`.
    factors : float64 (L, n)
        What each layer counts in the sum.
    draws : Draws
    levels : tuple of float

    Returns
    -------
    float64 (n, k)
        With the sums of a cell in order, s_1 to s_m, the quantile at p is read at p m + 1/2 (Hazen, A. 1914, Transactions of the American
        Society of Civil Engineers 77, 1539-1640), straight lines between.

    Examples
    --------
    Layers that go together fully add up quantile by quantile; others do not.

    >>> layers = np.tile(np.asarray(LEVELS), (2, 1, 1))
    >>> joint_quantiles(layers, np.ones((2, 1)), draws_of(np.ones((2, 2))), (0.1, 0.5)).round(2)
    array([[0.2, 1. ]])
    >>> joint_quantiles(layers, np.ones((2, 1)), draws_of(np.eye(2)), (0.1, 0.5)).round(2)
    array([[0.45, 1.  ]])
    """
    cells = np.ascontiguousarray(np.moveaxis(layers, 1, 0))
    out = np.empty((cells.shape[0], len(levels)))
    _joint(cells, np.ascontiguousarray(np.asarray(factors, dtype=np.float64).T), draws.below, draws.share, np.asarray(levels), out)
    return out


@kernel
def _joint(cells, factors, below, share, levels, out):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    draws, layers = below.shape
    total, ordered, start = np.empty(draws), np.empty(draws), np.empty(BINS + 1, np.int64)
    place = np.empty(draws, np.int64)
    for cell in range(len(cells)):
        for d in range(draws):
            total[d] = 0.0
        for j in range(layers):
            factor, curve = factors[cell, j], cells[cell, j]
            for d in range(draws):
                low = curve[below[d, j]]
                total[d] += factor * (low + share[d, j] * (curve[below[d, j] + 1] - low))
        low, high = _range(total)
        if not (high > low and np.isfinite(high - low)):
            # One value everywhere, or none at all.
            for k in range(len(levels)):
                out[cell, k] = total[0]
            continue
        _bins(total, low, high, place, start, ordered)
        for k in range(len(levels)):
            at = min(max(levels[k] * draws - 0.5, 0.0), draws - 1.0)
            first = int(at)
            left = _member(ordered, place, start, first)
            right = _member(ordered, place, start, min(first + 1, draws - 1))
            out[cell, k] = left + (at - first) * (right - left)


@kernel
def _range(total):  # type: ignore[no-untyped-def]  # compiled
    low = high = total[0]
    for d in range(1, len(total)):
        low, high = min(low, total[d]), max(high, total[d])
        if np.isnan(total[d]):
            return np.nan, np.nan
    return low, high


@kernel
def _bins(total, low, high, place, start, ordered):  # type: ignore[no-untyped-def]  # compiled
    """Values by bin of equal width; ``place[b]`` says whether bin b stands in order yet."""
    scale = BINS / (high - low)
    start[:] = 0
    for d in range(len(total)):
        place[d] = min(int((total[d] - low) * scale), BINS - 1)
        start[place[d] + 1] += 1
    for b in range(BINS):
        start[b + 1] += start[b]
    for d in range(len(total)):
        b = place[d]
        ordered[start[b]] = total[d]
        start[b] += 1
    for b in range(BINS, 0, -1):
        start[b] = start[b - 1]
    start[0] = 0
    place[:BINS] = 0


@kernel
def _member(ordered, place, start, rank):  # type: ignore[no-untyped-def]  # compiled
    """The value of a rank; the bin that holds it is sorted when it is first asked for."""
    low, high = 0, BINS
    while high - low > 1:
        middle = (low + high) // 2
        if start[middle] <= rank:
            low = middle
        else:
            high = middle
    if place[low] == 0:
        place[low] = 1
        own = ordered[start[low] : start[low + 1]]
        if len(own) > FULL:
            own.sort()
        else:
            for i in range(1, len(own)):
                value, j = own[i], i
                while j > 0 and own[j - 1] > value:
                    own[j] = own[j - 1]
                    j -= 1
                own[j] = value
    return ordered[rank]
