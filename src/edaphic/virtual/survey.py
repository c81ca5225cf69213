"""Surveys of a virtual world: where the papers' profiles come from.

``random`` is a probability sample, every cell alike. ``clustered``: few tight clusters. ``roads``: within reach of a few straight roads.
``climate``: one climate zone has most of the profiles. A cell gets one profile at most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from edaphic.errors import TableError
from edaphic.virtual.fields import Array, Index
from edaphic.virtual.world import BASE_YEAR, CLIMATES, World


@dataclass(frozen=True)
class Survey:
    """What governs a survey.

    Attributes
    ----------
    design : {"random", "clustered", "roads", "climate"}
    profiles : int
    layers_cm : sequence of (top_cm, bottom_cm)
        Layers of each profile.
    periods : sequence of (first, last)
        Years of the campaigns; each profile belongs to one of them, drawn evenly, and to one of its years.
    clusters : int
        ``clustered``: number of centres, drawn evenly from the cells.
    cluster_m : float
        ``clustered``: standard deviation of the way from a centre to its profiles, in each direction.
    roads : int
        ``roads``: straight lines between random points of two opposite edges.
    reach_m : float
        ``roads``: the chance of a profile falls as exp(-distance / reach); nobody goes beyond five reaches.
    dense_share : float
        ``climate``: share of the profiles in the zone that is dense, a random one; the others share the rest by area.
    """

    design: str = "random"
    profiles: int = 300
    layers_cm: Sequence[tuple[float, float]] = ((0.0, 30.0),)
    periods: Sequence[tuple[int, int]] = ((BASE_YEAR, BASE_YEAR),)
    clusters: int = 20
    cluster_m: float = 3500.0
    roads: int = 4
    reach_m: float = 1000.0
    dense_share: float = 0.85

    def __post_init__(self) -> None:
        """Refuse a survey that cannot be."""
        faults = []
        if self.design not in CHANCES:
            faults.append(f"design '{self.design}'; expected one of {', '.join(CHANCES)}")
        if self.profiles < 1 or self.clusters < 1 or self.roads < 1:
            faults.append(f"{self.profiles} profiles, {self.clusters} clusters, {self.roads} roads; expected 1 or more")
        if not (self.cluster_m > 0 and self.reach_m > 0 and 0 < self.dense_share < 1):
            found = f"cluster_m {self.cluster_m:g}, reach_m {self.reach_m:g}, dense_share {self.dense_share:g}"
            faults.append(f"{found}; expected > 0, > 0, 0 to 1")
        if not self.layers_cm or any(not 0 <= top < bottom for top, bottom in self.layers_cm):
            faults.append(f"layers {tuple(self.layers_cm)}; expected 0 <= top < bottom")
        if not self.periods or any(first > last for first, last in self.periods):
            faults.append(f"periods {tuple(self.periods)}; expected first <= last")
        if faults:
            raise TableError("virtual survey: " + "; ".join(faults))


def send(world: World, survey: Survey, seed: int) -> pd.DataFrame:
    """Dig, measure, and write down also what nobody there could know.

    Parameters
    ----------
    world : World
    survey : Survey
    seed : int

    Returns
    -------
    DataFrame
        One row per profile and layer, profiles in random order: ``profile_id``, ``row``, ``col``, ``lon``, ``lat``, ``year``, ``zone``
        (climate), ``top_cm``, ``bottom_cm``, ``observed`` (measured stock, kg/m2), ``true`` (the stock of the pit), ``true_cell`` (of its
        cell).

    Raises
    ------
    TableError
        More profiles than cells that the design can reach.

    Examples
    --------
    >>> from edaphic.virtual.world import Nature, make
    >>> world = make(1, Nature(shape=(16, 20)))
    >>> table = send(world, Survey(profiles=12, layers_cm=((0, 30), (30, 100))), 1)
    >>> len(table), list(table["profile_id"][:3])
    (24, ['V0001', 'V0001', 'V0002'])
    """
    rng = np.random.default_rng([world.seed, seed, 12])
    chance = chance_of(world, survey, rng).ravel()
    reached = int(np.count_nonzero(chance))
    if survey.profiles > reached:
        raise TableError(f"virtual survey: {survey.profiles} profiles; expected {reached} at most (cells that '{survey.design}' reaches)")
    drawn = rng.choice(chance.size, survey.profiles, replace=False, p=chance / chance.sum())
    row, col = np.unravel_index(drawn, world.nature.shape)
    first, last = np.array(survey.periods)[rng.integers(0, len(survey.periods), survey.profiles)].T
    year = rng.integers(first, last + 1)
    cell = np.empty((survey.profiles, len(survey.layers_cm)))
    for when in np.unique(year):
        here = year == when
        for k, (top, bottom) in enumerate(survey.layers_cm):
            cell[here, k] = world.true_stock_kg_m2(top, bottom, when)[row[here], col[here]]
    factor = world.pits(np.ones((survey.profiles, 1)), rng)
    return _table(world, survey, (row, col), year, cell, factor, rng)


def _table(
    world: World,
    survey: Survey,
    place: tuple[Index, Index],
    year: Index,
    cell: Array,
    factor: Array,
    rng: np.random.Generator,
) -> pd.DataFrame:
    layers = len(survey.layers_cm)
    lon, lat = world.lon_lat(*place)
    sites = pd.DataFrame(
        {
            "profile_id": [f"V{k:04d}" for k in range(1, survey.profiles + 1)],
            "row": place[0],
            "col": place[1],
            "lon": lon,
            "lat": lat,
            "year": year,
            "zone": world.climate[place],
        }
    )
    table = sites.loc[np.repeat(np.arange(survey.profiles), layers)].reset_index(drop=True)
    table["top_cm"], table["bottom_cm"] = np.tile(np.asarray(survey.layers_cm, dtype=float), (survey.profiles, 1)).T
    true = cell * factor
    table["observed"] = world.measured(true, rng).ravel()
    table["true"], table["true_cell"] = true.ravel(), cell.ravel()
    return table


def chance_of(world: World, survey: Survey, rng: np.random.Generator) -> Array:
    """Relative chance of each cell to be sampled, (h, w)."""
    return CHANCES[survey.design](world, survey, rng)


def _even(world: World, survey: Survey, rng: np.random.Generator) -> Array:
    return np.ones(world.nature.shape)


def _clusters(world: World, survey: Survey, rng: np.random.Generator) -> Array:
    """The same number around each centre, as far as clusters do not overlap; nobody walks beyond three standard deviations."""
    place = np.indices(world.nature.shape) * world.nature.cell_m
    chance = np.zeros(world.nature.shape)
    for centre in rng.choice(chance.size, survey.clusters, replace=False):
        row, col = np.unravel_index(centre, chance.shape)
        away = np.hypot(*(place - place[:, row, col][:, None, None])) / survey.cluster_m
        near = np.where(away <= 3.0, np.exp(-(away**2) / 2.0), 0.0)
        chance += near / near.sum()
    return chance


def _roads(world: World, survey: Survey, rng: np.random.Generator) -> Array:
    size = np.array(world.nature.shape) * world.nature.cell_m
    place = (np.indices(world.nature.shape) + 0.5) * world.nature.cell_m
    away = np.full(world.nature.shape, np.inf)
    for k in range(survey.roads):
        start, end = rng.random((2, 2)) * size
        start[k % 2], end[k % 2] = 0.0, size[k % 2]
        step = end - start
        across = step[1] * (place[0] - start[0]) - step[0] * (place[1] - start[1])
        away = np.minimum(away, np.abs(across) / np.hypot(*step))
    away = np.maximum(away - world.nature.cell_m / 2.0, 0.0) / survey.reach_m
    return np.where(away <= 5.0, np.exp(-away), 0.0)


def _one_climate(world: World, survey: Survey, rng: np.random.Generator) -> Array:
    dense = world.climate == rng.integers(CLIMATES)
    inside = survey.dense_share / np.count_nonzero(dense)
    return np.where(dense, inside, (1.0 - survey.dense_share) / np.count_nonzero(~dense))


CHANCES: Mapping[str, Callable[[World, Survey, np.random.Generator], Array]] = {
    "random": _even,
    "clustered": _clusters,
    "roads": _roads,
    "climate": _one_climate,
}
