"""What each stage of a run does: load, call the verbs of the rooms, save.

Each function gets a job, the folder to write into (laid out as the run folder will be), and one for what it has finished so far. It reads
what the stages before it made from the run folder. The recipe ends here: the rooms below get plain arguments.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic import account, covariates, profiles, report
from edaphic.account import ClassLayer
from edaphic.covariates import Source, Stack
from edaphic.errors import ModelError
from edaphic.manifest import key_of
from edaphic.mapping.plan import Ledger
from edaphic.mapping.predict import predict_tile
from edaphic.mapping.write import BandWriter, MapInfo, publish, write_catalog
from edaphic.model import artefact
from edaphic.model.features import design_matrix, make_encoder, screen_correlation
from edaphic.model.fit import TARGETS, Target, TrainingTable, interval_name, training_table
from edaphic.model.forest import Settings
from edaphic.model.tuning import candidates, tune
from edaphic.profiles import Column
from edaphic.recipe import GridRegion, Recipe, covariate_layers, resolve, whole_layer
from edaphic.units import in_map_unit
from edaphic.validate.calibration import cross_calibrate, fit_adjustments
from edaphic.validate.crossval import (
    Plan,
    calibration_table,
    permutation_importance,
    predict_rows,
    score_table,
)
from edaphic.validate.designs import BlockFolds, ProfileFolds, block_side_m, places

Say = Callable[[str, int, int], None]
"""Progress: what, how many are done, of how many."""

FEWEST_WHOLE = 50
"""Fewest profiles observed over all layers that the whole depth is mapped from."""

PARTS: Mapping[str, tuple[str, ...]] = {
    "profiles": ("profiles",),
    "covariates": ("grid", "covariates"),
    "model": ("seed", "profiles", "model", "evidence"),
    "evidence": ("seed", "profiles", "model", "evidence"),
    "maps": ("name", "seed", "grid", "profiles", "covariates", "model", "evidence", "maps"),
    "account": ("name", "grid", "profiles", "covariates", "model", "evidence", "maps", "account"),
    "report": ("name", "grid", "profiles", "covariates", "model", "evidence", "maps", "account", "report"),
}
"""Sections of the recipe that a stage heeds."""

STAT_KEYS: Mapping[str, str] = {"mean": "mean", "q05": "low", "q50": "mid", "q95": "high", "spread": "spread"}
STAT_TITLES: Mapping[str, str] = {
    "mean": "mean",
    "q05": "calibrated 5 % quantile",
    "q50": "median",
    "q95": "calibrated 95 % quantile",
    "spread": "spread of the trees (not an error of the map)",
}


@dataclass(frozen=True)
class Job:
    """One run: the recipe and where it stands, the run folder, threads, and whom to tell of progress."""

    recipe: Recipe
    recipe_path: Path
    out: Path
    workers: int
    version: str
    recipe_hash: str
    say: Say

    def path(self, value: str) -> Path:
        """Path of a file that the recipe names."""
        return resolve(self.recipe, self.recipe_path, value)

    @property
    def target(self) -> Target:
        """What the model is trained on."""
        return TARGETS[self.recipe.model.target]

    @property
    def layers(self) -> tuple[tuple[float, float], ...]:
        """Layers of the recipe, in cm."""
        return tuple(self.recipe.profiles.layers)

    @property
    def whole(self) -> tuple[float, float] | None:
        """All layers together, where they join up and enough profiles were observed over all of them to learn and to test it."""
        whole = whole_layer(self.recipe)
        if whole is None:
            return None
        layers = pd.read_parquet(self.out / "profiles" / "layers.parquet", columns=["top_cm", "bottom_cm", self.target.column])
        here = (layers["top_cm"] == whole[0]) & (layers["bottom_cm"] == whole[1])
        return whole if int(layers.loc[here, self.target.column].notna().sum()) >= FEWEST_WHOLE else None

    def hash_of(self, sections: Sequence[str]) -> str:
        """Hash of some sections of the recipe: of what a file depends on, no more."""
        told = self.recipe.model_dump(mode="json")
        return key_of({section: told[section] for section in sections})

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """Layers, then the whole."""
        return self.layers + ((self.whole,) if self.whole else ())

    @property
    def levels(self) -> tuple[float, float]:
        """Levels of the limits of the prediction interval."""
        tail = (1 - self.recipe.evidence.interval) / 2
        return (round(tail, 6), round(1 - tail, 6))


def sources_of(recipe: Recipe, recipe_path: Path) -> list[Source]:
    """Covariates of the recipe, patterns replaced by the files they find."""
    return [
        Source(
            name=str(layer.name),
            path=Path(layer.path),
            kind=layer.kind,
            band=layer.band,
            nodata=layer.nodata,
            scale=layer.scale,
            offset=layer.offset,
            unit=layer.unit,
            classes=layer.classes,
        )
        for layer in covariate_layers(recipe, recipe_path)
    ]


def grid_of(recipe: Recipe, recipe_path: Path) -> GeoBox:
    """Target grid of the recipe."""
    grid = recipe.grid
    if hasattr(grid, "like"):
        return covariates.grid_like(resolve(recipe, recipe_path, grid.like))
    if hasattr(grid, "region"):
        return covariates.grid_from_region(resolve(recipe, recipe_path, grid.region), grid.resolution, grid.crs)
    return covariates.grid_from_bounds(grid.crs, grid.resolution, grid.bounds)


def source_columns(source_columns: Mapping[str, object]) -> dict[str, Column]:
    """Columns of a recipe as the reader of tables takes them."""
    return {
        role: Column(column=c.column, unit=c.unit, value=c.value, to_carbon=c.to_carbon)  # type: ignore[attr-defined]
        for role, c in source_columns.items()
    }


def stage_profiles(job: Job, work: Path, partial: Path) -> None:
    """Raw tables to clean horizons and to layers."""
    del partial
    recipe = job.recipe.profiles
    tables = []
    for i, source in enumerate(recipe.sources):
        job.say(f"reading {Path(source.horizons).name}", i, len(recipe.sources) + 3)
        tables.append(
            profiles.read_source(
                job.path(source.horizons),
                source_columns(source.columns.given()),
                sites=job.path(source.sites) if source.sites else None,
                crs=source.crs,
                source=source.name,
            )
        )
    done = len(recipe.sources)
    job.say("cleaning", done, done + 3)
    raw, unread = profiles.stack_sources(tables)
    clean, repairs = profiles.clean(raw)
    job.say("bulk density", done + 1, done + 3)
    # The first source that has a value counts, and the rule has one for every horizon: put first, it replaces what was measured.
    ignored = recipe.bulk_density[0] == "pedotransfer"
    filled, provenance = profiles.fill(
        clean.assign(bulk_density_g_cm3=np.nan) if ignored else clean,
        recipe.pedotransfer if "pedotransfer" in recipe.bulk_density else None,
        missing_fragments_vol_pct=recipe.missing_fragments_vol_pct,
    )
    job.say("splines and stocks", done + 2, done + 3)
    layers, more = profiles.layer_table(
        filled,
        (*job.layers, *([whole] if (whole := whole_layer(job.recipe)) else [])),
        lam=recipe.depth.lam,
        min_coverage=recipe.depth.min_coverage,
        max_gap_cm=recipe.depth.max_gap_cm,
    )
    log = profiles.concat_repairs([unread, repairs, more])
    folder = work / "profiles"
    folder.mkdir()
    filled.to_parquet(folder / "horizons.parquet", index=False)
    layers.to_parquet(folder / "layers.parquet", index=False)
    log.to_csv(folder / "repairs.csv", index=False, lineterminator="\n")
    summary = profiles.summary(raw, filled, layers, log, provenance)
    factors = [source.columns.organic_matter.to_carbon for source in recipe.sources if source.columns.organic_matter]
    _write_json(folder / "summary.json", summary | {"organic_matter_to_carbon": factors})


def build_stack(job: Job) -> Stack:
    """All covariates of the recipe on its grid."""
    return covariates.build(sources_of(job.recipe, job.recipe_path), grid_of(job.recipe, job.recipe_path))


def stage_covariates(job: Job, work: Path, partial: Path) -> None:
    """Covariates described, and sampled at the profiles."""
    del partial
    sites = _sites(job)
    job.say("opening rasters", 0, 2)
    stack = build_stack(job)
    job.say(f"sampling {len(stack.names)} covariates at {len(sites)} profiles", 1, 2)
    values, reason = stack.sample(sites["lon"].to_numpy(), sites["lat"].to_numpy())
    if (reason != "").all():
        most = reason.value_counts().index[0]
        raise ModelError(
            f"covariates: none of {len(sites)} profiles has a value of every covariate (most often: {most}); "
            "expected profiles that lie on the grid and on its rasters"
        )
    points = pd.concat([sites[["profile_id"]], reason.rename("reason"), values], axis=1)
    folder = work / "covariates"
    folder.mkdir()
    points.to_parquet(folder / "points.parquet", index=False)
    described = covariates.describe(stack)
    root = job.path(".")
    # Seen from the root of the recipe: the same data in another place make the same file.
    described["path"] = [_seen_from(root, Path(path)) for path in described["path"]]
    described.to_csv(folder / "layers.csv", index=False, lineterminator="\n")


def stage_model(job: Job, work: Path, partial: Path) -> None:
    """Screen, tune, fit."""
    del partial
    recipe = job.recipe.model
    points, kinds = _points(job)
    _need_layers(job)
    table, kept, selection = _training(job, points, kinds)
    evidence = work / "evidence"
    evidence.mkdir()
    selection.to_csv(evidence / "selection.csv", index=False, lineterminator="\n")
    points = points[kept]

    wanted = candidates(recipe.tune.candidates, recipe.tune.trees, job.recipe.seed)
    wanted = list(dict.fromkeys(_with_fixed(setting, recipe.forest) for setting in wanted))
    sites = _sites(job).set_index("profile_id")
    groups = _groups(job, sites)
    # The whole depth repeats the layers: settings are chosen by the layers alone.
    single = table.take(np.flatnonzero(table.interval < len(job.layers)))
    rows = sites.loc[list(single.profile_id)]
    design = _design(job, recipe.tune.design, recipe.tune.folds, sites)
    folds = list(design.split(rows, None, groups.loc[list(single.profile_id)].to_numpy()))
    encoder = make_encoder(points.loc[list(pd.unique(table.profile_id))], kinds, depth=True)
    features = design_matrix(encoder, points, list(single.profile_id), np.asarray(job.intervals)[single.interval])
    scored = []
    for i, setting in enumerate(wanted):
        job.say(f"tuning: setting {i + 1} of {len(wanted)}", i, len(wanted) + 1)
        scored.append(
            tune(features, single.values, [setting], folds, log=job.target.log, seed=job.recipe.seed, workers=job.workers)
        )
    tuning = pd.concat(scored, ignore_index=True)
    tuning["candidate"] = range(len(tuning))
    tuning["chosen"] = tuning.index == int(tuning["score"].to_numpy().argmin())
    tuning.to_csv(evidence / "tuning.csv", index=False, lineterminator="\n")
    best = wanted[int(tuning.index[tuning["chosen"]][0])]
    settings = Settings(recipe.forest.trees, best.max_features, best.min_samples_leaf)

    job.say(f"growing {settings.trees} trees", len(wanted), len(wanted) + 1)
    model = _plan(job, points, kinds, settings).fit(table)
    folder = work / "model" / recipe.name
    folder.mkdir(parents=True)
    artefact.save(model, folder, _provenance(job) | {"profiles": len(pd.unique(table.profile_id))})


def stage_evidence(job: Job, work: Path, partial: Path) -> None:
    """Refit without each fold, predict it, calibrate across folds, score."""
    recipe = job.recipe.evidence
    model = artefact.load(job.out / "model" / job.recipe.model.name)
    points, kinds = _points(job)
    table, kept, _ = _training(job, points, kinds)
    plan = _plan(job, points[kept], kinds, model.settings)
    sites = _sites(job).set_index("profile_id")
    groups = _groups(job, sites)
    predictions, importance = [], []
    steps, done = len(recipe.designs) * recipe.folds, 0
    for name in recipe.designs:
        design = _design(job, name, recipe.folds, sites)
        rows = sites.loc[list(table.profile_id)]
        place = groups.loc[list(table.profile_id)].to_numpy()
        fold = design.fold_of(rows, place)
        drawn = design.blocks(rows, place) if isinstance(design, BlockFolds) else place
        for k in range(recipe.folds):
            job.say(f"evidence by {name}: fold {k + 1} of {recipe.folds}", done, steps)
            part, shuffled = _one_fold(job, plan, table, fold, k, name, partial)
            part["group"] = drawn[fold == k]
            predictions.append(part.assign(design=name, fold=k))
            importance.append(shuffled)
            done += 1
    folder = work / "evidence"
    folder.mkdir()
    own = predict_rows(model, plan, table, job.levels, table)
    own["group"] = groups.loc[list(table.profile_id)].to_numpy()
    _write_evidence(job, folder, predictions, own, sites)
    _mean_importance(job, pd.concat([part for part in importance if part is not None])).to_csv(
        folder / "importance.csv", index=False, lineterminator="\n"
    )


def stage_maps(job: Job, work: Path, partial: Path) -> None:
    """Predict tile by tile, then write one file for each layer and statistic."""
    model = artefact.load(job.out / "model" / job.recipe.model.name)
    adjustments = pd.read_csv(job.out / "evidence" / "conformal.csv")
    stack = build_stack(job)
    regions = job.recipe.grid.region if isinstance(job.recipe.grid, GridRegion) else None
    masks = [(name, tuple(codes)) for name, codes in sorted(job.recipe.maps.mask.items())]
    ledger = Ledger(partial, stack.grid, job.recipe.maps.window)
    missing, total = ledger.missing(), len(ledger.tiles)
    for i, tile in enumerate(missing):
        job.say(f"predicting tile {total - len(missing) + i + 1} of {total}", total - len(missing) + i, total)
        inside = covariates.region_mask(stack.grid, tile, job.path(regions)) if regions else None
        arrays = predict_tile(
            model, stack, tile, adjustments, job.levels, masks=masks, region=inside, workers=job.workers
        )
        ledger.store(tile, arrays)
    counts = np.sum([values for _, values in ledger.read("counts")], axis=0)
    if counts[1] == counts[2]:
        raise ModelError(
            f"maps: of {counts[0]} cells, {counts[1]} have a value of every covariate and the mask removes {counts[2]} of them; "
            "expected cells that are left (covariates/layers.csv tells which rasters cover what)"
        )
    folder = work / "maps"
    folder.mkdir()
    finals = []
    stats = list(job.recipe.maps.stats)
    for i, interval in enumerate(model.intervals):
        for j, stat in enumerate(stats):
            job.say("writing maps", i * len(stats) + j, len(stats) * len(model.intervals))
            info = _map_info(job, interval, stat)
            temporary = partial / f"{info.name}.tmp.tif"
            temporary.unlink(missing_ok=True)  # a run that was killed may have left half of one
            with BandWriter(temporary, stack.grid) as writer:
                for tile, values in ledger.read(f"{STAT_KEYS[stat]}_{i}"):
                    writer.write(tile, values)
            final = folder / f"{info.name}.tif"
            publish(temporary, final, info, stack.grid)
            finals.append(final)
    write_catalog(folder, finals, name="maps", title=job.recipe.name)
    names = ("cells", "with_all_covariates", "masked", "with_class_unseen_in_training", "whole_limits_widened")
    _write_json(folder / "summary.json", dict(zip(names, (int(c) for c in counts), strict=True)))


def stage_account(job: Job, work: Path, partial: Path) -> None:
    """Stocks by layer and class, comparison with other maps, and with the truth where it is known."""
    del partial
    recipe = job.recipe.account
    grid = grid_of(job.recipe, job.recipe_path)
    folder = work / "tables"
    folder.mkdir()
    maps = {
        interval: {stat: job.out / "maps" / f"{_map_info(job, interval, stat).name}.tif" for stat in ("mean", "q05", "q95")}
        for interval in job.intervals
    }
    job.say("adding up stocks", 0, 3)
    if job.target.quantity == "soc_stock":
        table = account.stock_table(grid, maps, _divisions(job, grid), interval=job.recipe.evidence.interval)
        table.to_csv(folder / "stocks.csv", index=False, lineterminator="\n")
    job.say("comparing maps", 1, 3)
    lost = sorted({interval_name(other.layer) for other in (*recipe.compare, *recipe.truth)} - {interval_name(i) for i in maps})
    if lost:
        raise ModelError(
            f"account: maps to compare with over {', '.join(lost)} cm, a depth that too few profiles were observed over; expected at "
            f"least {FEWEST_WHOLE} such profiles"
        )
    rows = []
    for other in recipe.compare:
        theirs = _reader(job, other.name, other.path, other.unit, other.layer, grid)
        rows.append(account.compare_maps(maps[other.layer]["mean"], grid, theirs, other.name, other.layer, note=other.note))
    if rows:
        pd.DataFrame(rows).to_csv(folder / "comparison.csv", index=False, lineterminator="\n")
    job.say("holding against the truth", 2, 3)
    truths = [
        account.against_truth(
            maps[truth.layer], grid, _reader(job, "truth", truth.path, truth.unit, truth.layer, grid), truth.layer
        )
        for truth in recipe.truth
    ]
    if truths:
        pd.DataFrame(truths).to_csv(folder / "truth.csv", index=False, lineterminator="\n")


def stage_report(job: Job, work: Path, partial: Path) -> None:
    """One page for the run. The report reads the run folder; its files land there like those of any stage."""
    del partial
    job.say("drawing", 0, 1)
    report.build_report(job.out, work)


# ----------------------------------------------------------------------------------------------------------------------


def _seen_from(root: Path, path: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _provenance(job: Job) -> dict[str, str | int]:
    return {
        "edaphic": job.version,
        "recipe_sha256": job.hash_of(PARTS["model"]),
        "run_seed": job.recipe.seed,
    }


def _sites(job: Job) -> pd.DataFrame:
    """One row per profile that has layers: profile_id, lon, lat, in order of first appearance."""
    layers = pd.read_parquet(job.out / "profiles" / "layers.parquet", columns=["profile_id", "lon", "lat"])
    return layers.drop_duplicates("profile_id", ignore_index=True)


def _points(job: Job) -> tuple[pd.DataFrame, Mapping[str, str]]:
    """Covariates of the profiles that have all of them, by profile, and the kind of each covariate."""
    points = pd.read_parquet(job.out / "covariates" / "points.parquet")
    points = points[points["reason"] == ""].set_index("profile_id").drop(columns="reason")
    kinds: dict[str, str] = {source.name: source.kind for source in sources_of(job.recipe, job.recipe_path)}
    return points, kinds


def _training(job: Job, points: pd.DataFrame, kinds: Mapping[str, str]) -> tuple[TrainingTable, list[str], pd.DataFrame]:
    layers = pd.read_parquet(job.out / "profiles" / "layers.parquet")
    table = training_table(layers, list(points.index), job.intervals, job.target)
    used = points.loc[list(pd.unique(table.profile_id))]
    selection = screen_correlation(used, kinds, job.recipe.model.screen.correlation)
    return table, selection.loc[selection["kept"], "feature"].tolist(), selection


def _need_layers(job: Job) -> None:
    """Say why there is nothing to learn from, where no profile has a layer."""
    layers = pd.read_parquet(job.out / "profiles" / "layers.parquet")
    if layers[job.target.column].notna().any():
        return
    deepest = pd.read_parquet(job.out / "profiles" / "horizons.parquet", columns=["bottom_cm"])["bottom_cm"].max()
    names = ", ".join(interval_name(layer) for layer in job.layers)
    raise ModelError(
        f"layers: no profile is observed over all of {names} cm (the deepest reaches {deepest:g} cm); expected shallower layers, or a "
        f"smaller depth.min_coverage than {job.recipe.profiles.depth.min_coverage:g}"
    )


def _plan(job: Job, points: pd.DataFrame, kinds: Mapping[str, str], settings: Settings) -> Plan:
    return Plan(
        points=points,
        kinds=kinds,
        name=job.recipe.model.name,
        target=job.target,
        form=job.recipe.model.form,
        layers=job.layers,
        whole=job.whole,
        settings=settings,
        seed=job.recipe.seed,
        workers=job.workers,
    )


def _groups(job: Job, sites: pd.DataFrame) -> pd.Series:
    """Place of each profile, by profile."""
    near = places(sites["lon"], sites["lat"], job.recipe.evidence.same_place_m)
    return pd.Series(near, index=sites.index)


def _design(job: Job, name: str, folds: int, sites: pd.DataFrame) -> ProfileFolds | BlockFolds:
    if name == "profile":
        return ProfileFolds(folds, job.recipe.seed)
    side = job.recipe.evidence.block_km
    return BlockFolds(folds, job.recipe.seed, block_side_m(sites, folds) if side is None else side * 1000.0)


def _with_fixed(setting: Settings, fixed: object) -> Settings:
    """A candidate with what the recipe fixes."""
    share, leaf = fixed.max_features, fixed.min_samples_leaf  # type: ignore[attr-defined]
    return Settings(
        setting.trees,
        setting.max_features if share is None else share,
        setting.min_samples_leaf if leaf is None else leaf,
    )


def _one_fold(
    job: Job, plan: Plan, table: TrainingTable, fold: NDArray[np.int64], k: int, design: str, partial: Path
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Predictions of one fold, and the importance of covariates in it (by profile only); kept so that an interrupted run goes on."""
    stored = partial / f"{design}_{k}.parquet"
    stored_importance = partial / f"{design}_{k}_importance.parquet"
    wants_importance = design == "profile"
    if not stored.exists():
        inside, outside = table.take(np.flatnonzero(fold != k)), table.take(np.flatnonzero(fold == k))
        model = plan.fit(inside)
        if wants_importance:
            shuffled = permutation_importance(model, plan, outside, job.recipe.seed + k)
            _store(shuffled, stored_importance)
        _store(predict_rows(model, plan, outside, job.levels, inside), stored)
    part = pd.read_parquet(stored)
    return part, pd.read_parquet(stored_importance) if wants_importance else None


def _store(table: pd.DataFrame, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    table.to_parquet(temporary, index=False)
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _write_evidence(
    job: Job, folder: Path, predictions: list[pd.DataFrame], own: pd.DataFrame, sites: pd.DataFrame
) -> None:
    recipe = job.recipe.evidence
    metrics, coverage, folds = [], [], []
    together = pd.concat(predictions, ignore_index=True)
    for name in recipe.designs:
        held = together[together["design"] == name].reset_index(drop=True)
        held = cross_calibrate(held, job.levels, log=job.target.log)
        folds.append(held)
        metrics.append(_scores(job, held, name))
        coverage.append(_first(calibration_table(held, job.whole, recipe.interval), "design", name))
        if name == recipe.calibrate:
            moves = fit_adjustments(held, job.levels, log=job.target.log)
            _first(moves, "design", name).to_csv(folder / "conformal.csv", index=False, lineterminator="\n")
    metrics.append(_scores(job, own, "in_sample"))
    pd.concat(metrics).to_csv(folder / "metrics.csv", index=False, lineterminator="\n")
    pd.concat(coverage).to_csv(folder / "calibration.csv", index=False, lineterminator="\n")
    out = pd.concat(folds, ignore_index=True)
    years = pd.read_parquet(job.out / "profiles" / "layers.parquet", columns=["profile_id", "year"])
    out["year"] = out["profile_id"].map(years.drop_duplicates("profile_id").set_index("profile_id")["year"])
    out["repeat"] = 0
    first = ["profile_id", "top_cm", "bottom_cm", "year", "design", "repeat", "fold", "observed", "predicted"]
    first += ["q05", "q50", "q95", "q05_raw", "q95_raw", "predicted_fit", "layer_mean", "layer_mean_fit"]
    out[first].to_parquet(folder / "out_of_fold.parquet", index=False)
    _write_json(folder / "designs.json", _design_facts(job, sites, out))


def _scores(job: Job, table: pd.DataFrame, name: str) -> pd.DataFrame:
    scored = score_table(table, job.target, job.whole, job.recipe.evidence.bootstrap, job.recipe.seed)
    return _first(scored, "design", name)


def _first(table: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    table = table.copy()
    table.insert(0, column, value)
    return table


def _design_facts(job: Job, sites: pd.DataFrame, out: pd.DataFrame) -> dict[str, object]:
    used = sites.loc[list(pd.unique(out["profile_id"]))]
    facts: dict[str, object] = {
        "folds": job.recipe.evidence.folds,
        "places": int(_groups(job, sites).loc[used.index].nunique()),
        "profiles": len(used),
        "calibrated_by": job.recipe.evidence.calibrate,
    }
    if "block" in job.recipe.evidence.designs:
        design = _design(job, "block", job.recipe.evidence.folds, sites)
        assert isinstance(design, BlockFolds)
        facts["block_km"] = design.block_m / 1000.0
        facts["blocks"] = len(np.unique(design.blocks(used, np.arange(len(used)))))
    return facts


def _mean_importance(job: Job, parts: pd.DataFrame) -> pd.DataFrame:
    grouped = parts.groupby("feature", sort=False)["rmse_increase"]
    table = pd.DataFrame({"rmse_increase": grouped.mean(), "rmse_increase_sd": grouped.std(ddof=1)}).reset_index()
    trained = "kg/m3" if job.target.per_metre else job.target.unit
    table["unit"] = f"ln({trained})" if job.target.log else trained
    return table.sort_values("rmse_increase", ascending=False, kind="stable", ignore_index=True)


def _map_info(job: Job, interval: tuple[float, float], stat: str) -> MapInfo:
    name = f"{job.target.quantity}_{stat}_{interval_name(interval)}cm"
    what = "Soil organic carbon stock" if job.target.quantity == "soc_stock" else "Soil organic carbon content"
    return MapInfo(
        name=name,
        title=f"{what}, {interval_name(interval)} cm, {STAT_TITLES[stat]}",
        unit=job.target.unit,
        description=f"{job.recipe.name}: {what.lower()}, {interval_name(interval)} cm, {STAT_TITLES[stat]}, {job.target.unit}",
        tags={
            "EDAPHIC_VERSION": job.version,
            "EDAPHIC_RECIPE_SHA256": job.hash_of(PARTS["maps"]),
            "EDAPHIC_SEED": str(job.recipe.seed),
            "EDAPHIC_STATISTIC": stat,
            "EDAPHIC_LAYER_CM": interval_name(interval),
            "EDAPHIC_MODEL": job.recipe.model.name,
        },
        period=_period(job),
        colours="uncertainty" if stat == "spread" else "sequential",
    )


def _period(job: Job) -> tuple[int, int] | None:
    """Years that the maps stand for: those of the recipe, else those of the dated profiles."""
    if job.recipe.maps.period:
        return job.recipe.maps.period
    years = pd.read_parquet(job.out / "profiles" / "layers.parquet", columns=["year"])["year"].dropna()
    return (int(years.min()), int(years.max())) if len(years) else None


def _divisions(job: Job, grid: GeoBox) -> list[ClassLayer]:
    known = {source.name: source for source in sources_of(job.recipe, job.recipe_path)}
    out = []
    for division in job.recipe.account.by:
        if isinstance(division, str):
            source = known[division]
        elif hasattr(division, "classes"):
            source = Source(division.name, job.path(division.path), kind="class", classes=division.classes)
        else:
            out.append(_polygons(division.name, job.path(division.path), division.column, grid))
            continue
        layer = covariates.open_layer(source, grid)
        out.append(ClassLayer(source.name, layer.read, dict(source.classes or {})))
    return out


def _polygons(name: str, path: Path, column: str, grid: GeoBox) -> ClassLayer:
    _, labels = covariates.rasterise(path, column, grid, covariates.Window(0, 0, 1, 1))
    return ClassLayer(name, lambda window: covariates.rasterise(path, column, grid, window)[0], labels)


def _reader(
    job: Job, name: str, path: str, unit: str, layer: tuple[float, float], grid: GeoBox
) -> Callable[[covariates.Window], NDArray[np.float32]]:
    """Another map on our grid, in the unit of ours."""
    opened = covariates.open_layer(Source(name, job.path(path)), grid)

    def read(window: covariates.Window) -> NDArray[np.float32]:
        return in_map_unit(opened.read(window), unit, layer, job.target.unit).astype(np.float32)

    return read


STAGES: Mapping[str, Callable[[Job, Path, Path], None]] = {
    "profiles": stage_profiles,
    "covariates": stage_covariates,
    "model": stage_model,
    "evidence": stage_evidence,
    "maps": stage_maps,
    "account": stage_account,
    "report": stage_report,
}
