"""An asset of a STAC item: where its raster is, and what the item says of its numbers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from edaphic.covariates.address import read_bytes, shown
from edaphic.errors import RasterError


def is_item(path: str | Path) -> bool:
    """Whether a path names a STAC item.

    >>> is_item("scenes/LC09.json"), is_item("dem.tif")
    (True, False)
    """
    return bool(re.search(r"\.json(\?|$)", os.fspath(path), re.IGNORECASE))


def asset_of(path: str | Path, key: str | None, band: int) -> tuple[str, dict[str, Any]]:
    """Address of an asset, and what the item says of one of its bands.

    Parameters
    ----------
    path : str or Path
        The item, a JSON file, local or by http.
    key : str, optional
        Key of the asset; not needed where there is one raster only.
    band : int
        Band of the asset, from 1.

    Returns
    -------
    address : str
    facts : dict
        Of ``scale``, ``offset``, ``nodata``, ``unit`` and ``classes`` those that the item gives (raster, classification and the common
        metadata of STAC 1.0 and 1.1).

    Raises
    ------
    RasterError
        The item cannot be read, or has no such asset.

    Examples
    --------
    >>> asset_of("missing.json", "red", 1)
    Traceback (most recent call last):
    edaphic.errors.RasterError: missing.json: cannot be read ([Errno 2] No such file or directory: 'missing.json'); expected a file
    """
    where = shown(path)
    try:
        item = json.loads(read_bytes(path))
    except ValueError as error:
        raise RasterError(f"{where}: not JSON ({error}); expected a STAC item") from error
    assets = item.get("assets") if isinstance(item, Mapping) else None
    if not isinstance(assets, Mapping) or item.get("type") != "Feature":
        raise RasterError(f"{where}: no assets; expected a STAC item")
    key = _key(where, assets, key)
    asset = assets[key]
    if not isinstance(asset, Mapping) or not asset.get("href"):
        raise RasterError(f"{where}: the asset {key!r} has no href; expected the address of a raster")
    return _address(os.fspath(path), str(asset["href"])), _facts(asset, band)


def _key(where: str, assets: Mapping[str, Any], key: str | None) -> str:
    rasters = [name for name, asset in assets.items() if isinstance(asset, Mapping) and _is_raster(asset)]
    if key is None and len(rasters) == 1:
        return rasters[0]
    if key is None or key not in assets:
        said = "which asset?" if key is None else f"no asset {key!r}"
        raise RasterError(f"{where}: {said}; expected one of {', '.join(rasters or assets) or 'none: it is empty'}")
    return key


def _is_raster(asset: Mapping[str, Any]) -> bool:
    kind = str(asset.get("type", ""))
    if "thumbnail" in asset.get("roles", ()) or "overview" in asset.get("roles", ()):
        return False
    return any(part in kind for part in ("tiff", "jp2", "netcdf", "zarr", "hdf")) or not kind


def _address(item: str, href: str) -> str:
    if re.match(r"^(\w+://|/|\w:\\)", href):
        return href
    if "://" in item:
        return urljoin(item, href)
    return str(Path(item).parent / href)


def _facts(asset: Mapping[str, Any], band: int) -> dict[str, Any]:
    """What the asset says of itself, and its band of itself: the band goes before."""
    told: dict[str, Any] = {}
    entries = [asset] + [listed[band - 1] for listed in (asset.get("raster:bands"), asset.get("bands")) if listed and len(listed) >= band]
    for entry in entries:
        for name in ("scale", "offset", "nodata", "unit"):
            value = entry.get(name, entry.get(f"raster:{name}"))
            if value is not None:
                told[name] = value if name == "unit" else float(value)
        classes = entry.get("classification:classes")
        if classes:
            told["classes"] = {int(one["value"]): _class_name(one) for one in classes}
    return told


def _class_name(one: Mapping[str, Any]) -> str:
    return str(one.get("title") or one.get("name") or one.get("description") or one["value"])
