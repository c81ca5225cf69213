"""Routing of water on 4,000 x 4,000 cells beside SAGA: filling, multiple flow direction, specific catchment area, wetness index.

Three DEMs: that of the oracles (30 m) resampled bilinearly to 4.05 m cells; the same with noise of 1 m on it; and white noise alone,
which is no terrain but the hardest to fill. For each the kernels one by one, and the command line from file to files without
compression; SAGA (`saga_cmd`, its faster filling XXL) step by step in the same run, on its own uncompressed files. The seconds of its
start, taken on a grid of 10 x 10 cells, are told apart: the ratios of kernels are without them, those of whole runs with them. Slope and
aspect are given to both and not counted, except in our whole run, which computes them.

Wall and processor seconds, the least of several rounds. Where other work shares the cores processor seconds are the firmer ones. Ours
are of one thread but for the indices of the whole run.

Memory: the highest resident size of a process that runs the kernels one after the other, less what it held before (the DEM, slope
and aspect), less the results (the filled DEM, specific catchment area and wetness index in float32, the area in float64), for each cell.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import rasterio
from common import SHARED, arguments, markdown, save, skip_without, watched
from rasterio.transform import Affine
from scipy.ndimage import map_coordinates

from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.fill import fill
from edaphic.covariates.terrain.flow import flow_area
from edaphic.covariates.terrain.local import LocalRules, local_attributes
from edaphic.covariates.terrain.wetness import specific_catchment_area, topographic_wetness_index

SIDE = 4000
BLOCK = 256
STEPS = ("fill", "flow_mfd", "sca", "twi")
Row = dict[str, object]
Pair = tuple[float, float]
WANTED_RATIO, WANTED_BYTES = 2.0, 16.0


def dems(source: Path, side: int) -> dict[str, np.ndarray]:
    """The three DEMs, float32."""
    with rasterio.open(source) as opened:
        z = opened.read(1).astype(float)
    at = (np.arange(side) + 0.5) * z.shape[0] / side - 0.5
    smooth = map_coordinates(z, np.meshgrid(at, at, indexing="ij"), order=1, mode="nearest")
    rng = np.random.default_rng(1)
    rough = smooth + rng.normal(0.0, 1.0, smooth.shape)
    noise = rng.uniform(0.0, 100.0, smooth.shape)
    return {name: dem.astype(np.float32) for name, dem in (("resampled", smooth), ("noise of 1 m", rough), ("white noise", noise))}


def write(path: Path, z: np.ndarray, driver: str) -> None:
    """A file without compression in UTM 11N."""
    size = 540 * 30.0 / z.shape[0]
    shape = {"height": z.shape[0], "width": z.shape[1], "count": 1, "dtype": "float32"}
    at = Affine(size, 0, 4e5, 0, -size, 3.8e6)
    with rasterio.open(path, "w", driver=driver, crs="EPSG:32611", transform=at, nodata=-99999.0, **shape) as to:
        to.write(z, 1)


def kernels(path: Path) -> dict[str, float]:
    """Seconds of each kernel and bytes a cell, in this process."""
    with rasterio.open(path) as source:
        z, size = source.read(1), source.res[0]
    cells = CellSizes.square(size, z.shape[0])
    small = CellSizes.square(size, 64)
    chain(z[:64, :64].copy(), small, *angles(z[:64, :64].copy(), small))
    slope, aspect = angles(fill(z, cells), cells)
    process = psutil.Process()
    before, peak_before = process.memory_info().rss, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    seconds, results = chain(z, cells, slope, aspect)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    made = sum(result.nbytes for result in results)
    # Where the highest size was before, the chain stayed below it: an upper bound.
    return seconds | {"bytes_a_cell": (peak - before - made) / z.size, "bounded_by_before": float(peak == peak_before)}


def angles(surface: np.ndarray, cells: CellSizes) -> tuple[np.ndarray, np.ndarray]:
    """Slope and aspect."""
    found = local_attributes(surface, cells, ["slope", "aspect"], rules=LocalRules.saga(), threads=2)
    return found["slope"], found["aspect"]


def chain(z: np.ndarray, cells: CellSizes, slope: np.ndarray, aspect: np.ndarray) -> tuple[dict[str, float], list[np.ndarray]]:
    """Seconds of the steps, and their results: two of them float32, filled by blocks of rows."""
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        begun, used = time.perf_counter(), time.process_time()
        result = work()
        seconds[name], seconds[f"{name}_cpu"] = time.perf_counter() - begun, time.process_time() - used
        return result

    filled = timed("fill", lambda: fill(z, cells))
    area = timed("flow_mfd", lambda: flow_area(filled, cells))
    sca = timed("sca", lambda: by_rows(lambda rows: specific_catchment_area(area[rows], cells[rows], aspect[rows]), z.shape))
    twi = timed("twi", lambda: by_rows(lambda rows: topographic_wetness_index(sca[rows], slope[rows]), z.shape))
    return seconds, [filled, area, sca, twi]


def by_rows(work: Callable[[slice], np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """A whole array from blocks of rows."""
    whole = np.empty(shape, dtype=np.float32)
    for start in range(0, shape[0], BLOCK):
        rows = slice(start, start + BLOCK)
        whole[rows] = work(rows)
    return whole


def saga(tool: str, number: int, *told: str) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak MB of one tool."""
    return watched(["saga_cmd", "-f=s", tool, str(number), *told])


def saga_chain(folder: Path, name: str) -> dict[str, float]:
    """Wall seconds of each of SAGA's steps and the highest memory; slope is made, not counted."""
    f = {key: str(folder / f"{name}_{key}.sgrd") for key in ("dem", "fill", "slope", "flow_mfd", "sca", "twi")}
    runs = {"fill": saga("ta_preprocessor", 5, "-ELEV", f["dem"], "-FILLED", f["fill"], "-MINSLOPE", "0.01")}
    mfd = ("-METHOD", "4", "-FLOW_UNIT", "1", "-STEP", "1", "-CONVERGENCE", "1.1")
    runs["flow_mfd"] = saga("ta_hydrology", 0, "-ELEVATION", f["fill"], "-FLOW", f["flow_mfd"], *mfd)
    saga("ta_morphometry", 0, "-ELEVATION", f["fill"], "-SLOPE", f["slope"], "-METHOD", "6")
    runs["sca"] = saga("ta_hydrology", 19, "-DEM", f["fill"], "-TCA", f["flow_mfd"], "-SCA", f["sca"], "-METHOD", "2")
    runs["twi"] = saga("ta_hydrology", 20, "-SLOPE", f["slope"], "-AREA", f["sca"], "-TWI", f["twi"], "-CONV", "0", "-METHOD", "0")
    wall, used = ({f"{step}{key}": run[i] for step, run in runs.items()} for i, key in enumerate(("", "_cpu")))
    return wall | used | {"peak_mb": max(run[2] for run in runs.values())}


def least(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The least of each figure; the highest memory."""
    return {key: (max if key in ("bytes_a_cell", "peak_mb") else min)(r[key] for r in rounds) for key in rounds[0]}


def measure(folder: Path, name: str, z: np.ndarray, rounds: int, start: Pair) -> tuple[list[Row], Row]:
    """Rows of seconds by step, and a row of the whole, of one DEM."""
    tif, slug = folder / f"{name.replace(' ', '_')}.tif", name.replace(" ", "_")
    write(tif, z, "GTiff")
    write(folder / f"{slug}_dem.sdat", z, "SAGA")
    ours, theirs, whole = [], [], []
    for _ in range(rounds):
        ran = subprocess.run([sys.executable, __file__, "--kernels", str(tif)], capture_output=True, text=True, check=True)
        ours.append(json.loads(ran.stdout))
        theirs.append(saga_chain(folder, slug))
        out = folder / "out"
        told = ["terrain", str(tif), "--attributes", "filled,flow_mfd,sca,twi", "--compress", "none", "-o", str(out)]
        run = watched([sys.executable, "-m", "edaphic", *told])
        whole.append({"wall": run[0], "cpu": run[1], "peak_mb": run[2]})
        shutil.rmtree(out)
    o, t, w = least(ours), least(theirs), least(whole)
    rows = [compared(name, step, o, t, (step,), start) for step in STEPS]
    rows.append(compared(name, "all four", o, t, STEPS, start))
    wall, used = (sum(t[step + key] for step in STEPS) for key in ("", "_cpu"))
    end: Row = {
        "dem": name,
        "ours_s": w["wall"],
        "saga_s": wall,
        "ratio": wall / w["wall"],
        "ours_processor_s": w["cpu"],
        "saga_processor_s": used,
        "processor_ratio": used / w["cpu"],
        "ours_peak_mb": w["peak_mb"],
        "saga_peak_mb": t["peak_mb"],
        "kernels_bytes_a_cell": o["bytes_a_cell"],
    }
    return rows, end


def compared(
    dem: str, name: str, ours: dict[str, float], theirs: dict[str, float], steps: Sequence[str], start: Pair
) -> Row:
    """Seconds of some steps together and their ratios; SAGA's without its starts."""
    row: Row = {"dem": dem, "step": name}
    for key, label, begun in (("", "", start[0]), ("_cpu", "processor_", start[1])):
        mine, peer = sum(ours[step + key] for step in steps), sum(theirs[step + key] - begun for step in steps)
        row |= {f"ours_{label}s": mine, f"saga_{label}s": peer, f"{label}ratio": peer / mine}
    return row


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=SIDE, help="rows and columns")
    parser.add_argument("--dems", default="", help="only DEMs whose names contain this")
    parser.add_argument("--kernels", type=Path, help="(its own use) seconds of the kernels on a file")
    told = parser.parse_args()
    if told.kernels is not None:
        print(json.dumps(kernels(told.kernels)))
        return
    source = SHARED / "oracles" / "terrain" / "dem.tif"
    skip_without(source, "DEM of the oracles")
    if shutil.which("saga_cmd") is None:
        raise SystemExit("skipped: no saga_cmd to measure beside")
    steps: list[Row] = []
    ends: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="edaphic_benchmark_") as temporary:
        folder = Path(temporary)
        write(folder / "tiny_dem.sdat", np.random.default_rng(0).random((10, 10), dtype=np.float32), "SAGA")
        tiny = ("-ELEV", str(folder / "tiny_dem.sgrd"), "-FILLED", str(folder / "tiny_fill.sgrd"))
        starts = [saga("ta_preprocessor", 5, *tiny)[:2] for _ in range(5)]
        start = min(run[0] for run in starts), min(run[1] for run in starts)
        for name, z in dems(source, told.side).items():
            if told.dems in name:
                rows, end = measure(folder, name, z, told.rounds, start)
                steps += rows
                ends.append(end)
                report(told.results, steps, ends, start, told.side, told.rounds)  # after each: a run takes minutes




def report(results: Path, steps: list[Row], ends: list[Row], start: Pair, side: int, rounds: int) -> None:
    """Tables as Markdown and CSV."""
    told = subprocess.run(["saga_cmd", "--version"], capture_output=True, text=True, check=False).stdout.split("\n")
    version = " ".join(told[0].replace("Version:", "").split())
    table, whole = pd.DataFrame(steps), pd.DataFrame(ends)
    text = f"""## Terrain: routing on {side:,} x {side:,} cells beside SAGA

{version}; {os.cpu_count()} shared cores, load at the end {os.getloadavg()[0]:.1f}; least of {rounds} rounds.
SAGA's start takes {start[0]:.2f} s ({start[1]:.2f} s of processor), which its seconds below are without.
At least {WANTED_RATIO:.0f} times its speed is wanted.

Kernels:

{markdown(table, 2)}

From file to files, not compressed; SAGA's four runs with their starts and without its slope. Memory of our kernels is what they take
above input and results; at most {WANTED_BYTES:.0f} bytes a cell are wanted:

{markdown(whole, 1)}
"""
    save(results, "terrain_flow", text, {"terrain_flow_steps": table, "terrain_flow": whole})


if __name__ == "__main__":
    main()
