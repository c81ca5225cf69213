"""Which period stands for a year, and the values that a sample takes from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from edaphic.covariates.facts import Source
from edaphic.covariates.periods import Dated, build_timed, check_dates, nearest_period
from edaphic.covariates.window import Window
from edaphic.errors import RasterError

GRID = GeoBox((2, 3), Affine(1.0, 0, 20.0, 0, -1.0, 42.0), "EPSG:4326")
PERIODS = [(1985, 1990), (1990, 1995), (2000, 2005)]


def raster(path: Path, value: float, hole: bool = False) -> Path:
    values = np.full((1, 2, 3), value, dtype="float32")
    if hole:
        values[0, 0, 0] = np.nan
    how = {"driver": "GTiff", "width": 3, "height": 2, "count": 1, "dtype": "float32", "crs": "EPSG:4326", "nodata": np.nan}
    with rasterio.open(path, "w", transform=GRID.affine, **how) as file:
        file.write(values)
    return path


def three(tmp_path: Path) -> list[Dated]:
    made = [Dated(Source("slope", raster(tmp_path / "slope.tif", 5.0)))]
    for number, period in enumerate(PERIODS):
        made.append(Dated(Source("ndvi", raster(tmp_path / f"ndvi{number}.tif", number / 10, hole=number == 1)), period))
    return made


def test_a_year_takes_the_period_that_holds_it_or_the_nearest() -> None:
    which, gap = nearest_period([1985, 1987, 1990, 1995, 1997, 1998, 1900, np.nan], PERIODS)
    assert which.tolist() == [0, 0, 1, 1, 1, 2, 0, 0]
    assert gap.tolist() == [0, 0, 0, 0, 2, 2, 85, np.inf]


def test_of_two_periods_equally_far_the_later_one_counts() -> None:
    assert nearest_period([1997], [(1990, 1995), (1999, 2005)])[0].tolist() == [1]


def test_parts_of_a_year_belong_to_it() -> None:
    which, gap = nearest_period([1990.7, 1991.0], [(1985, 1990), (1991, 1995)])
    assert which.tolist() == [0, 1] and gap.tolist() == [0, 0]


def test_a_stack_of_covariates_by_period_only(tmp_path: Path) -> None:
    stack = build_timed(three(tmp_path)[1:], GRID)
    values, reason, _ = stack.sample([21.5, 99.0], [41.5, 41.5], [1992, 1992])
    assert values["ndvi"].tolist()[0] == pytest.approx(0.1)
    assert reason.tolist() == ["", "outside the grid"]


SPANS = st.lists(st.tuples(st.integers(1900, 2000), st.integers(0, 9)), min_size=1, max_size=5, unique_by=lambda pair: pair[0])


@given(SPANS, st.floats(1850, 2050))
def test_no_period_is_nearer_than_the_one_chosen(spans: list[tuple[int, int]], year: float) -> None:
    periods = sorted((first, first + length) for first, length in spans)
    which, gap = nearest_period([year], periods)
    distances = [max(first - np.floor(year), np.floor(year) - last, 0.0) for first, last in periods]
    assert gap[0] == min(distances) == distances[which[0]]


def test_samples_take_the_value_of_their_year(tmp_path: Path) -> None:
    stack = build_timed(three(tmp_path), GRID)
    assert stack.names == ("slope", "ndvi")
    lon, lat = [21.5] * 6, [41.5] * 6
    values, reason, matches = stack.sample(lon, lat, [1983, 1990, 2003, 1998.5, 1960, np.nan], max_gap=5)
    np.testing.assert_allclose(values["ndvi"], [0.0, 0.1, 0.2, 0.2, np.nan, np.nan], rtol=1e-6)
    assert values["slope"].tolist() == [5.0] * 6
    assert reason.tolist() == ["", "", "", "", "no period of ndvi within 5 years", "no year, and ndvi is by period"]
    assert matches["samples"].tolist() == [1, 1, 2, 2]
    assert matches["outside"].tolist() == [1, 0, 1, 0]
    assert matches["largest_gap_years"].tolist()[:3] == [2.0, 0.0, 2.0]


def test_reasons_of_place_are_told_too(tmp_path: Path) -> None:
    stack = build_timed(three(tmp_path), GRID)
    _, reason, _ = stack.sample([20.5, 30.0], [41.5, 41.5], [1992, 1992])
    assert "ndvi" in reason[0] and "no value" in reason[0]
    assert reason[1] == "outside the grid"


def test_the_stack_of_a_year_is_one_like_any_other(tmp_path: Path) -> None:
    stack = build_timed(three(tmp_path), GRID)
    assert stack.periods == {"ndvi": tuple(PERIODS)}
    for year, expected in ((None, 0.2), (1986, 0.0), (1994, 0.1)):
        now = stack.during(year)
        assert now.names == ("slope", "ndvi")
        assert now.read(Window(1, 1, 1, 1))[1, 0, 0] == np.float32(expected)
        assert now.select(["ndvi"]).names == ("ndvi",)
    with pytest.raises(RasterError, match="ndvi: 45 years from 2050 to the nearest of its periods"):
        stack.during(2050, max_gap=10)


def test_faults_of_names_and_periods() -> None:
    a = Source("ndvi", "a.tif")
    assert check_dates([Dated(a, (1990, 1985))]) == ["ndvi: a.tif: period 1990-1985; expected the earlier year first"]
    assert "once with and once without" in check_dates([Dated(a), Dated(a, (1985, 1990))])[0]
    assert "the period 1985-1990 twice" in check_dates([Dated(a, (1985, 1990)), Dated(a, (1985, 1990))])[0]
    assert "expected one kind" in check_dates([Dated(a, (1985, 1990)), Dated(Source("ndvi", "b.tif", kind="class"), (1991, 1992))])[0]
    assert check_dates([Dated(a, (2000, 2000)), Dated(a, (2001, 2001))]) == []
