"""The application: its name, its progress on the screen, and what it leaves with."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from edaphic import __version__
from edaphic.errors import EdaphicError, RunError
from edaphic.mapping.room import is_full
from edaphic.progress import Listener

app = typer.Typer(
    name="edaphic",
    help="Maps of soil organic carbon through depth, with uncertainty that was checked.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
INTERRUPTED = 130
CORES = os.cpu_count() or 1

Threads = Annotated[int, typer.Option(help="Threads; the results do not depend on their number.", min=1)]
Workers = Annotated[
    int, typer.Option(help="Dask worker processes of this machine that compute the tiles of maps.", min=0, show_default="none: threads")
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers compute the tiles: tcp://10.0.0.5:8786.", show_default="none"),
]
Memory = Annotated[
    str | None,
    typer.Option(help="What all processes here may have at their peak, such as 4GB.", show_default="half of what is free, for maps"),
]


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Say the version and leave.")] = False) -> None:
    if version:
        print(f"edaphic {__version__}")
        raise typer.Exit


@contextmanager
def listening() -> Iterator[Listener]:
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
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:  # typer keeps the KeyboardInterrupt to itself
            print("edaphic: interrupted; the same command goes on where it stopped", file=sys.stderr)
        raise
    except BrokenPipeError:
        sys.exit(0)
    except Exception as fault:
        known = _outside(fault)
        if known is not None:
            print(f"edaphic: {known.faults[0]}", file=sys.stderr)
            sys.exit(2)
        traceback.print_exc()
        print("edaphic: this is a fault of Edaphic, not of your input; please report it with the lines above", file=sys.stderr)
        sys.exit(1)


def _outside(fault: BaseException) -> EdaphicError | None:
    """A full disk, missing leave to write, or too little memory: the user's to mend. Anything else is ours."""
    if isinstance(fault, MemoryError):
        return RunError("memory: not enough for this run; expected more of it, or a smaller maps.window or fewer trees")
    if is_full(fault):
        named = f"{fault.filename}: " if isinstance(fault, OSError) and fault.filename else ""
        return RunError(f"{named}the disk is full; expected room: what is done stays, and the same command goes on with it")
    if isinstance(fault, (PermissionError, FileNotFoundError, IsADirectoryError, NotADirectoryError)):
        return RunError(f"{fault.filename or 'disk'}: {fault.strerror}; expected room and leave to read and write there")
    return None

