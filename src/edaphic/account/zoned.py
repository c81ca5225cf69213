"""Stocks of zones that share cells: each has maps of its own, and a share of every cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
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
    for zone in zones:
        with open_maps(named_paths(zone.maps, interval), grid, unit) as readers:
            for window in windows(grid, window_size):
                share = check_shape(np.asarray(zone.share(window), dtype=np.float64), window, f"share of {zone.name}").ravel()
                part = np.flatnonzero(share > 0)
                area = (cell_area_m2(grid, window).ravel() * share)[part]
                groups = [(name, code, cells) for name, code, cells in groups_of(plain, window, part) if len(part)]
                for layer in layers:
                    values = quantities(area, *(own[part] for own in layer_values(readers, layer, window, interval)))
                    for key in (("all", "", None), (by, zone.code, None), *groups):
                        sums.add_cells((key[0], key[1], layer), values, key[2])
    rows = [
        {"by": name, "class": "" if code == "" else str(code), "class_name": label} | stock_row(sums[(name, code, layer)], layer)
        for name, code, label in table_rows(sums, [division, *classes])
        for layer in layers
    ]
    return pd.DataFrame(rows, columns=list(STOCK_COLUMNS))
