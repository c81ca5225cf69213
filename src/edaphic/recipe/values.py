"""Values that a recipe spells in a way of its own: depth layers, and table columns with a unit beside each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
    model_serializer,
)
from pydantic_core import core_schema

from edaphic.recipe.base import Section
from edaphic.recipe.faults import Fault, fail, meant, shown
from edaphic.units import ORGANIC_MATTER_TO_CARBON, units_of

LAYER_PATTERN = r"^ *([0-9]+(?:\.[0-9]+)?) *- *([0-9]+(?:\.[0-9]+)?) *$"


def read_layer(value: object) -> tuple[float, float] | None:
    """Top and bottom of a depth layer as a recipe spells it; None for what is no layer.

    >>> read_layer("0-30"), read_layer("2.5 - 7.5"), read_layer("30-0")
    ((0.0, 30.0), (2.5, 7.5), None)
    """
    if isinstance(value, str):
        match = re.match(LAYER_PATTERN, value)
        depths = [] if match is None else [float(match[1]), float(match[2])]
    else:
        depths = [*value] if isinstance(value, tuple) and all(type(depth) in (int, float) for depth in value) else []
    if len(depths) != 2 or not 0 <= depths[0] < depths[1] < float("inf"):
        return None
    return float(depths[0]), float(depths[1])


def _check_layer(value: object) -> tuple[float, float]:
    layer = read_layer(value)
    if layer is None:
        fail(Fault((), shown(value), "a layer like 0-30 (top and bottom in cm, the top smaller)"))
    return layer


def layer_text(layer: tuple[float, float]) -> str:
    """Depth layer as a recipe spells it.

    >>> layer_text((0.0, 30.0)), layer_text((2.5, 7.5))
    ('0-30', '2.5-7.5')
    """
    return "-".join(format(Decimal(repr(depth)), "f").removesuffix(".0") for depth in layer)


DepthLayer = Annotated[
    tuple[float, float],
    BeforeValidator(_check_layer),
    PlainSerializer(layer_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": LAYER_PATTERN, "examples": ["0-30"]}),
]
"""Top and bottom in cm; ``0-30`` in YAML."""


def _read_resolution(value: Any) -> Any:
    if type(value) not in (int, float):
        return value
    if not 0 < value < float("inf"):
        fail(Fault((), shown(value), "a number above 0, or two of them"))
    return value, value


_Positive = Annotated[float, Field(gt=0)]

Resolution = Annotated[
    tuple[_Positive, _Positive],
    Field(strict=False),
    BeforeValidator(_read_resolution),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 2, "maxItems": 2},
            ]
        }
    ),
]
"""Cell width and height; one number in YAML for square cells."""


def _number_or_text(value: object) -> object:
    if type(value) not in (int, float, str, type(None)) or value in (float("inf"), float("-inf")) or value != value:
        fail(Fault((), shown(value), "a number or text"))
    return value


class Column(Section):
    """A column of a table with its unit, or a constant."""

    column: str | None = Field(default=None, min_length=1, description="Name of the column in the table.")
    unit: str | None = Field(default=None, description="Unit of the numbers in the column.")
    value: Annotated[float | str | None, BeforeValidator(_number_or_text)] = Field(
        default=None, description="A constant for all rows, instead of a column, in the same unit."
    )
    to_carbon: float | None = Field(
        default=None, gt=0, le=1, description="Share of carbon in organic matter (no unit), for organic matter only."
    )
    basis: Literal["fine_earth", "whole_soil", "fine_earth_whole_volume"] | None = Field(
        default=None,
        description="Bulk density only: mass and volume of fine earth, of the whole soil, or fine earth in the whole volume.",
    )

    site_column: str | None = Field(
        default=None, min_length=1, description="Labels of profiles only: their column in the table of sites, where it has another name."
    )
    censored_at: float | None = Field(
        default=None, description="Depth to rock only: numbers from here on say that no rock was reached, in the unit of the column."
    )

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        if ("column" in given) == ("value" in given):
            found = "both column and value" if "column" in given else "neither column nor value"
            return [Fault((), found, "one of them: the name of a column, or a constant")]
        return []

    @model_serializer
    def as_written(self) -> str | dict[str, Any]:
        """What the recipe says: the bare name of a column without unit, keys otherwise."""
        given = {key: value for key, value in self if value is not None}
        return self.column if self.column is not None and len(given) == 1 else given


@dataclass(frozen=True)
class Of:
    """Annotation of a :class:`Column`: the quantity it holds, which decides the units; None for one without unit."""

    quantity: str | None
    organic_matter: bool = False
    basis: bool = False
    units: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        inner = core_schema.no_info_before_validator_function(self.spell_out, handler(source))
        return core_schema.no_info_after_validator_function(self.check_unit, inner)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """What an editor may offer for this quantity."""
        fields = Column.model_fields
        column = {"type": "string", "minLength": 1, "description": fields["column"].description}
        value = {"type": ["number", "string"], "description": fields["value"].description}
        unit: dict[str, Any] = {}
        if self.quantity is not None:
            unit["unit"] = {"enum": list(units_of(self.quantity)), "description": fields["unit"].description}
        if self.organic_matter:
            share = {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": ORGANIC_MATTER_TO_CARBON}
            unit["to_carbon"] = {**share, "description": fields["to_carbon"].description}
        if self.basis:
            words_of_basis = fields["basis"].description
            unit["basis"] = {"enum": ["fine_earth", "whole_soil", "fine_earth_whole_volume"], "description": words_of_basis}
        required = [] if self.quantity is None else ["unit"]
        spelled: list[dict[str, Any]] = [
            {
                "type": "object",
                "properties": {key: words, **unit},
                "required": [key, *required],
                "additionalProperties": False,
            }
            for key, words in (("column", column), ("value", value))
        ]
        plain = [column] if self.quantity is None else []
        return {"anyOf": [*plain, *spelled, {"type": "null"}]}

    def spell_out(self, value: Any) -> Any:
        """A bare column name stands for itself where there is no unit to state."""
        if isinstance(value, str):
            if self.quantity is not None:
                named = f"{{column: {value}, unit: ...}}"
                fail(Fault((), f"the column {value!r} without a unit", f"{named} with {self._units()}"))
            return {"column": value}
        if value is None or isinstance(value, (dict, Column)):
            return value
        kinds = "{column: ...}" if self.quantity is None else "{column: ..., unit: ...}"
        fail(Fault((), shown(value), f"{kinds}, or a constant with value: instead of column:"))

    def check_unit(self, column: Column | None) -> Column | None:
        """Every quantity has its unit stated, and only organic matter its share of carbon."""
        if column is None:
            return None
        if self.quantity is None and column.unit is not None and column.unit not in self.units:
            or_one = f", or {', '.join(self.units)}" if self.units else ""
            fail(Fault(("unit",), shown(column.unit), f"no unit: this column has none{or_one}"))
        if self.quantity is not None and column.unit not in units_of(self.quantity):
            found = "no unit" if column.unit is None else shown(column.unit)
            near = "" if column.unit is None else meant(column.unit, units_of(self.quantity))
            fail(Fault(("unit",), found, self._units() + near))
        if self.quantity is not None and isinstance(column.value, str):
            fail(Fault(("value",), shown(column.value), f"a number in {column.unit}"))
        if not self.basis and column.basis is not None:
            fail(Fault(("basis",), shown(column.basis), "this key only for bulk density"))
        if not self.organic_matter:
            if column.to_carbon is not None:
                fail(Fault(("to_carbon",), shown(column.to_carbon), "this key only for organic_matter"))
            return column
        share = ORGANIC_MATTER_TO_CARBON if column.to_carbon is None else column.to_carbon
        return column.model_copy(update={"to_carbon": share})

    def _units(self) -> str:
        return f"a unit, one of {', '.join(units_of(self.quantity or ''))}"
