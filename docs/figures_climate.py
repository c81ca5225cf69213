"""Figures of the page on climate, drawn anew: python docs/figures_climate.py [--shared FOLDER]

The folder holds data/croatia_climate_2006 (daily temperature of 2006 at Croatian stations and a DEM of 1 km, Hengl and others 2012,
CC BY-SA 4.0); it is the one beside the project, or the one that the environment variable EDAPHIC_SHARED names. Only data that may be
published are drawn.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray
from odc.geo.crs import CRS

from edaphic.covariates import Layer, Source, cells_of, grid_like, open_layer
from edaphic.covariates.climate import How, Model, Period, Stations, Words, blocks, evidence, fit_climate, read_stations
from edaphic.covariates.window import Window, transformer
from edaphic.report.style import BLACK, BLUE, DIFFERENCES, DPI, GREEN, GREY, INK, ORANGE, VALUES, VERMILION, WIDTHS, png_bytes, styled

Floats = NDArray[np.float64]

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "pictures"
MONTH_NAMES = "JFMAMJJASOND"
JULY = 6
WGS84 = CRS("EPSG:4326")


def croatia(shared: Path) -> tuple[Stations, Layer]:
    """Stations with monthly means of 2006, their elevation from the DEM; and the DEM."""
    folder = shared / "data" / "croatia_climate_2006"
    dem = open_layer(Source("elevation", folder / "HRdem.tif"), grid_like(folder / "HRdem.tif"))
    have = read_stations(folder / "daily_temperature_2006.csv.gz", ["MDTEMP"], Words(crs="EPSG:32633"), Period(), folder / "stations.csv")
    metres = dem.read_cells(*cells_of(dem.grid, have.lon, have.lat)).astype(np.float64)
    return replace(have, elevation_m=metres), dem


def surfaces(model: Model, dem: Layer, errors: bool = False) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Every field on the whole grid."""
    out = {name: np.full(dem.grid.shape, np.nan) for name in model.names}
    wide = {name: np.full(dem.grid.shape, np.nan) for name in model.names}
    for block in blocks(model, dem, errors=errors):
        for name in model.names:
            out[name][block.window.slices] = block.values[name]
            if errors:
                wide[name][block.window.slices] = block.errors[name]
    return out, wide


def only(stations: Stations, k: int) -> Stations:
    """One field."""
    return replace(
        stations,
        names=stations.names[k : k + 1],
        variables=stations.variables[k : k + 1],
        values=stations.values[:, k : k + 1],
        years=stations.years[:, k : k + 1],
    )


def on_grid(stations: Stations, dem: Layer) -> tuple[Floats, Floats]:
    """Stations in km of the grid's CRS."""
    x, y = transformer(WGS84, dem.grid.crs).transform(stations.lon, stations.lat)
    return np.asarray(x) / 1000, np.asarray(y) / 1000


def picture(axis: Axes, dem: Layer, values: Floats, colours: object, norm: Normalize) -> object:
    """A raster with axes in km."""
    box = dem.grid.extent.boundingbox
    extent = tuple(side / 1000 for side in (box.left, box.right, box.bottom, box.top))
    shown = axis.imshow(values, extent=extent, cmap=colours, norm=norm, interpolation="nearest")
    axis.set_xlabel("easting (km)")
    return shown


@styled
def draw_maps(stations: Stations, dem: Layer) -> Figure:
    """July without elevation, with elevation, and the elevation itself."""
    july = only(stations, JULY)
    figure = Figure(figsize=(10.4, 4.0), dpi=DPI, layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    norm = Normalize(14, 28)
    x, y = on_grid(stations, dem)
    values = july.values[:, 0]
    for axis, elevation, title in zip(axes, ("none", "linear"), ("without elevation", "elevation as linear part"), strict=False):
        model = fit_climate(july, How(elevation=elevation))
        shown = picture(axis, dem, surfaces(model, dem)[0][july.names[0]], VALUES, norm)
        axis.scatter(x, y, c=values, cmap=VALUES, norm=norm, s=17, edgecolors="white", linewidths=0.6)
        table, _ = evidence(model)
        row = table.iloc[0]
        withheld = f"{row.random_spline_rmse:.2f} by chance, {row.block_spline_rmse:.2f} in blocks"
        print(f"July, {elevation}: df {row.df:.1f} of {row.n}, left out {row.loo_rmse:.2f}, withheld {withheld}")
        axis.set_title(f"{title}\nwithheld stations: RMSE {row.random_spline_rmse:.2f} °C", fontsize=10)
    figure.colorbar(shown, ax=axes[:2], label="July 2006 (°C)", shrink=0.82)
    metres = dem.read(_whole(dem)).astype(np.float64)
    relief = picture(axes[2], dem, metres, "gist_earth", Normalize(-900, 2600))
    axes[2].scatter(x, y, c=BLACK, s=5)
    axes[2].set_title("elevation and stations\n", fontsize=10)
    figure.colorbar(relief, ax=axes[2], label="m", shrink=0.82, boundaries=np.linspace(0, 1800, 181), ticks=range(0, 1801, 300))
    axes[0].set_ylabel("northing (km)")
    return figure


@styled
def draw_errors(stations: Stations, dem: Layer) -> Figure:
    """Standard error and leave-one-out errors of July; withheld errors of every month beside those of plain methods."""
    model = fit_climate(stations, How(), keep=True)
    table, points = evidence(model)
    name = model.names[JULY]
    july = fit_climate(only(stations, JULY), How(), keep=True)
    _, wide = surfaces(july, dem, errors=True)
    one = points[points["field"] == name]
    x, y = on_grid(stations, dem)
    place = {station: k for k, station in enumerate(stations.ids)}
    which = [place[station] for station in one["station_id"]]
    figure = Figure(figsize=(10.4, 4.1), dpi=DPI, layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.05))
    most = float(np.nanquantile(wide[name], 0.995))
    shown = picture(axes[0], dem, wide[name], WIDTHS, Normalize(0, most))
    axes[0].plot(x, y, ".", color="white", markersize=3)
    axes[0].set_title("standard error, July")
    axes[0].set_ylabel("northing (km)")
    figure.colorbar(shown, ax=axes[0], label="°C", orientation="horizontal", shrink=0.85)
    errors = (one["left_out"] - one["observed"]).to_numpy()
    picture(axes[1], dem, np.where(np.isfinite(wide[name]), 0.0, np.nan), "Greys", Normalize(-1, 6))
    spots = axes[1].scatter(
        x[which],
        y[which],
        c=errors,
        cmap=DIFFERENCES,
        norm=TwoSlopeNorm(0, -2.5, 2.5),
        s=14 + 22 * np.abs(errors),
        edgecolors=INK,
        linewidths=0.4,
    )
    axes[1].set_title("July, left out less observed")
    axes[1].set_yticklabels([])
    figure.colorbar(spots, ax=axes[1], label="°C", orientation="horizontal", shrink=0.85)
    month = np.arange(12)
    lines = (
        ("random_nearest_rmse", GREY, ":", "nearest station"),
        ("random_regression_rmse", ORANGE, "--", "line on elevation"),
        ("block_spline_rmse", VERMILION, "-.", "spline, blocks withheld"),
        ("random_spline_rmse", BLUE, "-", "spline, by chance"),
        ("loo_rmse", GREEN, "-", "spline, leave-one-out"),
    )
    for column, colour, style, label in lines:
        axes[2].plot(month, table[column], color=colour, linestyle=style, label=label, linewidth=1.7)
    axes[2].set_xticks(month, MONTH_NAMES)
    axes[2].set_ylim(0, 5.6)
    axes[2].grid(axis="y")
    axes[2].set_ylabel("RMSE (°C)")
    axes[2].set_title("withheld stations, by month")
    axes[2].legend(loc="upper right", ncols=1)
    columns = [
        "field",
        "n",
        "df",
        "loo_rmse",
        "random_spline_rmse",
        "block_spline_rmse",
        "random_nearest_rmse",
        "random_regression_rmse",
        "lapse_per_km",
    ]
    print(table[columns].round(2).to_string(index=False))
    return figure


def _whole(dem: Layer) -> Window:
    return Window(0, 0, *dem.grid.shape)


def main() -> None:
    """Draw both figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("EDAPHIC_SHARED", HERE.parents[1] / "shared")))
    stations, dem = croatia(parser.parse_args().shared)
    for name, draw in (("climate_maps", draw_maps), ("climate_errors", draw_errors)):
        (PICTURES / f"{name}.png").write_bytes(png_bytes(draw(stations, dem)))


if __name__ == "__main__":
    main()
