"""Find scenes: in a folder of product files, in a raster of several bands, in a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy as np
from rasterio.io import DatasetReader

from edaphic.covariates.facts import stored as stored_as
from edaphic.covariates.handles import open_raster
from edaphic.covariates.spectra.bands import ROLES, SAFE, SENSORS, ProductName, read_name, role_of
from edaphic.covariates.spectra.metadata import Metadata, read_mtl, read_sentinel
from edaphic.covariates.spectra.products import one_product, surface
from edaphic.covariates.spectra.quality import is_code, scheme_of, scheme_of_part
from edaphic.covariates.spectra.scaling import Known, Told, choose
from edaphic.covariates.spectra.scene import Quality, Scene, SceneBand
from edaphic.errors import RasterError

ENDINGS = (".tif", ".tiff", ".jp2", ".img", ".vrt")
LAYOUTS: Mapping[tuple[str, int], tuple[str, ...]] = {
    ("tm", 6): ("blue", "green", "red", "nir", "swir1", "swir2"),
    ("tm", 7): ("blue", "green", "red", "nir", "swir1", "thermal", "swir2"),
    ("oli", 6): ("blue", "green", "red", "nir", "swir1", "swir2"),
    ("oli", 7): ("coastal", "blue", "green", "red", "nir", "swir1", "swir2"),
    ("msi", 10): ("blue", "green", "red", "red_edge1", "red_edge2", "red_edge3", "nir", "nir_narrow", "swir1", "swir2"),
}
"""Roles of the bands of a stack, by sensor and number of bands, in the order of the sensor's own numbers."""

Places = Mapping[str, tuple[str, int]]
"""File and band of the file (from 1) by role."""


@dataclass(frozen=True)
class Words:
    """What the user says of scenes.

    Parameters
    ----------
    bands : mapping of str to str, optional
        By role: the number of a band of the file, or ``FILE`` or ``FILE:NUMBER`` within the folder.
    sensor : str
        "" if it is to be told by names.
    told : Told
    qa : str
        Quality raster, "" if it is to be found by names.
    scheme : str
        Of the quality raster, "" if its name tells.
    day : date, optional
    """

    bands: Mapping[str, str] | None = None
    sensor: str = ""
    told: Told = field(default_factory=Told)
    qa: str = ""
    scheme: str = ""
    day: date | None = None

    def __post_init__(self) -> None:
        faults = [f"--bands: found {role!r}; expected some of {', '.join(ROLES)}" for role in self.bands or () if role not in ROLES]
        if self.sensor and self.sensor not in SENSORS:
            faults.append(f"--sensor: found {self.sensor!r}; expected one of {', '.join(SENSORS)}")
        if faults:
            raise RasterError(faults)
        if self.scheme:
            scheme_of(self.scheme)


def read_bands(text: str) -> dict[str, str]:
    """Bands from ``ROLE=NUMBER`` or ``ROLE=FILE[:NUMBER]``, with commas.

    >>> read_bands("red=3, nir=LE7_B4.tif")
    {'red': '3', 'nir': 'LE7_B4.tif'}
    """
    found: dict[str, str] = {}
    faults = []
    for word in text.split(","):
        role, is_there, place = (part.strip() for part in word.partition("="))
        if not is_there or not place or role not in ROLES:
            faults.append(f"--bands: found {word.strip()!r}; expected ROLE=NUMBER or ROLE=FILE, with a role of {', '.join(ROLES)}")
        elif role in found:
            faults.append(f"--bands: found the role {role} twice; expected each once")
        found[role] = place
    places = list(found.values())
    doubled = sorted({place for place in places if places.count(place) > 1})
    faults += [
        f"--bands: found {place} for {' and '.join(r for r, p in found.items() if p == place)}; expected one role" for place in doubled
    ]
    if faults:
        raise RasterError(faults)
    return found


def scene_of_file(path: Path, words: Words) -> Scene:
    """A scene from one raster of several bands.

    Bands are found by ``words.bands``, else by their descriptions in the file, else by sensor and number of bands.

    Raises
    ------
    RasterError
        The file cannot be read, a band is not there, or it is not known which bands are which.
    """
    with open_raster(path) as raster:
        places, note = _places_in(path, raster, words)
    return put_together(path.name, places, words, read_name(path.name), path.parent, [note] if note else [])


def _places_in(path: Path, raster: DatasetReader, words: Words) -> tuple[Places, str]:
    if words.bands:
        faults = [
            f"--bands {role}={place}: no band of {path.name}; expected one of 1 to {raster.count}"
            for role, place in words.bands.items()
            if not (place.isdigit() and 1 <= int(place) <= raster.count)
        ]
        if faults:
            raise RasterError(faults)
        return {role: (str(path), int(place)) for role, place in words.bands.items()}, ""
    described = [role_of(words.sensor, text or "") for text in raster.descriptions]
    named = {role: (str(path), number) for number, role in enumerate(described, start=1) if role}
    if len(named) >= 2 and len(named) == sum(1 for role in described if role):
        return named, f"bands by their descriptions: {_listed(named)}"
    layout = LAYOUTS.get(("tm" if words.sensor == "etm" else words.sensor, raster.count))
    if layout is None:
        of_sensor = f" of the sensor {words.sensor}" if words.sensor else ""
        raise RasterError(
            f"{path}: found {raster.count} bands{of_sensor} without names; expected --bands, such as blue=1,green=2,red=3,nir=4"
        )
    placed = {role: (str(path), number) for number, role in enumerate(layout, start=1)}
    return placed, f"{raster.count} bands are taken in the order of the sensor {words.sensor}: {_listed(placed)}"


def _listed(places: Places) -> str:
    return ", ".join(f"{role} {number}" for role, (_, number) in places.items())


def scenes_of_folder(folder: Path, words: Words) -> list[Scene]:
    """Scenes in a folder and the folders in it, by the names of their files; one scene where ``words.bands`` name its files.

    Raises
    ------
    RasterError
        No such folder, no scene in it, files that are missing or not one, broken metadata.
    """
    if not folder.is_dir():
        raise RasterError(f"{folder}: no such folder; expected one with the bands of scenes")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if words.bands:
        return [_explicit(folder, files, words)]
    groups: dict[str, list[tuple[Path, ProductName]]] = {}
    for path in files:
        named = read_name(path.name)
        if named is not None:
            groups.setdefault(named.scene, []).append((path, named))
    faults: list[str] = []
    scenes = []
    for name, members in sorted(groups.items()):
        for own_name, kept, notes in one_product(name, members):
            try:
                scenes.append(_by_names(own_name, kept, words, notes))
            except RasterError as error:
                faults += error.faults
    if faults:
        raise RasterError(faults)
    if not any(scene.bands for scene in scenes):
        raise RasterError(
            f"{folder}: no file whose name tells sensor, date and band ({len(files)} files); expected Landsat or Sentinel-2 products, "
            "or --bands such as red=FILE,nir=FILE"
        )
    return [scene for scene in scenes if scene.bands]


def _explicit(folder: Path, files: Sequence[Path], words: Words) -> Scene:
    """A scene whose bands the user names, each by a file or a pattern within the folder."""
    assert words.bands is not None
    faults, places = [], {}
    for role, place in words.bands.items():
        pattern, _, number = place.rpartition(":")
        if not (pattern and number.isdigit()):
            pattern, number = place, "1"
        found = [path for path in files if path.relative_to(folder).match(pattern) and path.suffix.lower() in ENDINGS]
        if len(found) != 1:
            what = "no file" if not found else f"{len(found)} files ({', '.join(path.name for path in found[:3])})"
            faults.append(f"--bands {role}={place}: {what} in {folder}; expected one")
            continue
        with open_raster(found[0]) as raster:
            if not 1 <= int(number) <= raster.count:
                faults.append(f"--bands {role}={place}: no band {number} of {found[0].name}; expected one of 1 to {raster.count}")
        places[role] = (str(found[0]), int(number))
    if faults:
        raise RasterError(faults)
    names = [named for path, _ in places.values() if (named := read_name(Path(path).name)) is not None]
    same = names[0] if names and len({named.scene for named in names}) == 1 else None
    return put_together(same.scene if same else folder.name, places, words, same, folder, [])


def _by_names(name: str, members: Sequence[tuple[Path, ProductName]], words: Words, notes: list[str]) -> Scene:
    """A scene from files that share its name: the finest file of each band, surface reflectance where there is some."""
    best: dict[str, tuple[tuple[bool, int], Path]] = {}
    faults: list[str] = []
    quality: list[Quality] = []
    for path, named in members:
        if path.suffix.lower() not in ENDINGS:
            continue
        part = named.part.upper()
        role = named.role
        rank = (not surface(named), named.metres)
        if role and role in best and rank == best[role][0] and path.parent != best[role][1].parent and named.sensor == "msi":
            faults.append(f"{name}: {role}: found {best[role][1]} and {path}; expected the files of one product")
        if role and (role not in best or rank < best[role][0]):
            best[role] = (rank, path)
        scheme = scheme_of_part(part, named.level)
        if scheme:
            quality.append(Quality(str(path), scheme))
        elif part in ("QA_RADSAT", "RADSAT_QA"):
            quality.append(Quality(str(path), "radsat1" if part == "RADSAT_QA" else "radsat"))
    first = members[0][1]
    if words.sensor and words.sensor != first.sensor:
        raise RasterError(f"--sensor {words.sensor}: {name} is of {first.sensor} by its name; expected the same")
    places = {role: (str(best[role][1]), 1) for role in ROLES if role in best}
    if faults:
        raise RasterError(faults)
    if quality and not words.qa:
        seen: dict[str, Quality] = {}
        for one in quality:
            seen.setdefault(one.scheme, one)  # of the classes at 20 and 60 m, the finer comes first by name
        quality = list(seen.values())
    return put_together(name, places, words, first, members[0][0].parent, notes, quality)


def put_together(
    name: str, places: Places, words: Words, named: ProductName | None, folder: Path, notes: list[str], quality: Sequence[Quality] = ()
) -> Scene:
    """The scene with its scaling, one note for bands that are alike."""
    sensor = words.sensor or (named.sensor if named else "")
    stated = words.told.scale is not None or words.told.offset is not None or words.told.level in ("dn", "reflectance")
    metadata = None if stated else _metadata(folder, named, places)  # nothing is asked of them then, and they may be of any age
    day = words.day or (metadata.day if metadata else None) or (named.day if named else None)
    bands, said = {}, dict.fromkeys(notes)
    for role, (path, number) in places.items():
        with open_raster(path) as raster:
            at = number - 1
            stored = raster.dtypes[at], raster.scales[at], raster.offsets[at], raster.nodatavals[at]
        safe = _safe(path) if sensor == "msi" else None
        own = _own_name(path, named)
        # Surface reflectance of Collection 1 comes with the text of the product that it was made from.
        told = None if metadata is not None and own is not None and own.level == "L2" and metadata.level == "L1" else metadata
        level = told.level if told else (own.level if own else "")
        level = level or ({"1C": "L1", "2A": "L2"}[safe["level"].upper()] if safe else "")
        known = Known(*stored, sensor, level, own.collection if own else "", safe["baseline"] if safe else "", day, told)
        scaling, note = choose(words.told, known, role) if role != "thermal" else (SceneBand("").scaling, "")
        if scaling.fill is not None and stored_as(scaling.fill, np.dtype(stored[0])) is None:
            scaling = replace(scaling, fill=None)
        bands[role] = SceneBand(path, number, scaling)
        if note:
            said[note] = None
    parts = [_with_codes(part, said) for part in (_stated_quality(words, folder) if words.qa else quality)]
    return Scene(name, bands, day, sensor, tuple(parts), tuple(said), (metadata.path,) if metadata is not None else ())


def _own_name(path: str, named: ProductName | None) -> ProductName | None:
    """What the names of scene and file tell of a band: the file of surface reflectance of Collection 1 bears the name of Level 1."""
    own = read_name(Path(path).name)
    if named is None or own is None or not surface(own):
        return named
    return replace(named, level="L2", collection=named.collection or "01")


def _with_codes(part: Quality, said: dict[str, None]) -> Quality:
    """A quality band whose nodata is a code of its scheme, as 0 for clear cells, with another nodata."""
    with open_raster(part.path) as raster:
        nodata, dtype = raster.nodatavals[part.band - 1], raster.dtypes[part.band - 1]
    if nodata is None or not is_code(part.scheme, nodata):
        return part
    said[f"quality {part.scheme}: the file's nodata {nodata:g} is a code of its cells, and read as one"] = None
    return replace(part, nodata=-128.0 if dtype == "int8" else 255.0)


def _stated_quality(words: Words, folder: Path) -> tuple[Quality, ...]:
    path = Path(words.qa) if Path(words.qa).is_file() else folder / words.qa
    if not path.is_file():
        raise RasterError(f"--qa {words.qa}: no such file; expected a raster of quality")
    named = read_name(path.name)
    scheme = words.scheme or (scheme_of_part(named.part, named.level) if named else "") or scheme_of_part(path.stem, "")
    if not scheme:
        raise RasterError(f"--qa {path.name}: found no scheme in its name; expected --qa-scheme beside it")
    return (Quality(str(path), scheme),)


def _metadata(folder: Path, named: ProductName | None, places: Places) -> Metadata | None:
    """Metadata that stand beside the bands: the MTL text of the scene's name, or the XML of the Sentinel-2 product."""
    if named is None:
        return None
    if named.sensor != "msi":
        found = [path for path in sorted(folder.glob("*[Mm][Tt][Ll].txt")) if path.name.upper().startswith(named.scene.upper())]
        return read_mtl(found[0]) if found else None
    for place in {Path(path).parent: None for path, _ in places.values()}:
        for above in (place, *place.parents[:5]):
            for path in sorted(above.glob("MTD_MSIL*.xml")):
                return read_sentinel(path)
            if SAFE.match(above.name):
                break
    return None


def _safe(path: str) -> re.Match[str] | None:
    """What the name of a Sentinel-2 product tells, in which a file lies."""
    return next((found for part in reversed(Path(path).resolve().parts) if (found := SAFE.match(part)) is not None), None)
