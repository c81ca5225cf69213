"""Windows in, finished map out: a cloud-optimised GeoTIFF with unit, nodata, provenance and statistics.

While a map is made its windows go into a plain tiled GeoTIFF (:class:`BandWriter`). :func:`finish_cog` turns that into
the file that people get, compares the two, and moves it to its name. :func:`publish` adds styles and STAC item, and
:func:`style_together` gives maps of one quantity the same colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from odc.geo.geobox import GeoBox

from edaphic.covariates.band import COG_TILE, TILE, BandWriter, Statistics, Words, create, finish, guarded, same_grid, statistics
from edaphic.errors import RasterError
from edaphic.mapping.encoding import coding_for, encode
from edaphic.mapping.info import Encoding, MapInfo
from edaphic.mapping.sld import write_sld
from edaphic.mapping.stac import statistics_of, write_catalog, write_stac_item
from edaphic.mapping.style import ends_of, write_style

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
    "style_together",
    "write_catalog",
    "write_stac_item",
    "write_style",
]


BESIDE = (".qml", ".sld", ".json")
"""Endings of what lies beside a map: its styles for QGIS and for map servers, its STAC item."""

EMPTY = (0.0, 1.0)
"""Ends of the colours of a map without any value."""


def finish_cog(
    tmp: Path,
    final: Path,
    info: MapInfo,
    *,
    encoding: Encoding = "float32",
    grid: GeoBox | None = None,
    threads: int = 0,
    keep: bool = False,
) -> Statistics:
    """Turn a working file into the finished map.

    GDAL's COG driver writes it: DEFLATE with a predictor, tiles of 512, overviews by averaging the cells that have a value,
    of classes by the nearest cell. Unit, description, statistics and provenance go into the file. The result is written under
    a temporary name, read back and compared with the working file, and only then moved to its name; then the working
    file goes. The bytes depend on values, grid and `info` alone.

    Parameters
    ----------
    tmp : Path
        Working file of :class:`BandWriter`, closed.
    final : Path
        The finished map; replaced if it is there.
    info : MapInfo
    encoding : {"float32", "int16"}
        "int16": whole numbers with the finest scale of the series 1, 2, 5 that holds the map's range
        (:func:`~edaphic.mapping.encoding.coding_for`). Scale and offset go into the band, so that programs show true values. The
        largest rounding error, half a step (0 of a map of one value), goes into the tag ``EDAPHIC_ROUNDING_ERROR``; smallest,
        largest and mean value in the map's unit into ``EDAPHIC_MINIMUM``, ``EDAPHIC_MAXIMUM`` and ``EDAPHIC_MEAN`` of the band's
        tags. Those called ``STATISTICS_...`` are of the stored numbers, which is how GDAL and QGIS read them.
    grid : GeoBox, optional
        Grid of the map; needed for "int16".
    threads : int
        That pack blocks; 0 for all cores. The bytes do not depend on them.
    keep : bool
        The working file stays.

    Returns
    -------
    Statistics of the map, in its unit.

    Raises
    ------
    RasterError
        The working file is missing, or the finished one cannot be written or does not hold the same values. The working
        file is then left as it is.
    """
    texts = {"TITLE": info.title, "DESCRIPTION": info.description, "UNIT": info.unit}
    texts |= {key: str(value) for key, value in info.tags.items()}
    words = Words(info.unit, info.title, texts, classes=bool(info.classes))
    if encoding == "float32":
        return finish(tmp, final, words, threads=threads, keep=keep)
    if grid is None:
        raise RasterError(f"{final}: no grid; expected that of the map, which whole numbers need")
    exact = statistics(tmp, max(1, threads))
    coding = coding_for(exact.minimum, exact.maximum, whole=bool(info.classes))
    if not info.classes:
        words = replace(
            words,
            scale=coding.scale,
            offset=coding.offset,
            tags=texts | {"EDAPHIC_ROUNDING_ERROR": repr(coding.error if exact.minimum < exact.maximum else 0.0)},
        )
    whole = tmp.with_name(f"{tmp.name}.int16")
    try:
        guarded(partial(encode, tmp, whole, grid, coding), final)
        stored = finish(whole, final, words, threads=threads)
    finally:
        whole.unlink(missing_ok=True)
    if not keep:
        tmp.unlink()
    return stored.scaled(coding.scale, coding.offset)


def publish(
    tmp: Path,
    final: Path,
    info: MapInfo,
    grid: GeoBox,
    *,
    encoding: Encoding = "float32",
    vmin: float | None = None,
    vmax: float | None = None,
    threads: int = 0,
) -> Statistics:
    """Finish a map and write styles and STAC item beside it: all of them are there, or none, and then the working file still is.

    Parameters
    ----------
    tmp, final, info, encoding, threads
        As for :func:`finish_cog`.
    grid : GeoBox
        Grid of the map.
    vmin, vmax : float, optional
        Limits of the colour ramp, in the map's unit: those of `info`, else the map's own smallest and largest value (of a map
        without any value :data:`EMPTY`) unless given. Maps that are to be compared by eye need the same limits
        (:func:`style_together`).

    Raises
    ------
    RasterError
        As for :func:`finish_cog`.
    """
    beside = [final, *(final.with_suffix(ending) for ending in BESIDE)]
    found = finish_cog(tmp, final, info, encoding=encoding, grid=grid, threads=threads, keep=True)
    try:
        own = ends_of(info, *((found.minimum, found.maximum) if found.count else EMPTY))
        limits = own[0] if vmin is None else vmin, own[1] if vmax is None else vmax
        _write_styles(final, info, limits)
        guarded(partial(write_stac_item, final, info, grid), final.with_suffix(".json"))
    except BaseException:
        for path in (*beside, *(path.with_name(path.name + ".tmp") for path in beside)):
            path.unlink(missing_ok=True)
        raise
    tmp.unlink()
    return found


def style_together(maps: Sequence[tuple[Path, MapInfo]]) -> None:
    """Give maps the same colours for the same values: the ramp runs from the smallest to the largest value of all of them.

    Parameters
    ----------
    maps : sequence of (Path, MapInfo)
        Finished maps of one statistic and layer, such as those of several periods, whose items lie beside them.

    Raises
    ------
    RasterError
        An item cannot be read, or a style cannot be written.
    """
    known = [found for found in (statistics_of(path) for path, _ in maps) if found]
    if not known:
        return
    low, high = min(found["minimum"] for found in known), max(found["maximum"] for found in known)
    for path, info in maps:
        _write_styles(path, info, ends_of(info, low, high))


def _write_styles(final: Path, info: MapInfo, limits: tuple[float, float]) -> None:
    guarded(partial(write_style, final, info, *limits), final.with_suffix(".qml"))
    guarded(partial(write_sld, final, info, *limits), final.with_suffix(".sld"))
