"""Little bags: each run of trees on one half of the groups, whatever grows them."""

from __future__ import annotations

import numpy as np
import pytest

from edaphic.errors import ModelError
from edaphic.model.forest import Forest, Settings, bag_faults, train, train_oob
from edaphic.model.traverse import predict

ENGINES = ("edaphic", "scikit-learn")
BAGGED = Settings(20, 0.5, 2, little_bags=5)
ARRAYS = [name for name in Forest.__dataclass_fields__ if name not in ("log", "bag")]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(240, 4)).astype(np.float32)
    # Values that differ, so that a rank names its row.
    return x, x[:, 0] + rng.normal(size=240), rng.permutation(np.repeat(np.arange(60) * 7 - 30, 4))


def told(settings: Settings, engine: str, **more: object) -> Settings:
    return Settings(**(settings.__dict__ | {"engine": engine} | more))


def rows_by_tree(forest: Forest, values: np.ndarray) -> list[set[int]]:
    """Rows that each tree was grown on."""
    order = np.argsort(values, kind="stable")
    leaves = [forest.left[a:b][forest.feature[a:b] < 0] for a, b in zip(forest.roots, [*forest.roots[1:], None], strict=True)]
    return [
        {int(order[m]) for leaf in own for m in forest.member_rank[forest.leaf_start[leaf] : forest.leaf_start[leaf + 1]]} for own in leaves
    ]


def same(one: Forest, other: Forest) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("engine", ENGINES)
def test_trees_of_a_bag_share_one_half_of_the_groups(rows, engine):
    x, y, groups = rows
    forest = train(x, y, told(BAGGED, engine), log=False, seed=3, groups=groups)
    assert forest.bag == 5 and forest.trees == 20
    used = rows_by_tree(forest, y)
    halves = []
    for bag in range(4):
        held = {int(groups[row]) for tree in used[5 * bag : 5 * bag + 5] for row in tree}
        assert len(held) == 30
        halves.append(frozenset(held))
        # A bootstrap of the 120 rows of the half holds about 76 of them, and no two trees the same.
        assert all(60 < len(tree) < 95 for tree in used[5 * bag : 5 * bag + 5])
        assert len({frozenset(tree) for tree in used[5 * bag : 5 * bag + 5]}) == 5
    assert len(set(halves)) == 4


@pytest.mark.parametrize("engine", ENGINES)
def test_halves_hold_every_group_as_often_as_any_other(rows, engine):
    x, y, groups = rows
    used = rows_by_tree(train(x, y, told(BAGGED, engine, trees=400, little_bags=2, max_depth=1), log=False, seed=1, groups=groups), y)
    counts = np.zeros(60)
    for bag in range(200):
        held = {int(groups[row]) for tree in used[2 * bag : 2 * bag + 2] for row in tree}
        counts[[(group + 30) // 7 for group in held]] += 1
    # Each with a chance of one half: binomial with a standard deviation of 7.
    assert counts.min() > 70 and counts.max() < 130 and 4.5 < counts.std() < 9.5


@pytest.mark.parametrize("engine", ENGINES)
def test_the_seed_decides_and_nothing_else(rows, engine):
    x, y, groups = rows
    options = told(BAGGED, engine)
    one, oob_one = train_oob(x, y, options, log=False, seed=3, groups=groups, workers=1)
    two, oob_two = train_oob(x, y, options, log=False, seed=3, groups=groups, workers=2)
    same(one, two)
    np.testing.assert_array_equal(oob_one, oob_two)
    same(one, train(x, y, options, log=False, seed=3, groups=groups * 5 + 2))  # names of groups do not count, their order does
    assert not np.array_equal(one.threshold, train(x, y, options, log=False, seed=4, groups=groups).threshold)


@pytest.mark.parametrize("engine", ENGINES)
def test_more_trees_leave_the_first_ones_as_they_are(rows, engine):
    x, y, groups = rows
    few = train(x, y, told(BAGGED, engine), log=False, seed=3, groups=groups)
    many = train(x, y, told(BAGGED, engine, trees=60), log=False, seed=3, groups=groups)
    np.testing.assert_array_equal(many.threshold[: len(few.threshold)], few.threshold)


@pytest.mark.parametrize("engine", ENGINES)
def test_out_of_bag_is_by_group(rows, engine):
    x, y, groups = rows
    forest, oob = train_oob(x, y, told(BAGGED, engine), log=False, seed=3, groups=groups)
    used = rows_by_tree(forest, y)
    alone = []
    for t in range(20):
        start, end = forest.roots[t], forest.roots[t + 1] if t < 19 else len(forest.feature)
        part = {name: getattr(forest, name) for name in ARRAYS}
        part |= {name: getattr(forest, name)[start:end].copy() for name in ("feature", "threshold", "left", "right")}
        inner = part["feature"] >= 0
        part["left"][inner] -= start
        part["right"][inner] -= start
        alone.append(predict(Forest(**(part | {"roots": np.zeros(1, np.int64)}), log=False), x).mean)
    for row in range(0, 240, 17):
        outside = [
            t for t in range(20) if not any(groups[row] == groups[other] for tree in used[t - t % 5 : t - t % 5 + 5] for other in tree)
        ]
        expected = np.mean([alone[t][row] for t in outside]) if outside else np.nan
        np.testing.assert_allclose(oob[row], expected, rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_without_bags_groups_change_nothing(rows, engine):
    x, y, groups = rows
    plain = told(BAGGED, engine, little_bags=0)
    same(train(x, y, plain, log=False, seed=3), train(x, y, plain, log=False, seed=3, groups=groups))
    assert train(x, y, plain, log=False, seed=3).bag == 0
    # Without groups, each row is one.
    same(train(x, y, told(BAGGED, engine), log=False, seed=3), train(x, y, told(BAGGED, engine), log=False, seed=3, groups=np.arange(240)))


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_without_weight_are_in_no_half(rows, engine):
    x, y, groups = rows
    weights = np.where(groups < 0, 0.0, 2.0)
    forest = train(x, y, told(BAGGED, engine), log=False, seed=3, groups=groups, weights=weights)
    used = rows_by_tree(forest, y)
    left = len(np.unique(groups[groups >= 0]))
    for bag in range(4):
        held = {int(groups[row]) for tree in used[5 * bag : 5 * bag + 5] for row in tree}
        assert min(held) >= 0 and len(held) == left // 2


@pytest.mark.parametrize(
    ("trees", "bag"), [(20, 1), (20, 3), (20, 10), (20, 20), (20, 40), (20, -5), (20, 2.5)]
)
def test_bags_that_do_not_fit_are_one_line(rows, trees, bag):
    x, y, groups = rows
    with pytest.raises(ModelError, match="little_bags is") as caught:
        train(x, y, Settings(trees, little_bags=bag), log=False, seed=0, groups=groups)
    assert list(caught.value.faults) == bag_faults(trees, bag)


def test_too_few_groups_and_groups_of_another_length_are_one_line(rows):
    x, y, groups = rows
    with pytest.raises(ModelError, match="9 groups of rows; expected at least 10 for little bags"):
        train(x, y, BAGGED, log=False, seed=0, groups=groups % 9)
    with pytest.raises(ModelError, match=r"groups \(239,\); expected \(240,\)"):
        train(x, y, BAGGED, log=False, seed=0, groups=groups[1:])
