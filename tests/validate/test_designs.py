import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeRegressor

from edaphic.errors import ModelError
from edaphic.validate.designs import (
    DESIGNS,
    BlockFolds,
    ProfileFolds,
    RandomFolds,
    block_side_m,
    headline,
    make_design,
    places,
    spread_over_folds,
)
from edaphic.validate.grouping import on_sphere, place_points


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


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 120), st.floats(1.0, 400.0), st.integers(0, 1000), st.sampled_from([(20.0, 41.0), (179.999, 0.0), (10.0, 89.99)]))
def test_places_are_the_components_of_the_full_matrix(n, within_m, seed, where):
    rng = np.random.default_rng(seed)
    lon, lat = np.asarray(where)[:, None] + np.round(rng.normal(0, 0.0005, (2, n)), 4)
    xyz = on_sphere(lon, lat)
    plain = connected_components(cdist(xyz, xyz) <= within_m, directed=False)[1]
    found = places(lon, lat, within_m)
    assert (found == pd.factorize(plain)[0]).all()


def test_thousands_of_profiles_within_reach_of_one_another_need_little_memory():
    rng = np.random.default_rng(1)
    lon, lat = 20 + rng.random(8000) * 1e-3, 41 + rng.random(8000) * 1e-3
    places(lon[:10], lat[:10], 5.0)
    tracemalloc.start()
    assert places(lon, lat, 1000.0).max() == 0
    # All pairs would be 32 million.
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_places_of_no_width_are_equal_coordinates():
    assert places([20.0, 20.0, 20.0001], [41.0, 41.0, 41.0], 0.0).tolist() == [0, 0, 1]


def test_the_point_of_a_place_is_the_mean_of_its_sites_not_of_their_layers():
    table = pd.DataFrame({"lon": [0.0, 0.0, 0.0, 0.002], "lat": 0.0})
    points, code = place_points(table, np.array([7, 7, 7, 7]))
    assert code.tolist() == [0] * 4
    assert points == pytest.approx(on_sphere([0.001], [0.0]), abs=1e-3)


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


def test_block_side_from_the_range_of_a_variogram(sites):
    assert block_side_m(sites, 5, range_m=12_345.0) == 12_000
    # A degree by a degree is about 93 km wide: two blocks for each of five folds are 30 km.
    assert 28_000 <= block_side_m(sites, 5, range_m=500_000.0) <= 31_000
    with pytest.raises(ModelError, match="range of 0 m"):
        block_side_m(sites, 5, range_m=0)


def test_blocks_across_the_date_line_hang_together():
    table = pd.DataFrame({"lon": [179.9, -179.9, 179.9, -179.9], "lat": [-17.0, -17.0, -18.0, -18.0]})
    assert len(set(BlockFolds(2, 1, 500_000.0).blocks(table, np.arange(4)))) <= 4
    x = BlockFolds(2, 1, 1.0)
    cell = np.abs(np.diff(x.blocks(table, np.arange(4))))
    assert (cell == 1).all()
    assert block_side_m(table.assign(lon=[179.9, -179.8, 179.8, -179.9]), 5) < 20_000


def test_random_folds_say_which_profiles_are_on_both_sides(sites):
    rows = pd.concat([sites.assign(profile_id=np.arange(300))] * 3, ignore_index=True)
    groups = np.tile(np.arange(300), 3)
    design = RandomFolds(5, 1)
    fold = design.fold_of(rows)
    assert np.ptp(np.bincount(fold)) == 0
    split = (pd.Series(fold).groupby(groups).nunique() > 1).sum()
    assert split > 250
    (note,) = design.notes(rows, groups)
    assert f"{split} of 300 profiles are on both sides" in note
    assert RandomFolds(5, 1).notes(rows.iloc[:300], groups[:300]) == []
    assert sum(len(held) for _, held in design.split(rows)) == 900


def test_shared_places_and_few_blocks_are_said(sites):
    table, groups = sites.assign(profile_id=np.arange(300)), np.arange(300) // 2
    assert ProfileFolds(5, 1).notes(table, np.arange(300)) == []
    assert "300 profiles lie at 150 shared places" in ProfileFolds(5, 1).notes(table, groups)[0]
    first, second = BlockFolds(5, 1, 40_000.0).notes(table, groups)
    assert "not the accuracy of the map" in first and "only" in second
    assert len(BlockFolds(5, 1, 10_000.0).notes(table, groups)) == 1


def test_the_headline_is_chosen_by_rule():
    name, reason = headline(["random", "profile", "block", "knndm"], probability=True)
    assert name == "probability" and "by probability" in reason
    name, reason = headline(["random", "profile", "block", "knndm"], probability=False)
    assert name == "knndm" and "blocks are a test of transfer" in reason
    assert headline(["block", "profile"], probability=False)[0] == "profile"
    for never in (["random", "block", "zone", "time", "strata_left_out"], []):
        with pytest.raises(ModelError, match="expected knndm or profile"):
            headline(never, probability=False)


def rows_of_all(sites):
    rng = np.random.default_rng(4)
    year = rng.integers(1980, 2015, 300).astype(float)
    rows = sites.assign(profile_id=np.arange(300), year=year, zone=rng.integers(0, 3, 300))
    return pd.concat([rows, rows], ignore_index=True), np.tile(np.arange(300), 2)


@pytest.mark.parametrize("name", DESIGNS)
def test_every_design_has_a_name_and_splits(sites, name):
    rows, groups = rows_of_all(sites)
    cells = np.column_stack([20 + np.random.default_rng(5).random(200), 41 + np.random.default_rng(6).random(200)])
    design = make_design(name, folds=3, seed=1, block_m=15_000.0, prediction=cells)
    assert type(design) is DESIGNS[name]
    splits = list(design.split(rows, None, groups))
    assert len(splits) == design.get_n_splits(rows, None, groups)
    for train, test in splits:
        assert len(train) and len(test) and not set(train) & set(test)
        if name != "random":
            assert not set(groups[train]) & set(groups[test])
    if hasattr(design, "fold_of"):
        fold = design.fold_of(rows, groups)
        assert fold.dtype == np.int64
        for k, (_, test) in enumerate(splits):
            assert (np.flatnonzero(fold == k) == test).all()
    assert all(isinstance(note, str) and ": " in note for note in design.notes(rows, groups))
    again = list(make_design(name, folds=3, seed=1, block_m=15_000.0, prediction=cells).split(rows, None, groups))
    assert all((a[1] == b[1]).all() for a, b in zip(splits, again, strict=True))


@pytest.mark.parametrize(
    ("name", "message"),
    [("block", "without a side"), ("knndm", "without prediction points"), ("leave_one_out", "expected one of random, profile")],
)
def test_designs_that_cannot_be_made(name, message):
    with pytest.raises(ModelError, match=message):
        make_design(name, folds=3, seed=1)


def test_missing_coordinates_too_few_rows_and_blocks_too_large(sites):
    broken = sites.assign(lat=[np.nan, np.inf, *sites["lat"][2:]])
    with pytest.raises(ModelError, match="2 of 300 rows have no lon or lat"):
        places(broken["lon"], broken["lat"], 100.0)
    with pytest.raises(ModelError, match="300 of 300 rows have a lat beyond 90"):
        places(1000 * sites["lon"], 1000 * sites["lat"], 100.0)
    with pytest.raises(ModelError, match="2 of 300 rows"):
        BlockFolds(5, 1, 1000.0).fold_of(broken, np.arange(300))
    with pytest.raises(ModelError, match="3 rows of profiles for 5 folds"):
        RandomFolds(5, 1).fold_of(sites[:3])
    with pytest.raises(ModelError, match="blocks of 1000 km hold all profiles, for 5 folds"):
        BlockFolds(5, 1, 1e6).fold_of(sites, np.arange(300))
    for side in (0.0, -5.0, np.nan, np.inf):
        with pytest.raises(ModelError, match="a length above zero"):
            BlockFolds(5, 1, side)
    with pytest.raises(ModelError, match="1 folds"):
        ProfileFolds(1, 1)


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


@pytest.mark.parametrize(
    ("lon", "lat", "within_m", "message"),
    [
        (["east", "1"], [0.0, 0.0], 1.0, "are no numbers"),
        ([0.0, 1.0], [0.0], 1.0, "2 lon and 1 lat"),
        ([500_000.0, 1.0], [0.0, 0.0], 1.0, "lon beyond 360"),
        ([0.0, 1.0], [0.0, 0.0], -5.0, "within -5 m"),
        ([0.0, 1.0], [0.0, 0.0], np.nan, "within nan m"),
    ],
)
def test_faults_of_places(lon, lat, within_m, message):
    with pytest.raises(ModelError, match=message):
        places(lon, lat, within_m)


def test_layers_do_not_move_a_place_into_another_block():
    # A place of two sites, with its middle in the block of the second place.
    sites = pd.DataFrame({"lon": [0.0, 0.04, 0.02, 2.02, 4.0, 4.1], "lat": 0.0})
    groups = np.array([0, 0, 1, 2, 3, 4])
    design = BlockFolds(2, 1, 2500.0)
    assert design.blocks(sites, groups).tolist() == [0, 0, 0, 1, 2, 3]
    for layers in (2, 10):
        # As many on the other side, so that the median, on which blocks are centred, stays where it was.
        more = pd.concat([sites, sites.iloc[[0] * layers], sites.iloc[[5] * layers]])
        assert design.blocks(more, np.concatenate([groups, [0] * layers, [4] * layers]))[:6].tolist() == [0, 0, 0, 1, 2, 3]
