"""Covariates of a recipe: the files behind its patterns and periods, and what the run makes itself."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from edaphic.errors import RecipeError
from edaphic.recipe.faults import Fault, Loc
from edaphic.recipe.inputs import CovariateLayer, has_years, is_elsewhere, is_pattern
from edaphic.recipe.load import report
from edaphic.recipe.makings import Period
from edaphic.recipe.recipe import Recipe
from edaphic.recipe.values import layer_text
from edaphic.recipe.where import resolve

RESERVED = ("profile_id", "reason")
"""Columns of the table of places that no covariate may be called."""


def covariate_layers(recipe: Recipe, recipe_path: Path) -> list[CovariateLayer]:
    """Entries of ``covariates.layers``, with patterns replaced by the files they fit, each with its name and real path.

    The order is that of the recipe, files of a pattern in the order of their names. A file that has an entry of its own
    is not taken from a pattern as well. Names in ``exclude`` are left out.

    Raises
    ------
    RecipeError
        A pattern matches no file, two files bear one name, nothing is left, or a name in ``exclude`` fits nothing.
    """
    layers, faults = covariate_files(recipe, recipe_path)
    if faults:
        raise RecipeError(report(faults, recipe_path))
    return layers


def covariate_faults(recipe: Recipe, recipe_path: Path) -> list[Fault]:
    """What is wrong with the covariates, as far as looking for files tells."""
    return covariate_files(recipe, recipe_path)[1]


def covariate_places(recipe: Recipe, recipe_path: Path) -> dict[str, Loc]:
    """Where each covariate that is there stands in the recipe: the keys of its entry of ``covariates.layers``."""
    places: dict[str, Loc] = {}
    for place, entry in enumerate(recipe.covariates.layers):
        loc: Loc = ("covariates", "layers", place)
        found = _files_of(recipe, recipe_path, entry, (*loc, "path"), set())[0] if entry.own_name is None else []
        for name in [entry.own_name] if entry.own_name is not None else [Path(path).stem for path, _ in found]:
            if name not in places or entry.own_name is not None:  # a file that has an entry of its own is not of the pattern
                places[name] = loc
    return places


def covariate_files(recipe: Recipe, recipe_path: Path) -> tuple[list[CovariateLayer], list[Fault]]:
    """Covariates by file, without the excluded, and what is wrong with them."""
    entries = recipe.covariates.layers
    plain = [entry.path for entry in entries if not (is_pattern(entry.path) or has_years(entry.path) or is_elsewhere(entry.path))]
    own = {Path(os.path.realpath(resolve(recipe, recipe_path, path))) for path in plain}  # a loop of links is said by the check
    layers: dict[tuple[str, Period | None], CovariateLayer] = {}
    faults: list[Fault] = []
    for place, entry in enumerate(entries):
        loc: Loc = ("covariates", "layers", place, "path")
        found, wrong = _files_of(recipe, recipe_path, entry, loc, own)
        faults += wrong
        for path, period in found:
            name = entry.own_name or Path(path).stem
            if (name, period) in layers or (name, None) in layers or (period is None and name in {known for known, _ in layers}):
                found_text = f"a second covariate named {name!r} ({path})"
                faults.append(Fault(loc, found_text, "an entry with a name of its own for that file"))
                continue
            update = {"name": name, "path": path, "period": period, "periods": None}
            layers[name, period] = entry.model_copy(update=update)
    made = made_layers(recipe)
    reserved: list[tuple[str, Loc]] = [(name, ("covariates", "layers")) for name, _ in layers if name in RESERVED]
    reserved += [(layer.name, ("covariates", *layer.loc)) for layer in made if layer.name in RESERVED]
    another = f"another name (name: ...) than {' or '.join(RESERVED)}"
    faults += [Fault(loc, f"a covariate named {name!r}", another) for name, loc in reserved]
    names = [name for name, _ in layers] + [name for name, _ in dict.fromkeys((layer.name, layer.loc) for layer in made)]
    faults += [
        Fault(("covariates", *loc), f"a second covariate named {name!r}", "no layer of that name, or another name for it")
        for name, loc in dict.fromkeys((layer.name, layer.loc) for layer in made)
        if names.count(name) > 1
    ]
    return _without_excluded(recipe, list(layers.values()), made, faults)


def _files_of(
    recipe: Recipe, recipe_path: Path, entry: CovariateLayer, loc: Loc, own: set[Path]
) -> tuple[list[tuple[str, Period | None]], list[Fault]]:
    """Files of one entry, with the period of each, and what is wrong."""
    if is_elsewhere(entry.path) and not has_years(entry.path):
        return [(entry.path, entry.period)], []
    if has_years(entry.path):
        return _by_period(recipe, recipe_path, entry, loc)
    if not is_pattern(entry.path):
        return [(str(resolve(recipe, recipe_path, entry.path)), entry.period)], []
    matched = _matches(recipe, recipe_path, entry.path)
    faults = [] if matched else [Fault(loc, f"no file for the pattern {entry.path!r}", "a pattern that fits some file")]
    return [(str(path), None) for path in matched if Path(os.path.realpath(path)) not in own], faults


def _by_period(
    recipe: Recipe, recipe_path: Path, entry: CovariateLayer, loc: Loc
) -> tuple[list[tuple[str, Period | None]], list[Fault]]:
    """Files of a path with years in it: of the periods that are given, else of those that are there."""
    if entry.periods is None and not is_elsewhere(entry.path):
        found = _years_there(recipe, recipe_path, entry.path)
        return found, [] if found else [Fault(loc, f"no file for {entry.path!r}", "files whose names hold years in these places")]
    if entry.periods is None:
        return [], [Fault(loc, f"{entry.path!r} without periods", "periods: a list of [first year, last year], for what is elsewhere")]
    named = [(_with_years(entry.path, period), period) for period in entry.periods]
    if is_elsewhere(entry.path):
        return [(name, period) for name, period in named], []
    paths = [(resolve(recipe, recipe_path, name), period) for name, period in named]
    faults = [
        Fault((*loc[:-1], "periods", number), f"no file {str(path)!r}", "a file for each period")
        for number, (path, _) in enumerate(paths)
        if not path.exists()
    ]
    return [(str(path), period) for path, period in paths], faults


def _with_years(path: str, period: Period) -> str:
    return path.replace("{year}", str(period[0])).replace("{from}", str(period[0])).replace("{to}", str(period[1]))


def _years_there(recipe: Recipe, recipe_path: Path, path: str) -> list[tuple[str, Period | None]]:
    """Files that bear years of four digits where the path has its words for them, in the order of their periods."""
    folder = resolve(recipe, recipe_path, ".")
    written = str(Path(path).expanduser())
    digits = {"{year}": "[0-9][0-9][0-9][0-9]", "{from}": "[0-9][0-9][0-9][0-9]", "{to}": "[0-9][0-9][0-9][0-9]"}
    search, exact = written.replace("[", "[[]"), re.escape(written)
    for word, four in digits.items():
        search = search.replace(word, four)
        first, *later = exact.split(re.escape(word))
        name = word.strip("{}")
        # A second place for the same word must hold the same years.
        exact = first + "".join((f"(?P<{name}>[0-9]{{4}})" if number == 0 else f"(?P={name})") + part for number, part in enumerate(later))
    found = []
    for name in glob.glob(search, root_dir=folder, recursive=True):
        match = re.fullmatch(exact, name)
        if match is not None and (folder / name).exists():
            years = match.groupdict()
            period = (int(years["year"]),) * 2 if "year" in years else (int(years["from"]), int(years["to"]))
            found.append((period, str(folder / name)))
    return [(name, period) for period, name in sorted(found)]


@dataclass(frozen=True)
class MadeCovariate:
    """A covariate that is made in the run: its name, what part of the recipe makes it, and what it will be."""

    name: str
    loc: Loc
    kind: Literal["continuous", "class"] = "continuous"
    period: Period | None = None

    @property
    def file(self) -> str:
        """Name of its raster.

        >>> MadeCovariate("ndvi", ("indices",), period=(1985, 1990)).file
        'ndvi_1985-1990.tif'
        """
        if self.period is None:
            return f"{self.name}.tif"
        return f"{self.name}_{self.period[0]}-{self.period[1]}.tif"


def made_layers(recipe: Recipe) -> list[MadeCovariate]:
    """Covariates that the recipe has made, in the order of its keys."""
    asked = recipe.covariates
    made: list[MadeCovariate] = []
    if asked.terrain is not None:
        made += [MadeCovariate(name, ("terrain", "attributes", place)) for place, name in enumerate(asked.terrain.attributes)]
    if asked.indices is not None:
        names = [*asked.indices.indices, *asked.indices.bands]
        periods = asked.indices.periods or (None,)
        made += [MadeCovariate(name, ("indices",), period=period) for name in names for period in periods]
    if asked.climate is not None:
        made += [MadeCovariate(name, ("climate", "values")) for name in asked.climate.covariates]
    made += [
        MadeCovariate(f"{mean.name}_{layer_text(layer)}cm", ("depth_means", place, "name"))
        for place, mean in enumerate(asked.depth_means)
        for layer in mean.layers
    ]
    if asked.zones is not None:
        made.append(MadeCovariate(asked.zones.name, ("zones", "name"), "class"))
    return made


def made_covariates(recipe: Recipe) -> list[MadeCovariate]:
    """Those of :func:`made_layers` that are not excluded."""
    return [layer for layer in made_layers(recipe) if not _excluded(recipe, layer.name)]


def _excluded(recipe: Recipe, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in recipe.covariates.exclude)


def _without_excluded(
    recipe: Recipe, layers: list[CovariateLayer], made: list[MadeCovariate], faults: list[Fault]
) -> tuple[list[CovariateLayer], list[Fault]]:
    exclude = recipe.covariates.exclude
    names = {layer.own_name or "" for layer in layers} | {layer.name for layer in made}
    faults = faults + [
        Fault(("covariates", "exclude", place), f"{pattern!r}, which fits no covariate", "a name, or a pattern that fits one")
        for place, pattern in enumerate(exclude)
        if names and not any(fnmatchcase(name, pattern) for name in names)
    ]
    kept = [layer for layer in layers if not _excluded(recipe, layer.own_name or "")]
    left = {name for name in names if not _excluded(recipe, name)}
    if names and not left:
        faults.append(Fault(("covariates", "exclude"), "that no covariate is left", "at least one covariate"))
    asked: list[tuple[Loc, str]] = [(("maps", "mask", name), name) for name in recipe.maps.mask]
    asked += [(("account", "by", place), name) for place, name in enumerate(recipe.account.by) if isinstance(name, str)]
    faults += [
        Fault(loc, f"{name!r}, which is no covariate", "the name of a covariate of kind class")
        for loc, name in asked
        if left and name not in names
    ]
    return kept, faults


def _matches(recipe: Recipe, recipe_path: Path, pattern: str) -> list[Path]:
    """Files that fit a pattern, sorted; brackets are ordinary characters."""
    folder = resolve(recipe, recipe_path, ".")
    written = str(Path(pattern).expanduser()).replace("[", "[[]")
    found = sorted(glob.glob(written, root_dir=folder, recursive=True))
    return [folder / name for name in found if (folder / name).is_file()]
