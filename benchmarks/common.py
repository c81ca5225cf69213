"""What the benchmarks share: the folder of results, a run watched from outside, tables in Markdown."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import psutil

from edaphic import recipe

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
SHARED = HERE.parents[1] / "shared"
LOOKS_PER_S = 10
CORES = os.cpu_count() or 1


def skip_without(path: Path, what: str) -> None:
    """End quietly where the data are not there: a benchmark that cannot run says so in one line."""
    if not path.exists():
        print(f"skipped: no {what}")
        sys.exit(0)


@contextmanager
def folder_or_temporary(folder: Path | None) -> Iterator[Path]:
    """The folder asked for, which stays; or one that goes when the work is done."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="edaphic_benchmark_") as temporary:
        yield Path(temporary)


def arguments(text: str | None, *, root: Path | None = None) -> argparse.ArgumentParser:
    """Options that the benchmarks have in common."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="threads (default 2)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    if root is not None:
        parser.add_argument("--root", type=Path, default=root, help="folder of the data")
        parser.add_argument("--out", type=Path, help="keep the run folder here; one that is there goes on (default: thrown away)")
    return parser


def write_recipe(name: str, root: Path, path: Path) -> Path:
    """A recipe that ships, with its root turned to the data."""
    text = recipe.template(name)
    if text.count("\nroot: .\n") != 1:
        raise SystemExit(f"{name}.yaml: no line 'root: .'; expected one")
    path.write_text(text.replace("\nroot: .\n", f"\nroot: {json.dumps(str(root.resolve()))}\n"), encoding="utf-8")
    return path


def watched(command: Sequence[str]) -> tuple[float, float, float]:
    """Run a command; wall seconds, processor seconds, and the peak in MB of the memory of all its processes together.

    Processor seconds tell how much of a long wall time was waiting for other work on the machine.

    Memory is the sum of the resident sizes, looked at ten times a second: what processes share counts more than once.
    """
    begun, used_before = time.perf_counter(), _used_by_children_s()
    process = subprocess.Popen(list(command))
    peak = [0.0]
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(1 / LOOKS_PER_S):
            peak[0] = max(peak[0], memory_mb(process.pid))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    status = process.wait()
    ended.set()
    watcher.join()
    if status != 0:
        raise SystemExit(f"{command[0]}: ended with status {status}")
    return time.perf_counter() - begun, _used_by_children_s() - used_before, peak[0]


def _used_by_children_s() -> float:
    """Processor seconds of all child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def memory_mb(pid: int) -> float:
    """Memory of a process and its descendants."""
    try:
        parent = psutil.Process(pid)
        return sum(_resident(process) for process in (parent, *parent.children(recursive=True))) / 1e6
    except psutil.NoSuchProcess:
        return 0.0


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def command(recipe_path: Path, out: Path, workers: int) -> list[str]:
    """The command line of a run, with this Python."""
    return [sys.executable, "-m", "edaphic", "run", str(recipe_path), "-o", str(out), "--threads", str(workers), "--fresh"]


def stage_seconds(out: Path) -> pd.DataFrame:
    """Seconds and peak memory of each stage, from run.json."""
    stages = json.loads((out / "run.json").read_text(encoding="utf-8"))["stages"]
    return pd.DataFrame([{"stage": name, "seconds": s["seconds"], "peak_memory_mb": s["peak_memory_mb"]} for name, s in stages.items()])


def evidence_table(out: Path) -> pd.DataFrame:
    """MEC on both scales, RMSE, bias and coverage, by design and layer."""
    metrics = pd.read_csv(out / "evidence" / "metrics.csv")
    metrics = metrics[metrics["design"] != "in_sample"]
    natural = metrics[metrics["scale"] == "natural"].set_index(["design", "layer"])
    table = natural[["n", "bias", "rmse", "mec", "mec_low", "mec_high", "mec_layer_mean"]]
    log = metrics[metrics["scale"] == "log"].set_index(["design", "layer"])
    if len(log):
        table = table.join(log[["mec", "mec_layer_mean"]].add_suffix("_log"))
    cover = pd.read_csv(out / "evidence" / "calibration.csv").rename(columns={"group": "layer"}).set_index(["design", "layer"])
    return table.join(cover[["coverage", "below", "above"]]).reset_index()


def markdown(table: pd.DataFrame, digits: int = 3) -> str:
    """A table as Markdown; numbers with the same digits after the point."""

    def cell(value: object) -> str:
        if isinstance(value, float):
            return "" if pd.isna(value) else f"{value:.{digits}f}"
        return str(value)

    rows = [list(table.columns), ["---"] * table.shape[1]]
    rows += [[cell(v) for v in row] for row in table.astype(object).itertuples(index=False)]
    return "\n".join("| " + " | ".join(str(v) for v in row) + " |" for row in rows)


def save(results: Path, name: str, text: str, tables: dict[str, pd.DataFrame]) -> None:
    """Tables as CSV and the summary as Markdown; the summary is printed too."""
    results.mkdir(parents=True, exist_ok=True)
    for table_name, table in tables.items():
        table.to_csv(results / f"{table_name}.csv", index=False, lineterminator="\n", float_format="%.6g")
    (results / f"{name}.md").write_text(text.rstrip() + "\n", encoding="utf-8")
    print(text)


def total_memory_gb() -> float:
    """Memory of the machine."""
    return float(psutil.virtual_memory().total) / 1e9
