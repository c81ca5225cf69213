"""Folds whose distances match those of the map: k-fold nearest neighbour distance matching (kNNDM).

The map is made at places that lie at some distance from the nearest sample. A fair test holds samples back at the same distances
from the rest. Three distributions of nearest-neighbour distances are compared:

- Gij, from cells of the map to samples;
- Gj, from each sample to the nearest other;
- Gj*, from each sample to the nearest of another fold.

Samples are clustered, clusters are merged into folds, and the folds are kept whose Gj* is nearest to Gij, by the area between
the two cumulative distributions (the Wasserstein distance of order one, W). Where samples are dispersed as the map is, folds at
random do.

References
----------
Linnenbrink, J., Milà, C., Ludwig, M., Meyer, H. (2024). kNNDM CV: k-fold nearest-neighbour distance matching cross-validation
for map accuracy estimation. Geosci. Model Dev. 17, 5897-5912.
Milà, C., Mateu, J., Pebesma, E., Meyer, H. (2022). Nearest neighbour distance matching leave-one-out cross-validation for map
validation. Methods Ecol. Evol. 13, 1304-1316.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import ks_2samp

from edaphic.errors import ModelError
from edaphic.validate.grouping import EARTH_RADIUS_M, Floats, Folds, Ints, enough, on_sphere, place_points, spread_over_folds
from edaphic.validate.nearest import OtherFolds, cut, distances_to, k_means, leave_one_out_distances, ward_merges, wasserstein

Clustering = Literal["hierarchical", "kmeans"]
_CANDIDATES = 100
_MERGES = 3
_DISPERSED_P = 0.05
_EXACT_PAIRS = 10_000
_FAR_SHORT = 0.25
_QUANTILES = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, eq=False)
class Matched:
    """Folds matched to the map, and the distances that tell how well.

    Attributes
    ----------
    fold : int64 (n,)
    clusters : int or "random"
        Clusters that were merged into the folds.
    w : float
        Wasserstein distance of Gj* and Gij, in the unit of the coordinates.
    w_random : float
        The same for folds at random.
    gj, gj_star, gj_random : float64 (n,)
        Distances of each sample: leave-one-out, to other folds, to other folds at random.
    gij : float64 (m,)
        Distances of the prediction points.
    dispersed_p : float
        Chance of such samples if they were dispersed as the prediction points are (one-sided Kolmogorov-Smirnov test).
    """

    fold: Ints
    clusters: int | Literal["random"]
    w: float
    w_random: float
    gj: Floats
    gj_star: Floats
    gj_random: Floats
    gij: Floats
    dispersed_p: float


def match_folds(
    points: ArrayLike,
    prediction: ArrayLike,
    k: int,
    *,
    seed: int,
    clustering: Clustering = "hierarchical",
    maxp: float = 0.5,
    radius: float | None = None,
    workers: int = 1,
) -> Matched:
    """kNNDM of samples in Cartesian space.

    Parameters
    ----------
    points : array_like (n, d)
        Samples: metres in a plane, points on a sphere, or scaled features.
    prediction : array_like (m, d)
        Points of the map in the same space.
    k : int
        Folds.
    seed : int
        Of random folds, of k-means, and of one way to merge clusters.
    clustering : {"hierarchical", "kmeans"}
        Ward's tree, or k-means.
    maxp : float
        Largest share of the samples in one fold, from 1/k.
    radius : float, optional
        Of the sphere on which the points lie: distances are then measured along it.
    workers : int
        Threads; they do not change the result.

    Returns
    -------
    Matched

    Raises
    ------
    ModelError
        Values that are not finite, no prediction points, fewer samples than folds, all samples at one place, ``maxp`` too small.

    Notes
    -----
    Up to 100 numbers of clusters are tried, evenly spaced by their logarithm from k to n. Clusters become folds in three ways: in turn
    along the first principal component of their centres, as in the paper, and by even size from two random orders. Folds at random are
    tried too, so W is never above theirs.
    """
    points, prediction = _checked(points, prediction, k, clustering, maxp)
    other = OtherFolds(points, workers)
    arc = _along(radius)
    gj, gij = arc(leave_one_out_distances(points)), np.sort(arc(distances_to(prediction, points, workers)))
    random = spread_over_folds(np.ones(len(points), dtype=np.int64), k, seed)
    gj_random = arc(other.distances(random))
    w_random = wasserstein(gj_random, gij)
    p = _dispersed_p(gj, gij)
    best = Matched(random, "random", w_random, w_random, gj, gj_random, gj_random, gij, p)
    if p >= _DISPERSED_P:
        return best
    most = max(int(maxp * len(points)), -(-len(points) // k))
    for clusters, fold in _candidates(points, k, seed, clustering):
        if np.bincount(fold).max() > most:
            continue
        gj_star = arc(other.distances(fold))
        w = wasserstein(gj_star, gij)
        if w < best.w:
            best = Matched(fold, clusters, w, w_random, gj, gj_star, gj_random, gij, p)
    return best


def _checked(points: ArrayLike, prediction: ArrayLike, k: int, clustering: str, maxp: float) -> tuple[Floats, Floats]:
    samples, cells = np.asarray(points, dtype=float), np.asarray(prediction, dtype=float)
    faults = []
    if k < 2:
        raise ModelError(f"kNNDM: {k} folds; expected at least two")
    if samples.ndim != 2 or cells.ndim != 2 or samples.shape[1] != cells.shape[1]:
        raise ModelError(f"kNNDM: samples of shape {samples.shape}, prediction points {cells.shape}; expected rows of as many coordinates")
    if clustering not in ("hierarchical", "kmeans"):
        faults.append(f"kNNDM: clustering '{clustering}'; expected hierarchical or kmeans")
    if not 1 / k - 1e-12 <= maxp < 1:
        faults.append(f"kNNDM: at most {maxp:g} of the samples in one of {k} folds; expected a share from {1 / k:.3g} to below 1")
    if len(cells) == 0:
        faults.append("kNNDM: no prediction points; expected a sample of the cells of the map")
    for what, values in (("samples", samples), ("prediction points", cells)):
        if not np.isfinite(values).all():
            faults.append(f"kNNDM: {what} with coordinates that are not finite; expected numbers")
    if faults:
        raise ModelError(faults)
    enough(len(samples), k, "places")
    if (samples == samples[0]).all():
        raise ModelError(f"kNNDM: all {len(samples)} samples at one place; expected places at a distance from one another")
    return samples, cells


class _along:
    """Chords of a sphere turned into lengths along it; other distances as they are."""

    def __init__(self, radius: float | None) -> None:
        self.radius = radius

    def __call__(self, chord: Floats) -> Floats:
        if self.radius is None:
            return chord
        return np.asarray(2.0 * self.radius * np.arcsin(np.minimum(chord / (2.0 * self.radius), 1.0)))


def _dispersed_p(gj: Floats, gij: Floats) -> float:
    """Chance that Gj is so far to the left of Gij if both came from one distribution."""
    method = "exact" if len(gj) * len(gij) < _EXACT_PAIRS else "asymp"
    return float(ks_2samp(gj, gij, alternative="greater", method=method).pvalue)


def _candidates(points: Floats, k: int, seed: int, clustering: Clustering) -> Iterator[tuple[int, Ints]]:
    """Number of clusters and fold of each point."""
    distinct = len(np.unique(points, axis=0))
    top = max(min(len(points) - 2, distinct), k)
    counts = np.unique(np.round(np.exp(np.linspace(np.log(k), np.log(top), _CANDIDATES))).astype(int)).tolist()
    if clustering == "hierarchical":
        labels = cut(ward_merges(points)[0], counts)
    else:
        labels = ((count, k_means(points, count, seed)) for count in counts if count <= distinct)
    along = _first_component(points)
    for count, label in labels:
        if count == k:
            yield count, label
            continue
        size = np.bincount(label)
        centre = np.bincount(label, weights=along) / size
        rank = np.empty(count, dtype=np.int64)
        rank[np.argsort(centre, kind="stable")] = np.arange(count)
        yield count, (rank % k)[label]
        for repeat in range(_MERGES - 1):
            yield count, spread_over_folds(size, k, seed + repeat)[label]


def _first_component(points: Floats) -> Floats:
    """Coordinate of each point along the first principal component; its sign is fixed by its largest weight."""
    centred = points - points.mean(axis=0)
    # Sums by einsum, not by a matrix product, whose last bits depend on the number of threads.
    axis = np.linalg.eigh(np.einsum("ij,ik->jk", centred, centred))[1][:, -1]
    axis = axis * np.sign(axis[np.argmax(np.abs(axis))])
    return np.asarray(np.einsum("ij,j->i", centred, axis))


@dataclass(frozen=True, eq=False)
class KnndmFacts:
    """How well folds match the map; lengths in metres along the sphere.

    Attributes
    ----------
    clusters : int or "random"
        Clusters that were merged into the folds, or that folds are at random.
    places, prediction_points : int
    dispersed_p : float
        Chance of such places if they were dispersed as the prediction points are; from 0.05 folds are at random.
    w_m, w_profile_m, w_random_m : float
        Wasserstein distance to the map of these folds, of folds by profile, and of folds of rows at random.
    curves : DataFrame
        ``p`` from 0 to 1 in hundredths, and the quantiles ``gij_m`` (map), ``gj_m`` (leave-one-out), ``gj_star_m`` (these folds),
        ``gj_profile_m`` (folds by profile), ``gj_random_m`` (rows at random).
    """

    clusters: int | Literal["random"]
    places: int
    prediction_points: int
    dispersed_p: float
    w_m: float
    w_profile_m: float
    w_random_m: float
    curves: pd.DataFrame


@dataclass(frozen=True, eq=False)
class KnndmFolds(Folds):
    """kNNDM folds of places: held back at the distances at which cells of the map lie from the places.

    Answers: how good is the map, on average over its cells, where samples were not drawn by probability? Each place is one
    point; its rows are held back together.

    Parameters
    ----------
    n_splits, seed : int
    prediction : float (m, 2)
        Longitude and latitude of cells of the map, drawn at random or all of them, degrees.
    clustering : {"hierarchical", "kmeans"}
    maxp : float
        Largest share of the places in one fold.
    workers : int
        Threads; they do not change the folds.
    """

    prediction: NDArray[np.float64]
    clustering: Clustering = "hierarchical"
    maxp: float = 0.5
    workers: int = 1
    _known: dict[bytes, Matched] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = np.shape(self.prediction)
        if len(shape) != 2 or shape[1] != 2:
            raise ModelError(f"kNNDM: prediction points of shape {shape}; expected one row of lon and lat for each cell")

    def fold_of(self, X: pd.DataFrame, groups: Ints) -> Ints:
        """Fold of each row, shape (n,)."""
        points, code = place_points(X, groups)
        return self._match(points).fold[code]

    def facts(self, X: pd.DataFrame, groups: Ints) -> KnndmFacts:
        """How well the folds match the map, beside folds by profile and rows at random."""
        points, code = place_points(X, groups)
        match = self._match(points)
        profile = self._distances(points, code, spread_over_folds(np.bincount(code), self.n_splits, self.seed)[code])
        rows = self._distances(points, code, spread_over_folds(np.ones(len(code), dtype=np.int64), self.n_splits, self.seed))
        told = {"gij_m": match.gij, "gj_m": match.gj, "gj_star_m": match.gj_star, "gj_profile_m": profile, "gj_random_m": rows}
        curves = pd.DataFrame({"p": _QUANTILES} | {name: np.quantile(values, _QUANTILES) for name, values in told.items()})
        w_profile, w_rows = wasserstein(profile, match.gij), wasserstein(rows, match.gij)
        return KnndmFacts(match.clusters, len(points), len(match.gij), match.dispersed_p, match.w, w_profile, w_rows, curves)

    def w_of(self, X: pd.DataFrame, groups: Ints, fold: ArrayLike) -> float:
        """Wasserstein distance to the map, metres, of any folds of the same rows."""
        points, code = place_points(X, groups)
        return wasserstein(self._distances(points, code, np.asarray(fold, dtype=np.int64)), self._match(points).gij)

    def notes(self, X: pd.DataFrame, groups: Ints) -> list[str]:
        """Whether folds are at random, and whether they fall short of the map's distances."""
        match = self._match(place_points(X, groups)[0])
        out = []
        if match.clusters == "random":
            dispersed = match.dispersed_p >= _DISPERSED_P
            why = "places are as far from one another as cells of the map are from them" if dispersed else "no clusters match better"
            out.append(f"kNNDM: {why}; folds of places are at random")
        if match.w > _FAR_SHORT * float(match.gij.mean()):
            # W is an area, so it goes with means; where means and medians point apart, neither side can be told.
            middle, far = (
                (float(np.mean(distances)), float(np.median(distances))) for distances in (match.gj_star, match.gij)
            )
            nearer = [mine < theirs for mine, theirs in zip(middle, far, strict=True)]
            told = f"mean {middle[0] / 1000:.3g} km against {far[0] / 1000:.3g} km, median {middle[1] / 1000:.3g} km against "
            told += f"{far[1] / 1000:.3g} km, W {match.w / 1000:.3g} km"
            if nearer[0] != nearer[1]:
                out.append(f"kNNDM: distances of held-back places do not match those of cells of the map ({told})")
            else:
                side, likely = ("nearer to", "larger") if nearer[0] else ("farther from", "smaller")
                out.append(
                    f"kNNDM: held-back places are {side} training places than cells of the map are ({told}): the error of the map is "
                    f"likely {likely}"
                )
        return out

    def _match(self, points: Floats) -> Matched:
        key = hashlib.sha256(points.tobytes()).digest()
        if key not in self._known:
            lon, lat = np.asarray(self.prediction, dtype=float).T
            cells = on_sphere(lon, lat, "prediction points")
            self._known[key] = match_folds(
                points,
                cells,
                self.n_splits,
                seed=self.seed,
                clustering=self.clustering,
                maxp=self.maxp,
                radius=EARTH_RADIUS_M,
                workers=self.workers,
            )
        return self._known[key]

    def _distances(self, points: Floats, code: Ints, fold: Ints) -> Floats:
        """Distance of each part of a place that is in one fold to the nearest part of another place or of itself in another fold."""
        parts = np.unique(np.column_stack([code, fold]), axis=0)
        chord = OtherFolds(points[parts[:, 0]], self.workers).distances(parts[:, 1])
        return _along(EARTH_RADIUS_M)(chord)
