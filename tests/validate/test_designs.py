import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeRegressor

from edaphic.errors import ModelError
from edaphic.validate.designs import BlockFolds, ProfileFolds, block_side_m, places, spread_over_folds


@pytest.fixture
def sites():
    rng = np.random.default_rng(7)
    return pd.DataFrame({"lon": 20 + rng.random(300), "lat": 41 + rng.random(300)})


def test_places_join_neighbours_by_steps():
    # 0.0008 degrees of latitude are 89 m: the first three form a chain, the last is alone.
    assert places([20.0] * 4, [41.0, 41.0008, 41.0016, 41.1], 100).tolist() == [0, 0, 0, 1]
    assert places([20.0, 20.0], [41.0, 41.0008], 50).tolist() == [0, 1]


def test_places_across_the_date_line():
    assert places([179.9999, -179.9999], [0.0, 0.0], 100).tolist() == [0, 0]


@pytest.mark.parametrize("make", [lambda: ProfileFolds(5, 1), lambda: BlockFolds(5, 1, 20_000.0)])
def test_each_row_is_held_back_once_and_no_place_is_on_both_sides(sites, make):
    rows = pd.concat([sites, sites, sites], ignore_index=True)
    groups = np.tile(np.arange(300) // 2, 3)
    held = []
    for inside, outside in make().split(rows, None, groups):
        assert not set(groups[inside]) & set(groups[outside])
        assert len(inside) + len(outside) == len(rows)
        held.append(outside)
    assert sorted(np.concatenate(held)) == list(range(len(rows)))


def test_blocks_are_never_split(sites):
    design = BlockFolds(4, 3, 25_000.0)
    groups = np.arange(300)
    block, fold = design.blocks(sites, groups), design.fold_of(sites, groups)
    assert pd.DataFrame({"b": block, "f": fold}).groupby("b")["f"].nunique().max() == 1
    assert len(set(block)) > 10


def test_folds_are_of_even_size(sites):
    fold = ProfileFolds(7, 2).fold_of(sites, np.arange(300))
    assert np.ptp(np.bincount(fold)) <= 1


def test_seed_decides_and_repeats(sites):
    groups = np.arange(300)
    one, again, other = (ProfileFolds(5, seed).fold_of(sites, groups) for seed in (1, 1, 2))
    assert (one == again).all() and (one != other).any()


def test_works_as_a_scikit_learn_splitter(sites):
    y = sites["lat"].to_numpy()
    score = cross_val_score(DecisionTreeRegressor(), sites, y, groups=np.arange(300), cv=ProfileFolds(3, 1))
    assert (score > 0.9).all()


def test_a_predictor_that_names_the_profile_does_not_raise_the_score():
    # Three layers share a profile effect that only the profile's own number could tell.
    rng = np.random.default_rng(8)
    effect = rng.normal(size=200)
    groups = np.repeat(np.arange(200), 3)
    y = effect[groups] + 0.1 * rng.normal(size=600)
    x = pd.DataFrame({"lon": 0.0, "lat": 0.0, "canary": groups})
    score = cross_val_score(DecisionTreeRegressor(), x, y, groups=groups, cv=ProfileFolds(5, 1), scoring="r2")
    assert score.mean() < 0.05


def test_block_side_is_about_ten_blocks_per_fold(sites):
    side = block_side_m(sites, 5)
    assert 10_000 < side < 20_000
    assert 30 <= len(set(BlockFolds(5, 1, side).blocks(sites, np.arange(300)))) <= 90


def test_too_few_groups_and_points_on_a_line_are_errors():
    with pytest.raises(ModelError, match="2 groups of profiles for 5 folds"):
        spread_over_folds(np.array([3, 4]), 5, 1)
    line = pd.DataFrame({"lon": np.full(20, 10.0), "lat": np.full(20, 50.0)})
    with pytest.raises(ModelError, match="one line"):
        block_side_m(line, 5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=5, max_size=60), st.integers(0, 10))
def test_no_fold_is_empty_and_sizes_differ_by_one_group_at_most(sizes, seed):
    fold = spread_over_folds(np.array(sizes), 5, seed)
    total = np.bincount(fold, weights=sizes, minlength=5)
    assert total.min() > 0
    assert np.ptp(total) <= max(sizes)
