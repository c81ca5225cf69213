"""Cells of a source table: numbers with laboratory marks among them, years, words."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.profiles.cleaning.clean import repair_rows
from edaphic.units import EXCEL_SERIAL, length_m_of_text, years_of

Floats = NDArray[np.float64]

MARKS = (
    "n.d.", "n.d", "nd", "n/d", "tr", "tr.", "trace", "traces", "bdl", "b.d.l.", "lod", "<lod", "<dl", "<bdl", "-", "--", "---", "?",
    "na", "n.a.", "n.a", "n/a", "null", "nan", "missing", "not determined", "not detected", "no data", "nodata", "*", ".", "x",
    "unknown",
)  # fmt: skip
"""What laboratories write instead of a number, in small letters; read as missing, and logged."""

MISSING_CODES = (-99.0, -999.0, -9999.0, -99999.0, -32768.0)
"""Numbers that stand for a missing one, in columns that cannot be negative."""

MOST_TEXT = 0.05
"""A column with a larger share of other text among its present cells is no column of numbers."""

_LIMIT = r"^[<≤]\s*=?\s*(\d+(?:[.,]\d+)?|[.,]\d+)$"
_DECIMAL_COMMA = r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?"
_LIKE_THOUSANDS = r"(?:[<≤]\s*=?\s*)?[-+]?[1-9]\d{0,2},\d{3}"
_SIGNED = ("coordinate", "year")


@dataclass(frozen=True)
class Cells:
    """The cells of one role: what they are for, where they stand, and who they belong to.

    Attributes
    ----------
    role, quantity : str
        As in :data:`edaphic.profiles.reading.columns.ROLES`.
    values : Series
    rows : DataFrame
        ``profile_id, row`` of each cell, for the log.
    place : str
        File and column, for a fault.
    unit : str or None
    commas_part_cells : bool
        The file has commas between its cells, so that one within a cell was put there on purpose.
    """

    role: str
    quantity: str
    values: pd.Series
    rows: pd.DataFrame
    place: tuple[str, str]
    unit: str | None = None
    commas_part_cells: bool = False


@dataclass
class Found:
    """What was read: numbers in the unit of the source, rows of the log, faults, and what was assumed."""

    numbers: Floats
    log: list[pd.DataFrame]
    faults: list[str]
    notes: list[str] = field(default_factory=list)


def read_numbers(cells: Cells) -> Found:
    """Numbers of cells.

    "<0.5" is half the limit, the marks of laboratories are missing, other text is missing while it is rare; each is logged.

    Examples
    --------
    >>> rows = pd.DataFrame({"profile_id": "a", "row": [1, 2, 3]})
    >>> found = read_numbers(Cells("soc", "soc", pd.Series(["1.5", "<0.5", "n.d."]), rows, ("a.csv", "OC"), "%"))
    >>> found.numbers.tolist(), found.log[0].before.tolist(), found.log[0].after.tolist(), found.log[1].before.tolist()
    ([1.5, 0.25, nan], ['soc <0.5'], ['soc 0.25'], ['soc n.d.'])
    """
    values = cells.values.reset_index(drop=True)
    if cells.quantity == "year":
        return _read_years(cells, values)
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_bool_dtype(values):
        return Found(np.full(len(values), np.nan), [], [_no_numbers(cells, values.notna(), values, int(values.notna().sum()))])
    if pd.api.types.is_numeric_dtype(values):
        found = Found(values.to_numpy(dtype=np.float64, na_value=np.nan), [], [])
    else:
        found = _read_texts(cells, values)
    if cells.quantity not in _SIGNED and cells.role not in ("top", "bottom"):
        codes = np.isin(found.numbers, MISSING_CODES)
        if codes.any():
            before = [f"{cells.role} {number:g}" for number in found.numbers[codes]]
            found.log.append(repair_rows(cells.rows[codes], "not a number", before))
            found.numbers = np.where(codes, np.nan, found.numbers)
    return found


def _read_texts(cells: Cells, values: pd.Series) -> Found:
    """Numbers of a column that is not all numbers."""
    if cells.unit == "as_written":
        numbers = np.array(length_m_of_text(values), dtype=np.float64)
    else:
        numbers = np.array(pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))
    log: list[pd.DataFrame] = []
    place = np.flatnonzero(np.isnan(numbers) & values.notna().to_numpy())
    texts = values.iloc[place].astype("str").str.strip().reset_index(drop=True)
    place, texts = place[(texts != "").to_numpy()], texts[texts != ""].reset_index(drop=True)
    comma = texts.str.fullmatch(_DECIMAL_COMMA).to_numpy(dtype=bool)
    faults, notes = _thousands(cells, place, texts)
    if comma.any() and not values.astype("str").str.contains(r"\d\.\d", regex=True).any():
        numbers[place[comma]] = pd.to_numeric(texts[comma].str.replace(",", ".", regex=False)).to_numpy(dtype=np.float64)
        place, texts = place[~comma], texts[~comma].reset_index(drop=True)
    if cells.quantity not in (*_SIGNED, "depth"):
        limit = pd.to_numeric(texts.str.extract(_LIMIT, expand=False).str.replace(",", ".", regex=False), errors="coerce")
        half = limit.to_numpy(dtype=np.float64, na_value=np.nan) / 2.0
        below = ~np.isnan(half)
        numbers[place[below]] = half[below]
        before = [f"{cells.role} {text}" for text in texts[below]]
        after = [f"{cells.role} {number:.10g}" for number in half[below]]
        log.append(repair_rows(cells.rows.iloc[place[below]], "below the detection limit", before, after))
        place, texts = place[~below], texts[~below].reset_index(drop=True)
    found = _judge(cells, values, numbers, log, place, texts)
    return Found(found.numbers, found.log, faults or found.faults, notes)


def _thousands(cells: Cells, place: NDArray[np.int64], texts: pd.Series) -> tuple[list[str], list[str]]:
    """Commas that all stand before three digits: a fault between commas, where they mark thousands, else a note."""
    with_comma = texts.str.contains(r"\d,\d", regex=True).to_numpy(dtype=bool)
    if not with_comma.any() or not texts[with_comma].str.fullmatch(_LIKE_THOUSANDS).all():
        return [], []
    first = int(np.flatnonzero(with_comma)[0])
    where = f"{cells.place[0]}: row {int(place[first]) + 1}: column {cells.place[1]!r}"
    if cells.commas_part_cells:
        return [
            f"{where}: found {texts.iloc[first]!r} (a comma before three digits in {int(with_comma.sum())} cells, in a file of commas: "
            "thousands?); expected numbers without marks of thousands, and a point as decimal sign"
        ], []
    return [], [f"{where}: every comma stands before three digits and was read as the decimal sign: the first is {texts.iloc[first]}"]


def _judge(
    cells: Cells, values: pd.Series, numbers: Floats, log: list[pd.DataFrame], place: NDArray[np.int64], texts: pd.Series
) -> Found:
    """Log what is no number; a fault where there is too much of it."""
    other = ~texts.str.lower().isin(MARKS).to_numpy(dtype=bool)
    present = int(values.notna().sum())
    faults = []
    if other.sum() > MOST_TEXT * present:
        strange = np.zeros(len(values), dtype=bool)
        strange[place[other]] = True
        faults.append(_no_numbers(cells, pd.Series(strange), values, present))
    before = [f"{cells.role} {text}" for text in texts]
    log.append(repair_rows(cells.rows.iloc[place], "not a number", before))
    return Found(numbers, log, faults)


def _read_years(cells: Cells, values: pd.Series) -> Found:
    """Years of numbers and of dates; the middle of a range is logged."""
    years, is_range = years_of(values, cells.unit)
    before = [f"year {text}" for text in values[is_range]]
    after = [f"{year:g}" for year in years[is_range]]
    log = [repair_rows(cells.rows[is_range], "year of a range", before, after)]
    present = int(values.notna().sum())
    serial = (years > 15000) & (years < 60000)
    if cells.unit != EXCEL_SERIAL and present and serial.sum() > 0.5 * present:
        first = int(np.flatnonzero(serial)[0])
        fault = (
            f"{cells.place[0]}: row {first + 1}: column {cells.place[1]!r}: found {values.iloc[first]} where a year is expected; "
            f"expected years or dates (unit: {EXCEL_SERIAL} for the days of a spreadsheet)"
        )
        return Found(years, [], [fault])
    blank = values.astype("str").str.strip().eq("").to_numpy(dtype=bool) if values.dtype == "str" else np.zeros(len(values), dtype=bool)
    place = np.flatnonzero(np.isnan(years) & values.notna().to_numpy() & ~blank)
    texts = values.iloc[place].astype("str").str.strip().reset_index(drop=True)
    return _judge(cells, values, years, log, place, texts)


def _no_numbers(cells: Cells, strange: pd.Series, values: pd.Series, present: int) -> str:
    """The fault of a column that holds something else."""
    first = int(np.flatnonzero(strange.to_numpy(dtype=bool))[0]) if strange.any() else 0
    found = str(values.iloc[first])
    expected = {"year": "years or dates", "text": "codes"}.get(cells.quantity, "numbers")
    return (
        f"{cells.place[0]}: row {first + 1}: column {cells.place[1]!r}: found {found!r} and the like in {int(strange.sum())} of "
        f"{present} cells for {cells.role}; expected {expected} (other text in at most {MOST_TEXT:.0%})"
    )


def read_codes(cells: Cells, decoded: Floats) -> Found:
    """Log and faults of codes (text) that could not be decoded to numbers."""
    values = cells.values.reset_index(drop=True)
    place = np.flatnonzero(np.isnan(decoded) & values.notna().to_numpy())
    return _judge(cells, values, decoded, [], place, values.iloc[place].astype("str").str.strip().reset_index(drop=True))


def as_text(column: pd.Series) -> pd.Series:
    """Words as they are, without blanks around them: 12.0 is 12, missing and empty are missing.

    >>> as_text(pd.Series([7.0, None])).tolist()
    ['7', nan]
    """
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    text = column.astype("str").str.strip()
    return text.where(column.notna().to_numpy() & (text != "").to_numpy(dtype=bool)).reset_index(drop=True)


def below_of(texts: pd.Series) -> pd.Series:
    """What ends a profile, from words: "rock", "unknown" for other words, "" where there are none.

    >>> below_of(pd.Series(["R", "bedrock at 40 cm", "lithic contact", "auger stopped", None])).tolist()
    ['rock', 'rock', 'rock', 'unknown', '']
    """
    places, spelt = pd.factorize(texts)
    low = pd.Series(spelt, dtype="str").str.strip().str.lower()
    rock = low.str.contains(r"rock|lithic|^\d?r\d?$", regex=True) & ~low.str.contains(r"^no\b|^not\b|no (?:bed)?rock", regex=True)
    named = np.append(np.where(rock, "rock", "unknown").astype(object), "")
    return pd.Series(named[places], index=texts.index, dtype="str")
