"""Repairs of horizon tables: depth logic, values out of range, coordinates. None is silent.

The rules are applied in the order of :data:`RULES`. They use the number of the source row (``row``) to tell which
record came first, never the place in the table, so shuffling the table changes nothing.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pandas as pd

from edaphic.errors import TableError
from edaphic.profiles.cleaning.depths import HIGHEST_CM, depths, rock, rock_within, stack, without_end
from edaphic.profiles.cleaning.places import Box, attributes, check_box, ids, places, years
from edaphic.profiles.cleaning.replicates import same_depths
from edaphic.profiles.cleaning.rules import LOG_COLUMNS, RULE_GROUPS, RULES, concat_repairs, repair_rows
from edaphic.profiles.cleaning.worktable import COLUMNS, OPTIONAL, REQUIRED, Worktable

__all__ = [
    "COLUMNS",
    "LOG_COLUMNS",
    "OPTIONAL",
    "REQUIRED",
    "RULES",
    "RULE_GROUPS",
    "SET_MISSING",
    "SOC_MAX_G_KG",
    "clean",
    "concat_repairs",
    "repair_rows",
]

SOC_MAX_G_KG = 600.0
_LARGEST = float(np.finfo(np.float64).max)
SET_MISSING = MappingProxyType(
    {
        "soc_stock_kg_m2": (0.0, _LARGEST, "reported stock negative or infinite"),
        "bulk_density_g_cm3": (0.02, 2.65, "bulk density outside 0.02 to 2.65 g/cm3"),
        "bulk_density_reported_g_cm3": (0.02, 2.65, "bulk density outside 0.02 to 2.65 g/cm3"),
        "coarse_fragments_vol_pct": (0.0, 100.0, "coarse fragments outside 0 to 100 %"),
        "coarse_fragments_mass_pct": (0.0, 100.0, "coarse fragments outside 0 to 100 %"),
        "clay_pct": (0.0, 100.0, "texture outside 0 to 100 %"),
        "silt_pct": (0.0, 100.0, "texture outside 0 to 100 %"),
        "sand_pct": (0.0, 100.0, "texture outside 0 to 100 %"),
        "ph_h2o": (0.0, 14.0, "pH outside 0 to 14"),
        "total_n_g_kg": (0.0, 100.0, "total nitrogen outside 0 to 100 g/kg"),
    }
)
"""Lowest and highest value of each column and the fault of others; the limits belong to the range."""


def clean(
    horizons: pd.DataFrame,
    *,
    shift_organic: bool = False,
    last_thickness_cm: float | None = None,
    bounding_box: Box | None = None,
    need_places: bool = True,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Repair a horizon table by the :data:`RULES`.

    Parameters
    ----------
    horizons : DataFrame
        One row per horizon with ``profile_id, lon, lat, top_cm, bottom_cm, soc_g_kg`` (the last may be absent where
        ``soc_stock_kg_m2`` is there); optional ``source``, ``row`` (1-based number of the source row; made from the order
        of the table where there is none) and all other columns of the horizon table. Columns that are not known are
        carried along.
    shift_organic : bool
        Move profiles with organic layers above the mineral surface (-5 to 0, 0 to -5, or 5-0 above 0-10) down, so that
        the top of the organic layer is 0; else these layers are dropped.
    last_thickness_cm : float, optional
        Thickness in cm of a lowest horizon without a lower depth; such a horizon is dropped where not given.
    bounding_box : (west, south, east, north), optional
        Degrees. Profiles outside are dropped; west above east crosses the antimeridian.
    need_places : bool
        Drop profiles without a valid place; else they are kept without one.

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
        A required column is missing, a column of numbers holds text, a label would stand for two profiles, or an option
        is out of range.

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
    check_box(bounding_box)
    if last_thickness_cm is not None and not 0.01 <= last_thickness_cm <= HIGHEST_CM:
        raise TableError(f"last_thickness_cm: found {last_thickness_cm}; expected 0.01 to {HIGHEST_CM:g} cm")
    work = Worktable(horizons)
    ids(work)
    places(work, bounding_box, need_places)
    years(work)
    attributes(work)
    endless = without_end(work)
    depths(work, shift_organic, last_thickness_cm)
    rock(work, endless)
    _contents(work)
    same_depths(work)
    stack(work)
    rock_within(work)
    return work.result()


def clean_property(horizons: pd.DataFrame, *, shift_organic: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Repair depths of a table that carries any one property, whatever its unit, as ``soc_g_kg``.

    Labels, depths and horizons against each other are treated as by :func:`clean`; places are not needed, and numbers have no limits.

    >>> table = pd.DataFrame({
    ...     "profile_id": ["a", "a"], "lon": float("nan"), "lat": float("nan"), "top_cm": [0, 20], "bottom_cm": [20, 50],
    ...     "soc_g_kg": [-999.0, None]})
    >>> horizons, repairs = clean_property(table)
    >>> horizons["soc_g_kg"].tolist(), repairs["fault"].tolist()
    ([-999.0], ['value missing'])
    """
    work = Worktable(horizons)
    ids(work)
    places(work, None, needed=False)
    years(work)
    attributes(work)
    endless = without_end(work)
    depths(work, shift_organic, None)
    rock(work, endless)
    value = work.core["soc_g_kg"]
    work.drop(~np.isfinite(value), "value missing")
    same_depths(work)
    stack(work)
    rock_within(work)
    return work.result()


def _contents(work: Worktable) -> None:
    """Values that cannot be are missing, and horizons without carbon go."""
    _limit(work, "soc_stock_kg_m2")
    soc = work.core["soc_g_kg"]
    if "soc_stock_kg_m2" in work:
        reported = soc.isna() & work.values("soc_stock_kg_m2").notna()
        work.drop(soc.isna() & ~reported, "soc missing")
        work.note(work.core["soc_g_kg"].isna(), "soc missing, stock reported")
    else:
        work.drop(soc.isna(), "soc missing")
    soc = work.core["soc_g_kg"]
    work.drop(soc.notna() & ~soc.between(0.0, SOC_MAX_G_KG), "soc outside 0 to 600 g/kg", lambda rows: list(rows["soc_g_kg"]))
    for name in SET_MISSING:
        if name != "soc_stock_kg_m2":
            _limit(work, name)


def _limit(work: Worktable, name: str) -> None:
    if name not in work:
        return
    low, high, fault = SET_MISSING[name]
    values = work.values(name).to_numpy()
    bad = ~np.isnan(values) & ~((values >= low) & (values <= high))
    if not bad.any():
        return
    work.write(work.core[bad], fault, [f"{name} {value:.10g}" for value in values[bad]])
    rows = work.core.index[bad]
    work.put(name, rows, np.full(len(rows), np.nan))
    if name == "bulk_density_g_cm3" and "bulk_density_basis" in work:
        work.put("bulk_density_basis", rows, np.full(len(rows), "", dtype=object))
