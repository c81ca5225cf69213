"""Simple predictors that a forest must beat: layer and class means, linear and mixed models, regression kriging.

Each takes training rows and the rows to predict and returns predictions on the natural scale, so that any design can judge it fold
by fold beside the forest. All are honest opponents: columns are standardised on the training rows alone, the ridge penalty is
chosen by profiles held back, and what was fitted on logarithms comes back without bias.

Rules for all but the means: a feature that is not finite takes its training mean; a feature that is constant in training is
dropped; the fitted part stays within the range of the training values, widened by a tenth of it, so that no linear model runs away
beyond the data. A layer without training rows takes the overall mean as its level. :func:`notes_of` says which of these rules come
into play.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from edaphic.errors import ModelError
from edaphic.validate.grouping import EARTH_RADIUS_M
from edaphic.validate.kriging import Places, gather, leave_out, ordinary_kriging
from edaphic.validate.linear import FOLDS, Ridge, fit_random_intercept, fit_ridge, principal_components, smearing
from edaphic.validate.residuals import empirical_variogram, unit_vectors
from edaphic.validate.variogram import NUGGET, Variogram, fit_variogram

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LINEAR_ALGEBRA = ThreadpoolController()
"""Limited to one thread, so that numbers do not depend on the cores; the systems are too small for more to pay."""
FEWEST_ROWS = 3
FEWEST_PLACES = 30
"""Places of a layer below which its residuals are not kriged."""
FEWEST_FOR_OWN_FACTOR = 30
"""Rows of a layer below which it shares the factor from logarithms with all layers."""
MOST_LEFT_OUT = 1000
KRIGED_MODELS = ("spherical", "exponential")
"""Models for kriging: those that are smooth at the origin make its systems all but singular."""
PROFILES_PER_COMPONENT = 5
MARGIN = 0.1


@dataclass(frozen=True)
class Rows:
    """What a baseline knows of some rows, one per profile and layer.

    Parameters
    ----------
    values : float64 (n,)
        Target on the natural scale; not looked at in rows that are to be predicted.
    features : float32 (n, q)
        Covariates without depth.
    names : tuple of str (q,)
    layer : int (n,)
        Code of the layer.
    depth_cm : float64 (n, 2)
        Top and bottom.
    lon, lat : float64 (n,)
        Degrees.
    profile : int (n,)
        Rows with one number are held back together.
    class_code : int (n,) or None
        Class or zone; any numbers.
    """

    values: Floats
    features: NDArray[np.float32]
    names: tuple[str, ...]
    layer: Ints
    depth_cm: Floats
    lon: Floats
    lat: Floats
    profile: Ints
    class_code: Ints | None = None

    def take(self, rows: NDArray[np.intp] | Ints) -> Rows:
        """Some of the rows."""
        code = None if self.class_code is None else self.class_code[rows]
        columns = (self.layer[rows], self.depth_cm[rows], self.lon[rows], self.lat[rows], self.profile[rows])
        return Rows(self.values[rows], self.features[rows], self.names, *columns, code)


def layer_mean(train: Rows, test: Rows, *, log: bool, seed: int) -> Floats:
    """Mean of the training rows of the layer, on the natural scale; the overall mean for a layer without any."""
    _check(train, test, log)
    return _levels(train.values, train.layer, test.layer)


def class_mean(train: Rows, test: Rows, *, log: bool, seed: int) -> Floats:
    """Mean of layer and class, shrunk towards the mean of the layer.

    The mean of n_c rows of a class has the weight ``g n_c / (1 + g n_c)``; g is the ratio of variances between and within classes,
    fitted by REML in each layer (the empirical best linear predictor). A class that training never saw, and rows without classes,
    take the mean of the layer.
    """
    _check(train, test, log)
    out = _levels(train.values, train.layer, test.layer)
    if train.class_code is None or test.class_code is None:
        return out
    for layer in np.unique(test.layer):
        rows, asked = np.flatnonzero(train.layer == layer), np.flatnonzero(test.layer == layer)
        if len(rows) < FEWEST_ROWS:
            continue
        classes, code = np.unique(train.class_code[rows], return_inverse=True)
        values = train.values[rows] - train.values[rows].mean()
        fit = fit_random_intercept(np.ones((len(rows), 1)), values, code.astype(np.int64))
        n = np.bincount(code)
        weight = fit.between * n / (fit.within + fit.between * n) if fit.between > 0 else np.zeros(len(n))
        shift = pd.Series(weight * np.bincount(code, weights=values) / n, index=classes)
        out[asked] += shift.reindex(test.class_code[asked]).fillna(0.0).to_numpy()
    return out


@LINEAR_ALGEBRA.wrap(limits=1, user_api="blas")
def linear(train: Rows, test: Rows, *, log: bool, seed: int) -> Floats:
    """Ridge regression with a level for each layer and slopes that change with the logarithm of depth.

    The levels are not penalised. Logarithms come back by smearing (:func:`edaphic.validate.linear.smearing`), layer by layer.
    """
    _check(train, test, log)
    trend = _fit_trend(train, log=log, seed=seed)
    out = trend.predict(test)
    if not log:
        return _not_below(out, train)
    return np.asarray(np.exp(out) * trend.factors(test))


@LINEAR_ALGEBRA.wrap(limits=1, user_api="blas")
def random_effects(train: Rows, test: Rows, *, log: bool, seed: int) -> Floats:
    """Linear mixed model with a random intercept by class, or by profile where there are no classes, fitted by REML.

    Fixed effects are a level for each layer and the leading principal components of the same columns as in :func:`linear`, at most
    one for five profiles: with few columns that is the full model, and with more columns than rows it still exists. A group that
    training never saw has the effect zero. Logarithms come back as ``exp(fit + v / 2)`` times the smearing of the rest, v being the
    variance of the group's effect given the data.
    """
    _check(train, test, log)
    values = _on_scale(train, log)
    design = _Design.of(train)
    x, inside = design.columns(train), design.columns(test)
    centre, axes = principal_components(x, len(np.unique(train.profile)) // PROFILES_PER_COMPONENT)
    layers = design.layers
    if len(train.values) - len(layers) < 2:
        layers = layers[:0]
    axes = axes[:, : max(0, len(train.values) - len(layers) - 2)]
    fixed = np.column_stack([_dummies(train.layer, train.layer, layers), (x - centre) @ axes])
    asked = np.column_stack([_dummies(train.layer, test.layer, layers), (inside - centre) @ axes])
    by_class = train.class_code is not None and test.class_code is not None and len(np.unique(train.class_code)) > 1
    group, wanted = (train.class_code, test.class_code) if by_class else (train.profile, test.profile)
    groups, code = np.unique(np.asarray(group), return_inverse=True)
    fit = fit_random_intercept(fixed, values, code.astype(np.int64))
    effect = pd.Series(fit.effects, index=groups)
    out = asked @ fit.beta + effect.reindex(np.asarray(wanted)).fillna(0.0).to_numpy()
    out = np.clip(out, *_range(values))
    if not log:
        return _not_below(out, train)
    rest = values - fixed @ fit.beta - fit.effects[code]
    unknown = pd.Series(fit.between * fit.within / (fit.within + fit.between * np.bincount(code)), index=groups)
    variance = unknown.reindex(np.asarray(wanted)).fillna(fit.between).to_numpy()
    lost = len(rest) * max(0.0, 1 - float(np.mean(rest**2)) / fit.within)
    level = fixed[:, : max(1, len(layers))] @ fit.beta[: max(1, len(layers))]
    return np.asarray(np.exp(out + variance / 2) * _factors(rest, level, train.layer, test.layer, lost))


@LINEAR_ALGEBRA.wrap(limits=1, user_api="blas")
def regression_kriging(train: Rows, test: Rows, *, log: bool, seed: int) -> Floats:
    """The trend of :func:`linear` plus ordinary kriging of its residuals, layer by layer, from the 50 nearest places.

    A layer with fewer than 30 places, or whose residuals show no correlation, keeps the trend. Logarithms come back by smearing with the
    kriging variance: ``exp(m) * mean(exp(s z))``, m and s being the prediction and its kriging standard deviation there, and z the
    errors of up to 1,000 training places predicted from the others, divided by theirs. For normal errors and a true variogram that
    is the lognormal ``exp(m + s**2 / 2)``; otherwise z makes good for tails and for a variogram that promises too much.
    """
    _check(train, test, log)
    trend = _fit_trend(train, log=log, seed=seed)
    out = trend.predict(test)
    factor = trend.factors(test) if log else np.ones(len(out))
    for layer in np.unique(test.layer):
        rows, asked = np.flatnonzero(train.layer == layer), np.flatnonzero(test.layer == layer)
        if len(np.unique(np.column_stack([train.lon[rows], train.lat[rows]]), axis=0)) < FEWEST_PLACES:
            continue
        left = trend.residuals[rows]
        variogram = fit_variogram(empirical_variogram(train.lon[rows], train.lat[rows], left, estimator="cressie"), KRIGED_MODELS)
        if variogram.model == NUGGET or variogram.partial_sill <= 0:
            continue
        places = gather(train.lon[rows], train.lat[rows], left)
        at = EARTH_RADIUS_M * unit_vectors(test.lon[asked], test.lat[asked])
        mean, variance = ordinary_kriging(places, variogram, at)
        out[asked] += mean
        if log:
            factor[asked] = _kriged_factor(places, left, variogram, variance, seed)
    return np.asarray(np.exp(out) * factor) if log else _not_below(out, train)


def notes_of(train: Rows, test: Rows) -> list[str]:
    """What the baselines will assume for these rows, one line for each rule that comes into play."""
    notes = []
    for layer in np.setdiff1d(test.layer, train.layer):
        notes.append(f"baselines: layer {layer} has no training row; the overall mean is its level")
    if train.class_code is None or test.class_code is None:
        notes.append("baselines: no classes; the class mean is the layer mean, and random effects go by profile")
    else:
        unseen = np.setdiff1d(test.class_code, train.class_code)
        if len(unseen):
            notes.append(f"baselines: {len(unseen)} classes without training rows take the layer mean and a random effect of zero")
    spread = _spread(train)
    dropped = [name for name, width in zip(train.names, spread, strict=True) if not width > 0]
    if dropped:
        some = ", ".join(dropped[:5]) + (" ..." if len(dropped) > 5 else "")
        notes.append(f"baselines: {len(dropped)} features constant in training are dropped: {some}")
    gaps = int(np.sum(~np.isfinite(train.features)) + np.sum(~np.isfinite(test.features)))
    if gaps:
        notes.append(f"baselines: {gaps} feature values that are not finite take the training mean")
    if len(np.unique(train.values)) == 1:
        notes.append("baselines: the target is constant; all baselines predict it")
    for layer in np.intersect1d(test.layer, train.layer):
        rows = train.layer == layer
        number = len(np.unique(np.column_stack([train.lon[rows], train.lat[rows]]), axis=0))
        if number < FEWEST_PLACES:
            notes.append(f"baselines: layer {layer} has {number} places; below {FEWEST_PLACES} its residuals are not kriged")
    return notes


@dataclass(frozen=True)
class _Design:
    """Columns of the linear models, as the training rows make them."""

    keep: NDArray[np.bool_]
    centre: Floats
    scale: Floats
    depth: tuple[float, float]
    layers: Ints

    @staticmethod
    def of(train: Rows) -> _Design:
        keep = _spread(train) > 0
        x = np.where(np.isfinite(train.features), train.features, np.nan)[:, keep].astype(np.float64)
        depth = _log_depth(train)
        spread = float(depth.std()) if np.ptp(depth) > 1e-9 else 0.0
        return _Design(keep, np.nanmean(x, axis=0), np.nanstd(x, axis=0), (float(depth.mean()), spread), np.unique(train.layer))

    def columns(self, rows: Rows) -> Floats:
        """Standardised features, and the same times standardised depth where depths differ."""
        x = (rows.features[:, self.keep].astype(np.float64) - self.centre) / self.scale
        x = np.where(np.isfinite(x), x, 0.0)
        if self.depth[1] == 0:
            return x
        return np.column_stack([x, x * ((_log_depth(rows) - self.depth[0]) / self.depth[1])[:, None]])


@dataclass(frozen=True)
class _Trend:
    """A fitted ridge regression with a level for each layer."""

    design: _Design
    ridge: Ridge
    train: Rows
    values: Floats
    columns: Floats
    residuals: Floats

    def predict(self, test: Rows) -> Floats:
        """Predictions on the scale of the fit, within its widened range."""
        level = _levels(self.values, self.train.layer, test.layer)
        centre = _column_levels(self.columns, self.train.layer, test.layer)
        return np.asarray(np.clip(level + self.ridge.predict(self.design.columns(test) - centre), *_range(self.values)))

    def factors(self, test: Rows) -> Floats:
        """From the exponential of a predicted logarithm to a mean."""
        level = _levels(self.values, self.train.layer, self.train.layer)
        return _factors(self.residuals, level, self.train.layer, test.layer, self.ridge.degrees_of_freedom)


def _fit_trend(train: Rows, *, log: bool, seed: int) -> _Trend:
    """Levels of the layers leave the model by centring values and columns within each layer."""
    values = _on_scale(train, log)
    design = _Design.of(train)
    columns = design.columns(train)
    profiles, profile = np.unique(train.profile, return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(len(profiles)) % FOLDS)[profile]
    level = _levels(values, train.layer, train.layer)
    centred = columns - _column_levels(columns, train.layer, train.layer)
    ridge = fit_ridge(centred, values - level, fold.astype(np.int64))
    return _Trend(design, ridge, train, values, columns, values - level - ridge.predict(centred))


def _kriged_factor(places: Places, left: Floats, variogram: Variogram, variance: Floats, seed: int) -> Floats:
    """``mean(exp(s z))`` for each predicted row, through a table over s: it is a smooth curve."""
    n = len(places.mean)
    chosen = np.sort(np.random.default_rng(seed).permutation(n)[:MOST_LEFT_OUT])
    mean, known = leave_out(places, variogram, chosen)
    where = np.full(n, -1)
    where[chosen] = np.arange(len(chosen))
    row = where[places.of_row]
    used = row >= 0
    z = (left[used] - mean[row[used]]) / np.sqrt(known[row[used]])
    s = np.sqrt(variance)
    grid = np.linspace(0.0, float(s.max()), 65)
    curve = np.log([np.mean(np.exp(g * z)) for g in grid])
    return np.asarray(np.exp(np.interp(s, grid, curve)))


def _levels(values: Floats, layer: Ints, asked: Ints) -> Floats:
    """Mean of each layer at the rows asked for; the overall mean for a layer without rows."""
    return np.asarray(_column_levels(values[:, None], layer, asked)[:, 0])


def _column_levels(columns: Floats, layer: Ints, asked: Ints) -> Floats:
    out: Floats = np.tile(columns.mean(axis=0), (len(asked), 1))
    for code in np.unique(asked):
        rows = layer == code
        if rows.any():
            out[asked == code] = columns[rows].mean(axis=0)
    return out


def _factors(residuals: Floats, level: Floats, layer: Ints, asked: Ints, degrees_of_freedom: float) -> Floats:
    """Smearing factor of the layer of each row asked for; around the overall level, levels scatter as well."""
    share = degrees_of_freedom / len(residuals)
    out = np.full(len(asked), smearing(residuals, degrees_of_freedom))
    for code in np.unique(asked):
        rows = layer == code
        if not rows.any():
            out[asked == code] = smearing(residuals + level - level.mean(), degrees_of_freedom)
        elif rows.sum() >= FEWEST_FOR_OWN_FACTOR:
            out[asked == code] = smearing(residuals[rows], share * rows.sum())
    return out


def _dummies(layer: Ints, asked: Ints, layers: Ints) -> Floats:
    """One column per layer; a layer that is none of them has the training rows' shares (a column of ones where there are no layers)."""
    if len(layers) == 0:
        return np.ones((len(asked), 1))
    out: Floats = (asked[:, None] == layers).astype(np.float64)
    out[~out.any(axis=1)] = np.mean(layer[:, None] == layers, axis=0)
    return out


def _log_depth(rows: Rows) -> Floats:
    return np.asarray(np.log1p(np.maximum(rows.depth_cm.astype(np.float64).mean(axis=1), 0.0)))


def _on_scale(train: Rows, log: bool) -> Floats:
    values = train.values.astype(np.float64)
    return np.log(values) if log else values


def _range(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return low - MARGIN * (high - low), high + MARGIN * (high - low)


def _not_below(out: Floats, train: Rows) -> Floats:
    """Amounts stay amounts: not below zero where no training value is."""
    return np.asarray(np.maximum(out, 0.0)) if train.values.min() >= 0 else out


def _spread(train: Rows) -> Floats:
    """Largest minus smallest finite value of each feature; 0 without any."""
    finite = np.isfinite(train.features)
    x = train.features.astype(np.float64)
    high = np.max(np.where(finite, x, -np.inf), axis=0, initial=-np.inf)
    low = np.min(np.where(finite, x, np.inf), axis=0, initial=np.inf)
    return np.asarray(np.where(finite.any(axis=0), high - np.where(np.isfinite(low), low, 0.0), 0.0))


def _check(train: Rows, test: Rows, log: bool) -> None:
    faults = []
    for what, rows in (("training", train), ("test", test)):
        n = len(rows.values)
        sizes = {len(a) for a in (rows.features, rows.layer, rows.depth_cm, rows.lon, rows.lat, rows.profile)}
        if sizes != {n} or (rows.class_code is not None and len(rows.class_code) != n) or rows.features.shape[1:] != (len(rows.names),):
            faults.append(f"baselines: {what} rows: arrays of different lengths; expected one element per row and one name per feature")
        for name, array in (("lon", rows.lon), ("lat", rows.lat), ("depth_cm", rows.depth_cm)):
            if not np.all(np.isfinite(array)):
                faults.append(f"baselines: {what} rows: {int(np.sum(~np.isfinite(array)))} {name} not finite; expected numbers")
    if train.names != test.names:
        faults.append("baselines: training and test rows have different features; expected the same names in the same order")
    if len(train.values) < FEWEST_ROWS:
        faults.append(f"baselines: {len(train.values)} training rows; expected at least {FEWEST_ROWS}")
    bad = int(np.sum(~np.isfinite(train.values)))
    if bad:
        faults.append(f"baselines: {bad} of {len(train.values)} training values not finite; expected numbers")
    elif log and np.any(train.values <= 0):
        faults.append(f"baselines: {int(np.sum(train.values <= 0))} training values not above 0; expected positive values for logarithms")
    if faults:
        raise ModelError(faults)


Baseline = Callable[..., Floats]

BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "layer_mean": layer_mean,
        "class_mean": class_mean,
        "linear": linear,
        "random_effects": random_effects,
        "regression_kriging": regression_kriging,
    }
)
"""``(train, test, *, log, seed) -> float64 (n_test,)`` by name."""
