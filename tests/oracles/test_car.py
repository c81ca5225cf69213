"""Variance inflation factors against stored results of the R package car 3.1-1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edaphic.model.screening import eliminate_vif, gvif, vif

CASES = ("splot_bioclim", "terrain_bigtujunga")
RUNS = ("stepwise_thr10", "stepwise_thr10_protected", "stepwise_thr5", "stepwise_thr5_protected")
TIGHT = 1e-8


def case(shared: Path, name: str) -> tuple[dict[str, Any], pd.DataFrame]:
    folder = shared / "oracles" / "vif"
    stored = json.loads((folder / f"{name}.json").read_text())
    return stored, pd.read_csv(folder / f"{name}_data.csv")[stored["predictors"]].astype(float)


@pytest.mark.parametrize("name", CASES)
def test_factors_are_the_peers(shared: Path, name: str) -> None:
    stored, points = case(shared, name)
    assert vif(points).to_dict() == pytest.approx(stored["vif_full"], rel=TIGHT)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", CASES)
def test_elimination_drops_the_same_in_the_same_order(shared: Path, name: str, run: str) -> None:
    stored, points = case(shared, name)
    theirs = stored[run]
    table = eliminate_vif(points, dict.fromkeys(points, "continuous"), theirs["threshold"], theirs["protected"])
    gone, kept = table[~table["kept"]], table[table["kept"]].set_index("feature")["vif"]
    assert gone["feature"].tolist() == [step["dropped"] for step in theirs["dropped"]]
    assert gone["step"].tolist() == list(range(1, len(gone) + 1))
    assert gone["vif"].tolist() == pytest.approx([step["vif"] for step in theirs["dropped"]], rel=TIGHT)
    assert list(kept.index) == theirs["kept"]
    assert kept.to_dict() == pytest.approx(theirs["vif_final"], rel=TIGHT)


def test_generalised_factors_of_classes_are_the_peers(shared: Path) -> None:
    folder = shared / "oracles" / "vif"
    theirs = pd.read_csv(folder / "meuse_gvif.csv").set_index("term")
    complete = pd.read_csv(folder / "meuse_gvif_data.csv").dropna()
    classes = ("ffreq", "soil", "lime", "landuse")
    points = pd.DataFrame({name: complete[name] for name in theirs.index})
    points["landuse"] = pd.factorize(points["landuse"])[0]
    table = gvif(points.astype(float), {name: "class" if name in classes else "continuous" for name in points}).set_index("feature")
    assert table["df"].tolist() == theirs["Df"].tolist()
    assert table["gvif"].tolist() == pytest.approx(theirs["GVIF"].tolist(), rel=TIGHT)
    # What car prints as GVIF^(1/(2 Df)) is the root of what is held against a threshold for VIF.
    assert (table["comparable"] ** 0.5).tolist() == pytest.approx(theirs["GVIF^(1/(2*Df))"].tolist(), rel=TIGHT)
