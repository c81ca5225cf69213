"""Sections that say what comes of the model: maps, tables, the report."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema

from edaphic.recipe.accounting import ByShares, Change, OtherProduct, Totals, Trend, Years
from edaphic.recipe.base import Choices, Listed, Section, Text
from edaphic.recipe.cited import citation_field, licence_field
from edaphic.recipe.designs import UNITS, check_names, check_unit
from edaphic.recipe.faults import Fault, fail, shown
from edaphic.recipe.monte_carlo import MonteCarlo
from edaphic.recipe.shares import Subsoil, ZoneShare
from edaphic.recipe.stats import DEMANDED, Stat
from edaphic.recipe.values import DepthLayer

RASTER_ENDINGS = (".tif", ".tiff", ".vrt", ".img", ".nc", ".asc", ".jp2")


class MapMask(Section):
    """Cells to leave empty, by a raster or polygons that are no covariate."""

    name: Text = Field(description="Name of the mask in counts.")
    path: Text = Field(description="Raster, with classes, above or below; without these a file of polygons whose inside is left empty.")
    classes: Choices[int] | None = Field(default=None, description="Codes of the raster that are left empty.")
    above: float | None = Field(default=None, description="Values of the raster above this are left empty.")
    below: float | None = Field(default=None, description="Values of the raster below this are left empty.")
    band: int = Field(default=1, ge=1, description="Band of the raster, counted from 1.")
    nodata: float | None = Field(default=None, description="Stored number that means no value; by default the file's own.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        numbers = [key for key in ("above", "below") if key in given]
        if "classes" in given and numbers:
            return [Fault((numbers[0],), f"classes and {' and '.join(numbers)}", "classes, or numbers")]
        path, of_raster = given.get("path"), numbers or "classes" in given
        if isinstance(path, str) and path.lower().endswith(RASTER_ENDINGS) and not of_raster:
            return [Fault(("path",), f"a raster ({shown(path)}) and nothing to leave empty", "classes, above or below; or polygons")]
        idle = [] if of_raster else [key for key, usual in (("band", 1), ("nodata", None)) if given.get(key, usual) != usual]
        if idle:
            return [Fault((idle[0],), f"{' and '.join(idle)} of polygons", "no such key; or classes, above or below of a raster")]
        above, below = given.get("above"), given.get("below")
        if isinstance(above, int | float) and isinstance(below, int | float) and below > above:
            found = f"above {above:g} and below {below:g}, which leave nothing"
            return [Fault(("below",), found, "values to keep between below and above")]
        return []

    @property
    def of_raster(self) -> bool:
        """Whether the file is a raster."""
        return self.classes is not None or self.above is not None or self.below is not None


class Bedrock(Section):
    """Depth to bedrock: soil ends there."""

    path: Text = Field(description="Raster of the depth to bedrock. A cell without a value has soil all the way down.")
    unit: Literal["cm", "m"] = Field(description="Unit of the depths.")
    band: int = Field(default=1, ge=1, description="Band of the file, counted from 1.")
    nodata: float | None = Field(default=None, description="Stored number that means no value; by default the file's own.")
    scale: float | None = Field(default=None, description="Factor from stored numbers to depths; by default the file's.")
    offset: float | None = Field(default=None, description="Added after the factor; by default the file's.")
    resampling: Literal["auto", "nearest", "bilinear", "average"] = Field(
        default="auto", description="How depths come to the cells of the maps; auto goes by cell size."
    )

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        return [Fault(("scale",), "0", "a number other than 0")] if given.get("scale") == 0 else []


def _check_thresholds(values: tuple[float, ...]) -> tuple[float, ...]:
    again = [place for place, value in enumerate(values) if value in values[:place]]
    if again:
        fail(*(Fault((place,), f"{values[place]:g} a second time", "each threshold once") for place in again))
    return values


def _check_periods(periods: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Periods follow one another; those that touch may share a year, as those of covariates do."""
    order = "[first year, last year]"
    faults = [Fault((), "an empty list", "at least one period, or no such key")] if not periods else []
    faults += [Fault((place,), str(list(own)), order) for place, own in enumerate(periods) if own[0] > own[1]]
    for place, (before, own) in enumerate(pairwise(periods), start=1):
        follows = own[0] >= before[1] and own[0] > before[0] and own[1] > before[1]
        if own[0] <= own[1] and not follows:
            faults.append(Fault((place,), f"{list(own)} after {list(before)}", f"{order} in rising order, none within another"))
    if faults:
        fail(*faults)
    return periods


class Maps(Section):
    """Which maps are written."""

    stats: Choices[Stat] = Field(
        default=("mean", "q05", "q95", "spread", "applicability", "dissimilarity"),
        description="Mean; se, standard error of the forest mean; calibrated quantiles (q05, q50, q975 ...); spread of the trees, tree_se "
        "(spread over the root of their number) and tree_qNN (percentiles of their means): in the unit of the target. Area of "
        "applicability (1 inside), dissimilarity index, and number of profiles near in the space of covariates (point_density).",
    )
    thresholds: Annotated[Listed[Annotated[float, Field(gt=0)]], AfterValidator(_check_thresholds)] = Field(
        default=(), description="Values, in the unit of the maps, whose probability to be exceeded is mapped: [5, 10]."
    )
    window: Annotated[int, Field(ge=16, le=8192)] | None = Field(
        default=None, description="Side of the square worked on at once, in cells; null plans it by memory and the blocks of the rasters."
    )
    mask: dict[Text, Choices[int]] = Field(
        default={}, description="Class codes to leave empty, by covariate: {land_cover: [210]}."
    )
    masks: Annotated[Listed[MapMask], AfterValidator(check_names)] = Field(
        default=(), description="Rasters or polygons that are no covariates, and what of them is left empty."
    )
    only_applicable: bool = Field(default=False, description="Whether cells outside the area of applicability are left empty.")
    bedrock: Bedrock | None = Field(
        default=None, description="Depth to bedrock: stocks are density times the true thickness of each layer. Null: no such limit."
    )
    period: Years | None = Field(default=None, description="First and last year that the maps stand for, for their metadata.")
    periods: Annotated[Listed[Years], AfterValidator(_check_periods)] | None = Field(
        default=None, description="Maps for each of several periods, with the covariates of that time: [[1985, 1990], [1990, 1995]]."
    )
    mean_of_periods: bool = Field(default=False, description="Whether the mean of the maps of all periods is written too.")
    encoding: Literal["float32", "int16"] = Field(
        default="float32", description="Numbers in the files: as they are, or scaled to 16 bits, which halves the files."
    )
    shares: dict[Text, ZoneShare] = Field(
        default={},
        description="Share of each cell that a zone of model.zones covers, by the zone's name: each gets maps of its own wherever it has "
        "a share, by its own model.",
    )
    subsoil: Subsoil | None = Field(
        default=None, description="Stocks of deeper layers from beta and the stock of the topsoil (target beta). Null: maps of beta alone."
    )
    monte_carlo: MonteCarlo | None = Field(
        default=None, description="Error of maps and totals by drawing inputs, forests and residuals at random. Null: none."
    )

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        faults = []
        stats, period = given.get("stats", DEMANDED), given.get("period", ())
        if isinstance(stats, (list, tuple)) and stats and not set(DEMANDED) <= {str(stat) for stat in stats}:
            faults.append(Fault(("stats",), f"[{', '.join(map(str, stats))}]", "mean, q05 and q95 among them"))
        years = isinstance(period, (list, tuple)) and [type(year) for year in period] == [int, int]
        if years and period[0] > period[1]:
            faults.append(Fault(("period",), str(list(period)), "[first year, last year]"))
        return faults + _clashes_of_time(given) + _clashes_of_names(given)


def _clashes_of_time(given: Mapping[str, Any]) -> list[Fault]:
    """The maps stand for one period, or for several; only several have a mean."""
    faults = []
    if "period" in given and "periods" in given:
        faults.append(Fault(("periods",), "period and periods", "one of them"))
    periods = given.get("periods", ())
    if given.get("mean_of_periods") is True and (not isinstance(periods, (list, tuple)) or len(periods) < 2):
        faults.append(Fault(("mean_of_periods",), "the mean of fewer than two periods", "two or more (periods: ...), or no such key"))
    return faults


def _clashes_of_names(given: Mapping[str, Any]) -> list[Fault]:
    """Masks are counted by name."""
    masks, mask = given.get("masks", ()), given.get("mask", {})
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in masks] if isinstance(masks, (list, tuple)) else []
    taken = set(mask) if isinstance(mask, dict) else set()
    return [
        Fault(("masks", place, "name"), f"{name!r}, which is a key of mask too", "another name")
        for place, name in enumerate(names)
        if name in taken
    ]


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
    if "shares" in value:
        return "<ByShares>"
    return "<ByRaster>" if "classes" in value else "<ByPolygons>"


Division = Annotated[
    Annotated[str, Tag("<covariate>")]
    | Annotated[ByPolygons, Tag("<ByPolygons>")]
    | Annotated[ByRaster, Tag("<ByRaster>")]
    | Annotated[ByShares, Tag("<ByShares>")],
    Discriminator(
        _which_division,
        custom_error_type="which_division",
        custom_error_message="expected one of four kinds of division",
        custom_error_context={
            "expected": "the name of a class covariate, {name: ..., path: polygons, column: ...}, "
            "{name: ..., path: raster, classes: {...}} or {name: ..., shares: {...}}"
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
    period: Years | None = Field(
        default=None, description="Which of maps.periods it is held against; by default the last one. Left out where there is one map."
    )
    licence: Text | None = licence_field()
    citation: Text | None = citation_field()


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
        description="Divisions to sum stocks (Tg) for: a class covariate, polygons, a raster, or shares of cells.",
    )
    total: Totals = Field(default=Totals(), description="The error of totals, from errors that are alike over some distance.")
    change: Change | None = Field(default=None, description="Change between maps.periods. Null: none is told.")
    trend: Trend | None = Field(default=None, description="Slope over maps.periods, cell by cell. Null: none.")
    compare: Annotated[Listed[Comparison], AfterValidator(check_names)] = Field(
        default=(), description="Other maps to compare with."
    )
    products: Annotated[Listed[OtherProduct], AfterValidator(check_names)] = Field(
        default=(), description="Other products, brought to our depths, units and cells, and compared with each other and with ours."
    )
    published: Text | None = Field(
        default=None,
        description="Table of published totals and ranges: source, by, class, top_cm, bottom_cm, total, low, high, unit.",
    )
    truth: Listed[Truth] = Field(default=(), description="True values, where they are known (virtual landscapes).")


class Report(Section):
    """The report page."""

    title: str | None = Field(default=None, description="Title of the page; the recipe's name when left out.")
    follows: Literal["space-time", "beta-subsoil", "plateau-3d"] | None = Field(
        default=None, description="Published product whose method the recipe follows; the report says where it departs from it."
    )
