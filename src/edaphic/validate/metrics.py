"""Scores of predictions, and their bootstrap intervals.

Errors are predicted minus observed. MEC is the model efficiency coefficient, 1 - SSE/SST; it may be negative and is not the squared
correlation. CCC is Lin's concordance with the same n in all its terms, so that a perfect prediction scores 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCORES = ("bias", "rmse", "mec", "ccc", "r2_pearson")


def scores(observed: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Bias, RMSE, MEC, CCC and squared correlation.

    Parameters
    ----------
    observed, predicted : array_like (n,)
        Same unit; no NaN.

    Returns
    -------
    dict
        ``bias`` and ``rmse`` in the unit of the values; the others have none. NaN where a score is not defined (constant observations).

    Examples
    --------
    >>> result = scores([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    >>> result["bias"], result["rmse"], result["mec"]
    (1.0, 1.0, -0.5)
    >>> round(result["ccc"], 4), round(result["r2_pearson"], 4)
    (0.5714, 1.0)
    """
    o, p = np.asarray(observed, dtype=float), np.asarray(predicted, dtype=float)
    sums = _sums(o, p, np.zeros(len(o), dtype=np.int64))
    return {name: float(value[0]) for name, value in _from_sums(sums).items()}


def bootstrap(
    observed: ArrayLike, predicted: ArrayLike, groups: ArrayLike, draws: int, seed: int, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Intervals of the scores, by drawing whole groups with replacement.

    Parameters
    ----------
    observed, predicted : array_like (n,)
    groups : array_like of int (n,)
        Rows of a group (a place, a block) are drawn together, because their errors are alike.
    draws : int
    seed : int
    level : float

    Returns
    -------
    dict of (low, high)
    """
    o, p = np.asarray(observed, dtype=float), np.asarray(predicted, dtype=float)
    code = np.unique(np.asarray(groups), return_inverse=True)[1]
    sums = _sums(o, p, code)
    count = len(sums)
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[NDArray[np.float64]]] = {name: [] for name in SCORES}
    # In parts, so that many groups times many draws need no large matrix.
    part = max(1, 4_000_000 // count)
    for start in range(0, draws, part):
        often = rng.multinomial(count, np.full(count, 1 / count), size=min(part, draws - start))
        for name, values in _from_sums(often @ sums).items():
            drawn[name].append(values)
    edges = ((1 - level) / 2, (1 + level) / 2)
    out = {}
    for name, parts in drawn.items():
        values = np.concatenate(parts)
        values = values[np.isfinite(values)]
        low, high = np.quantile(values, edges) if len(values) else (np.nan, np.nan)
        out[name] = (float(low), float(high))
    return out


def _sums(o: NDArray[np.float64], p: NDArray[np.float64], code: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums by group that all scores are made of; centred first, so that squares do not cancel."""
    centre = o.mean()
    o, p = o - centre, p - centre
    columns = (np.ones_like(o), o, p, o * o, p * p, o * p)
    return np.column_stack([np.bincount(code, weights=column) for column in columns])


def _from_sums(sums: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
    n, so, sp, soo, spp, sop = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_o, mean_p = so / n, sp / n
        var_o, var_p = soo / n - mean_o**2, spp / n - mean_p**2
        cov = sop / n - mean_o * mean_p
        mse = np.maximum((soo - 2 * sop + spp) / n, 0.0)
        return {
            "bias": mean_p - mean_o,
            "rmse": np.sqrt(mse),
            "mec": np.where(var_o > 0, 1 - mse / var_o, np.nan),
            "ccc": 2 * cov / (var_o + var_p + (mean_p - mean_o) ** 2),
            "r2_pearson": np.where((var_o > 0) & (var_p > 0), cov**2 / (var_o * var_p), np.nan),
        }
