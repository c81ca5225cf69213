"""Finished maps, read by window, once it is sure that they lie on one grid and have one unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as Pixels

from edaphic.covariates.grid import Window
from edaphic.errors import RasterError
from edaphic.mapping.write import same_grid
from edaphic.units import to_internal

Layer = tuple[float, float]
"""Top and bottom of a soil layer, cm."""

Reader = Callable[[Window], NDArray[np.floating]]
"""Values (height, width) of a window of the grid, NaN where there is none."""


def layer_name(layer: Layer) -> str:
    """Name of a layer.

    >>> layer_name((0, 30))
    '0-30 cm'
    """
    return f"{layer[0]:g}-{layer[1]:g} cm"


def quantile_names(interval: float) -> tuple[str, str]:
    """Names of the two quantiles that bound a central interval.

    >>> quantile_names(0.9), quantile_names(0.95)
    (('q05', 'q95'), ('q025', 'q975'))
    """
    if not 0.0 < interval < 1.0:
        raise ValueError(f"interval: {interval}; expected a share between 0 and 1")
    tail = (1.0 - interval) / 2.0
    low, high = (f"{round(share, 6):.6f}".removeprefix("0.").rstrip("0") for share in (tail, 1.0 - tail))
    return f"q{low.ljust(2, '0')}", f"q{high.ljust(2, '0')}"


@contextmanager
def open_maps(paths: Mapping[str, Path], grid: GeoBox, unit: str) -> Iterator[dict[str, MapReader]]:
    """Open stock maps together, as readers of float64 values in kg/m2, scale and offset applied.

    Parameters
    ----------
    paths : mapping of str to Path
        Maps under names of the caller's choice; one file may have several names.
    grid : GeoBox
        Grid that every map must have, cell for cell.
    unit : str
        Unit of the maps. A map whose own unit tag says otherwise is refused.

    Raises
    ------
    RasterError
        Missing or unreadable maps, maps on another grid, maps in another unit: all of them at once.
    UnitError
        ``unit`` is no unit of a stock.
    """
    to_internal([], "soc_stock", unit, "maps")
    faults: list[str] = []
    with ExitStack() as stack:
        readers: dict[str, MapReader] = {}
        for name, path in paths.items():
            if not path.is_file():
                faults.append(f"{path}: no such map")
                continue
            try:
                dataset = stack.enter_context(rasterio.open(path))
            except RasterioError as error:
                faults.append(f"{path}: cannot be read ({error})")
                continue
            faults += _faults(dataset, path, grid, unit)
            readers[name] = MapReader(dataset, path, unit)
        if faults:
            raise RasterError(dict.fromkeys(faults))
        yield readers


def _faults(dataset: DatasetReader, path: Path, grid: GeoBox, unit: str) -> list[str]:
    faults = []
    if not same_grid(dataset, grid):
        found = _grid_name(dataset.height, dataset.width, dataset.transform, dataset.crs)
        wanted = _grid_name(grid.height, grid.width, grid.affine, grid.crs)
        faults.append(f"{path}: lies on another grid ({found}); expected {wanted}")
    stated = dataset.units[0]
    if stated and stated != unit:
        faults.append(f"{path}: its unit is {stated}; expected {unit}")
    return faults


def _grid_name(height: int, width: int, affine: Affine, crs: object) -> str:
    text = str(crs)
    return f"{height} x {width} cells of {affine.a:g} from {affine.c:g}, {affine.f:g} in {text[:40]}"


@dataclass(frozen=True)
class MapReader:
    """Reads windows of an open map, scale and offset applied; ``error`` is the largest rounding error of what it reads, kg/m2."""

    dataset: DatasetReader
    path: Path
    unit: str

    @property
    def error(self) -> float:
        """Half a step of a map of whole numbers, 0 of one that stores its numbers as they are."""
        if np.dtype(self.dataset.dtypes[0]).kind == "f":
            return 0.0
        return float(to_internal(0.5 * abs(float(self.dataset.scales[0])), "soc_stock", self.unit))

    def __call__(self, window: Window) -> NDArray[np.float64]:
        place = Pixels(window.col, window.row, window.width, window.height)
        try:
            masked = self.dataset.read(1, window=place, masked=True)
        except RasterioError as error:
            raise RasterError(f"{self.path}: cannot be read at {window} ({error})") from error
        values = masked.astype(np.float64).filled(np.nan) * self.dataset.scales[0] + self.dataset.offsets[0]
        return to_internal(values, "soc_stock", self.unit)


def check_shape(values: NDArray[np.floating], window: Window, what: str) -> NDArray[np.floating]:
    """The values, once they have the shape of their window.

    Raises
    ------
    RasterError
        They have another one.
    """
    if values.shape != (window.height, window.width):
        raise RasterError(f"{what}: {values.shape} cells for a window of {(window.height, window.width)}")
    return values
