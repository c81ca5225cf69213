"""Totals with the error that follows from errors which are alike over some distance: realisations, and their percentiles."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import ArrayLike, NDArray
from odc.geo.geobox import GeoBox
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from edaphic.account.simulation.blocks import NODES, Group, Tables, add_up, median_of, smooth
from edaphic.account.simulation.fields import TOGETHER, Fields, draw_blocks, draw_parts, pieces, told_by_profiles
from edaphic.account.simulation.nested import Region, draw_region, region_of
from edaphic.errors import ModelError
from edaphic.units import KG_PER_TG, M2_PER_KM2

Floats = NDArray[np.float64]

MODELLED_COLUMNS = (
    "by", "class", "class_name", "top_cm", "bottom_cm", "cells", "area_km2", "total_Tg", "modelled_low_Tg", "modelled_high_Tg",
    "modelled_sd_Tg", "fully_correlated_sd_Tg", "effective_cells", "profiles_shift_Tg", "centred_by",
)  # fmt: skip
REALISATION_COLUMNS = ("by", "class", "top_cm", "bottom_cm", "realisation", "total_Tg")
_POINTS, _WEIGHTS = hermegauss(24)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
TINY = 1e-5
"""Variance of a part, in scores, below which what differs from cell to cell is not drawn: it has averaged out."""


@dataclass(frozen=True)
class Modelled:
    """Totals with intervals, and the realisations that they come from.

    ``table``: the columns :data:`MODELLED_COLUMNS`. ``realisations``: :data:`REALISATION_COLUMNS`.
    """

    table: pd.DataFrame
    realisations: pd.DataFrame
    notes: tuple[str, ...] = ()


@dataclass
class _Layer:
    """What one layer needs of all slots: tables smoothed, and how the field of parts makes their scores."""

    tables: Floats
    mix: csr_matrix
    own: Floats
    follow: Floats
    trend: Floats


@dataclass
class _Plan:
    """Slots by group, and the small groups that have elements of their own."""

    groups: list[Group]
    slots: NDArray[np.int64]
    bounds: NDArray[np.int64]
    regions: dict[int, Region] = field(default_factory=dict)


def modelled_totals(
    grid: GeoBox,
    tables: Tables,
    fields: Fields,
    *,
    realisations: int = 1000,
    seed: int = 1,
    interval: float = 0.9,
    trend: ArrayLike | None = None,
    trend_share: ArrayLike = 0.0,
    corrected: bool = False,
) -> Modelled:
    """Realisations of totals for all cells and every class of every class layer, by layer and for the whole depth.

    Parameters
    ----------
    grid : GeoBox
        Grid of the tables.
    tables : Tables
        Of :func:`~edaphic.account.simulation.blocks.tabulate`.
    fields : Fields
        Of :func:`~edaphic.account.simulation.fields.make_fields`, on the same lattice.
    realisations : int
    seed : int
        The same seed gives the same bits.
    interval : float
        Level of the percentiles.
    trend : array_like (realisations or more, blocks, layers), optional
        How refitted forests depart from their mean, over their standard deviation, block by block: the error of the trend. Used in turn
        where there are fewer than realisations.
    trend_share : array_like
        Share of the variance of a prediction that this error has: a number, or (blocks, layers).
    corrected : bool
        Move the totals by what the scores at the profiles tell of the map's error: the mean of the realisations is then not the mapped
        total. Otherwise the map stays as it is, and what profiles tell of its error counts as error.

    Returns
    -------
    Modelled

    Raises
    ------
    ModelError
        Arrays that do not fit each other.

    Notes
    -----
    The whole depth of a realisation is the sum of its layers. Each layer of each class is multiplied by one factor (column ``centred_by``)
    so that the mean of its realisations is the mapped total. What profiles tell of the error of the map, to first order, is added to that:
    times a standard normal number, one for each realisation and the same everywhere, where the map is not corrected by it.
    """
    g, share = _trend(tables, fields, trend, trend_share, realisations)
    plan = _plan(grid, tables, fields)
    with threadpool_limits(limits=1):  # sums in one order, whatever the machine
        layers = [_layer(tables, fields, plan, i, share) for i in range(len(tables.layers))]
        v = fields.variogram
        regions = {name: _region_tables(region, v.partial_sill, v.nugget, share) for name, region in plan.regions.items()}
        drawn = _draw(fields, plan, layers, regions, g, share, realisations, seed)
        shift = _shift(tables, fields, plan, layers, share)
        told = np.ones(realisations) if corrected else _told(realisations, seed)
    return _tables(tables, plan, drawn, shift, told, interval, (*tables.notes, *fields.notes))


def _trend(
    tables: Tables, fields: Fields, trend: ArrayLike | None, share: ArrayLike, realisations: int
) -> tuple[Floats | None, Floats]:
    """Departures (layers, blocks, departures) and shares (layers, blocks)."""
    shape = (fields.lattice.blocks, len(tables.layers))
    faults = []
    if fields.lattice is not tables.lattice:
        faults.append("totals: fields of another lattice than the tables; expected one lattice for both")
    if len(fields.root) != len(tables.layers):
        faults.append(f"totals: fields of {len(fields.root)} layers for maps of {len(tables.layers)}; expected as many")
    if realisations < 2:
        faults.append(f"totals: {realisations} realisations; expected at least 2")
    known = np.asarray(share, dtype=np.float64)
    if not (known.ndim == 0 or known.shape == shape) or not ((known >= 0) & (known <= 1)).all():
        faults.append(f"totals: share of the trend {known.shape}; expected a number from 0 to 1, or {shape} of them")
    g = None if trend is None else np.asarray(trend, dtype=np.float64)
    if g is not None and (g.ndim != 3 or g.shape[1:] != shape or not np.isfinite(g).all()):
        faults.append(f"totals: departures of the trend {g.shape}; expected finite numbers (realisations, {shape[0]}, {shape[1]})")
    if faults:
        raise ModelError(faults)
    if g is None:
        return None, np.zeros(shape[::-1])
    return np.ascontiguousarray(g.transpose(2, 1, 0)), np.broadcast_to(known, shape).T.copy()


def _plan(grid: GeoBox, tables: Tables, fields: Fields) -> _Plan:
    groups = tables.groups()
    number = {group: i for i, group in enumerate(groups)}
    regions = {}
    for group in groups:
        kept = tables.small.get(group)
        if kept and (found := region_of(grid, tables, fields, kept)) is not None:
            regions[number[group]] = found
    rows = np.array([(number[group], block, slot) for (group, block), slot in tables.slots.items()], dtype=np.int64).reshape(-1, 3)
    rows = rows[~np.isin(rows[:, 0], list(regions))]
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    return _Plan(groups, rows[:, 1:], np.searchsorted(rows[:, 0], np.arange(len(groups) + 1)), regions)


def _layer(tables: Tables, fields: Fields, plan: _Plan, i: int, share: Floats) -> _Layer:
    """Tables of the slots at the support of what they hold in their block."""
    block, slot = plan.slots.T
    v, lattice, support = fields.variogram, tables.lattice, fields.support
    load = tables.load[i, slot]
    whole = load.sum(axis=1)
    part = _parts_of(lattice.blocks, tables)[block]
    rows, local = np.nonzero((load != 0) & (part >= 0))
    weight = load[rows, local] / np.where(whole[rows] != 0, whole[rows], 1.0)
    column = part[rows, local]
    mix = csr_matrix((weight, (rows, column)), shape=(len(slot), len(lattice.block_of)))
    # Variance of the average: over pairs of parts of the block.
    inside = np.zeros((len(slot), support.inside.shape[1]))
    inside[rows, column - support.start[block[rows]]] = weight
    variance = np.zeros(len(slot))
    for b in np.unique(block):
        some = block == b
        n = support.start[b + 1] - support.start[b]
        w = inside[some, :n]
        variance[some] = np.einsum("ij,jk,ik->i", w, support.inside[support.start[b] : support.start[b] + n, :n], w)
    own = v.nugget * np.minimum(tables.square[i, slot] / np.maximum(whole**2, 1e-300), 1.0)
    t = share[i, block]
    y2 = (1 - t) * (v.partial_sill * variance + own) + t
    out = np.empty((len(slot), len(NODES)))
    smooth(tables.table[i, slot], np.sqrt(np.clip(1 - y2, 0.0, 1.0)), NODES, _POINTS, _WEIGHTS, out)
    return _Layer(out, mix, np.where(own > TINY, own, 0.0), np.asarray(mix @ fields.to_block), t)


def _parts_of(blocks: int, tables: Tables) -> NDArray[np.int64]:
    """Number of the part at each place in a block, (blocks, parts of a block); -1 where nothing is mapped."""
    lattice = tables.lattice
    out = np.full((blocks, lattice.parts**2), -1, dtype=np.int64)
    row, col = np.nonzero(lattice.part_at >= 0)
    part = lattice.part_at[row, col]
    out[lattice.block_of[part], (row % lattice.parts) * lattice.parts + col % lattice.parts] = part
    return out


def _draw(
    fields: Fields, plan: _Plan, layers: list[_Layer], regions: dict[int, Floats], g: Floats | None, share: Floats, realisations: int,
    seed: int,
) -> Floats:  # fmt: skip
    """Totals (groups, layers, realisations), kg, not centred."""
    v = fields.variogram
    out = np.zeros((len(plan.groups), len(layers), realisations))
    for number, which in pieces(realisations):
        count = which.stop - which.start
        blocks = draw_blocks(fields, number, count, seed)
        parts = draw_parts(fields, blocks, number, seed)
        departures = None if g is None else g[:, :, np.arange(which.start, which.stop) % g.shape[2]]
        for i, layer in enumerate(layers):
            y = np.sqrt(v.partial_sill) * (layer.mix @ parts[i])
            noisy = np.flatnonzero(layer.own)
            if len(noisy):
                rng = np.random.default_rng([seed, 44, i, number])
                y[noisy] += np.sqrt(layer.own[noisy, None]) * rng.standard_normal((len(noisy), TOGETHER))[:, :count]
            if departures is not None:
                y = np.sqrt(1 - layer.trend)[:, None] * y + np.sqrt(layer.trend)[:, None] * departures[i, plan.slots[:, 0]]
            for k in range(len(plan.groups)):
                some = slice(plan.bounds[k], plan.bounds[k + 1])
                if some.stop > some.start:
                    add_up(layer.tables[some], np.ascontiguousarray(y[some]), NODES, out[k, i, which])
        for name, region in plan.regions.items():
            drawn = draw_region(region, fields, blocks, number, name, seed)
            for i in range(len(layers)):
                rng = np.random.default_rng([seed, 45, i, name, number])
                y = np.sqrt(v.partial_sill) * drawn[i]
                y += np.sqrt(v.nugget * region.spare[i])[:, None] * rng.standard_normal((len(y), TOGETHER))[:, :count]
                if departures is not None:
                    t = share[i, region.block][:, None]
                    y = np.sqrt(1 - t) * y + np.sqrt(t) * departures[i, region.block]
                add_up(regions[name][i], np.ascontiguousarray(y), NODES, out[name, i, which])
    return out


def _region_tables(region: Region, field_share: float, nugget: float, share: Floats) -> Floats:
    out = np.empty_like(region.table)
    for i in range(len(out)):
        t = share[i, region.block]
        y2 = (1 - t) * (field_share * region.variance + nugget * region.spare[i]) + t
        smooth(region.table[i], np.sqrt(np.clip(1 - y2, 0.0, 1.0)), NODES, _POINTS, _WEIGHTS, out[i])
    return out


def _shift(tables: Tables, fields: Fields, plan: _Plan, layers: list[_Layer], share: Floats) -> Floats:
    """By how much what profiles tell would move each total, (groups, layers), kg, to first order; 0 without profiles."""
    out = np.zeros((len(plan.groups), len(layers)))
    scale = np.sqrt(fields.variogram.partial_sill)
    block, slot = plan.slots.T
    for i, layer in enumerate(layers):
        moved = scale * np.sqrt(1 - layer.trend) * layer.follow * fields.mean[i, block] * tables.load[i, slot].sum(axis=1)
        for k in range(len(plan.groups)):
            out[k, i] = moved[plan.bounds[k] : plan.bounds[k + 1]].sum()
        for k, region in plan.regions.items():
            told = region.weights[i] @ fields.mean[i, region.near] + region.told[i]
            out[k, i] = scale * np.sum(np.sqrt(1 - share[i, region.block]) * told * region.load[i])
    return out


def _told(realisations: int, seed: int) -> Floats:
    return np.concatenate([told_by_profiles(number, which.stop - which.start, seed) for number, which in pieces(realisations)])


def _tables(
    tables: Tables, plan: _Plan, drawn: Floats, shift: Floats, told: Floats, interval: float, notes: tuple[str, ...]
) -> Modelled:
    rows, long = [], []
    z = median_of(interval)
    layers = tables.layers
    whole = (min(top for top, _ in layers), max(bottom for _, bottom in layers))
    for k, group in enumerate(plan.groups):
        total = tables.total[group] / KG_PER_TG
        one = drawn[k] / KG_PER_TG
        middle = one.mean(axis=1)
        factor = np.divide(total, middle, out=np.ones(len(layers)), where=middle > 0)
        one = np.maximum(one * factor[:, None] + np.outer(shift[k] / KG_PER_TG, told - (told.mean() if told.std() > 0 else 0.0)), 0.0)
        slots = tables.of(group)[0]
        wide = np.array([np.interp(z, NODES, t) - np.interp(-z, NODES, t) for t in tables.table[:, slots].sum(axis=1)]) / KG_PER_TG / 2
        moved = shift[k] / KG_PER_TG
        lines = [(layer, total[i], one[i], wide[i], moved[i], factor[i]) for i, layer in enumerate(layers)]
        if len(layers) > 1:
            lines.append((whole, total.sum(), one.sum(axis=0), wide.sum(), moved.sum(), float(total.sum() / (total / factor).sum())))
        for layer, mapped, values, half, by, centred in lines:
            low, high = np.quantile(values, [(1 - interval) / 2, (1 + interval) / 2])
            ends = (high - low) / 2
            named = {"by": group[0], "class": str(group[1]), "class_name": tables.labels[group]}
            rows.append(named | {
                "top_cm": layer[0], "bottom_cm": layer[1], "cells": tables.cells[group], "area_km2": tables.area[group] / M2_PER_KM2,
                "total_Tg": mapped, "modelled_low_Tg": low, "modelled_high_Tg": high, "modelled_sd_Tg": values.std(ddof=1),
                "fully_correlated_sd_Tg": half / z, "effective_cells": (half / ends) ** 2 if ends > 0 else np.nan,
                "profiles_shift_Tg": by, "centred_by": centred,
            })  # fmt: skip
            long.append(pd.DataFrame({
                "by": group[0], "class": str(group[1]), "top_cm": layer[0], "bottom_cm": layer[1],
                "realisation": np.arange(len(values)), "total_Tg": values,
            }))  # fmt: skip
    return Modelled(
        pd.DataFrame(rows, columns=list(MODELLED_COLUMNS)),
        pd.concat(long, ignore_index=True)[list(REALISATION_COLUMNS)],
        tuple(dict.fromkeys(notes)),
    )
