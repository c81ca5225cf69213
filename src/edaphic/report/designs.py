"""Ways in which profiles were held back: their names, what each answers, and which of them speaks for the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edaphic.report.folder import RunFolder
from edaphic.report.words import capital, count, is_known, quantity

IN_SAMPLE = "in_sample"
PROBABILITY = "probability"
"""Headline of a run whose validation sites were drawn at random: no design, but an estimate that rests on the draw."""


@dataclass(frozen=True)
class DesignWords:
    """A design as the page names it, what it leaves out, and the question that its score answers."""

    name: str
    left_out: str
    answers: str


DESIGNS: Mapping[str, DesignWords] = {
    "knndm": DesignWords(
        "kNNDM",
        "profiles left out so that they lie as far from the rest as cells of the map lie from profiles",
        "how good the map is over its area",
    ),
    "profile": DesignWords(
        "profile",
        "whole profiles left out",
        "how good it is at new profiles that lie among the old ones as these do; too good where profiles are clustered",
    ),
    "block": DesignWords(
        "block",
        "whole blocks of land left out",
        "a test of transfer to land without profiles, not the accuracy of the map",
    ),
    "strata_in_proportion": DesignWords(
        "strata in proportion",
        "profiles left out, each fold with its share of every region and decade",
        "as by profile, with all regions and decades alike in each fold; too good where profiles are clustered",
    ),
    "hold_out": DesignWords(
        "hold-out",
        "a share of the profiles left out, drawn again in each repeat",
        "as by profile, with fewer profiles to learn from; too good where profiles are clustered",
    ),
    "strata_left_out": DesignWords(
        "strata left out",
        "whole regions left out, each fold with its share of every decade",
        "a test of transfer to regions without profiles, not the accuracy of the map",
    ),
    "zone": DesignWords(
        "zone",
        "whole zones left out",
        "a test of transfer to a zone without profiles, not the accuracy of the map",
    ),
    "time": DesignWords(
        "time",
        "whole periods left out",
        "a test of transfer to years without profiles, not the accuracy of the map",
    ),
    "random": DesignWords(
        "random",
        "single layers left out, while other layers of the same profile stay",
        "how well gaps in known profiles are filled; it says nothing of new places",
    ),
    IN_SAMPLE: DesignWords(
        "in sample",
        "the profiles the model was fitted to",
        "no evidence: it shows how closely the model follows what it was fitted to",
    ),
}
"""By meaning: what speaks for the map first, then tests of transfer, then what says nothing of new places."""

_FIRST = ("knndm", "profile", "block")
_ACCURACY = ("knndm", "profile", "strata_in_proportion", "hold_out")
_UNKNOWN = DesignWords("", "as the recipe says", "what the recipe asked of it")


def design_name(design: str) -> str:
    """How the page names a design.

    >>> design_name("knndm"), design_name("hold_out"), design_name("own_one")
    ('kNNDM', 'hold-out', 'own one')
    """
    return DESIGNS[design].name if design in DESIGNS else design.replace("_", " ")


def design_title(design: str) -> str:
    """The same at the beginning of a sentence.

    >>> design_title("knndm"), design_title("profile")
    ('kNNDM', 'Profile')
    """
    name = design_name(design)
    return name if design == "knndm" else capital(name)


def words_of(design: str) -> DesignWords:
    """What is said of a design; neutral words where it is not known."""
    return DESIGNS.get(design, _UNKNOWN)


def designs_of(run: RunFolder, table: str, *, with_in_sample: bool = False) -> list[str]:
    """Designs of one of the run's tables: the headline first, then by meaning; the in-sample one only on request, and last."""
    rows = run.table(table)
    if rows is None:
        return []
    found = list(dict.fromkeys(rows["design"]))
    order = [headline_of(run), *_FIRST, *DESIGNS]
    known = [name for name in dict.fromkeys(order) if name in found and name != IN_SAMPLE]
    known += [name for name in found if name not in DESIGNS and name not in known]
    return known + ([IN_SAMPLE] if with_in_sample and IN_SAMPLE in found else [])


def headline_of(run: RunFolder) -> str:
    """Name of the headline as the run gives it, empty where it gives none."""
    found = run.designs.get("headline")
    return found if isinstance(found, str) else ""


def headline_reason(run: RunFolder) -> str:
    """Why it is the headline, as the run says."""
    found = run.designs.get("headline_reason")
    return found.strip().rstrip(".") if isinstance(found, str) else ""


def lead_of(run: RunFolder, table: str) -> str:
    """The design that speaks first in a table: the headline where it is there; empty where there is none."""
    return next(iter(designs_of(run, table)), "")


def judged(run: RunFolder, table: str) -> list[str]:
    """Designs whose score is held against what is expected of a sound map: the headline, by profile and by block; else all."""
    found = designs_of(run, table)
    known = [name for name in found if name in (headline_of(run), calibrated_by(run), *_FIRST) and name != "random"]
    return known or found


def speaks_for_map(design: str) -> bool:
    """Whether a design is about the accuracy of the map, not about transfer or about gaps in known profiles."""
    return design in _ACCURACY


def calibrated_by(run: RunFolder) -> str:
    """Design whose held-out predictions the intervals of the maps were adjusted on, empty where the run does not tell."""
    used = run.designs.get("calibrated_by") or run.setting("evidence", "calibrate")
    return used if isinstance(used, str) else ""


def design_words(run: RunFolder, design: str) -> str:
    """What a design leaves out, with the size of its blocks and the number of its folds where the run tells them."""
    details = []
    if design == "block" and is_known(run.designs.get("block_km")):
        blocks = f"{count(run.designs.get('blocks'))} blocks of " if is_known(run.designs.get("blocks")) else "blocks of "
        details.append(f"{blocks}{quantity(run.designs['block_km'], 'km')} a side")
    share, years = run.setting("evidence", "test_share"), run.setting("evidence", "period_years")
    if design == "hold_out" and is_known(share):
        details.append(f"{100.0 * share:g}\u00a0%")
    if design in ("time", "strata_left_out", "strata_in_proportion") and is_known(years):
        details.append(f"periods of {years:g} years")
    if design not in (IN_SAMPLE, "zone", "time") and is_known(run.designs.get("folds")):
        details.append(f"{count(run.designs['folds'])} {'repeats' if design == 'hold_out' else 'folds'}")
    words = words_of(design).left_out
    return f"{words} ({', '.join(details)})" if details else words
