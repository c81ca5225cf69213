"""Engines that can grow a forest, at equal accuracy: ours, scikit-learn, LightGBM and XGBoost in their forest modes.

Two tables with a target like the logarithm of a SOC stock: 12,000 rows x 20 features and 500,000 x 40. Every engine is told the same in its
own words: a third of the features at each split, at least five rows in a leaf, no limit of depth. Ours and scikit-learn draw bootstrap
samples; the other two take 63 % of the rows without replacement, which is as near as they come. Accuracy is the model efficiency (MEC) on
rows that no engine saw. Seconds are those of training, wall and processor; ours hold the sorting of the leaves' members for quantiles,
which the others do not keep. An engine that is not installed is left out and named.

One thread unless told otherwise: LightGBM and XGBoost wait for their threads at every node, which on a machine with other work costs
many times what the trees cost. Their stores of histograms are held to about 2 GB.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from common import arguments, markdown, save
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from edaphic.model.forest import Settings, train
from edaphic.model.traverse import predict

SEED = 5
LEAF = 5
SHARE = 1 / 3
BAG = 0.632
Fitted = Callable[[NDArray[np.float32]], NDArray[np.float64]]
Fit = Callable[[NDArray[np.float32], NDArray[np.float64], int, int], Fitted]


def table(rows: int, features: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Correlated covariates, some skewed, some classes; a target with steps, curves, interactions and a scatter that is not even."""
    rng = np.random.default_rng(SEED)
    hidden = rng.normal(size=(rows, 6))
    x = hidden @ rng.normal(size=(6, features)) * 0.5 + rng.normal(size=(rows, features))
    x[:, 5::7] = np.exp(x[:, 5::7])
    x[:, 6::7] = np.round(2 * x[:, 6::7])
    climate = np.tanh(x[:, 0]) + 0.5 * np.where(x[:, 1] > 0.3, x[:, 2], -x[:, 3])
    y = 1.5 + 0.4 * climate + 0.2 * np.sin(2 * x[:, 4]) + 0.1 * np.log1p(x[:, 5]) - 0.15 * (x[:, 6] > 1)
    return x.astype(np.float32), y + 0.3 * np.exp(0.3 * hidden[:, 0]) * rng.normal(size=rows)


def ours(split: str) -> Fit:
    """Our own grower."""

    def fit(x: NDArray[np.float32], y: NDArray[np.float64], trees: int, workers: int) -> Fitted:
        settings = Settings(trees, SHARE, LEAF, split=split)  # type: ignore[arg-type]
        forest = train(x, y, settings, log=False, seed=SEED, workers=workers)
        return lambda new: predict(forest, new, workers=workers).mean

    return fit


def scikit_learn(kind: Any) -> Fit:
    """RandomForestRegressor or ExtraTreesRegressor."""

    def fit(x: NDArray[np.float32], y: NDArray[np.float64], trees: int, workers: int) -> Fitted:
        grower = kind(trees, max_features=SHARE, min_samples_leaf=LEAF, bootstrap=True, random_state=SEED, n_jobs=workers)
        fitted: Fitted = grower.fit(x, y).predict
        return fitted

    return fit


def lightgbm(x: NDArray[np.float32], y: NDArray[np.float64], trees: int, workers: int) -> Fitted:
    """boosting_type rf."""
    module = importlib.import_module("lightgbm")
    grower = module.LGBMRegressor(
        boosting_type="rf", n_estimators=trees, num_leaves=max(2, len(y) // LEAF), min_child_samples=LEAF, min_child_weight=0.0,
        subsample=BAG, subsample_freq=1, colsample_bytree=1.0, feature_fraction_bynode=SHARE, max_bin=255, random_state=SEED,
        n_jobs=workers, verbose=-1, histogram_pool_size=2000,
    )  # fmt: skip
    fitted: Fitted = grower.fit(x, y).predict
    return fitted


def xgboost(x: NDArray[np.float32], y: NDArray[np.float64], trees: int, workers: int) -> Fitted:
    """num_parallel_tree of one round."""
    module = importlib.import_module("xgboost")
    grower = module.XGBRFRegressor(
        n_estimators=trees, subsample=BAG, colsample_bynode=SHARE, max_depth=0, min_child_weight=LEAF, reg_lambda=0.0,
        tree_method="hist", max_bin=256, max_cached_hist_node=4096, random_state=SEED, n_jobs=workers,
    )  # fmt: skip
    fitted: Fitted = grower.fit(x, y).predict
    return fitted


ENGINES: dict[str, tuple[str, Fit]] = {
    "ours": ("edaphic", ours("variance")),
    "ours, extra": ("edaphic", ours("extra")),
    "LightGBM rf": ("lightgbm", lightgbm),
    "XGBoost rf": ("xgboost", xgboost),
    "scikit-learn": ("sklearn", scikit_learn(RandomForestRegressor)),
    "scikit-learn, extra": ("sklearn", scikit_learn(ExtraTreesRegressor)),
}
"""Name, module, how to fit."""


def measured(rows: int, features: int, trees: int, workers: int, names: Sequence[str], rounds: int) -> pd.DataFrame:
    """One row for each engine; the least seconds of the rounds."""
    x, y = table(rows + min(rows, 50_000), features)
    kept, new, truth = x[:rows], x[rows:], y[rows:]
    found = []
    for name in names:
        fit = ENGINES[name][1]
        fit(kept[:200], y[:200], 2, workers)  # compiles, loads libraries
        walls, used = [], []
        for _ in range(rounds):
            begun, before = time.perf_counter(), time.process_time()
            fitted = fit(kept, y[:rows], trees, workers)
            walls.append(time.perf_counter() - begun)
            used.append(time.process_time() - before)
        mec = 1 - float(np.mean((fitted(new) - truth) ** 2) / np.var(truth))
        found.append((rows, features, trees, name, min(walls), min(used), mec))
        print(found[-1], flush=True)
    columns = ["rows", "features", "trees", "engine", "wall_s", "processor_s", "mec"]
    done = pd.DataFrame(found, columns=columns)
    done["processor_over_ours"] = done["processor_s"] / float(done["processor_s"].iloc[0])
    return done


def main() -> None:
    """Both tables."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=500_000, help="rows of the large table; 0 leaves it out")
    parser.add_argument("--trees", type=int, nargs=2, default=(200, 20), help="trees on the small and on the large table; 0 leaves one out")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of the small table")
    parser.set_defaults(workers=1)
    asked = parser.parse_args()
    names = [name for name, (module, _) in ENGINES.items() if importlib.util.find_spec(module)]
    missing = [name for name in ENGINES if name not in names]
    load = os.getloadavg()[0]
    tables = [measured(12_000, 20, asked.trees[0], asked.workers, names, asked.rounds)] if asked.trees[0] else []
    if asked.rows and asked.trees[1]:
        tables.append(measured(asked.rows, 40, asked.trees[1], asked.workers, names, 1))
    both = pd.concat(tables, ignore_index=True)
    text = "\n\n".join(
        [
            f"## Engines that grow forests, {asked.workers} thread{'s' if asked.workers > 1 else ''}",
            markdown(both, 3),
            "Trees by table as told: seconds are proportional to their number. `processor_over_ours`: processor seconds over those of the "
            f"first row of the table. Load at the start {load:.1f} on {os.cpu_count()} cores, so wall times are longer than those of a "
            "machine of its own." + (f" Not installed and left out: {', '.join(missing)}." if missing else ""),
        ]
    )
    save(asked.results, "engines", text, {"engines": both})


if __name__ == "__main__":
    main()
