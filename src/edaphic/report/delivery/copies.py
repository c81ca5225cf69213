"""Maps of a run under other names: copied with what lies beside them, or one for each class; and the list of all that was delivered."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray

from edaphic.covariates import Source, Window, grid_like, open_layer, windows
from edaphic.errors import EdaphicError, RasterError
from edaphic.files import sha256_of, write_text
from edaphic.mapping.info import MapInfo, words_of
from edaphic.mapping.write import BandWriter, publish
from edaphic.progress import Say
from edaphic.report.delivery.names import MapFile, clashes, filled, lacking

SIDE = 1024
"""Side of the windows in which a map is split by classes."""

Classes = Callable[[Window], NDArray[np.float32]]
"""Class codes of a window of the maps' grid, NaN where there is none."""


@dataclass(frozen=True)
class Copy:
    """A map, the name it is delivered under without ending, and the code of the class it is cut to (None: all of it)."""

    of: MapFile
    name: str
    code: int | None = None


@dataclass(frozen=True)
class Pattern:
    """A pattern of names, and patterns of the maps it is for."""

    text: str
    maps: tuple[str, ...] = ("*",)


def plan_copies(
    maps: Sequence[MapFile], patterns: Sequence[Pattern], classes: Mapping[int, str] | None = None, *, every_pattern: bool = True
) -> list[Copy]:
    """Which map is delivered under which name.

    Parameters
    ----------
    maps : sequence of MapFile
    patterns : sequence of Pattern
    classes : mapping of int to str, optional
        Class codes and their words. A map that is of no ecosystem by its name gets one file for each of them where a pattern asks
        for ``{ecosystem}``.
    every_pattern : bool
        Each pattern has to be for a map.

    Raises
    ------
    EdaphicError
        One line for each fault: a pattern that is for no map, a field that a map does not have, one name for two maps.
    """
    faults: list[str] = []
    copies: list[Copy] = []
    for pattern in patterns:
        chosen = [own for own in maps if any(fnmatchcase(own.name, each) for each in pattern.maps)]
        if not chosen and every_pattern:
            known = ", ".join(own.name for own in maps[:4]) + (" ..." if len(maps) > 4 else "")
            faults.append(f"deliver.names: no map fits {', '.join(pattern.maps)}; expected patterns of names such as {known}")
        for own in chosen:
            copies += _copies_of(own, pattern.text, classes or {}, faults)
    named = [(one.of.name if one.code is None else f"{one.of.name} (class {one.code})", one.name) for one in copies]
    faults += [f"deliver.names: {fault}" for fault in clashes(named)]
    if faults:
        raise EdaphicError(faults)
    return copies


def _copies_of(own: MapFile, pattern: str, classes: Mapping[int, str], faults: list[str]) -> list[Copy]:
    lost = lacking(pattern, own.fields)
    if lost == ["ecosystem"] and classes:
        return [Copy(own, filled(pattern, {**own.fields, "ecosystem": word}), code) for code, word in classes.items()]
    if lost:
        braced = ", ".join(f"{{{name}}}" for name in lost)
        hint = _HINTS.get(lost[0], "a pattern without it, or maps: with the names of maps that have it")
        faults.append(f"deliver.names: {own.name} has no {braced}, which {pattern!r} asks for; expected {hint}")
        return []
    return [Copy(own, filled(pattern, own.fields))]


def write_copies(copies: Sequence[Copy], folder: Path, classes: Classes | None, say: Say) -> list[dict[str, Any]]:
    """Write maps under their names, each with styles and STAC item.

    A copy has the bytes of the map. A map cut to a class keeps the values of the cells of that class, the others are empty; its
    colours are those of the whole map.

    Returns
    -------
    Rows for the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, one in enumerate(copies):
        say("delivering maps", number, len(copies))
        final = folder / f"{one.name}.tif"
        if one.code is None:
            shutil.copyfile(one.of.path, final)
            _beside(one.of.path, final)
            how = "copy"
        else:
            assert classes is not None
            _cut(one, final, classes)
            how = f"cells of class {one.code}"
        rows.append({"file": final, "made_from": f"maps/{one.of.path.name}", "how": how, "unit": one.of.unit, "title": one.of.title})
    return rows


def _beside(path: Path, final: Path) -> None:
    """Styles and STAC item of a map, under its new name."""
    for ending in (".qml", ".sld"):
        if path.with_suffix(ending).is_file():
            shutil.copyfile(path.with_suffix(ending), final.with_suffix(ending))
    item_path = path.with_suffix(".json")
    if not item_path.is_file():
        return
    item = json.loads(item_path.read_text(encoding="utf-8"))
    item["id"], item["links"] = final.stem, []
    for asset in item.get("assets", {}).values():
        asset["href"] = f"./{final.stem}{Path(asset['href']).suffix}"
    write_text(final.with_suffix(".json"), json.dumps(item, indent=2, ensure_ascii=False) + "\n")


def _cut(one: Copy, final: Path, classes: Classes) -> None:
    grid = grid_like(one.of.path)
    layer = open_layer(Source(one.of.name, one.of.path), grid)
    work = final.with_name(f"{final.name}.tmp.tif")
    with BandWriter(work, grid) as writer:
        for window in windows(grid, SIDE):
            values = layer.read(window)
            writer.write(window, np.where(classes(window) == one.code, values, np.float32(np.nan)))
    low, high = _limits(one.of.path)
    publish(work, final, info_of(one.of, final.stem, one.code), grid, vmin=low, vmax=high)


def info_of(own: MapFile, name: str, code: int | None = None) -> MapInfo:
    """What is said of a map that is made of another one: title, unit, provenance and colours are those of that map."""
    with rasterio.open(own.path) as dataset:
        tags = dataset.tags()
    told = {key: text for key, text in tags.items() if key.startswith("EDAPHIC_") and key != "EDAPHIC_ROUNDING_ERROR"}
    only = "" if code is None else f", class {code} only"
    if code is not None:
        told["EDAPHIC_CLASS"] = str(code)
    years = own.fields.get("from"), own.fields.get("to")
    period = (int(years[0]), int(years[1])) if years[0] and years[1] else None
    info = MapInfo(name, own.title + only, own.unit, tags.get("DESCRIPTION", own.title), told, period)
    try:
        words = words_of(own.fields.get("stat", ""), own.unit)
    except KeyError:
        return info
    return MapInfo(info.name, info.title, info.unit, info.description, told, period, words.colours, words.limits, words.classes)


def _limits(path: Path) -> tuple[float | None, float | None]:
    """Smallest and largest value of a map, so that its parts have its colours."""
    with rasterio.open(path) as dataset:
        tags = dataset.tags(1)
    pairs = [("EDAPHIC_MINIMUM", "EDAPHIC_MAXIMUM"), ("STATISTICS_MINIMUM", "STATISTICS_MAXIMUM")]
    known = next((pair for pair in pairs if set(pair) <= set(tags)), None)
    return (None, None) if known is None else (float(tags[known[0]]), float(tags[known[1]]))


def manifest(folder: Path, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """All files of a folder of deliveries with their SHA-256; of the maps what they were made from and their unit.

    Parameters
    ----------
    folder : Path
    rows : iterable of mapping
        ``file`` (Path), ``made_from``, ``how``, ``unit``, ``title`` of those of which something is known.

    Raises
    ------
    RasterError
        A file that was to be there is not.
    """
    known = {row["file"]: row for row in rows}
    lost = [path for path in known if not path.is_file()]
    if lost:
        raise RasterError(f"{path}: not written; expected a delivered file" for path in lost)
    table = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST):
        row = known.get(path, {})
        table.append(
            {
                "file": path.relative_to(folder).as_posix(),
                "sha256": sha256_of(path),
                "bytes": path.stat().st_size,
                "unit": row.get("unit", ""),
                "made_from": row.get("made_from", ""),
                "how": row.get("how", ""),
                "title": row.get("title", ""),
            }
        )
    return pd.DataFrame(table, columns=["file", "sha256", "bytes", "unit", "made_from", "how", "title"])


MANIFEST = "manifest.csv"
"""The list of what was delivered."""

_PERIOD_HINT = "maps.period (or maps.periods) in the recipe, or a pattern without years"
_HINTS: Mapping[str, str] = {
    "ecosystem": "deliver.ecosystems, or maps: with the names of maps of one ecosystem",
    "epsg": "a pattern without it: the coordinate system has no code",
    "crs": "a pattern without it: the coordinate system has no code",
    **dict.fromkeys(("from", "to", "period", "begin", "end"), _PERIOD_HINT),
}
