"""The whole recipe, and the rules between its sections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import PurePath
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from edaphic.recipe.accounting import ByShares
from edaphic.recipe.base import Section, Text
from edaphic.recipe.deliver import Deliver
from edaphic.recipe.designs import QUANTITIES
from edaphic.recipe.drivers import Drivers
from edaphic.recipe.evidence import Evidence
from edaphic.recipe.faults import Fault, meant
from edaphic.recipe.grid import Grid
from edaphic.recipe.inputs import Covariates
from edaphic.recipe.model import Model
from edaphic.recipe.soil import Profiles
from edaphic.recipe.values import layer_text
from edaphic.recipe.work import Account, Maps, Report
from edaphic.units import units_of

S = TypeVar("S", bound=Section)


class Head(Section):
    """What a recipe begins with."""

    edaphic: Literal[1] = Field(description="Version of the recipe format: 1.")
    name: Text = Field(description="What the maps are called.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Start of all random numbers; one seed, one result.")
    root: Text = Field(default=".", description="Folder that paths start from, seen from the recipe's folder.")


class ProfileRecipe(Head):
    """What is enough to make stocks of profiles."""

    profiles: Profiles = Field(description="The soil profiles, and how they become values of layers.")


class Recipe(Head):
    """Everything that a run is told. Lists are tuples, sections are frozen, paths are as written."""

    grid: Grid = Field(description="Cells of the maps: {like: raster}, {crs, resolution, bounds} or {region, resolution}.")
    profiles: Profiles = Field(description="The soil profiles, and how they become values of layers.")
    covariates: Covariates = Field(description="Rasters that explain soil carbon.")
    model: Model = Field(default=Model(), description="What is predicted, and by what.")
    evidence: Evidence = Field(default=Evidence(), description="How the model is checked.")
    maps: Maps = Field(default=Maps(), description="Which maps are written.")
    account: Account = Field(default=Account(), description="Tables of carbon stocks, and comparisons.")
    drivers: Drivers = Field(default=Drivers(), description="What goes with soil carbon: importance, effects, classes, path models.")
    deliver: Deliver = Field(default=Deliver(), description="What is handed over: packages, names of files, measurements, licences.")
    report: Report = Field(default=Report(), description="The report page.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        sections = _Sound(given)
        return [fault for rule in _RULES for fault in rule(sections)]


def whole_layer(recipe: Recipe) -> tuple[float, float] | None:
    """All layers together, where there are several and each begins where the one above it ends.

    Returns
    -------
    (top, bottom) in cm, or None for a single layer or layers with gaps between them.
    """
    return _whole(recipe.profiles)


def _whole(profiles: Profiles) -> tuple[float, float] | None:
    layers = profiles.layers
    touching = all(above[1] == below[0] for above, below in pairwise(layers))
    return (layers[0][0], layers[-1][1]) if touching and len(layers) > 1 else None


class _Sound:
    """Sections of a raw recipe that are sound in themselves; None for the others."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.profiles = _sound(Profiles, given.get("profiles"))
        self.covariates = _sound(Covariates, given.get("covariates"))
        self.model = _sound(Model, given.get("model", {}))
        self.evidence = _sound(Evidence, given.get("evidence", {}))
        self.maps = _sound(Maps, given.get("maps", {}))
        self.account = _sound(Account, given.get("account", {}))
        self.drivers = _sound(Drivers, given.get("drivers", {}))
        self.deliver = _sound(Deliver, given.get("deliver", {}))


def _sound(section: type[S], value: Any) -> S | None:
    try:
        return section.model_validate(value)
    except ValidationError:
        return None


def _layers_are_mapped(sound: _Sound) -> list[Fault]:
    """Other maps show a layer that is mapped here."""
    if sound.profiles is None or sound.account is None:
        return []
    whole = _whole(sound.profiles)
    mapped = [*sound.profiles.layers, *([whole] if whole else [])]
    expected = f"one of the mapped layers {', '.join(map(layer_text, mapped))}"
    below = None if sound.maps is None else sound.maps.subsoil
    accounted = mapped if below is None else list(below.intervals)
    of_account = f"one of the mapped layers {', '.join(map(layer_text, accounted))}"
    return [
        Fault(("account", key, place, "layer"), repr(layer_text(other.layer)), of_account)
        for key, others in (("compare", sound.account.compare), ("truth", sound.account.truth))
        for place, other in enumerate(others)
        if other.layer not in accounted
    ] + [
        Fault(("evidence", "products", place, "layer"), repr(layer_text(product.layer)), expected)
        for place, product in enumerate(() if sound.evidence is None else sound.evidence.products)
        if product.layer not in mapped
    ]


def _units_fit_the_target(sound: _Sound) -> list[Fault]:
    """Stocks are compared with stocks, contents with contents."""
    if sound.model is None or sound.account is None:
        return []
    target = sound.model.target
    units = [unit for quantity in QUANTITIES[target.removeprefix("log_")] for unit in units_of(quantity)]
    below = None if sound.maps is None else sound.maps.subsoil
    accounted = "soc_stock" if below is not None else target
    of_account = units if below is None else [unit for quantity in QUANTITIES[accounted] for unit in units_of(quantity)]
    return [
        Fault(("account", key, place, "unit"), repr(other.unit), f"a unit of {accounted}, one of {', '.join(of_account)}")
        for key, others in (("compare", sound.account.compare), ("truth", sound.account.truth))
        for place, other in enumerate(others)
        if other.unit not in of_account
    ] + [
        Fault(("evidence", "products", place, "unit"), repr(product.unit), f"a unit of {target}, one of {', '.join(units)}")
        for place, product in enumerate(() if sound.evidence is None else sound.evidence.products)
        if product.unit not in units
    ]


def _masks_and_divisions_are_classes(sound: _Sound) -> list[Fault]:
    """Masks, and divisions given by a name, are covariates with classes."""
    if sound.covariates is None:
        return []
    asked: list[tuple[tuple[str | int, ...], str]] = []
    if sound.maps is not None:
        asked += [(("maps", "mask", name), name) for name in sound.maps.mask]
    if sound.account is not None:
        by = enumerate(sound.account.by)
        asked += [(("account", "by", place), name) for place, name in by if isinstance(name, str)]
    if sound.model is not None and sound.model.zones is not None:
        asked.append((("model", "zones"), sound.model.zones))
    if sound.evidence is not None:
        asked += [(("evidence", "by", place), name) for place, name in enumerate(sound.evidence.by)]
        asked += [
            (("evidence", "independent", place, "strata"), entry.strata)
            for place, entry in enumerate(sound.evidence.independent)
            if entry.strata is not None
        ]
    if sound.deliver is not None and sound.deliver.ecosystems is not None:
        asked.append((("deliver", "ecosystems", "by"), sound.deliver.ecosystems.by))
    if _leaves_nothing(sound.covariates):
        return []  # that is the fault
    names = [layer.own_name for layer in sound.covariates.layers if layer.kind == "class" and layer.own_name]
    names += [sound.covariates.zones.name] if sound.covariates.zones is not None else []
    names = [name for name in names if not _is_excluded(sound.covariates, name)]
    expected = "a covariate of kind class" + (f", one of {', '.join(names)}" if names else "")
    answers = [(loc, name, _why_no_class(sound.covariates, name)) for loc, name in asked]
    return [Fault(loc, why, expected + meant(name, names)) for loc, name, why in answers if why]


def _why_no_class(covariates: Covariates, name: str) -> str:
    """What keeps a name from being a covariate with classes; empty where nothing does, as far as the recipe tells."""
    if _is_excluded(covariates, name):
        return f"{name!r}, which is excluded"
    if covariates.zones is not None and covariates.zones.name == name:
        return ""
    kinds = [layer.kind for layer in covariates.layers if layer.own_name == name]
    if kinds:
        return "" if "class" in kinds else f"{name!r}, which is continuous"
    kinds = [layer.kind for layer in covariates.layers if layer.own_name is None and fnmatchcase(name, PurePath(layer.path).stem)]
    if not kinds:
        return f"{name!r}, which is no covariate"
    # Only files tell whether a pattern finds one of that name.
    return "" if "class" in kinds else f"{name!r}, which no layer of kind class is called"


def _is_excluded(covariates: Covariates, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in covariates.exclude)


def _leaves_nothing(covariates: Covariates) -> bool:
    """Whether all is excluded, as far as the recipe tells: what a pattern of files finds, only ``*`` is sure to exclude."""
    if any(pattern and set(pattern) == {"*"} for pattern in covariates.exclude):
        return True
    made = (covariates.terrain, covariates.indices, covariates.climate, *covariates.depth_means, covariates.zones)
    if any(section is not None for section in made):
        return False
    return bool(covariates.layers) and all(layer.own_name and _is_excluded(covariates, layer.own_name) for layer in covariates.layers)


def _something_is_left(sound: _Sound) -> list[Fault]:
    """A model needs a covariate."""
    if sound.covariates is None or not _leaves_nothing(sound.covariates):
        return []
    return [Fault(("covariates", "exclude"), "that no covariate is left", "at least one covariate")]


def _interval_has_its_names(sound: _Sound) -> list[Fault]:
    """The limits of the interval are called q05 and q95 in every table and map."""
    if sound.evidence is None or sound.evidence.interval == 0.9:
        return []
    return [Fault(("evidence", "interval"), f"{sound.evidence.interval:g}", "0.9, whose limits q05 and q95 are")]


def _accounts_are_of_stocks(sound: _Sound) -> list[Fault]:
    """Contents (g/kg) do not add up to totals."""
    if sound.model is None or sound.account is None or sound.model.target not in ("soc", "log_soc", "beta"):
        return []
    if sound.maps is not None and sound.maps.subsoil is not None:
        return []
    return [
        Fault(("account", key), f"{key} beside the target {sound.model.target}", "a target of stock or density, or no such key")
        for key in ("by", "compare", "products", "published", "change", "trend", "truth")
        if getattr(sound.account, key)
    ]


def _compared_periods_are_mapped(sound: _Sound) -> list[Fault]:
    """Another map is held against a map that is made."""
    if sound.maps is None or sound.account is None:
        return []
    periods = sound.maps.periods or ()
    single = [*periods, *([sound.maps.period] if sound.maps.period else [])]
    mean = [(periods[0][0], periods[-1][1])] if sound.maps.mean_of_periods and periods else []  # it has no limits to hold a truth against
    known = {"compare": [*single, *mean], "truth": single}
    faults = []
    for key, mapped in known.items():
        told = ", ".join(f"[{first}, {last}]" for first, last in mapped)
        expected = f"a period that is mapped ({told})" if mapped else "no such key, since the maps are of one time"
        given = [(place, other.period) for place, other in enumerate(getattr(sound.account, key)) if other.period is not None]
        faults += [Fault(("account", key, place, "period"), str(list(own)), expected) for place, own in given if own not in mapped]
    return faults


def _products_are_comparable(sound: _Sound) -> list[Fault]:
    """Other products are stocks, or what stocks are made of, and of a period that is mapped."""
    if sound.account is None or not sound.account.products or sound.model is None or sound.maps is None:
        return []
    units = [unit for quantity in QUANTITIES["soc_density"] for unit in units_of(quantity)]
    mapped = [*(sound.maps.periods or ()), *([sound.maps.period] if sound.maps.period else [])]
    told = ", ".join(f"[{first}, {last}]" for first, last in mapped)
    faults = []
    for place, product in enumerate(sound.account.products):
        at = ("account", "products", place)
        if product.unit not in units:
            faults.append(Fault((*at, "unit"), repr(product.unit), f"a unit of stock or density, one of {', '.join(units)}"))
        if product.period is not None and product.period not in mapped:
            expected = f"a period that is mapped ({told})" if mapped else "no such key, since the maps are of one time"
            faults.append(Fault((*at, "period"), str(list(product.period)), expected))
    return faults


def _change_is_between_periods(sound: _Sound) -> list[Fault]:
    """Change and trends need maps of several times."""
    if sound.account is None or sound.maps is None:
        return []
    periods = len(sound.maps.periods or ())
    needed = {"change": 2, "trend": 4}
    change = sound.account.change
    faults = []
    if change is not None and change.maps and "q50" not in sound.maps.stats:
        faults.append(Fault(("maps", "stats"), f"[{', '.join(sound.maps.stats)}] with maps of change", "q50 among them, or maps: false"))
    return faults + [
        Fault(("account", key), f"{key} with {periods} periods", f"maps.periods with {needed[key]} or more, or no such key")
        for key in needed
        if getattr(sound.account, key) is not None and periods < needed[key]
    ]


def _zones_are_there_to_leave_out(sound: _Sound) -> list[Fault]:
    """The design that leaves zones out needs them."""
    if sound.model is None or sound.model.zones is not None:
        return []
    used: list[tuple[tuple[str | int, ...], str]] = [
        (("model", "tune", "design"), sound.model.tune.design),
        (("model", "select", "design"), sound.model.select.design),
    ]
    if sound.evidence is not None:
        used += [(("evidence", "designs", place), name) for place, name in enumerate(sound.evidence.designs)]
    expected = "a class covariate as model.zones, or another design"
    return [Fault(loc, "'zone' without model.zones", expected) for loc, name in used if name == "zone"]


def _beta_is_of_one_layer(sound: _Sound) -> list[Fault]:
    """Beta tells how carbon of a whole column is shared out over depth."""
    if sound.model is None or sound.profiles is None or sound.model.target != "beta":
        return []
    layers = sound.profiles.layers
    if len(layers) == 1 and layers[0][0] == 0 and layers[0][1] > BETA_SHALLOW_CM:
        return []
    found = f"[{', '.join(map(layer_text, layers))}] with the target beta"
    return [Fault(("profiles", "layers"), found, f"one layer from 0 cm to below {BETA_SHALLOW_CM:g} cm, such as [0-100]")]


def _errors_of_means_need_bags(sound: _Sound) -> list[Fault]:
    """The standard error of the forest mean comes from trees that share their profiles."""
    if sound.maps is None or sound.model is None or "se" not in sound.maps.stats or sound.model.forest.little_bags >= 2:
        return []
    place = sound.maps.stats.index("se")
    return [Fault(("maps", "stats", place), "'se' without little bags", "model: {forest: {little_bags: 10}}, or another statistic")]


def _bedrock_ends_amounts(sound: _Sound) -> list[Fault]:
    """Beta has no thickness that the bedrock could take away."""
    if sound.maps is None or sound.model is None or sound.maps.bedrock is None or sound.model.target != "beta":
        return []
    return [Fault(("maps", "bedrock"), "bedrock beside the target beta", "a target of stock, density or content, or no such key")]


def _shares_are_of_zones(sound: _Sound) -> list[Fault]:
    """A share is of a zone that has a model."""
    if sound.maps is None or sound.model is None or not sound.maps.shares or sound.model.zones is not None:
        return []
    return [Fault(("maps", "shares"), "shares without model.zones", "a class covariate as model.zones, or no such key")]


def _shares_stand_once(sound: _Sound) -> list[Fault]:
    """Zones that share cells, and other classes that share cells, do not tell how they share them with each other."""
    if sound.maps is None or sound.account is None or not sound.maps.shares:
        return []
    return [
        Fault(("account", "by", place), f"shares of cells ({division.name!r}) beside maps.shares", "one of them")
        for place, division in enumerate(sound.account.by)
        if isinstance(division, ByShares)
    ]


def _zones_are_no_single_map(sound: _Sound) -> list[Fault]:
    """Where zones share cells each has a map of its own: there is none that another product could be held against."""
    if sound.maps is None or sound.account is None or not sound.maps.shares:
        return []
    keys = [key for key in ("compare", "products", "truth") if getattr(sound.account, key)]
    faults = [Fault(("account", key), f"{key} beside maps.shares, where each zone has maps of its own", "no such key") for key in keys]
    if sound.deliver is not None and sound.deliver.gsocmap is not None:
        faults.append(Fault(("deliver", "gsocmap"), "gsocmap beside maps.shares, where each zone has maps of its own", "no such key"))
    return faults


def _zones_have_one_time(sound: _Sound) -> list[Fault]:
    """Maps of single zones, and stocks made of beta, are of one time."""
    if sound.maps is None or not sound.maps.periods:
        return []
    keys = [key for key in ("shares", "subsoil") if getattr(sound.maps, key)]
    return [Fault(("maps", key), f"{key} beside maps of several periods", "maps.period, or no such key") for key in keys]


def _subsoil_follows_the_topsoil(sound: _Sound) -> list[Fault]:
    """Stocks from beta are of layers between the topsoil and the depth that beta was fitted over."""
    if sound.maps is None or sound.model is None or sound.maps.subsoil is None:
        return []
    told, at = sound.maps.subsoil, ("maps", "subsoil")
    if sound.model.target != "beta":
        return [Fault(at, f"subsoil beside the target {sound.model.target}", "the target beta, or no such key")]
    faults = []
    if "q50" not in sound.maps.stats:
        faults.append(Fault(("maps", "stats"), f"[{', '.join(sound.maps.stats)}] with subsoil", "q50 among them"))
    if told.topsoil.layer[0] != 0:
        faults.append(Fault((*at, "topsoil", "layer"), repr(layer_text(told.topsoil.layer)), "a layer from 0 cm down"))
    lowest = None if sound.profiles is None else sound.profiles.layers[-1][1]
    for place, layer in enumerate(told.layers):
        if layer[0] < told.topsoil.layer[1] or (lowest is not None and layer[1] > lowest):
            below = "" if lowest is None else f" and {lowest:g} cm, over which beta is fitted"
            expected = f"layers between {told.topsoil.layer[1]:g} cm, where the topsoil ends,{below}"
            faults.append(Fault((*at, "layers", place), repr(layer_text(layer)), expected.replace(",,", ",")))
    return faults


def _gsocmap_is_of_stocks_to_30_cm(sound: _Sound) -> list[Fault]:
    """The package has one layer, and one quantity."""
    if sound.deliver is None or sound.deliver.gsocmap is None:
        return []
    faults = []
    if sound.profiles is not None and GSOC_LAYER not in (*sound.profiles.layers, _whole(sound.profiles)):
        found = f"gsocmap beside layers [{', '.join(map(layer_text, sound.profiles.layers))}]"
        faults.append(Fault(("deliver", "gsocmap"), found, "0-30 among profiles.layers (layers: gsoc), or layers that make it up"))
    if sound.model is not None and sound.model.target in ("soc", "log_soc", "beta"):
        found = f"gsocmap beside the target {sound.model.target}"
        faults.append(Fault(("deliver", "gsocmap"), found, "a target of stock or density, or no such key"))
    period = sound.deliver.gsocmap.period
    mapped = () if sound.maps is None else sound.maps.periods or ()
    if sound.maps is not None and period is not None and period not in mapped:
        several = ", ".join(str(list(own)) for own in mapped)
        told = f"one of maps.periods ({several})" if mapped else "no such key, since the maps are of one time"
        faults.append(Fault(("deliver", "gsocmap", "period"), str(list(period)), told))
    return faults


def _shared_sources_are_there(sound: _Sound) -> list[Fault]:
    """Measurements are shared by the names of their sources."""
    if sound.deliver is None or sound.deliver.profiles is None or sound.profiles is None:
        return []
    names = [source.own_name for source in sound.profiles.sources]
    return [
        Fault(("deliver", "profiles", "share", place), repr(name), f"a source of profiles, one of {', '.join(names)}{meant(name, names)}")
        for place, name in enumerate(sound.deliver.profiles.share)
        if name not in names
    ]


GSOC_LAYER = (0.0, 30.0)
"""Layer of the Global Soil Organic Carbon Map, in cm."""

BETA_SHALLOW_CM = 20.0
"""Depth whose stock beta is fitted against that of the whole layer."""


_RULES: tuple[Callable[[_Sound], list[Fault]], ...] = (
    _layers_are_mapped,
    _units_fit_the_target,
    _something_is_left,
    _masks_and_divisions_are_classes,
    _interval_has_its_names,
    _accounts_are_of_stocks,
    _compared_periods_are_mapped,
    _products_are_comparable,
    _change_is_between_periods,
    _zones_are_there_to_leave_out,
    _beta_is_of_one_layer,
    _errors_of_means_need_bags,
    _bedrock_ends_amounts,
    _gsocmap_is_of_stocks_to_30_cm,
    _shared_sources_are_there,
    _shares_are_of_zones,
    _shares_stand_once,
    _zones_are_no_single_map,
    _zones_have_one_time,
    _subsoil_follows_the_topsoil,
)
