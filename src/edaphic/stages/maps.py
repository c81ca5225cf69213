"""The stage of maps: compute tile by tile, then write one file for each layer, statistic and period."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edaphic.covariates import TimedStack
from edaphic.covariates.band_statistics import bounded_cache
from edaphic.errors import ModelError
from edaphic.mapping.engine import run_tiles
from edaphic.mapping.info import Encoding, words_of
from edaphic.mapping.names import OF_COVARIATES, MapKey, Period, threshold_stat
from edaphic.mapping.place import Place
from edaphic.mapping.plan import plan_tiles
from edaphic.mapping.predict import TileWork
from edaphic.mapping.stac import statistics_of
from edaphic.mapping.store import TileStore, Work, kept_size
from edaphic.mapping.write import BESIDE, BandWriter, MapInfo, publish, style_together, write_catalog
from edaphic.model import artefact
from edaphic.model.soil import Interval, interval_name
from edaphic.progress import Say
from edaphic.stages.covering import build_stack, map_periods, notes_of_year
from edaphic.stages.ecosystems import Zone, of_zone, stock_keys, stock_maps, work_of_zone, zones_of
from edaphic.stages.job import PARTS, Job, sampled_years, write_json
from edaphic.stages.mapped import tile_work

WHAT: Mapping[str, str] = {
    "soc_stock": "Soil organic carbon stock",
    "soc": "Soil organic carbon content",
    "beta": "Beta of the depth function",
}


ROUNDED = 1e-4
"""By how much a probability may be rounded, in maps of whole numbers."""


def stage_maps(job: Job, work: Path, partial: Path) -> None:
    """Predict tile by tile, then write one file for each layer, statistic and period."""
    kit = artefact.load_kit(job.out / "model" / job.recipe.model.name)
    timed = build_stack(job)
    for note in notes_of_year(job, timed):
        job.say(f"note: {note}", 0, 1)
    tiles = tile_work(job, kit, timed)
    folder = work / "maps"
    folder.mkdir()

    def info(key: MapKey) -> MapInfo:
        return map_info(job, key.interval, key.stat, key.period, kit.sha256)

    task = MapTask(tiles, job.recipe.name, info, job.recipe.maps.encoding, job.recipe.maps.window)
    summary = write_maps(task, partial, folder, partial.name, job.place, job.workers, job.say)
    more = _write_of_zones(job, kit, timed, task, partial, folder) if job.recipe.maps.shares or job.recipe.maps.subsoil else {}
    if more:
        write_catalog(folder, sorted(folder.glob("*.tif")), name="maps", title=job.recipe.name)
    write_json(folder / "summary.json", summary | more)


def _write_of_zones(job: Job, kit: artefact.Kit, timed: TimedStack, task: MapTask, partial: Path, folder: Path) -> dict[str, Any]:
    """Maps of each zone that has a share, and of stocks below the topsoil; counts of cells by zone."""
    counts: dict[str, Any] = {}
    zones = zones_of(job, timed)
    for zone in zones:
        quantity = job.target.quantity

        def info(key: MapKey, zone: Zone = zone, quantity: str = quantity) -> MapInfo:
            return of_zone(task.info(key), quantity, zone)

        own = replace(task, tiles=work_of_zone(task.tiles, zone, str(job.recipe.model.zones)), info=info)
        counts[zone.name] = write_maps(own, partial / zone.slug, folder, f"{partial.name} {zone.slug}", job.place, job.workers, job.say)
    for one in [*zones, None]:
        infos = {key: stock_info(job, *key, kit.sha256, one) for key in stock_keys(job)}
        if infos:
            stock_maps(job, timed.grid, folder, infos, one)
    return {"zones": counts} if counts else {}


def stock_info(job: Job, stat: str, interval: tuple[float, float], model_sha256: str, zone: Zone | None) -> MapInfo:
    """What is said of a map of stocks that was made of beta and the topsoil."""
    info = map_info(job, interval, stat, None, model_sha256, quantity="soc_stock", unit="kg/m2")
    text = f"{info.description} Made of the maps of beta and of the stock of the topsoil."
    own = replace(info, description=text)
    return own if zone is None else of_zone(own, "soc_stock", zone)


@dataclass(frozen=True)
class MapTask:
    """Maps to make: the work on a tile, the title of them all, what is said of each, and how they are stored.

    ``window``: side of tiles that is asked for; None plans it. ``intervals``: depths whose maps are written; None for all of the model.
    """

    tiles: TileWork
    title: str
    info: Callable[[MapKey], MapInfo]
    encoding: Encoding = "float32"
    window: int | None = None
    intervals: frozenset[Interval] | None = None

    @property
    def keys(self) -> list[MapKey]:
        """The maps that are written, in their order."""
        return [
            key for key in self.tiles.keys if self.intervals is None or key.interval in self.intervals or key.stat in OF_COVARIATES
        ]


def write_maps(task: MapTask, partial: Path, folder: Path, key: str, place: Place, threads: int, say: Say) -> dict[str, Any]:
    """Compute the tiles that are missing, write one file for each map, and a catalogue over all.

    Parameters
    ----------
    task : MapTask
    partial : Path
        What is finished so far; taken up where it was kept under the same key.
    folder : Path
        For the maps.
    key : str
        What the tiles depend on.
    place : Place
    threads : int
        That pack the files.
    say : callable

    Returns
    -------
    Counts of cells.
    """
    tiles = task.tiles
    plan = plan_tiles(
        tiles.stacks[0].grid,
        tiles.layers,
        bytes_per_cell=tiles.bytes_per_cell,
        fixed_bytes=tiles.fixed_bytes,
        lane_bytes=tiles.lane_bytes,
        place=place,
        window=task.window,
        kept=kept_size(partial, key),
    )
    for note in plan.notes:
        say(f"note: {note}", 0, 1)
    store = TileStore(partial, plan, tiles.arrays, key)
    run_tiles(tiles, plan, store, say)
    summary = _summary(tiles, (facts["by_period"] for facts in store.facts()))
    for note in _notes(tiles, summary) + tiles.asked.notes(tiles.model.intervals):
        say(f"note: {note}", 0, 1)
    with bounded_cache():
        _write_files(task, store, folder, threads, say)
    for note in store.notes:  # of tiles that were damaged on disk
        say(f"note: {note}", 0, 1)
    return summary


def _write_files(task: MapTask, store: TileStore, folder: Path, threads: int, say: Say) -> None:
    """One file after the other, those of several periods in the same colours, then the catalogue over all."""
    tiles = task.tiles
    written: list[tuple[MapKey, Path, MapInfo]] = []
    for number, key in enumerate(task.keys):
        say("writing maps", number, len(task.keys))
        info = task.info(key)
        written.append((key, write_map(store, key.name, tiles, info, folder, task.encoding, threads), info))
    for stat, interval in dict.fromkeys((key.stat, key.interval) for key in task.keys):
        together = [(path, info) for key, path, info in written if (key.stat, key.interval) == (stat, interval)]
        if len(together) > 1:
            style_together(together)
    write_catalog(folder, [path for _, path, _ in written], name="maps", title=task.title)
    for note in _odd(tiles, [(key, path) for key, path, _ in written]):
        say(f"note: {note}", 0, 1)


def write_map(store: TileStore, array: str, work: Work, info: MapInfo, folder: Path, encoding: Encoding, threads: int) -> Path:
    """The file of one array; what a killed run has finished is taken as it is, and the array goes when its file is there."""
    if store.finished(info.name) is None:
        final = store.finals / f"{info.name}.tif"
        temporary = store.finals / f"{info.name}.tmp.tif"
        temporary.unlink(missing_ok=True)  # a run that was killed may have left half of one
        with BandWriter(temporary, store.plan.grid) as writer:
            for tile, values in store.read(array, work):
                writer.write(tile, values)
        publish(temporary, final, info, store.plan.grid, encoding=encoding, threads=threads)
        store.finish(info.name, final, *(final.with_suffix(ending) for ending in BESIDE), arrays=[array])
    store.drop(array)
    store.hand_over(info.name, folder)
    return folder / f"{info.name}.tif"


def _odd(tiles: TileWork, maps: Sequence[tuple[MapKey, Path]]) -> list[str]:
    """Maps without any value, and thresholds far from all that is mapped, as one in another unit is."""
    found = [(key, path, statistics_of(path)) for key, path in maps]
    empty = [path.stem for _, path, known in found if not known]
    named = ", ".join(empty[:3]) + (" ..." if empty[3:] else "")
    notes = [f"no cell has a value in {len(empty)} of {len(maps)} maps: {named}"] if empty else []
    levels = tiles.asked.wish.levels
    for value in tiles.thresholds:
        least, most = 1 - levels[-1] + ROUNDED, 1 - levels[0] - ROUNDED
        own = [known for key, _, known in found if known and key.stat == threshold_stat(value)]
        what = "comes near" if own and all(known["maximum"] <= least for known in own) else ""
        what = "may lie below" if own and all(known["minimum"] >= most for known in own) else what
        if what:
            notes.append(f"thresholds: no cell {what} {value:g}, in whatever layer; expected values in {tiles.model.target.unit}")
    return notes


def _summary(tiles: TileWork, facts: Iterable[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Counts of all tiles: those of the last period, and with several periods those of each."""
    counts: list[dict[str, Any]] = [{} for _ in tiles.periods]
    for by_period in facts:
        for total, own in zip(counts, by_period, strict=True):
            _add(total, own)
    if not any(total["mapped"] for total in counts):
        last = counts[-1]
        left = last["with_all_covariates"] - last["masked"]
        reasons = ["lie outside the area of applicability"] if tiles.only_applicable else []
        reasons += ["have no soil above the bedrock"] if tiles.bedrock is not None else []
        outside = f", which {' or '.join(reasons)}" if left and reasons else ""
        raise ModelError(
            f"maps: of {last['cells']} cells, masks remove {last['masked']} and {left} of the others have a value of every covariate"
            f"{outside}; expected cells that are left (covariates/layers.csv tells which rasters cover what)"
        )
    # Where nobody looked there is no count: that is not none.
    unknown = [] if tiles.applicability is not None else ["inside_applicability"]
    unknown += [] if tiles.bedrock is not None else ["soil_ends_within", "bedrock_not_known", "bedrock_negative"]
    counts = [total | dict.fromkeys(unknown) for total in counts]
    named = {f"{period[0]}-{period[1]}": total for period, total in zip(tiles.periods, counts, strict=True) if period is not None}
    return counts[-1] | ({"periods": named} if named else {})


def _add(total: dict[str, Any], own: Mapping[str, Any]) -> None:
    for name, count in own.items():
        if isinstance(count, Mapping):
            _add(total.setdefault(name, {}), count)
        else:
            total[name] = total.get(name, 0) + count


def _notes(tiles: TileWork, summary: Mapping[str, Any]) -> list[str]:
    """What was assumed of cells, and where estimates gave way; of the last period."""
    notes = [f"mask {name}: {count} of {summary['cells']} cells are left empty" for name, count in summary["masks"].items()]
    mapped = summary["mapped"]
    if tiles.bedrock is not None:
        ends = summary["soil_ends_within"]
        contents = tiles.model.target.quantity == "soc"
        then = "contents of a layer without soil are left empty" if contents else "amounts shrink with its thickness"
        asked = summary["inside_applicability"] if tiles.only_applicable else summary["with_all_covariates"] - summary["masked"]
        notes.append(f"bedrock: in {ends} of {asked} cells soil ends within the layers; {then}")
        if summary["bedrock_not_known"]:
            negative = f", {summary['bedrock_negative']} of them for a negative depth" if summary["bedrock_negative"] else ""
            notes.append(f"bedrock: {summary['bedrock_not_known']} cells have no depth to bedrock{negative}; their layers count in full")
    if tiles.only_applicable and summary["inside_applicability"] is not None:
        left = summary["with_all_covariates"] - summary["masked"]
        notes.append(f"only applicable: {left - summary['inside_applicability']} of {left} cells lie outside and are left empty")
    for name, count in summary["se_shrunk"].items():
        if count:
            where = f"{count} of {mapped} cells ({count / mapped:.1%})"
            notes.append(f"{name}: the plain variance was at or below zero in {where}; it is shrunk there")
    return notes


def tags_of(job: Job, stage: str = "maps") -> dict[str, str]:
    """Where the maps of a stage come from."""
    return {
        "EDAPHIC_VERSION": job.version,
        "EDAPHIC_RECIPE_SHA256": job.hash_of(PARTS[stage]),
        "EDAPHIC_SEED": str(job.recipe.seed),
        "EDAPHIC_MODEL": job.recipe.model.name,
    }


def map_info(
    job: Job,
    interval: tuple[float, float],
    stat: str,
    period: Period | None = None,
    model_sha256: str = "",
    sampled: Period | None = None,
    *,
    quantity: str | None = None,
    unit: str | None = None,
) -> MapInfo:
    """What is said of a map. Without ``period`` it is the map of the recipe's one time, or of the last of its periods.

    ``sampled``: years of the profiles, where those are not in the run. ``quantity`` and ``unit``: those of the target unless given.
    """
    periods = map_periods(job)
    period = periods[-1] if period is None else period
    quantity, unit = quantity or job.target.quantity, unit or job.target.unit
    what = WHAT[quantity]
    words = words_of(stat, unit)
    title = f"{what}, {interval_name(interval)} cm, {words.title}"
    tags = {**tags_of(job), "EDAPHIC_STATISTIC": stat, "EDAPHIC_LAYER_CM": interval_name(interval)}
    if model_sha256:
        tags["EDAPHIC_MODEL_SHA256"] = model_sha256
    if period is not None:
        tags["EDAPHIC_PERIOD"] = f"{period[0]}-{period[1]}"
        title += f", {period[0]} to {period[1]}"
    if period is not None and period not in periods:
        tags["EDAPHIC_MEAN_OF_PERIODS"] = ", ".join(f"{own[0]}-{own[1]}" for own in periods if own is not None)
        title += f" (mean of {len(periods)} periods)"
    own_unit = unit if words.own_unit else "1"
    return MapInfo(
        name=f"{quantity}_{MapKey(stat, interval, period).name}",
        title=title,
        unit=own_unit,
        description=f"{job.recipe.name}: {title[0].lower()}{title[1:]}, {own_unit}. {words.meaning}",
        tags=tags,
        period=period or job.recipe.maps.period or sampled or sampled_years(job),
        colours=words.colours,
        limits=words.limits,
        classes=words.classes,
    )
