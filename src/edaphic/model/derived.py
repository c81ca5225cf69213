"""Predictors that are made of carbon themselves, told by the words of their names.

Where carbon was not measured they were not either: a score that rests on them does not say how good a map is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

_SURE = {
    "organic carbon": (
        "soc socs socc gsoc gsocmap toc doc wsoc poc maoc poxc orgc corg ocd ocs ocskgm orc orcdrc ocstha ocdens "
        "organiccarbon soilorganiccarbon organic_carbon organic_c org_carbon org_c c_org walkley_black"
    ),
    "soil carbon": (
        "soilcarbon soil_carbon soil_c totc ctot totalcarbon total_carbon total_c tot_c c_tot c_total carbon_stock carbon_density "
        "carbon_content"
    ),
    "organic matter": "som pom orgm humus humic fulvic loi loss_on_ignition organicmatter organic_matter org_matter",
    "nitrogen, bound in organic matter": (
        "nitrogen totn ntot totaln totalnitrogen soilnitrogen tkn nitkjd kjeldahl total_n tot_n n_tot n_total soil_n"
    ),
    "microbial carbon or nitrogen": "mbc mbn cmic nmic c_mic n_mic mic_c mic_n qmic microbial microbialbiomass",
    "ratio of carbon to nitrogen": "cnratio cn_ratio c_n_ratio c_to_n",
}
"""Words that mean a function of soil carbon wherever they stand in a name."""

_ALONE = {
    "organic carbon": "oc carbon",
    "organic matter": "om",
    "nitrogen, bound in organic matter": "tn",
    "ratio of carbon to nitrogen": "cn c_n",
    "perhaps microbial carbon": "mc",
    "perhaps microbial nitrogen": "mn",
}
"""Short words that mean it only where nothing else stands beside them but depths, units, statistics and sources."""

_AMOUNT = frozenset(re.findall("[a-z]+", "pct percent perc g kg mg gkg mgkg ppm stock density content"))
"""Units and words beside which a lone n is an amount of nitrogen."""

_NEUTRAL = _AMOUNT | frozenset(
    re.findall(
        "[a-z]+",
        "soil top topsoil sub subsoil t s d sl cm m km mm per ratio mean median avg average q p min max "
        "sd std layer depth lower upper to value predicted pred est wosis soilgrids isric hwsd wise lucas nrcs gsoc",
    )
)
_OTHERWISE = frozenset(
    re.findall(
        "[a-z]+",
        "deposition dep fertiliser fertilizer manure dioxide monoxide oxide oxides nox atmospheric atmosphere emission emissions leaf "
        "leaves canopy foliar biomass aboveground above agb vegetation tree trees wood npp gpp river water cloud clouds rain "
        "precip precipitation days pixels tax",
    )
)
"""Words beside which carbon and nitrogen are not those of the soil."""

_CARBON_TARGET = frozenset(("soc", "oc", "toc", "carbon", "beta", "orgc", "som", "om", "ocs", "ocd"))


def target_derived(names: Sequence[str], target: str) -> pd.DataFrame:
    """Predictors that are functions of the target, by their names.

    Total nitrogen, C:N, microbial carbon, organic matter and carbon itself come from the same sample as a carbon target, or
    from a map of it: a model with them explains carbon by carbon. They are flagged, not dropped; what to do is a decision of the
    user. Names are cut into whole words (at signs, digits and changes of case), so ``cn_ratio`` and ``totalN`` are found, and
    ``cnty`` and ``scanline`` are not. A word of two letters counts only beside depths, units, statistics and sources of soil maps, a
    lone N only by itself or beside a unit. Some words have other meanings elsewhere (TN, the coldest day; CN, a curve number): they
    are flagged, for a flag is cheaper than a score that rests on carbon.

    Parameters
    ----------
    names : sequence of str
        Predictors.
    target : str
        Name of the target. For one that has no word of carbon in it (or beta, a shape of carbon with depth), only predictors that hold
        its own words are flagged.

    Returns
    -------
    DataFrame
        One row per flagged predictor, in the given order: ``feature``, ``word``, ``reason``.

    Examples
    --------
    >>> target_derived(["elevation", "nitrogen_0-5cm_mean", "CN", "cnty", "dem_cn"], "log_soc_density")["feature"].tolist()
    ['nitrogen_0-5cm_mean', 'CN']
    """
    own = {word for variant in _words(target) for word in variant}
    if own & _CARBON_TARGET:
        found = [(name, *hit) for name in names if (hit := _carbon_word(name))]
    else:
        plain = own - _NEUTRAL - {"log"}
        found = [
            (name, hits[0], f"holds the name of the target '{target}'")
            for name in names
            if (hits := sorted(plain & {word for variant in _words(name) for word in variant}))
        ]
    return pd.DataFrame(found, columns=["feature", "word", "reason"])


def _words(name: str) -> list[list[str]]:
    """Whole words of a name in small letters, without digits: cut at signs, and at changes of case in two ways (SOCStock, SOCstock)."""
    cuts = (r"[A-Za-z]+", r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", r"[A-Z]+|[a-z]+")
    return [[word.lower() for word in re.findall(cut, name)] for cut in cuts]


def _carbon_word(name: str) -> tuple[str, str] | None:
    """The word that makes a predictor a function of carbon, and what it means."""
    for words in _words(name):
        text = "_" + "_".join(words) + "_"
        # Microbial biomass is of the soil, other biomass is not.
        if _OTHERWISE & set(words) and "microbial" not in words:
            continue
        telling = "_".join(word for word in words if word not in _NEUTRAL)
        for meaning, listed in _SURE.items():
            for word in listed.split(" "):
                if f"_{word}_" in text:
                    return word, meaning
        for meaning, listed in _ALONE.items():
            if telling in listed.split(" "):
                return telling, meaning
        if telling == "n" and (name.strip() == "N" or _AMOUNT & set(words)):
            return "n", "nitrogen, bound in organic matter"
    return None
