"""Splines by closed forms, by brute force and by what must not change them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.covariates.climate.basis import basis_for
from edaphic.covariates.climate.factor import BLOCK, factorise
from edaphic.covariates.climate.spline import fit


def places(n: int = 40, d: int = 2, q: int = 0, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-3, 7, (n, d + q))


def wavy(points: np.ndarray, noise: float = 0.3, seed: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.sin(points[:, 0]) + 0.5 * points[:, 1] + 0.2 * points.sum(axis=1) + noise * rng.standard_normal(len(points))


MODELS = [(2, 2, 0), (2, 2, 1), (2, 3, 0), (3, 2, 0), (3, 3, 0), (3, 2, 2)]


@pytest.mark.parametrize(("order", "d", "q"), MODELS)
def test_plane_is_exact(order, d, q):
    """Linear functions of coordinates and covariates are reproduced, however much noise there is in other fields."""
    points = places(40, d, q)
    slopes = np.arange(1.0, d + q + 1)
    plane = 1e3 + points @ slopes
    splines = fit(basis_for(points, order, d), points, np.column_stack([plane, wavy(points)]), "gcv")
    there = places(9, d, q, seed=8) * 4
    assert splines.predict(there)[:, 0] == pytest.approx(1e3 + there @ slopes, rel=1e-11)
    assert math.isinf(splines.choices[0].lam) and splines.choices[0].df == splines.basis.terms
    assert "exactly" in splines.choices[0].note and "exactly" not in splines.choices[1].note
    assert splines.left_out[:, 0] == pytest.approx(plane, rel=1e-11)


def test_constant_is_exact():
    points = places(12)
    splines = fit(basis_for(points, 2, 2), points, np.zeros((12, 1)))
    assert np.abs(splines.predict(places(5, seed=1))).max() == 0.0


@pytest.mark.parametrize(("order", "d", "q"), MODELS)
def test_direct_solution(order, d, q):
    """Against the linear system of Green and Silverman (1994): (E + lam W^-1) c + T beta = y, T'c = 0."""
    points, weights = places(30, d, q), np.random.default_rng(2).uniform(0.5, 3, 30)
    y = wavy(points)
    basis = basis_for(points, order, d)
    splines = fit(basis, points, y[:, None], "gcv", weights)
    scaled, w = basis.scaled(points), weights / weights.mean()
    e, t = basis.kernel(scaled, scaled), basis.polynomials(scaled)
    p, lam = t.shape[1], splines.choices[0].lam
    system = np.block([[e + lam * np.diag(1 / w), t], [t.T, np.zeros((p, p))]])
    solved = np.linalg.solve(system, np.concatenate([y, np.zeros(p)]))
    there = places(11, d, q, seed=9)
    wanted = basis.kernel(basis.scaled(there), scaled) @ solved[:30] + basis.polynomials(basis.scaled(there)) @ solved[30:]
    assert splines.predict(there)[:, 0] == pytest.approx(wanted, rel=1e-7, abs=1e-7)
    assert splines.fitted[:, 0] == pytest.approx(e @ solved[:30] + t @ solved[30:], rel=1e-7, abs=1e-7)
    smoother = np.block([e, t]) @ np.linalg.solve(system, np.eye(30 + p)[:, :30])
    assert splines.leverage[:, 0] == pytest.approx(np.diag(smoother), abs=1e-7)
    assert splines.choices[0].df == pytest.approx(np.trace(smoother), rel=1e-7)
    rss = np.sum(w * (y - smoother @ y) ** 2)
    assert splines.choices[0].gcv == pytest.approx(30 * rss / (30 - np.trace(smoother)) ** 2, rel=1e-6)


@pytest.mark.parametrize(("order", "d", "q"), MODELS[:4])
def test_left_out_by_brute_force(order, d, q):
    points = places(25, d, q)
    weights = np.random.default_rng(2).uniform(0.5, 3, 25)
    y = wavy(points)
    basis = basis_for(points, order, d)
    whole = fit(basis, points, y[:, None], "reml", weights)
    lam, w = whole.choices[0].lam, weights / weights.mean()
    for i in range(25):
        rest = np.arange(25) != i
        factor = factorise(basis, points[rest], w[rest])
        scaled, p = basis.scaled(points), basis.terms
        along = factor.vectors[:, p:].T @ (y[rest] * factor.root)
        c = factor.vectors[:, p:] @ (along / (factor.eigenvalues + lam)) * factor.root
        t = basis.polynomials(scaled[rest])
        beta = np.linalg.lstsq(t, y[rest] - basis.kernel(scaled[rest], scaled[rest]) @ c - lam * c / w[rest], rcond=None)[0]
        predicted = basis.kernel(scaled[i : i + 1], scaled[rest]) @ c + basis.polynomials(scaled[i : i + 1]) @ beta
        assert whole.left_out[i, 0] == pytest.approx(predicted[0], rel=1e-7, abs=1e-7)


def test_limits():
    """Little smoothing: the surface passes through the stations. Much: it is the least-squares plane, with 3 degrees of freedom."""
    points = places(30)
    y = wavy(points)
    basis = basis_for(points, 2, 2)
    rough, smooth = fit(basis, points, y[:, None], 29.999), fit(basis, points, y[:, None], 3.0001)
    assert rough.predict(points)[:, 0] == pytest.approx(y, abs=1e-3)
    t = np.column_stack([np.ones(30), points])
    plane = t @ np.linalg.lstsq(t, y, rcond=None)[0]
    assert smooth.predict(points)[:, 0] == pytest.approx(plane, abs=1e-3)
    assert (rough.choices[0].df, smooth.choices[0].df) == (pytest.approx(29.999, abs=1e-6), pytest.approx(3.0001, abs=1e-6))


def test_standard_error_is_that_of_the_process():
    """At the stations: variance x leverage / weight. Elsewhere: kriging with the generalised covariance, solved directly."""
    points, weights = places(30, 2, 1), np.random.default_rng(2).uniform(0.5, 3, 30)
    y = wavy(points)
    basis = basis_for(points, 2, 2)
    splines = fit(basis, points, y[:, None], "gcv", weights, keep=True)
    choice, w = splines.choices[0], weights / weights.mean()
    assert splines.standard_error(points)[:, 0] ** 2 == pytest.approx(choice.variance * splines.leverage[:, 0] / w, rel=1e-6)
    there = places(8, 2, 1, seed=4)
    scaled, cells = basis.scaled(points), basis.scaled(there)
    e, t, k = basis.kernel(scaled, scaled), basis.polynomials(scaled), basis.kernel(scaled, cells)
    p = t.shape[1]
    system = np.block([[e + choice.lam * np.diag(1 / w), t], [t.T, np.zeros((p, p))]])
    right = np.concatenate([k, basis.polynomials(cells).T])
    variance = choice.variance / choice.lam * -np.sum(right * np.linalg.solve(system, right), axis=0)
    assert splines.standard_error(there)[:, 0] ** 2 == pytest.approx(variance, rel=1e-6)


def test_plane_has_the_error_of_regression():
    points = places(20)
    y = 3 + points @ [1.0, 2.0] + 1e-9 * np.random.default_rng(1).standard_normal(20)
    splines = fit(basis_for(points, 2, 2), points, np.column_stack([y, y + 1]), 3.00001, keep=True)
    t, cells = np.column_stack([np.ones(20), points]), places(6, seed=2)
    s2 = np.sum((y - t @ np.linalg.lstsq(t, y, rcond=None)[0]) ** 2) / 17
    rows = np.column_stack([np.ones(6), cells])
    wanted = np.sqrt(s2 * np.sum(rows @ np.linalg.inv(t.T @ t) * rows, axis=1))
    assert splines.standard_error(cells)[:, 0] == pytest.approx(wanted, rel=1e-2)


def test_gaps_are_fields_of_their_own_stations():
    """A field with gaps is the spline of the stations that have it; fields with the same gaps share a factorisation."""
    points = places(40)
    full = wavy(points)
    gappy = np.where(np.arange(40) % 7 == 0, np.nan, wavy(points, seed=6))
    basis = basis_for(points, 2, 2)
    splines = fit(basis, points, np.column_stack([full, gappy, gappy + 1, full * 2]), keep=True)
    assert [fields for _, fields in splines.factors] == [(0, 3), (1, 2)]
    have = np.isfinite(gappy)
    alone = fit(basis, points[have], gappy[have, None])
    assert splines.predict(points)[:, 1] == pytest.approx(alone.predict(points)[:, 0], abs=1e-9)
    assert np.isnan(splines.fitted[~have, 1]).all() and np.isfinite(splines.fitted[have, 1]).all()
    assert splines.choices[3].df == pytest.approx(splines.choices[0].df, rel=1e-6)


def test_two_stations_at_one_place():
    """Both count; the surface passes between them even with little smoothing."""
    points = np.concatenate([places(20), [[1.0, 1.0], [1.0, 1.0]]])
    y = np.concatenate([wavy(points[:20]), [3.0, 5.0]])
    splines = fit(basis_for(points, 2, 2), points, y[:, None], 20.99)
    assert splines.predict([[1.0, 1.0]])[0, 0] == pytest.approx(4.0, abs=1e-2)
    chosen = fit(basis_for(points, 2, 2), points, y[:, None])
    assert np.isfinite(chosen.left_out).all() and np.isfinite(chosen.choices[0].gcv)


def test_weights_are_repeats():
    """A station of weight 2 counts as two of weight 1: same surface at the same smoothing of the roughness."""
    points = places(15)
    y = wavy(points)
    twice = np.concatenate([points, points[:1]])
    basis = basis_for(points, 2, 2)
    doubled = factorise(basis, twice)
    weighted = factorise(basis, points, [2.0] + [1.0] * 14)
    lam, p, fields = 0.01, 3, []
    for factor, values in ((doubled, np.append(y, y[0])), (weighted, y)):
        turned = factor.vectors.T @ (values * factor.root)
        left = lam / (factor.eigenvalues + lam)
        fields.append((values - factor.vectors[:, p:] @ (left * turned[p:]) / factor.root)[:15])
    assert fields[0] == pytest.approx(fields[1], abs=1e-9)


def on_the_globe(n: int, seed: int = 3) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_sphere_has_no_poles():
    """Turning the globe turns the surface with it; a constant is exact; far away it stays between the extremes, or near."""
    points, cells = on_the_globe(80), on_the_globe(30, seed=4)
    y = 20 * points[:, 2] ** 2 + np.sin(5 * points[:, 0]) + 0.2 * np.random.default_rng(1).standard_normal(80)
    turned = np.linalg.qr(np.random.default_rng(2).standard_normal((3, 3)))[0]
    one = fit(basis_for(points, 2, 3, "sphere"), points, np.column_stack([y, np.full(80, 7.0)]), keep=True)
    other = fit(basis_for(points @ turned, 2, 3, "sphere"), points @ turned, y[:, None], keep=True)
    assert other.predict(cells @ turned)[:, 0] == pytest.approx(one.predict(cells)[:, 0], abs=1e-5)
    assert other.standard_error(cells @ turned)[:, 0] == pytest.approx(one.standard_error(cells)[:, 0], rel=1e-4)
    assert one.predict(cells)[:, 1] == pytest.approx(7.0, abs=1e-12) and one.basis.terms == 1
    assert np.sqrt(np.mean((one.predict(cells)[:, 0] - 20 * cells[:, 2] ** 2 - np.sin(5 * cells[:, 0])) ** 2)) < 0.5


def test_sphere_in_small_is_flat():
    """Over a few degrees the spline on the sphere is the thin-plate spline without the slopes of a plane."""
    rng = np.random.default_rng(0)
    flat = rng.uniform(-0.02, 0.02, (60, 2))
    globe = np.column_stack([flat, np.sqrt(1 - np.sum(flat**2, axis=1))])
    y = np.sin(200 * flat[:, 0]) + np.cos(150 * flat[:, 1])
    a = fit(basis_for(flat, 2, 2), flat, y[:, None], 55.0)
    b = fit(basis_for(globe, 2, 3, "sphere"), globe, y[:, None], 55.0)
    assert b.predict(globe) == pytest.approx(a.predict(flat), abs=0.05)


@pytest.mark.parametrize("metres", [1.0, 1e-3, 1e5])
def test_unit_and_origin_change_nothing(metres):
    points = places(30)
    y = wavy(points)[:, None]
    one = fit(basis_for(points, 2, 2), points, y)
    moved = points * metres + np.array([5e6, -2e6]) * metres
    other = fit(basis_for(moved, 2, 2), moved, y)
    assert other.fitted == pytest.approx(one.fitted, abs=1e-6)
    assert other.choices[0].df == pytest.approx(one.choices[0].df, rel=1e-5)
    assert other.lam[0] == pytest.approx(one.lam[0] * metres**2, rel=1e-4)


def test_values_do_not_depend_on_neighbours_or_threads():
    """To the bit: in any company, order, number of threads."""
    points = places(300)
    splines = fit(basis_for(points, 2, 2), points, np.column_stack([wavy(points), wavy(points, seed=9)]), keep=True)
    cells = places(1031, seed=10)
    whole = splines.predict(cells)
    assert np.array_equal(whole, splines.predict(cells, threads=1)) and np.array_equal(whole, splines.predict(cells, threads=5))
    parts = np.concatenate([splines.predict(cells[low : low + 97]) for low in range(0, 1031, 97)])
    assert np.array_equal(whole, parts)
    assert np.array_equal(whole[::-1], splines.predict(cells[::-1]))
    holes = cells.copy()
    holes[::3] = np.nan
    assert np.array_equal(splines.predict(holes)[1::3], whole[1::3]) and np.isnan(splines.predict(holes)[::3]).all()
    errors = splines.standard_error(cells)
    assert np.array_equal(errors[: 2 * BLOCK], np.concatenate([splines.standard_error(cells[k * BLOCK : (k + 1) * BLOCK]) for k in (0, 1)]))
    assert splines.standard_error(cells[3:]) == pytest.approx(errors[3:], rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(8, 30), st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_more_freedom_follows_closer(n, seed, share):
    points = places(n, seed=seed)
    y = wavy(points, seed=seed)[:, None]
    low, high = sorted((3 + share * (n - 3.1), 3 + 0.5 * (n - 3.1)))
    basis = basis_for(points, 2, 2)
    rss = [float(np.sum((y - fit(basis, points, y, df).fitted) ** 2)) for df in (low, high)]
    assert rss[1] <= rss[0] * (1 + 1e-9)


@pytest.mark.parametrize(
    ("points", "match"),
    [
        (np.column_stack([np.arange(9.0), np.arange(9.0) * 2 + 1]), "apart"),
        (np.zeros((9, 2)), "apart"),
        (places(3), "more than 3"),
        (np.column_stack([places(9), places(9) @ [2.0, 3.0]]), "apart"),
        (np.column_stack([places(9), np.full(9, 200.0)]), "apart"),
    ],
)
def test_refused(points, match):
    with pytest.raises(ValueError, match=match):
        factorise(basis_for(points, 2, 2), points)


def test_no_factorisation_kept():
    points = places(9)
    with pytest.raises(ValueError, match="not kept"):
        fit(basis_for(points, 2, 2), points, wavy(points)[:, None]).standard_error(points)


def test_a_gap_is_as_if_the_station_were_not_there():
    """Noise, criterion and errors of a weighted field do not depend on the weights of stations without a value."""
    points, weights = places(30, 2), np.random.default_rng(2).uniform(1, 3, 30)
    y = wavy(points)
    y[:10], weights[:10] = np.nan, 50.0
    basis, there = basis_for(points, 2, 2), places(5, 2, seed=8)
    gaps, alone = (
        fit(basis, points[have], y[have, None], 8.0, weights[have], keep=True) for have in (np.full(30, True), np.arange(30) >= 10)
    )
    for what in ("lam", "gcv", "variance", "variance_reml"):
        assert getattr(gaps.choices[0], what) == pytest.approx(getattr(alone.choices[0], what), rel=1e-9)
    assert gaps.standard_error(there) == pytest.approx(alone.standard_error(there), rel=1e-9)
