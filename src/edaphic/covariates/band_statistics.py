"""Statistics of a raster of any size, and why a file was refused."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._env import get_gdal_config, set_gdal_config
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as Pixels

from edaphic.compiled import kernel
from edaphic.errors import RasterError

COG_TILE = 512
"""Side of a tile of a finished file."""

CACHE_BYTES = 128 * 1024**2
"""GDAL's cache of blocks while a file is finished: by default it is a share of the machine's memory, however small the task."""

_REFUSED_WRITES = ("TIFFRewriteDirectory", "TIFFAppendTo", "TIFFWrite")
"""What GDAL says when the disk refuses; of other writes that fail, libtiff knows a better reason."""

_COLS = 16 * COG_TILE
"""Columns read at once, so that memory does not grow with the width of the map."""

_LEAST_FREE = 4 * 1024**2
"""Bytes left on a disk under which a refused write is taken for a full disk."""


@dataclass(frozen=True)
class Statistics:
    """Count, smallest, largest, mean and standard deviation of the cells that have a value; NaN where none has."""

    cells: int
    count: int
    minimum: float
    maximum: float
    mean: float
    stddev: float

    def tags(self) -> dict[str, str]:
        """As the band tags that GDAL and QGIS read; empty where no cell has a value."""
        if not self.count:
            return {}
        return {
            "STATISTICS_MAXIMUM": repr(self.maximum),
            "STATISTICS_MEAN": repr(self.mean),
            "STATISTICS_MINIMUM": repr(self.minimum),
            "STATISTICS_STDDEV": repr(self.stddev),
            "STATISTICS_VALID_PERCENT": repr(100.0 * self.count / self.cells),
        }

    def scaled(self, scale: float, offset: float) -> Statistics:
        """The same cells with value = stored x scale + offset, scale > 0.

        >>> Statistics(4, 2, 1.0, 3.0, 2.0, 1.0).scaled(0.5, 10.0)
        Statistics(cells=4, count=2, minimum=10.5, maximum=11.5, mean=11.0, stddev=0.5)
        """
        low, high, mean = (value * scale + offset for value in (self.minimum, self.maximum, self.mean))
        return Statistics(self.cells, self.count, low, high, mean, self.stddev * scale)


@contextmanager
def bounded_cache() -> Iterator[None]:
    """GDAL with a small cache of blocks; on exit as it was."""
    before = get_gdal_config("GDAL_CACHEMAX")
    set_gdal_config("GDAL_CACHEMAX", CACHE_BYTES)
    try:
        yield
    finally:
        set_gdal_config("GDAL_CACHEMAX", before)


@kernel  # type: ignore[untyped-decorator]
def _gather(stored: NDArray[Any], nodata: float, found: NDArray[np.float64]) -> None:
    """Add cells (rows, columns) to count, mean, squares about the mean, smallest and largest (Chan, Golub and LeVeque 1983)."""
    for row in range(stored.shape[0]):
        added, total = 0, 0.0
        for col in range(stored.shape[1]):
            value = float(stored[row, col])
            if value == value and value != nodata:
                added += 1
                total += value
                found[3] = min(found[3], value)
                found[4] = max(found[4], value)
        if not added:
            continue
        part, squares = total / added, 0.0
        for col in range(stored.shape[1]):
            value = float(stored[row, col])
            if value == value and value != nodata:
                squares += (value - part) ** 2
        count = found[0]
        found[2] += squares + (part - found[1]) ** 2 * count * added / (count + added)
        found[1] += (part - found[1]) * added / (count + added)
        found[0] = count + added


def pieces(dataset: DatasetReader) -> Iterator[Pixels]:
    """Windows of whole blocks that a file is read by, row by row."""
    for row in range(0, dataset.height, COG_TILE):
        for col in range(0, dataset.width, _COLS):
            yield Pixels(col, row, min(_COLS, dataset.width - col), min(COG_TILE, dataset.height - row))


def statistics(path: Path, threads: int = 1) -> Statistics:
    """Statistics of the cells that have a value, as stored: read by pieces, sums in float64 in a fixed order.

    Parameters
    ----------
    path : Path
    threads : int
        That unpack blocks; the result does not depend on them.

    Raises
    ------
    RasterError
        The file cannot be read.
    """
    found = np.array([0.0, 0.0, 0.0, np.inf, -np.inf])
    try:
        with bounded_cache(), rasterio.open(path, NUM_THREADS=str(max(1, threads))) as dataset:
            cells = dataset.width * dataset.height
            nodata = math.nan if dataset.nodata is None else float(dataset.nodata)
            for piece in pieces(dataset):
                _gather(dataset.read(1, window=piece), nodata, found)
    except (RasterioError, CPLE_BaseError) as error:
        raise RasterError(f"{path}: cannot be read ({reason(error, path)})") from error
    count = int(found[0])
    if not count:
        return Statistics(cells, 0, np.nan, np.nan, np.nan, np.nan)
    mean, squares, low, high = (float(value) for value in found[1:])
    return Statistics(cells, count, low, high, mean, math.sqrt(squares / count))


def reason(error: Exception, path: Path) -> str:
    """Why a file was refused, in a line: GDAL seldom says that a disk is full."""
    folder = path.parent
    if folder.is_dir() and shutil.disk_usage(folder).free < _LEAST_FREE:
        return "no space left on the disk"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    cause = error.__cause__
    text = str(cause if cause is not None and "previous exception" in str(error) else error)
    # What GDAL has half written is gone by now, so that the disk has room again.
    return f"{text}: is the disk full?" if text.startswith(_REFUSED_WRITES) else text
