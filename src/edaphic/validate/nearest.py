"""Nearest-neighbour distances between folds, and groups of points: the numbers behind kNNDM and spatial strata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.spatial import cKDTree

from edaphic.compiled import kernel
from edaphic.validate.grouping import Floats, Ints

_LISTED = 128
_ROUNDS = 100
_FEW_CENTRES = 64
"""Up to so many centres all distances are faster than a tree."""


def leave_one_out_distances(points: Floats) -> Floats:
    """Distance of each point to the nearest other point, Gj, shape (n,).

    Examples
    --------
    >>> leave_one_out_distances(np.array([[0.0], [1.0], [5.0]]))
    array([1., 1., 4.])
    """
    return np.asarray(cKDTree(points).query(points, k=2)[0][:, 1], dtype=float)


def distances_to(points: Floats, samples: Floats, workers: int = 1) -> Floats:
    """Distance of each point to the nearest sample, Gij, shape (m,)."""
    return np.asarray(cKDTree(samples).query(points, workers=workers)[0], dtype=float)


def wasserstein(one: Floats, other: Floats) -> float:
    """Area between the cumulative distributions of two sets of distances, the Wasserstein distance of order one.

    Examples
    --------
    >>> wasserstein(np.array([1.0, 3.0]), np.array([2.0, 6.0]))
    2.0
    """
    return float(_area(np.sort(one), np.sort(other)))


@kernel
def _area(one: Floats, other: Floats) -> float:
    n, m = len(one), len(other)
    i = j = 0
    area, at = 0.0, min(one[0], other[0])
    while i < n or j < m:
        step = one[i] if j == m or (i < n and one[i] <= other[j]) else other[j]
        area += abs(i / n - j / m) * (step - at)
        at = step
        while i < n and one[i] <= at:
            i += 1
        while j < m and other[j] <= at:
            j += 1
    return area


class OtherFolds:
    """Distance of each point to the nearest point of another fold, Gj*, for many partitions of the same points.

    The nearest neighbours of each point are listed once. Where all of them are in the point's own fold, a tree of the other
    folds is asked.

    Parameters
    ----------
    points : float64 (n, d)
        Cartesian coordinates.
    workers : int
        Threads of the search; they do not change the result.
    """

    def __init__(self, points: Floats, workers: int = 1) -> None:
        self.points = np.ascontiguousarray(points, dtype=float)
        self.workers = workers
        listed = min(_LISTED, len(points))
        distance, which = cKDTree(self.points).query(self.points, k=np.arange(1, listed + 1), workers=workers)
        self._distance, self._which = np.ascontiguousarray(distance), np.ascontiguousarray(which, dtype=np.int64)

    def distances(self, fold: Ints) -> Floats:
        """Gj* for one partition, shape (n,); infinite where all points are in one fold."""
        out = _from_list(self._distance, self._which, np.asarray(fold, dtype=np.int64))
        for k in np.unique(fold[np.isnan(out)]):
            ask, others = np.flatnonzero(np.isnan(out) & (fold == k)), np.flatnonzero(fold != k)
            if len(others) == 0:
                out[ask] = np.inf
                continue
            tree = cKDTree(self.points[others], balanced_tree=False, compact_nodes=False)
            out[ask] = tree.query(self.points[ask], workers=self.workers)[0]
        return out


@kernel
def _from_list(distance: Floats, which: Ints, fold: Ints) -> Floats:
    out = np.full(len(fold), np.nan)
    for i in range(len(fold)):
        for j in range(which.shape[1]):
            if fold[which[i, j]] != fold[i]:
                out[i] = distance[i, j]
                break
    return out


def ward_merges(points: Floats) -> tuple[Ints, Floats]:
    """Ward's tree of the points: n - 1 merges in the order of their heights, and the heights.

    Nearest-neighbour chains on centroids and sizes (Murtagh 1983): no matrix of distances is kept, and time grows with the
    square of the number of points. The height of a merge of A and B is sqrt(2 |A| |B| / (|A| + |B|)) times the distance of
    their centroids.

    Returns
    -------
    int64 (n - 1, 2), float64 (n - 1,)
        A merge joins the clusters that hold these two points.

    Examples
    --------
    >>> ward_merges(np.array([[0.0], [1.0], [5.0]]))[1].round(3)
    array([1.   , 5.196])
    """
    pairs, height2 = _chains(np.ascontiguousarray(points, dtype=float))
    order = np.argsort(height2, kind="stable")
    return pairs[order], np.sqrt(height2[order])


@kernel
def _chains(points: Floats) -> tuple[Ints, Floats]:
    n = len(points)
    centre, size = points.copy(), np.ones(n)
    active, position = np.arange(n), np.arange(n)
    pairs, height2 = np.empty((max(n - 1, 0), 2), dtype=np.int64), np.empty(max(n - 1, 0))
    chain, length, left, done = np.empty(n, dtype=np.int64), 0, n, 0
    while left > 1:
        if length == 0:
            chain[0], length = active[0], 1
        a = chain[length - 1]
        before = chain[length - 2] if length > 1 else -1
        b, best = _nearest(centre, size, active, left, a, before)
        if b != before:
            chain[length] = b
            length += 1
            continue
        length -= 2
        pairs[done, 0], pairs[done, 1], height2[done] = a, b, best
        done += 1
        total = size[a] + size[b]
        for c in range(points.shape[1]):
            centre[b, c] = (size[a] * centre[a, c] + size[b] * centre[b, c]) / total
        size[b] = total
        left -= 1
        last = active[left]
        active[position[a]], position[last] = last, position[a]
    return pairs, height2


@kernel
def _nearest(centre: Floats, size: Floats, active: Ints, left: int, a: int, before: int) -> tuple[int, float]:
    """The cluster that costs least to join with ``a``; the one before it in the chain wins ties, so that chains end."""
    best, where = np.inf, -1
    if before >= 0:
        best, where = _cost(centre, size, a, before), before
    for k in range(left):
        b = active[k]
        if b != a:
            cost = _cost(centre, size, a, b)
            if cost < best:
                best, where = cost, b
    return where, best


@kernel(inline="always")
def _cost(centre: Floats, size: Floats, a: int, b: int) -> float:
    total = 0.0
    for c in range(centre.shape[1]):
        step = centre[a, c] - centre[b, c]
        total += step * step
    return float(total * (2.0 * size[a] * size[b] / (size[a] + size[b])))


def cut(merges: Ints, counts: Sequence[int]) -> Iterator[tuple[int, Ints]]:
    """Clusters of each point when the tree is cut into so many clusters, numbered from 0 in order of first appearance.

    Parameters
    ----------
    merges : int64 (n - 1, 2)
        Of :func:`ward_merges`.
    counts : sequence of int
        From 1 to n.
    """
    for count in counts:
        yield count, _labels(merges, len(merges) + 1 - count)


@kernel
def _labels(merges: Ints, steps: int) -> Ints:
    n = len(merges) + 1
    root = np.arange(n)
    for k in range(steps):
        a, b = _root(root, merges[k, 0]), _root(root, merges[k, 1])
        root[max(a, b)] = min(a, b)
    label, found = np.full(n, -1), 0
    for i in range(n):
        top = _root(root, i)
        if label[top] < 0:
            label[top] = found
            found += 1
        label[i] = label[top]
    return label


@kernel
def _root(root: Ints, i: int) -> int:
    while root[i] != i:
        root[i] = root[root[i]]
        i = root[i]
    return i


def k_means(points: Floats, clusters: int, seed: int, repeats: int = 1) -> Ints:
    """Clusters by k-means from spread starts (k-means++), the best of ``repeats``; the same on any number of threads.

    Parameters
    ----------
    points : float64 (n, d)
    clusters : int
        At most the number of distinct points.
    seed, repeats : int

    Returns
    -------
    int64 (n,)
        Numbers from 0 to ``clusters`` - 1, none of them empty.
    """
    best, label = np.inf, np.zeros(len(points), dtype=np.int64)
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, clusters, repeat])
        centre = points[_starts(points, rng.random(clusters))]
        found, spread = _lloyd(points, centre)
        if spread < best:
            best, label = spread, found
    return label


@kernel
def _starts(points: Floats, draws: Floats) -> Ints:
    """Points drawn with chances that grow with the squared distance to those drawn before (Arthur and Vassilvitskii 2007)."""
    n, d = points.shape
    out = np.empty(len(draws), dtype=np.int64)
    nearest = np.full(n, np.inf)
    out[0] = min(int(draws[0] * n), n - 1)
    for k in range(1, len(draws)):
        total = 0.0
        for i in range(n):
            far = 0.0
            for c in range(d):
                step = points[i, c] - points[out[k - 1], c]
                far += step * step
            nearest[i] = min(nearest[i], far)
            total += nearest[i]
        goal, run, chosen = draws[k] * total, 0.0, -1
        for i in range(n):
            run += nearest[i]
            if nearest[i] > 0.0:
                chosen = i
                if run > goal:
                    break
        out[k] = chosen if chosen >= 0 else out[k - 1]
    return out


@kernel
def _to_centres(points: Floats, centre: Floats) -> tuple[Floats, Ints]:
    """Distance of each point to the nearest centre, and which it is; the first at a tie."""
    n, d = points.shape
    distance, nearest = np.empty(n), np.zeros(n, dtype=np.int64)
    for i in range(n):
        best = np.inf
        for k in range(len(centre)):
            far = 0.0
            for c in range(d):
                step = points[i, c] - centre[k, c]
                far += step * step
            if far < best:
                best = far
                nearest[i] = k
        distance[i] = np.sqrt(best)
    return distance, nearest


def _lloyd(points: Floats, centre: Floats) -> tuple[Ints, float]:
    label, count = np.full(len(points), -1), len(centre)
    for _ in range(_ROUNDS):
        distance, nearest = _to_centres(points, centre) if count <= _FEW_CENTRES else cKDTree(centre).query(points)
        size = np.bincount(nearest, minlength=count)
        for empty in np.flatnonzero(size == 0):  # The farthest point of a cluster that can spare it starts anew.
            far = int(np.argmax(np.where(size[nearest] > 1, distance, -1.0)))
            size[nearest[far]] -= 1
            nearest[far], distance[far], size[empty] = empty, 0.0, 1
        if (nearest == label).all():
            break
        label = nearest
        sums = [np.bincount(label, weights=column, minlength=count) for column in points.T]
        centre = np.column_stack(sums) / np.bincount(label, minlength=count)[:, None]
    return np.asarray(label, dtype=np.int64), float((distance * distance).sum())
