"""Other maps of soil carbon, brought to one grid, one depth support and one unit.

A product is a name and its layers: rasters of stock or density, or of content with bulk density and coarse fragments, each in its own
CRS, resolution and unit. :func:`open_product` gives its stock (kg/m2) of a target layer on the cells of a grid, by window.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from edaphic.account.maps import Layer, layer_name
from edaphic.account.products.support import GLOBAL_BETA, DepthSupport, Method, depth_support
from edaphic.covariates.align import beneath, lattice_of, middle, under_window
from edaphic.covariates.facts import LayerFacts, Source, facts
from edaphic.covariates.grid import Window, grid_like, window_box
from edaphic.covariates.resample import detail
from edaphic.covariates.sources import Layer as RasterLayer
from edaphic.covariates.sources import open_layer
from edaphic.covariates.window import apply, at
from edaphic.errors import EdaphicError, GridError, RasterError, UnitError
from edaphic.profiles.stock import soc_stock_kg_m2
from edaphic.units import in_map_unit, to_internal, units_of

Floats = NDArray[np.float64]
Period = tuple[int, int]

STOCKS, DENSITIES, CONTENTS = units_of("soc_stock"), units_of("soc_density"), units_of("soc")

_FINER = 1.02
"""From this many of its cells along a cell of the grid on, a product is averaged over the cell; below, it is interpolated."""

_SPELLINGS = {
    **{"".join(unit.lower().split()): unit for unit in (*STOCKS, *DENSITIES, *CONTENTS)},
    **dict.fromkeys(("kgm-2", "kg/m^2", "kgm^-2", "kg/m²", "kgc/m2", "kgcm-2", "kgm2"), "kg/m2"),
    **dict.fromkeys(("tha-1", "tonnes/ha", "tonne/ha", "tons/ha", "tc/ha", "tcha-1", "tc ha-1", "tha^-1", "t.ha-1"), "t/ha"),
    **dict.fromkeys(("mgha-1", "mgc/ha", "mgcha-1", "mgha^-1"), "Mg/ha"),
    **dict.fromkeys(("kgm-3", "kg/m^3", "kgm^-3", "kg/m³", "kgc/m3"), "kg/m3"),
    **dict.fromkeys(("gm-2", "g/m^2", "gc/m2", "gm^-2"), "g/m2"),
    **dict.fromkeys(("gkg-1", "g/kg-1", "permille", "gkg^-1"), "g/kg"),
    **dict.fromkeys(("percent", "pct", "wt%"), "%"),
    **dict.fromkeys(("hgm-3", "hg/m^3"), "hg/m3"),
}  # fmt: skip


def known_unit(text: str) -> str | None:
    """The unit of stock, density or content that a spelling means; None where it is not known.

    >>> known_unit("kg m-2"), known_unit("Mg C/ha"), known_unit("t/ha"), known_unit("bushels")
    ('kg/m2', 'Mg/ha', 't/ha', None)
    """
    return _SPELLINGS.get("".join(text.lower().split()))


@dataclass(frozen=True)
class Band:
    """Numbers of a raster: where they are, and their unit (None: what the file says)."""

    path: str | Path
    unit: str | None = None
    band: int = 1
    nodata: float | None = None
    scale: float | None = None
    offset: float | None = None


@dataclass(frozen=True)
class ProductLayer:
    """A layer of a product.

    Parameters
    ----------
    layer : (top_cm, bottom_cm)
        Top and bottom alike: densities at that depth.
    values : Band
        Stock or density of organic carbon; or its content in fine earth, which needs a bulk density.
    bulk_density : Band, optional
        Of the fine earth.
    coarse_fragments : Band, optional
        Without it none are assumed, and a note says so.
    period : (first, last), optional
        Years that it stands for.
    """

    layer: Layer
    values: Band
    bulk_density: Band | None = None
    coarse_fragments: Band | None = None
    period: Period | None = None


@dataclass(frozen=True)
class Product:
    """A product: its layers, and what it was made from (``uses``), as far as that is known."""

    name: str
    layers: tuple[ProductLayer, ...]
    uses: tuple[str, ...] = ()
    note: str = ""

    @property
    def periods(self) -> tuple[Period | None, ...]:
        """Periods of the layers, in order; ``(None,)`` for a product of one time."""
        return tuple(sorted({one.period for one in self.layers if one.period is not None})) or (None,)

    def of(self, period: Period | None) -> tuple[ProductLayer, ...]:
        """Layers of a period, those without one among them."""
        return tuple(one for one in self.layers if one.period in (None, period))


@dataclass(frozen=True, eq=False)
class OpenProduct:
    """A product on a grid, as stock of one layer; made by :func:`open_product`."""

    name: str
    support: DepthSupport
    notes: tuple[str, ...]
    _readers: tuple[Callable[[Window], Floats] | None, ...]

    def read(self, window: Window) -> Floats:
        """Stock of the target layer, kg/m2, shape (height, width), NaN where there is none."""
        return self.read_both(window)[0]

    def read_both(self, window: Window) -> tuple[Floats, Floats]:
        """The same, and the stock of the product's own layers around the target (NaN for densities at depths)."""
        empty = np.full(window.shape, np.nan)
        stocks = np.stack([empty if read is None else read(window) for read in self._readers])
        values = self.support.apply(stocks)
        if self.support.method == "trapezoid":
            return values, empty
        return values, np.where(np.isfinite(values), self.support.enclosing(stocks), np.nan)


def open_product(
    product: Product,
    grid: GeoBox,
    target: Layer,
    *,
    period: Period | None = None,
    method: Method = "auto",
    beta: float = GLOBAL_BETA,
    lam: float = 0.0,
) -> OpenProduct:
    """A product as the stock of a layer on the cells of a grid; nothing is read before a window is asked for.

    Where its cells are finer than those of the grid it is averaged, weighted by area; where they are coarser it is interpolated. The
    same cells are read as they are.

    Parameters
    ----------
    product : Product
    grid : GeoBox
    target : (top_cm, bottom_cm)
    period : (first, last), optional
        Whose layers are taken.
    method, beta, lam
        How a layer that the target cuts is divided: :func:`~edaphic.account.products.support.depth_support`.

    Raises
    ------
    RasterError
        A file is missing or no raster, or lies elsewhere.
    UnitError
        No unit, one that is not known, or a content without bulk density.
    ModelError
        The layers do not reach over the target.
    """
    layers = product.of(period)
    support = depth_support([one.layer for one in layers], target, method=method, beta=beta, lam=lam, name=product.name)
    faults: list[str] = []
    notes = [f"{product.name}: {support.text}"] if support.text != "the layer itself" else []
    if np.isfinite(support.factor) and support.factor != 1.0:
        notes.append(f"{product.name}: factor {support.factor:.4g} to {layer_name(target)}")
    readers: list[Callable[[Window], Floats] | None] = [None] * len(layers)
    for place in support.used:
        try:
            readers[place], said = _reader(product.name, layers[place], grid, points=support.method == "trapezoid")
            notes += said
        except EdaphicError as error:
            faults += error.faults
    if faults:
        units = all("unit" in fault for fault in faults)
        raise (UnitError if units else RasterError)(dict.fromkeys(faults))
    return OpenProduct(product.name, support, tuple(dict.fromkeys(notes)), tuple(readers))


def _reader(name: str, one: ProductLayer, grid: GeoBox, *, points: bool) -> tuple[Callable[[Window], Floats], list[str]]:
    """Window -> stock of a layer, kg/m2 (of a depth: density, kg/m3), and what is to be said of it."""
    opened, notes = _open(name, one.values, grid)
    unit, told = unit_of(name, one.values)
    notes += told
    where = f"{name}: {Path(one.values.path).name}"
    if unit in CONTENTS:
        return _from_content(where, one, opened, unit, grid, notes)
    if one.bulk_density is not None or one.coarse_fragments is not None:
        raise UnitError(f"{where}: unit {unit} with bulk density or coarse fragments; expected a content such as g/kg, or neither of them")
    if points and unit not in DENSITIES:
        raise UnitError(f"{where}: unit {unit} at a depth; expected a unit of density: {', '.join(DENSITIES)}")
    if points:
        return lambda window: to_internal(opened.read(window), "soc_density", unit), notes
    return lambda window: in_map_unit(opened.read(window), unit, one.layer, "kg/m2"), notes


def _from_content(
    where: str, one: ProductLayer, opened: RasterLayer, unit: str, grid: GeoBox, notes: list[str]
) -> tuple[Callable[[Window], Floats], list[str]]:
    """Stock from content, bulk density and fragments; each is brought to the grid first, and the product of them taken per cell."""
    if one.bulk_density is None:
        raise UnitError(f"{where}: unit {unit} is a content, with no bulk density; expected bulk_density, or a unit of stock or density")
    if one.layer[0] == one.layer[1]:
        raise UnitError(f"{where}: unit {unit} at one depth; expected a layer, or a unit of density")
    density, said = _open(where, one.bulk_density, grid)
    density_unit = one.bulk_density.unit or density.facts.unit
    notes += said
    fragments: RasterLayer | None = None
    fragments_unit = "vol%"
    if one.coarse_fragments is None:
        notes.append(f"{where}: no coarse fragments given; none assumed, so its stock may be too high")
    else:
        fragments, said = _open(where, one.coarse_fragments, grid)
        fragments_unit = one.coarse_fragments.unit or fragments.facts.unit
        notes += said
    thickness = one.layer[1] - one.layer[0]

    def stock(soc: NDArray[np.floating], bulk: NDArray[np.floating], stones: NDArray[np.floating]) -> Floats:
        return soc_stock_kg_m2(
            soc, bulk, thickness, stones,
            soc_unit=unit, bulk_density_unit=density_unit, thickness_unit="cm", coarse_fragments_unit=fragments_unit,
        )  # fmt: skip

    try:
        stock(*(np.zeros(1) for _ in range(3)))  # a wrong unit is found before any map is read
    except UnitError as error:
        raise UnitError([f"{where}: {fault}" for fault in error.faults]) from error

    def read(window: Window) -> Floats:
        stones = np.zeros(window.shape) if fragments is None else fragments.read(window)
        return stock(opened.read(window), density.read(window), stones)

    return read, notes


def unit_of(name: str, band: Band) -> tuple[str, list[str]]:
    """Unit of a band, as given or else as its file says, and what is to be said of it.

    Raises
    ------
    UnitError
        Neither says one that is known. It is never guessed from the values.
    """
    path = Path(band.path)
    stated = facts(Source(name, band.path, band=band.band)).unit.strip()
    if band.unit is None and not stated:
        raise UnitError(f"{name}: {path.name}: no unit given, and the file says none; expected one of {_units()}")
    text = stated if band.unit is None else band.unit
    found = known_unit(text)
    if found is None:
        raise UnitError(f"{name}: {path.name}: unit {text!r}; expected one of {_units()}")
    if band.unit is not None and stated and known_unit(stated) not in (None, found):
        return found, [f"{name}: unit {found} given, in place of the {stated} that {path.name} says"]
    return found, []


def _units() -> str:
    return ", ".join((*STOCKS, *DENSITIES, *CONTENTS))


def _open(name: str, band: Band, grid: GeoBox) -> tuple[RasterLayer, list[str]]:
    """A band on the grid, averaged where its cells are finer at all, and what its file says."""
    source = Source(name, band.path, band=band.band, nodata=band.nodata, scale=band.scale, offset=band.offset)
    known = facts(source)
    place = middle(known, grid)
    if place is not None and _span(known, grid, place) > _FINER and beneath(known, grid, place) > 1.0:
        source = Source(
            name, band.path, band=band.band, nodata=band.nodata, scale=band.scale, offset=band.offset, resampling="average"
        )
    opened = open_layer(source, grid)
    return opened, [f"{name}: {Path(band.path).name}: {note}" for note in known.notes]


def _span(known: LayerFacts, grid: GeoBox, place: Window) -> float:
    cols, rows = under_window(grid, place, known.crs, lattice_of(known), True)
    return detail(cols[0], rows[0]) if np.isfinite(cols + rows).all() else 0.0


def common_grid(products: Sequence[Product], which: str = "ours") -> tuple[GeoBox, str]:
    """The grid on which products are compared.

    Parameters
    ----------
    products : sequence of Product
        Ours first.
    which : {"ours", "coarsest"}
        Our grid, or that of the product with the largest cells on the ground, cut to where ours lies.

    Returns
    -------
    (grid, text)
        With the name of the product whose cells it has.

    Raises
    ------
    GridError
        The grid cannot be one: rotated, south up, longitude from 0 to 360; or it does not overlap ours.
    RasterError
        A file is missing or no raster.
    """
    if which not in ("ours", "coarsest"):
        raise GridError(f"grid: {which!r}; expected ours or coarsest")
    ours = products[0]
    own = grid_like(ours.layers[0].values.path)
    if which == "ours":
        return own, ours.name
    sizes = []
    for product in products:
        known = facts(Source(product.name, product.layers[0].values.path))
        place = middle(known, own)
        if place is None:
            continue
        sizes.append((_cells_under(known, own, place), product))
    fewest, chosen = min(sizes, key=lambda one: one[0])
    if chosen is ours or fewest >= 1.0 / 1.001:
        return own, ours.name
    return _cut_to(grid_like(chosen.layers[0].values.path), own, chosen.name), chosen.name


def _cells_under(known: LayerFacts, grid: GeoBox, place: Window) -> float:
    """Cells of a product in one cell of the grid: below 1 where the product is coarser."""
    cols, rows = under_window(grid, place, known.crs, lattice_of(known), True)
    x, y = cols[0], rows[0]
    return float(abs(0.5 * ((x[2] - x[0]) * (y[3] - y[1]) - (x[3] - x[1]) * (y[2] - y[0]))))


def _cut_to(grid: GeoBox, around: GeoBox, name: str) -> GeoBox:
    """The cells of a grid that the outline of another one touches."""
    assert grid.crs is not None
    assert around.crs is not None
    down, across = np.linspace(0.0, around.height, 101), np.linspace(0.0, around.width, 101)
    rows, cols = (part.ravel() for part in np.meshgrid(down, across, indexing="ij"))
    x, y = at(around.affine, CRS(around.crs), rows, cols, CRS(grid.crs))
    col, row = apply(~grid.affine, np.asarray(x), np.asarray(y))
    fine = np.isfinite(col) & np.isfinite(row)
    if not fine.any():
        raise GridError(f"grid: {name}: its cells cannot show where our map lies; expected another grid, or ours")
    first_row, last_row = _limits(row[fine], grid.height)
    first_col, last_col = _limits(col[fine], grid.width)
    if last_row <= first_row or last_col <= first_col:
        raise GridError(f"grid: {name}: no cell of it lies on our map; expected maps that overlap")
    return window_box(grid, Window(first_row, first_col, last_row - first_row, last_col - first_col))


def _limits(places: Floats, size: int) -> tuple[int, int]:
    low, high = float(np.floor(places.min() + 1e-6)), float(np.ceil(places.max() - 1e-6))
    return int(np.clip(low, 0, size)), int(np.clip(high, 0, size))


def shared_inputs(product: Product, inputs: Sequence[str]) -> str:
    """Whether a product stands among our inputs, or shares some with us: then their agreement says less.

    Parameters
    ----------
    product : Product
    inputs : sequence of str
        Names, sources or paths of our covariates and profiles, such as "clay (SoilGrids 2.0)".

    Returns
    -------
    str
        What is shared; empty where nothing is known to be. Names are compared without case, signs and digits at their end.

    Examples
    --------
    >>> shared_inputs(Product("SoilGrids250m", ()), ["NDVI", "clay from SoilGrids 2.0"])
    'not independent: our input "clay from SoilGrids 2.0" comes from this product'
    >>> shared_inputs(Product("other", (), uses=("MODIS NDVI", "WoSIS")), ["wosis profiles", "MODIS-NDVI"])
    'not independent: both use "MODIS NDVI" (ours: "MODIS-NDVI"), "WoSIS" (ours: "wosis profiles")'
    """
    own = _stem(product.name)
    made_of = [text for text in inputs if own and own in _plain(text)]
    if made_of:
        return "not independent: our input " + ", ".join(f'"{text}"' for text in made_of) + " comes from this product"
    both = [f'"{used}" (ours: "{text}")' for used in product.uses for text in inputs if _same_input(used, text)]
    return f"not independent: both use {', '.join(both)}" if both else ""


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _stem(text: str) -> str:
    """A name without versions and resolutions, where at least four letters are left."""
    plain = re.sub(r"(?:v?\d+(?:\.\d+)*(?:k?m|sec|arcmin|min)?)+$", "", re.sub(r"[\s_\-]", "", text.lower()))
    plain = _plain(plain)
    return plain if len(plain) >= 4 else ""


def _same_input(one: str, other: str) -> bool:
    a, b = _plain(one), _plain(other)
    short, long = sorted((a, b), key=len)
    return bool(short) and (a == b or (len(short) >= 4 and short in long))
