"""The section of the evidence: how the model is checked, and against what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from edaphic.recipe.base import Choices, Listed, Section, Text
from edaphic.recipe.cited import citation_field, licence_field
from edaphic.recipe.designs import UNITS, Design, check_names, check_unit
from edaphic.recipe.faults import Fault
from edaphic.recipe.soil import ProfileSource
from edaphic.recipe.values import DepthLayer

ALWAYS: tuple[Design, ...] = ("profile", "block", "knndm")
"""Designs of every run."""


class Product(Section):
    """Another map that is scored at the same points as ours."""

    name: Text = Field(description="Name in tables.")
    path: Text = Field(description="Raster of the other map.")
    layer: DepthLayer = Field(description="Depth layer in cm that it shows: one of profiles.layers, or all together.")
    unit: Annotated[str, AfterValidator(check_unit), WithJsonSchema({"enum": list(UNITS)})] = Field(
        description="Unit of its numbers, such as kg/m2 or t/ha."
    )
    licence: Text | None = licence_field()
    citation: Text | None = citation_field()


class Independent(Section):
    """Other profiles, never trained on, that the finished model is scored at."""

    name: Text = Field(description="Name in tables.")
    sources: Annotated[tuple[ProfileSource, ...], Field(strict=False, min_length=1)] = Field(
        description="Tables of profiles, as in profiles.sources."
    )
    drawn: Literal["simple", "stratified"] | None = Field(
        default=None,
        description="How the sites were drawn where that was at random: the estimate then rests on the design. Null: not at random.",
    )
    strata: Text | None = Field(default=None, description="Class covariate whose classes are the strata of a stratified sample.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        drawn, strata = given.get("drawn"), given.get("strata")
        if (drawn == "stratified") == (strata is not None):
            return []
        found = "stratified without strata" if strata is None else f"strata beside drawn: {drawn}"
        return [Fault(("strata",), found, "strata with a stratified sample, and only there")]


class Evidence(Section):
    """How the model is checked."""

    designs: Choices[Design] = Field(
        default=("profile", "block", "knndm"),
        description="Ways to hold profiles back. By profile, by block and kNNDM are always there; others are to compare with.",
    )
    folds: int = Field(default=5, ge=2, description="Number of parts in cross-validation.")
    block_km: float | None = Field(
        default=None,
        gt=0,
        description="Side of a block in km; by default the range of the residuals' variogram.",
    )
    period_years: int = Field(default=10, ge=1, description="Length of a period in the designs strata and time.")
    test_share: float = Field(default=0.3, gt=0, lt=1, description="Share held back in the design hold_out.")
    same_place_m: float = Field(default=100.0, ge=0, description="Profiles closer than this (m) are held out together.")
    interval: float = Field(default=0.9, gt=0, lt=1, description="Share of values (0 to 1) in a prediction interval.")
    bootstrap: int = Field(default=1000, ge=2, description="Resamples for the confidence intervals of metrics.")
    calibrate: Design = Field(
        default="knndm", description="Design whose held-out predictions calibrate the intervals of the maps."
    )
    group_profiles: int = Field(
        default=900, ge=50, description="Profiles that a zone needs for an adjustment of its intervals of its own."
    )
    baselines: Listed[Literal["layer_mean", "class_mean", "linear", "random_effects", "regression_kriging"]] = Field(
        default=("layer_mean", "linear", "regression_kriging"), description="Simple models scored on the same folds."
    )
    by: Listed[Text] = Field(default=(), description="Class covariates by whose classes scores are broken down too.")
    cells: int = Field(default=2000, ge=100, description="Cells of the map drawn at random that stand for it, for kNNDM.")
    independent: Annotated[Listed[Independent], AfterValidator(check_names)] = Field(
        default=(), description="Sets of other profiles to score the finished model at."
    )
    products: Annotated[Listed[Product], AfterValidator(check_names)] = Field(
        default=(), description="Other maps scored at the same points, out of fold and at the independent sets."
    )

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        designs, chosen = given.get("designs", ()), given.get("calibrate", "knndm")
        if not isinstance(designs, (list, tuple)) or not isinstance(chosen, str) or chosen in (*ALWAYS, *designs):
            return []
        return [Fault(("calibrate",), f"{chosen!r}, which is not among the designs", "one of the designs")]

    @property
    def all_designs(self) -> tuple[Design, ...]:
        """The three that every run has, then those that the recipe adds."""
        return (*ALWAYS, *(name for name in self.designs if name not in ALWAYS))
