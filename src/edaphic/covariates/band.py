"""One band on disk: windows in, a finished GeoTIFF out.

While a raster is made its windows go into a plain tiled GeoTIFF (:class:`BandWriter`). :func:`finish` turns that into the file that
people get, compares the two, and moves it to its name.
"""

from __future__ import annotations

import glob
import math
import os
import zlib
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

from edaphic.covariates.band_statistics import COG_TILE, Statistics, bounded_cache, reason, statistics
from edaphic.covariates.window import Window
from edaphic.errors import GridError, RasterError

__all__ = [
    "COG_TILE",
    "TILE",
    "BandWriter",
    "Compress",
    "Statistics",
    "Words",
    "create",
    "finish",
    "finish_plain",
    "guarded",
    "same_grid",
    "statistics",
]

TILE = 256
"""Side of a tile of the working file: the default window, so that writing a window touches no other tile."""

Compress = Literal["deflate", "none"]


@dataclass(frozen=True)
class Words:
    """What a finished file says of itself: unit and description of its band, tags of the file.

    Parameters
    ----------
    unit, band : str
    tags : mapping of str to str
    classes : bool
        The values are codes: overviews take the nearest cell, not the average.
    scale, offset : float
        Value = stored number x scale + offset. Where they are not 1 and 0, the statistics of the values stand in the band's tags too,
        as ``EDAPHIC_MINIMUM``, ``EDAPHIC_MAXIMUM``, ``EDAPHIC_MEAN`` and ``EDAPHIC_STDDEV``.
    """

    unit: str
    band: str
    tags: Mapping[str, str] = field(default_factory=dict)
    classes: bool = False
    scale: float = 1.0
    offset: float = 0.0


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
        raise RasterError(f"{path}: cannot be written ({reason(error, path)})") from error


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
    is in the file once the writer is closed: it is read again, for of a disk that fills up while a file is closed GDAL says nothing.
    Several threads may write, windows that do not overlap; one at a time gets through.

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
        self._sums: dict[Window, int] = {}
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
        self.write_stored(window, values.astype(np.float32, copy=False) if self._dtype.kind == "f" else self._whole(values))

    def write_stored(self, window: Window, stored: NDArray[Any]) -> None:
        """Write numbers (height, width) of the type on disk, as they are, at a window.

        Raises
        ------
        RasterError
            The disk refuses.
        """
        place = Pixels(window.col, window.row, window.width, window.height)
        try:
            with self._lock:
                self._dataset.write(stored, 1, window=place)
                self._sums[window] = self._sum(stored)
        except (RasterioError, CPLE_BaseError, OSError) as error:
            raise RasterError(f"{self._path}: cannot be written ({reason(error, self._path)})") from error

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

    def _sum(self, stored: NDArray[Any]) -> int:
        """Checksum of numbers; NaN is one number, whatever its bits."""
        plain = np.ascontiguousarray(stored, dtype=self._dtype)
        plain = np.where(np.isnan(plain), self._dtype.type(np.nan), plain) if self._dtype.kind == "f" else plain
        return zlib.crc32(plain.data)

    def close(self) -> None:
        """Put everything into the file, and look whether it is there.

        Raises
        ------
        RasterError
            The file does not hold what was written, as when the disk was full for a while.
        """
        self._dataset.close()
        try:
            with bounded_cache(), rasterio.open(self._path) as dataset:
                for window, known in self._sums.items():
                    if self._sum(dataset.read(1, window=Pixels(window.col, window.row, window.width, window.height))) != known:
                        raise OSError("it does not hold what was written into it")
        except (RasterioError, CPLE_BaseError, OSError) as error:
            raise RasterError(
                f"{self._path}: cannot be written ({reason(error, self._path)}); expected a disk with room that keeps what is written"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._dataset.close()


def finish(tmp: Path, final: Path, words: Words, *, threads: int = 0, keep: bool = False) -> Statistics:
    """Turn a working file into a cloud-optimised GeoTIFF.

    GDAL's COG driver writes it: DEFLATE with a predictor, tiles of 512, overviews by averaging the cells that have a value (of
    classes: the nearest cell). Unit, description, statistics and tags go into the file; where the numbers are scaled, the tags of
    the statistics are of the stored numbers, as GDAL and the programs that read them take it. The result is written under a temporary
    name, read back and compared with the working file, and only then moved to its name; then the working file goes. The bytes
    depend on values, grid and `words` alone. Memory does not grow with the raster.

    Parameters
    ----------
    tmp : Path
        Working file of :class:`BandWriter`, closed.
    final : Path
        The finished raster; replaced if it is there.
    words : Words
    threads : int
        That pack blocks and make overviews; 0 for all cores.
    keep : bool
        The working file stays.

    Returns
    -------
    Statistics of the raster, as stored.

    Raises
    ------
    RasterError
        The working file is missing, or the finished one cannot be written or does not hold the same values. The working
        file is then left as it is, and nothing is left beside it.
    """
    threads = threads or os.cpu_count() or 1
    found = statistics(tmp, threads)
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
            "NUM_THREADS": str(threads),
        }
        with bounded_cache():
            rasterio.shutil.copy(tmp, part, driver="COG", **options)

    try:
        guarded(convert, final)
        written = statistics(part, threads)
        if (written.count, written.tags()) != (found.count, found.tags()):
            raise RasterError(f"{final}: what was written differs from what was computed; is the disk full or failing?")
        guarded(lambda: _on_disk(part), final)
        os.replace(part, final)
    finally:
        for path in final.parent.glob(f"{glob.escape(part.name)}*"):  # GDAL puts overviews beside a file that it makes
            path.unlink(missing_ok=True)
    if not keep:
        tmp.unlink()
    return found


def _on_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


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
        if (words.scale, words.offset) != (1.0, 0.0):
            dataset.scales, dataset.offsets = (words.scale,), (words.offset,)
            values = {} if found is None else found.scaled(words.scale, words.offset).tags()
            named = {key.replace("STATISTICS_", "EDAPHIC_"): text for key, text in values.items() if "PERCENT" not in key}
            dataset.update_tags(1, **named)
        if found is not None:
            dataset.update_tags(1, **found.tags())
        dataset.update_tags(**{key: words.tags[key] for key in sorted(words.tags)})


def guarded(work: Callable[[], object], final: Path) -> None:
    """Do work on a file; what GDAL or the disk refuse becomes a fault that names the file."""
    try:
        work()
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise RasterError(f"{final}: cannot be written ({reason(error, final)})") from error
