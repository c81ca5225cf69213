"""Accounts: from maps to tables of stocks, comparisons with other products, and checks against a known truth."""

from edaphic.account.compare import COMPARISON_COLUMNS, compare_maps, explain_factor
from edaphic.account.totals import STOCK_COLUMNS, ClassLayer, stock_table
from edaphic.account.truth import TRUTH_COLUMNS, against_truth

__all__ = [
    "COMPARISON_COLUMNS",
    "STOCK_COLUMNS",
    "TRUTH_COLUMNS",
    "ClassLayer",
    "against_truth",
    "compare_maps",
    "explain_factor",
    "stock_table",
]
