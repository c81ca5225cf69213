import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from edaphic.errors import ModelError
from edaphic.validate import nearest
from edaphic.validate.designs import BlockFolds, KnndmFolds, RandomFolds, places
from edaphic.validate.grouping import EARTH_RADIUS_M
from edaphic.validate.knndm import match_folds
from edaphic.validate.nearest import OtherFolds, cut, distances_to, k_means, leave_one_out_distances, ward_merges, wasserstein


def clustered(seed, n=200, centres=8, spread=0.02, d=2):
    rng = np.random.default_rng(seed)
    return rng.random((centres, d))[rng.integers(0, centres, n)] + rng.normal(0, spread, (n, d)), rng.random((400, d))


def sites(seed=1, n=200, layers=1):
    points, cells = clustered(seed, n)
    table = pd.DataFrame({"profile_id": np.arange(n), "lon": 20 + points[:, 0], "lat": 41 + points[:, 1]})
    return pd.concat([table] * layers, ignore_index=True), np.column_stack([20 + cells[:, 0], 41 + cells[:, 1]])


# Closed forms.


def test_distances_on_a_line_by_hand():
    points = np.array([[0.0], [1.0], [3.0], [7.0]])
    assert leave_one_out_distances(points).tolist() == [1, 1, 2, 4]
    assert distances_to(np.array([[2.5], [-1.0], [7.0]]), points).tolist() == [0.5, 1, 0]
    assert OtherFolds(points).distances(np.array([0, 0, 1, 1])).tolist() == [3, 2, 2, 6]
    assert np.isinf(OtherFolds(points).distances(np.zeros(4, dtype=int))).all()


def test_w_is_the_area_between_the_steps():
    # Steps of 1/2 at 1 and 3 against steps of 1/3 at 1, 2, 3: they differ by 1/6 on [1, 2) and by 1/6 on [2, 3).
    assert wasserstein(np.array([1.0, 3.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(1 / 3)
    assert wasserstein(np.array([2.0, 5.0]), np.array([5.0, 2.0])) == 0


def test_two_far_towns_seen_from_between_are_held_back_whole():
    # Cells lie 90 from either town, towns are 100 apart and 1 wide: only folds of whole towns come near.
    towns = np.concatenate([np.linspace(0, 1, 10), np.linspace(100, 101, 10)])[:, None] * [1.0, 0.0]
    cells = np.column_stack([np.full(30, 50.5), np.linspace(74, 76, 30)])
    match = match_folds(towns, cells, 2, seed=1)
    assert match.clusters == 2
    assert len(set(match.fold[:10])) == len(set(match.fold[10:])) == 1 and match.fold[0] != match.fold[-1]
    assert match.w < match.w_random


def test_a_regular_grid_needs_no_clusters():
    side = np.arange(12.0)
    grid = np.array([(x, y) for x in side for y in side])
    cells = np.random.default_rng(3).uniform(0, 11, (500, 2))
    match = match_folds(grid, cells, 5, seed=1)
    assert match.clusters == "random" and match.dispersed_p > 0.05
    assert np.ptp(np.bincount(match.fold)) <= 1


def test_lengths_are_measured_along_the_sphere():
    table = pd.DataFrame({"lon": [0.0, 90.0, 180.0, -90.0], "lat": 0.0})
    design = KnndmFolds(2, 1, np.array([[45.0, 0.0]]))
    quarter = np.pi * EARTH_RADIUS_M / 2
    curves = design.facts(table, np.arange(4)).curves
    assert curves["gij_m"].iloc[0] == pytest.approx(quarter / 2)
    assert curves["gj_m"].to_numpy() == pytest.approx(np.full(101, quarter))


# Against plain computations.


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 150), st.integers(1, 4), st.integers(2, 6), st.integers(0, 1000))
def test_other_folds_equal_the_full_matrix(n, d, k, seed):
    rng = np.random.default_rng(seed)
    points, fold = np.round(rng.random((n, d)), 2), np.sort(rng.integers(0, k, n))
    matrix = np.where(fold[:, None] != fold[None, :], cdist(points, points), np.inf)
    np.testing.assert_allclose(OtherFolds(points).distances(fold), matrix.min(axis=1), rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_w_equals_that_of_scipy(one, other):
    a, b = np.array(one, float), np.array(other, float)
    assert wasserstein(a, b) == pytest.approx(wasserstein_distance(a, b), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 120), st.integers(1, 4), st.integers(0, 1000))
def test_ward_equals_the_tree_from_a_full_matrix(n, d, seed):
    points = np.random.default_rng(seed).random((n, d))
    tree = linkage(points, "ward")
    merges, height = ward_merges(points)
    np.testing.assert_allclose(height, tree[:, 2], rtol=1e-9)
    for count, label in cut(merges, [1, 2, n // 2, n]):
        theirs = fcluster(tree, count, "maxclust")
        assert len(np.unique(label)) == count
        assert len(np.unique(np.column_stack([label, theirs]), axis=0)) == count


def test_ward_of_many_ties_ends_and_is_complete():
    grid = np.array([(x, y) for x in range(15) for y in range(15)] * 2, dtype=float)
    merges, height = ward_merges(grid)
    assert len(merges) == 449 and (height[:225] == 0).all() and (np.diff(height) >= 0).all()
    assert len(np.unique(next(cut(merges, [225]))[1])) == 225


def test_k_means_finds_groups_that_are_plain_to_see_and_fills_all():
    points, _ = clustered(5, 300, centres=6, spread=0.001)
    label = k_means(points, 6, 1, repeats=10)
    assert len(np.unique(np.column_stack([label, np.unique(np.round(points, 1), axis=0, return_inverse=True)[1]]), axis=0)) >= 6
    assert (np.bincount(label, minlength=6) > 0).all()
    within = sum(((points[label == k] - points[label == k].mean(axis=0)) ** 2).sum() for k in range(6))
    assert within < 300 * 2 * 0.002**2
    ties = np.repeat(np.arange(4.0), 5)[:, None]
    assert sorted(np.bincount(k_means(ties, 4, 2))) == [5, 5, 5, 5]


# Properties.


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 8), st.sampled_from(["hierarchical", "kmeans"]))
def test_w_is_never_above_that_of_random_folds(seed, k, clustering):
    points, cells = clustered(seed, 60, centres=5)
    match = match_folds(points, cells, k, seed=seed, clustering=clustering)
    assert match.w <= match.w_random
    count = np.bincount(match.fold, minlength=k)
    assert (count > 0).all() and count.max() <= max(0.5 * 60, -(-60 // k))
    assert match.w == pytest.approx(wasserstein(match.gj_star, match.gij))


@pytest.mark.parametrize("clustering", ["hierarchical", "kmeans"])
def test_clustered_samples_are_matched_far_better_than_at_random(clustering):
    ratio = []
    for seed in range(10):
        points, cells = clustered(seed)
        match = match_folds(points, cells, 5, seed=seed, clustering=clustering)
        assert match.clusters != "random"
        ratio.append(match.w / match.w_random)
    assert np.mean(ratio) < 0.7


def test_the_same_folds_on_any_number_of_threads_and_again():
    points, cells = clustered(3, 500, d=3)
    for clustering in ("hierarchical", "kmeans"):
        one, two = (match_folds(points, cells, 5, seed=3, clustering=clustering, workers=w) for w in (1, 2))
        assert (one.fold == two.fold).all() and one.w == two.w


def test_moving_and_scaling_the_map_changes_no_fold():
    points, cells = clustered(6)
    one = match_folds(points, cells, 5, seed=1)
    other = match_folds(1024 * points, 1024 * cells, 5, seed=1)
    assert (one.fold == other.fold).all() and other.w == pytest.approx(1024 * one.w)


def test_feature_space_of_many_dimensions():
    points, cells = clustered(7, 150, spread=0.05, d=12)
    match = match_folds(points, cells, 5, seed=1)
    assert match.clusters != "random" and match.w < match.w_random


# The splitter.


def test_places_are_whole_and_layers_change_nothing():
    table, cells = sites(layers=3)
    group = places(table["lon"], table["lat"], 100.0)
    design = KnndmFolds(5, 1, cells)
    fold = design.fold_of(table, group)
    assert pd.Series(fold).groupby(group).nunique().max() == 1
    single = sites()[0]
    assert (KnndmFolds(5, 1, cells).fold_of(single, group[:200]) == fold[:200]).all()
    held = np.concatenate([outside for _, outside in design.split(table, None, group)])
    assert sorted(held) == list(range(len(table)))


def test_facts_stand_beside_other_designs():
    table, cells = sites(layers=2)
    group = np.tile(np.arange(200), 2)
    design = KnndmFolds(5, 1, cells)
    facts = design.facts(table, group)
    assert facts.places == 200 and facts.prediction_points == 400
    assert facts.w_m < facts.w_profile_m < facts.w_random_m
    assert facts.w_m == pytest.approx(design.w_of(table, group, design.fold_of(table, group)))
    assert facts.w_random_m == pytest.approx(design.w_of(table, group, RandomFolds(5, 1).fold_of(table)))
    assert facts.w_m < design.w_of(table, group, BlockFolds(5, 1, 40_000.0).fold_of(table, group))
    assert list(facts.curves) == ["p", "gij_m", "gj_m", "gj_star_m", "gj_profile_m", "gj_random_m"]
    assert (facts.curves.diff().iloc[1:] >= 0).all().all()
    assert facts.curves["gj_random_m"].iloc[0] == 0  # Layers of one profile on both sides.


def test_notes_of_random_folds_and_of_folds_that_fall_short():
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"lon": 20 + rng.random(100), "lat": 41 + rng.random(100)})
    near = 20 + rng.random(500), 41 + rng.random(500)
    assert "folds of places are at random" in KnndmFolds(5, 1, np.column_stack(near)).notes(table, np.arange(100))[0]
    far = KnndmFolds(5, 1, np.column_stack([30 + rng.random(500), near[1]])).notes(table, np.arange(100))
    assert any("nearer to training places" in note for note in far)


# Faults.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prediction": np.empty((0, 2))}, "no prediction points"),
        ({"prediction": np.array([20.0, 41.0])}, "shape"),
        ({"prediction": np.array([[20.0, np.nan]])}, "1 of 1 prediction points have no lon or lat"),
        ({"maxp": 0.1}, "share from 0.2"),
        ({"clustering": "fuzzy"}, "expected hierarchical or kmeans"),
        ({"n_splits": 1}, "at least two"),
        ({"n_splits": 300}, "200 places of profiles for 300 folds"),
    ],
)
def test_faults_of_the_design(change, message):
    table, cells = sites()
    told = {"n_splits": 5, "seed": 1, "prediction": cells} | change
    with pytest.raises(ModelError, match=message):
        KnndmFolds(**told).fold_of(table, np.arange(200))


def test_faults_of_the_rows():
    table, cells = sites()
    with pytest.raises(ModelError, match="at one place"):
        KnndmFolds(2, 1, cells).fold_of(table.assign(lon=20.0, lat=41.0), np.arange(200))
    with pytest.raises(ModelError, match="1 of 200 rows have no lon or lat"):
        KnndmFolds(2, 1, cells).fold_of(table.assign(lon=[np.nan, *table["lon"][1:]]), np.arange(200))
    with pytest.raises(ModelError, match="1 places of profiles for 2 folds"):
        KnndmFolds(2, 1, cells).fold_of(table, np.zeros(200, dtype=int))


def test_as_many_places_as_folds_and_duplicates():
    table, cells = sites(n=5)
    assert sorted(KnndmFolds(5, 1, cells).fold_of(table, np.arange(5))) == list(range(5))
    twice = np.repeat(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), 2, axis=0)
    match = match_folds(twice, twice + 5.0, 3, seed=1)
    assert (match.fold[::2] == match.fold[1::2]).all() and match.gj.max() == 0


def test_few_centres_are_assigned_as_by_a_tree(monkeypatch):
    points = np.random.default_rng(3).random((500, 3))
    direct = k_means(points, 20, 1, 3)
    monkeypatch.setattr(nearest, "_FEW_CENTRES", 0)
    assert (k_means(points, 20, 1, 3) == direct).all()


@pytest.mark.parametrize(
    ("points", "prediction", "k", "message"),
    [
        (np.zeros((9, 2)), np.ones((4, 2)), 0, "0 folds"),
        (np.zeros((9, 2)), np.ones((4, 2)), 1, "1 folds; expected at least two"),
        (np.zeros((9, 2)), np.ones((4, 3)), 3, "rows of as many coordinates"),
        (np.zeros(9), np.ones(4), 3, "rows of as many coordinates"),
    ],
)
def test_shapes_that_do_not_fit(points, prediction, k, message):
    with pytest.raises(ModelError, match=message):
        match_folds(points, prediction, k, seed=1)
