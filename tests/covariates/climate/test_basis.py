"""Radial functions: closed forms, against numpy and an integral."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.spatial.distance import cdist

from edaphic.covariates.climate import kernels
from edaphic.covariates.climate.basis import basis_for, radial_constant


@pytest.mark.parametrize(("order", "dims"), [(2, 2), (3, 2), (4, 2), (2, 3), (3, 3), (4, 3), (3, 4), (2, 1)])
def test_flat(order, dims):
    rng = np.random.default_rng(1)
    here, there = rng.random((7, dims)), rng.random((300, dims))
    there[3] = here[2]
    basis = basis_for(np.concatenate([here, there]), order, dims)
    r = cdist(basis.scaled(here), basis.scaled(there))
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = r ** (2 * order - dims) * (1.0 if dims % 2 else np.where(r > 0, np.log(r), 0.0))
    assert basis.kernel(basis.scaled(here), basis.scaled(there)) == pytest.approx(
        radial_constant(order, dims) * wanted, rel=1e-12, abs=1e-17
    )


@pytest.mark.parametrize(
    ("order", "dims", "wanted"),
    [(2, 2, 1 / (8 * np.pi)), (2, 3, -1 / (8 * np.pi)), (3, 3, 1 / (96 * np.pi)), (3, 2, -1 / (128 * np.pi)), (2, 1, 1 / 12)],
)
def test_constants(order, dims, wanted):
    assert radial_constant(order, dims) == pytest.approx(wanted, rel=1e-14)


def test_sphere_is_the_integral():
    """Wahba (1981): q(z) = integral over h from 0 to 1 of (1 - h)^2 / sqrt(1 - 2 h z + h^2)."""
    for angle in (0.0, 0.01, 0.5, 1.5, 3.0, np.pi):
        z = np.cos(angle)
        q, _ = quad(lambda h, z=z: (1 - h) ** 2 / np.sqrt(1 - 2 * h * z + h * h), 0, 1, limit=200)
        there = [np.sin(angle), 0.0, np.cos(angle)]
        basis = basis_for([[0, 0, 1], there], 2, 3, "sphere")
        found = basis.kernel(np.array([[0.0, 0.0, 1.0]]), np.array([there]))[0, 0]
        assert found == pytest.approx((q / 2 - 1 / 6) / (2 * np.pi), abs=1e-9)


@given(st.lists(st.floats(1e-290, 1e290), min_size=1, max_size=256))
def test_logarithms(numbers):
    x = np.array(numbers)
    out = np.empty(len(x))
    kernels._logarithms(x, x.view(np.uint64), len(x), out)
    wanted = np.log(x)
    assert np.all(np.abs(out - wanted) <= 2.5 * np.spacing(np.abs(wanted)))


def test_terms():
    basis = basis_for([[0, 0, 5], [4, 2, 9], [1, 1, 7]], 2, 2)
    assert basis.powers == ((), (0,), (1,)) and basis.terms == 4 and basis.covariates == 1
    assert basis.scale == (4.0, 4.0, 4.0)
    assert basis_for(np.eye(3), 3, 3).terms == 10


@pytest.mark.parametrize(("order", "dims", "surface"), [(1, 2, "flat"), (2, 4, "flat"), (3, 3, "sphere"), (2, 5, "flat")])
def test_refused(order, dims, surface):
    with pytest.raises(ValueError, match="expected"):
        basis_for(np.random.default_rng(1).random((9, 4)), order, dims, surface)
