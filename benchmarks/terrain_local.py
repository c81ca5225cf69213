"""Local terrain attributes beside SAGA's modules for them, and the topographic position within a disc.

The Big Tujunga DEM, and a square of that of the Lower Fraser Valley (with sea), are brought to 4,000 x 4,000 cells by bilinear
resampling. Ours makes slope, aspect, northness, eastness, four curvatures, ruggedness, position and roughness in one pass; SAGA takes a
module for slope, aspect and the four curvatures, one for ruggedness and one for position, and none for the rest. Both read the DEM and
write every result uncompressed.

End to end is a process watched from outside, less the same process on 20 x 20 cells: start-up is told apart, because a chain of modules
pays it each time. Runs take turns; the lowest of the rounds counts, for wall and for processor seconds each by itself. SAGA runs with two
threads and with one, and the better counts: its threads wait actively, so that on a machine with other work two may need longer than one.
Its disc, which takes minutes and hardly uses a second thread, runs with one, and on the first DEM only. Kernels are ours on arrays in
memory; beside them what SAGA says of its own execution, in whole seconds.

At least 3 times faster for the local attributes, 20 times for the disc of radius 10. Where SAGA has the same attribute the values are
compared; the script fails if they differ. SAGA's `saga_cmd` has to be installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from affine import Affine
from common import SHARED, arguments, folder_or_temporary, markdown, save, skip_without, watched
from rasterio.enums import Resampling
from rasterio.windows import Window

from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.focal import disc_of_cells, position_in_disc
from edaphic.covariates.terrain.local import LOCAL, local_attributes

SMALL = 20
RADIUS = 10
WANTED = {"local": 3.0, "disc": 20.0}
SOURCES = {
    "Big Tujunga": ("oracles/terrain/dem.tif", Window(0, 0, 540, 540)),
    "Lower Fraser Valley": ("data/dem_samples/lower_fraser_valley_100m/elev.tif", Window(100, 0, 619, 619)),
}
CURVED = {"SLOPE": "slope", "ASPECT": "aspect", "C_GENE": "general_curvature", "C_PROF": "profile_curvature", "C_PLAN": "plan_curvature"}
CURVED |= {"C_TANG": "tangential_curvature"}
ANGLES = ("slope", "aspect")
STORED = 2e-4
"""Part of a value by which float32 results of unlike order of operations may differ, where heights nearly cancel."""


@dataclass(frozen=True)
class Task:
    """What is asked of both: attributes and options of ours; module, arguments and outputs of SAGA's."""

    ours: tuple[str, ...]
    modules: tuple[tuple[tuple[str, ...], dict[str, str]], ...]


def tasks(cell: float) -> dict[str, Task]:
    """The local attributes, and the disc."""
    square = ("18", "-STANDARD", "0", "-RADIUS_MIN", "0", "-RADIUS_MAX", f"{1.5 * cell!r}")
    disc = ("18", "-STANDARD", "0", "-RADIUS_MIN", "0", "-RADIUS_MAX", f"{RADIUS * cell * (1 + 1e-9)!r}")
    near = (
        (("0", "-METHOD", "6"), CURVED),
        (("16", "-MODE", "0", "-RADIUS", "1"), {"TRI": "tri"}),
        (square, {"TPI": "position"}),
    )
    return {
        "local": Task(("-a", ",".join(LOCAL), "--compat", "saga"), near),
        "disc": Task(("-a", "tpi", "--radius", str(RADIUS)), ((disc, {"TPI": "tpi"}),)),
    }


def write_dem(source: Path, part: Window, size: int, folder: Path) -> Path:
    """A square DEM of so many cells a side, as GeoTIFF and as SAGA grid."""
    with rasterio.open(source) as file:
        z = file.read(1, window=part, out_shape=(size, size), resampling=Resampling.bilinear, masked=True).astype(np.float32)
        place = file.window_transform(part) * Affine.scale(part.width / size, part.height / size)
        crs = file.crs
    folder.mkdir(parents=True, exist_ok=True)
    how = {
        "driver": "GTiff",
        "width": size,
        "height": size,
        "count": 1,
        "dtype": "float32",
        "crs": crs,
        "transform": place,
        "nodata": -99999.0,
    }
    with rasterio.open(folder / "dem.tif", "w", **how) as file:
        file.write(z.filled(-99999.0), 1)
    subprocess.run(["gdal_translate", "-q", "-of", "SAGA", folder / "dem.tif", folder / "dem.sdat"], check=True)
    return folder


def saga_command(folder: Path, module: Sequence[str], outputs: dict[str, str], threads: int) -> list[str]:
    """One call of a module of terrain morphometry."""
    dem = "-ELEVATION" if module[0] == "0" else "-DEM"
    call = ["saga_cmd", "-f=q", f"-c={threads}", "ta_morphometry", module[0], dem, str(folder / "dem.sgrd"), *module[1:]]
    for key, name in outputs.items():
        call += [f"-{key}", str(folder / f"saga_{name}.sgrd")]
    return call


def run_saga(folder: Path, task: Task, threads: int) -> tuple[float, float, float, float]:
    """Wall and processor seconds of all modules, the largest memory in MB, and the seconds of execution that they tell."""
    wall = cpu = peak = told = 0.0
    log = folder / "saga.log"
    for module, outputs in task.modules:
        words = saga_command(folder, module, outputs, threads)
        seconds = watched(["sh", "-c", f'exec "$@" > {log} 2>&1', "sh", *words])
        wall, cpu, peak = wall + seconds[0], cpu + seconds[1], max(peak, seconds[2])
        said = re.findall(r"total execution time: (\d+) milliseconds", log.read_text(errors="replace"))
        told += sum(int(one) for one in said) / 1000
    return wall, cpu, peak, told


def run_ours(folder: Path, task: Task, threads: int) -> tuple[float, float, float, float]:
    """Wall and processor seconds and memory in MB of ``edaphic terrain``."""
    words = [sys.executable, "-m", "edaphic", "terrain", str(folder / "dem.tif"), *task.ours]
    words += ["--compress", "none", "--threads", str(threads), "-o", str(folder / "ours")]
    return *watched(["sh", "-c", 'exec "$@" > /dev/null 2>&1', "sh", *words]), float("nan")


def measured(large: Path, small: Path, task: Task, threads: int, rounds: int) -> pd.DataFrame:
    """Seconds of both, by turns: the lowest of the rounds, with start-up and without."""
    ways = (1,) if len(task.modules) == 1 else sorted({1, threads})
    runs = {"Edaphic": [(run_ours, threads)], "SAGA": [(run_saga, n) for n in ways]}
    rows = []
    for tool, ways in runs.items():
        run_ours(small, task, threads) if tool == "Edaphic" else None  # kernels are compiled once after an installation
        starts = [run(small, task, n) for run, n in ways for _ in range(rounds)]
        rows.append({"tool": tool, "start": np.array(starts).min(axis=0), "all": []})
    for _ in range(rounds):
        for row, ways in zip(rows, runs.values(), strict=True):
            row["all"].extend(run(large, task, n) for run, n in ways)
    return pd.DataFrame(
        [
            {
                "tool": row["tool"],
                "wall_s": best[0],
                "cpu_s": best[1],
                "start_wall_s": row["start"][0],
                "start_cpu_s": row["start"][1],
                "net_wall_s": best[0] - row["start"][0],
                "net_cpu_s": best[1] - row["start"][1],
                "peak_mb": best[2],
                "execution_told_s": best[3],
            }
            for row in rows
            for best in [np.array(row["all"]).min(axis=0)]
        ]
    )


def kernels(folder: Path, threads: int, rounds: int) -> dict[str, float]:
    """Seconds of our kernels on heights in memory."""
    z = _values(folder / "dem.tif")
    cells, disc = CellSizes.square(1.0, len(z)), disc_of_cells(len(z), RADIUS)
    found = {}
    for n in sorted({1, threads}):
        for name, work in (
            ("local", lambda n=n: local_attributes(z, cells, LOCAL, threads=n)),
            ("disc", lambda n=n: position_in_disc(z, disc, threads=n)),
        ):
            work()
            seconds = []
            for _ in range(rounds + 2):
                begun = time.perf_counter()
                work()
                seconds.append(time.perf_counter() - begun)
            found[f"{name}, {n} thread{'s' if n > 1 else ''}"] = min(seconds)
    return found


def compare(folder: Path, task: Task) -> float:
    """Share of the cells of all common attributes that differ by more than rounding; fails above one in a million."""
    worst = 0.0
    for _, outputs in task.modules:
        for name in outputs.values():
            if name == "position":
                continue  # with and without the cell itself
            ours, theirs = (
                _values(folder / "ours" / f"{name}.tif").astype(np.float64),
                _values(folder / f"saga_{name}.sdat").astype(np.float64),
            )
            ours = np.radians(ours) if name in ANGLES else ours
            away = np.abs(ours - theirs)
            away = np.minimum(away, 2 * np.pi - away) if name == "aspect" else away
            typical = float(np.nanmedian(np.abs(theirs)))
            differ = (away > STORED * (np.abs(theirs) + typical)) | (np.isnan(ours) != np.isnan(theirs))
            worst = max(worst, float(differ.mean()))
            print(f"  {name}: {differ.mean():.2e} of the cells differ")
    if worst > 1e-6:
        raise SystemExit(f"{folder}: values differ from SAGA's in {worst:.2e} of the cells")
    return worst


def _values(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return np.asarray(file.read(1, masked=True).filled(np.nan), dtype=np.float32)


def main() -> None:
    """Both DEMs, both tasks; ratios of the first in the summary."""
    parser = arguments(__doc__)
    parser.add_argument("--size", type=int, default=4000, help="cells a side")
    parser.add_argument("--rounds", type=int, default=3, help="turns of the local attributes")
    parser.add_argument("--disc-rounds", type=int, default=1, help="turns of the disc, which SAGA takes minutes for")
    parser.add_argument("--keep", type=Path, help="keep DEMs and results here")
    asked = parser.parse_args()
    skip_without(SHARED / "oracles" / "terrain", "shared DEMs")
    if shutil.which("saga_cmd") is None:
        print("skipped: no saga_cmd")
        return
    version = subprocess.run(["saga_cmd", "--version"], capture_output=True, text=True, check=False).stdout.strip().splitlines()[0]
    tables, kernel_rows, checks = [], [], []
    with folder_or_temporary(asked.keep) as root:
        for land, (path, part) in SOURCES.items():
            key = land.split()[0].lower()
            large = write_dem(SHARED / path, part, asked.size, root / key)
            small = write_dem(SHARED / path, part, SMALL, root / f"{key}_small")
            cell = rasterio.open(large / "dem.tif").transform.a
            for name, task in tasks(cell).items():
                if name == "disc" and len(tables) > 1:
                    continue
                rounds = asked.rounds if name == "local" else asked.disc_rounds
                before = os.getloadavg()[0]
                one = measured(large, small, task, asked.workers, rounds)
                one.insert(0, "task", name)
                one.insert(0, "land", land)
                tables.append(one.assign(load_before=before))
                print(tables[-1].to_string(), flush=True)
                checks.append(compare(large, task))
            kernel_rows.append({"land": land, **kernels(large, asked.workers, asked.rounds)})
    table = pd.concat(tables, ignore_index=True)
    ours, theirs = (table[table["tool"] == tool].set_index(["land", "task"]) for tool in ("Edaphic", "SAGA"))
    ratios = pd.DataFrame(
        {column: theirs[column] / ours[column] for column in ("wall_s", "cpu_s", "net_wall_s", "net_cpu_s")}
    ).reset_index()
    ratios["wanted"] = ratios["task"].map(WANTED)
    ratios["kept"] = np.where(ratios["net_cpu_s"].ge(ratios["wanted"]) & ratios["net_wall_s"].ge(ratios["wanted"]), "yes", "NOT KEPT")
    text = [
        f"## Local terrain attributes, {asked.size:,} x {asked.size:,} cells, beside {version}",
        f"`local`: {len(LOCAL)} attributes in one pass; SAGA's three modules make eight of them. `disc`: topographic position in a disc of "
        f"radius {RADIUS} cells. Lowest of {asked.rounds} turns ({asked.disc_rounds} of the disc), {asked.workers} threads, SAGA also with "
        "one (the disc: only with one). `net` is without start-up, which is that of 20 x 20 cells.",
        markdown(table, 2),
        "SAGA's seconds over ours:",
        markdown(ratios, 1),
        "Our kernels on heights in memory, seconds:",
        markdown(pd.DataFrame(kernel_rows), 2),
        f"Of the cells of the common attributes at most {max(checks):.1e} differ by more than rounding.",
    ]
    save(asked.results, "terrain_local", "\n\n".join(text), {"terrain_local": table, "terrain_local_ratios": ratios})


if __name__ == "__main__":
    main()
