"""The table of spectral indices: what each needs, what it can be, where it comes from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.covariates.spectra import ground, vegetation
from edaphic.errors import RasterError

Float = NDArray[np.float32]

PAPER = ("ndvi", "bsi", "evi", "savi", "lswi")
"""The indices of the first paper: what is made unless the user says otherwise."""

SIX = ("blue", "green", "red", "nir", "swir1", "swir2")
TASSELLED = ("tcb", "tcg", "tcw")


@dataclass(frozen=True)
class Index:
    """A spectral index.

    Parameters
    ----------
    function : callable
        Bands in the order of ``bands`` -> float32.
    bands : tuple of str
        Roles of the bands that it takes.
    low, high : float
        What it cannot leave where reflectance lies between 0 and 1, or means nothing beyond. Values outside are no values, and counted.
    needs_reflectance : bool
        Whether a factor common to all bands changes it: then it cannot be computed from digital numbers.
    formula : str
    citation : str
    description : str
    unit : str
    """

    function: Callable[..., Float]
    bands: tuple[str, ...]
    low: float
    high: float
    needs_reflectance: bool
    description: str
    formula: str
    citation: str
    unit: str = "1"

    def __call__(self, bands: Mapping[str, ArrayLike]) -> Float:
        """The index of bands by role."""
        return self.function(*(bands[role] for role in self.bands))

    def within(self, values: Float) -> tuple[Float, int]:
        """Values inside the limits, NaN elsewhere, and how many were outside."""
        # A millionth: differences of float32 bands may round a little beyond their limit.
        with np.errstate(invalid="ignore"):
            outside = (values < self.low - 1e-6) | (values > self.high + 1e-6)
        count = int(outside.sum())
        return (np.where(outside, np.float32(np.nan), values) if count else values), count


def index_of(name: str, sensor: str = "", printed: bool = False) -> Index:
    """An index by name.

    Parameters
    ----------
    name : str
        A key of :data:`INDICES`, or tcb, tcg, tcw (tasselled cap brightness, greenness and wetness) of a known sensor.
    sensor : str
        "tm", "etm", "oli" or "msi"; "" if not known.
    printed : bool
        SAVI as the first paper prints it.

    Raises
    ------
    RasterError
        An unknown name, or tasselled cap of a sensor whose weights are not known.

    Examples
    --------
    >>> float(index_of("ndvi")({"nir": 0.75, "red": 0.25}))
    0.5
    >>> index_of("nvdi")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    edaphic.errors.RasterError: indices: found 'nvdi'; expected some of ndvi, bsi, evi, savi, lswi, ...
    """
    if name in TASSELLED:
        return _tasselled(name, sensor)
    if name not in INDICES:
        raise RasterError(f"indices: found {name!r}; expected some of {', '.join((*INDICES, *TASSELLED))}")
    return PRINTED_SAVI if printed and name == "savi" else INDICES[name]


def indices_of(names: Sequence[str], sensor: str = "", printed: bool = False) -> dict[str, Index]:
    """Indices by name, all faults at once. The word "all" stands for every index there is; tasselled cap of a sensor with weights."""
    faults: list[str] = []
    found: dict[str, Index] = {}
    every = (*INDICES, *(TASSELLED if sensor in ground.TASSELLED_CAP else ()))
    wanted = [name for word in names for name in (every if word == "all" else (word,))]
    for name in wanted:
        if name in found:
            continue
        try:
            found[name] = index_of(name, sensor, printed)
        except RasterError as error:
            faults += error.faults
    if not wanted:
        faults.append(f"indices: found none; expected some of {', '.join((*INDICES, *TASSELLED))}")
    if faults:
        raise RasterError(faults)
    return found


def _tasselled(name: str, sensor: str) -> Index:
    if sensor not in ground.TASSELLED_CAP:
        found = f"the sensor {sensor}" if sensor else "no sensor"
        raise RasterError(f"indices: {name} of {found}; expected one of {', '.join(ground.TASSELLED_CAP)}, whose weights are known")
    weights = ground.TASSELLED_CAP[sensor][name]
    word = {"tcb": "brightness", "tcg": "greenness", "tcw": "wetness"}[name]
    source = {"tm": "Crist (1985)", "etm": "Huang and others (2002), at-satellite", "oli": "Baig and others (2014), at-satellite"}[sensor]
    low, high = (sum(side(weight, 0.0) for weight in weights) for side in (min, max))
    formula = " + ".join(f"{weight:g} {band}" for weight, band in zip(weights, SIX, strict=True)).replace("+ -", "- ")
    return Index(partial(ground.tasselled_cap, weights), SIX, low, high, True, f"Tasselled cap {word}", formula, source)


_D = (-1.0, 1.0, False)
"""A normalised difference."""
_R = (0.0, math.inf, False)
"""A ratio."""

PRINTED_SAVI = Index(
    vegetation.savi_printed,
    ("nir", "red"),
    -1.0,
    1.0,
    True,
    "Soil-adjusted vegetation index as printed",
    "(NIR - Red) / ((NIR + Red + 0.5) x 1.5)",
    "Dong and others, equation 4",
)

INDICES: Mapping[str, Index] = {
    "ndvi": Index(
        vegetation.ndvi,
        ("nir", "red"),
        *_D,
        "Normalised difference vegetation index",
        "(NIR - Red) / (NIR + Red)",
        "Rouse and others (1974)",
    ),
    "bsi": Index(
        ground.bsi,
        ("swir1", "red", "nir", "blue"),
        *_D,
        "Bare soil index",
        "((SWIR1 + Red) - (NIR + Blue)) / ((SWIR1 + Red) + (NIR + Blue))",
        "Rikimaru and others (2002)",
    ),
    "evi": Index(
        vegetation.evi,
        ("nir", "red", "blue"),
        -1.0,
        1.0,
        True,
        "Enhanced vegetation index",
        "2.5 (NIR - Red) / (NIR + 6 Red - 7.5 Blue + 1)",
        "Huete and others (2002)",
    ),
    "savi": Index(
        vegetation.savi,
        ("nir", "red"),
        -1.0,
        1.0,
        True,
        "Soil-adjusted vegetation index",
        "1.5 (NIR - Red) / (NIR + Red + 0.5)",
        "Huete (1988)",
    ),
    "lswi": Index(
        vegetation.lswi, ("nir", "swir1"), *_D, "Land surface water index", "(NIR - SWIR1) / (NIR + SWIR1)", "Xiao and others (2002)"
    ),
    "evi2": Index(
        vegetation.evi2,
        ("nir", "red"),
        -1.0,
        1.25,
        True,
        "Two-band enhanced vegetation index",
        "2.5 (NIR - Red) / (NIR + 2.4 Red + 1)",
        "Jiang and others (2008)",
    ),
    "msavi2": Index(
        vegetation.msavi2,
        ("nir", "red"),
        -1.0,
        1.0,
        True,
        "Modified soil-adjusted vegetation index",
        "(2 NIR + 1 - sqrt((2 NIR + 1)^2 - 8 (NIR - Red))) / 2",
        "Qi and others (1994)",
    ),
    "osavi": Index(
        vegetation.osavi,
        ("nir", "red"),
        -1.0,
        1.0,
        True,
        "Optimised soil-adjusted vegetation index",
        "(NIR - Red) / (NIR + Red + 0.16)",
        "Rondeaux and others (1996)",
    ),
    "gndvi": Index(
        vegetation.gndvi,
        ("nir", "green"),
        *_D,
        "Green normalised difference vegetation index",
        "(NIR - Green) / (NIR + Green)",
        "Gitelson and others (1996)",
    ),
    "ndre": Index(
        vegetation.ndre,
        ("nir", "red_edge1"),
        *_D,
        "Normalised difference red edge",
        "(NIR - RE1) / (NIR + RE1)",
        "Barnes and others (2000)",
    ),
    "ndwi": Index(
        vegetation.ndwi, ("green", "nir"), *_D, "Normalised difference water index", "(Green - NIR) / (Green + NIR)", "McFeeters (1996)"
    ),
    "mndwi": Index(
        vegetation.mndwi,
        ("green", "swir1"),
        *_D,
        "Modified normalised difference water index",
        "(Green - SWIR1) / (Green + SWIR1)",
        "Xu (2006)",
    ),
    "nbr": Index(ground.nbr, ("nir", "swir2"), *_D, "Normalised burn ratio", "(NIR - SWIR2) / (NIR + SWIR2)", "Key and Benson (2006)"),
    "nbr2": Index(
        ground.nbr2, ("swir1", "swir2"), *_D, "Normalised difference of SWIR1 and SWIR2", "(SWIR1 - SWIR2) / (SWIR1 + SWIR2)", "USGS (2017)"
    ),
    "ndti": Index(
        ground.ndti,
        ("swir1", "swir2"),
        *_D,
        "Normalised difference tillage index",
        "(SWIR1 - SWIR2) / (SWIR1 + SWIR2)",
        "van Deventer and others (1997)",
    ),
    "bsi_swir2": Index(
        ground.bsi,
        ("swir2", "red", "nir", "blue"),
        *_D,
        "Bare soil index with SWIR2",
        "((SWIR2 + Red) - (NIR + Blue)) / ((SWIR2 + Red) + (NIR + Blue))",
        "Rikimaru and others (2002)",
    ),
    "bi": Index(
        ground.bi,
        ("red", "green", "blue"),
        0.0,
        1.6,
        True,
        "Brightness index",
        "sqrt((Red^2 + Green^2 + Blue^2) / 3)",
        "Mathieu and others (1998)",
    ),
    "ci": Index(ground.ci, ("red", "green"), *_D, "Coloration index", "(Red - Green) / (Red + Green)", "Mathieu and others (1998)"),
    "ri": Index(
        ground.ri, ("red", "green", "blue"), 0.0, math.inf, True, "Redness index", "Red^2 / (Blue Green^3)", "Mathieu and others (1998)"
    ),
    "si": Index(ground.si, ("red", "blue"), *_D, "Saturation index", "(Red - Blue) / (Red + Blue)", "Mathieu and others (1998)"),
    "hi": Index(
        ground.hi,
        ("red", "green", "blue"),
        -math.inf,
        math.inf,
        False,
        "Hue index",
        "(2 Red - Green - Blue) / (Green - Blue)",
        "Mathieu and others (1998)",
    ),
    "clay": Index(ground.clay, ("swir1", "swir2"), *_R, "Clay mineral ratio", "SWIR1 / SWIR2", "Drury (1987)"),
    "ferrous": Index(ground.ferrous, ("swir1", "nir"), *_R, "Ferrous mineral ratio", "SWIR1 / NIR", "Segal (1982)"),
    "iron_oxide": Index(ground.iron_oxide, ("red", "blue"), *_R, "Iron oxide ratio", "Red / Blue", "Drury (1987)"),
    "carbonate": Index(ground.carbonate, ("red", "green"), *_R, "Carbonate ratio", "Red / Green", "Boettinger and others (2008)"),
    "salinity": Index(ground.salinity, ("blue", "red"), 0.0, 1.6, True, "Salinity index", "sqrt(Blue Red)", "Khan and others (2005)"),
}
"""Indices by name. Those that differ from NDWI, MNDWI and LSWI only in sign (NDBI, NDSI of soil salinity) are left out."""
