"""Work that tests of tiles do: numbers that tell the place, and ways to fail."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.grid import Window
from edaphic.errors import ModelError, RasterError

KINDS = {"mean": "float32", "class": "uint8", "scaled": "int16"}


def grid_of(rows: int, cols: int) -> GeoBox:
    return GeoBox((rows, cols), Affine(90.0, 0.0, 500000.0, 0.0, -90.0, 4600000.0), "EPSG:32634")


@dataclass(frozen=True)
class Toy:
    """The same cell has the same value in whatever tile."""

    seconds: float = 0.0
    fails_at: int = -1
    input: Path | None = None
    dies: Path | None = None

    def __call__(self, tile: Window) -> tuple[Mapping[str, NDArray], Mapping[str, Any]]:
        if self.input is not None and not self.input.exists():
            raise RasterError(f"{self.input}: no such file; expected a raster")
        if tile.row == self.fails_at:
            raise ModelError([f"row {tile.row}: nothing there; expected soil", "and more"])
        if self.dies is not None and not self.dies.exists():
            self.dies.write_text("died")
            os._exit(9)
        time.sleep(self.seconds)
        row, col = np.mgrid[tile.slices]
        mean = np.sin(row * 0.37) * np.cos(col * 0.11)
        mean[(row // 40 + col // 50) % 3 == 0] = np.nan
        return (
            {
                "mean": mean.astype(np.float32),
                "class": np.where(np.isnan(mean), 255, (row + col) % 7).astype(np.uint8),
                "scaled": np.where(np.isnan(mean), -32768, np.nan_to_num(mean) * 1000).astype(np.int16),
            },
            {"cells": int(np.isfinite(mean).sum()), "row": tile.row},
        )


def whole(store: Any, name: str) -> NDArray:
    """The map of an array."""
    parts = list(store.read(name))
    out = np.empty(store.tiles.shape, dtype=parts[0][1].dtype)
    for tile, values in parts:
        out[tile.slices] = values
    return out
