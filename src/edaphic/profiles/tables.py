"""Tables from files: CSV, Parquet and GeoPackage into DataFrames."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio

from edaphic.errors import TableError

MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL")
"""What an empty cell of a CSV file may look like."""

_TEXT_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")


def read_table(path: Path | str) -> pd.DataFrame:
    """Read one table.

    CSV (also gzip-compressed, UTF-8): the delimiter is the most frequent of ``,`` ``;`` and tab in the header. A
    column whose every value is a number becomes numbers, except where a leading zero shows a label (007); between
    semicolons or tabs a decimal comma is understood. GeoPackage and GeoParquet: a point geometry becomes columns
    ``x`` and ``y``, its CRS ``attrs["crs"]`` of the result.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv``, ``.txt`` (each also with ``.gz``), ``.parquet`` or ``.gpkg``.

    Returns
    -------
    DataFrame

    Raises
    ------
    TableError
        The file is missing, unreadable, empty, or of another kind.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.csv"
    ...     _ = path.write_text("id;soc\\n007;1,5\\n008;NA\\n")
    ...     read_table(path).values.tolist()
    [['007', 1.5], ['008', nan]]
    """
    path = Path(path)
    name = path.name.lower()
    if not path.is_file():
        raise TableError(f"{path}: no such file; expected a table")
    if name.endswith(_TEXT_ENDINGS):
        table = _read_text(path)
    elif name.endswith((".parquet", ".geoparquet")):
        table = _read_parquet(path)
    elif name.endswith(".gpkg"):
        table = _read_geopackage(path)
    else:
        raise TableError(f"{path}: found another kind of file; expected {', '.join(_TEXT_ENDINGS)}, .parquet or .gpkg")
    if table.empty:
        raise TableError(f"{path}: found no rows; expected a header and at least one row")
    return table


def _read_text(path: Path) -> pd.DataFrame:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix.lower() == ".gz" else raw).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: byte {error.start} is not UTF-8; expected a CSV file saved as UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(f"{path}: cannot be read ({error}); expected a CSV file") from error
    header = re.sub(r'"[^"]*"', "", text.split("\n", 1)[0])
    delimiter = max((",", ";", "\t"), key=header.count)
    try:
        table = pd.read_csv(
            io.StringIO(text), sep=delimiter, dtype="str", keep_default_na=False, na_values=list(MISSING)
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise TableError(f"{path}: is no table ({error}); expected a header and rows of equal length") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise TableError(f"{path}: rows have more cells than the header; expected a name for every column")
    table.columns = [str(name).strip() for name in table.columns]
    return table.apply(lambda column: _typed(column, decimal_comma=delimiter != ","))


def _typed(column: pd.Series, decimal_comma: bool) -> pd.Series:
    """Numbers where all are numbers, else text without blanks around it."""
    column = column.str.strip()
    column = column.mask(column.isin(MISSING))
    present = column.dropna()
    if present.empty:
        return column.astype("float64")
    if present.str.match(r"[-+]?0\d").any():
        return column
    if decimal_comma and present.str.fullmatch(r"[-+]?\d*,?\d+([eE][-+]?\d+)?").all():
        column = column.str.replace(",", ".", regex=False)
    numbers = pd.to_numeric(column, errors="coerce")
    return column if numbers.isna().sum() > column.isna().sum() else numbers


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        geographic = b"geo" in (pq.read_schema(path).metadata or {})
        return _points(gpd.read_parquet(path), path) if geographic else pd.read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise TableError(f"{path}: cannot be read ({error}); expected a Parquet file") from error


def _read_geopackage(path: Path) -> pd.DataFrame:
    try:
        layers = [str(layer) for layer in pyogrio.list_layers(path)[:, 0]]
        if len(layers) != 1:
            raise TableError(f"{path}: found layers {', '.join(layers) or 'none'}; expected a file with one layer")
        return _points(pyogrio.read_dataframe(path), path)
    except (OSError, ValueError, RuntimeError) as error:
        raise TableError(f"{path}: cannot be read ({error}); expected a GeoPackage") from error


def _points(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Point geometry as columns x and y."""
    if not isinstance(table, gpd.GeoDataFrame):
        return table
    kinds = sorted(set(table.geometry.geom_type.dropna()))
    if kinds != ["Point"]:
        raise TableError(f"{path}: found geometry {', '.join(kinds) or 'none'}; expected points")
    plain = pd.DataFrame(table.drop(columns=table.geometry.name))
    plain["x"], plain["y"] = table.geometry.x, table.geometry.y
    if table.crs is not None:
        plain.attrs["crs"] = table.crs.to_string()
    return plain
