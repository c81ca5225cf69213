"""Geometry of a table into columns x and y."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from edaphic.errors import TableError


def with_points(
    table: pd.DataFrame, geometry: Sequence[object] | NDArray[np.object_], crs: str | None, where: str
) -> pd.DataFrame:
    """The table with the coordinates of its points as columns ``x`` and ``y``.

    Parameters
    ----------
    table : DataFrame, n rows
        Columns without the geometry.
    geometry : array_like of shapely geometries, shape (n,)
        Points, multipoints of one part, or None where the place is not known.
    crs : str or None
        What becomes ``attrs["crs"]``.
    where : str
        File or table, for messages.

    Returns
    -------
    DataFrame
        ``x`` and ``y`` are NaN where there is no point. Columns of these names that were there are replaced and noted.

    Raises
    ------
    TableError
        There is geometry of another kind, or none at all.

    Examples
    --------
    >>> with_points(pd.DataFrame({"id": ["a"]}), [shapely.Point(21, 41)], "EPSG:4326", "a.gpkg").values.tolist()
    [['a', 21.0, 41.0]]
    """
    shapes = np.asarray(geometry, dtype=object)
    kinds = shapely.get_type_id(shapes)
    single = (kinds == shapely.GeometryType.MULTIPOINT) & (shapely.get_num_geometries(shapes) == 1)
    shapes = np.where(single, shapely.get_geometry(shapes, 0), shapes)
    strange = (kinds != -1) & (kinds != shapely.GeometryType.POINT) & ~single
    if strange.any() or (kinds == -1).all():
        names = sorted({shape.geom_type for shape in shapes[strange]})
        row = f"row {int(np.argmax(strange)) + 1}: " if strange.any() else ""
        raise TableError(f"{where}: {row}column of geometry: found geometry {', '.join(names) or 'none'}; expected points")
    notes = [*table.attrs.get("notes", [])]
    if single.any():
        notes.append(f"{where}: {int(single.sum())} multipoints of one part were read as points")
    twice = [name for name in ("x", "y") if name in table]
    if twice:
        notes.append(f"{where}: columns {' and '.join(twice)} were replaced by the coordinates of the geometry")
    plain = pd.DataFrame(table)
    plain = plain.assign(x=shapely.get_x(shapes), y=shapely.get_y(shapes))
    plain.attrs["notes"] = notes
    if crs is not None:
        plain.attrs["crs"] = crs
    return plain


def from_ewkb(column: pd.Series, where: str) -> tuple[NDArray[np.object_], str | None]:
    """Geometries of a PostGIS column, and their CRS.

    Parameters
    ----------
    column : Series of str or bytes, shape (n,)
        EWKB, as hexadecimal text or bytes: WKB that may name its SRID.
    where : str
        Table, for messages.

    Returns
    -------
    geometries : array of object, shape (n,)
        Shapely geometries, None where missing.
    crs : str or None
        ``EPSG:<SRID>`` (PostGIS numbers its reference systems as EPSG does); None where no SRID is stored.

    Raises
    ------
    TableError
        A cell is no EWKB, or SRIDs differ.

    Examples
    --------
    >>> shapes, crs = from_ewkb(pd.Series(["0101000020E610000000000000000035400000000000804440"]), "db")
    >>> shapely.get_coordinates(shapes).tolist(), crs
    ([[21.0, 41.0]], 'EPSG:4326')
    """
    cells = column.astype(object).where(column.notna(), None).to_numpy(dtype=object)
    shapes = np.asarray(shapely.from_wkb(cells, on_invalid="ignore"), dtype=object)
    bad = shapely.is_missing(shapes) & column.notna().to_numpy()
    name = column.name if column.name is not None else "geometry"
    if bad.any():
        row = int(np.argmax(bad))
        raise TableError(f"{where}: row {row + 1}: column {name!r}: found {str(cells[row])[:40]!r}; expected geometry as EWKB")
    numbers = np.unique(shapely.get_srid(shapes[~shapely.is_missing(shapes)]))
    if numbers.size > 1:
        raise TableError(f"{where}: column {name!r}: found SRIDs {', '.join(map(str, numbers))}; expected one")
    return shapes, f"EPSG:{numbers[0]}" if numbers.size and numbers[0] > 0 else None


def looks_like_ewkb(column: pd.Series) -> bool:
    """Whether every present cell of a column begins as the EWKB of a plain geometry does.

    >>> looks_like_ewkb(pd.Series(["010100000000000000000035400000000000804440", None])), looks_like_ewkb(pd.Series(["0101"]))
    (True, False)
    """
    present = column.dropna()
    if present.empty or not isinstance(present.iloc[0], str | bytes):
        return False
    text = present.map(lambda cell: cell[:25].hex() if isinstance(cell, bytes) else str(cell))
    # Byte order, then a type from 1 to 7 whose highest byte may flag Z, M and SRID, then at least one count or coordinate.
    return bool(text.str.match(r"(?i)(010[1-7]0000[02468ace]0|00[02468ace]000000[1-7])([0-9a-f]{2}){4}").all())
