import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import r2_score

from edaphic.errors import ModelError
from edaphic.validate.metrics import NET_SCORES, SCORES, bootstrap, net_notes, paired_bootstrap, scores

NUMBERS = arrays(np.float64, 12, elements=st.floats(-1e3, 1e3), unique=True)


def test_a_perfect_prediction():
    result = scores([1.0, 5.0, 9.0], [1.0, 5.0, 9.0])
    zero, one, endless = dict.fromkeys(("bias", "mae", "rmse"), 0.0), dict.fromkeys(("mec", "ccc", "r2_pearson"), 1.0), np.inf
    assert result == zero | one | {"rpiq": endless, "rpd": endless}
    assert tuple(result) == SCORES


def test_the_mean_has_no_efficiency():
    assert scores([1.0, 2.0, 6.0], [3.0, 3.0, 3.0])["mec"] == pytest.approx(0.0)


def test_bias_is_predicted_minus_observed():
    assert scores([1.0, 2.0], [3.0, 4.0])["bias"] == pytest.approx(2.0)


@given(NUMBERS, NUMBERS)
def test_against_the_definitions(o, p):
    result = scores(o, p)
    assert result["mec"] == pytest.approx(r2_score(o, p), rel=1e-6, abs=1e-6)
    assert result["rmse"] == pytest.approx(np.sqrt(np.mean((p - o) ** 2)), rel=1e-6, abs=1e-9)
    ccc = 2 * np.cov(o, p, ddof=0)[0, 1] / (o.var() + p.var() + (o.mean() - p.mean()) ** 2)
    assert result["ccc"] == pytest.approx(ccc, rel=1e-6, abs=1e-6)
    assert result["ccc"] <= 1 + 1e-12
    rmse = np.sqrt(np.mean((p - o) ** 2))
    assert result["mae"] == pytest.approx(np.mean(np.abs(p - o)), rel=1e-9)
    if rmse > 0:
        assert result["rpiq"] == pytest.approx(np.subtract(*np.percentile(o, [75, 25])) / rmse, rel=1e-6)
        assert result["rpd"] == pytest.approx(o.std() / rmse, rel=1e-6)


def test_large_numbers_do_not_cancel():
    o = 1e8 + np.array([1.0, 2.0, 3.0])
    assert scores(o, o + 1)["mec"] == pytest.approx(-0.5, abs=1e-6)


def test_bootstrap_covers_the_known_error_of_a_mean():
    rng = np.random.default_rng(1)
    inside = 0
    for trial in range(200):
        error = rng.normal(0.0, 1.0, 80)
        low, high = bootstrap(np.zeros(80), error, np.arange(80), 300, trial)["bias"]
        inside += low <= 0.0 <= high
    assert 180 <= inside <= 200


def test_drawing_groups_widens_the_interval_where_their_errors_are_alike():
    rng = np.random.default_rng(2)
    o = rng.normal(size=300)
    p = o + np.repeat(rng.normal(size=30), 10)
    rows = bootstrap(o, p, np.arange(300), 500, 1)["bias"]
    groups = bootstrap(o, p, np.repeat(np.arange(30), 10), 500, 1)["bias"]
    assert np.ptp(groups) > 2 * np.ptp(rows)


def test_the_seed_decides_and_the_score_lies_in_its_interval():
    rng = np.random.default_rng(3)
    o = rng.normal(size=100)
    p = o + rng.normal(size=100)
    one, again = (bootstrap(o, p, np.arange(100), 400, 5) for _ in range(2))
    assert one == again
    for name in SCORES:
        assert one[name][0] <= scores(o, p)[name] <= one[name][1]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 100])
def test_rpiq_has_the_quartiles_of_the_observations_that_are_scored(n):
    rng = np.random.default_rng(n)
    o = rng.normal(size=n)
    expected = np.subtract(*np.percentile(o, [75, 25])) / 2.0
    assert scores(o, o + 2.0)["rpiq"] == pytest.approx(expected, abs=1e-8)


def test_constant_observations_and_predictions():
    flat = scores([0.1] * 7, [0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.4])
    assert np.isnan(flat["mec"]) and np.isnan(flat["r2_pearson"]) and flat["ccc"] == pytest.approx(0.0)
    assert flat["rpiq"] == 0.0
    said = scores([1.0, 2.0, 6.0], [0.1 + 0.2] * 3)
    assert np.isnan(said["r2_pearson"]) and said["ccc"] == 0.0


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_unit_free_scores_do_not_depend_on_the_unit(scale):
    rng = np.random.default_rng(4)
    o = rng.gamma(2.0, 1.0, 60)
    p = o + rng.normal(size=60)
    one, other = scores(o, p), scores(scale * o, scale * p)
    for name in ("mec", "ccc", "r2_pearson", "rpiq", "rpd"):
        assert other[name] == pytest.approx(one[name], rel=1e-9)
    assert other["rmse"] == pytest.approx(scale * one["rmse"])


def test_whole_weights_repeat_rows():
    rng = np.random.default_rng(5)
    o, often = rng.normal(size=40), rng.integers(0, 4, 40)
    p = o + rng.normal(size=40)
    weighted, repeated = scores(o, p, weights=often), scores(np.repeat(o, often), np.repeat(p, often))
    for name in set(SCORES) - {"rpiq"}:
        assert weighted[name] == pytest.approx(repeated[name], rel=1e-9)
    # Only ratios of weights count, so the quartiles cannot know how many rows there truly were.
    assert weighted["rpiq"] == pytest.approx(repeated["rpiq"], rel=0.05)
    for same in (1.0, 0.1, 7.0):
        assert scores(o, p, weights=np.full(40, same)) == pytest.approx(scores(o, p), rel=1e-9)


def test_a_row_without_weight_is_not_there():
    o, p = [1.0, 2.0, 4.0, 1000.0], [1.5, 2.0, 3.0, -1000.0]
    assert scores(o, p, weights=[1, 1, 1, 0]) == scores(o[:3], p[:3])
    kept = bootstrap(o, p, [0, 1, 2, 3], 50, 1, weights=[1, 1, 1, 0])
    assert kept == bootstrap(o[:3], p[:3], [0, 1, 2], 50, 1)


def test_measurement_error_taken_out_gives_the_error_against_the_truth():
    rng = np.random.default_rng(6)
    truth = rng.normal(10.0, 3.0, 200_000)
    sd = np.where(np.arange(len(truth)) % 2, 1.0, 2.0)
    predicted = truth + rng.normal(0.0, 1.5, len(truth))
    observed = truth + rng.normal(size=len(truth)) * sd
    result, wanted = scores(observed, predicted, error_sd=sd), scores(truth, predicted)
    assert result["rmse_net"] == pytest.approx(wanted["rmse"], rel=0.02)
    assert result["mec_net"] == pytest.approx(wanted["mec"], abs=0.01)
    assert result["rmse"] > 1.4 * wanted["rmse"] and result["mec"] < wanted["mec"] - 0.1
    assert result["error_share"] == pytest.approx(2.5 / (2.5 + 1.5**2), rel=0.02)
    assert net_notes(result) == []


def test_more_measurement_error_than_error_is_floored_and_said():
    result = scores([1.0, 2.0, 3.0], [1.1, 2.1, 3.1], error_sd=0.5)
    assert result["rmse_net"] == 0.0 and result["mec_net"] == 1.0
    assert "rmse_net is set to 0" in net_notes(result)[0]
    none_left = scores([1.0, 2.0, 3.0], [5.0, 1.0, 3.0], error_sd=1.0)
    assert np.isnan(none_left["mec_net"]) and "mec_net is not defined" in net_notes(none_left)[0]
    assert net_notes(scores([1.0, 2.0], [1.0, 3.0])) == []


def test_bootstrap_has_an_interval_for_each_score_and_for_the_net_ones():
    rng = np.random.default_rng(7)
    o = rng.gamma(2.0, 2.0, 200)
    p = o + rng.normal(size=200)
    limits = bootstrap(o, p, np.arange(200) // 2, 300, 1, error_sd=0.5)
    assert set(limits) == set(SCORES) | set(NET_SCORES)
    for name, (low, high) in limits.items():
        assert low < scores(o, p, error_sd=0.5)[name] < high


def test_bootstrap_draws_the_quartiles_anew():
    rng = np.random.default_rng(8)
    n, draws = 60, 4000
    o, p = rng.normal(size=n), rng.normal(size=n)
    got = bootstrap(o, p, np.arange(n), draws, 1)["rpiq"]
    found = []
    for _ in range(draws):
        rows = rng.integers(0, n, n)
        found.append(np.subtract(*np.percentile(o[rows], [75, 25])) / np.sqrt(np.mean((p[rows] - o[rows]) ** 2)))
    np.testing.assert_allclose(got, np.quantile(found, [0.025, 0.975]), atol=0.04)


def test_bootstrap_does_not_depend_on_how_it_is_cut_or_on_names_of_groups(monkeypatch):
    rng = np.random.default_rng(9)
    o, p = rng.normal(size=90), rng.normal(size=90)
    code = np.arange(90) // 3
    one = bootstrap(o, p, code, 200, 1)
    assert bootstrap(o, p, np.char.add("p", np.char.zfill(code.astype(str), 3)), 200, 1) == one
    monkeypatch.setattr("edaphic.validate.metrics._CELLS", 300)
    assert bootstrap(o, p, code, 200, 1) == one


def test_one_group_has_no_interval():
    low, high = bootstrap([1.0, 2.0, 3.0], [1.0, 2.5, 3.0], [4, 4, 4], 100, 1)["rmse"]
    assert np.isnan(low) and np.isnan(high)


def test_paired_difference_is_that_of_the_scores_and_changes_sign_with_the_order():
    rng = np.random.default_rng(10)
    o = rng.normal(size=120)
    a, b = o + rng.normal(0.0, 0.5, 120), o + rng.normal(0.0, 1.0, 120)
    there = paired_bootstrap(o, a, b, np.arange(120) // 2, 500, 3)
    back = paired_bootstrap(o, b, a, np.arange(120) // 2, 500, 3)
    assert tuple(there) == SCORES
    for name in SCORES:
        assert there[name][0] == pytest.approx(scores(o, a)[name] - scores(o, b)[name])
        assert there[name] == pytest.approx((-back[name][0], -back[name][2], -back[name][1]))
    assert there["rmse"][2] < 0 < there["mec"][1]


def test_pairs_tell_apart_what_single_intervals_cannot():
    rng = np.random.default_rng(11)
    o = rng.normal(size=200)
    shared = rng.standard_t(3, 200)
    a, b = o + shared, o + shared * 1.1 + rng.normal(0.0, 0.1, 200)
    groups = np.arange(200)
    single_a, single_b = bootstrap(o, a, groups, 500, 1)["rmse"], bootstrap(o, b, groups, 500, 1)["rmse"]
    assert single_a[1] > single_b[0]
    assert paired_bootstrap(o, a, b, groups, 500, 1)["rmse"][2] < 0


def test_paired_interval_holds_zero_as_often_as_it_says():
    rng = np.random.default_rng(12)
    held = 0
    for trial in range(200):
        o = rng.normal(size=100)
        place = np.repeat(rng.normal(size=(2, 50)), 2, axis=1)
        a, b = o + place[0] + rng.normal(size=100), o + place[1] + rng.normal(size=100)
        _, low, high = paired_bootstrap(o, a, b, np.arange(100) // 2, 300, trial, level=0.9)["mae"]
        held += low <= 0 <= high
    assert 165 <= held <= 194


def test_equal_predictions_do_not_differ():
    rng = np.random.default_rng(13)
    o, p = rng.normal(size=30), rng.normal(size=30)
    assert all(value == (0.0, 0.0, 0.0) for value in paired_bootstrap(o, p, p, np.arange(30), 50, 1).values())


def test_columns_of_tables_are_taken():
    table = pd.DataFrame({"o": [1.0, 2.0, 4.0], "p": [1.0, 3.0, 3.0], "g": ["a", "b", "c"]}, index=[5, 3, 9])
    assert scores(table["o"], table["p"]) == scores([1.0, 2.0, 4.0], [1.0, 3.0, 3.0])
    assert bootstrap(table["o"], table["p"], table["g"], 20, 1)["mae"][1] <= 1.0


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (([], []), {}, "one row or more"),
        (([1.0, 2.0], [1.0]), {}, "one of each per row"),
        (([1.0, np.nan], [1.0, 2.0]), {}, "1 of 2 observed values are missing"),
        (([1.0, 2.0], [np.inf, 2.0]), {}, "1 of 2 predicted values"),
        (([1.0, 2.0], [1.0, 2.0]), {"weights": [1.0, -1.0]}, "negative"),
        (([1.0, 2.0], [1.0, 2.0]), {"weights": [0.0, 0.0]}, "all zero"),
        (([1.0, 2.0], [1.0, 2.0]), {"weights": [1.0]}, "weights of shape"),
        (([1.0, 2.0], [1.0, 2.0]), {"error_sd": [1.0, np.nan]}, "error_sd values are missing"),
        (([1.0, 2.0], [1.0, 2.0]), {"error_sd": -1.0}, "negative"),
        (([1.0, 2.0], [1.0, 2.0]), {"error_sd": [1.0, 1.0, 1.0]}, "error_sd of shape"),
    ],
)
def test_faults_are_lines(arguments, options, words):
    with pytest.raises(ModelError, match=words):
        scores(*arguments, **options)


def test_faults_of_the_bootstrap():
    with pytest.raises(ModelError, match="groups of shape"):
        bootstrap([1.0, 2.0], [1.0, 2.0], [1], 10, 1)
    with pytest.raises(ModelError, match="0 draws"):
        bootstrap([1.0, 2.0], [1.0, 2.0], [1, 2], 0, 1)
    with pytest.raises(ModelError) as both:
        scores([np.nan, 1.0], [1.0, np.nan])
    assert len(both.value.faults) == 2


@pytest.mark.parametrize("lost", [[1.0, np.nan, np.nan], ["a", None, "b"], pd.array([1, None, 2], dtype="Int64")])
def test_rows_without_a_group_are_named_not_thrown_together(lost):
    count = int(pd.isna(pd.Series(lost)).sum())
    with pytest.raises(ModelError, match=f"scores: {count} of 3 rows have no group"):
        bootstrap([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], lost, 10, 1)
    with pytest.raises(ModelError, match="rows have no group"):
        paired_bootstrap([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [1.0, 2.0, 3.0], lost, 10, 1)


def test_words_are_no_values():
    with pytest.raises(ModelError, match="scores: predicted values are not all numbers"):
        scores([1.0, 2.0], ["a", "b"])
