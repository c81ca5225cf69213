"""The recipe: one YAML file that says everything, read into frozen models, with all its faults reported at once."""

from edaphic.recipe.faults import Fault
from edaphic.recipe.inputs import CovariateLayer, Covariates, GridBounds, GridLike, GridRegion
from edaphic.recipe.load import dump, load, load_profiles, parse, profiles_from, report
from edaphic.recipe.paths import address, check_files, covariate_layers, input_paths, resolve, table_file
from edaphic.recipe.recipe import ProfileRecipe, Recipe, whole_layer
from edaphic.recipe.soil import (
    BulkDensitySource,
    Columns,
    Depth,
    DepthGrid,
    FragmentsSource,
    Pedotransfer,
    Profiles,
    ProfileSource,
)
from edaphic.recipe.templates import schema, template, template_names
from edaphic.recipe.values import Column, layer_text, read_layer
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
    "BulkDensitySource",
    "ByPolygons",
    "ByRaster",
    "Column",
    "Columns",
    "Comparison",
    "CovariateLayer",
    "Covariates",
    "Depth",
    "DepthGrid",
    "Evidence",
    "Fault",
    "Forest",
    "FragmentsSource",
    "GridBounds",
    "GridLike",
    "GridRegion",
    "Maps",
    "Model",
    "Pedotransfer",
    "ProfileRecipe",
    "ProfileSource",
    "Profiles",
    "Recipe",
    "Report",
    "Screen",
    "Truth",
    "Tune",
    "address",
    "check_files",
    "covariate_layers",
    "dump",
    "input_paths",
    "layer_text",
    "load",
    "load_profiles",
    "parse",
    "profiles_from",
    "read_layer",
    "report",
    "resolve",
    "schema",
    "table_file",
    "template",
    "template_names",
    "whole_layer",
]
