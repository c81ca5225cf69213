import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import ModelError
from edaphic.model.derived import target_derived
from edaphic.model.screening import eliminate_vif, gvif, screen_correlation, vif


def frame(columns: int, rows: int = 60, seed: int = 0, shared: float = 0.0) -> tuple[pd.DataFrame, dict[str, str]]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, columns)) + shared * rng.normal(size=(rows, 1))
    points = pd.DataFrame(values, columns=[f"x{i}" for i in range(columns)])
    return points, dict.fromkeys(points, "continuous")


def kept(table: pd.DataFrame) -> list[str]:
    return table.loc[table["kept"], "feature"].tolist()


# Correlation


def test_of_a_pair_the_one_that_is_closer_to_all_others_goes():
    a, c = np.random.default_rng(1).normal(size=(2, 400))
    points = pd.DataFrame({"a": a, "b": a + 0.2 * c, "c": c})
    kinds = dict.fromkeys(points, "continuous")
    # b is the closer to c, so it goes although it comes later than a; and also if it comes first.
    assert kept(screen_correlation(points, kinds, 0.9)) == ["a", "c"]
    assert kept(screen_correlation(points[["b", "a", "c"]], kinds, 0.9)) == ["a", "c"]


def test_of_exact_copies_the_first_stays_whatever_the_rounding():
    a = np.random.default_rng(2).normal(size=50)
    points = pd.DataFrame({"a": a, "b": -0.1 * a + 1e4, "c": 3e-5 * a - 7, "d": a / 3})
    assert kept(screen_correlation(points, dict.fromkeys(points, "continuous"), 0.95)) == ["a"]


def test_protected_covariates_stay_and_their_twins_go():
    a, noise = np.random.default_rng(3).normal(size=(2, 100))
    points = pd.DataFrame({"a": a, "b": a + 0.01 * noise, "c": a - 0.01 * noise, "flat": np.ones(100)})
    kinds = dict.fromkeys(points, "continuous")
    assert kept(screen_correlation(points, kinds, 0.95, protected=["c"])) == ["c"]
    table = screen_correlation(points, kinds, 0.95, protected=["c", "b", "flat"]).set_index("feature")
    assert table.index[table["kept"]].tolist() == ["b", "c", "flat"]
    assert table.at["c", "reason"] == "kept: protected, though |r| is above 0.95"
    assert table.at["c", "correlated_with"] == "b"
    assert "the same value" in table.at["flat", "reason"]


def test_sizes_that_square_out_of_range_do_no_harm():
    a, b = np.random.default_rng(4).normal(size=(2, 30))
    points = pd.DataFrame({"a": a * 1e300, "b": b * 1e-200, "c": a * 1e-300})
    kinds = dict.fromkeys(points, "continuous")
    assert kept(screen_correlation(points, kinds, 0.95)) == ["a", "b"]
    plain = vif(pd.DataFrame({"a": a, "b": b}))
    assert vif(points[["a", "b"]]).tolist() == pytest.approx(plain.tolist(), rel=1e-12)


@given(st.integers(0, 1000), st.floats(0.1, 1.0), st.sets(st.sampled_from([f"x{i}" for i in range(8)]), max_size=3))
@settings(max_examples=40, deadline=None)
def test_no_pair_above_the_limit_is_left_unless_both_are_protected(seed: int, limit: float, safe: set[str]):
    points, kinds = frame(8, rows=30, seed=seed, shared=1.0)
    left = kept(screen_correlation(points, kinds, limit, protected=sorted(safe)))
    assert safe <= set(left)
    r = points[left].corr().abs().to_numpy()
    for i, first in enumerate(left):
        for j, second in enumerate(left[:i]):
            assert r[i, j] <= limit + 1e-9 or {first, second} <= safe


# Variance inflation


def test_factors_are_those_of_the_regressions():
    points, _ = frame(6, shared=1.5)
    values = points.to_numpy()
    for i, factor in enumerate(vif(points)):
        others = np.column_stack([np.ones(len(values)), np.delete(values, i, axis=1)])
        rest = values[:, i] - others @ np.linalg.lstsq(others, values[:, i], rcond=None)[0]
        assert factor == pytest.approx(np.var(values[:, i]) / np.var(rest), rel=1e-9)


def test_a_single_covariate_has_one_and_stays():
    points, kinds = frame(1)
    assert vif(points).tolist() == [1.0]
    assert kept(eliminate_vif(points, kinds, 1.0001)) == ["x0"]


def test_orthogonal_covariates_have_one():
    assert vif(pd.DataFrame({"a": [1.0, 1, -1, -1], "b": [1.0, -1, 1, -1]})).tolist() == pytest.approx([1.0, 1.0], abs=1e-12)


def test_exact_combinations_are_infinite_and_the_rest_keeps_its_own():
    points, kinds = frame(4, shared=1.0)
    free = vif(points)
    points["sum"] = points["x0"] + points["x1"] - 2 * points["x2"]
    with_sum = vif(points)
    assert np.isinf(with_sum[["x0", "x1", "x2", "sum"]]).all()
    assert with_sum["x3"] == pytest.approx(free["x3"], rel=1e-9)
    table = eliminate_vif(points, kinds | {"sum": "continuous"}, 1000.0)
    assert table.loc[0, ["step", "feature", "vif", "kept"]].tolist() == [1, "sum", np.inf, False]
    assert kept(table) == ["x0", "x1", "x2", "x3"]
    # The last that may go goes: with the sum protected, that is x2.
    assert kept(eliminate_vif(points, kinds | {"sum": "continuous"}, 1000.0, ["sum"])) == ["x0", "x1", "x3", "sum"]


def test_copies_that_are_all_protected_stay_and_say_so():
    points, kinds = frame(2)
    points["x1"] = 5 - points["x0"]
    table = eliminate_vif(points, kinds, 10.0, ["x0", "x1"])
    assert np.isinf(table["vif"]).all() and table["kept"].all()
    assert table["reason"].str.contains("protected").all()


def test_factors_that_are_updated_are_those_computed_anew():
    points, kinds = frame(40, rows=300, seed=8)
    mixed = points.to_numpy() @ np.random.default_rng(9).normal(size=(40, 40))
    points = pd.DataFrame(mixed, columns=points.columns)
    table = eliminate_vif(points, kinds, 1.5)
    now = list(points.columns)
    for name, factor in table.loc[~table["kept"], ["feature", "vif"]].itertuples(index=False):
        assert vif(points[now])[name] == pytest.approx(factor, rel=1e-9)
        now.remove(name)
    assert 2 < len(now) < 40


def test_all_copies_leave_the_first():
    a = np.random.default_rng(5).normal(size=40)
    points = pd.DataFrame({f"x{i}": (i + 1) * a + i for i in range(6)})
    table = eliminate_vif(points, dict.fromkeys(points, "continuous"))
    assert kept(table) == ["x0"]
    assert table["feature"].tolist() == ["x5", "x4", "x3", "x2", "x1", "x0"]


def test_fewer_rows_than_covariates_leave_fewer_covariates_than_rows():
    points, kinds = frame(30, rows=12)
    table = eliminate_vif(points, kinds, 10.0)
    assert 1 <= len(kept(table)) < 11
    assert (vif(points[kept(table)]) < 10).all()


def test_constants_go_first_and_classes_take_no_part():
    points, kinds = frame(3, shared=10.0)
    points.insert(0, "flat", 3.0)
    points["rock"] = np.arange(len(points)) % 4
    table = eliminate_vif(points, kinds | {"flat": "continuous", "rock": "class"}, 10.0)
    assert table["feature"].tolist()[0] == "flat"
    assert "rock" in kept(table) and np.isnan(table.set_index("feature").at["rock", "vif"])
    without = eliminate_vif(points[["x0", "x1", "x2"]], kinds, 10.0)
    assert kept(table) == [*kept(without), "rock"]
    assert np.isinf(vif(points)["flat"])
    assert eliminate_vif(points, kinds | {"flat": "continuous", "rock": "class"}, 10.0, ["flat"]).set_index("feature").at["flat", "kept"]


@given(st.integers(0, 1000), st.floats(1.5, 20.0), st.sets(st.sampled_from([f"x{i}" for i in range(7)]), max_size=2))
@settings(max_examples=30, deadline=None)
def test_elimination_ends_below_the_threshold_and_keeps_what_is_protected(seed: int, threshold: float, safe: set[str]):
    points, kinds = frame(7, rows=25, seed=seed, shared=2.0)
    if seed % 2:
        points = points.assign(copy=3 - points["x6"], sum=points["x0"] + points["x1"] - points["x2"])
        kinds = dict.fromkeys(points, "continuous")
    table = eliminate_vif(points, kinds, threshold, sorted(safe))
    left = kept(table)
    assert safe <= set(left)
    free = [name for name in left if name not in safe]
    assert (vif(points[left])[free] < threshold).all()
    # At every step the largest of those that may go went.
    now = list(points.columns)
    for name, factor in table.loc[~table["kept"], ["feature", "vif"]].itertuples(index=False):
        factors = vif(points[now]).drop(list(safe))
        assert factors.max() == pytest.approx(factor, rel=1e-9) and factors[name] == pytest.approx(factor, rel=1e-9)
        now.remove(name)


@given(st.integers(0, 1000), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
@settings(max_examples=30, deadline=None)
def test_factors_do_not_depend_on_unit_or_origin(seed: int, shift: float, scale: float):
    points, _ = frame(4, rows=20, seed=seed, shared=1.0)
    moved = points.assign(x1=points["x1"] * scale + shift)
    assert vif(moved).tolist() == pytest.approx(vif(points).tolist(), rel=1e-6)


def test_a_class_of_two_codes_is_a_column_of_zeros_and_ones():
    points, kinds = frame(2, shared=1.0)
    points["wet"] = (points["x0"] > 0).astype(float) * 7 + 1
    as_number = vif(points)
    table = gvif(points, kinds | {"wet": "class"}).set_index("feature")
    assert table["gvif"].tolist() == pytest.approx(as_number.tolist(), rel=1e-9)
    assert table["df"].tolist() == [1, 1, 1]


def test_a_class_of_one_code_and_a_class_that_tells_another_are_infinite():
    points, kinds = frame(1, rows=12)
    points["one"] = 3.0
    points["rock"] = np.arange(12) % 3
    points["group"] = (np.arange(12) % 3 > 0).astype(float)
    table = gvif(points, kinds | {"one": "class", "rock": "class", "group": "class"}).set_index("feature")
    assert np.isinf(table.loc[["one", "rock", "group"], "gvif"]).all()
    assert np.isfinite(table.at["x0", "gvif"]) and table.at["one", "df"] == 0


# Faults


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(bad: float):
    points, kinds = frame(3)
    points.loc[3, "x1"] = bad
    for screen in (lambda: screen_correlation(points, kinds, 0.9), lambda: eliminate_vif(points, kinds), lambda: vif(points)):
        with pytest.raises(ModelError, match=r"^covariate 'x1': 1 of 60 values are not finite"):
            screen()


def test_all_faults_come_at_once():
    points, kinds = frame(2)
    with pytest.raises(ModelError) as caught:
        eliminate_vif(points, kinds, 0.5, ["nobody", "none"])
    assert len(caught.value.faults) == 3
    assert "'nobody' is no covariate; expected one of x0, x1" in str(caught.value)
    with pytest.raises(ModelError, match="correlation: limit"):
        screen_correlation(points, kinds, 1.5)


def test_one_profile_and_constants_alone_are_errors():
    points, kinds = frame(2, rows=1)
    with pytest.raises(ModelError, match="1 profiles"):
        screen_correlation(points, kinds, 0.9)
    with pytest.raises(ModelError, match="none of 1 varies"):
        eliminate_vif(pd.DataFrame({"a": [2.0, 2.0]}), {"a": "continuous"})


def test_many_copies_of_many_covariates_leave_one_of_each():
    points, _ = frame(12, seed=3)
    many = pd.concat([points.rename(columns=lambda name, i=i: f"{name}_{i}") * (i + 1) - i for i in range(5)], axis=1)
    kinds = dict.fromkeys(many, "continuous")
    first = [f"{name}_0" for name in points]
    assert kept(screen_correlation(many, kinds, 0.99)) == first
    assert kept(eliminate_vif(many, kinds, 1e6)) == first
    assert kept(screen_correlation(many, kinds, 0.99, protected=[f"{name}_3" for name in points])) == [f"{name}_3" for name in points]


# Functions of the target

YES = (
    "TN CN MC MN tn total_n c_n C:N C/N c.n mbc mbn soc SOC oc ocd ocs orc som loi nitrogen_0-5cm_mean soc_0-5cm_Q0.5 ORCDRC_M_sl1_250m "
    "T_OC S_OC ORG_CARBON TOTAL_N CN_RATIO orgc totalN TotN orgC OrgCarbon SOCstock SOCStock humus organic_matter organicMatter "
    "loss_on_ignition c_tot_ncs cn_ratio CNratio CnRatio c_to_n soil_organic_carbon microbial_c MicrobialBiomassC soc30 om carbon"
)
NO = (
    "cnty tnx scanline elevation slope dem_cn ocean socket somalia loisirs cation_exchange mnt carbonate caco3 nitrogen_deposition "
    "biomass_carbon leafNitrogen tn_x rock ndvi bsi lswi tmin tmax clay sand map mat bnpp ph a b c d x1 cnn oceanicity cn_runoff no2 twi"
)


@pytest.mark.parametrize("name", YES.split(" "))
def test_functions_of_carbon_are_flagged(name: str):
    table = target_derived(["slope", name], "log_soc_stock")
    assert table["feature"].tolist() == [name]
    assert table["reason"].item() and table["word"].item()


def test_other_names_are_not_flagged():
    assert target_derived(NO.split(" "), "soc_density").empty
    assert target_derived([], "soc").columns.tolist() == ["feature", "word", "reason"]


def test_beta_is_a_carbon_target_and_clay_is_not():
    names = ["tn", "clay_soilgrids", "slope"]
    assert target_derived(names, "beta")["feature"].tolist() == ["tn"]
    assert target_derived(names, "log_clay")["feature"].tolist() == ["clay_soilgrids"]


# Tables of other kinds


def test_words_and_covariates_without_a_kind_are_named():
    for screen in (lambda p, k: screen_correlation(p, k, 0.9), eliminate_vif, gvif):
        with pytest.raises(ModelError, match="covariate 'rock': holds words"):
            screen(pd.DataFrame({"rock": ["a", "b"]}), {"rock": "class"})
        with pytest.raises(ModelError, match="covariate 'slope': kind None"):
            screen(pd.DataFrame({"slope": [1.0, 2.0]}), {})


HELD = (
    "OCSKGM SOCS_0_30cm SOCC GSOCmap soilcarbon soilorganiccarbon soil_c DOC WSOC POXC totaln totalnitrogen N n_pct N_g_kg n_stock "
    "c_mic mic_c qmic microbialbiomass fulvic_acid"
)
NOT_HELD = "b4_mn B8_om total_c_precip c_total_cloud n_total_days total_n_pixels carbon_tax slope_n s2_n n_obs aspect_n"


def test_words_of_stocks_and_nitrogen_alone_are_told_from_bands_and_counts():
    assert target_derived(HELD.split(" "), "soc_stock")["feature"].tolist() == HELD.split(" ")
    assert target_derived(NOT_HELD.split(" "), "soc_stock").empty


def test_of_two_that_only_inflate_each_other_the_later_goes_whatever_the_rounding():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        a = rng.normal(size=80)
        points = pd.DataFrame({"a": a, "b": a + 0.05 * rng.normal(size=80)})
        for some in (points, points.sample(frac=1, random_state=seed), points * [3.7, 1e3]):
            assert eliminate_vif(some, dict.fromkeys("ab", "continuous"))["feature"][0] == "b"
