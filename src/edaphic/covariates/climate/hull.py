"""Which places lie among the stations: the convex hull in a plane, or on the sphere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

Floats = NDArray[np.float64]

EDGE_KM, EDGE = 1e-9, 1e-12
"""What a place on the edge may lie outside by rounding: km in the plane, and the sine of an angle."""


class Hull:
    """Convex hull of the stations.

    In the plane it is that of their coordinates. On the sphere its edges are great circles: it is the cone of their unit vectors. Where no
    hemisphere holds all stations, they span the world and nothing lies outside. Of stations on a line there is no hull: all lies outside.

    Parameters
    ----------
    places : float array of shape (n, 2) or (n, 3)
        In a plane, km, or unit vectors.

    Examples
    --------
    >>> square = Hull(np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]]))
    >>> square.outside(np.array([[1.0, 1.0], [5.0, 1.0]])).tolist()
    [False, True]
    >>> octant = Hull(np.eye(3))
    >>> octant.outside(np.array([[0.6, 0.8, 0.0], [0.6, 0.0, -0.8]])).tolist()
    [False, True]
    """

    def __init__(self, places: Floats) -> None:
        self._edge = EDGE if places.shape[1] == 3 else EDGE_KM
        self._planes: Floats | None
        try:
            self._planes = _cone(places) if places.shape[1] == 3 else np.asarray(ConvexHull(places).equations)
        except QhullError:
            self._planes = None

    def outside(self, places: Floats) -> NDArray[np.bool_]:
        """Whether each place lies outside."""
        if self._planes is None:
            return np.ones(len(places), dtype=bool)
        out = np.zeros(len(places), dtype=bool)
        for *normal, offset in self._planes:
            distance = np.full(len(places), offset)
            for axis, part in enumerate(normal):  # sums in one order, whatever the number of places
                distance += part * places[:, axis]
            out |= distance > self._edge
        return out


def _cone(vectors: Floats) -> Floats:
    """Planes through the middle of the Earth and two stations, with all others on one side; none where the middle is not a corner."""
    centre = len(vectors)
    hull = ConvexHull(np.concatenate([vectors, np.zeros((1, 3))]))
    through = (hull.simplices == centre).any(axis=1)
    return np.asarray(hull.equations[through])
