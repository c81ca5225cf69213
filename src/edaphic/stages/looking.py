"""What region, masks and depth to bedrock leave of a map, looked at in parts of the grid before any work."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic import covariates
from edaphic.covariates import AnyLayer, Dated, Window
from edaphic.covariates.window import PIECE
from edaphic.mapping.mask import Bedrock, Mask, soil_share
from edaphic.recipe import GridRegion, Recipe, resolve
from edaphic.stages.covering import year_of_maps
from edaphic.stages.mapped import bedrock_of, masks_of

LOOKED_AT, MOST = 16, 128
"""Windows of 256 rows and columns that are looked at in any case, and as long as no cell is found that stays."""

NAMED = 5
"""Codes that a note names."""

NO_SOIL = "no soil above the bedrock"


@dataclass(frozen=True)
class Ground:
    """What decides which cells have a value, whatever the model says. ``classes``: class covariates and their codes to leave empty."""

    grid: GeoBox
    layers: Sequence[tuple[float, float]]
    classes: Sequence[tuple[AnyLayer, tuple[int, ...]]] = ()
    masks: Sequence[Mask] = ()
    bedrock: Bedrock | None = None
    region: Path | None = None


@dataclass
class Look:
    """What was found in the cells that were looked at; ``whole``: these are all cells of the grid."""

    whole: bool = False
    cells: int = 0
    left: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    codes: dict[str, set[int]] = field(default_factory=dict)
    depths: Counter[str] = field(default_factory=Counter)

    @property
    def among(self) -> str:
        """Which cells were looked at, in words."""
        return "of the grid" if self.whole else f"of the {self.cells:,} cells looked at"


def look_at_masks(told: Recipe, recipe_path: Path, grid: GeoBox, dated: Sequence[Dated]) -> tuple[list[str], list[str]]:
    """Masks that leave nothing, and what of masks and bedrock does nothing.

    Up to 16 windows of 256 rows and columns, spread over the grid, are read; as many as 128 where no cell is found that stays. Covariates
    by period are those of the year that model and evidence take. Masks by a covariate that the run makes are not looked at.

    Parameters
    ----------
    told : Recipe
    recipe_path : Path
    grid : GeoBox
    dated : sequence of Dated
        Covariates that are there already, without faults.

    Returns
    -------
    (faults, notes) : lists of str
        A fault only where all cells of the grid were looked at.

    Raises
    ------
    EdaphicError
        A file cannot be read.
    """
    known = [entry for entry in dated if entry.source.name in told.maps.mask and entry.source.kind == "class"]
    stack = covariates.build_timed(known, grid).during(year_of_maps(told), told.covariates.max_gap_years).layers if known else ()
    ground = Ground(
        grid,
        told.profiles.layers,
        tuple((layer, tuple(told.maps.mask[layer.name])) for layer in stack),
        masks_of(told, recipe_path, grid),
        bedrock_of(told, recipe_path, grid),
        resolve(told, recipe_path, told.grid.region) if isinstance(told.grid, GridRegion) else None,
    )
    if not (ground.classes or ground.masks or ground.bedrock or ground.region):
        return [], []
    found = look(ground)
    notes = [*_codes_notes(ground, found), *_idle_notes(ground, found), *_bedrock_notes(ground, found)]
    if found.left:
        return [], notes
    why = [f"{name} removes {count:,}" for name, count in found.removed.items() if count and name != NO_SOIL]
    why += [f"{found.removed[NO_SOIL]:,} have {NO_SOIL}"] if found.removed[NO_SOIL] else []
    said = f" ({', '.join(why)})" if why else ""
    if found.whole:
        return [f"maps: region, masks and bedrock leave none of {found.cells:,} cells{said}; expected cells to map"], []
    return [], [f"maps: region, masks and bedrock leave none {found.among}{said}: is anything left to map?", *notes]


def look(ground: Ground) -> Look:
    """Read windows until enough is known."""
    found = Look()
    windows = list(_windows((ground.grid.shape[0], ground.grid.shape[1])))
    for number, window in enumerate(windows[:MOST]):
        if number >= LOOKED_AT and found.left:
            return found
        _look_at(ground, window, found)
    found.whole = len(windows) <= MOST
    return found


def _windows(shape: tuple[int, int]) -> Iterator[Window]:
    """Up to one more window than may be looked at, spread over the grid: each is a golden section further on than the one before."""
    down, across = -(-shape[0] // PIECE), -(-shape[1] // PIECE)
    total = down * across
    step = max(1, round(total * 0.381966))
    while math.gcd(step, total) != 1:
        step += 1
    for turn in range(min(total, MOST + 1)):
        row, col = (PIECE * place for place in divmod(turn * step % total, across))
        yield Window(row, col, min(PIECE, shape[0] - row), min(PIECE, shape[1] - col))


def _look_at(ground: Ground, window: Window, found: Look) -> None:
    inside = np.ones(window.shape, dtype=bool)
    if ground.region is not None:
        inside = covariates.region_mask(ground.grid, window, ground.region)
    left = inside.copy()

    def without(name: str, gone: NDArray[np.bool_]) -> None:
        nonlocal left
        found.removed[name] += int((gone & inside).sum())
        left &= ~gone

    for layer, codes in ground.classes:
        values = layer.read(window)
        _see(found, layer.name, values, codes)
        without(layer.name, np.isin(values, codes))
    for mask in ground.masks:
        if mask.layer is None:
            without(mask.name, mask.removed(ground.grid, window))
            continue
        values = mask.layer.read(window)
        _see(found, mask.name, values, mask.classes)
        without(mask.name, mask.of_values(values))
    if ground.bedrock is not None:
        depth = ground.bedrock.depth_cm(window)
        found.depths["known"] += int((np.isfinite(depth) & (depth >= 0)).sum())
        found.depths["negative"] += int((depth < 0).sum())
        soil: NDArray[np.bool_] = np.asarray(soil_share(depth.ravel(), ground.layers).any(axis=1)).reshape(window.shape)
        without(NO_SOIL, ~soil)
    found.cells += int(left.size)
    found.left += int(left.sum())


def _see(found: Look, name: str, values: NDArray[np.float32], codes: Iterable[int]) -> None:
    """Keep the codes of a raster of classes: those that are asked about."""
    if not codes:
        return
    found.codes.setdefault(name, set()).update(int(code) for code in np.unique(values[np.isfinite(values)]))


def _codes_notes(ground: Ground, found: Look) -> list[str]:
    """Codes that a raster has not; those of its legend may be rare, and count as had unless all cells were looked at."""
    asked: list[tuple[str, Sequence[int], str, Mapping[int, str]]] = [
        (f"maps.mask {layer.name}", codes, layer.name, layer.facts.classes) for layer, codes in ground.classes
    ]
    asked += [
        (f"maps.masks {mask.name}", mask.classes, mask.name, mask.layer.facts.classes)
        for mask in ground.masks
        if mask.layer is not None and mask.classes
    ]
    notes = []
    for where, codes, name, legend in asked:
        seen = found.codes.get(name, set())
        lost = [code for code in codes if code not in seen and (found.whole or code not in legend)]
        if lost:
            had = _listed(sorted(seen)) or "no class"
            notes.append(f"{where}: no cell {found.among} has class {_listed(lost)}; there is {had}")
    return notes


def _listed(codes: Sequence[int]) -> str:
    more = len(codes) - NAMED
    return ", ".join(map(str, codes[:NAMED])) + (f" (and {more} more)" if more > 0 else "")


def _idle_notes(ground: Ground, found: Look) -> list[str]:
    """Masks by polygons or by numbers that remove nothing; polygons may be small, so that only the whole grid tells."""
    idle = [mask for mask in ground.masks if not found.removed[mask.name] and not mask.classes]
    return [f"maps.masks {mask.name}: removes no cell {found.among}" for mask in idle if mask.layer is not None or found.whole]


def _bedrock_notes(ground: Ground, found: Look) -> list[str]:
    if ground.bedrock is None:
        return []
    known, negative = found.depths["known"], found.depths["negative"]
    some = f"{negative:,} have a negative one" if negative else "no finite number stands anywhere"
    if not known:
        return [f"maps.bedrock: no cell {found.among} has a depth ({some}): all layers count in full"]
    return [f"maps.bedrock: {negative:,} cells {found.among} have a negative depth, which counts as not known"] if negative else []
