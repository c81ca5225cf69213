"""Indices of one scene, made by window into rasters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from odc.geo.geobox import GeoBox

from edaphic.covariates.made import MadeLayer, making
from edaphic.covariates.spectra import evidence
from edaphic.covariates.spectra.coefficients import coefficient_faults
from edaphic.covariates.spectra.indices import Index
from edaphic.covariates.spectra.quality import DEFAULT_MASK
from edaphic.covariates.spectra.reading import OpenScene, open_scene
from edaphic.covariates.spectra.reflectance import Coefficients, Float
from edaphic.covariates.spectra.scene import Scene, missing, quality_notes
from edaphic.covariates.window import Window, windows
from edaphic.errors import RasterError
from edaphic.progress import Say

SIDE = 512
"""Rows and columns computed at a time: about 2 MB for each band and index."""

THREADS = 2


def roles_of(indices: Mapping[str, Index], bands: Sequence[str] = ()) -> list[str]:
    """Bands that some indices, and some bands that are wanted themselves, need.

    >>> from edaphic.covariates.spectra.indices import indices_of
    >>> roles_of(indices_of(["ndvi", "lswi"]), ["blue"])
    ['nir', 'red', 'swir1', 'blue']
    """
    return list(dict.fromkeys([role for index in indices.values() for role in index.bands] + list(bands)))


def possible(scene: Scene, indices: Mapping[str, Index]) -> tuple[dict[str, Index], list[str]]:
    """Indices that a scene allows, and why it does not allow the others."""
    left, why = {}, []
    for name, index in indices.items():
        absent = [role for role in index.bands if scene.band(role) is None]
        if absent:
            why.append(f"{name}: {missing(scene, absent[0])}; expected {', '.join(index.bands)}")
        elif index.needs_reflectance and not all(_is_reflectance(scene, role) for role in index.bands):
            why.append(f"{name}: {scene.name} holds digital numbers; expected reflectance: --scale and --offset, or --level, make it")
        else:
            left[name] = index
    return left, why


def _is_reflectance(scene: Scene, role: str) -> bool:
    band = scene.band(role)
    return band is not None and band.scaling.is_reflectance


def check_outputs(scenes: Sequence[Scene], folder: Path, names: Sequence[str]) -> None:
    """Refuse to write over a file that is read."""
    paths = [band.path for scene in scenes for band in scene.bands.values()] + [part.path for scene in scenes for part in scene.quality]
    read = {Path(path).resolve() for path in paths}
    faults = [
        f"{folder / name}.tif: is read; expected another folder to write to" for name in names if (folder / f"{name}.tif").resolve() in read
    ]
    if faults:
        raise RasterError(faults)


def said_now(done: int, total: int) -> bool:
    """Whether a step is one of the about twenty that are told.

    >>> [done for done in range(1, 101) if said_now(done, 100)][:3]
    [5, 10, 15]
    """
    return done * 20 // total > (done - 1) * 20 // total


def layer_of(name: str, index: Index, quantity: str, more: Mapping[str, str] | None = None) -> MadeLayer:
    """How an index is written: its formula, source and what it was computed from stand in the tags."""
    tags = {"FORMULA": index.formula, "SOURCE": index.citation, "COMPUTED_FROM": quantity, **(more or {})}
    return MadeLayer(name, index.unit, index.description, tags)


def make_indices(
    scene: Scene,
    grid: GeoBox,
    indices: Mapping[str, Index],
    folder: Path,
    *,
    mask: Sequence[str] = DEFAULT_MASK,
    coefficients: Coefficients | None = None,
    compress: Literal["deflate", "none"] = "deflate",
    say: Say = lambda text, done, total: None,
) -> list[str]:
    """Write indices of a scene as ``folder/NAME.tif``.

    A cell has a value where every band of the index has one and quality is good. Each value depends on its own cell (or, on another grid
    than the scene's, on its own place) alone, so the windows change nothing.

    Parameters
    ----------
    scene : Scene
    grid : GeoBox
        See :func:`.scene.scene_grid` for the scene's own.
    indices : mapping of str to Index
    folder : Path
    mask : sequence of str
        Conditions of quality to leave out.
    coefficients : mapping of str to (slope, intercept), optional
        Cross-sensor correction by role of the band.
    compress : {"deflate", "none"}
    say : callable

    Returns
    -------
    list of str
        Notes: what was assumed, and what was left out.

    Raises
    ------
    RasterError
        A band is missing, an index needs reflectance and gets digital numbers, the scaling makes no reflectance, most values are out of
        their limits, or no cell is left. Then nothing is written.
    """
    left, why = possible(scene, indices)
    if why:
        raise RasterError(why)
    check_outputs([scene], folder, list(left))
    roles = roles_of(left)
    wrong = coefficient_faults({scene.sensor: coefficients}, [scene.sensor], roles) if coefficients is not None else []
    if wrong:
        raise RasterError(wrong)
    opened = open_scene(scene, grid, roles, mask, coefficients)
    quantity = ", ".join(dict.fromkeys(band.scaling.quantity for role in roles if (band := scene.band(role)) is not None))
    tags = {"SCENE": scene.name} | ({"DATE": scene.day.isoformat()} if scene.day else {})
    total: Counter[str] = Counter()
    parts = windows(grid, SIDE)
    with making(folder, grid, [layer_of(name, index, quantity, tags) for name, index in left.items()], compress) as writers:

        def work(window: Window) -> Counter[str]:
            values, counts = window_indices(opened, window, left)
            for name, made in values.items():
                writers[name].write(window, made)
            return counts

        with ThreadPoolExecutor(THREADS) as pool:
            for done, counts in enumerate(pool.map(work, parts), start=1):
                total.update(counts)
                if said_now(done, len(parts)):
                    say(f"indices of {scene.name}", done, len(parts))
        check(scene, left, total)
    notes = [*scene.notes, *quality_notes([scene], mask), *evidence.left_out(total), *evidence.doubts(total)]
    return notes + [note for name, index in left.items() for note in evidence.index_notes(name, index, total)]


def window_indices(opened: OpenScene, window: Window, indices: Mapping[str, Index]) -> tuple[dict[str, Float], Counter[str]]:
    """Indices of a window, and counts of cells."""
    reading = opened.read(window)
    counts = Counter(reading.counts)
    evidence.look(reading.bands, counts)
    values = {}
    for name, index in indices.items():
        values[name], counts[f"beyond {name}"] = index.within(index(reading.bands))
        counts[f"known {name}"] = int(np.isfinite(values[name]).sum())
    return values, counts


def check(scene: Scene, indices: Mapping[str, Index], counts: Counter[str]) -> None:
    """Refuse results that cannot be right."""
    faults = evidence.scale_faults(scene, counts)
    if not faults and counts["cells"] and counts["masked"] == counts["cells"]:
        faults.append(f"{scene.name}: quality takes away every cell; expected some that are clear, or another --mask")
    if not faults:
        faults += [fault for name, index in indices.items() for fault in evidence.index_faults(name, index, counts)]
    empty = [name for name in indices if not counts[f"known {name}"]]
    if not faults and empty:
        faults.append(f"{scene.name}: no cell with a value of {', '.join(empty)}; expected some where all its bands have one")
    if faults:
        raise RasterError(faults)
