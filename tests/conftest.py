"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
