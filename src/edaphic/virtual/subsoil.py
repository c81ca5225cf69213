"""A virtual landscape of the second paper's structure: three ecosystems that share each cell, and beta by ecosystem.

Cumulative carbon to depth d (cm) is in proportion to ``1 - beta^d``: density is ``surface * beta^z``. In each cell beta of an ecosystem
follows nine drivers through the thresholds of :data:`RESPONSES`, and a field that no driver shows. All ecosystems of a cell have the
topsoil stock (0 to 20 cm) of the cell, as in the paper; layers below follow from it and from beta (the paper's equation 3). Four of the
drivers (total nitrogen, C:N, microbial carbon and nitrogen) are made of carbon, as they are in the field.

A profile belongs to one ecosystem; it has a beta and a topsoil stock of its own around those of its cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from rasterio.transform import from_origin
from scipy.special import expit

from edaphic.errors import GridError
from edaphic.virtual.fields import Array
from edaphic.virtual.ground import Place, curve_stock_kg_m2, fields, ramp

ECOSYSTEMS: Mapping[int, str] = MappingProxyType({1: "cropland", 2: "grassland", 3: "forest"})
SIZES: Mapping[str, tuple[tuple[int, int], int]] = MappingProxyType({"small": ((60, 90), 600), "full": ((300, 400), 6000)})
"""Rows and columns, number of profiles."""

CELL_DEG = 1.0 / 12.0
STEPS = ((20, 40), (40, 60), (60, 80), (80, 100))
TOPSOIL_CM = 20
MEAN_BETA: Mapping[int, float] = MappingProxyType({1: 0.9731, 2: 0.9772, 3: 0.9790})
"""Mean of beta over the area of each ecosystem: the observed means of the paper."""

STRENGTH: Mapping[int, float] = MappingProxyType({1: 1.2, 2: 1.0, 3: 0.8})
"""Factor of all responses in each ecosystem."""

RESPONSES: Mapping[str, tuple[str, float, float]] = MappingProxyType(
    {
        "mat": ("flat above", 20.0, 0.0006),
        "map": ("flat above", 1000.0, 0.000008),
        "bnpp": ("flat above", 2.0, 0.0020),
        "cn": ("step above", 10.0, -0.0030),
        "mc": ("step above", 100.0, -0.0020),
        "mn": ("step above", 20.0, -0.0015),
        "tn": ("step above", 3.0, -0.0020),
        "ph": ("step below", 6.0, -0.0025),
        "clay": ("step above", 30.0, -0.0030),
    }
)
"""How beta answers to a driver: kind, threshold, and slope per unit below it (``flat above``) or the height of the step."""

WIDTHS: Mapping[str, float] = MappingProxyType({"cn": 0.5, "mc": 8.0, "mn": 1.5, "tn": 0.15, "ph": 0.15, "clay": 1.5})
"""Half width of the steps: a logistic curve."""

HIDDEN_SD = 0.0012
"""Standard deviation of the field of beta that no driver shows."""

PIT_BETA_SD = 0.0025
PIT_LOG_SD = 0.25
"""Of a profile: standard deviation of its beta, and of the logarithm of its topsoil stock, around those of the cell."""

TOPSOIL_ERROR = 0.12
"""Standard deviation of the logarithm of the error of the topsoil grid (smooth, mean 1)."""


@dataclass(frozen=True)
class BetaSubsoil:
    """Drivers, area fractions and true carbon; arrays (h, w).

    ``drivers`` are the nine predictors: bnpp (Mg/ha/yr), ph, clay (%), mat (C), map (mm), tn (g/kg), mn, mc (mg/kg), cn. ``fractions`` and
    ``beta`` by ecosystem; ``topsoil`` the true stock of 0-20 cm (kg/m2).
    """

    seed: int
    place: Place
    profiles: int
    drivers: Mapping[str, Array]
    fractions: Mapping[int, Array]
    beta: Mapping[int, Array]
    topsoil: Array
    packing: Array
    gravel: Array

    @property
    def dominant(self) -> Array:
        """Code of the ecosystem with the largest share of the cell."""
        codes: Array = np.argmax(np.stack([self.fractions[code] for code in ECOSYSTEMS]), axis=0) + 1.0
        return codes

    def curve(self, ecosystem: int) -> tuple[Array, Array]:
        """Density at the surface (kg/m3) and scale (cm), -1 / ln beta."""
        return curve_of(self.beta[ecosystem], self.topsoil)

    def true_stock_kg_m2(self, ecosystem: int, top_cm: float, bottom_cm: float) -> Array:
        """Carbon of an ecosystem between two depths, for each m2 that it covers.

        >>> land = beta_subsoil(1)
        >>> ratio = land.true_stock_kg_m2(3, 0, 100) / land.topsoil
        >>> bool(np.allclose(ratio, (1 - land.beta[3] ** 100) / (1 - land.beta[3] ** 20)))
        True
        """
        surface, scale = self.curve(ecosystem)
        return curve_stock_kg_m2(surface, np.zeros_like(surface), scale, top_cm, bottom_cm)


def curve_of(beta: Array, topsoil_kg_m2: Array) -> tuple[Array, Array]:
    """Surface density (kg/m3) and scale (cm) of a profile of which beta and the stock of 0-20 cm are known.

    >>> surface, scale = curve_of(np.array(0.975), np.array(5.0))
    >>> round(float(curve_stock_kg_m2(surface, np.array(0.0), scale, 0, 20)), 10)
    5.0
    """
    rate = -np.log(beta)
    return 100.0 * topsoil_kg_m2 * rate / (1.0 - beta**TOPSOIL_CM), 1.0 / rate


def response(name: str, values: Array) -> Array:
    """What a driver adds to beta before the factor of the ecosystem.

    >>> [round(float(value), 6) for value in response("mat", np.array([10.0, 20.0, 28.0]))]
    [0.006, 0.012, 0.012]
    >>> [round(float(value), 6) for value in response("ph", np.array([4.0, 6.0, 8.0]))]
    [-0.0025, -0.00125, -0.0]
    """
    kind, threshold, height = RESPONSES[name]
    sign = 1.0 if kind == "step above" else -1.0
    flat = kind == "flat above"
    added: Array = height * (np.minimum(values, threshold) if flat else expit(sign * (values - threshold) / WIDTHS[name]))
    return added


def beta_subsoil(seed: int, size: str = "small") -> BetaSubsoil:
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
    """
    if size not in SIZES:
        raise GridError(f"virtual landscape: size {size!r}; expected one of {', '.join(SIZES)}")
    shape, profiles = SIZES[size]
    # In the open Atlantic.
    place = Place(shape, from_origin(-55.0, 40.0, CELL_DEG, CELL_DEG), "EPSG:4326")
    rng = np.random.default_rng([seed, 31])
    field = fields(rng, place, 9000.0)
    mat = 12.5 + 10.0 * ramp(shape, 0) + 3.0 * field(90_000.0, 2.0)
    rain = np.exp(np.log(680.0) + 0.5 * field(110_000.0, 2.0) + 0.25 * ramp(shape, 1))
    bnpp = 3.2 * (1.0 - np.exp(-rain / 900.0)) * expit((mat - 2.0) / 6.0) * np.exp(0.15 * field(50_000.0)) + 0.2
    ph = np.clip(7.9 - 1.9 * np.tanh((rain - 400.0) / 700.0) + 0.4 * field(60_000.0), 4.0, 9.0)
    clay = np.clip(25.0 + 9.0 * field(60_000.0), 3.0, 65.0)
    fractions = _fractions(field, mat, rain)
    richness = 0.35 * np.tanh((9.0 - mat) / 8.0) + 0.35 * np.tanh((rain - 600.0) / 500.0) + 0.012 * (clay - 25.0)
    topsoil = np.exp(np.log(4.2) + richness + 0.25 * fractions[3] - 0.2 * fractions[1] + 0.15 * field(50_000.0))
    content = topsoil / 0.2 / 1.2  # g/kg at a bulk density of 1.2 g/cm3
    cn = 9.0 + 3.0 * fractions[3] + 1.2 * field(70_000.0)
    microbes = 1000.0 * content * 0.008 * np.exp(0.3 * field(60_000.0))
    drivers = {"bnpp": bnpp, "ph": ph, "clay": clay, "mat": mat, "map": rain, "tn": content / cn}
    drivers |= {"mn": microbes / (6.5 * np.exp(0.15 * field(60_000.0))), "mc": microbes, "cn": cn}
    signal = sum((response(name, drivers[name]) for name in RESPONSES), np.zeros(shape))
    beta = {}
    for code in ECOSYSTEMS:
        raw = STRENGTH[code] * signal + HIDDEN_SD * field(40_000.0)
        centre = np.average(raw, weights=fractions[code])
        beta[code] = np.clip(MEAN_BETA[code] + raw - centre, 0.94, 0.992)
    return BetaSubsoil(
        seed=seed,
        place=place,
        profiles=profiles,
        drivers=MappingProxyType(drivers),
        fractions=MappingProxyType(fractions),
        beta=MappingProxyType(beta),
        topsoil=topsoil,
        packing=1.9 - 0.004 * (clay - 25.0) + 0.04 * field(50_000.0),
        gravel=np.clip(0.04 + 0.05 * field(40_000.0), 0.0, 0.3),
    )


def _fractions(field: Callable[..., Array], mat: Array, rain: Array) -> dict[int, Array]:
    """Shares of cropland, grassland and forest; what is left of a cell is bare, built or water."""
    likes = {
        1: 0.8 * np.tanh((mat - 8.0) / 8.0) - ((rain - 700.0) / 700.0) ** 2 + 1.1 * field(45_000.0),
        2: 0.5 - 0.0008 * (rain - 500.0) + 0.9 * field(45_000.0),
        3: 0.0016 * (rain - 650.0) + 0.9 * field(45_000.0),
    }
    weights = {code: np.exp(1.3 * value) for code, value in likes.items()}
    covered = 0.55 + 0.42 * expit((rain - 400.0) / 120.0)
    total = sum(weights.values(), np.zeros_like(mat))
    return {code: covered * values / total for code, values in weights.items()}


def cell_areas_m2(place: Place) -> Array:
    """True area of each cell of a grid in degrees on the ellipsoid WGS 84, (h, 1).

    The area between the equator and latitude p over one radian of longitude is ``b^2 / 2 (s / (1 - e^2 s^2) + artanh(e s) / e)`` with
    ``s = sin p``.

    >>> whole = Place((180, 360), from_origin(-180.0, 90.0, 1.0, 1.0), "EPSG:4326")
    >>> round(float(cell_areas_m2(whole).sum() * 360 / 1e12), 2)
    510.07
    """
    semi_minor, e2 = 6_356_752.314245, 0.0066943799901413165
    edges = np.radians(place.transform.f + place.transform.e * np.arange(place.shape[0] + 1))
    s, e = np.sin(edges), np.sqrt(e2)
    below = semi_minor**2 / 2.0 * (s / (1.0 - e2 * s**2) + np.arctanh(e * s) / e)
    areas: Array = -np.diff(below)[:, None] * np.radians(place.cell)
    return areas
