"""Path models with a bootstrap: seconds and memory for 7 blocks of 7,000 rows.

7 blocks x 40 indicators can be read in two ways; both are run: 40 indicators in all, and 40 in each block (280). All latents act on
all later ones (21 paths). 200 resamples; less than 10 s is wanted with two threads. Beside it, a plain implementation that scales the drawn
rows of each resample and iterates on them, as descriptions of the method do, on the smaller table; it must have the same numbers.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from common import CORES, arguments, markdown, save, watched

from edaphic.account.paths import PathModel, model_of, path_models

ROWS, BLOCKS, RESAMPLES, WANTED_S = 7_000, 7, 200, 10
SIZES = {"40 in all": (6, 6, 6, 6, 6, 5, 5), "40 in each": (40,) * BLOCKS}


def table(sizes: tuple[int, ...]) -> pd.DataFrame:
    """A chain of latents, each with its indicators."""
    rng = np.random.default_rng(1)
    latents = [rng.normal(size=ROWS)]
    for _ in sizes[1:]:
        latents.append(0.4 * latents[-1] + 0.2 * latents[0] + rng.normal(size=ROWS))
    columns = {f"x{j}_{i}": 0.7 * latents[j] + rng.normal(size=ROWS) for j, size in enumerate(sizes) for i in range(size)}
    return pd.DataFrame(columns)


def model(sizes: tuple[int, ...], mode: str) -> PathModel:
    """All latents act on all later ones."""
    blocks = {f"L{j}": {"indicators": [{"name": f"x{j}_{i}"} for i in range(size)], "mode": mode} for j, size in enumerate(sizes)}
    paths = {f"L{j}": [f"L{k}" for k in range(j)] for j in range(1, BLOCKS)}
    return model_of({"latents": blocks, "paths": paths, "scheme": "centroid", "bootstrap": {"resamples": RESAMPLES}})


def plain(sizes: tuple[int, ...]) -> np.ndarray:
    """Mode A, centroid scheme, on the rows themselves; means of the path coefficients over the resamples."""
    values = table(sizes).to_numpy()
    owner = np.repeat(np.arange(BLOCKS), sizes)
    drawn = []
    for b in range(RESAMPLES):
        rows = np.random.default_rng(np.random.SeedSequence(1, spawn_key=(b,))).integers(0, ROWS, ROWS)
        x = values[rows]
        x = (x - x.mean(axis=0)) / x.std(axis=0)
        weights = np.ones(x.shape[1])
        while True:
            scores = np.column_stack([x[:, owner == j] @ weights[owner == j] for j in range(BLOCKS)])
            scores /= scores.std(axis=0)
            sign = np.sign(np.corrcoef(scores.T)) * (1 - np.eye(BLOCKS))
            new = ((x.T @ (scores @ sign)) / ROWS)[np.arange(len(owner)), owner]
            change, weights = ((np.abs(new) - np.abs(weights)) ** 2).sum(), new
            if change < 1e-8:
                break
        scores = np.column_stack([x[:, owner == j] @ weights[owner == j] for j in range(BLOCKS)])
        scores /= scores.std(axis=0)
        drawn.append(np.concatenate([np.linalg.lstsq(scores[:, :j], scores[:, j], rcond=None)[0] for j in range(1, BLOCKS)]))
    return np.mean(drawn, axis=0)


def one(name: str, workers: int, to: Path) -> None:
    """One row of the table, in a process of its own."""
    what, which = name.split("; ")
    sizes = SIZES[which]
    begun, used = time.perf_counter(), time.process_time()
    if what == "plain":
        means = plain(sizes)
    else:
        asked = model(sizes, what[-1])
        boot = path_models(table(sizes), asked, threads=workers)[0].bootstrap
        paths = boot[boot["kind"] == "path"].sort_values(["to", "from"])
        means = paths["mean"].to_numpy()
    told = {"seconds": time.perf_counter() - begun, "processor_s": time.process_time() - used, "first_means": means.tolist()}
    to.write_text(json.dumps(told))


def runs(workers: int) -> list[tuple[str, int]]:
    """What is run, and with how many threads."""
    ours = [(f"mode {mode}; {which}", threads) for which in SIZES for mode in "AB" for threads in sorted({1, workers})]
    return [*ours, ("plain; 40 in all", workers)]


def main() -> None:
    """Run all and save the table."""
    parser = arguments(__doc__)
    parser.add_argument("--one", help="what to time, in this process")
    parser.add_argument("--to", type=Path, help="where to write the figures of --one")
    asked = parser.parse_args()
    if asked.one is not None:
        one(asked.one, asked.workers, asked.to)
        return
    rows, means = [], {}
    with tempfile.TemporaryDirectory(prefix="edaphic_benchmark_") as folder:
        for name, threads in runs(asked.workers):
            to = Path(folder) / "one.json"
            _, _, peak = watched([sys.executable, __file__, "--one", name, "--to", str(to), "--workers", str(threads)])
            told = json.loads(to.read_text())
            means[name] = np.array(told.pop("first_means"))
            what, which = name.split("; ")
            rows.append({"what": what, "indicators": which, "threads": threads, **told, "peak_mb": peak})
            print(rows[-1], flush=True)
    found = pd.DataFrame(rows)
    apart = float(np.abs(means["mode A; 40 in all"] - means["plain; 40 in all"]).max())
    save(asked.results, "paths", summary(found, apart, asked.workers), {"paths": found})


def summary(table: pd.DataFrame, apart: float, workers: int) -> str:
    """The figures in Markdown."""
    shown = table.round({"seconds": 2, "processor_s": 2, "peak_mb": 0})
    ours = table[table["what"].str.startswith("mode") & (table["threads"] == workers)]
    slow = table[table["what"] == "plain"].iloc[0]
    fast = table[(table["what"] == "mode A") & (table["indicators"] == "40 in all") & (table["threads"] == workers)].iloc[0]
    kept = "kept" if ours["seconds"].max() < WANTED_S else "not kept"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"""## Path models

{RESAMPLES} resamples of {BLOCKS} blocks, {ROWS:,} rows, 21 paths, centroid scheme; the table is made within the time. {CORES} shared cores,
load averages at the end {load}.

{markdown(shown)}

Limit {WANTED_S} s with {workers} threads: {kept} (slowest {ours["seconds"].max():.1f} s, of which the processor worked
{ours.loc[ours["seconds"].idxmax(), "processor_s"]:.1f} s). For 40 indicators in all the plain implementation took
{slow["processor_s"] / fast["processor_s"]:.0f} times the processor time; means of its path coefficients over the same resamples differ from
ours by at most {apart:.0e}.
"""


if __name__ == "__main__":
    main()
