"""What a model of soil carbon answers: all depths of many cells in one pass, in the unit of the target's answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.bags import learn_prior, variance_of_mean
from edaphic.model.joint import LEVELS, draws_of, joint_quantiles
from edaphic.model.soil import SoilModel
from edaphic.model.traverse import BLOCK_CELLS, Prediction, Said, Wish, bytes_needed, predict, traverse
from edaphic.units import CM_PER_M

Array = NDArray[np.float64]

BLOCK = BLOCK_CELLS
"""Cells whose quantile functions are held at a time: a block of the traversal."""


@dataclass(frozen=True)
class Answers:
    """What a model says of n cells, for each of its intervals: the layers, then the whole depth where there is one.

    ``mean``, ``mean_fit`` (on the scale of the trees), ``spread`` (of the trees) (i, n); ``quantiles`` (i, n, k); ``tree_quantiles`` (i, n,
    m); ``se`` (i, n), standard error of the mean, and ``se_shrunk`` bool (i, n), where the plain estimate was at or below zero; both (i, 0)
    where not asked for.
    """

    mean: Array
    mean_fit: Array
    spread: Array
    quantiles: Array
    tree_quantiles: Array
    se: Array
    se_shrunk: NDArray[np.bool_]


def nothing_said(intervals: int, n: int, wish: Wish) -> Answers:
    """Answers of n cells that hold nothing but NaN."""
    plain, m = (intervals, n), n if wish.error else 0
    return Answers(
        np.full(plain, np.nan), np.full(plain, np.nan), np.full(plain, np.nan), np.full((*plain, len(wish.levels)), np.nan),
        np.full((*plain, len(wish.tree_levels)), np.nan), np.full((intervals, m), np.nan), np.zeros((intervals, m), dtype=bool),
    )  # fmt: skip


def answer_layers(model: SoilModel, features: NDArray[np.float32], wish: Wish, thickness: Array | None = None) -> Answers:
    """Predict all intervals of cells in one pass, in the unit of the target's answers.

    The mean of the whole depth is the sum of its layers' means (contents: their mean by thickness); its quantiles are those of joint
    realisations of the layers (:mod:`edaphic.model.joint`). Its spread and the percentiles of its trees are those of the sums, tree by
    tree, in the form with one forest. A forest for each layer has trees that know nothing of each other: there the spread is the root of
    the sum of the squares of the layers' spreads, and the percentiles are those of sums of trees drawn independently. What a tree says of
    the whole on its own scale (``mean_fit``, logarithms) is log(mean) - 1/2 sum_ij w_i w_j R_ij s_i s_j, w being the shares of the layers
    in the mean and s_i^2 = 2 (log mean_i - mean_fit_i) (Fenton, L. F. 1960, IRE Transactions on Communications Systems 8, 57-67).

    Parameters
    ----------
    model : SoilModel
    features : float32 (n, q)
        As :meth:`Encoder.transform` gives them, cells in an order in which neighbours stand together.
    wish : Wish
    thickness : float64 (n, L), optional
        Share of each layer that is soil, 0 to 1; a layer's stock is that share of what it would be, and contents of the whole depth are
        weighted by the thickness that is soil. All 1 where left out.

    Returns
    -------
    Answers

    Raises
    ------
    ModelError
        A standard error is asked of a forest without little bags; ``thickness`` does not fit.
    """
    n, layers = len(features), len(model.layers)
    if wish.error and (model.forests[0].bag == 0 or len(model.se_prior) != len(model.intervals)):
        raise ModelError("standard error: the forest has no little bags; expected a model grown with model.forest.little_bags above 0")
    if thickness is not None and np.shape(thickness) != (n, layers):
        raise ModelError(f"thickness: shape {np.shape(thickness)}; expected a share for each of {n} cells and {layers} layers")
    own, total = factors_of(model, thickness)
    if model.whole is not None and model.depth_correlation.shape != (layers, layers):
        raise ModelError(f"depth correlation: shape {model.depth_correlation.shape}; expected ({layers}, {layers})")
    parts = [
        _answer_block(
            model, features[a : a + BLOCK], wish, asked_of_forests(model, wish), own if thickness is None else own[:, a : a + BLOCK],
            total if thickness is None else total[:, a : a + BLOCK],
        )
        for a in range(0, n, BLOCK)
    ]  # fmt: skip
    if not parts:
        return nothing_said(len(model.intervals), 0, wish)
    if len(parts) == 1:
        return parts[0]
    return Answers(*(np.concatenate([getattr(part, name) for part in parts], axis=1) for name in Answers.__dataclass_fields__))


def asked_of_forests(model: SoilModel, wish: Wish) -> Wish:
    """What forests are asked so that a wish can be answered: quantile functions of layers too, where they are to be added up."""

    def with_grid(levels: tuple[float, ...], needed: bool) -> tuple[float, ...]:
        return tuple(sorted({*levels, *LEVELS})) if needed and levels and model.whole is not None else levels

    return replace(wish, levels=with_grid(wish.levels, True), tree_levels=with_grid(wish.tree_levels, model.form == "layers"))


def answer_bytes(model: SoilModel, cells: int, wish: Wish) -> int:
    """Memory that :func:`answer_layers` takes besides the model and the features it is given: its answers, and its room for a block."""
    size, layers, asked = min(cells, BLOCK), len(model.layers), asked_of_forests(model, wish)
    intervals, per = len(model.intervals), 3 + len(wish.levels) + len(wish.tree_levels) + 2 * wish.error
    forests = [bytes_needed(forest, size, layers if model.form == "3d" else 1, asked, model.whole is not None) for forest in model.forests]
    wide = 3 + len(asked.levels) + len(asked.tree_levels) + 2 * wish.error
    # Features by row of features, what the forests say by layer, and copies of it on the way to the answers.
    return int(sum(forests) + 4 * size * len(model.encoder.features) + 8 * size * layers * 2 * wide + 8 * 2 * cells * intervals * per)


def factors_of(model: SoilModel, thickness: Array | None) -> tuple[Array, Array]:
    """What the forest's values of each layer are multiplied by to be its answers, and to be added up to the whole: (L, n) or (L, 1)."""
    target = model.target
    share = np.ones((len(model.layers), 1)) if thickness is None else np.asarray(thickness, dtype=np.float64).T
    if target.quantity == "soc":
        depth = share * np.array([(bottom - top) / CM_PER_M for top, bottom in model.layers])[:, None]
        with np.errstate(invalid="ignore"):
            return np.ones_like(share), depth / depth.sum(axis=0)
    own = share if target.quantity == "soc_stock" else np.ones_like(share)
    own = own * np.array([target.factor(layer) for layer in model.layers])[:, None]
    return own, own


def _answer_block(model: SoilModel, features: NDArray[np.float32], wish: Wish, asked: Wish, own: Array, total: Array) -> Answers:
    """Answers of some cells; ``asked``: what is asked of the forests so that the wish can be answered."""
    said = _forests_say(model, features, asked, total)
    layers, n = len(model.layers), len(features)
    kept, kept_trees = _places(asked.levels, wish.levels), _places(asked.tree_levels, wish.tree_levels)
    out = nothing_said(len(model.intervals), n, wish)
    out.mean[:layers], out.spread[:layers] = said.mean[:layers] * own, said.spread[:layers] * own
    with np.errstate(divide="ignore"):
        out.mean_fit[:layers] = said.mean_fit[:layers] + np.log(own) if model.target.log else said.mean_fit[:layers] * own
    out.quantiles[:layers] = said.quantiles[:layers][:, :, kept] * own[:, :, None]
    out.tree_quantiles[:layers] = said.tree_quantiles[:layers][:, :, kept_trees] * own[:, :, None]
    if wish.error:
        _errors(out, model, said, own, total)
    if model.whole is not None:
        _whole(out, model, said, asked, wish, np.broadcast_to(total, (layers, n)))
    return out


def _forests_say(model: SoilModel, features: NDArray[np.float32], asked: Wish, total: Array) -> Said:
    """What the forests say of each layer, and in the form with one forest of their sum too."""
    if model.form == "3d":
        cells = np.ascontiguousarray(features[:, :-2].T)
        depths = np.asarray(model.layers, dtype=np.float32)
        added = np.ascontiguousarray(total[:, 0] if total.shape[1] == 1 else total)
        return traverse(model.forests[0], cells, depths, asked, total=None if model.whole is None else added)
    cells = np.ascontiguousarray(features.T)
    each = [traverse(forest, cells, None, asked) for forest in model.forests]
    return Said(*(np.concatenate([getattr(one, name) for one in each]) for name in Said.__dataclass_fields__))


def _places(levels: tuple[float, ...], wanted: tuple[float, ...]) -> list[int]:
    return [levels.index(level) for level in wanted]


def _whole(out: Answers, model: SoilModel, said: Said, asked: Wish, wish: Wish, total: Array) -> None:
    """Fill in the whole depth, after its layers."""
    layers = len(total)
    # Layers as they are answered, so that those add up to the last bit; contents by thickness.
    out.mean[-1] = _added(out.mean[:layers] * total if model.target.quantity == "soc" else out.mean[:layers])
    correlation = model.depth_correlation
    out.mean_fit[-1] = out.mean[-1]
    if model.target.log:
        out.mean_fit[-1] = _log_mean(said.mean[:layers], said.mean_fit[:layers], total, correlation)
    if wish.levels:
        grid = said.quantiles[:layers][:, :, _places(asked.levels, LEVELS)]
        out.quantiles[-1] = joint_quantiles(grid, total, draws_of(correlation), wish.levels)
        for j, alone in enumerate((total != 0) & (np.sum(total != 0, axis=0) == 1)):
            # The whole of a cell with soil in one layer only is that layer, to the bit.
            out.quantiles[-1, alone] = out.quantiles[j, alone]
    if model.form == "3d":
        out.spread[-1], out.tree_quantiles[-1] = said.spread[layers], said.tree_quantiles[layers]
        return
    out.spread[-1] = np.sqrt(_added((said.spread * total) ** 2))
    if wish.tree_levels:
        grid = said.tree_quantiles[:, :, _places(asked.tree_levels, LEVELS)]
        out.tree_quantiles[-1] = joint_quantiles(grid, total, draws_of(np.eye(layers)), wish.tree_levels)


def _added(rows: Array) -> Array:
    """Sum over the first axis, in its order whatever the number of columns."""
    out = np.zeros(rows.shape[1])
    for row in rows:
        out += row
    return out


def _log_mean(mean: Array, mean_fit: Array, total: Array, correlation: Array) -> Array:
    """Mean of the logarithm of the sum of layers: see :func:`answer_layers`."""
    parts = mean * total
    sums = _added(parts)
    with np.errstate(invalid="ignore", divide="ignore"):
        pull = parts / sums * np.sqrt(np.maximum(2.0 * (np.log(mean) - mean_fit), 0.0))
        return np.asarray(np.log(sums) - 0.5 * np.maximum(_form(pull, correlation), 0.0))


def _form(vectors: Array, matrix: Array) -> Array:
    """v' M v of each column, added in a fixed order whatever the number of columns."""
    out = np.zeros(vectors.shape[1])
    for i in range(len(matrix)):
        for j in range(len(matrix)):
            out += matrix[i, j] * vectors[i] * vectors[j]
    return out


def _errors(out: Answers, model: SoilModel, said: Said, own: Array, total: Array) -> None:
    """Standard errors. With a forest for each layer those of the layers are added up as errors of single profiles go together."""
    forest, layers = model.forests[0], len(model.layers)
    each = np.empty(said.between.shape)
    for i, (between, within) in enumerate(zip(said.between, said.within, strict=True)):
        prior = (float(model.se_prior[i, 0]), float(model.se_prior[i, 1]))
        variance, out.se_shrunk[i] = variance_of_mean(between, within, forest.trees // forest.bag, forest.bag, prior)
        each[i] = np.sqrt(variance)
    out.se[:layers] = each[:layers] * own
    if model.whole is None:
        return
    if model.form == "3d":
        out.se[-1] = each[-1]
    else:
        out.se[-1] = np.sqrt(np.maximum(_form(each * total, model.depth_correlation), 0.0))
        out.se_shrunk[-1] = out.se_shrunk[:layers].any(axis=0)


def learn_error_prior(model: SoilModel, features: NDArray[np.float32]) -> Array:
    """What :func:`edaphic.model.bags.variance_of_mean` is told of each interval, from cells that are no profiles: float64 (intervals, 2).

    With a forest for each layer the whole has no errors of its own to learn from; its row lends nothing.
    """
    _, total = factors_of(model, None)
    said = _forests_say(model, features, Wish(error=True), total)
    forest = model.forests[0]
    out = np.tile(np.array([0.0, 1.0]), (len(model.intervals), 1))
    for i, (between, within) in enumerate(zip(said.between, said.within, strict=True)):
        out[i] = learn_prior(between, within, forest.trees // forest.bag, forest.bag)
    return out


def answer(
    model: SoilModel, features: NDArray[np.float32], interval: int, levels: tuple[float, ...] = (), workers: int = 1
) -> Prediction:
    """Predict one interval for rows of features, in the unit of the target's answers.

    Parameters
    ----------
    model : SoilModel
    features : float32 (n, q)
        As :meth:`Encoder.transform` gives them; the depth columns are filled here.
    interval : int
        Position among ``model.intervals``. The whole depth is answered as by :func:`answer_layers`.
    levels : tuple of float
        Quantile levels.
    workers : int
        Threads.
    """
    if interval == len(model.layers):
        return _answer_whole(model, features, levels, workers)
    if model.form == "3d":
        features[:, -2:] = model.intervals[interval]
    raw = predict(model.forests[0 if model.form == "3d" else interval], features, levels, workers)
    factor = model.target.factor(model.intervals[interval])
    shift = np.log(factor) if model.target.log else 0.0
    scale = 1.0 if model.target.log else factor
    return Prediction(raw.mean * factor, raw.mean_fit * scale + shift, raw.spread * factor, raw.quantiles * factor)


def _answer_whole(model: SoilModel, features: NDArray[np.float32], levels: tuple[float, ...], workers: int) -> Prediction:
    rows = [part for part in np.array_split(np.arange(len(features)), max(1, workers)) if len(part)] or [np.arange(0)]
    with ThreadPoolExecutor(len(rows)) as pool:
        parts = list(pool.map(lambda part: answer_layers(model, features[part], Wish(levels)), rows))
    return Prediction(*(np.concatenate([getattr(part, name)[-1] for part in parts]) for name in Prediction.__dataclass_fields__))
