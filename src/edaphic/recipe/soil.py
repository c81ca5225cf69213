"""Section of the soil profiles: where they come from, and how they become stocks of layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_serializer

from edaphic.recipe.base import Choices, Listed, Section, Text
from edaphic.recipe.cited import citation_field, licence_field
from edaphic.recipe.faults import Fault
from edaphic.recipe.presets import DEPTHS, expanded
from edaphic.recipe.values import LAYER_PATTERN, Column, DepthLayer, Of, layer_text, read_layer
from edaphic.units import EXCEL_SERIAL, ROCK_DENSITY_G_CM3

Plain = Annotated[Column | None, Of(None)]
"""A column without unit."""


def _role(description: str) -> Any:
    return Field(default=None, description=description)


class Columns(Section):
    """Which column holds what. A role that is left out is looked for under the names of the vocabulary (top_cm, soc_g_kg, ...)."""

    profile_id: Plain = _role("Name of the profile.")
    x: Plain = _role("Easting or longitude, in units of the table's coordinate system.")
    y: Plain = _role("Northing or latitude, in units of the table's coordinate system.")
    lon: Plain = _role("Longitude in degrees, the same as x.")
    lat: Plain = _role("Latitude in degrees, the same as y.")
    plus_code: Plain = _role("Open location code, instead of coordinates.")
    position_error: Annotated[Column | None, Of("length")] = _role("How exact the coordinates are.")
    year: Annotated[Column | None, Of(None, units=(EXCEL_SERIAL,))] = _role("Year or date of sampling.")
    top: Annotated[Column | None, Of("depth")] = _role("Upper depth of the horizon.")
    bottom: Annotated[Column | None, Of("depth")] = _role("Lower depth of the horizon.")
    soc: Annotated[Column | None, Of("soc")] = _role("Organic carbon, by mass of fine earth (below 2 mm).")
    organic_matter: Annotated[Column | None, Of("soc", organic_matter=True)] = _role(
        "Organic matter instead of organic carbon, by mass of fine earth."
    )
    soc_method: Plain = _role("Laboratory method of organic carbon.")
    total_carbon: Annotated[Column | None, Of("soc")] = _role("Total carbon, less inorganic carbon where organic carbon is missing.")
    inorganic_carbon: Annotated[Column | None, Of("soc")] = _role("Inorganic carbon.")
    carbonate: Annotated[Column | None, Of("soc")] = _role("Calcium carbonate equivalent, where inorganic carbon is missing.")
    soc_stock: Annotated[Column | None, Of("soc_stock")] = _role("Carbon stock of the horizon as the source reports it.")
    soc_density: Annotated[Column | None, Of("soc_density")] = _role(
        "Carbon density of the horizon as the source reports it, instead of its stock."
    )
    bulk_density: Annotated[Column | None, Of("bulk_density", basis=True)] = _role("Measured bulk density, oven dry, and its basis.")
    bulk_density_basis: Plain = _role("Basis of the bulk density of each row, where it is not the same for all.")
    bulk_density_reported: Annotated[Column | None, Of("bulk_density", basis=True)] = _role(
        "Bulk density of the fine earth that the source estimated."
    )
    coarse_fragments: Annotated[Column | None, Of("coarse_fragments")] = _role(
        "Fragments above 2 mm, share of the whole soil by volume (vol%) or mass (mass%)."
    )
    coarse_fragments_class: Plain = _role("Class of fragments by volume: N, V, F, C, M, A, D of the FAO guidelines.")
    clay: Annotated[Column | None, Of("texture")] = _role("Clay, by mass of fine earth.")
    silt: Annotated[Column | None, Of("texture")] = _role("Silt, by mass of fine earth.")
    sand: Annotated[Column | None, Of("texture")] = _role("Sand, by mass of fine earth.")
    ph_h2o: Plain = _role("pH in water (no unit).")
    total_n: Annotated[Column | None, Of("soc")] = _role("Total nitrogen, by mass of fine earth.")
    weight: Plain = _role("Weight of the profile in fitting and scoring (no unit).")
    below: Plain = _role("What ends the profile: rock (also lithic, R), or anything else for unknown.")
    rock_depth: Annotated[Column | None, Of("depth")] = _role("Depth to bedrock.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        faults = [
            Fault((second,), f"both {first} and {second}", "only one of them")
            for first, second in (("soc", "organic_matter"), ("x", "lon"), ("y", "lat"))
            if first in given and second in given
        ]
        has_x, has_y = ({"x", "lon"} & set(given), {"y", "lat"} & set(given))
        if has_x and not has_y:
            faults.append(Fault((min(has_x),), "this coordinate alone", "the column of y (or lat) as well"))
        if has_y and not has_x:
            faults.append(Fault((min(has_y),), "this coordinate alone", "the column of x (or lon) as well"))
        if "plus_code" in given and has_x:
            faults.append(Fault(("plus_code",), f"both {min(has_x)} and plus_code", "only one of them"))
        return faults

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        return {role: column.as_written() for role, column in self.given().items()}

    def given(self) -> dict[str, Column]:
        """Columns that the recipe names, by role, in the order of the roles.

        >>> list(Columns(profile_id="id", soc={"column": "OC", "unit": "%"}).given())
        ['profile_id', 'soc']
        """
        return {role: column for role, column in self if column is not None}


def source_stem(horizons: str) -> str:
    """Name of a source that is given none: that of its file, or of the table of a database.

    >>> source_stem("data/survey.csv.gz"), source_stem("postgresql://host/soil?table=horizons")
    ('survey', 'horizons')
    """
    if "://" in horizons:
        table = re.search(r"[?&]table=([^&]+)", horizons)
        return table[1] if table else PurePath(horizons).name
    return PurePath(horizons).name.split(".")[0]


Vocabulary = Literal["edaphic", "wosis", "nrcs", "israd", "gsif", "openlandmap"]


class ProfileSource(Section):
    """One table of horizons, with its sites in it or beside it."""

    horizons: Text = Field(
        description="Table with one row for each horizon: CSV (also .gz), Parquet, GeoPackage, or the address of a database table."
    )
    sites: Text | None = Field(default=None, description="Table with one row for each site, joined by profile_id.")
    crs: Text | None = Field(default=None, description="Coordinate system of x and y; a GeoPackage carries its own.")
    name: Text | None = Field(default=None, description="Name of the source in tables; that of the file when left out.")
    vocabulary: Vocabulary | None = Field(
        default=None, description="Whose names the columns bear; found out from the names when left out."
    )
    columns: Columns = Field(default=Columns(), description="Which column holds what, with its unit.")
    ignore: Listed[Text] = Field(default=(), description="Roles that are not read although the table has a column of that name.")
    covariates: Listed[Text] = Field(
        default=(), description="Columns of the table with values of covariates; where they have one it replaces that of the raster."
    )
    licence: Text | None = licence_field()
    citation: Text | None = citation_field()

    @property
    def own_name(self) -> str:
        """Name of the source in tables.

        >>> ProfileSource(horizons="data/survey.csv.gz").own_name, ProfileSource(horizons="a.csv", name="Survey").own_name
        ('survey', 'Survey')
        """
        return self.name or source_stem(self.horizons)

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        columns, ignored = given.get("columns"), given.get("ignore")
        faults = []
        for place, role in enumerate(ignored if isinstance(ignored, (list, tuple)) else ()):
            if role not in Columns.model_fields:
                faults.append(Fault(("ignore", place), repr(role), f"a role, one of {', '.join(Columns.model_fields)}"))
            elif isinstance(columns, dict) and role in columns:
                faults.append(Fault(("ignore", place), f"{role}, which columns names", "one of the two"))
        return faults


class Cleaning(Section):
    """Repairs that are made on request only; all others are listed in the documentation."""

    shift_organic: bool = Field(
        default=False, description="Count depths from the top of organic layers that lie above 0, instead of dropping these layers."
    )
    last_thickness_cm: float | None = Field(
        default=None, gt=0, description="Thickness (cm) of a last horizon whose lower depth is missing; left out: it is dropped."
    )
    bounding_box: Annotated[tuple[float, float, float, float] | None, Field(strict=False)] = Field(
        default=None, description="Box [west, south, east, north] in degrees that profiles must lie in; west above east crosses 180."
    )


class Duplicates(Section):
    """When two profiles are one."""

    merge: bool = Field(default=True, description="Merge profiles that occur twice, keeping the one with the most measured fields.")
    distance_m: float = Field(default=100.0, ge=0, description="Farthest apart, in m; coarser coordinates count as they are.")
    years: float = Field(default=1.0, ge=0, description="Years apart; a missing year matches any.")
    depth_cm: float = Field(default=1.0, ge=0, description="Largest difference of depths, in cm.")
    share: float = Field(default=0.05, ge=0, lt=1, description="Largest relative difference of values (0 to 1).")
    copies_within_source: bool = Field(
        default=False, description="Merge records of one source only if they are copies: neighbours in a dense survey agree by chance."
    )


class Depth(Section):
    """How horizons become layers."""

    method: Literal["spline", "weighted", "beta"] = Field(
        default="spline", description="Mass-preserving spline, thickness-weighted mean of the horizons, or the beta function."
    )
    mode: Literal["exact", "paper"] = Field(
        default="exact", description="Spline with its mass kept and never negative, or as the R package mpspline2 computes it."
    )
    order: Literal["density", "content"] = Field(
        default="density", description="Spline of the carbon density of the horizons, or of their content first, as the papers do."
    )
    lam: float = Field(
        default=0.1,
        ge=0,
        le=1e15,
        description="Smoothness of the spline (no unit); 0 follows the horizons where a smooth positive curve can."
    )
    min_coverage: float = Field(default=1.0, gt=0, le=1, description="Share of a layer (0 to 1) that must be observed.")
    max_gap_cm: float = Field(default=0.0, ge=0, description="Widest gap between horizons, in cm, counted as observed.")


Pedotransfer = Literal[
    "manrique_jones_1991",
    "adams_1973",
    "honeysett_ratkowsky_1989",
    "saini_1966",
    "jeffrey_1970",
    "grigal_1989",
    "drew_1973",
    "alexander_1980",
    "de_vos_2005",
    "tomasella_hodnett_1998",
    "bernoux_1998",
    "kaur_2002",
    "hollis_2012",
    "best",
]
BulkDensitySource = Literal["measured", "reported", "pedotransfer", "gap_filling", "grid"]
FragmentsSource = Literal["measured", "class", "profile", "grid", "assumed"]


class DepthGrid(Section):
    """Rasters of one quantity by depth."""

    layers: dict[str, Text] = Field(min_length=1, description="Raster of each depth layer, such as {0-30: bd_0_30.tif}.")
    unit: Text = Field(description="Unit of the rasters.")
    basis: Literal["fine_earth", "whole_soil", "fine_earth_whole_volume"] | None = Field(
        default=None, description="Bulk density only: mass and volume of fine earth, of the whole soil, or fine earth in the whole volume."
    )

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        layers = given.get("layers")
        if not isinstance(layers, dict):
            return []
        return [
            Fault(("layers", str(layer)), repr(layer), "a layer like 0-30 (top and bottom in cm, the top smaller)")
            for layer in layers
            if read_layer(layer) is None
        ]


class Errors(Section):
    """Errors of what was measured, where a source does not state its own; one standard deviation each."""

    soc_share: float = Field(default=0.05, ge=0, lt=1, description="Organic carbon: repeatability of one laboratory, share of the value.")
    method_share: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(
        default_factory=dict, description="Share of the value that a laboratory method may be off as a whole, by method."
    )
    reported_share: float = Field(default=0.15, ge=0, lt=1, description="Stocks that a source reports, share of the value.")
    unobserved_share: float = Field(default=0.5, ge=0, description="Part of a layer that was not observed, share of its estimate.")


Layers = Annotated[
    Listed[DepthLayer],
    Field(min_length=1),
    BeforeValidator(expanded),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string", "pattern": LAYER_PATTERN}, "minItems": 1},
                {"enum": list(DEPTHS)},
            ]
        }
    ),
]
"""Depth layers; the name of a set stands for its layers."""


class Profiles(Section):
    """The soil profiles, and how they become values of layers."""

    sources: Annotated[Listed[ProfileSource], Field(min_length=1)] = Field(
        description="Tables of soil profiles, one entry for each."
    )
    layers: Layers = Field(
        description="Depth layers in cm, downwards, such as [0-30, 30-60, 60-100]; or a named set: gsm, gsoc (0-30) or ipcc (0-30)."
    )
    cleaning: Cleaning = Field(default=Cleaning(), description="Repairs that are made on request only.")
    duplicates: Duplicates = Field(default=Duplicates(), description="When two profiles are one.")
    soc_methods: dict[str, Annotated[float, Field(gt=0, le=3)]] = Field(
        default_factory=dict,
        description="Factor for organic carbon of a laboratory method, such as {walkley_black: 1.32}; nothing is corrected without it.",
    )
    stocks: Literal["computed", "reported"] = Field(
        default="computed", description="Compute every stock, or take the stock of a horizon that a source reports where there is one."
    )
    depth: Depth = Field(default=Depth(), description="How horizons become layers.")
    bulk_density: Choices[BulkDensitySource] = Field(
        default=("measured", "reported", "pedotransfer"), description="Where bulk density (g/cm3) may come from, in this order."
    )
    pedotransfer: Pedotransfer = Field(
        default="manrique_jones_1991",
        description="Rule that estimates missing bulk density (g/cm3) of mineral soil; best: the one that fits the table's measurements.",
    )
    gap_filling: Literal["sklearn", "xgboost"] = Field(
        default="sklearn", description="Library of the gradient boosting that fills gaps of bulk density; xgboost is an extra."
    )
    bulk_density_grid: DepthGrid | None = Field(default=None, description="Rasters of bulk density, for the source grid.")
    coarse_fragments: Choices[FragmentsSource] = Field(
        default=("measured", "class", "profile", "assumed"), description="Where coarse fragments (vol%) may come from, in this order."
    )
    coarse_fragments_grid: DepthGrid | None = Field(default=None, description="Rasters of coarse fragments, for the source grid.")
    missing_fragments_vol_pct: float | None = Field(
        default=None,
        ge=0,
        lt=100,
        description="Coarse fragments (vol%) that are assumed where nothing is known; the table's median when left out.",
    )
    rock_density_g_cm3: float = Field(default=ROCK_DENSITY_G_CM3, ge=1, le=5, description="Density of coarse fragments, in g/cm3.")
    errors: Errors = Field(default=Errors(), description="Errors of what was measured, for the error of each stock.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        written = given.get("layers")
        written = DEPTHS.get(written) if isinstance(written, str) else written
        layers = [read_layer(layer) for layer in written] if isinstance(written, (list, tuple)) else []
        faults = [
            Fault(("layers", place), repr(layer_text(layer)), f"a layer that starts at {above[1]:g} cm or deeper")
            for place, (above, layer) in enumerate(pairwise(layers), start=1)
            if above is not None and layer is not None and layer[0] < above[1]
        ]
        depth = given.get("depth")
        if given.get("stocks") == "reported" and isinstance(depth, dict) and depth.get("order") == "content":
            faults.append(Fault(("depth", "order"), "content beside reported stocks, which have none", "density"))
        for key in ("bulk_density", "coarse_fragments"):
            chain, grid = given.get(key), f"{key}_grid"
            asks = isinstance(chain, (list, tuple)) and "grid" in chain
            if asks and grid not in given:
                expected = f"{grid}: {{layers: {{0-30: file.tif}}, unit: ...}}"
                faults.append(Fault((key,), "grid among the sources without rasters", expected))
            rasters = given.get(grid)
            if key == "bulk_density" and isinstance(rasters, dict) and "basis" not in rasters:
                faults.append(Fault((grid,), "no basis", "basis: fine_earth, whole_soil or fine_earth_whole_volume"))
            if grid in given and not asks:
                faults.append(Fault((grid,), f"rasters that no entry of {key} uses", f"grid in the list {key}"))
        return faults
