"""Sites that were visited in more than one period, and how alike the errors of a map are there: the correlation of errors in time.

The scores are those of predictions of profiles that were held back: z = Phi^-1(F(y)), the place of the observation in its predictive
distribution. A pair is one observation and the nearest of another period in the same layer, each used once for two periods. Where the
second visit lies within the tolerance but not at the same spot, and by errors of measurement, the correlation of pairs is lower than that
of the part of the error that is smooth in space; the interval of a change then comes out too wide rather than too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from edaphic.account.change.bootstrap import drawn_sums
from edaphic.account.change.regional import TimeCorrelation
from edaphic.errors import ModelError, TableError
from edaphic.validate.grouping import on_sphere, places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST_PAIRS = 30
FEWEST_PLACES = 10
"""Pairs of one place, such as its layers, err alike: a bootstrap of fewer places says nothing."""

LAGS = (0.0, 5.0, 10.0, 20.0, 40.0)
"""Limits of the classes of years between two visits; the last class is open."""

PAIR_COLUMNS = ("place", "top_cm", "bottom_cm", "row_before", "row_after", "year_before", "year_after", "lag_years", "distance_m",
                "score_before", "score_after")  # fmt: skip

REVISIT_COLUMNS = ("layer", "lag", "pairs", "places", "mean_lag_years", "rho", "rho_low", "rho_high", "level", "verdict")

_NEEDED = ("lon", "lat", "year", "top_cm", "bottom_cm")


@dataclass(frozen=True)
class Revisits:
    """What revisited sites tell.

    Attributes
    ----------
    table : DataFrame
        Columns :data:`REVISIT_COLUMNS`: all layers and lags together, then by lag, then by layer.
    pairs : DataFrame
        Columns :data:`PAIR_COLUMNS`, a row for each pair.
    notes : list of str
        Rows that could not be used, and why.
    """

    table: pd.DataFrame
    pairs: pd.DataFrame
    notes: list[str]

    def correlation(self) -> TimeCorrelation:
        """The estimate over all layers and lags, for a table of change; not known where it cannot be estimated."""
        row = self.table.iloc[0]
        if not np.isfinite(row["rho"]):
            return TimeCorrelation(None, str(row["verdict"]))
        limits = [float(value) if np.isfinite(value) else None for value in (row["rho_low"], row["rho_high"])]
        return TimeCorrelation(float(row["rho"]), str(row["verdict"]), *limits)


def revisit_pairs(
    table: pd.DataFrame, *, score: str = "z", period: str | None = None, within_m: float = 100.0, least_lag_years: float = 1.0
) -> tuple[pd.DataFrame, list[str]]:
    """Pairs of observations of one place and layer at two dates.

    Parameters
    ----------
    table : DataFrame
        One row for each observation, held back when it was predicted: ``lon``, ``lat`` (degrees), ``year``, ``top_cm``, ``bottom_cm`` and
        the score.
    score : str
        Column of normal scores.
    period : str, optional
        Column of periods: a pair is of two different ones. Left out, each calendar year is one.
    within_m : float
        Farthest that the second visit may lie from the first.
    least_lag_years : float
        Fewest years between the two.

    Returns
    -------
    pairs : DataFrame
        Columns :data:`PAIR_COLUMNS`; the earlier visit is ``before``. ``place`` numbers what lies within ``within_m`` of one another,
        directly or by steps; ``row_before`` and ``row_after`` are positions in ``table``. Nearest pairs are made first, so a visit
        is in one pair at most with each other period.
    notes : list of str

    Raises
    ------
    TableError
        A column is missing or holds text.
    ModelError
        A distance or lag below zero.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "lon": [5.0, 5.0], "lat": [50.0, 50.0002], "year": [1990, 2010], "top_cm": 0, "bottom_cm": 30, "z": [0.3, 0.8]})
    >>> pairs, notes = revisit_pairs(table)
    >>> pairs[["lag_years", "distance_m", "score_before", "score_after"]].round(1).values.tolist()
    [[20.0, 22.2, 0.3, 0.8]]
    """
    _check(table, score, period, within_m, least_lag_years)
    numbers = table[[*_NEEDED, score]].to_numpy(dtype=np.float64)
    whole = np.isfinite(numbers).all(axis=1)
    if period is not None:
        whole &= table[period].notna().to_numpy()
    notes = [f"revisits: {int((~whole).sum())} of {len(table)} rows have no place, year, layer or score and are left out"]
    rows = np.flatnonzero(whole)
    if not rows.size:
        return pd.DataFrame(columns=list(PAIR_COLUMNS), dtype=np.float64), notes
    kept = numbers[rows]
    place = places(kept[:, 0], kept[:, 1], within_m)
    # A date within a year is no period of its own.
    named = np.floor(kept[:, 2]) if period is None else table[period].to_numpy()[rows]
    periods = pd.factorize(named, sort=True)[0].astype(np.int64)
    first, second, distance = _matched(kept, place, periods, within_m, least_lag_years)
    swap = kept[first, 2] > kept[second, 2]
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    columns = (
        place[first], kept[first, 3], kept[first, 4], rows[first], rows[second], kept[first, 2], kept[second, 2],
        kept[second, 2] - kept[first, 2], distance, kept[first, 5], kept[second, 5],
    )  # fmt: skip
    return pd.DataFrame(dict(zip(PAIR_COLUMNS, columns, strict=True))), notes if len(rows) < len(table) else []


def _check(table: pd.DataFrame, score: str, period: str | None, within_m: float, least_lag_years: float) -> None:
    wanted = [*_NEEDED, score]
    faults = [f"revisits: no column {name}; expected {', '.join(wanted)}" for name in wanted if name not in table]
    faults += [
        f"revisits: column {name} holds text; expected numbers"
        for name in wanted
        if name in table and not pd.api.types.is_numeric_dtype(table[name])
    ]
    if period is not None and period not in table:
        faults.append(f"revisits: no column {period}; expected the period of each observation")
    if faults:
        raise TableError(faults)
    if not within_m >= 0.0 or not least_lag_years >= 0.0:
        raise ModelError(f"revisits: within {within_m:g} m, {least_lag_years:g} years apart; expected numbers of zero or more")


def _matched(kept: Floats, place: Ints, periods: Ints, within_m: float, least_lag_years: float) -> tuple[Ints, Ints, Floats]:
    """Pairs of rows of one place and layer, nearest first, each row once for two periods; and their distances."""
    xyz = on_sphere(kept[:, 0], kept[:, 1])
    # Ties of distance are broken by what the observations are, not by the order of the table.
    order = np.lexsort((*kept.T[::-1], periods, kept[:, 4], kept[:, 3], place))
    keys = np.column_stack([place, kept[:, 3:5]])[order]
    groups = np.split(order, np.flatnonzero((keys[1:] != keys[:-1]).any(axis=1)) + 1)
    found: list[tuple[int, int, float]] = []
    for group in groups:
        parts = np.split(group, np.flatnonzero(np.diff(periods[group])) + 1)
        for one, other in combinations(parts, 2):
            distance = cdist(xyz[one], xyz[other])
            apart = np.abs(kept[one, 2][:, None] - kept[other, 2][None, :]) >= least_lag_years
            i, j = np.nonzero((distance <= within_m) & apart)
            used: tuple[set[int], set[int]] = (set(), set())
            for k in np.argsort(distance[i, j], kind="stable"):
                a, b = int(one[i[k]]), int(other[j[k]])
                if a not in used[0] and b not in used[1]:
                    used[0].add(a)
                    used[1].add(b)
                    found.append((a, b, float(distance[i[k], j[k]])))
    table = np.array(found, dtype=np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]


def revisits(
    table: pd.DataFrame,
    *,
    score: str = "z",
    period: str | None = None,
    within_m: float = 100.0,
    least_lag_years: float = 1.0,
    fewest: int = FEWEST_PAIRS,
    lags: Sequence[float] = LAGS,
    draws: int = 2000,
    level: float = 0.9,
    seed: int = 0,
) -> Revisits:
    """Correlation of scores at revisited sites, with its bootstrap interval.

    Parameters
    ----------
    table, score, period, within_m, least_lag_years
        As for :func:`revisit_pairs`.
    fewest : int
        Pairs below which nothing is estimated. The pairs must also come from 10 places or more.
    lags : sequence of float
        Lower limits of the classes of years between two visits.
    draws, level, seed
        Of the bootstrap by place.

    Returns
    -------
    Revisits
        Pairs are weighted so that each place and layer counts once, however often it was visited. ``verdict`` is "estimated: N pairs at M
        places" or "cannot be estimated: N pairs at M places; expected ...".

    Raises
    ------
    TableError, ModelError
        As for :func:`revisit_pairs`; options out of range.
    """
    faults = []
    if not 0.0 < level < 1.0:
        faults.append(f"revisits: level {level:g}; expected a share between 0 and 1")
    if fewest < 3:
        faults.append(f"revisits: fewest pairs {fewest}; expected 3 or more")
    if not len(lags) or not (np.diff(np.asarray(lags, dtype=np.float64)) > 0).all():
        faults.append(f"revisits: lags {', '.join(f'{lag:g}' for lag in lags) or 'none'}; expected numbers that rise")
    if faults:
        raise ModelError(faults)
    pairs, notes = revisit_pairs(table, score=score, period=period, within_m=within_m, least_lag_years=least_lag_years)
    rows = [_row(part, names, fewest, draws, level, seed) for names, part in _parts(pairs, lags)]
    return Revisits(pd.DataFrame(rows, columns=list(REVISIT_COLUMNS)), pairs, notes)


def _parts(pairs: pd.DataFrame, lags: Sequence[float]) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """All pairs, those of each class of lags, those of each layer."""
    parts = [(("all", "all"), pairs)]
    for low, high in pairwise([*lags, np.inf]):
        name = f"{low:g} years or more" if np.isinf(high) else f"{low:g} to below {high:g} years"
        inside = (pairs["lag_years"] >= low) & (pairs["lag_years"] < high)
        if inside.any():
            parts.append((("all", name), pairs[inside]))
    for (top, bottom), part in pairs.groupby(["top_cm", "bottom_cm"], sort=True):
        parts.append(((f"{top:g}-{bottom:g} cm", "all"), part))
    return parts


def _row(pairs: pd.DataFrame, names: tuple[str, str], fewest: int, draws: int, level: float, seed: int) -> dict[str, object]:
    many, sites = len(pairs), pairs["place"].nunique()
    found = f"{many} pairs at {sites} places"
    row: dict[str, object] = {"layer": names[0], "lag": names[1], "pairs": many, "places": sites, "level": level}
    row |= {"mean_lag_years": float(pairs["lag_years"].mean()) if many else np.nan}
    none = {"rho": np.nan, "rho_low": np.nan, "rho_high": np.nan}
    if many < fewest or sites < FEWEST_PLACES:
        return row | none | {"verdict": f"cannot be estimated: {found}; expected {fewest} pairs at {FEWEST_PLACES} places or more"}
    x, y = (pairs[name].to_numpy(dtype=np.float64) for name in ("score_before", "score_after"))
    # A place of many visits has the square of them in pairs, and one error that lasts: each place and layer counts once.
    weight = 1.0 / pairs.groupby(["place", "top_cm", "bottom_cm"])["place"].transform("size").to_numpy(dtype=np.float64)
    x, y = x - x.mean(), y - y.mean()  # keeps the sums of squares from cancelling
    sums = weight[:, None] * np.column_stack([np.ones(many), x, y, x * x, y * y, x * y])
    rho = float(_pearson(sums.sum(axis=0)[None])[0])
    if np.isnan(rho):
        return row | none | {"verdict": f"cannot be estimated: {found}, all of one score; expected scores that differ"}
    again = _pearson(drawn_sums(sums, pd.factorize(pairs["place"])[0].astype(np.int64), draws, seed))
    low, high = np.nanquantile(again, [0.5 - level / 2.0, 0.5 + level / 2.0])
    return row | {"rho": rho, "rho_low": float(low), "rho_high": float(high), "verdict": f"estimated: {found}"}


def _pearson(sums: Floats) -> Floats:
    """Correlation from sums of 1, x, y, x^2, y^2 and x y, a row for each sample."""
    count, x, y, xx, yy, xy = sums.T
    across = xy - x * y / count
    squares = np.maximum(xx - x * x / count, 0.0) * np.maximum(yy - y * y / count, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(squares > 1e-24, np.clip(across / np.sqrt(squares), -1.0, 1.0), np.nan))
