"""Tables from files and databases into DataFrames: the border where raw tables come in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio

from edaphic.errors import TableError
from edaphic.profiles.reading.tables_database import is_address, read_database
from edaphic.profiles.reading.tables_points import with_points
from edaphic.profiles.reading.tables_text import read_text
from edaphic.profiles.reading.tables_values import MISSING

__all__ = ["MISSING", "read_table"]

_TEXT_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
_PARQUET_ENDINGS = (".parquet", ".geoparquet")


def read_table(path: Path | str, layer: str | None = None) -> pd.DataFrame:
    """Read one table.

    Delimited text (also gzip-compressed): the delimiter is ``,`` ``;`` or tab. A column whose every value is a number becomes
    numbers, except where a leading zero shows a label (007); between semicolons or tabs a decimal comma is understood.
    UTF-8 and, with a byte order mark, UTF-16; other text is read as Windows-1252. Lines that begin with ``#`` and do not
    have the cells of a row are comments. GeoPackage, GeoParquet and PostGIS: a point geometry becomes columns ``x`` and
    ``y``, its CRS ``attrs["crs"]`` of the result.

    Parameters
    ----------
    path : Path or str
        ``.csv``, ``.tsv``, ``.txt`` (each also with ``.gz``), ``.parquet``, ``.gpkg`` (``file.gpkg:layer`` where it holds
        several layers), or ``postgresql://user@host/database?table=schema.name`` and ``sqlite:////folder/file.db?table=name``
        with the extra ``edaphic[postgis]``.
    layer : str, optional
        Layer of a GeoPackage, where not written behind its name.

    Returns
    -------
    DataFrame
        ``attrs["notes"]`` is a list of lines: what was assumed or left out, with the name of the file.

    Raises
    ------
    TableError
        The file is missing, unreadable, empty, or of another kind; all faults that were found, each with its row, its line
        and its column where it has one. Rows are those of data, from 1.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.csv"
    ...     _ = path.write_text("id;soc\\n007;1,5\\n008;NA\\n")
    ...     read_table(path).values.tolist()
    [['007', 1.5], ['008', nan]]
    """
    if is_address(str(path)):
        return _not_empty(read_database(str(path)), str(path))
    path, layer = _file_and_layer(path, layer)
    name = path.name.lower()
    _refuse_missing(path)
    if layer is not None and not name.endswith(".gpkg"):
        raise TableError(f"{path}: found layer {layer!r} for a file without layers; expected none")
    if name.endswith(_TEXT_ENDINGS):
        table = read_text(path)
    elif name.endswith(_PARQUET_ENDINGS):
        table = _read_parquet(path)
    elif name.endswith(".gpkg"):
        table = _read_geopackage(path, layer)
    else:
        known = ", ".join((*_TEXT_ENDINGS, *_PARQUET_ENDINGS, ".gpkg"))
        raise TableError(f"{path}: found another kind of file; expected a name that ends in {known}, or the address of a database")
    return _not_empty(table, str(path))


def _not_empty(table: pd.DataFrame, where: str) -> pd.DataFrame:
    if table.empty:
        raise TableError(f"{where}: found no rows; expected a header and at least one row")
    table.attrs.setdefault("notes", [])
    return table


def _refuse_missing(path: Path) -> None:
    if path.is_dir():
        raise TableError(f"{path}: found a folder; expected a file with a table")
    if not path.is_file():
        raise TableError(f"{path}: no such file; expected a table")


def _file_and_layer(path: Path | str, layer: str | None) -> tuple[Path, str | None]:
    """``soil.gpkg:horizons`` is layer horizons of soil.gpkg."""
    parts = re.fullmatch(r"(.*\.gpkg):([^/\\]+)", str(path), re.IGNORECASE)
    if parts is None or Path(path).is_file():
        return Path(path), layer
    if layer is not None and layer != parts[2]:
        raise TableError(f"{path}: found layer {layer!r} besides; expected one layer")
    return Path(parts[1]), parts[2]


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        file = pq.ParquetFile(path)
        geo = (file.schema_arrow.metadata or {}).get(b"geo")
        shapes, covering = _of_geometry(geo)
        _refuse_columns(path, file.schema_arrow, [*shapes, *covering])
        if geo is not None:
            return _geographic(path, gpd.read_parquet(path), covering)
        table: pa.Table = file.read()
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise TableError(f"{path}: cannot be read ({error}); expected a Parquet file that is whole") from error
    # The index that pandas wrote is a column like any other; only one without a name is none.
    nameless = [name for name in table.column_names if re.fullmatch(r"__index_level_\d+__", name)]
    frame: pd.DataFrame = _plain(table.drop_columns(nameless)).to_pandas(ignore_metadata=True)
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    frame.attrs["notes"] = [f"{path.name}: the index without a name was left out"] if nameless else []
    return frame


def _of_geometry(geo: bytes | None) -> tuple[list[str], list[str]]:
    """Columns of geometry, and columns of boxes around geometries, which GeoParquet keeps for speed."""
    described: dict[str, Any] = json.loads(geo) if geo else {}
    columns: dict[str, Any] = described.get("columns", {})
    boxes = [column.get("covering", {}).get("bbox", {}) for column in columns.values()]
    return sorted(columns), sorted({corner[0] for box in boxes for corner in box.values()})


def _refuse_columns(path: Path, schema: pa.Schema, geographic: list[str]) -> None:
    names = [str(name).strip() for name in schema.names]
    faults = [
        f"{path}: column {field.name!r}: found {' '.join(str(field.type).split())[:60]}; expected one number or text in every cell"
        for field in schema
        if _is_strange(field.type) and field.name not in geographic
    ]
    faults += [
        f"{path}: column {name!r}: found the name {names.count(name)} times; expected a name of its own for every column"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    if faults:
        raise TableError(faults)


def _is_strange(kind: pa.DataType) -> bool:
    """Whether a cell is neither number, text, yes or no, nor date."""
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    return bool(pa.types.is_nested(kind) or binary or pa.types.is_duration(kind) or pa.types.is_time(kind))


def _plain(table: pa.Table) -> pa.Table:
    """Decimals as floats, dictionaries as their text, columns of nothing as missing numbers."""
    for i, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_decimal(kind) or pa.types.is_null(kind) or pa.types.is_float16(kind):
            table = table.set_column(i, field.name, table.column(i).cast(pa.float64()))
        elif pa.types.is_dictionary(kind):
            table = table.set_column(i, field.name, table.column(i).cast(kind.value_type))
    return table


def _read_geopackage(path: Path, layer: str | None) -> pd.DataFrame:
    try:
        layers = [str(name) for name in pyogrio.list_layers(path)[:, 0]]
    except (OSError, ValueError, RuntimeError) as error:
        raise TableError(f"{path}: cannot be read ({error}); expected a GeoPackage") from error
    named = ", ".join(layers) or "none"
    if layer is not None and layer not in layers:
        raise TableError(f"{path}: found layers {named}, no layer {layer!r}; expected one of those there")
    if layer is None and len(layers) != 1:
        more = f" or a choice such as {path.name}:{layers[0]}" if layers else ""
        raise TableError(f"{path}: found layers {named}; expected a file with one layer{more}")
    try:
        table = pyogrio.read_dataframe(path, layer=layer or layers[0])
    except (OSError, ValueError, RuntimeError) as error:
        raise TableError(f"{path}: layer {layer or layers[0]}: cannot be read ({error}); expected a whole GeoPackage") from error
    return _geographic(path, table, [])


def _geographic(path: Path, table: pd.DataFrame, covering: list[str]) -> pd.DataFrame:
    """Point geometry as columns x and y."""
    if not isinstance(table, gpd.GeoDataFrame) or table.empty:
        return pd.DataFrame(table)
    shapes = table.geometry.name
    others = [name for name in table if name != shapes and isinstance(table[name].dtype, gpd.array.GeometryDtype)]
    plain = pd.DataFrame(table.drop(columns=[shapes, *others, *(name for name in covering if name in table)]))
    plain.attrs["notes"] = [f"{path.name}: column {name!r} of further geometry was left out" for name in others]
    return with_points(plain, table.geometry.to_numpy(), table.crs.to_string() if table.crs is not None else None, str(path))
