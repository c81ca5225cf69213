"""From longitude, latitude and elevation to the coordinates of a spline.

A spline measures distances in its coordinates, so they matter. Four metrics:

- ``km``: an azimuthal equidistant projection about the middle of the stations, in km. Distances from the middle are true, those across it
  too long by angle / sin(angle): 0.4 % at 1,000 km, 3.8 % at 3,000 km.
- ``sphere``: splines on the sphere (Wahba 1981), for stations all over the world; order 2, elevation as a linear part or not at all.
- ``degrees``: longitude and latitude as they are, as is common; away from the equator the surface is stiffer from north to south.
- ``range``: every coordinate divided by its range, the default of some packages.

Where elevation is a coordinate of its own, its scale says how many units of the others one km of it is worth. The default is 100 km for
each km (Hutchinson 1995 found elevation to need an exaggeration of about 100), and 1 degree for each km.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.compiled import kernel
from edaphic.covariates.climate.basis import Surface

Floats = NDArray[np.float64]
Metric = Literal["km", "sphere", "degrees", "range"]
Elevation = Literal["linear", "spline", "none"]

EARTH_KM = 6371.0088
"""Mean radius."""

WIDE_KM = 3000.0
"""From this distance of a station from the middle on, a projection bends distances by more than 4 %."""

SCALES: dict[str, float] = {"km": 100.0, "degrees": 1.0, "range": 1.0, "sphere": 1.0}


@dataclass(frozen=True)
class Places:
    """How places become coordinates; made by :func:`places_for`.

    Parameters
    ----------
    metric : {"km", "sphere", "degrees", "range"}
    elevation : {"linear", "spline", "none"}
    elevation_scale : float
        Units of the horizontal coordinates for one km, where elevation is a coordinate.
    lon, lat : float
        Middle of the stations, degrees.
    low, length : tuple of float
        Least coordinates and their ranges, for ``range``.
    """

    metric: Metric
    elevation: Elevation
    elevation_scale: float
    lon: float
    lat: float
    low: tuple[float, ...] = (0.0, 0.0, 0.0)
    length: tuple[float, ...] = (1.0, 1.0, 1.0)

    @property
    def dims(self) -> int:
        """Coordinates of the spline."""
        return 3 if self.metric == "sphere" or self.elevation == "spline" else 2

    @property
    def surface(self) -> Surface:
        """What the spline lives on."""
        return "sphere" if self.metric == "sphere" else "flat"

    @property
    def covariates(self) -> int:
        """Linear parts."""
        return int(self.elevation == "linear")

    def points(self, lon: ArrayLike, lat: ArrayLike, elevation_m: ArrayLike | None = None) -> Floats:
        """Coordinates of the spline, then the linear part in km: shape (n, dims + covariates).

        Examples
        --------
        >>> here = places_for([0.0, 2.0], [0.0, 0.0], [0.0, 0.0], "km", "linear")
        >>> here.points([1.0, 2.0], [0.0, 0.0], [500.0, 0.0]).round(2).tolist()
        [[0.0, 0.0, 0.5], [111.2, 0.0, 0.0]]
        """
        x, y = np.asarray(lon, dtype=np.float64).ravel(), np.asarray(lat, dtype=np.float64).ravel()
        columns = self._horizontal(x, y)
        if self.elevation != "none":
            if elevation_m is None:
                raise ValueError("elevation: none was given; expected one for each place")
            km = np.asarray(elevation_m, dtype=np.float64).ravel() / 1000.0
            if self.elevation == "spline":
                km = ((km - self.low[2]) / self.length[2] if self.metric == "range" else km) * self.elevation_scale
            columns = [*columns, km]
        return np.stack(columns, axis=1)

    def _horizontal(self, lon: Floats, lat: Floats) -> list[Floats]:
        if self.metric in ("degrees", "range"):
            lon = lon - 360.0 * np.round((lon - self.lon) / 360.0)
            return [(lon - self.low[0]) / self.length[0], (lat - self.low[1]) / self.length[1]]
        out = np.empty((3, len(lon)))
        if self.metric == "sphere":
            _unit_vectors(lon, lat, out)
            return list(out)
        _equidistant(lon, lat, self.lon, self.lat, out)
        return list(out[:2])

    def globe(self, lon: ArrayLike, lat: ArrayLike) -> Floats:
        """Places as unit vectors, whatever the metric: shape (n, 3), for nearest neighbours."""
        out = np.empty((3, np.size(lon)))
        _unit_vectors(np.asarray(lon, dtype=np.float64).ravel(), np.asarray(lat, dtype=np.float64).ravel(), out)
        return np.ascontiguousarray(out.T)

    def plane_km(self, lon: ArrayLike, lat: ArrayLike) -> Floats:
        """Places in the equidistant projection, whatever the metric: shape (n, 2), for hulls and blocks."""
        x, y = np.asarray(lon, dtype=np.float64).ravel(), np.asarray(lat, dtype=np.float64).ravel()
        out = np.empty((3, len(x)))
        _equidistant(x, y, self.lon, self.lat, out)
        return np.ascontiguousarray(out[:2].T)


@kernel
def _equidistant(lon: Floats, lat: Floats, lon0: float, lat0: float, out: Floats) -> None:
    """Azimuthal equidistant coordinates on the sphere, in km (Snyder 1987, p. 195); the angle is by haversines, exact where it is small."""
    turn = math.pi / 180.0
    sin0, cos0 = math.sin(lat0 * turn), math.cos(lat0 * turn)
    for i in range(len(lon)):
        dlon = (lon[i] - lon0) * turn
        cosine = math.cos(lat[i] * turn)
        half_lat, half_lon = math.sin((lat[i] - lat0) * turn / 2.0), math.sin(dlon / 2.0)
        haversine = half_lat * half_lat + cos0 * cosine * half_lon * half_lon
        angle = 2.0 * math.atan2(math.sqrt(haversine), math.sqrt(max(0.0, 1.0 - haversine)))
        x = cosine * math.sin(dlon)
        # cos0 sin(lat) - sin0 cos(lat) cos(dlon), without the cancellation near the middle
        y = math.sin((lat[i] - lat0) * turn) + 2.0 * sin0 * cosine * half_lon * half_lon
        length = math.hypot(x, y)
        factor = EARTH_KM * (angle / length if length > 0.0 else 1.0)
        out[0, i], out[1, i], out[2, i] = factor * x, factor * y, EARTH_KM * angle


@kernel
def _unit_vectors(lon: Floats, lat: Floats, out: Floats) -> None:
    turn = math.pi / 180.0
    for i in range(len(lon)):
        cosine = math.cos(lat[i] * turn)
        out[0, i], out[1, i], out[2, i] = cosine * math.cos(lon[i] * turn), cosine * math.sin(lon[i] * turn), math.sin(lat[i] * turn)


def middle(lon: ArrayLike, lat: ArrayLike) -> tuple[float, float, float]:
    """Middle of places on the sphere, and the distance in km of the farthest place from it.

    Examples
    --------
    >>> middle([179.0, -179.0], [0.0, 0.0])[0]
    180.0
    """
    x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    out = np.empty((3, len(x)))
    _unit_vectors(x, y, out)
    a, b, c = (float(value) for value in out.mean(axis=1))
    lon0, lat0 = math.degrees(math.atan2(b, a)), math.degrees(math.atan2(c, math.hypot(a, b)))
    lon0, lat0 = round(lon0, 6), round(lat0, 6)
    _equidistant(x, y, lon0, lat0, out)
    return lon0, lat0, float(out[2].max())


def places_for(
    lon: ArrayLike,
    lat: ArrayLike,
    elevation_m: ArrayLike | None,
    metric: Metric,
    elevation: Elevation,
    elevation_scale: float | None = None,
) -> Places:
    """The way from places to coordinates that these stations fix.

    Parameters
    ----------
    lon, lat : array_like, shape (n,)
        Degrees.
    elevation_m : array_like, shape (n,), optional
    metric, elevation
        See :class:`Places`.
    elevation_scale : float, optional
        100 (km for each km), or 1 of other metrics, unless given.

    Raises
    ------
    ValueError
        Elevation as a third dimension on the sphere.
    """
    if metric == "sphere" and elevation == "spline":
        raise ValueError("elevation as a coordinate on the sphere: expected it as a linear part or none")
    scale = SCALES[metric] if elevation_scale is None else float(elevation_scale)
    lon0, lat0, _ = middle(lon, lat)
    low, length = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if metric == "range":
        x = np.asarray(lon, dtype=np.float64)
        table = [x - 360.0 * np.round((x - lon0) / 360.0), np.asarray(lat, dtype=np.float64)]
        table.append(np.zeros(len(x)) if elevation_m is None else np.asarray(elevation_m, dtype=np.float64) / 1000.0)
        low = (float(table[0].min()), float(table[1].min()), float(table[2].min()))
        ranges = [float(np.ptp(column)) or 1.0 for column in table]
        length = (ranges[0], ranges[1], ranges[2])
    return Places(metric, elevation, scale, lon0, lat0, low, length)
