"""Covariates for maps from a stored model: a folder of rasters, or a recipe; and whether they are what the model learned from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from edaphic import covariates, recipe
from edaphic.covariates import AnyLayer, LayerFacts, Source, TimedStack, Window
from edaphic.covariates.source import Kind
from edaphic.covariates.window import apply
from edaphic.errors import RasterError, RecipeError
from edaphic.model.artefact import CovariateFacts, Kit
from edaphic.model.zones import ZonedModel, base_of
from edaphic.recipe import GridLike, Recipe
from edaphic.units import height_unit

ENDINGS = (
    ".tif", ".tiff", ".vrt", ".img", ".nc", ".asc", ".jp2", ".grd", ".bil", ".bip", ".bsq", ".sdat", ".rst", ".flt", ".hgt", ".kea",
    ".hdr.gz", ".zarr",
)  # fmt: skip
"""Endings of files that are taken for rasters in a folder."""

_YEARS = re.compile(r"_(\d{4})(?:-(\d{4}))?")
_STAND_INS = {
    "profiles": "profiles: {sources: [{horizons: none.csv}], layers: [0-30]}",
    "model": "model: {forest: {little_bags: 10}}",
}
"""What stands for sections that maps from a stored model do not need, where a recipe lacks them: a model knows what it can give."""

MUCH = 0.1
"""Share of cells beyond the range of the training profiles from which it is worth a note; a tail of a few percent always lies beyond."""
LOOKED_AT, SIDE = 9, 128
"""Most windows of each raster that are looked at for that, and their side in cells."""

WHOLE = 1e-3
"""Corners that lie less than this part of a cell apart are the same."""

_SAME_UNIT: tuple[frozenset[str], ...] = (
    frozenset({"degc", "°c", "c", "celsius", "degree_celsius", "degrees_celsius", "deg c"}),
    frozenset({"k", "kelvin"}),
    frozenset({"degree", "degrees", "deg", "°"}),
    frozenset({"%", "percent", "per cent", "pct"}),
    frozenset({"1", "-", "none", "unitless", "dimensionless"}),
)
"""Names of one unit in files; those of lengths are known to :func:`edaphic.units.height_unit`."""


def read_recipe(path: Path) -> Recipe:
    """A recipe for maps: its grid, covariates and maps; profiles, model and evidence may be left out.

    Raises
    ------
    RecipeError
        One line for each fault.
    """
    if not path.is_file():
        raise RecipeError(f"--covariates {path}: no such file or folder; expected a folder of rasters, or a recipe")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        told = f"--covariates {path}: a file that is no text"
        raise RecipeError(f"{told}; expected a folder of rasters, or a recipe (--like names the raster whose grid is taken)") from fault
    for section, stand_in in _STAND_INS.items():
        if re.search(rf"^{section}\s*:", text, re.MULTILINE) is None:
            text = f"{text.rstrip()}\n{stand_in}\n"
    return _only_maps(recipe.parse(text, path.name))


def _only_maps(told: Recipe) -> Recipe:
    """Without files that maps from a stored model do not read."""
    nothing: dict[str, object] = {"sources": (), "bulk_density_grid": None, "coarse_fragments_grid": None}
    return told.model_copy(
        update={
            "profiles": told.profiles.model_copy(update=nothing),
            "evidence": told.evidence.model_copy(update={"independent": (), "products": (), "by": ()}),
            "account": told.account.model_copy(update={"by": (), "compare": (), "truth": ()}),
        }
    )


def recipe_of_folder(folder: Path, kit: Kit, like: Path | None) -> Recipe:
    """A recipe that takes each covariate of a model from the file of its name in a folder.

    Parameters
    ----------
    folder : Path
        Holds NAME.tif, or another raster; for a covariate that changes with time also NAME_1990-1995.tif.
    kit : Kit
    like : Path, optional
        Raster whose grid the maps take; that of the covariates where all have the same.

    Raises
    ------
    RasterError
        All covariates without a file, or with several; files that cannot be used; several grids and no ``like``.
    """
    found, faults = _files(folder, kit)
    if faults:
        raise RasterError(faults)
    sources = [Source(name, folder / file, kind=kind_of(kit, name)) for name, file, _ in found]
    if like is None:
        faults = covariates.check_sources([source for source, (*_, years) in zip(sources, found, strict=True) if years is None])
        if faults:
            raise RasterError(faults)
        _check_one_grid(sources)
    layers = [
        {"name": name, "path": file, "kind": kind_of(kit, name)} | ({} if years is None else {"period": list(years)})
        for name, file, years in found
    ]
    grid = {"like": found[0][1] if like is None else str(like.resolve())}
    document = {
        "edaphic": 1,
        "name": f"{kit.model.name} on {folder.resolve().name}",
        "grid": grid,
        "profiles": {"sources": [{"horizons": "none.csv"}], "layers": ["0-30"]},
        "covariates": {"layers": layers},
    }
    return _only_maps(Recipe.model_validate(document))


def _files(folder: Path, kit: Kit) -> tuple[list[tuple[str, str, tuple[int, int] | None]], list[str]]:
    """Name, file and years of each raster, and the faults. Names are compared with those of files; they never become paths themselves."""
    rasters: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.lower().endswith(ENDINGS):
            rasters.setdefault(path.name[: -len(_ending(path.name))], []).append(path.name)
    found: list[tuple[str, str, tuple[int, int] | None]] = []
    faults: list[str] = []
    for name in kit.model.covariates:
        own: list[tuple[str, tuple[int, int] | None]] = [(file, None) for file in rasters.get(name, [])]
        own = own or sorted(_dated(name, rasters), key=lambda pair: pair[1] or (0, 0))
        years = [pair[1] for pair in own]
        if not own:
            other = [file for stem, files in rasters.items() if stem.lower() == name.lower() for file in files]
            hint = f" (found {other[0]}: the case of letters counts)" if other else ""
            faults.append(f"--covariates {folder}: no raster of {name!r}; expected {name}.tif{hint}")
        elif len(set(years)) < len(years):
            faults.append(f"--covariates {folder}: {', '.join(file for file, _ in own)} for {name!r}; expected one of them")
        found += [(name, file, period) for file, period in own]
    return found, faults


def _ending(name: str) -> str:
    return next(name[-len(ending) :] for ending in ENDINGS if name.lower().endswith(ending))


def _dated(name: str, rasters: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, tuple[int, int] | None]]:
    for stem, files in rasters.items():
        match = _YEARS.fullmatch(stem[len(name) :]) if stem.startswith(name) else None
        if match is not None:
            years = (int(match[1]), int(match[2] or match[1]))
            yield from ((file, years) for file in files)


def kind_of(kit: Kit, name: str) -> Kind:
    """Whether a covariate has classes, as the model knows it."""
    known = kit.covariates.get(name)
    if known is not None:
        return known.kind
    classes = {key for key, _ in base_of(kit.model).encoder.classes}
    classes |= {kit.model.zone} if isinstance(kit.model, ZonedModel) else set()
    return "class" if name in classes else "continuous"


def _check_one_grid(sources: Sequence[Source]) -> None:
    known = [covariates.facts(source) for source in sources]
    for first, other in pairwise(known):
        if not _same_grid(first, other):
            raise RasterError(
                f"--covariates: {_shown(first)} and {_shown(other)} have other cells; expected --like RASTER, whose grid the maps take"
            )


def _same_grid(one: LayerFacts, two: LayerFacts) -> bool:
    if one.crs != two.crs or (one.height, one.width) != (two.height, two.width):
        return False
    size = min(one.resolution)
    corners = ((0, 0), (one.width, 0), (0, one.height), (one.width, one.height))
    pairs = [(apply(one.transform, *corner), apply(two.transform, *corner)) for corner in corners]
    return all(abs(x - other_x) + abs(y - other_y) < WHOLE * size for (x, y), (other_x, other_y) in pairs)


def _shown(known: LayerFacts) -> str:
    size = " x ".join(f"{side:.6g}" for side in known.resolution)
    return f"{known.name} ({known.height} x {known.width} cells of {size}, {known.crs_name})"


def with_like(told: Recipe, like: Path | None) -> Recipe:
    """The recipe with another grid, where one is given."""
    return told if like is None else told.model_copy(update={"grid": GridLike(like=str(like.resolve()))})


# What the model learned from -----------------------------------------------------------------------------------------------


def lacking(kit: Kit, told: Recipe, kinds: Mapping[str, str]) -> list[str]:
    """Covariates of the model that a recipe does not give, and masks of covariates that have no classes."""
    lost = [name for name in kit.model.covariates if name not in kinds]
    faults = [f"covariates: no {name!r}, which the model asks for; expected a layer of that name" for name in lost]
    for name in told.maps.mask:
        if kinds.get(name) != "class":
            what = "has no classes" if name in kinds else "is no covariate"
            faults.append(f"maps.mask: {name!r} {what}; expected a covariate of kind class")
    return faults


def compare(kit: Kit, stack: TimedStack) -> tuple[list[str], list[str]]:
    """How the covariates differ from those that the model learned from: what forbids maps, and what is worth a note."""
    faults: list[str] = []
    notes: list[str] = []
    for name, numbers in zip(stack.names, stack.numbers, strict=True):
        known = kit.covariates.get(name)
        for number in numbers if known is not None else ():
            assert known is not None
            layer = stack.whole.layers[number]
            faults += _other_unit(name, known, layer.facts.unit)
            wrong, more = _other_classes(name, known, layer.facts.classes)
            faults, notes = faults + wrong, notes + more
            if layer.facts.kind != known.kind:
                faults.append(f"{name}: {layer.facts.kind} here, {known.kind} in the model; expected kind: {known.kind}")
    return list(dict.fromkeys(faults)), list(dict.fromkeys(notes))


def _other_unit(name: str, known: CovariateFacts, unit: str) -> list[str]:
    if not known.unit or not unit or _plain_unit(known.unit) == _plain_unit(unit):
        return []
    told = f"in {unit} here, in {known.unit} in the model"
    return [f"{name}: {told}; expected values in {known.unit} (a recipe may tell scale, offset and unit)"]


def _plain_unit(unit: str) -> str:
    plain = _word(unit)
    return height_unit(unit) or next((min(words) for words in _SAME_UNIT if plain in words), plain)


def _other_classes(name: str, known: CovariateFacts, classes: Mapping[int, str]) -> tuple[list[str], list[str]]:
    both = [code for code in known.classes if code in classes]
    other = [code for code in both if _word(known.classes[code]) != _word(classes[code])]
    if other:
        code = other[0]
        more = f" (and {len(other) - 1} more)" if len(other) > 1 else ""
        told = f"class {code} is {classes[code]!r} here, {known.classes[code]!r} in the model{more}"
        return [f"{name}: {told}; expected the classes of the model"], []
    new = [code for code in classes if known.classes and code not in known.classes]
    notes = [f"{name}: {len(new)} classes that the model's legend does not have, such as {new[0]} ({classes[new[0]]})"] if new else []
    return [], notes


def _word(text: str) -> str:
    return " ".join(text.lower().split())


def beyond_training(kit: Kit, layers: Sequence[AnyLayer]) -> list[str]:
    """A note for each covariate of which many cells lie beyond its range at the training profiles."""
    notes = []
    for layer in layers:
        known = kit.covariates.get(layer.name)
        if known is None or known.low is None or known.high is None:
            continue
        windows = covariates.windows(layer.grid, SIDE)
        chosen = np.unique(np.linspace(0, len(windows) - 1, min(LOOKED_AT, len(windows))).round().astype(int))
        found = np.concatenate([_values(layer, windows[number]) for number in chosen])
        share = float(np.mean((found < known.low) | (found > known.high))) if found.size else 0.0
        if share > MUCH:
            here, there = f"{found.min():.4g} to {found.max():.4g}", f"{known.low:.4g} to {known.high:.4g}"
            notes.append(
                f"{layer.name}: {share:.0%} of the cells looked at ({here}) lie beyond its range at the training profiles ({there})"
            )
    return notes


def _values(layer: AnyLayer, window: Window) -> np.ndarray:
    values = layer.read(window)
    return values[np.isfinite(values)]
