"""A model of the residual variogram: nugget, sill, range and anisotropy, fitted robustly.

``gamma(h) = nugget + partial_sill * (1 - rho(h / range))`` for h > 0, and 0 at h = 0. The range is the *practical* range of every
model: the distance at which the spherical model reaches its sill, and the others 95 % of the partial sill. With anisotropy it is
the range along the major axis; across it, the range is ``anisotropy_ratio`` times as long (geometric anisotropy).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from edaphic.errors import ModelError

Floats = NDArray[np.float64]

NUGGET = "nugget"
LN20 = math.log(20.0)
MATERN15 = 4.743864518390622
"""Solution of (1 + k) exp(-k) = 0.05."""
FEWEST_LAGS = 4
FEWEST_PAIRS = 10
"""A lag with fewer pairs is not fitted."""
RANGE_BEYOND = 3.0
"""The range is sought up to so many times the longest lag."""
SOFT = 0.3
"""Relative misfit of a lag from which it counts less than squared."""
ROUNDS = 3
COARSE, FINE = 1e-6, 1e-11
"""Tolerances of the fit in all rounds but the last, which only give weights and starts, and in the last."""
STEP = 1.5e-8
"""Of differences, the root of the precision of a number."""


def spherical(x: Floats) -> Floats:
    """1 - 1.5 x + 0.5 x**3 up to x = 1, then 0 (Matheron 1963)."""
    t = np.minimum(x, 1.0)
    return np.asarray(1 - 1.5 * t + 0.5 * t**3)


def exponential(x: Floats) -> Floats:
    """exp(-x ln 20): 0.05 at x = 1."""
    return np.asarray(np.exp(-LN20 * x))


def gaussian(x: Floats) -> Floats:
    """exp(-x**2 ln 20): 0.05 at x = 1."""
    return np.asarray(np.exp(-LN20 * x**2))


def matern15(x: Floats) -> Floats:
    """Matern with smoothness 3/2, (1 + k x) exp(-k x), k = 4.7439: 0.05 at x = 1 (Stein 1999)."""
    return np.asarray((1 + MATERN15 * x) * np.exp(-MATERN15 * x))


@dataclass(frozen=True)
class Variogram:
    """A fitted or given variogram.

    Parameters
    ----------
    model : {"spherical", "exponential", "gaussian", "matern15", "nugget"}
        ``nugget``: no correlation at any distance.
    nugget, partial_sill : float
        In squared units of the residuals. ``measurement_variance`` is no longer in the nugget.
    range_m : float
        Practical range along the major axis; 0 for a pure nugget.
    anisotropy_ratio : float
        Range across the major axis by range along it, in (0, 1].
    anisotropy_angle_deg : float
        Major axis, degrees clockwise from north, 0 <= angle < 180.
    measurement_variance : float
        Variance of measurement that was taken out of the nugget.
    rmse : float or None
        Root mean squared misfit of the lags; None where nothing was fitted.
    largest_lag_m : float or None
        Longest mean distance of a fitted lag.
    notes : tuple of str
        What was assumed.

    Examples
    --------
    >>> v = Variogram("spherical", nugget=1.0, partial_sill=2.0, range_m=1000.0)
    >>> v.gamma([0.0, 500.0, 1000.0, 5000.0]).tolist()
    [0.0, 2.375, 3.0, 3.0]
    >>> v.covariance([0.0, 500.0, 1000.0]).tolist()
    [3.0, 0.625, 0.0]
    """

    model: str
    nugget: float
    partial_sill: float
    range_m: float
    anisotropy_ratio: float = 1.0
    anisotropy_angle_deg: float = 0.0
    measurement_variance: float = 0.0
    rmse: float | None = None
    largest_lag_m: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = []
        if self.model != NUGGET and self.model not in MODELS:
            faults.append(f"variogram: model '{self.model}'; expected one of {', '.join((*MODELS, NUGGET))}")
        for name in ("nugget", "partial_sill", "range_m", "measurement_variance"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                faults.append(f"variogram: {name} {value}; expected a number, not below 0")
        if self.model != NUGGET and not self.range_m > 0:
            faults.append(f"variogram: range {self.range_m} m; expected above 0")
        if not 0 < self.anisotropy_ratio <= 1:
            faults.append(f"variogram: anisotropy ratio {self.anisotropy_ratio}; expected above 0, at most 1")
        if faults:
            raise ModelError(faults)

    @property
    def sill(self) -> float:
        """Nugget and partial sill together."""
        return self.nugget + self.partial_sill

    @property
    def levels_off(self) -> bool:
        """Whether the range lies within the fitted lags: if not, sill and range are guesses beyond the data."""
        return self.largest_lag_m is None or self.range_m <= self.largest_lag_m

    def correlation(self, h: ArrayLike) -> Floats:
        """Correlation of the part that is not nugget, at distances ``h`` (m) along the major axis: 1 at 0."""
        h = np.abs(np.asarray(h, dtype=np.float64))
        return np.where(h == 0, 1.0, 0.0) if self.model == NUGGET else MODELS[self.model](h / self.range_m)

    def gamma(self, h: ArrayLike) -> Floats:
        """Semivariance at distances ``h`` (m) along the major axis: 0 at 0, at least the nugget beyond."""
        h = np.asarray(h, dtype=np.float64)
        return np.where(h == 0, 0.0, self.nugget + self.partial_sill * (1 - self.correlation(h)))

    def covariance(self, h: ArrayLike) -> Floats:
        """Covariance, ``sill - gamma(h)``: the sill at 0."""
        h = np.asarray(h, dtype=np.float64)
        return np.where(h == 0, self.sill, self.partial_sill * self.correlation(h))

    def distance(self, east_m: ArrayLike, north_m: ArrayLike) -> Floats:
        """Distance along the major axis that is as far, in correlation, as a step to the east and north.

        >>> v = Variogram("exponential", 0.0, 1.0, 1000.0, anisotropy_ratio=0.5, anisotropy_angle_deg=0.0)
        >>> v.distance([0.0, 100.0], [100.0, 0.0]).tolist()
        [100.0, 200.0]
        """
        east, north = np.asarray(east_m, dtype=np.float64), np.asarray(north_m, dtype=np.float64)
        if self.anisotropy_ratio == 1:
            return np.asarray(np.hypot(east, north))
        return _stretched(np.hypot(east, north), np.arctan2(east, north), self.anisotropy_ratio, math.radians(self.anisotropy_angle_deg))

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain numbers and strings, ready for JSON."""
        return asdict(self) | {"notes": list(self.notes)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Variogram:
        """The variogram that :meth:`to_dict` wrote.

        >>> v = Variogram("gaussian", 0.5, 1.5, 200.0, notes=("given",))
        >>> Variogram.from_dict(v.to_dict()) == v
        True
        """
        unknown = sorted(set(fields) - set(cls.__dataclass_fields__))
        missing = [name for name in ("model", "nugget", "partial_sill", "range_m") if name not in fields]
        if unknown or missing:
            raise ModelError(
                [f"variogram: unknown field '{name}'" for name in unknown] + [f"variogram: no field '{name}'" for name in missing]
            )
        return cls(**(dict(fields) | {"notes": tuple(fields.get("notes", ()))}))


@dataclass(frozen=True)
class _Lags:
    """What is fitted: one element per lag and direction."""

    distance: Floats
    gamma: Floats
    pairs: Floats
    bearing: Floats  # radians (m, nodes); NaN where all directions are together

    def correlation(self, rho: Callable[[Floats], Floats], range_m: float, ratio: float, angle: float) -> Floats:
        """Mean correlation of each lag. A sector is averaged over its bearings, or its width would hide part of the anisotropy."""
        d = self.distance[:, None]
        across = np.isnan(self.bearing)
        h = np.where(across, d, _stretched(d, np.where(across, 0.0, self.bearing), ratio, angle)) if ratio != 1 else d
        return np.asarray(rho(np.broadcast_to(h / range_m, self.bearing.shape)).mean(axis=1))


@dataclass(frozen=True)
class _Fit:
    model: str
    nugget: float
    partial_sill: float
    range_m: float
    ratio: float
    angle: float
    cost: float
    fitted: Floats


def fit_variogram(
    empirical: pd.DataFrame,
    models: Sequence[str] = ("spherical", "exponential", "gaussian", "matern15"),
    *,
    own_support: bool = True,
    measurement_variance: float = 0.0,
) -> Variogram:
    """Fit a model by robust weighted least squares.

    Each lag has the weight ``pairs / gamma**2``, gamma being that of the last round's fit (Cressie 1985, Mathematical Geology 17),
    and relative misfits above 0.3 count linearly (soft L1), so that one odd lag does not bend the curve. Starts are the best of a
    grid of ranges (and ratios and angles), at each of which nugget and sill are the closed form. The model with the smallest cost
    is taken; a pure nugget, and with directions an isotropic model, where the more complex one does not lower the Bayesian
    information criterion.

    Parameters
    ----------
    empirical : DataFrame
        As :func:`edaphic.validate.residuals.empirical_variogram` returns it. With ``direction_deg`` the anisotropy is fitted too.
    models : sequence of str
        Candidates.
    own_support : bool
        Fit the pairs at one place (lag 0) with the others: they show the nugget directly. Say False where places hold copies.
    measurement_variance : float
        Error variance of one measurement, taken out of the nugget.

    Returns
    -------
    Variogram

    Raises
    ------
    ModelError
        No lag at all, columns missing, no known model, a measurement variance that is not a number or negative.

    Examples
    --------
    >>> h = np.arange(1.0, 16.0) * 100
    >>> truth = Variogram("spherical", nugget=1.0, partial_sill=3.0, range_m=900.0)
    >>> table = pd.DataFrame({"lag": range(1, 16), "distance_m": h, "gamma": truth.gamma(h), "pairs": 100, "direction_deg": np.nan})
    >>> fit = fit_variogram(table)
    >>> fit.model, round(fit.nugget, 4), round(fit.partial_sill, 4), round(fit.range_m, 2)
    ('spherical', 1.0, 3.0, 900.0)
    """
    _check(empirical, models, measurement_variance)
    notes: list[str] = list(empirical.attrs.get("notes", ()))
    table = empirical[np.isfinite(empirical["gamma"]) & (empirical["pairs"] > 0)]
    enough = (table["pairs"] >= FEWEST_PAIRS) & (own_support | (table["lag"] > 0))
    few = int((~enough & (table["lag"] > 0)).sum())
    if few:
        notes.append(f"residual variogram: {few} lags with fewer than {FEWEST_PAIRS} pairs not fitted")
    apart = table[enough & (table["lag"] > 0)]
    if apart["lag"].nunique() < FEWEST_LAGS:
        notes.append(f"residual variogram: {apart['lag'].nunique()} lags with pairs enough; below {FEWEST_LAGS} a pure nugget is taken")
        return _without_measurement(_pure(table if apart.empty else apart, notes), measurement_variance)
    lags = _lags(table[enough])
    largest = float(lags.distance.max())
    if not np.any(lags.gamma > 0):
        return _without_measurement(_pure(apart, [*notes, "residual variogram: all residuals are equal"]), measurement_variance)
    best = _best(lags, models, notes)
    if best.model != NUGGET and best.range_m > largest:
        notes.append(
            f"residual variogram: never levels off; the range of {best.range_m:.3g} m lies beyond the longest lag of {largest:.3g} m"
        )
    if best.model == NUGGET:
        notes.append("residual variogram: no correlation found beyond the place; a pure nugget is taken")
    out = Variogram(
        best.model,
        best.nugget,
        best.partial_sill,
        best.range_m,
        best.ratio,
        best.angle,
        rmse=float(np.sqrt(np.mean((lags.gamma - best.fitted) ** 2))),
        largest_lag_m=largest,
        notes=tuple(notes),
    )
    return _without_measurement(out, measurement_variance)


def block_side_from(variogram: Variogram, fallback: float) -> tuple[float, str]:
    """Side of spatial blocks in metres, and a line that says where it comes from.

    The practical range along the major axis, to two digits: profiles that far apart have residuals that are hardly correlated
    (Roberts et al. 2017, Ecography 40). ``fallback`` where residuals show no correlation, or where the variogram never levels off.

    >>> block_side_from(Variogram("spherical", 1.0, 3.0, 12_345.0), 5_000.0)
    (12000.0, 'blocks: side 12000 m, the range of the residual variogram (spherical)')
    >>> block_side_from(Variogram("nugget", 1.0, 0.0, 0.0), 5_000.0)[0]
    5000.0
    """
    if variogram.model == NUGGET:
        return float(fallback), f"blocks: side {fallback:.6g} m as given; the residuals show no correlation"
    if not variogram.levels_off:
        return float(fallback), f"blocks: side {fallback:.6g} m as given; the residual variogram never levels off"
    side = float(round(variogram.range_m, 1 - math.floor(math.log10(variogram.range_m))))
    return side, f"blocks: side {side:.6g} m, the range of the residual variogram ({variogram.model})"


def _check(empirical: pd.DataFrame, models: Sequence[str], measurement_variance: float) -> None:
    faults = [f"residual variogram: no column '{c}'" for c in ("lag", "distance_m", "gamma", "pairs") if c not in empirical]
    if not faults and not (np.isfinite(empirical["gamma"]) & (empirical["pairs"] > 0)).any():
        faults.append("residual variogram: no lag has a pair; expected at least one")
    known = ", ".join(MODELS)
    faults += [f"residual variogram: model '{m}'; expected some of {known}" for m in models if m not in MODELS]
    if not models:
        faults.append(f"residual variogram: no model; expected some of {known}")
    if not (math.isfinite(measurement_variance) and measurement_variance >= 0):
        faults.append(f"residual variogram: measurement variance {measurement_variance}; expected a number, not below 0")
    if faults:
        raise ModelError(faults)


def _stretched(distance: Floats, bearing: Floats, ratio: float, angle: float) -> Floats:
    turned = bearing - angle
    return np.asarray(np.hypot(distance * np.cos(turned), distance * np.sin(turned) / ratio))


def _lags(table: pd.DataFrame) -> _Lags:
    degrees = table["direction_deg"].to_numpy(dtype=np.float64) if "direction_deg" in table else np.full(len(table), np.nan)
    sectors = len(np.unique(degrees[np.isfinite(degrees)]))
    half = 90.0 / max(sectors, 1)
    # Chebyshev's quadrature: five nodes of equal weight, so that the mean over the sector is a plain mean.
    nodes = np.array([-0.832497487, -0.374541410, 0.0, 0.374541410, 0.832497487])
    bearing = np.radians(degrees[:, None] + half * nodes)
    distance, gamma, pairs = (table[c].to_numpy(dtype=np.float64) for c in ("distance_m", "gamma", "pairs"))
    return _Lags(distance, gamma, pairs, bearing if sectors else bearing[:, :1])


def _pure(table: pd.DataFrame, notes: Sequence[str]) -> Variogram:
    gamma, pairs = table["gamma"].to_numpy(dtype=np.float64), table["pairs"].to_numpy(dtype=np.float64)
    mean = float(np.average(gamma, weights=pairs))
    rmse = float(np.sqrt(np.mean((gamma - mean) ** 2)))
    return Variogram(NUGGET, mean, 0.0, 0.0, rmse=rmse, largest_lag_m=float(table["distance_m"].max()), notes=tuple(notes))


def _without_measurement(variogram: Variogram, variance: float) -> Variogram:
    if variance == 0:
        return variogram
    taken = min(variance, variogram.nugget)
    note = f"residual variogram: measurement variance {variance:.3g} taken out of the nugget of {variogram.nugget:.3g}"
    if variance > variogram.nugget:
        note += "; it is larger, and the nugget becomes 0"
    return replace(variogram, nugget=variogram.nugget - taken, measurement_variance=taken, notes=(*variogram.notes, note))


def _best(lags: _Lags, models: Sequence[str], notes: list[str]) -> _Fit:
    """The model, in rounds: weights come from the last round's best fit, the same for all candidates."""
    weight = np.sqrt(lags.pairs / lags.pairs.mean()) / np.average(lags.gamma, weights=lags.pairs)
    turned = bool(np.isfinite(lags.bearing).any())
    starts: dict[tuple[str, bool], list[tuple[float, float, float]]] = {
        (m, directed): _starts(lags, m, weight, directed) for m in models for directed in ((False, True) if turned else (False,))
    }
    for left in reversed(range(ROUNDS)):
        tolerance = COARSE if left else FINE
        fits = {
            key: min((_refined(lags, key, start, weight, tolerance) for start in some), key=lambda f: f.cost)
            for key, some in starts.items()
        }
        best = min(fits.values(), key=lambda f: f.cost)
        floor = 0.05 * np.average(lags.gamma, weights=lags.pairs)
        weight = np.sqrt(lags.pairs / lags.pairs.mean()) / np.maximum(best.fitted, floor)
        starts = {key: [(f.range_m, f.ratio, math.radians(f.angle))] for key, f in fits.items()}
    level = np.full(len(lags.gamma), np.average(lags.gamma, weights=weight**2))
    nugget = _Fit(NUGGET, float(level[0]), 0.0, 0.0, 1.0, 0.0, _cost(weight * (lags.gamma - level)), level)
    same = min((f for (_, directed), f in fits.items() if not directed), key=lambda f: f.cost)
    chosen, size = nugget, 1
    choice = int(len(models) > 1)  # the shape that fits best of several counts as a parameter
    if _criterion(same, 3 + choice, lags) < _criterion(chosen, 1, lags):
        chosen, size = same, 3 + choice
    if turned:
        other = min((f for (_, directed), f in fits.items() if directed), key=lambda f: f.cost)
        if _criterion(other, 5 + choice, lags) < _criterion(chosen, size, lags):
            return other
        notes.append("residual variogram: no anisotropy found; the range is the same in all directions")
    return chosen


def _criterion(fit: _Fit, parameters: int, lags: _Lags) -> float:
    n = len(lags.gamma)
    return n * math.log(2 * fit.cost / n + 1e-14) + parameters * math.log(n)


def _cost(misfit: Floats) -> float:
    """Half the sum of soft-L1 losses, as scipy's least_squares counts it."""
    return float(SOFT**2 * np.sum(np.sqrt(1 + (misfit / SOFT) ** 2) - 1))


def _linear(weight: Floats, gamma: Floats, shape: Floats) -> tuple[float, float]:
    """Nugget and partial sill, neither negative, by weighted least squares for a given shape ``1 - rho``."""
    w = weight**2
    w = w / w.sum()
    ms, mg = float(w @ shape), float(w @ gamma)
    off = shape - ms
    spread = float(w @ off**2)
    slope = float(w @ (off * (gamma - mg))) / spread if spread > 0 else 0.0
    if slope < 0:
        return float(mg), 0.0
    if mg - slope * ms < 0:
        return 0.0, float(np.sum(w * shape * gamma) / np.sum(w * shape**2))
    return float(mg - slope * ms), float(slope)


def _starts(lags: _Lags, model: str, weight: Floats, directed: bool) -> list[tuple[float, float, float]]:
    """The three best of a grid of ranges, ratios and angles."""
    apart = lags.distance[lags.distance > 0]
    ranges = np.geomspace(apart.min(), RANGE_BEYOND * 0.9 * apart.max(), 12 if directed else 24)
    turns = [(r, a) for r in (0.25, 0.5, 0.8) for a in np.arange(6) * math.pi / 6] if directed else [(1.0, 0.0)]
    found = []
    for ratio, angle in turns:
        for reach in ranges:
            shape = 1 - lags.correlation(MODELS[model], reach, ratio, angle)
            nugget, sill = _linear(weight, lags.gamma, shape)
            found.append((_cost(weight * (lags.gamma - nugget - sill * shape)), float(reach), float(ratio), float(angle)))
    return [start[1:] for start in sorted(found)[: 3 if directed else 2]]


def _refined(lags: _Lags, key: tuple[str, bool], start: tuple[float, float, float], weight: Floats, tolerance: float) -> _Fit:
    """Bounded least squares from one start; amounts are in units of the mean semivariance, the range as a logarithm."""
    model, directed = key
    rho = MODELS[model]
    scale = float(np.average(lags.gamma, weights=lags.pairs))
    apart = lags.distance[lags.distance > 0]
    reach, ratio, angle = start

    def rho_of(p: Floats) -> Floats:
        r, a = (math.exp(p[3]), p[4]) if directed else (1.0, 0.0)
        return lags.correlation(rho, math.exp(p[2]), r, a)

    def curve(p: Floats) -> Floats:
        return np.asarray(scale * (p[0] + p[1] * (1 - rho_of(p))))

    nugget, sill = _linear(weight, lags.gamma, 1 - lags.correlation(rho, reach, ratio, angle))
    x0 = [nugget / scale, sill / scale, math.log(reach)]
    low, high = [0.0, 0.0, math.log(0.5 * apart.min())], [np.inf, np.inf, math.log(RANGE_BEYOND * apart.max())]
    if directed:
        x0, low, high = [*x0, math.log(ratio), angle], [*low, math.log(0.02), -np.inf], [*high, 0.0, np.inf]
    inside = np.clip(x0, np.asarray(low) + 1e-9, np.asarray(high) - 1e-9)

    def slopes(p: Floats) -> Floats:
        """Nugget and sill enter linearly: only the others need differences."""
        here = curve(p)
        out = np.empty((len(weight), len(p)))
        out[:, 0] = scale
        out[:, 1] = scale - rho_of(p) * scale
        for i in range(2, len(p)):
            step = STEP * max(1.0, abs(p[i]))
            moved = p.copy()
            moved[i] += step
            out[:, i] = (curve(moved) - here) / step
        return np.asarray(-weight[:, None] * out)

    limits = {"xtol": tolerance, "ftol": tolerance, "gtol": tolerance}
    solved = least_squares(
        lambda p: weight * (lags.gamma - curve(p)), inside, slopes, bounds=(low, high), loss="soft_l1", f_scale=SOFT, **limits
    )
    p = solved.x
    r, a = (min(1.0, math.exp(p[3])), math.degrees(p[4]) % 180.0) if directed else (1.0, 0.0)
    return _Fit(model, float(scale * p[0]), float(scale * p[1]), math.exp(p[2]), r, a, float(solved.cost), curve(p))


MODELS: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType(
    {"spherical": spherical, "exponential": exponential, "gaussian": gaussian, "matern15": matern15}
)
"""Correlation by distance over practical range."""
