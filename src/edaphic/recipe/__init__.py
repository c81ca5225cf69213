"""The recipe: one YAML file that says everything, read into frozen models, with all its faults reported at once."""

from edaphic.recipe.accounting import ByShares, Change, OtherProduct, Totals, Trend
from edaphic.recipe.covered import MadeCovariate, covariate_layers, covariate_places, made_covariates, made_layers
from edaphic.recipe.deliver import Deliver, Ecosystems, GsocMap, Measurements, Naming
from edaphic.recipe.drivers import Curves, Drivers, Effects, Groups, Importance
from edaphic.recipe.evidence import Evidence, Independent, Product
from edaphic.recipe.faults import Fault, Loc
from edaphic.recipe.grid import GridBounds, GridLike, GridRegion
from edaphic.recipe.inputs import CovariateLayer, Covariates, is_elsewhere
from edaphic.recipe.load import dump, load, load_profiles, load_sound, parse, profiles_from, report, with_lines
from edaphic.recipe.makings import Climate, ClimateZones, DepthMeans, Indices, Terrain
from edaphic.recipe.model import Forest, Model, Screen, Select, Tune
from edaphic.recipe.monte_carlo import MonteCarlo
from edaphic.recipe.path_model import Paths
from edaphic.recipe.paths import check_files, named_by, named_files, named_for_account, named_for_maps, named_to_make
from edaphic.recipe.presets import DEPTHS
from edaphic.recipe.recipe import BETA_SHALLOW_CM, ProfileRecipe, Recipe, whole_layer
from edaphic.recipe.shares import Subsoil, Topsoil, ZoneShare
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
from edaphic.recipe.stats import expected_stat
from edaphic.recipe.templates import schema, template, template_names
from edaphic.recipe.values import Column, layer_text, read_layer
from edaphic.recipe.where import address, resolve, table_file
from edaphic.recipe.work import Account, Bedrock, ByPolygons, ByRaster, Comparison, MapMask, Maps, Report, Truth

__all__ = [
    "BETA_SHALLOW_CM",
    "DEPTHS",
    "Account",
    "Bedrock",
    "BulkDensitySource",
    "ByPolygons",
    "ByRaster",
    "ByShares",
    "Change",
    "Climate",
    "ClimateZones",
    "Column",
    "Columns",
    "Comparison",
    "CovariateLayer",
    "Covariates",
    "Curves",
    "Deliver",
    "Depth",
    "DepthGrid",
    "DepthMeans",
    "Drivers",
    "Ecosystems",
    "Effects",
    "Evidence",
    "Fault",
    "Forest",
    "FragmentsSource",
    "GridBounds",
    "GridLike",
    "GridRegion",
    "Groups",
    "GsocMap",
    "Importance",
    "Independent",
    "Indices",
    "Loc",
    "MadeCovariate",
    "MapMask",
    "Maps",
    "Measurements",
    "Model",
    "MonteCarlo",
    "Naming",
    "OtherProduct",
    "Paths",
    "Pedotransfer",
    "Product",
    "ProfileRecipe",
    "ProfileSource",
    "Profiles",
    "Recipe",
    "Report",
    "Screen",
    "Select",
    "Subsoil",
    "Terrain",
    "Topsoil",
    "Totals",
    "Trend",
    "Truth",
    "Tune",
    "ZoneShare",
    "address",
    "check_files",
    "covariate_layers",
    "covariate_places",
    "dump",
    "expected_stat",
    "is_elsewhere",
    "layer_text",
    "load",
    "load_profiles",
    "load_sound",
    "made_covariates",
    "made_layers",
    "named_by",
    "named_files",
    "named_for_account",
    "named_for_maps",
    "named_to_make",
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
    "with_lines",
]
