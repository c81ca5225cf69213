"""Covariates as the forest sees them: screened for correlation, classes encoded, depth appended.

Nothing here looks at the target, so screening and encoding cannot leak it into a validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError

DEPTH_FEATURES = ("top_cm", "bottom_cm")


@dataclass(frozen=True)
class Encoder:
    """How named covariates become the columns of a forest.

    Continuous covariates keep their value; a class covariate becomes one column of zeros and ones for each class that the
    training profiles hold. A class that was not seen in training is zero in all of them.

    Attributes
    ----------
    covariates : tuple of str
        Covariates in the order in which arrays are given to :meth:`transform`.
    classes : tuple of (str, tuple of int)
        Class covariates and their codes, in ascending order.
    depth : bool
        Whether the upper and lower depth of the layer are the last two columns.
    """

    covariates: tuple[str, ...]
    classes: tuple[tuple[str, tuple[int, ...]], ...]
    depth: bool

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns: ``elevation``, ``land_cover=40``, ``top_cm``."""
        return tuple(name for name, _ in self._columns()) + (DEPTH_FEATURES if self.depth else ())

    @property
    def sources(self) -> tuple[str, ...]:
        """For each column the covariate that it comes from (``land_cover`` for ``land_cover=40``)."""
        return tuple(source for _, source in self._columns()) + (DEPTH_FEATURES if self.depth else ())

    def _columns(self) -> list[tuple[str, str]]:
        codes = dict(self.classes)
        return [
            (f"{name}={code}" if name in codes else name, name)
            for name in self.covariates
            for code in codes.get(name, (0,))
        ]

    def transform(self, values: NDArray[np.floating], layer: tuple[float, float] | None = None) -> NDArray[np.float32]:
        """Rows of covariates to rows of features.

        Parameters
        ----------
        values : array (n, number of covariates)
            Covariates in the order of ``covariates``; no NaN.
        layer : (top_cm, bottom_cm), optional
            Depths that fill the last two columns; needed where ``depth`` is true, unless they are filled later.

        Returns
        -------
        array of float32 (n, number of features)
        """
        codes = dict(self.classes)
        out = np.empty((len(values), len(self.features)), dtype=np.float32)
        column = 0
        for position, name in enumerate(self.covariates):
            if name in codes:
                for code in codes[name]:
                    out[:, column] = values[:, position] == code
                    column += 1
            else:
                out[:, column] = values[:, position]
                column += 1
        if self.depth:
            out[:, column:] = np.nan if layer is None else layer
        return out

    def unseen(self, values: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Rows that hold a class which no training profile had; shape (n,)."""
        out = np.zeros(len(values), dtype=bool)
        for name, codes in self.classes:
            out |= ~np.isin(values[:, self.covariates.index(name)], codes)
        return out


def make_encoder(points: pd.DataFrame, kinds: Mapping[str, str], *, depth: bool) -> Encoder:
    """Learn the classes of class covariates from the training profiles.

    Parameters
    ----------
    points : DataFrame
        One row per profile, one column per covariate, no NaN.
    kinds : mapping
        ``continuous`` or ``class`` for each column.
    depth : bool
        Whether a layer's depths are predictors too (the three-dimensional form).

    Examples
    --------
    >>> points = pd.DataFrame({"slope": [1.0, 2.0], "rock": [7.0, 3.0]})
    >>> make_encoder(points, {"slope": "continuous", "rock": "class"}, depth=True).features
    ('slope', 'rock=3', 'rock=7', 'top_cm', 'bottom_cm')
    """
    classes = tuple(
        (name, tuple(int(code) for code in np.unique(points[name].to_numpy())))
        for name in points.columns
        if kinds[name] == "class"
    )
    return Encoder(tuple(points.columns), classes, depth)


def screen_correlation(points: pd.DataFrame, kinds: Mapping[str, str], limit: float) -> pd.DataFrame:
    """Drop covariates that carry what another already carries.

    Constant covariates go first. Then, as long as two continuous covariates have |r| above the limit, of the pair with the
    largest |r| the one with the larger mean |r| to all that remain goes (at a tie, the later one). Class covariates
    stay, unless constant.

    Parameters
    ----------
    points : DataFrame
        One row per profile, one column per covariate, no NaN.
    kinds : mapping
        ``continuous`` or ``class`` for each column.
    limit : float
        Largest absolute Pearson correlation that two kept covariates may have; 1 keeps all that are not constant.

    Returns
    -------
    DataFrame
        One row per covariate in its order: ``feature``, ``kept``, ``reason``, ``correlated_with``, ``r``.

    Examples
    --------
    >>> points = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [2.0, 4, 6, 8.1], "c": [1.0, -1, 1, -1], "d": [5.0, 5, 5, 5]})
    >>> table = screen_correlation(points, dict.fromkeys("abcd", "continuous"), 0.95)
    >>> table.loc[table["kept"], "feature"].tolist()
    ['a', 'c']
    """
    names = list(points.columns)
    values = points.to_numpy(dtype=np.float64)
    constant = np.ptp(values, axis=0) == 0
    dropped: dict[str, tuple[str, str, float]] = {
        name: ("the same value at all profiles", "", np.nan) for name, flat in zip(names, constant, strict=True) if flat
    }
    numeric = [i for i, name in enumerate(names) if kinds[name] == "continuous" and not constant[i]]
    if len(numeric) > 1:
        r = np.abs(np.corrcoef(values[:, numeric], rowvar=False))
        np.fill_diagonal(r, 0.0)
        alive = np.ones(len(numeric), dtype=bool)
        while True:
            live = np.where(alive[:, None] & alive[None, :], r, 0.0)
            first, second = np.unravel_index(np.argmax(live), live.shape)
            if live[first, second] <= limit:
                break
            goes, stays = (first, second) if live[first].sum() > live[second].sum() else (second, first)
            dropped[names[numeric[goes]]] = (f"|r| above {limit:g}", names[numeric[stays]], float(live[first, second]))
            alive[goes] = False
    rows = [(name, name not in dropped, *dropped.get(name, ("kept", "", np.nan))) for name in names]
    table = pd.DataFrame(rows, columns=["feature", "kept", "reason", "correlated_with", "r"])
    if not table["kept"].any():
        raise ModelError(f"covariates: none of {len(names)} varies between the profiles; expected at least one that does")
    return table


def design_matrix(
    encoder: Encoder, points: pd.DataFrame, profile_ids: Sequence[str], layers: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Features of training rows.

    Parameters
    ----------
    encoder : Encoder
    points : DataFrame
        Covariates by profile, indexed by ``profile_id``.
    profile_ids : sequence of str, length n
        Profile of each row.
    layers : array (n, 2)
        ``top_cm`` and ``bottom_cm`` of each row.

    Returns
    -------
    array of float32 (n, number of features)
    """
    values = points.loc[list(profile_ids), list(encoder.covariates)].to_numpy(dtype=np.float64)
    out = encoder.transform(values)
    if encoder.depth:
        out[:, -2:] = layers
    return out
