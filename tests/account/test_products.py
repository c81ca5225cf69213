"""Products on one grid: cells of other sizes and projections, other units, contents; then all of it compared, by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from edaphic.account.products.comparing import compare_products
from edaphic.account.products.opening import Band, Product, ProductLayer, common_grid, known_unit, open_product, shared_inputs, unit_of
from edaphic.account.totals import ClassLayer
from edaphic.covariates.grid import Window
from edaphic.errors import EdaphicError, GridError, ModelError, RasterError, UnitError

WEST, NORTH = 4_321_000.0, 3_210_000.0
LAYER = (0.0, 30.0)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def save(name: str, values: Any, *, size: float = 1000.0, crs: str = "EPSG:3035", west: float = WEST, north: float = NORTH,
             unit: str = "", nodata: float = -9999.0) -> Path:  # fmt: skip
        array = np.asarray(values, dtype=np.float32)
        array = np.where(np.isfinite(array), array, nodata).astype(np.float32)
        path = tmp_path / f"{name}.tif"
        how = {"driver": "GTiff", "count": 1, "height": array.shape[0], "width": array.shape[1], "dtype": "float32", "nodata": nodata}
        with rasterio.open(path, "w", crs=crs, transform=Affine(size, 0, west, 0, -size, north), **how) as file:
            file.write(array, 1)
            if unit:
                file.units = (unit,)
        return path

    return save


def grid_of(height: int, width: int, size: float = 1000.0) -> GeoBox:
    return GeoBox((height, width), Affine(size, 0, WEST, 0, -size, NORTH), "EPSG:3035")


def product(name: str, path: Path, unit: str | None = "kg/m2", layer: tuple[float, float] = LAYER, **options: Any) -> Product:
    return Product(name, (ProductLayer(layer, Band(path, unit), **options),))


def read(one: Product, grid: GeoBox, target: tuple[float, float] = LAYER, **options: Any) -> np.ndarray:
    return open_product(one, grid, target, **options).read(Window(0, 0, grid.height, grid.width))


def numbered(height: int, width: int) -> np.ndarray:
    return np.arange(1.0, height * width + 1.0).reshape(height, width)


# ---- one grid ----


@pytest.mark.parametrize("times", [2, 10])
def test_finer_cells_are_averaged_by_area(write: Write, times: int) -> None:
    """Our own map, 100 m, on cells of 1 km: the mean of the cells within; a total keeps itself."""
    values = np.random.default_rng(1).uniform(2.0, 8.0, (4 * times, 3 * times)).astype(np.float32)
    path = write("fine", values, size=1000.0 / times)
    found = read(product("fine", path), grid_of(4, 3))
    expected = values.reshape(4, times, 3, times).mean(axis=(1, 3), dtype=np.float64)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_cells_a_little_finer_are_averaged_too(write: Write) -> None:
    """Cells of 2/3 km: along a row the first cell of 1 km takes all of one and half of the next."""
    path = write("fine", np.array([[3.0, 6.0, 9.0]] * 3), size=2000.0 / 3.0)
    np.testing.assert_allclose(read(product("fine", path), grid_of(2, 2)), [[4.0, 8.0]] * 2, rtol=1e-6)


def test_another_projection(write: Write) -> None:
    """A constant stays one, whatever the projection; where the product ends there is no value."""
    path = write("degrees", np.full((60, 60), 55.0), size=0.05, crs="EPSG:4326", west=8.5, north=53.5)
    grid = GeoBox((50, 50), Affine(1000.0, 0, WEST, 0, -1000.0, NORTH), "EPSG:3035")
    np.testing.assert_allclose(read(product("degrees", path, "t/ha"), grid), 5.5, rtol=1e-6)


def test_the_grid_of_the_coarsest_cut_to_ours(write: Write) -> None:
    ours = product("ours", write("ours", np.ones((20, 30)), size=100.0))
    coarse = product("coarse", write("coarse", np.ones((50, 50)), west=WEST - 10_000.0, north=NORTH + 10_000.0))
    middle = product("middle", write("middle", np.ones((10, 15)), size=200.0))
    grid, name = common_grid([ours, middle, coarse], "coarsest")
    assert name == "coarse" and grid.shape == (2, 3)
    assert (grid.affine.c, grid.affine.f, grid.affine.a) == (WEST, NORTH, 1000.0)
    assert common_grid([ours, middle, coarse])[1] == "ours"
    assert common_grid([coarse, ours], "coarsest") == common_grid([coarse, ours])
    with pytest.raises(GridError, match="expected ours or coarsest"):
        common_grid([ours], "finest")


# ---- one unit ----


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("kg/m2", 1), ("t/ha", 10), ("Mg/ha", 10), ("g/m2", 1000), ("kg m-2", 1), ("Mg C ha-1", 10), ("g/cm2", 0.1), ("kg/m3", 1 / 0.3)],
)
def test_units(write: Write, unit: str, factor: float) -> None:
    path = write("stock", numbered(2, 3) * factor)
    np.testing.assert_allclose(read(product("x", path, unit), grid_of(2, 3)), numbered(2, 3), rtol=1e-6)
    assert known_unit(unit) is not None


def test_the_unit_of_the_file(write: Write) -> None:
    path = write("told", numbered(2, 2) * 10.0, unit="t/ha")
    np.testing.assert_allclose(read(product("x", path, None), grid_of(2, 2)), numbered(2, 2), rtol=1e-6)
    unit, notes = unit_of("x", Band(path, "kg/m2"))
    assert unit == "kg/m2" and "in place of the t/ha" in notes[0]


def test_a_content_becomes_a_stock(write: Write) -> None:
    """20 g/kg x 1300 kg/m3 x 0.3 m x (1 - 0.1) = 7.02 kg/m2; 130 cg/cm3 is 1.3 g/cm3, 100 per mille a tenth."""
    soc, bulk, stones = write("soc", [[20.0, 10.0]]), write("bd", [[130.0, 130.0]]), write("cf", [[0.1, np.nan]])
    one = product("x", soc, "g/kg", bulk_density=Band(bulk, "cg/cm3"), coarse_fragments=Band(stones, "vol_fraction"))
    found = read(one, grid_of(1, 2))
    assert found[0, 0] == pytest.approx(7.02, rel=1e-6) and np.isnan(found[0, 1])
    opened = open_product(product("x", soc, "g/kg", bulk_density=Band(bulk, "cg/cm3")), grid_of(1, 2), LAYER)
    assert opened.read(Window(0, 0, 1, 2))[0].tolist() == pytest.approx([7.8, 3.9])
    assert any("no coarse fragments given; none assumed" in note for note in opened.notes)


def test_layers_and_the_factor(write: Write) -> None:
    grid = grid_of(2, 2)
    path = write("a", numbered(2, 2))
    one = open_product(product("GSOC", path), grid, (0, 20))
    np.testing.assert_allclose(one.read(Window(0, 0, 2, 2)), 0.7356 * numbered(2, 2), rtol=1e-3)
    assert any("factor 0.7356 to 0-20 cm" in note for note in one.notes)
    both = Product("two", (ProductLayer(LAYER, Band(path, "t/ha")), ProductLayer((30, 100), Band(write("b", numbered(2, 2)), "kg/m2"))))
    np.testing.assert_allclose(read(both, grid, (0, 100)), 1.1 * numbered(2, 2), rtol=1e-6)


# ---- compared ----


def opened(write: Write, grid: GeoBox, **maps: Any) -> list[Any]:
    return [open_product(product(name, write(name, values)), grid, LAYER) for name, values in maps.items()]


def test_compared_by_hand(write: Write) -> None:
    """Cells of 1 km2: ours 2 4 6 -, theirs 1 2 - 8, third 2 4 6 8."""
    grid, nan = grid_of(1, 4), np.nan
    ours, theirs, third = opened(write, grid, ours=[[2, 4, 6, nan]], theirs=[[1, 2, nan, 8]], third=[[2, 4, 6, 8]])
    codes = np.array([[1.0, 1.0, 2.0, nan]])
    taken: dict[str, np.ndarray] = {}
    found = compare_products(
        ours, [theirs, third], grid, LAYER, classes=[ClassLayer("land", lambda w: codes, {1: "forest"})],
        cells=(np.array([0, 0, -1]), np.array([0, 3, -1])), sink=lambda window, maps: taken.update(maps),
    )  # fmt: skip
    rows = found.comparison.set_index("name")
    assert rows.loc["theirs", "cells"] == 2 and rows.loc["theirs", "factor"] == pytest.approx(2.0)
    assert rows.loc["theirs", "total_ours_Tg"] == pytest.approx(0.006, rel=1e-4)
    assert rows.loc["third", "pearson_r"] == pytest.approx(1.0) and "agreement" in rows.loc["third", "label"]
    pairs = found.pairs.set_index(["ours", "theirs", "weights"])
    assert len(pairs) == 6 and pairs.loc[("theirs", "third", "cells"), "cells"] == 3
    assert pairs.loc[("ours", "theirs", "cells"), "bias"] == 1.5
    assert pairs.loc[("ours", "theirs", "area"), "rmse"] == pytest.approx(np.sqrt(2.5), rel=1e-6)
    np.testing.assert_allclose(taken["cv"][0], 100 * np.array([np.sqrt(1 / 3) / (5 / 3), np.sqrt(4 / 3) / (10 / 3), 0.0, 0.0]), atol=1e-12)
    assert taken["count"].tolist() == [[3.0, 3.0, 2.0, 2.0]]
    apart = taken["relative_difference theirs"][0]
    assert apart[:2].tolist() == [50.0, 50.0] and np.isnan(apart[2:]).all()
    cv = found.cv.set_index("class_name")["mean_cv_pct"]
    assert cv["forest"] == pytest.approx(100 * np.sqrt(1 / 3) / (5 / 3), rel=1e-6)
    assert cv["class 2"] == 0.0 and cv["unclassified"] == 0.0
    assert any("no name for 1 of 2 codes (2)" in note for note in found.notes)
    totals = found.totals.set_index(["product", "rows", "class_name"])
    assert totals.loc[("third", "own", "all"), "cells"] == 4 and totals.loc[("third", "common", "all"), "cells"] == 2
    assert totals.loc[("ours", "own", "class 2"), "mean_kg_m2"] == pytest.approx(6.0)
    assert found.taylor["cells"].tolist() == [2, 2]
    assert found.at_points["ours"][0] == 2.0 and np.isnan(found.at_points["ours"][1:]).all() and found.at_points["theirs"][1] == 8.0
    assert found.samples["theirs"].tolist() == [[2.0, 4.0], [1.0, 2.0]]


@pytest.mark.parametrize(
    ("slip", "said"), [(0.1, "near 10"), (0.01, "near 100"), (10.0, "near 0.1"), (1 / 0.58, "near 0.58"), (0.08, "not far from 10")]
)
def test_a_product_in_another_unit_is_named(write: Write, slip: float, said: str) -> None:
    grid, values = grid_of(5, 5), numbered(5, 5)
    ours, theirs = opened(write, grid, ours=values, theirs=values * slip)
    row = compare_products(ours, [theirs], grid, LAYER).comparison.iloc[0]
    assert row["factor"] == pytest.approx(1 / slip, rel=1e-5) and said in row["explanation"]


def test_windows_do_not_matter(write: Write) -> None:
    rng = np.random.default_rng(3)
    grid = grid_of(30, 40)
    some = {name: np.where(rng.random((30, 40)) < 0.8, rng.gamma(4.0, 2.0, (30, 40)), np.nan) for name in ("ours", "a", "b")}
    ours, *others = opened(write, grid, **some)
    one, cut = (compare_products(ours, others, grid, LAYER, window_size=size, limit=300) for size in (512, 7))
    for name in ("pairs", "taylor", "totals", "cv", "comparison"):
        numbers = getattr(one, name).select_dtypes("number")
        np.testing.assert_allclose(numbers, getattr(cut, name).select_dtypes("number"), rtol=1e-12)
    assert {name: np.sort(own[0]).tolist() for name, own in one.samples.items()} == {
        name: np.sort(own[0]).tolist() for name, own in cut.samples.items()
    }
    assert "every 2th row" in one.comparison["explanation"][0]


def test_shared_inputs() -> None:
    grids = Product("SoilGrids250m", (), uses=("MODIS",))
    assert "comes from this product" in shared_inputs(grids, ["clay (SoilGrids_clay_0-5.tif)"])
    assert shared_inputs(grids, ["elevation"]) == ""
    assert 'both use "MODIS"' in shared_inputs(grids, ["NDVI of MODIS"])
    assert shared_inputs(Product("rf", ()), ["rfactor"]) == ""  # too short a name to be found in others


# ---- faults ----


def faults(wanted: type[EdaphicError], one: Product, grid: GeoBox, target: tuple[float, float] = LAYER) -> str:
    with pytest.raises(wanted) as caught:
        open_product(one, grid, target)
    assert len(caught.value.faults) == 1
    return caught.value.faults[0]


def test_bad_products(write: Write, tmp_path: Path) -> None:
    grid, path = grid_of(2, 2), write("x", numbered(2, 2))
    far = write("far", numbered(2, 2), west=WEST + 1e6)
    assert "no overlap with the grid" in faults(RasterError, product("x", far), grid)
    assert "no such file" in faults(RasterError, product("x", tmp_path / "missing.tif"), grid)
    assert "no unit given, and the file says none" in faults(UnitError, product("x", path, None), grid)
    assert "unit 'bushels'" in faults(UnitError, product("x", path, "bushels"), grid)
    assert "with no bulk density" in faults(UnitError, product("x", path, "g/kg"), grid)
    assert "with bulk density" in faults(UnitError, product("x", path, "t/ha", bulk_density=Band(path, "g/cm3")), grid)
    assert "bulk_density" in faults(UnitError, product("x", path, "g/kg", bulk_density=Band(path, "pounds")), grid)
    assert "at a depth" in faults(UnitError, Product("x", tuple(ProductLayer((d, d), Band(path, "t/ha")) for d in (0, 30))), grid)
    assert "do not reach over 30-60 cm" in faults(ModelError, product("x", path), grid, (30, 60))


def test_bad_comparisons(write: Write) -> None:
    grid, nan = grid_of(1, 2), np.nan
    ours, theirs = opened(write, grid, ours=[[1, nan]], theirs=[[nan, 1]])
    with pytest.raises(RasterError, match="theirs: 0-30 cm: no cell in common with ours"):
        compare_products(ours, [theirs], grid, LAYER)
    with pytest.raises(RasterError, match="ours stands 2 times"):
        compare_products(ours, [ours], grid, LAYER)
    with pytest.raises(RasterError, match="ours alone"):
        compare_products(ours, [], grid, LAYER)
    with pytest.raises(RasterError, match="no whole numbers"):
        compare_products(ours, [theirs], grid, LAYER, classes=[ClassLayer("c", lambda w: np.array([[1.5, 2.0]]), {})])
