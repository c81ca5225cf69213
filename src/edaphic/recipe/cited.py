"""Two keys of everything that a run reads: under what licence it stands, and how it is cited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import Field

from edaphic.recipe.base import Section, Text

KEYS = ("licence", "citation")
"""Keys that no number of a run depends on."""


def licence_field() -> Any:
    """The key ``licence`` of a section that names a source."""
    return Field(default=None, description="Licence of the source, such as CC-BY-4.0; by default what its files say.")


def citation_field() -> Any:
    """The key ``citation`` of a section that names a source."""
    return Field(default=None, description="How the source is cited.")


class Cited(Protocol):
    """A section with the two keys."""

    @property
    def licence(self) -> str | None: ...
    @property
    def citation(self) -> str | None: ...


class Citation(Section):
    """Licence and citation of inputs that have no section of their own."""

    licence: Text | None = licence_field()
    citation: Text | None = citation_field()


def without_citations(value: Any) -> Any:
    """What a recipe says, without the two keys: stages heed the rest.

    >>> without_citations({"path": "a.tif", "licence": "CC0-1.0", "inner": [{"citation": None, "name": "a"}]})
    {'path': 'a.tif', 'inner': [{'name': 'a'}]}
    """
    if isinstance(value, Mapping):
        return {key: without_citations(own) for key, own in value.items() if key not in KEYS}
    if isinstance(value, (list, tuple)):
        return [without_citations(own) for own in value]
    return value
