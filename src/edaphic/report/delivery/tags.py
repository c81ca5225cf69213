"""Licence and citation that a raster, or the STAC item beside it, carries."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

LICENCE = ("licence", "license", "dc:rights", "dc.rights", "rights", "usageconstraints", "copyright", "tifftag_copyright")
"""Tags of a licence, the surest first, in lower case."""

CITATION = ("citation", "sci:citation", "bibliographiccitation", "reference", "references", "sci:doi", "doi")
"""Tags of a citation likewise."""


def told_by_file(path: Path) -> tuple[str, str]:
    """Licence and citation that a file carries, empty where it carries none; what cannot be opened carries none.

    A raster is asked for its tags (of a NetCDF file the global attributes), then the STAC item of its name beside it; a STAC item for its
    properties and its links.
    """
    if path.suffix.lower() == ".json":
        return _of_item(path)
    tags = _tags(path)
    licence, citation = _first(tags, LICENCE), _first(tags, CITATION)
    beside = path.with_suffix(".json")
    if not (licence and citation) and beside.is_file():
        own = _of_item(beside)
        licence, citation = licence or own[0], citation or own[1]
    return licence, citation


def _tags(path: Path) -> dict[str, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as dataset:
                tags = dataset.tags() | (dataset.tags(1) if dataset.count else {})
    except (RasterioError, OSError):
        return {}  # tables and polygons
    return {str(key).rpartition("#")[2].lower(): str(value) for key, value in tags.items()}


def _of_item(path: Path) -> tuple[str, str]:
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "", ""
    if not isinstance(item, Mapping) or item.get("type") not in ("Feature", "Collection"):
        return "", ""
    inner = item.get("properties")
    told: dict[str, Any] = {str(key).lower(): value for key, value in item.items() if isinstance(value, str)}
    told |= {str(key).lower(): value for key, value in inner.items()} if isinstance(inner, Mapping) else {}
    licence = _first(told, LICENCE)
    if licence.lower() in ("", "other", "various", "proprietary"):  # STAC: the licence itself is behind a link
        links = item.get("links")
        found = [link for link in links if isinstance(link, Mapping) and link.get("rel") == "license"] if isinstance(links, list) else []
        licence = next((str(link["href"]) for link in found if link.get("href")), licence)
    return licence, _first(told, CITATION)


def _first(tags: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((" ".join(str(tags[name]).split()) for name in names if str(tags.get(name) or "").strip()), "")
