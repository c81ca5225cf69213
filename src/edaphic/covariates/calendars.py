"""Dates of the time steps of a NetCDF or Zarr variable (CF conventions), without hours: soils do not ask for them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date

from numpy.typing import NDArray

Day = tuple[int, int, int]
"""Year, month, day."""

_SINCE = re.compile(r"^\s*(\w+)\s+since\s+(-?\d{1,4})-(\d{1,2})-(\d{1,2})(?:[T\s]+(\d{1,2}):(\d{1,2})(?::([\d.]+))?)?", re.IGNORECASE)
_HOUR, _MINUTE, _SECOND = 1 / 24, 1 / 1440, 1 / 86400
_DAYS = {"day": 1.0, "d": 1.0, "hour": _HOUR, "hr": _HOUR, "h": _HOUR, "minute": _MINUTE, "min": _MINUTE, "second": _SECOND, "s": _SECOND}
_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_REAL = ("standard", "gregorian", "proleptic_gregorian", "none", "")


def dates(values: NDArray, unit: str, calendar: str) -> list[Day]:
    """Year, month and day of time steps.

    Parameters
    ----------
    values : array, shape (n,)
    unit : str
        Such as ``days since 1900-01-01``; days, hours, minutes, seconds, months or years.
    calendar : str
        standard, gregorian, proleptic_gregorian, noleap, 365_day, all_leap, 366_day or 360_day.

    Raises
    ------
    ValueError
        The unit or calendar is another one; the message says which.

    Examples
    --------
    >>> import numpy as np
    >>> dates(np.array([0.0, 31.0, 59.5]), "days since 1901-1-1", "standard")
    [(1901, 1, 1), (1901, 2, 1), (1901, 3, 1)]
    >>> dates(np.array([59.0]), "days since 1904-01-01", "noleap"), dates(np.array([59.0]), "days since 1904-01-01", "360_day")
    ([(1904, 3, 1)], [(1904, 2, 30)])
    """
    found = _SINCE.match(unit)
    if not found:
        raise ValueError(f"time in {unit!r}; expected a unit such as days since 1900-01-01")
    each, calendar = found[1].lower().removesuffix("s") or "s", calendar.lower()
    start = int(found[2]), int(found[3]), int(found[4])
    clock = sum(float(part or 0) / by for part, by in zip(found.groups()[4:7], (24, 1440, 86400), strict=True))
    if each in ("month", "year"):
        return [_months_later(start, float(value) * (12 if each == "year" else 1)) for value in values]
    if each not in _DAYS:
        raise ValueError(f"time in {unit!r}; expected days, hours, minutes, seconds, months or years since a date")
    # Seconds are counted in whole numbers: a step of a third of a day must not fall to the day before by rounding.
    days = [math.floor(round((float(value) * _DAYS[each] + clock) * 86400) / 86400) for value in values]
    return _from_days(start, days, calendar)


def _from_days(start: Day, days: Sequence[int], calendar: str) -> list[Day]:
    if calendar in _REAL:
        first = _ordinal(start, julian=calendar != "proleptic_gregorian" and start < (1582, 10, 15))
        return [_of_ordinal(first + day) for day in days]
    lengths: Sequence[int]
    if calendar in ("noleap", "365_day"):
        lengths = _MONTHS
    elif calendar in ("all_leap", "366_day"):
        lengths = (31, 29, *_MONTHS[2:])
    elif calendar == "360_day":
        lengths = (30,) * 12
    else:
        raise ValueError(f"time in the calendar {calendar!r}; expected standard, noleap, all_leap or 360_day")
    year, first = sum(lengths), sum(lengths[: start[1] - 1]) + start[2] - 1
    return [_of_fixed(start[0], first + day, year, lengths) for day in days]


def _of_fixed(year: int, day: int, length: int, lengths: Sequence[int]) -> Day:
    year, day = year + day // length, day % length
    month = 0
    while day >= lengths[month]:
        day -= lengths[month]
        month += 1
    return year, month + 1, day + 1


def _ordinal(day: Day, julian: bool) -> int:
    """Days since the last day of the year 0 in today's calendar, which Python counts from; of a Julian date where so told."""
    year, month, number = day
    shifted, before = (year, month - 3) if month > 2 else (year - 1, month + 9)
    leaps = shifted // 4 - 2 if julian else shifted // 4 - shifted // 100 + shifted // 400
    return 365 * shifted + leaps + (153 * before + 2) // 5 + number - 306


def _of_ordinal(number: int) -> Day:
    if not 1 <= number <= date.max.toordinal():
        raise ValueError("a time before the year 1 or after 9999; expected one between")
    found = date.fromordinal(number)
    return found.year, found.month, found.day


def _months_later(start: Day, months: float) -> Day:
    count = start[0] * 12 + start[1] - 1 + math.floor(months + 1e-6)
    return count // 12, count % 12 + 1, start[2]


def chosen(steps: Sequence[Day], time: str | None, months: Sequence[int] | None) -> list[int]:
    """Numbers of the steps of a year, a month, a day, or a period from one to another, both included.

    Raises
    ------
    ValueError
        The time cannot be read.

    Examples
    --------
    >>> steps = [(1989, 12, 16), (1990, 1, 16), (1990, 2, 15), (1991, 1, 16)]
    >>> chosen(steps, "1990", None), chosen(steps, "1989-12/1990-01", None), chosen(steps, None, [1])
    ([1, 2], [0, 1], [1, 3])
    """
    first, last = _period(time) if time is not None else ((), ())
    return [
        number
        for number, step in enumerate(steps)
        if step[: len(first)] >= first and step[: len(last)] <= last and (months is None or step[1] in months)
    ]


def _period(time: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    ends = [re.fullmatch(r"\s*(\d{1,4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?\s*", end) for end in str(time).split("/")]
    if not 1 <= len(ends) <= 2 or not all(ends):
        raise ValueError(f"time {time!r}; expected a year, a month as 1990-07, or a period as 1981/2010")
    first, last = (tuple(int(part) for part in end.groups() if part) for end in (ends[0], ends[-1]) if end)
    return first, last


def text(day: Day) -> str:
    """A date as ISO 8601 writes it.

    >>> text((1990, 7, 1))
    '1990-07-01'
    """
    return f"{day[0]:04d}-{day[1]:02d}-{day[2]:02d}"
