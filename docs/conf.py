"""Sphinx configuration."""

from importlib.metadata import version as installed

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
