"""Random-effects regression beside the forest: fixed effects with standard errors, variances, predictions on the same folds.

y = X b + u[group] + e, u ~ N(0, between), e ~ N(0, within), by restricted maximum likelihood over the ratio of the two variances
(:func:`edaphic.validate.linear.fit_random_intercept`). :mod:`edaphic.validate.baselines` scores a mixed model with penalised effects in
every run; this one has coefficients that can be read, and no penalty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from threadpoolctl import ThreadpoolController

from edaphic.errors import ModelError
from edaphic.validate.linear import fit_random_intercept

Array = NDArray[np.float64]
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]
INTERCEPT = "intercept"
ALIAS = 1e-8
"""Share of a column's length below which nothing of it is left beside the columns before it."""
LINEAR_ALGEBRA = ThreadpoolController()


@dataclass(frozen=True)
class Mixed:
    """A fitted random-intercept regression.

    ``effects``: ``term``, ``estimate``, ``se``, ``z``, ``p`` (of a normal z), ``low``, ``high`` (95 %), in units of the value by unit of
    the column; ``between``, ``within``: variances; ``groups``: effect of each group; ``icc``: between / (between + within);
    ``r2_marginal``, ``r2_conditional``: share of the variance that the fixed effects, and both, stand for (Nakagawa and Schielzeth 2013,
    Methods in Ecology and Evolution 4, 133-142); ``notes``.
    """

    names: tuple[str, ...]
    effects: pd.DataFrame
    between: float
    within: float
    groups: pd.Series
    icc: float
    r2_marginal: float
    r2_conditional: float
    log_likelihood: float
    notes: tuple[str, ...]

    def predict(self, columns: pd.DataFrame, group: ArrayLike | None = None) -> Array:
        """Predictions (n,): of the population, or with the effects of groups that were in the training (0 for others)."""
        beta = self.effects.set_index("term")["estimate"]
        out = np.full(len(columns), float(beta[INTERCEPT]))
        for name in self.names:
            out += columns[name].to_numpy(dtype=np.float64) * float(beta[name])
        if group is not None:
            out += pd.Series(np.asarray(group)).map(self.groups).fillna(0.0).to_numpy(dtype=np.float64)
        return out


def fit(columns: pd.DataFrame, values: ArrayLike, group: ArrayLike) -> Mixed:
    """Fit a linear regression with one random intercept.

    Parameters
    ----------
    columns : DataFrame (n, p)
        Fixed effects without the intercept; finite numbers.
    values : array_like (n,)
    group : array_like (n,)
        Such as the profile, the study or the class.

    Returns
    -------
    Mixed
        Columns that are constant, or a combination of those before them, are left out with a note.

    Raises
    ------
    ModelError
        Values that are not finite; lengths that differ; no more rows than effects; a constant target.

    Examples
    --------
    Balanced, two groups of two: means 1 and 5, so the mean is 3 with variance (7 + 2 / 2) / 2 = 4.

    >>> found = fit(pd.DataFrame(index=range(4)), [0.0, 2.0, 4.0, 6.0], ["a", "a", "b", "b"])
    >>> round(found.between, 4), round(found.within, 4), found.effects[["estimate", "se"]].round(4).to_numpy().tolist()
    (7.0, 2.0, [[3.0, 2.0]])
    """
    with LINEAR_ALGEBRA.limit(limits=1):
        return _fit(columns, np.asarray(values, dtype=np.float64), np.asarray(group))


def fit_folds(columns: pd.DataFrame, values: ArrayLike, group: ArrayLike, folds: Sequence[Fold]) -> pd.DataFrame:
    """Predict the held-out rows of each fold by a model of its other rows.

    Returns
    -------
    DataFrame
        ``row``, ``fold``, ``observed``, ``predicted`` (of the population), ``predicted_group`` (with the effects of groups that the
        training rows hold; the same where a design holds whole groups back).
    """
    target, groups = np.asarray(values, dtype=np.float64), np.asarray(group)
    parts = []
    for number, (inside, outside) in enumerate(folds):
        model = fit(columns.iloc[inside], target[inside], groups[inside])
        rows = columns.iloc[outside]
        parts.append(
            pd.DataFrame(
                {
                    "row": outside, "fold": number, "observed": target[outside], "predicted": model.predict(rows),
                    "predicted_group": model.predict(rows, groups[outside]),
                }
            )
        )  # fmt: skip
    if not parts:
        raise ModelError("mixed model: no folds; expected at least one pair of training and test rows")
    return pd.concat(parts, ignore_index=True)


def _fit(columns: pd.DataFrame, values: Array, group: NDArray[np.generic]) -> Mixed:
    own = columns.to_numpy(dtype=np.float64)
    n = len(values)
    if len(own) != n or len(group) != n or values.ndim != 1:
        raise ModelError(f"mixed model: {len(own)} rows of columns, {values.shape} values, {len(group)} groups; expected one of each")
    faults = [f"mixed model: column '{name}' is not finite in some rows; expected numbers" for name in columns if not np.isfinite(
        columns[name].to_numpy(dtype=np.float64)).all()]  # fmt: skip
    if not np.isfinite(values).all() or pd.isna(group).any():
        faults.append("mixed model: a value or a group is missing; expected one for each row")
    elif n < 3 or np.ptp(values) == 0:
        faults.append(f"mixed model: {n} rows whose values span {np.ptp(values) if n else 0:g}; expected at least three that differ")
    if faults:
        raise ModelError(faults)
    centre, scale = own.mean(axis=0), own.std(axis=0)
    kept, notes = _independent((own - centre) / np.where(scale > 0, scale, 1.0), tuple(map(str, columns.columns)))
    if len(kept) + 1 >= n:
        raise ModelError(f"mixed model: {len(kept) + 1} effects for {n} rows; expected more rows than effects")
    codes, named = pd.factorize(group)
    x = np.column_stack([np.ones(n), (own[:, kept] - centre[kept]) / scale[kept]])
    found = fit_random_intercept(x, values, codes.astype(np.int64))
    if len(named) == n or len(named) == 1:
        notes.append(f"mixed model: {len(named)} groups of {n} rows; the variance between groups cannot be told and is 0")
    covariance = _covariance(x, codes.astype(np.int64), found.between, found.within)
    names = tuple(str(columns.columns[i]) for i in kept)
    back = _back(centre[kept], scale[kept])
    effects = _effects((INTERCEPT, *names), back @ found.beta, back @ covariance @ back.T)
    fixed = float(np.var(x @ found.beta))
    whole = fixed + found.between + found.within
    return Mixed(
        names, effects, found.between, found.within, pd.Series(found.effects, index=named), found.between / (found.between + found.within),
        fixed / whole, (fixed + found.between) / whole, found.log_likelihood, tuple(notes),
    )  # fmt: skip


def _independent(columns: Array, names: tuple[str, ...]) -> tuple[list[int], list[str]]:
    """Columns that say something beside the intercept and those before them."""
    basis: list[Array] = []
    kept, notes = [], []
    length = np.sqrt(len(columns))
    for i, name in enumerate(names):
        left = columns[:, i].copy()
        for _ in range(2):
            for other in basis:
                left -= (other @ left) * other
        size = float(np.linalg.norm(left))
        if size <= ALIAS * length:
            notes.append(f"mixed model: column '{name}' is constant or a combination of those before it, left out")
            continue
        basis.append(left / size)
        kept.append(i)
    return kept, notes


def _covariance(x: Array, codes: NDArray[np.int64], between: float, within: float) -> Array:
    """(X' V^-1 X)^-1 with V^-1 = (I - g / (1 + g n_j) 1 1') / within in each group, g being between / within."""
    sizes = np.bincount(codes).astype(np.float64)
    sums = np.zeros((len(sizes), x.shape[1]))
    np.add.at(sums, codes, x)
    ratio = between / within
    inner = x.T @ x - sums.T @ (sums * (ratio / (1 + ratio * sizes))[:, None])
    return np.asarray(np.linalg.inv(inner) * within)


def _back(centre: Array, scale: Array) -> Array:
    """Matrix from coefficients of standardised columns to those of the columns as they are."""
    out = np.diag(np.concatenate([[1.0], 1 / scale]))
    out[0, 1:] = -centre / scale
    return out


def _effects(names: tuple[str, ...], beta: Array, covariance: Array) -> pd.DataFrame:
    se = np.sqrt(np.diag(covariance))
    z = beta / se
    half = norm.ppf(0.975) * se
    return pd.DataFrame(
        {"term": names, "estimate": beta, "se": se, "z": z, "p": 2 * norm.sf(np.abs(z)), "low": beta - half, "high": beta + half}
    )
