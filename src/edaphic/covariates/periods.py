"""Layers that change with time: the period that stands for a year, and the stack of a year.

A period is (first year, last year), both included. Periods that touch, such as 1985-1990 and 1990-1995, share a year: it belongs to
the one that begins in it. A year outside all periods takes the nearest one, if that is no farther than the caller allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.facts import Source
from edaphic.covariates.sources import AnyLayer
from edaphic.covariates.stack import Stack, build
from edaphic.errors import RasterError

Period = tuple[int, int]

MAX_GAP_YEARS = 10
"""Years that a sample may lie outside the periods of a covariate, unless the caller says otherwise."""


@dataclass(frozen=True)
class Dated:
    """A source, and the years that it stands for; None for one that does not change.

    Sources of one name with a period each are one covariate.
    """

    source: Source
    period: Period | None = None


@dataclass(frozen=True)
class TimedStack:
    """Covariates on one grid, some of them by period; made by :func:`build_timed`.

    Parameters
    ----------
    grid : GeoBox
    names : tuple of str
        Covariates in the order of the sources.
    whole : Stack
        Every raster, those by period under a name of their own (see :func:`labelled`).
    numbers : tuple of tuple of int
        For each covariate, its rasters in ``whole``, in the order of their periods.
    dates : tuple of tuple of (first, last)
        For each covariate its periods; empty for one that does not change.
    """

    grid: GeoBox
    names: tuple[str, ...]
    whole: Stack
    numbers: tuple[tuple[int, ...], ...]
    dates: tuple[tuple[Period, ...], ...]

    @property
    def periods(self) -> dict[str, tuple[Period, ...]]:
        """Periods of each covariate that has any."""
        return {name: dates for name, dates in zip(self.names, self.dates, strict=True) if dates}

    def during(self, year: float | None = None, max_gap: float = MAX_GAP_YEARS) -> Stack:
        """The stack of one year; of the latest period of each covariate where none is given.

        Raises
        ------
        RasterError
            The year lies farther than ``max_gap`` from every period of a covariate.
        """
        chosen, faults = [], []
        for name, numbers, dates in zip(self.names, self.numbers, self.dates, strict=True):
            if not dates:
                chosen.append(numbers[0])
                continue
            which, gap = nearest_period([dates[-1][1] if year is None else year], dates)
            if gap[0] > max_gap:
                faults.append(
                    f"{name}: {gap[0]:g} years from {year:g} to the nearest of its periods {_shown(dates)}; expected {max_gap:g} at most"
                )
            chosen.append(numbers[int(which[0])])
        if faults:
            raise RasterError(faults)
        return self._stack(range(len(self.names)), chosen)

    def _stack(self, which: Iterable[int], numbers: Iterable[int]) -> Stack:
        """Some rasters under the names of their covariates."""
        pairs = zip(which, numbers, strict=True)
        return Stack(self.grid, tuple(_named(self.whole.layers[number], self.names[i]) for i, number in pairs))

    def sample(
        self, lon: ArrayLike, lat: ArrayLike, year: ArrayLike, max_gap: float = MAX_GAP_YEARS
    ) -> tuple[pd.DataFrame, pd.Series[str], pd.DataFrame]:
        """Values at places and years.

        Parameters
        ----------
        lon, lat : array_like, shape (n,)
            Degrees, WGS 84.
        year : array_like, shape (n,)
            NaN where it is not known.
        max_gap : float
            Years that a sample may lie outside the periods.

        Returns
        -------
        values : DataFrame, shape (n, covariates); NaN where there is no value
        reason : Series of str, shape (n,)
            Empty where every covariate has a value, else why there is none: a cause of time first, then those of
            :meth:`Stack.sample`.
        matches : DataFrame
            For each covariate by period: ``name``, ``period``, ``samples`` that take it, ``outside`` of them that lie outside its years,
            ``largest_gap_years``; and one row with an empty period for samples ``without`` a period.
        """
        years = np.asarray(year, dtype=np.float64)
        static = [i for i, dates in enumerate(self.dates) if not dates]
        timed = [i for i, dates in enumerate(self.dates) if dates]
        # One pass over all rasters: each is read where it is needed, and its reasons are its own.
        every, reason = self._stack(static, [self.numbers[i][0] for i in static]).sample(lon, lat)
        columns: dict[str, NDArray[np.float64]] = {self.names[i]: every.iloc[:, k].to_numpy() for k, i in enumerate(static)}
        causes = reason.to_numpy(dtype=object, copy=True)
        late = np.full(len(years), "", dtype=object)
        matches = []
        for i in timed:
            name, dates = self.names[i], self.dates[i]
            which, gap = nearest_period(years, dates)
            near = gap <= max_gap
            values = np.full(len(years), np.nan)
            for k, number in enumerate(self.numbers[i]):
                rows = np.flatnonzero(near & (which == k))
                if rows.size:
                    found, why = self._stack([i], [number]).sample(np.asarray(lon)[rows], np.asarray(lat)[rows])
                    values[rows] = found.iloc[:, 0].to_numpy()
                    words = why.to_numpy(dtype=object)
                    causes[rows] = np.where(causes[rows] == "", words, causes[rows])
                matches.append(_match(name, _text(dates[k]), gap[rows]))
            matches.append({"name": name, "period": "", "samples": int((~near).sum()), "outside": 0, "largest_gap_years": np.nan})
            columns[name] = values
            why_late = np.where(np.isnan(years), f"no year, and {name} is by period", f"no period of {name} within {max_gap:g} years")
            late = np.where((late == "") & ~near, why_late, late)
        causes = np.where(late != "", late, causes)
        table = pd.DataFrame({name: columns[name] for name in self.names})
        headings = ["name", "period", "samples", "outside", "largest_gap_years"]
        return table, pd.Series(causes, dtype=str, name="reason"), pd.DataFrame(matches, columns=headings)


def _match(name: str, period: str, gaps: NDArray[np.float64]) -> dict[str, object]:
    return {
        "name": name,
        "period": period,
        "samples": len(gaps),
        "outside": int((gaps > 0).sum()),
        "largest_gap_years": float(gaps.max()) if len(gaps) else np.nan,
    }


def nearest_period(years: ArrayLike, periods: Sequence[Period]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Number of the period that stands for each year, and how many years lie between them.

    Parameters
    ----------
    years : array_like, shape (n,)
        NaN where not known. Parts of a year count to the year that they lie in.
    periods : sequence of (first, last), in their order

    Returns
    -------
    which : int array, shape (n,)
        0 where the year is not known; look at the gap.
    gap : float array, shape (n,)
        0 within the period, infinite where the year is not known. Of two periods equally far the later one counts: of two that touch,
        the one that begins in the year.

    Examples
    --------
    >>> which, gap = nearest_period([1983, 1990, 1997.5, 2003], [(1985, 1990), (1990, 1995), (2000, 2005)])
    >>> which.tolist(), gap.tolist()
    ([0, 1, 1, 2], [2.0, 0.0, 2.0, 0.0])
    """
    known = np.floor(np.asarray(years, dtype=np.float64))[:, None]
    first, last = np.asarray(periods, dtype=np.float64).T
    gaps = np.maximum(np.maximum(first - known, known - last), 0.0)
    gaps[np.isnan(gaps)] = np.inf
    latest_first = gaps[:, ::-1]
    which = len(periods) - 1 - np.argmin(latest_first, axis=1)
    gap = gaps[np.arange(len(which)), which]
    which[np.isinf(gap)] = 0
    return which, gap


def build_timed(sources: Iterable[Dated], grid: GeoBox) -> TimedStack:
    """Align covariates to a grid, those of one name and several periods as one. Nothing is read yet.

    Raises
    ------
    RasterError
        One line for each fault of every source (see :func:`build`); also a name that stands once with and once without a period, a
        period given twice, and layers of one name with different kinds.
    """
    listed = list(sources)
    faults = check_dates(listed)
    if faults:
        raise RasterError(faults)
    # A stack wants a name for each layer: rasters of one covariate bear their period behind it while they are built.
    whole = build([labelled_source(entry) for entry in listed], grid)
    names = list(dict.fromkeys(entry.source.name for entry in listed))
    numbers, dates = [], []
    for name in names:
        own = sorted((entry.period or (0, 0), number) for number, entry in enumerate(listed) if entry.source.name == name)
        numbers.append(tuple(number for _, number in own))
        dates.append(tuple(period for period, number in own if listed[number].period is not None))
    return TimedStack(grid, tuple(names), whole, tuple(numbers), tuple(dates))


def check_dates(sources: Sequence[Dated]) -> list[str]:
    """Faults of names and periods, one line each.

    Examples
    --------
    >>> check_dates([Dated(Source("ndvi", "a.tif"), (1990, 1985))])
    ['ndvi: a.tif: period 1990-1985; expected the earlier year first']
    """
    faults = [
        f"{entry.source.name}: {entry.source.path}: period {_text(entry.period)}; expected the earlier year first"
        for entry in sources
        if entry.period is not None and entry.period[0] > entry.period[1]
    ]
    seen: dict[str, list[Dated]] = {}
    for entry in sources:
        seen.setdefault(entry.source.name, []).append(entry)
    for name, entries in seen.items():
        periods = [entry.period for entry in entries if entry.period is not None]
        if periods and len(periods) < len(entries):
            faults.append(f"{name}: once with and once without a period; expected a period for each, or a name of its own")
        for period in sorted({period for period in periods if periods.count(period) > 1}):
            faults.append(f"{name}: the period {_text(period)} twice; expected each once")
        if len({entry.source.kind for entry in entries}) > 1:
            faults.append(f"{name}: continuous in one period and classes in another; expected one kind")
    return faults


def labelled(entry: Dated) -> str:
    """Name of one raster: that of the covariate, with its period where it has one.

    >>> labelled(Dated(Source("ndvi", "a.tif"), (1985, 1990))), labelled(Dated(Source("slope", "b.tif")))
    ('ndvi_1985-1990', 'slope')
    """
    return entry.source.name if entry.period is None else f"{entry.source.name}_{_text(entry.period)}"


def labelled_source(entry: Dated) -> Source:
    """The source under the name of :func:`labelled`."""
    return replace(entry.source, name=labelled(entry))


def _named(layer: AnyLayer, name: str) -> AnyLayer:
    return layer if layer.name == name else replace(layer, source=replace(layer.source, name=name))


def _text(period: Period) -> str:
    return f"{period[0]}" if period[0] == period[1] else f"{period[0]}-{period[1]}"


def _shown(periods: Sequence[Period]) -> str:
    return ", ".join(_text(period) for period in periods)
