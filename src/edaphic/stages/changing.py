"""Change between periods and trends over them: tables and maps, from finished maps and realisations of totals."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox

from edaphic.account import ClassLayer
from edaphic.account.change.cells import statistic_names
from edaphic.account.change.maps import MapChange, change_maps
from edaphic.account.change.pairs import mixed_totals, wide_totals
from edaphic.account.change.regional import TimeCorrelation, regional_change
from edaphic.account.change.revisits import revisits
from edaphic.account.change.trend import trend_maps
from edaphic.account.maps import Layer, layer_name, open_maps
from edaphic.covariates import TimedStack
from edaphic.mapping.info import MapInfo
from edaphic.mapping.names import MapKey, Period
from edaphic.mapping.several import several
from edaphic.mapping.style import dressed
from edaphic.model.soil import interval_name
from edaphic.recipe import Change
from edaphic.stages.covering import map_periods
from edaphic.stages.divisions import divisions_of
from edaphic.stages.job import Job
from edaphic.stages.maps import tags_of
from edaphic.stages.revisited import site_tables
from edaphic.stages.totals import ACCOUNTED, held_scores, period_name

OF_CHANGE = {
    "change": ("change", "mean change", "change", "Difference of the mapped means."),
    "sd": ("change_sd", "standard deviation of the change", "uncertainty", "Of the change of the cell, from both maps' errors."),
    "p_increase": ("p_increase", "probability of an increase", "p_increase", "That the later value of the cell is the larger one."),
    "minimum_detectable": (
        "change_detectable", "smallest detectable change", "uncertainty",
        "Smallest true change of the cell that an interval would exclude zero for, with the stated power.",
    ),
}  # fmt: skip
"""Maps of change: name, title, look, meaning."""

SAME_AREA = 0.01
"""By what share the area of a class may change and still count as the same."""

OF_TREND = {
    "slope": ("slope", "slope", "slope", "Theil and Sen's slope over the periods, per year: a description of the maps."),
    "p_adjusted": (
        "slope_p", "adjusted p of the slope", "probability",
        "Mann and Kendall's p, adjusted for the number of cells; the maps share one model, so it is no test of change.",
    ),
}  # fmt: skip


def write_change(job: Job, grid: GeoBox, stack: TimedStack | None, work: Path) -> None:
    """Change of totals, of cells and at revisited sites."""
    told = job.recipe.account.change
    if told is None:
        return
    tables = work / "tables"
    correlation, notes = _correlation(job, told, tables)
    pairs = _pairs(job, told)
    _of_totals(job, told, correlation, pairs, tables)
    cells, beside = [], []
    for before, after in pairs if told.maps else []:
        divisions = [by for by in divisions_of(job, grid, stack, after) if isinstance(by, ClassLayer)]
        for layer in job.intervals:
            job.say(f"change of {layer_name(layer)}, {period_name(before)} to {period_name(after)}", 0, 1)
            made = _of_cells(job, told, grid, correlation, layer, (before, after), divisions, work / "maps" / "change")
            key = {"from_period": period_name(before), "to_period": period_name(after), "top_cm": layer[0], "bottom_cm": layer[1]}
            cells.append(_keyed(made.changes, key))
            beside.append(_keyed(made.sensitivity, key))
    if cells:
        pd.concat(cells, ignore_index=True).to_csv(tables / "change_cells.csv", index=False, lineterminator="\n")
        pd.concat(beside, ignore_index=True).to_csv(tables / "change_cells_sensitivity.csv", index=False, lineterminator="\n")
    if told.mass:
        notes += site_tables(job, told, tables)
    for note in notes:
        job.say(f"note: change: {note}", 0, 1)


def _keyed(table: pd.DataFrame, key: dict[str, object]) -> pd.DataFrame:
    return pd.concat([pd.DataFrame([key] * len(table), index=table.index), table], axis=1)


def _pairs(job: Job, told: Change) -> list[tuple[Period, Period]]:
    periods = [period for period in map_periods(job) if period is not None]
    if told.pairs == "ends":
        return [(periods[0], periods[-1])]
    return list(pairwise(periods)) if told.pairs == "steps" else list(combinations(periods, 2))


def _correlation(job: Job, told: Change, tables: Path) -> tuple[TimeCorrelation, list[str]]:
    """Correlation in time of the errors: stated, or of the scores of sites that were visited more than once."""
    if told.correlation is not None:
        return TimeCorrelation(told.correlation, "stated"), []
    scores, _ = held_scores(job)
    found = revisits(scores, score="score", within_m=told.within_m, seed=job.recipe.seed)
    found.table.to_csv(tables / "revisits.csv", index=False, lineterminator="\n")
    correlation = found.correlation()
    if not correlation.known:
        return correlation, [*found.notes, f"correlation of errors in time: {correlation.origin}; nothing can be inferred"]
    # Not divided by the share of the variance that a field has: where that is hardly known the quotient is 1, and a change far too sure.
    low = "errors of measurement, drawn anew at each visit, make it too low; a change that no covariate shows is in no interval"
    return correlation, [*found.notes, f"correlation of errors in time: {correlation.rho:.2f}, {correlation.origin}; {low}"]


def _of_totals(job: Job, told: Change, correlation: TimeCorrelation, pairs: list[tuple[Period, Period]], tables: Path) -> None:
    """Change of totals, where these have realisations."""
    path = job.out / "tables" / "total_realisations.parquet"
    if not path.is_file():
        job.say("note: change: totals have no realisations (account.total.realisations: 0), so the change of totals has no interval", 0, 1)
        return
    drawn, other = pd.read_parquet(path), pd.read_parquet(path.with_name("total_realisations_other_errors.parquet"))
    names = pd.read_csv(job.out / "tables" / "totals.csv", dtype={"class": str}, keep_default_na=False)
    areas = names[["period", "by", "class", "area_km2"]].drop_duplicates()
    names = names[["by", "class", "class_name"]].drop_duplicates()
    changes, beside = [], []
    for before, after in pairs:
        lost = [period_name(period) for period in (before, after) if period_name(period) not in set(drawn["period"])]
        if lost:
            job.say(f"note: change: no cell has a value in {', '.join(lost)}", 0, 1)
            continue
        parts = [table[table["period"] == period_name(period)] for table, period in ((drawn, before), (drawn, after), (other, after))]
        known = set.intersection(*(set(zip(part["by"], part["class"], strict=True)) for part in parts))
        parts = [part[[key in known for key in zip(part["by"], part["class"], strict=True)]] for part in parts]
        wide = [wide_totals(part) for part in parts]
        orders = [pd.MultiIndex.from_frame(keys) for keys, _ in wide]
        arrays = [values[:, order.get_indexer(orders[0])] for (_, values), order in zip(wide, orders, strict=True)]
        keys = wide[0][0].merge(names, on=["by", "class"], how="left")
        keys.insert(0, "from_period", period_name(before))
        keys.insert(1, "to_period", period_name(after))
        made = regional_change(mixed_totals(*arrays), keys, correlation, level=told.level, power=told.power)
        changes.append(_with_areas(made.changes, areas))
        beside.append(made.sensitivity)
    if not changes:
        return
    pd.concat(changes, ignore_index=True).to_csv(tables / "change.csv", index=False, lineterminator="\n")
    pd.concat(beside, ignore_index=True).to_csv(tables / "change_sensitivity.csv", index=False, lineterminator="\n")


def _with_areas(changes: pd.DataFrame, areas: pd.DataFrame) -> pd.DataFrame:
    """Areas of each class in both periods: where they differ, the change of its total is of its area too."""
    out = changes
    for key, name in (("from_period", "area_before_km2"), ("to_period", "area_after_km2")):
        own = areas.rename(columns={"period": key, "area_km2": name}).astype({name: float})
        out = out.merge(own, on=[key, "by", "class"], how="left")
    wide = (out["area_after_km2"] / out["area_before_km2"] - 1).abs() > SAME_AREA
    text = "the class covers another area than before: its change is of area too; change_cells.csv tells that of soil of the later class"
    return out.assign(note=np.where(wide, text, ""))


def _of_cells(
    job: Job,
    told: Change,
    grid: GeoBox,
    correlation: TimeCorrelation,
    layer: Layer,
    pair: tuple[Period, Period],
    divisions: list[ClassLayer],
    folder: Path,
) -> MapChange:
    names = statistic_names(ACCOUNTED)
    when = {period: {stat: _map(job, stat, layer, period) for stat in names} for period in pair}
    infos = {name: _info(job, layer, pair, *words) for name, words in OF_CHANGE.items()}
    if not correlation.known:
        infos = {"change": infos["change"]}
    paths = {f"{period_name(period)} {stat}": path for period, maps in when.items() for stat, path in maps.items()}
    with open_maps(paths, grid, job.target.unit) as readers:
        before, after = ({stat: readers[f"{period_name(period)} {stat}"] for stat in names} for period in pair)
        with several(folder, grid, infos, encoding=job.recipe.maps.encoding, threads=job.workers) as maps:
            return change_maps(
                before, after, grid, correlation, maps.write, divisions, interval=ACCOUNTED, level=told.level, power=told.power
            )


def _map(job: Job, stat: str, layer: Layer, period: Period) -> Path:
    return job.out / "maps" / f"{job.target.quantity}_{MapKey(stat, layer, period).name}.tif"


def _info(job: Job, layer: Layer, pair: tuple[Period, Period], name: str, title: str, look: str, meaning: str) -> MapInfo:
    between = f"{period_name(pair[0])} to {period_name(pair[1])}"
    text = f"Soil organic carbon stock, {interval_name(layer)} cm, {title}, {between}"
    unit = "1" if look in ("p_increase", "probability") else job.target.unit + ("/yr" if look == "slope" else "")
    info = MapInfo(
        name=f"{job.target.quantity}_{name}_{interval_name(layer)}cm_{period_name(pair[0])}_{period_name(pair[1])}",
        title=text,
        unit=unit,
        description=f"{job.recipe.name}: {text[0].lower()}{text[1:]}, {unit}. {meaning}",
        tags=tags_of(job, "account") | {"EDAPHIC_STATISTIC": name, "EDAPHIC_LAYER_CM": interval_name(layer)},
        period=(pair[0][0], pair[1][1]),
    )
    return dressed(info, look)


def write_trend(job: Job, grid: GeoBox, stack: TimedStack | None, work: Path) -> None:
    """Slopes over all periods, cell by cell, and by class."""
    told = job.recipe.account.trend
    if told is None:
        return
    periods = [period for period in map_periods(job) if period is not None]
    times = [(first + last) / 2 for first, last in periods]
    divisions = [by for by in divisions_of(job, grid, stack, periods[-1]) if isinstance(by, ClassLayer)]
    rows = []
    for layer in job.intervals:
        job.say(f"trend of {layer_name(layer)}", 0, 1)
        paths = {period_name(period): _map(job, "mean", layer, period) for period in periods}
        infos = {name: _info(job, layer, (periods[0], periods[-1]), *words) for name, words in OF_TREND.items()}
        with open_maps(paths, grid, job.target.unit) as readers:
            one = [readers[period_name(period)] for period in periods]
            with several(work / "maps" / "trend", grid, infos, encoding=job.recipe.maps.encoding, threads=job.workers) as maps:
                made = trend_maps(one, times, grid, maps.write, divisions, control=told.control, false_discovery=told.level)
        rows.append(_keyed(made, {"top_cm": layer[0], "bottom_cm": layer[1]}))
    pd.concat(rows, ignore_index=True).to_csv(work / "tables" / "trend.csv", index=False, lineterminator="\n")
