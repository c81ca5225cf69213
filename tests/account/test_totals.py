"""Stocks that can be added up in the head, and what must hold of any."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from scipy.stats import norm

from edaphic.account import STOCK_COLUMNS, ClassLayer, stock_table
from edaphic.account.maps import quantile_names
from edaphic.account.totals import bounds, quantities
from edaphic.covariates.grid import Window
from edaphic.errors import RasterError, UnitError

Make = Callable[..., GeoBox]
Save = Callable[..., dict[str, Path]]
Read = Callable[[np.ndarray], Callable[[Window], np.ndarray]]


def numbered(height: int, width: int) -> np.ndarray:
    return np.arange(1.0, height * width + 1.0).reshape(height, width)


# ---- mental arithmetic ----


def test_four_cells(plain: Make, save_layer: Save) -> None:
    """1 + 2 + 3 + 4 kg/m2 on 1 km2 each: 10e6 kg. Limits half a unit away: 4 x 0.5 together, sqrt(4) x 0.5 apart."""
    grid = plain(2, 2)
    table = stock_table(grid, {(0, 30): save_layer(grid, numbered(2, 2))})
    assert list(table.columns) == list(STOCK_COLUMNS)
    (row,) = table.to_dict("records")
    assert (row["by"], row["class"], row["class_name"]) == ("all", "", "all")
    assert (row["top_cm"], row["bottom_cm"], row["cells"]) == (0.0, 30.0, 4)
    near = {"rel": 1e-6}
    assert row["area_km2"] == pytest.approx(4.0, **near)
    assert row["mean_kg_m2"] == pytest.approx(2.5, **near)
    assert row["total_Tg"] == pytest.approx(0.010, **near)
    assert row["independent_low_Tg"] == pytest.approx(0.009, **near)
    assert row["independent_high_Tg"] == pytest.approx(0.011, **near)
    assert row["fully_correlated_low_Tg"] == pytest.approx(0.008, **near)
    assert row["fully_correlated_high_Tg"] == pytest.approx(0.012, **near)
    assert row["unmapped_km2"] == 0.0


def test_the_published_way_is_the_fully_correlated_bound(plain: Make, save_layer: Save) -> None:
    """184.0 and 231.4 t/ha on every hectare of 2.985e8 ha make 54.9 and 69.1 Pg, as published."""
    grid = plain(4, 4)
    ones = np.ones((4, 4))
    layer = save_layer(grid, 207.0 * ones, 184.0 * ones, 231.4 * ones)
    row = stock_table(grid, {(0, 100): layer}, unit="t/ha").iloc[0]
    pg_per_tg_there = 2.985e8 / (row["area_km2"] * 100.0) / 1000.0
    assert row["fully_correlated_low_Tg"] * pg_per_tg_there == pytest.approx(54.9, abs=0.05)
    assert row["fully_correlated_high_Tg"] * pg_per_tg_there == pytest.approx(69.1, abs=0.05)


def test_classes_unmapped_and_unclassified(plain: Make, save_layer: Save, reader: Read) -> None:
    """1 2 | 3 -    of classes    1 1 | 2 2
    5 6 | 7 8                     - 1 | 3 3"""
    grid, mean = plain(2, 4), numbered(2, 4)
    mean[0, 3] = np.nan
    codes = np.array([[1, 1, 2, 2], [np.nan, 1, 3, 3]])
    cover = ClassLayer("cover", reader(codes), {1: "forest", 2: "bog"})
    table = stock_table(grid, {(0, 30): save_layer(grid, mean)}, [cover])
    found = table.set_index(["by", "class"])
    assert list(found.index) == [
        ("all", ""),
        ("cover", "1"),
        ("cover", "2"),
        ("cover", "3"),
        ("cover", "unclassified"),
    ]
    assert list(found["class_name"]) == ["all", "forest", "bog", "class 3", "unclassified"]
    assert list(found["cells"]) == [7, 3, 1, 2, 1]
    np.testing.assert_allclose(found["total_Tg"], [0.032, 0.009, 0.003, 0.015, 0.005], rtol=1e-6)
    np.testing.assert_allclose(found["mean_kg_m2"], [32 / 7, 3.0, 3.0, 7.5, 5.0], rtol=1e-6)
    np.testing.assert_allclose(found["unmapped_km2"], [1.0, 0.0, 1.0, 0.0, 0.0], atol=1e-6)


def test_a_class_without_any_mapped_cell_stays_in_the_table(plain: Make, save_layer: Save, reader: Read) -> None:
    grid, mean = plain(1, 2), np.array([[4.0, np.nan]])
    lake = ClassLayer("cover", reader(np.array([[1.0, 210.0]])), {1: "field", 210: "water"})
    row = stock_table(grid, {(0, 30): save_layer(grid, mean)}, [lake]).iloc[2]
    assert (row["class_name"], row["cells"], row["total_Tg"], row["area_km2"]) == ("water", 0, 0.0, 0.0)
    assert np.isnan(row["mean_kg_m2"])
    assert row["unmapped_km2"] == pytest.approx(1.0, rel=1e-6)


def test_one_kilogram_on_every_square_metre_of_the_earth(save_layer: Save) -> None:
    """The Earth has 510.0656 million km2; equal cells of one degree would make it 649 million."""
    grid = GeoBox((180, 360), Affine(1.0, 0.0, -180.0, 0.0, -1.0, 90.0), "EPSG:4326")
    row = stock_table(grid, {(0, 30): save_layer(grid, np.ones((180, 360)))}).iloc[0]
    assert row["total_Tg"] / 1e3 == pytest.approx(510.0656, abs=1e-4)
    assert row["mean_kg_m2"] == pytest.approx(1.0, rel=1e-12)


def test_layers_stand_from_the_top_down_whatever_order_they_come_in(plain: Make, save_layer: Save) -> None:
    grid = plain(1, 1)
    ones = np.ones((1, 1))
    maps = {layer: save_layer(grid, ones, name=str(layer[0])) for layer in [(30.0, 100.0), (0.0, 30.0)]}
    assert stock_table(grid, maps)["top_cm"].tolist() == [0.0, 30.0]


def test_the_whole_depth_stands_last(plain: Make, save_layer: Save) -> None:
    grid, layers = plain(1, 1), [(0.0, 100.0), (60.0, 100.0), (0.0, 30.0), (30.0, 60.0)]
    maps = {layer: save_layer(grid, np.ones((1, 1)), name=f"{layer[0]}-{layer[1]}") for layer in layers}
    table = stock_table(grid, maps)
    assert list(zip(table["top_cm"], table["bottom_cm"], strict=True)) == [(0, 30), (30, 60), (60, 100), (0, 100)]


def test_the_independent_bound_is_that_of_a_normal_error(plain: Make, save_layer: Save) -> None:
    """Cells with sd 2 and independent normal errors: the total has sd sqrt(n) x 2 x area."""
    grid, sd, z = plain(10, 10), 2.0, norm.ppf(0.95)
    mean = np.full((10, 10), 20.0)
    row = stock_table(grid, {(0, 30): save_layer(grid, mean, mean - z * sd, mean + z * sd)}).iloc[0]
    half = (row["independent_high_Tg"] - row["independent_low_Tg"]) / 2.0
    assert half == pytest.approx(z * np.sqrt(100) * sd * 1e6 / 1e9, rel=1e-5)


@pytest.mark.parametrize(
    ("interval", "names"),
    [(0.9, ("q05", "q95")), (0.95, ("q025", "q975")), (0.8, ("q10", "q90")), (0.5, ("q25", "q75"))],
)
def test_names_of_quantiles(interval: float, names: tuple[str, str]) -> None:
    assert quantile_names(interval) == names


def test_another_interval_takes_its_own_quantiles(plain: Make, save_layer: Save) -> None:
    grid = plain(1, 1)
    layer = save_layer(grid, np.ones((1, 1)))
    renamed = {"mean": layer["mean"], "q025": layer["q05"], "q975": layer["q95"]}
    assert stock_table(grid, {(0, 30): renamed}, interval=0.95)["cells"].tolist() == [1]
    with pytest.raises(RasterError, match="no 'q05'"):
        stock_table(grid, {(0, 30): renamed}, interval=0.9)


# ---- what holds of any map ----


def _random_case(seed: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mean = rng.gamma(2.0, 4.0, shape)
    mean[rng.random(shape) < 0.2] = np.nan
    codes = rng.integers(1, 5, shape).astype(np.float64)
    codes[rng.random(shape) < 0.2] = np.nan
    return mean, mean * rng.uniform(0.2, 1.0, shape), mean * rng.uniform(1.0, 2.0, shape), codes


FAST = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FAST
@given(seed=st.integers(0, 999), height=st.integers(1, 40), width=st.integers(1, 40), size=st.integers(4, 45))
def test_windows_do_not_change_the_table(
    save_layer: Save, reader: Read, seed: int, height: int, width: int, size: int
) -> None:
    grid = GeoBox((height, width), Affine(0.1, 0.0, 20.0, 0.0, -0.1, 45.0), "EPSG:4326")
    mean, low, high, codes = _random_case(seed, (height, width))
    maps = {(0.0, 30.0): save_layer(grid, mean, low, high)}
    cover = [ClassLayer("cover", reader(codes), {})]
    whole = stock_table(grid, maps, cover)
    cut = stock_table(grid, maps, cover, window_size=size)
    pd.testing.assert_frame_equal(whole, cut, rtol=1e-12, atol=0.0)


@FAST
@given(seed=st.integers(0, 999), height=st.integers(1, 30), width=st.integers(1, 30))
def test_classes_add_up_to_all_and_bounds_stand_in_order(
    save_layer: Save, reader: Read, seed: int, height: int, width: int
) -> None:
    grid = GeoBox((height, width), Affine(0.1, 0.0, 20.0, 0.0, -0.1, 45.0), "EPSG:4326")
    mean, low, high, codes = _random_case(seed, (height, width))
    table = stock_table(
        grid, {(0.0, 30.0): save_layer(grid, mean, low, high)}, [ClassLayer("cover", reader(codes), {})]
    )
    every, parts = table[table["by"] == "all"].iloc[0], table[table["by"] == "cover"]
    for column in (
        "cells",
        "area_km2",
        "total_Tg",
        "fully_correlated_low_Tg",
        "fully_correlated_high_Tg",
        "unmapped_km2",
    ):
        assert parts[column].sum() == pytest.approx(every[column], rel=1e-12, abs=1e-15)
    half = (high - low) / 2.0
    even = stock_table(grid, {(0.0, 30.0): save_layer(grid, mean, mean - half, mean + half)}, [ClassLayer("cover", reader(codes), {})])
    # the squares of even sides add up, so that independent bounds of parts are together wider than that of the whole
    halves = (even["independent_high_Tg"] - even["independent_low_Tg"]) / 2.0
    assert np.sqrt((halves[1:] ** 2).sum()) == pytest.approx(halves[0], rel=1e-5, abs=1e-15)
    assert (table["fully_correlated_low_Tg"] <= table["total_Tg"] + 1e-12).all()
    assert (table["total_Tg"] <= table["fully_correlated_high_Tg"] + 1e-12).all()
    wide = table["fully_correlated_high_Tg"] - table["fully_correlated_low_Tg"]
    assert (table["independent_high_Tg"] - table["independent_low_Tg"] <= wide + 1e-12).all()


def test_the_bound_of_one_cell_is_its_interval_and_that_of_many_is_even(plain: Make, save_layer: Save) -> None:
    """Cells from 1 to 9 about 2: skew in one cell, a twentieth as much in the sum of 400."""
    for side, lean in ((1, 1.0), (20, 0.05)):
        grid, ones = plain(side, side), np.ones((side, side))
        row = stock_table(grid, {(0, 30): save_layer(grid, 2.0 * ones, ones, 9.0 * ones)}).iloc[0]
        above, below = row["independent_high_Tg"] - row["total_Tg"], row["total_Tg"] - row["independent_low_Tg"]
        assert (above - below) / (above + below) == pytest.approx(0.75 * lean, rel=1e-6)
        assert row["fully_correlated_low_Tg"] <= row["independent_low_Tg"] and row["independent_high_Tg"] <= row["fully_correlated_high_Tg"]
        if side == 1:
            assert row["independent_high_Tg"] == pytest.approx(row["fully_correlated_high_Tg"], rel=1e-9)


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(0, 50)), min_size=1, max_size=6))
def test_the_independent_bound_never_leaves_the_other_one(cells: list[tuple[float, float, float]]) -> None:
    rows = np.array([[low, low + first, low + first + second] for low, first, second in cells])
    found = bounds(quantities(np.full(len(rows), 1e6), rows[:, 1], rows[:, 0], rows[:, 2]).sum(axis=1))
    room = 1e-12 * (1 + found["fully_correlated_high_Tg"])
    assert -room <= found["fully_correlated_low_Tg"] <= found["independent_low_Tg"] + room
    assert found["independent_low_Tg"] <= found["total_Tg"] + room
    assert found["total_Tg"] <= found["independent_high_Tg"] + room <= found["fully_correlated_high_Tg"] + 2 * room


def test_a_finer_grid_narrows_the_independent_bound_alone(plain: Make, save_layer: Save) -> None:
    """The same map on cells of half the size: nothing new was learned, yet the independent bound halves."""
    coarse = plain(4, 4)
    fine = GeoBox((8, 8), Affine(500.0, 0.0, 4_321_000.0, 0.0, -500.0, 3_210_000.0), "EPSG:3035")
    tables = [
        stock_table(grid, {(0, 30): save_layer(grid, np.full(grid.shape, 10.0))}).iloc[0] for grid in (coarse, fine)
    ]
    independent, correlated = (
        [row[f"{kind}_high_Tg"] - row[f"{kind}_low_Tg"] for row in tables]
        for kind in ("independent", "fully_correlated")
    )
    assert independent[1] == pytest.approx(independent[0] / 2.0, rel=1e-6)
    assert correlated[1] == pytest.approx(correlated[0], rel=1e-6)


@pytest.mark.slow
def test_global_totals_of_a_published_map(shared: Path, tmp_path: Path) -> None:
    """Sanderman, Hengl and Fiske (2017), 10 km: 867 Pg to 30 cm and 1995 Pg to 100 cm, summed by others on a sphere."""
    folder = shared / "data" / "soc_products_10km"
    for layer, name, total_pg in (
        ((0.0, 30.0), "SOCS_0_30cm_year_2010AD_10km.tif", 867.0),
        ((0.0, 100.0), "SOCS_0_100cm_year_2010AD_10km.tif", 1995.0),
    ):
        path = folder / name
        with rasterio.open(path) as dataset:
            grid = GeoBox(dataset.shape, dataset.transform, "EPSG:4326")
        maps = {layer: {"mean": path, "q05": path, "q95": path}}
        row = stock_table(grid, maps, unit="t/ha", window_size=1024).iloc[0]
        assert row["total_Tg"] / 1000.0 == pytest.approx(total_pg, rel=0.004)


# ---- faults ----


def test_missing_maps_are_named_together(plain: Make, save_layer: Save, tmp_path: Path) -> None:
    grid = plain(2, 2)
    layer = save_layer(grid, numbered(2, 2))
    with pytest.raises(RasterError) as caught:
        stock_table(grid, {(0, 30): {"mean": layer["mean"]}, (30, 60): {}})
    assert len(caught.value.faults) == 5
    assert "maps of 0-30 cm: no 'q05'" in caught.value.faults[0]
    absent = {"mean": tmp_path / "a.tif", "q05": tmp_path / "b.tif", "q95": layer["q95"]}
    with pytest.raises(RasterError) as caught:
        stock_table(grid, {(0, 30): absent})
    assert [fault.split("/")[-1] for fault in caught.value.faults] == ["a.tif: no such map", "b.tif: no such map"]
    with pytest.raises(RasterError, match="none given"):
        stock_table(grid, {})


def test_a_map_on_another_grid_is_refused(plain: Make, save_layer: Save) -> None:
    layer = save_layer(plain(2, 2), numbered(2, 2))
    shifted = GeoBox((2, 2), Affine(1000.0, 0.0, 4_321_500.0, 0.0, -1000.0, 3_210_000.0), "EPSG:3035")
    elsewhere = GeoBox((2, 2), plain(2, 2).affine, "EPSG:32634")
    for grid in (plain(2, 3), shifted, elsewhere):
        with pytest.raises(RasterError, match="lies on another grid") as caught:
            stock_table(grid, {(0, 30): layer})
        assert len(caught.value.faults) == 3


def test_units_that_have_no_total_or_contradict_the_file_are_refused(plain: Make, save_layer: Save) -> None:
    grid = plain(1, 1)
    layer = save_layer(grid, np.ones((1, 1)))
    with pytest.raises(UnitError, match="g/kg"):
        stock_table(grid, {(0, 30): layer}, unit="g/kg")
    with rasterio.open(layer["q05"], "r+") as dataset:
        dataset.units = ("t/ha",)
    with pytest.raises(RasterError, match=r"its unit is t/ha; expected kg/m2"):
        stock_table(grid, {(0, 30): layer})


def test_an_unreadable_map_is_named(plain: Make, save_layer: Save) -> None:
    grid = plain(1, 1)
    layer = save_layer(grid, np.ones((1, 1)))
    layer["q95"].write_text("no raster")
    with pytest.raises(RasterError, match=r"q95\.tif: cannot be read"):
        stock_table(grid, {(0, 30): layer})


def test_quantiles_must_cover_the_mean_and_not_cross(plain: Make, save_layer: Save) -> None:
    grid, mean = plain(1, 2), np.ones((1, 2))
    with pytest.raises(RasterError, match=r"0-30 cm: q05 and mean cover different cells \(1 in"):
        stock_table(grid, {(0, 30): save_layer(grid, mean, np.array([[np.nan, 0.5]]))})
    with pytest.raises(RasterError, match=r"0-30 cm: q05 above q95 in 1 cells"):
        stock_table(grid, {(0, 30): save_layer(grid, mean, np.array([[3.0, 0.5]]))})


def test_class_layers_must_hold_codes_of_the_window(plain: Make, save_layer: Save, reader: Read) -> None:
    grid = plain(1, 2)
    maps = {(0, 30): save_layer(grid, np.ones((1, 2)))}
    with pytest.raises(RasterError, match="class layer cover: 1 codes are no whole numbers"):
        stock_table(grid, maps, [ClassLayer("cover", reader(np.array([[1.0, 1.5]])), {})])
    with pytest.raises(RasterError, match=r"class layer cover: \(3, 3\) cells"):
        stock_table(grid, maps, [ClassLayer("cover", lambda window: np.ones((3, 3), np.float32), {})])
    whole = ClassLayer("cover", reader(np.ones((1, 2))), {})
    with pytest.raises(RasterError, match="class layer cover: the name is taken"):
        stock_table(grid, maps, [whole, whole])
    with pytest.raises(RasterError, match="class layer all: the name is taken"):
        stock_table(grid, maps, [ClassLayer("all", whole.read, {})])
