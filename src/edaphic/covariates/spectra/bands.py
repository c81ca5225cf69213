"""Bands by their role: which number a sensor gives them, and what the names of product files tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from edaphic.errors import RasterError

ROLES = (
    "coastal",
    "blue",
    "green",
    "red",
    "red_edge1",
    "red_edge2",
    "red_edge3",
    "nir",
    "nir_narrow",
    "swir1",
    "swir2",
    "thermal",
)
"""Names of bands, by rising wavelength. Reflectance is known of all but ``thermal``."""

SENSOR_NAMES = {"tm": "Landsat 4/5 TM", "etm": "Landsat 7 ETM+", "oli": "Landsat 8/9 OLI", "msi": "Sentinel-2 MSI"}

PRODUCT = re.compile(
    r"(?P<scene>L(?P<sensor>[COTEM])(?P<satellite>0[1-9])_(?P<level>L[12][A-Z]{2})_(?P<path>\d{3})(?P<row>\d{3})_(?P<day>\d{8})_\d{8}"
    r"_(?P<collection>0[12])_(?:RT|T1|T2|A1))(?:_(?P<part>.+?))?(?:\.\w+)?",
    re.IGNORECASE,
)
"""Landsat Collections 1 and 2: LC08_L2SP_218074_20190114_20200829_02_T1_SR_B4.TIF."""

EARLY = re.compile(
    r"(?P<scene>L(?P<sensor>[COTEM])(?P<satellite>[1-9])\d{6}(?P<year>\d{4})(?P<doy>\d{3})[A-Z]{3}\d{2})(?:_(?P<part>.+?))?(?:\.\w+)?",
    re.IGNORECASE,
)
"""Landsat before the collections: LE71400412000304SGS00_B4.tif."""

TILE = re.compile(
    r"(?P<scene>(?:L2A_)?T(?P<tile>\d{2}[A-Z]{3})_(?P<day>\d{8})T\d{6})_(?P<part>B\d[\dA]|SCL|QA60|TCI|AOT|WVP)(?:_(?P<metres>\d\d)m)?\.\w+",
    re.IGNORECASE,
)
"""Sentinel-2 files of bands: T32TQM_20190714T101031_B04_10m.jp2, and without metres in Level-1C."""

SAFE = re.compile(r"S2[A-D]_MSIL(?P<level>1C|2A)_(?P<day>\d{8})T\d{6}_N(?P<baseline>\d{4})_R\d{3}_T(?P<tile>\d{2}[A-Z]{3})_", re.IGNORECASE)
"""Sentinel-2 products: S2A_MSIL2A_20190714T101031_N0213_R022_T32TQM_20190714T133224.SAFE."""

LAYER = re.compile(r"(?:SR_|ST_)?B(?:AND)?_?0*(?P<number>\d{1,2}|8A)(?:_VCID_(?P<gain>[12]))?", re.IGNORECASE)
"""The part of a name that tells the band: B4, SR_B4, sr_band4, B04, B8A, B6_VCID_1."""


@dataclass(frozen=True)
class ProductName:
    """What the name of a product file tells.

    Parameters
    ----------
    scene : str
        Name that all files of the scene share.
    sensor : {"tm", "etm", "oli", "msi"}
    level : str
        "L1", "L2"; "" where the name does not tell.
    collection : str
        "01", "02"; "" where the name does not tell.
    day : date
        Of the image.
    part : str
        What the file holds, as the name spells it: "SR_B4", "QA_PIXEL", "MTL", "B04".
    metres : int
        Cell size of a Sentinel-2 band; 0 where the name does not tell.
    """

    scene: str
    sensor: str
    level: str
    collection: str
    day: date
    part: str
    metres: int = 0

    @property
    def role(self) -> str:
        """The role of the band that the file holds; "" if it holds none that has one.

        >>> read_name("LC08_L2SP_218074_20190114_20200829_02_T1_SR_B5.TIF").role
        'nir'
        """
        return role_of(self.sensor, self.part)


def band_numbers(sensor: str) -> Mapping[str, str]:
    """Band of each role, as the sensor's own numbers.

    Raises
    ------
    RasterError
        An unknown sensor.

    Examples
    --------
    >>> band_numbers("oli")["nir"], band_numbers("tm")["nir"], band_numbers("msi")["swir1"]
    ('5', '4', '11')
    >>> band_numbers("modis")
    Traceback (most recent call last):
    edaphic.errors.RasterError: sensor: found 'modis'; expected one of tm, etm, oli, msi
    """
    if sensor not in SENSORS:
        raise RasterError(f"sensor: found {sensor!r}; expected one of {', '.join(SENSORS)}")
    return SENSORS[sensor]


def role_of(sensor: str, part: str) -> str:
    """Role of the band that a part of a name, or the description of a band, tells; "" where it tells none.

    >>> role_of("oli", "SR_B4"), role_of("etm", "B6_VCID_1"), role_of("msi", "B8A"), role_of("oli", "QA_PIXEL")
    ('red', 'thermal', 'nir_narrow', '')
    """
    known = part.strip().lower().replace("-", "_").replace(" ", "_")
    if known in ROLES:
        return known
    found = LAYER.fullmatch(part.strip())
    if found is None or sensor not in SENSORS:
        return ""
    number = found["number"].upper()
    if found["gain"] == "2":  # the same band with a higher gain: one of the two is enough
        return ""
    return next((role for role, own in SENSORS[sensor].items() if own == number), "")


def read_name(name: str) -> ProductName | None:
    """What the name of a file tells of its product; None if it is no known name.

    Examples
    --------
    >>> found = read_name("LE07_L1TP_195025_20010730_20170204_01_T1_B3.TIF")
    >>> found.sensor, found.level, found.collection, found.day.isoformat(), found.role
    ('etm', 'L1', '01', '2001-07-30', 'red')
    >>> found = read_name("T32TQM_20190714T101031_B04_10m.jp2")
    >>> found.sensor, found.day.isoformat(), found.role, found.metres
    ('msi', '2019-07-14', 'red', 10)
    >>> read_name("LE71400412000304SGS00_B4.tif").day.isoformat()
    '2000-10-30'
    >>> read_name("dem.tif") is None
    True
    """
    landsat = PRODUCT.fullmatch(name) or EARLY.fullmatch(name)
    if landsat is not None:
        words = landsat.groupdict()
        sensor = _landsat_sensor(words["sensor"].upper(), int(words["satellite"]))
        day = _day(words["day"]) if words.get("day") else _day_of_year(words["year"], words["doy"])
        if sensor is None or day is None:
            return None
        return ProductName(
            words["scene"], sensor, (words.get("level") or "L1")[:2].upper(), words.get("collection") or "", day, words["part"] or ""
        )
    tile = TILE.fullmatch(name)
    day = _day(tile["day"]) if tile is not None else None
    if tile is None or day is None:
        return None
    level = "L2" if tile["metres"] or tile["scene"].upper().startswith("L2A") else ""
    return ProductName(tile["scene"], "msi", level, "", day, tile["part"], int(tile["metres"] or 0))


def _landsat_sensor(letter: str, satellite: int) -> str | None:
    if satellite >= 8:
        return "oli" if letter in "CO" else None
    if satellite == 7:
        return "etm" if letter == "E" else None
    return "tm" if letter == "T" and satellite in (4, 5) else None


def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def _day_of_year(year: str, number: str) -> date | None:
    day = date(int(year), 1, 1) + timedelta(days=int(number) - 1)
    return day if day.year == int(year) and int(number) > 0 else None


_THEMATIC = {"blue": "1", "green": "2", "red": "3", "nir": "4", "swir1": "5", "swir2": "7", "thermal": "6"}

SENSORS: Mapping[str, Mapping[str, str]] = {
    "tm": _THEMATIC,
    "etm": _THEMATIC,
    "oli": {
        "coastal": "1",
        "blue": "2",
        "green": "3",
        "red": "4",
        "nir": "5",
        "swir1": "6",
        "swir2": "7",
        "thermal": "10",
    },
    "msi": {
        "coastal": "1",
        "blue": "2",
        "green": "3",
        "red": "4",
        "red_edge1": "5",
        "red_edge2": "6",
        "red_edge3": "7",
        "nir": "8",
        "nir_narrow": "8A",
        "swir1": "11",
        "swir2": "12",
    },
}
"""Numbers of the bands: USGS (2022), Landsat Collection 2 data format; ESA (2015), Sentinel-2 user handbook."""
