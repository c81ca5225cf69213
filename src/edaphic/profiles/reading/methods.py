"""Analytical methods of organic carbon: their names, factors between them, and total minus inorganic carbon."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from edaphic.errors import TableError
from edaphic.profiles.cleaning.clean import concat_repairs, repair_rows
from edaphic.units import carbon_of_carbonate

WALKLEY_BLACK_FACTOR = 1.32
"""Organic carbon over what Walkley and Black's method finds: 1 / 0.76, their mean recovery (Walkley and Black 1934, Soil Science
37, 29-38). Many laboratories have applied it already; only the source can say."""

WALKLEY_BLACK_RANGE = (1.16, 1.67)
"""The same for the recoveries of 86 and 60 % between which their soils lay."""

DIFFERENCE = "total minus inorganic"

METHODS: Mapping[str, str] = MappingProxyType(
    {
        "loss on ignition": r"loss[ -]*on[ -]*ignition|\bloi\b|ignition",
        DIFFERENCE: r"\b(?:total|tc|c_?tot)\b.*(?:minus|less| - ).*(?:inorg|tic\b|\bic\b|carbonate)|by difference",
        "walkley_black": r"walkl[e]?y|walkey|\bw\s*[-&/]?\s*b\b|^6a1",
        "wet oxidation": r"wet|dichromat|chromic|tinsley|\banne\b|kurmies|mebius|t[iyj]*urin|springer|schollenberger|sulphochromic"
        r"|iso[ -]*14235",
        "spectroscopy": r"spectro|\bv?-?nir\b|\bmir\b|infra-?red",
        "dry combustion": r"dry|combust|dumas|leco|elementa|element(?:al)?[ -]*anal|\bcns?h?\b|\bc/n\b|\bea\b|vario|carlo[ -]*erba"
        r"|flash|thermo|iso[ -]*10694|^6a2|^4h2",
    }
)
"""Names in use here, and the pattern that a free text of that method fits; the first that fits counts."""


def method_of(texts: pd.Series) -> pd.Series:
    """Canonical name of the analytical method in a free text.

    Parameters
    ----------
    texts : Series of str

    Returns
    -------
    Series of str
        A key of :data:`METHODS`; any other text as it is; "" where there is none.

    Examples
    --------
    >>> method_of(pd.Series(["Walkley-Black", "WB", "Dumas (LECO CN 628)", "L.O.I. / loss on ignition", "unusual", None])).tolist()
    ['walkley_black', 'walkley_black', 'dry combustion', 'loss on ignition', 'unusual', '']
    """
    places, spelt = pd.factorize(texts.astype("str").str.strip())
    words = pd.Series(spelt, dtype="str")
    low = words.str.lower().str.replace("_", " ", regex=False)
    named = pd.Series("", index=words.index, dtype="object")
    for method, pattern in METHODS.items():
        # Groups are only for alternatives, so nothing is captured.
        fits = low.str.contains(pattern, regex=True).to_numpy(dtype=bool)
        named = named.mask((named == "") & fits, method)
    named = named.mask(named == "", words)
    known = np.append(named.to_numpy(dtype=object), "")
    return pd.Series(known[places], index=texts.index, dtype="str")


def correct(horizons: pd.DataFrame, factors: Mapping[str, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Organic carbon of named methods times a factor, because the caller says so.

    ``soc_g_kg`` of each horizon whose ``soc_method`` is a key of ``factors`` is multiplied. Nothing is corrected by itself.

    Parameters
    ----------
    horizons : DataFrame
        With ``profile_id, row, soc_g_kg, soc_method``.
    factors : mapping of method to number
        For example ``{"walkley_black": WALKLEY_BLACK_FACTOR}``.

    Returns
    -------
    horizons : DataFrame
        A copy.
    repairs : DataFrame
        One row for each horizon that was changed, fault "soc method corrected".

    Raises
    ------
    TableError
        No such column, a factor that is no positive number, or a method that no horizon has.

    Examples
    --------
    >>> table = pd.DataFrame({"profile_id": "a", "row": [1, 2], "soc_g_kg": [10.0, 10.0],
    ...                       "soc_method": ["walkley_black", "dry combustion"]})
    >>> corrected, log = correct(table, {"walkley_black": WALKLEY_BLACK_FACTOR})
    >>> corrected["soc_g_kg"].round(6).tolist(), log[["row", "before", "after"]].values.tolist()
    ([13.2, 10.0], [[1, '10 g/kg walkley_black', '13.2 g/kg']])
    """
    faults = [
        f"horizon table: soc_method {method!r}: found factor {factor}; expected a positive number"
        for method, factor in factors.items()
        if not (np.isfinite(factor) and factor > 0)
    ]
    if factors and "soc_method" not in horizons:
        faults.append("horizon table: no column soc_method; expected the method of each horizon, to correct some")
    else:
        there = sorted(set(horizons["soc_method"].dropna().unique()) - {""}) if factors else []
        faults += [
            f"horizon table: soc_method: found no {method!r} to correct; expected one of {', '.join(there) or 'none'}"
            for method in factors
            if method not in there
        ]
    if faults:
        raise TableError(faults)
    if not factors:
        return horizons.copy(), concat_repairs([])
    factor = horizons["soc_method"].map(dict(factors)).astype("float64")
    changed = factor.notna() & (factor != 1.0) & horizons["soc_g_kg"].notna()
    table = horizons.assign(soc_g_kg=horizons["soc_g_kg"].mask(changed, horizons["soc_g_kg"] * factor))
    before = [
        f"{soc:.10g} g/kg {method}"
        for soc, method in zip(horizons["soc_g_kg"][changed], horizons["soc_method"][changed], strict=True)
    ]
    after = [f"{soc:.10g} g/kg" for soc in table["soc_g_kg"][changed]]
    return table, concat_repairs([repair_rows(table[changed], "soc method corrected", before, after)])


def total_minus_inorganic(horizons: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Organic carbon as total minus inorganic carbon, where organic carbon is missing.

    Inorganic carbon is ``inorganic_carbon_g_kg`` where there is a number, else the carbon of ``carbonate_g_kg``. A horizon without
    either stays without organic carbon: a missing carbonate is not taken for none.

    Parameters
    ----------
    horizons : DataFrame
        With ``profile_id, row``, and any of ``soc_g_kg, total_carbon_g_kg, inorganic_carbon_g_kg, carbonate_g_kg, soc_method``.

    Returns
    -------
    horizons : DataFrame
        A copy with ``soc_g_kg`` and ``soc_method``; a negative difference leaves the organic carbon missing.
    repairs : DataFrame
        Faults "soc from total minus inorganic carbon" and "inorganic carbon above total".

    Examples
    --------
    >>> table = pd.DataFrame({"profile_id": "a", "row": [1, 2, 3], "soc_g_kg": [5.0, None, None],
    ...                       "total_carbon_g_kg": [9.0, 20.0, 3.0], "inorganic_carbon_g_kg": [2.0, 8.0, 4.0]})
    >>> found, log = total_minus_inorganic(table)
    >>> found["soc_g_kg"].tolist(), log[["row", "fault", "after"]].values.tolist()  # doctest: +NORMALIZE_WHITESPACE
    ([5.0, 12.0, nan], [[2, 'soc from total minus inorganic carbon', '12 g/kg'],
                        [3, 'inorganic carbon above total', '']])
    """
    table = horizons.copy()
    nothing = pd.Series(np.nan, index=table.index)
    soc = table.get("soc_g_kg", nothing).astype("float64")
    total = table.get("total_carbon_g_kg", nothing).astype("float64")
    carbonate = pd.Series(carbon_of_carbonate(table.get("carbonate_g_kg", nothing)), index=table.index)
    inorganic = table.get("inorganic_carbon_g_kg", nothing).astype("float64").fillna(carbonate)
    left = total - inorganic
    asked = soc.isna() & left.notna()
    found, negative = asked & (left >= 0), asked & (left < 0)
    table["soc_g_kg"] = soc.mask(found, left)
    if found.any() or "soc_method" in table:
        method = table.get("soc_method", pd.Series("", index=table.index, dtype="str")).astype("str").fillna("")
        table["soc_method"] = method.mask(found, DIFFERENCE)

    def told(rows: pd.Series) -> list[str]:
        return [f"total {t:.10g}, inorganic {i:.10g} g/kg" for t, i in zip(total[rows], inorganic[rows], strict=True)]

    after = [f"{value:.10g} g/kg" for value in left[found]]
    log = [
        repair_rows(table[found], "soc from total minus inorganic carbon", told(found), after),
        repair_rows(table[negative], "inorganic carbon above total", told(negative)),
    ]
    return table, concat_repairs(log)
