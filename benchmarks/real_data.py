"""Scores by design on real data: six sets, each learned anew in every fold, with bootstrap intervals, coverage and applicability.

In each fold covariates are screened (|r| above 0.95 goes), forest settings are tuned by folds of profiles of the training rows, and a 3-D
forest of the logarithm is grown. Predictions of held rows are scored on the natural scale and on the logarithm; intervals come from
drawing places (blocks for the spatial blocks). 90 % limits are those of the quantile forest, adjusted across the other folds.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from common import SHARED, arguments, markdown, save, skip_without
from numpy.typing import NDArray
from real_sets import SETS, RealSet

from edaphic.model.fit import SoilModel, TrainingTable
from edaphic.model.forest import Settings
from edaphic.model.learning import Folds, Learner, learn, refit
from edaphic.model.tuning import candidates
from edaphic.validate.applicability import dissimilarity, fit_applicability, is_inside
from edaphic.validate.calibration import cross_calibrate
from edaphic.validate.coverage import coverage_row
from edaphic.validate.crossval import by_layer, predict_rows, score_table
from edaphic.validate.designs import BlockFolds, Design, KnndmFolds, LeaveTimeOut, ProfileFolds, block_side_m, make_design

LEVELS = (0.05, 0.95)
PROFILES = {"macedonia": 1000, "wise": 2000, "africa_north": 3000}
"""Profiles drawn of the largest sets."""


@dataclass(frozen=True)
class How:
    """``fixed``: settings to use with all covariates, without screens and tuning; ``seed`` of folds, forests and bootstrap."""

    trees: int = 150
    folds: int = 5
    seed: int = 1
    tried: int = 3
    trial_trees: int = 30
    draws: int = 500
    workers: int = 1
    fixed: Settings | None = None


@dataclass(frozen=True)
class Held:
    """Held-back rows of one design with calibrated limits, what it says of itself, and its folds."""

    table: pd.DataFrame
    notes: tuple[str, ...]
    splits: Folds
    kept: tuple[str, ...]


def learner_of(real: RealSet, how: How) -> Learner:
    """How a model is made of rows."""
    return Learner(
        kinds=real.kinds,
        name=real.name,
        target=real.target,
        form="3d",
        layers=real.layers,
        whole=None,
        candidates=tuple(candidates(how.tried, how.trial_trees, how.seed)),
        trees=how.trees,
        seed=how.seed,
        workers=how.workers,
    )


def design_of(real: RealSet, name: str, how: How) -> Design:
    """A design by its name; blocks of the side of the set, or of about ten to a fold."""
    seen, _ = real.rows(real.table)
    side = real.block_m or block_side_m(seen, how.folds)
    if name == "time" and real.edges:
        return LeaveTimeOut(edges=real.edges)
    prediction = real.cells[["lon", "lat"]].to_numpy(dtype=float)
    return make_design(name, folds=how.folds, seed=how.seed, block_m=side, prediction=prediction)


def hold(real: RealSet, name: str, how: How) -> Held:
    """Hold rows back by one design; screens and settings anew in each fold."""
    seen, place = real.rows(real.table)
    design, learner = design_of(real, name, how), learner_of(real, how)
    splits = list(design.split(seen, None, place))
    group = design.blocks(seen, place) if isinstance(design, BlockFolds) else place

    def split(job: str, table: TrainingTable) -> Folds:
        rows, at = real.rows(table)
        return list(ProfileFolds(3, how.seed).split(rows, None, at))

    parts, kept = [], []
    for k, (inside, outside) in enumerate(splits):
        trained, held = real.table.take(inside), real.table.take(outside)
        if how.fixed is None:
            learned = learn(learner, trained, real.points, split)
            model = learned.model
            kept.append(str(len(learned.kept)))
        else:
            model, _ = refit(learner, trained, real.points, list(real.points), how.fixed)
            kept.append(str(real.points.shape[1]))
        part = predict_rows(model, held, real.points, LEVELS, trained, how.workers)
        where = seen.iloc[outside].reset_index(drop=True)[["lon", "lat", "year", "zone"]]
        part = pd.concat([part, where], axis=1).assign(design=name, fold=k, repeat=0, group=group[outside], place=place[outside])
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    table = cross_calibrate(table.drop(columns="zone"), LEVELS, log=real.target.log)
    return Held(table, tuple(design.notes(seen, place)), splits, tuple(kept))


def scored(real: RealSet, held: Held, how: How) -> pd.DataFrame:
    """Scores over all layers and in each, on both scales, with coverage of the 90 % limits."""
    table = score_table(held.table, real.target, None, how.draws, how.seed)
    cover = {layer: coverage_row(part, layer, 0.9) for layer, part in by_layer(held.table, None)}
    names = ("coverage", "coverage_low", "coverage_high", "coverage_raw", "below", "above")
    for name in names:
        table[name] = [cover[layer][name] for layer in table["layer"]]
    return table.assign(design=held.table["design"].iloc[0])


def distances(real: RealSet, how: How, splits: dict[str, Folds]) -> tuple[dict[str, float], str]:
    """Wasserstein distance (km) of the distances of each design to those of the map, and what kNNDM says."""
    seen, place = real.rows(real.table)
    knndm = design_of(real, "knndm", how)
    assert isinstance(knndm, KnndmFolds)
    facts = knndm.facts(seen, place)
    out = {"knndm": facts.w_m / 1000, "profile": facts.w_profile_m / 1000, "random": facts.w_random_m / 1000}
    for name, pairs in splits.items():
        if name in out or name == "time":
            continue
        fold = np.full(len(place), -1, dtype=np.int64)
        for k, (_, outside) in enumerate(pairs):
            fold[outside] = k
        out[name] = knndm.w_of(seen, place, fold) / 1000
    return out, str(facts.clusters)


def shares_inside(real: RealSet, how: How, splits: dict[str, Folds]) -> dict[str, float]:
    """Share of the cells inside the area of applicability, its threshold from the folds of each design.

    Weights are the impurity importance of a forest of all rows with the usual settings.
    """
    model, _ = refit(learner_of(real, how), real.table, real.points, list(real.points), Settings(trees=how.trees))
    assert isinstance(model, SoilModel)
    columns = list(model.covariates)

    def features(table: pd.DataFrame) -> NDArray[np.float32]:
        told = model.encoder.transform(table[columns].to_numpy(dtype=np.float64))
        return told[:, :-2]

    profiles = real.table.profiles
    number = {name: i for i, name in enumerate(profiles)}
    code = np.array([number[name] for name in real.table.profile_id], dtype=np.int64)
    train, cells = features(real.points.loc[profiles]), features(real.cells)
    weights = model.forests[0].importance[:-2]
    out = {}
    for name, pairs in splits.items():
        if name == "random":
            continue
        by_profile = [(np.unique(code[inside]), np.unique(code[outside])) for inside, outside in pairs]
        found = fit_applicability(train, weights, splits=by_profile, workers=how.workers)
        out[name] = float(np.mean(is_inside(found, dissimilarity(found, cells, how.workers))))
    return out


def evidence(real: RealSet, how: How, designs: Sequence[str] | None = None) -> tuple[pd.DataFrame, dict[str, Held]]:
    """All designs of one set: a row per design, layer and scale."""
    held = {name: hold(real, name, how) for name in designs or real.designs}
    splits = {name: one.splits for name, one in held.items()}
    apart, clusters = distances(real, how, splits)
    inside = shares_inside(real, how, splits)
    parts = []
    for name, one in held.items():
        part = scored(real, one, how)
        part = part.assign(w_km=apart.get(name, np.nan), share_inside=inside.get(name, np.nan), covariates=" ".join(one.kept))
        parts.append(part)
    table = pd.concat(parts, ignore_index=True).assign(set=real.name, clusters=clusters)
    return table, held


def main() -> None:
    """Each set in turn; what is done is written at once."""
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=tuple(SETS), default=tuple(SETS))
    parser.add_argument("--trees", type=int, default=How.trees)
    parser.add_argument("--assemble", action="store_true", help="run nothing: put together what is there")
    parser.add_argument("--usual", action="store_true", help="the usual settings and all covariates: no screens, no tuning")
    asked = parser.parse_args()
    skip_without(SHARED / "data", "real data")
    how = How(trees=asked.trees, workers=asked.workers, fixed=Settings(trees=asked.trees) if asked.usual else None)
    path = asked.results / "real_data.csv"
    done = pd.read_csv(path) if path.exists() else pd.DataFrame()
    for name in () if asked.assemble else asked.only:
        begun = time.perf_counter()
        whole = SETS[name](SHARED / "data", seed=how.seed)
        real = whole.thinned(PROFILES.get(name, 10**9), how.seed)
        table, held = evidence(real, how)
        for design, one in held.items():
            for note in (*real.notes, *one.notes):
                print(f"{name}, {design}: {note}", flush=True)
        table["profiles_of"] = len(whole.table.profiles)
        table["seconds"] = time.perf_counter() - begun
        table["trees"] = how.trees
        table["settings"] = "usual" if asked.usual else "chosen in each fold"
        done = pd.concat([done[done["set"] != name], table], ignore_index=True) if len(done) else table
        save(asked.results, "real_data", page(done), {"real_data": done})
    if asked.assemble:
        save(asked.results, "real_data", page(done), {"real_data": done})


def page(table: pd.DataFrame) -> str:
    """The summary: all layers together on the natural scale, with the MEC of the logarithm beside."""
    keys = ["set", "design", "layer"]
    log = table[table["scale"] == "log"].set_index(keys)[["mec"]].rename(columns={"mec": "mec_log"})
    rows = table[table["scale"] == "natural"].set_index(keys).join(log).reset_index()
    rows["mec_95"] = [f"{low:.2f} to {high:.2f}" for low, high in zip(rows["mec_low"], rows["mec_high"], strict=True)]
    rows["coverage_95"] = [f"{low:.3f} to {high:.3f}" for low, high in zip(rows["coverage_low"], rows["coverage_high"], strict=True)]
    shown = ["set", "design", "n_profiles", "n", "unit", "mec", "mec_95", "mec_log", "rmse", "ccc"]
    shown += ["coverage", "coverage_95", "coverage_raw", "w_km", "share_inside"]
    parts = ["## Real data: scores by design", HEAD.format(trees=int(table["trees"].iloc[0]))]
    order = [name for name in SETS if name in set(rows["set"])]
    every = rows[rows["layer"] == "all layers"]
    parts.append(markdown(pd.concat([every[every["set"] == name] for name in order])[shown]))
    parts.append("By layer:")
    layered = rows.groupby("set")["layer"].transform("nunique") > 2
    single = rows[(rows["layer"] != "all layers") & layered]
    single = pd.concat([single[single["set"] == name] for name in order])
    parts.append(markdown(single[["set", "layer", "design", "n", "mec", "mec_95", "mec_log", "rmse", "ccc", "coverage"]]))
    first = rows.groupby("set", sort=False).first().loc[order].reset_index()
    # What other work on the machine made of it is in the seconds too.
    first["clusters_of_knndm"] = first["clusters"].astype(str)
    parts.append(markdown(first[["set", "n_profiles", "profiles_of", "clusters_of_knndm", "settings", "seconds"]], 0))
    return "\n\n".join(parts)


HEAD = """Forests of {trees} trees (3-D, on the logarithm), five folds, one thread; the last table says whether screens and tuning were done
anew in each fold, or the usual settings and all covariates taken. MEC, RMSE and CCC on the natural scale in the unit named; `mec_log` on
the logarithm. Ranges: 95 % by 500 draws of places (of blocks for spatial blocks). `coverage`: share of observations within 90 % limits
adjusted across the other folds; `coverage_raw` before. `w_km`: area between the distributions of the distances held back and of those of up
to 1,000 cells of the map. `share_inside`: share of these cells inside the area of applicability whose threshold comes from the folds of the
design."""


if __name__ == "__main__":
    main()
