"""Windows in, finished map out: a cloud-optimised GeoTIFF with unit, nodata, provenance and statistics.

While a map is made its windows go into a plain tiled GeoTIFF (:class:`BandWriter`). :func:`finish_cog` turns that into
the file that people get, compares the two, and moves it to its name. :func:`publish` adds style and STAC item.
"""

from __future__ import annotations

from pathlib import Path

from odc.geo.geobox import GeoBox

from edaphic.covariates.band import COG_TILE, TILE, BandWriter, Statistics, Words, create, finish, same_grid, statistics
from edaphic.errors import RasterError
from edaphic.mapping.info import MapInfo
from edaphic.mapping.stac import write_catalog, write_stac_item
from edaphic.mapping.style import write_style

__all__ = [
    "COG_TILE",
    "TILE",
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
    texts = {"TITLE": info.title, "DESCRIPTION": info.description, "UNIT": info.unit}
    texts |= {key: str(value) for key, value in info.tags.items()}
    return finish(tmp, final, Words(info.unit, info.title, texts))


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
