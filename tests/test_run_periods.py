"""A run whose covariates change with time: profiles take those of their year, maps those of the maps' period."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from edaphic import recipe, run
from edaphic.errors import EdaphicError
from edaphic.run import Listener


def by_period(folder: Path) -> None:
    """Split the raster of the vegetation index into two periods that differ by a constant."""
    covariates = folder / "covariates"
    with rasterio.open(covariates / "ndvi.tif") as source:
        values, profile, scale = source.read(1), source.profile, (source.scales, source.offsets)
    (covariates / "ndvi.tif").unlink()
    (folder / "dated").mkdir()
    for first, last, shift in ((1990, 2004, 0), (2005, 2019, 100)):
        with rasterio.open(folder / "dated" / f"ndvi_{first}_{last}.tif", "w", **profile) as out:
            out.scales, out.offsets = scale
            out.write(values + np.asarray(shift, dtype=values.dtype), 1)


@pytest.fixture
def dated(tiny, tmp_path):
    path = tiny.copy(
        tmp_path / "input", lambda told: told["covariates"]["layers"].append({"path": "dated/ndvi_{from}_{to}.tif"})
    )
    if not (path.parent / "covariates" / "ndvi.tif").exists():
        shutil.copy(path.parent / "covariates" / "elevation.tif", path.parent / "covariates" / "ndvi.tif")
    by_period(path.parent)
    return path


@pytest.mark.slow
def test_profiles_take_the_period_of_their_year(dated, tmp_path):
    said: list[str] = []
    out = tmp_path / "run"
    listener = Listener(lambda name, note: None, lambda text, done, total: said.append(text), lambda seconds: None)
    run.run(dated, out, listener=listener)
    points = pd.read_parquet(out / "covariates" / "points.parquet")
    layers = pd.read_parquet(out / "profiles" / "layers.parquet").drop_duplicates("profile_id")
    year = layers.set_index("profile_id")["year"].reindex(points["profile_id"]).to_numpy()
    periods = pd.read_csv(out / "covariates" / "periods.csv", keep_default_na=False)
    assert periods["period"].tolist() == ["1990-2004", "2005-2019", ""]
    assert periods["samples"].tolist()[:2] == [int((year <= 2004).sum()), int((year >= 2005).sum())]
    assert "ndvi" in points
    described = pd.read_csv(out / "covariates" / "layers.csv")
    assert {"ndvi_1990-2004", "ndvi_2005-2019"} <= set(described["name"])
    assert "note: ndvi of 2005 to 2019 is mapped" in said
    assert "ndvi" in (out / "report.html").read_text(encoding="utf-8")


def test_the_files_that_are_there_tell_their_periods(dated):
    told = recipe.load(dated)
    found = [(layer.name, layer.period) for layer in recipe.covariate_layers(told, dated) if layer.name == "ndvi"]
    assert found == [("ndvi", (1990, 2004)), ("ndvi", (2005, 2019))]


def test_a_period_without_file_is_a_fault(dated):
    text = dated.read_text(encoding="utf-8")
    dated.write_text(text.replace("path: dated/ndvi_{from}_{to}.tif", "path: dated/ndvi_{from}_{to}.tif\n    periods: [[1980, 1985]]"))
    with pytest.raises(EdaphicError, match=r"periods\[0\]: found no file .*ndvi_1980_1985\.tif.*; expected a file for each period"):
        run.check(dated)
