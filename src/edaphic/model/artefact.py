"""Save and load a model without executing code: arrays in npz, the rest in JSON.

Nothing is pickled. A model file from a stranger can be wrong, but it cannot run anything.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from edaphic.errors import ModelError
from edaphic.model.features import Encoder
from edaphic.model.fit import TARGETS, SoilModel, Target, interval_name
from edaphic.model.forest import Forest, Settings
from edaphic.model.zones import AnyModel, ZonedModel, base_of

FORMAT = 2
_ARRAYS = tuple(f.name for f in fields(Forest) if f.name not in ("log", "bag"))


def save(model: AnyModel, folder: Path, provenance: Mapping[str, Any], card: Sequence[str] = ()) -> None:
    """Write ``forest.npz``, ``model.json`` and ``card.md`` into an existing folder.

    Parameters
    ----------
    model : SoilModel or ZonedModel
    folder : Path
    provenance : mapping
        What else to keep with the model: versions, hashes, counts. Must be JSON.
    card : sequence of str
        Further lines of the model card.
    """
    parts = _parts(model)
    arrays = {
        f"{label}_{i}_{name}": getattr(forest, name)
        for label, part in parts.items()
        for i, forest in enumerate(part.forests)
        for name in _ARRAYS
    }
    np.savez(folder / "forest.npz", allow_pickle=False, **arrays)
    document = {
        "format": FORMAT,
        "name": model.name,
        "target": model.target.name,
        "unit": model.target.unit,
        "form": model.form,
        "layers_cm": model.layers,
        "whole_cm": model.whole,
        "covariates": model.covariates,
        "settings": asdict(model.settings),
        "zone": model.zone if isinstance(model, ZonedModel) else None,
        "profiles_by_zone": dict(model.counts) if isinstance(model, ZonedModel) else None,
        "parts": {
            label: {
                "encoder": part.encoder.to_dict(),
                "features": part.encoder.features,
                "seed": part.seed,
                "facts": dict(part.facts),
                "forests": len(part.forests),
            }
            for label, part in parts.items()
        },
        "provenance": dict(provenance),
    }
    (folder / "model.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (folder / "card.md").write_text(_card(model, provenance, card), encoding="utf-8")


def _parts(model: AnyModel) -> dict[str, SoilModel]:
    """The models in one, by label: ``all`` for that of all cells, ``zone_CODE`` for those of zones."""
    if isinstance(model, SoilModel):
        return {"all": model}
    return {"all": model.everywhere} | {f"zone_{code}": part for code, part in model.models}


def load(folder: Path) -> AnyModel:
    """Read a model that :func:`save` wrote.

    Raises
    ------
    ModelError
        A file is missing, damaged, or of another format.
    """
    try:
        document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ModelError(f"{folder / 'model.json'}: format {document['format']}; expected {FORMAT}")
        target = TARGETS[document["target"]]
        with np.load(folder / "forest.npz", allow_pickle=False) as arrays:
            models = {label: _part(document, label, part, target, arrays) for label, part in document["parts"].items()}
        model: AnyModel = models["all"]
        if document["zone"] is not None:
            model = ZonedModel(
                document["zone"],
                tuple((int(label.removeprefix("zone_")), part) for label, part in models.items() if label != "all"),
                models["all"],
                tuple((int(code), int(n)) for code, n in document["profiles_by_zone"].items()),
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as fault:
        raise ModelError(f"{folder}: not a readable model ({fault}); expected model.json and forest.npz") from fault
    for part in models.values():
        for forest in part.forests:
            _check(forest, folder, len(part.encoder.features))
    return model


def _part(document: Any, label: str, part: Any, target: Target, arrays: Mapping[str, Any]) -> SoilModel:
    return SoilModel(
        name=document["name"],
        target=target,
        form=document["form"],
        layers=tuple((top, bottom) for top, bottom in document["layers_cm"]),
        whole=tuple(document["whole_cm"]) if document["whole_cm"] else None,
        encoder=Encoder.from_dict(part["encoder"]),
        forests=tuple(
            Forest(**{name: arrays[f"{label}_{i}_{name}"] for name in _ARRAYS}, log=target.log)
            for i in range(part["forests"])
        ),
        settings=Settings(**document["settings"]),
        seed=part["seed"],
        facts=part["facts"],
    )


def _check(forest: Forest, folder: Path, features: int) -> None:
    """Indices from a file are used without bounds in compiled code: refuse any that lead outside."""
    arrays = {name: np.asarray(getattr(forest, name)) for name in _ARRAYS}
    whole = ("feature", "left", "right", "roots", "leaf_start", "member_rank")
    odd = [name for name, array in arrays.items() if array.ndim != 1 or array.dtype.kind not in ("iu" if name in whole else "fiu")]
    if odd:
        raise ModelError(f"{folder / 'forest.npz'}: {', '.join(odd)}: odd shape or type; expected a file written by Edaphic")
    nodes, leaves, members = len(forest.feature), len(forest.leaf_mean), len(forest.member_rank)
    inner = forest.feature >= 0
    own = np.arange(nodes)[inner]
    sound = (
        all(len(a) == nodes for a in (forest.threshold, forest.left, forest.right))
        and len(forest.leaf_mean_fit) == leaves
        and len(forest.member_share) == members
        and len(forest.leaf_start) == leaves + 1
        and len(forest.roots) > 0
        and forest.leaf_start[0] == 0
        and forest.leaf_start[-1] == members
        and bool(np.all(np.diff(forest.leaf_start) > 0))
        and bool(np.all((forest.roots >= 0) & (forest.roots < nodes)))
        and bool(np.all(forest.feature < features))
        and bool(np.all((forest.left[~inner] >= 0) & (forest.left[~inner] < leaves)))
        # Children stand after their parent, so no walk down a tree can go round in a circle.
        and bool(np.all((forest.left[inner] > own) & (forest.left[inner] < nodes)))
        and bool(np.all((forest.right[inner] > own) & (forest.right[inner] < nodes)))
        and bool(np.all((forest.member_rank >= 0) & (forest.member_rank < len(forest.values))))
    )
    if not sound:
        raise ModelError(f"{folder / 'forest.npz'}: indices that lead outside the forest; expected a file written by Edaphic")


def _card(model: AnyModel, provenance: Mapping[str, Any], more: Sequence[str]) -> str:
    def listed(names: Sequence[str]) -> str:
        return ", ".join(f"`{name}`" for name in names)

    base = base_of(model)
    settings = model.settings
    depth = ", ".join(interval_name(layer) for layer in model.layers)
    lines = [
        f"# Model card: {model.name}",
        "",
        f"- Target: `{model.target.name}`, answered in {model.target.unit}.",
        f"- Layers (cm): {depth}" + (f"; whole depth {interval_name(model.whole)}." if model.whole else "."),
        f"- Form: {'one forest with depth as predictor' if model.form == '3d' else 'one forest for each layer'}.",
        *_zone_lines(model),
        f"- Trees: {settings.trees}, grown by {settings.engine}; share of features tried at a split: {settings.max_features:.3g}; fewest "
        f"rows in a leaf: {settings.min_samples_leaf}; depth: {settings.max_depth or 'no limit'}; split: {settings.split}; seed "
        f"{model.seed}.",
        f"- Training rows: {', '.join(str(len(forest.values)) for forest in base.forests)}; raised from zero before the "
        f"logarithm: {model.facts.get('raised', 0):g}.",
        f"- Covariates ({len(model.covariates)}): {listed(model.covariates)}.",
        "- Intervals: quantiles of the conditional distribution, adjusted so that they cover what they promise; see the evidence.",
        "- Limits: answers only where every covariate has a value, for the layers above, and not beyond the conditions of the training "
        "profiles: see the area of applicability.",
        *(f"- {line}" for line in more),
        "",
        *(f"- {key}: {value}" for key, value in provenance.items()),
    ]
    return "\n".join(lines) + "\n"


def _zone_lines(model: AnyModel) -> list[str]:
    if isinstance(model, SoilModel):
        return []
    counts = dict(model.counts)
    own = ", ".join(f"{code} ({counts[code]} profiles)" for code, _ in model.models) or "none"
    rest = [code for code in counts if code not in dict(model.models)]
    also = f"; too few profiles for one of their own: {', '.join(f'{code} ({counts[code]})' for code in rest)}" if rest else ""
    return [f"- Zones of `{model.zone}` with a model of their own: {own}{also}. All other cells take the model of all."]
