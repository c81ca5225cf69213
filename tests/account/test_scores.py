"""Scores: closed forms of two-piece curves, scores of perfect predictions, variograms that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtri
from scipy.stats import norm

from edaphic.account.simulation.scores import FARTHEST, curves, scaled, score_model, scores_of
from edaphic.errors import ModelError
from edaphic.validate.grouping import EARTH_RADIUS_M
from edaphic.validate.residuals import unit_vectors
from edaphic.validate.variogram import Variogram

Z95 = float(ndtri(0.95))


def numerical_mean(low: float, middle: float, high: float) -> float:
    cell = curves([low], [middle], [high])
    parts = [quad(lambda z: float(cell.quantile(z)[0]) * norm.pdf(z), *ends, limit=200)[0] for ends in ((-9, 0), (0, 9))]
    return sum(parts)


# --- curves ----------------------------------------------------------------------------------------------------------


def test_a_lognormal_cell_has_the_moments_of_a_lognormal() -> None:
    s = 0.4
    cell = curves([10 * np.exp(-Z95 * s)], [10.0], [10 * np.exp(Z95 * s)])
    assert cell.mean()[0] == pytest.approx(10 * np.exp(s**2 / 2), rel=1e-12)
    z = np.random.default_rng(1).standard_normal(400_000)
    many = curves(np.full(len(z), cell.quantile(-Z95)[0]), np.full(len(z), 10.0), np.full(len(z), cell.quantile(Z95)[0]))
    assert many.quantile(z).std() == pytest.approx(10 * np.exp(s**2 / 2) * np.sqrt(np.expm1(s**2)), rel=0.01)


SHAPES = [(5.0, 10.0, 30.0), (0.0, 2.0, 9.0), (0.0, 8.0, 9.0), (-3.0, 1.0, 2.0), (4.0, 4.0, 9.0), (1.0, 1.5, 90.0)]


@pytest.mark.parametrize(("low", "middle", "high"), SHAPES)
def test_mean_is_that_of_the_curve_and_limits_are_kept(low: float, middle: float, high: float) -> None:
    cell = curves([low], [middle], [high])
    assert cell.mean()[0] == pytest.approx(numerical_mean(low, middle, high), rel=1e-6)
    assert cell.quantile([Z95])[0] == pytest.approx(high, rel=1e-9)
    assert cell.quantile([-Z95])[0] == pytest.approx(low, abs=1e-4)
    assert cell.quantile([0.0])[0] == middle


@given(
    low=st.floats(0.0, 20.0), up=st.floats(0.01, 30.0), further=st.floats(0.01, 60.0), factor=st.floats(0.5, 2.0), z=st.floats(-3.0, 3.0)
)
def test_score_inverts_the_quantile_and_the_mean_is_as_asked(low: float, up: float, further: float, factor: float, z: float) -> None:
    plain = curves([low], [low + up], [low + up + further])
    cell = curves([low], [low + up], [low + up + further], mean=plain.mean() * factor)
    assert cell.mean()[0] == pytest.approx(plain.mean()[0] * factor, rel=1e-9)
    value = cell.quantile([z])
    if value[0] > 1e-9:
        assert cell.score(value)[0] == pytest.approx(z, abs=1e-4)
        assert cell.cdf(value)[0] == pytest.approx(norm.cdf(z), abs=1e-4)
    assert cell.quantile([z + 0.1])[0] >= value[0]


def test_without_a_median_the_curve_has_one_piece() -> None:
    assert curves([4.0], None, [9.0]).middle[0] == pytest.approx(6.0)
    assert curves([0.0], None, [9.0]).middle[0] == pytest.approx(4.5)


def test_slope_is_the_derivative_of_the_score() -> None:
    cell = curves([5.0, 0.0], [10.0, 3.0], [30.0, 9.0])
    for value in ([7.0, 2.0], [20.0, 5.0]):
        step = 1e-6
        found = (cell.score(np.add(value, step)) - cell.score(np.subtract(value, step))) / (2 * step)
        np.testing.assert_allclose(cell.slope(value), found, rtol=1e-5)


def test_crossing_limits_are_refused() -> None:
    with pytest.raises(ModelError, match="1 of 2 with limits that cross or are no numbers"):
        curves([1.0, 5.0], [2.0, 4.0], [3.0, 3.0])


# --- scores ----------------------------------------------------------------------------------------------------------


def profiles(n: int, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    lon, lat = 20 + rng.random(n), 45 + rng.random(n)
    return pd.DataFrame({"profile_id": np.arange(n), "top_cm": 0.0, "bottom_cm": 30.0, "lon": lon, "lat": lat})


def test_scores_of_a_perfect_model_are_standard_normal() -> None:
    rng = np.random.default_rng(2)
    s, middle = rng.uniform(0.2, 0.8, 20_000), rng.uniform(2, 20, 20_000)
    table = pd.DataFrame({"q05": middle * np.exp(-Z95 * s), "q50": middle, "q95": middle * np.exp(Z95 * s)})
    table["observed"] = middle * np.exp(s * rng.standard_normal(len(s)))
    scores, notes = scores_of(table)
    assert notes == [] or "beyond 4" in notes[0]
    assert abs(scores["score"].mean()) < 0.02
    assert scores["score"].std() == pytest.approx(1.0, abs=0.02)


def test_error_of_measurement_in_scores() -> None:
    """A relative error of 10 % where the curve has a log sd of 0.5 is a fifth of a score, wherever the observation lies."""
    s = 0.5
    table = pd.DataFrame({"q05": 10 * np.exp(-Z95 * s), "q50": 10.0, "q95": 10 * np.exp(Z95 * s), "observed": [4.0, 10.0, 25.0]})
    scores, _ = scores_of(table.assign(error_sd=0.1 * table["observed"]))
    np.testing.assert_allclose(scores["error_variance"], 0.04, rtol=1e-6)


def test_rows_without_numbers_are_left_out_and_counted_and_far_ones_cut() -> None:
    table = pd.DataFrame({"q05": [5.0, 5.0, np.nan], "q50": 10.0, "q95": 20.0, "observed": [1e9, 10.0, 10.0]})
    scores, notes = scores_of(table)
    assert scores["score"].tolist() == [FARTHEST, 0.0]
    assert notes == ["scores: 1 of 3 predictions without an observation or a quantile left out", "scores: 1 of 2 beyond 4 taken as 4"]


def test_columns_that_are_missing_are_named() -> None:
    with pytest.raises(ModelError, match="no column 'q50'"):
        scores_of(pd.DataFrame({"observed": [1.0], "q05": [1.0], "q95": [1.0]}))
    with pytest.raises(ModelError, match="no column 'lon'"):
        score_model(profiles(40).drop(columns="lon").assign(score=0.0))


def test_variogram_of_a_known_field_and_its_shares() -> None:
    """Sill 1, structured share 0.7, of the nugget of 0.3 a half is error of measurement; range 40 km."""
    table = profiles(900, 3)
    xyz = EARTH_RADIUS_M * unit_vectors(table["lon"].to_numpy(), table["lat"].to_numpy())
    h = np.linalg.norm(xyz[:, None] - xyz[None], axis=2)
    truth = Variogram("exponential", 0.3, 0.7, 40e3)
    root = np.linalg.cholesky(0.7 * truth.correlation(h) + 1e-9 * np.eye(len(h)))
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        score = root @ rng.standard_normal(len(h)) + np.sqrt(0.3) * rng.standard_normal(len(h))
        model = score_model(table.assign(score=score, error_variance=0.15), directions=False)
        assert model.field_share + model.nugget_share + model.measurement_share == pytest.approx(1.0)
        found.append((model.field_share, model.measurement_share, model.variogram.range_m / 40e3))
    share, measurement, range_ratio = np.mean(found, axis=0)
    assert share == pytest.approx(0.7, abs=0.12)
    assert measurement == pytest.approx(0.15, abs=0.04)
    assert 0.5 < range_ratio < 1.7


def test_measurement_is_taken_out_no_further_than_the_nugget_goes() -> None:
    v = scaled(Variogram("spherical", 0.1, 0.9, 1000.0), measurement=0.4)
    assert (v.nugget, round(v.partial_sill, 9), round(v.measurement_variance, 9)) == (0.0, 0.9, 0.1)


def test_correlation_of_layers_is_freed_of_measurement_error() -> None:
    rng = np.random.default_rng(5)
    n = 3000
    shared, m = rng.standard_normal(n), 0.2
    parts = []
    for bottom in (30.0, 60.0):
        soil = np.sqrt(0.6) * shared + np.sqrt(0.4) * rng.standard_normal(n)
        score = np.sqrt(1 - m) * soil + np.sqrt(m) * rng.standard_normal(n)
        parts.append(profiles(n).assign(top_cm=bottom - 30, bottom_cm=bottom, score=score, error_variance=m))
    model = score_model(pd.concat(parts))
    assert model.layers == ((0.0, 30.0), (30.0, 60.0))
    assert model.correlation[0][1] == pytest.approx(0.6, abs=0.06)


def test_layers_without_common_profiles_are_taken_as_fully_correlated_and_said() -> None:
    a, b = profiles(60), profiles(60, 2).assign(profile_id=np.arange(100, 160), top_cm=30.0, bottom_cm=60.0)
    rng = np.random.default_rng(1)
    model = score_model(pd.concat([a, b]).assign(score=rng.standard_normal(120)))
    assert model.correlation[0][1] == pytest.approx(1.0)
    assert any("share 0 profiles" in note for note in model.notes)


def test_few_profiles_have_no_variogram_and_that_is_said() -> None:
    model = score_model(profiles(10).assign(score=np.arange(10.0)))
    assert model.field_share == 0.0
    assert any("fewer than 30" in note for note in model.notes)
