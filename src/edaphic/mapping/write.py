"""Windows in, finished map out: a cloud-optimised GeoTIFF with unit, nodata, provenance and statistics.

While a map is made its windows go into a plain tiled GeoTIFF (:class:`BandWriter`). :func:`finish_cog` turns that into
the file that people get, compares the two, and moves it to its name. :func:`publish` adds style and STAC item.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

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

from edaphic.covariates.grid import Window
from edaphic.errors import GridError, RasterError
from edaphic.mapping.info import MapInfo
from edaphic.mapping.stac import write_catalog, write_stac_item
from edaphic.mapping.style import write_style

__all__ = [
    "BandWriter",
    "MapInfo",
    "Statistics",
    "create",
    "finish_cog",
    "publish",
    "same_grid",
    "statistics",
    "write_catalog",
    "write_stac_item",
    "write_style",
]

TILE = 256
"""Side of a tile of the working file: the default window, so that writing a window touches no other tile."""

COG_TILE = 512

_COG_OPTIONS = {
    "COMPRESS": "DEFLATE",
    "PREDICTOR": "FLOATING_POINT",
    "BLOCKSIZE": str(COG_TILE),
    "OVERVIEW_RESAMPLING": "AVERAGE",
    "BIGTIFF": "IF_SAFER",
}


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


def create(path: Path, grid: GeoBox) -> None:
    """Make the working file of a map: float32, tiled, every cell NaN, almost no space on disk until written to.

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
        "dtype": "float32",
        "count": 1,
        "nodata": float("nan"),
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
    """Writes the windows of one map into its working file, in any order.

    A file that is there already is taken up again if it has the same grid: an interrupted run goes on. What was written
    is safe on disk once the writer is closed. Several threads may write; one at a time gets through.

    Parameters
    ----------
    path : Path
        Working file; made if it is missing.
    grid : GeoBox
        Grid of the map.

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

    def __init__(self, path: Path, grid: GeoBox) -> None:
        if not path.exists():
            create(path, grid)
        self._path = path
        self._lock = Lock()
        try:
            self._dataset: Any = rasterio.open(path, "r+")
        except RasterioError as error:
            raise RasterError(f"{path}: cannot be opened for writing ({error})") from error
        if not same_grid(self._dataset, grid):
            self._dataset.close()
            raise RasterError(f"{path}: has another grid than this run; expected {grid.height} x {grid.width} cells")

    def write(self, window: Window, values: NDArray[np.floating[Any]]) -> None:
        """Write values (height, width), NaN where there is none, at a window.

        Raises
        ------
        RasterError
            The shape is not the window's, a value is infinite, or the disk refuses.
        """
        if values.shape != (window.height, window.width):
            raise RasterError(
                f"{self._path}: values of shape {values.shape} for a window of {(window.height, window.width)} cells"
            )
        if np.isinf(values).any():
            raise RasterError(f"{self._path}: infinite value in window {window}; expected numbers or NaN")
        place = Pixels(window.col, window.row, window.width, window.height)
        try:
            with self._lock:
                self._dataset.write(values.astype(np.float32, copy=False), 1, window=place)
        except RasterioError as error:
            raise RasterError(f"{self._path}: cannot be written ({error})") from error

    def close(self) -> None:
        """Put everything on disk."""
        self._dataset.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def statistics(path: Path) -> Statistics:
    """Statistics of the cells of a map that have a value, read by strips, sums in float64 in a fixed order.

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
                values = dataset.read(1, window=strip).ravel()
                values = values[~np.isnan(values)].astype(np.float64)
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


def finish_cog(tmp: Path, final: Path, info: MapInfo) -> Statistics:
    """Turn a working file into the finished map.

    GDAL's COG driver writes it: DEFLATE with the floating-point predictor, tiles of 512, overviews by averaging the
    cells that have a value. Unit, description, statistics and provenance go into the file. The result is written under
    a temporary name, read back and compared with the working file, and only then moved to its name; then the working
    file goes. The bytes depend on values, grid and `info` alone.

    Parameters
    ----------
    tmp : Path
        Working file of :class:`BandWriter`, closed.
    final : Path
        The finished map; replaced if it is there.
    info : MapInfo

    Returns
    -------
    Statistics of the map.

    Raises
    ------
    RasterError
        The working file is missing, or the finished one cannot be written or does not hold the same values. The working
        file is then left as it is.
    """
    found = statistics(tmp)
    part = final.with_name(final.name + ".part")

    def convert() -> None:
        with rasterio.open(tmp, "r+") as dataset:
            dataset.units = (info.unit,)
            dataset.set_band_description(1, info.title)
            dataset.update_tags(1, **found.tags())
            texts = {"TITLE": info.title, "DESCRIPTION": info.description, "UNIT": info.unit}
            texts |= {key: str(value) for key, value in info.tags.items()}
            dataset.update_tags(**{key: texts[key] for key in sorted(texts)})
        rasterio.shutil.copy(tmp, part, driver="COG", **_COG_OPTIONS)

    try:
        _guarded(convert, final)
        written = statistics(part)
        if (written.count, written.tags()) != (found.count, found.tags()):
            raise RasterError(f"{final}: what was written differs from what was computed; is the disk full or failing?")
        os.replace(part, final)
    finally:
        part.unlink(missing_ok=True)
    tmp.unlink()
    return found


def _guarded(work: Callable[[], None], final: Path) -> None:
    try:
        work()
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise RasterError(f"{final}: cannot be written ({error})") from error


def publish(
    tmp: Path, final: Path, info: MapInfo, grid: GeoBox, *, vmin: float | None = None, vmax: float | None = None
) -> Statistics:
    """Finish a map and write style and STAC item beside it.

    Parameters
    ----------
    tmp, final, info
        As for :func:`finish_cog`.
    grid : GeoBox
        Grid of the map.
    vmin, vmax : float, optional
        Limits of the colour ramp, in the map's unit: the map's own smallest and largest value unless given. Maps that
        are to be compared by eye need the same limits.

    Raises
    ------
    RasterError
        As for :func:`finish_cog`; or no cell has a value and no limits were given.
    """
    found = finish_cog(tmp, final, info)
    if not found.count and (vmin is None or vmax is None):
        raise RasterError(f"{final}: no cell has a value, so that there is nothing to colour")
    low = found.minimum if vmin is None else vmin
    high = found.maximum if vmax is None else vmax
    write_style(final, info, low, high)
    write_stac_item(final, info, grid)
    return found
