"""Cells of text into numbers, a column at a time: all of a column or none of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL")
"""What an empty cell of a text file may look like."""

_LABEL = r"^[-+]?0\d"
_DECIMAL_COMMA = r"^[-+]?\d*,\d+([eE][-+]?\d+)?$"
_NUMBER_OR_COMMA = r"^[-+]?\d*,?\d+([eE][-+]?\d+)?$"
_LIKE_THOUSANDS = r"^[-+]?[1-9]\d{0,2},\d{3}$"
_LONG = r"^[-+]?\d{16,}$"
_EXACT = 2.0**53
_WORD = r"[^\W\d_]|[%°]"


def typed(column: pa.ChunkedArray, decimal_comma: bool) -> tuple[pd.Series, str]:
    """Numbers where every present cell is one, else text without blanks around it.

    Parameters
    ----------
    column : ChunkedArray of strings, shape (n,)
        Cells as they stand in the file.
    decimal_comma : bool
        A comma may be the decimal sign.

    Returns
    -------
    values : Series, shape (n,)
        int64 where all cells are whole numbers, float64 (missing is NaN) where all present ones are numbers, else text. A
        leading zero (007) shows a label: text.
    note : str
        What a reader should know about the column, or nothing.

    Examples
    --------
    >>> typed(pa.chunked_array([["1,5", " NA", ",25"]]), True)[0].tolist()
    [1.5, nan, 0.25]
    >>> typed(pa.chunked_array([["007", "12"]]), True)[0].tolist()
    ['007', '12']
    """
    text = pc.utf8_trim_whitespace(column)
    missing = pc.is_in(text, value_set=pa.array(MISSING))
    if pc.any(missing).as_py():
        text = pc.if_else(missing, pa.scalar(None, pa.string()), text)
    if text.null_count == len(text):
        return pd.Series(np.full(len(text), np.nan)), ""
    numbers, note = _as_numbers(text), ""
    if numbers is None and decimal_comma:
        text, note = _with_points(text)
        numbers = _as_numbers(text)
    if numbers is not None:
        return pd.Series(numbers.to_numpy()), note
    return text.to_pandas(), note


def _as_numbers(text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Numbers, or None where a cell is no number or is a label."""
    try:
        numbers = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        return None
    if pc.any(pc.match_substring_regex(text, _LABEL)).as_py():
        return None
    if not numbers.null_count:
        try:
            return pc.cast(text, pa.int64())
        except pa.ArrowInvalid:
            pass
    # Whole numbers that a float cannot tell apart are labels.
    long = pc.max(pc.abs(numbers)).as_py() >= _EXACT and pc.any(pc.match_substring_regex(text, _LONG)).as_py()
    return None if long else numbers


def _with_points(text: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    """Decimal commas as points, where all cells are numbers and none has a point."""
    commas = pc.match_substring_regex(text, _DECIMAL_COMMA)
    plain = pc.all(pc.match_substring_regex(text, _NUMBER_OR_COMMA)).as_py() and pc.any(commas).as_py()
    if not plain or pc.any(pc.match_substring_regex(text, _LABEL)).as_py():
        return text, ""
    points = pc.replace_substring(text, ",", ".")
    with_comma = pc.filter(text, commas)
    if pc.all(pc.match_substring_regex(with_comma, _LIKE_THOUSANDS)).as_py():
        found = with_comma[0].as_py()
        return points, f"every comma stands before three digits and was read as the decimal sign: {found} as {found.replace(',', '.')}"
    return points, ""


def second_header(table: pd.DataFrame) -> list[str]:
    """Columns of numbers whose first row is a word, where the first row holds no number: a second line of header.

    Parameters
    ----------
    table : DataFrame
        Columns of text and numbers, as read.

    Returns
    -------
    list of str
        Names of the columns; empty where there are fewer than two, or where the first row is one of data.

    Examples
    --------
    >>> second_header(pd.DataFrame({"top": ["cm", "0"], "soc": ["g/kg", "12.5"], "site": ["", "a"]}))
    ['top', 'soc']
    """
    if len(table) < 2:
        return []
    first = table.iloc[0].dropna()
    words = [name for name in first.index if isinstance(first[name], str) and pd.Series([first[name]]).str.contains(_WORD).all()]
    if len(words) < 2 or pd.to_numeric(first, errors="coerce").notna().any():
        return []
    columns = []
    for name in words:
        rest = table[name].iloc[1:].dropna()
        # A look at the head spares most columns of text the full parse.
        head = pd.to_numeric(rest.iloc[:100].str.replace(",", "."), errors="coerce").notna().all()
        if len(rest) and head and pd.to_numeric(rest.str.replace(",", "."), errors="coerce").notna().all():
            columns.append(str(name))
    return columns if len(columns) > 1 else []
