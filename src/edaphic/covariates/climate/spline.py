"""Smoothing splines of many fields on the same stations: one factorisation, one kernel.

The spline of a field y at points x_i with weights w_i is

    f(x) = t(x)' beta + sum over i of c_i E(x, x_i),    T' c = 0,

the minimiser of sum w_i (y_i - f(x_i))^2 + lam J(f) (Wahba 1990; Green and Silverman 1994). T holds the polynomials of degree below m and
the linear covariates, which carry no penalty: with elevation among them it is a partial spline. With everything multiplied by the square
roots of the weights, T = Q1 R, Q2 orthogonal to it, and Q2' E Q2 = U diag(d) U',

    fit = y - Q2 U diag(lam / (d + lam)) U' Q2' y,

so QR and eigenvectors are computed once, and each field and each smoothing that is tried costs n.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular

from edaphic.covariates.climate.basis import Basis
from edaphic.covariates.climate.factor import THREADS, Factor, factorise, spread_out
from edaphic.covariates.climate.kernels import accumulate
from edaphic.covariates.climate.smoothing import Choice, Criterion, choose, shrinkage

Floats = NDArray[np.float64]
Noise = Literal["gcv", "reml"]


@dataclass(frozen=True)
class Splines:
    """Splines of several fields; made by :func:`fit`.

    Parameters
    ----------
    basis : Basis
    points : float array of shape (n, d + q)
        Scaled.
    kernel : float array of shape (n, fields)
        Coefficients of the radial functions, constant included; 0 where a field has no value.
    polynomial : float array of shape (terms, fields)
        Coefficients of the terms without penalty, of scaled coordinates.
    choices : tuple of Choice
        Smoothing of each field.
    values, fitted, leverage : float arrays of shape (n, fields)
        NaN where a field has no value.
    factors : tuple of (Factor, fields)
        Factorisations with the fields they belong to; empty unless kept.
    """

    basis: Basis
    points: Floats
    kernel: Floats
    polynomial: Floats
    choices: tuple[Choice, ...]
    values: Floats
    fitted: Floats
    leverage: Floats
    factors: tuple[tuple[Factor, tuple[int, ...]], ...]

    @property
    def left_out(self) -> Floats:
        """Prediction of each station by a spline of the same smoothing without it, in closed form: y - (y - fit) / (1 - leverage)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.values - (self.values - self.fitted) / (1.0 - self.leverage)

    @property
    def spread(self) -> Floats:
        """Root of the mean square of the leave-one-out errors: shape (fields,)."""
        errors = self.left_out - self.values
        return np.array([_root_mean_square(errors[np.isfinite(errors[:, k]), k]) for k in range(errors.shape[1])])

    @property
    def lam(self) -> Floats:
        """Smoothing parameters in the units of the coordinates, with the constants of Wahba (1990)."""
        return np.array([choice.lam for choice in self.choices]) * self.basis.unit_of_smoothing

    @property
    def slopes(self) -> Floats:
        """Coefficients of the linear covariates, in units of the fields for one unit of the covariate: shape (q, fields)."""
        q = self.basis.covariates
        return np.asarray(self.polynomial[self.basis.terms - q :] / np.array(self.basis.scale[self.basis.dims :])[:, None])

    def predict(self, points: ArrayLike, threads: int = THREADS) -> Floats:
        """Surfaces at points (k, d + q): shape (k, fields). The value at a point depends on that point alone, to the bit.

        A point with a coordinate that is not finite gets NaN.
        """
        scaled = self.basis.scaled(points)
        known = np.isfinite(scaled).all(axis=1)
        out = np.full((len(scaled), self.kernel.shape[1]), np.nan)
        out[known] = self._sum(np.ascontiguousarray(scaled[known]), threads)
        return out

    def _sum(self, scaled: Floats, threads: int) -> Floats:
        basis, there = self.basis, np.ascontiguousarray(self.points[:, : self.basis.dims].T)
        here = np.ascontiguousarray(scaled[:, : basis.dims])
        terms = basis.polynomials(scaled)
        out = np.zeros((len(scaled), self.kernel.shape[1]))
        for k in range(basis.terms):  # one after another, not as a matrix product, whose order of sums may vary with its shape
            out += terms[:, k : k + 1] * self.polynomial[k]
        edges = np.linspace(0, len(scaled), max(1, threads) + 1).astype(int)
        with ThreadPoolExecutor(max(1, threads)) as pool:
            parts = [
                pool.submit(accumulate, basis.kind, basis.power, here[low:high], there, self.kernel, out[low:high])
                for low, high in pairwise(edges)
                if high > low
            ]
            for part in parts:
                part.result()
        return out

    def standard_error(self, points: ArrayLike, noise: Noise = "gcv") -> Floats:
        """Standard errors of the surfaces at points (k, d + q): shape (k, fields); see :meth:`Factor.standard_errors`.

        Parameters
        ----------
        points : array_like
        noise : {"gcv", "reml"}
            Estimate of the variance of the noise: RSS / trace(I - A), or by likelihood; see :class:`Choice`.

        Raises
        ------
        ValueError
            The factorisations were not kept.
        """
        if not self.factors:
            raise ValueError("standard errors: the factorisations were not kept")
        scaled = self.basis.scaled(points)
        known = np.isfinite(scaled).all(axis=1)
        scaled[~known] = 0.0  # kept in their places: a block is the same block whatever is unknown in it
        out = np.empty((len(scaled), len(self.choices)))
        for factor, fields in self.factors:
            name = "variance" if noise == "gcv" else "variance_reml"
            lam, variance = (np.array([getattr(self.choices[f], what) for f in fields]) for what in ("lam", name))
            out[:, list(fields)] = factor.standard_errors(scaled, lam, variance)
        out[~known] = np.nan
        return out


def fit(
    basis: Basis,
    points: ArrayLike,
    values: ArrayLike,
    smoothing: Criterion | float = "gcv",
    weights: ArrayLike | None = None,
    keep: bool = False,
    threads: int = THREADS,
) -> Splines:
    """Fit a smoothing spline to each of several fields.

    Parameters
    ----------
    basis : Basis
    points : array_like, shape (n, d + q)
        Coordinates of the spline, then linear covariates.
    values : array_like, shape (n, fields)
        NaN where a field has no value. Fields that have values at the same stations share one factorisation.
    smoothing : {"gcv", "reml"} or float
        A number is the effective degrees of freedom of every field.
    weights : array_like, shape (n,) or (n, fields), optional
        Such as the number of years behind each value.
    keep : bool
        Keep the factorisations (n^2 numbers each), for standard errors.
    threads : int
        Factorisations that are made at a time.

    Raises
    ------
    ValueError
        See :func:`factorise`; :class:`TooFree` for degrees of freedom that the stations do not have.

    Examples
    --------
    A plane is followed exactly, and beyond the stations:

    >>> from edaphic.covariates.climate.basis import basis_for
    >>> corners = [[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.3]]
    >>> plane = [[2 + 3 * x - y] for x, y in corners]
    >>> splines = fit(basis_for(corners, 2, 2), corners, plane)
    >>> splines.predict([[2, 5]]).round(9).tolist(), splines.choices[0].df
    ([[3.0]], 3.0)
    """
    table, data = np.asarray(points, dtype=np.float64), np.asarray(values, dtype=np.float64)
    weight = _weights(weights, data)
    scaled = basis.scaled(table)
    kernel, polynomial = np.zeros(data.shape), np.zeros((basis.terms, data.shape[1]))
    groups = patterns(data, weight)

    def solved(fields: tuple[int, ...]) -> tuple[Factor | None, _Solved]:
        have = np.isfinite(data[:, fields[0]])
        factor = factorise(basis, table[have], weight[have, fields[0]])
        return factor if keep else None, _solve(factor, data[np.ix_(have, np.array(fields))], smoothing)

    fitted, leverage = np.full(data.shape, np.nan), np.full(data.shape, np.nan)
    choices: dict[int, Choice] = {}
    kept = []
    for fields, (factor, part) in zip(groups, spread_out(solved, groups, threads), strict=True):
        where = np.ix_(np.isfinite(data[:, fields[0]]), np.array(fields))
        kernel[where], fitted[where], leverage[where] = part.kernel, part.fitted, part.leverage
        polynomial[:, list(fields)] = part.polynomial
        choices |= dict(zip(fields, part.choices, strict=True))
        if factor is not None:
            kept.append((factor, fields))
    ordered = tuple(choices[f] for f in range(data.shape[1]))
    return Splines(basis, scaled, kernel * basis.constant, polynomial, ordered, data, fitted, leverage, tuple(kept))


def _root_mean_square(errors: Floats) -> float:
    return float(np.sqrt(np.mean(errors**2))) if len(errors) else 0.0


def _weights(weights: ArrayLike | None, values: Floats) -> Floats:
    """Of mean 1 over the stations that have a value, so that the variance is that of an average one of them."""
    if weights is None:
        return np.ones(values.shape)
    given = np.asarray(weights, dtype=np.float64)
    given = np.broadcast_to(given[:, None] if given.ndim == 1 else given, values.shape)
    have = np.isfinite(values)
    return np.asarray(given * have.sum(axis=0) / np.where(have, given, 0.0).sum(axis=0))


def patterns(values: Floats, weights: Floats) -> list[tuple[int, ...]]:
    """Fields that share a factorisation, in order of their first: they have values at the same stations, with the same weights.

    >>> patterns(np.array([[1.0, 2.0, np.nan], [1.0, 2.0, 3.0]]), np.ones((2, 3)))
    [(0, 1), (2,)]
    """
    groups: dict[bytes, list[int]] = {}
    for field in range(values.shape[1]):
        have = np.isfinite(values[:, field])
        groups.setdefault(np.where(have, weights[:, field], -1.0).tobytes(), []).append(field)
    return [tuple(fields) for fields in groups.values()]


@dataclass(frozen=True)
class _Solved:
    kernel: Floats
    polynomial: Floats
    fitted: Floats
    leverage: Floats
    choices: Sequence[Choice]


def _solve(factor: Factor, values: Floats, smoothing: Criterion | float) -> _Solved:
    p = factor.basis.terms
    # The mean is taken off, and given back to the constant term, so that the rounding of large values does not look like roughness.
    middle = values.mean(axis=0)
    turned = factor.vectors.T @ ((values - middle) * factor.root[:, None])
    ends, along = turned[:p], turned[p:]
    choices = [choose(factor.spectrum, along[:, k] ** 2, smoothing, float(np.sum(values[:, k] ** 2))) for k in range(values.shape[1])]
    lam = np.array([choice.lam for choice in choices])
    left = np.stack([shrinkage(factor.eigenvalues, value) for value in lam], axis=1)
    with np.errstate(invalid="ignore"):
        weights = np.where(np.isinf(lam), 0.0, along / (factor.eigenvalues[:, None] + np.where(np.isinf(lam), 1.0, lam)))
    kernel = (factor.vectors[:, p:] @ weights) * factor.root[:, None]
    polynomial = solve_triangular(factor.triangle, ends - factor.cross[:, p:] @ weights)
    polynomial[0] += middle
    fitted = values - (factor.vectors[:, p:] @ (left * along)) / factor.root[:, None]
    return _Solved(kernel, polynomial, fitted, factor.leverages(lam), choices)
