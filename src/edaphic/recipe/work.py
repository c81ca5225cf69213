"""Sections that say what comes of the model: maps, tables, the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema

from edaphic.recipe.base import Choices, Listed, Section, Text
from edaphic.recipe.designs import UNITS, check_names, check_unit
from edaphic.recipe.faults import Fault
from edaphic.recipe.values import DepthLayer

Stat = Literal["mean", "q05", "q50", "q95", "spread", "applicability", "dissimilarity", "point_density"]

Year = Annotated[int, Field(ge=1, le=9999)]


class Maps(Section):
    """Which maps are written."""

    stats: Choices[Stat] = Field(
        default=("mean", "q05", "q95", "spread", "applicability", "dissimilarity"),
        description="Mean, calibrated quantiles (5, 50, 95 %) and spread of the trees, in the unit of the target; area of applicability "
        "(1 inside), dissimilarity index, and number of profiles near in the space of covariates.",
    )
    window: int = Field(default=256, ge=16, le=8192, description="Side of the square worked on at once, in cells.")
    mask: dict[Text, Choices[int]] = Field(
        default={}, description="Class codes to leave empty, by covariate: {land_cover: [210]}."
    )
    period: Annotated[tuple[Year, Year], Field(strict=False)] | None = Field(
        default=None, description="First and last year that the maps stand for, for their metadata."
    )

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        faults = []
        stats, period = given.get("stats", ("mean", "q05", "q95")), given.get("period", ())
        if isinstance(stats, (list, tuple)) and stats and not {"mean", "q05", "q95"} <= {str(stat) for stat in stats}:
            faults.append(Fault(("stats",), f"[{', '.join(map(str, stats))}]", "mean, q05 and q95 among them"))
        years = isinstance(period, (list, tuple)) and [type(year) for year in period] == [int, int]
        if years and period[0] > period[1]:
            faults.append(Fault(("period",), str(list(period)), "[first year, last year]"))
        return faults


class ByPolygons(Section):
    """Sums for polygons, such as districts."""

    name: Text = Field(description="Name of the division in tables.")
    path: Text = Field(description="File of polygons (GeoPackage, GeoJSON, Shapefile).")
    column: Text = Field(description="Column with the name of each polygon; polygons of one name are added up.")


class ByRaster(Section):
    """Sums for the classes of a raster that is no covariate."""

    name: Text = Field(description="Name of the division in tables.")
    path: Text = Field(description="Raster of class codes.")
    classes: dict[int, Text] = Field(min_length=1, description="Name of each class code; other codes are left out.")


def _which_division(value: object) -> str | None:
    if isinstance(value, str):
        return "<covariate>"
    if isinstance(value, Section):
        return f"<{type(value).__name__}>"
    if not isinstance(value, dict):
        return None
    return "<ByRaster>" if "classes" in value else "<ByPolygons>"


Division = Annotated[
    Annotated[str, Tag("<covariate>")]
    | Annotated[ByPolygons, Tag("<ByPolygons>")]
    | Annotated[ByRaster, Tag("<ByRaster>")],
    Discriminator(
        _which_division,
        custom_error_type="which_division",
        custom_error_message="expected one of three kinds of division",
        custom_error_context={
            "expected": "the name of a class covariate, {name: ..., path: polygons, column: ...} "
            "or {name: ..., path: raster, classes: {...}}"
        },
    ),
]


class OtherMap(Section):
    """A map of one layer that ours is held against."""

    path: Text = Field(description="Raster of the other map.")
    layer: DepthLayer = Field(description="Depth layer in cm that it shows: one of profiles.layers, or all together.")
    unit: Annotated[str, AfterValidator(check_unit), WithJsonSchema({"enum": list(UNITS)})] = Field(
        description="Unit of its numbers, such as kg/m2 or t/ha."
    )


class Comparison(OtherMap):
    """Another product."""

    name: Text = Field(description="Name of the other map in tables.")
    note: str | None = Field(default=None, description="What explains a difference: another year, unit or definition.")


class Truth(OtherMap):
    """The true values of a virtual landscape."""


class Account(Section):
    """Tables of carbon stocks, and comparisons."""

    by: Annotated[Listed[Division], AfterValidator(check_names)] = Field(
        default=(),
        description="Divisions to sum stocks (Tg) for: a class covariate, polygons or a raster.",
    )
    compare: Annotated[Listed[Comparison], AfterValidator(check_names)] = Field(
        default=(), description="Other maps to compare with."
    )
    truth: Listed[Truth] = Field(default=(), description="True values, where they are known (virtual landscapes).")


class Report(Section):
    """The report page."""

    title: str | None = Field(default=None, description="Title of the page; the recipe's name when left out.")
