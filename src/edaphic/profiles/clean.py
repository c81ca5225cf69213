"""Repairs of horizon tables: depth logic, values out of range, coordinates. None is silent.

The rules are applied in the order of :data:`RULES`. They use the number of the source row (``row``) to tell which
record came first, never the place in the table, so shuffling the table changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from edaphic.errors import TableError

RULES: Mapping[str, str] = MappingProxyType(
    {
        # found while reading
        "not a number": "read as missing",
        "no profile_id": "every row is a profile of its own",
        "site repeated": "first kept",
        "site without horizons": "left out",
        "horizons without site": "profile dropped",
        # the profile as a whole
        "profile_id missing": "horizon dropped",
        "same profile_id in several sources": "renamed to source:profile_id",
        "coordinates missing": "profile dropped",
        "coordinates 0, 0": "profile dropped",
        "coordinates outside -180 to 180, -90 to 90": "profile dropped",
        "several coordinates": "first kept",
        "year outside 1800 to 2100": "set missing",
        "several years": "one profile for each year, profile_id@year",
        # depths of one horizon
        "depth missing": "horizon dropped",
        "depth finer than 0.01 cm": "rounded to 0.01 cm",
        "above the surface": "horizon dropped",
        "reversed": "top and bottom swapped",
        "zero thickness": "horizon dropped",
        # values of one horizon
        "soc missing": "horizon dropped",
        "soc outside 0 to 600 g/kg": "horizon dropped",
        "bulk density outside 0.02 to 2.65 g/cm3": "set missing",
        "coarse fragments outside 0 to 100 %": "set missing",
        "texture outside 0 to 100 %": "set missing",
        "pH outside 0 to 14": "set missing",
        "total nitrogen outside 0 to 100 g/kg": "set missing",
        # horizons of one profile against each other
        "horizon repeated": "first kept",
        "same depths, other values": "averaged into one horizon",
        "nested": "the inner horizon dropped",
        "overlap": "top moved to the bottom of the horizon above",
        "gap": "left unobserved",
        # found while computing stocks
        "bulk density or fragments missing": "horizon left out of the stock",
        "spline not positive": "thickness-weighted mean of the horizons for the whole profile",
    }
)
"""Every fault that is looked for and what is done about it, in this order."""

LOG_COLUMNS = ("profile_id", "row", "fault", "action", "before", "after")
REQUIRED = ("profile_id", "lon", "lat", "top_cm", "bottom_cm", "soc_g_kg")
COLUMNS = (
    "profile_id", "lon", "lat", "year", "top_cm", "bottom_cm", "soc_g_kg", "bulk_density_g_cm3",
    "coarse_fragments_vol_pct", "source", "row",
)  # fmt: skip
OPTIONAL = ("clay_pct", "silt_pct", "sand_pct", "ph_h2o", "total_n_g_kg", "coarse_fragments_mass_pct")

SOC_MAX_G_KG = 600.0
SET_MISSING = MappingProxyType(
    {
        "bulk_density_g_cm3": (0.02, 2.65, "bulk density outside 0.02 to 2.65 g/cm3"),
        "coarse_fragments_vol_pct": (0.0, 100.0, "coarse fragments outside 0 to 100 %"),
        "coarse_fragments_mass_pct": (0.0, 100.0, "coarse fragments outside 0 to 100 %"),
        "clay_pct": (0.0, 100.0, "texture outside 0 to 100 %"),
        "silt_pct": (0.0, 100.0, "texture outside 0 to 100 %"),
        "sand_pct": (0.0, 100.0, "texture outside 0 to 100 %"),
        "ph_h2o": (0.0, 14.0, "pH outside 0 to 14"),
        "total_n_g_kg": (0.0, 100.0, "total nitrogen outside 0 to 100 g/kg"),
    }
)

# Depths such as 9.99999985 are 10 in the precision of the source that wrote them: below this no repair is worth a row.
NOISE_CM = 1e-4
# Coordinates of one profile that differ by less (0.1 m) are one place.
SAME_PLACE_DEG = 1e-6


def clean(horizons: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Repair a horizon table by the :data:`RULES`.

    Parameters
    ----------
    horizons : DataFrame
        One row per horizon with ``profile_id, lon, lat, top_cm, bottom_cm, soc_g_kg``; optional ``year``,
        ``bulk_density_g_cm3``, ``coarse_fragments_vol_pct``, ``source``, ``row`` (1-based number of the source row;
        made from the order of the table where there is none) and texture, pH and nitrogen. Other columns are carried
        along.

    Returns
    -------
    horizons : DataFrame
        Clean horizons by source, then in the order in which profiles first appear in it, then by depth; depths in steps
        of 0.01 cm. Within a profile no two horizons overlap, and all have one place and one year.
    repairs : DataFrame
        ``profile_id, row, fault, action, before, after``, one row for each thing done.

    Raises
    ------
    TableError
        A required column is missing, or a column of numbers holds text.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "profile_id": ["a"] * 3, "lon": 21.0, "lat": 41.0,
    ...     "top_cm": [0, 15, 60], "bottom_cm": [20, 50, 100], "soc_g_kg": [20.0, 10.0, 4.0]})
    >>> horizons, repairs = clean(table)
    >>> horizons[["top_cm", "bottom_cm"]].values.tolist()
    [[0.0, 20.0], [20.0, 50.0], [60.0, 100.0]]
    >>> repairs[["row", "fault", "before", "after"]].values.tolist()
    [[2, 'overlap', '15-50 cm', '20-50 cm'], [3, 'gap', '50-60 cm', '']]
    """
    table = _canonical(horizons)
    log: list[pd.DataFrame] = []
    for repair in (_ids, _places, _years, _depths, _contents, _stack):
        table = repair(table, log)
    table = _ordered(table)
    return table, concat_repairs(log)


def repair_rows(
    rows: pd.DataFrame, fault: str, before: Sequence[object] | None = None, after: Sequence[object] | None = None
) -> pd.DataFrame:
    """Repair-log rows for the horizons in ``rows`` (columns profile_id and row); the action is the rule's.

    >>> repair_rows(pd.DataFrame({"profile_id": ["a"], "row": [3]}), "zero thickness", ["20-20 cm"]).values.tolist()
    [['a', 3, 'zero thickness', 'horizon dropped', '20-20 cm', '']]
    """
    blank = [""] * len(rows)
    return pd.DataFrame(
        {
            "profile_id": rows["profile_id"].astype(object).fillna("").astype(str).to_numpy(dtype=object),
            "row": rows["row"].astype("Int64").to_numpy(dtype=object),
            "fault": fault,
            "action": RULES[fault],
            "before": blank if before is None else [_text(value) for value in before],
            "after": blank if after is None else [_text(value) for value in after],
        },
        columns=list(LOG_COLUMNS),
    )


def concat_repairs(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One repair log of several, in their order; an empty one keeps columns and types."""
    empty = repair_rows(pd.DataFrame({"profile_id": [], "row": []}), "gap")
    filled = [part for part in parts if len(part)]
    joined = pd.concat(filled, ignore_index=True) if filled else empty
    return joined.astype({name: "Int64" if name == "row" else "str" for name in LOG_COLUMNS})


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.10g}"
    return str(value)


def _span(rows: pd.DataFrame) -> list[str]:
    return [f"{_text(float(t))}-{_text(float(b))} cm" for t, b in zip(rows["top_cm"], rows["bottom_cm"], strict=True)]


def _place(rows: pd.DataFrame) -> list[str]:
    return [f"{_text(float(x))}, {_text(float(y))}" for x, y in zip(rows["lon"], rows["lat"], strict=True)]


def _canonical(horizons: pd.DataFrame) -> pd.DataFrame:
    """Copy with every canonical column, typed, sorted by source and row."""
    missing = [name for name in REQUIRED if name not in horizons.columns]
    if missing:
        raise TableError(
            f"horizon table: no column {', '.join(missing)}; expected {', '.join(REQUIRED)} beside "
            f"{', '.join(map(str, horizons.columns[:20]))}"
        )
    table = horizons.copy()
    if "row" not in table:
        table["row"] = np.arange(1, len(table) + 1)
    if "source" not in table:
        table["source"] = ""
    faults = []
    numbers = [name for name in (*COLUMNS, *OPTIONAL) if name not in ("profile_id", "source", "row")]
    for name in numbers:
        if name not in table:
            if name in COLUMNS:
                table[name] = np.nan
            continue
        try:
            table[name] = table[name].astype("float64")
        except (TypeError, ValueError):
            faults.append(f"horizon table: column {name} holds text; expected numbers")
    if faults:
        raise TableError(faults)
    table["row"] = table["row"].astype("int64")
    table["profile_id"] = table["profile_id"].astype("str")
    table["source"] = table["source"].astype("str").fillna("")
    rest = [name for name in table.columns if name not in COLUMNS]
    return table[[*COLUMNS, *rest]].sort_values(["source", "row"], kind="stable").reset_index(drop=True)


def _drop(table: pd.DataFrame, bad: pd.Series, fault: str, log: list[pd.DataFrame], before: str = "") -> pd.DataFrame:
    """Drop horizons and log each: its span, or the value of column ``before``."""
    rows = table[bad]
    log.append(repair_rows(rows, fault, rows[before].tolist() if before else _span(rows)))
    return table[~bad].reset_index(drop=True)


def _ids(table: pd.DataFrame, log: list[pd.DataFrame]) -> pd.DataFrame:
    nameless = table["profile_id"].isna() | (table["profile_id"].str.strip() == "")
    table = _drop(table, nameless, "profile_id missing", log)
    sources = table.groupby("profile_id")["source"].transform("nunique")
    shared = sources > 1
    new = table["source"] + ":" + table["profile_id"]
    first = shared & ~new.duplicated()
    old = table["profile_id"][first].tolist()
    log.append(repair_rows(table[first], "same profile_id in several sources", old, new[first].tolist()))
    return table.assign(profile_id=table["profile_id"].mask(shared, new))


def _places(table: pd.DataFrame, log: list[pd.DataFrame]) -> pd.DataFrame:
    """One coordinate for each profile: the first valid one."""
    lon, lat = table["lon"], table["lat"]
    missing = lon.isna() | lat.isna()
    origin = (lon == 0) & (lat == 0)
    outside = ~missing & ~(lon.between(-180, 180) & lat.between(-90, 90))
    valid = ~(missing | origin | outside)
    ids = table["profile_id"]
    first = table[["lon", "lat"]].where(valid).groupby(ids).transform("first")
    homeless = first["lon"].isna()
    head = ~ids.duplicated()
    reason = np.select(
        [missing, origin], ["coordinates missing", "coordinates 0, 0"], "coordinates outside -180 to 180, -90 to 90"
    )
    for fault in ("coordinates missing", "coordinates 0, 0", "coordinates outside -180 to 180, -90 to 90"):
        hit = homeless & head & (reason == fault)
        log.append(repair_rows(table[hit], fault, _place(table[hit])))
    apart = valid & (((lon - first["lon"]).abs() > SAME_PLACE_DEG) | ((lat - first["lat"]).abs() > SAME_PLACE_DEG))
    log.append(repair_rows(table[apart], "several coordinates", _place(table[apart]), _place(first[apart])))
    return table.assign(lon=first["lon"], lat=first["lat"])[~homeless].reset_index(drop=True)


def _years(table: pd.DataFrame, log: list[pd.DataFrame]) -> pd.DataFrame:
    """One year for each profile; a profile sampled in several years is several profiles."""
    year = table["year"]
    bad = year.notna() & ~year.between(1800, 2100)
    log.append(repair_rows(table[bad], "year outside 1800 to 2100", year[bad].tolist()))
    year = year.mask(bad)
    ids = table["profile_id"]
    first = year.groupby(ids).transform("first")
    year = year.fillna(first)
    several = year.groupby(ids).transform("nunique") > 1
    if not several.any():
        return table.assign(year=year)
    new = ids + "@" + year.map(lambda number: "" if np.isnan(number) else f"{number:.10g}")
    head = several & ~new.duplicated()
    log.append(repair_rows(table[head], "several years", ids[head].tolist(), new[head].tolist()))
    return table.assign(year=year, profile_id=ids.mask(several, new))


def _depths(table: pd.DataFrame, log: list[pd.DataFrame]) -> pd.DataFrame:
    finite = (table["top_cm"] + table["bottom_cm"]).abs() < np.inf
    table = _drop(table, ~finite, "depth missing", log)
    top, bottom = table["top_cm"].round(2), table["bottom_cm"].round(2)
    fine = ((top - table["top_cm"]).abs() > NOISE_CM) | ((bottom - table["bottom_cm"]).abs() > NOISE_CM)
    rounded = table.assign(top_cm=top, bottom_cm=bottom)
    log.append(repair_rows(table[fine], "depth finer than 0.01 cm", _span(table[fine]), _span(rounded[fine])))
    table = rounded
    # Old descriptions count organic layers upwards from the mineral soil: 5-0 above 0-10 is not 0-5.
    starts_at_0 = ((table["top_cm"] == 0) & (table["bottom_cm"] > 0)).groupby(table["profile_id"]).transform("any")
    upward = (table["bottom_cm"] == 0) & (table["top_cm"] > 0) & starts_at_0
    above = (table["top_cm"] < 0) | (table["bottom_cm"] < 0) | upward
    table = _drop(table, above, "above the surface", log)
    reversed_ = table["top_cm"] > table["bottom_cm"]
    swapped = table.assign(
        top_cm=table[["top_cm", "bottom_cm"]].min(axis=1), bottom_cm=table[["top_cm", "bottom_cm"]].max(axis=1)
    )
    log.append(repair_rows(table[reversed_], "reversed", _span(table[reversed_]), _span(swapped[reversed_])))
    return _drop(swapped, swapped["top_cm"] == swapped["bottom_cm"], "zero thickness", log)


def _contents(table: pd.DataFrame, log: list[pd.DataFrame]) -> pd.DataFrame:
    table = _drop(table, table["soc_g_kg"].isna(), "soc missing", log)
    outside = ~table["soc_g_kg"].between(0.0, SOC_MAX_G_KG)
    table = _drop(table, outside, "soc outside 0 to 600 g/kg", log, "soc_g_kg")
    for name, (low, high, fault) in SET_MISSING.items():
        if name in table:
            bad = table[name].notna() & ~table[name].between(low, high)
            log.append(repair_rows(table[bad], fault, table[name][bad].tolist()))
            table = table.assign(**{name: table[name].mask(bad)})
    return table


def _stack(table: pd.DataFrame, log: list[pd.DataFrame]) -> pd.DataFrame:
    """Horizons that lie on each other, then what is left between them."""
    table = _same_depths(table, log)
    # Of two that start together the thicker comes first, so that the inner one is found behind the outer one.
    order = table.sort_values(["profile_id", "top_cm", "bottom_cm"], ascending=[True, True, False], kind="stable")
    reach = order.groupby("profile_id")["bottom_cm"].cummax().groupby(order["profile_id"]).shift()
    inner = order["bottom_cm"] <= reach
    table = _drop(order, inner, "nested", log)
    above = table.groupby("profile_id")["bottom_cm"].shift()
    overlap = table["top_cm"] < above
    moved = table.assign(top_cm=table["top_cm"].mask(overlap, above))
    log.append(repair_rows(table[overlap], "overlap", _span(table[overlap]), _span(moved[overlap])))
    gap = moved["top_cm"] > above
    holes = pd.DataFrame({"top_cm": above[gap], "bottom_cm": moved["top_cm"][gap]})
    log.append(repair_rows(moved[gap], "gap", _span(holes)))
    return moved


def _same_depths(table: pd.DataFrame, log: list[pd.DataFrame]) -> pd.DataFrame:
    """Horizons with the same bounds: copies go, replicates become their mean (the one reading that has no order)."""
    bounds = ["profile_id", "top_cm", "bottom_cm"]
    values = [name for name in table.columns if name not in ("row", "source")]
    copy = table.duplicated(values)
    table = _drop(table, copy, "horizon repeated", log)
    shared = table.duplicated(bounds, keep=False)
    if not shared.any():
        return table
    numbers = [name for name in table.select_dtypes("number").columns if name not in (*bounds, "row")]
    mean = table[shared].groupby(bounds)[numbers].transform("mean")
    averaged = table.copy()
    averaged.loc[shared, numbers] = mean
    log.append(
        repair_rows(
            table[shared],
            "same depths, other values",
            [f"soc {_text(value)} g/kg" for value in table["soc_g_kg"][shared]],
            [f"soc {_text(value)} g/kg" for value in averaged["soc_g_kg"][shared]],
        )
    )
    return averaged[~averaged.duplicated(bounds)].reset_index(drop=True)


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Profiles by their first row, horizons by depth."""
    by_row = table.sort_values(["source", "row"], kind="stable")
    rank = pd.Series(pd.factorize(by_row["profile_id"])[0], index=by_row.index)
    return (
        table.assign(_rank=rank)
        .sort_values(["_rank", "top_cm"], kind="stable")
        .drop(columns="_rank")
        .reset_index(drop=True)
    )
