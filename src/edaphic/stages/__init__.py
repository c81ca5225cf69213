"""What each stage of a run does: load, call the verbs of the rooms, save.

Each function gets a job, the folder to write into (laid out as the run folder will be), and one for what it has finished so far. It reads
what the stages before it made from the run folder. The recipe ends here: the rooms below get plain arguments.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from edaphic.stages.account import stage_account, stage_report
from edaphic.stages.covering import stage_covariates
from edaphic.stages.evidence import stage_evidence
from edaphic.stages.job import PARTS, Job, grid_of, heeded, sources_of
from edaphic.stages.learning import stage_model
from edaphic.stages.making import check_makings, stage_rasters
from edaphic.stages.maps import stage_maps
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

__all__ = ["PARTS", "STAGES", "Job", "check_makings", "grid_of", "heeded", "sources_of"]
