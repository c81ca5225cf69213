"""The spline against closed forms, against a dense solution of its own equations, and its invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edaphic.errors import TableError
from edaphic.profiles import spline

Floats = NDArray[np.float64]


def dense_s_bar(top: Floats, bottom: Floats, value: Floats, lam: float) -> Floats:
    """Fitted means of one profile, written down as in the papers: (I + 6 n lam Q' R^-1 Q)^-1 y."""
    n, h = len(value), bottom - top
    if n == 1:
        return value
    gap = top[1:] - bottom[:-1]
    r = np.diag(2 * (h[:-1] + h[1:]) + 6 * gap) + np.diag(h[1:-1], 1) + np.diag(h[1:-1], -1)
    q = np.diff(np.eye(n), axis=0)
    return np.linalg.solve(np.eye(n) + 6 * n * lam * q.T @ np.linalg.solve(r, q), value)


@st.composite
def profiles(draw: st.DrawFn, gaps: bool = True) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """A few profiles of one to eight horizons, in steps of 0.01 cm, some with gaps."""
    code, tops, bottoms, values = [], [], [], []
    for number in range(draw(st.integers(1, 4))):
        depth = draw(st.integers(0, 2000))
        for _ in range(draw(st.integers(1, 8))):
            depth += draw(st.sampled_from([0, 0, 0, 150, 1000])) if gaps else 0
            thickness = draw(st.integers(50, 6000))
            code.append(number)
            tops.append(depth / 100)
            bottoms.append((depth + thickness) / 100)
            values.append(draw(st.floats(0, 500)))
            depth += thickness
    return np.array(code), np.array(tops), np.array(bottoms), np.array(values)


# --- closed forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lam", [0.0, 0.1, 100.0])
def test_constant_profile_is_exact(lam: float) -> None:
    fitted = spline.fit([0, 0, 0], [0, 20, 45], [20, 40, 80], [7.0, 7.0, 7.0], lam)
    integral, covered = spline.integrate(fitted, [0, 3, 42], [20, 30, 50], max_gap_cm=5)
    assert fitted.s_bar.tolist() == [7.0, 7.0, 7.0]
    assert integral.tolist() == [[140.0, 189.0, 56.0]]
    assert covered.tolist() == [[20.0, 27.0, 8.0]]


def test_two_horizons_by_hand() -> None:
    """Horizons of 10 and 30 cm, lam 0: w = (1 - 5) / 80 = -0.05, slope at the boundary 6 w = -0.3 per cm."""
    fitted = spline.fit([0, 0], [0, 10], [10, 40], [5.0, 1.0], lam=0)
    assert fitted.slope.tolist() == pytest.approx([0.0, -0.3])
    # f = a - 0.3 t^2 / 20 above, mean a - 0.015 * 100 / 3 = 5, so a = 5.5; its integral to 5 cm is 27.5 - 0.005 * 125.
    integral, _ = spline.integrate(fitted, [0], [5])
    assert integral[0, 0] == pytest.approx(27.5 - 0.625)


def test_infinite_smoothing_gives_the_unweighted_mean() -> None:
    fitted = spline.fit([0, 0, 0], [0, 10, 40], [10, 40, 50], [9.0, 3.0, 0.0], lam=1e12)
    np.testing.assert_allclose(fitted.s_bar, 4.0, atol=1e-9)


def test_exponential_truth_is_recovered() -> None:
    """Horizon means of exp(-z/25) give the mass of 0-100 cm exactly with lam 0 and the curve within half a per cent."""
    top = np.array([0.0, 5, 12, 25, 45, 70])
    bottom = np.append(top[1:], 100.0)

    def mass(a: Floats, b: Floats) -> Floats:
        return 25 * (np.exp(-a / 25) - np.exp(-b / 25))

    fitted = spline.fit(np.zeros(6, int), top, bottom, mass(top, bottom) / (bottom - top), lam=0)
    whole, _ = spline.integrate(fitted, [0], [100])
    assert whole[0, 0] == pytest.approx(mass(np.array([0.0]), np.array([100.0]))[0], rel=1e-12)
    upper = np.array([0.0, 30, 60])
    lower = np.array([30.0, 60, 100])
    parts, _ = spline.integrate(fitted, upper, lower)
    np.testing.assert_allclose(parts[0], mass(upper, lower), rtol=0.03)


def test_one_horizon_is_a_constant_over_itself_only() -> None:
    fitted = spline.fit([4], [10], [30], [8.0], lam=0.1)
    integral, covered = spline.integrate(fitted, [0, 0, 20, 30], [10, 20, 100, 40])
    assert integral.tolist() == [[0.0, 80.0, 80.0, 0.0]]
    assert covered.tolist() == [[0.0, 10.0, 10.0, 0.0]]
    assert fitted.codes.tolist() == [4]


def test_coverage_is_exact() -> None:
    """A profile from 4 to 70 cm: nothing above 4, a quarter of 60-100, nothing below 70."""
    fitted = spline.fit([0, 0, 0], [4, 23, 41], [23, 41, 70], [3.0, 2.0, 1.0])
    integral, covered = spline.integrate(fitted, [0, 0, 60, 70, 4], [4, 30, 100, 100, 70])
    assert (covered[0] / [4, 30, 40, 30, 66]).tolist() == [0.0, 26 / 30, 0.25, 0.0, 1.0]
    assert integral[0, 0] == integral[0, 3] == 0.0


def test_gap_counts_only_up_to_the_width_asked_for() -> None:
    fitted = spline.fit([0, 0], [0, 30], [20, 50], [4.0, 2.0], lam=0)
    _, covered = spline.integrate(fitted, [0, 20, 25], [50, 30, 28], max_gap_cm=9.99)
    assert covered.tolist() == [[40.0, 0.0, 0.0]]
    integral, covered = spline.integrate(fitted, [0, 20, 25], [50, 30, 28], max_gap_cm=10)
    assert covered.tolist() == [[50.0, 10.0, 3.0]]
    # Symmetric horizons: the joining line passes 3 in the middle of the gap.
    assert integral[0, 1] == pytest.approx(30.0)


def test_curve_is_smooth_across_horizons_and_gaps() -> None:
    """Means over slivers on both sides of each boundary agree in value and slope."""
    fitted = spline.fit([0] * 4, [0, 10, 30, 60], [10, 30, 50, 90], [20.0, 12.0, 6.0, 1.0], lam=0.1)
    e = 1e-3
    for z in (10.0, 30.0, 50.0, 60.0):
        area, _ = spline.integrate(fitted, [z - 2 * e, z - e, z, z + e], [z - e, z, z + e, z + 2 * e], max_gap_cm=50)
        mean = area[0] / e
        assert mean[2] - mean[1] == pytest.approx(mean[1] - mean[0], abs=1e-5)
        assert mean[3] - mean[2] == pytest.approx(mean[1] - mean[0], abs=1e-5)


def test_step_is_the_weighted_mean() -> None:
    integral, covered = spline.integrate(spline.step([0, 0], [0, 10], [10, 30], [4.0, 1.0]), [0, 5], [30, 15])
    assert integral.tolist() == [[60.0, 25.0]]
    assert covered.tolist() == [[30.0, 10.0]]


def test_no_profiles() -> None:
    integral, covered = spline.integrate(spline.fit([], [], [], []), [0, 30], [30, 60])
    assert integral.shape == covered.shape == (0, 2)


# --- properties -----------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(profiles(), st.sampled_from([0.0, 0.01, 0.1, 1.0, 10.0]))
def test_one_banded_solve_is_the_dense_solution_of_each_profile(
    horizons: tuple[NDArray[np.int64], Floats, Floats, Floats], lam: float
) -> None:
    code, top, bottom, value = horizons
    fitted = spline.fit(code, top, bottom, value, lam)
    for number in np.unique(code):
        one = code == number
        np.testing.assert_allclose(
            fitted.s_bar[one], dense_s_bar(top[one], bottom[one], value[one], lam), rtol=1e-9, atol=1e-9
        )


@settings(max_examples=100, deadline=None)
@given(profiles(), st.floats(0, 10))
def test_mass_of_every_horizon_is_kept(horizons: tuple[NDArray[np.int64], Floats, Floats, Floats], lam: float) -> None:
    """The integral over a horizon is its fitted mean times its thickness; fitted means keep the sum of the values."""
    code, top, bottom, value = horizons
    fitted = spline.fit(code, top, bottom, value, lam)
    profile = np.unique(code, return_inverse=True)[1]
    integral, covered = spline.integrate(fitted, top, bottom)
    own = np.arange(len(code))
    np.testing.assert_allclose(integral[profile, own], fitted.s_bar * (bottom - top), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(covered[profile, own], bottom - top, rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.bincount(profile, fitted.s_bar), np.bincount(profile, value), rtol=1e-9, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(profiles(), st.lists(st.integers(0, 30000), min_size=2, max_size=6, unique=True), st.sampled_from([0.0, 5.0]))
def test_layers_add_up(
    horizons: tuple[NDArray[np.int64], Floats, Floats, Floats], cuts: list[int], max_gap_cm: float
) -> None:
    fitted = spline.fit(*horizons, 0.1)
    edges = np.sort(np.array(cuts)) / 100
    parts, part_cover = spline.integrate(fitted, edges[:-1], edges[1:], max_gap_cm)
    whole, cover = spline.integrate(fitted, edges[:1], edges[-1:], max_gap_cm)
    scale = np.abs(parts).sum(axis=1) + 1.0
    assert (np.abs(parts.sum(axis=1) - whole[:, 0]) <= 1e-12 * scale).all()
    np.testing.assert_allclose(part_cover.sum(axis=1), cover[:, 0], atol=1e-8)


@settings(max_examples=50, deadline=None)
@given(profiles())
def test_a_profile_does_not_depend_on_its_neighbours(
    horizons: tuple[NDArray[np.int64], Floats, Floats, Floats],
) -> None:
    code, top, bottom, value = horizons
    together = spline.fit(code, top, bottom, value, 0.1)
    for number in np.unique(code):
        one = code == number
        alone = spline.fit(code[one], top[one], bottom[one], value[one], 0.1)
        assert (alone.s_bar == together.s_bar[one]).all()
        assert (alone.curvature == together.curvature[one]).all()


@settings(max_examples=50, deadline=None)
@given(profiles())
def test_nothing_is_observed_outside_the_horizons(
    horizons: tuple[NDArray[np.int64], Floats, Floats, Floats],
) -> None:
    code, top, bottom, value = horizons
    fitted = spline.fit(code, top, bottom, value, 0.1)
    first, last = top[fitted.start], bottom[np.append(fitted.start[1:], len(code)) - 1]
    for upper, lower in ((np.zeros_like(first), first), (last, last + 50)):
        real = upper < lower
        integral, covered = spline.integrate(fitted, upper[real], lower[real], max_gap_cm=1e9)
        assert not covered[np.flatnonzero(real), np.arange(real.sum())].any()
        assert not integral[np.flatnonzero(real), np.arange(real.sum())].any()


# --- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (([0, 0], [0, 5], [10, 20], [1.0, 1.0], 0.1), "overlaps"),
        (([0, 0], [10, 0], [20, 10], [1.0, 1.0], 0.1), "overlaps or lies above"),
        (([1, 0], [0, 0], [10, 10], [1.0, 1.0], 0.1), "out of order"),
        (([0], [10], [10], [1.0], 0.1), "bottom not below top"),
        (([0], [0], [10], [np.nan], 0.1), "missing"),
        (([0], [0], [10], [1.0], -1.0), "lam"),
        (([0], [0], [10], [1.0, 2.0], 0.1), "shape"),
    ],
)
def test_fit_refuses(arguments: tuple, fault: str) -> None:
    with pytest.raises(TableError, match=fault):
        spline.fit(*arguments)


def test_integrate_refuses_layers_upside_down() -> None:
    with pytest.raises(TableError, match="top < bottom"):
        spline.integrate(spline.fit([0], [0], [10], [1.0]), [30], [0])
