"""What a run read, with the licence and the citation of each input: of the recipe, or of the file itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from edaphic import recipe
from edaphic.recipe import Loc, ProfileSource, Recipe
from edaphic.recipe.base import Section
from edaphic.report.delivery.rollup import Input
from edaphic.report.delivery.tags import told_by_file

KINDS: Mapping[tuple[str, ...], str] = {
    ("grid", "region"): "region",
    ("profiles", "bulk_density_grid"): "grid of bulk density",
    ("profiles", "coarse_fragments_grid"): "grid of coarse fragments",
    ("covariates", "terrain"): "elevation model",
    ("covariates", "climate", "dem"): "elevation model",
    ("covariates", "climate"): "stations",
    ("covariates", "indices"): "coefficients",
    ("covariates", "depth_means"): "covariate",
    ("maps", "masks"): "mask",
    ("maps", "shares"): "share of a zone",
    ("maps", "subsoil"): "topsoil",
    ("maps", "bedrock"): "depth to bedrock",
    ("account", "by"): "division",
    ("account", "compare"): "product",
    ("account", "truth"): "truth",
    ("evidence", "products"): "product",
}
"""Kinds of inputs by the keys that lead to them, the longest that fits."""

OF_TABLES = (("evidence",), ("account",))
"""Keys of inputs that no map is made with."""

NOT_DATA = (("grid", "like"), ("deliver",))
"""Files of which only the cells are taken."""


@dataclass(frozen=True)
class _Named:
    """An input before its licence is looked for."""

    input: Input
    file: Path | None


def inputs_with_licences(told: Recipe, recipe_path: Path) -> list[Input]:
    """Everything that a run reads values from, each with its licence and citation where they are known.

    A licence is looked for in the section of the source, then in ``deliver.licences``, then in the file (tags, or the STAC item beside
    it). An input that states none takes that of another entry of the same path.
    """
    found = [_looked_up(each, told) for each in _named(told, recipe_path)]
    by_path = {own.path: own for own in reversed(found) if own.licence}
    return [_completed(own, by_path.get(own.path, own)) for own in found]


def _completed(own: Input, other: Input) -> Input:
    """An input with what another entry of its path says, where it says nothing itself."""
    if own.licence:
        return own
    return replace(own, licence=other.licence, citation=own.citation or other.citation, stated_in=other.stated_in)


def idle_licences(told: Recipe, recipe_path: Path) -> list[str]:
    """Entries of ``deliver.licences`` that are for no input."""
    if not told.deliver.licences:
        return []
    inputs = [each.input for each in _named(told, recipe_path)]
    return [
        f"deliver.licences.{pattern}: fits no input; expected a path as the recipe writes it, a name, or a pattern such as masks/*"
        for pattern in told.deliver.licences
        if not any(_fits(pattern, own) for own in inputs)
    ]


def _fits(pattern: str, own: Input) -> bool:
    return pattern in (own.path, own.name) or fnmatchcase(own.path, pattern) or fnmatchcase(own.name, pattern)


def _looked_up(each: _Named, told: Recipe) -> Input:
    own = each.input
    stated = [(own.licence, own.citation, "recipe")]
    stated += [
        (said.licence or "", said.citation or "", "recipe, deliver.licences")
        for pattern, said in told.deliver.licences.items()
        if _fits(pattern, own)
    ]
    if each.file is not None and each.file.is_file() and not (own.licence and own.citation):
        stated.append((*told_by_file(each.file), "file"))
    licence, where = next(((said, place) for said, _, place in stated if said), ("", ""))
    return replace(own, licence=licence, stated_in=where, citation=next((said for _, said, _ in stated if said), ""))


def _named(told: Recipe, recipe_path: Path) -> list[_Named]:
    found = [_of_table("profiles", source) for source in told.profiles.sources]
    kind = "profiles to score at"
    found += [_of_table(kind, source, "tables") for entry in told.evidence.independent for source in entry.sources]
    for layer in recipe.covariate_layers(told, recipe_path):
        path = _seen_from(told, recipe_path, layer.path)
        file = None if recipe.is_elsewhere(layer.path) else Path(layer.path)
        found.append(_Named(Input("covariate", str(layer.name), path, layer.licence or "", layer.citation or ""), file))
    scenes = told.covariates.indices
    if scenes is not None:
        found.append(_Named(Input("scenes", Path(scenes.scenes).name, scenes.scenes, scenes.licence or "", scenes.citation or ""), None))
    tables = (("profiles", "sources"), ("evidence", "independent"))
    for loc, value in recipe.named_files(told):
        if loc[:2] in tables or any(loc[: len(own)] == own for own in NOT_DATA):
            continue
        section = _section(told, loc)
        own_key = not (loc[:2] == ("covariates", "climate") and loc[-1] == "dem")  # the keys of that section are of the stations
        licence, citation = (getattr(section, key, None) or "" if own_key else "" for key in ("licence", "citation"))
        name = getattr(section, "name", None) or Path(value).stem
        file = None if recipe.is_elsewhere(value) else recipe.resolve(told, recipe_path, value)
        used_for = "tables" if any(loc[: len(own)] == own for own in OF_TABLES) else "maps"
        found.append(_Named(Input(_kind(loc), str(name), value, licence, citation, used_for=used_for), file))
    return found


def _of_table(kind: str, source: ProfileSource, used_for: str = "maps") -> _Named:
    path = source.horizons.partition("?")[0] if "://" in source.horizons else source.horizons  # behind the ? may be a key
    return _Named(Input(kind, source.own_name, path, source.licence or "", source.citation or "", used_for=used_for), None)


def _seen_from(told: Recipe, recipe_path: Path, path: str) -> str:
    """A path of a covariate as the recipe would write it, without what stands behind the ? of an address."""
    if recipe.is_elsewhere(path):
        return path.partition("?")[0]
    try:
        return Path(os.path.relpath(path, recipe.resolve(told, recipe_path, "."))).as_posix()
    except ValueError:  # another drive
        return path


def _kind(loc: Loc) -> str:
    keys = tuple(part for part in loc if isinstance(part, str))
    fitting = [known for known in KINDS if keys[: len(known)] == known]
    return KINDS[max(fitting, key=len)] if fitting else " ".join(keys[:2])


def _section(told: Recipe, loc: Loc) -> Any:
    """The section that names a file: the last one on the way to it."""
    here: Any = told
    last = here
    for part in loc[:-1]:
        here = _inner(here, part)
        if isinstance(here, Section):
            last = here
        elif not isinstance(here, (dict, list, tuple)):
            break
    return last


def _inner(here: Any, part: str | int) -> Any:
    if isinstance(here, (list, tuple)) and isinstance(part, int):
        return here[part]
    return here[part] if isinstance(here, dict) else getattr(here, str(part), None)


def sidecars(paths: Iterable[Path]) -> set[Path]:
    """STAC items beside rasters."""
    return {beside for path in paths if (beside := path.with_suffix(".json")).is_file()}
