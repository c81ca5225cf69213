"""Figure of the page on sensors, drawn anew, with its numbers: python docs/figures_sensors.py [--shared FOLDER]

The folder holds data/landsat_timeseries_p013r030 (yatsm, MIT) and data/landsat_scenes/marburg_etm_oli_pair (satellite, MIT); it is the one
beside the project, or the one that the environment variable EDAPHIC_SHARED names. Only data that may be published are drawn.
"""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from edaphic.covariates import Source
from edaphic.covariates.sensors import How, Pairs, Screen, coefficients, fit, fit_bootstrap, lines_of, raster_pairs, series_pairs
from edaphic.report.sensor_figure import Panel, sensor_panels
from edaphic.report.style import png_bytes

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "pictures"
BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
TITLES = dict(zip(BANDS, ("blue", "green", "red", "NIR", "SWIR1", "SWIR2"), strict=True))
ETM_FILES = dict(zip(BANDS, (1, 2, 3, 4, 5, 7), strict=True))
OLI_FILES = dict(zip(BANDS, (2, 3, 4, 5, 6, 7), strict=True))
POSSIBLE = Screen(low=0.0001, high=1.0)
"""Surface reflectance: 0 and below is overcorrected, 16000 and -9999 are saturation and fill."""


def tm_etm(shared: Path) -> list[Pairs]:
    """Clear pixels of TM (Landsat 4 and 5) and ETM+, at most 8 days apart."""
    folder = shared / "data" / "landsat_timeseries_p013r030"
    stack = np.load(folder / "p013r030_r50_n423_b8.npz")["Y"]
    dates = pd.read_csv(folder / "dates.csv")
    clear = stack[7] == 0
    day, pixel = np.nonzero(clear)
    table = pd.DataFrame({"pixel": pixel, "date": dates["ordinal"].to_numpy()[day]})
    for k, band in enumerate(BANDS):
        table[band] = stack[k][clear] / 10000.0
    etm = (dates["sensor"] == "LE7").to_numpy()[day]
    return series_pairs(table[etm], table[~etm], BANDS, max_days=8, screen=POSSIBLE)


def etm_oli(shared: Path) -> list[Pairs]:
    """Reflectance at the top of the atmosphere of one place near Marburg, July 2001 and July 2013."""
    folder = shared / "data" / "landsat_scenes" / "marburg_etm_oli_pair"
    sources = {}
    for band in BANDS:
        pair = []
        for start, number in (("LC08", OLI_FILES[band]), ("LE07", ETM_FILES[band])):
            meta = next(folder.glob(f"{start}*_MTL.txt")).read_text()
            mult, add, sun = (
                float(re.search(rf"\b{key} = (\S+)", meta)[1])  # type: ignore[index]
                for key in (f"REFLECTANCE_MULT_BAND_{number}", f"REFLECTANCE_ADD_BAND_{number}", "SUN_ELEVATION")
            )
            high = math.sin(math.radians(sun))
            path = next(folder.glob(f"{start}*_B{number}.TIF"))
            pair.append(Source(f"{start} {band}", path, scale=mult / high, offset=add / high))
        sources[band] = (pair[0], pair[1])
    pairs, notes = raster_pairs(sources)
    print(*notes, sep="\n")
    return pairs


def panels(pairs: Sequence[Pairs], sensors: tuple[str, str], years: str) -> list[Panel]:
    """Fit, print, and make the panels of one pair of sensors."""
    lines = lines_of(pairs, samples=1000, seed=0)
    table = coefficients(lines, pairs, from_sensor=sensors[0], to_sensor=sensors[1])
    shown = [
        "band",
        "slope",
        "slope_low",
        "slope_high",
        "intercept",
        "intercept_low",
        "intercept_high",
        "correlation",
        "count",
        "groups",
        "dropped",
    ]
    print(f"\n{sensors[0]} to {sensors[1]}, {years}")
    print(table[shown].round(4).to_string(index=False))
    for one in pairs:
        alone = fit_bootstrap(one.x, one.y, samples=200)
        clipped, ols = fit(one.x, one.y, How(clip=3.5)), fit(one.x, one.y, How("ols"))
        line = lines[one.band]
        wider = (line.slope_high - line.slope_low) / (alone.slope_high - alone.slope_low)
        print(
            f"{one.band}: least squares {ols.slope:.3f}, clipped at 3.5 {clipped.slope:.3f} (r {clipped.correlation:.3f}, left out "
            f"{clipped.dropped:,}); limits by group {wider:.1f} times as wide as by pair; mean difference {np.mean(one.y - one.x):+.4f}"
        )
    return [
        Panel(TITLES[one.band], one.x, one.y, line.slope, line.intercept, line.correlation, sensors[0], sensors[1])
        for one, line in zip(pairs, lines.values(), strict=True)
    ]


def main() -> None:
    """Read, fit, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("EDAPHIC_SHARED") or HERE.parents[1] / "shared"))
    asked = parser.parse_args()
    if not (asked.shared / "data" / "landsat_timeseries_p013r030").is_dir():
        parser.error(f"--shared {asked.shared}: found no data/landsat_timeseries_p013r030; expected the folder that holds it")
    drawn = panels(tm_etm(asked.shared), ("TM", "ETM+"), "Massachusetts, 1999 to 2011")
    drawn += panels(etm_oli(asked.shared), ("ETM+ 2001", "OLI 2013"), "Marburg")
    (PICTURES / "sensors.png").write_bytes(png_bytes(sensor_panels(drawn)))


if __name__ == "__main__":
    main()
