"""The global recipe with Monte Carlo: 1,000 draws on 100 forests, and what the 4.06 million cells of the paper would take.

Runs the recipe `beta-subsoil-virtual`, in which three ecosystems share each cell: each has maps of beta and of stocks of seven layers by
its own forest, and a thousand realisations of them. Once on the cells of the landscape, once on cells of a third of their side, which are
more than 100,000 of an ecosystem. Counted are cells of an ecosystem, as the paper counts its 4,057,524. Seconds are those of the stages as
the run tells them; the line of the paper's cells goes through the other two, so that what does not grow with the cells counts once.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pandas as pd
import yaml
from common import arguments, markdown, save

from edaphic import recipe, run, virtual
from edaphic.covariates import grid_like

PAPER_CELLS = 4_057_524
NAME = "beta-subsoil"


def seconds(place: Path, finer: int, workers: int) -> dict[str, float]:
    """Seconds and memory of the maps and of Monte Carlo, and cells of ecosystems."""
    folder = place / f"input-{finer}"
    virtual.LANDSCAPES[NAME](folder, 7, "small")
    told = yaml.safe_load(recipe.template(f"{NAME}-virtual"))
    grid = grid_like(folder / told["grid"]["like"])
    box = grid.boundingbox
    side = abs(grid.affine.a) / finer
    told["grid"] = {"crs": str(grid.crs), "resolution": side, "bounds": [box.left, box.bottom, box.right, box.top]}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    out = run.run(folder / "recipe.yaml", place / f"run-{finer}", until="montecarlo", workers=workers)
    stages = json.loads((out / "run.json").read_text(encoding="utf-8"))["stages"]
    said = pd.read_csv(out / "tables" / "monte_carlo.csv")
    cells = float(said.loc[said["by"] == told["model"]["zones"], ["name", "cells"]].drop_duplicates("name")["cells"].sum())
    memory = max(stages[name]["peak_memory_mb"] for name in ("maps", "montecarlo"))
    return {"cells": cells, "maps_s": stages["maps"]["seconds"], "monte_carlo_s": stages["montecarlo"]["seconds"], "peak_memory_mb": memory}


def main() -> None:
    asked = arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="edaphic_benchmark_") as place:
        rows = [{"run": f"cells of 1/{n} of the side", **seconds(Path(place), n, asked.workers)} for n in (1, 3)]
    small, full = rows
    each = {key: (full[key] - small[key]) / (full["cells"] - small["cells"]) for key in ("maps_s", "monte_carlo_s")}
    paper = {"run": "extrapolated to the paper's cells", "cells": PAPER_CELLS, "peak_memory_mb": float("nan")}
    paper |= {key: full[key] + each[key] * (PAPER_CELLS - full["cells"]) for key in each}
    table = pd.DataFrame([*rows, paper]).assign(monte_carlo_h=lambda found: found["monte_carlo_s"] / 3600)
    words = (
        f"1,000 draws on 100 forests of 50 trees, nine drivers, residual and topsoil drawn too; {asked.workers} threads. The third "
        "line lies on a straight line through the other two and is no measurement."
    )
    save(
        asked.results,
        "global_recipe",
        "\n".join(["## The global recipe with Monte Carlo", "", words, "", markdown(table)]) + "\n",
        {"global_recipe": table},
    )


if __name__ == "__main__":
    main()
