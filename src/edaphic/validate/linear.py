"""Linear models on arrays: ridge regression, one random intercept by REML, and the way back from logarithms.

Statistics only: no notion of soil, layers or classes. :mod:`edaphic.validate.baselines` builds the columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PENALTIES = tuple(10.0 ** (k / 2) for k in range(-16, 9))
"""Ridge penalties that are tried, in units of the number of rows, for columns of variance one."""
FOLDS = 5
LONGEST_LOG_RATIO = 30.0
"""Bound of the logarithm of the ratio of variances, to both sides, in the search for the random intercept."""


@dataclass(frozen=True)
class Ridge:
    """A ridge regression with fixed offsets taken out beforehand: ``(x - centre) @ slope``."""

    centre: Floats
    slope: Floats
    penalty: float
    degrees_of_freedom: float

    def predict(self, columns: Floats) -> Floats:
        """Predictions (n,) for columns (n, p)."""
        return np.asarray((columns - self.centre) @ self.slope)


def fit_ridge(columns: Floats, values: Floats, fold: Ints) -> Ridge:
    """Ridge regression whose penalty gives the smallest squared error on rows held back.

    Solves ``min |y - (X - centre) b|**2 + n k |b|**2`` (Hoerl and Kennard 1970, Technometrics 12) for each of 25 penalties k from
    1e-8 to 1e4, through the eigenvectors of the smaller of X'X and XX': more columns than rows and collinear columns are no
    trouble.

    Parameters
    ----------
    columns : float64 (n, p)
        Standardised; p may be 0.
    values : float64 (n,)
        With mean zero: offsets are the caller's.
    fold : int64 (n,)
        Rows with one number are held back together to choose the penalty; with fewer than two numbers the largest penalty is taken.

    Returns
    -------
    Ridge

    Examples
    --------
    >>> x = np.array([[-1.0], [0.0], [1.0], [2.0], [-2.0], [0.0]])
    >>> ridge = fit_ridge(x, 3 * x[:, 0], np.array([0, 0, 1, 1, 2, 2]))
    >>> ridge.slope.round(4).tolist(), ridge.penalty < 1e-7
    ([3.0], True)
    """
    p = columns.shape[1]
    if p == 0:
        return Ridge(np.zeros(0), np.zeros(0), PENALTIES[-1], 0.0)
    error = np.zeros(len(PENALTIES))
    held = np.unique(fold)
    for k in held:
        out = fold == k
        if out.all():
            error[:-1] = np.inf
            break
        centre = columns[~out].mean(axis=0)
        level = values[~out].mean()
        slopes = _slopes(columns[~out] - centre, values[~out] - level)[0]
        missed = (values[out] - level)[:, None] - (columns[out] - centre) @ slopes
        error += np.sum(missed**2, axis=0)
    # Of equal errors the larger penalty.
    best = len(PENALTIES) - 1 - int(np.argmin(error[::-1]))
    centre = columns.mean(axis=0)
    slopes, freedom = _slopes(columns - centre, values)
    return Ridge(centre, slopes[:, best], PENALTIES[best], float(freedom[best]))


def _slopes(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Coefficients (p, penalties) and effective degrees of freedom (penalties,)."""
    n, p = x.shape
    k = n * np.asarray(PENALTIES)
    if p <= n:
        size, axes = eigh(x.T @ x)
        size = np.maximum(size, 0.0)
        slopes = axes @ ((axes.T @ (x.T @ y))[:, None] / (size[:, None] + k))
    else:
        size, axes = eigh(x @ x.T)
        size = np.maximum(size, 0.0)
        slopes = x.T @ (axes @ ((axes.T @ y)[:, None] / (size[:, None] + k)))
    return np.asarray(slopes), np.sum(size[:, None] / (size[:, None] + k), axis=0)


@dataclass(frozen=True)
class RandomIntercept:
    """``y = X beta + u[group] + e`` with ``u ~ N(0, between)`` and ``e ~ N(0, within)``."""

    beta: Floats
    between: float
    within: float
    effects: Floats
    """Best linear unbiased prediction of the effect of each group (groups,)."""
    log_likelihood: float
    """Restricted, with its constants."""


def fit_random_intercept(columns: Floats, values: Floats, group: Ints) -> RandomIntercept:
    """Fit a linear mixed model with one random intercept by restricted maximum likelihood.

    With ``g = between / within`` and n_j rows in group j, V is a block of ``I + g 11'`` for each group, whose inverse and determinant are
    closed forms; beta and the variance within follow from g (Harville 1977, JASA 72; Laird and Ware 1982, Biometrics 38), and one
    bounded search over log g remains. A ratio of zero is tried as well.

    Parameters
    ----------
    columns : float64 (n, p)
        Fixed effects, of full column rank, p < n; include the intercept.
    values : float64 (n,)
    group : int64 (n,)
        Numbers from 0 without gaps.

    Returns
    -------
    RandomIntercept

    Examples
    --------
    Balanced, two groups of two: means 1 and 5, mean squares 16 and 2, hence variances (16 - 2) / 2 and 2.

    >>> fit = fit_random_intercept(np.ones((4, 1)), np.array([0.0, 2.0, 4.0, 6.0]), np.array([0, 0, 1, 1]))
    >>> round(fit.between, 4), round(fit.within, 4), fit.beta.round(6).tolist()
    (7.0, 2.0, [3.0])
    """
    n, p = columns.shape
    q, r = np.linalg.qr(columns)
    rows = np.bincount(group).astype(np.float64)
    sums = np.zeros((len(rows), p + 1))
    both = np.column_stack([q, values])
    np.add.at(sums, group, both)
    cross = both.T @ both
    shift = 2 * float(np.sum(np.log(np.abs(np.diag(r)))))
    tiny = max(1e-28 * float(cross[-1, -1]), 1e-300)

    def solve(ratio: float) -> tuple[float, Floats, float]:
        share = ratio / (1 + ratio * rows)
        inner = cross - sums.T @ (sums * share[:, None])
        factor = cho_factor(inner[:p, :p], lower=True)
        beta = cho_solve(factor, inner[:p, p])
        rest = max(float(inner[p, p] - inner[:p, p] @ beta), tiny)
        logdet = float(np.sum(np.log1p(ratio * rows))) + 2 * float(np.sum(np.log(np.diag(factor[0])))) + shift
        deviance = (n - p) * (np.log(2 * np.pi * rest / (n - p)) + 1) + logdet
        return float(deviance), np.asarray(beta), rest / (n - p)

    ratio = 0.0
    if len(rows) < n and len(rows) > 1:
        found = minimize_scalar(
            lambda t: solve(float(np.exp(t)))[0],
            bounds=(-LONGEST_LOG_RATIO, LONGEST_LOG_RATIO / 2),
            method="bounded",
            options={"xatol": 1e-10, "maxiter": 200},
        )
        ratio = float(np.exp(found.x)) if found.fun < solve(0.0)[0] else 0.0
    deviance, beta, within = solve(ratio)
    left = sums[:, p] - sums[:, :p] @ beta
    effects = ratio / (1 + ratio * rows) * left
    return RandomIntercept(np.linalg.solve(r, beta), ratio * within, within, effects, -deviance / 2)


def smearing(residuals: Floats, degrees_of_freedom: float = 0.0) -> float:
    """Factor that turns the exponential of a predicted logarithm into a mean: ``mean(exp(residual))``.

    Duan (1983), JASA 78: no normality is assumed. Residuals of the rows that the model was fitted to are too small by ``sqrt(1 - df
    / n)``; they are drawn out by as much.

    Examples
    --------
    >>> smearing(np.log([0.5, 1.0, 3.0]))
    1.5
    """
    n = len(residuals)
    if n == 0:
        return 1.0
    drawn = residuals / np.sqrt(max(1 - degrees_of_freedom / n, 1 / n))
    return float(np.mean(np.exp(drawn)))


def principal_components(columns: Floats, most: int) -> tuple[Floats, Floats]:
    """Centre (p,) and axes (p, k) of the leading principal components, k at most ``most``; directions without variance are left out.

    >>> centre, axes = principal_components(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), 5)
    >>> axes.shape, np.abs(axes[:, 0]).round(4).tolist()
    ((2, 1), [0.7071, 0.7071])
    """
    centre = columns.mean(axis=0) if len(columns) else np.zeros(columns.shape[1])
    x = columns - centre
    n, p = x.shape
    if p == 0 or most <= 0:
        return centre, np.zeros((p, 0))
    size, axes = eigh(x.T @ x) if p <= n else eigh(x @ x.T)
    size, axes = size[::-1], axes[:, ::-1]
    keep = np.flatnonzero(size > 1e-10 * max(float(size[0]), 1e-300))[:most]
    if p > n:
        axes = x.T @ axes[:, keep] / np.sqrt(size[keep])
        return centre, np.asarray(axes)
    return centre, np.asarray(axes[:, keep])
