"""Is a block one thing, does it differ from the others, and how much does the model explain."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.account.paths.effects import r_squared
from edaphic.account.paths.estimate import Layout, Solution

Floats = NDArray[np.float64]

LATENT_COLUMNS = (
    "latent", "type", "mode", "indicators", "r2", "r2_adjusted", "mean_communality", "mean_redundancy", "ave",
    "cronbach_alpha", "dillon_goldstein_rho", "eigenvalue_1", "eigenvalue_2",
)  # fmt: skip


def cronbach_alpha(correlation: Floats) -> float:
    """Alpha of standardised indicators: p / (p - 1) x 2 sum of r / (p + 2 sum of r); 1 for one indicator, never below 0.

    >>> round(cronbach_alpha(np.array([[1, 0.5], [0.5, 1]])), 6)
    0.666667
    """
    p = len(correlation)
    if p == 1:
        return 1.0
    twice = float(correlation.sum() - np.trace(correlation))
    whole = p + twice
    return max(0.0, p / (p - 1) * twice / whole) if whole > 1e-12 else 0.0


def dillon_goldstein_rho(correlation: Floats) -> float:
    """Composite reliability S / (S + sum of (1 - l^2)), S = (sum of l)^2, with l the correlation of an indicator and the first component.

    Tenenhaus et al. (2005, Computational Statistics and Data Analysis 48, 159-205).

    >>> round(dillon_goldstein_rho(np.array([[1, 0.5], [0.5, 1]])), 6)
    0.857143
    """
    values, vectors = np.linalg.eigh(correlation)
    loadings = vectors[:, -1] * math.sqrt(max(0.0, float(values[-1])))
    squared = float(loadings.sum()) ** 2
    whole = squared + float((1.0 - loadings**2).sum())
    return squared / whole if whole > 1e-12 else 0.0


def latent_table(correlation: Floats, solution: Solution, layout: Layout, rows: int) -> pd.DataFrame:
    """A row for each latent: R2, communality, redundancy, AVE, and whether the block is one-dimensional.

    R2 and redundancy of a latent on which none acts are 0.
    AVE, alpha and rho are of blocks in mode A; in mode B indicators need not go together, and the cells are empty.
    """
    explained = r_squared(solution)
    found = []
    for j, name in enumerate(layout.names):
        own = np.flatnonzero(layout.owner == j)
        block = correlation[np.ix_(own, own)]
        communality = float((solution.cross[own, j] ** 2).mean())
        causes = int(layout.arrows[j].sum())
        reflective = not layout.formative[j]
        eigenvalues = np.linalg.eigvalsh(block)[::-1]
        r2 = float(explained[j])
        found.append((
            name, "endogenous" if causes else "exogenous", "A" if reflective else "B", len(own),
            r2, 1.0 - (1.0 - r2) * (rows - 1) / (rows - causes - 1), communality, communality * r2,
            communality if reflective else math.nan,
            cronbach_alpha(block) if reflective else math.nan,
            dillon_goldstein_rho(block) if reflective else math.nan,
            float(eigenvalues[0]), float(eigenvalues[1]) if len(own) > 1 else math.nan,
        ))  # fmt: skip
    return pd.DataFrame(found, columns=list(LATENT_COLUMNS))


def goodness_of_fit(latents: pd.DataFrame) -> float:
    """Root of mean communality x mean R2 of endogenous latents (Tenenhaus et al. 2005).

    The mean communality is that of all indicators in blocks of more than one; NaN where all blocks have one.

    >>> kinds = ["exogenous", "endogenous", "endogenous"]
    >>> table = pd.DataFrame({"indicators": [2, 4, 1], "mean_communality": [0.4, 0.7, 1.0], "r2": [0, 0.5, 0.3], "type": kinds})
    >>> round(goodness_of_fit(table) ** 2, 6)  # (2 x 0.4 + 4 x 0.7) / 6 x 0.4
    0.24
    """
    wide = latents[latents["indicators"] > 1]
    if wide.empty:
        return math.nan
    communality = float((wide["mean_communality"] * wide["indicators"]).sum() / wide["indicators"].sum())
    return math.sqrt(communality * max(0.0, float(latents.loc[latents["type"] == "endogenous", "r2"].mean())))


def discriminant_table(correlation: Floats, solution: Solution, layout: Layout) -> pd.DataFrame:
    """Whether two latents differ, a row for each pair.

    ``fornell_larcker``: both roots of AVE are above the correlation of the scores (Fornell and Larcker 1981). ``htmt``: mean correlation
    of indicators of different blocks over the geometric mean of those within (Henseler et al. 2015, Journal of the Academy of
    Marketing Science 43, 115-135), with absolute correlations; above 0.85 or 0.9 two latents are hardly told apart. Both are of blocks
    in mode A; a block of one indicator has 1 within.
    """
    blocks = [np.flatnonzero(layout.owner == j) for j in range(len(layout.names))]
    size = np.abs(correlation)
    within = [_mean_off_diagonal(size[np.ix_(own, own)]) for own in blocks]
    root = [math.sqrt(float((solution.cross[own, j] ** 2).mean())) for j, own in enumerate(blocks)]
    found = []
    for a, b in combinations(range(len(blocks)), 2):
        r = float(solution.latent[a, b])
        reflective = not (layout.formative[a] or layout.formative[b])
        below = math.sqrt(within[a] * within[b])
        htmt = float(size[np.ix_(blocks[a], blocks[b])].mean()) / below if reflective and below > 0 else math.nan
        differs = ("yes" if abs(r) < min(root[a], root[b]) else "no") if reflective else ""
        found.append((layout.names[a], layout.names[b], r, *((root[a], root[b]) if reflective else (math.nan, math.nan)), differs, htmt))
    return pd.DataFrame(found, columns=["latent", "other", "correlation", "root_ave", "root_ave_other", "fornell_larcker", "htmt"])


def _mean_off_diagonal(matrix: Floats) -> float:
    count = len(matrix)
    return 1.0 if count == 1 else float((matrix.sum() - np.trace(matrix)) / (count * (count - 1)))
