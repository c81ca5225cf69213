"""A virtual landscape whose true soil organic carbon is known at every place and depth.

Maps of real soil are never checked against the truth: nobody knows it. Here covariates and carbon are made up together,
people sample where they can get to, their tables get gaps and typing faults, and all is written as the raw files that a
user would have. A run of the usual recipe can then be held against ``truth/``.

What is true: the carbon density (kg/m3) of a cell at depth z (cm) is ``surface * exp(-z / scale) + base``, so that the
stock between any two depths is a closed form, at all depths (rock is not modelled: a profile ends where its digger
stopped). The three parameters follow covariates through curves and classes, times spatially correlated fields that no
covariate shows. A profile has the density of its cell times a factor of its own, lognormal with mean one: the truth of
a cell is the mean of all profiles that could be dug in it. At a profile, content times bulk density times share of fine
earth is that density exactly, at each depth, and the means of a horizon multiply to its mean density; to these the
laboratory adds errors of mean zero.

The place lies in the open Adriatic, so that nobody takes it for a real one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import rasterio
from numpy.typing import NDArray
from rasterio.features import shapes
from rasterio.transform import Affine, array_bounds, from_origin
from rasterio.warp import Resampling, calculate_default_transform, reproject
from rasterio.warp import transform as project
from scipy import ndimage
from scipy.special import expit, ndtr

from edaphic.errors import GridError, TableError
from edaphic.units import CM_PER_M

Array = NDArray[np.float64]
Index = NDArray[np.intp]

CRS = "EPSG:32633"
LAND_COVER = MappingProxyType({1: "cropland", 2: "grassland", 3: "forest", 4: "wetland", 5: "water"})
PARENT_MATERIAL = MappingProxyType({1: "alluvium", 2: "limestone", 3: "sandstone", 4: "granite"})
DISTRICTS = ("Ashmere", "Brackwater", "Corvale", "Dunhollow", "Elmstead", "Fernmoor")
NUGGET = 0.18
"""Standard deviation of the logarithm of a profile's own factor."""

FAULTS: Mapping[str, float] = MappingProxyType(
    {
        "gap": 0.03,  # a horizon that nobody took
        "overlap": 0.02,  # a top some cm above the bottom of the horizon over it
        "reversed": 0.006,  # top and bottom exchanged
        "repeated": 0.004,  # a row typed twice
        "no depth": 0.004,
        "no carbon": 0.006,
        "slip": 0.003,  # of the decimal point in bulk density
    }
)
"""Share of horizons that :func:`sample` spoils in each way, at least one each."""


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


@dataclass(frozen=True)
class Pedons:
    """Points in the ground: parameters (n, 1) of their curves over depth.

    The methods take depths in cm, (n, m) or (m,), and give (n, m).
    """

    surface_kg_m3: Array
    base_kg_m3: Array
    scale_cm: Array
    packing: Array
    fragments: Array

    def density_kg_m3(self, depth_cm: Array) -> Array:
        """Carbon in a volume of whole soil."""
        density: Array = self.surface_kg_m3 * np.exp(-depth_cm / self.scale_cm) + self.base_kg_m3
        return density

    def fine_earth(self, depth_cm: Array) -> Array:
        """Share of the volume (0 to 1) that is not stones; falls with depth."""
        return 1.0 - self.fragments * (1.8 - 0.8 * np.exp(-depth_cm / 60.0))

    def soc_g_kg(self, depth_cm: Array) -> Array:
        """Content of fine earth: solves content * bulk density * fine earth = density.

        With u = sqrt(content / 60) and d = density / fine earth, that is ``60 * packing * u^2 = d * (1 + u)``.
        """
        d = self.density_kg_m3(depth_cm) / self.fine_earth(depth_cm)
        a = 60.0 * self.packing
        return 60.0 * ((d + np.sqrt(d * d + 4.0 * a * d)) / (2.0 * a)) ** 2

    def bulk_density_g_cm3(self, depth_cm: Array) -> Array:
        """Of fine earth; like no pedotransfer rule exactly, and ``packing`` differs between profiles."""
        return self.packing / (1.0 + np.sqrt(self.soc_g_kg(depth_cm) / 60.0))


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
    elevation = 90.0 + 1500.0 * ndtr(0.7 * tilt + 0.8 * _field(rng, shape, cell_m, 4000.0, 2.3) - 0.4) ** 1.5
    elevation = np.maximum(elevation, np.quantile(elevation, 0.04))
    gradient = np.gradient(ndimage.gaussian_filter(elevation, 100.0 / cell_m), cell_m)
    slope = np.degrees(np.arctan(np.hypot(gradient[0], gradient[1])))
    above = [(elevation - ndimage.gaussian_filter(elevation, wide / cell_m)) / wide for wide in (400.0, 1200.0)]
    wetness = 8.5 - 30.0 * (above[0] + above[1]) - 1.2 * np.log(np.tan(np.radians(slope)) + 0.02)
    return {"elevation": elevation, "slope": slope, "wetness": np.clip(wetness, 2.0, 20.0)}


def _covariates(rng: np.random.Generator, terrain: Mapping[str, Array], cell_m: float) -> dict[str, Array]:
    """Terrain on the grid, climate, ground, vegetation; last a layer of pure noise and a near copy of the elevation."""
    cov = {name: _halve(values) for name, values in terrain.items()}
    elevation, slope, wetness = cov["elevation"], cov["slope"], cov["wetness"]

    def field(length_m: float, roughness: float = 1.5) -> Array:
        return _field(rng, elevation.shape, cell_m, length_m, roughness)

    # Air cools by 6.2 K/km, apart from cold pools; westerly winds drop their rain where they have to climb.
    smooth = ndimage.gaussian_filter(elevation, 1500.0 / cell_m)
    cov["temperature"] = 13.5 - 0.0062 * elevation + 1.2 * field(6000.0)
    lift = np.clip(np.gradient(smooth, cell_m, axis=1), -0.1, 0.1)
    cov["precipitation"] = 580.0 + 0.4 * smooth + 2000.0 * lift + 70.0 * field(8000.0)

    rocks = field(9000.0, 1.8)
    parent: Array = np.select([rocks < -0.4, rocks < 0.5], [2.0, 3.0], 4.0)
    parent[(slope < 4.0) & (elevation < 300.0)] = 1.0
    clay = 24.0 + _by_class(parent, 4.0, 8.0, -9.0, -3.0) + 0.7 * (wetness - 11.0) + 4.0 * field(2500.0)

    wood = 0.07 * (slope - 6.0) + 0.0018 * (elevation - 480.0) + 0.9 * field(2000.0, 1.8)
    cover = np.where(wood > 0.1, 3.0, 2.0)
    cover[(wood < 0.7) & (slope < 8.0) & (0.004 * (450.0 - elevation) + field(2500.0, 1.8) > -0.2)] = 1.0
    cover[(wetness + 0.8 * field(1500.0, 1.8) > 14.0) & (slope < 5.0)] = 4.0
    cover[_halve((terrain["elevation"] <= terrain["elevation"].min()) * 1.0) >= 0.5] = 5.0
    ndvi = _by_class(cover, 0.48, 0.55, 0.74, 0.62, -0.05) + 0.1 * np.tanh((cov["precipitation"] - 800.0) / 250.0)
    ndvi += 0.04 * field(1500.0) + 0.02 * rng.standard_normal(ndvi.shape)
    cov |= {"ndvi": np.clip(ndvi, -0.2, 0.92), "clay": np.clip(clay, 3.0, 65.0)}
    cov |= {"land_cover": cover, "parent_material": parent}
    cov["noise"] = rng.standard_normal(ndvi.shape)
    cov["elevation_radar"] = elevation + 6.0 * rng.standard_normal(ndvi.shape)
    return cov


def _carbon(rng: np.random.Generator, cov: Mapping[str, Array], cell_m: float) -> tuple[Array, Array, Array, Array]:
    """Surface and base density (kg/m3), scale (cm), share of stones; a ``hidden`` field is what no covariate shows."""

    def hidden(length_m: float) -> Array:
        return _field(rng, cov["slope"].shape, cell_m, length_m, 1.5)

    cold = np.tanh((9.5 - cov["temperature"]) / 3.0)
    wet = expit((cov["wetness"] - 13.0) / 1.2)
    cover, parent, clay = cov["land_cover"], cov["parent_material"], cov["clay"]
    surface = 3.2 + 0.22 * cold + 0.2 * np.tanh((cov["precipitation"] - 850.0) / 200.0) + 0.2 * wet
    surface += _by_class(cover, -0.4, 0.0, 0.1, 0.3, 0.0) + _by_class(parent, 0.0, 0.15, -0.15, 0.0)
    surface += 0.015 * (clay - 25.0) * expit(2.0 * cold) + 0.4 * (cov["ndvi"] - 0.6) + 0.23 * hidden(2000.0)
    scale = np.log(_by_class(cover, 28.0, 24.0, 19.0, 32.0, 1.0)) + 0.1 * wet + 0.08 * hidden(2500.0)
    base = 0.7 + 0.02 * (clay - 25.0) + 0.4 * wet + 0.15 * hidden(4000.0)
    stones = 0.02 + 0.24 * expit((cov["slope"] - 12.0) / 4.0) * _by_class(parent, 0.3, 1.2, 0.8, 1.0)
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
    access *= land * np.exp(1.5 * _field(rng, land.shape, cell_m, 600.0, 1.8))
    return access / access.sum(), np.argmin(away, axis=0).astype(np.float64)


def dig(land: Landscape, row: Index, col: Index, rng: np.random.Generator) -> Pedons:
    """The ground at one random point in each of n cells with soil: the cell's curve times the point's own factor.

    >>> land = landscape(1, shape=(16, 20))
    >>> pedons, z = dig(land, *np.nonzero(land.access), np.random.default_rng(1)), np.array([5.0, 60.0])
    >>> product = pedons.soc_g_kg(z) * pedons.bulk_density_g_cm3(z) * pedons.fine_earth(z)
    >>> bool(np.allclose(product, pedons.density_kg_m3(z)))
    True
    """
    own, loose, stony = rng.standard_normal((3, len(row), 1))
    cells = (*land.density, land.fragments, land.covariates["clay"])
    surface, base, scale, stones, clay = (values[row, col][:, None] for values in cells)
    factor = np.exp(NUGGET * own - NUGGET**2 / 2.0)
    packing = (1.9 - 0.004 * (clay - 25.0)) * np.exp(0.07 * loose)
    return Pedons(surface * factor, base * factor, scale, packing, np.minimum(stones * np.exp(0.5 * stony), 0.35))


def sample(
    land: Landscape, seed: int, *, profiles: int = 400, clustered: bool = True
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sample as people do, and type it up as people do.

    Parameters
    ----------
    land : Landscape
    seed : int
    profiles : int
        Number of profiles, at most one in a cell.
    clustered : bool
        Mostly near towns and roads (each land cover still gets one profile in forty); else evenly at random.

    Returns
    -------
    sites : DataFrame
        PROFILE, LON, LAT (WGS 84), YEAR.
    horizons : DataFrame
        PROFILE, HORIZON, UPPER, LOWER (cm), OC_PCT (% of fine earth), BD (g/cm3 of fine earth), STONES (volume %),
        CLAY (%). Two thirds have no bulk density and a fifth no stones; ``FAULTS`` says what else is wrong.

    Raises
    ------
    TableError
        Fewer than 10 profiles, or more than there are cells with soil.

    Examples
    --------
    >>> sites, horizons = sample(landscape(1, shape=(16, 20)), 1, profiles=20)
    >>> len(sites), list(horizons)
    (20, ['PROFILE', 'HORIZON', 'UPPER', 'LOWER', 'OC_PCT', 'BD', 'STONES', 'CLAY'])
    """
    cells = np.count_nonzero(land.access)
    if not 10 <= profiles <= cells:
        raise TableError(f"virtual sample: {profiles} profiles; expected 10 to {cells} (cells with soil)")
    rng = np.random.default_rng([seed, 2])
    row, col = _places(land, rng, profiles, clustered)
    # Off the edges of the cell: rounding the coordinates to about a metre must not carry a profile into the next one.
    right, down = rng.uniform(0.02, 0.98, (2, profiles))
    x, y = land.transform * (col + right, row + down)
    lon, lat = project(land.crs, "EPSG:4326", x, y)
    names = np.array([f"P{k:04d}" for k in range(1, profiles + 1)])
    year = rng.integers(1996, 2020, profiles)
    sites = pd.DataFrame({"PROFILE": names, "LON": np.round(lon, 5), "LAT": np.round(lat, 5), "YEAR": year})

    which, upper, lower = _horizon_depths(rng, land.covariates["slope"][row, col])
    pedons = dig(land, row, col, rng)
    table = pd.DataFrame({"PROFILE": names[which], "HORIZON": 1, "UPPER": upper, "LOWER": lower})
    table["HORIZON"] = table.groupby("PROFILE").cumcount() + 1
    carbon, bulk_density, stones = _laboratory(rng, Pedons(*(v[which] for v in vars(pedons).values())), upper, lower)
    # A ring for bulk density takes patience: most campaigns never take it, and the others lose some.
    kept = rng.random((2, profiles))[:, which] < np.array([[0.4], [0.85]])
    kept &= rng.random((2, len(which))) < np.array([[0.85], [0.94]])
    clay = land.covariates["clay"][row, col][which] + 0.05 * upper + 2.0 * rng.standard_normal(len(which))
    table["OC_PCT"], table["BD"] = carbon, np.where(kept[0], bulk_density, np.nan)
    table["STONES"], table["CLAY"] = np.where(kept[1], stones, np.nan), np.clip(np.round(clay), 1.0, 80.0)
    return sites, _spoil(rng, table)


def _places(land: Landscape, rng: np.random.Generator, profiles: int, clustered: bool) -> tuple[Index, Index]:
    """Cells to dig in, without repetition."""
    chance = (land.access if clustered else (land.access > 0) * 1.0).ravel().copy()
    chosen: Index = np.empty(0, dtype=np.intp)
    for code in (1, 2, 3, 4) if clustered else ():
        here = np.where(land.covariates["land_cover"].ravel() == code, chance, 0.0)
        few = min(profiles // 40, int(np.count_nonzero(here)))
        if few:
            chosen = np.append(chosen, rng.choice(here.size, few, replace=False, p=here / here.sum()))
    chance[chosen] = 0.0
    rest = rng.choice(chance.size, profiles - len(chosen), replace=False, p=chance / chance.sum())
    row, col = np.unravel_index(rng.permutation(np.append(chosen, rest)), land.access.shape)
    return row, col


def _horizon_depths(rng: np.random.Generator, slope: Array) -> tuple[Index, Array, Array]:
    """Profile, upper and lower depth of natural horizons: whole cm, thicker downwards, to 40-160 cm, less on slopes."""
    n = len(slope)
    end = 40.0 + 120.0 * rng.beta(2.2, 1.6, n) - 1.2 * np.minimum(slope, 20.0) * rng.random(n)
    end = np.clip(np.round(end), 40.0, 160.0)
    thickness = np.array([18.0, 22.0, 28.0, 32.0, 36.0, 40.0, 40.0, 40.0]) * rng.uniform(0.6, 1.5, (n, 8))
    lower = np.minimum(np.cumsum(np.round(thickness), axis=1), end[:, None])
    # What is left of the last horizon joins the one above where it would be a sliver.
    lower[end[:, None] - lower < 8.0] = 0.0
    lower[:, -1] = end
    lower = np.maximum.accumulate(lower, axis=1)
    upper = np.column_stack([np.zeros(n), lower[:, :-1]])
    which, k = np.nonzero(lower > upper)
    return which, upper[which, k], lower[which, k]


def _laboratory(rng: np.random.Generator, pedons: Pedons, upper: Array, lower: Array) -> tuple[Array, Array, Array]:
    """Horizon means (%, g/cm3, volume %) with errors: content by mass of fine earth, bulk density by its volume."""
    node, weight = np.polynomial.legendre.leggauss(8)
    depth = (upper + lower)[:, None] / 2.0 + (lower - upper)[:, None] / 2.0 * node
    earth = pedons.fine_earth(depth)
    mass = (pedons.bulk_density_g_cm3(depth) * earth) @ weight
    content, bulk_density = pedons.density_kg_m3(depth) @ weight / mass, mass / (earth @ weight)
    error = 1.0 + np.array([[0.04], [0.03], [0.15]]) * rng.standard_normal((3, len(upper)))
    stones = 100.0 - 50.0 * (earth @ weight)
    return np.round(content / 10.0 * error[0], 2), np.round(bulk_density * error[1], 2), np.round(stones * error[2])


def _spoil(rng: np.random.Generator, table: pd.DataFrame) -> pd.DataFrame:
    """Gaps, overlaps and typing faults, in every other row at most: those before and after a spoilt one stay sound."""
    later = table["HORIZON"].to_numpy() > 1
    inside = later & np.append(later[1:], False)
    fits = {"gap": inside, "overlap": later, "slip": table["BD"].notna().to_numpy()}
    free = np.arange(len(table)) % 2 == 0
    rows: dict[str, Index] = {}
    for fault, share in FAULTS.items():
        able = np.flatnonzero(free & fits.get(fault, True))
        rows[fault] = rng.choice(able, min(len(able), max(1, round(share * len(table)))), replace=False)
        free[rows[fault]] = False
    table.loc[rows["overlap"], "UPPER"] -= rng.integers(2, 6, len(rows["overlap"]))
    table.loc[rows["reversed"], ["UPPER", "LOWER"]] = table.loc[rows["reversed"], ["LOWER", "UPPER"]].to_numpy()
    table.loc[rows["no depth"], "LOWER"] = np.nan
    table.loc[rows["no carbon"], "OC_PCT"] = np.nan
    table.loc[rows["slip"], "BD"] *= 10.0
    rows_left = np.setdiff1d(np.arange(len(table)), rows["gap"])
    return table.loc[np.sort(np.append(rows_left, rows["repeated"]))].reset_index(drop=True)


def write(
    land: Landscape,
    sites: pd.DataFrame,
    horizons: pd.DataFrame,
    folder: Path,
    *,
    truth_layers: Sequence[tuple[float, float]] = ((0, 30), (30, 60), (60, 100), (0, 100)),
) -> None:
    """Write all as raw files; the covariates differ on purpose in grid, CRS, type, nodata and scale.

    Parameters
    ----------
    land, sites, horizons
        From :func:`landscape` and :func:`sample`.
    folder : Path
        Made if missing. Gets sites.csv, horizons.csv, districts.gpkg (column ``district``), covariates/NAME.tif and
        truth/true_soc_stock_TOP-BOTTOMcm.tif (kg/m2, NaN on water). The same landscape gives the same bytes.
    truth_layers : sequence of (top_cm, bottom_cm)
    """
    for name in ("covariates", "truth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    sites.to_csv(folder / "sites.csv", index=False, lineterminator="\n")
    horizons.to_csv(folder / "horizons.csv", index=False, lineterminator="\n", float_format="%g")
    _write_districts(land, folder / "districts.gpkg")
    half, cov = land.transform * Affine.scale(0.5), dict(land.covariates)
    cov["ndvi"] = np.where(cov["land_cover"] == 5, np.nan, cov["ndvi"])
    for name, dtype, nodata, unit, factor, offset in (
        ("elevation", "int16", -32768, "m", 1, 0),
        ("slope", "float32", -9999, "degree", 1, 0),
        ("wetness", "float32", -9999, "1", 1, 0),
        ("temperature", "float32", np.nan, "degC", 1, 0),
        ("precipitation", "uint16", 65535, "mm", 1, 0),
        ("ndvi", "int16", -32768, "1", 0.0004, -0.08),
        ("clay", "float32", np.nan, "%", 1, 0),
        ("land_cover", "uint8", 0, "", 1, 0),
        ("parent_material", "uint8", 255, "", 1, 0),
        ("elevation_radar", "float32", np.nan, "m", 1, 0),
        ("noise", "float32", np.nan, "1", 1, 0),
    ):
        values, crs, transform = cov[name], land.crs, land.transform
        if name in land.terrain:
            values, transform = land.terrain[name], half
        elif name in ("temperature", "precipitation"):
            (values, transform), crs = _to_degrees(land, values), "EPSG:4326"
        stored = (values - offset) / factor
        stored = np.where(np.isnan(stored), nodata, stored if dtype == "float32" else np.round(stored)).astype(dtype)
        _write_raster(folder / "covariates" / f"{name}.tif", stored, crs, transform, nodata, unit, factor, offset)
    for top, bottom in truth_layers:
        stock = land.true_stock_kg_m2(top, bottom).astype(np.float32)
        path = folder / "truth" / f"true_soc_stock_{top:g}-{bottom:g}cm.tif"
        _write_raster(path, stock, land.crs, land.transform, np.nan, "kg/m2")


def _write_raster(
    path: Path,
    stored: NDArray[np.generic],
    crs: str,
    transform: Affine,
    nodata: float,
    unit: str,
    factor: float = 1.0,
    offset: float = 0.0,
) -> None:
    """One GeoTIFF; a value is the stored number times factor plus offset."""
    profile = {"driver": "GTiff", "count": 1, "dtype": stored.dtype.name, "crs": crs, "transform": transform}
    height, width = stored.shape
    with rasterio.open(path, "w", height=height, width=width, nodata=nodata, compress="deflate", **profile) as out:
        out.write(stored, 1)
        out.set_band_description(1, path.stem)
        out.units, out.scales, out.offsets = (unit,), (factor,), (offset,)


def _to_degrees(land: Landscape, values: Array) -> tuple[Array, Affine]:
    """A field as climate maps show it: means over 30 arc-seconds, on a geographic grid that reaches over the edges."""
    pad = int(np.ceil(4000.0 / land.transform.a))
    padded, origin = np.pad(values, pad, mode="edge"), land.transform * Affine.translation(-pad, -pad)
    height, width = padded.shape
    bounds = array_bounds(height, width, origin)
    crs = {"src_crs": land.crs, "dst_crs": "EPSG:4326"}
    transform, width, height = calculate_default_transform(*crs.values(), width, height, *bounds, resolution=1 / 120)
    degrees = np.full((height, width), np.nan)
    way = {"src_transform": origin, "dst_transform": transform, "resampling": Resampling.average}
    reproject(padded, degrees, dst_nodata=np.nan, **crs, **way)
    return degrees, transform


def _write_districts(land: Landscape, path: Path) -> None:
    """Polygons along cell edges; the file's time stamp is fixed, so that its bytes depend on the seed alone."""
    found = shapes(land.district.astype(np.uint8), transform=land.transform)
    features = [{"geometry": shape, "properties": {"district": DISTRICTS[int(k)]}} for shape, k in found]
    frame = geopandas.GeoDataFrame.from_features(features, crs=land.crs).dissolve("district").reset_index()
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2000-01-01T00:00:00.000Z"})
    try:
        path.unlink(missing_ok=True)
        frame.to_file(path, driver="GPKG", layer="districts", engine="pyogrio")
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _field(rng: np.random.Generator, shape: tuple[int, ...], cell_m: float, length_m: float, roughness: float) -> Array:
    """Gaussian random field by FFT, mean 0 and sd 1: amplitude ``(1 + (2 pi f length)^2)^(-roughness / 2)``.

    Roughness 1.5 is an exponential covariance; more is smoother. Made on twice the area: opposite edges must not match.
    """
    wide = (2 * shape[0], 2 * shape[1])
    f = np.hypot(np.fft.fftfreq(wide[0], cell_m)[:, None], np.fft.rfftfreq(wide[1], cell_m))
    amplitude = (1.0 + (2.0 * np.pi * f * length_m) ** 2) ** (-roughness / 2.0)
    values = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(wide)) * amplitude, s=wide)[: shape[0], : shape[1]]
    field: Array = (values - values.mean()) / values.std()
    return field


def _by_class(codes: Array, *values: float) -> Array:
    """The value that belongs to each code 1, 2, ..."""
    return np.array(values)[codes.astype(np.intp) - 1]


def _halve(fine: Array) -> Array:
    """Means of 2 x 2 cells."""
    mean: Array = fine.reshape(fine.shape[0] // 2, 2, fine.shape[1] // 2, 2).mean(axis=(1, 3))
    return mean
