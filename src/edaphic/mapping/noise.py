"""Errors of maps that are alike in neighbouring cells: standard normal fields that no tile, order or worker changes.

A field is made of independent normals at the nodes of a cubic lattice in space (km from the centre of the Earth, so that neither the
projection nor the resolution of a grid changes it), blended at each cell with quadratic B-splines along the three axes, over the root of
the sum of the squares of the 27 weights: mean 0 and variance 1 at every cell. The normal of a node is a hash of seed, realisation, stream
and place of the node (SplitMix64: Steele, Lea and Flood 2014, OOPSLA '14, 453-472), turned into a normal by its inverse distribution
function (AS 241: Wichura 1988, Applied Statistics 37, 477-484), so that any cell can be computed by itself.

Averaged over places of the lattice, the correlation of two cells d apart is a product over the axes of the quintic B-spline
(:func:`correlation`), close to exp(-d^2 / s^2) with the spacing s of the nodes; it is 0.05 at :data:`RANGE` spacings (mean over directions:
0.048 to 0.060), and 0 where the places lie more than 3 spacings apart along an axis. Between two given places it departs from that mean, as
they lie nearer to nodes or between them: by a standard deviation of 0.07 at one spacing and of 0.02 at the range.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from edaphic.compiled import kernel
from edaphic.covariates.window import Window, centres
from edaphic.errors import ModelError

RANGE = 1.75
"""Distance at which the correlation has fallen to 0.05 on average over directions, in spacings of the nodes."""

NODES = 27
"""Nodes that a cell lies between."""

WGS84 = CRS("EPSG:4326")
_MAJOR_KM, _FLATTENING = 6378.137, 1 / 298.257223563
_MILLIMETRES = 1e6
"""Places are rounded to a millimetre, so that the last bit of a sine does not matter."""


def correlation(distance: float, spacing: float = 1.0) -> float:
    """Correlation of a field at two places, a distance apart along an axis of the lattice.

    The autocorrelation of the quadratic B-spline is the quintic one. With x = distance / spacing it is (66 - 60 x^2 + 30 x^4 - 10 x^5) / 66
    up to x = 1, (51 + 75 x - 210 x^2 + 150 x^3 - 45 x^4 + 5 x^5) / 66 up to 2, (3 - x)^5 / 66 up to 3, then 0.

    >>> correlation(0.0), round(correlation(1.0), 4), round(correlation(RANGE), 2), correlation(3.0)
    (1.0, 0.3939, 0.05, 0.0)
    """
    x = abs(distance) / spacing
    if x <= 1.0:
        return (66 - 60 * x**2 + 30 * x**4 - 10 * x**5) / 66
    if x <= 2.0:
        return (51 + 75 * x - 210 * x**2 + 150 * x**3 - 45 * x**4 + 5 * x**5) / 66
    return max(0.0, 3.0 - x) ** 5 / 66


def stream_of(name: str) -> int:
    """Number of the stream of random numbers that a name stands for; it does not depend on what other names there are.

    >>> stream_of("slope") == stream_of("slope"), stream_of("slope") == stream_of("aspect")
    (True, False)
    """
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8"), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Placed:
    """Cells between the nodes of a lattice.

    ``nodes`` int64 (m, 3); ``index`` int32 (n, k), nodes around each cell; ``weight`` float64 (n, k), of unit length for each cell.
    """

    seed: int
    nodes: NDArray[np.int64]
    index: NDArray[np.int32]
    weight: NDArray[np.float64]

    def draw(self, realisation: int, streams: Sequence[int]) -> NDArray[np.float64]:
        """Standard normal fields at the cells: shape (streams, n), independent of each other and of other realisations."""
        keys = np.array([_key(self.seed, realisation, stream) for stream in streams], dtype=np.uint64)
        return np.asarray(_blend(self.index, self.weight, _normals(keys, self.nodes)))


@dataclass(frozen=True)
class Noise:
    """Standard normal fields over the cells of a grid.

    Attributes
    ----------
    grid : GeoBox
    seed : int
    range_km : float or None
        Distance at which the correlation has fallen to 0.05, in km on the ground; None for errors of each cell by itself.

    Raises
    ------
    ModelError
        A range that is not above 0.
    """

    grid: GeoBox
    seed: int
    range_km: float | None

    def __post_init__(self) -> None:
        if self.range_km is not None and not (math.isfinite(self.range_km) and self.range_km > 0):
            raise ModelError(f"range_km: {self.range_km}; expected a number above 0")

    @property
    def nodes_per_cell(self) -> int:
        """Nodes that each cell is made of."""
        return 1 if self.range_km is None else NODES

    def place(self, window: Window, cells: NDArray[np.intp]) -> Placed:
        """Prepare some cells of a window.

        Parameters
        ----------
        window : Window
        cells : int (n,)
            Flat indices of cells of the window.
        """
        if self.range_km is None:
            row, col = np.divmod(cells, window.width)
            nodes = np.stack([row + window.row, col + window.col, np.zeros_like(row)], axis=1).astype(np.int64)
            return Placed(self.seed, nodes, np.arange(len(cells), dtype=np.int32)[:, None], np.ones((len(cells), 1)))
        around, weight = _around(_places_km(self.grid, window, cells) / (self.range_km / RANGE))
        flat = around.reshape(-1, 3)
        if not len(flat):
            return Placed(self.seed, flat, np.empty((0, NODES), dtype=np.int32), weight)
        # Three small numbers in one, which sorts faster than rows of three.
        low = flat.min(axis=0)
        size = flat.max(axis=0) - low + 1
        packed, index = np.unique(((flat - low) @ np.array([size[1] * size[2], size[2], 1])), return_inverse=True)
        rest, z = np.divmod(packed, size[2])
        x, y = np.divmod(rest, size[1])
        return Placed(self.seed, np.stack([x, y, z], axis=1) + low, index.reshape(-1, NODES).astype(np.int32), weight)


def _places_km(grid: GeoBox, window: Window, cells: NDArray[np.intp]) -> NDArray[np.float64]:
    """Places of cells, km from the centre of the Earth, (n, 3)."""
    lon, lat = (np.radians(np.asarray(values).ravel()[cells]) for values in centres(grid, window, WGS84))
    squared = _FLATTENING * (2 - _FLATTENING)
    normal = _MAJOR_KM / np.sqrt(1 - squared * np.sin(lat) ** 2)
    axis = normal * np.cos(lat)
    places = np.stack([axis * np.cos(lon), axis * np.sin(lon), normal * (1 - squared) * np.sin(lat)], axis=1)
    # Corners of a projection that are no place on the Earth have no value either; any place will do.
    return np.round(np.where(np.isfinite(places), places, 0.0) * _MILLIMETRES) / _MILLIMETRES


@kernel
def _around(places):  # type: ignore[no-untyped-def]  # compiled
    n = places.shape[0]
    around = np.empty((n, 27, 3), dtype=np.int64)
    weight = np.empty((n, 27))
    part = np.empty((3, 3))
    for i in range(n):
        for axis in range(3):
            nearest = np.floor(places[i, axis] + 0.5)
            off = places[i, axis] - nearest
            part[axis, 0] = 0.5 * (0.5 - off) * (0.5 - off)
            part[axis, 1] = 0.75 - off * off
            part[axis, 2] = 0.5 * (0.5 + off) * (0.5 + off)
        total = 0.0
        for k in range(27):
            a, b, c = k // 9, (k // 3) % 3, k % 3
            w = part[0, a] * part[1, b] * part[2, c]
            weight[i, k] = w
            total += w * w
            around[i, k, 0] = np.int64(np.floor(places[i, 0] + 0.5)) + a - 1
            around[i, k, 1] = np.int64(np.floor(places[i, 1] + 0.5)) + b - 1
            around[i, k, 2] = np.int64(np.floor(places[i, 2] + 0.5)) + c - 1
        for k in range(27):
            weight[i, k] /= np.sqrt(total)
    return around, weight


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ONE, _TWO = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@kernel
def _mix(z):  # type: ignore[no-untyped-def]  # compiled
    z = z + _GOLDEN
    z = (z ^ (z >> _S30)) * _ONE
    z = (z ^ (z >> _S27)) * _TWO
    return z ^ (z >> _S31)


@kernel
def _chain(first, second, third):  # type: ignore[no-untyped-def]  # compiled
    return _mix(_mix(_mix(first) ^ second) ^ third)


def _key(seed: int, realisation: int, stream: int) -> np.uint64:
    """What the hash of a node starts from."""
    return np.uint64(_chain(np.uint64(seed), np.uint64(realisation), np.uint64(stream)))


@kernel
def _normals(keys, nodes):  # type: ignore[no-untyped-def]  # compiled
    out = np.empty((nodes.shape[0], keys.shape[0]))
    for i in range(nodes.shape[0]):
        x, y, z = np.uint64(nodes[i, 0]), np.uint64(nodes[i, 1]), np.uint64(nodes[i, 2])
        for s in range(keys.shape[0]):
            bits = _mix(_chain(keys[s] ^ x, y, z))
            out[i, s] = _inverse_normal((np.float64(bits >> _S11) + 0.5) * 2.0**-53)
    return out


@kernel
def _blend(index, weight, normals):  # type: ignore[no-untyped-def]  # compiled
    n, around = index.shape
    streams = normals.shape[1]
    out = np.empty((streams, n))
    total = np.empty(streams)
    for i in range(n):
        total[:] = 0.0
        for k in range(around):
            w, node = weight[i, k], index[i, k]
            for s in range(streams):
                total[s] += w * normals[node, s]
        for s in range(streams):
            out[s, i] = total[s]
    return out


@kernel
def _inverse_normal(p):  # type: ignore[no-untyped-def]  # compiled
    """Quantile of the standard normal distribution: AS 241, PPND16."""
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        top = ((((((2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r + 6.7265770927008700853e4) * r
            + 4.5921953931549871457e4) * r + 1.3731693765509461125e4) * r + 1.9715909503065514427e3) * r
            + 1.3314166789178437745e2) * r + 3.3871328727963666080e0
        low = ((((((5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r + 3.9307895800092710610e4) * r
            + 2.1213794301586595867e4) * r + 5.3941960214247511077e3) * r + 6.8718700749205790830e2) * r
            + 4.2313330701600911252e1) * r + 1.0
        return q * top / low
    r = np.sqrt(-np.log(min(p, 1.0 - p)))
    if r <= 5.0:
        r -= 1.6
        top = ((((((7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r + 2.41780725177450611770e-1) * r
            + 1.27045825245236838258e0) * r + 3.64784832476320460504e0) * r + 5.76949722146069140550e0) * r
            + 4.63033784615654529590e0) * r + 1.42343711074968357734e0
        low = ((((((1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r + 1.51986665636164571966e-2) * r
            + 1.48103976427480074590e-1) * r + 6.89767334985100004550e-1) * r + 1.67638483018380384940e0) * r
            + 2.05319162663775882187e0) * r + 1.0
    else:
        r -= 5.0
        top = ((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 1.24266094738807843860e-3) * r
            + 2.65321895265761230930e-2) * r + 2.96560571828504891230e-1) * r + 1.78482653991729133580e0) * r
            + 5.46378491116411436990e0) * r + 6.65790464350110377720e0
        low = ((((((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r + 1.84631831751005468180e-5) * r
            + 7.86869131145613259100e-4) * r + 1.48753612908506148525e-2) * r + 1.36929880922735805310e-1) * r
            + 5.99832206555887937690e-1) * r + 1.0
    return -top / low if q < 0.0 else top / low
