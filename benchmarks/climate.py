"""Climate splines: 2,400 stations and 21 fields to a grid of a million cells, beside the R package fields.

The stations, their fields and the elevation are made up. Both sides get the same coordinates (degrees, elevation in km), so their surfaces
can be compared. Ours makes all fields at once: one factorisation, then every cell of the grid (coordinates and elevation included). The
peer makes each field by itself: `Tps` with GCV, then `predict`. It is measured on two fields and on a part of the cells, at two sizes, and
scaled up to 21 fields and a million cells; the table says so. At least 20 times faster prediction is wanted.

The command line is then run as a process of its own, with uncompressed output and with bounds of memory, and watched from outside.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from affine import Affine
from common import arguments, folder_or_temporary, markdown, save, watched

from edaphic.covariates import Source, grid_like, open_layer
from edaphic.covariates.climate import How, Period, blocks, fit_climate, read_stations
from edaphic.covariates.climate.model import Model

STATIONS, FIELDS, SIDE = 2_400, 21, 1_000
PART = (10_000, 20_000)
PEER_FIELDS = 2
TURNS = 2
WANTED = 20.0
BOUNDS = ("900MB", "1.3GB", None)
MODELS = {"linear": "elevation as linear part", "spline": "elevation as third coordinate"}
PEER = """
suppressMessages(library(fields))
told <- commandArgs(trailingOnly = TRUE)
s <- read.csv(told[1]); g <- read.csv(told[2]); parts <- as.integer(strsplit(told[5], ",")[[1]]); fields <- as.integer(told[6])
version <- as.character(packageVersion("fields")); fit <- c(); pred <- c(); values <- list()
for (k in seq_len(fields)) {
  y <- s[[sprintf("f%02d", k)]]
  if (told[3] == "linear") {
    made <- system.time(m <- suppressWarnings(Tps(s[, c("lon", "lat")], y, Z = s$elevation_m / 1000,
      method = "GCV", scale.type = "unscaled")))
    one <- function(i) predict(m, g[i, c("lon", "lat")], Z = g$elevation_m[i] / 1000)
  } else {
    x <- cbind(s$lon, s$lat, s$elevation_m / 1000); cells <- cbind(g$lon, g$lat, g$elevation_m / 1000)
    made <- system.time(m <- suppressWarnings(Tps(x, y, method = "GCV", scale.type = "unscaled")))
    one <- function(i) predict(m, cells[i, ])
  }
  fit <- c(fit, made[3])
  for (n in parts) pred <- c(pred, system.time(p <- one(seq_len(n)))[3])
  values[[k]] <- as.vector(p)
}
write.csv(do.call(cbind, values), told[4], row.names = FALSE)
cat("TOLD", paste(c(version, paste(fit, collapse = ","), paste(pred, collapse = ",")), collapse = ";"), "\\n")
"""


def land(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Elevation in m."""
    ridges = np.abs(np.sin(1.3 * lon + 0.4 * lat)) * 900 + np.abs(np.cos(2.9 * lat - 0.7 * lon)) * 600
    return 50 + ridges + 25 * np.sin(17 * lon) * np.cos(19 * lat)


def make(folder: Path) -> None:
    """Stations and DEM."""
    rng = np.random.default_rng(11)
    lon, lat = rng.uniform(0, 10, STATIONS), rng.uniform(42, 52, STATIONS)
    metres = land(lon, lat)
    table = {"lon": lon, "lat": lat, "elevation_m": metres}
    for k in range(FIELDS):
        wave = np.sin((0.6 + 0.1 * k) * lon + k) * np.cos(0.9 * lat - k)
        table[f"f{k + 1:02d}"] = 20 - k - (0.004 + 1e-4 * k) * metres + 3 * wave + 0.4 * rng.standard_normal(STATIONS)
    pd.DataFrame(table).to_csv(folder / "stations.csv", index=False, float_format="%.9g")
    cell = 10 / SIDE
    across, down = np.meshgrid(cell * (np.arange(SIDE) + 0.5), 52 - cell * (np.arange(SIDE) + 0.5))
    how = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    with rasterio.open(folder / "dem.tif", "w", transform=Affine(cell, 0, 0, 0, -cell, 52), **how) as file:
        file.write(land(across, down).astype(np.float32), 1)
    with rasterio.open(folder / "dem.tif") as file:
        stored = file.read(1).astype(np.float64)
    which = np.linspace(0, SIDE * SIDE - 1, max(PART)).astype(int)
    part = pd.DataFrame({"lon": across.ravel()[which], "lat": down.ravel()[which], "elevation_m": stored.ravel()[which]})
    part.to_csv(folder / "cells.csv", index=False, float_format="%.12g")


def ours(folder: Path, elevation: str) -> tuple[Model, float, float]:
    """Seconds of fitting all fields, and of all fields at all cells."""
    stations = read_stations(folder / "stations.csv", [f"f{k + 1:02d}" for k in range(FIELDS)], period=Period())
    dem = open_layer(Source("elevation", folder / "dem.tif"), grid_like(folder / "dem.tif"))
    begun = time.perf_counter()
    model = fit_climate(stations, How(elevation="linear" if elevation == "linear" else "spline", metric="degrees"))
    fitted = time.perf_counter()
    for _ in blocks(model, dem):
        pass
    return model, fitted - begun, time.perf_counter() - fitted


def peer(folder: Path, elevation: str) -> tuple[str, list[float], list[float], pd.DataFrame] | None:
    """Version, seconds of fits and of predictions (each size for each field), and the predictions; None without R and fields."""
    if shutil.which("Rscript") is None:
        return None
    script, back = folder / "peer.R", folder / "peer.csv"
    script.write_text(PEER)
    words = ["Rscript", str(script), str(folder / "stations.csv"), str(folder / "cells.csv"), elevation, str(back)]
    ran = subprocess.run([*words, ",".join(map(str, PART)), str(PEER_FIELDS)], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        print(ran.stderr)
        return None
    version, fit, pred = next(line for line in ran.stdout.splitlines() if line.startswith("TOLD"))[5:].strip().split(";")
    return version, [float(x) for x in fit.split(",")], [float(x) for x in pred.split(",")], pd.read_csv(back)


def compare(folder: Path, elevation: str) -> dict[str, object]:
    """Both sides in turn; the least time of each."""
    fits, grids, peer_fits, peer_small, peer_large = [], [], [], [], []
    apart, version = float("nan"), ""
    for _ in range(TURNS):
        model, fit_s, grid_s = ours(folder, elevation)
        fits.append(fit_s)
        grids.append(grid_s)
        there = peer(folder, elevation)
        if there is None:
            continue
        version, their_fits, their_predictions, values = there
        peer_fits += their_fits
        peer_small += their_predictions[::2]
        peer_large += their_predictions[1::2]
        cells = pd.read_csv(folder / "cells.csv")
        here = model.predict(cells.lon, cells.lat, cells.elevation_m)[:, :PEER_FIELDS]
        apart = float(np.abs(here - values.to_numpy()).max())
    row: dict[str, object] = {"model": MODELS[elevation], "fit_21_fields_s": min(fits), "grid_21_fields_s": min(grids)}
    if version:
        scaled = min(peer_large) / PART[1] * SIDE**2 * FIELDS
        row |= {
            "peer": f"fields {version} (R)",
            "peer_fit_1_field_s": min(peer_fits),
            f"peer_{PART[0]}_cells_s": min(peer_small),
            f"peer_{PART[1]}_cells_s": min(peer_large),
            "peer_grid_21_fields_scaled_s": scaled,
            "grid_ratio": scaled / min(grids),
            "fit_ratio": min(peer_fits) * FIELDS / min(fits),
            "largest_difference": apart,
        }
    return row


def end_to_end(folder: Path, bound: str | None) -> dict[str, object]:
    """The command line as a process, plain output."""
    out = folder / f"maps_{bound}"
    words = [sys.executable, "-m", "edaphic", "climate", str(folder / "stations.csv"), "--dem", str(folder / "dem.tif"), "-o", str(out)]
    words += [word for k in range(FIELDS) for word in ("--value", f"f{k + 1:02d}")] + ["--withhold", "0", "--compress", "none"]
    words += ["--memory", bound] if bound else []
    seconds, processor, peak = watched(words)
    with rasterio.open(out / "f21.tif") as file:
        value = float(file.read(1)[500, 500])
    shutil.rmtree(out)
    return {"bound": bound or "none", "seconds": seconds, "processor_s": processor, "peak_memory_mb": peak, "cell_500_500_of_f21": value}


def main() -> None:
    """Measure, then write."""
    asked = arguments(__doc__).parse_args()
    with folder_or_temporary(None) as folder:
        make(folder)
        ours(folder, "linear")  # compiled, and read once
        runs = pd.DataFrame([end_to_end(folder, bound) for bound in BOUNDS])
        print(runs.to_string(), flush=True)
        rows = pd.DataFrame([compare(folder, elevation) for elevation in MODELS])
    load = json.dumps([round(value, 1) for value in os.getloadavg()])
    text = [
        f"## Climate splines: {STATIONS:,} stations, {FIELDS} fields, {SIDE * SIDE:,} cells",
        f"Two threads for the grid, one thread of linear algebra; the least of {TURNS} turns, in turn with the peer. The peer was run on "
        f"{PEER_FIELDS} fields, one by one, and on {PART[0]:,} and {PART[1]:,} cells; its time for all is the time of {PART[1]:,} cells "
        f"x {SIDE**2 // PART[1]} x {FIELDS}. The load of the machine at the end was {load}.",
        markdown(rows.T.reset_index().set_axis(["what", *MODELS.values()], axis=1).iloc[1:], 2),
        f"Grid at least {WANTED:.0f} times faster is wanted. The difference is the largest of both sides' surfaces where the smoothing is "
        "chosen by each side (the fields have a spread of about 5).",
        "`edaphic climate` as a process, elevation linear, no stations withheld, uncompressed files:",
        markdown(runs, 3),
    ]
    save(asked.results, "climate", "\n\n".join(text), {"climate": rows, "climate_runs": runs})


if __name__ == "__main__":
    main()
