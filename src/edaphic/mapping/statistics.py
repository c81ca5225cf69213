"""From what a model answers for some cells to the statistics of maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.mapping.names import level_of, threshold_stat, tree_level_of
from edaphic.mapping.quantiles import MIDDLE, calibrate, exceedance, moves_at
from edaphic.model.answering import Answers
from edaphic.model.soil import Interval, Target, combine_means, interval_name
from edaphic.model.traverse import Wish
from edaphic.validate.calibration import level_moves_for, moves_for

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Moves:
    """Moves of the limits, (n,) or one for all, outward; ``by_level`` (k,) or (n, k): of every level, or None."""

    lower: Array
    upper: Array
    by_level: Array | None

    def times(self, factor: Array | None) -> Moves:
        """Moves of amounts of which only a part is there."""
        if factor is None:
            return self
        by_level = None if self.by_level is None else self.by_level * factor[:, None]
        return Moves(self.lower * factor, self.upper * factor, by_level)

    def towards(self, other: Moves, way: Array) -> Moves:
        """Those so far on the way to others, 0 to 1, to the bit at either end."""
        by_level = None
        if self.by_level is not None and other.by_level is not None:
            by_level = _between(self.by_level, other.by_level, way[:, None])
        return Moves(_between(self.lower, other.lower, way), _between(self.upper, other.upper, way), by_level)


def _between(one: Array, other: Array, way: Array) -> Array:
    return np.where(way <= 0.0, one, np.where(way >= 1.0, other, one + way * (other - one)))


@dataclass(frozen=True)
class Calibration:
    """How quantiles of the forest become those of the evidence.

    ``limits``: levels of the interval's limits; ``adjustments``: those of :func:`~edaphic.validate.calibration.fit_adjustments`;
    ``by_level``: those of :func:`~edaphic.validate.calibration.fit_level_adjustments`, for other quantiles than the limits and the median.
    """

    limits: tuple[float, float]
    adjustments: pd.DataFrame
    by_level: pd.DataFrame | None = None

    @cached_property
    def known(self) -> tuple[float, ...]:
        """Levels that have a move of their own."""
        return () if self.by_level is None else tuple(sorted(float(level) for level in self.by_level["level"].unique()))

    def faults(self, intervals: Sequence[Interval], levels: Sequence[float]) -> list[str]:
        """What it lacks for quantiles of these depths and levels."""
        if not levels:
            return []
        tables: dict[str, pd.DataFrame] = {"calibration": self.adjustments}
        if any(level not in (*self.limits, MIDDLE) for level in levels):
            if self.by_level is None or not len(self.by_level):
                return ["evidence: no conformal_levels.csv; expected it for other quantiles than the limits, and for thresholds"]
            tables["calibration by level"] = self.by_level
        out = []
        for what, table in tables.items():
            known = set(zip(table["top_cm"].astype(float), table["bottom_cm"].astype(float), strict=True))
            lacking = [interval for interval in intervals if interval not in known]
            if lacking:
                out.append(f"evidence: no {what} for the depths {lacking}; expected one for each layer of the model")
        return out

    def moves(self, levels: Sequence[float], interval: Interval, zones: NDArray[np.int64] | None) -> Moves:
        """How quantiles of one interval move."""
        by_level = None
        if len(levels) > 3 and self.by_level is not None:
            by_level = moves_at(level_moves_for(self.by_level, interval, zones), self.known, levels)
        lower, upper = moves_for(self.adjustments, interval, zones)
        return Moves(np.asarray(lower), np.asarray(upper), by_level)


@dataclass(frozen=True)
class Asked:
    """What is asked for: statistics of depths, in the order of the maps, and how the quantiles of the forest are calibrated."""

    stats: tuple[str, ...]
    thresholds: tuple[float, ...]
    calibration: Calibration

    @cached_property
    def wish(self) -> Wish:
        """What the forest is asked for; quantiles, which cost more than all the rest, only where a map is made of them."""
        levels = {level for stat in self.stats if (level := level_of(stat)) is not None}
        if levels or self.thresholds:
            levels |= {*self.calibration.limits, MIDDLE, *(self.calibration.known if self.thresholds else ())}
        of_trees = {level for stat in self.stats if (level := tree_level_of(stat)) is not None}
        return Wish(levels=tuple(sorted(levels)), tree_levels=tuple(sorted(of_trees)), error="se" in self.stats)

    def notes(self, intervals: Sequence[Interval]) -> list[str]:
        """Quantiles that lie too far out for the held-out profiles that calibrate them: (n + 1) tail < 1."""
        table = self.calibration.by_level
        levels = {stat: level for stat in self.stats if (level := level_of(stat)) not in (None, MIDDLE, *self.calibration.limits)}
        if table is None or not levels:
            return []
        out = []
        for interval in intervals:
            own = table[(table["top_cm"] == interval[0]) & (table["bottom_cm"] == interval[1]) & table["zone"].isna()]
            few = 0 if own["pooled"].iloc[0] else int(own["n"].iloc[0])
            thin = [stat for stat, level in levels.items() if few and level and (few + 1) * min(level, 1 - level) < 1]
            if thin:
                where = f"{interval_name(interval)} cm: {few} held-out profiles are too few to calibrate {', '.join(thin)}"
                out.append(f"{where}; it moves by the largest error seen")
        return out


def statistics(
    asked: Asked,
    answers: Answers,
    target: Target,
    layers: Sequence[Interval],
    whole: Interval | None,
    *,
    zones: NDArray[np.int64] | None = None,
    trees: float | Array = 1.0,
    share: Array | None = None,
) -> Iterator[tuple[Interval, Mapping[str, NDArray[np.floating]], int]]:
    """Statistics of cells, interval by interval.

    Parameters
    ----------
    asked : Asked
    answers : Answers
        Of the layers, then of the whole depth where there is one.
    target : Target
    layers : sequence of (top_cm, bottom_cm)
    whole : (top_cm, bottom_cm) or None
    zones : int array (n,), optional
        Zone of each cell, for its calibration.
    trees : float or array (n,)
        Number of trees that answered.
    share : array (n, number of layers), optional
        Share of each layer that is soil, with which the answers were made.

    Yields
    ------
    interval, statistics by name (n,), number of cells where the limits of the whole depth were widened to hold its mean
    """
    contents = target.quantity == "soc"
    levels = asked.wish.levels
    means: list[NDArray[np.float32]] = []
    floor = np.zeros((1, len(levels)))
    for i, interval in enumerate((*layers, *((whole,) if whole else ()))):
        # Rounded before they are added, so that the maps of the layers add up to the map of the whole as stored.
        mean = answers.mean[i].astype(np.float32)
        of_whole = i == len(layers)
        if of_whole:
            mean = _mean_of_whole(target, layers, means, share if contents else None).astype(np.float32)
        means.append(mean)
        own = None if share is None or contents else share[:, i] if not of_whole else share_of_whole(share, layers)
        quantiles, widened = answers.quantiles[i], np.zeros(len(mean), dtype=bool)
        if levels:
            moves = asked.calibration.moves(levels, interval, zones).times(None if target.log else own)
            if of_whole and share is not None:
                first = asked.calibration.moves(levels, layers[0], zones).times(None if target.log or contents else share[:, 0])
                # From those of the first layer, where soil ends in it, to those of the whole, where it ends nowhere.
                moves = first.towards(moves, share_of_whole(share[:, 1:], layers[1:]))
            inside = mean.astype(np.float64) if of_whole else None
            quantiles, widened = calibrate(
                answers.quantiles[i], levels, asked.calibration.limits, (moves.lower, moves.upper), moves.by_level,
                log=target.log, within=inside,
            )  # fmt: skip
            if inside is not None and not contents:
                _not_below(quantiles, floor, inside, lower=int(np.searchsorted(levels, asked.calibration.limits[0])))
            floor = np.maximum(floor, quantiles)
        known = _Known(asked, answers, i, mean, quantiles, trees, None if own is None else own == 0.0)
        found = {stat: known.of(stat) for stat in asked.stats} | {
            threshold_stat(value): known.exceeds(value) for value in asked.thresholds
        }
        if share is not None and contents and not of_whole:
            gone = share[:, i] == 0.0
            found = {stat: np.where(gone, np.nan, values) for stat, values in found.items()}
        yield interval, found, int(widened.sum())


def _not_below(quantiles: Array, floor: Array, mean: Array, lower: int) -> None:
    """A sum of amounts is at no level less than any of them; nor is its lower limit above its mean. In place."""
    np.maximum(quantiles, floor, out=quantiles)
    quantiles[:, : lower + 1] = np.minimum(quantiles[:, : lower + 1], mean[:, None])


@dataclass(frozen=True)
class _Known:
    """What is known of one interval; ``empty`` (n,): where nothing of it is soil."""

    asked: Asked
    answers: Answers
    number: int
    mean: NDArray[np.float32]
    quantiles: Array
    trees: float | Array
    empty: NDArray[np.bool_] | None

    def of(self, stat: str) -> NDArray[np.floating]:
        """One statistic of the forest."""
        level, tree_level = level_of(stat), tree_level_of(stat)
        if level is not None:
            return self.quantiles[:, self.asked.wish.levels.index(level)]
        if tree_level is not None:
            return self.answers.tree_quantiles[self.number, :, self.asked.wish.tree_levels.index(tree_level)]
        return _OF_FOREST[stat](self)

    def exceeds(self, threshold: float) -> Array:
        """Probability to exceed a threshold; none where nothing is soil."""
        found = exceedance(self.quantiles, self.asked.wish.levels, threshold)
        return found if self.empty is None else np.where(self.empty, 0.0, found)


def share_of_whole(share: Array, layers: Sequence[Interval]) -> Array:
    """Share of the whole depth that is soil, from those of its layers (n, number of layers).

    >>> share_of_whole(np.array([[1.0, 0.5]]), [(0.0, 30.0), (30.0, 130.0)]).round(3)
    array([0.615])
    """
    thickness = [bottom - top for top, bottom in layers]
    total = np.zeros(len(share))
    for i, own in enumerate(thickness):
        total += share[:, i] * own
    return total / sum(thickness)


def _mean_of_whole(
    target: Target, layers: Sequence[Interval], means: Sequence[NDArray[np.float32]], share: Array | None
) -> Array:
    """Mean of the whole depth from the stored means of its layers; contents by the thickness that is soil."""
    if share is None:
        return combine_means(target, layers, [mean.astype(np.float64) for mean in means])
    total, weight = np.zeros(len(share)), np.zeros(len(share))
    for i, (top, bottom) in enumerate(layers):
        own = share[:, i] * (bottom - top)
        total += np.where(own > 0, own * means[i].astype(np.float64), 0.0)
        weight += own
    return total / weight


_OF_FOREST: Mapping[str, Callable[[_Known], NDArray[np.floating]]] = {
    "mean": lambda known: known.mean,
    "se": lambda known: known.answers.se[known.number],
    "spread": lambda known: known.answers.spread[known.number],
    "tree_se": lambda known: known.answers.spread[known.number] / np.sqrt(known.trees),
}
"""Statistics without a level. ``tree_se`` is the spread of the trees over the root of their number: an error of the forest mean as if trees
were independent draws of the truth, which they are not; it is there to repeat published maps."""
