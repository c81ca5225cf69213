"""What a table says itself of fragments and bulk density, in volume of stones and density of fine earth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.profiles.cleaning.rules import repair_rows
from edaphic.profiles.density.fragments import Filled
from edaphic.profiles.density.pedotransfer import DEFAULT_RULE, PEDOTRANSFER, blended, predictor
from edaphic.units import BASES, fine_earth_from, mass_to_volume_pct

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DENSITY_RANGE_G_CM3 = (0.02, 2.65)
"""Densities of fine earth outside are impossible."""

FINE_EARTH = "fine_earth"


@dataclass(frozen=True)
class Given:
    """Given values of n horizons.

    Attributes
    ----------
    measured, reported, grid : ndarray (n,)
        Bulk density of the fine earth in g/cm3, NaN where there is none or it is impossible.
    measured_share : ndarray (n,)
        Error of the measured density for each part of error of the number that was measured: ``raw / (1 - f) / fine``, 1 where
        it was measured in fine earth.
    fragments : Filled
        Coarse fragments of all horizons.
    own_fragments_vol_pct : ndarray (n,)
        Those that were measured, by volume or by mass.
    by_mass : ndarray of bool (n,)
        Where fragments were measured by mass only.
    converted : dict
        Densities of another basis brought to fine earth, by source.
    basis_assumed : int
        Horizons with a density but no basis: fine earth is assumed.
    repairs : list of DataFrame
        What was set missing.
    """

    measured: Floats
    reported: Floats
    grid: Floats
    measured_share: Floats
    fragments: Filled
    own_fragments_vol_pct: Floats
    by_mass: Bools
    converted: dict[str, int]
    basis_assumed: int
    repairs: list[pd.DataFrame]


def text_column(horizons: pd.DataFrame, name: str) -> pd.Series:
    """A column of text, empty where there is none."""
    if name not in horizons:
        return pd.Series("", index=horizons.index, dtype="str")
    return horizons[name].astype("str").fillna("")


def resolve_given(
    horizons: pd.DataFrame,
    complete: Callable[[Floats], Filled],
    grid_g_cm3: Floats | None,
    grid_basis: str,
    rock_density_g_cm3: float,
) -> Given:
    """Fragments first, as stones by mass need the density; then the densities, as their basis needs the stones.

    Parameters
    ----------
    horizons : DataFrame
        Clean horizon table (n rows).
    complete : callable
        Measured fragments in vol% (n,) to the fragments of all horizons.
    grid_g_cm3 : ndarray (n,) or None
    grid_basis : str
    rock_density_g_cm3 : float

    Returns
    -------
    Given
    """
    raw = {"measured": predictor(horizons, "bulk_density_g_cm3"), "reported": predictor(horizons, "bulk_density_reported_g_cm3")}
    basis = text_column(horizons, "bulk_density_basis").to_numpy(dtype=object)
    any_raw = np.where(np.isnan(raw["measured"]), raw["reported"], raw["measured"])
    unsaid = (basis == "") & np.isfinite(raw["measured"])
    # What a source estimates is read as fine earth only: the basis of the row is that of its measurement.
    basis = np.where(np.isnan(raw["measured"]), FINE_EARTH, basis)
    number = np.select([basis == name for name in BASES], list(range(len(BASES))), list(BASES).index(FINE_EARTH))
    volume, by_mass, repairs = _measured_fragments(horizons, any_raw, number, rock_density_g_cm3)
    fragments = complete(volume)
    share = fragments.vol_pct
    fine, converted = {}, {}
    for name, values in raw.items():
        own = number if name == "measured" else np.full(len(horizons), list(BASES).index(FINE_EARTH))
        found = np.full(len(horizons), np.nan)
        for i, basis_name in enumerate(BASES):
            rows = own == i
            found[rows] = fine_earth_from(basis_name, values[rows], share[rows], rock_density_g_cm3)
        turned = np.isfinite(values) & (own != list(BASES).index(FINE_EARTH))
        fine[name], logged = _possible(horizons, values, found, turned & np.isfinite(share))
        repairs += logged
        converted[name] = int((turned & np.isfinite(fine[name])).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        turned_share = raw["measured"] / (1.0 - share / 100.0) / fine["measured"]
    return Given(
        measured=fine["measured"],
        reported=fine["reported"],
        grid=np.full(len(horizons), np.nan) if grid_g_cm3 is None else fine_earth_from(grid_basis, grid_g_cm3, share, rock_density_g_cm3),
        measured_share=np.where(number == list(BASES).index(FINE_EARTH), 1.0, turned_share),
        fragments=fragments,
        own_fragments_vol_pct=volume,
        by_mass=by_mass,
        converted=converted,
        basis_assumed=int(unsaid.sum()),
        repairs=repairs,
    )


def _measured_fragments(
    horizons: pd.DataFrame, density_g_cm3: Floats, number: NDArray[np.int64], rock: float
) -> tuple[Floats, Bools, list[pd.DataFrame]]:
    """Measured fragments by volume, which of them were measured by mass only, and what was impossible.

    Where no density was measured that of the default rule stands in.
    """
    volume, mass = predictor(horizons, "coarse_fragments_vol_pct"), predictor(horizons, "coarse_fragments_mass_pct")
    by_mass = np.isnan(volume) & np.isfinite(mass)
    if not by_mass.any():
        return volume, by_mass, []
    found = np.full(len(horizons), np.nan)
    for i, name in enumerate(BASES):
        rows = by_mass & (number == i)
        found[rows] = mass_to_volume_pct(mass[rows], density_g_cm3[rows], rock, name)
    guessed = by_mass & np.isnan(density_g_cm3)
    found[guessed] = mass_to_volume_pct(mass[guessed], blended(horizons[guessed], PEDOTRANSFER[DEFAULT_RULE])[0], rock)
    bad = by_mass & (found > 100.0)
    by_mass &= found <= 100.0
    return np.where(by_mass, found, volume), by_mass, _logged(horizons, bad, "coarse fragments outside 0 to 100 %", found)


def _possible(horizons: pd.DataFrame, raw: Floats, found: Floats, known: Bools) -> tuple[Floats, list[pd.DataFrame]]:
    """Converted densities without the impossible ones, and the log of these. A density whose fragments are unknown is no fault."""
    low, high = DENSITY_RANGE_G_CM3
    outside = known & ((found < low) | (found > high))
    logged = _logged(horizons, known & np.isnan(found), "bulk density not positive in fine earth", raw)
    logged += _logged(horizons, outside, "bulk density outside 0.02 to 2.65 g/cm3", found)
    return np.where(outside, np.nan, found), logged


def _logged(horizons: pd.DataFrame, bad: Bools, fault: str, before: Floats) -> list[pd.DataFrame]:
    if not bad.any():
        return []
    rows = horizons if "row" in horizons else horizons.assign(row=np.arange(1, len(horizons) + 1))
    return [repair_rows(rows[bad], fault, before[bad].tolist())]
