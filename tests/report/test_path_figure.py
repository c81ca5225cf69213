"""Figures of path models: places that do not overlap, labels on their own arrows, and pictures for many shapes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import FancyBboxPatch

from edaphic.account.paths import PathResult, model_of, path_models
from edaphic.report.path_figure import effects_bars, path_diagram, path_pictures
from edaphic.report.path_layout import draw_levels, levels

SEVEN = ["climate", "paleoclimate", "topography", "permafrost", "vegetation", "human_influence", "soc"]
ARROWS = {
    "permafrost": ["climate", "topography"],
    "vegetation": ["climate", "permafrost"],
    "human_influence": ["climate", "topography", "vegetation"],
    "soc": ["climate", "paleoclimate", "topography", "permafrost", "vegetation", "human_influence"],
}


def edges_of(paths: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(cause, effect) for effect, causes in paths.items() for cause in causes]


def estimated(names: list[str], paths: dict[str, list[str]], resamples: int = 30) -> PathResult:
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(80, len(names))), columns=names)
    for effect, causes in paths.items():
        table[effect] += table[causes] @ np.resize([0.8, -0.5, 0.1], len(causes))
    latents = {name: {"indicators": [{"name": name}]} for name in names}
    return path_models(table, model_of({"latents": latents, "paths": paths, "bootstrap": {"resamples": resamples}}))[0]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_boxes_do_not_overlap_and_lie_within(count: int) -> None:
    names = SEVEN if count == 7 else SEVEN[:count]
    paths = ARROWS if count == 7 else {names[-1]: names[:-1]}
    drawing = draw_levels(names, edges_of(paths))
    width, height = drawing.box
    for (x, y), (u, v) in combinations(drawing.centres.values(), 2):
        assert abs(x - u) >= width or abs(y - v) >= height
    for x, y in drawing.centres.values():
        assert width / 2 <= x <= drawing.width - width / 2 and height / 2 <= y <= drawing.height - height / 2


def test_arrows_go_down_from_box_to_box_and_pass_no_other() -> None:
    drawing = draw_levels(SEVEN, edges_of(ARROWS))
    width, height = drawing.box
    for (cause, effect), curve in drawing.curves.items():
        assert (np.diff(curve[:, 1]) <= 1e-9).all()
        assert curve[0, 1] == pytest.approx(drawing.centres[cause][1] - height / 2)
        assert curve[-1, 1] == pytest.approx(drawing.centres[effect][1] + height / 2)
        for name, (x, y) in drawing.centres.items():
            if name not in (cause, effect):
                assert not ((np.abs(curve[:, 0] - x) < width / 2) & (np.abs(curve[:, 1] - y) < height / 2)).any()


def test_labels_stand_on_their_arrow_apart_from_boxes_and_one_another() -> None:
    drawing = draw_levels(SEVEN, edges_of(ARROWS), label=(0.5, 0.2))
    width, height = drawing.box
    for edge, (x, y) in drawing.labels.items():
        assert np.abs(drawing.curves[edge] - [x, y]).sum(axis=1).min() < 1e-9
        assert all(abs(x - u) >= width / 2 or abs(y - v) >= height / 2 for u, v in drawing.centres.values())
    for (x, y), (u, v) in combinations(drawing.labels.values(), 2):
        assert abs(x - u) > 0.5 or abs(y - v) > 0.2


def test_levels() -> None:
    found = levels(SEVEN, edges_of(ARROWS))
    assert [found[name] for name in SEVEN] == [0, 3, 0, 1, 2, 3, 4]


def test_pictures_and_their_words() -> None:
    result = estimated(SEVEN, ARROWS)
    diagram, effects = path_pictures(result, "layer 0-30", "0-30")
    assert (diagram.name, effects.name) == ("paths_0-30.png", "path_effects_0-30.png")
    coefficient = result.inner.set_index(["from", "to"]).loc[("climate", "soc"), "coefficient"]
    assert f"climate to soc {coefficient:+.2f}" in diagram.alt and "R2: permafrost" in diagram.alt
    assert "layer 0-30" in effects.alt and "climate on soc" in effects.alt and "climate on permafrost" not in effects.alt
    assert diagram.png.startswith(b"\x89PNG") and diagram.size[0] > 900
    assert path_pictures(result)[0].png != diagram.png and path_pictures(result)[0].png == path_pictures(result)[0].png


def test_dashes_are_of_intervals_that_hold_zero() -> None:
    result = estimated(SEVEN, ARROWS)
    dashed = sum(patch.get_linestyle() not in ("solid", "-") for patch in path_diagram(result).axes[0].patches)
    paths = result.bootstrap[result.bootstrap["kind"] == "path"]
    assert dashed == (~paths["excludes_zero"]).sum() > 0
    plain = estimated(SEVEN, ARROWS, 0)
    dashed = sum(patch.get_linestyle() not in ("solid", "-") for patch in path_diagram(plain).axes[0].patches)
    assert dashed == (plain.inner["p"] >= 0.05).sum()
    assert "p of at least 0.05" in path_pictures(plain)[0].caption


def test_two_ends_have_a_panel_each() -> None:
    result = estimated(["a", "b", "c", "d"], {"c": ["a", "b"], "d": ["a"]})
    assert [axes.get_title(loc="left") for axes in effects_bars(result).axes] == ["Effects on c", "Effects on d"]


def test_names_stay_within_their_boxes() -> None:
    names = ["a very long name of a latent quantity", "b_" * 12, "unbreakableunbreakableunbreakable", "soc"]
    figure = path_diagram(estimated(names, {"soc": names[:3]}))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    assert len(boxes) == 4
    for text in [text for text in axes.texts if text.get_zorder() == 5]:
        part = text.get_window_extent()
        assert any(box.get_window_extent().x0 - 1 <= part.x0 and part.x1 <= box.get_window_extent().x1 + 1 for box in boxes)
