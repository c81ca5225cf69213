"""Scenes of three Landsat sensors of a virtual place: what it reflects, how each sensor sees that, clouds, files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from edaphic.virtual.fields import Array, gaussian_field
from edaphic.virtual.files import write_raster
from edaphic.virtual.ground import Place, write_table

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")

FILES: Mapping[str, tuple[str, tuple[int, ...]]] = MappingProxyType(
    {"tm": ("LT05", (1, 2, 3, 4, 5, 7)), "etm": ("LE07", (1, 2, 3, 4, 5, 7)), "oli": ("LC08", (2, 3, 4, 5, 6, 7))}
)
"""Beginning of the product's name, and numbers of the six bands, of each sensor."""

SEEN: Mapping[str, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        "tm": ((1.06, 0.004), (1.04, 0.003), (1.06, 0.004), (0.95, -0.002), (0.97, 0.003), (0.98, 0.002)),
        "etm": ((1.0, 0.0),) * 6,
        "oli": ((0.94, -0.003), (0.96, -0.002), (0.95, -0.003), (1.06, 0.003), (1.04, -0.003), (1.03, -0.002)),
    }
)
"""Slope and intercept of each band: what a sensor reports = slope x what ETM+ reports + intercept.

Left as they are, three sensors in turn would show a greening that is none: TM sees too little of it, OLI too much."""

DATES: tuple[tuple[str, str], ...] = (
    *(("tm", f"{year}{day}") for year in (1986, 1987, 1989) for day in ("0715",)),
    *(("tm", f"{year}0718") for year in (1991, 1992, 1994)),
    *(("tm", f"{year}0714") for year in (1996, 1997, 1998)),
    ("tm", "20010712"), ("etm", "20010704"), ("etm", "20030710"),
    ("tm", "20060711"), ("etm", "20070722"), ("tm", "20080716"),
    ("etm", "20110717"), ("etm", "20130706"), ("oli", "20130714"),
    ("oli", "20160706"), ("oli", "20180712"), ("oli", "20190715"),
)  # fmt: skip
"""Sensor and day of each scene: three in each five years, none in a year that two periods share."""

PAIR_DAYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"tm": ("20010704", "20030710", "20070722", "20110717"), "oli": ("20130706", "20160706", "20180712", "20190715")}
)
"""Days on which a sensor and ETM+ passed within a week of each other."""

CLEAR, CLOUD = 21824, 22280
"""Numbers of the quality band."""

NOISE = 0.004
"""Standard deviation of the error of a reflectance."""


@dataclass(frozen=True)
class Surface:
    """What reflects: greenness (NDVI), wetness of the canopy (0 to 1), brightness (red and near infrared together)."""

    ndvi: Array
    moisture: Array
    brightness: Array

    def reflectance(self) -> Array:
        """As ETM+ sees it, (6, h, w) in the order of ``BANDS``.

        Red and near infrared have the NDVI exactly.

        >>> one = np.ones((1, 1))
        >>> bands = Surface(0.5 * one, 0.5 * one, 0.4 * one).reflectance()
        >>> [round(float(value), 4) for value in bands[:, 0, 0]]
        [0.065, 0.095, 0.1, 0.3, 0.23, 0.161]
        """
        red, nir = (self.brightness * (1.0 + sign * self.ndvi) / 2.0 for sign in (-1.0, 1.0))
        swir1 = 0.34 - 0.22 * self.moisture
        return np.stack([0.5 * red + 0.015, 0.6 * red + 0.02 + 0.03 * self.ndvi, red, nir, swir1, 0.7 * swir1])


def seen(sensor: str, reflectance: Array) -> Array:
    """What a sensor reports of a reflectance, the first axis being the bands."""
    slope, intercept = np.array(SEEN[sensor]).T
    ones = (len(BANDS),) + (1,) * (reflectance.ndim - 1)
    reported: Array = slope.reshape(ones) * reflectance + intercept.reshape(ones)
    return reported


def to_etm(sensor: str) -> dict[str, tuple[float, float]]:
    """Slope and intercept by band that bring a sensor to ETM+: the truth of the coefficients that are fitted.

    >>> to_etm("etm")["red"]
    (1.0, -0.0)
    """
    return {band: (1.0 / slope, -intercept / slope) for band, (slope, intercept) in zip(BANDS, SEEN[sensor], strict=True)}


def write_scenes(folder: Path, place: Place, cell_m: float, surfaces: Mapping[str, Surface], rng: np.random.Generator) -> None:
    """Surface reflectance (Collection 2, Level 2) of all dates, with quality bands, under the names of the archive.

    ``surfaces`` by day (``20010704``). A fifth of each scene is clouded, where one of the two scenes before it was clear; under cloud the
    reflectance is a cloud's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = [np.zeros(place.shape, dtype=bool)] * 2
    for sensor, day in DATES:
        start, numbers = FILES[sensor]
        true = surfaces[day].reflectance()
        # Sun and air of the day are the same for all bands of a scene.
        noisy = seen(sensor, true * (1.0 + 0.01 * rng.standard_normal())) + NOISE * rng.standard_normal(true.shape)
        field = gaussian_field(rng, place.shape, cell_m, 12.0 * cell_m, 2.2)
        cloudy = (field > np.quantile(field, 0.8)) & ~(before[0] & before[1])
        before = [before[1], cloudy]
        noisy = np.where(cloudy, 0.55 + 0.05 * rng.standard_normal(true.shape), noisy)
        stored = np.clip(np.round((noisy + 0.2) / 0.0000275), 7273, 43636).astype(np.uint16)
        name = f"{start}_L2SP_120035_{day}_20200829_02_T1"
        for number, values in zip(numbers, stored, strict=True):
            write_raster(folder / f"{name}_SR_B{number}.TIF", values, place.crs, place.transform, 0, "")
        quality = np.where(cloudy, CLOUD, CLEAR).astype(np.uint16)
        write_raster(folder / f"{name}_QA_PIXEL.TIF", quality, place.crs, place.transform, 1, "")


def write_pairs(folder: Path, surfaces: Mapping[str, Surface], rng: np.random.Generator, *, pixels: int = 1500) -> None:
    """Tables of pairs: what two sensors reported of the same clear pixels within days, ETM+ as the reference.

    The pixels are drawn at random, on four days for each pair of sensors, with errors of the same size in both.
    """
    for sensor, days in PAIR_DAYS.items():
        parts = []
        for day in days:
            bands = surfaces[day].reflectance().reshape(len(BANDS), -1)
            drawn = bands[:, rng.choice(bands.shape[1], min(pixels // len(days), bands.shape[1]), replace=False)]
            table = pd.DataFrame({"date": day}, index=range(drawn.shape[1]))
            for end, values in (("reference", drawn), ("other", seen(sensor, drawn))):
                noisy = values + NOISE * rng.standard_normal(values.shape)
                table = table.assign(**{f"{band}_{end}": row for band, row in zip(BANDS, noisy, strict=True)})
            parts.append(table)
        write_table(folder / f"pairs_{sensor}_etm.csv", pd.concat(parts, ignore_index=True))
