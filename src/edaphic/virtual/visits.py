"""Profiles of the landscape of seven periods: four sources with habits of their own, places visited twice, an independent set."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from edaphic.units import ORGANIC_MATTER_TO_CARBON
from edaphic.virtual.fields import Array, Index
from edaphic.virtual.ground import curve_stock_kg_m2, drawn_cells, write_table
from edaphic.virtual.sampling import NUGGET, Pedons, _horizon_depths, _laboratory
from edaphic.virtual.spacetime import PIT_CORRELATION, SpaceTime, period_of

YEARS = {"survey": (1979, 1989), "network": (2001, 2009), "record": (2010, 2019), "compilation": (2010, 2019), "independent": (2016, 2019)}
"""First and last year of each source."""

SHARES = {"survey": 0.34, "network": 0.18, "record": 0.25, "compilation": 0.1}
"""Share of the profiles that each source begins; the places of the survey that are visited again come on top of the record."""

REPORTED_CM = np.array([0.0, 10.0, 20.0, 30.0, 50.0, 100.0])
"""Limits of the layers of the source that reports stocks."""

REPORTED_ERROR = 0.08
COPIED = 0.12
"""Share of survey and record that the compilation has too."""


def revisits(profiles: int) -> int:
    """Number of places that are visited twice.

    >>> revisits(600), revisits(6000)
    (80, 750)
    """
    return max(80, profiles // 8)


def write_visits(land: SpaceTime, folder: Path, rng: np.random.Generator) -> dict[str, object]:
    """Write all tables of profiles.

    Parameters
    ----------
    land : SpaceTime
    folder : Path
        Gets survey.csv, network.csv, record_sites.csv, record_horizons.csv, compilation.csv, independent.csv; and
        ../truth/revisits.csv, the true stocks at places that were visited twice.
    rng : Generator

    Returns
    -------
    dict
        Numbers of profiles, of places visited twice, of copies and of incomplete rows.
    """
    counts = {name: round(share * land.profiles) for name, share in SHARES.items()}
    again = revisits(land.profiles)
    row, col = drawn_cells(rng, land.access, sum(counts.values()))
    ends = np.cumsum(list(counts.values()))
    parts = dict(zip(counts, zip(np.split(row, ends[:-1]), np.split(col, ends[:-1]), strict=True), strict=True))
    survey = _Visit(land, "survey", *parts["survey"], rng)
    network = _Visit(land, "network", *parts["network"], rng)
    record = _Visit(land, "record", *parts["record"], rng, again=(survey, again))
    compiled = _Visit(land, "compilation", *parts["compilation"], rng)
    even = drawn_cells(rng, np.ones(land.place.shape), max(80, land.profiles // 8))
    apart = _Visit(land, "independent", *even, rng)

    horizons = {visit.name: visit.horizons(rng) for visit in (survey, record, compiled, apart)}
    write_table(folder / "survey.csv", _survey(survey, horizons["survey"]))
    write_table(folder / "network.csv", _network(network, rng))
    sites, layers = _record(record, horizons["record"])
    write_table(folder / "record_sites.csv", sites)
    write_table(folder / "record_horizons.csv", layers)
    table, copies, incomplete = _compilation([survey, record, compiled], horizons, rng)
    write_table(folder / "compilation.csv", table)
    write_table(folder / "independent.csv", _plain(apart, horizons["independent"]))
    write_table(folder.parent / "truth" / "revisits.csv", _twice(survey, record, again))
    told = {name: len(visit.row) for name, visit in (("survey", survey), ("network", network), ("record", record), ("independent", apart))}
    told |= {"compilation": len(compiled.row)}
    return {
        "profiles": told,
        "places_visited_twice": again,
        "copies_in_compilation": copies,
        "incomplete_profiles_in_compilation": incomplete,
    }


class _Visit:
    """A source's pits: where, when, and their soil."""

    row: Index
    col: Index
    lon: Array
    lat: Array
    own: Array

    def __init__(
        self, land: SpaceTime, name: str, row: Index, col: Index, rng: np.random.Generator, again: tuple[_Visit, int] | None = None
    ) -> None:
        self.name, self.land = name, land
        lon, lat = land.place.lon_lat(row, col, rng, 5)
        own = rng.standard_normal(len(row))
        if again is not None:
            first, count = again
            row, col = np.append(first.row[:count], row), np.append(first.col[:count], col)
            lon, lat = np.append(first.lon[:count], lon), np.append(first.lat[:count], lat)
            kept = PIT_CORRELATION * first.own[:count] + np.sqrt(1.0 - PIT_CORRELATION**2) * rng.standard_normal(count)
            own = np.append(kept, own)
        self.row, self.col, self.lon, self.lat, self.own = row, col, lon, lat, own
        first_year, last_year = YEARS[name]
        self.year = rng.integers(first_year, last_year + 1, len(row))
        self.period = np.array([period_of(int(year)) for year in self.year])
        self.label = np.array([f"{name[0].upper()}{k:05d}" for k in range(1, len(row) + 1)])
        factor = np.exp(NUGGET * own - NUGGET**2 / 2.0)
        cells = [land.surface[self.period, row, col] * factor, land.base[row, col] * factor]
        cells += [values[row, col] for values in (land.scale, land.packing, land.fragments)]
        cells[3] = cells[3] * np.exp(0.04 * rng.standard_normal(len(row)))
        self.pedons = Pedons(*(values[:, None] for values in cells))

    def horizons(self, rng: np.random.Generator) -> pd.DataFrame:
        """Natural horizons: which pit, depths, carbon (%), bulk density (g/cm3), stones (volume %)."""
        which, upper, lower = _horizon_depths(rng, self.land.slope[self.row, self.col] / 2.0)
        pits = Pedons(*(values[which] for values in vars(self.pedons).values()))
        carbon, density, stones = _laboratory(rng, pits, upper, lower)
        return pd.DataFrame({"pit": which, "top": upper, "bottom": lower, "carbon": carbon, "density": density, "stones": stones})

    def stock(self, top_cm: float, bottom_cm: float) -> Array:
        """True stock of each pit, kg/m2."""
        surface, base, scale = (v[:, 0] for v in (self.pedons.surface_kg_m3, self.pedons.base_kg_m3, self.pedons.scale_cm))
        return curve_stock_kg_m2(surface, base, scale, top_cm, bottom_cm)


def _survey(visit: _Visit, found: pd.DataFrame) -> pd.DataFrame:
    """The old survey: organic matter, no bulk density."""
    pit = found["pit"].to_numpy()
    return pd.DataFrame(
        {
            "PROF_NO": visit.label[pit],
            "LONG": visit.lon[pit],
            "LAT": visit.lat[pit],
            "YR": visit.year[pit],
            "UP_CM": found["top"],
            "LOW_CM": found["bottom"],
            "OM_PCT": np.round(found["carbon"] / ORGANIC_MATTER_TO_CARBON, 2),
            "GRAVEL": found["stones"],
        }
    )


def _network(visit: _Visit, rng: np.random.Generator) -> pd.DataFrame:
    """The network of plots: stocks of layers, as it reports them, and nothing else."""
    parts = []
    for top, bottom in pairwise(REPORTED_CM):
        stock = visit.stock(top, bottom) * (1.0 + REPORTED_ERROR * rng.standard_normal(len(visit.row)))
        parts.append(
            pd.DataFrame(
                {"plot": visit.label, "x": visit.lon, "y": visit.lat, "sampled": visit.year, "from_cm": top, "to_cm": bottom}
                | {"SOCD_kg_m2": np.round(stock, 3)}
            )
        )
    return pd.concat(parts).sort_values(["plot", "from_cm"], kind="stable")


def _record(visit: _Visit, found: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The soil system record: sites and horizons apart, g/kg, kg/m3, all measured."""
    pit = found["pit"].to_numpy()
    sites = pd.DataFrame({"site": visit.label, "lon": visit.lon, "lat": visit.lat, "date": [f"{year}-07-15" for year in visit.year]})
    layers = pd.DataFrame({"site": visit.label[pit], "top_cm": found["top"], "bottom_cm": found["bottom"]})
    layers["soc_g_kg"], layers["bd_kg_m3"] = np.round(10.0 * found["carbon"], 1), np.round(1000.0 * found["density"])
    layers["cf_vol"] = found["stones"]
    return sites, layers


def _plain(visit: _Visit, found: pd.DataFrame) -> pd.DataFrame:
    pit = found["pit"].to_numpy()
    table = pd.DataFrame({"id": visit.label[pit], "lon": visit.lon[pit], "lat": visit.lat[pit], "year": visit.year[pit]})
    table["top_m"], table["bottom_m"] = found["top"].to_numpy() / 100.0, found["bottom"].to_numpy() / 100.0
    table["soc_pct"], table["bd"], table["stones"] = (found[name].to_numpy() for name in ("carbon", "density", "stones"))
    return table


def _compilation(visits: list[_Visit], horizons: dict[str, pd.DataFrame], rng: np.random.Generator) -> tuple[pd.DataFrame, int, int]:
    """Others' profiles once more, with coordinates of three digits, beside some of its own; a few rows lack what they need."""
    parts, copies = [], 0
    for visit in visits:
        table = _plain(visit, horizons[visit.name])
        if visit.name == "survey":
            table["bd"] = np.nan
        if visit.name != "compilation":
            taken = np.sort(rng.choice(visit.label, round(COPIED * len(visit.label)), replace=False))
            copies += len(taken)
            table = table[table["id"].isin(taken)].copy()
            table["id"] = "copy of " + table["id"]
        table["lon"], table["lat"] = table["lon"].round(4), table["lat"].round(4)
        parts.append(table)
    whole = pd.concat(parts, ignore_index=True)
    own = whole.loc[~whole["id"].str.startswith("copy"), "id"].unique()
    lost = rng.choice(own, max(3, len(own) // 12), replace=False)
    whole.loc[whole["id"].isin(lost[::2]), ["lon", "lat"]] = np.nan
    whole.loc[whole["id"].isin(lost[1::2]), "soc_pct"] = np.nan
    return whole, copies, len(lost)


def _twice(first: _Visit, second: _Visit, count: int) -> pd.DataFrame:
    """Both visits of a place, with the true stocks of the pits and of their cells."""
    table = pd.DataFrame({"lon": first.lon[:count], "lat": first.lat[:count]})
    for end, visit in (("first", first), ("second", second)):
        table[f"{end}_id"], table[f"{end}_year"] = visit.label[:count], visit.year[:count]
        for top, bottom in ((0, 20), (20, 100), (0, 100)):
            name = f"{end}_{top}_{bottom}cm_kg_m2"
            table[f"pit_{name}"] = visit.stock(top, bottom)[:count]
            cell = [visit.land.true_stock_kg_m2(top, bottom, k) for k in range(len(visit.land.surface))]
            table[f"cell_{name}"] = np.stack(cell)[visit.period, visit.row, visit.col][:count]
    return table
