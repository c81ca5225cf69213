"""Texture classes against stored results of the R package soiltexture 1.5.3.

A point on a border has several classes there; ours, the finer by rule, has to be one of them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edaphic.profiles import texture

SETS = ("grid5", "afsp_shared")


def _table(shared: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(shared / "oracles" / "texture" / f"{name}.csv", keep_default_na=False)


def _classify(table: pd.DataFrame, system: texture.System) -> texture.Texture:
    return texture.classify(table["CLAY"], table["SILT"], table["SAND"], system=system, tolerance_pct=0.01)


@pytest.mark.parametrize("name", SETS)
def test_international_classes_are_the_peers(shared: Path, name: str) -> None:
    table = _table(shared, name)
    assert (table["ISSS"] != "").all()
    peers = table["ISSS"].str.split(", ")
    ours = _classify(table, "international").code
    assert [(row, code) for row, (code, theirs) in enumerate(zip(ours, peers, strict=True)) if code not in theirs] == []
    assert (peers.str.len() > 1).sum() > 50


@pytest.mark.parametrize("name", SETS)
def test_usda_classes_are_the_peers_but_on_borders(shared: Path, name: str) -> None:
    """On some borders the peer names one class of two, by the last bit of its coordinates; there the other has to hold the point too."""
    table = _table(shared, name)
    found = _classify(table, "usda")
    peers = table["USDA"].str.split(", ")
    other = [row for row in range(len(table)) if found.code[row] not in peers[row]]
    assert len(other) <= 0.03 * len(table)
    corners = {one.code: one.corners for one in texture.CLASSES["usda"]}
    for row in other:
        clay, silt = np.array([table["CLAY"][row]], dtype=float), np.array([table["SILT"][row]], dtype=float)
        assert texture._inside(clay, silt, corners[peers[row][0]]).all()


def test_the_corners_are_the_peers(shared: Path) -> None:
    folder = shared / "oracles" / "texture"
    points = pd.read_csv(folder / "isss_vertices.csv").set_index("points")
    theirs = {
        row.abbr: (row.name_, {tuple(round(100 * points.loc[int(i), c]) for c in ("CLAY", "SILT")) for i in row.points.split(", ")})
        for row in pd.read_csv(folder / "isss_classes.csv").rename(columns={"name": "name_"}).itertuples()
    }
    ours = {one.code: (one.name, set(one.corners)) for one in texture.CLASSES["international"]}
    assert ours == theirs
