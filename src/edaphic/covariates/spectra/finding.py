"""From a path and some names to scenes, indices and coefficients: what a command or a recipe says of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edaphic.covariates.spectra.bands import read_name
from edaphic.covariates.spectra.coefficients import read_coefficients
from edaphic.covariates.spectra.indices import PAPER, TASSELLED, Index, indices_of
from edaphic.covariates.spectra.scene import Scene
from edaphic.covariates.spectra.scene_tables import scenes_of_table
from edaphic.covariates.spectra.scenes import Words, scene_of_file, scenes_of_folder
from edaphic.covariates.spectra.single import possible
from edaphic.errors import RasterError

__all__ = ["choose_indices", "find_scenes", "read_coefficients"]


def find_scenes(path: Path, words: Words) -> list[Scene]:
    """Scenes of a raster, a folder or a table."""
    if path.suffix.lower() == ".csv":
        return scenes_of_table(path, words)
    if path.is_dir():
        return scenes_of_folder(path, words)
    if path.is_file() and path.name.upper().endswith("MTL.TXT"):
        named = read_name(path.name)
        path = path.with_name(named.scene if named is not None else path.name)
    if not path.exists():
        return _named_scene(path, words)
    return [scene_of_file(path, words)]


def _named_scene(path: Path, words: Words) -> list[Scene]:
    """One scene of a folder with several: by the name that its files share."""
    among = scenes_of_folder(path.parent, words) if path.parent.is_dir() and read_name(path.name) is not None else []
    found = [scene for scene in among if scene.name == path.name]
    if not found:
        raise RasterError(f"{path}: no such file, folder or scene; expected one")
    return found


def choose_indices(scenes: Sequence[Scene], names: Sequence[str], *, printed: bool = False) -> tuple[dict[str, Index], list[str]]:
    """The indices that are made, and which of the default ones, or of "all", the bands do not allow.

    Parameters
    ----------
    scenes : sequence of Scene
    names : sequence of str
        Indices, or "all"; those of the first paper where there are none. What is named must be possible with every scene.
    printed : bool
        SAVI as the first paper prints it.

    Returns
    -------
    (indices by name, notes on what was left out)

    Raises
    ------
    RasterError
        An unknown name, or an index that is named and that the bands or numbers of a scene do not allow.
    """
    sensors = {scene.sensor for scene in scenes}
    sensor = next(iter(sensors)) if len(sensors) == 1 else ""
    named = [name for name in names if name != "all"]
    chosen = indices_of(names or PAPER, sensor, printed)
    left, why = chosen, []
    if "all" in names and not set(TASSELLED) <= set(chosen):
        which = f"the sensor {sensor}" if sensor else "several sensors" if len(sensors) > 1 else "no sensor"
        why.append(f"{', '.join(TASSELLED)}: of {which}; expected one whose weights are known")
    for scene in scenes:
        allowed, reasons = possible(scene, chosen)
        left = {name: index for name, index in left.items() if name in allowed}
        why += [reason for reason in reasons if reason not in why]
    faults = [reason for reason in why if reason.partition(":")[0] in named]
    if faults or not left:
        raise RasterError(faults or why)
    return left, [f"left out: {reason}" for reason in why]
