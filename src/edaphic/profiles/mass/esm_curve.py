"""Monotone curves through cumulative quantities, many small profiles at once.

The cumulative carbon of a profile is known at the lower limits of its horizons. Between them a curve is laid that passes
the limits and never falls. Three are at hand:

``linear``
    Straight lines: constant concentration in every horizon.
``hyman``
    Cubic spline whose slopes at the knots are cut to what keeps each piece monotone (Hyman 1983, SIAM Journal on
    Scientific and Statistical Computing 4: 645-654; Dougherty, Edelman and Hyman 1989, Mathematics of Computation 52:
    471-494). The spline before the cut takes its end conditions from the cubics through the first and the last four
    knots (Forsythe, Malcolm and Moler 1977, Computer Methods for Mathematical Computations).
``pchip``
    Cubic with slopes from the two neighbouring chords (Fritsch and Butland 1984, SIAM Journal on Scientific and
    Statistical Computing 5: 300-304; ends: Moler 2004, Numerical Computing with MATLAB, chapter 3). Local: a change
    two limits away changes nothing.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KINDS = MappingProxyType({"linear": 0, "hyman": 1, "pchip": 2})
"""Number of each curve in the kernels."""

BEYOND = MappingProxyType({"missing": 0, "chord": 1, "cubic": 2})
"""What a curve is past its last knot: no value, the straight line of the last piece, or its cubic (``linear`` has no
other than the straight line)."""

REACH = 1e-9
"""A target past the last knot by up to this share of it is the last knot: the same mass summed in another order."""


def evaluate(start: Ints, x: Floats, y: Floats, targets: Floats, kind: str, beyond: str = "missing") -> Floats:
    """Curve of each profile at its targets.

    Parameters
    ----------
    start : int array (n_profiles + 1,)
        The knots of profile ``p`` are ``start[p]`` to ``start[p + 1]``, without (0, 0), which every curve begins at.
    x, y : float array (n,)
        Knots; ``x`` must not fall within a profile, ``y`` must be monotone.
    targets : float array (n_profiles, n_targets)
        Where to evaluate, 0 or more; NaN gives NaN.
    kind : str
        One of :data:`KINDS`.
    beyond : str
        One of :data:`BEYOND`.

    Returns
    -------
    float array (n_profiles, n_targets)
        0 at 0, exactly ``y`` at a knot, NaN for a profile without knots. Of several knots with one ``x`` the first counts
        at that ``x``; ``linear`` goes on from the last of them, the cubics from the first.

    Examples
    --------
    The parabola y = x (4 - x) through three points, and straight lines, the last of them continued:

    >>> start, x = np.array([0, 2]), np.array([1.0, 2.0])
    >>> evaluate(start, x, np.array([3.0, 4.0]), np.array([[0.5, 1.0, 1.5]]), "hyman").tolist()
    [[1.75, 3.0, 3.75]]
    >>> evaluate(start, x, np.array([3.0, 4.0]), np.array([[0.5, 1.0, 2.5]]), "linear", "chord").tolist()
    [[1.5, 3.0, 4.5]]
    """
    return np.asarray(_evaluate(start, x, y, targets, KINDS[kind], BEYOND[beyond]))


def running(start: Ints, values: Floats) -> Floats:
    """Sums from the first to each entry of a profile; they do not depend on the other profiles, to the last bit.

    >>> running(np.array([0, 2, 3]), np.array([1.0, 2.0, 5.0])).tolist()
    [1.0, 3.0, 5.0]
    """
    return np.asarray(_running(start, values))


@kernel
def _running(start: Ints, values: Floats) -> Floats:
    out = np.empty(values.size)
    for p in range(start.size - 1):
        total = 0.0
        for i in range(start[p], start[p + 1]):
            total += values[i]
            out[i] = total
    return out


@kernel
def _evaluate(start: Ints, x: Floats, y: Floats, targets: Floats, kind: int, beyond: int) -> Floats:
    n_profiles, n_targets = targets.shape
    out = np.full((n_profiles, n_targets), np.nan)
    widest = 1
    for p in range(n_profiles):
        widest = max(widest, start[p + 1] - start[p] + 1)
    u, v, slope, work, other = np.empty(widest), np.empty(widest), np.empty(widest), np.empty(widest), np.empty(widest)
    for p in range(n_profiles):
        n = _knots(x, y, start[p], start[p + 1], kind == 0, u, v)
        if n < 2:
            continue
        if kind == 1:
            _fmm_slopes(n, u, v, slope, work, other)
            _hyman(n, u, v, slope)
        elif kind == 2:
            _pchip_slopes(n, u, v, slope)
        for t in range(n_targets):
            out[p, t] = _at(targets[p, t], n, u, v, slope, kind, beyond)
    return out


@kernel
def _knots(x: Floats, y: Floats, first: int, end: int, steps: bool, u: Floats, v: Floats) -> int:
    """Knots of one profile with (0, 0) before them, in ``u`` and ``v``, and their number.

    A repeated ``x`` is kept with ``steps``, but not at the end, where nothing follows it.
    """
    u[0] = 0.0
    v[0] = 0.0
    n = 1
    for i in range(first, end):
        if steps or x[i] > u[n - 1]:
            u[n] = x[i]
            v[n] = y[i]
            n += 1
    while n > 1 and u[n - 1] == u[n - 2]:
        n -= 1
    return n


@kernel
def _at(target: float, n: int, u: Floats, v: Floats, slope: Floats, kind: int, beyond: int) -> float:
    last = u[n - 1]
    if not target > 0.0:
        return 0.0 if target == 0.0 else np.nan
    if target > last:
        if target <= last * (1.0 + REACH):
            return float(v[n - 1])
        if beyond == 0:
            return np.nan
    i = 0
    while i < n - 2 and u[i + 1] < target:
        i += 1
    h = u[i + 1] - u[i]
    if target == u[i + 1]:
        return float(v[i + 1])
    chord = (v[i + 1] - v[i]) / h
    if target > last and (beyond == 1 or kind == 0):
        return float(v[n - 1] + (target - last) * chord)
    t = target - u[i]
    if kind == 0:
        return float(v[i] + t * chord)
    curvature = (3.0 * chord - 2.0 * slope[i] - slope[i + 1]) / h
    twist = (slope[i] + slope[i + 1] - 2.0 * chord) / (h * h)
    return float(v[i] + t * (slope[i] + t * (curvature + t * twist)))


@kernel
def _fmm_slopes(n: int, u: Floats, v: Floats, slope: Floats, pivot: Floats, c: Floats) -> None:
    """Slopes of the interpolating cubic spline; ``c`` is a sixth of its second derivative at the knots.

    Three knots give the parabola, two the straight line.
    """
    if n == 2:
        slope[0] = slope[1] = (v[1] - v[0]) / (u[1] - u[0])
        return
    h = u[1] - u[0]
    pivot[0] = -h
    c[0] = h * h * _third_difference(0, u, v) if n > 3 else 0.0
    for i in range(1, n - 1):
        after = u[i + 1] - u[i]
        factor = h / pivot[i - 1]
        pivot[i] = 2.0 * (h + after) - factor * h
        c[i] = (v[i + 1] - v[i]) / after - (v[i] - v[i - 1]) / h - factor * c[i - 1]
        h = after
    factor = h / pivot[n - 2]
    pivot[n - 1] = -h - factor * h
    right = -h * h * _third_difference(n - 4, u, v) if n > 3 else 0.0
    c[n - 1] = (right - factor * c[n - 2]) / pivot[n - 1]
    for i in range(n - 2, -1, -1):
        c[i] = (c[i] - (u[i + 1] - u[i]) * c[i + 1]) / pivot[i]
    for i in range(n - 1):
        h = u[i + 1] - u[i]
        slope[i] = (v[i + 1] - v[i]) / h - h * (2.0 * c[i] + c[i + 1])
    slope[n - 1] = (v[n - 1] - v[n - 2]) / h + h * (c[n - 2] + 2.0 * c[n - 1])


@kernel
def _third_difference(i: int, u: Floats, v: Floats) -> float:
    """Third divided difference over four knots from ``i``."""
    a = (v[i + 1] - v[i]) / (u[i + 1] - u[i])
    b = (v[i + 2] - v[i + 1]) / (u[i + 2] - u[i + 1])
    c = (v[i + 3] - v[i + 2]) / (u[i + 3] - u[i + 2])
    return float(((c - b) / (u[i + 3] - u[i + 1]) - (b - a) / (u[i + 2] - u[i])) / (u[i + 3] - u[i]))


@kernel
def _hyman(n: int, u: Floats, v: Floats, slope: Floats) -> None:
    """Cut each slope to between 0 and three times the smaller of its two chords (one chord at the ends)."""
    sign = 1.0 if v[n - 1] >= v[0] else -1.0
    for i in range(n):
        limit = np.inf
        if i > 0:
            limit = min(limit, abs((v[i] - v[i - 1]) / (u[i] - u[i - 1])))
        if i < n - 1:
            limit = min(limit, abs((v[i + 1] - v[i]) / (u[i + 1] - u[i])))
        slope[i] = sign * min(max(sign * slope[i], 0.0), 3.0 * limit)


@kernel
def _pchip_slopes(n: int, u: Floats, v: Floats, slope: Floats) -> None:
    """Weighted harmonic mean of the two chords, 0 where they differ in sign or one is flat; one-sided at the ends."""
    if n == 2:
        slope[0] = slope[1] = (v[1] - v[0]) / (u[1] - u[0])
        return
    for i in range(1, n - 1):
        before, after = u[i] - u[i - 1], u[i + 1] - u[i]
        a, b = (v[i] - v[i - 1]) / before, (v[i + 1] - v[i]) / after
        if a * b <= 0.0:
            slope[i] = 0.0
        else:
            w, z = 2.0 * after + before, after + 2.0 * before
            slope[i] = (w + z) / (w / a + z / b)
    slope[0] = _pchip_end(u[1] - u[0], u[2] - u[1], v[1] - v[0], v[2] - v[1])
    slope[n - 1] = _pchip_end(u[n - 1] - u[n - 2], u[n - 2] - u[n - 3], v[n - 1] - v[n - 2], v[n - 2] - v[n - 3])


@kernel
def _pchip_end(near: float, next_: float, rise: float, next_rise: float) -> float:
    a, b = rise / near, next_rise / next_
    slope = ((2.0 * near + next_) * a - near * b) / (near + next_)
    if slope * a <= 0.0:
        return 0.0
    if a * b <= 0.0 and abs(slope) > 3.0 * abs(a):
        return 3.0 * a
    return slope
