"""Units and the only conversions in Edaphic.

Names inside Edaphic end in their unit (``top_cm``, ``soc_g_kg``, ``soc_stock_kg_m2``). A number enters with its unit stated
beside it and is converted here, once. A unit that is not listed is refused, never guessed.

Internal units: depth cm, organic carbon g/kg of fine earth, bulk density g/cm3, coarse fragments volume percent, density of
carbon kg/m3, stock kg/m2, total Tg.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import UnitError

ORGANIC_MATTER_TO_CARBON = 0.58
"""Share of carbon in organic matter (van Bemmelen's factor 1/1.724)."""

ROCK_DENSITY_G_CM3 = 2.65
"""Density of rock fragments, for fragments given by mass (quartz)."""

CM_PER_M = 100.0
M2_PER_KM2 = 1e6
KG_PER_TG = 1e9

_FACTORS = MappingProxyType(
    {
        "depth": MappingProxyType({"cm": 1.0, "m": 100.0, "mm": 0.1, "dm": 10.0, "in": 2.54}),
        "soc": MappingProxyType({"g/kg": 1.0, "%": 10.0, "dg/kg": 0.1, "mg/g": 1.0, "mg/kg": 0.001}),
        "bulk_density": MappingProxyType(
            {"g/cm3": 1.0, "t/m3": 1.0, "Mg/m3": 1.0, "kg/dm3": 1.0, "kg/m3": 0.001, "cg/cm3": 0.01}
        ),
        "coarse_fragments": MappingProxyType({"vol%": 1.0, "vol_fraction": 100.0, "mass%": 1.0, "mass_fraction": 100.0}),
        "texture": MappingProxyType({"%": 1.0, "g/kg": 0.1, "fraction": 100.0}),
        "soc_density": MappingProxyType({"kg/m3": 1.0, "g/cm3": 1000.0, "hg/m3": 0.1, "g/dm3": 1.0}),
        "soc_stock": MappingProxyType({"kg/m2": 1.0, "t/ha": 0.1, "Mg/ha": 0.1, "g/m2": 0.001, "g/cm2": 10.0}),
    }
)


def units_of(quantity: str) -> tuple[str, ...]:
    """Units that a quantity may be given in.

    >>> units_of("soc")
    ('g/kg', '%', 'dg/kg', 'mg/g', 'mg/kg')
    """
    return tuple(_FACTORS[quantity])


def to_internal(values: ArrayLike, quantity: str, unit: str | None, where: str = "") -> NDArray[np.float64]:
    """Convert values to the internal unit of their quantity.

    Parameters
    ----------
    values : array_like
        Numbers in ``unit``; NaN stays NaN.
    quantity : {"depth", "soc", "bulk_density", "coarse_fragments", "texture", "soc_density", "soc_stock"}
        What the numbers measure.
    unit : str or None
        Unit they are given in; None is an error.
    where : str
        What to name in the message.

    Returns
    -------
    ndarray of float64, same shape, in cm, g/kg, g/cm3, %, kg/m3 or kg/m2. Coarse fragments by mass stay by mass: they need
    :func:`mass_to_volume_pct`.

    Raises
    ------
    UnitError
        The unit is missing or is none of :func:`units_of`.

    Examples
    --------
    >>> to_internal([2.0], "soc", "%")
    array([20.])
    >>> to_internal([52.0], "soc_stock", "t/ha")
    array([5.2])
    """
    known = _FACTORS[quantity]
    if unit is None or unit not in known:
        found = "no unit" if unit is None else f"unit {unit!r}"
        raise UnitError(f"{where or quantity}: {found} for {quantity}; expected one of {', '.join(known)}")
    return np.asarray(np.asarray(values, dtype=np.float64) * known[unit])


def mass_to_volume_pct(
    mass_pct: ArrayLike, bulk_density_g_cm3: ArrayLike, rock_density_g_cm3: float = ROCK_DENSITY_G_CM3
) -> NDArray[np.float64]:
    """Coarse fragments by volume from coarse fragments by mass.

    With a mass share m of fragments in the whole soil, and fine earth of bulk density B (mass of fine earth over its own
    volume), the fragments fill ``(m / rock) / (m / rock + (1 - m) / B)`` of the volume.

    >>> mass_to_volume_pct([50.0], [1.325]).round(3)
    array([33.333])
    """
    share = np.asarray(mass_pct, dtype=np.float64) / 100.0
    rock = share / rock_density_g_cm3
    earth = (1.0 - share) / np.asarray(bulk_density_g_cm3, dtype=np.float64)
    return 100.0 * rock / (rock + earth)


def in_map_unit(values: ArrayLike, unit: str, layer: tuple[float, float], map_unit: str) -> NDArray[np.float64]:
    """Values of another product in the unit of a map of ours; a density becomes a stock over the thickness of the layer.

    Parameters
    ----------
    values : array_like
        Numbers in ``unit``.
    unit : str
        A unit of stock or density where the map is in kg/m2, one of content where it is in g/kg.
    layer : (top_cm, bottom_cm)
    map_unit : {"kg/m2", "g/kg"}

    Raises
    ------
    UnitError
        The unit does not fit the map.

    Examples
    --------
    >>> in_map_unit([10.0], "kg/m3", (0, 30), "kg/m2")
    array([3.])
    """
    if map_unit == "g/kg":
        return to_internal(values, "soc", unit)
    if unit in _FACTORS["soc_density"]:
        return to_internal(values, "soc_density", unit) * (layer[1] - layer[0]) / CM_PER_M
    return to_internal(values, "soc_stock", unit)
