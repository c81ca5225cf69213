"""Names of statistics of maps, as a recipe and the command line write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from edaphic.recipe.faults import Fault, fail, meant

STATS = ("mean", "se", "spread", "tree_se", "applicability", "dissimilarity", "point_density")
"""Statistics of maps that have no level."""

DEMANDED = ("mean", "q05", "q95")
"""Statistics that the account needs."""

_QUANTILE = re.compile(r"(tree_)?q([0-9]{2,3})")
_LEVELS = "0[1-9]|[1-9][0-9]|0[1-9][1-9]|[1-8][0-9][1-9]|9[0-8][1-9]"
"""Digits of the levels from 1 to 99 %: two are percent, three are per mille, the last of them not 0."""

_SYNONYMS = {"median": "q50", "tree_median": "tree_q50"}


def expected_stat(word: str, more: Sequence[str] = ()) -> str:
    """What is expected in place of a word; empty where it names a statistic.

    It may be one of :data:`STATS`, a calibrated quantile such as q05 or q975, or a percentile of the trees such as tree_q05. Two digits are
    percent, three are per mille. One level has one name: q100 would be q10 again, or be meant as 100 %.

    Parameters
    ----------
    word : str
    more : sequence of str
        Further names, for the message.

    Examples
    --------
    >>> expected_stat("q025"), expected_stat("tree_q50"), expected_stat("mean")
    ('', '', '')
    >>> expected_stat("q100")
    'q10 (two digits are percent, three are per mille), or q99, the largest that is mapped'
    >>> expected_stat("tree_q050"), expected_stat("q999")
    ('tree_q05 (two digits are percent, three are per mille)', 'a quantile from q01 to q99, or in three digits from q011 to q989')
    """
    if word in STATS or re.fullmatch(rf"(tree_)?q({_LEVELS})", word):
        return ""
    found = _QUANTILE.fullmatch(word)
    if found is not None:
        return _of_level(found[1] or "", found[2])
    return f"one of {', '.join((*STATS, *more))}, or a quantile such as q05, q975 or tree_q05{_meant_stat(word)}"


def _of_level(trees: str, digits: str) -> str:
    name = f"{trees}q"
    if len(digits) == 3 and digits.endswith("0") and digits != "000":
        largest = f", or {name}99, the largest that is mapped" if digits == "100" else ""
        return f"{name}{digits[:2]} (two digits are percent, three are per mille){largest}"
    return f"a quantile from {name}01 to {name}99, or in three digits from {name}011 to {name}989"


def _meant_stat(word: str) -> str:
    digits = re.fullmatch(r"(tree_)?q([1-9])", word)
    near = _SYNONYMS.get(word) or (f"{digits[1] or ''}q0{digits[2]}" if digits is not None else "")
    if near:
        return f" (did you mean {near!r}?)"
    if re.fullmatch(r"(tree_)?q0", word):
        return f" (the least is {word}1)"
    return meant(word, (*STATS, "q05", "q50", "q95"))


def check_stat(word: str) -> str:
    """The word, where it names a statistic (see :func:`expected_stat`).

    >>> check_stat("q025"), check_stat("tree_q50")
    ('q025', 'tree_q50')
    """
    if word.startswith("p_above"):
        value = word.removeprefix("p_above").strip("_") or "5"
        fail(Fault((), repr(word), f"thresholds: [{value}] in this section, which maps the probability to exceed each"))
    expected = expected_stat(word)
    if expected:
        fail(Fault((), repr(word), expected))
    return word


Stat = Annotated[
    str,
    AfterValidator(check_stat),
    WithJsonSchema({"anyOf": [{"enum": [*STATS, "q05", "q50", "q95"]}, {"type": "string", "pattern": rf"^(tree_)?q({_LEVELS})$"}]}),
]
