"""The recipe: one YAML file that says everything, read into frozen models, with all its faults reported at once."""

from edaphic.recipe.faults import Fault
from edaphic.recipe.inputs import (
    Columns,
    CovariateLayer,
    Covariates,
    Depth,
    GridBounds,
    GridLike,
    GridRegion,
    Pedotransfer,
    Profiles,
    ProfileSource,
)
from edaphic.recipe.load import dump, load, parse, report
from edaphic.recipe.paths import check_files, covariate_layers, input_paths, resolve
from edaphic.recipe.recipe import Recipe, whole_layer
from edaphic.recipe.templates import schema, template, template_names
from edaphic.recipe.values import Column, layer_text
from edaphic.recipe.work import (
    Account,
    ByPolygons,
    ByRaster,
    Comparison,
    Evidence,
    Forest,
    Maps,
    Model,
    Report,
    Screen,
    Truth,
    Tune,
)

__all__ = [
    "Account",
    "ByPolygons",
    "ByRaster",
    "Column",
    "Columns",
    "Comparison",
    "CovariateLayer",
    "Covariates",
    "Depth",
    "Evidence",
    "Fault",
    "Forest",
    "GridBounds",
    "GridLike",
    "GridRegion",
    "Maps",
    "Model",
    "Pedotransfer",
    "ProfileSource",
    "Profiles",
    "Recipe",
    "Report",
    "Screen",
    "Truth",
    "Tune",
    "check_files",
    "covariate_layers",
    "dump",
    "input_paths",
    "layer_text",
    "load",
    "parse",
    "report",
    "resolve",
    "schema",
    "template",
    "template_names",
    "whole_layer",
]
