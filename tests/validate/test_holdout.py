import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeRegressor

from edaphic.errors import ModelError
from edaphic.validate.holdout import BootstrapSplits, RepeatedHoldOut


def table(places=200, layers=3):
    rows = pd.DataFrame({"profile_id": np.repeat(np.arange(places), layers), "lon": 0.0, "lat": 0.0})
    return rows, np.repeat(np.arange(places), layers)


@pytest.mark.parametrize(("share", "repeats"), [(0.3, 5), (0.2, 1)])
def test_the_share_is_kept_and_places_are_whole(share, repeats):
    rows, groups = table()
    splits = list(RepeatedHoldOut(repeats, 1, share).split(rows, None, groups))
    assert len(splits) == repeats
    for train, test in splits:
        assert len(test) == share * 600 and len(train) + len(test) == 600
        assert not set(groups[train]) & set(groups[test])
    assert len({tuple(test) for _, test in splits}) == repeats


def test_by_rows_profiles_are_on_both_sides_and_it_is_said():
    rows, groups = table()
    design = RepeatedHoldOut(20, 1, grouped=False)
    assert all(len(test) == 180 for _, test in design.split(rows, None, groups))
    # A profile of three layers is split with chance 1 - 0.7^3 - 0.3^3 = 0.63.
    (note,) = design.notes(rows, groups)
    assert 115 <= int(note.split("rows: ")[1].split(" of")[0]) <= 137 and "of 200 profiles" in note
    assert RepeatedHoldOut(3, 1).notes(rows, groups) == []
    assert RepeatedHoldOut(3, 1, grouped=False).notes(*table(layers=1)) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=40), st.floats(0.05, 0.95), st.integers(0, 100))
def test_no_side_is_empty_and_the_share_is_as_near_as_a_place_allows(sizes, share, seed):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    rows = pd.DataFrame({"lon": np.zeros(len(groups))})
    ((train, test),) = RepeatedHoldOut(1, seed, share).split(rows, None, groups)
    assert len(train) and len(test)
    assert abs(len(test) - share * len(groups)) <= max(sizes)


def test_bootstrap_leaves_out_what_was_never_drawn():
    rows, groups = table()
    for grouped, design in ((False, BootstrapSplits(30, 1)), (True, BootstrapSplits(30, 1, grouped=True))):
        left = []
        for train, test in design.split(rows, None, groups):
            assert set(train) | set(test) == set(range(600)) and not set(train) & set(test)
            if grouped:
                assert not set(groups[train]) & set(groups[test])
            assert len(train) == 600 and len(np.unique(train)) < 600
            left.append(len(test) / 600)
        assert np.mean(left) == pytest.approx(np.exp(-1), abs=0.02)
    assert "bootstrap samples of rows" in BootstrapSplits(3, 1).notes(rows, groups)[0]
    assert BootstrapSplits(3, 1, grouped=True).notes(rows, groups) == []


def test_bootstrap_of_two_rows_always_leaves_one_out():
    rows, groups = table(places=2, layers=1)
    for train, test in BootstrapSplits(50, 1).split(rows, None, groups):
        assert len(test) == 1 and len(train) == 2 and train[0] == train[1]


@pytest.mark.parametrize("make", [lambda seed: RepeatedHoldOut(4, seed), lambda seed: BootstrapSplits(4, seed, grouped=True)])
def test_seed_decides_repeats_and_more_repeats_go_on_from_fewer(make):
    rows, groups = table()
    one, again, other = (list(make(seed).split(rows, None, groups)) for seed in (1, 1, 2))
    assert all((a[0] == b[0]).all() for a, b in zip(one, again, strict=True))
    assert any(len(a[1]) != len(b[1]) or (a[1] != b[1]).any() for a, b in zip(one, other, strict=True))


def test_works_in_a_search_of_scikit_learn():
    _, groups = table()
    x = pd.DataFrame({"x": np.random.default_rng(1).random(600)})
    for cv in (RepeatedHoldOut(3, 1), BootstrapSplits(3, 1)):
        search = GridSearchCV(DecisionTreeRegressor(), {"max_depth": [1, 5]}, cv=cv).fit(x, x["x"], groups=groups)
        assert search.n_splits_ == 3 and search.best_params_["max_depth"] == 5


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, np.nan])
def test_shares_out_of_range(share):
    with pytest.raises(ModelError, match="between 0 and 1"):
        RepeatedHoldOut(3, 1, share)


def test_too_little_to_hold_anything_back():
    rows, _ = table()
    for design in (RepeatedHoldOut(2, 1), BootstrapSplits(2, 1, grouped=True)):
        with pytest.raises(ModelError, match="1 places to draw from"):
            list(design.split(rows, None, np.zeros(600, dtype=int)))
    for design in (RepeatedHoldOut(2, 1, grouped=False), BootstrapSplits(2, 1)):
        with pytest.raises(ModelError, match="0 rows to draw from"):
            list(design.split(rows[:0], None, np.zeros(0, dtype=int)))
    for make in (RepeatedHoldOut, BootstrapSplits):
        with pytest.raises(ModelError, match="0 hold-outs"):
            make(0, 1)
