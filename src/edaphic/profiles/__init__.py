"""Profiles: raw tables in, clean horizons, then one row per profile and layer.

Read, clean, fill, integrate; each verb returns its table and says what it did to it::

    raw, log = read_source("horizons.csv", {"profile_id": Column("id"), ...})
    horizons, repairs = clean(raw)
    filled, provenance = fill(horizons)
    layers, more = layer_table(filled, [(0, 30), (30, 60), (60, 100)])
"""

from edaphic.profiles.bulk_density import PEDOTRANSFER, Rule, fill
from edaphic.profiles.clean import RULES, clean, concat_repairs
from edaphic.profiles.columns import CANONICAL, ROLES, Column
from edaphic.profiles.doubts import doubts, value_lines
from edaphic.profiles.read import check_source, read_source, stack_sources
from edaphic.profiles.stock import STATUS, layer_table, soc_density_kg_m3, soc_stock_kg_m2, summary
from edaphic.profiles.tables import read_table

__all__ = [
    "CANONICAL",
    "PEDOTRANSFER",
    "ROLES",
    "RULES",
    "STATUS",
    "Column",
    "Rule",
    "check_source",
    "clean",
    "concat_repairs",
    "doubts",
    "fill",
    "layer_table",
    "read_source",
    "read_table",
    "soc_density_kg_m3",
    "soc_stock_kg_m2",
    "stack_sources",
    "summary",
    "value_lines",
]
