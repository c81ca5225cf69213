"""Sphinx configuration."""

from importlib.metadata import version as installed
from pathlib import Path

from edaphic.profiles import RULES

project = "Edaphic"
author = "The Edaphic developers"
copyright = "The Edaphic developers"
release = installed("edaphic")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "_rules.rst"]
html_theme = "furo"
html_title = "Edaphic"
html_static_path = ["pictures"]
myst_heading_anchors = 3
autodoc_typehints = "description"


def _write_rules(app):  # type: ignore[no-untyped-def]
    """The table of cleaning rules, from the code that applies them."""
    rows = "".join(f"   * - {fault}\n     - {action}\n" for fault, action in RULES.items())
    table = ".. list-table::\n   :header-rows: 1\n\n   * - fault\n     - action\n" + rows
    (Path(app.srcdir) / "_rules.rst").write_text(table, encoding="utf-8")


def setup(app):  # type: ignore[no-untyped-def]
    """Sphinx calls this."""
    app.connect("builder-inited", _write_rules)
