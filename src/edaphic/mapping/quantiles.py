"""From the quantiles of a forest to those of a map: moved as the evidence says, in order, and turned round into probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.validate.calibration import adjust

Array = NDArray[np.float64]

MIDDLE = 0.5


def moves_at(moves: Array, known: Sequence[float], wanted: Sequence[float]) -> Array:
    """Moves of other levels than those that were calibrated: in proportion between the two neighbours.

    Parameters
    ----------
    moves : array (k,) or (n, k)
        Of the levels ``known``, ascending.
    known, wanted : sequence of float

    Returns
    -------
    array (m,) or (n, m)
        A level that is known has its own move to the bit.

    Raises
    ------
    ModelError
        A level lies outside the known ones.

    Examples
    --------
    >>> moves_at(np.array([-2.0, 0.0, 4.0]), (0.1, 0.5, 0.9), (0.1, 0.2, 0.9)).tolist()
    [-2.0, -1.5, 4.0]
    """
    beyond = [level for level in wanted if not known[0] - 1e-12 <= level <= known[-1] + 1e-12]
    if beyond:
        raise ModelError(f"maps: quantiles at {beyond}; expected levels from {known[0]:g} to {known[-1]:g}, which the evidence calibrates")
    columns = []
    for level in wanted:
        right = min(int(np.searchsorted(np.asarray(known), level - 1e-12)), len(known) - 1)
        if abs(known[right] - level) <= 1e-12:
            columns.append(moves[..., right])
            continue
        share = (level - known[right - 1]) / (known[right] - known[right - 1])
        columns.append(moves[..., right - 1] + share * (moves[..., right] - moves[..., right - 1]))
    return np.stack(columns, axis=-1)


def calibrate(
    raw: Array,
    levels: Sequence[float],
    limits: tuple[float, float],
    outward: tuple[float | Array, float | Array],
    moves: Array | None,
    *,
    log: bool,
    within: Array | None = None,
) -> tuple[Array, NDArray[np.bool_]]:
    """Quantiles of cells as the evidence reports them.

    The two limits of the interval move as in the evidence, the median stays as it is there (out-of-fold ``q50``), every other level moves
    by a shift of its own. Where levels cross, those between two of these three are put in order, and none leaves its part.

    Parameters
    ----------
    raw : array (n, k)
        Of the forest.
    levels : sequence of float (k,)
        Ascending; the limits and one half among them.
    limits : (low, high)
        Levels of the interval.
    outward : (lower, upper)
        Moves of the limits, numbers or (n,); see :func:`~edaphic.validate.calibration.moves_for`.
    moves : array (k,) or (n, k), optional
        To add, for each level; None where there are no others than the three.
    log : bool
        Move logarithms.
    within : array (n,), optional
        The limits are widened where they do not hold this value.

    Returns
    -------
    quantiles : array (n, k)
        Rising along each row.
    widened : bool (n,)

    Examples
    --------
    >>> raw = np.array([[2.0, 3.0, 4.0, 8.0]])
    >>> calibrate(raw, (0.05, 0.25, 0.5, 0.95), (0.05, 0.95), (1.0, 2.0), np.array([0.0, 1.5, 0.0, 0.0]), log=False)[0]
    array([[ 1.,  4.,  4., 10.]])
    """
    place = [_index(levels, level) for level in (limits[0], MIDDLE, limits[1])]
    lower, upper = (np.asarray(move) for move in outward)
    out = raw.copy()
    if moves is not None:
        out = raw * np.exp(moves) if log else np.maximum(raw + moves, 0.0)
    middle = raw[:, place[1]]
    low, high = adjust(raw[:, place[0]], middle, raw[:, place[2]], lower, upper, log=log)
    widened = np.zeros(len(raw), dtype=bool)
    if within is not None:
        widened = (within < low) | (within > high)
        low, high = np.minimum(low, within), np.maximum(high, within)
    out[:, place[0]], out[:, place[1]], out[:, place[2]] = low, middle, high
    return _in_parts(out, place), widened


def _index(levels: Sequence[float], level: float) -> int:
    return int(np.argmin(np.abs(np.asarray(levels) - level)))


def _in_parts(values: Array, place: Sequence[int]) -> Array:
    """Rows in rising order, those of ``place`` unchanged."""
    bounds = [-1, *place, values.shape[1]]
    for first, last in pairwise(bounds):
        if last - first < 2:
            continue
        part = values[:, first + 1 : last]
        if first >= 0:
            part = np.maximum(part, values[:, [first]])
        if last < values.shape[1]:
            part = np.minimum(part, values[:, [last]])
        values[:, first + 1 : last] = np.sort(part, axis=1)
    return values


def exceedance(quantiles: Array, levels: Sequence[float], threshold: float) -> Array:
    """Probability that a value lies above a threshold, from the quantiles of its distribution.

    Between two quantiles the distribution is taken as even. Below the lowest and above the highest one nothing is known but their levels:
    there the probability is one minus that level. Of several quantiles that equal the threshold the highest level counts, for what equals
    it does not exceed it.

    Parameters
    ----------
    quantiles : array (n, k)
        Rising along each row.
    levels : sequence of float (k,)
        Ascending.
    threshold : float

    Returns
    -------
    array (n,), between 1 - levels[-1] and 1 - levels[0]; NaN where a quantile is NaN.

    Examples
    --------
    Quantiles 2, 4 and 8 at 5, 50 and 95 %. A value is below 6 with probability 0.5 + 0.45 x (6 - 4) / (8 - 4) = 0.725.

    >>> rows = np.array([[2.0, 4.0, 8.0]])
    >>> [round(float(exceedance(rows, (0.05, 0.5, 0.95), value)[0]), 3) for value in (1.0, 4.0, 6.0, 9.0)]
    [0.95, 0.5, 0.275, 0.05]
    """
    tau = np.asarray(levels, dtype=np.float64)
    k = len(tau)
    reached = (quantiles <= threshold).sum(axis=1)
    right = np.clip(reached, 1, k - 1)
    rows = np.arange(len(quantiles))
    low, high = quantiles[rows, right - 1], quantiles[rows, right]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(high > low, (threshold - low) / (high - low), 1.0)
    below = tau[right - 1] + share * (tau[right] - tau[right - 1])
    below = np.where(reached == 0, tau[0], np.where(reached == k, tau[-1], below))
    return np.where(np.isnan(quantiles).any(axis=1), np.nan, 1.0 - below)
