"""Edaphic: maps of soil organic carbon through depth, with uncertainty that was checked.

The public verbs, in the order of the work. Each takes plain arguments; only those that end in ``recipe`` know recipes.
"""

__version__ = "0.1.0"

from edaphic.account import against_truth, compare_maps, stock_table
from edaphic.covariates import Source, Stack, build, cell_area_m2, grid_from_bounds, grid_from_region, grid_like
from edaphic.errors import EdaphicError
from edaphic.model.artefact import load as load_model
from edaphic.model.artefact import save as save_model
from edaphic.profiles import (
    clean,
    fill,
    layer_table,
    read_source,
    read_table,
    soc_stock_kg_m2,
)
from edaphic.report import build_report
from edaphic.run import check as check_recipe
from edaphic.run import run as run_recipe
from edaphic.validate.designs import BlockFolds, ProfileFolds
from edaphic.validate.metrics import scores

__all__ = [
    "BlockFolds",
    "EdaphicError",
    "ProfileFolds",
    "Source",
    "Stack",
    "__version__",
    "against_truth",
    "build",
    "build_report",
    "cell_area_m2",
    "check_recipe",
    "clean",
    "compare_maps",
    "fill",
    "grid_from_bounds",
    "grid_from_region",
    "grid_like",
    "layer_table",
    "load_model",
    "read_source",
    "read_table",
    "run_recipe",
    "save_model",
    "scores",
    "soc_stock_kg_m2",
    "stock_table",
]
