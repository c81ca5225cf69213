"""Units of heights, and which heights the Earth has."""

from __future__ import annotations

from collections.abc import Mapping

from odc.geo.crs import CRS

LOWEST_M, HIGHEST_M = -12_000.0, 9_000.0
"""Beyond the deepest sea and the highest mountain."""

GAP_M = 100.0
"""A height this far from every other one lies on no slope of real ground."""

SENTINELS = (-9999.0, -99999.0, -9999.9, -999.0, -9999999.0, -10000.0, -32768.0, -32767.0, 32767.0, 65535.0, 9999.0, 99999.0)
"""Numbers that are commonly stored for "no value"; 0 is another one, but may be a height."""


def metres_of(unit: str) -> float | None:
    """Metres in a unit of length; None where it is not known.

    >>> metres_of("ft"), metres_of("Metre"), metres_of("furlong") is None
    (0.3048, 1.0, True)
    >>> metres_of("metres above sea level")
    1.0
    """
    name = " ".join(unit.lower().replace("_", " ").split()).rstrip(".")
    for reference in SEA_LEVEL:
        name = name.removesuffix(f" {reference}")
    return UNITS.get(name)


def vertical_unit(crs: CRS) -> tuple[str, float] | None:
    """Name and metres of the unit of heights of a compound CRS or of one with three axes; None where it has none.

    >>> vertical_unit(CRS("EPSG:32634")) is None
    True
    """
    axes = crs.proj.axis_info
    upward = [axis for axis in axes if axis.direction == "up"]
    return (upward[0].unit_name, upward[0].unit_conversion_factor) if upward else None


SEA_LEVEL = ("above mean sea level", "above sea level", "amsl", "asl", "a.m.s.l", "a.s.l")
"""What may follow a unit of heights, in lower case."""

UNITS: Mapping[str, float] = {
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters", "mtr", "masl", "mamsl"), 1.0),
    **dict.fromkeys(("ft", "foot", "feet", "international foot", "international feet"), 0.3048),
    **dict.fromkeys(("us-ft", "ftus", "us ft", "us survey foot", "us survey feet", "foot us", "survey foot"), 1200.0 / 3937.0),
    **dict.fromkeys(("dm", "decimetre", "decimetres", "decimeter", "decimeters"), 0.1),
    **dict.fromkeys(("cm", "centimetre", "centimetres", "centimeter", "centimeters"), 0.01),
    **dict.fromkeys(("mm", "millimetre", "millimetres", "millimeter", "millimeters"), 0.001),
    **dict.fromkeys(("km", "kilometre", "kilometres", "kilometer", "kilometers"), 1000.0),
}
"""Metres in each unit, by its names in lower case."""
