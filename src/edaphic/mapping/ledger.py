"""An append-only file of records: what is done, whatever happens.

A record is one line of JSON with a checksum of its own. It is on disk before anybody relies on it. A line that was cut off by a kill or a
power cut, or that was damaged, is dropped: what it told is simply not known.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edaphic.mapping.room import on_disk

LEDGER = "ledger.jsonl"
_HEAD, _MIDDLE = b'{"crc32":"', b'","record":'
_START = len(_HEAD) + 8 + len(_MIDDLE)


class Lines:
    """Records in a file.

    Examples
    --------
    >>> import tempfile
    >>> lines = Lines(Path(tempfile.mkdtemp()) / "ledger.jsonl")
    >>> lines.append({"a": 1}), lines.append({"a": 2})
    (0, 38)
    >>> with open(lines.path, "ab") as file:
    ...     _ = file.write(b'{"crc32":"00000000","rec')
    >>> [record for _, record in lines.read()], lines.damaged
    ([{'a': 1}, {'a': 2}], 1)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        """Lines that the last :meth:`read` dropped."""

    def append(self, record: Mapping[str, Any]) -> int:
        """Write a record; it is on disk when this returns.

        Returns
        -------
        int
            Where its line begins.

        Raises
        ------
        RunError
            The disk is full; the file is as it was.
        """
        text = json.dumps(record, ensure_ascii=True, separators=(",", ":"), default=_plain).encode("ascii")
        line = _HEAD + f"{zlib.crc32(text):08x}".encode("ascii") + _MIDDLE + text + b"}\n"
        with on_disk(self.path.parent), open(self.path, "ab", buffering=0) as file:
            start = file.seek(0, os.SEEK_END)
            try:
                view = memoryview(line)
                while view:
                    view = view[file.write(view) :]
                os.fsync(file.fileno())
            except BaseException:
                file.truncate(start)
                raise
        return start

    def read(self) -> Iterator[tuple[int, Any]]:
        """Where each whole line begins, and its record."""
        self.damaged = 0
        start = 0
        with open(self.path, "rb") as file:
            for line in file:
                record = _record(line)
                if record is None:
                    self.damaged += 1
                else:
                    yield start, record
                start += len(line)

    def at(self, start: int) -> Any:
        """The record of the line that begins there, or None where it is damaged."""
        with open(self.path, "rb") as file:
            file.seek(start)
            return _record(file.readline())

    def mend(self) -> None:
        """Cut off a last line that has no end, so that the next one begins on its own."""
        with on_disk(self.path.parent), open(self.path, "r+b") as file:
            end = file.seek(0, os.SEEK_END)
            size = end
            while size:
                file.seek(max(0, size - 65536))
                part = file.read(min(size, 65536))
                found = part.rfind(b"\n")
                if found >= 0:
                    size = max(0, size - 65536) + found + 1
                    break
                size = max(0, size - 65536)
            if size < end:
                file.truncate(size)


def kept_tiles(folder: Path) -> int:
    """Number of tiles that a run has finished in a folder, whatever they were made of."""
    lines = Lines(folder / LEDGER)
    return len({record["t"] for _, record in lines.read() if "t" in record}) if lines.path.is_file() else 0


def _record(line: bytes) -> Any:
    """What a whole line says; None of a damaged one."""
    text = line[_START:-2]
    if not (line.startswith(_HEAD) and line.endswith(b"}\n") and line[len(_HEAD) + 8 : _START] == _MIDDLE):
        return None
    if line[len(_HEAD) : len(_HEAD) + 8] != f"{zlib.crc32(text):08x}".encode("ascii"):
        return None
    return json.loads(text)


def _plain(value: object) -> Any:
    """Numbers and arrays of numpy as JSON knows them."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__}: expected what JSON can say")
