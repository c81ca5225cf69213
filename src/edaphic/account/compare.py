"""Our map beside another product: pattern, level, and whether a factor between them looks like a slip of units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.stats import rankdata

from edaphic.account.maps import Layer, Reader, check_shape, open_maps
from edaphic.account.sums import Moments, Sums
from edaphic.covariates.grid import Window, cell_area_m2, windows
from edaphic.units import KG_PER_TG, ORGANIC_MATTER_TO_CARBON

COMPARISON_COLUMNS = (
    "name",
    "top_cm",
    "bottom_cm",
    "cells",
    "pearson_r",
    "spearman_r",
    "mean_ours_kg_m2",
    "mean_theirs_kg_m2",
    "factor",
    "total_ours_Tg",
    "total_theirs_Tg",
    "explanation",
)

TOLERANCE = 0.15
"""How near a factor must come to a known slip before the slip is named."""

WIDE = 1.4
"""Within this many times a slip by 5 or more a factor is told to be not far from it: products seldom differ so much for good reasons."""

_SLIPS = (
    (10.0, "as if carbon in percent had been taken for g/kg by the other product, or its stocks in g/cm2 for kg/m2"),
    (100.0, "as if metres had been taken for centimetres, or shares for percentages, by the other product"),
    (1000.0, "as if the other product were in Mg/m2"),
    (0.1, "as if the other product were in t/ha, or carbon in percent had been taken for g/kg by our profiles"),
    (0.01, "as if centimetres had been taken for metres, or percentages for shares, by the other product"),
    (0.001, "as if the other product were in g/m2"),
    (
        10.0 * ORGANIC_MATTER_TO_CARBON,
        "10 x 0.58: as if organic matter in percent had been taken for carbon in g/kg by the other product",
    ),
    (
        0.1 / ORGANIC_MATTER_TO_CARBON,
        "1 / (10 x 0.58): as if organic matter in percent had been taken for carbon in g/kg by our profiles",
    ),
    (
        1.0 / ORGANIC_MATTER_TO_CARBON,
        "1 / 0.58: as if organic matter had been taken for carbon by our profiles, or the reverse by the other product",
    ),
    (ORGANIC_MATTER_TO_CARBON, "as if organic matter had been taken for carbon by the other product"),
)


def explain_factor(factor: float) -> str:
    """What a factor between two maps (ours over theirs) looks like.

    A factor near a known slip is a hint to look for one, no proof: maps differ for good reasons too. Likely where the
    patterns agree and the factor is the same everywhere.

    >>> explain_factor(0.6)
    'factor 0.6, near 0.58: as if organic matter had been taken for carbon by the other product'
    >>> explain_factor(1.05)
    'factor 1.05: levels agree within 15 %, no simple unit factor'
    >>> explain_factor(3.0)
    'factor 3: no simple unit factor'
    >>> explain_factor(13.0).split(":")[0]
    'factor 13, not far from 10'
    """
    if not np.isfinite(factor):
        return "no factor: a mean is zero or missing"
    near = [(abs(np.log(factor / slip)), slip, text) for slip, text in _SLIPS if _near(factor, slip)]
    if near:
        _, slip, text = min(near)
        return f"factor {factor:.3g}, near {slip:.4g}{' = ' if text[0].isdigit() else ': '}{text}"
    far = [(abs(np.log(factor / slip)), slip, text) for slip, text in _SLIPS if _not_far(factor, slip)]
    if far:
        _, slip, text = min(far)
        return f"factor {factor:.3g}, not far from {slip:.4g}: perhaps {text}"
    agree = f"levels agree within {TOLERANCE:.0%}, ".replace("%", " %") if _near(factor, 1.0) else ""
    return f"factor {factor:.3g}: {agree}no simple unit factor"


def _near(factor: float, slip: float) -> bool:
    return abs(factor / slip - 1.0) <= TOLERANCE


def _not_far(factor: float, slip: float) -> bool:
    return not 0.2 < slip < 5.0 and 1.0 / WIDE <= factor / slip <= WIDE


def compare_maps(
    ours: Path,
    grid: GeoBox,
    read_theirs: Reader,
    name: str,
    layer: Layer,
    *,
    unit: str = "kg/m2",
    note: str | None = None,
    limit: int = 1_000_000,
    window_size: int = 512,
) -> dict[str, object]:
    """Compare our map of mean stock with another product, over the cells where both have a value.

    Parameters
    ----------
    ours : Path
        Our map, on `grid`.
    grid : GeoBox
    read_theirs : callable
        Window -> the other product (height, width) aligned to the grid, kg/m2, NaN where it has no value.
    name : str
        Of the other product.
    layer : (top_cm, bottom_cm)
        Of both.
    unit : str
        Unit of our map.
    note : str, optional
        What is known about the other product; put after the explanation.
    limit : int
        Most cells that are ranked. Of a larger grid every k-th row and column is ranked (the explanation says so); all
        else uses every cell.
    window_size : int
        Cells read at once, a side.

    Returns
    -------
    dict with the keys :data:`COMPARISON_COLUMNS`. Correlations are over cells, means weighted by true area, so that
    mean times area is the total; ``factor`` is the ratio of the means, ours over theirs. Numbers are NaN where the maps
    have no cell in common, and the explanation says it.

    Raises
    ------
    RasterError
        Our map is missing or lies on another grid, or the reader returns another shape.
    """
    step = max(1, int(np.ceil(np.sqrt(grid.height * grid.width / limit))))
    moments, sums, ranked = Moments(), Sums(3), []
    with open_maps({"ours": ours}, grid, unit) as readers:
        for window in windows(grid, window_size):
            our = readers["ours"](window)
            their = check_shape(np.asarray(read_theirs(window), dtype=np.float64), window, name)
            both = np.isfinite(our) & np.isfinite(their)
            area = np.nan_to_num(cell_area_m2(grid, window)[both], nan=0.0)
            moments.add(our[both], their[both])
            sums.add_cells("", np.stack([area, area * our[both], area * their[both]]))
            thinned = both & _lattice(window, step)
            ranked.append(np.stack([our[thinned], their[thinned]]))
    pairs = np.concatenate(ranked, axis=1)
    area_m2, total_ours, total_theirs = (float(v) for v in sums[""])
    factor = total_ours / total_theirs if total_theirs != 0.0 else float("nan")
    sampled = f"Spearman over {pairs.shape[1]} cells, every {step}th row and column" if step > 1 else ""
    explanation = explain_factor(factor) if moments.count else "no cell in common"
    none = float("nan")
    values = (
        name,
        float(layer[0]),
        float(layer[1]),
        moments.count,
        moments.pearson(),
        _spearman(pairs),
        total_ours / area_m2 if area_m2 else none,
        total_theirs / area_m2 if area_m2 else none,
        factor,
        total_ours / KG_PER_TG if area_m2 else none,
        total_theirs / KG_PER_TG if area_m2 else none,
        "; ".join(text for text in (explanation, sampled, (note or "").strip()) if text),
    )
    return dict(zip(COMPARISON_COLUMNS, values, strict=True))


def _lattice(window: Window, step: int) -> NDArray[np.bool_]:
    """Cells of every step-th row and column of the grid, whatever the windows."""
    rows = np.arange(window.row, window.row + window.height) % step == 0
    cols = np.arange(window.col, window.col + window.width) % step == 0
    return np.asarray(rows[:, None] & cols[None, :])


def _spearman(pairs: NDArray[np.float64]) -> float:
    """Rank correlation of pairs (2, n), ties sharing their mean rank."""
    ranks = Moments()
    ranks.add(*(rankdata(values) for values in pairs))
    return ranks.pearson()
