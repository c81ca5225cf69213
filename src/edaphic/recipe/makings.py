"""Covariates that are made in the run: terrain, spectral indices, climate, means over depth, climate zones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from edaphic.recipe.base import Choices, Listed, Section, Text
from edaphic.recipe.faults import Fault
from edaphic.recipe.values import DepthLayer, read_layer

Period = Annotated[tuple[int, int], Field(strict=False)]
"""First and last year; ``[1985, 1990]`` in YAML."""


class Terrain(Section):
    """Terrain attributes of a digital elevation model, made on its own cells."""

    dem: Text = Field(description="Raster of elevations.")
    attributes: Choices[Text] = Field(default=("elevation", "slope", "northness", "eastness", "twi"), description="Attributes to make.")
    z_unit: Literal["m", "ft", "us-ft", "dm", "cm", "km"] | None = Field(
        default=None, description="Unit of the elevations; by default that of the file, else m."
    )
    nodata: float | None = Field(default=None, description="Stored number that means no elevation; by default the file's own.")
    method: Literal["zevenbergen_thorne", "horn", "evans"] = Field(
        default="zevenbergen_thorne", description="Surface through the cells around each cell, for slope, aspect and curvatures."
    )
    compat: Literal["saga"] | None = Field(
        default=None, description="Definitions of another program where they differ from the textbook's."
    )
    depressions: Literal["fill", "breach", "none"] = Field(
        default="fill", description="What is done with depressions before water is routed."
    )
    routing: Literal["mfd", "d8"] = Field(default="mfd", description="Multiple flow directions, or the steepest one.")
    radius_m: float | None = Field(
        default=None, gt=0, description="Radius of the topographic position index in m; by default the eight neighbours."
    )


class Indices(Section):
    """Spectral indices by period, from a folder of scenes."""

    scenes: Text = Field(description="Folder of Landsat or Sentinel-2 scenes, or a table of scenes.")
    indices: Choices[Text] = Field(default=("ndvi",), description="Indices to make.")
    bands: Listed[Text] = Field(default=(), description="Bands whose reflectance is made too, such as red or swir1.")
    periods: Listed[Period] = Field(default=(), description="Years, first and last, of each composite; by default all scenes in one.")
    months: Listed[Annotated[int, Field(ge=1, le=12)]] = Field(default=(), description="Months whose scenes count; by default all.")
    statistic: Annotated[str, Field(pattern=r"^(median|mean|max_ndvi|bare_soil|p([0-9]|[1-9][0-9]))$")] = Field(
        default="median", description="What stands for the scenes: median, mean, p10 (any percentile), max_ndvi or bare_soil."
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

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        return [
            Fault(("periods", place), str(period), "[first year, last year], the first not after the last")
            for place, period in enumerate(given.get("periods") or ())
            if are_years(period) and period[0] > period[1]
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
    elevation: Literal["linear", "spline", "none"] = Field(
        default="spline", description="Elevation as a third dimension of the spline, as a linear part, or not at all."
    )
    elevation_from_dem: bool = Field(default=False, description="Take the elevation of stations that have none from the raster.")
    smoothing: Literal["gcv", "reml"] = Field(
        default="gcv", description="How the smoothing is chosen: generalised cross validation, or restricted maximum likelihood."
    )
    transform: dict[Text, Literal["sqrt", "log"]] = Field(
        default={}, description="Scale on which a column is smoothed, such as {ppt: sqrt}; never negative afterwards."
    )
    years: Period | None = Field(default=None, description="First and last year that means are taken over; by default all.")
    min_years: int = Field(default=1, ge=1, description="Fewest years of a station.")
    withhold: int = Field(default=10, ge=2, description="Parts that stations are withheld in, one after the other, to test the grids.")


class DepthMean(Section):
    """The mean over a layer of a property that is given for other layers."""

    name: Text = Field(description="Name of the covariate.")
    layer: DepthLayer = Field(description="Layer in cm that the mean stands for.")
    sources: dict[str, Text] = Field(min_length=1, description="Raster of each layer, such as {0-5: clay_0_5.tif, 5-15: clay_5_15.tif}.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        sources = given.get("sources")
        return [
            Fault(("sources", layer), repr(layer), "a layer like 0-30 (top and bottom in cm)")
            for layer in (sources if isinstance(sources, dict) else ())
            if read_layer(layer) is None
        ]


class ClimateZones(Section):
    """Zones by mean annual temperature and precipitation."""

    name: Text = Field(default="climate_zone", description="Name of the covariate.")
    mat: Text = Field(description="Covariate of mean annual temperature in degrees Celsius.")
    map: Text = Field(description="Covariate of mean annual precipitation in mm.")
    mat_c: float = Field(default=10.0, description="From this temperature on a zone is warm.")
    map_mm: float = Field(default=400.0, gt=0, description="From this precipitation on a zone is wet.")


def are_years(period: object) -> bool:
    """Whether a raw value is two years."""
    return isinstance(period, (list, tuple)) and len(period) == 2 and all(type(year) is int for year in period)
