"""How sure the stocks of the profiles are: their error, its parts, and which of them rest on what was set beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from edaphic.profiles.budget import METHOD_SHARE, PARTS, SPLINE_SHARE, SPLINE_SHARE_TOP, Errors
from edaphic.report.facts import Target, counted
from edaphic.report.folder import RunFolder
from edaphic.report.tables import PageTable, made
from edaphic.report.words import count, is_known, layer_text, listing, number, percent, plural

PART_NAMES: Mapping[str, str] = {
    "soc": "Laboratory",
    "method": "Method",
    "bulk_density": "Bulk density",
    "coarse_fragments": "Coarse fragments",
    "spline": "Depth function",
    "coverage": "Not observed",
}
"""Parts of the budget as the page names them."""

PART_WORDS: Mapping[str, str] = {
    "soc": "the repeatability of the laboratory (a set share of the value)",
    "method": "what the laboratory method may be off as a whole (a set share of the value, not found in these data)",
    "bulk_density": "bulk density",
    "coarse_fragments": "coarse fragments",
    "spline": "how carbon lies within horizons (the depth function)",
    "coverage": "what was not observed of a layer (a set share of its estimate)",
}


def _columns() -> list[str]:
    return [f"sd_{part}_kg_m2" for part in PARTS]


def _known(run: RunFolder) -> pd.DataFrame | None:
    """Rows of the layer table whose error and all its parts are told."""
    table = run.table("layers")
    if table is None:
        return None
    rows = table[table[["soc_stock_kg_m2", "value_sd", *_columns()]].notna().all(axis=1) & (table["value_sd"] > 0.0)]
    return None if rows.empty else rows


def _shares(rows: pd.DataFrame) -> list[float]:
    """Mean over the rows of the share of each part in the variance: every profile counts alike."""
    variance = rows[_columns()].to_numpy(dtype=np.float64) ** 2
    whole = variance.sum(axis=1, keepdims=True)
    return [float(part) for part in (variance / np.where(whole > 0.0, whole, 1.0)).mean(axis=0)]


def error_budget(run: RunFolder, target: Target) -> PageTable | None:
    """Error of the stocks by layer and the share that each part has in it; None where the run does not tell the parts."""
    known = None if target.name == "SOC content" else _known(run)
    if known is None:
        return None
    rows = []
    for top, bottom in dict.fromkeys(zip(known["top_cm"], known["bottom_cm"], strict=True)):
        here = known[(known["top_cm"] == top) & (known["bottom_cm"] == bottom)]
        shares = [percent(part) for part in _shares(here)]
        medians = (number(float(here[name].median())) for name in ("soc_stock_kg_m2", "value_sd"))
        rows.append((layer_text(top, bottom), count(float(len(here))), *medians, *shares))
    names = (PART_NAMES[part] for part in PARTS)
    columns = ("Layer", "Profiles", "Median stock (kg/m²)", "Median error, sd (kg/m²)", *names)
    return made("Error of a profile's stock, and the share of each part in its variance (mean over profiles)", columns, rows)


def largest_part(run: RunFolder) -> tuple[str, float] | None:
    """The part with the largest mean share of the variance over all layers but the one that holds the others, and that share."""
    known = _known(run)
    if known is None:
        return None
    layers = set(zip(known["top_cm"], known["bottom_cm"], strict=True))
    hull = (known["top_cm"].min(), known["bottom_cm"].max())
    if len(layers) > 1 and hull in layers:
        known = known[(known["top_cm"] != hull[0]) | (known["bottom_cm"] != hull[1])]
    shares = _shares(known)
    most = int(np.argmax(shares))
    return PARTS[most], shares[most]


def defaults_words(run: RunFolder) -> list[str]:
    """Which parts rest on what was set, and where the errors of the others were found."""
    set_beforehand = Errors()
    own = run.setting("profiles", "errors", "method_share")
    methods = {**METHOD_SHARE, **(own if isinstance(own, Mapping) else {})}
    named = [share for method, share in methods.items() if method]
    parts = [
        f"the laboratory ({_setting(run, 'soc_share', set_beforehand.soc_share)} of the value of a horizon)",
        f"the method ({percent(min(named))} to {percent(max(named))} by laboratory method, {percent(methods[''])} where it is unknown)",
    ]
    if run.setting("profiles", "stocks") == "reported":
        parts.append(f"reported stocks ({_setting(run, 'reported_share', set_beforehand.reported_share)}, under method)")
    weighed = counted(run, "bulk_density", "measured_sd_share")
    if is_known(weighed) and counted(run, "bulk_density", "measured") > 0:
        parts.append(f"measured bulk density ({percent(weighed)})")
    parts.append(f"what was not observed ({_setting(run, 'unobserved_share', set_beforehand.unobserved_share)} of its estimate)")
    words = [f"Stated defaults or settings of the recipe, not found in these data, are the errors of {listing(parts)}."]
    checked = sorted(set(_checked(run)), reverse=True)
    if checked:
        words.append(f"The errors of estimated bulk densities and coarse fragments were found on {listing(checked)}.")
    words.append(
        f"That of a spline is {SPLINE_SHARE:g} times its distance from the plain mean ({SPLINE_SHARE_TOP:g} times where a layer cuts the "
        "first horizon), factors found on ISRIC-WISE."
    )
    return words


def _setting(run: RunFolder, name: str, default: float) -> str:
    given = run.setting("profiles", "errors", name)
    return percent(given if is_known(given) else default)


def _checked(run: RunFolder) -> Iterable[str]:
    """Tables on which the errors of the estimates in use were found."""
    density, fragments = (_part(run.summary, name) for name in ("bulk_density", "coarse_fragments"))
    found: list[object] = []
    if counted(run, "bulk_density", "pedotransfer") > 0:
        found.append(density.get("checked_against"))
    if counted(run, "bulk_density", "gap_filling") > 0:
        found.append("this table")
    found += [
        _part(density, "errors", name).get("checked_against") for name in ("reported", "grid") if counted(run, "bulk_density", name) > 0
    ]
    found += [
        _part(fragments, "sd", name).get("checked_against")
        for name in ("profile", "grid", "assumed")
        if counted(run, "coarse_fragments", name) > 0
    ]
    return (str(name).replace("this table", "the profiles of this run") for name in found if name and not str(name).startswith("not"))


def _part(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """A part of a JSON document, empty where it is none."""
    here: Any = document
    for key in keys:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}


def profile_facts(run: RunFolder) -> list[tuple[str, str]]:
    """Profiles that were merged and profiles that end on rock, as terms and sentences."""
    found = []
    merged = counted(run, "duplicates")
    if run.setting("profiles", "duplicates", "merge") is False:
        found.append(("Duplicates", "Not looked for, as the recipe says."))
    elif is_known(merged):
        words = f"{plural(merged, 'profile')} merged with another that agrees in place, year, depths and values"
        found.append(("Duplicates", f"{words}; each is a row of profiles/duplicates.csv." if merged else "No profile was found twice."))
    ends = run.table("layers")
    if ends is not None and (ends["below"] != "").any():
        first = ends.groupby("profile_id", sort=False)["below"].first()
        rock = int((first == "rock").sum())
        if rock:
            words = f"{count(float(rock))} of {plural(len(first), 'profile')} {'ends' if rock == 1 else 'end'} on rock: "
            words += "below it there is no carbon, and that counts as observed."
        else:
            words = "No profile is known to end on rock; what lies below the last horizon counts as not observed."
        found.append(("Rock", words))
    return found
