"""The compiled forest beside its peers: the same trees, cells and threads, in one run.

A map of 22 covariates, half of them smooth at 15 cells and half white noise, and two depths as features; 500 trees of about 740 leaves on
7,300 rows; three depths. Ways take turns, so that other work on the machine touches all alike; a figure is the median of the rounds. Ours
takes one call for all depths, two threads on halves of the cells; the peers three calls and as many threads:

- scikit-learn's ``predict`` (the mean), and its trees one by one with joblib, followed by NumPy's mean, standard deviation and percentiles;
- ranger's ``predict(predict.all = TRUE)``, timed within R, with nothing after it; a forest of its own with as many leaves;
- the package quantile-forest with all samples of a leaf, on the very forest that ours reads.

Means must equal those of scikit-learn to 1e-12 of their value, and pooled quantiles those of quantile-forest to 1e-9, or the run fails.
"""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numba
import numpy as np
import pandas as pd
from common import HERE, arguments, markdown, save
from numpy.typing import NDArray
from scipy.ndimage import zoom
from sklearn.ensemble import RandomForestRegressor

from edaphic.model.descent import _part
from edaphic.model.forest import Forest, flatten
from edaphic.model.networks import LANES
from edaphic.model.percentiles import fold_trees
from edaphic.model.tally import GROUP, _add, _look_up
from edaphic.model.traverse import Wish, bytes_needed, cell_order, pack, traverse

TOLERANCE = 1e-12
SMOOTH = 15
DEPTHS = np.array([[0, 30], [30, 80], [80, 200]], dtype=np.float32)
INTERVAL = (0.025, 0.975)
LEVELS = (0.05, 0.5, 0.95)
PLATEAU = 369e6
SEED = 7
Way = Callable[[], object]


def main() -> None:
    """Grow the forest, time all ways, write."""
    parser = arguments(__doc__)
    parser.add_argument("--side", type=int, default=256, help="cells along a side of the map")
    parser.add_argument("--training", type=int, default=7_300, help="rows to train on")
    parser.add_argument("--features", type=int, default=22)
    parser.add_argument("--trees", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--few", type=int, default=4_096, help="cells for the slow peers: ranger, quantile-forest")
    parser.add_argument("--packages", type=Path, help="a folder of Python packages that holds quantile-forest")
    asked = parser.parse_args()
    if asked.packages:
        sys.path.append(str(asked.packages))
    x, y, cells = world(asked.training, asked.features, asked.side)
    grower, kind = grow(x, y, asked.trees, asked.workers)
    forest = flatten(grower, x, y, log=False)
    few = cells[:, : asked.few]

    equal = check(grower, forest, few, kind)
    seconds = take_turns(ways_of(grower, forest, cells, asked.workers), asked.rounds)
    seconds |= take_turns(slow_ways(grower, forest, few, asked.workers, kind), asked.rounds)
    count = {name: few.shape[1] if name.endswith("(few)") else cells.shape[1] for name in seconds}
    leaves = len(forest.leaf_mean) / forest.trees
    ranger = with_ranger(x, y, few, asked.trees, leaves, asked.workers, asked.rounds)
    if ranger:
        seconds["ranger: all trees (few)"], count["ranger: all trees (few)"] = ranger[1], few.shape[1]
    us = {name: statistics.median(taken) / count[name] * 1e6 for name, taken in seconds.items()}
    table = pd.DataFrame(
        {"way": name, "us_per_cell": us[name], "lowest": min(taken) / count[name] * 1e6, "highest": max(taken) / count[name] * 1e6}
        for name, taken in seconds.items()
    )
    ratios = ratios_of(us)
    growth = growth_of(forest, cells, asked.workers)
    text = [
        f"## Prediction: {asked.trees} trees of {leaves:.0f} leaves, {asked.training:,} training rows, {asked.features} covariates and two "
        f"depths, {cells.shape[1]:,} cells, three depths, {asked.workers} threads each",
        markdown(table, 2),
        markdown(ratios, 2),
        "Time of ours, mean, spread and interval, by cells and by trees:",
        markdown(growth, 2),
        plateau(us),
        memory(forest),
        bound(forest, few, us, asked.workers),
        equal,
        f"ranger {ranger[0]}." if ranger else "ranger: skipped, R or its package ranger is not installed.",
        "" if kind != "scikit-learn" else "quantile-forest: skipped, not installed (`--packages` names a folder that has it).",
    ]
    tables = {"traverse": table, "traverse_ratios": ratios, "traverse_growth": growth}
    save(asked.results, "traverse", "\n\n".join(part for part in text if part), tables)


def world(rows: int, features: int, side: int) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float32]]:
    """Training rows (profiles of three layers), targets, and the cells of the map, a row for each covariate."""
    rng = np.random.default_rng(SEED)
    wide = max(side, 600)
    planes = [_smooth(rng, wide) if f < features // 2 else rng.normal(size=(wide, wide)) for f in range(features)]
    fields = np.stack(planes).astype(np.float32)
    profiles = -(-rows // 3)
    at = rng.integers(0, wide, (profiles, 2))
    x = np.repeat(fields[:, at[:, 0], at[:, 1]].T, 3, axis=0)[:rows]
    layer = np.tile(DEPTHS, (profiles, 1))[:rows]
    signal = x @ rng.normal(size=features) / np.sqrt(features) + 0.5 * np.sin(2 * x[:, 0]) * x[:, features // 2]
    y = 10 * np.exp(0.6 * signal - 0.15 * np.log(1 + layer.mean(axis=1) / 15) + 0.5 * rng.normal(size=rows))
    order = cell_order(np.ones((side, side), dtype=bool))
    cells = np.ascontiguousarray(fields[:, :side, :side].reshape(features, -1)[:, order])
    return np.column_stack([x, layer]).astype(np.float32), y, cells


def _smooth(rng: np.random.Generator, wide: int) -> NDArray[np.float64]:
    coarse = rng.normal(size=(wide // SMOOTH + 3,) * 2)
    return np.asarray(zoom(coarse, SMOOTH, order=1)[SMOOTH : SMOOTH + wide, SMOOTH : SMOOTH + wide])


def grow(x: NDArray[np.float32], y: NDArray[np.float64], trees: int, workers: int) -> tuple[Any, str]:
    """A forest of quantile-forest, which is one of scikit-learn's with samples kept; or one of scikit-learn."""
    told = {"n_estimators": trees, "max_features": 1 / 3, "min_samples_leaf": 5, "random_state": SEED, "n_jobs": workers}
    if importlib.util.find_spec("quantile_forest") is None:
        return RandomForestRegressor(**told).fit(x, y), "scikit-learn"
    package = importlib.import_module("quantile_forest")
    return package.RandomForestQuantileRegressor(**told, max_samples_leaf=None).fit(x, y), "quantile-forest"


def rows_at(cells: NDArray[np.float32], depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cells at a depth as the peers take them."""
    return np.column_stack([cells.T, np.tile(depth, (cells.shape[1], 1))]).astype(np.float32)


def in_halves(forest: Forest, cells: NDArray[np.float32], depths: NDArray[np.float32], wish: Wish, workers: int) -> list[Any]:
    """Ours, a part of the cells to each thread."""
    parts = np.array_split(np.arange(cells.shape[1]), workers)
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda part: traverse(forest, cells[:, part[0] : part[-1] + 1], depths, wish), parts))


def by_tree(grower: Any, rows: Sequence[NDArray[np.float32]], workers: int) -> list[Any]:
    """Mean, spread and interval from the trees of scikit-learn one by one."""
    out = []
    for part in rows:
        says = np.stack(joblib.Parallel(workers, prefer="threads")(joblib.delayed(tree.predict)(part) for tree in grower.estimators_))
        out.append((says.mean(axis=0), says.std(axis=0), np.quantile(says, INTERVAL, axis=0)))
    return out


def ways_of(grower: Any, forest: Forest, cells: NDArray[np.float32], workers: int) -> dict[str, Way]:
    """What is timed at all cells."""
    rows = [rows_at(cells, depth) for depth in DEPTHS]
    plain = Wish()
    interval = Wish(tree_levels=INTERVAL)
    return {
        "ours: mean and spread, one depth": lambda: in_halves(forest, cells, DEPTHS[:1], plain, workers),
        "ours: mean and spread": lambda: in_halves(forest, cells, DEPTHS, plain, workers),
        "ours: mean, spread, interval, one depth": lambda: in_halves(forest, cells, DEPTHS[:1], interval, workers),
        "ours: mean, spread, interval": lambda: in_halves(forest, cells, DEPTHS, interval, workers),
        "scikit-learn: predict, three calls": lambda: [RandomForestRegressor.predict(grower, part) for part in rows],
        "scikit-learn: trees by joblib alone": lambda: [
            joblib.Parallel(workers, prefer="threads")(joblib.delayed(tree.predict)(part) for tree in grower.estimators_) for part in rows
        ],
        "scikit-learn: trees by joblib, mean, spread, interval": lambda: by_tree(grower, rows, workers),
    }


def slow_ways(grower: Any, forest: Forest, few: NDArray[np.float32], workers: int, kind: str) -> dict[str, Way]:
    """What is timed at few cells: quantiles of the training values."""
    rows = [rows_at(few, depth) for depth in DEPTHS]
    ways: dict[str, Way] = {
        "ours: quantiles (few)": lambda: in_halves(forest, few, DEPTHS, Wish(LEVELS), workers),
        "ours: quantiles, pooled (few)": lambda: in_halves(forest, few, DEPTHS, Wish(LEVELS, leaf="pooled"), workers),
        "ours: quantiles, one value of a leaf (few)": lambda: in_halves(forest, few, DEPTHS, Wish(LEVELS, leaf="one"), workers),
    }
    if kind == "quantile-forest":
        ways["quantile-forest: all samples (few)"] = lambda: [grower.predict(part, quantiles=list(LEVELS)) for part in rows]
    return ways


def take_turns(ways: dict[str, Way], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round; one round before, at full size, compiles and warms."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for name, way in ways.items():
        if name.startswith("ours"):
            way()
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def check(grower: Any, forest: Forest, few: NDArray[np.float32], kind: str) -> str:
    """Ours equals the peers, or the run ends."""
    some = few[:, :500]
    said = traverse(forest, some, DEPTHS, Wish(LEVELS, leaf="pooled" if kind == "quantile-forest" else "all"))
    theirs = np.stack([np.mean([tree.predict(rows_at(some, depth)) for tree in grower.estimators_], axis=0) for depth in DEPTHS])
    apart = float(np.max(np.abs(said.mean - theirs) / np.abs(theirs)))
    if apart > TOLERANCE:
        raise SystemExit(f"means differ by {apart:.1e}; expected at most {TOLERANCE:g}")
    text = f"Largest difference of the means from scikit-learn's trees, relative: {apart:.1e}."
    if kind == "quantile-forest":
        package = np.stack([grower.predict(rows_at(some, depth), quantiles=list(LEVELS)) for depth in DEPTHS])
        off = float(np.max(np.abs(said.quantiles - package) / np.abs(package)))
        if off > 1e-9:
            raise SystemExit(f"pooled quantiles differ by {off:.1e}; expected at most 1e-9")
        text += f" Of pooled quantiles from quantile-forest: {off:.1e}."
    return text


def with_ranger(
    x: NDArray[np.float32], y: NDArray[np.float64], few: NDArray[np.float32], trees: int, leaves: float, workers: int, rounds: int
) -> tuple[str, list[float]] | None:
    """Version and leaves, and seconds for three depths; None where R or ranger is missing."""
    if shutil.which("Rscript") is None or subprocess.run(["Rscript", "-e", "library(ranger)"], capture_output=True, check=False).returncode:
        return None
    with tempfile.TemporaryDirectory(prefix="edaphic_ranger_") as folder:
        np.column_stack([x, y]).astype(np.float64).T.tofile(Path(folder) / "train.bin")
        for d, depth in enumerate(DEPTHS, start=1):
            rows_at(few, depth).astype(np.float64).T.tofile(Path(folder) / f"cells{d}.bin")
        told = [len(x), x.shape[1] + 1, few.shape[1], trees, round(leaves), workers, rounds]
        done = subprocess.run(
            ["Rscript", str(HERE / "ranger_predict.R"), folder, *map(str, told)], capture_output=True, text=True, check=True
        ).stdout.strip().splitlines()[-1].split()
    return f"{done[0]}, {float(done[1]):.0f} leaves a tree", [float(part) for part in done[2:]]


def ratios_of(us: dict[str, float]) -> pd.DataFrame:
    """What must hold, and what was found."""
    mean, all_of_it = us["ours: mean and spread"], us["ours: mean, spread, interval"]
    by_joblib, alone = us["scikit-learn: trees by joblib, mean, spread, interval"], us["scikit-learn: trees by joblib alone"]
    rows = [
        ("mean, spread, interval: scikit-learn's trees by joblib and NumPy, over ours", by_joblib / all_of_it, ">= 10"),
        ("the same without NumPy's statistics", alone / all_of_it, ""),
        ("mean and spread: scikit-learn's predict, over ours", us["scikit-learn: predict, three calls"] / mean, ">= 5"),
        ("mean and spread: three depths over one", mean / us["ours: mean and spread, one depth"], "<= 1.6"),
        ("mean, spread, interval: three depths over one", all_of_it / us["ours: mean, spread, interval, one depth"], "<= 1.6"),
    ]  # fmt: skip
    if "ranger: all trees (few)" in us:
        rows.append(("ranger's predict, all trees, over our mean, spread, interval", us["ranger: all trees (few)"] / all_of_it, ">= 10"))
    if "quantile-forest: all samples (few)" in us:
        peer = us["quantile-forest: all samples (few)"]
        rows.append(("quantile-forest over our quantiles", peer / us["ours: quantiles (few)"], ">= 5"))
        rows.append(("quantile-forest over our pooled quantiles, which equal its own", peer / us["ours: quantiles, pooled (few)"], ">= 5"))
    return pd.DataFrame(rows, columns=["ratio", "found", "must"])


def growth_of(forest: Forest, cells: NDArray[np.float32], workers: int) -> pd.DataFrame:
    """Seconds at three numbers of cells and of trees; the best of two."""
    wish = Wish(tree_levels=INTERVAL)
    sizes = [(cells.shape[1] // part, forest.trees) for part in (4, 2, 1)] + [(cells.shape[1], forest.trees // part) for part in (4, 2)]
    rows = []
    for n, trees in sizes:
        few, some = replace(forest, roots=forest.roots[:trees].copy()), cells[:, :n]
        took = min(take_turns({"ours": partial(in_halves, few, some, DEPTHS, wish, workers)}, 2)["ours"])
        rows.append({"cells": n, "trees": trees, "seconds": took, "ns_per_cell_tree_depth": took / n / trees / len(DEPTHS) * 1e9})
    return pd.DataFrame(rows)


def plateau(us: dict[str, float]) -> str:
    """The time of the whole plateau."""
    minutes = us["ours: mean, spread, interval"] * PLATEAU / 1e6 / 60
    return (
        f"A plateau of {PLATEAU / 1e6:.0f} million cells at that pace, mean, spread and interval of three depths: {minutes:.0f} minutes "
        f"(goal 90), reading and writing not counted; mean and spread {us['ours: mean and spread'] * PLATEAU / 6e7:.0f} minutes."
    )


def memory(forest: Forest) -> str:
    """What is planned for."""
    planned = bytes_needed(forest, 65_536, len(DEPTHS), Wish(tree_levels=INTERVAL)) / 1e6
    return f"Memory of a thread on a tile of 65,536 cells, known beforehand: {planned:.0f} MB with its answers."


def bound(forest: Forest, few: NDArray[np.float32], us: dict[str, float], workers: int) -> str:
    """How far from what the machine can do: each kernel at its own pace in the nearest cache, bytes at the pace of a copy."""
    nodes = pack(forest).nodes
    some = np.ascontiguousarray(few[:, :200])
    visits = _visits(nodes.roots, nodes.threshold, nodes.feature, nodes.right, some, DEPTHS) / some.shape[1]
    says = forest.trees * len(DEPTHS)
    part, add, fold = parting_ns(), adding_ns(), folding_ns()
    plain = (visits * part + says * add) / workers / 1e3
    every = plain + says * fold / workers / 1e3
    # Numbers of leaves are written once and read twice, four sums are read and three written for eight trees, both ends for 64.
    moved = says * (2 * 3 + 8 * 7 / 8 + 2 * 2 * 16 * 4 / 64)
    copy, other = np.ones(50_000_000), np.zeros(50_000_000)
    begun = time.perf_counter()
    np.copyto(copy, other)
    gb_s = 2 * copy.nbytes / (time.perf_counter() - begun) / 1e9
    mean, interval = us["ours: mean and spread"], us["ours: mean, spread, interval"]
    return (
        "Bound, from the kernels, each timed alone in the nearest cache in this run: the ways of a cell down all trees at three depths "
        f"meet {visits:,.0f} splits on covariates, ways that depths share counted once, and parting a list takes {part:.2f} ns a cell; "
        f"each tree and depth takes {add:.2f} ns to look up and add, {fold:.2f} ns to look up and fold into the ends. On {workers} threads "
        f"that makes {plain:.1f} us a cell for mean and spread and {every:.1f} with the interval; measured are {mean:.1f} "
        f"({mean / plain:.2f} times) and {interval:.1f} ({interval / every:.2f} times). Parting sixty-four cells of a dense set at once, "
        "and splits that the least and the greatest value of a block decide, take less than this bound has them take; nodes where few "
        f"cells are left take more. About {moved / 1e3:.0f} kB a cell move, nearly all between caches; in main memory, at the "
        f"{gb_s:.1f} GB/s of a copy in this run, they would take {moved / gb_s / 1e3:.1f} us."
    )


@numba.njit
def _visits(roots, threshold, feature, right, cells, depths):  # type: ignore[no-untyped-def]  # compiled
    """Splits on covariates that cells meet, ways shared by depths counted once."""
    q, n = cells.shape
    met = 0
    stack = np.empty((4096, 2), dtype=np.int64)
    for root in roots:
        for c in range(n):
            stack[0, 0], stack[0, 1] = root, (1 << depths.shape[0]) - 1
            top = 1
            while top > 0:
                top -= 1
                node, mask = stack[top, 0], stack[top, 1]
                while feature[node] >= 0:
                    f = feature[node]
                    if f < q:
                        met += 1
                        node = node + 1 if cells[f, c] <= threshold[node] else np.int64(right[node])
                        continue
                    lower = 0
                    for d in range(depths.shape[0]):
                        lower |= (1 << d) * (depths[d, f - q] <= threshold[node])
                    if mask & lower and mask & ~lower:
                        stack[top, 0], stack[top, 1] = right[node], mask & ~lower
                        top += 1
                        mask &= lower
                    node = node + 1 if mask & lower else np.int64(right[node])
    return met


REPEATS = 50


def pace_ns(kernel: Callable[..., None], told: Sequence[object], count: int) -> float:
    """Nanoseconds for each of so many, of a compiled loop of REPEATS rounds; the best of twenty."""
    kernel(*told)
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        kernel(*told)
        took.append((time.perf_counter() - begun) / REPEATS / count * 1e9)
    return min(took)


def parting_ns() -> float:
    """Nanoseconds that parting takes a cell: lists of 2,048."""
    rng = np.random.default_rng(SEED)
    values, lists = rng.random(4096).astype(np.float32), np.concatenate([rng.permutation(4096)[:2048], np.zeros(2048)]).astype(np.uint16)
    return pace_ns(_part_often, (values, np.float32(0.5), lists), 2048)


def adding_ns() -> float:
    """Nanoseconds that a tree takes a cell: its value looked up, and added to the sums with those of three others."""
    rng = np.random.default_rng(SEED)
    codes, says = rng.integers(0, 740, (GROUP, 256)).astype(np.uint16), np.zeros((GROUP, 1, 256))
    return pace_ns(_add_often, (rng.random(740), codes, says, *(np.zeros((1, 256)) for _ in range(4))), says.size)


def folding_ns() -> float:
    """Nanoseconds that a tree takes a cell: its rank looked up, and folded into the sixteen smallest and greatest with 31 others."""
    rng = np.random.default_rng(SEED)
    table, codes = rng.integers(0, 370_000, 740).astype(np.int32), rng.integers(0, 740, (32, LANES)).astype(np.uint16)
    least, most, spare = np.zeros((16, LANES), np.int32), np.zeros((16, LANES), np.int32), np.zeros((2, LANES), np.int32)
    return pace_ns(_fold_often, (table, codes, np.zeros((32, LANES), np.int32), least, most, spare), codes.size)


@numba.njit
def _part_often(values, limit, lists):  # type: ignore[no-untyped-def]  # compiled
    for _ in range(REPEATS):
        _part(values, limit, lists, 0, 2048, 2048)


@numba.njit
def _add_often(table, codes, says, first, plain, one, two):  # type: ignore[no-untyped-def]  # compiled
    for _ in range(REPEATS):
        for g in range(GROUP):
            _look_up(table, codes[g], says[g, 0])
        _add(says, first, plain, one, two)


@numba.njit
def _fold_often(table, codes, says, least, most, spare):  # type: ignore[no-untyped-def]  # compiled
    for _ in range(REPEATS):
        for t in range(codes.shape[0]):
            _look_up(table, codes[t], says[t])
        fold_trees(says, least, most, spare)


if __name__ == "__main__":
    main()
