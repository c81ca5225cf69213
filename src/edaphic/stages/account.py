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
from edaphic.covariates import Source
from edaphic.errors import ModelError
from edaphic.model.fit import interval_name
from edaphic.recipe import ByPolygons
from edaphic.stages.covering import build_stack, map_year
from edaphic.stages.job import FEWEST_WHOLE, Job, grid_of
from edaphic.stages.maps import map_info
from edaphic.units import in_map_unit


def stage_account(job: Job, work: Path, partial: Path) -> None:
    """Stocks by layer and class, comparison with other maps, and with the truth where it is known."""
    del partial
    recipe = job.recipe.account
    grid = grid_of(job.recipe, job.recipe_path)
    folder = work / "tables"
    folder.mkdir()
    maps = {
        interval: {stat: job.out / "maps" / f"{map_info(job, interval, stat).name}.tif" for stat in ("mean", "q05", "q95")}
        for interval in job.intervals
    }
    job.say("adding up stocks", 0, 3)
    if job.target.quantity == "soc_stock":
        table = account.stock_table(grid, maps, _divisions(job, grid), interval=job.recipe.evidence.interval)
        table.to_csv(folder / "stocks.csv", index=False, lineterminator="\n")
    job.say("comparing maps", 1, 3)
    lost = sorted({interval_name(other.layer) for other in (*recipe.compare, *recipe.truth)} - {interval_name(i) for i in maps})
    if lost:
        raise ModelError(
            f"account: maps to compare with over {', '.join(lost)} cm, a depth that too few profiles were observed over; expected at "
            f"least {FEWEST_WHOLE} such profiles"
        )
    rows = []
    for other in recipe.compare:
        theirs = _reader(job, other.name, other.path, other.unit, other.layer, grid)
        rows.append(account.compare_maps(maps[other.layer]["mean"], grid, theirs, other.name, other.layer, note=other.note))
    if rows:
        pd.DataFrame(rows).to_csv(folder / "comparison.csv", index=False, lineterminator="\n")
    job.say("holding against the truth", 2, 3)
    truths = [
        account.against_truth(
            maps[truth.layer], grid, _reader(job, "truth", truth.path, truth.unit, truth.layer, grid), truth.layer
        )
        for truth in recipe.truth
    ]
    if truths:
        pd.DataFrame(truths).to_csv(folder / "truth.csv", index=False, lineterminator="\n")


def stage_report(job: Job, work: Path, partial: Path) -> None:
    """One page for the run. The report reads the run folder; its files land there like those of any stage."""
    del partial
    job.say("drawing", 0, 1)
    report.build_report(job.out, work)


def _divisions(job: Job, grid: GeoBox) -> list[ClassLayer]:
    stack = build_stack(job) if any(isinstance(division, str) for division in job.recipe.account.by) else None
    now = () if stack is None else stack.during(map_year(job), job.recipe.covariates.max_gap_years).layers
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
