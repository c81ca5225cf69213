"""Cross-sensor coefficients: their table, and whether they are those of the scenes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from edaphic.covariates.spectra.bands import ROLES, SENSOR_NAMES, SENSORS
from edaphic.covariates.spectra.reflectance import Coefficients
from edaphic.errors import TableError


class BandLines(dict[str, tuple[float, float]]):
    """Slope and intercept by band, and what their table says of itself.

    Parameters
    ----------
    lines : mapping of str to (slope, intercept)
    path : str
        Of the table.
    start, end : str
        "tm", "etm", "oli" or "msi" that the lines lead from and to; "" where the table does not tell.
    """

    def __init__(self, lines: Mapping[str, tuple[float, float]], path: str = "", start: str = "", end: str = "") -> None:
        super().__init__(lines)
        self.path, self.start, self.end = path, start, end


def sensor_named(text: object) -> str:
    """The sensor that a word of a table names; "" where it names none that is known.

    >>> sensor_named("ETM+"), sensor_named("oli"), sensor_named("Landsat 4/5 TM"), sensor_named("other")
    ('etm', 'oli', 'tm', '')
    """
    word = str(text).strip().lower()
    names = {name.lower(): sensor for sensor, name in SENSOR_NAMES.items()}
    bare = word.removesuffix("+")
    return bare if bare in SENSORS else names.get(word, "")


def read_coefficients(path: Path) -> BandLines:
    """Slope and intercept of each band, from a CSV table with the columns ``band``, ``slope`` and ``intercept``.

    Where it has the columns ``from_sensor`` and ``to_sensor``, as the tables of ``edaphic normalise``, they are kept.

    Raises
    ------
    TableError
        A missing table or column, an unknown band, a number that is none, rows of several sensors.
    """
    try:
        table = pd.read_csv(path, dtype={"band": str})
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: cannot be read ({error}); expected a CSV table with band, slope and intercept") from error
    absent = [column for column in ("band", "slope", "intercept") if column not in table.columns]
    if absent:
        raise TableError(f"{path}: no column {absent[0]}; expected band, slope and intercept")
    faults, found = [], {}
    for number, row in enumerate(table.to_dict("records"), start=2):
        slope, intercept = (pd.to_numeric(row[column], errors="coerce") for column in ("slope", "intercept"))
        if row["band"] not in ROLES or row["band"] in found:
            faults.append(f"{path}: row {number}: band {row['band']!r}; expected each of {', '.join(ROLES)} once at most")
        elif not (math.isfinite(slope) and math.isfinite(intercept) and slope > 0):
            faults.append(
                f"{path}: row {number}: slope {row['slope']} and intercept {row['intercept']}; expected numbers, and a slope above 0"
            )
        found[str(row["band"])] = (float(slope), float(intercept))
    ends = []
    for column in ("from_sensor", "to_sensor"):
        words = list(dict.fromkeys(table[column].fillna("").astype(str))) if column in table.columns else []
        if len(words) > 1:
            faults.append(f"{path}: {column}: found {', '.join(words)}; expected one sensor")
        ends.append(sensor_named(words[0]) if words else "")
    if faults or not found:
        raise TableError(faults or f"{path}: no row; expected one for each band")
    return BandLines(found, str(path), *ends)


def coefficient_faults(coefficients: Mapping[str, Coefficients], sensors: Iterable[str], roles: Sequence[str]) -> list[str]:
    """Coefficients that are not those of the scenes.

    Parameters
    ----------
    coefficients : mapping of sensor to mapping of band to (slope, intercept)
    sensors : iterable of str
        Of the scenes.
    roles : sequence of str
        Bands that are read: each needs a line, lest corrected bands and others be put into one index.

    Examples
    --------
    >>> coefficient_faults({"oli": {"red": (1.0, 0.0)}}, ["tm"], ["red"])
    ['coefficients of oli: no scene of that sensor; found scenes of tm']
    >>> coefficient_faults({"tm": {"red": (1.1, 0.0)}}, ["tm"], ["nir", "red"])
    ['coefficients of tm: no line for nir; expected one for each band that is read, slope 1 and intercept 0 where nothing is to change']
    """
    own = sorted(set(sensors))
    faults = []
    for sensor, lines in coefficients.items():
        where = f"coefficients of {sensor}"
        if isinstance(lines, BandLines) and lines.path:
            where += f" ({lines.path})"
        if sensor not in SENSORS:
            faults.append(f"{where}: no such sensor; expected some of {', '.join(SENSORS)}")
            continue
        if sensor not in own:
            listed = " and ".join(word or "a sensor that is not known" for word in own) or "no sensor"
            faults.append(f"{where}: no scene of that sensor; found scenes of {listed}")
            continue
        if isinstance(lines, BandLines) and lines.start and lines.start != sensor:
            to = f" to {lines.end}" if lines.end else ""
            faults.append(f"{where}: found lines from {lines.start}{to}; expected lines from {sensor}")
        absent = [role for role in roles if role not in lines]
        if absent:
            faults.append(
                f"{where}: no line for {', '.join(absent)}; expected one for each band that is read, slope 1 and intercept 0 where "
                "nothing is to change"
            )
    ends = {sensor: lines.end for sensor, lines in coefficients.items() if isinstance(lines, BandLines) and lines.end}
    if len(set(ends.values())) > 1:
        listed = ", ".join(f"{sensor} to {end}" for sensor, end in ends.items())
        faults.append(f"coefficients: found lines from {listed}; expected all to lead to one sensor")
    return faults


def apart(coefficients: Mapping[str, Coefficients], sensors: Iterable[str]) -> list[str]:
    """Sensors that differ still when each is where its coefficients bring it; none if there are fewer than two.

    >>> apart({"tm": BandLines({}, end="etm")}, ["tm", "etm", "oli"]), apart({"tm": BandLines({}, end="etm")}, ["tm", "etm"])
    (['etm', 'oli'], [])
    """
    found = set()
    for sensor in sensors:
        lines = coefficients.get(sensor)
        found.add(sensor if lines is None else lines.end if isinstance(lines, BandLines) else "")
    left = sorted(found - {""})
    return left if len(left) > 1 else []
