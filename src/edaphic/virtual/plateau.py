"""A virtual landscape of the third paper's structure: seven groups of covariates at 90 m, carbon to two metres, depth to bedrock.

Behind each group of covariates stands one latent variable with mean 0 and standard deviation 1 over all cells. Latent variables follow
each other by the path coefficients of :data:`PATHS`; the logarithms of the carbon density at the surface and far below follow all of them
by :data:`SHALLOW` and :data:`DEEP`, and a field that nothing shows. The covariates are indicators: a loading times the latent variable,
and noise of their own. So a path model of the covariates can be held against the coefficients that made them.

Density at depth z (cm) is ``surface * exp(-z / scale) + base`` down to the bedrock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from rasterio.transform import from_origin
from scipy import ndimage

from edaphic.errors import GridError
from edaphic.virtual.fields import Array
from edaphic.virtual.ground import Place, curve_stock_kg_m2, fields, relief, slope_deg, standard

LAYERS = ((0, 30), (30, 100), (100, 200), (0, 200))
CELL_M = 90.0
SIZES: Mapping[str, tuple[tuple[int, int], int]] = MappingProxyType({"small": ((100, 100), 500), "full": ((800, 1000), 2442)})
"""Rows and columns, number of profiles."""

GROUPS = ("topography", "lithology", "paleoclimate", "climate", "permafrost", "vegetation", "human")

PATHS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "paleoclimate": {"topography": 0.45},
        "climate": {"topography": 0.35, "paleoclimate": 0.4},
        "permafrost": {"climate": 0.6, "topography": 0.2},
        "vegetation": {"climate": 0.5, "topography": 0.1, "lithology": 0.15},
        "human": {"climate": -0.25, "topography": -0.35},
    }
)
"""Coefficients of the latent variables that each one follows; the rest of its variance is a field of its own."""

SHALLOW: Mapping[str, float] = MappingProxyType(
    {
        "topography": 0.08,
        "lithology": 0.08,
        "paleoclimate": -0.05,
        "climate": 0.45,
        "permafrost": 0.08,
        "vegetation": 0.30,
        "human": -0.10,
    }
)
"""Coefficients of the surface density, on a scale of standard deviation about 1."""

DEEP: Mapping[str, float] = MappingProxyType(
    {
        "topography": 0.10,
        "lithology": 0.15,
        "paleoclimate": -0.27,
        "climate": 0.50,
        "permafrost": 0.15,
        "vegetation": 0.10,
        "human": -0.03,
    }
)
"""Coefficients of the density far below."""

RESIDUAL = 0.35
"""Coefficient of the field that nothing shows, in both."""

LOG_SD = 0.55
"""Factor from that scale to logarithms of density."""

VEGETATION: Mapping[int, str] = MappingProxyType(
    {
        1: "desert",
        2: "alpine steppe",
        3: "alpine meadow",
        4: "swamp meadow",
        5: "shrub",
        6: "needleleaf forest",
        7: "broadleaf forest",
        8: "cultivated",
        9: "cushion vegetation",
        10: "others",
    }
)
LAND_USE: Mapping[int, str] = MappingProxyType({1: "cropland", 2: "pasture", 3: "forest", 4: "built", 5: "unused"})
LITHOLOGY: Mapping[int, str] = MappingProxyType(
    {1: "evaporite", 2: "sandstone", 3: "unconsolidated", 4: "granite", 5: "mixed sediments", 6: "schist", 7: "limestone", 8: "basalt"}
)
"""In the order of the latent variable."""

PERMAFROST: Mapping[int, str] = MappingProxyType({1: "non-frozen", 2: "seasonally frozen", 3: "permafrost"})
LOADINGS = (0.75, 0.92)
"""Range of the absolute loadings of climate and paleoclimate."""


@dataclass(frozen=True)
class Plateau:
    """Latent variables, covariates and true carbon; arrays (h, w).

    ``latent`` by group; ``climate`` (bio1 to bio19), ``paleoclimate`` (mh_bio1 to lgm_bio19) on the fine cells, to be written at their
    own; ``other`` holds ndvi, vegetation, land_use, livestock, population, lithology and permafrost; ``bedrock`` the depth of soil in cm;
    ``loadings`` those of each indicator.
    """

    seed: int
    place: Place
    profiles: int
    elevation: Array
    slope: Array
    latent: Mapping[str, Array]
    climate: Mapping[str, Array]
    paleoclimate: Mapping[str, Array]
    other: Mapping[str, Array]
    loadings: Mapping[str, float]
    surface: Array
    base: Array
    scale: Array
    packing: Array
    fragments: Array
    bedrock: Array

    def true_stock_kg_m2(self, top_cm: float, bottom_cm: float, *, cut: bool = True) -> Array:
        """Carbon between two depths, (h, w); none below the bedrock, unless ``cut`` is false.

        >>> land = plateau(1)
        >>> whole = land.true_stock_kg_m2(0, 200)
        >>> parts = sum(land.true_stock_kg_m2(*layer) for layer in LAYERS[:3])
        >>> bool(np.allclose(parts, whole)), bool((whole <= land.true_stock_kg_m2(0, 200, cut=False)).all())
        (True, True)
        """
        if not cut:
            return curve_stock_kg_m2(self.surface, self.base, self.scale, top_cm, bottom_cm)
        top, bottom = (np.minimum(depth, self.bedrock) for depth in (top_cm, bottom_cm))
        return curve_stock_kg_m2(self.surface, self.base, self.scale, top, bottom)

    def coefficients(self, top_cm: float, bottom_cm: float) -> dict[str, float]:
        """Of the logarithm of the true stock of a layer, standardised, on all latent variables together: direct effects; and the R2."""
        wanted = standard(np.log(self.true_stock_kg_m2(top_cm, bottom_cm, cut=False))).ravel()
        columns = np.column_stack([self.latent[group].ravel() for group in GROUPS])
        found = _least_squares(columns, wanted)
        left = wanted - (columns * found).sum(axis=1)
        return {group: float(value) for group, value in zip(GROUPS, found, strict=True)} | {"R2": float(1.0 - (left**2).mean())}


def plateau(seed: int, size: str = "small") -> Plateau:
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
    place = Place(shape, from_origin(500_000.0, 4_790_000.0, CELL_M, CELL_M), "EPSG:32633")
    rng = np.random.default_rng([seed, 41])
    field = fields(rng, place, CELL_M)
    elevation = relief(field, 3300.0, 5200.0, 2500.0)
    slope = slope_deg(elevation, CELL_M)
    latent = _latent(field, elevation, slope)
    climate, paleoclimate, loadings = _indicators(rng, field, latent)
    residual = apart(field(900.0), latent)
    shallow, deep = (sum((value * latent[group] for group, value in weights.items()), RESIDUAL * residual) for weights in (SHALLOW, DEEP))
    thin = 1500.0 * np.exp(-np.maximum(slope - 8.0, 0.0) / 12.0 + 0.9 * field(700.0))
    return Plateau(
        seed=seed,
        place=place,
        profiles=profiles,
        elevation=elevation,
        slope=slope,
        latent=MappingProxyType(latent),
        climate=MappingProxyType(climate),
        paleoclimate=MappingProxyType(paleoclimate),
        other=MappingProxyType(_cover(rng, field, latent, elevation, slope)),
        loadings=MappingProxyType(loadings),
        surface=np.exp(np.log(26.0) + LOG_SD * shallow),
        base=np.exp(np.log(4.5) + LOG_SD * deep),
        scale=np.exp(np.log(26.0) + 0.08 * field(1200.0)),
        packing=1.85 + 0.05 * field(1200.0),
        fragments=np.clip(0.05 + 0.006 * slope + 0.03 * field(600.0), 0.0, 0.35),
        # A tenth of the area has less than two metres of soil.
        bedrock=np.maximum(thin * 200.0 / np.quantile(thin, 0.1), 15.0),
    )


def _latent(field: Callable[..., Array], elevation: Array, slope: Array) -> dict[str, Array]:
    """One variable for each group, mean 0 and standard deviation 1: what it follows, and a field of its own."""
    latent = {"topography": standard(0.85 * standard(elevation) - 0.5 * standard(np.log(slope + 1.0)))}
    latent["lithology"] = apart(field(1500.0, 1.8), latent)
    lengths = {"paleoclimate": 2200.0, "climate": 1600.0, "permafrost": 900.0, "vegetation": 500.0, "human": 800.0}
    for name, length in lengths.items():
        told = sum((value * latent[other] for other, value in PATHS[name].items()), np.zeros_like(elevation))
        latent[name] = told + np.sqrt(1.0 - told.var()) * apart(field(length, 2.0), latent)
    return {group: latent[group] for group in GROUPS}


def apart(values: Array, others: Mapping[str, Array]) -> Array:
    """What is left of a field when all that it shares with others by chance is taken out; mean 0, standard deviation 1.

    A place has only so many hills: without this, independent fields would correlate, and coefficients would not be those stated.

    >>> one, two = np.array([[1.0, -1.0, 0.0, 0.0]]), np.array([[1.0, 0.0, 1.0, -2.0]])
    >>> bool(abs((apart(two, {"one": one}) * one).sum()) < 1e-12)
    True
    """
    columns = np.column_stack([other.ravel() for other in others.values()])
    centred = values.ravel() - values.mean()
    shared = _least_squares(columns, centred)
    return standard((centred - (columns * shared).sum(axis=1)).reshape(values.shape))


def _least_squares(columns: Array, wanted: Array) -> Array:
    """Coefficients by normal equations, summed by one thread: the bits of a landscape do not hang on their number."""
    squares, products = np.einsum("ij,ik->jk", columns, columns), np.einsum("ij,i->j", columns, wanted)
    return np.linalg.solve(squares, products)


def _indicators(
    rng: np.random.Generator, field: Callable[..., Array], latent: Mapping[str, Array]
) -> tuple[dict[str, Array], dict[str, Array], dict[str, float]]:
    """Nineteen of climate, twice nineteen of paleoclimate: bio1 to bio11 of temperature in C, bio12 to bio19 of precipitation in mm."""
    loadings: dict[str, float] = {}

    def of(group: str, name: str, number: int, shift: float) -> Array:
        # It is cold and moist where the latent variable is high.
        values: Array
        loading = float(rng.uniform(*LOADINGS)) * (-1.0 if number <= 11 else 1.0)
        loadings[name] = loading
        score = loading * latent[group] + np.sqrt(1.0 - loading**2) * standard(field(1400.0, 2.2))
        if number <= 11:
            values = shift + 1.5 + 0.5 * (number - 1) + 3.0 * score
        else:
            values = np.maximum((450.0 + 40.0 * (12 - number)) * np.exp(0.3 * score + 0.02 * shift), 1.0)
        return values

    climate = {f"bio{k}": of("climate", f"bio{k}", k, 0.0) for k in range(1, 20)}
    past: dict[str, Array] = {}
    for age, shift in (("mh", 0.5), ("lgm", -5.0)):
        past |= {f"{age}_bio{k}": of("paleoclimate", f"{age}_bio{k}", k, shift) for k in range(1, 20)}
    return climate, past, loadings


def _cover(
    rng: np.random.Generator, field: Callable[..., Array], latent: Mapping[str, Array], elevation: Array, slope: Array
) -> dict[str, Array]:
    """Vegetation, people, rocks and frost."""
    green, people = latent["vegetation"], latent["human"]
    high, flat = standard(elevation), slope < np.quantile(slope, 0.3)
    code = 1.0 + np.searchsorted([-1.1, -0.35], green + 0.25 * field(400.0))
    code = np.where(code == 3, np.select([green > 1.0, green > 0.55], [5.0, 3.0], 3.0), code)
    code = np.select(
        [
            flat & (green > 0.7),
            (high < -0.6) & (people > 0.9),
            (high < -0.9) & (green > 0.3),
            (high < -0.3) & (green > 0.5),
            (high > 1.3) & (green < 0.2),
            field(500.0) > 1.8,
        ],
        [4.0, 8.0, 7.0, 6.0, 9.0, 10.0],
        code,
    )
    use = np.select([code == 8, (code == 6) | (code == 7), people > 1.7, code <= 1], [1.0, 3.0, 4.0, 5.0], 2.0)
    herds = ndimage.uniform_filter(standard(0.8 * people + 0.6 * standard(field(1500.0))), 9)
    rocks = latent["lithology"] + 0.15 * rng.standard_normal(green.shape)
    frost = latent["permafrost"] + 0.2 * field(400.0)
    return {
        "ndvi": np.clip(0.38 + 0.14 * (0.92 * green + 0.39 * standard(field(600.0))), 0.02, 0.9),
        "vegetation": code,
        "land_use": use,
        "livestock": np.exp(2.5 + 0.7 * herds),
        "population": np.exp(0.5 + 1.1 * people + 0.4 * field(400.0)),
        "lithology": 1.0 + np.searchsorted(np.quantile(latent["lithology"], np.arange(1, 8) / 8.0), rocks),
        "permafrost": 1.0 + np.searchsorted([-0.9, 0.1], frost),
    }
