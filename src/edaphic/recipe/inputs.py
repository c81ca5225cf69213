"""Sections that say what comes in: the grid, the profiles, the covariates."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_serializer

from edaphic.recipe.base import Choices, Listed, Section, Text
from edaphic.recipe.faults import Fault, fail, shown
from edaphic.recipe.values import Column, DepthLayer, Of, Resolution, layer_text, read_layer

PATTERN_CHARACTERS = "*?"
"""Characters that make a path a pattern for several files."""


class GridLike(Section):
    """The grid of a raster that exists."""

    like: Text = Field(description="Raster whose cells, extent and coordinate system the maps take over.")


class GridBounds(Section):
    """A grid from numbers."""

    crs: Text = Field(description="Coordinate system of the maps, such as EPSG:32634.")
    resolution: Resolution = Field(description="Cell size in units of the coordinate system (m or degrees), or [x, y].")
    bounds: Annotated[tuple[float, float, float, float], Field(strict=False)] = Field(
        description="Outer edges [min x, min y, max x, max y] in units of the coordinate system."
    )

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        bounds = given.get("bounds")
        numbers = isinstance(bounds, (list, tuple)) and all(type(edge) in (int, float) for edge in bounds)
        if bounds is None or not numbers or len(bounds) != 4:
            return []
        if bounds[0] < bounds[2] and bounds[1] < bounds[3]:
            return []
        return [Fault(("bounds",), str(list(bounds)), "[min x, min y, max x, max y], each min below its max")]


class GridRegion(Section):
    """A grid over the extent of polygons."""

    region: Text = Field(description="File of polygons (GeoPackage, GeoJSON, Shapefile) that the maps cover.")
    resolution: Resolution = Field(description="Cell size in units of the coordinate system (m or degrees), or [x, y].")
    crs: Text | None = Field(
        default=None, description="Coordinate system of the maps; by default that of the polygons."
    )


_GRIDS: Mapping[str, type[Section]] = {"like": GridLike, "bounds": GridBounds, "region": GridRegion}


def _which_grid(value: object) -> str | None:
    """The one class whose own key is there; a grid that only lacks its bounds is told so."""
    if isinstance(value, Section):
        return f"<{type(value).__name__}>"
    if not isinstance(value, dict):
        return None
    own = [key for key in _GRIDS if key in value]
    if not own and {"crs", "resolution"} & set(value):
        own = ["bounds"]
    return f"<{_GRIDS[own[0]].__name__}>" if len(own) == 1 else None


Grid = Annotated[
    Annotated[GridLike, Tag("<GridLike>")]
    | Annotated[GridBounds, Tag("<GridBounds>")]
    | Annotated[GridRegion, Tag("<GridRegion>")],
    Discriminator(
        _which_grid,
        custom_error_type="which_grid",
        custom_error_message="expected one of three kinds of grid",
        custom_error_context={
            "expected": "exactly one of {like: raster}, {crs: ..., resolution: ..., bounds: [...]}, "
            "{region: polygons, resolution: ...}"
        },
    ),
]


class Columns(Section):
    """Which column holds what. A role that is left out is looked for under its own name (top_cm, soc_g_kg, ...)."""

    profile_id: Annotated[Column | None, Of(None)] = Field(default=None, description="Name of the profile.")
    x: Annotated[Column | None, Of(None)] = Field(
        default=None, description="Easting or longitude, in units of the table's coordinate system."
    )
    y: Annotated[Column | None, Of(None)] = Field(
        default=None, description="Northing or latitude, in units of the table's coordinate system."
    )
    lon: Annotated[Column | None, Of(None)] = Field(default=None, description="Longitude in degrees, the same as x.")
    lat: Annotated[Column | None, Of(None)] = Field(default=None, description="Latitude in degrees, the same as y.")
    year: Annotated[Column | None, Of(None)] = Field(default=None, description="Year or date of sampling.")
    top: Annotated[Column | None, Of("depth")] = Field(default=None, description="Upper depth of the horizon.")
    bottom: Annotated[Column | None, Of("depth")] = Field(default=None, description="Lower depth of the horizon.")
    soc: Annotated[Column | None, Of("soc")] = Field(
        default=None, description="Organic carbon, by mass of fine earth (below 2 mm)."
    )
    organic_matter: Annotated[Column | None, Of("soc", organic_matter=True)] = Field(
        default=None, description="Organic matter instead of organic carbon, by mass of fine earth."
    )
    bulk_density: Annotated[Column | None, Of("bulk_density")] = Field(
        default=None, description="Bulk density of the fine earth, oven dry."
    )
    coarse_fragments: Annotated[Column | None, Of("coarse_fragments")] = Field(
        default=None,
        description="Fragments above 2 mm, share of the whole soil by volume (vol%) or mass (mass%).",
    )
    clay: Annotated[Column | None, Of("texture")] = Field(default=None, description="Clay, by mass of fine earth.")
    silt: Annotated[Column | None, Of("texture")] = Field(default=None, description="Silt, by mass of fine earth.")
    sand: Annotated[Column | None, Of("texture")] = Field(default=None, description="Sand, by mass of fine earth.")
    ph_h2o: Annotated[Column | None, Of(None)] = Field(default=None, description="pH in water (no unit).")
    total_n: Annotated[Column | None, Of("soc")] = Field(
        default=None, description="Total nitrogen, by mass of fine earth."
    )

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


class ProfileSource(Section):
    """One table of horizons, with its sites in it or beside it."""

    horizons: Text = Field(description="Table with one row for each horizon (CSV, CSV.gz, Parquet or GeoPackage).")
    sites: Text | None = Field(default=None, description="Table with one row for each site, joined by profile_id.")
    crs: Text | None = Field(default=None, description="Coordinate system of x and y; a GeoPackage carries its own.")
    name: Text | None = Field(default=None, description="Name of the source in tables; that of the file when left out.")
    columns: Columns = Field(default=Columns(), description="Which column holds what, with its unit.")


class Depth(Section):
    """How horizons become layers."""

    method: Literal["spline"] = Field(default="spline", description="Depth function: the mass-preserving spline.")
    lam: float = Field(default=0.1, ge=0, description="Smoothness of the spline (no unit); 0 follows the horizons.")
    min_coverage: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of a layer (0 to 1) that must be observed.",
    )
    max_gap_cm: float = Field(default=0.0, ge=0, description="Widest gap between horizons, in cm, counted as observed.")


Pedotransfer = Literal[
    "manrique_jones_1991",
    "adams_1973",
    "honeysett_ratkowsky_1989",
    "saini_1966",
    "jeffrey_1970",
    "grigal_1989",
    "drew_1973",
]


class Profiles(Section):
    """The soil profiles, and how they become values of layers."""

    sources: Annotated[Listed[ProfileSource], Field(min_length=1)] = Field(
        description="Tables of soil profiles, one entry for each."
    )
    layers: Annotated[Listed[DepthLayer], Field(min_length=1)] = Field(
        description="Depth layers in cm, downwards, such as [0-30, 30-60, 60-100]."
    )
    depth: Depth = Field(default=Depth(), description="How horizons become layers.")
    bulk_density: Choices[Literal["measured", "pedotransfer"]] = Field(
        default=("measured", "pedotransfer"), description="Where bulk density (g/cm3) may come from, in this order."
    )
    pedotransfer: Pedotransfer = Field(
        default="manrique_jones_1991", description="Rule that estimates missing bulk density (g/cm3) of mineral soil."
    )
    missing_fragments_vol_pct: float | None = Field(
        default=None,
        ge=0,
        lt=100,
        description="Coarse fragments (vol%) of profiles without any measured; the table's median when left out.",
    )

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        written = given.get("layers")
        layers = [read_layer(layer) for layer in written] if isinstance(written, (list, tuple)) else []
        return [
            Fault(("layers", place), repr(layer_text(layer)), f"a layer that starts at {above[1]:g} cm or deeper")
            for place, (above, layer) in enumerate(pairwise(layers), start=1)
            if above is not None and layer is not None and layer[0] < above[1]
        ]


class CovariateLayer(Section):
    """One raster, or all rasters that a pattern finds."""

    path: Text = Field(description="Raster file, or a pattern such as covs/*.tif for several.")
    name: Text | None = Field(default=None, description="Name of the covariate; by default the file's, without ending.")
    kind: Literal["continuous", "class"] = Field(
        default="continuous", description="Numbers on a scale (continuous), or codes of classes (class)."
    )
    band: int = Field(default=1, ge=1, description="Band of the file, counted from 1.")
    nodata: float | None = Field(
        default=None, description="Stored number that means no value; by default the file's own."
    )
    scale: float | None = Field(
        default=None, description="Factor from stored numbers to values; by default the file's."
    )
    offset: float | None = Field(default=None, description="Added after the factor; by default the file's.")
    unit: str | None = Field(default=None, description="Unit of the values, for tables.")
    classes: dict[int, Text] | None = Field(default=None, description="Name of each class code, for tables.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        faults = []
        if "name" in given and is_pattern(given.get("path")):
            faults.append(Fault(("name",), f"one name for the pattern {shown(given['path'])}", "no name, or one file"))
        if given.get("kind", "continuous") == "continuous" and "classes" in given:
            faults.append(Fault(("classes",), "names of classes for a continuous layer", "kind: class beside them"))
        if given.get("kind") == "class":
            faults += [
                Fault((key,), f"{key} for codes of classes", "kind: continuous, or no such key")
                for key in ("scale", "offset")
                if key in given
            ]
        if given.get("scale") == 0:
            faults.append(Fault(("scale",), "0", "a number other than 0"))
        return faults

    @property
    def own_name(self) -> str | None:
        """Name of the covariate; None for a pattern, whose files name themselves.

        >>> CovariateLayer(path="covs/dem.tif").own_name
        'dem'
        """
        return None if is_pattern(self.path) else self.name or PurePath(self.path).stem


def is_pattern(path: object) -> bool:
    """Whether a path stands for all files that it matches.

    >>> is_pattern("covs/*.tif"), is_pattern("covs/dem.tif")
    (True, False)
    """
    return isinstance(path, str) and any(character in path for character in PATTERN_CHARACTERS)


def _check_names(layers: tuple[CovariateLayer, ...]) -> tuple[CovariateLayer, ...]:
    names = [layer.own_name for layer in layers]
    faults = [
        Fault((place,), f"a second covariate named {name!r}", "a name of its own (name: ...)")
        for place, name in enumerate(names)
        if name is not None and name in names[:place]
    ]
    if faults:
        fail(*faults)
    return layers


class Covariates(Section):
    """Rasters that explain soil carbon."""

    layers: Annotated[Listed[CovariateLayer], Field(min_length=1), AfterValidator(_check_names)] = Field(
        description="Rasters; an entry for one file replaces what a pattern found for that file."
    )
    exclude: Listed[Text] = Field(default=(), description="Names to leave out, or patterns of names such as I*MOD4.")
