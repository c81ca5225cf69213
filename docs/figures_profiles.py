"""Figures of the page on profiles, drawn anew: python docs/figures_profiles.py [--shared FOLDER]

The folder holds data/wise_profiles (ISRIC-WISE, Batjes 2009, CC BY-SA 4.0); it is the one beside the project, or the one that the
environment variable EDAPHIC_SHARED names. Only data that may be published are drawn.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edaphic import profiles
from edaphic.profiles import Column, Tidying
from edaphic.profiles.budget import PARTS
from edaphic.profiles.depth import beta
from edaphic.profiles.depth.spline import evaluate, fit, integrate
from edaphic.profiles.depth.spline_paper import harmonise_paper
from edaphic.report.style import BLACK, BLUE, DPI, GREEN, GREY, ORANGE, PALE, SKY, VERMILION, png_bytes, styled

Floats = NDArray[np.float64]

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "pictures"
LAYERS = ((0.0, 30.0), (30.0, 100.0), (0.0, 100.0))
LAM = 0.1
SPLINED = {
    "CD0067": "plain",
    "US0258": "curve held at zero",
    "GH0072": "gap at 36-55 cm",
    "ID0076": "thin upper horizon",
}
BY_BETA = {"CD0067": "even decline", "ID0076": "carbon in a thin topsoil", "BE0001": "steep decline", "BI0032": "carbon to depth"}
DEPTHS = np.array([20.0, 40.0, 60.0, 80.0, 100.0])
PART_NAMES = dict(
    zip(PARTS, ("carbon, one analysis", "laboratory method", "bulk density", "coarse fragments", "spline", "unobserved part"), strict=True)
)
PART_COLOURS = dict(zip(PARTS, (SKY, ORANGE, BLUE, VERMILION, GREEN, GREY), strict=True))
PART_HATCHES = dict(zip(PARTS, ("", "//", "", "..", "", "xx"), strict=True))


def wise(shared: Path) -> pd.DataFrame:
    """Clean WISE horizons with bulk density and fragments filled."""
    path = shared / "data" / "wise_profiles" / "wise_layers.csv.gz"
    raw = profiles.read_source(path, {"bulk_density": Column("BLD", unit="kg/m3", basis="fine_earth")}, places=False)
    horizons = profiles.tidy([raw], Tidying(merge=False), places=False).horizons
    return profiles.fill(horizons)[0]


def canvas(rows: int, columns: int, width_in: float, height_in: float) -> tuple[Figure, list[Axes]]:
    """A figure of panels, row by row."""
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.ravel())


@styled
def draw_splines(horizons: pd.DataFrame) -> Figure:
    """Horizons, the exact spline, and the points of paper mode."""
    figure, axes = canvas(2, 2, 7.4, 7.6)
    for axis, (name, title) in zip(axes, SPLINED.items(), strict=True):
        one = horizons[horizons["profile_id"] == name]
        top, bottom, soc = (one[column].to_numpy(dtype=np.float64) for column in ("top_cm", "bottom_cm", "soc_g_kg"))
        paper = harmonise_paper(one["profile_id"], top, bottom, soc, [(0.0, 120.0)], LAM, points=True)
        curve = fit(np.zeros(len(one), dtype=np.int64), top, bottom, soc, LAM)
        depth = np.linspace(0.0, bottom.max() - 1e-6, 2000)
        for i in range(len(one)):
            axis.fill_betweenx([top[i], bottom[i]], 0.0, soc[i], color=PALE, linewidth=0, label="horizons" if i == 0 else None)
            axis.plot([soc[i], soc[i]], [top[i], bottom[i]], color=GREY, linewidth=1.2)
        assert paper.points is not None
        points = paper.points[0]
        centimetres = np.arange(points.size)
        axis.plot(points, centimetres, ".", color=VERMILION, markersize=3.4, label="paper mode, every cm")
        axis.plot(evaluate(curve, depth)[0], depth, color=BLUE, linewidth=1.7, label="exact")
        axis.set_ylim(min(120.0, bottom.max()), 0.0)
        axis.set_xlim(left=0.0)
        axis.grid(axis="x")
        axis.set_title(f"{name}: {title}")
        axis.set_xlabel("organic carbon (g/kg)")
        axis.set_ylabel("depth (cm)")
    axes[0].legend(loc="lower right")
    return figure


@styled
def draw_modes(horizons: pd.DataFrame) -> Figure:
    """How far paper mode lies from exact mode, by layer: cumulative distribution over the profiles."""
    code = pd.factorize(horizons["profile_id"])[0].astype(np.int64)
    top, bottom, soc = (horizons[column].to_numpy(dtype=np.float64) for column in ("top_cm", "bottom_cm", "soc_g_kg"))
    tops, bottoms = (np.array(edge) for edge in zip(*LAYERS, strict=True))
    integral, covered = integrate(fit(code, top, bottom, soc, LAM), tops, bottoms, np.inf)
    paper = harmonise_paper(horizons["profile_id"], top, bottom, soc, LAYERS, LAM)
    figure, (axis,) = canvas(1, 1, 6.2, 3.9)
    for k, (colour, style) in enumerate(((ORANGE, "-"), (BLUE, "--"), (BLACK, "-."))):
        thickness = bottoms[k] - tops[k]
        whole = (covered[:, k] == thickness) & (paper.status == "ok") & (integral[:, k] > 0)
        apart = np.sort(100.0 * (paper.means[whole, k] * thickness / integral[whole, k] - 1.0))
        share = 100.0 * np.arange(1, apart.size + 1) / apart.size
        label = f"{tops[k]:.0f}-{bottoms[k]:.0f} cm ({apart.size:,} profiles)"
        axis.plot(apart, share, color=colour, linestyle=style, linewidth=1.8, label=label)
        print(f"modes {label}: {np.quantile(apart, (0.05, 0.5, 0.95)).round(2)} % (5, 50, 95 %); above 0: {100 * (apart > 0).mean():.0f} %")
    axis.axvline(0.0, color=GREY, linewidth=1.0)
    axis.set_xlim(-4.0, 12.0)
    axis.set_ylim(0.0, 100.0)
    axis.grid()
    axis.set_xlabel("paper mode less exact mode (% of exact)")
    axis.set_ylabel("share of the profiles (%)")
    axis.legend(loc="lower right")
    return figure


@styled
def draw_beta(horizons: pd.DataFrame) -> Figure:
    """Cumulative stocks and the curves of three ways to fit beta."""
    layers, _ = profiles.layer_table(horizons[horizons["profile_id"].isin(list(BY_BETA))], [(d - 20.0, d) for d in DEPTHS])
    figure, axes = canvas(2, 2, 7.4, 7.2)
    depth = np.linspace(0.0, 100.0, 201)
    for axis, (name, title) in zip(axes, BY_BETA.items(), strict=True):
        stock = np.cumsum(layers.loc[layers["profile_id"] == name, "soc_stock_kg_m2"].to_numpy())
        axis.plot(np.append(0.0, stock), np.append(0.0, DEPTHS), "o", color=BLACK, markersize=6, label="observed, by spline")
        lines = (("ratio", BLUE, "-"), ("truncated", ORANGE, "--"), ("log_linear", VERMILION, "-."))
        for method, colour, style in lines:
            value = float(beta.fit(DEPTHS, stock[None, :], method=method).beta[0])  # type: ignore[arg-type]
            # Drawn as it is used: from the stock that is known above 20 cm.
            curve = stock[0] * np.expm1(depth * np.log(value)) / np.expm1(20.0 * np.log(value))
            axis.plot(curve, depth, color=colour, linestyle=style, linewidth=1.8, label=f"{method}, $\\beta$ = {value:.3f}")
            print(f"beta {name} {method}: {value:.4f}, 20-100 cm {curve[-1] - stock[0]:.2f} of {stock[-1] - stock[0]:.2f} kg/m2")
        axis.set_ylim(103.0, 0.0)
        axis.set_xlim(left=0.0)
        axis.grid()
        axis.set_title(f"{name}: {title}")
        axis.set_xlabel("stock from the surface (kg/m²)")
        axis.set_ylabel("depth (cm)")
        axis.legend(loc="upper right" if stock[0] < 0.2 * stock[-1] else "lower left", fontsize=8.6, frameon=True)
    return figure


@styled
def draw_budget(horizons: pd.DataFrame) -> Figure:
    """Mean shares of the parts in the variance of a stock, by layer, with and without measured bulk density and fragments."""
    layers, _ = profiles.layer_table(horizons, [(0.0, 30.0), (30.0, 60.0), (60.0, 100.0)], profiles.DepthFunction(min_coverage=0.5))
    columns = [f"sd_{part}_kg_m2" for part in PARTS]
    both = (horizons["bulk_density_source"] == "measured") & (horizons["coarse_fragments_source"] == "measured")
    measured = layers["profile_id"].map(both.groupby(horizons["profile_id"]).all())
    figure, axes = canvas(2, 1, 7.0, 6.2)
    panels = (("bulk density and fragments measured", measured), ("all profiles", pd.Series(True, index=layers.index)))
    for axis, (title, chosen) in zip(axes, panels, strict=True):
        found = layers[chosen & layers["soc_stock_kg_m2"].gt(0)]
        labels = []
        for place, ((top, bottom), rows) in enumerate(found.groupby(["top_cm", "bottom_cm"])):
            variance = rows[columns] ** 2
            shares = 100.0 * variance.div(variance.sum(axis=1), axis=0).mean().to_numpy()
            spread = 100.0 * float((rows["value_sd"] / rows["soc_stock_kg_m2"]).median())
            labels.append(f"{top:.0f}-{bottom:.0f} cm\n{len(rows):,} stocks\nsd {spread:.0f} %")
            print(f"budget {title} {labels[-1]!r}: {dict(zip(PARTS, shares.round(1).tolist(), strict=True))}")
            left = 0.0
            for part, share in zip(PARTS, shares, strict=True):
                style = {"color": PART_COLOURS[part], "hatch": PART_HATCHES[part], "edgecolor": "white", "linewidth": 0.6}
                axis.barh(place, share, left=left, height=0.68, label=PART_NAMES[part] if place == 0 else None, **style)
                if share >= 6.0:
                    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.9}
                    axis.text(left + share / 2, place, f"{share:.0f}", ha="center", va="center", fontsize=9, bbox=box)
                left += share
        axis.set_yticks(range(len(labels)), labels)
        axis.invert_yaxis()
        axis.set_xlim(0.0, 100.0)
        axis.set_title(title)
    axes[-1].set_xlabel("share of the variance of a stock, mean over profiles (%)")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure


def print_orders(horizons: pd.DataFrame) -> None:
    """Stock by content first less stock by density, in % of the latter: the table of the page."""
    density, _ = profiles.layer_table(horizons, LAYERS)
    content, _ = profiles.layer_table(horizons, LAYERS, profiles.DepthFunction(order="content"))
    by_profile = horizons.groupby("profile_id")
    stones = by_profile["coarse_fragments_vol_pct"]
    groups = {
        "all": by_profile.size() > 0,
        "density measured throughout": (horizons["bulk_density_source"] == "measured").groupby(horizons["profile_id"]).all(),
        "with an organic horizon": by_profile["soc_g_kg"].max() > 80.0,
        "stones differ": stones.max() - stones.min() >= 20.0,
    }
    ours, theirs = density["soc_stock_kg_m2"], content["soc_stock_kg_m2"]
    for name, chosen in groups.items():
        for top, bottom in LAYERS:
            rows = density["top_cm"].eq(top) & density["bottom_cm"].eq(bottom) & density["status"].eq("ok") & ours.gt(0)
            rows &= density["profile_id"].map(chosen)
            apart = 100.0 * (theirs[rows] / ours[rows] - 1.0)
            low, middle, high = apart.quantile([0.05, 0.5, 0.95]).round(1)
            total = 100.0 * (theirs[rows].sum() / ours[rows].sum() - 1.0)
            told = f"mean {apart.mean():.1f}, median {middle}, 5 to 95 % {low} to {high}, sum of stocks {total:.1f} %"
            print(f"order {name} {top:.0f}-{bottom:.0f} cm ({len(apart):,}): {told}")


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("EDAPHIC_SHARED") or HERE.parents[1] / "shared"))
    asked = parser.parse_args()
    if not (asked.shared / "data" / "wise_profiles").is_dir():
        parser.error(f"--shared {asked.shared}: found no data/wise_profiles; expected the folder that holds it")
    horizons = wise(asked.shared)
    print_orders(horizons)
    drawings = {"splines": draw_splines, "beta": draw_beta, "modes": draw_modes, "errors": draw_budget}
    for name, draw in drawings.items():
        (PICTURES / f"profiles_{name}.png").write_bytes(png_bytes(draw(horizons)))


if __name__ == "__main__":
    main()
