"""A coarse lattice over the cells of a grid: blocks, the parts of a block, and how alike their errors are.

A block is a square of cells, those that are mapped. Its parts, up to four by four, say where in the block its mapped area lies, and carry
what differs within it. Distances are straight lines through the Earth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from edaphic.compiled import kernel
from edaphic.covariates.grid import WGS84, Window, cell_area_m2, windows
from edaphic.covariates.window import transformer
from edaphic.errors import RasterError
from edaphic.validate.grouping import EARTH_RADIUS_M
from edaphic.validate.residuals import unit_vectors
from edaphic.validate.variogram import Variogram

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_BLOCKS = 3000
PARTS = 4
"""Parts of a block, a side."""
NEAR = 3.0
"""Blocks nearer than so many sides are compared part by part, others by their centres."""
CODES = {"nugget": 0, "spherical": 1, "exponential": 2, "gaussian": 3, "matern15": 4}


@dataclass(frozen=True)
class Lattice:
    """Blocks of a grid.

    Parameters
    ----------
    side : int
        Cells along a side of a block.
    parts : int
        Parts along a side of a block.
    block_at : int64 (rows, columns of the lattice)
        Number of the block; -1 where no cell is mapped.
    part_at : int64 (rows, columns of parts)
        Number of the part; -1 likewise.
    block_of : int64 (parts,)
        Block of each part, ascending.
    share : float64 (parts,)
        Mapped area of the part over that of its block.
    area_m2 : float64 (blocks,)
        Mapped area.
    xyz : float64 (parts, 3)
        Centre of gravity of the mapped cells, metres from the centre of the Earth.
    size_m : float64 (parts, 2)
        Width and height of a part on the ground.
    count : int64 (parts, 2)
        Cells along its width and height.
    """

    side: int
    parts: int
    block_at: Ints
    part_at: Ints
    block_of: Ints
    share: Floats
    area_m2: Floats
    xyz: Floats
    size_m: Floats
    count: Ints

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(self.area_m2)

    @property
    def across(self) -> int:
        """Most cells along a side of a part; 1 where parts are cells."""
        return -(-self.side // self.parts)

    def part_of(self, row: NDArray[np.intp], col: NDArray[np.intp]) -> Ints:
        """Part of each cell of the grid."""
        return self.part_at[row * self.parts // self.side, col * self.parts // self.side]

    def centres(self) -> Floats:
        """Centres of gravity of the blocks, (blocks, 3)."""
        out = np.zeros((self.blocks, 3))
        np.add.at(out, self.block_of, self.xyz * self.share[:, None])
        return out

    def side_m(self) -> Floats:
        """Longer side of each block on the ground, (blocks,)."""
        out = np.zeros(self.blocks)
        np.maximum.at(out, self.block_of, (self.size_m / self.count).max(axis=1) * self.side)
        return out


def make_lattice(
    grid: GeoBox, mapped: Callable[[Window], NDArray[np.bool_]], *, most: int = MOST_BLOCKS, window_size: int = 1024
) -> Lattice:
    """The finest lattice with at most so many blocks that hold a mapped cell.

    Parameters
    ----------
    grid : GeoBox
    mapped : callable
        Window -> whether each cell has a value, (height, width). Asked twice for each window.
    most : int
        Most blocks.
    window_size : int
        Cells read at once, a side; changes nothing but memory.

    Raises
    ------
    RasterError
        No cell is mapped.
    """
    side = _side(grid, mapped, most, window_size)
    m = min(side, PARTS)
    # A part is whole rows and columns of cells, those with floor(row * m / side) alike.
    shape = (-(-grid.height * m // side), -(-grid.width * m // side))
    area, moment = np.zeros(shape), np.zeros((3, *shape))
    for window in windows(grid, window_size):
        here = mapped(window)
        if not here.any():
            continue
        row, col = np.nonzero(here)
        weight = np.nan_to_num(cell_area_m2(grid, window)[here])
        at = np.ravel_multi_index(((row + window.row) * m // side, (col + window.col) * m // side), shape)
        np.add.at(area.ravel(), at, weight)
        np.add.at(moment[0].ravel(), at, weight * (row + window.row + 0.5))
        np.add.at(moment[1].ravel(), at, weight * (col + window.col + 0.5))
    held = area > 0
    row, col = np.nonzero(held)
    block_at = np.full((-(-grid.height // side), -(-grid.width // side)), -1, dtype=np.int64)
    block_at[row // m, col // m] = 0
    block_at[block_at == 0] = np.arange(int(np.count_nonzero(block_at == 0)))
    own = block_at[row // m, col // m]
    order = np.argsort(own, kind="stable")
    row, col, own = row[order], col[order], own[order]
    part_at = np.full(shape, -1, dtype=np.int64)
    part_at[row, col] = np.arange(len(row))
    whole = np.asarray(np.bincount(own, weights=area[row, col]), dtype=np.float64)
    centre = moment[:2, row, col] / area[row, col]
    xyz = places(grid, centre[0], centre[1])
    count = np.stack([_cells_in(col, side, m), _cells_in(row, side, m)], axis=1)
    size = np.stack(
        [
            np.linalg.norm(places(grid, centre[0], centre[1] + 0.5) - places(grid, centre[0], centre[1] - 0.5), axis=1),
            np.linalg.norm(places(grid, centre[0] + 0.5, centre[1]) - places(grid, centre[0] - 0.5, centre[1]), axis=1),
        ],
        axis=1,
    )
    return Lattice(side, m, block_at, part_at, own, area[row, col] / whole[own], whole, xyz, size * count, count)


def _side(grid: GeoBox, mapped: Callable[[Window], NDArray[np.bool_]], most: int, window_size: int) -> int:
    """Cells along a block: from counts on a lattice of squares that are fine enough to tell."""
    fine = max(1, math.isqrt(grid.height * grid.width // (40 * most)))
    held = np.zeros((-(-grid.height // fine), -(-grid.width // fine)), dtype=bool)
    for window in windows(grid, window_size):
        row, col = np.nonzero(mapped(window))
        held[(row + window.row) // fine, (col + window.col) // fine] = True
    if not held.any():
        raise RasterError("totals: no cell of the maps has a value; expected some")
    row, col = np.nonzero(held)
    k = max(1, math.isqrt(len(row) // most))
    while len(np.unique((row // k) * (held.shape[1] + 1) + col // k)) > most:
        k += 1
    return fine * k


def places(grid: GeoBox, row: Floats, col: Floats) -> Floats:
    """Points of a grid, in rows and columns counted from its corner, as metres from the centre of the Earth (n, 3)."""
    a = grid.affine
    x = a.c + a.a * np.asarray(col, dtype=np.float64)
    y = a.f + a.e * np.asarray(row, dtype=np.float64)
    if grid.crs is not None and grid.crs != WGS84:
        x, y = transformer(CRS(grid.crs), WGS84).transform(x, y)
    return EARTH_RADIUS_M * unit_vectors(np.asarray(x), np.asarray(y))


@kernel
def rho(code, x):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Correlation by distance over practical range: the models of :mod:`edaphic.validate.variogram`."""
    if code == 1:
        return 1.0 - 1.5 * x + 0.5 * x * x * x if x < 1.0 else 0.0
    if code == 2:
        return np.exp(-2.995732273553991 * x)
    if code == 3:
        return np.exp(-2.995732273553991 * x * x)
    if code == 4:
        return (1.0 + 4.743864518390622 * x) * np.exp(-4.743864518390622 * x)
    return 1.0 if x == 0.0 else 0.0


@kernel
def alike(a, b, law):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Correlation of the field at two points; ``law``: model, range, 1 / ratio, cosine and sine of the major axis."""
    dx, dy, dz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    c2 = dx * dx + dy * dy + dz * dz
    code = int(law[0])
    if code == 0:
        return 1.0 if c2 == 0.0 else 0.0
    if law[2] != 1.0 and c2 > 0.0:
        mx, my, mz = a[0] + b[0], a[1] + b[1], a[2] + b[2]
        flat2 = mx * mx + my * my
        east, north = mx * dy - my * dx, (flat2 * dz - mz * (mx * dx + my * dy)) / max(np.sqrt(flat2 + mz * mz), 1e-300)
        long = max(np.sqrt(east * east + north * north), 1e-300)
        along, off = (east * law[4] + north * law[3]) / long, (east * law[3] - north * law[4]) / long
        c2 *= along * along + off * off * law[2] * law[2]
    return rho(code, np.sqrt(c2) / law[1])


def law_of(variogram: Variogram) -> Floats:
    """A variogram as the kernels want it."""
    angle = math.radians(variogram.anisotropy_angle_deg)
    known = [CODES[variogram.model], max(variogram.range_m, 1e-9), 1.0 / variogram.anisotropy_ratio, math.cos(angle), math.sin(angle)]
    return np.array(known, dtype=np.float64)


@kernel
def between(a: NDArray, b: NDArray, law: NDArray, out: NDArray) -> None:
    """Correlation of each point of ``a`` (n, 3) with each of ``b`` (m, 3)."""
    for i in range(len(a)):
        for j in range(len(b)):
            out[i, j] = alike(a[i], b[j], law)


def point_correlation(a: Floats, b: Floats, variogram: Variogram) -> Floats:
    """Correlation of the field between points, (n, m)."""
    out = np.empty((len(a), len(b)))
    between(np.ascontiguousarray(a), np.ascontiguousarray(b), law_of(variogram), out)
    return out


def _cells_in(part: NDArray[np.intp], side: int, parts: int) -> Ints:
    """Rows (or columns) of the grid in a row (column) of parts: those with floor(row * parts / side) alike.

    >>> _cells_in(np.arange(4), 6, 4).tolist()
    [2, 1, 2, 1]
    """
    return np.asarray(-(-(part + 1) * side // parts) - -(-part * side // parts), dtype=np.int64)


def own_correlation(size_m: Floats, count: Ints, variogram: Variogram) -> Floats:
    """Mean correlation within parts (n,) of a width and height: over their cells, or over points, at most four a side.

    A cell is a point: where a part is one cell it is 1.
    """
    out = np.ones(len(size_m))
    points = np.minimum(count, PARTS)
    for across, down in np.unique(points, axis=0):
        some = (points == (across, down)).all(axis=1)
        east, north = (
            size_m[some, axis, None, None] * (np.arange(n)[:, None] - np.arange(n)[None, :]) / n for axis, n in ((0, across), (1, down))
        )
        h = variogram.distance(*np.broadcast_arrays(east[:, :, :, None, None], north[:, None, None, :, :]))
        out[some] = variogram.correlation(h).mean(axis=(1, 2, 3, 4))
    return out


@kernel
def _within(
    start: NDArray, share: NDArray, xyz: NDArray, own: NDArray, law: NDArray, inside: NDArray, to_block: NDArray, s2: NDArray
) -> None:
    for b in range(len(start) - 1):
        for u in range(start[b], start[b + 1]):
            for v in range(start[b], start[b + 1]):
                r = own[u] if u == v else min(alike(xyz[u], xyz[v], law), 1.0)
                inside[u, v - start[b]] = r
                to_block[u] += share[v] * r
            s2[b] += share[u] * to_block[u]


@kernel
def _across(start: NDArray, share: NDArray, xyz: NDArray, centre: NDArray, side: NDArray, near: float, law: NDArray, out: NDArray) -> None:
    for a in range(len(start) - 1):
        for b in range(a):
            dx, dy, dz = centre[a, 0] - centre[b, 0], centre[a, 1] - centre[b, 1], centre[a, 2] - centre[b, 2]
            reach = near * max(side[a], side[b])
            total = 0.0
            if dx * dx + dy * dy + dz * dz > reach * reach:
                total = alike(centre[a], centre[b], law)
            else:
                for u in range(start[a], start[a + 1]):
                    for v in range(start[b], start[b + 1]):
                        total += share[u] * share[v] * alike(xyz[u], xyz[v], law)
            out[a, b] = out[b, a] = total


@dataclass(frozen=True)
class Support:
    """Correlations of the averages of a field over blocks and their parts.

    ``between`` (blocks, blocks), block variances on its diagonal; ``inside`` (parts, most parts of a block): a part with the parts of its
    block; ``to_block`` (parts,): a part with its block; ``start`` (blocks + 1,): first part of each block.
    """

    between: Floats
    inside: Floats
    to_block: Floats
    start: Ints


def support_of(lattice: Lattice, variogram: Variogram) -> Support:
    """Average the correlation of points over blocks and parts (Chiles and Delfiner 2012, Geostatistics, 2nd ed., Wiley, section 2.5.5)."""
    start = np.searchsorted(lattice.block_of, np.arange(lattice.blocks + 1)).astype(np.int64)
    own = own_correlation(lattice.size_m, lattice.count, variogram)
    law, n = law_of(variogram), len(lattice.block_of)
    inside, to_block = np.zeros((n, int(np.diff(start).max()))), np.zeros(n)
    both, s2 = np.zeros((lattice.blocks, lattice.blocks)), np.zeros(lattice.blocks)
    _within(start, lattice.share, lattice.xyz, own, law, inside, to_block, s2)
    _across(start, lattice.share, lattice.xyz, lattice.centres(), lattice.side_m(), NEAR, law, both)
    both[np.diag_indices(lattice.blocks)] = s2
    return Support(both, inside, to_block, start)
