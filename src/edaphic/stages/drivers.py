"""The stage of drivers: what goes with soil carbon, as tables. Nothing of it is a cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from edaphic.account.drivers.curves import Curve, break_table, response_curve, response_table
from edaphic.account.paths import PathResult, model_of, path_models
from edaphic.errors import EdaphicError
from edaphic.model import artefact
from edaphic.model.soil import interval_name
from edaphic.recipe import Curves
from edaphic.recipe.path_model import PathIndicator, Paths
from edaphic.stages.covering import build_stack
from edaphic.stages.driver_models import Explained, effect_tables, importance, most_important
from edaphic.stages.driver_tables import Found, Layers, class_names, compared, layers_of, textures
from edaphic.stages.folding import learner_of, training
from edaphic.stages.job import Job, points_of, write_json

DIGITS = "%.10g"
"""Of path models: what lies beyond is of the linear algebra of the machine."""
PATH_TABLES: Mapping[str, str] = {
    "paths_outer_model": "outer",
    "paths_crossloadings": "cross",
    "paths_inner_model": "inner",
    "paths_effects": "effects",
    "paths_quality": "latents",
    "paths_discriminant": "discriminant",
    "paths_bootstrap": "bootstrap",
    "paths_screening": "screening",
}
"""Tables of path models, and the part of a result that each is."""
LEAST = 20
"""Rows of a layer with a value and a covariate below which no curve is drawn."""


def stage_drivers(job: Job, work: Path, partial: Path) -> None:
    """Importance, effects, response curves, classes and path models, each where the recipe asks for it."""
    asked = job.recipe.drivers
    folder = work / "tables"
    folder.mkdir()
    points, kinds = points_of(job)
    layers = layers_of(job, points, kinds)
    found = Found()
    found.facts |= {"target": job.recipe.model.target, "value": layers.value, "unit": layers.unit, "profiles": layers.profiles}
    steps = sum(bool(part) for part in (asked.importance, asked.effects, asked.curves, asked.groups, asked.paths))
    names = _Steps(job, steps)
    needed = asked.effects is not None or asked.groups or asked.paths is not None
    legends = _legends(job, kinds) if needed and "class" in kinds.values() else {}
    if asked.importance is not None or asked.effects is not None:
        model = artefact.load(job.out / "model" / job.recipe.model.name)
        given = Explained(job, model, points, kinds, learner_of(job, kinds), training(job, points))
        found.notes += given.notes()
        if asked.importance is not None:
            names.say("importance")
            found.add(importance(given, asked.importance))
        if asked.effects is not None:
            names.say("effects of covariates")
            found.add(effect_tables(given, asked.effects, legends, partial))
    if asked.curves is not None:
        names.say("response curves")
        found.add(_curves(job, asked.curves, layers))
    if asked.groups:
        names.say("classes")
        labels = {by: class_names(layers, by, legends) for by in (own.by for own in asked.groups) if by != "texture"}
        found.add(compared(layers, asked.groups, labels, job.recipe.seed))
        found.add(textures(layers, asked.groups, job.recipe.seed))
    if asked.paths is not None:
        names.say("path model")
        found.add(_paths(job, asked.paths, layers, legends))
    notes = list(dict.fromkeys(found.notes))
    for note in notes:
        job.say(f"note: drivers: {note}", 0, 0)
    for name, table in found.tables.items():
        if len(table):
            digits = DIGITS if name.startswith("paths_") else None
            table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", float_format=digits)
    write_json(folder / "drivers.json", {**found.facts, "asked": asked.model_dump(mode="json"), "notes": notes})


class _Steps:
    """Steps of the stage, told as they begin."""

    def __init__(self, job: Job, steps: int) -> None:
        self.job, self.steps, self.done = job, steps, 0

    def say(self, text: str) -> None:
        self.job.say(text, self.done, self.steps)
        self.done += 1


def _legends(job: Job, kinds: Mapping[str, str]) -> dict[str, dict[int, str]]:
    """Names of the classes of each class covariate."""
    stack = build_stack(job)
    facts = {name: stack.whole.layers[stack.numbers[place][0]].facts for place, name in enumerate(stack.names)}
    return {name: dict(facts[name].classes) for name, kind in kinds.items() if kind == "class" and name in facts}


def _curves(job: Job, asked: Curves, layers: Layers) -> Found:
    """A curve for each covariate and layer."""
    found = Found()
    numbers = [name for name, kind in layers.kinds.items() if kind == "continuous"]
    names = most_important(job, asked.covariates, asked.most, numbers, "curves", found.notes)
    found.facts["curves"] = names
    curves, breaks = [], []
    for layer in layers.intervals:
        rows = layers.of(layer)
        drawn: list[Curve] = []
        for place, name in enumerate(names):
            known = rows[rows["value"].notna() & rows[name].notna()]
            if len(known) < LEAST or known[name].nunique() < 5:
                found.notes.append(
                    f"curves: {name}, {interval_name(layer)} cm: {len(known)} values at {known[name].nunique()} different ones of the "
                    f"covariate; no curve from fewer than {LEAST} and 5"
                )
                continue
            seed = job.recipe.seed + place
            curve = response_curve(known[name], known["value"], known["profile_id"], driver=name, most_breaks=asked.breaks, seed=seed)
            found.notes += curve.notes
            drawn.append(curve)
        if drawn:
            curves.append(_of_layer(response_table(drawn), layer, layers.unit))
            breaks.append(_of_layer(break_table(drawn), layer, layers.unit))
    if curves:
        found.tables["response_curves"] = pd.concat(curves, ignore_index=True)
        found.tables["change_points"] = pd.concat(breaks, ignore_index=True)
    return found


def _of_layer(table: pd.DataFrame, layer: tuple[float, float], unit: str) -> pd.DataFrame:
    told = table.assign(unit=unit)
    for name, value in (("bottom_cm", layer[1]), ("top_cm", layer[0]), ("layer", interval_name(layer))):
        told.insert(0, name, value)
    return told


def _paths(job: Job, asked: Paths, layers: Layers, legends: Mapping[str, Mapping[int, str]]) -> Found:
    """Path models of one row per profile and layer."""
    found = Found()
    table = path_table(layers, legends, _indicators(asked))
    if asked.by is None and len(layers.single) > 1 and asked.bootstrap.group is None:
        found.notes.append(
            "paths: rows of one profile are no independent evidence; by: layer makes a model for each layer, bootstrap.group: profile_id "
            "draws whole profiles"
        )
    model = model_of(asked.model_dump(by_alias=True))
    results = path_models(table, model, by=asked.by, threads=job.workers, where="drivers.paths", say=lambda *_: None)
    for result in results:
        found.notes += [f"paths{f' {result.group}' if result.group else ''}: {note}" for note in result.notes]
    found.tables |= {name: _joined(results, part) for name, part in PATH_TABLES.items()}
    scores = _joined(results, "scores")
    places = scores.pop("row").to_numpy(dtype=np.int64) - 1
    for name in ("bottom_cm", "top_cm", "profile_id"):
        scores.insert(1, name, table[name].to_numpy()[places])
    found.tables["paths_scores"] = scores
    found.facts["paths"] = {
        "by": asked.by or "",
        "level": asked.bootstrap.level,
        "models": [
            {"group": one.group, "rows": one.rows, "dropped": one.dropped, "iterations": one.iterations, "gof": _known(one.gof)}
            for one in results
        ],
    }
    return found


def _known(value: float) -> float | None:
    return round(float(value), 10) if np.isfinite(value) else None


def _joined(results: Sequence[PathResult], part: str) -> pd.DataFrame:
    """The same table of all models, with the group in front; empty where all rows are in one model."""
    tables = []
    for result in results:
        table: pd.DataFrame = getattr(result, part).copy()
        table.insert(0, "group", result.group)
        tables.append(table)
    full = [table for table in tables if len(table)]
    return pd.concat(full or tables[:1], ignore_index=True)


def _indicators(asked: Paths) -> list[PathIndicator]:
    return [indicator for block in asked.latents.values() for indicator in block.indicators]


def path_table(layers: Layers, legends: Mapping[str, Mapping[int, str]], indicators: Sequence[PathIndicator]) -> pd.DataFrame:
    """What path models are made of: one row per profile and layer that has a value and all covariates.

    Classes have their names where there are names, but their codes where ``order``, ``scores`` or ``reference`` speak of codes.
    """
    rows = layers.table
    single = [layer in layers.single for layer in zip(rows["top_cm"], rows["bottom_cm"], strict=True)]
    rows = rows[np.array(single, dtype=bool) & rows["value"].notna().to_numpy() & rows["has_covariates"].to_numpy()]
    if rows.empty:
        raise EdaphicError("drivers.paths: no row with a value and all covariates; expected some")
    table: pd.DataFrame = rows.drop(columns=["value", "has_covariates"]).reset_index(drop=True)
    table["layer"] = [interval_name(layer) for layer in zip(table["top_cm"], table["bottom_cm"], strict=True)]
    spoken = {one.name: {*(one.order or ()), *(one.scores or {}), *([one.reference] if one.reference else [])} for one in indicators}
    for name, kind in layers.kinds.items():
        legend = legends.get(name, {})
        codes = {str(code) for code in legend}
        if kind != "class" or not legend or (spoken.get(name) and spoken[name] <= codes and not spoken[name] <= set(legend.values())):
            continue
        table[name] = [legend.get(int(code), str(int(code))) for code in table[name]]
    return table
