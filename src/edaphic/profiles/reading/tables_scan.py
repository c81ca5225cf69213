"""One walk over the bytes of a delimited text: where its rows are, and how many cells each has.

The parser that makes the values stops at the first row it dislikes and often cannot say which row that is. This walk is
made before it, so that every fault names its row, and so that comments, blank lines and delimiters at the end of rows
are known before anything is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

_QUOTE, _LINE_FEED, _RETURN, _BLANK, _TAB = 34, 10, 13, 32, 9
_NEW_CELL, _PLAIN, _QUOTED, _CLOSING = 0, 1, 2, 3


@dataclass(frozen=True)
class Rows:
    """Rows of a text, header, comments and blank lines among them; every array has shape (rows,).

    Attributes
    ----------
    start, end : array of int64
        First byte of the row, and the byte after its last (its line end).
    cells : array of int64
        Number of cells.
    filled : array of int64
        Number of the last cell that holds something, 0 where none does.
    line : array of int64
        Line of the file on which the row begins, from 1.
    open_cell : int
        Number of the cell whose quote is not closed at the end of the text (it is in the last row); 0 where all are.
    breaks : bool
        A quoted cell holds a line end.
    """

    start: Integers
    end: Integers
    cells: Integers
    filled: Integers
    line: Integers
    open_cell: int
    breaks: bool


def scan(data: Bytes, delimiter: str) -> Rows:
    """Rows of a text.

    Parameters
    ----------
    data : array of uint8, shape (n,)
        Text in any encoding that keeps ASCII. Lines end in LF, CR LF or CR. A quote counts at the start of a cell.
    delimiter : str
        One character.

    Returns
    -------
    Rows

    Examples
    --------
    >>> rows = scan(np.frombuffer(b'id,note\\n1,"a, b"\\n\\n2,,\\n', dtype=np.uint8), ",")
    >>> rows.cells.tolist(), rows.filled.tolist(), rows.line.tolist()
    ([2, 2, 1, 3], [2, 2, 0, 1], [1, 2, 3, 4])
    """
    most = int(np.count_nonzero(data == _LINE_FEED) + np.count_nonzero(data == _RETURN)) + 1
    table = np.empty((5, most), dtype=np.int64)
    n, open_cell, breaks = _scan(data, ord(delimiter), table)
    start, end, cells, filled, line = table[:, :n]
    return Rows(start, end, cells, filled, line, int(open_cell), bool(breaks))


@kernel
def _scan(data: Bytes, delimiter: int, table: Integers) -> tuple[int, int, bool]:
    """Fill the table of rows; number of rows, cell of an open quote, line ends within quotes."""
    n, i, size = 0, 0, data.size
    start, cells, filled, line, row_line = 0, 1, 0, 1, 1
    state, breaks = _NEW_CELL, False
    while i < size:
        byte = data[i]
        ends = byte in (_LINE_FEED, _RETURN)
        pair = byte == _RETURN and i + 1 < size and data[i + 1] == _LINE_FEED
        if ends and state != _QUOTED:
            table[0, n], table[1, n], table[2, n], table[3, n], table[4, n] = start, i, cells, filled, row_line
            n += 1
            line += 1
            i += 2 if pair else 1
            start, cells, filled, row_line, state = i, 1, 0, line, _NEW_CELL
            continue
        if state == _QUOTED:
            if byte == _QUOTE:
                state = _CLOSING
            else:
                filled = cells
                if ends:
                    breaks = True
                    line += 0 if pair else 1
        elif byte == delimiter:
            cells += 1
            state = _NEW_CELL
        elif byte == _QUOTE and state == _NEW_CELL:
            state = _QUOTED
        elif byte == _QUOTE and state == _CLOSING:
            state = _QUOTED
            filled = cells
        else:
            state = _PLAIN
            if byte != _BLANK and byte != _TAB:
                filled = cells
        i += 1
    if start < size:
        table[0, n], table[1, n], table[2, n], table[3, n], table[4, n] = start, size, cells, filled, row_line
        n += 1
    return n, cells if state == _QUOTED else 0, breaks


def level(data: Bytes, rows: Rows, keep: Integers, width: int, delimiter: str) -> Bytes:
    """The kept rows as a text of their own, each brought to ``width`` cells by delimiters at its end.

    Parameters
    ----------
    data : array of uint8, shape (n,)
        The text.
    rows : Rows
        What :func:`scan` found in it.
    keep : array of int64
        Rows to keep; none may have more than ``width`` cells.
    width : int
        Cells of every row of the result.
    delimiter : str
        One character.

    Returns
    -------
    array of uint8

    Examples
    --------
    >>> data = np.frombuffer(b"# so\\n1,2\\n3", dtype=np.uint8)
    >>> level(data, scan(data, ","), np.array([1, 2]), 3, ",").tobytes()
    b'1,2,\\n3,,\\n'
    """
    start, end, lack = rows.start[keep], rows.end[keep], width - rows.cells[keep]
    return np.asarray(_level(data, start, end, lack, ord(delimiter), int((end - start + lack + 1).sum())))


@kernel
def _level(data: Bytes, start: Integers, end: Integers, lack: Integers, delimiter: int, size: int) -> Bytes:
    out = np.empty(size, dtype=np.uint8)
    at = 0
    for row in range(start.size):
        for i in range(start[row], end[row]):
            out[at] = data[i]
            at += 1
        for _ in range(lack[row]):
            out[at] = delimiter
            at += 1
        out[at] = _LINE_FEED
        at += 1
    return out
