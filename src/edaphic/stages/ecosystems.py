"""Maps of each zone wherever it has a share of the cell, and stocks below a known topsoil by beta."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic import covariates
from edaphic.account.zoned import check_whole
from edaphic.covariates import Source, TimedStack
from edaphic.covariates.grid import Window, windows
from edaphic.covariates.sources import AnyLayer
from edaphic.errors import ModelError, RasterError
from edaphic.mapping.info import MapInfo
from edaphic.mapping.mask import Mask
from edaphic.mapping.names import OF_COVARIATES, MapKey, level_of
from edaphic.mapping.predict import TileWork
from edaphic.mapping.several import several
from edaphic.mapping.subsoil import stock_below
from edaphic.model.soil import Interval
from edaphic.recipe import ByShares, Recipe, ZoneShare, is_elsewhere, resolve, whole_layer
from edaphic.stages.covering import map_year
from edaphic.stages.job import Job
from edaphic.units import PERCENT, in_map_unit

Floats = NDArray[np.float64]

TOPSOIL = "maps.subsoil.topsoil"
WINDOW, LOOK = 512, 64
STOCK_UNIT = "kg/m2"
NOTHING = 1e-9
"""A share below this is none."""


@dataclass(frozen=True)
class Zone:
    """A zone with maps of its own: its name, as the recipe spells it and as files do, its code, and its share of each cell."""

    name: str
    slug: str
    code: int
    share: AnyLayer
    unit: str

    def read(self, window: Window) -> Floats:
        """Share of the cells of a window, float64 (height, width), 0 where there is none."""
        values = np.nan_to_num(self.share.read(window).astype(np.float64))
        return np.clip(values / (PERCENT if self.unit == "%" else 1.0), 0.0, None)


def slug_of(name: str) -> str:
    """A name as it stands in those of files.

    >>> slug_of("Forest land (open)")
    'forest-land-open'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def share_sources(told: Recipe, recipe_path: Path) -> Iterator[Source]:
    """Rasters of the shares of zones, and of the stock of the topsoil."""

    def place(path: str) -> Path | str:
        return path if is_elsewhere(path) else resolve(told, recipe_path, path)

    for name, share in told.maps.shares.items():
        yield Source(f"maps.shares {name}", place(share.path), "continuous", share.band, share.nodata)
    if told.maps.subsoil is not None:
        topsoil = told.maps.subsoil.topsoil
        yield Source(TOPSOIL, place(topsoil.path), "continuous", topsoil.band, topsoil.nodata, unit=topsoil.unit)


def zones_of(job: Job, timed: TimedStack) -> list[Zone]:
    """Zones that have a share in the recipe, in the order of their codes.

    Raises
    ------
    ModelError
        A share of what is no class of the zones, or two zones whose names are one in files.
    """
    told = job.recipe.maps.shares
    if not told:
        return []
    layers = timed.during(map_year(job), job.recipe.covariates.max_gap_years).layers
    labels = next(dict(layer.facts.classes) for layer in layers if layer.name == job.recipe.model.zones)
    if faults := share_faults(job.recipe, labels):
        raise ModelError(faults)
    codes = {label: code for code, label in labels.items()}
    sources = {source.name: source for source in share_sources(job.recipe, job.recipe_path)}
    found = [
        Zone(name, slug_of(name), codes[name], covariates.open_any(sources[f"maps.shares {name}"], timed.grid), share.unit)
        for name, share in told.items()
    ]
    return sorted(found, key=lambda zone: zone.code)


def share_values(told: Recipe, recipe_path: Path, grid: GeoBox) -> list[str]:
    """Shares that are none, of zones and of divisions of the account, in sixteen places of the grid."""
    sources = [source for source in share_sources(told, recipe_path) if source.name != TOPSOIL]
    faults = _odd_shares("maps.shares", sources, told.maps.shares, grid)
    for number, division in enumerate(told.account.by):
        if isinstance(division, ByShares):
            sources = [
                Source(f"{division.name} {name}", resolve(told, recipe_path, own.path), "continuous", own.band, own.nodata)
                for name, own in division.shares.items()
            ]
            faults += _odd_shares(f"account.by[{number}].shares", sources, division.shares, grid)
    return faults


def _odd_shares(key: str, sources: Sequence[Source], shares: Mapping[str, ZoneShare], grid: GeoBox) -> list[str]:
    if not shares:
        return []
    layers = [covariates.open_any(source, grid) for source in sources]
    units = [PERCENT if share.unit == "%" else 1.0 for share in shares.values()]
    rows, cols = grid.shape
    try:
        for row in sorted({rows * i // 4 for i in range(4)}):
            for col in sorted({cols * i // 4 for i in range(4)}):
                window = Window(row, col, min(LOOK, rows - row), min(LOOK, cols - col))
                held = np.stack([np.nan_to_num(layer.read(window)) / unit for layer, unit in zip(layers, units, strict=True)])
                check_whole(held.astype(np.float64), list(shares), window)
    except RasterError as fault:
        return [f"{key}: {line}" for line in fault.faults]
    return []


def share_faults(told: Recipe, labels: Mapping[int, str]) -> list[str]:
    """Shares of what is no class of the zones, whose ``labels`` are given, and names that are one in files."""
    known, zones = ", ".join(labels[code] for code in sorted(labels)), told.model.zones
    names = list(told.maps.shares)
    slugs, twice = [slug_of(name) for name in names], list(labels.values())
    faults = [
        f"maps.shares: {name!r}, which {twice.count(name)} codes of {zones} are called; expected one"
        for name in names
        if twice.count(name) > 1
    ]
    faults += [
        f"maps.shares: {name!r}, which is no class of {zones}; expected one of {known}" for name in names if name not in labels.values()
    ]
    return faults + [
        f"maps.shares: {name!r}, whose files would be called {slug!r}; expected a name of its own with letters or digits"
        for name, slug in zip(names, slugs, strict=True)
        if slugs.count(slug) > 1 or not slug
    ]


def work_of_zone(tiles: TileWork, zone: Zone, covariate: str) -> TileWork:
    """The work on a tile of the maps of one zone: its model answers in every cell that it has a share of."""
    absent = Mask(f"share of {zone.name}", zone.share, below=NOTHING, absent=True)
    stats = tuple(stat for stat in tiles.stats if stat not in OF_COVARIATES)
    return replace(tiles, stats=stats, masks=(*tiles.masks, absent), fixed=((covariate, float(zone.code)),))


def of_zone(info: MapInfo, quantity: str, zone: Zone) -> MapInfo:
    """What is said of a map of one zone."""
    title = f"{zone.name}: {info.title[0].lower()}{info.title[1:]}"
    meant = f"{info.description} Of the part of each cell that is {zone.name}, by the model of that zone."
    name = info.name.replace(f"{quantity}_", f"{quantity}_{zone.slug}_", 1)
    return replace(info, name=name, title=title, description=meant, tags={**info.tags, "EDAPHIC_ZONE": zone.name})


def stock_maps(job: Job, grid: GeoBox, folder: Path, info: Mapping[tuple[str, Interval], MapInfo], zone: Zone | None) -> None:
    """Stocks of the topsoil and of deeper layers from the finished maps of beta, in ``folder``: a file for each statistic and layer.

    The mean of all layers together is the sum of their means, cell by cell; its quantiles are those of the whole, since one beta and one
    topsoil make all of them. Cells without beta have no stock.
    """
    told = job.recipe.maps.subsoil
    assert told is not None
    levels = [level for stat in _stats(job) if (level := level_of(stat)) is not None]
    stats = dict(zip(_stats(job)[1:], range(len(levels)), strict=True))
    between = "" if zone is None else f"{zone.slug}_"
    of_beta = job.layers[0]
    opened = [
        covariates.open_layer(Source(f"beta {stat}", folder / f"beta_{between}{MapKey(stat, of_beta).name}.tif"), grid)
        for stat in ("q05", "q50", "q95")
    ]
    source = next(source for source in share_sources(job.recipe, job.recipe_path) if source.name == TOPSOIL)
    topsoil = covariates.open_any(source, grid)
    infos = {own.name: own for own in info.values()}
    with several(folder, grid, infos, encoding=job.recipe.maps.encoding, threads=job.workers) as maps:
        for number, window in enumerate(every := list(windows(grid, WINDOW))):
            job.say("stocks below the topsoil", number, len(every))
            beta = tuple(layer.read(window).astype(np.float64).ravel() for layer in opened)
            known = in_map_unit(topsoil.read(window), told.topsoil.unit, told.topsoil.layer, STOCK_UNIT).astype(np.float64).ravel()
            known = np.where(known < 0, np.nan, known)
            known = np.where(np.isnan(beta[1]), np.nan, known)
            means: dict[Interval, Floats] = {}
            for interval in told.intervals:
                mean, quantiles = stock_below(
                    (beta[0], beta[1], beta[2]), known, told.topsoil.relative_sd, interval, levels, known_cm=told.topsoil.layer[1]
                )
                if interval != told.topsoil.layer and interval not in told.layers:
                    mean = sum((means[part] for part in means if interval[0] <= part[0]), np.zeros(len(known)))
                else:
                    means[interval] = mean = mean.astype(np.float32).astype(np.float64)
                made = {"mean": mean} | {stat: quantiles[i] for stat, i in stats.items()}
                maps.write(window, {info[stat, interval].name: values for stat, values in made.items()})


def stock_keys(job: Job) -> list[tuple[str, Interval]]:
    """Statistic and layer of the stocks that are made of beta."""
    told = job.recipe.maps.subsoil
    return [] if told is None else [(stat, interval) for interval in told.intervals for stat in _stats(job)]


def further_names(told: Recipe, quantity: str, unit: str) -> list[tuple[str, str]]:
    """Names and units of maps of zones, of stocks that are made of beta, and of Monte Carlo."""
    depth, slugs = told.profiles.layers, [slug_of(name) for name in told.maps.shares]
    below = () if told.maps.subsoil is None else told.maps.subsoil.intervals
    stats = [stat for stat in told.maps.stats if stat not in OF_COVARIATES]
    levels = ["mean", *(stat for stat in told.maps.stats if level_of(stat) is not None)]
    found = [(f"{quantity}_{slug}_{MapKey(stat, layer).name}", unit) for slug in slugs for layer in depth for stat in stats]
    found += [(f"soc_stock_{slug}{MapKey(stat, layer).name}", STOCK_UNIT) for slug in ("", *(f"{own}_" for own in slugs))
              for layer in below for stat in levels]  # fmt: skip
    if told.maps.monte_carlo is None:
        return found
    whole = whole_layer(told)
    drawn = [(quantity, unit, layer) for layer in (*depth, *([whole] if whole else []))]
    drawn += [("soc_stock", STOCK_UNIT, layer) for layer in below]
    between = [f"{slug}_" for slug in slugs] or [""]
    return found + [(f"{own}_{slug}{MapKey('mc_mean', layer).name}", of) for own, of, layer in drawn for slug in between]


def _stats(job: Job) -> list[str]:
    """The mean and all calibrated quantiles of the recipe."""
    return ["mean", *(stat for stat in job.recipe.maps.stats if level_of(stat) is not None)]
