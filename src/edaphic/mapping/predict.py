"""One tile: read the covariates, keep the valid cells, ask the model for every layer and period, calibrate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphic.covariates.grid import Window
from edaphic.covariates.polygons import region_mask
from edaphic.covariates.sources import AnyLayer
from edaphic.covariates.stack import Stack
from edaphic.errors import ModelError
from edaphic.mapping.cells import Cells, Kept, TileReader, complete_parts
from edaphic.mapping.mask import Bedrock, Mask, soil_share
from edaphic.mapping.names import OF_COVARIATES, MapKey, Period, map_keys, span
from edaphic.mapping.statistics import Asked, Calibration, statistics
from edaphic.model import zones as of_zones
from edaphic.model.answering import answer_bytes
from edaphic.model.soil import Interval, SoilModel
from edaphic.model.zones import AnyModel, ZonedModel, ask, base_of, reply_all, zone_codes
from edaphic.validate.applicability import Applicability, dissimilarity_and_density

__all__ = ["Calibration", "MapKey", "TileWork", "applicability_features"]

Array = NDArray[np.float64]
Arrays = dict[str, NDArray[np.float32]]

CHUNK_BYTES = 32_000_000
"""Memory for the answers that are worked on at once; a tile with more cells is done in parts, which changes no bit."""

COUNTED = (
    "cells", "with_all_covariates", "masked", "with_class_unseen_in_training", "whole_limits_widened", "inside_applicability", "mapped",
    "soil_ends_within", "bedrock_not_known", "bedrock_negative",
)  # fmt: skip
"""What is counted of each tile and period: cells of the region; those with all covariates (masked ones are not looked at and count among
them); masked; with a class unseen in training; where the limits of the whole depth were widened to hold its mean; inside the area of
applicability; with a value in the maps; whose soil ends within the layers; without a depth to bedrock, which have soil all the way down;
and those of them whose depth is negative."""


@dataclass(frozen=True)
class TileWork:
    """Maps of one tile at a time; the same window gives the same bits anywhere, whatever the size of tiles.

    Parameters
    ----------
    model : SoilModel or ZonedModel
    stacks : tuple of Stack
        The covariates of the model and of ``class_masks``, one stack for each period. A layer that is the same in all is read once.
    stats : tuple of str
        As in the recipe: mean, se, spread, tree_se, qNN, tree_qNN, applicability, dissimilarity, point_density.
    calibration : Calibration
    periods : tuple of (first, last)
        ``(None,)`` for maps of one time.
    thresholds : tuple of float
        In the unit of the maps.
    class_masks : tuple of (name of a layer of the stacks, codes)
        Cells of these classes get no value.
    masks : tuple of Mask
    region : Path, optional
        Polygons; cells outside get no value.
    bedrock : Bedrock, optional
        Where soil ends: amounts shrink with the share of a layer that is soil. Contents (g/kg) of a layer do not depend on it, unless
        nothing of the layer is soil: then they have no value.
    applicability : Applicability, optional
    only_applicable : bool
        Cells outside the area of applicability get no value.
    mean_of_periods : bool
        Adds the mean over the periods of the means, where every period has one.
    fixed : tuple of (name of a covariate, value)
        What every cell has of a covariate, whatever its raster says: the zone whose model is to answer everywhere.

    Raises
    ------
    ModelError
        No calibration for a depth, or for other quantiles than the limits and the median; the standard error of a model without little
        bags; nothing that tells the area of applicability; the mean of periods without the statistic ``mean``;
        a depth to bedrock with beta, which has no thickness to lose.

    Notes
    -----
    Calling it gives the arrays by name (see :attr:`MapKey.name`), float32 (height, width) with NaN where there is no value, and
    ``{"by_period": [counts, ...]}``: :data:`COUNTED`, and by name ``masks`` (cells that each mask removes) and ``se_shrunk`` (cells of each
    interval whose plain variance was at or below zero).

    The order is that of cost: polygons of the region, masks, covariates, area of applicability, forest. Where nothing is left the rest is
    not read. The mean of the whole depth is the sum of the means of its layers as stored (contents: their mean by thickness).
    """

    model: AnyModel
    stacks: tuple[Stack, ...]
    stats: tuple[str, ...]
    calibration: Calibration
    periods: tuple[Period | None, ...] = (None,)
    thresholds: tuple[float, ...] = ()
    class_masks: tuple[tuple[str, tuple[int, ...]], ...] = ()
    masks: tuple[Mask, ...] = ()
    region: Path | None = None
    bedrock: Bedrock | None = None
    applicability: Applicability | None = None
    only_applicable: bool = False
    mean_of_periods: bool = False
    fixed: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        faults = self.calibration.faults(self.model.intervals, self.asked.wish.levels)
        if "se" in self.stats and any(forest.bag < 2 for model in _models(self.model) for forest in model.forests):
            faults.append("maps: se of a model without little bags; expected one that was grown with model.forest.little_bags")
        asked = [*(stat for stat in OF_COVARIATES if stat in self.stats), *(["only_applicable"] if self.only_applicable else [])]
        if asked and self.applicability is None:
            faults.append(f"maps: {', '.join(asked)} without an area of applicability; expected the evidence of the model")
        if not self.periods or len(self.stacks) != len(self.periods):
            faults.append(f"maps: {len(self.stacks)} stacks for {len(self.periods)} periods; expected one for each")
        if self.bedrock is not None and self.model.target.quantity == "beta":
            faults.append("maps: a depth to bedrock beside beta; expected a model of stock, density or content")
        if self.mean_of_periods and "mean" not in self.stats:
            faults.append("maps: the mean of periods without their means; expected mean among the statistics")
        if faults:
            raise ModelError(faults)

    def __call__(self, window: Window) -> tuple[Arrays, dict[str, Any]]:
        """Arrays and counts of one tile."""
        arrays: Arrays = {name: np.full(window.shape, np.nan, dtype=np.float32) for name in self.arrays}
        grid = self.stacks[0].grid
        reader = TileReader(self.stacks, window)
        kept = Kept.of(grid, window, None if self.region is None else region_mask(grid, window, self.region)).without(self.masks)
        counts = [self._period(number, reader, kept, arrays) for number in range(len(self.periods))]
        if self.mean_of_periods:
            self._fill_mean_of_periods(arrays)
        return arrays, {"by_period": counts}

    @cached_property
    def asked(self) -> Asked:
        """Statistics of depths, and their calibration."""
        return Asked(tuple(stat for stat in self.stats if stat not in OF_COVARIATES), self.thresholds, self.calibration)

    @cached_property
    def keys(self) -> tuple[MapKey, ...]:
        """All maps, in the order in which they are written."""
        return map_keys(self.stats, self.thresholds, self.model.intervals, self.periods, mean_of_periods=self.mean_of_periods)

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the arrays."""
        return tuple(key.name for key in self.keys)

    @property
    def layers(self) -> tuple[AnyLayer, ...]:
        """Every raster that is read, each once."""
        read = [layer for stack in self.stacks for layer in stack.layers]
        read += [mask.layer for mask in self.masks if mask.layer is not None]
        read += [] if self.bedrock is None else [self.bedrock.layer]
        return tuple(layer for place, layer in enumerate(read) if layer not in read[:place])

    @property
    def bytes_per_cell(self) -> float:
        """Memory that a cell of a tile needs at the peak, besides the answers that are worked on at once."""
        layers = max(len(stack.layers) for stack in self.stacks)
        return 4.0 * len(self.arrays) + 8.0 * layers + 48.0

    @property
    def fixed_bytes(self) -> int:
        """Memory of model and tables, in each process."""
        forests = [forest for model in _models(self.model) for forest in model.forests]
        numbers = sum(array.nbytes for forest in forests for array in vars(forest).values() if isinstance(array, np.ndarray))
        return numbers + (0 if self.applicability is None else 3 * self.applicability.points.nbytes)

    @property
    def lane_bytes(self) -> int:
        """Memory of the cells that are worked on at once, for each tile in work: what is asked with, and what the model answers."""
        models = _models(self.model)
        features = max(len(model.encoder.features) for model in models)
        asked = 8 * self._part * (2 * len(self.model.covariates) + features)
        moved = 16 * self._part * len(self.asked.wish.levels)
        return asked + moved + max(answer_bytes(model, self._part, self.asked.wish) for model in models)

    @cached_property
    def _part(self) -> int:
        """Cells that are worked on at once."""
        features = max(len(model.encoder.features) for model in _models(self.model))
        wish = self.asked.wish
        numbers = len(self.model.intervals) * (3 * len(wish.levels) + 2 * len(wish.tree_levels) + 6)
        return int(np.clip(CHUNK_BYTES // (8 * (len(self.model.covariates) + features + numbers)), 1024, 65536))

    def _period(self, number: int, reader: TileReader, kept: Kept, arrays: Arrays) -> dict[str, Any]:
        """Fill the maps of one period; what was counted."""
        kept = kept.without_classes(self.class_masks, lambda name: reader.read(number, [name])[name])
        counts = Counter({"cells": kept.cells, "masked": kept.cells - kept.left, "with_all_covariates": kept.cells - kept.left})
        shrunk: Counter[str] = Counter()
        if kept.left:
            values = read_covariates(lambda names: reader.read(number, names), self.model.covariates, self.fixed, kept.here.shape)
            depth = None if self.bedrock is None else self.bedrock.depth_cm(reader.window).ravel()
            for part in complete_parts(values, kept.here, self._part):
                self._fill(part, number, depth, arrays, counts, shrunk)
        reader.forget(number)
        found: dict[str, Any] = {name: int(counts[name]) for name in COUNTED}
        names = self.model.intervals if self.asked.wish.error else ()
        return found | {"masks": dict(kept.masks), "se_shrunk": {MapKey("se", i).name: int(shrunk[MapKey("se", i).name]) for i in names}}

    def _fill(
        self, part: Cells, number: int, depth: Array | None, arrays: Arrays, counts: Counter[str], shrunk: Counter[str]
    ) -> None:
        """Fill some cells of a period."""
        counts["with_all_covariates"] += len(part.order)
        counts["with_class_unseen_in_training"] += _unseen(self.model, part.values)
        if self.applicability is not None:
            inside = self._fill_applicability(part, number, arrays)
            counts["inside_applicability"] += int(inside.sum())
            part = part.take(inside) if self.only_applicable else part
        share = None
        if depth is not None:
            part, share = self._soil(part, depth, counts)
        counts["mapped"] += len(part.order)
        if not len(part.order):
            return
        asked = ask(self.model, part.values)
        answers = reply_all(asked, self.asked.wish, share)
        model = self.model
        for place, (interval, rows) in enumerate(zip(model.intervals, answers.se_shrunk, strict=True)):
            if share is not None and rows.size:  # where nothing is soil there was nothing to estimate
                rows = rows & (share[:, place] > 0.0 if place < len(model.layers) else share.any(axis=1))
            shrunk[MapKey("se", interval).name] += int(rows.sum())
        for interval, found, widened in statistics(
            self.asked, answers, model.target, model.layers, model.whole,
            zones=zone_codes(model, part.values), trees=_trees(asked), share=share,
        ):  # fmt: skip
            counts["whole_limits_widened"] += widened
            for stat, values in found.items():
                _put(arrays, MapKey(stat, interval, self.periods[number]), part, values)

    def _soil(self, part: Cells, depth: Array, counts: Counter[str]) -> tuple[Cells, Array]:
        """Share of each layer that is soil; of contents, without the cells that have no soil at all."""
        own = depth[part.order]
        counts["bedrock_not_known"] += int(np.sum(np.isinf(own) | (own < 0)))
        counts["bedrock_negative"] += int(np.sum(own < 0))
        counts["soil_ends_within"] += int(np.sum((own >= 0) & (own < self.model.layers[-1][1])))
        share = soil_share(own, self.model.layers)
        if self.model.target.quantity != "soc":
            return part, share
        some: NDArray[np.bool_] = np.asarray(share.any(axis=1))
        return part.take(some), share[some]

    def _fill_applicability(self, part: Cells, number: int, arrays: Arrays) -> NDArray[np.bool_]:
        """Fill what is known of the covariates alone; where the cells lie inside the area of applicability."""
        assert self.applicability is not None
        di, density = dissimilarity_and_density(self.applicability, applicability_features(self.model, part.values), 1)
        inside: NDArray[np.bool_] = np.asarray(density > 0)
        depth = self._depth
        for stat, values in {"dissimilarity": di, "point_density": density, "applicability": inside}.items():
            if stat in self.stats:
                _put(arrays, MapKey(stat, depth, self.periods[number]), part, values)
        return inside

    @property
    def _depth(self) -> Interval:
        """All depths together."""
        return (self.model.layers[0][0], self.model.layers[-1][1])

    def _fill_mean_of_periods(self, arrays: Arrays) -> None:
        """The mean over the periods of the maps of the mean, as stored."""
        for interval in self.model.intervals:
            parts = np.stack([arrays[MapKey("mean", interval, period).name] for period in self.periods]).astype(np.float64)
            arrays[MapKey("mean", interval, span(self.periods)).name] = parts.mean(axis=0).astype(np.float32)


def read_covariates(
    read: Callable[[Sequence[str]], Mapping[str, NDArray[np.float32]]],
    names: Sequence[str],
    fixed: Sequence[tuple[str, float]],
    shape: tuple[int, int],
) -> list[NDArray[np.float32]]:
    """Covariates of a window in the order of their names; those that are fixed are not read."""
    known = dict(fixed)
    found = read([name for name in names if name not in known])
    return [np.full(shape, known[name], dtype=np.float32) if name in known else found[name] for name in names]


def applicability_features(model: AnyModel, cells: NDArray[np.floating]) -> NDArray[np.float32]:
    """Features without depth, in whose space cells lie near to profiles or far from them.

    Parameters
    ----------
    model : SoilModel or ZonedModel
        Of zones, the model of all cells gives the features.
    cells : array (n, number of covariates)
        In the order of ``model.covariates``.
    """
    base = base_of(model)
    columns = [model.covariates.index(name) for name in base.covariates]
    features = base.encoder.transform(cells[:, columns])
    return features[:, :-2] if base.encoder.depth else features


def _put(arrays: Arrays, key: MapKey, part: Cells, values: NDArray[Any]) -> None:
    arrays[key.name].reshape(-1)[part.order] = values


def _models(model: AnyModel) -> tuple[SoilModel, ...]:
    """Every model that answers for some cells."""
    return (*(own for _, own in model.models), model.everywhere) if isinstance(model, ZonedModel) else (model,)


def _trees(asked: of_zones.Asked) -> float | Array:
    """Trees that answer for each cell."""
    if len(asked.parts) == 1:
        return float(asked.parts[0][0].forests[0].trees)
    out = np.empty(asked.size)
    for model, rows, _ in asked.parts:
        out[rows] = model.forests[0].trees
    return out


def _unseen(model: AnyModel, cells: Array) -> int:
    """Cells with a class that no training profile had, or in a zone that none lay in."""
    base = base_of(model)
    rows = base.encoder.unseen(cells[:, [model.covariates.index(name) for name in base.covariates]])
    if isinstance(model, ZonedModel):
        rows |= ~np.isin(cells[:, model.covariates.index(model.zone)], [code for code, _ in model.counts])
    return int(rows.sum())

