"""Stocks of deeper layers from beta and the stock of the topsoil, cell by cell, with the error of both.

    X(top, bottom) = X(0, d0) (beta^top - beta^bottom) / (1 - beta^d0)

The factor bends with beta, so the mean of the stock is not the factor of the mean beta: it is taken over the distribution of beta in the
cell. That distribution is the calibrated one of the maps, by its 5, 50 and 95 % quantiles: two halves of normal curves that meet in the
median. The topsoil is log-normal with the value of its raster as the mean, and its error has nothing to do with that of beta. (Wang et al.,
global patterns of soil organic carbon distribution in the 20-100 cm soil profile, equation 3; there, the topsoil has no error.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from edaphic.compiled import kernel

Floats = NDArray[np.float64]

REACH, STEPS = 4.0, 48
"""The scores of beta are laid out over +/- 4 standard deviations, in 48 steps."""

SCORES = np.linspace(-REACH, REACH, STEPS + 1)
FINE_SD, LEAST_SD = 0.06, 0.0025
"""Standard deviation of the topsoil's logarithm down to which those steps do; below the second it counts as none."""

LEAST_BETA, MOST_BETA = 0.5, 1.1
"""Between these beta is cut off: half of the carbon within one centimetre, and seven times more of it in the second 20 cm than in the
first."""

CLOSE, STEPS_AT_MOST = 1e-5, 60
"""A quantile is found to 1e-5 of its value; far fewer steps do."""


def layer_factor(beta: Floats, layer: tuple[float, float], known_cm: float) -> Floats:
    """Stock of a layer over that of the topsoil, above ``known_cm``.

    >>> layer_factor(np.array([0.5 ** (1 / 20), 1.0]), (20, 40), 20).round(12).tolist()
    [0.5, 1.0]
    """
    log_beta = np.log(beta)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.expm1(log_beta * (layer[1] - layer[0])) / np.expm1(log_beta * known_cm)
    even = (layer[1] - layer[0]) / known_cm
    return np.asarray(np.exp(log_beta * layer[0]) * np.where(log_beta == 0.0, even, ratio))


def stock_below(
    quantiles: tuple[Floats, Floats, Floats],
    topsoil: Floats,
    relative_sd: float,
    layer: tuple[float, float],
    levels: Sequence[float],
    *,
    known_cm: float = 20.0,
) -> tuple[Floats, Floats]:
    """Mean and quantiles of the stock of a layer.

    Parameters
    ----------
    quantiles : three arrays (n,)
        Beta at 5, 50 and 95 %; NaN where there is none.
    topsoil : array (n,)
        Mean stock above ``known_cm``, any unit; NaN where it is not known.
    relative_sd : float
        Standard deviation of the topsoil as a share of it.
    layer : (top_cm, bottom_cm)
    levels : sequence of float
        Of the quantiles, between 0 and 1.
    known_cm : float

    Returns
    -------
    mean (n,), quantiles (number of levels, n)
        In the unit of ``topsoil``, NaN where anything is lacking.

    Examples
    --------
    Without any error the formula itself: beta^20 = 1/2 halves the stock every 20 cm.

    >>> sure = np.array([0.5 ** (1 / 20)])
    >>> mean, both = stock_below((sure, sure, sure), np.array([8.0]), 0.0, (20, 40), [0.05, 0.95])
    >>> mean.round(9), both.ravel().round(9)
    (array([4.]), array([4., 4.]))
    """
    low, middle, high = (np.asarray(own, dtype=np.float64) for own in quantiles)
    stock = np.asarray(topsoil, dtype=np.float64)
    wanted = np.asarray(levels, dtype=np.float64)
    mean, out = np.full(len(stock), np.nan), np.full((len(wanted), len(stock)), np.nan)
    known = np.flatnonzero(np.isfinite(low) & np.isfinite(middle) & np.isfinite(high) & np.isfinite(stock))
    z95 = float(ndtri(0.95))
    sd = math.sqrt(math.log1p(relative_sd**2))
    sd = 0.0 if sd < LEAST_SD else sd
    # Steps of beta that are long beside the error of the topsoil would show as stairs.
    scores = np.linspace(-REACH, REACH, STEPS * max(1, min(24, math.ceil(FINE_SD / max(sd, LEAST_SD)))) + 1) if sd else SCORES
    weights = np.exp(-0.5 * scores**2) / np.exp(-0.5 * scores**2).sum()
    for start in range(0, len(known), 8192):  # bounds the memory
        cells = known[start : start + 8192]
        below, above = (middle[cells] - low[cells]) / z95, (high[cells] - middle[cells]) / z95
        beta = middle[cells, None] + np.where(scores < 0, below[:, None], above[:, None]) * scores
        factor = layer_factor(np.clip(beta, LEAST_BETA, MOST_BETA), layer, known_cm)
        mean[cells] = stock[cells] * (factor @ weights)
        if sd == 0.0:
            for i, z in enumerate(ndtri(wanted)):
                at = np.clip(middle[cells] + np.where(z < 0, below, above) * z, LEAST_BETA, MOST_BETA)
                out[i, cells] = stock[cells] * layer_factor(at, layer, known_cm)
            continue
        found = np.empty((len(wanted), len(cells)))
        _quantiles(np.log(factor), weights, sd, wanted, found)
        out[:, cells] = stock[cells] * found
    return mean, out


@kernel
def _quantiles(log_factor, weights, sd, levels, out):  # type: ignore[no-untyped-def]  # compiled
    """Quantiles of factor times a log-normal topsoil of mean 1: in the logarithm, a mixture of normal curves."""
    root = 1.0 / (sd * math.sqrt(2.0))
    height = root / math.sqrt(math.pi)
    for i in range(log_factor.shape[0]):
        centre = log_factor[i] - 0.5 * sd * sd
        least, most = centre.min() - REACH * sd, centre.max() + REACH * sd
        m = centre[centre.shape[0] // 2]
        for j in range(levels.shape[0]):
            a, b = least, most
            for _ in range(STEPS_AT_MOST):
                share, slope = 0.0, 0.0
                for k in range(centre.shape[0]):
                    d = (m - centre[k]) * root
                    if d > REACH:
                        share += weights[k]
                    elif d > -REACH:
                        share += weights[k] * 0.5 * math.erfc(-d)
                        slope += weights[k] * height * math.exp(-d * d)
                if share < levels[j]:
                    a = m
                else:
                    b = m
                step = (levels[j] - share) / slope if slope > 0.0 else math.inf
                if abs(step) < CLOSE or b - a < CLOSE:
                    break
                # Newton's step where it stays between the limits, else half way between them.
                m = m + step if a < m + step < b else 0.5 * (a + b)
            out[j, i] = math.exp(m)
