"""Run every benchmark in order and put the figures on one page, ``results/README.md``.

Each is a process of its own. One whose data are not there says so and is left out. ``--assemble`` runs nothing and puts together
what is there.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from common import CORES, HERE, arguments, total_memory_gb

PROFILES = ("profiles_world", "duplicates", "spline", "spline_error", "beta", "gap_filling")
COVARIATES = ("terrain_local", "terrain_flow", "climate", "composites", "sampling")
EVIDENCE = ("engines", "subset_search", "knndm", "applicability", "nested", "judge", "real_data")
MAPPING = ("scale", "cluster", "faults", "monte_carlo")
ACCOUNTS = ("totals", "paths", "global_recipe")
ORDER = ("traverse", *PROFILES, *COVARIATES, *EVIDENCE, *MAPPING, *ACCOUNTS, "macedonia", "edgeroi", "demo_seeds")
PAGES = (
    "traverse", *PROFILES, *COVARIATES, *EVIDENCE, "scale_wide", *MAPPING, *ACCOUNTS,
    "macedonia", "macedonia_content", "edgeroi", "demo_seeds",
)  # fmt: skip
LIBRARIES = ("numpy", "pandas", "scikit-learn", "numba", "scipy", "rasterio")
NOISE = (
    "Times are those of one machine whose cores were shared with other work; they move by tens of percent from run to run. Ratios "
    "within one run and everything that is not a time are firmer: with the same seed and the same versions, scores and totals repeat."
)


def machine() -> str:
    """Cores, memory and versions, in one line each."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    python = ".".join(str(part) for part in sys.version_info[:3])
    return (
        f"{sys.platform}, {CORES} cores, {total_memory_gb():.0f} GB of memory; Python {python}, {versions}; Edaphic {version('edaphic')}."
    )


def assemble(results: Path) -> None:
    """One page out of the summaries that are there."""
    parts = ["# Figures", machine(), NOISE, "What each figure is stands in `../README.md`; the tables are beside this page as CSV."]
    for name in PAGES:
        summary = results / f"{name}.md"
        parts.append(summary.read_text(encoding="utf-8").strip() if summary.is_file() else f"## {name}\n\nNot run.")
    (results / "README.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def main() -> None:
    """Run all, then assemble; ends with a fault if one of them did."""
    parser = arguments(__doc__)
    parser.add_argument("--assemble", action="store_true", help="only put together what is there")
    parser.add_argument("--only", nargs="+", choices=ORDER, default=ORDER, help="run these, keep the figures of the others")
    parser.add_argument("--peer", help="a Python that can import mpspline, for spline.py")
    asked = parser.parse_args()
    failed = []
    asked.results.mkdir(parents=True, exist_ok=True)
    for name in () if asked.assemble else [name for name in ORDER if name in asked.only]:
        print(f"--- {name}", flush=True)
        told = [sys.executable, str(HERE / f"{name}.py"), "--workers", str(asked.workers), "--results", str(asked.results)]
        told += ["--peer", asked.peer] if name == "spline" and asked.peer else []
        if subprocess.run(told, check=False).returncode != 0:
            failed.append(name)
    assemble(asked.results)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
