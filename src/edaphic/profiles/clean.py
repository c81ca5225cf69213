"""Repairs of horizon tables: depth logic, values out of range, coordinates. None is silent.

The rules are applied in the order of :data:`RULES`. They use the number of the source row (``row``) to tell which
record came first, never the place in the table, so shuffling the table changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

Describe = Callable[[pd.DataFrame], Sequence[object]]

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
    table, log = _canonical(horizons), _Log()
    for repair in (_ids, _places, _years, _depths, _contents, _stack):
        table = repair(table, log)
    return _ordered(table), concat_repairs(log.parts)


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


def _content(rows: pd.DataFrame) -> list[str]:
    return [f"{span}: soc {_text(float(soc))} g/kg" for span, soc in zip(_span(rows), rows["soc_g_kg"], strict=True)]


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


class _Log:
    """Repair-log rows as they come."""

    def __init__(self) -> None:
        self.parts: list[pd.DataFrame] = []

    def note(
        self,
        table: pd.DataFrame,
        bad: pd.Series,
        fault: str,
        told: Describe | str = _span,
        after: pd.DataFrame | None = None,
    ) -> None:
        """One row for each horizon of ``table`` that is ``bad``: how ``told`` (a column, or a function) describes it.

        ``after`` is the repaired table, with the same rows.
        """
        if bad.any():
            changed = None if after is None else self._told(after[bad], told)
            self.parts.append(repair_rows(table[bad], fault, self._told(table[bad], told), changed))

    @staticmethod
    def _told(rows: pd.DataFrame, told: Describe | str) -> list[object]:
        return list(rows[told]) if isinstance(told, str) else list(told(rows))

    def drop(self, table: pd.DataFrame, bad: pd.Series, fault: str, told: Describe | str = _span) -> pd.DataFrame:
        """The table without its bad horizons, each of them noted."""
        if not bad.any():
            return table
        self.note(table, bad, fault, told)
        return table[~bad].reset_index(drop=True)


def _ids(table: pd.DataFrame, log: _Log) -> pd.DataFrame:
    nameless = table["profile_id"].isna() | (table["profile_id"].str.strip() == "")
    table = log.drop(table, nameless, "profile_id missing")
    shared = table.groupby("profile_id")["source"].transform("nunique") > 1
    if not shared.any():
        return table
    new = table["source"] + ":" + table["profile_id"]
    renamed = table.assign(profile_id=table["profile_id"].mask(shared, new))
    log.note(table, shared & ~new.duplicated(), "same profile_id in several sources", "profile_id", renamed)
    return renamed


def _places(table: pd.DataFrame, log: _Log) -> pd.DataFrame:
    """One coordinate for each profile: the first valid one."""
    lon, lat = table["lon"], table["lat"]
    missing = lon.isna() | lat.isna()
    origin = (lon == 0) & (lat == 0)
    outside = ~missing & ~(lon.between(-180, 180) & lat.between(-90, 90))
    valid = ~(missing | origin | outside)
    ids = table["profile_id"]
    first = table[["lon", "lat"]].where(valid).groupby(ids).transform("first")
    homeless = first["lon"].isna()
    head = homeless & ~ids.duplicated()
    log.note(table, head & missing, "coordinates missing", _place)
    log.note(table, head & origin, "coordinates 0, 0", _place)
    log.note(table, head & outside, "coordinates outside -180 to 180, -90 to 90", _place)
    apart = valid & (((lon - first["lon"]).abs() > SAME_PLACE_DEG) | ((lat - first["lat"]).abs() > SAME_PLACE_DEG))
    log.note(table, apart, "several coordinates", _place, first)
    return table.assign(lon=first["lon"], lat=first["lat"])[~homeless].reset_index(drop=True)


def _years(table: pd.DataFrame, log: _Log) -> pd.DataFrame:
    """One year for each profile; a profile sampled in several years is several profiles."""
    year, ids = table["year"], table["profile_id"]
    bad = year.notna() & ~year.between(1800, 2100)
    log.note(table, bad, "year outside 1800 to 2100", "year")
    year = year.mask(bad)
    year = year.fillna(year.groupby(ids).transform("first"))
    table = table.assign(year=year)
    several = year.groupby(ids).transform("nunique") > 1
    if not several.any():
        return table
    new = ids + "@" + pd.Series([_text(number) for number in year], index=year.index, dtype="str")
    renamed = table.assign(profile_id=ids.mask(several, new))
    log.note(table, several & ~new.duplicated(), "several years", "profile_id", renamed)
    return renamed


def _depths(table: pd.DataFrame, log: _Log) -> pd.DataFrame:
    finite = (table["top_cm"] + table["bottom_cm"]).abs() < np.inf
    table = log.drop(table, ~finite, "depth missing")
    rounded = table.assign(top_cm=table["top_cm"].round(2), bottom_cm=table["bottom_cm"].round(2))
    change = (rounded[["top_cm", "bottom_cm"]] - table[["top_cm", "bottom_cm"]]).abs()
    log.note(table, (change > NOISE_CM).any(axis=1), "depth finer than 0.01 cm", _span, rounded)
    top, bottom, ids = rounded["top_cm"], rounded["bottom_cm"], rounded["profile_id"]
    # Old descriptions count organic layers upwards from the mineral soil: 5-0 above 0-10 is not 0-5.
    starts_at_0 = ((top == 0) & (bottom > 0)).groupby(ids).transform("any")
    upward = (bottom == 0) & (top > 0) & starts_at_0
    table = log.drop(rounded, (top < 0) | (bottom < 0) | upward, "above the surface")
    ends = table[["top_cm", "bottom_cm"]]
    swapped = table.assign(top_cm=ends.min(axis=1), bottom_cm=ends.max(axis=1))
    log.note(table, table["top_cm"] > table["bottom_cm"], "reversed", _span, swapped)
    return log.drop(swapped, swapped["top_cm"] == swapped["bottom_cm"], "zero thickness")


def _contents(table: pd.DataFrame, log: _Log) -> pd.DataFrame:
    table = log.drop(table, table["soc_g_kg"].isna(), "soc missing")
    table = log.drop(table, ~table["soc_g_kg"].between(0.0, SOC_MAX_G_KG), "soc outside 0 to 600 g/kg", "soc_g_kg")
    for name, (low, high, fault) in SET_MISSING.items():
        if name in table:
            bad = table[name].notna() & ~table[name].between(low, high)
            log.note(table, bad, fault, name)
            table = table.assign(**{name: table[name].mask(bad)})
    return table


def _stack(table: pd.DataFrame, log: _Log) -> pd.DataFrame:
    """Horizons that lie on each other, then what is left between them."""
    table = _same_depths(table, log)
    # Of two that start together the thicker comes first, so that the inner one is found behind the outer one.
    order = table.sort_values(["profile_id", "top_cm", "bottom_cm"], ascending=[True, True, False], kind="stable")
    reach = order.groupby("profile_id")["bottom_cm"].cummax().groupby(order["profile_id"]).shift()
    table = log.drop(order, order["bottom_cm"] <= reach, "nested")
    above = table.groupby("profile_id")["bottom_cm"].shift()
    overlap = table["top_cm"] < above
    moved = table.assign(top_cm=table["top_cm"].mask(overlap, above))
    log.note(table, overlap, "overlap", _span, moved)
    log.note(moved.assign(top_cm=above, bottom_cm=moved["top_cm"]), moved["top_cm"] > above, "gap")
    return moved


def _same_depths(table: pd.DataFrame, log: _Log) -> pd.DataFrame:
    """Horizons with the same bounds: copies go, replicates become their mean (the one reading that has no order)."""
    bounds = ["profile_id", "top_cm", "bottom_cm"]
    values = [name for name in table.columns if name not in ("row", "source")]
    table = log.drop(table, table.duplicated(values), "horizon repeated")
    shared = table.duplicated(bounds, keep=False)
    if not shared.any():
        return table
    numbers = [name for name in table.select_dtypes("number").columns if name not in (*bounds, "row")]
    averaged = table.copy()
    averaged.loc[shared, numbers] = table[shared].groupby(bounds)[numbers].transform("mean")
    log.note(table, shared, "same depths, other values", _content, averaged)
    return averaged[~averaged.duplicated(bounds)].reset_index(drop=True)


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Profiles by their first row, horizons by depth."""
    by_row = table.sort_values(["source", "row"], kind="stable")
    rank = pd.Series(pd.factorize(by_row["profile_id"])[0], index=by_row.index)
    ranked = table.assign(_rank=rank).sort_values(["_rank", "top_cm"], kind="stable")
    return ranked.drop(columns="_rank").reset_index(drop=True)
