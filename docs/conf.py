"""Sphinx configuration."""

from importlib.metadata import version as installed
from pathlib import Path

from edaphic.profiles.cleaning.rules import RULE_GROUPS

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
    """The table of cleaning rules, from the code that applies them: one row for each, under where it is applied."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 25 35 40", "", "   * - where", "     - fault", "     - action"]
    for where, rules in RULE_GROUPS.items():
        for number, (fault, action) in enumerate(rules.items()):
            lines += [f"   * - {where if number == 0 else ''}".rstrip(), f"     - {fault}", f"     - {action}"]
    (Path(app.srcdir) / "_rules.rst").write_text("\n".join(lines) + "\n", encoding="utf-8")


def setup(app):  # type: ignore[no-untyped-def]
    """Sphinx calls this."""
    app.connect("builder-inited", _write_rules)
