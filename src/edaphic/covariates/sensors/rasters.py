"""Pairs from two rasters: the other sensor is brought to the grid of the reference, and cells are drawn at random."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.facts import Source
from edaphic.covariates.grid import grid_like
from edaphic.covariates.sensors.line import Floats
from edaphic.covariates.sensors.pairs import Flags, Pairs, Screen, screened
from edaphic.covariates.sources import Layer, check_sources, open_layer
from edaphic.covariates.window import Window, windows
from edaphic.errors import RasterError
from edaphic.progress import Say

SIZE = 512
"""Rows and columns that are read at a time; the pairs do not depend on it."""

BLOCKS = 100
"""About so many blocks of cells cover the pairs, unless told."""

LARGEST = {"uint8": 255.0, "uint16": 65535.0}
"""The number that a saturated cell has, by the type of the file."""

QA_BITS = (0, 1, 2, 3, 4, 5)
"""Of Landsat's QA_PIXEL, Collection 2: fill, dilated cloud, cirrus, cloud, shadow of cloud, snow."""


@dataclass(frozen=True)
class Mask:
    """A raster of codes that says which cells count.

    Parameters
    ----------
    source : Source
        Of kind class; taken from the cell under the centre of the grid cell.
    bits : tuple of int
        A cell in which any of these bits is set does not count.
    keep : tuple of int
        Where given, only cells with one of these codes count.

    Examples
    --------
    >>> Mask(Source("qa", "qa.tif", kind="class"), bits=(3,)).good(np.array([0.0, 8.0, np.nan])).tolist()
    [True, False, False]
    """

    source: Source
    bits: tuple[int, ...] = ()
    keep: tuple[int, ...] = ()

    def good(self, codes: NDArray[np.floating]) -> Flags:
        """Which of the codes count; NaN does not."""
        known = np.isfinite(codes)
        whole = np.where(known, codes, 0).astype(np.int64)
        good: Flags = known & ((whole & sum(1 << bit for bit in set(self.bits))) == 0)
        return good & np.isin(whole, self.keep) if self.keep else good


@dataclass
class _Band:
    """A band of both sensors, and the pairs of it that were found so far."""

    name: str
    reference: tuple[Layer, Layer | None]
    other: tuple[Layer, Layer | None]
    kept: list[tuple[NDArray[np.uint64], NDArray[np.int64], Floats, Floats]]
    seen: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def raster_pairs(
    bands: Mapping[str, tuple[Source, Source]],
    *,
    sample: int = 10_000,
    seed: int = 0,
    screen: Screen | None = None,
    masks: Sequence[Mask] = (),
    saturated: float | str | None = "auto",
    block: int | None = None,
    say: Say | None = None,
) -> tuple[list[Pairs], list[str]]:
    """Pairs of co-located cells.

    Parameters
    ----------
    bands : mapping of band to (reference, other)
        Sources in any CRS and resolution. The grid is that of the first reference; the other is read there as any layer is: interpolated,
        averaged where it is finer by 2 or more, or as it is where the cells are the same.
    sample : int
        Most pairs of a band, drawn at random without replacement from all cells that both sensors saw; the same seed draws the same.
    seed : int
    screen : Screen, optional
    masks : sequence of Mask
        A cell counts where all of them say so.
    saturated : float, "auto" or None
        Stored number of saturated cells, which do not count, nor do cells that were interpolated from one. "auto" is 255 of 8-bit and
        65535 of 16-bit files without sign.
    block : int, optional
        Rows and columns of the blocks that are groups of pairs; so that about a hundred cover the pairs unless given.
    say : callable, optional

    Returns
    -------
    (pairs, notes) : list of Pairs, and of str: what was assumed

    Raises
    ------
    RasterError
        Files that cannot be read or do not overlap.
    GridError
        The reference has no grid that can be used.
    """
    if sample < 1 or (block is not None and block < 1):
        raise ValueError(f"sample {sample}, block {block}; expected at least 1")
    first, *rest = bands.values()
    grid = grid_like(first[0].path)
    # The first band tells of files that lie apart; the same line for each band would hide it.
    for faults in (check_sources(first, grid), check_sources([s for pair in rest for s in pair] + [m.source for m in masks], grid)):
        if faults:
            raise RasterError(faults)
    notes: list[str] = []
    opened = [_opened(name, pair, grid, saturated, notes) for name, pair in bands.items()]
    notes += _grid_notes(opened[0])
    covers = [(mask, open_layer(mask.source, grid)) for mask in masks]
    parts = windows(grid, SIZE)
    for number, window in enumerate(parts):
        if say is not None:
            say("pairs", number, len(parts))
        _look(opened, window, grid.shape[1], covers, screen or Screen(), sample, seed)
    return _joined(opened, grid.shape[1], block, sample), notes


def _opened(name: str, pair: tuple[Source, Source], grid: GeoBox, saturated: float | str | None, notes: list[str]) -> _Band:
    layers = []
    for source in pair:
        layer = open_layer(source, grid)
        number = LARGEST.get(layer.facts.dtype) if saturated == "auto" else saturated
        twin = None
        if number is not None and layer.facts.nodata != number:
            # Read once more with saturation as no value: cells whose value differs then had a saturated one in them. (The file's own nodata
            # does not hold in that reading, so that cells interpolated from the edge of a scene go too; they are no loss.)
            twin = open_layer(replace(source, nodata=float(number)), grid)
            line = f"{number:g} counts as saturated in {layer.facts.dtype} files"
            if line not in notes:
                notes.append(line)
        layers.append((layer, twin))
    return _Band(name, layers[0], layers[1], [])


def _grid_notes(band: _Band) -> list[str]:
    """How the other came to the grid, and what that does to a line."""
    if band.other[0].resampling == "none":
        return []
    if band.other[0].resampling == "average":
        return ["the other is averaged over the cells of the reference, which takes away much of its errors: see error_ratio"]
    ours, theirs = (math.sqrt(math.prod(layer[0].facts.resolution)) for layer in (band.reference, band.other))
    notes = ["the other is interpolated to the cells of the reference, which takes away some of its errors"]
    same_unit = band.reference[0].facts.crs.geographic == band.other[0].facts.crs.geographic
    if same_unit and theirs > 1.5 * ours:
        notes.append(f"the other's cells are {theirs / ours:.2g} times as wide: neighbours repeat it; give the coarser as the reference")
    return notes


def _look(
    bands: Sequence[_Band], window: Window, width: int, covers: Sequence[tuple[Mask, Layer]], screen: Screen, sample: int, seed: int
) -> None:
    """The pairs of a window, kept as far as they belong to the sample."""
    x = np.full((len(bands), window.height * window.width), np.nan)
    y, clipped = x.copy(), np.zeros(x.shape, dtype=np.bool_)
    for k, band in enumerate(bands):
        x[k], spoilt_x = _read(band.other, window)
        if not np.isfinite(x[k]).any() and not spoilt_x.any():
            continue  # beyond the other, as a rule: the reference need not be read
        y[k], spoilt_y = _read(band.reference, window)
        clipped[k] = np.isfinite(x[k]) & np.isfinite(y[k]) & (spoilt_x | spoilt_y)
    both = np.isfinite(x) & np.isfinite(y)
    good = np.ones(x.shape[1], dtype=np.bool_)
    blank = ~good
    if both.any():
        for mask, layer in covers:
            codes = layer.read(window).ravel()
            good &= mask.good(codes)
            blank |= np.isnan(codes)
    # Told apart: where 0 is clear and nodata too, the mask takes every clear cell.
    told = ", ".join(dict.fromkeys(f"{layer.facts.nodata:g}" for _, layer in covers if layer.facts.nodata is not None))
    without = f"without a value in a mask{f' (nodata {told})' if told else ''}"
    seen = np.where(clipped | ~good, np.nan, x)
    keep, reasons = screened(seen, y, screen)
    row, col = (part.ravel() for part in np.mgrid[window.row : window.row + window.height, window.col : window.col + window.width])
    cell = row.astype(np.int64) * width + col
    for k, band in enumerate(bands):
        band.seen += int(both[k].sum())
        band.dropped.update(masked=int((both[k] & ~good & ~blank).sum()), saturated=int((clipped[k] & good).sum()))
        band.dropped.update({without: int((both[k] & blank).sum())})
        band.dropped.update({reason: count for reason, count in reasons[k].items() if reason != "no value"})
        _keep(band, cell[keep[k]], x[k][keep[k]], y[k][keep[k]], sample, seed)


def _read(layers: tuple[Layer, Layer | None], window: Window) -> tuple[Floats, Flags]:
    """Values, and which are saturated or made of a saturated one."""
    plain, twin = layers
    values = plain.read(window).ravel()
    if twin is None:
        return values.astype(np.float64), np.zeros(values.shape, dtype=np.bool_)
    return values.astype(np.float64), np.isfinite(values) & (twin.read(window).ravel() != values)


def _keep(band: _Band, cell: NDArray[np.int64], x: Floats, y: Floats, sample: int, seed: int) -> None:
    """Each cell has a random number of its own; those with the smallest are the sample, whatever the windows."""
    band.kept.append((_keys(cell, seed), cell, x, y))
    if sum(len(part[0]) for part in band.kept) > 4 * sample:
        band.kept[:] = [_smallest(band, sample)]


def _smallest(band: _Band, sample: int) -> tuple[NDArray[np.uint64], NDArray[np.int64], Floats, Floats]:
    keys, cell, x, y = (np.concatenate([part[k] for part in band.kept]) for k in range(4))
    first = np.argsort(keys, kind="stable")[:sample]
    return keys[first], cell[first], x[first], y[first]


def _keys(cell: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """A pseudo-random number for each cell (splitmix64, Steele, Lea and Flood 2014): no two cells have the same.

    >>> _keys(np.array([0, 1]), 0).tolist() == _keys(np.array([0, 1]), 0).tolist() != _keys(np.array([0, 1]), 1).tolist()
    True
    """
    start = np.random.default_rng(seed).integers(0, 2**63, dtype=np.uint64)
    state = (cell.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + start
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _joined(bands: Sequence[_Band], width: int, block: int | None, sample: int) -> list[Pairs]:
    """The pairs in the order of their cells, with the block in which each lies."""
    found = [_smallest(band, sample)[1:] for band in bands]
    cells = np.concatenate([cell for cell, _, _ in found])
    if block is None:
        rows, cols = cells // width, cells % width
        area = (int(np.ptp(rows)) + 1) * (int(np.ptp(cols)) + 1) if len(cells) else 1
        block = max(1, round(math.sqrt(area / BLOCKS)))
    across = -(-width // block)
    pairs = []
    for band, (cell, x, y) in zip(bands, found, strict=True):
        order = np.argsort(cell, kind="stable")
        group = (cell // width // block) * across + cell % width // block
        dropped = {reason: count for reason, count in band.dropped.items() if count}
        pairs.append(Pairs(band.name, x[order], y[order], group[order], f"block of {block} x {block} cells", band.seen, dropped))
    return pairs
