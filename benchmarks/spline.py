"""Profiles per second of the mass-preserving spline: fit and exact integrals over six layers, repeated profiles of real surveys.

The rows are the inputs that the tests hold against a peer in another language. That peer is not run here, and no ratio is claimed:
the figure is ours alone, on one thread, without reading files.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import pandas as pd
from common import SHARED, arguments, markdown, save, skip_without

from edaphic.profiles.spline import fit, integrate

BOUNDARIES = np.array([0.0, 5.0, 15.0, 30.0, 60.0, 100.0, 200.0])
SETS = ("edgeroi", "afsp")


def horizons(path: Path) -> tuple[pd.DataFrame, int]:
    """Rows in order, without missing values; profiles with overlapping rows are left out and counted."""
    table = pd.read_csv(path).dropna()
    table = table[(table["upper_cm"] >= 0) & (table["lower_cm"] > table["upper_cm"])].sort_values(["profile_id", "upper_cm"], kind="stable")
    above = table.groupby("profile_id")["lower_cm"].shift()
    overlapping = table.loc[table["upper_cm"] < above, "profile_id"].unique()
    return table[~table["profile_id"].isin(overlapping)], len(overlapping)


def main() -> None:
    """Repeat the profiles, time fit and integrals, write."""
    parser = arguments(__doc__)
    parser.add_argument("--root", type=Path, default=SHARED / "oracles" / "mpspline", help="folder of the inputs")
    parser.add_argument("--copies", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    skip_without(asked.root / f"{SETS[0]}_ORCDRC_input.csv", "spline inputs (--root)")
    rows = []
    for name in SETS:
        table, left_out = horizons(asked.root / f"{name}_ORCDRC_input.csv")
        codes = pd.factorize(table["profile_id"])[0]
        count = int(codes.max()) + 1
        profile = np.concatenate([codes + i * count for i in range(asked.copies)])
        top, bottom, value = (np.tile(table[column].to_numpy(), asked.copies) for column in ("upper_cm", "lower_cm", "value"))
        taken = []
        for _ in range(asked.rounds):
            begun = time.perf_counter()
            fitted = fit(profile, top, bottom, value, lam=0.1)
            integrate(fitted, BOUNDARIES[:-1], BOUNDARIES[1:])
            taken.append(time.perf_counter() - begun)
        middle = statistics.median(taken)
        total = count * asked.copies
        rows.append(
            {
                "set": name,
                "profiles": total,
                "horizons": len(profile),
                "left_out": left_out,
                "median_s": middle,
                "lowest_s": min(taken),
                "highest_s": max(taken),
                "profiles_per_s": round(total / middle),
            }
        )
    table = pd.DataFrame(rows)
    text = [
        f"## Spline: fit and integrals over {len(BOUNDARIES) - 1} layers, {asked.copies} copies, one thread",
        markdown(table),
        "Our own figure; no peer is run here. `left_out`: profiles of the input whose rows overlap.",
    ]
    save(asked.results, "spline", "\n\n".join(text), {"spline": table})


if __name__ == "__main__":
    main()
