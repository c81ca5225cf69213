"""Kills, a full disk and a lost input, in small: the finished run has the bytes of an undisturbed one.

The full figures, with Dask workers killed and inputs that change, are made by ``benchmarks/faults.py``, whose job and tools these are.
"""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def faults() -> ModuleType:
    """The benchmark, which holds the job and what is done to it."""
    if not (FOLDER / "faults.py").is_file():
        pytest.skip("no folder 'benchmarks' beside the tests")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        return importlib.import_module("faults")


@pytest.fixture(scope="module")
def job(faults: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """A small job, and what it comes to undisturbed."""
    place = tmp_path_factory.mktemp("kills")
    made = faults.make_job(place / "input", ("--threads", "2"), side=120)
    return made, faults.undisturbed(made, place / "undisturbed")


def check(rows: list[dict[str, Any]], finished: int) -> None:
    """Every run ended as it may, and so many were brought to their end with the same bytes."""
    assert all(row["good"] for row in rows), [row for row in rows if not row["good"]]
    assert sum(row["same files"] == "yes" for row in rows) >= finished


def test_four_kills(faults, job, tmp_path):
    rows = faults.kills(*job, tmp_path, many=4)
    assert sum(row["ended"] == "killed" for row in rows) >= 4
    check(rows, 1)


def test_a_disk_that_fills_up(faults, job, tmp_path):
    tried = tmp_path / "tried"
    tried.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(tried)], capture_output=True, check=False).returncode:
        pytest.skip("no leave to mount a small disk")
    subprocess.run(["umount", str(tried)], check=True)
    rows = faults.disk(*job, tmp_path, shares=(0.8,))
    assert rows[0]["ended"] == "stopped", rows
    check(rows, 1)


def test_an_input_that_vanishes_and_comes_back(faults, job, tmp_path):
    rows = faults.lost(*job, tmp_path)
    stopped = [row["said"] for row in rows if row["ended"] == "stopped"]
    assert stopped and all("expected" in said for said in stopped), rows
    check(rows, 3)
