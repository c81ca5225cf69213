"""Stocks of zones that share cells: each has maps of its own, and a share of every cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.account.maps import Layer, Reader, check_shape, open_maps
from edaphic.account.sums import Sums
from edaphic.account.totals import (
    STOCK_COLUMNS,
    ClassLayer,
    ShareLayer,
    check_names,
    groups_of,
    layer_values,
    named_paths,
    quantities,
    stock_row,
    table_rows,
)
from edaphic.covariates.grid import cell_area_m2, windows
from edaphic.errors import RasterError


def check_whole(shares: NDArray[np.float64], names: Sequence[str], where: object) -> None:
    """Refuse shares (zones, height, width) above 1, or of more than a whole cell together.

    Raises
    ------
    RasterError
    """
    faults = [
        f"share of {name}: up to {own.max():g} in {where}; expected shares from 0 to 1 (is % the unit?)"
        for name, own in zip(names, shares, strict=True)
        if own.size and own.max() > 1 + ROOM
    ]
    together = shares.sum(axis=0)
    if not faults and together.size and together.max() > 1 + ROOM:
        faults = [f"shares of {', '.join(names)}: up to {together.max():.3g} together in {where}; expected a whole cell at most"]
    if faults:
        raise RasterError(faults)


ROOM = 0.005
"""By how much shares may exceed a whole cell: rounding of maps."""


@dataclass(frozen=True)
class SharedZone:
    """A zone and its part of each cell.

    Parameters
    ----------
    name : str
    code : int
    share : callable
        Window -> share of each cell (height, width), 0 to 1, 0 where there is none.
    maps : mapping of (top_cm, bottom_cm) to mapping of str to Path
        Maps of the zone, as :func:`~edaphic.account.totals.stock_table` takes them.
    """

    name: str
    code: int
    share: Reader
    maps: Mapping[Layer, Mapping[str, Path]]


def zoned_stock_table(
    grid: GeoBox,
    zones: Sequence[SharedZone],
    by: str,
    classes: Sequence[ClassLayer | ShareLayer] = (),
    *,
    interval: float = 0.9,
    unit: str = "kg/m2",
    window_size: int = 512,
) -> pd.DataFrame:
    """Total stocks of zones that share cells: of all of them together, of each, and by class.

    The stock of a zone is the sum over cells of its stock per area, the area of the cell and its share of the cell. Bounds as in
    :func:`~edaphic.account.totals.stock_table`; that of independent errors takes the errors of two zones in one cell as independent too.

    Parameters
    ----------
    grid : GeoBox
    zones : sequence of SharedZone
        All with the same layers.
    by : str
        Name of the division into zones.
    classes, interval, unit, window_size
        As in :func:`~edaphic.account.totals.stock_table`.

    Returns
    -------
    DataFrame with the columns :data:`~edaphic.account.totals.STOCK_COLUMNS`: rows "all", then the zones, then the classes. ``cells`` are
    those that have a part of the zone, ``area_km2`` that part; ``unmapped_km2`` the part of it without a stock.

    Raises
    ------
    RasterError
        As there.
    """
    layers = sorted(zones[0].maps, key=lambda layer: (layer[1], -layer[0]))
    labels = {zone.code: zone.name for zone in zones}
    division = ClassLayer(by, lambda window: np.full((window.height, window.width), np.nan), labels)
    check_names([division, *classes])
    plain = [by for by in classes if isinstance(by, ClassLayer)]
    if others := [by.name for by in classes if isinstance(by, ShareLayer)]:
        raise RasterError([f"class layer {name}: shares of cells beside zones that share cells; expected one of them" for name in others])
    sums = Sums(7)
    with ExitStack() as stack:
        opened = [stack.enter_context(open_maps(named_paths(zone.maps, interval), grid, unit)) for zone in zones]
        for window in windows(grid, window_size):
            shares = [check_shape(np.asarray(zone.share(window), dtype=np.float64), window, f"share of {zone.name}") for zone in zones]
            check_whole(np.stack(shares), [zone.name for zone in zones], window)
            area, counted = cell_area_m2(grid, window).ravel(), np.zeros((len(layers), window.height * window.width), dtype=bool)
            for zone, readers, share in zip(zones, opened, (own.ravel() for own in shares), strict=True):
                part = np.flatnonzero(share > 0)
                if not len(part):
                    continue
                groups = [("all", "", None), *groups_of(plain, window, part)]
                for i, layer in enumerate(layers):
                    values = quantities((area * share)[part], *(own[part] for own in layer_values(readers, layer, window, interval)))
                    sums.add_cells((by, zone.code, layer), values)
                    # A cell with several zones is one cell.
                    again = values.copy()
                    again[0] *= ~counted[i, part]
                    counted[i, part] |= values[0] > 0
                    for name, code, cells in groups:
                        sums.add_cells((name, code, layer), again, cells)
    rows = [
        {"by": name, "class": "" if code == "" else str(code), "class_name": label} | stock_row(sums[(name, code, layer)], layer)
        for name, code, label in table_rows(sums, [division, *classes])
        for layer in layers
    ]
    return pd.DataFrame(rows, columns=list(STOCK_COLUMNS))
