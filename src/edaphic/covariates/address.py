"""Names of files, archives and web addresses, as GDAL wants them and as they may be shown."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rasterio

from edaphic.errors import RasterError

NETWORK = {
    "GDAL_HTTP_CONNECTTIMEOUT": 10,
    "GDAL_HTTP_TIMEOUT": 60,
    "GDAL_HTTP_LOW_SPEED_LIMIT": 1000,
    "GDAL_HTTP_LOW_SPEED_TIME": 20,
    "GDAL_HTTP_MAX_RETRY": 2,
    "GDAL_HTTP_RETRY_DELAY": 1,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "VSI_CACHE": "YES",
}
"""Settings of GDAL for what lies behind a network: a server that does not answer is given up after a bounded time."""

TIMEOUT_S = 20
"""Seconds to wait for a small file from the network."""

_VSI = {"http": "/vsicurl/http://", "https": "/vsicurl/https://", "s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/"}
_ARCHIVE = re.compile(r"^(?P<zip>.+?\.zip)(?:!/?|/)(?P<inner>.+)$", re.IGNORECASE)
_REMOTE = re.compile(r"/vsi(curl|s3|gs|az|adls|oss|swift|hdfs|webhdfs)", re.IGNORECASE)
_SUBDATASET = re.compile(r'^(?P<driver>netcdf|hdf5|zarr):"?(?P<file>.+?)"?:/*(?P<variable>[^:"/]+)$', re.IGNORECASE)
RASTERS = (".tif", ".tiff", ".vrt", ".img", ".asc", ".bil", ".flt", ".jp2", ".hgt", ".dem", ".grd", ".sdat", ".rst", ".nc", ".png")
"""Endings that make a file a raster, in a folder of tiles or an archive."""


def gdal_name(path: str | Path) -> str:
    """The name that GDAL opens.

    Raises
    ------
    RasterError
        A zip file that holds no raster, or more than one, without the name of one of them.

    Examples
    --------
    >>> gdal_name("https://example.org/dem.tif"), gdal_name("s3://bucket/dem.tif")
    ('/vsicurl/https://example.org/dem.tif', '/vsis3/bucket/dem.tif')
    >>> gdal_name("https://example.org/covs.zip!north/dem.tif")
    '/vsizip/{/vsicurl/https://example.org/covs.zip}/north/dem.tif'
    """
    text = os.fspath(path)
    if text.startswith(("/vsi", "<VRTDataset")) or subdataset(text):
        return text
    remote = re.match(r"^(https?|s3|gs|az):/+(.*)$", text)  # Path() turns two slashes into one
    bare = f"{_VSI[remote[1]]}{remote[2]}" if remote else text
    archive = _ARCHIVE.match(bare)
    if archive and (remote or Path(archive["zip"]).is_file()):
        return f"/vsizip/{{{archive['zip']}}}/{archive['inner']}"
    if not remote and text.lower().endswith(".zip") and Path(text).is_file():
        return f"/vsizip/{{{text}}}/{_only_raster(text)}"
    return bare


def _only_raster(path: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            inner = sorted(name for name in archive.namelist() if name.lower().endswith(RASTERS))
    except (zipfile.BadZipFile, OSError) as error:
        raise RasterError(f"{path}: not a zip file that can be read ({error}); expected a whole one") from error
    if len(inner) == 1:
        return inner[0]
    which = f"{path}/{inner[0]}" if inner else "one with a raster in it"
    raise RasterError(f"{path}: a zip file with {len(inner)} rasters{_some(inner)}; expected the name of one, such as {which}")


def _some(names: list[str]) -> str:
    return f" ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})" if names else ""


def missing_inside(name: str) -> str | None:
    """What is wrong with the name of a local zip file and a file in it, as a fault; None where nothing is."""
    archive = re.match(r"^/vsizip/\{?(?P<zip>[^{}]+?\.zip)\}?/(?P<inner>.+)$", name, re.IGNORECASE)
    if not archive or is_remote(name):
        return None
    path, inner = archive["zip"], archive["inner"]
    if not Path(path).is_file():
        return f"{path}: no such file; expected a zip file"
    with zipfile.ZipFile(path) as opened:
        names = opened.namelist()
    if inner in names or any(entry.startswith(f"{inner.rstrip('/')}/") for entry in names):
        return None
    rasters = sorted(entry for entry in names if entry.lower().endswith(RASTERS))
    return f"{path}: no file {inner!r} in it{_some(rasters)}; expected one that is"


def subdataset(name: str) -> tuple[str, str] | None:
    """File and variable of a name such as ``NETCDF:"a.nc":tas``; None for other names.

    >>> subdataset('NETCDF:"data/a.nc":tas'), subdataset("a.nc") is None
    (('data/a.nc', 'tas'), True)
    """
    found = _SUBDATASET.match(name)
    return (found["file"], found["variable"]) if found else None


def is_remote(name: str | Path) -> bool:
    """Whether reading needs a network.

    >>> is_remote("/vsicurl/https://example.org/a.tif"), is_remote("a.tif")
    (True, False)
    """
    text = os.fspath(name)
    return bool(_REMOTE.search(text)) or bool(re.match(r"^(https?|s3|gs|az):/", text))


def is_local(name: str) -> bool:
    """Whether a name is a file of this machine, not a GDAL subdataset, virtual file or web address."""
    if name.startswith(("/vsi", "<")):
        return False
    return Path(name).exists() or ":" not in name.replace(":\\", "")


def shown(text: str | Path) -> str:
    """An address or a message without passwords and keys.

    >>> shown("https://me:secret@example.org/a.tif?token=abc")
    'https://...@example.org/a.tif?...'
    """
    said = os.fspath(text)
    said = re.sub(r"(\w+://?)[^/@\s]+@", r"\1...@", said)
    return re.sub(r"\?[^\s\"'),;=]*=[^\s\"'),;]*", "?...", said)


@contextmanager
def network(name: str) -> Iterator[None]:
    """Bounded waiting while a raster is opened or read, if it lies behind a network."""
    if not is_remote(name):
        yield
        return
    with rasterio.Env(**NETWORK):
        yield


def read_bytes(path: str | Path) -> bytes:
    """A small file, local or by http.

    Raises
    ------
    RasterError
        It cannot be read.
    """
    text = re.sub(r"^(https?):/+", r"\1://", os.fspath(path).removeprefix("/vsicurl/"))
    try:
        if text.startswith(("http://", "https://")):
            request = urllib.request.Request(text, headers={"User-Agent": "edaphic"})
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return bytes(answer.read())
        return Path(text).read_bytes()
    except (urllib.error.URLError, OSError, ValueError) as error:
        said = " ".join(str(getattr(error, "reason", None) or error).split())
        raise RasterError(f"{shown(text)}: cannot be read ({shown(said)}); expected a file") from error
