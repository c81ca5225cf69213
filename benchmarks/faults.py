"""Runs that are killed, lose their workers, fill their disk, or lose an input: finished maps have the bytes of undisturbed ones.

The job is small (a virtual landscape, few trees, many tiles), so that what is tested is the machinery. Everything random has a seed; on a
machine of another speed the same seeds hit other moments. Each fault ends in one of two ways: the run goes on and ends with the same
maps, or it stops with status 2 and one line, and the same command goes on later. What is compared is the SHA-256 of every file that a run
makes, the report left out. The script ends with a fault where one differs.

- kills: ``kill -9`` at a random moment of the whole run, or of its stage of maps; started again until it has finished. Rounds of such runs
  follow each other until there were twenty kills. After every third kill the newest file of the interrupted stage loses its second half
  too, as a power cut would have it.
- workers: a Dask worker of ``--workers 2`` is killed at random moments.
- disk: the run folder lies on a small tmpfs that fills up; it is made larger, and the run goes on. Needs leave to mount.
- lost input: a raster, or a file behind a virtual raster, vanishes while tiles are computed, and comes back.
- changed input: a raster is written over while tiles are computed. The next run starts anew what depends on it, and ends with the maps of
  an undisturbed run on the changed raster.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import rasterio
import yaml
from common import CORES, arguments, folder_or_temporary, markdown, save

from edaphic import recipe, virtual

SEED = 11
PARTS = ("profiles", "covariates", "model", "evidence", "maps", "tables")
SCENARIOS = ("kills", "workers", "disk", "lost", "changed")
PATIENCE_S = 900
LANDSCAPE, WINDOW, TREES, PROFILES = 400, 32, 40, 150
"""Side of the landscape in cells, of a tile, trees, and profiles."""


@dataclass(frozen=True)
class Job:
    """Inputs that may be spoilt, and the options of every run."""

    recipe: Path
    options: tuple[str, ...] = ()
    until: str = "account"

    @property
    def covariates(self) -> Path:
        return self.recipe.parent / "covariates"

    def command(self, out: Path) -> list[str]:
        words = [sys.executable, "-m", "edaphic", "run", str(self.recipe), "-o", str(out), "--until", self.until]
        return [*words, *self.options]


@dataclass
class Ended:
    """A process that has ended: status, lines of progress, and its faults."""

    status: int
    lines: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        return [line for line in self.lines if line.startswith("edaphic: ")]

    @property
    def stage(self) -> str:
        """Stage that it was in."""
        stages = [found[1] for line in self.lines if (found := re.match(r"([a-z]+): ", line)) and found[1] != "edaphic"]
        return stages[-1] if stages else "start"

    @property
    def clear(self) -> bool:
        """Whether it ended well, or stopped with one line that says what to do."""
        if any("Traceback" in line for line in self.lines):
            return False
        return self.status == 0 or (self.status == 2 and len(self.faults) == 1 and "expected" in self.faults[0])


def make_job(folder: Path, options: tuple[str, ...], side: int = LANDSCAPE, until: str = "account") -> Job:
    """A landscape with its recipe; elevation is a virtual raster over two files."""
    land = virtual.landscape(SEED, shape=(side, side))
    sites, horizons = virtual.sample(land, SEED, profiles=PROFILES)
    virtual.write(land, sites, horizons, folder, truth_layers=())
    told: dict[str, Any] = yaml.safe_load(recipe.template("demo"))
    told["profiles"]["layers"] = ["0-30", "30-60"]
    told["model"]["forest"] = {"trees": TREES}
    told["model"]["tune"] = {"candidates": 1, "trees": 10, "folds": 2, "design": "profile"}
    told["evidence"] |= {"folds": 2, "bootstrap": 20, "cells": 200, "baselines": []}
    told["maps"]["window"] = WINDOW
    told["account"].pop("truth", None)
    _split(folder / "covariates" / "elevation.tif")
    told["covariates"]["layers"].insert(0, {"path": "covariates/elevation.vrt"})
    (folder / "recipe.yaml").write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    return Job(folder / "recipe.yaml", options, until)


VRT = """<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>{crs}</SRS><GeoTransform>{place}</GeoTransform>
<VRTRasterBand dataType="Float32" band="1"><NoDataValue>nan</NoDataValue>{sources}</VRTRasterBand></VRTDataset>"""
SOURCE = """<SimpleSource><SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>1</SourceBand>
<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{rows}"/><DstRect xOff="0" yOff="{row}" xSize="{width}" ySize="{rows}"/></SimpleSource>"""


def _split(path: Path) -> None:
    """Two files, of the northern and the southern half, and a virtual raster over them, in place of one raster."""
    with rasterio.open(path) as source:
        values, profile = source.read(1), source.profile
    height, width = values.shape
    parts, half = path.parent.parent / "parts", height // 2
    parts.mkdir()
    entries = []
    for name, first, last in (("north", 0, half), ("south", half, height)):
        place = profile["transform"] @ rasterio.Affine.translation(0, first)
        with rasterio.open(parts / f"{name}.tif", "w", **profile | {"height": last - first, "transform": place}) as out:
            out.write(values[first:last], 1)
        entries.append(SOURCE.format(name=f"../parts/{name}.tif", width=width, rows=last - first, row=first))
    t = profile["transform"]
    place = f"{t.c!r}, {t.a!r}, 0, {t.f!r}, 0, {t.e!r}"
    text = VRT.format(width=width, height=height, crs=profile["crs"].to_string(), place=place, sources="".join(entries))
    path.with_suffix(".vrt").write_text(text, encoding="utf-8")
    path.unlink()


def digests(out: Path) -> dict[str, str]:
    """SHA-256 of every file that a run makes."""
    files = sorted(path for part in PARTS for path in (out / part).rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Names of files that are not the same."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


@contextmanager
def started(job: Job, out: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A run in a process of its own, and the file of what it says."""
    log = out.parent / f"{out.name}.log"
    with open(log, "w", encoding="utf-8") as heard:
        process = subprocess.Popen(job.command(out), stderr=heard, stdout=subprocess.DEVNULL, text=True, start_new_session=True)
    try:
        yield process, log
    finally:
        if process.poll() is None:
            _kill_family(process.pid)
            process.wait()


def _kill_family(pid: int) -> None:
    for member in (*_family(pid), psutil.Process(pid)):
        try:
            member.kill()
        except psutil.Error:
            continue


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def ended(process: subprocess.Popen[str], log: Path) -> Ended:
    """Wait for the end."""
    status = process.wait(timeout=PATIENCE_S)
    return Ended(status, log.read_text(encoding="utf-8", errors="replace").splitlines())


def whole_run(job: Job, out: Path) -> Ended:
    """A run that nothing disturbs."""
    with started(job, out) as (process, log):
        return ended(process, log)


def wait_for(process: subprocess.Popen[str], log: Path, said: str, times: int = 1) -> bool:
    """Wait until a run has said something; whether it did before it ended."""
    while process.poll() is None:
        if len(re.findall(said, log.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)) >= times:
            return True
        time.sleep(0.02)
    return False


def kill_once(job: Job, out: Path, after_s: float, in_maps: bool) -> Ended:
    """Start a run and kill it and its workers some seconds after its start, or after its stage of maps has begun; it may end before."""
    with started(job, out) as (process, log):
        if in_maps:
            wait_for(process, log, "^maps: ")
        try:
            process.wait(timeout=after_s)
        except subprocess.TimeoutExpired:
            _kill_family(process.pid)
        return ended(process, log)


def tear(out: Path) -> str:
    """Cut the newest file of an interrupted stage to half, as a power cut may leave it; its name."""
    parts = [path for path in (out / ".edaphic" / "partial").rglob("*") if path.is_file() and path.stat().st_size > 1]
    if not parts:
        return ""
    newest = max(parts, key=lambda path: (path.stat().st_mtime_ns, str(path)))
    os.truncate(newest, newest.stat().st_size // 2)
    return newest.name


@dataclass(frozen=True)
class Yardstick:
    """An undisturbed run: its files, its seconds, and those of its stage of maps."""

    files: Mapping[str, str]
    seconds: float
    maps_s: float
    bytes: int


def undisturbed(job: Job, out: Path) -> Yardstick:
    begun = time.perf_counter()
    found = whole_run(job, out)
    seconds = time.perf_counter() - begun
    if found.status != 0:
        raise SystemExit("\n".join(["the undisturbed run failed:", *found.lines[-20:]]))
    maps = sum(float(m[1]) for a, b in _stages(found.lines) if a == "maps" and (m := re.search(r"done in ([\d.]+) s", b)))
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return Yardstick(digests(out), seconds, maps, size)


def _stages(lines: list[str]) -> list[tuple[str, str]]:
    """Lines with the stage in which they were said."""
    stage, found = "", []
    for line in lines:
        if not line.startswith(" "):
            stage = line.split(":")[0]
        found.append((stage, line))
    return found


Row = dict[str, Any]


def row(scenario: str, number: int, what: str, found: Ended, wrong: list[str] | None = None) -> Row:
    """A line of the table. ``wrong``: files that differ, where the run has finished; None where it goes on."""
    outcome = "killed" if found.status < 0 else "finished" if found.status == 0 else "stopped"
    same = "" if wrong is None else "yes" if not wrong else f"no: {', '.join(wrong[:5])}"
    said = found.faults[0].removeprefix("edaphic: ") if found.faults else ""
    good = (found.status == -9 or found.clear) and not wrong
    print("; ".join(part for part in (f"{scenario} {number}: {what}: {outcome} in {found.stage}", same, said) if part), flush=True)
    return {"scenario": scenario, "number": number, "what": what, "stage": found.stage, "ended": outcome, "said": said,
            "same files": same, "good": good}  # fmt: skip


def kills(job: Job, yard: Yardstick, place: Path, many: int) -> list[Row]:
    """Kills, in as many rounds as it takes; each round ends with a run that finishes."""
    dice, rows, done, turn = random.Random(SEED), [], 0, 0
    while done < many:
        turn += 1
        out = place / f"kills_{turn}"
        shutil.rmtree(out, ignore_errors=True)
        found = None
        while done < many and (found is None or found.status != 0):
            in_maps = done % 3 != 0
            after = dice.uniform(0.0, yard.maps_s if in_maps else yard.seconds)
            found = kill_once(job, out, after, in_maps)
            if found.status == 0:
                break
            done += found.status == -9
            torn = tear(out) if found.status == -9 and done % 3 == 0 else ""
            what = f"{after:.2f} s after {'the start of the maps' if in_maps else 'the start'}" + (f"; {torn} cut to half" if torn else "")
            rows.append(row("kills", done, what, found))
            if not rows[-1]["good"]:
                return rows
        if found is None or found.status != 0:
            found = whole_run(job, out)
        rows.append(row("kills", done, f"round {turn} goes on to its end", found, differing(yard.files, digests(out))))
        shutil.rmtree(out)
    return rows


def workers(job: Job, yard: Yardstick, place: Path, many: int) -> list[Row]:
    """Kills of Dask workers, several in each run, at random moments after the first tiles."""
    dice, rows, done, turn = random.Random(SEED + 1), [], 0, 0
    dask = Job(job.recipe, (*job.options, "--workers", "2"), job.until)
    while done < many and turn < 3 * many:
        turn += 1
        out, killed = place / f"workers_{turn}", 0
        with started(dask, out) as (process, log):
            wait_for(process, log, "computing tile", 2)  # the first line comes before the workers
            while process.poll() is None and killed < 4 and done < many:
                time.sleep(dice.uniform(0.0, 0.5))
                crew = [member for member in _family(process.pid) if _computes(member)]
                if crew and process.poll() is None:
                    dice.choice(crew).kill()
                    killed, done = killed + 1, done + 1
            found = ended(process, log)
        wrong = differing(yard.files, digests(out)) if found.status == 0 else None
        rows.append(row("workers", done, f"{killed} workers killed", found, wrong))
        if found.status == 2:
            found = whole_run(dask, out)
            rows.append(row("workers", done, "the same command again", found, differing(yard.files, digests(out))))
        shutil.rmtree(out)
    return rows


def _computes(member: psutil.Process) -> bool:
    """Whether a process is a worker, not the tracker of resources that Python starts beside it."""
    try:
        return "resource_tracker" not in " ".join(member.cmdline()) and member.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def disk(job: Job, yard: Yardstick, place: Path, shares: tuple[float, ...] = (0.05, 0.3, 0.6, 0.9, 1.1)) -> list[Row]:
    """Disks too small by more or less; made larger after the run has stopped."""
    rows = []
    for number, share in enumerate(shares, start=1):
        folder = place / f"disk_{number}"
        folder.mkdir()
        size = max(200_000, int(share * yard.bytes))
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            print("disk: skipped, no leave to mount a small disk")
            folder.rmdir()
            return rows
        try:
            moved = Job(job.recipe, job.options, job.until)
            found = _run_with_log_elsewhere(moved, folder / "run", place)
            wrong = differing(yard.files, digests(folder / "run")) if found.status == 0 else None
            rows.append(row("disk", number, f"a disk of {size / 1e6:.1f} MB", found, wrong))
            if found.status == 2:
                subprocess.run(["mount", "-o", f"remount,size={10 * yard.bytes}", str(folder)], check=True)
                found = _run_with_log_elsewhere(moved, folder / "run", place)
                rows.append(row("disk", number, "the same command with room", found, differing(yard.files, digests(folder / "run"))))
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=False)
            folder.rmdir()
    return rows


def _run_with_log_elsewhere(job: Job, out: Path, place: Path) -> Ended:
    """What a run says is kept beside the small disk, not on it."""
    with open(place / "disk.log", "w", encoding="utf-8") as heard:
        status = subprocess.run(job.command(out), stderr=heard, stdout=subprocess.DEVNULL, check=False, timeout=PATIENCE_S).returncode
    return Ended(status, (place / "disk.log").read_text(encoding="utf-8", errors="replace").splitlines())


def _disturbed(job: Job, out: Path, tiles: int, change: Callable[[], object]) -> Ended:
    """A run in whose stage of maps something happens after so many tiles."""
    with started(job, out) as (process, log):
        if wait_for(process, log, r"(computing|predicting) tile", tiles):
            change()
        return ended(process, log)


def lost(job: Job, yard: Yardstick, place: Path) -> list[Row]:
    """Rasters that go away while tiles are computed, and come back."""
    rows, dice = [], random.Random(SEED + 2)
    files = (job.covariates / "wetness.tif", job.recipe.parent / "parts" / "south.tif", job.covariates / "elevation.vrt")
    for number, path in enumerate(files, start=1):
        out, away = place / f"lost_{number}", path.with_suffix(".away")
        found = _disturbed(job, out, dice.randrange(2, 12), lambda path=path, away=away: path.rename(away))  # type: ignore[misc]
        wrong = differing(yard.files, digests(out)) if found.status == 0 else None
        rows.append(row("lost", number, f"{path.name} vanishes", found, wrong))
        again = whole_run(job, out)
        if again.status != 0:
            rows.append(row("lost", number, "the same command without it", again))
        if away.exists():
            away.rename(path)
        again = whole_run(job, out)
        rows.append(row("lost", number, "the same command, and it is back", again, differing(yard.files, digests(out))))
        shutil.rmtree(out)
    return rows


def changed(job: Job, yard: Yardstick, place: Path) -> list[Row]:
    """A raster that gets other numbers while tiles are computed, first written over in place, then replaced by another file."""
    rows = []
    path, kept = job.covariates / "wetness.tif", place / "wetness.kept"
    shutil.copy2(path, kept)
    other = place / "wetness.other.tif"
    with rasterio.open(path) as source:
        values, profile = source.read(1), source.profile
    with rasterio.open(other, "w", **profile) as out_file:
        out_file.write(values[::-1], 1)
    shutil.copyfile(other, path)
    expected = undisturbed(job, place / "changed_reference").files
    ways: tuple[Callable[[], object], ...] = (
        lambda: path.write_bytes(other.read_bytes()),
        lambda: os.replace(shutil.copy(other, f"{path}.new"), path),
    )
    for number, how in enumerate(ways, start=1):
        path.unlink()
        shutil.copy2(kept, path)
        out = place / f"changed_{number}"
        found = _disturbed(job, out, 4, how)
        rows.append(row("changed", number, f"{path.name} is {'written over' if number == 1 else 'replaced'}", found))
        found = whole_run(job, out)
        rows.append(row("changed", number, "the same command again", found, differing(expected, digests(out))))
        shutil.rmtree(out)
    path.unlink()
    shutil.copy2(kept, path)
    return rows


def summary(rows: list[Row], yard: Yardstick, seconds: float, side: int) -> str:
    table = pd.DataFrame(rows)
    finished = table[table["same files"] != ""]
    crew = table["what"].str.extract(r"(\d+) workers")[0].astype(float).fillna(0)
    counts = [
        {
            "scenario": name,
            "faults": int(crew[part.index].sum() if name == "workers" else (part["same files"] == "").sum()),
            "stopped with one line": int((part["ended"] == "stopped").sum()),
            "finished": int((part["ended"] == "finished").sum()),
            "same bytes": f"{int((part['same files'] == 'yes').sum())} of {int((part['same files'] != '').sum())}",
        }
        for name, part in table.groupby("scenario", sort=False)
    ]  # fmt: skip
    stopped = table[table["ended"] == "stopped"][["scenario", "what", "stage", "said"]].copy()
    stopped["said"] = stopped["said"].str.replace(r"/\S*/", "", regex=True)
    hit = table[(table["scenario"] == "kills") & (table["ended"] == "killed")]["stage"].value_counts()
    where = ", ".join(f"{count} in {stage}" for stage, count in sorted(hit.items()))
    return "\n\n".join(
        [
            "## Faults",
            f"A landscape of {side} x {side} cells in tiles of {WINDOW}, {TREES} trees; undisturbed {yard.seconds:.0f} s, of which "
            f"{yard.maps_s:.0f} s for the maps. {len(finished)} runs were brought to their end after faults; the SHA-256 of every file "
            f"(profiles, covariates, model, evidence, maps, tables: {len(yard.files)} files) is that of an undisturbed run in "
            f"{int((finished['same files'] == 'yes').sum())} of them. {seconds / 60:.0f} minutes, {CORES} cores.",
            markdown(pd.DataFrame(counts)),
            f"Kills by stage: {where}." if where else "",
            "What runs said that stopped:" if len(stopped) else "",
            markdown(stopped) if len(stopped) else "",
        ]
    )


def options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--kills", type=int, default=20, help="kills of the whole run (default 20)")
    parser.add_argument("--worker-kills", type=int, default=6, help="kills of Dask workers (default 6)")
    parser.add_argument("--side", type=int, default=LANDSCAPE, help="side of the landscape in cells")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=SCENARIOS)
    parser.add_argument("--out", type=Path, help="keep the folders here")
    return parser.parse_args()


def main() -> None:
    asked = options()
    begun = time.perf_counter()
    with folder_or_temporary(asked.out) as place:
        job = make_job(place / "input", ("--threads", str(asked.workers)), asked.side)
        first = undisturbed(job, place / "first")  # compiles what is not compiled yet
        yard = undisturbed(job, place / "undisturbed")
        if differing(first.files, yard.files):
            raise SystemExit(f"two undisturbed runs differ: {differing(first.files, yard.files)[:5]}")
        work: dict[str, Callable[[], list[Row]]] = {
            "kills": lambda: kills(job, yard, place, asked.kills),
            "workers": lambda: workers(job, yard, place, asked.worker_kills),
            "disk": lambda: disk(job, yard, place),
            "lost": lambda: lost(job, yard, place),
            "changed": lambda: changed(job, yard, place),
        }
        rows = []
        for name in SCENARIOS:
            if name in asked.only:
                print(f"--- {name}", flush=True)
                rows += work[name]()
    save(asked.results, "faults", summary(rows, yard, time.perf_counter() - begun, asked.side), {"faults": pd.DataFrame(rows)})
    bad = [entry for entry in rows if not entry["good"]]
    if bad:
        raise SystemExit("\n".join(f"{entry['scenario']} {entry['number']}: {entry}" for entry in bad))


if __name__ == "__main__":
    main()
