"""The rasters of the GSOCmap package: cells, means by area, units; names of files; measurements."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from edaphic.covariates import Window, cell_area_m2
from edaphic.errors import EdaphicError, GridError
from edaphic.mapping.info import MapInfo
from edaphic.mapping.write import BandWriter, publish
from edaphic.progress import quiet
from edaphic.report.delivery import gsocmap
from edaphic.report.delivery.checklist import OPEN, Facts, checklist, text_of
from edaphic.report.delivery.copies import Pattern, manifest, plan_copies, write_copies
from edaphic.report.delivery.licences import Licence, licence_of
from edaphic.report.delivery.measurements import METRES_PER_DEGREE, shared_tables
from edaphic.report.delivery.names import MapFile, clashes, map_file, named_fields

INFO = MapInfo("soc_stock_mean_0-30cm", "Stock", "kg/m2", "Mean", {"EDAPHIC_STATISTIC": "mean"}, (1990, 2000))
CELLS = gsocmap.globe_cells
NAMES = {stat: f"MKD_OCS_{stat}_0-30cm" for stat in gsocmap.STATS}


def write(path: Path, grid: GeoBox, values: np.ndarray, info: MapInfo = INFO) -> Path:
    path.parent.mkdir(exist_ok=True)
    with BandWriter(path.with_suffix(".work"), grid) as band:
        band.write(Window(0, 0, *values.shape), values.astype(np.float32))
    publish(path.with_suffix(".work"), path, info, grid)
    return path


def maps_of(folder: Path, grid: GeoBox, mean: np.ndarray, half: float = 1.0) -> dict[str, Path]:
    parts = {"mean": mean, "q05": mean - half, "q95": mean + half}
    return {stat: write(folder / f"soc_stock_{stat}_0-30cm.tif", grid, values) for stat, values in parts.items()}


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return np.asarray(file.read(1))


def fine(rows: int = 4, cols: int = 6, parts: int = 4, west: float = 20.0, north: float = 42.0) -> GeoBox:
    """Geographic cells, ``parts`` of them along a cell of 30 arc-seconds."""
    size = 1 / 120 / parts
    return GeoBox((rows * parts, cols * parts), Affine(size, 0, west, 0, -size, north), "EPSG:4326")


# ---- cells and means ----


def test_numbered_cells_get_the_mean_of_their_own(tmp_path: Path) -> None:
    grid = fine()
    values = np.kron(np.arange(1.0, 25.0).reshape(4, 6), np.ones((4, 4))) + np.tile([[-0.5, 0.5], [0.5, -0.5]], (8, 12))
    target = gsocmap.globe_cells(grid)
    package = gsocmap.write_rasters(maps_of(tmp_path / "own", grid, values), NAMES, tmp_path / "out", target, INFO, quiet)
    np.testing.assert_allclose(read(package.rasters["mean"]), 10 * np.arange(1.0, 25.0).reshape(4, 6), rtol=1e-6)  # kg/m2 to t/ha
    np.testing.assert_allclose(read(package.rasters["sd"]), 20 / (2 * 1.6448536), rtol=1e-5)
    np.testing.assert_allclose(read(package.rasters["q95"]) - read(package.rasters["q05"]), 20, rtol=1e-5)
    assert package.finer and package.cells == 24
    assert package.mean == pytest.approx(package.own_mean, rel=1e-6) and package.area_km2 == pytest.approx(package.own_area_km2)
    with rasterio.open(package.rasters["mean"]) as file:
        assert (file.crs.to_epsg(), file.units[0], file.tags()["UNIT"]) == (4326, "t/ha", "t/ha")
        assert file.transform.almost_equals(target.affine, 1e-12) and math.isnan(file.nodata)
    assert all(path.with_suffix(ending).is_file() for path in package.rasters.values() for ending in (".sld", ".qml", ".json"))


def test_half_of_a_cell_has_to_be_covered(tmp_path: Path) -> None:
    grid = fine(1, 3)
    values = np.full((4, 12), 2.0)
    values[:, 4:8][:, :2] = np.nan  # half of the second cell
    values[:, 8:][:, :3] = np.nan  # three quarters of the third
    package = gsocmap.write_rasters(maps_of(tmp_path / "own", grid, values), NAMES, tmp_path / "out", CELLS(grid), INFO, quiet)
    np.testing.assert_array_equal(read(package.rasters["mean"]), [[20.0, 20.0, np.nan]])


def test_a_projected_map_keeps_its_mean(tmp_path: Path) -> None:
    grid = GeoBox((200, 240), Affine(100.0, 0, 500_000, 0, -100.0, 4_650_000), "EPSG:32634")
    rows, cols = np.mgrid[0:200, 0:240]
    values = 6.0 + 3.0 * np.sin(rows / 40) * np.cos(cols / 50)
    package = gsocmap.write_rasters(maps_of(tmp_path / "own", grid, values), NAMES, tmp_path / "out", CELLS(grid), INFO, quiet)
    area = cell_area_m2(grid, Window(0, 0, 200, 240))
    assert package.own_mean == pytest.approx(10 * (values * area).sum() / area.sum(), rel=1e-6)
    assert package.mean == pytest.approx(package.own_mean, rel=5e-3) and package.area_km2 == pytest.approx(package.own_area_km2, rel=0.03)


def test_larger_cells_are_cut_and_that_is_told(tmp_path: Path) -> None:
    grid = GeoBox((2, 2), Affine(0.025, 0, 20.0, 0, -0.025, 42.0), "EPSG:4326")
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    package = gsocmap.write_rasters(maps_of(tmp_path / "own", grid, values), NAMES, tmp_path / "out", CELLS(grid), INFO, quiet)
    np.testing.assert_allclose(read(package.rasters["mean"]), 10 * np.kron(values, np.ones((3, 3))), rtol=1e-6)
    assert not package.finer


@settings(max_examples=60, deadline=None)
@given(west=st.floats(-179, 170), north=st.floats(-60, 80), height=st.integers(1, 40), width=st.integers(1, 40))
def test_cells_are_those_of_the_globe_and_hold_the_map(west: float, north: float, height: int, width: int) -> None:
    grid = GeoBox((height, width), Affine(0.01, 0, west, 0, -0.01, north), "EPSG:4326")
    cells = gsocmap.globe_cells(grid)
    box, own = cells.boundingbox, grid.boundingbox
    assert box.left <= own.left + 3e-6 and box.right >= own.right - 3e-6 and box.top >= own.top - 3e-6 and box.bottom <= own.bottom + 3e-6
    assert box.left > own.left - 1 / 120 - 3e-6 and box.right < own.right + 1 / 120 + 3e-6
    assert abs(cells.affine.c * 120 - round(cells.affine.c * 120)) < 1e-9 and abs(cells.affine.f * 120 - round(cells.affine.f * 120)) < 1e-9


def test_an_empty_grid_is_filled(tmp_path: Path) -> None:
    wide = GeoBox((8, 10), Affine(1 / 120, 0, 20 - 2 / 120, 0, -1 / 120, 42 + 2 / 120), "EPSG:4326")
    given_grid = gsocmap.given_cells(write(tmp_path / "mask.tif", wide, np.ones((8, 10))))
    own = maps_of(tmp_path / "own", fine(), np.full((16, 24), 3.0))
    found = read(gsocmap.write_rasters(own, NAMES, tmp_path / "out", given_grid, INFO, quiet).rasters["mean"])
    assert found.shape == (8, 10) and np.isfinite(found).sum() == 24 and np.nanmax(found) == 30.0


@pytest.mark.parametrize(
    ("crs", "size", "expected"),
    [("EPSG:4326", 0.01, "cells of 36 x 36 arc-seconds; expected 30"), ("EPSG:32634", 1000.0, "expected WGS 84")],
)
def test_another_grid_is_a_fault(tmp_path: Path, crs: str, size: float, expected: str) -> None:
    path = write(tmp_path / "mask.tif", GeoBox((2, 2), Affine(size, 0, 20.0, 0, -size, 42.0), crs), np.ones((2, 2)))
    with pytest.raises(GridError, match=expected) as caught:
        gsocmap.given_cells(path)
    assert len(caught.value.faults) == 1


def test_a_map_that_does_not_lie_on_the_cells_is_a_fault(tmp_path: Path) -> None:
    far = GeoBox((2, 2), Affine(1 / 120, 0, 20.2, 0, -1 / 120, 42.0), "EPSG:4326")
    with pytest.raises(EdaphicError, match=r"overlap|half covered"):
        gsocmap.write_rasters(maps_of(tmp_path / "own", fine(), np.ones((16, 24))), NAMES, tmp_path / "out", far, INFO, quiet)


def test_a_map_across_the_antimeridian_needs_a_grid() -> None:
    with pytest.raises(GridError, match="goes across the antimeridian; expected grid:"):
        gsocmap.globe_cells(GeoBox((100, 100), Affine(1000, 0, 800_000, 0, -1000, 8_000_000), "EPSG:32760"))


# ---- the checklist ----


def facts(**changes: object) -> Facts:
    empty = pd.DataFrame()
    known: dict[str, object] = {
        "recipe": {}, "summary": {}, "covariates": empty, "metrics": empty, "calibration": empty, "importance": empty,
        "variogram": {}, "cells": {}, "stocks": empty, "years": None, "version": "1", "country": "MKD",
    }  # fmt: skip
    return Facts(**(known | changes))  # type: ignore[arg-type]


@pytest.fixture
def package(tmp_path: Path) -> gsocmap.Package:
    own = maps_of(tmp_path / "own", fine(), np.full((16, 24), 3.0))
    return gsocmap.write_rasters(own, NAMES, tmp_path / "out", gsocmap.globe_cells(fine()), INFO, quiet)


def test_nothing_is_made_up(package: gsocmap.Package) -> None:
    table = checklist(facts(), package)
    assert set(table.loc[table["answer"] == OPEN, "state"]) == {"to fill in"}
    answered = set(table.loc[table["state"] == "answered", "from"])
    assert answered <= {"package", "recipe", "run.json", "maps, package", "profiles/summary.json", "evidence/calibration.csv"}
    assert {"Contact: name", "Contact: email", "Citation", "Date of publication", "Number of profiles"} <= set(
        table.loc[table["state"] == "to fill in", "item"]
    )
    text = text_of(table, "test")
    assert f"{(table['state'] == 'to fill in').sum()} are to be filled in" in text and text.count("## ") == 8


def test_figures_of_the_run_come_in_t_ha(package: gsocmap.Package) -> None:
    row = {"design": "knndm", "scale": "natural", "layer": "0-30 cm", "unit": "kg/m2", "n_profiles": 50, "bias": -0.2, "bias_low": -0.3}
    row |= {"bias_high": -0.1, "mae": 1.0, "rmse": 2.0, "mec": 0.4, "r2_pearson": 0.5}
    told = {"deliver": {"contact": {"email": "a@b.org"}}}
    table = checklist(facts(metrics=pd.DataFrame([row]), recipe=told), package).set_index("item")["answer"]
    assert "ME -2 t/ha, MAE 10 t/ha, RMSE 20 t/ha, MSE 400 (t/ha)2" in table["Quality: ME, MAE, MSE"]
    assert "predictions are lower than held-out observations" in table["Under- or overestimation"]
    assert table["Contact: email"] == "a@b.org"


# ---- names ----


def map_of(name: str, **more: str) -> MapFile:
    return MapFile(Path(f"{name}.tif"), "1", name, {"name": name} | named_fields(name) | more)


def test_the_names_of_the_second_paper() -> None:
    zones = ("cropland", "grassland", "forest")
    maps = [map_of(f"beta_{zone}_mean_0-100cm", ecosystem=word) for zone, word in zip(zones, ("CL", "GL", "FL"), strict=True)]
    maps += [map_of(f"soc_stock_{zone}_mean_20-40cm", ecosystem=word) for zone, word in zip(zones, ("CL", "GL", "FL"), strict=True)]
    found = plan_copies(maps, [Pattern("{ecosystem}_beta", ("beta_*",)), Pattern("{ecosystem}_{depth}_SOCD", ("soc_stock_*",))])
    assert [one.name for one in found] == ["CL_beta", "GL_beta", "FL_beta", "CL_20-40_SOCD", "GL_20-40_SOCD", "FL_20-40_SOCD"]


def test_a_class_gets_its_cells_and_a_copy_its_bytes(tmp_path: Path) -> None:
    grid = GeoBox((2, 3), Affine(100.0, 0, 500_000, 0, -100.0, 4_600_000), "EPSG:32634")
    path = write(tmp_path / "maps" / f"{INFO.name}.tif", grid, np.arange(1.0, 7.0).reshape(2, 3))
    own = map_file(path, {"area": "mk"}, "1.0", {"0-30": "d1"})
    told = [own.fields[field] for field in ("resolution", "crs", "begin", "depth")]
    assert told == ["100m", "epsg.32634", "19900101", "d1"]
    codes = np.array([[1, 1, 2], [2, 3, np.nan]], np.float32)
    copies = plan_copies([own], [Pattern("{ecosystem}_SOCD"), Pattern("{quantity}_{area}")], {1: "CL", 2: "GL"})
    rows = write_copies(copies, tmp_path / "out", lambda window: codes[window.slices], quiet)
    np.testing.assert_array_equal(read(tmp_path / "out" / "CL_SOCD.tif"), [[1, 2, np.nan], [np.nan] * 3])
    np.testing.assert_array_equal(read(tmp_path / "out" / "GL_SOCD.tif"), [[np.nan, np.nan, 3], [4, np.nan, np.nan]])
    assert (tmp_path / "out" / "soc_stock_mk.tif").read_bytes() == path.read_bytes()
    table = manifest(tmp_path / "out", rows).set_index("file")
    assert table.loc["CL_SOCD.tif", "unit"] == "kg/m2" and table.loc["GL_SOCD.tif", "how"] == "cells of class 2"
    assert len(table) == 12 and table["sha256"].str.fullmatch("[0-9a-f]{64}").all()
    for name in ("soc_stock_mk", "CL_SOCD"):  # a part has the colours of the whole
        assert (tmp_path / "out" / f"{name}.sld").read_text().count('quantity="6.0"') == 1


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (Pattern("SOC"), "the name 'SOC', which soc_stock_mean_0-30cm gets too; expected a pattern that tells them apart"),
        (Pattern("{ecosystem}_{stat}_{depth}"), "has no {ecosystem}, .*expected deliver.ecosystems"),
        (Pattern("{name}_{from}"), r"has no \{from\}, .*expected maps.period"),
        (Pattern("{name}", ("beta_*",)), "no map fits beta_\\*; expected patterns of names such as soc_stock_mean_0-30cm"),
    ],
)
def test_faults_of_names(pattern: Pattern, expected: str) -> None:
    maps = [map_of("soc_stock_mean_0-30cm"), map_of("soc_stock_q05_0-30cm")]
    with pytest.raises(EdaphicError, match=expected) as caught:
        plan_copies(maps, [pattern])
    assert all(fault.startswith("deliver.names: ") and "\n" not in fault for fault in caught.value.faults)


def test_names_that_differ_in_case_only_are_one_name() -> None:
    assert len(clashes([("a", "Map"), ("b", "mAP")])) == 1


# ---- measurements ----


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    horizons = pd.DataFrame(
        {
            "profile_id": ["1", "1", "2"], "source": ["open", "open", "closed"],
            "lon": [20.12345, 20.12345, 21.0], "lat": [41.98765, 41.98765, 42.0],
            "top_cm": [0.0, 10.0, 0.0], "bottom_cm": [10.0, 30.0, 30.0], "soc_g_kg": [20.0, 10.0, 15.0], "owner": ["A", "A", "B"],
        }
    )  # fmt: skip
    return horizons, horizons.drop(columns="soc_g_kg").assign(soc_stock_kg_m2=1.0, status="ok")


def test_only_sources_with_a_licence_are_handed_over() -> None:
    licences = {"open": (licence_of("CC-BY-4.0"),), "closed": (licence_of("ask us"),)}
    found = shared_tables(*tables(), licences, {"open": "A 2020"})
    assert set(found.horizons["profile_id"]) == set(found.layers["profile_id"]) == {"1"}
    told = found.verdicts.set_index("source")
    assert told.loc["closed", "shared"] == "no" and "'ask us') is not known here" in told.loc["closed", "reason"]
    assert told.loc["open", "citation"] == "A 2020"
    assert "owner" not in found.horizons  # only listed columns
    everything = shared_tables(*tables(), licences, {}, share=["closed"])
    assert set(everything.horizons["profile_id"]) == {"1", "2"}


@pytest.mark.parametrize("licence", [licence_of(None), licence_of("all rights reserved"), licence_of("free for research")])
def test_without_a_known_licence_nothing_is_handed_over(licence: Licence) -> None:
    found = shared_tables(*tables(), {"open": (licence_of("CC0"), licence)}, {})  # two tables under one name: both must allow it
    assert found.horizons.empty and (found.verdicts["shared"] == "no").all()


@pytest.mark.parametrize("decimals", [0, 1, 2, 3])
def test_rounded_places_lie_within_their_error(decimals: int) -> None:
    exact, _ = tables()
    rounded = shared_tables(*tables(), {"open": (licence_of("CC0"),)}, {}, decimals=decimals).horizons.iloc[0]
    off = np.hypot(rounded["lat"] - exact.loc[0, "lat"], (rounded["lon"] - exact.loc[0, "lon"]) * np.cos(np.radians(exact.loc[0, "lat"])))
    assert off * METRES_PER_DEGREE <= rounded["coordinate_error_m"]
    assert rounded["lat"] == round(exact.loc[0, "lat"], decimals)


def test_places_may_be_left_out_or_kept() -> None:
    licences = {"open": (licence_of("CC0"),)}
    assert not {"lon", "lat", "coordinate_error_m"} & set(shared_tables(*tables(), licences, {}, coordinates="none").horizons)
    assert shared_tables(*tables(), licences, {}, coordinates="exact").horizons["lon"].tolist() == [20.12345, 20.12345]
