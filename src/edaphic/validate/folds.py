"""The plain folds: rows at random, by profile, and by spatial block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import ConvexHull, QhullError

from edaphic.errors import ModelError
from edaphic.validate.grouping import Folds, Ints, Split, both_sides_note, enough, metres, pairs_of, spread_over_folds

_FEW_BLOCKS_PER_FOLD = 3


@dataclass(frozen=True)
class RandomFolds(Folds):
    """Folds by row at random: layers of one profile may be on both sides. Offered for comparison with the papers.

    Answers: how well are known profiles filled in?
    """

    def fold_of(self, X: pd.DataFrame, groups: Ints | None = None) -> Ints:
        """Fold of each row, shape (n,)."""
        enough(len(X), self.n_splits, "rows")
        return spread_over_folds(np.ones(len(X), dtype=np.int64), self.n_splits, self.seed)

    def split(self, X: pd.DataFrame, y: Any = None, groups: Ints | None = None) -> Iterator[Split]:
        """Pairs of training rows and held-back rows; the places are not looked at."""
        return pairs_of(self.fold_of(X, groups), self.n_splits)

    def notes(self, X: pd.DataFrame, groups: Ints | None = None) -> list[str]:
        """A warning where profiles are on both sides."""
        return both_sides_note(X, groups, self.fold_of(X, groups), "random folds of rows")


@dataclass(frozen=True)
class ProfileFolds(Folds):
    """Folds by profile: all layers of a profile, and all profiles at one place, are held back together.

    Answers: how good is the map at a new profile drawn like the old ones?
    """

    def fold_of(self, X: pd.DataFrame, groups: Ints) -> Ints:
        """Fold of each row, shape (n,)."""
        code = pd.factorize(np.asarray(groups))[0]
        return spread_over_folds(np.bincount(code), self.n_splits, self.seed)[code]

    def notes(self, X: pd.DataFrame, groups: Ints) -> list[str]:
        """How many profiles share a place."""
        if "profile_id" not in X:
            return []
        count = pd.Series(X["profile_id"].to_numpy()).groupby(np.asarray(groups)).nunique()
        shared = count[count > 1]
        if shared.empty:
            return []
        return [f"folds by profile: {int(shared.sum())} profiles lie at {len(shared)} shared places and are held back together"]


@dataclass(frozen=True)
class BlockFolds(Folds):
    """Folds by spatial block: all profiles in a square of ``block_m`` are held back together.

    Answers: how good is the map where no profile is near? It is a test of transfer, not the accuracy of the map. Squares lie in
    an equal-area projection centred on the profiles; a place that straddles an edge belongs to the block of its centre.
    """

    block_m: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.block_m) and self.block_m > 0):
            raise ModelError(f"evidence: blocks with a side of {self.block_m:g} m; expected a length above zero")

    def blocks(self, X: pd.DataFrame, groups: Ints) -> Ints:
        """Block of each row, numbered in order of first appearance, shape (n,)."""
        x, y = metres(X)
        place = pd.factorize(np.asarray(groups))[0]
        # A site with many layers must not pull the centre of its place towards itself.
        sites = pd.DataFrame({"place": place, "x": x, "y": y}).drop_duplicates()
        centre = sites.groupby("place", sort=True)[["x", "y"]].mean().to_numpy()[place]
        cell = np.floor(centre / self.block_m).astype(np.int64)
        return pd.factorize(pd.MultiIndex.from_arrays([cell[:, 0], cell[:, 1]]))[0].astype(np.int64)

    def fold_of(self, X: pd.DataFrame, groups: Ints) -> Ints:
        """Fold of each row, shape (n,)."""
        block = self.blocks(X, groups)
        size = np.bincount(block)
        if len(size) < self.n_splits:
            raise ModelError(
                f"evidence: {len(size)} blocks of {self.block_m / 1000:g} km hold all profiles, for {self.n_splits} folds; "
                "expected at least as many blocks: make them smaller"
            )
        return spread_over_folds(size, self.n_splits, self.seed)[block]

    def notes(self, X: pd.DataFrame, groups: Ints) -> list[str]:
        """What blocks test, and whether they are few."""
        count = len(np.unique(self.blocks(X, groups)))
        out = ["spatial blocks: a test of transfer to land without profiles, not the accuracy of the map"]
        if count < _FEW_BLOCKS_PER_FOLD * self.n_splits:
            side = f"{self.block_m / 1000:g} km"
            out.append(f"spatial blocks: only {count} blocks of {side} for {self.n_splits} folds; scores depend on the draw")
        return out


def block_side_m(X: pd.DataFrame, folds: int, range_m: float | None = None) -> float:
    """Side of blocks, to two digits: the range of a variogram, or what puts about ten blocks into each fold.

    The area is that of the convex hull of the profiles. A range so long that fewer than two blocks would fall into each fold is
    cut to the side that gives two.

    Parameters
    ----------
    X : DataFrame
        ``lon``, ``lat``.
    folds : int
    range_m : float, optional
        Distance in metres beyond which residuals are no longer alike.

    Raises
    ------
    ModelError
        The profiles span no area.
    """
    x, y = metres(X)
    try:
        area = ConvexHull(np.column_stack([x, y])).volume
    except (QhullError, ValueError) as fault:
        raise ModelError("evidence: the profiles lie on one line or at one place; expected them to span an area") from fault
    side = math.sqrt(area / (10 * folds)) if range_m is None else min(range_m, math.sqrt(area / (2 * folds)))
    if not side > 0:
        raise ModelError(f"evidence: a variogram range of {range_m} m for the side of blocks; expected a length above zero")
    digits = 1 - math.floor(math.log10(side))
    return float(round(side, digits))
