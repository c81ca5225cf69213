"""The command line: one subcommand for each verb."""

from edaphic.cli import profiles, runs
from edaphic.cli.app import app, main

__all__ = ["app", "main", "profiles", "runs"]
