"""What the landscapes of the three papers share: relief, curves of carbon over depth, people who dig, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterio.warp import transform as project
from scipy.special import ndtr

from edaphic.units import CM_PER_M
from edaphic.virtual.fields import Array, Index, gaussian_field
from edaphic.virtual.files import write_raster


@dataclass(frozen=True)
class Place:
    """A north-up grid: shape, where it lies, and its coordinate system."""

    shape: tuple[int, int]
    transform: Affine
    crs: str

    @property
    def cell(self) -> float:
        """Side of a cell in units of the coordinate system."""
        return float(self.transform.a)

    def write(self, path: Path, values: Array, unit: str, dtype: str = "float32", nodata: float = np.nan, factor: float = 1.0) -> None:
        """A field as GeoTIFF: the stored number times ``factor`` is the value; NaN becomes nodata.

        Raises
        ------
        rasterio.errors.RasterioIOError
            The folder cannot be written to.
        """
        stored = values / factor
        whole = stored if dtype.startswith("float") else np.round(stored)
        stored_as: NDArray[Any] = np.where(np.isnan(stored), nodata, whole).astype(dtype)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_raster(path, stored_as, self.crs, self.transform, nodata, unit, factor)

    def codes(self, path: Path, values: Array) -> None:
        """Classes 1, 2, ... as bytes; 0 is no value."""
        self.write(path, values, "", "uint8", 0)

    def lon_lat(self, row: Index, col: Index, rng: np.random.Generator, digits: int) -> tuple[Array, Array]:
        """A random point within each cell, far enough from its sides that rounding keeps it there; degrees, WGS 84."""
        right, down = rng.uniform(0.1, 0.9, (2, len(row)))
        x, y = self.transform * (col + right, row + down)
        lon, lat = (x, y) if self.crs == "EPSG:4326" else project(self.crs, "EPSG:4326", x, y)
        return np.round(np.asarray(lon), digits), np.round(np.asarray(lat), digits)


def fields(rng: np.random.Generator, place: Place, cell_m: float) -> Callable[..., Array]:
    """A function of a length (m) and a roughness that draws one standard Gaussian field of the place after the other."""

    def field(length_m: float, roughness: float = 1.5) -> Array:
        return gaussian_field(rng, place.shape, cell_m, length_m, roughness)

    return field


def relief(field: Callable[..., Array], low_m: float, high_m: float, length_m: float, tilt: Array | float = 0.0) -> Array:
    """Elevations between two limits: smooth hills on a tilt."""
    hills = field(length_m, 2.4) + 0.15 * field(length_m / 6.0, 2.0)
    heights: Array = low_m + (high_m - low_m) * ndtr(0.9 * hills + tilt - 0.3)
    return heights


def slope_deg(elevation: Array, cell_m: float) -> Array:
    """Steepest slope in degrees."""
    down, right = np.gradient(elevation, cell_m)
    steepest: Array = np.degrees(np.arctan(np.hypot(down, right)))
    return steepest


def ramp(shape: tuple[int, int], axis: int) -> Array:
    """From -1 to 1 along rows (0: north to south) or columns (1: west to east).

    >>> ramp((1, 3), 1)
    array([[-1.,  0.,  1.]])
    """
    along = np.linspace(-1.0, 1.0, shape[axis])
    return np.broadcast_to(along[:, None] if axis == 0 else along, shape).copy()


def standard(values: Array) -> Array:
    """Mean 0, standard deviation 1 over all cells."""
    scores: Array = (values - values.mean()) / values.std()
    return scores


def curve_stock_kg_m2(surface: Array, base: Array, scale: Array, top_cm: Array | float, bottom_cm: Array | float) -> Array:
    """Carbon between two depths where density is ``surface * exp(-z / scale) + base`` (kg/m3, z and scale in cm).

    >>> round(float(curve_stock_kg_m2(np.array(20.0), np.array(2.0), np.array(25.0), 0, 25)), 4)
    3.6606
    """
    fall = np.exp(-top_cm / scale) - np.exp(-bottom_cm / scale)
    stock: Array = (surface * scale * fall + base * (bottom_cm - top_cm)) / CM_PER_M
    return stock


def resampled(values: Array, shape: tuple[int, int], block: int) -> Array:
    """Means of blocks of ``block`` cells a side; what is left at the edges takes the cells that are there.

    >>> resampled(np.array([[1.0, 3.0, 8.0]]), (1, 3), 2)
    array([[2., 8.]])
    """
    rows, cols = (-(-n // block) for n in shape)
    sums, counts = np.zeros((rows, cols)), np.zeros((rows, cols))
    place = tuple(index // block for index in np.indices(shape))
    np.add.at(sums, place, values)
    np.add.at(counts, place, 1.0)
    return sums / counts


def drawn_cells(rng: np.random.Generator, chance: Array, count: int) -> tuple[Index, Index]:
    """Cells drawn without repetition in proportion to a chance, in random order."""
    flat = chance.ravel()
    drawn = rng.choice(flat.size, count, replace=False, p=flat / flat.sum())
    row, col = np.unravel_index(drawn, chance.shape)
    return row, col


def write_table(path: Path, table: pd.DataFrame) -> None:
    """A table as people type it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.8g")


def write_published(path: Path, totals: Sequence[tuple[str, str, tuple[float, float], str, float]]) -> None:
    """A table of totals as other studies would have published them: 15 % too high with a range, and a range alone.

    ``totals``: division, class, layer (cm), period, true total (Tg).
    """
    rows = []
    for by, name, (top, bottom), period, total in totals:
        of = {"by": by, "class": name, "top_cm": top, "bottom_cm": bottom, "period": period, "unit": "Tg"}
        rows.append({"name": "Study A", **of, "total": 1.15 * total, "low": 0.95 * total, "high": 1.35 * total, "source": "made up"})
        rows.append({"name": "Range of the literature", **of, "total": None, "low": 0.6 * total, "high": 1.5 * total, "source": "made up"})
    write_table(path, pd.DataFrame(rows).round(4))


def write_truth(path: Path, facts: Mapping[str, Any]) -> None:
    """Known facts as JSON, rounded to ten digits so that the bytes do not hang on the last bit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rounded(facts), indent=2) + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """Plain numbers of ten digits, in mappings and sequences.

    >>> rounded({"a": np.float64(1 / 3), "b": (1, True)})
    {'a': 0.3333333333, 'b': [1, True]}
    """
    if isinstance(value, Mapping):
        return {str(key): rounded(each) for key, each in value.items()}
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, np.ndarray | Sequence):
        return [rounded(each) for each in value]
    if isinstance(value, int | np.integer):
        return int(value)
    return float(f"{float(value):.10g}")


def horizons_to(rng: np.random.Generator, end_cm: Array) -> tuple[Index, Array, Array]:
    """Profile, upper and lower depth (whole cm) of horizons down to a depth: thicker downwards, the last one to the end.

    >>> which, upper, lower = horizons_to(np.random.default_rng(1), np.array([200.0, 12.0]))
    >>> float(lower[which == 0].max()), float(upper[which == 1].max()), float(lower[which == 1].max())
    (200.0, 0.0, 12.0)
    """
    thickness = np.round(np.array([12.0, 16.0, 20.0, 26.0, 32.0, 38.0, 44.0, 50.0, 50.0, 50.0]) * rng.uniform(0.7, 1.4, (len(end_cm), 10)))
    end = np.round(end_cm)[:, None]
    lower = np.minimum(np.cumsum(thickness, axis=1), end)
    # What is left of the last horizon joins the one above where it would be a sliver.
    lower[end - lower < 6.0] = 0.0
    lower[:, -1] = end[:, 0]
    lower = np.maximum.accumulate(lower, axis=1)
    upper = np.column_stack([np.zeros(len(end_cm)), lower[:, :-1]])
    which, k = np.nonzero(lower > upper)
    return which, upper[which, k], lower[which, k]
