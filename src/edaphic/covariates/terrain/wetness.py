"""What follows from the catchment area: specific catchment area, wetness index, stream power, slope length and steepness."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edaphic.covariates.terrain.cells import CellSizes

Float = NDArray[np.float64]
Numbers = NDArray[np.floating[Any]]
LsMethod = Literal["moore", "desmet", "boehner"]
Compat = Literal["saga"]

LEAST_TANGENT = 0.001
"""Tangent of the slope that is taken where the slope is gentler, so that the wetness index of flats stays finite."""
PLOT_LENGTH_M, PLOT_SINE = 22.13, 0.0896
"""Length and sine of the slope (9 %) of the plots that the LS factor is 1 on."""
FLAT_ANGLE = -1.0
"""Aspect, radians, that SAGA takes where there is none."""


def contour_width(cells: CellSizes, aspect_deg: Numbers | None = None, *, compat: Compat | None = None) -> Float:
    """Length of the contour that water crosses on its way out of a cell.

    Without an aspect it is the side of a square of the same area, the common choice. With it, it is the width of the cell
    seen in the direction of flow, ``dx |cos a| + dy |sin a|`` (for square cells of side L: ``L (|sin a| + |cos a|)``, SAGA's
    rule; Gruber and Peckham 2009); where there is no aspect it is the side again, or with ``compat="saga"`` 1.38177 times
    that: SAGA takes a missing aspect as an angle of -1 radian.

    Parameters
    ----------
    cells : CellSizes
    aspect_deg : ndarray, shape (rows, columns), optional
        Clockwise from north, degrees; NaN on flats.
    compat : {"saga"}, optional

    Returns
    -------
    ndarray of float64, m, shape (rows, 1), or (rows, columns) with an aspect.

    Examples
    --------
    >>> cells = CellSizes.square(10.0, 1)
    >>> contour_width(cells, np.array([[90.0, 225.0, np.nan]])).round(3).tolist()
    [[10.0, 14.142, 10.0]]
    >>> contour_width(cells, np.array([[np.nan]]), compat="saga").round(4).tolist()
    [[13.8177]]
    """
    dx, dy = cells.dx_m[:, None], cells.dy_m[:, None]
    side = np.sqrt(dx * dy)
    if aspect_deg is None:
        return np.asarray(side)
    angle = np.radians(aspect_deg, dtype=np.float64)
    flat = np.isnan(angle)
    if compat == "saga":
        angle[flat] = FLAT_ANGLE
        flat = np.zeros_like(flat)
    return np.where(flat, side, dx * np.abs(np.cos(angle)) + dy * np.abs(np.sin(angle)))


def specific_catchment_area(
    area_m2: Numbers, cells: CellSizes, aspect_deg: Numbers | None = None, *, compat: Compat | None = None
) -> Float:
    """Catchment area of a cell per metre of contour: area over :func:`contour_width`.

    Parameters
    ----------
    area_m2 : ndarray, shape (rows, columns)
        As from :func:`edaphic.covariates.terrain.flow.flow_area`, m2.
    cells, aspect_deg, compat
        See :func:`contour_width`.

    Returns
    -------
    ndarray of float64, same shape, m2/m.

    Examples
    --------
    >>> specific_catchment_area(np.array([[500.0]]), CellSizes.square(10.0, 1)).tolist()
    [[50.0]]
    """
    return np.asarray(area_m2 / contour_width(cells, aspect_deg, compat=compat), dtype=np.float64)


def topographic_wetness_index(sca: Numbers, slope_deg: Numbers, *, least_tangent: float = LEAST_TANGENT) -> Float:
    """Topographic wetness index ``ln(sca / tan slope)`` (Beven and Kirkby 1979), natural logarithm.

    Slopes whose tangent is below ``least_tangent`` (0.06 degrees by default, as in SAGA) count as that.

    Parameters
    ----------
    sca : ndarray
        Specific catchment area, m2/m.
    slope_deg : ndarray, same shape
    least_tangent : float
        Positive.

    Returns
    -------
    ndarray of float64, same shape; the logarithm of m2/m.

    Examples
    --------
    >>> topographic_wetness_index(np.array([100.0, 100.0]), np.array([45.0, 0.0])).round(4).tolist()
    [4.6052, 11.5129]
    """
    if not least_tangent > 0.0:
        raise ValueError(f"least tangent of the slope {least_tangent}; expected a positive number")
    return np.log(sca / np.maximum(_tangent(slope_deg), least_tangent))


def stream_power_index(sca: Numbers, slope_deg: Numbers) -> Float:
    """Stream power index ``sca * tan slope`` (Moore, Grayson and Ladson 1991), m2/m.

    Examples
    --------
    >>> stream_power_index(np.array([100.0]), np.array([45.0])).round(6).tolist()
    [100.0]
    """
    return np.asarray(sca * _tangent(slope_deg), dtype=np.float64)


def ls_factor(
    sca: Numbers,
    slope_deg: Numbers,
    *,
    method: LsMethod = "moore",
    cells: CellSizes | None = None,
    aspect_deg: Numbers | None = None,
    area_m2: Numbers | None = None,
    compat: Compat | None = None,
) -> Float:
    """Slope length and steepness factor of the (revised) universal soil loss equation.

    With b the slope, A the specific catchment area and

    - ``moore`` (Moore and Nieber 1989; Moore and Burch 1986): ``1.4 (A / 22.13)^0.4 (sin b / 0.0896)^1.3``;
    - ``boehner`` (Böhner and Selige 2006): ``(A / 22.13)^m (65.41 sin2 b + 4.56 sin b + 0.065)``, the slope term of Wischmeier and
      Smith (1978); m is ``3 b^0.6``, b in radians, and 0.5 above 0.0505;
    - ``desmet`` (Desmet and Govers 1996): ``L S`` with ``L = ((U + D^2)^(m+1) - U^(m+1)) / (D^(m+2) x^m 22.13^m)``, where U is the
      catchment area above the cell, D the side of the cell and x D the contour width; ``m = B / (1 + B)`` and
      ``B = (sin b / 0.0896) / (3 sin^0.8 b + 0.56)`` (McCool et al. 1989). S is ``10.8 sin b + 0.03`` below a slope of 9 % and
      ``16.8 sin b - 0.5`` from there on (McCool et al. 1987). SAGA takes A for U and 1 for x (``compat="saga"``).

    Parameters
    ----------
    sca : ndarray, shape (rows, columns)
        Specific catchment area, m2/m.
    slope_deg : ndarray, same shape
    method : {"moore", "desmet", "boehner"}
    cells : CellSizes
        Needed by ``desmet``.
    aspect_deg : ndarray, same shape, optional
        Only for ``desmet``: the contour width is the one seen along it. Where no ``area_m2`` is given, the specific catchment
        area has to be computed with it too.
    area_m2 : ndarray, same shape, optional
        Only for ``desmet``: catchment area of the cell, the cell included, m2. Without it, it is the specific catchment area
        times the contour width. ``compat="saga"`` does not use it.
    compat : {"saga"}, optional
        Only for ``desmet``.

    Returns
    -------
    ndarray of float64, same shape; 1 on the plot of 22.13 m length and 9 % slope (1.4 with ``moore``).

    Examples
    --------
    >>> plot = np.array([[22.13]]), np.degrees(np.arcsin([[0.0896]]))
    >>> ls_factor(*plot).round(6).tolist(), ls_factor(*plot, method="boehner").round(3).tolist()
    ([[1.4]], [[0.999]])
    >>> ls_factor(*plot, method="desmet", cells=CellSizes.square(22.13, 1)).round(3).tolist()
    [[0.998]]

    References
    ----------
    Moore, I. D. and Nieber, J. L. (1989), Journal of the Minnesota Academy of Science 55, 80-86.
    Desmet, P. J. J. and Govers, G. (1996), Journal of Soil and Water Conservation 51, 427-433.
    Böhner, J. and Selige, T. (2006), Göttinger Geographische Abhandlungen 115, 13-28.
    """
    slope = np.radians(slope_deg, dtype=np.float64)
    sine = np.sin(slope)
    if method == "moore":
        return np.asarray(1.4 * (sca / PLOT_LENGTH_M) ** 0.4 * (sine / PLOT_SINE) ** 1.3, dtype=np.float64)
    if method == "boehner":
        power = np.where(slope > 0.0505, 0.5, 3.0 * slope**0.6)
        return np.asarray((sca / PLOT_LENGTH_M) ** power * (65.41 * sine**2 + 4.56 * sine + 0.065), dtype=np.float64)
    if method != "desmet":
        raise ValueError(f"LS method {method!r}; expected 'moore', 'desmet' or 'boehner'")
    if cells is None:
        raise ValueError("the LS factor of Desmet and Govers needs the sizes of cells")
    side, width = np.sqrt(cells.area_m2)[:, None], contour_width(cells, aspect_deg)
    if compat == "saga":
        return _desmet(sca, np.ones_like(side), slope, sine, side)
    area = sca * width if area_m2 is None else area_m2
    return _desmet(np.maximum(area - side**2, 0.0), width / side, slope, sine, side)


def _desmet(above: Numbers, wider: Float, slope: Float, sine: Float, side: Float) -> Float:
    ratio = (sine / PLOT_SINE) / (3.0 * sine**0.8 + 0.56)
    m = ratio / (1.0 + ratio)
    length = ((above + side**2) ** (m + 1.0) - above ** (m + 1.0)) / (side ** (m + 2.0) * (wider * PLOT_LENGTH_M) ** m)
    steepness = np.where(np.tan(slope) < 0.09, 10.8 * sine + 0.03, 16.8 * sine - 0.5)
    return np.asarray(length * steepness, dtype=np.float64)


def _tangent(slope_deg: Numbers) -> Float:
    return np.tan(np.radians(slope_deg, dtype=np.float64))
