"""Do prediction intervals cover what they promise, and how to make them do so.

Intervals of a quantile forest are adjusted by conformalised quantile regression (Romano, Patterson and Candes 2019, Advances in Neural
Information Processing Systems 32), each tail on its own: the lower limit moves by the quantile of how far observations fell below it, the
upper limit likewise. A fold is adjusted with the observations of the other folds only. The models of those folds have seen it, though,
so this is cross-conformal: coverage is measured, not guaranteed.
Adjustments are made on the scale on which the trees were grown: on a logarithm they multiply.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FEWEST_FOR_OWN_GROUP = 50


def adjustment(beyond: NDArray[np.float64], tail: float) -> float:
    """How far a limit must move outward so that a new observation lies beyond it with probability ``tail`` at most.

    Parameters
    ----------
    beyond : array (n,)
        How far each observation lies beyond the limit; negative where it lies inside.
    tail : float
        For example 0.05.

    Returns
    -------
    float
        The k-th smallest of ``beyond``, k = ceil((n + 1)(1 - tail)), the largest where k exceeds n.

    Examples
    --------
    >>> adjustment(np.arange(-9.0, 10.0), 0.05)
    9.0
    """
    n = len(beyond)
    k = min(n, int(np.ceil((n + 1) * (1 - tail) - 1e-9)))
    return float(np.sort(beyond)[k - 1])


def fit_adjustments(table: pd.DataFrame, levels: tuple[float, float], *, log: bool) -> pd.DataFrame:
    """Adjustment of both limits for each interval of depth.

    Parameters
    ----------
    table : DataFrame
        Out-of-fold predictions: ``top_cm``, ``bottom_cm``, ``observed``, ``q05_raw``, ``q95_raw``.
    levels : (low, high)
        Levels of the two limits, for example (0.05, 0.95).
    log : bool
        Adjust logarithms.

    Returns
    -------
    DataFrame
        ``top_cm``, ``bottom_cm``, ``lower``, ``upper`` (to subtract and to add), ``n``, ``pooled``: an interval with fewer than
        50 observations takes the adjustment of all together, in proportion to its mean (logarithms are proportions already).
    """
    lower, upper = _beyond(table, log=log)
    size = _size(table, log=log)
    rows = []
    depth = table[["top_cm", "bottom_cm"]].to_numpy(dtype=float)
    for top, bottom in np.unique(depth, axis=0):
        place = np.flatnonzero((depth == (top, bottom)).all(axis=1))
        pooled = len(place) < FEWEST_FOR_OWN_GROUP
        use = np.arange(len(table)) if pooled else place
        own = size[place[0]]
        below = adjustment(lower[use] / size[use], levels[0]) * own
        above = adjustment(upper[use] / size[use], 1 - levels[1]) * own
        rows.append((top, bottom, below, above, len(place), pooled))
    return pd.DataFrame(rows, columns=["top_cm", "bottom_cm", "lower", "upper", "n", "pooled"])


def adjust(
    low: NDArray[np.float64],
    middle: NDArray[np.float64],
    high: NDArray[np.float64],
    lower: float | NDArray[np.float64],
    upper: float | NDArray[np.float64],
    *,
    log: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Move both limits; neither crosses the median, and amounts of carbon do not fall below zero.

    >>> adjust(np.array([2.0]), np.array([4.0]), np.array([8.0]), np.log(2), np.log(2), log=True)
    (array([1.]), array([16.]))
    """
    if log:
        low, high = low * np.exp(-np.asarray(lower)), high * np.exp(upper)
    else:
        low, high = np.maximum(low - lower, 0.0), high + upper
    return np.minimum(low, middle), np.maximum(high, middle)


def cross_calibrate(table: pd.DataFrame, levels: tuple[float, float], *, log: bool) -> pd.DataFrame:
    """Fill ``q05`` and ``q95`` of each fold with adjustments fitted on the other folds.

    Parameters
    ----------
    table : DataFrame
        Out-of-fold predictions of one design: ``fold``, ``top_cm``, ``bottom_cm``, ``observed``, ``q05_raw``, ``q50``, ``q95_raw``.

    Returns
    -------
    DataFrame
        The same rows with ``q05`` and ``q95``.
    """
    out = table.copy()
    low, high = np.full(len(out), np.nan), np.full(len(out), np.nan)
    for fold in np.unique(out["fold"]):
        here = (out["fold"] == fold).to_numpy()
        fitted = fit_adjustments(out[~here], levels, log=log)
        by_layer = out.loc[here, ["top_cm", "bottom_cm"]].merge(fitted, on=["top_cm", "bottom_cm"], how="left")
        if by_layer["lower"].isna().any():
            # A depth that only this fold holds: all depths together, as for depths with few observations.
            lower, upper = _beyond(out[~here], log=log)
            size, own = _size(out[~here], log=log), _size(out, log=log)[here]
            by_layer["lower"] = by_layer["lower"].fillna(pd.Series(adjustment(lower / size, levels[0]) * own))
            by_layer["upper"] = by_layer["upper"].fillna(pd.Series(adjustment(upper / size, 1 - levels[1]) * own))
        part = out[here]
        low[here], high[here] = adjust(
            part["q05_raw"].to_numpy(),
            part["q50"].to_numpy(),
            part["q95_raw"].to_numpy(),
            by_layer["lower"].to_numpy(),
            by_layer["upper"].to_numpy(),
            log=log,
        )
    out["q05"], out["q95"] = low, high
    return out


def coverage_row(part: pd.DataFrame, group: str, nominal: float) -> dict[str, object]:
    """Coverage of one group of out-of-fold predictions: both tails, before and after adjustment."""
    observed = part["observed"].to_numpy()
    low, high = part["q05"].to_numpy(), part["q95"].to_numpy()
    raw = (observed >= part["q05_raw"].to_numpy()) & (observed <= part["q95_raw"].to_numpy())
    return {
        "group": group,
        "n": len(part),
        "nominal": nominal,
        "coverage": float(np.mean((observed >= low) & (observed <= high))),
        "coverage_raw": float(np.mean(raw)),
        "below": float(np.mean(observed < low)),
        "above": float(np.mean(observed > high)),
        "mean_width": float(np.mean(high - low)),
    }


def deciles(predicted: NDArray[np.float64]) -> NDArray[np.int64]:
    """Decile (1 to 10) of each prediction; equal predictions share one.

    >>> deciles(np.arange(20.0)).tolist()[:4]
    [1, 1, 2, 2]
    """
    edges = np.quantile(predicted, np.arange(1, 10) / 10)
    return np.searchsorted(edges, predicted, side="left").astype(np.int64) + 1


def coverage_table(table: pd.DataFrame, groups: Sequence[tuple[str, NDArray[np.bool_]]], nominal: float) -> pd.DataFrame:
    """One :func:`coverage_row` for each named group that has rows."""
    return pd.DataFrame([coverage_row(table[rows], name, nominal) for name, rows in groups if rows.any()])


def _size(table: pd.DataFrame, *, log: bool) -> NDArray[np.float64]:
    """Mean predicted median of the depth of each row, by which residuals of different depths compare; 1 for logarithms."""
    if log:
        return np.ones(len(table))
    mean = table.groupby(["top_cm", "bottom_cm"])["q50"].transform("mean").to_numpy(dtype=float)
    return np.where(mean > 0, mean, 1.0)


def _beyond(table: pd.DataFrame, *, log: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    o, low, high = (table[name].to_numpy(dtype=float) for name in ("observed", "q05_raw", "q95_raw"))
    if log:
        return np.log(low) - np.log(o), np.log(o) - np.log(high)
    return low - o, o - high
