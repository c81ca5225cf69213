"""Layout of a delimited text: delimiter, header, rows of data; and every fault of it with its row, line and column."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edaphic.errors import TableError
from edaphic.profiles.reading.tables_scan import Bytes, Integers, Rows, scan

_HEAD = 1 << 16
_NUMBER = re.compile(r"[-+]?\d*[.,]?\d+([eE][-+]?\d+)?")
_LISTED = 10
"""Rows of one kind of fault that get a line of their own."""


@dataclass
class Text:
    """One file on its way to a table."""

    path: Path
    data: Bytes
    delimiter: str = ","
    rows: Rows | None = None
    header: int = 0
    names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def delimiter_of(path: Path, data: Bytes) -> str:
    """Delimiter that gives the first rows as many cells as the header, more than one; tab before semicolon before comma."""
    head = data[:_HEAD].tobytes().replace(b"\0", b"?").decode("latin-1")
    whole = head if data.size <= _HEAD else head[: max(head.rfind("\n"), head.rfind("\r")) + 1] or head
    every = [line for line in io.StringIO(whole, newline=None).read().split("\n") if line.strip()]
    lines = [line for line in every if not line.startswith("#")]
    scores = []
    for rank, delimiter in enumerate((",", ";", "\t")):
        cells = [len(row) for row in csv.reader(io.StringIO("\n".join((lines or every)[:50])), delimiter=delimiter)]
        alike = sum(n == cells[0] for n in cells[1:]) >= 0.8 * (len(cells) - 1)
        scores.append((cells[0] > 1 and alike, cells[0], rank, delimiter))
    _, cells_of_header, _, delimiter = max(scores)
    if cells_of_header == 1 and lines:
        _refuse_other_delimiters(path, lines)
    return delimiter


def _refuse_other_delimiters(path: Path, lines: list[str]) -> None:
    """A single cell in the header: is it another delimiter?"""
    for mark, named in (("|", "'|'"), (" ", "blanks"), (":", "':'")):
        cells = [len(line.split(None if mark == " " else mark)) for line in lines[:20]]
        if cells[0] > 1 and len(cells) > 1 and cells[1:] == cells[:1] * (len(cells) - 1):
            raise TableError(
                f"{path}: row of names (line 1): found {named} between cells; expected commas, semicolons or tabs"
            )


def _cells(text: Text, row: int) -> list[str]:
    """Cells of one row, as text."""
    assert text.rows is not None
    raw = text.data[text.rows.start[row] : text.rows.end[row]].tobytes().replace(b"\0", b"\xef\xbf\xbd")
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError:
        line = raw.decode("cp1252", errors="replace")
    return next(csv.reader(io.StringIO(line, newline=""), delimiter=text.delimiter, strict=False), [""])


def where(text: Text, row: int) -> str:
    """Row and line, for a message; rows are counted without comments and blank lines."""
    rows = text.rows
    assert rows is not None
    if row == text.header:
        return f"row of names (line {rows.line[row]})"
    number = int(np.searchsorted(data_rows(text), row)) + 1
    return f"row {number} (line {rows.line[row]})"


def _column(text: Text, cell: int) -> str:
    """Column of a cell, for a message."""
    name = text.names[cell - 1] if cell <= len(text.names) else ""
    return f"column {name!r}" if name else f"column {cell}"


def data_rows(text: Text) -> Integers:
    """Rows that are data: after the header, neither blank nor comment."""
    rows = text.rows
    assert rows is not None
    blank = (rows.filled == 0) & (rows.cells == 1)
    first = text.data[np.minimum(rows.start, text.data.size - 1)]
    comment = (first == ord("#")) & (rows.cells != rows.cells[text.header]) & ~blank
    after = np.arange(rows.start.size) > text.header
    return np.flatnonzero(after & ~blank & ~comment)


def layout(text: Text) -> Integers:
    """Rows to read; raises all faults of names, lengths, quotes and NUL bytes."""
    _find_header(text)
    rows, keep = text.rows, data_rows(text)
    assert rows is not None
    faults: list[str] = []
    named = max((i for i, name in enumerate(text.names, 1) if name), default=0)
    names = [name for name in text.names if name]
    if not names or all(_NUMBER.fullmatch(name) for name in names):
        found = f"numbers ({', '.join(names[:5])})" if names else "no name"
        raise TableError(f"{text.path}: {where(text, text.header)}: found {found}; expected a name for every column")
    position = int(np.argmax(text.data == 0))
    if text.data[position] == 0:
        faults.append(f"{text.path}: {place_of(text, position)}: found a NUL byte; expected text")
    empty = keep[rows.filled[keep] == 0]
    last = keep[rows.filled[keep] > 0]
    tail = int((empty > last[-1]).sum()) if last.size else 0
    if tail:
        text.notes.append(f"{tail} rows of empty cells at the end were left out")
        keep = keep[: keep.size - tail]
    faults += _names(text)
    faults += _lengths(text, keep, named)
    if rows.open_cell:
        faults.append(
            f"{text.path}: {where(text, rows.start.size - 1)}: {_column(text, rows.open_cell)}: found a quote that is not closed; "
            "expected a closing quote (is the file cut?)"
        )
    if not faults and keep.size == 0:
        faults.append(f"{text.path}: found no rows; expected a header and at least one row")
    if faults:
        raise TableError(faults)
    return keep


def _find_header(text: Text) -> None:
    """Header: the first row that is neither blank nor comment; the last comment above it where that row holds numbers."""
    rows = text.rows
    assert rows is not None
    marked = text.data[rows.start.clip(max=text.data.size - 1)] == ord("#")
    solid = np.flatnonzero((rows.filled > 0) & ~marked)
    head = int(solid[0]) if solid.size else int(np.max(np.flatnonzero(rows.filled > 0), initial=0))
    above = np.flatnonzero(marked[:head] & (rows.filled[:head] > 0))
    same = above.size > 0 and rows.cells[above[-1]] == rows.cells[head] > 1
    text.header = int(above[-1]) if same and any(_NUMBER.fullmatch(cell.strip()) for cell in _cells(text, head)) else head
    text.names = [name.strip() for name in _cells(text, text.header)]
    hollow = int(((rows.filled[: text.header] == 0) & (rows.cells[: text.header] > 1)).sum())
    if hollow:
        text.notes.append(f"{hollow} rows of empty cells above the names were left out")
    if marked[text.header]:
        text.names[0] = text.names[0].lstrip("# ")
        text.notes.append(f"line {rows.line[text.header]} begins with # and was read as the names of the columns")
    data = data_rows(text)
    comments = np.flatnonzero(marked & (rows.filled > 0))
    comments = comments[(comments != text.header) & ~np.isin(comments, data)]
    if comments.size:
        text.notes.append(f"{comments.size} lines that begin with # were left out, the first is line {rows.line[comments[0]]}")
    if marked[data].any() and not marked[data].all():
        first = where(text, int(data[marked[data]][0]))
        text.notes.append(f"{int(marked[data].sum())} rows that begin with # were read as data, the first is {first}")


def place_of(text: Text, position: int) -> str:
    """Row and column of one byte."""
    rows = text.rows
    assert rows is not None
    row = int(np.searchsorted(rows.start, position, side="right")) - 1
    part = scan(text.data[rows.start[row] : position + 1], text.delimiter)
    return f"{where(text, row)}: {_column(text, int(part.cells[-1]))}"


def _names(text: Text) -> list[str]:
    """Faults of names that stand twice."""
    places: dict[str, list[int]] = {}
    for number, name in enumerate(text.names, 1):
        if name:
            places.setdefault(name, []).append(number)
    return [
        f"{text.path}: {where(text, text.header)}: found name {name!r} for columns {', '.join(map(str, found))}; "
        "expected a name of its own for every column"
        for name, found in places.items()
        if len(found) > 1
    ]


def _lengths(text: Text, keep: Integers, named: int) -> list[str]:
    """Faults of rows that have more or fewer cells than names; empty cells at the end do not count as more."""
    rows = text.rows
    assert rows is not None
    width = len(text.names)
    more, fewer = keep[rows.filled[keep] > width], keep[rows.cells[keep] < named]
    if keep.size and more.size == keep.size and (rows.cells[keep] == rows.cells[keep[0]]).all():
        return [
            f"{text.path}: {where(text, text.header)}: found {width} names, but every row has {rows.cells[keep[0]]}, "
            "more cells than the header; expected a name for every column (an index without a name?)"
        ]
    faults = []
    for found, word in ((more, "more"), (fewer, "fewer")):
        for row in found[:_LISTED]:
            faults.append(
                f"{text.path}: {where(text, int(row))}: found {rows.cells[row]} cells, {word} than the {named} names; "
                f"expected rows of equal length{_hint(text, int(row), word)}"
            )
        if found.size > _LISTED:
            faults.append(f"{text.path}: found {found.size - _LISTED} further rows with {word} cells; expected rows of equal length")
    return faults


def _hint(text: Text, row: int, word: str) -> str:
    """What may have happened to a row of the wrong length."""
    assert text.rows is not None
    if word == "fewer" and row == text.rows.start.size - 1:
        return " (is the file cut?)"
    if word == "more" and text.delimiter == ",":
        return " (a decimal comma, or a comma in text without quotes?)"
    return ""
