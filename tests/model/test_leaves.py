"""Quantiles from the members of leaves against sums of fractions, and the packed members against those of the forest."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.model import members as module
from edaphic.model.forest import Forest, Settings, train
from edaphic.model.leaves import ALLOWANCE, LOW, SHARE_BITS, UNIT, member_quantiles, quantile_bytes, shift_of
from edaphic.model.members import members_bytes, members_of

LEVELS = np.array([0.0, 0.025, 0.05, 0.25, 0.5, 0.5, 0.9, 0.975, 1.0])


def forest_of(counts, ranks, values, trees=3) -> Forest:
    """Leaves with given numbers of rows drawn for each member."""
    leaves = len(counts)
    total = np.array([sum(own) for own in counts], dtype=np.float64)
    share = np.concatenate([np.asarray(own) / one for own, one in zip(counts, total, strict=True)]).astype(np.float32)
    start = np.concatenate([[0], np.cumsum([len(own) for own in counts])])
    mean = np.zeros(leaves)
    return Forest(
        np.arange(trees), np.full(leaves, -1, np.int32), np.zeros(leaves, np.float32), np.arange(leaves, dtype=np.int32),
        np.full(leaves, -1, np.int32), mean, mean, start, np.concatenate(ranks).astype(np.int32), share,
        np.asarray(values, dtype=np.float64), False, np.zeros(1), leaf_total=total,
    )  # fmt: skip


def drawn(seed, values=500, leaves=60, most=40) -> Forest:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, most + 1, leaves)
    ranks = [np.sort(rng.choice(values, size, replace=False)) for size in sizes]
    return forest_of([rng.integers(1, 6, size) for size in sizes], ranks, np.sort(rng.normal(size=values).round(2)))


def by_fractions(forest: Forest, leaves, levels, leaf="all"):
    """The definition, written plainly, for the leaves (trees,) of one cell."""
    weight: dict[int, Fraction] = {}
    for own in leaves:
        part = slice(forest.leaf_start[own], forest.leaf_start[own + 1])
        share = forest.member_share[part].astype(np.float64)
        if leaf == "pooled":
            share = np.rint(share * forest.leaf_total[own])
        for rank, one in zip(forest.member_rank[part], share, strict=True):
            weight[int(rank)] = weight.get(int(rank), Fraction(0)) + Fraction(float(one))
    if leaf == "pooled":
        return np.quantile(np.concatenate([np.full(int(w), forest.values[r]) for r, w in sorted(weight.items())]), levels)
    out = []
    for level in levels:
        running, target = Fraction(0), Fraction(float(level * len(leaves) - ALLOWANCE * len(leaves)))
        for rank in sorted(weight):
            running += weight[rank]
            if running >= target:
                break
        out.append(forest.values[rank])
    return np.array(out)


def ask(forest, leaves, levels=LEVELS, leaf="all"):
    """Leaves (trees, d, n)."""
    out = np.empty((*leaves.shape[1:], len(levels)))
    member_quantiles(
        leaves.astype(np.int32), members_of(forest, leaf), leaf == "pooled", forest.values, shift_of(len(forest.values)), levels, out
    )
    return out


@pytest.mark.parametrize("leaf", ["all", "pooled"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), trees=st.integers(1, 12), values=st.sampled_from([40, 130, 500, 3000]), most=st.integers(1, 40))
def test_equals_the_definition(leaf, seed, trees, values, most):
    forest = drawn(seed, values, most=most)
    leaves = np.random.default_rng(seed).integers(0, 60, (trees, 2, 19))
    said = ask(forest, leaves, leaf=leaf)
    for d, i in ((0, 0), (1, 7), (0, 15), (1, 16), (1, 18)):
        np.testing.assert_allclose(said[d, i], by_fractions(forest, leaves[:, d, i], LEVELS, leaf), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("leaf", ["all", "one", "pooled"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), changed=st.floats(0, 1))
def test_depths_cells_and_the_order_of_trees_never_change_a_bit(leaf, seed, changed):
    forest, rng = drawn(3), np.random.default_rng(seed)
    leaves = np.repeat(rng.integers(0, 60, (50, 1, 21)), 4, axis=1)
    leaves[:, 1:] = np.where(rng.random((50, 3, 21)) < changed, rng.integers(0, 60, (50, 3, 21)), leaves[:, 1:])
    said = ask(forest, leaves, leaf=leaf)
    for d in range(4):
        np.testing.assert_array_equal(ask(forest, leaves[:, d : d + 1], leaf=leaf)[0], said[d])
    cells, order = rng.permutation(21)[:9], rng.permutation(50)
    np.testing.assert_array_equal(ask(forest, leaves[order][:, :, cells], leaf=leaf), said[:, cells])


def test_thirds_reach_a_level_that_they_make_up_exactly():
    # Three members of a third each: float32 thirds add up to more or less than one; the levels are reached all the same.
    forest = forest_of([[1, 1, 1]] * 3, [[0, 1, 2], [0, 1, 2], [0, 1, 2]], [1.0, 2.0, 3.0])
    says = ask(forest, np.array([0, 1, 2]).reshape(3, 1, 1), np.array([1 / 3, 0.34, 2 / 3, 0.67, 1.0]))
    np.testing.assert_array_equal(says[0, 0], [1, 2, 2, 3, 3])


def test_tiny_shares_count():
    # A leaf of 100,000 rows: the share of one is 1e-5, of a ten-thousandth weight 1e-9.
    counts = np.ones(100_000)
    counts[0] = 1e-4
    forest = forest_of([counts], [np.arange(100_000)], np.arange(100_000.0), trees=1)
    says = ask(forest, np.zeros((1, 1, 1), int), np.array([0.0, 0.25, 0.75, 1.0]))[0, 0]
    assert says[0] == 0.0
    np.testing.assert_allclose(says[1:3], [25_000, 75_000], atol=1)
    np.testing.assert_allclose(says[3], 99_999, atol=2)


@pytest.mark.parametrize("leaf", ["all", "one", "pooled"])
def test_records_hold_the_members(leaf):
    forest = drawn(9)
    first, record, width, _ = members_of(forest, leaf)
    assert record.ctypes.data % 64 == 0 and len(record) == first[-1] * width
    for own in range(60):
        part = record[first[own] * width : first[own + 1] * width]
        rank, share = part >> SHARE_BITS, part & LOW
        held = slice(forest.leaf_start[own], forest.leaf_start[own + 1])
        assert set(rank) <= set(forest.member_rank[held])
        if leaf == "one":
            assert share.tolist() == [UNIT]
            continue
        told = forest.member_share[held].astype(np.float64)
        told = told * UNIT if leaf == "all" else np.rint(told * forest.leaf_total[own])
        np.testing.assert_array_equal(rank[: len(told)], forest.member_rank[held])
        np.testing.assert_array_equal(share[: len(told)], told)
        assert not share[len(told) :].any() and len(part) - len(told) < width


@pytest.mark.parametrize("leaf", ["all", "one", "pooled"])
def test_bytes_bound_what_is_kept(leaf):
    forest = drawn(9)
    first, record, _, _ = members_of(forest, leaf)
    assert members_bytes(forest, leaf) >= first.nbytes + record.nbytes
    assert quantile_bytes(forest, 3) >= 8 * 500 + 4 * 3 * 3


def test_members_are_made_once_and_forgotten_with_the_forest():
    rng = np.random.default_rng(0)
    forest = train(rng.normal(size=(50, 2)).astype(np.float32), rng.normal(size=50), Settings(3), log=False, seed=0)
    assert members_of(forest, "all") is members_of(forest, "all")
    held = len(module._made)
    del forest
    assert len(module._made) == held - 1


def test_too_many_values_are_refused(monkeypatch):
    monkeypatch.setattr(module, "MOST_VALUES", 400)
    with pytest.raises(ValueError, match="500 training values; expected less than 400"):
        members_of(replace(drawn(1)), "all")
