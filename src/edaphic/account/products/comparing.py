"""Products beside one another on one grid: agreement by pairs, spread over all of them, totals, by class and at points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.stats import rankdata

from edaphic.account.compare import COMPARISON_COLUMNS, explain_factor
from edaphic.account.maps import Layer, check_shape, layer_name
from edaphic.account.products.agreement import AGREEMENT, LABEL, TAYLOR, Pairs, relative_difference, spread, taylor
from edaphic.account.products.opening import OpenProduct
from edaphic.account.sums import Moments, Sums
from edaphic.account.totals import ClassLayer
from edaphic.covariates.grid import Window, cell_area_m2, windows
from edaphic.errors import RasterError
from edaphic.mapping.regional import UNCLASSIFIED, check_codes
from edaphic.units import KG_PER_TG, M2_PER_KM2

Floats = NDArray[np.float64]
Sink = Callable[[Window, Mapping[str, Floats]], None]
"""Takes what is mapped of a window: ``cv``, ``count``, ``relative_difference`` of each other product under its name."""

HEAD = ("top_cm", "bottom_cm", "period")
PAIR_COLUMNS = (*HEAD, "ours", "theirs", "weights", *AGREEMENT, "factor", "explanation", "label")
TAYLOR_COLUMNS = (*HEAD, "reference", "product", "cells", *TAYLOR)
TOTAL_COLUMNS = (*HEAD, "product", "rows", "by", "class", "class_name", "cells", "area_km2", "mean_kg_m2", "total_Tg")
CV_COLUMNS = (*HEAD, "by", "class", "class_name", "cells", "area_km2", "mean_cv_pct", "mean_count")
BESIDE_COLUMNS = (*COMPARISON_COLUMNS, "period", "support", "support_factor", "shared_inputs", "label")

Group = tuple[str, str, NDArray[np.intp]]
"""Class layer, code and cells of a part of a window."""


@dataclass(frozen=True, eq=False)
class Compared:
    """What one layer and period of several products gave.

    ``samples`` holds for each other product pairs of cells (2, n), ours first, of at most ``limit`` cells; ``at_points`` the values of
    each product at the cells that were asked for.
    """

    comparison: pd.DataFrame
    pairs: pd.DataFrame
    taylor: pd.DataFrame
    totals: pd.DataFrame
    cv: pd.DataFrame
    samples: Mapping[str, Floats]
    at_points: Mapping[str, Floats]
    notes: tuple[str, ...]


@dataclass(eq=False)
class _Gathered:
    """What is gathered window by window."""

    pairs: dict[tuple[int, int, str], Pairs]
    ranked: list[list[Floats]]
    at_points: Floats
    taylor: list[Pairs]
    sums: Sums = field(default_factory=lambda: Sums(3))
    spread: Sums = field(default_factory=lambda: Sums(4))
    around: Sums = field(default_factory=lambda: Sums(2))
    negative: dict[int, int] = field(default_factory=dict)


def compare_products(
    ours: OpenProduct,
    others: Sequence[OpenProduct],
    grid: GeoBox,
    layer: Layer,
    *,
    period: str = "",
    classes: Sequence[ClassLayer] = (),
    cells: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    shared: Mapping[str, str] | None = None,
    sink: Sink | None = None,
    limit: int = 200_000,
    window_size: int = 512,
) -> Compared:
    """Compare products of one layer, window by window.

    Parameters
    ----------
    ours : OpenProduct
        Named first in every difference, and the reference of the Taylor and target statistics.
    others : sequence of OpenProduct
        At least one; names must differ.
    grid : GeoBox
    layer : (top_cm, bottom_cm)
    period : str
        For the tables.
    classes : sequence of ClassLayer
        By which totals and the coefficient of variation are told too.
    cells : (row, col), int arrays (n,), optional
        Cells of points, -1 outside the grid.
    shared : mapping of name to str, optional
        What a product shares with our inputs (:func:`~edaphic.account.products.opening.shared_inputs`).
    sink : callable, optional
        Takes the maps of each window.
    limit : int
        Most cells that are ranked and kept for scatter plots: every k-th row and column. All else uses every cell.
    window_size : int

    Returns
    -------
    Compared
        ``comparison``: a row for each other product, :data:`BESIDE_COLUMNS`. ``pairs``: two rows for each pair of products, weighted by
        area and by cells. ``taylor``: over the cells that all have. ``totals``: of the cells that all have (``common``) and of all that a
        product has on the grid (``own``). ``cv``: mean coefficient of variation over the cells with two products or more, by area.

    Raises
    ------
    RasterError
        Two products of one name, or one without a cell in common with ours.
    """
    products = [ours, *others]
    names = [product.name for product in products]
    twice = sorted({name for name in names if names.count(name) > 1})
    faults = [f"products: {name} stands {names.count(name)} times; expected a name for each" for name in twice]
    if not others:
        faults.append("products: ours alone; expected another one to compare with")
    if faults:
        raise RasterError(faults)
    places = (np.zeros(0, np.int64), np.zeros(0, np.int64)) if cells is None else cells
    step = max(1, int(np.ceil(np.sqrt(grid.height * grid.width / limit))))
    found = _Gathered(
        {(i, j, weights): Pairs() for i in range(len(products)) for j in range(i + 1, len(products)) for weights in ("area", "cells")},
        [[] for _ in others], np.full((len(products), places[0].size), np.nan), [Pairs() for _ in others],
    )  # fmt: skip
    for window in windows(grid, window_size):
        _window(found, products, grid, window, classes, places, step, sink)
    lost = [
        f"{name}: {layer_name(layer)}: no cell in common with {ours.name}; expected maps that overlap where both have values"
        for j, name in enumerate(names[1:], start=1)
        if found.pairs[0, j, "cells"].count == 0
    ]
    if lost:
        raise RasterError(lost)
    return _tables(found, products, layer, period, classes, shared or {}, step)


def _window(
    found: _Gathered,
    products: Sequence[OpenProduct],
    grid: GeoBox,
    window: Window,
    classes: Sequence[ClassLayer],
    places: tuple[NDArray[np.int64], NDArray[np.int64]],
    step: int,
    sink: Sink | None,
) -> None:
    """Take in one window of all products."""
    both = [product.read_both(window) for product in products]
    values = np.stack([own for own, _ in both])
    known = np.isfinite(values)
    area = np.nan_to_num(cell_area_m2(grid, window), nan=0.0)
    lattice = _lattice(window, step)
    everywhere = np.asarray(known.all(axis=0))
    for (i, j, weights), pairs in found.pairs.items():
        shared = known[i] & known[j]
        pairs.add(values[i][shared], values[j][shared], area[shared] if weights == "area" else np.ones(int(shared.sum())))
    for place in range(1, len(products)):
        found.taylor[place - 1].add(values[0][everywhere], values[place][everywhere], area[everywhere])
        thinned = known[0] & known[place] & lattice
        found.ranked[place - 1].append(np.stack([values[0][thinned], values[place][thinned]]))
    groups = list(_groups(window, classes))
    for i, (own, around) in enumerate(both):
        _totals(found, i, own, known[i], everywhere, area, groups)
        sure = known[i] & np.isfinite(around)
        found.around.add_cells(i, np.stack([area[sure] * own[sure], area[sure] * around[sure]]))
        found.negative[i] = found.negative.get(i, 0) + int(np.count_nonzero(own[known[i]] < 0.0))
    cv, count = spread(values)
    _spread(found, cv, count, area, groups)
    _points(found, values, window, places)
    if sink is not None:
        differences = {product.name: relative_difference(values[0], values[i]) for i, product in enumerate(products) if i}
        sink(window, {"cv": cv, "count": count} | {f"relative_difference {name}": part for name, part in differences.items()})


def _groups(window: Window, classes: Sequence[ClassLayer]) -> Iterator[Group]:
    """All cells, then those of each code of each class layer; cells without one are unclassified."""
    yield "all", "", np.arange(window.height * window.width, dtype=np.intp)
    for by in classes:
        codes = check_shape(np.asarray(by.read(window)), window, f"class layer {by.name}").ravel()
        check_codes(by.name, codes)
        empty = np.isnan(codes)
        for code in np.unique(codes[~empty]):
            yield by.name, str(int(code)), np.flatnonzero(codes == code)
        if empty.any():
            yield by.name, UNCLASSIFIED, np.flatnonzero(empty)


def _totals(
    found: _Gathered,
    place: int,
    values: Floats,
    known: NDArray[np.bool_],
    everywhere: NDArray[np.bool_],
    area: Floats,
    groups: Sequence[Group],
) -> None:
    for rows, taken in (("own", known), ("common", everywhere)):
        weight = np.where(taken, area, 0.0).ravel()
        stock = np.where(taken, area * np.nan_to_num(values), 0.0).ravel()
        parts = np.stack([taken.ravel().astype(np.float64), weight, stock])
        for by, code, cells in groups:
            found.sums.add_cells((place, rows, by, code), parts, cells)


def _spread(found: _Gathered, cv: Floats, count: Floats, area: Floats, groups: Sequence[Group]) -> None:
    known = np.isfinite(cv)
    weight = np.where(known, area, 0.0)
    parts = [known.astype(np.float64), weight, weight * np.nan_to_num(cv), weight * np.nan_to_num(count)]
    stacked = np.stack([part.ravel() for part in parts])
    for by, code, cells in groups:
        found.spread.add_cells((by, code), stacked, cells)


def _points(found: _Gathered, values: Floats, window: Window, places: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    row, col = places[0] - window.row, places[1] - window.col
    here = np.flatnonzero((row >= 0) & (row < window.height) & (col >= 0) & (col < window.width))
    found.at_points[:, here] = values[:, row[here], col[here]]


def _lattice(window: Window, step: int) -> NDArray[np.bool_]:
    """Cells of every step-th row and column of the grid, whatever the windows."""
    rows = np.arange(window.row, window.row + window.height) % step == 0
    cols = np.arange(window.col, window.col + window.width) % step == 0
    return np.asarray(rows[:, None] & cols[None, :])


# Tables ------------------------------------------------------------------------------------------------------------------


def _tables(
    found: _Gathered,
    products: Sequence[OpenProduct],
    layer: Layer,
    period: str,
    classes: Sequence[ClassLayer],
    shared: Mapping[str, str],
    step: int,
) -> Compared:
    head = {"top_cm": float(layer[0]), "bottom_cm": float(layer[1]), "period": period}
    notes = [note for product in products for note in product.notes]
    samples = {product.name: np.concatenate(parts, axis=1) for product, parts in zip(products[1:], found.ranked, strict=True)}
    for i, product in enumerate(products):
        if found.negative.get(i):
            notes.append(f"{product.name}: {layer_name(layer)}: {found.negative[i]} cells with a stock below zero; kept as they are")
        if product.support.method == "spline":
            notes.append(f"{product.name}: {layer_name(layer)}: the spline came to a factor of {_realised(found, i):.4g} over all cells")
    notes += [f"{name}: {text}" for name, text in shared.items() if text]
    if all(pairs.count == 0 for pairs in found.taylor):
        notes.append(f"{layer_name(layer)}: no cell that all products have; Taylor and target statistics and common totals are empty")
    notes += _unnamed(found, classes)
    return Compared(
        _beside(found, products, head, samples, shared, step),
        _pair_table(found, products, head),
        _taylor_table(found, products, head),
        _total_table(found, products, head, classes),
        _cv_table(found, head, classes),
        samples,
        {product.name: found.at_points[i] for i, product in enumerate(products)},
        tuple(dict.fromkeys(notes)),
    )


def _realised(found: _Gathered, place: int) -> float:
    """Stock of the target over that of the product's layers around it, all cells together."""
    part, whole = (float(value) for value in found.around[place])
    return part / whole if whole else float("nan")


def _factor(pairs: Pairs) -> float:
    told = pairs.agreement()
    return float(told["mean_ours"] / told["mean_theirs"]) if told["cells"] and told["mean_theirs"] != 0.0 else float("nan")


def _beside(
    found: _Gathered,
    products: Sequence[OpenProduct],
    head: Mapping[str, object],
    samples: Mapping[str, Floats],
    shared: Mapping[str, str],
    step: int,
) -> pd.DataFrame:
    rows = []
    for j, product in enumerate(products[1:], start=1):
        area, cells = (found.pairs[0, j, weights] for weights in ("area", "cells"))
        told, factor = area.agreement(), _factor(area)
        square = area.area_m2
        sampled = f"; Spearman over {samples[product.name].shape[1]} cells, every {step}th row and column" if step > 1 else ""
        own = product.support.factor
        rows.append(
            {
                "name": product.name,
                **{key: value for key, value in head.items() if key != "period"},
                "cells": cells.count,
                "pearson_r": cells.agreement()["pearson_r"],
                "spearman_r": _spearman(samples[product.name]),
                "mean_ours_kg_m2": told["mean_ours"],
                "mean_theirs_kg_m2": told["mean_theirs"],
                "factor": factor,
                "total_ours_Tg": told["mean_ours"] * square / KG_PER_TG,
                "total_theirs_Tg": told["mean_theirs"] * square / KG_PER_TG,
                "explanation": explain_factor(factor) + sampled,
                "period": head["period"],
                "support": product.support.text,
                "support_factor": own if np.isfinite(own) else _realised(found, j),
                "shared_inputs": shared.get(product.name, ""),
                "label": LABEL,
            }
        )
    return pd.DataFrame(rows, columns=list(BESIDE_COLUMNS))


def _spearman(pairs: Floats) -> float:
    """Rank correlation of pairs (2, n), ties sharing their mean rank."""
    ranks = Moments()
    ranks.add(*(rankdata(values) for values in pairs))
    return ranks.pearson()


def _pair_table(found: _Gathered, products: Sequence[OpenProduct], head: Mapping[str, object]) -> pd.DataFrame:
    rows = []
    for (i, j, weights), pairs in found.pairs.items():
        factor = _factor(pairs)
        told = {**head, "ours": products[i].name, "theirs": products[j].name, "weights": weights, **pairs.agreement()}
        rows.append(told | {"factor": factor, "explanation": explain_factor(factor), "label": LABEL})
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))


def _taylor_table(found: _Gathered, products: Sequence[OpenProduct], head: Mapping[str, object]) -> pd.DataFrame:
    rows = []
    for product, pairs in zip(products[1:], found.taylor, strict=True):
        told = taylor(pairs.agreement())
        rows.append({**head, "reference": products[0].name, "product": product.name, "cells": pairs.count, **told})
    return pd.DataFrame(rows, columns=list(TAYLOR_COLUMNS))


def _keys(keys: set[tuple[str, str]], classes: Sequence[ClassLayer]) -> list[tuple[str, str, str]]:
    """Class layer, code and name: all cells first, codes in rising order, those without one last."""
    out = [("all", "", "all")]
    for by in classes:
        codes = sorted(int(code) for name, code in keys if name == by.name and code != UNCLASSIFIED)
        out += [(by.name, str(code), by.labels.get(code, f"class {code}")) for code in codes]
        if (by.name, UNCLASSIFIED) in keys:
            out.append((by.name, UNCLASSIFIED, UNCLASSIFIED))
    return out


def _found_keys(found: _Gathered) -> set[tuple[str, str]]:
    return {(key[0], key[1]) for key in found.spread if isinstance(key, tuple)}


def _unnamed(found: _Gathered, classes: Sequence[ClassLayer]) -> list[str]:
    """Notes on codes that the legend does not name."""
    keys = _found_keys(found)
    notes = []
    for by in classes:
        codes = sorted(int(code) for name, code in keys if name == by.name and code != UNCLASSIFIED)
        nameless = [str(code) for code in codes if code not in by.labels]
        if nameless:
            notes.append(f"{by.name}: no name for {len(nameless)} of {len(codes)} codes ({', '.join(nameless[:8])}); called class CODE")
    return notes


def _total_table(
    found: _Gathered, products: Sequence[OpenProduct], head: Mapping[str, object], classes: Sequence[ClassLayer]
) -> pd.DataFrame:
    keys, rows = _keys(_found_keys(found), classes), []
    for i, product in enumerate(products):
        for which in ("common", "own"):
            for by, code, name in keys:
                cells, area, stock = (float(value) for value in found.sums[(i, which, by, code)])
                told = {"product": product.name, "rows": which, "by": by, "class": code, "class_name": name}
                mean = stock / area if area > 0.0 else float("nan")
                sizes = {"cells": int(cells), "area_km2": area / M2_PER_KM2, "mean_kg_m2": mean, "total_Tg": stock / KG_PER_TG}
                rows.append({**head, **told, **sizes})
    return pd.DataFrame(rows, columns=list(TOTAL_COLUMNS))


def _cv_table(found: _Gathered, head: Mapping[str, object], classes: Sequence[ClassLayer]) -> pd.DataFrame:
    rows = []
    for by, code, name in _keys(_found_keys(found), classes):
        cells, area, cv, count = (float(value) for value in found.spread[(by, code)])
        told = {"by": by, "class": code, "class_name": name, "cells": int(cells), "area_km2": area / M2_PER_KM2}
        means = (cv / area, count / area) if area > 0.0 else (float("nan"), float("nan"))
        rows.append({**head, **told, "mean_cv_pct": means[0], "mean_count": means[1]})
    return pd.DataFrame(rows, columns=list(CV_COLUMNS))
