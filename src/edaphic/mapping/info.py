"""What is said about a map, in its file and beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Colours = Literal["sequential", "uncertainty", "probability", "diverging", "classes"]
"""Ramp of a style: viridis for values, cividis for their uncertainty, purple to orange for probabilities, brown over white to green for
changes and differences, one colour for each class."""

Encoding = Literal["float32", "int16"]
"""How the numbers of a map are stored."""

_QUANTILE = re.compile(r"(?P<what>tree_|mc_)?q(?P<digits>\d{2,3})")
_OVER = re.compile(r"p_above_(?P<value>.+)")


@dataclass(frozen=True)
class MapClass:
    """A class of a map: its code, its name (letters, digits, hyphen), what it stands for, its colour as #rrggbb."""

    code: int
    name: str
    meaning: str
    colour: str


APPLICABILITY = (
    MapClass(0, "outside", "covariates unlike those of all profiles: scores and intervals need not hold", "#E69F00"),
    MapClass(1, "inside", "covariates like those of a profile", "#0072B2"),
)
"""Classes of the map of the area of applicability, in two of Okabe and Ito's colours."""


@dataclass(frozen=True)
class StatWords:
    """What is said of a statistic, whatever the quantity and the layer.

    Parameters
    ----------
    title : str
        A few words: "calibrated 5 % quantile".
    meaning : str
        What the number means, in a sentence.
    own_unit : bool
        The numbers are in the unit of the quantity; otherwise they have none ("1").
    colours : {"sequential", "uncertainty", "probability", "classes"}
    limits : (float, float) or None
        Ends of the ramp where they do not depend on the map.
    classes : tuple of MapClass
        Where the numbers are codes.
    """

    title: str
    meaning: str
    own_unit: bool = True
    colours: Colours = "sequential"
    limits: tuple[float, float] | None = None
    classes: tuple[MapClass, ...] = ()


_WORDS: Mapping[str, StatWords] = MappingProxyType(
    {
        "mean": StatWords("mean", "Mean that the forest predicts for the cell."),
        "se": StatWords(
            "standard error of the mean",
            "How far the mean would move with other profiles and trees, one standard deviation; single profiles differ more.",
            colours="uncertainty",
        ),
        "spread": StatWords(
            "spread of the trees (not an error of the map)",
            "Standard deviation of the predictions of the trees; it is neither the error of the mean nor that of a profile.",
            colours="uncertainty",
        ),
        "tree_se": StatWords(
            "spread of the trees over the root of their number (not an error of the map)",
            "Noise of the mean that more trees would remove; what other profiles would change is not in it.",
            colours="uncertainty",
        ),
        "applicability": StatWords(
            "area of applicability (1 inside, 0 outside)",
            "1 where the covariates are no less like those of a profile than held-out profiles were like the rest, else 0.",
            own_unit=False,
            colours="classes",
            classes=APPLICABILITY,
        ),
        "dissimilarity": StatWords(
            "dissimilarity index to the profiles",
            "Distance to the most similar profile in the space of covariates; 1 is the mean distance between profiles.",
            own_unit=False,
            colours="uncertainty",
        ),
        "point_density": StatWords(
            "profiles that are near in the space of covariates",
            "Number of profiles whose covariates are as like those of the cell as the area of applicability asks.",
            own_unit=False,
        ),
        "mc_mean": StatWords("mean of the realisations", "Mean over the Monte Carlo realisations of the inputs and the model."),
        "mc_sd": StatWords(
            "standard deviation of the realisations",
            "Standard deviation over the Monte Carlo realisations of the inputs and the model.",
            colours="uncertainty",
        ),
        "mc_relative_width": StatWords(
            "width of the realisations' interval over their mean",
            "Distance between the outermost mapped quantiles of the realisations, divided by their mean.",
            own_unit=False,
            colours="uncertainty",
        ),
    }
)


def words_of(stat: str, unit: str = "") -> StatWords:
    """What is said of a statistic of maps.

    Parameters
    ----------
    stat : str
        As in names of files: ``mean``, ``se``, ``q05``, ``tree_q025``, ``p_above_5``, ``mc_q975``, ``applicability`` ...
    unit : str
        Unit of the quantity, for the words on thresholds.

    Raises
    ------
    KeyError
        No such statistic.

    Examples
    --------
    >>> words_of("q05").title, words_of("q50").title, words_of("tree_q975").title, words_of("mc_q025").title
    ('calibrated 5 % quantile', 'median', '97.5 % quantile of the trees (not calibrated)', '2.5 % quantile of the realisations')
    >>> over = words_of("p_above_5", "kg/m2")
    >>> over.title, over.own_unit, over.limits
    ('probability of more than 5 kg/m2', False, (0.0, 1.0))
    """
    if stat in _WORDS:
        return _WORDS[stat]
    if found := _QUANTILE.fullmatch(stat):
        return _quantile(found["what"] or "", found["digits"])
    if found := _OVER.fullmatch(stat):
        what = f"{found['value']} {unit}".strip()
        meaning = f"Probability that a profile in the cell has more than {what}, from the same distribution as the quantiles."
        return StatWords(f"probability of more than {what}", meaning, False, "probability", (0.0, 1.0))
    raise KeyError(stat)


def _quantile(what: str, digits: str) -> StatWords:
    level = f"{int(digits) / 10.0 ** (len(digits) - 2):g} %"
    if what == "tree_":
        meaning = f"{level} of the trees predict less; it says how the trees differ, not how profiles do."
        return StatWords(f"{level} quantile of the trees (not calibrated)", meaning)
    if what == "mc_":
        return StatWords(f"{level} quantile of the realisations", f"{level} of the Monte Carlo realisations of the cell are lower.")
    title = "median" if level == "50 %" else f"calibrated {level} quantile"
    return StatWords(title, f"{level} of the profiles in cells like this have less, as far as held-out profiles could tell.")


@dataclass(frozen=True)
class MapInfo:
    """What is to be said about one map, in its file and beside it.

    Parameters
    ----------
    name : str
        File name without ending, ``soc_stock_mean_0-30cm``; also the identifier of the STAC item.
    title, description : str
        One line, and what the numbers mean.
    unit : str
        Unit of the values, as in :mod:`edaphic.units`.
    tags : mapping of str to str
        Provenance: product, layer, statistic, version, recipe hash, model hash, seed.
    period : (first year, last year) or None
        Years that the map stands for; None where they are not known.
    colours : {"sequential", "uncertainty", "probability", "diverging", "classes"}
        Ramp of the style.
    limits : (float, float) or None
        Ends of the ramp that do not depend on the map, such as 0 and 1 of a probability.
    centre : float or None
        Value of the middle colour, such as 0 of a change: the ramp then reaches equally far to both sides.
    classes : tuple of MapClass
        Where the values are codes: the overviews take the nearest cell, and each code has its own colour.
    """

    name: str
    title: str
    unit: str
    description: str
    tags: Mapping[str, str]
    period: tuple[int, int] | None = None
    colours: Colours = "sequential"
    limits: tuple[float, float] | None = None
    classes: tuple[MapClass, ...] = ()
    centre: float | None = None
