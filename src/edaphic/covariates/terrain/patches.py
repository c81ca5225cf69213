"""Three rows of heights and the 3 x 3 patches around single cells: what attributes of the immediate neighbourhood are computed from.

Rows are padded as in :mod:`edaphic.covariates.terrain.derivatives`; a missing height is NaN, beyond the grid too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel

Row = NDArray[np.float64]
Out = NDArray[np.float32]
Patch = NDArray[np.float64]

RILEY, WILSON, MEAN_SQUARE = 0, 1, 2


@kernel(error_model="numpy")
def load(z: NDArray[Any], row: int, col: int, out: Row) -> None:
    """A padded row of heights that starts at a column of a block; NaN beyond the block."""
    height, width = z.shape
    if row < 0 or row >= height:
        out[:] = np.nan
        return
    for k in range(out.size):
        j = col + k
        out[k] = z[row, j] if 0 <= j < width else np.nan


@kernel(error_model="numpy")
def total(up: Row, mid: Row, down: Row, out: Row) -> bool:
    """Sum of the nine heights of each cell, which is NaN where one is missing; whether one is missing anywhere."""
    for j in range(out.size):
        above = up[j] + up[j + 1] + up[j + 2]
        out[j] = above + (mid[j] + mid[j + 1] + mid[j + 2]) + (down[j] + down[j + 1] + down[j + 2])
    missing = 0
    for j in range(out.size):
        missing += 1 if out[j] != out[j] else 0
    return missing > 0


@kernel(error_model="numpy")
def ruggedness(kind: int, up: Row, mid: Row, down: Row, out: Out) -> None:
    """Terrain ruggedness of cells that have all eight neighbours."""
    for j in range(out.size):
        z = mid[j + 1]
        a, b, c, d = up[j] - z, up[j + 1] - z, up[j + 2] - z, mid[j] - z
        e, f, g, h = mid[j + 2] - z, down[j] - z, down[j + 1] - z, down[j + 2] - z
        if kind == WILSON:
            out[j] = (abs(a) + abs(b) + abs(c) + abs(d) + abs(e) + abs(f) + abs(g) + abs(h)) / 8.0
        else:
            squares = a * a + b * b + c * c + d * d + e * e + f * f + g * g + h * h
            out[j] = math.sqrt(squares if kind == RILEY else squares / 9.0)


@kernel(error_model="numpy")
def position(up: Row, mid: Row, down: Row, out: Out) -> None:
    """Height above the mean of the eight neighbours."""
    for j in range(out.size):
        z = mid[j + 1]
        above = (up[j] - z) + (up[j + 1] - z) + (up[j + 2] - z)
        below = (down[j] - z) + (down[j + 1] - z) + (down[j + 2] - z)
        out[j] = -(above + below + (mid[j] - z) + (mid[j + 2] - z)) / 8.0


@kernel(error_model="numpy")
def span(up: Row, mid: Row, down: Row, out: Out) -> None:
    """Largest less smallest of the nine heights."""
    for j in range(out.size):
        low = min(min(up[j], up[j + 1]), min(up[j + 2], mid[j]))
        high = max(max(up[j], up[j + 1]), max(up[j + 2], mid[j]))
        low = min(low, min(min(mid[j + 1], mid[j + 2]), min(down[j], down[j + 1])))
        high = max(high, max(max(mid[j + 1], mid[j + 2]), max(down[j], down[j + 1])))
        out[j] = max(high, down[j + 2]) - min(low, down[j + 2])


@kernel(error_model="numpy")
def take(up: Row, mid: Row, down: Row, j: int, patch: Patch) -> None:
    """The nine heights around a cell."""
    for k in range(3):
        patch[0, k], patch[1, k], patch[2, k] = up[j + k], mid[j + k], down[j + k]


@kernel(error_model="numpy")
def extend(patch: Patch, peer: bool, full: Patch) -> None:
    """A patch whose missing neighbours are ``2 z - (opposite neighbour)``, which keeps planes.

    Where the opposite is missing too, a neighbour in a row or column is ``z``, and one in a corner lies in the plane of those beside it; a
    peer (SAGA) has ``z`` there too.
    """
    z = patch[1, 1]
    for i in range(3):
        for k in range(3):
            here, opposite = patch[i, k], patch[2 - i, 2 - k]
            if here == here:
                full[i, k] = here
            else:
                full[i, k] = 2.0 * z - opposite if opposite == opposite else z
    if not peer:
        for i in (0, 2):
            for k in (0, 2):
                if patch[i, k] != patch[i, k] and patch[2 - i, 2 - k] != patch[2 - i, 2 - k]:
                    full[i, k] = full[i, 1] + full[1, k] - z


@kernel(error_model="numpy")
def of_those_there(kind: int, patch: Patch) -> tuple[float, float, float]:
    """Ruggedness, position and span of a patch, from the neighbours that it has."""
    z = patch[1, 1]
    if z != z:
        return np.nan, np.nan, np.nan
    count, sums, absolute, squares, low, high = 0, 0.0, 0.0, 0.0, z, z
    for i in range(3):
        for k in range(3):
            d = patch[i, k] - z
            if d == d and not (i == 1 and k == 1):
                count, sums, absolute, squares = count + 1, sums + d, absolute + abs(d), squares + d * d
                low, high = min(low, patch[i, k]), max(high, patch[i, k])
    if count == 0:
        return 0.0, 0.0, 0.0
    if kind == MEAN_SQUARE:
        rugged = math.sqrt(squares / (count + 1))
    else:
        rugged = absolute / count if kind == WILSON else math.sqrt(8.0 * squares / count)
    return rugged, -sums / count, high - low


KINDS: dict[str, int] = {"riley": RILEY, "wilson": WILSON, "saga": MEAN_SQUARE}
