"""Zones that share cells, and stocks below the topsoil by beta: maps, accounts and Monte Carlo of a run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml

from edaphic import recipe, run, virtual
from edaphic.errors import EdaphicError, RecipeError

LAYERS = ["20-40", "40-60", "60-80", "80-100"]


def band(path: Path) -> np.ndarray:
    with rasterio.open(path) as opened:
        return opened.read(1, masked=True).astype(np.float64).filled(np.nan)


def write_like(path: Path, like: Path, values: np.ndarray) -> None:
    with rasterio.open(like) as opened:
        profile = {"driver": "GTiff", "crs": opened.crs, "transform": opened.transform, "width": opened.width, "height": opened.height}
    with rasterio.open(path, "w", count=1, dtype="float32", nodata=-1, **profile) as out:
        out.write(values.astype(np.float32), 1)


def told_of(change: dict[str, Any] | None = None) -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load(recipe.template("demo"))
    told["profiles"]["layers"] = ["0-100"]
    told["model"] |= {"target": "beta", "form": "layers", "zones": "land_cover", "min_zone_profiles": 20, "forest": {"trees": 20}}
    told["model"]["tune"] = {"candidates": 2, "trees": 10, "folds": 3}
    told["evidence"] |= {"folds": 3, "bootstrap": 50}
    told["maps"] |= {
        "stats": ["mean", "q05", "q50", "q95"],
        "shares": {name: {"path": f"share_{name}.tif", "unit": "%"} for name in ("cropland", "grassland")},
        "subsoil": {"topsoil": {"path": "topsoil.tif", "unit": "kg/m2", "relative_sd": 0.1}, "layers": LAYERS},
        "monte_carlo": {"draws": 40, "forests": 4, "trees": 10, "range_km": 2, "relative_width": True},
    }
    told["account"] = {"by": [{"name": "districts", "path": "districts.gpkg", "column": "district"}]}
    return told | (change or {})


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ecosystems") / "input"
    world = virtual.landscape(3, shape=(40, 50))
    sites, horizons = virtual.sample(world, 3, profiles=200)
    virtual.write(world, sites, horizons, folder, truth_layers=((0, 20), (20, 100)))
    cover = folder / "covariates" / "land_cover.tif"
    codes, rng = band(cover), np.random.default_rng(0)
    for name, code in (("cropland", 1), ("grassland", 2)):
        share = np.where(codes == code, rng.uniform(0.4, 0.7, codes.shape), rng.uniform(-0.2, 0.3, codes.shape)).clip(0)
        write_like(folder / f"share_{name}.tif", cover, share * 100)
    shutil.copy(folder / "truth" / "true_soc_stock_0-20cm.tif", folder / "topsoil.tif")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(told_of(), sort_keys=False), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def done(land: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.run(land / "recipe.yaml", tmp_path_factory.mktemp("ecosystems-run") / "run", until="account")


def test_each_zone_has_maps_where_it_has_a_share(land: Path, done: Path) -> None:
    maps = done / "maps"
    water = band(land / "covariates" / "land_cover.tif") == 5
    for name in ("cropland", "grassland"):
        found = np.isfinite(band(maps / f"beta_{name}_mean_0-100cm.tif"))
        share = band(land / f"share_{name}.tif")
        assert not (found & ~(share > 0)).any() and not (found & water).any()
        assert found.sum() > 0.95 * ((share > 0) & ~water).sum()
    both = [band(maps / f"beta_{name}_mean_0-100cm.tif") for name in ("cropland", "grassland")]
    shared = np.isfinite(both[0]) & np.isfinite(both[1])
    # One cell, two zones, two models: only where neither has a model of its own would they say the same.
    assert shared.sum() > 100 and (both[0] != both[1])[shared].mean() > 0.9


def test_stocks_follow_from_beta_and_topsoil(land: Path, done: Path) -> None:
    maps = done / "maps"
    topsoil = band(land / "topsoil.tif")
    means = {layer: band(maps / f"soc_stock_cropland_mean_{layer}cm.tif") for layer in ("0-20", *LAYERS, "20-100", "0-100")}
    mapped = np.isfinite(means["20-40"])
    np.testing.assert_allclose(means["0-20"][mapped], topsoil[mapped], rtol=1e-6)
    np.testing.assert_allclose(sum(means[layer] for layer in LAYERS)[mapped], means["20-100"][mapped], rtol=1e-6)
    np.testing.assert_allclose((means["0-20"] + means["20-100"])[mapped], means["0-100"][mapped], rtol=1e-6)
    low, high = (band(maps / f"soc_stock_cropland_{stat}_20-100cm.tif") for stat in ("q05", "q95"))
    assert (low[mapped] < means["20-100"][mapped]).all() and (means["20-100"][mapped] < high[mapped]).all()
    with rasterio.open(maps / "soc_stock_cropland_mean_20-40cm.tif") as opened:
        assert opened.units[0] == "kg/m2" and opened.tags()["EDAPHIC_ZONE"] == "cropland"
    assert (maps / "soc_stock_cropland_mean_20-40cm.qml").is_file() and (maps / "soc_stock_cropland_mean_20-40cm.json").is_file()
    assert "soc_stock_cropland_mean_20-40cm" in (maps / "catalog.json").read_text()


def test_stocks_count_shares_of_cells(land: Path, done: Path) -> None:
    table = pd.read_csv(done / "tables" / "stocks.csv", dtype={"class": str})
    share = {name: np.clip(np.nan_to_num(band(land / f"share_{name}.tif")) / 100, 0, None) for name in ("cropland", "grassland")}
    density = {name: band(done / "maps" / f"soc_stock_{name}_mean_20-100cm.tif") for name in share}
    rows = table[(table["top_cm"] == 20) & (table["bottom_cm"] == 100)].set_index(["by", "class_name"])["total_Tg"]
    for name in share:  # cells of 250 m, but for the scale of the projection
        expected = np.nansum(share[name] * density[name]) * 250**2 / 1e9
        assert rows["land_cover", name] == pytest.approx(expected, rel=0.01)
    assert rows["land_cover", "cropland"] + rows["land_cover", "grassland"] == pytest.approx(rows["all", "all"], rel=1e-12)
    districts = rows.loc["districts"]
    assert districts.sum() == pytest.approx(rows["all", "all"], rel=1e-12)
    assert rows["all", "all"] > 0 and table["cells"].max() <= 2000


def test_monte_carlo_draws_stocks_of_all_zones_together(done: Path) -> None:
    said = pd.read_csv(done / "tables" / "monte_carlo.csv", dtype={"class": str})
    drawn = pd.read_parquet(done / "tables" / "monte_carlo_realisations.parquet")
    assert set(said["layer"]) == {f"{layer} cm" for layer in ("0-20", *LAYERS, "20-100", "0-100")}
    whole = drawn[drawn["layer"] == "20-100 cm"].pivot_table(index="realisation", columns=["by", "name"], values="total")
    zones = whole["land_cover"].sum(axis=1)
    np.testing.assert_allclose(zones, whole["all"].iloc[:, 0], rtol=1e-9)
    parts = [drawn[(drawn["layer"] == f"{layer} cm") & (drawn["by"] == "all")]["total"].to_numpy() for layer in LAYERS]
    np.testing.assert_allclose(sum(parts), whole["all"].iloc[:, 0], rtol=1e-4)
    beta = pd.read_csv(done / "tables" / "monte_carlo_beta.csv")
    assert beta["mean"].between(0.9, 1.0).all()
    maps = done / "maps" / "monte_carlo"
    width = band(maps / "soc_stock_cropland_mc_relative_width_20-40cm.tif")
    low, high, mean = (band(maps / f"soc_stock_cropland_mc_{stat}_20-40cm.tif") for stat in ("q025", "q975", "mean"))
    np.testing.assert_allclose(width, (high - low) / mean, rtol=1e-4)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "shares without zones": ({"model": {"target": "beta", "form": "layers"}}, r"maps\.shares: found shares without model\.zones"),
    "another target": (
        {"model": {"target": "soc_stock", "zones": "land_cover"}},
        r"maps\.subsoil: found subsoil beside the target soc_stock",
    ),
    "a product beside zones": (
        {"account": {"compare": [{"name": "x", "path": "topsoil.tif", "layer": "0-20", "unit": "kg/m2"}]}},
        r"account\.compare: found compare beside maps\.shares",
    ),
    "too deep": ({"profiles": 60}, r"maps\.subsoil\.layers\[2\]: found '60-80'; expected layers between 20 cm.*60 cm"),
}


@pytest.mark.parametrize("case", WRONG)
def test_recipes_that_contradict_themselves(case: str) -> None:
    change, line = WRONG[case]
    told = told_of()
    if "profiles" in change:
        told["profiles"]["layers"] = [f"0-{change['profiles']}"]
    else:
        told |= change
    with pytest.raises(RecipeError, match=line):
        recipe.parse(yaml.safe_dump(told), "recipe.yaml")


def test_subsoil_needs_the_median_and_one_time() -> None:
    told = told_of()
    told["maps"]["stats"] = ["mean", "q05", "q95"]
    del told["maps"]["period"]
    told["maps"]["periods"] = [[1990, 2000], [2000, 2010]]
    with pytest.raises(RecipeError) as found:
        recipe.parse(yaml.safe_dump(told), "recipe.yaml")
    lines = "\n".join(found.value.faults)
    assert "q50 among them" in lines and "maps.shares: found shares beside maps of several periods" in lines


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda maps: maps["shares"].update(forst={"path": "topsoil.tif", "unit": "1"}), r"'forst', which is no class of land_cover"),
        (lambda maps: maps["shares"]["cropland"].update(unit="1"), r"maps\.shares: share of cropland: up to .*is % the unit"),
        (lambda maps: maps["shares"]["cropland"].update(path="gone.tif"), r"maps\.shares\.cropland\.path.*gone\.tif"),
        (lambda maps: maps["subsoil"]["topsoil"].update(path="gone.tif"), r"maps\.subsoil\.topsoil\.path.*gone\.tif"),
    ],
)
def test_files_and_names_are_looked_at_first(land: Path, tmp_path: Path, change: Any, line: str) -> None:
    told = told_of()
    change(told["maps"])
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(told | {"root": str(land)}), encoding="utf-8")
    with pytest.raises(EdaphicError, match=line):
        run.check(path)
