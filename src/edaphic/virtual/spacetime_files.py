"""The landscape of seven periods as raw files, with its truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from scipy import ndimage

from edaphic.units import KG_PER_TG
from edaphic.virtual.ground import fields, write_published, write_table, write_truth
from edaphic.virtual.sampling import NUGGET
from edaphic.virtual.scenes import DATES, PAIR_DAYS, SEEN, Surface, to_etm, write_pairs, write_scenes
from edaphic.virtual.spacetime import (
    CELL_M,
    HIDDEN_CHANGE,
    LAYERS,
    PERIODS,
    PIT_CORRELATION,
    RESIDUAL_CORRELATION,
    RESIDUAL_RANGE_KM,
    RESIDUAL_SD,
    STANDARD,
    SpaceTime,
    period_of,
    space_time,
)
from edaphic.virtual.visits import write_visits
from edaphic.virtual.weather import LAPSE_C_PER_M, WARMING_C_PER_YEAR, stations


def write_space_time(folder: Path, seed: int, size: str = "small") -> SpaceTime:
    """Make the landscape and write it as a user would have it, with its truth.

    ``dem.tif``, ``stations.csv``, ``landsat/`` (scenes, tables of pairs), ``land_cover_FROM_TO.tif``, ``soil/`` (clay, bulk density,
    fragments at standard depths), ``profiles/`` (four sources, an independent set), ``products/``, ``truth/``.
    """
    land = space_time(seed, size)
    rng = np.random.default_rng([seed, 22])
    land.place.write(folder / "dem.tif", land.elevation, "m")
    years = range(PERIODS[0][0], PERIODS[-1][1] + 1)
    write_table(folder / "stations.csv", stations(land.place, land.elevation, land.climate, years, land.stations, rng))
    for k, (first, last) in enumerate(PERIODS):
        land.place.codes(folder / f"land_cover_{first}_{last}.tif", land.cover[k])
    days = sorted({day for _, day in DATES} | {day for days in PAIR_DAYS.values() for day in days})
    surfaces = {day: _seen_surface(land, period_of(int(day[:4]))) for day in days}
    write_scenes(folder / "landsat" / "scenes", land.place, CELL_M, surfaces, rng)
    write_pairs(folder / "landsat", surfaces, rng)
    _write_soil(land, folder / "soil", rng)
    visited = write_visits(land, folder / "profiles", rng)
    biases = _write_products(land, folder / "products")
    _write_truth(land, folder / "truth", visited | {"products": biases})
    return land


def _seen_surface(land: SpaceTime, period: int) -> Surface:
    rain = land.climate["map"]
    moisture = np.clip(0.25 + 0.5 * land.ndvi[period] + 0.15 * np.tanh((rain - 450.0) / 300.0), 0.0, 1.0)
    return Surface(land.ndvi[period], moisture, 0.42 - 0.06 * moisture + 0.03 * np.tanh((land.clay[0] - 22.0) / 10.0))


def _write_soil(land: SpaceTime, folder: Path, rng: np.random.Generator) -> None:
    """Soil grids as products give them: clay in %, bulk density in cg/cm3, fragments in volume %, each with a smooth error."""
    mean, field = land.pedons(len(PERIODS) // 2), fields(rng, land.place, CELL_M)
    for k, (top, bottom) in enumerate(STANDARD):
        name, middle = f"{top}_{bottom}.tif", np.array([(top + bottom) / 2.0])
        density = mean.bulk_density_g_cm3(middle).reshape(land.place.shape) * (1.0 + 0.03 * field(15_000.0))
        stones = 100.0 * (1.0 - mean.fine_earth(middle)).reshape(land.place.shape) * (1.0 + 0.1 * field(15_000.0))
        land.place.write(folder / f"clay_{name}", np.maximum(land.clay[k] + 1.5 * field(8000.0), 1.0), "%")
        land.place.write(folder / f"bulk_density_{name}", 100.0 * density, "cg/cm3", "uint16", 65535)
        land.place.write(folder / f"fragments_{name}", np.maximum(stones, 0.0), "vol%")


PRODUCTS: Mapping[str, tuple[tuple[int, int], str, float, float, float]] = MappingProxyType(
    {
        "competitor_0-20cm": ((0, 20), "t/ha", 10.0, 1.12, 5.0),
        "competitor_0-100cm": ((0, 100), "t/ha", 10.0, 1.12, 5.0),
        "grids_0-30cm": ((0, 30), "t/ha", 10.0, 0.9, 3.0),
        "global_0-30cm": ((0, 30), "t/ha", 10.0, 1.25, 8.0),
        "atlas_0-100cm": ((0, 100), "kg/m2", 10.0, 0.8, 12.0),
    }
)
"""Depth, unit that the file states, number per kg/m2, bias (factor), and smoothing (cells). The last one holds t/ha and says kg/m2."""


def _write_products(land: SpaceTime, folder: Path) -> dict[str, object]:
    """Other maps of the last period but one: the truth, smoothed and biased."""
    told: dict[str, object] = {}
    for name, (layer, unit, number, factor, cells) in PRODUCTS.items():
        true = land.true_stock_kg_m2(*layer, len(PERIODS) - 2)
        land.place.write(folder / f"{name}.tif", number * factor * ndimage.gaussian_filter(true, cells), unit)
        told[name] = {"layer_cm": layer, "unit_stated": unit, "number_per_kg_m2": number, "bias_factor": factor, "smoothing_cells": cells}
    return told


def _write_truth(land: SpaceTime, folder: Path, more: Mapping[str, object]) -> None:
    """Rasters of each layer and period (kg/m2), and what is known as numbers."""
    stocks: dict[str, object] = {}
    for layer in LAYERS:
        maps = [land.true_stock_kg_m2(*layer, k) for k in range(len(PERIODS))]
        for (first, last), values in zip(PERIODS, maps, strict=True):
            land.place.write(folder / f"true_soc_stock_{layer[0]}-{layer[1]}cm_{first}_{last}.tif", values, "kg/m2")
        change = maps[-1] - maps[0]
        stocks[f"{layer[0]}-{layer[1]}"] = {
            "mean_kg_m2": [values.mean() for values in maps],
            "total_Tg": [values.sum() * CELL_M**2 / KG_PER_TG for values in maps],
            "change_first_to_last_kg_m2": {"mean": change.mean(), "sd": change.std(), "share_of_cells_rising": (change > 0).mean()},
        }
    lags = range(len(PERIODS))
    totals = [
        ("all", "", (top, bottom), f"{first}-{last}", land.true_stock_kg_m2(top, bottom, k).sum() * CELL_M**2 / KG_PER_TG)
        for top, bottom in ((0, 20), (0, 100))
        for k, (first, last) in enumerate(PERIODS)
        if k in (0, len(PERIODS) - 1)
    ]
    write_published(folder.parent / "published.csv", totals)
    write_truth(
        folder / "truth.json",
        {
            "periods": PERIODS,
            "stocks": stocks,
            "residual": {
                "log_sd": RESIDUAL_SD,
                "range_km": RESIDUAL_RANGE_KM,
                "correlation_by_lag_of_periods": [RESIDUAL_CORRELATION**k for k in lags],
                "of_this_landscape_first_with_each": [np.corrcoef(land.residual[0].ravel(), land.residual[k].ravel())[0, 1] for k in lags],
                "hidden_change_of_log_surface_density_per_period": HIDDEN_CHANGE,
            },
            "profile": {"log_sd": NUGGET, "correlation_of_revisits": PIT_CORRELATION},
            "climate": {"lapse_c_per_m": LAPSE_C_PER_M, "warming_c_per_year": WARMING_C_PER_YEAR},
            "sensors_to_etm": {sensor: to_etm(sensor) for sensor in SEEN if sensor != "etm"},
            **more,
        },
    )
