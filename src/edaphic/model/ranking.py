"""What a search for covariates rests on: sets of covariates scored out of fold, and covariates ranked by importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.features import DEPTH_FEATURES
from edaphic.model.forest import Forest, Settings, train
from edaphic.model.quick import quick_scores
from edaphic.model.traverse import predict

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]
Ranking = Literal["impurity", "permutation"]

DEPTH_UNIT = "depth"
"""Name of the two columns of depth in a ranking."""
JOIN = " + "
"""Between the names of a set in a table."""


@dataclass(frozen=True)
class Task:
    """What a ranking or a search needs.

    Attributes
    ----------
    features : float32 (n, q)
        No NaN.
    values : float64 (n,)
        Target; above zero where ``log`` is true.
    sources : tuple of str, length q
        For each column its covariate (:attr:`Encoder.sources`); ``top_cm`` and ``bottom_cm`` are the depths of the layer.
    folds : sequence of (training rows, test rows)
        Made by a splitter that keeps the layers of a profile together.
    settings : Settings
    log : bool
        Trees grow, and scores are, on the logarithm.
    seed, workers : int
    weights : float64 (n,), optional
        Weights of rows in fitting and scoring.

    Raises
    ------
    ModelError
        NaN or infinity in the features or values, constant values, no covariate, no folds, a fold with an empty side, with rows on both
        sides, or with rows that do not exist.
    """

    features: NDArray[np.float32]
    values: NDArray[np.float64]
    sources: tuple[str, ...]
    folds: Sequence[Fold]
    settings: Settings
    log: bool = False
    seed: int = 0
    workers: int = 1
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        # Tables and columns with an index of their own are taken by position, as arrays are.
        object.__setattr__(self, "features", np.asarray(self.features, dtype=np.float32))
        object.__setattr__(self, "values", np.asarray(self.values, dtype=np.float64))
        if self.weights is not None:
            object.__setattr__(self, "weights", np.asarray(self.weights, dtype=np.float64))
        faults = [*_faults_of_rows(self), *faults_of_folds(self.folds, len(self.values), self.weights)]
        if faults:
            raise ModelError(faults)

    @property
    def covariates(self) -> tuple[str, ...]:
        """Names of the covariates in the order of their first columns, without the depths."""
        return tuple(name for name in dict.fromkeys(self.sources) if name not in DEPTH_FEATURES)

    def columns(self, names: Sequence[str]) -> tuple[int, ...]:
        """Columns of some covariates, and those of depth."""
        wanted = {*names, *DEPTH_FEATURES}
        return tuple(i for i, source in enumerate(self.sources) if source in wanted)


def score_sets(task: Task, sets: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Out-of-fold accuracy of a forest on each set of covariates; for instance before and after a screen.

    Returns
    -------
    DataFrame
        One row per set: ``features``, ``number``, ``rmse``, ``mec`` (1 - SSE/SST over all test rows), ``se`` (standard deviation of
        the RMSE of the folds over the root of their number; NaN for one fold).

    Examples
    --------
    The target is a step of ``a``; without it the mean is left, whose error is the standard deviation of 1.

    >>> x, rows = np.column_stack([np.repeat([0, 1], 20), np.tile([0, 1], 20)]).astype(np.float32), np.arange(40)
    >>> folds = [(rows[rows // 2 % 2 == k], rows[rows // 2 % 2 != k]) for k in (0, 1)]
    >>> task = Task(x, np.repeat([1.0, 3.0], 20), ("a", "b"), folds, Settings(50, min_samples_leaf=1))
    >>> score_sets(task, [("a",), ("b",)])["rmse"].round(1).tolist()
    [0.0, 1.0]
    >>> rank(task)["feature"].tolist()
    ['a', 'b']
    """
    known = set(task.covariates)
    strange = dict.fromkeys(name for names in sets for name in names if name not in known)
    if strange:
        raise ModelError([f"sets: '{name}' is no covariate; expected one of {', '.join(task.covariates)}" for name in strange])
    subsets = [task.columns(names) for names in sets]
    empty = [JOIN.join(names) or "no covariates" for names, columns in zip(sets, subsets, strict=True) if not columns]
    if empty:
        raise ModelError(f"sets: {empty[0]} has no columns; expected at least one covariate")
    if not subsets:
        return pd.DataFrame(columns=["features", "number", "rmse", "mec", "se"])
    observed = np.log(task.values) if task.log else task.values
    weights = np.ones(len(observed)) if task.weights is None else task.weights
    by_fold = np.column_stack([_fold_scores(task, fold, subsets) for fold in task.folds])
    size = np.array([weights[outside].sum() for _, outside in task.folds])
    square = (by_fold**2 * size).sum(axis=1) / size.sum()
    tested = np.concatenate([outside for _, outside in task.folds])
    mean = np.average(observed[tested], weights=weights[tested])
    variance = np.average((observed[tested] - mean) ** 2, weights=weights[tested])
    count = by_fold.shape[1]
    return pd.DataFrame(
        {
            "features": [JOIN.join(names) for names in sets],
            "number": [len(names) for names in sets],
            "rmse": np.sqrt(square),
            "mec": 1 - square / variance if variance > 0 else np.nan,
            "se": by_fold.std(axis=1, ddof=1) / np.sqrt(count) if count > 1 else np.nan,
        }
    )


def rank(
    task: Task,
    *,
    by: Ranking = "impurity",
    groups: Mapping[str, Sequence[str]] | None = None,
    repeats: int = 3,
) -> pd.DataFrame:
    """Rank covariates, or groups of them, by importance.

    Impurity: the decrease of the variance in the splits on a covariate, of one forest on all rows, added up over its columns. It favours
    covariates with many distinct values and looks at training rows only (Strobl et al. 2007, BMC Bioinformatics 8, 25).
    Permutation: the growth of the mean squared error of test rows when the columns of a covariate are shuffled together between
    them (Breiman 2001, Machine Learning 45, 5-32), mean over folds and repeats. A covariate that another can stand in for gets little;
    shuffling them as one group shows what they have in common.

    Parameters
    ----------
    task : Task
    by : {"impurity", "permutation"}
    groups : mapping of str to sequence of str, optional
        Families of covariates that are taken as one; covariates in none stay alone. The depths are a group of their own.
    repeats : int
        Shuffles of each fold.

    Returns
    -------
    DataFrame
        From the most important: ``rank``, ``feature``, ``importance`` (a share of the decrease for impurity; squared units of the scale
        of the trees for permutation), ``sd`` (over folds and repeats; NaN for impurity), ``share`` (of the sum of those above zero; 0
        where all are zero). At a tie, in the order of the columns.
    """
    units = _units(task, groups or {})
    if by == "impurity":
        forest = _trained(task, np.arange(len(task.values)))
        importance = np.array([forest.importance[list(columns)].sum() for _, columns in units])
        spread = np.full(len(units), np.nan)
    elif by == "permutation":
        draws = _permuted(task, [columns for _, columns in units], repeats)
        importance, spread = draws.mean(axis=0), draws.std(axis=0, ddof=1) if len(draws) > 1 else np.full(len(units), np.nan)
    else:
        raise ModelError(f"ranking: {by!r}; expected impurity or permutation")
    positive = np.maximum(importance, 0.0)
    total = positive.sum()
    table = pd.DataFrame(
        {
            "feature": [name for name, _ in units],
            "importance": importance,
            "sd": spread,
            "share": positive / total if total > 0 else 0.0,
        }
    )
    table = table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table


def _fold_scores(task: Task, fold: Fold, subsets: Sequence[tuple[int, ...]]) -> NDArray[np.float64]:
    return quick_scores(
        task.features, task.values, [fold], subsets, task.settings, log=task.log, seed=task.seed, workers=task.workers, weights=task.weights
    )


def _trained(task: Task, rows: NDArray[np.int64]) -> Forest:
    return train(
        task.features[rows],
        task.values[rows],
        task.settings,
        log=task.log,
        seed=task.seed,
        workers=task.workers,
        weights=None if task.weights is None else task.weights[rows],
    )


def _permuted(task: Task, units: Sequence[tuple[int, ...]], repeats: int) -> NDArray[np.float64]:
    """Growth of the mean squared error, shape (folds x repeats, units)."""
    if repeats < 1:
        raise ModelError(f"permutation importance: {repeats} repeats; expected 1 or more")
    out = np.empty((len(task.folds) * repeats, len(units)))
    for number, (inside, outside) in enumerate(task.folds):
        forest = _trained(task, inside)
        rows = np.array(task.features[outside])
        base = _mean_square(task, forest, rows, outside)
        for repeat in range(repeats):
            order = np.random.default_rng([task.seed, number, repeat]).permutation(len(rows))
            for unit, columns in enumerate(units):
                own = rows[:, columns]
                rows[:, columns] = own[order]
                out[number * repeats + repeat, unit] = _mean_square(task, forest, rows, outside) - base
                rows[:, columns] = own
    return out


def _mean_square(task: Task, forest: Forest, features: NDArray[np.float32], rows: NDArray[np.int64]) -> float:
    """Mean squared error, on the scale of the trees, of features that stand for some rows."""
    observed = np.log(task.values[rows]) if task.log else task.values[rows]
    error = predict(forest, features, workers=task.workers).mean_fit - observed
    return float(np.average(error**2, weights=None if task.weights is None else task.weights[rows]))


def _units(task: Task, groups: Mapping[str, Sequence[str]]) -> list[tuple[str, tuple[int, ...]]]:
    """Names and columns of what is ranked, in the order of the columns."""
    family: dict[str, str] = {}
    faults = []
    for group, members in groups.items():
        if group in task.sources and group not in members:
            faults.append(f"group '{group}': has the name of a covariate that is not in it; expected another name")
        for name in members:
            if name not in task.covariates:
                faults.append(f"group '{group}': '{name}' is no covariate; expected one of {', '.join(task.covariates)}")
            elif name in family:
                faults.append(f"group '{group}': '{name}' is in group '{family[name]}' too; expected it in one")
            family[name] = group
    if faults:
        raise ModelError(faults)
    depth = DEPTH_UNIT if DEPTH_UNIT not in task.sources else JOIN.join(DEPTH_FEATURES)
    units: dict[str, list[int]] = {}
    for column, source in enumerate(task.sources):
        name = family.get(source, depth if source in DEPTH_FEATURES else source)
        units.setdefault(name, []).append(column)
    return [(name, tuple(columns)) for name, columns in units.items()]


def _faults_of_rows(task: Task) -> list[str]:
    """What is wrong with features, values and weights."""
    n = len(task.values)
    if task.features.ndim != 2 or len(task.features) != n or task.features.shape[1] != len(task.sources):
        return [f"features: shape {task.features.shape}; expected {n} rows and {len(task.sources)} columns"]
    faults = []
    lost = (~np.isfinite(task.features)).sum(axis=0)
    for name in dict.fromkeys(source for source, count in zip(task.sources, lost, strict=True) if count):
        count = sum(int(c) for source, c in zip(task.sources, lost, strict=True) if source == name)
        faults.append(f"covariate '{name}': {count} values are not finite; expected numbers")
    if not task.covariates:
        faults.append("features: no covariate beside depth; expected at least one")
    if not np.isfinite(task.values).all():
        faults.append(f"target: {int((~np.isfinite(task.values)).sum())} of {n} values are not finite; expected numbers")
    elif n == 0 or np.ptp(task.values) == 0:
        faults.append(f"target: the same value in all {n} rows; expected values that differ")
    elif task.log and task.values.min() <= 0:
        faults.append(f"target: smallest value {task.values.min():g} has no logarithm; expected values above 0")
    if task.weights is not None and not (task.weights.shape == (n,) and np.all((task.weights >= 0) & np.isfinite(task.weights))):
        faults.append("weights: expected one number, 0 or more, for each row")
    return faults


def faults_of_folds(folds: Sequence[Fold], rows: int, weights: NDArray[np.float64] | None = None) -> list[str]:
    """What is wrong with folds of some number of rows; nothing where they can be used."""
    if not len(folds):
        return ["folds: none; expected at least one pair of training and test rows"]
    faults = []
    for number, (inside, outside) in enumerate(folds, start=1):
        if not len(inside) or not len(outside):
            faults.append(f"fold {number}: {len(inside)} training and {len(outside)} test rows; expected some of each")
        elif min(np.min(inside), np.min(outside)) < 0 or max(np.max(inside), np.max(outside)) >= rows:
            faults.append(f"fold {number}: rows that do not exist; expected 0 to {rows - 1}")
        elif both := len(np.intersect1d(inside, outside)):
            faults.append(f"fold {number}: {both} rows are in training and in test; expected none")
        elif weights is not None and len(weights) == rows and not weights[outside].sum() > 0:
            faults.append(f"fold {number}: no test row has a weight above 0; expected some")
    return faults
