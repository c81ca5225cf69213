"""Names of class codes: from a table beside a raster, from a table that the user names, or from the raster itself."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import rasterio.shutil
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, MemoryFile

from edaphic.covariates.address import is_local
from edaphic.covariates.source import Source
from edaphic.errors import TableError

_CODES = ("code", "value", "class_code", "id", "zonenum", "grid_code", "gridcode", "pixel", "dn", "number", "raster_value", "class")
_NAMES = ("name", "label", "class_name", "classname", "description", "label3", "title", "zone", "kg_zone", "class", "legend", "category")
_PIXEL, _NAME = "5", "2"
"""Usages of the columns of GDAL's raster attribute tables: the number in the cell, and its name."""


def read_legend(path: str | Path) -> dict[int, str]:
    """Codes and names of a CSV table, separated by commas, semicolons or tabs.

    The columns are found by their names (``code``, ``value``, ... and ``name``, ``label``, ...); where there are two columns only, the
    first holds codes.

    Raises
    ------
    TableError
        The file is missing, has no such columns, or holds a code that is no whole number or stands twice.

    Examples
    --------
    >>> read_legend("missing.csv")
    Traceback (most recent call last):
    edaphic.errors.TableError: missing.csv: no such file; expected a table with codes and names of classes
    """
    if not Path(path).is_file():
        raise TableError(f"{path}: no such file; expected a table with codes and names of classes")
    text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    rows = [row for row in csv.reader(text.splitlines(), delimiter=separator) if any(cell.strip() for cell in row)]
    if not rows:
        raise TableError(f"{path}: empty; expected a table with codes and names of classes")
    code, name, start = _columns(rows, path)
    found: dict[int, str] = {}
    for line, row in enumerate(rows[start:], start=start + 1):
        number = _whole(row[code]) if len(row) > max(code, name) else None
        if number is None:
            raise TableError(f"{path}:{line}: {separator.join(row)!r}; expected a whole number and a name")
        if found.get(number, row[name].strip()) != row[name].strip():
            raise TableError(f"{path}:{line}: code {number} a second time; expected each code once")
        found[number] = row[name].strip()
    return found


def _columns(rows: list[list[str]], path: str | Path) -> tuple[int, int, int]:
    """Columns of codes and of names, and the first row of data."""
    head = [cell.strip().lower() for cell in rows[0]]
    code = next((head.index(word) for word in _CODES if word in head), None)
    name = next((head.index(word) for word in _NAMES if word in head and head.index(word) != code), None)
    if code is not None and name is not None:
        return code, name, 1
    if len(head) == 2:
        return 0, 1, 0 if _whole(head[0]) is not None else 1
    raise TableError(f"{path}: columns {', '.join(rows[0])}; expected one named code and one named name")


def _whole(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number == int(number) else None


def class_names(source: Source, dataset: DatasetReader, band: int) -> tuple[dict[int, str], str]:
    """Names of the codes of a class layer, and where they come from.

    In this order: the user's, a table ``NAME_legend.csv`` beside the file, the
    raster attribute table, the category names.

    Raises
    ------
    TableError
        The table that the user names cannot be read.
    """
    if isinstance(source.classes, Mapping):
        return {int(code): str(name) for code, name in source.classes.items()}, ""
    if source.classes is not None:
        return read_legend(source.classes), f"classes named by {Path(source.classes).name}"
    path = Path(os.fspath(source.path))
    beside = path.with_name(f"{path.stem}_legend.csv")
    if is_local(str(path)) and beside.is_file():
        return read_legend(beside), f"classes named by {beside.name}"
    inside = _inside(dataset, band)
    return inside, "classes named by the file" if inside else ""


def _inside(dataset: DatasetReader, band: int) -> dict[int, str]:
    """Attribute table or category names of the raster. Written to a virtual raster they can be read, whatever the format."""
    try:
        with MemoryFile(ext=".vrt") as memory:
            rasterio.shutil.copy(dataset, memory.name, driver="VRT")
            with rasterio.open(memory.name) as virtual:
                said = virtual.tags(ns="xml:VRT").get("xml:VRT", "")
    except RasterioError:
        return {}  # a format that cannot be described as a virtual raster holds no names either
    bands = ElementTree.fromstring(said).findall("VRTRasterBand") if said else []
    if len(bands) < band:
        return {}
    table = bands[band - 1].find("GDALRasterAttributeTable")
    named = {} if table is None else _table(table)
    categories = bands[band - 1].findall("CategoryNames/Category")
    return named or {code: entry.text for code, entry in enumerate(categories) if entry.text}


def _table(table: ElementTree.Element) -> dict[int, str]:
    columns = table.findall("FieldDefn")
    usages, heads = [column.findtext("Usage") for column in columns], [(column.findtext("Name") or "").lower() for column in columns]
    code = usages.index(_PIXEL) if _PIXEL in usages else next((heads.index(word) for word in _CODES if word in heads), None)
    name = usages.index(_NAME) if _NAME in usages else next((heads.index(word) for word in _NAMES if word in heads), None)
    if code is None or name is None or code == name:
        return {}
    found = {}
    for row in table.findall("Row"):
        cells = [cell.text or "" for cell in row.findall("F")]
        number = _whole(cells[code])
        if number is not None and cells[name]:
            found[number] = cells[name]
    return found
