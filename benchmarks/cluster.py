"""The same maps by two threads, by two Dask workers, and by a scheduler with two workers that was started by itself.

``edaphic predict`` with one stored model; the maps' SHA-256 must be the same three times, or the script fails. Each way takes its turn in
each round, so that other work on the machine touches all alike, and the least of its times counts. What is compared is the stage of maps:
from the first tile begun to the last file written, with the start and end of the workers in it. Two workers should be within 15 % of two
threads once the stage takes about two minutes; what their start costs is stated apart, for on a short stage it is most of the difference.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from common import arguments, folder_or_temporary, markdown, save
from mapped import Ground, Watched, idle, leaves_a_tree, maps_of, predict_command, train, watch

STATS = "mean,spread,tree_q025,tree_q975"
LIMIT = 1.15
ALONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
START = """
import sys, time
begun = time.perf_counter()
from distributed import Client, LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=int(sys.argv[1]), threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster:
        with Client(cluster) as client:
            client.run(__import__, "edaphic.mapping.predict")
            print(time.perf_counter() - begun)
"""


@contextmanager
def scheduler(place: Path, workers: int) -> Iterator[str]:
    """A scheduler and its workers, as a user starts them; gives the address."""
    file, tell = place / "scheduler.json", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": os.environ | ALONE}
    file.unlink(missing_ok=True)
    dask = [sys.executable, "-m", "dask"]
    crew = [subprocess.Popen([*dask, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)], **tell)]
    try:
        deadline = time.monotonic() + 60
        while not file.is_file() or not file.read_text(encoding="utf-8").strip():
            if time.monotonic() > deadline or crew[0].poll() is not None:
                raise SystemExit("the scheduler did not start")
            time.sleep(0.1)
        words = ["worker", "--scheduler-file", str(file), "--nworkers", str(workers), "--nthreads", "1", "--memory-limit", "0"]
        crew.append(subprocess.Popen([*dask, *words, "--no-dashboard", "--local-directory", str(place)], **tell))
        yield str(json.loads(file.read_text(encoding="utf-8"))["address"])
    finally:
        for process in reversed(crew):
            process.terminate()
        for process in crew:
            process.wait(timeout=60)


def start_cost(workers: int) -> float:
    """Seconds from nothing to workers that have loaded what tiles need."""
    said = subprocess.run([sys.executable, "-c", START, str(workers)], capture_output=True, text=True, check=True)
    return float(said.stdout.split()[-1])


def once(model: Path, rasters: Path, out: Path, *where: str) -> tuple[Watched, dict[str, str]]:
    found = watch(predict_command(model, rasters, out, STATS, *where))
    maps = maps_of(out)
    shutil.rmtree(out)
    return found, maps


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--side", type=int, default=510, help="cells along the small files, a multiple of 15")
    parser.add_argument("--repeats", type=int, default=5, help="times that they repeat: about two minutes with 500 trees (default 5)")
    parser.add_argument("--trees", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, help="keep ground and model here")
    asked: argparse.Namespace = parser.parse_args()
    began, many = idle(), str(asked.workers)
    rows, bits = [], {}
    with folder_or_temporary(asked.out) as place:
        ground = Ground(place / "linear", side=asked.side)
        model, rasters, out = train(ground, asked.trees, asked.workers), ground.rasters(asked.repeats), place / "cluster_maps"
        once(model, ground.rasters(1), out, "--threads", many)  # compiles
        starts = start_cost(asked.workers)
        for turn in range(asked.rounds):
            for way in ("threads", "workers", "scheduler"):
                if way == "scheduler":
                    with scheduler(place, asked.workers) as address:
                        found, maps = once(model, rasters, out, "--scheduler", address)
                else:
                    found, maps = once(model, rasters, out, f"--{way}", many)
                bits[way, turn] = maps
                rows.append({"round": turn + 1, "way": f"{many} {way}" if way != "scheduler" else f"--scheduler, {many} workers",
                             "stage_s": found.tiles_s + found.files_s, "tiles_s": found.tiles_s, "files_s": found.files_s,
                             "wall_s": found.wall_s, "cpu_s": found.cpu_s, "peak_mb": found.peak_mb})  # fmt: skip
        leaves = leaves_a_tree(model)
    table = pd.DataFrame(rows)
    best = table.groupby("way", sort=False, as_index=False)[["stage_s", "tiles_s", "files_s", "wall_s"]].min()
    best["to threads"] = best["stage_s"] / best["stage_s"].iloc[0]
    same = all(maps == bits["threads", 0] and maps for maps in bits.values())
    cells = (asked.side * asked.repeats) ** 2
    text = [
        "## Threads and Dask workers",
        f"{cells / 1e6:.1f} million cells, three depths, mean, spread and 95 % interval of the trees, {asked.trees} trees of {leaves:.0f} "
        f"leaves, {ground.covariates} covariates. The stage of maps, the least of {asked.rounds} rounds. {began}.",
        markdown(best, 2),
        f"The files are {'the same, byte by byte' if same else 'NOT THE SAME'} ({len(bits['threads', 0])} maps). To start {many} workers "
        f"until they have loaded what tiles need takes {starts:.1f} s, by itself; it is in the time of --workers, and outside that of "
        f"--scheduler. Two workers should be within {LIMIT:.2f} of the threads: {best['to threads'].iloc[1]:.2f} here, with a stage of "
        f"{best['stage_s'].iloc[0]:.0f} s.",
    ]
    save(asked.results, "cluster", "\n\n".join(text), {"cluster": table})
    if not same:
        raise SystemExit("maps differ between threads and workers")


if __name__ == "__main__":
    main()
