"""Shapley values of a forest's predictions: how much each covariate moves one prediction away from the mean of all.

The values are those of TreeSHAP in its path-dependent form (Lundberg et al. 2020, Nature Machine Intelligence 2, 56-67): where a
covariate is not known, a row goes down both ways of a split, in proportion to the training rows that did. They add up: their sum and the
base are the prediction.

They are worked out by Owen's integral (Owen, G. 1972, Multilinear extensions of games, Management Science 18, P64-P79). With t the chance
that a covariate is known, a leaf of value v, whose path tests the covariates j, weighs v prod_j [t o_j + (1 - t) z_j]: o_j is 1 where the
row passes all tests of j, z_j the share of training rows that do. The Shapley value of i is the integral over t from 0 to 1 of (o_i - z_i)
times the product over the others. The integrand is a polynomial, so Gauss and Legendre's rule of half as many points as a path has
covariates is exact. One walk down and one up a tree add up all leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.errors import ModelError
from edaphic.model.features import DEPTH_FEATURES
from edaphic.model.ranking import DEPTH_UNIT
from edaphic.model.soil import SoilModel, interval_name
from edaphic.model.structure import Forest

Array = NDArray[np.float64]
Scale = Literal["mean", "fit"]
BLOCK = 64
"""Rows that go down one tree before the next: what is worked out of a tree serves all of them."""


@dataclass(frozen=True)
class Shap:
    """Shapley values (n, q) of n rows and q features, the base (mean of the forest over its training rows), and notes."""

    values: Array
    base: float
    notes: tuple[str, ...]


class _Trees(NamedTuple):
    """Nodes of each tree, parents before children: see :func:`_flatten`."""

    start: NDArray[np.int64]
    parent: NDArray[np.int64]
    tested: NDArray[np.int64]
    threshold: NDArray[np.float32]
    is_left: NDArray[np.bool_]
    up: NDArray[np.int64]
    share: Array
    cover: Array
    leaf: NDArray[np.int64]


def shap_values(forest: Forest, features: NDArray[np.float32], *, scale: Scale = "mean", workers: int = 1) -> Shap:
    """Shapley values of the forest's predictions of rows.

    Parameters
    ----------
    forest : Forest
    features : float32 (n, q)
        No NaN.
    scale : {"mean", "fit"}
        Of the predictions in their unit (:attr:`Prediction.mean`), or on the scale on which the trees grew (``mean_fit``).
    workers : int
        Threads; they change no bit.

    Returns
    -------
    Shap
        ``base`` plus the sum of a row is the prediction of the row, to rounding. The training rows of a leaf are counted with their
        bootstrap counts and weights where the forest kept the sums, else once each; a note says which.

    Raises
    ------
    ModelError
        Features of another number, or not finite; a scale that is not known.

    Examples
    --------
    Half of the training rows are 2, half 6: a row on the upper side is 2 above the base.

    >>> from edaphic.model.forest import Settings, train
    >>> x = np.repeat([0, 1], 10)[:, None].astype(np.float32)
    >>> forest = train(x, np.repeat([2.0, 6.0], 10), Settings(50, 1.0, 1), log=False, seed=1)
    >>> found = shap_values(forest, x[-1:])
    >>> round(float(found.base + found.values[0, 0]), 9), abs(found.base - 4) < 0.3
    (6.0, True)
    """
    rows = np.ascontiguousarray(features, dtype=np.float32)
    width = len(forest.importance)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ModelError(f"Shapley values: features of shape {rows.shape}; expected (rows, {width})")
    if not np.isfinite(rows).all():
        raise ModelError(f"Shapley values: {int((~np.isfinite(rows)).any(axis=1).sum())} rows are not finite; expected numbers")
    if scale not in ("mean", "fit"):
        raise ModelError(f"Shapley values: scale {scale!r}; expected mean or fit")
    sizes, note = _leaf_sizes(forest)
    trees, most = _trees(forest, sizes)
    said = forest.leaf_mean if scale == "mean" else forest.leaf_mean_fit
    at_leaf = trees.leaf >= 0
    value = np.where(at_leaf, said[np.maximum(trees.leaf, 0)], 0.0)
    tree_of = np.repeat(np.arange(forest.trees), np.diff(trees.start))
    base = float(np.mean(np.bincount(tree_of, value * trees.cover * at_leaf) / trees.cover[trees.start[:-1]]))
    points, weights = np.polynomial.legendre.leggauss(max(1, (most + 1) // 2))
    out = np.zeros(rows.shape)
    threads = max(1, min(workers, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        _walk(rows, *trees, value, (points + 1) / 2, weights / 2, threads, out)
    finally:
        numba.set_num_threads(before)
    return Shap(out / forest.trees, base, (note,))


def by_covariate(values: Array, sources: Sequence[str]) -> pd.DataFrame:
    """Shapley values of covariates: those of the columns of a class, and of the two depths (``depth``), added up."""
    names = [DEPTH_UNIT if name in DEPTH_FEATURES else name for name in sources]
    if values.shape[1:] != (len(names),):
        raise ModelError(f"Shapley values: shape {values.shape} for {len(names)} names; expected a column for each")
    unique = list(dict.fromkeys(names))
    place = np.array([unique.index(name) for name in names])
    out = np.zeros((len(values), len(unique)))
    for column, target in enumerate(place):
        out[:, target] += values[:, column]
    return pd.DataFrame(out, columns=unique)


def shap_by_depth(
    model: SoilModel, features: NDArray[np.float32], *, most_rows: int = 500, seed: int = 0, workers: int = 1
) -> tuple[pd.DataFrame, list[str]]:
    """Mean size of the Shapley values of each covariate in each layer.

    Parameters
    ----------
    model : SoilModel
    features : float32 (n, q)
        As :meth:`Encoder.transform` gives them, of profiles or cells; depths are filled in here.
    most_rows : int
        A sample of so many rows is taken, the same for all layers.
    seed, workers : int

    Returns
    -------
    table : DataFrame
        ``layer``, ``top_cm``, ``bottom_cm``, ``covariate``, ``mean_abs_shap``, ``mean_shap``, ``share_pct`` (of the layer's sum of mean
        sizes), ``base``, ``rows``, ``unit``. Values are in the unit of the target's answers; depth has no size within one layer but as a
        shift of all its cells, for the base is that of all layers in the form with one forest.
    notes : list of str
    """
    if most_rows < 1 or not len(features):
        raise ModelError(f"Shapley values: {len(features)} rows, at most {most_rows} asked for; expected at least one")
    n, notes = len(features), []
    rows = np.arange(n)
    if n > most_rows:
        rows = np.sort(np.random.default_rng(seed).choice(n, most_rows, replace=False))
        notes.append(f"Shapley values: a sample of {most_rows} of {n} rows")
    own = np.array(features[rows], dtype=np.float32)
    parts = []
    for place, layer in enumerate(model.layers):
        if model.form == "3d":
            own[:, -2:] = layer
        found = shap_values(model.forests[0 if model.form == "3d" else place], own, workers=workers)
        factor = model.target.factor(layer)
        each = by_covariate(found.values * factor, model.encoder.sources)
        size = each.abs().mean()
        part = pd.DataFrame({"covariate": each.columns, "mean_abs_shap": size.to_numpy(), "mean_shap": each.mean().to_numpy()})
        total = float(size.sum())
        part["share_pct"] = 100 * size.to_numpy() / total if total > 0 else 0.0
        part.insert(0, "layer", interval_name(layer))
        part.insert(1, "top_cm", layer[0])
        part.insert(2, "bottom_cm", layer[1])
        parts.append(part.assign(base=found.base * factor, rows=len(rows), unit=model.target.unit))
        notes += found.notes
    return pd.concat(parts, ignore_index=True), list(dict.fromkeys(notes))


def _leaf_sizes(forest: Forest) -> tuple[Array, str]:
    if forest.leaf_total is not None:
        return forest.leaf_total, "Shapley values: training rows weigh with their bootstrap counts"
    return np.diff(forest.leaf_start).astype(np.float64), "Shapley values: training rows of a leaf weigh once each"


def _trees(forest: Forest, sizes: Array) -> tuple[_Trees, int]:
    n = len(forest.feature)
    trees = _Trees(
        np.zeros(forest.trees + 1, dtype=np.int64), np.full(n, -1), np.full(n, -1), np.zeros(n, dtype=np.float32), np.zeros(n,
        dtype=np.bool_), np.full(n, -1), np.ones(n), np.zeros(n), np.full(n, -1),
    )  # fmt: skip
    most = _flatten(forest.roots, forest.feature, forest.threshold, forest.left, forest.right, sizes, *trees)
    used = int(trees.start[-1])
    cut = {name: getattr(trees, name)[:used] for name in _Trees._fields if name != "start"}
    return trees._replace(**cut), int(most)


@kernel
def _flatten(  # type: ignore[no-untyped-def]  # compiled
    roots, feature, threshold, left, right, sizes, start, parent, tested, limit, is_left, up, share, cover, leaf
):
    """Fill in the nodes of all trees in the order of a walk that goes left first; returns most covariates on a path.

    ``tested``, ``limit``, ``is_left``: the test that leads into a node; ``up``: the nearest node above that was reached by a test of the
    same feature; ``share``: share of rows that pass all tests of that feature on the path so far; ``cover``: training rows in a node.
    """
    at = 0
    most = 0
    room = 64
    nodes, above, depth = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    different = np.zeros(feature.shape[0], np.int64)
    for t in range(roots.shape[0]):
        start[t] = at
        nodes[0], above[0], depth[0] = roots[t], -1, 0
        top = 1
        while top > 0:
            top -= 1
            node, over, side = nodes[top], above[top], depth[top]
            here = at
            at += 1
            parent[here] = over
            if over >= 0:
                old = leaf[over]  # the number of the node above, kept there until its children are done
                tested[here] = feature[old]
                limit[here] = threshold[old]
                is_left[here] = side == 1
                seek = over
                while parent[seek] >= 0 and tested[seek] != tested[here]:
                    seek = parent[seek]
                up[here] = seek if parent[seek] >= 0 else -1
                different[here] = different[over] + (1 if up[here] < 0 else 0)
            else:
                different[here] = 0
            leaf[here] = node
            if feature[node] >= 0:
                if top + 2 > nodes.shape[0]:
                    nodes, above, depth = np.append(nodes, nodes), np.append(above, above), np.append(depth, depth)
                nodes[top], above[top], depth[top] = right[node], here, 0
                nodes[top + 1], above[top + 1], depth[top + 1] = left[node], here, 1
                top += 2
            else:
                cover[here] = sizes[left[node]]
                most = max(most, different[here])
        for v in range(at - 1, start[t], -1):
            cover[parent[v]] += cover[v]
        for v in range(start[t], at):
            leaf[v] = left[leaf[v]] if feature[leaf[v]] < 0 else -1
            if parent[v] >= 0:
                share[v] = cover[v] / cover[parent[v]] * (share[up[v]] if up[v] >= 0 else 1.0)
    start[roots.shape[0]] = at
    return most


@kernel(parallel=True)
def _walk(  # type: ignore[no-untyped-def]  # compiled
    rows, start, parent, tested, limit, is_left, up, share, cover, leaf, value, points, weights, chunks, out
):
    n = rows.shape[0]
    trees = start.shape[0] - 1
    q = points.shape[0]
    longest = 0
    for t in range(trees):
        longest = max(longest, start[t + 1] - start[t])
    size = (n + chunks - 1) // chunks
    for chunk in numba.prange(chunks):
        # Factors of a node when its test and those above are passed, when only those above are, and what they add to the sum.
        passed, failed = np.empty((longest, q)), np.empty((longest, q))
        gain, loss = np.empty((longest, q)), np.empty((longest, q))
        inside = np.empty(longest, np.bool_)
        product, below = np.empty((longest, q)), np.empty((longest, q))
        end = min(n, (chunk + 1) * size)
        for first in range(chunk * size, end, BLOCK):
            last = min(end, first + BLOCK)
            for t in range(trees):
                a, b = start[t], start[t + 1]
                _factors(a, b, up, share, points, passed, failed, gain, loss)
                for row in range(first, last):
                    _one(
                        rows[row], a, b, parent, tested, limit, is_left, up, share, leaf, value, weights,
                        passed, failed, gain, loss, inside, product, below, out[row],
                    )  # fmt: skip


@kernel
def _factors(a, b, up, share, points, passed, failed, gain, loss):  # type: ignore[no-untyped-def]  # compiled
    for v in range(a + 1, b):
        for k in range(points.shape[0]):
            t = points[k]
            whole = t + (1.0 - t) * share[v]
            none = (1.0 - t) * share[v]
            above, known = 1.0, 0.0
            if up[v] >= 0:
                above = t + (1.0 - t) * share[up[v]]
                known = (1.0 - share[up[v]]) / above
            passed[v - a, k] = whole / above
            failed[v - a, k] = none / above
            gain[v - a, k] = (1.0 - share[v]) / whole - known
            loss[v - a, k] = -1.0 / (1.0 - t) - known


@kernel
def _one(  # type: ignore[no-untyped-def]  # compiled
    row, a, b, parent, tested, limit, is_left, up, share, leaf, value, weights, passed, failed, gain, loss, inside, product, below, out
):
    q = weights.shape[0]
    inside[0] = True
    for k in range(q):
        product[0, k] = weights[k]
        below[0, k] = 0.0
    for v in range(a + 1, b):
        i, over = v - a, parent[v] - a
        before = up[v] < 0 or inside[up[v] - a]
        inside[i] = before and (row[tested[v]] <= limit[v]) == is_left[v]
        if inside[i]:
            for k in range(q):
                product[i, k] = product[over, k] * passed[i, k]
        elif before:
            for k in range(q):
                product[i, k] = product[over, k] * failed[i, k]
        else:
            ratio = share[v] / share[up[v]]
            for k in range(q):
                product[i, k] = product[over, k] * ratio
        if leaf[v] >= 0:
            for k in range(q):
                below[i, k] = product[i, k] * value[v]
        else:
            for k in range(q):
                below[i, k] = 0.0
    for v in range(b - 1, a, -1):
        i, over = v - a, parent[v] - a
        moved = 0.0
        if inside[i]:
            for k in range(q):
                moved += gain[i, k] * below[i, k]
        elif up[v] < 0 or inside[up[v] - a]:
            for k in range(q):
                moved += loss[i, k] * below[i, k]
        out[tested[v]] += moved
        for k in range(q):
            below[over, k] += below[i, k]
