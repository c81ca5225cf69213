"""The Edgeroi recipe from raw files to report: 0-200 cm, three layers, covariates of three grids, no measured bulk density.

Wall time and memory of the process tree are watched from outside. There is no published figure with the same target beside which these
could stand: bulk density is estimated everywhere, so stocks are those of a pedotransfer rule.
"""

from __future__ import annotations

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


def main() -> None:
    """Run, watch, write."""
    asked = arguments(__doc__, root=SHARED / "data" / "edgeroi").parse_args()
    skip_without(asked.root / "edgeroi_horizons.csv", "Edgeroi data (--root)")
    with folder_or_temporary(asked.out) as folder:
        out = folder / "run"
        wall_s, used_s, peak_mb = watched(command(write_recipe("edgeroi", asked.root, folder / "edgeroi.yaml"), out, asked.workers))
        stages, evidence = stage_seconds(out), evidence_table(out)
        stocks = pd.read_csv(out / "tables" / "stocks.csv")
    stocks = stocks.loc[stocks["by"] == "all", ["top_cm", "bottom_cm", "area_km2", "mean_kg_m2", "total_Tg"]]
    figures = [("wall seconds", wall_s), ("processor seconds", used_s), ("peak memory of the process tree, MB", peak_mb)]
    run = pd.DataFrame(figures, columns=["what", "value"])
    text = [
        f"## Edgeroi, 500 trees, {asked.workers} threads",
        markdown(run, 0),
        "Stages:",
        markdown(stages, 1),
        "Evidence (natural scale in kg/m2; nominal coverage 0.9):",
        markdown(evidence),
        "Stocks of all cells:",
        markdown(stocks, 2),
    ]
    tables = {"edgeroi_run": run, "edgeroi_stages": stages, "edgeroi_evidence": evidence, "edgeroi_stocks": stocks}
    save(asked.results, "edgeroi", "\n\n".join(text), tables)


if __name__ == "__main__":
    main()
