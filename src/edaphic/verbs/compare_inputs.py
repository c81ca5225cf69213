"""What the words of ``compare`` mean: products, their layers, units and periods, classes, points."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from rasterio.errors import RasterioError

from edaphic.account.maps import Layer, layer_name
from edaphic.account.products.opening import Band, Period, Product, ProductLayer, known_unit
from edaphic.errors import EdaphicError, RasterError, TableError
from edaphic.profiles import read_table
from edaphic.recipe import read_layer

OURS = "ours"
COLUMNS = (
    "name", "path", "layer", "unit", "period", "band", "nodata", "scale", "offset", "bulk_density", "bulk_density_unit",
    "bulk_density_scale", "coarse_fragments", "coarse_fragments_unit", "coarse_fragments_scale", "uses", "note",
)  # fmt: skip
"""Columns of a table of products, a row for each layer."""

POINT_COLUMNS = ("profile_id", "lon", "lat", "top_cm", "bottom_cm")
TABLES = (".csv", ".tsv", ".txt")

_FORM = "expected [NAME=]PATH[:LAYER][:UNIT][:PERIOD] such as SoilGrids=ocs.tif:0-30:t/ha"
_IN_NAME = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)[-_](\d+(?:\.\d+)?)[ _]?cm(?![a-z])", re.IGNORECASE)
_YEARS = re.compile(r"((?:18|19|20)\d\d)(?:-((?:18|19|20)\d\d))?")


@dataclass(frozen=True)
class Told:
    """Products as the words tell them, ours first; what is known of our inputs; notes."""

    products: tuple[Product, ...]
    inputs: tuple[str, ...]
    notes: tuple[str, ...]


def read_products(ours: str, others: Sequence[str], inputs: Sequence[str] = ()) -> Told:
    """Products of the words of a command.

    Parameters
    ----------
    ours : str
        A raster, a folder of our maps (or of a run), or a table of the layers of one product.
    others : sequence of str
        Rasters, where words of one NAME are layers of one product, or tables of products.
    inputs : sequence of str
        What our map was made from; of a run its covariates are added.

    Raises
    ------
    EdaphicError
        Files that are missing, words and tables that cannot be read, layers that are not told, one map twice.
    """
    faults: list[str] = []
    notes: list[str] = []
    known = list(inputs)
    products: list[Product] = []
    for place, word in enumerate([ours, *others]):
        try:
            found, said = _folder(word) if Path(word).is_dir() else _word(word, first=place == 0)
        except EdaphicError as error:
            faults += error.faults
            continue
        if place == 0 and len(found) != 1:
            faults.append(f"{word}: {len(found)} products in the place of our map; expected one")
        if place == 0 and Path(word).is_dir():
            known += _covariates(Path(word))
        notes += said
        _join(products, found, faults, named="=" in word or Path(word).suffix.lower() in TABLES)
    if not others:
        faults.append("compare: our map alone; expected another one to compare with")
    faults += _twice(products)
    if faults:
        raise RasterError(dict.fromkeys(faults))
    return Told(tuple(products), (*known, *(products[0].uses)), tuple(dict.fromkeys(notes)))


def _join(products: list[Product], found: Sequence[Product], faults: list[str], *, named: bool) -> None:
    """Add products; further layers of a product that is named by the user go to it."""
    for product in found:
        place = next((i for i, own in enumerate(products) if own.name == product.name), None)
        if place is None:
            products.append(product)
        elif named:
            old = products[place]
            uses = tuple(dict.fromkeys((*old.uses, *product.uses)))
            products[place] = replace(old, layers=(*old.layers, *product.layers), uses=uses)
        else:
            faults.append(f"{product.layers[0].values.path}: a second product called {product.name}; expected a name before it, NAME=PATH")


def _twice(products: Sequence[Product]) -> list[str]:
    """The same band of the same file for the same layer, in one product or in two."""
    seen: dict[tuple[str, int], str] = {}
    faults = []
    for product in products:
        for one in product.layers:
            path = Path(one.values.path)
            key = (str(path.resolve()) if path.exists() else str(path), one.values.band)
            if key in seen:
                faults.append(f"{path}: the same map twice ({seen[key]} and {product.name}); expected another one")
            seen[key] = product.name
        for period in {one.period for one in product.layers}:
            layers = [one.layer for one in product.layers if one.period == period]
            for layer in sorted({own for own in layers if layers.count(own) > 1}):
                faults.append(f"{product.name}: layer {layer_name(layer)} stands {layers.count(layer)} times; expected once")
    return faults


def _word(word: str, *, first: bool) -> tuple[list[Product], list[str]]:
    if Path(word).suffix.lower() in TABLES:
        return _table(Path(word)), []
    name, path, layer, unit, period = split_word(word)
    band, layer, period, notes = _told_by_file(path, layer, unit, period, word)
    label = name or (OURS if first else Path(path).stem)
    return [Product(label, (ProductLayer(layer, band, period=period),))], [f"{label}: {note}" for note in notes]


def split_word(word: str) -> tuple[str, str, Layer | None, str | None, Period | None]:
    """Name, path, layer, unit and period of a word; what is not told is empty or None.

    Raises
    ------
    RasterError
        A part that is neither layer, unit nor years.

    Examples
    --------
    >>> split_word("SoilGrids=ocs.tif:0-30:t/ha")
    ('SoilGrids', 'ocs.tif', (0.0, 30.0), 't/ha', None)
    >>> split_word("debt.tif:0-30:1990")
    ('', 'debt.tif', (0.0, 30.0), None, (1990, 1990))
    """
    name, is_named, rest = word.partition("=")
    if not is_named or "/" in name or "\\" in name or "?" in name:
        name, rest = "", word
    head, *parts = _parted(rest)
    layer: Layer | None = None
    unit: str | None = None
    period: Period | None = None
    faults = []
    for part in parts:
        years, depths = _YEARS.fullmatch(part.strip()), read_layer(part.strip().removesuffix("cm").strip())
        if years is not None and period is None:
            period = (int(years[1]), int(years[2] or years[1]))
        elif depths is not None and layer is None:
            layer = depths
        elif known_unit(part) is not None and unit is None:
            unit = known_unit(part)
        else:
            faults.append(f"{word}: {part!r} is no layer such as 0-30, no unit such as kg/m2 or t/ha, and no year; {_FORM}")
    if not head.strip():
        faults.append(f"{word}: no path; {_FORM}")
    if faults:
        raise RasterError(faults)
    return name.strip(), head, layer, unit, period


def _parted(text: str) -> list[str]:
    """Path and the parts behind it; a colon of an address or of a drive belongs to the path."""
    parts = text.split(":")
    while len(parts) > 1 and parts[1].startswith(("/", "\\")):
        parts[:2] = [f"{parts[0]}:{parts[1]}"]
    return parts


def _told_by_file(
    path: str, layer: Layer | None, unit: str | None, period: Period | None, word: str
) -> tuple[Band, Layer, Period | None, list[str]]:
    """Layer and period of a map, from the word, else from its tags, else from its name where that is plain; nothing is guessed."""
    notes = []
    tags = _tags(path)
    if layer is None and "EDAPHIC_LAYER_CM" in tags:
        layer = read_layer(tags["EDAPHIC_LAYER_CM"])
    if layer is None:
        spans = {(float(a), float(b)) for a, b in _IN_NAME.findall(Path(path).stem) if float(a) < float(b)}
        if len(spans) == 1:
            layer = spans.pop()
            notes.append(f"layer {layer_name(layer)} read from the name {Path(path).name}")
    if layer is None:
        raise RasterError(f"{word}: no layer given, and neither tags nor name of the file tell one; {_FORM}")
    if period is None and (years := _YEARS.fullmatch(tags.get("EDAPHIC_PERIOD", ""))) is not None:
        period = (int(years[1]), int(years[2] or years[1]))
    statistic = tags.get("EDAPHIC_STATISTIC", "mean")
    if statistic != "mean":
        notes.append(f"{Path(path).name} is the {statistic} of a map, not its mean")
    return Band(path, unit), layer, period, notes


def _tags(path: str) -> dict[str, str]:
    try:
        with rasterio.open(path) as file:
            return dict(file.tags())
    except RasterioError as error:
        if not Path(path).exists() and "://" not in path and not path.startswith("/vsi"):
            raise RasterError(f"{path}: no such file; expected a raster, a folder of maps, or a table of products") from error
        raise RasterError(f"{path}: no raster that can be read; expected a raster, or a table that ends in .csv") from error


def _folder(word: str) -> tuple[list[Product], list[str]]:
    """Means of the stock that a run has mapped."""
    folder = Path(word) / "maps" if (Path(word) / "maps").is_dir() else Path(word)
    layers = []
    for path in sorted(folder.glob("soc_stock_mean_*cm*.tif")):
        if "EDAPHIC_MEAN_OF_PERIODS" in _tags(str(path)):
            continue
        band, layer, period, _ = _told_by_file(str(path), None, None, None, str(path))
        layers.append(ProductLayer(layer, band, period=period))
    if not layers:
        raise RasterError(f"{word}: no map called soc_stock_mean_TOP-BOTTOMcm.tif in it; expected the folder of a run, or of its maps")
    return [Product(OURS, tuple(layers))], []


def _covariates(run: Path) -> list[str]:
    """Covariates of a run, with the files they come from."""
    path = run / "covariates" / "layers.csv"
    if not path.is_file():
        return []
    table = pd.read_csv(path, dtype=str).fillna("")
    paths = table["path"] if "path" in table else pd.Series([""] * len(table))
    return [f"{name} ({Path(where).name})" if where else name for name, where in zip(table["name"], paths, strict=True)]


def _table(path: Path) -> list[Product]:
    """Products of a table: a row for each layer."""
    if not path.is_file():
        raise TableError(f"{path}: no such file; expected a table of products")
    table = read_table(path).astype("string").fillna("")
    missing = [name for name in ("name", "path", "layer") if name not in table]
    unknown = [str(name) for name in table if name not in COLUMNS]
    faults = [f"{path}: no column {', '.join(missing)}; expected {', '.join(COLUMNS)}"] if missing else []
    faults += [f"{path}: unknown column {name}; expected {', '.join(COLUMNS)}" for name in unknown]
    if faults:
        raise TableError(faults)
    products: dict[str, Product] = {}
    for number, row in enumerate(table.to_dict("records"), start=1):
        cells = {str(name): str(cell).strip() for name, cell in row.items()}
        where = f"{path}: row {number}"
        if not cells["name"]:
            faults.append(f"{where}: no name; expected that of the product")
            continue
        one, said = _layer_of(cells, path.parent, where)
        faults += said
        if one is None:
            continue
        uses = tuple(part.strip() for part in cells.get("uses", "").split(";") if part.strip())
        old = products.get(cells["name"], Product(cells["name"], ()))
        both = tuple(dict.fromkeys((*old.uses, *uses)))
        products[cells["name"]] = replace(old, layers=(*old.layers, one), uses=both, note=old.note or cells.get("note", ""))
    if faults:
        raise TableError(faults)
    return list(products.values())


def _layer_of(cells: Mapping[str, str], folder: Path, where: str) -> tuple[ProductLayer | None, list[str]]:
    faults: list[str] = []
    layer = read_layer(cells["layer"]) or _depth(cells["layer"])
    if layer is None:
        faults.append(f"{where}: layer {cells['layer']!r}; expected top and bottom in cm such as 0-30, or a depth such as 30")
    years = _YEARS.fullmatch(cells.get("period", ""))
    if cells.get("period") and years is None:
        faults.append(f"{where}: period {cells['period']!r}; expected years such as 1990 or 1990-1995")
    bands = {}
    for key, prefix in (("path", ""), ("bulk_density", "bulk_density_"), ("coarse_fragments", "coarse_fragments_")):
        if not cells.get(key):
            if key == "path":
                faults.append(f"{where}: no path; expected a raster")
            continue
        path = folder / cells[key] if "://" not in cells[key] else cells[key]
        if isinstance(path, Path) and not path.exists() and not cells[key].startswith("/vsi"):
            faults.append(f"{where}: {key} {cells[key]}: no such file; expected a raster, from the folder of the table")
        own = {"scale": _number(cells, f"{prefix}scale", where, faults)}
        if key == "path":
            own |= {name: _number(cells, name, where, faults) for name in ("nodata", "offset")}
        number = _number(cells, "band", where, faults) if key == "path" else None
        bands[key] = Band(str(path), cells.get(f"{prefix}unit") or None, 1 if number is None else int(number), **own)
    if faults or layer is None:
        return None, faults
    period = None if years is None else (int(years[1]), int(years[2] or years[1]))
    return ProductLayer(layer, bands["path"], bands.get("bulk_density"), bands.get("coarse_fragments"), period), []


def _depth(text: str) -> Layer | None:
    try:
        depth = float(text)
    except ValueError:
        return None
    return (depth, depth) if 0.0 <= depth < float("inf") else None


def _number(cells: Mapping[str, str], name: str, where: str, faults: list[str]) -> float | None:
    if not cells.get(name):
        return None
    try:
        value = float(cells[name])
    except ValueError:
        faults.append(f"{where}: {name} {cells[name]!r}; expected a number")
        return None
    return value


def read_point_sets(words: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Tables of points, ``[NAME=]PATH`` each, in one table with the name of the ``set``; training and field sites are never pooled.

    Raises
    ------
    TableError
        A table cannot be used, or two sets have one name.
    """
    tables: list[pd.DataFrame] = []
    notes: list[str] = []
    faults: list[str] = []
    names: list[str] = []
    for word in words:
        name, told, path = word.partition("=")
        name, path = (name.strip(), path) if told and "/" not in name else (Path(word).stem, word)
        if name in names:
            faults.append(f"--points {word}: a second set called {name}; expected another name, NAME=PATH")
        names.append(name)
        try:
            table, said = read_points(Path(path))
        except TableError as error:
            faults += error.faults
            continue
        tables.append(table.assign(set=name))
        notes += said
    if faults:
        raise TableError(faults)
    empty = pd.DataFrame({name: pd.Series(dtype=float) for name in (*POINT_COLUMNS, "observed", "set")})
    return (pd.concat(tables, ignore_index=True) if tables else empty), notes


def read_points(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Points with measured stocks: ``profile_id, lon, lat, top_cm, bottom_cm`` and ``observed`` or ``soc_stock_kg_m2``.

    Raises
    ------
    TableError
        The file is missing, or lacks a column.
    """
    table = read_table(path)
    value = next((name for name in ("observed", "soc_stock_kg_m2") if name in table), None)
    missing = [name for name in POINT_COLUMNS if name not in table] + ([] if value else ["observed (or soc_stock_kg_m2)"])
    if missing:
        raise TableError(f"{path}: no column {', '.join(missing)}; expected {', '.join(POINT_COLUMNS)} and observed, kg/m2")
    out = table[[*POINT_COLUMNS]].assign(observed=pd.to_numeric(table[value], errors="coerce"))
    faults = []
    for name in POINT_COLUMNS[1:]:
        numbers = pd.to_numeric(out[name], errors="coerce")
        if odd := int((~np.isfinite(numbers.to_numpy(dtype=float, na_value=np.nan))).sum()):
            faults.append(f"{path}: {name}: {odd} of {len(out)} rows are no number; expected numbers")
        out[name] = numbers
    if len(out) and not out["observed"].notna().any():
        faults.append(f"{path}: {value}: no number in any of {len(out)} rows; expected stocks in kg/m2")
    if faults:
        raise TableError(faults)
    return out, list(table.attrs.get("notes", []))
