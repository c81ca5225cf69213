"""Repeated and near-identical profiles across stacked sources, and whether two sets of profiles share any.

Compilations hold the same legacy profiles. A profile that is in the table twice counts twice, and one in the training set and in the
validation set makes the validation too good. Two records are one profile if all of this holds:

- Place: within ``distance_m``, or within the coarser precision of the two positions. That is ``position_error_m`` where given, else the
  step on which both coordinates lie (0.1 degree, a minute, 0.01 or 0.001 degree), but only where the other record is written on another
  step: two places on the same raster that are not the same node are two places.
- Year: within ``years``; a missing year agrees with any.
- Depths: the same number of horizons, each top and bottom within ``depth_cm``. A record that lacks a horizon or stops earlier is another.
- Organic carbon of every horizon, both missing or within ``share`` of the larger. Chance agreement is common where little is compared,
  hence two cases ask for copies (:data:`COPY_SHARE`): records further apart than ``distance_m`` with fewer than :data:`HORIZONS_FAR`
  horizons with carbon (copies of at least two), and single horizons of one source, which itself holds them for two profiles: they have
  to lie at one point (:data:`POINT_M`) as well. Neighbours in a dense survey and plots of a trial can agree within 5 %: where a source is
  known to hold each profile once, ``copies_within_source`` merges in it only copies of at least two horizons.
- Bulk density (on one basis), clay, pH and nitrogen do not contradict: of the values that both have, at most a third differ, by more
  than ``share`` and more than the last digit in use (:data:`DIGIT`; pH, a logarithm, by more than 0.1). Carbon decides; a mended clay
  content does not make another profile. Silt, sand and fragments are not asked, sources define them differently.

Pairs make no chains: in a group every pair agrees, and the closest pairs are joined first. So of three in a row, of which the outer two
do not agree, two stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import TableError
from edaphic.profiles.cleaning.dedupe_kernels import (
    DIGIT,
    EARTH_RADIUS_M,
    HORIZONS_COPY,
    Records,
    Rule,
    groups,
    sweep,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS_DEG = (0.1, 1 / 60, 0.01, 0.001)
"""Steps of coordinates that are coarse; the first that fits both counts (whole degrees as 0.1: 11 km)."""
STEP_NOISE_DEG = 6e-6
MEASURED = (
    "soc_g_kg", "bulk_density_g_cm3", "coarse_fragments_vol_pct", "coarse_fragments_mass_pct", "clay_pct", "silt_pct", "sand_pct",
    "ph_h2o", "total_n_g_kg",
)  # fmt: skip
"""Fields that are counted to choose the record that is kept."""
FILLED = ("year", *MEASURED[1:], "bulk_density_reported_g_cm3", "rock_depth_cm")
"""Fields that the kept record takes from a dropped one where it has none."""
REQUIRED = ("profile_id", "lon", "lat", "top_cm", "bottom_cm", "soc_g_kg", "source", "row")
DUPLICATE_COLUMNS = (
    "kept_profile_id", "kept_source", "dropped_profile_id", "dropped_source", "distance_m", "years_apart", "depth_difference_cm",
    "soc_difference_share", "horizons", "kept_fields", "dropped_fields", "kept_values", "dropped_values", "filled",
)  # fmt: skip
PAIR_COLUMNS = (
    "validation_profile_id", "validation_source", "training_profile_id", "training_source", "distance_m", "years_apart",
    "depth_difference_cm", "soc_difference_share", "horizons",
)  # fmt: skip
PAIRS_MAX = 30_000_000


@dataclass(frozen=True, eq=False)
class Independence:
    """Whether the profiles of a validation set are others than those of the training set.

    Attributes
    ----------
    independent : bool
        No validation profile occurs in training, and none lacks the coordinates by which that is told.
    profiles, shared, near, unplaced : int
        Validation profiles; those that occur in training; those that do not, but lie at the place of a training profile; profiles of
        either set without coordinates.
    share : float
        ``shared / profiles``, NaN without profiles.
    pairs : DataFrame
        As :func:`shared_profiles` returns them.
    """

    independent: bool
    profiles: int
    shared: int
    near: int
    unplaced: int
    share: float
    pairs: pd.DataFrame


def merge_duplicates(
    horizons: pd.DataFrame,
    *,
    distance_m: float = 100.0,
    years: float = 1.0,
    depth_cm: float = 1.0,
    share: float = 0.05,
    precision: bool = True,
    fill: bool = True,
    copies_within_source: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One record of each profile that occurs several times.

    Of a group of records that agree (see the module) the one with the most measured values stays; then the first by source and row.

    Parameters
    ----------
    horizons : DataFrame
        Clean horizon table with ``profile_id, lon, lat, top_cm, bottom_cm, soc_g_kg, source, row``; ``year``, ``position_error_m`` and
        measured fields are used where present. Profiles without coordinates are never merged.
    distance_m : float
        Distance of two records of one profile in m, on a sphere (0.5 % off at most).
    years : float
        Years between two records.
    depth_cm : float
        Difference of depths in cm.
    share : float
        Difference of values as a share of the larger one, 0 to 1.
    precision : bool
        Read the precision of coordinates from the coordinates where ``position_error_m`` is missing.
    fill : bool
        Give the kept record the fields (:data:`FILLED`) that it lacks and a dropped one has, horizon by horizon; bulk density goes with
        its basis. The first dropped record by source and row that has a value gives it.
    copies_within_source : bool
        Merge records of one source only if they are copies: neighbours in a dense survey may agree within ``share``.

    Returns
    -------
    horizons : DataFrame
        The rows of the profiles that are kept, in the order of the input.
    duplicates : DataFrame
        :data:`DUPLICATE_COLUMNS`, one row for each record dropped: distance in m, years apart (NaN unknown), largest difference of
        depth in cm and of carbon as a share, number of horizons, measured fields and number of measured values of each, and
        ``filled``: what the kept one took, with the number of horizons.

    Raises
    ------
    TableError
        A column is missing or holds text, a profile_id in several sources, a tolerance that is none, or more than 30 million pairs that
        agree (places and values that hardly differ at all).

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "profile_id": ["a", "a", "b", "b"], "source": ["s", "s", "t", "t"], "row": [1, 2, 1, 2], "lon": 21.0, "lat": 41.0,
    ...     "top_cm": [0, 20, 0, 20], "bottom_cm": [20, 50, 20, 51], "soc_g_kg": [20.0, 10.0, 19.0, 10.0],
    ...     "clay_pct": [30.0, 35.0, 30.0, None], "ph_h2o": [None, None, 6.5, None]})
    >>> kept, duplicates = merge_duplicates(table)
    >>> kept[["profile_id", "soc_g_kg", "ph_h2o"]].values.tolist()
    [['a', 20.0, 6.5], ['a', 10.0, nan]]
    >>> duplicates[["dropped_profile_id", "depth_difference_cm", "soc_difference_share", "filled"]].values.tolist()
    [['b', 1.0, 0.05, 'ph_h2o (1)']]
    """
    rule = _rule(distance_m, years, depth_cm, share, False, copies_within_source)
    table, data = _prepared([horizons], precision)
    first = _identical(data, HORIZONS_COPY if copies_within_source else 1)
    some = np.flatnonzero(first == np.arange(first.size))
    left, right, told = _found(data, rule, some)
    order = np.lexsort((right, left, told[:, 0], told[:, 2]))
    group = groups(data, rule, left[order], right[order])[first]
    present = _present(table)
    measured = np.add.reduceat(present.sum(axis=1), data.start) if len(table) else np.zeros(0, np.int64)
    best = np.lexsort((np.arange(group.size), -measured, group))
    head = np.r_[True, np.diff(group[best]) != 0][: best.size]
    keeper = np.empty(group.size, np.int64)
    keeper[best] = best[head][np.cumsum(head) - 1]
    dropped = np.flatnonzero(keeper != np.arange(keeper.size))
    dropped = dropped[np.lexsort((dropped, keeper[dropped]))]
    kept = keeper[dropped]
    duplicates = _described(table, data, kept, dropped, ("kept", "dropped"))
    for role, profiles in (("kept", kept), ("dropped", dropped)):
        duplicates[f"{role}_fields"] = _field_names(present, data, profiles)
        duplicates[f"{role}_values"] = measured[profiles]
    merged, duplicates["filled"] = _filled(horizons, table, data, kept, dropped, fill)
    gone = np.zeros(len(table), dtype=bool)
    gone[table["_at"].to_numpy()] = np.repeat(keeper != np.arange(keeper.size), data.horizons)
    return merged[~gone].reset_index(drop=True), duplicates[list(DUPLICATE_COLUMNS)]


def shared_profiles(
    validation: pd.DataFrame,
    training: pd.DataFrame,
    *,
    distance_m: float = 100.0,
    years: float = 1.0,
    depth_cm: float = 1.0,
    share: float = 0.05,
    precision: bool = True,
) -> pd.DataFrame:
    """Pairs of a validation and a training profile that are one, by the rules of :func:`merge_duplicates`.

    Within ``distance_m`` one horizon is enough for a copy here: what is in both tables under one source is rather too much than too
    little. Returns :data:`PAIR_COLUMNS`, by validation, then training profile; a profile can be in several pairs.

    >>> table = pd.DataFrame({"profile_id": ["a"], "source": "s", "row": 1, "lon": 21.0, "lat": 41.0, "top_cm": 0, "bottom_cm": 30,
    ...                       "soc_g_kg": 20.0})
    >>> shared_profiles(table, table.assign(profile_id="b", source="t", soc_g_kg=19.5))["soc_difference_share"].tolist()
    [0.025]
    """
    return independence(
        validation, training, distance_m=distance_m, years=years, depth_cm=depth_cm, share=share, precision=precision
    ).pairs


def independence(
    validation: pd.DataFrame,
    training: pd.DataFrame,
    *,
    distance_m: float = 100.0,
    years: float = 1.0,
    depth_cm: float = 1.0,
    share: float = 0.05,
    precision: bool = True,
) -> Independence:
    """Is this validation set really another than that training set?

    Parameters as in :func:`merge_duplicates`. ``near`` counts places alone, whatever year, depths and values.

    >>> table = pd.DataFrame({"profile_id": ["a", "b"], "source": "s", "row": [1, 2], "lon": [21.0, 22.0], "lat": 41.0, "top_cm": 0,
    ...                       "bottom_cm": 30, "soc_g_kg": 20.0})
    >>> found = independence(table, table.assign(soc_g_kg=[20.0, 30.0]))
    >>> found.independent, found.shared, found.share, found.near
    (False, 1, 0.5, 1)
    """
    rule = _rule(distance_m, years, depth_cm, share, True)
    table, data = _prepared([validation, training], precision)
    left, right, _ = _found(data, rule, np.arange(data.start.size))
    swap = data.side[left] > data.side[right]
    left, right = np.where(swap, right, left), np.where(swap, left, right)
    order = np.lexsort((right, left))
    pairs = _described(table, data, left[order], right[order], ("validation", "training"))
    own = data.side == 0
    near = sweep(data, rule, *_by_latitude(data, rule, np.arange(own.size), True), True, PAIRS_MAX)[3] & own
    shared = np.zeros(own.size, dtype=bool)
    shared[left] = True
    unplaced, count = int(np.isnan(data.xyz[:, 0]).sum()), int(own.sum())
    number = int(shared.sum())
    return Independence(
        independent=number == 0 and unplaced == 0,
        profiles=count,
        shared=number,
        near=int((near & ~shared).sum()),
        unplaced=unplaced,
        share=number / count if count else np.nan,
        pairs=pairs[list(PAIR_COLUMNS)],
    )


def _rule(distance_m: float, years: float, depth_cm: float, share: float, across: bool, copies: bool = False) -> Rule:
    given = {"distance_m": distance_m, "years": years, "depth_cm": depth_cm, "share": share}
    limits = {"distance_m": EARTH_RADIUS_M, "years": np.inf, "depth_cm": np.inf, "share": 1.0}
    faults = [f"tolerance {name}: found {value}; expected 0 to {limits[name]:g}" for name, value in given.items()
              if not 0 <= value <= limits[name]]  # fmt: skip
    if faults:
        raise TableError(faults)
    return Rule(float(distance_m), float(years), float(depth_cm), float(share), across, copies)


def _prepared(tables: list[pd.DataFrame], precision: bool) -> tuple[pd.DataFrame, Records]:
    """The tables as one, by profile (in the order of table, source and row) and depth, with ``_at``, the row of the input."""
    faults = [f"horizon table: no column {name}; expected {', '.join(REQUIRED)}" for name in REQUIRED
              if any(name not in table for table in tables)]  # fmt: skip
    if faults:
        raise TableError(faults)
    names = (*REQUIRED, "year", "position_error_m", "bulk_density_basis", *MEASURED)
    parts = [table[[name for name in dict.fromkeys(names) if name in table]].assign(_side=i) for i, table in enumerate(tables)]
    table = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0].reset_index(drop=True)
    table = table.assign(_at=np.arange(len(table)))
    _make_numbers(table)
    ids, source = (pd.factorize(table[name], sort=True)[0].astype(np.int64) for name in ("profile_id", "source"))
    side = table["_side"].to_numpy(dtype=np.int64)
    by_row = np.lexsort((ids, table["row"].to_numpy(), source, side))
    rank = np.empty(len(table), np.int64)
    rank[by_row] = pd.factorize((ids * len(tables) + side)[by_row])[0]
    order = np.lexsort((table["top_cm"].to_numpy(), rank))
    table, rank = table.iloc[order].reset_index(drop=True), rank[order]
    start = np.flatnonzero(np.r_[True, np.diff(rank) != 0][: rank.size])
    mixed = rank[1:][(np.diff(rank) == 0) & (np.diff(source[order]) != 0)]
    if mixed.size:
        named = ", ".join(table["profile_id"].iloc[start[np.unique(mixed)[:5]]])
        raise TableError(f"horizon table: profile_id {named} in several sources; expected one source for each profile")
    return table, _arrays(table, start, source[order][start], precision)


def _make_numbers(table: pd.DataFrame) -> None:
    """Columns of numbers as floats, those that are absent as missing."""
    faults = []
    for name in ("lon", "lat", "top_cm", "bottom_cm", "year", "position_error_m", *MEASURED):
        try:
            table[name] = table[name].astype("float64") if name in table else np.nan
        except (TypeError, ValueError):
            faults.append(f"horizon table: column {name} holds text; expected numbers")
    if table["row"].isna().any() or table["source"].isna().any() or table["profile_id"].isna().any():
        faults.append("horizon table: profile_id, source or row missing; expected all of them in every row")
    if faults:
        raise TableError(faults)


def _arrays(table: pd.DataFrame, start: Ints, source: Ints, precision: bool) -> Records:
    head = table.iloc[start]
    lon, lat, error_m = (head[name].to_numpy() for name in ("lon", "lat", "position_error_m"))
    step = np.zeros(start.size)
    for size in STEPS_DEG[::-1] if precision else ():
        off = np.maximum(*(np.abs(x - np.round(x / size) * size) for x in (lon, lat)))
        step[off <= STEP_NOISE_DEG] = size
    given = ~np.isnan(error_m)
    a, b = np.radians(lon), np.radians(lat)
    basis = pd.factorize(table["bulk_density_basis"])[0] if "bulk_density_basis" in table else np.zeros(len(table))
    values = [table["soc_g_kg"], *(table[name] for name in DIGIT), basis]
    return Records(
        side=head["_side"].to_numpy(dtype=np.int64),
        source=source,
        start=start,
        horizons=np.diff(np.r_[start, len(table)]),
        xyz=np.column_stack([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b) + 0 * a]),
        year=head["year"].to_numpy(),
        reach_m=np.where(given, error_m, step * np.pi / 180 * EARTH_RADIUS_M),
        given=given,
        top_cm=table["top_cm"].to_numpy(),
        bottom_cm=table["bottom_cm"].to_numpy(),
        values=np.column_stack([np.asarray(value, dtype=np.float64) for value in values]),
    )


def _identical(data: Records, fewest: int) -> Ints:
    """For each profile the first of its source that is the same in all that is compared: thousands at one place need no pairs."""
    first = np.arange(data.start.size)
    carbon = np.add.reduceat((data.values[:, 0] > 0).astype(np.int64), data.start) if first.size else first
    for count in np.unique(data.horizons):
        members = np.flatnonzero((data.horizons == count) & (carbon >= fewest) & ~np.isnan(data.xyz[:, 0]))
        if members.size < 2:
            continue
        rows = data.start[members][:, None] + np.arange(count)
        parts = [np.column_stack([data.xyz, data.year, data.reach_m, data.given, data.source])[members], data.top_cm[rows],
                 data.bottom_cm[rows], data.values[rows].reshape(members.size, -1)]  # fmt: skip
        wide = np.ascontiguousarray(np.nan_to_num(np.column_stack(parts), nan=-9e9) + 0.0)
        keys = wide.view(np.dtype((np.void, wide.itemsize * wide.shape[1]))).ravel()
        _, at, inverse = np.unique(keys, return_index=True, return_inverse=True)
        first[members] = members[at[inverse]]
    return first


def _by_latitude(data: Records, rule: Rule, some: Ints, places_only: bool = False) -> tuple[Ints, Floats, Floats]:
    """Order of the placed profiles by number of horizons and from south to north, latitude in m, and how far to look from each."""
    some = some[~np.isnan(data.xyz[some, 0])]
    north_m = np.arctan2(data.xyz[some, 2], np.hypot(data.xyz[some, 0], data.xyz[some, 1])) * EARTH_RADIUS_M
    order = np.lexsort((some, north_m, 0 * some if places_only else data.horizons[some]))
    look_m = np.maximum(rule.distance_m, np.nan_to_num(data.reach_m[some]))
    return some[order], north_m[order], look_m[order]


def _found(data: Records, rule: Rule, some: Ints) -> tuple[Ints, Ints, Floats]:
    """Pairs (lower, higher) that agree; distance in m, differences of depth and carbon."""
    left, right, told, _ = sweep(data, rule, *_by_latitude(data, rule, some), False, PAIRS_MAX)
    if left.size >= PAIRS_MAX:
        raise TableError(
            f"horizon table: found over {PAIRS_MAX:,} pairs of profiles that agree; expected places and values that tell them apart"
        )
    return np.minimum(left, right), np.maximum(left, right), told


def _described(table: pd.DataFrame, data: Records, one: Ints, other: Ints, roles: tuple[str, str]) -> pd.DataFrame:
    """Ids, sources and differences of pairs of profiles."""
    head = table.iloc[data.start]
    ids, sources = head["profile_id"].to_numpy(dtype=object), head["source"].to_numpy(dtype=object)
    out = {}
    for role, which in zip(roles, (one, other), strict=True):
        out[f"{role}_profile_id"], out[f"{role}_source"] = (pd.array(names[which], dtype="str") for names in (ids, sources))
    pair, a, b = _by_pair(data, one, other)
    chord = np.sqrt(((data.xyz[one] - data.xyz[other]) ** 2).sum(axis=1))
    depth = np.maximum(np.abs(data.top_cm[a] - data.top_cm[b]), np.abs(data.bottom_cm[a] - data.bottom_cm[b]))
    u, v = data.values[a, 0], data.values[b, 0]
    carbon = np.divide(np.abs(u - v), np.maximum(u, v), out=np.zeros(u.size), where=(u != v) & ~np.isnan(u))
    first = np.flatnonzero(np.diff(pair, prepend=-1))
    return pd.DataFrame(
        {
            **out,
            "distance_m": 2.0 * EARTH_RADIUS_M * np.arcsin(np.minimum(1.0, chord / 2.0)),
            "years_apart": np.abs(data.year[one] - data.year[other]),
            "depth_difference_cm": np.maximum.reduceat(depth, first) if first.size else depth,
            "soc_difference_share": np.maximum.reduceat(carbon, first) if first.size else carbon,
            "horizons": data.horizons[one],
        }
    )


def _by_pair(data: Records, one: Ints, other: Ints) -> tuple[Ints, Ints, Ints]:
    """Number of the pair, and horizon of either profile, for every horizon of pairs of profiles."""
    count = data.horizons[one]
    pair = np.repeat(np.arange(one.size), count)
    within = np.arange(pair.size) - np.repeat(np.cumsum(count) - count, count)
    return pair, data.start[one][pair] + within, data.start[other][pair] + within


def _present(table: pd.DataFrame) -> NDArray[np.bool_]:
    return np.column_stack([table[name].notna().to_numpy() for name in MEASURED])


def _field_names(present: NDArray[np.bool_], data: Records, profiles: Ints) -> pd.Series:
    """Measured fields of profiles as text."""
    some = np.logical_or.reduceat(present, data.start, axis=0)[profiles] if len(present) else present[profiles]
    text = pd.Series("", index=range(profiles.size), dtype="str")
    for at, name in enumerate(MEASURED):
        text += np.where(some[:, at], f"{name} ", "")
    return text.str.rstrip()


def _filled(
    horizons: pd.DataFrame, table: pd.DataFrame, data: Records, kept: Ints, dropped: Ints, fill: bool
) -> tuple[pd.DataFrame, pd.Series]:
    """The input with what kept records lack and dropped ones have; by dropped record, what it gave."""
    text = pd.Series("", index=range(kept.size), dtype="str")
    if not fill or not kept.size:
        return horizons, text
    pair, to, giver = _by_pair(data, kept, dropped)
    at = table["_at"].to_numpy()
    to, giver = at[to], at[giver]
    out = horizons.copy()
    for name in (name for name in FILLED if name in horizons):
        values = horizons[name].to_numpy(dtype=np.float64, na_value=np.nan).copy()
        lacking = np.flatnonzero(np.isnan(values[to]) & ~np.isnan(values[giver]))
        lacking = lacking[np.unique(to[lacking], return_index=True)[1]]
        if not lacking.size:
            continue
        values[to[lacking]] = values[giver[lacking]]
        out[name] = values
        if name == "bulk_density_g_cm3" and "bulk_density_basis" in horizons:
            basis = horizons["bulk_density_basis"].to_numpy(dtype=object, copy=True)
            basis[to[lacking]] = basis[giver[lacking]]
            out["bulk_density_basis"] = pd.Series(basis, index=horizons.index).astype(horizons["bulk_density_basis"].dtype)
        given = np.bincount(pair[lacking], minlength=kept.size)
        text += pd.Series([f"{name} ({number}) " if number else "" for number in given], dtype="str")
    return out, text.str.rstrip()
