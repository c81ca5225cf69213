"""Composites: bands and quality of many scenes to the median NDVI of each cell, beside GRASS.

Made-up scenes of Landsat Collection 2 (stored numbers, 30 % of the cells cloud by QA_PIXEL), as uncompressed tiled GeoTIFFs. `edaphic
indices` makes the median NDVI and the number of observations of them, end to end, with the start of Python, without compression. GRASS
links the same files (`r.external`), computes scaled, masked NDVI of each scene with `r.mapcalc`, then `r.series` makes median and count,
and `r.out.gdal` writes both; of its wall time, start and links are not counted, of its processor time they are. Each runs several
times, one after the other; the best counts. The two results are compared cell by cell.

Memory is the peak of each with its children; that of Edaphic for two bounds of the windows. GDAL's cache of blocks (`GDAL_CACHEMAX`,
64 MB here) and the program itself come on top.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from affine import Affine
from common import arguments, folder_or_temporary, markdown, save, watched

TURNS = 2
NAME = "LC08_L2SP_218074_{}_20200829_02_T1"
GRASS = """
set -e
cd {folder}
for day in $(ls scenes); do
  n=LC08_L2SP_218074_${{day}}_20200829_02_T1
  for part in SR_B4 SR_B5 QA_PIXEL; do r.external --q -o --o input=$PWD/scenes/$day/${{n}}_$part.TIF output=${{part}}_$day; done
done
g.region --q raster=SR_B4_$day
begun=$(date +%s.%N)
maps=""
for day in $(ls scenes); do
  out="SR_B4_$day < 7273 || SR_B4_$day > 43636 || SR_B5_$day < 7273 || SR_B5_$day > 43636"
  r.mapcalc --q --o "n_$day = eval(r = SR_B4_$day * 0.0000275 - 0.2, i = SR_B5_$day * 0.0000275 - 0.2, \\
    if((QA_PIXEL_$day & 31) || $out, null(), (i - r) / (i + r)))"
  maps=$maps${{maps:+,}}n_$day
done
r.series --q --o input=$maps output=median,count method=median,count
r.out.gdal --q --o -f -c input=median output=$PWD/grass_median.tif type=Float32
r.out.gdal --q --o -f -c input=count output=$PWD/grass_count.tif type=UInt16
ended=$(date +%s.%N)
echo "$ended - $begun" | bc > seconds.txt
"""


def make_scenes(folder: Path, scenes: int, side: int) -> None:
    """Write the scenes."""
    random = np.random.default_rng(9)
    transform = Affine(30.0, 0.0, 500000.0, 0.0, -30.0, 4600000.0)
    how = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "uint16", "crs": "EPSG:32634", "transform": transform}
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256}
    for k in range(scenes):
        day = f"{2000 + k // 12}{k % 12 + 1:02d}05"
        (folder / day).mkdir(parents=True)
        parts = {"SR_B4": (8000, 14000), "SR_B5": (12000, 24000)}
        for part, (low, high) in parts.items():
            with rasterio.open(folder / day / f"{NAME.format(day)}_{part}.TIF", "w", nodata=0, **how, **tiles) as file:
                file.write(random.integers(low, high, (1, side, side), dtype=np.uint16))
        quality = random.choice(np.array([21824, 22280], dtype=np.uint16), (1, side, side), p=[0.7, 0.3])
        with rasterio.open(folder / day / f"{NAME.format(day)}_QA_PIXEL.TIF", "w", **how, **tiles) as file:
            file.write(quality)


def ours(folder: Path, memory_mb: int) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak memory of the command."""
    out = folder / "ours"
    shutil.rmtree(out, ignore_errors=True)
    words = ["indices", str(folder / "scenes"), "--statistic", "median", "--indices", "ndvi", "--compress", "none"]
    return watched([sys.executable, "-m", "edaphic", *words, "--memory", str(memory_mb), "-o", str(out)])


def theirs(folder: Path) -> tuple[float, float, float]:
    """Wall seconds of the timed part of GRASS, its processor seconds and its peak memory."""
    script = folder / "grass.sh"
    script.write_text(GRASS.format(folder=folder), encoding="utf-8")
    _, used, peak = watched(["grass", "--tmp-location", "EPSG:32634", "--exec", "bash", str(script)])
    return float((folder / "seconds.txt").read_text()), used, peak


def _best(runs: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    """Least times and largest memory of some runs."""
    wall, used, peak = zip(*runs, strict=True)
    return {"wall_s": min(wall), "processor_s": min(used), "peak_mb": max(peak)}


def compared(folder: Path) -> str:
    """How far the two medians and counts are apart."""
    found = []
    for name in ("ours/ndvi.tif", "grass_median.tif", "ours/count.tif", "grass_count.tif"):
        with rasterio.open(folder / name) as file:
            found.append(file.read(1).astype(np.float64))
    apart = np.abs(found[0] - found[1])
    missing = int((np.isnan(found[0]) != np.isnan(found[1])).sum())
    counts = int((found[2] != found[3]).sum())
    return f"medians differ by {np.nanmax(apart):.2g} at most, {missing} cells have a value in one only, {counts} counts differ"


def main() -> None:
    """Make, run, compare, write."""
    parser = arguments(__doc__)
    parser.add_argument("--scenes", type=int, default=24, help="number of scenes (default 24)")
    parser.add_argument("--side", type=int, default=1500, help="rows and columns (default 1500)")
    asked = parser.parse_args()
    os.environ["GDAL_CACHEMAX"] = "64"
    with folder_or_temporary(None) as folder:
        make_scenes(folder / "scenes", asked.scenes, asked.side)
        ours(folder, 512)  # compiles and fills the cache of files
        programs: dict[str, Callable[[], tuple[float, float, float]]] = {
            "Edaphic, --memory 512": lambda: ours(folder, 512),
            "Edaphic, --memory 64": lambda: ours(folder, 64),
        }
        if shutil.which("grass"):
            programs["GRASS"] = lambda: theirs(folder)
        runs = {name: [run() for _ in range(TURNS)] for name, run in programs.items()}
        rows = [{"program": name, **_best(times)} for name, times in runs.items()]
        said = ""
        if "GRASS" in runs:
            wall, used = (rows[2][key] / rows[0][key] for key in ("wall_s", "processor_s"))
            said = f"GRASS takes {wall:.1f} times the wall time and {used:.1f} times the processor time; {compared(folder)}.\n\n"
    table = pd.DataFrame(rows)
    table["scene_cells_per_s"] = (asked.scenes * asked.side**2 / table["wall_s"]).round(0).astype(int)
    title = f"## Composites: median NDVI of {asked.scenes} scenes of {asked.side} x {asked.side} cells, best of {TURNS}"
    load = f"Load of the machine at the end: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores.\n"
    save(asked.results, "composites", f"{title}\n\n{markdown(table, 1)}\n\n{said}{load}", {"composites": table})


if __name__ == "__main__":
    main()
