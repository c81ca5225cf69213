"""What a raster layer is: the facts that its file tells, with what the user said put in its place."""

from __future__ import annotations

import glob
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from affine import Affine
from odc.geo.crs import CRS
from pyproj.exceptions import CRSError
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader

from edaphic.covariates.address import shown
from edaphic.covariates.handles import HANDLES, Key, cut_short, lost_sources, reason, stamp
from edaphic.covariates.legends import class_names
from edaphic.covariates.origin import locate
from edaphic.covariates.source import Kind, Source, Told
from edaphic.covariates.tiles import stored
from edaphic.covariates.window import apply, crs_name
from edaphic.errors import RasterError, TableError

__all__ = ["LARGEST_CODE", "Kind", "LayerFacts", "Source", "expand", "facts", "stored"]

LARGEST_CODE = 2**24
"""Largest class code that a float32 raster holds exactly, as it does every smaller one."""


@dataclass(frozen=True)
class LayerFacts:
    """What is known of a layer before it is read. Scale, offset, nodata and unit are those that will be used.

    ``bands`` are those whose mean is taken, if there is more than one. Polygons have the cells of the grid.
    """

    name: str
    path: str
    kind: Kind
    band: int
    dtype: str
    crs: CRS
    crs_name: str
    transform: Affine
    width: int
    height: int
    nodata: float | None
    scale: float
    offset: float
    unit: str
    masked: bool
    notes: tuple[str, ...]
    key: Key
    bands: tuple[int, ...] = ()
    classes: Mapping[int, str] = field(default_factory=dict)
    form: Literal["raster", "polygons"] = "raster"
    measure: str = ""

    @property
    def resolution(self) -> tuple[float, float]:
        """Size of a cell along columns and rows, positive, in units of the CRS."""
        return math.hypot(self.transform.a, self.transform.d), math.hypot(self.transform.b, self.transform.e)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north bound, in units of the CRS."""
        ends = [apply(self.transform, col, row) for col in (0, self.width) for row in (0, self.height)]
        xs, ys = [x for x, _ in ends], [y for _, y in ends]
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def rotated(self) -> bool:
        """Whether rows do not run along the x axis."""
        return bool(self.transform.b or self.transform.d)


def expand(path_pattern: str | Path) -> list[Path]:
    """Files that match a pattern with ``*``, ``?``, ``[...]`` or ``**``, in the order of their names.

    Raises
    ------
    RasterError
        No file matches.

    Examples
    --------
    >>> expand("nowhere/*.tif")
    Traceback (most recent call last):
    edaphic.errors.RasterError: nowhere/*.tif: no file matches; expected at least one raster
    """
    found = sorted(Path(name) for name in glob.glob(str(path_pattern), recursive=True) if Path(name).is_file())
    if not found:
        raise RasterError(f"{path_pattern}: no file matches; expected at least one raster")
    return found


def facts(source: Source) -> LayerFacts:
    """What the file of a layer tells, with what the user said put in its place.

    Raises
    ------
    RasterError
        One line for each fault: missing or unreadable file, no such band, no CRS, no geotransform, complex numbers, a
        file shorter than its last block, a nodata value the data type cannot hold, a scaled class layer.

    Examples
    --------
    >>> facts(Source("slope", "missing.tif"))
    Traceback (most recent call last):
    edaphic.errors.RasterError: slope: missing.tif: no such file; expected a raster
    """
    path = shown(source.path)
    try:
        told = locate(source)
        lost = lost_sources(told.address)
        if lost:
            raise RasterError(f"{path}: refers to {_some(lost)}; expected the files that it is made of")
        key = (told.address, stamp(told.address))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # refused below, in our own words
            with HANDLES.take(key) as dataset:
                found = _faults(source, told, dataset)
                if not found:
                    return _describe(source, told, dataset, key)
    except (RasterError, TableError) as error:
        raise RasterError(f"{source.name}: {fault}" for fault in error.faults) from error
    raise RasterError(f"{source.name}: {path}: {fault}" for fault in found)


def _faults(source: Source, told: Told, dataset: DatasetReader) -> list[str]:
    band = told.bands[0]
    if not 1 <= band <= dataset.count:
        return [f"no band {band}; expected one of 1 to {dataset.count}"]
    found = _georeference_faults(dataset, told)
    dtype = np.dtype(dataset.dtypes[band - 1])
    scale, offset = _scaling(source, told, dataset)
    if dtype.kind not in "iuf":
        found.append(f"values of type {dtype}; expected real numbers")
    elif source.nodata is not None and told.nodata is None and stored(source.nodata, dtype) is None:
        found.append(f"nodata {source.nodata:g} cannot occur in values of type {dtype}; expected one that can")
    if not (math.isfinite(scale) and math.isfinite(offset) and scale != 0.0):
        found.append(f"scale {scale:g} and offset {offset:g}; expected finite numbers, and a scale that is not 0")
    if source.value is not None:
        found.append(f"value {source.value!r} for a raster; expected polygons, of which it chooses some by an attribute")
    if source.kind not in ("continuous", "class"):
        found.append(f"kind {source.kind!r}; expected continuous or class")
    if source.kind == "class" and (scale, offset) != (1.0, 0.0):
        found.append(f"class codes with scale {scale:g} and offset {offset:g}; expected codes as they are (1 and 0)")
    if source.kind == "class" and len(told.bands) > 1:
        found.append(f"the mean of {len(told.bands)} time steps of class codes; expected one time step")
    if source.resampling not in FITTING.get(source.kind, _ANY):
        expected = ", ".join(FITTING.get(source.kind, _ANY))
        found.append(f"resampling {source.resampling!r} of a {source.kind} layer; expected one of {expected}")
    if cut_short(dataset, band):
        found.append("the file ends before its last block: it was cut short; expected a whole file")
    return found


def _georeference_faults(dataset: DatasetReader, told: Told) -> list[str]:
    if told.crs is None and not dataset.crs:
        points, _ = dataset.gcps
        what = "ground control points only" if points else "no coordinate reference system"
        return [f"{what}; expected a raster with a CRS"]
    found = []
    try:
        crs = told.crs or CRS(dataset.crs)
        if not (crs.geographic or crs.projected):
            found.append("a local coordinate system; expected a geographic or projected CRS")
    except CRSError as error:
        found.append(f"a CRS that is not understood ({reason(error, dataset.name)})")
    place = told.transform or dataset.transform
    if place.is_identity or place.is_degenerate or not all(math.isfinite(number) for number in place):
        found.append("no geotransform; expected a raster that says where its cells lie")
    return found


def _describe(source: Source, told: Told, dataset: DatasetReader, key: Key) -> LayerFacts:
    band = told.bands[0]
    index = band - 1
    dtype = np.dtype(dataset.dtypes[index])
    tagged = None if told.without_nodata else dataset.nodatavals[index]
    scale, offset = _scaling(source, told, dataset)
    flags = dataset.mask_flag_enums[index]
    classes: Mapping[int, str] = {}
    whence = ""
    if source.kind == "class":
        classes, whence = class_names(source, dataset, band)
    if told.classes and source.kind == "class" and source.classes is None:
        classes, whence = told.classes, "classes named by the STAC item"
    crs = told.crs or CRS(dataset.crs)
    return LayerFacts(
        name=source.name,
        path=shown(source.path),
        kind=source.kind,
        band=band,
        dtype=str(dtype),
        crs=crs,
        crs_name=crs_name(crs) if told.crs else _crs_name(dataset),
        transform=told.transform or dataset.transform,
        width=dataset.width,
        height=dataset.height,
        nodata=_nodata(source, told, tagged),
        scale=scale,
        offset=offset,
        unit=source.unit or told.unit or dataset.units[index] or "",
        masked=MaskFlags.per_dataset in flags or MaskFlags.alpha in flags,
        notes=(*told.notes, *_notes(source, told, dataset, dtype, tagged), *((whence,) if whence else ())),
        key=key,
        bands=told.bands,
        classes=classes,
    )


def _nodata(source: Source, told: Told, tagged: float | None) -> float | None:
    if told.nodata is not None:
        return told.nodata
    return tagged if source.nodata is None else float(source.nodata)


def _crs_name(dataset: DatasetReader) -> str:
    """The code of the CRS where GDAL finds one that matches, else its name."""
    code = dataset.crs.to_epsg()
    return f"EPSG:{code}" if code else str(CRS(dataset.crs).proj.name)


def _scaling(source: Source, told: Told, dataset: DatasetReader) -> tuple[float, float]:
    """Of the user, else of the container, else of the file."""
    index = told.bands[0] - 1
    scale = next(value for value in (source.scale, told.scale, dataset.scales[index]) if value is not None)
    offset = next(value for value in (source.offset, told.offset, dataset.offsets[index]) if value is not None)
    return float(scale), float(offset)


def _notes(source: Source, told: Told, dataset: DatasetReader, dtype: np.dtype[Any], tagged: float | None) -> tuple[str, ...]:
    """What was decided for the user, so that it can be shown."""
    notes = []
    if dataset.count > 1 and not told.notes:
        notes.append(f"band {source.band} of {dataset.count}")
    if source.nodata is None and told.nodata is None and tagged is not None and stored(tagged, dtype) is None:
        notes.append(f"the file's nodata {tagged:g} cannot occur in {dtype}")
    if source.nodata is not None and told.nodata is None and tagged is not None and not _same(source.nodata, tagged):
        notes.append(f"nodata {source.nodata:g} given, in place of the file's {tagged:g}")
    file_scale, file_offset = dataset.scales[told.bands[0] - 1], dataset.offsets[told.bands[0] - 1]
    if (file_scale, file_offset) not in ((1.0, 0.0), _scaling(source, told, dataset)):
        notes.append(f"scale and offset given, in place of the file's {file_scale:g} and {file_offset:g}")
    return tuple(notes)


_ANY: tuple[str, ...] = ("auto",)

FITTING: Mapping[str, tuple[str, ...]] = {
    "continuous": ("auto", "nearest", "bilinear", "average"),
    "class": ("auto", "nearest", "mode"),
}
"""What may be asked of each kind: class codes are never blended, numbers have no majority."""


def _some(names: Sequence[str]) -> str:
    """Missing files, in words."""
    return f"{names[0]}{f' and {len(names) - 1} more files' if len(names) > 1 else ''}, not there"


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
