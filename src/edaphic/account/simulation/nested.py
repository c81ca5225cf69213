"""Fields of their own for small regions: a farm of four cells in a block of thousands has nearly the interval of its cells.

Cells of a small class are gathered on a lattice that is finer than the parts of blocks. Its field is drawn given the averages of the blocks
near by, and the profiles near by where the blocks were given some: so a farm and the land around it come from the same realisations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.account.simulation.blocks import NODES, Cells, Tables, add_cells
from edaphic.account.simulation.fields import FLAT, TOGETHER, Fields, symmetric_root
from edaphic.account.simulation.lattice import Lattice, places, point_correlation

Floats = NDArray[np.float64]

MOST_ELEMENTS = 400
NEAREST = 24
"""Blocks that the field of a small region is drawn from."""
NEAREST_SITES = 48
SOFT = 1e-4
"""Variance that is added to that of known averages, so that the elements of a region do not follow the rounding of these."""
MOST_PAIRED = 48
"""Cells of an element whose pairs are all looked at; of more, every k-th."""


@dataclass
class Region:
    """Elements of a small class.

    ``table`` (layers, elements, nodes); ``load`` (layers, elements), what one score moves; ``variance`` (elements,), of the field's
    average over an element; ``spare`` (layers, elements),
    sum of squares of the cells' weights in it, over the square of the sum; ``near`` blocks; ``weights`` by layer (elements, blocks near);
    ``told`` by layer (elements,), what profiles near by add to that; ``root`` by layer (elements, elements); ``block`` of each element.
    """

    table: Floats
    load: Floats
    variance: Floats
    spare: Floats
    near: NDArray[np.intp]
    weights: list[Floats]
    told: list[Floats]
    root: list[Floats]
    block: NDArray[np.int64]


def region_of(grid: GeoBox, tables: Tables, fields: Fields, kept: Sequence[Cells]) -> Region | None:
    """Elements of a class with few cells; None where parts of blocks serve as well."""
    row, col, weight = (np.concatenate([getattr(part, name) for part in kept]) for name in ("row", "col", "weight"))
    params = np.concatenate([part.params for part in kept], axis=2)
    lattice = tables.lattice
    element, side = _elements(row, col)
    if side > lattice.across:
        return None
    n = int(element.max()) + 1
    point = places(grid, row + 0.5, col + 0.5)
    held = np.bincount(element, weights=weight, minlength=n)
    xyz = np.column_stack([np.bincount(element, weights=weight * axis, minlength=n) / held for axis in point.T])
    layers = len(tables.layers)
    table, load, square = np.zeros((layers, n, len(NODES))), np.zeros((layers, n, 1)), np.zeros((layers, n))
    whole, nowhere = np.ones((1, len(row))), np.zeros(len(row), dtype=np.int64)
    for i in range(layers):
        add_cells(params[i], weight, element[None], whole, nowhere, table[i], load[i], square[i])
    own = _own(point, weight, element, n, fields)
    first = np.unique(element, return_index=True)[1]
    block = lattice.block_of[lattice.part_of(row[first], col[first])]
    near = _nearest(lattice, xyz)
    weights, told, roots = _given_blocks(lattice, fields, xyz, own, near)
    spare = square / np.maximum(load[:, :, 0] ** 2, 1e-300)
    return Region(table, load[:, :, 0], own, np.minimum(spare, 1.0), near, weights, told, roots, block)


def _elements(row: NDArray[np.int64], col: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Element of each cell, and cells along the side of an element."""
    side = 1
    while True:
        key = np.stack([row // side, col // side], axis=1)
        met, element = np.unique(key, axis=0, return_inverse=True)
        if len(met) <= MOST_ELEMENTS:
            return element.ravel().astype(np.int64), side
        side += 1


def _own(point: Floats, weight: Floats, element: NDArray[np.int64], n: int, fields: Fields) -> Floats:
    """Variance of the field's average over each element: the mean correlation of its cells."""
    out = np.ones(n)
    order = np.argsort(element, kind="stable")
    bounds = np.searchsorted(element[order], np.arange(n + 1))
    for e in range(n):
        some = order[bounds[e] : bounds[e + 1]]
        some = some[:: -(-len(some) // MOST_PAIRED)]
        if len(some) > 1:
            w = weight[some] / weight[some].sum()
            out[e] = w @ point_correlation(point[some], point[some], fields.variogram) @ w
    return out


def _nearest(lattice: Lattice, xyz: Floats) -> NDArray[np.intp]:
    """Blocks that lie nearest to any element."""
    centres = lattice.centres()
    away = np.min(np.linalg.norm(centres[:, None, :] - xyz[None, :, :], axis=2), axis=1)
    return np.sort(np.argsort(away, kind="stable")[:NEAREST])


def _given_blocks(
    lattice: Lattice, fields: Fields, xyz: Floats, own: Floats, near: NDArray[np.intp]
) -> tuple[list[Floats], list[Floats], list[Floats]]:
    """Weights of the blocks near by, what profiles near by add, and the root of what is left, for each layer."""
    v = fields.variogram
    inside = point_correlation(xyz, xyz, v)
    inside[np.diag_indices(len(own))] = own
    parts = np.flatnonzero(np.isin(lattice.block_of, near))
    average = np.zeros((len(near), len(parts)))
    average[np.searchsorted(near, lattice.block_of[parts]), np.arange(len(parts))] = lattice.share[parts]
    to_blocks = point_correlation(xyz, lattice.xyz[parts], v) @ average.T
    blocks = fields.support.between[np.ix_(near, near)]
    weights, told, roots = [], [], []
    for i in range(len(fields.root)):
        known, cross, flat, score = blocks, to_blocks, 0.0, np.zeros(0)
        if fields.given is not None:
            at = fields.given[i]
            away = np.min(np.linalg.norm(at.xyz[:, None, :] - xyz[None, :, :], axis=2), axis=1)
            some = np.sort(np.argsort(away, kind="stable")[:NEAREST_SITES])
            noise = (v.nugget + v.measurement_variance) / v.partial_sill / at.rows[some] + 1e-6
            with_data = average @ point_correlation(lattice.xyz[parts], at.xyz[some], v)
            data = point_correlation(at.xyz[some], at.xyz[some], v) + np.diag(noise)
            score = at.score[some] / np.sqrt(v.partial_sill)
            known, flat = np.block([[blocks, with_data], [with_data.T, data]]), FLAT
            cross = np.hstack([to_blocks, point_correlation(xyz, at.xyz[some], v)])
        solved: Floats = np.asarray(np.linalg.solve(known + flat + SOFT * np.eye(len(known)), (cross + flat).T).T, dtype=np.float64)
        left = symmetric_root(inside + flat - solved @ (cross + flat).T)
        weights.append(solved[:, : len(near)])
        told.append(solved[:, len(near) :] @ score)
        roots.append(left if fields.given is not None else _to_variance(left, solved, known, own))
    return weights, told, roots


def _to_variance(left: Floats, solved: Floats, known: Floats, own: Floats) -> Floats:
    """What is left, so that every element has its own variance: averages over blocks are sums over points, and not quite consistent."""
    told = np.einsum("ij,jk,ik->i", solved, known, solved)
    had = np.einsum("ij,ij->i", left, left)
    return np.asarray(left * np.sqrt(np.maximum(own - told, 0.0) / np.where(had > 0, had, 1.0))[:, None])


def draw_region(region: Region, fields: Fields, blocks: Floats, number: int, name: int, seed: int) -> Floats:
    """Fields of the elements (layers, elements, realisations), of blocks that were drawn."""
    rng = np.random.default_rng([seed, 43, name, number])
    count = blocks.shape[2]
    white = rng.standard_normal((len(blocks), len(region.variance), TOGETHER))[:, :, :count]
    mixed = np.tensordot(fields.layer_root, white, axes=1)
    return np.stack([region.weights[i] @ blocks[i, region.near] + region.root[i] @ mixed[i] for i in range(len(blocks))])
