"""The virtual landscape: its truth is exact, its files are a user's, it can be learnt but not by heart."""

from __future__ import annotations

import hashlib
from dataclasses import FrozenInstanceError
from importlib.resources import files
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import yaml
from rasterio.vrt import WarpedVRT
from rasterio.warp import Resampling
from rasterio.warp import transform as project
from scipy.integrate import quad
from scipy.spatial import cKDTree
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import cross_val_predict

from edaphic import virtual
from edaphic.errors import GridError, TableError
from edaphic.units import KG_PER_TG

SMALL = (40, 50)
NAMES = (
    "clay",
    "elevation",
    "elevation_radar",
    "land_cover",
    "ndvi",
    "noise",
    "parent_material",
    "precipitation",
    "slope",
    "temperature",
    "wetness",
)


@pytest.fixture(scope="module")
def land() -> virtual.Landscape:
    return virtual.landscape(7)


@pytest.fixture(scope="module")
def tables(land: virtual.Landscape) -> tuple[pd.DataFrame, pd.DataFrame]:
    return virtual.sample(land, 7)


@pytest.fixture(scope="module")
def folder(
    land: virtual.Landscape, tables: tuple[pd.DataFrame, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("raw") / "demo"
    virtual.write(land, *tables, path)
    return path


def small(seed: int, path: Path) -> dict[str, str]:
    """SHA-256 of each file of a small landscape."""
    land = virtual.landscape(seed, shape=SMALL)
    virtual.write(land, *virtual.sample(land, seed, profiles=80), path)
    found = (each for each in path.rglob("*") if each.is_file())
    return {str(each.relative_to(path)): hashlib.sha256(each.read_bytes()).hexdigest() for each in found}


def places(land: virtual.Landscape, sites: pd.DataFrame) -> np.ndarray:
    """Rows and columns (2, n) of the sites, with fractions."""
    x, y = project("EPSG:4326", land.crs, sites["LON"].to_list(), sites["LAT"].to_list())
    col, row = ~land.transform * (np.array(x), np.array(y))
    return np.array([row, col])


def cells(land: virtual.Landscape, sites: pd.DataFrame) -> np.ndarray:
    return np.floor(places(land, sites)).astype(int)


class Still:
    """A generator of random numbers that has none: a laboratory without errors."""

    def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros(shape)


# --- the truth -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("top", "bottom"), [(0, 30), (30, 60), (60, 100), (12.5, 187.0)])
def test_stock_is_the_integral_of_density(land: virtual.Landscape, top: float, bottom: float) -> None:
    row, col = (index[::4000] for index in np.nonzero(land.access))
    stock = land.true_stock_kg_m2(top, bottom)
    for r, c in zip(row, col, strict=True):
        mass, _ = quad(lambda z, r=r, c=c: land.true_density_kg_m3(z)[r, c], top, bottom)
        assert stock[r, c] == pytest.approx(mass / 100, rel=1e-10)


def test_stocks_add_up_over_layers(land: virtual.Landscape) -> None:
    parts = [land.true_stock_kg_m2(top, bottom) for top, bottom in ((0, 30), (30, 60), (60, 100))]
    np.testing.assert_allclose(sum(parts), land.true_stock_kg_m2(0, 100), rtol=1e-12)


def test_stock_by_hand() -> None:
    one = np.ones((1, 1))
    land = virtual.landscape(1, shape=(8, 8))
    by_hand = virtual.Landscape(
        1, land.transform, {}, {}, (20.0 * one, 2.0 * one, 25.0 * one), one, one, one
    ).true_stock_kg_m2(0, 25)
    assert by_hand[0, 0] == pytest.approx(20 * 0.25 * (1 - np.exp(-1)) + 2 * 0.25)


def test_stocks_are_plausible_and_missing_on_water_only(land: virtual.Landscape) -> None:
    for layer, low, high in (((0, 30), 1.5, 16), ((0, 100), 3, 30)):
        stock = land.true_stock_kg_m2(*layer)
        np.testing.assert_array_equal(np.isnan(stock), land.covariates["land_cover"] == 5)
        assert low < np.nanquantile(stock, 0.005) < np.nanquantile(stock, 0.995) < high
    total = np.nansum(land.true_stock_kg_m2(0, 30)) * 250**2 / KG_PER_TG
    assert 4 < total < 8


def test_content_times_bulk_density_times_fine_earth_is_density(land: virtual.Landscape) -> None:
    row, col = (index[::7] for index in np.nonzero(land.access))
    pedons = virtual.dig(land, row, col, np.random.default_rng(3))
    depth = np.array([0.0, 4.0, 31.0, 99.0, 160.0])
    product = pedons.soc_g_kg(depth) * pedons.bulk_density_g_cm3(depth) * pedons.fine_earth(depth)
    np.testing.assert_allclose(product, pedons.density_kg_m3(depth), rtol=1e-12)
    bulk_density, earth = pedons.bulk_density_g_cm3(depth), pedons.fine_earth(depth)
    assert bulk_density.min() > 0.2
    assert bulk_density.max() < 2.3
    assert pedons.soc_g_kg(depth).max() < 400
    assert earth.min() > 0.3
    assert earth.max() < 1.0


def test_horizon_means_multiply_to_the_mean_density(land: virtual.Landscape) -> None:
    row, col = (index[::11] for index in np.nonzero(land.access))
    pedons = virtual.dig(land, row, col, np.random.default_rng(3))
    upper, lower = np.full(len(row), 12.0), np.full(len(row), 47.0)
    carbon, bulk_density, stones = virtual._laboratory(Still(), pedons, upper, lower)
    fall = np.exp(-12.0 / pedons.scale_cm) - np.exp(-47.0 / pedons.scale_cm)
    mean = (pedons.surface_kg_m3 * pedons.scale_cm * fall / 35.0 + pedons.base_kg_m3)[:, 0]
    # Tables are rounded to 0.01 %, 0.01 g/cm3 and 1 %; nothing else may separate the two.
    rounding = 0.005 / carbon + 0.005 / bulk_density + 0.5 / (100 - stones)
    error = carbon * 10 * bulk_density * (1 - stones / 100) / mean - 1
    assert np.all(np.abs(error) < 1.01 * rounding)
    assert abs(error.mean()) < 0.001


def test_profiles_scatter_around_the_cell_without_bias(land: virtual.Landscape) -> None:
    row, col = (index[len(index) // 2] for index in np.nonzero(land.access))
    n = 40_000
    pedons = virtual.dig(land, np.full(n, row), np.full(n, col), np.random.default_rng(5))
    ratio = pedons.density_kg_m3(np.array([20.0]))[:, 0] / land.true_density_kg_m3(20.0)[row, col]
    assert ratio.mean() == pytest.approx(1.0, abs=4 * virtual.NUGGET / np.sqrt(n))
    assert np.log(ratio).std() == pytest.approx(virtual.NUGGET, rel=0.02)


def test_covariates_are_what_they_claim(land: virtual.Landscape) -> None:
    assert sorted(land.covariates) == sorted(NAMES)
    cov = {name: values.ravel() for name, values in land.covariates.items()}
    assert np.corrcoef(cov["elevation"], cov["elevation_radar"])[0, 1] > 0.99
    assert abs(np.corrcoef(cov["elevation"], cov["temperature"])[0, 1]) < 0.95
    soil = ~np.isnan(land.true_stock_kg_m2(0, 30)).ravel()
    stock = np.log(land.true_stock_kg_m2(0, 30).ravel()[soil])
    assert abs(np.corrcoef(cov["noise"][soil], stock)[0, 1]) < 0.03
    assert set(np.unique(cov["land_cover"])) == set(virtual.LAND_COVER)
    assert set(np.unique(cov["parent_material"])) == set(virtual.PARENT_MATERIAL)
    np.testing.assert_allclose(land.terrain["elevation"][4:6, 8:10].mean(), land.covariates["elevation"][2, 4])


def test_nothing_can_be_changed(land: virtual.Landscape) -> None:
    with pytest.raises(FrozenInstanceError):
        land.seed = 8  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        land.covariates["clay"][0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        land.density[0][0, 0] = 1.0
    with pytest.raises(TypeError):
        land.covariates["clay"] = land.access  # type: ignore[index]


# --- the sample ------------------------------------------------------------------------------------------------------


def test_faults_are_in_the_table_as_often_as_stated(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    _, horizons = tables
    repeated = horizons.duplicated()
    rows = horizons[~repeated]
    found = {
        "repeated": int(repeated.sum()),
        "reversed": int((rows["UPPER"] > rows["LOWER"]).sum()),
        "no depth": int(rows["LOWER"].isna().sum()),
        "no carbon": int(rows["OC_PCT"].isna().sum()),
        "slip": int((rows["BD"] > 2.65).sum()),
    }
    # Neighbours of a spoilt row are sound, so that what is no reversed row shows gaps and overlaps by itself.
    swap = rows["UPPER"] > rows["LOWER"]
    upper, lower = rows["UPPER"].where(~swap, rows["LOWER"]), rows["LOWER"].where(~swap, rows["UPPER"])
    after = rows["PROFILE"].eq(rows["PROFILE"].shift())
    found["overlap"] = int((after & (upper < lower.shift())).sum())
    found["gap"] = int((after & (upper > lower.shift())).sum())
    horizons_there_were = len(rows) + found["gap"]
    assert found == {fault: round(share * horizons_there_were) for fault, share in virtual.FAULTS.items()}
    assert min(found.values()) >= 5


def test_even_a_small_sample_has_each_fault() -> None:
    land = virtual.landscape(2, shape=SMALL)
    _, horizons = virtual.sample(land, 2, profiles=12)
    assert horizons.duplicated().sum() == 1
    assert (horizons["UPPER"] > horizons["LOWER"]).sum() == 1
    assert horizons["LOWER"].isna().sum() == 1
    assert horizons["OC_PCT"].isna().sum() == 1


def test_what_was_not_measured_and_how_deep(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    sites, horizons = tables
    assert 0.6 < horizons["BD"].isna().mean() < 0.73
    assert 0.12 < horizons["STONES"].isna().mean() < 0.28
    deepest = horizons.groupby("PROFILE")[["UPPER", "LOWER"]].max().max(axis=1)
    assert deepest.max() <= 160
    assert 0.4 < (deepest >= 100).mean() < 0.8
    assert (horizons["LOWER"] - horizons["UPPER"]).abs().min() >= 4
    assert len(horizons["UPPER"].unique()) > 60
    assert list(sites["PROFILE"]) == list(dict.fromkeys(horizons["PROFILE"]))
    assert sites["YEAR"].between(1996, 2019).all()


@pytest.mark.parametrize("seed", [1, 7])
def test_clustered_sample_is_clustered_and_reaches_every_cover(seed: int) -> None:
    land = virtual.landscape(seed)
    index = {}
    for clustered in (True, False):
        sites, _ = virtual.sample(land, seed, clustered=clustered)
        row, col = cells(land, sites)
        assert len(set(zip(row, col, strict=True))) == 400
        assert np.all(land.access[row, col] > 0)
        points = places(land, sites).T
        nearest = cKDTree(points).query(points, k=2)[0][:, 1]
        # Clark and Evans (1954): mean distance to the nearest neighbour over that of a random pattern.
        index[clustered] = nearest.mean() / (0.5 * np.sqrt(np.count_nonzero(land.access) / 400))
        if clustered:
            assert pd.Series(land.covariates["land_cover"][row, col]).value_counts().reindex([1, 2, 3, 4]).min() >= 10
            assert land.covariates["elevation"][row, col].mean() < 0.8 * land.covariates["elevation"].mean()
    assert index[True] < 0.85
    assert 0.95 < index[False] < 1.15


def test_every_cell_can_be_sampled() -> None:
    land = virtual.landscape(3, shape=(12, 10))
    count = np.count_nonzero(land.access)
    sites, _ = virtual.sample(land, 1, profiles=count)
    assert len(set(zip(*cells(land, sites), strict=True))) == count


def test_faulty_arguments() -> None:
    with pytest.raises(GridError, match="expected 8 x 8"):
        virtual.landscape(1, shape=(7, 20))
    with pytest.raises(GridError, match="above 0 m"):
        virtual.landscape(1, resolution_m=0.0)
    land = virtual.landscape(1, shape=(8, 8))
    for profiles in (9, 65):
        with pytest.raises(TableError, match=f"{profiles} profiles; expected 10 to"):
            virtual.sample(land, 1, profiles=profiles)


# --- the files -------------------------------------------------------------------------------------------------------


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path) -> None:
    option = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    first, again, other = (small(seed, tmp_path / name) for seed, name in ((4, "a"), (4, "b"), (5, "c")))
    assert first == again
    assert first.keys() == other.keys()
    assert not [name for name in first if first[name] == other[name]]
    assert small(4, tmp_path / "c") == first, "files of an earlier landscape are replaced"
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") == option


@pytest.mark.parametrize("name", NAMES)
def test_rasters_open_with_all_that_a_raster_needs(folder: Path, land: virtual.Landscape, name: str) -> None:
    with rasterio.open(folder / "covariates" / f"{name}.tif") as raster:
        coarse = name in ("temperature", "precipitation")
        assert raster.crs.to_string() == ("EPSG:4326" if coarse else "EPSG:32633")
        assert raster.nodata is not None
        assert raster.descriptions == (name,)
        fine = name in ("elevation", "slope", "wetness")
        assert raster.res == pytest.approx((1 / 120,) * 2 if coarse else (125.0,) * 2 if fine else (250.0,) * 2)
        # Brought to the grid as a user's raster would be, it shows the landscape's own values.
        way = Resampling.bilinear if coarse else Resampling.average if fine else Resampling.nearest
        height, width = land.access.shape
        grid = {"crs": land.crs, "transform": land.transform, "height": height, "width": width}
        with WarpedVRT(raster, resampling=way, dtype="float64", nodata=-1e9, **grid) as there:
            values = np.where(there.read(1) == -1e9, np.nan, there.read(1)) * raster.scales[0] + raster.offsets[0]
    truth = land.covariates[name]
    water = land.covariates["land_cover"] == 5
    np.testing.assert_array_equal(np.isnan(values), water if name == "ndvi" else np.zeros_like(water))
    difference = np.abs(values - truth)[~np.isnan(values)]
    if coarse:
        assert 0 < np.sqrt(np.mean(difference**2)) < 0.25 * truth.std()
    else:
        assert difference.max() <= {"elevation": 0.51, "ndvi": 0.000201}.get(name, 1e-4)


def test_classes_are_whole_numbers(folder: Path) -> None:
    for name, classes in (("land_cover", virtual.LAND_COVER), ("parent_material", virtual.PARENT_MATERIAL)):
        with rasterio.open(folder / "covariates" / f"{name}.tif") as raster:
            assert raster.dtypes == ("uint8",)
            assert set(np.unique(raster.read(1))) == set(classes)


def test_truth_files_hold_the_truth(folder: Path, land: virtual.Landscape) -> None:
    for top, bottom in ((0, 30), (30, 60), (60, 100), (0, 100)):
        with rasterio.open(folder / "truth" / f"true_soc_stock_{top}-{bottom}cm.tif") as raster:
            assert (raster.dtypes, raster.units) == (("float32",), ("kg/m2",))
            assert np.isnan(raster.nodata)
            np.testing.assert_allclose(raster.read(1), land.true_stock_kg_m2(top, bottom), rtol=1e-6)


def test_tables_come_back_as_they_were(folder: Path, tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    for name, table in zip(("sites", "horizons"), tables, strict=True):
        pd.testing.assert_frame_equal(pd.read_csv(folder / f"{name}.csv"), table, check_dtype=False)


def test_districts_cover_the_grid_once(folder: Path, land: virtual.Landscape) -> None:
    districts = geopandas.read_file(folder / "districts.gpkg")
    assert set(districts["district"]) <= set(virtual.DISTRICTS)
    assert len(districts) >= 4
    assert districts.crs.to_epsg() == 32633
    assert districts.area.sum() == pytest.approx(land.access.size * 250**2)
    assert districts.union_all().area == pytest.approx(land.access.size * 250**2)


def test_demo_recipe_names_files_columns_and_classes_that_exist(
    folder: Path, tables: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    recipe = yaml.safe_load((files("edaphic") / "recipes" / "demo.yaml").read_text(encoding="utf-8"))
    source = recipe["profiles"]["sources"][0]
    named = [recipe["grid"]["like"], source["horizons"], source["sites"]]
    named += [layer["path"] for layer in recipe["covariates"]["layers"] if "*" not in layer["path"]]
    named += [truth["path"] for truth in recipe["account"]["truth"]] + [recipe["account"]["by"][1]["path"]]
    assert not [path for path in named if not (folder / path).is_file()]
    columns = {column["column"] if isinstance(column, dict) else column for column in source["columns"].values()}
    assert columns <= {*tables[0], *tables[1]}
    classes = {Path(layer["path"]).stem: layer.get("classes") for layer in recipe["covariates"]["layers"]}
    assert classes["land_cover"] == virtual.LAND_COVER
    assert classes["parent_material"] == virtual.PARENT_MATERIAL


# --- what a model can make of it -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3, 7])
def test_a_forest_learns_half_of_it_and_more(seed: int) -> None:
    land = virtual.landscape(seed)
    sites, horizons = virtual.sample(land, seed)
    rows = horizons.dropna(subset=["UPPER", "LOWER", "OC_PCT"]).drop_duplicates()
    rows = rows[rows["UPPER"] < rows["LOWER"]]
    bulk_density = rows["BD"].where(rows["BD"] < 2.65).fillna(1.66 - 0.318 * np.sqrt(rows["OC_PCT"]))
    density = rows["OC_PCT"] * 10 * bulk_density * (1 - rows["STONES"].fillna(4) / 100)
    thickness = (rows["LOWER"].clip(upper=30) - rows["UPPER"]).clip(lower=0)
    sums = pd.DataFrame({"cm": thickness, "stock": thickness * density / 100}).groupby(rows["PROFILE"]).sum()
    stock = sums["stock"].where(sums["cm"] >= 30).reindex(sites["PROFILE"]).to_numpy()
    seen = ~np.isnan(stock)
    row, col = cells(land, sites)
    x, y = np.column_stack([values[row, col] for values in land.covariates.values()])[seen], np.log(stock[seen])
    forest = RandomForestRegressor(100, max_features=0.4, min_samples_leaf=2, random_state=0)
    held_out = cross_val_predict(forest, x, y, cv=5)
    assert seen.sum() > 340
    assert 0.4 < 1 - np.mean((y - held_out) ** 2) / y.var() < 0.72
