"""How the errors of the layers of a profile go together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]

FEWEST_PAIRS = 10
"""Fewest profiles with both layers that tell a correlation."""
RANK_VARIANCE = 1.06
"""Variance of Fisher's z of a rank correlation, beside that of Pearson's (Fieller, E. C., Hartley, H. O. and Pearson, E. S. 1957, Tests for
rank correlation coefficients, Biometrika 44, 470-481)."""
MOST = 0.999
"""Largest correlation that is told: Fisher's z has no end."""


def layer_correlation(errors: Array) -> tuple[Array, list[str]]:
    """Correlation of the errors of layers, as the normal scores that a Gaussian copula wants.

    Rank correlations rho over the profiles that have both layers become 2 sin(pi rho / 6), which is the correlation of a normal pair with
    that rank correlation (Pearson, K. 1907, On further methods of determining correlation, Drapers' Company Research Memoirs IV). On the
    scale of Fisher's z each is then drawn to the mean of all pairs, by the share of its variance that is chance (DerSimonian, R. and Laird,
    N. 1986, Controlled Clinical Trials 7, 177-188); a pair that fewer than ten profiles tell of takes the mean. Eigenvalues below zero,
    which pairs from different profiles can leave, are set to zero and the diagonal scaled back to one.

    Parameters
    ----------
    errors : float64 (profiles, L)
        Errors of predictions of held-back profiles on the scale of the trees; NaN where a profile lacks a layer.

    Returns
    -------
    correlation : float64 (L, L)
        All 1 where no pair of layers has ten profiles in common, which makes limits of sums as wide as they can be.
    notes : list of str
        What was assumed.

    Examples
    --------
    >>> errors = np.column_stack([np.arange(50.0), np.arange(50.0) ** 3])
    >>> layer_correlation(errors)
    (array([[1.   , 0.999],
           [0.999, 1.   ]]), [])
    >>> layer_correlation(errors[:5])
    (array([[1., 1.],
           [1., 1.]]), ['depth correlation: no two layers have 10 profiles in common; errors of layers are taken to go together fully'])
    """
    layers = errors.shape[1]
    first, second = np.triu_indices(layers, 1)
    told = [_pair(errors[:, i], errors[:, j]) for i, j in zip(first, second, strict=True)]
    z, variance = np.array([t[0] for t in told]), np.array([t[1] for t in told])
    known = np.isfinite(z)
    out, notes = np.ones((layers, layers)), list[str]()
    if layers < 2:
        return out, notes
    if not known.any():
        why = f"no two layers have {FEWEST_PAIRS} profiles in common; errors of layers are taken to go together fully"
        return out, [f"depth correlation: {why}"]
    if not known.all():
        notes.append(
            f"depth correlation: {int(np.sum(~known))} of {len(z)} pairs of layers have fewer than {FEWEST_PAIRS} profiles in common; "
            "they take the mean of the others"
        )
    value = np.minimum(np.tanh(_shrunk(z, variance, known)), MOST)
    out[first, second] = out[second, first] = value
    return _proper(out), notes


def _pair(one: Array, other: Array) -> tuple[float, float]:
    """Fisher's z of a pair of layers and its variance; NaN where too few profiles have both, or one does not vary."""
    both = np.isfinite(one) & np.isfinite(other)
    n = int(both.sum())
    if n < FEWEST_PAIRS or np.ptp(one[both]) == 0 or np.ptp(other[both]) == 0:
        return np.nan, np.nan
    rho = float(np.corrcoef(rankdata(one[both]), rankdata(other[both]))[0, 1])
    r = float(np.clip(2 * np.sin(np.pi * rho / 6), -MOST, MOST))
    return float(np.arctanh(r)), RANK_VARIANCE / (n - 3)


def _shrunk(z: Array, variance: Array, known: NDArray[np.bool_]) -> Array:
    """Each z between itself and the mean of all, by how much of the scatter is chance."""
    weight = 1.0 / variance[known]
    own = z[known]
    mean = float(np.sum(weight * own) / weight.sum())
    out = np.full(len(z), mean)
    if len(own) < 2:
        out[known] = own
        return out
    excess = float(np.sum(weight * (own - mean) ** 2)) - (len(own) - 1)
    between = max(0.0, excess / float(weight.sum() - np.sum(weight**2) / weight.sum()))
    mean = float(np.sum(own / (variance[known] + between)) / np.sum(1.0 / (variance[known] + between)))
    out[:] = mean
    out[known] = mean + between / (between + variance[known]) * (own - mean)
    return out


def _proper(matrix: Array) -> Array:
    """The matrix itself where it has no negative eigenvalue, else one near it that has none."""
    value, vector = np.linalg.eigh(matrix)
    if value[0] >= 0:
        return matrix
    near = (vector * np.maximum(value, 0.0)) @ vector.T
    scale = np.sqrt(np.diag(near))
    near = near / np.outer(scale, scale)
    np.fill_diagonal(near, 1.0)
    return np.asarray((near + near.T) / 2)
