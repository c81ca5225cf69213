"""Edaphic: maps of soil organic carbon through depth, with uncertainty that was checked.

The public verbs, in the order of the work. Each takes plain arguments; only those that end in ``recipe`` know recipes. A verb is brought in
when it is first asked for: who makes terrain need not wait for the libraries of forests.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from edaphic.account import against_truth, compare_maps, stock_table
    from edaphic.covariates import Source, Stack, build, cell_area_m2, grid_from_bounds, grid_from_region, grid_like
    from edaphic.errors import EdaphicError
    from edaphic.model.artefact import load as load_model
    from edaphic.model.artefact import save as save_model
    from edaphic.profiles import clean, fill, layer_table, read_source, read_table, soc_stock_kg_m2
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

_PLACES: Mapping[str, str] = MappingProxyType(
    {
        "read_table": "profiles",
        "read_source": "profiles",
        "clean": "profiles",
        "fill": "profiles",
        "layer_table": "profiles",
        "soc_stock_kg_m2": "profiles",
        "Source": "covariates",
        "Stack": "covariates",
        "build": "covariates",
        "cell_area_m2": "covariates",
        "grid_from_bounds": "covariates",
        "grid_from_region": "covariates",
        "grid_like": "covariates",
        "load_model": "model.artefact:load",
        "save_model": "model.artefact:save",
        "BlockFolds": "validate.designs",
        "ProfileFolds": "validate.designs",
        "scores": "validate.metrics",
        "against_truth": "account",
        "compare_maps": "account",
        "stock_table": "account",
        "build_report": "report",
        "check_recipe": "run:check",
        "run_recipe": "run:run",
        "EdaphicError": "errors",
    }
)
"""Room of each verb, and its name there where it has another."""


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'edaphic' has no attribute {name!r}")
    room, _, own = _PLACES[name].partition(":")
    return getattr(import_module(f"edaphic.{room}"), own or name)


def __dir__() -> list[str]:
    return sorted(__all__)
