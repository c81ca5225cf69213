"""Maps read at the size they are drawn."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from edaphic.errors import RasterError
from edaphic.report import maps

METRES_PER_DEGREE = math.pi * maps.EARTH_RADIUS_M / 180.0


def write(path: Path, values: np.ndarray, crs: str | None, left: float, top: float, cell: float) -> Path:
    options = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": "float32"}
    with rasterio.open(
        path, "w", crs=crs, transform=from_origin(left, top, cell, cell), nodata=np.nan, **options
    ) as file:
        file.write(values.astype(np.float32), 1)
    return path


def test_a_small_map_is_read_as_it_is(tmp_path: Path) -> None:
    values = np.arange(12.0).reshape(3, 4)
    values[1, 1] = np.nan
    image = maps.read_image(write(tmp_path / "a.tif", values, "EPSG:32634", 0, 300, 100), 1000)
    np.testing.assert_array_equal(image.values, values.astype(np.float32))
    assert image.reduction == 1.0
    assert image.extent == (0.0, 400.0, 0.0, 300.0)
    assert image.mean() == pytest.approx(np.nanmean(values))


def test_a_large_map_is_averaged_over_known_cells(tmp_path: Path) -> None:
    values = np.kron([[1.0, 2.0], [3.0, 4.0]], np.ones((50, 50)))
    values[:25] = np.nan
    image = maps.read_image(write(tmp_path / "a.tif", values, "EPSG:32634", 0, 0, 100), 16)
    assert image.values.shape == (4, 4)
    assert image.reduction == 25.0
    np.testing.assert_array_equal(image.values[:, 0], np.array([np.nan, 1, 3, 3], dtype=np.float32))


def test_area_weights_of_a_geographic_map(tmp_path: Path) -> None:
    """Two rows at 15 and 45 degrees: the mean leans to the wider one."""
    image = maps.read_image(write(tmp_path / "a.tif", np.array([[1.0], [2.0]]), "EPSG:4326", 0, 60, 30), 100)
    wide, narrow = math.cos(math.radians(15)), math.cos(math.radians(45))
    assert image.mean() == pytest.approx((2 * wide + 1 * narrow) / (wide + narrow))


def test_scale_on_the_ground(tmp_path: Path) -> None:
    """At 60 degrees a degree of longitude is half as long as one of latitude; a UTM metre is about a metre."""
    globe = maps.read_image(write(tmp_path / "a.tif", np.ones((2, 2)), "EPSG:4326", 20, 61, 1), 100)
    assert globe.ground_m == pytest.approx(METRES_PER_DEGREE / 2, rel=1e-4)
    assert globe.stretch == pytest.approx(2.0, rel=1e-4)
    flat = maps.read_image(write(tmp_path / "b.tif", np.ones((2, 2)), "EPSG:32634", 5e5, 46e5, 1000), 100)
    assert flat.ground_m == pytest.approx(1.0, abs=0.005)
    assert flat.stretch == 1.0
    web = maps.read_image(write(tmp_path / "c.tif", np.ones((2, 2)), "EPSG:3857", 2e6, 8.4e6, 1000), 100)
    assert web.ground_m == pytest.approx(0.5, abs=0.01)


def test_no_crs_no_scale(tmp_path: Path) -> None:
    image = maps.read_image(write(tmp_path / "a.tif", np.ones((2, 2)), None, 0, 0, 1), 100)
    assert math.isnan(image.ground_m)
    assert image.crs_text == "no CRS"


def test_a_damaged_map_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.tif"
    path.write_bytes(b"II*\0nonsense")
    with pytest.raises(RasterError, match=r"broken\.tif: cannot be read"):
        maps.read_image(path, 100)


def test_another_grid_is_brought_to_ours(tmp_path: Path) -> None:
    ours = write(tmp_path / "ours.tif", np.ones((10, 10)), "EPSG:32634", 500_000, 4_600_000, 100)
    plane = np.add.outer(np.zeros(40), np.arange(40.0))
    theirs = write(tmp_path / "theirs.tif", plane, "EPSG:32634", 499_500, 4_600_500, 50)
    found = maps.read_like(theirs, ours, 1000)
    assert found.shape == (10, 10)
    np.testing.assert_allclose(np.diff(found, axis=1), 2.0, atol=1e-5)
    same = maps.read_like(ours, ours, 25)
    np.testing.assert_array_equal(same, np.ones((5, 5), dtype=np.float32))


def test_truth_is_found_as_the_recipe_names_it(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tif", np.ones((2, 2)), None, 0, 0, 1)
    setting = [
        {"path": "t.tif", "layer": "0-30", "unit": "t/ha"},
        {"path": str(path), "layer": [30, 60]},
        {"path": "missing.tif", "layer": "60-100"},
    ]
    found = maps.truth_sources(setting, tmp_path)
    assert found == {(0.0, 30.0): maps.TruthSource(path, "t/ha"), (30.0, 60.0): maps.TruthSource(path, "")}
    assert maps.truth_sources(None, tmp_path) == maps.truth_sources("t.tif", tmp_path) == {}


def test_grid_facts(tmp_path: Path) -> None:
    grid = maps.read_grid(write(tmp_path / "a.tif", np.ones((3, 5)), "EPSG:32634", 500_000, 4_600_000, 250))
    assert (grid.width, grid.height, grid.resolution) == (5, 3, (250.0, 250.0))
    assert (grid.crs_text, grid.unit) == ("EPSG:32634", "metre")
