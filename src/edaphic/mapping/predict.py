"""One tile: read the covariates, keep the valid cells, ask the model for every layer, calibrate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.covariates.grid import Window
from edaphic.covariates.stack import Stack
from edaphic.errors import ModelError
from edaphic.model.fit import combine_means
from edaphic.model.zones import AnyModel, ZonedModel, ask, base_of, reply, zone_codes
from edaphic.validate.applicability import Applicability, dissimilarity_and_density
from edaphic.validate.calibration import adjust, moves_for

MIDDLE = 0.5


def predict_tile(
    model: AnyModel,
    stack: Stack,
    tile: Window,
    adjustments: pd.DataFrame,
    levels: tuple[float, float],
    *,
    masks: Sequence[tuple[str, Sequence[int]]] = (),
    region: NDArray[np.bool_] | None = None,
    applicability: Applicability | None = None,
    workers: int = 1,
) -> dict[str, NDArray]:
    """Maps of one tile.

    Parameters
    ----------
    model : SoilModel or ZonedModel
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
    applicability : Applicability, optional
        Adds where the model may be applied.
    workers : int

    Returns
    -------
    dict
        ``STAT_i`` float32 (height, width) for each interval i and STAT in mean, low, mid, high, spread; NaN where a covariate is
        missing or the mask removes the cell. With ``applicability`` also ``dissimilarity`` and ``point_density``, and ``applicability`` (1
        inside, 0 outside). ``counts`` int64: cells (of the region), cells with all covariates, masked, with a class
        unseen in training, those where the limits of the whole depth were widened to hold its mean, and cells inside the area of
        applicability.
    """
    shape = (tile.height, tile.width)
    inside = np.ones(shape, dtype=bool) if region is None else region
    cells, keep, counts = _valid_cells(model, stack, tile, masks, inside)
    _check_moves(model, adjustments)
    names = ("mean", "low", "mid", "high", "spread")
    wanted = [f"{name}_{i}" for i in range(len(model.intervals)) for name in names]
    wanted += [] if applicability is None else ["applicability", "dissimilarity", "point_density"]
    out: dict[str, NDArray] = {name: np.full(shape, np.nan, dtype=np.float32) for name in wanted}
    out["counts"] = counts
    if not keep.any():
        return out
    asked, zones = ask(model, cells), zone_codes(model, cells)
    means: list[NDArray[np.float32]] = []
    for i, interval in enumerate(model.intervals):
        said = reply(asked, i, (levels[0], MIDDLE, levels[1]), workers)
        low, mid, high = said.quantiles.T
        low, high = adjust(low, mid, high, *moves_for(adjustments, interval, zones), log=model.target.log)
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
    if applicability is not None:
        _fill_applicability(out, keep, model, cells, applicability, workers)
    return out


def applicability_features(model: AnyModel, cells: NDArray[np.floating]) -> NDArray[np.float32]:
    """Features without depth, in whose space cells lie near to profiles or far from them.

    Parameters
    ----------
    model : SoilModel or ZonedModel
        Of zones, the model of all cells gives the features.
    cells : array (n, number of covariates)
        In the order of ``model.covariates``.
    """
    base = base_of(model)
    columns = [model.covariates.index(name) for name in base.covariates]
    features = base.encoder.transform(cells[:, columns])
    return features[:, :-2] if base.encoder.depth else features


def _fill_applicability(
    out: dict[str, NDArray],
    keep: NDArray[np.bool_],
    model: AnyModel,
    cells: NDArray[np.float64],
    applicability: Applicability,
    workers: int,
) -> None:
    di, density = dissimilarity_and_density(applicability, applicability_features(model, cells), workers)
    out["dissimilarity"][keep] = di
    out["point_density"][keep] = density
    out["applicability"][keep] = density > 0
    out["counts"][5] = int(np.sum(density > 0))


def _valid_cells(
    model: AnyModel,
    stack: Stack,
    tile: Window,
    masks: Sequence[tuple[str, Sequence[int]]],
    inside: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    names = list(model.covariates)
    read = stack.select([*names, *(name for name, _ in masks if name not in names)])
    values = read.read(tile)
    position: Mapping[str, int] = {name: i for i, name in enumerate(read.names)}
    complete = np.isfinite(values[[position[name] for name in names]]).all(axis=0) & inside
    removed = np.zeros_like(complete)
    for name, codes in masks:
        removed |= np.isin(values[position[name]], codes)
    keep = complete & ~removed
    cells = np.stack([values[position[name]][keep] for name in names], axis=1).astype(np.float64)
    counts = np.array([inside.sum(), complete.sum(), (complete & removed).sum(), _unseen(model, cells), 0, 0], dtype=np.int64)
    return cells, keep, counts


def _unseen(model: AnyModel, cells: NDArray[np.float64]) -> int:
    """Cells with a class that no training profile had, or in a zone that none lay in."""
    base = base_of(model)
    rows = base.encoder.unseen(cells[:, [model.covariates.index(name) for name in base.covariates]])
    if isinstance(model, ZonedModel):
        rows |= ~np.isin(cells[:, model.covariates.index(model.zone)], [code for code, _ in model.counts])
    return int(rows.sum())


def _check_moves(model: AnyModel, adjustments: pd.DataFrame) -> None:
    known = set(zip(adjustments["top_cm"].astype(float), adjustments["bottom_cm"].astype(float), strict=True))
    lacking = [interval for interval in model.intervals if interval not in known]
    if lacking:
        raise ModelError(f"evidence: no calibration for the depths {lacking}; expected one for each layer of the model")
