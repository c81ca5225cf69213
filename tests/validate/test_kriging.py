import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.validate.kriging import gather, leave_out, ordinary_kriging
from edaphic.validate.residuals import EARTH_RADIUS_M, unit_vectors
from edaphic.validate.variogram import MODELS, Variogram


def metres(lon, lat):
    return EARTH_RADIUS_M * unit_vectors(np.asarray(lon, dtype=float), np.asarray(lat, dtype=float))


@pytest.fixture
def data():
    rng = np.random.default_rng(11)
    return 15 + rng.random(40), 45 + rng.random(40), rng.normal(size=40) + 5


@pytest.fixture
def at():
    rng = np.random.default_rng(12)
    return metres(15 + rng.random(25), 45 + rng.random(25))


def dense(xyz, values, v, at):
    """One system with a Lagrange multiplier, as textbooks print it."""
    n = len(values)
    matrix = np.ones((n + 1, n + 1))
    matrix[:n, :n] = v.covariance(np.linalg.norm(xyz[:, None] - xyz, axis=2))
    matrix[n, n] = 0
    right = np.ones((n + 1, len(at)))
    right[:n] = v.partial_sill * v.correlation(np.linalg.norm(xyz[:, None] - at, axis=2))
    solved = np.linalg.solve(matrix, right)
    return values @ solved[:n], v.sill - np.sum(solved * right, axis=0)


@pytest.mark.parametrize("model", MODELS)
def test_all_places_together_solve_the_textbook_system(data, at, model):
    v = Variogram(model, 0.2, 1.0, 60e3)
    mean, variance = ordinary_kriging(gather(*data), v, at)
    expected = dense(metres(*data[:2]), data[2], v, at)
    assert mean == pytest.approx(expected[0], abs=1e-5)
    assert variance == pytest.approx(expected[1], abs=1e-5)


def test_a_neighbourhood_is_the_same_as_those_places_alone(data, at):
    v = Variogram("exponential", 0.2, 1.0, 60e3)
    xyz = metres(*data[:2])
    mean, variance = ordinary_kriging(gather(*data), v, at, neighbours=7)
    for i, point in enumerate(at):
        near = np.argsort(np.linalg.norm(xyz - point, axis=1))[:7]
        one = dense(xyz[near], data[2][near], v, point[None])
        assert (mean[i], variance[i]) == pytest.approx((one[0][0], one[1][0]), abs=1e-5)


def test_without_nugget_the_data_are_met(data):
    v = Variogram("spherical", 0.0, 1.0, 60e3)
    mean, variance = ordinary_kriging(gather(*data), v, metres(*data[:2]))
    assert mean == pytest.approx(data[2], abs=1e-4)
    assert variance == pytest.approx(np.zeros(40), abs=1e-4)


def test_with_nugget_the_data_are_smoothed(data):
    places = gather(*data)
    mean, variance = ordinary_kriging(places, Variogram("spherical", 1.0, 1.0, 60e3), metres(*data[:2]))
    assert np.std(mean) < 0.8 * np.std(data[2])
    assert np.all(variance >= 1.0)


def test_far_away_the_mean_of_the_neighbourhood_is_predicted(data):
    v = Variogram("exponential", 0.0, 1.0, 1.0)
    mean, variance = ordinary_kriging(gather(*data), v, metres([100.0], [0.0]))
    assert mean[0] == pytest.approx(data[2].mean(), abs=1e-6)
    assert variance[0] == pytest.approx(1 + 1 / 40, abs=1e-6)


def test_leaving_out_is_kriging_without_the_place(data):
    v = Variogram("exponential", 0.2, 1.0, 60e3)
    chosen = np.array([3, 17, 39])
    places = gather(*data)
    mean, variance = leave_out(places, v, chosen)
    for k, i in enumerate(chosen):
        rest = np.arange(40) != i
        one = dense(places.xyz[rest], places.mean[rest], v, places.xyz[[i]])
        assert (mean[k], variance[k]) == pytest.approx((one[0][0], one[1][0]), abs=1e-5)


def test_values_at_one_place_are_one_datum_with_less_nugget():
    v = Variogram("exponential", 0.5, 1.0, 50e3)
    lon, lat, values = np.array([0.0, 0, 0, 0.2]), np.zeros(4), np.array([1.0, 2, 3, 6])
    at = metres([0.1], [0.0])
    mean, variance = ordinary_kriging(gather(lon, lat, values), v, at)
    # Four data in the textbook system, three of them at one place: the nugget keeps it regular.
    xyz = metres(lon, lat)
    n = 4
    matrix = np.ones((5, 5))
    matrix[:n, :n] = v.partial_sill * v.correlation(np.linalg.norm(xyz[:, None] - xyz, axis=2)) + v.nugget * np.eye(n)
    matrix[n, n] = 0
    right = np.r_[v.partial_sill * v.correlation(np.linalg.norm(xyz - at, axis=1)), 1]
    solved = np.linalg.solve(matrix, right)
    assert mean[0] == pytest.approx(values @ solved[:n], abs=1e-5)
    assert variance[0] == pytest.approx(v.sill - solved @ right, abs=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_close_places_without_nugget_are_not_singular(model):
    rng = np.random.default_rng(3)
    lon, lat = 10 + 1e-7 * rng.random(60), 50 + 1e-7 * rng.random(60)
    mean, variance = ordinary_kriging(gather(lon, lat, rng.normal(size=60)), Variogram(model, 0.0, 1.0, 500e3), metres([10.0], [50.0]))
    assert np.isfinite(mean).all()
    assert np.abs(mean).max() < 10
    assert np.all((variance >= 0) & (variance < 2))


@given(st.integers(1, 60), st.floats(-1e3, 1e3))
@settings(max_examples=30, deadline=None)
def test_weights_add_up_to_one(n, level):
    rng = np.random.default_rng(n)
    places = gather(rng.random(n), rng.random(n), np.full(n, level))
    mean, _ = ordinary_kriging(places, Variogram("exponential", 0.3, 1.0, 30e3), metres(rng.random(5), rng.random(5)))
    assert mean == pytest.approx(np.full(5, level), abs=1e-9 * max(1, abs(level)))


def test_a_row_does_not_depend_on_the_others_asked_for(data, at):
    v = Variogram("spherical", 0.1, 1.0, 60e3)
    many = np.tile(at, (50, 1))
    mean = ordinary_kriging(gather(*data), v, many)[0]
    assert np.array_equal(mean[-25:], ordinary_kriging(gather(*data), v, at)[0])


def test_errors_have_the_variance_that_kriging_states():
    rng = np.random.default_rng(21)
    v = Variogram("exponential", 0.3, 0.7, 80e3)
    lon, lat = 10 + rng.random(150), rng.random(150)
    xyz = metres(lon, lat)
    root = np.linalg.cholesky(v.covariance(np.linalg.norm(xyz[:, None] - xyz, axis=2)))
    z = []
    for _ in range(150):
        field = root @ rng.normal(size=150)
        mean, variance = ordinary_kriging(gather(lon[:120], lat[:120], field[:120]), v, xyz[120:])
        z.append((field[120:] - mean) / np.sqrt(variance))
    assert np.std(z) == pytest.approx(1.0, abs=0.04)
    assert np.mean(z) == pytest.approx(0.0, abs=0.06)


def test_gstools_kriges_the_same(data):
    gs = pytest.importorskip("gstools", reason="GSTools is not installed; it is no dependency (LGPL)")
    v = Variogram("exponential", 0.2, 1.0, 60e3)
    model = gs.Exponential(
        latlon=True, geo_scale=EARTH_RADIUS_M, var=1.0, nugget=0.2, len_scale=60e3 / np.log(20), rescale=1.0
    )
    lon, lat = np.array([15.2, 15.9, 16.5]), np.array([45.1, 45.8, 46.0])
    krige = gs.krige.Ordinary(model, (data[1], data[0]), data[2], exact=False)
    field, variance = krige((lat, lon))
    mean, ours = ordinary_kriging(gather(*data), v, metres(lon, lat))
    # GSTools measures along straight lines as well (Yadrenko's way to the sphere), and counts the nugget as an error of the data.
    assert mean == pytest.approx(field, abs=1e-5)
    assert ours == pytest.approx(variance, abs=1e-5)
