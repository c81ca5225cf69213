"""The application: its name, its progress on the screen, and what it leaves with."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TextIO

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
MANY = 20
"""Parts of a step of which a file has not each its line."""
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
        yield plain_lines(sys.stderr)
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


def plain_lines(out: TextIO) -> Listener:
    """Progress for a file: a line for each step; of one with more than :data:`MANY` parts, or told in the same words, one for each tenth.

    >>> listener = plain_lines(sys.stdout)
    >>> for done in range(4):
    ...     listener.step("writing maps", done, 4)
      writing maps
      writing maps: 25 %
      writing maps: 50 %
      writing maps: 75 %
    >>> for done in range(0, 1000):
    ...     listener.step(f"computing tile {done + 1} of 2000", done, 2000)
      computing tile 1 of 2000
      computing tile 201 of 2000
      computing tile 401 of 2000
      computing tile 601 of 2000
      computing tile 801 of 2000
    """
    last: list[tuple[str, int]] = []

    def line(text: str) -> None:
        print(text, file=out, flush=True)

    def start(name: str, note: str) -> None:
        last.clear()
        line(f"{name}: {note}")

    def step(text: str, done: int, total: int) -> None:
        if text.startswith("note: "):
            line(f"  {text}")
            return
        tenth = 10 * done // total if total > 0 else 0
        words = re.sub(r"\d+", "#", text) if total > MANY else text
        before = last[0] if last and last[0][0] == words else None
        if before is None or tenth > before[1]:
            last[:] = [(words, tenth)]
            again = before is not None and words == text
            line(f"  {text}: {100 * done / total:.0f} %" if again else f"  {text}")

    return Listener(start, step, lambda seconds: line(f"  done in {seconds:.1f} s"))


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

