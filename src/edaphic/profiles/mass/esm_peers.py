"""Equivalent soil mass as two published scripts compute it, quirks included, for comparison with their results.

SimpleESM (Ferchaud and Chlebowski, version of 2022-12-16)
    Method 1, :func:`simple_esm_slices`: whole slices of 1 mm are added while the cumulative soil mass does not exceed the
    reference. The mass that is reached is below the reference by up to one slice, another one in every profile, so a part
    of the difference between two profiles is the slices. Below the deepest sample its slices go on without end.
    Method 2, :func:`simple_esm_spline`: filtered cubic spline of cumulative carbon on cumulative mass, one knot for each
    layer of concentrations. Reference "auto": the minimum of the cumulative masses,
    ``Reference.from_profiles(..., "minimum")``.
    Bulk densities may have other limits than concentrations: for method 1 give horizons cut at both, for method 2 horizons
    with the limits of the concentrations and the mean density.

von Haden, Yang and DeLucia (2020), :func:`von_haden`
    The filtered spline on cumulative mineral mass. With extrapolation the last cubic goes on, rising or falling without limit:
    no concentration stands behind it. A core that does not start at 0 cm and layers below a gap are dropped, without
    extrapolation also the levels below the sampled mass; here they stay, with a status. Bulk density is the mass over the
    thickness of the reference, not over the one that the core has.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from edaphic.compiled import kernel
from edaphic.errors import TableError
from edaphic.profiles.mass.esm_cumulative import Cumulative, cumulate
from edaphic.profiles.mass.esm_curve import REACH, Floats, Ints, evaluate
from edaphic.profiles.mass.esm_reference import Reference

SLICE_CM = 0.1


def simple_esm_slices(horizons: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    """SimpleESM, method 1: slices of 1 mm.

    Parameters
    ----------
    horizons : DataFrame
        As for :func:`edaphic.profiles.mass.esm.equivalent_stocks`; depths in whole millimetres. For another element put its content
        in place of ``soc_g_kg``.
    reference : Reference
        Masses; layers from the surface down that touch.

    Returns
    -------
    DataFrame
        ``profile_id, top_cm, bottom_cm, cumulative_mass_kg_m2, cumulative_soc_kg_m2, soil_mass_kg_m2, soc_stock_kg_m2,
        soc_g_kg``: what was reached, not the reference.

    Raises
    ------
    TableError
        Depths finer than 1 mm, or layers that do not touch.

    Examples
    --------
    A slice of 1.2 g/cm3 is 1.2 kg/m2: 83 of them stay below 100.

    >>> table = pd.DataFrame({
    ...     "profile_id": ["a"], "top_cm": 0.0, "bottom_cm": 5.0, "soc_g_kg": 10.0, "bulk_density_g_cm3": 1.2,
    ...     "coarse_fragments_vol_pct": 0.0})
    >>> reached = simple_esm_slices(table, Reference.from_masses([0], [10], [100.0]))
    >>> reached["soil_mass_kg_m2"].round(9).tolist(), reached["soc_stock_kg_m2"].round(9).tolist()
    ([99.6], [0.996])
    """
    sums = cumulate(horizons, reference.mass, reference.to_carbon)
    off = np.abs(sums.depth_cm / SLICE_CM - np.rint(sums.depth_cm / SLICE_CM)) > 1e-6
    if off.any():
        raise TableError(f"slices: found a limit at {sums.depth_cm[off][0]:g} cm; expected whole millimetres")
    slices = np.rint(sums.depth_cm / SLICE_CM)
    targets = np.asarray(reference.mass_bottom_kg_m2, dtype=np.float64)
    mass, carbon = _sliced(sums.start, slices, sums.mass_kg_m2, sums.soc_kg_m2, targets)
    return _layers(sums, reference, mass, carbon)


def simple_esm_spline(horizons: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    """SimpleESM, method 2: filtered cubic spline; columns as in :func:`simple_esm_slices`, NaN below the sampled mass.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "profile_id": ["a"], "top_cm": 0.0, "bottom_cm": 10.0, "soc_g_kg": 10.0, "bulk_density_g_cm3": 1.2,
    ...     "coarse_fragments_vol_pct": 0.0})
    >>> simple_esm_spline(table, Reference.from_masses([0], [10], [100.0]))["soc_stock_kg_m2"].round(9).tolist()
    [1.0]
    """
    sums = cumulate(horizons, reference.mass, reference.to_carbon)
    targets = np.tile(reference.mass_bottom_kg_m2, (len(sums.profiles), 1))
    return _layers(sums, reference, targets, evaluate(sums.start, sums.mass_kg_m2, sums.soc_kg_m2, targets, "hyman"))


def von_haden(horizons: pd.DataFrame, reference: Reference, *, extrapolate: bool = False) -> pd.DataFrame:
    """The script of von Haden et al. (2020): filtered spline on cumulative mineral mass.

    Parameters
    ----------
    horizons : DataFrame
        As for :func:`edaphic.profiles.mass.esm.equivalent_stocks`; organic matter is ``soc_g_kg / reference.to_carbon``.
    reference : Reference
        Mineral masses; the script takes the mean of the replicates of a reference core.
    extrapolate : bool
        Go on along the last cubic.

    Returns
    -------
    DataFrame
        ``profile_id, top_cm, bottom_cm, cumulative_mass_kg_m2`` (mineral), ``cumulative_soc_kg_m2, soil_mass_kg_m2`` (mineral),
        ``soc_stock_kg_m2, organic_matter_kg_m2, fine_earth_kg_m2, soc_g_kg`` (of the fine earth), ``bulk_density_g_cm3,
        status`` (ok, extrapolated, dropped).

    Raises
    ------
    TableError
        The reference is not one of mineral mass.

    Examples
    --------
    A soil of constant concentration: 58 g/kg of carbon are 100 g/kg of organic matter.

    >>> table = pd.DataFrame({
    ...     "profile_id": ["a"], "top_cm": 0.0, "bottom_cm": 10.0, "soc_g_kg": 58.0, "bulk_density_g_cm3": 1.0,
    ...     "coarse_fragments_vol_pct": 0.0})
    >>> reference = Reference.from_masses([0], [10], [45.0], mass="mineral")
    >>> von_haden(table, reference)[["soc_stock_kg_m2", "fine_earth_kg_m2", "bulk_density_g_cm3"]].round(9).values.tolist()
    [[2.9, 50.0, 0.5]]
    """
    if reference.mass != "mineral":
        raise TableError(f"reference: found masses of {reference.mass}; expected mineral")
    sums = cumulate(horizons, reference.mass, reference.to_carbon)
    targets = np.tile(reference.mass_bottom_kg_m2, (len(sums.profiles), 1))
    beyond = "cubic" if extrapolate else "missing"
    carbon = evaluate(sums.start, sums.mass_kg_m2, sums.soc_kg_m2, targets, "hyman", beyond)
    table = _layers(sums, reference, targets, carbon).drop(columns="soc_g_kg")
    table["organic_matter_kg_m2"] = table["soc_stock_kg_m2"] / reference.to_carbon
    table["fine_earth_kg_m2"] = table["soil_mass_kg_m2"] + table["organic_matter_kg_m2"]
    table["soc_g_kg"] = 1000.0 * table["soc_stock_kg_m2"] / table["fine_earth_kg_m2"]
    table["bulk_density_g_cm3"] = table["fine_earth_kg_m2"] / (table["bottom_cm"] - table["top_cm"]) / 10.0
    within = np.ravel(targets <= sums.end_mass_kg_m2[:, None] * (1.0 + REACH))
    known = table["cumulative_soc_kg_m2"].notna().to_numpy()
    return table.assign(status=np.select([~known, within], ["dropped", "ok"], "extrapolated"))


def _layers(sums: Cumulative, reference: Reference, mass: Floats, carbon: Floats) -> pd.DataFrame:
    """Layers of cumulative values; both scripts know only layers that follow each other."""
    bottoms = (0.0, *reference.bottom_cm[:-1])
    if reference.top_cm != bottoms:
        raise TableError(f"reference: found layers that start at {reference.top_cm} cm; expected {bottoms}, each from the limit above")
    n_layers = len(reference.layers)
    each = [np.diff(one, axis=1, prepend=0.0).ravel() for one in (mass, carbon)]
    return pd.DataFrame(
        {
            "profile_id": sums.profiles["profile_id"].repeat(n_layers).to_numpy(),
            "top_cm": np.tile(reference.top_cm, len(sums.profiles)),
            "bottom_cm": np.tile(reference.bottom_cm, len(sums.profiles)),
            "cumulative_mass_kg_m2": mass.ravel(),
            "cumulative_soc_kg_m2": carbon.ravel(),
            "soil_mass_kg_m2": each[0],
            "soc_stock_kg_m2": each[1],
            "soc_g_kg": 1000.0 * each[1] / each[0],
        }
    )


@kernel
def _sliced(start: Ints, slices: Floats, mass: Floats, carbon: Floats, targets: Floats) -> tuple[Floats, Floats]:
    """Mass and carbon of the slices that fit under each target; in closed form, the slices of a horizon are alike."""
    shape = (start.size - 1, targets.size)
    reached, held = np.full(shape, np.nan), np.full(shape, np.nan)
    for p in range(start.size - 1):
        for t in range(targets.size):
            depth, below, stock = 0.0, 0.0, 0.0
            for i in range(start[p], start[p + 1]):
                whole = mass[i] <= targets[t] * (1.0 + REACH)
                if not whole or i == start[p + 1] - 1:
                    one = (mass[i] - below) / (slices[i] - depth)
                    count = np.floor((targets[t] * (1.0 + REACH) - below) / one) if one > 0.0 else slices[i] - depth
                    reached[p, t] = below + count * one
                    held[p, t] = stock + count * (carbon[i] - stock) / (slices[i] - depth)
                    break
                depth, below, stock = slices[i], mass[i], carbon[i]
    return reached, held
