"""Importance of covariates and of families of them, by impurity and by permutation, in percent, with bands over repeats.

Impurity: the decrease of the variance in the splits of a covariate ("Gini importance" in papers on regression). It looks at training rows
only and favours covariates with many values (Strobl et al. 2007, BMC Bioinformatics 8, 25). A family's is the sum of its members'.

Permutation: the growth of the mean squared error of held-out rows when the columns of a covariate, or of a whole family, are shuffled
together between them (Breiman 2001, Machine Learning 45, 5-32). A family's is not the sum of its members': members stand in for one
another, so that each alone seems to matter less than all together. Both are in the table, under their names.

Importance tells what a model uses. It does not tell what causes carbon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.features import DEPTH_FEATURES
from edaphic.model.forest import Forest, train
from edaphic.model.ranking import DEPTH_UNIT, Task
from edaphic.model.traverse import predict

Array = NDArray[np.float64]
Measure = Literal["impurity", "permutation"]
ALONE = "other"
"""Family of covariates that no pattern names."""
COLUMNS = (
    "measure", "level", "name", "family", "importance", "sd", "low", "high", "share_pct", "share_low_pct", "share_high_pct",
    "sum_of_members_pct", "members", "repeats",
)  # fmt: skip


def families_of(names: Sequence[str], patterns: Mapping[str, Sequence[str]]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Members of each family from names with wildcards.

    Parameters
    ----------
    names : sequence of str
        Covariates.
    patterns : mapping of str to sequence of str
        For each family names or patterns such as ``bio*``. A plain name goes before a pattern of another family.

    Returns
    -------
    families : dict of str to tuple of str
        In the order of ``patterns``, without the empty ones; covariates in none are in ``other``.
    notes : list of str

    Raises
    ------
    ModelError
        A covariate that fits patterns of two families; a family called ``other`` or ``depth``.

    Examples
    --------
    >>> families_of(["bio1", "bio12", "slope", "ndvi"], {"climate": ["bio*"], "relief": ["slope"]})[0]
    {'climate': ('bio1', 'bio12'), 'relief': ('slope',), 'other': ('ndvi',)}
    """
    faults = [f"family '{name}': a name of our own; expected another" for name in (ALONE, DEPTH_UNIT) if name in patterns]
    found: dict[str, list[str]] = {family: [] for family in patterns}
    left = []
    for name in names:
        plain = [family for family, some in patterns.items() if name in some]
        fitting = plain or [family for family, some in patterns.items() if any(fnmatchcase(name, pattern) for pattern in some)]
        if len(fitting) > 1:
            faults.append(f"covariate '{name}': fits the families {', '.join(fitting)}; expected one")
        elif fitting:
            found[fitting[0]].append(name)
        else:
            left.append(name)
    if faults:
        raise ModelError(faults)
    notes = [
        f"family '{family}': nothing fits '{pattern}'"
        for family, some in patterns.items()
        for pattern in some
        if not any(fnmatchcase(name, pattern) for name in names)
    ]
    if left and patterns:
        notes.append(f"covariates in no family, taken as '{ALONE}': {', '.join(left)}")
    out = {family: tuple(members) for family, members in found.items() if members}
    return (out | {ALONE: tuple(left)} if left else out), notes


def importance_table(
    task: Task,
    families: Mapping[str, Sequence[str]] | None = None,
    *,
    by: Sequence[Measure] = ("impurity", "permutation"),
    repeats: int = 5,
    level: float = 0.9,
    depth: bool = True,
) -> tuple[pd.DataFrame, list[str]]:
    """Importance of every covariate and every family.

    Parameters
    ----------
    task : Task
        Features, values, folds and settings; the two depths count as one covariate, and family, ``depth``.
    families : mapping of str to sequence of str, optional
        As in :func:`families_of`.
    by : sequence of {"impurity", "permutation"}
    repeats : int
        Forests of other seeds for impurity, and shuffles of each fold for permutation.
    level : float
        Of the bands.
    depth : bool
        Whether the depths are in the table. They may stand for most of the variance of a forest of all layers; without them the shares are
        those of the covariates alone.

    Returns
    -------
    table : DataFrame
        From the most important, covariates before families: ``measure``, ``level`` (covariate or family), ``name``, ``family``,
        ``importance`` (mean over repeats; share of the decrease of variance for impurity, squared units of the trees' scale for
        permutation), ``sd``, ``low``, ``high`` (percentiles over repeats, and over folds for permutation: how steady the figure is, no
        confidence interval), ``share_pct`` (100 x importance, none below zero, over the sum of its level), ``share_low_pct``,
        ``share_high_pct`` (of the shares within each repeat), ``sum_of_members_pct`` (families: sum of the shares of the members),
        ``members``, ``repeats``.
    notes : list of str

    Raises
    ------
    ModelError
        Families that overlap; a measure that is not known; repeats below 1; a level that is no share.
    """
    faults = [f"importance: {measure!r}; expected impurity or permutation" for measure in by if measure not in ("impurity", "permutation")]
    if repeats < 1:
        faults.append(f"importance: {repeats} repeats; expected 1 or more")
    if not 0 < level < 1:
        faults.append(f"importance: level {level:g}; expected a number between 0 and 1")
    if faults:
        raise ModelError(faults)
    named, notes = families_of(task.covariates, families or {})
    singles = _units(task, {name: (name,) for name in task.covariates})
    groups = _units(task, named) if families else {}
    if not depth:
        singles.pop(DEPTH_UNIT, None)
        groups.pop(DEPTH_UNIT, None)
        notes = (
            [*notes, "importance: without depth, shares are of the covariates alone"] if set(DEPTH_FEATURES) & set(task.sources) else notes
        )
    units = [*singles.values(), *groups.values()]
    family_of = {member: family for family, members in named.items() for member in members}
    parts = []
    for measure in by:
        draws = _impurity(task, units, repeats) if measure == "impurity" else _permutation(task, units, repeats)
        alone = _table(draws[:, : len(singles)], list(singles), level)
        alone["family"] = [family_of.get(name, name) if families else "" for name in alone["name"]]
        alone["members"] = 1
        parts.append(alone.assign(measure=measure, level="covariate"))
        if groups:
            together = _table(draws[:, len(singles) :], list(groups), level)
            together["family"] = together["name"]
            together["members"] = [len(named.get(name, ("",))) for name in together["name"]]
            sums = alone.groupby("family")["share_pct"].sum()
            together["sum_of_members_pct"] = together["name"].map(sums)
            parts.append(together.assign(measure=measure, level="family"))
    return pd.concat(parts, ignore_index=True).reindex(columns=list(COLUMNS)), notes


def joint_share(table: pd.DataFrame, names: Sequence[str], measure: Measure = "impurity", level: str = "family") -> float:
    """Percent of some families, or covariates, together: the sum of the shares that the table holds.

    >>> some = pd.DataFrame({"measure": "impurity", "level": "family", "name": ["climate", "past"], "share_pct": [29.6, 18.5]})
    >>> round(joint_share(some, ["climate", "past"]), 1)
    48.1
    """
    part = table[(table["measure"] == measure) & (table["level"] == level)].set_index("name")["share_pct"]
    if strange := [name for name in names if name not in part.index]:
        raise ModelError(
            [f"joint share: no {level} '{name}' in the table; expected one of {', '.join(map(str, part.index))}" for name in strange]
        )
    if len(set(names)) < len(names):
        raise ModelError("joint share: a name stands twice; expected each once")
    return float(part.loc[list(names)].sum())


def impurity_of(forest: Forest, sources: Sequence[str]) -> pd.Series:
    """Impurity importance of a forest that is there, in percent by covariate; the depths as ``depth``."""
    if len(sources) != len(forest.importance):
        raise ModelError(f"importance: {len(sources)} columns named for a forest of {len(forest.importance)}; expected one name each")
    names = [DEPTH_UNIT if name in DEPTH_FEATURES else name for name in sources]
    return pd.Series(100 * forest.importance, index=names).groupby(level=0, sort=False).sum()


def _units(task: Task, groups: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, ...]]:
    """Columns of each group, and of the depths."""
    out = {}
    for name, members in groups.items():
        out[name] = tuple(i for i, source in enumerate(task.sources) if source in members)
    depth = tuple(i for i, source in enumerate(task.sources) if source in DEPTH_FEATURES)
    return out | ({DEPTH_UNIT: depth} if depth else {})


def _grown(task: Task, rows: NDArray[np.int64], seed: int) -> Forest:
    weights = None if task.weights is None else task.weights[rows]
    return train(task.features[rows], task.values[rows], task.settings, log=task.log, seed=seed, workers=task.workers, weights=weights)


def _impurity(task: Task, units: Sequence[tuple[int, ...]], repeats: int) -> Array:
    rows = np.arange(len(task.values))
    forests = [_grown(task, rows, task.seed + repeat) for repeat in range(repeats)]
    return np.array([[forest.importance[list(columns)].sum() for columns in units] for forest in forests])


def _permutation(task: Task, units: Sequence[tuple[int, ...]], repeats: int) -> Array:
    """Growth of the mean squared error, shape (folds x repeats, units)."""
    observed = np.log(task.values) if task.log else task.values
    out = []
    for number, (inside, outside) in enumerate(task.folds):
        forest = _grown(task, inside, task.seed)
        rows = np.array(task.features[outside])
        weights = None if task.weights is None else task.weights[outside]

        def error(rows: NDArray[np.float32], forest: Forest, outside: NDArray[np.int64], weights: Array | None) -> float:
            missed = predict(forest, rows, workers=task.workers).mean_fit - observed[outside]
            return float(np.average(missed**2, weights=weights))

        base = error(rows, forest, outside, weights)
        for repeat in range(repeats):
            order = np.random.default_rng([task.seed, number, repeat]).permutation(len(rows))
            found = []
            for columns in units:
                own = rows[:, columns]
                rows[:, columns] = own[order]
                found.append(error(rows, forest, outside, weights) - base)
                rows[:, columns] = own
            out.append(found)
    return np.array(out)


def _table(draws: Array, names: Sequence[str], level: float) -> pd.DataFrame:
    """Means, bands and shares, from the most important."""
    ends = [(1 - level) / 2, (1 + level) / 2]
    mean = draws.mean(axis=0)
    low, high = np.quantile(draws, ends, axis=0)
    share_low, share_high = np.quantile(_shares(draws), ends, axis=0)
    table = pd.DataFrame(
        {
            "name": names, "importance": mean, "sd": draws.std(axis=0, ddof=1) if len(draws) > 1 else np.nan, "low": low, "high": high,
            "share_pct": _shares(mean[None])[0], "share_low_pct": share_low, "share_high_pct": share_high, "repeats": len(draws),
        }
    )  # fmt: skip
    return table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def _shares(draws: Array) -> Array:
    positive = np.maximum(draws, 0.0)
    total = positive.sum(axis=1, keepdims=True)
    return np.asarray(100 * np.divide(positive, total, out=np.zeros_like(positive), where=total > 0))
