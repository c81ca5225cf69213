import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from scipy.special import gamma as gamma_function
from scipy.special import kv

from edaphic.errors import ModelError
from edaphic.validate.residuals import EARTH_RADIUS_M, empirical_variogram
from edaphic.validate.variogram import MATERN15, MODELS, Variogram, block_side_from, fit_variogram

LAGS = 100.0 * np.arange(1, 16) ** 2


def lags_of(gamma, distance=LAGS, pairs=100, **more):
    n = len(distance)
    columns = {"lag": np.arange(1, n + 1), "distance_m": distance, "gamma": gamma, "pairs": pairs, "direction_deg": np.nan}
    return pd.DataFrame(columns | more)


def sectors_of(truth, sectors=6):
    """What pairs spread evenly over each sector would show."""
    half = 90 / sectors
    tables = []
    for centre in np.arange(sectors) * 180 / sectors:
        b = np.radians(centre + np.linspace(-half, half, 401))
        gamma = [truth.gamma(truth.distance(h * np.sin(b), h * np.cos(b))).mean() for h in LAGS]
        tables.append(lags_of(np.array(gamma), direction_deg=centre))
    return pd.concat(tables, ignore_index=True)


class Field:
    """Places in a square near the equator, where a degree is as long both ways, and fields drawn there."""

    def __init__(self, truth, n=400, side_m=200e3, seed=5):
        self.rng = np.random.default_rng(seed)
        x, y = self.rng.random((2, n)) * side_m
        degree = np.radians(1) * EARTH_RADIUS_M
        self.lon, self.lat = 20 + x / degree, (y - side_m / 2) / degree
        h = truth.distance(x[:, None] - x, y[:, None] - y)
        self.root = np.linalg.cholesky(truth.covariance(h) + 1e-9 * np.eye(n))

    def draw(self):
        return self.root @ self.rng.normal(size=len(self.root))


@pytest.mark.parametrize("model", MODELS)
def test_the_range_is_the_practical_one(model):
    v = Variogram(model, 1.0, 2.0, 500.0)
    assert float(v.correlation(500.0)) == pytest.approx(0.0 if model == "spherical" else 0.05, abs=1e-12)
    assert v.gamma([0.0, 1e-9, 1e9]).tolist() == pytest.approx([0, 1, 3], abs=1e-9)
    assert v.sill == 3.0


def test_matern_is_the_general_formula():
    h = np.array([10.0, 100.0, 400.0])
    x = MATERN15 * h / 500
    general = 2 ** (1 - 1.5) / gamma_function(1.5) * x**1.5 * kv(1.5, x)
    assert MODELS["matern15"](h / 500) == pytest.approx(general, rel=1e-12)


@given(st.sampled_from(list(MODELS)), st.floats(0, 5), st.floats(0.01, 5), st.floats(1, 1e6))
@settings(max_examples=50, deadline=None)
def test_semivariance_and_covariance_add_up_and_are_monotone(model, nugget, sill, reach):
    v = Variogram(model, nugget, sill, reach)
    h = np.linspace(0, 3 * reach, 50)
    assert v.gamma(h) + v.covariance(h) == pytest.approx(np.full(50, nugget + sill))
    assert np.all(np.diff(v.gamma(h)) >= -1e-12)


@pytest.mark.parametrize("model", MODELS)
@given(st.floats(0.1, 2), st.floats(0.5, 3), st.floats(3_000, 15_000))
@settings(max_examples=5, deadline=None)
def test_noiseless_curves_are_recovered(model, nugget, sill, reach):
    truth = Variogram(model, nugget, sill, reach)
    fit = fit_variogram(lags_of(truth.gamma(LAGS)))
    assert fit.model == model
    assert (fit.nugget, fit.partial_sill, fit.range_m) == pytest.approx((nugget, sill, reach), rel=1e-3)
    assert fit.rmse < 1e-3 * truth.sill
    assert fit.notes == ()


@pytest.mark.parametrize(("ratio", "angle"), [(0.4, 30.0), (0.25, 95.0), (0.6, 0.0)])
def test_noiseless_anisotropy_is_recovered(ratio, angle):
    truth = Variogram("exponential", 1.0, 3.0, 9000.0, ratio, angle)
    fit = fit_variogram(sectors_of(truth), ("exponential", "spherical"))
    assert fit.model == "exponential"
    assert fit.anisotropy_ratio == pytest.approx(ratio, rel=0.02)
    assert (fit.anisotropy_angle_deg - angle + 90) % 180 - 90 == pytest.approx(0, abs=1.0)
    assert (fit.nugget, fit.partial_sill, fit.range_m) == pytest.approx((1, 3, 9000), rel=0.02)


def test_no_anisotropy_where_there_is_none():
    fit = fit_variogram(sectors_of(Variogram("spherical", 1.0, 3.0, 9000.0)))
    assert fit.anisotropy_ratio == 1.0
    assert any("no anisotropy" in note for note in fit.notes)


def test_one_odd_lag_does_not_bend_the_curve():
    truth = Variogram("spherical", 1.0, 3.0, 9000.0)
    gamma = truth.gamma(LAGS)
    gamma[12] *= 3
    fit = fit_variogram(lags_of(gamma), ("spherical",))
    assert fit.sill == pytest.approx(4.0, rel=0.06)
    assert fit.range_m == pytest.approx(9000, rel=0.2)


def test_lags_with_few_pairs_are_left_out_and_counted():
    gamma = Variogram("spherical", 1.0, 3.0, 9000.0).gamma(LAGS)
    gamma[0] = 100
    fit = fit_variogram(lags_of(gamma, pairs=np.r_[3, np.full(14, 100)]), ("spherical",))
    assert fit.sill == pytest.approx(4.0, rel=1e-6)
    assert "1 lags with fewer than 10 pairs" in fit.notes[0]


def test_pairs_at_one_place_show_the_nugget():
    truth = Variogram("exponential", 1.0, 3.0, 20_000.0)
    far = LAGS[6:]
    table = lags_of(truth.gamma(far), far)
    own = pd.DataFrame({"lag": [0], "distance_m": [0.0], "gamma": [1.0], "pairs": [50], "direction_deg": [np.nan]})
    fit = fit_variogram(pd.concat([own, table]), ("exponential",))
    assert fit.nugget == pytest.approx(1.0, abs=1e-4)
    copies = own.assign(gamma=0.0)
    assert fit_variogram(pd.concat([copies, table]), ("exponential",), own_support=False).nugget == pytest.approx(1.0, abs=1e-3)


def test_measurement_variance_leaves_the_nugget():
    table = lags_of(Variogram("spherical", 1.0, 3.0, 9000.0).gamma(LAGS))
    fit = fit_variogram(table, measurement_variance=0.4)
    assert (fit.nugget, fit.measurement_variance) == pytest.approx((0.6, 0.4))
    assert "taken out" in fit.notes[-1]
    all_of_it = fit_variogram(table, measurement_variance=1.5)
    assert all_of_it.nugget == 0
    assert all_of_it.measurement_variance == pytest.approx(1.0)
    assert "the nugget becomes 0" in all_of_it.notes[-1]


def test_a_flat_curve_is_a_pure_nugget():
    fit = fit_variogram(lags_of(2 + 0.05 * np.cos(np.arange(15) * 2.5)))
    assert (fit.model, fit.partial_sill, fit.range_m) == ("nugget", 0, 0)
    assert fit.nugget == pytest.approx(2, abs=0.03)
    assert "pure nugget" in fit.notes[-1]
    assert fit.gamma([0.0, 5.0]).tolist() == [0, fit.nugget]
    assert fit.covariance([0.0, 5.0]).tolist() == [fit.nugget, 0]


def test_a_curve_that_never_levels_off_says_so():
    fit = fit_variogram(lags_of(1 + LAGS / LAGS[-1]))
    assert fit.range_m > LAGS[-1]
    assert not fit.levels_off
    assert "never levels off" in fit.notes[-1]
    side, line = block_side_from(fit, 7_000.0)
    assert side == 7_000
    assert "never levels off" in line


def test_constant_residuals_and_few_lags_are_a_pure_nugget_with_a_note():
    equal = fit_variogram(empirical_variogram(np.arange(20.0), np.zeros(20), np.full(20, 3.0)))
    assert (equal.model, equal.nugget) == ("nugget", 0)
    assert "all residuals are equal" in equal.notes[-1]
    few = fit_variogram(lags_of(np.array([1.0, 2.0, 3.0]), LAGS[:3]))
    assert (few.model, few.nugget) == ("nugget", 2)
    assert "3 lags" in few.notes[-1]
    place = fit_variogram(empirical_variogram([5.0] * 9, [50.0] * 9, np.arange(9.0)))
    assert place.model == "nugget"
    assert "one place" in place.notes[0]


@pytest.mark.parametrize("estimator", ["matheron", "cressie"])
def test_simulated_fields_are_recovered_in_the_mean(estimator):
    truth = Variogram("spherical", 0.2, 0.8, 40e3)
    field = Field(truth)
    fits = [
        fit_variogram(empirical_variogram(field.lon, field.lat, field.draw(), max_distance_m=80e3, estimator=estimator), ("spherical",))
        for _ in range(25)
    ]
    assert np.mean([f.nugget for f in fits]) == pytest.approx(0.2, abs=0.06)
    assert np.mean([f.partial_sill for f in fits]) == pytest.approx(0.8, abs=0.12)
    assert np.median([f.range_m for f in fits]) == pytest.approx(40e3, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "estimator", "tolerance"),
    # Medians of pairs that share profiles scatter more, and lie a little high.
    [("spherical", "matheron", 0.06), ("spherical", "cressie", 0.06), ("spherical", "dowd", 0.1), ("exponential", "matheron", 0.06),
     ("matern15", "matheron", 0.06)],
)
def test_hundred_fields_are_recovered_in_the_mean(model, estimator, tolerance):
    truth = Variogram(model, 0.25, 0.75, 45e3)
    field = Field(truth, n=500)
    fits = [
        fit_variogram(empirical_variogram(field.lon, field.lat, field.draw(), max_distance_m=90e3, estimator=estimator), (model,))
        for _ in range(100)
    ]
    assert np.mean([f.nugget for f in fits]) == pytest.approx(0.25, abs=0.05)
    assert np.mean([f.sill for f in fits]) == pytest.approx(1.0, abs=tolerance)
    assert np.median([f.range_m for f in fits]) == pytest.approx(45e3, rel=0.1)


@pytest.mark.slow
def test_anisotropy_of_stretched_fields_is_recovered():
    truth = Variogram("exponential", 0.1, 0.9, 60e3, 0.4, 60.0)
    field = Field(truth, n=600)
    fits = [
        fit_variogram(empirical_variogram(field.lon, field.lat, field.draw(), max_distance_m=80e3, directions=6), ("exponential",))
        for _ in range(40)
    ]
    ratio, angle = np.array([f.anisotropy_ratio for f in fits]), np.array([f.anisotropy_angle_deg for f in fits])
    assert np.median(ratio) == pytest.approx(0.4, abs=0.08)
    mean = np.angle(np.mean(np.exp(2j * np.radians(angle[ratio < 1])))) / 2
    assert np.degrees(mean) % 180 == pytest.approx(60, abs=6)


@pytest.mark.slow
def test_noise_is_seldom_taken_for_a_structure():
    rng = np.random.default_rng(8)
    lon, lat = rng.random((2, 300))
    found = [fit_variogram(empirical_variogram(lon, lat, rng.normal(size=300))).model != "nugget" for _ in range(60)]
    assert np.mean(found) < 0.15


def test_a_dictionary_survives_json():
    fit = fit_variogram(lags_of(Variogram("gaussian", 1.0, 3.0, 9000.0).gamma(LAGS)), measurement_variance=0.1)
    assert Variogram.from_dict(json.loads(json.dumps(fit.to_dict()))) == fit


def test_block_side():
    assert block_side_from(Variogram("exponential", 1.0, 1.0, 87_654.0), 1.0)[0] == 88_000
    assert block_side_from(Variogram("exponential", 1.0, 1.0, 876.0), 1.0)[0] == 880
    side, line = block_side_from(Variogram("nugget", 1.0, 0.0, 0.0), 12_000.0)
    assert side == 12_000
    assert "no correlation" in line


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Variogram("linear", 1.0, 1.0, 5.0), "model 'linear'"),
        (lambda: Variogram("spherical", -1.0, 1.0, 5.0), "nugget -1.0"),
        (lambda: Variogram("spherical", 1.0, float("nan"), 5.0), "partial_sill nan"),
        (lambda: Variogram("spherical", 1.0, 1.0, 0.0), "range 0.0 m"),
        (lambda: Variogram("spherical", 1.0, 1.0, 5.0, anisotropy_ratio=1.5), "anisotropy ratio 1.5"),
        (lambda: Variogram.from_dict({"model": "spherical", "sill": 1}), "unknown field 'sill'"),
        (lambda: Variogram.from_dict({"model": "spherical"}), "no field 'range_m'"),
        (lambda: fit_variogram(lags_of(LAGS), ("cubic",)), "model 'cubic'"),
        (lambda: fit_variogram(lags_of(LAGS), ()), "no model"),
        (lambda: fit_variogram(lags_of(LAGS).drop(columns="pairs")), "no column 'pairs'"),
        (lambda: fit_variogram(lags_of(LAGS)[:0]), "no lag has a pair"),
        (lambda: fit_variogram(lags_of(LAGS), measurement_variance=-1.0), "measurement variance -1.0"),
    ],
)
def test_bad_input_is_one_line(make, line):
    with pytest.raises(ModelError, match=line):
        make()


@pytest.mark.parametrize(
    ("model", "peer", "scale"),
    [
        ("spherical", "Spherical", 1.0),
        ("exponential", "Exponential", np.log(20)),
        ("gaussian", "Gaussian", np.sqrt(np.log(20))),
        ("matern15", "Matern", MATERN15),
    ],
)
def test_gstools_has_the_same_curves_and_fits_them_alike(model, peer, scale):
    gs = pytest.importorskip("gstools", reason="GSTools is not installed; it is no dependency (LGPL)")
    ours = Variogram(model, 0.5, 2.0, 9000.0)
    more = {"nu": 1.5} if peer == "Matern" else {}
    # GSTools has sqrt(nu) * h / len_scale inside its Matern; the rescaling of all is switched off.
    factor = np.sqrt(1.5) if peer == "Matern" else 1.0
    theirs = getattr(gs, peer)(dim=2, var=2.0, nugget=0.5, len_scale=9000.0 / scale * factor, rescale=1.0, **more)
    assert theirs.variogram(LAGS) == pytest.approx(ours.gamma(LAGS), rel=1e-9)
    again = getattr(gs, peer)(dim=2, rescale=1.0, **more)
    start = {"default": "current", "len_scale": 3000.0, "nugget": 0.1}
    again.fit_variogram(LAGS, ours.gamma(LAGS), init_guess=start, **({"nu": False} if more else {}))
    fit = fit_variogram(lags_of(ours.gamma(LAGS)), (model,))
    peers = (again.nugget, again.var, again.len_scale * scale / factor)
    assert (fit.nugget, fit.partial_sill, fit.range_m) == pytest.approx(peers, rel=1e-3)


def test_zinc_along_the_meuse_has_the_range_that_is_in_textbooks(shared):
    # gstat's own example: log zinc, 15 lags up to a third of the diagonal, spherical with nugget 0.05, partial sill 0.59, range 897 m.
    table = pd.read_csv(shared / "data" / "meuse" / "meuse.csv")
    lon, lat = Transformer.from_crs("EPSG:28992", "EPSG:4326", always_xy=True).transform(table["x"], table["y"])
    empirical = empirical_variogram(lon, lat, np.log(table["zinc"]), bins=np.linspace(0, 1596.6, 16))
    # gstat's pairs by lag, to the few that the projection moves over an edge.
    assert empirical["pairs"].to_numpy()[:3] == pytest.approx([57, 299, 419], abs=3)
    fit = fit_variogram(empirical, ("spherical",))
    assert (fit.nugget, fit.partial_sill) == pytest.approx((0.05, 0.59), abs=0.03)
    # gstat weighs by pairs / h**2, which trusts the shortest lags more.
    assert fit.range_m == pytest.approx(897, rel=0.07)
    turned = fit_variogram(empirical_variogram(lon, lat, np.log(table["zinc"]), bins=np.linspace(0, 1596.6, 16), directions=4))
    # The river flows to the north: gstat's example has 45 degrees.
    assert turned.anisotropy_angle_deg == pytest.approx(45, abs=15)
    assert turned.anisotropy_ratio < 0.6
