"""Do prediction intervals cover what they promise, and how to make them do so.

Quantiles of a forest are adjusted by conformalised quantile regression (Romano, Patterson and Candes 2019, Advances in Neural Information
Processing Systems 32), each level on its own: a lower limit moves by the quantile of how far observations fell below it, an upper limit
likewise. A fold is adjusted with the observations of the other folds only. The models of those folds have seen it, though, so this is
cross-conformal: coverage is measured, not guaranteed. Adjustments are made on the scale on which the trees were grown: on a logarithm they
multiply.

The group whose observations decide: the depth interval within the zone, where it holds :data:`PROFILES_FOR_ZONE` profiles or more; else the
depth interval, where it holds :data:`PROFILES_FOR_INTERVAL`; else all intervals together, in proportion to their mean (logarithms are
proportions already). Column ``pooled_to`` says which of the three it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import ModelError

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

PROFILES_FOR_ZONE = 900
"""A shift learnt from n profiles gives a 90 % interval whose coverage scatters by sqrt(0.9 x 0.1 / n), so by one percentage point here. A
smaller zone whose errors are unlike those of its interval is not covered as promised: coverage by zone shows it, and fewer may be asked."""
PROFILES_FOR_INTERVAL = 50
"""Intervals of depth are not merged so readily. Their errors differ in spread and shape, so one shift for all widens the good layer and
leaves the bad one short, however many profiles there are. Three correlated layers (r = 0.6) whose raw limits are to be moved, 600 samples
(200 where n = 900);
root mean square error of a layer's coverage in percentage points, own shift against one for all:

============================================  =========  =========  =========  =========  =========
raw limits reach this share of the true ones  n = 30     n = 50     n = 100    n = 300    n = 900
============================================  =========  =========  =========  =========  =========
85, 85, 85 %, equal spread                    5.7, 3.8   4.3, 2.9   3.0, 2.2   1.7, 1.2   1.0, 0.7
90, 85, 80 %, spread 0.45, 0.5, 0.6           5.7, 4.1   4.2, 3.4   2.9, 2.8   1.7, 2.3   1.0, 2.1
100, 85, 70 %, spread 0.4, 0.5, 0.7           5.8, 6.0   4.3, 5.7   2.9, 5.6   1.7, 5.4   1.0, 5.3
============================================  =========  =========  =========  =========  =========

With 300 profiles the one shift covers 92, 90, 87 % of the layers of the second row and 96, 91, 83 % of the third, own shifts 90 % of
each. At 50 the most that either choice loses against the other is the same (1.4 points), so own shifts begin there.

Quantile forests of 60 trees on 25 virtual samples of 300 profiles x 3 layers, judged on 1,500 new profiles each: a forest for each layer
covers 90.4, 90.4, 90.4 % with own shifts and 92.3, 89.9, 88.3 % with one for all (raw 93.6, 91.3, 89.6 %); one forest with depth as a
predictor 89.3, 89.7, 89.9 % against 91.9, 90.5, 87.5 % (raw 95.3, 93.9, 90.6 %).
"""
OWN_ZONE, OWN_INTERVAL, ALL_INTERVALS = "interval x zone", "interval", "all intervals"


def adjustment(beyond: Array, tail: float, weights: Array | None = None) -> float:
    """How far a limit must move outward so that a new observation lies beyond it with probability ``tail`` at most.

    Parameters
    ----------
    beyond : array (n,)
        How far each observation lies beyond the limit; negative where it lies inside.
    tail : float
        For example 0.05.
    weights : array (n,), optional
        Chances of the observations in the population that is predicted, relative to the sample; not all zero. The new observation
        counts with the mean weight in that population, sum w^2 / sum w, since its own is not known here (Tibshirani, Foygel Barber,
        Candes and Ramdas 2019, Advances in Neural Information Processing Systems 32): the plain mean of the weights would make
        limits too narrow where few observations carry most of the weight.

    Returns
    -------
    float
        The k-th smallest of ``beyond``, k = ceil((n + 1)(1 - tail)); the largest where k exceeds n, which is too little: see ``enough``
        of :func:`fit_adjustments`. With weights the smallest whose weight and that of all below reach 1 - tail of all weights and
        that of the new observation.

    Examples
    --------
    >>> adjustment(np.arange(-9.0, 10.0), 0.05)
    9.0
    >>> adjustment(np.array([1.0, 2.0, 3.0]), 0.5, np.array([1.0, 1.0, 4.0]))
    3.0
    """
    n = len(beyond)
    if n == 0:
        raise ModelError("calibration: no observation to calibrate with; expected one or more")
    if weights is None:
        k = min(n, int(np.ceil((n + 1) * (1 - tail) - 1e-9)))
        return float(np.sort(beyond)[k - 1])
    beyond, weights = beyond[weights > 0], weights[weights > 0]
    if len(beyond) == 0:
        raise ModelError(f"calibration: none of {n} observations has a weight above zero; expected some")
    order = np.argsort(beyond, kind="stable")
    reached = np.cumsum(weights[order]) / (weights.sum() + _weight_of_new(weights))
    return float(beyond[order[min(int(np.searchsorted(reached, 1 - tail - 1e-12)), len(beyond) - 1)]])


def _weight_of_new(weights: Array) -> float:
    """Mean weight of the population that the weights make of the sample."""
    return float(np.sum(weights**2) / np.sum(weights))


def fit_adjustments(
    table: pd.DataFrame,
    levels: tuple[float, float],
    *,
    log: bool,
    weights: ArrayLike | None = None,
    zone_profiles: int = PROFILES_FOR_ZONE,
    interval_profiles: int = PROFILES_FOR_INTERVAL,
) -> pd.DataFrame:
    """Adjustment of both limits for each interval of depth, and for each zone within it.

    Parameters
    ----------
    table : DataFrame
        Out-of-fold predictions: ``top_cm``, ``bottom_cm``, ``observed``, ``q05_raw``, ``q95_raw``, ``q50``; where they are there, ``zone``
        (codes) and ``profile_id`` (else each row is a profile).
    levels : (low, high)
        Levels of the two limits, for example (0.05, 0.95).
    log : bool
        Adjust logarithms.
    weights : array_like (n,), optional
        See :func:`adjustment`.
    zone_profiles, interval_profiles : int
        Fewest profiles of a group of its own.

    Returns
    -------
    DataFrame
        ``top_cm``, ``bottom_cm``, ``zone`` (NaN: the interval in any zone; the last row of each interval), ``lower`` and ``upper`` (to
        subtract and to add), ``n`` and ``n_profiles`` of the group itself, ``pooled`` (its adjustment is that of more than itself),
        ``pooled_to``, ``enough``: the observations used suffice for both tails, (n + 1) tail >= 1; with weights, where n is their sum
        over that of the new observation. Observations without weight are not counted.
    """
    sample = _sample(table, _limits(table), np.asarray(levels), log, weights)
    fitted = _fitted(sample, zone_profiles, interval_profiles)
    rows = [(*group.key, *group.moves, *group.facts) for group in fitted]
    return pd.DataFrame(rows, columns=["top_cm", "bottom_cm", "zone", "lower", "upper", *_FACTS])


def fit_level_adjustments(
    table: pd.DataFrame,
    quantiles: ArrayLike,
    levels: Sequence[float],
    *,
    log: bool,
    weights: ArrayLike | None = None,
    zone_profiles: int = PROFILES_FOR_ZONE,
    interval_profiles: int = PROFILES_FOR_INTERVAL,
) -> pd.DataFrame:
    """Adjustment of any number of quantiles, each by a conformal shift of its own.

    Parameters
    ----------
    table : DataFrame
        As for :func:`fit_adjustments`, without limits.
    quantiles : array_like (n, k)
        Out-of-fold quantiles, unadjusted.
    levels : sequence of float (k,)
        Ascending, between 0 and 1. Those below one half move as lower limits, the others as upper ones; the median moves too.

    Returns
    -------
    DataFrame
        One row per group and level: ``top_cm``, ``bottom_cm``, ``zone``, ``level``, ``move`` (to add), and what :func:`fit_adjustments`
        tells of each group.
    """
    tau = np.asarray(levels, dtype=float)
    sample = _sample(table, np.asarray(quantiles, dtype=float), tau, log, weights)
    rows = [
        (*group.key, level, outward if level >= 0.5 else -outward, *group.facts)
        for group in _fitted(sample, zone_profiles, interval_profiles)
        for level, outward in zip(tau, group.moves, strict=True)
    ]
    return pd.DataFrame(rows, columns=["top_cm", "bottom_cm", "zone", "level", "move", *_FACTS])


def adjustment_notes(adjustments: pd.DataFrame) -> list[str]:
    """One line for each group that takes the adjustment of more than itself, or whose observations do not suffice for the tails."""
    notes = []
    for row in adjustments.drop_duplicates(["top_cm", "bottom_cm", "zone"]).to_dict("records"):
        where = f"calibration: {row['top_cm']:g}-{row['bottom_cm']:g} cm" + ("" if np.isnan(row["zone"]) else f", zone {row['zone']:g}")
        if row["pooled"]:
            whose = "its depth interval in all zones" if row["pooled_to"] == OWN_INTERVAL else "all intervals, in proportion to their mean"
            notes.append(f"{where}: {row['n_profiles']} profiles are too few for an adjustment of its own; it takes that of {whose}")
        if not row["enough"]:
            notes.append(f"{where}: too few observations for the outermost tail; its limit is that of the largest error seen")
    return notes


def moves_for(
    adjustments: pd.DataFrame, interval: tuple[float, float], zone_codes: ArrayLike | None = None
) -> tuple[float | Array, float | Array]:
    """``lower`` and ``upper`` of :func:`fit_adjustments` for cells of a map.

    Parameters
    ----------
    adjustments : DataFrame
        As fitted, or as read back from a CSV.
    interval : (top_cm, bottom_cm)
    zone_codes : array_like (n,), optional
        Zone of each cell; one that was not in the sample, or NaN, takes the interval's own.

    Returns
    -------
    (lower, upper)
        Scalars without zones, else arrays (n,).

    Examples
    --------
    >>> columns = ["top_cm", "bottom_cm", "zone", "lower", "upper"]
    >>> table = pd.DataFrame([(0.0, 30.0, 1.0, 2.0, 4.0), (0.0, 30.0, np.nan, 3.0, 5.0)], columns=columns)
    >>> moves_for(table, (0.0, 30.0))
    (3.0, 5.0)
    >>> moves_for(table, (0.0, 30.0), [1, 7])
    (array([2., 3.]), array([4., 5.]))
    """
    own = _of_interval(adjustments, interval)
    whole = own[own["zone"].isna()]
    default = (float(whole["lower"].iloc[-1]), float(whole["upper"].iloc[-1]))
    if zone_codes is None:
        return default
    codes = np.asarray(zone_codes, dtype=float)
    lower, upper = np.full(codes.shape, default[0]), np.full(codes.shape, default[1])
    for row in own[own["zone"].notna()].itertuples():
        here = codes == row.zone
        lower[here], upper[here] = row.lower, row.upper
    return lower, upper


def level_moves_for(adjustments: pd.DataFrame, interval: tuple[float, float], zone_codes: ArrayLike | None = None) -> Array:
    """``move`` of :func:`fit_level_adjustments`: array (k,) in order of level, or (n, k) for zones; otherwise as :func:`moves_for`."""
    own = _of_interval(adjustments, interval).sort_values("level", kind="stable")
    default = own.loc[own["zone"].isna(), "move"].to_numpy(dtype=float)
    if zone_codes is None:
        return default
    codes = np.asarray(zone_codes, dtype=float)
    out = np.tile(default, (*codes.shape, 1))
    for zone, part in own[own["zone"].notna()].groupby("zone"):
        out[codes == zone] = part["move"].to_numpy(dtype=float)
    return out


def adjust(
    low: Array,
    middle: Array,
    high: Array,
    lower: float | Array,
    upper: float | Array,
    *,
    log: bool,
    floor: float | None = 0.0,
) -> tuple[Array, Array]:
    """Move both limits; neither crosses the median, and amounts of carbon do not fall below ``floor`` (None: no floor).

    >>> adjust(np.array([2.0]), np.array([4.0]), np.array([8.0]), np.log(2), np.log(2), log=True)
    (array([1.]), array([16.]))
    """
    if log:
        low, high = low * np.exp(-np.asarray(lower)), high * np.exp(upper)
    else:
        low, high = low - lower, high + upper
        if floor is not None:
            low, high = np.maximum(low, floor), np.maximum(high, floor)
    return np.minimum(low, middle), np.maximum(high, middle)


def adjust_levels(quantiles: Array, moves: Array, *, log: bool, floor: float | None = 0.0) -> Array:
    """Move each quantile, and put those of a row in order where they crossed.

    Ordering never takes quantiles further from the truth (Chernozhukov, Fernandez-Val and Galichon 2010, Econometrica 78).

    Parameters
    ----------
    quantiles : array (n, k)
    moves : array (k,) or (n, k)
        To add; on logarithms where ``log``.

    Examples
    --------
    >>> adjust_levels(np.array([[1.0, 2.0, 3.0]]), np.array([-2.0, 2.0, 0.5]), log=False)
    array([[0. , 3.5, 4. ]])
    """
    if log:
        return np.sort(quantiles * np.exp(moves), axis=1)
    moved = np.sort(quantiles + moves, axis=1)
    return moved if floor is None else np.maximum(moved, floor)


def cross_calibrate(
    table: pd.DataFrame,
    levels: tuple[float, float],
    *,
    log: bool,
    weights: ArrayLike | None = None,
    floor: float | None = 0.0,
    zone_profiles: int = PROFILES_FOR_ZONE,
    interval_profiles: int = PROFILES_FOR_INTERVAL,
) -> pd.DataFrame:
    """Fill ``q05`` and ``q95`` of each fold with adjustments fitted on the other folds.

    Parameters
    ----------
    table : DataFrame
        Out-of-fold predictions of one design: the columns of :func:`fit_adjustments` and ``fold``; where they are there, ``repeat`` and
        ``group``. A fold is calibrated on the other folds of its repeat. Where a repeat has one fold only (70/30 splits), it is
        calibrated on the other repeats without the profiles, and the groups, that it holds.
    levels, log, weights, zone_profiles, interval_profiles
        As for :func:`fit_adjustments`; profiles are counted in the folds that calibrate.
    floor : float, optional
        As for :func:`adjust`.

    Returns
    -------
    DataFrame
        The same rows with ``q05`` and ``q95``. A zone that only the held fold has takes the adjustment of its depth interval, and such an
        interval that of all.
    """
    out = table.copy()
    raw = _limits(table)
    sample = _sample(table, raw, np.asarray(levels), log, weights)
    moves = _cross_moves(table, sample, zone_profiles, interval_profiles)
    low, high = adjust(raw[:, 0], sample.middle, raw[:, 1], moves[:, 0], moves[:, 1], log=log, floor=floor)
    out["q05"], out["q95"] = low, high
    return out


def cross_calibrate_levels(
    table: pd.DataFrame,
    quantiles: ArrayLike,
    levels: Sequence[float],
    *,
    log: bool,
    weights: ArrayLike | None = None,
    floor: float | None = 0.0,
    zone_profiles: int = PROFILES_FOR_ZONE,
    interval_profiles: int = PROFILES_FOR_INTERVAL,
) -> Array:
    """Quantiles (n, k) of each fold, adjusted on the other folds: as :func:`cross_calibrate`, for the curves of coverage.

    Unlike there, the median moves too.
    """
    q, tau = np.asarray(quantiles, dtype=float), np.asarray(levels, dtype=float)
    moves = _cross_moves(table, _sample(table, q, tau, log, weights), zone_profiles, interval_profiles)
    return adjust_levels(q, np.where(tau < 0.5, -moves, moves), log=log, floor=floor)


_FACTS = ["n", "n_profiles", "pooled", "pooled_to", "enough"]


@dataclass(frozen=True)
class _Sample:
    """Observations to calibrate with.

    ``layer`` (n,) counts the rows of ``depths``; ``beyond`` (n, k) is how far each observation lies beyond each limit, on the scale of the
    trees.
    """

    depths: Array
    layer: NDArray[np.intp]
    zone: Array
    profile: NDArray[np.int64]
    middle: Array
    beyond: Array
    tails: Array
    weights: Array | None
    log: bool

    def take(self, rows: Rows) -> _Sample:
        weights = None if self.weights is None else self.weights[rows]
        parts = {name: getattr(self, name)[rows] for name in ("layer", "zone", "profile", "middle", "beyond")}
        return replace(self, **parts, weights=weights)

    def size(self) -> Array:
        """Mean predicted median of the depth of each row, by which errors of different depths compare; 1 for logarithms."""
        if self.log:
            return np.ones(len(self.layer))
        w = np.ones(len(self.layer)) if self.weights is None else self.weights
        # A depth without any weight is as large as its predictions are.
        w = np.where(np.bincount(self.layer, weights=w)[self.layer] > 0, w, 1.0)
        total, weight = np.bincount(self.layer, weights=w * self.middle), np.bincount(self.layer, weights=w)
        mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)[self.layer]
        return np.where(mean > 0, mean, 1.0)

    def outward(self, size: Array | None = None) -> Array:
        """Shift (k,) of each limit; in units of ``size`` where it is given."""
        beyond = self.beyond if size is None else self.beyond / size[:, None]
        return np.array([adjustment(beyond[:, j], tail, self.weights) for j, tail in enumerate(self.tails)])

    def counted(self) -> NDArray[np.int64]:
        """Profiles of the observations that count."""
        return self.profile if self.weights is None else self.profile[self.weights > 0]

    def profiles(self) -> int:
        return len(np.unique(self.counted()))

    def enough(self) -> bool:
        n = float(len(self.layer))
        if self.weights is not None:
            n = float(np.sum(self.weights)) / _weight_of_new(self.weights)
        return bool((n + 1) * self.tails.min() >= 1 - 1e-9)


@dataclass(frozen=True)
class _Group:
    layer: int
    key: tuple[float, float, float]
    moves: Array
    facts: tuple[int, int, bool, str, bool]


def _fitted(sample: _Sample, zone_profiles: int, interval_profiles: int) -> list[_Group]:
    """Shifts of each interval and zone; those of the interval itself come last."""
    size = sample.size()
    every = sample.outward(size)
    out = []
    for layer in np.unique(sample.layer):
        place = np.flatnonzero(sample.layer == layer)
        part = sample.take(place)
        top, bottom = (float(depth) for depth in sample.depths[layer])
        count = part.profiles()
        if count >= interval_profiles:
            moves, level, enough = part.outward(), OWN_INTERVAL, part.enough()
        else:
            moves, level, enough = every * size[place[0]], ALL_INTERVALS, sample.enough()
        for zone in np.unique(part.zone[np.isfinite(part.zone)]):
            own = part.take(np.flatnonzero(part.zone == zone))
            facts = (len(own.counted()), own.profiles())
            key = (top, bottom, float(zone))
            if facts[1] >= zone_profiles:
                out.append(_Group(int(layer), key, own.outward(), (*facts, False, OWN_ZONE, own.enough())))
            else:
                out.append(_Group(int(layer), key, moves, (*facts, True, level, enough)))
        facts_all = (len(part.counted()), count, level == ALL_INTERVALS, level, enough)
        out.append(_Group(int(layer), (top, bottom, np.nan), moves, facts_all))
    return out


def _cross_moves(table: pd.DataFrame, sample: _Sample, zone_profiles: int, interval_profiles: int) -> Array:
    """Outward shifts (n, k) of each row, from folds that do not hold it."""
    out = np.empty_like(sample.beyond)
    for held, others in _folds(table):
        known = sample.take(others)
        own, fitted = sample.take(held), _fitted(known, zone_profiles, interval_profiles)
        # An interval that only this fold holds: all intervals together, as for those with few observations.
        out[held] = known.outward(known.size()) * own.size()[:, None]
        for group in sorted(fitted, key=lambda g: np.isfinite(g.key[2])):
            here = own.layer == group.layer
            if np.isfinite(group.key[2]):
                here &= own.zone == group.key[2]
            out[held[here]] = group.moves
    return out


def _folds(table: pd.DataFrame) -> Iterator[tuple[Rows, Rows]]:
    """Rows of each fold, and the rows that calibrate it."""
    lost = [
        f"calibration: {count} of {len(table)} rows have no {name}; expected that of each"
        for name in ("fold", "repeat")
        if name in table and (count := int(table[name].isna().sum()))
    ]
    if "fold" not in table or lost:
        raise ModelError(lost or "calibration: no column fold; expected out-of-fold predictions")
    fold = table["fold"].to_numpy()
    repeat = table["repeat"].to_numpy() if "repeat" in table else np.zeros(len(table), dtype=np.int64)
    for r in np.unique(repeat):
        here = repeat == r
        folds = np.unique(fold[here])
        for k in folds:
            held = here & (fold == k)
            others = here & ~held
            if len(folds) == 1:
                others = ~here
                for name in ("profile_id", "group"):
                    if name in table:
                        others &= ~table[name].isin(table.loc[held, name].unique()).to_numpy(dtype=bool)
            if not others.any():
                raise ModelError(f"calibration: fold {k} is the only one, or the others hold no other profile; expected two folds or more")
            yield np.flatnonzero(held), np.flatnonzero(others)


def _limits(table: pd.DataFrame) -> Array:
    lacking = [name for name in ("q05_raw", "q95_raw") if name not in table]
    if lacking:
        raise ModelError(f"calibration: no column {', '.join(lacking)}; expected out-of-fold limits")
    return table[["q05_raw", "q95_raw"]].to_numpy(dtype=float)


def _sample(table: pd.DataFrame, quantiles: Array, levels: Array, log: bool, weights: ArrayLike | None) -> _Sample:
    lacking = [name for name in ("top_cm", "bottom_cm", "observed", "q50") if name not in table]
    if lacking:
        raise ModelError(f"calibration: no column {', '.join(lacking)}; expected out-of-fold predictions")
    n = len(table)
    depth = table[["top_cm", "bottom_cm"]].to_numpy(dtype=float)
    observed, middle = table["observed"].to_numpy(dtype=float), table["q50"].to_numpy(dtype=float)
    w = None if weights is None else np.asarray(weights, dtype=float)
    faults = []
    if n == 0:
        faults.append("calibration: no rows; expected out-of-fold predictions")
    if quantiles.shape != (n, len(levels)):
        raise ModelError([*faults, f"calibration: quantiles of shape {quantiles.shape}; expected ({n}, {len(levels)})"])
    if not ((levels > 0) & (levels < 1)).all() or (np.diff(levels) <= 0).any():
        faults.append(f"calibration: levels {levels.tolist()}; expected ascending levels between 0 and 1")
    for name, values in (("observed", observed), ("q50", middle), ("quantiles", quantiles), ("depths", depth)):
        if count := int(np.sum(~np.isfinite(values))):
            faults.append(f"calibration: {count} {name} are missing or infinite; expected numbers")
    if log and (count := int(np.sum(observed <= 0) + np.sum(quantiles <= 0))):
        faults.append(f"calibration: {count} observed values or quantiles are zero or less; expected amounts above zero for logarithms")
    if w is not None and (w.shape != (n,) or not np.isfinite(w).all() or (w < 0).any() or not (w > 0).any()):
        faults.append(f"calibration: weights of shape {w.shape}, negative, missing or all zero; expected {n} of zero or more")
    if "profile_id" in table and (count := int(table["profile_id"].isna().sum())):
        faults.append(f"calibration: {count} of {n} rows have no profile_id; expected that of each")
    zone = pd.to_numeric(table["zone"], errors="coerce") if "zone" in table else pd.Series(np.full(n, np.nan))
    if "zone" in table and len(words := table["zone"][zone.isna() & table["zone"].notna()]):
        faults.append(f"calibration: zone '{words.iloc[0]}' in {len(words)} of {n} rows; expected codes of zones, whole numbers from zero")
    if faults:
        raise ModelError(faults)
    profile = pd.factorize(table["profile_id"])[0].astype(np.int64) if "profile_id" in table else np.arange(n, dtype=np.int64)
    inside = np.log(observed)[:, None] - np.log(quantiles) if log else observed[:, None] - quantiles
    beyond = np.where(levels < 0.5, -inside, inside)
    depths, layer = np.unique(depth, axis=0, return_inverse=True)
    codes = zone.to_numpy(dtype=float, na_value=np.nan)
    return _Sample(depths, layer.reshape(-1), codes, profile, middle, beyond, np.minimum(levels, 1 - levels), w, log)


def _of_interval(adjustments: pd.DataFrame, interval: tuple[float, float]) -> pd.DataFrame:
    own = adjustments[(adjustments["top_cm"] == interval[0]) & (adjustments["bottom_cm"] == interval[1])]
    if "zone" not in own:
        own = own.assign(zone=np.nan)
    if not own["zone"].isna().any():
        depth = f"{interval[0]:g}-{interval[1]:g} cm"
        raise ModelError(f"calibration: nothing for {depth}; expected one adjustment for each interval of the model")
    return own
