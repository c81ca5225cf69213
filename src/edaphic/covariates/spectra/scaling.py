"""Which scaling a band gets: what the user states, else what file, metadata and names tell, else none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from edaphic.covariates.spectra.bands import band_numbers
from edaphic.covariates.spectra.metadata import Metadata
from edaphic.covariates.spectra.reflectance import (
    Scaling,
    baseline_offset,
    digital_numbers,
    given_scaling,
    landsat_level2,
    of_metadata,
    sentinel2,
)
from edaphic.errors import RasterError

Level = Literal["auto", "l1", "l2", "dn", "reflectance"]
LEVELS = ("auto", "l1", "l2", "dn", "reflectance")


@dataclass(frozen=True)
class Told:
    """What the user states of stored numbers.

    Parameters
    ----------
    scale, offset : float, optional
        Reflectance = number x scale + offset.
    level : str
        "auto" (names, metadata and data type decide), "l2" (surface reflectance of Landsat Collection 2 or Sentinel-2), "l1" (top of
        atmosphere, from metadata), "dn" (digital numbers as they are), "reflectance" (the numbers are reflectance).
    everything : bool
        Keep surface reflectance of Landsat below 0 and above 1.
    """

    scale: float | None = None
    offset: float | None = None
    level: Level = "auto"
    everything: bool = False

    def __post_init__(self) -> None:
        faults = []
        if self.level not in LEVELS:
            faults.append(f"--level: found {self.level!r}; expected one of {', '.join(LEVELS)}")
        if self.level != "auto" and (self.scale is not None or self.offset is not None):
            faults.append(f"--level {self.level}: found --scale or --offset beside it; expected one or the other")
        if faults:
            raise RasterError(faults)
        if self.scale is not None or self.offset is not None:
            given_scaling(self.scale, self.offset, "")


@dataclass(frozen=True)
class Known:
    """What is known of a band without the user.

    Parameters
    ----------
    dtype : str
        Of the stored numbers.
    scale, offset : float
        Of the file itself.
    nodata : float, optional
        Of the file itself.
    sensor, level, collection, baseline : str
        Of names and metadata; "" where they tell nothing.
    day : date, optional
    metadata : Metadata, optional
    """

    dtype: str
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    sensor: str = ""
    level: str = ""
    collection: str = ""
    baseline: str = ""
    day: date | None = None
    metadata: Metadata | None = None


def choose(told: Told, known: Known, role: str) -> tuple[Scaling, str]:
    """Scaling of a band, and a note on what had to be assumed ("" where nothing had).

    Examples
    --------
    >>> choose(Told(), Known("uint16", sensor="oli", level="L2", collection="02"), "red")[0].source
    'Landsat Collection 2 Level 2'
    >>> choose(Told(scale=0.0001), Known("int16"), "red")[0].scale
    0.0001
    >>> choose(Told(), Known("uint8"), "red")[0].quantity
    'digital numbers'
    """
    if told.scale is not None or told.offset is not None:
        return _stated(told.scale, told.offset, "--scale and --offset", known)
    if told.level == "dn":
        return digital_numbers(known.dtype, known.sensor), ""
    if told.level == "reflectance":
        return _stated(None, None, "--level reflectance", known)
    if (known.scale, known.offset) != (1.0, 0.0):
        return _by_file(told, known)
    if told.level in ("l1", "l2"):
        return _by_level(told, known, role)
    if known.metadata is not None and role in band_numbers(known.sensor):
        return of_metadata(known.metadata, known.sensor, role, known.collection, told.everything), ""
    if known.sensor == "msi" and known.level:
        return _sentinel(known, known.level)
    if known.sensor and known.level == "L2":
        return landsat_level2(known.collection, told.everything), ""
    if known.dtype.startswith("float"):
        return given_scaling(None, None, "floating-point numbers"), "floating-point numbers are taken as reflectance"
    why = " (no MTL text stands beside them)" if known.level == "L1" else ""
    return digital_numbers(known.dtype, known.sensor), (
        f"computed on digital numbers ({known.dtype}), not on reflectance{why}: they are biased by haze and gains, and compare with "
        "no other scene; --scale and --offset, or --level, make reflectance of them"
    )


def _stated(scale: float | None, offset: float | None, source: str, known: Known) -> tuple[Scaling, str]:
    """Scaling that somebody states. Products of unsigned numbers keep 0 for missing values, whether their files say so or not."""
    if known.nodata is None and known.dtype.startswith("uint"):
        return given_scaling(scale, offset, source, 0.0), "0 is taken as no value (unsigned numbers, and the file names no nodata)"
    return given_scaling(scale, offset, source), ""


def _by_file(told: Told, known: Known) -> tuple[Scaling, str]:
    """The file's own scale and offset; with the limits of the product where they are the product's."""
    if known.sensor in ("tm", "etm", "oli"):
        for collection in ("02", "01"):
            product = landsat_level2(collection, told.everything)
            if abs(known.scale - product.scale) < 1e-9 and abs(known.offset - product.offset) < 1e-9:
                return product, ""
    return _stated(known.scale, known.offset, "scale and offset of the file", known)


def _by_level(told: Told, known: Known, role: str) -> tuple[Scaling, str]:
    if not known.sensor:
        raise RasterError(f"--level {told.level}: found no sensor; expected --sensor tm, etm, oli or msi beside it")
    wanted = told.level.upper()
    if known.metadata is not None:
        if known.metadata.level != wanted:
            raise RasterError(f"--level {told.level}: {known.metadata.path} is of level {known.metadata.level.lower()}; expected the same")
        return of_metadata(known.metadata, known.sensor, role, known.collection, told.everything), ""
    if known.sensor == "msi":
        return _sentinel(known, wanted)
    if wanted == "L2":
        return landsat_level2(known.collection or "02", told.everything), ""
    raise RasterError("--level l1: found no MTL text beside the bands; expected one: it tells gains and the elevation of the sun")


def _sentinel(known: Known, level: str) -> tuple[Scaling, str]:
    offset, note = baseline_offset(known.baseline, known.day)
    return sentinel2(level, offset), note
