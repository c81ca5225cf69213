"""The model card with the evidence: what the model is, how good it is, where it may be used, and what it does not know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from edaphic.stages.job import Job


def write_card(job: Job, folder: Path, facts: Mapping[str, Any]) -> None:
    """``card.md``: the card of the model, then its evidence.

    Parameters
    ----------
    job : Job
    folder : Path
        Holds ``metrics.csv`` and ``calibration.csv`` of this evidence already.
    facts : mapping
        What ``designs.json`` holds.
    """
    card = (job.out / "model" / job.recipe.model.name / "card.md").read_text(encoding="utf-8")
    metrics, coverage = pd.read_csv(folder / "metrics.csv"), pd.read_csv(folder / "calibration.csv")
    lines = [
        card.rstrip(),
        "",
        "## Evidence",
        "",
        f"- Headline: {facts['headline']} ({facts['headline_reason']}).",
        f"- Profiles: {facts['profiles']} at {facts['places']} places; {facts['folds']} folds; covariates, classes and settings are chosen "
        "anew in each fold.",
        f"- Area of applicability: {facts['applicability']['share_inside']:.0%} of the map lies inside.",
        f"- Intervals of {job.recipe.evidence.interval:.0%}, adjusted by the folds of {facts['calibrated_by']}.",
        "",
        "| design | layer | MEC | 95 % interval | RMSE | bias | coverage |",
        "|---|---|---|---|---|---|---|",
        *_rows(metrics, coverage),
        "",
        *_by_design(folder),
        "In-sample scores are no evidence; they are in `metrics.csv`. Spatial blocks are a test of transfer, not the accuracy of the map.",
        *[f"- Note on {name}: {note}" for name, notes in facts["notes"].items() for note in notes],
        *[f"- Independent profiles: {note}" for note in facts["independent"]],
    ]
    (folder / "card.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _by_design(folder: Path) -> list[str]:
    """Estimates that rest on the draw of the validation sites, where there are any."""
    path = folder / "by_design.csv"
    if not path.is_file():
        return []
    found = pd.read_csv(path)
    found = found[found["statistic"].isin(["mec", "rmse", "me"])]
    return [
        "Estimated from sites drawn at random:",
        "",
        "| set | layer | what | estimate | 95 % interval | sites |",
        "|---|---|---|---|---|---|",
        *[
            f"| {row.set} | {row.top_cm:g}-{row.bottom_cm:g} cm | {row.statistic} | {row.estimate:.3g} | {row.low:.3g} to {row.high:.3g} "
            f"| {row.sites} of {row.sites_drawn} |"
            for row in found.itertuples()
        ],
        "",
    ]


def _rows(metrics: pd.DataFrame, coverage: pd.DataFrame) -> list[str]:
    """Scores on the natural scale by design and layer, with the coverage of the adjusted intervals."""
    known = coverage.set_index(["design", "group"])["coverage"]
    shown = metrics[(metrics["scale"] == "natural") & (metrics["design"] != "in_sample")]
    return [
        f"| {row.design} | {row.layer} | {row.mec:.2f} | {row.mec_low:.2f} to {row.mec_high:.2f} | {row.rmse:.3g} {row.unit} "
        f"| {row.bias:.2g} | {known.get((row.design, row.layer), float('nan')):.1%} |"
        for row in shown.itertuples()
    ]
