"""How far a depth function lies from the means of the horizons it was drawn through.

A smooth curve that is nowhere negative cannot follow every profile: 18 g/kg at 0-10 cm above 1 g/kg at 10-80 cm would need a bend that
falls below 0. The curve keeps the mass of the profile and lies elsewhere, and so do smoothed ones. This says by how much.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FAR = 0.1
"""Departure of the curve from the mean of a horizon that is told of."""

_DECIMALS = 9


def departures(fitted: Floats, means: Floats) -> Floats:
    """Difference of two means as a share of the larger one, 0 to 1 for values of one sign; 0 where both are 0.

    Parameters
    ----------
    fitted : float array (n,)
        Mean of the curve in each horizon.
    means : float array (n,)
        Mean of each horizon, in the same unit.

    Examples
    --------
    >>> departures(np.array([8.0, 2.4, 0.0]), np.array([10.0, 1.2, 0.0]))
    array([0.2, 0.5, 0. ])
    """
    larger = np.maximum(np.abs(fitted), np.abs(means))
    share = np.divide(np.abs(fitted - means), larger, out=np.zeros_like(larger), where=larger > 0)
    return np.asarray(np.round(share, _DECIMALS))


def largest_in_layers(start: Ints, top: Floats, bottom: Floats, share: Floats, tops: Floats, bottoms: Floats) -> Floats:
    """Largest departure among the horizons that reach into each layer.

    Parameters
    ----------
    start : int array (n_profiles,)
        Index of the first horizon of each profile.
    top, bottom, share : float array (n,)
        Depths in cm and departure of each horizon.
    tops, bottoms : float array (n_layers,)
        cm.

    Returns
    -------
    float array (n_profiles, n_layers)
        NaN where no horizon reaches into the layer.

    Examples
    --------
    >>> start, top, bottom = np.array([0]), np.array([0.0, 20.0]), np.array([20.0, 50.0])
    >>> largest_in_layers(start, top, bottom, np.array([0.1, 0.3]), np.array([0.0, 0.0, 60.0]), np.array([20.0, 30.0, 90.0]))
    array([[0.1, 0.3, nan]])
    """
    found = np.full((start.size, tops.size), np.nan)
    if not start.size:
        return found
    for layer, (upper, lower) in enumerate(zip(tops, bottoms, strict=True)):
        inside = (top < lower) & (bottom > upper)
        largest = np.maximum.reduceat(np.where(inside, share, -1.0), start)
        found[:, layer] = np.where(largest < 0, np.nan, largest)
    return found


def far_line(layers: pd.DataFrame) -> str:
    """One line on the profiles whose curve departs by more than :data:`FAR` from the mean of a horizon, or nothing.

    Parameters
    ----------
    layers : DataFrame
        ``profile_id, top_cm, bottom_cm, depth_fit_gap``; several rows of a profile count once.

    Examples
    --------
    >>> table = pd.DataFrame({"profile_id": ["a", "b"], "top_cm": 0.0, "bottom_cm": 30.0, "depth_fit_gap": [0.02, 0.56]})
    >>> far_line(table)  # doctest: +NORMALIZE_WHITESPACE
    '1 of 2 profiles: the curve departs more than 10 % from the mean of a horizon (most: 56 %, profile b, 0-30 cm): too steep for a
     smooth positive curve; lam 0 follows more of them, method weighted all (column depth_fit_gap)'
    """
    known = layers[layers["depth_fit_gap"].notna()]
    far = known[known["depth_fit_gap"] > FAR]
    if not len(far):
        return ""
    most = far.iloc[int(far["depth_fit_gap"].to_numpy().argmax())]
    return (
        f"{far['profile_id'].nunique():,} of {known['profile_id'].nunique():,} profiles: the curve departs more than {FAR * 100:g} % from "
        f"the mean of a horizon (most: {most['depth_fit_gap'] * 100:.0f} %, profile {most['profile_id']}, {most['top_cm']:g}-"
        f"{most['bottom_cm']:g} cm): too steep for a smooth positive curve; lam 0 follows more of them, method weighted all "
        "(column depth_fit_gap)"
    )
