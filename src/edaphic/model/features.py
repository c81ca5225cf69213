"""Covariates as the forest sees them: classes encoded, depth appended.

One-hot encoding does not look at the target. Ordered encoding does: it is learned from training rows only, so inside each training
fold of a validation. Screening is in :mod:`edaphic.model.screening`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError

DEPTH_FEATURES = ("top_cm", "bottom_cm")
ENCODINGS = ("onehot", "ordered")
LARGEST_CODE = 2**53
"""Whole numbers up to here are exact in float64, so that a code is found again."""


@dataclass(frozen=True)
class Encoder:
    """How named covariates become the columns of a forest.

    Continuous covariates keep their value. A class covariate becomes one column of zeros and ones for each class that the
    training profiles hold (one-hot; a class that was not seen in training is zero in all of them), or one column that holds
    the mean of the target in its class (ordered; a class that was not seen gets the overall mean).

    Attributes
    ----------
    covariates : tuple of str
        Covariates in the order in which arrays are given to :meth:`transform`.
    classes : tuple of (str, tuple of int)
        Class covariates and their codes, in ascending order.
    depth : bool
        Whether the upper and lower depth of the layer are the last two columns.
    means : tuple of (str, tuple of float)
        For ordered encoding: class covariates and the number that stands for each code, in the order of the codes. Empty for one-hot.
    overall : float
        For ordered encoding: what stands for a class that was not seen.
    """

    covariates: tuple[str, ...]
    classes: tuple[tuple[str, tuple[int, ...]], ...]
    depth: bool
    means: tuple[tuple[str, tuple[float, ...]], ...] = ()
    overall: float = 0.0

    @property
    def encoding(self) -> Literal["onehot", "ordered"]:
        """How classes are encoded; ``onehot`` also where there are none."""
        return "ordered" if self.means else "onehot"

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns: ``elevation``, ``land_cover=40``, ``top_cm``."""
        return tuple(name for name, _ in self._columns()) + (DEPTH_FEATURES if self.depth else ())

    @property
    def sources(self) -> tuple[str, ...]:
        """For each column the covariate that it comes from (``land_cover`` for ``land_cover=40``)."""
        return tuple(source for _, source in self._columns()) + (DEPTH_FEATURES if self.depth else ())

    def _columns(self) -> list[tuple[str, str]]:
        codes = {} if self.means else dict(self.classes)
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
        codes, means = dict(self.classes), dict(self.means)
        out = np.empty((len(values), len(self.features)), dtype=np.float32)
        column = 0
        for position, name in enumerate(self.covariates):
            if name in means:
                place, seen = _places(values[:, position], codes[name])
                out[:, column] = np.where(seen, np.asarray(means[name], dtype=np.float32)[place], np.float32(self.overall))
                column += 1
            elif name in codes:
                place, seen = _places(values[:, position], codes[name])
                out[:, column : column + len(codes[name])] = 0.0
                rows = np.flatnonzero(seen)
                out[rows, column + place[rows]] = 1.0
                column += len(codes[name])
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
            out |= ~_places(values[:, self.covariates.index(name)], codes)[1]
        return out

    def to_dict(self) -> dict[str, Any]:
        """The encoder as lists, text and numbers, for a JSON file.

        >>> encoder = Encoder(("slope", "rock"), (("rock", (3, 7)),), False, (("rock", (1.5, 2.0)),), 1.75)
        >>> Encoder.from_dict(encoder.to_dict()) == encoder
        True
        """
        return {
            "covariates": list(self.covariates),
            "classes": {name: list(codes) for name, codes in self.classes},
            "depth": self.depth,
            "means": {name: list(numbers) for name, numbers in self.means},
            "overall": self.overall,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Encoder:
        """The encoder that :meth:`to_dict` wrote.

        Raises
        ------
        ModelError
            A part is missing or does not fit the others.
        """
        try:
            encoder = cls(
                tuple(str(name) for name in document["covariates"]),
                tuple((str(name), tuple(int(code) for code in codes)) for name, codes in document["classes"].items()),
                bool(document["depth"]),
                tuple((str(name), tuple(float(x) for x in numbers)) for name, numbers in document.get("means", {}).items()),
                float(document.get("overall", 0.0)),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise ModelError(f"encoder: cannot be read ({fault!r}); expected what Encoder.to_dict writes") from fault
        codes = dict(encoder.classes)
        strange = [name for name in codes if name not in encoder.covariates]
        uneven = [name for name, numbers in encoder.means if len(numbers) != len(codes.get(name, ()))]
        if strange or uneven or (encoder.means and set(codes) != set(dict(encoder.means))):
            raise ModelError("encoder: classes, means and covariates do not fit each other; expected what Encoder.to_dict writes")
        return encoder


@dataclass(frozen=True)
class TargetMeans:
    """From what ordered encoding learns the mean of each class.

    The number that stands for class c is the weighted mean of its rows, shrunken to the overall mean m,

        (sum of w y in c + k m) / (sum of w in c + k),

    with weights w scaled to a mean of 1 and k = ``shrinkage`` (an m-estimate: Micci-Barreca 2001, SIGKDD Explorations 3(1),
    27-32). A class of few rows so gets a number near the overall mean, and a class of one row does not carry its own answer.

    Attributes
    ----------
    values : array (n,)
        Target of the training rows, on the scale on which the trees are grown.
    profile_ids : sequence of str, optional
        Profile of each row. Left out, there is one value for each row of ``points``, in its order.
    strata : array of int (n,), optional
        Layer of each row. Means are then of the differences from the mean of the layer (plus the overall mean), so that a class
        sampled in shallow layers only does not look rich for that reason.
    weights : array (n,), optional
        Above zero.
    shrinkage : float
        Rows that the overall mean counts for; 0 takes plain means.
    """

    values: NDArray[np.float64]
    profile_ids: Sequence[str] | None = None
    strata: NDArray[np.int64] | None = None
    weights: NDArray[np.float64] | None = None
    shrinkage: float = 10.0


def make_encoder(
    points: pd.DataFrame,
    kinds: Mapping[str, str],
    *,
    depth: bool,
    encoding: Literal["onehot", "ordered"] = "onehot",
    target_means: TargetMeans | None = None,
) -> Encoder:
    """Learn the classes of class covariates from the training profiles.

    Parameters
    ----------
    points : DataFrame
        One row per training profile (indexed by ``profile_id`` where ``target_means`` names profiles), one column per covariate, no NaN.
    kinds : mapping
        ``continuous`` or ``class`` for each column.
    depth : bool
        Whether a layer's depths are predictors too (the three-dimensional form).
    encoding : {"onehot", "ordered"}
    target_means : TargetMeans, optional
        Target of the training rows; needed for ordered encoding.

    Raises
    ------
    ModelError
        A class covariate holds NaN, infinity or numbers that are not whole; the values of ``target_means`` do not fit.

    Examples
    --------
    >>> points = pd.DataFrame({"slope": [1.0, 2.0], "rock": [7.0, 3.0]})
    >>> kinds = {"slope": "continuous", "rock": "class"}
    >>> make_encoder(points, kinds, depth=True).features
    ('slope', 'rock=3', 'rock=7', 'top_cm', 'bottom_cm')

    With k = 1 and an overall mean of 6, class 3 with its one value of 4 becomes (4 + 6) / 2 = 5, and class 7 becomes 7:

    >>> means = TargetMeans(np.array([8.0, 4.0]), shrinkage=1.0)
    >>> encoder = make_encoder(points, kinds, depth=False, encoding="ordered", target_means=means)
    >>> encoder.transform(np.array([[1.0, 3.0], [1.0, 7.0], [1.0, 99.0]])).tolist()
    [[1.0, 5.0], [1.0, 7.0], [1.0, 6.0]]
    """
    if encoding not in ENCODINGS:
        raise ModelError(f"encoding: {encoding!r}; expected one of {', '.join(ENCODINGS)}")
    faults = faults_of_kinds(points, kinds)
    if faults:
        raise ModelError(faults)
    named = [name for name in points.columns if kinds[name] == "class"]
    faults = [fault for name in named if (fault := _odd_codes(name, points[name]))]
    if faults:
        raise ModelError(faults)
    classes = tuple((name, tuple(int(code) for code in np.unique(points[name].to_numpy(dtype=np.float64)))) for name in named)
    if encoding == "onehot" or not named:
        return Encoder(tuple(points.columns), classes, depth)
    if target_means is None:
        raise ModelError("encoding: ordered classes need the target of the training rows (target_means); found none")
    means, overall = _class_means(points, classes, target_means)
    return Encoder(tuple(points.columns), classes, depth, means, overall)


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

    Raises
    ------
    ModelError
        A profile without covariates, or with two rows of them.
    """
    if faults := _faults_of_profiles(points, profile_ids):
        raise ModelError(faults)
    values = points.loc[list(profile_ids), list(encoder.covariates)].to_numpy(dtype=np.float64, na_value=np.nan)
    out = encoder.transform(values)
    if encoder.depth:
        out[:, -2:] = layers
    return out


def faults_of_kinds(points: pd.DataFrame, kinds: Mapping[str, str]) -> list[str]:
    """Covariates without a kind, of a kind that is none, or named twice."""
    faults = [f"covariate '{name}': stands twice; expected each once" for name in pd.unique(points.columns[points.columns.duplicated()])]
    for name in pd.unique(points.columns):
        if kinds.get(name) not in ("continuous", "class"):
            faults.append(f"covariate '{name}': kind {kinds.get(name)!r}; expected continuous or class")
    return faults


def _faults_of_profiles(points: pd.DataFrame, profile_ids: Sequence[str]) -> list[str]:
    """Profiles of rows that have no covariates, or that have them twice."""
    asked = pd.Index(pd.unique(pd.Series(profile_ids)))
    lost = asked[~asked.isin(points.index)]
    twice = asked[asked.isin(points.index[points.index.duplicated()])]
    return [
        f"covariates: {len(some)} profiles {what} (such as {some[0]}); expected one row of covariates for each"
        for some, what in ((lost, "without covariates"), (twice, "with covariates twice"))
        if len(some)
    ]


def _odd_codes(name: str, column: pd.Series) -> str:
    """The fault of a column of class codes, or nothing."""
    try:
        codes = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        told = pd.to_numeric(column.astype(object), errors="coerce")
        words = column[told.isna() & column.notna()]
        some = f"{len(words)} of {len(column)} class codes are no numbers (such as {words.iloc[0]!r})"
        return f"covariate '{name}': {some}; expected whole numbers"
    odd = ~np.isfinite(codes) | (codes != np.round(codes)) | (np.abs(codes) > LARGEST_CODE)
    if not odd.any():
        return ""
    return f"covariate '{name}': {odd.sum()} of {len(codes)} class codes are not whole numbers (such as {codes[odd][0]:g}); expected whole"


def _places(values: NDArray[np.floating], codes: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Position of each value among the sorted codes, and whether it is there: one search, however many codes there are."""
    known = np.asarray(codes, dtype=np.float64)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    seen: NDArray[np.bool_] = known[place] == values
    return place, seen


def _class_means(
    points: pd.DataFrame, classes: tuple[tuple[str, tuple[int, ...]], ...], target: TargetMeans
) -> tuple[tuple[tuple[str, tuple[float, ...]], ...], float]:
    """The number that stands for each class, and the overall mean."""
    values, weights = _checked(points, target)
    overall = float(np.average(values, weights=weights))
    if target.strata is not None:
        _, stratum = np.unique(np.asarray(target.strata), return_inverse=True)
        mean = np.bincount(stratum, weights * values) / np.bincount(stratum, weights)
        values = values - mean[stratum] + overall
    used = points if target.profile_ids is None else points.loc[list(target.profile_ids)]
    means = []
    for name, codes in classes:
        place = np.searchsorted(codes, used[name].to_numpy(dtype=np.float64))
        total = np.bincount(place, weights * values, len(codes)) + target.shrinkage * overall
        count = np.bincount(place, weights, len(codes)) + target.shrinkage
        # A class of profiles that have no row here is as good as unseen.
        number = np.divide(total, count, out=np.full(len(codes), overall), where=count > 0)
        means.append((name, tuple(float(x) for x in number)))
    return tuple(means), overall


def _checked(points: pd.DataFrame, target: TargetMeans) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and weights (of mean 1) of a target that fits the points."""
    values = np.asarray(target.values, dtype=np.float64)
    weights = np.ones(len(values)) if target.weights is None else np.asarray(target.weights, dtype=np.float64)
    rows = len(points) if target.profile_ids is None else len(target.profile_ids)
    faults = []
    if values.ndim != 1 or len(values) != rows or rows == 0:
        faults.append(f"target of the classes: {len(values)} values for {rows} rows; expected one for each, and at least one")
    elif not np.isfinite(values).all():
        faults.append(f"target of the classes: {(~np.isfinite(values)).sum()} of {rows} values are not finite; expected numbers")
    if weights.shape != values.shape or not np.all((weights > 0) & np.isfinite(weights)):
        faults.append("weights of the classes: expected one number above 0 for each value")
    if target.strata is not None and len(target.strata) != len(values):
        faults.append(f"strata of the classes: {len(target.strata)} for {len(values)} values; expected one for each")
    if not (np.isfinite(target.shrinkage) and target.shrinkage >= 0):
        faults.append(f"shrinkage of the classes: {target.shrinkage:g}; expected 0 or more")
    if target.profile_ids is not None:
        faults += _faults_of_profiles(points, target.profile_ids)
    if faults:
        raise ModelError(faults)
    return values, weights / weights.mean()
