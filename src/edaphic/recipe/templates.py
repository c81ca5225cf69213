"""Recipes that ship, and the JSON schema that editors check recipes with."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from edaphic.errors import RecipeError
from edaphic.recipe.faults import meant
from edaphic.recipe.recipe import Recipe


def template_names() -> list[str]:
    """Names of the recipes that ship, sorted.

    >>> "start" in template_names()
    True
    """
    entries = (files("edaphic") / "recipes").iterdir()
    return sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml"))


def template(name: str) -> str:
    """Text of a recipe that ships, with its comments.

    Raises
    ------
    RecipeError
        There is none of that name.

    Examples
    --------
    >>> template("begin")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    edaphic.errors.RecipeError: template: found 'begin'; expected one of ...
    """
    names = template_names()
    if name not in names:
        raise RecipeError(f"template: found {name!r}; expected one of {', '.join(names)}{meant(name, names)}")
    return (files("edaphic") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """JSON schema of a recipe. Editors with the YAML language server complete and explain keys with it.

    >>> schema()["properties"]["seed"]["minimum"]
    0
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Recipe.model_json_schema(),
        "title": "Edaphic recipe",
    }
