"""Climate splines: 2,400 stations and 21 fields to a grid of a million cells, beside the R package fields.

The stations, their fields and the elevation are made up. Both sides get the same coordinates (degrees, elevation in km), so their surfaces
can be compared. Ours makes all fields at once: one factorisation, then every cell of the grid (coordinates and elevation included). The
peer makes each field by itself: `Tps` with GCV, then `predict`. It is measured on few fields and on a part of the cells, at two sizes,
and scaled up to 21 fields and a million cells; the table says so. At least 20 times faster prediction is wanted.

The command line is then run as a process of its own, with uncompressed output and with bounds of memory, and watched from outside.
"""

from __future__ import annotations

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
PART = (5_000, 10_000)
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
  fit <- c(fit, made[3], made[1] + made[2])
  for (n in parts) { took <- system.time(p <- one(seq_len(n))); pred <- c(pred, took[3], took[1] + took[2]) }
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


def ours(folder: Path, elevation: str) -> tuple[Model, dict[str, float]]:
    """Wall and processor seconds of fitting all fields, and of all fields at all cells."""
    stations = read_stations(folder / "stations.csv", [f"f{k + 1:02d}" for k in range(FIELDS)], period=Period())
    dem = open_layer(Source("elevation", folder / "dem.tif"), grid_like(folder / "dem.tif"))
    how = How(elevation="linear" if elevation == "linear" else "spline", metric="degrees")
    fit_climate(stations.keep(np.arange(STATIONS) < 50, ""), how).predict([1.0], [44.0], [0.0])  # compiled
    begun = time.perf_counter(), time.process_time()
    model = fit_climate(stations, how)
    fitted = time.perf_counter(), time.process_time()
    for _ in blocks(model, dem):
        pass
    ended = time.perf_counter(), time.process_time()
    names = ("fit_s", "fit_processor_s", "grid_s", "grid_processor_s")
    return model, dict(zip(names, (*np.subtract(fitted, begun), *np.subtract(ended, fitted)), strict=True))


def peer(folder: Path, elevation: str, fields: int) -> tuple[str, np.ndarray, np.ndarray, pd.DataFrame] | None:
    """Version; wall and processor seconds of fits (field) and of predictions (field, size); the predictions. None without R and fields."""
    if shutil.which("Rscript") is None:
        return None
    script, back = folder / "peer.R", folder / "peer.csv"
    script.write_text(PEER)
    words = ["Rscript", str(script), str(folder / "stations.csv"), str(folder / "cells.csv"), elevation, str(back)]
    ran = subprocess.run([*words, ",".join(map(str, PART)), str(fields)], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        print(ran.stderr)
        return None
    told = next(line for line in ran.stdout.splitlines() if line.startswith("TOLD"))[5:].strip().split(";")
    fits, predictions = (np.array([float(x) for x in part.split(",")]) for part in told[1:])
    return told[0], fits.reshape(-1, 2), predictions.reshape(-1, len(PART), 2), pd.read_csv(back)


def compare(folder: Path, elevation: str, turns: int, fields: int) -> dict[str, object]:
    """Both sides in turn; the least time of each."""
    mine, fits, predictions, version, apart = [], [], [], "", float("nan")
    for _ in range(turns):
        model, seconds = ours(folder, elevation)
        mine.append(seconds)
        there = peer(folder, elevation, fields)
        if there is not None:
            version = there[0]
            fits.append(there[1].min(axis=0))
            predictions.append(there[2].min(axis=0))
            cells = pd.read_csv(folder / "cells.csv").head(len(there[3]))
            here = model.predict(cells.lon, cells.lat, cells.elevation_m)[:, :fields]
            apart = float(np.abs(here - there[3].to_numpy()).max())
    least = {name: min(one[name] for one in mine) for name in mine[0]}
    row: dict[str, object] = {"model": MODELS[elevation], **{f"all_fields_{name}": value for name, value in least.items()}}
    if version:
        fit, prediction = np.min(fits, axis=0), np.min(predictions, axis=0)
        scaled = prediction[-1] / PART[-1] * SIDE**2 * FIELDS
        row |= {"peer": f"fields {version} (R)", "peer_fit_one_field_s": fit[0], "peer_fit_one_field_processor_s": fit[1]}
        row |= {f"peer_{size}_cells_one_field_s": prediction[k, 0] for k, size in enumerate(PART)}
        row |= {f"peer_{size}_cells_one_field_processor_s": prediction[k, 1] for k, size in enumerate(PART)}
        row |= {
            "peer_grid_all_fields_scaled_s": scaled[0],
            "grid_ratio": scaled[0] / least["grid_s"],
            "grid_ratio_processor": scaled[1] / least["grid_processor_s"],
            "fit_ratio": fit[0] * FIELDS / least["fit_s"],
            "fit_ratio_processor": fit[1] * FIELDS / least["fit_processor_s"],
            "largest_difference": apart,
        }
    print(row, flush=True)
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
    parser = arguments(__doc__)
    parser.add_argument("--turns", type=int, default=2, help="turns of both sides, of which the least time counts")
    parser.add_argument("--peer-fields", type=int, default=2, help="fields that the peer makes")
    parser.add_argument("--only-compare", action="store_true", help="keep the figures of the command line that are there")
    asked = parser.parse_args()
    with folder_or_temporary(None) as folder:
        make(folder)
        load = [round(value, 1) for value in os.getloadavg()][:1]
        rows = pd.DataFrame([compare(folder, elevation, asked.turns, asked.peer_fields) for elevation in MODELS])
        load += [round(value, 1) for value in os.getloadavg()][:1]
        kept = asked.results / "climate_runs.csv"
        runs = pd.read_csv(kept) if asked.only_compare else pd.DataFrame([end_to_end(folder, bound) for bound in BOUNDS])
    text = [
        f"## Climate splines: {STATIONS:,} stations, {FIELDS} fields, {SIDE * SIDE:,} cells",
        f"Two threads for the grid, one for the equations; the least of {asked.turns} turn(s), beside the peer. The peer was run on "
        f"{asked.peer_fields} field(s), one by one, and on {PART[0]:,} and {PART[1]:,} cells; its time for all is that of the latter "
        f"x {SIDE**2 // PART[1]} x {FIELDS}. The load of the two cores with other work was {load[0]} to {load[1]}: "
        "processor seconds are firmer than wall seconds.",
        markdown(rows.T.reset_index().set_axis(["what", *MODELS.values()], axis=1).iloc[1:], 3),
        f"A grid at least {WANTED:.0f} times faster is wanted. The difference is the largest between the surfaces, each with the "
        "smoothing of its side (the fields have a spread of about 5).",
        "`edaphic climate` as a process, elevation linear, no stations withheld, uncompressed files:",
        markdown(runs, 3),
    ]
    save(asked.results, "climate", "\n\n".join(text), {"climate": rows, "climate_runs": runs})


if __name__ == "__main__":
    main()
