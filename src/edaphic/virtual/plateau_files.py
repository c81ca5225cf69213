"""The plateau as raw files, with its truth; and the profiles that were dug in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from rasterio.transform import Affine
from scipy import ndimage

from edaphic.units import KG_PER_TG
from edaphic.virtual.fields import Array, Index
from edaphic.virtual.ground import Place, drawn_cells, fields, horizons_to, resampled, write_published, write_table, write_truth
from edaphic.virtual.plateau import (
    CELL_M,
    DEEP,
    LAYERS,
    LITHOLOGY,
    PATHS,
    PERMAFROST,
    RESIDUAL,
    SHALLOW,
    VEGETATION,
    Plateau,
    plateau,
)
from edaphic.virtual.sampling import NUGGET, Pedons, _laboratory

KM, TWO_KM = 11, 22
"""Cells of 90 m along a cell of climate (990 m) and of the older paleoclimate (1,980 m)."""

VALIDATION_SITES = 53
PRODUCTS = {"fine_grids": (1.3, 2.0, 0.0), "world_soils": (0.75, 6.0, 0.05), "harmonised": (0.5, 9.0, 0.1), "regional": (0.62, 4.0, 0.0)}
"""Bias (factor), smoothing (cells of about 1 km, halves allowed) and share of cells without a value of each product."""

CLASSES = ("vegetation", "land_use", "lithology", "permafrost")
REPORTED_ERROR = 0.1


def write_plateau(folder: Path, seed: int, size: str = "small") -> Plateau:
    """Make the landscape and write it as a user would have it, with its truth.

    ``dem.tif`` (90 m), ``climate/`` (19), ``paleoclimate/`` (38), ``vegetation/`` (2), ``human/`` (3), ``lithology/``, ``permafrost/``,
    ``bedrock.tif``, ``profiles/``, ``products/`` (four products, four layers), ``truth/``.
    """
    land = plateau(seed, size)
    rng = np.random.default_rng([seed, 42])
    land.place.write(folder / "dem.tif", land.elevation, "m")
    for name, values in land.climate.items():
        _coarse(land, folder / "climate" / f"{name}.tif", values, KM, _unit(name))
    for name, values in land.paleoclimate.items():
        _coarse(land, folder / "paleoclimate" / f"{name}.tif", values, TWO_KM if name.startswith("lgm") else KM, _unit(name))
    homes = {"ndvi": "vegetation", "vegetation": "vegetation", "lithology": "lithology", "permafrost": "permafrost"}
    for name, values in land.other.items():
        path = folder / homes.get(name, "human") / f"{name}.tif"
        if name in CLASSES:
            land.place.codes(path, values)
        else:
            land.place.write(path, values, {"ndvi": "1", "livestock": "head/km2", "population": "1/km2"}[name])
    land.place.write(folder / "bedrock.tif", np.minimum(land.bedrock, 5000.0), "cm")
    counts = write_pits(land, folder / "profiles", rng)
    products = _write_products(land, folder / "products", rng)
    _write_truth(land, folder / "truth", counts | {"products": products})
    return land


def _unit(name: str) -> str:
    return "degC" if int(name.split("bio")[1]) <= 11 else "mm"


def _coarse(land: Plateau, path: Path, values: Array, block: int, unit: str) -> None:
    """Means of blocks on a grid of their own, which reaches over the edges."""
    means = resampled(values, values.shape, block)
    Place(means.shape, land.place.transform * Affine.scale(block), land.place.crs).write(path, means, unit)


def write_pits(land: Plateau, folder: Path, rng: np.random.Generator) -> dict[str, object]:
    """Four sources and a field campaign.

    A data base with horizons (half without bulk density), a census with organic carbon in % and stones by mass, a survey book that reports
    stocks only, literature to one metre; and 53 sites of two layers, analysed three times each, that nobody trains on.
    """
    chance = np.exp(0.8 * fields(rng, land.place, CELL_M)(1500.0) - 0.02 * land.slope)
    row, col = drawn_cells(rng, chance, land.profiles + VALIDATION_SITES)
    lon, lat = land.place.lon_lat(row, col, rng, 6)
    pits = _pits(land, row, col, rng)
    n = land.profiles
    ends = [int(0.4 * n), int(0.65 * n), int(0.8 * n), n]
    label = np.array([f"Q{k:05d}" for k in range(1, len(row) + 1)])
    sites = pd.DataFrame({"id": label, "lon": lon, "lat": lat, "year": rng.integers(1980, 2021, len(row))})
    soil = land.bedrock[row, col]
    # Half of the pits go on to two metres, the others stop where the digger did; none goes into the rock.
    wished = np.where(rng.random(len(row)) < 0.5, 200.0, 30.0 + 170.0 * rng.beta(2.0, 1.5, len(row)))
    end = np.maximum(np.minimum(wished, soil), 10.0)
    base, census, book, literature = (np.arange(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True))
    table = _measured(sites, pits, base, end[base], rng)
    table.loc[np.isin(table["id"], label[base[rng.random(len(base)) < 0.5]]), "bd_kg_m3"] = np.nan
    rock = np.where(soil < 200.0, np.round(soil), np.nan)
    write_table(folder / "base_sites.csv", sites.iloc[base].assign(rock_cm=rock[base]))
    write_table(folder / "base_horizons.csv", table[["id", "top_cm", "bottom_cm", "soc_g_kg", "bd_kg_m3", "gravel_vol"]])
    _write_census(folder, _measured(sites, pits, census, end[census], rng), rng)
    _write_book(folder, sites, pits, book, end, rng)
    shallow = _measured(sites, pits, literature, np.minimum(end[literature], 100.0), rng)
    write_table(folder / "literature.csv", shallow.drop(columns="bd_kg_m3"))
    field = _write_campaign(folder, sites, pits, np.arange(n, n + VALIDATION_SITES), soil, rng)
    parts = zip(("base", "census", "survey_book", "literature"), (base, census, book, literature), strict=True)
    return {"profiles": {name: len(part) for name, part in parts} | {"field_campaign": field}}


def _pits(land: Plateau, row: Index, col: Index, rng: np.random.Generator) -> Pedons:
    factor = np.exp(NUGGET * rng.standard_normal(len(row)) - NUGGET**2 / 2.0)
    columns = [land.surface[row, col] * factor, land.base[row, col] * factor, land.scale[row, col]]
    columns += [land.packing[row, col] * np.exp(0.05 * rng.standard_normal(len(row))), land.fragments[row, col]]
    return Pedons(*(values[:, None] for values in columns))


def _of(pits: Pedons, which: Index) -> Pedons:
    return Pedons(*(values[which] for values in vars(pits).values()))


def _measured(sites: pd.DataFrame, pits: Pedons, pit: Index, end: Array, rng: np.random.Generator) -> pd.DataFrame:
    """Horizons of some pits with carbon (g/kg), bulk density of fine earth (kg/m3), gravel (volume %)."""
    which, upper, lower = horizons_to(rng, end)
    carbon, density, stones = _laboratory(rng, _of(pits, pit[which]), upper, lower)
    table = sites.iloc[pit[which]].reset_index(drop=True)
    table["top_cm"], table["bottom_cm"], table["soc_g_kg"] = upper, lower, np.round(10.0 * carbon, 1)
    table["bd_kg_m3"], table["gravel_vol"] = np.round(1000.0 * density), stones
    return table


def _write_census(folder: Path, table: pd.DataFrame, rng: np.random.Generator) -> None:
    """Carbon in %, depths in m, two thirds of the profiles without bulk density."""
    names = table["id"].unique()
    table.loc[np.isin(table["id"], names[rng.random(len(names)) < 0.66]), "bd_kg_m3"] = np.nan
    out = table.assign(top_m=table["top_cm"] / 100.0, bottom_m=table["bottom_cm"] / 100.0, oc_pct=np.round(table["soc_g_kg"] / 10.0, 2))
    write_table(folder / "census.csv", out[["id", "lon", "lat", "year", "top_m", "bottom_m", "oc_pct", "bd_kg_m3", "gravel_vol"]])


def _write_book(folder: Path, sites: pd.DataFrame, pits: Pedons, pit: Index, end: Array, rng: np.random.Generator) -> None:
    """Stocks (t/ha) of the three layers, as far as a pit went through all of a layer."""
    parts = []
    for top, bottom in LAYERS[:3]:
        deep = pit[end[pit] >= bottom]
        one = _of(pits, deep)
        surface, base, scale = one.surface_kg_m3[:, 0], one.base_kg_m3[:, 0], one.scale_cm[:, 0]
        stock = (surface * scale * (np.exp(-top / scale) - np.exp(-bottom / scale)) + base * (bottom - top)) / 100.0
        stock = 10.0 * stock * (1.0 + REPORTED_ERROR * rng.standard_normal(len(deep)))
        parts.append(sites.iloc[deep].assign(top_cm=top, bottom_cm=bottom, soc_t_ha=np.round(stock, 1)))
    write_table(folder / "survey_book.csv", pd.concat(parts).sort_values(["id", "top_cm"], kind="stable"))


def _write_campaign(folder: Path, sites: pd.DataFrame, pits: Pedons, pit: Index, soil: Array, rng: np.random.Generator) -> int:
    """Means of three samples of each of two layers."""
    deep = pit[soil[pit] >= 100.0]
    parts = []
    for (top, bottom), sampled in (((0.0, 30.0), pit), ((30.0, 100.0), deep)):
        three = [_laboratory(rng, _of(pits, sampled), np.full(len(sampled), top), np.full(len(sampled), bottom)) for _ in range(3)]
        carbon, density, stones = (np.mean([each[k] for each in three], axis=0) for k in range(3))
        table = sites.iloc[sampled].assign(top_cm=top, bottom_cm=bottom, soc_g_kg=np.round(10.0 * carbon, 2))
        parts.append(table.assign(bd_kg_m3=np.round(1000.0 * density), gravel_vol=np.round(stones, 1), year=2021))
    write_table(folder / "campaign.csv", pd.concat(parts).sort_values(["id", "top_cm"], kind="stable"))
    return len(pit)


def _write_products(land: Plateau, folder: Path, rng: np.random.Generator) -> dict[str, object]:
    """Other maps at about 1 km in t/ha: the truth, smoothed and biased; two of them have gaps."""
    told: dict[str, object] = {}
    for name, (factor, cells, empty) in PRODUCTS.items():
        gaps: Array | None = None
        for top, bottom in LAYERS:
            smooth = ndimage.gaussian_filter(land.true_stock_kg_m2(top, bottom), cells * KM / 2.0)
            values = 10.0 * factor * resampled(smooth, smooth.shape, KM)
            if gaps is None:
                gaps = rng.random(values.shape)
            values = np.where(gaps < empty, np.nan, values)
            grid = Place(values.shape, land.place.transform * Affine.scale(KM), land.place.crs)
            grid.write(folder / f"{name}_{top}-{bottom}cm.tif", values, "t/ha")
        told[name] = {"bias_factor": factor, "smoothing_km": cells * KM * CELL_M / 2000.0, "share_empty": empty}
    return told


def _write_truth(land: Plateau, folder: Path, more: dict[str, object]) -> None:
    stocks: dict[str, object] = {}
    for top, bottom in LAYERS:
        stock = land.true_stock_kg_m2(top, bottom)
        land.place.write(folder / f"true_soc_stock_{top}-{bottom}cm.tif", stock, "kg/m2")
        by = {
            name: {"cells": int(here.sum()), "mean_t_ha": 10.0 * stock[here].mean(), "total_Tg": stock[here].sum() * CELL_M**2 / KG_PER_TG}
            for code, name in VEGETATION.items()
            if (here := land.other["vegetation"] == code).any()
        }
        stocks[f"{top}-{bottom}"] = {
            "mean_t_ha": 10.0 * stock.mean(),
            "total_Tg": stock.sum() * CELL_M**2 / KG_PER_TG,
            "direct_effects": land.coefficients(top, bottom),
            "by_vegetation": by,
        }
    totals = [("all", "", layer, "", land.true_stock_kg_m2(*layer).sum() * CELL_M**2 / KG_PER_TG) for layer in LAYERS]
    write_published(folder.parent / "published.csv", totals)
    for group, values in land.latent.items():
        land.place.write(folder / f"latent_{group}.tif", values, "1")
    write_truth(
        folder / "truth.json",
        {
            "stocks": stocks,
            "paths_between_groups": PATHS,
            "made_with": {"surface_density": SHALLOW, "density_far_below": DEEP, "residual": RESIDUAL},
            "loadings": land.loadings,
            "classes": {"vegetation": VEGETATION, "lithology": LITHOLOGY, "permafrost": PERMAFROST},
            "share_deeper_than_200_cm": (land.bedrock >= 200.0).mean(),
            "profile": {"log_sd": NUGGET},
            **more,
        },
    )
