"""Subcommand of terrain."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from edaphic.cli.app import app, listening
from edaphic.covariates.terrain.attributes import ATTRIBUTES, TerrainOptions
from edaphic.covariates.terrain.local import LocalRules
from edaphic.verbs import terrain as verbs

NAMES = ", ".join(ATTRIBUTES)


@app.command(epilog="Example: edaphic terrain dem.tif --attributes slope,northness,tpi,twi --radius 300m -o terrain")
def terrain(
    context: typer.Context,
    dem: Annotated[str, typer.Argument(metavar="DEM", help="Elevation raster, in any projection or in degrees.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder; ATTRIBUTE.tif is written there.", show_default=False)],
    attributes: Annotated[str, typer.Option("--attributes", "-a", help=f"default, local, all, or some of: {NAMES}.")] = "default",
    nodata: Annotated[float | None, typer.Option(help="Number that means no height.", show_default="the file's")] = None,
    z_unit: Annotated[
        str | None, typer.Option(help="Unit of the heights: m, ft, us-ft, dm, cm, mm, km.", show_default="the file's")
    ] = None,
    scale: Annotated[float | None, typer.Option(help="Height = stored number x scale.", show_default="the file's")] = None,
    band: Annotated[int, typer.Option(help="Band of the file.")] = 1,
    method: Annotated[str, typer.Option(help="Of slopes and curvatures: zevenbergen_thorne, horn, evans.")] = "zevenbergen_thorne",
    edges: Annotated[str, typer.Option(help="Cells that miss a neighbour: extend the ground, or leave them empty.")] = "extend",
    tri: Annotated[str | None, typer.Option(help="Ruggedness: riley, wilson, saga.", show_default="riley")] = None,
    compat: Annotated[str, typer.Option(help="saga: curvatures, ruggedness and edges of flow as SAGA has them.")] = "none",
    radius: Annotated[
        str | None, typer.Option(help="Of the topographic position: cells (10) or metres (300m).", show_default="8 neighbours")
    ] = None,
    without_centre: Annotated[bool, typer.Option("--without-centre", help="The mean over the disc leaves the cell itself out.")] = False,
    depressions: Annotated[str, typer.Option(help="Before water is routed: fill, breach, none.")] = "fill",
    min_slope: Annotated[float, typer.Option(help="Degrees; least slope out of filled depressions.")] = 0.01,
    breach_depth: Annotated[float, typer.Option(help="Deepest channel in m that breach cuts; other depressions are filled.")] = math.inf,
    breach_length: Annotated[float, typer.Option(help="Longest channel in m that breach cuts.")] = math.inf,
    flow: Annotated[str, typer.Option(help="Accumulation behind sca, twi, spi, ls: mfd or d8.")] = "mfd",
    convergence: Annotated[float, typer.Option(help="Power of the slope in multiple flow direction.")] = 1.1,
    ls: Annotated[str, typer.Option(help="LS factor: moore, desmet, boehner.")] = "moore",
    compress: Annotated[str, typer.Option(help="deflate (cloud-optimised) or none (faster).")] = "deflate",
    threads: Annotated[int, typer.Option(help="Threads.")] = 2,
) -> None:
    """Terrain attributes of a digital elevation model, on its own grid."""
    reach, unit = (None, "cells") if radius is None else verbs.read_radius(radius)
    words: dict[str, Any] = {"method": method, "edges": edges, "compat": compat, "tri": tri or ("saga" if compat == "saga" else "riley")}
    chosen: dict[str, Any] = {
        "rules": LocalRules(**words),
        "radius": reach,
        "radius_unit": unit,
        "centre": not without_centre,
        "depressions": depressions,
        "min_slope_deg": min_slope,
        "breach_depth_m": breach_depth,
        "breach_length_m": breach_length,
        "flow": flow,
        "convergence": convergence,
        "ls": ls,
        "threads": threads,
    }
    packing: Any = compress
    with listening() as listener:
        said = verbs.terrain(
            dem,
            out,
            names=[name for name in attributes.split(",") if name.strip()],
            words=verbs.DemWords(band, nodata, z_unit, scale),
            options=TerrainOptions(**chosen),
            compress=packing,
            given=_given(context),
            say=listener.step,
        )
    print(*said, sep="\n")


def _given(context: typer.Context) -> dict[str, str]:
    """Options that were written on the command line, by parameter: how they are written."""
    sources = {str(parameter.name): context.get_parameter_source(str(parameter.name)) for parameter in context.command.params}
    written = {name for name, source in sources.items() if source is not None and not source.name.startswith("DEFAULT")}
    return {str(parameter.name): parameter.opts[0] for parameter in context.command.params if parameter.name in written}
