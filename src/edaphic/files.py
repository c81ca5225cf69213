"""Files that are whole or not there: written beside their place, then moved; and what a file holds, as a hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def write_text(path: Path, text: str) -> Path:
    """Write a text as UTF-8 with line ends of one sign; on disk before it has its name.

    The name it has meanwhile is always the same: what a process that was killed has left is written over by the next one. Two processes
    must not write the same file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(Path(folder) / "a.txt", "one\\n").read_bytes()
    b'one\\n'
    """
    temporary = path.with_name(f"{path.name}.tmp")
    with open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(*paths: Path) -> Iterator[Mapping[Path, Path]]:
    """Names to write files under, of this process alone; at the end of the block all of them are moved to their places.

    Whatever goes wrong in the block, files that bore the names before are as they were, and nothing is left beside them.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.txt"
    ...     with replacing(path) as beside:
    ...         _ = beside[path].write_text("one")
    ...     path.read_text(), len(list(path.parent.iterdir()))
    ('one', 1)
    """
    beside = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in paths}
    try:
        yield beside
        for path, temporary in beside.items():
            os.replace(temporary, path)
    finally:
        for temporary in beside.values():
            temporary.unlink(missing_ok=True)
