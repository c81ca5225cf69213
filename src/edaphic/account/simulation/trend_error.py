"""The error of the trend: how forests that were refitted to other samples of the profiles differ, block by block."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import ModelError

Floats = NDArray[np.float64]

LARGEST = 0.9
"""Largest share of the variance of a prediction that is given to the error of the trend."""


def trend_error(predictions: ArrayLike, variance: ArrayLike) -> tuple[Floats, Floats]:
    """Departures of refitted forests and their share of the variance of a prediction.

    Parameters
    ----------
    predictions : array_like (forests, blocks, layers)
        Means of the blocks by forests refitted to bootstrap samples of profiles, or of clusters of profiles where these are clustered; on
        the scale on which errors are alike everywhere, which is the logarithm where forests grow on it.
    variance : array_like
        Variance of an out-of-fold error on that scale: a number, or (layers,).

    Returns
    -------
    departures : float64 (forests, blocks, layers)
        (f - mean f) / sd over the forests; 0 where they agree.
    share : float64 (blocks, layers)
        Variance over the forests by ``variance``, at most :data:`LARGEST`.

    Examples
    --------
    >>> g, share = trend_error([[[1.0]], [[3.0]]], 8.0)
    >>> g.ravel().round(4).tolist(), share.tolist()
    ([-0.7071, 0.7071], [[0.25]])
    """
    f = np.asarray(predictions, dtype=np.float64)
    if f.ndim != 3 or len(f) < 2 or not np.isfinite(f).all():
        raise ModelError(
            f"error of the trend: predictions {f.shape}; expected finite numbers, (forests, blocks, layers), two forests or more"
        )
    known = np.broadcast_to(np.asarray(variance, dtype=np.float64), f.shape[2:])
    if not (known > 0).all():
        raise ModelError(f"error of the trend: variance {known.tolist()}; expected above 0")
    apart = f - f.mean(axis=0)
    own = apart.var(axis=0, ddof=1)
    sd = np.sqrt(own)
    return np.divide(apart, sd, out=np.zeros_like(apart), where=sd > 0), np.minimum(own / known, LARGEST)
