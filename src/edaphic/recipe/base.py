"""What all sections of a recipe have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from edaphic.recipe.faults import Fault, fail, join


class Section(BaseModel):
    """Keys that belong together. Frozen; unknown keys, texts for numbers and infinite numbers are refused.

    A section that stands there without keys (all of them commented out, say) is the section with its defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        """Faults between keys of the section.

        ``given`` holds the raw values that are there, so that these faults are found beside faulty values, not after them.
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
