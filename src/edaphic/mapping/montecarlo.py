"""Monte Carlo of what maps are made of: errors of the inputs, forests of other profiles, the residual error of the target.

A realisation is a whole map: inputs drawn around their values with errors that are alike in neighbouring cells
(:mod:`edaphic.mapping.noise`), asked of one of the bootstrap forests (:mod:`edaphic.model.bootstrap`), plus an error drawn from the
held-out residuals. All realisations of a cell are in memory together, so percentiles are exact; a tile is worked on in blocks of cells, so
memory is bounded. Nothing of a cell depends on the tile or block that it lies in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.grid import Window
from edaphic.covariates.polygons import region_mask
from edaphic.covariates.sources import AnyLayer
from edaphic.covariates.stack import Stack
from edaphic.errors import ModelError
from edaphic.mapping.cells import Cells, Kept, TileReader, complete_parts
from edaphic.mapping.drawing import Draws, Error, Residuals
from edaphic.mapping.mask import Bedrock, Mask, soil_share
from edaphic.mapping.noise import Noise, Placed, stream_of
from edaphic.mapping.place import Place
from edaphic.mapping.predict import applicability_features, read_covariates
from edaphic.mapping.regional import TOGETHER, Regions, Totals, level_name, summaries, weighted_sums
from edaphic.mapping.subsoil import LEAST_BETA, MOST_BETA, layer_factor
from edaphic.model.bootstrap import layer_means, load_means
from edaphic.model.soil import Interval, Target, interval_name
from edaphic.model.zones import AnyModel
from edaphic.units import in_map_unit
from edaphic.validate.applicability import Applicability, dissimilarity_and_density

Array = NDArray[np.float64]

ROOM = 192_000_000
"""Bytes of realisations that a block of cells may take."""

ROOM_SHARE = 0.2
"""Part of the memory that is allowed which the blocks of all tiles in work may take."""

TOGETHER_IN_SPACE = 65_536
"""Cells whose place in the space of covariates is looked at together."""

ROWS = 32_768
"""Rows that are asked of a forest at a time: draws times cells."""


@dataclass(frozen=True)
class Ground:
    """Cells of a window that are mapped: ``cells`` (n,) flat indices, ``values`` (n, covariates), ``thickness`` (n, L) share that is soil
    (None: all of it)."""

    cells: NDArray[np.intp]
    values: Array
    thickness: Array | None = None


class Share(Protocol):
    """Tells which part of each cell counts; can be pickled."""

    def read(self, window: Window) -> Array:
        """Shares (height, width) of a window, 0 to 1."""
        ...


class Reader(Protocol):
    """Reads the cells of a window that are mapped; can be pickled."""

    def __call__(self, window: Window) -> Ground: ...


@dataclass(frozen=True)
class Land:
    """Reads the cells that :class:`~edaphic.mapping.predict.TileWork` maps too.

    ``model``: the final one, for its covariates and the area of applicability; its forests may be left out. The rest as there.
    """

    model: AnyModel
    stack: Stack
    class_masks: tuple[tuple[str, tuple[int, ...]], ...] = ()
    masks: tuple[Mask, ...] = ()
    region: Path | None = None
    bedrock: Bedrock | None = None
    applicability: Applicability | None = None
    fixed: tuple[tuple[str, float], ...] = ()

    def __call__(self, window: Window) -> Ground:
        reader = TileReader((self.stack,), window)
        inside = None if self.region is None else region_mask(self.stack.grid, window, self.region)
        kept = Kept.of(self.stack.grid, window, inside).without(self.masks)
        kept = kept.without_classes(self.class_masks, lambda name: reader.read(0, [name])[name])
        nothing = Ground(np.empty(0, dtype=np.intp), np.empty((0, len(self.model.covariates))))
        if not kept.left:
            return nothing
        layers = read_covariates(lambda names: reader.read(0, names), self.model.covariates, self.fixed, kept.here.shape)
        parts = [part for part in map(self._applicable, complete_parts(layers, kept.here, self._together(window))) if len(part.order)]
        if not parts:
            return nothing
        cells, values = (np.concatenate(own) if len(own) > 1 else own[0] for own in zip(*((p.order, p.values) for p in parts), strict=True))
        if self.bedrock is None:
            return Ground(cells, values)
        share = soil_share(self.bedrock.depth_cm(window).ravel()[cells], self.model.layers)
        if self.model.target.quantity != "soc" or share.any(axis=1).all():
            return Ground(cells, values, share)
        some = share.any(axis=1)
        return Ground(cells[some], values[some], share[some])

    def _together(self, window: Window) -> int:
        """Cells that are looked at together: encoding for the area of applicability takes memory, so there they are few."""
        return window.height * window.width if self.applicability is None else TOGETHER_IN_SPACE

    def _applicable(self, part: Cells) -> Cells:
        """Cells inside the area of applicability, where that counts."""
        if self.applicability is None:
            return part
        near = dissimilarity_and_density(self.applicability, applicability_features(self.model, part.values), 1)[1]
        return part.take(np.asarray(near > 0))


def room_of_blocks(place: Place) -> int:
    """Bytes of realisations that a block of cells may take, where so much memory is allowed."""
    return int(min(ROOM, ROOM_SHARE * place.allowed() / max(1, place.lanes)))


def block_cells(room: int, realisations: int, intervals: int) -> int:
    """Cells that are worked on at a time."""
    return min(ROWS // 2, max(64, room // (4 * realisations * intervals)))


def block_bytes(room: int, realisations: int, intervals: int, layers: int, covariates: int, streams: int, nodes: int) -> int:
    """Memory of the blocks of one tile in work without a forest: realisations, places between nodes, rows for the forests.

    ``streams``: of errors of covariates and of residuals; ``nodes``: that each cell is made of.
    """
    block = block_cells(room, realisations, intervals)
    rows = ROWS * (40 * covariates + 160 * layers)
    # Nodes of a short range are hardly shared: every one has a normal for each stream.
    places = block * nodes * (72 + 8 * streams)
    return int(1.1 * block * 4 * realisations * intervals) + rows + places + 32 * TOGETHER * realisations


@dataclass(frozen=True)
class Below:
    """Stocks that are made of beta: a raster of the topsoil's stock in ``unit``, its layer, its relative standard deviation, and the
    intervals that are wanted."""

    topsoil: AnyLayer
    unit: str
    layer: Interval
    relative_sd: float
    intervals: tuple[Interval, ...]

    def known(self, window: Window, cells: NDArray[np.intp]) -> Array:
        """Stock of the topsoil of some cells, kg/m2; NaN where there is none."""
        stock = in_map_unit(self.topsoil.read(window).ravel()[cells], self.unit, self.layer, "kg/m2")
        return np.where(stock < 0, np.nan, stock)

    def fill(self, out: NDArray[np.float32], known: Array | None, placed: Placed, draw: int) -> None:
        """Fill one realisation: ``out[0]`` is beta, the rows behind it are the stocks of the intervals."""
        assert known is not None
        sd = np.sqrt(np.log1p(self.relative_sd**2))
        stock = known * np.exp(sd * placed.draw(draw, [stream_of("topsoil")])[0] - sd * sd / 2) if sd else known
        beta = np.clip(out[0].astype(np.float64), LEAST_BETA, MOST_BETA)
        for row, interval in enumerate(self.intervals, start=1):
            out[row] = stock * layer_factor(beta, interval, self.layer[1])


@dataclass(frozen=True)
class MonteWork:
    """Monte Carlo of one tile: called with a window, it gives maps by name and facts. Pure, and can be pickled.

    ``forests``: files of :func:`~edaphic.model.bootstrap.save_means`; ``covariates``: names of the columns that ``reader`` gives;
    ``below``: stocks that are made of beta in each realisation; ``share``: part of each cell that counts in totals;
    ``intervals``: layers, then the whole depth where there is one; ``levels``: of the percentiles.
    """

    grid: GeoBox
    reader: Reader
    covariates: tuple[str, ...]
    target: Target
    layers: tuple[Interval, ...]
    whole: Interval | None
    forests: tuple[Path, ...]
    draws: Draws
    errors: tuple[Error, ...]
    noise: Noise
    residuals: Residuals | None
    residual_noise: Noise
    regions: Regions
    levels: tuple[float, ...] = (0.025, 0.975)
    relative_width: bool = False
    room: int = ROOM
    below: Below | None = None
    share: Share | None = None

    def __post_init__(self) -> None:
        if self.draws.forests != len(self.forests):
            raise ModelError(f"Monte Carlo: {len(self.forests)} forests; expected {self.draws.forests}")

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The layers, then the whole depth where there is one."""
        return self.layers + ((self.whole,) if self.whole else ())

    @property
    def made(self) -> tuple[tuple[str, Interval], ...]:
        """Quantity and interval of all that is drawn: the target, and with beta the stocks made of it."""
        own = tuple((self.target.quantity, interval) for interval in self.intervals)
        return own + (() if self.below is None else tuple(("soc_stock", interval) for interval in self.below.intervals))

    def name_of(self, stat: str, quantity: str, interval: Interval) -> str:
        """Name of an array."""
        name = array_name(stat, interval)
        return name if quantity == self.target.quantity else f"{quantity}_{name}"

    @property
    def stats(self) -> tuple[str, ...]:
        """Statistics of each quantity and interval."""
        last = ("mc_relative_width",) if self.relative_width else ()
        return ("mc_mean", "mc_sd", *(f"mc_{level_name(level)}" for level in self.levels), *last)

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of what it yields."""
        return tuple(self.name_of(stat, *made) for made in self.made for stat in self.stats)

    @property
    def block(self) -> int:
        """Cells that are worked on at a time."""
        return block_cells(self.room, self.draws.realisations, len(self.made))

    @property
    def bytes_per_cell(self) -> float:
        """Memory of a cell of a tile in work: its covariates as they are read and kept, its maps, and its area."""
        return 12.0 * len(self.covariates) + 4.0 * len(self.arrays) + 8.0 * len(self.layers) + 40.0

    @property
    def fixed_bytes(self) -> int:
        """Memory of the blocks of one tile in work: realisations, places between nodes, rows for the forests, one forest."""
        streams = sum(len(error.streams) for error in self.errors) + len(self.layers) + (self.below is not None)
        forest = max((path.stat().st_size for path in self.forests if path.exists()), default=0)
        counts = (self.draws.realisations, len(self.made), len(self.layers), len(self.covariates), streams, self.noise.nodes_per_cell)
        return block_bytes(self.room, *counts) + 3 * forest

    def __call__(self, window: Window) -> tuple[dict[str, NDArray], dict[str, Any]]:
        ground = self.reader(window)
        shape = window.height * window.width
        out = {name: np.full(shape, np.nan, dtype=np.float32) for name in self.arrays}
        columns = self.draws.realisations + len(self.levels) + 1
        totals = Totals((len(self.made), columns))
        below = 0
        areas, codes = self.regions.areas(window, ground.cells), self.regions.codes(window, ground.cells)
        if self.share is not None:
            areas = np.rint(areas * self.share.read(window).ravel()[ground.cells]).astype(np.int64)
        for start in range(0, len(ground.cells), self.block):
            part = slice(start, start + self.block)
            cells, thickness = ground.cells[part], None if ground.thickness is None else ground.thickness[part]
            values, negative = self._realise(window, cells, ground.values[part], thickness)
            below += negative
            limits = self._summarise(values, cells, out)
            for group, members in self.regions.groups([code[part] for code in codes], len(cells)):
                totals.add(group, len(members), self._sums(values, limits, areas[part], members))
        facts = {"cells": len(ground.cells), "below_zero": below, "totals": totals.to_facts()}
        return {name: values.reshape(window.shape) for name, values in out.items()}, facts

    def _sums(
        self, values: NDArray[np.float32], limits: NDArray[np.float32], areas: NDArray[np.int64], members: NDArray[np.intp]
    ) -> NDArray[np.int64]:
        """Sums of realisations, percentiles and area over some cells: (intervals, columns)."""
        given = np.isfinite(values[:, :1]).astype(np.float32)
        rows = [[weighted_sums(part[i], areas, members) for part in (values, limits, given)] for i in range(len(values))]
        return np.stack([np.concatenate(row) for row in rows])

    def _realise(
        self, window: Window, cells: NDArray[np.intp], given: Array, thickness: Array | None
    ) -> tuple[NDArray[np.float32], int]:
        """All realisations of a block: float32 (made, realisations, n); and how many values below zero were set to zero."""
        out = np.empty((len(self.made), self.draws.realisations, len(cells)), dtype=np.float32)
        topsoil = None if self.below is None else self.below.known(window, cells)
        inputs, around = self.noise.place(window, cells), self.residual_noise.place(window, cells)
        negative = 0
        for number, path in enumerate(self.forests):
            model = load_means(path)
            own, together = self.draws.of(number), max(1, ROWS // len(cells))
            for some in (own[first : first + together] for first in range(0, len(own), together)):
                rows = np.concatenate([self._inputs(given, inputs, draw) for _, draw in some])
                mean, fitted = self._ask(model, rows)
                for place, (realisation, draw) in enumerate(some):
                    part = slice(place * len(cells), (place + 1) * len(cells))
                    negative += self._finish(out[:, realisation], mean[:, part], fitted[:, part], around, realisation, thickness)
                    if self.below is not None:
                        self.below.fill(out[:, realisation], topsoil, inputs, draw)
        return out, negative

    def _inputs(self, given: Array, placed: Placed, draw: int) -> Array:
        """Covariates of a draw: (n, covariates)."""
        streams = [stream for error in self.errors for stream in error.streams]
        if not streams:
            return given
        fields = placed.draw(draw, streams)
        values, first = given.copy(), 0
        for error in self.errors:
            if not error.streams:
                continue
            column = self.covariates.index(error.name)
            values[:, column] = error.drawn(given[:, column], fields[first : first + len(error.streams)])
            first += len(error.streams)
        return values

    def _ask(self, model: AnyModel, rows: Array) -> tuple[Array, Array]:
        """Means of the layers of rows, and on the scale of the trees, in the unit of answers, of layers that are all soil."""
        columns = [self.covariates.index(name) for name in model.covariates]
        mean, fitted = layer_means(model, rows[:, columns])
        factor = np.array([self.target.factor(layer) for layer in self.layers])[:, None]
        return mean * factor, fitted + np.log(factor) if self.target.log else fitted * factor

    def _finish(
        self, out: NDArray[np.float32], mean: Array, fitted: Array, around: Placed, realisation: int, thickness: Array | None
    ) -> int:
        """Fill one realisation (intervals, n): residuals, true thickness, the whole depth."""
        values, negative = mean, 0
        if self.residuals is not None:
            streams = [stream_of(f"residual {interval_name(layer)}") for layer in self.layers]
            error = self.residuals.drawn(around.draw(realisation, streams))
            values = np.exp(fitted + error) if self.target.log else mean + error
            low = values < 0.0
            negative = int(low.sum())
            values = np.where(low, 0.0, values)
        share = None if thickness is None else thickness.T
        if self.whole is not None:
            out[len(self.layers)] = _whole(self.target, self.layers, values, share)
        if share is not None:
            # A content does not depend on thickness, but where nothing of the layer is soil there is none.
            values = values * share if self.target.quantity == "soc_stock" else np.where(share > 0, values, np.nan)
        out[: len(self.layers)] = values
        return negative

    def _summarise(self, values: NDArray[np.float32], cells: NDArray[np.intp], out: Mapping[str, NDArray]) -> NDArray[np.float32]:
        """Fill the maps of a block; the percentiles (intervals, levels, n)."""
        limits = np.empty((len(self.made), len(self.levels), values.shape[2]), dtype=np.float32)
        for i, made in enumerate(self.made):
            found = summaries(values[i], self.levels)
            limits[i] = found[2:]
            if self.relative_width:
                with np.errstate(invalid="ignore", divide="ignore"):
                    found = np.vstack([found, (found[-1] - found[2]) / found[0]])
            for stat, row in zip(self.stats, found, strict=True):
                out[self.name_of(stat, *made)][cells] = row
        return limits


def array_name(stat: str, interval: Interval) -> str:
    """Name of a map; that of its file has the quantity before it.

    >>> array_name("mc_mean", (0.0, 30.0))
    'mc_mean_0-30cm'
    """
    return f"{stat}_{interval_name(interval)}cm"


def _whole(target: Target, layers: Sequence[Interval], values: Array, share: Array | None) -> Array:
    """The whole depth of one realisation, of layers that are all soil: the sum of stocks; contents by the thickness that is soil."""
    weight = np.ones_like(values) if share is None else share
    if target.quantity == "soc":
        weight = weight * np.array([bottom - top for top, bottom in layers])[:, None]
    total, over = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for own, factor in zip(values, weight, strict=True):  # in this order whatever the number of cells
        total += own * factor
        over += factor
    if target.quantity != "soc":
        return total
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / over)
