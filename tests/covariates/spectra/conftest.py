"""Small scenes for the tests of spectra."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

SCENE = "LC08_L2SP_218074_{day}_20200829_02_T1"
NUMBERS = {"blue": 2, "green": 3, "red": 4, "nir": 5, "swir1": 6, "swir2": 7}
TRANSFORM = Affine(30.0, 0.0, 500000.0, 0.0, -30.0, 4600000.0)

MakeScene = Callable[..., Path]


def stored(reflectance: Any) -> np.ndarray:
    """Numbers of Landsat Collection 2 Level 2 from reflectance; NaN is fill."""
    values = np.asarray(reflectance, dtype=np.float64)
    return np.where(np.isnan(values), 0, np.round((values + 0.2) / 0.0000275)).astype(np.uint16)


def write(path: Path, values: Any, transform: Affine = TRANSFORM, crs: str = "EPSG:32634", **options: Any) -> Path:
    """Write an array (rows, columns) or (bands, rows, columns)."""
    array = np.asarray(values)
    array = array[None] if array.ndim == 2 else array
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = array.shape
    how = {"driver": "GTiff", "width": width, "height": height, "count": count, "dtype": array.dtype, "crs": crs, "transform": transform}
    with rasterio.open(path, "w", **how, **options) as file:
        file.write(array)
    return path


@pytest.fixture(name="write")
def _write() -> Callable[..., Path]:
    """Write an array as GeoTIFF of 30 m cells unless told; see the function of this name."""
    return write


@pytest.fixture
def landsat(tmp_path: Path) -> MakeScene:
    """Write a folder ``scenes/DAY`` of a Landsat 8 scene: reflectance by role, quality, saturation."""

    def make(
        day: str, bands: Mapping[str, Any], qa: Any = None, radsat: Any = None, transform: Affine = TRANSFORM, crs: str = "EPSG:32634"
    ) -> Path:
        folder = tmp_path / "scenes" / day
        name = SCENE.format(day=day)
        for role, values in bands.items():
            write(folder / f"{name}_SR_B{NUMBERS[role]}.TIF", stored(values), transform, crs, nodata=0)
        if qa is not None:
            write(folder / f"{name}_QA_PIXEL.TIF", np.asarray(qa, dtype=np.uint16), transform, crs, nodata=1)
        if radsat is not None:
            write(folder / f"{name}_QA_RADSAT.TIF", np.asarray(radsat, dtype=np.uint16), transform, crs)
        return folder

    return make
