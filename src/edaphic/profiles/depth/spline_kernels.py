"""Compiled loops of the spline over profiles: fit, integrals, values. Each profile is worked on alone, in its own order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.profiles.depth.spline_positive import EPSILON, constrain, factor, floor_and_scale, mix, solve

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

COVER_SCALE = 1e9
# Depths carry two decimals: a gap of exactly the width allowed must not fail by the last bit of a subtraction.
GAP_SLACK_CM = 1e-9


@kernel
def fit_profiles(
    start: Ints, end: Ints, top: Floats, bottom: Floats, value: Floats, lam: float, by_thickness: bool, nonnegative: bool,
    s_bar: Floats, slope: Floats, curvature: Floats, constrained: Flags, mixed: Floats,
) -> None:  # fmt: skip
    """Fit every profile; the last five arrays are written.

    ``by_thickness`` weights horizons by thickness (exact mode); otherwise all count the same (paper mode).
    """
    most = 1
    for p in range(start.size):
        most = max(most, end[p] - start[p])
    h, gap, w, s = np.empty(most), np.zeros(most), np.zeros(most), np.empty(most)
    pull, diagonal, beside = np.empty(most), np.empty(most), np.empty(most)
    both = (np.empty(most), np.empty(most))
    for p in range(start.size):
        first, n = start[p], end[p] - start[p]
        _system(n, first, top, bottom, lam, by_thickness, h, gap, pull, diagonal, beside)
        w[n - 1] = 0.0
        if n > 1:
            for j in range(n - 1):
                w[j] = value[first + j + 1] - value[first + j]
            factor(n - 1, diagonal, beside, both[0], both[1])
            solve(n - 1, both[0], both[1], w)
        for i in range(n):
            s[i] = value[first + i] + pull[i] * (w[i] - (w[i - 1] if i > 0 else 0.0))
        if nonnegative and n > 1:
            constrained[p], mixed[p] = _lift(n, first, value, h, gap, both, w, s)
        for i in range(n):
            before = w[i - 1] if i > 0 else 0.0
            s_bar[first + i] = s[i]
            slope[first + i] = 6.0 * before
            curvature[first + i] = 3.0 * (w[i] - before) / h[i]


@kernel
def _system(
    n: int, first: int, top: Floats, bottom: Floats, lam: float, by_thickness: bool,
    h: Floats, gap: Floats, pull: Floats, diagonal: Floats, beside: Floats,
) -> None:  # fmt: skip
    """Thicknesses, gaps, ``c / weight`` of each horizon (pull), and the matrix R + Q diag(pull) Q'."""
    thickness = 0.0
    for i in range(n):
        h[i] = bottom[first + i] - top[first + i]
        thickness += h[i]
    for i in range(n):
        pull[i] = 6.0 * lam * thickness / h[i] if by_thickness else 6.0 * lam * n
    for j in range(n - 1):
        gap[j] = top[first + j + 1] - bottom[first + j]
        diagonal[j] = 2.0 * (h[j] + h[j + 1]) + 6.0 * gap[j] + (pull[j] + pull[j + 1])
        beside[j] = h[j + 1] - pull[j + 1]


@kernel
def _lift(
    n: int, first: int, value: Floats, h: Floats, gap: Floats, both: tuple[Floats, Floats], w: Floats, s: Floats
) -> tuple[bool, float]:
    """Make a curve that dips below 0 the best one that does not; returns whether it did, and the share of the constant mixed in."""
    least, scale = floor_and_scale(n, h, w, s)
    if least >= 16.0 * EPSILON * scale:
        return False, 0.0
    mass, thickness = 0.0, 0.0
    for i in range(n):
        mass += h[i] * value[first + i]
        thickness += h[i]
    mean = mass / thickness
    if mean < 1e-290:
        # Too small to be divided by; the constant curve is there anyway.
        w[:n] = 0.0
        s[:n] = mean
        return True, 1.0
    for i in range(n):
        w[i] /= mean
        s[i] /= mean
    constrain(n, h, gap, both, w, s)
    share = mix(n, h, w, s)
    for i in range(n):
        w[i] *= mean
        s[i] *= mean
    return True, share


@kernel
def at(s: float, slope: float, curvature: float, h: float, t: float) -> float:
    """Value at depth t below the top of a horizon."""
    return s + slope * (t - h / 2.0) + curvature * (t * t - h * h / 3.0)


@kernel
def integrals(
    start: Ints, end: Ints, top: Floats, bottom: Floats, s_bar: Floats, slope: Floats, curvature: Floats,
    upper: Floats, lower: Floats, max_gap_cm: float, integral: Floats, covered: Floats,
) -> None:  # fmt: skip
    """Integral over each layer and observed thickness; the last two arrays are written.

    A piece is its mean over the part times the thickness of the part, so that it cannot be negative where the curve is not.
    """
    for p in range(start.size):
        first, last = start[p], end[p] - 1
        for k in range(upper.size):
            area = 0.0
            cover = max(min(lower[k], bottom[last]) - max(upper[k], top[first]), 0.0)
            for i in range(first, last + 1):
                if top[i] >= lower[k]:
                    break
                h = bottom[i] - top[i]
                if bottom[i] > upper[k]:
                    a, b = max(upper[k] - top[i], 0.0), min(lower[k] - top[i], h)
                    mean = s_bar[i] + slope[i] * ((a + b) / 2.0 - h / 2.0) + curvature[i] * ((a * a + a * b + b * b) / 3.0 - h * h / 3.0)
                    area += mean * (b - a)
                if i == last or top[i + 1] <= bottom[i]:
                    continue
                width = top[i + 1] - bottom[i]
                a, b = max(upper[k] - bottom[i], 0.0), min(lower[k] - bottom[i], width)
                if b <= a:
                    continue
                if width > max_gap_cm + GAP_SLACK_CM:
                    cover -= b - a
                    continue
                begins = at(s_bar[i], slope[i], curvature[i], h, h)
                ends = at(s_bar[i + 1], slope[i + 1], curvature[i + 1], bottom[i + 1] - top[i + 1], 0.0)
                area += (begins + (ends - begins) * ((a + b) / (2.0 * width))) * (b - a)
            integral[p, k] = area
            covered[p, k] = np.rint(cover * COVER_SCALE) / COVER_SCALE


@kernel
def values(
    start: Ints, end: Ints, top: Floats, bottom: Floats, s_bar: Floats, slope: Floats, curvature: Floats,
    depths: Floats, max_gap_cm: float, found: Floats,
) -> None:  # fmt: skip
    """Value at each depth, into ``found``; depths that were not observed are left as they are."""
    for p in range(start.size):
        last = end[p] - 1
        for k in range(depths.size):
            z = depths[k]
            for i in range(start[p], end[p]):
                if z < top[i]:
                    break
                h = bottom[i] - top[i]
                # The top of a horizon belongs to it; its bottom only where no other horizon starts there.
                if z < bottom[i] or (z == bottom[i] and (i == last or top[i + 1] > z)):
                    found[p, k] = at(s_bar[i], slope[i], curvature[i], h, z - top[i])
                    break
                if i < last and z < top[i + 1]:
                    width = top[i + 1] - bottom[i]
                    if width <= max_gap_cm + GAP_SLACK_CM:
                        begins = at(s_bar[i], slope[i], curvature[i], h, h)
                        ends = at(s_bar[i + 1], slope[i + 1], curvature[i + 1], bottom[i + 1] - top[i + 1], 0.0)
                        found[p, k] = begins + (ends - begins) * ((z - bottom[i]) / width)
                    break


@kernel
def quadrature(start: Ints, end: Ints, top: Floats, bottom: Floats, sd: Floats, upper: Floats, lower: Floats, found: Floats) -> None:
    """Root of the sum of squares of overlap times sd, into ``found``."""
    for p in range(start.size):
        for k in range(upper.size):
            total = 0.0
            for i in range(start[p], end[p]):
                overlap = min(lower[k], bottom[i]) - max(upper[k], top[i])
                if overlap > 0.0:
                    total += (overlap * sd[i]) ** 2
            found[p, k] = np.sqrt(total)
