"""What each stage of a run does: load, call the verbs of the rooms, save.

Each function gets a job, the folder to write into (laid out as the run folder will be), and one for what it has finished so far. It reads
what the stages before it made from the run folder. The recipe ends here: the rooms below get plain arguments.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from edaphic.recipe import Recipe
from edaphic.stages.account import stage_account, stage_report
from edaphic.stages.checking import check
from edaphic.stages.covering import stage_covariates
from edaphic.stages.evidence import stage_evidence
from edaphic.stages.job import PARTS, Job, grid_of, heeded, sources_of
from edaphic.stages.learning import stage_model
from edaphic.stages.making import stage_rasters
from edaphic.stages.maps import stage_maps
from edaphic.stages.montecarlo import stage_montecarlo
from edaphic.stages.soil import stage_profiles

STAGES: Mapping[str, Callable[[Job, Path, Path], None]] = MappingProxyType(
    {
        "profiles": stage_profiles,
        "rasters": stage_rasters,
        "covariates": stage_covariates,
        "model": stage_model,
        "evidence": stage_evidence,
        "maps": stage_maps,
        "account": stage_account,
        "report": stage_report,
    }
)
"""The stages in their order."""

ON_DEMAND: Mapping[str, Callable[[Job, Path, Path], None]] = MappingProxyType({"montecarlo": stage_montecarlo})
"""Stages that only some recipes ask for; they come after the maps."""


def _in_order(asked: Mapping[str, Callable[[Job, Path, Path], None]]) -> dict[str, Callable[[Job, Path, Path], None]]:
    """All stages that every run has, with others behind the maps."""
    names = list(STAGES)
    after = names.index("maps") + 1
    return {name: STAGES[name] for name in names[:after]} | dict(asked) | {name: STAGES[name] for name in names[after:]}


EVERY_STAGE = tuple(_in_order(ON_DEMAND))
"""Names of all stages in their order, of those on demand too."""


def stages_of(recipe: Recipe) -> dict[str, Callable[[Job, Path, Path], None]]:
    """The stages that a recipe asks for, in their order."""
    return _in_order({} if recipe.maps.monte_carlo is None else ON_DEMAND)


__all__ = ["EVERY_STAGE", "ON_DEMAND", "PARTS", "STAGES", "Job", "check", "grid_of", "heeded", "sources_of", "stages_of"]
