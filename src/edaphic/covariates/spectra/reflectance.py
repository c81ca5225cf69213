"""From stored numbers to reflectance.

Everything is computed in floating point: bands of 8 and 16 bits overflow when they are added as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.covariates.spectra.bands import SENSOR_NAMES, band_numbers
from edaphic.covariates.spectra.metadata import Metadata
from edaphic.errors import RasterError

Float = NDArray[np.float32]

BASELINE_4 = date(2022, 1, 25)
"""First day of Sentinel-2's processing baseline 04.00, from which on 1,000 is added to every stored number."""

LOWEST_SUN_DEG = 5.0
"""Below this elevation of the sun, dividing by its sine makes no reflectance."""


@dataclass(frozen=True)
class Scaling:
    """How stored numbers become values.

    Parameters
    ----------
    scale, offset : float
        Value = stored number x scale + offset.
    low, high : float
        Least and largest stored number that is a measurement; others are no values. Saturated numbers are beyond ``high``.
    fill : float, optional
        Stored number that means "no value".
    quantity : str
        "surface reflectance", "top-of-atmosphere reflectance", "reflectance", or "digital numbers".
    source : str
        Where the numbers come from, in a few words.
    documented : bool
        The scaling is that of a known product, not one that somebody states.
    """

    scale: float = 1.0
    offset: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    fill: float | None = None
    quantity: str = "digital numbers"
    source: str = ""
    documented: bool = False

    @property
    def is_reflectance(self) -> bool:
        """Whether the values are reflectance, so that indices that need it can be computed."""
        return self.quantity != "digital numbers"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and math.isfinite(self.offset) and self.scale > 0.0):
            raise RasterError(f"scale {self.scale:g} and offset {self.offset:g}; expected finite numbers, and a scale above 0")


def scaled(stored: ArrayLike, scaling: Scaling) -> tuple[Float, int]:
    """Values of stored numbers, NaN where there is none.

    Parameters
    ----------
    stored : array_like
        Numbers of any type; NaN and the fill value mean "no value".
    scaling : Scaling

    Returns
    -------
    values : ndarray of float32
    outside : int
        Number of cells whose stored number is there but lies outside what the scaling calls valid.

    Examples
    --------
    The limits of Landsat Collection 2: 7273 is 0, 43636 is 1, and 0 is fill.

    >>> values, outside = scaled(np.array([0, 7273, 43636, 65535], dtype=np.uint16), landsat_level2())
    >>> [round(float(value), 6) for value in values], outside
    ([nan, 7e-06, 0.99999, nan], 1)
    """
    numbers = np.asarray(stored).astype(np.float64)
    given = np.isfinite(numbers)
    if scaling.fill is not None:
        given &= numbers != scaling.fill
    with np.errstate(invalid="ignore"):
        valid = given & (numbers >= scaling.low) & (numbers <= scaling.high)
    values = np.where(valid, numbers * scaling.scale + scaling.offset, np.nan)
    return values.astype(np.float32), int(given.sum() - valid.sum())


def landsat_level2(collection: str = "02", everything: bool = False) -> Scaling:
    """Surface reflectance of Landsat 4 to 9.

    Parameters
    ----------
    collection : {"01", "02"}
        Collection 2: 0.0000275 x number - 0.2, valid from 7273 to 43636, fill 0. Collection 1: 0.0001 x number, valid from 0 to 10000,
        fill -9999.
    everything : bool
        Keep what is below or above the documented valid range (reflectance below 0 or above 1).

    Notes
    -----
    USGS (2022), Landsat Collection 2 Level-2 science product guides; USGS (2019), LaSRC and LEDAPS product guides.
    """
    if collection == "01":
        limits = (-2000.0, 16000.0) if everything else (0.0, 10000.0)
        return Scaling(0.0001, 0.0, *limits, -9999.0, "surface reflectance", "Landsat Collection 1 Level 2", True)
    limits = (1.0, 65534.0) if everything else (7273.0, 43636.0)
    return Scaling(0.0000275, -0.2, *limits, 0.0, "surface reflectance", "Landsat Collection 2 Level 2", True)


def landsat_level1(metadata: Metadata, band: str) -> Scaling:
    """Top-of-atmosphere reflectance of a band of a Level-1 product: (multiply x number + add) / sin(sun elevation).

    Parameters
    ----------
    metadata : Metadata
        Of the product's MTL text.
    band : str
        Number of the band.

    Raises
    ------
    RasterError
        The metadata do not tell the rescaling of the band or a sun elevation that makes sense.

    Notes
    -----
    USGS (2019), Landsat 8 data users handbook, equation 5.3; the whole scene is given the sun elevation at its centre.

    Examples
    --------
    >>> told = Metadata("MTL.txt", "L1", None, 30.0, {"4": 2e-05}, {"4": -0.1}, {"4": 65535.0})
    >>> found = landsat_level1(told, "4")
    >>> round(found.scale, 8), round(found.offset, 8), found.high
    (4e-05, -0.2, 65534.0)
    """
    faults = []
    sun = metadata.sun_elevation_deg
    if band not in metadata.multiply:
        faults.append(f"{metadata.path}: no REFLECTANCE_MULT_BAND_{band}; expected the rescaling of band {band}")
    if sun is None or not LOWEST_SUN_DEG <= sun <= 90.0:
        found = "missing" if sun is None else f"{sun:g}"
        faults.append(f"{metadata.path}: SUN_ELEVATION {found}; expected {LOWEST_SUN_DEG:g} to 90 degrees")
    if faults or sun is None:
        raise RasterError(faults)
    sine = math.sin(math.radians(sun))
    # The largest number stands for everything brighter, too.
    high = metadata.largest[band] - 1.0 if band in metadata.largest else math.inf
    scale, offset = metadata.multiply[band] / sine, metadata.add[band] / sine
    return Scaling(scale, offset, 1.0, high, 0.0, "top-of-atmosphere reflectance", "rescaling of the MTL text", True)


def sentinel2(level: str, offset: float) -> Scaling:
    """Reflectance of Sentinel-2: (number + offset) / 10000, fill 0, 65535 saturated.

    Parameters
    ----------
    level : {"L1", "L2"}
        Top of atmosphere (L1C) or surface (L2A).
    offset : float
        -1000 from processing baseline 04.00 on, 0 before.

    Examples
    --------
    >>> values, _ = scaled(np.array([0, 1000, 6000], dtype=np.uint16), sentinel2("L2", -1000.0))
    >>> values.tolist()
    [nan, 0.0, 0.5]
    """
    quantity = "surface reflectance" if level == "L2" else "top-of-atmosphere reflectance"
    # Below the offset reflectance is negative: noise over dark water and shadow.
    return Scaling(
        1e-4, offset / 10000.0, max(1.0, -offset), 65534.0, 0.0, quantity, f"Sentinel-2 {'L2A' if level == 'L2' else 'L1C'}", True
    )


def baseline_offset(baseline: str, day: date | None) -> tuple[float, str]:
    """Offset of Sentinel-2's stored numbers, and a note where it was taken from the date alone.

    Parameters
    ----------
    baseline : str
        Processing baseline as in the product's name ("0400"), or "" where it is not known.
    day : date, optional

    Examples
    --------
    >>> baseline_offset("0213", date(2019, 7, 14)), baseline_offset("0500", date(2019, 7, 14))
    ((0.0, ''), (-1000.0, ''))
    >>> baseline_offset("", date(2023, 7, 14))[0]
    -1000.0
    """
    if baseline:
        return (-1000.0 if int(baseline) >= 400 else 0.0), ""
    if day is not None and day >= BASELINE_4:
        return -1000.0, (
            f"no processing baseline is known; the image is not older than {BASELINE_4.isoformat()}: 1000 is taken off its numbers "
            "(state --scale 0.0001 --offset 0 if that was done already)"
        )
    return 0.0, (
        f"no processing baseline is known; the image is older than {BASELINE_4.isoformat()}: nothing is taken off its numbers "
        "(state --scale 0.0001 --offset -0.1 if it was processed again with baseline 04.00 or later)"
    )


def given_scaling(scale: float | None, offset: float | None, source: str, fill: float | None = None) -> Scaling:
    """Scaling by numbers that the user or the file states.

    Values must come out as reflectance between -0.2 and 1.6; what does not is no value, and counted.
    """
    factor, shift = 1.0 if scale is None else scale, 0.0 if offset is None else offset
    Scaling(factor, shift)  # refuses what cannot be
    return Scaling(factor, shift, (-0.2 - shift) / factor - 1e-9, (1.6 - shift) / factor + 1e-9, fill, "reflectance", source)


def digital_numbers(dtype: str, sensor: str) -> Scaling:
    """Stored numbers as they are. Of 8-bit images of TM and ETM+, 0 is fill and 255 saturated; whole numbers below 0 are no measurement.

    >>> digital_numbers("uint8", "etm").high, digital_numbers("int16", "").low
    (254.0, 0.0)
    """
    if dtype == "uint8" and sensor in ("tm", "etm"):
        return Scaling(low=1.0, high=254.0, fill=0.0, source=f"8-bit numbers of {SENSOR_NAMES[sensor]}")
    return Scaling(low=0.0 if dtype.startswith("int") else -math.inf, source=f"numbers of type {dtype}")


def of_metadata(metadata: Metadata, sensor: str, role: str, collection: str, everything: bool) -> Scaling:
    """Scaling of a band from the metadata of its product."""
    band = band_numbers(sensor)[role]
    if sensor == "msi":
        if band not in metadata.multiply:
            raise RasterError(f"{metadata.path}: nothing on band {band}; expected its quantification value")
        plain = sentinel2(metadata.level, round(metadata.add[band] / metadata.multiply[band]))
        return replace(plain, scale=metadata.multiply[band], offset=metadata.add[band])
    if metadata.level == "L2":
        if band not in metadata.multiply:
            raise RasterError(f"{metadata.path}: no REFLECTANCE_MULT_BAND_{band}; expected the rescaling of band {band}")
        known = landsat_level2(collection or "02", everything)
        return replace(known, scale=metadata.multiply[band], offset=metadata.add[band])
    return landsat_level1(metadata, band)


def corrected(values: Float, coefficients: tuple[float, float] | None) -> Float:
    """Values brought to another sensor: slope x value + intercept, of a cross-sensor regression.

    >>> corrected(np.array([0.5, np.nan], dtype=np.float32), (2.0, -0.25)).tolist()
    [0.75, nan]
    """
    if coefficients is None:
        return values
    slope, intercept = coefficients
    return (values.astype(np.float64) * slope + intercept).astype(np.float32)


Coefficients = Mapping[str, tuple[float, float]]
"""Slope and intercept by role of the band."""
