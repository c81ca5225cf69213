"""Subcommand of path models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edaphic.cli.app import CORES, Threads, app, listening
from edaphic.errors import EdaphicError
from edaphic.recipe.path_model import TEMPLATE
from edaphic.verbs import paths as verbs


@app.command(epilog="Example: edaphic paths points.parquet --model model.yaml --by layer -o paths")
def paths(
    table: Annotated[
        Path | None, typer.Argument(metavar="TABLE", help="CSV or Parquet: a column for each indicator.", show_default=False)
    ] = None,
    model: Annotated[Path | None, typer.Option("--model", "-m", help="The path model, in YAML.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for tables and figures.", show_default=False)] = None,
    by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="A model for each value of this column.", show_default="the model's")
    ] = None,
    bootstrap: Annotated[int | None, typer.Option(help="Resamples of the intervals; 0 for none.", show_default="the model's")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the resamples.", show_default="the model's")] = None,
    threads: Threads = CORES,
    template: Annotated[bool, typer.Option("--template", help="Print a commented model and leave.")] = False,
) -> None:
    """PLS path models: what acts on what, directly and through others."""
    if template:
        print(TEMPLATE, end="")
        return
    if table is None or model is None or out is None:
        named = {"TABLE": table, "--model MODEL.yaml": model, "-o DIR": out}
        raise EdaphicError([f"paths: no {name}; expected it" for name, value in named.items() if value is None])
    with listening() as listener:
        said = verbs.paths(table, model, out, by=by, resamples=bootstrap, seed=seed, threads=threads, say=listener.step)
    print(*said, sep="\n")
