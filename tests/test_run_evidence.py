"""How a model is learned, validated and applied in a run: zones, weights, searches, designs, other sets; and what may be wrong."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.transform import rowcol
from rasterio.warp import transform

from edaphic import run, virtual
from edaphic.model import artefact
from edaphic.model.fit import SoilModel
from edaphic.model.zones import ZonedModel
from edaphic.progress import Listener
from edaphic.stages import holding

Change = Callable[[dict[str, Any]], object]
Spoil = Callable[[Path], object]


def small(told: dict[str, Any]) -> None:
    """As little work as a run can be."""
    told["model"]["forest"] = {"trees": 5}
    told["model"]["tune"] = {"candidates": 1, "trees": 5, "folds": 2, "design": "profile"}
    told["evidence"] |= {"folds": 2, "bootstrap": 20, "cells": 200, "baselines": ["layer_mean"], "designs": ["profile"]}
    told["maps"] |= {"stats": ["mean", "q05", "q95"]}
    told.pop("account")


def nothing(_: object) -> None:
    """Leaves all as it is."""


def made(tiny: Any, folder: Path, change: Change = nothing, spoil: Spoil = nothing) -> Path:
    """Inputs and recipe of a small run."""

    def both(told: dict[str, Any]) -> None:
        small(told)
        change(told)

    path = tiny.copy(folder / "input", both)
    spoil(path.parent)
    return path


def followed(path: Path, out: Path, until: str = "maps", workers: int = 1) -> list[str]:
    """Run as far as the maps, and give the notes."""
    notes: list[str] = []

    def step(text: str, done: int, total: int) -> None:
        if text.startswith("note: "):
            notes.append(text.removeprefix("note: "))

    run.run(path, out, until=until, workers=workers, listener=Listener(lambda name, note: None, step, lambda seconds: None))
    return notes


def table(out: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(out / "evidence" / f"{name}.csv")


def band(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        values: np.ndarray = source.read(1)
    return values


def source_of(told: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = told["profiles"]["sources"][0]
    return entry


def edit(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Spoil:
    def spoil(folder: Path) -> None:
        change(pd.read_csv(folder / name)).to_csv(folder / name, index=False)

    return spoil


def rewrite(name: str, values: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / name
        with rasterio.open(path) as source:
            data, known = source.read(), source.profile
        path.unlink()
        with rasterio.open(path, "w", **known) as out:
            out.write(values(data))

    return spoil


def several(*spoils: Spoil) -> Spoil:
    def spoil(folder: Path) -> None:
        for one in spoils:
            one(folder)

    return spoil
def model(**keys: Any) -> Change:
    return lambda told: told["model"].update(keys)


def evidence(**keys: Any) -> Change:
    return lambda told: told["evidence"].update(keys)


def inner(section: str, **keys: Any) -> Change:
    return lambda told: told["model"].setdefault(section, {}).update(keys)


def product(**keys: Any) -> Change:
    entry = {"name": "other", "path": "truth/true_soc_stock_0-30cm.tif", "layer": "0-30", "unit": "kg/m2"} | keys
    return evidence(products=[entry])


def others(**keys: Any) -> Change:
    """A set of other profiles."""

    def change(told: dict[str, Any]) -> None:
        source = json.loads(json.dumps(source_of(told))) | {"horizons": "other_horizons.csv", "sites": "other_sites.csv"}
        told["evidence"]["independent"] = [{"name": "others", "sources": [source]} | keys]

    return change


def all_of(*changes: Change) -> Change:
    def change(told: dict[str, Any]) -> None:
        for one in changes:
            one(told)

    return change


def content_only(told: dict[str, Any]) -> None:
    told["model"]["target"] = "soc"


def only_numbers(told: dict[str, Any]) -> None:
    """No class covariates."""
    told["covariates"]["layers"] = [{"path": "covariates/clay.tif"}, {"path": "covariates/slope.tif"}]
    told["maps"].pop("mask")


def named_like_carbon(told: dict[str, Any]) -> None:
    told["covariates"]["layers"] = [
        {"path": "covariates/clay.tif", "name": "total_nitrogen"}, {"path": "covariates/slope.tif", "name": "c_n_ratio"}
    ]  # fmt: skip
    told["maps"].pop("mask")
    told["model"]["screen"] = {"target_derived": "drop"}


def of_weights(values: Callable[[pd.DataFrame], object]) -> tuple[Change, Spoil]:
    def change(told: dict[str, Any]) -> None:
        source_of(told)["columns"]["weight"] = "W"
        told["model"]["weights"] = "weight"

    return change, edit("horizons.csv", lambda t: t.assign(W=values(t)))


def first(count: int) -> Spoil:
    """So many profiles only."""

    def spoil(folder: Path) -> None:
        sites = pd.read_csv(folder / "sites.csv").head(count)
        horizons = pd.read_csv(folder / "horizons.csv")
        sites.to_csv(folder / "sites.csv", index=False)
        horizons[horizons["PROFILE"].isin(sites["PROFILE"])].to_csv(folder / "horizons.csv", index=False)

    return spoil


def copies(change: Callable[[pd.DataFrame], pd.DataFrame] = lambda t: t) -> Spoil:
    """The other set is the training set, with other places."""

    def spoil(folder: Path) -> None:
        shutil.copy(folder / "horizons.csv", folder / "other_horizons.csv")
        change(pd.read_csv(folder / "sites.csv")).to_csv(folder / "other_sites.csv", index=False)

    return spoil


EARLY: dict[str, tuple[Change, Spoil, str]] = {
    "zones of no covariate": (model(zones="climate"), nothing, r"model\.zones: .*climate.*expected a covariate of kind class"),
    "zones of a continuous covariate": (model(zones="elevation"), nothing, r"model\.zones: .*elevation.*kind class"),
    "few profiles are no zone": (model(min_zone_profiles=5), nothing, r"min_zone_profiles.*5.*10"),
    "keep of no covariate": (inner("screen", keep=["nonsense"]), nothing, r"keep.*nonsense.*expected names of covariates"),
    "vif of one": (inner("screen", vif=1), nothing, r"vif.*1"),
    "correlation above one": (inner("screen", correlation=2), nothing, r"correlation.*2"),
    "exhaustive search of too many": (inner("select", method="exhaustive", best=17), nothing, r"best.*17.*16"),
    "search that there is not": (inner("select", method="genetic"), nothing, r"genetic.*exhaustive"),
    "metric that there is not": (inner("tune", metric="r2"), nothing, r"r2.*expected"),
    "strata without a draw": (others(strata="land_cover"), copies(), r"strata.*expected strata with a stratified sample"),
    "stratified without strata": (others(drawn="stratified"), copies(), r"stratified without strata"),
    "strata that are continuous": (others(drawn="stratified", strata="slope"), copies(), r"strata.*slope.*kind class"),
    "design of zones without zones": (evidence(designs=["zone"]), nothing, r"'zone' without model\.zones"),
    "tuning by zones without zones": (inner("tune", design="zone"), nothing, r"'zone' without model\.zones"),
    "calibration by no design": (evidence(calibrate="time"), nothing, r"calibrate.*'time'.*one of the designs"),
    "weights of no column": (model(weights="nonsense"), nothing, r"model\.weights: 'nonsense' is no column.*expected none, error"),
    "design that there is not": (evidence(designs=["profiles"]), nothing, r"designs.*profiles.*expected"),
    "one fold": (evidence(folds=1), nothing, r"folds.*1.*2"),
    "another interval": (evidence(interval=0.95), nothing, r"interval.*0\.95.*0\.9"),
    "by a continuous covariate": (evidence(by=["slope"]), nothing, r"evidence\.by.*slope.*kind class"),
    "beta of two layers": (model(target="beta"), nothing, r"layers.*beta.*one layer from 0 cm"),
    "product that is not there": (product(path="none.tif"), nothing, r"none\.tif.*expected a file that exists"),
    "product in another quantity": (product(unit="g/kg"), nothing, r"g/kg.*kg/m2"),
    "product of another layer": (product(layer="0-20"), nothing, r"0-20.*0-30"),
    "product that is text": (product(path="horizons.csv"), nothing, r"other.*expected"),
    "others that are not there": (
        others(), lambda folder: shutil.copy(folder / "sites.csv", folder / "other_sites.csv"), r"other_horizons\.csv",
    ),
    "others without a column": (
        others(), several(copies(), edit("other_horizons.csv", lambda t: t.drop(columns="OC_PCT"))), r"others.*OC_PCT",
    ),
    "two sets of one name": (
        lambda told: (others()(told), told["evidence"].update(independent=told["evidence"]["independent"] * 2)), copies(), r"others",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EARLY)
def test_fault_that_shows_before_the_work(command, tiny, tmp_path, name):
    change, spoil, expected = EARLY[name]
    status, _, said = command("run", made(tiny, tmp_path, change, spoil), "-o", tmp_path / "run")
    assert_one_clear_line(status, said, expected)
    assert not (tmp_path / "run").exists()


LATE: dict[str, tuple[Change, Spoil, str]] = {
    "the same target everywhere": (
        content_only, edit("horizons.csv", lambda t: t.assign(OC_PCT=2.0, BD=1.3, STONES=0.0)), r"soc_g_kg is 20.* in all .* differ",
    ),
    "too few profiles": (nothing, first(9), r"profiles with a layer value and all covariates; expected at least 10"),
    "fewer places than folds": (evidence(folds=200), nothing, r"evidence: design profile: 104 groups .* for 200 folds"),
    "fewer places than folds of tuning": (inner("tune", folds=150), nothing, r"model\.tune: design profile: 104 groups .* for 150 folds"),
    "tuning with one fold": (inner("tune", folds=1), nothing, r"model\.tune: design profile: 1 folds; expected at least two"),
    "searching by time without years": (
        lambda told: (source_of(told)["columns"].pop("year"), inner("select", method="forward", design="time", trees=5)(told)),
        nothing,
        r"model\.select: design time: no row has a year",
    ),
    "all profiles at one place": (
        nothing,
        edit("sites.csv", lambda t: t.assign(LON=t["LON"].iloc[5], LAT=t["LAT"].iloc[5])),
        r"covariates: none of 11 varies between the profiles",
    ),
    "covariate of gaps": (
        nothing, rewrite("covariates/clay.tif", lambda v: np.full_like(v, np.nan)), r"none of 120 profiles .* no value in clay",
    ),
    "no covariate varies": (
        only_numbers, several(*(rewrite(f"covariates/{name}.tif", np.ones_like) for name in ("clay", "slope"))), r"none of 2 varies",
    ),
    "all covariates of carbon": (named_like_carbon, nothing, r"all are made of carbon.*expected others too"),
    "weights of text": (*of_weights(lambda t: "heavy"), r"'heavy'.*expected numbers"),
    "weights below zero": (*of_weights(lambda t: -1.0), r"weight: nan at profile .*expected numbers above 0"),
    "weights with gaps": (*of_weights(lambda t: np.where(t["PROFILE"] == t["PROFILE"].iloc[3], np.nan, 1.0)), r"weight: nan at profile"),
    "time with one period": (evidence(designs=["time"], period_years=3000), nothing, r"all years lie in one period"),
    "time without years": (
        lambda told: (source_of(told)["columns"].pop("year"), evidence(designs=["time"])(told)), nothing, r"no row has a year",
    ),
    "one zone to leave out": (
        all_of(model(zones="land_cover"), evidence(designs=["zone"]), lambda told: told["maps"].pop("mask")),
        rewrite("covariates/land_cover.tif", lambda v: np.full_like(v, 3)),
        r"all profiles lie in one zone \(3\)",
    ),
    "blocks larger than the land": (evidence(block_km=5000, folds=5), nothing, r"design block: . blocks of 5000 km.*make them smaller"),
}  # fmt: skip


@pytest.mark.parametrize("name", LATE)
def test_fault_that_shows_in_the_work(command, tiny, tmp_path, name):
    change, spoil, expected = LATE[name]
    status, _, said = command("run", made(tiny, tmp_path, change, spoil), "-o", tmp_path / "run", "--until", "evidence")
    assert_one_clear_line(status, said, expected)
    out = tmp_path / "run"
    assert not [p for p in out.rglob("*") if p.suffix == ".tmp" or ".tmp." in p.name]
    assert not [p for p in (out / ".edaphic" / "work").rglob("*") if p.is_file()]


def assert_one_clear_line(status: int, said: str, expected: str) -> None:
    faults = [line for line in said.splitlines() if line.startswith("edaphic: ")]
    assert status == 2, said
    assert "Traceback" not in said
    assert len(faults) in (1, 3), said  # one, or one for each of the designs of every run
    assert re.search(expected, faults[0]), faults[0]


# What is assumed, and said ---------------------------------------------------------------------------------------------


def test_classes_that_training_never_saw_are_mapped_and_counted(tiny, tmp_path):
    """All cells of a new class lie where no profile is: they take no column of their own, and the summary counts them."""
    out, name = tmp_path / "run", "covariates/parent_material.tif"

    def new_class(folder: Path) -> None:
        sites = pd.read_csv(folder / "sites.csv")[["LON", "LAT"]].dropna()
        with rasterio.open(folder / name) as source:
            x, y = transform("EPSG:4326", source.crs, sites["LON"], sites["LAT"])
            row, col = rowcol(source.transform, x, y)
        free = np.ones((40, 50), dtype=bool)
        for i, j in zip(row, col, strict=True):
            free[max(0, i - 2) : max(0, i + 3), max(0, j - 2) : max(0, j + 3)] = False
        assert free.any()
        rewrite(name, lambda values: np.where(free & (values > 0), 9, values).astype(values.dtype))(folder)

    followed(made(tiny, tmp_path, spoil=new_class), out)
    told = json.loads((out / "maps" / "summary.json").read_text())
    codes = band(tmp_path / "input" / "covariates" / "parent_material.tif")
    mapped = np.isfinite(band(out / "maps" / "soc_stock_mean_0-30cm.tif"))
    assert not (pd.read_parquet(out / "covariates" / "points.parquet")["parent_material"] == 9).any()
    assert told["with_class_unseen_in_training"] == int((mapped & (codes == 9)).sum()) > 0


def test_infinite_values_of_a_covariate_are_cells_without_a_value(tiny, tmp_path):
    def one_row(values: np.ndarray) -> np.ndarray:
        out = values.astype(values.dtype)
        out[..., 5, :] = np.inf
        return out

    out = tmp_path / "run"
    followed(made(tiny, tmp_path, spoil=rewrite("covariates/slope.tif", one_row)), out)
    assert np.isfinite(band(out / "maps" / "soc_stock_mean_0-30cm.tif")).sum() > 1000
    assert np.isfinite(pd.read_parquet(out / "evidence" / "cells.parquet").to_numpy()).all()


def test_a_class_of_one_code_goes_with_the_screens(tiny, tmp_path):
    out = tmp_path / "run"
    path = made(tiny, tmp_path, spoil=rewrite("covariates/parent_material.tif", lambda v: np.where(v > 0, 2, v)))
    followed(path, out, until="model")
    row = table(out, "selection").set_index("feature").loc["parent_material"]
    assert not row["kept"] and row["reason"] == "the same value at all profiles"
    assert "parent_material" not in artefact.load(out / "model" / "forest").covariates


def test_what_the_simple_models_assumed_is_said_with_its_folds(tiny, tmp_path, monkeypatch):
    seen: list[int] = []

    def notes_of(train, test):
        seen.append(len(test.values))
        return ["baselines: always", *(["baselines: once"] if len(seen) == 2 else [])]

    monkeypatch.setattr(holding, "notes_of", notes_of)
    notes = followed(made(tiny, tmp_path), tmp_path / "run", until="evidence")
    assert [note for note in notes if note.startswith("baselines: ")] == [
        "baselines: always (every fold of knndm)",
        "baselines: once (fold 2 of knndm)",
    ]


# Zones ----------------------------------------------------------------------------------------------------------------


def zoned(told: dict[str, Any]) -> None:
    told["model"] |= {"zones": "land_cover", "min_zone_profiles": 25, "classes": "ordered", "form": "layers"}
    told["model"]["screen"] = {"correlation": 0.95, "vif": 10, "keep": ["noise"]}
    told["model"]["select"] = {"method": "forward", "trees": 5, "folds": 2, "design": "block"}
    told["model"]["tune"] |= {"design": "bootstrap", "folds": 1}
    told["evidence"] |= {"designs": ["zone"], "by": ["parent_material"], "baselines": ["class_mean", "random_effects"]}
    told["maps"]["stats"] = ["mean", "q05", "q50", "q95", "point_density", "applicability"]


@pytest.fixture(scope="module")
def by_zone(tiny, tmp_path_factory):
    place = tmp_path_factory.mktemp("by_zone")
    notes = followed(made(tiny, place, zoned), place / "run")
    return place / "run", notes


def test_zones_with_enough_profiles_have_a_model_of_their_own(by_zone):
    out, notes = by_zone
    model = artefact.load(out / "model" / "forest")
    assert isinstance(model, ZonedModel) and model.zone == "land_cover"
    counts, own = dict(model.counts), dict(model.models)
    points = pd.read_parquet(out / "covariates" / "points.parquet")
    code = points.loc[points["reason"] == ""].set_index("profile_id")["land_cover"]
    trained = pd.read_parquet(out / "evidence" / "out_of_fold.parquet")["profile_id"].unique()
    assert counts == code.loc[trained].astype(int).value_counts().to_dict()
    assert set(own) == {zone for zone, n in counts.items() if n >= 25} and len(own) < len(counts)
    assert [note for note in notes if note.startswith("land_cover: too few profiles") and "min_zone_profiles: 25" in note]
    assert "Zones of `land_cover` with a model of their own" in (out / "model" / "forest" / "card.md").read_text()


def test_zones_are_compared_with_one_model_on_the_same_draws(by_zone):
    out, _ = by_zone
    told = table(out, "zoning")
    assert set(told["what"]) == {"a model for each zone", "one model for all"}
    one = told[told["what"] == "one model for all"]
    assert (one["rmse_minus_ours_low"] <= one["rmse_minus_ours_high"]).all()
    held = pd.read_parquet(out / "evidence" / "out_of_fold.parquet")
    knndm = held[(held["design"] == "knndm") & ~((held["top_cm"] == 0) & (held["bottom_cm"] == 60))]
    rmse = np.sqrt(np.mean((knndm["predicted_one_model"] - knndm["observed"]) ** 2))
    assert one.set_index("layer").loc["all layers", "rmse"] == pytest.approx(rmse, rel=1e-9)


def test_the_design_of_zones_holds_each_zone_back_once(by_zone):
    out, _ = by_zone
    held = pd.read_parquet(out / "evidence" / "out_of_fold.parquet").query("design == 'zone'")
    by_fold = held.groupby("fold")["zone"].agg(lambda codes: codes.mode()[0])
    assert by_fold.is_unique and len(by_fold) == held["zone"].nunique()
    assert not held.duplicated(["profile_id", "top_cm", "bottom_cm"]).any()
    groups = set(table(out, "metrics_by_group")["group"])
    assert {"zone 1", "zone 3", "parent_material 1"} <= groups


def test_screens_keep_what_is_protected_and_log_their_order(by_zone):
    out, _ = by_zone
    chosen = table(out, "selection").set_index("feature")
    assert chosen.loc["noise", "kept"]
    assert chosen.loc["elevation_radar", "reason"] == "|r| above 0.95"
    steps = table(out, "steps")
    assert steps["step"].tolist() == ["all covariates", "after |r| > 0.95", "after VIF >= 10", "after forward search"]
    assert steps["covariates"].is_monotonic_decreasing and steps["covariates"].iloc[-1] == chosen["kept"].sum()
    tried = table(out, "search")
    assert tried["features"].str.contains("noise").all() and tried["chosen"].sum() == 1
    final = tried.loc[tried["chosen"], "features"].iloc[0].split(" + ")
    assert set(final) == set(chosen.index[chosen["kept"]])


def test_choices_of_each_fold_are_listed(by_zone):
    out, _ = by_zone
    choices = table(out, "choices")
    held = pd.read_parquet(out / "evidence" / "out_of_fold.parquet")
    folds = held.drop_duplicates(["design", "repeat", "fold"])
    assert len(choices) == len(folds) and set(choices["design"]) == set(held["design"])
    assert choices["names"].str.contains("noise").all()
    assert (choices["names"].str.split().str.len() == choices["covariates"]).all()


def test_maps_of_zones_are_whole(by_zone):
    out, _ = by_zone
    mean, inside = band(out / "maps/soc_stock_mean_0-30cm.tif"), band(out / "maps/soc_stock_applicability_0-60cm.tif")
    density = band(out / "maps/soc_stock_point_density_0-60cm.tif")
    assert np.array_equal(np.isfinite(mean), np.isfinite(inside))
    seen = np.isfinite(mean)
    np.testing.assert_array_equal(inside[seen] == 1, density[seen] > 0)
    low, mid, high = (band(out / f"maps/soc_stock_{stat}_30-60cm.tif")[seen] for stat in ("q05", "q50", "q95"))
    assert (low <= mid).all() and (mid <= high).all()


# Designs and weights --------------------------------------------------------------------------------------------------


def designs(told: dict[str, Any]) -> None:
    told["evidence"] |= {
        "designs": ["random", "time", "hold_out", "strata_left_out", "strata_in_proportion"],
        "baselines": ["linear", "regression_kriging"],
        "calibrate": "profile",
    }
    told["model"]["weights"] = "error"
    told["model"]["tune"] |= {"method": "grid", "over": ["min_samples_leaf"], "design": "hold_out", "folds": 1}
    told["model"]["forest"] |= {"split": "extra"}


@pytest.fixture(scope="module")
def by_design(tiny, tmp_path_factory):
    place = tmp_path_factory.mktemp("by_design")
    path = made(tiny, place, designs)
    notes = followed(path, place / "run", until="evidence")
    return path, place / "run", notes


COLUMNS = ["profile_id", "top_cm", "bottom_cm", "year", "design", "repeat", "fold", "observed", "predicted", "q05", "q50", "q95",
           "in_applicability"]  # fmt: skip


def test_held_out_predictions_have_their_columns(by_design):
    held = pd.read_parquet(by_design[1] / "evidence" / "out_of_fold.parquet")
    assert held.columns.tolist()[: len(COLUMNS)] == COLUMNS
    assert held["in_applicability"].dtype == bool
    assert held[["observed", "predicted", "q05", "q50", "q95"]].gt(0).all(axis=None)
    assert (held["q05"] <= held["q50"]).all() and (held["q50"] <= held["q95"]).all()


def test_every_design_holds_back_what_it_says(by_design):
    held = pd.read_parquet(by_design[1] / "evidence" / "out_of_fold.parquet")
    key = ["profile_id", "top_cm", "bottom_cm"]
    told = dict(list(held.groupby("design")))
    assert list(pd.unique(held["design"])) == [
        "profile", "block", "knndm", "random", "time", "hold_out", "strata_left_out", "strata_in_proportion"
    ]  # fmt: skip
    for name in ("profile", "block", "knndm", "strata_left_out", "strata_in_proportion"):
        assert (told[name].groupby("profile_id")["fold"].nunique() == 1).all(), name
    rows = len(told["profile"])
    for name in set(told) - {"hold_out"}:
        assert len(told[name]) == rows and not told[name].duplicated(key).any(), name
        assert set(told[name]["repeat"]) == {0}, name
    assert set(told["hold_out"]["repeat"]) == {0, 1} and set(told["hold_out"]["fold"]) == {0}
    assert 0.2 * rows < (told["hold_out"]["repeat"] == 0).sum() < 0.4 * rows
    assert (told["random"].groupby("profile_id")["fold"].nunique() > 1).any()
    decade = told["time"]["year"] // 10
    assert (decade.groupby(told["time"]["fold"]).nunique() == 1).all()


def test_random_rows_lie_inside_the_area_of_applicability(by_design):
    held = pd.read_parquet(by_design[1] / "evidence" / "out_of_fold.parquet")
    inside = held.groupby("design")["in_applicability"].mean()
    assert inside["random"] >= inside["profile"] and inside["random"] > 0.95


def test_the_headline_is_knndm_and_blocks_are_transfer(by_design):
    told = json.loads((by_design[1] / "evidence" / "designs.json").read_text())
    assert told["headline"] == "knndm" and "blocks are a test of transfer" in told["headline_reason"]
    assert told["calibrated_by"] == "profile" and told["probability_set"] is None
    assert any("both sides" in note for note in told["notes"]["random"])
    assert set(table(by_design[1], "conformal")["design"]) == {"profile"}
    assert set(table(by_design[1], "metrics")["design"]) == {*told["notes"], "in_sample"}


def test_naive_choice_stands_beside_the_nested_one(by_design):
    out = by_design[1]
    told = table(out, "naive").set_index(["what", "layer"])
    metrics = table(out, "metrics").query("design == 'knndm' and scale == 'natural'").set_index("layer")
    ours = told.loc["chosen in each fold"]
    np.testing.assert_allclose(ours["rmse"], metrics.loc[ours.index, "rmse"], rtol=1e-12)
    assert (ours["rmse_minus_ours"] == 0).all()
    assert "chosen once on all profiles" in told.index


def test_simple_models_stand_beside_the_forest(by_design):
    told = table(by_design[1], "baselines")
    assert list(pd.unique(told["what"])) == ["forest", "linear", "regression_kriging"]
    assert np.isfinite(told[["rmse", "mec", "rmse_minus_ours_low"]]).all(axis=None)


def test_weights_by_error_are_said(by_design):
    assert any(re.match(r"weights: by the error of values; the largest weight is [\d.]+ times", note) for note in by_design[2])
    assert len(table(by_design[1], "tuning")) == 5


def test_importance_is_a_mean_over_all_folds(by_design):
    told = table(by_design[1], "importance")
    assert told["folds"].between(1, 2).all() and told["share"].sum() == pytest.approx(1)
    assert {"depth", "land_cover"} <= set(told["feature"])


def test_interrupted_evidence_goes_on_to_the_same_bytes(by_design, tmp_path):
    path, out, _ = by_design
    place = tmp_path / "place"
    shutil.copytree(path.parent, place / "input")
    again = place / "run"

    def stop(text: str, done: int, total: int) -> None:
        if text == "evidence by knndm: fold 2 of 2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(
            place / "input" / path.name, again, until="evidence", listener=Listener(lambda name, note: None, stop, lambda seconds: None)
        )
    left = {p.name for p in (again / ".edaphic" / "partial").rglob("*.parquet")}
    assert {"profile_0.parquet", "profile_1.parquet", "block_1.parquet", "knndm_0.parquet"} <= left
    followed(place / "input" / path.name, again, until="evidence", workers=2)
    ours, theirs = ({p.name: p.read_bytes() for p in (folder / "evidence").iterdir()} for folder in (again, out))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert (again / "model/forest/forest.npz").read_bytes() == (out / "model/forest/forest.npz").read_bytes()


def test_a_model_of_an_earlier_format_is_one_line(by_design, command, tmp_path):
    folder = tmp_path / "forest"
    shutil.copytree(by_design[1] / "model" / "forest", folder)
    told = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(told | {"format": 1}))
    with pytest.raises(Exception, match=r"model\.json: format 1, made by an older version") as caught:
        artefact.load(folder)
    assert len(str(caught.value).splitlines()) == 1


# Other targets, forms and sets ----------------------------------------------------------------------------------------


def test_beta_of_one_layer_has_its_map(tiny, tmp_path):
    def change(told: dict[str, Any]) -> None:
        told["model"] |= {"target": "beta", "form": "layers"}
        told["profiles"]["layers"] = ["0-100"]
        told["model"]["tune"] |= {"design": "knndm"}

    out = tmp_path / "run"
    notes = followed(made(tiny, tmp_path, change), out)
    layers = pd.read_parquet(out / "profiles" / "layers.parquet")
    known = layers["beta"].dropna()
    assert f"beta is fitted at {len(known)} of {len(layers)} profiles" in notes and known.between(0, 1).all()
    for stat in ("mean", "q05", "q95"):
        values = band(out / "maps" / f"beta_{stat}_0-100cm.tif")
        assert np.nanmin(values) > 0 and np.nanmax(values) < 1
    mean = band(out / "maps" / "beta_mean_0-100cm.tif")
    assert known.min() <= np.nanmin(mean) and np.nanmax(mean) <= known.max()
    assert set(table(out, "metrics")["unit"]) == {1}


def weighted_columns(told: dict[str, Any]) -> None:
    """Content with weights of a column; the exhaustive search; other profiles and other products."""
    told["model"] |= {"weights": "weight"}
    source_of(told)["columns"]["weight"] = "W"
    told["model"]["select"] = {"method": "exhaustive", "best": 3, "trees": 5, "folds": 2, "design": "knndm", "rule": "one_se"}
    source = json.loads(json.dumps(source_of(told))) | {"horizons": "other_horizons.csv", "sites": "other_sites.csv"}
    away = source | {"sites": "away_sites.csv"}
    told["evidence"]["independent"] = [
        {"name": "simple", "sources": [source], "drawn": "simple"},
        {"name": "stratified", "sources": [source], "drawn": "stratified", "strata": "parent_material"},
        {"name": "thin", "sources": [source], "drawn": "stratified", "strata": "land_cover"},
        {"name": "same", "sources": [told["profiles"]["sources"][0]]},
        {"name": "away", "sources": [away]},
    ]
    told["evidence"]["products"] = [
        {"name": "tonnes", "path": "truth/tonnes.tif", "layer": "0-30", "unit": "t/ha"},
        {"name": "kilograms", "path": "truth/true_soc_stock_0-30cm.tif", "layer": "0-30", "unit": "kg/m2"},
        {"name": "deep", "path": "truth/true_soc_stock_0-60cm.tif", "layer": "0-60", "unit": "kg/m2"},
        {"name": "corner", "path": "truth/corner.tif", "layer": "0-30", "unit": "kg/m2"},
    ]


def other_files(folder: Path) -> None:
    """Sixty other profiles, five of training among them; a product in t/ha, and one that has a value in one cell only."""
    land = virtual.landscape(3, shape=(40, 50))
    sites, horizons = virtual.sample(land, 11, profiles=60)
    virtual.write(land, sites, horizons, folder / "more")
    tables = {}
    for name in ("sites", "horizons"):
        mine, new = pd.read_csv(folder / f"{name}.csv"), pd.read_csv(folder / "more" / f"{name}.csv")
        new["PROFILE"] = "N" + new["PROFILE"].astype(str)
        known = pd.read_csv(folder / "sites.csv")["PROFILE"].head(5)
        tables[name] = pd.concat([new, mine[mine["PROFILE"].isin(known)]])
        tables[name].assign(W=1.0).to_csv(folder / f"other_{name}.csv", index=False)
        if name == "horizons":
            number = mine["PROFILE"].astype("category").cat.codes
            mine.assign(W=1.0 + number % 3).to_csv(folder / "horizons.csv", index=False)
    tables["sites"].assign(LON=lambda t: t["LON"] + 5).to_csv(folder / "away_sites.csv", index=False)
    shutil.copy(folder / "truth/true_soc_stock_0-30cm.tif", folder / "truth/tonnes.tif")
    shutil.copy(folder / "truth/true_soc_stock_0-30cm.tif", folder / "truth/corner.tif")
    rewrite("truth/tonnes.tif", lambda v: v * 10)(folder)
    alone = lambda v: np.where(np.arange(v.size).reshape(v.shape) == 0, v, np.nan)  # noqa: E731
    rewrite("truth/corner.tif", alone)(folder)


@pytest.fixture(scope="module")
def with_others(tiny, tmp_path_factory):
    place = tmp_path_factory.mktemp("with_others")
    notes = followed(made(tiny, place, weighted_columns, other_files), place / "run", until="evidence")
    return place / "run", notes


def test_overlapping_profiles_are_no_independent_ones(with_others):
    out, notes = with_others
    overlap = table(out, "overlap")
    assert set(overlap.loc[overlap["set"] == "simple", "profile_id"]) == {f"P{i:04d}" for i in range(1, 6)}
    scored = pd.read_parquet(out / "evidence" / "independent.parquet")
    assert set(scored["set"]) == {"simple", "stratified", "thin"}
    assert scored["profile_id"].str.startswith("N").all()
    assert any(note.startswith("same: independent set: none is left") for note in notes)
    assert any(note.startswith("away: ") and "no value of every covariate" in note for note in notes)


def test_sites_drawn_at_random_are_the_headline(with_others):
    out, _ = with_others
    told = json.loads((out / "evidence" / "designs.json").read_text())
    assert told["headline"] == "probability" and told["probability_set"] == "simple"
    rows = pd.read_parquet(out / "evidence" / "independent.parquet").query("set == 'simple' and top_cm == 0 and bottom_cm == 30")
    found = table(out, "by_design").query("set == 'simple' and top_cm == 0 and bottom_cm == 30").set_index("statistic")["estimate"]
    error = rows["predicted"] - rows["observed"]
    assert found["me"] == pytest.approx(error.mean()) and found["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    strata = table(out, "by_design").query("set == 'stratified' and top_cm == 0 and bottom_cm == 30")
    assert len(strata) and (strata.set_index("statistic")["estimate"]["me"] != found["me"])


def test_products_are_scored_in_the_unit_of_the_map(with_others):
    out, notes = with_others
    told = table(out, "products").query("rows == 'own'").set_index(["set", "bottom_cm", "product", "score"])["value"]
    for name in ("held out", "simple"):
        tonnes, kilograms = (told[name, 30.0, product, "rmse"] for product in ("tonnes", "kilograms"))
        assert tonnes == pytest.approx(kilograms, rel=1e-6)
        assert told[name, 30.0, "kilograms", "mec"] > 0 and (name, 60.0, "deep", "rmse") in told.index
    assert any("corner has no value at any profile with 0-30 cm; not scored there" in note for note in notes)
    assert not any("left out of this layer" in note for note in notes)


def test_weights_of_a_column_and_an_exhaustive_search(with_others):
    out, _ = with_others
    tried = table(out, "search")
    assert len(tried) == 7 and tried["chosen"].sum() == 1 and tried["number"].max() == 3
    model = artefact.load(out / "model" / "forest")
    assert isinstance(model, SoilModel) and len(model.covariates) <= 3
