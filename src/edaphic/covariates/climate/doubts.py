"""What looks wrong with stations, though it can be computed with: units, elevations beside the DEM, positions."""

from __future__ import annotations

import re

import numpy as np

from edaphic.covariates.climate.spline import Floats
from edaphic.covariates.climate.stations import Stations
from edaphic.covariates.climate.tables import named
from edaphic.units import METRES

TEMPERATURE = re.compile(
    r"^(t|tmp|tas|ta|tg|tn|tx|mat|md?temp.*|temp.*|tmin.*|tmax.*|tmean.*|tavg.*|tasmin|tasmax)([_.].*|\d*)$", re.IGNORECASE
)
FAR_M = 300.0
FEW = 30
FEET = 1 / METRES["ft"]


def value_doubts(stations: Stations) -> list[str]:
    """Notes on fields whose numbers look like another unit, and on few stations.

    >>> kelvin = Stations(("a",), np.zeros(1), np.zeros(1), np.zeros(1), ("tmax",), ("tmax",), np.full((1, 1), 290.0), np.ones((1, 1)))
    >>> value_doubts(kelvin)[0]
    'tmax: median 290: kelvin? it is mapped in the unit it has'
    """
    notes = []
    for k, name in enumerate(stations.names):
        values = stations.values[np.isfinite(stations.values[:, k]), k]
        if len(values) and TEMPERATURE.match(name):
            guess = _unit(values)
            if guess:
                notes.append(f"{name}: median {np.median(values):g}: {guess}? it is mapped in the unit it has")
        if len(values) > FEW and np.ptp(values) == 0:
            notes.append(f"{name}: the same value, {values[0]:g}, at all {len(values)} stations")
    counts = np.isfinite(stations.values).sum(axis=0)
    if counts.min() < FEW:
        notes.append(f"only {int(counts.min())} stations have a value of {stations.names[int(np.argmin(counts))]}: errors are uncertain")
    return notes + _shared_places(stations)


def _unit(values: Floats) -> str:
    middle, highest = float(np.median(values)), float(values.max())
    if 200 < middle < 340 and values.min() > 150:
        return "kelvin"
    if highest > 60:
        return "tenths of a degree" if highest > 130 else "degrees Fahrenheit"
    return ""


def _shared_places(stations: Stations) -> list[str]:
    _, counts = np.unique(np.stack([stations.lon, stations.lat], axis=1), axis=0, return_counts=True)
    shared = int(counts[counts > 1].sum())
    return [f"{shared} stations share their position with another: all count"] if shared else []


def elevation_faults(stations: Stations, dem_m: Floats) -> list[str]:
    """Faults of elevations that are in another unit than those of the DEM.

    Parameters
    ----------
    stations : Stations
    dem_m : float array of shape (n,)
        Elevation of the DEM at the stations, NaN outside it.
    """
    both = np.isfinite(stations.elevation_m) & np.isfinite(dem_m) & (np.abs(dem_m) > 50) & (np.abs(stations.elevation_m) > 50)
    if both.sum() < 5:
        return []
    ratio = stations.elevation_m[both] / dem_m[both]
    for factor, what, cure in (
        (FEET, "are in feet", "--elevation-unit ft"),
        (1 / FEET, "are in m and the DEM is in feet", "a DEM in m, or --dem-unit ft"),
    ):
        if np.mean(np.abs(ratio / factor - 1) < 0.2) > 0.7:
            middle = float(np.median(ratio))
            return [f"stations: their elevations are {middle:.2f} times the DEM's, as if they {what}; expected metres in both, or {cure}"]
    return []


def elevation_doubts(stations: Stations, dem_m: Floats) -> list[str]:
    """Notes on stations outside the DEM, and on those whose elevation is far from it."""
    notes = []
    outside = ~np.isfinite(dem_m)
    if outside.any():
        notes.append(
            f"{int(outside.sum())} of {len(outside)} stations lie outside the DEM or where it has no value; they are used all the same"
        )
    with np.errstate(invalid="ignore"):
        far = np.abs(stations.elevation_m - dem_m) > FAR_M
    if far.any():
        ids = [f"{name} ({stations.elevation_m[k]:.0f} and {dem_m[k]:.0f} m)" for k, name in enumerate(stations.ids) if far[k]]
        notes.append(f"elevation more than {FAR_M:.0f} m from the DEM's at {named(ids)}: position or elevation wrong?")
    return notes
