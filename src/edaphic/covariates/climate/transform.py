"""Scales on which precipitation is more even, and the way back without bias.

A spline of the square root (or logarithm) g of a value predicts g with errors. To square the prediction would give values that are too low
on average: the mean of g^2 is the square of the mean plus the variance. The variance s^2 taken here is the mean square of the leave-one-out
errors of the field, which holds noise and the error of the surface.

- sqrt: the mean of max(g, 0)^2 with g normal about f: (f^2 + s^2) Phi(f / s) + f s phi(f / s). It is never negative, and tends to 0 where
  f falls below 0.
- log: exp(f + s^2 / 2), the mean of a lognormal number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
Transform = Literal["none", "sqrt", "log"]


def forward_all(values: Floats, transforms: Sequence[Transform]) -> Floats:
    """Each column on the scale of its spline: shape (n, fields)."""
    return np.stack([forward(values[:, k], how) for k, how in enumerate(transforms)], axis=1)


def back_all(predicted: Floats, spread: Floats, transforms: Sequence[Transform]) -> Floats:
    """Each column on the scale of its values; see :func:`back`."""
    if set(transforms) == {"none"}:
        return predicted
    return np.stack([back(predicted[:, k], spread[k], how) for k, how in enumerate(transforms)], axis=1)


def back_errors(predicted: Floats, errors: Floats, spread: Floats, transforms: Sequence[Transform]) -> Floats:
    """Standard errors of each column on the scale of its values; see :func:`back_error`."""
    return np.stack([back_error(predicted[:, k], errors[:, k], spread[k], how) for k, how in enumerate(transforms)], axis=1)


def forward(values: Floats, transform: Transform) -> Floats:
    """Values on the scale of the spline.

    >>> forward(np.array([4.0, 9.0]), "sqrt").tolist()
    [2.0, 3.0]
    """
    if transform == "none":
        return values
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(values) if transform == "sqrt" else np.log(values)


def back(predicted: Floats, spread: float, transform: Transform) -> Floats:
    """Means on the scale of the values.

    Parameters
    ----------
    predicted : float array
        On the scale of the spline.
    spread : float
        Standard deviation s of the errors of prediction there.
    transform : {"none", "sqrt", "log"}

    Examples
    --------
    >>> back(np.array([3.0]), 0.0, "sqrt").tolist(), back(np.array([30.0]), 2.0, "sqrt").round(6).tolist()
    ([9.0], [904.0])
    """
    if transform == "none":
        return predicted
    if transform == "log":
        return np.asarray(np.exp(predicted + 0.5 * spread**2))
    s = np.maximum(spread, 1e-12 * np.maximum(1.0, np.abs(predicted)))
    z = predicted / s
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return np.asarray(np.maximum((predicted**2 + s**2) * ndtr(z) + predicted * s * density, 0.0))


def back_error(predicted: Floats, error: Floats, spread: float, transform: Transform) -> Floats:
    """Standard errors on the scale of the values, of a surface with these standard errors on the scale of the spline.

    Of a normal g: the standard deviation of g^2 is sqrt(4 f^2 e^2 + 2 e^4) (with f not below 0); of exp g it is the mean times
    sqrt(exp(e^2) - 1).

    >>> back_error(np.array([3.0]), np.array([0.1]), 0.5, "none").tolist()
    [0.1]
    """
    if transform == "none":
        return error
    if transform == "sqrt":
        return np.asarray(np.sqrt(4.0 * np.maximum(predicted, 0.0) ** 2 * error**2 + 2.0 * error**4))
    return back(predicted, spread, transform) * np.sqrt(np.expm1(error**2))
