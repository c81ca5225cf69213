"""What each stage of a run does: load, call the verbs of the rooms, save.

Each function gets a job, the folder to write into (laid out as the run folder will be), and one for what it has finished so far. It reads
what the stages before it made from the run folder. The recipe ends here: the rooms below get plain arguments.
"""

from collections.abc import Callable, Container, Mapping
from pathlib import Path
from types import MappingProxyType

from edaphic.recipe import Recipe
from edaphic.stages import totals
from edaphic.stages.account import stage_account, stage_report
from edaphic.stages.checking import check
from edaphic.stages.covering import stage_covariates
from edaphic.stages.delivering import stage_deliver
from edaphic.stages.drivers import stage_drivers
from edaphic.stages.evidence import stage_evidence
from edaphic.stages.job import PARTS, Job, grid_of, heeded, sources_of
from edaphic.stages.learning import stage_model
from edaphic.stages.making import stage_rasters
from edaphic.stages.maps import stage_maps
from edaphic.stages.montecarlo import stage_montecarlo
from edaphic.stages.soil import stage_profiles
from edaphic.stages.totals import stage_totals

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

ON_DEMAND: Mapping[str, Callable[[Job, Path, Path], None]] = MappingProxyType(
    {"montecarlo": stage_montecarlo, "totals": stage_totals, "drivers": stage_drivers, "deliver": stage_deliver}
)
"""Stages that only some recipes ask for."""

BEHIND: Mapping[str, str] = MappingProxyType({"montecarlo": "maps", "totals": "maps", "drivers": "account", "deliver": "account"})
"""The stage that each of them comes after."""


def _in_order(asked: Container[str]) -> dict[str, Callable[[Job, Path, Path], None]]:
    """All stages that every run has, with those that are asked for in their places."""
    found: dict[str, Callable[[Job, Path, Path], None]] = {}
    for name, stage in STAGES.items():
        found[name] = stage
        found |= {own: ON_DEMAND[own] for own, before in BEHIND.items() if before == name and own in asked}
    return found


EVERY_STAGE = tuple(_in_order(ON_DEMAND))
"""Names of all stages in their order, of those on demand too."""


def stages_of(recipe: Recipe) -> dict[str, Callable[[Job, Path, Path], None]]:
    """The stages that a recipe asks for, in their order."""
    wanted = {
        "montecarlo": recipe.maps.monte_carlo is not None,
        "totals": totals.wanted(recipe),
        "drivers": recipe.drivers.asked,
        "deliver": recipe.deliver.asked,
    }
    return _in_order([name for name, is_asked in wanted.items() if is_asked])


__all__ = ["EVERY_STAGE", "ON_DEMAND", "PARTS", "STAGES", "Job", "check", "grid_of", "heeded", "sources_of", "stages_of"]
