"""The section that says with what: the covariates, those that are there and those that are made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from edaphic.recipe.base import Listed, Section, Text
from edaphic.recipe.cited import citation_field, licence_field
from edaphic.recipe.faults import Fault, fail, shown
from edaphic.recipe.makings import Climate, ClimateZones, DepthMeans, Indices, Period, Terrain, are_years

PATTERN_CHARACTERS = "*?"
"""Characters that make a path a pattern for several files."""

YEARS = ("{year}", "{from}", "{to}")
"""Words that stand for years in a path."""


class CovariateLayer(Section):
    """One raster, or all rasters that a pattern finds."""

    path: Text = Field(
        description="Raster file, a pattern such as covs/*.tif for several, or ndvi_{from}_{to}.tif or clcd_{year}.tif for one by period."
    )
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
    classes: dict[int, Text] | Text | None = Field(
        default=None, description="Name of each class code, for tables; or a CSV table with codes and names."
    )
    resampling: Literal["auto", "nearest", "bilinear", "average", "mode"] = Field(
        default="auto", description="How values come to the cells of the maps; auto goes by kind and cell size."
    )
    variable: Text | None = Field(default=None, description="Variable of a NetCDF file or Zarr store.")
    time: Text | None = Field(default=None, description="Time of the variable, such as 1990, 1990-07 or 1981/2010, whose mean is taken.")
    months: Listed[Annotated[int, Field(ge=1, le=12)]] | None = Field(default=None, description="Of that time only these months.")
    asset: Text | None = Field(default=None, description="Asset of a STAC item.")
    column: Text | None = Field(default=None, description="Attribute of polygons that is brought to the cells.")
    measure: Literal["class", "value", "mean", "density", "share"] | None = Field(
        default=None, description="What a cell takes from polygons: class, value at its centre, mean by area, density per km2, or share."
    )
    value: str | int | float | None = Field(default=None, description="For share: polygons whose attribute is this one.")
    period: Period | None = Field(
        default=None, description="First and last year that the file stands for; entries of one name and several periods are one covariate."
    )
    periods: Listed[Period] | None = Field(
        default=None, description="Periods of a path with {from} and {to}, or {year}; by default those of the files that are there."
    )
    licence: Text | None = licence_field()
    citation: Text | None = citation_field()

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
        faults += _period_faults(given)
        if given.get("scale") == 0:
            faults.append(Fault(("scale",), "0", "a number other than 0"))
        return faults

    @property
    def own_name(self) -> str | None:
        """Name of the covariate; None for a pattern, whose files name themselves.

        >>> CovariateLayer(path="covs/dem.tif").own_name
        'dem'
        """
        if is_pattern(self.path):
            return None
        # What stands behind the ? of an address may be a key: it is no name.
        return self.name or without_years(PurePath(self.path.partition("?")[0] if "://" in self.path else self.path).stem)

    @property
    def dated(self) -> bool:
        """Whether the covariate changes with time."""
        return self.period is not None or has_years(self.path)


def is_elsewhere(value: str) -> bool:
    """Whether a raster is named by a web address or one of GDAL's virtual files, which are no paths of this machine.

    >>> is_elsewhere("https://host/dem.tif"), is_elsewhere("/vsizip/dems.zip/dem.tif"), is_elsewhere("covs/dem.tif")
    (True, True, False)
    """
    return "://" in value or value.startswith("/vsi")


def is_pattern(path: object) -> bool:
    """Whether a path stands for all files that it matches.

    >>> is_pattern("covs/*.tif"), is_pattern("covs/dem.tif")
    (True, False)
    """
    return isinstance(path, str) and not is_elsewhere(path) and any(character in path for character in PATTERN_CHARACTERS)


def has_years(path: object) -> bool:
    """Whether a path holds words that stand for years.

    >>> has_years("ndvi_{from}_{to}.tif"), has_years("ndvi.tif")
    (True, False)
    """
    return isinstance(path, str) and any(word in path for word in YEARS)


def without_years(stem: str) -> str:
    """A name without the words that stand for years.

    >>> without_years("ndvi_{from}_{to}"), without_years("clcd-{year}"), without_years("slope")
    ('ndvi', 'clcd', 'slope')
    """
    if not has_years(stem):
        return stem
    return re.sub(r"[\W_]+$|^[\W_]+", "", re.sub(r"[\W_]*\{(?:year|from|to)\}", "", stem)) or "covariate"


def _period_faults(given: Mapping[str, Any]) -> list[Fault]:
    path = str(given.get("path", ""))
    faults = []
    if ("{from}" in path) != ("{to}" in path) or ("{year}" in path and "{from}" in path):
        faults.append(Fault(("path",), shown(path), "{from} and {to}, or {year}"))
    if has_years(path) and is_pattern(path):
        faults.append(Fault(("path",), f"{shown(path)}, a pattern with years", "one of them"))
    if "periods" in given and not has_years(path):
        faults.append(Fault(("periods",), f"periods for {shown(path)}", "a path with {from} and {to}, or {year}"))
    if "period" in given and (has_years(path) or is_pattern(path)):
        faults.append(Fault(("period",), f"one period for {shown(path)}", "a path of one file"))
    for place, period in enumerate(given.get("periods") or ()):
        if are_years(period) and period[0] > period[1]:
            faults.append(Fault(("periods", place), str(list(period)), "[first year, last year], the first not after the last"))
        elif are_years(period) and "{year}" in path and period[0] != period[1]:
            faults.append(Fault(("periods", place), str(list(period)), "one year, such as [1990, 1990], for a path with {year}"))
    if are_years(given.get("period")) and given["period"][0] > given["period"][1]:
        faults.append(Fault(("period",), str(list(given["period"])), "[first year, last year], the first not after the last"))
    return faults


def _check_names(layers: tuple[CovariateLayer, ...]) -> tuple[CovariateLayer, ...]:
    names = [layer.own_name for layer in layers]
    dated = [layer.dated for layer in layers]
    faults = [
        Fault((place,), f"a second covariate named {name!r}", "a name of its own (name: ...), or a period for each")
        for place, name in enumerate(names)
        if name is not None and any(names[j] == name and not (dated[place] and dated[j]) for j in range(place))
    ]
    if faults:
        fail(*faults)
    return layers


class Covariates(Section):
    """Rasters that explain soil carbon."""

    layers: Annotated[Listed[CovariateLayer], AfterValidator(_check_names)] = Field(
        default=(), description="Rasters; an entry for one file replaces what a pattern found for that file."
    )
    exclude: Listed[Text] = Field(default=(), description="Names to leave out, or patterns of names such as I*MOD4.")
    max_gap_years: float = Field(
        default=10.0, ge=0, description="Years that a profile may lie outside the periods of a covariate; beyond, it has no value."
    )
    undated_year: int | None = Field(
        default=None, description="Year of profiles that have none, for covariates by period; null leaves them without a value."
    )
    terrain: Terrain | None = Field(default=None, description="Terrain attributes, made of a digital elevation model.")
    indices: Indices | None = Field(default=None, description="Spectral indices, made of scenes.")
    climate: Climate | None = Field(default=None, description="Climate grids, made of stations.")
    depth_means: Listed[DepthMeans] = Field(default=(), description="Means over a layer of properties given for other layers.")
    zones: ClimateZones | None = Field(default=None, description="Climate zones, made of two covariates.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        if any(given.get(key) for key in ("layers", *MADE)):
            return []
        return [Fault(("layers",), "no covariate", f"at least one layer, or one of {', '.join(MADE)}")]


MADE = ("terrain", "indices", "climate", "depth_means")
"""Keys of what is made from other things than covariates."""
