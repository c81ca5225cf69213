"""What the three papers print, recomputed by Edaphic: each test names the rows of docs/papers.md that it stands for.

Numbers are those of the papers; tolerances are half of the last printed digit unless a comment gives another reason.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edaphic import recipe
from edaphic.account.describe.shares import (
    area_weighted_mean,
    denominators,
    depth_shares,
    group_bounds,
    relative_uncertainty,
    residual_half_width,
)
from edaphic.account.products.agreement import relative_difference
from edaphic.account.products.support import depth_support
from edaphic.account.totals import bounds, quantities
from edaphic.covariates.depth_means import depth_mean, layer_weights
from edaphic.covariates.periods import nearest_period
from edaphic.covariates.spectra.indices import index_of
from edaphic.covariates.zones import ZONES, climate_zones
from edaphic.errors import UnitError
from edaphic.model.ranking import Task
from edaphic.model.selection import exhaustive
from edaphic.model.structure import Settings
from edaphic.profiles.density.pedotransfer import PEDOTRANSFER, estimate
from edaphic.profiles.depth.beta import cumulative, depth_factor, fit, layers_by_difference, share_below
from edaphic.profiles.stock import soc_stock_kg_m2
from edaphic.recipe.monte_carlo import MonteCarlo
from edaphic.units import ORGANIC_MATTER_TO_CARBON, mass_to_volume_pct, to_internal
from edaphic.validate.importance import joint_share
from edaphic.validate.metrics import scores

M2_PER_HA = 1e4
TG_PER_PG = 1e3

# S2.N7, N8, N9 (Pg C), N10 (10^9 ha), N5 and N11 (Mg C per ha): cropland, grassland, forest, all.
SUBSOIL = {"CL": (62, 74, 88), "GL": (148, 181, 215), "FL": (451, 547, 660)}
ALL_SUBSOIL = (661, 803, 962)
TOPSOIL = {"CL": 59, "GL": 161, "FL": 395}
METRE = {"CL": (121, 133, 146), "GL": (308, 342, 376), "FL": (846, 942, 1055)}
ALL_METRE = (1276, 1418, 1577)
AREA = {"CL": 1.20, "GL": 2.59, "FL": 5.64}
DENSITY = {"CL": (52, 62, 73), "GL": (57, 70, 83), "FL": (80, 97, 117)}
METRE_DENSITY = {"CL": 111, "GL": 132, "FL": 177}
MAPPED_BETA = {"CL": (0.9692, 0.9716, 0.9738), "GL": (0.9656, 0.9762, 0.9831), "FL": (0.9687, 0.9792, 0.9877)}
LAYER_RANGE = {"CL": (30, 5), "GL": (32, 7), "FL": (40, 13)}

# S3.N7 (t C per ha), N8 and N9 (Pg C).
LAYERS_CM = [(0, 30), (30, 100), (100, 200)]
QTP_MEANS = [72.9, 70.7, 64.1]
QTP_LOWS, QTP_HIGHS = [65.0, 62.1, 55.0], [80.8, 79.4, 73.0]
QTP_MEAN, QTP_TOTAL = (184.0, 207.7, 231.4), (54.9, 62.0, 69.1)
QTP_CLASSES = {
    "alpine meadow": 22.88,
    "shrub": 10.33,
    "alpine steppe": 9.57,
    "alpine forest": 6.17,
    "unclassified": 4.81,
    "broadleaf": 2.42,
    "desert": 2.05,
    "cultivated": 0.58,
    "swamp meadow": 0.36,
}


def limits(table: dict[str, tuple[float, ...]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns of low, mean and high, in float."""
    low, mean, high = np.array(list(table.values()), dtype=float).T
    return low, mean, high


# ---- S1: China ----


@pytest.mark.parametrize(
    ("target", "layers", "weights"),
    [
        ((0, 20), [(0, 5), (5, 15), (15, 30)], [1 / 4, 1 / 2, 1 / 4]),
        ((0, 100), [(0, 5), (5, 15), (15, 30), (30, 60), (60, 100)], [1 / 20, 1 / 10, 3 / 20, 3 / 10, 2 / 5]),
    ],
)
def test_weights_of_equations_6_and_7(target: tuple[int, int], layers: list[tuple[int, int]], weights: list[float]) -> None:
    """S1.22, S1.23: the printed weights, their sum of 1, and what they give when applied."""
    found = layer_weights(layers, target)
    assert found == pytest.approx(weights, abs=1e-12)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    values = np.arange(1.0, len(layers) + 1.0)
    assert float(depth_mean(values, layers, target)) == pytest.approx(float(np.dot(weights, values)))
    assert float(depth_mean(np.full(len(layers), 7.0), layers, target)) == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("map_mm", "mat_c", "paper_name", "code"),
    [
        (400.0, 10.0, "humid", "wet_warm"),  # on both limits: the wetter and the warmer class
        (401.0, 10.1, "humid", "wet_warm"),
        (400.0, 9.9, "semi-humid", "wet_cold"),
        (399.9, 9.9, "semi-arid", "dry_cold"),
        (399.9, 10.0, "arid", "dry_warm"),
    ],
)
def test_zone_table(map_mm: float, mat_c: float, paper_name: str, code: str) -> None:
    """S1.28, S1.A4, S1.A5: four zones, half-open limits, the paper's names beside neutral codes."""
    number = int(climate_zones(mat_c, map_mm))
    (zone,) = [one for one in ZONES if one.number == number]
    assert (zone.paper_name, zone.code) == (paper_name, code)


def test_savi_as_printed_is_2_25_times_smaller() -> None:
    """S1.17, S1.A2: 1.5 before the quotient against 1.5 below it."""
    rng = np.random.default_rng(1)
    bands = {"nir": rng.uniform(0.2, 0.6, 50), "red": rng.uniform(0.02, 0.19, 50)}
    assert index_of("savi")(bands) / index_of("savi", printed=True)(bands) == pytest.approx(np.full(50, 2.25), rel=1e-5)


def test_indices_of_the_first_paper() -> None:
    """S1.14 to S1.18, S1.A3: equations 1 to 5 at reflectances that can be worked out by hand; SWIR1 in BSI, SWIR2 by its own name."""
    bands = {"blue": 0.1, "red": 0.2, "nir": 0.4, "swir1": 0.3, "swir2": 0.25}
    found = {name: float(index_of(name)(bands)) for name in ("ndvi", "bsi", "evi", "savi", "lswi", "bsi_swir2")}
    expected = {
        "ndvi": 0.2 / 0.6,
        "bsi": (0.5 - 0.5) / 1.0,
        "evi": 2.5 * 0.2 / (0.4 + 1.2 - 0.75 + 1.0),
        "savi": 1.5 * 0.2 / 1.1,
        "lswi": 0.1 / 0.7,
        "bsi_swir2": (0.45 - 0.5) / 0.95,
    }
    assert found == pytest.approx(expected, abs=1e-6)


def test_searches_1023_subsets_of_ten() -> None:
    """S1.26: all subsets of the ten best covariates but the empty one."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(24, 10)).astype(np.float32)
    rows = np.arange(24)
    task = Task(x, x[:, 0].astype(np.float64), tuple("abcdefghij"), [(rows[:12], rows[12:])], Settings(1, min_samples_leaf=8))
    assert len(exhaustive(task).table) == 1023


def test_stock_of_the_first_paper() -> None:
    """S1.8, S1.A1: 2 % of carbon at 1.3 g/cm3 over 20 cm is 5.2 kg/m2, whatever the units; without units there is no answer."""
    percent = soc_stock_kg_m2(2.0, 1.3, 20.0, 0.0, soc_unit="%", bulk_density_unit="g/cm3", thickness_unit="cm")
    grams = soc_stock_kg_m2(20.0, 1300.0, 0.2, 0.0, soc_unit="g/kg", bulk_density_unit="kg/m3", thickness_unit="m")
    assert float(percent) == pytest.approx(5.2)
    assert float(grams) == pytest.approx(5.2)
    with pytest.raises(UnitError, match="soc: "):
        soc_stock_kg_m2(2.0, 1.3, 20.0, 0.0, soc_unit=None, bulk_density_unit="g/cm3", thickness_unit="cm")
    printed = 2.0 * 1300.0 * 20.0 / 100.0  # equation 8 with the units it states
    assert printed / float(percent) == pytest.approx(100.0)


def test_from_0_30_to_0_20_cm() -> None:
    """S1.A13, S2.N13: at the global beta of 0.9786 0-20 cm hold 0.736 of 0-30 cm."""
    assert float(depth_factor(0.9786, (0, 30), (0, 20))) == pytest.approx(0.736, abs=5e-4)
    assert depth_support([(0, 30)], (0, 20), method="beta", beta=0.9786).factor == pytest.approx(0.736, abs=5e-4)


@pytest.mark.parametrize(
    ("printed", "total"),
    [
        ([35.91, 17.57, 13.21, 11.37, 8.99, 6.69, 3.70, 2.56], 100.00),
        ([25.62, 16.45, 16.43, 14.59, 12.44, 9.49, 3.32, 1.67], 100.01),
    ],
)
def test_importances_add_up_with_eight_covariates_only(printed: list[float], total: float) -> None:
    """S1.N9, S1.N10, S1.27, S1.A6: the sum is that of eight covariates; without CLCD, the eighth, it is short of 100."""
    table = denominators({str(number): value for number, value in enumerate(printed)}, 100.0)
    listed = table[table["class_name"] != "not listed"]
    assert len(listed) == 8
    assert listed["total"].sum() == pytest.approx(total, abs=1e-9)
    assert table["share_of_overall"].iloc[:7].sum() < 0.99
    assert listed["share_of_listed"].sum() == pytest.approx(1.0)


def test_seven_periods_and_their_profiles() -> None:
    """S1.1, S1.30, S1.A15: seven maps of five years; profiles of 1979 to 1984 take the first period, with a gap that is told."""
    periods = [(year, year + 5) for year in range(1985, 2020, 5)]
    assert len(periods) == 7
    which, gap = nearest_period([1979, 1984, 1985, 1990, 2012, 2020], periods)
    assert which.tolist() == [0, 0, 0, 1, 5, 6]
    assert gap.tolist() == [6.0, 1.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("pooled", "zones"),
    [
        ((0.63, 2.03), [(0.70, 1.95), (0.67, 2.20), (0.65, 1.86), (0.50, 1.90)]),
        ((0.62, 6.16), [(0.68, 6.29), (0.64, 5.92), (0.61, 5.71), (0.54, 6.37)]),
    ],
)
def test_pooled_error_lies_within_that_of_the_zones(pooled: tuple[float, float], zones: list[tuple[float, float]]) -> None:
    """S1.N4, S1.N6 to S1.N8, S1.A10: a pooled RMSE is a mean of the zones' (squares weighed by counts), a pooled R2 is not.

    Two zones with the same RMSE of 1 and an R2 of 0.5 each, 10 apart: pooled, nearly all of the variance is between them.
    """
    errors = [rmse for _, rmse in zones]
    assert min(errors) <= pooled[1] <= max(errors)
    wave, rng = np.tile([-1.0, 1.0], 500), np.random.default_rng(5)
    noise = np.where(rng.random(1000) < 0.5, -1.0, 1.0)
    one = scores(wave + noise, wave)
    both = scores(np.concatenate([wave + noise, 10.0 + wave + noise]), np.concatenate([wave, 10.0 + wave]))
    assert both["rmse"] == pytest.approx(one["rmse"])
    assert one["mec"] < 0.6 < 0.95 < both["mec"]


@pytest.mark.parametrize(
    ("score", "low", "high"),
    [
        (2.38, 2.22, 2.55),
        (2.03, 1.95, 2.13),
        (8.06, 6.76, 9.49),
        (6.16, 5.65, 6.89),
        (1.75, 1.25, 2.23),
        (1.70, 1.51, 1.90),
        (4.93, 1.65, 7.47),
    ],
)
def test_intervals_of_rmse_enclose_it(score: float, low: float, high: float) -> None:
    """S1.N3 to S1.N6, S1.N11 to S1.N13: limits enclose the score; the widest interval is 118 % of it."""
    found = relative_uncertainty(low, score, high)
    assert 0.0 < float(found.full) < 1.19
    assert float(found.full) == pytest.approx((high - low) / score)


# ---- S2: global ----


def test_lower_beta_is_a_steeper_decline() -> None:
    """S2.12, S2.A1: the share of the first metre that lies below 20 cm grows with beta, and so does the first layer's rest."""
    shares = share_below([0.95, 0.97, 0.9786, 0.99], 20.0, 100.0)
    assert (np.diff(shares) > 0).all()
    above = 1.0 - shares
    assert float(above[0]) == pytest.approx((1 - 0.95**20) / (1 - 0.95**100))


def test_equations_2_and_3_agree() -> None:
    """S2.12, S2.13, S2.14, S2.A3: X100 from X20 by the ratio; layers by difference add up; beta comes back from the ratio."""
    beta, topsoil = 0.9762, 50.0
    metre = float(cumulative(beta, 100.0, known_stock=topsoil))
    assert metre == pytest.approx(topsoil * (1 - beta**100) / (1 - beta**20))
    layers = layers_by_difference(beta, topsoil, [(20, 40), (40, 60), (60, 80), (80, 100)])
    assert float(layers.sum()) == pytest.approx(metre - topsoil)
    assert float(fit([20, 100], [[topsoil, metre]]).beta[0]) == pytest.approx(beta, abs=1e-9)


def test_stock_of_the_second_paper() -> None:
    """S2.11, S2.6: equation 1 in g/kg, g/cm3 and cm gives Mg/ha; 0.58 of organic matter is carbon."""
    stock = soc_stock_kg_m2(20.0, 1.3, 20.0, 0.0, soc_unit="g/kg", bulk_density_unit="g/cm3", thickness_unit="cm")
    assert float(stock) * 10.0 == pytest.approx(20.0 * 1.3 * 20.0 / 10.0)
    assert ORGANIC_MATTER_TO_CARBON == 0.58


def test_global_limits_are_the_fully_correlated_bound() -> None:
    """S2.N7, S2.A6: 62 + 148 + 451 = 661; 88 + 215 + 660 = 963, printed 962. The means add up to 802, printed 803."""
    low, mean, high = limits(SUBSOIL)
    found = group_bounds(mean, low, high)
    assert found.fully_correlated_low == 661.0 == ALL_SUBSOIL[0]
    assert found.fully_correlated_high == 963.0
    assert found.fully_correlated_high == pytest.approx(ALL_SUBSOIL[2], abs=1.0)
    assert found.total == pytest.approx(ALL_SUBSOIL[1], abs=1.0)
    assert ALL_SUBSOIL[0] < found.independent_low < found.independent_high < ALL_SUBSOIL[2]


def test_global_limits_by_the_account_of_maps() -> None:
    """S2.N7, S2.A6: the same from the sums that the stock table of a map makes, each ecosystem a cell of its area."""
    low, mean, high = limits(SUBSOIL)
    area = np.array(list(AREA.values())) * 1e9 * M2_PER_HA
    kg_m2 = [values * 1e12 / area for values in (mean, low, high)]
    total = bounds(quantities(area, *kg_m2).sum(axis=1))
    assert total["fully_correlated_low_Tg"] / TG_PER_PG == pytest.approx(661.0)
    assert total["fully_correlated_high_Tg"] / TG_PER_PG == pytest.approx(963.0)
    assert total["total_Tg"] / TG_PER_PG == pytest.approx(802.0)
    assert total["independent_low_Tg"] / TG_PER_PG > 661.0


def test_limits_of_the_first_metre_take_the_topsoil_as_certain() -> None:
    """S2.N8, S2.N9, S2.A6, S2.A15: topsoil + limits of the subsoil are the printed limits to 1 Pg (1 more for the sums of three)."""
    low, mean, high = limits(SUBSOIL)
    top = np.array(list(TOPSOIL.values()), dtype=float)
    assert top.sum() == 615.0
    for found, printed in zip((top + low, top + mean, top + high), limits(METRE), strict=True):
        assert found == pytest.approx(printed, abs=1.0)
    whole = group_bounds(top + mean, top + low, top + high)
    assert (whole.fully_correlated_low, whole.total, whole.fully_correlated_high) == pytest.approx(ALL_METRE, abs=2.0)
    with_error = group_bounds(top + mean, 0.9 * top + low, 1.1 * top + high)  # any error of the topsoil widens it
    assert with_error.fully_correlated_low < whole.fully_correlated_low


def test_subsoil_share() -> None:
    """S2.N9, S2.A19: 57 % of the first metre lies below 20 cm (803 of 1,418), not in the first metre."""
    shares = depth_shares([(0, 20), (20, 100)], [615.0, 803.0])
    assert shares["share"].tolist() == pytest.approx([0.43, 0.57], abs=0.005)
    printed = denominators({"20-100 cm": 803.0}, 1418.0)["share_of_overall"]
    assert printed.iloc[0] == pytest.approx(0.57, abs=0.005)


def test_relative_uncertainty_is_the_full_width() -> None:
    """S2.N5, S2.N12, S2.27, S2.A5: 34, 37 and 38 % from the printed densities; half of it is what most tables print."""
    found = relative_uncertainty(*limits(DENSITY))
    assert found.full == pytest.approx([0.34, 0.37, 0.38], abs=0.005)
    assert found.half == pytest.approx([0.17, 0.185, 0.19], abs=0.005)
    by_total = relative_uncertainty(*limits(SUBSOIL))
    assert by_total.full == pytest.approx([0.35, 0.37, 0.38], abs=0.005)


def test_density_of_all_land_weighs_areas() -> None:
    """S2.N10, S2.N11, S2.A8: 1,418 Pg on 9.43e9 ha are 150.4 Mg/ha; the printed 136 is near the plain mean of 111, 167 and 132."""
    area = np.array(list(AREA.values()))
    assert area.sum() == pytest.approx(9.43)
    densities = np.array([whole[1] for whole in METRE.values()]) / area
    total = np.append(densities * area, ALL_METRE[1] - sum(whole[1] for whole in METRE.values()))  # 1 Pg is lost in rounding
    assert total.sum() / area.sum() == pytest.approx(150.4, abs=0.05)
    assert area_weighted_mean(densities, area) == pytest.approx(150.4, abs=0.15)  # of the rounded totals
    plain = area_weighted_mean([111.0, 167.0, 132.0], [1.0, 1.0, 1.0])
    assert plain == pytest.approx(136.7, abs=0.05)


def test_density_of_forest_is_167() -> None:
    """S2.N5, S2.N11, S2.A7: totals over areas give 111, 132 and 167; the printed 177 of forest is a slip."""
    found = {name: METRE[name][1] / AREA[name] for name in AREA}
    assert found["CL"] == pytest.approx(METRE_DENSITY["CL"], abs=0.5)
    assert found["GL"] == pytest.approx(METRE_DENSITY["GL"], abs=0.5)
    assert found["FL"] == pytest.approx(167.0, abs=0.05)
    assert area_weighted_mean([found["FL"]], [AREA["FL"]]) < METRE_DENSITY["FL"] - 9.0
    subsoil = [SUBSOIL[name][1] / AREA[name] for name in AREA]
    assert subsoil == pytest.approx([middle for _, middle, _ in DENSITY.values()], abs=0.5)


@pytest.mark.parametrize(("name", "from_means"), [("GL", 222.0), ("FL", 615.0), ("CL", 68.0)])
def test_mean_beta_on_mean_topsoil_is_another_number(name: str, from_means: float) -> None:
    """S2.A16, S2.N4, S2.N8: equation 3 at mean beta and topsoil gives 222, 615 and 68 Pg; printed are 181, 547 and 74."""
    topsoil, beta = TOPSOIL[name], MAPPED_BETA[name][1]
    found = float(cumulative(beta, 100.0, known_stock=float(topsoil))) - topsoil
    assert found == pytest.approx(from_means, abs=0.5)
    assert abs(found - SUBSOIL[name][1]) > 5.0


def test_only_cell_by_cell_is_right() -> None:
    """S2.A16: against brute force; the sign of the difference is that of the covariance of beta with the topsoil stock."""
    beta = np.array([0.96, 0.99])
    for stock in (np.array([20.0, 60.0]), np.array([60.0, 20.0])):
        by_cell = cumulative(beta, 100.0, known_stock=stock)
        brute = [s * (1 - b**100) / (1 - b**20) for s, b in zip(stock, beta, strict=True)]
        assert by_cell == pytest.approx(brute)
    means = float(cumulative(beta.mean(), 100.0, known_stock=40.0))
    apart = [float(cumulative(beta, 100.0, known_stock=np.array(stock)).mean()) - means for stock in ([10.0, 70.0], [70.0, 10.0])]
    assert apart[0] > 0.0 > apart[1]


@pytest.mark.parametrize("name", ["CL", "GL", "FL"])
def test_printed_layers_fit_the_mapped_beta(name: str) -> None:
    """S2.N4, S2.N6: 20-40 to 80-100 cm fall as beta^60, and add up to the printed density of 20-100 cm, to the digits printed."""
    first, last = LAYER_RANGE[name]
    beta = MAPPED_BETA[name][1]
    (share,) = layers_by_difference(beta, 1.0, [(80, 100)], known_depth_cm=20.0) / layers_by_difference(
        beta, 1.0, [(20, 40)], known_depth_cm=20.0
    )
    assert float(share) == pytest.approx(last / first, abs=0.05)
    below = float(depth_factor(beta, (20, 40), (20, 100))) * first
    assert below == pytest.approx(DENSITY[name][1], rel=0.03)


def test_printed_cv_of_cropland_beta_cannot_be() -> None:
    """S2.A9, S2.N3, S2.N4: its interval is 0.24 % wide to a side; a CV of 4.73 % is an sd of 0.046, above that of all profiles.

    An R2 of 0.85 with an RMSE below 0.01 means a spread of at most 0.01 / sqrt(0.15) = 0.026.
    """
    assert float(relative_uncertainty(*MAPPED_BETA["CL"]).half) == pytest.approx(0.0024, abs=5e-5)
    mapped_sd = 0.0473 * MAPPED_BETA["CL"][1]
    spread = np.tile([-1.0, 1.0], 50) * 0.01 / np.sqrt(0.15)
    error = np.repeat([-1.0, 1.0], 50) * 0.01
    found = scores(spread, spread + error)
    assert found["mec"] == pytest.approx(0.85)
    assert found["rmse"] == pytest.approx(0.01)
    assert mapped_sd == pytest.approx(0.046, abs=5e-4)
    assert mapped_sd > 1.5 * float(np.std(spread))


def test_model_efficiency_is_the_second_papers_r2() -> None:
    """S2.23: equations 4 and 5, 1 - SSE/SST and the root of the mean square; a biased prediction lowers it, not the correlation."""
    found = scores([1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0])
    assert found["mec"] == pytest.approx(1.0 - 4.0 / 5.0)
    assert found["r2_pearson"] == pytest.approx(1.0)
    assert found["rmse"] == 1.0


def test_counts_of_the_second_paper() -> None:
    """S2.2, S2.3, S2.24, S2.N1, S2.A20: literature and WoSIS make the printed totals; so do the classes and the cells."""
    literature, wosis = {"CL": 758, "FL": 219, "GL": 244}, {"CL": 7636, "FL": 4534, "GL": 4593}
    assert denominators(literature, 1221).iloc[-1]["total"] == 0.0
    observations = {name: literature[name] + wosis[name] for name in literature}
    assert observations == {"CL": 8394, "FL": 4753, "GL": 4837}  # "additional 8,394" are all of cropland
    assert denominators(observations, 17984).iloc[-1]["total"] == 0.0
    assert denominators({"CL": 5940, "GL": 4209, "FL": 4401}, 14550).iloc[-1]["total"] == 0.0
    assert denominators({"CL": 832827, "FL": 1695053, "GL": 1529644}, 4057524).iloc[-1]["total"] == 0.0


def test_cells_overlap_by_fraction() -> None:
    """S2.A18: three classes with 4.06 million cells on 9.43e9 ha fill less than half of a 5 arc-minute cell each."""
    widest_ha = (1.8553**2) * 25.0 * 100.0  # a cell at the equator, 5 arc minutes of 1.8553 km
    assert area_weighted_mean([9.43e9 / 4057524], [1.0]) < 0.5 * widest_ha


def test_draws_of_the_monte_carlo() -> None:
    """S2.26, S2.A12: 1,000 realisations by default (100 forests x 10 draws), 1,000 forests x 1, or 100,000 where all meet all."""
    assert MonteCarlo(range_km=50).realisations == 1000
    assert (MonteCarlo(range_km=50).grown, MonteCarlo(range_km=50, design="single").grown) == (100, 1000)
    assert MonteCarlo(range_km=50, design="nested").realisations == 100_000


# ---- S3: Qinghai-Tibet Plateau ----


def test_counts_of_the_third_paper() -> None:
    """S3.7, S3.13: seven groups of candidates make 71, the two depths 73; paleoclimate is twice the 19 of climate."""
    groups = {"climate": 19, "paleoclimate": 38, "topography": 7, "vegetation": 2, "human": 3, "lithology": 1, "permafrost": 1}
    assert denominators(groups, 71).iloc[-1]["total"] == 0.0
    assert len(groups) == 7
    assert groups["paleoclimate"] == 2 * groups["climate"]
    assert denominators(groups | {"depth": 2}, 73).iloc[-1]["total"] == 0.0


def test_stock_of_the_third_paper() -> None:
    """S3.5, S3.A1: 20 g/kg, 0.2 m, 1,300 kg/m3 are 52 t/ha; the formula as printed, fed with g/kg, gives ten times as much."""
    stock = soc_stock_kg_m2(20.0, 1300.0, 0.2, 0.0, soc_unit="g/kg", bulk_density_unit="kg/m3", thickness_unit="m")
    assert float(stock) * 10.0 == pytest.approx(52.0)
    assert 20.0 / 100.0 * 0.2 * 1300.0 * 10.0 / (float(stock) * 10.0) == pytest.approx(10.0)
    assert float(to_internal(52.0, "soc_stock", "t/ha")) == pytest.approx(5.2)


@pytest.mark.parametrize(("stock", "content", "thickness"), [(67.6, 24.7, 0.3), (52.8, 10.7, 0.7), (57.4, 7.1, 1.0)])
def test_observed_means_were_computed_with_the_right_units(stock: float, content: float, thickness: float) -> None:
    """S3.N1 to S3.N3, S3.A1: the printed means are reached with a bulk density between 700 and 915 kg/m3."""
    reached = [
        float(soc_stock_kg_m2(content, density, thickness, 0.0, soc_unit="g/kg", bulk_density_unit="kg/m3", thickness_unit="m")) * 10.0
        for density in (700.0, 915.0)
    ]
    assert reached[0] <= stock <= reached[1]


@pytest.mark.parametrize(
    ("stock", "content", "thickness", "density"), [(1055.5, 361.3, 0.3, 974), (2475.2, 344.9, 0.7, 1025), (4080.9, 403.5, 1.0, 1011)]
)
def test_bulk_density_behind_the_largest_stocks(stock: float, content: float, thickness: float, density: int) -> None:
    """S3.N1 to S3.N3, S3.A2: organic soils of 974 to 1,025 kg/m3, four times the curve that estimates missing ones."""
    made = soc_stock_kg_m2(content, float(density), thickness, 0.0, soc_unit="g/kg", bulk_density_unit="kg/m3", thickness_unit="m")
    assert float(made) * 10.0 == pytest.approx(stock, rel=1e-3)
    curve = estimate(pd.DataFrame({"soc_g_kg": [content]}), PEDOTRANSFER["organic_curve"])
    assert float(curve[0]) == pytest.approx(1.38 - 0.31 * np.log(1.0 + content / 10.0))
    assert density / 1000.0 > 3.5 * float(curve[0])


def test_shares_by_depth_and_additivity() -> None:
    """S3.N7, S3.N8, S3.A15: 35, 34 and 31 %, and 72.9 + 70.7 + 64.1 = 207.7: the whole depth is the sum of its layers."""
    found = depth_shares([*LAYERS_CM, (0, 200)], [*QTP_MEANS, QTP_MEAN[1]])
    assert found["share"].iloc[:3].tolist() == pytest.approx([0.35, 0.34, 0.31], abs=0.005)
    assert found["share"].iloc[3] == pytest.approx(1.0, abs=1e-9)


def test_limits_of_the_plateau_are_the_fully_correlated_bound() -> None:
    """S3.N7, S3.N8, S3.A4: 184.0 and 231.4 t/ha times the area are 54.9 and 69.1 Pg; the layers' limits make 182.1 and 233.2."""
    hectares = QTP_TOTAL[1] * 1e9 / QTP_MEAN[1]
    assert hectares == pytest.approx(2.985e8, rel=1e-3)
    cells = np.full(1000, hectares * M2_PER_HA / 1000.0)
    low, mean, high = (np.full(1000, float(to_internal(value, "soc_stock", "t/ha"))) for value in QTP_MEAN)
    total = bounds(quantities(cells, mean, low, high).sum(axis=1))
    assert total["fully_correlated_low_Tg"] / TG_PER_PG == pytest.approx(QTP_TOTAL[0], abs=0.05)
    assert total["total_Tg"] / TG_PER_PG == pytest.approx(QTP_TOTAL[1], abs=0.05)
    assert total["fully_correlated_high_Tg"] / TG_PER_PG == pytest.approx(QTP_TOTAL[2], abs=0.05)
    layers = group_bounds(QTP_MEANS, QTP_LOWS, QTP_HIGHS)
    assert (layers.fully_correlated_low, layers.fully_correlated_high) == pytest.approx((182.1, 233.2))


def test_printed_interval_is_no_prediction_interval() -> None:
    """S3.N1, S3.N5, S3.N7, S3.A3: a half width of 7.9 t/ha where mean, median and R2 ask for 109; 11 % of the mean."""
    asked = residual_half_width(67.6, 43.9, 0.51)
    assert asked == pytest.approx(109.0, abs=0.5)
    assert asked / 1.959964 == pytest.approx(55.0, abs=0.5)
    printed = relative_uncertainty(QTP_LOWS[0], QTP_MEANS[0], QTP_HIGHS[0])
    assert float(printed.half) * QTP_MEANS[0] == pytest.approx(7.9)
    assert float(printed.half) == pytest.approx(0.11, abs=0.005)
    assert float(relative_uncertainty(*QTP_MEAN).half) == pytest.approx(0.11, abs=0.005)
    assert asked / 7.9 > 13.0


def test_meadow_has_two_shares() -> None:
    """S3.N9, S3.A11: 36.9 % of 62.0 Pg, 38.7 % of the 59.17 Pg of the nine classes listed; 2.8 Pg are not listed."""
    table = denominators(QTP_CLASSES, QTP_TOTAL[1])
    assert sum(QTP_CLASSES.values()) == pytest.approx(59.17)
    meadow, rest = table.iloc[0], table.iloc[-1]
    assert meadow["share_of_overall"] == pytest.approx(0.369, abs=5e-4)
    assert meadow["share_of_listed"] == pytest.approx(0.387, abs=5e-4)
    assert (rest["class_name"], rest["total"]) == ("not listed", pytest.approx(2.83))


def test_climate_and_paleoclimate_are_not_over_half() -> None:
    """S3.N11, S3.A6: 29.6 + 18.5 = 48.1 %; the five groups printed make 91.8 %."""
    printed = {"climate": 29.6, "topography": 20.9, "paleoclimate": 18.5, "vegetation": 12.4, "human": 10.4}
    table = pd.DataFrame({"measure": "impurity", "level": "family", "name": list(printed), "share_pct": list(printed.values())})
    assert joint_share(table, ["climate", "paleoclimate"]) == pytest.approx(48.1)
    assert joint_share(table, list(printed)) == pytest.approx(91.8)
    assert denominators(printed, 100.0).iloc[-1]["share_of_overall"] == pytest.approx(0.082)


def test_importances_of_the_third_paper_stay_within_their_groups() -> None:
    """S3.N10, S3.N11, S3.A7: with the second MAP read as precipitation seasonality, no group's covariates exceed the group."""
    listed = {
        "climate": {"MAP": 9.1, "precipitation seasonality": 5.6, "diurnal range": 5.1},
        "paleoclimate": {"LGM precipitation seasonality": 5.7, "MH diurnal range": 4.7},
        "topography": {"TRI": 4.6, "TWI": 4.2},
        "vegetation": {"NDVI": 10.2},
        "human": {"livestock": 3.9, "land use": 3.3, "population": 3.2},
    }
    group = {"climate": 29.6, "topography": 20.9, "paleoclimate": 18.5, "vegetation": 12.4, "human": 10.4}
    for name, parts in listed.items():
        rest = denominators(parts, group[name]).iloc[-1]["total"]
        assert rest >= -1e-9, name
    assert denominators(listed["human"], group["human"]).iloc[-1]["total"] == pytest.approx(0.0, abs=1e-9)  # these are all of it


def test_much_larger_than_other_products() -> None:
    """S3.22, S3.N14: the products' totals differ from 62.0 Pg by -27 to 52 %; none lies inside its printed limits."""
    others = {"SoilGrids": 79.0, "WISE": 46.9, "HWSD": 30.0, "regional 1": 37.71, "regional 2": 40.11}
    found = dict(zip(others, relative_difference(QTP_TOTAL[1], list(others.values())).tolist(), strict=True))
    assert found["SoilGrids"] == pytest.approx(-27.4, abs=0.05)
    assert found["WISE"] == pytest.approx(24.4, abs=0.05)
    assert found["HWSD"] == pytest.approx(51.6, abs=0.05)
    assert all(not QTP_TOTAL[0] <= value <= QTP_TOTAL[2] for value in others.values())


def test_fragments_by_mass_are_less_by_volume() -> None:
    """S3.A23: with rock of 2.65 g/cm3, half of the mass is a third of the volume where fine earth weighs 1.325 g/cm3."""
    assert float(mass_to_volume_pct(50.0, 1.325)) == pytest.approx(100.0 / 3.0)


def test_recipes_give_the_settings_that_are_printed() -> None:
    """S1.6, S1.24, S1.28, S1.30, S2.4, S2.20, S2.26, S2.A24, S3.14, S3.19: lambda, limits, periods, predictors, draws and trees."""
    one, two, three = (recipe.parse(recipe.template(name)) for name in ("space-time", "beta-subsoil", "plateau-3d"))
    assert (one.profiles.depth.lam, one.model.screen.correlation, one.model.select.best) == (0.1, 0.95, 10)
    assert one.covariates.zones is not None and (one.covariates.zones.map_mm, one.covariates.zones.mat_c) == (400, 10)
    assert one.maps.periods == tuple((year, year + 5) for year in range(1985, 2020, 5))
    assert two.model.target == "beta" and two.maps.monte_carlo is not None
    assert (two.maps.monte_carlo.realisations, two.maps.monte_carlo.relative_sd) == (1000, 0.1)
    predictors = {layer.own_name for layer in two.covariates.layers} - {"ecosystem"}
    assert predictors == {"bnpp", "ph", "clay", "mat", "map", "tn", "mn", "mc", "cn"}
    assert fit([20, 100], [[2.0, 5.0], [2.0, 5.0]], n_layers=[4, 3]).reason.tolist() == ["", "too few layers"]
    assert (three.model.screen.vif, three.model.screen.keep, three.model.forest.trees) == (10, ("bio1", "bio12"), 500)
    assert three.profiles.layers == tuple(LAYERS_CM)
