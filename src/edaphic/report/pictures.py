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
from edaphic.report.folder import RunFolder, records
from edaphic.report.maps import MapImage, read_image, read_like, truth_sources
from edaphic.report.style import png_bytes
from edaphic.report.words import layer_text, number, quantity, unit_text
from edaphic.units import in_map_unit

Layer = tuple[float, float]

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


def picture_of(name: str, figure: Figure, alt: str, caption: str) -> Picture:
    """A figure as a picture."""
    return Picture(name, png_bytes(figure), alt, caption)


def cells_for_each(run: RunFolder) -> int:
    """Cells that one map may be drawn with, so that the page stays light however many maps there are."""
    return min(_ONE_MAP_CELLS, _ALL_MAP_CELLS // max(1, 3 * len(run.maps)))


def with_values(image: MapImage, values: NDArray[np.float32]) -> MapImage:
    """Other values at the place of an image."""
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


def _truth_period(run: RunFolder) -> str:
    """The period that the truth is of: as its table says, else the last one."""
    table = run.table("truth")
    told = "" if table is None else str(table["period"].iloc[0]).removeprefix("mean ")
    return told or run.lead_period


def truth_maps(run: RunFolder, target: Target) -> tuple[list[tuple[str, tuple[Picture, ...]]], list[str]]:
    """True map and difference for each layer whose true raster the recipe names and that is there.

    Returns
    -------
    (list of (title, pictures), list of layers whose true raster was not found)
    """
    layers = {layer.depth: layer for layer in run.maps if "mean" in layer.paths and layer.period == _truth_period(run)}
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
        true = with_values(ours, in_map_unit(values, unit, layer, target.unit).astype(np.float32))
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
