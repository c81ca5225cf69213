"""Search over the settings of a forest; the folds and the metric are arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.forest import Settings, settings_faults, train
from edaphic.model.ranking import faults_of_folds
from edaphic.model.traverse import predict

MAX_FEATURES = (0.1, 0.2, 1 / 3, 0.5, 0.7)
MIN_SAMPLES_LEAF = (2, 3, 5, 8)
TRIES = 1000
"""Draws from ranges for each distinct candidate, before the search is called exhausted."""
MOST_LISTED = 100_000
"""Combinations that are listed; of more, some are drawn."""


@dataclass(frozen=True)
class Between:
    """A range to draw a setting from: uniform, or uniform in the logarithm; whole numbers with both ends, or any."""

    low: float
    high: float
    whole: bool = False
    log: bool = False

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        first, last = math.ceil(self.low), math.floor(self.high)
        if self.whole and not self.log:
            return int(rng.integers(first, last + 1))
        low, high = (np.log(self.low), np.log(self.high)) if self.log else (self.low, self.high)
        value = float(rng.uniform(low, high))
        value = float(np.exp(value)) if self.log else value
        return min(max(round(value), first), last) if self.whole else value


Space = Mapping[str, Sequence[Any] | Between]

USUAL: Space = MappingProxyType({"max_features": MAX_FEATURES, "min_samples_leaf": MIN_SAMPLES_LEAF})
"""What is searched by default: of all settings these two matter most (Probst, Wright and Boulesteix 2019, WIREs DMKD 9, e1301)."""
WIDE: Space = MappingProxyType(
    {
        "trees": (200, 500, 1000),
        "max_features": MAX_FEATURES,
        "min_samples_leaf": (1, *MIN_SAMPLES_LEAF),
        "max_depth": (None, 20, 12, 8),
        "split": ("variance", "extra"),
    }
)
"""All that the papers search: trees, share of features, leaf size, depth and split rule."""

METRICS: Mapping[str, bool] = MappingProxyType({"rmse": False, "mae": False, "mec": True, "ccc": True, "r2_pearson": True})
"""Metrics by name, and whether larger is better."""

Metric = Callable[[NDArray[np.float64], NDArray[np.float64]], float]


def candidates(
    number: int,
    trees: int,
    seed: int,
    *,
    how: Literal["random", "grid"] = "random",
    space: Space | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> list[Settings]:
    """Settings to try.

    Random: distinct draws from the space. The first is always the usual default (a third of the features, five rows in a leaf)
    with what is fixed, so that a search can only be as good or better on its own folds. Where the space has fewer
    combinations than asked for, all come. Grid: every combination of the space, in the order of its lists; ``number`` and ``seed`` are
    not used.

    Parameters
    ----------
    number : int
        Candidates, the default among them.
    trees : int
        Trees of each, unless the space or ``fixed`` says otherwise.
    seed : int
    how : {"random", "grid"}
    space : mapping, optional
        Lists of values, or ranges (:class:`Between`; random only), by name of a field of :class:`Settings`. :data:`USUAL` where left out;
        :data:`WIDE` has all that the papers search.
    fixed : mapping, optional
        Values that every candidate has.

    Raises
    ------
    ModelError
        A name that is no setting, an empty list, a range in a grid, or values that no forest can be grown with.

    Examples
    --------
    >>> [round(c.max_features, 2) for c in candidates(1, 100, 0)]
    [0.33]
    >>> grid = candidates(9, 50, 0, how="grid", space={"max_features": (0.2, 0.5)}, fixed={"min_samples_leaf": 9})
    >>> [(c.max_features, c.min_samples_leaf) for c in grid]
    [(0.2, 9), (0.5, 9)]
    """
    if how == "random" and number < 1:
        raise ModelError(f"tuning: {number} candidates; expected 1 or more")
    told = dict(fixed or {})
    free = {name: values for name, values in (USUAL if space is None else space).items() if name not in told}
    _check_space(how, free, told)
    default = replace(Settings(trees=trees), **told)
    lists = {name: tuple(values) for name, values in free.items() if not isinstance(values, Between)}
    if how == "grid":
        return _usable(dict.fromkeys(replace(default, **dict(zip(lists, some, strict=True))) for some in product(*lists.values())))
    rng = np.random.default_rng(seed)
    if len(lists) == len(free) and math.prod(len(values) for values in lists.values()) <= MOST_LISTED:
        grid = [replace(default, **dict(zip(lists, some, strict=True))) for some in product(*lists.values())]
        others = [setting for setting in dict.fromkeys(grid) if setting != default]
        return _usable([default, *(others[i] for i in rng.permutation(len(others))[: max(0, number - 1)])])
    drawn = (replace(default, **_drawn(free, rng)) for _ in range(TRIES * max(1, number)))
    found = {default: None}
    for setting in drawn:
        if len(found) >= number:
            break
        found[setting] = None
    return _usable(found)


def tune(
    features: NDArray[np.float32],
    values: NDArray[np.float64],
    settings: Sequence[Settings],
    folds: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]],
    *,
    log: bool,
    seed: int,
    workers: int = 1,
    weights: NDArray[np.float64] | None = None,
    metric: str | Metric = "rmse",
    maximise: bool = False,
) -> pd.DataFrame:
    """Score each candidate out of fold.

    The folds decide the scheme; any iterable of pairs of rows will do. K folds of any splitter give cross-validation. Draws with
    replacement as training rows, and the rows that were not drawn as test rows, give the bootstrap of e1071's ``tune`` (Edaphic's second
    paper); a row may then stand several times in training, and in the test rows of several draws. One pair of 80 % and 20 % of the profiles
    gives a hold-out (the third paper's). Predictions of all test rows are scored together.

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
    weights : float64 (n,), optional
        Weights of rows in fitting, and in the metrics that have a name.
    metric : {"rmse", "mae", "mec", "ccc", "r2_pearson"} or callable
        A callable gets observed and predicted values and answers with a number.
    maximise : bool
        For a callable: whether larger is better. A metric with a name knows.

    Returns
    -------
    DataFrame
        ``candidate``, all settings by name, ``score``, ``metric``, ``scale`` (of the score: ``log`` or ``natural``), ``chosen`` (the
        best score; at a tie, and where no score is defined, the first).

    Raises
    ------
    ModelError
        No candidates, no folds, a fold with an empty side or with rows on both sides, an unknown metric.
    """
    features, values = np.asarray(features, dtype=np.float32), np.asarray(values, dtype=np.float64)
    weights = None if weights is None else np.asarray(weights, dtype=np.float64)
    parts = [(np.asarray(inside), np.asarray(outside)) for inside, outside in folds]
    faults = faults_of_folds(parts, len(values), weights)
    if not settings:
        faults.append("tuning: no settings to try; expected at least one")
    if isinstance(metric, str) and metric not in METRICS:
        faults.append(f"tuning: metric '{metric}'; expected one of {', '.join(METRICS)}")
    if isinstance(metric, str) and maximise and not METRICS.get(metric, True):
        faults.append(f"tuning: metric '{metric}' is to be large; expected maximise for skill or a callable only")
    faults += dict.fromkeys(fault for setting in settings for fault in settings_faults(setting))
    if len(features) != len(values) or (weights is not None and np.shape(weights) != np.shape(values)):
        faults.append(f"tuning: {len(features)} rows of features, {len(values)} values; expected as many, and of weights")
    elif log and np.any(values <= 0):
        faults.append(f"tuning: smallest value {np.min(values):g} has no logarithm; expected values above 0")
    if faults:
        raise ModelError(faults)
    tested = np.concatenate([outside for _, outside in parts])
    observed = (np.log(values) if log else values)[tested]
    own = np.ones(len(tested)) if weights is None else weights[tested]
    rows = []
    for number, setting in enumerate(settings):
        predicted = np.concatenate(
            [_predicted(features, values, setting, part, log=log, seed=seed, workers=workers, weights=weights) for part in parts]
        )
        score = _score(metric, observed, predicted, own) if isinstance(metric, str) else float(metric(observed, predicted))
        rows.append({"candidate": number} | asdict(setting) | {"score": score})
    table = pd.DataFrame(rows)
    table["metric"] = metric if isinstance(metric, str) else getattr(metric, "__name__", "callable")
    table["scale"] = "log" if log else "natural"
    larger = METRICS[metric] if isinstance(metric, str) else maximise
    loss = np.where(np.isnan(table["score"]), np.inf, -table["score"] if larger else table["score"])
    table["chosen"] = table.index == int(loss.argmin())
    return table


def _predicted(
    features: NDArray[np.float32],
    values: NDArray[np.float64],
    setting: Settings,
    part: tuple[NDArray[np.int64], NDArray[np.int64]],
    *,
    log: bool,
    seed: int,
    workers: int,
    weights: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """What a forest of the training rows says of the test rows, on the scale of the trees."""
    inside, outside = part
    own = None if weights is None else weights[inside]
    forest = train(features[inside], values[inside], setting, log=log, seed=seed, workers=workers, weights=own)
    return predict(forest, features[outside], workers=workers).mean_fit


def _score(metric: str, observed: NDArray[np.float64], predicted: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """A metric by its name; NaN where it is not defined."""
    share = weights / weights.sum()
    error = predicted - observed
    square = float(share @ error**2)
    if metric == "rmse":
        return float(np.sqrt(square))
    if metric == "mae":
        return float(share @ np.abs(error))
    mean_o, mean_p = float(share @ observed), float(share @ predicted)
    var_o, var_p = float(share @ (observed - mean_o) ** 2), float(share @ (predicted - mean_p) ** 2)
    both = float(share @ ((observed - mean_o) * (predicted - mean_p)))
    top, bottom = {
        "mec": (var_o - square, var_o),
        "ccc": (2 * both, var_o + var_p + (mean_o - mean_p) ** 2),
        "r2_pearson": (both**2, var_o * var_p),
    }[metric]
    return top / bottom if bottom > 0 else np.nan


def _drawn(free: Space, rng: np.random.Generator) -> dict[str, Any]:
    """One value for each setting of a space, in its order."""
    return {
        name: values.draw(rng) if isinstance(values, Between) else values[int(rng.integers(len(values)))]
        for name, values in free.items()
    }


def _usable(found: Iterable[Settings]) -> list[Settings]:
    """The settings, if a forest can be grown with each."""
    listed = list(found)
    faults = list(dict.fromkeys(fault for setting in listed for fault in settings_faults(setting)))
    if faults:
        raise ModelError(faults)
    return listed


def _check_space(how: str, free: Space, fixed: Mapping[str, Any]) -> None:
    """All that is wrong with a space."""
    known = [field.name for field in fields(Settings)]
    faults = [f"tuning: '{name}' is no setting; expected one of {', '.join(known)}" for name in (*free, *fixed) if name not in known]
    if how not in ("random", "grid"):
        faults.append(f"tuning: how '{how}'; expected random or grid")
    for name, values in free.items():
        if isinstance(values, Between):
            if how == "grid":
                faults.append(f"tuning: '{name}' is a range; expected a list of values for a grid")
            finite = math.isfinite(values.low) and math.isfinite(values.high)
            empty = not values.low <= values.high or (values.whole and finite and math.ceil(values.low) > math.floor(values.high))
            if empty or not finite or (values.log and values.low <= 0):
                faults.append(f"tuning: '{name}' from {values.low:g} to {values.high:g}; expected a finite range that is not empty")
        elif isinstance(values, str) or len(values) == 0:
            faults.append(f"tuning: '{name}' has {f'the text {values!r}' if values else 'no values'}; expected a list of at least one")
    if faults:
        raise ModelError(faults)
