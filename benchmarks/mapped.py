"""What the benchmarks of mapping share: a wide ground of virtual rasters over small files, a model trained on it, maps made and watched.

The ground is a square tile of covariates that repeats itself without a seam, as often as asked. Half of the covariates are files of the
cells of the map, half are files of coarser cells (a climate of 1 km under a map of 90 m), which Edaphic brings to the cells of the map as
it reads. Profiles lie in the first tile.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import rasterio
import yaml
from common import LOOKS_PER_S, memory_mb
from numpy.typing import NDArray
from rasterio.transform import from_origin
from scipy.ndimage import gaussian_filter

CRS, WEST, NORTH = "EPSG:32633", 300_000.0, 5_600_000.0
LAYERS = ((0, 30), (30, 60), (60, 100))
PROFILES = 2433
"""Three layers of so many profiles are 7,299 rows."""

SEED = 5

VRT = """<VRTDataset rasterXSize="{size}" rasterYSize="{size}"><SRS>{crs}</SRS>
<GeoTransform>{west}, {cell}, 0, {north}, 0, -{cell}</GeoTransform>
<VRTRasterBand dataType="Float32" band="1"><NoDataValue>nan</NoDataValue>{sources}</VRTRasterBand></VRTDataset>"""
SOURCE = """<SimpleSource><SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>1</SourceBand>
<SourceProperties RasterXSize="{side}" RasterYSize="{side}" DataType="Float32" BlockXSize="256" BlockYSize="256"/>
<SrcRect xOff="0" yOff="0" xSize="{side}" ySize="{side}"/>
<DstRect xOff="{col}" yOff="{row}" xSize="{side}" ySize="{side}"/></SimpleSource>"""


@dataclass(frozen=True)
class Ground:
    """How wide, and of what.

    ``side``: cells along the small files; ``coarse``: cells of the map along a coarse cell; ``smooth``: how far fields are smoothed, in
    cells of their files.
    """

    folder: Path
    side: int = 510
    coarse: int = 15
    covariates: int = 22
    smooth: float = 2.0
    cell_m: float = 90.0

    @property
    def names(self) -> list[str]:
        half = self.covariates // 2
        return [f"near{k:02d}" for k in range(self.covariates - half)] + [f"far{k:02d}" for k in range(half)]

    def rasters(self, repeats: int) -> Path:
        """Folder of the virtual rasters that repeat the small files so often along both sides."""
        folder = self.folder / f"covariates_{repeats}"
        if folder.is_dir():
            return folder
        self._small_files()
        partial = self.folder / f"partial_{repeats}"
        partial.mkdir(parents=True, exist_ok=True)
        for name in self.names:
            ratio = self.coarse if name.startswith("far") else 1
            side = self.side // ratio
            places = [(row * side, col * side) for row in range(repeats) for col in range(repeats)]
            sources = "".join(SOURCE.format(name=f"../small/{name}.tif", side=side, row=row, col=col) for row, col in places)
            text = VRT.format(size=side * repeats, crs=CRS, west=WEST, north=NORTH, cell=self.cell_m * ratio, sources=sources)
            (partial / f"{name}.vrt").write_text(text, encoding="utf-8")
        partial.rename(folder)
        return folder

    def _small_files(self) -> None:
        small = self.folder / "small"
        if small.is_dir():
            return
        partial = self.folder / "partial_small"
        partial.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(SEED)
        for name in self.names:
            ratio = self.coarse if name.startswith("far") else 1
            _write(partial / f"{name}.tif", _field(rng, self.side // ratio, self.smooth), self.cell_m * ratio)
        partial.rename(small)


def _field(rng: np.random.Generator, side: int, smooth: float) -> NDArray[np.float32]:
    """Smoothed noise of unit spread that goes on over its edges."""
    noise = gaussian_filter(rng.normal(size=(side, side)), smooth, mode="wrap")
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def _write(path: Path, values: NDArray[np.float32], cell: float) -> None:
    side = values.shape[0]
    how = dict(driver="GTiff", width=side, height=side, count=1, dtype="float32", crs=CRS, nodata=float("nan"), compress="deflate")
    blocks = dict(tiled=True, blockxsize=256, blockysize=256) if side >= 256 else {}
    with rasterio.open(path, "w", transform=from_origin(WEST, NORTH, cell, cell), **how, **blocks) as out:
        out.write(values, 1)


def train(ground: Ground, trees: int, threads: int, leaf: int = 5) -> Path:
    """The folder of a model trained on profiles of the first tile; one that is there is taken."""
    run = ground.folder / f"run_{trees}_{leaf}"
    model = run / "model" / "forest"
    if not (run / "evidence" / "card.md").is_file():
        path = _recipe(ground, trees, leaf)
        words = [sys.executable, "-m", "edaphic", "run", str(path), "-o", str(run), "--until", "evidence", "--threads", str(threads)]
        subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
    return model


def leaves_a_tree(model: Path) -> float:
    """Leaves of the model's forest over its trees."""
    with np.load(model / "forest.npz") as arrays:
        roots = next(value for name, value in arrays.items() if name.endswith("roots"))
        feature = next(value for name, value in arrays.items() if name.endswith("feature"))
    return float((feature < 0).sum() / roots.size)


def _recipe(ground: Ground, trees: int, leaf: int) -> Path:
    folder = ground.rasters(1)
    _profiles(ground, folder)
    columns = {
        "profile_id": "profile", "x": "x", "y": "y", "top": {"column": "top", "unit": "cm"}, "bottom": {"column": "bottom", "unit": "cm"},
        "soc": {"column": "soc", "unit": "g/kg"}, "bulk_density": {"column": "density", "unit": "g/cm3", "basis": "fine_earth"},
        "coarse_fragments": {"column": "stones", "unit": "vol%"},
    }  # fmt: skip
    told = {
        "edaphic": 1,
        "name": "Ground of the benchmarks of mapping",
        "seed": SEED,
        "grid": {"like": f"covariates_1/{ground.names[0]}.vrt"},
        "profiles": {
            "sources": [{"horizons": "horizons.csv", "sites": "sites.csv", "crs": CRS, "columns": columns}],
            "layers": [f"{top}-{bottom}" for top, bottom in LAYERS],
            "bulk_density": ["measured"],
        },
        "covariates": {"layers": [{"path": "covariates_1/*.vrt"}]},
        "model": {
            "target": "log_soc_density",
            "screen": {"correlation": 1.0},
            "forest": {"trees": trees, "min_samples_leaf": leaf, "max_features": 0.33},
        },
        "evidence": {"designs": ["profile"], "folds": 2, "bootstrap": 20, "cells": 200, "baselines": []},
    }
    path = ground.folder / f"recipe_{trees}_{leaf}.yaml"
    path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    return path


def _profiles(ground: Ground, folder: Path) -> None:
    """Profiles whose carbon follows six of the covariates and depth, with noise."""
    rng = np.random.default_rng(SEED + 1)
    cells = rng.choice(ground.side**2, size=min(PROFILES, ground.side**2 // 4), replace=False)
    row, col = np.divmod(np.sort(cells), ground.side)
    signal = np.zeros(row.size)
    for weight, name in zip((0.4, 0.3, 0.2, 0.4, 0.3, 0.2), (*ground.names[:3], *ground.names[-3:]), strict=True):
        with rasterio.open(folder / f"{name}.vrt") as file:
            ratio = round(file.transform.a / ground.cell_m)
            signal += weight * file.read(1)[row // ratio, col // ratio]
    names = [f"P{number:05d}" for number in range(row.size)]
    sites = {"profile": names, "x": WEST + (col + 0.5) * ground.cell_m, "y": NORTH - (row + 0.5) * ground.cell_m}
    pd.DataFrame(sites).to_csv(ground.folder / "sites.csv", index=False)
    parts = []
    for number, (top, bottom) in enumerate(LAYERS):
        soc = np.exp(2.8 - 0.7 * number + signal * (1 - 0.2 * number) + rng.normal(scale=0.35, size=row.size))
        own = {"profile": names, "top": top, "bottom": bottom, "soc": soc.round(3), "density": 1.2 + 0.1 * number, "stones": 5}
        parts.append(pd.DataFrame(own))
    pd.concat(parts).sort_values(["profile", "top"]).to_csv(ground.folder / "horizons.csv", index=False)


@dataclass
class Watched:
    """A command that was watched: seconds, peak of all its processes, and when it first said a thing."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    said: list[tuple[float, str]] = field(default_factory=list)

    def first(self, what: str, default: float = float("nan")) -> float:
        return next((at for at, line in self.said if re.search(what, line)), default)

    @property
    def start_s(self) -> float:
        """Until the first tile is begun: Python, compiled code, the model, the inputs' hashes."""
        return self.first("computing tile")

    @property
    def tiles_s(self) -> float:
        """From the first tile begun to the last one kept."""
        return self.first("writing maps") - self.start_s

    @property
    def files_s(self) -> float:
        """From the first file to the end."""
        return self.wall_s - self.first("writing maps")

    @property
    def plan(self) -> str:
        """What was planned, in the words of the run."""
        return next((line.split("note: ", 1)[1] for _, line in self.said if "note: " in line and " tiles of " in line), "")


def watch(command: Sequence[str]) -> Watched:
    """Run a command, hear what it says, and look at the memory of all its processes ten times a second."""
    found, ended = Watched(), threading.Event()
    begun, used = time.perf_counter(), _children_s()
    process = subprocess.Popen(list(command), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    def look() -> None:
        while not ended.wait(1 / LOOKS_PER_S):
            found.peak_mb = max(found.peak_mb, memory_mb(process.pid))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    assert process.stderr is not None
    for line in process.stderr:
        found.said.append((time.perf_counter() - begun, line.rstrip()))
    status = process.wait()
    ended.set()
    watcher.join()
    found.wall_s, found.cpu_s = time.perf_counter() - begun, _children_s() - used
    if status != 0:
        raise SystemExit("\n".join([f"ended with status {status}: {' '.join(command)}", *(line for _, line in found.said[-15:])]))
    return found


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def predict_command(model: Path, rasters: Path, out: Path, stats: str, *options: str) -> list[str]:
    """The command line of maps of the three layers from a stored model."""
    layers = ",".join(f"{top}-{bottom}" for top, bottom in LAYERS)
    words = [sys.executable, "-m", "edaphic", "predict", str(model), "--covariates", str(rasters), "--layers", layers, "--stats", stats]
    return [*words, "--like", str(next(iter(sorted(rasters.glob("near*.vrt"))))), "-o", str(out), "--fresh", *options]


def idle() -> str:
    """How busy the machine is, in words."""
    busy = os.getloadavg()[0]
    return f"load {busy:.1f} on {os.cpu_count()} cores as it began, {psutil.virtual_memory().available / 1e9:.0f} GB of memory free"


def maps_of(out: Path) -> dict[str, str]:
    """SHA-256 of the maps, as the run wrote them down."""
    stamps = [json.loads(path.read_text(encoding="utf-8")) for path in (out / ".edaphic").glob("*.json")]
    named = {name: digest for stamp in stamps if isinstance(stamp, dict) for name, digest in stamp.get("outputs", {}).items()}
    return {name: digest for name, digest in sorted(named.items()) if name.endswith(".tif")}
