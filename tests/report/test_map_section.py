"""The maps on the page: what else was mapped, periods side by side, masks, bedrock, the whole depth, Monte Carlo."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml

from edaphic.mapping.encoding import NODATA, coding_for
from edaphic.report import build_report, inputs, map_pictures, map_words
from edaphic.report.facts import Target, stock_rows, target_of
from edaphic.report.folder import read_run
from edaphic.report.map_pictures import few
from edaphic.report.maps import read_image

PERIODS = [(1985, 1990), (1990, 1995)]
STOCK = Target("SOC stock", "kg/m2", True)


def edit(path: Path, change: Any) -> None:
    told = yaml.safe_load(path.read_text()) if path.suffix == ".yaml" else json.loads(path.read_text())
    change(told)
    path.write_text(yaml.safe_dump(told) if path.suffix == ".yaml" else json.dumps(told))


@pytest.fixture
def dated(fake_folder: Any, tmp_path: Path) -> Path:
    """A run with maps of two periods (the second 1.5 times the first), their mean, se, a threshold, bedrock and Monte Carlo."""
    fake = fake_folder(tmp_path / "run")
    maps = fake.folder / "maps"
    for path in sorted(maps.glob("*.tif")):
        stat = path.stem.split("_")[2]
        with rasterio.open(path) as file:
            values, profile = file.read(1), file.profile
        dates = [(PERIODS[0], 1.0), (PERIODS[1], 1.5), *([((1985, 1995), 1.25)] if stat == "mean" else [])]
        for (first, last), factor in dates:
            when = f"{first}-{last}.tif"
            own = (values * np.float32(factor)).astype(np.float32)
            others = {"se": 0.1 * own, "p_above_5": (own > 5.0).astype(np.float32)} if stat == "mean" and factor != 1.25 else {}
            for name, more in {stat: own, **others}.items():
                with rasterio.open(maps / f"{path.stem.replace('_mean_', f'_{name}_')}_{when}", "w", **profile) as out:
                    out.write(np.where(np.isnan(own), np.nan, more).astype(np.float32), 1)
        path.unlink()
    stocks = pd.read_csv(fake.folder / "tables" / "stocks.csv", keep_default_na=False)
    parts = [stocks.assign(period=name, total_Tg=stocks["total_Tg"] * k) for name, k in (("1985-1990", 1.0), ("1990-1995", 1.5))]
    parts.append(stocks.assign(period="mean 1985-1995", total_Tg=stocks["total_Tg"] * 1.25))
    pd.concat(parts).to_csv(fake.folder / "tables" / "stocks.csv", index=False)
    edit(fake.folder / "recipe.yaml", lambda told: told.update(maps={"periods": [list(p) for p in PERIODS], "mean_of_periods": True}))
    counts = {"mapped": 200, "masks": {"water": 28, "ice": 0}, "soil_ends_within": 50, "bedrock_not_known": 3, "bedrock_negative": 1}
    counts |= {"se_shrunk": {"se_0-30cm": 20, "se_0-100cm": 1}}
    edit(maps / "summary.json", lambda told: told.update(counts))
    matrix = np.array([[1.0, 0.5, 0.25], [0.5, 1.0, 0.6], [0.25, 0.6, 1.0]])
    np.savez(fake.folder / "model" / "forest" / "forest.npz", all_depth_correlation=matrix)
    row = {"by": "all", "class": "", "name": "all", "layer": "0-30 cm", "total_Tg": 12.345, "total_Tg_sd": 0.5}
    row |= {"total_Tg_q025": 11.1, "total_Tg_q975": 13.2, "sum_of_q975_maps": 19.75}
    drawn = [row, row | {"by": "land_cover", "class": "1", "name": "Forest <mixed>", "total_Tg": 3.25}]
    pd.DataFrame(drawn).to_csv(fake.folder / "tables" / "monte_carlo.csv", index=False)
    (maps / "monte_carlo").mkdir()
    shutil.copy(maps / "soc_stock_se_0-30cm_1990-1995.tif", maps / "monte_carlo" / "soc_stock_mc_sd_0-30cm.tif")
    return Path(fake.folder)


def test_names_of_all_statistics_are_read(dated: Path) -> None:
    run = read_run(dated)
    assert run.periods == ("1985-1990", "1990-1995") and run.lead_period == "1990-1995"
    lead = next(layer for layer in run.maps if layer.depth == (0.0, 30.0) and layer.period == run.lead_period)
    assert (lead.target, set(lead.paths)) == ("soc_stock", {"mean", "q05", "q95", "se", "p_above_5"})
    assert {layer.period for layer in run.maps} == {"1985-1990", "1990-1995", "1985-1995"}
    assert [set(layer.paths) for layer in run.monte_carlo_maps] == [{"mc_sd"}]


@pytest.mark.parametrize(
    ("name", "stat", "period"),
    [
        ("soc_stock_tree_se_0-30cm.tif", "tree_se", ""),
        ("soc_stock_tree_q025_0-30cm.tif", "tree_q025", ""),
        ("soc_stock_mc_q975_0-30cm.tif", "mc_q975", ""),
        ("soc_stock_p_above_2.5_0-7.5cm_1985-1990.tif", "p_above_2.5", "1985-1990"),
        ("beta_cropland_mean_0-100cm.tif", "mean", ""),
    ],
)
def test_a_statistic_is_not_taken_for_another(dated: Path, name: str, stat: str, period: str) -> None:
    source = next((dated / "maps").glob("*.tif")).read_bytes()
    for path in (dated / "maps").glob("*.tif"):
        path.unlink()
    (dated / "maps" / name).write_bytes(source)
    (layer,) = read_run(dated).maps
    assert (list(layer.paths), layer.period, layer.target) == ([stat], period, "beta_cropland" if "beta" in name else "soc_stock")


@pytest.mark.usefixtures("undrawn")
def test_each_layer_is_shown_once_with_its_periods_side_by_side(dated: Path) -> None:
    run = read_run(dated)
    layers = map_pictures.layer_maps(run, target_of(run))
    assert [layer.layer for layer in layers] == [(0.0, 30.0), (30.0, 60.0), (60.0, 100.0), (0.0, 100.0)]
    first = layers[0]
    assert [picture.name for picture in first.pictures] == ["map_mean_0-30cm_1990-1995.png", "map_width_0-30cm_1990-1995.png"]
    assert [picture.name for picture in first.more] == [
        "map_se_0-30cm_1990-1995.png", "map_p_above_5_0-30cm_1990-1995.png", "map_mc_sd_0-30cm_1990-1995.png",
    ]  # fmt: skip
    assert [len(row.panels) for row in first.rows] == [3, 2, 2, 2]  # the mean of the periods has a mean only
    assert "mean of the periods" in first.rows[0].panels[-1].alt
    assert [layer.open for layer in layers] == [False, False, False, True]
    assert len({picture.name for layer in layers for picture in layer.all}) == sum(len(layer.all) for layer in layers)


@pytest.mark.usefixtures("undrawn")
def test_panels_of_one_layer_share_their_colours(dated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[tuple[float, float]] = []
    true_panel = map_pictures.map_figures.panel_map

    def spy(image: Any, **options: Any) -> Any:
        used.append(options["limits"])
        return true_panel(image, **options)

    monkeypatch.setattr(map_pictures.map_figures, "panel_map", spy)
    run = read_run(dated)
    map_pictures.layer_maps(run, target_of(run))
    assert len(set(used[:3])) == 1
    first, second = (read_image(dated / "maps" / f"soc_stock_mean_0-30cm_{when}.tif", 10_000).values for when in ("1985-1990", "1990-1995"))
    assert used[0][0] < np.nanmedian(first) < np.nanmedian(second) < used[0][1]
    assert used[7:9] == [(0.0, 1.0)] * 2  # probabilities


@pytest.mark.usefixtures("undrawn")
def test_limits_that_cross_by_rounding_alone_are_in_order(dated: Path) -> None:
    """One large upper limit makes its map's steps coarse, whatever the means are."""
    maps = dated / "maps"
    with rasterio.open(maps / "soc_stock_mean_0-30cm_1990-1995.tif") as file:
        values, profile = file.read(1).astype(np.float64), file.profile
    high = values.copy()
    high[np.unravel_index(np.nanargmax(values), values.shape)] = 30.0 * np.nanmax(values)
    for stat, own in (("q05", values), ("q95", high)):
        coding = coding_for(np.nanmin(own), np.nanmax(own))
        whole = profile | {"dtype": "int16", "nodata": NODATA}
        with rasterio.open(maps / f"soc_stock_{stat}_0-30cm_1990-1995.tif", "w", **whole) as file:
            file.write(coding.stored(own), 1)
            file.scales, file.offsets = (coding.scale,), (coding.offset,)
    run = read_run(dated)
    lead = next(layer for layer in map_pictures.layer_maps(run, target_of(run)) if layer.layer == (0.0, 30.0))
    assert lead.facts.ordered


def test_few_of_many_periods() -> None:
    many = [str(year) for year in range(1980, 2020)]
    assert len(few(many)) == 8 and few(many)[0] == "1980" and few(many)[-1] == "2019"


def test_totals_are_those_of_the_last_period(dated: Path) -> None:
    run = read_run(dated)
    rows = stock_rows(run)
    assert rows is not None and set(rows["period"]) == {"1990-1995"} and len(rows) == 4
    table = map_words.period_stocks(run)
    assert table is not None
    assert [row[0] for row in table.rows] == ["1985–1990", "1990–1995", "Mean of 1985–1995"]
    whole = [float(row[-1].replace(",", "")) for row in table.rows]
    assert whole[1] == pytest.approx(1.5 * whole[0], rel=1e-3) and table.columns[-1] == "0–100\xa0cm"


def test_words_on_masks_bedrock_errors_and_depth(dated: Path) -> None:
    run = read_run(dated)
    told = dict(map_words.map_facts(run, STOCK))
    assert set(told) == {"Periods", "Masks", "Bedrock", "Standard error", "Whole depth"}
    assert "water 28 (10.0\xa0% of all)" in told["Masks"] and "ice 0" in told["Masks"]
    assert "In 50 of 200 mapped cells (25.0\xa0%)" in told["Bedrock"]
    contents = dict(map_words.map_facts(run, Target("SOC content", "g/kg", False)))
    assert "is the sum of the means" in told["Whole depth"] and "is the mean of its layers by thickness" in contents["Whole depth"]
    assert contents["Bedrock"].startswith("In 50 cells the soil ends within the layers: layers without soil have no value")
    assert "3 cells without a depth to bedrock, 1 of them for a negative depth, count in full" in told["Bedrock"]
    assert "0–30\xa0cm 10.0\xa0% and 0–100\xa0cm 0.5\xa0%" in told["Standard error"]
    assert "0–30\xa0cm with 30–60\xa0cm 0.50" in told["Whole depth"] and "30–60\xa0cm with 60–100\xa0cm 0.60" in told["Whole depth"]


def test_without_these_files_nothing_is_claimed(fake_folder: Any, tmp_path: Path) -> None:
    run = read_run(fake_folder(tmp_path / "run").folder)
    assert map_words.map_facts(run, STOCK) == []
    assert map_words.monte_carlo(run) == [] and map_words.period_stocks(run) is None and map_words.lead_words(run) == ""


def test_monte_carlo_tables_keep_realisations_and_sums_of_maps_apart(dated: Path) -> None:
    (title, table), (by, own) = map_words.monte_carlo(read_run(dated))
    assert (title, by) == ("All mapped cells", "By land_cover")
    assert table.columns == ("Layer", "Mean (Tg)", "sd", "2.5\xa0%", "97.5\xa0%", "Sum of the 97.5\xa0% map")
    assert table.rows == (("0–30\xa0cm", "12.35", "0.5000", "11.10", "13.20", "19.75"),) or table.rows[0][1] in ("12.34", "12.35")
    assert own.rows[0][:3] == ("Forest <mixed>", "0–30\xa0cm", "3.250")


def test_the_page_holds_all_of_it(dated: Path) -> None:
    html = build_report(dated).read_text(encoding="utf-8")
    expected = (
        "Monte Carlo of the inputs",
        "Mean of 1985–1995",
        "probability of more than 5\xa0kg/m²",
        "Whole depth",
        "the last of 2 periods",
    )
    for words in expected:
        assert words in html
    section = html[html.index('<section id="maps">') :].split("</section>")[0]
    assert section.count("<details open>") == 2  # of the whole depth: more maps, and its mean by period
    assert len(html) < 6_000_000
    names = re.findall(r'id="(figure-[^"]+)"', html)
    assert len(names) == len(set(names))


def test_scaled_maps_are_drawn_with_true_values(tmp_path: Path) -> None:
    stored = np.array([[1000, 2000], [-32768, 4000]], dtype=np.int16)
    options = {"driver": "GTiff", "height": 2, "width": 2, "count": 1, "dtype": "int16", "nodata": -32768, "crs": "EPSG:32634"}
    with rasterio.open(tmp_path / "a.tif", "w", transform=rasterio.Affine(10, 0, 5e5, 0, -10, 4e6), **options) as file:
        file.write(stored, 1)
        file.scales, file.offsets = (0.005,), (1.0,)
    image = read_image(tmp_path / "a.tif", 100)
    np.testing.assert_allclose(image.values, [[6.0, 11.0], [np.nan, 21.0]])


def test_cells_left_empty_add_up_with_the_mapped_ones(dated: Path) -> None:
    """280 cells: 28 masked, 12 without covariates, 40 outside the area of applicability, 5 without soil, 195 mapped."""
    counts = {"cells": 280, "masked": 28, "with_all_covariates": 268, "inside_applicability": 200, "mapped": 195}
    edit(dated / "maps" / "summary.json", lambda told: told.update(counts | {"with_class_unseen_in_training": 7}))
    edit(dated / "recipe.yaml", lambda told: told["maps"].update(only_applicable=True))
    told = dict(inputs.mapped(read_run(dated), STOCK))
    assert told["Left empty"].endswith(
        "85 cells: 28 by the mask, 12 for want of a value of every covariate, 40 outside the area of applicability and 5 without soil "
        "above the bedrock"
    )
    assert told["Class that no profile has"].startswith("7 cells")
    edit(dated / "maps" / "summary.json", lambda told: told.update(mapped=240))
    edit(dated / "recipe.yaml", lambda told: told["maps"].update(only_applicable=False))
    told = dict(inputs.mapped(read_run(dated), STOCK))
    assert told["Left empty"].endswith("40 cells: 28 by the mask and 12 for want of a value of every covariate")


def test_cells_outside_a_region_are_counted_apart(dated: Path) -> None:
    edit(dated / "maps" / "summary.json", lambda told: told.update(cells=250, masked=20, with_all_covariates=245, mapped=225))
    told = dict(inputs.mapped(read_run(dated), STOCK))
    width, height = (int(text) for text in re.findall(r"(\d+) × (\d+) cells", told["Grid"])[0])
    outside = width * height - 250
    words = f"{outside + 25} cells: {outside} outside the region, 20 by the mask and 5 for want"
    assert outside > 0 and told["Left empty"].startswith(words)


def test_a_covariate_of_several_periods_is_counted_once(dated: Path) -> None:
    layers = pd.read_csv(dated / "covariates" / "layers.csv")
    ndvi = layers[layers["name"] == "ndvi"]
    parts = [layers[layers["name"] != "ndvi"], *(ndvi.assign(name=f"ndvi_{when}") for when in ("1985-1990", "1995"))]
    pd.concat(parts).to_csv(dated / "covariates" / "layers.csv", index=False)
    row = {"name": "ndvi", "samples": 20, "outside": 0, "largest_gap_years": 0.0}
    pd.DataFrame([row | {"period": when} for when in ("1985-1990", "1995")]).to_csv(dated / "covariates" / "periods.csv", index=False)
    told = dict(inputs.mapped(read_run(dated), STOCK))
    assert told["Covariates"].startswith("26 (1 class and 25 continuous) of 27 rasters; 26 kept by the screening")


def test_other_periods_are_said_to_stand_where_they_do(dated: Path) -> None:
    run = read_run(dated)
    assert map_words.lead_words(run).endswith("those of the others are in the section on stocks.")
    assert map_words.lead_words(run, "stand below").endswith("those of the others stand below.")
