"""The Macedonian recipe from raw files to report, and the figure that can be held against published ones.

The run: 500 trees, 0-30, 30-60 and 60-100 cm, two designs of evidence, as a process of its own whose wall time and memory are
watched from outside. It must end in ten minutes and 4 GB on two cores.

The figure: log SOC content in three layers, predicted out of fold by profile, once with only the layers that were observed in full and
once with partly observed ones too. Reference values of a plain random forest with the same covariates: MEC of 0.46 for 0-30 cm and
0.53 for all layers where only fully observed layers count, 0.50 and 0.57 with partly observed ones, within which the layers had 0.50,
0.46 and 0.31; depth alone explained 0.34. The target here is that of the reference, not that of the recipe, which is carbon per
volume, and harder: bulk density is mostly estimated.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from common import (
    SHARED,
    arguments,
    command,
    evidence_table,
    folder_or_temporary,
    markdown,
    save,
    skip_without,
    stage_seconds,
    watched,
    write_recipe,
)

from edaphic import profiles
from edaphic.model.features import design_matrix, make_encoder
from edaphic.model.forest import Settings, train
from edaphic.model.traverse import predict
from edaphic.validate.designs import ProfileFolds, places
from edaphic.validate.metrics import scores

LAYERS = ((0.0, 30.0), (30.0, 60.0), (60.0, 100.0))
CLASSES = ("LCEE10", "LCEE10_reclass4")
LIMIT_S, LIMIT_MB = 600.0, 4096.0
FOLDS, SPLIT_SEED, FOREST_SEED = 5, 7, 1
SMALLEST_G_KG = 0.5
"""Contents below this are below what the laboratory tells apart from nothing; their logarithms would rule the score."""
REFERENCE = {
    ("full", "0-30 cm"): 0.46,
    ("full", "all layers"): 0.53,
    ("partly", "all layers"): 0.57,
    ("partly", "0-30 cm"): 0.50,
    ("partly", "30-60 cm"): 0.46,
    ("partly", "60-100 cm"): 0.31,
}


def content_scores(out: Path, min_coverage: float, trees: int, workers: int) -> pd.DataFrame:
    """MEC of ln SOC content out of fold by profile, over all layers and within each."""
    horizons = pd.read_parquet(out / "profiles" / "horizons.parquet")
    layers, _ = profiles.layer_table(horizons, LAYERS, min_coverage=min_coverage, max_gap_cm=0.0)
    points = pd.read_parquet(out / "covariates" / "points.parquet")
    selection = pd.read_csv(out / "evidence" / "selection.csv")
    kept = selection.loc[selection["kept"], "feature"].tolist()
    points = points[points["reason"] == ""].set_index("profile_id")[kept]
    rows = layers[(layers["soc_g_kg"] > SMALLEST_G_KG) & layers["profile_id"].isin(points.index)]
    kinds = {name: "class" if name in CLASSES else "continuous" for name in kept}
    encoder = make_encoder(points.loc[list(pd.unique(rows["profile_id"]))], kinds, depth=True)
    features = design_matrix(encoder, points, list(rows["profile_id"]), rows[["top_cm", "bottom_cm"]].to_numpy())
    values = rows["soc_g_kg"].to_numpy()
    fold = ProfileFolds(FOLDS, SPLIT_SEED).fold_of(rows, places(rows["lon"], rows["lat"], 100.0))
    layer = (rows["top_cm"].map("{:g}".format) + "-" + rows["bottom_cm"].map("{:g} cm".format)).to_numpy()
    observed, forest_says, depth_says = np.log(values), np.empty(len(rows)), np.empty(len(rows))
    for k in range(FOLDS):
        test = fold == k
        forest = train(features[~test], values[~test], Settings(trees, 1 / 3, 3), log=True, seed=FOREST_SEED, workers=workers)
        forest_says[test] = predict(forest, features[test], workers=workers).mean_fit
        means = pd.Series(observed[~test]).groupby(layer[~test]).mean()
        depth_says[test] = means.loc[layer[test]].to_numpy()
    found = []
    for name in ("all layers", *pd.unique(layer)):
        at = np.ones(len(rows), dtype=bool) if name == "all layers" else layer == name
        found.append(
            {
                "layers": "full" if min_coverage == 1 else "partly",
                "layer": name,
                "n": int(at.sum()),
                "mec_log_content": scores(observed[at], forest_says[at])["mec"],
                "rmse_log_content": scores(observed[at], forest_says[at])["rmse"],
                "mec_depth_alone": scores(observed[at], depth_says[at])["mec"],
            }
        )
    return pd.DataFrame(found)


def with_reference(table: pd.DataFrame) -> pd.DataFrame:
    """The reference values beside ours, where there is one."""
    keys = zip(table["layers"], table["layer"], strict=True)
    return table.assign(reference=[REFERENCE.get(key, np.nan) for key in keys])


def _kept(value: float, limit: float) -> str:
    """Whether a figure keeps its limit; nothing where there is no figure or no limit."""
    if np.isnan(value) or np.isnan(limit):
        return ""
    return "yes" if value <= limit else "NO"


def whole_run(folder: Path, root: Path, workers: int, results: Path) -> None:
    """The recipe as it ships, watched from outside."""
    out = folder / "run"
    wall_s, used_s, peak_mb = watched(command(write_recipe("macedonia", root, folder / "macedonia.yaml"), out, workers))
    figures = [
        ("wall seconds", wall_s, LIMIT_S),
        ("processor seconds", used_s, np.nan),
        ("peak memory of the process tree, MB", peak_mb, LIMIT_MB),
    ]
    run = pd.DataFrame([{"what": w, "value": v, "limit": limit, "kept": _kept(v, limit)} for w, v, limit in figures])
    stages, evidence = stage_seconds(out), evidence_table(out)
    compared = pd.read_csv(out / "tables" / "comparison.csv")
    compared = compared[["name", "cells", "pearson_r", "spearman_r", "mean_ours_kg_m2", "mean_theirs_kg_m2", "factor"]]
    stocks = pd.read_csv(out / "tables" / "stocks.csv")
    stocks = stocks[(stocks["by"] == "country") & (stocks["class"].astype(str) == "1")]
    stocks = stocks[["top_cm", "bottom_cm", "area_km2", "mean_kg_m2", "total_Tg"]]
    text = [
        f"## North Macedonia, 500 trees, {workers} threads",
        markdown(run, 0),
        "Stages:",
        markdown(stages, 1),
        "Evidence (carbon per volume is what the trees grow on; natural scale in kg/m2; nominal coverage 0.9):",
        markdown(evidence),
        "Stocks of the country:",
        markdown(stocks, 2),
        "Published maps of 0-30 cm (factor: ours divided by theirs; 5.8 is expected from their units):",
        markdown(compared, 2),
    ]
    tables = {"macedonia_run": run, "macedonia_stages": stages, "macedonia_evidence": evidence}
    save(results, "macedonia", "\n\n".join(text), tables | {"macedonia_stocks": stocks, "macedonia_comparison": compared})


def compared_figure(out: Path, trees: int, workers: int, results: Path) -> None:
    """Log SOC content beside the reference; of a run it takes the horizons, the sampled covariates and which of them were kept."""
    content = pd.concat([content_scores(out, c, trees, workers) for c in (1.0, 0.01)], ignore_index=True)
    content = with_reference(content)
    text = [
        f"## North Macedonia, log SOC content, out of fold by profile, {trees} trees",
        "Beside the reference values of a plain forest, where there is one.",
        markdown(content),
    ]
    save(results, "macedonia_content", "\n\n".join(text), {"macedonia_content": content})


def main() -> None:
    """Run, watch, score, write."""
    parser = arguments(__doc__, root=SHARED / "data" / "macedonia")
    parser.add_argument("--trees", type=int, default=200, help="trees of the forests of the compared figure (default 200)")
    parser.add_argument("--only-content", action="store_true", help="only the compared figure, from the run in --out whose model is done")
    asked = parser.parse_args()
    skip_without(asked.root / "horizons.csv", "Macedonian data (--root)")
    if asked.only_content and asked.out is None:
        parser.error("--only-content: takes its tables from a run; expected --out as well")
    with folder_or_temporary(asked.out) as folder:
        if not asked.only_content:
            whole_run(folder, asked.root, asked.workers, asked.results)
        compared_figure(folder / "run", asked.trees, asked.workers, asked.results)


if __name__ == "__main__":
    main()
