"""Tiles and the ledger of finished ones: what an interrupted run still has to do.

A tile is one file of arrays. It is written under a temporary name and moved, so a file with the right name is whole; a run
that goes on computes only the tiles whose file is missing.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.grid import Window, windows


@dataclass(frozen=True)
class Ledger:
    """Finished tiles of one map job in ``folder``."""

    folder: Path
    grid: GeoBox
    size: int

    @property
    def tiles(self) -> list[Window]:
        """All tiles, row by row."""
        return windows(self.grid, self.size)

    def path(self, tile: Window) -> Path:
        """File of a tile."""
        return self.folder / f"tile_{tile.row:07d}_{tile.col:07d}.npz"

    def missing(self) -> list[Window]:
        """Tiles still to do."""
        return [tile for tile in self.tiles if not self._whole(tile)]

    def _whole(self, tile: Window) -> bool:
        path = self.path(tile)
        return path.exists() and zipfile.is_zipfile(path)

    def store(self, tile: Window, arrays: dict[str, NDArray]) -> None:
        """Keep a finished tile; on disk before it has its name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(tile)
        temporary = path.with_suffix(".tmp")
        with open(temporary, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)

    def read(self, name: str) -> Iterator[tuple[Window, NDArray[np.float32]]]:
        """One array of every tile, in order."""
        for tile in self.tiles:
            with np.load(self.path(tile), allow_pickle=False) as arrays:
                yield tile, arrays[name]
