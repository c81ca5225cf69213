"""Attributes of a cell and its eight neighbours, all that are asked for in one pass over the heights.

The value of a cell depends on its nine heights and the sizes of its row alone, and is computed in one fixed order: it is the same to the
bit whatever block it is computed in and however many threads there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.covariates.terrain import derivatives, patches
from edaphic.covariates.terrain.angles import aspect_deg, slope_deg
from edaphic.covariates.terrain.cells import CellSizes

Method = Literal["zevenbergen_thorne", "horn", "evans"]
Edges = Literal["extend", "empty"]
Peer = Literal["none", "saga"]
Ruggedness = Literal["riley", "wilson", "saga"]

Row = NDArray[np.float64]
Out = NDArray[np.float32]

SLOPE, ASPECT, NORTHNESS, EASTNESS, PLAN, PROFILE, TANGENTIAL, GENERAL, TRI, TPI, ROUGHNESS = range(11)
LOCAL = (
    "slope",
    "aspect",
    "northness",
    "eastness",
    "plan_curvature",
    "profile_curvature",
    "tangential_curvature",
    "general_curvature",
    "tri",
    "tpi",
    "roughness",
)
"""Names of the attributes, in the order of the numbers above."""

STRIP = 1024
"""Columns that are worked on together, so that their rows stay in the fastest memory; it never changes a value."""


class Margins(NamedTuple):
    """Rows and columns of a block that belong to its neighbours; 0 where the grid ends."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def within(self, block: NDArray[Any]) -> tuple[slice, slice]:
        """The part of a block that is its own.

        >>> Margins(top=1, right=2).within(np.zeros((4, 5)))
        (slice(1, 4, None), slice(0, 3, None))
        """
        return slice(self.top, block.shape[0] - self.bottom), slice(self.left, block.shape[1] - self.right)


NO_MARGINS = Margins()
"""Of a whole grid."""


@dataclass(frozen=True)
class LocalRules:
    """How local attributes are computed.

    Parameters
    ----------
    method : {"zevenbergen_thorne", "horn", "evans"}
        Of the derivatives, see :mod:`edaphic.covariates.terrain.derivatives`.
    edges : {"extend", "empty"}
        A neighbour that is missing, beyond the grid or without a height, is ``2 z - (opposite neighbour)`` for the derivatives and is
        left out of ruggedness, position and roughness; or the cell stays empty, as gdaldem and GRASS have it.
    tri : {"riley", "wilson", "saga"}
        Root of the sum of the eight squared differences (Riley et al. 1999); mean of the eight absolute differences (Wilson et al.
        2007); root of the sum over the number of cells, the centre counted too, as SAGA has it: a third of Riley's.
    compat : {"none", "saga"}
        Curvatures as in SAGA: half second derivatives beside the full mixed one, and 0 where there is no slope; its corners of grids.
    """

    method: Method = "zevenbergen_thorne"
    edges: Edges = "extend"
    tri: Ruggedness = "riley"
    compat: Peer = "none"

    @classmethod
    def saga(cls) -> LocalRules:
        """Slope, aspect, curvatures and ruggedness cell by cell as SAGA has them."""
        return cls(tri="saga", compat="saga")


def local_attributes(
    z: NDArray[Any],
    cells: CellSizes,
    names: Sequence[str],
    *,
    rules: LocalRules | None = None,
    margins: Margins = NO_MARGINS,
    threads: int = 1,
) -> dict[str, Out]:
    """Attributes of the cells of a DEM, or of a block of it.

    Parameters
    ----------
    z : ndarray of float or int, shape (top + rows + bottom, left + cols + right)
        Heights in m, the first row northernmost, the first column westernmost; NaN where there is none.
    cells : CellSizes
        Of the rows, without those of the margins.
    names : sequence of str
        Those of ``LOCAL`` that are wanted; only they are computed.
    rules : LocalRules, optional
    margins : Margins
        Rows and columns of ``z`` around the block, at least one where the grid goes on.
    threads : int

    Returns
    -------
    dict of str to ndarray of float32, shape (rows, cols)
        Angles in degrees, curvatures in 1/m (convex positive), the others in m. NaN where there is no height, and of the aspect where
        there is no slope; northness and eastness are 0 there.

    Raises
    ------
    ValueError
        Unknown names, or sizes that do not fit the heights.

    Examples
    --------
    >>> z = np.array([[3.0, 3.0], [0.0, 0.0]])  # falls 3 m to the south in a cell of 3 m
    >>> found = local_attributes(z, CellSizes.square(3.0, rows=2), ["slope", "aspect", "tri"])
    >>> found["slope"].round(4).tolist(), found["aspect"].tolist()
    ([[45.0, 45.0], [45.0, 45.0]], [[180.0, 180.0], [180.0, 180.0]])
    """
    rules = rules or LocalRules()
    unknown = [name for name in names if name not in LOCAL]
    if unknown:
        raise ValueError(f"attributes {unknown}; expected some of {list(LOCAL)}")
    rows, cols = z.shape[0] - margins.top - margins.bottom, z.shape[1] - margins.left - margins.right
    if rows < 1 or cols < 1 or len(cells) != rows:
        raise ValueError(f"heights of shape {z.shape} with margins {tuple(margins)} and {len(cells)} rows of cell sizes: they do not fit")
    where = np.full(len(LOCAL), -1, dtype=np.int64)
    wanted = list(dict.fromkeys(names))
    for k, name in enumerate(wanted):
        where[LOCAL.index(name)] = k
    out = np.empty((len(wanted), rows, cols), dtype=np.float32)
    codes = derivatives.METHODS[rules.method], rules.edges == "empty", patches.KINDS[rules.tri], rules.compat == "saga"
    heights = real(z)
    bounds = np.linspace(0, rows, max(1, min(threads, rows)) + 1).astype(int)

    def part(k: int) -> None:
        first, last = int(bounds[k]), int(bounds[k + 1])
        sizes = cells.dx_m[first:last], cells.dy_m[first:last]
        _block(heights, margins.top + first, margins.left, *sizes, codes, where, out[:, first:last])

    if len(bounds) == 2:
        part(0)
    else:
        with ThreadPoolExecutor(len(bounds) - 1) as pool:
            list(pool.map(part, range(len(bounds) - 1)))
    return {name: out[k] for k, name in enumerate(wanted)}


def real(z: NDArray[Any]) -> NDArray[Any]:
    """Heights as the kernels know them: float32 and float64 as they are, whole numbers as float64."""
    return z if z.dtype in (np.float32, np.float64) and z.flags.c_contiguous else np.ascontiguousarray(z, dtype=np.float64)


@kernel(error_model="numpy")
def _block(z: Any, top: int, left: int, dx: Row, dy: Row, codes: Any, where: Any, out: Any) -> None:
    """Fill the rows of ``out``; its first cell is that of row ``top`` and column ``left`` of ``z``."""
    method, empty, kind, half = codes
    rows, cols = out.shape[1], out.shape[2]
    curved = max(where[PLAN], where[PROFILE], where[TANGENTIAL], where[GENERAL]) >= 0
    sloped = curved or max(where[SLOPE], where[ASPECT], where[NORTHNESS], where[EASTNESS]) >= 0
    store, buffer = np.empty((3, STRIP + 2)), np.empty((6, STRIP))
    for start in range(0, cols, STRIP):
        n = min(STRIP, cols - start)
        up, mid, down = store[0, : n + 2], store[1, : n + 2], store[2, : n + 2]
        work = buffer[:, :n]
        g, h, r, s, t, whole = work[0], work[1], work[2], work[3], work[4], work[5]
        patches.load(z, top - 1, left + start - 1, up)
        patches.load(z, top, left + start - 1, mid)
        for i in range(rows):
            patches.load(z, top + i + 1, left + start - 1, down)
            gaps = patches.total(up, mid, down, whole)
            if sloped:
                derivatives.first(method, up, mid, down, dx[i], dy[i], g, h)
                if curved:
                    derivatives.second(method, up, mid, down, dx[i], dy[i], r, s, t)
                if gaps:
                    _mend(method, empty, half, up, mid, down, dx[i], dy[i], work)
                _angles(g, h, where, out, i, start)
                if curved:
                    _curvatures(g, h, r, s, t, half, where, out, i, start)
            _relief(kind, up, mid, down, where, out, i, start)
            if gaps:
                _mend_relief(kind, empty, up, mid, down, whole, where, out, i, start)
            up, mid, down = mid, down, up


@kernel(error_model="numpy")
def _mend(method: int, empty: bool, peer: bool, up: Row, mid: Row, down: Row, dx: float, dy: float, work: Any) -> None:
    """Derivatives of the cells that miss a neighbour; the last row of ``work`` is NaN there."""
    patch, full, one = np.empty((3, 3)), np.empty((3, 3)), np.empty((5, 1))
    for j in range(work.shape[1]):
        if work[5, j] == work[5, j]:
            continue
        if empty or mid[j + 1] != mid[j + 1]:
            work[:, j] = np.nan
            continue
        patches.take(up, mid, down, j, patch)
        patches.extend(patch, peer, full)
        derivatives.first(method, full[0], full[1], full[2], dx, dy, one[0], one[1])
        derivatives.second(method, full[0], full[1], full[2], dx, dy, one[2], one[3], one[4])
        for k in range(5):
            work[k, j] = one[k, 0]


@kernel(error_model="numpy")
def _angles(g: Row, h: Row, where: Any, out: Any, i: int, start: int) -> None:
    n = g.size
    if where[SLOPE] >= 0:
        row = out[where[SLOPE], i, start : start + n]
        for j in range(n):
            row[j] = slope_deg(g[j], h[j])
    if where[ASPECT] >= 0:
        row = out[where[ASPECT], i, start : start + n]
        for j in range(n):
            row[j] = aspect_deg(g[j], h[j])
    for code in (NORTHNESS, EASTNESS):
        if where[code] >= 0:
            row = out[where[code], i, start : start + n]
            part = h if code == NORTHNESS else g
            for j in range(n):
                rise = math.sqrt(g[j] * g[j] + h[j] * h[j])
                row[j] = -part[j] / (rise if rise != 0.0 else 1.0)


@kernel(error_model="numpy")
def _curvatures(g: Row, h: Row, r: Row, s: Row, t: Row, half: bool, where: Any, out: Any, i: int, start: int) -> None:
    """Curvatures from the derivatives; with ``half`` as SAGA has them."""
    n, share = g.size, 0.5 if half else 1.0
    if where[GENERAL] >= 0:
        row = out[where[GENERAL], i, start : start + n]
        for j in range(n):
            level = half and g[j] == 0.0 and h[j] == 0.0
            row[j] = 0.0 if level else -(r[j] + t[j])
    if where[PROFILE] >= 0:
        row = out[where[PROFILE], i, start : start + n]
        for j in range(n):
            q = g[j] * g[j] + h[j] * h[j]
            bend = share * (r[j] * g[j] * g[j] + t[j] * h[j] * h[j]) + 2.0 * s[j] * g[j] * h[j]
            level = 0.0 * q if half else -0.5 * (r[j] + t[j])
            row[j] = level if q == 0.0 else -bend / (q * (1.0 + q) * math.sqrt(1.0 + q))
    for code in (PLAN, TANGENTIAL):
        if where[code] >= 0:
            row = out[where[code], i, start : start + n]
            for j in range(n):
                q = g[j] * g[j] + h[j] * h[j]
                bend = share * (r[j] * h[j] * h[j] + t[j] * g[j] * g[j]) - 2.0 * s[j] * g[j] * h[j]
                level = 0.0 * q if half or code == PLAN else -0.5 * (r[j] + t[j])
                row[j] = level if q == 0.0 else -bend / (q * math.sqrt(q if code == PLAN else 1.0 + q))


@kernel(error_model="numpy")
def _relief(kind: int, up: Row, mid: Row, down: Row, where: Any, out: Any, i: int, start: int) -> None:
    stop = start + up.size - 2
    if where[TRI] >= 0:
        patches.ruggedness(kind, up, mid, down, out[where[TRI], i, start:stop])
    if where[TPI] >= 0:
        patches.position(up, mid, down, out[where[TPI], i, start:stop])
    if where[ROUGHNESS] >= 0:
        patches.span(up, mid, down, out[where[ROUGHNESS], i, start:stop])


@kernel(error_model="numpy")
def _mend_relief(kind: int, empty: bool, up: Row, mid: Row, down: Row, whole: Row, where: Any, out: Any, i: int, start: int) -> None:
    patch = np.empty((3, 3))
    for j in range(whole.size):
        if whole[j] == whole[j]:
            continue
        patches.take(up, mid, down, j, patch)
        if empty:
            patch[1, 1] = np.nan
        tri, tpi, roughness = patches.of_those_there(kind, patch)
        for code, value in ((TRI, tri), (TPI, tpi), (ROUGHNESS, roughness)):
            if where[code] >= 0:
                out[where[code], i, start + j] = value
