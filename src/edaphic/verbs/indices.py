"""``indices``: bands in, spectral indices out; of one scene, or composites of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from odc.geo.geobox import GeoBox

from edaphic.covariates import close_rasters, grid_like
from edaphic.covariates.spectra.checking import scene_faults
from edaphic.covariates.spectra.coefficients import coefficient_faults
from edaphic.covariates.spectra.composing import BareSoil, Composing
from edaphic.covariates.spectra.composites import composite
from edaphic.covariates.spectra.finding import choose_indices, find_scenes
from edaphic.covariates.spectra.periods import Period
from edaphic.covariates.spectra.quality import DEFAULT_MASK, check_names
from edaphic.covariates.spectra.reflectance import Coefficients
from edaphic.covariates.spectra.scene import Scene, scene_grid
from edaphic.covariates.spectra.scenes import Words
from edaphic.covariates.spectra.single import make_indices, roles_of
from edaphic.errors import RasterError, RunError
from edaphic.progress import Say


@dataclass(frozen=True)
class Wanted:
    """What a command says of the indices.

    Parameters
    ----------
    names : tuple of str
        Indices; those of the first paper that the bands allow where there are none.
    printed : bool
        SAVI as the first paper prints it.
    mask : tuple of str
        Conditions of quality to leave out.
    coefficients : mapping of sensor to mapping of band to (slope, intercept)
        Cross-sensor correction.
    """

    names: tuple[str, ...] = ()
    printed: bool = False
    mask: tuple[str, ...] = DEFAULT_MASK
    coefficients: Mapping[str, Coefficients] = field(default_factory=dict)


@dataclass(frozen=True)
class Stacking:
    """What a command says of a composite; see :class:`edaphic.covariates.spectra.composing.Composing`."""

    statistics: tuple[str, ...]
    periods: tuple[Period, ...] = ()
    months: tuple[int, ...] = ()
    bands: tuple[str, ...] = ()
    least: int = 1
    bare_soil: BareSoil | None = None
    first: Literal["indices", "bands"] = "indices"
    memory_mb: float = 512.0


def indices(
    scene: Path,
    out: Path,
    *,
    words: Words,
    wanted: Wanted,
    like: Path | None = None,
    compress: Literal["deflate", "none"] = "deflate",
    say: Say,
) -> list[str]:
    """Spectral indices of one scene.

    Parameters
    ----------
    scene : Path
        A raster of several bands, a folder with the files of one scene, or a table (.csv) with one row.
    out : Path
        Folder; ``INDEX.tif`` of each index are written into it.
    words : Words
        Bands, sensor, scaling and quality as the user states them.
    wanted : Wanted
    like : Path, optional
        Raster whose grid is taken, in place of the scene's own.
    compress : {"deflate", "none"}
    say : callable

    Returns
    -------
    list of str
        What was done, for the screen.
    """
    check_names(wanted.mask)
    check_folder(out)
    found = find_scenes(scene, words)
    if len(found) != 1:
        listed = ", ".join(one.name for one in found[:3]) + (" ..." if len(found) > 3 else "")
        raise RasterError(f"{scene}: found {len(found)} scenes ({listed}); expected one, or --statistic to make a composite of them")
    one = found[0]
    chosen, left_out = choose_indices([one], wanted.names, printed=wanted.printed)
    wrong = coefficient_faults(wanted.coefficients, [one.sensor], roles_of(chosen))
    if wrong:
        raise RasterError(wrong)
    grid = _grid(one, roles_of(chosen), like)
    told = [f"scene       {one.name}{described(one)}", f"grid        {grid.height} x {grid.width} cells"]
    try:
        notes = make_indices(
            one,
            grid,
            chosen,
            out,
            mask=wanted.mask,
            coefficients=wanted.coefficients.get(one.sensor),
            compress=compress,
            say=say,
        )
    finally:
        close_rasters()
    return told + [f"note        {note}" for note in (*left_out, *notes)] + [f"wrote       {out / f'{name}.tif'}" for name in chosen]


def composites(
    scenes: Path,
    out: Path,
    *,
    words: Words,
    wanted: Wanted,
    stack: Stacking,
    like: Path | None = None,
    compress: Literal["deflate", "none"] = "deflate",
    say: Say,
) -> list[str]:
    """Composites of the indices of many scenes.

    Parameters
    ----------
    scenes : Path
        A folder with the files of scenes, or a table (.csv) of scenes.
    out : Path
        Folder; ``NAME.tif`` (``NAME_FROM-TO.tif`` of periods) and ``count.tif`` are written into it.
    words, wanted, like, compress, say
        As :func:`indices`; without ``like``, the grid is that of the first scene.
    stack : Stacking

    Returns
    -------
    list of str
        What was done, for the screen.
    """
    check_names(wanted.mask)
    check_folder(out)
    found = sorted(find_scenes(scenes, words), key=lambda scene: (scene.day.isoformat() if scene.day else "", scene.name))
    chosen, left_out = ({}, []) if wanted.names == ("none",) else choose_indices(found, wanted.names, printed=wanted.printed)
    how = Composing(
        chosen,
        stack.bands,
        stack.statistics,
        stack.periods,
        stack.months,
        stack.least,
        wanted.mask,
        stack.bare_soil,
        stack.first,
        wanted.coefficients,
        stack.memory_mb,
    )
    wrong = scene_faults(found, how)
    if wrong:
        raise RasterError(wrong)
    grid = _grid(found[0], how.roles, like)
    told = [f"scenes      {len(found)}, {found[0].name} to {found[-1].name}", f"grid        {grid.height} x {grid.width} cells"]
    try:
        made = composite(found, grid, how, out, compress=compress, say=say)
    finally:
        close_rasters()
    told += [f"period      {label}: {len(names)} scenes" for label, names in made.used.items() if label]
    told += [f"note        {note}" for note in (*left_out, *made.notes)]
    return told + [f"wrote       {out / f'{name}.tif'}" for name in made.names]


def described(scene: Scene) -> str:
    """Date, sensor and quantity of a scene, as far as they are known."""
    quantity = dict.fromkeys(band.scaling.quantity for role, band in scene.bands.items() if role != "thermal")
    words = [scene.day.isoformat() if scene.day else "", scene.sensor, *quantity]
    return "".join(f", {word}" for word in words if word)


def check_folder(out: Path) -> None:
    """The output can be a folder, before any work is done."""
    if out.exists() and not out.is_dir():
        raise RunError(f"--out {out}: found a file; expected a folder")


def _grid(scene: Scene, roles: Sequence[str], like: Path | None) -> GeoBox:
    return scene_grid(scene, roles) if like is None else grid_like(like)
