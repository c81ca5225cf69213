"""Tables behind the figures that readers of a soil map know: samples by decade, area by class of stock, strips, depth profiles, texture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.account.describe.biomes import classify_biomes
from edaphic.account.describe.diagnostics import by_texture, correlations, decade_histograms
from edaphic.account.describe.series import depth_profiles
from edaphic.account.describe.transects import along, area_by_class
from edaphic.account.maps import Layer, open_maps
from edaphic.errors import TableError
from edaphic.mapping.names import MapKey, Period
from edaphic.profiles.texture import silt_to_20_um
from edaphic.stages.covering import map_periods
from edaphic.stages.job import Job, grid_of

Floats = NDArray[np.float64]

TEMPERATURE = (
    "mat", "mean_annual_temperature", "annual_temperature", "mean_temperature", "temperature", "bio1", "bio01", "bio_1", "bio_01",
)  # fmt: skip
"""Names of covariates that are taken for the mean annual temperature, capitals or not; their unit has to be C or K."""

PRECIPITATION = ("map", "mean_annual_precipitation", "annual_precipitation", "precipitation", "bio12", "bio_12")
"""Names of covariates that are taken for the annual precipitation; their unit has to be mm or cm (a year or not)."""

VALUES = {"soc_stock": "soc_stock_kg_m2", "soc": "soc_g_kg", "beta": "beta"}
"""Column of the layer table for what the maps show: a forest of densities is asked for stocks."""

STEPS = 6
"""Limits of classes of stock."""

STRIPS = 60
"""Strips of longitude or latitude that a map is cut into, about."""

FEWEST_DEGREES = 0.01
_AXES: tuple[Literal["lon", "lat"], ...] = ("lon", "lat")
MOST_COVARIATES = 200
_ZERO_C = {"c": 0.0, "degc": 0.0, "celsius": 0.0, "k": 273.15, "kelvin": 273.15}
_MM = {"mm": 1.0, "mm/a": 1.0, "mm/yr": 1.0, "mm/year": 1.0, "cm": 10.0}


def write_diagnostics(job: Job, folder: Path) -> list[str]:
    """Write what the run has the inputs for; ``tables/stocks.csv`` of the same stage is read where it is there.

    Parameters
    ----------
    job : Job
        Its stages up to the maps are finished.
    folder : Path
        Where the tables go: ``decades, correlations, biomes, texture_groups, depth_profiles, area_by_class, along_longitude,
        along_latitude``, each a CSV.

    Returns
    -------
    list of str
        What was assumed, and what could not be made.
    """
    notes: list[str] = []
    layers = pd.read_parquet(job.out / "profiles" / "layers.parquet")
    found: dict[str, pd.DataFrame] = {}
    for name, table, said in _of_profiles(job, layers):
        found[name] = table
        notes += said
    stocks = _stocks(folder)
    if stocks is not None:
        profiles, said = _profiles(stocks)
        found["depth_profiles"] = profiles
        notes += said
        found |= _of_maps(job, stocks)
    for name, table in found.items():
        if len(table):
            table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    return [f"diagnostics: {note}" for note in notes]


def _stocks(folder: Path) -> pd.DataFrame | None:
    path = folder / "stocks.csv"
    if not path.is_file():
        return None
    text = dict.fromkeys(("period", "by", "class", "class_name"), str)
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values={"": []} | {name: [""] for name in _NUMBERS})


_NUMBERS = ("top_cm", "bottom_cm", "cells", "area_km2", "mean_kg_m2", "total_Tg", "independent_low_Tg", "independent_high_Tg",
            "modelled_low_Tg", "modelled_high_Tg", "fully_correlated_low_Tg", "fully_correlated_high_Tg", "unmapped_km2")  # fmt: skip


# From the profiles -------------------------------------------------------------------------------------------------------


def _of_profiles(job: Job, layers: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, list[str]]]:
    column = VALUES.get(job.target.quantity, job.target.column)
    if column in layers and layers[column].notna().any() and layers["year"].notna().any():
        # Beta lies in a narrow range far from 0, where bins from 0 on would show one bar.
        values = layers[column].dropna().to_numpy(dtype=np.float64)
        ends = np.quantile(values, [0.01, 0.99]) if column == "beta" and len(values) else np.zeros(2)
        bins: int | list[float] = np.linspace(ends[0], ends[1], 21).tolist() if ends[1] > ends[0] else 20
        counts, means = decade_histograms(layers, value=column, bins=bins)
        yield "decades", counts.merge(means, on=["decade", "top_cm", "bottom_cm"], how="left", validate="m:1"), []
    points = pd.read_parquet(job.out / "covariates" / "points.parquet")
    known = points[points["reason"].fillna("") == ""].reset_index(drop=True)
    facts = pd.read_csv(job.out / "covariates" / "layers.csv", keep_default_na=False)
    units = dict(zip(facts["name"], facts.get("unit", pd.Series("", index=facts.index)).astype(str), strict=True))
    names = [name for name in facts.loc[facts["kind"] == "continuous", "name"] if name in known][:MOST_COVARIATES]
    names = [name for name in dict.fromkeys(names) if pd.api.types.is_numeric_dtype(known[name])]
    if len(names) > 1 and len(known) > 2:
        matrix, said = correlations(known, names)
        yield "correlations", matrix.rename_axis("covariate").reset_index(), said
    yield "biomes", *_climate(known, units)
    horizons = pd.read_parquet(job.out / "profiles" / "horizons.parquet")
    if {"clay_pct", "silt_pct", "sand_pct"} <= set(horizons) and column in layers:
        yield "texture_groups", *_texture(layers, horizons, column)


def _climate(points: pd.DataFrame, units: Mapping[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """Profiles with their temperature and precipitation, and the biome that these stand for."""
    empty = pd.DataFrame(columns=["profile_id", "mat_c", "map_mm", "biome"])
    warm, wet = (next((name for name in points if str(name).lower() in known), None) for known in (TEMPERATURE, PRECIPITATION))
    if warm is None or wet is None:
        return empty, []
    of_warm, of_wet = (units.get(str(name), "").strip().lower().replace("°", "") for name in (warm, wet))
    less, times = _ZERO_C.get(of_warm), _MM.get(of_wet)
    if less is None or times is None:
        return empty, [
            f"biomes: {warm} in {of_warm or 'no unit'} and {wet} in {of_wet or 'no unit'}; profiles are set into biomes where the recipe "
            "gives their units, C or K and mm or cm"
        ]
    mat, rain = points[warm].to_numpy(dtype=np.float64) - less, points[wet].to_numpy(dtype=np.float64) * times
    table = pd.DataFrame({"profile_id": points["profile_id"], "mat_c": mat, "map_mm": rain, "biome": classify_biomes(mat, rain)})
    return table, [f"biomes: {warm} is taken for the mean annual temperature, {wet} for the annual precipitation"]


def _texture(layers: pd.DataFrame, horizons: pd.DataFrame, column: str) -> tuple[pd.DataFrame, list[str]]:
    """The target by the texture of the same layer: the mean of the horizons within it, by thickness."""
    parts, notes = [], []
    for (first, last), rows in layers[layers[column].notna()].groupby(["top_cm", "bottom_cm"], sort=True):
        top, bottom = float(str(first)), float(str(last))
        own = _mean_texture(horizons, top, bottom)
        both = rows[["profile_id", column]].merge(own, on="profile_id", how="left", validate="m:1")
        if not both["clay_pct"].notna().any():
            continue
        finer = silt_to_20_um(*(both[name].to_numpy(dtype=np.float64) for name in ("clay_pct", "silt_pct", "sand_pct")))
        table, _, said = by_texture(*finer, both[column].to_numpy(dtype=np.float64))
        parts.append(table.assign(top_cm=top, bottom_cm=bottom))
        notes += [f"texture, {top:g}-{bottom:g} cm: {note}" for note in said]
    if not parts:
        return pd.DataFrame(), []
    return pd.concat(parts, ignore_index=True), ["texture: silt is taken to end at 50 um, and is brought to 20 um", *notes]


def _mean_texture(horizons: pd.DataFrame, top: float, bottom: float) -> pd.DataFrame:
    """Clay, silt and sand of a layer by profile, from the horizons that have all three."""
    names = ["clay_pct", "silt_pct", "sand_pct"]
    inside = np.minimum(horizons["bottom_cm"], bottom) - np.maximum(horizons["top_cm"], top)
    use = (inside > 0.0) & horizons[names].notna().all(axis=1)
    rows, thick = horizons.loc[use, names], inside[use]
    weighed = rows.mul(thick, axis=0).assign(thick=thick, profile_id=horizons.loc[use, "profile_id"])
    sums = weighed.groupby("profile_id", sort=False).sum()
    return sums[names].div(sums["thick"], axis=0).reset_index()


# From the maps -----------------------------------------------------------------------------------------------------------


def _profiles(stocks: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Depth profiles of everything and of each division, of the last period; the modelled interval where every row has one."""
    periods = [period for period in dict.fromkeys(stocks["period"]) if not period.startswith("mean ")]
    own = stocks[stocks["period"] == periods[-1]]
    parts, notes = [], []
    for by in dict.fromkeys(own["by"]):
        rows = own[own["by"] == by]
        ends = ["modelled_low_Tg", "modelled_high_Tg"]
        kind = "modelled" if set(ends) <= set(rows) and rows.loc[rows["area_km2"] > 0, ends].notna().all(axis=None) else "fully_correlated"
        try:
            table = depth_profiles(own, by, low=f"{kind}_low_Tg", high=f"{kind}_high_Tg")
        except TableError as error:
            notes += [f"depth profiles by {by}: not made ({fault})" for fault in error.faults]
            continue
        parts.append(table.assign(period=periods[-1], interval=kind.replace("_", " ")))
    return (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()), notes


def _of_maps(job: Job, stocks: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Area by class of stock of each layer and period; mean and variance along longitude and latitude, of the last period."""
    quantity, unit, intervals = job.accounted
    grid = grid_of(job.recipe, job.recipe_path)
    periods = map_periods(job)
    areas: list[pd.DataFrame] = []
    strips: dict[str, list[pd.DataFrame]] = {"lon": [], "lat": []}
    for layer in intervals:
        names = {period: MapKey("mean", layer, period).name for period in periods}
        paths = {_period(period): job.out / "maps" / f"{quantity}_{name}.tif" for period, name in names.items()}
        known = {name: path for name, path in paths.items() if path.is_file()}
        limits = class_limits(_mean(stocks, layer))
        if not known or not limits:
            continue
        place = {"top_cm": layer[0], "bottom_cm": layer[1]}
        with open_maps(known, grid, unit) as readers:
            areas.append(area_by_class(grid, readers, limits).assign(**place))
            last = list(readers)[-1]
            for axis in _AXES:
                made = along(grid, {last: readers[last]}, axis=axis, width_deg=strip_width(grid, axis))
                strips[axis].append(made.assign(**place))
    parts = {"area_by_class": areas, "along_longitude": strips["lon"], "along_latitude": strips["lat"]}
    return {name: pd.concat(own, ignore_index=True) for name, own in parts.items() if own}


def _period(period: Period | None) -> str:
    return "" if period is None else f"{period[0]}-{period[1]}"


def _mean(stocks: pd.DataFrame, layer: Layer) -> float:
    rows = stocks[(stocks["by"] == "all") & (stocks["top_cm"] == layer[0]) & (stocks["bottom_cm"] == layer[1])]
    means = rows["mean_kg_m2"].dropna()
    return float(means.mean()) if len(means) else math.nan


def class_limits(mean: float) -> list[float]:
    """Limits of classes of stock around a mean: round, even steps, the same for all periods of a layer.

    >>> class_limits(8.7), class_limits(0.3), class_limits(float("nan"))
    ([5.0, 10.0, 15.0, 20.0, 25.0, 30.0], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [])
    """
    if not math.isfinite(mean) or mean <= 0.0:
        return []
    step = _nice(0.6 * mean)
    return [round(step * place, 12) for place in range(1, STEPS + 1)]


def _nice(most: float) -> float:
    """The longest of 1, 2, 5 times a power of ten that is not above a number."""
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= most * (1.0 + 1e-9))


def strip_width(grid: GeoBox, axis: str) -> float:
    """Width of strips in degrees: round, some sixty over the grid, and never narrower than a cell.

    >>> from affine import Affine
    >>> strip_width(GeoBox((10, 360), Affine(1.0, 0.0, -180.0, 0.0, -1.0, 5.0), "EPSG:4326"), "lon")
    10.0
    """
    left, bottom, right, top = grid.extent.to_crs("EPSG:4326").boundingbox.bbox
    span = right - left if axis == "lon" else top - bottom
    cells = grid.width if axis == "lon" else grid.height
    least = max(span / STRIPS, 1.5 * span / cells, FEWEST_DEGREES)
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= least * (1.0 - 1e-9))
