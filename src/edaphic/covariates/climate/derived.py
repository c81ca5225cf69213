"""Bioclimatic variables from the monthly surfaces of a model, window by window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edaphic.covariates.bioclim import BIOCLIM, bioclim
from edaphic.covariates.climate.stations import Stations
from edaphic.errors import TableError

Floats = NDArray[np.float64]

KNOWN = {
    "minimum temperature": ("tmin", "tasmin", "tn", "tmn"),
    "maximum temperature": ("tmax", "tasmax", "tx", "tmx"),
    "precipitation": ("ppt", "prec", "precip", "precipitation", "pr", "pre", "rain", "rainfall"),
}
"""Names of values, in lower case, from which the bioclimatic variables are made."""

MM = {"mm": 1.0, "cm": 10.0, "in": 25.4}
"""Millimetres in a unit of precipitation."""


@dataclass
class Bioclimate:
    """Twelve fields of each of the three values, and how often a cell had to be mended.

    Parameters
    ----------
    months : tuple of three tuples of str
        Fields of minimum and maximum temperature and precipitation, January first.
    millimetres : float
        In the unit of precipitation.
    """

    months: tuple[tuple[str, ...], ...]
    millimetres: float
    crossed: int = 0
    below: int = 0

    def variables(self, values: Mapping[str, Floats]) -> dict[str, Floats]:
        """bio1 to bio19 of a window.

        A cell where a minimum is above its maximum gets no value (the two are splines of their own); precipitation below 0 counts as 0.
        """
        low, high, rain = (np.stack([values[name] for name in names]) for names in self.months)
        with np.errstate(invalid="ignore"):
            crossed = (low > high).any(axis=0)
            self.below += int((rain < 0).any(axis=0).sum())
        self.crossed += int(crossed.sum())
        low[:, crossed] = np.nan
        high[:, crossed] = np.nan
        return bioclim(low, high, np.where(rain < 0, 0.0, rain) * self.millimetres)

    def notes(self) -> list[str]:
        """What had to be mended."""
        notes = []
        if self.crossed:
            notes.append(f"bioclim: {self.crossed:,} cells where a minimum temperature is above its maximum: no value of temperature there")
        if self.below:
            notes.append(f"bioclim: precipitation below 0 taken as 0 in {self.below:,} cells")
        return notes


def bioclimate_of(stations: Stations, unit: str = "mm") -> Bioclimate:
    """The fields from which the bioclimatic variables are made.

    Parameters
    ----------
    stations : Stations
    unit : {"mm", "cm", "in"}
        Of precipitation.

    Raises
    ------
    TableError
        A value is not there, or not for all twelve months.
    """
    faults, months = [], []
    if unit not in MM:
        faults.append(f"--precipitation-unit: found {unit!r}; expected {', '.join(MM)}")
    for what, names in KNOWN.items():
        variable = next((name for name in stations.variables if name.lower() in names), None)
        fields = tuple(f for f, of in zip(stations.names, stations.variables, strict=True) if of == variable)
        if variable is None:
            faults.append(f"--bioclim: no {what}; expected a --value named {' or '.join(names[:4])}")
        elif len(fields) != 12:
            faults.append(f"--bioclim: {variable} has {len(fields)} fields; expected its twelve months")
        months.append(fields)
    taken = [name for name in stations.names if name in BIOCLIM]
    faults += [f"--bioclim: a value is called {name} as well; expected another name" for name in taken]
    if faults:
        raise TableError(faults)
    return Bioclimate(tuple(months), MM[unit])
