"""Sections that say what is made: the model, its evidence, maps, tables, the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema

from edaphic.recipe.base import Choices, Listed, Section, Text
from edaphic.recipe.faults import Fault, fail
from edaphic.recipe.values import DepthLayer
from edaphic.units import units_of

Target = Literal["soc_stock", "soc_density", "soc", "log_soc_stock", "log_soc_density", "log_soc"]

QUANTITIES: Mapping[str, tuple[str, ...]] = {
    "soc_stock": ("soc_stock",),
    "soc_density": ("soc_density", "soc_stock"),
    "soc": ("soc",),
}
"""What maps of a target may be compared with, as names in :mod:`edaphic.units`."""


class Screen(Section):
    """Which covariates are left out before the model is made."""

    correlation: float = Field(
        default=0.95, gt=0, le=1, description="Of two covariates with a larger correlation (0 to 1), one is left out."
    )


class Forest(Section):
    """Settings of the random forest. What is left out is chosen by tuning."""

    trees: int = Field(default=500, ge=1, description="Number of trees.")
    min_samples_leaf: int | None = Field(default=None, ge=1, description="Fewest rows in a leaf; tuned when left out.")
    max_features: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of covariates (0 to 1) tried at a split; tuned when left out.",
    )


class Tune(Section):
    """Search for the settings that the forest leaves open."""

    candidates: int = Field(default=6, ge=1, description="Number of settings tried.")
    design: Literal["profile", "block"] = Field(
        default="profile", description="How rows are split, by profile or block."
    )
    folds: int = Field(default=3, ge=2, description="Number of parts in each trial.")
    trees: int = Field(default=100, ge=1, description="Number of trees in each trial.")


class Model(Section):
    """What is predicted, and by what."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = Field(
        default="forest", description="Name of the model's folder."
    )
    target: Target = Field(
        default="log_soc_density",
        description="Stock (kg/m2), density (kg/m3) or content (g/kg) of organic carbon; log_ models its logarithm.",
    )
    form: Literal["3d", "layers"] = Field(
        default="3d",
        description="One model with depth as a covariate (3d), or one for each layer (layers).",
    )
    screen: Screen = Field(default=Screen(), description="Which covariates are left out before the model is made.")
    forest: Forest = Field(default=Forest(), description="Settings of the random forest.")
    tune: Tune = Field(default=Tune(), description="Search for the settings that the forest leaves open.")


Design = Literal["profile", "block"]


class Evidence(Section):
    """How the model is checked."""

    designs: Choices[Design] = Field(
        default=("profile", "block"),
        description="Cross-validation that holds out profiles (needed always), and blocks of land.",
    )
    folds: int = Field(default=5, ge=2, description="Number of parts in cross-validation.")
    block_km: float | None = Field(
        default=None,
        gt=0,
        description="Side of a block in km; by default from the distances between profiles.",
    )
    same_place_m: float = Field(default=100.0, ge=0, description="Profiles closer than this (m) are held out together.")
    interval: float = Field(default=0.9, gt=0, lt=1, description="Share of values (0 to 1) in a prediction interval.")
    bootstrap: int = Field(default=1000, ge=2, description="Resamples for the confidence intervals of metrics.")
    calibrate: Design = Field(
        default="profile", description="Design whose held-out predictions calibrate the intervals of the maps."
    )

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        designs = given.get("designs", ("profile", "block"))
        if not isinstance(designs, (list, tuple)):
            return []
        faults = []
        if "profile" not in designs and designs:
            faults.append(Fault(("designs",), f"[{', '.join(map(str, designs))}]", "profile among them"))
        if given.get("calibrate") == "block" and "block" not in designs:
            faults.append(Fault(("calibrate",), "'block', which is not among the designs", "one of the designs"))
        return faults


Stat = Literal["mean", "q05", "q50", "q95", "spread"]

Year = Annotated[int, Field(ge=1, le=9999)]


class Maps(Section):
    """Which maps are written."""

    stats: Choices[Stat] = Field(
        default=("mean", "q05", "q95", "spread"),
        description="Mean, calibrated quantiles (5, 50, 95 %) and spread of the trees, in the unit of the target.",
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


UNITS = tuple(dict.fromkeys(unit for quantity in QUANTITIES for unit in units_of(quantity)))


def _check_unit(unit: str) -> str:
    if unit not in UNITS:
        fail(Fault((), repr(unit), f"one of {', '.join(UNITS)}"))
    return unit


class OtherMap(Section):
    """A map of one layer that ours is held against."""

    path: Text = Field(description="Raster of the other map.")
    layer: DepthLayer = Field(description="Depth layer in cm that it shows: one of profiles.layers, or all together.")
    unit: Annotated[str, AfterValidator(_check_unit), WithJsonSchema({"enum": list(UNITS)})] = Field(
        description="Unit of its numbers, such as kg/m2 or t/ha."
    )


class Comparison(OtherMap):
    """Another product."""

    name: Text = Field(description="Name of the other map in tables.")
    note: str | None = Field(default=None, description="What explains a difference: another year, unit or definition.")


class Truth(OtherMap):
    """The true values of a virtual landscape."""


def division_name(division: str | ByPolygons | ByRaster) -> str:
    """Name of a division in tables."""
    return division if isinstance(division, str) else division.name


def _check_names(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    names = [division_name(entry) for entry in entries]
    again = [place for place, name in enumerate(names) if name in names[:place]]
    if again:
        fail(*(Fault((place,), f"the name {names[place]!r} a second time", "a name of its own") for place in again))
    return entries


class Account(Section):
    """Tables of carbon stocks, and comparisons."""

    by: Annotated[Listed[Division], AfterValidator(_check_names)] = Field(
        default=(),
        description="Divisions to sum stocks (Tg) for: a class covariate, polygons or a raster.",
    )
    compare: Annotated[Listed[Comparison], AfterValidator(_check_names)] = Field(
        default=(), description="Other maps to compare with."
    )
    truth: Listed[Truth] = Field(default=(), description="True values, where they are known (virtual landscapes).")


class Report(Section):
    """The report page."""

    title: str | None = Field(default=None, description="Title of the page; the recipe's name when left out.")
