"""Pairs: what two sensors saw of the same place. What they are, and what is screened from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.covariates.sensors.line import Floats
from edaphic.errors import TableError

Flags = NDArray[np.bool_]

ENDINGS = ("_reference", "_other")
"""Of the columns of a table of pairs: blue_reference, blue_other."""

FILL_SHARE = 0.002
"""A value that is fill stands in this share of the pairs, or more."""


@dataclass(frozen=True)
class Pairs:
    """The pairs of one band.

    Parameters
    ----------
    band : str
    x, y : ndarray of float64, shape (n,)
        Of the other sensor, and of the reference, which the other is to be brought to.
    group : ndarray of int64, shape (n,)
        Pairs of one group are not independent of each other.
    grouped_by : str
        What a group is, for people.
    seen : int
        Pairs that there were before some were screened or others drawn.
    dropped : mapping of str to int
        Why pairs were screened, and how many.
    """

    band: str
    x: Floats
    y: Floats
    group: NDArray[np.int64]
    grouped_by: str
    seen: int
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Screen:
    """Which pairs cannot be right.

    Parameters
    ----------
    low, high : float, optional
        Smallest and largest value that counts, of either sensor; below and above it is fill, or saturation.
    max_difference : float, optional
        Pairs in which the sensors differ by more in any band are dropped from all bands: the place has changed, or one saw a cloud. It
        draws the line towards slope 1 and intercept 0, the more the smaller it is. NaN in a band says nothing of the others.

    Raises
    ------
    ValueError
        Limits that leave nothing.
    """

    low: float | None = None
    high: float | None = None
    max_difference: float | None = None

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"valid from {self.low:g} to {self.high:g}; expected a lower and a higher number")
        if self.max_difference is not None and not self.max_difference > 0:
            raise ValueError(f"largest difference {self.max_difference:g}; expected a positive number")


def screened(x: Floats, y: Floats, screen: Screen) -> tuple[Flags, list[dict[str, int]]]:
    """Which pairs stay, and why the others go.

    Parameters
    ----------
    x, y : ndarray of shape (bands, n)
    screen : Screen

    Returns
    -------
    (keep, dropped) : bool array of shape (bands, n), and the reasons with their counts for each band

    Examples
    --------
    >>> x, y = np.array([[1.0, 2.0, np.nan, 300.0]]), np.array([[1.0, 9.0, 2.0, 3.0]])
    >>> keep, dropped = screened(x, y, Screen(high=255, max_difference=5))
    >>> keep.tolist(), dropped
    ([[True, False, False, False]], [{'no value': 1, 'outside the valid range': 1, 'too different': 1}])
    """
    valued = np.isfinite(x) & np.isfinite(y)
    within = valued.copy()
    with np.errstate(invalid="ignore"):
        for values in (x, y):
            within &= values >= (-math.inf if screen.low is None else screen.low)
            within &= values <= (math.inf if screen.high is None else screen.high)
        alike: Flags = np.ones(x.shape[1], dtype=np.bool_)
        if screen.max_difference is not None:
            alike = np.logical_not(((np.abs(x - y) > screen.max_difference) & within).any(axis=0))
    keep = within & alike
    reasons = [
        {
            "no value": int((~valued[band]).sum()),
            "outside the valid range": int((valued[band] & ~within[band]).sum()),
            "too different": int((within[band] & ~alike).sum()),
        }
        for band in range(len(x))
    ]
    return keep, [{reason: count for reason, count in counts.items() if count} for counts in reasons]


def pairs_of(bands: Sequence[str], x: Floats, y: Floats, group: NDArray[np.int64], grouped_by: str, screen: Screen) -> list[Pairs]:
    """Pairs of each band from arrays of shape (bands, n), screened."""
    keep, dropped = screened(x, y, screen)
    return [Pairs(name, x[k][keep[k]], y[k][keep[k]], group[keep[k]], grouped_by, x.shape[1], dropped[k]) for k, name in enumerate(bands)]


def thinned(pairs: Pairs, sample: int | None, seed: int) -> Pairs:
    """A random sample of the pairs, in their order; all where there are no more than that."""
    if sample is None or len(pairs.x) <= sample:
        return pairs
    chosen = np.sort(np.random.default_rng(seed).choice(len(pairs.x), sample, replace=False))
    return Pairs(pairs.band, pairs.x[chosen], pairs.y[chosen], pairs.group[chosen], pairs.grouped_by, pairs.seen, pairs.dropped)


def fill_doubts(pairs: Sequence[Pairs]) -> list[str]:
    """Values that look like fill or saturation that nobody told of: an end of the values, repeated and far from all others.

    Examples
    --------
    >>> x = np.append(np.linspace(0.1, 0.5, 95), [-9999.0] * 5)
    >>> fill_doubts([Pairs("red", x, np.linspace(0.1, 0.5, 100), np.arange(100), "pair", 100)])
    ['red: -9999 in 5 % of the pairs of the other, far from all its others: is it fill or saturation?']
    """
    doubts = []
    for one in pairs:
        for word, values in (("other", one.x), ("reference", one.y)):
            for end in _far_ends(values):
                share = float(100.0 * (values == end).mean())
                doubts.append(
                    f"{one.band}: {end:.6g} in {share:.2g} % of the pairs of the {word}, far from all its others: is it fill or saturation?"
                )
    return doubts


def _far_ends(values: Floats) -> list[float]:
    """The smallest and the largest value, where it is repeated and a tenth of the range of the others or more away from them."""
    distinct, times = np.unique(values, return_counts=True)
    if len(distinct) < 4:
        return []
    ends = []
    for end, rest in ((0, distinct[1:]), (-1, distinct[:-1])):
        near = rest[0] if end == 0 else rest[-1]
        if times[end] >= max(3, FILL_SHARE * len(values)) and abs(distinct[end] - near) >= 0.1 * (rest[-1] - rest[0]):
            ends.append(float(distinct[end]))
    return ends


def table_bands(columns: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Bands of a table of pairs, by the names of its columns.

    >>> table_bands(["blue_other", "blue_reference", "id"])
    {'blue': ('blue_reference', 'blue_other')}
    """
    stems = [name.removesuffix(ENDINGS[1]) for name in columns if name.endswith(ENDINGS[1])]
    return {stem: (stem + ENDINGS[0], stem + ENDINGS[1]) for stem in stems if stem and stem + ENDINGS[0] in columns}


def table_pairs(
    table: pd.DataFrame,
    bands: Mapping[str, tuple[str, str]] | None = None,
    *,
    group: str | None = None,
    screen: Screen | None = None,
    name: str = "table",
) -> list[Pairs]:
    """Pairs from a table that has both sensors in a row.

    Parameters
    ----------
    table : DataFrame
    bands : mapping of band to (column of the reference, column of the other), optional
        Those named BAND_reference and BAND_other unless given.
    group : str, optional
        Column of labels: pairs with the same one (a date, a scene, a site) are not independent. Each pair is a group unless given.
    screen : Screen, optional
    name : str
        What the table is called in messages.

    Raises
    ------
    TableError
        Columns that are missing or hold no numbers.

    Examples
    --------
    >>> pairs = table_pairs(pd.DataFrame({"red_reference": [1, 2], "red_other": [3, 4]}))
    >>> pairs[0].band, pairs[0].x.tolist(), pairs[0].y.tolist()
    ('red', [3.0, 4.0], [1.0, 2.0])
    """
    known = [str(column) for column in table.columns]
    wanted = dict(bands) if bands is not None else table_bands(known)
    if not wanted:
        raise TableError(f"{name}: found columns {', '.join(known)}; expected pairs such as blue_reference and blue_other, or --bands")
    reference = numbers(table, [columns[0] for columns in wanted.values()], name)
    other = numbers(table, [columns[1] for columns in wanted.values()], name)
    codes, word = np.arange(len(table), dtype=np.int64), "pair"
    if group is not None:
        codes, word = labels(table, group, name), group
    return pairs_of(list(wanted), other, reference, codes, word, screen or Screen())


def numbers(table: pd.DataFrame, columns: Sequence[str], name: str) -> Floats:
    """Columns of numbers as an array of shape (columns, rows); TableError with a line for each that is missing or no number."""
    faults, found = [], []
    for column in columns:
        if column not in table.columns:
            faults.append(f"{name}: no column {column!r}; found {', '.join(map(str, table.columns))}")
            continue
        values = pd.to_numeric(table[column], errors="coerce")
        wrong = values.isna() & table[column].notna()
        if wrong.any():
            row = int(np.flatnonzero(wrong.to_numpy())[0])
            faults.append(f"{name}: column {column}, row {row + 1}: found {table[column].iloc[row]!r}; expected a number")
        found.append(values.to_numpy(dtype=np.float64))
    if faults:
        raise TableError(dict.fromkeys(faults))
    return np.stack(found) if found else np.empty((0, len(table)))


def labels(table: pd.DataFrame, column: str, name: str) -> NDArray[np.int64]:
    """Codes of the labels of a column; TableError where it or a label is missing."""
    if column not in table.columns:
        raise TableError(f"{name}: no column {column!r}; found {', '.join(map(str, table.columns))}")
    codes = pd.factorize(table[column])[0].astype(np.int64)
    if (codes < 0).any():
        row = int(np.flatnonzero(codes < 0)[0])
        raise TableError(f"{name}: column {column}, row {row + 1}: found none; expected a label in every row")
    return codes
