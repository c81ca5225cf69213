"""Reading a run folder: faults all at once, nothing guessed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import RunError
from edaphic.report.folder import read_run
from edaphic.report.formats import FORMATS


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError) as found:
        read_run(tmp_path)
    assert len(found.value.faults) == 2
    assert "run.json: no such file" in found.value.faults[0]


def test_all_faults_come_at_once(bare_run: Path) -> None:
    (bare_run / "evidence").mkdir()
    (bare_run / "evidence" / "metrics.csv").write_text("design,scale\nprofile,natural\n")
    (bare_run / "evidence" / "importance.csv").write_text("feature,rmse_increase\nslope,0.1\nndvi,much\n")
    (bare_run / "evidence" / "tuning.csv").write_text("")
    (bare_run / "run.json").write_text("{not json")
    with pytest.raises(RunError) as found:
        read_run(bare_run)
    text = "\n".join(found.value.faults)
    assert len(found.value.faults) == 4
    assert "metrics.csv: no column layer, n, mec, rmse, bias; found design, scale" in text
    assert "importance.csv: column rmse_increase, row 2: found 'much'; expected a number" in text
    assert "tuning.csv: cannot be read (the file is empty)" in text
    assert "run.json: cannot be read" in text


def test_missing_tables_are_none_and_blank_columns_are_nan(bare_run: Path) -> None:
    (bare_run / "evidence").mkdir()
    (bare_run / "evidence" / "importance.csv").write_text("feature,rmse_increase\nslope,\n")
    run = read_run(bare_run)
    assert [name for name in FORMATS if run.tables[name] is not None] == ["importance"]
    table = run.table("importance")
    assert table is not None
    assert np.isnan(table["rmse_increase"].iloc[0]) and np.isnan(table["rmse_increase_sd"].iloc[0])
    assert table["unit"].tolist() == [""]
    assert run.layers == () and run.whole is None


def test_texts_stay_texts(fake_run: Callable[..., Any]) -> None:
    """A class named "NA" is a name, and a code is no float."""
    run = read_run(fake_run(shape=(8, 9), profiles=50).folder)
    stocks = run.table("stocks")
    assert stocks is not None
    named = stocks[stocks["by"] == "land_cover"]
    assert set(zip(named["class"], named["class_name"], strict=True)) == {
        ("1", "Forest <mixed>"),
        ("2", "Grassland & scrub"),
        ("3", "NA"),
    }
    assert stocks["total_Tg"].dtype == np.float64


def test_truth_values_survive_both_formats(fake_run: Callable[..., Any]) -> None:
    run = read_run(fake_run(shape=(8, 9), profiles=50).folder)
    selection, held_out, truth = (run.table(name) for name in ("selection", "out_of_fold", "truth"))
    assert selection is not None and held_out is not None and truth is not None
    assert [value for value in selection["kept"]].count(False) == 1
    assert set(held_out["in_applicability"]) == {True, False}
    assert all(isinstance(value, bool) for value in truth["inside_independent"])


def test_maps_are_grouped_by_layer_with_the_whole_last(fake_run: Callable[..., Any]) -> None:
    made = fake_run(shape=(8, 9), profiles=50)
    shutil.copy(made.folder / "maps/soc_stock_mean_0-30cm.tif", made.folder / "maps/other.tif")
    run = read_run(made.folder)
    assert [layer.depth for layer in run.maps] == [(0, 30), (30, 60), (60, 100), (0, 100)]
    assert {layer.target for layer in run.maps} == {"soc_stock"}
    assert [sorted(layer.paths) for layer in run.maps] == [["mean", "q05", "q95"]] * 4
    assert run.whole == (0.0, 100.0)


def test_an_empty_table_is_as_good_as_none(bare_run: Path) -> None:
    (bare_run / "profiles").mkdir()
    columns = ["profile_id", "row", "fault", "action", "before", "after"]
    pd.DataFrame(columns=columns).to_csv(bare_run / "profiles" / "repairs.csv", index=False)
    run = read_run(bare_run)
    assert run.tables["repairs"] is not None and run.table("repairs") is None
