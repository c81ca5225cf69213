"""Rasters made together: all are there and whole, or none is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rio_cogeo.cogeo import cog_validate

from edaphic.covariates.made import MadeLayer, making
from edaphic.covariates.window import Window, windows
from edaphic.errors import RasterError

GRID = GeoBox((600, 700), Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32634")
SLOPE = MadeLayer("slope", "degree", "Steepest slope", {"METHOD": "Horn"})
ZONE = MadeLayer("zone", "1", "Zone", kind="class", dtype="uint8")
COUNT = MadeLayer("count", "1", "Observations", dtype="uint16")


def numbers(window: Window) -> np.ndarray:
    row, col = np.mgrid[window.slices]
    return ((row * 7 + col) % 200 + 1).astype(np.float64)


@pytest.mark.parametrize("compress", ["deflate", "none"])
def test_what_is_written_is_read_back(tmp_path: Path, compress: str) -> None:
    with making(tmp_path / "new", GRID, [SLOPE, ZONE, COUNT], compress) as writers:
        for window in windows(GRID):
            values = numbers(window)
            values[values == 7] = np.nan
            for writer in writers.values():
                writer.write(window, values)
    expected = numbers(Window(0, 0, *GRID.shape))
    expected[expected == 7] = np.nan
    for layer in (SLOPE, ZONE, COUNT):
        with rasterio.open(tmp_path / "new" / f"{layer.name}.tif") as file:
            assert (file.dtypes[0], file.units[0]) == (layer.dtype, layer.unit)
            assert file.tags()["DESCRIPTION"] == layer.description
            np.testing.assert_array_equal(file.read(1, masked=True).astype(float).filled(np.nan), expected)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["count.tif", "slope.tif", "zone.tif"]
    with rasterio.open(tmp_path / "new" / "slope.tif") as file:
        assert file.tags()["METHOD"] == "Horn"
        assert bool(file.overviews(1)) == (compress == "deflate")
    assert cog_validate(tmp_path / "new" / "slope.tif")[0] == (compress == "deflate")


def test_overviews_of_classes_hold_classes_only(tmp_path: Path) -> None:
    with making(tmp_path, GRID, [ZONE]) as writers:
        writers["zone"].write(Window(0, 0, 600, 700), np.where(np.indices(GRID.shape).sum(axis=0) % 2, 1.0, 3.0))
    with rasterio.open(tmp_path / "zone.tif", overview_level=0) as file:
        assert set(np.unique(file.read(1))) <= {1, 3}


def test_a_fault_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "slope.tif").write_bytes(b"older")
    with pytest.raises(RuntimeError, match="half"), making(tmp_path, GRID, [SLOPE, COUNT]) as writers:
        writers["slope"].write(Window(0, 0, 1, 1), np.ones((1, 1)))
        raise RuntimeError("half way")
    assert (tmp_path / "slope.tif").read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir()] == ["slope.tif"]
    with pytest.raises(RuntimeError, match="half"), making(tmp_path / "a" / "b", GRID, [SLOPE]):
        raise RuntimeError("half way")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("value", [1.5, -1.0, 65536.0, 65535.0])
def test_what_does_not_fit_is_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(RasterError, match="expected whole numbers from 0 to 65535"), making(tmp_path, GRID, [COUNT]) as writers:
        writers["count"].write(Window(0, 0, 1, 1), np.array([[value]]))
    assert not list(tmp_path.iterdir())


def test_one_name_twice_and_a_file_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match="slope to be made twice"), making(tmp_path, GRID, [SLOPE, SLOPE]):
        pass
    (tmp_path / "slope.tif").mkdir()
    with pytest.raises(RasterError, match=r"slope\.tif: a folder; expected a file"), making(tmp_path, GRID, [SLOPE, COUNT]):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(RasterError, match="no folder that can be written to"), making(tmp_path / "file", GRID, [SLOPE]):
        pass


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f".slope.tif.{gone.pid}.making").write_text("half")
    (tmp_path / f".other.tif.{gone.pid}.making").write_text("of another raster")
    with making(tmp_path, GRID, [SLOPE]):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".other.tif.{gone.pid}.making", "slope.tif"]
