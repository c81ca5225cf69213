"""Scores of subsets: the same as training and predicting, fold by fold."""

from itertools import combinations

import numpy as np
import pytest

from edaphic.errors import ModelError
from edaphic.model.forest import Settings, train
from edaphic.model.quick import quick_scores
from edaphic.model.traverse import predict


def folds_of(n, k=3, seed=0):
    fold = np.random.default_rng(seed).permutation(n) % k
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(k)]


def plain(x, y, folds, subsets, options, *, log, seed, weights=None):
    found = []
    for subset in subsets:
        own, observed = x[:, list(subset)], np.log(y) if log else y
        square = mass = 0.0
        for inside, outside in folds:
            told = None if weights is None else weights[inside]
            forest = train(own[inside], y[inside], options, log=log, seed=seed, weights=told)
            share = np.ones(len(outside)) if weights is None else weights[outside]
            square += np.sum(share * (predict(forest, own[outside]).mean_fit - observed[outside]) ** 2)
            mass += share.sum()
        found.append(np.sqrt(square / mass))
    return np.array(found)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    x = np.round(rng.normal(size=(400, 5)), 1).astype(np.float32)
    y = np.exp(x[:, 0] + 0.5 * (x[:, 1] > 0) * x[:, 2] + 0.3 * rng.normal(size=400))
    return x, y, rng.uniform(0.2, 2.0, 400)


SUBSETS = [(0,), (1, 2), (4,), (2, 0, 1), (0, 1, 2, 3, 4)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("split", ["variance", "extra"])
def test_equal_to_training_and_predicting(data, split, weighted):
    # With so few distinct values both look at every threshold: the same trees.
    x, y, weights = data
    told = {"log": True, "seed": 3, "weights": weights if weighted else None}
    options = Settings(20, 0.5, 3, split=split)
    ours = quick_scores(x, y, folds_of(400), SUBSETS, options, **told)
    np.testing.assert_allclose(ours, plain(x, y, folds_of(400), SUBSETS, options, **told), rtol=1e-12)


def test_close_to_training_and_predicting_where_ranks_are_many():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3000, 4)).astype(np.float32)
    y = x[:, 0] + np.sin(2 * x[:, 1]) + 0.5 * rng.normal(size=3000)
    subsets = [(0, 1), (0, 1, 2, 3), (2, 3)]
    options = Settings(50, 0.5)
    ours = quick_scores(x, y, folds_of(3000), subsets, options, log=False, seed=0, workers=2)
    np.testing.assert_allclose(ours, plain(x, y, folds_of(3000), subsets, options, log=False, seed=0), rtol=0.01)


def test_scikit_learn_where_the_settings_say_so(data):
    x, y, weights = data
    options = Settings(10, 0.5, 3, engine="scikit-learn")
    told = {"log": False, "seed": 3, "weights": weights}
    order = np.argsort(y, kind="stable")
    place = np.argsort(order)
    folds = [(np.sort(place[a]), place[b]) for a, b in folds_of(400)]
    wanted = plain(x[order], y[order], folds, SUBSETS[:2], options, log=False, seed=3, weights=weights[order])
    np.testing.assert_allclose(quick_scores(x, y, folds_of(400), SUBSETS[:2], options, **told), wanted, rtol=1e-12)


def test_same_bits_whatever_threads_and_order(data):
    x, y, _ = data
    subsets = [one for k in (1, 2, 3) for one in combinations(range(5), k)]
    options = Settings(10)
    one = quick_scores(x, y, folds_of(400), subsets, options, log=True, seed=1, workers=1)
    two = quick_scores(x, y, folds_of(400), subsets, options, log=True, seed=1, workers=2)
    back = quick_scores(x, y, folds_of(400), subsets[::-1], options, log=True, seed=1, workers=2)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, back[::-1])
    assert not np.array_equal(one, quick_scores(x, y, folds_of(400), subsets, options, log=True, seed=2))


def test_the_best_subset_holds_what_matters(data):
    x, y, _ = data
    subsets = [one for k in range(1, 6) for one in combinations(range(5), k)]
    scores = quick_scores(x, y, folds_of(400), subsets, Settings(60, 0.7), log=True, seed=1, workers=2)
    assert 0 in subsets[int(scores.argmin())]
    # A feature of no use leaves the scatter of the values.
    assert scores[subsets.index((4,))] > 0.95 * np.log(y).std()
    assert scores.min() < 0.45 * np.log(y).std()


def test_rows_in_a_fold_twice_count_twice_and_test_rows_too():
    x = np.ones((40, 1), dtype=np.float32)
    y = np.repeat([0.0, 4.0], 20)
    inside = np.concatenate([np.arange(30), np.arange(20, 30)])  # 20 zeros and 10 fours twice: mean 2
    score = quick_scores(x, y, [(inside, np.arange(30, 40))], [(0,)], Settings(800), log=False, seed=0)
    assert score[0] == pytest.approx(2.0, abs=0.1)
    both = quick_scores(x, y, [(np.arange(40), np.array([0, 0, 0, 39]))], [(0,)], Settings(800), log=False, seed=0)
    assert both[0] == pytest.approx(2.0, abs=0.1)


def test_no_subsets_no_scores(data):
    x, y, _ = data
    assert quick_scores(x, y, folds_of(400), [], Settings(5), log=False, seed=0).shape == (0,)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"folds": []}, "folds: none"),
        ({"folds": [(np.arange(9), np.arange(9, 30))]}, "fold 1: 9 training rows; expected at least 10"),
        ({"folds": [(np.repeat(np.arange(9), 5), np.arange(9, 30))]}, "fold 1: 9 training rows"),
        ({"folds": [(np.arange(20), np.arange(0))]}, "fold 1: no test rows"),
        ({"folds": [(np.arange(20), np.arange(20, 31))]}, "fold 1: rows 0 to 30; expected 0 to 29"),
        ({"folds": [(np.arange(20), np.arange(20, 30)), (np.arange(-1, 20), np.arange(20, 30))]}, "fold 2: rows -1"),
        ({"y": np.where(np.arange(30) < 20, 1.0, 2.0)}, "fold 1: the target is 1 in all 20 training rows"),
        ({"subsets": [(0,), ()]}, "subset 2: no columns"),
        ({"subsets": [(0, 2)]}, "subset 1: columns 0 to 2; expected 0 to 1"),
        ({"subsets": [(-1,)]}, "subset 1: columns -1"),
        ({"x": np.full((30, 2), np.nan, dtype=np.float32)}, "not finite in 30 of 30"),
        ({"y": np.ones(30)}, "the target is 1 in all 30 rows"),
        ({"weights": np.where(np.arange(30) < 20, 1.0, 0.0)}, "fold 1: no test rows with a weight above 0"),
        ({"options": Settings(0)}, "trees is 0"),
    ],
)
def test_one_clear_line(change, says):
    told = {
        "x": np.arange(60.0).reshape(30, 2), "y": np.arange(30.0), "folds": [(np.arange(20), np.arange(20, 30))],
        "subsets": [(0,)], "weights": None, "options": Settings(3),
    } | change  # fmt: skip
    with pytest.raises(ModelError, match=says) as fault:
        quick_scores(
            told["x"].astype(np.float32), told["y"], told["folds"], told["subsets"], told["options"], log=False, seed=0,
            weights=told["weights"],
        )  # fmt: skip
    assert len(fault.value.faults) == 1
