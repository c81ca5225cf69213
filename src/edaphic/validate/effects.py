"""How predictions go along one covariate: partial dependence, accumulated local effects, by layer, with bands.

Partial dependence: the mean prediction when the covariate is set to a value in all rows (Friedman 2001, Annals of Statistics 29,
1189-1232). Where covariates go together it asks the forest about cells that do not exist, such as cold lowlands.

Accumulated local effects (Apley and Zhu 2020, Journal of the Royal Statistical Society B 82, 1059-1086): within each narrow interval of the
covariate the rows that lie there are moved from its lower to its upper end; the mean changes are added up, and the mean over all rows is
taken off. No row is moved far from where it lies. This is the curve to trust where covariates go together.

Classes have no order, so they get partial dependence only. Both are what the model makes of a covariate; neither is what the covariate
does to the soil.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from edaphic.compiled import kernel
from edaphic.errors import ModelError
from edaphic.model.bags import LEAST_BAGS, variance_of_mean
from edaphic.model.features import DEPTH_FEATURES
from edaphic.model.soil import Interval, SoilModel, interval_name
from edaphic.model.structure import Forest
from edaphic.model.traverse import predict

Array = NDArray[np.float64]
Rows = NDArray[np.float32]
Kind = Literal["pd", "ale"]
COLUMNS = (
    "covariate", "kind", "layer", "top_cm", "bottom_cm", "x", "class", "effect", "low", "high", "band", "ice_low", "ice_high", "n", "unit"
)  # fmt: skip


@dataclass(frozen=True)
class _Band:
    """How a band is made: from little bags of the forest, or from forests of other samples of profiles."""

    name: str
    level: float
    refits: tuple[SoilModel, ...]


def effects(
    model: SoilModel,
    features: Rows,
    covariates: Sequence[str] | None = None,
    *,
    kinds: Sequence[Kind] = ("pd", "ale"),
    points: int = 20,
    refits: Sequence[SoilModel] = (),
    level: float = 0.9,
    ice: tuple[float, float] | None = None,
    most_rows: int = 500,
    seed: int = 0,
    workers: int = 1,
) -> tuple[pd.DataFrame, list[str]]:
    """Partial dependence and accumulated local effects of covariates in each layer of a model.

    Parameters
    ----------
    model : SoilModel
    features : float32 (n, q)
        As :meth:`Encoder.transform` gives them, of profiles or of cells of the map; depths are filled in here.
    covariates : sequence of str, optional
        All of the model where left out.
    kinds : sequence of {"pd", "ale"}
    points : int
        Places along a covariate: quantiles of the rows, at most as many as it has values.
    refits : sequence of SoilModel
        Models of bootstrap samples of profiles, with the same columns; percentiles of their curves are the band. Left out, the band comes
        from the little bags of the forest (mean -+ z standard errors; :mod:`edaphic.model.bags`), or there is none.
    level : float
        Of the band.
    ice : (float, float), optional
        Quantiles over the rows of the single curves of partial dependence (Goldstein et al. 2015, Journal of Computational and Graphical
        Statistics 24, 44-65), each moved to the mean at its start: wide apart where the covariate works differently in different rows.
    most_rows : int
        A sample of so many rows is taken.
    seed, workers : int

    Returns
    -------
    table : DataFrame
        ``covariate``, ``kind``, ``layer``, ``top_cm``, ``bottom_cm``, ``x`` (NaN for a class), ``class``, ``effect`` (pd: mean
        prediction; ale: difference from the mean of all rows), ``low``, ``high``, ``band`` (refits, bags or none), ``ice_low``,
        ``ice_high``, ``n`` (rows of the class; rows between this and the place before), ``unit``.
    notes : list of str

    Raises
    ------
    ModelError
        A covariate that the model does not have; columns that do not fit; refits with other columns; numbers out of range.
    """
    wanted = list(model.covariates if covariates is None else covariates)
    _check(model, features, wanted, kinds, points, refits, level, ice, most_rows)
    notes: list[str] = []
    own = np.asarray(features, dtype=np.float32)
    if len(own) > most_rows:
        own = own[np.sort(np.random.default_rng(seed).choice(len(own), most_rows, replace=False))]
        notes.append(f"effects: a sample of {most_rows} of {len(features)} rows")
    band = _Band("refits" if refits else _bag_band(model), level, tuple(refits))
    if band.name == "none":
        notes.append("effects: no band; expected refitted models, or a forest of at least four little bags")
    parts = []
    for place, layer in enumerate(model.layers):
        rows = np.array(own)
        if model.form == "3d":
            rows[:, -2:] = layer
        for name in wanted:
            found = _of_covariate(model, place, rows, name, kinds, points, band, ice, workers, notes)
            parts += [part.assign(layer=interval_name(layer), top_cm=layer[0], bottom_cm=layer[1]) for part in found]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS)), list(dict.fromkeys(notes))
    table = pd.concat(parts, ignore_index=True).assign(unit=model.target.unit)
    return table.reindex(columns=list(COLUMNS)), list(dict.fromkeys(notes))


def partial_dependence(forest: Forest, rows: Rows, columns: Sequence[int], values: Array, workers: int = 1) -> Array:
    """Mean prediction of each tree with some columns set to values, shape (trees, values); the forest's is the mean over the trees.

    Parameters
    ----------
    forest : Forest
    rows : float32 (n, q)
    columns : sequence of int, length c
    values : array (v, c)
        What the columns are set to.

    Examples
    --------
    >>> from edaphic.model.forest import Settings, train
    >>> x = np.repeat([0, 1], 10)[:, None].astype(np.float32)
    >>> forest = train(x, np.repeat([2.0, 6.0], 10), Settings(3, 1.0, 1), log=False, seed=1)
    >>> partial_dependence(forest, x, [0], np.array([[0.0], [1.0]])).tolist()
    [[2.0, 6.0], [2.0, 6.0], [2.0, 6.0]]
    """
    moved, bins = np.array(rows), np.zeros(len(rows), dtype=np.int64)
    out = np.empty((forest.trees, len(values)))
    for place, value in enumerate(np.asarray(values, dtype=np.float32)):
        moved[:, list(columns)] = value
        out[:, place] = _sums(forest, moved, bins, 1, workers)[:, 0] / len(rows)
    return out


def accumulated_effects(forest: Forest, rows: Rows, column: int, edges: Rows, workers: int = 1) -> tuple[Array, NDArray[np.int64]]:
    """Accumulated local effect of each tree at the edges, shape (trees, edges), and the rows in each interval (edges - 1,).

    Parameters
    ----------
    forest : Forest
    rows : float32 (n, q)
    column : int
    edges : float32 (e,)
        Ascending, from the smallest to the largest value of the column, with rows in each interval (low, high]; the smallest value
        belongs to the first.

    Examples
    --------
    >>> from edaphic.model.forest import Settings, train
    >>> x = np.repeat([0, 1], 10)[:, None].astype(np.float32)
    >>> forest = train(x, np.repeat([2.0, 6.0], 10), Settings(1, 1.0, 1), log=False, seed=1)
    >>> accumulated_effects(forest, x, 0, np.array([0.0, 1.0], dtype=np.float32))[0].tolist()
    [[-2.0, 2.0]]
    """
    bins = np.maximum(np.searchsorted(edges, rows[:, column], side="left") - 1, 0).astype(np.int64)
    count = np.bincount(bins, minlength=len(edges) - 1)
    if len(edges) < 2 or (count == 0).any() or rows[:, column].min() < edges[0] or rows[:, column].max() > edges[-1]:
        raise ModelError("accumulated effects: an interval without rows, or rows beyond the edges; expected edges at values of the rows")
    moved, sums = np.array(rows), []
    for end in (0, 1):
        moved[:, column] = edges[bins + end]
        sums.append(_sums(forest, moved, bins, len(count), workers))
    steps = (sums[1] - sums[0]) / count
    curve = np.concatenate([np.zeros((forest.trees, 1)), np.cumsum(steps, axis=1)], axis=1)
    middle = ((curve[:, :-1] + curve[:, 1:]) / 2) @ (count / count.sum())
    return curve - middle[:, None], count


def _of_covariate(
    model: SoilModel, place: int, rows: Rows, name: str, kinds: Sequence[Kind], points: int, band: _Band, ice: tuple[float, float] | None,
    workers: int, notes: list[str],
) -> list[pd.DataFrame]:  # fmt: skip
    """Tables of one covariate in one layer."""
    columns = [i for i, source in enumerate(model.encoder.sources) if source == name]
    codes = dict(model.encoder.classes).get(name)
    factor = model.target.factor(model.layers[place])
    if codes is not None:
        if "ale" in kinds:
            notes.append(f"effects: '{name}' has classes without an order; partial dependence only")
        values = np.eye(len(codes)) if name not in dict(model.encoder.means) else np.array(dict(model.encoder.means)[name])[:, None]
        count = np.array([int((rows[:, columns] == np.float32(value)).all(axis=1).sum()) for value in values])
        labels = {"x": np.full(len(codes), np.nan), "class": [str(code) for code in codes], "n": count}
        return [_pd(model, place, rows, columns, values, name, labels, factor, band, ice, workers)]
    edges = np.unique(np.quantile(rows[:, columns[0]], np.linspace(0, 1, points), method="inverted_cdf").astype(np.float32))
    if len(edges) < 2:
        notes.append(f"effects: '{name}' has the same value in all rows, left out")
        return []
    out = []
    if "pd" in kinds:
        within = np.maximum(np.searchsorted(edges, rows[:, columns[0]], side="left"), 0)
        labels = {"x": edges.astype(np.float64), "class": [""] * len(edges), "n": np.bincount(within, minlength=len(edges))}
        out.append(_pd(model, place, rows, columns, edges[:, None].astype(np.float64), name, labels, factor, band, ice, workers))
    if "ale" in kinds:
        curve, count = accumulated_effects(_forest(model, place), rows, columns[0], edges, workers)
        others = [accumulated_effects(_forest(other, place), rows, columns[0], edges, workers)[0] for other in band.refits]
        low, high = _limits(_forest(model, place), curve, others, band)
        part = {"covariate": name, "kind": "ale", "x": edges.astype(np.float64), "class": "", "effect": factor * curve.mean(axis=0)}
        part |= {"low": factor * low, "high": factor * high, "band": band.name, "n": np.concatenate([[0], count])}
        out.append(pd.DataFrame(part))
    return out


def _pd(
    model: SoilModel, place: int, rows: Rows, columns: Sequence[int], values: Array, name: str, labels: dict[str, object], factor: float,
    band: _Band, ice: tuple[float, float] | None, workers: int,
) -> pd.DataFrame:  # fmt: skip
    forest = _forest(model, place)
    curve = partial_dependence(forest, rows, columns, values, workers)
    others = [partial_dependence(_forest(other, place), rows, columns, values, workers) for other in band.refits]
    low, high = _limits(forest, curve, others, band)
    table = pd.DataFrame({"covariate": name, "kind": "pd", **labels, "effect": factor * curve.mean(axis=0)})
    table = table.assign(low=factor * low, high=factor * high, band=band.name)
    if ice is not None:
        single = _single(forest, rows, columns, values, workers) * factor
        single += single[:, 0].mean() - single[:, :1]
        table["ice_low"], table["ice_high"] = np.quantile(single, ice, axis=0)
    return table


def _single(forest: Forest, rows: Rows, columns: Sequence[int], values: Array, workers: int) -> Array:
    """Predictions of each row at each value, shape (rows, values)."""
    moved, out = np.array(rows), np.empty((len(rows), len(values)))
    for place, value in enumerate(values.astype(np.float32)):
        moved[:, list(columns)] = value
        out[:, place] = predict(forest, moved, workers=workers).mean
    return out


def _limits(forest: Forest, by_tree: Array, others: Sequence[Array], band: _Band) -> tuple[Array, Array]:
    """Limits of the band of a curve told by tree, shape (trees, places)."""
    ends = [(1 - band.level) / 2, (1 + band.level) / 2]
    if band.name == "refits":
        low, high = np.quantile([other.mean(axis=0) for other in others], ends, axis=0)
        return low, high
    if band.name == "none":
        return np.full(by_tree.shape[1], np.nan), np.full(by_tree.shape[1], np.nan)
    bags = by_tree.reshape(forest.trees // forest.bag, forest.bag, -1)
    between, within = bags.mean(axis=1).var(axis=0, ddof=1), bags.var(axis=1, ddof=1).mean(axis=0)
    half = norm.ppf(ends[1]) * np.sqrt(variance_of_mean(between, within, len(bags), forest.bag, (0.0, 1.0))[0])
    middle = by_tree.mean(axis=0)
    return middle - half, middle + half


def _forest(model: SoilModel, place: int) -> Forest:
    return model.forests[0 if model.form == "3d" else place]


def _bag_band(model: SoilModel) -> str:
    enough = all(forest.bag > 1 and forest.trees // forest.bag >= LEAST_BAGS for forest in model.forests)
    return "bags" if enough else "none"


def _sums(forest: Forest, rows: Rows, bins: NDArray[np.int64], count: int, workers: int) -> Array:
    """Sums of the predictions of each tree over the rows of each bin, shape (trees, count)."""
    out = np.zeros((forest.trees, count))
    threads = max(1, min(workers, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        _add(
            np.ascontiguousarray(rows),
            bins,
            forest.roots,
            forest.feature,
            forest.threshold,
            forest.left,
            forest.right,
            forest.leaf_mean,
            out,
        )
    finally:
        numba.set_num_threads(before)
    return out


@kernel(parallel=True)
def _add(rows, bins, roots, feature, threshold, left, right, value, out):  # type: ignore[no-untyped-def]  # compiled
    for t in numba.prange(roots.shape[0]):
        for i in range(rows.shape[0]):
            node = roots[t]
            while feature[node] >= 0:
                node = left[node] if rows[i, feature[node]] <= threshold[node] else right[node]
            out[t, bins[i]] += value[left[node]]


def _check(
    model: SoilModel, features: Rows, covariates: Sequence[str], kinds: Sequence[str], points: int, refits: Sequence[SoilModel], level:
    float, ice: tuple[float, float] | None, most_rows: int,
) -> None:  # fmt: skip
    known = [name for name in model.covariates if name not in DEPTH_FEATURES]
    faults = [
        f"effects: '{name}' is no covariate of the model; expected one of {', '.join(known)}" for name in covariates if name not in known
    ]
    faults += [f"effects: {kind!r}; expected pd or ale" for kind in kinds if kind not in ("pd", "ale")]
    width = len(model.encoder.features)
    cells = width - 2 * model.encoder.depth
    if np.ndim(features) != 2 or np.shape(features)[1] != width or not len(features):
        faults.append(f"effects: features of shape {np.shape(features)}; expected some rows of {width} columns")
    elif not np.isfinite(features[:, :cells]).all():
        faults.append("effects: features that are not finite; expected numbers")
    if points < 2 or most_rows < 2:
        faults.append(f"effects: {points} points, {most_rows} rows; expected at least two of each")
    if not 0 < level < 1:
        faults.append(f"effects: level {level:g}; expected a number between 0 and 1")
    if ice is not None and not 0 <= ice[0] < ice[1] <= 1:
        faults.append(f"effects: quantiles {ice[0]:g} and {ice[1]:g} of single curves; expected ascending shares")
    for number, other in enumerate(refits):
        if other.encoder.features != model.encoder.features or _layers(other) != _layers(model):
            faults.append(f"effects: refit {number} has other columns or layers than the model; expected the same")
    if len(refits) == 1:
        faults.append("effects: one refit; expected two or more, or none")
    if faults:
        raise ModelError(faults)


def _layers(model: SoilModel) -> tuple[str, tuple[Interval, ...]]:
    return model.form, model.layers
