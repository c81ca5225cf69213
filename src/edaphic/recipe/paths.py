"""Files that a recipe names. Recipes keep paths as written; these functions make real ones of them."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from edaphic.errors import RecipeError
from edaphic.recipe.faults import Fault, Loc
from edaphic.recipe.inputs import CovariateLayer, GridLike, GridRegion, is_pattern
from edaphic.recipe.load import report
from edaphic.recipe.recipe import Head, Recipe


def resolve(recipe: Head, recipe_path: Path, value: str) -> Path:
    """Path of a file that the recipe names.

    Parameters
    ----------
    recipe_path : Path
        The recipe's own file: ``root`` is seen from its folder, and ``value`` from ``root``. ``~`` is the home folder.
    value : str
        Path as written in the recipe; an absolute one stays as it is.
    """
    return recipe_path.parent / Path(recipe.root).expanduser() / Path(value).expanduser()


def address(recipe: Head, recipe_path: Path, value: str) -> Path | str:
    """Where a table of profiles is: the path of its file, with the layer of a GeoPackage behind it, or the address of a database table.

    >>> head = Head(edaphic=1, name="a")
    >>> address(head, Path("recipe.yaml"), "postgresql://host/soil?table=horizons")
    'postgresql://host/soil?table=horizons'
    >>> address(head, Path("data/recipe.yaml"), "soil.gpkg:horizons")
    'data/soil.gpkg:horizons'
    """
    file = table_file(value)
    if file is None:
        return value
    return resolve(recipe, recipe_path, file) if file == value else str(resolve(recipe, recipe_path, file)) + value[len(file) :]


def table_file(value: str) -> str | None:
    """File of a table of profiles, without the layer of a GeoPackage; None for a database table.

    >>> table_file("soil.gpkg:horizons"), table_file("a.csv"), table_file("sqlite:///a.db?table=b")
    ('soil.gpkg', 'a.csv', None)
    """
    if "://" in value:
        return None
    file, found, layer = value.rpartition(".gpkg:")
    return f"{file}.gpkg" if found and layer else value


def covariate_layers(recipe: Recipe, recipe_path: Path) -> list[CovariateLayer]:
    """Entries of ``covariates.layers``, with patterns replaced by the files they fit, each with its name and real path.

    The order is that of the recipe, files of a pattern in the order of their names. A file that has an entry of its own
    is not taken from a pattern as well. Names in ``exclude`` are left out.

    Raises
    ------
    RecipeError
        A pattern matches no file, two files bear one name, nothing is left, or a name in ``exclude`` fits nothing.
    """
    layers, faults = _covariates(recipe, recipe_path)
    if faults:
        raise RecipeError(report(faults, recipe_path))
    return layers


def input_paths(recipe: Recipe, recipe_path: Path) -> dict[str, Path]:
    """Every file that the recipe reads: path seen from ``root``, with forward slashes -> real path; sorted.

    What is missing is left out of patterns only; :func:`check_files` reports all of it.
    """
    folder = resolve(recipe, recipe_path, ".")
    paths = [resolve(recipe, recipe_path, value) for _, value in _named_files(recipe)]
    paths += [Path(layer.path) for layer in _covariates(recipe, recipe_path)[0]]
    seen = {path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path): path for path in paths}
    return dict(sorted(seen.items()))


def check_files(recipe: Recipe, recipe_path: Path) -> list[str]:
    """Faults of the files that a recipe names, as far as looking for them tells: one line for each."""
    folder = resolve(recipe, recipe_path, ".")
    if not folder.is_dir():
        return report([Fault(("root",), f"no folder {str(folder)!r}", "the folder of the data")], recipe_path)
    named: list[tuple[Loc, str]] = [*_named_files(recipe)]
    named += [
        (("covariates", "layers", place, "path"), layer.path)
        for place, layer in enumerate(recipe.covariates.layers)
        if not is_pattern(layer.path)
    ]
    faults = [
        Fault(loc, f"no file {str(path)!r}", "a file that exists")
        for loc, path in ((loc, resolve(recipe, recipe_path, value)) for loc, value in named)
        if not path.is_file()
    ]
    return report(faults + _covariates(recipe, recipe_path)[1], recipe_path)


def _named_files(recipe: Recipe) -> Iterator[tuple[Loc, str]]:
    """Files other than covariates."""
    if isinstance(recipe.grid, GridLike):
        yield ("grid", "like"), recipe.grid.like
    if isinstance(recipe.grid, GridRegion):
        yield ("grid", "region"), recipe.grid.region
    for place, source in enumerate(recipe.profiles.sources):
        for key, name in (("horizons", source.horizons), ("sites", source.sites)):
            file = None if name is None else table_file(name)
            if file is not None:
                yield ("profiles", "sources", place, key), file
    for key, grid in (
        ("bulk_density_grid", recipe.profiles.bulk_density_grid),
        ("coarse_fragments_grid", recipe.profiles.coarse_fragments_grid),
    ):
        for layer, name in grid.layers.items() if grid is not None else ():
            yield ("profiles", key, "layers", layer), name
    for place, division in enumerate(recipe.account.by):
        if not isinstance(division, str):
            yield ("account", "by", place, "path"), division.path
    for key, others in (("compare", recipe.account.compare), ("truth", recipe.account.truth)):
        for place, other in enumerate(others):
            yield ("account", key, place, "path"), other.path


def _covariates(recipe: Recipe, recipe_path: Path) -> tuple[list[CovariateLayer], list[Fault]]:
    """Covariates by file, without the excluded, and what is wrong with them."""
    entries = recipe.covariates.layers
    own = {resolve(recipe, recipe_path, entry.path).resolve() for entry in entries if not is_pattern(entry.path)}
    layers: dict[str, CovariateLayer] = {}
    faults: list[Fault] = []
    for place, entry in enumerate(entries):
        loc: Loc = ("covariates", "layers", place, "path")
        if not is_pattern(entry.path):
            paths = [resolve(recipe, recipe_path, entry.path)]
        else:
            matched = _matches(recipe, recipe_path, entry.path)
            paths = [path for path in matched if path.resolve() not in own]
            if not matched:
                faults.append(Fault(loc, f"no file for the pattern {entry.path!r}", "a pattern that fits some file"))
        for path in paths:
            name = entry.name or path.stem
            if name in layers:
                found = f"a second covariate named {name!r} ({path})"
                faults.append(Fault(loc, found, "an entry with a name of its own for that file"))
                continue
            layers[name] = entry.model_copy(update={"name": name, "path": str(path)})
    return _without_excluded(recipe, layers, faults)


def _without_excluded(
    recipe: Recipe, layers: dict[str, CovariateLayer], faults: list[Fault]
) -> tuple[list[CovariateLayer], list[Fault]]:
    exclude = recipe.covariates.exclude
    expected = "a name, or a pattern that fits one"
    faults = faults + [
        Fault(("covariates", "exclude", place), f"{pattern!r}, which fits no covariate", expected)
        for place, pattern in enumerate(exclude)
        if layers and not any(fnmatchcase(name, pattern) for name in layers)
    ]
    kept = [layer for name, layer in layers.items() if not any(fnmatchcase(name, pattern) for pattern in exclude)]
    if layers and not kept:
        faults.append(Fault(("covariates", "exclude"), "that no covariate is left", "at least one covariate"))
    asked: list[tuple[Loc, str]] = [(("maps", "mask", name), name) for name in recipe.maps.mask]
    asked += [(("account", "by", place), name) for place, name in enumerate(recipe.account.by) if isinstance(name, str)]
    faults += [
        Fault(loc, f"{name!r}, which is no covariate", "the name of a covariate of kind class")
        for loc, name in asked
        if kept and name not in layers
    ]
    return kept, faults


def _matches(recipe: Recipe, recipe_path: Path, pattern: str) -> list[Path]:
    """Files that fit a pattern, sorted; brackets are ordinary characters."""
    folder = resolve(recipe, recipe_path, ".")
    written = str(Path(pattern).expanduser()).replace("[", "[[]")
    found = sorted(glob.glob(written, root_dir=folder, recursive=True))
    return [folder / name for name in found if (folder / name).is_file()]
