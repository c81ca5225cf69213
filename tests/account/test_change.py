"""Change of cells and of totals: closed forms, draws, properties, coverage on fields whose correlation in time is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from scipy.special import owens_t
from scipy.stats import multivariate_normal, norm

from edaphic.account.change.cells import cell_change
from edaphic.account.change.maps import CELL_COLUMNS, change_maps
from edaphic.account.change.normal import owen_t, wedge
from edaphic.account.change.pairs import later_field, mixed_totals, paired_totals, table_totals, wide_totals
from edaphic.account.change.regional import (
    CHANGE_COLUMNS,
    SENSITIVITY,
    SENSITIVITY_COLUMNS,
    UNKNOWN,
    TimeCorrelation,
    regional_change,
)
from edaphic.account.totals import ClassLayer
from edaphic.covariates.grid import Window
from edaphic.errors import ModelError, RasterError, TableError

Readers = Callable[[np.ndarray], Callable[[Window], np.ndarray]]
Grids = Callable[[int, int], GeoBox]
Maps = dict[str, np.ndarray]

Z90 = float(norm.ppf(0.95))
FIELDS = ("change", "sd", "low", "high", "p_increase", "minimum_detectable")


def cells(middle: np.ndarray, lower: np.ndarray, upper: np.ndarray, factor: float = 1.0) -> Maps:
    """Maps of two-piece normals with these medians and scales; the mean is theirs times a factor."""
    mean = (middle + (upper - lower) / np.sqrt(2 * np.pi)) * factor
    return {"q05": middle - Z90 * lower, "q50": middle, "q95": middle + Z90 * upper, "mean": mean}


def normals(mean: np.ndarray, sd: np.ndarray) -> Maps:
    return cells(mean, sd, sd)


# probabilities ------------------------------------------------------------


def test_owen_t_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    h, a = rng.normal(0, 3, 2000), np.exp(rng.normal(0, 2, 2000)) * rng.choice([-1, 1], 2000)
    np.testing.assert_allclose([owen_t(x, y) for x, y in zip(h, a, strict=True)], owens_t(h, a), rtol=0, atol=1e-14)
    assert owen_t(0.7, np.inf) == pytest.approx(float(owens_t(0.7, np.inf)))


def test_wedges_are_bivariate_normal_probabilities() -> None:
    rng = np.random.default_rng(1)
    for case in range(200):
        b, level, slope = rng.normal(size=3)
        b, level = (0.0 if case % 7 == 0 else b), (0.0 if case % 5 == 0 else level)
        width = abs(rng.normal()) * 10 ** rng.uniform(-2, 0)
        length = np.hypot(width, slope)
        r = -slope / length
        expected = multivariate_normal.cdf([b, level / length], cov=[[1, r], [r, 1]], abseps=1e-10)
        assert wedge(b, level, slope, width) == pytest.approx(expected, abs=1e-8)


def test_a_wedge_without_spread_is_an_interval() -> None:
    for b, level, slope in ((0.5, 0.3, 1.0), (0.5, -0.7, 1.0), (-0.5, 0.3, -1.0), (0.0, 0.3, 1.0), (0.0, 0.0, 1.0), (0.3, -0.3, 1.0)):
        low, high = (-level / slope, b) if slope > 0 else (-np.inf, min(b, -level / slope))
        assert wedge(b, level, slope, 0.0) == pytest.approx(max(norm.cdf(high) - norm.cdf(low), 0.0), abs=1e-15)


# cells ------------------------------------------------------------


@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.6, 0.95, 1.0])
def test_even_distributions_have_the_closed_form(rho: float) -> None:
    rng = np.random.default_rng(2)
    m1, m2, s1, s2 = rng.uniform(20, 30, (2, 50)).tolist() + rng.uniform(0.5, 3, (2, 50)).tolist()
    m1, m2, s1, s2 = (np.array(one) for one in (m1, m2, s1, s2))
    found = cell_change(normals(m1, s1), normals(m2, s2), rho, level=0.8, power=0.9)
    sd = np.sqrt(s1**2 + s2**2 - 2 * rho * s1 * s2)
    np.testing.assert_allclose(found.change, m2 - m1, atol=1e-12)
    np.testing.assert_allclose(found.sd, sd, rtol=1e-7)
    np.testing.assert_allclose(found.p_increase, norm.cdf((m2 - m1) / sd), atol=1e-9)
    np.testing.assert_allclose(found.low, m2 - m1 - norm.ppf(0.9) * sd, atol=1e-6)
    np.testing.assert_allclose(found.high, m2 - m1 + norm.ppf(0.9) * sd, atol=1e-6)
    np.testing.assert_allclose(found.minimum_detectable, (norm.ppf(0.9) + norm.ppf(0.9)) * sd, rtol=1e-7)


def test_the_general_way_meets_the_closed_form() -> None:
    m, s = np.array([10.0, 20.0]), np.array([1.0, 2.0])
    even, nearly = normals(m, s), cells(m, s * (1 + 1e-7), s)
    a, b = cell_change(even, normals(m + 1, s), 0.7), cell_change(nearly, normals(m + 1, s), 0.7)
    for name in FIELDS:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=2e-6)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.9, 0.999, 1.0])
def test_uneven_distributions_beside_draws(rho: float) -> None:
    rng = np.random.default_rng(3)
    lower, upper, middle = np.array([0.5, 2.0]), np.array([3.0, 0.4]), np.array([6.0, 7.0])
    before, after = cells(middle, lower, upper, 1.1), cells(middle[::-1] + 0.5, upper, lower[::-1], 0.9)
    found = cell_change(before, after, rho)
    z1 = rng.normal(size=400_000)
    z2 = rho * z1 + np.sqrt(1 - rho**2) * rng.normal(size=z1.size)
    for i in (0, 1):
        draws = []
        for maps, z in ((before, z1), (after, z2)):
            low, high = (maps["q50"][i] - maps["q05"][i]) / Z90, (maps["q95"][i] - maps["q50"][i]) / Z90
            scale = maps["mean"][i] / (maps["q50"][i] + (high - low) / np.sqrt(2 * np.pi))
            draws.append(scale * (maps["q50"][i] + np.where(z > 0, high, low) * z))
        change = draws[1] - draws[0]
        assert found.change[i] == pytest.approx(change.mean(), abs=0.03)
        assert found.sd[i] == pytest.approx(change.std(), rel=0.01)
        assert found.p_increase[i] == pytest.approx((change > 0).mean(), abs=0.005)
        inside = (change >= found.low[i]) & (change <= found.high[i])
        assert inside.mean() == pytest.approx(0.9, abs=0.004)
        assert (change < found.low[i]).mean() == pytest.approx(0.05, abs=0.003)


numbers = st.floats(0.0, 5.0).map(lambda x: round(x, 3))


@settings(max_examples=150, deadline=None)
@given(numbers, numbers, numbers, numbers, st.floats(5, 50), st.floats(5, 50), st.floats(-1, 1), st.floats(0.9, 1.1))
def test_increase_and_decrease_share_one_and_times_turned_round_mirror(
    l1: float, u1: float, l2: float, u2: float, m1: float, m2: float, rho: float, factor: float
) -> None:
    before, after = (cells(*(np.array([x]) for x in one), factor) for one in ((m1, l1, u1), (m2, l2, u2)))
    there, back = cell_change(before, after, rho), cell_change(after, before, rho)
    # A half without width is taken as one of almost none: what of it lies at zero is counted on neither side.
    assert float(there.p_increase[0] + back.p_increase[0]) == pytest.approx(1.0, abs=2e-6 if 0.0 in (l1, u1, l2, u2) else 1e-9)
    assert float(there.change[0]) == -float(back.change[0])
    assert float(there.sd[0]) == pytest.approx(float(back.sd[0]), abs=1e-6)
    assert float(there.low[0]) <= float(there.high[0]) + 1e-9
    shown = float(there.low[0]) > 1e-6
    assert not shown or float(there.p_increase[0]) > 0.95 - 1e-6


@settings(max_examples=60, deadline=None)
@given(numbers, numbers, st.floats(5, 50), st.floats(0.9, 1.1))
def test_equal_distributions_that_err_alike_have_no_spread(low: float, high: float, middle: float, factor: float) -> None:
    maps = cells(np.array([middle]), np.array([low]), np.array([high]), factor)
    found = cell_change(maps, maps, 1.0)
    assert [float(getattr(found, name)[0]) for name in FIELDS] == [0.0, 0.0, 0.0, 0.0, 0.5, 0.0]
    spreads = [float(cell_change(maps, maps, rho).sd[0]) for rho in (0.0, 0.5, 0.9, 0.99, 1.0)]
    assert spreads == sorted(spreads, reverse=True)


def test_without_a_correlation_only_the_mean_change_is_told() -> None:
    maps = normals(np.array([[5.0, np.nan]]), np.array([[1.0, 1.0]]))
    found = cell_change(maps, normals(np.array([[6.0, 6.0]]), np.array([[1.0, 1.0]])), None)
    assert found.change[0, 0] == 1.0
    assert all(np.isnan(getattr(found, name)).all() for name in FIELDS[1:])
    assert np.isnan(found.change[0, 1])


def test_cells_of_nothing() -> None:
    nothing = {name: np.zeros(2) for name in ("q05", "q50", "q95", "mean")}
    found = cell_change(nothing, nothing, 0.3)
    assert found.sd.tolist() == [0.0, 0.0]
    assert found.p_increase.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rho": 1.2}, "correlation of errors in time 1.2; expected -1 to 1"),
        ({"rho": 0.5, "level": 0.0}, "level 0; expected a share between 0 and 1"),
        ({"rho": 0.5, "power": 1.0}, "power 1; expected a share from 0.5 and below 1"),
        ({"rho": 0.5, "after": {}}, "change, after: no q05, q50, q95, mean among no maps"),
        ({"rho": 0.5, "after": normals(np.ones(3), np.ones(3))}, "maps of shapes (2,), (3,); expected one shape"),
        ({"rho": 0.5, "before": normals(np.ones(2), -np.ones(2))}, "change, before: q05, q50 and q95 cross in 2 cells"),
    ],
)
def test_faults_of_cells(options: dict[str, object], words: str) -> None:
    told = {"before": normals(np.ones(2), np.ones(2)), "after": normals(np.ones(2), np.ones(2))} | options
    with pytest.raises(ModelError) as fault:
        cell_change(told.pop("before"), told.pop("after"), told.pop("rho"), **told)  # type: ignore[arg-type]
    assert len(fault.value.faults) == 1
    assert words in fault.value.faults[0]


# totals ------------------------------------------------------------


def one_field(rng: np.random.Generator, draws: int, blocks: int = 40, reach: float = 8.0) -> np.ndarray:
    distance = np.abs(np.arange(blocks)[:, None] - np.arange(blocks))
    return np.asarray(rng.normal(size=(draws, blocks)) @ np.linalg.cholesky(np.exp(-distance / reach)).T)


def test_later_fields_have_the_correlation_and_keep_the_covariance() -> None:
    rng = np.random.default_rng(4)
    first, fresh = one_field(rng, 20_000), one_field(rng, 20_000)
    later = later_field(first, fresh, 0.7)
    assert np.corrcoef(first[:, 5], later[:, 5])[0, 1] == pytest.approx(0.7, abs=0.02)
    assert np.corrcoef(later[:, 5], later[:, 9])[0, 1] == pytest.approx(np.exp(-4 / 8), abs=0.02)
    np.testing.assert_array_equal(later_field(first, fresh, 1.0), first)


def linear(area: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda scores: ((mean + sd * scores) * area).sum(axis=1, keepdims=True)


def test_linear_totals_have_the_closed_form_and_a_table_gives_them() -> None:
    rng = np.random.default_rng(5)
    area, mean, sd = rng.uniform(1, 2, 40), rng.uniform(5, 9, 40), rng.uniform(0.5, 1.5, 40)
    first, fresh = one_field(rng, 20_000), one_field(rng, 20_000)
    nodes = np.linspace(-3, 3, 7)
    tables = [table_totals(nodes, (area[:, None] * (mean[:, None] + more + sd[:, None] * nodes))[:, None, :]) for more in (0.0, 0.3)]
    pairs = paired_totals(first, fresh, *tables)
    np.testing.assert_allclose(pairs(0.6)[0], linear(area, mean, sd)(first), rtol=1e-10)
    found = regional_change(pairs, pd.DataFrame({"class_name": ["all"]}), TimeCorrelation(0.6, "stated")).changes.iloc[0]
    covariance = np.exp(-np.abs(np.arange(40)[:, None] - np.arange(40)) / 8.0) * np.outer(area * sd, area * sd)
    true_sd, true = np.sqrt(2 * 0.4 * covariance.sum()), 0.3 * area.sum()
    assert found["sd_Tg"] == pytest.approx(true_sd, rel=0.02)
    assert found["change_Tg"] == pytest.approx(true, abs=0.03 * true_sd)
    assert found["p_increase"] == pytest.approx(norm.cdf(true / true_sd), abs=0.01)
    assert found["minimum_detectable_Tg"] == pytest.approx((Z90 + norm.ppf(0.8)) * true_sd, rel=0.02)
    assert found["low_Tg"] == pytest.approx(true - Z90 * true_sd, abs=0.06 * true_sd)


def test_the_interval_of_a_change_covers_where_the_correlation_is_right() -> None:
    """400 pairs of fields with rho 0.8: the interval holds the true change of 85 to 95 %; with rho 0 of more, with rho 0.98 of fewer."""
    rng = np.random.default_rng(6)
    area, sd = rng.uniform(1, 2, 40), rng.uniform(0.5, 1.5, 40)
    mean = rng.uniform(5, 9, 40)
    total = linear(area, mean, sd)
    pairs = paired_totals(one_field(rng, 3000), one_field(rng, 3000), total, total)
    found = regional_change(pairs, pd.DataFrame({"of": ["all"]}), TimeCorrelation(0.8, "stated"), sensitivity=[0.0, 0.98])
    truth = one_field(rng, 400)
    change = (total(later_field(truth, one_field(rng, 400), 0.8)) - total(truth))[:, 0]
    table = found.sensitivity.set_index("rho")
    shares = {rho: ((change >= table.loc[rho, "low_Tg"]) & (change <= table.loc[rho, "high_Tg"])).mean() for rho in (0.0, 0.8, 0.98)}
    assert 0.85 <= shares[0.8] <= 0.95
    assert shares[0.0] > 0.97
    assert shares[0.98] < 0.6


def test_finished_realisations_mixed_are_nearly_what_fields_give() -> None:
    rng = np.random.default_rng(12)
    first, fresh = one_field(rng, 20_000), one_field(rng, 20_000)
    area, keys = rng.uniform(1, 2, 40), pd.DataFrame({"of": ["all"]})

    def total(more: float) -> Callable[[np.ndarray], np.ndarray]:
        return lambda scores: (area * (6 + more) * np.exp(0.4 * scores)).sum(axis=1, keepdims=True)

    exact = regional_change(paired_totals(first, fresh, total(0), total(1)), keys, TimeCorrelation(0.7, "stated"))
    mixed = regional_change(mixed_totals(total(0)(first), total(1)(first), total(1)(fresh)), keys, TimeCorrelation(0.7, "stated"))
    for name in ("before_Tg", "after_Tg"):
        np.testing.assert_allclose(mixed.changes[name], exact.changes[name], rtol=0.005)
    np.testing.assert_allclose(mixed.sensitivity["sd_Tg"], exact.sensitivity["sd_Tg"], rtol=0.01)
    same = mixed_totals(total(0)(first), total(1)(first), total(1)(fresh))(1.0)[1]
    np.testing.assert_allclose(same, total(1)(first), rtol=1e-12)
    np.testing.assert_allclose(mixed.changes["p_increase"], exact.changes["p_increase"], atol=0.01)


def test_a_long_table_of_realisations_becomes_an_array() -> None:
    long = pd.DataFrame(
        [("zone", code, top, top + 30.0, draw, 100 * draw + 10 * code + top) for draw in range(3) for code in (2, 1) for top in (0.0, 30.0)]
    )
    long.columns = pd.Index(["by", "class", "top_cm", "bottom_cm", "realisation", "total_Tg"])
    keys, totals = wide_totals(long)
    assert keys["class"].tolist() == [2, 2, 1, 1]
    assert totals.tolist() == [[20, 50, 10, 40], [120, 150, 110, 140], [220, 250, 210, 240]]
    again_keys, again = wide_totals(long.iloc[::-1])
    assert again[:, ::-1].tolist() == totals.tolist()
    assert again_keys["class"].tolist() == [1, 1, 2, 2]
    with pytest.raises(TableError, match="11 numbers for 4 rows and 3 draws; expected one of each"):
        wide_totals(long.iloc[1:])
    with pytest.raises(TableError, match="no column total_Tg"):
        wide_totals(long.drop(columns="total_Tg"))


def test_what_is_drawn_anew_at_each_visit_hides_a_correlation() -> None:
    """Scores of two visits: 60 % a part with correlation 0.9, 40 % noise of their own. The pairs show 0.54."""
    rng = np.random.default_rng(13)
    first, fresh = rng.normal(size=(2, 50_000))
    both = [np.sqrt(0.6) * one + np.sqrt(0.4) * rng.normal(size=50_000) for one in (first, later_field(first, fresh, 0.9))]
    seen = float(np.corrcoef(*both)[0, 1])
    assert seen == pytest.approx(0.54, abs=0.01)
    assert TimeCorrelation(seen, "estimated").without_noise(0.4).rho == pytest.approx(0.9, abs=0.02)
    assert TimeCorrelation(0.9, "estimated", 0.8, 0.95).without_noise(0.2) == TimeCorrelation(
        1.0, "estimated; divided by 1 - 0.2 for what is drawn anew at each visit", 1.0, 1.0
    )
    assert TimeCorrelation().without_noise(0.2) == TimeCorrelation()
    with pytest.raises(ModelError, match="share of noise 1; expected 0 to below 1"):
        TimeCorrelation(0.5, "stated").without_noise(1.0)


def test_refitted_forests_are_alike_in_time_by_themselves() -> None:
    rng = np.random.default_rng(7)
    first, fresh, shared = (rng.normal(size=(5000, 3)) for _ in range(3))
    same = linear(np.ones(3), np.zeros(3), np.ones(3))
    keys, unknown = pd.DataFrame({"of": ["all"]}), TimeCorrelation(0.0, "stated")
    alone = regional_change(paired_totals(first, fresh, same, same), keys, unknown).changes
    refits = paired_totals(first, fresh, same, same, refits=(shared, shared), refit_share=0.5)
    with_refits = regional_change(refits, keys, unknown).changes
    assert with_refits["sd_Tg"].iloc[0] == pytest.approx(alone["sd_Tg"].iloc[0] * np.sqrt(0.5), rel=1e-9)


def draws_of(change: float, sd: float) -> Callable[[float], tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(8)
    one, two = rng.normal(size=(2, 2000, 1))
    return lambda rho: (50 + sd * one, 50 + change + sd * (rho * one + np.sqrt(1 - rho**2) * two))


@pytest.mark.parametrize(("change", "words"), [(9.0, "increase"), (-9.0, "decrease"), (0.5, "no change shown")])
def test_verdicts(change: float, words: str) -> None:
    found = regional_change(draws_of(change, 1.0), pd.DataFrame({"of": ["all"]}), TimeCorrelation(0.5, "stated"))
    assert found.changes["verdict"].tolist() == [words]
    assert list(found.changes.columns) == ["of", *CHANGE_COLUMNS]


def test_an_unknown_correlation_lets_nothing_be_inferred_and_shows_what_each_would_mean() -> None:
    keys = pd.DataFrame({"class_name": ["all", "forest"], "top_cm": [0.0, 0.0]})
    both = draws_of(3.0, 1.0)
    found = regional_change(lambda rho: tuple(np.tile(one, 2) for one in both(rho)), keys, TimeCorrelation())  # type: ignore[return-value]
    assert found.changes["verdict"].tolist() == [UNKNOWN] * 2
    for name in ("change_Tg", "sd_Tg", "low_Tg", "high_Tg", "p_increase", "minimum_detectable_Tg", "rho"):
        assert found.changes[name].isna().all()
    assert found.changes["before_Tg"].notna().all()
    table = found.sensitivity
    assert list(table.columns) == ["class_name", "top_cm", *SENSITIVITY_COLUMNS]
    assert table["rho"].tolist() == list(SENSITIVITY) * 2
    assert table["class_name"].tolist() == ["all"] * 6 + ["forest"] * 6
    assert table["sd_Tg"].iloc[:6].is_monotonic_decreasing


def test_an_estimate_brings_its_limits_into_the_sensitivity_table() -> None:
    found = regional_change(draws_of(1.0, 1.0), pd.DataFrame({"of": ["all"]}), TimeCorrelation(0.6, "estimated", 0.4, 0.7))
    assert found.sensitivity["rho"].tolist() == sorted([*SENSITIVITY, 0.4, 0.6, 0.7])


def test_faults_of_totals() -> None:
    keys, stated, field = pd.DataFrame({"of": ["all"]}), TimeCorrelation(0.5, "stated"), np.zeros((200, 3))
    with pytest.raises(ModelError, match=r"in time 1\.5; expected -1 to 1"):
        TimeCorrelation(1.5)
    with pytest.raises(ModelError, match=r"10 draws; expected 100 or more"):
        regional_change(lambda rho: (np.ones((10, 1)), np.ones((10, 1))), keys, stated)
    with pytest.raises(ModelError, match=r"expected \(draws, 1\) both"):
        regional_change(lambda rho: (np.ones((200, 2)), np.ones((200, 2))), keys, stated)
    with pytest.raises(ModelError, match="1 of 1 rows hold numbers that are not finite"):
        regional_change(lambda rho: (np.full((200, 1), np.nan), np.ones((200, 1))), keys, stated)
    total = linear(np.ones(3), np.ones(3), np.ones(3))
    with pytest.raises(ModelError, match=r"fields of shapes \(200, 3\), \(200, 2\)"):
        paired_totals(field, field[:, :2], total, total)
    with pytest.raises(ModelError) as fault:
        paired_totals(field, field, total, total, refit_share=1.5)
    assert len(fault.value.faults) == 2
    with pytest.raises(ModelError, match=r"\(5, 1\), \(4, 1\); expected one shape"):
        mixed_totals(np.ones((5, 1)), np.ones((5, 1)), np.ones((4, 1)))
    with pytest.raises(ModelError, match="expected two or more that rise"):
        table_totals([0.0, 0.0], np.zeros((3, 1, 2)))
    with pytest.raises(ModelError, match=r"expected \(blocks, rows, 2\)"):
        table_totals([0.0, 1.0], np.zeros((3, 2)))
    with pytest.raises(ModelError, match="for a table of 3 blocks"):
        table_totals([0.0, 1.0], np.zeros((3, 1, 2)))(np.zeros((5, 4)))


# maps ------------------------------------------------------------


def both_dates(reader: Readers) -> tuple[dict[str, Maps], list[dict[str, Callable[[Window], np.ndarray]]]]:
    rng = np.random.default_rng(9)
    middle = rng.uniform(5, 9, (6, 8))
    middle[0, 0] = np.nan
    change = np.repeat([[4.0] * 4 + [0.0] * 4], 6, axis=0)
    dates = {}
    for when, more in (("before", 0.0), ("after", change)):
        one = cells(middle + more, rng.uniform(0.2, 0.5, (6, 8)), rng.uniform(0.3, 0.8, (6, 8)))
        one["q05"][0, 0] = one["q95"][0, 0] = np.nan
        dates[when] = {name: values.astype(np.float32).astype(np.float64) for name, values in one.items()}
    return dates, [{name: reader(values) for name, values in one.items()} for one in dates.values()]


def test_maps_by_windows_and_classes(plain: Grids, reader: Readers) -> None:
    dates, readers = both_dates(reader)
    halves = [ClassLayer("half", reader(np.repeat([[1.0] * 4 + [2.0] * 4], 6, axis=0)), {1: "changed", 2: "as before"})]
    tables, maps = [], []
    for size in (3, 512):
        out = {name: np.full((6, 8), np.nan) for name in FIELDS}

        def write(window: Window, found: dict[str, np.ndarray], out: dict[str, np.ndarray] = out) -> None:
            for name in out:
                out[name][window.slices] = found[name]

        tables.append(change_maps(*readers, plain(6, 8), TimeCorrelation(0.5, "stated"), write, halves, window_size=size))
        maps.append(out)
    whole = cell_change(dates["before"], dates["after"], 0.5)
    for name in FIELDS:
        np.testing.assert_array_equal(maps[0][name], maps[1][name])
        np.testing.assert_array_equal(maps[0][name], getattr(whole, name))
    assert tables[0].changes.equals(tables[1].changes)
    table = tables[0].changes.set_index("class_name")
    assert list(tables[0].changes.columns) == list(CELL_COLUMNS)
    assert table.loc["all", "cells"] == 47
    assert table.loc["changed", "increase_share"] == pytest.approx(1.0)
    assert table.loc["as before", "not_shown_share"] > 0.8
    assert table.loc["changed", "change_kg_m2"] == pytest.approx(np.nanmean(whole.change[:, :4]), rel=1e-3)
    assert table.loc["all", "cell_sd_kg_m2"] == pytest.approx(np.nanmean(whole.sd), rel=1e-3)
    shown = np.nanmean((whole.low > 0)[np.isfinite(whole.low)])
    assert table.loc["all", "increase_share"] == pytest.approx(shown, abs=0.01)
    assert table.loc["changed", "verdict"] == "of the area, 100.0 % shows an increase and 0.0 % a decrease, cell by cell"
    assert tables[0].sensitivity.groupby("class_name", sort=False).size().tolist() == [6, 6, 6]


def test_maps_without_a_correlation(plain: Grids, reader: Readers) -> None:
    _, readers = both_dates(reader)
    found = change_maps(*readers, plain(6, 8), TimeCorrelation(None, "cannot be estimated: 3 pairs"))
    row = found.changes.iloc[0]
    assert (row["verdict"], row["rho_origin"]) == (UNKNOWN, "cannot be estimated: 3 pairs")
    assert np.isnan([row[name] for name in ("cell_sd_kg_m2", "increase_share", "decrease_share", "not_shown_share", "rho")]).all()
    assert np.isfinite(row["change_kg_m2"])
    assert found.sensitivity["rho"].tolist() == list(SENSITIVITY)
    assert found.sensitivity["cell_sd_kg_m2"].is_monotonic_decreasing


def test_faults_of_maps(plain: Grids, reader: Readers) -> None:
    dates, (before, after) = both_dates(reader)
    stated = TimeCorrelation(0.5, "stated")
    with pytest.raises(RasterError) as fault:
        change_maps({"mean": before["mean"]}, after, plain(6, 8), stated)
    assert fault.value.faults == tuple(f"change, before: no map {name}; expected q05, q50, q95, mean" for name in ("q05", "q50", "q95"))
    holed = dates["after"]["q50"].copy()
    holed[2, 2] = np.nan
    with pytest.raises(RasterError, match="change, after: q50 and mean cover different cells"):
        change_maps(before, after | {"q50": reader(holed)}, plain(6, 8), stated)
    with pytest.raises(RasterError, match="change, after: q05, q50 and q95 cross in 47 cells"):
        change_maps(before, after | {"q05": after["q95"], "q95": after["q05"]}, plain(6, 8), stated)
    twice = [ClassLayer("a", reader(np.ones((6, 8))), {})] * 2
    with pytest.raises(RasterError, match="class layer a: the name is taken"):
        change_maps(before, after, plain(6, 8), stated, classes=twice)
    with pytest.raises(RasterError, match="no whole numbers"):
        change_maps(before, after, plain(6, 8), stated, classes=[ClassLayer("a", reader(np.full((6, 8), 0.5)), {})])
