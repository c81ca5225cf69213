"""Pairs from time series: what two sensors saw of the same pixel within some days."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.covariates.sensors.pairs import Pairs, Screen, labels, numbers, pairs_of
from edaphic.errors import TableError

Index = NDArray[np.int64]


def match_days(pixel_reference: Index, day_reference: Index, pixel_other: Index, day_other: Index, max_days: int) -> tuple[Index, Index]:
    """Observations that belong together: of one pixel, at most ``max_days`` apart, the nearest first, each in one pair only.

    Parameters
    ----------
    pixel_reference, pixel_other : int arrays
        Code of the pixel of each observation.
    day_reference, day_other : int arrays
        Day of each observation.
    max_days : int

    Returns
    -------
    (reference, other) : int arrays
        Numbers of the observations, in the order of pixel and day of the reference. Of equally near ones the earlier reference, then the
        earlier other is taken.

    Examples
    --------
    >>> one = np.zeros(2, dtype=np.int64)
    >>> [part.tolist() for part in match_days(one, np.array([0, 16]), one, np.array([9, 24]), 8)]
    [[1], [0]]
    """
    order = np.lexsort((day_other, pixel_other))
    sorted_pixel, sorted_day = pixel_other[order], day_other[order]
    if not len(order) or not len(pixel_reference):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    # One number for pixel and day, so that one search finds the days around a day of the same pixel, and none of the next one's.
    first = min(int(day_reference.min()), int(sorted_day.min())) - max_days
    span = max(int(day_reference.max()), int(sorted_day.max())) + max_days - first + 1
    keys = sorted_pixel * span + (sorted_day - first)
    around = pixel_reference * span + (day_reference - first)
    low = np.searchsorted(keys, around - max_days, "left")
    high = np.searchsorted(keys, around + max_days, "right")
    reference = np.repeat(np.arange(len(around), dtype=np.int64), high - low)
    step = np.arange(len(reference)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
    other = order[np.repeat(low, high - low) + step]
    apart = np.abs(day_reference[reference] - day_other[other])
    nearest = np.lexsort((day_other[other], day_reference[reference], apart))
    reference, other = _once(reference[nearest], other[nearest], len(pixel_reference), len(pixel_other))
    back = np.lexsort((day_reference[reference], pixel_reference[reference]))
    return reference[back], other[back]


def _once(reference: Index, other: Index, count_reference: int, count_other: int) -> tuple[Index, Index]:
    """Candidates in their order, each observation in one pair only."""
    free_reference, free_other = np.ones(count_reference, dtype=np.bool_), np.ones(count_other, dtype=np.bool_)
    taken = np.zeros(len(reference), dtype=np.bool_)
    for number, (one, two) in enumerate(zip(reference.tolist(), other.tolist(), strict=True)):
        if free_reference[one] and free_other[two]:
            taken[number], free_reference[one], free_other[two] = True, False, False
    return reference[taken], other[taken]


def series_pairs(
    reference: pd.DataFrame,
    other: pd.DataFrame,
    bands: Sequence[str],
    *,
    pixel: str = "pixel",
    date: str = "date",
    max_days: int = 8,
    group: str | None = None,
    screen: Screen | None = None,
    names: tuple[str, str] = ("reference", "other"),
) -> list[Pairs]:
    """Pairs from two long tables, a row for each pixel and date.

    A group is a pair of dates: all pixels of it share haze, sun and season. With ``group`` it is what has the same label in both tables, or
    in the one that has the column.

    Parameters
    ----------
    reference, other : DataFrame
        Columns ``pixel`` (any label), ``date`` (days as numbers, or dates) and the bands. Cloud and fill have to be left out before.
    bands : sequence of str
    max_days : int
        Most days between the two of a pair; 8 is that between Landsat 5 and 7, or 7 and 8.
    group : str, optional
        Column of labels in one of the tables or in both: pairs with the same ones (a site, a season) are not independent.
    screen : Screen, optional
    names : (str, str)
        What the tables are called in messages.

    Raises
    ------
    TableError
        Columns that are missing, dates that are none, or no pair.

    Examples
    --------
    >>> etm = pd.DataFrame({"pixel": [1, 1], "date": ["2001-07-01", "2001-08-02"], "red": [0.10, 0.20]})
    >>> tm = pd.DataFrame({"pixel": [1, 2], "date": ["2001-07-09", "2001-08-02"], "red": [0.11, 0.20]})
    >>> pairs = series_pairs(etm, tm, ["red"])
    >>> pairs[0].x.tolist(), pairs[0].y.tolist()
    ([0.11], [0.1])
    """
    if max_days < 0:
        raise TableError(f"days {max_days}; expected 0 or more")
    values = [numbers(table, bands, name) for table, name in zip((reference, other), names, strict=True)]
    days = [_days(table, date, name) for table, name in zip((reference, other), names, strict=True)]
    if pd.api.types.is_numeric_dtype(reference[date]) != pd.api.types.is_numeric_dtype(other[date]):
        raise TableError(f"{names[0]}, {names[1]}: column {date}: found numbers in one and dates in the other; expected one kind")
    for table, name in zip((reference, other), names, strict=True):
        labels(table, pixel, name)
    pixels = pd.factorize(pd.concat([reference[pixel], other[pixel]], ignore_index=True))[0].astype(np.int64)
    first, second = match_days(pixels[: len(reference)], days[0], pixels[len(reference) :], days[1], max_days)
    if not len(first):
        raise TableError(f"{names[0]}, {names[1]}: no pixel was seen by both within {max_days} days; expected one at least")
    keys = _labels(reference, other, first, second, group, names) if group is not None else [days[0][first], days[1][second]]
    codes = np.unique(np.stack(keys), axis=1, return_inverse=True)[1].ravel().astype(np.int64)
    grouped_by = "pair of dates" if group is None else group
    return pairs_of(list(bands), values[1][:, second], values[0][:, first], codes, grouped_by, screen or Screen())


def _labels(reference: pd.DataFrame, other: pd.DataFrame, first: Index, second: Index, group: str, names: tuple[str, str]) -> list[Index]:
    """Codes of the labels of each pair, of the tables that have the column."""
    having = [part for part in ((reference, first, names[0]), (other, second, names[1])) if group in part[0].columns]
    if not having:
        listed = ", ".join(map(str, reference.columns))
        raise TableError(f"{names[0]}, {names[1]}: no column {group!r} in either; found {listed}; expected labels of groups")
    return [labels(table, group, name)[rows] for table, rows, name in having]


def _days(table: pd.DataFrame, column: str, name: str) -> Index:
    """Days as whole numbers, from numbers or dates."""
    if column not in table.columns:
        raise TableError(f"{name}: no column {column!r}; found {', '.join(map(str, table.columns))}")
    given = table[column]
    if pd.api.types.is_numeric_dtype(given):
        days = given.to_numpy(dtype=np.float64)
        wrong = ~np.isfinite(days)
    else:
        dates = pd.to_datetime(given, errors="coerce", format="ISO8601", utc=True)
        wrong = dates.isna().to_numpy()
        days = dates.to_numpy(dtype="datetime64[D]", na_value=np.datetime64("1970-01-01")).astype(np.float64)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise TableError(f"{name}: column {column}, row {row + 1}: found {_shown(given.iloc[row])}; expected a day or a date as 2001-07-30")
    whole: Index = np.floor(days).astype(np.int64)
    return whole


def _shown(value: object) -> str:
    return "none" if pd.isna(value) else repr(str(value))  # type: ignore[call-overload]
