"""Where in the recipe stands what a file's fault is about: such faults name a raster or a table, and get the recipe's key before them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from edaphic import recipe
from edaphic.covariates import labelled_source
from edaphic.errors import EdaphicError
from edaphic.recipe import ByPolygons, ByRaster, ByShares, GridRegion, Loc, Recipe
from edaphic.stages.job import sources_of


def located(faults: Iterable[str], told: Recipe, recipe_path: Path) -> list[str]:
    """Faults of files, with line and key of the recipe where these are known.

    ``nocrs: covs/nocrs.tif: no coordinate reference system; ...`` becomes
    ``recipe.yaml:12: covariates.layers[3]: nocrs: covs/nocrs.tif: no coordinate reference system; ...``. A name that stands for two things
    is left as it is.
    """
    faults = list(faults)
    if not faults:
        return []
    places: dict[str, Loc] = {}
    twice: set[str] = set()
    for start, loc in _places(told, recipe_path):
        if places.setdefault(start, loc) != loc:
            twice.add(start)
    return recipe.with_lines(faults, recipe_path, {start: loc for start, loc in places.items() if start not in twice})


def _places(told: Recipe, recipe_path: Path) -> Iterator[tuple[str, Loc]]:
    """How faults begin that are about a key of the recipe, and its place."""
    yield from _of_tables(told, recipe_path)
    yield from _of_covariates(told, recipe_path)
    for place, mask in enumerate(told.maps.masks):
        yield f"maps.masks {mask.name}: ", ("maps", "masks", place)
    if isinstance(told.grid, GridRegion):
        yield f"{recipe.resolve(told, recipe_path, told.grid.region)}: ", ("grid", "region")
    for place, by in enumerate(told.account.by):
        loc: Loc = ("account", "by", place)
        if isinstance(by, ByRaster):
            yield f"{by.name}: ", loc
        if isinstance(by, ByShares):
            yield from ((f"{by.name} {name}: ", (*loc, "shares", name)) for name in by.shares)
        if isinstance(by, ByPolygons):
            path = recipe.resolve(told, recipe_path, by.path)
            for start in (f"{path}: ", f"account.by {by.name}: "):
                yield start, loc
            yield f"account.by {by.name}: {path}: no column {by.column!r};", (*loc, "column")
    for place, other in enumerate(told.account.compare):
        yield f"{other.name}: ", ("account", "compare", place)
    for place, own in enumerate(told.account.products):
        yield from ((f"{own.name} {layer}: ", ("account", "products", place, "layers", layer)) for layer in own.layers)
    for place, _ in enumerate(told.account.truth):
        yield f"truth {place + 1}: ", ("account", "truth", place)
    for place, product in enumerate(told.evidence.products):
        yield f"{product.name}: ", ("evidence", "products", place)


def _of_tables(told: Recipe, recipe_path: Path) -> Iterator[tuple[str, Loc]]:
    for place, source in enumerate(told.profiles.sources):
        loc: Loc = ("profiles", "sources", place)
        for key, table in (("horizons", source.horizons), ("sites", source.sites)):
            file = None if table is None else recipe.table_file(table)
            if file is None:
                continue
            name = Path(file).name
            for start in (name, recipe.resolve(told, recipe_path, file)):
                yield f"{start}: ", (*loc, key)
            yield f"{name}: found crs ", (*loc, "crs")
            yield from ((f"{name}: columns.{role}: ", (*loc, "columns", role)) for role in source.columns.given())


def _of_covariates(told: Recipe, recipe_path: Path) -> Iterator[tuple[str, Loc]]:
    places = recipe.covariate_places(told, recipe_path)
    yield from ((f"{name}: ", loc) for name, loc in places.items())
    try:
        dated = sources_of(told, recipe_path)
    except EdaphicError:  # what is wrong there is told by the check of files
        return
    for entry in dated:
        name = entry.source.name
        if entry.period is not None and name in places:
            yield f"{labelled_source(entry).name}: ", places[name]
