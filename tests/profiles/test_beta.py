"""The beta depth function: closed forms, real profiles, properties, faults."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from edaphic.errors import TableError
from edaphic.profiles.depth import beta as depth
from edaphic.profiles.depth.spline import fit as spline
from edaphic.profiles.depth.spline import integrate

DEPTHS = np.array([20.0, 40.0, 60.0, 80.0, 100.0])
LAYERS = [(0, 20), (20, 40), (40, 60), (60, 80), (80, 100)]


def _stocks(beta: np.ndarray, depths: np.ndarray = DEPTHS) -> np.ndarray:
    """Cumulative stocks by the plain formula."""
    return 1.0 - np.asarray(beta)[:, None] ** depths


# Closed forms


@pytest.mark.parametrize("method", ["ratio", "truncated"])
def test_beta_without_noise_comes_back(method: depth.Method) -> None:
    beta = np.concatenate([np.linspace(0.95, 0.99, 41), [0.9, 0.9999, 1.0001, 1.02, 1.05]])
    found = depth.fit(DEPTHS, _stocks(beta) / (1 - beta[:, None]), method=method)
    assert np.abs(found.beta - beta).max() < 1e-12
    assert found.rmse.max() < 1e-12
    assert (found.reason == "").all()
    assert np.array_equal(found.above_one, beta > 1)


@pytest.mark.parametrize("method", ["ratio", "truncated"])
def test_even_carbon_is_beta_of_one_exactly(method: depth.Method) -> None:
    found = depth.fit(DEPTHS, [DEPTHS, 3.0 * DEPTHS], method=method)
    assert np.abs(found.beta - 1.0).max() < 1e-15
    assert depth.fit(DEPTHS, [DEPTHS]).beta[0] == 1.0
    assert not depth.fit(DEPTHS, [DEPTHS]).above_one[0]


def test_near_one_the_ratio_is_smooth() -> None:
    """ratio = deep/shallow (1 + L (deep - shallow)/2 + ...): L from the first term, for L too small for the plain formula."""
    L = np.array([1e-6, -1e-6, 1e-10, -1e-10, 1e-14])
    shallow = np.full(5, 20.0)
    found = depth.fit([20, 100], np.column_stack([shallow, 100 * (1 + 40 * L)]))
    assert np.log(found.beta) == pytest.approx(L, rel=1e-3, abs=2.5e-16)


def test_twice_the_depth_has_a_root_in_closed_form() -> None:
    """For deep = 2 shallow, r - 1 = beta^shallow."""
    ratio = np.array([1.001, 1.2, 1.9, 2.0, 2.5, 30.0])
    found = depth.fit([15, 30], np.column_stack([np.ones(6), ratio]), shallow_cm=15, deep_cm=30)
    assert found.beta == pytest.approx((ratio - 1) ** (1 / 15), rel=1e-13)


def test_lower_beta_means_a_steeper_decline() -> None:
    steep, gentle = (depth.layers_by_difference(beta, 5.0, LAYERS) for beta in (0.96, 0.98))
    assert (steep[1:] < gentle[1:]).all()
    assert steep[0] == pytest.approx(gentle[0])
    assert depth.share_below(0.96, 20) < depth.share_below(0.98, 20) < depth.share_below(1.0, 20) == pytest.approx(0.8)
    found = depth.fit([20, 100], [[5.0, 6.0], [5.0, 9.0]]).beta
    assert found[0] < found[1]


def test_half_in_every_twenty_centimetres() -> None:
    beta = 0.5 ** (1 / 20)
    assert depth.layers_by_difference(beta, 8.0, LAYERS) == pytest.approx([8, 4, 2, 1, 0.5], rel=1e-13)
    assert depth.cumulative(beta, 60, known_stock=8.0) == pytest.approx(14.0, rel=1e-13)
    assert depth.share_below(beta, 20) == pytest.approx(7.5 / 15.5, rel=1e-13)
    assert depth.share_below(beta, 0) == pytest.approx(1.0)
    assert depth.share_below(beta, 100) == 0.0


def test_factor_between_layers() -> None:
    assert depth.depth_factor(0.9786, (0, 30), (0, 20)) == pytest.approx((1 - 0.9786**20) / (1 - 0.9786**30), rel=1e-13)
    assert depth.depth_factor(0.9786, (0, 30), (0, 20)) == pytest.approx(0.736, abs=5e-4)
    assert depth.depth_factor(0.97, (5, 15), (40, 70)) == pytest.approx((0.97**40 - 0.97**70) / (0.97**5 - 0.97**15), rel=1e-13)
    assert depth.depth_factor(1.0, (5, 15), (40, 70)) == 3.0


def test_layers_in_closed_form_keep_digits_that_a_subtraction_loses() -> None:
    """0.6^100 is below the last bit of 1: cumulative stocks no longer differ, the layer still has its carbon."""
    layer = depth.layers_by_difference(0.6, 1.0, [(90, 100)])[0]
    assert layer == pytest.approx(0.6**90 * (1 - 0.6**10) / (1 - 0.6**20), rel=1e-12, abs=0)
    assert depth.cumulative(0.6, 100, known_stock=1.0) == depth.cumulative(0.6, 90, known_stock=1.0)


def test_rmse_by_hand() -> None:
    """Even by the ratio; the middle point lies 0.1 of the stock above the line, the shallow one on it."""
    found = depth.fit([20, 60, 100], [[2.0, 7.0, 10.0]])
    assert found.beta[0] == 1.0
    assert found.rmse[0] == pytest.approx(np.sqrt((0.0**2 + 0.1**2) / 2))


def test_truncated_is_the_minimum_that_another_program_finds() -> None:
    rng = np.random.default_rng(4)
    stocks = np.cumsum(rng.gamma(1.0, 1.0, (60, 5)), axis=1)
    found = depth.fit(DEPTHS, stocks, method="truncated")

    def loss(L: float, share: np.ndarray) -> float:
        return float(((np.expm1(L * DEPTHS) / np.expm1(L * 100) - share) ** 2).sum())

    for row, beta in zip(stocks / stocks[:, -1:], found.beta, strict=True):
        scan = np.linspace(-0.5, 0.5, 1000)
        start = scan[np.argmin([loss(L, row) for L in scan])]
        peer = minimize_scalar(loss, bounds=(start - 2e-3, start + 2e-3), args=(row,), method="bounded", options={"xatol": 1e-12})
        assert loss(np.log(beta) + 1e-300, row) <= peer.fun * (1 + 1e-9)
        assert np.log(beta) == pytest.approx(peer.x, abs=1e-6)


def test_truncated_is_the_best_of_the_three_by_its_own_measure() -> None:
    stocks = np.cumsum(np.random.default_rng(5).gamma(2.0, 1.0, (200, 5)), axis=1)
    best = depth.fit(DEPTHS, stocks, method="truncated").rmse
    for method in ("ratio", "log_linear"):
        assert (best <= depth.fit(DEPTHS, stocks, method=method).rmse + 1e-12).all()


def test_log_linear_is_a_regression_through_the_origin_and_biased_low() -> None:
    """With Y a share of the stock above 100 cm, not of all of it, the line bends down and beta comes out too low."""
    beta = np.array([0.97, 0.98, 0.99])
    stocks = _stocks(beta)
    found = depth.fit(DEPTHS, stocks, method="log_linear")
    y = np.log(1 - stocks[:, :4] / stocks[:, 4:])
    slope = np.array([np.linalg.lstsq(DEPTHS[:4, None], row, rcond=None)[0][0] for row in y])
    assert found.beta == pytest.approx(np.exp(slope), rel=1e-12)
    assert (found.beta < beta - 0.003).all()


def test_truncated_with_nothing_below_or_hardly_anything_above() -> None:
    found = depth.fit(DEPTHS, [[1, 1.5, 1.5, 1.5, 1.5], [1e-6, 2e-6, 3e-6, 4e-6, 5.0]], method="truncated")
    assert np.isfinite(found.beta).all()
    assert found.beta[0] < 0.97
    assert found.beta[1] > 1.1


def test_any_pair_of_depths_and_deeper_ones_are_not_looked_at() -> None:
    beta = np.array([0.96, 0.985])
    stocks = _stocks(beta)
    stocks[:, 3:] = np.nan
    found = depth.fit(DEPTHS, stocks, shallow_cm=40, deep_cm=60)
    assert found.beta == pytest.approx(beta, abs=1e-13)
    assert depth.fit(DEPTHS, stocks, deep_cm=80).reason.tolist() == ["not observed to depth"] * 2


def test_reasons() -> None:
    stocks = [
        [2.0, 3.0, 4.0, 5.0, 6.0],
        [2.0, 3.0, 4.0, 5.0, np.nan],
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [2.0, 3.0, 2.5, 5.0, 6.0],
        [2.0, 2.0, 2.0, 2.0, 2.0],
        [2.0, 3.0, 4.0, 5.0, 6.0],
    ]
    found = depth.fit(DEPTHS, stocks, n_layers=[4, 9, 9, 9, 9, 3])
    assert found.reason.tolist() == [
        "", "not observed to depth", "stock not positive", "not increasing", "not increasing", "too few layers",
    ]  # fmt: skip
    assert set(found.reason) - {""} == set(depth.REASONS)
    assert np.array_equal(np.isnan(found.beta), found.reason != "")
    assert np.array_equal(np.isnan(found.rmse), found.reason != "")
    assert depth.fit(DEPTHS, stocks[:1], n_layers=[3], min_layers=3).reason[0] == ""
    assert depth.fit(DEPTHS, stocks[-1:]).reason[0] == ""
    assert depth.fit(DEPTHS, [[2, 3, 4, 5, 5]], method="log_linear").reason[0] == "not increasing"
    assert depth.fit(DEPTHS, [[2, 3, 4, 5, 5]]).reason[0] == ""


def test_no_profiles() -> None:
    assert depth.fit(DEPTHS, np.empty((0, 5)), method="truncated").beta.shape == (0,)


# Numbers, arrays, rasters, columns


def test_beta_of_one_above_and_missing_in_a_raster_of_single_precision() -> None:
    beta = np.array([[0.97, 1.0], [1.02, np.nan]], dtype=np.float32)
    stock = np.array([[5.0, 5.0], [np.nan, 5.0]], dtype=np.float32)
    layers = depth.layers_by_difference(beta, stock, LAYERS)
    assert layers.dtype == np.float32
    assert layers.shape == (5, 2, 2)
    assert layers[:, 0, 1].tolist() == [5.0] * 5
    assert np.isnan(layers[:, 1]).all()
    assert depth.cumulative(beta, 100, known_stock=stock.astype(float)).dtype == np.float64
    rising = depth.layers_by_difference(1.02, 5.0, LAYERS)
    assert (np.diff(rising) > 0).all()
    assert rising.sum() == pytest.approx(5 * (1.02**100 - 1) / (1.02**20 - 1), rel=1e-13)


def test_columns_are_matched_by_position() -> None:
    beta = pd.Series([0.97, 0.98], index=[7, 3])
    stock = pd.Series([5.0, 6.0], index=[0, 1])
    assert depth.cumulative(beta, 100, known_stock=stock).tolist() == [
        float(depth.cumulative(0.97, 100, known_stock=5.0)), float(depth.cumulative(0.98, 100, known_stock=6.0)),
    ]  # fmt: skip


# Tables


def _layer_table(stocks: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {"profile_id": name, "top_cm": top, "bottom_cm": bottom, "soc_stock_kg_m2": value, "coverage": 1.0}
        for name, values in stocks.items()
        for (top, bottom), value in zip(LAYERS, values, strict=False)
    ]
    return pd.DataFrame(rows)


def test_table_has_one_row_per_profile_in_their_order() -> None:
    table = _layer_table({"z": [5, 4, 3, 2, 1], "a": [2, 2, 2, 2, 2], "short": [5, 4]})
    found = depth.beta_table(table.sample(frac=1, random_state=1).sort_values("profile_id", ascending=False, kind="stable"))
    assert list(found.columns) == ["profile_id", "beta", "rmse", "above_one", "reason", "method"]
    assert found["profile_id"].tolist() == ["z", "short", "a"]
    assert found["reason"].tolist() == ["", "not observed to depth", ""]
    assert found["beta"][2] == 1.0
    assert found["beta"][0] == depth.fit(DEPTHS, [np.cumsum([5, 4, 3, 2, 1])]).beta[0]
    assert (found["method"] == "ratio").all()


def test_a_partly_observed_layer_decides_no_beta() -> None:
    table = _layer_table({"a": [5, 4, 3, 2, 1]})
    table.loc[4, "coverage"] = 0.9
    assert depth.beta_table(table)["reason"].tolist() == ["not observed to depth"]
    assert depth.beta_table(table, deep_cm=80)["reason"].tolist() == [""]


def test_counts_of_measured_horizons() -> None:
    horizons = pd.DataFrame(
        {"profile_id": ["b", "b", "a", "b", "b"], "top_cm": [0, 20, 0, 50, 100], "soc_g_kg": [9.0, 4.0, 2.0, np.nan, 1.0]}
    )
    counts = depth.measured_layers(horizons)
    assert counts.to_dict() == {"b": 2, "a": 1}
    assert list(counts.index) == ["b", "a"]
    table = _layer_table({"a": [5, 4, 3, 2, 1], "b": [5, 4, 3, 2, 1]})
    assert depth.beta_table(table, n_layers=counts, min_layers=2)["reason"].tolist() == ["too few layers", ""]


# Real profiles


def _wise(shared: Path) -> np.ndarray:
    """Cumulative stocks at constant bulk density of profiles without gaps to 100 cm, four layers or more in the first metre."""
    table = pd.read_csv(shared / "data" / "wise_profiles" / "wise_layers.csv.gz", usecols=["SOURCEID", "UHDICM", "LHDICM", "ORCDRC"])
    table = table.dropna().sort_values(["SOURCEID", "UHDICM"], kind="stable")
    table = table[(table["LHDICM"] > table["UHDICM"]) & (table["UHDICM"] < 100)]
    above = table.groupby("SOURCEID")["LHDICM"].shift().fillna(0.0)
    joined = (table["UHDICM"] == above).groupby(table["SOURCEID"]).all()
    grouped = table.groupby("SOURCEID")["LHDICM"]
    keep = joined & (grouped.max() >= 100) & (grouped.size() >= 4)
    table = table[table["SOURCEID"].map(keep)]
    curve = spline(pd.factorize(table["SOURCEID"])[0], table["UHDICM"], table["LHDICM"], table["ORCDRC"], 0.1)
    stocks = integrate(curve, DEPTHS - 20, DEPTHS)[0]
    return np.cumsum(stocks[(stocks > 0).all(axis=1)], axis=1)


def test_subsoil_of_real_profiles(shared: Path) -> None:
    """20-100 cm predicted from 0-20 cm, all profiles together: the ratio is exact, each shortcut loses carbon."""
    stocks = _wise(shared)
    assert len(stocks) > 3000
    below = stocks[:, -1] - stocks[:, 0]

    def predicted(beta: np.ndarray, of: np.ndarray | slice = slice(None)) -> float:
        return float((depth.depth_factor(beta, (0, 20), (20, 100)) * stocks[:, 0])[of].sum() / below[of].sum())

    ratio, truncated, log_linear = (depth.fit(DEPTHS, stocks, method=method) for method in depth.METHODS)
    assert (ratio.reason == "").all()
    assert predicted(ratio.beta) == pytest.approx(1.0, abs=1e-12)
    assert predicted(truncated.beta) == pytest.approx(1.03, abs=0.02)
    assert predicted(np.minimum(ratio.beta, 0.9999)) < 0.98
    assert predicted(np.full(len(stocks), ratio.beta.mean())) < 0.95
    assert predicted(log_linear.beta) < 0.7
    assert 0.01 < ratio.above_one.mean() < 0.15
    assert 0.975 < ratio.beta.mean() < 0.985


def test_profiles_do_not_depend_on_their_neighbours(shared: Path) -> None:
    stocks = _wise(shared)[:200]
    for method in depth.METHODS:
        together = depth.fit(DEPTHS, stocks, method=method)
        alone = np.concatenate([depth.fit(DEPTHS, stocks[i : i + 1], method=method).beta for i in range(200)])
        assert np.array_equal(together.beta, alone, equal_nan=True)


# Properties

betas = st.floats(0.9, 1.1)
scales = st.floats(1e-3, 1e3)


@settings(deadline=None)
@given(betas, scales, st.floats(1, 50), st.floats(1.1, 4))
def test_round_trip(beta: float, scale: float, shallow: float, times: float) -> None:
    depths = np.array([shallow, shallow * times])
    stocks = [[float(depth.cumulative(beta, d, known_stock=scale, known_depth_cm=shallow)) for d in depths]]
    for method in ("ratio", "truncated"):
        found = depth.fit(depths, stocks, method=method, shallow_cm=depths[0], deep_cm=depths[1])
        # The stock below the shallow depth has lost digits where it is small.
        slack = 1e-13 * stocks[0][1] / (stocks[0][1] - stocks[0][0])
        assert found.beta[0] == pytest.approx(beta, abs=1e-12 + slack)


@settings(deadline=None)
@given(st.lists(st.floats(1e-3, 1e3), min_size=5, max_size=5), scales)
def test_the_unit_of_the_stock_does_not_matter(layers: list[float], scale: float) -> None:
    stocks = np.cumsum(layers)[None]
    for method in depth.METHODS:
        one, other = (depth.fit(DEPTHS, stocks * factor, method=method) for factor in (1.0, scale))
        assert one.reason[0] == other.reason[0] == ""
        assert other.rmse[0] == pytest.approx(one.rmse[0], abs=1e-8)
        if method != "truncated":  # which may have two minima of the same height
            assert other.beta[0] == pytest.approx(one.beta[0], rel=1e-8)


@settings(deadline=None)
@given(st.floats(1.001, 1e4), st.floats(1.0001, 10))
def test_more_carbon_below_is_a_higher_beta(ratio: float, times: float) -> None:
    found = depth.fit([20, 100], [[1.0, ratio], [1.0, 1.0 + (ratio - 1.0) * times]]).beta
    assert found[0] < found[1]
    assert float(depth.cumulative(found[0], 100, known_stock=1.0)) == pytest.approx(ratio, rel=1e-12)


@settings(deadline=None)
@given(st.floats(0.5, 1.2), st.floats(0, 100), st.lists(st.floats(0, 200), min_size=1, max_size=8), st.floats(1, 100))
def test_layers_add_up_to_the_cumulative_stock(beta: float, stock: float, cuts: list[float], known: float) -> None:
    bounds = [0.0, *sorted(cuts)]
    layers = depth.layers_by_difference(beta, stock, list(pairwise(bounds)), known_depth_cm=known)
    assert (layers >= 0).all()
    assert layers.sum() == pytest.approx(float(depth.cumulative(beta, bounds[-1], known_stock=stock, known_depth_cm=known)), rel=1e-12)


# Faults


@pytest.mark.parametrize("bad", [0.0, -0.5, np.inf])
def test_beta_that_is_none(bad: float) -> None:
    with pytest.raises(TableError, match="beta: found 1 values not above 0"):
        depth.cumulative([0.97, bad], 100, known_stock=1.0)
    with pytest.raises(TableError, match="beta"):
        depth.depth_factor(bad, (0, 20), (20, 100))


def test_all_faults_of_the_extrapolation_at_once() -> None:
    with pytest.raises(TableError) as caught:
        depth.layers_by_difference(-1.0, [-9999.0, 2.0], [(30, 20)], known_depth_cm=0)
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["known_stock", "beta", "known layer", "layers"]
    with pytest.raises(TableError, match="known layer"):
        depth.depth_factor(0.97, (20, 20), (0, 20))
    with pytest.raises(TableError, match=r"found shape \(2,\)"):
        depth.layers_by_difference(0.97, 1.0, (0, 20))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"method": "cubic"}, "method: found 'cubic'"),
        ({"shallow_cm": 30}, "found no 30 cm"),
        ({"deep_cm": 90}, "found no 90 cm"),
        ({"shallow_cm": 100}, "expected shallow above deep"),
        ({"n_layers": [4, 4]}, "n_layers"),
        ({"n_layers": [np.nan]}, "1 missing"),
        ({"min_layers": 0}, "min_layers"),
        ({"method": "truncated", "deep_cm": 20, "shallow_cm": 10}, "found none above 20 cm"),
    ],
)
def test_faults_of_the_fit(change: dict[str, object], said: str) -> None:
    with pytest.raises(TableError, match=said):
        depth.fit(DEPTHS, [[1.0, 2.0, 3.0, 4.0, 5.0]], **change)  # type: ignore[arg-type]


def test_faults_of_depths_and_stocks() -> None:
    with pytest.raises(TableError, match="above 0 and ascending"):
        depth.fit([20, 20, 100], [[1, 2, 3]])
    with pytest.raises(TableError, match=r"expected \(n, 5\)"):
        depth.fit(DEPTHS, [1, 2, 3, 4, 5])
    with pytest.raises(TableError, match="1 infinite"):
        depth.fit(DEPTHS, [[1, 2, 3, 4, np.inf]])


def test_faults_of_tables() -> None:
    table = _layer_table({"a": [5, 4, 3, 2, 1]})
    with pytest.raises(TableError, match="no column coverage"):
        depth.beta_table(table.drop(columns="coverage"))
    with pytest.raises(TableError, match="join one another from 0 down"):
        depth.beta_table(table[table["top_cm"] != 40])
    with pytest.raises(TableError, match="1 layers more than once"):
        depth.beta_table(pd.concat([table, table[:1]]))
    with pytest.raises(TableError, match="found none for 1 profiles"):
        depth.beta_table(table, n_layers=pd.Series({"b": 4}))
    with pytest.raises(TableError, match="no column soc_g_kg"):
        depth.measured_layers(table)
