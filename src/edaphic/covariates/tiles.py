"""A folder of tiles as one raster: a GDAL virtual raster, written in memory, in which tiles lie without seams."""

from __future__ import annotations

import glob
import math
import os
import warnings
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from affine import Affine
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning

from edaphic.covariates.address import RASTERS, gdal_name
from edaphic.covariates.handles import cut_short, open_raster, stamp
from edaphic.covariates.source import Source, Told
from edaphic.covariates.window import apply
from edaphic.errors import RasterError

OFF_LATTICE = 0.01
"""Tiles may lie this part of a cell beside the lattice of the others: their geotransforms are often rounded."""

KEPT = 256
"""Mosaics that are remembered: more than a stack has layers of tiles."""

_GDAL_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "uint64": "UInt64",
    "int64": "Int64",
    "float32": "Float32",
    "float64": "Float64",
}
_SMALL = ("uint8", "int8", "uint16", "int16")
_BELOW_SMALL = -(2.0**31)
"""A number that no smaller integer type holds: "no value" where tiles leave gaps or differ in what means none."""


@dataclass(frozen=True)
class _Tile:
    path: str
    crs: str
    transform: Affine
    width: int
    height: int
    dtype: str
    nodata: float | None
    scaling: tuple[float, float]
    unit: str
    masked: bool
    block: tuple[int, int]


def is_tiles(path: str | Path) -> bool:
    """Whether a path is a pattern, or a folder that is no raster by itself.

    >>> is_tiles("tiles/*.tif"), is_tiles("dem.tif")
    (True, False)
    """
    text = os.fspath(path)
    if Path(text).is_dir():
        return not any((Path(text) / name).exists() for name in (".zgroup", ".zarray", ".zmetadata", "zarr.json", "hdr.adf"))
    return bool(set(text) & set("*?[")) and "://" not in text and not text.startswith(("/vsi", "<")) and not Path(text).exists()


def locate_tiles(source: Source) -> Told:
    """The tiles of a folder or pattern as one raster.

    Tiles share CRS, cell size, data type, scale and lattice. Where they overlap the first by name counts, and where it has no value the
    next. Their nodata values may differ.

    Raises
    ------
    RasterError
        No tile, or one line for each tile that differs from the others.

    Examples
    --------
    >>> locate_tiles(Source("dem", "nowhere/*.tif"))
    Traceback (most recent call last):
    edaphic.errors.RasterError: nowhere/*.tif: no file matches; expected at least one raster
    """
    paths = _paths(os.fspath(source.path))
    stamps = tuple(stamp(path) for path in paths)
    return _mosaic(paths, stamps, source.band, source.nodata)


def _paths(where: str) -> tuple[str, ...]:
    if Path(where).is_dir():
        found = sorted(str(path) for path in Path(where).iterdir() if path.suffix.lower() in RASTERS)
        if not found:
            raise RasterError(f"{where}: a folder without rasters; expected tiles ({', '.join(RASTERS[:4])}, ...)")
        return tuple(found)
    found = sorted(path for path in glob.glob(where, recursive=True) if Path(path).is_file())
    if not found:
        raise RasterError(f"{where}: no file matches; expected at least one raster")
    return tuple(found)


@lru_cache(maxsize=KEPT)
def _mosaic(paths: tuple[str, ...], stamps: tuple[object, ...], band: int, nodata: float | None) -> Told:
    del stamps  # another time of change is another mosaic
    tiles: list[_Tile] = []
    faults: list[str] = []
    for path in paths:
        try:
            tiles.append(_tile(path, band))
        except RasterError as error:
            faults.extend(error.faults)
    faults += _odd_ones(tiles)
    if faults:
        raise RasterError(faults)
    notes: list[str] = []
    if nodata is not None:
        if _impossible(nodata, tiles[0].dtype):
            raise RasterError(f"{paths[0]}: nodata {nodata:g} cannot occur in values of type {tiles[0].dtype}; expected one that can")
        tiles = [replace(tile, nodata=float(nodata)) for tile in tiles]
    else:
        tiles, notes = _without_impossible(tiles)
    places = _places(tiles)
    xml, none = _virtual(tiles, places, band)
    scale, offset = tiles[0].scaling
    note = f"{len(tiles)} tiles" + (", overlapping: the first by name counts" if _overlap(tiles, places) else "")
    return Told(xml, (1,), nodata=none, scale=scale, offset=offset, unit=tiles[0].unit, notes=(note, *notes))


def _tile(path: str, band: int) -> _Tile:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with open_raster(gdal_name(path)) as dataset:
            if not 1 <= band <= dataset.count:
                raise RasterError(f"{path}: no band {band}; expected one of 1 to {dataset.count}")
            if cut_short(dataset, band):
                raise RasterError(f"{path}: the file ends before its last block: it was cut short; expected a whole file")
            index = band - 1
            flags = dataset.mask_flag_enums[index]
            return _Tile(
                path=dataset.name,
                crs=dataset.crs.to_wkt() if dataset.crs else "",
                transform=dataset.transform,
                width=dataset.width,
                height=dataset.height,
                dtype=dataset.dtypes[index],
                nodata=dataset.nodatavals[index],
                scaling=(float(dataset.scales[index]), float(dataset.offsets[index])),
                unit=dataset.units[index] or "",
                masked=MaskFlags.per_dataset in flags or MaskFlags.alpha in flags,
                block=dataset.block_shapes[index],
            )


def _impossible(nodata: float | None, dtype: str) -> bool:
    real = np.dtype(dtype).kind in "iuf"  # others are refused elsewhere
    return nodata is not None and real and stored(nodata, np.dtype(dtype)) is None


def _without_impossible(tiles: Sequence[_Tile]) -> tuple[list[_Tile], list[str]]:
    """Tiles without a nodata that their type cannot hold, which GDAL would write into gaps as another number; and a note on it."""
    bad = [tile for tile in tiles if _impossible(tile.nodata, tile.dtype)]
    notes = sorted({f"the nodata {tile.nodata:g} of tiles cannot occur in {tile.dtype}" for tile in bad})
    return [replace(tile, nodata=None) if tile in bad else tile for tile in tiles], notes


def _odd_ones(tiles: Sequence[_Tile]) -> list[str]:
    """One line for each tile that is not as most are."""
    if not tiles:
        return []
    faults: list[str] = []

    def check(what: str, facts: Sequence[Hashable], say: Sequence[str]) -> bool:
        usual = Counter(facts).most_common(1)[0][0]
        example = facts.index(usual)
        odd = [number for number, fact in enumerate(facts) if fact != usual]
        faults.extend(
            f"{tiles[number].path}: {what} {say[number]}; expected {say[example]} as in {Path(tiles[example].path).name}" for number in odd
        )
        return not odd

    same = check("CRS", [tile.crs for tile in tiles], [_name(tile.crs) for tile in tiles])
    sizes = [tuple(float(f"{size:.6g}") for size in tile.transform[:2] + tile.transform[3:5]) for tile in tiles]
    same &= check("cells of", sizes, [f"{abs(tile.transform.a):.9g} x {abs(tile.transform.e):.9g}" for tile in tiles])
    check("values of type", [tile.dtype for tile in tiles], [tile.dtype for tile in tiles])
    check("scale and offset", [tile.scaling for tile in tiles], ["{:g} and {:g}".format(*tile.scaling) for tile in tiles])
    check("unit", [tile.unit for tile in tiles], [repr(tile.unit) for tile in tiles])
    if same:
        faults.extend(_off_lattice(tiles))
    return faults


def _name(wkt: str) -> str:
    found = wkt.split('"')
    return found[1] if len(found) > 1 else "none"


def _off_lattice(tiles: Sequence[_Tile]) -> list[str]:
    own = tiles[0].transform
    faults = []
    for tile in tiles:
        col, row = apply(~own, tile.transform.c, tile.transform.f)
        off = max(abs(col - round(col)), abs(row - round(row)))
        if off > OFF_LATTICE:
            first = Path(tiles[0].path).name
            faults.append(f"{tile.path}: {off:.2g} of a cell beside the cells of {first}; expected tiles whose cells continue each other")
    return faults


def _places(tiles: Sequence[_Tile]) -> list[tuple[int, int]]:
    """Column and row of each tile in the mosaic."""
    own = tiles[0].transform
    starts = [apply(~own, tile.transform.c, tile.transform.f) for tile in tiles]
    places = [(round(col), round(row)) for col, row in starts]
    left, top = min(col for col, _ in places), min(row for _, row in places)
    return [(col - left, row - top) for col, row in places]


def _overlap(tiles: Sequence[_Tile], places: Sequence[tuple[int, int]]) -> bool:
    order = sorted(zip(places, tiles, strict=True), key=lambda entry: entry[0])
    for number, ((col, row), tile) in enumerate(order):
        for (other_col, other_row), other in order[number + 1 :]:
            if other_col >= col + tile.width:
                break
            if other_row < row + tile.height and row < other_row + other.height:
                return True
    return False


def _virtual(tiles: Sequence[_Tile], places: Sequence[tuple[int, int]], band: int) -> tuple[str, float | None]:
    """The XML of a virtual raster, and its nodata value."""
    width = max(col + tile.width for (col, _), tile in zip(places, tiles, strict=True))
    height = max(row + tile.height for (_, row), tile in zip(places, tiles, strict=True))
    dtype, none = _type(tiles, places, width * height)
    corner = apply(tiles[0].transform, -places[0][0], -places[0][1])
    own = tiles[0].transform
    lines = [
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">',
        f'<SRS dataAxisToSRSAxisMapping="{_axes(tiles[0].crs)}">{escape(tiles[0].crs)}</SRS>' if tiles[0].crs else "",
        f"<GeoTransform>{corner[0]!r},{own.a!r},{own.b!r},{corner[1]!r},{own.d!r},{own.e!r}</GeoTransform>",
        f'<VRTRasterBand dataType="{_GDAL_TYPES.get(dtype, dtype)}" band="1">',
        "" if none is None else f"<NoDataValue>{none!r}</NoDataValue>",
    ]
    # What is drawn later covers what was drawn before, so the first by name comes last.
    for (col, row), tile in reversed(list(zip(places, tiles, strict=True))):
        kind = "SimpleSource" if tile.nodata is None and not tile.masked else "ComplexSource"
        size = f'xSize="{tile.width}" ySize="{tile.height}"'
        stored_as = _GDAL_TYPES.get(tile.dtype, tile.dtype)
        lines += [
            f"<{kind}>",
            f'<SourceFilename relativeToVRT="0">{escape(_absolute(tile.path))}</SourceFilename><SourceBand>{band}</SourceBand>',
            f'<SourceProperties RasterXSize="{tile.width}" RasterYSize="{tile.height}" DataType="{stored_as}" '
            f'BlockXSize="{tile.block[1]}" BlockYSize="{tile.block[0]}"/>',
            f'<SrcRect xOff="0" yOff="0" {size}/><DstRect xOff="{col}" yOff="{row}" {size}/>',
            "" if tile.nodata is None else f"<NODATA>{tile.nodata!r}</NODATA>",
            "<UseMaskBand>true</UseMaskBand>" if tile.masked else "",
            f"</{kind}>",
        ]
    return "".join([*lines, "</VRTRasterBand></VRTDataset>"]), none


def _axes(wkt: str) -> str:
    """Longitude is x and latitude y, whatever the order in which a geographic CRS names them."""
    return "2,1" if wkt.lstrip().startswith(("GEOGCS", "GEOGCRS")) else "1,2"


def _absolute(path: str) -> str:
    return path if path.startswith("/vsi") else str(Path(path).absolute())


def _type(tiles: Sequence[_Tile], places: Sequence[tuple[int, int]], cells: int) -> tuple[str, float | None]:
    """Data type of the mosaic, and a nodata value that no tile uses as a value."""
    dtype, values = tiles[0].dtype, {tile.nodata for tile in tiles}
    masked = any(tile.masked for tile in tiles)
    only = next(iter(values))
    if len(values) == 1 and only is not None and not masked:
        return dtype, only
    covered = sum(tile.width * tile.height for tile in tiles)
    if values == {None} and not masked and covered == cells and not _overlap(tiles, places):
        return dtype, None
    if dtype in _SMALL:
        return "int32", _BELOW_SMALL
    return (dtype if dtype.startswith("float") else "float64"), float("nan")


def stored(value: float, dtype: np.dtype[Any]) -> Any:
    """A nodata value as the data type holds it; None where it cannot (a fraction, or out of range).

    >>> stored(-9999.0, np.dtype("int16")), stored(-9999.0, np.dtype("uint8")) is None
    (np.int16(-9999), True)
    """
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.asarray(value).astype(dtype)[()]
    limits = np.iinfo(dtype)
    if not math.isfinite(value) or value != int(value) or not limits.min <= int(value) <= limits.max:
        return None
    return np.asarray(int(value), dtype=dtype)[()]
