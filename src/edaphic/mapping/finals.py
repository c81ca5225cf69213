"""Finished files of a job whose tiles are in a store: kept until the stage has ended, known by their SHA-256."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edaphic.files import sha256_of
from edaphic.mapping.room import on_disk, sync


class Finals:
    """Finished files in a folder, by label; each entry is a record of the ledger.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries: dict[str, dict[str, Any]] = {}

    def entry(self, label: str, paths: Iterable[Path], arrays: Iterable[str]) -> dict[str, Any]:
        """The record of files that are whole; they are on disk when this returns."""
        files = []
        with on_disk(self.folder):
            for path in paths:
                sync(path)
                files.append([path.relative_to(self.folder).as_posix(), path.stat().st_size, sha256_of(path)])
        return {"final": label, "files": files, "of": list(arrays)}

    def take(self, entry: dict[str, Any]) -> None:
        """Take up a record."""
        self._entries[entry["final"]] = entry

    def files(self, label: str) -> list[Path]:
        """Files of a label, in order; none where it is not finished."""
        entry = self._entries.get(label)
        return [] if entry is None else [self.folder / name for name, _, _ in entry["files"]]

    def made_from(self) -> set[str]:
        """Arrays that finished files were made from."""
        return {name for entry in self._entries.values() for name in entry["of"]}

    def forget_damaged(self) -> list[str]:
        """Forget the labels whose files are not what was written, and name them."""
        damaged = [
            label
            for label, entry in self._entries.items()
            if not all(
                has_size(self.folder / name, size) and sha256_of(self.folder / name) == digest for name, size, digest in entry["files"]
            )
        ]
        for label in damaged:
            del self._entries[label]
        return damaged

    def hand_over(self, label: str, folder: Path) -> list[Path]:
        """Put the files of a label into a folder as well: linked, or copied where the disk does not allow it."""
        given = []
        with on_disk(folder):
            for path in self.files(label):
                there = folder / path.relative_to(self.folder)
                there.parent.mkdir(parents=True, exist_ok=True)
                there.unlink(missing_ok=True)
                try:
                    os.link(path, there)
                except OSError:
                    shutil.copyfile(path, there)
                given.append(there)
        return given


def has_size(path: Path, size: int) -> bool:
    """Whether a file is there and has a size."""
    try:
        return path.stat().st_size == size
    except OSError:
        return False
