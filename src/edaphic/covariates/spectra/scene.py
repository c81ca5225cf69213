"""A scene: bands of one date, their scaling and quality; read as reflectance on any grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from odc.geo.geobox import GeoBox

from edaphic.covariates.facts import LayerFacts, Source, facts
from edaphic.covariates.grid import grid_like
from edaphic.covariates.spectra.quality import DEFAULT_MASK, scheme_of
from edaphic.covariates.spectra.reflectance import Scaling
from edaphic.covariates.window import crs_name, same_crs
from edaphic.errors import RasterError

WHOLE = 1e-3
"""Cell sizes whose ratio misses a whole number by less have that ratio."""


@dataclass(frozen=True)
class SceneBand:
    """A band of a scene: file, band of the file (from 1), and scaling."""

    path: str
    band: int = 1
    scaling: Scaling = field(default_factory=Scaling)


@dataclass(frozen=True)
class Quality:
    """A quality band: file, band of the file, and one of :data:`.quality.SCHEMES`, or "radsat" and "radsat1" for saturation.

    ``nodata`` takes the place of what the file says, where that is a code of the scheme.
    """

    path: str
    scheme: str
    band: int = 1
    nodata: float | None = None


@dataclass(frozen=True)
class Scene:
    """Bands of one place and date.

    Parameters
    ----------
    name : str
    bands : mapping of str to SceneBand
        By role.
    day : date, optional
    sensor : str
        "tm", "etm", "oli", "msi", or "" if not known.
    quality : tuple of Quality
    notes : tuple of str
        What was assumed when it was put together.
    metadata : tuple of str
        Files of metadata that were read.
    """

    name: str
    bands: Mapping[str, SceneBand]
    day: date | None = None
    sensor: str = ""
    quality: tuple[Quality, ...] = ()
    notes: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()

    def band(self, role: str) -> SceneBand | None:
        """The band of a role; the narrow near infrared of Sentinel-2 stands in for the wide one."""
        return self.bands.get(role) or (self.bands.get("nir_narrow") if role == "nir" else None)

    @property
    def is_reflectance(self) -> bool:
        """Whether all bands are reflectance."""
        return all(band.scaling.is_reflectance for role, band in self.bands.items() if role != "thermal")


def quality_notes(scenes: Sequence[Scene], mask: Sequence[str]) -> list[str]:
    """What the quality bands of scenes cannot tell: all of it where there are none, or conditions that the user names."""
    found = []
    without = [scene.name for scene in scenes if not any(not part.scheme.startswith("radsat") for part in scene.quality)]
    if without and mask:
        what = without[0] if len(without) == 1 else f"{len(without)} of {len(scenes)} scenes"
        found.append(f"{what}: no quality band: cloud and shadow are not left out")
    for scheme in dict.fromkeys(part.scheme for scene in scenes for part in scene.quality if not part.scheme.startswith("radsat")):
        unknown = [name for name in mask if name not in scheme_of(scheme) and name not in DEFAULT_MASK]
        if unknown:
            found.append(f"quality {scheme} knows no {', '.join(unknown)}: passed over")
    return found


def files_of(scenes: Sequence[Scene]) -> list[Path]:
    """All files that scenes are read from: bands, quality bands and metadata, each once, in the order of the scenes.

    >>> files_of([Scene("a", {"red": SceneBand("b4.tif"), "nir": SceneBand("b5.tif")}, quality=(Quality("qa.tif", "mask"),))])
    [PosixPath('b4.tif'), PosixPath('b5.tif'), PosixPath('qa.tif')]
    """
    found: dict[Path, None] = {}
    for scene in scenes:
        found |= dict.fromkeys(Path(band.path) for band in scene.bands.values())
        found |= dict.fromkeys(Path(part.path) for part in scene.quality)
        found |= dict.fromkeys(Path(path) for path in scene.metadata)
    return list(found)


def missing(scene: Scene, role: str) -> str:
    """What to say of a band that a scene does not have."""
    return f"{scene.name}: no band {role}; found {', '.join(scene.bands) or 'none'}"


def band_source(name: str, band: SceneBand) -> Source:
    # Stored numbers as they are: the scaling of the scene has taken note of what the file says. Where the file says nothing of
    # missing values, the product's fill is known, and must not be blended into its neighbours.
    return Source(name, band.path, band=band.band, scale=1.0, offset=0.0, nodata=band.scaling.fill)


def quality_source(scene: Scene, part: Quality) -> Source:
    return Source(
        f"{scene.name}: quality", part.path, kind="class", band=part.band, nodata=part.nodata, scale=1.0, offset=0.0, resampling="nearest"
    )


def scene_grid(scene: Scene, roles: Sequence[str]) -> GeoBox:
    """The grid of the finest of some bands of a scene.

    All bands and quality bands must cover the same area in the same CRS, with cells that fit into each other.

    Raises
    ------
    RasterError
        One line for each band that does not fit.
    GridError
        The grid is rotated, south-up or in no CRS that is understood.
    """
    sources = {role: band_source(f"{scene.name}: {role}", band) for role in roles if (band := scene.band(role)) is not None}
    faults = [missing(scene, role) for role in roles if role not in sources]
    known: dict[str, LayerFacts] = {}
    for role, source in (*sources.items(), *((f"quality {part.scheme}", quality_source(scene, part)) for part in scene.quality)):
        try:
            known[role] = facts(source)
        except RasterError as error:
            faults += error.faults
    if faults:
        raise RasterError(faults)
    # Against the area that most bands cover, so that the one that is amiss is named.
    areas = Counter(_area(known[role]) for role in known)
    most = [role for role in sources if areas[_area(known[role])] == max(areas[_area(known[other])] for other in sources)]
    finest = min(most, key=lambda role: known[role].resolution)
    faults = [fault for role, other in known.items() if role != finest and (fault := _misfit(scene, finest, known[finest], role, other))]
    if faults:
        raise RasterError(faults)
    return grid_like(known[finest].path)


def _area(known: LayerFacts) -> tuple[str, tuple[float, ...]]:
    return known.crs_name, tuple(round(bound, 3) for bound in known.bounds)


def _misfit(scene: Scene, finest: str, reference: LayerFacts, role: str, other: LayerFacts) -> str:
    """Why a band does not fit the finest one; empty where it does."""
    if not same_crs(reference.crs, other.crs):
        return f"{scene.name}: {role} is in {other.crs_name}, {finest} in {reference.crs_name}; expected bands of one scene in one CRS"
    ratios = [theirs / ours for theirs, ours in zip(other.resolution, reference.resolution, strict=True)]
    off = [abs(theirs - ours) for theirs, ours in zip(other.bounds, reference.bounds, strict=True)]
    if any(abs(ratio - round(ratio)) > WHOLE * ratio for ratio in ratios):
        return (
            f"{scene.name}: {role} has cells of {other.resolution[0]:g}, {finest} of {reference.resolution[0]:g} "
            f"({crs_name(reference.crs)} units); expected the same, or a multiple"
        )
    if max(off) > 0.5 * max(reference.resolution):
        return (
            f"{scene.name}: {role} covers {_extent(other)}, {finest} covers {_extent(reference)}; expected bands of one scene to cover the "
            "same area (or --like with the raster of a grid, to align them by coordinates)"
        )
    return ""


def _extent(known: LayerFacts) -> str:
    return f"{', '.join(f'{bound:.9g}' for bound in known.bounds)} ({known.height} x {known.width} cells)"
