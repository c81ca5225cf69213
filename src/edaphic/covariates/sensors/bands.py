"""Bands of a scene by name: of one file of many bands, or of a folder of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edaphic.covariates.facts import Source, facts
from edaphic.covariates.handles import HANDLES
from edaphic.errors import RasterError

ENDINGS = (".tif", ".tiff", ".img", ".vrt", ".jp2", ".asc", ".nc")
"""Of the files of a folder that count as bands."""


def band_sources(
    path: Path,
    wanted: Mapping[str, str] | None = None,
    *,
    role: str = "scene",
    nodata: float | None = None,
    scale: float | None = None,
    offset: float | None = None,
) -> dict[str, Source]:
    """The bands of a scene.

    Parameters
    ----------
    path : Path
        A raster, or a folder of rasters of one band each.
    wanted : mapping of name to word, optional
        For a raster the number of the band, from 1, or its description in the file; for a folder the name of the file or a pattern that one
        file matches, such as ``*_B3.TIF``. Unless given all bands are taken in their order, and all files in the order of their names; they
        bear their descriptions, or band_1 and so on, or the names of the files.
    role : str
        What the scene is, for messages.
    nodata, scale, offset : float, optional
        As of :class:`Source`.

    Returns
    -------
    dict of str to Source

    Raises
    ------
    RasterError
        One line for each band that is not there.

    Examples
    --------
    >>> band_sources(Path("missing.tif"), {"red": "1"})
    Traceback (most recent call last):
    edaphic.errors.RasterError: scene: missing.tif: no such file; expected a raster
    """
    found = _in_folder(path, wanted, role) if path.is_dir() else _in_file(path, wanted, role)
    return {
        name: Source(f"{role} {name}", file, band=band, nodata=nodata, scale=scale, offset=offset) for name, (file, band) in found.items()
    }


def _in_file(path: Path, wanted: Mapping[str, str] | None, role: str) -> dict[str, tuple[Path, int]]:
    known = facts(Source(role, path))
    with HANDLES.take(known.key) as dataset:
        words = [str(text or "").strip() for text in dataset.descriptions]
    if wanted is None:
        named = all(words) and len(set(words)) == len(words)
        return {words[k] if named else f"band_{k + 1}": (path, k + 1) for k in range(len(words))}
    faults, found = [], {}
    for name, word in wanted.items():
        number = int(word) if word.isascii() and word.isdigit() else words.index(word) + 1 if word in words else 0
        if not 1 <= number <= len(words):
            described = f" ({', '.join(words)})" if all(words) else ""
            faults.append(f"{role}: {path}: band {name}: found no band {word}; expected one of 1 to {len(words)}{described}")
        found[name] = (path, number)
    if faults:
        raise RasterError(faults)
    return found


def _in_folder(path: Path, wanted: Mapping[str, str] | None, role: str) -> dict[str, tuple[Path, int]]:
    files = sorted(file for file in path.iterdir() if file.is_file() and file.suffix.lower() in ENDINGS)
    if not files:
        raise RasterError(f"{role}: {path}: found no raster in the folder; expected one for each band")
    if wanted is None:
        return {file.stem: (file, 1) for file in files}
    faults, found = [], {}
    for name, word in wanted.items():
        matching = _matching(files, word)
        if len(matching) != 1:
            what = ", ".join(file.name for file in matching) or "no file"
            faults.append(f"{role}: {path}: band {name}: found {what} for {word!r}; expected one file")
        else:
            found[name] = (matching[0], 1)
    if faults:
        raise RasterError(faults)
    return found


def _matching(files: Sequence[Path], word: str) -> list[Path]:
    """The file of that name, with or without its ending; else those that match the pattern."""
    named = [file for file in files if word in (file.name, file.stem)]
    return named or [file for file in files if file.match(word)]
