"""The exact spline against closed forms, dense solutions and a general solver, and its invariants."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from edaphic.errors import TableError
from edaphic.profiles.depth import spline

Floats = NDArray[np.float64]
Horizons = tuple[NDArray[np.int64], Floats, Floats, Floats]


def matrices(top: Floats, bottom: Floats) -> tuple[Floats, Floats]:
    """R and Q of one profile, written down as in the papers."""
    h, gap = bottom - top, top[1:] - bottom[:-1]
    r = np.diag(2 * (h[:-1] + h[1:]) + 6 * gap) + np.diag(h[1:-1], 1) + np.diag(h[1:-1], -1)
    return r, np.diff(np.eye(len(h)), axis=0)


def dense_s_bar(top: Floats, bottom: Floats, value: Floats, lam: float) -> Floats:
    """Fitted means of one profile: (W + 6 H lam Q' R^-1 Q)^-1 W y."""
    if len(value) == 1:
        return value
    h = bottom - top
    r, q = matrices(top, bottom)
    return np.linalg.solve(np.diag(h) + 6 * h.sum() * lam * q.T @ np.linalg.solve(r, q), h * value)


def minima(fitted: spline.SplineFit) -> Floats:
    """Least value in each horizon, from the formula of the curve: its ends, and its vertex where that lies inside."""
    h, s, b, c = fitted.bottom - fitted.top, fitted.s_bar, fitted.slope, fitted.curvature
    vertex = np.clip(np.where(c > 0, -b / np.where(c > 0, 2 * c, 1.0), 0.0), 0.0, h)
    return np.min([s + b * (t - h / 2) + c * (t * t - h * h / 3) for t in (0 * h, vertex, h)], axis=0)


def means_of(top: Floats, bottom: Floats, value: Floats, w: Floats) -> Floats:
    """Fitted means that belong to the unknowns w: differences R w, mass of the values."""
    h = bottom - top
    s = np.append(0.0, np.cumsum(matrices(top, bottom)[0] @ w))
    return s + (h * (value - s)).sum() / h.sum()


def objective(top: Floats, bottom: Floats, value: Floats, lam: float, w: Floats) -> float:
    h = bottom - top
    misfit = (h * (value - means_of(top, bottom, value, w)) ** 2).sum() / h.sum()
    return float(misfit + 6 * lam * w @ matrices(top, bottom)[0] @ w)


def boundary_unknowns(fitted: spline.SplineFit) -> Floats:
    return fitted.slope[1:] / 6


@st.composite
def profiles(draw: st.DrawFn, gaps: bool = True) -> Horizons:
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
            values.append(draw(st.one_of(st.just(0.0), st.floats(1e-3, 500))))
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
    fitted = spline.fit([0, 0], [0, 10], [10, 40], [5.0, 1.0], lam=0, nonnegative=False)
    assert fitted.slope.tolist() == pytest.approx([0.0, -0.3])
    # f = a - 0.3 t^2 / 20 above, mean a - 0.015 * 100 / 3 = 5, so a = 5.5; its integral to 5 cm is 27.5 - 0.005 * 125.
    integral, _ = spline.integrate(fitted, [0], [5])
    assert integral[0, 0] == pytest.approx(27.5 - 0.625)


def test_infinite_smoothing_gives_the_weighted_mean() -> None:
    fitted = spline.fit([0, 0, 0], [0, 10, 40], [10, 40, 50], [9.0, 3.0, 0.0], lam=1e12)
    np.testing.assert_allclose(fitted.s_bar, (90 + 90) / 50, rtol=1e-9)


def test_constrained_by_hand() -> None:
    """Horizons of 10 cm with 3 and 0, lam 0: mean 1.5, f(20) = 1.5 + 30 w >= 0, so w = -0.05 and the means are 1.5 -+ 20 w."""
    fitted = spline.fit([0, 0], [0, 10], [10, 20], [3.0, 0.0], lam=0)
    np.testing.assert_allclose(fitted.s_bar, [2.5, 0.5], rtol=1e-9)
    np.testing.assert_allclose(fitted.slope, [0, -0.3], rtol=1e-9)
    assert fitted.constrained.tolist() == [True]
    assert 0 <= fitted.mixed[0] < 1e-10
    values = spline.evaluate(fitted, [0, 10, 20])
    np.testing.assert_allclose(values, [[3.0, 1.5, 0.0]], atol=1e-9)
    assert values[0, 2] >= 0


@pytest.mark.parametrize("lam", [0.0, 0.1, 1e15])
def test_nothing_at_all_stays_nothing(lam: float) -> None:
    fitted = spline.fit([0, 0, 0, 1], [0, 10, 40, 0], [10, 30, 50, 10], [0.0] * 4, lam)
    assert not fitted.s_bar.any() and not fitted.slope.any() and not fitted.constrained.any() and not fitted.mixed.any()


def test_an_extreme_profile_stays_positive() -> None:
    """A millimetre of peat on a metre of nothing."""
    top, bottom = [0, 0.1, 50, 100], [0.1, 50, 100, 101]
    fitted = spline.fit([0] * 4, top, bottom, [600.0, 0, 0, 0], lam=0)
    integral, _ = spline.integrate(fitted, [0, 0, 50], [101, 50, 101])
    assert integral[0, 0] == pytest.approx(60.0, rel=1e-9)
    assert (integral >= 0).all() and minima(fitted).min() >= 0
    assert fitted.mixed[0] < 1e-6


def test_hundreds_of_horizons() -> None:
    rng = np.random.default_rng(4)
    top = np.arange(120.0)
    value = np.exp(rng.normal(0, 1.5, 120))
    fitted = spline.fit(np.zeros(120, int), top, top + 1, value, lam=1e-5)
    assert fitted.constrained[0] and fitted.mixed[0] < 1e-9
    assert minima(fitted).min() >= 0
    assert fitted.s_bar.sum() == pytest.approx(value.sum(), rel=1e-12)


@pytest.mark.parametrize("thickness", [[10.0] * 5, [2.0, 30.0, 5.0, 50.0], [20.0, 1.0]])
def test_linear_truth_within_its_bound(thickness: list[float]) -> None:
    """Of a line with slope b the curve differs by less than |b| h in a horizon of thickness h, lam 0.

    It has the same means, so the difference is 0 somewhere in each horizon, and its slope is at most |b|: b at the ends, where the
    curve is level, and at most b / 2 inside, from the rows of R.
    """
    bottom = np.cumsum(thickness)
    top = bottom - thickness
    fitted = spline.fit(np.zeros(len(top), int), top, bottom, 100 - 0.7 * (top + bottom) / 2, lam=0)
    assert not fitted.constrained[0]
    z = np.linspace(0, bottom[-1], 500)
    difference = np.abs(spline.evaluate(fitted, z)[0] - (100 - 0.7 * z))
    own = np.minimum(np.searchsorted(bottom, z, side="right"), len(top) - 1)
    assert (difference <= 0.7 * np.array(thickness)[own] + 1e-12).all()
    assert difference.max() > 0.05


def test_evaluate_knows_what_was_observed() -> None:
    fitted = spline.step([0, 0, 1], [5, 20, 0], [10, 30, 8], [4.0, 2.0, 1.0])
    depths = [0, 5, 10, 15, 20, 30, 31]
    expected = np.array([[np.nan, 4, 4, np.nan, 2, 2, np.nan], [1, 1] + [np.nan] * 5])
    np.testing.assert_array_equal(spline.evaluate(fitted, depths), expected)
    expected[0, 3] = 3.0
    np.testing.assert_array_equal(spline.evaluate(fitted, depths, max_gap_cm=10), expected)


def test_errors_add_in_quadrature() -> None:
    fitted = spline.step([0, 0, 1], [0, 10, 0], [10, 30, 20], [4.0, 2.0, 1.0])
    found = spline.overlap_quadrature(fitted, [0.3, 0.2, 1.0], [0, 5, 40], [30, 25, 50])
    np.testing.assert_allclose(found, [[5.0, np.hypot(1.5, 3.0), 0.0], [20.0, 15.0, 0.0]])


def test_without_the_condition_the_fit_is_linear() -> None:
    """Errors are propagated with it: fit(a x + b y) = a fit(x) + b fit(y), and negative values are welcome."""
    rng = np.random.default_rng(1)
    code, top = np.repeat([0, 1], 4), np.tile([0.0, 10, 35, 60], 2)
    bottom, x, y = top + np.tile([10, 20, 25, 40], 2), rng.normal(size=8), rng.normal(size=8)
    parts = [spline.fit(code, top, bottom, value, 0.1, nonnegative=False).s_bar for value in (x, y, 2 * x - 3 * y)]
    np.testing.assert_allclose(parts[2], 2 * parts[0] - 3 * parts[1], atol=1e-12)


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


LAMS = st.sampled_from([0.0, 1e-9, 0.01, 0.1, 1.0, 10.0, 1e6, 1e12])


@settings(max_examples=60, deadline=None)
@given(profiles(), st.sampled_from([0.0, 1e-9, 0.01, 0.1, 1.0, 10.0]))
def test_the_fit_is_the_dense_solution_of_each_profile(horizons: Horizons, lam: float) -> None:
    code, top, bottom, value = horizons
    fitted = spline.fit(code, top, bottom, value, lam, nonnegative=False)
    for number in np.unique(code):
        one = code == number
        np.testing.assert_allclose(fitted.s_bar[one], dense_s_bar(top[one], bottom[one], value[one], lam), rtol=1e-9, atol=1e-9)
    assert not fitted.constrained.any()


@settings(max_examples=100, deadline=None)
@given(profiles(), LAMS)
def test_mass_of_every_profile_is_kept(horizons: Horizons, lam: float) -> None:
    """The integral over a horizon is its fitted mean times its thickness, and they add up to the mass of the profile."""
    code, top, bottom, value = horizons
    fitted = spline.fit(code, top, bottom, value, lam)
    profile = np.unique(code, return_inverse=True)[1]
    integral, covered = spline.integrate(fitted, top, bottom)
    own = np.arange(len(code))
    np.testing.assert_allclose(integral[profile, own], fitted.s_bar * (bottom - top), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(covered[profile, own], bottom - top, rtol=0, atol=1e-9)
    mass = [np.bincount(profile, numbers * (bottom - top)) for numbers in (fitted.s_bar, value)]
    np.testing.assert_allclose(mass[0], mass[1], rtol=1e-9, atol=0)


@settings(max_examples=100, deadline=None)
@given(profiles(), LAMS, st.lists(st.integers(0, 30000), min_size=2, max_size=5, unique=True))
def test_nothing_is_negative_at_any_depth(horizons: Horizons, lam: float, cuts: list[int]) -> None:
    fitted = spline.fit(*horizons, lam)
    assert minima(fitted).min() >= 0
    values = spline.evaluate(fitted, np.linspace(0, 500, 4001), max_gap_cm=np.inf)
    assert np.nanmin(values, initial=0.0) >= 0
    edges = np.sort(np.array(cuts)) / 100
    assert (spline.integrate(fitted, edges[:-1], edges[1:], max_gap_cm=np.inf)[0] >= 0).all()
    assert (fitted.mixed <= 1e-6).all() and not fitted.mixed[~fitted.constrained].any()


@settings(max_examples=60, deadline=None)
@given(profiles(), LAMS)
def test_the_condition_changes_nothing_where_it_holds_by_itself(horizons: Horizons, lam: float) -> None:
    fitted, free = spline.fit(*horizons, lam), spline.fit(*horizons, lam, nonnegative=False)
    bad = np.minimum.reduceat(minima(free), free.start) < -1e-9
    assert (fitted.constrained | ~bad).all()
    same = np.repeat(~fitted.constrained, np.diff(np.append(fitted.start, fitted.top.size)))
    for name in ("s_bar", "slope", "curvature"):
        assert (getattr(fitted, name)[same] == getattr(free, name)[same]).all()
    if lam == 0:
        np.testing.assert_array_equal(fitted.s_bar[same], horizons[3][same])


def phi_rows(top: Floats, bottom: Floats, depth: list[Floats]) -> Floats:
    """Rows of phi(z)' for depths below the top of each horizon, so that f = mean + phi'w."""
    n, h = len(top), bottom - top
    zero = np.zeros(n)
    means = np.stack([means_of(top, bottom, zero, unit) for unit in np.eye(n - 1)], axis=1)
    rows = []
    for i, below in enumerate(depth):
        for t in below:
            row, curve = means[i].copy(), 3 / h[i] * (t * t - h[i] ** 2 / 3)
            if i > 0:
                row[i - 1] += 6 * (t - h[i] / 2) - curve
            if i < n - 1:
                row[i] += curve
            rows.append(row)
    return np.array(rows)


def test_the_constrained_fit_is_the_best_one() -> None:
    """A general solver that asks for f >= 0 on a grid, our lowest points included, has no more freedom than all depths allow: it finds
    an objective that is no higher than the true one; ours is feasible, so no lower. Both are the same."""
    rng = np.random.default_rng(11)
    compared = 0
    for number in range(60):
        n = int(rng.integers(2, 8))
        h = rng.choice([1.0, 5, 10, 20, 50], n)
        gap = np.append(0.0, np.where(rng.random(n - 1) < 0.2, 10.0, 0.0))
        bottom = np.cumsum(h + gap)
        top, value = bottom - h, np.where(rng.random(n) < 0.25, 0.0, np.exp(rng.normal(0, 2, n)))
        lam = [0.0, 0.01, 0.1, 1.0][number % 4]
        fitted = spline.fit(np.zeros(n, int), top, bottom, value, lam)
        if not fitted.constrained[0]:
            continue
        curve = np.where(fitted.curvature > 0, fitted.curvature, np.inf)
        vertex = np.clip(-fitted.slope / (2 * curve), 0, h)
        rows = phi_rows(top, bottom, [np.append(np.linspace(0, h[i], 9), vertex[i]) for i in range(n)])
        mean, ours = (h * value).sum() / h.sum(), boundary_unknowns(fitted)
        assert (mean + rows @ ours).min() >= -1e-9 * mean
        scale = 1 / np.sqrt(np.diag(phi_hessian(top, bottom, lam)))
        size = objective(top, bottom, value, lam, ours)
        found = minimize(
            lambda x, a=(top, bottom, value, lam), s=scale, o=size: objective(*a, s * x) / o,
            np.zeros(n - 1),
            method="SLSQP",
            constraints=[{"type": "ineq", "fun": lambda x, r=rows, s=scale, m=mean: 1 + r @ (s * x) / m}],
            options={"maxiter": 500, "ftol": 1e-13},
        )
        if not found.success:
            continue
        compared += 1
        assert found.fun == pytest.approx(1.0, rel=1e-5)
    assert compared >= 25


def phi_hessian(top: Floats, bottom: Floats, lam: float) -> Floats:
    n, h = len(top), bottom - top
    means = np.stack([means_of(top, bottom, np.zeros(n), unit) for unit in np.eye(n - 1)], axis=1)
    return 2 * means.T @ (h[:, None] * means) / h.sum() + 12 * lam * matrices(top, bottom)[0]


@settings(max_examples=100, deadline=None)
@given(profiles(), st.lists(st.integers(0, 30000), min_size=2, max_size=6, unique=True), st.sampled_from([0.0, 5.0]))
def test_layers_add_up(
    horizons: Horizons, cuts: list[int], max_gap_cm: float
) -> None:
    fitted = spline.fit(*horizons, 0.1)
    edges = np.sort(np.array(cuts)) / 100
    parts, part_cover = spline.integrate(fitted, edges[:-1], edges[1:], max_gap_cm)
    whole, cover = spline.integrate(fitted, edges[:1], edges[-1:], max_gap_cm)
    scale = np.abs(parts).sum(axis=1) + 1.0
    assert (np.abs(parts.sum(axis=1) - whole[:, 0]) <= 1e-12 * scale).all()
    np.testing.assert_allclose(part_cover.sum(axis=1), cover[:, 0], atol=1e-8)


@settings(max_examples=50, deadline=None)
@given(profiles(), st.randoms(use_true_random=False))
def test_a_profile_does_not_depend_on_its_neighbours(horizons: Horizons, random: Random) -> None:
    """Alone or together, in any order of the profiles: the same bits."""
    code, top, bottom, value = horizons
    together = spline.fit(code, top, bottom, value, 0.1)
    layers = [0.0, 5, 30], [5.0, 30, 100]
    integral, _ = spline.integrate(together, *layers)
    numbers = list(np.unique(code))
    order = random.sample(numbers, len(numbers))
    rows = np.concatenate([np.flatnonzero(code == number) for number in order])
    shuffled = spline.fit(np.repeat(np.arange(len(order)), [(code == k).sum() for k in order]), top[rows], bottom[rows], value[rows], 0.1)
    for name in ("s_bar", "slope", "curvature"):
        assert (getattr(shuffled, name) == getattr(together, name)[rows]).all()
    assert (shuffled.mixed == together.mixed[order]).all()
    assert (spline.integrate(shuffled, *layers)[0] == integral[order]).all()
    one = code == numbers[-1]
    alone = spline.fit(code[one], top[one], bottom[one], value[one], 0.1)
    assert (alone.s_bar == together.s_bar[one]).all()


@settings(max_examples=50, deadline=None)
@given(profiles())
def test_nothing_is_observed_outside_the_horizons(
    horizons: Horizons,
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
        (([0], [0], [10], [1.0], np.inf), "lam"),
        (([0, 0, 1], [0, 10, 0], [10, 20, 5], [-1.0, 2.0, -1e-9], 0.1), r"below 0 .* \(2 times\)"),
        (([0], [0], [10], [1.0, 2.0], 0.1), "shape"),
    ],
)
def test_fit_refuses(arguments: tuple, fault: str) -> None:
    with pytest.raises(TableError, match=fault):
        spline.fit(*arguments)


def test_integrate_refuses_layers_upside_down() -> None:
    with pytest.raises(TableError, match="top < bottom"):
        spline.integrate(spline.fit([0], [0], [10], [1.0]), [30], [0])


def test_quadrature_refuses_errors_that_do_not_fit() -> None:
    with pytest.raises(TableError, match="each of 1 horizons"):
        spline.overlap_quadrature(spline.fit([0], [0], [10], [1.0]), [0.1, 0.2], [0], [10])
    with pytest.raises(TableError, match="below 0"):
        spline.overlap_quadrature(spline.fit([0], [0], [10], [1.0]), [-0.1], [0], [10])


def test_all_faults_at_once() -> None:
    with pytest.raises(TableError) as caught:
        spline.fit([1, 0], [5, 0], [5, 10], [np.nan, -1.0], -1)
    assert len(caught.value.faults) == 5
