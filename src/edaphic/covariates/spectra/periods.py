"""Periods of years, and months of the year."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations

from edaphic.errors import RasterError

YEARS = re.compile(r"(\d{4})(?:-(\d{4}))?")
DAYS = re.compile(r"(\d{4}-\d{2}-\d{2})\s*(?:/|:|\.\.)\s*(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, order=True)
class Period:
    """Days from ``first`` to ``last``, both of them within.

    Examples
    --------
    >>> Period(date(2000, 1, 1), date(2005, 12, 31)).label, Period(date(2000, 3, 1), date(2000, 5, 31)).label
    ('2000-2005', '20000301-20000531')
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise RasterError(f"period: found {self.first.isoformat()} to {self.last.isoformat()}; expected the first day first")

    @property
    def label(self) -> str:
        """The period in a file name: years where it is whole years, else days."""
        if (self.first.month, self.first.day, self.last.month, self.last.day) == (1, 1, 12, 31):
            return f"{self.first.year}-{self.last.year}"
        return f"{self.first:%Y%m%d}-{self.last:%Y%m%d}"

    def holds(self, day: date) -> bool:
        """Whether a day lies within."""
        return self.first <= day <= self.last


def read_period(text: str) -> Period:
    """A period from whole years, both of them within, or from days.

    >>> read_period("2000-2005")
    Period(first=datetime.date(2000, 1, 1), last=datetime.date(2005, 12, 31))
    >>> read_period("2019").label, read_period("2019-03-01/2019-05-31").label
    ('2019-2019', '20190301-20190531')
    >>> read_period("spring")
    Traceback (most recent call last):
    edaphic.errors.RasterError: period: found 'spring'; expected years such as 2000-2005, or days such as 2000-03-01/2000-05-31
    """
    word = text.strip()
    try:
        years, days = YEARS.fullmatch(word), DAYS.fullmatch(word)
        if years is not None:
            return Period(date(int(years[1]), 1, 1), date(int(years[2] or years[1]), 12, 31))
        if days is not None:
            return Period(date.fromisoformat(days[1]), date.fromisoformat(days[2]))
    except ValueError:
        pass
    raise RasterError(f"period: found {text!r}; expected years such as 2000-2005, or days such as 2000-03-01/2000-05-31")


def read_months(text: str) -> tuple[int, ...]:
    """Months of the year; a range may run over the turn of the year.

    >>> read_months("5-9"), read_months("11-2"), read_months("4,10")
    ((5, 6, 7, 8, 9), (1, 2, 11, 12), (4, 10))
    """
    months: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,2})(?:-(\d{1,2}))?\s*", part)
        ends = (int(found[1]), int(found[2] or found[1])) if found is not None else (0, 0)
        if not all(1 <= month <= 12 for month in ends):
            raise RasterError(f"months: found {part.strip()!r}; expected numbers of 1 to 12, such as 5-9 or 11-2")
        first, last = ends
        months |= set(range(first, last + 1)) if first <= last else set(range(first, 13)) | set(range(1, last + 1))
    return tuple(sorted(months))


def shared_days(periods: Sequence[Period]) -> list[str]:
    """Notes on periods that have days in common: a scene of these days counts in both.

    >>> shared_days([read_period("2000-2005"), read_period("2005-2010")])
    ['periods 2000-2005 and 2005-2010 share 2005-01-01 to 2005-12-31: scenes of these days count in both']
    """
    found = []
    for one, other in combinations(sorted(set(periods)), 2):
        if other.first <= one.last:
            last = min(one.last, other.last)
            found.append(
                f"periods {one.label} and {other.label} share {other.first.isoformat()} to {last.isoformat()}: scenes of these days "
                "count in both"
            )
    return found
