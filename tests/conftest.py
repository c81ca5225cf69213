"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings

from edaphic import cli, recipe, virtual

# Where all must pass, examples are the same each time: what a search finds by chance belongs to the desk of whoever searches.
settings.register_profile("same", derandomize=True, deadline=None)
if os.environ.get("EDAPHIC_REQUIRE_SHARED"):
    settings.load_profile("same")

ROOT = Path(__file__).resolve().parents[1]


def _shared() -> Path | None:
    """Folder with real data and peers' results: beside the project, or where EDAPHIC_SHARED says."""
    named = os.environ.get("EDAPHIC_SHARED")
    folder = Path(named) if named else ROOT.parent / "shared"
    return folder if (folder / "data").is_dir() and (folder / "oracles").is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """Path of the folder that holds ``data`` and ``oracles``; the test is skipped where it is missing."""
    folder = _shared()
    if folder is None and os.environ.get("EDAPHIC_REQUIRE_SHARED"):
        pytest.fail("the folder '../shared' (or EDAPHIC_SHARED) with data and oracles is missing, and may not be here")
    if folder is None:
        pytest.skip("no shared data: the folder '../shared' (or EDAPHIC_SHARED) with data and oracles is missing")
    return folder


def tiny_recipe() -> dict[str, Any]:
    """The recipe of the demo, made small: two layers, 20 trees, 3 folds."""
    told: dict[str, Any] = yaml.safe_load(recipe.template("demo"))
    told["profiles"]["layers"] = ["0-30", "30-60"]
    told["model"]["forest"] = {"trees": 20}
    told["model"]["tune"] = {"candidates": 2, "trees": 10, "folds": 3, "design": "profile"}
    told["evidence"] |= {"folds": 3, "bootstrap": 50}
    told["account"]["total"] = {"realisations": 100, "forests": 2, "trees": 10}
    told["account"]["truth"] = [
        {"path": f"truth/true_soc_stock_{layer}cm.tif", "layer": layer, "unit": "kg/m2"} for layer in ("0-30", "30-60", "0-60")
    ]
    return told


@dataclass(frozen=True)
class Tiny:
    """Raw files and recipe of a small virtual landscape, to be copied and spoilt."""

    folder: Path

    def copy(self, to: Path, change: Callable[[dict[str, Any]], object] | None = None) -> Path:
        """A copy of all of it in a new folder; ``change`` gets the recipe before it is written. Returns the recipe's path."""
        shutil.copytree(self.folder, to)
        told = tiny_recipe()
        if change is not None:
            change(told)
        path = to / "recipe.yaml"
        path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
        return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A landscape of 40 x 50 cells with 120 profiles."""
    folder = tmp_path_factory.mktemp("tiny") / "input"
    land = virtual.landscape(3, shape=(40, 50))
    sites, horizons = virtual.sample(land, 3, profiles=120)
    virtual.write(land, sites, horizons, folder, truth_layers=((0, 30), (30, 60), (0, 60)))
    return Tiny(folder)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of a report are made but not turned into pixels, which is most of its time: for tests that read the page."""
    monkeypatch.setattr("edaphic.report.pictures.png_bytes", lambda figure: bytes(40))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line; gives its status, the screen and what it said beside it."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edaphic", *map(str, words)])
        status = 0
        try:
            cli.main()
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        return status, *capsys.readouterr()

    return call
