"""The card of a stored model: what it is and what it may be used for, in a few lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edaphic.model.soil import SoilModel, interval_name
from edaphic.model.zones import AnyModel, base_of


def card(model: AnyModel, provenance: Mapping[str, Any], more: Sequence[str]) -> str:
    """The card, in Markdown."""

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
        *([f"- Little bags of {bag} trees: maps may show the standard error of the mean."] if (bag := base.forests[0].bag) else []),
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
