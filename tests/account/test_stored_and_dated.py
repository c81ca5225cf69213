"""Stocks from maps of whole numbers, and by period."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from odc.geo.geobox import GeoBox

from edaphic.account import ClassLayer, against_truth, compare_maps, stock_table
from edaphic.account.maps import open_maps
from edaphic.covariates.grid import Window
from edaphic.errors import RasterError, RecipeError
from edaphic.mapping.info import MapInfo
from edaphic.mapping.write import BandWriter, finish_cog
from edaphic.recipe import Account, Maps, template
from edaphic.recipe.load import parse
from edaphic.stages import account as stage

Make = Callable[[int, int], GeoBox]
Save = Callable[..., dict[str, Path]]
Read = Callable[[np.ndarray], Callable[[Window], np.ndarray]]


def whole_numbers(folder: Path, grid: GeoBox, parts: dict[str, np.ndarray]) -> dict[str, Path]:
    """Maps of 16 bits."""
    found = {}
    for stat, values in parts.items():
        with BandWriter(folder / "work.tif", grid) as band:
            band.write(Window(0, 0, grid.height, grid.width), values.astype(np.float32))
        found[stat] = folder / f"{stat}.tif"
        info = MapInfo(stat, stat, "kg/m2", stat, {})
        finish_cog(folder / "work.tif", found[stat], info, encoding="int16", grid=grid)
    return found


def stocks(height: int = 60, width: int = 70) -> np.ndarray:
    values = np.random.default_rng(4).gamma(4.0, 2.0, (height, width))
    values[:5] = np.nan
    values[5:9] = 0.0  # no soil there: a stock of nothing, not an unknown one
    return values


# ---- whole numbers ----


def test_stocks_of_whole_numbers_are_those_of_the_numbers_up_to_rounding(plain: Make, save_layer: Save, tmp_path: Path) -> None:
    grid, mean = plain(60, 70), stocks()
    parts = {"mean": mean, "q05": 0.5 * mean, "q95": 1.7 * mean}
    exact = stock_table(grid, {(0, 30): save_layer(grid, mean, parts["q05"], parts["q95"])}).iloc[0]
    stored = stock_table(grid, {(0, 30): whole_numbers(tmp_path, grid, parts)}).iloc[0]
    assert (stored["cells"], stored["area_km2"], stored["unmapped_km2"]) == (exact["cells"], exact["area_km2"], exact["unmapped_km2"])
    assert stored["cells"] == 55 * 70  # cells without soil are mapped
    step = 0.002  # of the map with the largest numbers
    bound_tg = 0.5 * step * exact["area_km2"] * 1e6 / 1e9
    for name in ("total_Tg", "fully_correlated_low_Tg", "fully_correlated_high_Tg"):
        assert abs(stored[name] - exact[name]) <= bound_tg
        assert stored[name] == pytest.approx(exact[name], rel=1e-5)
    assert stored["total_Tg"] != exact["total_Tg"]


def test_readers_apply_scale_and_offset_and_know_their_error(plain: Make, tmp_path: Path) -> None:
    grid = plain(4, 5)
    far = 1000.0 + np.arange(20.0).reshape(4, 5) / 10.0
    paths = whole_numbers(tmp_path, grid, {"far": far, "near": far - 999.0})
    with open_maps(paths, grid, "kg/m2") as readers:
        window = Window(1, 2, 2, 3)
        np.testing.assert_allclose(readers["far"](window), far[window.slices], atol=readers["far"].error)
        assert readers["far"].error == 0.5 * 5e-05
        assert readers["near"].error == 0.5 * 0.0001


def test_quantiles_that_cross_by_rounding_alone_are_no_fault(plain: Make, tmp_path: Path) -> None:
    grid = plain(20, 20)
    mean = np.linspace(0.0, 30.0, 400).reshape(20, 20)
    high = mean.copy()
    high[0, 0] = 100.0  # another scale, and so another rounding
    paths = whole_numbers(tmp_path, grid, {"mean": mean, "q05": mean, "q95": high})
    row = stock_table(grid, {(0, 30): paths}).iloc[0]
    assert row["fully_correlated_low_Tg"] <= row["fully_correlated_high_Tg"]
    paths = whole_numbers(tmp_path, grid, {"mean": mean, "q05": mean + 0.02, "q95": high})
    with pytest.raises(RasterError, match="q05 above q95 in 399 cells"):
        stock_table(grid, {(0, 30): paths})


def test_a_truth_equal_to_the_limits_is_within_them_whatever_the_numbers_are_rounded_to(plain: Make, reader: Read, tmp_path: Path) -> None:
    grid, mean = plain(60, 70), stocks().astype(np.float32)
    paths = whole_numbers(tmp_path, grid, {"mean": mean, "q05": mean, "q95": mean})
    assert against_truth(paths, grid, reader(mean), (0, 30))["coverage"] == 1.0
    beyond = mean + np.float32(0.01)  # ten steps
    assert against_truth(paths, grid, reader(beyond), (0, 30))["above"] == 1.0


@pytest.mark.parametrize("size", [1, 7, 64])
def test_bits_do_not_show_the_windows(plain: Make, save_layer: Save, reader: Read, size: int) -> None:
    rows, cols = (17, 19) if size == 1 else (60, 70)  # one cell at a time is slow
    grid, mean = plain(rows, cols), stocks(rows, cols)
    codes = np.random.default_rng(1).integers(1, 5, mean.shape).astype(np.float32)
    maps = {(0, 30): save_layer(grid, mean, 0.3 * mean, 1.9 * mean)}
    cover = [ClassLayer("cover", reader(codes), {})]
    pd.testing.assert_frame_equal(stock_table(grid, maps, cover, window_size=size), stock_table(grid, maps, cover), check_exact=True)
    total = "total_ours_Tg"
    ours, theirs = maps[(0, 30)]["mean"], reader(1.1 * mean)
    rows = [compare_maps(ours, grid, theirs, "x", (0, 30), window_size=n) for n in (size, 512)]
    assert rows[0][total] == rows[1][total] and rows[0]["factor"] == rows[1]["factor"]
    rows = [against_truth(maps[(0, 30)], grid, reader(1.1 * mean), (0, 30), window_size=n) for n in (size, 512)]
    assert rows[0]["rmse"] == rows[1]["rmse"] and rows[0]["true_total_Tg"] == rows[1]["true_total_Tg"]


def test_without_quantiles_there_are_no_bounds(plain: Make, save_layer: Save) -> None:
    grid = plain(2, 2)
    mean = save_layer(grid, np.full((2, 2), 5.0))["mean"]
    row = stock_table(grid, {(0, 30): {"mean": mean}}, bounded=False).iloc[0]
    assert row["total_Tg"] == pytest.approx(0.02)
    assert np.isnan(row[["independent_low_Tg", "fully_correlated_high_Tg"]].to_numpy(dtype=float)).all()
    with pytest.raises(RasterError, match="no 'q05'"):
        stock_table(grid, {(0, 30): {"mean": mean}})


# ---- periods ----


def job_of(folder: Path, maps: dict[str, object], told: dict[str, object]) -> SimpleNamespace:
    """As much of a job as the account looks at."""
    recipe = SimpleNamespace(maps=Maps(**maps), account=Account(**told), covariates=SimpleNamespace(max_gap_years=None))
    target = SimpleNamespace(quantity="soc_stock", unit="kg/m2")
    return SimpleNamespace(
        recipe=recipe, recipe_path=folder / "recipe.yaml", out=folder, target=target, intervals=((0.0, 30.0),), say=lambda *_: None,
        path=lambda value: folder / value, accounted=("soc_stock", "kg/m2", ((0.0, 30.0),)),
    )  # fmt: skip


@pytest.fixture
def dated(plain: Make, save_map: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GeoBox:
    """Maps of two periods, 2 and 4 kg/m2, of their mean, and of one time."""
    grid = plain(2, 2)
    (tmp_path / "maps").mkdir()
    for when, level in (("_1985-1990", 2.0), ("_1990-1995", 4.0), ("_1985-1995", 3.0), ("", 7.0)):
        for stat, factor in (("mean", 1.0), ("q05", 0.5), ("q95", 1.5)):
            if when != "_1985-1995" or stat == "mean":
                save_map(f"maps/soc_stock_{stat}_0-30cm{when}", grid, np.full((2, 2), factor * level))
    save_map("other", grid, np.array([[1.0, 2.0], [3.0, 4.0]]))
    monkeypatch.setattr(stage, "grid_of", lambda recipe, path: grid)
    monkeypatch.setattr(stage, "write_diagnostics", lambda job, folder: [])  # they read what other stages made
    return grid


def accounted(job: SimpleNamespace, folder: Path) -> Path:
    (folder / "work").mkdir()
    stage.stage_account(job, folder / "work", folder)
    return folder / "work" / "tables"


def test_each_period_has_its_rows_and_so_has_their_mean(dated: GeoBox, tmp_path: Path) -> None:
    maps = {"periods": [(1985, 1990), (1990, 1995)], "mean_of_periods": True}
    told = {
        "compare": [
            {"path": "other.tif", "layer": "0-30", "unit": "kg/m2", "name": "last"},
            {"path": "other.tif", "layer": "0-30", "unit": "kg/m2", "name": "first", "period": (1985, 1990)},
        ],
        "truth": [{"path": "other.tif", "layer": "0-30", "unit": "kg/m2"}],
    }
    tables = accounted(job_of(tmp_path, maps, told), tmp_path)
    stocks = pd.read_csv(tables / "stocks.csv")
    assert stocks["period"].tolist() == ["1985-1990", "1990-1995", "mean 1985-1995"]
    assert stocks["total_Tg"].tolist() == pytest.approx([0.008, 0.016, 0.012])
    assert stocks["fully_correlated_high_Tg"].tolist()[:2] == pytest.approx([0.012, 0.024])
    assert np.isnan(stocks["fully_correlated_high_Tg"].iloc[2])
    compared = pd.read_csv(tables / "comparison.csv").set_index("name")
    assert compared["period"].to_dict() == {"last": "1990-1995", "first": "1985-1990"}
    assert compared["mean_ours_kg_m2"].to_dict() == pytest.approx({"last": 4.0, "first": 2.0})
    assert pd.read_csv(tables / "truth.csv")["period"].tolist() == ["1990-1995"]


def test_maps_of_one_time_have_no_period(dated: GeoBox, tmp_path: Path) -> None:
    told = {"compare": [{"path": "other.tif", "layer": "0-30", "unit": "kg/m2", "name": "x"}]}
    tables = accounted(job_of(tmp_path, {}, told), tmp_path)
    assert pd.read_csv(tables / "stocks.csv", keep_default_na=False)["period"].tolist() == [""]
    assert pd.read_csv(tables / "stocks.csv")["total_Tg"].tolist() == pytest.approx([0.028])
    assert pd.read_csv(tables / "comparison.csv")["mean_ours_kg_m2"].tolist() == [7.0]


def test_a_period_that_is_not_mapped_is_found_by_the_check() -> None:
    told = yaml.safe_load(template("demo"))
    told["maps"] = {"periods": [[1985, 1990], [1990, 1995]], "mean_of_periods": True}
    other = {"path": "other.tif", "layer": "0-30", "unit": "kg/m2"}
    told["account"] = {"compare": [other | {"name": "x", "period": [1985, 1995]}], "truth": [other | {"period": [1990, 1995]}]}
    parse(yaml.safe_dump(told), "recipe.yaml")
    told["account"]["compare"][0]["period"] = [1980, 1985]
    told["account"]["truth"][0]["period"] = [1985, 1995]  # the mean of the periods has no limits
    with pytest.raises(RecipeError) as caught:
        parse(yaml.safe_dump(told), "recipe.yaml")
    assert [fault.split(": found")[0].split(": ")[-1] for fault in caught.value.faults] == [
        "account.compare[0].period",
        "account.truth[0].period",
    ]
    assert all("expected a period that is mapped" in fault for fault in caught.value.faults)
