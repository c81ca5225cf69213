"""Where the numbers of a source come from: a file, tiles, a variable of a cube, an asset of a STAC item."""

from __future__ import annotations

from dataclasses import replace

from edaphic.covariates.address import gdal_name
from edaphic.covariates.cubes import is_cube, locate_cube
from edaphic.covariates.source import Source, Told
from edaphic.covariates.stac_items import asset_of, is_item
from edaphic.covariates.tiles import is_tiles, locate_tiles
from edaphic.errors import RasterError


def locate(source: Source) -> Told:
    """What GDAL has to open for a source, and what its container says.

    Raises
    ------
    RasterError
        The container cannot be read or does not hold what is asked for; also for keys that do not fit it.

    Examples
    --------
    >>> locate(Source("dem", "dem.tif")).address
    'dem.tif'
    """
    if source.asset is not None or is_item(source.path):
        return _in_item(source)
    if is_cube(source):
        return locate_cube(source)
    if source.time is not None or source.months is not None:
        raise RasterError(f"{source.path}: time for a raster without time; expected a variable of a NetCDF file or Zarr store")
    if is_tiles(source.path):
        return locate_tiles(source)
    return Told(gdal_name(source.path), (source.band,))


def _in_item(source: Source) -> Told:
    address, said = asset_of(source.path, source.asset, source.band)
    given = source.nodata if source.nodata is not None else said.get("nodata")
    told = locate(replace(source, path=address, asset=None, nodata=given))
    notes = tuple(f"{name} {said[name]:g} by the STAC item" for name in ("scale", "offset", "nodata") if name in said)
    scale, offset = said.get("scale"), said.get("offset")
    if scale is not None or offset is not None:  # one without the other leaves nothing to the file
        scale, offset = (1.0 if scale is None else scale), (0.0 if offset is None else offset)
    return replace(
        told,
        nodata=told.nodata if told.nodata is not None or source.nodata is not None else said.get("nodata"),
        scale=told.scale if scale is None else scale,
        offset=told.offset if offset is None else offset,
        unit=said.get("unit", told.unit),
        classes=said.get("classes", told.classes),
        notes=(*told.notes, *notes),
    )
