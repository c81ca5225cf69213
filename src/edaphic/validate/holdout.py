"""Hold-outs drawn again and again: 70/30, 80/20, and bootstrap samples with the rows they leave out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from edaphic.errors import ModelError
from edaphic.validate.grouping import Ints, Split, need, profiles_of

_DRAWS = 100


@dataclass(frozen=True)
class RepeatedHoldOut:
    """A share of the rows is held back in whole places, again and again: the second paper's 70/30; with one split, the third's 80/20.

    Parameters
    ----------
    n_splits : int
        Repeats.
    seed : int
    test_share : float
        Share of the rows to hold back, as nearly as whole places allow.
    grouped : bool
        Whole places; otherwise single rows, as in the papers: layers of one profile may then be on both sides.
    """

    n_splits: int
    seed: int
    test_share: float = 0.3
    grouped: bool = True

    def __post_init__(self) -> None:
        _at_least_one(self.n_splits)
        if not 0 < self.test_share < 1:
            raise ModelError(f"evidence: hold-out of a share of {self.test_share:g}; expected one between 0 and 1")

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of repeats."""
        return self.n_splits

    def split(self, X: pd.DataFrame, y: Any = None, groups: Ints | None = None) -> Iterator[Split]:
        """Pairs of training rows and held-back rows."""
        code = _units(len(X), groups, self.grouped)
        size = np.bincount(code)
        _enough(len(size), self.grouped)
        for repeat in range(self.n_splits):
            order = np.random.default_rng([self.seed, repeat]).permutation(len(size))
            filled = np.cumsum(size[order])[:-1]
            held = np.zeros(len(size), dtype=bool)
            held[order[: int(np.argmin(np.abs(filled - self.test_share * len(code)))) + 1]] = True
            yield np.flatnonzero(~held[code]), np.flatnonzero(held[code])

    def notes(self, X: pd.DataFrame, groups: Ints) -> list[str]:
        """A warning where rows are drawn and profiles are on both sides."""
        return [] if self.grouped else _both_sides(self, X, groups, "hold-out of rows")


@dataclass(frozen=True)
class BootstrapSplits:
    """Training rows drawn with replacement, test on rows never drawn: the second paper's tuning.

    Parameters
    ----------
    n_splits : int
        Repeats.
    seed : int
    grouped : bool
        Draw whole places; otherwise single rows, as in the paper: layers of one profile may then be on both sides.

    Notes
    -----
    Indices of training rows repeat. A draw that leaves nothing out is drawn again.
    """

    n_splits: int
    seed: int
    grouped: bool = False

    def __post_init__(self) -> None:
        _at_least_one(self.n_splits)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of repeats."""
        return self.n_splits

    def split(self, X: pd.DataFrame, y: Any = None, groups: Ints | None = None) -> Iterator[Split]:
        """Pairs of training rows, which repeat, and rows never drawn."""
        code = _units(len(X), groups, self.grouped)
        count = int(code.max()) + 1 if len(code) else 0
        _enough(count, self.grouped)
        order = np.argsort(code, kind="stable")
        start = np.searchsorted(code[order], np.arange(count + 1))
        for repeat in range(self.n_splits):
            drawn = _drawn(np.random.default_rng([self.seed, repeat]), count)
            rows = np.concatenate([order[start[unit] : start[unit + 1]] for unit in drawn])
            yield np.sort(rows), np.flatnonzero(~np.isin(code, drawn))

    def notes(self, X: pd.DataFrame, groups: Ints) -> list[str]:
        """A warning where rows are drawn and profiles are on both sides."""
        return [] if self.grouped else _both_sides(self, X, groups, "bootstrap samples of rows")


def _drawn(rng: np.random.Generator, count: int) -> Ints:
    for _ in range(_DRAWS):
        drawn = rng.integers(0, count, count)
        if len(np.unique(drawn)) < count:
            break
    else:  # Chance below 2 ** -100.
        drawn[0] = drawn[-1]
    return drawn


def _at_least_one(splits: int) -> None:
    if splits < 1:
        raise ModelError(f"evidence: {splits} hold-outs; expected at least one")


def _enough(count: int, grouped: bool) -> None:
    if count < 2:
        raise ModelError(f"evidence: {count} {'places' if grouped else 'rows'} to draw from; expected at least two, one for each side")


def _units(rows: int, groups: Ints | None, grouped: bool) -> Ints:
    return np.asarray(pd.factorize(need(groups))[0], dtype=np.int64) if grouped else np.arange(rows)


def _both_sides(design: RepeatedHoldOut | BootstrapSplits, X: pd.DataFrame, groups: Ints, name: str) -> list[str]:
    profile = profiles_of(X, groups)
    split = sum(len(np.intersect1d(profile[train], profile[test])) for train, test in design.split(X, None, groups)) / design.n_splits
    if split == 0:
        return []
    return [
        f"{name}: {split:.0f} of {profile.max() + 1} profiles are on both sides of a split on average, in training and in test at once; "
        "the score tells how well known profiles are filled in, not how good the map is"
    ]
