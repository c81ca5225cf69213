"""Change at revisited sites: mean of paired differences, on fixed depth and on equivalent soil mass, with bootstrap intervals by place.

No map and no model stands behind it: where sites were visited twice, this is what was seen. It is the change of the sites, and of the land
only where these were drawn by probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.account.change.bootstrap import drawn_sums
from edaphic.account.change.regional import verdict_of
from edaphic.errors import ModelError, TableError

Floats = NDArray[np.float64]

FEWEST_PLACES = 10
"""Fewer places than this have no interval: a bootstrap of them is too narrow."""

BASES: Mapping[str, str] = MappingProxyType({"fixed depth": "fixed_depth_change_kg_m2", "equivalent soil mass": "change_kg_m2"})
"""Basis of a stock and the column of :func:`edaphic.profiles.mass.esm_compare.compare` that has its change."""

SITE_COLUMNS = (
    "class_name", "top_cm", "bottom_cm", "basis", "pairs", "places", "left_out", "mean_change_kg_m2", "low_kg_m2", "high_kg_m2", "level",
    "verdict",
)  # fmt: skip


def site_change(
    compared: pd.DataFrame,
    *,
    by: str | None = None,
    place: str = "profile_id",
    draws: int = 2000,
    level: float = 0.9,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean change of the stocks of revisited sites by class and layer.

    Parameters
    ----------
    compared : DataFrame
        Of :func:`edaphic.profiles.mass.esm_compare.compare`: a row for each pair and layer, with the change on fixed depth and on
        equivalent soil mass.
    by : str, optional
        Column of classes; rows over all classes come first in any case. Missing is "unclassified".
    place : str
        Column that names the place: pairs of one place are drawn together.
    draws, level, seed
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Columns :data:`SITE_COLUMNS`. Both bases are of the same pairs: those with a change on both; ``left_out`` counts the others. Limits
        are percentiles of the bootstrap, NaN below 10 places; ``verdict`` says "increase", "decrease" or "no change shown", or that there
        are too few places.

    Raises
    ------
    TableError
        A column is missing.
    ModelError
        A level out of range.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "profile_id": list("abcdefghij"), "top_cm": 0.0, "bottom_cm": 30.0, "change_kg_m2": 0.0, "fixed_depth_change_kg_m2": 0.5})
    >>> site_change(table)[["basis", "mean_change_kg_m2", "low_kg_m2", "verdict"]].values.tolist()
    [['fixed depth', 0.5, 0.5, 'increase'], ['equivalent soil mass', 0.0, 0.0, 'no change shown']]
    """
    wanted = [place, "top_cm", "bottom_cm", *BASES.values(), *([by] if by is not None else [])]
    if faults := [f"change at sites: no column {name}; expected {', '.join(wanted)}" for name in wanted if name not in compared]:
        raise TableError(faults)
    if not 0.0 < level < 1.0:
        raise ModelError(f"change at sites: level {level:g}; expected a share between 0 and 1")
    parts = [("all", compared)]
    if by is not None:
        names = compared[by].astype(object).where(compared[by].notna(), "unclassified").astype(str)
        parts += [(str(name), compared[names == name]) for name in sorted(names.unique())]
    rows = []
    for name, part in parts:
        for limits, layer in part.groupby(["top_cm", "bottom_cm"], sort=True):
            top, bottom = np.asarray(limits, dtype=np.float64)
            key: dict[str, object] = {"class_name": name, "top_cm": float(top), "bottom_cm": float(bottom)}
            rows += _rows(key, layer, place, draws, level, seed)
    return pd.DataFrame(rows, columns=list(SITE_COLUMNS))


def _rows(key: dict[str, object], layer: pd.DataFrame, place: str, draws: int, level: float, seed: int) -> list[dict[str, object]]:
    values = layer[list(BASES.values())].to_numpy(dtype=np.float64)
    known = np.isfinite(values).all(axis=1) & layer[place].notna().to_numpy()
    values, which = values[known], pd.factorize(layer.loc[known, place])[0].astype(np.int64)
    sites = int(which.max()) + 1 if which.size else 0
    means, limits = np.full(2, np.nan), np.full((2, 2), np.nan)
    if sites:
        means = values.mean(axis=0)
    if sites >= FEWEST_PLACES:
        # Of deviations from the mean, so that a change that all places share has limits equal to it.
        sums = drawn_sums(np.column_stack([values - means, np.ones(len(values))]), which, draws, seed)
        limits = means + np.quantile(sums[:, :2] / sums[:, [2]], [0.5 - level / 2.0, 0.5 + level / 2.0], axis=0)
    few = f"cannot be told: {sites} places; expected {FEWEST_PLACES} or more"
    return [
        key
        | {
            "basis": basis,
            "pairs": len(values),
            "places": sites,
            "left_out": int((~known).sum()),
            "mean_change_kg_m2": float(means[i]),
            "low_kg_m2": float(limits[0, i]),
            "high_kg_m2": float(limits[1, i]),
            "level": level,
            "verdict": verdict_of(float(limits[0, i]), float(limits[1, i])) if sites >= FEWEST_PLACES else few,
        }
        for i, basis in enumerate(BASES)
    ]
