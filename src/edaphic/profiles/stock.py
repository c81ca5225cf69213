"""Carbon density and carbon stock of a horizon, from numbers with their units."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import UnitError
from edaphic.units import CM_PER_M, mass_to_volume_pct, to_internal

Floats = NDArray[np.float64]


def soc_density_kg_m3(
    soc_g_kg: ArrayLike, bulk_density_g_cm3: ArrayLike, coarse_fragments_vol_pct: ArrayLike
) -> Floats:
    """Organic carbon in a volume of soil, stones included.

    >>> soc_density_kg_m3([20.0], [1.3], [50.0])
    array([13.])
    """
    fine = 1.0 - np.asarray(coarse_fragments_vol_pct, dtype=np.float64) / 100.0
    return np.asarray(soc_g_kg, dtype=np.float64) * np.asarray(bulk_density_g_cm3, dtype=np.float64) * fine


def soc_stock_kg_m2(
    soc: ArrayLike,
    bulk_density: ArrayLike,
    thickness: ArrayLike,
    coarse_fragments: ArrayLike,
    *,
    soc_unit: str | None,
    bulk_density_unit: str | None,
    thickness_unit: str | None,
    coarse_fragments_unit: str | None = "vol%",
) -> Floats:
    """Stock of organic carbon of a horizon, from numbers with their units.

    Parameters
    ----------
    soc, bulk_density, thickness, coarse_fragments : array_like, shapes that broadcast
        Organic carbon in fine earth, bulk density of the fine earth, thickness, share of coarse fragments.
    soc_unit, bulk_density_unit, thickness_unit, coarse_fragments_unit : str
        See :func:`edaphic.units.units_of`. Fragments by mass are converted with the density of quartz.

    Returns
    -------
    ndarray
        kg/m2.

    Raises
    ------
    UnitError
        A unit is missing or unknown; all of them are named.

    Examples
    --------
    2 % of carbon, 1.3 g/cm3, 20 cm: 0.02 x 1300 kg/m3 x 0.2 m.

    >>> soc_stock_kg_m2([2.0], 1.3, 20.0, 0.0, soc_unit="%", bulk_density_unit="g/cm3", thickness_unit="cm").round(12)
    array([5.2])
    """
    given = (
        ("soc", soc, "soc", soc_unit),
        ("bulk_density", bulk_density, "bulk_density", bulk_density_unit),
        ("thickness", thickness, "depth", thickness_unit),
        ("coarse_fragments", coarse_fragments, "coarse_fragments", coarse_fragments_unit),
    )
    faults: list[str] = []
    internal: list[Floats] = []
    for name, values, quantity, unit in given:
        try:
            internal.append(to_internal(values, quantity, unit, name))
        except UnitError as error:
            faults.extend(error.faults)
    if faults:
        raise UnitError(faults)
    content, density, thickness_cm, fragments = internal
    if str(coarse_fragments_unit).startswith("mass"):
        fragments = mass_to_volume_pct(fragments, density)
    return soc_density_kg_m3(content, density, fragments) * thickness_cm / CM_PER_M
