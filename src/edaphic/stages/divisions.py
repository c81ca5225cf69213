"""Divisions that stocks are added up by: classes of covariates, polygons, rasters of codes, shares of cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic import covariates
from edaphic.account import ClassLayer, ShareLayer
from edaphic.covariates import Source, TimedStack
from edaphic.covariates.grid import Window
from edaphic.covariates.sources import AnyLayer
from edaphic.mapping.names import Period
from edaphic.recipe import ByPolygons, ByRaster, ByShares
from edaphic.stages.covering import build_stack, map_year
from edaphic.stages.job import Job
from edaphic.units import PERCENT

AnyDivision = ClassLayer | ShareLayer


def needed_stack(job: Job) -> TimedStack | None:
    """The covariates, where a division or a zone is one of them."""
    by_name = any(isinstance(division, str) for division in job.recipe.account.by)
    return build_stack(job) if by_name or job.recipe.maps.shares else None


def divisions_of(job: Job, grid: GeoBox, stack: TimedStack | None, period: Period | None = None) -> list[AnyDivision]:
    """Divisions; classes of covariates as they were in a period, by default that of the map's one time or the last one."""
    now = () if stack is None else stack.during(map_year(job, period), job.recipe.covariates.max_gap_years).layers
    known = {layer.name: layer for layer in now}
    out: list[AnyDivision] = []
    for division in job.recipe.account.by:
        if isinstance(division, str):
            layer = known[division]
            out.append(ClassLayer(division, layer.read, dict(layer.facts.classes)))
        elif isinstance(division, ByPolygons):
            out.append(_polygons(division.name, job.path(division.path), division.column, grid))
        elif isinstance(division, ByRaster):
            opened = covariates.open_layer(Source(division.name, job.path(division.path), kind="class", classes=division.classes), grid)
            out.append(ClassLayer(division.name, opened.read, dict(division.classes)))
        else:
            out.append(_shares(job, division, grid))
    return out


def _polygons(name: str, path: Path, column: str, grid: GeoBox) -> ClassLayer:
    _, labels = covariates.rasterise(path, column, grid, covariates.Window(0, 0, 1, 1))
    return ClassLayer(name, lambda window: covariates.rasterise(path, column, grid, window)[0], labels)


def _shares(job: Job, division: ByShares, grid: GeoBox) -> ShareLayer:
    opened = [
        (
            covariates.open_layer(Source(f"{division.name} {name}", job.path(own.path), "continuous", own.band, own.nodata), grid),
            PERCENT if own.unit == "%" else 1.0,
        )
        for name, own in division.shares.items()
    ]
    codes = tuple(range(1, len(opened) + 1))
    labels = dict(zip(codes, division.shares, strict=True))
    return ShareLayer(division.name, lambda window: np.stack([_share(layer, whole, window) for layer, whole in opened]), codes, labels)


def _share(layer: AnyLayer, whole: float, window: Window) -> NDArray[np.float64]:
    return np.asarray(layer.read(window).astype(np.float64) / whole)
