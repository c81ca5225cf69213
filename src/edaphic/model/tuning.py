"""Search over the settings of a forest; the splitter is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.model.forest import Settings, train
from edaphic.model.traverse import predict

MAX_FEATURES = (0.1, 0.2, 1 / 3, 0.5, 0.7)
MIN_SAMPLES_LEAF = (2, 3, 5, 8)


def candidates(number: int, trees: int, seed: int) -> list[Settings]:
    """Distinct settings drawn at random from the grid of shares of features and leaf sizes.

    The first is always the usual default (a third of the features, five rows in a leaf), so that a search can only be as
    good or better on its own folds.

    >>> [round(c.max_features, 2) for c in candidates(1, 100, 0)]
    [0.33]
    """
    default = Settings(trees=trees)
    grid = [Settings(trees, share, leaf) for share, leaf in product(MAX_FEATURES, MIN_SAMPLES_LEAF)]
    others = [setting for setting in grid if setting != default]
    drawn = np.random.default_rng(seed).permutation(len(others))[: max(0, number - 1)]
    return [default, *(others[i] for i in drawn)]


def tune(
    features: NDArray[np.float32],
    values: NDArray[np.float64],
    settings: Sequence[Settings],
    folds: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]],
    *,
    log: bool,
    seed: int,
    workers: int = 1,
) -> pd.DataFrame:
    """Score each candidate out of fold.

    Parameters
    ----------
    features : float32 (n, q)
    values : float64 (n,)
    settings : sequence of Settings
    folds : iterable of (training rows, test rows)
        Made by a splitter that keeps the layers of a profile together.
    log : bool
        Score on the logarithm, on which the trees are grown.
    seed, workers : int

    Returns
    -------
    DataFrame
        ``candidate``, ``max_features``, ``min_samples_leaf``, ``score`` (RMSE on the scale of ``scale``), ``scale``,
        ``chosen`` (the smallest score; at a tie, the first).
    """
    observed = np.log(values) if log else values
    parts = list(folds)
    rows = []
    for number, setting in enumerate(settings):
        square, count = 0.0, 0
        for inside, outside in parts:
            forest = train(features[inside], values[inside], setting, log=log, seed=seed, workers=workers)
            error = predict(forest, features[outside], workers=workers).mean_fit - observed[outside]
            square += float(np.sum(error**2))
            count += len(outside)
        rows.append((number, setting.max_features, setting.min_samples_leaf, float(np.sqrt(square / count))))
    table = pd.DataFrame(rows, columns=["candidate", "max_features", "min_samples_leaf", "score"])
    table["scale"] = "log" if log else "natural"
    table["chosen"] = table.index == int(table["score"].to_numpy().argmin())
    return table
