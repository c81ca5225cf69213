"""Hills, climate, vegetation, and the true carbon that follows from them and from what no map shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from rasterio.transform import Affine, from_origin
from scipy import ndimage
from scipy.special import expit, ndtr

from edaphic.errors import GridError
from edaphic.units import CM_PER_M
from edaphic.virtual.fields import Array, by_class, gaussian_field, halve

CRS = "EPSG:32633"
LAND_COVER = MappingProxyType({1: "cropland", 2: "grassland", 3: "forest", 4: "wetland", 5: "water"})
PARENT_MATERIAL = MappingProxyType({1: "alluvium", 2: "limestone", 3: "sandstone", 4: "granite"})
DISTRICTS = ("Ashmere", "Brackwater", "Corvale", "Dunhollow", "Elmstead", "Fernmoor")


@dataclass(frozen=True)
class Landscape:
    """Covariates and true carbon on one north-up grid; arrays (h, w) are read-only.

    ``covariates`` hold the grid's own values; ``terrain`` has elevation (m), slope (degrees) and wetness at half the
    cell size (2h, 2w). ``density`` is surface (kg/m3), base (kg/m3) and scale (cm), NaN on water; ``fragments`` the
    share of stones at the surface; ``access`` the chance that people sample a cell (0 on water); ``district`` an index
    into ``DISTRICTS``.
    """

    seed: int
    transform: Affine
    covariates: Mapping[str, Array]
    terrain: Mapping[str, Array]
    density: tuple[Array, Array, Array]
    fragments: Array
    access: Array
    district: Array
    crs: str = CRS

    def true_density_kg_m3(self, depth_cm: float) -> Array:
        """Carbon density of each cell at one depth, (h, w)."""
        surface, base, scale = self.density
        density: Array = surface * np.exp(-depth_cm / scale) + base
        return density

    def true_stock_kg_m2(self, top_cm: float, bottom_cm: float) -> Array:
        """Carbon between two depths, (h, w), NaN on water: the exact integral of the density.

        >>> land = landscape(1, shape=(16, 20))
        >>> parts = land.true_stock_kg_m2(0, 30) + land.true_stock_kg_m2(30, 100)
        >>> bool(np.allclose(parts, land.true_stock_kg_m2(0, 100), equal_nan=True))
        True
        """
        surface, base, scale = self.density
        fall = np.exp(-top_cm / scale) - np.exp(-bottom_cm / scale)
        stock: Array = (surface * scale * fall + base * (bottom_cm - top_cm)) / CM_PER_M
        return stock


def landscape(seed: int, *, shape: tuple[int, int] = (120, 150), resolution_m: float = 250.0) -> Landscape:
    """Make hills, climate, vegetation, and the carbon that follows from them and from what no map shows.

    Parameters
    ----------
    seed : int
        The same seed gives the same landscape to the bit.
    shape : (int, int)
        Rows and columns, at least 8 each.
    resolution_m : float
        Cell size; hills and patches keep their size in metres.

    Raises
    ------
    GridError
        Fewer than 8 rows or columns, or a cell size that is not positive.

    Examples
    --------
    >>> list(landscape(7, shape=(40, 50)).covariates)[:5]
    ['elevation', 'slope', 'wetness', 'temperature', 'precipitation']
    """
    if min(shape) < 8 or not resolution_m > 0:
        found = f"shape {shape}, cells of {resolution_m} m"
        raise GridError(f"virtual landscape: {found}; expected 8 x 8 cells or more, above 0 m")
    rng = np.random.default_rng([seed, 1])
    terrain = _terrain(rng, (2 * shape[0], 2 * shape[1]), resolution_m / 2.0)
    cov = _covariates(rng, terrain, resolution_m)
    surface, base, scale, fragments = _carbon(rng, cov, resolution_m)
    access, district = _people(rng, cov, resolution_m)
    for array in (*terrain.values(), *cov.values(), surface, base, scale, fragments, access, district):
        array.setflags(write=False)
    return Landscape(
        seed=seed,
        transform=from_origin(500_000.0, 4_790_000.0, resolution_m, resolution_m),
        covariates=MappingProxyType(cov),
        terrain=MappingProxyType(terrain),
        density=(surface, base, scale),
        fragments=fragments,
        access=access,
        district=district,
    )


def _terrain(rng: np.random.Generator, shape: tuple[int, int], cell_m: float) -> dict[str, Array]:
    """Elevation with lakes in its lowest places, slope, and a wetness proxy: low beside its surroundings, and flat."""
    tilt = np.linspace(0.8, -0.8, shape[0])[:, None] + np.linspace(-0.8, 0.8, shape[1])
    elevation = 90.0 + 1500.0 * ndtr(0.7 * tilt + 0.8 * gaussian_field(rng, shape, cell_m, 4000.0, 2.3) - 0.4) ** 1.5
    elevation = np.maximum(elevation, np.quantile(elevation, 0.04))
    gradient = np.gradient(ndimage.gaussian_filter(elevation, 100.0 / cell_m), cell_m)
    slope = np.degrees(np.arctan(np.hypot(gradient[0], gradient[1])))
    above = [(elevation - ndimage.gaussian_filter(elevation, wide / cell_m)) / wide for wide in (400.0, 1200.0)]
    wetness = 8.5 - 30.0 * (above[0] + above[1]) - 1.2 * np.log(np.tan(np.radians(slope)) + 0.02)
    return {"elevation": elevation, "slope": slope, "wetness": np.clip(wetness, 2.0, 20.0)}


def _covariates(rng: np.random.Generator, terrain: Mapping[str, Array], cell_m: float) -> dict[str, Array]:
    """Terrain on the grid, climate, ground, vegetation; last a layer of pure noise and a near copy of the elevation."""
    cov = {name: halve(values) for name, values in terrain.items()}
    elevation, slope, wetness = cov["elevation"], cov["slope"], cov["wetness"]

    def field(length_m: float, roughness: float = 1.5) -> Array:
        return gaussian_field(rng, elevation.shape, cell_m, length_m, roughness)

    # Air cools by 6.2 K/km, apart from cold pools; westerly winds drop their rain where they have to climb.
    smooth = ndimage.gaussian_filter(elevation, 1500.0 / cell_m)
    cov["temperature"] = 13.5 - 0.0062 * elevation + 1.2 * field(6000.0)
    lift = np.clip(np.gradient(smooth, cell_m, axis=1), -0.1, 0.1)
    cov["precipitation"] = 580.0 + 0.4 * smooth + 2000.0 * lift + 70.0 * field(8000.0)

    rocks = field(9000.0, 1.8)
    parent: Array = np.select([rocks < -0.4, rocks < 0.5], [2.0, 3.0], 4.0)
    parent[(slope < 4.0) & (elevation < 300.0)] = 1.0
    clay = 24.0 + by_class(parent, 4.0, 8.0, -9.0, -3.0) + 0.7 * (wetness - 11.0) + 4.0 * field(2500.0)

    wood = 0.07 * (slope - 6.0) + 0.0018 * (elevation - 480.0) + 0.9 * field(2000.0, 1.8)
    cover = np.where(wood > 0.1, 3.0, 2.0)
    cover[(wood < 0.7) & (slope < 8.0) & (0.004 * (450.0 - elevation) + field(2500.0, 1.8) > -0.2)] = 1.0
    cover[(wetness + 0.8 * field(1500.0, 1.8) > 14.0) & (slope < 5.0)] = 4.0
    cover[halve((terrain["elevation"] <= terrain["elevation"].min()) * 1.0) >= 0.5] = 5.0
    ndvi = by_class(cover, 0.48, 0.55, 0.74, 0.62, -0.05) + 0.1 * np.tanh((cov["precipitation"] - 800.0) / 250.0)
    ndvi += 0.04 * field(1500.0) + 0.02 * rng.standard_normal(ndvi.shape)
    cov |= {"ndvi": np.clip(ndvi, -0.2, 0.92), "clay": np.clip(clay, 3.0, 65.0)}
    cov |= {"land_cover": cover, "parent_material": parent}
    cov["noise"] = rng.standard_normal(ndvi.shape)
    cov["elevation_radar"] = elevation + 6.0 * rng.standard_normal(ndvi.shape)
    return cov


def _carbon(rng: np.random.Generator, cov: Mapping[str, Array], cell_m: float) -> tuple[Array, Array, Array, Array]:
    """Surface and base density (kg/m3), scale (cm), share of stones; a ``hidden`` field is what no covariate shows."""

    def hidden(length_m: float) -> Array:
        return gaussian_field(rng, cov["slope"].shape, cell_m, length_m, 1.5)

    cold = np.tanh((9.5 - cov["temperature"]) / 3.0)
    wet = expit((cov["wetness"] - 13.0) / 1.2)
    cover, parent, clay = cov["land_cover"], cov["parent_material"], cov["clay"]
    surface = 3.2 + 0.22 * cold + 0.2 * np.tanh((cov["precipitation"] - 850.0) / 200.0) + 0.2 * wet
    surface += by_class(cover, -0.4, 0.0, 0.1, 0.3, 0.0) + by_class(parent, 0.0, 0.15, -0.15, 0.0)
    surface += 0.015 * (clay - 25.0) * expit(2.0 * cold) + 0.4 * (cov["ndvi"] - 0.6) + 0.23 * hidden(2000.0)
    scale = np.log(by_class(cover, 28.0, 24.0, 19.0, 32.0, 1.0)) + 0.1 * wet + 0.08 * hidden(2500.0)
    base = 0.7 + 0.02 * (clay - 25.0) + 0.4 * wet + 0.15 * hidden(4000.0)
    stones = 0.02 + 0.24 * expit((cov["slope"] - 12.0) / 4.0) * by_class(parent, 0.3, 1.2, 0.8, 1.0)
    dry = np.where(cover == 5, np.nan, 1.0)
    return dry * np.exp(surface), dry * np.exp(base), dry * np.exp(scale), dry * stones


def _people(rng: np.random.Generator, cov: Mapping[str, Array], cell_m: float) -> tuple[Array, Array]:
    """Chance of being sampled (towns, roads between them, lowlands; little elsewhere), and the nearest town's index."""
    land = cov["land_cover"] != 5
    homely = land * np.exp(-cov["elevation"] / 300.0 - cov["slope"] / 4.0)
    place = np.indices(land.shape) * cell_m / 1000.0
    away = np.full((len(DISTRICTS), *land.shape), np.inf)
    road = np.full(land.shape, np.inf)
    towns = np.empty((0, 2))
    for k in range(len(DISTRICTS)):
        # A new town keeps clear of the others; its road goes to the nearest of them.
        chance = homely * -np.expm1(-((away.min(axis=0) / 8.0) ** 2))
        town = place.reshape(2, -1)[:, rng.choice(land.size, p=(chance / chance.sum()).ravel())]
        away[k] = np.hypot(*(place - town[:, None, None]))
        if k:
            step = towns[np.argmin(np.hypot(*(towns - town).T))] - town
            along = np.clip(np.tensordot(step, place - town[:, None, None], 1) / (step @ step + 1e-9), 0.0, 1.0)
            road = np.minimum(road, np.hypot(*(place - town[:, None, None] - along * step[:, None, None])))
        towns = np.vstack([towns, town])
    access = np.exp(-away.min(axis=0) / 1.6) + 0.3 * np.exp(-road / 0.5)
    access = access * (0.3 + np.exp(-cov["elevation"] / 400.0)) + 0.025
    # A campaign digs many pits where it has come to: clumps everywhere.
    access *= land * np.exp(1.5 * gaussian_field(rng, land.shape, cell_m, 600.0, 1.8))
    return access / access.sum(), np.argmin(away, axis=0).astype(np.float64)
