"""How large the work of a recipe is: cells, memory, room on disk, time, before any of it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from odc.geo.geobox import GeoBox

from edaphic.covariates.sources import AnyLayer
from edaphic.errors import RunError
from edaphic.mapping.montecarlo import block_bytes, room_of_blocks
from edaphic.mapping.names import OF_COVARIATES, level_of
from edaphic.mapping.noise import NODES
from edaphic.mapping.place import Place, resident, said
from edaphic.mapping.plan import Plan, plan_tiles
from edaphic.recipe import MonteCarlo, Recipe, whole_layer

GROW_S = 4e-7
"""Seconds of one core for each tree, row and feature that is tried when a forest grows."""

TREE_CELL_S, QUANTILES_S = 1.25e-8, 2.25e-8
"""Seconds of one core for each tree, cell and depth of a map; and the more of them where maps take quantiles of the leaves."""

COVARIATE_CELL_S = 1.5e-7
"""Seconds of one core for reading, aligning and writing one value of a cell."""

CLEARLY = 1.25
"""The estimate of what a model takes while it grows must exceed the memory by this before the work is refused: it is rough."""

STAGES = 120_000_000
"""Bytes that this process gains from the check to the maps beside the model: machine code of the loops, tables (measured: 90 to 110 MB)."""

LANE = 80_000_000
"""Bytes of the cells that a tile in work asks the model with and of its answers, which blocks of cells bound (measured: 70 MB)."""

REPORT = 140_000_000
"""Bytes that drawing the report takes beside what this process has by then (measured: 90 to 110 MB)."""


@dataclass(frozen=True)
class Need:
    """Bytes of a stage of tiles: of each cell of a tile, of the work, of each tile in work whatever its size."""

    bytes_per_cell: float
    fixed_bytes: int
    lane_bytes: int


@dataclass(frozen=True)
class Size:
    """The work ahead: cells of the grid, rows of the tables, tiles, megabytes on disk and in memory, minutes on this machine.

    ``values``: how the quantities of the tables were understood; ``notes``: what is allowed but looks odd;
    ``contents``: address and hash of the content of every database table. ``stages_mb``: megabytes in memory by stage.
    """

    cells: int
    layers: int
    covariates: int
    profiles: int
    horizons: int
    disk_mb: float
    memory_mb: float
    minutes: float
    values: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    contents: tuple[tuple[str, str], ...] = ()
    tiles: int = 0
    tile: tuple[int, int] = (0, 0)
    lanes: int = 1
    stages_mb: tuple[tuple[str, float], ...] = ()


def size_of(told: Recipe, grid: GeoBox, layers: Sequence[AnyLayer], covariates: int, rows: Sequence[int], place: Place) -> Size:
    """Rough figures, meant to tell minutes from days; the tiles are those of the planner.

    Raises
    ------
    RunError
        The memory that is allowed is too little.
    """
    cells = grid.shape[0] * grid.shape[1]
    intervals = len(told.profiles.layers) + (whole_layer(told) is not None)
    training = max(1, rows[0] * intervals // 2)
    trees = told.model.forest.trees
    members = 0.64 * trees * training
    model = members * 8 + members / 3 * 60
    taken = resident() + STAGES
    _refuse_model(place, taken + 4 * model, trees, training)
    arrays = _maps(told, intervals)
    needs = {"maps": Need(4.0 * arrays + 8.0 * covariates + 48.0, int(model), LANE)}
    if told.maps.monte_carlo is not None:
        needs["montecarlo"] = _monte_carlo(told.maps.monte_carlo, intervals, len(told.profiles.layers), covariates, place)
    plans = _plans(needs, grid, layers, place, told.maps.window, taken)
    plan = plans["maps"]
    stages = (
        ("model and evidence", taken + 4 * model),
        *((name, float(own.peak_bytes)) for name, own in plans.items()),
        ("report", float(taken + REPORT)),
    )
    # Tiles and finished maps lie beside each other for a while: an array goes when its map is there.
    disk = cells * (4.0 * arrays * 1.1 + 4 * 2) + model
    return Size(
        cells=cells,
        layers=len(told.profiles.layers),
        covariates=covariates,
        profiles=int(rows[0]),
        horizons=int(rows[1]),
        disk_mb=disk / 1e6,
        memory_mb=max(size for _, size in stages) / 1e6,
        minutes=_seconds(told, cells, intervals, arrays, covariates, training, plan, place) / 60 + 0.3,
        tiles=len(plan.tiles),
        tile=plan.tiles.size,
        lanes=max(1, plan.workers),
        stages_mb=tuple((name, size / 1e6) for name, size in stages),
    )


def _plans(
    needs: Mapping[str, Need], grid: GeoBox, layers: Sequence[AnyLayer], place: Place, window: int | None, taken: int
) -> dict[str, Plan]:
    """Tiles of each stage that has any; what is too little memory for any stage after the evidence is found at once."""
    plans: dict[str, Plan] = {}
    faults: list[str] = []
    for name, need in needs.items():
        try:
            plans[name] = plan_tiles(
                grid,
                layers,
                bytes_per_cell=need.bytes_per_cell,
                fixed_bytes=need.fixed_bytes,
                lane_bytes=need.lane_bytes,
                place=place,
                window=window,
                taken=taken,
            )
        except RunError as fault:
            faults += fault.faults if name == "maps" else [line.replace("--memory", f"--memory ({name})", 1) for line in fault.faults]
    faults += _report_faults(place, taken + REPORT)
    if faults:
        raise RunError(faults)
    return plans


def _monte_carlo(told: MonteCarlo, intervals: int, layers: int, covariates: int, place: Place) -> Need:
    """As :class:`~edaphic.mapping.montecarlo.MonteWork` counts it, with one stream of errors for each covariate."""
    stats = 2 + len(told.levels) + told.relative_width
    room = room_of_blocks(place)
    nodes = 1 if told.range_km is None else NODES
    lane = block_bytes(room, told.realisations, intervals, layers, covariates, covariates + layers, nodes)
    return Need(12.0 * covariates + 4.0 * stats * intervals + 8.0 * layers + 40.0, 0, lane)


def _maps(told: Recipe, intervals: int) -> int:
    """Number of maps."""
    once = sum(stat in OF_COVARIATES for stat in told.maps.stats)
    periods = max(1, len(told.maps.periods or ())) + bool(told.maps.mean_of_periods)
    return periods * ((len(told.maps.stats) - once + len(told.maps.thresholds)) * intervals + once)


def _report_faults(place: Place, needed: float) -> list[str]:
    """A report takes memory that no size of tiles can lessen, which is better said now than after the maps."""
    if place.memory is None or needed <= place.memory:
        return []
    return [f"--memory: {said(place.memory)}; expected at least {said(needed * 1.02)}, which drawing the report is estimated to need"]


def _refuse_model(place: Place, needed: float, trees: int, training: int) -> None:
    """Growing forests takes memory that no size of tiles can lessen."""
    if place.memory is not None and needed > CLEARLY * place.memory:
        raise RunError(
            f"--memory: {said(place.memory)}; expected about {said(needed)}, which growing {trees} trees on {training:,} rows is estimated "
            "to need: more memory, or fewer trees"
        )


def _seconds(
    told: Recipe, cells: int, intervals: int, arrays: int, covariates: int, training: int, plan: Plan, place: Place
) -> float:
    trees, tune = told.model.forest.trees, told.model.tune
    features = max(1.0, 0.35 * covariates)
    grow = GROW_S * trees * training * features
    tuned = GROW_S * tune.trees * training * features * tune.candidates * (tune.folds - 1)
    learn = grow + tuned + _search(told, training, covariates)
    evidence = learn * (told.evidence.folds - 1) * len(told.evidence.all_designs) + grow * (told.evidence.folds - 1)
    quantiles = told.maps.thresholds or any(level_of(stat) is not None for stat in told.maps.stats)
    tree_cell = TREE_CELL_S + (QUANTILES_S if quantiles else 0.0)
    mapped = cells * (tree_cell * trees * intervals + COVARIATE_CELL_S * (covariates + arrays))
    return (learn + evidence) / place.threads + mapped / max(1, plan.workers)


def _search(told: Recipe, training: int, layers: int) -> float:
    """Seconds of one search for covariates: forests on half of the covariates, for each subset and fold."""
    select = told.model.select
    best = min(select.best, layers)
    subsets: int = {"none": 0, "exhaustive": 2**best - 1, "forward": layers * (layers + 1) // 2, "backward": layers}[select.method]
    return GROW_S * select.trees * training * max(1.0, 0.35 * best / 2) * (select.folds - 1) * subsets
