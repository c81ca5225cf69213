"""Rasters that are made here: terrain, indices, climate. All of a call are finished together, or none is there."""

from __future__ import annotations

import glob
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import psutil
from odc.geo.geobox import GeoBox

from edaphic.covariates.band import BandWriter, Compress, Words, create, finish, finish_plain, guarded
from edaphic.errors import RasterError


@dataclass(frozen=True)
class MadeLayer:
    """A raster to be made.

    Parameters
    ----------
    name : str
        Name of the file without ending.
    unit : str
        Unit of the values; "1" for a number without one.
    description : str
        What the numbers mean, in a line.
    tags : mapping of str to str
        What else the file says of itself: method, source, settings.
    kind : {"continuous", "class"}
        Codes of classes are never averaged in overviews.
    circular : bool
        An angle: 359 and 1 degree have no mean between them, so overviews take the nearest cell.
    dtype : str
        Of the numbers on disk.

    Examples
    --------
    >>> MadeLayer("slope", "degree", "Steepest slope").nodata
    nan
    >>> MadeLayer("zone", "1", "Climate zone", kind="class", dtype="uint8").nodata
    0.0
    >>> MadeLayer("count", "1", "Observations", dtype="uint16").nodata
    65535.0
    """

    name: str
    unit: str
    description: str
    tags: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["continuous", "class"] = "continuous"
    circular: bool = False
    dtype: Literal["float32", "uint8", "uint16", "int16"] = "float32"

    @property
    def nodata(self) -> float:
        """What is stored where there is no value: NaN, 0 of classes, else the largest (of signed numbers: smallest) of the type."""
        if self.dtype == "float32":
            return math.nan
        if self.kind == "class":
            return 0.0
        limits = np.iinfo(self.dtype)
        return float(limits.min if limits.min < 0 else limits.max)

    @property
    def words(self) -> Words:
        """What the finished file says."""
        tags = {"TITLE": self.name, "DESCRIPTION": self.description, "UNIT": self.unit, **self.tags}
        return Words(self.unit, self.description, tags, self.kind == "class" or self.circular)


@contextmanager
def making(folder: Path, grid: GeoBox, layers: Sequence[MadeLayer], compress: Compress = "deflate") -> Iterator[dict[str, BandWriter]]:
    """Writers of rasters, by name; on a clean exit ``folder/NAME.tif`` of each is there.

    Parameters
    ----------
    folder : Path
        Made if it is missing; its other files stay.
    grid : GeoBox
        Grid of all of them.
    layers : sequence of MadeLayer
        With names of their own.
    compress : {"deflate", "none"}
        "deflate" gives cloud-optimised GeoTIFFs with overviews, "none" plain tiled ones, which are written faster.

    Yields
    ------
    dict of str to BandWriter
        ``writers[name].write(window, values)``, in any order and from any thread; cells that are never written have no value.

    Raises
    ------
    RasterError
        A file cannot be written. Whatever goes wrong, no half-written file is left, and a file that bore the name before is as it was.

    Examples
    --------
    >>> import tempfile
    >>> import rasterio
    >>> from affine import Affine
    >>> from edaphic.covariates.window import Window
    >>> grid = GeoBox((1, 2), Affine(10, 0, 0, 0, -10, 0), "EPSG:3035")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with making(Path(folder), grid, [MadeLayer("slope", "degree", "Steepest slope")]) as writers:
    ...         writers["slope"].write(Window(0, 0, 1, 2), np.array([[1.0, np.nan]]))
    ...     with rasterio.open(Path(folder) / "slope.tif") as file:
    ...         file.read(1).tolist(), file.units
    ([[1.0, nan]], ('degree',))
    """
    names = [layer.name for layer in layers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RasterError(f"{folder}: {', '.join(twice)} to be made twice; expected names of their own")
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RasterError(f"{folder}: no folder that can be written to ({error.strerror}); expected one") from error
    blocked = [folder / f"{name}.tif" for name in names if (folder / f"{name}.tif").is_dir()]
    if blocked:
        raise RasterError(f"{path}: a folder; expected a file or nothing" for path in blocked)
    _clear(folder, names)
    working = {layer.name: folder / f".{layer.name}.tif.{os.getpid()}.making" for layer in layers}
    ready = {layer.name: folder / f".{layer.name}.tif.{os.getpid()}.ready" for layer in layers}
    try:
        with ExitStack() as stack:
            writers = {}
            for layer in layers:
                create(working[layer.name], grid, layer.dtype, layer.nodata)
                writers[layer.name] = stack.enter_context(BandWriter(working[layer.name], grid, layer.dtype, layer.nodata))
            yield writers
        for layer in layers:
            end = finish if compress == "deflate" else finish_plain
            end(working[layer.name], ready[layer.name], layer.words)
        for name in names:  # all are whole: only now may they take the place of older ones
            guarded(lambda name=name: os.replace(ready[name], folder / f"{name}.tif"), folder / f"{name}.tif")  # type: ignore[misc]
    except BaseException:
        _remove(working, ready)
        for path in new:  # folders of this call that hold nothing
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise
    _remove(working, ready)


def _remove(*paths: Mapping[str, Path]) -> None:
    for each in paths:
        for path in each.values():
            path.unlink(missing_ok=True)


def _clear(folder: Path, names: Sequence[str]) -> None:
    """Remove what processes that were killed have left of the same rasters."""
    for name in names:
        for path in folder.glob(f".{glob.escape(name)}.tif.*"):
            match = re.fullmatch(r"(\d+)\.(?:making|ready)", path.name.removeprefix(f".{name}.tif."))
            if match is not None and not psutil.pid_exists(int(match[1])):
                path.unlink(missing_ok=True)
