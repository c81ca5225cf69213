"""What looks odd in raw horizons although it is allowed: most often a unit that is not the one stated."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

SHOWN = (
    ("bottom_cm", "lower depth", "cm"),
    ("soc_g_kg", "organic carbon", "g/kg"),
    ("bulk_density_g_cm3", "bulk density", "g/cm3"),
    ("coarse_fragments_vol_pct", "coarse fragments", "vol%"),
)


def value_lines(horizons: pd.DataFrame) -> list[str]:
    """Spread of the quantities as they were understood, one line each, so that a wrong unit shows.

    >>> value_lines(pd.DataFrame({"soc_g_kg": [10.0, 20.0, 30.0]}))
    ['organic carbon: 5 % 11, median 20, 95 % 29 g/kg (3 values)']
    """
    lines: list[str] = []
    for column, words, unit in SHOWN:
        if column in horizons:
            lines += spread_lines(words, horizons[column].to_numpy(dtype=np.float64), unit)
    return lines


def spread_lines(words: str, values: ArrayLike, unit: str) -> list[str]:
    """Spread of the known values of one quantity as a line; none without values.

    >>> spread_lines("bulk density of the grid", [1.2, float("nan"), 1.4], "g/cm3")
    ['bulk density of the grid: 5 % 1.21, median 1.3, 95 % 1.39 g/cm3 (2 values)']
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not known.size:
        return []
    low, middle, high = np.quantile(known, (0.05, 0.5, 0.95))
    return [f"{words}: 5 % {low:.3g}, median {middle:.3g}, 95 % {high:.3g} {unit} ({known.size:,} values)"]


def doubts(horizons: pd.DataFrame) -> list[str]:
    """Notes on values that hardly any soil has.

    Parameters
    ----------
    horizons : DataFrame
        Raw horizon table of one source, in Edaphic's units.

    Returns
    -------
    list of str
        One line each: what was found, and what it may mean. Empty where nothing looks odd.

    Examples
    --------
    >>> table = pd.DataFrame({"top_cm": [0.0], "bottom_cm": [1500.0], "soc_g_kg": [12.0]})
    >>> doubts(table)
    ['half of the horizons are thicker than 200 cm: is the unit of the depths right?']
    """
    soc = horizons["soc_g_kg"].dropna()
    surface = horizons["soc_g_kg"][horizons["top_cm"] == 0].dropna()
    density, stones, clay = (_values(horizons, name) for name in ("bulk_density_g_cm3", "coarse_fragments_vol_pct", "clay_pct"))
    odd = float(((density < 0.1) | (density > 2.65)).mean()) if len(density) else 0.0
    impossible = float((soc > 600).mean()) if len(soc) else 0.0
    heavy = _heavy(horizons)
    found = [
        (len(soc) > 0 and soc.median() > 120, "half of the horizons hold more than 120 g/kg organic carbon: peat, or another unit?"),
        (impossible > 0.01, f"{impossible:.0%} of the horizons hold more than 600 g/kg organic carbon: another unit, or another column?"),
        (len(soc) > 0 and soc.median() < 1.5, "half of the horizons hold less than 1.5 g/kg organic carbon: desert, or another unit?"),
        (
            len(surface) > 0 and surface.median() < 3 and soc.median() >= 1.5,
            "half of the uppermost horizons hold less than 3 g/kg organic carbon: desert, or another unit?",
        ),
        (
            heavy > 0.05,
            f"{heavy:.0%} of the horizons with a bulk density hold more than {RICH_G_KG:g} g/kg organic carbon at more than "
            f"{HEAVY_G_CM3:g} g/cm3, which hardly any soil does: are both units right?",
        ),
        (odd > 0.05, f"{odd:.0%} of the bulk densities lie outside 0.1 to 2.65 g/cm3: is their unit right?"),
        (bool(0 < stones.max() <= 1), "no horizon has more than 1 vol% coarse fragments: are they fractions, not percent?"),
        (bool(0 < clay.max() <= 1), "no horizon has more than 1 % clay: are the textures fractions, not percent?"),
    ]
    return [words for doubt, words in found if doubt] + depth_doubts(horizons)


RICH_G_KG, HEAVY_G_CM3 = 60.0, 1.2
"""More carbon than this at a higher bulk density is rare, since organic matter is light: 0.3 % of the horizons of ISRIC-WISE (Batjes 2009)
that have both."""


def depth_doubts(horizons: pd.DataFrame) -> list[str]:
    """Notes on depths that hardly any soil has.

    >>> depth_doubts(pd.DataFrame({"top_cm": [0.0, 0.2], "bottom_cm": [0.2, 1.0]}))
    ['no horizon reaches below 1 cm: is the unit of the depths right?']
    """
    thick = (horizons["bottom_cm"] - horizons["top_cm"]).dropna()
    deepest = horizons["bottom_cm"].max()
    found = [
        (len(thick) > 0 and thick.median() > 200, "half of the horizons are thicker than 200 cm: is the unit of the depths right?"),
        (bool(deepest < 4), f"no horizon reaches below {deepest:g} cm: is the unit of the depths right?"),
    ]
    return [words for doubt, words in found if doubt]


def _values(horizons: pd.DataFrame, name: str) -> pd.Series:
    return horizons[name].dropna() if name in horizons else pd.Series(dtype=float)


def _heavy(horizons: pd.DataFrame) -> float:
    """Share of the horizons with both values that hold more carbon than their bulk density allows."""
    if "bulk_density_g_cm3" not in horizons:
        return 0.0
    both = horizons[["soc_g_kg", "bulk_density_g_cm3"]].dropna()
    # Densities out of range are a doubt of their own.
    both = both[both["bulk_density_g_cm3"].between(0.02, 2.65)]
    return float(((both["soc_g_kg"] > RICH_G_KG) & (both["bulk_density_g_cm3"] > HEAVY_G_CM3)).mean()) if len(both) else 0.0
