import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from edaphic.errors import ModelError
from edaphic.validate.applicability import (
    Applicability,
    dissimilarity,
    dissimilarity_and_density,
    fit_applicability,
    is_inside,
    local_density,
)
from edaphic.validate.applicability_search import Change, search


def plain(train, weights, fold, cells):
    """The definitions, written out with whole matrices."""
    scale = train.std(axis=0, ddof=1)
    points, there = ((x - train.mean(axis=0)) / scale * weights for x in (train, cells))
    between = cdist(points, points)
    mean = (between.sum(axis=1) / (len(train) - 1)).mean()
    apart = np.asarray(fold)[:, None] != np.asarray(fold)[None, :]
    train_di = np.where(apart, between, np.inf).min(axis=1) / mean
    q25, q75 = np.quantile(train_di, (0.25, 0.75))
    threshold = min(q75 + 1.5 * (q75 - q25), train_di.max())
    to_cells = cdist(there, points) / mean
    return mean, train_di, threshold, to_cells.min(axis=1), (to_cells <= threshold).sum(axis=1)


@pytest.fixture(scope="module")
def made():
    """Correlated predictors of unlike scale, weights, spatial folds, and cells that partly reach beyond."""
    rng = np.random.default_rng(11)
    mix = rng.normal(size=(3, 7))
    train = (rng.normal(size=(333, 3)) @ mix + 0.3 * rng.normal(size=(333, 7))) * 10.0 ** np.arange(-3, 4) + 50
    cells = (1.4 * rng.normal(size=(3000, 3)) @ mix + 0.3 * rng.normal(size=(3000, 7))) * 10.0 ** np.arange(-3, 4) + 50
    return train, rng.random(7), rng.integers(0, 5, 333), cells


def test_three_samples_by_hand():
    # Mean 2 and SD 1: points -1, 0, 1; mean distances to the others 1.5, 1, 1.5. Folds {1}, {2, 3}: distances to the other fold 1, 1, 2.
    found = fit_applicability([[1.0], [2.0], [3.0]], fold=[0, 1, 1])
    assert found.mean_distance == pytest.approx(4 / 3)
    assert found.train_di == pytest.approx([0.75, 0.75, 1.5])
    # Q75 + 1.5 IQR = 1.125 + 1.5 * 0.375 = 1.6875 is above the largest, 1.5.
    assert found.threshold == pytest.approx(1.5)
    di, density = dissimilarity_and_density(found, [[2.0], [5.0], [5.1], [-1.0]])
    assert di == pytest.approx([0, 1.5, 1.575, 1.5])
    assert density.tolist() == [3, 1, 0, 1]
    assert is_inside(found, di).tolist() == [True, True, False, True]


def test_threshold_is_the_whisker_where_one_sample_is_far_off():
    found = fit_applicability([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [40.0]])
    q25, q75 = np.quantile(found.train_di, (0.25, 0.75))
    assert found.threshold == q75 + 1.5 * (q75 - q25) < found.train_di.max()


def test_against_whole_matrices(made):
    train, weights, fold, cells = made
    found = fit_applicability(train, weights, fold)
    mean, train_di, threshold, di, density = plain(train, weights, fold, cells)
    assert found.mean_distance == pytest.approx(mean, rel=1e-13)
    np.testing.assert_allclose(found.train_di, train_di, rtol=1e-12)
    assert found.threshold == pytest.approx(threshold, rel=1e-12)
    np.testing.assert_allclose(dissimilarity(found, cells), di, rtol=1e-12)
    assert (local_density(found, cells) == density).all()
    assert 0.05 < is_inside(found, di).mean() < 0.95


def test_density_of_training_samples_counts_the_other_folds(made):
    train, weights, fold, _ = made
    found = fit_applicability(train, weights, fold)
    near = cdist(found.points, found.points) / found.mean_distance <= found.threshold
    assert (found.train_density == (near & (fold[:, None] != fold)).sum(axis=1)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiles_threads_and_order_of_samples_give_the_same_bits(made, dtype):
    train, weights, fold, cells = made
    cells = cells.astype(dtype)
    found = fit_applicability(train, weights, fold)
    di, density = dissimilarity_and_density(found, cells, workers=1)
    for size in (1, 7, 1000, 2999):
        parts = [dissimilarity_and_density(found, cells[k : k + size]) for k in range(0, len(cells) if size > 1 else 50, size)]
        one, two = (np.concatenate(some) for some in zip(*parts, strict=True))
        assert (one == di[: len(one)]).all() and (two == density[: len(two)]).all()
    assert (dissimilarity(found, cells, workers=4) == di).all()
    assert (dissimilarity(found, np.asfortranarray(cells)) == di).all()
    assert (dissimilarity(found, cells[::-1])[::-1] == di).all()
    shuffled = np.random.default_rng(1).permutation(len(train))
    arrays = found.to_arrays() | {"points": found.points[shuffled]}
    assert (dissimilarity(Applicability.from_arrays(arrays), cells) == di).all()


def test_cells_very_near_a_sample_keep_their_digits(made):
    train, weights, fold, _ = made
    train = train - train.mean(axis=0) + 1e4  # far from the origin, where a product of matrices would cancel
    found = fit_applicability(train, weights, fold)
    for step in (1e-3, 1e-6, 1e-8):
        cells = train.copy()
        cells[:, 3] += step
        moved = (cells[:, 3] - train[:, 3]) / found.scale[3] * found.weights[3] / found.mean_distance
        np.testing.assert_allclose(dissimilarity(found, cells), moved, rtol=1e-4 if step == 1e-8 else 1e-6)


def test_a_sample_itself_has_dissimilarity_zero(made):
    train, weights, fold, _ = made
    assert (dissimilarity(fit_applicability(train, weights, fold), train) == 0).all()
    small = train.astype(np.float32)
    assert (dissimilarity(fit_applicability(small, weights, fold), small) == 0).all()


def test_weights_scaled_and_columns_moved_change_nothing(made):
    train, weights, fold, cells = made
    first = dissimilarity(fit_applicability(train, weights, fold), cells)
    np.testing.assert_allclose(dissimilarity(fit_applicability(train, 31 * weights, fold), cells), first, rtol=1e-12)
    factor, shift = np.arange(1, 8) * 2.5, np.arange(7) - 3.0
    np.testing.assert_allclose(
        dissimilarity(fit_applicability(train * factor + shift, weights, fold), cells * factor + shift), first, rtol=1e-6
    )


def test_weights_decide_which_difference_counts():
    train = [[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [3.0, 1.0]]
    far_in_first, far_in_second = [[9.0, 0.0], [0.0, 9.0]]
    heavy = fit_applicability(train, [10.0, 0.1])
    di = dissimilarity(heavy, [far_in_first, far_in_second])
    assert di[0] > 10 * di[1]


def test_folds_raise_the_threshold_above_that_of_neighbours(made):
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(12, 4)) * 3
    which = rng.integers(0, 12, 300)
    train = centres[which] + 0.1 * rng.normal(size=(300, 4))
    folded, unfolded = fit_applicability(train, fold=which % 4), fit_applicability(train)
    assert folded.threshold > 3 * unfolded.threshold
    assert any("no folds" in note for note in unfolded.notes) and not folded.notes


def test_a_sample_never_held_back_is_a_neighbour_without_a_value_of_its_own():
    found = fit_applicability([[1.0], [2.0], [3.0], [10.0]], fold=[0, 1, -1, -1])
    assert np.isnan(found.train_di[2:]).all() and np.isnan(found.train_density[2:]).all()
    # To the second and to the first: the sample at 3 is as near to the second.
    assert found.train_di[0] == found.train_di[1]


def test_splits_of_a_partition_are_its_folds(made):
    train, weights, fold, _ = made
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(5)]
    one, two = fit_applicability(train, weights, fold), fit_applicability(train, weights, splits=splits)
    assert (one.train_di == two.train_di).all() and one.threshold == two.threshold
    assert (one.train_density == two.train_density).all()
    # Held back twice in the same way: the mean is the same.
    twice = fit_applicability(train, weights, splits=splits + splits)
    np.testing.assert_allclose(twice.train_di, one.train_di, rtol=1e-15)


def test_splits_that_leave_samples_out_of_both_sides():
    found = fit_applicability([[0.0], [1.0], [2.0], [3.0]], splits=[(np.array([3]), np.array([0]))])
    gap = 3 / np.std([0, 1, 2, 3], ddof=1) / found.mean_distance
    assert found.train_di[0] == pytest.approx(gap) and np.isnan(found.train_di[1:]).all()
    assert found.threshold == found.train_di[0]


def test_what_is_dropped_or_clipped_is_said():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(40, 4))
    train[:, 1] = 0.1
    found = fit_applicability(train, [1.0, 5.0, -2.0, 0.0], np.arange(40) % 4, list("abcd"))
    assert found.columns.tolist() == [0]
    said = " | ".join(found.notes)
    assert "constant in training, not used: b" in said
    assert "negative importance counted as 0: c" in said
    assert "importance 0, not used: c, d" in said
    alone = fit_applicability(train[:, [0]], None, np.arange(40) % 4)
    assert (dissimilarity(found, train + 0.3) == dissimilarity(alone, train[:, [0]] + 0.3)).all()


def test_weights_of_nothing_but_zero_weigh_alike(made):
    train, _, fold, cells = made
    found = fit_applicability(train, np.zeros(7), fold)
    assert any("all weigh alike" in note for note in found.notes)
    assert (dissimilarity(found, cells) == dissimilarity(fit_applicability(train, None, fold), cells)).all()


def test_weight_only_on_what_is_constant_weighs_alike():
    found = fit_applicability([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]], [0.0, 1.0])
    assert found.columns.tolist() == [0] and found.weights.tolist() == [1.0]


def test_cells_without_a_number_have_no_dissimilarity(made):
    train, weights, fold, cells = made
    found = fit_applicability(train, weights, fold)
    cells = cells[:4].copy()
    cells[0, 2], cells[1, 6], cells[2, 0] = np.nan, np.inf, 1e308
    di, density = dissimilarity_and_density(found, cells)
    assert np.isnan(di[:2]).all() and di[2] == np.inf and np.isfinite(di[3])
    assert density[:3].tolist() == [-1, -1, 0]
    assert is_inside(found, di)[:3].tolist() == [False, False, False]


def test_a_gap_in_a_predictor_that_is_not_used_counts_too():
    found = fit_applicability([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    assert np.isnan(dissimilarity(found, [[1.0, np.nan]])).all()


def test_samples_that_are_equal_across_folds_make_a_threshold_of_zero_and_a_note():
    found = fit_applicability([[1.0], [1.0], [2.0], [2.0]], fold=[0, 1, 0, 1])
    assert found.threshold == 0 and any("threshold is 0" in note for note in found.notes)
    assert local_density(found, [[1.0], [1.0 + 1e-12]]).tolist() == [2, 0]


def test_stored_and_read_again(made):
    train, weights, fold, cells = made
    found = fit_applicability(train, weights, fold, [f"predictor {k}" for k in range(7)])
    file = io.BytesIO()
    np.savez(file, **found.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        again = Applicability.from_arrays(stored)
    assert again.names == found.names and again.notes == found.notes and again.threshold == found.threshold
    first, second = dissimilarity_and_density(found, cells), dissimilarity_and_density(again, cells)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))


def test_no_cells():
    found = fit_applicability([[1.0], [2.0], [3.0]])
    assert [len(part) for part in dissimilarity_and_density(found, np.empty((0, 1)))] == [0, 0]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 150),
    k=st.integers(1, 11),
    rank=st.integers(1, 4),
    spread=st.sampled_from([1e-6, 1.0, 1e6]),
    rounded=st.booleans(),
)
def test_search_equals_the_plain_one_and_density_says_inside(seed, n, k, rank, spread, rounded):
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(rank, k))
    train, cells = (rng.normal(size=(count, rank)) @ mix * spread + 3 for count in (n, 80))
    if rounded:  # ties, and cells exactly on samples
        train, cells = (np.round(part / spread) for part in (train, cells))
    if not np.ptp(train, axis=0).any():
        return
    found = fit_applicability(train, None, np.arange(n) % 2)
    there = (cells[:, found.columns] - found.centre) / found.scale
    di, density = dissimilarity_and_density(found, cells)
    apart = cdist(there, found.points)
    np.testing.assert_allclose(di, apart.min(axis=1) / found.mean_distance, rtol=1e-10, atol=1e-14)
    assert (di == dissimilarity(found, cells)).all()
    assert ((density > 0) == is_inside(found, di)).all()
    sure = np.abs(apart / found.mean_distance - found.threshold).min(axis=1) > 1e-9
    assert (density == (apart / found.mean_distance <= found.threshold).sum(axis=1))[sure].all()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(1, 9),
    reach=st.sampled_from([1.0, 1e4, 1e8]),
    near=st.sampled_from([0.0, 1e-12, 1e-6, 1.0]),
)
def test_what_is_passed_over_never_changes_a_bit(seed, k, reach, near):
    rng = np.random.default_rng(seed)
    train = rng.normal(size=(400, k)) * 10.0 ** rng.integers(-4, 5, k) + reach
    found = fit_applicability(train, 10.0 ** rng.uniform(-8, 8, k), np.arange(400) % 5)
    cells = train[rng.integers(0, 400, 200)] * (1 + near * rng.normal(size=(200, k)))
    # Without axes there is no box to tell groups apart, and every sample is looked at.
    change = Change(found.columns, found.centre, found.scale, found.weights)
    groups = found.groups
    for limit in (None, found.limit):
        seen_all = search(replace(groups, axes=groups.axes[:, :0], low=groups.low[:0], high=groups.high[:0]), cells, 1, limit, change)
        seen_some = search(groups, cells, 1, limit, change)
        assert all((a == b).all() for a, b in zip(seen_all, seen_some, strict=True))


def test_all_copies_of_a_sample_are_counted_though_they_fill_several_groups():
    rng = np.random.default_rng(8)
    some = rng.normal(size=(5, 7)) * 1e3
    train = np.repeat(some, 100, axis=0)
    found = fit_applicability(train, None, np.arange(500) % 2)
    assert found.threshold == 0
    assert local_density(found, some).tolist() == [100] * 5


@given(threshold=st.floats(1e-6, 1e3), mean_distance=st.floats(1e-6, 1e3))
def test_the_limit_of_squares_is_the_limit_of_the_index(threshold, mean_distance):
    told = fit_applicability(GOOD, fold=[0, 1] * 3).to_arrays() | {"threshold": threshold, "mean_distance": mean_distance}
    limit = Applicability.from_arrays(told).limit
    assert np.sqrt(limit) / mean_distance <= threshold < np.sqrt(np.nextafter(limit, np.inf)) / mean_distance


GOOD = np.arange(12.0).reshape(6, 2) ** 2
FAULTS = {
    "one sample": (lambda: fit_applicability([[1.0, 2.0]]), "1 training samples; expected at least 2"),
    "all samples equal": (lambda: fit_applicability(np.ones((5, 2))), "all 5 training samples are equal"),
    "NaN": (lambda: fit_applicability([[1.0, np.nan], [2.0, 1.0]], names=["a", "b"]), "predictor b: 1 of 2 training samples are NaN"),
    "infinite": (lambda: fit_applicability([[np.inf, 1.0], [2.0, 1.0]]), "predictor column 0: 1 of 2"),
    "text": (lambda: fit_applicability([["x", "y"], ["z", "w"]]), "not all are numbers"),
    "one dimension": (lambda: fit_applicability([1.0, 2.0]), "1 dimensions"),
    "names": (lambda: fit_applicability(GOOD, names=["a"]), "1 names; expected 2"),
    "number of weights": (lambda: fit_applicability(GOOD, [1.0, 1.0, 1.0]), "expected 2, one for each"),
    "weights NaN": (lambda: fit_applicability(GOOD, [1.0, np.nan]), "1 weights are NaN"),
    "weights tiny": (lambda: fit_applicability(GOOD, [1e-200, 1e-200]), "expected weights of ordinary size"),
    "one fold": (lambda: fit_applicability(GOOD, fold=[3] * 6), "1 folds; expected at least 2"),
    "no fold": (lambda: fit_applicability(GOOD, fold=[-1] * 6), "0 folds; expected at least 2"),
    "folds too short": (lambda: fit_applicability(GOOD, fold=[0, 1]), "expected 6 whole numbers"),
    "folds NaN": (lambda: fit_applicability(GOOD, fold=[0, 1, 0, 1, 0, np.nan]), "expected 6 whole numbers"),
    "both": (lambda: fit_applicability(GOOD, fold=[0, 1] * 3, splits=[(np.array([0]), np.array([1]))]), "both fold and splits"),
    "no splits": (lambda: fit_applicability(GOOD, splits=[]), "0 folds; expected at least 1"),
    "empty split": (lambda: fit_applicability(GOOD, splits=[(np.array([], dtype=int), np.array([1]))]), "0 training and 1 held-back"),
    "split beyond": (lambda: fit_applicability(GOOD, splits=[(np.array([0]), np.array([6]))]), "a row outside 0 to 5"),
    "split both sides": (lambda: fit_applicability(GOOD, splits=[(np.array([0, 1]), np.array([1]))]), "1 samples in training and"),
    "columns": (lambda: dissimilarity(fit_applicability(GOOD, names=["a", "b"]), np.ones((3, 4))), "4 columns; expected 2: a, b"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name):
    call, expected = FAULTS[name]
    with pytest.raises(ModelError, match=expected.replace("(", r"\(")):
        call()


def test_all_faults_of_the_samples_at_once():
    with pytest.raises(ModelError) as caught:
        fit_applicability([[np.nan, np.inf]])
    assert len(caught.value.faults) == 3


def test_rounding_alone_is_no_predictor():
    rng = np.random.default_rng(2)
    train = np.column_stack([rng.normal(size=60), np.full(60, 0.3)])
    train[::7, 1] = 0.1 + 0.2
    assert train[0, 1] != train[1, 1]
    found = fit_applicability(train, fold=np.arange(60) % 5, names=["slope", "flat"])
    assert found.columns.tolist() == [0] and found.notes == ("applicability: constant in training, not used: flat",)


def test_columns_of_tables_must_be_those_of_training():
    train = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [1.0, 5.0, 2.0, 2.0]})
    found = fit_applicability(train, fold=np.array([0, 1, 0, 1]))
    assert found.names == ("a", "b") and dissimilarity(found, train).tolist() == [0.0] * 4
    with pytest.raises(ModelError, match="cells with columns b, a; expected a, b"):
        dissimilarity(found, train[["b", "a"]])
    plain = fit_applicability(train.to_numpy(), fold=np.array([0, 1, 0, 1]))
    assert dissimilarity(plain, train).tolist() == [0.0] * 4
