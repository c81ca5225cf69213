"""Stocks of organic carbon on equivalent soil mass.

A layer of fixed depth holds more soil after compaction and less after loosening, and its stock changes without any
carbon gained or lost. Here a layer is a soil mass: the carbon that lies on it is read off the curve of cumulative carbon
on cumulative mass (Ellert and Bettany 1995, Canadian Journal of Soil Science 75: 529-538; Wendt and Hauser 2013, European
Journal of Soil Science 64: 58-65; von Haden, Yang and DeLucia 2020, Global Change Biology 26: 3759-3770).

The curve
---------
``layers`` takes the concentration of each horizon as constant (the classical layer method). ``spline`` is a monotone cubic
with local slopes (PCHIP), ``hyman`` the filtered cubic spline of the published programs. All pass the sampled limits exactly
and never fall. Measured on the ISRIC-WISE profiles (Batjes 2009; 5813 inner limits of profiles that keep three others): a limit
was taken out and its cumulative carbon read off the curve through the rest. The median error was 2.8 % for ``spline``, 4.2 %
for ``hyman`` and 5.0 % for ``layers``, the root mean square error 1.62, 1.75 and 1.93 kg/m2, the mean error -2.1, -1.3 and -7.6 %.
So ``spline`` is the default: nearer the truth, and a deeper sample more or less does not change the layers above. At 30 cm
``spline`` and ``hyman`` differ by 0.6 % in the median of 1907 profiles, in one of twenty by more than 6.5 %.

What is not known is not made up: a profile counts down to the first gap or missing value, and no further.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pandas as pd

from edaphic.errors import TableError
from edaphic.profiles.mass.esm_cumulative import Cumulative, cumulate
from edaphic.profiles.mass.esm_curve import REACH, Floats, evaluate
from edaphic.profiles.mass.esm_reference import Reference

METHODS = MappingProxyType({"spline": "pchip", "hyman": "hyman", "layers": "linear"})
"""Methods and the curve behind each."""

ESM_STATUS = MappingProxyType(
    {
        "ok": "all of the mass was sampled",
        "extrapolated": "mass below the deepest sample has the concentration of the deepest horizon",
        "incomplete": "part of the mass was sampled: no value",
        "uncovered": "none of the mass was sampled: no value",
        "no reference": "the pair gives no reference mass for this layer: no value",
        "not sampled": "no profile at this date: no value",
    }
)
"""What the column ``status`` can say; ``reason`` is what ends the profile, one of ``esm_cumulative.ENDS``."""

ESM_COLUMNS = (
    "profile_id", "lon", "lat", "year", "top_cm", "bottom_cm", "soil_mass_kg_m2", "depth_top_cm", "depth_bottom_cm",
    "soc_stock_kg_m2", "coverage", "status", "reason", "source",
)  # fmt: skip


def equivalent_stocks(horizons: pd.DataFrame, reference: Reference, *, method: str = "spline", extrapolate: bool = False) -> pd.DataFrame:
    """Carbon of every profile on the masses of a reference.

    Parameters
    ----------
    horizons : DataFrame
        Clean horizon table with bulk density of the fine earth and coarse fragments
        (:func:`edaphic.profiles.clean`, :func:`edaphic.profiles.fill`).
    reference : Reference
        Masses of the layers and what counts as mass (fine earth or mineral).
    method : {"spline", "hyman", "layers"}
        Curve between the sampled limits.
    extrapolate : bool
        Continue below the deepest sample with the concentration and the density of the deepest horizon. A profile that ends
        for another reason (rock, gap, missing value) is never continued.

    Returns
    -------
    DataFrame
        One row per profile (in the order of ``horizons``) and layer, columns :data:`ESM_COLUMNS`. ``top_cm`` and
        ``bottom_cm`` are the names of the layer in the reference, ``soil_mass_kg_m2`` its mass, ``depth_top_cm`` and
        ``depth_bottom_cm`` the depths where this profile has that mass above it, ``coverage`` the share of the mass that was
        sampled, ``status`` one of :data:`ESM_STATUS`. NaN where there is no value.

    Raises
    ------
    TableError
        Unknown method, or a table that :func:`edaphic.profiles.mass.esm_cumulative.cumulate` refuses.

    Notes
    -----
    Compaction (thicknesses times k, bulk densities over k, the same concentrations) changes nothing here. Layers that
    touch add up.

    Examples
    --------
    30 cm of 1.0 g/cm3, pressed to 25 cm: the mass of 0-30 cm, 300 kg/m2, now ends at 25 cm.

    >>> table = pd.DataFrame({
    ...     "profile_id": ["a"], "top_cm": 0.0, "bottom_cm": 25.0, "soc_g_kg": 20.0, "bulk_density_g_cm3": 1.2,
    ...     "coarse_fragments_vol_pct": 0.0})
    >>> result = equivalent_stocks(table, Reference.from_masses([0], [30], [300.0]))
    >>> result[["soc_stock_kg_m2", "depth_bottom_cm", "coverage", "status"]].values.tolist()
    [[6.0, 25.0, 1.0, 'ok']]
    """
    check_method(method)
    sums = cumulate(horizons, reference.mass, reference.to_carbon)
    tops, bottoms = (np.tile(one, (len(sums.profiles), 1)) for one in (reference.mass_top_kg_m2, reference.mass_bottom_kg_m2))
    columns = on_masses(sums, tops, bottoms, method, extrapolate)
    table = pd.DataFrame({name: np.ravel(array) for name, array in columns.items()})
    n_layers = len(reference.layers)
    table["top_cm"], table["bottom_cm"] = (np.tile(one, len(sums.profiles)) for one in (reference.top_cm, reference.bottom_cm))
    for name in ("profile_id", "lon", "lat", "year", "source"):
        table[name] = sums.profiles[name].repeat(n_layers).to_numpy()
    text = {name: "str" for name in ("profile_id", "status", "reason", "source")}
    return table[list(ESM_COLUMNS)].astype(text)


def check_method(method: str) -> None:
    """Refuse a method that is none of :data:`METHODS`."""
    if method not in METHODS:
        raise TableError(f"method: found {method!r}; expected one of {', '.join(METHODS)}")


def on_masses(sums: Cumulative, tops: Floats, bottoms: Floats, method: str, extrapolate: bool) -> dict[str, np.ndarray]:
    """Columns of the layers between two masses, all of them (n_profiles, n_layers) as the masses are."""
    continued = (sums.ends == "deepest sample") & (sums.end_mass_kg_m2 > 0) & extrapolate
    carbon = [_read(sums, sums.soc_kg_m2, one, METHODS[method], continued) for one in (tops, bottoms)]
    depth = [_read(sums, sums.depth_cm, one, "linear", continued) for one in (tops, bottoms)]
    end = sums.end_mass_kg_m2[:, None]
    coverage = np.where(end * (1.0 + REACH) >= bottoms, 1.0, np.clip((end - tops) / (bottoms - tops), 0.0, 1.0))
    coverage = np.where(coverage < REACH, 0.0, coverage)
    reachable = np.broadcast_to(continued[:, None], coverage.shape)
    status = np.select(
        [np.isnan(bottoms - tops), coverage == 1, reachable, coverage > 0],
        ["no reference", "ok", "extrapolated", "incomplete"],
        "uncovered",
    )
    return {
        "soil_mass_kg_m2": bottoms - tops,
        "depth_top_cm": depth[0],
        "depth_bottom_cm": depth[1],
        "soc_stock_kg_m2": carbon[1] - carbon[0],
        "coverage": coverage,
        "status": status,
        "reason": np.where(status == "ok", "", np.broadcast_to(sums.ends[:, None], status.shape)),
    }


def _read(sums: Cumulative, values: Floats, masses: Floats, kind: str, continued: np.ndarray) -> Floats:
    sampled = evaluate(sums.start, sums.mass_kg_m2, values, masses, kind)
    if not continued.any():
        return sampled
    return np.where(continued[:, None], evaluate(sums.start, sums.mass_kg_m2, values, masses, kind, "chord"), sampled)
