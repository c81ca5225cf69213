"""Sections of the account that go beyond sums of maps: the error of totals, change between periods, trends, other products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from edaphic.recipe.base import Choices, Section, Text
from edaphic.recipe.cited import citation_field, licence_field
from edaphic.recipe.designs import UNITS, check_unit
from edaphic.recipe.faults import Fault, fail
from edaphic.recipe.shares import ZoneShare
from edaphic.recipe.values import layer_text, read_layer

Year = Annotated[int, Field(ge=1, le=9999)]
Years = Annotated[tuple[Year, Year], Field(strict=False)]


class Totals(Section):
    """The error of totals, from errors that are alike over some distance."""

    realisations: int = Field(default=500, ge=0, le=20_000, description="Realisations of the totals; 0 for none: the two bounds alone.")
    forests: int = Field(default=20, ge=0, description="Forests refitted to samples of profiles, for the error of the trend; 0 for none.")
    trees: int = Field(default=100, ge=1, description="Trees of each of them.")
    blocks: int = Field(default=2000, ge=50, le=5000, description="Most blocks that the errors are drawn for.")
    corrected: bool = Field(
        default=False, description="Whether totals are moved by what the errors at the profiles tell; else only their interval heeds them."
    )
    conditional: bool = Field(default=True, description="Whether errors are drawn given those at the profiles.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        realisations, faults = given.get("realisations", 500), []
        if type(realisations) is int and 0 < realisations < FEWEST_REALISATIONS:
            faults.append(Fault(("realisations",), str(realisations), f"0, or at least {FEWEST_REALISATIONS}"))
        if given.get("forests") == 1:
            faults.append(Fault(("forests",), "1", "0, or at least 2"))
        if given.get("corrected") is True and given.get("conditional") is False:
            faults.append(Fault(("corrected",), "corrected totals without errors given those at the profiles", "conditional: true"))
        return faults


FEWEST_REALISATIONS = 100


class Change(Section):
    """Change between periods."""

    correlation: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="Correlation in time of the errors of two periods. Null: from sites visited more than once, if there are enough.",
    )
    within_m: float = Field(default=100.0, gt=0, description="How near two visits of one site lie.")
    level: float = Field(default=0.9, gt=0, lt=1, description="Of the interval of a change.")
    power: float = Field(default=0.8, gt=0, lt=1, description="With which the smallest detectable change is seen.")
    pairs: Literal["ends", "steps", "all"] = Field(
        default="ends", description="Periods that are compared: the first and the last; each with the next; or all of them."
    )
    maps: bool = Field(default=True, description="Whether change is mapped: its mean, error, probability of an increase.")
    mass: bool = Field(default=False, description="Whether change at revisited sites is told on equivalent soil mass, too.")


class Trend(Section):
    """Slope over all periods, cell by cell: a description of the maps, no test of change."""

    control: Literal["benjamini-hochberg", "benjamini-yekutieli"] = Field(
        default="benjamini-hochberg", description="How many cells are tested at once is heeded so."
    )
    level: float = Field(default=0.05, gt=0, lt=1, description="Share of false discoveries.")


def _named_layers(value: object) -> object:
    if not isinstance(value, dict):
        return value
    layers = {key: read_layer(key) for key in value}
    faults = [Fault((str(key),), repr(key), "a layer in cm, such as 0-30") for key, layer in layers.items() if layer is None]
    if faults:
        fail(*faults)
    return {layer_text(layer): value[key] for key, layer in layers.items() if layer is not None}


class OtherProduct(Section):
    """Another product, brought to the depth and unit of our maps."""

    name: Text = Field(description="Name of the product in tables.")
    layers: Annotated[dict[Text, Text], BeforeValidator(_named_layers), Field(min_length=1)] = Field(
        description="Its maps by layer in cm: {0-5: a.tif, 5-15: b.tif}."
    )
    unit: Annotated[str, AfterValidator(check_unit), WithJsonSchema({"enum": list(UNITS)})] = Field(description="Unit of its numbers.")
    support: Literal["auto", "overlap", "spline", "beta"] = Field(
        default="auto",
        description="How a layer of it that one of ours cuts is divided: evenly (overlap), by a spline through its layers, by the beta "
        "function; auto: the spline where there are two layers or more, else beta.",
    )
    beta: float | None = Field(default=None, gt=0, lt=1, description="Of the beta function; the global mean 0.9786 when left out.")
    period: Years | None = Field(default=None, description="Which of maps.periods it is compared with; by default the last one.")
    uses: Choices[Text] | None = Field(default=None, description="What it was made from, to tell circles: names of covariates.")
    note: str | None = Field(default=None, description="What explains a difference.")
    licence: Text | None = licence_field()
    citation: Text | None = citation_field()

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        support = given.get("support", "auto")
        if support in ("overlap", "spline") and "beta" in given:
            return [Fault(("beta",), f"beta with support: {support}", "support: beta or auto, or no such key")]
        return []


class ByShares(Section):
    """Sums for classes of which a cell may hold several, each with its share."""

    name: Text = Field(description="Name of the division in tables.")
    shares: dict[Text, ZoneShare] = Field(min_length=1, description="Share of each cell that a class covers, by the name of the class.")
