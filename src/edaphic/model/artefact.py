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
from edaphic.model.fit import TARGETS, SoilModel, interval_name
from edaphic.model.forest import Forest, Settings

FORMAT = 1
_ARRAYS = tuple(f.name for f in fields(Forest) if f.name != "log")


def save(model: SoilModel, folder: Path, provenance: Mapping[str, Any]) -> None:
    """Write ``forest.npz``, ``model.json`` and ``card.md`` into an existing folder.

    Parameters
    ----------
    model : SoilModel
    folder : Path
    provenance : mapping
        What else to keep with the model: versions, hashes, counts. Must be JSON.
    """
    arrays = {f"{i}_{name}": getattr(forest, name) for i, forest in enumerate(model.forests) for name in _ARRAYS}
    np.savez(folder / "forest.npz", allow_pickle=False, **arrays)
    document = {
        "format": FORMAT,
        "name": model.name,
        "target": model.target.name,
        "unit": model.target.unit,
        "form": model.form,
        "layers_cm": model.layers,
        "whole_cm": model.whole,
        "covariates": model.encoder.covariates,
        "classes": dict(model.encoder.classes),
        "features": model.encoder.features,
        "settings": asdict(model.settings),
        "seed": model.seed,
        "facts": dict(model.facts),
        "forests": len(model.forests),
        "provenance": dict(provenance),
    }
    (folder / "model.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (folder / "card.md").write_text(_card(model, provenance), encoding="utf-8")


def load(folder: Path) -> SoilModel:
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
            forests = tuple(
                Forest(**{name: arrays[f"{i}_{name}"] for name in _ARRAYS}, log=target.log)
                for i in range(document["forests"])
            )
        model = SoilModel(
            name=document["name"],
            target=target,
            form=document["form"],
            layers=tuple((top, bottom) for top, bottom in document["layers_cm"]),
            whole=tuple(document["whole_cm"]) if document["whole_cm"] else None,
            encoder=Encoder(
                tuple(document["covariates"]),
                tuple((name, tuple(codes)) for name, codes in document["classes"].items()),
                document["form"] == "3d",
            ),
            forests=forests,
            settings=Settings(**document["settings"]),
            seed=document["seed"],
            facts=document["facts"],
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as fault:
        raise ModelError(f"{folder}: not a readable model ({fault}); expected model.json and forest.npz") from fault
    for forest in model.forests:
        _check(forest, folder, len(model.encoder.features))
    return model


def _check(forest: Forest, folder: Path, features: int) -> None:
    """Indices from a file are used without bounds in compiled code: refuse any that lead outside."""
    nodes, leaves, members = len(forest.feature), len(forest.leaf_mean), len(forest.member_rank)
    inner = forest.feature >= 0
    own = np.arange(nodes)[inner]
    sound = (
        all(len(a) == nodes for a in (forest.threshold, forest.left, forest.right))
        and len(forest.leaf_mean_fit) == leaves
        and len(forest.member_share) == members
        and len(forest.leaf_start) == leaves + 1
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


def _card(model: SoilModel, provenance: Mapping[str, Any]) -> str:
    def listed(names: Sequence[str]) -> str:
        return ", ".join(f"`{name}`" for name in names)

    depth = ", ".join(interval_name(layer) for layer in model.layers)
    lines = [
        f"# Model card: {model.name}",
        "",
        f"- Target: `{model.target.name}`, answered in {model.target.unit}.",
        f"- Layers (cm): {depth}" + (f"; whole depth {interval_name(model.whole)}." if model.whole else "."),
        f"- Form: {'one forest with depth as predictor' if model.form == '3d' else 'one forest for each layer'}.",
        f"- Trees: {model.settings.trees}; share of features tried at a split: {model.settings.max_features:.3g}; fewest rows in "
        f"a leaf: {model.settings.min_samples_leaf}; seed {model.seed}.",
        f"- Training rows: {', '.join(str(len(forest.values)) for forest in model.forests)}; raised from zero before the "
        f"logarithm: {model.facts.get('raised', 0):g}.",
        f"- Covariates ({len(model.encoder.covariates)}): {listed(model.encoder.covariates)}.",
        "- Intervals: quantiles of the conditional distribution, adjusted so that they cover what they promise; see the evidence.",
        "- Limits: answers only where every covariate has a value, for the layers above, and not beyond the conditions of the training "
        "profiles.",
        "",
        *(f"- {key}: {value}" for key, value in provenance.items()),
    ]
    return "\n".join(lines) + "\n"
