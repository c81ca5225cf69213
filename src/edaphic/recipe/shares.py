"""Sections for several ecosystems in one cell, and for stocks below a known topsoil by the beta depth function."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from edaphic.recipe.base import Listed, Section, Text
from edaphic.recipe.faults import Fault, fail
from edaphic.recipe.values import DepthLayer, layer_text
from edaphic.units import units_of


def _check_stock_unit(unit: str) -> str:
    if unit not in units_of("soc_stock"):
        fail(Fault((), repr(unit), f"a unit of stocks, one of {', '.join(units_of('soc_stock'))}"))
    return unit


class ZoneShare(Section):
    """The share of each cell that one zone covers."""

    path: Text = Field(description="Raster of the shares. A cell without a value has none of the zone.")
    unit: Literal["1", "%"] = Field(description="Unit of the shares: 1 (from 0 to 1) or %.")
    band: int = Field(default=1, ge=1, description="Band of the file, counted from 1.")
    nodata: float | None = Field(default=None, description="Stored number that means no value; by default the file's own.")


class Topsoil(Section):
    """The known stock that beta carries downwards."""

    path: Text = Field(description="Raster of the stock of the topsoil.")
    unit: Annotated[str, AfterValidator(_check_stock_unit), WithJsonSchema({"enum": list(units_of("soc_stock"))})] = Field(
        description="Unit of its numbers, such as t/ha."
    )
    relative_sd: float = Field(ge=0, le=2, description="Its standard deviation in a cell, as a share; 0 only to repeat the paper.")
    layer: DepthLayer = Field(default=(0.0, 20.0), description="Layer that it is of: from 0 cm down.")
    band: int = Field(default=1, ge=1, description="Band of the file, counted from 1.")
    nodata: float | None = Field(default=None, description="Stored number that means no value; by default the file's own.")


def _check_layers(layers: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    faults = [Fault((), "an empty list", "at least one layer")] if not layers else []
    faults += [
        Fault((place,), f"{layer_text(own)} below {layer_text(above)}", "layers from the top down that do not overlap")
        for place, (above, own) in enumerate(pairwise(layers), start=1)
        if own[0] < above[1]
    ]
    if faults:
        fail(*faults)
    return layers


class Subsoil(Section):
    """Stocks of deeper layers from beta and the stock of the topsoil: X(d) = X(d0) (1 - beta^d) / (1 - beta^d0), cell by cell."""

    topsoil: Topsoil = Field(description="Stock of the topsoil.")
    layers: Annotated[Listed[DepthLayer], AfterValidator(_check_layers)] = Field(
        description="Layers below it that get maps, such as [20-40, 40-60]; where they join up also all together, and with the topsoil."
    )

    @property
    def below(self) -> tuple[float, float] | None:
        """All layers together, where they join up."""
        joined = all(above[1] == own[0] for above, own in pairwise(self.layers))
        return (self.layers[0][0], self.layers[-1][1]) if joined else None

    @property
    def column(self) -> tuple[float, float] | None:
        """Topsoil and all layers together, where they join up."""
        below = self.below
        return (0.0, below[1]) if below is not None and below[0] == self.topsoil.layer[1] else None

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """The topsoil, the layers, all of them together, and with the topsoil."""
        more = (self.below, self.column)
        return tuple(dict.fromkeys((self.topsoil.layer, *self.layers, *(own for own in more if own is not None))))
