"""The pictures of a run, drawn from its files, each with the words that stand for it where it cannot be seen."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edaphic.report import figures, map_figures
from edaphic.report.facts import Target, depth_table
from edaphic.report.folder import MapLayer, RunFolder, records
from edaphic.report.maps import MapImage, read_image, read_like, truth_sources
from edaphic.report.plausibility import MapFacts
from edaphic.report.style import png_bytes
from edaphic.report.words import capital, layer_text, number, percent, quantity, unit_text
from edaphic.units import in_map_unit

Layer = tuple[float, float]

_SPREADS = {
    "se": "standard error of the mean",
    "spread": "spread of the trees",
    "tree_se": "spread over the root of trees",
}
"""Statistics of the trees under their own names: none of them is a prediction interval."""

_ALL_MAP_CELLS = 2_000_000
_ONE_MAP_CELLS = 200_000


@dataclass(frozen=True)
class Picture:
    """A PNG, its file name in figures/, and its words: ``alt`` stands in for it, ``caption`` explains it."""

    name: str
    png: bytes = field(repr=False)
    alt: str
    caption: str

    @property
    def uri(self) -> str:
        """The PNG as a data address."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the PNG's header."""
        return int.from_bytes(self.png[16:20], "big"), int.from_bytes(self.png[20:24], "big")


@dataclass(frozen=True)
class LayerPictures:
    """The pictures of one layer's maps and what the maps say."""

    title: str
    layer: Layer
    pictures: tuple[Picture, ...]
    facts: MapFacts
    note: str


def picture_of(name: str, figure: Figure, alt: str, caption: str) -> Picture:
    """A figure as a picture."""
    return Picture(name, png_bytes(figure), alt, caption)


def cells_for_each(run: RunFolder) -> int:
    """Cells that one map may be drawn with, so that the page stays light however many maps there are."""
    return min(_ONE_MAP_CELLS, _ALL_MAP_CELLS // max(1, 3 * len(run.maps)))


def layer_maps(run: RunFolder, target: Target) -> list[LayerPictures]:
    """Mean and uncertainty of each layer (the whole depth last), with what the drawn maps say.

    Parameters
    ----------
    run : RunFolder
    target : Target

    Returns
    -------
    list of LayerPictures, one for each layer that has a map of the mean.

    Raises
    ------
    RasterError
        A map cannot be read.
    """
    cells = cells_for_each(run)
    return [_layer_maps(run, layer, target, cells) for layer in run.maps if "mean" in layer.paths]


def _layer_maps(run: RunFolder, layer: MapLayer, target: Target, cells: int) -> LayerPictures:
    mean = read_image(layer.paths["mean"], cells)
    title = layer_text(*layer.depth) + (f", {layer.period.replace('-', '–')}" if layer.period else "")
    low, high = map_figures.stretch_limits(mean.values)
    label = f"{target.name} ({target.unit})" if target.unit else target.name
    pictures = [
        picture_of(
            f"map_mean_{layer.stem}.png",
            map_figures.value_map(mean, title=f"Mean, {title}", label=label),
            f"Map of the mean {target.name} in {title}: mostly from {number(low)} to {quantity(high, target.unit)}.",
            f"Mean {target.name}, {title}. Mean of the map {quantity(mean.mean(), target.unit)}.",
        )
    ]
    quantiles = sorted((stat for stat in layer.paths if stat.startswith("q")), key=_level)
    ordered, lowest_bound = None, math.nan
    if len(quantiles) > 1 and _level(quantiles[0]) < 0.5 < _level(quantiles[-1]):
        lower, upper = (read_image(layer.paths[stat], cells) for stat in (quantiles[0], quantiles[-1]))
        ordered, lowest_bound = not bool((lower.values > upper.values).any()), _lowest(lower)
        pictures.append(_width_picture(layer, mean, lower, upper, target, title, quantiles))
    else:
        pictures += _spread_pictures(layer, target, title, cells)
    facts = MapFacts(mean.mean(), _lowest(mean), lowest_bound, ordered, mean.reduction <= 1.0)
    note = "" if len(pictures) > 1 else "This run has no map of the uncertainty of this layer."
    return LayerPictures(title, layer.depth, tuple(pictures), facts, note)


def _level(stat: str) -> float:
    """Probability of a quantile's name: "q05" is 0.05, "q025" 0.025."""
    return float(f"0.{stat[1:]}")


def _lowest(image: MapImage) -> float:
    known = image.values[np.isfinite(image.values)]
    return float(known.min()) if known.size else math.nan


def _with_values(image: MapImage, values: NDArray[np.float32]) -> MapImage:
    return MapImage(
        values,
        image.extent,
        image.geographic,
        image.crs_text,
        image.unit,
        image.ground_m,
        image.stretch,
        image.reduction,
    )


def _width_picture(
    layer: MapLayer, mean: MapImage, lower: MapImage, upper: MapImage, target: Target, title: str, stats: list[str]
) -> Picture:
    width = _with_values(mean, upper.values - lower.values)
    level = percent(_level(stats[-1]) - _level(stats[0]))
    known = np.isfinite(width.values) & np.isfinite(mean.values) & (mean.values > 0.0)
    middle = float(np.median(width.values[known])) if known.any() else math.nan
    relative = float(np.median(width.values[known] / mean.values[known])) if known.any() else math.nan
    return picture_of(
        f"map_width_{layer.stem}.png",
        map_figures.width_map(
            width, title=f"Uncertainty, {title}", label=f"width of the {level} interval ({target.unit})"
        ),
        f"Map of the width of the {level} interval in {title}: median {quantity(middle, target.unit)}.",
        f"Width of the {level} interval ({stats[0]} to {stats[-1]}), {title}. Median {quantity(middle, target.unit)}, "
        f"{number(relative, 2)} times the mean there.",
    )


def _spread_pictures(layer: MapLayer, target: Target, title: str, cells: int) -> list[Picture]:
    for stat, name in _SPREADS.items():
        if stat in layer.paths:
            image = read_image(layer.paths[stat], cells)
            return [
                picture_of(
                    f"map_{stat}_{layer.stem}.png",
                    map_figures.width_map(image, title=f"{capital(name)}, {title}", label=f"{name} ({target.unit})"),
                    f"Map of the {name} in {title}: mean {quantity(image.mean(), target.unit)}.",
                    f"{capital(name)}, {title}. This is not a prediction interval: single profiles differ more.",
                )
            ]
    return []


def depth(run: RunFolder, target: Target) -> Picture | None:
    """Observed and predicted values by depth."""
    found = depth_table(run, target)
    if found is None:
        return None
    table, unit, source = found
    name = "SOC density" if target.is_stock else target.name
    means = "; ".join(f"{layer_text(r.top_cm, r.bottom_cm)} {number(r.observed_mean)}" for r in records(table))
    return picture_of(
        "depth.png",
        figures.depth_profile(table, unit=unit, quantity=name),
        f"{name} by depth; observed means in {unit_text(unit)}: {means}.",
        f"{name} by layer"
        + (" (stock over thickness, so that layers of different thickness compare)" if target.is_stock else "")
        + f": {source}. Predicted means should lie on the observed ones.",
    )


def truth_maps(run: RunFolder, target: Target) -> tuple[list[tuple[str, tuple[Picture, ...]]], list[str]]:
    """True map and difference for each layer whose true raster the recipe names and that is there.

    Returns
    -------
    (list of (title, pictures), list of layers whose true raster was not found)
    """
    layers = {layer.depth: layer for layer in run.maps if "mean" in layer.paths and not layer.period}
    if run.table("truth") is None or not layers:
        return [], []
    sources = truth_sources(run.setting("account", "truth"), run.path / str(run.setting("root") or "."))
    cells = cells_for_each(run)
    found: list[tuple[str, tuple[Picture, ...]]] = []
    label = f"{target.name} ({target.unit})" if target.unit else target.name
    for layer in [layer for layer in layers if layer in sources]:
        ours = read_image(layers[layer].paths["mean"], cells)
        values = read_like(sources[layer].path, layers[layer].paths["mean"], cells)
        unit = sources[layer].unit or target.unit
        true = _with_values(ours, in_map_unit(values, unit, layer, target.unit).astype(np.float32))
        difference = ours.values - true.values
        title = layer_text(*layer)
        limits = map_figures.stretch_limits(ours.values, true.values)
        known = difference[np.isfinite(difference)]
        size = quantity(float(np.median(np.abs(known))) if known.size else math.nan, target.unit)
        pictures = (
            picture_of(
                f"truth_{layers[layer].stem}.png",
                map_figures.value_map(true, title=f"True, {title}", label=label, limits=limits),
                f"Map of the true {target.name} in {title}.",
                f"True {target.name}, {title}. Mean {quantity(true.mean(), target.unit)}.",
            ),
            picture_of(
                f"truth_difference_{layers[layer].stem}.png",
                map_figures.difference_map(ours, difference, title=f"Map minus truth, {title}", label=label),
                f"Map of the difference between the map and the truth in {title}; median size {size}.",
                f"Map minus truth, {title}: red where the map is too high. Median size {size}.",
            ),
        )
        found.append((title, pictures))
    return found, [layer_text(*layer) for layer in layers if layer not in sources]
