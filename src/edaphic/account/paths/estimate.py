"""Outer weights by partial least squares, from covariances alone.

Every step of the iteration is a product of the covariance matrix of the indicators and the weights, so rows are looked at once. A
bootstrap resample is another covariance matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edaphic.account.paths.model import Scheme
from edaphic.errors import ModelError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

VANISHED = 1e-12
"""A score whose variance is this share of what its weights could give is zero but for rounding."""
UNCORRELATED = 1e-10
"""Correlations of a block with its neighbours that are nothing but rounding."""
DEPENDENT = 1e-13
"""Smallest eigenvalue of the correlations of a block in mode B whose inverse means something."""
SINGULAR = 1e-10
"""Correlation matrices whose smallest eigenvalue is below this cannot be inverted to the digits that are shown."""


@dataclass(frozen=True)
class Layout:
    """Structure as numbers.

    Parameters
    ----------
    names : tuple of str
        Latents.
    owner : ndarray of int (p,)
        Block of each indicator; indicators of a block stand together.
    arrows : ndarray of bool (J, J)
        True where the latent of the column acts on that of the row.
    formative : ndarray of bool (J,)
        Blocks in mode B.
    anchors : ndarray of int (J,)
        Indicator that shall have a positive loading; -1 where the majority decides.
    """

    names: tuple[str, ...]
    owner: Ints
    arrows: Bools
    formative: Bools
    anchors: Ints

    @property
    def members(self) -> Floats:
        """1 where an indicator belongs to a latent, (p, J)."""
        matrix: Floats = (self.owner[:, None] == np.arange(len(self.names))).astype(np.float64)
        return matrix


@dataclass(frozen=True)
class Rules:
    """How the iteration goes on and when it ends."""

    scheme: Scheme = "path"
    tolerance: float = 1e-8
    iterations: int = 500


@dataclass(frozen=True)
class Solution:
    """An estimated model.

    Parameters
    ----------
    weights : ndarray (p,)
        Score = sum of weight x indicator (standardised, or centred where it is not scaled); scores have variance 1 with divisor n.
    cross : ndarray (p, J)
        Correlations of indicators and scores.
    latent : ndarray (J, J)
        Correlations of scores.
    coefficients : ndarray (J, J)
        Path coefficients, row = dependent latent.
    iterations : int
    tied : ndarray of bool (J,)
        Latents of which as many indicators correlate negatively as positively.
    """

    weights: Floats
    cross: Floats
    latent: Floats
    coefficients: Floats
    iterations: int
    tied: Bools


def solve(covariance: Floats, layout: Layout, rules: Rules) -> Solution:
    """Estimate weights, scores' correlations and path coefficients (Wold 1982; Lohmoller 1989, chapter 2; Tenenhaus et al. 2005).

    From equal weights, in turn: scores y with variance 1; inner estimates z = sum of e y over the neighbours of a latent, with e by the
    scheme; weights cov(x, z) in mode A, and those of the regression of z on the block in mode B. It ends when the sum of
    (\\|old\\| - \\|new\\|)^2 over all weights is below the tolerance.

    Parameters
    ----------
    covariance : ndarray (p, p)
        Of the indicators, divisor n; a correlation matrix where indicators are standardised.

    Raises
    ------
    ModelError
        No convergence, a block without correlation to its neighbours, latents that are collinear.

    Examples
    --------
    With one indicator in each block the path coefficient is that of a regression: here the correlation.

    >>> one = Layout(("a", "b"), np.array([0, 1]), np.array([[False, False], [True, False]]), np.zeros(2, bool), np.array([-1, -1]))
    >>> solve(np.array([[1.0, 0.6], [0.6, 1.0]]), one, Rules()).coefficients.tolist()
    [[0.0, 0.0], [0.6, 0.0]]
    """
    members = layout.members
    weights, iterations = _iterate(covariance, layout, rules, members)
    spread = np.sqrt(np.diag(covariance))
    scaled, latent, products = _scores(covariance, weights, members, layout)
    cross = np.divide(products, spread[:, None], out=np.zeros_like(products), where=spread[:, None] > 0)
    signs, tied = _orientation(cross, layout)
    weights = (scaled * signs).sum(axis=1)
    cross, latent = cross * signs, latent * np.outer(signs, signs)
    return Solution(weights, cross, latent, path_coefficients(latent, layout), iterations, tied)


def _iterate(covariance: Floats, layout: Layout, rules: Rules, members: Floats) -> tuple[Floats, int]:
    weights = _start(covariance, layout)
    inverses = {j: _inverse(covariance, layout, j) for j in np.flatnonzero(layout.formative).tolist()}
    change = np.inf
    for step in range(1, rules.iterations + 1):
        _, latent, products = _scores(covariance, weights, members, layout)
        inner = inner_weights(latent, layout.arrows, rules.scheme)
        new = _covariances(products @ inner, np.abs(inner).sum(axis=0), np.sqrt(np.diag(covariance)), layout)
        for j, inverse in inverses.items():
            new[layout.owner == j] = inverse @ new[layout.owner == j]
        change = float(((np.abs(weights) - np.abs(new)) ** 2).sum())
        weights = new
        if change < rules.tolerance:
            return weights, step
    raise ModelError(
        f"iterations: the weights have not converged after {rules.iterations} (last change {change:.3g}, tolerance {rules.tolerance:.3g}); "
        "expected another scheme, more iterations, or blocks that go together"
    )


def _inverse(covariance: Floats, layout: Layout, j: int) -> Floats:
    """Inverse of the covariances of a block in mode B."""
    own = np.flatnonzero(layout.owner == j)
    block = covariance[np.ix_(own, own)]
    spread = np.sqrt(np.diag(block))
    if np.linalg.eigvalsh(block / np.outer(spread, spread))[0] < DEPENDENT:
        raise ModelError(f"latents.{layout.names[j]}: its indicators are collinear in mode B; expected fewer of them, or mode A")
    return np.asarray(np.linalg.inv(block))


def _covariances(wide: Floats, reach: Floats, spread: Floats, layout: Layout) -> Floats:
    """Covariance of each indicator with the inner estimate of its latent; 1 for an only indicator without any.

    ``wide``: with all inner estimates; ``reach``: sum of the absolute inner weights of each latent.
    """
    new = wide[np.arange(len(layout.owner)), layout.owner]
    largest = np.zeros(len(layout.names))
    np.maximum.at(largest, layout.owner, np.abs(new) / spread)
    lost = largest <= UNCORRELATED * reach
    if not lost.any():
        return np.asarray(new)
    alone = np.bincount(layout.owner, minlength=len(layout.names)) == 1
    if (lost & ~alone).any():
        said = "does not correlate with the latents beside it, so it has no weights; expected a block that does"
        raise ModelError([f"latents.{layout.names[j]}: {said}" for j in np.flatnonzero(lost & ~alone)])
    return np.where(lost[layout.owner], 1.0 / spread, new)


def _start(covariance: Floats, layout: Layout) -> Floats:
    """Equal weights; the first indicator alone where equal weights cancel out."""
    weights = np.ones(len(layout.owner))
    for j in range(len(layout.names)):
        own = np.flatnonzero(layout.owner == j)
        block = covariance[np.ix_(own, own)]
        if block.sum() <= VANISHED * np.trace(block) * len(own):
            weights[own[1:]] = 0.0
    return weights


def _scores(covariance: Floats, weights: Floats, members: Floats, layout: Layout) -> tuple[Floats, Floats, Floats]:
    """Weights (p, J) of scores with variance 1, correlations of the scores, and their covariances with the indicators."""
    wide = members * weights[:, None]
    products = covariance @ wide
    matrix = wide.T @ products
    variance = np.diag(matrix)
    largest = ((np.abs(weights) * np.sqrt(np.diag(covariance)))[:, None] * members).sum(axis=0) ** 2
    lost = np.flatnonzero(~(variance > VANISHED * largest))
    if lost.size:
        said = "its weighted indicators cancel out; expected indicators that are no exact combination of one another"
        raise ModelError([f"latents.{layout.names[j]}: {said}" for j in lost])
    size = np.sqrt(variance)
    return wide / size, matrix / np.outer(size, size), products / size


def inner_weights(latent: Floats, arrows: Bools, scheme: Scheme) -> Floats:
    """Weights e of the neighbours in the inner estimate of each latent (column).

    ``centroid``: sign of the correlation. ``factorial``: the correlation. ``path``: for those that act on the latent the coefficient of
    the regression on all of them, for those that it acts on the correlation.

    >>> inner_weights(np.array([[1.0, -0.5], [-0.5, 1.0]]), np.array([[False, False], [True, False]]), "centroid").tolist()
    [[0.0, -1.0], [-1.0, 0.0]]
    """
    beside = arrows | arrows.T
    if scheme == "centroid":
        return np.where(beside, np.sign(latent), 0.0)
    inner = np.where(beside, latent, 0.0)
    if scheme == "path":
        for j in np.flatnonzero(arrows.any(axis=1)):
            causes = arrows[j]
            inner[causes, j] = _regression(latent, np.flatnonzero(causes), int(j))
    return inner


def path_coefficients(latent: Floats, layout: Layout) -> Floats:
    """Coefficients of the regressions of each dependent latent on those that act on it, (J, J), row = dependent.

    Raises
    ------
    ModelError
        Latents that act on the same one are collinear.
    """
    out = np.zeros_like(latent)
    faults = []
    for j in np.flatnonzero(layout.arrows.any(axis=1)):
        causes = np.flatnonzero(layout.arrows[j])
        if len(causes) > 1 and np.linalg.eigvalsh(latent[np.ix_(causes, causes)])[0] < SINGULAR:
            named = ", ".join(layout.names[k] for k in causes)
            faults.append(f"paths.{layout.names[j]}: the scores of {named} are collinear; expected latents that differ")
            continue
        out[j, causes] = _regression(latent, causes, int(j))
    if faults:
        raise ModelError(faults)
    return out


def _regression(latent: Floats, causes: Ints, j: int) -> Floats:
    matrix, right = latent[np.ix_(causes, causes)], latent[causes, j]
    if len(right) == 1:
        return np.asarray(right)
    try:
        return np.asarray(np.linalg.solve(matrix, right))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0])


def _orientation(cross: Floats, layout: Layout) -> tuple[Floats, Bools]:
    """Sign of each latent: that of its anchor; else it is turned where no more of its indicators correlate positively than negatively."""
    columns = np.arange(len(layout.names))
    balance = (np.sign(cross) * layout.members).sum(axis=0)
    signs = np.where(balance <= 0, -1.0, 1.0)
    anchored = layout.anchors >= 0
    signs[anchored] = np.where(cross[layout.anchors[anchored], columns[anchored]] < 0, -1.0, 1.0)
    return signs, (balance == 0) & ~anchored
