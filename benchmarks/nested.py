"""Nested validation against one training: three designs of five folds, all choices made anew in each fold.

The main job is the recipe of the demo on 400 profiles of a virtual landscape, with the default settings of model and evidence: screens,
tuning of six settings, 500 trees; by profile, spatial block and kNNDM. One training is selection, tuning and fit (``learn``), timed in the
same process just before. Nested validation is what has to be done for each fold and with what comes of it: folds, fifteen trainings,
predictions with 41 quantiles, calibration, scores with their bootstrap intervals. The stage of evidence does more: choices made once and
simple models for comparison, importance, variograms, the area of applicability; its ratio stands beside.

Three recipes: without a search for covariates, with forward selection, and with all subsets of the six best. The limit is fifteen
trainings for nested validation. Processor time is the firmer figure where cores are shared.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from common import CORES, arguments, folder_or_temporary, markdown, save

from edaphic import recipe, run, stages, virtual
from edaphic.stages import evidence, folding, holding, learning

LIMIT = 15
PROFILES, SEED = 400, 5
SEARCHES: dict[str, dict[str, Any]] = {
    "no search": {},
    "forward selection": {"select": {"method": "forward"}},
    "all subsets of six": {"select": {"method": "exhaustive", "best": 6}},
}
PARTS: tuple[tuple[str, Any, str], ...] = (
    ("making the folds", folding.Folding, "check"),
    ("trainings in the folds", holding, "learn"),
    ("predictions of held-back rows", holding, "predict_rows"),
    ("importance by shuffling", holding, "permutation_importance"),
    ("choices made once", holding.Holding, "naive"),
    ("simple models", holding.Holding, "baselines"),
    ("variograms", evidence, "_residual_structure"),
    ("area of applicability", evidence, "applicability_of"),
    ("calibration", evidence, "_calibrated"),
    ("scores and their intervals", evidence, "_write_scores"),
    ("comparisons and theirs", evidence, "_write_comparisons"),
)
"""Parts of the stage; ``comparisons`` holds choices made once and simple models, and predictions are among those too."""


NESTED = (
    "making the folds", "trainings in the folds", "predictions of held-back rows", "calibration", "scores and their intervals"
)  # fmt: skip
"""Parts that are nested validation; those of the stage that are not serve comparison and description."""


class Clock:
    """Seconds, wall and processor, by the name of what took them."""

    def __init__(self) -> None:
        self.rows: dict[str, list[float]] = {}

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            wall, used = time.perf_counter(), time.process_time()
            try:
                return work(*given, **named)
            finally:
                row = self.rows.setdefault(name, [0.0, 0.0, 0.0])
                for i, seconds in enumerate((time.perf_counter() - wall, time.process_time() - used, 1.0)):
                    row[i] += seconds

        return call

    def table(self) -> pd.DataFrame:
        """One row for each part."""
        table = pd.DataFrame.from_dict(self.rows, orient="index", columns=["seconds", "processor_s", "times"])
        return table.rename_axis("what").reset_index()


@contextmanager
def watching(clock: Clock) -> Iterator[None]:
    """The parts of training and evidence tell the clock."""
    watched = [("one training", learning, "learn"), ("the evidence", evidence, "stage_evidence"), *PARTS]
    before = [(place, name, getattr(place, name)) for _, place, name in watched]
    for (label, place, name), (_, _, work) in zip(watched, before, strict=True):
        setattr(place, name, clock.timed(label, work))
    bodies = stages.STAGES
    stages.STAGES = {**bodies, "evidence": evidence.stage_evidence}
    try:
        yield
    finally:
        stages.STAGES = bodies
        for place, name, work in before:
            setattr(place, name, work)


def landscape(folder: Path, profiles: int) -> None:
    """Raw files of the main job."""
    land = virtual.landscape(SEED)
    sites, horizons = virtual.sample(land, SEED, profiles=profiles)
    virtual.write(land, sites, horizons, folder)


def job(folder: Path, name: str, model: dict[str, Any]) -> Path:
    """The recipe of the demo with the defaults of model and evidence."""
    told = yaml.safe_load(recipe.template("demo"))
    told["model"] = {"target": told["model"]["target"], **model}
    told["evidence"] = {"designs": ["profile", "block", "knndm"], "folds": 5}
    path = folder / f"{name.replace(' ', '_')}.yaml"
    path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    return path


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """How many trainings the evidence took, for each search."""
    rows = []
    for search, part in found.groupby("search", sort=False):
        of = part.set_index("what")
        one, all_of_it = of.loc["one training"], of.loc["the evidence"]
        kinds = ("seconds", "processor_s")
        nested = {kind: float(of.loc[list(NESTED), kind].sum()) for kind in kinds}
        ratio = {kind: nested[kind] / one[kind] for kind in kinds}
        rows.append(
            {
                "search": search,
                "one training, s": one["seconds"],
                "nested validation, s": nested["seconds"],
                "ratio": ratio["seconds"],
                "one training, processor s": one["processor_s"],
                "nested validation, processor s": nested["processor_s"],
                "ratio of processor time": ratio["processor_s"],
                "whole stage over one training, processor time": all_of_it["processor_s"] / one["processor_s"],
                "kept": "yes" if ratio["processor_s"] <= LIMIT else "NO",
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Run the job with each search and write the table."""
    parser = arguments(__doc__)
    parser.add_argument("--profiles", type=int, default=PROFILES)
    parser.add_argument("--only", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    asked = parser.parse_args()
    parts = []
    with folder_or_temporary(None) as folder:
        landscape(folder, asked.profiles)
        # Compiled code is loaded before anything is timed.
        warm = job(folder, "warm", {"forest": {"trees": 5}, "select": {"method": "forward", "trees": 2}})
        run.run(warm, folder / "warm", until="evidence", workers=asked.workers)
        for name in asked.only:
            clock = Clock()
            with watching(clock):
                run.run(job(folder, name, SEARCHES[name]), folder / name.replace(" ", "_"), until="evidence", workers=asked.workers)
            parts.append(clock.table().assign(search=name))
            print(parts[-1].to_string(), flush=True)
    found = pd.concat(parts, ignore_index=True)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    text = "\n\n".join(
        (
            "## Nested validation against one training",
            f"The recipe of the demo on {asked.profiles} profiles, default model and evidence, {asked.workers} threads; {CORES} shared "
            f"cores, load averages at the end {load}. Three designs of five folds; the limit is {LIMIT} trainings.",
            markdown(summary(found), 2),
            "Forward selection stops at another number of covariates in each fold, so a training there may be more work than the one it is "
            "held against.",
            "Parts of the evidence (comparisons hold choices made once and simple models; predictions are among the others too):",
            markdown(found[["search", "what", "times", "seconds", "processor_s"]], 2),
        )
    )
    save(asked.results, "nested", text, {"nested": found})


if __name__ == "__main__":
    main()
