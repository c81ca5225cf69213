"""An asset of a STAC item: where its raster is, and what the item says of its numbers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

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
        The item cannot be read, has no such asset, or says of it what is no number.

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
    faults: list[str] = []
    facts = _facts(asset, band, faults)
    if faults:
        raise RasterError(f"{where}: asset {key!r}: {fault}" for fault in faults)
    return _address(os.fspath(path), str(asset["href"])), facts


def _key(where: str, assets: Mapping[str, Any], key: str | None) -> str:
    rasters = [name for name, asset in assets.items() if isinstance(asset, Mapping) and _is_raster(asset)]
    if key is None and len(rasters) == 1:
        return rasters[0]
    if key is None or key not in assets:
        said = "which asset?" if key is None else f"no asset {key!r}"
        raise RasterError(f"{where}: {said}; expected one of {', '.join(rasters or assets) or 'none: it is empty'}")
    return key


def _is_raster(asset: Mapping[str, Any]) -> bool:
    kind, roles = str(asset.get("type") or ""), asset.get("roles") or ()
    if isinstance(roles, str | list) and ("thumbnail" in roles or "overview" in roles):
        return False
    return any(part in kind for part in ("tiff", "jp2", "netcdf", "zarr", "hdf")) or not kind


def _address(item: str, href: str) -> str:
    if "://" in item and not re.match(r"^(\w+://|/vsi)", href):
        return urljoin(item, href)
    local = re.sub(r"^file://(localhost)?(?=/)", "", href)
    if local == href and re.match(r"^(\w+://|/vsi)", href):
        return href
    there = local if re.match(r"^(/|\w:\\)", local) else str(Path(item).parent / local)
    # An href is an address, in which a blank is %20; yet a file may have such a name.
    return there if Path(there).exists() else unquote(there)


def _facts(asset: Mapping[str, Any], band: int, faults: list[str]) -> dict[str, Any]:
    """What the asset says of itself, and its band of itself: the band goes before."""
    told: dict[str, Any] = {}
    for entry in [asset, *(_of_band(asset, name, band, faults) for name in ("raster:bands", "bands"))]:
        for name in ("scale", "offset", "nodata"):
            value = entry.get(name, entry.get(f"raster:{name}"))
            if value is not None:
                told[name] = _number(value)
                if told[name] is None:
                    faults.append(f"{name} {value!r}; expected a number")
        unit = entry.get("unit", entry.get("raster:unit"))
        if unit is not None:
            told["unit"] = str(unit)
        if entry.get("classification:classes"):
            told["classes"] = _classes(entry["classification:classes"], faults)
    return told


def _of_band(asset: Mapping[str, Any], name: str, band: int, faults: list[str]) -> Mapping[str, Any]:
    """What a list of bands says of one of them; nothing where it leaves it out."""
    listed = asset.get(name)
    if listed is None:
        return {}
    if not isinstance(listed, list):
        faults.append(f"{name} is no list; expected an entry for each band")
        return {}
    said = listed[band - 1] if 1 <= band <= len(listed) else None
    if said is not None and not isinstance(said, Mapping):
        faults.append(f"{name}: {said!r} for band {band}; expected an object")
    return said if isinstance(said, Mapping) else {}


def _classes(listed: object, faults: list[str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for one in listed if isinstance(listed, list) else [listed]:
        code = _number(one.get("value")) if isinstance(one, Mapping) else None
        if not isinstance(one, Mapping) or code is None or not code.is_integer():
            faults.append(f"classification:classes: {json.dumps(one)}; expected a value that is a whole number, and a name")
        else:
            found[int(code)] = _class_name(one)
    return found


def _number(value: object) -> float | None:
    """A number, which may be written as text ("nan", "-inf" in JSON)."""
    try:
        return None if isinstance(value, bool) or not isinstance(value, int | float | str) else float(value)
    except (ValueError, OverflowError):
        return None


def _class_name(one: Mapping[str, Any]) -> str:
    return str(one.get("title") or one.get("name") or one.get("description") or one["value"])
