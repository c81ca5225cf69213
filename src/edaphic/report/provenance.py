"""Where a run came from: inputs, versions, stages and machine, for the foot of the page."""

from __future__ import annotations

from collections.abc import Mapping

from edaphic.report.folder import RunFolder
from edaphic.report.tables import PageTable, made, text_cell
from edaphic.report.words import capital, count, fixed


def provenance(run: RunFolder) -> list[PageTable]:
    """Inputs, versions, machine and stages of run.json, those that it has."""
    found = (
        _pairs("Input files", ("File", "SHA-256"), run.run.get("inputs")),
        _pairs("Versions", ("Library", "Version"), run.run.get("versions")),
        _pairs("Machine", ("What", "Which"), _machine(run)),
        _stages(run.run.get("stages")),
    )
    return [table for table in found if table is not None]


def _machine(run: RunFolder) -> Mapping[str, object] | None:
    machine = run.run.get("machine")
    if not isinstance(machine, Mapping):
        return None
    threads = {"Threads of the run": run.run["workers"]} if "workers" in run.run else {}
    return {capital(str(name)).replace("_", " "): value for name, value in machine.items()} | threads


def _pairs(caption: str, columns: tuple[str, str], found: object) -> PageTable | None:
    if not isinstance(found, Mapping) or not found:
        return None
    return made(caption, columns, [(str(name), str(value)) for name, value in found.items()], (0, 1))


def _stages(found: object) -> PageTable | None:
    """Seconds and memory of each stage. The report itself is left out: it cannot know its own."""
    if not isinstance(found, Mapping):
        return None
    rows = [
        (
            str(name),
            fixed(entry.get("seconds"), 1),
            count(entry.get("peak_memory_mb")),
            text_cell(str(entry.get("finished") or "")),
            text_cell(str(entry.get("key") or "")[:12]),
        )
        for name, entry in found.items()
        if isinstance(entry, Mapping) and name != "report"
    ]
    if not rows:
        return None
    return made("Stages", ("Stage", "Seconds", "Peak memory (MB)", "Finished", "Key"), rows, (0, 3, 4))
