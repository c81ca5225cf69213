"""The landscape of three ecosystems as raw files, with its truth; and the profiles that were dug in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edaphic.units import KG_PER_TG, ORGANIC_MATTER_TO_CARBON
from edaphic.virtual.fields import Array, Index
from edaphic.virtual.ground import drawn_cells, fields, write_published, write_table, write_truth
from edaphic.virtual.sampling import Pedons, _horizon_depths, _laboratory
from edaphic.virtual.subsoil import (
    ECOSYSTEMS,
    HIDDEN_SD,
    PIT_BETA_SD,
    PIT_LOG_SD,
    RESPONSES,
    STEPS,
    STRENGTH,
    TOPSOIL_CM,
    TOPSOIL_ERROR,
    WIDTHS,
    BetaSubsoil,
    beta_subsoil,
    cell_areas_m2,
    curve_of,
)

UNITS = {"bnpp": "Mg/ha/yr", "ph": "1", "clay": "%", "mat": "degC", "map": "mm", "tn": "g/kg", "mn": "mg/kg", "mc": "mg/kg", "cn": "1"}
DEPTHS = ((0, 20), *STEPS, (20, 100), (0, 100))
OF_AUTHORS = ("mat", "map", "ph", "clay")
"""Drivers that a part of the literature states for its site."""


def write_beta_subsoil(folder: Path, seed: int, size: str = "small") -> BetaSubsoil:
    """Make the landscape and write it as a user would have it, with its truth.

    ``drivers/NAME.tif`` (nine predictors), ``fractions/ECOSYSTEM.tif``, ``ecosystem.tif`` (the largest share), ``soil/`` (bulk density and
    gravel by 20 cm, topsoil stock), ``profiles/`` (two tables of the literature, a data base of sites and horizons), ``truth/``.
    """
    land = beta_subsoil(seed, size)
    rng = np.random.default_rng([seed, 32])
    for name, values in land.drivers.items():
        land.place.write(folder / "drivers" / f"{name}.tif", values, UNITS[name])
    for code, name in ECOSYSTEMS.items():
        land.place.write(folder / "fractions" / f"{name}.tif", land.fractions[code], "1")
    land.place.codes(folder / "ecosystem.tif", land.dominant)
    error = TOPSOIL_ERROR * fields(rng, land.place, 9000.0)(60_000.0)
    land.place.write(folder / "soil" / "topsoil_stock_0-20cm.tif", land.topsoil * np.exp(error - TOPSOIL_ERROR**2 / 2.0), "kg/m2")
    _write_soil(land, folder / "soil", rng)
    counts = write_pits(land, folder / "profiles", rng)
    _write_truth(land, folder / "truth", counts)
    return land


def _write_soil(land: BetaSubsoil, folder: Path, rng: np.random.Generator) -> None:
    """Bulk density (g/cm3) and gravel (volume %) of steps of 20 cm: of grassland, as such grids know no ecosystems, with smooth errors."""
    field, shape = fields(rng, land.place, 9000.0), land.place.shape
    surface, scale = land.curve(2)
    columns = (surface, np.zeros(shape), scale, land.packing, land.gravel)
    mean = Pedons(*(values.reshape(-1, 1) for values in columns))
    for top, bottom in ((0, 20), *STEPS):
        middle = np.array([(top + bottom) / 2.0])
        density = mean.bulk_density_g_cm3(middle).reshape(shape) * (1.0 + 0.03 * field(80_000.0))
        stones = 100.0 * (1.0 - mean.fine_earth(middle)).reshape(shape) * (1.0 + 0.1 * field(80_000.0))
        land.place.write(folder / f"bulk_density_{top}_{bottom}.tif", density, "g/cm3")
        land.place.write(folder / f"gravel_{top}_{bottom}.tif", np.maximum(stones, 0.0), "vol%")


def write_pits(land: BetaSubsoil, folder: Path, rng: np.random.Generator) -> dict[str, object]:
    """Three sources: literature with carbon, literature with organic matter (both by 20 cm), a data base with natural horizons.

    A fifth of the literature went down to 60 cm only: three measurements in the first metre, fewer than the paper asks for.
    """
    count = land.profiles
    covered = sum(land.fractions.values(), np.zeros(land.place.shape))
    row, col = drawn_cells(rng, covered * np.exp(0.8 * fields(rng, land.place, 9000.0)(80_000.0)), count)
    share = np.stack([land.fractions[code][row, col] for code in ECOSYSTEMS])
    ecosystem = 1 + (rng.random(count) > np.cumsum(share / share.sum(axis=0), axis=0)).sum(axis=0)
    beta = np.stack([land.beta[code] for code in ECOSYSTEMS])[ecosystem - 1, row, col] + PIT_BETA_SD * rng.standard_normal(count)
    topsoil = land.topsoil[row, col] * np.exp(PIT_LOG_SD * rng.standard_normal(count) - PIT_LOG_SD**2 / 2.0)
    surface, scale = curve_of(np.clip(beta, 0.93, 0.995), topsoil)
    packing = land.packing[row, col] * np.exp(0.05 * rng.standard_normal(count))
    columns = (surface, np.zeros(count), scale, packing, land.gravel[row, col])
    pits = Pedons(*(values[:, None] for values in columns))
    lon, lat = land.place.lon_lat(row, col, rng, 4)
    sites = pd.DataFrame({"lon": lon, "lat": lat, "year": rng.integers(1980, 2024, count), "ecosystem": ecosystem})
    for name in OF_AUTHORS:
        known = rng.random(count) < 0.6
        error = {"mat": 0.3, "map": 20.0, "ph": 0.1, "clay": 1.5}[name] * rng.standard_normal(count)
        sites[name] = np.where(known, np.round(land.drivers[name][row, col] + error, 2), np.nan)
    ends = (int(0.3 * count), int(0.45 * count))
    sites.insert(0, "site", [f"{'LM'[k >= ends[0]] if k < ends[1] else 'W'}{k + 1:05d}" for k in range(count)])
    _write_literature(folder, sites, pits, ends, rng)
    _write_database(folder, sites, pits, ends[1], land.drivers["clay"][row, col], rng)
    true = sites[["site", "lon", "lat", "ecosystem"]].assign(beta=beta, topsoil_stock_kg_m2=topsoil)
    write_table(folder.parent / "truth" / "profiles.csv", true)
    by = {name: int((ecosystem == code).sum()) for code, name in ECOSYSTEMS.items()}
    return {"profiles": by, "of_them_literature": ends[1], "with_organic_matter": ends[1] - ends[0]}


def _write_literature(folder: Path, sites: pd.DataFrame, pits: Pedons, ends: tuple[int, int], rng: np.random.Generator) -> None:
    deep = np.where(rng.random(ends[1]) < 0.2, 3, 5)
    which = np.repeat(np.arange(ends[1]), deep)
    upper = np.concatenate([20.0 * np.arange(n) for n in deep])
    table = _measured(sites, pits, which, upper, upper + 20.0, rng)
    lost = rng.random(ends[1]) < 0.4
    table.loc[lost[which], "bd_g_cm3"] = np.nan
    first = which < ends[0]
    write_table(folder / "literature.csv", table[first])
    matter = table[~first].rename(columns={"soc_g_kg": "som_g_kg"})
    matter["som_g_kg"] = np.round(matter["som_g_kg"] / ORGANIC_MATTER_TO_CARBON, 2)
    write_table(folder / "literature_matter.csv", matter)


def _write_database(folder: Path, sites: pd.DataFrame, pits: Pedons, start: int, clay: Array, rng: np.random.Generator) -> None:
    """Sites and horizons apart; two thirds without bulk density."""
    rest = np.arange(start, len(sites))
    which, upper, lower = _horizon_depths(rng, np.zeros(len(rest)))
    table = _measured(sites, pits, rest[which], upper, lower, rng)[["site", "top_cm", "bottom_cm", "soc_g_kg", "bd_g_cm3", "gravel_vol"]]
    table.loc[(rng.random(len(rest)) < 0.65)[which], "bd_g_cm3"] = np.nan
    table["clay_pct"] = np.clip(np.round(clay[rest][which] + 0.04 * upper + rng.standard_normal(len(which))), 1, 80)
    table["sand_pct"] = np.round((100.0 - table["clay_pct"]) * (0.35 + 0.3 * rng.random(len(rest)))[which])
    write_table(folder / "database_sites.csv", sites.loc[rest, ["site", "lon", "lat", "year", "ecosystem"]])
    write_table(folder / "database_horizons.csv", table)


def _measured(sites: pd.DataFrame, pits: Pedons, which: Index, upper: Array, lower: Array, rng: np.random.Generator) -> pd.DataFrame:
    """Sites by horizon, with carbon (g/kg), bulk density (g/cm3), gravel (volume %) as a laboratory finds them."""
    carbon, density, stones = _laboratory(rng, Pedons(*(values[which] for values in vars(pits).values())), upper, lower)
    table = sites.iloc[which].reset_index(drop=True)
    table["top_cm"], table["bottom_cm"] = upper, lower
    table["soc_g_kg"], table["bd_g_cm3"], table["gravel_vol"] = np.round(10.0 * carbon, 2), density, stones
    return table


def _write_truth(land: BetaSubsoil, folder: Path, counts: dict[str, object]) -> None:
    """Beta and stocks of each ecosystem (kg/m2 of its own area), those of the dominant one, totals, responses."""
    area = cell_areas_m2(land.place) * np.ones(land.place.shape)
    told: dict[str, Any] = {}
    for code, name in ECOSYSTEMS.items():
        land.place.write(folder / f"true_beta_{name}.tif", land.beta[code], "1")
        own = area * land.fractions[code]
        totals = {}
        for top, bottom in DEPTHS:
            stock = land.true_stock_kg_m2(code, top, bottom)
            land.place.write(folder / f"true_soc_stock_{name}_{top}-{bottom}cm.tif", stock, "kg/m2")
            totals[f"{top}-{bottom}"] = {"total_Tg": (own * stock).sum() / KG_PER_TG, "mean_kg_m2": np.average(stock, weights=own)}
        told[name] = {"area_km2": own.sum() / 1e6, "mean_beta": np.average(land.beta[code], weights=own), "stocks": totals}
    dominant = np.stack([land.beta[code] for code in ECOSYSTEMS])
    index = (land.dominant - 1).astype(np.intp)[None]
    land.place.write(folder / "true_beta_dominant.tif", np.take_along_axis(dominant, index, axis=0)[0], "1")
    rules = {
        name: {"kind": kind, "threshold": limit, "slope_or_step": height} | ({"half_width": WIDTHS[name]} if name in WIDTHS else {})
        for name, (kind, limit, height) in RESPONSES.items()
    }
    published = ((20, 100), (0, 100))
    shown = [("all", "", layer, "", sum(_total(told, name, layer) for name in told)) for layer in published]
    shown += [("ecosystem", name, layer, "", _total(told, name, layer)) for name in told for layer in published]
    write_published(folder.parent / "published.csv", shown)
    write_truth(
        folder / "truth.json",
        {
            "ecosystems": told,
            "responses_of_beta": rules,
            "strength_by_ecosystem": {ECOSYSTEMS[code]: factor for code, factor in STRENGTH.items()},
            "hidden_beta_sd": HIDDEN_SD,
            "profile": {"beta_sd": PIT_BETA_SD, "log_sd_of_topsoil_stock": PIT_LOG_SD},
            "topsoil_grid": {"log_sd_of_error": TOPSOIL_ERROR, "depth_cm": TOPSOIL_CM},
            **counts,
        },
    )


def _total(told: Mapping[str, Any], name: str, layer: tuple[int, int]) -> float:
    return float(told[name]["stocks"][f"{layer[0]}-{layer[1]}"]["total_Tg"])
