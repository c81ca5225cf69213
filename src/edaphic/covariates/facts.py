"""What a raster layer is: its description by the user, and the facts that its file tells."""

from __future__ import annotations

import glob
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from affine import Affine
from odc.geo.crs import CRS
from pyproj.exceptions import CRSError
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from edaphic.covariates.handles import HANDLES, Key, reason, stamp
from edaphic.covariates.window import apply
from edaphic.errors import RasterError

Kind = Literal["continuous", "class"]

LARGEST_CODE = 2**24
"""Largest class code that a float32 raster holds exactly, as it does every smaller one."""


@dataclass(frozen=True)
class Source:
    """A raster layer, as the user describes it.

    Parameters
    ----------
    name : str
        Name of the layer in the stack.
    path : str or Path
        Any raster that GDAL reads.
    kind : {"continuous", "class"}
        Class codes are never blended.
    band : int
        Band of the file, from 1.
    nodata : float, optional
        Value that means "no value", in the numbers stored in the file. It replaces what the file says. Numbers that are
        not finite or are beyond 1e30 never count as values.
    scale, offset : float, optional
        Value = stored number x scale + offset. They replace what the file says.
    unit : str, optional
        Unit of the values. It replaces what the file says.
    classes : mapping of int to str, optional
        Names of the class codes.

    Examples
    --------
    >>> Source("elevation", "dem.tif", nodata=-9999, unit="m").kind
    'continuous'
    """

    name: str
    path: str | Path
    kind: Kind = "continuous"
    band: int = 1
    nodata: float | None = None
    scale: float | None = None
    offset: float | None = None
    unit: str | None = None
    classes: Mapping[int, str] | None = None


@dataclass(frozen=True)
class LayerFacts:
    """What is known of a layer before it is read. Scale, offset, nodata and unit are those that will be used."""

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
    path = str(source.path)
    key = (path, stamp(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # refused below, in our own words
            with HANDLES.take(key) as dataset:
                found = _faults(source, dataset)
                if not found:
                    return _describe(source, dataset, key)
    except RasterError as error:
        raise RasterError(f"{source.name}: {fault}" for fault in error.faults) from error
    raise RasterError(f"{source.name}: {path}: {fault}" for fault in found)


def _faults(source: Source, dataset: DatasetReader) -> list[str]:
    if not 1 <= source.band <= dataset.count:
        return [f"no band {source.band}; expected one of 1 to {dataset.count}"]
    found = _georeference_faults(dataset)
    dtype = np.dtype(dataset.dtypes[source.band - 1])
    scale, offset = _scaling(source, dataset)
    if dtype.kind not in "iuf":
        found.append(f"values of type {dtype}; expected real numbers")
    elif source.nodata is not None and stored(source.nodata, dtype) is None:
        found.append(f"nodata {source.nodata:g} cannot occur in values of type {dtype}; expected one that can")
    if not (math.isfinite(scale) and math.isfinite(offset) and scale != 0.0):
        found.append(f"scale {scale:g} and offset {offset:g}; expected finite numbers, and a scale that is not 0")
    if source.kind not in ("continuous", "class"):
        found.append(f"kind {source.kind!r}; expected continuous or class")
    if source.kind == "class" and (scale, offset) != (1.0, 0.0):
        found.append(f"class codes with scale {scale:g} and offset {offset:g}; expected codes as they are (1 and 0)")
    if _truncated(dataset, source.band):
        found.append("the file ends before its last block: it was cut short; expected a whole file")
    return found


def _georeference_faults(dataset: DatasetReader) -> list[str]:
    if not dataset.crs:
        points, _ = dataset.gcps
        what = "ground control points only" if points else "no coordinate reference system"
        return [f"{what}; expected a raster with a CRS"]
    found = []
    try:
        crs = CRS(dataset.crs)
        if not (crs.geographic or crs.projected):
            found.append("a local coordinate system; expected a geographic or projected CRS")
    except CRSError as error:
        found.append(f"a CRS that is not understood ({reason(error, dataset.name)})")
    if dataset.transform.is_identity or dataset.transform.is_degenerate:
        found.append("no geotransform; expected a raster that says where its cells lie")
    return found


def _truncated(dataset: DatasetReader, band: int) -> bool:
    """Whether a local GeoTIFF is shorter than its last block of full resolution, which its directory tells unread."""
    changed = stamp(dataset.name)
    if dataset.driver != "GTiff" or changed is None:
        return False
    rows, cols = dataset.block_shapes[band - 1]
    last = f"{(dataset.width - 1) // cols}_{(dataset.height - 1) // rows}"
    try:
        start = dataset.get_tag_item(f"BLOCK_OFFSET_{last}", "TIFF", band)
        size = dataset.get_tag_item(f"BLOCK_SIZE_{last}", "TIFF", band)
    except RasterioError:
        return True
    return start is not None and size is not None and int(start) + int(size) > changed[1]


def _describe(source: Source, dataset: DatasetReader, key: Key) -> LayerFacts:
    index = source.band - 1
    dtype = np.dtype(dataset.dtypes[index])
    tagged = dataset.nodatavals[index]
    scale, offset = _scaling(source, dataset)
    flags = dataset.mask_flag_enums[index]
    return LayerFacts(
        name=source.name,
        path=str(source.path),
        kind=source.kind,
        band=source.band,
        dtype=str(dtype),
        crs=CRS(dataset.crs),
        crs_name=_crs_name(dataset),
        transform=dataset.transform,
        width=dataset.width,
        height=dataset.height,
        nodata=tagged if source.nodata is None else float(source.nodata),
        scale=scale,
        offset=offset,
        unit=source.unit or dataset.units[index] or "",
        masked=MaskFlags.per_dataset in flags or MaskFlags.alpha in flags,
        notes=_notes(source, dataset, dtype, tagged),
        key=key,
    )


def _crs_name(dataset: DatasetReader) -> str:
    """The code of the CRS where GDAL finds one that matches, else its name."""
    code = dataset.crs.to_epsg()
    return f"EPSG:{code}" if code else str(CRS(dataset.crs).proj.name)


def _scaling(source: Source, dataset: DatasetReader) -> tuple[float, float]:
    index = source.band - 1
    scale = dataset.scales[index] if source.scale is None else source.scale
    offset = dataset.offsets[index] if source.offset is None else source.offset
    return float(scale), float(offset)


def _notes(source: Source, dataset: DatasetReader, dtype: np.dtype[Any], tagged: float | None) -> tuple[str, ...]:
    """What was decided for the user, so that it can be shown."""
    notes = []
    if dataset.count > 1:
        notes.append(f"band {source.band} of {dataset.count}")
    if source.nodata is None and tagged is not None and stored(tagged, dtype) is None:
        notes.append(f"the file's nodata {tagged:g} cannot occur in {dtype}")
    if source.nodata is not None and tagged is not None and not _same(source.nodata, tagged):
        notes.append(f"nodata {source.nodata:g} given, in place of the file's {tagged:g}")
    file_scale, file_offset = dataset.scales[source.band - 1], dataset.offsets[source.band - 1]
    if (file_scale, file_offset) not in ((1.0, 0.0), _scaling(source, dataset)):
        notes.append(f"scale and offset given, in place of the file's {file_scale:g} and {file_offset:g}")
    return tuple(notes)


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def stored(value: float, dtype: np.dtype[Any]) -> Any:
    """A nodata value as the data type holds it; None where it cannot (a fraction, or out of range).

    >>> stored(-9999.0, np.dtype("int16")), stored(-9999.0, np.dtype("uint8")) is None
    (np.int16(-9999), True)
    """
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.asarray(value).astype(dtype)[()]
    limits = np.iinfo(dtype)
    if not math.isfinite(value) or value != int(value) or not limits.min <= int(value) <= limits.max:
        return None
    return np.asarray(int(value), dtype=dtype)[()]
