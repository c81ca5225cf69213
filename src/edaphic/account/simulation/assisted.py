"""Totals from a map and a probability sample of sites: corrected by the design, whatever the map and its errors.

References
----------
Sarndal, C.-E., Swensson, B., Wretman, J. (1992). Model assisted survey sampling. Springer. Sections 6.3 (difference estimator) and 5.8
(ratios for parts of the population).
Brus, D. J. (2022). Spatial sampling with R. CRC Press. Chapter 10.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from edaphic.errors import ModelError
from edaphic.units import KG_PER_TG, M2_PER_KM2
from edaphic.validate.probability import SamplingDesign, difference_estimate

ASSISTED_COLUMNS = (
    "by", "class", "class_name", "top_cm", "bottom_cm", "sites", "area_km2", "total_Tg", "assisted_total_Tg", "assisted_low_Tg",
    "assisted_high_Tg", "assisted_sd_Tg",
)  # fmt: skip
FEWEST_SITES = 10
"""A class with fewer sites has no total of its own."""


def assisted_totals(
    stocks: pd.DataFrame,
    observed: ArrayLike,
    predicted: ArrayLike,
    design: SamplingDesign,
    classes: pd.DataFrame | None = None,
    *,
    interval: float = 0.9,
    fewest: int = FEWEST_SITES,
) -> tuple[pd.DataFrame, list[str]]:
    """Totals of one layer, for all of the map and for the classes that have sites enough.

    Parameters
    ----------
    stocks : DataFrame
        Rows of **one** layer of the table of stocks: ``by``, ``class``, ``class_name``, ``top_cm``, ``bottom_cm``, ``area_km2``,
        ``total_Tg``. The area is that from which the sites were drawn.
    observed, predicted : array_like (n,)
        Stock at the sites and what the map says there, kg/m2. The map must not have seen the sites.
    design : SamplingDesign
        How the sites were drawn.
    classes : DataFrame (n rows), optional
        Class of each site by the class layers of ``stocks`` (a column for each), as ``class`` has them.
    interval : float
        Level of the confidence interval.
    fewest : int
        Sites that a class needs.

    Returns
    -------
    table : DataFrame
        The columns :data:`ASSISTED_COLUMNS`.
    notes : list of str
        Classes that have too few sites.

    Raises
    ------
    ModelError
        Values missing or of another number than the sites, columns missing.

    Notes
    -----
    All cells: the mapped total plus area times the design's mean of observed minus predicted. A class: the mapped total of the class plus
    its area times the ratio of the design's means of (error inside the class, 0 outside) and of (1 inside, 0 outside), whose variance is
    that of the linearised ratio. This holds for any design.

    Examples
    --------
    A map of 2 km2 that says 10 kg/m2 everywhere, and three sites with 11, 12 and 13: the total is 2 x 12 x 1e6 kg = 0.024 Tg.

    >>> from edaphic.validate.probability import SimpleRandom
    >>> row = {"by": "all", "class": "", "class_name": "all", "top_cm": 0.0, "bottom_cm": 30.0, "area_km2": 2.0, "total_Tg": 0.02}
    >>> table, _ = assisted_totals(pd.DataFrame([row]), [11.0, 12.0, 13.0], [10.0, 10.0, 10.0], SimpleRandom(3))
    >>> round(float(table["assisted_total_Tg"].iloc[0]), 6)
    0.024
    """
    needed = ("by", "class", "class_name", "top_cm", "bottom_cm", "area_km2", "total_Tg")
    faults = [f"model-assisted totals: no column '{name}'; expected {', '.join(needed)}" for name in needed if name not in stocks]
    if not faults and len(stocks[["top_cm", "bottom_cm"]].drop_duplicates()) != 1:
        faults.append("model-assisted totals: stocks of several layers; expected those of one")
    if classes is not None and len(classes) != design.sites:
        faults.append(f"model-assisted totals: classes of {len(classes)} sites; expected {design.sites}")
    if faults:
        raise ModelError(faults)
    rows, notes = [], []
    for line in stocks.to_dict("records"):
        area = float(line["area_km2"]) * M2_PER_KM2 / KG_PER_TG
        if not area > 0:
            continue
        mapped = float(line["total_Tg"]) / area
        if line["by"] == "all":
            sites = design.sites
            mean, se, low, high = difference_estimate(mapped, observed, predicted, design, interval)
        else:
            if classes is None or line["by"] not in classes:
                continue
            inside = (classes[line["by"]].astype(str) == str(line["class"])).to_numpy()
            sites = int(inside.sum())
            if sites < fewest:
                notes.append(f"model-assisted totals: {line['by']} {line['class_name']}: {sites} sites; a total needs {fewest}")
                continue
            difference_estimate(mapped, observed, predicted, design, interval)  # refuses values that are missing
            mean, se, low, high = _within(mapped, np.subtract(observed, predicted), inside, design, interval)
        rows.append({name: line[name] for name in needed} | {
            "sites": sites, "assisted_total_Tg": mean * area, "assisted_low_Tg": low * area, "assisted_high_Tg": high * area,
            "assisted_sd_Tg": se * area,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=list(ASSISTED_COLUMNS)), notes


def _within(
    mapped: float, error: NDArray[np.float64], inside: NDArray[np.bool_], design: SamplingDesign, level: float
) -> tuple[float, float, float, float]:
    share = design.mean(inside.astype(np.float64))[0]
    ratio = design.mean(np.where(inside, error, 0.0))[0] / share
    variance = design.mean(np.where(inside, error - ratio, 0.0))[1] / share**2
    freedom = max(1, min(design.degrees_of_freedom(), int(inside.sum()) - 1))
    se = math.sqrt(max(variance, 0.0))
    half = float(student.ppf(0.5 + level / 2, freedom)) * se
    return mapped + ratio, se, mapped + ratio - half, mapped + ratio + half
