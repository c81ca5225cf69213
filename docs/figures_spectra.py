"""Figures of the page on spectra, drawn anew: python docs/figures_spectra.py [--shared FOLDER]

The folder holds data/landsat_scenes (cut-outs of Landsat images, which are in the public domain; those of Brumadinho come with CC0) and
data/landsat_timeseries_p013r030 (MIT). It is the one beside the project, or the one that the environment variable EDAPHIC_SHARED names.
Every raster is made by the command itself.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edaphic.covariates.spectra.indices import INDICES
from edaphic.covariates.spectra.quality import flagged
from edaphic.covariates.spectra.reflectance import Scaling, scaled
from edaphic.covariates.spectra.scaling import Told
from edaphic.covariates.spectra.scenes import Words, read_bands
from edaphic.covariates.spectra.statistics import read_statistic, reduced
from edaphic.report.style import BLUE, DPI, GREEN, GREY, ORANGE, png_bytes, styled
from edaphic.verbs import indices as verbs

Floats = NDArray[np.float64]

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "pictures"
PENNSYLVANIA = "blue={0}1.tif,green={0}2.tif,red={0}3.tif,nir={0}4.tif,swir1={0}5.tif,swir2={0}7.tif"
EVEREST = "red=LE71400412000304SGS00_RGB.tif:1,green=LE71400412000304SGS00_RGB.tif:2,nir=LE71400412000304SGS00_B4.tif"
STEP = 0.1
COLOURS = "RdYlGn"


def make(scene: Path, out: Path, names: str, words: Words | None = None, like: Path | None = None) -> dict[str, Floats]:
    """Indices of a scene by the verb of the command line, read back."""
    wanted = verbs.Wanted(tuple(names.split(",")))
    for line in verbs.indices(scene, out, words=words or Words(), wanted=wanted, like=like, say=lambda text, done, total: None):
        if line.startswith(("scene", "note")):
            print(" ", line)
    return {name: read(out / f"{name}.tif") for name in wanted.names}


def read(path: Path) -> Floats:
    """Values of a raster, NaN where there is none."""
    with rasterio.open(path) as file:
        values: Floats = file.read(1).astype(np.float64)
    return values


def panel(axis: Axes, values: Floats, title: str, limits: tuple[float, float], colours: str = COLOURS) -> None:
    """A map with its own bar of colours, in steps."""
    low, high = limits
    edges = np.linspace(low, high, round((high - low) / STEP) + 1)
    norm = BoundaryNorm(edges, 256, extend="both")
    image = axis.imshow(values, cmap=colours, norm=norm, interpolation="nearest")
    axis.set_title(title, fontsize=10.0)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_facecolor(GREY)
    assert axis.figure is not None
    bar = axis.figure.colorbar(image, ax=axis, shrink=0.85, pad=0.02)
    bar.set_ticks([round(float(edge), 1) for edge in edges[:: max(1, len(edges) // 5)]])
    bar.ax.tick_params(labelsize=8.5)


@styled
def draw_dam(shared: Path, work: Path) -> Figure:
    """Brumadinho before and after the dam broke: NDVI, BSI and MNDWI, and the change of BSI."""
    folder = shared / "data" / "landsat_scenes" / "brumadinho_oli_2019"
    like = next((folder / "20190130").glob("*_SR_B4.TIF"))
    print("Brumadinho")
    before = make(folder / "20190114", work / "before", "ndvi,bsi,mndwi", like=like)
    after = make(folder / "20190130", work / "after", "ndvi,bsi,mndwi")
    change = after["bsi"] - before["bsi"]
    mud = (before["ndvi"] > 0.6) & (after["ndvi"] < 0.25)
    water = before["mndwi"] > 0.0
    print(f"  mud: {mud.sum() * 0.0009:.1f} km2, BSI {np.nanmedian(before['bsi'][mud]):.2f} to {np.nanmedian(after['bsi'][mud]):.2f}")
    print(f"  water: {water.sum()} cells, NDVI {np.nanmedian(before['ndvi'][water]):.2f}, MNDWI {np.nanmedian(before['mndwi'][water]):.2f}")
    figure = Figure(figsize=(7.2, 7.3), dpi=DPI, layout="constrained")
    axes = figure.subplots(3, 2).ravel()
    panel(axes[0], before["ndvi"], "NDVI, 14 January 2019", (-0.2, 0.9))
    panel(axes[1], after["ndvi"], "NDVI, 30 January 2019", (-0.2, 0.9))
    panel(axes[2], before["bsi"], "BSI, 14 January", (-0.5, 0.5), "BrBG_r")
    panel(axes[3], after["bsi"], "BSI, 30 January", (-0.5, 0.5), "BrBG_r")
    panel(axes[4], before["mndwi"], "MNDWI, 14 January", (-0.6, 0.6), "RdBu")
    panel(axes[5], change, "BSI, 30 less 14 January", (-0.5, 0.5), "PuOr_r")
    return figure


@styled
def draw_places(shared: Path, work: Path) -> Figure:
    """8-bit scenes by digital numbers: coast, fields in summer and late autumn, snow."""
    folder = shared / "data" / "landsat_scenes"
    print("Olinda")
    olinda = make(folder / "olinda_etm" / "L7_ETMs.tif", work / "olinda", "ndvi,mndwi,bsi", Words(sensor="etm"))
    fields = {}
    for month in ("july", "nov"):
        print(f"Pennsylvania, {month}")
        words = Words(read_bands(PENNSYLVANIA.format(month)), "etm")
        fields[month] = make(folder / "pennsylvania_etm_2002", work / month, "ndvi,bsi", words)
    print("Everest")
    everest = make(folder / "everest_etm_2000", work / "everest", "ndvi,ndwi", Words(read_bands(EVEREST)))
    print(f"  values left: {100 * np.isfinite(everest['ndvi']).mean():.0f} %")
    figure = Figure(figsize=(6.6, 8.2), dpi=DPI, layout="constrained")
    axes = figure.subplots(3, 2).ravel()
    panel(axes[0], olinda["ndvi"], "Olinda: NDVI", (-0.6, 0.6))
    panel(axes[1], olinda["mndwi"], "Olinda: MNDWI", (-1.0, 1.0), "RdBu")
    panel(axes[2], fields["july"]["ndvi"], "Pennsylvania, July: NDVI", (-0.2, 0.7))
    panel(axes[3], fields["nov"]["ndvi"], "Pennsylvania, November: NDVI", (-0.2, 0.7))
    panel(axes[4], everest["ndvi"], "Everest: NDVI", (-0.6, 0.6))
    panel(axes[5], everest["ndwi"], "Everest: NDWI", (-0.6, 0.6), "RdBu")
    return figure


@styled
def draw_pair(shared: Path, work: Path) -> Figure:
    """Top-of-atmosphere NDVI of two sensors over the same fields, from digital numbers and metadata."""
    folder = shared / "data" / "landsat_scenes" / "marburg_etm_oli_pair"
    print("Marburg")
    found = {}
    for title, name, numbers in (
        ("ETM+, July 2001", "LE07_L1TP_195025_20010730_20170204_01_T1", False),
        ("OLI, July 2013", "LC08_L1TP_195025_20130707_20170503_01_T1", False),
        ("ETM+, raw numbers", "LE07_L1TP_195025_20010730_20170204_01_T1", True),
    ):
        words = Words(told=Told(level="dn")) if numbers else None
        found[title] = make(folder / name, work / f"{name[:4]}{numbers}", "ndvi", words)["ndvi"]
        print(f"  {title}: median NDVI {np.nanmedian(found[title]):.3f}")
    figure = Figure(figsize=(7.6, 2.3), dpi=DPI, layout="constrained")
    for axis, (title, values) in zip(figure.subplots(1, 3), found.items(), strict=True):
        panel(axis, values, title, (-0.2, 0.8))
    return figure


@styled
def draw_series(shared: Path, work: Path) -> Figure:
    """Medians of NDVI by month of the year, over 31 years of a row of forest, and how many observations they have."""
    folder = shared / "data" / "landsat_timeseries_p013r030"
    series = np.load(folder / "p013r030_r50_n423_b8.npz")
    layers, days = series["Y"], [date.fromordinal(int(day)) for day in series["dates"]]
    scaling = Scaling(1e-4, 0.0, 0.0, 10000.0, -9999.0, "surface reflectance")
    red, nir = (scaled(layers[k], scaling)[0] for k in (2, 3))
    spoilt = flagged(layers[7], "fmask", ("fill", "cloud", "cloud_shadow", "snow"))
    ndvi = np.where(spoilt, np.float32(np.nan), INDICES["ndvi"]({"red": red, "nir": nir})).reshape(len(days), 1, -1)
    months = np.array([day.month for day in days])
    quartiles = {
        name: np.array([np.nanmedian(reduced(ndvi[months == month], read_statistic(name))) for month in range(1, 13)])
        for name in ("p25", "median", "p75")
    }
    counts = np.array([np.isfinite(ndvi[months == month]).sum(axis=0).mean() for month in range(1, 13)])
    without = np.array(
        [np.nanmedian(INDICES["ndvi"]({"red": red[months == month], "nir": nir[months == month]})) for month in range(1, 13)]
    )
    print(
        "Series:",
        {name: values.round(2).tolist() for name, values in quartiles.items()},
        counts.round(0).tolist(),
        without.round(2).tolist(),
    )
    figure = Figure(figsize=(7.4, 4.6), dpi=DPI, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    place = np.arange(1, 13)
    above.fill_between(place, quartiles["p25"], quartiles["p75"], color=GREEN, alpha=0.25, linewidth=0, label="quartiles of clear days")
    above.plot(place, quartiles["median"], "o-", color=GREEN, label="median of clear days")
    above.plot(place, without, "s--", color=ORANGE, label="median of all days, cloud and snow among them")
    above.set_ylabel("NDVI")
    above.set_ylim(0.05, 0.95)
    above.grid(axis="y")
    above.legend(loc="lower center")
    below.bar(place, counts, color=BLUE, width=0.7)
    below.set_ylabel("clear days")
    below.set_xlabel("month, 1984 to 2014")
    below.set_xticks(place)
    return figure


def main() -> None:
    """Make, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("EDAPHIC_SHARED") or HERE.parents[1] / "shared"))
    asked = parser.parse_args()
    if not (asked.shared / "data" / "landsat_scenes").is_dir():
        parser.error(f"--shared {asked.shared}: found no data/landsat_scenes; expected the folder that holds it")
    drawings = {"dam": draw_dam, "places": draw_places, "pair": draw_pair, "series": draw_series}
    with tempfile.TemporaryDirectory() as folder:
        for name, draw in drawings.items():
            (PICTURES / f"spectra_{name}.png").write_bytes(png_bytes(draw(asked.shared, Path(folder))))


if __name__ == "__main__":
    main()
