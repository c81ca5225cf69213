"""Maps beside the truth, where it is known: on a virtual landscape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.account.maps import Layer, Reader, check_shape, layer_name, open_maps, quantile_names
from edaphic.account.sums import Moments, Sums
from edaphic.account.totals import bounds, layer_values, named_paths, quantities
from edaphic.covariates.grid import cell_area_m2, windows
from edaphic.units import KG_PER_TG

TRUTH_COLUMNS = (
    "top_cm",
    "bottom_cm",
    "cells",
    "bias",
    "rmse",
    "mec",
    "coverage",
    "below",
    "above",
    "true_total_Tg",
    "total_Tg",
    "independent_low_Tg",
    "independent_high_Tg",
    "fully_correlated_low_Tg",
    "fully_correlated_high_Tg",
    "inside_independent",
    "inside_fully_correlated",
)


def against_truth(
    maps: Mapping[str, Path],
    grid: GeoBox,
    read_truth: Reader,
    layer: Layer,
    *,
    interval: float = 0.9,
    unit: str = "kg/m2",
    window_size: int = 512,
) -> dict[str, object]:
    """How far the maps of a layer are from the true stock of every cell, and whether their bounds hold the true total.

    Parameters
    ----------
    maps : mapping of str to Path
        Maps of the layer: "mean", and "q05" and "q95" (for another interval the names of
        :func:`~edaphic.account.maps.quantile_names`).
    grid : GeoBox
        Grid of the maps.
    read_truth : callable
        Window -> true stock (height, width), kg/m2, NaN where there is none.
    layer : (top_cm, bottom_cm)
    interval : float
        Level of the interval that the quantile maps bound.
    unit : str
        Unit of the maps.
    window_size : int
        Cells read at once, a side.

    Returns
    -------
    dict with the keys :data:`TRUTH_COLUMNS`, over the cells where both have a value. bias (map minus truth) and rmse in
    kg/m2; mec = 1 - sum (map - truth)^2 / sum (truth - its mean)^2, NaN where the truth is constant; coverage, below,
    above: shares of cells whose truth lies within, under and over the interval; totals with true areas, the bounds
    being those of :func:`~edaphic.account.totals.stock_table`; the last two say
    whether the true total lies inside each.

    Raises
    ------
    RasterError
        As for :func:`~edaphic.account.totals.stock_table`; or the truth has another shape than its window.
    """
    sums, shares, both = Sums(7), Sums(4), Moments()
    with open_maps(named_paths({layer: maps}, interval), grid, unit) as readers:
        # A truth equal to a limit is not outside by the rounding of maps of whole numbers.
        below, above = (1.001 * readers[f"{layer_name(layer)} {name}"].error for name in quantile_names(interval))
        for window in windows(grid, window_size):
            area = cell_area_m2(grid, window).ravel()
            real = check_shape(np.asarray(read_truth(window), np.float64), window, "truth").ravel()
            mean, low, high = layer_values(readers, layer, window, interval)
            kept = np.isfinite(mean) & np.isfinite(real)
            area, real, mean, low, high = area[kept], real[kept], mean[kept], low[kept], high[kept]
            both.add(real, mean)
            sums.add_cells("", quantities(area, mean, low, high))
            shares.add_cells("", _shares(area, real, mean, low - below, high + above))
    return _row(layer, both, sums[""], shares[""])


def _shares(
    area_m2: NDArray[np.float64],
    real: NDArray[np.float64],
    mean: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Squared error, under and over the interval (0 or 1), true stock in kg, of each cell, shape (4, n)."""
    stored = real.astype(np.float32)  # the maps are float32: a truth equal to a limit is not outside by its rounding
    under, over = stored < low.astype(np.float32), stored > high.astype(np.float32)
    stock = np.nan_to_num(area_m2, nan=0.0) * real
    return np.stack([(mean - real) ** 2, under.astype(np.float64), over.astype(np.float64), stock])


def _row(layer: Layer, both: Moments, sums: NDArray[np.float64], shares: NDArray[np.float64]) -> dict[str, object]:
    cells = both.count
    squares, under, over, real_kg = (float(v) for v in shares)
    total = bounds(sums)
    real = real_kg / KG_PER_TG
    count = float(cells) if cells else float("nan")
    return {
        "top_cm": float(layer[0]),
        "bottom_cm": float(layer[1]),
        "cells": cells,
        "bias": both.mean_y - both.mean_x if cells else float("nan"),
        "rmse": float(np.sqrt(squares / count)),
        "mec": 1.0 - squares / both.squares_x if both.squares_x > 0.0 else float("nan"),
        "coverage": (cells - under - over) / count,
        "below": under / count,
        "above": over / count,
        "true_total_Tg": real,
        **total,
        "inside_independent": total["independent_low_Tg"] <= real <= total["independent_high_Tg"],
        "inside_fully_correlated": total["fully_correlated_low_Tg"] <= real <= total["fully_correlated_high_Tg"],
    }
