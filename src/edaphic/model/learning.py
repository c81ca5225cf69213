"""From training rows to a model: screens, the search for covariates, tuning, the fit.

All of it is one function of its training rows, so that validation can do all of it again inside each fold. What looked at a
profile then never predicts that profile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.derived import target_derived
from edaphic.model.features import DEPTH_FEATURES, Encoder, design_matrix, make_encoder
from edaphic.model.fit import Interval, SoilModel, Target, TrainingTable, class_means, fit
from edaphic.model.forest import Settings, train_oob
from edaphic.model.quick import quick_scores
from edaphic.model.screening import eliminate_vif, screen_correlation
from edaphic.model.selection import search
from edaphic.model.tuning import METRICS, tune
from edaphic.model.zones import AnyModel, ZonedModel, zones_with_enough
from edaphic.progress import Say

Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]

Split = Callable[[str, TrainingTable], Folds]
"""Training and test rows of a table, for the job named: ``tune`` or ``select``."""


@dataclass(frozen=True)
class Searching:
    """How covariates are searched for: ``method`` none, exhaustive, forward or backward; the rest as in :func:`search`."""

    method: Literal["none", "exhaustive", "forward", "backward"] = "none"
    best: int = 10
    rank: Literal["permutation", "impurity"] = "permutation"
    rule: Literal["best", "one_se"] = "best"
    trees: int = 50


@dataclass(frozen=True)
class Learner:
    """All that a model is made by, beside its rows; the same for each fold and for the final one.

    ``kinds``: continuous or class, by covariate; ``candidates``: settings to try, with the trees of a trial; ``trees``: those of the
    model; ``protected``: covariates that stay; ``drop_derived``: whether covariates made of carbon go; ``zone``: covariate of zones;
    ``weighting``: ``none``, ``rows`` (weights of the table) or ``error`` (by the error of each value); ``little_bags``: trees in a little
    bag of the model (none in trials).
    """

    kinds: Mapping[str, str]
    name: str
    target: Target
    form: str
    layers: tuple[Interval, ...]
    whole: Interval | None
    candidates: tuple[Settings, ...]
    trees: int
    seed: int
    workers: int
    metric: str = "rmse"
    encoding: Literal["onehot", "ordered"] = "onehot"
    correlation: float = 0.95
    vif: float | None = None
    protected: tuple[str, ...] = ()
    drop_derived: bool = False
    searching: Searching = Searching()
    zone: str | None = None
    fewest_in_zone: int = 50
    weighting: str = "none"
    little_bags: int = 0

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The layers, then the whole depth where there is one."""
        return self.layers + ((self.whole,) if self.whole else ())


@dataclass(frozen=True)
class Learned:
    """A model, and how it came about.

    ``kept``: covariates; ``settings``: those chosen; ``selection``: one row per covariate; ``steps``: accuracy before and after each
    screen; ``tuning``: one row per setting tried; ``searched``: one row per subset tried, empty without a search; ``notes``: what must be
    said.
    """

    model: AnyModel
    kept: tuple[str, ...]
    settings: Settings
    selection: pd.DataFrame
    steps: pd.DataFrame
    tuning: pd.DataFrame
    searched: pd.DataFrame
    notes: tuple[str, ...]


def learn(
    learner: Learner,
    table: TrainingTable,
    points: pd.DataFrame,
    split: Split,
    say: Say | None = None,
    *,
    accuracy: bool = True,
) -> Learned:
    """Screen, search, tune and fit.

    Parameters
    ----------
    learner : Learner
    table : TrainingTable
        Rows to learn from; nothing else is looked at.
    points : DataFrame
        Covariates by profile, indexed by ``profile_id``.
    split : callable
        Makes folds of some rows.
    say : callable, optional
        Told of progress.
    accuracy : bool
        False: ``steps`` has no accuracies, which choose nothing.
    """
    tell = say or (lambda text, done, total: None)
    # The whole depth repeats the layers: covariates and settings are chosen by the layers alone.
    single = table.take(np.flatnonzero(table.interval < len(learner.layers)))
    selection, steps = _screen(learner, points.loc[table.profiles])
    kept = selection.loc[selection["kept"], "feature"].tolist()
    trial = learner.candidates[0]
    folds = split("tune", single)
    # One forest with the covariates that the screens leave tells the weights for the whole way; the fit finds its own.
    weights, _ = _weights(learner, single, points[kept], trial)
    if accuracy:
        tell("accuracy with each set of covariates", 0, len(learner.candidates) + 2)
    searched, notes = pd.DataFrame(), list[str]()
    if learner.searching.method != "none":
        tell(f"searching covariates ({learner.searching.method})", 0, len(learner.candidates) + 2)
        kept, searched, notes = _search(learner, single, points, kept, split("select", single), weights)
        lost = [name for name in selection.loc[selection["kept"], "feature"] if name not in kept]
        why = f"not in the best set ({learner.searching.method} search)"
        selection.loc[selection["feature"].isin(lost), ["kept", "reason"]] = (False, why)
        steps.append((f"after {learner.searching.method} search", tuple(kept)))
    scores = pd.DataFrame([(name, len(names)) for name, names in steps], columns=["step", "covariates"])
    if accuracy:
        scores = _accuracy(learner, single, points, steps, folds, trial, weights)
    settings, tuning = _tune(learner, single, points[kept], folds, tell, weights)
    tell(f"growing {settings.trees} trees", len(learner.candidates) + 1, len(learner.candidates) + 2)
    model, more = refit(learner, table, points, kept, settings)
    return Learned(model, tuple(kept), settings, selection, scores, tuning, searched, (*notes, *more))


def refit(
    learner: Learner, table: TrainingTable, points: pd.DataFrame, kept: Sequence[str], settings: Settings
) -> tuple[AnyModel, list[str]]:
    """Fit with covariates and settings that are known already.

    Returns
    -------
    (model, notes)
    """
    used = points[list(kept)]
    settings = replace(settings, little_bags=learner.little_bags)
    weights, notes = _weights_of_layers(learner, table, used, settings)
    everywhere = _fit(learner, table, used, settings, weights, learner.seed)
    notes += everywhere.notes
    if learner.zone is None:
        return everywhere, notes
    zone = points[learner.zone]
    enough, counts = zones_with_enough(table, zone, len(learner.layers), learner.fewest_in_zone)
    code = zone.loc[list(table.profile_id)].to_numpy()
    models = []
    for number, own in enumerate(enough):
        rows = np.flatnonzero(code == own)
        part = _fit(
            learner, table.take(rows), used, settings, None if weights is None else weights[rows], learner.seed + 1000 * (number + 1)
        )
        models.append((own, part))
        notes += [f"{learner.zone} {own}: {note}" for note in part.notes]
    rest = [f"{code} ({n} profiles)" for code, n in counts.items() if code not in enough]
    if rest:
        notes.append(
            f"{learner.zone}: too few profiles for a model of their own in {', '.join(rest)}; the model of all answers there "
            f"(min_zone_profiles: {learner.fewest_in_zone})"
        )
    return ZonedModel(learner.zone, tuple(models), everywhere, tuple(counts.items())), notes


def _fit(
    learner: Learner, table: TrainingTable, used: pd.DataFrame, settings: Settings, weights: NDArray[np.float64] | None, seed: int
) -> SoilModel:
    return fit(
        table,
        used,
        learner.kinds,
        name=learner.name,
        target=learner.target,
        form=learner.form,
        layers=learner.layers,
        whole=learner.whole,
        settings=settings,
        seed=seed,
        workers=learner.workers,
        encoding=learner.encoding,
        weights=weights,
    )


def _screen(learner: Learner, used: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[str, tuple[str, ...]]]]:
    """What the screens leave, none of which looks at the target; and the set of covariates after each."""
    flagged = target_derived(list(used.columns), learner.target.name).set_index("feature")["reason"]
    steps = [("all covariates", tuple(used.columns))]
    allowed = [name for name in used.columns if not (learner.drop_derived and name in flagged.index and name not in learner.protected)]
    if not allowed:
        raise ModelError("covariates: all are made of carbon, and model.screen.target_derived is drop; expected others too")
    if len(allowed) < len(used.columns):
        steps.append(("without those made of carbon", tuple(allowed)))
    protected = tuple(name for name in learner.protected if name in allowed)
    selection = screen_correlation(used[allowed], learner.kinds, learner.correlation, protected=protected)
    steps.append((f"after |r| > {learner.correlation:g}", tuple(selection.loc[selection["kept"], "feature"])))
    selection["vif"] = np.nan
    selection["step"] = pd.array([pd.NA] * len(selection), dtype="Int64")
    if learner.vif is not None:
        kept = list(steps[-1][1])
        order = eliminate_vif(used[kept], learner.kinds, learner.vif, protected=protected).set_index("feature")
        for name, row in order.iterrows():
            here = selection["feature"] == name
            selection.loc[here, "vif"] = row["vif"]
            if not row["kept"]:
                selection.loc[here, ["kept", "reason", "step"]] = (False, f"VIF {learner.vif:g} or above", int(row["step"]))
        steps.append((f"after VIF >= {learner.vif:g}", tuple(selection.loc[selection["kept"], "feature"])))
    gone = [(name, False, f"made of carbon: {flagged[name]}") for name in used.columns if name not in allowed]
    selection = pd.concat([selection, pd.DataFrame(gone, columns=["feature", "kept", "reason"])], ignore_index=True)
    selection["target_derived"] = [str(flagged.get(name, "")) for name in selection["feature"]]
    return selection.set_index("feature").loc[list(used.columns)].reset_index(), steps


def encoded(learner: Learner, table: TrainingTable, points: pd.DataFrame) -> tuple[Encoder, NDArray[np.float32]]:
    """Encoder and features of rows for the search and the tuning: depth is among them, as they hold all layers."""
    encoder = make_encoder(
        points.loc[table.profiles],
        learner.kinds,
        depth=True,
        encoding=learner.encoding,
        target_means=class_means(table, learner.target) if learner.encoding == "ordered" else None,
    )
    return encoder, design_matrix(encoder, points, list(table.profile_id), np.asarray(learner.intervals)[table.interval])


def _search(
    learner: Learner,
    single: TrainingTable,
    points: pd.DataFrame,
    kept: Sequence[str],
    folds: Folds,
    weights: NDArray[np.float64] | None,
) -> tuple[list[str], pd.DataFrame, list[str]]:
    how = learner.searching
    assert how.method != "none"
    encoder, features = encoded(learner, single, points[list(kept)])
    found = search(
        how.method,
        features,
        single.values,
        folds,
        replace(learner.candidates[0], trees=how.trees),
        sources=encoder.sources,
        best=how.best,
        rank=how.rank,
        rule=how.rule,
        protected=tuple(name for name in learner.protected if name in kept),
        log=learner.target.log,
        seed=learner.seed,
        workers=learner.workers,
        weights=weights,
    )
    return [name for name in kept if name in found.chosen], found.table, list(found.notes)


def _accuracy(
    learner: Learner,
    single: TrainingTable,
    points: pd.DataFrame,
    steps: Sequence[tuple[str, tuple[str, ...]]],
    folds: Folds,
    trial: Settings,
    weights: NDArray[np.float64] | None,
) -> pd.DataFrame:
    """Out-of-fold accuracy with the covariates that each screen leaves, with one forest's settings for all."""
    encoder, features = encoded(learner, single, points)
    sources = np.array(encoder.sources)
    sets = [names for _, names in steps]
    distinct = list(dict.fromkeys(sets))
    columns = [tuple(np.flatnonzero(np.isin(sources, [*names, *DEPTH_FEATURES])).tolist()) for names in distinct]
    rmse = quick_scores(
        features,
        single.values,
        folds,
        columns,
        trial,
        log=learner.target.log,
        seed=learner.seed,
        workers=learner.workers,
        weights=weights,
    )
    by_set = dict(zip(distinct, rmse, strict=True))
    tested = np.concatenate([outside for _, outside in folds])
    observed = (np.log(single.values) if learner.target.log else single.values)[tested]
    own = np.ones(len(observed)) if weights is None else weights[tested]
    variance = float(np.average((observed - np.average(observed, weights=own)) ** 2, weights=own))
    rows = [
        (name, len(names), by_set[names], 1 - by_set[names] ** 2 / variance if variance > 0 else np.nan)
        for name, names in steps
    ]
    table = pd.DataFrame(rows, columns=["step", "covariates", "rmse", "mec"])
    table["scale"] = "log" if learner.target.log else "natural"
    return table


def _tune(
    learner: Learner,
    single: TrainingTable,
    points: pd.DataFrame,
    folds: Folds,
    tell: Say,
    weights: NDArray[np.float64] | None,
) -> tuple[Settings, pd.DataFrame]:
    _, features = encoded(learner, single, points)
    scored = []
    for i, setting in enumerate(learner.candidates):
        tell(f"tuning: setting {i + 1} of {len(learner.candidates)}", i + 1, len(learner.candidates) + 2)
        scored.append(
            tune(
                features,
                single.values,
                [setting],
                folds,
                log=learner.target.log,
                seed=learner.seed,
                workers=learner.workers,
                weights=weights,
                metric=learner.metric,
            )
        )
    tuning = pd.concat(scored, ignore_index=True)
    tuning["candidate"] = range(len(tuning))
    score = tuning["score"].to_numpy() * (-1.0 if METRICS[learner.metric] else 1.0)
    best = int(np.argmin(np.where(np.isnan(score), np.inf, score)))
    tuning["chosen"] = tuning.index == best
    chosen = learner.candidates[best]
    varied = len({setting.trees for setting in learner.candidates}) > 1
    return chosen if varied else replace(chosen, trees=learner.trees), tuning


def _weights_of_layers(
    learner: Learner, table: TrainingTable, points: pd.DataFrame, settings: Settings
) -> tuple[NDArray[np.float64] | None, list[str]]:
    """Weights of all rows: those of the layers by :func:`_weights`, 1 for the whole depth, which trains nothing."""
    single = np.flatnonzero(table.interval < len(learner.layers))
    own, notes = _weights(learner, table.take(single), points, settings)
    if own is None:
        return None, notes
    weights = np.ones(len(table.values))
    weights[single] = own
    return weights, notes


def _weights(
    learner: Learner, table: TrainingTable, points: pd.DataFrame, settings: Settings
) -> tuple[NDArray[np.float64] | None, list[str]]:
    """Weights of rows: those of the table, or the inverse of what is not explained plus the error of the value.

    The second as in van der Westhuizen, Heuvelink, Hofmeyr and Poggio (2022, Spatial Statistics 47, 100572): the part of the variance
    that is not error of measurement is that of the out-of-bag residuals of a forest without weights, less the mean error variance.
    """
    if learner.weighting == "none":
        return None, []
    if learner.weighting == "rows":
        return table.weight / table.weight.mean(), []
    if not np.any(table.sd > 0):
        return None, ["weights: the error of no value is known; all rows count alike"]
    _, features = encoded(learner, table, points)
    _, oob = train_oob(
        features,
        table.values,
        replace(settings, trees=min(settings.trees, 200), little_bags=0),
        log=learner.target.log,
        seed=learner.seed,
        workers=learner.workers,
    )
    observed = np.log(table.values) if learner.target.log else table.values
    known = np.isfinite(oob)
    residual = float(np.mean((oob[known] - observed[known]) ** 2))
    # At least a tenth is not error: else rows of tiny error would be all that counts.
    rest = max(residual - float(np.mean(table.sd**2)), 0.1 * residual)
    weight = 1.0 / (rest + table.sd**2)
    note = f"weights: by the error of values; the largest weight is {weight.max() / weight.min():.3g} times the smallest"
    return weight / weight.mean(), [note]


def row_weights(
    learner: Learner, table: TrainingTable, points: pd.DataFrame, settings: Settings
) -> NDArray[np.float64] | None:
    """Weights that a fit gives rows, None where all count alike; ``points`` holds the covariates of the model."""
    return _weights_of_layers(learner, table, points, settings)[0]
