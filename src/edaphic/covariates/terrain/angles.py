"""Angles of a gradient, by inverse tangents that are the same to the bit on every machine and that a processor works on several at a time.

The gradient is ``g`` = dz/dx to the east and ``h`` = dz/dy to the north, both metres per metre.
"""

from __future__ import annotations

import math

from edaphic.compiled import kernel

DEGREES = 180.0 / math.pi
EIGHTH = math.sqrt(2.0) - 1.0
"""Tangent of pi/8: beyond it, atan(t) = pi/4 + atan((t - 1) / (t + 1))."""
TURN = 360.0 - 1.6e-5
"""Angles from here on are 360 degrees in float32: north, which is 0."""


@kernel(error_model="numpy")
def atan_unit(tangent: float) -> float:
    """Angle in radians, 0 to pi/4, of a tangent from 0 to 1; NaN of NaN.

    Below the tangent of pi/8 it is a polynomial, fitted at Chebyshev's nodes; the largest error is 5e-16.

    Examples
    --------
    >>> abs(atan_unit(1.0) - math.pi / 4) < 1e-15, abs(atan_unit(0.3) - math.atan(0.3)) < 1e-15
    (True, True)
    """
    steep = tangent > EIGHTH
    u = (tangent - 1.0) / (tangent + 1.0) if steep else tangent
    v = u * u
    p = -0.025296875799585387
    p = p * v + 0.05023474579288055
    p = p * v - 0.06505643748668738
    p = p * v + 0.07673489980298957
    p = p * v - 0.09089526747308746
    p = p * v + 0.11111048745487197
    p = p * v - 0.14285712660637961
    p = p * v + 0.19999999978404592
    p = p * v - 0.33333333333221304
    p = p * v + 0.9999999999999992
    return u * p + (0.25 * math.pi if steep else 0.0)


@kernel(error_model="numpy")
def slope_deg(g: float, h: float) -> float:
    """Angle of the steepest descent with the horizontal, 0 to 90 degrees.

    >>> round(slope_deg(0.6, 0.8), 9), slope_deg(0.0, 0.0)
    (45.0, 0.0)
    """
    rise = math.sqrt(g * g + h * h)
    steep = rise > 1.0
    angle = atan_unit(1.0 / rise if steep else rise)
    return DEGREES * (0.5 * math.pi - angle if steep else angle)


@kernel(error_model="numpy")
def aspect_deg(g: float, h: float) -> float:
    """Direction of the steepest descent, 0 to below 360 degrees clockwise from north; NaN where there is none.

    >>> round(aspect_deg(-1.0, 0.0), 9), round(aspect_deg(0.0, 1.0), 9)  # falls to the east, to the south
    (90.0, 180.0)
    """
    across, along = abs(g), abs(h)
    wide = across > along
    angle = atan_unit(along / across if wide else across / along)
    angle = 0.5 * math.pi - angle if wide else angle
    angle = math.pi - angle if h > 0.0 else angle
    angle = DEGREES * (2.0 * math.pi - angle if g > 0.0 else angle)
    return 0.0 if angle >= TURN else angle
