"""Profiles of another set that training has too.

A profile overlaps where a training profile lies at the same place and was taken at a similar time; where no year is known the time
counts as similar. Two records of the same place with the same values in two layers or more overlap at any time: one is likely a
copy of the other with another date.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from edaphic.errors import TableError
from edaphic.validate.designs import EARTH_RADIUS_M

LAYER = ["top_cm", "bottom_cm"]
SITE = ["profile_id", "lon", "lat"]
OVERLAP = (
    "profile_id",
    "train_profile_id",
    "distance_m",
    "years_apart",
    "shared_cm",
    "train_profiles",
    "layers_compared",
    "layers_equal",
    "duplicate_of",
    "reason",
)
"""Columns of :func:`overlap`."""
COPIED_LAYERS = 2
"""Layers of equal value that make two records of one place a copy whatever their years: one may be equal by chance."""


def overlap(
    train: pd.DataFrame, other: pd.DataFrame, *, within_m: float = 100.0, within_years: float = 1.0, value: str = "observed"
) -> pd.DataFrame:
    """Profiles of another set that overlap with training.

    Parameters
    ----------
    train, other : DataFrame
        One row per profile, or per profile and layer: ``profile_id``, ``lon``, ``lat`` (degrees); where there ``year``, ``top_cm``,
        ``bottom_cm`` and the column ``value``.
    within_m : float
        Distance on the sphere, metres, up to which two profiles are at the same place.
    within_years : float
        Difference up to which two years are similar.
    value : str
        Column whose equality raises the suspicion of a copy.

    Returns
    -------
    DataFrame
        One row per profile of ``other`` that overlaps, in its order: the nearest overlapping training profile, ``distance_m``,
        ``years_apart`` (NaN: unknown), ``shared_cm`` (depth that both have; NaN without depths), ``train_profiles`` (how many
        overlap), ``layers_compared`` and ``layers_equal`` (layers of the same limits with the same value, in the nearest),
        ``duplicate_of`` (nearest training profile whose compared layers are all equal, else missing), ``reason``.

    Raises
    ------
    TableError
        Columns that are missing, coordinates that are none, no training profiles.

    Examples
    --------
    Eleven metres away and in the same year, a degree away, and at the same place forty years later:

    >>> train = pd.DataFrame({"profile_id": ["a"], "lon": [20.0], "lat": [0.0], "year": [1980]})
    >>> other = pd.DataFrame({"profile_id": ["x", "y", "z"], "lon": [20.0001, 21.0, 20.0], "lat": 0.0, "year": [1980, 1980, 2020]})
    >>> overlap(train, other)[["profile_id", "train_profile_id", "distance_m", "years_apart"]].round(1).values.tolist()
    [['x', 'a', 11.1, 0.0]]
    """
    return overlap_and_notes(train, other, within_m, within_years, value)[0]


def overlap_and_notes(
    train: pd.DataFrame, other: pd.DataFrame, within_m: float, within_years: float, value: str
) -> tuple[pd.DataFrame, list[str]]:
    """What :func:`overlap` gives, and what was assumed about years and places."""
    _check_both(train, other, within_m, within_years, value)
    ours, theirs = _sites(train), _sites(other)
    pairs = _near(ours, theirs, within_m)
    pairs = pairs.join(_compared(ours.iloc[pairs["t"]], theirs.iloc[pairs["o"]]))
    pairs = pairs.join(_equal_layers(pairs, train, other, value))
    same = (pairs["layers_compared"] > 0) & (pairs["layers_equal"] == pairs["layers_compared"])
    unknown = pairs["years_apart"].isna()
    in_time = unknown | (pairs["years_apart"] <= within_years)
    copied = same & (pairs["layers_compared"] >= COPIED_LAYERS)
    pairs["duplicate_of"] = pairs["train_profile_id"].where(same)
    pairs["reason"] = np.where(unknown, "place, year unknown", np.where(in_time, "place and time", "same values at another time"))
    chosen = pairs[in_time | copied].sort_values(["distance_m", "years_apart", "o", "t"], kind="stable")
    by_profile = chosen.groupby("profile_id", sort=False, observed=True)
    table = chosen.drop_duplicates("profile_id").drop(columns="duplicate_of").set_index("profile_id")
    table = table.join(by_profile["duplicate_of"].first()).join(by_profile["train_profile_id"].nunique().rename("train_profiles"))
    kept = [name for name in pd.unique(other["profile_id"]) if name in table.index]
    table = table.loc[kept].reset_index()[list(OVERLAP)]
    return table, _remarks(pairs, chosen, table, theirs, within_years)


def check(table: pd.DataFrame, what: str, columns: Sequence[str] = (), numbers: Sequence[str] = ()) -> None:
    """Columns must be there, coordinates must be degrees, and what should be numbers must be.

    Raises
    ------
    TableError
        All faults at once.
    """
    needed = [*SITE, *columns]
    faults = [f"{what}: no column '{name}'; expected {', '.join(needed)}" for name in needed if name not in table]
    for name, low, high in (("lon", -180.0, 360.0), ("lat", -90.0, 90.0)):
        wrong = int((~pd.to_numeric(table[name], errors="coerce").between(low, high)).sum()) if name in table else 0
        if wrong:
            faults.append(f"{what}: {name}: {wrong} of {len(table)} rows are not between {low:g} and {high:g}; expected degrees")
    if "profile_id" in table and table["profile_id"].isna().any():
        faults.append(f"{what}: {int(table['profile_id'].isna().sum())} rows without profile_id; expected one in each row")
    for name in numbers:
        wrong = int((table[name].notna() & pd.to_numeric(table[name], errors="coerce").isna()).sum()) if name in table else 0
        if wrong:
            faults.append(f"{what}: {name}: {wrong} of {len(table)} rows are no numbers; expected numbers")
    if faults:
        raise TableError(faults)


def _check_both(train: pd.DataFrame, other: pd.DataFrame, within_m: float, within_years: float, value: str) -> None:
    faults = [] if len(train) else ["training profiles: none; expected some to compare with"]
    for name, given in (("within_m", within_m), ("within_years", within_years)):
        if not given >= 0:
            faults.append(f"{name}: {given}; expected 0 or more")
    for table, what in ((train, "training profiles"), (other, "other profiles")):
        try:
            check(table, what, (), ("year", *LAYER, value))
        except TableError as fault:
            faults += fault.faults
    if faults:
        raise TableError(faults)


def _sites(table: pd.DataFrame) -> pd.DataFrame:
    """One row per profile and place: first and last year, shallowest top and deepest bottom; in order of appearance."""
    out = table[SITE].copy()
    sources = {"from_year": ("year", "min"), "to_year": ("year", "max"), "top": ("top_cm", "min"), "bottom": ("bottom_cm", "max")}
    for name, (column, _) in sources.items():
        out[name] = pd.to_numeric(table[column]).astype(float) if column in table else np.nan
    return out.groupby(SITE, sort=False, as_index=False, observed=True).agg({name: how for name, (_, how) in sources.items()})


def _unit(table: pd.DataFrame) -> NDArray[np.float64]:
    """Points on the unit sphere."""
    lam, phi = np.radians(table["lon"].to_numpy(dtype=float)), np.radians(table["lat"].to_numpy(dtype=float))
    return np.column_stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])


def _near(train: pd.DataFrame, other: pd.DataFrame, within_m: float) -> pd.DataFrame:
    """Pairs of sites within the distance along the sphere: ``o``, ``t`` (rows) and ``distance_m``, in order of ``o``, distance, ``t``."""
    if len(other) == 0:
        return pd.DataFrame({"o": np.empty(0, np.int64), "t": np.empty(0, np.int64), "distance_m": np.empty(0)})
    angle = min(within_m / EARTH_RADIUS_M, math.pi)
    # A hair more than the chord, then the arc decides.
    found = cKDTree(_unit(other)).sparse_distance_matrix(
        cKDTree(_unit(train)), 2 * math.sin(angle / 2) * (1 + 1e-9) + 1e-15, output_type="ndarray"
    )
    pairs = pd.DataFrame({"o": found["i"], "t": found["j"]})
    pairs["distance_m"] = 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(found["v"] / 2, 1.0))
    return pairs[pairs["distance_m"] <= within_m].sort_values(["o", "distance_m", "t"], kind="stable", ignore_index=True)


def _compared(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Who each pair is, years between the two, and centimetres of depth that both have; NaN where one is not known."""
    columns = ("from_year", "to_year", "top", "bottom")
    from_a, to_a, top_a, bottom_a = (ours[name].to_numpy(dtype=float) for name in columns)
    from_b, to_b, top_b, bottom_b = (theirs[name].to_numpy(dtype=float) for name in columns)
    return pd.DataFrame(
        {
            "profile_id": theirs["profile_id"].to_numpy(),
            "train_profile_id": ours["profile_id"].to_numpy(),
            "years_apart": np.maximum(np.maximum(from_a - to_b, from_b - to_a), 0.0),
            "shared_cm": np.maximum(np.minimum(bottom_a, bottom_b) - np.maximum(top_a, top_b), 0.0),
        }
    )


def _equal_layers(pairs: pd.DataFrame, train: pd.DataFrame, other: pd.DataFrame, value: str) -> pd.DataFrame:
    """For each pair: layers of the same limits with a value in both, and how many of these values are equal."""
    zeros = pd.DataFrame({"layers_compared": 0, "layers_equal": 0}, index=pairs.index)
    if any(name not in table for table in (train, other) for name in [*LAYER, value]):
        return zeros
    keys = pairs[["profile_id", "train_profile_id"]].reset_index(names="pair")
    one = other[["profile_id", *LAYER, value]].rename(columns={value: "first"})
    two = train[["profile_id", *LAYER, value]].rename(columns={value: "second", "profile_id": "train_profile_id"})
    joined = keys.merge(one, on="profile_id").merge(two, on=["train_profile_id", *LAYER]).dropna(subset=["first", "second"])
    # Equal but for what storing in single precision changes.
    joined["equal"] = np.isclose(pd.to_numeric(joined["first"]), pd.to_numeric(joined["second"]), rtol=1e-6, atol=0.0)
    layers = joined.groupby(["pair", *LAYER])["equal"].any().groupby("pair").agg(["size", "sum"])
    zeros.loc[layers.index, ["layers_compared", "layers_equal"]] = layers.to_numpy(dtype=np.int64)
    return zeros


def _remarks(
    pairs: pd.DataFrame, chosen: pd.DataFrame, table: pd.DataFrame, theirs: pd.DataFrame, within_years: float
) -> list[str]:
    """What was assumed about years."""
    notes = []
    unknown = int((table["reason"] == "place, year unknown").sum())
    if unknown:
        notes.append(f"independent set: {unknown} of these lie at the same place with no year to compare; counted as overlapping")
    later = set(pairs["profile_id"]) - set(chosen["profile_id"])
    if later:
        notes.append(f"independent set: {len(later)} profiles at a training place stay, taken more than {within_years:g} years apart")
    moved = int(theirs["profile_id"].duplicated().sum())
    if moved:
        notes.append(f"independent set: {moved} times a profile has rows at more than one place; each place was looked at")
    return notes
