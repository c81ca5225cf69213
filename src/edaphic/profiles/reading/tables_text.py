"""Delimited text (CSV, TSV, also compressed) into a DataFrame; every fault with its row, line and column."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from edaphic.errors import TableError
from edaphic.profiles.reading.tables_layout import Text, data_rows, delimiter_of, layout, place_of, where
from edaphic.profiles.reading.tables_scan import Integers, level, scan
from edaphic.profiles.reading.tables_values import second_header, typed

_WIDE = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_OTHER_KINDS = (
    (rb"PK\x03\x04", "a zip archive or an Excel workbook"),
    (rb"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (rb"\x1f\x8b", "a gzip file, whose name should end in .gz"),
    (rb"PAR1", "a Parquet file"),
    (rb"SQLite format 3", "a GeoPackage or SQLite file"),
    (rb"%PDF", "a PDF document"),
    (rb"\s*<(!doctype|html|\?xml|head|!--)", "a web page (HTML or XML)"),
    (rb'\s*[\[{]\s*["\[{\]}]', "JSON"),
)


def read_text(path: Path) -> pd.DataFrame:
    """Read one delimited text.

    UTF-8, or UTF-16 with a byte order mark; text that is neither is read as Windows-1252 and noted. The delimiter is
    ``,`` ``;`` or tab. Lines that begin with ``#`` and have another number of cells than the header are comments.

    Parameters
    ----------
    path : Path
        The file; a name that ends in ``.gz`` is decompressed.

    Returns
    -------
    DataFrame
        ``attrs["notes"]`` lists what was assumed or left out.

    Raises
    ------
    TableError
        All faults that were found.
    """
    text = Text(path, np.empty(0, dtype=np.uint8))
    raw = _bytes(path)
    _refuse_other_kinds(path, raw)
    wide = next((name for mark, name in _WIDE if raw.startswith(mark)), None)
    if wide is not None:
        raw = _narrow(path, raw, wide)
    raw, told = _without_sep(raw.removeprefix(codecs.BOM_UTF8))
    text.data = np.frombuffer(raw, dtype=np.uint8)
    if not raw.strip():
        raise TableError(f"{path}: found an empty file; expected a header and at least one row")
    text.delimiter = told or delimiter_of(path, text.data)
    if told:
        text.notes.append(f"line 1 names the delimiter {told!r}")
    text.rows = scan(text.data, text.delimiter)
    keep = layout(text)
    _encoding(text)
    table = _parse(text, keep)
    table.attrs["delimiter"] = text.delimiter
    table.attrs["notes"] = [f"{path.name}: {note}" for note in text.notes]
    return table


def _without_sep(raw: bytes) -> tuple[bytes, str]:
    """Text without the words of a first line ``sep=;``, which spreadsheets write, and the delimiter that it names.

    The line itself stays, so that lines are counted as in the file.

    >>> _without_sep(b"sep=;\\na;b\\n")
    (b'\\na;b\\n', ';')
    """
    found = re.match(rb'"?sep=([,;\t])"?[ \t]*(?=\r?\n)', raw, re.IGNORECASE)
    return (raw[found.end() :], found[1].decode()) if found else (raw, "")


def _bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix.lower() == ".gz" else raw
    except EOFError as error:
        lines = zlib.decompressobj(31).decompress(raw).count(b"\n")
        raise TableError(f"{path}: line {lines + 1}: cannot be read, the gzip file ends within it; expected a whole file") from error
    except (OSError, zlib.error) as error:
        raise TableError(f"{path}: cannot be read ({_reason(error)}); expected a CSV file") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _refuse_other_kinds(path: Path, raw: bytes) -> None:
    for pattern, kind in _OTHER_KINDS:
        if re.match(pattern, raw[:512].removeprefix(codecs.BOM_UTF8), re.IGNORECASE):
            raise TableError(f"{path}: found {kind}; expected a table as text, with commas, semicolons or tabs between cells")


def _narrow(path: Path, raw: bytes, encoding: str) -> bytes:
    try:
        return raw.decode(encoding).encode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].decode(encoding, errors="ignore").count("\n") + 1
        raise TableError(f"{path}: line {line}: found bytes that are not {encoding.upper()}; expected a whole file") from error


def _encoding(text: Text) -> None:
    """Text that is not UTF-8 becomes UTF-8, as Windows-1252; raises where it is that neither."""
    raw = text.data.tobytes()
    try:
        raw.decode("utf-8")
        return
    except UnicodeDecodeError as error:
        place, byte = place_of(text, error.start), raw[error.start]
    mixed = any(ord(letter) >= 128 and not 0xDC80 <= ord(letter) <= 0xDCFF for letter in set(raw.decode("utf-8", "surrogateescape")))
    if mixed:
        raise TableError(f"{text.path}: {place}: found byte 0x{byte:02x} in a file of UTF-8; expected UTF-8 throughout")
    try:
        text.data = np.frombuffer(raw.decode("cp1252").encode("utf-8"), dtype=np.uint8)
    except UnicodeDecodeError as error:
        raise TableError(
            f"{text.path}: {place_of(text, error.start)}: found byte 0x{raw[error.start]:02x}, which is neither UTF-8 nor Windows-1252; "
            "expected a file saved as UTF-8"
        ) from error
    text.notes.append(f"{place}: byte 0x{byte:02x} is not UTF-8; the file was read as Windows-1252")
    text.rows = scan(text.data, text.delimiter)


def _parse(text: Text, keep: Integers) -> pd.DataFrame:
    """Values of the kept rows."""
    rows = text.rows
    assert rows is not None
    width = max(int(rows.cells[keep].max()), len(text.names))
    if (rows.cells[keep] == width).all() and keep.size == rows.start.size - 1 - text.header:
        part = text.data[rows.start[keep[0]] :]
    else:
        part = level(text.data, rows, keep, width, text.delimiter)
    if width > len(text.names):
        text.notes.append(f"empty cells beyond the {len(text.names)} names at the end of rows were left out")
    keys = [f"{i}" for i in range(width)]
    block = max(1 << 20, 2 * int((rows.end[keep] - rows.start[keep]).max()) + width)
    try:
        arrow = pa_csv.read_csv(
            pa.BufferReader(pa.py_buffer(part)),
            read_options=pa_csv.ReadOptions(column_names=keys, block_size=block),
            parse_options=pa_csv.ParseOptions(
                delimiter=text.delimiter, newlines_in_values=rows.breaks, ignore_empty_lines=width > 1
            ),
            convert_options=pa_csv.ConvertOptions(column_types={key: pa.string() for key in keys}, strings_can_be_null=False),
        )
    except (pa.ArrowException, ValueError) as error:
        raise TableError(f"{text.path}: is no table ({_reason(error)}); expected a header and rows of equal length") from error
    return _convert(text, arrow)


def _convert(text: Text, arrow: pa.Table) -> pd.DataFrame:
    """Columns of text into columns of numbers and text."""
    columns: dict[str, pd.Series] = {}
    faults = []
    for i, name in enumerate(text.names):
        values, note = typed(arrow.column(i), decimal_comma=text.delimiter != ",")
        if note:
            text.notes.append(f"column {name!r}: {note}")
        if name:
            columns[name] = values
        elif values.notna().any():
            faults += _nameless(text, i, values)
    table = pd.DataFrame(columns)
    words = second_header(table)
    if words:
        found = ", ".join(f"{table[name].iloc[0]!r} in column {name!r}" for name in words[:5])
        row = where(text, int(data_rows(text)[0]))
        faults.append(f"{text.path}: {row}: found a second line of names or units ({found}); expected numbers from the first row on")
    if faults:
        raise TableError(faults)
    return table


def _nameless(text: Text, i: int, values: pd.Series) -> list[str]:
    """A first column of row numbers, as R and pandas write it, is left out; any other without a name is a fault."""
    if i == 0 and pd.api.types.is_integer_dtype(values) and values.is_unique and len(text.names) > 1:
        text.notes.append("column 1 has no name and holds numbers of rows; it was left out")
        return []
    first = values.dropna().iloc[0]
    return [
        f"{text.path}: {where(text, text.header)}: column {i + 1}: found values (the first is {first!r}) and no name; "
        "expected a name for every column"
    ]
