"""Pedotransfer rules: bulk density of the fine earth from organic carbon and texture.

Each rule is the mean relation of one region. Its error was measured on the ISRIC-WISE profiles (Batjes 2009, Soil Use and
Management 25: 124-127; the extract without South America): mineral rules on the horizons with a measured bulk density of
0.02 to 2.65 g/cm3 and up to 80 g/kg of organic carbon (those with texture, where a rule needs it), the organic curve on
those with 80 to 600 g/kg. Differences between methods of measurement are part of that error.

The range of a rule is where it is used: up to 80 g/kg of organic carbon, where organic soils begin, or less where its formula
turns implausible before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.units import ORGANIC_MATTER_TO_CARBON

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ORGANIC_SOC_G_KG = 80.0
"""Above this content a horizon is organic and its missing bulk density comes from :data:`ORGANIC_RULE` alone."""

BLEND_SOC_G_KG = (50.0, ORGANIC_SOC_G_KG)
"""Between these contents an estimate goes over from the mineral rule to the organic curve, in proportion: no step."""

ORGANIC_RULE = "organic_curve"
DEFAULT_RULE = "manrique_jones_1991"

MINERAL_DENSITY_G_CM3 = 1.64
"""Bulk density of the mineral part in Adams' mixture (Mann 1986, Soil Science 142: 279-288; Post and Kwon 2000, Global
Change Biology 6: 317-327). The particle density of 2.65 that some scripts put here makes soil without pores."""

TEXTURE = ("clay_pct", "silt_pct", "sand_pct")


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
    valid : mapping of str to (low, high)
        Range of each column for which the rule is used.
    citation : str
    error_sd_g_cm3, bias_g_cm3 : float
        Root mean square and mean of (rule - measured) on WISE.
    checked_on : int
        Number of WISE horizons behind the two.
    """

    name: str
    columns: tuple[str, ...]
    function: Callable[..., Floats]
    valid: Mapping[str, tuple[float, float]]
    citation: str
    error_sd_g_cm3: float
    bias_g_cm3: float
    checked_on: int

    @property
    def valid_soc_g_kg(self) -> tuple[float, float]:
        """Range of organic carbon."""
        return self.valid["soc_g_kg"]

    @property
    def needs_texture(self) -> bool:
        """Whether organic carbon alone is not enough."""
        return len(self.columns) > 1


def predictor(horizons: pd.DataFrame, name: str) -> Floats:
    """A column as floats (n,), NaN where there is none. One missing texture fraction is what the other two leave of 100 %.

    >>> predictor(pd.DataFrame({"clay_pct": [20.0, 20.0], "silt_pct": [30.0, np.nan]}), "sand_pct")
    array([50., nan])
    """
    values = _plain(horizons, name)
    if name in TEXTURE:
        rest = 100.0 - sum((_plain(horizons, other) for other in TEXTURE if other != name), np.zeros(len(horizons)))
        values = np.where(np.isnan(values) & (rest >= 0.0), rest, values)
    return values


def _plain(horizons: pd.DataFrame, name: str) -> Floats:
    if name not in horizons:
        return np.full(len(horizons), np.nan)
    return horizons[name].to_numpy(dtype=np.float64, na_value=np.nan)


def estimate(horizons: pd.DataFrame, rule: Rule) -> Floats:
    """Bulk density of every horizon by one rule, g/cm3 (n,): predictors outside the range are taken at its nearer end.

    NaN where a predictor is missing.

    >>> estimate(pd.DataFrame({"soc_g_kg": [10.0, 40.0]}), PEDOTRANSFER["manrique_jones_1991"]).round(3)
    array([1.342, 1.024])
    """
    return rule.function(*(np.clip(predictor(horizons, name), *rule.valid[name]) for name in rule.columns))


def in_range(horizons: pd.DataFrame, rule: Rule) -> Bools:
    """Horizons (n,) whose predictors are all there and within the range of the rule.

    >>> in_range(pd.DataFrame({"soc_g_kg": [10.0, 90.0, np.nan]}), PEDOTRANSFER["saini_1966"])
    array([ True, False, False])
    """
    held = np.ones(len(horizons), dtype=bool)
    for name in rule.columns:
        low, high = rule.valid[name]
        values = predictor(horizons, name)
        held &= (values >= low) & (values <= high)
    return held


def organic_share(soc_g_kg: Floats) -> Floats:
    """Weight of the organic curve, (n,): 0 up to 50 g/kg, 1 from 80 g/kg on, in proportion between.

    >>> organic_share(np.array([10.0, 50.0, 65.0, 80.0, 300.0]))
    array([0. , 0. , 0.5, 1. , 1. ])
    """
    low, high = BLEND_SOC_G_KG
    return np.clip((soc_g_kg - low) / (high - low), 0.0, 1.0)


def mixed(organic: Floats, mineral: Floats, curve: Floats) -> Floats:
    """Mineral and organic values by the share of the organic ones; where that is 1 the mineral one may be missing."""
    return np.where(organic >= 1.0, curve, (1.0 - organic) * mineral + organic * curve)


def blended(horizons: pd.DataFrame, rule: Rule) -> tuple[Floats, Bools]:
    """A mineral rule that goes over into the organic curve between 50 and 80 g/kg of organic carbon.

    Parameters
    ----------
    horizons : DataFrame
        Horizon table (n rows).
    rule : Rule
        Mineral rule.

    Returns
    -------
    density : ndarray (n,)
        g/cm3; predictors outside the ranges are taken at the nearer end, NaN where one is missing.
    inside : ndarray of bool (n,)
        Whether all predictors that count are there and within the ranges.

    Examples
    --------
    Half way between 50 and 80 g/kg: the mean of the rule and the curve.

    >>> table = pd.DataFrame({"soc_g_kg": [65.0]})
    >>> blended(table, PEDOTRANSFER["saini_1966"])[0].round(4)
    array([0.8515])
    >>> round((1.62 - 0.06 * 6.5 / 0.58 + 1.38 - 0.31 * np.log(7.5)) / 2, 4)
    np.float64(0.8515)
    """
    curve = PEDOTRANSFER[ORGANIC_RULE]
    organic = organic_share(predictor(horizons, "soc_g_kg"))
    density = mixed(organic, estimate(horizons, rule), estimate(horizons, curve))
    inside = (in_range(horizons, rule) | (organic >= 1.0)) & (in_range(horizons, curve) | (organic <= 0.0))
    return density, inside


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


def _alexander(soc_g_kg: Floats) -> Floats:
    return 1.66 - 0.308 * np.sqrt(soc_g_kg / 10.0)


def _de_vos(soc_g_kg: Floats) -> Floats:
    return 1.775 - 0.173 * np.sqrt(_organic_matter_pct(soc_g_kg))


def _tomasella_hodnett(soc_g_kg: Floats, silt_pct: Floats, clay_pct: Floats) -> Floats:
    return 1.578 - 0.0054 * soc_g_kg - 0.006 * silt_pct - 0.004 * clay_pct


def _bernoux(soc_g_kg: Floats, clay_pct: Floats) -> Floats:
    return 1.398 - 0.0042 * soc_g_kg - 0.0047 * clay_pct


def _kaur(soc_g_kg: Floats, silt_pct: Floats, clay_pct: Floats) -> Floats:
    return np.exp(0.313 - 0.0191 * soc_g_kg + 0.02102 * clay_pct - 0.000476 * clay_pct**2 - 0.00432 * silt_pct)


def _hollis(soc_g_kg: Floats, sand_pct: Floats, clay_pct: Floats) -> Floats:
    return 0.69794 + 0.750636 * np.exp(-0.0230355 * soc_g_kg) + 0.0008687 * sand_pct - 0.0005164 * clay_pct


def _organic(soc_g_kg: Floats) -> Floats:
    return 1.38 - 0.31 * np.log1p(soc_g_kg / 10.0)


def _rule(
    name: str, function: Callable[..., Floats], citation: str, wise: tuple[float, float, int], *texture: str,
    soc: tuple[float, float] = (0.0, ORGANIC_SOC_G_KG), clay: tuple[float, float] = (0.0, 100.0),
) -> Rule:  # fmt: skip
    ranges = {"soc_g_kg": soc} | {column: clay if column == "clay_pct" else (0.0, 100.0) for column in texture}
    return Rule(name, tuple(ranges), function, MappingProxyType(ranges), citation, *wise)


PEDOTRANSFER: Mapping[str, Rule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            _rule(
                "manrique_jones_1991", _manrique_jones,
                "Manrique and Jones 1991, Soil Science Society of America Journal 55: 476-481",
                (0.240, -0.028, 11406),
            ),
            _rule(
                "adams_1973", _adams,
                "Adams 1973, Journal of Soil Science 24: 10-17, mineral part 1.64 g/cm3",
                (0.253, 0.092, 11406),
            ),
            _rule(
                "honeysett_ratkowsky_1989", _honeysett_ratkowsky,
                "Honeysett and Ratkowsky 1989, Journal of Soil Science 40: 299-308",
                (0.284, 0.141, 11406),
            ),
            _rule(
                "saini_1966", _saini,
                "Saini 1966, Nature 210: 1295-1296",
                (0.256, 0.100, 11406),
            ),
            _rule(
                "jeffrey_1970", _jeffrey,
                "Jeffrey 1970, Journal of Ecology 58: 297-299; held at 1 % organic matter below",
                (0.250, -0.057, 11406), soc=(5.8, ORGANIC_SOC_G_KG),
            ),
            _rule(
                "grigal_1989", _grigal,
                "Grigal, Brovold, Nord and Ohmann 1989, Canadian Journal of Soil Science 69: 895-900",
                (0.259, -0.059, 11406),
            ),
            _rule(
                "drew_1973", _drew,
                "Drew 1973, Minnesota Forestry Research Notes 243",
                (0.240, 0.050, 11406),
            ),
            _rule(
                "alexander_1980", _alexander,
                "Alexander 1980, Soil Science Society of America Journal 44: 689-692, all soils",
                (0.238, -0.020, 11406),
            ),
            _rule(
                "de_vos_2005", _de_vos,
                "De Vos, Van Meirvenne, Quataert, Deckers and Muys 2005, Soil Science Society of America Journal 69: 500-510",
                (0.287, 0.162, 11406),
            ),
            _rule(
                "tomasella_hodnett_1998", _tomasella_hodnett,
                "Tomasella and Hodnett 1998, Soil Science 163: 190-202",
                (0.337, -0.202, 11215), "silt_pct", "clay_pct",
            ),
            _rule(
                "bernoux_1998", _bernoux,
                "Bernoux, Arrouays, Cerri, Volkoff and Jolivet 1998, Soil Science Society of America Journal 62: 743-749",
                (0.331, -0.209, 11215), "clay_pct",
            ),
            _rule(
                # Above that the square of clay takes over: from 57 % on, soil without carbon would weigh less than 1 g/cm3.
                "kaur_2002", _kaur,
                "Kaur, Kumar and Gurung 2002, Australian Journal of Soil Research 40: 847-857; held at 50 % clay above",
                (0.411, -0.280, 11215), "silt_pct", "clay_pct", clay=(0.0, 50.0),
            ),
            _rule(
                "hollis_2012", _hollis,
                "Hollis, Hannam and Bellamy 2012, European Journal of Soil Science 63: 96-109, mineral horizons other than "
                "cultivated topsoils",
                (0.249, -0.087, 11215), "sand_pct", "clay_pct",
            ),
            _rule(
                ORGANIC_RULE, _organic,
                "correction of SoilGrids250m (Hengl et al. 2017, PLoS ONE 12: e0169748) after Köchy, Hiederer and "
                "Freibauer 2015, SOIL 1: 351-365",
                (0.359, -0.113, 334), soc=(BLEND_SOC_G_KG[0], 600.0),
            ),
        )
    }
)  # fmt: skip
"""Pedotransfer rules by name. Error sd and bias in g/cm3 on WISE horizons, see the head of this file."""

MINERAL_RULES = tuple(rule for rule in PEDOTRANSFER.values() if rule.name != ORGANIC_RULE)
"""The rules for mineral soil, in the order of :data:`PEDOTRANSFER`."""
