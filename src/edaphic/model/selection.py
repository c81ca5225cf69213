"""Which covariates a forest should have: ranking, and searches over subsets with folds.

A covariate is in or out as a whole: the one-hot columns of a class go together, and the two columns of depth are always in. A search
scores each set out of fold, but it chooses by those scores, so the score of the chosen set flatters it. For an honest one the search itself
has to run inside each training fold of another validation (Ambroise and McLachlan 2002, PNAS 99, 6562-6566).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.forest import Settings
from edaphic.model.ranking import Fold, Ranking, Task, rank, score_sets

Rule = Literal["best", "one_se"]

MOST_SUBSETS = 2**16
"""Subsets that an exhaustive search may have."""


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

    Examples
    --------
    The target is a step of ``a``, and ``b`` says nothing.

    >>> x, rows = np.column_stack([np.repeat([0, 1], 20), np.tile([0, 1], 20)]).astype(np.float32), np.arange(40)
    >>> folds = [(rows[rows // 2 % 2 == k], rows[rows // 2 % 2 != k]) for k in (0, 1)]
    >>> exhaustive(Task(x, np.repeat([1.0, 3.0], 20), ("a", "b"), folds, Settings(50, min_samples_leaf=1)), k=2).chosen
    ('a',)
    """
    _check_names(task, () if names is None else names, protected, rule)
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
    _check_names(task, () if names is None else names, protected, rule)
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
    _check_names(task, () if names is None else names, protected, rule)
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
    for what, some in (("covariates to search", names), ("protected", protected)):
        if len(set(some)) < len(some):
            faults.append(f"{what}: a name stands twice; expected each once")
    if rule not in ("best", "one_se"):
        faults.append(f"rule: {rule!r}; expected best or one_se")
    if faults:
        raise ModelError(faults)
