"""The model alone: its forests' arrays in ``forest.npz``, all else in ``model.json``, and ``card.md`` for people.

What :mod:`edaphic.model.artefact_check` does not find sound is refused with the reason. An altered or truncated file is no longer the one
whose SHA-256 stands in ``model.json``. Maps need a little more than the model (:mod:`edaphic.model.artefact_kit`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.files import write_text
from edaphic.model.artefact_card import card as card_of
from edaphic.model.artefact_check import (
    ARRAYS,
    correlation_fault,
    encoder,
    forest_fault,
    interval,
    listed,
    mapped,
    name,
    number,
    prior_fault,
    readable,
    same,
    settings,
    take,
    text,
    whole,
    years,
)
from edaphic.model.artefact_files import Spec, read_arrays, read_bytes, read_document, short, write_arrays, write_document
from edaphic.model.features import Encoder
from edaphic.model.forest import Forest, Settings
from edaphic.model.soil import TARGETS, Interval, SoilModel, Target
from edaphic.model.zones import AnyModel, ZonedModel

__all__ = ["DOCUMENT", "CovariateFacts", "digest_in", "load", "read_facts", "save"]

DOCUMENT, FOREST, CARD = "model.json", "forest.npz", "card.md"
_MATRICES = {"depth_correlation": Spec("<f8", 2), "se_prior": Spec("<f8", 2)}
_MOST = 2**31 - 1
_FORMS = ("3d", "layers")


@dataclass(frozen=True)
class CovariateFacts:
    """What a covariate of a model was when the model was made.

    ``kind``: continuous or class; ``unit``: empty where it was not told; ``classes``: names of codes; ``periods``: years of its rasters,
    empty for one that does not change; ``low``, ``high``: its range at the training profiles, None for classes.
    """

    kind: Literal["continuous", "class"]
    unit: str = ""
    classes: Mapping[int, str] = field(default_factory=dict)
    periods: tuple[tuple[int, int], ...] = ()
    low: float | None = None
    high: float | None = None


def save(
    model: AnyModel,
    folder: Path,
    provenance: Mapping[str, Any],
    card: Sequence[str] = (),
    covariates: Mapping[str, CovariateFacts] | None = None,
) -> None:
    """Write ``forest.npz``, ``model.json`` and ``card.md`` into an existing folder.

    Parameters
    ----------
    model : SoilModel or ZonedModel
    folder : Path
    provenance : mapping
        What else to keep with the model: versions, hashes, counts. Must be JSON.
    card : sequence of str
        Further lines of the model card.
    covariates : mapping of str to CovariateFacts, optional
        What is known of each covariate of the model.

    Raises
    ------
    ModelError
        Something in the model that could not be loaded again, such as a number that is not finite.
    """
    parts = _parts(model)
    arrays: dict[str, NDArray] = {}
    for label, part in parts.items():
        arrays |= {f"{label}_{key}": getattr(part, key) for key in _MATRICES}
        arrays |= {f"{label}_{i}_{key}": getattr(forest, key) for i, forest in enumerate(part.forests) for key in ARRAYS}
    document = {
        "name": model.name,
        "target": model.target.name,
        "unit": model.target.unit,
        "form": model.form,
        "layers_cm": [list(layer) for layer in model.layers],
        "whole_cm": None if model.whole is None else list(model.whole),
        "covariates": list(model.covariates),
        "of_covariates": {key: _facts_out(facts) for key, facts in (covariates or {}).items()},
        "settings": asdict(model.settings),
        "zone": model.zone if isinstance(model, ZonedModel) else None,
        "profiles_by_zone": [list(pair) for pair in model.counts] if isinstance(model, ZonedModel) else [],
        "parts": {
            label: {
                "encoder": part.encoder.to_dict(),
                "features": list(part.encoder.features),
                "seed": part.seed,
                "facts": dict(part.facts),
                "notes": [readable(note, 10_000) for note in part.notes],
                "bags": [forest.bag for forest in part.forests],
            }
            for label, part in parts.items()
        },
        "provenance": dict(provenance),
    }
    _understood(document, DOCUMENT)
    digest = write_arrays(folder / FOREST, arrays, _specs(parts, len(model.layers), model.form))
    text = write_text(folder / CARD, card_of(model, provenance, card)).read_bytes()
    write_document(folder / DOCUMENT, {**document, "files": {FOREST: digest, CARD: hashlib.sha256(text).hexdigest()}})


def load(folder: Path) -> AnyModel:
    """Read a model that :func:`save` wrote.

    Raises
    ------
    ModelError
        A file is missing, damaged, altered, or of another format; or what it says is no model.
    """
    document = read_document(folder / DOCUMENT)
    told = _understood(document, str(folder / DOCUMENT))
    digest = digest_in(document, folder / DOCUMENT)
    if CARD in document["files"]:  # earlier folders do not tell it
        read_bytes(folder / CARD, str(document["files"][CARD]))
    arrays = read_arrays(folder / FOREST, digest, _specs(told.parts, len(told.layers), told.form))
    models = {label: _part(told, label, part, arrays) for label, part in told.parts.items()}
    for label, part in models.items():
        fault = _fault(part)
        if fault:
            where = "" if label == "all" else f" of {label}"
            raise ModelError(f"{folder / FOREST}: {fault}{where}; expected a file written by Edaphic")
    if told.zone is None:
        return models["all"]
    zones = tuple((int(label.removeprefix("zone_")), part) for label, part in models.items() if label != "all")
    return ZonedModel(told.zone, zones, models["all"], told.counts)


def read_facts(folder: Path) -> tuple[Mapping[str, CovariateFacts], Mapping[str, Any], str]:
    """What ``model.json`` says beside the model: covariates in training, provenance, and the SHA-256 of the forests.

    Raises
    ------
    ModelError
        As :func:`load`.
    """
    document = read_document(folder / DOCUMENT)
    told = _understood(document, str(folder / DOCUMENT))
    return told.facts, document["provenance"], digest_in(document, folder / DOCUMENT)


def _parts(model: AnyModel) -> dict[str, SoilModel]:
    """The models in one, by label: ``all`` for that of all cells, ``zone_CODE`` for those of zones."""
    if isinstance(model, SoilModel):
        return {"all": model}
    return {"all": model.everywhere} | {f"zone_{code}": part for code, part in model.models}


def _specs(labels: Mapping[str, Any], layers: int, form: str) -> dict[str, Spec]:
    """Every array of ``forest.npz``."""
    forests = 1 if form == "3d" else layers
    specs: dict[str, Spec] = {}
    for label in labels:
        specs |= {f"{label}_{key}": spec for key, spec in _MATRICES.items()}
        specs |= {f"{label}_{i}_{key}": spec for i in range(forests) for key, spec in ARRAYS.items()}
    return specs


# The document ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    encoder: Encoder
    seed: int
    facts: Mapping[str, float]
    notes: tuple[str, ...]
    bags: tuple[int, ...]


@dataclass(frozen=True)
class _Told:
    """What ``model.json`` says, each value checked for its kind."""

    name: str
    target: Target
    form: str
    layers: tuple[Interval, ...]
    whole: Interval | None
    settings: Settings
    zone: str | None
    counts: tuple[tuple[int, int], ...]
    parts: Mapping[str, _Part]
    facts: Mapping[str, CovariateFacts]


def _understood(document: Mapping[str, Any], where: str) -> _Told:
    try:
        return _told(document)
    except ValueError as fault:
        raise ModelError(f"{where}: {fault} (not what Edaphic writes)") from fault


def _told(document: Mapping[str, Any]) -> _Told:
    target, form = text(take(document, "target"), "target"), text(take(document, "form"), "form")
    if target not in TARGETS or take(document, "unit") != TARGETS[target].unit:
        found = f"{short(target)} in {short(str(document.get('unit')))}"
        raise ValueError(f"target is {found}; expected one of {', '.join(TARGETS)} in its unit")
    if form not in _FORMS:
        raise ValueError(f"form is {short(form)}; expected {' or '.join(_FORMS)}")
    layers = listed(take(document, "layers_cm"), "layers_cm", interval)
    if not layers or len(set(layers)) < len(layers):
        raise ValueError("layers_cm: none, or one twice; expected the layers of the model")
    parts = mapped(take(document, "parts"), "parts", lambda value, at: _part_told(value, at, form, len(layers)))
    zone = None if take(document, "zone") is None else name(document["zone"], "zone")
    counts = listed(take(document, "profiles_by_zone"), "profiles_by_zone", _count)
    _check_zones(parts, zone, counts)
    own = parts["all"].encoder.covariates
    names = own if zone is None or zone in own else (*own, zone)
    same(listed(take(document, "covariates"), "covariates", name), names, "covariates")
    facts = mapped(take(document, "of_covariates"), "of_covariates", _facts_in)
    if facts:
        same(list(facts), names, "of_covariates: names")
    mapped(take(document, "provenance"), "provenance", lambda value, at: value)
    return _Told(
        name(take(document, "name"), "name"), TARGETS[target], form, layers, _whole(document, layers), settings(take(document, "settings")),
        zone, counts, parts, facts,
    )  # fmt: skip


def _whole(document: Mapping[str, Any], layers: Sequence[Interval]) -> Interval | None:
    if take(document, "whole_cm") is None:
        return None
    found = interval(document["whole_cm"], "whole_cm")
    joined = all(above[1] == below[0] for above, below in pairwise(layers))
    if len(layers) < 2 or not joined or found != (layers[0][0], layers[-1][1]):
        raise ValueError(f"whole_cm is {short(str(list(found)))}; expected the depth that the layers make together")
    return found


def _part_told(value: Any, where: str, form: str, layers: int) -> _Part:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {short(ascii(value))}; expected an object")
    own = encoder(take(value, "encoder"), depth=form == "3d")
    same(listed(take(value, "features"), "features", lambda entry, at: entry), own.features, f"{where}: features")
    bags = listed(take(value, "bags"), "bags", lambda entry, at: whole(entry, at, 0, _MOST))
    if len(bags) != (1 if form == "3d" else layers):
        raise ValueError(f"{where}: {len(bags)} forests; expected {1 if form == '3d' else layers}")
    facts = mapped(take(value, "facts"), f"{where}.facts", number)
    notes = listed(take(value, "notes"), f"{where}.notes", lambda entry, at: text(entry, at, most=10_000))
    return _Part(own, whole(take(value, "seed"), "seed", -(2**63), 2**64), facts, notes, bags)


def _count(value: Any, where: str) -> tuple[int, int]:
    pair = listed(value, where, lambda entry, at: whole(entry, at, -(2**53), 2**53))
    if len(pair) != 2 or pair[1] < 0:
        raise ValueError(f"{where} is {short(ascii(value))}; expected code and number of profiles")
    return pair[0], pair[1]


def _check_zones(parts: Mapping[str, _Part], zone: str | None, counts: Sequence[tuple[int, int]]) -> None:
    """Zones have labels with their codes, are counted, and are asked with the covariates of all."""
    if "all" not in parts:
        raise ValueError("parts: no model of all cells")
    codes = dict(counts)
    wanted = ["all", *(f"zone_{code}" for code in codes if f"zone_{code}" in parts)]
    if (zone is None and (counts or len(parts) > 1)) or len(codes) < len(counts) or sorted(parts) != sorted(wanted):
        raise ValueError("parts: zones that are not those of profiles_by_zone")
    for label, part in parts.items():
        same(part.encoder.covariates, parts["all"].encoder.covariates, f"parts.{label}: covariates")


def _facts_out(facts: CovariateFacts) -> dict[str, Any]:
    """As JSON has it. Names of classes come from other people's files: what no screen can show is left out."""
    return {
        "kind": facts.kind,
        "unit": readable(facts.unit),
        "classes": [[int(code), readable(title)] for code, title in sorted(facts.classes.items())],
        "periods": [list(period) for period in facts.periods],
        "range": None if facts.low is None or facts.high is None else [float(facts.low), float(facts.high)],
    }


def _facts_in(value: Any, where: str) -> CovariateFacts:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {short(ascii(value))}; expected an object")
    kind = take(value, "kind")
    if kind not in ("continuous", "class"):
        raise ValueError(f"{where}.kind is {short(ascii(kind))}; expected continuous or class")
    low, high = None, None
    if take(value, "range") is not None:
        ends = listed(value["range"], f"{where}.range", number)
        if len(ends) != 2 or ends[0] > ends[1]:
            raise ValueError(f"{where}.range is {short(ascii(value['range']))}; expected the smallest and the largest value")
        low, high = ends
    classes = dict(listed(take(value, "classes"), f"{where}.classes", _class))
    unit = text(take(value, "unit"), f"{where}.unit", empty=True)
    return CovariateFacts(kind, unit, classes, listed(take(value, "periods"), f"{where}.periods", years), low, high)


def _class(value: Any, where: str) -> tuple[int, str]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{where} holds {short(ascii(value))}; expected a code and its name")
    return whole(value[0], where, -(2**53), 2**53), text(value[1], where, empty=True)


def digest_in(document: Mapping[str, Any], path: Path) -> str:
    """SHA-256 of the forests that a document is about."""
    known = document.get("files")
    digest = known.get(FOREST) if isinstance(known, dict) else None
    if not isinstance(digest, str):
        raise ModelError(f"{path}: no SHA-256 of {FOREST}; expected a file written by Edaphic")
    return digest


# The arrays --------------------------------------------------------------------------------------------------------------


def _part(told: _Told, label: str, part: _Part, arrays: Mapping[str, NDArray]) -> SoilModel:
    return SoilModel(
        name=told.name,
        target=told.target,
        form=told.form,
        layers=told.layers,
        whole=told.whole,
        encoder=part.encoder,
        forests=tuple(
            Forest(**{key: arrays[f"{label}_{i}_{key}"] for key in ARRAYS}, log=told.target.log, bag=bag) for i, bag in enumerate(part.bags)
        ),
        settings=told.settings,
        seed=part.seed,
        facts=part.facts,
        depth_correlation=arrays[f"{label}_depth_correlation"],
        se_prior=arrays[f"{label}_se_prior"],
        notes=part.notes,
    )


def _fault(model: SoilModel) -> str:
    faults = [forest_fault(forest, len(model.encoder.features)) for forest in model.forests]
    faults.append(correlation_fault(model.depth_correlation, len(model.layers), needed=model.whole is not None))
    faults.append(prior_fault(model.se_prior, len(model.intervals), needed=any(forest.bag for forest in model.forests)))
    return next((fault for fault in faults if fault), "")
