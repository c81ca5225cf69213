"""Train a random forest and keep it as arrays.

What is kept is a flat structure (:class:`Forest`): splits, and for every leaf the training values that fell into it, with their
bootstrap counts. From that one structure come the mean, the spread of the trees and any quantile of the conditional distribution
(quantile regression forest: Meinshausen 2006, Journal of Machine Learning Research 7, 983-999).

Trees may be grown on the logarithm of the target. Their leaves still hold the values themselves, so the mean of the map is a mean
of stocks, not the exponential of a mean of logarithms: no back-transformation bias.

The trees are grown by :mod:`edaphic.model.grow`, or by scikit-learn where the settings say so. Both mean the same by a setting: rows are
counted once, however often the bootstrap drew them; a constant feature counts as tried. A weight multiplies the bootstrap count of its
row, in splits, means and quantiles, so a row of weight 2 counts as two; the bootstrap draws rows, whatever their weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.grow import NO_LIMIT, Rule, grow_forest
from edaphic.model.scikit import flatten, grow_with_scikit_learn
from edaphic.model.structure import Engine, Forest, Grown, Job, Settings

__all__ = [
    "ENGINES", "FEWEST_ROWS", "Forest", "Settings", "flatten", "rule_of", "settings_faults", "table_faults", "train", "train_oob"
]  # fmt: skip

FEWEST_ROWS = 10
"""Fewest rows that a forest is grown on."""


def train(
    features: NDArray[np.float32],
    values: NDArray[np.float64],
    settings: Settings,
    *,
    log: bool,
    seed: int,
    workers: int = 1,
    weights: NDArray[np.float64] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> Forest:
    """Grow a forest.

    Parameters
    ----------
    features : float32 (n, q)
        Finite.
    values : float64 (n,)
        Target in its natural unit; above zero where ``log`` is true.
    settings : Settings
    log : bool
        Grow the trees on the logarithm of the values.
    seed : int
        The same seed gives the same forest on any number of workers.
    workers : int
        Threads.
    weights : float64 (n,), optional
        Weight of each row in splits, means and quantiles, not below zero; a row of weight zero is left out. All one where left out.
    groups : int64 (n,), optional
        Group of each row, such as its profile: a little bag holds all rows of a group or none. Each row a group where left out; without
        little bags they change nothing.

    Raises
    ------
    ModelError
        Fewer than ten rows, a constant target, values that have no logarithm, anything that is not finite, arrays that do not fit each
        other, settings out of range.

    Examples
    --------
    >>> x = np.repeat([0, 1], 10)[:, None].astype(np.float32)
    >>> forest = train(x, np.repeat([2.0, 6.0], 10), Settings(3, 1.0, 1), log=False, seed=1)
    >>> forest.threshold[0], np.unique(forest.leaf_mean).tolist(), forest.importance.tolist()
    (np.float32(0.5), [2.0, 6.0], [1.0])
    """
    return _grown(features, values, settings, weights, groups, log, seed, workers, oob=False).forest


def train_oob(
    features: NDArray[np.float32],
    values: NDArray[np.float64],
    settings: Settings,
    *,
    log: bool,
    seed: int,
    workers: int = 1,
    weights: NDArray[np.float64] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> tuple[Forest, NDArray[np.float64]]:
    """Grow a forest and predict each row by the trees that did not draw it.

    As :func:`train`. The second result, float64 (n,), is on the scale of the trees, NaN where every tree used the row. With little bags it
    comes from the trees of bags that do not hold the group of the row: it is out of bag by group.
    """
    grown = _grown(features, values, settings, weights, groups, log, seed, workers, oob=True)
    return grown.forest, grown.oob


def _grown(
    features: NDArray[np.float32], values: NDArray[np.float64], settings: Settings, weights: NDArray[np.float64] | None,
    groups: NDArray[np.int64] | None, log: bool, seed: int, workers: int, *, oob: bool,
) -> Grown:  # fmt: skip
    features = np.asarray(features, dtype=np.float32)
    values = np.asarray(values, dtype=np.float64)
    own = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    faults = settings_faults(settings) + table_faults(features, values, own, log=log)
    held = np.zeros(len(values), dtype=np.int64)
    if not faults and settings.little_bags:
        held, faults = _groups(groups, own)
    if faults:
        raise ModelError(faults)
    fitted = np.log(values) if log else values
    return ENGINES[settings.engine](Job(features, values, fitted, own, held, settings, log, seed, max(1, workers), oob))


def _groups(groups: NDArray[np.int64] | None, weights: NDArray[np.float64]) -> tuple[NDArray[np.int64], list[str]]:
    """Groups of the rows that have a weight, counted from 0; -1 for the others; and what is wrong."""
    named = np.arange(len(weights)) if groups is None else np.asarray(groups)
    if named.shape != weights.shape:
        return named, [f"training table: groups {named.shape}; expected {weights.shape}"]
    out = np.full(len(weights), -1, dtype=np.int64)
    found, out[weights > 0] = np.unique(named[weights > 0], return_inverse=True)
    if len(found) < FEWEST_ROWS:
        return out, [f"training table: {len(found)} groups of rows; expected at least {FEWEST_ROWS} for little bags"]
    return out, []


def settings_faults(settings: Settings) -> list[str]:
    """What is wrong with settings, one line each.

    >>> settings_faults(Settings(trees=0))
    ['forest: trees is 0; expected a whole number of at least 1']
    """
    faults = []
    least = {"trees": 1, "min_samples_leaf": 1, "min_samples_split": 2, "max_depth": 1}
    for name, limit in least.items():
        value = getattr(settings, name)
        if value is None and name == "max_depth":
            continue
        if not isinstance(value, int | np.integer) or value < limit:
            faults.append(f"forest: {name} is {value}; expected a whole number of at least {limit}")
    if settings.little_bags:
        faults += bag_faults(settings.trees, settings.little_bags)
    if not 0.0 < settings.max_features <= 1.0:
        faults.append(f"forest: max_features is {settings.max_features:g}; expected a share above 0 and not above 1")
    for name, known in (("split", ("variance", "extra")), ("engine", tuple(ENGINES))):
        if getattr(settings, name) not in known:
            faults.append(f"forest: {name} is {getattr(settings, name)!r}; expected {' or '.join(known)}")
    return faults


def bag_faults(trees: int, bag: int) -> list[str]:
    """What is wrong with little bags.

    >>> bag_faults(500, 10), bag_faults(500, 30)
    ([], ['forest: little_bags is 30 with 500 trees; expected at least 2 trees in a bag, and at least 4 bags that hold all trees'])
    """
    if isinstance(bag, int | np.integer) and bag >= 2 and trees % bag == 0 and trees // bag >= 4:
        return []
    return [f"forest: little_bags is {bag} with {trees} trees; expected at least 2 trees in a bag, and at least 4 bags that hold all trees"]


def table_faults(
    features: NDArray[np.float32], values: NDArray[np.float64], weights: NDArray[np.float64], *, log: bool
) -> list[str]:
    """What is wrong with a training table, one line each."""
    n = len(values)
    if features.ndim != 2 or values.ndim != 1 or weights.shape != values.shape or len(features) != n:
        shapes = f"features {features.shape}, values {values.shape}, weights {weights.shape}"
        return [f"training table: {shapes}; expected (n, q), (n,) and (n,)"]
    if n < FEWEST_ROWS:
        return [f"training table: {n} rows; expected at least {FEWEST_ROWS}"]
    faults = []
    if features.shape[1] == 0:
        faults.append("training table: no features; expected at least one")
    bad = ~np.isfinite(features)
    if bad.any():
        columns = ", ".join(str(c) for c in np.flatnonzero(bad.any(axis=0))[:5])
        rows = int(bad.any(axis=1).sum())
        faults.append(f"training table: features that are not finite in {rows} of {n} rows (first columns: {columns}); expected numbers")
    if not np.isfinite(values).all():
        faults.append(f"training table: {int(np.sum(~np.isfinite(values)))} of {n} target values are not finite; expected numbers")
    elif np.ptp(values) == 0:
        faults.append(f"training table: the target is {values[0]:g} in all {n} rows; expected values that differ")
    elif log and values.min() <= 0:
        faults.append(f"training table: smallest value {values.min():g} has no logarithm; expected values above 0")
    if not np.isfinite(weights).all() or weights.min() < 0:
        faults.append("training table: weights below zero or not finite; expected finite weights of zero or more")
    elif np.sum(weights > 0) < FEWEST_ROWS:
        faults.append(f"training table: {int(np.sum(weights > 0))} rows with a weight above 0; expected at least {FEWEST_ROWS}")
    return faults


def rule_of(settings: Settings, features: int) -> Rule:
    """Settings as the kernels want them."""
    depth = NO_LIMIT if settings.max_depth is None else settings.max_depth
    return Rule(settings.tried(features), settings.min_samples_leaf, settings.min_samples_split, depth, settings.split == "extra")


def _edaphic(job: Job) -> Grown:
    # Rows in the order of their values: the number of a row is its rank, and the members of a leaf stand in order.
    order = np.argsort(job.values, kind="stable")
    rule = rule_of(job.settings, job.features.shape[1])
    grown = grow_forest(
        job.features[order], job.values[order], job.fitted[order], job.weights[order], job.groups[order], job.settings.little_bags,
        rule, job.settings.trees, job.seed, job.workers, job.oob,
    )  # fmt: skip
    oob = np.empty(len(order))
    oob[order] = grown.pop("oob")
    return Grown(Forest(**grown, values=job.values[order], log=job.log, bag=job.settings.little_bags), oob)


ENGINES: Mapping[str, Engine] = MappingProxyType({"edaphic": _edaphic, "scikit-learn": grow_with_scikit_learn})
"""What can grow the trees, by the name that settings give."""
