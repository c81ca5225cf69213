"""How far a spline is from the truth within horizons, against how far it is from the thickness-weighted mean.

WISE profiles of four horizons or more, without gaps from the surface on. Adjoining horizons are joined by twos, as if the surveyor had
sampled coarsely. The spline of the joined horizons then says how much carbon lies above each boundary that was lost, and the
horizons as they were say how much it is. At constant bulk density; all in g/kg times cm.

The ratio of the error to the distance between spline and weighted mean is the constant `SPLINE_SHARE`, by which the error budget turns
that distance, which every profile has, into an error. `within`: share of the errors no larger than the distance times the
constant; 0.68 would be a standard deviation of normal errors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from common import SHARED, arguments, markdown, save, skip_without
from numpy.typing import NDArray

from edaphic.profiles.budget import SPLINE_SHARE
from edaphic.profiles.depth.spline import SplineFit, fit, integrate, step

Floats = NDArray[np.float64]

COLUMNS = {"SOURCEID": "profile_id", "UHDICM": "top_cm", "LHDICM": "bottom_cm", "ORCDRC": "soc_g_kg"}
LAM = 0.1
AT_ONCE = 200
"""Layers that are integrated together."""


def horizons(path: Path) -> pd.DataFrame:
    """Horizons of profiles without gaps from the surface, an even number of each, with the code of their profile."""
    table = pd.read_csv(path).rename(columns=COLUMNS)[list(COLUMNS.values())].dropna()
    table = table[(table["bottom_cm"] > table["top_cm"]) & (table["top_cm"] >= 0) & (table["soc_g_kg"] < 600)]
    table = table.sort_values(["profile_id", "top_cm"], kind="stable").reset_index(drop=True)
    grouped = table.groupby("profile_id")
    joined = (table["top_cm"] == grouped["bottom_cm"].shift().fillna(0.0)).groupby(table["profile_id"]).transform("all")
    count = grouped["top_cm"].transform("size")
    kept = table[joined & (count >= 4) & (grouped.cumcount() < count // 2 * 2)].reset_index(drop=True)
    return kept.assign(code=pd.factorize(kept["profile_id"])[0])


def above_boundaries(curve: SplineFit, code: NDArray[np.int64], top: Floats, boundary: Floats) -> Floats:
    """Integral of each profile's curve from the top of a joined horizon to the boundary lost in it."""
    layers, which = np.unique(np.column_stack([top, boundary]), axis=0, return_inverse=True)
    found = np.empty(len(top))
    for first in range(0, len(layers), AT_ONCE):
        part = layers[first : first + AT_ONCE]
        here = np.flatnonzero((which >= first) & (which < first + AT_ONCE))
        found[here] = integrate(curve, part[:, 0], part[:, 1])[0][code[here], which[here] - first]
    return found


def errors(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each lost boundary: where it and the joined horizon lie, the truth above it, what spline and weighted mean say."""
    upper, lower = table.iloc[::2].reset_index(drop=True), table.iloc[1::2].reset_index(drop=True)
    above = (upper["bottom_cm"] - upper["top_cm"]) * upper["soc_g_kg"]
    below = (lower["bottom_cm"] - lower["top_cm"]) * lower["soc_g_kg"]
    top, boundary, bottom = (column.to_numpy(dtype=np.float64) for column in (upper["top_cm"], upper["bottom_cm"], lower["bottom_cm"]))
    code, mean = upper["code"].to_numpy(dtype=np.int64), ((above + below) / (bottom - top)).to_numpy()
    spline = above_boundaries(fit(code, top, bottom, mean, LAM), code, top, boundary)
    weighted = above_boundaries(step(code, top, bottom, mean), code, top, boundary)
    return pd.DataFrame({"top_cm": top, "boundary_cm": boundary, "truth": above, "spline": spline, "weighted": weighted})


def row(name: str, table: pd.DataFrame) -> dict[str, object]:
    """Sizes and ratios over some of the boundaries."""
    error, distance = (table["spline"] - table["truth"]).abs(), (table["spline"] - table["weighted"]).abs()

    def rms(values: pd.Series) -> float:
        return float(np.sqrt((values**2).mean()))

    return {
        "boundaries": name, "number": len(table), "median_error": error.median(), "median_distance": distance.median(),
        "ratio_of_medians": error.median() / distance.median(), "rms_error": rms(error), "rms_distance": rms(distance),
        "ratio_of_rms": rms(error) / rms(distance), "within": float((error <= SPLINE_SHARE * distance).mean()),
        "rms_error_of_weighted_mean": rms(table["weighted"] - table["truth"]),
    }  # fmt: skip


def main() -> None:
    """Join, predict, compare, write."""
    parser = arguments(__doc__, root=SHARED)
    asked = parser.parse_args()
    path = asked.root / "data" / "wise_profiles" / "wise_layers.csv.gz"
    skip_without(path, "WISE profiles (--root)")
    table = horizons(path)
    found = errors(table)
    shallow, first = found["boundary_cm"] <= 30, found["top_cm"] == 0
    parts = {"to 30 cm": shallow, "below 30 cm": ~shallow, "in the first joined horizon": first, "in deeper ones": ~first}
    result = pd.DataFrame([row("all", found), *(row(name, found[part]) for name, part in parts.items())])
    text = [
        f"## Error of the spline within joined horizons, WISE, {table['code'].nunique():,} profiles",
        f"Content times depth, g/kg cm; the constant of the error budget is {SPLINE_SHARE}.",
        markdown(result),
    ]
    save(asked.results, "spline_error", "\n\n".join(text), {"spline_error": result})


if __name__ == "__main__":
    main()
