"""kNNDM folds for up to 10,000 samples: seconds and memory, beside a plain implementation with a full matrix of distances.

The samples lie in 60 clumps, the prediction points all over. The plain implementation is what the paper's text gives when it is written
down with NumPy and SciPy: a matrix of all distances, Ward's tree from it, and one search of the matrix for each number of clusters. It
merges clusters in one way, Edaphic in three; the summary takes account of that. W is the area between the cumulative
distributions of distances of held-back samples and of prediction points; less is better. At most five minutes are wanted for 10,000
samples.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from common import CORES, arguments, markdown, save, watched
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, pdist, squareform
from scipy.stats import wasserstein_distance

from edaphic.validate.grouping import EARTH_RADIUS_M, on_sphere, places
from edaphic.validate.knndm import match_folds

WANTED_S = 300
FOLDS = 10
SIZES = (1_000, 3_000, 10_000)
CANDIDATES = 100


def points(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples in clumps and half as many prediction points again, on the sphere, metres."""
    rng = np.random.default_rng(1)
    clumps = 10.0 * rng.random((60, 2))
    samples = clumps[rng.integers(0, 60, count)] + rng.normal(0, 0.15, (count, 2))
    cells = 10.0 * rng.random((count * 3 // 2, 2))
    return on_sphere(*samples.T), on_sphere(*cells.T)


def ours(count: int, clustering: str, workers: int) -> float:
    """W of Edaphic's folds."""
    samples, cells = points(count)
    return match_folds(samples, cells, FOLDS, seed=1, clustering=clustering, radius=EARTH_RADIUS_M, workers=workers).w


def plain(count: int) -> float:
    """W of the best folds by a full matrix; arcs and chords differ by less than one in ten thousand here."""
    samples, cells = points(count)
    condensed = pdist(samples)
    tree, matrix = linkage(condensed, "ward"), squareform(condensed)
    gij = np.concatenate([cdist(part, samples).min(axis=1) for part in np.array_split(cells, 50)])
    centred = samples - samples.mean(axis=0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    best = np.inf
    for clusters in np.unique(np.round(np.geomspace(FOLDS, count - 2, CANDIDATES)).astype(int)):
        label = np.unique(fcluster(tree, clusters, "maxclust"), return_inverse=True)[1]
        rank = np.argsort(np.argsort(np.bincount(label, weights=along) / np.bincount(label)))
        fold = (rank % FOLDS)[label]
        if np.bincount(fold).max() > count / 2:
            continue
        star = np.concatenate([matrix[np.ix_(fold == k, fold != k)].min(axis=1) for k in range(FOLDS)])
        best = min(best, wasserstein_distance(star, gij))
    return float(best)


def dense(count: int) -> float:
    """Places of profiles that all lie within reach of many others."""
    rng = np.random.default_rng(1)
    return float(places(20 + 0.01 * rng.random(count), 41 + 0.01 * rng.random(count), 300.0).max() + 1)


def runs(workers: int) -> dict[str, tuple[int, Callable[[int], float]]]:
    """What is measured: samples and what to do."""
    out: dict[str, tuple[int, Callable[[int], float]]] = {}
    for count in SIZES:
        out[f"Edaphic, hierarchical, {count}"] = count, lambda n: ours(n, "hierarchical", workers)
        out[f"Edaphic, hierarchical, 1 thread, {count}"] = count, lambda n: ours(n, "hierarchical", 1)
        out[f"Edaphic, k-means, {count}"] = count, lambda n: ours(n, "kmeans", workers)
        out[f"plain matrix, {count}"] = count, plain
    out["places within 300 m, 20000"] = 20_000, dense
    return out


def one(name: str, workers: int, path: Path) -> None:
    """Measure one, in a process of its own; what is compiled, is compiled first."""
    count, work = runs(workers)[name]
    work(200)
    begun, used = time.perf_counter(), time.process_time()
    value = work(count)
    path.write_text(json.dumps({"seconds": time.perf_counter() - begun, "processor_s": time.process_time() - used, "w": value}))


def main() -> None:
    """Measure all, save, print."""
    parser = arguments(__doc__)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--to", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        one(asked.one, asked.workers, asked.to)
        return
    rows = []
    with tempfile.TemporaryDirectory(prefix="edaphic_benchmark_") as folder:
        for name in runs(asked.workers):
            to = Path(folder) / "one.json"
            _, _, peak = watched([sys.executable, __file__, "--one", name, "--to", str(to), "--workers", str(asked.workers)])
            told = json.loads(to.read_text())
            what, count = name.rsplit(", ", 1)
            rows.append({"what": what, "samples": int(count), **told, "peak_mb": peak})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    save(asked.results, "knndm", summary(table, asked.workers), {"knndm": table})


def summary(table: pd.DataFrame, workers: int) -> str:
    """The figures in Markdown."""
    folds, dense_row = table[~table["what"].str.startswith("places")].copy(), table[table["what"].str.startswith("places")].iloc[0]
    folds["w_km"] = folds["w"] / 1000
    largest = folds[folds["samples"] == max(SIZES)].set_index("what")
    tree, matrix = largest.loc["Edaphic, hierarchical"], largest.loc["plain matrix"]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    shown = folds[["what", "samples", "seconds", "processor_s", "peak_mb", "w_km"]].round({"seconds": 2, "processor_s": 2, "peak_mb": 0})
    slower, processor, memory = (matrix[what] / tree[what] for what in ("seconds", "processor_s", "peak_mb"))
    return f"""## kNNDM folds

{FOLDS} folds of samples in 60 clumps, half as many prediction points again; {workers} threads unless said. {CORES} shared cores, load
averages at the end {load}. Edaphic tries up to {3 * CANDIDATES} ways to make folds, the plain implementation {CANDIDATES}.

{markdown(shown)}

For {max(SIZES):,} samples: limit {WANTED_S} s, {"kept" if tree["seconds"] <= WANTED_S else "not kept"}. The plain implementation took
{slower:.1f} times as long and {processor:.1f} times the processor time for a third of the ways, and {memory:.1f} times the memory.

Places of 20,000 profiles on one square kilometre, joined within 300 m: {dense_row["seconds"]:.2f} s, {dense_row["peak_mb"]:.0f} MB.
"""


if __name__ == "__main__":
    main()
