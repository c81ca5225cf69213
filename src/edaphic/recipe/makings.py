"""Covariates that are made in the run: terrain, spectral indices, climate, means over depth, climate zones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from edaphic.recipe.base import Choices, Listed, Section, Text
from edaphic.recipe.cited import citation_field, licence_field
from edaphic.recipe.faults import Fault, fail, meant
from edaphic.recipe.values import DepthLayer, read_layer

Period = Annotated[tuple[int, int], Field(strict=False)]
"""First and last year; ``[1985, 1990]`` in YAML."""


Attribute = Literal[
    "elevation",
    "slope",
    "aspect",
    "northness",
    "eastness",
    "plan_curvature",
    "profile_curvature",
    "tangential_curvature",
    "general_curvature",
    "tri",
    "tpi",
    "roughness",
    "filled",
    "flow_d8",
    "flow_mfd",
    "sca",
    "twi",
    "spi",
    "ls",
]


def _file_name(name: str) -> str:
    if re.fullmatch(r"\w[\w.+-]*", name) is None:
        fail(Fault((), repr(name), "a name of letters, digits, '.', '_', '+' and '-', for a file"))
    return name


FileName = Annotated[str, AfterValidator(_file_name)]
"""The name of a covariate that becomes a file."""


class Terrain(Section):
    """Terrain attributes of a digital elevation model, made on its own cells."""

    dem: Text = Field(description="Raster of elevations.")
    attributes: Choices[Attribute] = Field(
        default=("elevation", "slope", "northness", "eastness", "tpi", "twi"), description="Attributes to make."
    )
    z_unit: Literal["m", "ft", "us-ft", "dm", "cm", "mm", "km"] | None = Field(
        default=None, description="Unit of the elevations; by default that of the file, else m."
    )
    nodata: float | None = Field(default=None, description="Stored number that means no elevation; by default the file's own.")
    method: Literal["zevenbergen_thorne", "horn", "evans"] = Field(
        default="zevenbergen_thorne", description="Derivatives from the cells around each cell, for slope, aspect and curvatures."
    )
    tri: Literal["riley", "wilson", "saga"] | None = Field(
        default=None, description="Definition of the terrain ruggedness index; by default riley, or saga with compat: saga."
    )
    compat: Literal["none", "saga"] = Field(
        default="none", description="Another program whose definitions are followed where they differ from the textbook's."
    )
    depressions: Literal["fill", "breach", "none"] = Field(
        default="fill", description="What is done with depressions before water is routed."
    )
    flow: Literal["mfd", "d8"] = Field(default="mfd", description="Water runs to all lower neighbours (mfd), or to the steepest one (d8).")
    ls: Literal["moore", "desmet", "boehner"] = Field(default="moore", description="Formula of the slope length and steepness factor.")
    radius_m: float | None = Field(
        default=None, gt=0, description="Radius of the topographic position index in m; by default the eight neighbours."
    )
    licence: Text | None = licence_field()
    citation: Text | None = citation_field()

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        names = given.get("attributes", ("tpi",))
        if given.get("radius_m") is None or not isinstance(names, (list, tuple)) or "tpi" in names:
            return []
        return [Fault(("radius_m",), "a radius without tpi", "tpi among the attributes, or no radius")]


STATISTICS = ("median", "mean", "min", "max", "max_ndvi", "bare_soil")


def _known_statistic(word: str) -> str:
    if word not in STATISTICS and re.fullmatch(r"p(100|[1-9]?[0-9])", word) is None:
        fail(Fault((), repr(word), f"one of {', '.join(STATISTICS)}, or a percentile such as p10{meant(word, STATISTICS)}"))
    return word


class Indices(Section):
    """Spectral indices by period, from a folder of scenes."""

    scenes: Text = Field(description="Folder of Landsat or Sentinel-2 scenes, or a table of scenes.")
    indices: Choices[Text] = Field(default=("ndvi",), description="Indices to make.")
    bands: Listed[Text] = Field(default=(), description="Bands whose reflectance is made too, such as red or swir1.")
    periods: Listed[Period] = Field(default=(), description="Years, first and last, of each composite; by default all scenes in one.")
    months: Listed[Annotated[int, Field(ge=1, le=12)]] = Field(default=(), description="Months whose scenes count; by default all.")
    statistic: Annotated[str, AfterValidator(_known_statistic)] = Field(
        default="median", description="What stands for the scenes: median, mean, min, max, p10 (any percentile), max_ndvi or bare_soil."
    )
    mask: Listed[Text] | None = Field(
        default=None, description="Marks of the quality band that leave a cell out; by default clouds and their shadows."
    )
    form: Literal["standard", "printed"] = Field(
        default="standard", description="SAVI as published by its author, or as the first paper prints it."
    )
    coefficients: dict[Text, Text] = Field(
        default={}, description="Tables of cross-sensor coefficients by sensor, such as {tm: tm_to_etm.csv}."
    )
    min_count: int = Field(default=1, ge=1, description="Fewest clear observations of a cell.")
    licence: Text | None = licence_field()
    citation: Text | None = citation_field()

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        periods = [tuple(period) if are_years(period) else None for period in given.get("periods") or ()]
        faults = [
            Fault(("periods", place), str(list(period)), "[first year, last year], the first not after the last")
            for place, period in enumerate(periods)
            if period is not None and period[0] > period[1]
        ]
        return faults + [
            Fault(("periods", place), f"{list(period)} a second time", "each period once")
            for place, period in enumerate(periods)
            if period is not None and period in periods[:place]
        ]


class Climate(Section):
    """Climate grids from stations, by thin-plate smoothing splines with elevation."""

    stations: Text = Field(description="Table of stations: lon, lat, elevation_m and a column for each variable.")
    values: Choices[Text] = Field(description="Columns to bring to the grid.")
    dem: Text = Field(description="Raster of elevations that the grids follow.")
    columns: dict[Literal["lon", "lat", "elevation_m", "station_id", "year", "month"], Text] = Field(
        default={}, description="Columns of the table that bear other names, such as {lon: X, lat: Y}."
    )
    crs: Text | None = Field(default=None, description="Coordinate system of the stations; by default longitude and latitude.")
    monthly: bool = Field(
        default=False, description="The table has months: the covariates are NAME_01 to NAME_12 of each column."
    )
    bioclim: Listed[Annotated[str, Field(pattern=r"^bio([1-9]|1[0-9])$")]] = Field(
        default=(), description="Bioclimatic variables (bio1 to bio19) that are covariates in place of the months of tmin, tmax and ppt."
    )
    precipitation_unit: Literal["mm", "cm", "in"] = Field(default="mm", description="Unit of precipitation, for bioclim.")
    dem_unit: Literal["m", "ft", "us-ft", "dm", "cm", "mm", "km"] | None = Field(
        default=None, description="Unit of the DEM; by default that of its file, else m."
    )
    elevation: Literal["linear", "spline", "none"] = Field(
        default="linear", description="Elevation as a linear part (one lapse rate), as a third dimension of the spline, or not at all."
    )
    elevation_unit: Literal["m", "ft", "us-ft", "dm", "cm", "mm", "km"] | None = Field(
        default=None, description="Unit of the stations' elevations; by default what the name of their column says, else m."
    )
    elevation_from_dem: bool = Field(default=False, description="Take the elevation of stations that have none from the raster.")
    smoothing: Literal["gcv", "reml"] = Field(
        default="gcv", description="How the smoothing is chosen: generalised cross validation, or restricted maximum likelihood."
    )
    transform: dict[Text, Literal["sqrt", "log"]] = Field(
        default={}, description="Scale on which a column is smoothed, such as {ppt: sqrt}; never negative afterwards."
    )
    years: Period | None = Field(default=None, description="First and last year that means are taken over; by default all.")
    min_years: int | None = Field(
        default=None, ge=1, description="Fewest years of a station; by default two thirds of the years asked for, else 1."
    )
    withhold: int = Field(default=10, ge=2, description="Parts that stations are withheld in, one after the other, to test the grids.")
    licence: Text | None = licence_field()
    citation: Text | None = citation_field()

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        faults = []
        if given.get("bioclim") and not given.get("monthly"):
            faults.append(Fault(("bioclim",), "bioclimatic variables without months", "monthly: true, and a table with months"))
        years = given.get("years")
        if are_years(years) and years[0] > years[1]:  # type: ignore[index]
            faults.append(Fault(("years",), str(list(years)), "[first year, last year], the first not after the last"))  # type: ignore[arg-type]
        return faults

    @property
    def covariates(self) -> tuple[str, ...]:
        """Names of what is made.

        >>> Climate(stations="a.csv", values=["mat"], dem="d.tif").covariates
        ('mat',)
        >>> Climate(stations="a.csv", values=["t"], dem="d.tif", monthly=True).covariates[:2]
        ('t_01', 't_02')
        """
        return tuple(self.bioclim) or self.fields

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the grids of the stations: what no file name may hold becomes an underscore.

        >>> Climate(stations="a.csv", values=["T mean"], dem="d.tif").fields
        ('T_mean',)
        """
        names = [re.sub(r"[^\w.-]+", "_", name) for name in self.values]
        return tuple(f"{name}_{month:02d}" for name in names for month in range(1, 13)) if self.monthly else tuple(names)


def _with_texts(sources: object) -> object:
    """Depths are numbers in YAML, layers are texts."""
    return {str(key): value for key, value in sources.items()} if isinstance(sources, dict) else sources


class DepthMeans(Section):
    """Means over layers of a property that is given for other layers."""

    name: FileName = Field(description="What the property is called; the covariates are NAME_0-20cm and so on.")
    layers: Choices[DepthLayer] = Field(description="Layers in cm that means are wanted of.")
    sources: Annotated[dict[str, Text], BeforeValidator(_with_texts)] = Field(
        min_length=1, description="Raster of each layer, such as {0-5: a.tif, 5-15: b.tif}; or of each depth: {0: a.tif, 5: b.tif}."
    )
    unit: str | None = Field(default=None, description="Unit of the values; by default that of the files.")
    min_coverage: float = Field(default=1.0, gt=0, le=1, description="Share of a layer (0 to 1) that the rasters must cover.")
    licence: Text | None = licence_field()
    citation: Text | None = citation_field()

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        sources = given.get("sources")
        keys = list(sources) if isinstance(sources, dict) else []
        faults = [
            Fault(("sources", key), repr(key), "a layer like 0-30 (top and bottom in cm), or a depth like 15")
            for key in keys
            if read_layer(key) is None and not _is_depth(key)
        ]
        if not faults and len({_is_depth(key) for key in keys}) > 1:
            faults.append(Fault(("sources",), "layers and depths", "one or the other"))
        return faults


def _is_depth(key: object) -> bool:
    return re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", str(key)) is not None


class ClimateZones(Section):
    """Zones by mean annual temperature and precipitation."""

    name: FileName = Field(default="climate_zone", description="Name of the covariate.")
    mat: Text = Field(description="Covariate of mean annual temperature in degrees Celsius.")
    map: Text = Field(description="Covariate of mean annual precipitation in mm.")
    mat_c: float = Field(default=10.0, description="From this temperature on a zone is warm.")
    map_mm: float = Field(default=400.0, gt=0, description="From this precipitation on a zone is wet.")


def are_years(period: object) -> bool:
    """Whether a raw value is two years."""
    return isinstance(period, (list, tuple)) and len(period) == 2 and all(type(year) is int for year in period)
