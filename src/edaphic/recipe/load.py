"""Recipe file <-> :class:`Recipe`, with all faults at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from edaphic.errors import RecipeError
from edaphic.recipe.base import Section
from edaphic.recipe.faults import Fault, Loc, dotted, explained
from edaphic.recipe.path_model import Paths
from edaphic.recipe.recipe import ProfileRecipe, Recipe
from edaphic.recipe.text import Document, read_text, write_text

S = TypeVar("S", bound=Section)

_ROUNDS = 5
"""How often faulty keys are taken out: what is left of a section may be faulty for that."""

_KEYS = re.compile(r"((?:[a-z_]+)(?:\.[\w-]+|\[\d+\])*): ")
_PARTS = re.compile(r"\[\d+\]|\.?[\w-]+")


def load(path: Path) -> Recipe:
    """Read a recipe.

    Raises
    ------
    RecipeError
        The file cannot be read, or the recipe has faults: one line for each, in their order in the file, of the form
        ``recipe.yaml:LINE: key.path: found ...; expected ...``.
    """
    return parse(_file_text(path), path.name)


def parse(text: str, name: str = "recipe.yaml") -> Recipe:
    """Recipe from its text; ``name`` stands before each fault.

    Examples
    --------
    >>> parse("edaphic: 1\\nname: test\\nsede: 7\\n")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    edaphic.errors.RecipeError: recipe.yaml:3: sede: found an unknown key; expected ... (did you mean 'seed'?)
    """
    return _validated(read_text(text), name, Recipe)


def load_profiles(path: Path) -> ProfileRecipe:
    """Read what a recipe says of profiles; the sections of maps and models may be there or not, and are not looked at.

    Raises
    ------
    RecipeError
        As :func:`load`.
    """
    document = read_text(_file_text(path))
    if isinstance(document.values, dict):
        others = set(Recipe.model_fields) - set(ProfileRecipe.model_fields)
        kept: dict[Any, Any] = {key: value for key, value in document.values.items() if key not in others}
        document = Document(kept, document.lines, document.faults)
    return _validated(document, path.name, ProfileRecipe)


def profiles_from(values: dict[str, Any], name: str) -> ProfileRecipe:
    """A recipe of profiles from plain values; ``name`` stands before each fault.

    Raises
    ------
    RecipeError
        One line for each fault.
    """
    try:
        return ProfileRecipe.model_validate(values)
    except ValidationError as error:
        faults = explained(error, ProfileRecipe)
        raise RecipeError([f"{name}: {dotted(f.loc)}: found {f.found}; expected {f.expected}" for f in faults]) from None


def load_path_model(path: Path) -> Paths:
    """Read a path model from a file of its own.

    Raises
    ------
    RecipeError
        As :func:`load`.
    """
    return _validated(read_text(_file_text(path)), path.name, Paths, "a path model ('edaphic paths --template' prints one)")


def _validated(document: Document, name: str, model: type[S], expected: str = "a recipe ('edaphic template start' prints one)") -> S:
    """The values of a document as a section, or all faults of both."""
    faults = list(document.faults)
    if document.values is None and not faults:
        faults.append(Fault((), "nothing", expected))
    if document.values is None:
        raise RecipeError(_lines(faults, document, name))
    try:
        section = model.model_validate(document.values)
    except ValidationError as error:
        unread = [fault.loc for fault in faults]
        faults += [fault for fault in explained(error, model) if not _within(fault.loc, unread)]
    if faults:
        raise RecipeError(_lines(faults, document, name))
    return section


def dump(recipe: Recipe) -> str:
    """YAML of a recipe with every default written out; :func:`parse` makes an equal recipe of it.

    Examples
    --------
    >>> text = '''
    ... edaphic: 1
    ... name: test
    ... grid: {like: dem.tif}
    ... profiles: {sources: [{horizons: horizons.csv}], layers: [0-30]}
    ... covariates: {layers: [{path: dem.tif}]}
    ... '''
    >>> parse(dump(parse(text))) == parse(text)
    True
    >>> "bootstrap: 1000" in dump(parse(text))
    True
    """
    return write_text({key: _plain(value) for key, value in recipe.model_dump().items()})


def report(faults: Iterable[Fault], path: Path) -> list[str]:
    """Faults that show only when the files a recipe names are looked at, each with its line in the recipe.

    Examples
    --------
    ``report([Fault(("grid", "like"), "no file 'dem.tif'", "a file that exists")], path)`` gives
    ``["recipe.yaml:4: grid.like: found no file 'dem.tif'; expected a file that exists"]``.
    """
    return _lines(faults, read_text(_file_text(path)), path.name)


def load_sound(path: Path) -> Recipe | None:
    """A faulty recipe without the keys that are faulty, so that more can be looked at; None where too little would be left.

    What the rest of a check finds in it is a fault only where it is about a key that stands in the recipe: others may follow from what was
    taken out.
    """
    try:
        values = read_text(_file_text(path)).values
    except RecipeError:
        return None
    for _ in range(_ROUNDS if isinstance(values, dict) else 0):
        try:
            return Recipe.model_validate(values)
        except ValidationError as error:
            for fault in explained(error, Recipe):
                if not _take_out(values, fault.loc):
                    return None
    return None


def _take_out(values: Any, loc: Loc) -> bool:
    """Remove the last key that leads to a place; whether there was one."""
    holder, last = None, None
    for part in loc:
        if isinstance(values, dict) and part in values:
            holder, last = values, part
        elif not (isinstance(values, list) and isinstance(part, int) and part < len(values)):
            break
        values = values[part]
    if holder is None:
        return False
    del holder[last]
    return True


def with_lines(faults: Iterable[str], path: Path, places: Mapping[str, Loc]) -> list[str]:
    """Faults that begin with a key of the recipe, or as one of ``places``, with their line in the recipe before them.

    Parameters
    ----------
    faults : iterable of str
        Such as ``maps.bedrock: far.tif: no overlap with the grid; ...`` or ``dem: dem.tif: no coordinate reference system; ...``.
    path : Path
        The recipe; without such a file the faults stay as they are.
    places : mapping of str to keys
        How faults begin (``dem: ``), and the place in the recipe that such a fault is about. The longest that fits counts.
    """
    if not path.is_file():
        return list(faults)
    document = read_text(_file_text(path))
    return [_with_line(fault, document, path.name, places) for fault in faults]


def _with_line(fault: str, document: Document, name: str, places: Mapping[str, Loc]) -> str:
    known = next((start for start in sorted(places, key=len, reverse=True) if fault.startswith(start)), None)
    if known is not None:
        loc = places[known]
        file, _, said_key = known.removesuffix(": ").partition(": ")
        if said_key and dotted(loc).endswith(said_key):
            fault = f"{file}: {fault.removeprefix(known)}"
        key = "" if known.startswith(dotted(loc[:2])) else f"{dotted(loc)}: "
        return f"{name}:{document.line(loc)}: {key}{fault}"
    said = _KEYS.match(fault)
    own = tuple(int(part[1:-1]) if part[0] == "[" else part.lstrip(".") for part in _PARTS.findall(said[1])) if said is not None else ()
    return f"{name}:{document.lines[own]}: {fault}" if own and own in document.lines else fault


def _file_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RecipeError(f"{path}: found no readable file ({reason}); expected a recipe in YAML") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise RecipeError(f"{path.name}:{line}: found bytes that are no UTF-8; expected text in YAML") from None


def _within(loc: Loc, places: Iterable[Loc]) -> bool:
    return any(loc[: len(place)] == place for place in places)


def _lines(faults: Iterable[Fault], document: Document, name: str) -> list[str]:
    """Faults as lines of text, in the order of the recipe."""
    placed = sorted(((fault.line or document.line(fault.loc), fault) for fault in faults), key=lambda pair: pair[0])
    return [
        f"{name}:{line}: {f'{dotted(fault.loc)}: ' if fault.loc else ''}found {fault.found}; expected {fault.expected}"
        for line, fault in placed
    ]


def _plain(value: object) -> object:
    """Tuples as lists, for YAML."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
