"""Values of a grid by depth that look like another unit: impossible ones, and ones far from what else is known of the same horizons."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.profiles.density.given_density import DENSITY_RANGE_G_CM3
from edaphic.profiles.density.pedotransfer import DEFAULT_RULE, PEDOTRANSFER, blended, predictor
from edaphic.units import to_internal, units_of

Floats = NDArray[np.float64]

RANGES = MappingProxyType({"bulk_density": DENSITY_RANGE_G_CM3, "coarse_fragments": (0.0, 100.0)})
"""Lowest and highest possible value, both included: g/cm3 of fine earth and vol%."""

INTERNAL = MappingProxyType({"bulk_density": "g/cm3", "coarse_fragments": "vol%"})

SPELLED = MappingProxyType({"cg/cm3": "cg/cm3 (kg/m3 x 10)"})
"""Units as products call them."""

FEWEST = 5
"""Horizons with both values that a comparison needs."""


def grid_doubts(horizons: pd.DataFrame, values: Floats, quantity: str, unit: str) -> tuple[list[str], list[str]]:
    """What is wrong with the values of a grid at the horizons of a table, and what looks odd.

    Bulk densities are held against those that were measured, else those that the source reports, else those of the default
    pedotransfer rule; coarse fragments against those that were measured. A median (of fragments: a mean, most have none) that is off
    by a power of ten, rounded, points to another unit. A unit that would set it right is named where there is one.

    Parameters
    ----------
    horizons : DataFrame
        Horizon table (n rows).
    values : ndarray (n,)
        Of the grid at the horizons, in g/cm3 or vol%, NaN where it has none.
    quantity : {"bulk_density", "coarse_fragments"}
    unit : str
        The unit that the rasters are said to have.

    Returns
    -------
    faults, notes : list of str
        One line each.

    Examples
    --------
    Rasters of 10 kg/m3 that are read as kg/m3. Ten g/kg of carbon: 1.66 - 0.318 = 1.342 g/cm3 by Manrique and Jones (1991).

    >>> table = pd.DataFrame({"soc_g_kg": [10.0] * 5})
    >>> grid_doubts(table, np.full(5, 0.1342), "bulk_density", "kg/m3")[1]  # doctest: +NORMALIZE_WHITESPACE
    ['bulk_density_grid: half of its values at the profiles are 0.134 g/cm3 or less; by manrique_jones_1991 it is 1.34 g/cm3 at the
    same 5 horizons, 10 times as much: is kg/m3 the unit? cg/cm3 (kg/m3 x 10) would fit']
    """
    where, (low, high), inner = f"{quantity}_grid", RANGES[quantity], INTERNAL[quantity]
    known = np.isfinite(values)
    if not known.any():
        return [], [f"{where}: no value at any profile: do its rasters lie elsewhere?"]
    outside = known & ((values < low) | (values > high))
    said, factor = _beside(horizons, values, quantity)
    hint = _hint(quantity, unit, factor)
    if outside.any():
        found = f"{outside.sum():,} of {known.sum():,} values at the profiles outside {low:g} to {high:g} {inner}"
        spread = f"{np.nanmin(values):.3g} to {np.nanmax(values):.3g} {inner}"
        return [f"{where}: found {found} (all: {spread}, read as {unit}); expected none{hint}"], []
    if quantity == "coarse_fragments" and 0.0 < values[known].max() <= 1.0:
        return [], [f"{where}: no value at the profiles is above 1 vol%: is {unit} the unit?"]
    return [], [f"{where}: {said}: is {unit} the unit?{hint.replace(';', '', 1)}"] if factor is not None else []


def _beside(horizons: pd.DataFrame, values: Floats, quantity: str) -> tuple[str, float | None]:
    """How the values compare with the first source that is known at enough of the horizons; the power of ten that they lack, if any."""
    for words, others in _others(horizons, quantity).items():
        both = np.isfinite(values) & np.isfinite(others)
        if both.sum() < FEWEST:
            continue
        middle = np.median if quantity == "bulk_density" else np.mean
        ours, theirs = float(middle(values[both])), float(middle(others[both]))
        if not (ours > 0.0 and theirs > 0.0):
            return "", None
        power = round(float(np.log10(theirs / ours)))
        if power == 0:
            return "", None
        inner = INTERNAL[quantity]
        times = f"{theirs / ours:.2g} times as much" if power > 0 else f"{ours / theirs:.2g} times less"
        told = f"half of its values at the profiles are {ours:.3g} {inner} or {'less' if power > 0 else 'more'}"
        told = told if quantity == "bulk_density" else f"the mean of its values at the profiles is {ours:.3g} {inner}"
        return f"{told}; {words} it is {theirs:.3g} {inner} at the same {both.sum():,} horizons, {times}", 10.0**power
    return "", None


def _others(horizons: pd.DataFrame, quantity: str) -> Mapping[str, Floats]:
    """What else is known, the surest first; as it was read, since no conversion to fine earth is a matter of powers of ten."""
    if quantity == "coarse_fragments":
        return {"as measured": predictor(horizons, "coarse_fragments_vol_pct")}
    return {
        "as measured": predictor(horizons, "bulk_density_g_cm3"),
        "as the tables report": predictor(horizons, "bulk_density_reported_g_cm3"),
        f"by {DEFAULT_RULE}": blended(horizons, PEDOTRANSFER[DEFAULT_RULE])[0],
    }


def _hint(quantity: str, unit: str, factor: float | None) -> str:
    """The unit that makes up for a factor; where no unit does, the factor."""
    if factor is None:
        return ""
    wanted = float(to_internal([1.0], quantity, unit)[0]) * factor
    for name in units_of(quantity):
        if "mass" not in name and np.isclose(float(to_internal([1.0], quantity, name)[0]), wanted):
            return f"; {SPELLED.get(name, name)} would fit"
    return f"; they would fit multiplied by {factor:g}"
