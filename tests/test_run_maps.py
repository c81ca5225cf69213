"""Maps of a run: every statistic, masks, bedrock, periods, thresholds; and that a killed stage goes on where it stopped."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.transform
import rasterio.warp
import shapely
import yaml

from edaphic import recipe, run
from edaphic.errors import EdaphicError
from edaphic.mapping.names import MapKey
from edaphic.progress import Listener
from edaphic.stages import EVERY_STAGE, maps

Change = Callable[[dict[str, Any]], object]

LAYERS = ("0-30", "30-60", "0-60")
EVERY = ["mean", "se", "spread", "tree_se", "q05", "q25", "q50", "q95", "q975", "tree_q05", "tree_q95", "applicability", "point_density"]

STAGES = tuple(name for name in EVERY_STAGE if name not in ("montecarlo", "drivers", "deliver"))
"""Stages of a run that asks for no more."""


def small(told: dict[str, Any]) -> None:
    """As little work as a run can be, with one covariate by period."""
    told["covariates"]["layers"].append({"path": "dated/ndvi_{from}_{to}.tif"})
    told["model"]["forest"] = {"trees": 20, "little_bags": 2}
    told["model"]["tune"] = {"candidates": 1, "trees": 10, "folds": 2, "design": "profile"}
    told["model"]["screen"] = {"correlation": 1.0}
    told["evidence"] |= {"folds": 2, "bootstrap": 20, "cells": 200, "baselines": ["layer_mean"], "designs": ["profile"]}
    told["maps"] = {"stats": ["mean", "q05", "q95"], "mask": {"land_cover": [5]}, "window": 16}
    told.pop("account")


def by_period(folder: Path) -> None:
    """Two rasters of a vegetation index that differ from each other."""
    covariates = folder / "covariates"
    source = covariates / "ndvi.tif" if (covariates / "ndvi.tif").exists() else covariates / "elevation.tif"
    with rasterio.open(source) as raster:
        values, profile, scale = raster.read(1), raster.profile, (raster.scales, raster.offsets)
    (covariates / "ndvi.tif").unlink(missing_ok=True)
    (folder / "dated").mkdir()
    for first, last, change in ((1990, 2004, lambda v: v), (2005, 2019, lambda v: v[::-1].copy())):
        with rasterio.open(folder / "dated" / f"ndvi_{first}_{last}.tif", "w", **profile) as out:
            out.scales, out.offsets = scale
            out.write(change(values), 1)


def followed(path: Path, out: Path, **options: Any) -> tuple[list[str], list[str]]:
    """Stages that worked, and what was said."""
    worked: list[str] = []
    said: list[str] = []

    def stage(name: str, note: str) -> None:
        if name in STAGES and "skipped" not in note:
            worked.append(name)

    run.run(path, out, listener=Listener(stage, lambda text, done, total: said.append(text), lambda seconds: None), **options)
    return worked, said


def rewrite(path: Path, change: Change) -> None:
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(told)
    path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")


def band(out: Path, name: str) -> np.ndarray:
    with rasterio.open(out / "maps" / f"soc_stock_{name}.tif") as source:
        values: np.ndarray = source.read(1)
    return values


def cells_that_stand_for_the_map(out: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the cells that the evidence takes for the map."""
    cells = pd.read_parquet(out / "evidence" / "cells.parquet")
    with rasterio.open(out / "maps" / "soc_stock_mean_0-30cm.tif") as source:
        xs, ys = rasterio.warp.transform("EPSG:4326", source.crs, cells["lon"], cells["lat"])
        rows, cols = rasterio.transform.rowcol(source.transform, np.asarray(xs), np.asarray(ys))
    return np.asarray(rows, dtype=int), np.asarray(cols, dtype=int)


def summary(out: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((out / "maps" / "summary.json").read_text(encoding="utf-8"))
    return told


def raster(folder: Path, name: str, values: np.ndarray, dtype: str = "float32", nodata: float | None = None) -> None:
    """A raster with the cells of the maps."""
    with rasterio.open(folder / "covariates" / "land_cover.tif") as like:
        profile = {"driver": "GTiff", "count": 1, "height": like.height, "width": like.width, "crs": like.crs, "transform": like.transform}
    with rasterio.open(folder / name, "w", dtype=dtype, nodata=nodata, **profile) as out:
        out.write(values.astype(dtype), 1)


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    """Recipe and folder of a run as far as its maps."""
    place = tmp_path_factory.mktemp("maps")
    path = tiny.copy(place / "input", small)
    by_period(path.parent)
    followed(path, place / "run", until="maps")
    return path, place / "run"


@pytest.fixture
def again(finished, tmp_path):
    """A copy that a test may change."""
    path, out = finished
    shutil.copytree(path.parent, tmp_path / "input")
    shutil.copytree(out, tmp_path / "run")
    return tmp_path / "input" / path.name, tmp_path / "run"


def mapped(again: tuple[Path, Path], **keys: Any) -> tuple[Path, list[str]]:
    """The maps made again with other keys: nothing else is, unless other cells stand for the map."""
    path, out = again
    anew = ["model", "evidence", "maps"] if {"masks", "bedrock"} & set(keys) else ["maps"]
    rewrite(path, lambda told: told["maps"].update(keys))
    worked, said = followed(path, out, until="maps")
    assert worked == anew
    return out, said


# Statistics -----------------------------------------------------------------------------------------------------------


def test_every_statistic_is_mapped_and_fits_the_others(finished, again):
    out, said = mapped(again, stats=EVERY, thresholds=[5, 2.5])
    of_layers = [stat for stat in EVERY if stat not in ("applicability", "point_density")] + ["p_above_5", "p_above_2.5"]
    names = {f"soc_stock_{stat}_{layer}cm.tif" for stat in of_layers for layer in LAYERS}
    names |= {f"soc_stock_{stat}_0-60cm.tif" for stat in ("applicability", "point_density")}
    assert {path.name for path in (out / "maps").glob("*.tif")} == names
    for layer in LAYERS:
        for stat in ("mean", "q05", "q95"):  # what is asked besides changes no bit
            np.testing.assert_array_equal(band(out, f"{stat}_{layer}cm"), band(finished[1], f"{stat}_{layer}cm"), err_msg=f"{stat} {layer}")
        q = np.stack([band(out, f"{stat}_{layer}cm") for stat in ("q05", "q25", "q50", "q95", "q975")])
        here = np.isfinite(q[0])
        assert here.any() and (np.diff(q, axis=0) >= 0)[:, here].all()
        trees = [band(out, f"{stat}_{layer}cm") for stat in ("tree_q05", "tree_q95", "spread", "tree_se", "se")]
        assert (trees[0] <= trees[1])[here].all() and (trees[4] > 0)[here].all()
        np.testing.assert_allclose(trees[3], trees[2] / np.sqrt(20), rtol=1e-6)
        above, low = band(out, f"p_above_5_{layer}cm"), band(out, f"p_above_2.5_{layer}cm")
        assert (above <= low)[here].all() and np.nanmin(above) >= 0 and np.nanmax(low) <= 1
        # Where 5 kg/m2 lies between two quantiles, its probability lies between theirs.
        between = (q[1] < 5) & (q[2] > 5)
        assert ((above >= 0.5 - 1e-6) & (above <= 0.75 + 1e-6))[between & here].all()
    total = band(out, "mean_0-30cm").astype(float) + band(out, "mean_30-60cm")
    np.testing.assert_array_equal(band(out, "mean_0-60cm"), total.astype(np.float32))
    told = summary(out)
    assert set(told["se_shrunk"]) == {f"se_{layer}cm" for layer in LAYERS}
    assert told["mapped"] == np.isfinite(total).sum() == told["with_all_covariates"] - told["masked"]
    assert told["inside_applicability"] == np.nansum(band(out, "applicability_0-60cm"))
    assert told["masks"] == {"land_cover": told["masked"]} and told["bedrock_not_known"] is None
    with rasterio.open(out / "maps" / "soc_stock_p_above_5_0-30cm.tif") as source:
        assert source.units[0] == "1" and source.tags()["EDAPHIC_STATISTIC"] == "p_above_5" and "EDAPHIC_MODEL_SHA256" in source.tags()
    assert any("land_cover" in line for line in said)


def test_the_calibration_of_levels_is_that_of_the_limits(finished):
    _, out = finished
    limits, levels = (pd.read_csv(out / "evidence" / f"{name}.csv") for name in ("conformal", "conformal_levels"))
    for row in limits.itertuples():
        own = levels[(levels["top_cm"] == row.top_cm) & (levels["bottom_cm"] == row.bottom_cm)].set_index("level")["move"]
        assert own[0.05] == pytest.approx(-row.lower, abs=1e-12) and own[0.95] == pytest.approx(row.upper, abs=1e-12)
        assert len(own) == 42


def test_whole_numbers_are_written_on_demand(finished, again):
    out, _ = mapped(again, encoding="int16")
    with rasterio.open(out / "maps" / "soc_stock_mean_0-30cm.tif") as source:
        stored, scale, offset = source.read(1, masked=True), source.scales[0], source.offsets[0]
        assert source.dtypes[0] == "int16"
    np.testing.assert_allclose((stored * scale + offset).filled(np.nan), band(finished[1], "mean_0-30cm"), atol=scale)


# Masks ----------------------------------------------------------------------------------------------------------------


def test_masks_leave_cells_empty_and_are_counted(finished, again):
    path, _ = again
    base = band(finished[1], "mean_0-30cm")
    rows, cols = base.shape
    share = np.tile(np.linspace(0, 100, cols), (rows, 1))
    share[0] = -1  # nodata
    raster(path.parent, "water.tif", share, nodata=-1)
    raster(path.parent, "cover.tif", np.tile((np.arange(rows) % 10)[:, None], (1, cols)), "uint8")
    with rasterio.open(path.parent / "covariates" / "land_cover.tif") as like:
        left, top = like.transform * (0, 0)
        right, bottom = like.transform * (5, 5)
        crs = like.crs
    lakes = geopandas.GeoDataFrame(geometry=[shapely.box(left, bottom, right, top)], crs=crs).to_crs("EPSG:4326")
    lakes.to_file(path.parent / "lakes.gpkg")
    out, said = mapped(
        again,
        masks=[
            {"name": "water", "path": "water.tif", "above": 50},
            {"name": "ice", "path": "cover.tif", "classes": [3, 4]},
            {"name": "lakes", "path": "lakes.gpkg"},
        ],
    )
    gone = (share > 50) | np.isin(np.arange(rows) % 10, [3, 4])[:, None]
    gone[:5, :5] = True
    full = band(finished[1], "mean_30-60cm")
    np.testing.assert_array_equal(band(out, "mean_30-60cm"), np.where(gone, np.nan, full))
    for stat in ("q05", "q95"):  # calibrated anew: other cells stand for the map
        np.testing.assert_array_equal(np.isnan(band(out, f"{stat}_30-60cm")), gone | np.isnan(full), err_msg=stat)
    assert not gone[cells_that_stand_for_the_map(out)].any() and gone[cells_that_stand_for_the_map(finished[1])].any()
    told = summary(out)
    assert told["masks"]["water"] == (share > 50).sum() and told["masks"]["lakes"] == 25
    assert told["masks"]["ice"] == np.isin(np.arange(rows) % 10, [3, 4]).sum() * cols
    assert any(line.startswith("note: mask water: ") for line in said)
    inputs = json.loads((out / "run.json").read_text())["inputs"]
    assert {"water.tif", "cover.tif", "lakes.gpkg"} <= set(inputs)


def test_only_what_is_applicable_is_mapped_on_demand(finished, again):
    out, _ = mapped(again, only_applicable=True, stats=["mean", "q05", "q95", "applicability", "dissimilarity"])
    inside = band(out, "applicability_0-60cm")
    assert (inside == 0).any() and np.isfinite(band(out, "dissimilarity_0-60cm")).sum() == np.isfinite(inside).sum()
    np.testing.assert_array_equal(band(out, "mean_0-30cm"), np.where(inside == 1, band(finished[1], "mean_0-30cm"), np.nan))
    assert summary(out)["mapped"] == summary(out)["inside_applicability"] == (inside == 1).sum()


# Bedrock --------------------------------------------------------------------------------------------------------------


def test_stocks_shrink_with_the_soil_and_a_new_raster_makes_new_maps(finished, again):
    path, out = again
    rows, cols = band(finished[1], "mean_0-30cm").shape
    depth = np.full((rows, cols), 0.45)
    depth[:5], depth[5:10], depth[10:15] = 0.15, 3.0, -9999
    raster(path.parent, "rock.tif", depth, nodata=-9999)
    mapped(again, bedrock={"path": "rock.tif", "unit": "m"}, stats=["mean", "q05", "q95", "spread"], thresholds=[1.0])
    upper, lower = np.ones(rows), np.full(rows, 0.5)
    upper[:5], lower[:5], lower[5:15] = 0.5, 0.0, 1.0
    for name, share in (("0-30", upper), ("30-60", lower)):
        for stat in ("mean", "q05", "q95"):
            expected = band(finished[1], f"{stat}_{name}cm") * share[:, None]
            np.testing.assert_allclose(band(out, f"{stat}_{name}cm"), expected, rtol=2e-6, err_msg=f"{stat} {name}")
    assert np.nanmax(band(out, "p_above_1_30-60cm")[:5]) == 0
    total = band(out, "mean_0-30cm").astype(float) + band(out, "mean_30-60cm")
    np.testing.assert_array_equal(band(out, "mean_0-60cm"), total.astype(np.float32))
    high, full = band(out, "q95_0-60cm"), band(finished[1], "q95_0-60cm")
    assert (high[15:] < full[15:])[np.isfinite(full[15:])].all()
    np.testing.assert_allclose(high[5:15], full[5:15], rtol=1e-6)
    here = np.isfinite(total)
    told = summary(out)
    assert told["bedrock_not_known"] == here[10:15].sum() and told["bedrock_negative"] == 0
    assert told["soil_ends_within"] == here[:5].sum() + here[15:].sum()
    raster(path.parent, "rock.tif", np.full((rows, cols), 3.0))
    worked, _ = followed(path, out, until="maps")
    assert worked == ["model", "evidence", "maps"]
    np.testing.assert_array_equal(band(out, "mean_30-60cm"), band(finished[1], "mean_30-60cm"))


def test_cells_without_soil_or_inside_masks_do_not_stand_for_the_map_and_why_is_said(again):
    path, out = again
    depth = np.full((40, 50), 80.0)
    depth[20:], depth[10:20] = 0.0, np.nan  # unknown depths have soil all the way down
    raster(path.parent, "rock.tif", depth, nodata=np.nan)
    rewrite(path, lambda told: told["maps"].update(bedrock={"path": "rock.tif", "unit": "cm"}))
    why: dict[str, str] = {}
    run.run(path, out, until="model", listener=Listener(why.__setitem__, lambda text, done, total: None, lambda seconds: None))
    assert why["model"] == "recipe: maps.bedrock changed; input rock.tif new" and why["covariates"] == "unchanged, skipped"
    rows, _ = cells_that_stand_for_the_map(out)
    assert rows.max() == 19 and (rows >= 10).any() and (rows < 10).any()


# Periods --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_periods(tiny, tmp_path_factory):
    def dated(told: dict[str, Any]) -> None:
        small(told)
        told["maps"] |= {"periods": [[1990, 2004], [2005, 2019]], "mean_of_periods": True}
        told["account"] = {"by": ["land_cover"]}

    place = tmp_path_factory.mktemp("periods")
    path = tiny.copy(place / "input", dated)
    by_period(path.parent)
    return place, path, followed(path, place / "run", until="account")[1]


def test_each_period_has_its_maps_and_they_have_a_mean(in_periods):
    place, _, said = in_periods
    out = place / "run"
    names = {p.name for p in (out / "maps").glob("*.tif")}
    when = ("1990-2004", "2005-2019")
    assert names == {f"soc_stock_{stat}_{layer}cm_{own}.tif" for stat in ("mean", "q05", "q95") for layer in LAYERS for own in when} | {
        f"soc_stock_mean_{layer}cm_1990-2019.tif" for layer in LAYERS
    }
    for layer in LAYERS:
        parts = [band(out, f"mean_{layer}cm_{own}").astype(float) for own in when]
        assert (parts[0] != parts[1])[np.isfinite(parts[0])].any()
        np.testing.assert_array_equal(band(out, f"mean_{layer}cm_1990-2019"), ((parts[0] + parts[1]) / 2).astype(np.float32))
    for own in when:
        total = band(out, f"mean_0-30cm_{own}").astype(float) + band(out, f"mean_30-60cm_{own}")
        np.testing.assert_array_equal(band(out, f"mean_0-60cm_{own}"), total.astype(np.float32))
    with rasterio.open(out / "maps" / "soc_stock_mean_0-30cm_1990-2019.tif") as source:
        assert source.tags()["EDAPHIC_MEAN_OF_PERIODS"] == "1990-2004, 2005-2019" and source.tags()["EDAPHIC_PERIOD"] == "1990-2019"
    assert "note: maps of 1990 to 2004: ndvi of 1990 to 2004" in said
    assert "note: the cells that model and evidence take for the map are those of the last period" in said
    told = summary(out)
    assert set(told["periods"]) == set(when) and told["periods"]["2005-2019"]["mapped"] == told["mapped"]
    stocks = pd.read_csv(out / "tables" / "stocks.csv")
    assert stocks["period"].unique().tolist() == [*when, "mean 1990-2019"]
    for row in stocks[(stocks["by"] == "all")].itertuples():
        own = band(out, f"mean_{row.top_cm:g}-{row.bottom_cm:g}cm_{row.period.removeprefix('mean ')}")
        assert row.cells == np.isfinite(own).sum() and row.mean_kg_m2 == pytest.approx(np.nanmean(own), rel=1e-3)


@pytest.mark.slow
def test_the_report_shows_maps_of_periods_and_of_other_statistics(in_periods, tmp_path):
    place, path, _ = in_periods
    for name in ("input", "run"):
        shutil.copytree(place / name, tmp_path / name)
    more = {"stats": ["mean", "q05", "q95", "tree_q05", "tree_se"], "thresholds": [5]}
    rewrite(tmp_path / "input" / path.name, lambda told: told["maps"].update(more))
    followed(tmp_path / "input" / path.name, tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "ndvi" in page and "soc_stock_tree" not in page


@pytest.mark.slow
def test_maps_of_the_last_period_are_those_of_a_run_for_it_alone(in_periods, tmp_path):
    place, path, _ = in_periods
    shutil.copytree(path.parent, tmp_path / "input")
    alone = tmp_path / "input" / path.name

    def single(told: dict[str, Any]) -> None:
        del told["maps"]["periods"], told["maps"]["mean_of_periods"], told["account"]
        told["maps"]["period"] = [2005, 2019]

    rewrite(alone, single)
    followed(alone, tmp_path / "run", until="maps")
    for layer in LAYERS:
        for stat in ("mean", "q05", "q95"):
            np.testing.assert_array_equal(band(tmp_path / "run", f"{stat}_{layer}cm"), band(place / "run", f"{stat}_{layer}cm_2005-2019"))


@pytest.mark.usefixtures("undrawn")
def test_a_period_without_any_cell_has_empty_maps_and_each_has_classes_of_its_own(tiny, tmp_path):
    """All cells have the masked class in the first period, a fifth of them in the last one."""

    def dated(told: dict[str, Any]) -> None:
        small(told)
        told["covariates"]["layers"].append({"path": "dated/cover_{from}_{to}.tif", "kind": "class", "classes": {1: "field", 9: "town"}})
        told["maps"] |= {"periods": [[1990, 2004], [2005, 2019]], "mean_of_periods": True, "mask": {"cover": [9]}, "thresholds": [500, 5]}
        told["account"] = {"by": ["cover"]}

    path, out = tiny.copy(tmp_path / "input", dated), tmp_path / "run"
    by_period(path.parent)
    cover = np.full((40, 50), 9)
    raster(path.parent, "dated/cover_1990_2004.tif", cover, "uint8")
    cover[:, 10:] = 1
    raster(path.parent, "dated/cover_2005_2019.tif", cover, "uint8")
    _, said = followed(path, out)
    for name in ("mean_0-30cm_1990-2004", "p_above_5_0-60cm_1990-2004", "mean_0-60cm_1990-2019"):
        assert np.isnan(band(out, name)).all(), name
    assert np.isfinite(band(out, "mean_0-30cm_2005-2019")).any()
    assert any(line.startswith("note: no cell has a value in 18 of 33 maps: soc_stock_mean_0-30cm_1990-2004, ") for line in said)
    assert "note: thresholds: no cell comes near 500, in whatever layer; expected values in kg/m2" in said
    assert [period["mapped"] for period in summary(out)["periods"].values()] == [0, summary(out)["mapped"]]
    stocks = pd.read_csv(out / "tables" / "stocks.csv").query("by == 'cover' and top_cm == 0 and bottom_cm == 30")
    area = stocks["area_km2"] + stocks["unmapped_km2"]
    share = area / area.groupby(stocks["period"]).transform("sum")
    assert dict(zip(zip(stocks["period"], stocks["class_name"], strict=True), share.round(2), strict=True)) == {
        ("1990-2004", "town"): 1.0, ("2005-2019", "field"): 0.8, ("2005-2019", "town"): 0.2,
        ("mean 1990-2019", "field"): 0.8, ("mean 1990-2019", "town"): 0.2,
    }  # fmt: skip


# Interrupted ----------------------------------------------------------------------------------------------------------


def test_a_stage_that_ends_between_maps_goes_on_there(finished, again, monkeypatch):
    path, out = again
    rewrite(path, lambda told: told["maps"].update(thresholds=[4.0], window=32))
    shutil.copytree(path.parent, path.parent.parent / "input2")
    shutil.copytree(out, path.parent.parent / "run2")
    followed(path.parent.parent / "input2" / path.name, path.parent.parent / "run2", until="maps")
    published, left = maps.publish, [4]

    def ends(*args: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return published(*args, **options)

    monkeypatch.setattr(maps, "publish", ends)
    with pytest.raises(KeyboardInterrupt):
        followed(path, out, until="maps")
    count = []
    monkeypatch.setattr(maps, "publish", lambda *args, **options: (count.append(1), published(*args, **options))[1])
    monkeypatch.setattr("edaphic.mapping.predict.TileWork.__call__", lambda self, window: pytest.fail("a finished tile was computed again"))
    followed(path, out, until="maps")
    assert len(count) == 12 - 4
    ours, theirs = (sorted((folder / "maps").iterdir()) for folder in (out, path.parent.parent / "run2"))
    assert [p.name for p in ours] == [p.name for p in theirs]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(ours, theirs, strict=True))


# Notes ----------------------------------------------------------------------------------------------------------------


def tiles_of(quantity: str, **keys: Any) -> Any:
    """As much of the work on tiles as notes look at."""
    target = SimpleNamespace(quantity=quantity, unit="g/kg")
    told = {"bedrock": object(), "only_applicable": False, "applicability": None, "periods": (None,), "thresholds": ()} | keys
    return SimpleNamespace(model=SimpleNamespace(target=target), **told)


def test_contents_do_not_shrink_and_cells_without_soil_are_among_those_looked_at():
    counts = dict.fromkeys(("cells", "with_all_covariates"), 100) | {"masked": 10, "mapped": 60, "soil_ends_within": 80}
    counts |= {"bedrock_not_known": 0, "bedrock_negative": 0, "inside_applicability": 0, "masks": {}, "se_shrunk": {}}
    told = "note: bedrock: in 80 of 90 cells soil ends within the layers; "
    notes = [f"note: {note}" for note in maps._notes(tiles_of("soc"), counts)]
    assert notes == [told + "contents of a layer without soil are left empty"]
    assert maps._notes(tiles_of("soc_stock"), counts) == [told.removeprefix("note: ") + "amounts shrink with its thickness"]
    with pytest.raises(EdaphicError, match="90 of the others have a value of every covariate, which have no soil above the bedrock; exp"):
        maps._summary(tiles_of("soc"), [[counts | {"mapped": 0}]])


def test_thresholds_in_another_unit_are_said(monkeypatch):
    asked = SimpleNamespace(wish=SimpleNamespace(levels=(0.005, 0.5, 0.995)))
    known = {"p_above_500": (0.0, 0.005), "p_above_5": (0.005, 0.7), "p_above_0.05": (0.995, 0.995)}
    monkeypatch.setattr(maps, "statistics_of", lambda path: dict(zip(("minimum", "maximum"), known[path.stem], strict=True)))
    written = [(MapKey(stat, (0.0, 30.0)), Path(f"{stat}.tif")) for stat in known]
    assert maps._odd(tiles_of("soc", thresholds=(500.0, 5.0, 0.05), asked=asked), written) == [
        "thresholds: no cell comes near 500, in whatever layer; expected values in g/kg",
        "thresholds: no cell may lie below 0.05, in whatever layer; expected values in g/kg",
    ]


# Faults ---------------------------------------------------------------------------------------------------------------


def test_the_check_names_every_fault_of_files_at_once(again):
    path, _ = again
    raster(path.parent, "water.tif", np.zeros((40, 50)))
    (path.parent / "lakes.gpkg").write_text("no polygons")
    raster(path.parent, "rock.tif", np.where(np.arange(2000).reshape(40, 50) % 9, 120.0, -9999))
    rewrite(
        path,
        lambda told: told["maps"].update(
            masks=[
                {"name": "lakes", "path": "lakes.gpkg"},
                {"name": "water", "path": "water.tif", "above": 50, "band": 3},
            ],
            bedrock={"path": "rock.tif", "unit": "cm"},
        ),
    )
    with pytest.raises(EdaphicError) as fault:
        run.check(path)
    lines = "\n".join(fault.value.faults)
    assert "maps.masks lakes" in lines and "no band 3" in lines and "maps.masks water" in lines
    rewrite(path, lambda told: told["maps"].update(masks=[]))
    with pytest.raises(EdaphicError, match=r"maps\.bedrock: .*-9999"):
        run.check(path)
    gone = {"masks": [{"name": "a", "path": "gone.tif", "above": 1}], "bedrock": {"path": "gone2.tif", "unit": "m"}}
    rewrite(path, lambda told: told["maps"].update(gone))
    with pytest.raises(EdaphicError) as fault:
        run.check(path)
    assert len(fault.value.faults) == 2 and "maps.masks[0].path" in fault.value.faults[0] and "maps.bedrock.path" in fault.value.faults[1]


@pytest.mark.parametrize(
    ("depth", "unit", "found"),
    [(1.2, "cm", "1.2 cm or less: is cm"), (150.0, "m", "15000 cm or more: is m"), (120.0, "cm", ""), (1.2, "m", "")],
)
def test_depths_that_look_like_another_unit_are_said(again, depth, unit, found):
    path, _ = again
    raster(path.parent, "rock.tif", np.full((40, 50), depth))
    rewrite(path, lambda told: told["maps"].update(bedrock={"path": "rock.tif", "unit": unit}))
    notes = [note for note in run.check(path)[1].notes if note.startswith("maps.bedrock")]
    assert notes == ([f"maps.bedrock: half of the depths looked at are {found} the unit?"] if found else [])


def test_another_unit_in_the_file_of_the_bedrock_is_said(again):
    path, _ = again
    raster(path.parent, "rock.tif", np.full((40, 50), 120.0))
    with rasterio.open(path.parent / "rock.tif", "r+") as file:
        file.units = ("m",)
    rewrite(path, lambda told: told["maps"].update(bedrock={"path": "rock.tif", "unit": "cm"}))
    assert "maps.bedrock: the file says that its unit is m, the recipe cm; the recipe counts" in run.check(path)[1].notes


@pytest.mark.parametrize(("key", "value"), [("period", [1950, 1960]), ("periods", [[1950, 1960], [1990, 2004]])])
def test_periods_that_no_covariate_has_are_found_by_the_check(again, key, value):
    path, _ = again
    rewrite(path, lambda told: told["maps"].update({key: value}))
    with pytest.raises(EdaphicError) as fault:
        run.check(path)
    assert [line[line.index("maps.") :] for line in fault.value.faults] == [  # where in the recipe stands before
        f"maps.{key}: [1950, 1960], whose middle lies 35 years from the nearest period of ndvi (1990-2004, 2005-2019); "
        "expected 10 at most, as covariates.max_gap_years says"
    ]
    rewrite(path, lambda told: told["covariates"].update(max_gap_years=35))
    run.check(path)


def test_masks_that_remove_all_are_found_before_any_work(again):
    path, out = again
    raster(path.parent, "water.tif", np.full((40, 50), 90.0))
    rewrite(path, lambda told: told["maps"].update(masks=[{"name": "water", "path": "water.tif", "above": 50}]))
    before = {file: file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()}
    for work in (lambda: run.check(path), lambda: followed(path, out, until="maps")):
        with pytest.raises(EdaphicError) as fault:
            work()
        (line,) = fault.value.faults
        assert re.search(
            r"maps: region, masks and bedrock leave none of 2,000 cells \(land_cover removes \d+, water removes 2,000\); expected cells to",
            line,
        )
    assert {file: file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()} == before


def test_what_masks_together_leave_is_looked_at_and_bedrock_counts(again):
    path, _ = again
    rows = np.arange(40)[:, None] + np.zeros((1, 50))
    raster(path.parent, "upper.tif", rows)
    raster(path.parent, "rock.tif", np.where(rows > 20, 0.0, 200.0))
    rewrite(
        path,
        lambda told: told["maps"].update(
            mask={}, masks=[{"name": "upper", "path": "upper.tif", "below": 20}], bedrock={"path": "rock.tif", "unit": "cm"}
        ),
    )
    run.check(path)  # one row is left
    rewrite(path, lambda told: told["maps"]["masks"][0].update(below=21))
    with pytest.raises(EdaphicError, match=r"none of 2,000 cells \(upper removes 1,050, 950 have no soil above the bedrock\); exp"):
        run.check(path)


def notes_on_maps(path: Path) -> list[str]:
    return [note for note in run.check(path)[1].notes if note.startswith(("maps", "account"))]


def test_masks_that_do_nothing_are_said(again):
    path, _ = again
    raster(path.parent, "cover.tif", np.arange(2000).reshape(40, 50) % 4, "uint8")
    crs = "EPSG:4326"
    with rasterio.open(path.parent / "covariates" / "land_cover.tif") as like:
        west, south, east, north = rasterio.warp.transform_bounds(like.crs, crs, *like.bounds)
    inside, far = shapely.box(west, south, east, north), shapely.box(west + 40, south, east + 40, north)
    slit = shapely.box(west + 0.5 * (east - west), south, west + 0.5 * (east - west) + 1e-7, north)
    for name, shape in (("slit", slit), ("far", far)):
        geopandas.GeoDataFrame(geometry=[shape], crs=crs).to_file(path.parent / f"{name}.gpkg")
    geopandas.GeoDataFrame({"of": ["here", "there"]}, geometry=[inside, far], crs=crs).to_file(path.parent / "parts.gpkg")
    masks = [
        {"name": "towns", "path": "cover.tif", "classes": [3, 77, 78]}, {"name": "high", "path": "cover.tif", "above": 50},
        {"name": "slit", "path": "slit.gpkg"},
    ]  # fmt: skip
    rewrite(path, lambda told: told["maps"].update(masks=masks, mask={"land_cover": [5, 999]}))
    rewrite(path, lambda told: told.update(account={"by": [{"name": "part", "path": "parts.gpkg", "column": "of"}]}))
    assert notes_on_maps(path) == [
        "maps.mask land_cover: no cell of the grid has class 999; there is 1, 2, 3, 4, 5",
        "maps.masks towns: no cell of the grid has class 77, 78; there is 0, 1, 2, 3",
        "maps.masks high: removes no cell of the grid",
        "maps.masks slit: removes no cell of the grid",
        "account.by part: 1 of 2 lie outside the grid: there",
    ]
    rewrite(path, lambda told: told["maps"]["masks"].append({"name": "far", "path": "far.gpkg"}))
    rewrite(path, lambda told: told["account"]["by"][0].update(path="far.gpkg"))
    geopandas.GeoDataFrame({"of": ["there"]}, geometry=[far], crs=crs).to_file(path.parent / "far.gpkg")
    with pytest.raises(EdaphicError) as fault:
        run.check(path)
    assert len(fault.value.faults) == 2 and all("far.gpkg: no overlap with the grid; it covers " in line for line in fault.value.faults)
    assert [what in line for what, line in zip(("account.by part: ", "maps.masks far: "), fault.value.faults, strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("depth", "said"),
    [
        (np.nan, "maps.bedrock: no cell of the grid has a depth (no finite number stands anywhere): all layers count in full"),
        (np.inf, "maps.bedrock: no cell of the grid has a depth (no finite number stands anywhere): all layers count in full"),
        (-3.0, "maps.bedrock: no cell of the grid has a depth (2,000 have a negative one): all layers count in full"),
        (np.where(np.arange(50) < 2, -3.0, 90.0), "maps.bedrock: 80 cells of the grid have a negative depth, which counts as not known"),
    ],
)
def test_a_depth_to_bedrock_that_does_nothing_is_said(again, depth, said):
    path, _ = again
    raster(path.parent, "rock.tif", np.broadcast_to(depth, (40, 50)))
    rewrite(path, lambda told: told["maps"].update(bedrock={"path": "rock.tif", "unit": "cm"}))
    assert notes_on_maps(path) == [said]


def test_a_fault_on_an_old_run_leaves_it_marked(again, monkeypatch):
    """The stage of maps fails with a new recipe: what is there of the old one is said, and stands in run.json."""
    path, out = again
    rewrite(path, lambda told: told["maps"].update(masks=[], mask={"land_cover": [4]}))
    monkeypatch.setattr("edaphic.mapping.predict.TileWork.__call__", lambda self, window: pytest.fail("a tile"))
    said: list[str] = []
    with pytest.raises(pytest.fail.Exception):
        run.run(path, out, listener=Listener(lambda *_: None, lambda text, done, total: said.append(text), lambda seconds: None))
    told = json.loads((out / "run.json").read_text())
    assert told["older"] == ["maps"] and told["stages"]["maps"]["status"] == "stale" and told["stages"]["model"]["status"] == "done"
    assert said[-1] == f"note: {out}: files of maps are those of an earlier recipe, input or version"
    assert recipe.load(out / "recipe.yaml").maps.mask == {"land_cover": (4,)}
    monkeypatch.undo()
    followed(path, out, until="maps")
    assert json.loads((out / "run.json").read_text())["older"] == []


HEAD = """
edaphic: 1
name: test
grid: {like: dem.tif}
profiles: {sources: [{horizons: horizons.csv}], layers: [0-30]}
covariates: {layers: [{path: dem.tif}]}
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("maps: {stats: [mean, q5, q95]}", r"stats\[1\]: found 'q5'; expected one of .* \(did you mean 'q05'\?\)"),
        ("maps: {stats: [mean, q05, q95, q00]}", r"found 'q00'; expected a quantile from q01 to q99"),
        ("maps: {stats: [mean, q05, q95, q995]}", r"found 'q995'; expected .* or in three digits from q011 to q989"),
        ("maps: {stats: [mean, q05, q95, q100]}", r"found 'q100'; expected q10 \(two digits .*, or q99, the largest"),
        ("maps: {stats: [mean, q05, q95, tree_q050]}", r"found 'tree_q050'; expected tree_q05 \("),
        ("maps: {stats: [mean, q05, q95, tree_q0]}", r"found 'tree_q0'; expected one of .* \(the least is tree_q01\)"),
        ("maps: {stats: [mean, q05, q95, median]}", r"found 'median'; expected one of .* \(did you mean 'q50'\?\)"),
        ("maps: {stats: [mean, q05, q95, q10, q10]}", r"stats\[4\]: found 'q10' a second time; expected each entry once"),
        ("maps: {stats: [mean, q05, q95, p_above_5]}", r"found 'p_above_5'; expected thresholds: \[5\]"),
        ("maps: {stats: [mean, q05, q95, sprad]}", r"did you mean 'spread'"),
        ("maps: {stats: [mean, q05, q95, se]}", r"stats\[3\]: found 'se' without little bags; expected model: .*little_bags: 10"),
        ("maps: {thresholds: [5, 0]}", r"thresholds\[1\]: found 0; expected a number above 0"),
        ("maps: {thresholds: [5, 5]}", r"thresholds\[1\]: found 5 a second time"),
        ("maps: {masks: [{name: a}]}", r"masks\[0\]\.path: found no such key"),
        ("maps: {masks: [{name: a, path: b.tif}]}", r"found a raster \('b\.tif'\) and nothing to leave empty; expected classes"),
        ("maps: {masks: [{name: a, path: b.tif, classes: [1], above: 2}]}", r"found classes and above; expected classes, or numbers"),
        ("maps: {masks: [{name: a, path: b.gpkg}, {name: a, path: c.gpkg}]}", r"the name 'a' a second time"),
        ("maps: {masks: [{name: a, path: b.gpkg, band: 2}]}", r"masks\[0\]\.band: found band of polygons; expected no such key"),
        ("maps: {masks: [{name: a, path: b.tif, above: 5, below: 9}]}", r"\.below: found above 5 and below 9, which leave nothing"),
        ("maps: {bedrock: {path: b.tif}}", r"bedrock\.unit: found no such key"),
        ("maps: {bedrock: {path: b.tif, unit: ft}}", r"bedrock\.unit: found 'ft'; expected 'cm' or 'm'"),
        ("maps: {period: [1985, 1990], periods: [[1985, 1990]]}", r"found period and periods; expected one of them"),
        ("maps: {periods: [[1990, 1985]]}", r"periods\[0\]: found \[1990, 1985\]"),
        ("maps: {periods: [[1990, 1995], [1985, 1990]]}", r"periods\[1\]: found \[1985, 1990\] after \[1990, 1995\]"),
        ("maps: {periods: [[1985, 1995], [1990, 1995]]}", r"periods\[1\]: found \[1990, 1995\] after \[1985, 1995\]"),
        ("maps: {periods: []}", r"periods: found an empty list"),
        ("maps: {periods: [[1985, 1990]], mean_of_periods: true}", r"found the mean of fewer than two periods"),
        ("maps: {encoding: int8}", r"encoding: found 'int8'"),
        ("maps: {window: 4}", r"window: found 4; expected a number of at least 16"),
        ("model: {target: beta}\nmaps: {bedrock: {path: b.tif, unit: m}}", r"maps\.bedrock: found bedrock beside the target beta"),
    ],
)
def test_faults_of_the_recipe_are_clear(keys, line):
    with pytest.raises(EdaphicError, match=line):
        recipe.parse(HEAD + keys)


def test_periods_that_touch_are_fine():
    told = recipe.parse(HEAD + "maps: {periods: [[1985, 1990], [1990, 1995], [1995, 1996]], mean_of_periods: true, window: null}")
    assert told.maps.periods == ((1985, 1990), (1990, 1995), (1995, 1996)) and told.maps.window is None
    assert recipe.parse(recipe.dump(told)) == told
