"""Mapping at scale: the memory of a wide map, and how time grows with cells and trees.

``--only wide``: a map of 20,000 x 20,000 cells, three depths and five statistics, by a forest of ten trees, from covariates that are
virtual rasters over small files, with ``--memory 4GB``. The peak is that of all processes together, seen from outside ten times a second
as resident memory; it must stay below what was promised, or the script fails. The fields are smooth and the trees small, which spares the
disk; neither changes how many cells are read, kept and written.

``--only linear``: seconds of ``edaphic predict`` from start to finished files (mean, spread and the 95 % interval of the trees, three
depths, 22 covariates of which half have cells 15 times coarser, 500 trees of about 740 leaves) for three numbers of cells, and for three
numbers of trees. A line is fitted to each by least squares; its residuals tell how straight it is. The time of the plateau, 369 million
cells, is the slope by cells times their number, plus the intercept: an extrapolation, which is why the residuals stand beside it.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from common import CORES, arguments, folder_or_temporary, markdown, save
from mapped import Ground, Watched, idle, leaves_a_tree, maps_of, predict_command, train, watch

from edaphic.mapping.place import read_memory

PLATEAU, GOAL_MIN = 369e6, 90
FIVE = "mean,q05,q50,q95,spread"
INTERVAL = "mean,spread,tree_q025,tree_q975"


def wide(asked: argparse.Namespace, place: Path) -> tuple[str, pd.DataFrame, bool]:
    """One wide map under a bound of memory."""
    ground = Ground(place / "wide", side=asked.wide_side // asked.wide_repeats, coarse=20, covariates=12, smooth=40.0)
    repeats = asked.wide_repeats
    model = train(ground, asked.wide_trees, asked.workers, leaf=40)
    rasters, out = ground.rasters(repeats), place / "wide_maps"
    began = idle()
    where = ("--threads", str(asked.workers)) if not asked.processes else ("--workers", str(asked.processes))
    found = watch(predict_command(model, rasters, out, FIVE, *where, "--memory", asked.memory))
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    bound = (read_memory(asked.memory) or 0) / 1e6
    good = found.peak_mb < bound
    cells = (ground.side * repeats) ** 2
    row = {"cells": cells, "maps": len(maps_of(out)), "wall_s": found.wall_s, "cpu_s": found.cpu_s, "tiles_s": found.tiles_s,
           "files_s": found.files_s, "peak_mb": found.peak_mb, "promised_mb": bound, "disk_mb": size}  # fmt: skip
    text = (
        f"{ground.side * repeats:,} x {ground.side * repeats:,} cells, {row['maps']} maps (three depths, five statistics), "
        f"{asked.wide_trees} trees of {leaves_a_tree(model):.0f} leaves, {ground.covariates} covariates as virtual rasters "
        f"of {repeats**2} parts over small files; {' '.join(where)} --memory {asked.memory}. Peak of all processes {found.peak_mb:,.0f} MB "
        f"({'below' if good else 'NOT BELOW'} the {bound:,.0f} MB promised); {found.wall_s / 60:.1f} minutes, of which "
        f"{found.tiles_s / 60:.1f} for the tiles and {found.files_s / 60:.1f} for the files; {size:,.0f} MB of maps. The plan: "
        f"{found.plan}. {began}."
    )
    shutil.rmtree(out)
    return text, pd.DataFrame([row]), good


def linear(asked: argparse.Namespace, place: Path) -> tuple[str, pd.DataFrame]:
    """Time by cells and by trees."""
    ground = Ground(place / "linear", side=asked.side)
    began, rows = idle(), []
    most = max(asked.trees)
    middle = sorted(asked.repeats)[len(asked.repeats) // 2]
    jobs = [(repeats, most) for repeats in asked.repeats] + [(middle, trees) for trees in asked.trees if trees != most]
    models = {trees: train(ground, trees, asked.workers) for trees in asked.trees}
    predict_once(asked, ground, models[most], 1, place)  # compiles, and reads the model once
    for turn in range(asked.rounds):
        for repeats, trees in jobs:
            found = predict_once(asked, ground, models[trees], repeats, place)
            rows.append({"round": turn + 1, "cells": (ground.side * repeats) ** 2, "trees": trees, "wall_s": found.wall_s,
                         "cpu_s": found.cpu_s, "start_s": found.start_s, "tiles_s": found.tiles_s, "files_s": found.files_s,
                         "peak_mb": found.peak_mb})  # fmt: skip
    table = pd.DataFrame(rows)
    best = table.groupby(["cells", "trees"], as_index=False)[["wall_s", "cpu_s", "tiles_s", "files_s"]].min()
    by_cells = best[best["trees"] == most]
    by_trees = best[best["cells"] == (ground.side * middle) ** 2]
    cell_line, tree_line = fitted(by_cells["cells"] / 1e6, by_cells["wall_s"]), fitted(by_trees["trees"], by_trees["wall_s"])
    slope, start, _ = cell_line
    plateau_min = (start + slope * PLATEAU / 1e6) / 60
    last = by_cells.sort_values("cells").iloc[-1]
    busy = last["cpu_s"] / last["wall_s"]
    cpu_min = last["cpu_s"] / last["cells"] * PLATEAU / asked.workers / 60
    text = "\n\n".join(
        [
            f"Three depths; mean, spread and 95 % interval of the trees; {ground.covariates} covariates, half of them with cells "
            f"{ground.coarse} times coarser; {leaves_a_tree(models[most]):.0f} leaves a tree; {asked.workers} threads; from the command to "
            f"the finished files. The least of {asked.rounds} rounds. {began}.",
            markdown(best.sort_values(["trees", "cells"]), 1),
            f"By cells, {most} trees: {words(cell_line, 'million cells')}",
            f"By trees, {(ground.side * middle) ** 2 / 1e6:.2f} million cells: {words(tree_line, 'tree')}",
            f"At this slope the plateau ({PLATEAU / 1e6:.0f} million cells, three depths, {most} trees) takes {plateau_min:.0f} minutes; "
            f"the goal is {GOAL_MIN} on two idle cores. The largest of these runs had {busy:.2f} of {CORES} cores; processor seconds "
            f"alone, shared out over {asked.workers} idle cores, would come to {cpu_min:.0f} minutes.",
        ]
    )
    return text, table


def predict_once(asked: argparse.Namespace, ground: Ground, model: Path, repeats: int, place: Path) -> Watched:
    out = place / "linear_maps"
    found = watch(predict_command(model, ground.rasters(repeats), out, INTERVAL, "--threads", str(asked.workers)))
    shutil.rmtree(out)
    return found


def fitted(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, list[float]]:
    """Slope, intercept and residuals (share of the values) of a line by least squares.

    >>> fitted([1.0, 2.0, 3.0], [3.0, 5.0, 7.0])[:2]
    (2.0, 1.0)
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    spread = xs - xs.mean()
    slope = float((spread * ys).sum() / (spread**2).sum())
    start = float(ys.mean() - slope * xs.mean())
    return slope, start, [float(left) for left in (ys - start - slope * xs) / ys]


def words(line: tuple[float, float, list[float]], of: str) -> str:
    slope, start, left = line
    return f"{slope:.3g} s by {of}, {start:.1f} s at none; residuals {', '.join(f'{share:+.1%}' for share in left)} of the values."


def options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--only", choices=("wide", "linear"), help="one of the two (default: both)")
    parser.add_argument("--out", type=Path, help="keep ground and models here; what is there is taken")
    parser.add_argument("--wide-side", type=int, default=20_000, help="cells along the wide map")
    parser.add_argument("--wide-repeats", type=int, default=8, help="small files along it; they must divide it, by multiples of 20")
    parser.add_argument("--wide-trees", type=int, default=10)
    parser.add_argument("--processes", type=int, default=0, help="Dask workers for the wide map, in place of threads")
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--side", type=int, default=510, help="cells along the small files of the lines")
    parser.add_argument("--repeats", type=int, nargs=3, default=(1, 2, 3), help="times that they repeat, for each number of cells")
    parser.add_argument("--trees", type=int, nargs=3, default=(125, 250, 500))
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    if asked.wide_side % (20 * asked.wide_repeats) or asked.side % 15:
        parser.error("--wide-side: a multiple of 20 x --wide-repeats; --side: a multiple of 15")
    return asked


def main() -> None:
    asked, good = options(), True
    with folder_or_temporary(asked.out) as place:
        if asked.only in (None, "wide"):
            text, table, good = wide(asked, place)
            save(asked.results, "scale_wide", f"## A wide map in bounded memory\n\n{text}", {"scale_wide": table})
        if asked.only in (None, "linear"):
            text, table = linear(asked, place)
            save(asked.results, "scale", f"## Time of maps by cells and by trees\n\n{text}", {"scale": table})
    if not good:
        raise SystemExit("the peak of memory is above what was promised")


if __name__ == "__main__":
    main()
