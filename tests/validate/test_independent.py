import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import ModelError, TableError
from edaphic.validate.designs import EARTH_RADIUS_M
from edaphic.validate.independent import independent, overlap, score_at_points
from edaphic.validate.metrics import bootstrap, paired_bootstrap, scores


def profiles(*rows):
    return pd.DataFrame(rows, columns=["profile_id", "lon", "lat", "year"])


def layers(profile, lon, lat, year, values, edges=(0, 10, 30, 60)):
    return pd.DataFrame(
        {
            "profile_id": profile,
            "lon": lon,
            "lat": lat,
            "year": year,
            "top_cm": edges[: len(values)],
            "bottom_cm": edges[1 : len(values) + 1],
            "observed": values,
        }
    )


TRAIN = profiles(("a", 20.0, 0.0, 1980), ("b", 21.0, 0.0, 2005), ("c", 179.9996, 0.0, 2000))


def test_place_and_time_decide():
    other = profiles(
        ("same", 20.0, 0.0, 1980),
        ("a year off", 20.0, 0.0, 1981),
        ("two years off", 20.0, 0.0, 1982),
        ("89 m", 20.0008, 0.0, 1980),
        ("111 m", 20.001, 0.0, 1980),
        ("far", 25.0, 3.0, 1980),
    )
    table = overlap(TRAIN, other)
    assert table["profile_id"].tolist() == ["same", "a year off", "89 m"]
    assert (table["train_profile_id"] == "a").all()
    assert table["distance_m"].to_numpy() == pytest.approx([0, 0, np.radians(0.0008) * EARTH_RADIUS_M])
    assert table["years_apart"].tolist() == [0, 1, 0]
    assert overlap(TRAIN, other, within_m=120, within_years=2)["profile_id"].tolist() == [
        "same", "a year off", "two years off", "89 m", "111 m"
    ]  # fmt: skip


def test_across_the_date_line_and_with_longitudes_to_360():
    other = profiles(("west", -179.9997, 0.0, 2000), ("east", 180.0003, 0.0, 2000), ("pole", 0.0, 90.0, 2000))
    table = overlap(TRAIN, other)
    assert table["profile_id"].tolist() == ["west", "east"]
    assert table["distance_m"].to_numpy() == pytest.approx(np.radians(0.0007) * EARTH_RADIUS_M, rel=1e-6)


def test_at_the_pole_all_longitudes_are_one_place():
    assert len(overlap(profiles(("a", 0.0, 90.0, 2000)), profiles(("x", 123.0, 90.0, 2000)), within_m=1)) == 1


def test_distance_is_along_the_sphere():
    other = profiles(("x", 110.0, 0.0, 1980))
    quarter = EARTH_RADIUS_M * np.pi / 2
    assert len(overlap(TRAIN.iloc[:1], other, within_m=quarter * 0.999)) == 0
    assert overlap(TRAIN.iloc[:1], other, within_m=quarter * 1.001)["distance_m"].iloc[0] == pytest.approx(quarter)
    assert len(overlap(TRAIN.iloc[:1], other, within_m=1e12)) == 1


def test_nearest_is_told_and_all_are_counted():
    train = profiles(("far", 20.0005, 0.0, 1980), ("near", 20.0001, 0.0, 1980), ("nearest, other time", 20.0, 0.0, 1950))
    row = overlap(train, profiles(("x", 20.0, 0.0, 1980))).iloc[0]
    assert (row["train_profile_id"], row["train_profiles"], row["reason"]) == ("near", 2, "place and time")


def test_unknown_years_count_as_similar_and_are_told():
    other = profiles(("x", 20.0, 0.0, np.nan), ("y", 30.0, 0.0, np.nan))
    kept, table, notes = independent(TRAIN, other)
    assert kept.tolist() == [False, True] and table["reason"].tolist() == ["place, year unknown"]
    assert any("1 of these lie at the same place with no year" in note for note in notes)
    assert len(overlap(TRAIN.drop(columns="year"), profiles(("x", 20.0, 0.0, 2020)))) == 1


def test_a_profile_of_several_years_has_the_nearest_of_them():
    other = profiles(("x", 20.0, 0.0, 1990), ("x", 20.0, 0.0, 2010))
    train = profiles(("a", 20.0, 0.0, 2000), ("b", 20.0, 0.0, 2012))
    row = overlap(train, other).iloc[0]
    # Its years are taken as a span, which holds 2000.
    assert (row["train_profile_id"], row["years_apart"]) == ("a", 0.0)


def test_same_values_are_suspected_to_be_copies():
    train = pd.concat([layers("a", 20.0, 0.0, 1980, [3.0, 2.0, 1.0]), layers("b", 20.0005, 0.0, 1980, [5.0, 4.0, 3.5])])
    other = pd.concat(
        [
            layers("copy of b", 20.0, 0.0, 1980, np.float32([5.0, 4.0, 3.5])),
            layers("neighbour", 20.0, 0.0, 1980, [3.0, 2.5]),
            layers("other limits", 20.0, 0.0, 1980, [3.0, 2.0], edges=(0, 20, 40)),
        ]
    )
    table = overlap(train, other).set_index("profile_id")
    assert (table["train_profile_id"] == "a").all()
    assert table["duplicate_of"].fillna("").to_dict() == {"copy of b": "b", "neighbour": "", "other limits": ""}
    assert table["layers_compared"].to_dict() == {"copy of b": 3, "neighbour": 2, "other limits": 0}
    assert table["layers_equal"].to_dict() == {"copy of b": 0, "neighbour": 1, "other limits": 0}
    assert table["shared_cm"].to_dict() == {"copy of b": 60, "neighbour": 30, "other limits": 40}
    assert any("1 of these have the values" in note for note in independent(train, other)[2])


def test_copies_with_another_date_overlap_but_one_equal_layer_is_not_enough():
    train = layers("a", 20.0, 0.0, 1980, [3.0, 2.0, 1.0])
    copy, by_chance = layers("copy", 20.0, 0.0, 2015, [3.0, 2.0]), layers("chance", 20.0, 0.0, 2015, [3.0])
    kept, table, notes = independent(train, pd.concat([copy, by_chance]))
    assert kept.tolist() == [False, False, True]
    assert table["reason"].tolist() == ["same values at another time"]
    assert any("1 profiles at a training place stay" in note for note in notes)


def test_all_rows_of_a_profile_go_together_and_rows_keep_their_order():
    other = pd.concat([layers("z", 50.0, 1.0, 1980, [1.0, 2.0]), layers("x", 20.0, 0.0, 1980, [9.0, 8.0])]).iloc[[2, 0, 3, 1]]
    kept, _, notes = independent(TRAIN, other)
    assert kept.tolist() == [False, True, False, True]
    assert notes[0].startswith("independent set: 1 of 2 profiles overlap")


def test_a_profile_at_two_places_is_looked_at_in_both():
    other = profiles(("x", 60.0, 0.0, 1980), ("x", 20.0, 0.0, 1980))
    kept, _, notes = independent(TRAIN, other)
    assert not kept.any() and any("more than one place" in note for note in notes)


def test_equal_ids_elsewhere_are_told():
    kept, _, notes = independent(TRAIN, profiles(("a", 60.0, 0.0, 1980)))
    assert kept.all() and any("1 profiles that stay have an id that training has" in note for note in notes)


def test_nothing_left_is_told_and_nothing_given_gives_nothing():
    kept, _, notes = independent(TRAIN, TRAIN)
    assert not kept.any() and any("none is left" in note for note in notes)
    kept, table, _ = independent(TRAIN, TRAIN.iloc[:0])
    assert len(kept) == 0 and len(table) == 0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), within=st.sampled_from([0.0, 500.0, 50_000.0, 2e6]))
def test_overlap_equals_the_formula_of_all_pairs(seed, within):
    rng = np.random.default_rng(seed)

    def some():
        lon, lat = rng.choice([-180, 0, 0.001, 0.2, 179.99, -179.99], 30), rng.choice([89.99, 0, 0.001, -60], 30)
        return pd.DataFrame({"profile_id": [f"{k}" for k in range(30)], "lon": lon, "lat": lat, "year": rng.integers(0, 4, 30)})

    made = [some(), some()]
    lon1, lat1, lon2, lat2 = (np.radians(table[name].to_numpy()) for table in made for name in ("lon", "lat"))
    half = np.sin((lat1[:, None] - lat2) / 2) ** 2 + np.cos(lat1)[:, None] * np.cos(lat2) * np.sin((lon1[:, None] - lon2) / 2) ** 2
    apart = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    near = (apart <= within + 1e-6) & (np.abs(made[0]["year"].to_numpy()[:, None] - made[1]["year"].to_numpy()) <= 1)
    table = overlap(made[0], made[1], within_m=within + 1e-6)
    assert table["profile_id"].tolist() == made[1]["profile_id"][near.any(axis=0)].tolist()
    nearest = np.where(near, apart, np.inf).min(axis=0)[near.any(axis=0)]
    np.testing.assert_allclose(table["distance_m"], nearest, rtol=1e-6, atol=0.5)


# --- products at the same points -------------------------------------------------------------------------------------


@pytest.fixture
def points():
    rng = np.random.default_rng(5)
    truth = rng.lognormal(1, 0.6, size=(60, 2))
    table = pd.DataFrame(
        {
            "profile_id": np.repeat([f"p{k}" for k in range(60)], 2),
            "lon": np.repeat(20 + rng.random(60), 2),
            "lat": np.repeat(40 + rng.random(60), 2),
            "top_cm": np.tile([0, 30], 60),
            "bottom_cm": np.tile([30, 100], 60),
            "observed": truth.ravel(),
        }
    )
    return table, rng


def pick(table, **where):
    for name, value in where.items():
        table = table[table[name] == value]
    return table


def test_a_product_equal_to_the_truth_wins(points):
    table, rng = points
    truth = table["observed"].to_numpy()
    found = score_at_points(table, {"ours": truth, "theirs": truth * rng.lognormal(0.1, 0.3, 120)}, draws=200)
    perfect = pick(found.scores, product="ours")
    assert (perfect[perfect["score"].isin(["mec", "ccc"])]["value"] == 1).all()
    assert (perfect[perfect["score"].isin(["rmse", "bias"])]["value"] == 0).all()
    rmse, mec = pick(found.differences, score="rmse"), pick(found.differences, score="mec")
    assert len(rmse) == 2 and (rmse["high"] < 0).all() and (mec["low"] > 0).all()
    assert (rmse["product"] == "ours").all() and (rmse["against"] == "theirs").all()


def test_layers_are_scored_one_by_one_and_as_the_metrics_say(points):
    table, rng = points
    guess = table["observed"].to_numpy() + rng.normal(size=120)
    found = score_at_points(table, {"ours": guess}, draws=20).scores
    for top in (0, 30):
        rows = table["top_cm"] == top
        expected = scores(table["observed"][rows], guess[rows])
        told = pick(found, top_cm=top, rows="common").set_index("score")["value"]
        assert told.to_dict() == pytest.approx(expected, nan_ok=True)
    assert pick(found, rows="own")["value"].tolist() == pick(found, rows="common")["value"].tolist()


def test_common_rows_are_those_that_all_products_have(points):
    table, rng = points
    truth = table["observed"].to_numpy()
    ours, theirs = truth + 0.1, truth + rng.normal(size=120)
    ours[:20], theirs[100:] = np.nan, np.nan
    found = score_at_points(table, {"ours": ours, "theirs": theirs, "third": truth}, draws=50)
    size = found.scores.drop_duplicates(["rows", "top_cm", "product"]).set_index(["rows", "product", "top_cm"])["n"]
    assert (size["common"] == 40).all()
    assert size["own", "ours", 0] == 50 and size["own", "theirs", 0] == 50 and size["own", "third", 0] == 60
    rows = np.flatnonzero((table["top_cm"] == 0) & np.isfinite(ours) & np.isfinite(theirs))
    expected = paired_bootstrap(truth[rows], ours[rows], theirs[rows], rows, 50, 1)["rmse"]
    row = pick(found.differences, top_cm=0, against="theirs", score="rmse").iloc[0]
    assert (row["difference"], row["low"], row["high"], row["n"]) == (*expected, 40)
    assert found.differences["against"].unique().tolist() == ["theirs", "third"]


def test_profiles_at_one_place_are_drawn_together(points):
    table, rng = points
    table = table.assign(lon=20.0, lat=np.repeat(40.0 + np.arange(60) // 20, 2))
    guess = {name: table["observed"].to_numpy() + rng.normal(size=120) for name in ("ours", "theirs")}
    found = score_at_points(table, guess, draws=20)
    assert (found.scores["places"] == 3).all() and (found.scores["n"] == 60).all()
    top = np.flatnonzero(table["top_cm"] == 0)
    truth, ours, theirs = (values[top] for values in (table["observed"].to_numpy(), *guess.values()))
    place = np.arange(60) // 20
    row = pick(found.differences, top_cm=0, score="rmse").iloc[0]
    assert (row["difference"], row["low"], row["high"]) == paired_bootstrap(truth, ours, theirs, place, 20, 1)["rmse"]
    row = pick(found.scores, top_cm=0, score="rmse", rows="own", product="theirs").iloc[0]
    assert (row["low"], row["high"]) == bootstrap(truth, theirs, place, 20, 1)["rmse"]


def test_rows_without_an_observed_value_are_left_out_and_told(points):
    table, _ = points
    table.loc[:9, "observed"] = np.nan
    found = score_at_points(table, {"ours": np.ones(120)}, draws=10)
    assert (found.scores["n"] == 55).all()
    assert found.notes == ["points: 10 of 120 rows have no observed value; left out"]


def test_a_product_that_lacks_a_layer_is_left_out_of_it(points):
    table, _ = points
    truth = table["observed"].to_numpy()
    topsoil = np.where(table["top_cm"] == 0, truth, np.nan)
    found = score_at_points(table, {"ours": truth, "topsoil map": topsoil}, draws=10)
    assert found.notes == ["points: 30-100 cm: no value of topsoil map; left out of this layer"]
    assert pick(found.scores, top_cm=30)["product"].unique().tolist() == ["ours"]
    assert found.differences["top_cm"].unique().tolist() == [0]


def test_a_layer_without_common_rows_has_own_scores_and_a_note(points):
    table, _ = points
    truth = table["observed"].to_numpy()
    first, second = truth.copy(), truth.copy()
    deep = np.flatnonzero(table["top_cm"] == 30)
    first[deep[:30]], second[deep[30:]] = np.nan, np.nan
    found = score_at_points(table, {"ours": first, "theirs": second}, draws=10)
    assert found.notes == ["points: 30-100 cm: no row that ours, theirs all have; no comparison in this layer"]
    assert pick(found.scores, top_cm=30)["rows"].unique().tolist() == ["own"]


def test_seed_repeats(points):
    table, rng = points
    guess = {"ours": table["observed"] + rng.normal(size=120), "theirs": table["observed"] * 1.1}
    one, again, other = (score_at_points(table, guess, draws=50, seed=seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(one.scores, again.scores)
    pd.testing.assert_frame_equal(one.differences, again.differences)
    assert not one.scores["low"].equals(other.scores["low"])


def test_no_common_rows_is_one_line(points):
    table, _ = points
    first, second = np.ones(120), np.ones(120)
    first[:60], second[60:] = np.nan, np.nan
    with pytest.raises(ModelError) as caught:
        score_at_points(table, {"ours": first, "theirs": second})
    assert caught.value.faults == (
        "points: no row with an observed value and all products (120 rows; ours 60, theirs 60); expected common rows",
    )


def seen(**changes):
    return pd.DataFrame(
        {"profile_id": ["a", "b"], "lon": [1.0, 2.0], "lat": [0.0, 0.0], "top_cm": 0, "bottom_cm": 30, "observed": [1.0, 2.0]}
    ).assign(**changes)


FAULTS = {
    "no column": (lambda: overlap(TRAIN.drop(columns="lon"), TRAIN), TableError, "training profiles: no column 'lon'"),
    "latitude": (lambda: overlap(TRAIN, TRAIN.assign(lat=91.0)), TableError, "other profiles: lat: 3 of 3 rows"),
    "longitude missing": (lambda: overlap(TRAIN, TRAIN.assign(lon=np.nan)), TableError, "other profiles: lon: 3 of 3 rows"),
    "no id": (lambda: overlap(TRAIN.assign(profile_id=None), TRAIN), TableError, "3 rows without profile_id"),
    "year in words": (lambda: overlap(TRAIN.assign(year="MCMLXXX"), TRAIN), TableError, "year: 3 of 3 rows are no numbers"),
    "no training": (lambda: overlap(TRAIN.iloc[:0], TRAIN), TableError, "training profiles: none"),
    "distance": (lambda: overlap(TRAIN, TRAIN, within_m=-1.0), TableError, "within_m: -1.0; expected 0 or more"),
    "years NaN": (lambda: overlap(TRAIN, TRAIN, within_years=np.nan), TableError, "within_years: nan"),
    "no products": (lambda: score_at_points(seen(), {}), ModelError, "no products"),
    "length": (lambda: score_at_points(seen(), {"ours": [1.0]}), ModelError, "expected 2 values"),
    "infinite": (lambda: score_at_points(seen(), {"ours": [1.0, np.inf]}), ModelError, "ours: 1 infinite"),
    "all NaN": (lambda: score_at_points(seen(), {"ours": [np.nan, np.nan]}), ModelError, "ours: no value in any of 2"),
    "nothing observed": (lambda: score_at_points(seen(observed=np.nan), {"ours": [1.0, 1.0]}), ModelError, "observed: no value in any"),
    "observed in words": (lambda: score_at_points(seen(observed="x"), {"ours": [1.0, 1.0]}), TableError, "2 of 2 rows are no numbers"),
    "no layer": (lambda: score_at_points(seen(top_cm=np.nan), {"ours": [1.0, 1.0]}), ModelError, "2 rows without limits"),
    "no column observed": (lambda: score_at_points(TRAIN, {"ours": [1.0] * 3}), TableError, "points: no column 'observed'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name):
    call, kind, expected = FAULTS[name]
    with pytest.raises(kind) as caught:
        call()
    assert any(expected in fault for fault in caught.value.faults)


def test_all_faults_of_both_tables_at_once():
    with pytest.raises(TableError) as caught:
        overlap(TRAIN.assign(lat=100.0), TRAIN.drop(columns="lat"), within_m=-1)
    assert len(caught.value.faults) == 3


def test_a_product_of_words_is_named(points):
    seen, _ = points
    with pytest.raises(ModelError, match="points: ours: not all values are numbers"):
        score_at_points(seen, {"ours": ["a"] * len(seen)})
