"""Tiles of a map: how large, how many at a time, with how much memory.

Tiles are cut from the upper left, in rows of one height and columns of one width, so that each is one chunk of the store. Their size
follows the blocks of the inputs and the memory that a run may have; it changes no bit of a map.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.grid import Window
from edaphic.covariates.handles import HANDLES
from edaphic.covariates.sources import AnyLayer, Layer
from edaphic.errors import RasterError, RunError
from edaphic.mapping.place import Place, resident, said

__all__ = ["Place", "Plan", "Tiles", "bounded_blocks", "plan_tiles"]

SIDES = (1024, 512, 256, 128, 64)
"""Sides of square tiles, the largest first; those below 256, which cut blocks apart, only where memory is short."""

WHOLE_BLOCKS = 256
WIDE_ROWS = (256, 128, 64, 32, 16)
"""Rows of tiles as wide as the grid, for inputs that are kept in strips."""

MOST_CELLS = 4_194_304
"""Cells of the largest wide tile: one of more rows would only make a kill cost more."""

TILES_EACH = 6
"""Tiles that each lane should get, or the last of them keep the others waiting."""

MOST_TILES = 1_000_000
READING = 60_000_000
"""Bytes for reading one block of a source (4 million cells as they are kept and as float64), for each tile in work; of smaller sources
in proportion."""

READING_CELL = 15
"""The same of one cell."""

LARGE_BLOCK = 4_000_000
"""Bytes of blocks of sources that ``READING`` does not cover: a thread holds the largest of them, whatever GDAL's cache may keep, and every
raster that it has open keeps its last one as it lies in the file (measured: at most its size)."""

WORKER = 400_000_000
"""Bytes of a Dask worker with the libraries that tiles need, before it has any work (measured)."""

MARGIN = 1.15
"""What the allocator keeps over what was asked for, measured on arrays of the sizes of tiles."""

CACHE, LEAST_CACHE, USUAL_CACHE, MOST_CACHE = 0.1, 16_000_000, 256_000_000, 1_000_000_000
"""Part of the memory that GDAL may keep blocks in; its bounds in bytes, of all processes together, and the upper one for strips."""


@dataclass(frozen=True)
class Tiles(Sequence[Window]):
    """Tiles of one size over a grid, row by row; none is made before it is asked for.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the grid.
    size : (int, int)
        Rows and columns of a tile; the last ones of a row or column are smaller.
    chosen : int array, optional
        Numbers of the tiles that are meant; all unless given.

    Examples
    --------
    >>> tiles = Tiles((3, 5), (2, 2))
    >>> len(tiles), tiles[-1], tiles.number(tiles[4])
    (6, Window(row=2, col=4, height=1, width=1), 4)
    """

    shape: tuple[int, int]
    size: tuple[int, int]
    chosen: NDArray[np.int64] | None = field(default=None, compare=False)

    @property
    def across(self) -> int:
        """Tiles in a row of tiles."""
        return -(-self.shape[1] // self.size[1])

    @property
    def down(self) -> int:
        """Rows of tiles."""
        return -(-self.shape[0] // self.size[0])

    def __len__(self) -> int:
        return self.across * self.down if self.chosen is None else len(self.chosen)

    @overload
    def __getitem__(self, index: int) -> Window: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Window]: ...

    def __getitem__(self, index: int | slice) -> Window | Sequence[Window]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        number = index % len(self) if self.chosen is None else int(self.chosen[index])
        down, across = divmod(number, self.across)
        row, col = down * self.size[0], across * self.size[1]
        return Window(row, col, min(self.size[0], self.shape[0] - row), min(self.size[1], self.shape[1] - col))

    def number(self, tile: Window) -> int:
        """Number of a tile among all of them, from 0.

        Raises
        ------
        ValueError
            The window is no tile of these.
        """
        number = tile.row // self.size[0] * self.across + tile.col // self.size[1]
        if not 0 <= number < self.across * self.down or Tiles(self.shape, self.size)[number] != tile:
            raise ValueError(f"{tile}: no tile of {self.size[0]} x {self.size[1]} cells")
        return number


@dataclass(frozen=True)
class Plan:
    """Tiles and how they are computed; made by :func:`plan_tiles`.

    ``workers``: tiles in work at a time on this machine (threads, or Dask workers of one thread); at a scheduler, 0. ``memory_bytes``:
    what all processes of this machine may have; ``peak_bytes``: what they are expected to have. ``tile_bytes``: for one tile of full
    size in work; ``fixed_bytes``: for the work itself, in each process. ``cache_bytes``: for GDAL's blocks, in each process.
    """

    grid: GeoBox
    tiles: Tiles
    workers: int
    processes: int
    scheduler: str | None
    memory_bytes: int
    tile_bytes: int
    fixed_bytes: int
    peak_bytes: int
    cache_bytes: int
    notes: tuple[str, ...] = ()


def plan_tiles(
    grid: GeoBox,
    layers: Iterable[AnyLayer],
    *,
    bytes_per_cell: float,
    fixed_bytes: int,
    place: Place,
    lane_bytes: int = 0,
    window: int | None = None,
    kept: tuple[int, int] | None = None,
    taken: int | None = None,
) -> Plan:
    """Choose the size of tiles and how many are computed at a time.

    The first of these that the memory allows is taken: all lanes with the tiles that suit the inputs, with smaller ones, then fewer lanes.

    Parameters
    ----------
    grid : GeoBox
    layers : iterable of layers
        Those that the work reads: where they are kept in strips, tiles are as wide as the grid.
    bytes_per_cell : float
        Memory that a cell of a tile in work needs at the peak: what is read, what is in between, and what comes out.
    fixed_bytes : int
        Memory of the work itself (model, tables) in each process that computes.
    place : Place
    lane_bytes : int
        Memory that each tile in work needs whatever its size, once its blocks are read.
    window : int, optional
        Side of square tiles that is asked for.
    kept : (int, int), optional
        Rows and columns of the tiles that an interrupted run has finished (:func:`~edaphic.mapping.store.kept_size`): taken where the
        memory allows it, if with fewer lanes, so that they need not be computed again.
    taken : int, optional
        Memory that this process will have before it computes tiles; what it has now unless given.

    Raises
    ------
    RunError
        Not even one of the smallest tiles fits; or there would be more than a million tiles.

    Examples
    --------
    >>> from affine import Affine
    >>> grid = GeoBox((3000, 5000), Affine(90.0, 0.0, 0.0, 0.0, -90.0, 0.0), "EPSG:32634")
    >>> plan = plan_tiles(grid, [], bytes_per_cell=200, fixed_bytes=0, place=Place(threads=2, memory=10**10))
    >>> plan.tiles.size, len(plan.tiles), plan.workers, plan.tile_bytes
    ((1024, 1024), 15, 2, 209715200)
    """
    read = list(layers)
    allowed, held = place.allowed(), resident() if taken is None else taken
    strips, blocks = _strip_row_bytes(read, grid), _large_block_bytes(read)
    sizes = _sizes(grid, read, place, window, strips > 0)
    numbers = range(place.lanes, 0, -1) if place.lanes else (0,)
    reading, most_cache = _reading_bytes(read), _all_bytes(read)
    each = max(reading, lane_bytes) + blocks
    # What is kept may be the work of days: it is worth fewer lanes.
    tried = [(lanes, kept) for lanes in numbers if kept is not None] + [(lanes, size) for lanes in numbers for size in sizes]
    needs: list[Plan] = []
    for lanes, size in tried:
        plan = _plan(grid, size, lanes, place, allowed, bytes_per_cell, fixed_bytes, strips, each, held, most_cache)
        if plan.peak_bytes <= allowed:
            return _with_notes(plan, place, sizes[0], kept, window)
        needs.append(plan)
    least = min(needs, key=lambda plan: plan.peak_bytes)
    raise RunError(
        f"--memory: {said(allowed)}{'' if place.memory else ' (half of what is free)'}; expected at least {said(least.peak_bytes * 1.02)}: "
        f"{said(held)} are taken {'now' if taken is None else 'by then'}, {said(fixed_bytes)} the model needs, and one tile of "
        f"{least.tiles.size[0]} x {least.tiles.size[1]} cells {said(least.tile_bytes + each)}"
    )


@contextmanager
def bounded_blocks(place: Place) -> Iterator[None]:
    """GDAL keeps a twentieth of the machine's memory in blocks unless it is told otherwise, which a promise about memory cannot allow."""
    with rasterio.Env(GDAL_CACHEMAX=int(min(USUAL_CACHE, max(CACHE * place.allowed(), LEAST_CACHE)))):
        yield


def _plan(
    grid: GeoBox,
    size: tuple[int, int],
    lanes: int,
    place: Place,
    allowed: int,
    bytes_per_cell: float,
    fixed_bytes: int,
    strips: float,
    reading: int,
    held: int,
    most_cache: float,
) -> Plan:
    tiles = Tiles((grid.shape[0], grid.shape[1]), size)
    if len(tiles) > MOST_TILES:
        raise RunError(f"maps: {len(tiles):,} tiles of {size[0]} x {size[1]} cells; expected at most {MOST_TILES:,}: a larger maps.window")
    tile = int(size[0] * size[1] * bytes_per_cell)
    processes = lanes if place.processes else 0
    computing = max(1, processes)
    working = min(lanes, len(tiles)) * (tile + reading)
    # Of Dask, results on their way, packed: two for each lane. The work is sent once, and held here as it is sent.
    waiting = min(max(lanes, 8) * tile, 10**9) if place.distributed else 0
    bases = processes * (WORKER + 2 * fixed_bytes) + fixed_bytes
    without_cache = held + int(MARGIN * (bases + working + waiting))
    # A strip that is read again for every 256 columns costs more than all else: what one row of pieces needs is kept where it can be.
    for_strips = min(1.1 * strips * min(size[0], WHOLE_BLOCKS) * max(1, lanes), MOST_CACHE)
    wanted = min(max(min(CACHE * allowed, USUAL_CACHE), for_strips) / computing, most_cache)
    cache = int(max(LEAST_CACHE, min(wanted, (allowed - without_cache) / MARGIN / computing)))
    peak = without_cache + int(MARGIN * cache * computing)
    return Plan(grid, tiles, lanes, processes, place.scheduler, allowed, tile, fixed_bytes, peak, cache)


def _with_notes(plan: Plan, place: Place, first: tuple[int, int], kept: tuple[int, int] | None, window: int | None) -> Plan:
    size = plan.tiles.size
    where = f"at the scheduler {place.scheduler}" if place.scheduler else f"{plan.workers} at a time"
    counted = "1 tile" if len(plan.tiles) == 1 else f"{len(plan.tiles):,} tiles"
    bound = said(plan.memory_bytes) + ("" if place.memory else ", half of what is free,")
    notes = [
        f"{counted} of {size[0]} x {size[1]} cells, {where}; about {said(plan.peak_bytes)} of memory at the peak, "
        f"{bound} allowed"
    ]
    if kept is not None and kept != size:
        notes.append(f"the tiles that are kept, of {kept[0]} x {kept[1]} cells, need more memory than is allowed; all are computed anew")
    if window is not None and kept is None and size != first:
        notes.append(f"maps.window: tiles of {window} x {window} cells need more memory than is allowed; they are smaller")
    if 0 < plan.workers < place.lanes:
        notes.append(f"{plan.workers} tiles at a time instead of {place.lanes}: more do not fit into the memory that is allowed")
    return replace(plan, notes=tuple(notes))


def _sizes(grid: GeoBox, layers: Sequence[AnyLayer], place: Place, window: int | None, wide: bool) -> list[tuple[int, int]]:
    """Sizes of tiles, the best first."""
    rows, cols = grid.shape[0], grid.shape[1]
    lanes = max(1, place.lanes)
    if window is not None:
        sides = [window, *(side for side in SIDES if side < window)]
        return [_fit((side, side), rows, cols) for side in sides]
    if wide:
        tall = [high for high in WIDE_ROWS if high * cols <= MOST_CELLS] or [WIDE_ROWS[-1]]
        return _spread([_fit((high, cols), rows, cols) for high in tall], rows, cols, lanes, WIDE_ROWS[-1])
    sides = list(SIDES)
    block = _common_block(layers)
    if block is not None:
        sides = [*(side for side in (2 * block, block) if side <= 2 * SIDES[0]), *(side for side in SIDES if side < block)]
    return _spread([_fit((side, side), rows, cols) for side in sides], rows, cols, lanes, WHOLE_BLOCKS)


def _fit(size: tuple[int, int], rows: int, cols: int) -> tuple[int, int]:
    """A tile need not reach beyond the grid."""
    return min(size[0], rows), min(size[1], cols)


def _spread(sizes: list[tuple[int, int]], rows: int, cols: int, lanes: int, least: int) -> list[tuple[int, int]]:
    """Without the sizes that would leave lanes without work, as long as smaller ones that cut no block apart remain."""
    enough = [
        size
        for size in sizes
        if len(Tiles((rows, cols), size)) >= TILES_EACH * lanes or size[0] <= least or lanes == 1
    ]
    return list(dict.fromkeys(enough or sizes[-1:]))


def _blocks(layer: AnyLayer) -> tuple[int, int] | None:
    """Rows and columns of the blocks of a raster's file."""
    if not isinstance(layer, Layer):
        return None
    try:
        with HANDLES.take(layer.facts.key) as dataset:
            rows, cols = dataset.block_shapes[layer.facts.band - 1]
            return int(rows), int(cols)
    except RasterError:
        return None  # reading will say what is wrong with it


def _large_block_bytes(layers: Sequence[AnyLayer]) -> int:
    """Bytes that large blocks of rasters take in each thread, such as those of a file that is one block."""
    sizes = [0]
    for layer in layers:
        if isinstance(layer, Layer) and (shape := _blocks(layer)) is not None:
            sizes.append(shape[0] * shape[1] * np.dtype(layer.facts.dtype).itemsize * max(1, len(layer.facts.bands)))
    large = [size for size in sizes if size > LARGE_BLOCK]
    return sum(large) + max(large, default=0)


def _reading_bytes(layers: Sequence[AnyLayer]) -> int:
    """Bytes for reading a block of the largest source."""
    most = max((layer.facts.width * layer.facts.height * READING_CELL for layer in layers), default=READING)
    return min(READING, most)


def _all_bytes(layers: Sequence[AnyLayer]) -> float:
    """Bytes of all blocks of all rasters, those of virtual ones twice: GDAL's cache cannot hold more."""
    rasters = [layer.facts for layer in layers if isinstance(layer, Layer)]
    sizes = (facts.width * facts.height * np.dtype(facts.dtype).itemsize * max(1, len(facts.bands)) for facts in rasters)
    return 2.0 * sum(sizes) if layers else float("inf")


def _common_block(layers: Sequence[AnyLayer]) -> int | None:
    """Side of the square blocks of most rasters whose cells are those of the grid, where it does not divide the usual sides."""
    own = [layer for layer in layers if isinstance(layer, Layer) and layer.facts.transform == layer.grid.affine]
    sides = Counter(shape[0] for layer in own if (shape := _blocks(layer)) is not None and shape[0] == shape[1])
    if not sides:
        return None
    side = min(sides, key=lambda block: (-sides[block], block))
    return None if SIDES[0] % side == 0 or not SIDES[-1] <= side <= SIDES[0] else side


def _strip_row_bytes(layers: Sequence[AnyLayer], grid: GeoBox) -> float:
    """Bytes of source rows in strips that lie under one row of the grid, over all rasters kept so; 0 where none is.

    Small rasters do not count: all their strips stay in GDAL's cache.
    """
    total = 0.0
    for layer in layers:
        shape = _blocks(layer)
        if shape is None or not isinstance(layer, Layer):
            continue
        size = np.dtype(layer.facts.dtype).itemsize * max(1, len(layer.facts.bands))
        if shape[1] >= layer.facts.width > 2 * WHOLE_BLOCKS and layer.facts.width * layer.facts.height * size > MOST_CELLS * 4:
            total += layer.facts.width * size * max(1.0, layer.facts.height / grid.shape[0])
    return total
