"""Maps that can be added up in the head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from edaphic.covariates.grid import Window
from edaphic.mapping.write import BandWriter

SaveMap = Callable[..., Path]


@pytest.fixture
def plain() -> Callable[[int, int], GeoBox]:
    """Grids of 1 km cells in an equal-area projection: every cell is one square kilometre on the ground too."""

    def make(height: int, width: int) -> GeoBox:
        return GeoBox((height, width), Affine(1000.0, 0.0, 4_321_000.0, 0.0, -1000.0, 3_210_000.0), "EPSG:3035")

    return make


@pytest.fixture
def save_map(tmp_path: Path) -> SaveMap:
    """Writes an array as a map of a grid."""

    def save(name: str, grid: GeoBox, values: np.ndarray) -> Path:
        path = tmp_path / f"{name}.tif"
        path.unlink(missing_ok=True)
        with BandWriter(path, grid) as band:
            band.write(Window(0, 0, grid.height, grid.width), np.asarray(values, dtype=np.float32))
        return path

    return save


@pytest.fixture
def save_layer(save_map: SaveMap) -> Callable[..., dict[str, Path]]:
    """Writes mean, q05 and q95 of a layer; the limits are half a unit away unless given."""

    def save(
        grid: GeoBox, mean: np.ndarray, low: np.ndarray | None = None, high: np.ndarray | None = None, name: str = ""
    ) -> dict[str, Path]:
        parts = {"mean": mean, "q05": mean - 0.5 if low is None else low, "q95": mean + 0.5 if high is None else high}
        return {stat: save_map(f"{name}{stat}", grid, values) for stat, values in parts.items()}

    return save


@pytest.fixture
def reader() -> Callable[[np.ndarray], Callable[[Window], np.ndarray]]:
    """Reads windows of an array."""

    def make(values: np.ndarray) -> Callable[[Window], np.ndarray]:
        def read(window: Window) -> np.ndarray:
            rows = slice(window.row, window.row + window.height)
            return np.asarray(values, dtype=np.float32)[rows, window.col : window.col + window.width]

        return read

    return make
