"""Real tables, each read by its own names or by a block of at most ten columns: what is read, repaired and covered.

The numbers were taken from the tables as they are stored and looked at by eye; where a README gives a count it is named beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from edaphic import profiles
from edaphic.profiles import Column, Tidy

LAYERS = ((0.0, 30.0), (30.0, 100.0))


def cm(column: str) -> Column:
    return Column(column, unit="cm")


def fine_earth(column: str, unit: str) -> Column:
    return Column(column, unit=unit, basis="fine_earth")


@dataclass(frozen=True)
class Table:
    """A table, how it is read, and what comes of it."""

    path: str
    profiles: tuple[int, int]
    horizons: tuple[int, int]
    full: tuple[int, int]
    repairs: Mapping[str, int]
    columns: Mapping[str, Column] = field(default_factory=dict)
    sites: str | None = None
    crs: str | None = None
    places: bool = True
    duplicates: int = 0
    stocks: str = "computed"


EXAMPLE = {
    "profile_id": Column(value="one"),
    "top": cm("upper_limit"),
    "bottom": cm("lower_limit"),
    "soc": Column("carbon_content", unit="g/kg"),
    "bulk_density": fine_earth("bulk_density", "kg/m3"),
    "coarse_fragments": Column("CF", unit="vol%"),
}

TABLES = {
    # README: 4118 profiles, 10 292 horizons, 3897 profiles and 9460 horizons with carbon, 817 gaps, one horizon of no thickness, one
    # share of fragments above 100 %. By eye: P0419 0-20 cm stands there twice, number for number; P0494 14-14 cm; P0511 0-30 and 3-58 cm.
    "macedonia": Table(
        "macedonia/horizons.csv",
        profiles=(4118, 3897),
        horizons=(10292, 9158),
        full=(2612, 832),
        repairs={
            "zero thickness": 1,
            "soc missing": 831,
            "bulk density outside 0.02 to 2.65 g/cm3": 66,
            "coarse fragments outside 0 to 100 %": 1,
            "horizon repeated": 245,
            "same depths, other values": 82,
            "nested": 3,
            "overlap": 16,
            "gap": 817,
        },
        columns={
            "profile_id": Column("ProfID"),
            "lon": Column("X"),
            "lat": Column("Y"),
            "top": cm("top"),
            "bottom": cm("bottom"),
            "organic_matter": Column("SOC", unit="%"),
            "bulk_density": fine_earth("BLD", "g/cm3"),
            "coarse_fragments": Column("CRF", unit="vol%"),
            "clay": Column("CLAY", unit="%"),
            "sand": Column("SAND", unit="%"),
        },
        sites="macedonia/site-level.csv",
    ),
    # README: 359 sites, 325 of them with 2089 layers of carbon, two profiles with gaps. By eye: the 140-141 cm of ed141, 20-27 cm of ed236.
    "edgeroi": Table(
        "edgeroi/edgeroi_horizons.csv",
        profiles=(359, 325),
        horizons=(2338, 2089),
        full=(322, 319),
        repairs={"soc missing": 249, "gap": 2},
        columns={"lon": Column("LONGDA94"), "lat": Column("LATGDA94")},
        sites="edgeroi/edgeroi_sites.csv",
        crs="EPSG:4283",
    ),
    # README: 16 165 sites, 14 856 with carbon, some depths start below 0. By eye: BI 4143_118 -3-0 cm without carbon; SO 28564_17 145-15
    # cm; Ajumako-2-8 0-20 cm twice, number for number; Chinyanghuku-1-3 0-20 cm with 3.67 and 5.25 g/kg; depth of rock -999.
    "africa_north": Table(
        "africa_north/afsp_horizons.csv.gz",
        profiles=(16165, 14808),
        horizons=(54883, 42241),
        full=(12447, 4745),
        repairs={
            "not a number": 99,
            "above the surface": 36,
            "reversed": 2,
            "rock depth above the end of the horizons": 138,
            "soc missing": 11888,
            "horizon repeated": 260,
            "same depths, other values": 479,
            "nested": 11,
            "overlap": 20,
            "gap": 911,
        },
        columns={"bulk_density": fine_earth("BLD", "t/m3")},
        sites="africa_north/afsp_sites.csv.gz",
        duplicates=47,
    ),
    # README: 8526 profiles, 6462 with coordinates (2064 without), carbon up to 961 g/kg, no overlaps. By eye: ES0005 665.6 and 961.1 g/kg.
    "wise": Table(
        "wise_profiles/wise_layers.csv.gz",
        profiles=(8526, 6220),
        horizons=(40108, 26302),
        full=(5633, 3790),
        repairs={"coordinates missing": 2064, "soc missing": 4391, "soc outside 0 to 600 g/kg": 16, "gap": 227},
        columns={"bulk_density": fine_earth("BLD", "kg/m3")},
        duplicates=49,
    ),
    # Several cores share one code of a place, so horizons lie within each other. By eye: 6JVXGR86+9RX has six cores with 4-10 cm, of 22 to
    # 366 g/kg, mean 153.5; 589WVHW5+FJ4 has 0-6 beside 0-5 and 5-34 cm.
    "mangrove": Table(
        "mangrove_spacetime/mangrove_soc_regression_matrix.csv.gz",
        profiles=(2128, 2105),
        horizons=(9699, 7007),
        full=(1333, 1021),
        repairs={
            "depth finer than 0.01 cm": 7,
            "soc outside 0 to 600 g/kg": 4,
            "horizon repeated": 21,
            "same depths, other values": 2380,
            "nested": 780,
            "overlap": 312,
            "gap": 651,
        },
        columns={"bulk_density": fine_earth("db_od", "t/m3")},
        duplicates=22,
    ),
    # Densities of carbon only: horizons 10 cm thick with gaps between, so no layer is observed from top to bottom.
    "oneProfile": Table(
        "spline_examples/oneProfile.csv",
        profiles=(1, 1),
        horizons=(8, 8),
        full=(0, 0),
        repairs={"soc missing, stock reported": 8, "gap": 6, "reported stock": 8},
        columns={
            "profile_id": Column("Soil.ID"),
            "top": cm("Upper.Boundary"),
            "bottom": cm("Lower.Boundary"),
            "soc_density": Column("C.kg.m3.", unit="kg/m3"),
        },
        places=False,
        stocks="reported",
    ),
    # Depths in m. By eye: profile 1 has nothing between 30 and 70 cm; 5-9 cm of profile 11 has no carbon.
    "USYD_soil1": Table(
        "spline_examples/USYD_soil1.csv",
        profiles=(29, 29),
        horizons=(166, 165),
        full=(10, 0),
        repairs={"soc missing": 1, "gap": 38},
        columns={
            "profile_id": Column("PROFILE"),
            "top": Column("Upper.Depth", unit="m"),
            "bottom": Column("Lower.Depth", unit="m"),
            "soc": Column("Total_Carbon", unit="%"),
            "clay": Column("clay", unit="%"),
            "silt": Column("silt", unit="%"),
            "sand": Column("sand", unit="%"),
        },
        places=False,
    ),
    "profile_399": Table(
        "spline_examples/profile_399_EDGEROI_ed079.csv", (1, 1), (5, 5), (1, 1), {}, EXAMPLE, places=False
    ),
    "profile_CAN": Table("spline_examples/profile_CAN_organic.csv", (1, 1), (5, 5), (1, 1), {}, EXAMPLE, places=False),
    # By eye: sites are spelt otherwise in the two tables (BL1N and Bl1N); NH1aA has a density of 9.7 g/cm3; two densities are the word na.
    "soc_landuse_pairs": Table(
        "soc_landuse_pairs/horizons.csv",
        profiles=(492, 450),
        horizons=(1946, 1834),
        full=(290, 162),
        repairs={
            "not a number": 2,
            "site without horizons": 54,
            "horizons without site": 14,
            "coordinates missing": 41,
            "soc missing": 36,
            "soc missing, stock reported": 214,
            "bulk density outside 0.02 to 2.65 g/cm3": 2,
            "same depths, other values": 6,
            "gap": 30,
            "bulk density or fragments missing": 214,
        },
        columns={
            "profile_id": Column("Site", site_column="Site ID"),
            "lon": Column("Longitude"),
            "lat": Column("Latitude"),
            "top": Column("U_depth (m)", unit="m"),
            "bottom": Column("L_depth (m)", unit="m"),
            "soc": Column("OC (g/kg)", unit="g/kg"),
            "bulk_density": fine_earth("measured BD (Mg/m3)", "Mg/m3"),
            "bulk_density_reported": fine_earth("estimated BD (Mg/m3)", "Mg/m3"),
            "soc_stock": Column("reported SOC stock (tC/ha)", unit="t/ha"),
        },
        sites="soc_landuse_pairs/sites.csv",
        duplicates=1,
    ),
    # 0-15 cm only, by two constants; two of 155 rows have no organic matter.
    "meuse": Table(
        "meuse/meuse.csv",
        profiles=(155, 153),
        horizons=(155, 153),
        full=(0, 0),
        repairs={"no profile_id": 1, "soc missing": 2},
        columns={
            "x": Column("x"),
            "y": Column("y"),
            "top": Column(value=0.0, unit="cm"),
            "bottom": Column(value=15.0, unit="cm"),
            "organic_matter": Column("om", unit="%"),
        },
        crs="EPSG:28992",
    ),
}


def made(shared: Path, table: Table, layers: tuple[tuple[float, float], ...] = LAYERS) -> tuple[Tidy, pd.DataFrame, pd.DataFrame]:
    """Clean horizons, layers and the log of the whole way."""
    data = shared / "data"
    sites = None if table.sites is None else data / table.sites
    source = profiles.read_checked(data / table.path, table.columns, sites=sites, crs=table.crs, source=None, places=table.places)
    tidy = profiles.tidy([source.checked()], places=table.places)
    filled, _, more = profiles.fill(tidy.horizons)
    result, last = profiles.layer_table(filled, layers, stocks=table.stocks)
    return tidy, result, profiles.concat_repairs([tidy.repairs, more, last])


def test_blocks_have_at_most_ten_columns() -> None:
    assert max(len(table.columns) for table in TABLES.values()) == 10


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_table(shared: Path, table: Table) -> None:
    tidy, layers, log = made(shared, table)
    assert (tidy.raw["profile_id"].nunique(), tidy.horizons["profile_id"].nunique()) == table.profiles
    assert (len(tidy.raw), len(tidy.horizons)) == table.horizons
    assert log["fault"].value_counts().to_dict() == table.repairs
    assert len(tidy.duplicates) == table.duplicates
    full = layers[(layers["coverage"] == 1.0) & layers["soc_stock_kg_m2"].notna()]
    assert tuple(int((full["top_cm"] == top).sum()) for top, _ in LAYERS) == table.full
    valued = layers["soc_stock_kg_m2"].dropna()
    assert len(valued) == sum(table.full)
    # Most is in LV0001 of wise, peat of 54 % carbon: 302 kg/m2 in 70 cm at 0.8 g/cm3.
    assert ((valued >= 0) & (valued < 310)).all()
    assert not tidy.horizons.duplicated(["profile_id", "top_cm"]).any()


def test_stocks_of_the_macedonian_topsoil(shared: Path) -> None:
    """README: about 6.6 kg/m2 where the column is organic matter, by the authors' mean density; the median is lower than a mean."""
    _, layers, _ = made(shared, TABLES["macedonia"])
    top = layers[layers["top_cm"] == 0]["soc_stock_kg_m2"].dropna()
    assert (round(float(top.median()), 2), round(float(top.mean()), 1)) == (4.98, 5.5)


def test_stocks_of_two_examples(shared: Path) -> None:
    """The stocks (SOCS, kg/m2) of the mineral profile's own column: 1.1 + 1.0 of 0-20 cm and 10 of the 35 cm below (3.0).
    Those of the organic profile are 25.7 of 0-31 cm and 23.9 + 24.1 + 24.3 of 31-122 cm."""
    _, mineral, _ = made(shared, TABLES["profile_399"])
    by_hand = 8.2 * 1.34 * 0.1 * 0.94 + 7.5 * 1.367 * 0.1 * 0.94 + 6.1 * 1.382 * 0.1 * 0.93
    assert float(mineral["soc_stock_kg_m2"].iloc[0]) == pytest.approx(by_hand, rel=0.04)
    own = 1.1 + 1.0 + 3.0 * 10 / 35
    assert own == pytest.approx(by_hand, rel=0.07)
    _, organic, _ = made(shared, TABLES["profile_CAN"], ((0.0, 31.0), (31.0, 122.0)))
    assert organic["soc_stock_kg_m2"].tolist() == pytest.approx([25.7, 23.9 + 24.1 + 24.3], rel=0.01)


def test_depth_of_the_meuse_samples(shared: Path) -> None:
    _, layers, _ = made(shared, TABLES["meuse"], ((0.0, 15.0),))
    assert layers["status"].tolist() == ["ok"] * 153
    # 13.6 % of organic matter in the first row
    assert layers["soc_g_kg"].iloc[0] == pytest.approx(13.6 * 0.58 * 10)


def test_densities_of_carbon_are_stocks(shared: Path) -> None:
    _, layers, _ = made(shared, TABLES["oneProfile"], ((0.0, 20.0), (0.0, 10.0)))
    assert layers["soc_stock_kg_m2"].iloc[0] == pytest.approx((20.7166177 + 11.7077764) / 10, rel=0.05)
    assert layers["bulk_density_source"].tolist() == ["reported stock"] * 2


def test_the_name_of_a_bulk_density_does_not_tell_its_unit(shared: Path) -> None:
    """BLD is t/m3 in one table and kg/m3 in the other: it has to be said, or the column left out."""
    path = shared / "data/wise_profiles/wise_layers.csv.gz"
    faults = profiles.read_checked(path, {}, source=None).faults
    assert len(faults) == 1 and "columns.bulk_density: 'BLD' of schema gsif: found no unit; expected" in faults[0]
    assert not profiles.read_checked(path, {"bulk_density": Column(ignore=True)}, source=None).faults
