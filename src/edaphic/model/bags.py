"""Standard error of a forest's mean from little bags, shrunk across cells.

Every little bag of k trees is grown on one random half of the profiles, m bags in all. The means of the bags in a cell scatter for two
reasons: their halves differ, and they hold few trees. With B the variance of the means of the bags, and W the mean variance of the trees
within a bag, B - W / k estimates the first part, which is the sampling variance of the mean of an endless forest (Sexton, J. and Laake, P.
2009, Standard errors for bagged and random forest estimators, Computational Statistics and Data Analysis 53, 801-811; Athey, S.,
Tibshirani, J. and Wager, S. 2019, Generalized random forests, Annals of Statistics 47, 1148-1178, section 4.1).

That difference can be negative. So it is not taken as it is: B (m - 1) / theta is chi-squared with m - 1 degrees of freedom, theta being
what B estimates, and theta is never below w = W / k. Over cells, theta / w is taken to be scaled inverse chi-squared with d degrees of
freedom around s, both learned from many cells when the model is made, as in Smyth, G. K. (2004, Linear models and empirical Bayes methods,
Statistical Applications in Genetics and Molecular Biology 3, article 3, section 6.2). Given B, theta is inverse gamma again, cut off
below at w, and its mean has a closed form.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammainc, hyp1f1, polygamma

MOST_BELIEF = 4.0
"""Most degrees of freedom of the prior, in those of a cell: never more is lent from other cells than four times what a cell knows."""
LEAST_BAGS = 4
"""Fewer say nothing of their own scatter."""


def learn_prior(between: NDArray[np.float64], within: NDArray[np.float64], bags: int, bag: int) -> tuple[float, float]:
    """Degrees of freedom d and scale s of theta / w over cells, by the mean and the variance of log(B / w).

    Parameters
    ----------
    between, within : float64 (n,)
        B and W of many cells.
    bags, bag : int
        m and k.

    Returns
    -------
    (d, s)
        s is at least 1; (0, 1) where fewer than ten cells tell anything: nothing is lent.
    """
    use = (between > 0) & (within > 0)
    if int(use.sum()) < 10:
        return 0.0, 1.0
    own, inner = bags - 1.0, bags * (bag - 1.0)
    known = np.log(between[use] * bag / within[use])
    spread = float(known.var(ddof=1)) - float(polygamma(1, own / 2) + polygamma(1, inner / 2))
    most = MOST_BELIEF * own
    freedom = most if spread <= float(polygamma(1, most / 2)) else min(most, 2 * _trigamma_inverse(spread))
    middle = float(known.mean()) - float(digamma(own / 2) - np.log(own / 2) - digamma(inner / 2) + np.log(inner / 2))
    # log(theta / w) has the mean log s - digamma(d / 2) + log(d / 2).
    scale = float(np.exp(middle + digamma(freedom / 2) - np.log(freedom / 2)))
    return freedom, max(scale, 1.0)


def _trigamma_inverse(value: float) -> float:
    """Where the trigamma function has a value above 0: Newton's steps on its inverse, as in Smyth (2004), appendix."""
    x = 0.5 + 1.0 / value
    for _ in range(50):
        third = float(polygamma(1, x))
        step = third * (1.0 - third / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-10:
            break
    return float(x)


def variance_of_mean(
    between: NDArray[np.float64], within: NDArray[np.float64], bags: int, bag: int, prior: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Variance of the mean of a forest in each cell, and whether the plain difference was at or below zero.

    Parameters
    ----------
    between, within : float64 (n,)
        B and W of each cell.
    bags, bag : int
        m, at least :data:`LEAST_BAGS`, and k.
    prior : (d, s)
        Of :func:`learn_prior`.

    Returns
    -------
    variance : float64 (n,)
        With a = (d + m - 1) / 2, b = (d s w + (m - 1) B) / 2, and P the regularised lower incomplete gamma function: the mean of theta
        above w, b / (a - 1) P(a - 1, b / w) / P(a, b / w), less w; and theta / m for the number of trees, which is finite.
    shrunk : bool (n,)
        B <= W / k.

    Examples
    --------
    Where trees of a bag agree, B is all there is; where B is far above W / k, it is hardly moved.

    >>> variance_of_mean(np.array([0.5]), np.array([0.0]), 50, 10, (0.0, 1.0))[0].round(3)
    array([0.51])
    >>> variance_of_mean(np.array([0.5, 0.01]), np.array([0.2, 0.2]), 200, 10, (0.0, 1.0))
    (array([0.48760152, 0.00049714]), array([False,  True]))
    """
    single = within / bag
    ratio = np.divide(between, single, out=np.full(len(between), np.inf), where=single > 0)
    own = bags - 1.0
    freedom, scale = prior
    a = (freedom + own) / 2
    b = (freedom * scale + own * np.where(single > 0, ratio, 1.0)) / 2
    theta = np.where(single > 0, single * _above(a, b) / (a - 1.0), between)
    return np.maximum(theta - single, 0.0) + theta / bags, between <= single


def _above(a: float, b: NDArray[np.float64]) -> NDArray[np.float64]:
    """b P(a - 1, b) / P(a, b): b + a / M(1, a + 1, b), M being Kummer's function, where both are too small to be divided.

    >>> _above(4.5, np.array([0.0, 1e6]))
    array([4.5e+00, 1.0e+06])
    """
    low = b < a
    out = np.empty(len(b))
    out[low] = b[low] + a / hyp1f1(1.0, a + 1.0, b[low])
    out[~low] = b[~low] * (gammainc(a - 1.0, b[~low]) / gammainc(a, b[~low]))
    return out
