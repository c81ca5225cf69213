"""The run folder: what is done, from what, and how to leave no half-written file.

A stage writes into a work folder of its own. When it has ended, its files are moved to their places and a stamp is written: the key of
the stage (a hash of the version, its part of the recipe, its inputs and what the stages before it made), the parts of that key, and the
SHA-256 of each file. A stage whose key and files are unchanged is not run again; of one that has to run, the parts tell what changed. What
a long stage has finished so far is kept under its key until the stage ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

import psutil

from edaphic.errors import RunError
from edaphic.files import sha256_of, write_text
from edaphic.machine import peak_memory
from edaphic.mapping.ledger import kept_tiles
from edaphic.progress import Say, quiet

HIDDEN = ".edaphic"
_PARTS = "parts.json"
_OF = "of.txt"
_MOST_CHANGES = 4
_PATIENCE_S = 1.0

WHAT: Mapping[str, str] = {"run": "the folder of a run", "predict": "a folder of maps that edaphic predict made"}
"""What a folder may be of."""

Parts = Mapping[str, str]
"""What the key of a stage is made of: names such as ``recipe: maps.stats`` or ``input covs/dem.tif``, each with a hash or a version."""


def key_of(parts: Mapping[str, Any]) -> str:
    """Hash of anything that JSON can say; the order of keys does not matter.

    >>> key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    True
    """
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _write_json(path: Path, document: Any) -> None:
    write_text(path, json.dumps(document, indent=1) + "\n")


def _read_json(path: Path) -> Any:
    """A JSON file of ours, or None where it is missing or damaged: then its stage simply runs again."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


@dataclass
class Manifest:
    """State of one run folder. Use as ``with open_run(folder) as manifest``."""

    folder: Path
    head: dict[str, Any] = field(default_factory=dict)

    @property
    def _hidden(self) -> Path:
        return self.folder / HIDDEN

    def _stamp_path(self, stage: str) -> Path:
        return self._hidden / f"{stage}.json"

    def stamp(self, stage: str) -> dict[str, Any] | None:
        """What is known of a finished stage, or None."""
        known = _read_json(self._stamp_path(stage))
        return known if isinstance(known, dict) and {"key", "outputs"} <= set(known) else None

    def finished(self, stage: str) -> bool:
        """Whether a stage is done and nothing before it has been done anew since."""
        known = self.stamp(stage)
        return known is not None and known.get("status") == "done"

    def mark(self, stage: str, status: str, **changes: Any) -> None:
        """Change what is known of a stage, if anything is."""
        known = self.stamp(stage)
        if known is not None and known | changes | {"status": status} != known:
            _write_json(self._stamp_path(stage), known | changes | {"status": status})

    def unchanged(self, stage: str, key: str) -> bool:
        """Whether a stage was finished with this key and its files are still what they were."""
        known = self.stamp(stage)
        if known is None or known["key"] != key:
            return False
        return all(
            (self.folder / name).is_file() and sha256_of(self.folder / name) == digest
            for name, digest in known["outputs"].items()
        )

    def why_again(self, stage: str, key: str, parts: Parts | None = None) -> str:
        """Why a stage has to run, in words; with the parts of its key, what of them changed."""
        known = self.stamp(stage)
        if known is None or known.get("status") == "unfinished":
            return "asked for anew" if known is not None and known.get("fresh") else "not done yet"
        if known["key"] == "":
            return "asked for anew"
        if known["key"] != key:
            return changes(known.get("parts"), parts)
        return "its files were changed or removed"

    def outputs_digest(self, stage: str) -> str:
        """Hash over all files that a stage made."""
        known = self.stamp(stage)
        if known is None:
            raise RunError(f"{self.folder}: stage {stage} is not finished; expected it before the stages after it")
        return key_of(known["outputs"])

    def partial(self, stage: str, key: str, parts: Parts | None = None, say: Say = quiet) -> Path:
        """Folder for what a long stage has finished so far; what was kept under another key is removed, and that is said."""
        parent = self._hidden / "partial" / stage
        if parent.exists():
            for other in sorted(parent.iterdir()):
                if other.name == key[:16]:
                    continue
                lost = kept_tiles(other)
                if lost:
                    why = changes(_read_json(other / _PARTS), parts)
                    tiles, are = ("tile", "is") if lost == 1 else ("tiles", "are")
                    say(f"note: {stage}: {lost:,} finished {tiles} of an interrupted run {are} not taken up ({why})", 0, 1)
                shutil.rmtree(other)
        path = parent / key[:16]
        path.mkdir(parents=True, exist_ok=True)
        if parts is not None and not (path / _PARTS).exists():
            _write_json(path / _PARTS, dict(parts))
        return path

    def run_stage(
        self,
        stage: str,
        key: str,
        body: Callable[[Path, Path], None],
        *,
        parts: Parts | None = None,
        inputs: Iterable[Path] = (),
        say: Say = quiet,
    ) -> dict[str, Any]:
        """Run one stage: ``body(work, partial)`` writes its files into ``work``, as they are to stand in the run folder.

        If it fails, nothing in the run folder changes. If it is killed, the next run clears what it left.

        Parameters
        ----------
        stage, key : str
        body : callable
        parts : mapping of str to str, optional
            What the key is made of.
        inputs : iterable of Path
            Files that the stage reads, hashed by :meth:`hash_inputs`.
        say : callable
            Is told of what was kept and cannot be taken up.

        Raises
        ------
        RunError
            An input was changed or removed while the stage was at work: what it made is not taken.
        """
        work = self._hidden / "work" / stage
        if work.exists():
            shutil.rmtree(work)
        work.mkdir(parents=True)
        partial = self.partial(stage, key, parts, say)
        read = sorted(set(inputs))
        start = perf_counter()
        try:
            with peak_memory() as peak:
                body(work, partial)
            self._check_inputs(read)
            outputs = {path.relative_to(work).as_posix(): sha256_of(path) for path in _files(work)}
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            if any(path.is_file() for path in self._changed(read)):
                shutil.rmtree(partial, ignore_errors=True)  # some tiles may be of the one state, some of the other
            raise
        before = self.stamp(stage) or {"outputs": {}}
        # While files are replaced, the stamp names old and new ones under no key: killed in between, the next run still knows of all.
        _write_json(self._stamp_path(stage), {"key": "", "status": "unfinished", "outputs": before["outputs"] | outputs})
        for name in before["outputs"]:
            if name not in outputs:
                (self.folder / name).unlink(missing_ok=True)
        for name in outputs:
            place = self.folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(work / name, place)
        stamp = {
            "key": key,
            "seconds": round(perf_counter() - start, 2),
            "peak_memory_mb": round(peak["mb"], 1),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "status": "done",
            "parts": dict(parts or {}),
            "outputs": outputs,
        }
        _write_json(self._stamp_path(stage), stamp)
        shutil.rmtree(work)
        shutil.rmtree(partial.parent)
        return stamp

    def forget(self, stages: Iterable[str]) -> None:
        """Let stages run anew, and read all inputs again; files stay until they are replaced."""
        (self._hidden / "inputs.json").unlink(missing_ok=True)
        for stage in stages:
            self.mark(stage, "unfinished", key="", fresh=True)
            shutil.rmtree(self._hidden / "partial" / stage, ignore_errors=True)

    def tidy(self, stage: str) -> None:
        """Remove what a run left that was killed when a stage had just ended."""
        for part in ("work", "partial"):
            shutil.rmtree(self._hidden / part / stage, ignore_errors=True)

    def remove(self, stage: str) -> None:
        """Take a stage out of the run: its files, what it has finished so far, and what is known of it."""
        for name in (self.stamp(stage) or {"outputs": {}})["outputs"]:
            (self.folder / name).unlink(missing_ok=True)
        self._stamp_path(stage).unlink(missing_ok=True)
        shutil.rmtree(self._hidden / "partial" / stage, ignore_errors=True)

    def hash_inputs(self, paths: Iterable[Path]) -> dict[str, str]:
        """SHA-256 of each input file, remembered by size and time of change so that large files are read once."""
        remembered = _read_json(self._hidden / "inputs.json") or {}
        out, memory = {}, {}
        for path in sorted(set(paths)):
            mark = _mark(path)
            known = remembered.get(str(path))
            digest = known[1] if known and known[0] == mark else sha256_of(path)
            memory[str(path)] = [mark, digest]
            out[str(path)] = digest
        _write_json(self._hidden / "inputs.json", remembered | memory)
        return out

    def _changed(self, paths: Iterable[Path]) -> list[Path]:
        """Files that are not what :meth:`hash_inputs` found."""
        remembered = _read_json(self._hidden / "inputs.json") or {}
        found = []
        for path in paths:
            known = remembered.get(str(path))
            if known is None:
                continue
            try:
                same = _mark(path) == known[0] or sha256_of(path) == known[1]
            except OSError:
                same = False
            if not same:
                found.append(path)
        return found

    def _check_inputs(self, paths: Iterable[Path]) -> None:
        changed = self._changed(paths)
        if changed:
            raise RunError(
                f"{path}: {'changed' if path.exists() else 'vanished'} while the run was at work; expected inputs to stay as they are "
                "until it ends: the same command goes on"
                for path in changed
            )

    def write_run_json(self, stages: Iterable[str]) -> None:
        """Write ``run.json``: the head and what is known of each finished stage, in order."""
        done = {stage: _without_parts(stamp) for stage in stages if (stamp := self.stamp(stage)) is not None}
        _write_json(self.folder / "run.json", self.head | {"older": self.older(done), "stages": done})

    def older(self, stages: Iterable[str]) -> list[str]:
        """Stages whose files are there but do not belong to the recipe, the inputs and the stages before them as they are now."""
        return [stage for stage in stages if self.stamp(stage) is not None and not self.finished(stage)]

    def refresh_run_json(self, stages: Iterable[str]) -> None:
        """Write ``run.json`` anew with the head that it has: a stage was run again outside a whole run."""
        known = _read_json(self.folder / "run.json") or {}
        self.head = {name: value for name, value in known.items() if name not in ("older", "stages")}
        self.write_run_json(stages)


def changes(before: Any, now: Parts | None) -> str:
    """What differs between the parts of two keys, in words.

    >>> changes({"edaphic": "0.1", "input a.tif": "12"}, {"edaphic": "0.2", "input a.tif": "34", "recipe: maps.stats": "56"})
    'edaphic 0.1 -> 0.2; input a.tif changed; recipe: maps.stats new'
    """
    if not isinstance(before, Mapping) or not before or now is None:
        return "inputs, recipe or version changed"
    found = []
    # A key that had no value and has keys of its own now, or the reverse, is one change.
    whole = _opened(before, now) | _opened(now, before)
    for name in [*before, *(name for name in now if name not in before)]:
        old, new = before.get(name), now.get(name)
        if old == new or any(name.startswith(f"{key}.") for key in whole):
            continue
        if name in whole:
            found.append(f"{name} changed")
        elif old is None or new is None:
            found.append(f"{name} {'new' if old is None else 'left out'}")
        elif name.startswith(("recipe: ", "input ")):
            found.append(f"{name} changed")
        else:
            found.append(f"{name} made anew" if name.startswith("stage ") else f"{name} {old} -> {new}")
    more = len(found) - _MOST_CHANGES
    return "; ".join([*found[:_MOST_CHANGES], *([f"and {more} more"] if more > 0 else [])]) or "inputs, recipe or version changed"


def _opened(one: Parts, other: Parts) -> set[str]:
    """Keys of a recipe without a value in the one that have keys of their own in the other."""
    lost = (name for name in one if name.startswith("recipe: ") and name not in other)
    return {name for name in lost if any(own.startswith(f"{name}.") for own in other)}


def _without_parts(stamp: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stamp.items() if name not in ("parts", "fresh")}


def _mark(path: Path) -> list[int]:
    """Size, time of change and number of a file: with the same, it is taken to hold the same."""
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


@contextmanager
def open_run(folder: Path, of: str = "run") -> Iterator[Manifest]:
    """Take a run folder for this process alone.

    Parameters
    ----------
    folder : Path
    of : {"run", "predict"}
        What is to lie in it: neither replaces the files of the other.

    Raises
    ------
    RunError
        The folder is no run folder but holds something, is of the other kind, cannot be written, or another run is at work in it.

    Notes
    -----
    What ends with a fault before anything is done leaves no folder where there was none.
    """
    hidden = folder / HIDDEN
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: a file; expected a folder for the run")
    if folder.is_dir() and not hidden.exists() and any(folder.iterdir()):
        raise RunError(f"{folder}: holds files that are not a run of Edaphic; expected an empty or new folder")
    other = _known_as(hidden)
    if other not in (of, ""):
        raise RunError(f"{folder}: {WHAT[other]}; expected a new or empty folder, or {WHAT[of]}")
    new = [path for path in (hidden, folder, *folder.parents) if not path.exists()]
    try:
        hidden.mkdir(parents=True, exist_ok=True)
        lock = _take(hidden / "lock", folder)
    except OSError as fault:
        raise _not_writable(folder, fault) from fault
    try:
        try:
            if not (hidden / _OF).exists():
                write_text(hidden / _OF, of)
        except OSError as fault:
            raise _not_writable(folder, fault) from fault
        yield Manifest(folder)
    except BaseException:
        if hidden in new and not _begun(hidden):
            _take_back(new)
        raise
    finally:
        lock.unlink(missing_ok=True)


def _begun(hidden: Path) -> bool:
    """Whether a run folder holds anything that another call could take up."""
    idle = {"lock", _OF, "inputs.json", "work", "partial"}
    others = [path for path in (*hidden.iterdir(), *hidden.parent.iterdir()) if path != hidden and path.name not in idle]
    return bool(others) or any(kept_tiles(path) for path in hidden.glob("partial/*/*"))


def _take_back(new: Iterable[Path]) -> None:
    """Remove folders that were made, innermost first: the hidden one with all in it, the others where nothing else has come into them."""
    for path in new:
        try:
            if path.name == HIDDEN:
                shutil.rmtree(path)
            else:
                path.rmdir()
        except OSError:  # in use, or not empty: what stays is what the next call clears
            return


def _not_writable(folder: Path, fault: OSError) -> RunError:
    return RunError(f"{folder}: cannot be written ({fault.strerror}); expected a folder with room and leave to write")


def _known_as(hidden: Path) -> str:
    """What a folder is of; nothing where that is not known yet."""
    told = hidden / _OF
    if told.is_file() and (of := told.read_text(encoding="utf-8").strip()) in WHAT:
        return of
    if any((hidden / part).exists() for part in ("predict.json", "work/predict", "partial/predict")):
        return "predict"
    return "run" if any(path.suffix == ".json" and path.stem != "inputs" for path in hidden.glob("*.json")) else ""


def _take(lock: Path, folder: Path) -> Path:
    """A lock holds the process and its start: a killed run leaves one behind that names nobody alive."""
    mine = {"pid": os.getpid(), "started": psutil.Process().create_time()}
    while True:
        try:
            with open(lock, "x", encoding="utf-8") as file:
                json.dump(mine, file)
            return lock
        except FileExistsError:
            holder = _holder(lock)
            if holder is not None and _alive(holder):
                raise RunError(
                    f"{folder}: process {holder['pid']} is running in it; expected to be alone in a run folder"
                ) from None
            _put_away(lock, holder)


def _holder(lock: Path) -> Any:
    """Who holds a lock; of one that is just being written, after a moment."""
    until = monotonic() + _PATIENCE_S
    while (known := _read_json(lock)) is None and lock.exists() and monotonic() < until:
        sleep(0.02)
    return known


def _put_away(lock: Path, holder: Any) -> None:
    """Remove the lock of a dead process, but not that of another one which has removed it before us and holds its own now."""
    aside = lock.with_name(f"lock.{os.getpid()}")
    try:
        os.replace(lock, aside)
    except FileNotFoundError:
        return
    if _read_json(aside) == holder:
        aside.unlink()
    else:
        os.replace(aside, lock)


def _alive(holder: Mapping[str, Any]) -> bool:
    try:
        return bool(abs(psutil.Process(holder["pid"]).create_time() - holder["started"]) < 1.0)
    except psutil.NoSuchProcess:
        return False
