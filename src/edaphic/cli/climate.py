"""Subcommand of climate from stations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edaphic.cli.app import app, listening
from edaphic.covariates.climate import Words
from edaphic.verbs import climate as verbs
from edaphic.verbs.climate_words import read_bytes, read_how, read_period


@app.command(
    epilog="Example: edaphic climate stations.csv --value tmax --value ppt --dem dem.tif --transform ppt=sqrt --years 1961-1990 -o climate/"
)
def climate(
    stations: Annotated[
        Path, typer.Argument(metavar="STATIONS", help="Table of stations: CSV (also .gz), Parquet, GeoPackage.", show_default=False)
    ],
    value: Annotated[
        list[str], typer.Option(help="Column to map, as often as needed; NAME also stands for NAME_01 to NAME_12.", show_default=False)
    ],
    dem: Annotated[Path, typer.Option(help="Raster of elevation in m; its grid is that of the output.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="NAME.tif for one field, else a folder.", show_default=False)],
    elevation: Annotated[str, typer.Option(help="linear (a linear part), spline (a third coordinate) or none.")] = "linear",
    elevation_scale: Annotated[
        float | None,
        typer.Option(help="With --elevation spline: units of the horizontal coordinates for 1 km.", show_default="100 km, or 1"),
    ] = None,
    smoothing: Annotated[str, typer.Option(help="gcv, reml, or the effective degrees of freedom.")] = "gcv",
    order: Annotated[int, typer.Option(help="Order of the derivatives that measure roughness: 2 or 3.")] = 2,
    coordinates: Annotated[str, typer.Option(help="What distances are measured in: auto, km, sphere, degrees, range.")] = "auto",
    transform: Annotated[
        list[str] | None, typer.Option(help="none, sqrt or log, of all values; or VALUE=sqrt, as often as needed.", show_default="none")
    ] = None,
    weights: Annotated[bool, typer.Option("--weights", help="Weigh each value by the years behind it.")] = False,
    se: Annotated[bool, typer.Option("--se", help="Write the standard error of each surface too.")] = False,
    withhold: Annotated[int, typer.Option(help="Parts of the stations withheld in turn, by chance and in blocks; 0 for none.")] = 10,
    mask: Annotated[bool, typer.Option("--mask", help="No value outside the hull and the elevations of the stations.")] = False,
    years: Annotated[str | None, typer.Option(help="Years that are averaged, such as 1961-1990.", show_default="all")] = None,
    min_years: Annotated[
        int | None, typer.Option(help="Years that a value must rest on.", show_default="two thirds of --years, else 1")
    ] = None,
    months: Annotated[str | None, typer.Option(help="Months, such as 1,7 or 6-8, of a table that has months.", show_default="all")] = None,
    sites: Annotated[Path | None, typer.Option(help="Table of positions, joined by station.", show_default=False)] = None,
    like: Annotated[Path | None, typer.Option(help="Raster whose grid is taken.", show_default="the DEM's grid")] = None,
    lon: Annotated[str | None, typer.Option(help="Column of longitude, or x.", show_default="found by its name")] = None,
    lat: Annotated[str | None, typer.Option(help="Column of latitude, or y.", show_default="found by its name")] = None,
    elevation_column: Annotated[str | None, typer.Option(help="Column of elevation.", show_default="found by its name")] = None,
    station: Annotated[str | None, typer.Option(help="Column of station ids.", show_default="found by its name")] = None,
    crs: Annotated[str | None, typer.Option(help="Coordinate system of x and y.", show_default="degrees, WGS 84")] = None,
    elevation_unit: Annotated[str | None, typer.Option(help="Unit of the stations' elevations: m, ft, km ...", show_default="m")] = None,
    dem_unit: Annotated[str | None, typer.Option(help="Unit of the DEM: m, ft, us-ft, dm, cm ...", show_default="its tag, or m")] = None,
    elevation_from_dem: Annotated[
        bool, typer.Option("--elevation-from-dem", help="Take missing elevations of stations from the DEM.")
    ] = False,
    unit: Annotated[str, typer.Option(help="Unit of the values, written into the files.")] = "",
    memory: Annotated[str | None, typer.Option(help="Memory the process may have, such as 1GB.", show_default="no bound")] = None,
    bioclim: Annotated[bool, typer.Option("--bioclim", help="bio1 to bio19 too, from months of tmin, tmax (C) and ppt.")] = False,
    precipitation_unit: Annotated[str, typer.Option(help="With --bioclim: unit of precipitation: mm, cm, in.")] = "mm",
    compress: Annotated[str, typer.Option(help="deflate, or none: plain and faster.")] = "deflate",
) -> None:
    """Climate grids from stations, by thin-plate smoothing splines with elevation."""
    how = read_how(elevation, coordinates, elevation_scale, order, smoothing, transform or [], weights)
    period = read_period(years, min_years, months)
    wanted = verbs.Wanted(se, withhold, mask, unit, read_bytes(memory), compress, bioclim, precipitation_unit)
    with listening() as listener:
        said = verbs.climate(
            stations,
            value,
            dem,
            out,
            how=how,
            words=Words(lon, lat, elevation_column, station, crs, elevation_unit),
            period=period,
            wanted=wanted,
            sites=sites,
            like=like,
            elevation_from_dem=elevation_from_dem,
            dem_unit=dem_unit,
            say=listener.step,
        )
    print(*said, sep="\n")
