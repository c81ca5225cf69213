"""Horizons of one profile with the same bounds: copies, and replicates of one depth."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pandas as pd

from edaphic.profiles.cleaning.rules import content
from edaphic.profiles.cleaning.worktable import CORE, Bools, Codes, Worktable

QUALIFIES = MappingProxyType({"soc_method": "soc_g_kg", "bulk_density_basis": "bulk_density_g_cm3"})
"""Texts that say what a number is: they count where the number is given, and not knowing is an answer of its own."""

MIXED = "mixed"
_DENSITY, _BASIS = "bulk_density_g_cm3", "bulk_density_basis"
# The same in all horizons of a profile, or not of the soil.
_OF_PROFILE = ("row", "lon", "lat", "year", "top_cm", "bottom_cm", "weight", "position_error_m", "rock_depth_cm")


def same_depths(work: Worktable) -> None:
    """Copies go, replicates become their mean (the one reading that has no order)."""
    shared = _shared(work)
    if not shared.any():
        return
    rows = _whole(work, shared)
    values = [name for name in rows.columns if name not in ("row", "source", "profile_id", "origin")]
    again = np.zeros(len(work.core), dtype=np.bool_)
    again[work.core.index.get_indexer(rows.index[rows.duplicated(values)])] = True
    work.drop(again, "horizon repeated")
    shared = _shared(work)
    if shared.any():
        _average(work, shared)


def _shared(work: Worktable) -> Bools:
    """Horizons whose bounds another one of the profile has."""
    keys = tuple(work.core[name].to_numpy() for name in ("bottom_cm", "top_cm", "profile"))
    order = np.lexsort(keys)
    equal = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
    for key in keys:
        equal &= key[order][1:] == key[order][:-1]
    shared = np.zeros(len(order), dtype=np.bool_)
    shared[order[1:][equal]] = True
    shared[order[:-1][equal]] = True
    return shared


def _whole(work: Worktable, chosen: Bools) -> pd.DataFrame:
    """All columns of some horizons, as repaired so far, with the number of their profile."""
    core = work.core[chosen]
    rest = work.full.drop(columns=list(CORE)).take(core.index.to_numpy())
    return pd.concat([core, rest], axis=1)


def _average(work: Worktable, shared: Bools) -> None:
    rows = _whole(work, shared)
    group: Codes = rows.groupby(["profile", "top_cm", "bottom_cm"], sort=False).ngroup().to_numpy().astype(np.int64)
    _clear_mixed_density(work, rows, group)
    heads = ~pd.Series(group).duplicated().to_numpy()
    index = rows.index[heads]
    averaged = rows.copy()
    for name in rows.columns:
        if name in (*_OF_PROFILE, "profile", "origin", "profile_id", "source", "below"):
            continue
        if pd.api.types.is_bool_dtype(rows[name]):
            continue  # The first is kept: a mean of yes and no is neither.
        if pd.api.types.is_numeric_dtype(rows[name]):
            averaged[name] = _mean(rows[name], group)
        elif pd.api.types.is_string_dtype(rows[name]) or rows[name].dtype == object:
            averaged[name] = _common(rows, name, group)
        else:
            continue
        work.put(name, index, averaged[name][heads])
    work.write(rows, "same depths, other values", content(rows), content(averaged))
    dropped = shared.copy()
    dropped[work.core.index.get_indexer(index)] = False
    work.core = work.core[~dropped]


def _mean(values: pd.Series, group: Codes) -> pd.Series:
    """Mean of what is known, to the bit the value itself where all are equal."""
    numbers = values.astype("float64")
    groups = numbers.groupby(group)
    low, high = groups.transform("min"), groups.transform("max")
    return groups.transform("mean").where(low != high, low)


def _common(rows: pd.DataFrame, name: str, group: Codes) -> pd.Series:
    """The text where all that count are equal, else "mixed"."""
    texts = rows[name]
    number = QUALIFIES.get(name)
    counts = texts.notna() & (texts.astype("str").str.strip() != "") if number is None or number not in rows else rows[number].notna()
    groups = texts.where(counts).groupby(group)
    several = groups.transform("nunique") > 1
    return groups.transform("first").fillna(texts).mask(several, MIXED)


def _clear_mixed_density(work: Worktable, rows: pd.DataFrame, group: Codes) -> None:
    """Bulk densities with and without stones have no mean: set missing in ``rows``."""
    if _BASIS not in rows or _DENSITY not in rows:
        return
    basis = rows[_BASIS].where(rows[_DENSITY].notna())
    other = (basis.groupby(group).transform("nunique") > 1) & basis.notna()
    told = [f"{density:.10g} g/cm3 {text}".rstrip() for density, text in zip(rows[_DENSITY][other], basis[other], strict=True)]
    work.write(rows[other], "same depths, other bulk density basis", told)
    rows.loc[other, _DENSITY] = np.nan
    rows.loc[other, _BASIS] = ""
