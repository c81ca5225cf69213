"""The table of coefficients, lines from a table, images brought to another sensor, and the figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio

from edaphic.covariates import Source
from edaphic.covariates.sensors import (
    How,
    Line,
    Pairs,
    apply,
    chain,
    coefficients,
    faults_of,
    inverted,
    lines_of,
    normalise_image,
    read_lines,
    swapped,
)
from edaphic.covariates.sensors.normalise import COLUMNS
from edaphic.errors import RasterError, TableError
from edaphic.report.sensor_figure import Panel, sensor_panels
from edaphic.report.style import png_bytes


def pairs(band: str, slope: float, intercept: float, n: int = 400, seed: int = 0) -> Pairs:
    random = np.random.default_rng(seed)
    truth = random.uniform(0.05, 0.6, n)
    x, y = truth + random.normal(0, 0.01, n), slope * truth + intercept + random.normal(0, 0.01, n)
    return Pairs(band, x, y, np.arange(n) // 20, "date", n + 7, {"saturated": 7})


def test_the_table():
    found = [pairs("red", 1.1, 0.02), pairs("nir", 0.9, -0.01)]
    lines = lines_of(found, samples=200)
    table = coefficients(lines, found, from_sensor="TM", to_sensor="ETM+")
    assert tuple(table.columns) == COLUMNS and table["band"].tolist() == ["red", "nir"]
    row = table.iloc[0]
    assert row["slope"] == lines["red"].slope == pytest.approx(1.1, abs=0.02) and row["count"] == 400
    assert row["groups"] == 20 and row["dropped"] == 7 and row["method"] == "ma" and row["intervals"] == "bootstrap"
    assert row["slope_low"] < 1.1 < row["slope_high"] and row["intercept_low"] < 0.02 < row["intercept_high"]
    assert row["from_sensor"] == "TM" and row["to_sensor"] == "ETM+" and row["note"] == ""
    assert lines_of(found, How("ols"), samples=0)["red"].intervals == "parametric"


def test_bands_without_a_line_are_all_told():
    flat = Pairs("blue", np.ones(5), np.arange(5.0), np.arange(5), "pair", 6, {"saturated": 1})
    none = Pairs("nir", np.empty(0), np.empty(0), np.empty(0, dtype=np.int64), "pair", 9, {"masked": 9})
    found = [pairs("red", 1.0, 0.0), flat, none]
    faults = faults_of(lines_of(found), found, "a and b")
    assert [fault.split(":")[1].strip() for fault in faults] == ["band blue", "band nir"]
    assert "no variance in the other" in faults[0] and "9 masked were left out" in faults[1]


def test_through_a_table_and_back(tmp_path):
    found = [pairs("red", 1.1, 0.02), pairs("nir", 0.9, -0.01)]
    lines = lines_of(found, samples=50)
    coefficients(lines, found, from_sensor="TM", to_sensor="ETM+").to_csv(tmp_path / "c.csv", index=False)
    read, sensors = read_lines(pd.read_csv(tmp_path / "c.csv"), "c.csv")
    assert sensors == ("TM", "ETM+") and list(read) == ["red", "nir"]
    for band, line in read.items():
        assert (line.slope, line.intercept, line.count) == (lines[band].slope, lines[band].intercept, 400)
        assert swapped(read)[band].slope == inverted(lines)[band].slope
        assert swapped(read)[band].slope_low == pytest.approx(1 / lines[band].slope_high)
        assert np.isnan(swapped(read)[band].intercept_low)


def test_tables_that_cannot_be():
    for table, fault in (
        (pd.DataFrame({"band": ["a"], "slope": ["x"], "intercept": [0.0]}), "found slope 'x'"),
        (pd.DataFrame({"band": ["a", "a"], "slope": [1.0, 1.0], "intercept": [0.0, 0.0]}), "row 2: band a a second time"),
        (pd.DataFrame({"band": [], "slope": [], "intercept": []}), "no row"),
    ):
        with pytest.raises(TableError, match=fault):
            read_lines(table, "c.csv")


def test_from_tm_over_etm_to_oli():
    """Two tables, one after the other, are the same as two images, one after the other."""
    first, second = Line("ma", 1.1, 0.02), Line("ma", 0.9, -0.01)
    values = np.linspace(0, 1, 11)
    both = chain(first, second)
    assert apply(values, both.slope, both.intercept) == pytest.approx(apply(apply(values, 1.1, 0.02), 0.9, -0.01))
    back = both.inverse()
    assert apply(apply(values, both.slope, both.intercept), back.slope, back.intercept) == pytest.approx(values)


def test_an_image(raster, tmp_path):
    path = raster("i.tif", np.array([[[100, 200], [-1, 32767]]], dtype="int16"), nodata=-1, scales=[0.001], units=["1"])
    (out,) = normalise_image({"red": Source("red", path)}, {"red": Line("ma", 2.0, -0.1), "nir": Line("ma", 1.0, 0.0)}, tmp_path / "made")
    with rasterio.open(out) as file, rasterio.open(path) as before:
        assert file.read(1).ravel().tolist() == pytest.approx([0.1, 0.3, np.nan, 65.434], nan_ok=True)
        assert file.transform == before.transform and file.crs == before.crs and float(file.tags()["SLOPE"]) == 2.0


def test_an_image_whose_windows_change_nothing(raster, tmp_path):
    values = np.random.default_rng(0).uniform(0, 1, (700, 530)).astype("float32")
    (out,) = normalise_image({"red": Source("red", raster("i.tif", values))}, {"red": Line("ma", 1.2, 0.01)}, tmp_path / "made")
    with rasterio.open(out) as file:
        assert np.array_equal(file.read(1), (1.2 * values.astype(np.float64) + 0.01).astype(np.float32))


def test_an_image_without_a_line(raster, tmp_path):
    path = raster("i.tif", np.ones((2, 2), dtype="float32"))
    with pytest.raises(RasterError, match="band nir: no line for it; found red"):
        normalise_image({"nir": Source("nir", path)}, {"red": Line("ma", 1.0, 0.0)}, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_the_figure():
    found = [pairs(f"b{k}", 1.1, 0.02, n=n) for k, n in enumerate((100, 400, 400, 400))]
    lines = lines_of(found, samples=0)
    panels = [Panel(one.band, one.x, one.y, lines[one.band].slope, lines[one.band].intercept, 0.9, "TM", "ETM+") for one in found]
    figure = sensor_panels(panels)
    drawn = [axes for axes in figure.axes if axes.get_title(loc="left").startswith("b")]
    assert [axes.get_title(loc="left") for axes in drawn] == ["b0", "b1", "b2", "b3"]
    for axes, line in zip(drawn, lines.values(), strict=True):
        one_to_one, fitted = axes.get_lines()
        assert np.array_equal(one_to_one.get_xdata(), one_to_one.get_ydata())
        assert fitted.get_ydata() == pytest.approx(line.slope * fitted.get_xdata() + line.intercept)
        assert "r = 0.900" in axes.texts[0].get_text()
    assert png_bytes(figure) == png_bytes(sensor_panels(panels))
    assert len(png_bytes(sensor_panels(panels[:1]))) > 1000
