"""Bulk density estimated for profiles held out: pedotransfer rules and gradient boosting of two libraries on the same horizons.

WISE (the world without South America) and AfSP (Africa north of 10 degrees south): all horizons with a measured bulk density of 0.02 to
2.65 g/cm3 and up to 600 g/kg of organic carbon. The rules were made elsewhere; the trees are scored on profiles that they did not see,
five folds. Where a rule needs texture it is scored on the horizons that have it, beside the trees on these. XGBoost is left out, with a
word, where it is not installed.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
from common import SHARED, arguments, markdown, save, skip_without

from edaphic.profiles.density.gap_filling import ENGINES, FOLDS, GapFiller, engine_faults, train
from edaphic.profiles.density.rule_choice import best_rules

WISE = Path("wise_profiles") / "wise_layers.csv.gz"
AFSP = Path("africa_north") / "afsp_horizons.csv.gz"
# Bulk density is in kg/m3 in the one and in t/m3 in the other.
SETS = {"wise": (WISE, 1000.0), "afsp": (AFSP, 1.0)}
COLUMNS = {
    "SOURCEID": "profile_id", "UHDICM": "top_cm", "LHDICM": "bottom_cm", "ORCDRC": "soc_g_kg", "CLYPPT": "clay_pct", "SLTPPT": "silt_pct",
    "SNDPPT": "sand_pct", "PHIHOX": "ph_h2o", "CRFVOL": "coarse_fragments_vol_pct", "BLD": "bulk_density_g_cm3",
}  # fmt: skip


def horizons(path: Path, divisor: float) -> pd.DataFrame:
    """Horizons with carbon and a measured bulk density that is possible."""
    table = pd.read_csv(path).rename(columns=COLUMNS)[list(COLUMNS.values())]
    table["bulk_density_g_cm3"] /= divisor
    usable = table["bulk_density_g_cm3"].between(0.02, 2.65) & table["soc_g_kg"].between(0.0, 600.0)
    return table[usable & (table["bottom_cm"] > table["top_cm"])].reset_index(drop=True)


def tables(name: str, table: pd.DataFrame, engines: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of the engines, and of each rule beside the first engine on the same horizons."""
    measured = table["bulk_density_g_cm3"].to_numpy()
    fragments = table["coarse_fragments_vol_pct"].to_numpy(dtype=np.float64)
    rows, fillers = [], {}
    for engine in engines:
        begun = time.perf_counter()
        fillers[engine] = train(table, measured, fragments, engine=engine)
        rows.append(engine_row(name, fillers[engine], time.perf_counter() - begun))
    _, choice = best_rules(table, measured)
    chosen = {"horizons": choice["compared_on"], "profiles": int(table["profile_id"].nunique()), "organic_horizons": 0}
    chosen |= {"rmse_mineral": choice["cross_checked_rmse_g_cm3"]}
    rows.append({"set": name, "estimate": "best rule, chosen by other profiles", **chosen})
    beside = pd.DataFrame(
        [
            {
                "set": name, "rule": row["rule"], "horizons": row["horizons"], "rmse": row["rmse_g_cm3"], "bias": row["bias_g_cm3"],
                "mec": row["mec"], "rmse_trees": row["gap_filling"]["rmse_g_cm3"], "mec_trees": row["gap_filling"]["mec"],
            }
            for row in fillers[engines[0]].score["beside"]
        ]
    )  # fmt: skip
    return pd.DataFrame(rows), beside


def engine_row(name: str, filler: GapFiller, seconds: float) -> dict[str, object]:
    """Scores of one engine out of fold."""
    score = filler.score
    return {
        "set": name, "estimate": f"gap filling, {filler.engine}", "horizons": score["horizons"], "profiles": score["profiles"],
        "rmse": score["rmse_g_cm3"], "bias": score["bias_g_cm3"], "mec": score["mec"], "rmse_mineral": filler.sd_g_cm3[0],
        "rmse_organic": filler.sd_g_cm3[1], "organic_horizons": score["organic_horizons"], "seconds": seconds,
    }  # fmt: skip


def main() -> None:
    """Score everything on both sets, write."""
    parser = arguments(__doc__)
    parser.add_argument("--root", type=Path, default=SHARED / "data", help="folder of the data")
    asked = parser.parse_args()
    for path, _ in SETS.values():
        skip_without(asked.root / path, f"{path} (--root)")
    engines = [engine for engine in ENGINES if not engine_faults(engine)]
    results = [tables(name, horizons(asked.root / path, divisor), engines) for name, (path, divisor) in SETS.items()]
    scores, beside = (pd.concat(parts, ignore_index=True) for parts in zip(*results, strict=True))
    absent = [f"{engine} is not installed and was left out." for engine in ENGINES if engine not in engines]
    text = [
        "## gap_filling",
        f"Bulk density (g/cm3) out of fold, {FOLDS} folds of whole profiles; seconds are those of all fits, on one thread.",
        markdown(scores.drop(columns="seconds").assign(seconds=scores["seconds"].round(1))),
        "Every rule, blended into the organic curve from 50 to 80 g/kg, and the trees on the same horizons:",
        markdown(beside),
        *absent,
    ]
    save(asked.results, "gap_filling", "\n\n".join(text), {"gap_filling_scores": scores, "gap_filling_rules": beside})


if __name__ == "__main__":
    main()
