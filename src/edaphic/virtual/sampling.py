"""Profiles of the virtual landscape: dug where people get to, analysed with errors, typed up with faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from rasterio.warp import transform as project

from edaphic.errors import TableError
from edaphic.virtual.fields import Array, Index
from edaphic.virtual.land import Landscape

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


def dig(land: Landscape, row: Index, col: Index, rng: np.random.Generator) -> Pedons:
    """The ground at one random point in each of n cells with soil: the cell's curve times the point's own factor.

    >>> from edaphic.virtual import landscape
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
    >>> from edaphic.virtual import landscape
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
