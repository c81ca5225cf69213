"""A whole run on a small virtual landscape: what it leaves, what it does again, and that it repeats to the bit."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import yaml
from rasterio.shutil import copy
from rasterio.vrt import WarpedVRT

from edaphic import recipe, run
from edaphic.errors import EdaphicError, RunError
from edaphic.run import Listener
from edaphic.stages import EVERY_STAGE

DATA = ("profiles", "covariates", "model", "evidence", "maps", "tables")
"""What repeats to the bit; figures and report.html do so on one machine, except for the report's footer."""

DESCRIBED = {
    *("tables/along_latitude.csv", "tables/along_longitude.csv", "tables/area_by_class.csv", "tables/biomes.csv"),
    *("tables/correlations.csv", "tables/decades.csv", "tables/depth_profiles.csv", "tables/texture_groups.csv"),
}
"""Descriptions of samples and maps, each where its inputs are there."""

STAGES = tuple(name for name in EVERY_STAGE if name not in ("montecarlo", "drivers", "deliver"))
"""Stages of a run that asks for no more."""


def digests(folder: Path, parts: tuple[str, ...] = DATA) -> dict[str, str]:
    files = sorted(path for part in parts for path in (folder / part).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def everything(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def followed(path: Path, out: Path, **options: Any) -> list[str]:
    """Run, and name the stages that were not skipped."""
    worked: list[str] = []

    def stage(name: str, note: str) -> None:
        if name in STAGES and "skipped" not in note:
            worked.append(name)

    run.run(path, out, listener=Listener(stage, lambda text, done, total: None, lambda seconds: None), **options)
    return worked


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(told)
    path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")


def band(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1)


@pytest.fixture(scope="session")
def finished(tiny, tmp_path_factory):
    """Recipe and folder of a whole run with one worker. Tests copy the folder before they change it."""
    place = tmp_path_factory.mktemp("finished")
    path = tiny.copy(place / "input")
    out = place / "run"
    assert followed(path, out) == list(STAGES)
    return path, out


@pytest.fixture
def again(finished, tmp_path):
    """A copy of inputs and run that a test may change; seen from the run, the inputs lie where they lay."""
    path, out = finished
    shutil.copytree(path.parent, tmp_path / "input")
    shutil.copytree(out, tmp_path / "run")
    return tmp_path / "input" / path.name, tmp_path / "run"


def little_evidence(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    """The change of a recipe, and as little evidence as a run can have: for tests that look at maps and tables."""

    def both(told: dict[str, Any]) -> None:
        told["evidence"] |= {"folds": 2, "bootstrap": 20, "cells": 200, "baselines": ["layer_mean"], "designs": ["profile"]}
        change(told)

    return both


# What a run leaves ----------------------------------------------------------------------------------------------------


def test_finished_run_holds_what_the_flow_promises(finished):
    path, out = finished
    stats = set(recipe.load(path).maps.stats)
    of_covariates = stats & {"applicability", "dissimilarity", "point_density"}
    promised = {
        *(f"profiles/{name}" for name in ("horizons.parquet", "layers.parquet", "repairs.csv", "duplicates.csv", "summary.json")),
        *("covariates/layers.csv", "covariates/points.parquet"),
        *(f"model/forest/{name}" for name in ("forest.npz", "model.json", "card.md", "kit.json", "applicability.npz")),
        *(f"model/forest/{name}.csv" for name in ("conformal", "conformal_levels")),
        *(f"evidence/{name}.csv" for name in ("metrics", "metrics_by_group", "calibration", "conformal", "conformal_levels", "curves")),
        *(f"evidence/{name}.csv" for name in ("importance", "selection", "steps", "tuning", "choices")),
        *(f"evidence/{name}.csv" for name in ("naive", "baselines", "variogram", "knndm")),
        *(f"evidence/{name}" for name in ("card.md", "out_of_fold.parquet", "cells.parquet", "designs.json", "variogram.json")),
        *("evidence/applicability.json", "evidence/applicability.npz"),
        *("tables/stocks.csv", "tables/truth.csv", "tables/totals.csv", "tables/totals.json", "tables/total_realisations.parquet"),
        *("maps/catalog.json", "maps/summary.json"),
    }
    for stat in stats - of_covariates:
        for layer in ("0-30", "30-60", "0-60"):
            promised |= {f"maps/soc_stock_{stat}_{layer}cm.{ending}" for ending in ("tif", "json", "qml", "sld")}
    for stat in of_covariates:
        promised |= {f"maps/soc_stock_{stat}_0-60cm.{ending}" for ending in ("tif", "json", "qml", "sld")}
    assert set(digests(out)) == promised | (DESCRIBED - {"tables/texture_groups.csv"})
    top = {path.name for path in out.iterdir()}
    assert top == {*DATA, "figures", "report.html", "run.json", "recipe.yaml", ".edaphic"}
    assert list((out / "figures").glob("*.png"))


def test_run_json_tells_versions_inputs_and_outputs(finished):
    path, out = finished
    told = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert list(told["stages"]) == list(STAGES)
    assert told["seed"] == 7 and told["machine"]["cores"] >= 1 and "numpy" in told["versions"]
    for name, digest in told["inputs"].items():
        assert hashlib.sha256((path.parent / name).read_bytes()).hexdigest() == digest, name
    assert "horizons.csv" in told["inputs"] and "covariates/elevation.tif" in told["inputs"]
    listed = {name: digest for stage in told["stages"].values() for name, digest in stage["outputs"].items()}
    made = digests(out, (*DATA, "figures"))
    made["report.html"] = hashlib.sha256((out / "report.html").read_bytes()).hexdigest()
    assert listed == made


def test_nothing_half_written_is_left(finished):
    _, out = finished
    assert not list(out.rglob("*.tmp*"))
    known = {*(f"{stage}.json" for stage in STAGES), "inputs.json", "of.txt", "work", "partial"}
    assert {path.name for path in (out / ".edaphic").iterdir()} <= known
    assert not [path for name in ("work", "partial") for path in (out / ".edaphic" / name).rglob("*")]


def test_recipe_in_the_run_folder_is_whole_and_leads_to_the_inputs(finished):
    path, out = finished
    used = recipe.load(out / "recipe.yaml")
    assert used.evidence.same_place_m == 100.0  # a default
    assert recipe.resolve(used, out / "recipe.yaml", "horizons.csv").resolve() == (path.parent / "horizons.csv").resolve()
    assert used.model_copy(update={"root": "."}) == recipe.load(path)


def test_means_of_layers_add_up_to_the_mean_of_the_whole(finished):
    _, out = finished
    parts = [band(out / f"maps/soc_stock_mean_{layer}cm.tif").astype(np.float64) for layer in ("0-30", "30-60")]
    whole = band(out / "maps/soc_stock_mean_0-60cm.tif").astype(np.float64)
    assert np.isfinite(whole).sum() > 1000
    np.testing.assert_allclose(parts[0] + parts[1], whole, rtol=3e-7)


def test_quantiles_are_in_order_and_water_is_empty(finished):
    path, out = finished
    water = band(path.parent / "covariates/land_cover.tif") == 5
    assert water.any()
    for layer in ("0-30", "30-60", "0-60"):
        low, mean, high = (band(out / f"maps/soc_stock_{stat}_{layer}cm.tif") for stat in ("q05", "mean", "q95"))
        assert np.isnan(mean[water]).all()
        inside = np.isfinite(mean)
        assert (low[inside] <= high[inside]).all() and (mean[inside] > 0).all()


def test_totals_are_the_sums_of_the_maps(finished):
    _, out = finished
    stocks = pd.read_csv(out / "tables" / "stocks.csv")
    assert set(stocks["by"]) == {"all", "land_cover", "districts"}
    for row in stocks[stocks["by"] == "all"].itertuples():
        values = band(out / f"maps/soc_stock_mean_{row.top_cm:g}-{row.bottom_cm:g}cm.tif")
        assert row.cells == np.isfinite(values).sum()
        # EPSG:32633 far from its edge: the scale of the projection changes areas by less than 0.1 %
        assert row.total_Tg == pytest.approx(np.nansum(values.astype(np.float64)) * 250**2 / 1e9, rel=2e-3)
    for by in ("land_cover", "districts"):
        parts = stocks[stocks["by"] == by].groupby("top_cm")["total_Tg"].sum()
        whole = stocks[stocks["by"] == "all"].groupby("top_cm")["total_Tg"].sum()
        np.testing.assert_allclose(parts, whole, rtol=1e-6)


# What is done again ---------------------------------------------------------------------------------------------------


def test_second_run_skips_all_and_changes_no_byte(again):
    path, out = again
    before = everything(out)
    assert followed(path, out) == []
    after = everything(out)
    assert before.keys() == after.keys()
    # the memory of the inputs' sizes and times is for the copy's own paths
    assert {name for name in before if before[name] != after[name]} <= {".edaphic/inputs.json"}


@pytest.mark.usefixtures("undrawn")
def test_another_title_draws_the_report_only(again):
    path, out = again
    before = digests(out)
    rewrite(path, lambda told: told["report"].update(title="Quite another title"))
    assert followed(path, out) == ["report"]
    assert digests(out) == before
    assert "Quite another title" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("undrawn")
def test_another_account_makes_tables_and_report_again(again):
    path, out = again
    before = digests(out, DATA[:-1])
    rewrite(path, lambda told: told["account"].update(by=["parent_material"]))
    assert followed(path, out) == ["totals", "account", "report"]
    assert digests(out, DATA[:-1]) == before
    assert set(pd.read_csv(out / "tables" / "stocks.csv")["by"]) == {"all", "parent_material"}


def test_table_that_is_asked_for_no_more_goes(again):
    path, out = again
    rewrite(path, lambda told: told["account"].pop("truth"))
    assert followed(path, out, until="account") == ["account"]
    assert not (out / "tables" / "truth.csv").exists()
    assert set(json.loads((out / "run.json").read_text())["stages"]["account"]["outputs"]) - DESCRIBED == {"tables/stocks.csv"}


def test_changed_raster_runs_covariates_and_what_follows(again):
    path, out = again
    before = digests(out, ("profiles",))
    with rasterio.open(path.parent / "covariates" / "elevation.tif", "r+") as source:
        values = source.read(1)
        source.write(np.where(values == source.nodata, values, values + 50), 1)
    assert followed(path, out, until="account") == ["covariates", "model", "evidence", "maps", "totals", "account"]
    assert digests(out, ("profiles",)) == before


def test_altered_output_is_made_again_as_it_was(again):
    path, out = again
    before = digests(out)
    (out / "tables" / "stocks.csv").write_text("by\n")
    (out / "profiles" / "summary.json").unlink()
    assert followed(path, out, until="account") == ["profiles", "account"]
    assert digests(out) == before


def test_until_ends_there_and_the_next_run_goes_on(tiny, finished, tmp_path):
    path = tiny.copy(tmp_path / "input")
    out = tmp_path / "run"
    assert followed(path, out, until="covariates") == ["profiles", "rasters", "covariates"]
    assert {p.name for p in out.iterdir()} == {".edaphic", "run.json", "recipe.yaml", "profiles", "covariates"}
    assert followed(path, out, until="model") == ["model"]
    ours, theirs = digests(out, ("model",)), digests(finished[1], ("model",))  # the evidence adds to the folder what it finds
    assert ours == {f"model/forest/{name}": theirs[f"model/forest/{name}"] for name in ("card.md", "forest.npz", "model.json")}


def test_until_needs_a_stage(finished, tmp_path):
    with pytest.raises(RunError, match="--until nonsense: no such stage; expected one of profiles, rasters, covariates"):
        run.run(finished[0], tmp_path / "run", until="nonsense")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("until", ["model", pytest.param("account", marks=pytest.mark.slow)])
def test_fresh_makes_all_again_with_the_same_bytes(again, until):
    path, out = again
    last = list(STAGES).index(until) + 1
    before = digests(out)
    assert followed(path, out, fresh=True, until=until) == list(STAGES)[:last]
    after = digests(out)
    assert after == {name: before[name] for name in after}
    assert until == "model" or after.keys() == before.keys()  # the evidence adds to the folder of the model


def test_run_goes_on_from_its_own_recipe(again):
    """The recipe in the run folder describes the same work: nothing is to be done."""
    _, out = again
    assert followed(out / "recipe.yaml", out, until="account") == []


# The same, to the bit -------------------------------------------------------------------------------------------------


def without_footer(page: str) -> str:
    start = page.rindex("<footer")
    return page[:start] + page[page.index("</footer>", start) :]


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_same_seed_elsewhere_gives_the_same_bytes(finished, tiny, tmp_path, workers):
    path = tiny.copy(tmp_path / "another place" / "input")
    out = tmp_path / "run"
    followed(path, out, workers=workers, until=None if workers == 2 else "account")
    assert digests(out) == digests(finished[1])
    if workers == 2:
        pages = [(folder / "report.html").read_text(encoding="utf-8") for folder in (finished[1], out)]
        assert without_footer(pages[0]) == without_footer(pages[1])
        assert digests(out, ("figures",)) == digests(finished[1], ("figures",))
    ours, theirs = recipe.load(out / "recipe.yaml"), recipe.load(finished[1] / "recipe.yaml")
    assert ours.model_copy(update={"root": theirs.root}) == theirs


def test_data_elsewhere_give_the_same_bytes(finished, tiny, tmp_path):
    """Where the data lie is no part of what was done: the root of the recipe leaves no trace in model and maps."""
    inputs = tiny.copy(tmp_path / "input")
    path = tmp_path / "recipe.yaml"
    shutil.copy(inputs, path)
    rewrite(path, lambda told: told.update(root="input"))
    followed(path, tmp_path / "run", until="account")
    assert digests(tmp_path / "run") == digests(finished[1])


def test_size_of_the_window_changes_no_value(finished, again):
    path, out = again
    rewrite(path, lambda told: told["maps"].update(window=16))
    assert followed(path, out, until="maps") == ["maps"]
    for name in sorted(p.name for p in (out / "maps").glob("*.tif")):
        np.testing.assert_array_equal(band(out / "maps" / name), band(finished[1] / "maps" / name), err_msg=name)


def test_another_seed_gives_another_result(finished, again):
    path, out = again
    rewrite(path, lambda told: told.update(seed=8))
    assert followed(path, out, until="account") == ["model", "evidence", "maps", "totals", "account"]
    ours, theirs = digests(out), digests(finished[1])
    assert ours["model/forest/forest.npz"] != theirs["model/forest/forest.npz"]
    assert ours["maps/soc_stock_mean_0-30cm.tif"] != theirs["maps/soc_stock_mean_0-30cm.tif"]
    assert ours["profiles/layers.parquet"] == theirs["profiles/layers.parquet"]


# Other recipes --------------------------------------------------------------------------------------------------------


def change_to_content(told: dict[str, Any]) -> None:
    told["model"]["target"] = "soc"
    told.pop("account")


@pytest.mark.slow
def test_content_has_maps_but_no_stocks(tiny, tmp_path):
    path = tiny.copy(tmp_path / "input", change_to_content)
    out = tmp_path / "run"
    assert followed(path, out) == [name for name in STAGES if name != "totals"]
    assert not (out / "tables" / "stocks.csv").exists()
    with rasterio.open(out / "maps" / "soc_mean_0-30cm.tif") as source:
        assert source.units == ("g/kg",)
        assert 1 < np.nanmean(source.read(1)) < 100
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", ["soc_stock", "log_soc_stock", "soc_density"])
def test_targets_of_stock_add_up(tiny, tmp_path, target):
    path = tiny.copy(tmp_path / "input", little_evidence(lambda told: told["model"].update(target=target)))
    followed(path, tmp_path / "run", until="account")
    total = pd.read_csv(tmp_path / "run" / "tables" / "stocks.csv").query("by == 'all'").set_index("bottom_cm")
    truth = pd.read_csv(tmp_path / "run" / "tables" / "truth.csv")
    assert len(truth) == 3
    np.testing.assert_allclose(truth["total_Tg"], truth["true_total_Tg"], rtol=0.25)
    assert (total["total_Tg"] > 0).all()


@pytest.mark.slow
def test_one_model_for_each_layer_runs_to_the_end(tiny, tmp_path):
    path = tiny.copy(tmp_path / "input", lambda told: told["model"].update(form="layers"))
    out = tmp_path / "run"
    assert followed(path, out) == list(STAGES)
    assert (out / "report.html").is_file()
    assert np.isfinite(band(out / "maps/soc_stock_mean_30-60cm.tif")).sum() > 1000


def only_one_layer(told: dict[str, Any]) -> None:
    told["profiles"]["layers"] = ["0-30"]
    told["account"]["truth"] = told["account"]["truth"][:1]


@pytest.mark.slow
def test_one_layer_has_no_whole(tiny, tmp_path):
    path = tiny.copy(tmp_path / "input", only_one_layer)
    out = tmp_path / "run"
    assert followed(path, out) == list(STAGES)
    assert sorted(p.name for p in (out / "maps").glob("*mean*.tif")) == ["soc_stock_mean_0-30cm.tif"]
    assert len(pd.read_csv(out / "tables" / "stocks.csv").query("by == 'all'")) == 1
    assert not pd.read_csv(out / "evidence" / "metrics.csv")["layer"].str.startswith("whole").any()


def layers_with_a_gap(told: dict[str, Any]) -> None:
    told["profiles"]["layers"] = ["0-30", "40-60"]
    told["account"]["truth"] = told["account"]["truth"][:1]


def test_layers_that_do_not_join_have_no_whole(tiny, tmp_path):
    path = tiny.copy(tmp_path / "input", little_evidence(layers_with_a_gap))
    followed(path, tmp_path / "run", until="account")
    names = sorted(p.name for p in (tmp_path / "run" / "maps").glob("*mean*.tif"))
    assert names == ["soc_stock_mean_0-30cm.tif", "soc_stock_mean_40-60cm.tif"]


def test_mask_empties_its_classes_only(finished, again):
    path, out = again
    cover = band(path.parent / "covariates/land_cover.tif")
    rewrite(path, lambda told: told["maps"].update(mask={"land_cover": [3, 5]}))
    assert followed(path, out, until="account") == ["model", "evidence", "maps", "totals", "account"]
    before, after = (band(folder / "maps/soc_stock_mean_0-30cm.tif") for folder in (finished[1], out))
    assert np.isnan(after[cover == 3]).all() and np.isfinite(before[cover == 3]).any()
    np.testing.assert_array_equal(after[cover != 3], before[cover != 3])
    assert "forest" not in set(pd.read_csv(out / "tables" / "stocks.csv").query("cells > 0")["class_name"])


def test_grid_over_polygons(tiny, tmp_path):
    districts = geopandas.read_file(tiny.folder / "districts.gpkg")
    change = {"region": "districts.gpkg", "resolution": 500}
    path = tiny.copy(tmp_path / "input", little_evidence(lambda told: told.update(grid=change)))
    followed(path, tmp_path / "run", until="account")
    with rasterio.open(tmp_path / "run/maps/soc_stock_mean_0-30cm.tif") as source:
        assert source.res == (500, 500) and source.crs == districts.crs
        assert np.isfinite(source.read(1)).sum() > 250
    stocks = pd.read_csv(tmp_path / "run/tables/stocks.csv")
    assert set(stocks.query("by == 'districts'")["class_name"]) == set(districts["district"])


# The verb report ------------------------------------------------------------------------------------------------------


def test_report_is_drawn_again_as_it_was(again):
    _, out = again
    before = digests(out)
    page = (out / "report.html").read_text(encoding="utf-8")
    shutil.rmtree(out / "figures")
    (out / "report.html").unlink()
    assert run.rebuild_report(out) == out / "report.html"
    assert without_footer((out / "report.html").read_text(encoding="utf-8")) == without_footer(page)
    assert list((out / "figures").glob("*.png"))
    assert digests(out) == before
    told = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert told["seed"] == 7 and list(told["stages"]) == list(STAGES)
    stamps = json.loads((out / "run.json").read_text(encoding="utf-8"))["stages"]
    assert stamps["report"]["outputs"]["report.html"] == hashlib.sha256((out / "report.html").read_bytes()).hexdigest()


@pytest.mark.usefixtures("undrawn")
def test_report_is_drawn_without_the_inputs(again):
    path, out = again
    shutil.rmtree(path.parent)
    run.rebuild_report(out)
    assert "</html>" in (out / "report.html").read_text(encoding="utf-8")


def test_report_of_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"no recipe.yaml; expected the folder of a run"):
        run.rebuild_report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_report_of_an_unfinished_run_is_refused(tiny, tmp_path):
    path = tiny.copy(tmp_path / "input")
    run.run(path, tmp_path / "run", until="profiles")
    with pytest.raises(EdaphicError, match="not finished: rasters, covariates, model"):
        run.rebuild_report(tmp_path / "run")


def test_demo_refuses_a_folder_with_other_things(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="not of the demo"):
        run.demo(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def triangle(told: dict[str, Any]) -> None:
    told["grid"] = {"region": "triangle.gpkg", "resolution": 250}
    told["account"] = {"by": ["land_cover"]}
    told["maps"].pop("mask", None)


def test_a_region_maps_its_polygon_not_its_box(tiny, tmp_path):
    path = tiny.copy(tmp_path / "input", little_evidence(triangle))
    with rasterio.open(path.parent / "covariates" / "clay.tif") as source:
        box = source.bounds
    corners = [(box.left, box.bottom), (box.right, box.bottom), (box.left, box.top)]
    shape = geopandas.GeoDataFrame({"name": ["t"]}, geometry=[shapely.Polygon(corners)], crs="EPSG:32633")
    shape.to_file(path.parent / "triangle.gpkg")
    followed(path, tmp_path / "run", until="account")
    counts = json.loads((tmp_path / "run" / "maps" / "summary.json").read_text())
    assert counts["cells"] * 0.0625 == pytest.approx(shape.area[0] / 1e6, rel=0.02)
    total = pd.read_csv(tmp_path / "run" / "tables" / "stocks.csv").query("by == 'all'")
    assert total["area_km2"].max() <= shape.area[0] / 1e6 * 1.02


def test_paths_written_in_another_way_are_the_same_files(tiny, tmp_path):
    def dotted(told: dict[str, Any]) -> None:
        told["profiles"]["sources"][0]["horizons"] = "./horizons.csv"

    path = tiny.copy(tmp_path / "input", dotted)
    assert followed(path, tmp_path / "run", until="profiles") == ["profiles"]
    assert "horizons.csv" in json.loads((tmp_path / "run" / "run.json").read_text())["inputs"]


def test_the_sources_of_a_vrt_are_inputs(tiny, tmp_path):
    path = tiny.copy(tmp_path / "input", lambda told: told["covariates"]["layers"].append({"path": "noise2.vrt"}))
    tif = path.parent / "noise2.tif"
    shutil.copy(path.parent / "covariates" / "noise.tif", tif)
    with rasterio.open(tif) as source, WarpedVRT(source) as warped:
        copy(warped, path.parent / "noise2.vrt", driver="VRT")
        values, profile = source.read(), source.profile
    followed(path, tmp_path / "run", until="covariates")
    with rasterio.open(tif, "w", **profile) as out:
        out.write(values + 1)
    assert followed(path, tmp_path / "run", until="covariates") == ["covariates"]


@pytest.mark.slow
def test_stages_that_belong_to_an_older_recipe_are_named_stale(again):
    path, out = again
    rewrite(path, lambda told: told["model"]["forest"].update(trees=11))
    run.run(path, out, until="model")
    stages = json.loads((out / "run.json").read_text())["stages"]
    assert {name for name, known in stages.items() if known["status"] == "stale"} == {"evidence", "maps", "totals", "account", "report"}
    with pytest.raises(EdaphicError, match="not finished: evidence, maps, totals, account"):
        run.rebuild_report(out)
    run.run(path, out)
    assert all(known["status"] == "done" for known in json.loads((out / "run.json").read_text())["stages"].values())


@pytest.mark.slow
def test_fresh_with_another_recipe_leaves_no_file_of_the_old(again):
    path, out = again
    rewrite(path, lambda told: told["maps"].update(stats=["mean", "q05", "q95"]))
    run.run(path, out, fresh=True)
    assert not list((out / "maps").glob("*spread*"))


def test_a_whole_that_few_profiles_were_observed_over_is_left_out(tiny, tmp_path):
    def deep(told: dict[str, Any]) -> None:
        told["profiles"]["layers"] = ["0-30", "30-60", "60-130"]
        told["account"] = {}

    path = tiny.copy(tmp_path / "input", little_evidence(deep))
    followed(path, tmp_path / "run", until="account")
    names = {file.name for file in (tmp_path / "run" / "maps").glob("*mean*.tif")}
    assert names == {f"soc_stock_mean_{layer}cm.tif" for layer in ("0-30", "30-60", "60-130")}


def test_covariates_of_the_table_replace_those_of_the_raster(tiny, tmp_path):
    """Elevation from the table: 5 m more than the raster at each profile; a profile without one keeps the raster's."""
    path = tiny.copy(tmp_path / "input")
    out = tmp_path / "run"
    run.run(path, out, until="covariates", workers=1)
    before = pd.read_parquet(out / "covariates" / "points.parquet").set_index("profile_id")
    told = yaml.safe_load(path.read_text())
    source = told["profiles"]["sources"][0]
    source["covariates"] = ["elevation"]
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    table = pd.read_csv(path.parent / "horizons.csv", dtype={"PROFILE": str})
    table["elevation"] = table["PROFILE"].map(before["elevation"]) + 5.0
    table.loc[table["PROFILE"] == table["PROFILE"].iloc[0], "elevation"] = None
    table.to_csv(path.parent / "horizons.csv", index=False)
    run.run(path, out, until="covariates", workers=1)
    after = pd.read_parquet(out / "covariates" / "points.parquet").set_index("profile_id").loc[before.index]
    change = after["elevation"] - before["elevation"]
    assert change[table["PROFILE"].iloc[0]] == 0
    assert set(change.drop(table["PROFILE"].iloc[0]).dropna().round(6)) == {5.0}
    others = [name for name in before if name not in ("elevation", "reason")]
    pd.testing.assert_frame_equal(after[others], before[others])
