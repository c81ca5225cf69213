"""Random fields over blocks: exact Gaussian realisations, layers together, given profiles or not.

The same seed gives the same bits: random numbers come in pieces of a fixed size, each from a generator of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve

from edaphic.account.simulation.lattice import Lattice, Support, point_correlation, support_of
from edaphic.errors import ModelError
from edaphic.validate.grouping import EARTH_RADIUS_M
from edaphic.validate.residuals import unit_vectors
from edaphic.validate.variogram import Variogram

Floats = NDArray[np.float64]

JITTER = 1e-9
"""Share of the largest variance that is added to the diagonal before a root is taken; ten times more at each further try."""
FLAT = 25.0
"""Variance of the unknown mean of the scores, in sills, where profiles are given: so large that they alone decide it (ordinary kriging)."""
LEAST_FIELD = 0.02
"""Least share of the variance that is taken as correlated where profiles are given: what a variogram of a few hundred cannot exclude.
Without it, the error of what the profiles say of the mean of the map would be none."""
LONG_M = 100_000.0
"""Range of that share, where the variogram has no longest lag."""
MOST_PLACES = 4000
"""More profiles are averaged on squares until so many are left."""
TOGETHER = 100
"""Realisations that are drawn at a time; part of what a seed means."""
BLOCKS_TOGETHER = 512
"""Blocks whose parts are drawn at a time; likewise."""


@dataclass(frozen=True)
class Sites:
    """Profiles that a field is given: ``xyz`` (n, 3) metres; ``rows`` (n,) profiles at each; ``score`` (n,), their mean departure."""

    xyz: Floats
    rows: Floats
    score: Floats
    notes: tuple[str, ...] = ()


def sites(lon: ArrayLike, lat: ArrayLike, score: ArrayLike, *, most: int = MOST_PLACES) -> Sites:
    """Places of profiles of one layer, those at one place averaged; too many are averaged on squares of a fine lattice of angles.

    ``score`` (n,) are the ``departure`` of :func:`~edaphic.account.simulation.scores.scores_of`, or scores.

    >>> sites([1.0, 1.0, 2.0], [0.0, 0.0, 0.0], [1.0, 3.0, 5.0]).score.tolist()
    [2.0, 5.0]
    """
    where = np.column_stack([np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)])
    values = np.asarray(score, dtype=np.float64)
    if len(values) == 0 or not (np.isfinite(where).all() and np.isfinite(values).all()):
        raise ModelError(f"scores at profiles: {len(values)} with some not finite; expected places and scores of one profile at least")
    key, notes, width = where, [], 0.0
    while len(np.unique(key, axis=0)) > most:
        width = 0.001 if width == 0 else 1.25 * width
        key = np.floor(where / width)
    if width:
        notes.append(f"totals: {len(values)} profiles averaged on squares of {width:.3g} degrees before fields were given them")
    of = np.unique(key, axis=0, return_inverse=True)[1].ravel()
    rows = np.bincount(of).astype(np.float64)
    middle = np.column_stack([np.bincount(of, weights=column) / rows for column in where.T])
    return Sites(EARTH_RADIUS_M * unit_vectors(middle[:, 0], middle[:, 1]), rows, np.bincount(of, weights=values) / rows, tuple(notes))


@dataclass
class Fields:
    """Fields of a lattice, in units of their own standard deviation at a point.

    ``root`` by layer (blocks, blocks), lower triangular: covariance of the blocks given the profiles; ``mean`` (layers, blocks), what
    profiles say they are; ``layer_root`` (L, L). ``inner``: for each block the root of what its parts differ by, given the block.
    """

    lattice: Lattice
    variogram: Variogram
    support: Support
    layer_root: Floats
    root: list[Floats]
    mean: Floats
    inner: Floats
    to_block: Floats
    given: list[Sites] | None = None
    notes: list[str] = field(default_factory=list)


def make_fields(
    lattice: Lattice, variogram: Variogram, correlation: Floats, given: list[Sites] | None = None
) -> Fields:
    """Covariances and their roots.

    Parameters
    ----------
    lattice : Lattice
    variogram : Variogram
        Of scores, with a sill of one (:class:`~edaphic.account.simulation.scores.ScoreModel`).
    correlation : float64 (L, L)
        Between layers, at every distance alike.
    given : list of Sites, optional
        Profiles of each layer. A profile tells of the field with the error of nugget and measurement.

    Returns
    -------
    Fields

    Notes
    -----
    Given profiles, the covariance is that of ordinary kriging: ``C_bb - C_bd (C_dd + N)^-1 C_db`` with a mean of unknown value. This is the
    covariance of an unconditional draw plus the kriged residual (Goovaerts 1997, section 8.3), without the detour.
    """
    layers = len(correlation)
    notes: list[str] = []
    if given is not None:
        variogram = _with_field(variogram, notes)
    support = support_of(lattice, variogram)
    mean = np.zeros((layers, lattice.blocks))
    root: list[Floats] = []
    known: list[tuple[Sites, Floats]] = []
    for i in range(layers):
        if given is None:
            covariance, before = support.between, root[0] if root else None
        else:
            before = next((r for (s, _), r in zip(known, root, strict=True) if _same(s, given[i])), None)
            covariance, mean[i] = _given(lattice, variogram, support, given[i], only_mean=before is not None)
            known.append((given[i], mean[i]))
            notes += given[i].notes
        root.append(cholesky(covariance, notes) if before is None else before)
    inner, to_block = _inner(lattice, support)
    return Fields(lattice, variogram, support, symmetric_root(correlation), root, mean, inner, to_block, given, list(dict.fromkeys(notes)))


def _with_field(v: Variogram, notes: list[str]) -> Variogram:
    """With at least a little correlation."""
    if v.partial_sill >= LEAST_FIELD:
        return v
    more = min(LEAST_FIELD - v.partial_sill, v.nugget + v.measurement_variance)
    own = min(more, v.nugget)
    long = v.range_m if v.partial_sill > 0 else v.largest_lag_m or LONG_M
    taken = f"{LEAST_FIELD:.0%} of their variance is taken as correlated over {long / 1e3:.3g} km"
    notes.append(f"totals: hardly any correlation of errors was found; {taken}")
    model = v.model if v.partial_sill > 0 else "exponential"
    return replace(
        v, model=model, range_m=long, partial_sill=v.partial_sill + more, nugget=v.nugget - own,
        measurement_variance=v.measurement_variance - (more - own),
    )  # fmt: skip


def _same(a: Sites, b: Sites) -> bool:
    return a.xyz.shape == b.xyz.shape and bool((a.xyz == b.xyz).all() and (a.rows == b.rows).all())


def _given(
    lattice: Lattice, variogram: Variogram, support: Support, at: Sites, *, only_mean: bool
) -> tuple[Floats, Floats]:
    """Covariance of the blocks given profiles, and their kriged mean, in standard deviations of the field."""
    field_share = variogram.partial_sill
    noise = (variogram.nugget + variogram.measurement_variance) / field_share / at.rows
    data = point_correlation(at.xyz, at.xyz, variogram) + FLAT
    data[np.diag_indices(len(data))] += noise + 1e-6
    to_parts = point_correlation(lattice.xyz, at.xyz, variogram)
    to_blocks = np.add.reduceat(to_parts * lattice.share[:, None], support.start[:-1], axis=0) + FLAT
    factor = cho_factor(data, lower=True)
    mean = to_blocks @ cho_solve(factor, at.score / np.sqrt(field_share))
    if only_mean:
        return support.between, mean
    return support.between + FLAT - to_blocks @ cho_solve(factor, to_blocks.T), mean


def cholesky(covariance: Floats, notes: list[str]) -> Floats:
    """Lower root of a covariance, a jitter on its diagonal where it is not positive definite."""
    scale = max(float(np.diag(covariance).max()), 1e-300)
    jitter = JITTER
    while True:
        try:
            found = np.linalg.cholesky((covariance + covariance.T) / 2 + jitter * scale * np.eye(len(covariance)))
        except np.linalg.LinAlgError:
            jitter *= 10.0
            continue
        if jitter > 1e-6:
            notes.append(f"totals: {jitter:.0e} of the variance added to that of the blocks, so that it has a root")
        return np.asarray(found)


def symmetric_root(matrix: Floats) -> Floats:
    """R with R R' = matrix, for a matrix that may be singular.

    >>> root = symmetric_root(np.ones((2, 2)))
    >>> (root @ root.T).round(12).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    value, vector = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vector * np.sqrt(np.maximum(value, 0.0))) @ vector.T)


def _inner(lattice: Lattice, support: Support) -> tuple[Floats, Floats]:
    """What parts differ by, given their block, and how a part follows its block."""
    s2 = np.maximum(np.diag(support.between), 1e-12)
    follow = support.to_block / s2[lattice.block_of]
    roots = np.zeros((lattice.blocks, support.inside.shape[1], support.inside.shape[1]))
    for b in range(lattice.blocks):
        some = slice(support.start[b], support.start[b + 1])
        n = support.start[b + 1] - support.start[b]
        left = support.inside[some, :n] - np.outer(support.to_block[some], support.to_block[some]) / s2[b]
        if n > 1:
            roots[b, :n, :n] = symmetric_root(left)
    return roots, follow


def pieces(realisations: int) -> Iterator[tuple[int, slice]]:
    """Numbers of the pieces in which realisations are drawn, and which they are."""
    for number, start in enumerate(range(0, realisations, TOGETHER)):
        yield number, slice(start, min(start + TOGETHER, realisations))


def told_by_profiles(number: int, count: int, seed: int) -> Floats:
    """A standard normal share of what profiles tell for each realisation, (count,).

    What the map is not corrected by is an error of the map: with the share, realisations have the covariance ``C + m m'`` about the map.
    """
    return np.random.default_rng([seed, 46, number]).standard_normal(TOGETHER)[:count]


def draw_blocks(fields: Fields, number: int, count: int, seed: int) -> Floats:
    """Departures of the blocks from what is expected of them, (layers, blocks, count); layers go together."""
    rng = np.random.default_rng([seed, 41, number])
    white = rng.standard_normal((len(fields.root), fields.lattice.blocks, TOGETHER))[:, :, :count]
    mixed = np.tensordot(fields.layer_root, white, axes=1)
    return np.stack([root @ mixed[i] for i, root in enumerate(fields.root)])


def draw_parts(fields: Fields, blocks: Floats, number: int, seed: int) -> Floats:
    """Fields of the parts, (layers, parts, realisations), of blocks that were drawn."""
    out = np.asarray(fields.to_block[None, :, None] * blocks[:, fields.lattice.block_of])
    if fields.lattice.parts == 1:
        return out
    most, start, count = fields.inner.shape[1], fields.support.start, blocks.shape[2]
    for chunk, first in enumerate(range(0, fields.lattice.blocks, BLOCKS_TOGETHER)):
        last = min(first + BLOCKS_TOGETHER, fields.lattice.blocks)
        rng = np.random.default_rng([seed, 42, number, chunk])
        white = rng.standard_normal((len(blocks), last - first, most, TOGETHER))[:, :, :, :count]
        inner = fields.inner[first:last] @ np.tensordot(fields.layer_root, white, axes=1)
        held = np.arange(most)[None, :] < np.diff(start)[first:last, None]
        out[:, start[first] : start[last]] += inner[:, held]
    return out
