"""The accuracy of a map from validation sites drawn by probability: estimates that follow from the draw alone.

Where sites were drawn by a known random design, mean error and its kin are estimated without a model of the soil, whatever made
the map. Each design below gives the mean over the area of any variable known at the sites, with its variance; the quality
of a map is the mean of errors, absolute errors and squared errors, and what follows from them.

References
----------
de Gruijter, J., Brus, D., Bierkens, M., Knotters, M. (2006). Sampling for natural resource monitoring. Springer.
Brus, D. J., Kempen, B., Heuvelink, G. B. M. (2011). Sampling for validation of digital soil maps. Eur. J. Soil Sci. 62, 394-407.
Särndal, C.-E., Swensson, B., Wretman, J. (1992). Model assisted survey sampling. Springer.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from edaphic.errors import ModelError

Floats = NDArray[np.float64]


class SamplingDesign(Protocol):
    """How validation sites were drawn."""

    @property
    def sites(self) -> int:
        """Number of sites."""
        ...

    def mean(self, values: Floats) -> tuple[float, float]:
        """Mean over the area of a variable known at the sites, and the variance of that estimate."""
        ...

    def degrees_of_freedom(self) -> int:
        """Of the variance."""
        ...


@dataclass(frozen=True)
class SimpleRandom:
    """Sites drawn at random, each with the same chance, independently.

    Parameters
    ----------
    sites : int
    fraction : float
        Share of a finite population that was drawn (0 for points of an area).

    Examples
    --------
    >>> SimpleRandom(4).mean(np.array([1.0, 2.0, 3.0, 6.0]))  # variance 14 / 3 / 4
    (3.0, 1.1666666666666667)
    """

    sites: int
    fraction: float = 0.0

    def __post_init__(self) -> None:
        if self.sites < 2:
            raise ModelError(f"validation sites: {self.sites}; expected at least two")
        if not 0 <= self.fraction < 1:
            raise ModelError(f"validation sites: sampled fraction {self.fraction:g}; expected 0 to below 1")

    def mean(self, values: Floats) -> tuple[float, float]:
        """Mean, and variance s^2 / n times one less the sampled fraction."""
        return float(np.mean(values)), float(np.var(values, ddof=1) / len(values) * (1.0 - self.fraction))

    def degrees_of_freedom(self) -> int:
        """n - 1."""
        return self.sites - 1


class StratifiedRandom:
    """Sites drawn at random within each stratum; the areas of the strata are known.

    Parameters
    ----------
    stratum : array_like (n,)
        Stratum of each site.
    area : mapping
        Area, or number of cells, of each stratum of the map.

    Raises
    ------
    ModelError
        A stratum without a known area, without a site, or with a single site.

    Examples
    --------
    >>> design = StratifiedRandom(["a", "a", "b", "b"], {"a": 3.0, "b": 1.0})
    >>> design.mean(np.array([1.0, 3.0, 10.0, 14.0]))  # 0.75 * 2 + 0.25 * 12; 0.75^2 * 1 + 0.25^2 * 4
    (4.5, 0.8125)
    """

    def __init__(self, stratum: ArrayLike, area: Mapping[object, float]) -> None:
        found = _labels(stratum, "stratum")
        count = found.value_counts()
        told = list(area)
        faults = [f"stratum {name}: sites but no area; expected the area of each stratum" for name in count.index if name not in area]
        for name in told:
            if not _is_size(area[name]):
                faults.append(f"stratum {name}: area {area[name]}; expected a number above zero")
            if count.get(name, 0) < 2:
                faults.append(
                    f"stratum {name}: {count.get(name, 0)} validation sites; expected at least two, or strata merged before the draw"
                )
        if faults or not told:
            raise ModelError(faults or "validation sites: no strata; expected the area of each")
        self._code = found.map({name: k for k, name in enumerate(told)}).to_numpy(dtype=np.int64)
        areas = np.array([area[name] for name in told], dtype=float)
        self._share = areas / areas.sum()
        self._count = np.bincount(self._code)

    @property
    def sites(self) -> int:
        """Number of sites."""
        return len(self._code)

    def mean(self, values: Floats) -> tuple[float, float]:
        """Mean of the strata's means by area, and the sum of their variances by squared share of the area."""
        means = np.bincount(self._code, weights=values) / self._count
        squares = np.bincount(self._code, weights=(values - means[self._code]) ** 2) / (self._count - 1)
        return float((self._share * means).sum()), float((self._share**2 * squares / self._count).sum())

    def degrees_of_freedom(self) -> int:
        """Sites less strata."""
        return len(self._code) - len(self._count)


class ClusterRandom:
    """Clusters of sites drawn at random (transects, villages, tiles), sites drawn at random within them or all of them.

    Parameters
    ----------
    cluster : array_like (n,)
        Cluster of each site.
    size : mapping, optional
        Area or number of units of each drawn cluster, all clusters having had the same chance: the mean is the ratio of
        estimated totals. Without it clusters are of one size, or were drawn with chances in proportion to size: the plain mean
        of clusters' means.

    Notes
    -----
    The variance is that between clusters, which holds the variance within them as long as few of the clusters were drawn.

    Examples
    --------
    >>> ClusterRandom([1, 1, 2, 2, 3]).mean(np.array([1.0, 3.0, 4.0, 6.0, 8.0]))  # means 2, 5, 8: variance 9 / 3
    (5.0, 3.0)
    """

    def __init__(self, cluster: ArrayLike, size: Mapping[object, float] | None = None) -> None:
        code, names = pd.factorize(_labels(cluster, "cluster"))
        if len(names) < 2:
            raise ModelError(f"validation sites: {len(names)} cluster; expected at least two to know how much they differ")
        bad = [name for name in names if size is not None and not _is_size(size.get(name, 0))]
        if bad:
            raise ModelError([f"cluster {name}: no size above zero; expected that of each cluster" for name in bad])
        self._code, self._count = np.asarray(code, dtype=np.int64), np.bincount(code)
        sizes = np.ones(len(names)) if size is None else np.array([size[name] for name in names], dtype=float)
        self._share = sizes / sizes.mean()

    @property
    def sites(self) -> int:
        """Number of sites."""
        return len(self._code)

    def mean(self, values: Floats) -> tuple[float, float]:
        """Ratio mean over clusters, and its linearised variance between them."""
        means = np.bincount(self._code, weights=values) / self._count
        mean = float((self._share * means).mean())
        return mean, float(np.var(self._share * (means - mean), ddof=1) / len(means))

    def degrees_of_freedom(self) -> int:
        """Clusters - 1."""
        return len(self._count) - 1


class UnequalProbability:
    """Sites drawn with unequal but known chances.

    Parameters
    ----------
    probability : array_like (n,)
        Inclusion probability of each site, or density of sites, up to a constant.
    population : float, optional
        Number of units of the population, where probabilities are true ones: the Horvitz-Thompson estimate. Without it the
        Hájek estimate, the ratio of two estimated totals.

    Notes
    -----
    Variances are those of draws with replacement (Hansen and Hurwitz), slightly too large where much of the population is drawn.
    """

    def __init__(self, probability: ArrayLike, population: float | None = None) -> None:
        chance = np.asarray(probability, dtype=float)
        if len(chance) < 2:
            raise ModelError(f"validation sites: {len(chance)}; expected at least two")
        bad = int((~(np.isfinite(chance) & (chance > 0))).sum())
        if bad:
            raise ModelError(f"validation sites: {bad} of {len(chance)} without an inclusion probability above zero")
        if population is not None and (not population > 0 or chance.max() > 1):
            raise ModelError(
                f"validation sites: population {population:g} and probabilities up to {chance.max():g}; expected above 0 and at most 1"
            )
        self._weight, self._population = 1.0 / chance, population

    @property
    def sites(self) -> int:
        """Number of sites."""
        return len(self._weight)

    def mean(self, values: Floats) -> tuple[float, float]:
        """Weighted mean and its variance."""
        n, w = len(values), self._weight
        if self._population is not None:
            parts = n * w * values / self._population
            return float(parts.mean()), float(np.var(parts, ddof=1) / n)
        mean = float((w * values).sum() / w.sum())
        parts = w * (values - mean) / w.sum()
        return mean, float(n / (n - 1) * (parts**2).sum())

    def degrees_of_freedom(self) -> int:
        """n - 1."""
        return len(self._weight) - 1


def _labels(values: ArrayLike, what: str) -> pd.Series:
    """Strata or clusters of the sites, none missing."""
    found = pd.Series(np.asarray(values).tolist(), dtype=object)
    if lost := int(found.isna().sum()):
        raise ModelError(f"validation sites: {lost} of {len(found)} without a {what}; expected that of each site")
    return found


def _is_size(value: object) -> bool:
    """Whether this is a number above zero, and finite."""
    return isinstance(value, numbers.Real) and math.isfinite(value) and float(value) > 0


def _quantile(level: float, design: SamplingDesign) -> float:
    """Student's, two-sided."""
    if not 0 < level < 1:
        raise ModelError(f"validation sites: confidence level {level:g}; expected one between 0 and 1, such as 0.95")
    return float(student.ppf(0.5 + level / 2, design.degrees_of_freedom()))


def map_quality(observed: ArrayLike, predicted: ArrayLike, design: SamplingDesign, level: float = 0.95) -> pd.DataFrame:
    """Accuracy of a map over its area, estimated by the design of the draw.

    Parameters
    ----------
    observed, predicted : array_like (n,)
        At the validation sites.
    design : SamplingDesign
    level : float
        Of the confidence intervals.

    Returns
    -------
    DataFrame
        Rows ``me``, ``mae``, ``mse``, ``rmse``, ``mec`` (index ``statistic``); columns ``estimate``, ``se``, ``low``, ``high``.
        Errors are predicted minus observed.

    Raises
    ------
    ModelError
        Values that are missing or not finite, lengths that differ.

    Notes
    -----
    Intervals are Student's on the statistic for ME and MAE, and on the logarithm of MSE and of 1 - MEC, which are positive and
    skewed. MEC is 1 - MSE / variance over the area, a ratio of estimates, its error by linearisation; the variance over the area
    is the mean square less the squared mean plus the variance of that mean (de Gruijter et al. 2006). MEC is NaN where the
    target is constant.

    Examples
    --------
    >>> table = map_quality([1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 3.0, 5.0], SimpleRandom(4))
    >>> table.loc[["me", "mae", "mse", "mec"], "estimate"].round(3).tolist()
    [0.5, 0.5, 0.5, 0.7]
    """
    z, error = _checked(observed, predicted, design)
    t = _quantile(level, design)
    rows = {}
    for name, values in (("me", error), ("mae", np.abs(error))):
        mean, variance = design.mean(values)
        se = math.sqrt(variance)
        rows[name] = (mean, se, mean - t * se if name == "me" else max(mean - t * se, 0.0), mean + t * se)
    mse, variance = design.mean(error * error)
    se = math.sqrt(variance)
    low, high = _on_logarithm(mse, se, t)
    rows["mse"] = (mse, se, low, high)
    root = math.sqrt(max(mse, 0.0))
    rows["rmse"] = (root, se / (2 * root) if root > 0 else 0.0, math.sqrt(low), math.sqrt(high))
    rows["mec"] = _mec(z, error, design, t)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "se", "low", "high"]).rename_axis("statistic")


def _mec(z: Floats, error: Floats, design: SamplingDesign, t: float) -> tuple[float, float, float, float]:
    mean, variance_of_mean = design.mean(z)
    deviation2 = (z - mean) ** 2
    spread = design.mean(deviation2)[0] + variance_of_mean
    if not spread > 0:
        return math.nan, math.nan, math.nan, math.nan
    ratio = design.mean(error * error)[0] / spread
    se = math.sqrt(design.mean((error * error - ratio * deviation2) / spread)[1])
    low, high = _on_logarithm(ratio, se, t)
    return 1.0 - ratio, se, 1.0 - high, 1.0 - low


def _on_logarithm(value: float, se: float, t: float) -> tuple[float, float]:
    """Limits of something positive, by the error of its logarithm."""
    if not value > 0:
        return 0.0, 0.0
    factor = math.exp(min(t * se / value, 700.0))
    return value / factor, value * factor


def mean_over_area(values: ArrayLike, design: SamplingDesign, level: float = 0.95) -> tuple[float, float, float, float]:
    """Mean of a variable over the area, from the sites alone: estimate, standard error, and limits of the confidence interval."""
    return _student(*design.mean(_finite(values, design)), design, level)


def difference_estimate(
    map_mean: float, observed: ArrayLike, predicted: ArrayLike, design: SamplingDesign, level: float = 0.95
) -> tuple[float, float, float, float]:
    """Mean over the area, from the map and corrected by its errors at the sites (Särndal et al. 1992).

    The mean of the map over all cells plus the design's mean of observed minus predicted: free of bias by the draw, whatever
    the map, and the surer the better the map. The total is the mean times the area.

    Parameters
    ----------
    map_mean : float
        Mean of the map over the area that the sites were drawn from.
    observed, predicted : array_like (n,)
    design : SamplingDesign
    level : float

    Returns
    -------
    float, float, float, float
        Estimate, standard error, lower and upper limit.

    Examples
    --------
    >>> difference_estimate(5.0, [1.0, 2.0, 3.0], [2.0, 3.0, 4.0], SimpleRandom(3))
    (4.0, 0.0, 4.0, 4.0)
    """
    if not math.isfinite(map_mean):
        raise ModelError(f"validation sites: mean of the map {map_mean}; expected a finite number")
    error = _checked(observed, predicted, design)[1]
    mean, variance = design.mean(-error)
    return _student(map_mean + mean, variance, design, level)


def _student(mean: float, variance: float, design: SamplingDesign, level: float) -> tuple[float, float, float, float]:
    se = math.sqrt(variance)
    half = _quantile(level, design) * se
    return mean, se, mean - half, mean + half


def _checked(observed: ArrayLike, predicted: ArrayLike, design: SamplingDesign) -> tuple[Floats, Floats]:
    """Observed values and errors, one of each for each site."""
    z, p = _finite(observed, design), _finite(predicted, design)
    return z, p - z


def _finite(values: ArrayLike, design: SamplingDesign) -> Floats:
    out = np.asarray(values, dtype=float)
    if out.shape != (design.sites,):
        raise ModelError(f"validation sites: values of shape {out.shape} for {design.sites} sites of the design; expected one for each")
    bad = int((~np.isfinite(out)).sum())
    if bad:
        raise ModelError(f"validation sites: {bad} of {len(out)} values missing or not finite; expected a number at each site")
    return out
