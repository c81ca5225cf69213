"""Files that a recipe names. Recipes keep paths as written; these functions make real ones of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edaphic.recipe.accounting import ByShares
from edaphic.recipe.covered import covariate_faults
from edaphic.recipe.faults import Fault, Loc
from edaphic.recipe.grid import GridLike, GridRegion
from edaphic.recipe.inputs import has_years, is_elsewhere, is_pattern
from edaphic.recipe.load import report
from edaphic.recipe.recipe import Recipe
from edaphic.recipe.soil import ProfileSource
from edaphic.recipe.where import is_there, resolve, table_file
from edaphic.recipe.work import Division


def check_files(recipe: Recipe, recipe_path: Path) -> list[str]:
    """Faults of the files that a recipe names, as far as looking for them tells: one line for each."""
    folder = resolve(recipe, recipe_path, ".")
    if not folder.is_dir():
        return report([Fault(("root",), f"no folder {str(folder)!r}", "the folder of the data")], recipe_path)
    named: list[tuple[Loc, str]] = [(loc, value) for loc, value in _named_files(recipe) if not is_elsewhere(value)]
    faults = [
        Fault(loc, f"no file {str(path)!r}", "a file that exists")
        for loc, path in ((loc, resolve(recipe, recipe_path, value)) for loc, value in named)
        if not is_there(path) or (path.is_dir() and loc[0] != "covariates")
    ]
    plain: list[tuple[Loc, Path]] = [
        (("covariates", "layers", place, "path"), resolve(recipe, recipe_path, layer.path))
        for place, layer in enumerate(recipe.covariates.layers)
        if not (is_pattern(layer.path) or has_years(layer.path) or is_elsewhere(layer.path))
    ]
    if recipe.covariates.indices is not None:
        plain.append((("covariates", "indices", "scenes"), resolve(recipe, recipe_path, recipe.covariates.indices.scenes)))
    faults += [Fault(loc, f"no file {str(path)!r}", "a file that exists") for loc, path in plain if not is_there(path)]
    return report(faults + covariate_faults(recipe, recipe_path), recipe_path)


def _named_files(recipe: Recipe) -> Iterator[tuple[Loc, str]]:
    """Files other than covariates."""
    if isinstance(recipe.grid, GridLike):
        yield ("grid", "like"), recipe.grid.like
    if isinstance(recipe.grid, GridRegion):
        yield ("grid", "region"), recipe.grid.region
    tables: list[tuple[Loc, ProfileSource]] = [
        (("profiles", "sources", place), source) for place, source in enumerate(recipe.profiles.sources)
    ]
    tables += [
        (("evidence", "independent", number, "sources", place), source)
        for number, entry in enumerate(recipe.evidence.independent)
        for place, source in enumerate(entry.sources)
    ]
    for loc, source in tables:
        for key, name in (("horizons", source.horizons), ("sites", source.sites)):
            file = None if name is None else table_file(name)
            if file is not None:
                yield (*loc, key), file
    for place, product in enumerate(recipe.evidence.products):
        yield ("evidence", "products", place, "path"), product.path
    for key, grid in (
        ("bulk_density_grid", recipe.profiles.bulk_density_grid),
        ("coarse_fragments_grid", recipe.profiles.coarse_fragments_grid),
    ):
        for layer, name in grid.layers.items() if grid is not None else ():
            yield ("profiles", key, "layers", layer), name
    yield from _named_to_make(recipe)
    for place, mask in enumerate(recipe.maps.masks):
        yield ("maps", "masks", place, "path"), mask.path
    if recipe.maps.bedrock is not None:
        yield ("maps", "bedrock", "path"), recipe.maps.bedrock.path
    for name, share in recipe.maps.shares.items():
        yield ("maps", "shares", name, "path"), share.path
    if recipe.maps.subsoil is not None:
        yield ("maps", "subsoil", "topsoil", "path"), recipe.maps.subsoil.topsoil.path
    for place, division in enumerate(recipe.account.by):
        if isinstance(division, ByShares):
            yield from ((("account", "by", place, "shares", name, "path"), share.path) for name, share in division.shares.items())
        elif not isinstance(division, str):
            yield ("account", "by", place, "path"), division.path
    for place, whole in enumerate(recipe.account.products):
        yield from ((("account", "products", place, "layers", layer), path) for layer, path in whole.layers.items())
    if recipe.account.published is not None:
        yield ("account", "published"), recipe.account.published
    for key, others in (("compare", recipe.account.compare), ("truth", recipe.account.truth)):
        for place, other in enumerate(others):
            yield ("account", key, place, "path"), other.path
    if recipe.deliver.gsocmap is not None and recipe.deliver.gsocmap.grid is not None:
        yield ("deliver", "gsocmap", "grid"), recipe.deliver.gsocmap.grid


def named_files(recipe: Recipe) -> list[tuple[Loc, str]]:
    """Files that a recipe names other than covariates, as written, and the keys that lead to each."""
    return list(_named_files(recipe))


def named_for_maps(recipe: Recipe) -> list[str]:
    """Files that only maps read, as written: masks, the depth to bedrock, shares of zones, the topsoil."""
    bedrock, subsoil = recipe.maps.bedrock, recipe.maps.subsoil
    found = [*(mask.path for mask in recipe.maps.masks), *([] if bedrock is None else [bedrock.path])]
    return [*found, *(share.path for share in recipe.maps.shares.values()), *([] if subsoil is None else [subsoil.topsoil.path])]


def named_for_account(recipe: Recipe) -> list[str]:
    """Files that the account reads, as written: divisions, other maps, published totals."""
    found = [name for loc, name in _named_files(recipe) if loc[0] == "account"]
    return list(dict.fromkeys(found))


def named_by(division: Division) -> list[str]:
    """Files of a division of the account, as written; none of a covariate."""
    if isinstance(division, str):
        return []
    return [share.path for share in division.shares.values()] if isinstance(division, ByShares) else [division.path]


def named_to_make(recipe: Recipe) -> dict[str, list[str]]:
    """Files that covariates are made of, as written, for each part of the section; without those of scenes."""
    found: dict[str, list[str]] = {}
    for loc, name in _named_to_make(recipe):
        found.setdefault(str(loc[1]), []).append(name)
    return found | ({"indices": found.get("indices", [])} if recipe.covariates.indices is not None else {})


def _named_to_make(recipe: Recipe) -> Iterator[tuple[Loc, str]]:
    """Files that covariates are made of, other than folders of scenes."""
    covariates = recipe.covariates
    if covariates.terrain is not None:
        yield ("covariates", "terrain", "dem"), covariates.terrain.dem
    if covariates.climate is not None:
        yield ("covariates", "climate", "stations"), covariates.climate.stations
        yield ("covariates", "climate", "dem"), covariates.climate.dem
    if covariates.indices is not None:
        for sensor, name in covariates.indices.coefficients.items():
            yield ("covariates", "indices", "coefficients", sensor), name
    for place, mean in enumerate(covariates.depth_means):
        for layer, name in mean.sources.items():
            yield ("covariates", "depth_means", place, "sources", layer), name
