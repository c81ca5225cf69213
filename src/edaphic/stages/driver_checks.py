"""What can be known of the section of drivers before the work starts: names that stand for nothing, or for something else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from edaphic.errors import ModelError
from edaphic.recipe import Drivers, Recipe
from edaphic.recipe.path_model import PathIndicator
from edaphic.stages.driver_tables import TEXTURE
from edaphic.validate.importance import families_of

LAYER_CLASSES = ("source", "below", "status", "organic_soil", "bulk_density_source", "coarse_fragments_source")
"""Columns of the layer table that hold classes."""
LAYER_NUMBERS = (
    "lon", "lat", "year", "top_cm", "bottom_cm", "soc_stock_kg_m2", "soc_density_kg_m3", "soc_g_kg", "coverage", "value_sd"
)  # fmt: skip
"""Columns of the layer table that hold numbers."""
OWN = ("layer", "profile_id")
WORDS = ("value", "has_covariates", "beta")
"""Columns that stand beside those of the layer table."""
MOST_NAMED = 8


def check_drivers(told: Recipe, kinds: Mapping[str, str], tables: Sequence[pd.DataFrame]) -> tuple[list[str], list[str]]:
    """What is wrong with the section of drivers, and what is worth a note.

    Parameters
    ----------
    told : Recipe
    kinds : mapping
        ``continuous`` or ``class``, by covariate.
    tables : sequence of DataFrame
        Tables of profiles as they were read.

    Returns
    -------
    (faults, notes)
    """
    asked = told.drivers
    if not asked.asked:
        return [], []
    faults = [*_of_families(asked, kinds), *_of_covariates(asked, kinds), *_of_groups(asked, kinds, tables)]
    faults += [*_of_paths(told, kinds), *_of_names(asked, kinds)]
    return faults, _notes(told)


def _notes(told: Recipe) -> list[str]:
    """What takes long."""
    effects = told.drivers.effects
    if effects is None:
        return []
    return [f"drivers.effects: {effects.forests} bootstrap forests are grown for the bands; fewer take less time"]


def _of_names(asked: Drivers, kinds: Mapping[str, str]) -> Iterator[str]:
    """Covariates that would stand in the place of a column of the layer table."""
    if asked.curves is None and not asked.groups and asked.paths is None:
        return
    for name in kinds:
        if name in (*LAYER_CLASSES, *LAYER_NUMBERS, *OWN, *WORDS):
            yield f"drivers: the covariate {name!r} is called as a column of the layer table is; expected another name of the covariate"


def _of_families(asked: Drivers, kinds: Mapping[str, str]) -> Iterator[str]:
    if asked.importance is None:
        return
    for family, patterns in asked.importance.families.items():
        for pattern in patterns:
            if not _fitting(pattern, kinds):
                yield f"drivers.importance.families.{family}: {pattern!r}, which no covariate is called; expected {_near(pattern, kinds)}"
    try:
        families_of(tuple(kinds), asked.importance.families)
    except ModelError as fault:
        yield from (f"drivers.importance.families: {line}" for line in fault.faults)


def _of_covariates(asked: Drivers, kinds: Mapping[str, str]) -> Iterator[str]:
    for key, section in (("effects", asked.effects), ("curves", asked.curves)):
        for pattern in () if section is None else section.covariates or ():
            found = _fitting(pattern, kinds)
            if not found:
                yield f"drivers.{key}.covariates: {pattern!r}, which no covariate is called; expected {_near(pattern, kinds)}"
            elif key == "curves" and all(kinds[name] == "class" for name in found):
                yield f"drivers.curves.covariates: {pattern!r}, whose classes have no order; expected a continuous covariate"


def _of_groups(asked: Drivers, kinds: Mapping[str, str], tables: Sequence[pd.DataFrame]) -> Iterator[str]:
    seen: set[str] = set()
    for place, own in enumerate(asked.groups):
        where = f"drivers.groups[{place}].by: {own.by!r}"
        if own.by in seen:
            yield f"{where} a second time; expected each once"
        seen.add(own.by)
        if kinds.get(own.by) == "class" or own.by in LAYER_CLASSES:
            continue
        if own.by == "texture":
            lost = [name for name in TEXTURE if not any(name in table for table in tables)]
            if lost:
                yield f"{where}: no {', '.join(lost)} in the tables of profiles; expected columns of clay, silt and sand"
            continue
        holds = [table[own.by] for table in tables if own.by in table]
        if own.by in kinds or own.by in LAYER_NUMBERS or any(_is_number(column) for column in holds):
            yield f"{where}, which holds numbers; expected a class covariate or a column of classes"
        elif own.by in OWN or not holds:
            expected = _near(own.by, [*(name for name, kind in kinds.items() if kind == "class"), *LAYER_CLASSES])
            what = "which is no class" if own.by in OWN else "which is no covariate and no column of the tables of profiles"
            yield f"{where}, {what}; expected {expected}"


def _is_number(column: pd.Series) -> bool:
    return is_numeric_dtype(column) and not is_bool_dtype(column)


def _of_paths(told: Recipe, kinds: Mapping[str, str]) -> Iterator[str]:
    asked = told.drivers.paths
    if asked is None:
        return
    numbers = (*LAYER_NUMBERS, *(["beta"] if told.model.target == "beta" else []))
    known = [*kinds, *numbers, *LAYER_CLASSES, *OWN]
    is_class = {*(name for name, kind in kinds.items() if kind == "class"), *LAYER_CLASSES, *OWN}
    for latent, block in asked.latents.items():
        for one in block.indicators:
            where = f"drivers.paths.latents.{latent}: {one.name!r}"
            if one.name not in known:
                yield f"{where}, which is no column; expected {_near(one.name, known)}"
            else:
                yield from _of_indicator(one, where, one.name in is_class)
            if one.mean_of is not None and one.mean_of not in known:
                yield f"{where}: mean_of {one.mean_of!r}, which is no column; expected {_near(one.mean_of, known)}"
            elif one.mean_of in is_class:
                yield f"{where}: mean_of {one.mean_of!r}, which holds classes; expected a column of numbers"
    for key, name in (("by", asked.by), ("bootstrap.group", asked.bootstrap.group)):
        if name is not None and name not in known:
            yield f"drivers.paths.{key}: {name!r}, which is no column; expected {_near(name, [*OWN, *LAYER_CLASSES, *kinds])}"
    if asked.by is not None and kinds.get(asked.by) == "continuous":
        yield f"drivers.paths.by: {asked.by!r}, which holds numbers; expected layer, or a class covariate"


def _of_indicator(one: PathIndicator, where: str, is_class: bool) -> Iterator[str]:
    if one.coded == "number" and is_class:
        yield f"{where}, which holds classes; expected 'as: dummies' or 'as: scores'"
    if one.coded != "number" and not is_class:
        yield f"{where} as {one.coded}, which holds numbers; expected it without 'as'"


def _fitting(pattern: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name == pattern or fnmatchcase(name, pattern)]


def _near(name: str, names: Iterable[str]) -> str:
    listed = list(names)
    near = get_close_matches(name, listed, n=1, cutoff=0.6)
    if near:
        return f"{near[0]!r}?"
    return f"one of {', '.join(listed[:MOST_NAMED])}{', ...' if len(listed) > MOST_NAMED else ''}"
