"""A virtual landscape of the first paper's structure: four climate zones, seven periods of five years, three Landsat sensors.

The carbon density of a cell at depth z (cm) in a period is ``surface * exp(-z / scale) + base``. The logarithm of ``surface`` follows
climate, clay, slope, greenness and land cover of the period, a steady change that no covariate shows, and a residual field whose
correlation between one period and the next is :data:`RESIDUAL_CORRELATION`: what a model of covariates cannot know is correlated in time,
by a known amount. A profile has the density of its cell times a factor of its own with mean 1; of two profiles of one place, dug decades
apart, the logarithms of these factors correlate by :data:`PIT_CORRELATION`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from rasterio.transform import from_origin
from scipy.special import expit

from edaphic.errors import GridError
from edaphic.virtual.fields import Array, by_class
from edaphic.virtual.ground import Place, curve_stock_kg_m2, fields, ramp, relief, slope_deg
from edaphic.virtual.sampling import Pedons
from edaphic.virtual.weather import LAPSE_C_PER_M

PERIODS = tuple((year, year + 5) for year in range(1985, 2020, 5))
LAYERS = ((0, 20), (20, 100), (0, 100))
STANDARD = ((0, 5), (5, 15), (15, 30), (30, 60), (60, 100))
COVER: Mapping[int, str] = MappingProxyType({1: "cropland", 2: "forest", 3: "shrub", 4: "grassland", 5: "barren"})
SIZES: Mapping[str, tuple[tuple[int, int], int, int]] = MappingProxyType({"small": ((80, 80), 600, 80), "full": ((500, 600), 6000, 200)})
"""Rows and columns, number of profiles, number of climate stations."""

CELL_M = 1000.0
RESIDUAL_SD = 0.2
"""Standard deviation of the logarithm of what no covariate shows."""

RESIDUAL_CORRELATION = 0.9
"""Of the residual field between a period and the next one; between periods k apart it is its k-th power."""

RESIDUAL_RANGE_KM = 18.0
"""Distance at which the residual field correlates by 0.05 (exponential, length a third of it)."""

PIT_CORRELATION = 0.5
"""Of the logarithms of a profile's own factor, between two visits of one place."""

HIDDEN_CHANGE = 0.006
"""Mean change of the logarithm of the surface density from a period to the next that no covariate shows."""


@dataclass(frozen=True)
class SpaceTime:
    """Covariates and true carbon of seven periods; arrays (h, w), or (7, h, w) where they change.

    ``climate`` has mat (C), map (mm), srad (MJ m-2 d-1); ``clay`` five layers (%) of ``STANDARD``; ``residual`` is what no covariate shows
    (mean 0, standard deviation about 1); ``surface`` and ``base`` are in kg/m3, ``scale`` in cm; ``packing`` and ``fragments`` as in
    :class:`~edaphic.virtual.sampling.Pedons`; ``access`` is the chance to be sampled.
    """

    seed: int
    place: Place
    profiles: int
    stations: int
    elevation: Array
    slope: Array
    climate: Mapping[str, Array]
    clay: Array
    ndvi: Array
    cover: Array
    residual: Array
    surface: Array
    base: Array
    scale: Array
    packing: Array
    fragments: Array
    access: Array

    def true_stock_kg_m2(self, top_cm: float, bottom_cm: float, period: int) -> Array:
        """Carbon between two depths in a period (0 to 6), (h, w)."""
        return curve_stock_kg_m2(self.surface[period], self.base, self.scale, top_cm, bottom_cm)

    def pedons(self, period: int) -> Pedons:
        """The mean soil of all cells, one after the other."""
        columns = (self.surface[period], self.base, self.scale, self.packing, self.fragments)
        return Pedons(*(values.reshape(-1, 1) for values in columns))


def space_time(seed: int, size: str = "small") -> SpaceTime:
    """Make the landscape.

    Parameters
    ----------
    seed : int
        The same seed gives the same landscape to the bit.
    size : {"small", "full"}

    Raises
    ------
    GridError
        Another size.

    Examples
    --------
    >>> land = space_time(1)
    >>> parts = land.true_stock_kg_m2(0, 20, 3) + land.true_stock_kg_m2(20, 100, 3)
    >>> bool(np.allclose(parts, land.true_stock_kg_m2(0, 100, 3)))
    True
    """
    if size not in SIZES:
        raise GridError(f"virtual landscape: size {size!r}; expected one of {', '.join(SIZES)}")
    shape, profiles, count = SIZES[size]
    place = Place(shape, from_origin(1_600_000.0, 2_600_000.0, CELL_M, CELL_M), "EPSG:3035")
    rng = np.random.default_rng([seed, 21])
    field = fields(rng, place, CELL_M)
    elevation = relief(field, 100.0, 2600.0, 9000.0)
    slope = slope_deg(elevation, CELL_M)
    # North is cold, west is dry: four zones about 10 C and 400 mm.
    mat = 11.0 + 7.0 * ramp(shape, 0) + LAPSE_C_PER_M * (elevation - 900.0) + 0.4 * field(15_000.0, 2.0)
    rain = np.exp(np.log(420.0) + 0.75 * ramp(shape, 1) + 0.00012 * (elevation - 800.0) + 0.12 * field(12_000.0, 2.0))
    srad = 15.0 - 2.0 * (rain - 500.0) / 500.0 + 0.9 * ramp(shape, 0) + 0.3 * field(20_000.0, 2.0)
    texture = field(8000.0)
    clay = np.clip(22.0 + 7.0 * texture + np.array([0.0, 0.5, 2.0, 4.0, 5.0])[:, None, None], 3.0, 60.0)
    ndvi, cover = _life(field, mat, rain, slope)
    surface, residual = _surface(field, {"mat": mat, "map": rain}, clay[0], slope, ndvi, cover)
    dry = expit((400.0 - rain) / 120.0)
    return SpaceTime(
        seed=seed,
        place=place,
        profiles=profiles,
        stations=count,
        elevation=elevation,
        slope=slope,
        climate=MappingProxyType({"mat": mat, "map": rain, "srad": srad}),
        clay=clay,
        ndvi=ndvi,
        cover=cover,
        residual=residual,
        surface=surface,
        base=np.exp(1.1 - 0.4 * dry + 0.012 * (clay[3] - 26.0) + 0.12 * field(9000.0)),
        scale=np.exp(np.log(24.0) + 0.15 * dry + 0.06 * field(6000.0)),
        packing=1.95 - 0.004 * (clay[2] - 24.0) + 0.04 * field(7000.0),
        fragments=np.clip(0.02 + 0.18 * expit((slope - 8.0) / 3.0) + 0.02 * field(5000.0), 0.0, 0.35),
        access=np.exp(1.0 * field(10_000.0) - elevation / 1500.0),
    )


def _life(field: Callable[..., Array], mat: Array, rain: Array, slope: Array) -> tuple[Array, Array]:
    """Greenness and land cover of each period: it gets greener, and cropland goes over to forest."""
    wood, farm = field(5000.0, 1.8), field(6000.0, 1.8)
    fresh, greening = field(7000.0), 0.012 * (1.0 + 0.6 * field(15_000.0))
    ndvi, cover = [], []
    for k in range(len(PERIODS)):
        wooded = 0.9 * (rain - 500.0) / 250.0 + 0.05 * (slope - 5.0) + 0.8 * wood + 0.08 * k > 1.0
        farmed = (farm + 0.04 * (10.0 - slope) + 0.05 * (mat - 8.0) - 0.04 * k > 0.5) & (rain > 280.0)
        bare = (rain < 260.0) & (fresh - 0.03 * k < 0.2)
        code = np.select([wooded, farmed, bare, fresh > 0.8], [2.0, 1.0, 5.0, 3.0], 4.0)
        green = 0.33 + 0.16 * np.tanh((rain - 450.0) / 250.0) + by_class(code, 0.04, 0.2, 0.08, 0.0, -0.16) + 0.05 * fresh
        ndvi.append(np.clip(green + greening * k + 0.015 * field(5000.0), 0.03, 0.9))
        cover.append(code)
    return np.stack(ndvi), np.stack(cover)


def _surface(
    field: Callable[..., Array], climate: Mapping[str, Array], clay: Array, slope: Array, ndvi: Array, cover: Array
) -> tuple[Array, Array]:
    """Surface density (kg/m3) of each period, and the residual field in it."""
    mat, rain = climate["mat"], climate["map"]
    cold, wet = np.tanh((10.0 - mat) / 6.0), np.tanh((rain - 400.0) / 250.0)
    static = 3.15 + 0.3 * cold + 0.25 * wet + 0.2 * cold * wet + 0.012 * (clay - 22.0) - 0.012 * np.minimum(slope, 20.0)
    residual, hidden, out = field(RESIDUAL_RANGE_KM * 1000.0 / 3.0), [], []
    grown = HIDDEN_CHANGE * (1.0 + 0.5 * field(12_000.0))
    for k in range(len(PERIODS)):
        if k:
            fresh = np.sqrt(1.0 - RESIDUAL_CORRELATION**2) * field(RESIDUAL_RANGE_KM * 1000.0 / 3.0)
            residual = RESIDUAL_CORRELATION * residual + fresh
        hidden.append(residual)
        alive = (1.0 + 0.3 * (rain < 400.0)) * (ndvi[k] - 0.4) + by_class(cover[k], -0.2, 0.12, 0.0, 0.05, -0.1)
        out.append(np.exp(static + alive + grown * k + RESIDUAL_SD * residual))
    return np.stack(out), np.stack(hidden)


def period_of(year: int) -> int:
    """Number of the period that stands for a year: the one that begins in it or holds it, the first and the last beyond.

    >>> [period_of(year) for year in (1979, 1989, 1990, 2019, 2024)]
    [0, 0, 1, 6, 6]
    """
    return int(np.clip((year - PERIODS[0][0]) // 5, 0, len(PERIODS) - 1))
