"""Profiles: raw tables in, clean horizons, then one row per profile and layer.

Read, tidy, fill, integrate; each verb returns its table and says what it did to it::

    source = read_source("horizons.csv", {"profile_id": Column("id"), ...})
    tidied = tidy([source])
    filled, provenance, repairs = fill(tidied.horizons)
    layers, more = layer_table(filled, [(0, 30), (30, 60), (60, 100)])
"""

from edaphic.profiles.budget import Errors
from edaphic.profiles.cleaning.clean import clean
from edaphic.profiles.cleaning.dedupe import independence, merge_duplicates, shared_profiles
from edaphic.profiles.cleaning.rules import RULES, concat_repairs
from edaphic.profiles.density.bulk_density import fill
from edaphic.profiles.density.grid_doubts import INTERNAL, grid_doubts
from edaphic.profiles.density.grid_layers import horizon_means_from_layers
from edaphic.profiles.density.pedotransfer import PEDOTRANSFER, Rule
from edaphic.profiles.depth.departure import far_line
from edaphic.profiles.depth.soil_column import DepthFunction
from edaphic.profiles.doubts import depth_doubts, doubts, spread_lines, value_lines
from edaphic.profiles.layers import STATUS, layer_table
from edaphic.profiles.mass.esm import equivalent_stocks
from edaphic.profiles.mass.esm_compare import compare
from edaphic.profiles.mass.esm_reference import Reference, parse_reference
from edaphic.profiles.prepare import Tidy, Tidying, tidy
from edaphic.profiles.property import harmonise, read_property
from edaphic.profiles.reading.columns import CANONICAL, ROLES, UNITLESS, Column
from edaphic.profiles.reading.read import SourceRead, check_source, read_checked, read_source, stack_sources
from edaphic.profiles.reading.tables import read_table
from edaphic.profiles.stock import soc_density_kg_m3, soc_stock_kg_m2
from edaphic.profiles.summary import density_lines, summary
from edaphic.units import BASES

__all__ = [
    "BASES",
    "CANONICAL",
    "INTERNAL",
    "PEDOTRANSFER",
    "ROLES",
    "RULES",
    "STATUS",
    "UNITLESS",
    "Column",
    "DepthFunction",
    "Errors",
    "Reference",
    "Rule",
    "SourceRead",
    "Tidy",
    "Tidying",
    "check_source",
    "clean",
    "compare",
    "concat_repairs",
    "density_lines",
    "depth_doubts",
    "doubts",
    "equivalent_stocks",
    "far_line",
    "fill",
    "grid_doubts",
    "harmonise",
    "horizon_means_from_layers",
    "independence",
    "layer_table",
    "merge_duplicates",
    "parse_reference",
    "read_checked",
    "read_property",
    "read_source",
    "read_table",
    "shared_profiles",
    "soc_density_kg_m3",
    "soc_stock_kg_m2",
    "spread_lines",
    "stack_sources",
    "summary",
    "tidy",
    "value_lines",
]
