"""Probabilities of two correlated normal variables, compiled.

They rest on Owen's T function (Owen 1956, Annals of Mathematical Statistics 27, 1075-1090),
``T(h, a) = 1 / (2 pi) times the integral from 0 to a of exp(-h^2 (1 + x^2) / 2) / (1 + x^2)``, by Gauss-Legendre quadrature over at most
(0, 1): larger slopes are turned round.
"""

from __future__ import annotations

import math

import numpy as np

from edaphic.compiled import kernel

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_HALF = _NODES.size // 2
_X2 = ((0.5 * (1.0 + _NODES)) ** 2).copy()
_W = (0.5 * _WEIGHTS / (2.0 * math.pi)).copy()
_FAR = 8.5
"""Beyond so many standard deviations nothing is left that a float64 near 1 could tell."""


@kernel
def phi(x: float) -> float:
    """Probability that a standard normal variable lies below x.

    >>> phi(0.0)
    0.5
    """
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


@kernel
def owen_t(h: float, a: float) -> float:
    """Owen's T; a may be infinite. Absolute error below 1e-12.

    >>> round(owen_t(0.0, 1.0), 12)  # atan(1) / (2 pi)
    0.125
    """
    if a < 0.0:
        return -owen_t_above(h, -a)
    return owen_t_above(h, a)


@kernel
def owen_t_above(h: float, a: float) -> float:
    """Owen's T for a of zero or more."""
    size = abs(h)
    if a == 0.0 or size > _FAR:
        return 0.0
    if a <= 1.0:
        return _below_one(size, a)
    below = phi(-size)
    if math.isinf(a):
        return 0.5 * below
    # T(h, a) + T(a h, 1 / a) = (Q(h) + Q(a h)) / 2 - Q(h) Q(a h), with Q(h) = phi(-h), for h >= 0
    other = phi(-a * size)
    rest = _below_one(a * size, 1.0 / a) if a * size <= _FAR else 0.0
    return 0.5 * (below + other) - below * other - rest


@kernel
def _below_one(h: float, a: float) -> float:
    half_square, square, total = 0.5 * h * h, a * a, 0.0
    for i in range(_X2.size):
        spread = 1.0 + square * _X2[i]
        total += _W[i] * math.exp(-half_square * spread) / spread
    return a * total


@kernel
def wedge(b: float, level: float, slope: float, spread: float) -> float:
    """Probability that Z < b and spread W < level + slope Z, of independent standard normal Z and W.

    ``spread`` is zero or more; with zero, the second condition is about Z alone. b may be infinite, slope and spread not both zero.

    >>> round(wedge(0.0, 0.0, 1.0, 1.0), 12)  # left of the axis and right of the line through it: 45 of 360 degrees
    0.125
    """
    length = math.sqrt(spread * spread + slope * slope)
    k = level / length
    if b == np.inf:
        return phi(k)
    if b == -np.inf:
        return 0.0
    at_b = level + slope * b
    if b == 0.0 and k == 0.0:
        # two lines through the origin: a sector
        return 0.25 - math.asin(slope / length) / (2.0 * math.pi)
    crossing = b * k < 0.0 or (b * k == 0.0 and b + k < 0.0)
    first = _turned(b, at_b, spread * b)
    second = _turned(k, b * length * length + level * slope, level * spread)
    return min(max(0.5 * (phi(b) + phi(k) - (1.0 if crossing else 0.0)) - first - second, 0.0), 1.0)


@kernel
def _turned(h: float, above: float, below: float) -> float:
    """Owen's T of h and the ratio above / below, where below may be zero: then the limit."""
    if below == 0.0:
        # h = 0 as the limit from above; spread = 0: a line along the axis, its side by the sign
        side = above if h >= 0.0 else -above
        if side == 0.0:
            return 0.0
        return owen_t(h, np.inf if side > 0.0 else -np.inf)
    return owen_t(h, above / below)
