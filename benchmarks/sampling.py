"""Sampling 200,000 places from 70 rasters: seconds, memory, and plain `rasterio.sample` beside it in the same run.

The rasters are made here: 70 tiled, compressed GeoTIFFs of 4,000 x 4,000 cells in five grids, of three reference systems and four cell
sizes, a tenth of them classes. The places lie evenly over the common region, in no order. Under two minutes are wanted.

Edaphic gives what a map of its grid would have at each place: averages over a cell where a raster is finer, interpolation where it is
coarser. `rasterio.sample` gives the cell of the raster under the place, which is less; it is run on one raster of each grid, with the
places sorted (`rasterio.sample.sort_xy`; unsorted, with `--unsorted`, it is slower), and compared with Edaphic on these rasters alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
from common import CORES, arguments, folder_or_temporary, markdown, save, watched
from pyproj import Transformer
from rasterio.sample import sort_xy

from edaphic.covariates import Source, build, close_rasters, grid_from_bounds

WANTED_S = 120
CELLS = 4000
GRID = ("EPSG:32634", 100.0, (500_000.0, 4_500_000.0, 580_000.0, 4_580_000.0))
KINDS = (
    ("EPSG:32634", 30.0, 480_000.0, 4_600_000.0),
    ("EPSG:4326", 0.0003, 20.9, 41.5),
    ("EPSG:3035", 25.0, 5_236_000.0, 2_114_000.0),
    ("EPSG:32634", 100.0, 400_000.0, 4_700_000.0),
    ("EPSG:4326", 0.002, 18.0, 44.0),
)
"""Reference system, cell size, west and north bound of the rasters, in turn."""


def relief(seed: int) -> np.ndarray:
    """A rough surface in whole numbers: waves of several lengths, and noise."""
    rng = np.random.default_rng(seed)
    across = np.arange(CELLS, dtype=np.float32)
    total = rng.normal(0, 20, (CELLS, CELLS)).astype(np.float32)
    for length in (2000, 700, 230, 60):
        a, b, c = rng.uniform(0.5, 1.5), rng.uniform(0.5, 1.5), rng.uniform(0, 6)
        wave = np.sin(a * across / length * 6.3 + c)[:, None] * np.sin(b * across / length * 6.3)[None, :]
        total += length / 4 * wave.astype(np.float32)
    return total.round().astype(np.int16)


def make(folder: Path, layers: int) -> list[dict[str, str]]:
    """Write the rasters that are not there yet."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda number: _make_one(folder, number), range(layers)))


def _make_one(folder: Path, number: int) -> dict[str, str]:
    crs, cell, west, north = KINDS[number % len(KINDS)]
    path, kind = folder / f"layer_{number:02d}.tif", "class" if number % 10 == 6 else "continuous"
    if not path.is_file():
        values = relief(number)
        values = values if kind == "continuous" else (values // 100 % 12).astype(np.int16)
        values[:40, :40] = -32768
        how = dict(driver="GTiff", width=CELLS, height=CELLS, count=1, dtype="int16", nodata=-32768, compress="deflate", predictor=2)
        place = rasterio.Affine(cell, 0, west, 0, -cell, north)
        with rasterio.open(path, "w", crs=crs, transform=place, tiled=True, blockxsize=256, blockysize=256, **how) as out:
            out.write(values, 1)
    return {"name": path.stem, "path": str(path), "kind": kind}


def places(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of places over the grid."""
    rng = np.random.default_rng(1)
    west, south, east, north = GRID[2]
    x, y = rng.uniform(west, east, count), rng.uniform(south, north, count)
    return Transformer.from_crs(GRID[0], 4326, always_xy=True).transform(x, y)


def ours(listed: list[dict[str, str]], count: int, threads: int) -> dict[str, Any]:
    """Seconds to open the stack and to sample it."""
    lon, lat = places(count)
    begun = time.perf_counter()
    stack = build([Source(**entry) for entry in listed], grid_from_bounds(*GRID))
    opened = time.perf_counter()
    _, reason = stack.sample(lon, lat, threads=threads)
    done = time.perf_counter()
    close_rasters()
    ways = pd.Series([layer.resampling for layer in stack.layers]).value_counts().to_dict()
    return {"open": opened - begun, "sample": done - opened, "complete": float((reason == "").mean()), "ways": ways}


def theirs(listed: list[dict[str, str]], count: int, ordered: bool) -> dict[str, Any]:
    """Seconds of `rasterio.sample`, with the places brought to the reference system of each raster."""
    lon, lat = places(count)
    begun = time.perf_counter()
    for entry in listed:
        with rasterio.open(entry["path"]) as dataset:
            x, y = Transformer.from_crs(4326, dataset.crs, always_xy=True).transform(lon, lat)
            where = list(zip(x.tolist(), y.tolist(), strict=True))
            np.array(list(dataset.sample(sort_xy(where) if ordered else where)))
    return {"sample": time.perf_counter() - begun}


def work(told: str) -> None:
    """One measurement, in a process of its own."""
    job = json.loads(told)
    listed, count = job["layers"], job["count"]
    if job["warm"]:
        ours(listed[: len(KINDS)] + listed[6:7], 50, 1)  # compiled code is loaded, or compiled the first time
    found = ours(listed, count, job["threads"]) if job["who"] == "ours" else theirs(listed, count, job["who"] == "sorted")
    Path(job["out"]).write_text(json.dumps(found), encoding="utf-8")


def measure(folder: Path, who: str, layers: list[dict[str, str]], count: int, threads: int) -> dict[str, Any]:
    """Run one measurement; its figures, and the peak memory of its process."""
    out = folder / "measured.json"
    job = {"who": who, "layers": layers, "count": count, "threads": threads, "out": str(out), "warm": who == "ours"}
    _, _, peak_mb = watched([sys.executable, __file__, "--work", json.dumps(job)])
    return {**json.loads(out.read_text(encoding="utf-8")), "peak_mb": peak_mb}


def main() -> None:
    """Make the rasters, measure, write the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--work", help="used by the script itself")
    parser.add_argument("--layers", type=int, default=70)
    parser.add_argument("--places", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--unsorted", action="store_true", help="also with unsorted places")
    parser.add_argument("--rasters", type=Path, help="keep the rasters here (default: thrown away)")
    asked = parser.parse_args()
    if asked.work:
        work(asked.work)
        return
    with folder_or_temporary(asked.rasters) as folder:
        listed = make(folder, asked.layers)
        size_gb = sum(Path(entry["path"]).stat().st_size for entry in listed) / 1e9
        few = listed[: len(KINDS)]
        runs = {
            "Edaphic, all rasters, 2 threads": ("ours", listed, 2),
            "Edaphic, all rasters, 1 thread": ("ours", listed, 1),
            f"Edaphic, {len(few)} rasters, 1 thread": ("ours", few, 1),
            f"rasterio.sample, {len(few)} rasters, sorted": ("sorted", few, 1),
        }
        if asked.unsorted:
            runs[f"rasterio.sample, {len(few)} rasters, unsorted"] = ("plain", few, 1)
        best: dict[str, dict[str, Any]] = {}
        for number in range(asked.rounds):
            for name, (who, layers, threads) in runs.items():
                if number and who != "ours":
                    continue
                found = measure(folder, who, layers, asked.places, threads)
                if name not in best or found["sample"] < best[name]["sample"]:
                    best[name] = found
    report(asked.results, best, len(listed), asked.places, size_gb, asked.rounds)


def report(results: Path, best: dict[str, dict[str, Any]], layers: int, places: int, size_gb: float, rounds: int) -> None:
    """The page of results."""
    table = pd.DataFrame([{"what": name, "seconds": found["sample"], "peak memory, MB": found["peak_mb"]} for name, found in best.items()])
    names = list(best)
    whole, few, ordered = (best[names[number]]["sample"] for number in (0, 2, 3))
    first = best[names[0]]
    ways = ", ".join(f"{count} {way}" for way, count in sorted(first["ways"].items()))
    load = subprocess.run(["uptime"], capture_output=True, text=True, check=False).stdout.split("load average:")[-1].strip()
    lines = [
        f"## {places:,} places from {layers} rasters",
        f"{layers} tiled GeoTIFFs of {CELLS:,} x {CELLS:,} cells, deflate, {size_gb:.1f} GB together, on a grid of 100 m ({ways}). Local "
        f"files that the machine had read before; the better of {rounds} runs, `rasterio.sample` once. {CORES} shared cores, "
        f"load averages at the end {load}.",
        markdown(table, 1),
        f"Limit: {WANTED_S} s, {'kept' if whole < WANTED_S else 'not kept'}. Opening the rasters took {first['open']:.1f} s more. "
        f"{first['complete']:.1%} of the places have a value of every raster. On the same rasters, with one thread, `rasterio.sample` "
        f"took {ordered / few:.1f} times as long; it only looks up the cell under the place.",
    ]
    save(results, "sampling", "\n\n".join(lines), {"sampling": table})


if __name__ == "__main__":
    main()
