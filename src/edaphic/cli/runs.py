"""Subcommands of recipes and runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edaphic import recipe, run, virtual
from edaphic.cli.app import CORES, Memory, Scheduler, Threads, Workers, app, listening
from edaphic.mapping.place import Place, read_memory
from edaphic.stages import EVERY_STAGE

RecipeFile = Annotated[Path, typer.Argument(help="Recipe in YAML.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Run folder.", show_default="RECIPE_run in this folder")]


@app.command(epilog="Example: edaphic demo -o demo-run")
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for input and run.")] = Path("edaphic-demo"),
    seed: Annotated[int | None, typer.Option(help="Another landscape, another sample.", min=0, show_default=False)] = None,
    landscape: Annotated[
        str | None,
        typer.Option(help=f"One of the structure of a published product: {', '.join(virtual.LANDSCAPES)}.", show_default="a small one"),
    ] = None,
    size: Annotated[str, typer.Option(help=f"Of such a landscape: {', '.join(virtual.LAND_SIZES)}.")] = "small",
    threads: Threads = CORES,
) -> None:
    """The main job on a virtual landscape whose true carbon is known; ends by naming the report."""
    with listening() as listener:
        folder = run.demo(out, seed=seed, landscape=landscape, size=size, workers=threads, listener=listener)
    print(*run.summary_lines(folder), sep="\n")


@app.command(epilog="Example: edaphic template start > recipe.yaml")
def template(
    name: Annotated[str | None, typer.Argument(help="Recipe to print.", show_default="list their names")] = None,
) -> None:
    """List the recipes that ship, or print one, commented."""
    if name is None:
        for known in recipe.template_names():
            print(f"{known:<12} {recipe.parse(recipe.template(known), known).name}")
        print("\nedaphic template NAME > recipe.yaml prints one; begin with start.")
    else:
        print(recipe.template(name), end="")


@app.command(epilog="Example: edaphic schema > recipe.schema.json")
def schema() -> None:
    """JSON schema of recipes, for editors that complete and check YAML."""
    print(json.dumps(recipe.schema(), indent=2))


@app.command(epilog="Example: edaphic check recipe.yaml")
def check(
    recipe_file: RecipeFile,
    threads: Threads = CORES,
    workers: Workers = 0,
    scheduler: Scheduler = None,
    memory: Memory = None,
) -> None:
    """Validate recipe and inputs without running; say how large the work is."""
    told, size = run.check(recipe_file, Place(threads, workers, scheduler, read_memory(memory)))
    print(f"{recipe_file}: {told.name}: no faults found")
    for line in size.values:
        print(f"values      {line}")
    for note in size.notes:
        print(f"note        {note}")
    print(f"profiles    {size.profiles:,} with {size.horizons:,} horizons")
    print(f"covariates  {size.covariates:,}")
    print(f"maps        {size.cells:,} cells, {size.layers} layers")
    where = f"by the workers of {scheduler}" if scheduler else f"{size.lanes} at a time"
    print(f"tiles       {size.tiles:,} of {size.tile[0]:,} x {size.tile[1]:,} cells, {where}")
    print(f"disk        about {size.disk_mb:,.0f} MB")
    by_stage = ", ".join(f"{name} {need:,.0f}" for name, need in size.stages_mb)
    print(f"memory      about {size.memory_mb:,.0f} MB at the peak ({by_stage})")
    minutes = "a minute" if size.minutes < 1.5 else f"{size.minutes:,.0f} minutes"
    print(f"time        about {minutes} with {threads} thread{'s' if threads != 1 else ''} (rough)")


@app.command(name="run", epilog="Example: edaphic run recipe.yaml -o results")
def run_(
    recipe_file: RecipeFile,
    out: Out = None,
    until: Annotated[
        str | None,
        typer.Option(
            help=f"Last stage: {', '.join(EVERY_STAGE)} (montecarlo, totals, drivers and deliver where the recipe asks for them).",
            show_default="all stages",
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run unchanged stages again.")] = False,
    threads: Threads = CORES,
    workers: Workers = 0,
    scheduler: Scheduler = None,
    memory: Memory = None,
) -> None:
    """Run a recipe. Unchanged stages are not run again; an interrupted run goes on where it stopped."""
    folder = out if out is not None else Path(f"{recipe_file.stem}_run")
    with listening() as listener:
        run.run(
            recipe_file,
            folder,
            until=until,
            fresh=fresh,
            workers=threads,
            processes=workers,
            scheduler=scheduler,
            memory=memory,
            listener=listener,
        )
    if until in (None, "report"):
        print(*run.summary_lines(folder), sep="\n")


@app.command(epilog="Example: edaphic report results")
def report(folder: Annotated[Path, typer.Argument(help="Folder of a finished run.", show_default=False)]) -> None:
    """Rebuild the report of a finished run."""
    print(f"report: {run.rebuild_report(folder)}")
