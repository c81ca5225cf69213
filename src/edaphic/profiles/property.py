"""One property of horizons, whatever its unit, brought to depth layers: harmonisation alone, without stocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from edaphic.errors import TableError
from edaphic.profiles.cleaning.clean import clean_property
from edaphic.profiles.depth.departure import departures, largest_in_layers
from edaphic.profiles.depth.soil_column import EXACT, DepthFunction, column_of
from edaphic.profiles.depth.spline_paper import harmonise_paper
from edaphic.profiles.layers import rock_depths
from edaphic.profiles.reading.columns import ROLES, Column
from edaphic.profiles.reading.read import SourceRead, read_checked

READ = ("profile_id", "x", "y", "lon", "lat", "plus_code", "year", "top", "bottom", "below", "rock_depth", "position_error")
"""Roles that a table of one property is read for."""

COLUMNS = ("profile_id", "lon", "lat", "year", "top_cm", "bottom_cm", "value", "coverage", "depth_fit_gap", "below", "status", "source")

STATUS = {
    "ok": "covered from top to bottom: mean of the depth function",
    "partial": "covered in part (at least min_coverage): mean of the observed part",
    "no beta": "method beta: no beta function could be fitted",
    "incomplete": "covered in part, less than min_coverage: no value",
    "uncovered": "not observed at all: no value",
}


PAPER_ALONE = "expected none: it takes the horizons uncleaned, as the R package mpspline2 does, and gives the mean of what was observed"


def read_property(
    horizons: Path | str,
    value: str,
    columns: Mapping[str, Column],
    *,
    sites: Path | str | None = None,
    crs: str | None = None,
    schema: str | None = None,
) -> SourceRead:
    """Read a table of horizons for one of its columns; the numbers stand in ``soc_g_kg`` as they are.

    Parameters
    ----------
    horizons : Path or str
    value : str
        Column of numbers.
    columns : mapping of role to Column
        Columns of labels, places, years and depths, where their names do not tell.
    sites, crs, schema
        As in :func:`edaphic.profiles.read_checked`.

    Returns
    -------
    SourceRead
    """
    others = {role: Column(ignore=True) for role in ROLES if role not in READ}
    given = {role: column for role, column in columns.items() if role in READ}
    unused = [role for role, column in columns.items() if role not in READ and not column.ignore]
    # A number without unit passes as it is in the internal unit.
    read = read_checked(
        horizons, {**others, **given, "soc": Column(value, unit="g/kg")}, sites=sites, crs=crs, source=None, schema=schema, places=None
    )
    faults = [
        f"{Path(horizons).name}: columns.{role}: found a role that harmonise has no use for; expected one of {', '.join(READ)}"
        for role in unused
    ]
    lines = [line for line in read.understood if not line.startswith("soc:")]
    return replace(
        read,
        faults=(*(fault.replace("columns.soc", "--value").replace("cells for soc;", "cells;") for fault in read.faults), *faults),
        understood=(f"value: column {value!r}, in its own unit", *lines),
    )


def harmonise(
    horizons: pd.DataFrame,
    layers: Sequence[tuple[float, float]],
    how: DepthFunction = EXACT,
    *,
    nonnegative: bool = True,
    shift_organic: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean of one property in every layer of every profile.

    Parameters
    ----------
    horizons : DataFrame
        Raw horizon table whose column ``soc_g_kg`` holds the property, in any unit (:func:`read_property`).
    layers : sequence of (top_cm, bottom_cm)
    how : DepthFunction
        Mode ``paper`` takes the horizons as they are and repairs them as the R package mpspline2 does, and gives the mean of whatever
        part was observed, so that it takes no other ``min_coverage`` or ``max_gap_cm``; else depths are repaired by the rules of
        :func:`edaphic.profiles.clean`. Below rock the property has no value.
    nonnegative : bool
        The property is never negative, and neither is its spline.
    shift_organic : bool
        Count depths from the top of organic layers above 0; not in mode ``paper``.

    Returns
    -------
    layers : DataFrame
        :data:`COLUMNS`, one row per profile and layer; ``value`` in the unit of the property, NaN where there is none;
        ``depth_fit_gap`` as in :func:`edaphic.profiles.layer_table`.
    repairs : DataFrame
        As in :func:`edaphic.profiles.clean`.

    Raises
    ------
    TableError
        Negative values of a property that is never negative; a layer or a choice that is none.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "profile_id": ["a", "a"], "lon": float("nan"), "lat": float("nan"), "top_cm": [0, 30], "bottom_cm": [30, 70],
    ...     "soc_g_kg": [25.0, 25.0]})
    >>> harmonise(table, [(0, 50), (50, 100)])[0][["value", "coverage", "status"]].values.tolist()
    [[25.0, 1.0, 'ok'], [nan, 0.4, 'incomplete']]
    """
    faults = how.faults() + [f"layers: found {t:g}-{b:g} cm; expected 0 <= top < bottom" for t, b in layers if not 0 <= t < b < np.inf]
    value = horizons["soc_g_kg"]
    negative = horizons[value < 0]
    if nonnegative and len(negative):
        faults.append(
            f"value: found {len(negative)} numbers below 0 (the first, {float(negative['soc_g_kg'].iloc[0]):g}, in row "
            f"{int(negative['row'].iloc[0]) if 'row' in negative else 1}); expected none, or the option --negative"
        )
    if how.method == "spline" and how.mode == "paper":
        plain = DepthFunction()
        beside = [name for name in ("min_coverage", "max_gap_cm") if getattr(how, name) != getattr(plain, name)]
        beside += ["shift_organic"] if shift_organic else []
        faults += [f"mode paper: found {name} beside it; {PAPER_ALONE}" for name in beside]
    if how.method == "beta" and not nonnegative:
        faults.append("--method beta: found --negative; expected a property that is never negative")
    if faults:
        raise TableError(faults)
    if how.method == "spline" and how.mode == "paper":
        return _as_the_peer(horizons, layers, how, nonnegative)
    clean, repairs = clean_property(horizons, shift_organic=shift_organic)
    clean = clean.assign(**{name: default for name, default in (("below", ""), ("rock_depth_cm", np.nan)) if name not in clean})
    column = column_of(clean.assign(rock_cm=rock_depths(clean)), layers, how)
    covered = column.covered()
    coverage = covered / column.thickness
    total = column.sum_of(clean["soc_g_kg"].to_numpy(dtype=np.float64), nonnegative=nonnegative)
    fitted = np.isfinite(total)
    valued = (covered > 0) & (coverage >= how.min_coverage - 1e-9) & fitted
    # The beta function gives whole layers, the others the observed part.
    over = column.thickness if how.method == "beta" else covered
    mean = np.divide(total, over, out=np.full(total.shape, np.nan), where=valued)
    gap = np.where(valued, column.departure(clean["soc_g_kg"].to_numpy(dtype=np.float64), nonnegative=nonnegative), np.nan)
    status = np.select(
        [covered == 0, coverage < how.min_coverage - 1e-9, ~fitted, coverage < 1], ["uncovered", "incomplete", "no beta", "partial"], "ok"
    )
    first = clean.iloc[np.flatnonzero(np.diff(column.code, prepend=-1))]
    return _table(first, layers, mean, coverage, gap, np.where(np.isfinite(column.rock), "rock", "unknown"), status), repairs


def _as_the_peer(
    horizons: pd.DataFrame, layers: Sequence[tuple[float, float]], how: DepthFunction, nonnegative: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Layers as mpspline2 computes them, from the rows in their order; means of what exists, whatever the coverage."""
    ordered = horizons.reset_index(drop=True)
    limits = (0.0, 1000.0) if nonnegative else (-np.inf, np.inf)
    found = harmonise_paper(
        ordered["profile_id"], ordered["top_cm"], ordered["bottom_cm"], ordered["soc_g_kg"], list(layers), how.lam, *limits
    )
    first = ordered.drop_duplicates("profile_id").set_index("profile_id").loc[list(found.profile_ids)].reset_index()
    # A gap within the profile counts as observed here: the peer draws a line through it.
    ends = found.layers.groupby("profile_id").agg(top=("upper_cm", "min"), bottom=("lower_cm", "max")).reindex(list(found.profile_ids))
    reach = np.minimum(found.bottoms, ends["bottom"].to_numpy()[:, None]) - np.maximum(found.tops, ends["top"].to_numpy()[:, None])
    coverage = np.nan_to_num(np.clip(reach, 0.0, None) / (found.bottoms - found.tops))
    status = np.select([np.isnan(found.means), coverage < 1], ["uncovered", "partial"], "ok")
    number = ordered["row"].to_numpy() if "row" in ordered else np.arange(1, len(ordered) + 1)
    place = found.repairs["row"].astype("Int64")
    rows = pd.array([pd.NA if pd.isna(i) else int(number[i - 1]) for i in place], dtype="Int64")
    used, ids = found.layers, pd.Index(found.profile_ids)
    share = departures(used["s_bar"].to_numpy(dtype=np.float64), used["value"].to_numpy(dtype=np.float64))
    start = np.flatnonzero(~used["profile_id"].duplicated().to_numpy()).astype(np.int64)
    gap = np.full(found.means.shape, np.nan)
    gap[ids.get_indexer(pd.Index(used["profile_id"].iloc[start]))] = largest_in_layers(
        start, used["upper_cm"].to_numpy(), used["lower_cm"].to_numpy(), share, found.tops, found.bottoms
    )
    gap = np.where(np.isnan(found.means), np.nan, gap)
    return _table(first, layers, found.means, coverage, gap, np.full(len(first), "unknown"), status), found.repairs.assign(row=rows)


def _table(
    first: pd.DataFrame,
    layers: Sequence[tuple[float, float]],
    value: np.ndarray,
    coverage: np.ndarray,
    gap: np.ndarray,
    below: np.ndarray,
    status: np.ndarray,
) -> pd.DataFrame:
    bounds = np.asarray(layers, dtype=np.float64)
    n, m = len(first), len(bounds)
    table = first.reindex(columns=["profile_id", "lon", "lat", "year", "source"]).loc[first.index.repeat(m)].reset_index(drop=True)
    table["top_cm"], table["bottom_cm"] = np.tile(bounds[:, 0], n), np.tile(bounds[:, 1], n)
    table["value"], table["coverage"], table["status"] = value.ravel(), coverage.ravel(), status.ravel()
    table["depth_fit_gap"], table["below"] = gap.ravel(), np.repeat(below, m)
    return table[list(COLUMNS)]
