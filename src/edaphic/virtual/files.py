"""The virtual landscape and its profiles as the raw files that a user would have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import rasterio
from numpy.typing import NDArray
from rasterio.features import shapes
from rasterio.transform import Affine, array_bounds
from rasterio.warp import Resampling, calculate_default_transform, reproject

from edaphic.virtual.fields import Array
from edaphic.virtual.land import DISTRICTS, Landscape


def write(
    land: Landscape,
    sites: pd.DataFrame,
    horizons: pd.DataFrame,
    folder: Path,
    *,
    truth_layers: Sequence[tuple[float, float]] = ((0, 30), (30, 60), (60, 100), (0, 100)),
) -> None:
    """Write all as raw files; the covariates differ on purpose in grid, CRS, type, nodata and scale.

    Parameters
    ----------
    land, sites, horizons
        From :func:`landscape` and :func:`sample`.
    folder : Path
        Made if missing. Gets sites.csv, horizons.csv, districts.gpkg (column ``district``), covariates/NAME.tif and
        truth/true_soc_stock_TOP-BOTTOMcm.tif (kg/m2, NaN on water). The same landscape gives the same bytes.
    truth_layers : sequence of (top_cm, bottom_cm)
    """
    for name in ("covariates", "truth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    sites.to_csv(folder / "sites.csv", index=False, lineterminator="\n")
    horizons.to_csv(folder / "horizons.csv", index=False, lineterminator="\n", float_format="%g")
    _write_districts(land, folder / "districts.gpkg")
    half, cov = land.transform * Affine.scale(0.5), dict(land.covariates)
    cov["ndvi"] = np.where(cov["land_cover"] == 5, np.nan, cov["ndvi"])
    for name, dtype, nodata, unit, factor, offset in (
        ("elevation", "int16", -32768, "m", 1, 0),
        ("slope", "float32", -9999, "degree", 1, 0),
        ("wetness", "float32", -9999, "1", 1, 0),
        ("temperature", "float32", np.nan, "degC", 1, 0),
        ("precipitation", "uint16", 65535, "mm", 1, 0),
        ("ndvi", "int16", -32768, "1", 0.0004, -0.08),
        ("clay", "float32", np.nan, "%", 1, 0),
        ("land_cover", "uint8", 0, "", 1, 0),
        ("parent_material", "uint8", 255, "", 1, 0),
        ("elevation_radar", "float32", np.nan, "m", 1, 0),
        ("noise", "float32", np.nan, "1", 1, 0),
    ):
        values, crs, transform = cov[name], land.crs, land.transform
        if name in land.terrain:
            values, transform = land.terrain[name], half
        elif name in ("temperature", "precipitation"):
            (values, transform), crs = _to_degrees(land, values), "EPSG:4326"
        stored = (values - offset) / factor
        stored = np.where(np.isnan(stored), nodata, stored if dtype == "float32" else np.round(stored)).astype(dtype)
        write_raster(folder / "covariates" / f"{name}.tif", stored, crs, transform, nodata, unit, factor, offset)
    for top, bottom in truth_layers:
        stock = land.true_stock_kg_m2(top, bottom).astype(np.float32)
        path = folder / "truth" / f"true_soc_stock_{top:g}-{bottom:g}cm.tif"
        write_raster(path, stock, land.crs, land.transform, np.nan, "kg/m2")


def write_raster(
    path: Path,
    stored: NDArray[np.generic],
    crs: str,
    transform: Affine,
    nodata: float,
    unit: str,
    factor: float = 1.0,
    offset: float = 0.0,
) -> None:
    """One GeoTIFF; a value is the stored number times factor plus offset."""
    profile = {"driver": "GTiff", "count": 1, "dtype": stored.dtype.name, "crs": crs, "transform": transform}
    height, width = stored.shape
    with rasterio.open(path, "w", height=height, width=width, nodata=nodata, compress="deflate", **profile) as out:
        out.write(stored, 1)
        out.set_band_description(1, path.stem)
        out.units, out.scales, out.offsets = (unit,), (factor,), (offset,)


def _to_degrees(land: Landscape, values: Array) -> tuple[Array, Affine]:
    """A field as climate maps show it: means over 30 arc-seconds, on a geographic grid that reaches over the edges."""
    pad = int(np.ceil(4000.0 / land.transform.a))
    padded, origin = np.pad(values, pad, mode="edge"), land.transform * Affine.translation(-pad, -pad)
    height, width = padded.shape
    bounds = array_bounds(height, width, origin)
    crs = {"src_crs": land.crs, "dst_crs": "EPSG:4326"}
    transform, width, height = calculate_default_transform(*crs.values(), width, height, *bounds, resolution=1 / 120)
    degrees = np.full((height, width), np.nan)
    way = {"src_transform": origin, "dst_transform": transform, "resampling": Resampling.average}
    reproject(padded, degrees, dst_nodata=np.nan, **crs, **way)
    return degrees, transform


def _write_districts(land: Landscape, path: Path) -> None:
    """Polygons along cell edges; the file's time stamp is fixed, so that its bytes depend on the seed alone."""
    found = shapes(land.district.astype(np.uint8), transform=land.transform)
    features = [{"geometry": shape, "properties": {"district": DISTRICTS[int(k)]}} for shape, k in found]
    frame = geopandas.GeoDataFrame.from_features(features, crs=land.crs).dissolve("district").reset_index()
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2000-01-01T00:00:00.000Z"})
    try:
        path.unlink(missing_ok=True)
        frame.to_file(path, driver="GPKG", layer="districts", engine="pyogrio")
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
