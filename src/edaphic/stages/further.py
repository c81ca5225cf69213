"""A recipe that is faulty is told what else is wrong, as far as its sound part lets the files be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from edaphic import recipe
from edaphic.errors import EdaphicError
from edaphic.recipe import ProfileSource, Recipe
from edaphic.stages.job import kinds_of, sources_of
from edaphic.stages.locating import located
from edaphic.stages.montecarlo import check_inputs
from edaphic.stages.soil import read_checked

LARGE = 50_000_000
"""Bytes of a table from which it is not read for further faults."""


def further(recipe_path: Path, known: Sequence[str]) -> list[str]:
    """Faults that only files tell, of a recipe that has others: of columns that it names, and of covariates whose error it tells.

    Parameters
    ----------
    recipe_path : Path
    known : sequence of str
        The other faults. What may follow from them is left out.

    Returns
    -------
    list of str
        Other faults of files show when these are mended.
    """
    told = recipe.load_sound(recipe_path)
    if told is None:
        return []
    faults = [] if any(".vocabulary: " in fault for fault in known) else _of_columns(told, recipe_path)
    if not any(": covariates" in fault for fault in known):
        with suppress(EdaphicError):  # covariates without files are told when the recipe is sound
            faults += check_inputs(told, kinds_of(told, sources_of(told, recipe_path)))
    return located(faults, told, recipe_path)


def _of_columns(told: Recipe, recipe_path: Path) -> list[str]:
    faults: list[str] = []
    for source in told.profiles.sources:
        if not _at_hand(told, recipe_path, source):
            continue
        reading = read_checked(source, lambda value: recipe.address(told, recipe_path, value))
        roles = source.columns.given()
        faults += [fault for fault in reading.faults if any(f": columns.{role}: " in fault for role in roles)]
    return faults


def _at_hand(told: Recipe, recipe_path: Path, source: ProfileSource) -> bool:
    """Whether the tables are files that are there and are read in a moment."""
    files = [recipe.table_file(name) for name in (source.horizons, source.sites) if name]
    paths = [recipe.resolve(told, recipe_path, file) for file in files if file is not None]
    return None not in files and all(path.is_file() for path in paths) and sum(path.stat().st_size for path in paths) <= LARGE
