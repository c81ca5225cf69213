"""Where things are that a recipe names: paths as written become real ones."""

from __future__ import annotations

from pathlib import Path

from edaphic.recipe.recipe import Head


def resolve(recipe: Head, recipe_path: Path, value: str) -> Path:
    """Path of a file that the recipe names.

    Parameters
    ----------
    recipe_path : Path
        The recipe's own file: ``root`` is seen from its folder, and ``value`` from ``root``. ``~`` is the home folder.
    value : str
        Path as written in the recipe; an absolute one stays as it is.
    """
    return recipe_path.parent / Path(recipe.root).expanduser() / Path(value).expanduser()


def address(recipe: Head, recipe_path: Path, value: str) -> Path | str:
    """Where a table of profiles is: the path of its file, with the layer of a GeoPackage behind it, or the address of a database table.

    >>> head = Head(edaphic=1, name="a")
    >>> address(head, Path("recipe.yaml"), "postgresql://host/soil?table=horizons")
    'postgresql://host/soil?table=horizons'
    >>> address(head, Path("data/recipe.yaml"), "soil.gpkg:horizons")
    'data/soil.gpkg:horizons'
    """
    file = table_file(value)
    if file is None:
        return value
    return resolve(recipe, recipe_path, file) if file == value else str(resolve(recipe, recipe_path, file)) + value[len(file) :]


def table_file(value: str) -> str | None:
    """File of a table of profiles, without the layer of a GeoPackage; None for a database table.

    >>> table_file("soil.gpkg:horizons"), table_file("a.csv"), table_file("sqlite:///a.db?table=b")
    ('soil.gpkg', 'a.csv', None)
    """
    if "://" in value:
        return None
    file, found, layer = value.rpartition(".gpkg:")
    return f"{file}.gpkg" if found and layer else value


def is_there(path: Path) -> bool:
    """Whether a path is a file or a folder, or names a file within a zip file that is there."""
    return path.exists() or any(parent.suffix.lower() == ".zip" and parent.is_file() for parent in path.parents)
