"""Which covariates a forest should have: ranking, and searches over subsets with folds.

A covariate is in or out as a whole: the one-hot columns of a class go together, and the two columns of depth are always in. A search
scores each set out of fold, but it chooses by those scores, so the score of the chosen set flatters it. For an honest one the search itself
has to run inside each training fold of another validation (Ambroise and McLachlan 2002, PNAS 99, 6562-6566).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
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
Rule = Literal["best", "one_se"]

DEPTH_UNIT = "depth"
"""Name of the two columns of depth in a ranking."""
MOST_SUBSETS = 2**16
"""Subsets that an exhaustive search may have."""
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


@dataclass(frozen=True)
class Choice:
    """What a search found.

    ``chosen``: covariates in the order of the columns, protected ones among them; ``table``: one row per set that was scored, with
    ``step``, ``features``, ``number`` (of covariates), ``rmse`` and ``mec`` (over all test rows, on the scale of the trees), ``se``
    (standard error of the RMSE over the folds), ``taken`` (best of its step) and ``chosen``; ``notes``: what was assumed.
    """

    chosen: tuple[str, ...]
    table: pd.DataFrame
    notes: tuple[str, ...] = ()


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
    >>> task = Task(x, np.repeat([1.0, 3.0], 20), ("a", "b"), folds, Settings(trees=50))
    >>> score_sets(task, [("a",), ("b",)])["rmse"].round(1).tolist()
    [0.0, 1.0]
    >>> rank(task)["feature"].tolist(), exhaustive(task, k=2).chosen
    (['a', 'b'], ('a',))
    """
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
        Families of covariates that are taken as one; covariates in none stay alone. The depths are one group.
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


def exhaustive(
    task: Task, names: Sequence[str] | None = None, *, k: int = 10, rule: Rule = "best", protected: Sequence[str] = ()
) -> Choice:
    """Score every subset of the k best covariates: 2^k - 1, so 1,023 for ten.

    Parameters
    ----------
    task : Task
    names : sequence of str, optional
        Covariates from the best; left out, they are ranked by impurity.
    k : int
        How many of them are searched. Where there are fewer, all are, with a note.
    rule : {"best", "one_se"}
        The smallest RMSE (at a tie, the fewest covariates), or the fewest covariates whose RMSE is within one standard error of the
        smallest (Breiman et al. 1984, Classification and Regression Trees).
    protected : sequence of str
        Covariates in every subset, beside the k. With them the set of none of the k is scored too.

    Returns
    -------
    Choice
        ``step`` is the number of covariates searched that are in the set.
    """
    _check_names(task, names or (), protected, rule)
    ordered = [name for name in (names if names is not None else _ranked(task, "impurity")) if name not in protected]
    if k < 1:
        raise ModelError(f"exhaustive search: k {k}; expected 1 or more")
    notes = []
    if k > len(ordered):
        notes.append(f"exhaustive search: {k} covariates asked for, {len(ordered)} to choose from; all are searched")
    pool = ordered[:k]
    if 2 ** len(pool) > MOST_SUBSETS:
        raise ModelError(f"exhaustive search: k {len(pool)} gives {2 ** len(pool) - 1:,} subsets; expected at most {MOST_SUBSETS:,}")
    sets = [some for size in range(0 if protected else 1, len(pool) + 1) for some in combinations(pool, size)]
    if not sets:
        raise ModelError("exhaustive search: no covariate to choose from; expected at least one")
    full = [_in_order(task, (*protected, *some)) for some in sets]
    table = score_sets(task, full)
    table.insert(0, "step", [len(some) for some in sets])
    table["taken"] = table.index.isin(table.groupby("step")["rmse"].idxmin())
    return _choice(full, table, rule, notes)


def forward(
    task: Task,
    names: Sequence[str] | None = None,
    *,
    most: int | None = None,
    patience: int = 2,
    rule: Rule = "best",
    protected: Sequence[str] = (),
) -> Choice:
    """Grow a set one covariate at a time, each time by the one that lowers the RMSE most.

    Parameters
    ----------
    task : Task
    names : sequence of str, optional
        Covariates to choose from; all where left out.
    most : int, optional
        Largest set beside the protected.
    patience : int
        Stops after this many steps in a row without an RMSE below the smallest so far.
    rule : {"best", "one_se"}
        As in :func:`exhaustive`, among the sets taken.
    protected : sequence of str
        Covariates in every set.
    """
    _check_names(task, names or (), protected, rule)
    left = [name for name in (task.covariates if names is None else names) if name not in protected]
    if not left:
        raise ModelError("forward selection: no covariate to choose from; expected at least one")
    if (most is not None and most < 1) or patience < 1:
        raise ModelError(f"forward selection: most {most}, patience {patience}; expected 1 or more of each")
    last = len(left) if most is None else min(most, len(left))
    taken: list[str] = list(protected)
    sets = [_in_order(task, taken)] if protected else []
    tables = [_step(0, score_sets(task, sets))] if protected else []
    smallest = float(tables[0]["rmse"].iloc[0]) if tables else np.inf
    notes, idle = [], 0
    for step in range(1, last + 1):
        grown = [_in_order(task, (*taken, name)) for name in left]
        table = _step(step, score_sets(task, grown))
        sets += grown
        tables.append(table)
        taken.append(left.pop(int(table["rmse"].to_numpy().argmin())))
        reached = float(table["rmse"].min())
        idle = 0 if reached < smallest else idle + 1
        smallest = min(smallest, reached)
        if idle == patience and step < last:
            notes.append(f"forward selection: stopped at {len(taken)} covariates, after {patience} steps without a smaller error")
            break
    return _choice(sets, pd.concat(tables, ignore_index=True), rule, notes)


def backward(
    task: Task,
    names: Sequence[str] | None = None,
    *,
    by: Ranking = "impurity",
    drop: int = 1,
    rule: Rule = "best",
    protected: Sequence[str] = (),
) -> Choice:
    """Recursive elimination: rank, take away the least important, rank the rest again, down to one covariate.

    Guyon et al. (2002, Machine Learning 46, 389-422), with importance in place of their weights. The ranking is that of all rows of the
    task, so scores flatter the smaller sets; see the note on top of this module.

    Parameters
    ----------
    task : Task
    names : sequence of str, optional
        Covariates to start from; all where left out.
    by : {"impurity", "permutation"}
    drop : int
        Covariates that go at each step.
    rule : {"best", "one_se"}
        As in :func:`exhaustive`.
    protected : sequence of str
        Covariates that never go.
    """
    _check_names(task, names or (), protected, rule)
    if drop < 1:
        raise ModelError(f"recursive elimination: drop {drop}; expected 1 or more")
    current = _in_order(task, {*(task.covariates if names is None else names), *protected})
    path = [current]
    while len(free := [name for name in current if name not in protected]) > (0 if protected else 1):
        order = [name for name in _ranked(_only(task, current), by) if name in free]
        least = order[max(len(order) - drop, 0 if protected else 1) :]
        current = tuple(name for name in current if name not in least)
        path.append(current)
    table = score_sets(task, path)
    table.insert(0, "step", np.arange(len(path)))
    table["taken"] = True
    return _choice(path, table, rule, [])


def search(
    method: Literal["exhaustive", "forward", "backward"],
    features: NDArray[np.float32],
    values: NDArray[np.float64],
    folds: Sequence[Fold],
    settings: Settings,
    *,
    sources: Sequence[str],
    best: int = 10,
    rank: Ranking = "permutation",
    rule: Rule = "best",
    protected: Sequence[str] = (),
    log: bool,
    seed: int,
    workers: int = 1,
    weights: NDArray[np.float64] | None = None,
) -> Choice:
    """Choose covariates by the method named: :func:`exhaustive` over the ``best`` ranked, :func:`forward` or :func:`backward`.

    Parameters
    ----------
    method : {"exhaustive", "forward", "backward"}
    features, values, folds, settings, sources, log, seed, workers, weights
        As in :class:`Task`.
    best : int
        Covariates of an exhaustive search.
    rank : {"impurity", "permutation"}
        Ranking before an exhaustive search, and at each step of backward elimination.
    rule : {"best", "one_se"}
    protected : sequence of str
        Covariates that are always in.
    """
    task = Task(features, values, tuple(sources), list(folds), settings, log, seed, workers, weights)
    if rank not in ("impurity", "permutation"):
        raise ModelError(f"ranking: {rank!r}; expected impurity or permutation")
    if method == "exhaustive":
        _check_names(task, (), protected, rule)
        return exhaustive(task, _ranked(task, rank), k=best, rule=rule, protected=protected)
    if method == "forward":
        return forward(task, rule=rule, protected=protected)
    if method == "backward":
        return backward(task, by=rank, rule=rule, protected=protected)
    raise ModelError(f"search: {method!r}; expected exhaustive, forward or backward")


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
        for name in members:
            if name not in task.sources:
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


def _ranked(task: Task, by: Ranking) -> list[str]:
    """Covariates from the best, without depth."""
    order = rank(task, by=by)["feature"].tolist()
    return [name for name in order if name in task.covariates]


def _only(task: Task, names: Sequence[str]) -> Task:
    """The task with some of the covariates."""
    columns = list(task.columns(names))
    sources = tuple(task.sources[i] for i in columns)
    return replace(task, features=np.ascontiguousarray(task.features[:, columns]), sources=sources)


def _in_order(task: Task, names: Sequence[str] | set[str]) -> tuple[str, ...]:
    """Names in the order of the columns: the same set is always the same subset."""
    return tuple(name for name in task.covariates if name in names)


def _step(step: int, table: pd.DataFrame) -> pd.DataFrame:
    table.insert(0, "step", step)
    table["taken"] = table.index == int(table["rmse"].to_numpy().argmin())
    return table


def _choice(
    sets: Sequence[tuple[str, ...]], table: pd.DataFrame, rule: Rule, notes: Sequence[str]
) -> Choice:
    """Choose among the sets that were taken; ``sets`` are those of the rows of the table."""
    found = table[table["taken"]].sort_values(["rmse", "number"], kind="stable")
    best = found.iloc[0]
    told = list(notes)
    if rule == "one_se" and np.isnan(best["se"]):
        told.append("one standard error: not known with one fold; the smallest error is taken")
    elif rule == "one_se":
        near = found[found["rmse"] <= best["rmse"] + best["se"]]
        best = near.sort_values(["number", "rmse"], kind="stable").iloc[0]
    table["chosen"] = table.index == best.name
    return Choice(sets[int(np.flatnonzero(table["chosen"])[0])], table, tuple(told))


def _check_names(task: Task, names: Sequence[str], protected: Sequence[str], rule: str) -> None:
    """All that is wrong with what a search is asked."""
    known = set(task.covariates)
    faults = [
        f"{what}: '{name}' is no covariate; expected one of {', '.join(task.covariates)}"
        for what, some in (("covariates to search", names), ("protected", protected))
        for name in some
        if name not in known
    ]
    if len(set(names)) < len(names):
        faults.append("covariates to search: a name stands twice; expected each once")
    if rule not in ("best", "one_se"):
        faults.append(f"rule: {rule!r}; expected best or one_se")
    if faults:
        raise ModelError(faults)


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
