"""Modelled totals: closed forms, brute force over all cells, random fields whose variogram is known, small regions, additivity, faults."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from odc.geo.geobox import GeoBox
from scipy.special import ndtri

from edaphic.account.simulation.assisted import assisted_totals
from edaphic.account.simulation.blocks import ShareLayer, Tables, tabulate
from edaphic.account.simulation.fields import Sites, make_fields, sites
from edaphic.account.simulation.lattice import make_lattice, point_correlation
from edaphic.account.simulation.modelled import Modelled, modelled_totals
from edaphic.account.simulation.scores import curves
from edaphic.account.simulation.trend_error import trend_error
from edaphic.account.totals import ClassLayer, bounds, quantities
from edaphic.covariates.grid import Window
from edaphic.errors import ModelError, RasterError
from edaphic.units import KG_PER_TG
from edaphic.validate.probability import SimpleRandom, StratifiedRandom
from edaphic.validate.variogram import Variogram

Plain = Callable[[int, int], GeoBox]
Z95 = float(ndtri(0.95))
CELL_M2 = 1e6
LOG_SD = 0.4
FULL = Variogram("exponential", 0.0, 1.0, 1e12)
SHORT = Variogram("nugget", 1.0, 0.0, 0.0)
FIELD = Variogram("exponential", 0.0, 1.0, 12_000.0)
LAYER = (0.0, 30.0)


class Lognormal:
    """Maps of log-normal cells: mean, and log sd by cell."""

    def __init__(self, mean: np.ndarray, log_sd: np.ndarray | float = LOG_SD) -> None:
        sd = np.broadcast_to(log_sd, mean.shape)
        middle = mean * np.exp(-(sd**2) / 2)
        self.parts = mean, middle * np.exp(-Z95 * sd), middle, middle * np.exp(Z95 * sd)
        self.middle, self.sd = middle, sd

    def __call__(self, layer: tuple[float, float], window: Window) -> tuple[np.ndarray, ...]:
        return tuple(part[window.slices] for part in self.parts)


def account(
    grid: GeoBox, read: object, variogram: Variogram, classes: tuple[object, ...] = (), *, most: int = 3000,
    given: list[Sites] | None = None, layers: tuple[tuple[float, float], ...] = (LAYER,), correlation: np.ndarray | None = None,
    **more: object,
) -> tuple[Modelled, Tables]:  # fmt: skip
    lattice = make_lattice(grid, lambda w: np.isfinite(read(layers[0], w)[0]), most=most)
    tables = tabulate(grid, layers, read, lattice, classes)
    fields = make_fields(lattice, variogram, np.eye(len(layers)) if correlation is None else correlation, given)
    return modelled_totals(grid, tables, fields, **more), tables


def limits(said: Modelled, row: int = 0) -> tuple[float, float]:
    return float(said.table["modelled_low_Tg"].iloc[row]), float(said.table["modelled_high_Tg"].iloc[row])


def classes(values: np.ndarray, name: str = "zone") -> ClassLayer:
    return ClassLayer(name, lambda w: np.asarray(values, dtype=float)[w.slices], {})


# --- closed forms ----------------------------------------------------------------------------------------------------


def test_the_total_of_one_cell_has_the_interval_of_the_cell(plain: Plain) -> None:
    read = Lognormal(np.full((1, 1), 10.0))
    said, _ = account(plain(1, 1), read, FIELD, realisations=6000)
    low, high = limits(said)
    assert low == pytest.approx(float(read.parts[1][0, 0]) * CELL_M2 / KG_PER_TG, rel=0.04)
    assert high == pytest.approx(float(read.parts[3][0, 0]) * CELL_M2 / KG_PER_TG, rel=0.04)
    assert said.table["modelled_sd_Tg"][0] == pytest.approx(0.01 * np.sqrt(np.expm1(LOG_SD**2)), rel=0.04)
    assert said.table["effective_cells"][0] == pytest.approx(1.0, abs=0.05)


def test_cells_that_err_together_have_the_fully_correlated_bound(plain: Plain) -> None:
    mean = np.array([[5.0, 20.0], [8.0, 1.0]])
    read = Lognormal(mean, np.array([[0.2, 0.5], [0.4, 0.3]]))
    said, _ = account(plain(2, 2), read, FULL, realisations=6000)
    both = bounds(quantities(np.full(4, CELL_M2), *(read.parts[i].ravel() for i in (0, 1, 3))).sum(axis=1))
    low, high = limits(said)
    assert low == pytest.approx(both["fully_correlated_low_Tg"], rel=0.04)
    assert high == pytest.approx(both["fully_correlated_high_Tg"], rel=0.04)


def test_cells_that_err_on_their_own_have_the_independent_bound(plain: Plain) -> None:
    read = Lognormal(np.full((30, 30), 10.0))
    for most in (3000, 100):
        said, _ = account(plain(30, 30), read, SHORT, most=most, realisations=5000)
        sd = 0.01 * np.sqrt(np.expm1(LOG_SD**2)) * 30
        assert said.table["modelled_sd_Tg"][0] == pytest.approx(sd, rel=0.05)
        low, high = limits(said)
        assert (high - low) / 2 == pytest.approx(Z95 * sd, rel=0.06)
        assert said.table["effective_cells"][0] == pytest.approx(900, rel=0.15)


def test_error_of_measurement_is_no_error_of_the_total(plain: Plain) -> None:
    """Scores that are all error of measurement: the total is sure, and the mean of the map."""
    v = Variogram("exponential", 0.0, 0.0, 1.0, measurement_variance=1.0)
    said, _ = account(plain(4, 4), Lognormal(np.full((4, 4), 10.0)), v, realisations=200)
    assert said.table["modelled_sd_Tg"][0] == pytest.approx(0.0, abs=1e-9)
    assert said.table["centred_by"][0] == pytest.approx(1.0, abs=1e-3)


# --- brute force -----------------------------------------------------------------------------------------------------


def brute(grid: GeoBox, read: Lognormal, v: Variogram, draws: int, seed: int = 5) -> np.ndarray:
    """All cells, all together: totals by cell (draws, cells), Tg."""
    lattice = make_lattice(grid, lambda w: np.ones(w.shape, dtype=bool), most=10**6)
    covariance = v.partial_sill * point_correlation(lattice.xyz, lattice.xyz, v)
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(covariance + 1e-9 * np.eye(len(covariance)))
    z = root @ rng.standard_normal((len(root), draws)) + np.sqrt(v.nugget) * rng.standard_normal((len(root), draws))
    return np.asarray((read.middle.ravel()[:, None] * np.exp(read.sd.ravel()[:, None] * z)).T * CELL_M2 / KG_PER_TG)


@pytest.mark.parametrize("most", [250, 40])
@pytest.mark.parametrize("v", [FIELD, Variogram("spherical", 0.4, 0.6, 5000.0)], ids=["long", "short"])
def test_blocks_give_what_all_cells_give(plain: Plain, most: int, v: Variogram) -> None:
    """All cells, a class in patches, a class scattered over all blocks, and a farm of four cells across the corner of blocks."""
    grid, rng = plain(30, 30), np.random.default_rng(4)
    read = Lognormal(rng.uniform(3, 20, (30, 30)), rng.uniform(0.2, 0.6, (30, 30)))
    patch, scattered, farm = np.full((30, 30), np.nan), (rng.random((30, 30)) < 0.2).astype(float), np.full((30, 30), np.nan)
    patch[:, :11] = 1
    farm[11:13, 17:19] = 1
    by = (classes(patch, "patch"), classes(scattered, "scattered"), classes(farm, "farm"))
    said, _ = account(grid, read, v, by, most=most, realisations=2500)
    cells = brute(grid, read, v, 2500)
    for name, here, tolerance in (
        ("all", np.ones(900, dtype=bool), 0.08), ("patch", patch.ravel() == 1, 0.08), ("scattered", scattered.ravel() == 1, 0.09),
        ("farm", farm.ravel() == 1, 0.1),
    ):  # fmt: skip
        line = said.table[(said.table["by"] == name) & said.table["class"].isin(["", "1"])].iloc[0]
        true = cells[:, here].sum(axis=1)
        low, high = np.quantile(true, [0.05, 0.95])
        assert line["modelled_sd_Tg"] == pytest.approx(true.std(), rel=tolerance), name
        assert line["modelled_high_Tg"] - line["modelled_low_Tg"] == pytest.approx(high - low, rel=tolerance + 0.02), name
        assert line["modelled_low_Tg"] == pytest.approx(low, rel=0.04), name


def test_a_farm_in_a_large_block_has_the_interval_of_its_cells_not_of_the_block(plain: Plain) -> None:
    grid = plain(60, 60)
    read = Lognormal(np.full((60, 60), 10.0))
    farm = np.full((60, 60), np.nan)
    farm[30:32, 30:32] = 1
    v = Variogram("exponential", 0.0, 1.0, 9000.0)
    said, tables = account(grid, read, v, (classes(farm, "farm"),), most=9, realisations=2500)
    assert tables.lattice.side >= 20
    line = said.table[said.table["class"] == "1"].iloc[0]
    one = Lognormal(np.full((2, 2), 10.0))
    true = brute(plain(2, 2), one, v, 20_000).sum(axis=1)
    assert line["modelled_sd_Tg"] == pytest.approx(true.std(), rel=0.05)
    assert line["modelled_low_Tg"] == pytest.approx(np.quantile(true, 0.05), rel=0.04)
    assert line["effective_cells"] < 1.6


def test_a_farm_and_its_block_come_from_the_same_realisations(plain: Plain) -> None:
    grid = plain(40, 40)
    read = Lognormal(np.full((40, 40), 10.0))
    farm, around = np.full((40, 40), np.nan), np.full((40, 40), np.nan)
    farm[12:15, 12:15] = 1
    around[10:20, 10:20] = 1
    v = Variogram("exponential", 0.0, 1.0, 20_000.0)
    said, _ = account(grid, read, v, (classes(farm, "farm"), classes(around, "around")), most=16, realisations=3000)
    long = said.realisations[said.realisations["class"] == "1"]
    together = long.pivot(index="realisation", columns="by", values="total_Tg").corr().loc["farm", "around"]
    cells = brute(grid, read, v, 2000)
    true = np.corrcoef(cells[:, farm.ravel() == 1].sum(axis=1), cells[:, around.ravel() == 1].sum(axis=1))[0, 1]
    assert together == pytest.approx(true, abs=0.05)


# --- random fields with a known variogram ---------------------------------------------------------------------------


def coverage(plain: Plain, fields: int, most: int) -> dict[str, float]:
    """How often the total of a random field lies in the modelled interval, in both bounds."""
    grid, rng = plain(30, 30), np.random.default_rng(8)
    read = Lognormal(rng.uniform(3, 20, (30, 30)), rng.uniform(0.2, 0.6, (30, 30)))
    v = Variogram("exponential", 0.2, 0.8, 12_000.0)
    said, _ = account(grid, read, v, most=most)
    told = bounds(quantities(np.full(900, CELL_M2), *(read.parts[i].ravel() for i in (0, 1, 3))).sum(axis=1))
    true = brute(grid, read, v, fields, seed=9).sum(axis=1)
    ends = {"modelled": limits(said)}
    ends |= {name: (told[f"{name}_low_Tg"], told[f"{name}_high_Tg"]) for name in ("independent", "fully_correlated")}
    return {name: float(np.mean((true >= low) & (true <= high))) for name, (low, high) in ends.items()}


@pytest.mark.parametrize("most", [3000, 60])
def test_modelled_intervals_cover_the_independent_bound_fails_and_the_fully_correlated_one_over_covers(plain: Plain, most: int) -> None:
    found = coverage(plain, 500, most)
    assert 0.85 <= found["modelled"] <= 0.95
    assert found["independent"] < 0.4
    assert found["fully_correlated"] > 0.99


def test_intervals_given_profiles_cover_the_field_that_the_profiles_were_taken_from(plain: Plain) -> None:
    """Fields, each seen at 25 cells with nugget and error of measurement: about the map, and corrected by the profiles."""
    grid, rng = plain(15, 15), np.random.default_rng(6)
    read = Lognormal(np.full((15, 15), 10.0))
    v = Variogram("exponential", 0.2, 0.7, 12_000.0, measurement_variance=0.1)
    lattice = make_lattice(grid, lambda w: np.ones(w.shape, dtype=bool))
    tables = tabulate(grid, [LAYER], read, lattice)
    lat = np.degrees(np.arcsin(lattice.xyz[:, 2] / np.linalg.norm(lattice.xyz, axis=1)))
    lon = np.degrees(np.arctan2(lattice.xyz[:, 1], lattice.xyz[:, 0]))
    root = np.linalg.cholesky(0.7 * point_correlation(lattice.xyz, lattice.xyz, v) + 1e-9 * np.eye(225))
    inside, widths = [], []
    for seed in range(60):
        z = root @ rng.standard_normal(225) + np.sqrt(0.2) * rng.standard_normal(225)
        # What error of measurement adds to a distribution is no part of the truth: the map's mean holds.
        true = float(np.sum(read.middle.ravel() * np.exp(LOG_SD * z + LOG_SD**2 * 0.1 / 2)) * CELL_M2 / KG_PER_TG)
        seen = rng.choice(225, 25, replace=False)
        given = [sites(lon[seen], lat[seen], z[seen] + np.sqrt(0.1) * rng.standard_normal(25))]
        fields = make_fields(lattice, v, np.eye(1), given)
        row = []
        for corrected in (True, False):
            said = modelled_totals(grid, tables, fields, realisations=400, seed=seed, corrected=corrected)
            low, high = limits(said)
            row.append(low <= true <= high)
            widths.append(high - low)
        inside.append(row)
    cover = np.mean(inside, axis=0)
    assert 0.82 <= cover[0] <= 0.98
    assert 0.80 <= cover[1] <= 1.0
    free = np.subtract(*limits(account(grid, read, v, realisations=2000)[0])[::-1])
    assert np.mean(widths[::2]) < 0.75 * free


# --- layers, classes, shares ----------------------------------------------------------------------------------------


class Two:
    """Two layers of log-normal cells."""

    def __init__(self, shape: tuple[int, int]) -> None:
        rng = np.random.default_rng(2)
        self.of = {(0.0, 30.0): Lognormal(rng.uniform(4, 9, shape)), (30.0, 100.0): Lognormal(rng.uniform(3, 6, shape), 0.6)}

    def __call__(self, layer: tuple[float, float], window: Window) -> tuple[np.ndarray, ...]:
        return self.of[layer](layer, window)


@pytest.mark.parametrize("r", [0.0, 0.7, 1.0])
def test_the_whole_depth_is_the_sum_of_its_layers_in_every_realisation(plain: Plain, r: float) -> None:
    read, layers = Two((12, 12)), ((0.0, 30.0), (30.0, 100.0))
    said, _ = account(plain(12, 12), read, FIELD, layers=layers, correlation=np.array([[1, r], [r, 1]]), realisations=3000)
    table = said.table.set_index("bottom_cm")
    assert said.table["top_cm"].tolist() == [0.0, 30.0, 0.0]
    long = said.realisations.pivot(index="realisation", columns=["top_cm", "bottom_cm"], values="total_Tg")
    np.testing.assert_allclose(long[(0.0, 100.0)], long[(0.0, 30.0)] + long[(30.0, 100.0)], rtol=1e-12)
    mapped = sum(float(read.of[layer].parts[0].sum()) for layer in layers) * CELL_M2 / KG_PER_TG
    assert said.realisations["total_Tg"][said.realisations["bottom_cm"].eq(100) & said.realisations["top_cm"].eq(0)].mean() == (
        pytest.approx(mapped, rel=1e-6)
    )
    sd = said.table["modelled_sd_Tg"].to_numpy()
    together = (sd[2] ** 2 - sd[0] ** 2 - sd[1] ** 2) / (2 * sd[0] * sd[1])
    assert together == pytest.approx(r, abs=0.08)
    assert len(table) == 3


def test_realisations_of_classes_add_up_to_that_of_all(plain: Plain) -> None:
    rng = np.random.default_rng(3)
    read, codes = Lognormal(rng.uniform(5, 9, (70, 70))), rng.integers(1, 3, (70, 70)).astype(float)
    codes[:, :35] = 3
    said, _ = account(plain(70, 70), read, Variogram("exponential", 0.1, 0.9, 15_000.0), (classes(codes),), most=200, realisations=300)
    long = said.realisations.assign(key=said.realisations["by"] + said.realisations["class"])
    wide = long.pivot(index="realisation", columns="key", values="total_Tg")
    added = wide[["zone1", "zone2", "zone3"]].sum(axis=1)
    assert np.corrcoef(added, wide["all"])[0, 1] > 0.998
    np.testing.assert_allclose(added, wide["all"], rtol=0.01)


def test_shares_of_cells_are_weights_and_what_is_left_is_unclassified(plain: Plain) -> None:
    grid, read = plain(6, 6), Lognormal(np.full((6, 6), 10.0))
    shares = np.stack([np.full((6, 6), 0.25), np.full((6, 6), 0.5)])
    by = ShareLayer("cover", lambda w: shares[(slice(None), *w.slices)], (7, 9), {7: "crops", 9: "forest"})
    said, _ = account(grid, read, FIELD, (by,), realisations=300)
    table = said.table.set_index("class_name")
    assert table["area_km2"].to_dict() == pytest.approx({"all": 36.0, "crops": 9.0, "forest": 18.0, "unclassified": 9.0}, rel=1e-3)
    np.testing.assert_allclose(table["total_Tg"], table["area_km2"] * 0.01, rtol=1e-9)
    np.testing.assert_allclose(table["modelled_sd_Tg"] / table["total_Tg"], table["modelled_sd_Tg"]["all"] / 0.36, rtol=0.1)


@pytest.mark.parametrize("window", [7, 64])
def test_windows_change_nothing_but_rounding(plain: Plain, window: int) -> None:
    grid, read = plain(20, 20), Lognormal(np.random.default_rng(1).uniform(3, 9, (20, 20)))
    lattice = make_lattice(grid, lambda w: np.ones(w.shape, dtype=bool), most=50)
    fields = make_fields(lattice, FIELD, np.eye(1))
    whole, cut = (tabulate(grid, [LAYER], read, lattice, window_size=size) for size in (512, window))
    one, two = (modelled_totals(grid, t, fields, realisations=200).realisations["total_Tg"] for t in (whole, cut))
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_the_same_seed_gives_the_same_bits(plain: Plain) -> None:
    grid, read = plain(20, 20), Lognormal(np.full((20, 20), 10.0))
    one, two, other = (account(grid, read, FIELD, most=50, realisations=150, seed=s)[0].realisations for s in (3, 3, 4))
    pd.testing.assert_frame_equal(one, two)
    assert not np.array_equal(one["total_Tg"], other["total_Tg"])


def test_cells_without_a_value_count_nowhere(plain: Plain) -> None:
    mean = np.full((10, 10), 10.0)
    mean[:5] = np.nan
    said, tables = account(plain(10, 10), Lognormal(mean), FIELD, realisations=100)
    assert said.table["cells"][0] == 50 and tables.lattice.blocks == 50
    assert said.table["total_Tg"][0] == pytest.approx(0.5)


# --- error of the trend ---------------------------------------------------------------------------------------------


def test_a_trend_that_has_all_the_variance_and_moves_as_one_is_the_fully_correlated_bound(plain: Plain) -> None:
    grid, read = plain(10, 10), Lognormal(np.full((10, 10), 10.0))
    g = np.broadcast_to(np.random.default_rng(1).standard_normal((4000, 1, 1)), (4000, 100, 1))
    said, _ = account(grid, read, SHORT, realisations=4000, trend=g, trend_share=1.0)
    assert limits(said)[0] == pytest.approx(float(read.parts[1].sum()) / 1e3, rel=0.04)
    assert limits(said)[1] == pytest.approx(float(read.parts[3].sum()) / 1e3, rel=0.04)


def test_error_of_the_trend_widens_a_total_whose_other_errors_cancel_and_keeps_its_mean(plain: Plain) -> None:
    grid, read = plain(20, 20), Lognormal(np.full((20, 20), 10.0))
    rng = np.random.default_rng(2)
    forests = rng.standard_normal((30, 1, 1)) * 0.1 + np.zeros((1, 400, 1))
    g, share = trend_error(forests, LOG_SD**2)
    assert float(share.mean()) == pytest.approx(0.01 / LOG_SD**2, rel=0.6)
    plainly, moved = (
        account(grid, read, Variogram("exponential", 0.5, 0.5, 3000.0), realisations=3000, **more)[0].table.iloc[0]
        for more in ({}, {"trend": g, "trend_share": share})
    )
    assert moved["modelled_sd_Tg"] > 1.5 * plainly["modelled_sd_Tg"]
    assert moved["centred_by"] == pytest.approx(1.0, abs=0.02)


# --- faults ----------------------------------------------------------------------------------------------------------


def test_arrays_that_do_not_fit_are_refused_all_at_once(plain: Plain) -> None:
    grid, read = plain(4, 4), Lognormal(np.full((4, 4), 10.0))
    with pytest.raises(ModelError) as caught:
        account(grid, read, FIELD, realisations=1, trend=np.zeros((3, 2, 1)), trend_share=2.0)
    text = str(caught.value)
    assert "1 realisations" in text and "share of the trend" in text and "departures of the trend (3, 2, 1)" in text


def test_layers_that_cover_other_cells_and_crossing_limits_are_refused(plain: Plain) -> None:
    two = Two((5, 5))
    two.of[(30.0, 100.0)].parts[0][2, 2] = np.nan
    with pytest.raises(RasterError, match=r"1 cells of .* are mapped in one layer only"):
        account(plain(5, 5), two, FIELD, layers=((0.0, 30.0), (30.0, 100.0)))
    odd = Lognormal(np.full((3, 3), 10.0))
    odd.parts[1][1, 1] = 99.0
    with pytest.raises(RasterError, match="1 with limits that cross"):
        account(plain(3, 3), odd, FIELD)


def test_shares_beyond_a_whole_and_odd_codes_are_refused(plain: Plain) -> None:
    read = Lognormal(np.full((3, 3), 10.0))
    shares = np.full((2, 3, 3), 0.7)
    with pytest.raises(RasterError, match="9 shares of area"):
        account(plain(3, 3), read, FIELD, (ShareLayer("cover", lambda w: shares[(slice(None), *w.slices)], (1, 2), {}),))
    with pytest.raises(RasterError, match="2 shares for 3 classes"):
        account(plain(3, 3), read, FIELD, (ShareLayer("cover", lambda w: shares[(slice(None), *w.slices)], (1, 2, 3), {}),))
    with pytest.raises(RasterError, match="no whole numbers"):
        account(plain(3, 3), read, FIELD, (classes(np.full((3, 3), 1.5)),))


def test_forests_that_are_too_few_are_refused() -> None:
    with pytest.raises(ModelError, match="two forests or more"):
        trend_error(np.zeros((1, 4, 1)), 1.0)
    with pytest.raises(ModelError, match="expected above 0"):
        trend_error(np.zeros((2, 4, 1)), 0.0)


# --- model-assisted totals -------------------------------------------------------------------------------------------


def stocks(areas: dict[tuple[str, str], tuple[float, float]]) -> pd.DataFrame:
    rows = [
        {"by": by, "class": code, "class_name": code or "all", "top_cm": 0.0, "bottom_cm": 30.0, "area_km2": area, "total_Tg": total}
        for (by, code), (area, total) in areas.items()
    ]
    return pd.DataFrame(rows)


def test_assisted_totals_are_free_of_the_bias_of_the_map_and_cover() -> None:
    """A map that is 20 % too low in class 1 and right in class 2; many samples of 80 cells."""
    rng = np.random.default_rng(7)
    code = np.repeat([1, 2], [600, 400])
    true = np.where(code == 1, 10.0, 5.0) * np.exp(0.3 * rng.standard_normal(1000))
    mapped = np.where(code == 1, 0.8 * np.mean(true[code == 1]), np.mean(true[code == 2]))
    zones = {("zone", str(k)): (float((code == k).sum()), float(mapped[code == k].sum()) / 1e3) for k in (1, 2)}
    table = stocks({("all", ""): (1000.0, float(mapped.sum()) / 1e3)} | zones)
    inside = np.zeros(3)
    for _ in range(300):
        drawn = rng.choice(1000, 80, replace=False)
        found, notes = assisted_totals(
            table, true[drawn], mapped[drawn], SimpleRandom(80), pd.DataFrame({"zone": code[drawn].astype(str)})
        )
        assert notes == [] and found["by"].tolist() == ["all", "zone", "zone"]
        truth = np.array([true.sum(), true[code == 1].sum(), true[code == 2].sum()]) / 1e3
        inside += (found["assisted_low_Tg"] <= truth) & (truth <= found["assisted_high_Tg"])
    assert (inside / 300 > 0.85).all() and (inside / 300 < 0.97).all()


def test_assisted_totals_with_strata_that_are_the_classes_are_those_of_each_stratum() -> None:
    observed, predicted = np.arange(24.0), np.zeros(24)
    stratum = np.repeat(["1", "2"], 12)
    design = StratifiedRandom(stratum, {"1": 3.0, "2": 1.0})
    table = stocks({("zone", "1"): (3.0, 0.0), ("zone", "2"): (1.0, 0.0)})
    found, _ = assisted_totals(table, observed, predicted, design, pd.DataFrame({"zone": stratum}))
    np.testing.assert_allclose(found["assisted_total_Tg"], [5.5 * 3e-3, 17.5 * 1e-3])
    np.testing.assert_allclose(found["assisted_sd_Tg"], np.sqrt(13.0 / 12) * np.array([3e-3, 1e-3]), rtol=1e-9)


def test_classes_with_few_sites_are_named_and_faults_are_clear() -> None:
    table = stocks({("all", ""): (4.0, 0.04), ("zone", "1"): (2.0, 0.02)})
    found, notes = assisted_totals(table, np.arange(5.0), np.zeros(5), SimpleRandom(5), pd.DataFrame({"zone": ["1"] * 5}))
    assert found["by"].tolist() == ["all"]
    assert notes == ["model-assisted totals: zone 1: 5 sites; a total needs 10"]
    with pytest.raises(ModelError, match="classes of 3 sites; expected 5"):
        assisted_totals(table, np.arange(5.0), np.zeros(5), SimpleRandom(5), pd.DataFrame({"zone": ["1"] * 3}))
    with pytest.raises(ModelError, match="1 of 5 values missing"):
        assisted_totals(table, [1.0, 2.0, np.nan, 3.0, 4.0], np.zeros(5), SimpleRandom(5))


def test_curves_of_the_tables_keep_the_mapped_mean(plain: Plain) -> None:
    """Skewed to either side, with lower limits of zero: the mean of each total is that of the map without any centring."""
    rng = np.random.default_rng(9)
    middle = rng.uniform(2, 6, (8, 8))
    low, high = np.where(rng.random((8, 8)) < 0.3, 0.0, middle * 0.4), middle * rng.uniform(1.3, 3.0, (8, 8))
    mean = curves(low.ravel(), middle.ravel(), high.ravel()).mean().reshape(8, 8) * rng.uniform(0.9, 1.1, (8, 8))

    def read(layer: tuple[float, float], w: Window) -> tuple[np.ndarray, ...]:
        return tuple(part[w.slices] for part in (mean, low, middle, high))

    said, _ = account(plain(8, 8), read, FIELD, realisations=6000)
    assert said.table["centred_by"][0] == pytest.approx(1.0, abs=0.01)
