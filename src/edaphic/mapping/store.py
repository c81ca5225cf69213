"""Finished tiles on disk: a Zarr store that grows as tiles arrive, and a ledger that says which of them are whole.

A tile is one chunk of each array. It is done when the bytes of its chunks are on disk and its line in the ledger, with their sizes and
checksums, is too. Whatever a kill leaves between is not taken: chunks without a line are written again. Zarr and xarray can open the store
(``tiles.zarr``) while the run goes on; what has not arrived is nodata there.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphic.covariates.grid import Window
from edaphic.errors import RunError
from edaphic.mapping.finals import Finals, has_size
from edaphic.mapping.ledger import LEDGER, Lines, kept_tiles
from edaphic.mapping.packing import EMPTY, Form, Packed, make_zarr, pack, unpack
from edaphic.mapping.plan import Plan, Tiles
from edaphic.mapping.room import on_disk

__all__ = ["Form", "Packed", "TileStore", "Work", "kept_size", "pack"]

FORMAT = 1
Work = Callable[[Window], tuple[Mapping[str, NDArray], Mapping[str, Any]]]
"""Computes a tile: arrays by name, and facts that JSON can say. The same window gives the same bits anywhere."""


def kept_size(folder: Path, key: str) -> tuple[int, int] | None:
    """Rows and columns of the tiles that an interrupted run has kept in a folder under this key; None where there are none."""
    head = _head(Lines(folder / LEDGER))
    return tuple(head["tile"]) if head is not None and head.get("key") == key and head.get("format") == FORMAT else None


def _head(lines: Lines) -> dict[str, Any] | None:
    if not lines.path.is_file():
        return None
    first: Any = next((record for _, record in lines.read()), None)
    return first.get("head") if isinstance(first, dict) else None


class TileStore:
    """Tiles of one job in a folder.

    Parameters
    ----------
    folder : Path
        Made if it is missing. What it holds under another key, of other arrays or of tiles of another size is removed, and ``notes`` says
        so.
    plan : Plan
    arrays : sequence of str, or mapping of str to str
        Names of the arrays; with a mapping, their kinds: ``float32``, ``uint8`` or ``int16``. Names may have no "/".
    key : str
        What the tiles depend on.

    Attributes
    ----------
    notes : list of str
        What was found, taken up, dropped or computed again.
    finals : Path
        Folder for finished files; see :meth:`finish`.
    """

    ZARR, FINALS = "tiles.zarr", "finals"

    def __init__(self, folder: Path, plan: Plan, arrays: Sequence[str] | Mapping[str, str], key: str) -> None:
        kinds = dict(arrays) if isinstance(arrays, Mapping) else dict.fromkeys(arrays, "float32")
        unknown = [f"{name}: {kind}" for name, kind in kinds.items() if kind not in EMPTY or "/" in name or not name]
        if unknown:
            raise ValueError(f"arrays {unknown}: expected plain names, of kind {', '.join(EMPTY)}")
        self.folder, self.plan, self.key = folder, plan, key
        self.tiles: Tiles = plan.tiles
        self.form = Form(plan.tiles.size, tuple(kinds.items()))
        self.notes: list[str] = []
        self.finals = folder / self.FINALS
        self._names = list(kinds)
        self._lines = Lines(folder / LEDGER)
        self._lock = Lock()
        self._starts: NDArray[np.int64] = np.full(len(self.tiles), -1, dtype=np.int64)
        self._sizes: NDArray[np.uint32] = np.zeros((len(self.tiles), len(kinds)), dtype=np.uint32)
        self._sums: NDArray[np.uint32] = np.zeros((len(self.tiles), len(kinds)), dtype=np.uint32)
        self._dropped: set[str] = set()
        self._finished = Finals(self.finals)
        with on_disk(folder):
            self._open()

    # --- tiles

    def missing(self) -> Tiles:
        """Tiles still to do, in order."""
        return Tiles(self.tiles.shape, self.tiles.size, np.flatnonzero(self._starts < 0))

    def put(self, tile: Window, arrays: Mapping[str, NDArray], facts: Mapping[str, Any]) -> None:
        """Keep a finished tile; it is on disk when this returns. Any thread may call it.

        Raises
        ------
        RunError
            The disk is full. What is done stays.
        """
        self.keep(tile, pack(self.form, tile, arrays, facts))

    def keep(self, tile: Window, packed: Packed) -> None:
        """Keep a tile that was packed, here or by another process; see :meth:`put`."""
        number = self.tiles.number(tile)
        entries: list[list[int] | int] = []
        for name, chunk in zip(self._names, packed.chunks, strict=True):
            path = self._path(name, number)
            if chunk is None or name in self._dropped:
                path.unlink(missing_ok=True)
                entries.append(0)
            else:
                self._write(path, chunk)
                entries.append([len(chunk), zlib.crc32(chunk)])
        with self._lock:
            start = self._lines.append({"t": number, "c": entries, "f": packed.facts})
            self._take(number, start, entries)

    def read(self, name: str, work: Work | None = None) -> Iterator[tuple[Window, NDArray]]:
        """One array of every tile, in order; each chunk is checked against its checksum.

        Parameters
        ----------
        name : str
        work : callable, optional
            Computes a tile again whose chunk is damaged; ``notes`` says which.

        Raises
        ------
        RunError
            A tile is missing; or a chunk is damaged and there is no ``work``: its tile is missing from now on.
        """
        place, kind = self._names.index(name), dict(self.form.kinds)[name]
        if name in self._dropped:
            raise RunError(f"{self.folder}: array {name} was dropped when its file was finished; expected one that is still there")
        for number, tile in enumerate(self.tiles):
            if self._starts[number] < 0:
                raise RunError(f"{self.folder}: tile {number + 1} of {len(self.tiles)} is missing; expected all of them")
            values = self._chunk(number, place, kind)
            if values is None:
                self._lose(number, f"the chunk of {name} is damaged")
                if work is None:
                    raise RunError(
                        f"{self._path(name, number)}: damaged on disk; expected what was written there: the same command computes its tile "
                        "again"
                    )
                self.put(tile, *work(tile))
                values = self._chunk(number, place, kind)
                if values is None:
                    raise RunError(f"{self._path(name, number)}: damaged on disk again; expected a disk that keeps what is written")
            yield tile, values[: tile.height, : tile.width]

    def facts(self) -> Iterator[dict[str, Any]]:
        """Facts of all tiles, in their order; one at a time is in memory.

        Raises
        ------
        RunError
            A tile is missing.
        """
        for number, start in enumerate(self._starts):
            record = self._lines.at(int(start)) if start >= 0 else None
            if record is None:
                raise RunError(f"{self.folder}: tile {number + 1} of {len(self.tiles)} is missing; expected all of them")
            yield record["f"]

    # --- finished files

    def finish(self, label: str, path: Path, *beside: Path, arrays: Iterable[str] = ()) -> None:
        """Say that a finished file is whole, with those that belong to it, by their SHA-256.

        Parameters
        ----------
        label : str
        path, beside : Path
            In ``finals``.
        arrays : iterable of str
            What it was made from: these may be dropped while it is whole.
        """
        entry = self._finished.entry(label, (path, *beside), arrays)
        with self._lock:
            self._lines.append(entry)
            self._finished.take(entry)

    def finished(self, label: str) -> Path | None:
        """The finished file of a label, if it is there and whole."""
        files = self._finished.files(label)
        return files[0] if files else None

    def hand_over(self, label: str, folder: Path) -> list[Path]:
        """Put the files of a label into a folder as well, without a copy where the disk allows it.

        They stay in ``finals`` until the stage has ended: a run that is killed before that finds them there.
        """
        return self._finished.hand_over(label, folder)

    def drop(self, name: str) -> None:
        """Free the disk of an array whose finished files are there. If they get lost, the array is computed again.

        Raises
        ------
        ValueError
            No finished file was made from it, by what :meth:`finish` was told: a fault of the caller.
        """
        if name in self._dropped:
            return
        if name not in self._finished.made_from():
            raise ValueError(f"array {name}: no finished file was made from it")
        with self._lock:
            self._lines.append({"dropped": name})
            self._dropped.add(name)
        shutil.rmtree(self.folder / self.ZARR / name, ignore_errors=True)

    # --- inside

    def _path(self, name: str, number: int) -> Path:
        down, across = divmod(number, self.tiles.across)
        return self.folder / self.ZARR / name / "c" / str(down) / str(across)

    def _write(self, path: Path, chunk: bytes) -> None:
        # Under another name first: who looks into the store meanwhile never sees half a chunk.
        temporary = self.folder / "tmp" / f"{path.parent.parent.parent.name}.{path.parent.name}.{path.name}"
        with on_disk(self.folder):
            try:
                with open(temporary, "wb", buffering=0) as file:
                    view = memoryview(chunk)
                    while view:
                        view = view[file.write(view) :]
                    os.fsync(file.fileno())
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

    def _chunk(self, number: int, place: int, kind: str) -> NDArray | None:
        """Values of a chunk; None where what is on disk is not what was written."""
        size = int(self._sizes[number, place])
        if not size:
            return unpack(None, self.form.size, kind)
        try:
            chunk = self._path(self._names[place], number).read_bytes()
        except OSError:
            return None
        same = len(chunk) == size and zlib.crc32(chunk) == self._sums[number, place]
        return unpack(chunk, self.form.size, kind) if same else None

    def _take(self, number: int, start: int, entries: Sequence[list[int] | int]) -> None:
        self._starts[number] = start
        for place, entry in enumerate(entries):
            self._sizes[number, place], self._sums[number, place] = entry if isinstance(entry, list) else (0, 0)

    def _lose(self, number: int, why: str) -> None:
        with self._lock:
            self._lines.append({"lost": number})
            self._starts[number] = -1
        self.notes.append(f"tile {number + 1} of {len(self.tiles)} is computed again: {why}")

    def _open(self) -> None:
        """Take up what is there, or begin anew."""
        why = self._why_not()
        if why is not None:
            self._begin(why)
        else:
            self._resume()
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        (self.folder / "tmp").mkdir()
        self.finals.mkdir(exist_ok=True)

    def _about(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "key": self.key,
            "shape": list(self.tiles.shape),
            "tile": list(self.tiles.size),
            "arrays": [list(kind) for kind in self.form.kinds],
        }

    def _why_not(self) -> str | None:
        """Why what lies in the folder cannot be taken up; empty where nothing lies there; None where it can."""
        head = _head(self._lines)
        if head is None:  # a ledger without a byte is that of a store that could not be begun
            return "its ledger cannot be read" if self._lines.path.exists() and self._lines.path.stat().st_size else ""
        words = {
            "format": "another version of Edaphic kept them",
            "key": "the recipe, the model or an input has changed",
            "shape": "the grid has changed",
            "tile": f"they have another size ({' x '.join(str(side) for side in head.get('tile', []))} cells)",
            "arrays": "other statistics are asked for",
        }
        about = self._about()
        for name, word in words.items():
            if head.get(name) != about[name]:
                return word
        root = self.folder / self.ZARR
        return None if (root / "zarr.json").is_file() else "their Zarr store was removed"

    def _begin(self, why: str) -> None:
        if why:
            lost = kept_tiles(self.folder)
            self.notes.append(f"{lost:,} tiles that were kept are not taken up: {why}")
        for name in (self._lines.path.name, self.ZARR, self.FINALS):
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        make_zarr(self.folder / self.ZARR, self.plan.grid, self.form)
        self._lines.append({"head": self._about()})

    def _resume(self) -> None:
        """Read the ledger; a tile counts where all of its chunks have their size."""
        for start, record in self._lines.read():
            if "t" in record and 0 <= record["t"] < len(self.tiles) and len(record["c"]) == len(self._names):
                self._take(record["t"], start, record["c"])
            elif "lost" in record:
                self._starts[record["lost"]] = -1
            elif "final" in record:
                self._finished.take(record)
            elif "dropped" in record:
                self._dropped.add(record["dropped"])
            elif "again" in record:
                self._dropped.discard(record["again"])
                self._starts[:] = -1
        if self._lines.damaged:
            self.notes.append(f"{self._lines.damaged} lines of the ledger were cut off or damaged; their tiles are computed again")
        self._lines.mend()
        self._check_finished()
        for name in self._dropped:
            shutil.rmtree(self.folder / self.ZARR / name, ignore_errors=True)
        for number in self._damaged():
            self._lose(number, "a chunk is missing or has another size")
        there = int((self._starts >= 0).sum())
        if there:
            self.notes.append(f"{there:,} of {len(self.tiles):,} tiles were finished before and are taken up")

    def _check_finished(self) -> None:
        """Forget finished files that are not what was written; their arrays, if they were dropped, are needed again."""
        for label in self._finished.forget_damaged():
            self.notes.append(f"the finished file of {label} is damaged or missing; it is made again")
        for name in sorted(self._dropped - self._finished.made_from()):
            self._again(name)

    def _again(self, name: str) -> None:
        self._lines.append({"again": name})
        self._dropped.discard(name)
        self._starts[:] = -1

    def _damaged(self) -> list[int]:
        held = [place for place, name in enumerate(self._names) if name not in self._dropped]
        found = []
        for number in np.flatnonzero(self._starts >= 0):
            for place in held:
                size = int(self._sizes[number, place])
                if size and not has_size(self._path(self._names[place], int(number)), size):
                    found.append(int(number))
                    break
        return found
