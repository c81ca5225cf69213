"""What each polygon of a file stands for: a code, a number, a density; and what was mended on the way."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from odc.geo.crs import CRS
from shapely.geometry.polygon import orient

from edaphic.covariates.address import shown
from edaphic.covariates.legends import read_legend
from edaphic.covariates.polygons import KEPT, read_polygons
from edaphic.errors import TableError

Float = NDArray[np.float64]

MEASURES = ("class", "value", "mean", "density", "share")

VERTICES_LOOKED_AT = 2_000_000
"""Tables of more vertices are not searched for overlaps."""


@lru_cache(maxsize=1024)
def polygon_numbers(
    path: str,
    changed: tuple[int, int] | None,
    legend: Any,
    kind: str,
    column: str | None,
    measure: str,
    value: Any,
    nodata: float | None,
    scale: float | None,
    offset: float | None,
    resampling: str,
) -> tuple[geopandas.GeoDataFrame, Float, bool, dict[int, str], tuple[str, ...]]:
    """Valid polygons, the number of each, whether some may overlap, the names of codes, and notes."""
    table = read_polygons(path)
    what = shown(path)
    _check(what, table, kind, column, measure, value, resampling)
    notes = [f"{len(table)} polygons, {measure}" + (f" of {column}" if column else "")]
    if measure == "share" and column is not None and value is None:
        notes = [f"share of all {len(table)} polygons: no value of {column} was given to choose some"]
    table, mended, overlaps = _mended(path, changed)
    notes.extend((*mended, *overlaps))
    names: dict[int, str] = {}
    if measure == "class":
        numbers, names = _codes(what, table[column], legend)
    elif measure == "share":
        chosen = np.ones(len(table), dtype=bool) if column is None or value is None else _equal(what, table[column], column, value)
        numbers = np.where(chosen, 1.0, np.nan)
    else:
        numbers = _reals(what, table, str(column), notes)
        if nodata is not None:
            numbers = np.where(numbers == nodata, np.nan, numbers)
        numbers = numbers * (1.0 if scale is None else scale) + (0.0 if offset is None else offset)
        if measure == "density":
            numbers = numbers / areas_km2(table)
    return table, numbers, bool(overlaps), names, tuple(notes)


@lru_cache(maxsize=KEPT)
def _mended(path: str, changed: tuple[int, int] | None) -> tuple[geopandas.GeoDataFrame, tuple[str, ...], tuple[str, ...]]:
    """Valid polygons of a file, a note on those mended, and one on those that overlap: once for all layers of the file."""
    table = read_polygons(path)
    mended: tuple[str, ...] = ()
    bad = ~table.is_valid
    if bad.any():
        table = table.copy()
        table.loc[bad, table.geometry.name] = [_polygons_only(shapely.make_valid(shape)) for shape in table.geometry[bad]]
        mended = (f"{int(bad.sum())} invalid polygons mended",)
        shapely.prepare(table.geometry.to_numpy())
    return table, mended, tuple(_overlaps(table))


def _check(what: str, table: geopandas.GeoDataFrame, kind: str, column: str | None, measure: str, value: Any, resampling: str) -> None:
    have = ", ".join(str(name) for name in table.columns if name != table.geometry.name) or "none: it has shapes only"
    faults = []
    if measure not in MEASURES:
        faults.append(f"{what}: measure {measure!r}; expected one of {', '.join(MEASURES)}")
    if column is None and (measure != "share" or value is not None):
        faults.append(f"{what}: polygons without a column to take; expected one of {have}, or measure: share")
    elif column is not None and (column not in table.columns or column == table.geometry.name):
        faults.append(f"{what}: no column {column!r}; expected one of {have}")
    if (kind == "class") != (measure == "class"):
        faults.append(f"{what}: measure {measure} of a {kind} layer; expected kind: {'class' if measure == 'class' else 'continuous'}")
    if value is not None and measure in MEASURES and measure != "share":
        faults.append(f"{what}: value {value!r} with measure {measure}; expected measure: share, or no value")
    if resampling != "auto":
        faults.append(f"{what}: resampling {resampling!r} of polygons; expected measure instead")
    if faults:
        raise TableError(faults)


def _polygons_only(shape: shapely.Geometry) -> shapely.Geometry:
    parts = [part for part in shapely.get_parts(shape) if part.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.union_all(parts) if parts else shapely.Polygon()


def _overlaps(table: geopandas.GeoDataFrame) -> list[str]:
    """A note on polygons that overlap by more than a millionth of the smaller one."""
    shapes = table.geometry.to_numpy()
    if int(shapely.get_num_coordinates(shapes).sum()) > VERTICES_LOOKED_AT:
        return ["not searched for overlapping polygons: too many vertices"]
    one, other = table.sindex.query(shapes, predicate="intersects")
    one, other = one[one < other], other[one < other]
    shared = shapely.area(shapely.intersection(shapes[one], shapes[other]))
    count = int((shared > 1e-6 * np.minimum(shapely.area(shapes[one]), shapely.area(shapes[other]))).sum())
    return [f"{count} pairs of polygons overlap: the first of the file counts"] if count else []


def _codes(what: str, values: pd.Series, legend: Any) -> tuple[Float, dict[int, str]]:
    if legend is None:
        ordered = sorted(values.dropna().unique())
        rank = {value: code for code, value in enumerate(ordered, start=1)}
        return np.asarray(values.map(rank), dtype=np.float64), {code: str(value) for value, code in rank.items()}
    given = read_legend(legend) if isinstance(legend, str) else dict(legend)
    codes = {str(name): code for code, name in given.items()}
    text = values.map(lambda value: None if pd.isna(value) else str(value))
    unknown = sorted(set(text.dropna()) - set(codes))
    if unknown:
        raise TableError(f"{what}: {len(unknown)} values without a code ({', '.join(unknown[:5])}); expected those of classes")
    return np.asarray(text.map(codes), dtype=np.float64), {int(code): str(name) for code, name in given.items()}


def _equal(what: str, values: pd.Series, column: str, value: Any) -> NDArray[np.bool_]:
    found = (values.astype(str) == str(value)) | (values == value)
    if not found.any():
        have = ", ".join(str(one) for one in sorted(values.dropna().unique(), key=str)[:8])
        raise TableError(f"{what}: no polygon with {column} {value!r}; expected one of {have}")
    return np.asarray(found, dtype=bool)


def _reals(what: str, table: geopandas.GeoDataFrame, column: str, notes: list[str]) -> Float:
    values = table[column]
    numbers = pd.to_numeric(values, errors="coerce")
    bad = numbers.isna() & values.notna()
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        found = f"column {column!r}: text {str(values.iloc[first])!r} in feature {first + 1}"
        raise TableError(f"{what}: {found}; expected numbers, or kind: class")
    if not pd.api.types.is_numeric_dtype(values):
        notes.append(f"numbers of {column} are written as text")
    if numbers.isna().any():
        notes.append(f"{int(numbers.isna().sum())} polygons without a number")
    return np.asarray(numbers.to_numpy(dtype=np.float64, na_value=np.nan))


def areas_km2(table: geopandas.GeoDataFrame) -> Float:
    """True areas of polygons on the ellipsoid, km2.

    >>> one = geopandas.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs="EPSG:4326")
    >>> round(float(areas_km2(one)[0]), 1)
    12308.5
    """
    crs = CRS(table.crs)
    geodetic = CRS(crs.proj.geodetic_crs)
    west, south, east, north = table.total_bounds
    step = min(max(east - west, north - south) / 500, 0.1 if crs.geographic else 10_000.0)
    geod = geodetic.proj.get_geod()
    assert geod is not None
    found = []
    for shape in table.geometry:
        # Points along the sides: they are straight in their own CRS, not on the ellipsoid.
        dense = geopandas.GeoSeries([shapely.segmentize(shape, max(step, 1e-9))], crs=table.crs).to_crs(geodetic.proj).iloc[0]
        parts = [orient(part) for part in shapely.get_parts(dense)]
        found.append(float(sum(float(geod.geometry_area_perimeter(part)[0]) for part in parts)) / 1e6)
    return np.array(found)
