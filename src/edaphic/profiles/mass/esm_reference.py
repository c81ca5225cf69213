"""Reference masses: how much soil a layer stands for, whatever depth it reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from edaphic.errors import TableError
from edaphic.profiles.mass.esm_cumulative import MASSES, cumulate
from edaphic.profiles.mass.esm_curve import Floats
from edaphic.profiles.reading.tables import read_table
from edaphic.units import ORGANIC_MATTER_TO_CARBON, to_internal

Layers = Sequence[tuple[float, float]]

MASS_COLUMNS = {
    "soil_mass_kg_m2": "kg/m2",
    "soil_mass_t_ha": "t/ha",
    "soil_mass_Mg_ha": "Mg/ha",
    "soil_mass_g_cm2": "g/cm2",
}
"""Columns that a table of reference masses may have, one of them, and their units."""

STATISTICS = ("mean", "minimum")
"""How the masses of several profiles become one."""


@dataclass(frozen=True)
class Reference:
    """Soil mass above the limits of layers.

    Attributes
    ----------
    top_cm, bottom_cm : tuple of float (n_layers,)
        Names of the layers: the depths that had these masses in the reference. Layers may overlap (0-30 beside 0-100).
    mass_top_kg_m2, mass_bottom_kg_m2 : tuple of float (n_layers,)
        Mass above the upper and the lower limit, from the surface.
    mass : {"fine_earth", "mineral"}
        What is counted; stocks on this reference count the same.
    to_carbon : float
        Share of carbon in organic matter, for the mineral mass.
    origin : str
        Where the masses come from, for the report.

    Raises
    ------
    TableError
        Limits or masses out of order, a layer without mass, or one limit with two masses.

    Examples
    --------
    >>> Reference.from_masses([0, 30], [30, 100], [400.0, 1000.0]).mass_bottom_kg_m2
    (400.0, 1400.0)
    """

    top_cm: tuple[float, ...]
    bottom_cm: tuple[float, ...]
    mass_top_kg_m2: tuple[float, ...]
    mass_bottom_kg_m2: tuple[float, ...]
    mass: str = "fine_earth"
    to_carbon: float = ORGANIC_MATTER_TO_CARBON
    origin: str = "given"

    def __post_init__(self) -> None:
        sizes = {len(one) for one in (self.top_cm, self.bottom_cm, self.mass_top_kg_m2, self.mass_bottom_kg_m2)}
        if len(sizes) != 1 or 0 in sizes:
            raise TableError("reference: found no layers, or limits and masses of other numbers; expected one mass for each limit")
        faults = layer_faults(list(zip(self.top_cm, self.bottom_cm, strict=True)))
        if self.mass not in MASSES:
            faults.append(f"reference: mass: found {self.mass!r}; expected one of {', '.join(MASSES)}")
        if not 0 < self.to_carbon <= 1:
            faults.append(f"reference: to_carbon: found {self.to_carbon}; expected a share above 0 up to 1")
        known = {(0.0, 0.0)} | set(zip(self.top_cm, self.mass_top_kg_m2, strict=True))
        pairs = sorted(known | set(zip(self.bottom_cm, self.mass_bottom_kg_m2, strict=True)))
        for (upper, above), (lower, below) in pairwise(pairs):
            if not (upper < lower and above < below < np.inf):
                faults.append(
                    f"reference: found {above:g} kg/m2 above {upper:g} cm and {below:g} kg/m2 above {lower:g} cm; "
                    "expected cumulative masses that increase with depth"
                )
        if faults:
            raise TableError(faults)

    @property
    def layers(self) -> tuple[tuple[float, float], ...]:
        """Names of the layers, (top, bottom) in cm."""
        return tuple(zip(self.top_cm, self.bottom_cm, strict=True))

    @classmethod
    def from_masses(
        cls,
        top_cm: ArrayLike,
        bottom_cm: ArrayLike,
        soil_mass_kg_m2: ArrayLike,
        layers: Layers | None = None,
        *,
        mass: str = "fine_earth",
        to_carbon: float = ORGANIC_MATTER_TO_CARBON,
        origin: str = "given",
    ) -> Reference:
        """Reference of given masses, one for each layer, from the surface down without a gap.

        Parameters
        ----------
        top_cm, bottom_cm, soil_mass_kg_m2 : float array (n,)
            Limits and mass of each layer (not cumulative).
        layers : sequence of (top, bottom), optional
            Layers wanted, made of those given; all of them where left out.
        mass, to_carbon, origin
            See the class.

        Raises
        ------
        TableError
            A gap or an overlap, a mass that is not above 0, or a wanted limit that is none of those given.

        Examples
        --------
        >>> Reference.from_masses([0, 10, 30], [10, 30, 50], [120.0, 260.0, 290.0], [(0, 30)]).mass_bottom_kg_m2
        (380.0,)
        """
        table = np.array([np.asarray(one, dtype=np.float64) for one in (top_cm, bottom_cm, soil_mass_kg_m2)])
        top, bottom, each = table[:, np.argsort(table[0], kind="stable")]
        faults = []
        for upper, lower, one, expected in zip(top, bottom, each, np.append(0.0, bottom), strict=False):
            if upper != expected or not upper < lower < np.inf:
                faults.append(f"reference: found layer {upper:g}-{lower:g} cm; expected layers from 0 cm down, each from the limit above")
            if not 0 < one < np.inf:
                faults.append(f"reference: {upper:g}-{lower:g} cm: found a soil mass of {one:g} kg/m2; expected above 0")
        limits = np.append(0.0, bottom)
        wanted = list(zip(top.tolist(), bottom.tolist(), strict=True)) if layers is None else list(layers)
        absent = sorted({float(limit) for layer in wanted for limit in layer} - set(limits.tolist()))
        if absent and not faults:
            faults.append(f"reference: no mass above {_listed(absent)} cm; expected limits out of {_listed(limits.tolist())} cm")
        if faults:
            raise TableError(faults)
        return _of_limits(wanted, limits, np.append(0.0, np.cumsum(each)), mass, to_carbon, origin)

    @classmethod
    def from_profile(
        cls,
        horizons: pd.DataFrame,
        profile_id: str,
        layers: Layers,
        *,
        mass: str = "fine_earth",
        to_carbon: float = ORGANIC_MATTER_TO_CARBON,
    ) -> Reference:
        """Reference of one profile: its cumulative mass at the limits of the layers.

        Raises
        ------
        TableError
            No such profile, or it does not reach the lowest limit.

        Examples
        --------
        >>> table = pd.DataFrame({
        ...     "profile_id": ["a"], "top_cm": [0.0], "bottom_cm": [40.0], "soc_g_kg": [20.0],
        ...     "bulk_density_g_cm3": [1.25], "coarse_fragments_vol_pct": [0.0]})
        >>> Reference.from_profile(table, "a", [(0, 30)]).mass_bottom_kg_m2
        (375.0,)
        """
        one = horizons[horizons["profile_id"] == profile_id]
        if one.empty:
            some = _listed(list(horizons["profile_id"].unique()[:5]))
            raise TableError(f"reference: no profile {profile_id!r}; expected one of the table, such as {some}")
        return _of_profiles(one, layers, "mean", mass, to_carbon, f"profile {profile_id}")

    @classmethod
    def from_profiles(
        cls,
        horizons: pd.DataFrame,
        layers: Layers,
        statistic: str = "mean",
        *,
        mass: str = "fine_earth",
        to_carbon: float = ORGANIC_MATTER_TO_CARBON,
    ) -> Reference:
        """Mean or minimum of the cumulative masses of all profiles that reach every limit.

        The same profiles stand behind every limit: else a mean of deep profiles under a mean of all would make layers that
        no soil has. How many they are says ``origin``. With ``minimum`` no profile has to be extrapolated among them.

        Raises
        ------
        TableError
            Unknown statistic, or no profile reaches the lowest limit.
        """
        return _of_profiles(horizons, layers, statistic, mass, to_carbon, "")


def parse_reference(
    text: str,
    horizons: pd.DataFrame,
    layers: Layers | None,
    *,
    mass: str = "fine_earth",
    to_carbon: float = ORGANIC_MATTER_TO_CARBON,
) -> Reference:
    """Reference as the command line names it.

    Parameters
    ----------
    text : str
        ``profile:ID``, ``mean``, ``minimum`` (of ``horizons``), or the path of a table with ``top_cm``, ``bottom_cm`` and
        the mass of each layer in one of :data:`MASS_COLUMNS`.
    horizons : DataFrame
        Clean horizon table.
    layers : sequence of (top, bottom) or None
        Layers wanted; None, with a table only, takes those of the table.
    mass, to_carbon
        What counts as mass, also in the table.

    Returns
    -------
    Reference

    Raises
    ------
    TableError
        No such file or profile, columns missing, layers that the reference cannot give.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "profile_id": ["a", "b"], "top_cm": 0.0, "bottom_cm": 30.0, "soc_g_kg": 20.0,
    ...     "bulk_density_g_cm3": [1.0, 1.5], "coarse_fragments_vol_pct": 0.0})
    >>> parse_reference("mean", table, [(0, 30)]).origin
    'mean of 2 of 2 profiles'
    """
    name = text.strip()
    by_profile = name in STATISTICS or name.startswith("profile:")
    if by_profile and not layers:
        raise TableError(f"reference {name}: found no layers; expected at least one, such as 0-30")
    if name in STATISTICS:
        return Reference.from_profiles(horizons, layers or (), name, mass=mass, to_carbon=to_carbon)
    if by_profile:
        return Reference.from_profile(horizons, name.removeprefix("profile:").strip(), layers or (), mass=mass, to_carbon=to_carbon)
    if not Path(name).is_file():
        raise TableError(f"reference {name!r}: no such file; expected a table of masses, profile:ID, mean or minimum")
    return _of_table(read_table(name), name, layers, mass, to_carbon)


def _of_table(table: pd.DataFrame, name: str, layers: Layers | None, mass: str, to_carbon: float) -> Reference:
    given = [column for column in MASS_COLUMNS if column in table]
    faults = [f"{name}: no column {column}; expected top_cm, bottom_cm" for column in ("top_cm", "bottom_cm") if column not in table]
    if len(given) != 1:
        faults.append(f"{name}: found {', '.join(given) or 'no column of soil mass'}; expected one of {', '.join(MASS_COLUMNS)}")
    text = [column for column in ("top_cm", "bottom_cm", *given) if column in table and table[column].dtype.kind not in "if"]
    faults += [f"{name}: column {column} holds text; expected numbers" for column in text]
    if faults:
        raise TableError(faults)
    # A mass of soil on an area has the units of a stock.
    masses = to_internal(table[given[0]], "soc_stock", MASS_COLUMNS[given[0]], given[0])
    return Reference.from_masses(table["top_cm"], table["bottom_cm"], masses, layers, mass=mass, to_carbon=to_carbon, origin=name)


def _of_profiles(horizons: pd.DataFrame, layers: Layers, statistic: str, mass: str, to_carbon: float, origin: str) -> Reference:
    faults = layer_faults(layers)
    if statistic not in STATISTICS:
        faults.append(f"reference: found statistic {statistic!r}; expected one of {', '.join(STATISTICS)}")
    if faults:
        raise TableError(faults)
    sums = cumulate(horizons, mass, to_carbon)
    limits = np.unique(np.append(0.0, np.asarray(layers, dtype=np.float64).ravel()))
    masses = sums.mass_at(limits)
    reached = np.isfinite(masses).all(axis=1)
    if not reached.any():
        deepest = int(np.argmax(sums.end_cm)) if sums.end_cm.size else -1
        found = "no profiles" if deepest < 0 else f"{sums.end_cm[deepest]:g} cm at most ({sums.ends[deepest]})"
        raise TableError(f"reference {origin or statistic}: masses known to {found}; expected {limits[-1]:g} cm")
    one = masses[reached].mean(axis=0) if statistic == "mean" else masses[reached].min(axis=0)
    count = f"{statistic} of {int(reached.sum())} of {reached.size} profiles"
    return _of_limits(layers, limits, one, mass, to_carbon, origin or count)


def _of_limits(layers: Layers, limits: Floats, masses: Floats, mass: str, to_carbon: float, origin: str) -> Reference:
    at = dict(zip(limits.tolist(), masses.tolist(), strict=True))
    top, bottom = tuple(float(one[0]) for one in layers), tuple(float(one[1]) for one in layers)
    return Reference(top, bottom, tuple(at[one] for one in top), tuple(at[one] for one in bottom), mass, to_carbon, origin)


def layer_faults(layers: Layers) -> list[str]:
    """What is wrong with a list of layers.

    >>> layer_faults([(0, 30), (30, 20)])
    ['layers: found 30-20 cm; expected 0 <= top < bottom']
    """
    if not len(layers):
        return ["layers: found none; expected at least one, such as 0-30"]
    return [
        f"layers: found {top:g}-{bottom:g} cm; expected 0 <= top < bottom" for top, bottom in layers if not 0 <= top < bottom < np.inf
    ]


def _listed(values: Sequence[object]) -> str:
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
