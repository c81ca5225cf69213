"""What all sections of a recipe have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from edaphic.recipe.faults import Fault, fail, join, shown

T = TypeVar("T")


def _check_once(entries: tuple[T, ...]) -> tuple[T, ...]:
    again = [place for place, entry in enumerate(entries) if entry in entries[:place]]
    if again:
        fail(*(Fault((place,), f"{shown(entries[place])} a second time", "each entry once") for place in again))
    return entries


Listed = Annotated[tuple[T, ...], Field(strict=False)]
"""A list in YAML, a tuple here."""

Choices = Annotated[tuple[T, ...], Field(strict=False, min_length=1), AfterValidator(_check_once)]
"""A list of at least one entry, none of them twice."""

Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """Keys that belong together. Frozen; unknown keys, texts for numbers and infinite numbers are refused.

    A section that stands there without keys (all of them commented out, say) is the section with its defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        """Faults between keys of the section.

        ``given`` holds the raw values that are there: these faults are found beside faulty values, not after them.
        """
        return []

    @model_validator(mode="wrap")
    @classmethod
    def _all_faults_at_once(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(data, dict):
            return handler(data)
        keys = {key: {} if value is None and cls._is_section(key) else value for key, value in data.items()}
        clashes = cls.clashes({key: value for key, value in keys.items() if value is not None})
        try:
            section = handler(keys)
        except ValidationError as error:
            raise join(error, clashes) from None
        if clashes:
            fail(*clashes)
        return section

    @classmethod
    def _is_section(cls, key: str) -> bool:
        annotation = cls.model_fields[key].annotation if key in cls.model_fields else None
        return isinstance(annotation, type) and issubclass(annotation, Section)
