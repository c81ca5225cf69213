"""Folds that know regions, zones and time: spatial strata by decade, one zone left out, one period left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from edaphic.compiled import kernel
from edaphic.errors import ModelError
from edaphic.validate.grouping import Floats, Folds, Ints, Split, enough, need, pairs_of, place_points
from edaphic.validate.nearest import k_means

Reading = Literal["left_out", "in_proportion"]
_REGIONS_PER_FOLD = 5
_STARTS = 10
_UNEVEN_PERCENT = 10
UNDATED = -1


def years_of(X: pd.DataFrame) -> Floats:
    """Year of each row; NaN where there is none (empty text too), or no column ``year``. Dates and words are faults."""
    if "year" not in X:
        return np.full(len(X), np.nan)
    year = _as_numbers(X["year"], "year", "calendar years, such as 1987")
    return np.asarray(np.where(np.isfinite(year), year, np.nan))


def _as_numbers(column: pd.Series, name: str, expected: str) -> Floats:
    """Numbers of a column; NaN where there is none, and a fault where there is something else."""
    told = pd.to_numeric(column, errors="coerce")
    words = column[told.isna() & column.notna()]
    words = words[words.astype(str).str.strip() != ""]
    if is_datetime64_any_dtype(column):
        words = column[column.notna()]
    if len(words):
        raise ModelError(f"evidence: {name} '{words.iloc[0]}' in {len(words)} of {len(column)} rows; expected {expected}")
    return np.asarray(told.to_numpy(dtype=float, na_value=np.nan))


def periods(year: Floats, period_years: float, edges: tuple[float, ...] = ()) -> tuple[Ints, list[str]]:
    """Period of each year and the periods' names; years that are missing are ``UNDATED``.

    Parameters
    ----------
    year : float (n,)
    period_years : float
        Length of a period; periods begin at its multiples.
    edges : tuple of float
        Years at which periods begin, instead; years before the first and from the last on are periods too.

    Returns
    -------
    int64 (n,), list of str
        Numbers from 0 in order of time.

    Examples
    --------
    >>> periods(np.array([1985.0, 2001.0, np.nan, 1989.0]), 10)
    (array([ 0,  1, -1,  0]), ['1980-1989', '2000-2009'])
    >>> periods(np.array([1985.0, 2001.0, 2012.0]), 10, (2000, 2010))[1]
    ['before 2000', '2000-2009', 'from 2010']
    """
    if not edges and not period_years > 0:
        raise ModelError(f"evidence: periods of {period_years:g} years; expected a length above zero")
    if list(edges) != sorted(set(edges)):
        raise ModelError(f"evidence: periods that begin at {', '.join(f'{e:g}' for e in edges)}; expected years in rising order")
    dated = np.isfinite(year)
    step = np.digitize(year[dated], edges) if edges else np.floor(year[dated] / period_years).astype(np.int64)
    found, inverse = np.unique(step, return_inverse=True)
    out = np.full(len(year), UNDATED, dtype=np.int64)
    out[dated] = inverse
    return out, [_name(int(s), period_years, edges) for s in found]


def _name(step: int, period_years: float, edges: tuple[float, ...]) -> str:
    if not edges:
        return f"{step * period_years:g}-{(step + 1) * period_years - 1:g}" if period_years > 1 else f"{step * period_years:g}"
    if step == 0:
        return f"before {edges[0]:g}"
    return f"from {edges[-1]:g}" if step == len(edges) else f"{edges[step - 1]:g}-{edges[step] - 1:g}"


def spread_evenly(counts: Floats, folds: int, seed: int) -> Ints:
    """Give each group a fold so that each column of counts is shared as evenly as the groups allow.

    Groups are taken in random order, the large first; each goes to the fold where it raises the sum over columns of squared
    loads, each divided by the column's total, the least.

    Parameters
    ----------
    counts : float (groups, columns)
        What each group holds of each class.
    folds, seed : int

    Returns
    -------
    int64 (groups,)
    """
    total = counts.sum(axis=0)
    # The sum of all classes counts too: it fills empty folds and keeps sizes even.
    full = np.column_stack([counts[:, total > 0], counts.sum(axis=1)])
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    order = shuffled[np.argsort(-full[shuffled, -1], kind="stable")]
    return _least_raised(np.ascontiguousarray(full, dtype=float), order.astype(np.int64), folds)


@kernel
def _least_raised(counts: Floats, order: Ints, folds: int) -> Ints:
    groups, columns = counts.shape
    total = np.zeros(columns)
    for g in range(groups):
        for c in range(columns):
            total[c] += counts[g, c]
    filled, held = np.zeros((folds, columns)), np.zeros(folds)
    out = np.empty(groups, dtype=np.int64)
    for step in range(groups):
        g, best, where = order[step], np.inf, 0
        empty = 0
        for f in range(folds):
            empty += held[f] == 0
        for f in range(folds):
            if groups - step <= empty and held[f] > 0:  # Each of the last groups is needed to fill a fold.
                continue
            rise = 0.0
            for c in range(columns):
                if counts[g, c] > 0.0:
                    rise += counts[g, c] * (2.0 * filled[f, c] + counts[g, c]) / total[c]
            if rise < best:
                best, where = rise, f
        out[g] = where
        held[where] += 1
        for c in range(columns):
            filled[where, c] += counts[g, c]
    return out


@dataclass(frozen=True)
class StrataFolds(Folds):
    """Spatial strata x period. The first paper's text allows two readings, which are opposite tests.

    ``left_out``: each fold holds whole regions back, and the shares of the periods in the folds are as even as regions allow:
    a test of transfer in space. ``in_proportion``: each fold holds places of every region and every period in proportion: a
    test at new places among the old ones. Places are whole in both.

    Parameters
    ----------
    n_splits, seed : int
    reading : {"left_out", "in_proportion"}
    period_years : float
        Length of a period.
    regions : int, optional
        Spatial sub-regions (k-means of the places on the sphere); without it five for each fold where regions are left out, and
        as many as folds where they are sampled. Fewer where there are fewer places.

    Notes
    -----
    Rows without a year are a class of their own.
    """

    reading: Reading = "left_out"
    period_years: float = 10
    regions: int | None = None
    # Regions of the places that were asked for last: splits, shares and notes all need them.
    _known: dict[bytes, Ints] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reading not in ("left_out", "in_proportion"):
            raise ModelError(f"evidence: strata with the reading '{self.reading}'; expected left_out or in_proportion")
        if self.regions is not None and self.regions < (self.n_splits if self.reading == "left_out" else 1):
            raise ModelError(f"evidence: {self.regions} regions for {self.n_splits} folds; expected at least as many")

    def region_of(self, X: pd.DataFrame, groups: Ints) -> Ints:
        """Sub-region of each row, shape (n,)."""
        points, code = place_points(X, groups)
        enough(len(points), self.n_splits, "places")
        if (points == points[0]).all():
            raise ModelError(f"evidence: all {len(points)} places have the same coordinates; expected places apart to make regions")
        told = self.regions or self.n_splits * (_REGIONS_PER_FOLD if self.reading == "left_out" else 1)
        distinct = len(np.unique(points, axis=0))
        if self.reading == "left_out":
            enough(distinct, self.n_splits, "places")
        key = points.tobytes()
        if key not in self._known:
            self._known.clear()
            self._known[key] = k_means(points, min(told, distinct), self.seed, _STARTS)
        return self._known[key][code]

    def fold_of(self, X: pd.DataFrame, groups: Ints) -> Ints:
        """Fold of each row, shape (n,)."""
        region = self.region_of(X, groups)
        period = periods(years_of(X), self.period_years)[0] + 1
        if self.reading == "left_out":
            return spread_evenly(_counts(region, period), self.n_splits, self.seed)[region]
        place = np.asarray(pd.factorize(np.asarray(groups))[0], dtype=np.int64)
        stratum = region * (period.max() + 1) + period
        columns = [_counts(place, stratum), _counts(place, region), _counts(place, period)]
        return spread_evenly(np.column_stack(columns), self.n_splits, self.seed)[place]

    def shares(self, X: pd.DataFrame, groups: Ints) -> pd.DataFrame:
        """Share of each period in the rows of each fold: one row for each fold, one column for each period."""
        period, names = periods(years_of(X), self.period_years)
        named = np.array(["undated", *names], dtype=object)[period + 1]
        table = pd.crosstab(pd.Series(self.fold_of(X, groups), name="fold"), pd.Series(named, name="period"), normalize="index")
        return table[[name for name in [*names, "undated"] if name in table]]

    def notes(self, X: pd.DataFrame, groups: Ints) -> list[str]:
        """Rows without a year, and periods whose shares regions keep uneven."""
        undated = int(np.isnan(years_of(X)).sum())
        out = []
        if undated == len(X):
            out.append("spatial strata: no row has a year; folds are of regions alone")
        elif undated:
            out.append(f"spatial strata: {undated} of {len(X)} rows have no year; they are a class of their own beside the periods")
        table = self.shares(X, groups)
        for name in table:
            low, high = 100 * float(table[name].min()), 100 * float(table[name].max())
            if high - low > _UNEVEN_PERCENT:
                out.append(
                    f"spatial strata: the share of {name} runs from {low:.0f} to {high:.0f} % over the folds: places or regions are whole"
                )
        return out


def _counts(group: Ints, column: Ints) -> Floats:
    """Rows of each group in each class."""
    out = np.zeros((int(group.max()) + 1, int(column.max()) + 1))
    np.add.at(out, (group, column), 1.0)
    return out


@dataclass(frozen=True)
class LeaveZoneOut:
    """Each zone of ``X["zone"]`` is held back once. Answers: how well does the map transfer to a zone without profiles?

    A place with rows in two zones belongs to the one that holds more of them. Rows without a zone (negative or missing) are a
    class of their own.
    """

    def fold_of(self, X: pd.DataFrame, groups: Ints) -> Ints:
        """Fold of each row: its zone's number in the order of the codes, shape (n,)."""
        zone = _zones(X)
        place = np.asarray(pd.factorize(np.asarray(groups))[0], dtype=np.int64)
        codes, code = np.unique(zone, return_inverse=True)
        fold = np.unique(np.argmax(_counts(place, code), axis=1)[place], return_inverse=True)[1]
        if int(fold.max()) == 0:
            what = f"one zone ({codes[0]})" if len(codes) == 1 else "one zone once places are kept whole"
            raise ModelError(f"evidence: all profiles lie in {what}; expected two zones or more to leave one out")
        return np.asarray(fold, dtype=np.int64)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of zones."""
        return int(self.fold_of(_need_rows(X), need(groups)).max()) + 1

    def split(self, X: pd.DataFrame, y: Any = None, groups: Ints | None = None) -> Iterator[Split]:
        """Pairs of training rows and held-back rows."""
        fold = self.fold_of(X, need(groups))
        return pairs_of(fold, int(fold.max()) + 1)

    def notes(self, X: pd.DataFrame, groups: Ints) -> list[str]:
        """Rows without a zone, places that straddle two, and what the design tests."""
        zone = _zones(X)
        out = ["one zone left out: a test of transfer to a zone without profiles, not the accuracy of the map"]
        without = int((zone < 0).sum())
        if without:
            out.append(f"one zone left out: {without} of {len(X)} rows have no zone; they are held back together as one more")
        several = pd.Series(zone).groupby(np.asarray(groups)).nunique()
        straddle = int((several > 1).sum())
        if straddle:
            out.append(f"one zone left out: {straddle} places have rows in two zones or more; each goes with most of its rows")
        return out


def _need_rows(X: pd.DataFrame | None) -> pd.DataFrame:
    if X is None:
        raise ValueError("X: None; expected the rows, whose zones or periods are to be counted")
    return X


def _zones(X: pd.DataFrame) -> Ints:
    if "zone" not in X:
        raise ModelError("evidence: no column 'zone'; expected the zone of each row to leave zones out")
    if len(X) == 0:
        raise ModelError("evidence: no rows; expected profiles in two zones or more")
    zone = _as_numbers(X["zone"], "zone", "codes of zones, whole numbers from zero")
    broken = np.isfinite(zone) & (zone != np.floor(zone))
    if broken.any():
        raise ModelError(f"evidence: zone '{zone[broken][0]:g}'; expected codes of zones, whole numbers from zero")
    return np.where(np.isfinite(zone) & (zone >= 0), zone, -1).astype(np.int64)


@dataclass(frozen=True)
class LeaveTimeOut:
    """Each period is held back once. Answers: how well does the map transfer to a time without samples?

    Parameters
    ----------
    period_years : float
        Length of a period; periods begin at its multiples.
    edges : tuple of float
        Years at which periods begin, instead.
    strict : bool
        Rows of the same places in other periods, and rows without a year, are kept out of training. Otherwise they train too:
        a place is then on both sides, and the score tells how well known places are carried through time.

    Notes
    -----
    Rows without a year are never held back.
    """

    period_years: float = 10
    edges: tuple[float, ...] = ()
    strict: bool = True

    def fold_of(self, X: pd.DataFrame, groups: Ints | None = None) -> Ints:
        """Number of each row's period in order of time, -1 where it has no year, shape (n,)."""
        period, names = periods(years_of(X), self.period_years, self.edges)
        if len(names) == 0:
            raise ModelError("evidence: no row has a year; expected years to leave periods out")
        if len(names) == 1:
            raise ModelError(f"evidence: all years lie in one period ({names[0]}); expected two or more to leave one out")
        return period

    def names(self, X: pd.DataFrame) -> list[str]:
        """Name of each period, in the order of the folds."""
        return periods(years_of(X), self.period_years, self.edges)[1]

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of periods."""
        return int(self.fold_of(_need_rows(X)).max()) + 1

    def split(self, X: pd.DataFrame, y: Any = None, groups: Ints | None = None) -> Iterator[Split]:
        """Pairs of training rows and held-back rows."""
        place, period = need(groups), self.fold_of(X)
        for k, name in enumerate(self.names(X)):
            held = period == k
            train = ~held
            if self.strict:
                train &= (period != UNDATED) & ~np.isin(place, place[held])
            if not train.any():
                raise ModelError(f"evidence: nothing is left to train on when {name} is held back; expected places of other periods alone")
            yield np.flatnonzero(train), np.flatnonzero(held)

    def notes(self, X: pd.DataFrame, groups: Ints) -> list[str]:
        """Rows without a year, and places seen in several periods."""
        period = self.fold_of(X)
        undated = int((period == UNDATED).sum())
        out = []
        if undated:
            use = "left out" if self.strict else "used in training only"
            out.append(f"one period left out: {undated} of {len(X)} rows have no year; they are never held back and are {use}")
        seen = pd.Series(period[period != UNDATED]).groupby(np.asarray(groups)[period != UNDATED]).nunique()
        several = int((seen > 1).sum())
        if several:
            use = "are on both sides, in training and in test at once"
            if self.strict:
                use = "are kept out of training while one of their periods is held back"
            out.append(f"one period left out: {several} of {len(seen)} places were sampled in several periods and {use}")
        return out
