"""Scores of predictions, their bootstrap intervals, and those of the difference between two predictions.

The definitions are fixed. e = predicted - observed; means, variances and covariances divide by the same n (by the sum of the weights).

==============  =========================================================================================================================
``bias``        mean of e
``mae``         mean of abs(e)
``rmse``        square root of the mean of e^2
``mec``         model efficiency coefficient, 1 - SSE / SST; it may be negative and is not the squared correlation
``ccc``         Lin's concordance, 2 cov / (var_o + var_p + (mean_o - mean_p)^2), so that a perfect prediction scores 1
``r2_pearson``  squared correlation; blind to bias and to a wrong slope, so it stands beside ``mec`` only
``rpiq``        (third quartile - first quartile of the observations that are scored) / RMSE (Bellon-Maurel et al. 2010, TrAC 29)
``rpd``         standard deviation of the observations that are scored / RMSE = 1 / sqrt(1 - MEC); the same told another way
==============  =========================================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.compiled import kernel
from edaphic.errors import ModelError

SCORES = ("bias", "mae", "rmse", "mec", "ccc", "r2_pearson", "rpiq", "rpd")
NET_SCORES = ("rmse_net", "mec_net")
"""Scores with the measurement error of the observations taken out."""

Array = NDArray[np.float64]
_CELLS = 4_000_000
_LOST = 1e-13
"""A variance below this share of the second moment is rounding."""


@dataclass(frozen=True)
class _Pairs:
    """What is scored; the weights have mean 1, ``noise`` is the error variance of each observation or None."""

    observed: Array
    predicted: Array
    weights: Array
    noise: Array | None
    code: NDArray[np.int64]


def scores(
    observed: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None, error_sd: ArrayLike | None = None
) -> dict[str, float]:
    """All :data:`SCORES`, and with ``error_sd`` those against the truth behind the observations.

    Parameters
    ----------
    observed, predicted : array_like (n,)
        Same unit; finite.
    weights : array_like (n,), optional
        Not negative; only their ratios count. Quartiles take them as repetitions of rows, scaled so that their mean is 1.
    error_sd : array_like (n,) or scalar, optional
        Standard deviation of the measurement error of each observation, in its unit. Then the result holds three more: with
        v = mean of error_sd^2, ``rmse_net`` = sqrt(max(MSE - v, 0)), ``mec_net`` = 1 - max(MSE - v, 0) / (var_o - v) and
        ``error_share`` = v / MSE. It is assumed that errors of measurement have mean zero and depend neither on the truth, nor on one
        another, nor on the prediction, so: for observations that were held back, never for those the model was fitted to.
        What :func:`net_notes` says goes beside them.

    Returns
    -------
    dict
        ``bias``, ``mae``, ``rmse``, ``rmse_net`` in the unit of the values; the others have none. NaN where a score is not defined
        (constant observations); ``rpiq`` and ``rpd`` of a perfect prediction are infinite.

    Raises
    ------
    ModelError
        No rows, lengths that differ, values that are not finite, negative weights or errors.

    Examples
    --------
    >>> result = scores([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    >>> result["bias"], result["mae"], result["rmse"], result["mec"], result["rpiq"]
    (1.0, 1.0, 1.0, -0.5, 1.0)
    >>> round(result["ccc"], 4), round(result["r2_pearson"], 4)
    (0.5714, 1.0)
    >>> scores([0.0, 4.0], [1.0, 3.0], error_sd=0.6)["rmse_net"]
    0.8
    """
    pairs = _pairs(observed, predicted, None, weights, error_sd)
    return {name: float(value[0]) for name, value in _scored(pairs, np.ones((1, 1))).items()}


def net_notes(result: Mapping[str, float]) -> list[str]:
    """What must be said of scores without measurement error; empty where there are none or nothing is odd.

    >>> net_notes(scores([0.0, 4.0], [1.0, 3.0], error_sd=2.0))[0][:73]
    'measurement error explains more than the whole error of prediction (4 tim'
    """
    share = result.get("error_share", np.nan)
    notes = []
    if share >= 1:
        notes.append(
            f"measurement error explains more than the whole error of prediction ({share:.3g} times its mean square): rmse_net is set "
            "to 0; expected smaller error_sd, or the predictions have seen these observations"
        )
    if "mec_net" in result and np.isnan(result["mec_net"]) and not np.isnan(result["mec"]):
        notes.append("the observations vary less than their measurement error would make them: mec_net is not defined")
    return notes


def bootstrap(
    observed: ArrayLike,
    predicted: ArrayLike,
    groups: ArrayLike,
    draws: int,
    seed: int,
    level: float = 0.95,
    *,
    weights: ArrayLike | None = None,
    error_sd: ArrayLike | None = None,
) -> dict[str, tuple[float, float]]:
    """Intervals of the scores, by drawing whole groups with replacement.

    Parameters
    ----------
    observed, predicted : array_like (n,)
    groups : array_like (n,)
        Rows of a group (a profile, a place, a block) are drawn together, because their errors are alike.
    draws : int
    seed : int
    level : float
    weights, error_sd : array_like, optional
        As for :func:`scores`. Groups are drawn with equal chances; weights count within a draw.

    Returns
    -------
    dict of (low, high)
        Percentiles of the draws (Efron and Tibshirani 1993, ch. 13); draws in which a score is not defined are left out. Each draw has
        quartiles of its own for ``rpiq``. (NaN, NaN) where there is one group only: nothing tells how groups differ. With fewer than
        some twenty groups the intervals are too narrow.

    Examples
    --------
    >>> low, high = bootstrap([0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 3.0, 3.0], ["a", "a", "b", "b"], 200, 1)["bias"]
    >>> low, high
    (1.0, 3.0)
    """
    pairs = _pairs(observed, predicted, groups, weights, error_sd)
    drawn = _drawn((pairs,), draws, seed, level)[0]
    return {name: _limits(values, level, pairs) for name, values in drawn.items() if name != "error_share"}


def paired_bootstrap(
    observed: ArrayLike,
    predicted_a: ArrayLike,
    predicted_b: ArrayLike,
    groups: ArrayLike,
    draws: int,
    seed: int,
    level: float = 0.95,
    *,
    weights: ArrayLike | None = None,
) -> dict[str, tuple[float, float, float]]:
    """Score of one prediction minus that of another, with an interval from the same draws for both.

    Two predictions err alike where the soil is odd, so intervals of their own scores may overlap although one is clearly better. Here
    each draw of groups scores both, and the interval is that of the difference.

    Parameters
    ----------
    observed, predicted_a, predicted_b : array_like (n,)
    groups, draws, seed, level, weights
        As for :func:`bootstrap`.

    Returns
    -------
    dict of (difference, low, high)
        For each of :data:`SCORES`; a is better where ``mae`` or ``rmse`` is below zero, or ``mec``, ``ccc`` or ``rpiq`` above. An interval
        that holds zero says that these rows cannot tell the two apart. ``bias`` is the difference of the signed biases.

    Examples
    --------
    >>> truth = [1.0, 2.0, 3.0, 4.0]
    >>> difference, low, high = paired_bootstrap(truth, [1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0], [1, 2, 3, 4], 100, 1)["rmse"]
    >>> difference, low, high
    (-1.0, -1.0, -1.0)
    """
    one = _pairs(observed, predicted_a, groups, weights, None)
    other = _pairs(observed, predicted_b, groups, weights, None)
    whole = [_scored(pairs, np.ones((1, int(pairs.code.max()) + 1))) for pairs in (one, other)]
    drawn = _drawn((one, other), draws, seed, level)
    out = {}
    for name in SCORES:
        with np.errstate(invalid="ignore"):
            difference, values = whole[0][name][0] - whole[1][name][0], drawn[0][name] - drawn[1][name]
        out[name] = (float(difference), *_limits(values, level, one))
    return out


def _pairs(
    observed: ArrayLike, predicted: ArrayLike, groups: ArrayLike | None, weights: ArrayLike | None, error_sd: ArrayLike | None
) -> _Pairs:
    o, p = _floats(observed, "observed"), _floats(predicted, "predicted")
    if o.ndim != 1 or o.shape != p.shape or len(o) == 0:
        raise ModelError(f"scores: {o.shape} observed and {p.shape} predicted values; expected one of each per row, and one row or more")
    w = np.ones(len(o)) if weights is None else _floats(weights, "weights")
    sd = None if error_sd is None else _floats(error_sd, "error_sd")
    group = np.zeros(len(o), dtype=np.int64) if groups is None else np.asarray(groups)
    faults = []
    for name, values in (("observed", o), ("predicted", p), ("weights", w), ("error_sd", sd)):
        if values is None:
            continue
        if values.shape != o.shape and not (name == "error_sd" and values.ndim == 0):
            faults.append(f"scores: {name} of shape {values.shape}; expected {len(o)} values")
        if count := int(np.sum(~np.isfinite(values))):
            faults.append(f"scores: {count} of {len(o)} {name} values are missing or infinite; expected numbers")
    if group.shape != o.shape:
        faults.append(f"scores: groups of shape {group.shape}; expected {len(o)} values")
    elif count := without_group(groups):
        faults.append(f"scores: {count} of {len(o)} rows have no group; expected the profile, place or block of each")
    if (w < 0).any() or not (w > 0).any():
        faults.append("scores: weights that are negative or all zero; expected weights of zero or more, one above zero")
    if sd is not None and (sd < 0).any():
        faults.append("scores: error_sd holds negative values; expected standard deviations")
    if faults:
        raise ModelError(faults)
    # Rows without weight are not there, nor are groups that hold nothing else.
    keep = w > 0
    o, p, w, group = o[keep], p[keep], w[keep], group[keep]
    noise = None if sd is None else np.broadcast_to(sd**2, keep.shape)[keep]
    code = np.unique(group, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return _Pairs(o, p, w / w.mean(), noise, code)


def _floats(values: ArrayLike, name: str) -> Array:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as fault:
        raise ModelError(f"scores: {name} values are not all numbers ({fault}); expected numbers") from fault


def without_group(groups: ArrayLike | None) -> int:
    """Rows without a group."""
    return 0 if groups is None else int(np.sum(pd.isna(pd.Series(groups))))


def _drawn(all_pairs: tuple[_Pairs, ...], draws: int, seed: int, level: float) -> list[dict[str, Array]]:
    """Scores of each draw; the same draws for all pairs."""
    if draws < 1 or not 0 < level < 1:
        raise ModelError(f"bootstrap: {draws} draws at level {level:g}; expected one draw or more and a level between 0 and 1")
    count = int(all_pairs[0].code.max()) + 1
    rng = np.random.default_rng(seed)
    parts: list[list[dict[str, Array]]] = [[] for _ in all_pairs]
    # In parts, so that many groups times many draws need no large matrix.
    part = max(1, _CELLS // count)
    for start in range(0, draws, part):
        often = _counted(rng.integers(0, count, (min(part, draws - start), count)))
        for found, pairs in zip(parts, all_pairs, strict=True):
            found.append(_scored(pairs, often))
    return [{name: np.concatenate([one[name] for one in found]) for name in found[0]} for found in parts]


def _limits(values: Array, level: float, pairs: _Pairs) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if len(values) == 0 or pairs.code.max() == 0:
        return np.nan, np.nan
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def _scored(pairs: _Pairs, often: Array) -> dict[str, Array]:
    """Scores where group g counts ``often[d, g]`` times, for each draw d."""
    w, error = pairs.weights, pairs.predicted - pairs.observed
    # Centred, so that squares do not cancel; exactly zero where all are equal.
    o, p = (np.zeros_like(v) if v.min() == v.max() else v - v.mean() for v in (pairs.observed, pairs.predicted))
    noise = np.zeros_like(w) if pairs.noise is None else pairs.noise
    columns = [np.ones_like(w), error, np.abs(error), error**2, o, o * o, p, p * p, o * p, noise]
    code = pairs.code
    sums: Array = np.column_stack([np.bincount(code, weights=w * column) for column in columns]).astype(float)
    order = np.argsort(pairs.observed, kind="stable")
    quartiles = _quartile_range(often, code[order], pairs.observed[order], w[order])
    return _from_sums(_summed(often, sums), quartiles, net=pairs.noise is not None)


def _from_sums(sums: Array, quartile_range: Array, *, net: bool) -> dict[str, Array]:
    n, rest = sums[:, 0], sums[:, 1:].T
    with np.errstate(invalid="ignore", divide="ignore"):
        bias, mae, mse, mo, moo, mp, mpp, mop, noise = rest / n
        var_o, var_p, cov = moo - mo**2, mpp - mp**2, mop - mo * mp
        var_o, var_p = np.where(var_o > _LOST * moo, var_o, 0.0), np.where(var_p > _LOST * mpp, var_p, 0.0)
        rmse = np.sqrt(mse)
        out = {
            "bias": bias,
            "mae": mae,
            "rmse": rmse,
            "mec": np.where(var_o > 0, 1 - mse / var_o, np.nan),
            "ccc": 2 * cov / (var_o + var_p + bias**2),
            "r2_pearson": np.where((var_o > 0) & (var_p > 0), np.minimum(cov**2 / (var_o * var_p), 1.0), np.nan),
            "rpiq": quartile_range / rmse,
            "rpd": np.sqrt(var_o) / rmse,
        }
        if net:
            left = np.maximum(mse - noise, 0.0)
            out["rmse_net"] = np.sqrt(left)
            out["mec_net"] = np.where(var_o > noise, 1 - left / (var_o - noise), np.nan)
            out["error_share"] = noise / mse
    return out


@kernel
def _counted(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """How often each group is in each draw."""
    out = np.zeros(drawn.shape)
    for d in range(drawn.shape[0]):
        for i in range(drawn.shape[1]):
            out[d, drawn[d, i]] += 1.0
    return out


@kernel
def _summed(often: Array, sums: Array) -> Array:
    """``often @ sums`` in a fixed order of addition, so that no library's threads decide the last bits."""
    draws, groups = often.shape
    columns = sums.shape[1]
    out = np.zeros((draws, columns))
    for d in range(draws):
        for g in range(groups):
            count = often[d, g]
            if count != 0.0:
                for c in range(columns):
                    out[d, c] += count * sums[g, c]
    return out


@kernel
def _quartile_range(often: Array, code: NDArray[np.int64], values: Array, weights: Array) -> Array:
    """Third minus first quartile of each draw; ``values`` ascend.

    A row counts ``often * weight`` times. With W the sum of these counts, the quartile p lies at position h = 1 + (W - 1) p of the rows
    so repeated, between the values at floor(h) and the next: numpy's default where all count once.
    """
    draws, n = len(often), len(values)
    out = np.empty(draws)
    at = np.empty(4)
    found = np.empty(4)
    for d in range(draws):
        total = 0.0
        last = 0
        for i in range(n):
            count = often[d, code[i]] * weights[i]
            total += count
            if count > 0.0:
                last = i
        h1, h3 = 1.0 + (total - 1.0) * 0.25, 1.0 + (total - 1.0) * 0.75
        at[0], at[2] = np.floor(h1 + 1e-9), np.floor(h3 + 1e-9)
        at[1], at[3] = at[0] + 1.0, at[2] + 1.0
        found[:] = values[last]
        # at[1] may lie beyond at[2] where few rows count, so each is walked on its own.
        for q in range(4):
            reached = 0.0
            for i in range(n):
                reached += often[d, code[i]] * weights[i]
                if reached >= at[q] - 1e-9 and reached > 0.0:
                    found[q] = values[i]
                    break
        f1, f3 = max(h1 - at[0], 0.0), max(h3 - at[2], 0.0)
        out[d] = (found[2] + f3 * (found[3] - found[2])) - (found[0] + f1 * (found[1] - found[0]))
    return out
