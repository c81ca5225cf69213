"""A run says what it does anew and why, refuses what cannot fit, and makes the same maps in every place."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from edaphic import run
from edaphic.errors import RunError
from edaphic.mapping import room
from edaphic.progress import Listener


def told(path: Path, out: Path, **options) -> tuple[dict[str, str], list[str]]:
    """What a run says when each stage begins, and its notes."""
    stages: dict[str, str] = {}
    notes: list[str] = []

    def step(text: str, done: int, total: int) -> None:
        if text.startswith("note: "):
            notes.append(text)

    run.run(path, out, listener=Listener(stages.__setitem__, step, lambda seconds: None), **options)
    return stages, notes


def rewrite(path: Path, **changes: object) -> None:
    text = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, value in changes.items():
        text[name] = value
    path.write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")


def maps_of(out: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((out / "maps").iterdir())}


def test_what_changed_is_said(tiny, tmp_path):
    path, out = tiny.copy(tmp_path / "input"), tmp_path / "run"
    stages, notes = told(path, out, until="covariates")
    assert stages["profiles"] == "not done yet" and not any("another recipe" in note for note in notes)
    elevation = path.parent / "covariates" / "elevation.tif"
    elevation.write_bytes(elevation.read_bytes() + b"\0")
    stages, _ = told(path, out, until="covariates")
    assert stages["profiles"] == "unchanged, skipped"
    assert stages["covariates"] == "input covariates/elevation.tif changed"
    stages, _ = told(path, out, until="profiles", fresh=True)
    assert stages["profiles"] == "asked for anew"
    rewrite(path, name="Quite another job")
    _, notes = told(path, out, until="profiles")
    assert any("holds a run of another recipe (its name is " in note and "not 'Quite another job'" in note for note in notes)
    assert "parts" not in json.loads((out / "run.json").read_text())["stages"]["profiles"]


def test_a_place_is_no_part_of_any_key(tiny, tmp_path):
    path, out = tiny.copy(tmp_path / "input"), tmp_path / "run"
    told(path, out, until="covariates")
    stages, _ = told(path, out, until="covariates", workers=2, processes=3, memory="8GB")
    assert {note for name, note in stages.items() if name != "check"} == {"unchanged, skipped"}
    assert json.loads((out / "run.json").read_text())["place"] == {"threads": 2, "processes": 3, "scheduler": None, "memory": 8 * 10**9}


def test_maps_that_cannot_fit_on_the_disk_are_refused(tiny, tmp_path, monkeypatch):
    path = tiny.copy(tmp_path / "input")
    monkeypatch.setattr(room, "free", lambda folder: 1000)
    with pytest.raises(RunError, match=r"run: 0 MB are free on its disk; expected at least .* for the maps and their tiles"):
        told(path, tmp_path / "run")
    told(path, tmp_path / "run", until="profiles")  # what needs no maps goes on


@pytest.mark.slow
def test_threads_and_workers_make_the_same_maps(tiny, tmp_path):
    path, out = tiny.copy(tmp_path / "input", lambda recipe: recipe["maps"].update(window=16)), tmp_path / "run"
    told(path, out, until="maps", workers=2)
    one = maps_of(out)
    (out / "maps" / "catalog.json").unlink()
    stages, _ = told(path, out, until="maps", processes=2, memory="16GB")
    assert stages["maps"] == "its files were changed or removed" and maps_of(out) == one
