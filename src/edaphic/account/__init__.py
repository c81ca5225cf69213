"""Accounts: from maps to tables of stocks, their errors, change, comparisons with other products, and checks against a known truth."""

from edaphic.account.compare import COMPARISON_COLUMNS, compare_maps, explain_factor
from edaphic.account.maps import MapReader
from edaphic.account.simulation.assisted import assisted_totals
from edaphic.account.simulation.blocks import Tables, tabulate
from edaphic.account.simulation.fields import Fields, Sites, make_fields, sites
from edaphic.account.simulation.lattice import Lattice, make_lattice
from edaphic.account.simulation.modelled import Modelled, modelled_totals
from edaphic.account.simulation.scores import ScoreModel, score_model, scores_of
from edaphic.account.simulation.trend_error import trend_error
from edaphic.account.totals import STOCK_COLUMNS, ClassLayer, ShareLayer, stock_table
from edaphic.account.truth import TRUTH_COLUMNS, against_truth
from edaphic.account.zoned import SharedZone, zoned_stock_table

__all__ = [
    "COMPARISON_COLUMNS",
    "STOCK_COLUMNS",
    "TRUTH_COLUMNS",
    "ClassLayer",
    "Fields",
    "Lattice",
    "MapReader",
    "Modelled",
    "ScoreModel",
    "ShareLayer",
    "SharedZone",
    "Sites",
    "Tables",
    "against_truth",
    "assisted_totals",
    "compare_maps",
    "explain_factor",
    "make_fields",
    "make_lattice",
    "modelled_totals",
    "score_model",
    "scores_of",
    "sites",
    "stock_table",
    "tabulate",
    "trend_error",
    "zoned_stock_table",
]
