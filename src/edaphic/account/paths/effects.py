"""Direct, indirect and total effects, and the inner regressions with their tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr

from edaphic.account.paths.estimate import Layout, Solution

Floats = NDArray[np.float64]

INNER_COLUMNS = ("to", "from", "coefficient", "standard_error", "t", "p", "vif")


def total_effects(coefficients: Floats) -> Floats:
    """Sum over all routes of the products of their coefficients: (I - B)^-1 - I.

    Parameters
    ----------
    coefficients : ndarray (J, J)
        Row = dependent latent; no cycles.

    Examples
    --------
    a acts on b with 0.5, b on c with 0.4: a acts on c with 0.2.

    >>> total_effects(np.array([[0, 0, 0], [0.5, 0, 0], [0, 0.4, 0]]))[2].tolist()
    [0.2, 0.4, 0.0]
    """
    total, power = coefficients.copy(), coefficients
    for _ in range(len(coefficients) - 1):
        power = power @ coefficients
        total = total + power
    return np.asarray(total)


def reachable(arrows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pairs (row = to, column = from) between which a route leads."""
    return np.asarray(total_effects(arrows.astype(np.float64)) > 0)


def effects_table(solution: Solution, layout: Layout) -> pd.DataFrame:
    """A row for each pair of latents with a route between them: ``from``, ``to``, ``direct``, ``indirect``, ``total``."""
    total = total_effects(solution.coefficients)
    rows = [
        (layout.names[k], layout.names[j], solution.coefficients[j, k], total[j, k] - solution.coefficients[j, k], total[j, k])
        for k, j in zip(*np.nonzero(reachable(layout.arrows).T), strict=True)
    ]
    return pd.DataFrame(rows, columns=["from", "to", "direct", "indirect", "total"])


def r_squared(solution: Solution) -> Floats:
    """Share of the variance of each latent that its regression explains, (J,); 0 for those without one."""
    return np.asarray((solution.coefficients * solution.latent).sum(axis=1))


def inner_table(solution: Solution, layout: Layout, rows: int) -> pd.DataFrame:
    """Ordinary least squares of the scores: coefficients, standard errors, t, p on n - k - 1 degrees of freedom, and VIF.

    Scores have mean 0 and variance 1 with divisor n: the intercept is 0, and the squared standard error is
    (1 - R2) / (n - k - 1) times the diagonal of the inverse correlation matrix of the causes, which is their VIF. The test takes the
    scores as given: it leaves out that they are estimated, which the bootstrap does not.
    """
    found = []
    explained = r_squared(solution)
    for j in np.flatnonzero(layout.arrows.any(axis=1)):
        causes = np.flatnonzero(layout.arrows[j])
        vif = np.diag(np.linalg.inv(solution.latent[np.ix_(causes, causes)]))
        free = rows - len(causes) - 1
        error = np.sqrt(max(0.0, 1.0 - explained[j]) / free * vif)
        beta = solution.coefficients[j, causes]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = beta / error
        p = 2.0 * stdtr(free, -np.abs(t))
        found += [
            (layout.names[j], layout.names[k], *values)
            for k, *values in zip(causes, beta.tolist(), error.tolist(), t.tolist(), p.tolist(), vif.tolist(), strict=True)
        ]
    return pd.DataFrame(found, columns=list(INNER_COLUMNS))
