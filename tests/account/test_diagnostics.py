"""Diagnostics: counts and means by hand, however a map is cut, and with tables that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from edaphic.account.describe.biomes import BIOMES, OUTSIDE, Biome, biome_counts, classify_biomes, read_biomes
from edaphic.account.describe.diagnostics import UNDATED, by_texture, correlations, decade_histograms
from edaphic.account.describe.series import depth_profiles, period_series, published_ranges
from edaphic.account.describe.transects import along, area_by_class
from edaphic.account.products.published import read_published
from edaphic.covariates.grid import Window
from edaphic.errors import RasterError, TableError
from edaphic.profiles.texture import GROUPS

Make = Callable[[int, int], GeoBox]
Read = Callable[[np.ndarray], Callable[[Window], np.ndarray]]


def samples(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    year = rng.choice([1981.0, 1985.5, 2003.0, 2019.0, np.nan], n)
    top = rng.choice([0, 20], n)
    return pd.DataFrame({"year": year, "top_cm": top, "bottom_cm": top * 4 + 20, "soc_stock_kg_m2": rng.gamma(2.0, 2.0, n)})


# ---- samples by decade ----


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 30))
def test_no_sample_is_lost(bins: int, years: int) -> None:
    table = samples()
    table.loc[::7, "soc_stock_kg_m2"] = np.nan
    counts, means = decade_histograms(table, bins=bins, years=years)
    assert counts["count"].sum() == table["soc_stock_kg_m2"].notna().sum() == means["n"].sum()
    assert len(counts) == (bins + 1) * len(means)
    assert (counts.groupby(["decade", "top_cm", "bottom_cm"])["low"].diff().dropna() > 0).all()
    weighted = (means["n"] * means["mean"]).sum() / means["n"].sum()
    assert weighted == pytest.approx(table["soc_stock_kg_m2"].mean())


def test_decades_and_their_order() -> None:
    counts, means = decade_histograms(samples(), bins=3)
    assert list(dict.fromkeys(counts["decade"])) == ["1980-1989", "2000-2009", "2010-2019", UNDATED]
    assert list(dict.fromkeys(zip(means["top_cm"], means["bottom_cm"], strict=True))) == [(0, 20), (20, 100)]
    assert np.isinf(counts["high"]).sum() == len(means)


def test_bins_of_ones_own_have_ends() -> None:
    table = pd.DataFrame({"year": [2001.0] * 4, "top_cm": 0, "bottom_cm": 20, "soc_stock_kg_m2": [-1.0, 0.0, 1.0, 9.0]})
    counts, _ = decade_histograms(table, bins=[0.0, 1.0, 2.0])
    assert counts[["low", "high", "count"]].values.tolist() == [[-np.inf, 0.0, 1], [0.0, 1.0, 1], [1.0, 2.0, 1], [2.0, np.inf, 1]]


def test_one_value_has_no_spread() -> None:
    _, means = decade_histograms(samples(1))
    assert means["n"].item() == 1
    assert np.isnan(means["sd"].item())


# ---- area by class of stock ----


def test_areas_of_classes(plain: Make, reader: Read) -> None:
    """A cell on a limit is of the class above; a map without a value has no shares."""
    grid = plain(2, 3)
    values = np.array([[1.0, 2.0, 3.999], [4.0, 100.0, np.nan]])
    found = area_by_class(grid, {"a": reader(values), "b": reader(np.full((2, 3), np.nan))}, [2.0, 4.0])
    assert found["cells"].tolist() == [1, 2, 2, 0, 0, 0]
    assert found["area_km2"].tolist() == pytest.approx([1.0, 2.0, 2.0, 0.0, 0.0, 0.0], rel=1e-6)
    assert found["share"].tolist()[:3] == pytest.approx([0.2, 0.4, 0.4], rel=1e-6)
    assert found["share"].isna().tolist() == [False] * 3 + [True] * 3


def test_shares_weigh_true_areas(reader: Read) -> None:
    """On a globe of 10 degrees the cells at 80 to 90 degrees north are a tenth of those at the equator, and less."""
    grid = GeoBox((18, 36), Affine(10.0, 0.0, -180.0, 0.0, -10.0, 90.0), "EPSG:4326")
    values = np.zeros((18, 36))
    values[[0, -1]] = 5.0
    found = area_by_class(grid, {"": reader(values)}, [1.0])
    assert found["share"].iloc[1] == pytest.approx(1.0 - np.sin(np.deg2rad(80.0)), rel=0.01)
    assert found["area_km2"].sum() == pytest.approx(510.0656e6, rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40))
def test_windows_change_nothing(size: int) -> None:
    rng = np.random.default_rng(8)
    grid = GeoBox((23, 31), Affine(0.5, 0.0, 12.3, 0.0, -0.5, 51.0), "EPSG:4326")
    values = rng.gamma(2.0, 3.0, (23, 31))
    values[rng.random((23, 31)) < 0.2] = np.nan

    def read(window: Window) -> np.ndarray:
        return values[window.slices]

    whole, cut = (area_by_class(grid, {"m": read}, [2.0, 5.0], window_size=side) for side in (64, size))
    pd.testing.assert_frame_equal(whole, cut, rtol=1e-14)
    for axis in ("lon", "lat"):
        one, other = (along(grid, {"m": read}, axis=axis, width_deg=0.7, window_size=side) for side in (64, size))
        pd.testing.assert_frame_equal(one, other, rtol=1e-12)


# ---- along longitude and latitude ----


def test_strips_by_hand(reader: Read) -> None:
    """Cells at 60 degrees north weigh half of those at the equator, and 1 % more on the ellipsoid."""
    grid = GeoBox((61, 1), Affine(1.0, 0.0, -0.5, 0.0, -1.0, 60.5), "EPSG:4326")
    values = np.full((61, 1), np.nan)
    values[0], values[-1] = 3.0, 0.0  # at 60 N and at the equator
    (row,) = along(grid, {"m": reader(values)}, width_deg=2.0).to_dict("records")
    weight = 0.505 / 1.505
    assert (row["low_deg"], row["high_deg"], row["cells"]) == (0.0, 2.0, 2)
    assert row["mean"] == pytest.approx(3.0 * weight, rel=1e-3)
    assert row["variance"] == pytest.approx(9.0 * weight * (1.0 - weight), rel=1e-3)
    assert row["sd"] == pytest.approx(np.sqrt(row["variance"]))


def test_strips_of_latitude_hold_one_value_each(reader: Read) -> None:
    grid = GeoBox((4, 8), Affine(1.0, 0.0, 10.0, 0.0, -1.0, 2.0), "EPSG:4326")
    values = np.repeat([[4.0], [3.0], [2.0], [1.0]], 8, axis=1)
    found = along(grid, {"m": reader(values)}, axis="lat")
    assert found["low_deg"].tolist() == [-2.0, -1.0, 0.0, 1.0]
    assert found["mean"].tolist() == pytest.approx([1.0, 2.0, 3.0, 4.0])
    assert found["variance"].tolist() == pytest.approx([0.0] * 4, abs=1e-12)


def test_strips_of_a_projected_grid(plain: Make, reader: Read) -> None:
    """Area by strip adds up to that of all cells, and the mean of the strips, by area, to the mean of the map."""
    grid = plain(40, 60)
    values = np.random.default_rng(2).normal(5.0, 1.0, (40, 60))
    found = along(grid, {"m": reader(values)}, width_deg=0.1)
    assert found["area_km2"].sum() == pytest.approx(2400.0, rel=1e-6)
    assert (found["mean"] * found["area_km2"]).sum() / 2400.0 == pytest.approx(values.mean(), rel=1e-6)
    within = (found["variance"] * found["area_km2"]).sum() / 2400.0
    between = ((found["mean"] - values.mean()) ** 2 * found["area_km2"]).sum() / 2400.0
    assert within + between == pytest.approx(values.var(), rel=1e-6)


# ---- biomes ----


def test_every_biome_is_found_in_its_middle() -> None:
    middles = np.array([np.mean(biome.corners, axis=0) for biome in BIOMES])
    assert classify_biomes(*middles.T).tolist() == [biome.name for biome in BIOMES]


@settings(max_examples=60)
@given(st.floats(-19.9, 31.9), st.floats(0.0, 4400.0))
def test_biomes_do_not_overlap(mat: float, precipitation: float) -> None:
    inside = [classify_biomes([mat], [precipitation], [biome])[0] != OUTSIDE for biome in BIOMES]
    assert sum(inside) <= 1
    assert classify_biomes([mat], [precipitation])[0] == (BIOMES[inside.index(True)].name if any(inside) else OUTSIDE)


def test_counts_have_a_row_for_each_biome() -> None:
    found = biome_counts(["tundra", OUTSIDE, "", "tundra"])
    assert found["profiles"].sum() == 4
    assert found["share"].sum() == pytest.approx(1.0)
    assert found["biome"].tolist()[-2:] == [OUTSIDE, "unknown"]
    assert len(found) == len(BIOMES) + 2


def test_biomes_of_ones_own() -> None:
    table = pd.DataFrame({"biome": ["b"] * 4 + ["a"] * 3, "temp_c": [0, 10, 10, 0, 20, 30, 20], "precp_cm": [0, 0, 50, 50, 0, 0, 90]})
    own = read_biomes(table)
    assert [biome.name for biome in own] == ["b", "a"]
    assert classify_biomes([5.0, 22.0, 28.0], [400.0, 300.0, 700.0], own).tolist() == ["b", "a", OUTSIDE]


# ---- Pearson matrix, texture ----


def test_correlations_of_known_data() -> None:
    rng = np.random.default_rng(6)
    table = pd.DataFrame(rng.normal(size=(50, 3)), columns=list("abc"))
    table["d"] = -2.0 * table["a"] + 1.0
    table.loc[:9, "b"] = np.nan
    found, notes = correlations(table)
    assert not notes
    assert found.loc["a", "d"] == pytest.approx(-1.0)
    assert found.loc["a", "b"] == pytest.approx(np.corrcoef(table["a"][10:], table["b"][10:])[0, 1])
    assert np.allclose(found, found.T)
    assert correlations(table, ["c", "a"])[0].columns.tolist() == ["c", "a"]


def test_groups_of_texture() -> None:
    clay, silt = np.array([5.0, 10.0, 20.0, 40.0, 42.0, np.nan]), np.array([5.0, 40.0, 30.0, 30.0, 30.0, 1.0])
    table, group, notes = by_texture(clay, silt, 100.0 - clay - silt, [1.0, 2.0, 3.0, 4.0, 6.0, 5.0])
    assert table["group"].tolist() == list(GROUPS)
    assert table["n"].tolist() == [1, 1, 1, 2]
    assert table["mean"].tolist() == [1.0, 2.0, 3.0, 5.0]
    assert table["sd"].iloc[3] == pytest.approx(np.sqrt(2.0))
    assert group.tolist() == ["sandy soil", "loam", "clay loam", "clay", "clay", ""]
    assert notes == ["1 of 6 samples have no texture group: clay, silt or sand is missing"]


def test_a_group_without_samples_has_a_row() -> None:
    table, _, _ = by_texture([50.0], [25.0], [25.0], [1.0])
    assert table["n"].tolist() == [0, 0, 0, 1]
    assert np.isnan(table["mean"].iloc[0])


# ---- profiles by class, series by period ----


def stock_rows() -> pd.DataFrame:
    rows = []
    for name, area, totals in (("forest", 10.0, [0.10, 0.07, 0.17]), ("crop", 5.0, [0.03, 0.07, 0.10]), ("rock", 0.0, [0.0, 0.0, 0.0])):
        for (top, bottom), total in zip([(0, 30), (30, 100), (0, 100)], totals, strict=True):
            mean = total * 1000.0 / area if area else np.nan
            rows.append(("cover", name, top, bottom, area, mean, total, 0.9 * total, 1.2 * total))
    columns = ["by", "class_name", "top_cm", "bottom_cm", "area_km2", "mean_kg_m2", "total_Tg"]
    return pd.DataFrame(rows, columns=[*columns, "fully_correlated_low_Tg", "fully_correlated_high_Tg"])


def test_profile_by_class() -> None:
    found = depth_profiles(stock_rows(), "cover")
    assert found["class_name"].tolist() == ["forest", "forest", "crop", "crop"]
    assert found["density_kg_m3"].tolist() == pytest.approx([10.0 / 0.3, 7.0 / 0.7, 6.0 / 0.3, 14.0 / 0.7])
    assert (found["low_kg_m3"] / found["density_kg_m3"]).tolist() == pytest.approx([0.9] * 4)
    assert (found["high_kg_m3"] / found["density_kg_m3"]).tolist() == pytest.approx([1.2] * 4)
    assert found["share"].tolist() == pytest.approx([10 / 17, 7 / 17, 0.3, 0.7])


def test_series_of_periods() -> None:
    rows = []
    for period, total in (("1990-1995", 5.0), ("1985-1990", 4.0), ("mean 1985-1995", 4.5), ("", 3.0)):
        for bottom, factor in ((20, 1.0), (100, 2.0)):
            rows.append(("all", "all", period, 0, bottom, 1000.0, total * factor, np.nan if period.startswith("m") else total, total * 3))
    columns = ["by", "class_name", "period", "top_cm", "bottom_cm", "area_km2", "total_Tg"]
    table = pd.DataFrame(rows, columns=[*columns, "fully_correlated_low_Tg", "fully_correlated_high_Tg"])
    found = period_series(table)
    assert found["period"].tolist() == ["1985-1990", "1990-1995"] * 2
    assert found["mean_kg_m2"].tolist() == [4.0, 5.0, 8.0, 10.0]
    assert found["high_kg_m2"].tolist() == [12.0, 15.0, 12.0, 15.0]
    assert found["first_year"].tolist() == [1985, 1990] * 2


def published(*rows: str) -> str:
    return "\n".join(["name;by;class;top_cm;bottom_cm;period;total;low;high;unit", *rows, ""])


def test_published_values_of_the_users_table(tmp_path: Path) -> None:
    """One table of published numbers serves totals, means and series; t/ha become kg/m2."""
    path = tmp_path / "published.csv"
    path.write_text(
        published(
            "A;;;0;20;1980-1989;42;35;50;t/ha",
            "B;all;;0;20;2000;;3;5;kg/m2",
            "C;;;0;20;;4;;;kg/m2",
            "D;;;0;20;1980-1989;60;;;Pg",
            "E;cover;1;0;20;1980-1989;4;;;kg/m2",
        )
    )
    found, notes = published_ranges(read_published(path))
    assert found["name"].tolist() == ["A", "B"]
    assert found[["low_kg_m2", "mean_kg_m2", "high_kg_m2"]].values.tolist() == [pytest.approx([3.5, 4.2, 5.0]), [3.0, 4.0, 5.0]]
    assert found[["first_year", "last_year"]].values.tolist() == [[1980, 1989], [2000, 2000]]
    assert [note.split(";")[0] for note in notes] == [
        "published: C: no period",
        "published: D: a total, and no mean per area",
        "published: E: of cover 1, and not of everything",
    ]


def test_published_years_are_years_that_go_forwards() -> None:
    row = {"name": "A", "by": "all", "class": "", "top_cm": 0.0, "bottom_cm": 20.0, "period": "eighties", "total": 4.0, "low": 3.0}
    row |= {"high": 5.0, "unit": "kg/m2", "source": "", "quantity": "mean"}
    found, notes = published_ranges(pd.DataFrame([row]))
    assert found.empty
    assert notes == ["published: A: period 'eighties', which is no year or two; left out of the series"]
    with pytest.raises(TableError, match="published: A: found the period 1990-1980; expected the first year before the last"):
        published_ranges(pd.DataFrame([row | {"period": "1990-1980"}]))
    with pytest.raises(TableError, match="published values: no column quantity; expected it"):
        published_ranges(pd.DataFrame([row]).drop(columns="quantity"))


# ---- faults ----


GRID = GeoBox((2, 2), Affine(1.0, 0.0, 10.0, 0.0, -1.0, 2.0), "EPSG:4326")


def ones(window: Window) -> np.ndarray:
    return np.ones(window.shape)


@pytest.mark.parametrize(
    ("call", "fault", "line"),
    [
        (lambda: decade_histograms(samples().drop(columns="year")), TableError, "layer table: no column year; expected it"),
        (lambda: decade_histograms(samples().iloc[:0]), TableError, "soc_stock_kg_m2: found no value; expected one at least"),
        (lambda: decade_histograms(samples(), bins=0), TableError, "bins: found 0; expected 1 or more"),
        (lambda: decade_histograms(samples(), bins=[2.0, 1.0]), TableError, "bins: found .2.0, 1.0.; expected two bounds or more, rising"),
        (lambda: decade_histograms(samples(), years=0), TableError, "years: found 0; expected 1 or more"),
        (lambda: area_by_class(GRID, {"m": ones}, [2.0, 1.0]), TableError, "limits: found .2.0, 1.0.; expected one number or more, rising"),
        (lambda: area_by_class(GRID, {}, [1.0]), TableError, "maps: found none; expected one at least"),
        (lambda: area_by_class(GRID, {"m": lambda _: np.ones(3)}, [1.0]), RasterError, "m: .3,. cells for a window of"),
        (lambda: along(GRID, {"m": ones}, axis="x"), TableError, "axis: found 'x'; expected lon or lat"),  # type: ignore[arg-type]
        (lambda: along(GRID, {"m": ones}, width_deg=0.0), TableError, "width_deg: found 0; expected 0.01 to 180 degrees"),
        (lambda: classify_biomes([1.0], [1.0, 2.0]), TableError, "mat and map: found shapes"),
        (lambda: classify_biomes([1.0], [1.0], []), TableError, "biomes: found none; expected one at least"),
        (lambda: classify_biomes([1.0], [1.0], [Biome("b", ((0, 0), (1, 1)))]), TableError, "biomes: b: found 2 corners; expected three"),
        (lambda: read_biomes(pd.DataFrame({"biome": ["a"]})), TableError, "biomes: no column temp_c; expected it"),
        (lambda: correlations(pd.DataFrame({"a": [1.0], "b": ["x"]})), TableError, "correlations: b holds .*; expected numbers"),
        (lambda: correlations(pd.DataFrame({"a": [1.0]})), TableError, "correlations: found 1 covariates; expected two or more"),
        (lambda: correlations(samples(), ["year", "year"]), TableError, "correlations: year is named twice; expected each once"),
        (lambda: by_texture([1.0], [1.0], [98.0], [1.0, 2.0]), TableError, "value: found shape .2,. beside .1,.; expected one shape"),
        (lambda: by_texture([1.0], [1.0], [98.0], [1.0], system="usda"), TableError, "system: found 'usda'; expected international"),
        (lambda: depth_profiles(stock_rows(), "soil"), TableError, "stock table: no rows by 'soil'; expected one of cover"),
        (lambda: depth_profiles(stock_rows(), "cover", low="q05_Tg"), TableError, "stock table: no column q05_Tg; expected it"),
        (lambda: depth_profiles(stock_rows().drop(index=[1, 2]), "cover"), None, ""),
        (lambda: period_series(stock_rows().assign(period="")), TableError, "stock table: no rows by 'all' of a period such as 1985-1990"),
    ],
)
def test_faults(call: Callable[[], object], fault: type[Exception] | None, line: str) -> None:
    if fault is None:
        call()  # a class with one layer only is a profile of one layer
        return
    with pytest.raises(fault, match=line):
        call()
