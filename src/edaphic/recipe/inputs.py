"""Sections that say where and with what: the grid and the covariates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from edaphic.recipe.base import Listed, Section, Text
from edaphic.recipe.faults import Fault, fail, shown
from edaphic.recipe.values import Resolution

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
