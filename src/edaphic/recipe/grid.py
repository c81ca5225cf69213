"""The section that says where: the grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from edaphic.recipe.base import Section, Text
from edaphic.recipe.faults import Fault
from edaphic.recipe.values import Resolution


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
