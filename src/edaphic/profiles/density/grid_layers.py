"""Values of a layered grid (0-5, 5-15 cm and so on) at the depths of horizons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import TableError

Floats = NDArray[np.float64]


def horizon_means_from_layers(horizons: pd.DataFrame, layers: Sequence[tuple[float, float]], values: ArrayLike) -> Floats:
    """Mean of layer values over each horizon, weighted with the thickness that layer and horizon share.

    Parameters
    ----------
    horizons : DataFrame
        ``profile_id, top_cm, bottom_cm`` (n rows).
    layers : sequence of (top, bottom)
        Layers of the grid in cm.
    values : array_like (n_profiles, n_layers)
        A row for each profile in the order in which they first appear in ``horizons``; NaN where the grid has no value.

    Returns
    -------
    ndarray (n,)
        In the unit of ``values``. A horizon that reaches below the layers gets the mean of the part that they cover; NaN where
        they cover nothing of it.

    Raises
    ------
    TableError
        Shapes that do not fit, or a layer without thickness.

    Examples
    --------
    10-20 cm lies half in 5-15 and half in 15-30 cm.

    >>> table = pd.DataFrame({"profile_id": ["a", "a"], "top_cm": [0.0, 10.0], "bottom_cm": [5.0, 20.0]})
    >>> horizon_means_from_layers(table, [(0, 5), (5, 15), (15, 30)], [[1.2, 1.3, 1.5]])
    array([1.2, 1.4])
    """
    code, ids = pd.factorize(horizons["profile_id"])
    given = np.asarray(values, dtype=np.float64)
    faults = [f"layers: found {top:g}-{bottom:g} cm; expected top < bottom" for top, bottom in layers if not top < bottom]
    if given.shape != (len(ids), len(layers)):
        faults.append(f"values of the layers: found shape {given.shape}; expected {(len(ids), len(layers))}, profiles by layers")
    if faults:
        raise TableError(faults)
    top, bottom = (horizons[name].to_numpy(dtype=np.float64) for name in ("top_cm", "bottom_cm"))
    total, weight = np.zeros(len(horizons)), np.zeros(len(horizons))
    for k, (layer_top, layer_bottom) in enumerate(layers):
        here = given[code, k]
        shared = np.where(np.isnan(here), 0.0, np.maximum(np.minimum(bottom, layer_bottom) - np.maximum(top, layer_top), 0.0))
        weight += shared
        total += shared * np.where(np.isnan(here), 0.0, here)
    mean: Floats = np.divide(total, weight, out=np.full(len(horizons), np.nan), where=weight > 0.0)
    return mean


def per_horizon(horizons: pd.DataFrame, grid: ArrayLike | pd.DataFrame | None, name: str) -> Floats | None:
    """A value of the grid for each horizon, (n,).

    Parameters
    ----------
    horizons : DataFrame
        Horizon table (n rows).
    grid : array_like (n,), DataFrame or None
        Values of the horizons; or a table with a row for each profile (index ``profile_id``) and a column for each layer, named
        (top, bottom) in cm.
    name : str
        What to name in a message.

    Raises
    ------
    TableError
        The length is another than that of the table, a column is no layer, a profile is repeated.

    Examples
    --------
    >>> table = pd.DataFrame({"profile_id": ["b", "a"], "top_cm": [0.0, 0.0], "bottom_cm": [30.0, 20.0]})
    >>> grid = pd.DataFrame([[1.1, 1.3]], index=["b"], columns=pd.MultiIndex.from_tuples([(0, 15), (15, 30)]))
    >>> per_horizon(table, grid, "bulk density").round(6)
    array([1.2, nan])
    """
    if grid is None:
        return None
    if not isinstance(grid, pd.DataFrame):
        values = np.asarray(grid, dtype=np.float64)
        if values.shape != (len(horizons),):
            raise TableError(f"{name} of the grid: found shape {values.shape}; expected {(len(horizons),)}, a value for each horizon")
        return values
    if grid.index.has_duplicates:
        raise TableError(f"{name} of the grid: found profile {grid.index[grid.index.duplicated()][0]!r} twice; expected one row each")
    try:
        layers = [(float(layer[0]), float(layer[1])) for layer in grid.columns.to_list()]
    except (TypeError, ValueError, IndexError) as error:
        raise TableError(f"{name} of the grid: found columns {list(grid.columns)[:5]}; expected (top, bottom) in cm") from error
    ids = pd.unique(horizons["profile_id"])
    return horizon_means_from_layers(horizons, layers, grid.reindex(ids).to_numpy(dtype=np.float64))
