"""STAC items of maps, and the catalogue that links them.

Nothing here asks the network. Links are relative, so that a folder of maps can be moved, zipped or served as it is.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pystac
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely import box, make_valid
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon, mapping
from shapely.geometry.polygon import orient

from edaphic.errors import GridError, RasterError
from edaphic.files import sha256_of, write_text
from edaphic.mapping.info import MapInfo

CATALOGUE = "catalog.json"

UNKNOWN_PERIOD = (1900, 2099)
"""Years written where no period is known. A STAC item must carry a time; a range so wide that every search finds the
map is the usual way of saying "any time". The item says beside it that the period is unknown."""

EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
)

CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"

STYLES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "style": (".qml", "QGIS style", "application/xml"),
        "sld": (".sld", "SLD style", "application/vnd.ogc.sld+xml"),
    }
)
"""Styles that may lie beside a map, by the key of their asset: ending, title, kind of file."""

_PERIOD = re.compile(r".+_(\d+-\d+)")

_STATISTICS = ("minimum", "maximum", "mean", "stddev", "valid_percent")

_EDGE = 32
"""Pieces that each side of a grid is cut into before it is projected, so that bent edges keep their bend."""


def _write_json(path: Path, content: Mapping[str, Any]) -> Path:
    return write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _to_wgs84(grid: GeoBox, col: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitude and latitude of positions given in cells from the upper left corner, shape (2, n)."""
    if grid.crs is None:
        raise GridError("grid: no CRS; a map needs one")
    affine = grid.affine
    x, y = affine.a * col + affine.b * row + affine.c, affine.d * col + affine.e * row + affine.f
    to_wgs84 = Transformer.from_crs(grid.crs.proj, "EPSG:4326", always_xy=True)
    return np.stack([np.asarray(values, dtype=np.float64) for values in to_wgs84.transform(x, y)])


def _geometry(shape: Polygon | MultiPolygon) -> dict[str, Any]:
    """GeoJSON with outer rings counter-clockwise and a tenth of a metre of precision."""
    parts = [orient(part) for part in getattr(shape, "geoms", [shape]) if part.geom_type == "Polygon"]
    named = mapping(parts[0] if len(parts) == 1 else MultiPolygon(parts))
    rounded = json.loads(json.dumps(named), parse_float=lambda text: round(float(text), 6) + 0.0)
    return {"type": rounded["type"], "coordinates": rounded["coordinates"]}


def _extent(west: float, south: float, east: float, north: float) -> tuple[dict[str, Any], list[float]]:
    return _geometry(box(west, south, east, north)), [round(v, 6) + 0.0 for v in (west, south, east, north)]


def footprint(grid: GeoBox) -> tuple[dict[str, Any], list[float]]:
    """Outline and bounding box of a grid in WGS 84, as GeoJSON wants them (RFC 7946).

    The edges are cut into short pieces before they are projected. A grid across the antimeridian becomes two polygons,
    and its box has west > east. A grid around a pole, or one whose corners lie off the globe (a world map in
    Mollweide), gets its box as outline.

    Returns
    -------
    geometry : dict
        GeoJSON Polygon or MultiPolygon.
    bbox : list of float
        West, south, east, north, in degrees.

    Raises
    ------
    GridError
        No CRS, or no part of the grid lies on the globe.

    Examples
    --------
    >>> from affine import Affine
    >>> footprint(GeoBox((10, 20), Affine(0.5, 0, 10, 0, -0.5, 50), "EPSG:4326"))[1]
    [10.0, 45.0, 20.0, 50.0]
    """
    steps = np.linspace(0.0, 1.0, _EDGE + 1)
    there, still, back = steps[:-1], np.zeros(_EDGE), steps[:0:-1]
    col = np.concatenate([there, still + 1, back, still, [0.0]]) * grid.width
    row = np.concatenate([still, there, still + 1, back, [0.0]]) * grid.height
    lon, lat = _to_wgs84(grid, col, row)
    if not np.isfinite(lon + lat).all():
        return _extent(*_lattice_box(grid))
    lon = np.unwrap(lon, period=360.0)
    south, north = float(lat.min()), float(lat.max())
    if abs(lon[-1] - lon[0]) > 180.0:
        return _extent(-180.0, south, 180.0, 90.0) if north > 0 else _extent(-180.0, -90.0, 180.0, north)
    if lon.max() - lon.min() >= 360.0:
        return _extent(-180.0, south, 180.0, north)
    lon -= 360.0 * math.floor((lon.min() + 180.0) / 360.0)
    ring = make_valid(Polygon(np.column_stack([lon, lat])))
    east = float(lon.max())
    if east > 180.0:
        world = box(-180.0, -90.0, 180.0, 90.0)
        parts = [ring.intersection(world), translate(ring, -360.0).intersection(world)]
        ring, east = MultiPolygon(parts), east - 360.0
    return _geometry(ring), [round(v, 6) + 0.0 for v in (float(lon.min()), south, east, north)]


def _lattice_box(grid: GeoBox) -> tuple[float, float, float, float]:
    """Bounds of the points of a lattice over the grid that lie on the globe."""
    steps = np.linspace(0.0, 1.0, 2 * _EDGE + 1)
    col, row = np.meshgrid(steps * grid.width, steps * grid.height)
    found = _to_wgs84(grid, col.ravel(), row.ravel())
    lon, lat = found[:, np.isfinite(found).all(axis=0)]
    if not lon.size:
        raise GridError("grid: no part of it lies on the globe; expected another CRS or other bounds")
    return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())


def _projection(grid: GeoBox) -> dict[str, Any]:
    """Projection fields. A CRS without a code is written out in full, as WKT 2 and as PROJJSON."""
    crs = grid.crs.proj  # type: ignore[union-attr]  # footprint has refused a grid without CRS
    # 70 is PROJ's word for "the same system, perhaps under another name", as in files that carry no code
    authority = crs.to_authority(min_confidence=70)
    fields: dict[str, Any] = {"proj:code": ":".join(authority) if authority else None}
    if authority is None:
        fields |= {"proj:wkt2": crs.to_wkt(), "proj:projjson": crs.to_json_dict()}
    left, bottom, right, top = (float(v) for v in grid.boundingbox.bbox)
    return fields | {
        "proj:shape": [int(grid.height), int(grid.width)],
        "proj:transform": [float(v) for v in tuple(grid.affine)[:6]],
        "proj:bbox": [left, bottom, right, top],
    }


def _period(period: tuple[int, int] | None) -> dict[str, Any]:
    first, last = period or UNKNOWN_PERIOD
    fields: dict[str, Any] = {
        "start_datetime": f"{first:04d}-01-01T00:00:00Z",
        "end_datetime": f"{last:04d}-12-31T23:59:59Z",
    }
    if period is None:
        fields["edaphic:period"] = "unknown"
        fields["edaphic:period_note"] = (
            "The years in which the profiles were sampled are not known. start_datetime and end_datetime are "
            f"placeholders ({first} to {last}) that let any search by time find this map; they say nothing of the soil."
        )
    else:
        fields["edaphic:period"] = f"{first}-{last}"
    return fields


def _band(path: Path, info: MapInfo) -> dict[str, Any]:
    """Band fields, with the statistics that the file itself carries, in the map's unit."""
    with rasterio.open(path) as dataset:
        tags, dtype, nodata = dataset.tags(1), str(dataset.dtypes[0]), dataset.nodata
        scale, offset, rounding = float(dataset.scales[0]), float(dataset.offsets[0]), dataset.tags().get("EDAPHIC_ROUNDING_ERROR")
    values = {name: float(tags[key]) for name in _STATISTICS if (key := f"STATISTICS_{name.upper()}") in tags}
    values |= {name: float(tags[key]) for name in _STATISTICS if (key := f"EDAPHIC_{name.upper()}") in tags}
    band: dict[str, Any] = {
        "name": info.name,
        "description": info.description,
        "data_type": dtype,
        "nodata": "nan" if nodata is None or math.isnan(nodata) else int(nodata),
        "unit": info.unit,
        "raster:sampling": "area",
    }
    if (scale, offset) != (1.0, 0.0):
        band |= {"raster:scale": scale, "raster:offset": offset}
    if rounding is not None:
        band["edaphic:rounding_error"] = float(rounding)
    return band | ({"statistics": values} if values else {})


def statistics_of(final: Path) -> dict[str, float]:
    """Smallest, largest and mean value, standard deviation and share of cells of a map, by its item; empty where no cell has a value.

    Raises
    ------
    RasterError
        There is no readable item.
    """
    path = final.with_suffix(".json")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["assets"]["data"]["bands"][0].get("statistics", {})
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise RasterError(f"{path}: no readable STAC item ({type(error).__name__}: {error})") from error
    return {str(name): float(value) for name, value in found.items()}


def write_stac_item(final: Path, info: MapInfo, grid: GeoBox) -> Path:
    """STAC 1.1 item of a finished map, beside it as ``.json``.

    The item carries projection, band (unit, nodata, statistics as in the file's own tags), size and SHA-256 of the
    file, and the provenance tags as ``edaphic:`` properties. It stands alone until :func:`write_catalog` links it.
    Styles that stand beside the map are listed as assets.

    Where no period is known, ``start_datetime`` and ``end_datetime`` span :data:`UNKNOWN_PERIOD` and ``edaphic:period``
    is "unknown".

    Parameters
    ----------
    final : Path
        The finished map.
    info : MapInfo
    grid : GeoBox
        Grid of the map.

    Returns
    -------
    Path of the item.

    Raises
    ------
    RasterError
        There is no such map.
    """
    if not final.is_file():
        raise RasterError(f"{final}: no such file; expected a finished map, beside which a STAC item is written")
    geometry, bbox = footprint(grid)
    first, last = info.period or UNKNOWN_PERIOD
    properties = {f"edaphic:{key.lower().removeprefix('edaphic_')}": str(info.tags[key]) for key in sorted(info.tags)}
    properties = {"title": info.title, "description": info.description, **properties, **_period(info.period)}
    item = pystac.Item(
        id=info.name,
        geometry=geometry,
        bbox=bbox,
        datetime=None,
        start_datetime=datetime(first, 1, 1, tzinfo=UTC),
        end_datetime=datetime(last, 12, 31, 23, 59, 59, tzinfo=UTC),
        properties=properties | _projection(grid),
        stac_extensions=[*EXTENSIONS, *([CLASSIFICATION] if info.classes else [])],
    )
    item.add_asset("data", _map_asset(final, info))
    for key, (ending, title, media_type) in STYLES.items():
        style = final.with_suffix(ending)
        if style.is_file():
            item.add_asset(key, pystac.Asset(f"./{style.name}", title=title, media_type=media_type, roles=["style"]))
    return _write_json(final.with_suffix(".json"), item.to_dict(include_self_link=False, transform_hrefs=False))


def _map_asset(final: Path, info: MapInfo) -> pystac.Asset:
    facts: dict[str, Any] = {
        "bands": [_band(final, info)],
        "file:size": final.stat().st_size,
        "file:checksum": f"1220{sha256_of(final)}",  # multihash: 0x12 is SHA-256, 0x20 its length
    }
    if info.classes:
        facts["classification:classes"] = [
            {"value": each.code, "name": each.name, "description": each.meaning, "color_hint": each.colour.removeprefix("#").upper()}
            for each in info.classes
        ]
    return pystac.Asset(f"./{final.name}", title=info.title, media_type=pystac.MediaType.COG, roles=["data"], extra_fields=facts)


def write_catalog(
    folder: Path,
    maps: Sequence[Path],
    *,
    name: str = "maps",
    title: str = "Edaphic maps",
    description: str = "Maps of soil organic carbon made by Edaphic.",
) -> Path:
    """STAC catalogue ``catalog.json`` of the maps of a folder, in the given order, with relative links.

    Maps of several periods, whose names end in ``_FROM-TO``, get a catalogue each, ``catalog_FROM-TO.json``, which the first one
    links.

    Parameters
    ----------
    folder : Path
        Folder of the maps.
    maps : sequence of Path
        Maps, or their items; each has its item beside it, which gets links back to the catalogue.
    name, title, description : str
        Of the catalogue.

    Returns
    -------
    Path of the catalogue.

    Raises
    ------
    RasterError
        An item is missing, cannot be read, or lies in another folder.
    """
    faults: list[str] = []
    read = {path: item for path in (path.with_suffix(".json") for path in maps) if (item := _readable(path, folder, faults))}
    if faults:
        raise RasterError(faults)
    periods = {path: found[1] if (found := _PERIOD.fullmatch(path.stem)) else "" for path in read}
    several = len(set(periods.values())) > 1
    root = {"href": f"./{CATALOGUE}", "type": "application/json", "title": title}
    top = _catalogue(name, title, description, root)
    for period in dict.fromkeys(periods.values()):
        inside = [path for path in read if periods[path] == period]
        parent, up = top, root
        if several and period:
            heading = f"{title}, {period}"
            up = {"href": f"./catalog_{period}.json", "type": "application/json", "title": heading}
            parent = _catalogue(f"{name}-{period}", heading, f"{description} {period}.", root, root)
            top.add_link(pystac.Link("child", up["href"], media_type="application/json", title=heading))
        for path in inside:
            text = read[path]["properties"]["title"]
            parent.add_link(pystac.Link("item", f"./{path.name}", media_type="application/geo+json", title=text))
            _write_json(path, read[path] | {"links": [{"rel": "root", **root}, {"rel": "parent", **up}]})
        if parent is not top:
            _write_json(folder / up["href"], parent.to_dict(include_self_link=False, transform_hrefs=False))
    return _write_json(folder / CATALOGUE, top.to_dict(include_self_link=False, transform_hrefs=False))


def _catalogue(name: str, title: str, description: str, root: Mapping[str, str], parent: Mapping[str, str] | None = None) -> pystac.Catalog:
    """A catalogue with links to those above it."""
    catalogue = pystac.Catalog(id=name, title=title, description=description)
    catalogue.clear_links()
    for rel, up in (("root", root), ("parent", parent)):
        if up is not None:
            catalogue.add_link(pystac.Link(rel, up["href"], media_type=up["type"], title=up["title"]))
    return catalogue


def _readable(path: Path, folder: Path, faults: list[str]) -> dict[str, Any]:
    """An item of the folder, empty where it is none."""
    if path.parent.resolve() != folder.resolve():
        faults.append(f"{path}: lies outside {folder}; expected an item of the folder of the catalogue")
        return {}
    try:
        item: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        item["properties"]["title"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        faults.append(f"{path}: no readable STAC item ({type(error).__name__}: {error})")
        return {}
    return item
