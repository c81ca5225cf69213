"""Small rasters and polygon files for the tests of the covariates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.geometry.base import BaseGeometry

from edaphic.covariates import close_rasters

MakeRaster = Callable[..., Path]
MakePolygons = Callable[..., Path]

UTM = "EPSG:32634"


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    close_rasters()


@pytest.fixture
def raster(tmp_path: Path) -> MakeRaster:
    """Write an array (rows, columns) or (bands, rows, columns) as GeoTIFF, of 10 m cells unless told."""

    def make(name: str, values: Any, transform: Affine | None = None, crs: str | None = UTM, **options: Any) -> Path:
        array = np.asarray(values)
        array = array[None] if array.ndim == 2 else array
        bands = {key: options.pop(key) for key in ("scales", "offsets", "units", "mask") if key in options}
        transform = transform or Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 4600000.0)
        count, height, width = array.shape
        path = tmp_path / name
        with rasterio.open(
            path,
            "w",
            driver=options.pop("driver", "GTiff"),
            width=width,
            height=height,
            count=count,
            dtype=array.dtype,
            crs=crs,
            transform=transform,
            **options,
        ) as file:
            file.write(array)
            for key in ("scales", "offsets", "units"):
                if key in bands:
                    setattr(file, key, bands[key])
            if "mask" in bands:
                file.write_mask(bands["mask"])
        return path

    return make


@pytest.fixture
def polygons(tmp_path: Path) -> MakePolygons:
    """Write shapes with attributes as GeoPackage."""

    def make(file: str, shapes: list[BaseGeometry], crs: str | None = UTM, **columns: Any) -> Path:
        path = tmp_path / file
        geopandas.GeoDataFrame(columns, geometry=shapes, crs=crs).to_file(path)
        return path

    return make
