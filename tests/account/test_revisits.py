"""Revisited sites: pairs by hand, known correlations, refusals; changes of sites with intervals by place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.account.change.bootstrap import drawn_sums
from edaphic.account.change.regional import TimeCorrelation
from edaphic.account.change.revisits import PAIR_COLUMNS, REVISIT_COLUMNS, revisit_pairs, revisits
from edaphic.account.change.sites import SITE_COLUMNS, site_change
from edaphic.errors import ModelError, TableError

METRE = 1.0 / 111_195.0
"""Degrees of latitude."""


def visits(*rows: tuple[float, float, float, float]) -> pd.DataFrame:
    """Rows of metres north, year, top, score."""
    metres, year, top, z = np.array(rows, dtype=float).T
    return pd.DataFrame({"lon": 10.0, "lat": 40 + metres * METRE, "year": year, "top_cm": top, "bottom_cm": top + 30, "z": z})


def simulated(rho: float, sites: int, seed: int, layers: int = 1, years: tuple[int, ...] = (1990, 2010)) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts, z = [], rng.normal(size=(sites, layers))
    for year in years:
        frame = {"lon": 10.0, "lat": 40 + np.repeat(np.arange(sites), layers) * 0.01, "year": year, "z": z.ravel()}
        parts.append(pd.DataFrame(frame).assign(top_cm=np.tile(30.0 * np.arange(layers), sites)))
        z = rho * z + np.sqrt(1 - rho**2) * rng.normal(size=z.shape)
    table = pd.concat(parts, ignore_index=True)
    return table.assign(bottom_cm=table["top_cm"] + 30)


def test_pairs_by_hand() -> None:
    table = visits(
        (0, 1990, 0, 0.1),
        (40, 2010, 0, 0.2),  # 40 m from the first
        (10, 2010, 0, 0.3),  # nearer: the pair of the first
        (0, 1990, 30, 0.4),  # another layer, visited once
        (5000, 2010, 0, 0.5),
        (5090, 1985, 0, 0.6),  # the earlier visit comes later in the table
        (5250, 2000, 0, 0.7),  # too far from both
        (9000, 2000, 0, 0.8),
        (9000, 2000, 0, 0.9),  # the same year is no revisit
    )
    pairs, notes = revisit_pairs(table)
    assert notes == []
    assert list(pairs.columns) == list(PAIR_COLUMNS)
    assert pairs[["row_before", "row_after"]].sort_values("row_before").values.tolist() == [[0, 2], [5, 4]]
    one = pairs.set_index("row_before").loc[5]
    assert (one["year_before"], one["year_after"], one["lag_years"]) == (1985, 2010, 25)
    assert (one["score_before"], one["score_after"]) == (0.6, 0.5)
    assert one["distance_m"] == pytest.approx(90, abs=0.2)


def test_three_visits_make_three_pairs_and_periods_join_years() -> None:
    table = visits((0, 1990, 0, 0.1), (0, 2000, 0, 0.2), (0, 2010, 0, 0.3))
    assert sorted(revisit_pairs(table)[0]["lag_years"]) == [10, 10, 20]
    table["period"] = ["early", "early", "late"]
    pairs, _ = revisit_pairs(table, period="period")
    assert pairs[["row_before", "row_after"]].values.tolist() in ([[0, 2]], [[1, 2]])
    assert len(revisit_pairs(table, least_lag_years=15.0)[0]) == 1


def test_dates_within_a_year_are_no_periods_of_their_own() -> None:
    rng = np.random.default_rng(1)
    rows = [(5000.0 * site, year + float(rng.uniform(0, 0.9)), 0.0, float(rng.normal())) for site in range(300) for year in (1990, 2003)]
    pairs, _ = revisit_pairs(visits(*rows))
    assert len(pairs) == 300
    assert pairs["lag_years"].between(12, 14).all()
    assert len(revisit_pairs(visits((0, 1990.1, 0, 0.1), (0, 1990.9, 0, 0.2)))[0]) == 0


def test_pairs_do_not_depend_on_the_order_of_the_table() -> None:
    rng = np.random.default_rng(2)
    rows = [
        (float(m), float(year), 0.0, float(z))
        for m, year, z in zip(rng.integers(0, 900, 80), rng.choice([1990, 2000, 2010], 80), rng.normal(size=80), strict=True)
    ]
    table = visits(*rows)
    again = table.iloc[rng.permutation(80)].reset_index(drop=True)
    numbers = ["year_before", "year_after", "distance_m", "score_before", "score_after"]
    first, second = (revisit_pairs(one)[0][numbers].sort_values(numbers).to_numpy() for one in (table, again))
    np.testing.assert_allclose(first, second)


@pytest.mark.parametrize("rho", [-0.3, 0.0, 0.5, 0.9])
def test_a_known_correlation_is_found(rho: float) -> None:
    found = revisits(simulated(rho, 1500, 3))
    row = found.table.iloc[0]
    assert list(found.table.columns) == list(REVISIT_COLUMNS)
    assert row["rho"] == pytest.approx(rho, abs=0.06)
    assert row["rho_low"] < row["rho"] < row["rho_high"]
    # for normal scores the standard error is (1 - rho^2) / sqrt(n)
    assert row["rho_high"] - row["rho_low"] == pytest.approx(2 * 1.645 * (1 - rho**2) / np.sqrt(1500), rel=0.15)
    assert row["verdict"] == "estimated: 1500 pairs at 1500 places"
    assert found.correlation() == TimeCorrelation(row["rho"], row["verdict"], row["rho_low"], row["rho_high"])


def test_intervals_cover_the_correlation() -> None:
    inside = 0
    for seed in range(100):
        row = revisits(simulated(0.6, 60, seed), draws=400).table.iloc[0]
        inside += row["rho_low"] <= 0.6 <= row["rho_high"]
    assert 82 <= inside <= 97


def test_layers_of_a_place_are_drawn_together() -> None:
    table = simulated(0.6, 200, 5)
    deeper = pd.concat([table, table.assign(top_cm=30.0, bottom_cm=60.0)], ignore_index=True)  # tells nothing new
    one, both = revisits(table).table.iloc[0], revisits(deeper).table.iloc[0]
    assert (one["pairs"], both["pairs"], both["places"]) == (200, 400, 200)
    assert both["rho"] == pytest.approx(one["rho"])
    assert both["rho_low"] == pytest.approx(one["rho_low"])


def test_a_place_of_many_visits_counts_once() -> None:
    """Two hundred profiles under one coordinate, such as the middle of a district, beside 300 revisited sites."""
    sites, rng = simulated(0.7, 300, 6), np.random.default_rng(7)
    crowd = visits(*[(500_000.0, float(rng.integers(1960, 2020)), 0.0, float(z)) for z in rng.normal(size=200)])
    both = pd.concat([sites, crowd], ignore_index=True)
    found, alone = revisits(both).table.iloc[0], revisits(sites).table.iloc[0]
    assert found["pairs"] > 1000
    assert found["places"] == 301
    assert found["rho"] == pytest.approx(alone["rho"], abs=0.01)


def test_by_lag_and_by_layer() -> None:
    found = revisits(simulated(0.7, 300, 6, layers=2, years=(1990, 1993, 2015))).table
    assert found["layer"].tolist() == ["all", "all", "all", "0-30 cm", "30-60 cm"]
    assert found["lag"].tolist() == ["all", "0 to below 5 years", "20 to below 40 years", "all", "all"]
    near, far = found["rho"].iloc[1], found["rho"].iloc[2]
    assert near == pytest.approx(0.7, abs=0.08)
    assert far == pytest.approx((0.7 + 0.49) / 2, abs=0.08)
    assert found["mean_lag_years"].iloc[1] == pytest.approx(3)


def test_too_few_pairs_or_places_are_no_estimate() -> None:
    few = revisits(simulated(0.9, 12, 7))
    assert few.table["verdict"].iloc[0] == "cannot be estimated: 12 pairs at 12 places; expected 30 pairs at 10 places or more"
    assert np.isnan(few.table["rho"].iloc[0])
    assert not few.correlation().known
    assert few.correlation().origin.startswith("cannot be estimated: 12 pairs")
    assert revisits(simulated(0.9, 12, 7), fewest=10).correlation().known
    one_place = simulated(0.9, 4, 8, layers=10)
    assert "40 pairs at 4 places" in revisits(one_place).table["verdict"].iloc[0]
    alone = revisits(visits((0, 1990, 0, 0.1)))
    assert alone.table["verdict"].iloc[0].startswith("cannot be estimated: 0 pairs at 0 places")
    assert len(revisits(visits((0, 1990, 0, np.nan))).table) == 1
    same = simulated(0.9, 40, 7).assign(z=0.4)
    assert "all of one score" in revisits(same).table["verdict"].iloc[0]


def test_rows_that_lack_something_are_counted() -> None:
    table = simulated(0.5, 40, 9)
    table.loc[[0, 1], "year"] = np.nan
    found = revisits(table)
    assert found.notes == ["revisits: 2 of 80 rows have no place, year, layer or score and are left out"]
    assert found.table["pairs"].iloc[0] == 38


def test_faults() -> None:
    table = simulated(0.5, 40, 9)
    with pytest.raises(TableError) as fault:
        revisits(table.drop(columns=["year", "z"]))
    assert fault.value.faults == tuple(
        f"revisits: no column {name}; expected lon, lat, year, top_cm, bottom_cm, z" for name in ("year", "z")
    )
    with pytest.raises(TableError, match="column year holds text"):
        revisits(table.assign(year="1990"))
    with pytest.raises(TableError, match="no column decade"):
        revisits(table, period="decade")
    with pytest.raises(ModelError, match="within -1 m"):
        revisits(table, within_m=-1.0)
    with pytest.raises(ModelError) as several:
        revisits(table, level=2.0, fewest=1, lags=[5, 5])
    assert len(several.value.faults) == 3


# changes of sites ------------------------------------------------------------


def compared(change: np.ndarray, fixed: np.ndarray, place: np.ndarray | None = None, use: str | np.ndarray = "crop") -> pd.DataFrame:
    names = np.arange(len(change)) if place is None else place
    table = {"profile_id": names, "top_cm": 0.0, "bottom_cm": 30.0, "change_kg_m2": change, "fixed_depth_change_kg_m2": fixed}
    return pd.DataFrame(table).assign(use=use)


def test_mean_changes_of_sites_on_both_bases() -> None:
    rng = np.random.default_rng(10)
    change = rng.normal(0.0, 0.5, 200)
    change -= change.mean()
    table = compared(change, change + 0.8, use=np.repeat(["crop", "grass"], 100))
    table.loc[3, "change_kg_m2"] = np.nan
    found = site_change(table, by="use")
    assert list(found.columns) == list(SITE_COLUMNS)
    assert found["class_name"].tolist() == ["all"] * 2 + ["crop"] * 2 + ["grass"] * 2
    every = found[found["class_name"] == "all"].set_index("basis")
    kept = np.delete(change, 3)
    assert every.loc["equivalent soil mass", "mean_change_kg_m2"] == pytest.approx(kept.mean())
    assert every.loc["fixed depth", "mean_change_kg_m2"] == pytest.approx(kept.mean() + 0.8)
    assert every["pairs"].tolist() == [199, 199]
    assert every["left_out"].tolist() == [1, 1]
    width = every.loc["fixed depth", "high_kg_m2"] - every.loc["fixed depth", "low_kg_m2"]
    assert width == pytest.approx(2 * 1.645 * kept.std() / np.sqrt(199), rel=0.1)
    assert every["verdict"].tolist() == ["increase", "no change shown"]


def test_pairs_of_a_place_count_once() -> None:
    rng = np.random.default_rng(11)
    change = rng.normal(size=30)
    one = site_change(compared(change, change))
    often = site_change(compared(np.repeat(change, 5), np.repeat(change, 5), np.repeat(np.arange(30), 5)))
    assert often["pairs"].tolist() == [150, 150]
    np.testing.assert_allclose(often[["low_kg_m2", "high_kg_m2"]], one[["low_kg_m2", "high_kg_m2"]])


def test_few_sites_have_no_interval() -> None:
    found = site_change(compared(np.ones(4), np.ones(4)))
    assert found["verdict"].tolist() == ["cannot be told: 4 places; expected 10 or more"] * 2
    assert found["mean_change_kg_m2"].tolist() == [1.0, 1.0]
    assert found[["low_kg_m2", "high_kg_m2"]].isna().to_numpy().all()
    assert site_change(compared(np.full(3, np.nan), np.ones(3)))["pairs"].tolist() == [0, 0]


def test_faults_of_sites() -> None:
    with pytest.raises(TableError, match="change at sites: no column use"):
        site_change(compared(np.ones(4), np.ones(4)).drop(columns="use"), by="use")
    with pytest.raises(ModelError, match=r"level 1\.5"):
        site_change(compared(np.ones(4), np.ones(4)), level=1.5)
    with pytest.raises(ModelError, match="0 draws"):
        site_change(compared(np.ones(12), np.ones(12)), draws=0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=5, max_size=20))
def test_drawn_sums_keep_the_number_of_places(places: list[int]) -> None:
    codes = pd.factorize(np.array(places))[0].astype(np.int64)
    each = 1.0 / np.bincount(codes)[codes]
    sums = drawn_sums(each[:, None], codes, 20, 3)
    np.testing.assert_allclose(sums, codes.max() + 1)
