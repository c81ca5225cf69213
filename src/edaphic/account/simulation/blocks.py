"""From cells to blocks: what each class holds in each block, as a function of the error that the block shares.

For a block, a class and a layer the table A(z) is the sum over cells of area times Q(z), Q being the quantile function of the cell: the
stock if all of its cells had the score z. It is made once, whatever the correlation of errors turns out to be. With y the average of the
scores over the cells and 1 - t^2 what varies among them, the stock is B(y) = E[A(y + sqrt(1 - t^2) e)], e standard normal: the discrete
Gaussian model of change of support (Chiles, J.-P. and Delfiner, P. 2012, Geostatistics: modeling spatial uncertainty, 2nd ed., Wiley,
section 6.8; Emery, X. 2007, On some consistency conditions for geostatistical change-of-support models, Mathematical Geology 39).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.special import ndtri

from edaphic.account.maps import Layer, check_shape
from edaphic.account.simulation.lattice import Lattice
from edaphic.account.simulation.scores import Curves, curves
from edaphic.account.totals import ClassLayer, ShareLayer, check_shares
from edaphic.compiled import kernel
from edaphic.covariates.grid import Window, cell_area_m2, windows
from edaphic.errors import RasterError
from edaphic.mapping.regional import UNCLASSIFIED, check_codes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REACH, STEP = 5.0, 0.25
NODES = np.arange(-REACH, REACH + STEP / 2, STEP)
"""Scores at which tables are kept; between them by cubics."""
_DENSITY = np.exp(-(NODES**2) / 2) * STEP / np.sqrt(2 * np.pi)
EVERY = ("all", "")
"""The group of all cells."""
SMALL = 4096
"""Cells of a group that are kept one by one, so that a field of its own may be drawn within blocks."""
KEPT = 2**19
"""Cells kept so in all."""

Group = tuple[str, int | str]
"""Class layer and code; the code is "unclassified" for cells without one."""
MapReader4 = Callable[[Layer, Window], tuple[Floats, Floats, Floats | None, Floats]]
"""(layer, window) -> mean, lower quantile, median (None where there is no map of it), upper quantile; (height, width), kg/m2, NaN where
a cell has none."""


class Cells(NamedTuple):
    """Cells of a small group: place in the grid (n,), weight (n,) in m2, and their curves in each layer, (layers, 4, n)."""

    row: Ints
    col: Ints
    weight: Floats
    params: Floats


@dataclass
class Tables:
    """What classes hold in blocks, by layer.

    ``slots``: number of (group, block). ``table`` (layers, slots, nodes): A(z), kg. ``load`` (layers, slots, parts of a block): how much
    one score in a part moves the stock, kg; ``square`` (layers, slots): sum over cells of the squares of that. ``total``, ``area``: by
    group.
    ``small``: cells of the groups that have few.
    """

    layers: tuple[Layer, ...]
    lattice: Lattice
    slots: dict[tuple[Group, int], int] = field(default_factory=dict)
    table: Floats = field(default_factory=lambda: np.zeros((0, 0, 0)))
    load: Floats = field(default_factory=lambda: np.zeros((0, 0, 0)))
    square: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    total: dict[Group, Floats] = field(default_factory=dict)
    area: dict[Group, float] = field(default_factory=dict)
    cells: dict[Group, int] = field(default_factory=dict)
    small: dict[Group, list[Cells]] = field(default_factory=dict)
    labels: dict[Group, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def groups(self) -> list[Group]:
        """All cells first, then the classes of each layer in order of their codes, cells without one last."""
        order = list(dict.fromkeys(by for by, _ in self.total))
        return sorted(self.total, key=lambda g: (order.index(g[0]), isinstance(g[1], str), g[1] if isinstance(g[1], int) else 0))

    def of(self, group: Group) -> tuple[Ints, Ints]:
        """Slots of a group, and their blocks."""
        found = [(block, slot) for (name, block), slot in self.slots.items() if name == group]
        both = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
        return both[:, 1], both[:, 0]


def tabulate(
    grid: GeoBox,
    layers: Sequence[Layer],
    read: MapReader4,
    lattice: Lattice,
    classes: Sequence[ClassLayer | ShareLayer] = (),
    *,
    interval: float = 0.9,
    window_size: int = 512,
) -> Tables:
    """Go once through the maps, window by window.

    Parameters
    ----------
    grid : GeoBox
    layers : sequence of (top_cm, bottom_cm)
        Layers that do not overlap: their sum is the whole depth.
    read : callable
        Maps of a layer in a window.
    lattice : Lattice
    classes : sequence of ClassLayer or ShareLayer
    interval : float
        Level between the two quantiles.
    window_size : int
        Cells read at once, a side: bounds the memory.

    Returns
    -------
    Tables

    Raises
    ------
    RasterError
        Maps whose layers cover different cells, quantiles that cross, codes that are no whole numbers, shares beyond 0 to 1 or of more
        than a whole.
    """
    out = Tables(tuple(layers), lattice)
    room = _Room(len(layers), lattice.parts**2)
    for window in windows(grid, window_size):
        area = cell_area_m2(grid, window)
        parts = _curves_of(layers, read, window, interval, out.notes)
        if parts is None:
            continue
        here, params, means = parts
        row, col = np.nonzero(here)
        row, col = row + window.row, col + window.col
        weight = np.nan_to_num(area[here])
        part = lattice.part_of(row, col)
        block = lattice.block_of[part]
        local = (row * lattice.parts // lattice.side % lattice.parts) * lattice.parts + col * lattice.parts // lattice.side % lattice.parts
        slot, share = _members(out, classes, window, here, block, room)
        room.fit(len(out.slots))
        for i in range(len(layers)):
            add_cells(params[i], weight, slot, share, local.astype(np.int64), room.table[i], room.load[i], room.square[i])
        _sums(out, room, slot, share, weight, means, row, col, params)
    n = len(out.slots)
    out.table, out.load, out.square = room.table[:, :n], room.load[:, :n], room.square[:, :n]
    return out


class _Room:
    """Arrays that grow; ``group_of`` and number of each slot."""

    def __init__(self, layers: int, parts: int) -> None:
        self.table = np.zeros((layers, 0, len(NODES)))
        self.load = np.zeros((layers, 0, parts))
        self.square = np.zeros((layers, 0))
        self.group_of: list[Group] = []

    def fit(self, slots: int) -> None:
        """Room for so many slots."""
        have = self.table.shape[1]
        if slots <= have:
            return
        more = max(slots, have * 3 // 2) - have
        for name in ("table", "load", "square"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros((old.shape[0], more, *old.shape[2:]))], axis=1))


def _curves_of(
    layers: Sequence[Layer], read: MapReader4, window: Window, interval: float, notes: list[str]
) -> tuple[NDArray[np.bool_], Floats, Floats] | None:
    """Cells that have a value, their curves (layers, 4, n) and means (layers, n)."""
    here: NDArray[np.bool_] | None = None
    params, means = [], []
    for layer in layers:
        mean, low, middle, high = read(layer, window)
        name = f"maps of {layer[0]:g}-{layer[1]:g} cm"
        check_shape(mean, window, name)
        now = np.isfinite(mean)
        if here is not None and (unlike := int(np.count_nonzero(now != here))):
            raise RasterError(f"{name}: {unlike} cells of {window} are mapped in one layer only; expected layers that cover the same cells")
        here = now
        lost = int(np.count_nonzero(now & ~(np.isfinite(low) & np.isfinite(high))))
        crossing = int(np.count_nonzero(now & (low > high)))
        if lost or crossing:
            raise RasterError(f"{name}: {lost} cells of {window} without limits, {crossing} with limits that cross; expected low <= high")
        if not now.any():
            continue
        made = curves(low[now], None if middle is None else middle[now], high[now], mean=mean[now], interval=interval)
        params.append(_packed(made))
        means.append(mean[now].astype(np.float64))
    if here is None or not here.any():
        return None
    return here, np.stack(params), np.stack(means)


def _packed(made: Curves) -> Floats:
    return np.stack([made.middle, made.below, made.above, made.shape.astype(np.float64)])


def _members(
    out: Tables, classes: Sequence[ClassLayer | ShareLayer], window: Window, here: NDArray[np.bool_], block: Ints, room: _Room
) -> tuple[Ints, Floats]:
    """Slots of the cells, (memberships, n), and the share of the cell that each has; slot -1 where there is none."""
    n = len(block)
    slots, shares = [_numbered(out, room, EVERY, "all", block, np.ones(n, dtype=bool))], [np.ones(n)]
    for by in classes:
        if isinstance(by, ShareLayer):
            held = np.nan_to_num(np.asarray(by.read(window), dtype=np.float64)[:, here])
            check_shares(by, held, window)
            rest = np.maximum(1.0 - held.sum(axis=0), 0.0)
            rest[rest < 1e-6] = 0.0
            named: list[tuple[int | str, str]] = [(code, by.labels.get(code, f"class {code}")) for code in by.codes]
            for (code, label), part in zip([*named, (UNCLASSIFIED, UNCLASSIFIED)], [*held, rest], strict=True):
                if (part > 0).any():
                    slots.append(_numbered(out, room, (by.name, code), label, block, part > 0))
                    shares.append(part)
            continue
        codes = check_shape(np.asarray(by.read(window)), window, f"class layer {by.name}")[here]
        check_codes(by.name, codes)
        slot = np.full(n, -1, dtype=np.int64)
        lost = np.isnan(codes)
        for code in np.unique(codes[~lost]):
            some = codes == code
            slot[some] = _numbered(out, room, (by.name, int(code)), by.labels.get(int(code), f"class {int(code)}"), block, some)[some]
        if lost.any():
            slot[lost] = _numbered(out, room, (by.name, UNCLASSIFIED), UNCLASSIFIED, block, lost)[lost]
        slots.append(slot)
        shares.append(np.ones(n))
    return np.stack(slots), np.stack(shares)


def _numbered(out: Tables, room: _Room, group: Group, label: str, block: Ints, some: NDArray[np.bool_]) -> Ints:
    """Slot of each cell of a group, new ones where a block is met first; -1 for the other cells."""
    out.labels.setdefault(group, label)
    met, back = np.unique(block[some], return_inverse=True)
    numbers = np.empty(len(met), dtype=np.int64)
    for i, b in enumerate(met):
        key = (group, int(b))
        if key not in out.slots:
            out.slots[key] = len(out.slots)
            room.group_of.append(group)
        numbers[i] = out.slots[key]
    slot = np.full(len(block), -1, dtype=np.int64)
    slot[some] = numbers[back.ravel()]
    return slot


def add_cells(
    params: Floats, weight: Floats, slot: Ints, share: Floats, local: Ints, table: Floats, load: Floats, square: Floats
) -> None:
    """Add cells of one layer to tables (slots, nodes), loads (slots, parts) and squares (slots,).

    ``params`` (4, n) as :class:`Cells` has them; ``weight`` (n,) m2; ``slot`` and ``share`` (memberships, n); ``local`` (n,) part of the
    block.
    """
    _add(params, weight, slot, share, local, NODES, _DENSITY, table, load, square)


@kernel
def _add(
    params: NDArray, weight: NDArray, slot: NDArray, share: NDArray, local: NDArray, nodes: NDArray, density: NDArray,
    table: NDArray, load: NDArray, square: NDArray,
) -> None:  # fmt: skip
    """Tables, loads and squares of the cells of a window, one layer."""
    size, middle = len(nodes), len(nodes) // 2
    step = nodes[1] - nodes[0]
    q = np.empty(size)
    for i in range(weight.shape[0]):
        m, below, above, shape = params[0, i], params[1, i], params[2, i], int(params[3, i])
        up, down = np.exp(above * step), np.exp(-below * step)
        q[middle] = m
        for k in range(1, middle + 1):
            q[middle + k] = m + above * k * step if shape >= 2 else q[middle + k - 1] * up
            if shape == 0:
                q[middle - k] = q[middle - k + 1] * down
            else:
                even = m - below * k * step
                q[middle - k] = even if shape == 2 else max(even, 0.0)
        moved = 0.0
        for k in range(size):
            moved += density[k] * nodes[k] * q[k]
        for j in range(slot.shape[0]):
            s = slot[j, i]
            if s >= 0:
                w = weight[i] * share[j, i]
                for k in range(size):
                    table[s, k] += w * q[k]
                load[s, local[i]] += w * moved
                square[s] += (w * moved) ** 2


def _sums(
    out: Tables, room: _Room, slot: Ints, share: Floats, weight: Floats, means: Floats, row: Ints, col: Ints, params: Floats
) -> None:
    """Totals, areas and counts of the groups, and the cells of those that have few."""
    numbers = {group: i for i, group in enumerate(dict.fromkeys(room.group_of))}
    of_slot = np.array([numbers[group] for group in room.group_of], dtype=np.int64)
    groups = list(numbers)
    for j in range(len(slot)):
        member = np.where(slot[j] >= 0, of_slot[slot[j]], -1)
        for g in np.unique(member[member >= 0]):
            group, some = groups[int(g)], np.flatnonzero(member == g)
            held = weight[some] * share[j, some]
            out.total[group] = out.total.get(group, np.zeros(len(means))) + means[:, some] @ held
            out.area[group] = out.area.get(group, 0.0) + float(held.sum())
            out.cells[group] = out.cells.get(group, 0) + len(some)
            if out.cells[group] > SMALL:
                out.small.pop(group, None)
            elif out.lattice.side > 1:
                kept = Cells(row[some].astype(np.int64), col[some].astype(np.int64), held, params[:, :, some])
                out.small.setdefault(group, []).append(kept)
    while sum(out.cells[group] for group in out.small) > KEPT:
        largest = max(out.small, key=lambda group: out.cells[group])
        out.small.pop(largest)
        out.notes.append(f"totals: {largest[0]} {largest[1]} is taken block by block; too many small classes for fields of their own")


def median_of(interval: float) -> float:
    """Score of the upper limit of an interval.

    >>> round(median_of(0.9), 3)
    1.645
    """
    return float(ndtri(0.5 + interval / 2))


@kernel
def cubic(table, y, first, step):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Between the nodes of a table by Catmull-Rom's cubic; the ends beyond them."""
    size = len(table)
    x = (y - first) / step
    if x <= 0.0:
        return table[0]
    if x >= size - 1:
        return table[size - 1]
    i = int(x)
    f = x - i
    b, c = table[i], table[i + 1]
    a = table[i - 1] if i > 0 else 2 * b - c
    d = table[i + 2] if i + 2 < size else 2 * c - b
    return b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))


@kernel
def smooth(table: NDArray, spread: NDArray, nodes: NDArray, points: NDArray, weights: NDArray, out: NDArray) -> None:
    """B(y) at the nodes: mean of A(y + spread e) by Gauss-Hermite quadrature; tables (n, nodes), spread (n,)."""
    step = nodes[1] - nodes[0]
    for s in range(table.shape[0]):
        for k in range(len(nodes)):
            total = 0.0
            for j in range(len(points)):
                total += weights[j] * cubic(table[s], nodes[k] + spread[s] * points[j], nodes[0], step)
            out[s, k] = total


@kernel
def add_up(table: NDArray, y: NDArray, nodes: NDArray, out: NDArray) -> None:
    """Sum over n parts of B at the scores y (n, realisations), added to ``out`` (realisations,)."""
    step = nodes[1] - nodes[0]
    for s in range(table.shape[0]):
        for r in range(y.shape[1]):
            out[r] += cubic(table[s], y[s, r], nodes[0], step)
