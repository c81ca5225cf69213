"""Gaussian random fields by FFT, and two small tools for grids of cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]


def gaussian_field(rng: np.random.Generator, shape: tuple[int, ...], cell_m: float, length_m: float, roughness: float) -> Array:
    """Gaussian random field by FFT, mean 0 and sd 1: amplitude ``(1 + (2 pi f length)^2)^(-roughness / 2)``.

    Roughness 1.5 is an exponential covariance; more is smoother. Made on twice the area: opposite edges must not match.
    """
    wide = (2 * shape[0], 2 * shape[1])
    f = np.hypot(np.fft.fftfreq(wide[0], cell_m)[:, None], np.fft.rfftfreq(wide[1], cell_m))
    amplitude = (1.0 + (2.0 * np.pi * f * length_m) ** 2) ** (-roughness / 2.0)
    values = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(wide)) * amplitude, s=wide)[: shape[0], : shape[1]]
    field: Array = (values - values.mean()) / values.std()
    return field


def by_class(codes: Array, *values: float) -> Array:
    """The value that belongs to each code 1, 2, ..."""
    return np.array(values)[codes.astype(np.intp) - 1]


def halve(fine: Array) -> Array:
    """Means of 2 x 2 cells."""
    mean: Array = fine.reshape(fine.shape[0] // 2, 2, fine.shape[1] // 2, 2).mean(axis=(1, 3))
    return mean
