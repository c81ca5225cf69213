"""The equations of all splines on the same stations, factorised once.

With everything multiplied by the square roots of the weights, T = Q1 R holds the terms without penalty, Q2 is orthogonal to it, and
Q2' E Q2 = U diag(d) U' for the matrix E of radial functions between the stations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh, get_lapack_funcs, solve_triangular
from threadpoolctl import ThreadpoolController

from edaphic.covariates.climate.basis import Basis
from edaphic.covariates.climate.smoothing import Spectrum, shrinkage

Floats = NDArray[np.float64]

Task = TypeVar("Task")
Result = TypeVar("Result")

LINEAR_ALGEBRA = ThreadpoolController()
"""Made once: to look for the libraries takes longer than many of the tasks."""

THREADS = 2

BLOCK = 512
"""Points whose standard errors are computed together, always in blocks of this shape: it bounds memory and fixes the order of the sums."""

SINGULAR = 1e-7
"""Terms without penalty whose part apart from the terms before is below this share of them are not told apart."""


def spread_out(work: Callable[[Task], Result], tasks: Sequence[Task], threads: int) -> Iterator[Result]:
    """Results of tasks in their order, several at a time, with one thread of linear algebra each.

    So the numbers do not depend on the number of cores, and many small equations do not wait for each other's threads.
    """
    with LINEAR_ALGEBRA.limit(limits=1, user_api="blas"):
        if threads < 2 or len(tasks) < 2:
            yield from map(work, tasks)
            return
        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(work, tasks)


@dataclass(frozen=True)
class Factor:
    """Stations, with what all their fields share; made by :func:`factorise`.

    Parameters
    ----------
    basis : Basis
    points : float array of shape (n, d + q)
        Scaled.
    root : float array of shape (n,)
        Square roots of the weights.
    vectors : float array of shape (n, n)
        Q1 (first p columns) and Q2 U.
    triangle : float array of shape (p, p)
        R.
    eigenvalues : float array of shape (n - p,)
    cross : float array of shape (p, n)
        Q1' E (Q1, Q2 U), of the weighted kernel.
    """

    basis: Basis
    points: Floats
    root: Floats
    vectors: Floats
    triangle: Floats
    eigenvalues: Floats
    cross: Floats

    @property
    def spectrum(self) -> Spectrum:
        """For the criteria."""
        return Spectrum(self.eigenvalues, self.basis.terms)

    def leverages(self, lam: Floats) -> Floats:
        """Diagonals of the smoothers: shape (n, number of smoothing parameters)."""
        left = np.stack([shrinkage(self.eigenvalues, value) for value in lam], axis=1)
        return 1.0 - self.vectors[:, self.basis.terms :] ** 2 @ left

    def standard_errors(self, points: Floats, lam: Floats, variance: Floats) -> Floats:
        """Bayesian standard errors of the surface at scaled points (n, d + q): shape (n, fields).

        The spline is the posterior mean of a Gaussian process with covariance (variance / lam) E and flat priors on the terms without
        penalty (Wahba 1983); the square of what is returned is the posterior variance of f, without the noise of a new observation.
        At a station it is variance x leverage / weight.
        """
        out = np.empty((len(points), len(lam)))

        def compute(start: int) -> None:
            block = points[start : start + BLOCK]
            whole = np.concatenate([block, np.repeat(block[-1:], BLOCK - len(block), axis=0)])
            out[start : start + len(block)] = self._block_errors(whole, lam, variance)[: len(block)]

        for _ in spread_out(compute, range(0, len(points), BLOCK), THREADS):
            pass
        return out

    def _block_errors(self, points: Floats, lam: Floats, variance: Floats) -> Floats:
        p = self.basis.terms
        turned = self.vectors.T @ (self.basis.kernel(self.points, points) * self.root[:, None])
        ends = solve_triangular(self.triangle, self.basis.polynomials(points).T, trans="T")
        along = turned[p:] - self.cross[:, p:].T @ ends
        fixed = np.sum(ends * (self.cross[:, :p] @ ends - 2.0 * turned[:p]), axis=0)
        squares, length = along**2, np.sum(ends**2, axis=0)
        out = np.empty((points.shape[0], len(lam)))
        for k, (value, noise) in enumerate(zip(lam, variance, strict=True)):
            if math.isinf(value):
                out[:, k] = noise * length
            else:
                out[:, k] = noise * (length + (fixed - (1.0 / (self.eigenvalues + value)) @ squares) / value)
        return np.sqrt(np.maximum(out, 0.0))


def singular_terms(basis: Basis, scaled: Floats, weights: Floats | None = None, least: float = SINGULAR) -> list[int]:
    """Numbers of the terms without penalty that the stations cannot tell from the terms before them.

    The part of a term that is apart from those before it is less than ``least`` of the term.

    Examples
    --------
    >>> from edaphic.covariates.climate.basis import basis_for
    >>> line = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    >>> basis = basis_for(line, 2, 2)
    >>> singular_terms(basis, basis.scaled(line))
    [2]
    """
    terms = basis.polynomials(scaled) * (1.0 if weights is None else np.sqrt(weights)[:, None])
    length = np.sqrt(np.sum(terms**2, axis=0))
    triangle = np.asarray(np.linalg.qr(terms / np.where(length > 0, length, 1.0), mode="r"))
    diagonal = np.zeros(terms.shape[1])
    diagonal[: min(triangle.shape)] = np.abs(np.diag(triangle))
    return [int(k) for k in np.flatnonzero(diagonal < least)]


def freedom(basis: Basis, scaled: Floats) -> int:
    """Degrees of freedom below which a surface can stay: the places, and one more for each covariate that differs within a place.

    Stations at one place share the radial function; no smoothing makes the surface pass through both.

    Examples
    --------
    >>> from edaphic.covariates.climate.basis import basis_for
    >>> twice = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    >>> freedom(basis_for(twice, 2, 2), twice)
    4
    """
    _, first, place = np.unique(scaled[:, : basis.dims], axis=0, return_index=True, return_inverse=True)
    within = scaled[:, basis.dims :] - scaled[first[place.ravel()], basis.dims :]
    apart = int(np.linalg.matrix_rank(within)) if within.size and np.any(within) else 0
    return len(first) + apart


def factorise(basis: Basis, points: ArrayLike, weights: ArrayLike | None = None) -> Factor:
    """Factorise the equations of all fields at these stations.

    Parameters
    ----------
    basis : Basis
    points : array_like, shape (n, d + q)
        Coordinates of the spline, then linear covariates; not scaled.
    weights : array_like, shape (n,), optional
        Positive; 1 / weight is proportional to the variance of the noise.

    Raises
    ------
    ValueError
        No more stations than terms without penalty, or stations that cannot tell these terms apart.
    """
    scaled = basis.scaled(points)
    n, p = len(scaled), basis.terms
    root = np.ones(n) if weights is None else np.sqrt(np.asarray(weights, dtype=np.float64))
    if n <= p:
        raise ValueError(f"{n} stations: expected more than {p}, the number of terms without penalty")
    if singular_terms(basis, scaled, root**2):
        raise ValueError("the stations do not tell the terms without penalty apart")
    terms = basis.polynomials(scaled) * root[:, None]
    kernel = basis.kernel(scaled, scaled) * root[:, None] * root
    geqrf, ormqr = get_lapack_funcs(("geqrf", "ormqr"), (terms,))
    packed, tau, _, _ = geqrf(terms)

    def turn(side: str, how: str, matrix: Floats) -> Floats:
        _, work, _ = ormqr(side, how, packed, tau, matrix, -1)
        turned, _, info = ormqr(side, how, packed, tau, matrix, int(work[0]))
        assert info == 0
        return np.asarray(turned)

    rotated = turn("R", "N", turn("L", "T", kernel))
    del kernel
    inner = rotated[p:, p:]
    eigenvalues, u = eigh(0.5 * (inner + inner.T), overwrite_a=True, check_finite=False, driver="evd")
    cross = np.concatenate([rotated[:p, :p], rotated[:p, p:] @ u], axis=1)
    vectors = np.zeros((n, n), order="F")
    vectors[:p, :p] = np.eye(p)
    vectors[p:, p:] = u
    del rotated, inner, u
    return Factor(basis, scaled, root, turn("L", "N", vectors), np.triu(packed[:p]), np.maximum(eigenvalues, 0.0), cross)
