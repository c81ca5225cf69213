"""The stages of the account and of the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic import account, covariates, report
from edaphic.account.maps import quantile_names
from edaphic.covariates import Source, TimedStack
from edaphic.errors import ModelError
from edaphic.mapping.names import MapKey, Period, span
from edaphic.model.fit import interval_name
from edaphic.recipe import Comparison, Truth
from edaphic.stages.changing import write_change, write_trend
from edaphic.stages.comparing import write_products, write_published
from edaphic.stages.covering import map_periods
from edaphic.stages.diagnostics import write_diagnostics
from edaphic.stages.divisions import divisions_of, needed_stack
from edaphic.stages.ecosystems import Zone, zones_of
from edaphic.stages.job import FEWEST_WHOLE, Job, grid_of
from edaphic.stages.totals import ACCOUNTED
from edaphic.units import in_map_unit

MODELLED = ("modelled_low_Tg", "modelled_high_Tg")
"""Interval of a total from realisations, at the level of the bounds beside it."""


def stage_account(job: Job, work: Path, partial: Path) -> None:
    """Stocks by layer and class, comparison with other maps, and with the truth where it is known; all of them by period."""
    del partial
    recipe = job.recipe.account
    grid = grid_of(job.recipe, job.recipe_path)
    folder = work / "tables"
    folder.mkdir()
    job.say("adding up stocks", 0, 3)
    quantity, unit, intervals = job.accounted
    if quantity == "soc_stock":
        with_errors(job, _stocks(job, grid)).to_csv(folder / "stocks.csv", index=False, lineterminator="\n")
        stack = needed_stack(job)
        write_change(job, grid, stack, work)
        write_trend(job, grid, stack, work)
        write_products(job, grid, stack, work)
        write_published(job, work)
    for note in write_diagnostics(job, folder):
        job.say(f"note: {note}", 0, 1)
    job.say("comparing maps", 1, 3)
    lost = sorted({interval_name(other.layer) for other in (*recipe.compare, *recipe.truth)} - {interval_name(i) for i in intervals})
    if lost:
        raise ModelError(
            f"account: maps to compare with over {', '.join(lost)} cm, a depth that too few profiles were observed over; expected at "
            f"least {FEWEST_WHOLE} such profiles"
        )
    rows = []
    for other in recipe.compare:
        theirs = _reader(job, other.name, other.path, other.unit, other.layer, grid)
        ours = _maps_of(job, other.layer, _compared(job, other), ("mean",))["mean"]
        row = account.compare_maps(ours, grid, theirs, other.name, other.layer, unit=unit, note=other.note)
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


def with_errors(job: Job, stocks: pd.DataFrame) -> pd.DataFrame:
    """Stocks with the interval of each total from realisations: of correlated errors, or of Monte Carlo where stocks are made of beta."""
    folder = job.out / "tables"
    key = ["period", "by", "class", "top_cm", "bottom_cm"]
    made = _of_beta(folder) if job.recipe.maps.subsoil is not None else _of_scores(folder)
    known = stocks.assign(**{"class": stocks["class"].astype(str)})
    out = known.merge(made, on=key, how="left", validate="one_to_one") if len(made) else known.assign(**dict.fromkeys(MODELLED, np.nan))
    after = list(stocks.columns).index("independent_high_Tg") + 1
    return out[[*stocks.columns[:after], *MODELLED, *stocks.columns[after:]]]


def _of_scores(folder: Path) -> pd.DataFrame:
    path = folder / "totals.csv"
    if not path.is_file():
        return pd.DataFrame()
    table = pd.read_csv(path, dtype={"class": str, "period": str}, keep_default_na=False, na_values={"modelled_low_Tg": [""]})
    return table[["period", "by", "class", "top_cm", "bottom_cm", *MODELLED]]


def _of_beta(folder: Path) -> pd.DataFrame:
    path = folder / "monte_carlo_realisations.parquet"
    if not path.is_file():
        return pd.DataFrame()
    drawn = pd.read_parquet(path)
    tail = (1 - ACCOUNTED) / 2
    table = drawn.groupby(["by", "class", "layer"], sort=False)["total"].quantile(np.array([tail, 1 - tail])).unstack()
    table = table.set_axis(list(MODELLED), axis=1).reset_index()
    depth = table.pop("layer").str.removesuffix(" cm").str.split("-", expand=True).astype(float)
    return table.assign(period="", top_cm=depth[0], bottom_cm=depth[1])


def _stocks(job: Job, grid: GeoBox) -> pd.DataFrame:
    """Stocks for each period, by the classes of that period; then of their mean, which has no quantiles and so no bounds.

    The mean is divided by the classes of the last period.
    """
    stack = needed_stack(job)
    if zones := zones_of(job, stack) if stack is not None else []:
        return _stocks_of_zones(job, grid, stack, zones)
    _, unit, intervals = job.accounted
    parts = []
    for period in _mapped_periods(job):
        bounded = not _is_mean(job, period)
        stats = ("mean", *(quantile_names(ACCOUNTED) if bounded else ()))
        maps = {interval: _maps_of(job, interval, period, stats) for interval in intervals}
        divisions = divisions_of(job, grid, stack, period if bounded else None)
        table = account.stock_table(grid, maps, divisions, interval=ACCOUNTED, unit=unit, bounded=bounded)
        table.insert(0, "period", _period_text(job, period))
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def _stocks_of_zones(job: Job, grid: GeoBox, stack: TimedStack | None, zones: Sequence[Zone]) -> pd.DataFrame:
    """Stocks of zones that share cells."""
    _, unit, intervals = job.accounted
    stats = ("mean", *quantile_names(ACCOUNTED))
    maps = {zone.code: {interval: _maps_of(job, interval, None, stats, zone.slug) for interval in intervals} for zone in zones}
    shared = [account.SharedZone(zone.name, zone.code, zone.read, maps[zone.code]) for zone in zones]
    name = str(job.recipe.model.zones)
    divisions = [division for division in divisions_of(job, grid, stack, None) if division.name != name]
    table = account.zoned_stock_table(grid, shared, name, divisions, interval=ACCOUNTED, unit=unit)
    table.insert(0, "period", "")
    return table


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


def _maps_of(
    job: Job, interval: tuple[float, float], period: Period | None, stats: tuple[str, ...], zone: str = ""
) -> dict[str, Path]:
    """Files of the maps of a layer and a period; of a zone, by its name in files."""
    start = f"{job.accounted[0]}_{zone}_" if zone else f"{job.accounted[0]}_"
    return {stat: job.out / "maps" / f"{start}{MapKey(stat, interval, period).name}.tif" for stat in stats}


def stage_report(job: Job, work: Path, partial: Path) -> None:
    """One page for the run. The report reads the run folder; its files land there like those of any stage."""
    del partial
    job.say("drawing", 0, 1)
    report.build_report(job.out, work)


def _reader(
    job: Job, name: str, path: str, unit: str, layer: tuple[float, float], grid: GeoBox
) -> Callable[[covariates.Window], NDArray[np.float32]]:
    """Another map on our grid, in the unit of ours."""
    opened = covariates.open_layer(Source(name, job.path(path)), grid)

    def read(window: covariates.Window) -> NDArray[np.float32]:
        return in_map_unit(opened.read(window), unit, layer, job.accounted[1]).astype(np.float32)

    return read
