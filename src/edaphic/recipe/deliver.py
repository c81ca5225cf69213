"""The section that says what is handed over: packages, names of files, measurements, licences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from edaphic.recipe.base import Listed, Section, Text
from edaphic.recipe.cited import Citation
from edaphic.recipe.countries import COUNTRIES
from edaphic.recipe.faults import Fault, fail, meant, shown

FIELDS: Mapping[str, str] = {
    "name": "name of the map in the run",
    "quantity": "soc_stock, soc or beta",
    "stat": "mean, q05, spread ...",
    "code": "statistic as OpenLandMap writes it: m, sd, p05 ...",
    "depth": "layer in cm: 0-30",
    "top": "upper depth in cm",
    "bottom": "lower depth in cm",
    "thickness": "thickness in cm",
    "from": "first year",
    "to": "last year",
    "begin": "first day: 19900101",
    "end": "last day: 20001231",
    "period": "1990-2000",
    "ecosystem": "zone of the map, or class of deliver.ecosystems",
    "resolution": "size of a cell: 250m, 0.0083333d",
    "epsg": "code of the coordinate system",
    "crs": "epsg.32634",
    "unit": "unit as a word: kg.m2",
    "version": "version of Edaphic, or of deliver.words",
}
"""Fields of a pattern of names, and what each becomes."""

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
"""What may stand in the name of a file on any system."""

OPENLANDMAP = "{variable}_{procedure}_{code}_{resolution}_b{top}cm..{bottom}cm_{begin}_{end}_{area}_{crs}_{version}"
"""Ten fields: variable, procedure, statistic, resolution, depth, begin, end, area, coordinate system, version."""

COORDINATES = Literal["exact", "rounded", "none"]
"""How places of profiles are told."""


def fields_of(pattern: str) -> list[str]:
    """Fields of a pattern, each once, in their order.

    Raises
    ------
    ValueError
        A brace without its partner, or a field with a format.

    Examples
    --------
    >>> fields_of("{ecosystem}_{depth}_SOCD_{depth}")
    ['ecosystem', 'depth']
    """
    found = []
    for _, field, form, conversion in Formatter().parse(pattern):
        if field is None:
            continue
        if form or conversion:
            raise ValueError(f"the field {field!r} with a format")
        found.append(field)
    return list(dict.fromkeys(found))


def _country(code: str) -> str:
    if code not in COUNTRIES:
        near = f" (did you mean {code.upper()!r}?)" if code.upper() in COUNTRIES else meant(code.upper(), sorted(COUNTRIES))
        fail(Fault((), shown(code), "a country code of three capital letters (ISO 3166-1), such as MKD" + near))
    return code


Country = Annotated[str, AfterValidator(_country), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})]


def _safe(word: str) -> str:
    if SAFE.fullmatch(word) is None:
        fail(Fault((), shown(word), "letters, digits, '.', '_', '+' and '-', for the name of a file"))
    return word


SafeWord = Annotated[str, AfterValidator(_safe), WithJsonSchema({"type": "string", "pattern": f"^{SAFE.pattern}$"})]


class GsocMap(Section):
    """The package of the Global Soil Organic Carbon Map: 0-30 cm, t/ha, 30 arc-seconds, WGS 84."""

    country: Country = Field(description="Country code of three letters (ISO 3166-1), such as MKD.")
    grid: Text | None = Field(
        default=None, description="Empty grid of 30 arc-seconds to fill, where there is one; by default that of the globe, cut to the map."
    )
    period: Annotated[tuple[int, int], Field(strict=False)] | None = Field(
        default=None, description="Which of maps.periods is delivered; by default the last one."
    )
    pattern: Text = Field(
        default="{country}_OCS_{stat}_0-30cm", description="Names of the rasters, of {country}, {stat} (mean, sd, q05, q95) and own words."
    )

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        return _pattern_faults(given.get("pattern"), ("pattern",), ("country", "stat")) + _needs_stat(given.get("pattern"))


def _needs_stat(pattern: object) -> list[Fault]:
    if not isinstance(pattern, str) or "{stat}" in pattern:
        return []
    return [Fault(("pattern",), f"{shown(pattern)}, one name for several rasters", "a pattern with {stat}")]


class Naming(Section):
    """Maps that are copied under other names."""

    pattern: Text = Field(description="Name without ending, with fields in braces, such as {ecosystem}_{depth}_SOCD; or openlandmap.")
    maps: Annotated[Listed[Text], Field(min_length=1)] = Field(
        default=("*",), description="Names of maps in the run, without ending, or patterns of them such as soc_stock_mean_*."
    )

    @property
    def full(self) -> str:
        """The pattern, written out, without the ending of a raster."""
        return OPENLANDMAP if self.pattern == "openlandmap" else re.sub(r"\.tiff?$", "", self.pattern)


def _as_namings(value: Any) -> Any:
    """A bare pattern is for all maps."""
    entries = [value] if isinstance(value, (str, dict)) else value
    if not isinstance(entries, (list, tuple)):
        return value
    return [{"pattern": entry} if isinstance(entry, str) else entry for entry in entries]


class Ecosystems(Section):
    """Classes of which each gets a map of its own, empty elsewhere."""

    by: Text = Field(description="Covariate of kind class.")
    codes: dict[int, SafeWord] = Field(min_length=1, description="Name of each class code in the names of files, such as {1: CL, 2: GL}.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        codes = given.get("codes")
        names = list(codes.values()) if isinstance(codes, dict) else []
        return [
            Fault(("codes", code), f"the name {name!r} a second time", "a name of its own")
            for place, (code, name) in enumerate(codes.items() if isinstance(codes, dict) else ())
            if name in names[:place]
        ]


class Contact(Section):
    """Whom to ask about the maps."""

    name: Text | None = Field(default=None, description="Name of a person or an office.")
    organisation: Text | None = Field(default=None, description="Organisation that stands behind the maps.")
    email: Text | None = Field(default=None, description="Address for questions.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        email = given.get("email")
        if not isinstance(email, str) or re.fullmatch(r"[^@\s]+@[^@\s]+", email):
            return []
        return [Fault(("email",), shown(email), "an address such as soil@example.org")]


class Measurements(Section):
    """The table of measurements, of sources that may be shared."""

    coordinates: COORDINATES = Field(default="rounded", description="Coordinates of the profiles: as they are, rounded, or left out.")
    decimals: int = Field(default=2, ge=0, le=6, description="Decimals of rounded degrees: 2 are about 1 km.")
    share: Listed[Text] = Field(default=(), description="Sources that you may share although no known licence says so, by name.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        kind = given.get("coordinates", "rounded")
        if "decimals" in given and kind in ("exact", "none"):
            return [Fault(("decimals",), f"decimals beside coordinates: {kind}", "coordinates: rounded, or no such key")]
        return []


class Deliver(Section):
    """What is handed over."""

    gsocmap: GsocMap | None = Field(default=None, description="The package of the Global Soil Organic Carbon Map. Null: none.")
    names: Annotated[Listed[Naming], BeforeValidator(_as_namings, json_schema_input_type=str | list[str | Naming])] = Field(
        default=(), description="Copies of the maps under other names: a pattern, or a list of patterns with the maps each is for."
    )
    words: dict[str, SafeWord] = Field(default={}, description="Words of your own for patterns, such as {variable: oc, area: mk}.")
    instead: dict[Text, SafeWord] = Field(
        default={}, description="Words in place of what fields of patterns would become, such as {cropland: CL, grassland: GL}."
    )
    ecosystems: Ecosystems | None = Field(default=None, description="Classes of which each gets a map of its own. Null: none.")
    profiles: Measurements | None = Field(default=None, description="The table of measurements. Null: none.")
    roll_up: bool = Field(default=False, description="Whether licences of inputs are listed where nothing else is delivered.")
    licence: Text | None = Field(default=None, description="Licence that the maps are to be published under, such as CC-BY-4.0.")
    citation: Text | None = Field(default=None, description="How the maps are to be cited.")
    contact: Contact = Field(default=Contact(), description="Whom to ask about the maps.")
    licences: dict[Text, Citation] = Field(
        default={}, description="Licence and citation of inputs that carry none: by path or name, or a pattern such as masks/*."
    )

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        words = given.get("words")
        words = words if isinstance(words, dict) else {}
        taken = (*FIELDS, "country")
        faults = [
            Fault(("words", word), f"{word!r}, which is a field of its own", "another word")
            for word in words
            if word in taken and word != "version"
        ]
        faults += [
            Fault(("words", word), shown(word), "a word of letters, digits and '_', to stand in braces")
            for word in words
            if not re.fullmatch(r"[A-Za-z_]\w*", str(word))
        ]
        entries = _as_namings(given.get("names", ()))
        bare = isinstance(given.get("names"), (str, dict))
        for place, entry in enumerate(entries if isinstance(entries, list) else ()):
            pattern = entry.get("pattern") if isinstance(entry, dict) else None
            loc: tuple[str | int, ...] = ("names",) if bare else ("names", place)
            faults += _pattern_faults(OPENLANDMAP if pattern == "openlandmap" else pattern, loc, (*FIELDS, *map(str, words)))
        if given.get("ecosystems") is not None and "{ecosystem}" not in str(entries):
            faults.append(Fault(("ecosystems",), "classes that no pattern of names has", "a pattern with {ecosystem}"))
        return faults

    @property
    def asked(self) -> bool:
        """Whether anything is to be delivered."""
        return bool(self.gsocmap or self.names or self.profiles or self.roll_up)


def _pattern_faults(pattern: object, loc: tuple[str | int, ...], known: Iterable[str]) -> list[Fault]:
    """Fields that there are not, braces without partner, signs that no name of a file should have."""
    if not isinstance(pattern, str):
        return []
    try:
        fields = fields_of(pattern)
    except ValueError as error:
        return [Fault(loc, f"{shown(pattern)} ({error})", "plain fields in braces, such as {stat}")]
    names = list(known)
    faults = [
        Fault(loc, f"the field {{{field}}}", f"one of {', '.join(names)}, or a key of deliver.words{meant(field, names)}")
        for field in fields
        if field not in names
    ]
    plain = "".join(text for text, *_ in Formatter().parse(pattern))
    if re.search(r"[^A-Za-z0-9._+-]", plain):
        faults.append(Fault(loc, f"{shown(pattern)}, with signs that are no part of a name", "letters, digits, '.', '_', '+' and '-'"))
    return faults
