"""The climate of a region: stations, how their splines are made, and the splines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from edaphic.covariates.climate.basis import Basis, basis_for
from edaphic.covariates.climate.factor import THREADS, freedom, singular_terms
from edaphic.covariates.climate.places import WIDE_KM, Elevation, Metric, Places, middle, places_for
from edaphic.covariates.climate.smoothing import Criterion, TooFree
from edaphic.covariates.climate.spline import Floats, Splines, fit
from edaphic.covariates.climate.stations import Stations
from edaphic.covariates.climate.tables import named
from edaphic.covariates.climate.transform import Transform, back_all, back_errors, forward_all
from edaphic.errors import TableError

THIN = 0.01
"""Stations whose second coordinate has a smaller part than this apart from the first lie on one line for all that matters."""

POLAR_DEG = 80.0
"""Beyond this latitude longitude and latitude are no coordinates for a straight line."""

TIED = 0.01
"""Elevation whose part apart from a linear function of the position is below this is one, for all that matters."""

SPARE = 2
"""Stations needed beyond the terms without penalty: with fewer nothing is left to choose a smoothing by."""


@dataclass(frozen=True)
class How:
    """Choices of the splines.

    Parameters
    ----------
    elevation : {"linear", "spline", "none"}
        A linear part (one lapse rate for the region), a third coordinate of the spline (it varies), or not used.
    metric : {"auto", "km", "sphere", "degrees", "range"}
        Coordinates, see :mod:`edaphic.covariates.climate.places`; "auto" is the sphere where a station lies more than 3,000 km from the
        middle (and elevation is no coordinate), else km.
    elevation_scale : float, optional
        Units of the horizontal coordinates for one km of elevation, where that is a coordinate.
    order : {2, 3}
        Of the derivatives whose squares are the roughness.
    smoothing : {"gcv", "reml"} or float
        A number is the effective degrees of freedom.
    transform : {"none", "sqrt", "log"}, or mapping of variable to one of them
        Scale on which the splines are made; variables that a mapping does not name are taken as they are.
    weighted : bool
        Weigh each value by the years behind it.
    """

    elevation: Elevation = "linear"
    metric: Literal["auto"] | Metric = "auto"
    elevation_scale: float | None = None
    order: int = 2
    smoothing: Criterion | float = "gcv"
    transform: Transform | Mapping[str, Transform] = "none"
    weighted: bool = False


@dataclass(frozen=True)
class Model:
    """Fitted climate; made by :func:`fit_climate`."""

    how: How
    stations: Stations
    places: Places
    splines: Splines

    @property
    def names(self) -> tuple[str, ...]:
        """Fields."""
        return self.stations.names

    @cached_property
    def transforms(self) -> tuple[Transform, ...]:
        """Scale of each field."""
        return transforms_of(self.stations, self.how)

    @cached_property
    def spread(self) -> Floats:
        """Standard deviations of the errors of prediction on the scale of the splines: shape (fields,)."""
        return self.splines.spread

    @property
    def points(self) -> Floats:
        """Coordinates of the stations."""
        return _points(self.places, self.stations)

    @property
    def weights(self) -> Floats | None:
        """Years behind each value, where they count."""
        return weights_of(self.stations, self.how)

    @property
    def fitted(self) -> Floats:
        """Surface at the stations, on the scale of the values: shape (n, fields), NaN where there is no value."""
        return back_all(self.splines.fitted, self.spread, self.transforms)

    @property
    def left_out(self) -> Floats:
        """Prediction of each station without it, on the scale of the values."""
        return back_all(self.splines.left_out, self.spread, self.transforms)

    def predict(self, lon: ArrayLike, lat: ArrayLike, elevation_m: ArrayLike | None = None) -> Floats:
        """Fields at places: shape (k, fields); NaN where the elevation is not known but needed."""
        return back_all(self.splines.predict(self.places.points(lon, lat, elevation_m)), self.spread, self.transforms)

    def standard_error(self, lon: ArrayLike, lat: ArrayLike, elevation_m: ArrayLike | None = None) -> Floats:
        """Standard errors of the fields at places: shape (k, fields)."""
        points = self.places.points(lon, lat, elevation_m)
        errors = self.splines.standard_error(points)
        if set(self.transforms) == {"none"}:
            return errors
        return back_errors(self.splines.predict(points), errors, self.spread, self.transforms)


def _points(places: Places, stations: Stations) -> Floats:
    return places.points(stations.lon, stations.lat, stations.elevation_m)


def transforms_of(stations: Stations, how: How) -> tuple[Transform, ...]:
    """Scale of each field."""
    asked = how.transform
    if isinstance(asked, str):
        return (asked,) * len(stations.names)
    return tuple(asked.get(variable, "none") for variable in stations.variables)


def weights_of(stations: Stations, how: How) -> Floats | None:
    """Years behind each value, where they count; None where every station counts the same."""
    return np.maximum(stations.years, 1.0) if how.weighted else None


def fit_climate(stations: Stations, how: How | None = None, keep: bool = False, threads: int = THREADS) -> Model:
    """Splines of all fields of the stations.

    Parameters
    ----------
    stations : Stations
    how : How, optional
    keep : bool
        Keep the factorisations, for standard errors.
    threads : int
        Factorisations made at a time.

    Raises
    ------
    TableError
        Too few stations, on one line, without elevation, or values that the transformation does not have.

    Examples
    --------
    >>> stations = Stations(tuple("abcdefg"), np.arange(7.0), np.arange(7.0) ** 2 / 9, np.zeros(7), ("t",), ("t",), *[np.ones((7, 1))] * 2)
    >>> fit_climate(stations, How(elevation="none")).predict([1.5], [1.0]).tolist()
    [[1.0]]
    """
    how = how or How()
    faults = climate_faults(stations, how)
    if faults:
        raise TableError(faults)
    places, basis, points = basis_of(stations, how)
    values = forward_all(stations.values, transforms_of(stations, how))
    try:
        splines = fit(basis, points, values, how.smoothing, weights_of(stations, how), keep, threads)
    except TooFree as fault:
        raise TableError(f"{fault}, as many as places lie apart from each other") from fault
    return Model(how, stations, places, splines)


def climate_faults(stations: Stations, how: How) -> list[str]:
    """Every fault of stations and choices that :func:`fit_climate` refuses, without fitting; empty where there is none."""
    return _faults(stations, how) or _shortfalls(stations, how, *basis_of(stations, how)[1:])


def basis_of(stations: Stations, how: How) -> tuple[Places, Basis, Floats]:
    """Coordinates, basis and points (n, d + q) of the splines of these stations."""
    places = places_of(stations, how)
    points = _points(places, stations)
    return places, basis_for(points, how.order, places.dims, places.surface), points


def places_of(stations: Stations, how: How) -> Places:
    """Coordinates of these stations, with "auto" decided."""
    metric: Metric
    if how.metric == "auto":
        wide = middle(stations.lon, stations.lat)[2] > WIDE_KM
        metric = "sphere" if wide and how.elevation != "spline" and how.order == 2 else "km"
    else:
        metric = how.metric
    return places_for(stations.lon, stations.lat, stations.elevation_m, metric, how.elevation, how.elevation_scale)


def _faults(stations: Stations, how: How) -> list[str]:
    faults = []
    missing = ~np.isfinite(stations.elevation_m)
    if how.elevation != "none" and missing.any():
        ids = named(name for name, lost in zip(stations.ids, missing, strict=True) if lost)
        faults.append(
            f"stations: {int(missing.sum())} of {len(missing)} without elevation ({ids}); expected one for each, "
            "--elevation-from-dem, or --elevation none"
        )
    if how.metric == "sphere" and (how.elevation == "spline" or how.order != 2):
        faults.append("coordinates sphere: found elevation spline or order 3 beside it; expected elevation linear or none, and order 2")
    if how.order not in (2, 3):
        faults.append(f"order {how.order}: expected 2 or 3")
    if how.elevation_scale is not None and not (np.isfinite(how.elevation_scale) and how.elevation_scale > 0):
        faults.append(f"elevation scale {how.elevation_scale:g}: expected a positive number")
    if how.elevation_scale is not None and how.elevation != "spline":
        faults.append(f"elevation scale {how.elevation_scale:g}: found elevation {how.elevation}; expected elevation spline beside it")
    if not isinstance(how.transform, str):
        unknown = sorted(set(how.transform) - set(stations.variables))
        faults += [
            f"transform of {name}: no such value; expected one of {', '.join(dict.fromkeys(stations.variables))}" for name in unknown
        ]
    for k, (name, transform) in enumerate(zip(stations.names, transforms_of(stations, how), strict=True)):
        low = float(np.nanmin(stations.values[:, k])) if np.isfinite(stations.values[:, k]).any() else 1.0
        if transform == "sqrt" and low < 0:
            faults.append(f"{name}: found {low:g}; expected no value below 0 for the transformation sqrt")
        if transform == "log" and low <= 0:
            faults.append(f"{name}: found {low:g}; expected values above 0 for the transformation log (sqrt allows 0)")
    return faults


def _shortfalls(stations: Stations, how: How, basis: Basis, points: Floats) -> list[str]:
    """Fields whose stations are too few, or lie so that they do not fix the terms without penalty."""
    scaled, faults = basis.scaled(points), []
    degrees = _flat_degrees(stations)
    needed = basis.terms + SPARE
    seen: dict[bytes, str] = {}
    for k, name in enumerate(stations.names):
        have = np.isfinite(stations.values[:, k])
        key = have.tobytes()
        if key not in seen:
            seen[key] = _shortfall(scaled[have], degrees[have], basis, how, needed)
        if seen[key]:
            faults.append(f"{name}: {seen[key]}")
        elif not isinstance(how.smoothing, str) and not basis.terms < how.smoothing < (most := freedom(basis, scaled[have])):
            places = "" if most == have.sum() else f", for some of its {int(have.sum())} stations share a place"
            faults.append(f"{name}: {how.smoothing:g} degrees of freedom; expected above {basis.terms} and below {most}{places}")
    return faults


def _flat_degrees(stations: Stations) -> Floats:
    """Longitude and latitude, of about equal length: shape (n, 2)."""
    lon0, lat0, _ = middle(stations.lon, stations.lat)
    lon = stations.lon - 360.0 * np.round((stations.lon - lon0) / 360.0)
    return np.column_stack([lon * np.cos(np.radians(min(abs(lat0), POLAR_DEG))), stations.lat])


def _on_one_line(places: Floats) -> bool:
    line = basis_for(places, 2, 2)
    return bool(singular_terms(line, line.scaled(places), least=THIN))


def _shortfall(scaled: Floats, degrees: Floats, basis: Basis, how: How, needed: int) -> str:
    if len(scaled) < needed:
        return f"{len(scaled)} stations have a value; expected at least {needed} for elevation {how.elevation} and order {how.order}"
    # A transect that is straight in degrees is bent in km, and the other way round.
    straight = _on_one_line(degrees) and np.abs(degrees[:, 1]).max() < POLAR_DEG
    if straight or (basis.surface == "flat" and _on_one_line(scaled[:, :2])):
        return f"its {len(scaled)} stations lie on one line or at one place; expected stations around a region"
    if how.elevation != "none":
        # Whether linear or a coordinate of its own, elevation must be more than a function of the position.
        plane = basis_for(np.column_stack([scaled[:, :2], scaled[:, 2]]), 2, 2) if basis.surface == "flat" else basis
        if singular_terms(plane, plane.scaled(scaled), least=TIED):
            return (
                f"elevation is the same at its {len(scaled)} stations, or a linear function of their position; expected varied "
                "elevations, or --elevation none"
            )
    if singular_terms(basis, scaled):
        return f"its {len(scaled)} stations do not fix {basis.terms} terms without penalty; expected more places and elevations, or order 2"
    return ""
