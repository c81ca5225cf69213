"""What keeps cells out of a map, and how much of a layer is soil: masks and the depth to bedrock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.grid import Window
from edaphic.covariates.polygons import cells_inside, region_mask
from edaphic.covariates.sources import AnyLayer
from edaphic.model.soil import Interval
from edaphic.units import CM_PER_M


@dataclass(frozen=True)
class Mask:
    """Cells to leave empty, by something that is no covariate.

    ``layer``: a raster on the grid whose ``classes``, or whose values ``above`` or ``below`` a number, are left empty; a cell without a
    value is kept unless ``absent``. Without a layer ``polygons`` is a file of polygons: cells whose centre lies inside are left empty.
    """

    name: str
    layer: AnyLayer | None = None
    polygons: Path | None = None
    classes: tuple[int, ...] = ()
    above: float | None = None
    below: float | None = None
    absent: bool = False

    def removed(self, grid: GeoBox, window: Window) -> NDArray[np.bool_]:
        """Cells of a window that are left empty: bool (height, width)."""
        if self.layer is None:
            return region_mask(grid, window, self._polygons)
        return self.of_values(self.layer.read(window))

    def removed_cells(self, grid: GeoBox, row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.bool_]:
        """As :meth:`removed`, of single cells: ``row`` and ``col`` (n,) give bool (n,)."""
        if self.layer is None:
            return cells_inside(grid, row, col, self._polygons)
        return self.of_values(self.layer.read_cells(row, col))

    @property
    def _polygons(self) -> Path:
        if self.polygons is None:
            raise ValueError(f"mask {self.name}: neither layer nor polygons")
        return self.polygons

    def of_values(self, values: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which values of the raster are left empty: bool of their shape."""
        out = np.isin(values, self.classes)
        if self.above is not None:
            out |= values > np.float32(self.above)
        if self.below is not None:
            out |= values < np.float32(self.below)
        return out | np.isnan(values) if self.absent else out


@dataclass(frozen=True)
class Bedrock:
    """Depth to bedrock: a raster on the grid, in ``unit`` "m" or "cm"."""

    layer: AnyLayer
    unit: str

    def depth_cm(self, window: Window) -> NDArray[np.float64]:
        """Depth at which the soil ends, float64 (height, width); infinite where it is not known, -1 where it is negative."""
        return self._in_cm(self.layer.read(window))

    def depth_cm_cells(self, row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.float64]:
        """As :meth:`depth_cm`, of single cells: ``row`` and ``col`` (n,) give float64 (n,)."""
        return self._in_cm(self.layer.read_cells(row, col))

    def _in_cm(self, stored: NDArray[np.float32]) -> NDArray[np.float64]:
        values = stored.astype(np.float64)
        depth = values * (CM_PER_M if self.unit == "m" else 1.0)
        return np.where(np.isnan(depth), np.inf, np.where(depth < 0, -1.0, depth))


def soil_share(depth_cm: NDArray[np.float64], layers: Sequence[Interval]) -> NDArray[np.float64]:
    """Share of each layer that lies above the bedrock.

    A layer from t to b in soil that ends at d has clip((d - t) / (b - t), 0, 1) of its thickness. The stock of a layer is its density times
    its true thickness, so it shrinks by this share. Models are trained on fixed layers: asked for a layer that ends at d they answer for
    the layers they know, and hardly less than for the full one, so the layer is asked for in full.

    Parameters
    ----------
    depth_cm : array (n,)
        Depth at which the soil ends; infinite where it is not known, and negative ones count as not known.
    layers : sequence of (top_cm, bottom_cm)

    Returns
    -------
    array (n, number of layers)

    Examples
    --------
    >>> soil_share(np.array([80.0, 10.0, np.inf]), [(0.0, 30.0), (30.0, 130.0)])
    array([[1.        , 0.5       ],
           [0.33333333, 0.        ],
           [1.        , 1.        ]])
    """
    top, bottom = np.asarray(layers, dtype=np.float64).T
    depth = np.where(depth_cm < 0, np.inf, depth_cm)[:, None]
    return np.asarray(np.clip((depth - top) / (bottom - top), 0.0, 1.0))
