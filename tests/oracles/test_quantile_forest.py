"""Quantiles against the Python package quantile-forest 1.4.2 with all samples of a leaf (``max_samples_leaf=None``).

Its default takes the members of all leaves as one sample, each as often as it was drawn, and lies between values on straight lines: our
``leaf="pooled"``. With ``weighted_leaves=True`` every tree counts alike, which are Meinshausen's weights and ours, but it still lies
between values where we, as Meinshausen, take the smallest value at which the weights reach the level: the two are neighbours, and no option
of it makes them one.
"""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from edaphic.model.forest import Forest, flatten
from edaphic.model.traverse import Wish, traverse

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
# Three trees of two splits on twelve rows, and what the package says at five points by its default options.
POINTS = np.array([[1, 1], [4, 4], [6, 6], [9, 9], [3, 8]], dtype=np.float32)
SAYS = np.array(
    [
        [1.8, 1.8, 2.7, 2.7, 2.8, 4.5, 4.9],
        [1.8, 1.8, 3.65, 4.5, 4.9, 5.3, 5.3],
        [1.8, 1.8, 3.65, 4.5, 4.9, 5.3, 5.3],
        [1.8, 1.8, 1.925, 4.5, 4.5, 6.3, 7.65],
        [1.8, 1.8, 1.8, 1.8, 2.8, 4.04, 6.52],
    ]
)


def small() -> Forest:
    counts = np.array([2, 2, 2, 3, 2, 1, 2, 1, 1, 2, 1, 2, 1, 1, 1, 2, 1, 1, 1, 2, 1, 3, 1])
    total = np.array([4, 5, 3, 4, 3, 3, 2, 3, 4, 5], dtype=np.float64)
    start = np.array([0, 2, 4, 6, 9, 11, 13, 15, 17, 20, 23])
    rank = np.array([3, 4, 8, 9, 1, 11, 3, 7, 9, 2, 6, 0, 5, 1, 8, 0, 5, 1, 6, 7, 2, 8, 10], dtype=np.int32)
    values = np.sort([2.7, 1.8, 2.8, 1.8, 2.8, 4.5, 9.0, 4.5, 2.3, 5.3, 6.0, 2.8])
    share = (counts / np.repeat(total, np.diff(start))).astype(np.float32)
    mean = np.add.reduceat(values[rank] * counts, start[:-1]) / total
    return Forest(
        roots=np.array([0, 5, 12]),
        feature=np.array([1, -1, 1, -1, -1, 1, 0, -1, -1, 0, -1, -1, 0, -1, 0, -1, -1], dtype=np.int32),
        threshold=np.array([2, -2, 7.5, -2, -2, 3.5, 5.5, -2, -2, 3.5, -2, -2, 3.5, -2, 7, -2, -2], dtype=np.float32),
        left=np.array([1, 0, 3, 1, 2, 6, 7, 3, 4, 10, 5, 6, 13, 7, 15, 8, 9], dtype=np.int32),
        right=np.array([2, -1, 4, -1, -1, 9, 8, -1, -1, 11, -1, -1, 14, -1, 16, -1, -1], dtype=np.int32),
        leaf_mean=mean, leaf_mean_fit=mean, leaf_start=start, member_rank=rank, member_share=share, values=values, log=False,
        importance=np.zeros(2), leaf_total=total,
    )  # fmt: skip


def test_pooled_quantiles_are_the_stored_ones() -> None:
    said = traverse(small(), np.ascontiguousarray(POINTS.T), None, Wish(LEVELS, leaf="pooled"))
    np.testing.assert_allclose(said.quantiles[0], SAYS, rtol=1e-6)


@pytest.mark.parametrize("ties", [False, True])
def test_pooled_quantiles_are_those_of_the_values_laid_out(ties: bool) -> None:
    grower, x, y, new = forest_of_scikit_learn(ties)
    said = traverse(flatten(grower, x, y, log=False), np.ascontiguousarray(new.T), None, Wish(LEVELS, leaf="pooled"))
    for i, row in enumerate(new):
        pool = [
            np.repeat(y, np.bincount(sample, minlength=len(y)) * (tree.apply(x) == tree.apply(row[None])[0]))
            for tree, sample in zip(grower.estimators_, grower.estimators_samples_, strict=True)
        ]
        np.testing.assert_allclose(said.quantiles[0, i], np.quantile(np.concatenate(pool), LEVELS), rtol=1e-12)


def forest_of_scikit_learn(ties: bool):  # type: ignore[no-untyped-def]
    x, y, new = rows(ties)
    return RandomForestRegressor(20, min_samples_leaf=4, random_state=3).fit(x, y), x, y, new


def rows(ties: bool):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(8)
    x = rng.normal(size=(250, 4)).astype(np.float32)
    y = np.exp(x[:, 0] + 0.5 * rng.normal(size=250))
    return x, y.round(1) + 0.1 if ties else y, rng.normal(size=(60, 4)).astype(np.float32)


@pytest.mark.parametrize("ties", [False, True])
def test_the_package_itself(ties: bool) -> None:
    package = pytest.importorskip("quantile_forest")
    x, y, new = rows(ties)
    peer = package.RandomForestQuantileRegressor(50, min_samples_leaf=4, random_state=3, max_samples_leaf=None).fit(x, y)
    forest, cells = flatten(peer, x, y, log=False), np.ascontiguousarray(new.T)
    pooled = traverse(forest, cells, None, Wish(LEVELS, leaf="pooled")).quantiles[0]
    np.testing.assert_allclose(pooled, peer.predict(new, quantiles=list(LEVELS)), rtol=1e-12)
    ours = traverse(forest, cells, None, Wish(LEVELS)).quantiles[0]
    low, high = (peer.predict(new, quantiles=list(LEVELS), weighted_leaves=True, interpolation=side) for side in ("lower", "higher"))
    # Neighbours: one value of 250 more or less, where they are not one.
    place = [np.searchsorted(np.sort(y), says, side="left") for says in (ours, low, high)]
    assert np.mean((ours >= low) & (ours <= high)) > 0.98
    assert np.max(np.abs(place[0] - np.clip(place[0], place[1], place[2]))) <= (20 if ties else 2)


def test_forests_without_totals_are_refused() -> None:
    cells = np.ascontiguousarray(POINTS.T)
    with pytest.raises(ValueError, match="without the totals of its leaves"):
        traverse(replace(small(), leaf_total=None), cells, None, Wish(LEVELS, leaf="pooled"))
    with pytest.raises(ValueError, match="weighted rows"):
        traverse(replace(small(), leaf_total=small().leaf_total * 1.3), cells, None, Wish(LEVELS, leaf="pooled"))
