"""One pass over cells and depths against the same thing written plainly, scikit-learn's trees and closed forms."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from edaphic.model import packed
from edaphic.model import traverse as module
from edaphic.model.forest import Forest, Settings, flatten, train
from edaphic.model.leaves import SHARE_BITS
from edaphic.model.members import members_of
from edaphic.model.packed import pack
from edaphic.model.traverse import Said, Wish, bytes_needed, cell_order, predict, traverse

DEPTHS = np.array([[0, 30], [30, 80], [80, 200]], dtype=np.float32)
EXACT = ("mean", "mean_fit", "quantiles", "tree_quantiles")
CLOSE = ("spread", "between", "within")
EVERYTHING = Wish((0.05, 0.5, 0.95), (0.025, 0.5, 0.975), error=True)


def plain(forest: Forest, features, depths, wish: Wish, total=None) -> Said:
    """Every cell walks down every tree by itself, and NumPy says the rest."""
    cells = features.shape[1]
    rows = [
        np.ascontiguousarray(features.T if d is None else np.column_stack([features.T, np.tile(d, (cells, 1))]), dtype=np.float32)
        for d in ([None] if depths is None else list(depths))
    ]
    quantiles = np.stack([predict(forest, part, wish.levels).quantiles for part in rows])
    leaves = np.stack([leaves_of(forest, part) for part in rows])  # (d, n, trees)
    trees, trees_fit = forest.leaf_mean[leaves], forest.leaf_mean_fit[leaves]
    if total is not None:
        weights = np.asarray(total, dtype=np.float64).reshape(len(rows), -1, 1)
        trees = np.concatenate([trees, (weights * trees).sum(axis=0)[None]])
        trees_fit = np.concatenate([trees_fit, (weights * trees_fit).sum(axis=0)[None]])
    mean = one_by_one(trees) / forest.trees
    spread = np.sqrt(one_by_one((trees - mean[..., None]) ** 2) / forest.trees)
    between = within = np.empty((len(trees), 0))
    if wish.error:
        bags = trees.reshape(*trees.shape[:2], forest.trees // forest.bag, forest.bag)
        between, within = bags.mean(axis=3).var(axis=2, ddof=1), bags.var(axis=3, ddof=1).mean(axis=2)
    percentiles = np.empty((*trees.shape[:2], 0))
    if wish.tree_levels:
        percentiles = np.moveaxis(np.quantile(trees, wish.tree_levels, axis=2), 0, -1)
    return Said(mean, one_by_one(trees_fit) / forest.trees, spread, quantiles, percentiles, between, within)


def one_by_one(trees):
    """Sums over the trees, one after the other; NumPy's own sum adds in pairs."""
    total = np.zeros(trees.shape[:-1])
    for t in range(trees.shape[-1]):
        total += trees[..., t]
    return total


def leaves_of(forest: Forest, rows):
    out = np.empty((len(rows), forest.trees), dtype=np.int64)
    for t, root in enumerate(forest.roots):
        node = np.full(len(rows), root)
        while (inner := forest.feature[node] >= 0).any():
            at = np.flatnonzero(inner)
            own = node[at]
            left = rows[at, forest.feature[own]] <= forest.threshold[own]
            node[at] = np.where(left, forest.left[own], forest.right[own])
        out[:, t] = forest.left[node]
    return out


def same(one: Said, other: Said) -> None:
    for field in fields(Said):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


def agree(one: Said, other: Said) -> None:
    for name in EXACT:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in CLOSE:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-11, atol=1e-12, err_msg=name)


def table(rows=400, q=6, seed=3):
    """Training rows with two depths behind q features, targets, and smooth and rough cells (q, 23, 31)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, q)).astype(np.float32)
    layer = DEPTHS[rng.integers(0, 3, rows)]
    y = np.exp(x[:, 0] + 0.5 * x[:, 1] * x[:, 2] - 0.01 * layer[:, 0] + 0.3 * rng.normal(size=rows))
    cells = rng.normal(size=(q, 23, 31))
    cells[: q // 2] = rng.normal(size=(q // 2, 1, 1)) + np.linspace(-0.3, 0.3, 31)
    return np.column_stack([x, layer]).astype(np.float32), y, cells.astype(np.float32)


@pytest.fixture(scope="module")
def made():
    x, y, cells = table()
    return x, y, cells.reshape(len(cells), -1)


@pytest.fixture(scope="module")
def forest(made):
    return replace(train(made[0], made[1], Settings(40), log=True, seed=1), bag=4)


def test_equals_the_plain_version(forest, made):
    agree(traverse(forest, made[2], DEPTHS, EVERYTHING), plain(forest, made[2], DEPTHS, EVERYTHING))


@pytest.mark.parametrize("by_cell", [False, True])
def test_a_total_over_depths_equals_the_plain_version(forest, made, by_cell):
    total = np.random.default_rng(0).random((3, made[2].shape[1])) if by_cell else np.array([0.3, 0.5, 1.2])
    said = traverse(forest, made[2], DEPTHS, EVERYTHING, total)
    agree(said, plain(forest, made[2], DEPTHS, EVERYTHING, total))
    assert said.mean.shape == (4, made[2].shape[1]) and said.quantiles.shape[0] == 3
    weighted = (said.mean[:3] * total.reshape(3, -1)).sum(axis=0)
    np.testing.assert_allclose(said.mean[3], weighted, rtol=1e-12)


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_means_spreads_and_percentiles_are_those_of_scikit_learns_trees(made, kind):
    x, y, cells = made
    grower = kind(n_estimators=60, min_samples_leaf=3, max_features=1 / 3, bootstrap=True, random_state=5).fit(x, y)
    said = traverse(flatten(grower, x, y, log=False), cells, DEPTHS, Wish(tree_levels=(0.025, 0.975)))
    for d, depth in enumerate(DEPTHS):
        rows = np.column_stack([cells.T, np.tile(depth, (cells.shape[1], 1))])
        trees = np.stack([tree.predict(rows) for tree in grower.estimators_])
        np.testing.assert_allclose(said.mean[d], trees.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(said.spread[d], trees.std(axis=0), rtol=1e-12)
        np.testing.assert_allclose(said.tree_quantiles[d], np.quantile(trees, (0.025, 0.975), axis=0).T, rtol=1e-12)


def test_depths_alone_are_depths_together(forest, made):
    together = traverse(forest, made[2], DEPTHS, EVERYTHING)
    for d in range(3):
        alone = traverse(forest, made[2], DEPTHS[d : d + 1], EVERYTHING)
        for field in fields(Said):
            np.testing.assert_array_equal(getattr(alone, field.name)[0], getattr(together, field.name)[d])


def test_more_depths_than_one_pass_takes(forest, made):
    many = np.column_stack([np.arange(0, 200, 5), np.arange(5, 205, 5)]).astype(np.float32)
    some = made[2][:, :40]
    agree(traverse(forest, some, many, EVERYTHING), plain(forest, some, many, EVERYTHING))
    total = np.linspace(0.1, 1, 30)
    agree(traverse(forest, some, many[:30], EVERYTHING, total), plain(forest, some, many[:30], EVERYTHING, total))
    with pytest.raises(ValueError, match="a total over 40 depths; expected at most 32"):
        traverse(forest, some, many, EVERYTHING, np.ones(40))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 300), block=st.integers(1, 200))
def test_order_blocks_and_other_cells_never_change_a_bit(forest, made, seed, size, block):
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, made[2].shape[1], size)
    whole = traverse(forest, made[2], DEPTHS, EVERYTHING, np.array([1.0, 2.0, 0.5]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_CELLS", block)
        part = traverse(forest, made[2][:, chosen], DEPTHS, EVERYTHING, np.array([1.0, 2.0, 0.5]))
    for field in fields(Said):
        np.testing.assert_array_equal(getattr(part, field.name), getattr(whole, field.name)[:, chosen], err_msg=field.name)


def test_several_blocks(forest, made, monkeypatch):
    wide = np.tile(made[2], (1, 7))
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * 40 * 3 * 2000)
    said, once = traverse(forest, wide, DEPTHS, EVERYTHING), traverse(forest, made[2], DEPTHS, EVERYTHING)
    for field in fields(Said):
        np.testing.assert_array_equal(getattr(said, field.name), np.concatenate([getattr(once, field.name)] * 7, axis=1))


@pytest.mark.parametrize("cells", [0, 1, 2, 17])
def test_few_cells(forest, made, cells):
    agree(traverse(forest, made[2][:, :cells], DEPTHS, EVERYTHING), plain(forest, made[2][:, :cells], DEPTHS, EVERYTHING))


def test_without_depths(made):
    x, y, cells = made
    forest = train(x[:, :-2], y, Settings(25), log=False, seed=4)
    wish = Wish((0.1, 0.9), (0.1, 0.9))
    said = traverse(forest, cells, None, wish)
    agree(said, plain(forest, cells, None, wish))
    rows = predict(forest, np.ascontiguousarray(cells.T), wish.levels)
    np.testing.assert_array_equal(said.mean[0], rows.mean)
    np.testing.assert_array_equal(said.quantiles[0], rows.quantiles)
    agree(traverse(forest, cells, None, wish, np.array([2.0])), plain(forest, cells, None, wish, np.array([2.0])))


def stumps(says) -> Forest:
    """Trees of a single leaf."""
    n = len(says)
    return Forest(
        np.arange(n), np.full(n, -1, np.int32), np.zeros(n, np.float32), np.arange(n, dtype=np.int32), np.full(n, -1, np.int32),
        np.asarray(says, dtype=np.float64), np.asarray(says, dtype=np.float64), np.arange(n + 1), np.arange(n, dtype=np.int32),
        np.ones(n, np.float32), np.sort(np.asarray(says, dtype=np.float64)), False, np.zeros(3), bag=2,
    )  # fmt: skip


def test_trees_of_a_single_leaf_by_hand():
    wish = Wish((0.25, 0.5, 0.51, 1.0), (0.0, 0.5, 1.0), error=True)
    said = traverse(stumps([1.0, 2.0, 4.0, 9.0]), np.zeros((1, 2), np.float32), DEPTHS[:2], wish)
    np.testing.assert_array_equal(said.mean, np.full((2, 2), 4.0))
    np.testing.assert_allclose(said.spread, np.sqrt((9 + 4 + 0 + 25) / 4), rtol=1e-15)
    np.testing.assert_array_equal(said.quantiles[0, 0], [1, 2, 4, 9])
    np.testing.assert_array_equal(said.tree_quantiles[1, 1], [1, 3, 9])
    np.testing.assert_allclose(said.between, 12.5)  # bags of 1.5 and 6.5
    np.testing.assert_allclose(said.within, (0.5 + 12.5) / 2)


def test_trees_that_agree_have_no_spread_at_all():
    said = traverse(stumps([1e6 + 0.1] * 10), np.zeros((1, 3), np.float32), DEPTHS, Wish((), (0.025, 0.975), error=True))
    for name in ("spread", "between", "within"):
        np.testing.assert_array_equal(getattr(said, name), 0.0)
    np.testing.assert_array_equal(said.tree_quantiles, 1e6 + 0.1)


def test_a_small_spread_about_a_large_mean():
    says = 1e8 + np.linspace(0, 1e-3, 50)
    said = traverse(stumps(says), np.zeros((1, 1), np.float32), DEPTHS[:1], Wish())
    np.testing.assert_allclose(said.spread, np.std(says - says[0]), rtol=1e-9)


def test_thresholds_that_are_met_and_infinite_features(forest, made):
    inner = forest.feature[forest.feature >= 0]
    limits = forest.threshold[forest.feature >= 0]
    cells = made[2][:, :300].copy()
    for k, (f, limit) in enumerate(zip(inner, limits, strict=True)):
        if f < 6:
            cells[f, k % 300] = limit
    cells[0, :20], cells[1, 10:30] = np.inf, -np.inf
    agree(traverse(forest, cells, DEPTHS, EVERYTHING), plain(forest, cells, DEPTHS, EVERYTHING))


def test_one_tree(made):
    forest = train(made[0], made[1], Settings(1), log=False, seed=0)
    wish = Wish((0.5,), (0.025, 0.5, 0.975))
    agree(traverse(forest, made[2], DEPTHS, wish), plain(forest, made[2], DEPTHS, wish))


def test_trees_in_another_order_of_nodes(forest, made):
    nodes = len(forest.feature)
    place = np.random.default_rng(2).permutation(nodes)  # node i moves to place[i]
    inner = forest.feature >= 0
    moved = {name: np.empty_like(getattr(forest, name)) for name in ("feature", "threshold", "left", "right")}
    for name in moved:
        own = getattr(forest, name)
        moved[name][place] = np.where(inner, place[own], own) if name in ("left", "right") else own
    shuffled = replace(forest, roots=place[forest.roots], **moved)
    agree(traverse(shuffled, made[2], DEPTHS, EVERYTHING), plain(forest, made[2], DEPTHS, EVERYTHING))


def test_one_value_of_each_leaf(forest, made):
    wish = Wish((0.05, 0.5, 0.95), leaf="one")
    said = traverse(forest, made[2], DEPTHS, wish)
    same(said, traverse(replace(forest), made[2], DEPTHS, wish))  # drawn anew from the same forest
    every = traverse(forest, made[2], DEPTHS, Wish(wish.levels))
    assert np.median(np.abs(said.quantiles[..., 1] / every.quantiles[..., 1] - 1)) < 0.2
    assert np.isin(said.quantiles, forest.values).all()
    drawn = members_of(forest, "one").record >> SHARE_BITS
    for leaf in range(0, len(drawn), 97):
        assert drawn[leaf] in forest.member_rank[forest.leaf_start[leaf] : forest.leaf_start[leaf + 1]]


def test_values_of_leaves_are_drawn_by_their_share():
    leaves = 20_000
    forest = replace(
        stumps([1.0] * leaves), leaf_start=np.arange(leaves + 1) * 2, member_rank=np.tile(np.array([0, 1], np.int32), leaves),
        member_share=np.tile(np.array([0.25, 0.75], np.float32), leaves), values=np.array([1.0, 2.0]),
    )  # fmt: skip
    assert (members_of(forest, "one").record >> SHARE_BITS).mean() == pytest.approx(0.75, abs=0.01)


def test_a_forest_is_packed_once_and_forgotten_with_it(made):
    forest = train(made[0], made[1], Settings(3), log=False, seed=0)
    assert pack(forest) is pack(forest)
    held = len(packed._packed)
    del forest
    assert len(packed._packed) == held - 1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(0, 150), width=st.integers(0, 150), share=st.floats(0, 1))
def test_cell_order_holds_every_kept_cell_once(seed, height, width, share):
    keep = np.random.default_rng(seed).random((height, width)) < share
    order = cell_order(keep)
    np.testing.assert_array_equal(np.sort(order), np.flatnonzero(keep))


def test_bytes_needed_bound_what_is_taken(forest, made):
    said = traverse(forest, made[2], DEPTHS, EVERYTHING)
    answers = sum(getattr(said, field.name).nbytes for field in fields(Said))
    assert bytes_needed(forest, made[2].shape[1], 3, EVERYTHING) > answers + 4 * 40 * 3 * made[2].shape[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"wish": Wish((0.9, 0.1))}, r"levels \(0.9, 0.1\): expected ascending"),
        ({"wish": Wish((), (0.5, 1.5))}, "tree_levels"),
        ({"total": np.ones(2)}, r"total of shape \(2,\)"),
        ({"depths": DEPTHS[:, :1]}, r"depths of shape \(3, 1\)"),
        ({"depths": None}, "6 features with the depths; expected the 8"),
        ({"bag": 0, "wish": Wish(error=True)}, "40 trees in bags of 0"),
        ({"bag": 40, "wish": Wish(error=True)}, "40 trees in bags of 40"),
    ],
)
def test_faults(forest, made, arguments, says):
    own = replace(forest, bag=arguments.pop("bag", 4))
    with pytest.raises(ValueError, match=says):
        traverse(own, made[2], arguments.get("depths", DEPTHS), arguments.get("wish", Wish()), arguments.get("total"))
