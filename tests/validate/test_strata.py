import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import ModelError
from edaphic.validate import strata
from edaphic.validate.strata import LeaveTimeOut, LeaveZoneOut, StrataFolds, periods, spread_evenly


def table(n=400, seed=1, layers=1):
    rng = np.random.default_rng(seed)
    lon, lat = 100 + 8 * rng.random(n), 35 + 5 * rng.random(n)
    # The west was sampled early, the east late.
    year = 1980 + np.floor(35 * np.clip(0.6 * (lon - 100) / 8 + 0.4 * rng.random(n), 0, 0.999))
    rows = pd.DataFrame(
        {"profile_id": np.arange(n), "lon": lon, "lat": lat, "year": year, "zone": (lat > 37).astype(int) + 2 * (lon > 104)}
    )
    return pd.concat([rows] * layers, ignore_index=True), np.tile(np.arange(n), layers)


# Periods.


def test_periods_begin_at_multiples_or_at_edges():
    number, names = periods(np.array([1979.0, 1980, 1989, 1990, np.nan, 2010]), 10)
    assert number.tolist() == [0, 1, 1, 2, -1, 3]
    assert names == ["1970-1979", "1980-1989", "1990-1999", "2010-2019"]
    assert periods(np.array([1979.0, 1980, 1989, 2010]), 10, (1980, 1990))[0].tolist() == [0, 1, 1, 2]
    assert periods(np.array([1985.0]), 1)[1] == ["1985"]


def test_periods_without_length_or_out_of_order_are_errors():
    with pytest.raises(ModelError, match="periods of 0 years"):
        periods(np.array([1980.0]), 0)
    with pytest.raises(ModelError, match="rising order"):
        periods(np.array([1980.0]), 10, (2000, 1990))


# Strata.


def test_regions_left_out_are_whole_and_decades_even():
    rows, groups = table(layers=2)
    design = StrataFolds(4, 1, "left_out")
    region, fold = design.region_of(rows, groups), design.fold_of(rows, groups)
    assert region.max() + 1 == 20
    assert pd.Series(fold).groupby(region).nunique().max() == 1
    share = (rows["year"] // 10).value_counts(normalize=True).sort_index().to_numpy()
    found = design.shares(rows, groups)
    # Whole regions of the early west and the late east cannot be perfectly even, but far more so than single regions are.
    assert np.abs(found.to_numpy() - share).max() < 0.12
    by_region = pd.crosstab(region, rows["year"] // 10, normalize="index").to_numpy()
    assert np.abs(by_region - share).max() > 0.4
    assert np.ptp(np.bincount(fold)) < 0.15 * len(rows) / 4


def test_shares_in_proportion_are_even_in_every_region_and_decade():
    rows, groups = table(layers=2)
    design = StrataFolds(5, 1, "in_proportion")
    fold, region = design.fold_of(rows, groups), design.region_of(rows, groups)
    assert region.max() + 1 == 5
    assert pd.Series(fold).groupby(groups).nunique().max() == 1
    for label in (region, rows["year"] // 10, region * 10_000 + rows["year"] // 10):
        count = pd.crosstab(np.asarray(label), fold).to_numpy() / 2  # Two rows for each place.
        assert np.ptp(count, axis=1).max() <= 2
    assert np.ptp(np.bincount(fold)) <= 0.05 * len(rows) / 5
    assert design.notes(rows, groups) == []


def test_the_two_readings_are_opposite_tests():
    # Held-back places are far from training in one, near in the other.
    rows, groups = table()
    fold = {reading: StrataFolds(5, 1, reading).fold_of(rows, groups) for reading in ("left_out", "in_proportion")}
    xy = rows[["lon", "lat"]].to_numpy()
    far = {k: np.mean([np.hypot(*(xy[f != f[i]] - xy[i]).T).min() for i in range(len(rows))]) for k, f in fold.items()}
    assert far["left_out"] > 2 * far["in_proportion"]


def test_rows_without_a_year_are_a_class_of_their_own():
    rows, groups = table()
    rows.loc[:99, "year"] = np.nan
    design = StrataFolds(5, 1, "in_proportion")
    assert "100 of 400 rows have no year" in design.notes(rows, groups)[0]
    assert list(design.shares(rows, groups))[-1] == "undated"
    assert np.ptp(np.bincount(design.fold_of(rows, groups)[:100])) <= 3
    none = rows.drop(columns="year")
    assert "no row has a year; folds are of regions alone" in design.notes(none, groups)[0]
    assert set(design.fold_of(none, groups)) == set(range(5))


def test_uneven_decades_are_said():
    rows, groups = table()
    rows["year"] = np.where(rows["lon"] > 104, 2005.0, 1985.0)
    notes = StrataFolds(5, 1, "left_out", regions=5).notes(rows, groups)
    assert any("share of 1980-1989 runs from 0 to 100 %" in note for note in notes)


def test_fewer_regions_where_places_are_few_and_the_same_by_seed():
    rows, groups = table(n=7)
    assert set(StrataFolds(5, 1).fold_of(rows, groups)) == set(range(5))
    rows, groups = table()
    one, again, other = (StrataFolds(5, seed).fold_of(rows, groups) for seed in (1, 1, 2))
    assert (one == again).all() and (one != other).any()


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(0, 20), st.integers(0, 1000))
def test_evenly_spread_groups_leave_no_fold_empty(folds, more, seed):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(2.0, (folds + more, 4)).astype(float)
    assert set(spread_evenly(counts, folds, seed)) == set(range(folds))


def test_evenly_spread_by_hand():
    # Two early and two late groups: each of two folds gets one of each.
    fold = spread_evenly(np.array([[5.0, 0], [5, 0], [0, 5], [0, 5]]), 2, 3)
    assert fold[0] != fold[1] and fold[2] != fold[3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reading": "both"}, "expected left_out or in_proportion"),
        ({"regions": 3}, "3 regions for 5 folds"),
        ({"n_splits": 1}, "at least two"),
        ({"period_years": 0}, "periods of 0 years"),
        ({"n_splits": 500}, "400 places of profiles for 500 folds"),
    ],
)
def test_faults_of_strata(change, message):
    rows, groups = table()
    with pytest.raises(ModelError, match=message):
        StrataFolds(**({"n_splits": 5, "seed": 1} | change)).fold_of(rows, groups)


@pytest.mark.parametrize("reading", ["left_out", "in_proportion"])
def test_strata_of_one_place_and_of_missing_coordinates(reading):
    rows, groups = table()
    with pytest.raises(ModelError, match="same coordinates"):
        StrataFolds(5, 1, reading).fold_of(rows.assign(lon=1.0, lat=2.0), groups)
    with pytest.raises(ModelError, match="400 of 400 rows have no lon or lat"):
        StrataFolds(5, 1, reading).fold_of(rows.assign(lon=np.nan), groups)


# Zones.


def test_each_zone_is_held_back_once():
    rows, groups = table(layers=2)
    design = LeaveZoneOut()
    assert design.get_n_splits(rows, None, groups) == 4
    for k, (train, test) in enumerate(design.split(rows, None, groups)):
        assert set(rows["zone"].iloc[test]) == {k} and k not in set(rows["zone"].iloc[train])
    assert len(design.notes(rows, groups)) == 1


def test_a_place_in_two_zones_goes_with_most_of_its_rows_and_rows_without_a_zone_are_one_more():
    rows = pd.DataFrame({"lon": 0.0, "lat": 0.0, "zone": [3, 3, 7, 7, np.nan, -1]})
    groups = np.array([0, 0, 0, 1, 2, 3])
    design = LeaveZoneOut()
    assert design.fold_of(rows, groups).tolist() == [1, 1, 1, 2, 0, 0]
    notes = design.notes(rows, groups)
    assert "2 of 6 rows have no zone" in notes[1] and "1 places have rows in two zones" in notes[2]


def test_faults_of_zones():
    rows, groups = table()
    with pytest.raises(ModelError, match=r"one zone \(2\)"):
        LeaveZoneOut().fold_of(rows.assign(zone=2), groups)
    with pytest.raises(ModelError, match="no column 'zone'"):
        LeaveZoneOut().fold_of(rows.drop(columns="zone"), groups)
    with pytest.raises(ModelError, match="one zone once places are kept whole"):
        LeaveZoneOut().fold_of(pd.DataFrame({"zone": [0, 0, 1]}), np.zeros(3, dtype=int))
    with pytest.raises(ModelError, match="zone 'humid' in 400 of 400 rows; expected codes"):
        LeaveZoneOut().fold_of(rows.assign(zone="humid"), groups)
    with pytest.raises(ModelError, match="no rows"):
        LeaveZoneOut().fold_of(rows[:0], groups[:0])


# Time.


def test_a_place_of_the_period_held_back_does_not_train():
    rows = pd.DataFrame({"year": [1985.0, 1995, 1995, 2005, 1985, np.nan]})
    groups = np.array([0, 0, 1, 1, 2, 3])
    strict = list(LeaveTimeOut().split(rows, None, groups))
    assert [(a.tolist(), b.tolist()) for a, b in strict] == [([2, 3], [0, 4]), ([4], [1, 2]), ([0, 1, 4], [3])]
    loose = list(LeaveTimeOut(strict=False).split(rows, None, groups))
    assert [(a.tolist(), b.tolist()) for a, b in loose] == [([1, 2, 3, 5], [0, 4]), ([0, 3, 4, 5], [1, 2]), ([0, 1, 2, 4, 5], [3])]
    assert LeaveTimeOut().fold_of(rows).tolist() == [0, 1, 1, 2, 0, -1]
    assert LeaveTimeOut().names(rows) == ["1980-1989", "1990-1999", "2000-2009"]
    assert LeaveTimeOut(edges=(2000,)).get_n_splits(rows) == 2
    assert "1 of 6 rows have no year; they are never held back and are left out" in LeaveTimeOut().notes(rows, groups)[0]
    assert "2 of 3 places were sampled in several periods and are kept out" in LeaveTimeOut().notes(rows, groups)[1]
    assert "are on both sides" in LeaveTimeOut(strict=False).notes(rows, groups)[1]


def test_missing_years_and_zones_of_any_kind():
    rows = pd.DataFrame({"year": pd.array([1985, None, 2001], dtype="Int64"), "zone": pd.array([0, None, 1], dtype="Int64")})
    assert LeaveTimeOut().fold_of(rows).tolist() == [0, -1, 1]
    assert LeaveZoneOut().fold_of(rows, np.arange(3)).tolist() == [1, 0, 2]
    assert LeaveTimeOut().fold_of(rows.assign(year=["1985", "", "2001"])).tolist() == [0, -1, 1]


def test_faults_of_time():
    rows, _ = table()
    with pytest.raises(ModelError, match="no row has a year"):
        LeaveTimeOut().fold_of(rows.drop(columns="year"))
    with pytest.raises(ModelError, match=r"one period \(1980-1989\)"):
        LeaveTimeOut().fold_of(rows.assign(year=1985))
    with pytest.raises(ModelError, match="nothing is left to train on when 1980-1989"):
        list(LeaveTimeOut().split(pd.DataFrame({"year": [1985, 1995]}), None, np.array([0, 0])))
    with pytest.raises(ValueError, match="X: None"):
        LeaveTimeOut().get_n_splits()


def test_regions_are_looked_for_once(monkeypatch):
    calls = []
    plain = strata.k_means
    monkeypatch.setattr(strata, "k_means", lambda *told: calls.append(1) or plain(*told))
    X = pd.DataFrame({"lon": np.arange(40.0), "lat": np.arange(40.0) % 7, "year": 1990.0 + np.arange(40) % 20})
    design, groups = StrataFolds(4, 1), np.arange(40)
    first = design.fold_of(X, groups)
    design.notes(X, groups)
    assert (design.fold_of(X, groups) == first).all() and len(calls) == 1
    other = X.assign(lon=X["lon"] ** 2 / 10)
    assert (design.fold_of(other, groups) == StrataFolds(4, 1).fold_of(other, groups)).all()


def test_dates_words_and_broken_codes_are_no_years_and_zones():
    rows = pd.DataFrame({"year": [1985.0, 2001.0, 2003.0], "zone": [0.0, 1.0, 1.5]})
    with pytest.raises(ModelError, match="year '1990s' in 1 of 3 rows; expected calendar years"):
        LeaveTimeOut().fold_of(rows.assign(year=["1985", "1990s", "2001"]))
    with pytest.raises(ModelError, match="year '1985-05-01"):
        LeaveTimeOut().fold_of(rows.assign(year=pd.to_datetime(["1985-05-01", "2001-01-01", "2003-01-01"])))
    with pytest.raises(ModelError, match=r"zone '1\.5'; expected codes of zones"):
        LeaveZoneOut().fold_of(rows, np.arange(3))
