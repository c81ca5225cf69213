"""Cumulative soil mass and organic carbon of profiles, from the surface to the first thing that is not known.

Mass of the fine earth of a horizon: ``bulk density x (1 - fragments) x thickness``; 1 g/cm3 over 1 cm is 10 kg/m2. Its
carbon is ``content x mass``. Mineral mass is the fine earth without organic matter, ``mass x (1 - content / to_carbon)``
(von Haden, Yang and DeLucia 2020, Global Change Biology 26: 3759-3770): organic matter that is gained or lost then does
not move the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import TableError
from edaphic.profiles.mass.esm_curve import Floats, Ints, evaluate, running
from edaphic.units import ORGANIC_MATTER_TO_CARBON

MASSES = ("fine_earth", "mineral")
"""What can be counted as soil mass."""

KG_M2_PER_G_CM2 = 10.0
SAME_DEPTH_CM = 1e-6

NEEDED = ("top_cm", "bottom_cm", "soc_g_kg", "bulk_density_g_cm3", "coarse_fragments_vol_pct")

ENDS = {
    "deepest sample": "nothing was sampled below",
    "rock": "the profile ends on rock: there is no soil below",
    "gap": "a depth between two horizons was not sampled; what lies below has no cumulative mass",
    "not sampled from the surface": "the first horizon starts below 0 cm",
    "bulk density missing": "mass of a horizon unknown",
    "coarse fragments missing": "mass of a horizon unknown",
    "soc missing": "carbon of a horizon unknown",
    "no mineral mass": "a horizon is all organic matter: its carbon lies on no mineral mass",
}
"""What ends the part of a profile that can be cumulated."""


@dataclass(frozen=True)
class Cumulative:
    """Cumulative depth, mass and carbon of many profiles.

    Attributes
    ----------
    profiles : DataFrame (n_profiles)
        ``profile_id, lon, lat, year, source`` in the order in which profiles first appear.
    start : int array (n_profiles + 1,)
        The horizons of profile ``p`` that can be used are ``start[p]`` to ``start[p + 1]``.
    depth_cm, mass_kg_m2, soc_kg_m2 : float array (n,)
        At the lower limit of each of these horizons.
    end_cm, end_mass_kg_m2 : float array (n_profiles,)
        Where the profile ends; 0 where no horizon can be used.
    ends : str array (n_profiles,)
        Why: one of :data:`ENDS`.
    """

    profiles: pd.DataFrame
    start: Ints
    depth_cm: Floats
    mass_kg_m2: Floats
    soc_kg_m2: Floats
    end_cm: Floats
    end_mass_kg_m2: Floats
    ends: NDArray[np.str_]

    def mass_at(self, depths_cm: Floats) -> Floats:
        """Mass above each of the depths (m,), (n_profiles, m); NaN below the end."""
        return evaluate(self.start, self.depth_cm, self.mass_kg_m2, self._for_all(depths_cm), "linear")

    def soc_at(self, depths_cm: Floats) -> Floats:
        """Carbon above each of the depths (m,), (n_profiles, m); NaN below the end."""
        return evaluate(self.start, self.depth_cm, self.soc_kg_m2, self._for_all(depths_cm), "linear")

    def _for_all(self, depths_cm: Floats) -> Floats:
        return np.tile(np.asarray(depths_cm, dtype=np.float64), (len(self.profiles), 1))


def cumulate(horizons: pd.DataFrame, mass: str = "fine_earth", to_carbon: float = ORGANIC_MATTER_TO_CARBON) -> Cumulative:
    """Cumulative mass and carbon of every profile.

    Parameters
    ----------
    horizons : DataFrame
        Clean horizon table with bulk density of the fine earth and fragments; a missing value ends the profile there.
    mass : {"fine_earth", "mineral"}
    to_carbon : float
        Share of carbon in organic matter, for the mineral mass.

    Returns
    -------
    Cumulative

    Raises
    ------
    TableError
        A column is missing, horizons overlap, a depth is missing, a value is impossible, the bulk density is not that of
        the fine earth, or ``mass`` or ``to_carbon`` is none.

    Examples
    --------
    10 cm of 1.2 g/cm3 with a quarter of stones are 90 kg/m2, with 20 g/kg of carbon in them 1.8 kg/m2.

    >>> table = pd.DataFrame({
    ...     "profile_id": ["a", "a"], "top_cm": [0.0, 10.0], "bottom_cm": [10.0, 30.0], "soc_g_kg": [20.0, 10.0],
    ...     "bulk_density_g_cm3": [1.2, np.nan], "coarse_fragments_vol_pct": [25.0, 0.0]})
    >>> sums = cumulate(table)
    >>> sums.mass_kg_m2.round(9).tolist(), sums.soc_kg_m2.round(9).tolist(), sums.ends.tolist()
    ([90.0], [1.8], ['bulk density missing'])
    """
    table, code = _checked(horizons, mass, to_carbon)
    top, bottom, soc, density, stones = (table[name].to_numpy(dtype=np.float64) for name in NEEDED)
    whole = np.append(0, np.cumsum(np.bincount(code))).astype(np.int64)
    first = np.append(True, code[1:] != code[:-1])[: code.size]
    above = np.where(first, 0.0, np.append(0.0, bottom[:-1])[: code.size])

    soil = density * (1.0 - stones / 100.0) * (bottom - top) * KG_M2_PER_G_CM2
    counted = soil * (1.0 - soc / (1000.0 * to_carbon)) if mass == "mineral" else soil
    faults = {
        "not sampled from the surface": first & (top > SAME_DEPTH_CM),
        "gap": top > above + SAME_DEPTH_CM,
        "bulk density missing": np.isnan(density),
        "coarse fragments missing": np.isnan(stones),
        "soc missing": np.isnan(soc),
        "no mineral mass": (counted <= 0) & (soil > 0),
    }
    reason = np.select(list(faults.values()), list(faults), "")
    usable = running(whole, (reason != "").astype(np.float64)) == 0
    count = running(whole, usable.astype(np.float64))[whole[1:] - 1].astype(np.int64)
    start = np.append(0, np.cumsum(count)).astype(np.int64)
    sums = running(start, counted[usable])
    last, empty = np.maximum(start[1:] - 1, 0), count == 0
    stop = np.minimum(whole[:-1] + count, whole[1:] - 1)
    lowest = np.where((table["below"] == "rock").to_numpy()[whole[1:] - 1], "rock", "deepest sample")
    return Cumulative(
        profiles=table.loc[first, ["profile_id", "lon", "lat", "year", "source"]].reset_index(drop=True),
        start=start,
        depth_cm=bottom[usable],
        mass_kg_m2=sums,
        soc_kg_m2=running(start, soil[usable] * soc[usable] / 1000.0),
        end_cm=_last(bottom[usable], last, empty),
        end_mass_kg_m2=_last(sums, last, empty),
        ends=np.where(count == np.diff(whole), lowest, reason[stop]).astype(np.str_),
    )


def _last(values: Floats, last: Ints, empty: NDArray[np.bool_]) -> Floats:
    return np.where(empty, 0.0, np.append(values, 0.0)[last])


def _checked(horizons: pd.DataFrame, mass: str, to_carbon: float) -> tuple[pd.DataFrame, Ints]:
    """Horizons by profile and depth with the code of their profile, or all that is wrong with them."""
    faults = [f"mass: found {mass!r}; expected one of {', '.join(MASSES)}"] if mass not in MASSES else []
    if not 0 < to_carbon <= 1:
        faults.append(f"to_carbon: found {to_carbon}; expected a share above 0 up to 1")
    absent = [name for name in ("profile_id", *NEEDED) if name not in horizons]
    faults += [f"horizon table: no column {name}; expected a clean table with bulk density filled" for name in absent]
    text = [name for name in NEEDED if name in horizons and not pd.api.types.is_numeric_dtype(horizons[name])]
    faults += [f"horizon table: column {name} holds text; expected numbers" for name in text]
    if faults:
        raise TableError(faults)
    table = horizons.copy(deep=False)
    for name, default in _DEFAULTS.items():
        if name not in table:
            table[name] = default
    nameless = int(table["profile_id"].isna().sum())
    if nameless:
        raise TableError(f"horizon table: profile_id missing in {nameless} horizons; expected none (clean first)")
    code = pd.factorize(table["profile_id"])[0]
    order = np.lexsort((table["top_cm"].to_numpy(dtype=np.float64), code))
    table, code = table.iloc[order].reset_index(drop=True), code[order].astype(np.int64)
    _refuse(table, code)
    return table, code


_DEFAULTS: dict[str, Any] = {"lon": np.nan, "lat": np.nan, "year": np.nan, "source": "", "below": "", "row": pd.NA}


def _refuse(table: pd.DataFrame, code: Ints) -> None:
    """What cleaning takes away and what would give a wrong mass."""
    top, bottom, soc, density, stones = (table[name].to_numpy(dtype=np.float64) for name in NEEDED)
    same = np.append(False, code[1:] == code[:-1])[: code.size]
    above = np.append(0.0, bottom[:-1])[: code.size]
    raw = "bulk_density_basis" in table and "bulk_density_source" not in table
    other = ~table["bulk_density_basis"].fillna("").isin(["", "fine_earth"]).to_numpy() if raw else np.zeros(len(code), bool)
    bad = {
        "depth missing; expected top and bottom of every horizon (clean first)": ~np.isfinite(top + bottom),
        "above the surface; expected depths from 0 down (clean first)": top < 0,
        "bottom not below top; expected top < bottom (clean first)": top >= bottom,
        "horizons overlap; expected none (clean first)": same & (top < above - SAME_DEPTH_CM),
        "soc outside 0 to 1000 g/kg; expected none (clean first)": (soc < 0) | (soc > 1000),
        "bulk density not above 0; expected a density or nothing (clean first)": (density <= 0) | np.isinf(density),
        "coarse fragments outside 0 to 100 %; expected none (clean first)": (stones < 0) | (stones > 100),
        "bulk density of the whole soil; expected that of the fine earth (fill bulk density first)": other,
    }
    faults = []
    for fault, where in bad.items():
        if where.any():
            one = table.iloc[int(np.argmax(where))]
            at = f"profile {one['profile_id']}" + ("" if pd.isna(one["row"]) else f", row {one['row']}")
            faults.append(f"horizon table: {at} (of {int(where.sum())} horizons): {fault}")
    if faults:
        raise TableError(faults)
