"""From tables to files without the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import rasterio
from affine import Affine

from edaphic.covariates.climate import How, Period, Words
from edaphic.covariates.climate.making import Wanted, read_checked, write_climate
from edaphic.covariates.climate.surfaces import fit_threads
from edaphic.errors import EdaphicError, RunError, TableError


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, np.ndarray]:
    """Forty stations, of which one has no elevation, and a DEM of 40 x 50 cells."""
    rng = np.random.default_rng(1)
    row, col = np.mgrid[:40, :50]
    metres = (300 + 9 * row + 200 * np.sin(col / 4)).astype(np.float32)
    with rasterio.open(
        tmp_path / "dem.tif", "w", driver="GTiff", width=50, height=40, count=1, dtype="float32", crs="EPSG:4326",
        transform=Affine(0.05, 0, 10, 0, -0.05, 47),
    ) as file:  # fmt: skip
        file.write(metres, 1)
    r, c = rng.integers(0, 40, 40), rng.integers(0, 50, 40)
    table = pd.DataFrame({"id": range(40), "lon": 10 + 0.05 * (c + 0.5), "lat": 47 - 0.05 * (r + 0.5), "elev": metres[r, c].astype(float)})
    table["a b"] = 12 - 0.005 * table["elev"]
    table["c"] = np.where(np.arange(40) % 3 == 0, np.nan, table["a b"])
    table.loc[7, "elev"] = np.nan
    table.to_csv(tmp_path / "s.csv", index=False)
    return tmp_path / "s.csv", tmp_path / "dem.tif", metres


def test_made(files, tmp_path):
    stations, dem, metres = files
    said = []
    fields, points = write_climate(
        stations, ["a b", "c"], dem, tmp_path / "out", how=How(), words=Words(), period=Period(), wanted=Wanted(withhold=4),
        elevation_from_dem=True, say=lambda text, done, total: said.append(text),
    )  # fmt: skip
    assert fields["field"].tolist() == ["a b", "c"] and len(points) == 40 + 26
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_b.tif", "c.tif"]
    with rasterio.open(tmp_path / "out" / "a_b.tif") as file:
        assert file.read(1) == pytest.approx(12 - 0.005 * metres, abs=1e-4)
    assert "note: elevation of 1 stations taken from the DEM" in said and "grid" in said


def test_checked_without_making(files):
    stations, dem, _ = files
    checked = read_checked(stations, ["c"], dem, elevation_from_dem=True)
    assert len(checked.stations.ids) == 26 and checked.metres == 1.0
    with pytest.raises(EdaphicError, match="no such file"):
        read_checked(stations, ["c"], dem.with_name("none.tif"))


def test_fault_leaves_nothing(files, tmp_path):
    stations, dem, _ = files
    with pytest.raises(TableError, match="without elevation"):
        write_climate(stations, ["c"], dem, tmp_path / "out", how=How(), words=Words(), period=Period(), wanted=Wanted())
    assert not (tmp_path / "out").exists()


def test_threads_within_memory(files):
    stations, dem, _ = files
    many = read_checked(stations, ["a b", "c"], dem, elevation_from_dem=True).stations
    used = psutil.Process().memory_info().rss
    square = 8 * len(many.ids) ** 2
    assert fit_threads(many, None, False) == 2 and fit_threads(many, used + 2**30, False) == 2
    assert fit_threads(many, psutil.Process().memory_info().rss + 10 * square, False) in (1, 2)
    with pytest.raises(RunError, match="for the equations of 40 stations"):
        fit_threads(many, used // 2, False)
