"""Real data to learn from and to be held back: one training table with covariates, places and cells of the map for each set.

Contents are harmonised to two layers by the exact spline of :mod:`edaphic.profiles`; organic matter is made carbon by 0.58. Covariates
come from the stack of :mod:`edaphic.covariates`, cells of the map are drawn from it at random. Nothing is thinned or filled here but
what :class:`RealSet` says in ``notes``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import rasterio
from pyproj import Transformer

from edaphic import covariates
from edaphic.covariates import Source
from edaphic.model.fit import Target, TrainingTable, training_table
from edaphic.profiles import Column, harmonise, read_property
from edaphic.profiles.depth.soil_column import DepthFunction
from edaphic.profiles.reading.pluscode import decode
from edaphic.validate.designs import places

Layers = tuple[tuple[float, float], ...]
CELLS = 1000
SAME_PLACE_M = 100.0
TO_CARBON_G_KG = 5.8
"""From organic matter in % to organic carbon in g/kg."""
NO_VALUE = -32768
OTHER_INDICES = ("ndvi", "savi", "msavi", "ndwi", "rei")
"""Indices of the mangrove set whose numbers in the rasters do not follow those of the table."""
TWO_DEGREES_M = 222_000.0
SOC = Target("log_soc", "value", "soc", "g/kg", log=True, per_metre=False)
DENSITY = Target("log_carbon_density", "value", "soc", "kg/m3", log=True, per_metre=False)
EVERYWHERE = ("random", "profile", "block", "knndm")
DATED = (*EVERYWHERE, "strata_in_proportion", "strata_left_out", "time")
UNDATED = (*EVERYWHERE, "strata_left_out")


@dataclass(frozen=True)
class RealSet:
    """All that the folds need.

    ``table``: rows to learn from; ``points``: covariates by profile; ``kinds``: continuous or class; ``sites``: ``lon``, ``lat``, ``year``,
    ``zone`` (0) and ``place`` by profile; ``cells``: ``lon``, ``lat`` and covariates of cells of the map; ``block_m``: side of blocks where
    the check that comes with the data has one; ``edges``: years at which periods begin, where decades would leave almost all rows in one.
    """

    name: str
    target: Target
    layers: Layers
    table: TrainingTable
    points: pd.DataFrame
    kinds: Mapping[str, str]
    sites: pd.DataFrame
    cells: pd.DataFrame
    designs: tuple[str, ...] = EVERYWHERE
    block_m: float | None = None
    edges: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    def thinned(self, profiles: int, seed: int) -> RealSet:
        """The same with some of the profiles, drawn at random."""
        known = np.array(self.table.profiles, dtype=object)
        if len(known) <= profiles:
            return self
        drawn = np.random.default_rng(seed).choice(known, profiles, replace=False)
        rows = np.flatnonzero(np.isin(self.table.profile_id, drawn))
        return replace(self, table=self.table.take(rows), notes=(*self.notes, f"{profiles} of {len(known)} profiles, drawn at random"))

    def layer(self, interval: int) -> RealSet:
        """The same with one layer alone."""
        table = self.table.take(np.flatnonzero(self.table.interval == interval))
        return replace(self, layers=(self.layers[interval],), table=replace(table, interval=np.zeros(len(table.values), dtype=np.int64)))

    def rows(self, table: TrainingTable) -> tuple[pd.DataFrame, np.ndarray]:
        """What a design sees of rows, and their places."""
        depth = np.asarray(self.layers)[table.interval]
        known = self.sites.loc[list(table.profile_id)]
        seen = known.drop(columns="place").reset_index(names="profile_id").assign(top_cm=depth[:, 0], bottom_cm=depth[:, 1])
        return seen, known["place"].to_numpy(dtype=np.int64)


def _assembled(
    name: str,
    layers: Layers,
    long: pd.DataFrame,
    points: pd.DataFrame,
    cells: pd.DataFrame,
    classes: Sequence[str] = (),
    *,
    target: Target = SOC,
    designs: tuple[str, ...] = EVERYWHERE,
    block_m: float | None = None,
    edges: tuple[float, ...] = (),
    notes: tuple[str, ...] = (),
) -> RealSet:
    """``long``: ``profile_id``, ``lon``, ``lat``, ``year``, depths and ``value``; ``points`` by profile, with gaps."""
    full = points[points.notna().all(axis=1)]
    table = training_table(long, list(full.index), layers, target)
    sites = long.groupby("profile_id", sort=False)[["lon", "lat", "year"]].first().loc[table.profiles]
    sites = sites.assign(zone=0, place=places(sites["lon"], sites["lat"], SAME_PLACE_M))
    constant = [column for column in full if full.loc[table.profiles, column].nunique() < 2]
    if constant:
        notes = (*notes, f"constant and left out: {', '.join(map(str, constant))}")
    used = full.loc[table.profiles].drop(columns=constant)
    kinds = {column: "class" if column in classes else "continuous" for column in used}
    # A class that no profile has cannot be predicted: such cells are no part of the map.
    known = np.logical_and.reduce([np.ones(len(cells), dtype=bool), *(cells[c].isin(used[c].unique()) for c in classes if c in used)])
    lost = int((~known).sum())
    if lost:
        notes = (*notes, f"{lost} of {len(cells)} cells have a class that no profile has, and are left out")
    cells = cells.loc[known, ["lon", "lat", *used.columns]].reset_index(drop=True)
    return RealSet(name, target, layers, table, used, kinds, sites, cells, designs, block_m, edges, notes)


def _sources(paths: Sequence[Path], classes: Sequence[str]) -> list[Source]:
    return [Source(path.stem, path, kind="class" if path.stem in classes else "continuous") for path in paths]


def _sampled(paths: Sequence[Path], classes: Sequence[str], like: Path, long: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Covariates of each profile, and cells of the map."""
    stack = covariates.build(_sources(paths, classes), covariates.grid_like(like))
    sites = long.groupby("profile_id", sort=False)[["lon", "lat"]].first()
    values, _ = stack.sample(sites["lon"].to_numpy(), sites["lat"].to_numpy())
    cells = covariates.draw_cells(stack, CELLS, seed)
    covariates.close_rasters()
    return values.set_index(sites.index), cells


def macedonia(data: Path, seed: int = 1) -> RealSet:
    """North Macedonia, organic matter as carbon, 173 covariates of 1 km."""
    root = data / "macedonia"
    depths = {"top": Column("top", unit="cm"), "bottom": Column("bottom", unit="cm")}
    told = {"profile_id": Column("ProfID"), "x": Column("X"), "y": Column("Y"), **depths}
    read = read_property(root / "horizons.csv", "SOC", told, sites=root / "site-level.csv", crs="EPSG:4326")
    layers: Layers = ((0.0, 30.0), (30.0, 60.0))
    long = harmonise(read.table, layers)[0]
    long["value"] *= TO_CARBON_G_KG
    paths = [path for path in sorted((root / "covs").glob("*.tif")) if path.stem != "QUAUEA3"]
    classes = ("LCEE10", "LCEE10_reclass4")
    points, cells = _sampled(paths, classes, root / "covs" / "DEMENV5.tif", long, seed)
    return _assembled("macedonia", layers, long, points, cells, classes, designs=UNDATED)


def edgeroi(data: Path, seed: int = 1) -> RealSet:
    """Edgeroi, three grids brought to that of 100 m; bulk density grids left out, which stand for a depth each."""
    root = data / "edgeroi"
    depths = {"top": Column("UHDICM", unit="cm"), "bottom": Column("LHDICM", unit="cm")}
    told = {"profile_id": Column("SOURCEID"), "lon": Column("LONGDA94"), "lat": Column("LATGDA94"), **depths}
    read = read_property(root / "edgeroi_horizons.csv", "ORCDRC", told, sites=root / "edgeroi_sites.csv", crs="EPSG:4283")
    layers: Layers = ((0.0, 30.0), (30.0, 60.0))
    # Depths are stored as 89.9999976: bridged, but no real gap is.
    long = harmonise(read.table, layers, DepthFunction(max_gap_cm=0.1))[0]
    paths = [path for path in sorted(root.glob("grids_*/*.tif")) if not path.stem.startswith("BD_")]
    points, cells = _sampled(paths, ("PMTGEO5", "LNUABS6"), root / "grids_100m" / "MVBSRT6.tif", long, seed)
    return _assembled("edgeroi", layers, long, points, cells, ("PMTGEO5", "LNUABS6"), designs=UNDATED)


def africa_north(data: Path, seed: int = 1) -> RealSet:
    """Africa north of 10 S, dated profiles, covariates of 20 km; layers as the topsoil samples were taken."""
    root = data / "africa_north"
    horizons, sites = (pd.read_csv(root / f"afsp_{name}.csv.gz", low_memory=False) for name in ("horizons", "sites"))
    names = {"SOURCEID": "profile_id", "UHDICM": "top_cm", "LHDICM": "bottom_cm", "ORCDRC": "soc_g_kg"}
    table = horizons.rename(columns=names)[list(names.values())]
    # A few depths begin above the surface of the mineral soil, and a few contents are below 0: no layer is made of them.
    table = table[(table["soc_g_kg"] >= 0) & (table["top_cm"] >= 0) & (table["bottom_cm"] > table["top_cm"])]
    at = sites.rename(columns={"SOURCEID": "profile_id", "LONWGS84": "lon", "LATWGS84": "lat"}).drop_duplicates("profile_id")
    at["year"] = pd.to_datetime(at["TIMESTRR"], errors="coerce").dt.year
    table = table.merge(at[["profile_id", "lon", "lat", "year"]], on="profile_id", how="inner")
    layers: Layers = ((0.0, 20.0), (20.0, 50.0))
    long = harmonise(table.reset_index(drop=True), layers)[0]
    paths = [path for path in sorted((root / "grids_20km").glob("*.tif")) if path.stem != "SMKMOD0x"]
    classes = ("L3POBI0a", "SGEUSG0x")
    points, cells = _sampled(paths, classes, root / "grids_20km" / "DEMSRE0a.tif", long, seed)
    return _assembled(
        "africa_north", layers, long, points, cells, classes, designs=DATED, block_m=TWO_DEGREES_M, edges=(1970.0, 1985.0, 2000.0)
    )


def _wise(data: Path) -> tuple[pd.DataFrame, list[Path], tuple[str, ...]]:
    told = pd.read_csv(data / "wise_profiles" / "wise_layers.csv.gz")
    names = {"SOURCEID": "profile_id", "UHDICM": "top_cm", "LHDICM": "bottom_cm", "ORCDRC": "soc_g_kg"}
    names |= {"LONWGS84": "lon", "LATWGS84": "lat"}
    table = told.rename(columns=names).dropna(subset=["soc_g_kg", "lon", "lat"])[list(names.values())]
    coarse = data / "global_coarse"
    paths = [*sorted(coarse.glob("*.tif")), *sorted((coarse / "paleoclimate_1deg").glob("*.tif"))]
    classes = tuple(path.stem for path in paths if "biome" in path.stem or "koppen" in path.stem)
    return table.reset_index(drop=True), paths, classes


def wise(data: Path, seed: int = 1) -> RealSet:
    """WISE, the world without South America, with coarse climate, palaeoclimate, elevation and NDVI."""
    table, paths, classes = _wise(data)
    layers: Layers = ((0.0, 30.0), (30.0, 100.0))
    long = harmonise(table, layers)[0]
    points, cells = _sampled(paths, classes, data / "global_coarse" / "wc2.1_10m_bio_12.tif", long, seed)
    return _assembled("wise", layers, long, points, cells, classes, block_m=TWO_DEGREES_M)


def mangrove(data: Path, seed: int = 1) -> RealSet:
    """Carbon density of mangrove soils world-wide, covariates of the year of sampling; the map is an area without samples."""
    root = data / "mangrove_spacetime"
    raw = pd.read_csv(root / "mangrove_soc_regression_matrix.csv.gz")
    names = list(raw.columns[9:])
    # Landsat bands have the mark of no value as a number in the table.
    raw[names] = raw[names].mask(raw[names] == NO_VALUE)
    lon, lat = decode(raw["olc_id"])
    year = raw["observation_year"]
    at = pd.DataFrame({"lon": lon, "lat": lat, "year": year, "profile_id": raw["olc_id"] + "_" + year.astype(str)})
    told = pd.concat([raw.rename(columns={"hzn_top": "top_cm", "hzn_bot": "bottom_cm", "oc_d": "soc_g_kg"}), at], axis=1)
    use = told[["soc_g_kg", "top_cm", "bottom_cm"]].notna().all(axis=1) & (told["bottom_cm"] > told["top_cm"])
    told = told[use & (told["soc_g_kg"] > 0)].reset_index(drop=True)
    layers: Layers = ((0.0, 30.0), (30.0, 100.0))
    long = harmonise(told[["profile_id", "lon", "lat", "year", "top_cm", "bottom_cm", "soc_g_kg"]], layers)[0]
    # The NDVI of the rasters is (B5 - B4) / (B5 + B4), that of the table (B4 - B3) / (B4 + B3); the other four differ likewise.
    apart = [name for name in names if any(f"_{index}_P25" in name for index in OTHER_INDICES)]
    # What every place has is kept, the rest would cost a quarter of the places.
    scarce = [name for name in names if name not in apart and told[name].isna().mean() > 0.05]
    kept = [name for name in names if name not in scarce and name not in apart]
    points = told.groupby("profile_id", sort=False)[kept].first()
    cells = _mangrove_cells(root, kept, seed)
    notes = (
        f"{len(scarce)} of {len(names)} covariates are missing at more than a twentieth of the rows, and are left out",
        f"{len(apart)} covariates ({', '.join(OTHER_INDICES)}) are of other bands in the rasters than in the table, and are left out",
    )
    return _assembled(
        "mangrove", layers, long, points, cells, target=DENSITY, designs=DATED, edges=(2009.0, 2011.0, 2013.0, 2014.0), notes=notes
    )


def _mangrove_cells(root: Path, kept: Sequence[str], seed: int) -> pd.DataFrame:
    """Cells of 2020, drawn among those that are filled."""
    with rasterio.open(root / "T162E_10S_static.tif") as source:
        band = dict(zip(source.descriptions, range(1, source.count + 1), strict=True))
        row, col = np.nonzero(np.isfinite(source.read(1)))
        drawn = np.random.default_rng(seed).permutation(len(row))[: 2 * CELLS]
        row, col = row[drawn], col[drawn]
        step = source.transform
        x, y = step.c + step.a * (col + 0.5), step.f + step.e * (row + 0.5)
        values = {name: source.read(band[name])[row, col] for name in kept if name in band}
    with rasterio.open(root / "T162E_10S_dynamic_2020.tif") as source:
        band = dict(zip(source.descriptions, range(1, source.count + 1), strict=True))
        values |= {name: source.read(band[name])[row, col] for name in kept if name in band}
    cells = pd.DataFrame({"lon": x, "lat": y} | {name: values[name].astype(float) for name in kept})
    return cells.dropna().head(CELLS).reset_index(drop=True)


def meuse(data: Path, seed: int = 1) -> RealSet:
    """The Meuse flood plain, organic matter of 0-15 cm as carbon."""
    root = data / "meuse"
    told = pd.read_csv(root / "meuse.csv").dropna(subset=["om"]).reset_index(drop=True)
    lon, lat = Transformer.from_crs("EPSG:28992", "EPSG:4326", always_xy=True).transform(told["x"], told["y"])
    layers: Layers = ((0.0, 15.0),)
    long = pd.DataFrame({"profile_id": [f"m{i:03d}" for i in told.index], "lon": lon, "lat": lat, "year": np.nan, "top_cm": 0.0})
    long = long.assign(bottom_cm=15.0, value=told["om"] * TO_CARBON_G_KG)
    # twi lacks a value at five points.
    paths = [path for path in sorted(root.glob("*.tif")) if path.stem != "twi"]
    points, cells = _sampled(paths, ("soil", "ffreq"), root / "dist.tif", long, seed)
    return _assembled("meuse", layers, long, points, cells, ("soil", "ffreq"), designs=UNDATED)


SETS: Mapping[str, Callable[..., RealSet]] = MappingProxyType(
    {
        "meuse": meuse,
        "edgeroi": edgeroi,
        "macedonia": macedonia,
        "wise": wise,
        "mangrove": mangrove,
        "africa_north": africa_north,
    }
)
