import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import ModelError
from edaphic.validate import residuals
from edaphic.validate.residuals import EARTH_RADIUS_M, empirical_variogram, unit_vectors

DEGREE_M = np.radians(1) * EARTH_RADIUS_M


@pytest.fixture
def points():
    rng = np.random.default_rng(3)
    return 20 + 3 * rng.random(60), 44 + 2 * rng.random(60), rng.normal(size=60)


def great_circle(lon, lat, i, j):
    """Haversine, another road to the same arc."""
    lam, phi = np.radians(lon), np.radians(lat)
    a = np.sin((phi[i] - phi[j]) / 2) ** 2 + np.cos(phi[i]) * np.cos(phi[j]) * np.sin((lam[i] - lam[j]) / 2) ** 2
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(a))


FORMULAS = {
    "matheron": lambda d: np.mean(d**2) / 2,
    "cressie": lambda d: np.mean(np.sqrt(d)) ** 4 / (0.457 + 0.494 / len(d) + 0.045 / len(d) ** 2) / 2,
    "dowd": lambda d: 2.198 * np.median(d) ** 2 / 2,
}


@pytest.mark.parametrize("estimator", FORMULAS)
def test_each_lag_is_the_plain_formula_over_its_pairs(points, estimator):
    lon, lat, z = points
    edges = [0.0, 20e3, 50e3, 120e3]
    table = empirical_variogram(lon, lat, z, bins=edges, estimator=estimator)
    i, j = np.tril_indices(60, -1)
    distance, difference = great_circle(lon, lat, i, j), np.abs(z[i] - z[j])
    for k, row in enumerate(table.itertuples()):
        inside = (distance > edges[k]) & (distance <= edges[k + 1])
        assert row.pairs == inside.sum()
        assert row.distance_m == pytest.approx(distance[inside].mean(), rel=1e-10)
        assert row.gamma == pytest.approx(FORMULAS[estimator](difference[inside]), rel=1e-12)


def test_distances_of_half_the_world():
    table = empirical_variogram([0, 90, 179], [0, 0, 0], [0, 1, 2], bins=[0, 100 * DEGREE_M, 181 * DEGREE_M])
    assert table["distance_m"].tolist() == pytest.approx([89.5 * DEGREE_M, 179 * DEGREE_M])


def test_pairs_of_one_place_are_lag_zero():
    # Two places a degree apart, two profiles in each: one pair in each place, four between them.
    table = empirical_variogram([0, 0.0001, 1, 1], [0, 0, 0, 0], [0, 2, 1, 5], groups=[7, 7, 3, 3], bins=[0, 2e5])
    assert table["lag"].tolist() == [0, 1]
    assert table["pairs"].tolist() == [2, 4]
    assert table["gamma"].tolist() == [(4 + 16) / 4, (1 + 25 + 1 + 9) / 8]
    # Without places only equal coordinates are one.
    assert empirical_variogram([0, 0.0001, 1, 1], [0, 0, 0, 0], [0, 2, 1, 5], bins=[0, 2e5])["pairs"].tolist() == [1, 5]


@pytest.mark.parametrize(("lon", "lat"), [(10.0, 0.0), (180.0, 60.0), (0.0, -80.0)])
def test_directions_are_bearings_clockwise_from_north(lon, lat):
    d = 0.01
    e = d / np.cos(np.radians(lat))
    steps = {0.0: (0, d), 45.0: (e, d), 90.0: (e, 0), 135.0: (e, -d)}
    for bearing, (east, north) in steps.items():
        # Three points on one line: three pairs, all in one direction.
        at = np.array([-1.0, 0.0, 1.0])
        where = (lon + at * east + 180) % 360 - 180
        table = empirical_variogram(where, lat + at * north, [0.0, 1.0, 2.0], bins=[0, 1e4], directions=4)
        assert table["direction_deg"].tolist() == [bearing]
        assert table["pairs"].tolist() == [3]


def test_directions_share_the_pairs_out(points):
    lon, lat, z = points
    edges = [0.0, 30e3, 90e3]
    whole = empirical_variogram(lon, lat, z, bins=edges).set_index("lag")
    split = empirical_variogram(lon, lat, z, bins=edges, directions=6)
    assert split.groupby("lag")["pairs"].sum().tolist() == whole["pairs"].tolist()
    again = (split["gamma"] * split["pairs"]).groupby(split["lag"]).sum() / whole["pairs"]
    assert again.to_numpy() == pytest.approx(whole["gamma"].to_numpy(), rel=1e-12)


def test_lags_are_narrow_at_short_distances(points):
    table = empirical_variogram(*points, bins=10, max_distance_m=100e3)
    assert np.all(table["distance_m"] <= 100e3 * (table["lag"] / 10) ** 2)
    assert np.all(table["distance_m"] >= 100e3 * ((table["lag"] - 1) / 10) ** 2)


@given(st.permutations(range(30)), st.sampled_from(list(FORMULAS)))
@settings(max_examples=25, deadline=None)
def test_the_order_of_rows_does_not_change_a_bit(order, estimator):
    rng = np.random.default_rng(1)
    lon, lat, z, place = rng.random(30), rng.random(30), rng.normal(size=30), np.arange(30) // 2
    one = empirical_variogram(lon, lat, z, groups=place, estimator=estimator, directions=4)
    p = np.array(order)
    other = empirical_variogram(lon[p], lat[p], z[p], groups=place[p], estimator=estimator, directions=4)
    pd.testing.assert_frame_equal(one, other, check_exact=True)


@given(st.floats(0.1, 10), st.floats(-100, 100), st.sampled_from(list(FORMULAS)))
@settings(max_examples=25, deadline=None)
def test_semivariance_scales_with_the_square_and_ignores_the_mean(factor, shift, estimator):
    rng = np.random.default_rng(2)
    lon, lat, z = rng.random(40), rng.random(40), rng.normal(size=40)
    one = empirical_variogram(lon, lat, z, estimator=estimator)["gamma"].to_numpy()
    other = empirical_variogram(lon, lat, factor * z + shift, estimator=estimator)["gamma"].to_numpy()
    assert other == pytest.approx(factor**2 * one, rel=1e-6)


@pytest.mark.parametrize("estimator", FORMULAS)
def test_white_noise_has_its_variance_at_all_lags(estimator):
    rng = np.random.default_rng(4)
    table = empirical_variogram(rng.random(1500), rng.random(1500), 2 * rng.normal(size=1500), estimator=estimator)
    far = table[table["pairs"] > 20_000]
    assert len(far) > 5
    assert far["gamma"].to_numpy() == pytest.approx(4.0, rel=0.08)


def test_odd_profiles_move_the_robust_estimators_less():
    rng = np.random.default_rng(5)
    lon, lat, z = rng.random(400), rng.random(400), rng.normal(size=400)
    z[:8] += 15
    last = {e: empirical_variogram(lon, lat, z, estimator=e)["gamma"].iloc[-1] for e in FORMULAS}
    assert last["matheron"] > 3
    assert last["cressie"] < 1.5
    assert last["dowd"] < 1.15


def test_too_many_rows_are_thinned_by_place(points, monkeypatch):
    monkeypatch.setattr(residuals, "MOST_ROWS", 20)
    lon, lat, z = points
    places = np.arange(60) // 3
    table = empirical_variogram(lon, lat, z, groups=places, bins=[0, 1e6], seed=1)
    # Six places of three are 18 rows: 18 pairs within places, 18 * 17 / 2 - 18 between them.
    assert table["pairs"].tolist() == [18, 135]
    assert "18 of 60 residuals used" in table.attrs["notes"][0]
    pd.testing.assert_frame_equal(table, empirical_variogram(lon, lat, z, groups=places, bins=[0, 1e6], seed=1))


def test_medians_of_every_kth_pair(points, monkeypatch):
    exact = empirical_variogram(*points, bins=[0, 1e6], estimator="dowd")
    monkeypatch.setattr(residuals, "KEPT_FOR_MEDIAN", 400)
    some = empirical_variogram(*points, bins=[0, 1e6], estimator="dowd", seed=3)
    assert some["gamma"].iloc[0] == pytest.approx(exact["gamma"].iloc[0], rel=0.25)
    assert some["gamma"].iloc[0] != exact["gamma"].iloc[0]
    assert "every k-th pair" in some.attrs["notes"][0]
    assert exact.attrs["notes"] == []


def test_one_place_has_lag_zero_only():
    table = empirical_variogram([5.0] * 4, [50.0] * 4, [0.0, 0.0, 2.0, 2.0])
    assert table[["lag", "gamma", "pairs"]].to_numpy().tolist() == [[0, 16 / 12, 6]]
    assert "one place" in table.attrs["notes"][0]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"residuals": [1.0, np.nan, 2.0, 3.0]}, "1 of 4 residuals not finite"),
        ({"lon": [1.0, np.inf, 2.0, 3.0]}, "1 of 4 lon not finite"),
        ({"residuals": [1.0, 2.0]}, "4 lon, 4 lat, 2 residuals"),
        ({"lon": [1.0], "lat": [1.0], "residuals": [1.0]}, "1 residuals; expected at least 3"),
        ({"estimator": "mean"}, "estimator 'mean'"),
        ({"directions": 1}, "1 directions"),
        ({"bins": [0.0, 5.0, 5.0]}, "expected at least two distances in metres that increase"),
        ({"bins": 0}, "0 lags"),
        ({"max_distance_m": -1.0}, "longest distance -1.0 m"),
        ({"groups": [1, 2]}, "2 groups for 4 residuals"),
    ],
)
def test_bad_input_is_one_line(change, line):
    told = {"lon": [0.0, 1, 2, 3], "lat": [0.0, 1, 2, 3], "residuals": [0.0, 1, 2, 4]} | change
    with pytest.raises(ModelError, match=line):
        empirical_variogram(told.pop("lon"), told.pop("lat"), told.pop("residuals"), **told)


def test_all_faults_are_told_at_once():
    with pytest.raises(ModelError) as fault:
        empirical_variogram([0, np.nan, 1], [0, 1, 2], [np.nan, np.inf, 0], estimator="none")
    assert len(fault.value.faults) == 3


@pytest.mark.parametrize("estimator", ["matheron", "cressie"])
def test_gstools_finds_the_same(points, estimator):
    gs = pytest.importorskip("gstools", reason="GSTools is not installed; it is no dependency (LGPL)")
    lon, lat, z = points
    edges = np.array([0.0, 20e3, 50e3, 120e3])
    table = empirical_variogram(lon, lat, z, bins=edges, estimator=estimator)
    _, gamma, count = gs.vario_estimate(
        (lat, lon), z, edges, latlon=True, geo_scale=EARTH_RADIUS_M, estimator=estimator, return_counts=True
    )
    assert table["pairs"].tolist() == count.tolist()
    assert table["gamma"].to_numpy() == pytest.approx(gamma, rel=1e-9)


def test_unit_vectors_have_length_one(points):
    assert np.linalg.norm(unit_vectors(points[0], points[1]), axis=1) == pytest.approx(1.0, abs=1e-15)
