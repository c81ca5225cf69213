"""Percentiles of trees, by networks and by bins, against NumPy's."""

from dataclasses import fields, replace

import numpy as np
import pytest

from edaphic.model import packed
from edaphic.model import traverse as module
from edaphic.model.forest import Settings, train
from edaphic.model.networks import LANES, fold, network
from edaphic.model.packed import pack
from edaphic.model.percentiles import clear, ends, fold_trees, from_all, from_ends, ranked
from edaphic.model.traverse import Wish, traverse

DEPTHS = np.array([[0, 30], [30, 80]], dtype=np.float32)


def blocks(says):
    trees, n = says.shape
    wide = np.zeros((trees, -(-n // LANES) * LANES), dtype=says.dtype)
    wide[:, :n] = says
    return np.ascontiguousarray(wide.reshape(trees, -1, LANES).transpose(1, 0, 2))


def percentiles(says, table, levels, together):
    """What the pass over a block does, ``together`` trees at a time."""
    trees, n = says.shape
    rank, parts, out = ranked(levels, trees), blocks(says), np.empty((n, len(levels)))
    if not rank.size:
        from_all(parts, table, rank.low, rank.high, rank.part, out)
        return out
    both = ends((len(parts),), rank.size, says.dtype)
    clear(both)
    spare = np.empty((2, LANES), dtype=says.dtype)
    for begin in range(0, trees, together):
        for b in range(len(parts)):
            fold_trees(parts[b, begin : begin + together], both.least[b], both.most[b], spare)
    from_ends(both.least, both.most, trees, table, rank.low, rank.high, rank.part, rank.front, out)
    return out


@pytest.mark.parametrize("size", [2, 4, 8, 16, 32])
def test_a_network_sorts_zeros_and_ones_and_so_everything(size):
    # Knuth's zero-one principle, on random rows where all would be too many.
    rng = np.random.default_rng(size)
    rows = rng.integers(0, 2, (size, 4096))
    for i, k in network(size)[0]:
        rows[[i, k]] = np.minimum(rows[i], rows[k]), np.maximum(rows[i], rows[k])
    assert (np.diff(rows, axis=0) >= 0).all()


@pytest.mark.parametrize("kind", [np.int32, np.float64])
@pytest.mark.parametrize("size", [2, 4, 8, 16, 32])
def test_folding_keeps_the_smallest_and_the_greatest(size, kind):
    says = np.random.default_rng(size).integers(-40, 40, (3 * size, LANES)).astype(kind)
    both = ends((), size, kind)
    clear(both)
    for begin in range(0, 3 * size, size):
        fold(says[begin : begin + size].copy(), both.least, both.most)
    ordered = np.sort(says, axis=0)
    np.testing.assert_array_equal(both.least, ordered[:size])
    np.testing.assert_array_equal(both.most, ordered[-size:])


@pytest.mark.parametrize("trees", [1, 2, 3, 5, 10, 41, 100, 500, 900])
@pytest.mark.parametrize("levels", [(0.025, 0.975), (0.0, 1.0), (0.05, 0.95), (0.01,), (0.0, 0.5, 1.0), (0.3, 0.31)])
def test_percentiles_are_those_of_numpy(trees, levels):
    rng = np.random.default_rng(trees)
    table, none = np.sort(rng.normal(size=300)), np.empty(0)
    places = rng.integers(0, 300, (trees, 131)).astype(np.int32)
    np.testing.assert_array_equal(percentiles(places, table, levels, 32), np.quantile(table[places], levels, axis=0).T)
    values = rng.normal(size=(trees, 131))
    np.testing.assert_array_equal(percentiles(values, none, levels, 64), np.quantile(values, levels, axis=0).T)


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(4)
    x = np.column_stack([rng.normal(size=(300, 4)), DEPTHS[rng.integers(0, 2, 300)]]).astype(np.float32)
    y = np.exp(x[:, 0] - 0.01 * x[:, 4] + 0.3 * rng.normal(size=300))
    return replace(train(x, y, Settings(70), log=False, seed=2), bag=7), rng.normal(size=(4, 2500)).astype(np.float32)


@pytest.mark.parametrize("block", [100, 1500, 16384])
def test_ends_taken_during_the_pass_are_those_of_all_trees(made, monkeypatch, block):
    forest, cells = made
    outer, total = (0.02, 0.97), np.array([0.7, 1.1])
    assert ranked(outer, 70).size == 4 and ranked((*outer[:1], 0.5, *outer[1:]), 70).size == 0
    monkeypatch.setattr(module, "BLOCK_CELLS", block)
    near = traverse(forest, cells, DEPTHS, Wish((0.5,), outer, error=True), total)
    every = traverse(forest, cells, DEPTHS, Wish((0.5,), (outer[0], 0.5, outer[1]), error=True), total)
    np.testing.assert_array_equal(near.tree_quantiles, every.tree_quantiles[..., [0, 2]])
    for name in ("mean", "mean_fit", "spread", "quantiles", "between", "within"):
        np.testing.assert_array_equal(getattr(near, name), getattr(every, name), err_msg=name)
    np.testing.assert_array_equal(traverse(forest, cells, DEPTHS, Wish()).spread, near.spread[:2])


def test_trees_of_very_many_leaves_take_wider_numbers(made, monkeypatch):
    forest, cells = made
    wish, once = Wish((0.5,), (0.02, 0.97)), pack(forest)
    assert once.code is np.uint16
    narrow = traverse(forest, cells, DEPTHS, wish)
    monkeypatch.setitem(packed._packed, id(forest), replace(once, code=np.uint32))
    wide = traverse(forest, cells, DEPTHS, wish)
    for field in fields(narrow):
        np.testing.assert_array_equal(getattr(wide, field.name), getattr(narrow, field.name))
