"""The demo over twenty seeds: what the evidence of a run said, beside what the maps turned out to be worth.

Each seed is another landscape, another sample, another run. Three questions, by layer:

- Does the true total lie within the bounds of the total? The bound of independent errors takes the errors of the cells as
  independent, which they are not: it is far too narrow and stands for the lowest the uncertainty could be. The fully correlated bound
  takes them as one: too wide. The truth should lie inside the second always, inside the first seldom.
- Are RMSE and MEC against the truth of every cell what the designs promised? An interval or an error out of fold is one of a single
  profile, with the variation within the cell and the error of the laboratory; the truth is the mean of a cell. So the error of the
  map should be below the one by profile. MEC is not quite the same thing twice: it divides by the variance of the profiles on
  the one side and of the cells on the other, and the sample is clustered.
- Do the intervals cover? For the same reason the coverage of the true cell means is expected above the nominal 0.9.
"""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
from common import arguments, folder_or_temporary, markdown, save, stage_seconds

from edaphic import run

FIRST_SEED, SEEDS = 1, 20
NOMINAL = 0.9
DESIGNS = ("profile", "block")


def layer_name(top_cm: float, bottom_cm: float, whole: tuple[float, float]) -> str:
    """Name of a layer as in the tables of the evidence."""
    text = f"{top_cm:g}-{bottom_cm:g} cm"
    return f"whole {text}" if (top_cm, bottom_cm) == whole else text


def one_seed(out: Path, seed: int, seconds: float) -> pd.DataFrame:
    """One row for each layer of a finished demo."""
    truth = pd.read_csv(out / "tables" / "truth.csv")
    whole = (truth["top_cm"].min(), truth["bottom_cm"].max())
    truth.insert(0, "layer", [layer_name(t, b, whole) for t, b in zip(truth["top_cm"], truth["bottom_cm"], strict=True)])
    truth = truth.rename(columns={name: f"map_{name}" for name in ("bias", "rmse", "mec", "coverage", "below", "above")})
    truth = truth.drop(columns=["top_cm", "bottom_cm"]).set_index("layer")
    metrics = pd.read_csv(out / "evidence" / "metrics.csv")
    metrics = metrics[metrics["scale"] == "natural"]
    calibration = pd.read_csv(out / "evidence" / "calibration.csv")
    for design in DESIGNS:
        scored = metrics[metrics["design"] == design].set_index("layer")[["bias", "rmse", "mec", "mec_low", "mec_high"]]
        covered = calibration[calibration["design"] == design].set_index("group")["coverage"]
        truth = truth.join(scored.join(covered).add_prefix(f"{design}_"))
    truth["error_pct"] = 100 * (truth["total_Tg"] / truth["true_total_Tg"] - 1)
    truth["mec_in_profile_interval"] = truth["map_mec"].between(truth["profile_mec_low"], truth["profile_mec_high"])
    truth["mec_in_block_interval"] = truth["map_mec"].between(truth["block_mec_low"], truth["block_mec_high"])
    truth.insert(0, "seed", seed)
    return truth.reset_index().assign(seconds=seconds)


def totals(found: pd.DataFrame) -> pd.DataFrame:
    """Totals against the truth, by layer."""
    rows = []
    for layer, part in found.groupby("layer", sort=False):
        width = part["fully_correlated_high_Tg"] - part["fully_correlated_low_Tg"]
        narrow = part["independent_high_Tg"] - part["independent_low_Tg"]
        rows.append(
            {
                "layer": layer,
                "seeds": len(part),
                "inside_independent": int(part["inside_independent"].sum()),
                "inside_fully_correlated": int(part["inside_fully_correlated"].sum()),
                "error_pct_mean": part["error_pct"].mean(),
                "error_pct_sd": part["error_pct"].std(),
                "error_pct_lowest": part["error_pct"].min(),
                "error_pct_highest": part["error_pct"].max(),
                "independent_half_width_pct": float((50 * narrow / part["total_Tg"]).mean()),
                "fully_correlated_half_width_pct": float((50 * width / part["total_Tg"]).mean()),
            }
        )
    return pd.DataFrame(rows)


def skill(found: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds of what was promised and what came of it, by layer."""
    columns = [f"{who}_{score}" for score in ("rmse", "mec", "coverage") for who in ("map", *DESIGNS)]
    table = found.groupby("layer", sort=False)[columns].mean()
    table["map_rmse_below_profile"] = (found["map_rmse"] < found["profile_rmse"]).groupby(found["layer"]).sum()
    table["map_coverage_lowest"] = found.groupby("layer")["map_coverage"].min()
    table["mec_in_profile_interval"] = found.groupby("layer")["mec_in_profile_interval"].sum()
    table["mec_in_block_interval"] = found.groupby("layer")["mec_in_block_interval"].sum()
    return table.reset_index()


def main() -> None:
    """Run the demos, gather, write."""
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, help="keep the runs here; finished ones are not run again (default: thrown away)")
    parser.add_argument("--gather", action="store_true", help="run nothing: only gather the finished runs in --out")
    asked = parser.parse_args()
    if asked.gather and asked.out is None:
        parser.error("--gather: expected --out as well, the folder of the runs")
    parts = []
    with folder_or_temporary(asked.out) as folder:
        for seed in range(FIRST_SEED, FIRST_SEED + asked.seeds):
            place = folder / f"seed_{seed:02d}"
            out = place / run.DEMO_FOLDERS[1]
            if not asked.gather:
                begun = time.perf_counter()
                run.demo(place, seed=seed, workers=asked.workers)
                print(f"seed {seed}: {time.perf_counter() - begun:.0f} s", flush=True)
            elif not (out / "report.html").is_file():
                print(f"seed {seed}: not run, left out")
                continue
            parts.append(one_seed(out, seed, stage_seconds(out)["seconds"].sum()))
    if not parts:
        raise SystemExit("no finished run; expected at least one")
    found = pd.concat(parts, ignore_index=True)
    bounds, scores = totals(found), skill(found)
    shown = ["layer", *(f"{who}_{score}" for score in ("rmse", "mec", "coverage") for who in ("map", *DESIGNS))]
    counts = ["layer", "map_rmse_below_profile", "mec_in_profile_interval", "mec_in_block_interval", "map_coverage_lowest"]
    text = [
        f"## The demo over {len(parts)} seeds",
        "True total against the bounds (error: mapped minus true total; counts are of seeds):",
        markdown(bounds, 2),
        "Means over the seeds: map against the truth of every cell, beside the designs (kg/m2; nominal coverage "
        f"{NOMINAL:g}, of single profiles, so above that for cell means):",
        markdown(scores[shown]),
        "Seeds in which the map's RMSE is below the one by profile, and in which its MEC lies in the 95 % interval of the design's MEC:",
        markdown(scores[counts]),
    ]
    save(asked.results, "demo_seeds", "\n\n".join(text), {"demo_seeds": found, "demo_seeds_totals": bounds, "demo_seeds_skill": scores})


if __name__ == "__main__":
    main()
