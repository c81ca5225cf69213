"""The compiled forest beside scikit-learn, on the same trees, rows and threads, in one run.

Rows and target are drawn at random. Four ways of prediction: our mean; our mean, spread and three quantiles in the same pass;
``RandomForestRegressor.predict``; and every tree of scikit-learn by itself, which is what one does to get a spread of the trees. They take
turns, so that other work on the machine touches all of them alike; the figure is the median, the ratio is ours against theirs.
Our means must equal those of scikit-learn to 1e-12 of their value, or the run fails.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pandas as pd
from common import arguments, markdown, save
from sklearn.ensemble import RandomForestRegressor

from edaphic.model.forest import flatten
from edaphic.model.traverse import predict

TOLERANCE = 1e-12
LEVELS = (0.05, 0.5, 0.95)
SEED = 7


def main() -> None:
    """Grow one forest, time the four ways, write."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="rows to predict")
    parser.add_argument("--training", type=int, default=5_000, help="rows to train on")
    parser.add_argument("--features", type=int, default=60)
    parser.add_argument("--trees", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    if asked.workers > numba.config.NUMBA_NUM_THREADS:
        parser.error(f"--workers {asked.workers}: this machine has {numba.config.NUMBA_NUM_THREADS} threads")
    rng = np.random.default_rng(SEED)
    features = rng.normal(size=(asked.training, asked.features)).astype(np.float32)
    values = np.exp(features[:, 0] + 0.5 * features[:, 1] * features[:, 2] + rng.normal(size=asked.training))
    rows = rng.normal(size=(asked.rows, asked.features)).astype(np.float32)
    grower = RandomForestRegressor(asked.trees, max_features=1 / 3, min_samples_leaf=5, random_state=SEED, n_jobs=asked.workers)
    grower.fit(features, values)
    forest = flatten(grower, features, values, log=False)

    ours = predict(forest, rows[:10], LEVELS, asked.workers)  # compiles
    ours = predict(forest, rows, (), asked.workers)
    theirs = grower.predict(rows)
    apart = float(np.max(np.abs(ours.mean - theirs) / np.abs(theirs)))

    ways: dict[str, Callable[[], object]] = {
        "ours: mean and spread": lambda: predict(forest, rows, (), asked.workers),
        "ours: mean, spread, 3 quantiles": lambda: predict(forest, rows, LEVELS, asked.workers),
        "scikit-learn: predict (mean)": lambda: grower.predict(rows),
        "scikit-learn: tree by tree (mean and spread)": lambda: _tree_by_tree(grower, rows, asked.workers),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(asked.rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begun)
    middle = {name: statistics.median(taken) for name, taken in seconds.items()}
    mean_s, all_s, sklearn_s, trees_s = middle.values()
    table = pd.DataFrame(
        [
            {
                "way": name,
                "median_s": middle[name],
                "lowest_s": min(taken),
                "highest_s": max(taken),
                "rows_per_s": asked.rows / middle[name],
            }
            for name, taken in seconds.items()
        ]
    )
    ratios = pd.DataFrame(
        [
            {"times as fast": "our mean and spread, as scikit-learn's predict", "ratio": sklearn_s / mean_s},
            {"times as fast": "our mean, spread and 3 quantiles, as scikit-learn's predict", "ratio": sklearn_s / all_s},
            {"times as fast": "our mean and spread, as scikit-learn tree by tree", "ratio": trees_s / mean_s},
            {"times as fast": "our mean, spread and 3 quantiles, as scikit-learn tree by tree", "ratio": trees_s / all_s},
        ]
    )
    equal = apart <= TOLERANCE
    text = [
        f"## Prediction: {asked.trees} trees, {asked.training:,} training rows, {asked.features} features, "
        f"{asked.rows:,} rows, {asked.workers} threads each",
        markdown(table),
        markdown(ratios, 2),
        f"Largest difference of the means, relative: {apart:.1e} ({'within' if equal else 'NOT WITHIN'} {TOLERANCE:g}).",
    ]
    save(asked.results, "traverse", "\n\n".join(text), {"traverse": table, "traverse_ratios": ratios})
    if not equal:
        raise SystemExit(f"means differ by {apart:.1e}; expected at most {TOLERANCE:g}")


def _tree_by_tree(grower: RandomForestRegressor, rows: np.ndarray, workers: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread from the prediction of each tree, the trees shared out over threads."""
    with ThreadPoolExecutor(workers) as pool:
        says = np.stack(list(pool.map(lambda tree: tree.predict(rows), grower.estimators_)))
    return says.mean(axis=0), says.std(axis=0)


if __name__ == "__main__":
    main()
