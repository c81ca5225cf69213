"""Open rasters, shared safely between threads.

A GDAL dataset must not be used by two threads at once, and opening one for every window is slow. So opened rasters
wait in a pool: a reader takes one out, alone, and puts it back; whoever needs a raster of which none is waiting opens
another. The number that may wait is bounded, so that a stack of many hundred layers does not run out of file handles.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import unescape

import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from edaphic.covariates.address import is_local, missing_inside, network, shown, subdataset
from edaphic.errors import RasterError

__all__ = ["HANDLES", "Handles", "Key", "close_rasters", "cut_short", "is_local", "lost_sources", "open_raster", "reason", "stamp"]

Key = tuple[str, tuple[int, int] | None]
"""A raster as it was when it was described: what GDAL opens, and the time of change and size of its files."""

_REFERRED = re.compile(r"<Source(?:Filename|Dataset)[^>]*>([^<]+)</Source(?:Filename|Dataset)>")
_BESIDE_SHP = (".dbf", ".shx", ".prj", ".cpg")
_ZARR = (".zarray", ".zattrs", ".zgroup", "zarr.json")

WAITING = 400
"""Most rasters that may wait opened; below the usual limit of 1,024 open files of a process."""


class Handles:
    """A bounded pool of opened rasters.

    Parameters
    ----------
    limit : int
        Most rasters that may wait at a time; the one unused longest is closed first.

    Examples
    --------
    >>> pool = Handles(limit=2)
    >>> pool.waiting
    0
    """

    def __init__(self, limit: int = WAITING) -> None:
        self._limit = limit
        self._start()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        # Also after a fork: a child must neither use nor close what its parent has open.
        self._parents = getattr(self, "_idle", None)
        self._lock = threading.Lock()
        self._idle: OrderedDict[Key, list[DatasetReader]] = OrderedDict()
        self._count = 0

    @property
    def waiting(self) -> int:
        """Number of opened rasters that nobody uses now."""
        return self._count

    @contextmanager
    def take(self, key: Key) -> Iterator[DatasetReader]:
        """An opened raster that is the caller's alone while the context lasts; closed if the context fails.

        What was read while a file was replaced or gone may be anything: GDAL keeps files open, and of a virtual raster whose source
        has gone it can give zeros without a fault. So the files are looked at again when the context ends.

        Raises
        ------
        RasterError
            The file is missing, is no raster, or is not the one of the key any more, before or after.
        """
        with self._lock:
            idle = self._idle.get(key)
            dataset = idle.pop() if idle else None
            self._count -= dataset is not None
        with network(key[0]):
            dataset = dataset or _open_same(key)
            try:
                yield dataset
                _check_same(key)
            except BaseException:
                dataset.close()
                if len(_files_of(key)) > 1:
                    self.close()  # GDAL remembers a source that it could not open as long as any virtual raster is open
                raise
        for surplus in self._put(key, dataset):
            surplus.close()

    def _put(self, key: Key, dataset: DatasetReader) -> list[DatasetReader]:
        with self._lock:
            self._idle.setdefault(key, []).append(dataset)
            self._idle.move_to_end(key)
            self._count += 1
            surplus = []
            while self._count > self._limit:
                oldest = next(iter(self._idle))
                if self._idle[oldest]:
                    surplus.append(self._idle[oldest].pop())
                    self._count -= 1
                if not self._idle[oldest]:
                    del self._idle[oldest]
        return surplus

    def close(self) -> None:
        """Close every raster that waits; later reads open what they need again."""
        with self._lock:
            idle, self._idle, self._count = self._idle, OrderedDict(), 0
        for datasets in idle.values():
            for dataset in datasets:
                dataset.close()


def _open_same(key: Key) -> DatasetReader:
    dataset = open_raster(key[0])
    try:
        _check_same(key)
    except RasterError:
        dataset.close()
        raise
    return dataset


def _check_same(key: Key) -> None:
    if key[1] is None:
        return
    files = _files_of(key)
    if _stamp(files) != key[1]:
        gone = [name for name in files if not Path(name).exists()]
        found = f"{gone[0]} is not there any more" if gone else "the file has changed since it was described"
        raise RasterError(f"{_label(key[0])}: {found}; expected it to stay the same")


@lru_cache(maxsize=4096)
def _files_of(key: Key) -> tuple[str, ...]:
    """Files of this machine behind a key, found once: what is written into a virtual raster cannot change without its stamp."""
    return tuple(_files(key[0]))


def lost_sources(name: str) -> list[str]:
    """Files of this machine that a virtual raster refers to and that are not there.

    >>> lost_sources("missing.tif")
    []
    """
    return [path for path in _files(name) if path != name and is_local(path) and not Path(path).exists()]


def open_raster(path: str | Path) -> DatasetReader:
    """Open a raster by the name that GDAL knows; the caller closes it.

    Raises
    ------
    RasterError
        The file is missing, or GDAL does not know it as a raster.

    Examples
    --------
    >>> open_raster("missing.tif")
    Traceback (most recent call last):
    edaphic.errors.RasterError: missing.tif: no such file; expected a raster
    """
    name = os.fspath(path)
    if is_local(name) and not Path(name).exists():
        raise RasterError(f"{name}: no such file; expected a raster")
    absent = missing_inside(name)
    if absent:
        raise RasterError(absent)
    try:
        with network(name):
            return rasterio.open(name)
    except (RasterioError, OSError) as error:
        found = f"{_label(name)}: not a raster that can be read ({reason(error, name)})"
        raise RasterError(f"{found}; expected a whole one, such as a GeoTIFF") from error


def _label(name: str) -> str:
    """How to name a raster in a message."""
    if not name.startswith("<"):
        return shown(name).removeprefix("/vsicurl/")
    files = [unescape(found) for found in _REFERRED.findall(name)]
    return f"{files[0]} and {len(files) - 1} more tiles" if files else "a virtual raster"


def stamp(path: str | Path) -> tuple[int, int] | None:
    """Time of change (ns, of the latest) and size of the files of a raster, to know when it is another one.

    None where no file of this machine tells: a web address, or a file that is missing.

    >>> stamp("missing.tif") is None
    True
    """
    return _stamp(_files(os.fspath(path)))


def _stamp(files: Iterable[str]) -> tuple[int, int] | None:
    states = [state for name in files if (state := _state(name)) is not None]
    if not states:
        return None
    return max(state.st_mtime_ns for state in states), sum(state.st_size for state in states)


def _state(name: str) -> os.stat_result | None:
    try:
        return os.stat(name)
    except OSError:
        return None


def _files(name: str, seen: frozenset[str] = frozenset()) -> list[str]:
    """Files of this machine that a name stands for, there or not; of a VRT, itself and what it refers to, all the way down."""
    if name.startswith("<"):
        return _referred(name, Path(), seen)
    inner = subdataset(name)
    if inner:
        return _store(inner[0]) if is_local(inner[0]) else []
    archive = re.match(r"^/vsizip/\{?([^{}]+?\.zip)\}?/", name, re.IGNORECASE)
    if archive:
        return [archive[1]]
    if not is_local(name):
        return []
    if name.lower().endswith(".vrt") and Path(name).is_file():
        whole = str(Path(name).absolute())
        if whole in seen:  # it refers to itself, which GDAL refuses
            return []
        text = Path(name).read_text(encoding="utf-8", errors="replace")
        return [name, *_referred(text, Path(name).parent, seen | {whole})]
    if name.lower().endswith(".shp"):
        beside = (Path(name).with_suffix(end) for suffix in _BESIDE_SHP for end in (suffix, suffix.upper()))
        return [name, *(str(path) for path in beside if path.exists())]
    return [name]


def _referred(text: str, folder: Path, seen: frozenset[str]) -> list[str]:
    """Files that the XML of a VRT in a folder refers to, each once."""
    found: dict[str, None] = {}
    for inner in dict.fromkeys(unescape(entry) for entry in _REFERRED.findall(text)):
        name = str(folder / inner) if is_local(inner) and not (Path(inner).exists() and not (folder / inner).exists()) else inner
        found.update(dict.fromkeys(_files(name, seen)))
    return list(found)


def _store(path: str) -> list[str]:
    """A file, or the files of description of a Zarr store."""
    if not Path(path).is_dir():
        return [path]
    # Not all the way down: a store may hold a million chunks.
    return [str(file) for name in _ZARR for depth in ("", "*/") for file in sorted(Path(path).glob(depth + name))]


def cut_short(dataset: DatasetReader, band: int) -> bool:
    """Whether a local GeoTIFF is shorter than its last block of full resolution, which its directory tells unread."""
    changed = stamp(dataset.name)
    if dataset.driver != "GTiff" or changed is None or not is_local(dataset.name):
        return False
    rows, cols = dataset.block_shapes[band - 1]
    last = f"{(dataset.width - 1) // cols}_{(dataset.height - 1) // rows}"
    try:
        start = dataset.get_tag_item(f"BLOCK_OFFSET_{last}", "TIFF", band)
        size = dataset.get_tag_item(f"BLOCK_SIZE_{last}", "TIFF", band)
    except RasterioError:
        return True
    return start is not None and size is not None and int(start) + int(size) > changed[1]


def reason(error: BaseException, name: str) -> str:
    """What GDAL said, on one line, without the name of the file that the message names already, and without secrets."""
    said = str(error.__cause__ or error)
    for form in (f"'{name}'", name, f"{Path(name).name}, "):
        said = said.replace(form, "")
    return shown(" ".join(said.split()).strip(" :.,"))


HANDLES = Handles()
"""The pool that every layer reads from."""


def close_rasters() -> None:
    """Close every raster that the layers hold open; later reads open what they need again."""
    HANDLES.close()
