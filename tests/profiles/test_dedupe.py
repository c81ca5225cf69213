"""Duplicates: each rule at its bound, groups without chains, places anywhere on the globe, crowded places, and two real compilations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import TableError
from edaphic.profiles.cleaning import dedupe
from edaphic.profiles.cleaning.dedupe import (
    DUPLICATE_COLUMNS,
    EARTH_RADIUS_M,
    PAIR_COLUMNS,
    independence,
    merge_duplicates,
    shared_profiles,
)

LON, LAT = 21.123456, 41.123456
FINE_EARTH = {"bulk_density_g_cm3": 1.4, "bulk_density_basis": "fine_earth"}


def profile(name: str, source: str = "s", row: int = 1, soc: tuple[float, ...] = (20.0, 10.0, 4.0), **columns: Any) -> pd.DataFrame:
    """Horizons of 20 cm at one place."""
    top = 20.0 * np.arange(len(soc))
    table = pd.DataFrame({"profile_id": name, "source": source, "top_cm": top, "bottom_cm": top + 20, "soc_g_kg": soc})
    return table.assign(**{"lon": LON, "lat": LAT, "row": row + np.arange(len(soc)), **columns})


def stack(*tables: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True)


def dropped(*tables: pd.DataFrame, **tolerances: Any) -> list[tuple[str, str]]:
    """(kept, dropped) ids."""
    kept, found = merge_duplicates(stack(*tables), **tolerances)
    ids = set(stack(*tables)["profile_id"])
    assert set(kept["profile_id"]) == ids - set(found["dropped_profile_id"])
    return list(zip(found["kept_profile_id"], found["dropped_profile_id"], strict=True))


def north(metres: float) -> float:
    return LAT + float(np.degrees(metres / EARTH_RADIUS_M))


# --- rules, one by one, at their bounds -----------------------------------------------------------------------------


def test_the_same_profile_in_two_sources_is_one() -> None:
    table = stack(profile("a"), profile("b", "t", soc=(19.5, 10.0, 4.0), lat=north(60)))
    kept, found = merge_duplicates(table)
    pd.testing.assert_frame_equal(kept, profile("a"), check_dtype=False)
    assert tuple(found.columns) == DUPLICATE_COLUMNS
    row = found.iloc[0]
    assert (row["kept_profile_id"], row["kept_source"], row["dropped_profile_id"], row["dropped_source"]) == ("a", "s", "b", "t")
    assert row["distance_m"] == pytest.approx(60.0, abs=1e-5)
    assert row["soc_difference_share"] == pytest.approx(0.025)
    assert np.isnan(row["years_apart"]) and row["depth_difference_cm"] == 0 and row["horizons"] == 3


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"lat": north(100.0)}, True),
        ({"lat": north(100.001)}, False),
        ({"bottom_cm": [21.0, 40.0, 60.0], "top_cm": [0.0, 21.0, 40.0]}, True),
        ({"bottom_cm": [20.0, 40.0, 61.0]}, True),
        ({"bottom_cm": [20.0, 40.0, 61.01]}, False),
        ({"top_cm": [1.01, 20.0, 40.0]}, False),
        ({"soc_g_kg": [19.0, 9.5, 3.8]}, True),
        ({"soc_g_kg": [20.0, 10.0, 3.79]}, False),
        ({"soc_g_kg": [21.06, 10.0, 4.0]}, False),
        ({"soc_g_kg": [20.0, 10.0, np.nan]}, False),
        ({"year": 1991.0}, True),
        ({"year": 1991.1}, False),
        ({"year": np.nan}, True),
        ({"lon": np.nan}, False),
    ],
)
def test_bounds(change: dict[str, Any], same: bool) -> None:
    found = dropped(profile("a", year=1990.0), profile("b", "t").assign(**{"year": 1990.0, **change}))
    assert found == ([("a", "b")] if same else [])


def test_tolerances_can_be_set() -> None:
    other = profile("b", "t", soc=(18.0, 9.0, 3.6), lat=north(300), year=1993.0, top_cm=[0, 23, 43], bottom_cm=[23, 43, 60])
    assert dropped(profile("a", year=1990.0), other) == []
    assert dropped(profile("a", year=1990.0), other, distance_m=301, years=3, depth_cm=3, share=0.1) == [("a", "b")]
    assert dropped(profile("a"), profile("b", "t", soc=(20.0, 10.0, 4.001)), share=0) == []


def test_both_carbon_missing_agrees_but_proves_nothing() -> None:
    assert dropped(profile("a", soc=(20.0, np.nan)), profile("b", "t", soc=(20.0, np.nan))) == [("a", "b")]
    assert dropped(profile("a", soc=(np.nan,)), profile("b", "t", soc=(np.nan,))) == []


def test_a_record_that_stops_earlier_is_another() -> None:
    assert dropped(profile("a"), profile("b", "t", soc=(20.0, 10.0))) == []


@pytest.mark.parametrize(
    ("mine", "theirs", "same"),
    [
        ({"clay_pct": [10.0, 20, 30]}, {"clay_pct": [11.0, 21, 30]}, True),
        ({"clay_pct": [10.0, 20, 30]}, {"clay_pct": [10.0, 20, 60]}, True),
        ({"clay_pct": [10.0, 20, 30]}, {"clay_pct": [10.0, 40, 60]}, False),
        ({"clay_pct": [10.0, 20, 30]}, {"clay_pct": [np.nan, np.nan, 60]}, False),
        ({"ph_h2o": 6.0}, {"ph_h2o": 6.1}, True),
        ({"ph_h2o": 6.0}, {"ph_h2o": 6.2}, False),
        ({"bulk_density_g_cm3": 1.4}, {"bulk_density_g_cm3": 1.33}, True),
        ({"bulk_density_g_cm3": 1.4}, {"bulk_density_g_cm3": 1.32}, False),
        (FINE_EARTH, {"bulk_density_g_cm3": 1.6, "bulk_density_basis": "whole_soil"}, True),
        (FINE_EARTH, {"bulk_density_g_cm3": 1.6, "bulk_density_basis": "fine_earth"}, False),
        ({"sand_pct": 20.0}, {"sand_pct": 60.0}, True),
    ],
)  # fmt: skip
def test_other_values_may_not_contradict(mine: dict[str, Any], theirs: dict[str, Any], same: bool) -> None:
    assert dropped(profile("a", **mine), profile("b", "t", **theirs)) == ([("a", "b")] if same else [])


def test_records_of_one_source_are_one_only_as_copies_where_that_is_asked() -> None:
    def strict(*tables: pd.DataFrame) -> list[tuple[str, str]]:
        return dropped(*tables, copies_within_source=True)

    assert strict(profile("a"), profile("b", row=4)) == [("a", "b")]
    assert strict(profile("a"), profile("b", row=4, soc=(20.0, 10.0, 4.01))) == []
    assert strict(profile("a", soc=(20.0,)), profile("b", row=4, soc=(20.0,))) == []
    assert strict(profile("a", soc=(20.0,)), profile("b", "t", soc=(20.0,))) == [("a", "b")]


def test_records_of_one_source_within_five_per_cent() -> None:
    assert dropped(profile("a"), profile("b", row=4, soc=(19.1, 10.0, 4.01))) == [("a", "b")]
    assert dropped(profile("a"), profile("b", row=4, soc=(18.9, 10.0, 4.01))) == []
    # One horizon is little proof within one source: it has to be a copy at one point.
    assert dropped(profile("a", soc=(20.0,)), profile("b", row=4, soc=(20.0,))) == [("a", "b")]
    assert dropped(profile("a", soc=(20.0,)), profile("b", row=4, soc=(19.9,))) == []
    assert dropped(profile("a", soc=(20.0,)), profile("b", row=4, soc=(20.0,), lat=north(20))) == []


def test_plots_of_a_trial_stay_apart_where_that_is_asked() -> None:
    random = np.random.default_rng(0)
    plots = [profile(f"p{i}", row=2 * i + 1, soc=tuple(12 * np.exp(random.normal(0, 0.02, 2)))) for i in range(200)]
    assert dropped(*plots, copies_within_source=True) == []
    assert dropped(*plots) != []


# --- precision of the position --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lon", "lat", "reach_m"), [(21.2, 41.1, 11_119), (21.0 + 7 / 60, 41.0 + 11 / 60, 1_853), (21.12, 41.17, 1_112), (21.123, 41.178, 111)]
)
def test_precision_is_read_from_the_coordinates(lon: float, lat: float, reach_m: float) -> None:
    def other(metres: float) -> pd.DataFrame:
        return profile("b", "t", lon=lon, lat=lat + float(np.degrees(metres / EARTH_RADIUS_M)) + 2.0e-5)

    near, far = other(reach_m - 5), other(reach_m + 5)
    assert dropped(profile("a", lon=lon, lat=lat), near) == [("a", "b")]
    assert dropped(profile("a", lon=lon, lat=lat), far) == []
    assert dropped(profile("a", lon=lon, lat=lat), near, precision=False) == []


def test_two_nodes_of_one_raster_are_two_places() -> None:
    assert dropped(profile("a", lon=21.12, lat=41.17), profile("b", "t", lon=21.12, lat=41.18)) == []


def test_a_given_error_takes_the_place_of_the_digits() -> None:
    far = profile("b", "t", lat=north(900))
    assert dropped(profile("a", position_error_m=1000.0), far) == [("a", "b")]
    assert dropped(profile("a"), far.assign(position_error_m=1000.0)) == [("a", "b")]
    assert dropped(profile("a", position_error_m=899.0), far) == []
    rounded = profile("a", lon=21.12, lat=41.12)
    assert dropped(rounded, profile("b", "t", lon=21.12, lat=41.121234)) == [("a", "b")]
    assert dropped(rounded.assign(position_error_m=10.0), profile("b", "t", lon=21.12, lat=41.121234)) == []


def test_further_apart_few_horizons_have_to_be_copies() -> None:
    near, far = {"lat": north(90)}, {"lat": north(900), "position_error_m": 1000.0}
    for soc, other, near_same, far_same in [
        ((20.0,), (20.0,), True, False),
        ((20.0, 10.0), (20.0, 10.0), True, True),
        ((20.0, 10.0), (20.0, 9.9), True, False),
        ((20.0, 10.0, 4.0), (20.0, 9.9, 4.0), True, True),
    ]:
        assert bool(dropped(profile("a", soc=soc), profile("b", "t", soc=other, **near))) is near_same
        assert bool(dropped(profile("a", soc=soc), profile("b", "t", soc=other, **far))) is far_same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((179.99995, 0.00001), (-179.99995, 0.00001), True),
        ((179.9999, 10.0), (-179.998, 10.0), False),
        ((180.0, 10.00001), (-180.0, 10.00001), True),
        ((0.00001, 89.9999), (180.00001 - 360, 89.9999), True),
        ((0.00001, 89.999), (180.00001 - 360, 89.999), False),
        ((12.3, -90.0), (-101.2, -90.0), True),
        ((12.34567, -89.9999), (-101.2, -90.0), True),
    ],
)
def test_meridians_and_poles_are_no_borders(one: tuple[float, float], other: tuple[float, float], same: bool) -> None:
    tables = profile("a", lon=one[0], lat=one[1]), profile("b", "t", lon=other[0], lat=other[1])
    assert dropped(*tables, precision=False) == ([("a", "b")] if same else [])


# --- groups ---------------------------------------------------------------------------------------------------------


def test_no_chains_and_the_closest_first() -> None:
    chain = [profile("a", "s"), profile("b", "t", lat=north(80)), profile("c", "u", lat=north(150))]
    assert dropped(*chain) == [("b", "c")]
    by_value = [profile("a", "s"), profile("b", "t", soc=(19.2, 10.0, 4.0)), profile("c", "u", soc=(18.5, 10.0, 4.0))]
    assert dropped(*by_value) == [("b", "c")]
    equal = [profile("a", "s"), profile("b", "t", lat=north(80)), profile("c", "u", lat=north(160))]
    assert len(dropped(*equal)) == 1


def test_a_neighbour_does_not_take_the_place_of_the_copy() -> None:
    found = dropped(profile("a1"), profile("a2", row=4, soc=(19.6, 10.0, 4.0)), profile("b2", "t", soc=(19.6, 10.0, 4.0)))
    assert found == [("a1", "a2"), ("a1", "b2")]
    tables = profile("a1"), profile("a2", row=4, soc=(19.6, 10.0, 4.0)), profile("b2", "t", soc=(19.6, 10.0, 4.0))
    assert dropped(*tables, copies_within_source=True) == [("a2", "b2")]


def test_more_values_win_then_source_then_row() -> None:
    bare, full = profile("a", "s"), profile("b", "t", clay_pct=20.0)
    assert dropped(bare, full) == [("b", "a")]
    assert dropped(profile("b", "t"), profile("a", "u"), profile("z", "s")) == [("z", "b"), ("z", "a")]
    assert dropped(profile("a", row=9), profile("b", row=1)) == [("b", "a")]


def test_filling_is_told() -> None:
    poor = profile("b", "t", bulk_density_g_cm3=[1.3, np.nan, 1.5], bulk_density_basis=["whole_soil", "", "whole_soil"], year=1990.0)
    rich = profile("a", bulk_density_g_cm3=[np.nan, np.nan, 1.4], bulk_density_basis=["", "", "fine_earth"], year=np.nan)
    rich = rich.assign(clay_pct=20.0, ph_h2o=6.0)
    kept, found = merge_duplicates(stack(rich, poor))
    assert kept["bulk_density_g_cm3"].tolist()[::2] == [1.3, 1.4] and np.isnan(kept["bulk_density_g_cm3"][1])
    assert kept["bulk_density_basis"].tolist() == ["whole_soil", "", "fine_earth"]
    assert kept["year"].tolist() == [1990.0] * 3
    row = found.iloc[0]
    assert row["filled"] == "year (3) bulk_density_g_cm3 (1)"
    assert (row["kept_fields"], row["kept_values"]) == ("soc_g_kg bulk_density_g_cm3 clay_pct ph_h2o", 10)
    assert (row["dropped_fields"], row["dropped_values"]) == ("soc_g_kg bulk_density_g_cm3", 5)
    plain, found = merge_duplicates(stack(rich, poor), fill=False)
    pd.testing.assert_frame_equal(plain, stack(rich, poor).iloc[:3])
    assert found["filled"].tolist() == [""]


def test_two_that_give_the_first_is_taken() -> None:
    table = stack(profile("a", clay_pct=9.0, ph_h2o=6.0), profile("c", "u", year=1991.0), profile("b", "t", year=1990.0))
    kept, found = merge_duplicates(table)
    assert kept["year"].tolist() == [1990.0] * 3
    assert found[["dropped_profile_id", "filled"]].to_numpy().tolist() == [["b", "year (3)"], ["c", ""]]


# --- crowded places -------------------------------------------------------------------------------------------------


def crowd(number: int, count: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    of = np.repeat(np.arange(number), count)
    top = np.tile(20.0 * np.arange(count), number)
    table = pd.DataFrame({"profile_id": np.char.add("p", of.astype(str)), "source": np.where(of % 2, "s", "t")})
    soc = np.exp(random.normal(2.5, 0.5, of.size))
    return table.assign(row=np.arange(of.size), lon=LON, lat=LAT, top_cm=top, bottom_cm=top + 20, soc_g_kg=soc)


def test_20_000_profiles_at_one_place() -> None:
    table = crowd(20_000, 5)
    twin = table[table["profile_id"] == "p7"].assign(profile_id="twin", source="u")
    kept, found = merge_duplicates(stack(table, twin))
    pairs = set(zip(found["kept_profile_id"], found["dropped_profile_id"], strict=True))
    assert ("p7", "twin") in pairs and len(found) < 200
    assert kept["profile_id"].nunique() == 20_001 - len(found)


def test_20_000_times_the_same_profile() -> None:
    table = crowd(20_000, 2).assign(soc_g_kg=np.tile([20.0, 10.0], 20_000))
    kept, found = merge_duplicates(table)
    assert kept["profile_id"].tolist() == ["p1", "p1"] and len(found) == 19_999


def test_more_pairs_than_can_be_kept_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    table = crowd(300, 1).assign(soc_g_kg=10.0)
    assert len(merge_duplicates(table, copies_within_source=True)[1]) == 150
    assert len(merge_duplicates(table)[1]) == 299
    monkeypatch.setattr(dedupe, "PAIRS_MAX", 20_000)
    with pytest.raises(TableError, match="over 20,000 pairs"):
        merge_duplicates(table, copies_within_source=True)


# --- properties -----------------------------------------------------------------------------------------------------


@st.composite
def surveys(draw: st.DrawFn) -> pd.DataFrame:
    """Profiles 1 km apart or more on a ring of latitude."""
    number = draw(st.integers(1, 12))
    start, lat = draw(st.floats(-180, 179)), draw(st.floats(-60, 60)) + 1.2345e-4
    parts = []
    for i in range(number):
        soc = tuple(draw(st.lists(st.floats(0.5, 400), min_size=1, max_size=6)))
        lon = (start + 0.03 * i + 180) % 360 - 180
        parts.append(profile(f"p{i}", row=10 * i, soc=soc, lon=lon, lat=lat, year=draw(st.sampled_from([np.nan, 1990.0, 2005.0]))))
    return stack(*parts)


def noisy(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The survey as another source has it."""
    random = np.random.default_rng(seed)
    copy = table.copy()
    codes = pd.factorize(copy["profile_id"])[0]
    copy["lat"] += np.degrees(random.uniform(-90, 90, codes.max() + 1)[codes] / EARTH_RADIUS_M)
    copy[["top_cm", "bottom_cm"]] += random.uniform(-0.9, 0.9, (len(copy), 2))
    copy["soc_g_kg"] *= random.uniform(0.955, 1.0, len(copy))
    copy["year"] += random.integers(-1, 2, codes.max() + 1)[codes]
    return copy.assign(source="t", profile_id="copy of " + copy["profile_id"])


@settings(max_examples=60, deadline=None)
@given(surveys(), st.integers(0, 10_000))
def test_noisy_copies_are_found_and_nothing_else(table: pd.DataFrame, seed: int) -> None:
    assert merge_duplicates(table, precision=False)[1].empty
    copy = noisy(table, seed)
    _, found = merge_duplicates(stack(table, copy), precision=False)
    assert found["kept_profile_id"].tolist() == list(dict.fromkeys(table["profile_id"]))
    assert (found["dropped_profile_id"] == "copy of " + found["kept_profile_id"]).all()
    pairs = shared_profiles(copy, table, precision=False)
    assert pairs["training_profile_id"].tolist() == found["kept_profile_id"].tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_the_table_changes_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = []
    for i in range(30):
        soc = tuple((20 * np.exp(random.normal(0, 0.02)), 10.0, 4.0))
        lat = north(random.uniform(0, 150))
        clay, year = random.choice([np.nan, 20.0]), random.choice([np.nan, 1990.0])
        parts.append(profile(f"p{i}", "stu"[i % 3], row=3 * i, soc=soc, lat=lat, clay_pct=clay, year=year))
    table = stack(*parts)
    kept, found = merge_duplicates(table)
    assert len(found)
    shuffled = table.sample(frac=1, random_state=seed)
    again, found_again = merge_duplicates(shuffled)
    pd.testing.assert_frame_equal(found_again, found)
    order = ["source", "row"]
    pd.testing.assert_frame_equal(again.sort_values(order, ignore_index=True), kept.sort_values(order, ignore_index=True))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_in_a_group_every_pair_agrees_and_what_is_left_does_not_join(seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = [profile(f"p{i}", f"s{i}", soc=(float(random.uniform(18, 21)), 10.0), lat=north(random.uniform(0, 200))) for i in range(15)]
    found = merge_duplicates(stack(*parts), precision=False)[1]
    groups: dict[str, list[int]] = {f"p{i}": [i] for i in range(15)}
    for kept, gone in zip(found["kept_profile_id"], found["dropped_profile_id"], strict=True):
        groups[kept] += groups.pop(gone)
    soc = [float(part["soc_g_kg"].iloc[0]) for part in parts]
    metres = [np.radians(float(part["lat"].iloc[0]) - LAT) * EARTH_RADIUS_M for part in parts]

    def one(i: int, j: int) -> bool:
        return abs(metres[i] - metres[j]) <= 100 and abs(soc[i] - soc[j]) <= 0.05 * max(soc[i], soc[j])

    members = list(groups.values())
    for a, first in enumerate(members):
        assert all(one(i, j) for i in first for j in first)
        assert not any(all(one(i, j) for i in first for j in second) for second in members[a + 1 :])


# --- two sets -------------------------------------------------------------------------------------------------------


def test_independence() -> None:
    training = stack(profile("a"), profile("b", row=4, lon=22.123456), profile("c", row=7, lon=23.123456))
    validation = stack(
        profile("v1", "v"),
        profile("v2", "v", 4, lon=22.123456, soc=(30.0, 20.0)),
        profile("v3", "v", 7, lon=25.123456),
        profile("v4", "v", 10, lon=26.123456),
    )
    found = independence(validation, training)
    assert (found.independent, found.profiles, found.shared, found.near, found.unplaced, found.share) == (False, 4, 1, 1, 0, 0.25)
    assert tuple(found.pairs.columns) == PAIR_COLUMNS
    assert found.pairs[["validation_profile_id", "training_profile_id"]].to_numpy().tolist() == [["v1", "a"]]
    others = independence(validation[validation["profile_id"] != "v1"], training)
    assert (others.independent, others.shared, others.near) == (True, 0, 1)
    assert independence(training, training).share == 1.0
    assert independence(training.iloc[:1], training.iloc[:1]).share == 1.0


def test_a_set_that_cannot_be_placed_is_not_called_independent() -> None:
    found = independence(profile("v", "v", lon=np.nan), profile("a"))
    assert (found.independent, found.shared, found.unplaced) == (False, 0, 1)


def test_empty_tables() -> None:
    kept, found = merge_duplicates(profile("a").iloc[:0])
    assert kept.empty and found.empty and tuple(found.columns) == DUPLICATE_COLUMNS
    nothing = independence(profile("a").iloc[:0], profile("a"))
    assert (nothing.independent, nothing.profiles) == (True, 0) and np.isnan(nothing.share)
    assert independence(profile("a"), profile("a").iloc[:0]).independent


# --- faults ---------------------------------------------------------------------------------------------------------


def test_faults_are_told() -> None:
    table = profile("a")
    with pytest.raises(TableError, match="no column lon"):
        merge_duplicates(table.drop(columns=["lon", "row"]))
    with pytest.raises(TableError, match="column lat holds text"):
        merge_duplicates(table.assign(lat="north"))
    with pytest.raises(TableError, match="profile_id a in several sources"):
        merge_duplicates(stack(table, profile("a", "t")))
    with pytest.raises(TableError, match="source or row missing"):
        merge_duplicates(table.assign(source=None))
    with pytest.raises(TableError) as caught:
        merge_duplicates(table, distance_m=-1, share=5)
    assert len(caught.value.faults) == 2


# --- real compilations ----------------------------------------------------------------------------------------------


def clean_enough(table: pd.DataFrame) -> pd.DataFrame:
    """Horizons with place, depths and carbon."""
    table = table.assign(row=np.arange(1, len(table) + 1)).dropna(subset=["lon", "lat", "top_cm", "bottom_cm", "soc_g_kg"])
    return table[(table["top_cm"] >= 0) & (table["bottom_cm"] > table["top_cm"])]


NAMES = {"UHDICM": "top_cm", "LHDICM": "bottom_cm", "ORCDRC": "soc_g_kg", "BLD": "bulk_density_g_cm3", "CLYPPT": "clay_pct",
         "PHIHOX": "ph_h2o", "SOURCEID": "profile_id", "LONWGS84": "lon", "LATWGS84": "lat"}  # fmt: skip


@pytest.fixture(scope="module")
def compilations(shared: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """WISE and AfSP as horizon tables."""
    columns = list(NAMES.values())
    wise = pd.read_csv(shared / "data/wise_profiles/wise_layers.csv.gz", low_memory=False).rename(columns=NAMES)[columns]
    sites = pd.read_csv(shared / "data/africa_north/afsp_sites.csv.gz", low_memory=False).drop_duplicates("SOURCEID")
    afsp = pd.read_csv(shared / "data/africa_north/afsp_horizons.csv.gz", low_memory=False)
    afsp = afsp.merge(sites[["SOURCEID", "LONWGS84", "LATWGS84", "TIMESTRR"]], on="SOURCEID").rename(columns=NAMES)
    afsp = afsp.assign(year=pd.to_numeric(afsp["TIMESTRR"].str[:4]))[[*columns, "year"]]
    wise["bulk_density_g_cm3"] /= 1000
    return clean_enough(wise.assign(source="wise")), clean_enough(afsp.assign(source="afsp"))


def test_wise_and_afsp_share_profiles(compilations: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """AfSP names the profiles that it has from WISE: 'NE W3_0032' is NE0032."""
    wise, afsp = compilations
    found = independence(wise, afsp)
    assert not found.independent
    assert 1200 < found.shared < 1350
    pairs = found.pairs
    named = pairs[pairs["training_profile_id"].str.contains(r"^[A-Z]{2} W3_\d{4}$")]
    right = named["training_profile_id"].str.replace(" W3_", "") == named["validation_profile_id"]
    assert len(named) > 800 and right.mean() > 0.98
    from_wise = {name.replace(" W3_", "") for name in afsp["profile_id"] if " W3_" in name} & set(wise["profile_id"])
    assert len(set(named.loc[right, "validation_profile_id"])) / len(from_wise) > 0.93


def test_wise_and_afsp_stacked(compilations: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    wise, afsp = (table.assign(profile_id=table["source"] + ":" + table["profile_id"]) for table in compilations)
    plain = merge_duplicates(stack(wise, afsp))[1]
    kept, found = merge_duplicates(stack(wise, afsp), copies_within_source=True)
    # By chance alone some thirty neighbours within one source agree within 5 %.
    assert 10 < len(plain) - len(found) < 100
    across = found["kept_source"] != found["dropped_source"]
    assert 1200 < across.sum() < 1350 and 60 < (~across).sum() < 100
    # Plots of 100 m grids in Africa (two layers, named like Kidatu-8-3) are neighbours, not copies.
    assert not found["dropped_profile_id"].str.contains(r"^afsp:[A-Z][a-z]+-\d+-\d+$").any()
    assert kept["profile_id"].nunique() + len(found) == stack(wise, afsp)["profile_id"].nunique()
