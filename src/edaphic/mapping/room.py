"""Room on disk: whether there is enough before the work starts, and what to say when it has run out."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edaphic.errors import EdaphicError, RunError
from edaphic.mapping.place import said

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
WORDS = ("no space left", "not enough space", "disk full", "disk quota exceeded", "file too large", "enospc")
"""How libraries that keep no error number say that a disk is full."""

FULL_BYTES = 2_000_000
"""A disk with less room than this is called full where something could not be written."""

CUT = re.compile(r"^\d+ requested and \d+ written$")
"""How NumPy says it."""


def is_full(fault: BaseException) -> bool:
    """Whether a fault, or what it came from, is that of a full disk.

    >>> is_full(OSError(28, "No space left on device")), is_full(ValueError("28"))
    (True, False)
    """
    seen: BaseException | None = fault
    for _ in range(10):
        if seen is None:
            return False
        if isinstance(seen, OSError) and seen.errno in FULL:
            return True
        said_so = str(seen).lower()
        if any(word in said_so for word in WORDS) or CUT.search(said_so):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def full_disk(folder: Path) -> RunError:
    """The one line of a full disk."""
    return RunError(
        f"{folder}: the disk is full ({said(free(folder))} are free); expected room: what is done stays, and the same command goes on "
        "with it"
    )


@contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Libraries say many things when a disk is full; what the user has to know is that.

    Raises
    ------
    RunError
        In place of another fault, where the disk of the folder has no room.
    """
    try:
        yield
    except EdaphicError as fault:
        if free(folder) < FULL_BYTES and "disk is full" not in str(fault):
            raise full_disk(folder) from fault
        raise


@contextmanager
def on_disk(folder: Path) -> Iterator[None]:
    """Whatever a full disk makes a library raise becomes one line.

    Raises
    ------
    RunError
    """
    try:
        yield
    except RunError:
        raise
    except Exception as fault:
        if is_full(fault):
            raise full_disk(folder) from fault
        raise


def free(folder: Path) -> int:
    """Bytes that may still be written where a folder lies or will lie."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    return shutil.disk_usage(there).free


def taken(folder: Path) -> int:
    """Bytes of the files in a folder; nothing where there is none.

    >>> taken(Path("no/such/folder"))
    0
    """
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def check_room(folder: Path, needed: float, what: str) -> None:
    """Refuse work whose files clearly cannot fit.

    Parameters
    ----------
    folder : Path
        Where they are to lie.
    needed : float
        Bytes, at the least.
    what : str
        What the room is needed for.

    Raises
    ------
    RunError
        Less than ``needed`` is free.
    """
    there = free(folder)
    if there < needed:
        raise RunError(f"{folder}: {said(there)} are free on its disk; expected at least {said(needed)} for {what}")


def sync(path: Path) -> None:
    """Have the bytes of a file on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
