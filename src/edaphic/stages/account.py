"""The stages of the account and of the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic import account, covariates, report
from edaphic.account import ClassLayer
from edaphic.account.maps import quantile_names
from edaphic.covariates import Source, TimedStack
from edaphic.errors import ModelError
from edaphic.mapping.names import MapKey, Period, span
from edaphic.model.fit import interval_name
from edaphic.recipe import ByPolygons, Comparison, Truth
from edaphic.stages.covering import build_stack, map_periods, map_year
from edaphic.stages.job import FEWEST_WHOLE, Job, grid_of
from edaphic.units import in_map_unit

ACCOUNTED = 0.9
"""Level of the interval whose bounds are added up: that of the maps q05 and q95, which every run has."""


def stage_account(job: Job, work: Path, partial: Path) -> None:
    """Stocks by layer and class, comparison with other maps, and with the truth where it is known; all of them by period."""
    del partial
    recipe = job.recipe.account
    grid = grid_of(job.recipe, job.recipe_path)
    folder = work / "tables"
    folder.mkdir()
    job.say("adding up stocks", 0, 3)
    if job.target.quantity == "soc_stock":
        _stocks(job, grid).to_csv(folder / "stocks.csv", index=False, lineterminator="\n")
    job.say("comparing maps", 1, 3)
    lost = sorted({interval_name(other.layer) for other in (*recipe.compare, *recipe.truth)} - {interval_name(i) for i in job.intervals})
    if lost:
        raise ModelError(
            f"account: maps to compare with over {', '.join(lost)} cm, a depth that too few profiles were observed over; expected at "
            f"least {FEWEST_WHOLE} such profiles"
        )
    rows = []
    for other in recipe.compare:
        theirs = _reader(job, other.name, other.path, other.unit, other.layer, grid)
        ours = _maps_of(job, other.layer, _compared(job, other), ("mean",))["mean"]
        row = account.compare_maps(ours, grid, theirs, other.name, other.layer, unit=job.target.unit, note=other.note)
        rows.append({"period": _period_text(job, _compared(job, other)), **row})
    if rows:
        pd.DataFrame(rows).to_csv(folder / "comparison.csv", index=False, lineterminator="\n")
    job.say("holding against the truth", 2, 3)
    truths = []
    for truth in recipe.truth:
        maps = _maps_of(job, truth.layer, _compared(job, truth), ("mean", *quantile_names(ACCOUNTED)))
        row = account.against_truth(maps, grid, _reader(job, "truth", truth.path, truth.unit, truth.layer, grid), truth.layer)
        truths.append({"period": _period_text(job, _compared(job, truth)), **row})
    if truths:
        pd.DataFrame(truths).to_csv(folder / "truth.csv", index=False, lineterminator="\n")


def _stocks(job: Job, grid: GeoBox) -> pd.DataFrame:
    """Stocks for each period, by the classes of that period; then of their mean, which has no quantiles and so no bounds.

    The mean is divided by the classes of the last period.
    """
    stack = build_stack(job) if any(isinstance(division, str) for division in job.recipe.account.by) else None
    parts = []
    for period in _mapped_periods(job):
        bounded = not _is_mean(job, period)
        stats = ("mean", *(quantile_names(ACCOUNTED) if bounded else ()))
        maps = {interval: _maps_of(job, interval, period, stats) for interval in job.intervals}
        divisions = _divisions(job, grid, stack, period if bounded else None)
        table = account.stock_table(grid, maps, divisions, interval=ACCOUNTED, unit=job.target.unit, bounded=bounded)
        table.insert(0, "period", _period_text(job, period))
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def _mapped_periods(job: Job) -> tuple[Period | None, ...]:
    """Periods that have maps of their own, the mean of them last; ``(None,)`` for maps of one time."""
    periods = map_periods(job)
    return (*periods, span(periods)) if job.recipe.maps.mean_of_periods else periods


def _is_mean(job: Job, period: Period | None) -> bool:
    return period is not None and period not in map_periods(job)


def _period_text(job: Job, period: Period | None) -> str:
    """A period as tables name it: empty for maps of one time."""
    if period is None:
        return ""
    return f"{'mean ' if _is_mean(job, period) else ''}{period[0]}-{period[1]}"


def _compared(job: Job, other: Comparison | Truth) -> Period | None:
    """The period that another map is held against: its own, else the last one."""
    periods = map_periods(job)
    return periods[-1] if other.period is None or periods == (None,) else other.period


def _maps_of(job: Job, interval: tuple[float, float], period: Period | None, stats: tuple[str, ...]) -> dict[str, Path]:
    """Files of the maps of a layer and a period."""
    return {stat: job.out / "maps" / f"{job.target.quantity}_{MapKey(stat, interval, period).name}.tif" for stat in stats}


def stage_report(job: Job, work: Path, partial: Path) -> None:
    """One page for the run. The report reads the run folder; its files land there like those of any stage."""
    del partial
    job.say("drawing", 0, 1)
    report.build_report(job.out, work)


def _divisions(job: Job, grid: GeoBox, stack: TimedStack | None, period: Period | None) -> list[ClassLayer]:
    """Divisions; classes of covariates as they were in a period, by default that of the map's one time or the last one."""
    now = () if stack is None else stack.during(map_year(job, period), job.recipe.covariates.max_gap_years).layers
    known = {layer.name: layer for layer in now}
    out = []
    for division in job.recipe.account.by:
        if isinstance(division, str):
            layer = known[division]
            out.append(ClassLayer(division, layer.read, dict(layer.facts.classes)))
            continue
        if isinstance(division, ByPolygons):
            out.append(_polygons(division.name, job.path(division.path), division.column, grid))
            continue
        opened = covariates.open_layer(Source(division.name, job.path(division.path), kind="class", classes=division.classes), grid)
        out.append(ClassLayer(division.name, opened.read, dict(division.classes)))
    return out


def _polygons(name: str, path: Path, column: str, grid: GeoBox) -> ClassLayer:
    _, labels = covariates.rasterise(path, column, grid, covariates.Window(0, 0, 1, 1))
    return ClassLayer(name, lambda window: covariates.rasterise(path, column, grid, window)[0], labels)


def _reader(
    job: Job, name: str, path: str, unit: str, layer: tuple[float, float], grid: GeoBox
) -> Callable[[covariates.Window], NDArray[np.float32]]:
    """Another map on our grid, in the unit of ours."""
    opened = covariates.open_layer(Source(name, job.path(path)), grid)

    def read(window: covariates.Window) -> NDArray[np.float32]:
        return in_map_unit(opened.read(window), unit, layer, job.target.unit).astype(np.float32)

    return read
