"""What is looked for in profiles, what is done about it, and the log that says where it was done.

Every rule stands here once, in the order in which the rules are applied. The documentation shows this table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from types import MappingProxyType

import numpy as np
import pandas as pd

ON_REQUEST = "; on request: "
"""Parts what is done by default from what an option of :func:`edaphic.profiles.clean` does instead."""

RULE_GROUPS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "while reading": {
            "not a number": "read as missing",
            "no profile_id": "every row is a profile of its own",
            "site repeated": "first kept",
            "site without horizons": "left out",
            "horizons without site": "profile dropped",
            "below the detection limit": "half the limit taken",
            "year of a range": "middle of the range",
            "soc method corrected": "multiplied by the factor of the recipe",
            "soc from total minus inorganic carbon": "subtracted",
            "inorganic carbon above total": "soc set missing",
        },
        "the profile as a whole": {
            "profile_id missing": "horizon dropped",
            "same profile_id in several sources": "renamed to source:profile_id",
            "longitudes 0 to 360": "360 subtracted from those above 180, where all of the source are within 0 to 360",
            "coordinates swapped": "longitude and latitude exchanged",
            "coordinates missing": "profile dropped" + ON_REQUEST + "kept without a place",
            "coordinates 0, 0": "profile dropped" + ON_REQUEST + "kept without a place",
            "coordinates like metres": "profile dropped" + ON_REQUEST + "kept without a place",
            "coordinates outside -180 to 180, -90 to 90": "profile dropped" + ON_REQUEST + "kept without a place",
            "coordinates outside the bounding box": "profile dropped",
            "several coordinates": "first kept",
            "year outside 1800 to 2100": "set missing",
            "several years": "one profile for each year, profile_id@year",
            "weight negative or infinite": "set missing",
            "position error negative or infinite": "set missing",
            "rock depth negative or infinite": "set missing",
            "several values in one profile": "first kept (weight, position error, rock depth, what lies below)",
            "missing in part of the profile": "first value of the profile taken",
        },
        "depths of one horizon": {
            "depth outside -500 to 10000 cm": "read as missing",
            "depth finer than 0.01 cm": "rounded to 0.01 cm",
            "last lower depth missing": "horizon dropped" + ON_REQUEST + "given the thickness asked for",
            "first upper depth missing": "horizon dropped",
            "depth missing": "horizon dropped",
            "above the surface": "horizon dropped" + ON_REQUEST + "all depths of the profile moved down, also that of rock",
            "reversed": "top and bottom swapped",
            "zero thickness": "horizon dropped",
            "rock below a horizon without depth": "what lies below left unknown",
        },
        "values of one horizon": {
            "reported stock negative or infinite": "set missing",
            "soc missing": "horizon dropped",
            "soc missing, stock reported": "horizon kept, soc left missing",
            "soc outside 0 to 600 g/kg": "horizon dropped",
            "bulk density outside 0.02 to 2.65 g/cm3": "set missing",
            "coarse fragments outside 0 to 100 %": "set missing",
            "texture outside 0 to 100 %": "set missing",
            "pH outside 0 to 14": "set missing",
            "total nitrogen outside 0 to 100 g/kg": "set missing",
        },
        "horizons of one profile against each other": {
            "horizon repeated": "first kept",
            "same depths, other bulk density basis": "bulk density set missing",
            "same depths, other values": "averaged into one horizon; texts that differ become mixed",
            "nested": "the inner horizon dropped",
            "overlap": "top moved to the bottom of the horizon above, a reported stock reduced in proportion",
            "gap": "left unobserved",
            "rock depth above the end of the horizons": "lower depth of the last horizon taken",
        },
        "one property alone": {
            "value missing": "horizon dropped",
        },
        "after cleaning": {
            "duplicate profile": "merged into the record with the most measured fields",
            "reported stock": "used instead of the computed one",
            "bulk density not positive in fine earth": "set missing; whole-soil density less stones",
            "bulk density or fragments missing": "horizon left out of the stock",
        },
    }
)
"""The rules by where they are applied."""

RULES: Mapping[str, str] = MappingProxyType(dict(chain.from_iterable(group.items() for group in RULE_GROUPS.values())))
"""Every fault that is looked for and what is done about it, in this order."""

LOG_COLUMNS = ("profile_id", "row", "fault", "action", "before", "after")


def repair_rows(
    rows: pd.DataFrame,
    fault: str,
    before: Sequence[object] | None = None,
    after: Sequence[object] | None = None,
    *,
    action: str | None = None,
) -> pd.DataFrame:
    """Repair-log rows for the horizons in ``rows`` (columns profile_id and row).

    The action is what the rule does by default; where something else was done, ``action`` says what.

    >>> repair_rows(pd.DataFrame({"profile_id": ["a"], "row": [3]}), "zero thickness", ["20-20 cm"]).values.tolist()
    [['a', 3, 'zero thickness', 'horizon dropped', '20-20 cm', '']]
    """
    blank = [""] * len(rows)
    return pd.DataFrame(
        {
            "profile_id": rows["profile_id"].astype(object).fillna("").astype(str).to_numpy(dtype=object),
            "row": rows["row"].astype("Int64").to_numpy(dtype=object),
            "fault": fault,
            "action": RULES[fault].split(ON_REQUEST)[0] if action is None else action,
            "before": blank if before is None else [text(value) for value in before],
            "after": blank if after is None else [text(value) for value in after],
        },
        columns=list(LOG_COLUMNS),
    )


def requested(fault: str) -> str:
    """What the rule does on request.

    >>> requested("last lower depth missing")
    'given the thickness asked for'
    """
    return RULES[fault].split(ON_REQUEST)[1]


def concat_repairs(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One repair log of several, in their order; an empty one keeps columns and types.

    >>> concat_repairs([]).columns.tolist()
    ['profile_id', 'row', 'fault', 'action', 'before', 'after']
    """
    empty = repair_rows(pd.DataFrame({"profile_id": [], "row": []}), "gap")
    filled = [part for part in parts if len(part)]
    joined = pd.concat(filled, ignore_index=True) if filled else empty
    return joined.astype({name: "Int64" if name == "row" else "str" for name in LOG_COLUMNS})


def text(value: object) -> str:
    """A value as the log writes it: numbers without trailing zeros, missing ones as nothing.

    >>> text(20.0), text(float("nan")), text("a")
    ('20', '', 'a')
    """
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.10g}"
    return str(value)


def span(rows: pd.DataFrame) -> list[str]:
    """Depths of horizons as the log writes them.

    >>> span(pd.DataFrame({"top_cm": [0.0, 80.0], "bottom_cm": [12.5, np.nan]}))
    ['0-12.5 cm', '80-? cm']
    """
    return [f"{text(float(t)) or '?'}-{text(float(b)) or '?'} cm" for t, b in zip(rows["top_cm"], rows["bottom_cm"], strict=True)]


def place(rows: pd.DataFrame) -> list[str]:
    """Coordinates as the log writes them.

    >>> place(pd.DataFrame({"lon": [21.5], "lat": [41.0]}))
    ['21.5, 41']
    """
    return [f"{text(float(x))}, {text(float(y))}" for x, y in zip(rows["lon"], rows["lat"], strict=True)]


def content(rows: pd.DataFrame) -> list[str]:
    """Depths and carbon content as the log writes them.

    >>> content(pd.DataFrame({"top_cm": [0.0], "bottom_cm": [20.0], "soc_g_kg": [9.5]}))
    ['0-20 cm: soc 9.5 g/kg']
    """
    return [f"{depths}: soc {text(float(soc))} g/kg" for depths, soc in zip(span(rows), rows["soc_g_kg"], strict=True)]
