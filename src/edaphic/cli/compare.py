"""Subcommand of the comparison with other products."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edaphic.account.products.support import GLOBAL_BETA
from edaphic.cli.app import app, listening
from edaphic.verbs import compare as verbs
from edaphic.verbs.words import read_layers

WORDS = "[NAME=]PATH[:LAYER][:UNIT][:PERIOD]"


@app.command(
    epilog="Example: edaphic compare run/maps/soc_stock_mean_0-30cm.tif GSOC=gsoc.tif:0-30:t/ha WISE=wise_0-20.tif:0-20:kg/m2 -o compared"
)
def compare(
    ours: Annotated[str, typer.Argument(metavar="MAP", help=f"Our map: {WORDS}, a run's folder, or a table.", show_default=False)],
    others: Annotated[
        list[str], typer.Argument(metavar="OTHER...", help=f"Other products: {WORDS}, or tables of products.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of tables, maps and figures.", show_default=False)],
    layer: Annotated[str | None, typer.Option(help="Layers that are compared: 0-30,30-100.", show_default="those of MAP")] = None,
    grid: Annotated[str, typer.Option(help="Cells that are compared: ours, or those of the coarsest product.")] = "ours",
    support: Annotated[str, typer.Option(help="How a layer is cut: auto, spline, beta, overlap.")] = "auto",
    beta: Annotated[float, typer.Option(help="Beta of the depth function, for products of one layer.")] = GLOBAL_BETA,
    classes: Annotated[str | None, typer.Option(help="Raster of classes to tell totals and spread by.", show_default=False)] = None,
    legend: Annotated[Path | None, typer.Option(help="CSV of their codes and names.", show_default="the raster's")] = None,
    points: Annotated[
        list[str] | None,
        typer.Option(help="[NAME=]TABLE of measured stocks, kg/m2: all products are scored there. May be repeated.", show_default=False),
    ] = None,
    published: Annotated[Path | None, typer.Option(help="CSV of published totals and ranges.", show_default=False)] = None,
    uses: Annotated[
        str | None, typer.Option(help="What MAP was made from, parted by commas: who shares it is flagged.", show_default="a run's")
    ] = None,
    draws: Annotated[int, typer.Option(help="Bootstrap draws of the scores at points.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 1,
) -> None:
    """Compare a map with other products, on one grid, depth and unit."""
    options = verbs.CompareOptions(
        layers=() if layer is None else tuple(read_layers(layer)),
        grid=grid,
        support=support,
        beta=beta,
        classes=classes,
        legend=legend,
        points=tuple(points or ()),
        published=published,
        inputs=() if uses is None else tuple(part.strip() for part in uses.split(",") if part.strip()),
        draws=draws,
        seed=seed,
    )
    with listening() as listener:
        said = verbs.compare(ours, others, out, options=options, say=listener.step)
    print(*said, sep="\n")
