"""Licences of data: what a text names, what it asks for, and which two cannot be met at once.

What stands here is a reading of the licences' own summaries, to sort inputs by. It is no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Licence:
    """What a licence asks of those who pass on what was made with the data.

    Parameters
    ----------
    name : str
        Identifier, as in the list of SPDX where it has one; of an unknown licence its text as it was given; or ``"not stated"``.
    known : bool
        Whether the flags below are known; without it they say nothing.
    attribution : bool
        The source has to be named.
    share_alike : str
        Family of licences that works made from the data have to stand under: "" for none, "CC-BY-SA", "CC-BY-NC-SA", "ODbL" ...
    non_commercial : bool
        Not for commercial use.
    no_derivatives : bool
        Works made from the data may not be passed on.
    no_sharing : bool
        Not even the data themselves may be passed on.
    version : str
        As written, such as "4.0"; empty where it is not.
    """

    name: str
    known: bool = True
    attribution: bool = False
    share_alike: str = ""
    non_commercial: bool = False
    no_derivatives: bool = False
    no_sharing: bool = False
    version: str = ""

    @property
    def may_be_shared(self) -> bool:
        """Whether the data may be passed on as they are."""
        return self.known and not self.no_sharing

    @property
    def obligations(self) -> tuple[str, ...]:
        """What it asks for, in words."""
        asked = {
            "attribution": self.attribution,
            "share-alike": bool(self.share_alike),
            "non-commercial": self.non_commercial,
            "no derivatives": self.no_derivatives,
            "no redistribution": self.no_sharing,
        }
        return tuple(name for name, is_so in asked.items() if is_so)


def _sign(text: str) -> str:
    """A text in lower case, its signs and gaps as single gaps."""
    return re.sub(r"[\s_\-/,;:()]+", " ", text.lower()).strip(" .")


def licence_of(text: str | None) -> Licence:
    """The licence that a text names: an identifier, a name as people write it, or the address of a Creative Commons licence.

    Only a text that says nothing else is taken for a licence: what is not understood as a whole stays as it is, and is unknown.

    Examples
    --------
    >>> [licence_of(text).name for text in ("cc by 4.0", "https://creativecommons.org/licenses/by-nc-sa/3.0/igo/", "CC0", "ODbL")]
    ['CC-BY-4.0', 'CC-BY-NC-SA-3.0-IGO', 'CC0-1.0', 'ODbL-1.0']
    >>> licence_of("ask the ministry").known, licence_of("ask the ministry").name, licence_of(None).name
    (False, 'ask the ministry', 'not stated')
    >>> licence_of("CC BY 4.0, but not for commercial use").known
    False
    """
    given = " ".join((text or "").split())
    if not given:
        return Licence(NOT_STATED, known=False)
    inner = re.fullmatch(r"(.+?)\s*\((.+)\)", given)
    if inner is not None:  # "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)"
        outer, within = licence_of(inner[1]), licence_of(inner[2])
        if outer.known and outer == within:
            return outer
    return _address(given) or _named(_sign(given)) or _creative_commons(_sign(given)) or Licence(given, known=False)


def _address(text: str) -> Licence | None:
    found = re.fullmatch(
        r"(?:https?://)?(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z-]+)/(\d\.\d)(/igo)?(?:/\S*)?", text.lower()
    )
    if found is None:
        return None
    kind, name, version, igo = found.groups()
    if kind == "publicdomain":
        return _KNOWN.get({"zero": "cc0 1.0", "mark": "pdm 1.0"}.get(name, ""))
    return _creative_commons(f"cc {_sign(name)} {version}{' igo' if igo else ''}")


def _named(text: str) -> Licence | None:
    bare = re.sub(r"^(?:the|licen[cs]ed? under(?: the)?) ", "", text)
    return _KNOWN.get(bare) or _KNOWN.get(re.sub(r" licen[cs]e$", "", bare))


_LONG = (
    (r"\bcreative commons\b", "cc"),
    (r"\bnon ?commercial\b", "nc"),
    (r"\bshare ?alike\b", "sa"),
    (r"\bno ?deriv(?:ative)?s?\b", "nd"),
    (r"\battribution\b", "by"),
    (r"\b(?:international|unported|generic|public|licen[cs]e|licen[cs]ed|under|the)\b", ""),
    (r"\bintergovernmental organi[sz]ations?\b", "igo"),
)


def _creative_commons(text: str) -> Licence | None:
    for long, short in _LONG:
        text = re.sub(long, short, text)
    text = re.sub(r"^cc ?by", "cc by", " ".join(text.split()))
    text = re.sub(r"\b(cc by(?: (?:nc|nd|sa))*) (\d(?:\.\d)?) .*cc by.*", r"\1 \2", text) if text.count("cc by") > 1 else text
    found = re.fullmatch(r"(?:cc )?by((?: (?:nc|nd|sa)){0,2})(?: v?(\d(?:\.\d)?))?( igo)?", text)
    if found is None:
        return None
    parts = found[1].split()
    if len(set(parts)) != len(parts) or {"nd", "sa"} <= set(parts):
        return None
    version = "" if found[2] is None else found[2] if "." in found[2] else f"{found[2]}.0"
    order = [part for part in ("nc", "nd", "sa") if part in parts]
    family = "-".join(["CC-BY", *(part.upper() for part in order)])
    name = "-".join([family, *([version] if version else []), *(["IGO"] if found[3] else [])])
    return Licence(
        name,
        attribution=True,
        share_alike=family if "sa" in parts else "",
        non_commercial="nc" in parts,
        no_derivatives="nd" in parts,
        version=version,
    )


_FREE = (
    ("CC0-1.0", ("cc0 1.0", "cc0", "cc zero", "cc0 1.0 universal", "creative commons zero", "creative commons zero v1.0 universal")),
    ("PDDL-1.0", ("pddl 1.0", "pddl", "open data commons public domain dedication and license", "odc pddl 1.0")),
    ("PDM-1.0", ("pdm 1.0", "public domain mark", "public domain mark 1.0")),
    ("public domain", ("public domain", "us government work", "u.s. government work", "us public domain")),
    ("DL-DE-ZERO-2.0", ("dl de zero 2.0", "dl zero de 2.0")),
    ("Unlicense", ("unlicense",)),
)
_BY = (
    ("ODC-By-1.0", ("odc by 1.0", "odc by", "open data commons attribution license", "open data commons attribution")),
    ("DL-DE-BY-2.0", ("dl de by 2.0", "dl by de 2.0")),
    ("etalab-2.0", ("etalab 2.0", "licence ouverte 2.0", "licence ouverte", "etalab")),
    ("OGL-UK-2.0", ("ogl uk 2.0", "open government licence v2.0")),
    ("OGL-UK-3.0", ("ogl uk 3.0", "ogl", "open government licence v3.0", "open government licence 3.0", "open government licence")),
    ("OGL-Canada-2.0", ("ogl canada 2.0", "open government licence canada")),
    ("NLOD-2.0", ("nlod 2.0", "nlod")),
    ("CDLA-Permissive-2.0", ("cdla permissive 2.0",)),
    ("Copernicus", ("copernicus", "licenseref copernicus", "copernicus licence", "free and open copernicus data")),
    ("MIT", ("mit",)),
    ("Apache-2.0", ("apache 2.0", "apache license 2.0")),
    ("BSD-3-Clause", ("bsd 3 clause",)),
)
_ALIKE = (
    ("ODbL-1.0", "ODbL", ("odbl 1.0", "odbl", "open data commons open database license", "open database license")),
    ("CDLA-Sharing-1.0", "CDLA-Sharing", ("cdla sharing 1.0",)),
    ("GPL-2.0", "GPL-2.0", ("gpl 2.0", "gpl 2.0 only")),
    ("GPL-3.0", "GPL-3.0", ("gpl 3.0", "gpl 3.0 only", "gpl 3.0 or later", "gpl v3")),
)
_CLOSED = (("all rights reserved", ("all rights reserved", "proprietary", "restricted", "confidential")),)

_KNOWN: Mapping[str, Licence] = MappingProxyType(
    {alias: Licence(name) for name, aliases in _FREE for alias in aliases}
    | {alias: Licence(name, attribution=True) for name, aliases in _BY for alias in aliases}
    | {alias: Licence(name, attribution=True, share_alike=family, version="1.0") for name, family, aliases in _ALIKE for alias in aliases}
    | {alias: Licence(name, no_derivatives=True, no_sharing=True) for name, aliases in _CLOSED for alias in aliases}
)


def conflict(first: Licence, second: Licence) -> str:
    """Why a work made of two inputs cannot meet the licences of both; empty where it can, or where one is unknown.

    Two rules. A work that has to stand under one share-alike licence cannot stand under another one; versions from 2.0 on of one
    Creative Commons licence allow the later ones, and CC BY-SA 4.0 allows the GPL 3.0. A share-alike licence that allows commercial use
    cannot be met together with one that does not.

    Examples
    --------
    >>> conflict(licence_of("CC BY-SA 4.0"), licence_of("CC BY-NC-SA 4.0"))
    'each asks that what is made of it stands under itself, and there is one licence only'
    >>> conflict(licence_of("CC BY-SA 3.0"), licence_of("CC BY-SA 4.0")), conflict(licence_of("CC BY 4.0"), licence_of("ODbL"))
    ('', '')
    """
    if not (first.known and second.known):
        return ""
    alike = [one for one in (first, second) if one.share_alike]
    if len(alike) == 2 and not _one_licence(first, second):
        return "each asks that what is made of it stands under itself, and there is one licence only"
    for one, other in ((first, second), (second, first)):
        if one.share_alike and not one.non_commercial and other.non_commercial:
            return f"{one.name} asks that what is made of it may be used commercially too, {other.name} forbids that"
    return ""


def _one_licence(first: Licence, second: Licence) -> bool:
    if {first.name, second.name} == {"CC-BY-SA-4.0", "GPL-3.0"}:
        return True
    if first.share_alike != second.share_alike:
        return False
    return first.version == second.version or "1.0" not in (first.version, second.version)


def _passes_to(one: Licence, asked: Licence) -> bool:
    """Whether what is made of an input may stand under a licence."""
    if one.name == "CC-BY-SA-4.0" and asked.name == "GPL-3.0":
        return True
    return one.share_alike == asked.share_alike and _one_licence(one, asked) and asked.version >= one.version


def conflicts(licences: tuple[Licence, ...]) -> list[tuple[Licence, Licence, str]]:
    """Pairs of different licences that cannot be met at once, in the order given, each once."""
    several = list(dict.fromkeys(licences))
    return [(one, other, why) for one, other in combinations(several, 2) if (why := conflict(one, other))]


def fitting(licences: tuple[Licence, ...]) -> str:
    """The least restrictive common licence that a work made of known inputs can stand under; empty where there is none.

    Examples
    --------
    >>> fitting((licence_of("CC BY 4.0"), licence_of("CC BY-NC 4.0"))), fitting((licence_of("CC0"),))
    ('CC-BY-NC-4.0', 'CC0-1.0')
    >>> fitting((licence_of("CC BY-SA 3.0"), licence_of("CC BY-SA 4.0"), licence_of("CC BY 4.0")))
    'CC-BY-SA-4.0'
    >>> fitting((licence_of("CC BY-SA 4.0"), licence_of("ODbL")))
    ''
    """
    if any(one.no_derivatives or one.no_sharing for one in licences) or conflicts(licences):
        return ""
    alike = sorted({one for one in licences if one.share_alike}, key=lambda one: ("GPL" in one.name, one.version, one.name))
    if alike:
        return alike[-1].name
    if any(one.non_commercial for one in licences):
        return "CC-BY-NC-4.0"
    return "CC-BY-4.0" if any(one.attribution for one in licences) else "CC0-1.0"


def too_free(asked: Licence, inputs: tuple[Licence, ...]) -> list[str]:
    """What inputs ask for and a licence that the outputs are to stand under does not.

    Examples
    --------
    >>> too_free(licence_of("CC BY 4.0"), (licence_of("CC BY-NC 4.0"),))
    ['CC-BY-NC-4.0 forbids commercial use, CC-BY-4.0 allows it']
    """
    found = []
    for one in dict.fromkeys(one for one in inputs if one.known):
        if one.no_derivatives or one.no_sharing:
            found.append(f"{one.name} does not let works made from it be passed on")
        if one.share_alike and not _passes_to(one, asked):
            found.append(f"{one.name} asks for the same licence, {asked.name} is another")
        elif one.non_commercial and not asked.non_commercial:
            found.append(f"{one.name} forbids commercial use, {asked.name} allows it")
        if one.attribution and not asked.attribution:
            found.append(f"{one.name} asks that its source is named, {asked.name} does not pass that on")
    return found
