"""The command line: one subcommand for each verb."""

from edaphic.cli import climate, indices, normalise, profiles, runs, terrain
from edaphic.cli.app import app, main

__all__ = ["app", "climate", "indices", "main", "normalise", "profiles", "runs", "terrain"]
