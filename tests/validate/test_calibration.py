import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from edaphic.errors import ModelError
from edaphic.validate.calibration import (
    ALL_INTERVALS,
    OWN_INTERVAL,
    OWN_ZONE,
    adjust,
    adjustment,
    adjustment_notes,
    cross_calibrate,
    cross_calibrate_levels,
    fit_adjustments,
    fit_level_adjustments,
    level_moves_for,
    moves_for,
)
from edaphic.validate.coverage import coverage_groups, coverage_row, coverage_table, deciles
from edaphic.validate.probabilistic import curve_levels
from edaphic.validate.reliability import curve_table

LEVELS = (0.05, 0.95)


def made(n=4000, seed=1, width=0.5, log=False):
    """Observations N(0, 1) around known medians, with raw limits that are too narrow."""
    rng = np.random.default_rng(seed)
    middle = rng.normal(3, 1, n)
    observed = middle + rng.normal(size=n)
    low, high = middle - width, middle + width
    if log:
        observed, middle, low, high = (np.exp(v) for v in (observed, middle, low, high))
    top = np.where(np.arange(n) % 2, 0.0, 30.0)
    return pd.DataFrame(
        {
            "top_cm": top, "bottom_cm": top + 30, "fold": rng.integers(0, 5, n),
            "observed": observed, "q05_raw": low, "q50": middle, "q95_raw": high,
        }
    )  # fmt: skip


def test_adjustment_by_counting():
    beyond = np.arange(1.0, 20.0)
    assert adjustment(beyond, 0.05) == 19.0  # k = ceil(20 * 0.95) = 19
    assert adjustment(beyond, 0.5) == 10.0
    assert adjustment(beyond[:3], 0.05) == 3.0  # more is asked than three can say: the largest


@pytest.mark.parametrize("log", [False, True])
def test_intervals_that_are_too_narrow_are_widened_to_nominal_on_both_tails(log):
    table = cross_calibrate(made(log=log), LEVELS, log=log)
    row = coverage_row(table, "all", 0.9)
    assert row["coverage_raw"] < 0.45
    assert 0.88 <= row["coverage"] <= 0.92
    assert 0.035 <= row["below"] <= 0.065 and 0.035 <= row["above"] <= 0.065


def test_intervals_that_are_too_wide_are_narrowed():
    table = cross_calibrate(made(width=4.0), LEVELS, log=False)
    assert coverage_row(table, "all", 0.9)["coverage_raw"] > 0.99
    assert 0.88 <= coverage_row(table, "all", 0.9)["coverage"] <= 0.92


def test_the_own_fold_never_calibrates_itself():
    table = made(n=400)
    first = cross_calibrate(table, LEVELS, log=False)
    changed = table.copy()
    own = (table["fold"] == 2).to_numpy()
    changed.loc[own, "observed"] += 1000.0
    second = cross_calibrate(changed, LEVELS, log=False)
    np.testing.assert_array_equal(first.loc[own, "q95"], second.loc[own, "q95"])
    assert (second.loc[~own, "q95"] != first.loc[~own, "q95"]).any()


def test_few_observations_take_the_adjustment_of_all():
    table = made(n=300)
    table.loc[:9, "top_cm"], table.loc[:9, "bottom_cm"] = 60.0, 100.0
    fitted = fit_adjustments(table, LEVELS, log=False).set_index("top_cm")
    assert fitted.at[60.0, "pooled"] and not fitted.at[0.0, "pooled"]
    size = table.groupby("top_cm")["q50"].transform("mean")
    share = ((table["observed"] - table["q95_raw"]) / size).to_numpy()
    assert fitted.at[60.0, "upper"] == pytest.approx(adjustment(share, 0.05) * size[0])


def test_limits_do_not_cross_the_median_nor_zero():
    low, high = adjust(np.array([1.0, 0.2]), np.array([2.0, 0.3]), np.array([3.0, 0.4]), -5.0, -5.0, log=False)
    np.testing.assert_array_equal(low, [2.0, 0.3])
    np.testing.assert_array_equal(high, [2.0, 0.3])
    assert adjust(np.array([1.0]), np.array([2.0]), np.array([3.0]), 5.0, 0.0, log=False)[0][0] == 0.0


def test_deciles_hold_a_tenth_each():
    assert np.bincount(deciles(np.random.default_rng(1).random(1000)))[1:].tolist() == [100] * 10


def layered(profiles, seed, *, layers=3, zones=1, log=False, short=(0.9, 0.8, 0.7), folds=5):
    """Profiles of correlated layers whose true 90 % limits are known; the raw limits reach ``short`` of them, layer by layer."""
    rng = np.random.default_rng(seed)
    spread = np.array([0.4, 0.5, 0.7, 0.6])[:layers] * rng.uniform(0.5, 1.5, (profiles, 1))
    error = 0.75 * rng.normal(size=(profiles, 1)) + np.sqrt(1 - 0.75**2) * rng.normal(size=(profiles, layers))
    middle = np.array([8.0, 4.0, 2.0, 1.0])[:layers] + rng.normal(0.0, 0.3, (profiles, layers))
    reach = 1.6448536269514722 * spread * np.array([*short, 1.0])[:layers]
    values = {"observed": middle + spread * error, "q05_raw": middle - reach, "q50": middle, "q95_raw": middle + reach}
    table = pd.DataFrame({name: (np.exp(v) if log else v).ravel() for name, v in values.items()})
    table["profile_id"] = np.repeat([f"p{i}" for i in range(profiles)], layers)
    table["top_cm"] = np.tile(np.array([0.0, 30.0, 60.0, 100.0])[:layers], profiles)
    table["bottom_cm"] = table["top_cm"] + 30.0
    table["zone"] = np.repeat(rng.integers(0, zones, profiles), layers)
    table["fold"] = np.repeat(rng.integers(0, folds, profiles), layers)
    table["predicted"] = table["q50"]
    return table


def quantiles_of(table, levels, factor=1.0):
    """Normal quantiles through the raw limits."""
    sd = (table["q95_raw"] - table["q05_raw"]).to_numpy() / (2 * ndtri(0.95))
    return table["q50"].to_numpy()[:, None] + factor * sd[:, None] * ndtri(np.asarray(levels))


@pytest.mark.parametrize("n", [19, 25, 39, 60, 199])
@pytest.mark.parametrize("tail", [0.05, 0.2])
def test_a_new_exchangeable_observation_lies_beyond_with_the_exact_chance(n, tail):
    rng = np.random.default_rng(n)
    calibrating = rng.normal(size=(4000, n))
    moves = np.array([adjustment(row, tail) for row in calibrating])
    k = int(np.ceil((n + 1) * (1 - tail) - 1e-9))
    chance = ndtr(moves)
    assert 1 - tail <= k / (n + 1) < 1 - tail + 1 / (n + 1)
    assert abs(chance.mean() - k / (n + 1)) < 4 * chance.std() / np.sqrt(4000)


@pytest.mark.parametrize("log", [False, True])
def test_mean_coverage_of_heteroscedastic_data_is_nominal_within_its_error_on_each_tail(log):
    replicates, tails = 120, []
    for seed in range(replicates):
        held = cross_calibrate(layered(240, seed, layers=1, log=log), LEVELS, log=log)
        tails.append((np.mean(held["observed"] < held["q05"]), np.mean(held["observed"] > held["q95"])))
    tails = np.array(tails)
    error = tails.std(axis=0, ddof=1) / np.sqrt(replicates)
    # About 192 calibrate each fold: k = ceil(193 x 0.95) = 184, so 184/193 = 0.9534 stay inside each limit; with other fold sizes
    # between 0.9500 and 0.9553.
    assert (tails.mean(axis=0) < 0.0500 + 3 * error).all() and (tails.mean(axis=0) > 0.0447 - 3 * error).all()


def test_each_layer_is_covered_though_their_errors_differ():
    rows = []
    for seed in range(30):
        held = cross_calibrate(layered(300, seed), LEVELS, log=False)
        rows.append([np.mean(part["observed"].between(part["q05"], part["q95"])) for _, part in held.groupby("top_cm")])
    mean = np.mean(rows, axis=0)
    np.testing.assert_allclose(mean, 0.9, atol=0.012)


def test_one_shift_for_all_layers_would_not_cover_each():
    fitted_rows = []
    for seed in range(20):
        table = layered(300, seed, short=(1.0, 0.85, 0.7))
        pooled = fit_adjustments(table, LEVELS, log=False, interval_profiles=10_000)
        assert (pooled["pooled_to"] == ALL_INTERVALS).all()
        table = table.merge(pooled[pooled["zone"].isna()], on=["top_cm", "bottom_cm"])
        inside = table["observed"].between(table["q05_raw"] - table["lower"], table["q95_raw"] + table["upper"])
        fitted_rows.append(inside.groupby(table["top_cm"]).mean().to_numpy())
    assert np.ptp(np.mean(fitted_rows, axis=0)) > 0.08


def test_the_order_of_merging():
    table = pd.concat([layered(1000, 1), layered(200, 2).assign(zone=1, profile_id=lambda t: "x" + t["profile_id"])], ignore_index=True)
    few = layered(30, 3, layers=1).assign(top_cm=200.0, bottom_cm=230.0, zone=2, profile_id=lambda t: "y" + t["profile_id"])
    fitted = fit_adjustments(pd.concat([table, few], ignore_index=True), LEVELS, log=False).set_index(["top_cm", "zone"])
    assert fitted.at[(0.0, 0.0), "pooled_to"] == OWN_ZONE and not fitted.at[(0.0, 0.0), "pooled"]
    assert fitted.at[(0.0, 1.0), "pooled_to"] == OWN_INTERVAL and fitted.at[(0.0, 1.0), "pooled"]
    assert fitted.at[(0.0, 1.0), "n_profiles"] == 200
    own = fitted[fitted.index.get_level_values("zone").isna()].reset_index()
    assert own["pooled_to"].tolist() == [OWN_INTERVAL] * 3 + [ALL_INTERVALS] and own["pooled"].tolist() == [False] * 3 + [True]
    assert own["n_profiles"].tolist() == [1200] * 3 + [30]
    assert fitted.at[(0.0, 1.0), "lower"] == own.at[0, "lower"] != fitted.at[(0.0, 0.0), "lower"]
    assert fitted.at[(200.0, 2.0), "lower"] == own.at[3, "lower"]
    alone = table[(table["top_cm"] == 0.0) & (table["zone"] == 0)]
    assert fitted.at[(0.0, 0.0), "upper"] == adjustment((alone["observed"] - alone["q95_raw"]).to_numpy(), 0.05)


def test_profiles_are_counted_not_rows():
    table = layered(30, 1, layers=1)
    twice = pd.concat([table, table], ignore_index=True)
    fitted = fit_adjustments(twice, LEVELS, log=False)
    assert fitted["n"].tolist() == [60, 60] and fitted["n_profiles"].tolist() == [30, 30]
    assert (fitted["pooled_to"] == ALL_INTERVALS).all()


def test_notes_say_what_was_merged_and_what_is_too_little():
    notes = adjustment_notes(fit_adjustments(layered(12, 1, layers=1), LEVELS, log=False))
    assert any("0-30 cm, zone 0: 12 profiles are too few" in note for note in notes)
    assert any("too few observations for the outermost tail" in note for note in notes)
    plain = layered(300, 1).drop(columns="zone")
    assert adjustment_notes(fit_adjustments(plain, LEVELS, log=False)) == []


def test_adjustments_survive_a_csv_and_serve_the_cells(tmp_path):
    table = pd.concat([layered(950, 1), layered(200, 2).assign(zone=4, profile_id=lambda t: "x" + t["profile_id"])], ignore_index=True)
    fitted = fit_adjustments(table, LEVELS, log=False)
    fitted.to_csv(tmp_path / "a.csv", index=False)
    read = pd.read_csv(tmp_path / "a.csv")
    own = fitted[fitted["zone"].isna() & (fitted["top_cm"] == 30.0)].iloc[0]
    zone = fitted[(fitted["zone"] == 0) & (fitted["top_cm"] == 30.0)].iloc[0]
    assert moves_for(read, (30.0, 60.0)) == (own["lower"], own["upper"])
    lower, upper = moves_for(read, (30.0, 60.0), np.array([0.0, 4.0, 99.0, np.nan]))
    assert lower.tolist() == [zone["lower"], *[own["lower"]] * 3] and upper.tolist() == [zone["upper"], *[own["upper"]] * 3]
    assert zone["lower"] != own["lower"]
    # Whoever takes the last row of an interval gets the interval's own.
    assert fitted.groupby("top_cm").tail(1)["zone"].isna().all()
    with pytest.raises(ModelError, match="nothing for 5-15 cm"):
        moves_for(read, (5.0, 15.0))


def test_many_levels_lie_on_the_curve_after_adjustment():
    levels = curve_levels((0.5, 0.8, 0.9))
    table = layered(1500, 5)
    raw = quantiles_of(table, levels) + 0.2
    after = cross_calibrate_levels(table, raw, levels, log=False, floor=None)
    assert (np.diff(after, axis=1) >= 0).all()
    before_curve, curve = (curve_table(table["observed"], q, levels, curve=(0.5, 0.8, 0.9)) for q in (raw, after))
    np.testing.assert_allclose(curve["picp"], curve["level"], atol=0.015)
    np.testing.assert_allclose(curve["qcp"], curve["level"], atol=0.015)
    assert np.abs(before_curve["picp"] - before_curve["level"]).max() > 0.05
    share = (table["observed"].to_numpy()[:, None] <= after).mean(axis=0)
    np.testing.assert_allclose(share, levels, atol=0.015)


@pytest.mark.parametrize("log", [False, True])
def test_levels_move_as_the_two_limits_do(log):
    table = layered(400, 6, log=log)
    raw = table[["q05_raw", "q95_raw"]].to_numpy()
    two, many = fit_adjustments(table, LEVELS, log=log), fit_level_adjustments(table, raw, LEVELS, log=log)
    for top in (0.0, 30.0, 60.0):
        lower, upper = moves_for(two, (top, top + 30.0))
        np.testing.assert_array_equal(level_moves_for(many, (top, top + 30.0)), [-lower, upper])
    each = level_moves_for(many, (0.0, 30.0), [0, 9])
    assert each.shape == (2, 2) and (each[1] == level_moves_for(many, (0.0, 30.0))).all()
    held = cross_calibrate(table, LEVELS, log=log)
    after = cross_calibrate_levels(table, raw, LEVELS, log=log)
    np.testing.assert_allclose(after, held[["q05", "q95"]], rtol=1e-12)


def test_amounts_do_not_fall_below_zero_unless_they_may():
    table = layered(200, 7)
    for name in ("observed", "q05_raw", "q50", "q95_raw"):
        table[name] = table[name] - 2.0
    table["q50"] = table["q50"].clip(lower=0.01)
    assert (cross_calibrate(table, LEVELS, log=False)["q05"] >= 0).all()
    assert (cross_calibrate(table, LEVELS, log=False, floor=None)["q05"] < 0).any()
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    assert cross_calibrate_levels(table, quantiles_of(table, levels), levels, log=False).min() == 0.0


def test_on_logarithms_the_unit_does_not_matter():
    table = layered(200, 8, log=True)
    one, other = table.copy(), table.copy()
    for name in ("observed", "q05_raw", "q50", "q95_raw"):
        other[name] = 10.0 * other[name]
    one, other = cross_calibrate(one, LEVELS, log=True), cross_calibrate(other, LEVELS, log=True)
    np.testing.assert_allclose(other[["q05", "q95"]], 10.0 * one[["q05", "q95"]], rtol=1e-12)
    ratio = (one["q95"] / one["q95_raw"]).groupby([one["fold"], one["top_cm"]])
    assert (ratio.max() / ratio.min() < 1 + 1e-9).all()


def test_a_repeat_of_one_fold_is_calibrated_by_other_repeats_without_its_profiles():
    parts = []
    rng = np.random.default_rng(9)
    whole = layered(200, 9, layers=2)
    names = whole["profile_id"].unique()
    for repeat in range(5):
        held = rng.choice(names, 60, replace=False)
        parts.append(whole[whole["profile_id"].isin(held)].assign(repeat=repeat, fold=0))
    table = pd.concat(parts, ignore_index=True)
    first = cross_calibrate(table, LEVELS, log=False)
    assert np.mean(first["observed"].between(first["q05"], first["q95"])) == pytest.approx(0.9, abs=0.04)
    changed = table.copy()
    own = changed["profile_id"].isin(changed.loc[changed["repeat"] == 2, "profile_id"])
    changed.loc[own, "observed"] += 1000.0
    second = cross_calibrate(changed, LEVELS, log=False)
    here = table["repeat"] == 2
    np.testing.assert_array_equal(first.loc[here, "q95"], second.loc[here, "q95"])
    assert (first.loc[~here, "q95"] != second.loc[~here, "q95"]).any()


def test_folds_of_repeats_stay_within_their_repeat():
    table = layered(150, 10, layers=1)
    both = pd.concat([table.assign(repeat=0), table.assign(repeat=1, observed=table["observed"] + 500.0)], ignore_index=True)
    alone = cross_calibrate(table, LEVELS, log=False)
    np.testing.assert_array_equal(cross_calibrate(both, LEVELS, log=False)["q95"].to_numpy()[:150], alone["q95"])


def test_a_zone_that_only_the_held_fold_has_takes_its_interval():
    table = layered(2000, 11, layers=2, zones=2)
    table["fold"] = table["zone"]
    held = cross_calibrate(table, LEVELS, log=False)
    other = table[table["zone"] == 1]
    move = fit_adjustments(other, LEVELS, log=False)
    _, upper = moves_for(move, (30.0, 60.0))
    here = ((table["zone"] == 0) & (table["top_cm"] == 30.0)).to_numpy()
    np.testing.assert_allclose(held.loc[here, "q95"], table.loc[here, "q95_raw"] + upper)


def test_an_interval_that_only_the_held_fold_has_takes_all():
    table = layered(200, 12, layers=2)
    table.loc[table["top_cm"] == 30.0, "fold"] = 9
    held = cross_calibrate(table, LEVELS, log=False)
    assert np.isfinite(held[["q05", "q95"]]).all(axis=None)
    others = table[table["fold"] != 9]
    share = ((others["observed"] - others["q95_raw"]) / others["q50"].mean()).to_numpy()
    own = table.loc[table["fold"] == 9]
    move = adjustment(share, 0.05) * own["q50"].mean()
    np.testing.assert_allclose(held.loc[own.index, "q95"], np.maximum(own["q95_raw"] + move, own["q50"]))


def test_each_zone_is_covered_where_it_has_an_adjustment_of_its_own():
    rows = {900: [], 100: []}
    for seed in range(15):
        table = layered(800, seed, layers=1, zones=2, log=True)
        far = table["zone"] == 1
        # The raw limits of zone 1 are half as wide as they should be.
        for name in ("q05_raw", "q95_raw"):
            table.loc[far, name] = (table["q50"] * (table[name] / table["q50"]) ** 0.5)[far]
        for profiles, found in rows.items():
            held = cross_calibrate(table, LEVELS, log=True, zone_profiles=profiles)
            inside = held["observed"].between(held["q05"], held["q95"])
            found.append(inside.groupby(held["zone"]).mean().to_numpy())
    np.testing.assert_allclose(np.mean(rows[100], axis=0), 0.9, atol=0.015)
    assert np.mean(rows[900], axis=0)[1] < 0.86


def test_weights_make_the_sample_that_of_the_prediction_area():
    rng = np.random.default_rng(13)
    far = rng.random(20_000) < 0.2
    beyond = rng.normal(size=len(far)) * np.where(far, 3.0, 1.0)
    weights = np.where(far, 0.8 / 0.2, 0.2 / 0.8)
    drawn = rng.normal(size=20_000) * np.where(rng.random(20_000) < 0.8, 3.0, 1.0)
    assert np.mean(drawn > adjustment(beyond, 0.05, weights)) == pytest.approx(0.05, abs=0.006)
    assert np.mean(drawn > adjustment(beyond, 0.05)) > 0.1
    table = layered(300, 13)
    one, same = (cross_calibrate(table, LEVELS, log=False, weights=w) for w in (None, np.full(900, 0.3)))
    np.testing.assert_allclose(same[["q05", "q95"]], one[["q05", "q95"]])


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=60), st.sampled_from([0.05, 0.1, 0.25, 0.5]))
def test_equal_weights_and_ties_count_as_one_another(values, tail):
    beyond = np.array(values, dtype=float)
    move = adjustment(beyond, tail)
    assert move in beyond and adjustment(beyond, tail, np.full(len(beyond), 2.5)) == move
    if (len(beyond) + 1) * tail >= 1:
        assert np.mean(beyond > move) <= tail


def test_ties_and_constant_residuals():
    table = layered(100, 14, layers=1)
    table["observed"] = table["q50"]
    held = cross_calibrate(table, LEVELS, log=False)
    assert (held["q05"] <= held["observed"]).all() and (held["q95"] >= held["observed"]).all()
    table[["observed", "q05_raw", "q50", "q95_raw"]] = 5.0
    held = cross_calibrate(table, LEVELS, log=False)
    assert (held[["q05", "q95"]] == 5.0).all(axis=None)


def test_tiny_groups_still_answer():
    table = layered(4, 15).assign(fold=np.repeat([0, 1, 0, 1], 3))
    held = cross_calibrate(table, LEVELS, log=False)
    assert np.isfinite(held[["q05", "q95"]]).all(axis=None)
    fitted = fit_adjustments(table, LEVELS, log=False)
    assert not fitted["enough"].any() and (fitted["pooled_to"] == ALL_INTERVALS).all()


@pytest.mark.parametrize(
    ("change", "log", "words"),
    [
        (lambda t: t.assign(fold=0), False, "two folds or more"),
        (lambda t: t.assign(observed=np.nan), False, "observed are missing"),
        (lambda t: t.assign(q95_raw=np.inf), False, "quantiles are missing"),
        (lambda t: t.assign(top_cm=np.nan), False, "depths are missing"),
        (lambda t: t.assign(observed=0.0), True, "zero or less"),
        (lambda t: t.iloc[:0], False, "no rows"),
        (lambda t: t.drop(columns="q05_raw"), False, "no column q05_raw"),
        (lambda t: t.drop(columns="observed"), False, "no column observed"),
    ],
)
def test_faults_are_lines(change, log, words):
    with pytest.raises(ModelError, match=words):
        cross_calibrate(change(layered(20, 16)), LEVELS, log=log)


def test_faults_of_levels_weights_and_shapes():
    table = layered(20, 17)
    with pytest.raises(ModelError, match="ascending levels"):
        fit_adjustments(table, (0.95, 0.05), log=False)
    with pytest.raises(ModelError, match="weights of shape"):
        fit_adjustments(table, LEVELS, log=False, weights=[1.0])
    with pytest.raises(ModelError, match=r"expected \(60, 3\)"):
        fit_level_adjustments(table, np.ones((60, 2)), (0.1, 0.5, 0.9), log=False)
    with pytest.raises(ModelError, match="no observation"):
        adjustment(np.empty(0), 0.05)


def test_coverage_by_all_groups_with_intervals():
    table = cross_calibrate(layered(400, 18, zones=3), LEVELS, log=False)
    whole = table[table["top_cm"] == 0.0].assign(bottom_cm=90.0)
    table = pd.concat([table, whole], ignore_index=True)
    table["year"] = np.where(np.arange(len(table)) % 3 == 0, 1987.0, np.where(np.arange(len(table)) % 3 == 1, 2003.0, np.nan))
    table["in_applicability"] = np.arange(len(table)) % 4 > 0
    groups = coverage_groups(table, (0.0, 90.0), {1: "Cool and wet"})
    found = coverage_table(table, groups, 0.9).set_index("group")
    assert list(found.index) == [
        "all layers", "0-30 cm", "30-60 cm", "60-90 cm", "whole 0-90 cm", *(f"decile {d}" for d in range(1, 11)),
        "zone 0", "zone Cool and wet", "zone 2", "decade 1980s", "decade 2000s", "decade unknown", "inside applicability",
        "outside applicability",
    ]  # fmt: skip
    assert found.at["all layers", "n"] == 1200 and found.at["all layers", "n_profiles"] == 400
    for kind in ("decile", "zone", "decade", "inside|outside"):
        assert found.loc[found.index.str.contains(kind), "n"].sum() == 1200
    assert (found["coverage_low"] <= found["coverage"]).all() and (found["coverage"] <= found["coverage_high"]).all()
    np.testing.assert_allclose(found["coverage"] + found["below"] + found["above"], 1.0)
    np.testing.assert_allclose(found["coverage_raw"] + found["below_raw"] + found["above_raw"], 1.0)
    assert found.at["all layers", "interval_score"] < found.at["all layers", "interval_score_raw"]


def test_layers_of_a_profile_are_not_independent_witnesses():
    table = cross_calibrate(layered(200, 19, short=(0.8, 0.8, 0.8)), LEVELS, log=False)
    by_profile, by_row = coverage_row(table, "all", 0.9), coverage_row(table.drop(columns="profile_id"), "all", 0.9)
    assert by_profile["coverage"] == by_row["coverage"]
    width = [row["coverage_high"] - row["coverage_low"] for row in (by_profile, by_row)]
    assert width[0] > 1.15 * width[1]
    blocks = table.assign(group=np.arange(len(table)) // 60)
    assert coverage_row(blocks, "all", 0.9)["coverage_low"] != by_profile["coverage_low"]


def test_coverage_of_the_truth_stands_beside_that_of_observations():
    table = cross_calibrate(layered(200, 20), LEVELS, log=False)
    assert "coverage_truth" not in coverage_row(table, "all", 0.9)
    table["truth"] = table["q50"]
    assert coverage_row(table, "all", 0.9)["coverage_truth"] == 1.0


# Weights


def test_few_observations_of_unequal_weight_still_cover():
    """The new observation counts as one of the population that is predicted, where heavy weights are common."""
    rng = np.random.default_rng(17)
    beyond_new, n = [], 30
    for _ in range(3000):
        x, u = rng.random(n), rng.random(20)
        limit = adjustment(rng.normal(size=n) * (0.2 + x), 0.1, np.exp(5 * x))
        # Drawn with a density that grows as the weights do.
        shifted = np.log1p(u * (np.exp(5) - 1)) / 5
        beyond_new.append(np.mean(rng.normal(size=20) * (0.2 + shifted) > limit))
    assert np.mean(beyond_new) < 0.1


def test_observations_without_weight_are_not_there():
    table = layered(300, 4)
    weights = np.where(np.arange(len(table)) % 5 == 0, 0.0, 1.0 + np.arange(len(table)) % 2)
    some = weights > 0
    for fewest in (50, 10_000):
        one = fit_adjustments(table, LEVELS, log=False, weights=weights, interval_profiles=fewest)
        other = fit_adjustments(table[some], LEVELS, log=False, weights=weights[some], interval_profiles=fewest)
        pd.testing.assert_frame_equal(one, other)
    assert adjustment(np.array([1.0, 9.0]), 0.5, np.array([1.0, 0.0])) == 1.0


def test_a_zone_without_weight_takes_its_interval():
    table = made(400).assign(zone=np.arange(400) // 2 % 2)
    adjustments = fit_adjustments(table, LEVELS, log=False, weights=1.0 - table["zone"], zone_profiles=20, interval_profiles=20)
    without = adjustments[adjustments["zone"] == 1]
    assert (without["n"] == 0).all() and (without["pooled_to"] == OWN_INTERVAL).all()
    assert np.isfinite(adjustments[["lower", "upper"]]).all(axis=None)
    with pytest.raises(ModelError, match="none of 2 observations has a weight"):
        adjustment(np.zeros(2), 0.1, np.zeros(2))


def test_one_heavy_observation_is_not_enough():
    table = made(200)
    even, heavy = np.ones(200), np.where(np.arange(200) < 2, 1000.0, 1.0)
    assert fit_adjustments(table, LEVELS, log=False, weights=even)["enough"].all()
    assert not fit_adjustments(table, LEVELS, log=False, weights=heavy)["enough"].any()


@pytest.mark.parametrize("kind", ["object", "boolean"])
def test_rows_of_unknown_applicability_are_not_inside(kind):
    table = made(6).assign(predicted=1.0, in_applicability=pd.array([True, None, False, True, None, True], dtype=kind))
    found = {name: int(rows.sum()) for name, rows in coverage_groups(table) if "applicability" in name}
    assert found == {"inside applicability": 3, "outside applicability": 1, "applicability unknown": 2}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fold": np.nan}, "6 of 6 rows have no fold"),
        ({"fold": [0, 1, 0, 1, np.nan, 1]}, "1 of 6 rows have no fold"),
        ({"repeat": [0, 0, 0, 0, 0, None]}, "1 of 6 rows have no repeat"),
        ({"profile_id": ["a", "b", "c", "d", "e", None]}, "1 of 6 rows have no profile_id"),
        ({"zone": "humid"}, "zone 'humid' in 6 of 6 rows; expected codes"),
    ],
)
def test_rows_that_belong_nowhere_are_faults_not_numbers_from_nowhere(change, words):
    with pytest.raises(ModelError, match=words):
        cross_calibrate(made(6).assign(fold=np.arange(6) % 2).assign(**change), LEVELS, log=False)


def test_a_depth_without_weight_takes_the_shift_of_all_in_its_own_proportion():
    table = made(400)
    deep = table["top_cm"] == 30
    shallow, values = table[~deep], ["observed", "q05_raw", "q50", "q95_raw"]
    scaled = pd.concat([shallow, shallow.assign(top_cm=30.0, bottom_cm=60.0, **{name: 10 * shallow[name] for name in values})])
    weights = np.where(scaled["top_cm"] == 0, 1.0, 0.0)
    found = fit_adjustments(scaled, LEVELS, log=False, weights=weights, interval_profiles=10_000).set_index("top_cm")
    assert found.loc[30.0, "n"] == 0 and found.loc[30.0, "pooled_to"] == ALL_INTERVALS
    np.testing.assert_allclose(found.loc[30.0, ["lower", "upper"]].astype(float), 10 * found.loc[0.0, ["lower", "upper"]].astype(float))
