"""The command line: one subcommand for each verb.

A verb brings the libraries that it needs, no others: ``edaphic terrain`` need not wait for those of forests and reports.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType

from edaphic.cli.app import app
from edaphic.cli.app import main as run_app

VERBS: Mapping[str, str] = MappingProxyType(
    {
        "demo": "runs",
        "template": "runs",
        "check": "runs",
        "run": "runs",
        "predict": "predict",
        "report": "runs",
        "schema": "runs",
        "harmonise": "profiles",
        "stock": "profiles",
        "terrain": "terrain",
        "indices": "indices",
        "normalise": "normalise",
        "climate": "climate",
        "compare": "compare",
        "paths": "paths",
    }
)
"""The file of each verb, in the order in which help lists them."""

__all__ = ["VERBS", "app", "load", "main"]


def load(words: Sequence[str]) -> None:
    """Bring in the verb that is asked for; all of them where none is, so that help can list them."""
    asked = VERBS.get(words[0]) if words else None
    for name in dict.fromkeys(VERBS.values()) if asked is None else (asked,):
        import_module(f"edaphic.cli.{name}")


def main() -> None:
    """Run the command line."""
    load(sys.argv[1:])
    run_app()
