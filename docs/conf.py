"""Sphinx configuration."""

from importlib.metadata import version as installed

from edaphic.profiles.cleaning.rules import RULE_GROUPS

project = "Edaphic"
author = "The Edaphic developers"
copyright = "The Edaphic developers"
release = installed("edaphic")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Edaphic"
html_static_path = ["pictures"]
myst_heading_anchors = 3
autodoc_typehints = "description"


def rules_table() -> str:
    """The table of cleaning rules in cleaning.md, from the code that applies them: one row for each, under where it is applied."""
    lines = ["| where | fault | action |", "|---|---|---|"]
    for where, rules in RULE_GROUPS.items():
        lines += [f"| {where if number == 0 else ''} | {fault} | {action} |" for number, (fault, action) in enumerate(rules.items())]
    return "\n".join(lines).replace("|  |", "| |") + "\n"


if __name__ == "__main__":
    print(rules_table(), end="")
