"""How large the work of a recipe is: cells, memory, room on disk, time, before any of it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from odc.geo.geobox import GeoBox

from edaphic.covariates.sources import AnyLayer
from edaphic.errors import RunError
from edaphic.mapping.names import OF_COVARIATES
from edaphic.mapping.place import Place, resident, said
from edaphic.mapping.plan import Plan, plan_tiles
from edaphic.recipe import Recipe, whole_layer

GROW_S = 4e-7
"""Seconds of one core for each tree, row and feature that is tried when a forest grows."""

TREE_CELL_S = 3.5e-8
"""Seconds of one core for each tree, cell and depth of a map: a third for mean and spread, the rest for calibrated limits."""

COVARIATE_CELL_S = 1.5e-7
"""Seconds of one core for reading, aligning and writing one value of a cell."""

CLEARLY = 1.25
"""An estimate must exceed the memory by this before the work is refused: it is rough."""


@dataclass(frozen=True)
class Size:
    """The work ahead: cells of the grid, rows of the tables, tiles, megabytes on disk and in memory, minutes on this machine.

    ``values``: how the quantities of the tables were understood; ``notes``: what is allowed but looks odd;
    ``contents``: address and hash of the content of every database table.
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


def size_of(told: Recipe, grid: GeoBox, layers: Sequence[AnyLayer], covariates: int, rows: Sequence[int], place: Place) -> Size:
    """Rough figures, meant to tell minutes from days; the tiles are those of the planner.

    Raises
    ------
    RunError
        The memory that is allowed is clearly too little.
    """
    cells = grid.shape[0] * grid.shape[1]
    intervals = len(told.profiles.layers) + (whole_layer(told) is not None)
    training = max(1, rows[0] * intervals // 2)
    trees = told.model.forest.trees
    members = 0.64 * trees * training
    model = members * 8 + members / 3 * 60
    _refuse_model(place, model, trees, training)
    arrays = _maps(told, intervals)
    plan = plan_tiles(
        grid,
        layers,
        bytes_per_cell=4.0 * arrays + 8.0 * covariates + 48.0,
        fixed_bytes=int(model),
        place=place,
        window=told.maps.window,
    )
    learning = 400e6 + 4 * model
    # Tiles and finished maps lie beside each other for a while: an array goes when its map is there.
    disk = cells * (4.0 * arrays * 1.1 + 4 * 2) + model
    return Size(
        cells=cells,
        layers=len(told.profiles.layers),
        covariates=covariates,
        profiles=int(rows[0]),
        horizons=int(rows[1]),
        disk_mb=disk / 1e6,
        memory_mb=max(learning, plan.peak_bytes) / 1e6,
        minutes=_seconds(told, cells, intervals, arrays, covariates, training, plan, place) / 60 + 0.3,
        tiles=len(plan.tiles),
        tile=plan.tiles.size,
        lanes=max(1, plan.workers),
    )


def _maps(told: Recipe, intervals: int) -> int:
    """Number of maps."""
    once = sum(stat in OF_COVARIATES for stat in told.maps.stats)
    periods = max(1, len(told.maps.periods or ())) + bool(told.maps.mean_of_periods)
    return periods * ((len(told.maps.stats) - once + len(told.maps.thresholds)) * intervals + once)


def _refuse_model(place: Place, model: float, trees: int, training: int) -> None:
    """Growing forests takes memory that no size of tiles can lessen."""
    needed = resident() + 4 * model
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
    mapped = cells * (TREE_CELL_S * trees * intervals + COVARIATE_CELL_S * (covariates + arrays))
    return (learn + evidence) / place.threads + mapped / max(1, plan.workers)


def _search(told: Recipe, training: int, layers: int) -> float:
    """Seconds of one search for covariates: forests on half of the covariates, for each subset and fold."""
    select = told.model.select
    best = min(select.best, layers)
    subsets: int = {"none": 0, "exhaustive": 2**best - 1, "forward": layers * (layers + 1) // 2, "backward": layers}[select.method]
    return GROW_S * select.trees * training * max(1.0, 0.35 * best / 2) * (select.folds - 1) * subsets
