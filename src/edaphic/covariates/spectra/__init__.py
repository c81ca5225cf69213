"""Spectra: bands by role, reflectance, quality of cells, indices, composites over time."""

from edaphic.covariates.spectra.checking import check_composite
from edaphic.covariates.spectra.composing import BareSoil, Composing
from edaphic.covariates.spectra.composites import Composite, composite
from edaphic.covariates.spectra.finding import choose_indices, find_scenes, read_coefficients
from edaphic.covariates.spectra.indices import INDICES, PAPER, Index, index_of, indices_of
from edaphic.covariates.spectra.periods import Period, read_months, read_period
from edaphic.covariates.spectra.quality import DEFAULT_MASK, SCHEMES, flagged, saturated
from edaphic.covariates.spectra.reading import open_scene
from edaphic.covariates.spectra.reflectance import Coefficients, Scaling, scaled
from edaphic.covariates.spectra.scaling import Told
from edaphic.covariates.spectra.scene import Quality, Scene, SceneBand, files_of, scene_grid
from edaphic.covariates.spectra.scene_tables import scenes_of_table
from edaphic.covariates.spectra.scenes import Words, read_bands, scene_of_file, scenes_of_folder
from edaphic.covariates.spectra.single import make_indices, possible
from edaphic.covariates.spectra.statistics import Statistic, read_statistic, reduced

__all__ = [
    "DEFAULT_MASK",
    "INDICES",
    "PAPER",
    "SCHEMES",
    "BareSoil",
    "Coefficients",
    "Composing",
    "Composite",
    "Index",
    "Period",
    "Quality",
    "Scaling",
    "Scene",
    "SceneBand",
    "Statistic",
    "Told",
    "Words",
    "check_composite",
    "choose_indices",
    "composite",
    "files_of",
    "find_scenes",
    "flagged",
    "index_of",
    "indices_of",
    "make_indices",
    "open_scene",
    "possible",
    "read_bands",
    "read_coefficients",
    "read_months",
    "read_period",
    "read_statistic",
    "reduced",
    "saturated",
    "scaled",
    "scene_grid",
    "scene_of_file",
    "scenes_of_folder",
    "scenes_of_table",
]
