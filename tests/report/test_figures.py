"""Figures: drawn from what they are given, the same bytes each time, whatever the user's settings."""

from __future__ import annotations

import io
import struct

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from edaphic.report import evidence_figures, figures, map_figures
from edaphic.report.maps import MapImage
from edaphic.report.style import new_figure, png_bytes, with_palette


def picture(values: np.ndarray, extent: tuple[float, float, float, float] = (0, 4000, 0, 2000)) -> MapImage:
    return MapImage(values.astype(np.float32), extent, False, "EPSG:32634", "metre", 1.0, 1.0, 1.0)


def scatter(n: int = 400) -> Figure:
    random = np.random.default_rng(1)
    observed = random.gamma(2.0, 3.0, n)
    return figures.observed_predicted(
        observed, observed * 0.9 + 0.3, title="t", unit="kg/m2", limits=(0.0, 40.0), log=False
    )


def test_same_figure_same_bytes_whatever_the_settings() -> None:
    first = png_bytes(scatter())
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 30, "figure.dpi": 30}):
        second = png_bytes(scatter())
    assert first == second
    assert second == png_bytes(scatter())


def test_png_holds_no_time_and_no_software() -> None:
    found, at = [], 8
    png = png_bytes(scatter())
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        found.append(kind)
        at += size + 12
    assert set(found) == {b"IHDR", b"PLTE", b"IDAT", b"IEND"}


def test_global_state_is_left_alone() -> None:
    before = {key: matplotlib.rcParams[key] for key in matplotlib.rcParams}
    png_bytes(scatter())
    assert {key: matplotlib.rcParams[key] for key in matplotlib.rcParams} == before


@given(st.integers(1, 400), st.integers(0, 1000))
def test_palette_keeps_frequent_colours(colours: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    table = random.choice(256**3, colours, replace=False)
    table = np.stack([table >> 16, (table >> 8) & 255, table & 255], axis=1).astype(np.uint8)
    # Colour k is there (colours - k) times.
    pixels = np.repeat(table, np.arange(colours, 0, -1), axis=0)[None]
    indices, palette = with_palette(pixels)
    shown = palette[indices]
    kept = min(colours, 256)
    frequent = int(np.arange(colours, 0, -1)[:kept].sum())
    np.testing.assert_array_equal(shown[0, :frequent], pixels[0, :frequent])
    assert len(palette) == kept


def test_white_rows_are_cut() -> None:
    figure, axes = new_figure(5.0)
    axes.set_axis_off()
    axes.plot([0, 1], [0.5, 0.5], color="black")
    height = Image.open(io.BytesIO(png_bytes(figure))).size[1]
    assert height < 40


def test_few_points_are_points_many_are_hexagons() -> None:
    few, many = scatter(50), scatter(400)
    assert len(few.axes) == 1
    assert len(many.axes) == 2
    assert few.axes[0].get_xlim() == many.axes[0].get_xlim() == (0.0, 40.0)


def test_axes_that_serve_all() -> None:
    even = np.linspace(1.0, 9.0, 101)
    ends, log, beyond = figures.shared_limits(even, even + 1.0)
    assert ends[0] == 0.0 and ends[1] > 10.0 and not log and beyond == 0
    skewed = np.exp(np.linspace(0.0, 6.0, 101))
    ends, log, _ = figures.shared_limits(skewed)
    assert log and ends[0] < 1.0 and ends[1] > np.exp(6.0)
    with_zero = np.concatenate([[0.0], np.full(999, 2.0), [500.0]])
    ends, log, beyond = figures.shared_limits(with_zero)
    assert not log and ends[1] < 3.0 and beyond == 1
    negative = np.array([-2.0, 1.0, 3.0])
    assert figures.shared_limits(negative)[0][0] < -2.0


def test_logarithmic_axes_are_drawn() -> None:
    values = np.exp(np.linspace(-2, 6, 500))
    figure = figures.observed_predicted(values, values, title="t", unit="", limits=(0.1, 500.0), log=True)
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"
    assert len(png_bytes(figure)) > 2000


def skill_table(mec: float) -> pd.DataFrame:
    rows = {"design": ["profile", "block"], "layer": ["0-30 cm"] * 2, "mec": [0.5, mec]}
    return pd.DataFrame(rows).assign(mec_low=lambda t: t.mec - 0.1, mec_high=lambda t: t.mec + 0.1, mec_layer_mean=0.2)


def test_a_hopeless_map_is_drawn_at_the_edge_with_its_number() -> None:
    axes = figures.skill(skill_table(-37.5)).axes[0]
    assert axes.get_xlim()[0] > -1.2
    assert any("−37.5" in text.get_text() for text in axes.texts)
    assert figures.skill(skill_table(0.3)).axes[0].get_xlim()[0] == pytest.approx(-0.04)


def test_coverage_without_values_before_adjustment() -> None:
    table = pd.DataFrame({"design": ["profile"], "group": ["all layers"], "nominal": [0.9], "coverage": [0.88]})
    labels = figures.coverage(table.assign(coverage_raw=np.nan)).axes[0].get_legend_handles_labels()[1]
    assert labels == ["profile, after"]


def test_tails_go_both_ways() -> None:
    table = pd.DataFrame({"group": ["decile 1", "decile 2"], "below": [0.1, 0.0], "above": [0.02, 0.2], "nominal": 0.9})
    axes = figures.tails(table, title="t").axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == pytest.approx([0.02, 0.2, -0.1, 0.0])
    assert axes.get_ylim()[0] == -axes.get_ylim()[1]


def test_importance_shows_twenty() -> None:
    table = pd.DataFrame({"feature": [f"f{k}_$x$" for k in range(30)], "rmse_increase": np.arange(30.0, 0.0, -1.0)})
    figure = figures.importance(table.assign(rmse_increase_sd=np.nan), unit="kg/m2")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [f"f{k}_$x$" for k in range(20)]
    assert png_bytes(figure)


def test_depth_runs_downwards() -> None:
    table = pd.DataFrame({"top_cm": [0.0, 30.0], "bottom_cm": [30.0, 100.0], "predicted_mean": [20.0, np.nan]})
    for name, value in (("q05", 5.0), ("q25", 10.0), ("q75", 30.0), ("q95", 50.0), ("mean", 22.0)):
        table[f"observed_{name}"] = value
    axes = figures.depth_profile(table, unit="kg/m3", quantity="SOC density").axes[0]
    assert axes.get_ylim() == (100.0, 0.0)
    assert axes.get_xlabel() == "SOC density (kg/m³)"


def test_colours_of_a_map_span_the_bulk_of_its_values() -> None:
    values = np.concatenate([np.linspace(1.0, 9.0, 98), [500.0, np.nan]])
    low, high = map_figures.stretch_limits(values)
    assert low < 1.3 and 8.0 < high < 10.0
    assert map_figures.stretch_limits(values, from_zero=True)[0] == 0.0
    assert map_figures.stretch_limits(np.full(3, np.nan)) == (0.0, 1.0)
    flat = map_figures.stretch_limits(np.full(3, 5.0))
    assert flat[0] < 5.0 < flat[1]


def test_colour_bar_tells_what_lies_beyond() -> None:
    values = np.linspace(0.0, 100.0, 200).reshape(10, 20)
    both = map_figures.value_map(picture(values), title="t", label="SOC stock (kg/m2)", limits=(10.0, 90.0))
    none = map_figures.value_map(picture(values), title="t", label="l", limits=(0.0, 100.0))
    assert both.axes[1].get_xlabel() == "SOC stock (kg/m²)"
    assert len(png_bytes(both)) != len(png_bytes(none))


@pytest.mark.parametrize(
    ("shape", "extent"), [((10, 20), (0, 4000, 0, 2000)), ((20, 10), (0, 2000, 0, 4000)), ((1, 1), (0, 10, 0, 10))]
)
def test_maps_of_any_shape(shape: tuple[int, int], extent: tuple[float, float, float, float]) -> None:
    figure = map_figures.width_map(picture(np.ones(shape), extent), title="t", label="l")
    width, height = Image.open(io.BytesIO(png_bytes(figure))).size
    assert 0.2 < width / height < 3.0


def test_an_empty_map_says_so() -> None:
    figure = map_figures.value_map(picture(np.full((3, 4), np.nan)), title="t", label="l")
    assert "no value" in [text.get_text() for text in figure.axes[0].texts]


def test_difference_is_symmetric() -> None:
    image = picture(np.zeros((2, 3)))
    figure = map_figures.difference_map(image, np.array([[-4.0, 0, 1], [2, 3, 0]], np.float32), title="t", label="l")
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high and 3.0 < high <= 4.0


def test_scale_bar_only_where_it_holds() -> None:
    values = np.ones((4, 8))
    near = map_figures.value_map(picture(values), title="t", label="l")
    assert [text.get_text() for text in near.axes[0].texts] == ["1 km"]
    world = MapImage(values.astype(np.float32), (-180, 180, -90, 90), True, "EPSG:4326", "degree", 1e5, 1.0, 1.0)
    assert not map_figures.value_map(world, title="t", label="l").axes[0].texts
    unknown = MapImage(values.astype(np.float32), (0, 8, 0, 4), False, "no CRS", "unit", np.nan, 1.0, 1.0)
    assert not map_figures.value_map(unknown, title="t", label="l").axes[0].texts


@pytest.mark.parametrize("extent", [(0, 2000, 0, 4000), (0, 4000, 0, 2000), (0, 500, 0, 4000), (12_345_000, 12_385_000, 4000, 54_000)])
def test_maps_of_one_grid_are_of_one_size_whatever_is_written_beside_them(extent: tuple[float, float, float, float]) -> None:
    values = np.arange(12.0).reshape(3, 4)
    small = map_figures.value_map(picture(values, extent), title="Mean", label="SOC stock (kg/m2)")
    large = map_figures.width_map(picture(47.3 * values, extent), title="Uncertainty", label="width of the 90 % interval (kg/m2)")
    classes = map_figures.class_map(picture(values > 5.0, extent), title="Area", names=("outside", "inside"))
    boxes = [figure.axes[0].get_position().bounds for figure in (small, large, classes)]
    assert boxes[0] == boxes[1] == boxes[2]
    assert {tuple(figure.get_size_inches()) for figure in (small, large, classes)} == {tuple(small.get_size_inches())}
    width, height = boxes[0][2:]
    inches = small.get_size_inches()
    assert width * inches[0] / (height * inches[1]) == pytest.approx((extent[1] - extent[0]) / (extent[3] - extent[2]))


@pytest.mark.parametrize("extent", [(0, 2000, 0, 4000), (0, 4000, 0, 2000), (0, 500, 0, 4000)])
def test_nothing_is_written_beyond_the_picture(extent: tuple[float, float, float, float]) -> None:
    figure = map_figures.value_map(picture(1e6 * np.arange(12.0).reshape(3, 4), extent), title="t", label="SOC stock (kg/m2)")
    png_bytes(figure)
    written, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert written.x0 >= 0.0 and written.x1 <= width + 0.02 and written.y0 >= 0.0 and written.y1 <= height


def test_distances_end_where_nearly_all_cells_lie() -> None:
    shares = np.linspace(0.0, 1.0, 101)
    far = np.where(shares == 1.0, 90_000.0, 3000.0 * shares)
    curves = pd.DataFrame({"p": shares, "gij_m": far, "gj_star_m": 2800.0 * shares, "gj_profile_m": np.nan, "gj_random_m": 0.0})
    axes = evidence_figures.distances(curves).axes[0]
    assert axes.get_xlim()[1] == pytest.approx(2.97) and axes.get_xlabel().endswith("(km)")
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["single layers at random", "folds by kNNDM", "cells of the map"]


def test_coverage_curves_stand_beside_the_diagonal() -> None:
    levels = np.linspace(0.05, 0.95, 19)
    table = pd.DataFrame({"level": levels, "qcp": levels**2, "qcp_low": levels**2 - 0.02, "qcp_high": levels**2 + 0.02})
    figure = evidence_figures.coverage_curve(table, table.assign(qcp=levels), score="qcp", title="t", colour="#009E73")
    axes = figure.axes[0]
    assert axes.get_xlabel() == "level of the quantile"
    diagonal, before, after = (line.get_ydata() for line in axes.lines)
    assert list(diagonal) == [0.0, 1.0]
    np.testing.assert_array_equal(before, levels**2)
    np.testing.assert_array_equal(after, levels)
    alone = evidence_figures.coverage_curve(table.head(0), table, score="qcp", title="t", colour="#009E73")
    assert "before adjustment" not in alone.axes[0].get_legend_handles_labels()[1]


def test_lags_with_few_pairs_are_hollow() -> None:
    lags = evidence_figures.LagPoints(np.array([100.0, 900.0]), np.array([0.3, 0.1]), np.array([3.0, 300.0]))
    line = evidence_figures.FittedLine(np.array([1.0, 900.0]), np.array([0.05, 0.1]), "fitted")
    axes = evidence_figures.variogram({"all directions": lags}, [line], nugget=0.05, title="t", label="semivariance").axes[0]
    fills = [found.get_markerfacecolor() for found in axes.lines[:2]]
    assert fills[1] == "white" and fills[0] != "white"
    assert axes.get_ylim() == (0.0, pytest.approx(0.336)) and axes.get_xlabel() == "distance (m)"


def test_groups_are_labelled_with_their_profiles() -> None:
    rows = pd.DataFrame({"group": ["zone 1", "zone $2$"], "rmse": [1.0, 2.0], "n_profiles": [5, 1200]})
    rows = rows.assign(rmse_low=np.nan, rmse_high=np.nan)
    axes = evidence_figures.groups(rows, overall=np.nan, unit="kg/m2", title="t", colour="#009E73").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["zone 1 (5)", "zone $2$ (1,200)"]
    assert axes.get_xlim() == (0.0, pytest.approx(2.12))


@pytest.mark.parametrize("shape", [(10, 20), (20, 10)])
def test_a_map_of_two_classes_names_them(shape: tuple[int, int]) -> None:
    values = np.ones(shape)
    values[:4], values[5] = 0.4, np.nan
    figure = map_figures.class_map(picture(values, (0, 100 * shape[1], 0, 100 * shape[0])), title="t", names=("outside", "inside"))
    figure.canvas.draw()
    drawn = figure.axes[0].images[0].get_array()
    assert set(np.unique(drawn.compressed())) == {0.0, 1.0}
    bar = figure.axes[-1]
    labels = [label.get_text() for label in (bar.get_yticklabels() if shape[0] > shape[1] else bar.get_xticklabels())]
    assert labels == ["outside", "inside"]
