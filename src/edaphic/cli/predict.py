"""Subcommand of maps from a stored model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edaphic.cli.app import CORES, Memory, Scheduler, Threads, Workers, app, listening
from edaphic.mapping.place import Place, read_memory
from edaphic.verbs import predict as verbs


@app.command(epilog="Example: edaphic predict results/model/forest --covariates valley/ --layers 0-30,30-60 -o valley-maps")
def predict(
    artefact: Annotated[Path, typer.Argument(metavar="ARTEFACT", help="Folder of a model: model/NAME of a run.", show_default=False)],
    covariates: Annotated[
        Path, typer.Option(help="Folder with a raster for each covariate (NAME.tif), or a recipe.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the maps.", show_default=False)],
    layers: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYERS", help="Depths in cm, such as 0-30,30-60, of those that the model has; or all.", show_default="all"),
    ] = None,
    stats: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATS",
            help="Some of mean, se, spread, tree_se, qNN (q05), tree_qNN, p_above_VALUE, applicability, dissimilarity, point_density.",
            show_default="those of the recipe, else mean, q05, q95, spread, applicability, dissimilarity",
        ),
    ] = None,
    like: Annotated[
        Path | None, typer.Option(help="Raster whose grid the maps take.", show_default="the recipe's, or that of the covariates")
    ] = None,
    threads: Threads = CORES,
    workers: Workers = 0,
    scheduler: Scheduler = None,
    memory: Memory = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Make all maps anew.")] = False,
) -> None:
    """Maps from a stored model, on its own ground or elsewhere. What was interrupted goes on where it stopped."""
    words = tuple(word.strip() for word in ",".join(stats).split(",") if word.strip()) if stats else None
    wanted = verbs.Wanted(",".join(layers) if layers else "all", words, like)
    place = Place(threads, workers, scheduler, read_memory(memory))
    with listening() as listener:
        said = verbs.predict(artefact, covariates, out, wanted=wanted, place=place, threads=threads, fresh=fresh, say=listener.step)
    print(*said, sep="\n")
