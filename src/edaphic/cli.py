"""The command line: one subcommand for each verb."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from edaphic import __version__, recipe, run
from edaphic.errors import EdaphicError, RunError
from edaphic.run import Listener
from edaphic.stages import STAGES

app = typer.Typer(
    name="edaphic",
    help="Maps of soil organic carbon through depth, with uncertainty that was checked.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
CORES = os.cpu_count() or 1

RecipeFile = Annotated[Path, typer.Argument(help="Recipe in YAML.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Run folder.", show_default="RECIPE_run in this folder")]
Workers = Annotated[int, typer.Option(help="Threads; the results do not depend on their number.", min=1)]


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Say the version and leave.")] = False) -> None:
    if version:
        print(f"edaphic {__version__}")
        raise typer.Exit


@app.command(epilog="Example: edaphic demo -o demo-run")
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for input and run.")] = Path("edaphic-demo"),
    seed: Annotated[int | None, typer.Option(help="Another landscape, another sample.", min=0, show_default=False)] = None,
    workers: Workers = CORES,
) -> None:
    """The main job on a virtual landscape whose true carbon is known; ends by naming the report."""
    with _listening() as listener:
        folder = run.demo(out, seed=seed, workers=workers, listener=listener)
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
def check(recipe_file: RecipeFile) -> None:
    """Validate recipe and inputs without running; say how large the work is."""
    told, size = run.check(recipe_file)
    print(f"{recipe_file}: {told.name}: no faults found")
    for line in size.values:
        print(f"values      {line}")
    for note in size.notes:
        print(f"note        {note}")
    print(f"profiles    {size.profiles:,} with {size.horizons:,} horizons")
    print(f"covariates  {size.covariates:,}")
    print(f"maps        {size.cells:,} cells, {size.layers} layers")
    print(f"disk        about {size.disk_mb:,.0f} MB")
    print(f"memory      about {size.memory_mb:,.0f} MB at the peak")
    print(f"time        about {max(1.0, size.minutes):,.0f} minutes with {CORES} threads (rough)")


@app.command(name="run", epilog="Example: edaphic run recipe.yaml -o results")
def run_(
    recipe_file: RecipeFile,
    out: Out = None,
    until: Annotated[
        str | None, typer.Option(help=f"Last stage: {', '.join(STAGES)}.", show_default="all stages")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run unchanged stages again.")] = False,
    workers: Workers = CORES,
) -> None:
    """Run a recipe. Unchanged stages are not run again; an interrupted run goes on where it stopped."""
    folder = out if out is not None else Path(f"{recipe_file.stem}_run")
    with _listening() as listener:
        run.run(recipe_file, folder, until=until, fresh=fresh, workers=workers, listener=listener)
    if until in (None, "report"):
        print(*run.summary_lines(folder), sep="\n")


@app.command(epilog="Example: edaphic report results")
def report(folder: Annotated[Path, typer.Argument(help="Folder of a finished run.", show_default=False)]) -> None:
    """Rebuild the report of a finished run."""
    print(f"report: {run.rebuild_report(folder)}")


@contextmanager
def _listening() -> Iterator[Listener]:
    """Progress: a bar on a terminal, plain lines elsewhere."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield Listener(
            lambda name, note: print(f"{name}: {note}", file=sys.stderr, flush=True),
            lambda text, done, total: print(f"  {text}", file=sys.stderr, flush=True),
            lambda seconds: print(f"  done in {seconds:.1f} s", file=sys.stderr, flush=True),
        )
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        current = [""]

        def stage(name: str, note: str) -> None:
            current[0] = name
            console.print(f"{name:<11} {escape(note)}")
            progress.reset(task, description=name, total=None)

        def step(text: str, done: int, total: int) -> None:
            if text.startswith("note: "):
                console.print(f"{'':<11} {escape(text)}")
                return
            progress.update(task, description=f"{current[0]}: {escape(text)}", completed=done, total=total)

        yield Listener(stage, step, lambda seconds: console.print(f"{'':<11} done in {seconds:.1f} s"))


def main() -> None:
    """Run the command line. Exit status: 0 done, 2 the user can mend it, 1 a fault of Edaphic."""
    try:
        app(standalone_mode=True)
    except EdaphicError as fault:
        for line in fault.faults:
            print(f"edaphic: {line}", file=sys.stderr)
        sys.exit(2)
    except (OSError, MemoryError) as fault:
        known = _outside(fault)
        if known is None:
            raise
        print(f"edaphic: {known.faults[0]}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("edaphic: interrupted; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception:
        traceback.print_exc()
        print("edaphic: this is a fault of Edaphic, not of your input; please report it with the lines above", file=sys.stderr)
        sys.exit(1)


def _outside(fault: BaseException) -> EdaphicError | None:
    """A full disk, missing leave to write, or too little memory: the user's to mend. Anything else is ours."""
    if isinstance(fault, MemoryError):
        return RunError("memory: not enough for this run; expected more of it, or a smaller maps.window or fewer trees")
    if isinstance(fault, (PermissionError, FileNotFoundError, IsADirectoryError, NotADirectoryError)) or (
        isinstance(fault, OSError) and fault.errno == 28
    ):
        return RunError(f"{fault.filename or 'disk'}: {fault.strerror}; expected room and leave to read and write there")
    return None


if __name__ == "__main__":
    main()
