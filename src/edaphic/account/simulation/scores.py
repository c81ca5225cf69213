"""Errors as normal scores, and how alike they are: at two places, and in two layers of one profile.

The distribution of a cell is two-piece: below the median a (log-)normal curve through the 5 % quantile, above it one through the 95 %
quantile. A score is the normal quantile of where an observation lies in the distribution that was predicted for it without seeing it.
Scores have a variance of about one wherever they are, so that one variogram serves for all of a map, however the width of its intervals
changes (Goovaerts, P. 2001, Geostatistical modelling of uncertainty in soil science, Geoderma 103, 3-26).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from edaphic.errors import ModelError
from edaphic.validate.anisotropy import variogram_of
from edaphic.validate.residuals import empirical_variogram
from edaphic.validate.variogram import NUGGET, Variogram, fit_variogram

Floats = NDArray[np.float64]
Layer = tuple[float, float]

FARTHEST = 4.0
"""Scores beyond are taken as this: a curve through three quantiles knows nothing of one in thirty thousand."""
FEWEST_PROFILES = 30
"""Fewer tell nothing of a variogram, or of the correlation of two layers."""
LOG_BOTH, LOG_ABOVE, EVEN, CUT = 0, 1, 2, 3
"""Which halves of a distribution are straight on a logarithm: both; the upper one, where the lower limit is (almost) 0; none; none, and
what would lie below zero is zero."""
STEEPEST = 1.5
"""Largest log sd of an upper half that is on a logarithm: with more, the mean would hang on what lies beyond the upper limit."""
NOTHING = 1e-3
"""A lower limit below this share of the median is taken as almost zero."""
_POINTS, _WEIGHTS = hermegauss(40)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
SMALLEST = 1e-6
"""Least width of a half, as a share of the median (or in the unit itself, where a half is not on a logarithm)."""


@dataclass(frozen=True)
class Curves:
    """Predictive distributions of n cells, two-piece normal or log-normal.

    ``Q(z)`` is ``middle exp(below z)`` (or ``middle + below z``) for z < 0, and ``middle exp(above z)`` (``middle + above z``) for z > 0;
    never below zero unless the shape is :data:`EVEN`. ``shape`` says which halves are on a logarithm. ``factor`` is what ``middle`` was
    multiplied by so that the mean of the curve is the mapped mean; 1 where it was not.
    """

    middle: Floats
    below: Floats
    above: Floats
    shape: NDArray[np.int64]
    factor: Floats

    def __len__(self) -> int:
        """Number of cells."""
        return len(self.middle)

    def _straight(self, low: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether the half in question is not on a logarithm."""
        return np.asarray((self.shape >= EVEN) | (low & (self.shape == LOG_ABOVE)))

    def quantile(self, z: ArrayLike) -> Floats:
        """Values (n,) at scores (n,) or one score."""
        z = np.broadcast_to(np.asarray(z, dtype=np.float64), self.middle.shape)
        low = z < 0
        step = np.where(low, self.below, self.above) * z
        straight = self._straight(low)
        grown = self.middle * np.exp(np.where(straight, 0.0, step))
        even = self.middle + step
        return np.where(straight, np.where(self.shape == EVEN, even, np.maximum(even, 0.0)), grown)

    def score(self, value: ArrayLike) -> Floats:
        """Scores (n,) of values (n,): the inverse of :meth:`quantile`; within +/- :data:`FARTHEST`."""
        value = np.broadcast_to(np.asarray(value, dtype=np.float64), self.middle.shape)
        low = value < self.middle
        width = np.where(low, self.below, self.above)
        straight = self._straight(low)
        with np.errstate(divide="ignore", invalid="ignore"):
            grown = np.log(np.maximum(value, 0.0) / np.where(straight, 1.0, self.middle))
        z = np.where(straight, value - self.middle, grown) / width
        return np.where(np.isnan(value), np.nan, np.clip(z, -FARTHEST, FARTHEST))

    def cdf(self, value: ArrayLike) -> Floats:
        """Probability not to exceed values (n,)."""
        return np.asarray(ndtr(self.score(value)))

    def slope(self, value: ArrayLike) -> Floats:
        """How many scores one unit of the value is, at values (n,)."""
        value = np.broadcast_to(np.asarray(value, dtype=np.float64), self.middle.shape)
        low = value < self.middle
        straight = self._straight(low)
        width = np.where(low, self.below, self.above)
        return 1.0 / (width * np.where(straight, 1.0, np.maximum(value, SMALLEST)))

    def moved(self) -> Floats:
        """E[Q(z) z], (n,): by how much one score that all cells share moves the mean, by Gauss-Hermite quadrature."""
        return np.asarray(sum(w * z * self.quantile(z) for z, w in zip(_POINTS, _WEIGHTS, strict=True)))

    def mean(self) -> Floats:
        """Mean of each curve (n,).

        Of a half on a logarithm ``middle exp(s^2 / 2) Phi(-s)`` below the median and ``Phi(s)`` above it; of a straight one the mean of a
        normal curve that is cut off at zero.
        """
        logs, logu = self.shape == LOG_BOTH, self.shape <= LOG_ABOVE
        s, u = np.where(logs, self.below, 0.0), np.where(logu, self.above, 0.0)
        top = 1.0 / math.sqrt(2.0 * math.pi)
        cut = np.where(self.shape == EVEN, -np.inf, -self.middle / self.below)
        density = np.exp(-np.minimum(cut**2, 1e3) / 2) * top
        straight = self.middle * (0.5 - ndtr(cut)) - self.below * (top - density)
        lower = np.where(logs, self.middle * np.exp(s**2 / 2) * ndtr(-s), straight)
        upper = np.where(logu, self.middle * np.exp(u**2 / 2) * ndtr(u), self.middle / 2 + self.above * top)
        return np.asarray(lower + upper)


def curves(
    low: ArrayLike, middle: ArrayLike | None, high: ArrayLike, *, mean: ArrayLike | None = None, interval: float = 0.9
) -> Curves:
    """Distributions from three quantiles, and from the mean if it is to be kept.

    Parameters
    ----------
    low, high : array_like (n,)
        Limits of the interval, not crossing; finite.
    middle : array_like (n,), optional
        Medians; those outside the limits are moved to them. Without, the curve has one piece: the median is the geometric mean of the
        limits, or their middle where the lower one is not above zero.
    mean : array_like (n,), optional
        Each curve is multiplied by a factor so that this is its mean; one that is even (a lower limit below zero) is moved.
    interval : float
        Level between the limits.

    Returns
    -------
    Curves

    Raises
    ------
    ModelError
        Limits that are not finite or cross.

    Examples
    --------
    A log-normal cell: median 10, both limits a factor of 2 away, so s = ln 2 / 1.645 = 0.421 and the mean is 10 exp(s^2 / 2) = 10.93.

    >>> cell = curves([5.0], [10.0], [20.0])
    >>> round(float(cell.mean()[0]), 2), cell.quantile(ndtri(0.95)).round(9).tolist(), cell.score([10.0]).tolist()
    (10.93, [20.0], [0.0])
    >>> round(float(curves([5.0], [10.0], [20.0], mean=[11.0]).mean()[0]), 9)
    11.0
    """
    q05, q95 = np.asarray(low, dtype=np.float64).ravel(), np.asarray(high, dtype=np.float64).ravel()
    if middle is None:
        with np.errstate(invalid="ignore"):
            q50 = np.where(q05 > 0, np.sqrt(np.maximum(q05, 0.0) * np.maximum(q95, 0.0)), (q05 + q95) / 2)
    else:
        q50 = np.clip(np.asarray(middle, dtype=np.float64).ravel(), q05, q95)
    bad = int(np.count_nonzero(~(np.isfinite(q05) & np.isfinite(q50) & np.isfinite(q95)) | (q05 > q95)))
    if bad:
        raise ModelError(f"distributions: {bad} of {len(q05)} with limits that cross or are no numbers; expected lower, median, upper")
    z = float(ndtri(0.5 + interval / 2))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        steep = ~((q50 > 0) & (np.log(q95 / q50) <= STEEPEST * z))
        shape = np.where(q05 < 0, EVEN, np.where(steep, CUT, np.where(q05 > NOTHING * q50, LOG_BOTH, LOG_ABOVE))).astype(np.int64)
        below = np.where(shape == LOG_BOTH, np.log(q50 / q05), q50 - q05) / z
        above = np.where(shape <= LOG_ABOVE, np.log(q95 / q50), q95 - q50) / z
    out = Curves(q50, np.maximum(below, SMALLEST), np.maximum(above, SMALLEST), shape, np.ones(len(q50)))
    return out if mean is None else _with_mean(out, np.asarray(mean, dtype=np.float64).ravel())


def _with_mean(given: Curves, mean: Floats) -> Curves:
    own = given.mean()
    even = given.shape == EVEN
    factor = np.where(even | (own <= 0) | (mean < 0), 1.0, mean / np.where(own > 0, own, 1.0))
    middle = np.where(even, given.middle + mean - own, given.middle * factor)
    below = np.where((given.shape == LOG_ABOVE) | (given.shape == CUT), given.below * factor, given.below)
    above = np.where(given.shape == CUT, given.above * factor, given.above)
    return Curves(middle, below, above, given.shape, factor)


def scores_of(table: pd.DataFrame, *, interval: float = 0.9) -> tuple[pd.DataFrame, list[str]]:
    """Normal scores of out-of-fold predictions, and what the error of measurement is in scores.

    Parameters
    ----------
    table : DataFrame
        One row for each profile and layer of **one** design: ``observed``, ``q05``, ``q50``, ``q95`` (calibrated), and where they are
        there ``predicted`` (the curve gets this mean, as those of the map do: a score above 0 then tells of a map that is too low) and
        ``error_sd`` (known error of the observation, same unit).
    interval : float
        Level between ``q05`` and ``q95``.

    Returns
    -------
    scores : DataFrame
        The rows that have all four, with ``score``, ``error_variance`` (squared ``error_sd`` in scores; 0 where no error is known) and,
        where ``predicted`` is there, ``departure``: observed minus predicted, in what one score moves the mean. A mean of departures is an
        error of the mapped mean, which a mean of scores is only where the shape of the curves is right.
    notes : list of str
        What was left out, and how many scores were beyond +/- 4.

    Raises
    ------
    ModelError
        Columns are missing.

    Examples
    --------
    >>> rows = pd.DataFrame({"observed": [20.0, 5.0], "q05": [5.0, 5.0], "q50": [10.0, 10.0], "q95": [20.0, 20.0]})
    >>> scores_of(rows)[0]["score"].round(3).tolist()
    [1.645, -1.645]
    """
    needed = ("observed", "q05", "q50", "q95")
    if lacking := [name for name in needed if name not in table]:
        raise ModelError([f"scores: no column '{name}'; expected {', '.join(needed)}" for name in lacking])
    whole = table[list(needed)].notna().all(axis=1)
    lost = int((~whole).sum())
    notes = [f"scores: {lost} of {len(table)} predictions without an observation or a quantile left out"] if lost else []
    out = table[whole].copy()
    made = curves(out["q05"], out["q50"], out["q95"], mean=out.get("predicted"), interval=interval)
    out["score"] = made.score(out["observed"].to_numpy(dtype=np.float64))
    far = int((out["score"].abs() >= FARTHEST).sum())
    if far:
        notes.append(f"scores: {far} of {len(out)} beyond {FARTHEST:g} taken as {FARTHEST:g}")
    if "predicted" in out:
        apart = (out["observed"] - out["predicted"]).to_numpy(dtype=np.float64) / np.maximum(made.moved(), SMALLEST)
        out["departure"] = np.clip(apart, -FARTHEST - 1, FARTHEST + 1)
    out["error_variance"] = 0.0
    if "error_sd" in out:
        # At the median, not at the observation: an error of 10 % is worth the same wherever its own draw has put the observation.
        known = np.nan_to_num(out["error_sd"].to_numpy(dtype=np.float64))
        relative = known / np.maximum(out["observed"].to_numpy(dtype=np.float64), SMALLEST)
        logs = made.shape <= LOG_ABOVE
        # Scores for one unit (of the logarithm, where the upper half is on one), by the mean of both halves.
        width = (np.where(made.shape == LOG_ABOVE, made.below / np.maximum(made.middle, SMALLEST), made.below) + made.above) / 2
        out["error_variance"] = (np.where(logs, relative, known) / width) ** 2
    return out, notes


@dataclass(frozen=True)
class ScoreModel:
    """How scores go together. Shares add up to one.

    Parameters
    ----------
    variogram : Variogram
        Of the scores, its nugget and partial sill scaled so that they and the measurement variance add up to one.
    correlation : tuple of tuple of float
        Between layers (L x L), the error of measurement taken out.
    layers : tuple of (top_cm, bottom_cm)
    notes : tuple of str
    """

    variogram: Variogram
    correlation: tuple[tuple[float, ...], ...]
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = ()

    @property
    def field_share(self) -> float:
        """Share of the variance that is correlated in space."""
        return self.variogram.partial_sill

    @property
    def nugget_share(self) -> float:
        """Share that differs from point to point."""
        return self.variogram.nugget

    @property
    def measurement_share(self) -> float:
        """Share that is error of the observations."""
        return self.variogram.measurement_variance

    def matrix(self) -> Floats:
        """The correlation of the layers, (L, L)."""
        return np.array(self.correlation, dtype=np.float64)


def scaled(variogram: Variogram, measurement: float = 0.0) -> Variogram:
    """A variogram of scores with a sill of one, and the error of measurement taken out of its nugget, as far as it goes.

    >>> v = scaled(Variogram("exponential", nugget=0.6, partial_sill=1.4, range_m=1000.0), measurement=0.1)
    >>> round(v.nugget, 3), round(v.partial_sill, 3), round(v.measurement_variance, 3)
    (0.25, 0.7, 0.05)
    """
    sill = variogram.sill + variogram.measurement_variance
    if not sill > 0:
        return replace(variogram, model=NUGGET, nugget=1.0, partial_sill=0.0, range_m=0.0, measurement_variance=0.0)
    known = min(variogram.measurement_variance + measurement, variogram.nugget + variogram.measurement_variance) / sill
    nugget = max((variogram.nugget + variogram.measurement_variance) / sill - known, 0.0)
    return replace(variogram, nugget=nugget, partial_sill=variogram.partial_sill / sill, measurement_variance=known)


def score_model(scores: pd.DataFrame, *, seed: int = 0, directions: bool = True) -> ScoreModel:
    """Variogram of the scores of all layers together, and the correlation between layers.

    All layers share one correlation by distance (intrinsic coregionalisation: Goovaerts, P. 1997, Geostatistics for natural resources
    evaluation, Oxford, section 4.2.3). Semivariances are averaged over the layers by their pairs; Cressie and Hawkins' estimator, which
    few odd profiles do not move. The sill is scaled to one.

    Parameters
    ----------
    scores : DataFrame
        Of :func:`scores_of`: ``profile_id``, ``top_cm``, ``bottom_cm``, ``lon``, ``lat``, ``score``, ``error_variance``. Layers only, no
        row of the whole depth.
    seed : int
        For the halves of the places that directions are tried on.
    directions : bool
        Look for anisotropy, with one layer only.

    Returns
    -------
    ScoreModel

    Raises
    ------
    ModelError
        No rows, or columns missing.
    """
    needed = ("profile_id", "top_cm", "bottom_cm", "lon", "lat", "score")
    if lacking := [name for name in needed if name not in scores]:
        raise ModelError([f"scores: no column '{name}'; expected {', '.join(needed)}" for name in lacking])
    layers = tuple(sorted({(float(a), float(b)) for a, b in zip(scores["top_cm"], scores["bottom_cm"], strict=True)}))
    if not layers:
        raise ModelError("scores: no rows; expected those of one layer at least")
    parts = {layer: scores[(scores["top_cm"] == layer[0]) & (scores["bottom_cm"] == layer[1])] for layer in layers}
    notes: list[str] = []
    fitted = _fitted(list(parts.values()), seed, directions and len(layers) == 1, notes)
    error = float(scores["error_variance"].mean()) if "error_variance" in scores and len(scores) else 0.0
    out = scaled(fitted, error)
    if error > fitted.nugget + 1e-9:
        notes.append(
            f"scores: the error of measurement ({error:.3f}) exceeds the nugget ({fitted.nugget:.3f}); all of the nugget is taken as error"
        )
    matrix = layer_correlation(parts, out.measurement_variance, notes)
    return ScoreModel(out, tuple(tuple(map(float, row)) for row in matrix), layers, (*out.notes, *notes))


def _fitted(parts: list[pd.DataFrame], seed: int, directions: bool, notes: list[str]) -> Variogram:
    usable = [part for part in parts if len(part) >= FEWEST_PROFILES]
    if not usable:
        notes.append(f"scores: fewer than {FEWEST_PROFILES} in every layer; no correlation in space is taken, which makes totals too sure")
        return Variogram(NUGGET, 1.0, 0.0, 0.0)
    if directions:
        part = usable[0]
        groups = part.groupby(["lon", "lat"], sort=True).ngroup()
        return variogram_of(part["lon"], part["lat"], part["score"] - part["score"].mean(), groups, seed=seed)[0]
    tables = [
        empirical_variogram(part["lon"], part["lat"], part["score"] - part["score"].mean(), estimator="cressie", max_distance_m=None)
        for part in usable
    ]
    whole = pd.concat(tables, ignore_index=True)
    weight = whole["pairs"].astype(np.float64)
    whole = whole.assign(gamma=whole["gamma"] * weight, distance_m=whole["distance_m"] * weight)
    pooled = whole.groupby("lag", as_index=False)[["gamma", "distance_m", "pairs"]].sum()
    pooled["gamma"], pooled["distance_m"] = pooled["gamma"] / pooled["pairs"], pooled["distance_m"] / pooled["pairs"]
    pooled["direction_deg"] = np.nan
    return fit_variogram(pooled)


def layer_correlation(parts: Mapping[Layer, pd.DataFrame], measurement: float, notes: list[str]) -> Floats:
    """Correlation of scores between layers of a profile (L, L), without error of measurement, made positive semidefinite.

    The error of measurement of one layer is taken as its own: it lowers the correlation of observed scores, r / (1 - m) is that of the
    soil, and 1 at most. Layers that fewer than 30 profiles have in common are taken as fully correlated, and noted: totals of the whole
    depth are then rather too wide.
    """
    tables = [part.drop_duplicates("profile_id").set_index("profile_id")["score"] for part in parts.values()]
    names = [f"{top:g}-{bottom:g} cm" for top, bottom in parts]
    out = np.eye(len(tables))
    for i in range(len(tables)):
        for j in range(i):
            both = pd.concat([tables[i], tables[j]], axis=1, join="inner").to_numpy(dtype=np.float64)
            if len(both) < FEWEST_PROFILES or not (both.std(axis=0) > 0).all():
                notes.append(f"scores: {names[j]} and {names[i]} share {len(both)} profiles; their errors are taken as fully correlated")
                r = 1.0
            else:
                r = float(np.clip(np.corrcoef(both.T)[0, 1] / max(1.0 - measurement, 0.1), -1.0, 1.0))
            out[i, j] = out[j, i] = r
    value, vector = np.linalg.eigh(out)
    if value.min() < 0:
        out = (vector * np.maximum(value, 0.0)) @ vector.T
        scale = np.sqrt(np.diag(out))
        out = out / np.outer(scale, scale)
    return out
