"""Gap filling on soils whose truth is known, and on WISE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from edaphic.errors import TableError
from edaphic.profiles.density import gap_filling
from edaphic.profiles.density.bulk_density import fill
from edaphic.profiles.density.gap_filling import MIN_ORGANIC, PREDICTORS, features, scores, train

NOISE = 0.06


def soils(profiles: int = 300, seed: int = 2, organic: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Four horizons each; the truth depends on carbon, depth and clay in a way that no rule knows."""
    rng = np.random.default_rng(seed)
    n = 4 * profiles
    top = np.tile([0.0, 10, 30, 60], profiles)
    table = pd.DataFrame(
        {
            "profile_id": np.repeat([f"p{i}" for i in range(profiles)], 4), "source": "s", "row": np.arange(1, n + 1), "top_cm": top,
            "bottom_cm": np.tile([10.0, 30, 60, 100], profiles), "soc_g_kg": rng.uniform(2, 45, n), "clay_pct": rng.uniform(5, 60, n),
            "silt_pct": 30.0, "sand_pct": np.nan, "ph_h2o": 6.5, "coarse_fragments_vol_pct": 0.0,
        }
    )  # fmt: skip
    table.loc[: organic - 1, "soc_g_kg"] = rng.uniform(100, 400, organic)
    truth = 1.75 - 0.12 * np.sqrt(table.soc_g_kg / 10) - 0.006 * table.clay_pct + 0.0015 * top
    return table, truth.to_numpy() + rng.normal(0, NOISE, n)


def test_recovers_what_no_rule_knows_and_its_error_is_honest() -> None:
    """Trained on the measured half; the other half tells the true error."""
    table, truth = soils()
    hidden = np.arange(len(table)) % 8 >= 4
    filled, summary, _ = fill(table.assign(bulk_density_g_cm3=np.where(hidden, np.nan, truth)), ("measured", "gap_filling"))
    assert (filled.bulk_density_source == np.where(hidden, "gap_filling", "measured")).all()
    error = np.sqrt(np.mean((filled.bulk_density_g_cm3[hidden] - truth[hidden]) ** 2))
    score = summary["bulk_density"]["gap_filling_score"]
    assert error == pytest.approx(score["rmse_g_cm3"], rel=0.12)
    assert NOISE < score["rmse_g_cm3"] < 0.09
    assert score["mec"] > 0.6
    assert abs(score["bias_g_cm3"]) < 0.01
    assert filled.bulk_density_sd_g_cm3[hidden].unique().tolist() == [score["rmse_g_cm3"]]
    by_rule = fill(table.assign(bulk_density_g_cm3=np.where(hidden, np.nan, truth)), rule="best")[0]
    assert error < 0.7 * np.sqrt(np.mean((by_rule.bulk_density_g_cm3[hidden] - truth[hidden]) ** 2))


def test_error_is_by_profile() -> None:
    """A value of its own for each profile, told by its clay: folds of horizons would find it, folds of profiles must not."""
    table, _ = soils(80)
    rng = np.random.default_rng(8)
    table["clay_pct"] = np.repeat(rng.permutation(np.linspace(5, 60, 80)), 4)
    own = np.repeat(rng.normal(1.3, 0.2, 80), 4)
    score = train(table, own, np.zeros(len(table))).score
    assert score["rmse_g_cm3"] > 0.17
    assert score["mec"] < 0.2


def test_rules_stand_beside_on_the_same_horizons() -> None:
    table, truth = soils(100)
    table.loc[:199, "clay_pct"] = np.nan
    score = train(table, truth, np.zeros(len(table))).score
    rows = {row["rule"]: row for row in score["beside"]}
    assert rows["manrique_jones_1991"]["horizons"] == 400
    assert rows["manrique_jones_1991"]["gap_filling"]["rmse_g_cm3"] == score["rmse_g_cm3"]
    assert rows["bernoux_1998"]["horizons"] == 200
    assert rows["bernoux_1998"]["rmse_g_cm3"] == pytest.approx(
        np.sqrt(np.mean((1.398 - 0.0042 * table.soc_g_kg - 0.0047 * table.clay_pct - truth) ** 2))
    )


def test_predictors_in_their_order() -> None:
    one = {"top_cm": 10.0, "bottom_cm": 30.0, "soc_g_kg": 15.0, "clay_pct": 20.0, "sand_pct": 50.0, "ph_h2o": 7.0}
    table = pd.DataFrame([one])
    found = dict(zip(PREDICTORS, features(table, np.array([4.0]))[0].tolist(), strict=True))
    assert found == {
        "soc_g_kg": 15, "mid_cm": 20, "thickness_cm": 20, "clay_pct": 20, "silt_pct": 30, "sand_pct": 50, "ph_h2o": 7,
        "coarse_fragments_vol_pct": 4,
    }  # fmt: skip


def test_scores_by_hand() -> None:
    found = scores(np.array([1.0, 1.2, 1.4]), np.array([1.1, 1.2, 1.2]))
    assert found["rmse_g_cm3"] == pytest.approx(np.sqrt(0.05 / 3))
    assert found["bias_g_cm3"] == pytest.approx(-0.1 / 3)
    assert found["mec"] == pytest.approx(1 - 0.05 / 0.08)
    assert scores(np.array([1.0]), np.array([1.0]))["mec"] is None


@pytest.mark.parametrize("organic", [MIN_ORGANIC - 1, MIN_ORGANIC])
def test_organic_soil_goes_to_the_curve_unless_enough_was_measured(organic: int) -> None:
    table, truth = soils(100, organic=organic)
    extra = table.iloc[[0, 0]].assign(profile_id="x", soc_g_kg=[65.0, 300.0])
    table = pd.concat([table, extra], ignore_index=True)
    filled, summary, _ = fill(table.assign(bulk_density_g_cm3=np.append(truth, [np.nan, np.nan])), ("measured", "gap_filling"))
    enough = organic >= MIN_ORGANIC
    assert filled.bulk_density_source.tolist()[-2:] == ["gap_filling", "gap_filling" if enough else "pedotransfer"]
    curve = 1.38 - 0.31 * np.log(31)
    assert (filled.bulk_density_g_cm3.iloc[-1] == pytest.approx(curve)) == (not enough)
    said = summary["bulk_density"]["gap_filling_score"]["organic"]
    assert said == ("gap filling" if enough else "organic curve: 99 measured, fewer than 100")


def test_same_bits_on_any_number_of_threads() -> None:
    table, truth = soils(80)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(train(table, truth, np.zeros(len(table)), seed=4).predict(table, np.zeros(len(table))))
    np.testing.assert_array_equal(*found)


def test_too_few_measured_is_a_fault_only_where_something_is_missing() -> None:
    table, truth = soils(60)
    few = np.where(np.arange(len(truth)) < 199, truth, np.nan)
    with pytest.raises(TableError, match="found 199 horizons with a measured bulk density in 50 profiles; expected at least 200 in 50"):
        fill(table.assign(bulk_density_g_cm3=few), ("measured", "gap_filling"))
    with pytest.raises(TableError, match="in 40 profiles; expected at least 200 in 50"):
        train(pd.concat([table[:160]] * 2), np.tile(truth[:160], 2), np.zeros(320))
    _, summary, _ = fill(table.assign(bulk_density_g_cm3=few), ("measured", "pedotransfer", "gap_filling"))
    assert summary["bulk_density"]["gap_filling_score"] is None


def test_engines() -> None:
    table, truth = soils(60)
    with pytest.raises(TableError, match="unknown engine 'lightgbm'; expected one of sklearn, xgboost"):
        train(table, truth, np.zeros(len(table)), engine="lightgbm")
    if gap_filling.xgboost is None:
        with pytest.raises(TableError, match="engine 'xgboost' is not installed; expected the package xgboost"):
            train(table, truth, np.zeros(len(table)), engine="xgboost")
    else:
        other = train(table, truth, np.zeros(len(table)), engine="xgboost")
        assert other.score["rmse_g_cm3"] == pytest.approx(train(table, truth, np.zeros(len(table))).score["rmse_g_cm3"], rel=0.1)


@pytest.mark.slow
def test_better_than_every_rule_on_wise(shared: Path) -> None:
    """3,013 profiles of the world: by profile, against thirteen rules on the same horizons."""
    raw = pd.read_csv(shared / "data" / "wise_profiles" / "wise_layers.csv.gz")
    table = pd.DataFrame(
        {
            "profile_id": raw.SOURCEID, "top_cm": raw.UHDICM, "bottom_cm": raw.LHDICM, "soc_g_kg": raw.ORCDRC, "clay_pct": raw.CLYPPT,
            "silt_pct": raw.SLTPPT, "sand_pct": raw.SNDPPT, "ph_h2o": raw.PHIHOX,
        }
    )  # fmt: skip
    usable = raw.ORCDRC.between(0, 600) & (raw.BLD / 1000).between(0.02, 2.65)
    score = train(table[usable], raw.BLD[usable].to_numpy() / 1000, raw.CRFVOL[usable].to_numpy(dtype=float)).score
    assert (score["horizons"], score["profiles"], score["organic_horizons"]) == (11740, 3013, 334)
    assert score["rmse_g_cm3"] == pytest.approx(0.215, abs=0.003)
    assert score["mec"] == pytest.approx(0.506, abs=0.01)
    assert all(row["gap_filling"]["rmse_g_cm3"] < 0.9 * row["rmse_g_cm3"] for row in score["beside"])
