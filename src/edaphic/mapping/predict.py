"""One tile: read the covariates, keep the valid cells, ask the model for every layer, calibrate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.covariates.grid import Window
from edaphic.covariates.stack import Stack
from edaphic.errors import ModelError
from edaphic.model.fit import SoilModel, answer, combine_means
from edaphic.validate.calibration import adjust

MIDDLE = 0.5


def predict_tile(
    model: SoilModel,
    stack: Stack,
    tile: Window,
    adjustments: pd.DataFrame,
    levels: tuple[float, float],
    *,
    masks: Sequence[tuple[str, Sequence[int]]] = (),
    region: NDArray[np.bool_] | None = None,
    workers: int = 1,
) -> dict[str, NDArray]:
    """Maps of one tile.

    Parameters
    ----------
    model : SoilModel
    stack : Stack
        Holds the covariates of the model, and those of the masks.
    tile : Window
    adjustments : DataFrame
        :func:`~edaphic.validate.calibration.fit_adjustments` for each interval of the model.
    levels : (low, high)
        Levels of the interval's limits.
    masks : sequence of (layer name, codes)
        Cells of these classes get no value.
    region : bool (height, width), optional
        Cells outside get no value.
    workers : int

    Returns
    -------
    dict
        ``STAT_i`` float32 (height, width) for each interval i and STAT in mean, low, mid, high, spread; NaN where a covariate is
        missing or the mask removes the cell. ``counts`` int64: cells (of the region), cells with all covariates, masked, with a class
        unseen in training, and those where the limits of the whole depth were widened to hold its mean.
    """
    shape = (tile.height, tile.width)
    inside = np.ones(shape, dtype=bool) if region is None else region
    cells, keep, counts = _valid_cells(model, stack, tile, masks, inside)
    moves = _moves(model, adjustments)
    names = ("mean", "low", "mid", "high", "spread")
    out: dict[str, NDArray] = {
        f"{name}_{i}": np.full(shape, np.nan, dtype=np.float32) for i in range(len(model.intervals)) for name in names
    }
    out["counts"] = counts
    if not keep.any():
        return out
    features = model.encoder.transform(cells)
    means: list[NDArray[np.float32]] = []
    for i, interval in enumerate(model.intervals):
        said = answer(model, features, i, (levels[0], MIDDLE, levels[1]), workers)
        low, mid, high = said.quantiles.T
        low, high = adjust(low, mid, high, *moves[i], log=model.target.log)
        # Rounded before they are added, so that the maps of the layers add up to the map of the whole as stored.
        mean = said.mean.astype(np.float32)
        if interval == model.whole:
            mean = combine_means(model.target, model.layers, [m.astype(np.float64) for m in means]).astype(np.float32)
            # The mean is that of the layers, the limits are those of the whole: where they disagree, the limits give way.
            out["counts"][4] += int(np.sum((mean < low) | (mean > high)))
            low, high = np.minimum(low, mean), np.maximum(high, mean)
        means.append(mean)
        for name, values in zip(names, (mean, low, mid, high, said.spread), strict=True):
            out[f"{name}_{i}"][keep] = values
    return out


def _valid_cells(
    model: SoilModel,
    stack: Stack,
    tile: Window,
    masks: Sequence[tuple[str, Sequence[int]]],
    inside: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    names = list(model.encoder.covariates)
    read = stack.select([*names, *(name for name, _ in masks if name not in names)])
    values = read.read(tile)
    position: Mapping[str, int] = {name: i for i, name in enumerate(read.names)}
    complete = np.isfinite(values[[position[name] for name in names]]).all(axis=0) & inside
    removed = np.zeros_like(complete)
    for name, codes in masks:
        removed |= np.isin(values[position[name]], codes)
    keep = complete & ~removed
    cells = np.stack([values[position[name]][keep] for name in names], axis=1).astype(np.float64)
    unseen = int(model.encoder.unseen(cells).sum())
    counts = np.array([inside.sum(), complete.sum(), (complete & removed).sum(), unseen, 0], dtype=np.int64)
    return cells, keep, counts


def _moves(model: SoilModel, adjustments: pd.DataFrame) -> list[tuple[float, float]]:
    columns = (adjustments[name].to_numpy(dtype=float) for name in ("top_cm", "bottom_cm", "lower", "upper"))
    known = {(top, bottom): (lower, upper) for top, bottom, lower, upper in zip(*columns, strict=True)}
    lacking = [interval for interval in model.intervals if interval not in known]
    if lacking:
        raise ModelError(f"evidence: no calibration for the depths {lacking}; expected one for each layer of the model")
    return [known[interval] for interval in model.intervals]
