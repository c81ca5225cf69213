"""How wrong the pedotransfer rules are on a table's own measured horizons, and which of them is best there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.profiles.density.pedotransfer import DEFAULT_RULE, MINERAL_RULES, ORGANIC_SOC_G_KG, PEDOTRANSFER, Rule, blended, predictor

Floats = NDArray[np.float64]

MIN_OWN_CHECK = 30
"""Measured horizons that a table needs before its own error replaces the one from WISE."""

_FOLDS = 5


def check(error_g_cm3: Floats, rule: Rule) -> dict[str, Any]:
    """Error of a rule on the measured horizons of a table, or on WISE where they are too few.

    Parameters
    ----------
    error_g_cm3 : ndarray
        Rule minus measured; NaN does not count.
    rule : Rule

    Returns
    -------
    dict
        ``rule, citation, error_sd_g_cm3, bias_g_cm3, checked_on, checked_against``.
    """
    error = error_g_cm3[np.isfinite(error_g_cm3)]
    own = error.size >= MIN_OWN_CHECK
    return {
        "rule": rule.name,
        "citation": rule.citation,
        "error_sd_g_cm3": float(np.sqrt(np.mean(error**2))) if own else rule.error_sd_g_cm3,
        "bias_g_cm3": float(np.mean(error)) if own else rule.bias_g_cm3,
        "checked_on": int(error.size) if own else rule.checked_on,
        "checked_against": "this table" if own else "ISRIC-WISE",
    }


def best_rules(horizons: pd.DataFrame, measured_g_cm3: Floats) -> tuple[tuple[Rule, ...], dict[str, Any]]:
    """The mineral rule with the lowest error on a table's own measured horizons.

    All rules are compared on the same horizons: measured, up to 80 g/kg of organic carbon, with a value by every rule that
    has values for at least 30 of them. Horizons without the texture that the winner needs go to the best rule that needs
    none. The error of the choice is found on profiles that had no part in it (five folds of profiles).

    Parameters
    ----------
    horizons : DataFrame
        Horizon table (n rows).
    measured_g_cm3 : ndarray (n,)
        Measured bulk density of the fine earth, NaN where there is none.

    Returns
    -------
    rules : tuple of Rule
        The best, and where that needs texture the best without.
    choice : dict
        ``asked`` ("best"), ``compared_on`` horizons, ``rmse_g_cm3`` by rule, ``cross_checked_rmse_g_cm3``, or the ``reason``
        why the default was taken.
    """
    soc = predictor(horizons, "soc_g_kg")
    known = np.flatnonzero(np.isfinite(measured_g_cm3) & (soc <= ORGANIC_SOC_G_KG))
    if known.size < MIN_OWN_CHECK:
        reason = f"{known.size} measured mineral horizons, fewer than {MIN_OWN_CHECK}: the default rule"
        return (PEDOTRANSFER[DEFAULT_RULE],), {"asked": "best", "reason": reason}
    rows = horizons.iloc[known]
    error = np.stack([blended(rows, rule)[0] - measured_g_cm3[known] for rule in MINERAL_RULES])
    there = np.isfinite(error)
    common = there[there.sum(axis=1) >= MIN_OWN_CHECK].all(axis=0)
    if common.sum() < MIN_OWN_CHECK:
        common = np.ones(known.size, dtype=bool)
    compared = [i for i in range(len(MINERAL_RULES)) if there[i][common].all()]
    squared = error[compared][:, common] ** 2
    rmse = np.sqrt(squared.mean(axis=1))
    order = [MINERAL_RULES[compared[i]] for i in np.argsort(rmse, kind="stable")]
    plain = next(rule for rule in order if not rule.needs_texture)
    folds = pd.factorize(rows["profile_id"])[0][common] % _FOLDS
    choice = {
        "asked": "best",
        "compared_on": int(common.sum()),
        "rmse_g_cm3": {MINERAL_RULES[i].name: float(value) for i, value in zip(compared, rmse, strict=True)},
        "cross_checked_rmse_g_cm3": _error_of_choice(squared, folds),
    }
    return (order[0],) if order[0] is plain else (order[0], plain), choice


def _error_of_choice(squared: Floats, folds: NDArray[np.intp]) -> float | None:
    """Error of the rule that the other folds would choose, over all folds; None where there is only one fold."""
    used = np.unique(folds)
    if used.size < 2:
        return None
    total = sum(float(squared[squared[:, folds != k].mean(axis=1).argmin(), folds == k].sum()) for k in used)
    return float(np.sqrt(total / folds.size))
