"""Nearest training sample of many cells in the space of the predictors, and the samples within a distance.

Every squared distance is summed in one fixed order in double precision, directly from differences: nothing cancels close to a
sample, and the numbers do not depend on threads, on tiles, or on which samples are passed over. Samples are passed over in
groups whose box, along a few principal axes, is certainly farther away than what is needed.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

GROUP = 32
"""Training samples whose distances are computed side by side."""
AXES = 6
"""Principal axes along which groups are told apart; more cost more than they save."""
PART = 2_048
"""Cells that a thread takes at a time: what bounds the memory beside input and output."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Samples arranged for the search.

    ``blocks`` (groups, padded k, GROUP): samples side by side; ``low``, ``high`` (axes, groups): their boxes along ``axes`` (padded k,
    axes); ``reach``: length of the longest sample.
    """

    blocks: Array
    low: Array
    high: Array
    axes: Array
    reach: float


@dataclass(frozen=True, eq=False)
class Change:
    """How a cell is brought to the scale of the samples: ``columns`` (k,) taken, then ``(x - centre) / scale * weights``."""

    columns: Rows
    centre: Array
    scale: Array
    weights: Array


def padded_points(points: Array) -> Array:
    """Zeros up to a multiple of four columns: they add nothing to a distance."""
    return np.pad(points, ((0, 0), (0, -points.shape[1] % 4)))


def blocks_of(padded: Array, order: Rows) -> Array:
    """Groups of samples, side by side; what is missing in the last lies infinitely far away."""
    count = -(-len(order) // GROUP)
    out = np.full((count * GROUP, padded.shape[1]), np.inf)
    out[: len(order)] = padded[order]
    return np.ascontiguousarray(out.reshape(count, GROUP, -1).transpose(0, 2, 1))


def arrange(points: Array) -> Groups:
    """Sort samples into compact groups: halved along their widest principal axis until a group is full."""
    padded = padded_points(points)
    centred = padded - padded.mean(axis=0)
    axes = np.ascontiguousarray(np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, : min(AXES, points.shape[1])])
    seen = padded @ axes
    done: list[Rows] = []
    waiting = [np.arange(len(points))]
    while waiting:
        rows = waiting.pop()
        if len(rows) <= GROUP:
            done.append(rows)
            continue
        widest = int(np.argmax(np.ptp(seen[rows], axis=0)))
        rows = rows[np.argsort(seen[rows, widest], kind="stable")]
        # Whole groups on the left, so that only the last group of all is not full.
        half = -(-len(rows) // GROUP) // 2 * GROUP
        waiting += [rows[half:], rows[:half]]
    order = np.concatenate(done)
    starts = np.arange(0, len(order), GROUP)
    low = np.minimum.reduceat(seen[order], starts).T
    high = np.maximum.reduceat(seen[order], starts).T
    reach = float(np.sqrt((padded**2).sum(axis=1).max()))
    return Groups(blocks_of(padded, order), np.ascontiguousarray(low), np.ascontiguousarray(high), axes, reach)


def among(points: Array, label: Rows, workers: int, limit: float = -1.0) -> tuple[Array, Array, Array]:
    """Each sample beside the others.

    Parameters
    ----------
    points : float64 (n, k)
    label : int64 (n,)
        Fold. -1: never held back.
    workers : int
        Threads.
    limit : float
        Squared distance.

    Returns
    -------
    mean : float64 (n,)
        Mean distance to all others.
    nearest, number : float64 (n,)
        Squared distance to the nearest sample of another fold, and number of such samples within the limit; NaN for label -1.
    """
    padded, n = padded_points(points), len(points)
    blocks = blocks_of(padded, np.arange(n))
    mean, nearest, number = np.empty(n), np.empty(n), np.empty(n)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        ends = [(start, min(start + PART, n)) for start in range(0, n, PART)]
        list(pool.map(lambda some: _pairs(padded, blocks, label, some[0], some[1], limit, mean, nearest, number), ends))
    return mean, nearest, number


def largest_square(threshold: float, mean_distance: float) -> float:
    """Largest squared distance whose root over the mean distance is not above the threshold, to the last bit."""
    square = (threshold * mean_distance) ** 2
    while math.sqrt(square) / mean_distance > threshold:
        square = math.nextafter(square, 0.0)
    while math.sqrt(math.nextafter(square, math.inf)) / mean_distance <= threshold:
        square = math.nextafter(square, math.inf)
    return square


def search(
    groups: Groups, cells: NDArray[Any], workers: int, limit: float | None, change: Change
) -> tuple[Array, Rows]:
    """Squared distance to the nearest sample, and the number of samples within the limit (0 without one)."""
    square, number = np.empty(len(cells)), np.zeros(len(cells), dtype=np.int64)
    bound = -1.0 if limit is None else limit

    def part(start: int) -> None:
        some = slice(start, start + PART)
        _nearest(
            np.ascontiguousarray(cells[some]),
            change.columns,
            change.centre,
            change.scale,
            change.weights,
            groups.blocks,
            groups.low,
            groups.high,
            groups.axes,
            groups.reach,
            bound,
            square[some],
            number[some],
        )

    with ThreadPoolExecutor(max(1, workers)) as pool:
        list(pool.map(part, range(0, len(cells), PART)))
    return square, number


@kernel(error_model="numpy")
def _distances(point, block, out):  # type: ignore[no-untyped-def]
    """Squared distances of a point to the samples of a block; four columns at a time, in the order of the columns."""
    for j in range(GROUP):
        out[j] = 0.0
    for d in range(0, len(point), 4):
        p0, p1, p2, p3 = point[d], point[d + 1], point[d + 2], point[d + 3]
        for j in range(GROUP):
            a, b, c, e = p0 - block[d, j], p1 - block[d + 1, j], p2 - block[d + 2, j], p3 - block[d + 3, j]
            out[j] += (a * a + b * b) + (c * c + e * e)


@kernel(error_model="numpy")
def _smallest(values, scratch):  # type: ignore[no-untyped-def]
    half = GROUP // 2
    for j in range(half):
        scratch[j] = min(values[j], values[j + half])
    while half > 1:
        half //= 2
        for j in range(half):
            scratch[j] = min(scratch[j], scratch[j + half])
    return scratch[0]


@kernel(error_model="numpy")
def _nearest(cells, columns, centre, scale, weights, blocks, low, high, axes, reach, limit, square, number):  # type: ignore[no-untyped-def]
    """Nearest sample of each cell; with a limit of 0 or more also the number of samples within it."""
    count, k = blocks.shape[0], blocks.shape[1]
    point, distance, scratch, gap = np.zeros(k), np.empty(GROUP), np.empty(GROUP), np.empty(count)
    for i in range(len(cells)):
        usable, length = True, 0.0
        for c in range(cells.shape[1]):
            usable = usable and np.isfinite(cells[i, c])
        for c in range(len(columns)):
            point[c] = (cells[i, columns[c]] - centre[c]) / scale[c] * weights[c]
            length += point[c] * point[c]
        if not usable or not np.isfinite(length):
            # A number so large that its square is none is as far away as can be.
            square[i] = np.inf if usable else np.nan
            number[i] = -1 if limit >= 0 and not usable else 0
            continue
        gap[:] = 0.0
        for a in range(axes.shape[1]):
            along = 0.0
            for c in range(k):
                along += point[c] * axes[c, a]
            for g in range(count):
                beside = max(max(low[a, g] - along, along - high[a, g]), 0.0)
                gap[g] += beside * beside
        first = int(np.argmin(gap))
        # What turning point and samples to the axes can have lost to rounding, with room to spare.
        slack = 1e-15 * (k + 8) * (length**0.5 + reach)
        best, within, cut = np.inf, 0, np.inf
        for turn in range(count):
            # The nearest group comes first, the others in order.
            g = first if turn == 0 else (turn - 1 if turn <= first else turn)
            if gap[g] > cut:
                continue
            _distances(point, blocks[g], distance)
            here = _smallest(distance, scratch)
            if here < best:
                best = here
                cut = (max(best, limit) ** 0.5 * (1.0 + 1e-9) + slack) ** 2
            if here <= limit:
                for j in range(GROUP):
                    if distance[j] <= limit:
                        within += 1
        square[i] = best
        number[i] = within


@kernel(error_model="numpy")
def _pairs(points, blocks, label, start, stop, limit, mean, nearest, number):  # type: ignore[no-untyped-def]
    n, distance = len(points), np.empty(GROUP)
    for i in range(start, stop):
        total, best, within = 0.0, np.inf, 0
        for g in range(len(blocks)):
            _distances(points[i], blocks[g], distance)
            for j in range(min(GROUP, n - g * GROUP)):
                total += np.sqrt(distance[j])
                if label[g * GROUP + j] != label[i]:
                    best = min(best, distance[j])
                    if distance[j] <= limit:
                        within += 1
        # The distance to itself is 0 and adds nothing.
        mean[i] = total / (n - 1)
        nearest[i] = best if label[i] >= 0 else np.nan
        number[i] = within if label[i] >= 0 else np.nan
