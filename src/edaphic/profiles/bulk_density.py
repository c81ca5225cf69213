"""Bulk density and coarse fragments: measured where there is a measurement, else estimated, with provenance and error.

Pedotransfer rules are mean relations of one region. Their error was measured on the ISRIC-WISE profiles (Batjes 2009,
Soil Use and Management 25: 124-127; the extract without South America): mineral rules on its 11,406 horizons with a
measured bulk density of 0.02 to 2.65 g/cm3 and up to 80 g/kg of organic carbon, the organic curve on its 334 horizons
with 80 to 600 g/kg. Differences between methods of measurement are part of that error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import TableError
from edaphic.units import ORGANIC_MATTER_TO_CARBON, mass_to_volume_pct

Floats = NDArray[np.float64]

ORGANIC_SOC_G_KG = 80.0
"""Above this content a horizon is organic and its missing bulk density comes from :data:`ORGANIC_RULE`."""

ORGANIC_RULE = "organic_curve"

MINERAL_DENSITY_G_CM3 = 1.64
"""Bulk density of the mineral part in Adams' mixture (Mann 1986, Soil Science 142: 279-288; Post and Kwon 2000, Global
Change Biology 6: 317-327). The particle density of 2.65 that some scripts put here makes soil without pores."""

MIN_OWN_CHECK = 30
"""Measured horizons that a table needs before its own error replaces the one from WISE."""


@dataclass(frozen=True)
class Rule:
    """A pedotransfer rule.

    Attributes
    ----------
    name : str
    columns : tuple of str
        Columns of the horizon table that ``function`` takes, in this order.
    function : callable
        float arrays (n,) -> bulk density of the fine earth in g/cm3, (n,).
    valid_soc_g_kg : tuple of float
        Contents of organic carbon for which the rule is meant; outside, the value at the nearer end is used.
    citation : str
    error_sd_g_cm3, bias_g_cm3 : float
        Root mean square and mean of (rule - measured) on WISE.
    checked_on : int
        Number of WISE horizons behind the two.
    """

    name: str
    columns: tuple[str, ...]
    function: Callable[..., Floats]
    valid_soc_g_kg: tuple[float, float]
    citation: str
    error_sd_g_cm3: float
    bias_g_cm3: float
    checked_on: int


def estimate(horizons: pd.DataFrame, rule: Rule) -> Floats:
    """Bulk density of every horizon by one rule, g/cm3.

    >>> estimate(pd.DataFrame({"soc_g_kg": [10.0, 40.0]}), PEDOTRANSFER["manrique_jones_1991"]).round(3)
    array([1.342, 1.024])
    """
    low, high = rule.valid_soc_g_kg
    held = horizons.assign(soc_g_kg=horizons["soc_g_kg"].clip(low, high))
    return rule.function(*(held[name].to_numpy(dtype=np.float64) for name in rule.columns))


def fill(
    horizons: pd.DataFrame, rule: str | None = "manrique_jones_1991", *, missing_fragments_vol_pct: float | None = None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Give every horizon a bulk density and coarse fragments, and say where they come from.

    Missing bulk densities of horizons up to 80 g/kg organic carbon follow ``rule``, those above the organic curve.
    Measured values are never changed: the curve is a mean, no upper limit. Missing fragments are the
    thickness-weighted mean of the other horizons of the profile, else ``missing_fragments_vol_pct``, else the median
    of all measured horizons (0 where none is measured). Fragments given by mass are converted with the bulk density
    of their horizon.

    Parameters
    ----------
    horizons : DataFrame
        Clean horizon table.
    rule : str or None
        Mineral rule, a key of :data:`PEDOTRANSFER`. None estimates nothing: missing bulk densities stay missing.
    missing_fragments_vol_pct : float, optional
        Fragments of profiles without any.

    Returns
    -------
    horizons : DataFrame
        The table with ``bulk_density_source`` (measured, pedotransfer; empty where missing), ``bulk_density_sd_g_cm3``
        (0 for measured) and ``coarse_fragments_source`` (measured, profile, assumed).
    summary : dict
        ``bulk_density``: counts by source, rule, ``error_sd_g_cm3`` and ``bias_g_cm3`` (rule - measured),
        ``checked_on`` horizons of ``checked_against`` ("this table" from 30 measured horizons on, else "ISRIC-WISE"),
        the same for the organic curve under ``organic``, and how many organic horizons were measured more than twice
        the error above it. ``coarse_fragments``: counts by source, ``assumed_vol_pct``.

    Raises
    ------
    TableError
        Unknown rule, or fragments outside 0 to 100.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "profile_id": ["a", "a"], "top_cm": [0.0, 20.0], "bottom_cm": [20.0, 50.0], "soc_g_kg": [10.0, 40.0],
    ...     "bulk_density_g_cm3": [1.3, np.nan], "coarse_fragments_vol_pct": [5.0, np.nan]})
    >>> filled, summary = fill(table)
    >>> filled[["bulk_density_g_cm3", "bulk_density_source", "coarse_fragments_source"]].round(3).values.tolist()
    [[1.3, 'measured', 'measured'], [1.024, 'pedotransfer', 'profile']]
    >>> summary["bulk_density"]["checked_against"]
    'ISRIC-WISE'
    """
    if rule is not None and (rule not in PEDOTRANSFER or rule == ORGANIC_RULE):
        known = ", ".join(name for name in PEDOTRANSFER if name != ORGANIC_RULE)
        raise TableError(f"bulk density: unknown pedotransfer rule {rule!r}; expected one of {known}")
    if rule is None:
        filled, density = _measured_only(horizons)
    else:
        filled, density = _fill_density(horizons, PEDOTRANSFER[rule], PEDOTRANSFER[ORGANIC_RULE])
    filled, fragments = _fill_fragments(filled, missing_fragments_vol_pct)
    return filled, {"bulk_density": density, "coarse_fragments": fragments}


def _measured_only(horizons: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    measured = horizons["bulk_density_g_cm3"].notna().to_numpy()
    filled = horizons.assign(
        bulk_density_source=np.where(measured, "measured", ""),
        bulk_density_sd_g_cm3=np.where(measured, 0.0, np.nan),
    )
    count = int(measured.sum())
    return filled, {"measured": count, "pedotransfer": 0, "missing": len(horizons) - count, "rule": None}


def _fill_density(horizons: pd.DataFrame, mineral: Rule, organic: Rule) -> tuple[pd.DataFrame, dict[str, Any]]:
    measured = horizons["bulk_density_g_cm3"].notna().to_numpy()
    is_organic = (horizons["soc_g_kg"] > ORGANIC_SOC_G_KG).to_numpy()
    by_rule = np.where(is_organic, estimate(horizons, organic), estimate(horizons, mineral))
    error = by_rule - horizons["bulk_density_g_cm3"].to_numpy(dtype=np.float64)
    check, organic_check = _check(error[measured & ~is_organic], mineral), _check(error[measured & is_organic], organic)
    sd = np.where(is_organic, organic_check["error_sd_g_cm3"], check["error_sd_g_cm3"])
    filled = horizons.assign(
        bulk_density_g_cm3=np.where(measured, horizons["bulk_density_g_cm3"], by_rule),
        bulk_density_source=np.where(measured, "measured", "pedotransfer"),
        bulk_density_sd_g_cm3=np.where(measured, 0.0, sd),
    )
    far_above = measured & is_organic & (error < -2.0 * organic_check["error_sd_g_cm3"])
    summary = {
        "measured": int(measured.sum()),
        "pedotransfer": int((~measured).sum()),
        "missing": 0,
        **check,
        "organic": {
            "measured": int((measured & is_organic).sum()),
            "pedotransfer": int((~measured & is_organic).sum()),
            **organic_check,
            "measured_far_above_curve": int(far_above.sum()),
        },
    }
    return filled, summary


def _check(error: Floats, rule: Rule) -> dict[str, Any]:
    """Error of a rule on the measured horizons of this table, or on WISE where they are too few."""
    own = error.size >= MIN_OWN_CHECK
    return {
        "rule": rule.name,
        "citation": rule.citation,
        "error_sd_g_cm3": float(np.sqrt(np.mean(error**2))) if own else rule.error_sd_g_cm3,
        "bias_g_cm3": float(np.mean(error)) if own else rule.bias_g_cm3,
        "checked_on": int(error.size) if own else rule.checked_on,
        "checked_against": "this table" if own else "ISRIC-WISE",
    }


def _fill_fragments(horizons: pd.DataFrame, missing_vol_pct: float | None) -> tuple[pd.DataFrame, dict[str, Any]]:
    if missing_vol_pct is not None and not 0.0 <= missing_vol_pct <= 100.0:
        raise TableError(f"missing coarse fragments: found {missing_vol_pct} vol%; expected 0 to 100")
    given = horizons["coarse_fragments_vol_pct"].to_numpy(dtype=np.float64)
    if "coarse_fragments_mass_pct" in horizons:
        by_mass = mass_to_volume_pct(horizons["coarse_fragments_mass_pct"], horizons["bulk_density_g_cm3"])
        given = np.where(np.isnan(given), by_mass, given)
    measured = np.isfinite(given)
    code = pd.factorize(horizons["profile_id"])[0]
    thickness = (horizons["bottom_cm"] - horizons["top_cm"]).to_numpy(dtype=np.float64)
    weight = np.bincount(code, np.where(measured, thickness, 0.0))
    total = np.bincount(code, np.where(measured, thickness * given, 0.0))
    with np.errstate(invalid="ignore"):
        of_profile = (total / weight)[code]
    if missing_vol_pct is None:
        missing_vol_pct = float(np.median(given[measured])) if measured.any() else 0.0
    from_profile = ~measured & np.isfinite(of_profile)
    filled = horizons.assign(
        coarse_fragments_vol_pct=np.where(measured, given, np.where(from_profile, of_profile, missing_vol_pct)),
        coarse_fragments_source=np.where(measured, "measured", np.where(from_profile, "profile", "assumed")),
    )
    summary = {
        "measured": int(measured.sum()),
        "profile": int(from_profile.sum()),
        "assumed": int((~measured & ~from_profile).sum()),
        "assumed_vol_pct": missing_vol_pct,
    }
    return filled, summary


def _organic_matter_pct(soc_g_kg: Floats) -> Floats:
    return soc_g_kg / 10.0 / ORGANIC_MATTER_TO_CARBON


def _manrique_jones(soc_g_kg: Floats) -> Floats:
    return 1.66 - 0.318 * np.sqrt(soc_g_kg / 10.0)


def _adams(soc_g_kg: Floats) -> Floats:
    matter = _organic_matter_pct(soc_g_kg)
    return 100.0 / (matter / 0.244 + (100.0 - matter) / MINERAL_DENSITY_G_CM3)


def _honeysett_ratkowsky(soc_g_kg: Floats) -> Floats:
    return 1.0 / (0.564 + 0.0556 * _organic_matter_pct(soc_g_kg))


def _saini(soc_g_kg: Floats) -> Floats:
    return 1.62 - 0.06 * _organic_matter_pct(soc_g_kg)


def _jeffrey(soc_g_kg: Floats) -> Floats:
    # Common logarithm: the natural one that some scripts use is negative from 9 % organic matter on.
    return 1.482 - 0.6786 * np.log10(_organic_matter_pct(soc_g_kg))


def _grigal(soc_g_kg: Floats) -> Floats:
    # The exponent of -0.06 that some scripts print belongs to another equation of that paper.
    return 0.669 + 0.941 * np.exp(-0.24 * _organic_matter_pct(soc_g_kg))


def _drew(soc_g_kg: Floats) -> Floats:
    return 1.0 / (0.6268 + 0.0361 * _organic_matter_pct(soc_g_kg))


def _organic(soc_g_kg: Floats) -> Floats:
    return 1.38 - 0.31 * np.log1p(soc_g_kg / 10.0)


def _rule(
    name: str, function: Callable[..., Floats], citation: str, sd: float, bias: float, n: int, low: float = 0.0,
    high: float = ORGANIC_SOC_G_KG,
) -> Rule:  # fmt: skip
    return Rule(name, ("soc_g_kg",), function, (low, high), citation, sd, bias, n)


PEDOTRANSFER: Mapping[str, Rule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            _rule(
                "manrique_jones_1991", _manrique_jones,
                "Manrique and Jones 1991, Soil Science Society of America Journal 55: 476-481",
                0.240, -0.028, 11406,
            ),
            _rule(
                "adams_1973", _adams,
                "Adams 1973, Journal of Soil Science 24: 10-17, mineral part 1.64 g/cm3",
                0.253, 0.092, 11406,
            ),
            _rule(
                "honeysett_ratkowsky_1989", _honeysett_ratkowsky,
                "Honeysett and Ratkowsky 1989, Journal of Soil Science 40: 299-308",
                0.284, 0.141, 11406,
            ),
            _rule(
                "saini_1966", _saini,
                "Saini 1966, Nature 210: 1295-1296",
                0.256, 0.100, 11406,
            ),
            _rule(
                "jeffrey_1970", _jeffrey,
                "Jeffrey 1970, Journal of Ecology 58: 297-299; held at 1 % organic matter below",
                0.250, -0.057, 11406, low=5.8,
            ),
            _rule(
                "grigal_1989", _grigal,
                "Grigal, Brovold, Nord and Ohmann 1989, Canadian Journal of Soil Science 69: 895-900",
                0.259, -0.059, 11406,
            ),
            _rule(
                "drew_1973", _drew,
                "Drew 1973, Minnesota Forestry Research Notes 243",
                0.240, 0.050, 11406,
            ),
            _rule(
                ORGANIC_RULE, _organic,
                "correction of SoilGrids250m (Hengl et al. 2017, PLoS ONE 12: e0169748) after Köchy, Hiederer and "
                "Freibauer 2015, SOIL 1: 351-365",
                0.359, -0.113, 334, low=ORGANIC_SOC_G_KG, high=600.0,
            ),
        )
    }
)  # fmt: skip
"""Pedotransfer rules by name. Error sd and bias in g/cm3 on WISE horizons, see the head of this file."""
