"""Radial functions and their weighted sums, compiled.

Every sum runs over the stations one after another, for one cell at a time as far as the numbers go. So the value of a cell does not depend
on the cells beside it, on the size of the blocks, or on the number of threads: it is the same to the bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel

Floats = NDArray[np.float64]

STATIONS = 256
"""Stations whose radial functions are held at a time: they stay in the fastest memory of the processor."""

CELLS = 4
"""Cells that share one reading of the coefficients."""

SHIFT, EXPONENT = np.uint64(52), np.uint64(0x7FF)
MAGIC = np.uint64(0x4330000000000000)
"""The bits of 2^52: or-ed to a whole number below 2^52 they make the number 2^52 + itself."""

FRACTION = np.uint64(0x000FFFFFFFFFFFFF)
ONE = np.uint64(0x3FF0000000000000)
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10


@kernel(error_model="numpy")
def _logarithms(x: Floats, bits: NDArray[np.uint64], count: int, out: Floats) -> None:
    """Natural logarithms of normal positive numbers, to 2 units in the last place; written so that it runs on several numbers at a time.

    A test for division by zero would hinder that, hence the error model of numpy.

    x = 2^k y with y in [1, 2), halved above the square root of 2; log y = 2 atanh(s) with s = (y - 1) / (y + 1), by its series.
    """
    whole = np.empty(STATIONS)
    part = np.empty(STATIONS)
    whole_bits, part_bits = whole.view(np.uint64), part.view(np.uint64)
    for j in range(count):
        whole_bits[j] = ((bits[j] >> SHIFT) & EXPONENT) | MAGIC
        part_bits[j] = (bits[j] & FRACTION) | ONE
    for j in range(count):
        y = part[j]
        k = whole[j] - (4503599627370496.0 + 1023.0)
        large = y > 1.4142135623730951
        y = y * 0.5 if large else y
        k = k + 1.0 if large else k
        f = y - 1.0
        s = f / (2.0 + f)
        z = s * s
        series = z * (
            1.0 / 3.0
            + z
            * (
                1.0 / 5.0
                + z
                * (
                    1.0 / 7.0
                    + z
                    * (
                        1.0 / 9.0
                        + z * (1.0 / 11.0 + z * (1.0 / 13.0 + z * (1.0 / 15.0 + z * (1.0 / 17.0 + z * (1.0 / 19.0 + z * (1.0 / 21.0))))))
                    )
                )
            )
        )
        out[j] = k * LN2_HIGH + (2.0 * (s + s * series) + k * LN2_LOW)


@kernel(error_model="numpy")
def _radial(kind: int, power: int, point: Floats, others: Floats, first: int, count: int, out: Floats, work: Floats) -> None:
    """Radial functions between one point and ``count`` others from ``first`` on, without the constant."""
    for j in range(count):
        step = point[0] - others[0, first + j]
        work[j] = step * step
    for axis in range(1, others.shape[0]):
        for j in range(count):
            step = point[axis] - others[axis, first + j]
            work[j] += step * step
    if kind == 0:
        for j in range(count):
            out[j] = np.sqrt(work[j])
        for _ in range((power - 1) // 2):
            for j in range(count):
                out[j] *= work[j]
    elif kind == 1:
        # The tiny number keeps the logarithm finite where the distance is 0; it vanishes in every other sum.
        for j in range(count):
            work[j] += 1e-300
        _logarithms(work, work.view(np.uint64), count, out)
        for j in range(count):
            out[j] *= 0.5
        for _ in range(power // 2):
            for j in range(count):
                out[j] *= work[j]
    else:
        for j in range(count):
            out[j] = _on_sphere(work[j])


@kernel(error_model="numpy")
def _on_sphere(chord2: float) -> float:
    """Spline kernel of order 2 on the unit sphere (Wahba 1981), from the squared chord.

    With W = (1 - cos angle) / 2 = chord^2 / 4: (q / 2 - 1 / 6) / (2 pi), where
    q = (log(1 + 1 / sqrt W) (12 W^2 - 4 W) - 12 W^1.5 + 6 W + 1) / 2.
    """
    w = min(max(0.25 * chord2, 1e-300), 1.0)
    root = np.sqrt(w)
    q = 0.5 * (np.log(1.0 + 1.0 / root) * (12.0 * w * w - 4.0 * w) - 12.0 * w * root + 6.0 * w + 1.0)
    return float((0.5 * q - 1.0 / 6.0) / (2.0 * np.pi))


@kernel(error_model="numpy")
def fill(kind: int, power: int, points: Floats, others: Floats, out: Floats) -> None:
    """Radial functions of every point (n, d) to every other (d, k), into ``out`` of shape (n, k)."""
    work, values = np.empty(STATIONS), np.empty(STATIONS)
    for i in range(points.shape[0]):
        for first in range(0, others.shape[1], STATIONS):
            count = min(STATIONS, others.shape[1] - first)
            _radial(kind, power, points[i], others, first, count, values, work)
            for j in range(count):
                out[i, first + j] = values[j]


@kernel(error_model="numpy")
def accumulate(kind: int, power: int, points: Floats, others: Floats, coefficients: Floats, out: Floats) -> None:
    """Add to ``out`` (n, fields) the radial functions of points (n, d) to others (d, k) times coefficients (k, fields)."""
    n, fields = out.shape
    values = np.empty((CELLS, STATIONS))
    work = np.empty(STATIONS)
    for start in range(0, n, CELLS):
        cells = min(CELLS, n - start)
        for first in range(0, others.shape[1], STATIONS):
            count = min(STATIONS, others.shape[1] - first)
            for i in range(cells):
                _radial(kind, power, points[start + i], others, first, count, values[i], work)
            if cells == CELLS:
                for j in range(count):
                    k0, k1, k2, k3 = values[0, j], values[1, j], values[2, j], values[3, j]
                    for f in range(fields):
                        c = coefficients[first + j, f]
                        out[start, f] += k0 * c
                        out[start + 1, f] += k1 * c
                        out[start + 2, f] += k2 * c
                        out[start + 3, f] += k3 * c
            else:
                for i in range(cells):
                    for j in range(count):
                        for f in range(fields):
                            out[start + i, f] += values[i, j] * coefficients[first + j, f]
