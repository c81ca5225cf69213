"""The metadata beside an image: MTL text of Landsat, XML of Sentinel-2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

from edaphic.errors import RasterError

LEVEL2 = "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"
LEVEL1 = ("LEVEL1_RADIOMETRIC_RESCALING", "RADIOMETRIC_RESCALING")
SENTINEL_BANDS = ("1", "2", "3", "4", "5", "6", "7", "8", "8A", "9", "10", "11", "12")
"""Bands in the order of the numbers ``band_id`` of Sentinel-2's metadata."""

Groups = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Metadata:
    """What metadata tell of an image.

    Parameters
    ----------
    path : str
    level : str
        "L1" (top of atmosphere) or "L2" (surface reflectance).
    day : date, optional
    sun_elevation_deg : float, optional
    multiply, add : mapping of band number to float
        Reflectance = multiply x stored number + add; of Landsat Level 1 still to be divided by the sine of the sun's elevation.
    largest : mapping of band number to float
        Stored number of a saturated cell, where the metadata tell it.
    spacecraft : str
    """

    path: str
    level: str
    day: date | None
    sun_elevation_deg: float | None
    multiply: Mapping[str, float]
    add: Mapping[str, float]
    largest: Mapping[str, float]
    spacecraft: str = ""


def read_mtl(path: str | Path) -> Metadata:
    """Read the MTL text of a Landsat product of Collection 1 or 2, Level 1 or 2.

    A Level-2 text also holds the rescaling of the Level-1 product that it was made from, under the same names: the groups are kept
    apart.

    Raises
    ------
    RasterError
        The file is missing, was cut short, or tells no date or no rescaling of reflectance.
    """
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise RasterError(f"{path}: cannot be read ({error.strerror}); expected the MTL text of a Landsat product") from error
    return metadata_of(text, str(path))


def metadata_of(text: str, path: str) -> Metadata:
    """The same from the text itself.

    Examples
    --------
    >>> lines = ["GROUP = L1_METADATA_FILE", "GROUP = IMAGE", "DATE_ACQUIRED = 2001-07-30", "SUN_ELEVATION = 53.9", "END_GROUP = IMAGE",
    ...     "GROUP = RADIOMETRIC_RESCALING", "REFLECTANCE_MULT_BAND_3 = 1.3E-03", "REFLECTANCE_ADD_BAND_3 = -0.012",
    ...     "END_GROUP = RADIOMETRIC_RESCALING", "END_GROUP = L1_METADATA_FILE", "END"]
    >>> found = metadata_of("\\n".join(lines), "MTL.txt")
    >>> found.level, found.day.isoformat(), found.multiply, found.add
    ('L1', '2001-07-30', {'3': 0.0013}, {'3': -0.012})
    """
    groups, whole = _groups(text)
    if not groups:
        raise RasterError(f"{path}: no groups of metadata; expected the MTL text of a Landsat product")
    if not whole:
        raise RasterError(f"{path}: the text ends before its last group does: it was cut short; expected a whole file")
    every = {key: value for values in groups.values() for key, value in values.items()}
    level = "L2" if LEVEL2 in groups else "L1"
    scaling = groups.get(LEVEL2) or next((groups[name] for name in LEVEL1 if name in groups), {})
    multiply, add = _by_band(scaling, "REFLECTANCE_MULT_BAND_"), _by_band(scaling, "REFLECTANCE_ADD_BAND_")
    limits = next((groups[name] for name in ("MIN_MAX_PIXEL_VALUE", "LEVEL1_MIN_MAX_PIXEL_VALUE") if name in groups), {})
    faults = []
    day = _date(every.get("DATE_ACQUIRED", ""))
    if day is None:
        faults.append(f"{path}: DATE_ACQUIRED {every.get('DATE_ACQUIRED', 'missing')}; expected the date of the image")
    if not multiply or set(multiply) != set(add):
        faults.append(f"{path}: no REFLECTANCE_MULT_BAND_n with REFLECTANCE_ADD_BAND_n beside it; expected the rescaling of each band")
    if faults:
        raise RasterError(faults)
    return Metadata(
        path=path,
        level=level,
        day=day,
        sun_elevation_deg=_number(every.get("SUN_ELEVATION")),
        multiply=multiply,
        add=add,
        largest=_by_band(limits, "QUANTIZE_CAL_MAX_BAND_") if level == "L1" else {},
        spacecraft=every.get("SPACECRAFT_ID", ""),
    )


def _groups(text: str) -> tuple[dict[str, dict[str, str]], bool]:
    """Innermost groups with their keys, and whether all of them are closed."""
    groups: dict[str, dict[str, str]] = {}
    open_groups: list[str] = []
    for line in text.splitlines():
        key, is_there, value = (part.strip() for part in line.partition("="))
        if not is_there:
            continue
        if key == "GROUP":
            open_groups.append(value)
            groups.setdefault(value, {})
        elif key == "END_GROUP":
            if open_groups:
                open_groups.pop()
        elif open_groups:
            groups[open_groups[-1]][key] = value.strip('"')
    return groups, not open_groups


def _by_band(values: Mapping[str, str], start: str) -> dict[str, float]:
    found = {key.removeprefix(start): _number(value) for key, value in values.items() if key.startswith(start)}
    return {_gainless(band): value for band, value in found.items() if value is not None and not band.endswith("VCID_2")}


def _gainless(band: str) -> str:
    return band.removesuffix("_VCID_1")


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def read_sentinel(path: str | Path) -> Metadata:
    """Read the XML of a Sentinel-2 product (MTD_MSIL1C.xml, MTD_MSIL2A.xml): its quantification value and, from processing baseline
    04.00 on, the offset of each band.

    Raises
    ------
    RasterError
        The file is missing, is no XML, or has no quantification value.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        found = " ".join(str(error).split())
        raise RasterError(f"{path}: cannot be read ({found}); expected the metadata of a Sentinel-2 product") from error
    values = {_plain(item.tag): (item.text or "").strip() for item in root.iter()}
    name = next((key for key in ("BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE") if _number(values.get(key))), None)
    if name is None:
        raise RasterError(f"{path}: no QUANTIFICATION_VALUE; expected the metadata of a Sentinel-2 product")
    quantum = float(values[name])
    offsets = dict.fromkeys(SENTINEL_BANDS, 0.0)
    for item in root.iter():
        if _plain(item.tag) in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"):
            number, value = item.get("band_id", ""), _number((item.text or "").strip())
            if number.isdigit() and int(number) < len(SENTINEL_BANDS) and value is not None:
                offsets[SENTINEL_BANDS[int(number)]] = value
    level = "L2" if name.startswith("BOA") or "L2A" in values.get("PRODUCT_TYPE", Path(path).name) else "L1"
    taken = re.match(r"\d{4}-\d{2}-\d{2}", values.get("PRODUCT_START_TIME", ""))
    return Metadata(
        path=str(path),
        level=level,
        day=_date(taken[0]) if taken else None,
        sun_elevation_deg=None,
        multiply=dict.fromkeys(SENTINEL_BANDS, 1.0 / quantum),
        add={band: offset / quantum for band, offset in offsets.items()},
        largest={},
        spacecraft=values.get("SPACECRAFT_NAME", ""),
    )


def _plain(tag: str) -> str:
    """A tag without its namespace."""
    return tag.rpartition("}")[2]
