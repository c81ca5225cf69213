"""One band on disk: windows in, a finished GeoTIFF out.

While a raster is made its windows go into a plain tiled GeoTIFF (:class:`BandWriter`). :func:`finish` turns that into the file that
people get, compares the two, and moves it to its name.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio._err import CPLE_BaseError  # what GDAL's copy raises; rasterio wraps it elsewhere
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as Pixels

from edaphic.covariates.window import Window
from edaphic.errors import GridError, RasterError

TILE = 256
"""Side of a tile of the working file: the default window, so that writing a window touches no other tile."""

COG_TILE = 512

Compress = Literal["deflate", "none"]


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


@dataclass(frozen=True)
class Words:
    """What a finished file says of itself: unit and description of its band, tags of the file.

    Parameters
    ----------
    unit, band : str
    tags : mapping of str to str
    classes : bool
        The values are codes: overviews take the nearest cell, not the average.
    """

    unit: str
    band: str
    tags: Mapping[str, str] = field(default_factory=dict)
    classes: bool = False


def create(path: Path, grid: GeoBox, dtype: str = "float32", nodata: float = math.nan) -> None:
    """Make the working file of a raster: tiled, every cell empty, almost no space on disk until written to.

    Raises
    ------
    GridError
        The grid has no CRS.
    RasterError
        The file cannot be made.
    """
    if grid.crs is None:
        raise GridError("grid: no CRS; a map needs one")
    profile = {
        "driver": "GTiff",
        "dtype": dtype,
        "count": 1,
        "nodata": nodata,
        "width": grid.width,
        "height": grid.height,
        "crs": grid.crs.to_wkt(),
        "transform": grid.affine,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "SPARSE_OK": "TRUE",
        "BIGTIFF": "IF_SAFER",
    }
    try:
        with rasterio.open(path, "w", **profile):
            pass
    except (RasterioError, OSError) as error:
        raise RasterError(f"{path}: cannot be written ({error})") from error


def same_grid(dataset: DatasetReader, grid: GeoBox) -> bool:
    """Whether an open raster has the cells and the CRS of a grid."""
    if grid.crs is None or dataset.crs is None or dataset.shape != (grid.height, grid.width):
        return False
    # a millionth of a cell: room for the rounding of a file format, none for a shifted map
    precision = 1e-6 * max(abs(grid.affine.a), abs(grid.affine.e))
    same_cells = dataset.transform.almost_equals(grid.affine, precision=precision)
    return bool(same_cells and dataset.crs == CRS.from_wkt(grid.crs.to_wkt()))


class BandWriter:
    """Writes the windows of one raster into its working file, in any order.

    A file that is there already is taken up again if it has the same grid: an interrupted run goes on. What was written
    is safe on disk once the writer is closed. Several threads may write; one at a time gets through.

    Parameters
    ----------
    path : Path
        Working file; made if it is missing.
    grid : GeoBox
        Grid of the raster.
    dtype : str
        Of the numbers on disk.
    nodata : float
        Stored where there is no value.

    Raises
    ------
    RasterError
        The file is there but has another grid, or cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> from affine import Affine
    >>> grid = GeoBox((2, 3), Affine(100, 0, 0, 0, -100, 0), "EPSG:3035")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mean.tif"
    ...     with BandWriter(path, grid) as band:
    ...         band.write(Window(0, 1, 2, 2), np.ones((2, 2)))
    ...     statistics(path).count
    4
    """

    def __init__(self, path: Path, grid: GeoBox, dtype: str = "float32", nodata: float = math.nan) -> None:
        if not path.exists():
            create(path, grid, dtype, nodata)
        self._path = path
        self._dtype = np.dtype(dtype)
        self._nodata = nodata
        self._lock = Lock()
        try:
            self._dataset: Any = rasterio.open(path, "r+")
        except RasterioError as error:
            raise RasterError(f"{path}: cannot be opened for writing ({error})") from error
        if not same_grid(self._dataset, grid):
            self._dataset.close()
            raise RasterError(f"{path}: has another grid than this run; expected {grid.height} x {grid.width} cells")

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Write values (height, width), NaN where there is none, at a window.

        Raises
        ------
        RasterError
            The shape is not the window's, a value is infinite or does not fit the type on disk, or the disk refuses.
        """
        if values.shape != (window.height, window.width):
            raise RasterError(f"{self._path}: values of shape {values.shape} for a window of {(window.height, window.width)} cells")
        if np.isinf(values).any():
            raise RasterError(f"{self._path}: infinite value in window {window}; expected numbers or NaN")
        stored = values.astype(np.float32, copy=False) if self._dtype.kind == "f" else self._whole(values)
        place = Pixels(window.col, window.row, window.width, window.height)
        try:
            with self._lock:
                self._dataset.write(stored, 1, window=place)
        except RasterioError as error:
            raise RasterError(f"{self._path}: cannot be written ({error})") from error

    def _whole(self, values: NDArray[Any]) -> NDArray[Any]:
        """Whole numbers of the type on disk; what does not fit is a fault, not another number."""
        empty = np.isnan(values)
        given = values[~empty]
        limits = np.iinfo(self._dtype)
        odd = given[(given != np.round(given)) | (given < limits.min) | (given > limits.max) | (given == self._nodata)]
        if odd.size:
            raise RasterError(
                f"{self._path}: value {odd[0]:g}; expected whole numbers from {limits.min} to {limits.max} other than {self._nodata:g}"
            )
        return np.where(empty, self._nodata, values).astype(self._dtype)

    def close(self) -> None:
        """Put everything on disk."""
        self._dataset.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def statistics(path: Path) -> Statistics:
    """Statistics of the cells that have a value, read by strips, sums in float64 in a fixed order.

    Raises
    ------
    RasterError
        The file cannot be read.
    """
    count, mean, squares, low, high = 0, 0.0, 0.0, np.inf, -np.inf
    try:
        with rasterio.open(path) as dataset:
            cells = dataset.width * dataset.height
            for row in range(0, dataset.height, COG_TILE):
                strip = Pixels(0, row, dataset.width, min(COG_TILE, dataset.height - row))
                stored = dataset.read(1, window=strip).ravel()
                empty = np.isnan(stored) if stored.dtype.kind == "f" else stored == dataset.nodata
                values = stored[~empty].astype(np.float64)
                if not values.size:
                    continue
                # mean and squares of two parts together (Chan, Golub and LeVeque 1983)
                added, part = values.size, float(values.mean())
                squares += float(((values - part) ** 2).sum()) + (part - mean) ** 2 * count * added / (count + added)
                mean += (part - mean) * added / (count + added)
                count += added
                low, high = min(low, float(values.min())), max(high, float(values.max()))
    except RasterioError as error:
        raise RasterError(f"{path}: cannot be read ({error})") from error
    if not count:
        return Statistics(cells, 0, np.nan, np.nan, np.nan, np.nan)
    return Statistics(cells, count, low, high, mean, float(np.sqrt(squares / count)))


def finish(tmp: Path, final: Path, words: Words) -> Statistics:
    """Turn a working file into a cloud-optimised GeoTIFF.

    GDAL's COG driver writes it: DEFLATE with a predictor, tiles of 512, overviews by averaging the cells that have a value (of
    classes: the nearest cell). Unit, description, statistics and tags go into the file. The result is written under a temporary
    name, read back and compared with the working file, and only then moved to its name; then the working file goes. The bytes
    depend on values, grid and `words` alone.

    Parameters
    ----------
    tmp : Path
        Working file of :class:`BandWriter`, closed.
    final : Path
        The finished raster; replaced if it is there.
    words : Words

    Returns
    -------
    Statistics of the raster.

    Raises
    ------
    RasterError
        The working file is missing, or the finished one cannot be written or does not hold the same values. The working
        file is then left as it is.
    """
    found = statistics(tmp)
    part = final.with_name(final.name + ".part")

    def convert() -> None:
        _tell(tmp, words, found)
        floats = _is_float(tmp)
        options = {
            "COMPRESS": "DEFLATE",
            "PREDICTOR": "FLOATING_POINT" if floats else "STANDARD",
            "BLOCKSIZE": str(COG_TILE),
            "OVERVIEW_RESAMPLING": "NEAREST" if words.classes else "AVERAGE",
            "BIGTIFF": "IF_SAFER",
        }
        rasterio.shutil.copy(tmp, part, driver="COG", **options)

    try:
        guarded(convert, final)
        written = statistics(part)
        if (written.count, written.tags()) != (found.count, found.tags()):
            raise RasterError(f"{final}: what was written differs from what was computed; is the disk full or failing?")
        os.replace(part, final)
    finally:
        part.unlink(missing_ok=True)
    tmp.unlink()
    return found


def finish_plain(tmp: Path, final: Path, words: Words) -> None:
    """Move a working file to its name as it is, tiled and not compressed, with unit, description and tags.

    Raises
    ------
    RasterError
        It cannot be written.
    """
    guarded(lambda: _tell(tmp, words, None), final)
    os.replace(tmp, final)


def _is_float(path: Path) -> bool:
    with rasterio.open(path) as dataset:
        return bool(np.dtype(dataset.dtypes[0]).kind == "f")


def _tell(tmp: Path, words: Words, found: Statistics | None) -> None:
    with rasterio.open(tmp, "r+") as dataset:
        dataset.units = (words.unit,)
        dataset.set_band_description(1, words.band)
        if found is not None:
            dataset.update_tags(1, **found.tags())
        dataset.update_tags(**{key: words.tags[key] for key in sorted(words.tags)})


def guarded(work: Callable[[], None], final: Path) -> None:
    """Do work on a file; what GDAL or the disk refuse becomes a fault that names the file."""
    try:
        work()
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise RasterError(f"{final}: cannot be written ({error})") from error
