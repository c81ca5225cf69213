"""Counts of the whole way from raw tables to layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from edaphic.profiles.cleaning.rules import RULES


def summary(
    horizons_read: pd.DataFrame,
    horizons: pd.DataFrame,
    layers: pd.DataFrame,
    repairs: pd.DataFrame,
    filled: Mapping[str, Any],
    points_without_covariates: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Counts of the whole way from raw tables to layers, ready for JSON.

    Parameters
    ----------
    horizons_read, horizons : DataFrame
        Horizon tables before and after cleaning.
    layers : DataFrame
        From :func:`layer_table`.
    repairs : DataFrame
        All repair logs, one under the other.
    filled : mapping
        Summary of :func:`edaphic.profiles.fill`.
    points_without_covariates : mapping, optional
        Number of profiles for each reason why they have no covariates.

    Returns
    -------
    dict
        ``profiles_read, horizons_read, profiles_kept, horizons_kept, repairs, bulk_density, coarse_fragments, layers,
        points_without_covariates``. A layer is ``complete`` where all of it was observed, ``partial`` where some was,
        else ``none``; ``valued`` counts those with a stock.
    """
    counts = repairs["fault"].value_counts()
    return {
        "profiles_read": int(horizons_read["profile_id"].nunique()),
        "horizons_read": len(horizons_read),
        "profiles_kept": int(horizons["profile_id"].nunique()),
        "horizons_kept": len(horizons),
        "repairs": {
            fault: {"action": action, "count": int(counts[fault])} for fault, action in RULES.items() if fault in counts
        },
        **filled,
        "layers": [_coverage_counts(rows) for _, rows in layers.groupby(["top_cm", "bottom_cm"], sort=False)],
        "points_without_covariates": dict(points_without_covariates or {}),
    }


def _coverage_counts(rows: pd.DataFrame) -> dict[str, Any]:
    return {
        "top_cm": float(rows["top_cm"].iloc[0]),
        "bottom_cm": float(rows["bottom_cm"].iloc[0]),
        "complete": int((rows["coverage"] == 1).sum()),
        "partial": int(rows["coverage"].between(0, 1, inclusive="neither").sum()),
        "none": int((rows["coverage"] == 0).sum()),
        "valued": int(rows["soc_stock_kg_m2"].notna().sum()),
    }
