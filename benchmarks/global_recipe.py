"""The global recipe with Monte Carlo: 1,000 draws on 100 forests on the large virtual landscape, and what 4.06 million cells would take.

Runs the recipe `beta-subsoil-virtual` on 300 x 400 cells of 0.083 degrees, in which three ecosystems share each cell: each has maps of beta
and of stocks of seven layers by its own forest, and a thousand realisations. Counted are cells of an ecosystem, as the paper counts its
4,057,524. Seconds are those of the stages as the run tells them; what does not grow with the cells (forests) is taken from the small
landscape, by the difference.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pandas as pd
from common import arguments, markdown, save

from edaphic import recipe, run, virtual

PAPER_CELLS = 4_057_524
NAME = "beta-subsoil"


def seconds(place: Path, size: str, workers: int) -> dict[str, float]:
    """Seconds and memory of the maps and of Monte Carlo, and cells of ecosystems."""
    virtual.LANDSCAPES[NAME](place / size, 7, size)
    path = place / size / "recipe.yaml"
    path.write_text(recipe.template(f"{NAME}-virtual"), encoding="utf-8")
    out = run.run(path, place / f"run-{size}", until="montecarlo", workers=workers)
    stages = json.loads((out / "run.json").read_text(encoding="utf-8"))["stages"]
    said = pd.read_csv(out / "tables" / "monte_carlo.csv")
    cells = float(said[said["by"] == "all"]["cells"].iloc[0])
    memory = max(stages[name].get("peak_memory_mb", 0.0) for name in ("maps", "montecarlo"))
    return {"cells": cells, "maps_s": stages["maps"]["seconds"], "monte_carlo_s": stages["montecarlo"]["seconds"], "peak_memory_mb": memory}


def main() -> None:
    asked = arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="edaphic_benchmark_") as place:
        rows = [{"landscape": size, **seconds(Path(place), size, asked.workers)} for size in ("small", "full")]
    small, full = rows
    each = {key: (full[key] - small[key]) / (full["cells"] - small["cells"]) for key in ("maps_s", "monte_carlo_s")}
    paper = {"landscape": "extrapolated to the paper's cells", "cells": PAPER_CELLS, "peak_memory_mb": float("nan")}
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
