"""The attributes by name: unit, meaning, formula, who proposed it; and how they are computed where there is a choice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edaphic.covariates.terrain.local import LOCAL, LocalRules

Group = Literal["heights", "local", "flow"]
Depressions = Literal["fill", "breach", "none"]


@dataclass(frozen=True)
class Attribute:
    """One terrain attribute.

    Parameters
    ----------
    unit : str
    meaning : str
        In a line.
    formula : str
        With ``z`` the height, ``p`` and ``q`` the derivatives to the east and to the north, ``r``, ``s``, ``t`` the second ones.
    source : str
        Author and year.
    group : {"heights", "local", "flow"}
        Whether it needs the cell, its surroundings, or the whole DEM.
    """

    unit: str
    meaning: str
    formula: str
    source: str
    group: Group


@dataclass(frozen=True)
class TerrainOptions:
    """How attributes are computed.

    Parameters
    ----------
    rules : LocalRules
        Of local attributes; ``rules.compat`` also of routing.
    radius : float, optional
        Of the disc of the topographic position index; the eight neighbours where there is none.
    radius_unit : {"cells", "m"}
    centre : bool
        Whether the cell itself counts in the mean over the disc.
    depressions : {"fill", "breach", "none"}
        What is done to depressions before water is routed.
    min_slope_deg : float
        Least slope along the paths out of filled depressions, and of channels.
    breach_depth_m, breach_length_m : float
        Channels that would be deeper or longer are not cut; those depressions are filled.
    flow : {"mfd", "d8"}
        Which accumulation specific catchment area, wetness index and LS factor take.
    convergence : float
        Power of the slope in multiple flow direction.
    ls : {"moore", "desmet", "boehner"}
    threads : int
    """

    rules: LocalRules = field(default_factory=LocalRules)
    radius: float | None = None
    radius_unit: Literal["cells", "m"] = "cells"
    centre: bool = True
    depressions: Depressions = "fill"
    min_slope_deg: float = 0.01
    breach_depth_m: float = math.inf
    breach_length_m: float = math.inf
    flow: Literal["mfd", "d8"] = "mfd"
    convergence: float = 1.1
    ls: Literal["moore", "desmet", "boehner"] = "moore"
    threads: int = 2


def attributes(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of attributes, and those that are none; other common names are understood.

    Examples
    --------
    >>> attributes(["Slope", "flow_accumulation", "plan-curvature", "colour"])
    (['slope', 'flow_mfd', 'plan_curvature'], ['colour'])
    >>> attributes(["all"])[0] == list(ATTRIBUTES), attributes(["local"])[0] == list(LOCAL)
    (True, True)
    """
    found: list[str] = []
    unknown: list[str] = []
    for word in words:
        name = word.strip().lower().replace("-", "_").replace(" ", "_")
        if name in SETS:
            found.extend(SETS[name])
        elif OTHER_NAMES.get(name, name) in ATTRIBUTES:
            found.append(OTHER_NAMES.get(name, name))
        else:
            unknown.append(word)
    return list(dict.fromkeys(found)), unknown


def formula_of(name: str, options: TerrainOptions) -> str:
    """The formula as it is used with these options.

    >>> formula_of("tri", TerrainOptions(rules=LocalRules(tri="wilson")))
    'mean |z_i - z| of the 8 neighbours'
    >>> formula_of("tpi", TerrainOptions(radius=10, centre=False))
    'z - mean of a disc of radius 10 cells without the cell itself'
    """
    if name == "tri":
        return TRI_FORMULAS[options.rules.tri]
    if name == "tpi" and options.radius is not None:
        own = "" if options.centre else " without the cell itself"
        return f"z - mean of a disc of radius {options.radius:g} {options.radius_unit}{own}"
    if name == "ls":
        return LS_FORMULAS[options.ls]
    if name == "sca" and options.rules.compat == "saga":
        return "area / (dx |cos aspect| + dy |sin aspect|) (SAGA)"
    if name in HALVED and options.rules.compat == "saga":
        return f"{ATTRIBUTES[name].formula}, with half of r and t (SAGA)"
    return ATTRIBUTES[name].formula


def settings_of(name: str, options: TerrainOptions) -> dict[str, str]:
    """What of the options an attribute depends on, as tags of its file."""
    rules = options.rules
    tags: dict[str, str] = {}
    group = ATTRIBUTES[name].group
    if name in DERIVED or (group == "flow" and name in ("sca", "twi", "spi", "ls")):
        tags["METHOD"] = rules.method
    if group == "local":
        tags["EDGES"] = rules.edges
    if group == "flow":
        tags["DEPRESSIONS"] = options.depressions
        if options.depressions != "none":
            tags["MIN_SLOPE_DEG"] = f"{options.min_slope_deg:g}"
        if options.depressions == "breach":
            tags["BREACH_DEPTH_M"], tags["BREACH_LENGTH_M"] = f"{options.breach_depth_m:g}", f"{options.breach_length_m:g}"
    routed = {"flow_d8": "d8", "flow_mfd": "mfd"}.get(name, options.flow)
    if group == "flow" and name != "filled":
        tags["FLOW"] = routed
        if routed == "mfd":
            tags["CONVERGENCE"] = f"{options.convergence:g}"
    if rules.compat != "none":
        tags["COMPAT"] = rules.compat
    return tags


DERIVED = LOCAL[:8]
"""Attributes that follow from derivatives."""

HALVED = ("plan_curvature", "profile_curvature", "tangential_curvature")

ATTRIBUTES: Mapping[str, Attribute] = {
    "elevation": Attribute("m", "Elevation", "z", "", "heights"),
    "slope": Attribute("degree", "Steepest slope", "atan(sqrt(p^2 + q^2))", "Zevenbergen and Thorne 1987", "local"),
    "aspect": Attribute(
        "degree", "Direction of steepest descent, clockwise from north", "atan2(-p, -q)", "Zevenbergen and Thorne 1987", "local"
    ),
    "northness": Attribute("1", "Cosine of the aspect; 0 where there is no slope", "-q / sqrt(p^2 + q^2)", "", "local"),
    "eastness": Attribute("1", "Sine of the aspect; 0 where there is no slope", "-p / sqrt(p^2 + q^2)", "", "local"),
    "plan_curvature": Attribute(
        "1/m",
        "Curvature of the contour; positive where flow diverges (ridges)",
        "-(q^2 r - 2 p q s + p^2 t) / (p^2 + q^2)^1.5",
        "Evans 1980; Mitasova and Hofierka 1993",
        "local",
    ),
    "profile_curvature": Attribute(
        "1/m",
        "Curvature along the steepest slope; positive where it is convex",
        "-(p^2 r + 2 p q s + q^2 t) / ((p^2 + q^2) (1 + p^2 + q^2)^1.5)",
        "Evans 1980; Mitasova and Hofierka 1993",
        "local",
    ),
    "tangential_curvature": Attribute(
        "1/m",
        "Curvature across the steepest slope; positive where flow diverges",
        "-(q^2 r - 2 p q s + p^2 t) / ((p^2 + q^2) sqrt(1 + p^2 + q^2))",
        "Mitasova and Hofierka 1993",
        "local",
    ),
    "general_curvature": Attribute(
        "1/m", "Sum of the curvatures in two directions; positive where convex", "-(r + t)", "Zevenbergen and Thorne 1987", "local"
    ),
    "tri": Attribute("m", "Terrain ruggedness index", "sqrt(sum (z_i - z)^2) over the 8 neighbours", "Riley et al. 1999", "local"),
    "tpi": Attribute(
        "m", "Topographic position index: height above the surroundings", "z - mean of the 8 neighbours", "Weiss 2001", "local"
    ),
    "roughness": Attribute("m", "Largest less smallest height of the 9 cells", "max z_i - min z_i", "Wilson et al. 2007", "local"),
    "filled": Attribute("m", "Elevation without depressions", "see DEPRESSIONS", "Wang and Liu 2006", "flow"),
    "flow_d8": Attribute(
        "m2", "Area that drains through the cell, to one neighbour each", "steepest descent", "O'Callaghan and Mark 1984", "flow"
    ),
    "flow_mfd": Attribute(
        "m2", "Area that drains through the cell, to all lower neighbours", "shares as slope^CONVERGENCE", "Freeman 1991", "flow"
    ),
    "sca": Attribute("m2/m", "Specific catchment area", "area / side of the cell", "Beven and Kirkby 1979", "flow"),
    "twi": Attribute(
        "ln(m)", "Topographic wetness index", "ln(sca / tan slope), tan slope at least 0.001", "Beven and Kirkby 1979", "flow"
    ),
    "spi": Attribute("m", "Stream power index", "sca tan slope", "Moore, Grayson and Ladson 1991", "flow"),
    "ls": Attribute("1", "Slope length and steepness factor", "", "Moore and Nieber 1989", "flow"),
}

TRI_FORMULAS: Mapping[str, str] = {
    "riley": ATTRIBUTES["tri"].formula,
    "wilson": "mean |z_i - z| of the 8 neighbours",
    "saga": "sqrt(mean (z_i - z)^2) over the 9 cells",
}
LS_FORMULAS: Mapping[str, str] = {
    "moore": "1.4 (sca / 22.13)^0.4 (sin slope / 0.0896)^1.3 (Moore and Nieber 1989)",
    "desmet": "Desmet and Govers 1996",
    "boehner": "Boehner and Selige 2006",
}
DEFAULT = (*LOCAL, "flow_mfd", "sca", "twi", "ls")
SETS: Mapping[str, Sequence[str]] = {"all": tuple(ATTRIBUTES), "local": LOCAL, "default": DEFAULT}
OTHER_NAMES: Mapping[str, str] = {
    "dem": "elevation",
    "height": "elevation",
    "plan": "plan_curvature",
    "plan_curv": "plan_curvature",
    "profile": "profile_curvature",
    "profile_curv": "profile_curvature",
    "tangential": "tangential_curvature",
    "general": "general_curvature",
    "curvature": "general_curvature",
    "ruggedness": "tri",
    "flow": "flow_mfd",
    "flow_accumulation": "flow_mfd",
    "flow_accumulation_mfd": "flow_mfd",
    "flow_accumulation_d8": "flow_d8",
    "catchment_area": "flow_mfd",
    "mfd": "flow_mfd",
    "d8": "flow_d8",
    "specific_catchment_area": "sca",
    "wetness": "twi",
    "ls_factor": "ls",
    "stream_power": "spi",
}
"""What else the attributes are called."""

CHOICES: Mapping[str, Sequence[str]] = {
    "method": ("zevenbergen_thorne", "horn", "evans"),
    "edges": ("extend", "empty"),
    "tri": ("riley", "wilson", "saga"),
    "compat": ("none", "saga"),
    "depressions": ("fill", "breach", "none"),
    "flow": ("mfd", "d8"),
    "ls": ("moore", "desmet", "boehner"),
    "compress": ("deflate", "none"),
}
"""What may be chosen, as the types spell it."""
