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
        # Sources may share labels, and are told apart in cleaning.
        "profiles_read": len(horizons_read[[name for name in ("source", "profile_id") if name in horizons_read]].drop_duplicates()),
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


def density_lines(filled: Mapping[str, Any]) -> list[str]:
    """Horizons by source of their bulk density and coarse fragments, and how wrong it may be; one line each, and one for a choice of rule.

    Parameters
    ----------
    filled : mapping
        Summary of :func:`edaphic.profiles.fill`.

    Examples
    --------
    >>> stones = {"measured": 1, "class": 0, "profile": 0, "grid": 0, "assumed": 2, "missing": 0, "assumed_vol_pct": 40.0,
    ...           "assumed_from": "median", "sd": {"assumed": {"sd_vol_pct": 20.0, "checked_against": "ISRIC-WISE"}}}
    >>> density = {"measured": 3, "reported": 0, "pedotransfer": 0, "gap_filling": 0, "grid": 0, "missing": 0, "rule": None}
    >>> for line in density_lines({"bulk_density": density, "coarse_fragments": stones}):
    ...     print(line)
    bulk density: 3 measured
    coarse fragments: 1 measured, 2 assumed at 40 vol%, the median of the table (error 20 vol% on ISRIC-WISE)
    """
    density, stones = filled["bulk_density"], filled["coarse_fragments"]
    parts = [f"{density[name]:,} {words}" for name, words in _density_words(density).items() if density[name]]
    lines = [f"bulk density: {', '.join(parts)}"]
    choice = density.get("choice") or {}
    if choice.get("asked") == "best":
        lines.append(f"best pedotransfer rule: {_choice_words(density, choice)}")
    parts = [f"{stones[name]:,} {words}" for name, words in _fragment_words(stones).items() if stones[name]]
    return [*lines, f"coarse fragments: {', '.join(parts)}"]


def _density_words(density: Mapping[str, Any]) -> dict[str, str]:
    rule = density["rule"]
    score = density.get("gap_filling_score") or {}
    error = "" if rule is None else (
        f" by {rule} (error {density['error_sd_g_cm3']:.2g}, bias {density['bias_g_cm3']:+.2g} g/cm3 on {density['checked_against']})"
    )  # fmt: skip
    organic = int((density.get("organic") or {}).get("pedotransfer", 0))
    if rule is None:
        error = " by the curve of organic soils"
    elif organic:
        error += f", {organic:,} of them organic and by the curve of organic soils"
    trees = f" by boosted trees (error {score['rmse_g_cm3']:.2g} g/cm3)" if "rmse_g_cm3" in score else " by boosted trees"
    return {
        "measured": "measured", "reported": "reported by the source", "pedotransfer": "estimated" + error,
        "gap_filling": "estimated" + trees, "grid": "of rasters", "missing": "without one",
    }  # fmt: skip


def _choice_words(density: Mapping[str, Any], choice: Mapping[str, Any]) -> str:
    if "reason" in choice:
        return f"{density['rule']} ({choice['reason']})"
    checked = choice["cross_checked_rmse_g_cm3"]
    words = f"{density['rule']}, of {len(choice['rmse_g_cm3'])} compared on {choice['compared_on']:,} measured horizons"
    if checked is not None:
        words += f"; error {checked:.2g} g/cm3 on profiles that had no part in the choice"
    second = density.get("second_rule")
    return words + (f"; {second['rule']} where texture is missing" if second else "")


def _fragment_words(stones: Mapping[str, Any]) -> dict[str, str]:
    origin = {"stated": "as stated", "median": "the median of the table", "nothing": "as the table has none"}[stones["assumed_from"]]
    sd = {
        name: f" (error {error['sd_vol_pct']:.2g} vol% on {error['checked_against']})" for name, error in stones.get("sd", {}).items()
    }
    return {
        "measured": "measured", "class": "by class", "profile": f"as the profile's other horizons{sd.get('profile', '')}",
        "grid": "of rasters", "assumed": f"assumed at {stones['assumed_vol_pct']:g} vol%, {origin}{sd.get('assumed', '')}",
        "missing": "without any",
    }  # fmt: skip


def _coverage_counts(rows: pd.DataFrame) -> dict[str, Any]:
    return {
        "top_cm": float(rows["top_cm"].iloc[0]),
        "bottom_cm": float(rows["bottom_cm"].iloc[0]),
        "complete": int((rows["coverage"] == 1).sum()),
        "partial": int(rows["coverage"].between(0, 1, inclusive="neither").sum()),
        "none": int((rows["coverage"] == 0).sum()),
        "valued": int(rows["soc_stock_kg_m2"].notna().sum()),
    }
