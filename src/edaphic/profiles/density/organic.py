"""What the choice of bulk density does to the stock of organic soils."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import TableError
from edaphic.profiles.density.pedotransfer import (
    DEFAULT_RULE,
    MINERAL_RULES,
    ORGANIC_RULE,
    ORGANIC_SOC_G_KG,
    PEDOTRANSFER,
    estimate,
    predictor,
)
from edaphic.units import CM_PER_M

Floats = NDArray[np.float64]

ORGANIC_CHOICES = (
    ("kept", "as filled: given densities as they are, missing ones by the organic curve or gap filling"),
    ("mineral_rule", "given densities as they are, mineral rule for missing"),
    ("curve_as_cap", "organic curve for missing and as upper limit of given"),
)
"""Names and meanings of the choices of :func:`organic_choices`; the first is what is done."""


def organic_choices(filled: pd.DataFrame, rule: str = DEFAULT_RULE) -> pd.DataFrame:
    """Carbon in the organic horizons (above 80 g/kg) of a table under three choices of bulk density.

    Parameters
    ----------
    filled : DataFrame
        From :func:`edaphic.profiles.fill`.
    rule : str
        Mineral rule of the second choice, held at the end of its range; the default rule where its predictors are missing.

    Returns
    -------
    DataFrame
        A row for each of :data:`ORGANIC_CHOICES`: ``choice, meaning, horizons`` (with a density), ``given`` of them (measured or
        reported), ``changed`` (horizons whose density differs from the first choice), ``thickness_cm`` in sum,
        ``soc_density_kg_m3`` (mean weighted with thickness), ``soc_stock_kg_m2`` (sum over all horizons) and ``ratio`` of the
        stock to the first choice. Without organic horizons stocks are 0, densities and ratios NaN.

    Raises
    ------
    TableError
        Unknown rule, or a table that was not filled.

    Examples
    --------
    10 cm of 300 g/kg, 0.5 g/cm3 measured: 150 kg/m3 times 0.1 m. The curve says 0.315 g/cm3.

    >>> table = pd.DataFrame({
    ...     "top_cm": [0.0], "bottom_cm": [10.0], "soc_g_kg": [300.0], "bulk_density_g_cm3": [0.5],
    ...     "bulk_density_source": ["measured"], "coarse_fragments_vol_pct": [0.0]})
    >>> organic_choices(table)["soc_stock_kg_m2"].round(2).tolist()
    [15.0, 15.0, 9.46]
    """
    needed = ("top_cm", "bottom_cm", "soc_g_kg", "bulk_density_g_cm3", "bulk_density_source", "coarse_fragments_vol_pct")
    faults = [f"horizon table: no column {name}; expected a table with bulk density filled" for name in needed if name not in filled]
    if rule not in {mineral.name for mineral in MINERAL_RULES}:
        faults.append(f"bulk density: unknown mineral rule {rule!r}; expected one of {', '.join(r.name for r in MINERAL_RULES)}")
    if faults:
        raise TableError(faults)
    known = (predictor(filled, "soc_g_kg") > ORGANIC_SOC_G_KG) & filled[list(needed)].notna().all(axis=1).to_numpy()
    rows = filled[known]
    kept = predictor(rows, "bulk_density_g_cm3")
    given = rows["bulk_density_source"].isin(["measured", "reported"]).to_numpy(dtype=bool)
    curve = estimate(rows, PEDOTRANSFER[ORGANIC_RULE])
    mineral = estimate(rows, PEDOTRANSFER[rule])
    mineral = np.where(np.isnan(mineral), estimate(rows, PEDOTRANSFER[DEFAULT_RULE]), mineral)
    densities = (kept, np.where(given, kept, mineral), np.where(given, np.minimum(kept, curve), curve))
    thickness = predictor(rows, "bottom_cm") - predictor(rows, "top_cm")
    content = predictor(rows, "soc_g_kg") * (1.0 - predictor(rows, "coarse_fragments_vol_pct") / 100.0)
    stocks = [float(np.sum(content * density * thickness)) / CM_PER_M for density in densities]
    total = float(thickness.sum())
    return pd.DataFrame(
        {
            "choice": [name for name, _ in ORGANIC_CHOICES],
            "meaning": [meaning for _, meaning in ORGANIC_CHOICES],
            "horizons": len(rows),
            "given": int(given.sum()),
            "changed": [int((density != kept).sum()) for density in densities],
            "thickness_cm": total,
            "soc_density_kg_m3": [stock * CM_PER_M / total if total > 0 else np.nan for stock in stocks],
            "soc_stock_kg_m2": stocks,
            "ratio": [stock / stocks[0] if stocks[0] > 0 else np.nan for stock in stocks],
        }
    )
