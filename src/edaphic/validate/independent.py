"""Validation by another set of profiles: what overlaps with training first, then all products at the same points.

A set is called independent only after it was looked at: profiles of the same network, or the same profiles under other names, stand in
many compilations (:mod:`edaphic.validate.overlaps`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import ModelError
from edaphic.validate.designs import places
from edaphic.validate.metrics import bootstrap, paired_bootstrap, scores
from edaphic.validate.overlaps import LAYER, check, overlap, overlap_and_notes

__all__ = ["PointScores", "independent", "overlap", "score_at_points"]

DIFFERENCES = [*LAYER, "product", "against", "n", "places", "score", "difference", "low", "high"]


def independent(
    train: pd.DataFrame, other: pd.DataFrame, *, within_m: float = 100.0, within_years: float = 1.0, value: str = "observed"
) -> tuple[NDArray[np.bool_], pd.DataFrame, list[str]]:
    """Rows of another set that may be called independent.

    Parameters
    ----------
    train, other, within_m, within_years, value
        As for :func:`overlap`.

    Returns
    -------
    kept : bool (len(other),)
        False for all rows of a profile that overlaps.
    table : DataFrame
        What :func:`overlap` found.
    notes : list of str
        How many profiles were dropped and why, and what else a reader must know.
    """
    table, remarks = overlap_and_notes(train, other, within_m, within_years, value)
    kept = ~other["profile_id"].isin(table["profile_id"]).to_numpy()
    count = other["profile_id"].nunique()
    notes = [f"independent set: {len(table)} of {count} profiles overlap with training (within {within_m:g} m, {within_years:g} years)"]
    copies = int(table["duplicate_of"].notna().sum())
    if copies:
        notes.append(f"independent set: {copies} of these have the values of a training profile; likely copies")
    notes += remarks
    again = set(other.loc[kept, "profile_id"]) & set(train["profile_id"])
    if again:
        notes.append(f"independent set: {len(again)} profiles that stay have an id that training has too, at another place or time")
    if count and not kept.any():
        notes.append("independent set: none is left; it cannot be called independent")
    return np.asarray(kept, dtype=np.bool_), table, notes


@dataclass(frozen=True, eq=False)
class PointScores:
    """Products at the same points.

    ``scores``: one row per ``rows`` (common, own), layer, product and score, with ``n`` rows, ``places``, ``value``, ``low``, ``high``.
    ``differences``: one row per layer, other product and score: the first product's score minus that of ``against`` on the common
    rows, with the interval of the paired bootstrap. ``notes``: what was left out.
    """

    scores: pd.DataFrame
    differences: pd.DataFrame
    notes: list[str]


def score_at_points(
    observed: pd.DataFrame,
    predictions: Mapping[str, ArrayLike],
    *,
    within_m: float = 100.0,
    draws: int = 1000,
    seed: int = 1,
    level: float = 0.95,
) -> PointScores:
    """Score several products at the same points, layer by layer.

    Only on the rows that all products have is a comparison fair; the scores on each product's own rows stand beside. A product without any
    value in a layer is left out of that layer, with a note. Layers are not pooled: depth itself would raise the MEC.

    Parameters
    ----------
    observed : DataFrame (n rows)
        ``profile_id``, ``lon``, ``lat``, ``top_cm``, ``bottom_cm``, ``observed``.
    predictions : mapping of name to array_like (n,)
        In the unit of ``observed``; NaN where a product has no value. The first is compared with each other one.
    within_m : float
        Profiles closer than this are drawn together by the bootstrap.
    draws, seed, level
        Of the bootstrap.

    Returns
    -------
    PointScores

    Raises
    ------
    TableError
        Columns that are missing, coordinates that are none.
    ModelError
        No products, lengths that do not agree, infinite values, a product without a value, no common rows in any layer.

    Examples
    --------
    >>> seen = pd.DataFrame({"profile_id": list("abc"), "lon": [1.0, 2.0, 3.0], "lat": 0.0, "top_cm": 0, "bottom_cm": 30,
    ...                      "observed": [1.0, 2.0, 3.0]})
    >>> found = score_at_points(seen, {"ours": [1.0, 2.0, 4.0], "theirs": [2.0, 3.0, np.nan]}, draws=50)
    >>> bias = found.scores[found.scores["score"] == "bias"]
    >>> bias[["rows", "product", "n", "value"]].round(3).values.tolist()
    [['common', 'ours', 2, 0.0], ['own', 'ours', 3, 0.333], ['common', 'theirs', 2, 1.0], ['own', 'theirs', 2, 1.0]]
    """
    check(observed, "points", [*LAYER, "observed"], [*LAYER, "observed"])
    values, truth = _predictions(observed, predictions)
    group = places(observed["lon"], observed["lat"], within_m)
    usable = np.isfinite(truth)
    notes = [f"points: {int((~usable).sum())} of {len(truth)} rows have no observed value; left out"] if not usable.all() else []
    scored: list[dict[str, object]] = []
    apart: list[dict[str, object]] = []
    rule = (draws, seed, level)
    shared_by_any = False
    tops, bottoms = (pd.to_numeric(observed[name]).to_numpy(dtype=float, na_value=np.nan) for name in LAYER)
    for top, bottom in sorted(set(zip(tops[usable].tolist(), bottoms[usable].tolist(), strict=True))):
        rows = np.flatnonzero(usable & (tops == top) & (bottoms == bottom))
        here = {name: value[rows] for name, value in values.items() if np.isfinite(value[rows]).any()}
        head = {"top_cm": top, "bottom_cm": bottom}
        absent = [name for name in values if name not in here]
        if absent:
            notes.append(f"points: {top:g}-{bottom:g} cm: no value of {', '.join(absent)}; left out of this layer")
        common = np.all([np.isfinite(value) for value in here.values()], axis=0) if here else np.zeros(len(rows), dtype=bool)
        if here and not common.any():
            notes.append(f"points: {top:g}-{bottom:g} cm: no row that {', '.join(here)} all have; no comparison in this layer")
        shared_by_any = shared_by_any or bool(common.any())
        scored += _scores(head, truth[rows], here, group[rows], common, rule)
        apart += _differences(head, truth[rows], here, group[rows], common, rule)
    if not shared_by_any:
        have = ", ".join(f"{name} {int(np.isfinite(value).sum())}" for name, value in values.items())
        raise ModelError(f"points: no row with an observed value and all products ({len(truth)} rows; {have}); expected common rows")
    return PointScores(pd.DataFrame(scored), pd.DataFrame(apart, columns=None if apart else DIFFERENCES), notes)


def _predictions(
    observed: pd.DataFrame, predictions: Mapping[str, ArrayLike]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    truth = pd.to_numeric(observed["observed"]).to_numpy(dtype=float, na_value=np.nan)
    values: dict[str, NDArray[np.float64]] = {}
    for name, value in predictions.items():
        try:
            values[str(name)] = np.asarray(value, dtype=float)
        except (TypeError, ValueError) as fault:
            raise ModelError(f"points: {name}: not all values are numbers ({fault}); expected numbers, or NaN for none") from fault
    faults = [] if values else ["points: no products; expected at least one"]
    if observed[LAYER].isna().any(axis=None):
        open_rows = int(observed[LAYER].isna().any(axis=1).sum())
        faults.append(f"points: {open_rows} rows without limits of the layer; expected top_cm and bottom_cm")
    for name, value in {"observed": truth, **values}.items():
        if value.shape != truth.shape:
            faults.append(f"points: {name}: shape {value.shape}; expected {len(truth)} values, one for each row")
        elif np.isinf(value).any():
            faults.append(f"points: {name}: {int(np.isinf(value).sum())} infinite values; expected numbers, or NaN where there are none")
        elif not np.isfinite(value).any():
            faults.append(f"points: {name}: no value in any of {len(truth)} rows; expected some")
    if faults:
        raise ModelError(faults)
    return values, truth


def _scores(
    head: Mapping[str, object],
    truth: NDArray[np.float64],
    here: Mapping[str, NDArray[np.float64]],
    group: NDArray[np.int64],
    common: NDArray[np.bool_],
    rule: tuple[int, int, float],
) -> list[dict[str, object]]:
    out: list[dict[str, object]] = []
    for name, value in here.items():
        for rows, some in (("common", common), ("own", np.isfinite(value))):
            if not some.any():
                continue
            told = {"rows": rows, **head, "product": name, "n": int(some.sum()), "places": len(np.unique(group[some]))}
            found = scores(truth[some], value[some])
            limits = bootstrap(truth[some], value[some], group[some], *rule)
            for score, number in found.items():
                low, high = limits.get(score, (np.nan, np.nan))
                out.append({**told, "score": score, "value": number, "low": low, "high": high})
    return out


def _differences(
    head: Mapping[str, object],
    truth: NDArray[np.float64],
    here: Mapping[str, NDArray[np.float64]],
    group: NDArray[np.int64],
    common: NDArray[np.bool_],
    rule: tuple[int, int, float],
) -> list[dict[str, object]]:
    """The first product against each other one, on the common rows."""
    out: list[dict[str, object]] = []
    if not common.any():
        return out
    (first, ours), *others = here.items()
    size = {"n": int(common.sum()), "places": len(np.unique(group[common]))}
    for against, theirs in others:
        found = paired_bootstrap(truth[common], ours[common], theirs[common], group[common], *rule)
        for score, (difference, low, high) in found.items():
            told = {**head, "product": first, "against": against, **size, "score": score}
            out.append({**told, "difference": difference, "low": low, "high": high})
    return out
