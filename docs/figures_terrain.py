"""Figures of the page on terrain, drawn anew: python docs/figures_terrain.py [--shared FOLDER]

The folder holds data/dem_samples; it is the one beside the project, or the one that the environment variable EDAPHIC_SHARED names. Only
data that may be published are drawn: Big Tujunga (SRTM, public domain), Zion and Ecuador (spDataLarge, CC0). Every panel is read from a
file that ``edaphic terrain`` wrote.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edaphic.covariates.terrain.attributes import TerrainOptions
from edaphic.report import style
from edaphic.report.style import DPI, png_bytes, styled
from edaphic.verbs.terrain import DemWords, terrain

Floats = NDArray[np.float64]

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "pictures"
STEPS = 40
"""Of each scale: several of them have to fit into the palette of a picture."""
LIGHT, VALUES, DIFFERENCES = (scale.resampled(STEPS) for scale in (colormaps["gray"], style.VALUES, style.DIFFERENCES))
SUN_DEG, SUN_HEIGHT_DEG = 315.0, 45.0


@dataclass(frozen=True)
class Land:
    """Attributes of a DEM that were made, and the part of it that is drawn."""

    folder: Path
    part: tuple[slice, slice] = (slice(None), slice(None))
    ratio: float = 1.0

    def read(self, name: str) -> Floats:
        with rasterio.open(self.folder / f"{name}.tif") as file:
            values: Floats = file.read(1).astype(np.float64)
        return values[self.part]

    def unit(self, name: str) -> str:
        with rasterio.open(self.folder / f"{name}.tif") as file:
            return str(file.units[0])

    def hillshade(self) -> Floats:
        """Share of the light of a sun in the north-west that a slope gets."""
        slope, aspect = np.radians(self.read("slope")), np.radians(self.read("aspect"))
        high, away = np.radians(SUN_HEIGHT_DEG), np.radians(SUN_DEG)
        towards = np.where(np.isnan(aspect), 0.0, np.cos(away - np.nan_to_num(aspect)))
        return np.sin(high) * np.cos(slope) + np.cos(high) * np.sin(slope) * towards


def make(dem: Path, folder: Path, names: str, words: DemWords | None = None, **options: Any) -> Land:
    """Call the verb, and tell what it told."""

    def say(text: str, done: int, total: int) -> None:
        if text.startswith("note: "):
            print(f"  {text}")

    print(
        *terrain(str(dem), folder, names=names.split(","), words=words, options=TerrainOptions(**options), compress="none", say=say),
        sep="\n",
    )
    return Land(folder)


def panels(rows: int, columns: int, width_in: float, height_in: float) -> tuple[Figure, list[Axes]]:
    """A figure of maps without axes."""
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, layout="compressed")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axis in axes:
        axis.set_axis_off()
    return figure, axes


def show(axis: Axes, land: Land, values: Floats, title: str, colours: Colormap, limits: tuple[float, float], unit: str = "") -> None:
    """One map, with its scale where it has a unit."""
    image = axis.imshow(values, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest", aspect=land.ratio)
    axis.set_title(title)
    if unit:
        assert axis.figure is not None
        axis.figure.colorbar(image, ax=axis, label=unit, shrink=0.72, extend="both")


def around_zero(values: Floats, share: float = 0.97) -> tuple[float, float]:
    """Limits that leave out the few extreme values."""
    most = float(np.nanquantile(np.abs(values), share))
    return -most, most


@styled
def draw_zion(land: Land) -> Figure:
    """A canyon: light and slope side by side, ruggedness and position."""
    figure, axes = panels(2, 2, 8.4, 8.6)
    show(axes[0], land, land.hillshade(), "light from the north-west", LIGHT, (0.1, 1.0), "share")
    show(axes[1], land, land.read("slope"), "slope", VALUES, (0.0, 50.0), "degrees")
    show(axes[2], land, land.read("tri"), "ruggedness (TRI)", VALUES, (0.0, 300.0), "m")
    position = land.read("tpi")
    show(axes[3], land, position, "position (TPI), disc of 1 km", DIFFERENCES, around_zero(position), "m")
    return figure


@styled
def draw_tujunga(land: Land) -> Figure:
    """Valleys: light, catchment area, wetness, LS factor."""
    figure, axes = panels(2, 2, 9.6, 6.2)
    show(axes[0], land, land.hillshade(), "light from the north-west", LIGHT, (0.1, 1.0), "share")
    show(axes[1], land, np.log10(land.read("flow_mfd")), "catchment area, multiple flow direction", VALUES, (3.0, 7.0), "log10 of m2")
    show(axes[2], land, land.read("twi"), "wetness index (TWI)", VALUES, (4.0, 13.0), land.unit("twi"))
    show(axes[3], land, land.read("ls"), "LS factor (Moore and Nieber)", VALUES, (0.0, 60.0), "1")
    return figure


@styled
def draw_curvatures(land: Land) -> Figure:
    """Ridges and hollows: the four curvatures."""
    figure, axes = panels(2, 2, 8.4, 8.8)
    for axis, name in zip(axes, ("profile_curvature", "tangential_curvature", "plan_curvature", "general_curvature"), strict=True):
        values = land.read(name)
        show(axis, land, values, name.replace("_", " "), DIFFERENCES, around_zero(values, 0.95), land.unit(name))
    return figure


@styled
def draw_flow(single: Land, multiple: Land) -> Figure:
    """The same slopes with both ways of routing."""
    figure, axes = panels(1, 2, 9.0, 4.3)
    show(axes[0], single, single.read("twi"), "TWI, to one neighbour (D8)", VALUES, (4.0, 13.0), "ln(m)")
    show(axes[1], multiple, multiple.read("twi"), "TWI, to all lower ones (MFD)", VALUES, (4.0, 13.0), "ln(m)")
    return figure


def compare_ecuador(dem: Path, ours: Land) -> None:
    """How far slope and curvatures are from those that came with the DEM."""
    with rasterio.open(dem) as file:
        for name, band in (("slope", 1), ("plan_curvature", 2), ("profile_curvature", 3)):
            theirs, found = file.read(band).astype(np.float64), ours.read(name)
            same = np.isclose(found, theirs, rtol=1e-5, atol=1e-9)[~np.isnan(theirs)].mean()
            print(f"Ecuador {name}: {same:.2%} of the cells equal to 1e-5")


def main() -> None:
    """Compute, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("EDAPHIC_SHARED") or HERE.parents[1] / "shared"))
    asked = parser.parse_args()
    samples = asked.shared / "data" / "dem_samples"
    if not samples.is_dir():
        parser.error(f"--shared {asked.shared}: found no data/dem_samples; expected the folder that holds it")
    with tempfile.TemporaryDirectory(prefix="edaphic_terrain_") as temporary:
        out = Path(temporary)
        zion = make(samples / "zion_3arcsec" / "srtm.tif", out / "zion", "local", radius=1000.0, radius_unit="m")
        zion = replace(zion, ratio=1.0 / np.cos(np.radians(37.3)))
        tujunga = samples / "bigtujunga_30m" / "bigtujunga.tif"
        whole = make(tujunga, out / "tujunga", "slope,aspect,flow_mfd,twi,ls")
        valley = replace(whole, part=(slice(120, 520), slice(480, 1040)))
        near = (slice(200, 380), slice(560, 760))
        single = replace(make(tujunga, out / "single", "twi", flow="d8"), part=near)
        heights = samples / "ecuador_10m" / "ta.tif"
        ecuador = make(
            heights, out / "ecuador", "slope,plan_curvature,profile_curvature,tangential_curvature,general_curvature", DemWords(band=4)
        )
        compare_ecuador(heights, ecuador)
        ecuador = replace(ecuador, part=(slice(60, 260), slice(120, 340)))
        drawings: dict[str, Callable[[], Figure]] = {
            "zion": lambda: draw_zion(zion),
            "valleys": lambda: draw_tujunga(valley),
            "curvatures": lambda: draw_curvatures(ecuador),
            "flow": lambda: draw_flow(single, replace(whole, part=near)),
        }
        for name, draw in drawings.items():
            (PICTURES / f"terrain_{name}.png").write_bytes(png_bytes(draw()))


if __name__ == "__main__":
    main()
