"""Small, fast worlds by the hundred: judges of designs, intervals and maps.

A world is a square of cells with autocorrelated covariates and a true carbon density at every place, depth and year. With
``e`` of mean 0 and variance 1 made of what covariates show (``signal``), of an autocorrelated field that they do not show
(``residual``) and of what differs from pit to pit within a cell (``own``)::

    e = sqrt(1 - r - p) * signal(covariates, year) + sqrt(r) * residual + sqrt(p) * own
    density(z) = surface * exp(-z / scale) + base          (kg/m3, z in cm)
    surface = exp(ln 30 + s * e),  base = exp(ln 3 + s * e)

where s is ``log_sd``, r ``residual_share`` and p ``profile_share``: the stock of any layer is a closed form. ``signal`` is curved, holds
two interactions, and follows a covariate that changes from year to year. The truth of a cell is the mean over all pits that could be dug
in it; a measurement multiplies by an error of its own, layer by layer.

:mod:`edaphic.virtual.survey` sends people there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from edaphic.errors import GridError
from edaphic.units import CM_PER_M
from edaphic.virtual.fields import Array, Index, gaussian_field

CENTRE = (15.5, 43.0)
"""Longitude and latitude of the centre: open sea, so that nobody takes the place for a real one."""

BASE_YEAR = 2000
SURFACE_KG_M3, BASE_KG_M3, SCALE_CM = 30.0, 3.0, 22.0
DRIVERS = ("warmth", "rain", "wetness", "clay", "height")
CLIMATES = 3
EXPONENTIAL = 1.5
"""Roughness of a field with exponential covariance; its effective range is three times its length."""


@dataclass(frozen=True)
class Nature:
    """What governs a world.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns, at least 8 each.
    cell_m : float
        Cell size.
    ranges_m : tuple of five float
        Effective ranges (correlation 0.05) of the covariates that matter, in the order of ``DRIVERS``.
    greenness_range_m : float
        That of the covariate that changes with time.
    useless : int
        Covariates without effect; their ranges are those of the drivers, in turn.
    log_sd : float
        Standard deviation s of the logarithm of the surface density.
    residual_share, residual_range_m : float
        Share r of its variance that is autocorrelated and that no covariate shows, and the range of that field.
    profile_share : float
        Share p that differs from pit to pit within a cell; all layers of a pit share it.
    measurement_cv : float
        Standard deviation of the error of a measured stock, over the stock.
    greening_per_decade : float
        Mean change of the changing covariate in ten years, in its standard deviations; places differ by half as much.
    """

    shape: tuple[int, int] = (100, 100)
    cell_m: float = 1000.0
    ranges_m: tuple[float, float, float, float, float] = (80_000.0, 60_000.0, 20_000.0, 30_000.0, 40_000.0)
    greenness_range_m: float = 20_000.0
    useless: int = 4
    log_sd: float = 0.4
    residual_share: float = 0.3
    residual_range_m: float = 25_000.0
    profile_share: float = 0.15
    measurement_cv: float = 0.1
    greening_per_decade: float = 0.3

    def __post_init__(self) -> None:
        """Refuse a nature that cannot be."""
        faults = []
        if min(self.shape) < 8 or not self.cell_m > 0:
            faults.append(f"shape {self.shape}, cells of {self.cell_m:g} m; expected 8 x 8 cells or more, above 0 m")
        ranges = (*self.ranges_m, self.greenness_range_m, self.residual_range_m)
        if len(self.ranges_m) != len(DRIVERS) or not min(ranges) > 0:
            faults.append(f"ranges {ranges}; expected {len(DRIVERS)} + 2 numbers above 0")
        shares = (self.residual_share, self.profile_share)
        if min(shares) < 0 or sum(shares) > 1:
            faults.append(f"shares {shares}; expected at least 0, and 1 together at most")
        if self.useless < 0 or self.log_sd <= 0 or self.measurement_cv < 0:
            found = f"useless {self.useless}, log_sd {self.log_sd:g}, measurement_cv {self.measurement_cv:g}"
            faults.append(f"{found}; expected >= 0, > 0, >= 0")
        if faults:
            raise GridError("virtual world: " + "; ".join(faults))

    @property
    def own_sd(self) -> float:
        """Standard deviation of the logarithm of a pit's own factor."""
        return float(self.log_sd * np.sqrt(self.profile_share))

    @property
    def signal_share(self) -> float:
        """Share of the variance that the covariates show."""
        return max(0.0, 1.0 - self.residual_share - self.profile_share)


@dataclass(frozen=True)
class World:
    """Covariates and the true carbon of a square of cells; arrays (h, w) are read-only.

    ``static`` holds the covariates that stay, ``greenness`` the changing one in ``BASE_YEAR`` and its change per decade, ``residual``
    what no covariate shows, ``climate`` a zone (0 cold, 1, 2 warm: thirds of the area), ``centring`` the mean and the standard deviation of
    the raw signal in the base year.
    """

    nature: Nature
    seed: int
    static: Mapping[str, Array]
    greenness: tuple[Array, Array]
    residual: Array
    climate: NDArray[np.int64]
    centring: tuple[float, float] = field(default=(0.0, 1.0))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the covariates, in the order of :meth:`features`."""
        return (*self.static, "greenness")

    def greenness_in(self, year: float) -> Array:
        """The changing covariate in a year, (h, w)."""
        start, per_decade = self.greenness
        return start + per_decade * ((year - BASE_YEAR) / 10.0)

    def features(self, row: Index, col: Index, year: NDArray[np.int64] | int) -> NDArray[np.float32]:
        """Covariates of n cells, each in its year, float32 (n, covariates)."""
        start, per_decade = (values[row, col] for values in self.greenness)
        green = start + per_decade * ((np.asarray(year) - BASE_YEAR) / 10.0)
        return np.column_stack([*(values[row, col] for values in self.static.values()), green]).astype(np.float32)

    def signal(self, year: float) -> Array:
        """What covariates show, (h, w): mean 0 and variance 1 in the base year."""
        return (_raw_signal(self.static, self.greenness_in(year)) - self.centring[0]) / self.centring[1]

    def density_curve(self, year: float) -> tuple[Array, Array, Array]:
        """Mean surface and base density (kg/m3) of each cell and scale (cm), (h, w)."""
        n = self.nature
        e = np.sqrt(n.signal_share) * self.signal(year) + np.sqrt(n.residual_share) * self.residual
        # A pit's own factor has the mean exp(own_sd^2 / 2): with it, the cell is the mean of its pits.
        grown = np.exp(n.log_sd * e + n.own_sd**2 / 2.0)
        return SURFACE_KG_M3 * grown, BASE_KG_M3 * grown, SCALE_CM * np.exp(0.15 * np.tanh(self.static["wetness"]))

    def true_stock_kg_m2(self, top_cm: float, bottom_cm: float, year: float = BASE_YEAR) -> Array:
        """Carbon between two depths, (h, w): the mean of all pits that could be dug in a cell, an exact integral over depth.

        >>> world = make(1, Nature(shape=(16, 20)))
        >>> parts = world.true_stock_kg_m2(0, 30, 1990) + world.true_stock_kg_m2(30, 100, 1990)
        >>> bool(np.allclose(parts, world.true_stock_kg_m2(0, 100, 1990)))
        True
        """
        surface, base, scale = self.density_curve(year)
        fall = np.exp(-top_cm / scale) - np.exp(-bottom_cm / scale)
        stock: Array = (surface * scale * fall + base * (bottom_cm - top_cm)) / CM_PER_M
        return stock

    def pits(self, stock: Array, rng: np.random.Generator) -> Array:
        """The stock of one random pit in each cell: the cell's mean times a lognormal factor of mean 1."""
        own = self.nature.own_sd
        return stock * np.exp(own * rng.standard_normal(stock.shape) - own**2 / 2.0)

    def measured(self, stock: Array, rng: np.random.Generator) -> Array:
        """A stock times a lognormal error of mean 1 and coefficient of variation ``measurement_cv``."""
        sd = float(np.sqrt(np.log1p(self.nature.measurement_cv**2)))
        return stock * np.exp(sd * rng.standard_normal(stock.shape) - sd**2 / 2.0)

    def lon_lat(self, row: Index, col: Index) -> tuple[Array, Array]:
        """Centres of cells in degrees (WGS 84)."""
        height, width = self.nature.shape
        east = (np.asarray(col) + 0.5 - width / 2.0) * self.nature.cell_m
        north = (height / 2.0 - np.asarray(row) - 0.5) * self.nature.cell_m
        local = CRS.from_dict({"proj": "laea", "lon_0": CENTRE[0], "lat_0": CENTRE[1], "datum": "WGS84"})
        lon, lat = Transformer.from_crs(local, "EPSG:4326", always_xy=True).transform(east, north)
        return np.asarray(lon), np.asarray(lat)


def make(seed: int, nature: Nature | None = None) -> World:
    """Make a world.

    Parameters
    ----------
    seed : int
        The same seed gives the same world to the bit.
    nature : Nature, optional
        What governs it.

    Raises
    ------
    GridError
        From :class:`Nature`.

    Examples
    --------
    >>> world = make(1, Nature(shape=(16, 20), useless=1))
    >>> world.names
    ('warmth', 'rain', 'wetness', 'clay', 'height', 'useless_1', 'greenness')
    >>> round(float(world.signal(2000).std()), 6)
    1.0
    """
    nature = nature or Nature()
    rng = np.random.default_rng([seed, 11])

    def layer(range_m: float) -> Array:
        return gaussian_field(rng, nature.shape, nature.cell_m, range_m / 3.0, EXPONENTIAL)

    static = {name: layer(range_m) for name, range_m in zip(DRIVERS, nature.ranges_m, strict=True)}
    for k in range(nature.useless):
        static[f"useless_{k + 1}"] = layer(nature.ranges_m[k % len(DRIVERS)])
    start = layer(nature.greenness_range_m)
    per_decade = nature.greening_per_decade * (1.0 + 0.5 * layer(nature.greenness_range_m))
    residual = layer(nature.residual_range_m)
    limits = np.quantile(static["warmth"], np.arange(1, CLIMATES) / CLIMATES)
    climate = np.searchsorted(limits, static["warmth"]).astype(np.int64)
    raw = _raw_signal(static, start)
    for array in (*static.values(), start, per_decade, residual, climate):
        array.setflags(write=False)
    return World(
        nature=nature,
        seed=seed,
        static=MappingProxyType(static),
        greenness=(start, per_decade),
        residual=residual,
        climate=climate,
        centring=(float(raw.mean()), float(raw.std())),
    )


def _raw_signal(static: Mapping[str, Array], greenness: Array) -> Array:
    """Linear, saturating, humped, and with two interactions."""
    warmth, rain, wetness, clay, height = (static[name] for name in DRIVERS)
    linear = -0.5 * warmth + 0.5 * np.tanh(1.5 * rain) + 0.4 * clay + 0.4 * greenness
    humped = 0.35 * (height**2 - 1.0)
    together = 0.35 * warmth * wetness + 0.4 * np.maximum(wetness, 0.0) * (clay > 0.0)
    return linear + humped + together
