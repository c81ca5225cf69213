"""From tables to files without the command line."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import rasterio
from affine import Affine

from edaphic.covariates.climate import How, Stations, fit_climate
from edaphic.covariates.climate.making import Wanted, check_climate, make_climate, read_checked
from edaphic.covariates.climate.memory import FIRST, fit_threads
from edaphic.covariates.climate.model import climate_faults
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
    checked = read_checked(stations, ["a b", "c"], dem, elevation_from_dem=True)
    made = make_climate(checked, tmp_path / "out", How(), Wanted(withhold=4), say=lambda text, done, total: said.append(text))
    assert made.fields["field"].tolist() == ["a b", "c"] and len(made.stations) == 40 + 26
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_b.tif", "c.tif"]
    with rasterio.open(tmp_path / "out" / "a_b.tif") as file:
        assert file.read(1) == pytest.approx(12 - 0.005 * metres, abs=1e-4)
    assert "elevation of 1 stations taken from the DEM" in made.notes and "grid" in said


def test_checked_without_making(files):
    stations, dem, _ = files
    checked = read_checked(stations, ["c"], dem, elevation_from_dem=True)
    assert len(checked.stations.ids) == 26 and checked.metres == 1.0
    with pytest.raises(EdaphicError, match="no such file"):
        read_checked(stations, ["c"], dem.with_name("none.tif"))


def test_fault_leaves_nothing(files, tmp_path):
    stations, dem, _ = files
    with pytest.raises(TableError, match="without elevation"):
        make_climate(read_checked(stations, ["c"], dem), tmp_path / "out", How(), Wanted())
    assert not (tmp_path / "out").exists()


def many_stations(n=700, fields=6) -> Stations:
    rng = np.random.default_rng(2)
    lon, lat, metres = rng.uniform(10, 12, n), rng.uniform(45, 47, n), rng.uniform(0, 2000, n)
    names = tuple(f"t{k}" for k in range(fields))
    values = (15 - 0.006 * metres)[:, None] + rng.standard_normal((n, fields))
    return Stations(tuple(map(str, range(n))), lon, lat, metres, names, names, values, rng.integers(5, 30, (n, fields)).astype(float))


def test_threads_within_memory():
    """Seven squares for each factorisation at a time, and one for each that is kept: with weights every field has its own."""
    many = many_stations()
    square, used = 8 * 700**2, psutil.Process().memory_info().rss
    slack = 2**20 * 8  # what the process itself grows by meanwhile

    def threads(squares: float, errors: bool, weighted: bool) -> int:
        room = psutil.Process().memory_info().rss + FIRST + int(squares * square) + slack
        return fit_threads(many, How(weighted=weighted), room, errors)

    assert fit_threads(many, How(), None, True) == 2 and fit_threads(many, How(), used + 2**31, True) == 2
    assert threads(8, False, False) == 1 and threads(14.5, False, False) == 2 and threads(15.5, True, False) == 2
    assert threads(15.5, True, True) == 1 and threads(20.5, True, True) == 2
    with pytest.raises(RunError, match="expected at least"):
        threads(8, True, True)
    with pytest.raises(RunError, match="for 700 stations and 6 fields"):
        fit_threads(many, How(), used // 2, False)


HELD = """
import resource, sys
from pathlib import Path
import numpy as np, psutil
sys.path.insert(0, sys.argv[1])
from test_making import many_stations
from test_surfaces import Dem
from edaphic.covariates.climate import How, blocks, evidence, fit_climate
from edaphic.covariates.climate.memory import fit_threads, window_side
many, how, dem = many_stations(), How(weighted=True), Dem((70, 70))
# Once with few stations: where kernels are not compiled yet, compiling takes memory that is none of the bound's.
few = fit_climate(many.keep(np.arange(len(many.ids)) < 40, ""), how, True)
evidence(few, 2)
for block in blocks(few, Dem((8, 8)), errors=True):
    pass
bound = psutil.Process().memory_info().rss + int(float(sys.argv[2]) * 2**20)
threads = fit_threads(many, how, bound, True)
model = fit_climate(many, how, True, threads)
evidence(model, 2, threads=threads)
for block in blocks(model, dem, errors=True, memory=bound):
    pass
# The kernel's own peak of this process: that of getrusage begins with the size of the parent.
status = Path("/proc/self/status")
held = int(status.read_text().split("VmHWM:")[1].split()[0]) if status.exists() else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(threads, held * 1024 / bound)
"""


def test_memory_bound_is_held():
    """In a process of its own the peak stays below the bound, with weights and standard errors."""
    call = [sys.executable, "-c", HELD, str(Path(__file__).parent), "190"]
    threads, share = subprocess.run(call, capture_output=True, text=True, check=True).stdout.split()
    assert threads in ("1", "2") and 0.5 < float(share) <= 1.0
    refused = subprocess.run([*call[:-1], "60"], capture_output=True, text=True)
    assert refused.returncode and "--memory" in refused.stderr and "fit_climate" not in refused.stderr


def test_checked_before_making(files):
    stations, dem, _ = files
    checked = read_checked(stations, ["a b", "c"], dem, elevation_from_dem=True)
    assert check_climate(checked, How(), Wanted()) == []
    faults = check_climate(checked, How(transform={"rain": "sqrt"}), Wanted(bioclim=True))
    assert "transform of rain: no such value; expected one of a b, c" in faults and sum("--bioclim: no" in fault for fault in faults) == 3
    few = replace(checked, stations=checked.stations.keep(np.arange(40) < 5, ""))
    assert "a b: 5 stations have a value; expected at least 6" in check_climate(few, How(), Wanted())[0]


def test_degrees_of_freedom_of_shared_places():
    """Thirty stations of 25 places without elevation: below 25, in a fault and not in the middle of the work."""
    many = many_stations(30, 1)
    many = replace(many, lon=np.r_[many.lon[:25], many.lon[:5]], lat=np.r_[many.lat[:25], many.lat[:5]])
    assert fit_climate(many, How(elevation="none", smoothing=24.5)).splines.choices[0].df == pytest.approx(24.5)
    with pytest.raises(TableError, match="27 degrees of freedom; expected above 3 and below 25, for some of its 30 stations share a place"):
        fit_climate(many, How(elevation="none", smoothing=27.0))
    near = replace(many, lon=np.r_[many.lon[:25], many.lon[:5] + 1e-9])
    with pytest.raises(TableError, match="degrees of freedom 27"):
        fit_climate(near, How(elevation="none", smoothing=27.0))


def test_a_transect_is_one_line():
    """Straight in degrees is bent in km, in any longitude; a strip with some width is no line."""
    rng, many = np.random.default_rng(3), many_stations(40, 1)
    for step, side in ((179.0, 0.0), (7.0, 0.0), (7.0, 0.3)):
        lon, lat = step + 2 * np.linspace(0, 1, 40), 46 + 2 * np.linspace(0, 1, 40) + side * rng.uniform(-1, 1, 40)
        placed = replace(many, lon=np.where(lon > 180, lon - 360, lon), lat=lat)
        assert any("lie on one line" in fault for fault in climate_faults(placed, How())) == (side == 0)
