"""Dissimilarity index and local point density of every cell of a map, beside nearest-neighbour searches of others in the same run.

Two kinds of predictors. Noise: nothing can be passed over, the hardest case there is. Landscape: smooth fields of six factors and parts of
their own, as covariates are; a million cells, taken as often as needed. Cells come in tiles of a million, in single precision; only the
search is timed. The others get a subset of the same cells, turn by turn with ours; seconds for the whole map are scaled up from
it. DI that differ from those of the trees by more than 1e-8 of their value fail the run (scikit-learn's brute force multiplies
matrices, in which small distances cancel; how far it is off is told).
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from common import CORES, arguments, markdown, save
from scipy import ndimage
from scipy.spatial import cKDTree
from sklearn.neighbors import NearestNeighbors

from edaphic.validate.applicability import Applicability, dissimilarity, dissimilarity_and_density, fit_applicability, is_inside

SIDE = 1_000
TILE = SIDE * SIDE
LIMIT_S = 300.0
TOLERANCE = 1e-8
SEED = 5
BRUTE = "scikit-learn brute"


def main() -> None:
    """Both kinds of predictors: the whole map, then the turns beside the others."""
    parser = arguments(__doc__)
    parser.add_argument("--cells", type=int, default=10_000_000, help="cells of the map")
    parser.add_argument("--training", type=int, default=2_500, help="training samples")
    parser.add_argument("--predictors", type=int, default=20)
    parser.add_argument("--subset", type=int, default=10_000, help="cells that the others get")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    whole, beside = [], []
    for kind, tile_of in (("noise", noise), ("landscape", landscape)):
        rng = np.random.default_rng(SEED)
        tile = tile_of(rng, asked.predictors)
        chosen = rng.choice(TILE, asked.training, replace=False)
        # Folds by compact groups of samples in the space of the predictors, as blocks in space would give.
        fold = np.argsort(np.argsort(tile[chosen, 0])) * 5 // asked.training
        begun = time.perf_counter()
        app = fit_applicability(tile[chosen], None, fold)
        fitted = time.perf_counter() - begun
        dissimilarity_and_density(app, tile[:10])  # compiles
        whole.append({"predictors are": kind, "fit_s": fitted, **map_seconds(app, tile, asked.cells, asked.workers)})
        beside += turns(kind, app, tile[rng.choice(TILE, asked.subset, replace=False)], asked.rounds, asked.workers, asked.cells)
    table, peers = pd.DataFrame(whole), pd.DataFrame(beside)
    limit = LIMIT_S * asked.cells / 1e7
    worst = max(table["di_s"].max(), table["di_and_density_s"].max())
    apart, cancelled = (float(peers.loc[(peers["way"] == BRUTE) == brute, "largest_difference"].max()) for brute in (False, True))
    text = [
        f"## Applicability: {asked.cells:,} cells, {asked.predictors} predictors, {asked.training:,} training samples, "
        f"{asked.workers} threads",
        markdown(table, 2),
        f"At most {limit:.0f} s wanted ({LIMIT_S:.0f} s for ten million cells): {'kept' if worst <= limit else 'NOT KEPT'} "
        f"(longest {worst:.0f} s). Load of the machine at the start: {load:.1f} on {CORES} cores. `_processor_s`: time of all threads on a "
        "processor, which other work stretches less; half of it is about the time of two cores without other work. `memory_mb`: peak "
        f"of the process, with one tile of {TILE:,} cells ({TILE * asked.predictors * 4 / 1e6:.0f} MB); `search_adds_mb`: what the search "
        "added to the peak.",
        f"Beside others, on {asked.subset:,} of the cells, {asked.workers} threads each, median of {asked.rounds} turns. `map_s` is "
        "scaled up. The others give the nearest distance only; their cells are centred and scaled beforehand and not timed.",
        markdown(peers.drop(columns="largest_difference"), 2),
        f"Largest relative difference of the DI from those of the trees: {apart:.1e} "
        f"({'within' if apart <= TOLERANCE else 'NOT WITHIN'} {TOLERANCE:g}); of {BRUTE} from ours: {cancelled:.1e}.",
    ]
    save(asked.results, "applicability", "\n\n".join(text), {"applicability": table, "applicability_peers": peers})
    if apart > TOLERANCE:
        raise SystemExit(f"DI differ by {apart:.1e}; expected at most {TOLERANCE:g}")


def noise(rng: np.random.Generator, predictors: int) -> np.ndarray:
    """Cells without any order, (TILE, predictors)."""
    return rng.standard_normal((TILE, predictors), dtype=np.float32)


def landscape(rng: np.random.Generator, predictors: int) -> np.ndarray:
    """Smooth fields: six factors mixed, and a part of its own for each predictor, (TILE, predictors)."""

    def field(length: float) -> np.ndarray:
        made = ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE), dtype=np.float32), length, mode="wrap")
        return np.asarray(made / made.std())

    factors = [field(length) for length in (40, 30, 20, 10, 6, 3)]
    out = np.empty((TILE, predictors), dtype=np.float32)
    for k in range(predictors):
        share = rng.normal(size=len(factors)) / np.sqrt(len(factors))
        own = field(float(rng.choice([2, 8, 20])))
        out[:, k] = (sum(part * factor for part, factor in zip(share, factors, strict=True)) + 0.4 * own).ravel()
    return out


def map_seconds(app: Applicability, tile: np.ndarray, cells: int, workers: int) -> dict[str, float]:
    """Seconds of all tiles; peak memory of the process in MB."""
    before = peak_mb()
    ways = {"di": dissimilarity, "di_and_density": dissimilarity_and_density}
    taken = {f"{name}_{what}": 0.0 for name in ways for what in ("s", "processor_s")}
    inside = counted = 0
    for start in range(0, cells, TILE):
        some = tile[: min(TILE, cells - start)]
        for name, way in ways.items():
            begun, used = time.perf_counter(), time.process_time()
            found = way(app, some, workers)
            taken[f"{name}_s"] += time.perf_counter() - begun
            taken[f"{name}_processor_s"] += time.process_time() - used
        inside += int(is_inside(app, found[0]).sum())
        counted += int(found[1].sum())
    told = {"inside": inside / cells, "mean_density": counted / cells}
    return {**taken, **told, "memory_mb": peak_mb(), "search_adds_mb": peak_mb() - before}


def turns(kind: str, app: Applicability, cells: np.ndarray, rounds: int, workers: int, whole: int) -> list[dict[str, object]]:
    """Ours and the others on the same cells."""
    there = (cells - app.centre) / app.scale
    tree = cKDTree(app.points)
    kd, brute = (NearestNeighbors(n_neighbors=1, algorithm=how, n_jobs=workers).fit(app.points) for how in ("kd_tree", "brute"))
    ways: dict[str, Callable[[], np.ndarray]] = {
        "ours": lambda: dissimilarity(app, cells, workers) * app.mean_distance,
        "scipy cKDTree": lambda: tree.query(there, workers=workers)[0],
        "scikit-learn kd_tree": lambda: kd.kneighbors(there)[0][:, 0],
        BRUTE: lambda: brute.kneighbors(there)[0][:, 0],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found = {}
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            found[name] = way()
            seconds[name].append(time.perf_counter() - begun)
    ours = statistics.median(seconds["ours"])
    out: list[dict[str, object]] = []
    for name, taken in seconds.items():
        middle = statistics.median(taken)
        far = found["ours"] > 0
        apart = float(np.max(np.abs(found[name] - found["ours"])[far] / found["ours"][far]))
        out.append(
            {
                "predictors are": kind,
                "way": name,
                "subset_s": middle,
                "map_s": middle * whole / len(cells),
                "ours_times_as_fast": middle / ours,
                "largest_difference": apart,
            }
        )
    return out


def peak_mb() -> float:
    """Highest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
