"""Maps read at the size they are drawn, so that a map of any size needs the memory of its picture only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform as transform_points

from edaphic.errors import RasterError

EARTH_RADIUS_M = 6_371_008.8


@dataclass(frozen=True)
class MapImage:
    """A map at the size it is drawn.

    ``values`` is float32 (height, width), NaN where there is none. ``extent`` is left, right, bottom, top in the CRS.
    ``reduction`` says how many cells of the file, along one side, one drawn cell is the mean of. ``ground_m`` is the
    length on the ground of one CRS unit along the middle row (NaN where it cannot be known), ``stretch`` the ground
    length of a unit along y over that of a unit along x.
    """

    values: NDArray[np.float32]
    extent: tuple[float, float, float, float]
    geographic: bool
    crs_text: str
    unit: str
    ground_m: float
    stretch: float
    reduction: float

    @property
    def weights(self) -> NDArray[np.float64]:
        """Weight of each row in a mean over the area, (height,): cosine of latitude on a geographic grid, else 1."""
        height = self.values.shape[0]
        if not self.geographic:
            return np.ones(height)
        bottom, top = self.extent[2:]
        latitude = top - (np.arange(height) + 0.5) * (top - bottom) / height
        return np.asarray(np.cos(np.radians(latitude)), dtype=np.float64)

    def mean(self) -> float:
        """Mean over the area, NaN where the map is empty."""
        known = np.isfinite(self.values)
        weights = np.where(known, self.weights[:, None], 0.0)
        total = float(weights.sum())
        return float((np.where(known, self.values, 0.0) * weights).sum() / total) if total else math.nan


@dataclass(frozen=True)
class GridFacts:
    """Size, cell and CRS of the maps' grid."""

    width: int
    height: int
    resolution: tuple[float, float]
    bounds: tuple[float, float, float, float]
    crs_text: str
    unit: str


def read_grid(path: Path) -> GridFacts:
    """Facts of a map's grid.

    Raises
    ------
    RasterError
        The file cannot be opened.
    """
    try:
        with rasterio.open(path) as file:
            return GridFacts(
                file.width,
                file.height,
                (abs(file.res[0]), abs(file.res[1])),
                tuple(file.bounds),
                crs_text(file.crs),
                crs_unit(file.crs),
            )
    except RasterioError as error:
        raise RasterError(f"{path}: cannot be read ({error}); expected a GeoTIFF") from None


def read_image(path: Path, max_cells: int) -> MapImage:
    """Read the first band, scale and offset applied, reduced by averaging to at most ``max_cells`` cells.

    Raises
    ------
    RasterError
        The file cannot be opened or is cut short.
    """
    try:
        with rasterio.open(path) as file:
            shape = drawn_shape(file.height, file.width, max_cells)
            values = _true(file, file.read(1, out_shape=shape, resampling=Resampling.average, masked=True, out_dtype="float32"))
            bounds, crs, width = file.bounds, file.crs, file.width
    except RasterioError as error:
        raise RasterError(f"{path}: cannot be read ({error}); expected a GeoTIFF") from None
    geographic = bool(crs and crs.is_geographic)
    ground_m, stretch = _ground(crs, bounds)
    extent = (bounds.left, bounds.right, bounds.bottom, bounds.top)
    return MapImage(values, extent, geographic, crs_text(crs), crs_unit(crs), ground_m, stretch, width / shape[1])


def read_like(path: Path, like: Path, max_cells: int) -> NDArray[np.float32]:
    """Read the first band on the grid of another raster, at the size :func:`read_image` would draw that one.

    Returns
    -------
    ndarray of float32 (height, width), NaN where there is no value.

    Raises
    ------
    RasterError
        A file cannot be opened, or one of two different grids has no CRS.
    """
    try:
        with rasterio.open(like) as target, rasterio.open(path) as file:
            shape = drawn_shape(target.height, target.width, max_cells)
            options: dict[str, Any] = {"out_shape": shape, "resampling": Resampling.average, "masked": True}
            if (file.crs, file.transform, file.shape) == (target.crs, target.transform, target.shape):
                values = _true(file, file.read(1, out_dtype="float32", **options))
            else:
                grid = {
                    "crs": target.crs,
                    "transform": target.transform,
                    "width": target.width,
                    "height": target.height,
                }
                with WarpedVRT(file, resampling=Resampling.bilinear, nodata=np.nan, dtype="float32", **grid) as view:
                    values = _true(file, view.read(1, **options))
    except RasterioError as error:
        raise RasterError(f"{path}: cannot be read on the grid of {like} ({error}); expected a GeoTIFF") from None
    return values


def _true(file: DatasetReader, stored: NDArray[Any]) -> NDArray[np.float32]:
    """Values of stored numbers: the file's scale and offset applied, NaN where there is none."""
    values = np.ma.filled(np.ma.asarray(stored).astype(np.float64), np.nan) * file.scales[0] + file.offsets[0]
    return np.asarray(values, dtype=np.float32)


def drawn_shape(height: int, width: int, max_cells: int) -> tuple[int, int]:
    """Rows and columns of the picture of a raster.

    >>> drawn_shape(100, 200, 5000), drawn_shape(10, 20, 5000)
    ((50, 100), (10, 20))
    """
    side = max(1.0, math.sqrt(height * width / max_cells))
    return max(1, math.floor(height / side)), max(1, math.floor(width / side))


@dataclass(frozen=True)
class TruthSource:
    """A raster of true values and its unit."""

    path: Path
    unit: str


def truth_sources(setting: Any, folder: Path) -> dict[tuple[float, float], TruthSource]:
    """Rasters of the true values by layer, as ``account.truth`` of the recipe names them.

    Parameters
    ----------
    setting : list of mappings with ``path``, ``layer`` ("0-30" or [0, 30]) and ``unit``
        Anything else, as a recipe without truth has it, names no raster.
    folder : Path
        Where paths that are not absolute start.

    Returns
    -------
    dict of (top_cm, bottom_cm) to TruthSource, only of files that are there.
    """
    found = {}
    for entry in setting if isinstance(setting, list) else []:
        layer = _layer_of(entry.get("layer")) if isinstance(entry, Mapping) else None
        if layer is not None and isinstance(entry.get("path"), str):
            path = folder / Path(entry["path"]).expanduser()
            if path.is_file():
                found[layer] = TruthSource(path, str(entry.get("unit") or ""))
    return found


def _layer_of(spelt: object) -> tuple[float, float] | None:
    """A layer as a recipe spells it.

    >>> _layer_of("0-30"), _layer_of([30, 60.0]), _layer_of(None)
    ((0.0, 30.0), (30.0, 60.0), None)
    """
    edges = spelt.split("-") if isinstance(spelt, str) else spelt
    if not isinstance(edges, (list, tuple)) or len(edges) != 2:
        return None
    return float(edges[0]), float(edges[1])


def crs_text(crs: CRS | None) -> str:
    """Short name of a CRS: its code, else the name in its definition."""
    if not crs:
        return "no CRS"
    code = crs.to_epsg()
    if code:
        return f"EPSG:{code}"
    quoted = crs.to_wkt().split('"')
    return str(quoted[1] if len(quoted) > 1 else crs.to_string())


def crs_unit(crs: CRS | None) -> str:
    """Unit of a CRS's coordinates ("degree", "metre" ...)."""
    if not crs:
        return "unit"
    return str(crs.units_factor[0])


def _ground(crs: CRS | None, bounds: Any) -> tuple[float, float]:
    """Ground length (m) of one unit along x in the map's middle, and that along y over it; NaN and 1 where unknown."""
    if not crs or not (crs.is_geographic or crs.is_projected):
        return math.nan, 1.0
    x, y = 0.5 * (bounds.left + bounds.right), 0.5 * (bounds.bottom + bounds.top)
    dx, dy = 0.01 * (bounds.right - bounds.left), 0.01 * (bounds.top - bounds.bottom)
    lon, lat = transform_points(crs, CRS.from_epsg(4326), [x - dx, x + dx, x, x], [y, y, y - dy, y + dy])
    along_x = _distance_m(lon[0], lat[0], lon[1], lat[1]) / (2.0 * dx)
    along_y = _distance_m(lon[2], lat[2], lon[3], lat[3]) / (2.0 * dy)
    if not (math.isfinite(along_x) and math.isfinite(along_y)) or along_x <= 0.0:
        return math.nan, 1.0
    return along_x, (min(along_y / along_x, 5.0) if crs.is_geographic else 1.0)


def _distance_m(lon_a: float, lat_a: float, lon_b: float, lat_b: float) -> float:
    """Great-circle distance on the mean sphere (haversine formula)."""
    if not all(math.isfinite(angle) for angle in (lon_a, lat_a, lon_b, lat_b)):
        return math.nan
    lat_1, lat_2 = math.radians(lat_a), math.radians(lat_b)
    half = math.sin(0.5 * (lat_2 - lat_1)) ** 2
    half += math.cos(lat_1) * math.cos(lat_2) * math.sin(0.5 * math.radians(lon_b - lon_a)) ** 2
    return 2.0 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(half)))
