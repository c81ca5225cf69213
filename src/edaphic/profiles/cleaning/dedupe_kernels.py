"""Compiled part of the search for duplicates: pairs that agree, and groups in which all do."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EARTH_RADIUS_M = 6_371_008.8
COPY_SHARE = 1e-4
HORIZONS_COPY = 2
HORIZONS_FAR = 3
POINT_M = 1.0
"""Places closer than this are one point."""
DIGIT = MappingProxyType({"bulk_density_g_cm3": 0.0, "clay_pct": 1.0, "ph_h2o": 0.1, "total_n_g_kg": 0.1})
"""Values asked beside organic carbon, and the difference that is only the last digit."""
DIGITS = (0.0, *DIGIT.values())
PH = 1 + list(DIGIT).index("ph_h2o")


class Rule(NamedTuple):
    distance_m: float
    years: float
    depth_cm: float
    share: float
    across: bool
    copies: bool


class Records(NamedTuple):
    """Arrays by profile, in the order of source and row, and by horizon (``top_cm``, ``bottom_cm``, ``values``)."""

    side: Ints
    source: Ints
    start: Ints
    horizons: Ints
    xyz: Floats
    year: Floats
    reach_m: Floats
    given: NDArray[np.bool_]
    top_cm: Floats
    bottom_cm: Floats
    values: Floats


@kernel
def sweep(  # type: ignore[no-untyped-def]
    data, rule, order, north_m, look_m, places_only, most
):
    """All pairs that agree, looking north and south no further than the reach of the profile that reaches further.

    In one pass over the latitudes nothing is kept but what agrees; meridians and poles are no borders. Profiles that reach equally
    far meet on the way north, so that only those that reach further than most look south.
    """
    size, number = min(1024, most), 0
    left, right, told = np.empty(size, np.int64), np.empty(size, np.int64), np.empty((size, 3))
    near = np.zeros(data.start.size, np.bool_)
    horizons, side, carbon_on_top = data.horizons[order], data.side[order], data.values[data.start[order], 0]
    slack = rule.share + 1e-6
    for a in range(order.size):
        i, u = order[a], carbon_on_top[a]
        for step in range(1, -2 if look_m[a] > rule.distance_m else 0, -2):
            b = a
            while True:
                b += step
                if b < 0 or b == order.size or abs(north_m[b] - north_m[a]) > look_m[a] + 1e-6:
                    break
                if not places_only and horizons[a] != horizons[b]:
                    break
                # Carbon of the top horizon is cheaper to ask than the distance, and tells most records at a crowded place apart.
                v = carbon_on_top[b]
                if not places_only and abs(u - v) > slack * max(u, v):
                    continue
                if look_m[b] > look_m[a] or (look_m[b] == look_m[a] and step < 0) or (rule.across and side[a] == side[b]):
                    continue
                j = order[b]
                if near[i] and near[j]:
                    continue
                distance = _distance(data, rule, i, j)
                if distance < 0:
                    continue
                if places_only:
                    near[i] = near[j] = True
                    continue
                depth, carbon = _compared(data, rule, i, j, distance)
                if depth < 0:
                    continue
                if number == size:
                    if number >= most:
                        return left, right, told, near
                    size = min(2 * size, most)
                    left, right, told = _longer(left, size), _longer(right, size), _wider(told, size)
                left[number], right[number] = i, j
                told[number, 0], told[number, 1], told[number, 2] = distance, depth, carbon
                number += 1
    return left[:number], right[:number], told[:number], near


@kernel
def _longer(array, size):  # type: ignore[no-untyped-def]
    out = np.empty(size, np.int64)
    out[: array.size] = array
    return out


@kernel
def _wider(array, size):  # type: ignore[no-untyped-def]
    out = np.empty((size, array.shape[1]))
    out[: array.shape[0]] = array
    return out


@kernel
def _distance(data, rule, i, j):  # type: ignore[no-untyped-def]
    """Great-circle distance in m, -1 where the places are two."""
    limit = rule.distance_m
    given = data.given[i] or data.given[j]
    if given or data.reach_m[i] != data.reach_m[j]:
        limit = max(limit, max(data.reach_m[i], data.reach_m[j]))
    x, y, z = data.xyz[i, 0] - data.xyz[j, 0], data.xyz[i, 1] - data.xyz[j, 1], data.xyz[i, 2] - data.xyz[j, 2]
    distance = 2.0 * EARTH_RADIUS_M * np.arcsin(min(1.0, np.sqrt(x * x + y * y + z * z) / 2.0))
    return distance if distance <= limit + 1e-6 else -1.0


@kernel
def _compared(data, rule, i, j, distance):  # type: ignore[no-untyped-def]
    """Largest difference of depth and of carbon (share), -1 where the records at one place are two profiles.

    Bounds hold with the noise of doubles: 19 is within 5 % of 20, 0.38 of 0.4.
    """
    no = (-1.0, -1.0)
    if abs(data.year[i] - data.year[j]) > rule.years + 1e-9:
        return no
    depth, carbon, measured, positive, compared, differ = 0.0, 0.0, 0, 0, 0, 0
    a, b = data.start[i], data.start[j]
    one_source = data.source[i] == data.source[j]
    most = min(rule.share, COPY_SHARE) if one_source and rule.copies else rule.share
    for k in range(data.horizons[i]):
        u, v = data.values[a + k, 0], data.values[b + k, 0]
        if np.isnan(u) != np.isnan(v):
            return no
        if not np.isnan(u):
            measured += 1
            positive += u > 0 and v > 0
            apart = 0.0 if u == v else abs(u - v) / max(abs(u), abs(v))
            carbon = max(carbon, apart)
            if apart > most + 1e-9:
                return no
        depth = max(depth, abs(data.top_cm[a + k] - data.top_cm[b + k]), abs(data.bottom_cm[a + k] - data.bottom_cm[b + k]))
        if depth > rule.depth_cm + 1e-9:
            return no
    far = distance > rule.distance_m + 1e-6
    if measured == 0 or not _enough(rule, one_source, far, distance <= POINT_M, carbon, positive):
        return no
    for k in range(data.horizons[i]):
        for f in range(1, 5):
            u, v = data.values[a + k, f], data.values[b + k, f]
            if np.isnan(u) or np.isnan(v) or (f == 1 and data.values[a + k, 5] != data.values[b + k, 5]):
                continue
            compared += 1
            within = 0.0 if f == PH else rule.share * max(abs(u), abs(v))
            differ += abs(u - v) > max(within, DIGITS[f]) + 1e-9
    return no if 3 * differ > compared else (depth, carbon)


@kernel
def _enough(rule, one_source, far, one_point, carbon, positive):  # type: ignore[no-untyped-def]
    """Whether so many horizons that agree so well are proof."""
    strict = one_source and rule.copies
    if not strict and (positive >= HORIZONS_FAR or (not far and (positive >= HORIZONS_COPY or not one_source))):
        return True
    fewest = 1 if (one_point and not strict) or (rule.across and not far) else HORIZONS_COPY
    return carbon <= COPY_SHARE + 1e-9 and positive >= fewest


@kernel
def groups(data, rule, left, right):  # type: ignore[no-untyped-def]
    """Group of each profile: pairs in the given order join their groups where every pair of the two agrees."""
    group = np.arange(data.start.size)
    following = np.full(data.start.size, -1, np.int64)
    for pair in range(left.size):
        g, h = group[left[pair]], group[right[pair]]
        if g == h:
            continue
        if g > h:
            g, h = h, g
        if not _all_agree(data, rule, g, h, following):
            continue
        last = g
        while following[last] >= 0:
            last = following[last]
        following[last] = h
        while h >= 0:
            group[h] = g
            h = following[h]
    return group


@kernel
def _all_agree(data, rule, g, h, following):  # type: ignore[no-untyped-def]
    i = g
    while i >= 0:
        j = h
        while j >= 0:
            distance = _distance(data, rule, i, j)
            if distance < 0 or _compared(data, rule, i, j, distance)[0] < 0:
                return False
            j = following[j]
        i = following[i]
    return True
