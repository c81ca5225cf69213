"""The functions that a thin-plate spline is made of: radial functions, and the polynomials that cost nothing.

The spline of order m in d dimensions minimises the squares of the residuals plus a multiple of its roughness, the integral of all squared
partial derivatives of order m (Wahba 1990, chapter 2). Its radial function is r^(2m-d), times log r where d is even; on the sphere it is
the closed form of Wahba (1981).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.covariates.climate.kernels import fill

Floats = NDArray[np.float64]
Surface = Literal["flat", "sphere"]

ODD, EVEN, SPHERE = 0, 1, 2
"""Kinds of radial functions: a power of the distance; a power times its logarithm; on the sphere."""


@dataclass(frozen=True)
class Basis:
    """Radial function and polynomials of a spline, with the shift and the lengths that make its coordinates numbers of about 1.

    Parameters
    ----------
    order : int
        m: order of the derivatives whose squares are the roughness.
    dims : int
        d: coordinates that the radial function sees. On the sphere 3: unit vectors.
    shift, scale : tuple of float, length d + q
        Taken off and divided by. The d coordinates share one length, so that distances keep their proportions; the q linear
        covariates after them have their own.
    surface : {"flat", "sphere"}

    Examples
    --------
    >>> basis = basis_for([[0, 0], [2, 0], [0, 2]], order=2, dims=2)
    >>> basis.scale, basis.terms
    ((2.0, 2.0), 3)
    """

    order: int
    dims: int
    shift: tuple[float, ...]
    scale: tuple[float, ...]
    surface: Surface = "flat"

    @property
    def covariates(self) -> int:
        """Number of linear covariates."""
        return len(self.shift) - self.dims

    @property
    def kind(self) -> int:
        """Of the radial function."""
        return SPHERE if self.surface == "sphere" else ODD if self.dims % 2 else EVEN

    @property
    def power(self) -> int:
        """Of the distance in the radial function, 2m - d."""
        return 2 * self.order - self.dims

    @property
    def constant(self) -> float:
        """What the radial function is multiplied by, so that it solves the equation of the spline (Wahba 1990, equation 2.4.7)."""
        return 1.0 if self.surface == "sphere" else radial_constant(self.order, self.dims)

    @property
    def powers(self) -> tuple[tuple[int, ...], ...]:
        """The coordinates that each monomial of degree below m multiplies; on the sphere the constant alone."""
        if self.surface == "sphere":
            return ((),)
        return tuple(which for degree in range(self.order) for which in combinations_with_replacement(range(self.dims), degree))

    @property
    def terms(self) -> int:
        """Number of terms without penalty: monomials and linear covariates."""
        return len(self.powers) + self.covariates

    @property
    def unit_of_smoothing(self) -> float:
        """Factor from the smoothing parameter of the scaled coordinates to that of the coordinates given."""
        return 1.0 if self.surface == "sphere" else self.scale[0] ** self.power

    def scaled(self, points: ArrayLike) -> Floats:
        """Coordinates and covariates, shape (n, d + q), shifted and divided."""
        return np.asarray((np.asarray(points, dtype=np.float64) - np.array(self.shift)) / np.array(self.scale))

    def polynomials(self, scaled: Floats) -> Floats:
        """Values of the terms without penalty at scaled points: shape (n, terms)."""
        out = np.ones((len(scaled), self.terms))
        for k, which in enumerate(self.powers):
            for axis in which:
                out[:, k] *= scaled[:, axis]
        out[:, len(self.powers) :] = scaled[:, self.dims :]
        return out

    def kernel(self, scaled: Floats, others: Floats) -> Floats:
        """Radial function between two sets of scaled points: shape (n, number of others)."""
        out = np.empty((len(scaled), len(others)))
        here, there = np.ascontiguousarray(scaled[:, : self.dims]), np.ascontiguousarray(others[:, : self.dims].T)
        fill(self.kind, self.power, here, there, out)
        out *= self.constant
        return out


def basis_for(points: ArrayLike, order: int, dims: int, surface: Surface = "flat") -> Basis:
    """A basis whose scaled coordinates are of about 1 at these points.

    Parameters
    ----------
    points : array_like, shape (n, d + q)
        Coordinates of the spline, then linear covariates.
    order, dims : int
        Order of the spline and number of its coordinates; twice the order must exceed the dimensions.
    surface : {"flat", "sphere"}
        On the sphere the coordinates are unit vectors and the order is 2.

    Raises
    ------
    ValueError
        Points of a wrong shape, or an order that does not fit the dimensions.
    """
    table = np.asarray(points, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < dims:
        raise ValueError(f"points of shape {table.shape}: expected (n, {dims} or more)")
    if surface == "sphere" and (order, dims) != (2, 3):
        raise ValueError("a spline on the sphere: expected order 2 and unit vectors")
    if surface == "flat" and 2 * order <= dims:
        raise ValueError(f"order {order} in {dims} dimensions: expected twice the order above the number of dimensions")
    shift, scale = table.mean(axis=0), np.ptp(table, axis=0)
    scale[:dims] = scale[:dims].max(initial=0.0)
    scale[scale == 0.0] = 1.0
    if surface == "sphere":
        shift[:dims], scale[:dims] = 0.0, 1.0
    return Basis(order, dims, _tuple(shift), _tuple(scale), surface)


def _tuple(values: Sequence[float] | Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def radial_constant(order: int, dims: int) -> float:
    """Constant of the radial function.

    With d even (-1)^(d/2+1+m) / (2^(2m-1) pi^(d/2) (m-1)! (m-d/2)!), else Gamma(d/2-m) / (2^(2m) pi^(d/2) (m-1)!).

    Examples
    --------
    >>> round(radial_constant(2, 2) * 8 * math.pi, 12), round(radial_constant(2, 3) * 8 * math.pi, 12)
    (1.0, -1.0)
    """
    m, half = order, dims / 2
    if dims % 2:
        return float(math.gamma(half - m) / (4.0**m * math.pi**half * math.factorial(m - 1)))
    sign = -1.0 if (dims // 2 + 1 + m) % 2 else 1.0
    return float(sign / (0.5 * 4.0**m * math.pi**half * math.factorial(m - 1) * math.factorial(m - dims // 2)))
