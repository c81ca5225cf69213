"""Which covariates may be predictors at all: constants, copies, collinear ones, and functions of the target.

The screens by correlation and by variance inflation look at the covariates of the training profiles, never at the target. Each
answers with a table that names every covariate, and why it went or stayed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from edaphic.errors import ModelError
from edaphic.model.features import faults_of_kinds

FLAT = 1e-12
"""A covariate whose range is this small beside its largest size is constant but for rounding."""
DEPENDENT = 1e-7
"""Columns of length 1 whose combination is shorter than this are exactly collinear (a VIF of about 1e14)."""
INVOLVED = 1e-6
"""Share of a column in a collinear combination above which it is part of it."""
TIED = 1e-8
"""Factors that differ by a smaller share are equal but for rounding."""
UPDATED = 1e4
"""Largest VIF up to which factors are updated when a column goes: 200 updates then lose less than 1e-9."""


def screen_correlation(
    points: pd.DataFrame, kinds: Mapping[str, str], limit: float, protected: Sequence[str] = ()
) -> pd.DataFrame:
    """Drop covariates that carry what another already carries.

    Constant covariates go first. Then, as long as two continuous covariates have \\|r\\| above the limit, of the pair with the
    largest \\|r\\| the one with the larger mean \\|r\\| to all that remain goes (at a tie, the later one). Protected covariates never
    go: of a pair with one of them the other goes, and two protected ones both stay, with a note in ``reason``. Class covariates
    stay, unless constant. Correlations are compared at twelve decimals, so that ties do not depend on rounding.

    Parameters
    ----------
    points : DataFrame
        One row per profile, one column per covariate, no NaN.
    kinds : mapping
        ``continuous`` or ``class`` for each column.
    limit : float
        Largest absolute Pearson correlation that two kept covariates may have; 1 keeps all that are not constant.
    protected : sequence of str
        Covariates that stay whatever their correlation.

    Returns
    -------
    DataFrame
        One row per covariate in its order: ``feature``, ``kept``, ``reason``, ``correlated_with``, ``r`` (absolute).

    Raises
    ------
    ModelError
        NaN or infinity, a protected name that is no covariate, a limit that is no correlation, or no covariate that varies.

    Examples
    --------
    >>> points = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [2.0, 4, 6, 8.1], "c": [1.0, -1, 1, -1], "d": [5.0, 5, 5, 5]})
    >>> kinds = dict.fromkeys("abcd", "continuous")
    >>> table = screen_correlation(points, kinds, 0.95)
    >>> table.loc[table["kept"], "feature"].tolist()
    ['a', 'c']
    >>> table = screen_correlation(points, kinds, 0.95, protected=["b"])
    >>> table.loc[table["kept"], "feature"].tolist()
    ['b', 'c']
    """
    odd = [] if 0 < limit <= 1 else [f"correlation: limit {limit:g}; expected above 0, at most 1"]
    values, constant = _checked(points, protected, [*odd, *faults_of_kinds(points, kinds)])
    names = list(points.columns)
    safe = np.isin(names, list(protected))
    told: dict[str, tuple[str, str, float]] = {
        name: (_constant(kept), "", np.nan) for name, flat, kept in zip(names, constant, safe, strict=True) if flat
    }
    gone = constant & ~safe
    numeric = np.flatnonzero([kinds[name] == "continuous" for name in names] & ~constant)
    unit = _unit_columns(values[:, numeric])
    r = np.round(np.abs(np.clip(unit.T @ unit, -1.0, 1.0)), 12)
    np.fill_diagonal(r, 0.0)
    pairs, largest = r.copy(), r.max(axis=1, initial=0.0)
    while len(numeric) > 1:
        first = int(np.argmax(largest))
        second = int(np.argmax(pairs[first]))
        if largest[first] <= limit:
            break
        a, b = numeric[first], numeric[second]
        if safe[a] and safe[b]:
            told[names[b]] = (f"kept: protected, though |r| is above {limit:g}", names[a], float(r[first, second]))
            pairs[first, second] = pairs[second, first] = 0.0
            largest[[first, second]] = pairs[[first, second]].max(axis=1)
            continue
        more = round(float(r[first].sum() - r[second].sum()), 9) > 0
        goes, stays = (first, second) if safe[b] or (more and not safe[a]) else (second, first)
        told[names[numeric[goes]]] = (f"|r| above {limit:g}", names[numeric[stays]], float(r[goes, stays]))
        gone[numeric[goes]] = True
        stale = (pairs[:, goes] >= largest) & (largest > limit)
        r[goes] = r[:, goes] = pairs[goes] = pairs[:, goes] = 0.0
        largest[stale] = pairs[stale].max(axis=1)
        largest[goes] = 0.0
    rows = [(name, not out, *told.get(name, ("kept", "", np.nan))) for name, out in zip(names, gone, strict=True)]
    return pd.DataFrame(rows, columns=["feature", "kept", "reason", "correlated_with", "r"])


def vif(points: pd.DataFrame) -> pd.Series:
    """Variance inflation factor of each column given all the others.

    1 / (1 - R2), with R2 of the regression of a column on the others (Marquardt 1970, Technometrics 12, 591-612): the diagonal of the
    inverse of the correlation matrix. It comes from a singular value decomposition of the standardised columns, which loses half as
    many digits as inverting that matrix.

    A single column has 1. A column that is a linear combination of others has infinity, and so has a constant one (of the
    intercept); columns that have no part in such a combination keep their own finite value. With fewer rows than columns every
    column is a combination of the others.

    Parameters
    ----------
    points : DataFrame (n, q)
        Numbers; no NaN.

    Returns
    -------
    Series (q,) of float64

    Examples
    --------
    With two columns, 1 / (1 - r^2): here r = 0.6.

    >>> vif(pd.DataFrame({"a": [-1.0, 1, -1, 1], "b": [-1.4, -0.2, 0.2, 1.4]})).round(6).tolist()
    [1.5625, 1.5625]
    """
    values, constant = _checked(points, (), [], varies=False)
    out = np.full(values.shape[1], np.inf)
    moving = np.flatnonzero(~constant)
    out[moving] = _System(_triangle(_unit_columns(values[:, moving]))).factors()
    return pd.Series(out, index=points.columns, name="vif")


def gvif(points: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Generalised variance inflation factors, where classes are among the covariates.

    A class with c codes is c - 1 columns of zeros and ones, and its factor is det(R11) det(R22) / det(R), with R the correlation
    matrix of all columns, R11 of its own and R22 of the rest (Fox and Monette 1992, Journal of the American Statistical Association 87,
    178-183). ``comparable`` = gvif^(1 / df) may be held against the same threshold as a VIF.

    Parameters
    ----------
    points : DataFrame
        One row per profile, one column per covariate, no NaN.
    kinds : mapping
        ``continuous`` or ``class`` for each column.

    Returns
    -------
    DataFrame
        ``feature``, ``gvif``, ``df``, ``comparable``; infinity where a covariate is constant or part of an exact combination.
    """
    values, _ = _checked(points, (), faults_of_kinds(points, kinds), varies=False)
    blocks = [
        _dummies(values[:, i]) if kinds[name] == "class" else values[:, [i]] for i, name in enumerate(points.columns)
    ]
    columns = np.hstack(blocks)
    owner = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
    moving = ~is_constant(columns)
    unit = _unit_columns(columns[:, moving])
    system = _System(_triangle(unit))
    inverse, involved = system.inverse(), system.involved
    correlation = unit.T @ unit
    rows = []
    for i, name in enumerate(points.columns):
        own = np.flatnonzero(owner[moving] == i)
        df = int((owner == i).sum())
        factor = np.inf
        if df and len(own) == df and not involved[own].any():
            factor = float(np.linalg.det(correlation[np.ix_(own, own)]) * np.linalg.det(inverse[np.ix_(own, own)]))
        rows.append((name, factor, df, factor ** (1 / df) if df else np.inf))
    return pd.DataFrame(rows, columns=["feature", "gvif", "df", "comparable"])


def eliminate_vif(
    points: pd.DataFrame, kinds: Mapping[str, str], threshold: float = 10.0, protected: Sequence[str] = ()
) -> pd.DataFrame:
    """Drop collinear covariates one by one, the worst first.

    All factors are computed; of the covariates that are not protected and have a VIF of at least the threshold, the one with the
    largest goes; and again, until none is left. A protected covariate never goes, even if its own VIF is the largest. Constants
    go before all others. Of covariates with the same VIF (two that only inflate each other), or an infinite one (exact
    combinations, or more covariates than rows), the last in the order of the columns goes: of exact copies the first stays. Class
    covariates stay and have no part in the factors (see :func:`gvif` for theirs), unless constant.

    Parameters
    ----------
    points : DataFrame
        One row per profile, one column per covariate, no NaN.
    kinds : mapping
        ``continuous`` or ``class`` for each column.
    threshold : float
        Above 1. Where covariates stand one by one, 10 is usual.
    protected : sequence of str
        Covariates that stay whatever their VIF.

    Returns
    -------
    DataFrame
        First those that went, in their order, then those that stay, in the order of the columns: ``step`` (from 1; 0 for those that
        stay), ``feature``, ``vif`` (when it went; at the end for those that stay; NaN for classes), ``kept``, ``reason``.

    Raises
    ------
    ModelError
        NaN or infinity, a protected name that is no covariate, a threshold of 1 or less, or no covariate that varies.

    Examples
    --------
    >>> points = pd.DataFrame({"a": [1.0, 2, 3, 5], "b": [2.0, 4, 6, 10], "c": [1.0, -1, 1, -1]})
    >>> table = eliminate_vif(points, dict.fromkeys("abc", "continuous"))
    >>> table[["step", "feature", "vif", "kept"]].to_numpy().tolist()[0]
    [1, 'b', inf, False]
    >>> table.loc[table["kept"], "feature"].tolist()
    ['a', 'c']
    """
    odd = [] if np.isfinite(threshold) and threshold > 1 else [f"vif: threshold {threshold:g}; expected a number above 1"]
    values, constant = _checked(points, protected, [*odd, *faults_of_kinds(points, kinds)])
    names = list(points.columns)
    safe = np.isin(names, list(protected))
    rows = [
        (step, names[i], np.inf, False, _constant(False)) for step, i in enumerate(np.flatnonzero(constant & ~safe), start=1)
    ]
    alive = np.flatnonzero([kinds[name] == "continuous" for name in names] & ~constant)
    system = _System(_triangle(_unit_columns(values[:, alive])))
    while len(alive):
        # Where some factor is infinite the finite ones need not be known.
        factors = np.where(system.involved, np.inf, 1.0)
        if not np.any(system.involved & ~safe[alive]):
            factors = system.factors()
        free = np.where(safe[alive], -np.inf, factors)
        # The last of the largest: of exact copies the first stays. The factors of two that only inflate each other are equal but for
        # rounding, which must not choose.
        worst = int(np.flatnonzero(free >= free.max() * (1 - TIED))[-1])
        if free[worst] < threshold:
            break
        rows.append((len(rows) + 1, names[alive[worst]], float(factors[worst]), False, f"VIF of at least {threshold:g}"))
        alive = np.delete(alive, worst)
        system.drop(worst)
    final = dict(zip(alive.tolist(), system.factors().tolist(), strict=True))
    gone = {row[1] for row in rows}
    for i, name in enumerate(names):
        if name not in gone:
            own = final.get(i, np.inf if kinds[name] == "continuous" else np.nan)
            rows.append((0, name, own, True, _reason_kept(bool(constant[i]), own, threshold, kinds[name])))
    return pd.DataFrame(rows, columns=["step", "feature", "vif", "kept", "reason"])


def _reason_kept(constant: bool, factor: float, threshold: float, kind: str) -> str:
    if constant:
        return _constant(True)
    if kind == "class":
        return "kept: a class"
    return f"kept: protected, though its VIF is at least {threshold:g}" if factor >= threshold else "kept"


def _constant(kept: bool) -> str:
    return "kept: protected, though the same value at all profiles" if kept else "the same value at all profiles"


def _checked(
    points: pd.DataFrame, protected: Sequence[str], faults: list[str], varies: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values and which columns are constant, or all that is wrong."""
    names = list(points.columns)
    known = ", ".join(names)
    faults = [*faults, *(f"protected: '{name}' is no covariate; expected one of {known}" for name in protected if name not in names)]
    text = [name for name, column in points.items() if not is_numeric_dtype(column)]
    words = [name for name in text if pd.to_numeric(points[name].astype(object), errors="coerce").isna().any()]
    faults += [f"covariate '{name}': holds words or gaps; expected numbers" for name in words]
    if words:
        raise ModelError(faults)
    values = points.to_numpy(dtype=np.float64, na_value=np.nan)
    if len(values) < 2:
        raise ModelError([*faults, f"covariates: {len(values)} profiles; expected at least 2"])
    lost = (~np.isfinite(values)).sum(axis=0)
    faults += [
        f"covariate '{name}': {count} of {len(values)} values are not finite; expected numbers"
        for name, count in zip(names, lost, strict=True)
        if count
    ]
    constant = is_constant(values)
    if varies and constant.all() and not lost.any():
        faults.append(f"covariates: none of {len(names)} varies between the profiles; expected at least one that does")
    if faults:
        raise ModelError(faults)
    return values, constant


def is_constant(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Columns whose values are the same but for rounding (:data:`FLAT`), shape (q,)."""
    low, high = values.min(axis=0), values.max(axis=0)
    # Halves first: the range of the largest numbers would overflow.
    constant: NDArray[np.bool_] = high / 2 - low / 2 <= FLAT * np.maximum(np.abs(low), np.abs(high)) / 2
    return constant


def _unit_columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns with mean 0 and length 1, whose products are the correlations. None may be constant."""
    scaled = values / np.maximum(np.abs(values).max(axis=0, initial=0.0), np.finfo(float).tiny)
    centred = scaled - scaled.mean(axis=0)
    centred /= np.abs(centred).max(axis=0, initial=0.0)
    unit: NDArray[np.float64] = centred / np.sqrt((centred**2).sum(axis=0))
    return unit


def _triangle(unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """A small matrix with the same products of columns: at most q rows instead of n."""
    if len(unit) <= unit.shape[1]:
        return unit
    return np.asarray(np.linalg.qr(unit, mode="r"))


class _System:
    """Correlations of columns, from which one after the other is taken away.

    What is known of them is the inverse of their correlation matrix and an orthonormal basis of their exact combinations. Both are
    updated when a column goes; the inverse is made anew where the update would lose digits.
    """

    def __init__(self, triangle: NDArray[np.float64]) -> None:
        self._triangle = triangle
        self._decompose()

    def _decompose(self) -> None:
        columns = self._triangle.shape[1]
        _, singular, vectors = np.linalg.svd(self._triangle, full_matrices=True)
        exact = np.concatenate([singular, np.zeros(columns - len(singular))]) < DEPENDENT
        scaled = vectors[~exact].T / singular[~exact[: len(singular)]]
        self._null: NDArray[np.float64] = vectors[exact]
        self._inverse: NDArray[np.float64] | None = scaled @ scaled.T

    @property
    def involved(self) -> NDArray[np.bool_]:
        """Which columns are part of an exact combination."""
        part: NDArray[np.bool_] = (self._null**2).sum(axis=0) > INVOLVED**2
        return part

    def inverse(self) -> NDArray[np.float64]:
        """Inverse of the correlation matrix; only the part of columns in no exact combination means anything."""
        if self._inverse is None:
            self._decompose()
        assert self._inverse is not None
        return self._inverse

    def factors(self) -> NDArray[np.float64]:
        """Diagonal of the inverse, infinite for the columns of exact combinations."""
        diagonal = np.diag(self.inverse())
        return np.where(self.involved, np.inf, np.maximum(diagonal, 1.0))

    def drop(self, column: int) -> None:
        """Take a column away."""
        self._triangle = np.delete(self._triangle, column, axis=1)
        if self.involved[column]:
            self._inverse = None
            self._null = _without(self._null, column)
            return
        own = self.inverse()
        finite = np.diag(own)[~self.involved]
        self._null = np.delete(self._null, column, axis=1)
        if finite.max() > UPDATED:
            self._inverse = None
            return
        less = own - own[:, [column]] * (own[[column], :] / own[column, column])
        self._inverse = np.delete(np.delete(less, column, axis=0), column, axis=1)


def _without(basis: NDArray[np.float64], column: int) -> NDArray[np.float64]:
    """Orthonormal basis of the combinations that do without one column: a reflection leaves it in the first alone."""
    mirror = basis[:, column].copy()
    mirror[0] += np.copysign(np.sqrt((mirror**2).sum()), mirror[0])
    turned = basis - np.outer(mirror, (mirror @ basis) * (2.0 / (mirror**2).sum()))
    return np.delete(turned[1:], column, axis=1)


def _dummies(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns of zeros and ones for all codes but the first; none for one code."""
    known = np.unique(codes)
    columns: NDArray[np.float64] = (codes[:, None] == known[None, 1:]).astype(np.float64)
    return columns
