"""Faults of a recipe: where, what was found, what is expected.

Pydantic finds most faults itself, in its own words; here they are put into ours. Rules of ours raise :func:`fail`;
pydantic carries that along with the faults of the other keys, so that all of them are reported at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, NoReturn, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

Loc = tuple[str | int, ...]
"""Keys and list positions that lead to a value."""

LONGEST_SHOWN = 60


class Fault(NamedTuple):
    """One fault, at the keys ``loc``; ``line`` where the reader of the text knows better than the keys do."""

    loc: Loc
    found: str
    expected: str
    line: int | None = None


def dotted(loc: Loc) -> str:
    """Keys as one word; list positions count from 0.

    >>> dotted(("profiles", "sources", 0, "columns", "soc"))
    'profiles.sources[0].columns.soc'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def shown(value: object) -> str:
    """Value as it stands in a message.

    >>> shown(None), shown(True), shown("cm"), shown([1, 2]), shown({"a": 1, "b": 2})
    ('nothing', 'true', "'cm'", 'a list of 2', 'the keys a, b')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}" if value else "an empty list"
    text = "the keys " + ", ".join(map(str, value)) if isinstance(value, dict) else repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."


def meant(word: object, words: Iterable[str]) -> str:
    """Suggestion for a misspelt word, or nothing.

    >>> meant("tree", ["trees", "max_features"])
    " (did you mean 'trees'?)"
    >>> meant("tree", ["folds"])
    ''
    """
    near = difflib.get_close_matches(str(word), list(words), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near and near[0] != word else ""


def fail(*faults: Fault) -> NoReturn:
    """Raise the faults from inside a pydantic validator; their keys count from the value that is being validated."""
    raise ValidationError.from_exception_data("recipe", [_as_detail(fault) for fault in faults])


def join(error: ValidationError, faults: Iterable[Fault]) -> ValidationError:
    """Validation error with further faults of the same value."""
    return ValidationError.from_exception_data(
        error.title,
        [
            InitErrorDetails(
                type=PydanticCustomError(found["type"], "{text}", {"text": found["msg"], **found.get("ctx", {})}),
                loc=found["loc"],
                input=found["input"],
            )
            for found in error.errors(include_url=False)
        ]
        + [_as_detail(fault) for fault in faults],
    )


def _as_detail(fault: Fault) -> InitErrorDetails:
    words = {"found": fault.found, "expected": fault.expected}
    return InitErrorDetails(
        type=PydanticCustomError("edaphic", "found {found}; expected {expected}", words), loc=fault.loc, input=None
    )


def explained(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Faults that pydantic found, in our words; ``model`` is the one that was validated."""
    details = error.errors(include_url=False)
    # pydantic leaves bad entries out and then calls the list too short: the bad entries are the fault
    lists = {found["loc"][:depth] for found in details for depth in range(len(found["loc"]))}
    return [_explain(found, model) for found in details if not (found["type"] == "too_short" and found["loc"] in lists)]


def _explain(found: ErrorDetails, model: type[BaseModel]) -> Fault:
    tagged = found["loc"]
    loc = tuple(part for part in tagged if not _is_tag(part))
    context = found.get("ctx", {})
    if found["type"] == "extra_forbidden":
        keys = [field.alias or key for section in _sections_at(model, tagged[:-1]) for key, field in section.model_fields.items()]
        expected = f"{'one of ' if len(keys) > 1 else ''}{', '.join(keys)}{meant(loc[-1], keys)}"
        return Fault(loc, "an unknown key", expected)
    if found["type"] == "missing":
        return Fault(loc, "no such key", f"it ({_description(model, tagged)})")
    if found["type"] == "literal_error":
        choices = [choice.strip("'") for choice in context["expected"].replace(" or ", ", ").split(", ")]
        return Fault(loc, shown(found["input"]), context["expected"] + meant(found["input"], choices))
    expected = context.get("expected") or EXPECTED.get(found["type"], "{msg}").format(msg=found["msg"], **context)
    return Fault(loc, context.get("found") or shown(found["input"]), expected)


def _is_tag(part: str | int) -> bool:
    """Whether pydantic put the part there: the class it chose from several (named like ``<GridLike>``) or ``[key]``."""
    return isinstance(part, str) and (part == "[key]" or part.startswith("<"))


def _sections_at(model: type[BaseModel], tagged: Loc) -> list[type[BaseModel]]:
    """Classes that may stand at a place."""
    sections = [model]
    for part in tagged:
        if isinstance(part, int):
            continue
        if _is_tag(part):
            sections = [section for section in sections if f"<{section.__name__}>" == part]
        else:
            fields = [section.model_fields[part] for section in sections if part in section.model_fields]
            if fields:  # else the key of a mapping, whose values are what the sections are of
                sections = [section for field in fields for section in _models_in(field.annotation)]
    return sections


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _description(model: type[BaseModel], tagged: Loc) -> str:
    """What the missing key says."""
    fields = [section.model_fields.get(str(tagged[-1])) for section in _sections_at(model, tagged[:-1])]
    said = [field.description for field in fields if field is not None and field.description]
    return said[0].rstrip(".") if said else "this key"


EXPECTED = {
    "string_type": "text (a number that is meant as text goes into quotes)",
    "string_too_short": "text",
    "string_pattern_mismatch": "a word of letters, digits, '.', '_' and '-'",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "invalid_key": "a key that is text",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "too_short": "at least {min_length:g} entry",
}
"""What is expected, for each kind of fault that pydantic finds."""
