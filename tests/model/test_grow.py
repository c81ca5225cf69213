"""Trees of our own: closed forms, brute force, and the forests of scikit-learn."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_friedman1
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from edaphic.errors import ModelError
from edaphic.model.cuts import BINS, binned_cut, ordered_cut, pack, radix_sort, random_cut, refined_cut, seeded, small_sort
from edaphic.model.forest import Forest, Settings, flatten, train, train_oob
from edaphic.model.grow import code
from edaphic.model.traverse import predict

WHOLE = {"max_features": 1.0, "min_samples_leaf": 1}
ARRAYS = [name for name in Forest.__dataclass_fields__ if name != "log"]


def same(one: Forest, other: Forest) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def members(forest: Forest) -> list[np.ndarray]:
    return [forest.member_rank[a:b] for a, b in pairwise(forest.leaf_start)]


def brute_force(rank, value, weight, leaf):
    """Gains of all thresholds, by the definition: decrease of the weighted sum of squares."""

    def square(rows):
        return np.sum(weight[rows] * (value[rows] - np.average(value[rows], weights=weight[rows])) ** 2)

    found = []
    levels = np.unique(rank)
    for low, high in pairwise(levels):
        left, right = np.flatnonzero(rank <= low), np.flatnonzero(rank > low)
        if min(len(left), len(right)) >= leaf:
            found.append((square(np.arange(len(rank))) - square(left) - square(right), low, high))
    return found


# --- thresholds ------------------------------------------------------------------------------------------------------


def node(rank, value, weight):
    pull = weight * (value - np.average(value, weights=weight))
    return np.asarray(rank, dtype=np.int32), pull, np.asarray(weight, dtype=float), len(rank), float(np.sum(weight))


@given(st.integers(0, 10**6), st.integers(2, 32), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_a_small_node_finds_the_best_of_all_thresholds(seed, m, leaf):
    rng = np.random.default_rng(seed)
    rank, value, weight = rng.integers(0, 12, m), rng.normal(size=m), rng.integers(1, 4, m).astype(float)
    packed, (rank, pull, mass, m, total) = np.empty(m, dtype=np.int64), node(rank, value, weight)
    small_sort(rank, m, int(rank.min()), np.empty(32, dtype=np.int32), packed)
    assert (np.diff(packed) > 0).all()
    gain, low, high = ordered_cut(packed, m, pull, mass, 0.0, 0.0, 0, m, total, leaf)
    wanted = brute_force(rank, value, weight, leaf)
    if not wanted:
        assert gain < 0
        return
    assert gain == pytest.approx(max(g for g, _, _ in wanted), rel=1e-9, abs=1e-12)
    assert (low, high) in [(a, b) for g, a, b in wanted if g >= gain - 1e-9]


@pytest.mark.parametrize("m", [40, 300, 3000])
@pytest.mark.parametrize("distinct", [20, 50, 100_000])
def test_a_large_node_finds_a_step_wherever_it_is(m, distinct):
    rng = np.random.default_rng(m + distinct)
    for _ in range(10):
        rank = np.sort(rng.integers(0, distinct, m)).astype(np.int32)
        at = rng.integers(2, m - 2)
        if rank[at] == rank[at - 1]:
            continue
        value = np.where(np.arange(m) < at, 1.0, 4.0)
        rank, pull, mass, m, total = node(rank, value, np.ones(m))
        bins, key, spare = np.empty((BINS, 3)), np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64)
        gain, low, high, shift, _ = binned_cut(rank, pull, mass, m, int(rank[0]), int(rank[-1]), total, 1, bins)
        if shift > 0:
            low, high = refined_cut(rank, pull, mass, m, low, high, shift, total, 1, key, spare)
        assert (low, high) == (rank[at - 1], rank[at])
        assert gain > 0


def test_bins_of_one_rank_are_exact():
    rng = np.random.default_rng(5)
    rank, value, weight = rng.integers(3, 60, 200), rng.normal(size=200), rng.integers(1, 4, 200).astype(float)
    parts = node(rank, value, weight)
    gain, low, high, shift, fullest = binned_cut(*parts[:4], 3, 59, parts[4], 5, np.empty((BINS, 3)))
    assert shift == 0 and fullest == np.bincount(rank).max()
    assert (pytest.approx(gain, rel=1e-9), low, high) == max(brute_force(rank, value, weight, 5))


def test_what_the_bins_find_is_the_best_near_their_best_edge():
    rng = np.random.default_rng(6)
    for _ in range(20):
        rank, value = rng.permutation(5000)[:400], rng.normal(size=400)
        parts = node(rank, value, np.ones(400))
        bins, key = np.empty((BINS, 3)), np.empty(400, dtype=np.int64)
        gain, low, high, shift, _ = binned_cut(*parts[:4], int(rank.min()), int(rank.max()), parts[4], 1, bins)
        wide = 1 << shift
        found = refined_cut(*parts[:4], low, high, shift, parts[4], 1, key, key.copy())
        near = [one for one in brute_force(rank, value, np.ones(400), 1) if low <= one[1] and one[2] < high + wide]
        assert found == max(near)[1:] and max(near)[0] >= gain - 1e-9


def test_radix_sort_keeps_ties_in_order():
    rng = np.random.default_rng(0)
    for span in (5, 300, 70_000, 20_000_000):
        rank = (rng.integers(0, span, 1000) + 7).astype(np.int32)
        key = np.empty(1000, dtype=np.int64)
        pack(rank, 1000, key)
        radix_sort(key, 1000, int(rank.min()), int(rank.max()), np.empty(1000, dtype=np.int64))
        np.testing.assert_array_equal(key & 0xFFFFFFFF, np.argsort(rank, kind="stable"))


def test_drawn_thresholds_are_even_between_the_ends():
    levels = np.array([0.0, 1.0, 4.0], dtype=np.float32)
    parts = node([0, 1, 2], np.array([1.0, 2.0, 3.0]), np.ones(3))
    state, cuts = np.zeros(1, dtype=np.uint64), []
    seeded(state, 3, 0)
    for _ in range(4000):
        gain, threshold, cut = random_cut(*parts[:4], levels, 0, 2, parts[4], 1, state)
        assert 0 <= threshold < 4 and cut == (1 if threshold < 1 else 2)
        assert gain == pytest.approx(1.5)  # 2 - 0 - 0.5 on either side
        cuts.append(threshold)
    assert np.mean(cuts) == pytest.approx(2.0, abs=0.08)


# --- closed forms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["edaphic", "scikit-learn"])
def test_one_split_by_hand(engine):
    # 0 1 2 | 10: whatever the bootstrap drew, the step is the best split; its threshold is the middle of two neighbours.
    x = np.repeat([0.0, 1.0, 2.0, 10.0], 30)[:, None].astype(np.float32)
    y = np.repeat([1.0, 1.0, 1.0, 7.0], 30)
    forest = train(x, y, Settings(20, 1.0, 1, max_depth=1, engine=engine), log=False, seed=0)
    np.testing.assert_array_equal(forest.threshold[forest.roots], np.full(20, 6.0, dtype=np.float32))
    assert np.diff(forest.roots).tolist() == [3] * 19
    np.testing.assert_allclose(predict(forest, np.array([[6.0], [6.1]], dtype=np.float32)).mean, [1.0, 7.0], rtol=1e-12)


def test_leaves_of_one_row_give_back_its_value():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(500, 3)).astype(np.float32), rng.normal(size=500)
    forest = train(x, y, Settings(10, 1 / 3, 1), log=False, seed=4)
    order = np.argsort(y)
    for t, root in enumerate(forest.roots):
        last = forest.roots[t + 1] if t + 1 < forest.trees else len(forest.feature)
        leaves = forest.left[root:last][forest.feature[root:last] < 0]
        assert all(forest.leaf_start[leaf + 1] - forest.leaf_start[leaf] == 1 for leaf in leaves)
        ranks = forest.member_rank[forest.leaf_start[leaves]]
        np.testing.assert_allclose(forest.leaf_mean[leaves], y[order][ranks], rtol=1e-15)
        # A training row reaches the leaf that holds it.
        only = [Forest(**{**forest.__dict__, "roots": forest.roots[t : t + 1]})]
        np.testing.assert_allclose(predict(only[0], x[order][ranks]).mean, y[order][ranks], rtol=1e-15)


def test_every_row_of_a_bag_is_in_one_leaf_and_no_leaf_is_too_small():
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 9, (400, 4)).astype(np.float32), rng.normal(size=400)
    forest = train(x, y, Settings(8, 0.5, 7), log=False, seed=4)
    sizes = np.diff(forest.leaf_start)
    assert sizes.min() >= 7
    shares = np.add.reduceat(forest.member_share.astype(float), forest.leaf_start[:-1])
    np.testing.assert_allclose(shares, 1.0, atol=1e-6)
    assert all((np.diff(rows) > 0).all() for rows in members(forest))
    bag = len(forest.member_rank) / forest.trees / 400
    assert bag == pytest.approx(1 - np.exp(-1), abs=0.03)


def test_limits_on_splits_and_depth_hold():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(300, 3)).astype(np.float32), rng.normal(size=300)
    shallow = train(x, y, Settings(5, 1.0, 1, max_depth=3), log=False, seed=1)
    assert len(shallow.feature) <= 5 * 15 and len(shallow.leaf_mean) == 5 * 8
    coarse = train(x, y, Settings(5, 1.0, 1, min_samples_split=50), log=False, seed=1)
    sizes = np.diff(coarse.leaf_start)
    assert sizes.max() < 50 and sizes.min() < 10


def test_a_step_is_found_exactly_among_many_values():
    x = np.random.default_rng(0).permutation(20_000)[:, None].astype(np.float32)
    y = np.where(x[:, 0] < 12_345, 1.0, 2.0)
    forest = train(x, y, Settings(30, 1.0, 1), log=False, seed=0)
    assert len(forest.feature) == 90
    # Neighbours of the step may be missing from a bag, so its threshold is the middle of those that are there.
    assert np.abs(forest.threshold[forest.roots] - 12_344.5).max() < 6
    assert np.median(forest.threshold[forest.roots]) == 12_344.5


def test_constant_features_leave_one_leaf_and_no_importance():
    y = np.arange(40.0)
    forest, oob = train_oob(np.ones((40, 3), dtype=np.float32), y, Settings(200), log=False, seed=0)
    assert len(forest.feature) == 200 and (forest.importance == 0).all()
    assert predict(forest, np.zeros((1, 3), dtype=np.float32)).mean[0] == pytest.approx(19.5, abs=0.5)
    assert np.nanmean(oob) == pytest.approx(19.5, abs=0.5)


def test_a_constant_feature_does_not_stop_a_split():
    # One feature is tried at a split, and it may be the constant one: the next is looked for, as scikit-learn does.
    x = np.column_stack([np.ones(60), np.repeat([0, 1], 30)]).astype(np.float32)
    forest = train(x, np.repeat([1.0, 2.0], 30), Settings(50, 0.5, 1), log=False, seed=0)
    assert (forest.feature[forest.roots] == 1).all()


def test_a_first_split_without_gain_is_taken():
    # Exclusive or: no feature alone explains anything.
    a, b = np.tile([0, 0, 1, 1], 40), np.tile([0, 1, 0, 1], 40)
    x = np.column_stack([a, b]).astype(np.float32)
    forest = train(x, (a ^ b).astype(float), Settings(20, **WHOLE), log=False, seed=0)
    np.testing.assert_allclose(predict(forest, x).mean, a ^ b, atol=1e-12)


def test_two_identical_features_share_the_importance():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 1)).astype(np.float32)
    twice = np.hstack([x, x])
    y = x[:, 0] + 0.1 * rng.normal(size=300)
    forest = train(twice, y, Settings(200, **WHOLE), log=False, seed=0)
    np.testing.assert_allclose(forest.importance, [0.5, 0.5], atol=0.1)
    assert forest.importance.sum() == pytest.approx(1)


def test_out_of_bag_means_by_hand():
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(30, 2)).astype(np.float32), np.exp(rng.normal(size=30))
    for log in (False, True):
        forest, oob = train_oob(x, y, Settings(6, 1.0, 2), log=log, seed=3)
        rank = np.argsort(np.argsort(y))
        leaf_tree = np.repeat(np.arange(6), [np.sum(forest.feature[a:b] < 0) for a, b in bounds(forest)])
        member_tree = np.repeat(leaf_tree, np.diff(forest.leaf_start))
        for row in range(30):
            said = []
            for tree in range(6):
                if rank[row] not in forest.member_rank[member_tree == tree]:
                    one = Forest(**{**forest.__dict__, "roots": forest.roots[tree : tree + 1]})
                    said.append(predict(one, x[row : row + 1]).mean_fit[0])
            assert oob[row] == pytest.approx(np.mean(said) if said else np.nan, nan_ok=True)
        same(forest, train(x, y, Settings(6, 1.0, 2), log=log, seed=3))


def bounds(forest):
    return list(zip(forest.roots, [*forest.roots[1:], len(forest.feature)], strict=True))


# --- weights -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["edaphic", "scikit-learn"])
def test_weight_two_expects_what_two_rows_do(engine):
    rng = np.random.default_rng(9)
    x = np.repeat([0, 1], 60)[:, None].astype(np.float32)
    y = 3 * x[:, 0] + np.tile([0.0, 0.0, 2.0], 40) + 0.1 * rng.normal(size=120)
    double = np.tile([1.0, 1.0, 2.0], 40)
    rows = np.repeat(np.arange(120), double.astype(int))
    options = Settings(300, 1.0, 20, engine=engine)
    weighted = predict(train(x, y, options, log=False, seed=1, weights=double), x).mean
    repeated = predict(train(x[rows], y[rows], options, log=False, seed=2), x).mean
    alone = predict(train(x, y, options, log=False, seed=3), x).mean
    np.testing.assert_allclose(weighted, repeated, atol=0.05)
    np.testing.assert_allclose(repeated - alone, 1 / 3, atol=0.05)


@pytest.mark.parametrize("engine", ["edaphic", "scikit-learn"])
def test_weights_are_in_means_and_quantiles_and_their_unit_is_not(engine):
    x, y = np.ones((20, 1), dtype=np.float32), np.repeat([0.0, 10.0], 10)
    weights = np.repeat([3.0, 1.0], 10)
    forest, oob = train_oob(x, y, Settings(500, engine=engine), log=False, seed=0, weights=weights)
    said = predict(forest, x[:1], (0.5, 0.7, 0.8))
    assert said.mean[0] == pytest.approx(2.5, abs=0.25) and np.nanmean(oob) == pytest.approx(2.5, abs=0.25)
    assert said.quantiles[0].tolist() == [0.0, 0.0, 10.0]
    other = train(x, y, Settings(500, engine=engine), log=False, seed=0, weights=8 * weights)
    np.testing.assert_array_equal(forest.leaf_mean, other.leaf_mean)


@pytest.mark.parametrize("engine", ["edaphic", "scikit-learn"])
def test_rows_of_weight_zero_are_not_there(engine):
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=(80, 2)).astype(np.float32), rng.normal(size=80)
    weights = np.where(np.arange(80) % 4 == 0, 0.0, 1.0)
    forest, oob = train_oob(x, y, Settings(30, 1.0, 1, engine=engine), log=False, seed=0, weights=weights)
    ranks = np.argsort(np.argsort(y))
    assert not np.isin(forest.member_rank, ranks[weights == 0]).any()
    assert np.isfinite(oob[weights == 0]).all()


# --- the same bits, whatever the threads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["variance", "extra"])
def test_same_bits_on_any_number_of_threads(split):
    rng = np.random.default_rng(11)
    x, y = rng.normal(size=(900, 5)).astype(np.float32), np.exp(rng.normal(size=900))
    weights = rng.uniform(0.5, 2, 900)
    options = Settings(40, split=split)
    one, oob_one = train_oob(x, y, options, log=True, seed=5, workers=1, weights=weights)
    two, oob_two = train_oob(x, y, options, log=True, seed=5, workers=2, weights=weights)
    same(one, two)
    np.testing.assert_array_equal(oob_one, oob_two)
    # A tree knows its seed and its number, not how many others there are.
    few = train(x, y, Settings(7, split=split), log=True, seed=5, weights=weights)
    np.testing.assert_array_equal(few.feature, one.feature[: len(few.feature)])
    # Nor the order of the rows.
    mixed = rng.permutation(900)
    other, oob_other = train_oob(x[mixed], y[mixed], options, log=True, seed=5, weights=weights[mixed])
    same(one, other)
    np.testing.assert_array_equal(oob_one[mixed], oob_other)


def test_seeds_matter():
    rng = np.random.default_rng(12)
    x, y = rng.normal(size=(100, 5)).astype(np.float32), rng.normal(size=100)
    forests = [train(x, y, Settings(3), log=False, seed=seed) for seed in (0, 1, -1)]
    assert len({forest.threshold.tobytes() for forest in forests}) == 3


def test_ranks_of_more_values_than_16_bits_hold():
    x = np.random.default_rng(0).permutation(70_000)[:, None].astype(np.float32)
    coded = code(x, workers=2)
    assert coded.codes.dtype == np.int32 and code(x[:1000]).codes.dtype == np.uint16
    np.testing.assert_array_equal(coded.codes[0], x[:, 0])
    forest = train(x, np.sqrt(x[:, 0]), Settings(2, 1.0, 5), log=False, seed=0)
    assert np.abs(predict(forest, x).mean - np.sqrt(x[:, 0])).max() < 3


def test_values_far_from_zero_lose_no_digits():
    rng = np.random.default_rng(13)
    x, y = rng.normal(size=(300, 3)).astype(np.float32), rng.normal(size=300)
    near = train(x, y, Settings(10), log=False, seed=0)
    far = train(x, y + 2.0**26, Settings(10), log=False, seed=0)
    assert (near.feature == far.feature).mean() > 0.99


# --- accuracy: that of scikit-learn -------------------------------------------------------------------------------------


def friedman(n, seed):
    x, y = make_friedman1(n, n_features=10, noise=0.0, random_state=seed)
    return x.astype(np.float32), y, np.ones(n)


def uneven(n, seed):
    """The scatter grows with a predictor; classes and ties among the predictors."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.uniform(size=(n, 4)), rng.integers(0, 5, n), np.round(rng.exponential(size=n), 1)]).astype(np.float32)
    return x, 5 * x[:, 0] + np.where(x[:, 4] == 2, 3.0, 0.0) + x[:, 5], 0.3 + 3 * x[:, 1]


def skewed(n, seed):
    rng = np.random.default_rng(seed)
    x = np.exp(rng.normal(size=(n, 6))).astype(np.float32)
    x[:, 5] = np.where(rng.uniform(size=n) < 0.8, 0.0, x[:, 5])
    return x, np.log(x[:, 0]) + np.minimum(x[:, 1], 3) * (x[:, 5] > 0), np.full(n, 0.5)


@pytest.mark.parametrize("split", ["variance", "extra"])
@pytest.mark.parametrize("problem", [friedman, uneven, skewed])
@pytest.mark.parametrize(("n", "share", "leaf"), [(250, 1 / 3, 5), (2500, 0.5, 2)])
def test_accuracy_is_that_of_scikit_learn(problem, n, share, leaf, split):
    rng = np.random.default_rng(n)
    x, truth, scatter = problem(n, 1)
    y = truth + scatter * rng.normal(size=n)
    new, wanted, _ = problem(3000, 2)
    kind = RandomForestRegressor if split == "variance" else ExtraTreesRegressor
    options = {"max_features": Settings(max_features=share).tried(x.shape[1]), "min_samples_leaf": leaf, "bootstrap": True}
    theirs, ours = [], []
    for seed in range(4):
        grower = kind(60, random_state=seed, n_jobs=2, **options).fit(x, y)
        theirs.append(scores(flatten(grower, x, y, log=False), new, wanted))
        forest = train(x, y, Settings(60, share, leaf, split=split), log=False, seed=seed, workers=2)
        ours.append(scores(forest, new, wanted))
    theirs, ours = np.array(theirs), np.array(ours)
    spread = theirs.std(axis=0, ddof=1) + ours.std(axis=0, ddof=1)
    # Error of the mean, mean of the width of intervals: not worse than scikit-learn's, not another either.
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 2 * spread + 0.03 * theirs.mean(axis=0)).all(), (ours, theirs)


def scores(forest, new, wanted):
    said = predict(forest, new, (0.05, 0.5, 0.95), workers=2)
    width = said.quantiles[:, 2] - said.quantiles[:, 0]
    return [np.sqrt(np.mean((said.mean - wanted) ** 2)), np.sqrt(np.mean((said.quantiles[:, 1] - wanted) ** 2)), width.mean()]


def test_importance_is_that_of_scikit_learn():
    x, y, _ = friedman(1000, 3)
    ours = train(x, y, Settings(200, 1 / 3, 5), log=False, seed=0, workers=2).importance
    grower = RandomForestRegressor(200, max_features=3, min_samples_leaf=5, random_state=0, n_jobs=2).fit(x, y)
    np.testing.assert_allclose(ours, flatten(grower, x, y, log=False).importance, atol=0.02)
    np.testing.assert_allclose(flatten(grower, x, y, log=False).importance, grower.feature_importances_, rtol=1e-12)


# --- what cannot be learned --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["edaphic", "scikit-learn"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"y": np.ones(20)}, "the target is 1"),
        ({"y": np.where(np.arange(20) == 3, np.nan, np.arange(20.0))}, "1 of 20 target values are not finite"),
        ({"y": np.where(np.arange(20) == 3, np.inf, np.arange(20.0))}, "not finite"),
        ({"x": np.where(np.eye(20, 2) == 1, np.nan, 0.0)}, r"not finite in 2 of 20 rows \(first columns: 0, 1\)"),
        ({"x": np.full((20, 2), np.inf)}, "not finite in 20 of 20"),
        ({"x": np.full((20, 2), 1e300)}, "not finite in 20 of 20"),
        ({"x": np.zeros((20, 0))}, "no features"),
        ({"x": np.zeros((19, 2))}, r"features \(19, 2\)"),
        ({"x": np.zeros(20)}, r"features \(20,\)"),
        ({"x": np.zeros((9, 2)), "y": np.arange(9.0)}, "9 rows; expected at least 10"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, "0 rows"),
        ({"log": True}, "smallest value 0 has no logarithm"),
        ({"weights": np.ones(19)}, r"weights \(19,\)"),
        ({"weights": -np.ones(20)}, "weights below zero"),
        ({"weights": np.full(20, np.nan)}, "weights below zero or not finite"),
        ({"weights": np.zeros(20)}, "0 rows with a weight above 0"),
        ({"trees": 0}, "trees is 0"),
        ({"max_features": 0.0}, "max_features is 0"),
        ({"max_features": 1.5}, "max_features is 1.5"),
        ({"max_features": float("nan")}, "max_features is nan"),
        ({"min_samples_leaf": 0}, "min_samples_leaf is 0"),
        ({"min_samples_split": 1}, "min_samples_split is 1"),
        ({"max_depth": 0}, "max_depth is 0"),
        ({"split": "gini"}, "split is 'gini'; expected variance or extra"),
    ],
)
def test_one_clear_line(change, says, engine):
    told = {"x": np.arange(40.0).reshape(20, 2), "y": np.arange(20.0), "log": False, "weights": None} | change
    x, y, log, weights = (told.pop(name) for name in ("x", "y", "log", "weights"))
    with np.errstate(over="ignore"), pytest.raises(ModelError, match=says) as fault:
        train(x.astype(np.float32), y, Settings(**({"trees": 3, "engine": engine} | told)), log=log, seed=0, weights=weights)
    assert len(fault.value.faults) == 1


def test_all_faults_at_once():
    with pytest.raises(ModelError) as fault:
        train(np.full((20, 1), np.nan, dtype=np.float32), np.ones(20), Settings(0, 2.0, engine="ranger"), log=False, seed=0)
    assert len(fault.value.faults) == 5
