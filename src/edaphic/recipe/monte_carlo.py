"""The section of the maps that draws their inputs at random: Monte Carlo over input errors, forests and residuals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from edaphic.recipe.base import Choices, Section, Text
from edaphic.recipe.faults import Fault, fail

LEAST = 1e-4
"""Lowest level of a percentile; the highest is as far from 1."""

Share = Annotated[float, Field(ge=0, le=1)]


class InputError(Section):
    """Error of one covariate: one of three."""

    relative: float | None = Field(default=None, ge=0, description="Standard deviation as a share of the absolute value of the cell.")
    sd: float | None = Field(default=None, ge=0, description="Standard deviation in the unit of the covariate.")
    wrong: Share | None = Field(default=None, description="Class covariates: probability that the class of a cell is another one.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        named = [key for key in ("relative", "sd", "wrong") if key in given]
        if len(named) == 1 or set(given) - set(cls.model_fields):
            return []
        return [Fault((), " and ".join(named) if named else "none of relative, sd, wrong", "one of relative, sd, wrong")]


def _check_levels(levels: tuple[float, ...]) -> tuple[float, ...]:
    told = [f"{level:g}" for level in levels]  # as in the names of maps, which have six digits
    rising = len(set(told)) == len(told) >= 2 and list(levels) == sorted(levels)
    if not rising or levels[0] < LEAST or levels[-1] > 1 - LEAST:
        fail(Fault((), f"[{', '.join(told)}]", f"two levels or more from {LEAST:g} to {1 - LEAST:g}, rising"))
    return levels


class MonteCarlo(Section):
    """Error of maps and totals by drawing what they are made of: inputs, forests, residuals."""

    design: Literal["crossed", "single", "nested"] = Field(
        default="crossed",
        description="How draws meet forests: shared out over them (crossed: 1,000 draws on 100 forests, 10 each), a forest for each draw "
        "(single), or every draw on every forest (nested: forests x draws realisations).",
    )
    draws: int = Field(default=1000, ge=2, description="Draws of the inputs.")
    forests: int | None = Field(
        default=None, ge=1, description="Forests, each grown on a bootstrap sample of profiles. Null: 100, or with single as many as draws."
    )
    trees: int = Field(default=100, ge=1, description="Trees of each forest.")
    relative_sd: float = Field(
        default=0.1, ge=0, description="Standard deviation of continuous covariates that inputs does not name: share of the absolute value."
    )
    inputs: dict[Text, InputError] = Field(
        default={}, description="Error by covariate: {mat: {sd: 1}, clay: {relative: 0.2}, land_cover: {wrong: 0.15}}."
    )
    range_km: float | None = Field(
        default=None, gt=0, description="Distance over which errors are alike: their correlation is 0.05 there. Null only with independent."
    )
    independent: bool = Field(default=False, description="Whether the error of every cell is its own, so that totals are all but certain.")
    residual: bool = Field(
        default=True, description="Whether the error of the target around the forest is drawn too (not in the paper)."
    )
    residual_range_km: float | None = Field(default=None, gt=0, description="Distance over which residuals are alike. Null: range_km.")
    levels: Annotated[Choices[float], AfterValidator(_check_levels)] = Field(
        default=(0.025, 0.975), description="Percentiles that are mapped (as shares)."
    )
    relative_width: bool = Field(
        default=False, description="Whether (highest percentile - lowest) / mean is mapped too, which the paper calls U."
    )

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        return [*_of_design(given), *_of_range(given)]

    @property
    def grown(self) -> int:
        """Number of forests."""
        return self.forests or (self.draws if self.design == "single" else 100)

    @property
    def realisations(self) -> int:
        """Number of maps that are drawn.

        >>> MonteCarlo(range_km=50).realisations, MonteCarlo(range_km=50, design="nested", draws=20).realisations
        (1000, 2000)
        """
        return self.grown * self.draws if self.design == "nested" else self.draws


def _of_design(given: Mapping[str, Any]) -> list[Fault]:
    """Draws can be shared out over the forests."""
    design, draws, forests = given.get("design", "crossed"), given.get("draws", 1000), given.get("forests")
    if type(draws) is not int or type(forests) not in (int, type(None)) or draws < 2:
        return []
    if design == "crossed":
        number = forests or 100
        if number > 0 and draws % number:
            return [Fault(("draws",), f"{draws} on {number} forests", "a multiple of the number of forests (forests: 100 unless given)")]
    if design == "single" and forests not in (None, draws):
        return [Fault(("forests",), f"{forests} with the design single and {draws} draws", "as many as draws, or no such key")]
    return []


def _of_range(given: Mapping[str, Any]) -> list[Fault]:
    """How far errors are alike is said, or that they are not."""
    alone = given.get("independent", False)
    if type(alone) is not bool:
        return []
    if alone:
        return [
            Fault((key,), f"{given[key]!r} beside independent: true", "one of them")
            for key in ("range_km", "residual_range_km")
            if key in given
        ]
    if "range_km" in given:
        return []
    return [Fault(("range_km",), "no such key", "the distance in km over which errors of the inputs are alike, or independent: true")]
