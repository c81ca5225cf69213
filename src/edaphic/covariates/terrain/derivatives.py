"""Derivatives of a surface through three rows of heights.

Rows are padded: entry ``j + 1`` belongs to cell ``j``. ``x`` runs to the east, ``y`` to the north; the row above is the northern one.
Spacings are those of the middle row, and may differ between ``x`` and ``y``. Every loop fills one array, which lets the compiler
work on several cells at a time.

Three methods:

- Zevenbergen and Thorne (1987): central differences through the nearest neighbours, those of a polynomial through all nine heights.
- Evans (1980): least squares of a quadratic surface; first differences averaged over three lines with weights 1, 1, 1, second ones too.
- Horn (1981): first differences with weights 1, 2, 1; second differences with 1, 4, 1, as in GRASS (Hofierka, Mitasova and Neteler 2009).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel

Row = NDArray[np.float64]

ZEVENBERGEN_THORNE, HORN, EVANS = 0, 1, 2


@kernel(error_model="numpy")
def _lengthwise(row: Row, spacing: float, out: Row) -> None:
    """Central difference along a row: out = (east - west) / (2 spacing)."""
    for j in range(out.size):
        out[j] = (row[j + 2] - row[j]) / (2.0 * spacing)


@kernel(error_model="numpy")
def _crosswise(north: Row, south: Row, spacing: float, out: Row) -> None:
    """Central difference across the rows: out = (north - south) / (2 spacing)."""
    for j in range(out.size):
        out[j] = (north[j + 1] - south[j + 1]) / (2.0 * spacing)


@kernel(error_model="numpy")
def first(method: int, up: Row, mid: Row, down: Row, dx: float, dy: float, g: Row, h: Row) -> None:
    """Gradient of the cells of the middle row: ``g`` to the east, ``h`` to the north."""
    if method == ZEVENBERGEN_THORNE:
        _lengthwise(mid, dx, g)
        _crosswise(up, down, dy, h)
        return
    centre = 2.0 if method == HORN else 1.0
    weight = 2.0 + centre
    for j in range(g.size):
        east = up[j + 2] + centre * mid[j + 2] + down[j + 2]
        g[j] = (east - (up[j] + centre * mid[j] + down[j])) / (2.0 * weight * dx)
    for j in range(h.size):
        north = up[j] + centre * up[j + 1] + up[j + 2]
        h[j] = (north - (down[j] + centre * down[j + 1] + down[j + 2])) / (2.0 * weight * dy)


@kernel(error_model="numpy")
def second(method: int, up: Row, mid: Row, down: Row, dx: float, dy: float, r: Row, s: Row, t: Row) -> None:
    """Second derivatives of the cells of the middle row: ``r`` = z_xx, ``s`` = z_xy, ``t`` = z_yy, 1/m."""
    if method == ZEVENBERGEN_THORNE:
        for j in range(r.size):
            r[j] = ((mid[j + 2] - mid[j + 1]) - (mid[j + 1] - mid[j])) / (dx * dx)
        for j in range(t.size):
            t[j] = ((up[j + 1] - mid[j + 1]) - (mid[j + 1] - down[j + 1])) / (dy * dy)
    else:
        centre = 4.0 if method == HORN else 1.0
        weight = 2.0 + centre
        for j in range(r.size):
            outer = (up[j + 2] - up[j + 1]) - (up[j + 1] - up[j]) + ((down[j + 2] - down[j + 1]) - (down[j + 1] - down[j]))
            r[j] = (outer + centre * ((mid[j + 2] - mid[j + 1]) - (mid[j + 1] - mid[j]))) / (weight * dx * dx)
        for j in range(t.size):
            outer = (up[j] - mid[j]) - (mid[j] - down[j]) + ((up[j + 2] - mid[j + 2]) - (mid[j + 2] - down[j + 2]))
            t[j] = (outer + centre * ((up[j + 1] - mid[j + 1]) - (mid[j + 1] - down[j + 1]))) / (weight * dy * dy)
    for j in range(s.size):
        s[j] = ((up[j + 2] - up[j]) - (down[j + 2] - down[j])) / (4.0 * dx * dy)


METHODS: dict[str, Any] = {"zevenbergen_thorne": ZEVENBERGEN_THORNE, "horn": HORN, "evans": EVANS}
