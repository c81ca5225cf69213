"""The table of measurements that may be handed over: which sources, with which coordinates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from edaphic.report.delivery.licences import NOT_STATED, Licence

HORIZONS = (
    "profile_id", "source", "lon", "lat", "coordinate_error_m", "year", "top_cm", "bottom_cm", "soc_g_kg", "soc_method",
    "bulk_density_g_cm3", "bulk_density_basis", "bulk_density_source", "coarse_fragments_vol_pct", "coarse_fragments_source",
    "soc_stock_kg_m2", "clay_pct", "silt_pct", "sand_pct", "ph_h2o", "total_n_g_kg",
)  # fmt: skip
"""Columns of the table of horizons that are handed over, where they are there; no other column is."""

LAYERS = (
    "profile_id", "source", "lon", "lat", "coordinate_error_m", "year", "top_cm", "bottom_cm", "soc_stock_kg_m2", "soc_density_kg_m3",
    "soc_g_kg", "beta", "value", "value_sd", "coverage", "bulk_density_source", "coarse_fragments_source", "organic_soil", "below",
    "status",
)  # fmt: skip
"""Columns of the table of layers likewise."""

METRES_PER_DEGREE = 111_320.0
"""Along a meridian, and along the equator."""

Coordinates = Literal["exact", "rounded", "none"]


@dataclass(frozen=True)
class Shared:
    """Tables that may be handed over, and why sources are in them or not.

    ``verdicts``: source, profiles, shared (yes or no), licence, reason, citation.
    """

    horizons: pd.DataFrame
    layers: pd.DataFrame
    verdicts: pd.DataFrame


def verdict_of(licences: Collection[Licence], leave: bool) -> tuple[bool, str]:
    """Whether a source may be handed over, and why.

    Parameters
    ----------
    licences : collection of Licence
        Of all tables that bear the name of the source.
    leave : bool
        The recipe names it among those that may be shared.

    Examples
    --------
    >>> verdict_of([Licence("CC-BY-4.0", attribution=True)], False)
    (True, 'CC-BY-4.0 lets the data be passed on, with attribution')
    >>> verdict_of([Licence("not stated", known=False)], False)[1]
    'its licence is not stated; expected licence: with the source, or its name in deliver.profiles.share'
    """
    if leave:
        return True, "named in deliver.profiles.share"
    closed = [one for one in licences if not one.may_be_shared]
    if not closed:
        names = " and ".join(dict.fromkeys(one.name for one in licences))
        asked = [word for one in licences for word in one.obligations if word != "no derivatives"]
        return True, f"{names} lets the data be passed on" + (f", with {', '.join(dict.fromkeys(asked))}" if asked else "")
    first = closed[0]
    if first.known:
        return False, f"{first.name} does not let the data be passed on"
    told = "is not stated" if first.name == NOT_STATED else f"({first.name!r}) is not known here"
    return False, f"its licence {told}; expected licence: with the source, or its name in deliver.profiles.share"


def shared_tables(
    horizons: pd.DataFrame,
    layers: pd.DataFrame,
    licences: Mapping[str, Collection[Licence]],
    citations: Mapping[str, str],
    *,
    share: Collection[str] = (),
    coordinates: Coordinates = "rounded",
    decimals: int = 2,
) -> Shared:
    """Tables of measurements and of layers, of the sources that may be handed over.

    Parameters
    ----------
    horizons, layers : DataFrame
        As in the run; ``source`` tells where a row comes from.
    licences : mapping of str to Licence
        Of each source, those of all its tables. A source that is not there has none stated.
    citations : mapping of str to str
    share : collection of str
        Sources that may be handed over whatever their licence.
    coordinates : {"exact", "rounded", "none"}
    decimals : int
        Of rounded degrees. ``coordinate_error_m`` is then at least the largest distance that rounding moves a place by.

    Notes
    -----
    Only columns of :data:`HORIZONS` and :data:`LAYERS` are taken, so that no address, other coordinate or remark slips through. Values
    that are published elsewhere with their place can be matched all the same.
    """
    found = []
    for source, rows in horizons.groupby("source", sort=True):
        name = str(source)
        own = tuple(licences.get(name, ()) or (Licence(NOT_STATED, known=False),))
        may, why = verdict_of(own, name in share)
        told = " and ".join(dict.fromkeys(one.name for one in own))
        found.append((name, rows["profile_id"].nunique(), "yes" if may else "no", told, why, citations.get(name, "")))
    verdicts = pd.DataFrame(found, columns=["source", "profiles", "shared", "licence", "reason", "citation"])
    given = set(verdicts.loc[verdicts["shared"] == "yes", "source"])
    tables = []
    for table, columns in ((horizons, HORIZONS), (layers, LAYERS)):
        own_rows = _placed(table[table["source"].isin(given)], coordinates, decimals)
        tables.append(own_rows[[name for name in columns if name in own_rows]].reset_index(drop=True))
    return Shared(tables[0], tables[1], verdicts)


def _placed(table: pd.DataFrame, coordinates: Coordinates, decimals: int) -> pd.DataFrame:
    """A table whose places are told as asked."""
    if coordinates == "none":
        return table.drop(columns=["lon", "lat"], errors="ignore")
    known = table["position_error_m"] if "position_error_m" in table else pd.Series(np.nan, index=table.index)
    if coordinates == "exact":
        return table.assign(coordinate_error_m=known)
    half = 0.5 * 10.0**-decimals * METRES_PER_DEGREE
    moved = half * np.hypot(1.0, np.cos(np.radians(table["lat"].astype(float))))
    return table.assign(
        lon=table["lon"].round(decimals),
        lat=table["lat"].round(decimals),
        coordinate_error_m=np.ceil(np.hypot(known.fillna(0.0), moved)),
    )
