"""Broken inputs through the command line: status 2, one line for each fault, nothing half-written, and the run goes on once mended."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml

from edaphic import cli
from edaphic.stages import EVERY_STAGE

PROGRESS = re.compile(rf"^(check|{'|'.join(EVERY_STAGE)}): |^  ")


@pytest.fixture
def command(monkeypatch, capfd):
    """Run a command line; gives status, fault lines and screen. Anything on stderr but progress and faults fails the test."""

    def call(*words: object) -> tuple[int, list[str], str]:
        monkeypatch.setattr(sys, "argv", ["edaphic", *map(str, words)])
        capfd.readouterr()
        status = 0
        try:
            cli.main()
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        screen, said = capfd.readouterr()
        lines = said.splitlines()
        assert "Traceback" not in said
        faults = [line for line in lines if line.startswith("edaphic: ")]
        strange = [line for line in lines if not line.startswith("edaphic: ") and not PROGRESS.match(line)]
        assert not strange, strange
        return status, faults, screen

    return call


def assert_tidy(out: Path) -> None:
    """No temporary file, and no work folder with something in it."""
    assert not [p for p in out.rglob("*") if p.suffix == ".tmp" or ".tmp." in p.name]
    assert not [p for p in (out / ".edaphic" / "work").rglob("*") if p.is_file()]
    assert not (out / ".edaphic" / "lock").exists()


def source_of(told: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = told["profiles"]["sources"][0]
    return entry


def edit_table(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        table = pd.read_csv(folder / name)
        change(table).to_csv(folder / name, index=False)

    return spoil


def rewrite_raster(name: str, values: Callable[[np.ndarray], np.ndarray] | None = None, **profile: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "covariates" / name
        with rasterio.open(path) as source:
            data, known = source.read(), source.profile | profile
        path.unlink()
        with rasterio.open(path, "w", **known) as out:
            out.write(data if values is None else values(data))

    return spoil


def truncate(name: str, share: float) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / name
        raw = path.read_bytes()
        path.write_bytes(raw[: int(len(raw) * share)])

    return spoil


def nothing(_: object) -> None:
    """Leaves all as it is."""


def parquet_horizons(folder: Path) -> None:
    pd.read_csv(folder / "horizons.csv").to_parquet(folder / "horizons.parquet")
    truncate("horizons.parquet", 0.5)(folder)


def to_projected(told: dict[str, Any]) -> None:
    source_of(told).pop("crs")
    columns = source_of(told)["columns"]
    columns["x"], columns["y"] = columns.pop("lon"), columns.pop("lat")


FAR = rasterio.Affine(250, 0, 4_000_000, 0, -250, 1_000_000)

EARLY: dict[str, tuple[Callable[[dict[str, Any]], object], Callable[[Path], object], str]] = {
    "mask of all": (lambda told: told["maps"].update(mask={"land_cover": [1, 2, 3, 4, 5]}), nothing, r"masks and bedrock leave none of"),
    "missing table": (lambda told: source_of(told).update(horizons="none.csv"), nothing, r"horizons: found no file .*none\.csv"),
    "missing sites": (lambda told: source_of(told).update(sites="none.csv"), nothing, r"sites: found no file .*none\.csv"),
    "missing column": (
        lambda told: source_of(told)["columns"].update(soc={"column": "CARBON", "unit": "%"}), nothing, r"CARBON.*expected.*OC_PCT",
    ),
    "unknown unit": (lambda told: source_of(told)["columns"]["soc"].update(unit="ppm"), nothing, r"ppm.*expected.*g/kg"),
    "missing unit": (lambda told: source_of(told)["columns"]["soc"].pop("unit"), nothing, r"soc.*unit.*expected.*g/kg"),
    "unknown crs": (lambda told: source_of(told).update(crs="EPSG:999999"), nothing, r"EPSG:999999"),
    "no crs": (to_projected, nothing, r"crs.*expected"),
    "raster elsewhere": (nothing, rewrite_raster("noise.tif", transform=FAR), r"noise.*(overlap|grid)"),
    "raster missing": (
        lambda told: told["covariates"]["layers"].append({"path": "covariates/none.tif"}),
        nothing,
        r"none\.tif.*expected a file that exists",
    ),
    "raster without crs": (nothing, rewrite_raster("noise.tif", crs=None), r"noise.*(CRS|coordinate)"),
    "text named tif": (nothing, lambda folder: (folder / "covariates/noise.tif").write_text("no raster"), r"noise.*expected"),
    "empty raster file": (nothing, lambda folder: (folder / "covariates/noise.tif").write_bytes(b""), r"noise.*expected"),
    "grid is text": (nothing, lambda folder: (folder / "covariates/land_cover.tif").write_text("no"), r"land_cover.*expected"),
    "no coordinates": (nothing, edit_table("sites.csv", lambda t: t.assign(LON=np.nan, LAT=np.nan)), r"LON|LAT|both coordinates"),
    "mask of nothing": (lambda told: told["maps"].update(mask={"landcover": [5]}), nothing, r"landcover.*expected"),
    "division of nothing": (lambda told: told["account"].update(by=["elevation"]), nothing, r"elevation.*expected"),
    "pattern of nothing": (lambda told: told["covariates"]["layers"][0].update(path="none/*.tif"), nothing, r"none/\*\.tif.*expected"),
    "damaged parquet": (lambda told: source_of(told).update(horizons="horizons.parquet"), parquet_horizons, r"horizons\.parquet.*expected"),
    "empty table": (nothing, edit_table("horizons.csv", lambda t: t.iloc[:0]), r"horizons\.csv.*expected"),
    "empty file": (nothing, lambda folder: (folder / "horizons.csv").write_bytes(b""), r"horizons\.csv.*expected"),
    "no polygons": (nothing, lambda folder: (folder / "districts.gpkg").write_text("no polygons"), r"districts\.gpkg.*expected"),
    "no such polygon column": (
        lambda told: told["account"]["by"][1].update(column="canton"), nothing, r"canton.*expected.*district",
    ),
    "truth elsewhere": (lambda told: told["account"]["truth"][0].update(layer="0-20"), nothing, r"0-20.*expected.*0-30"),
    "no root": (lambda told: told.update(root="nowhere"), nothing, r"root: found no folder"),
}


@pytest.mark.parametrize("name", EARLY)
def test_fault_that_shows_before_the_work(command, tiny, tmp_path, name):
    change, spoil, expected = EARLY[name]
    path = tiny.copy(tmp_path / "input", change)
    spoil(path.parent)
    out = tmp_path / "run"
    status, faults, screen = command("run", path, "-o", out)
    assert (status, len(faults), screen) == (2, 2 if name == "no coordinates" else 1, ""), faults  # lon and lat
    assert all(re.search(expected, line) and "expected" in line for line in faults), faults
    assert all(re.match(r"edaphic: recipe\.yaml:\d+: [a-z]", line) for line in faults), faults
    assert not out.exists()
    assert command("check", path) == (2, faults, "")


def test_a_files_fault_names_the_line_and_the_key(command, tiny, tmp_path):
    """Each is at the key that has to be changed, whatever the file is called."""

    def change(told):
        told["maps"].update(masks=[{"name": "lake", "path": "lake.gpkg"}])
        told["account"]["by"][1].update(column="canton")
        told["covariates"]["layers"].append({"path": "broken.tif"})

    path = tiny.copy(tmp_path / "input", change)
    (path.parent / "lake.gpkg").write_text("no polygons")
    (path.parent / "broken.tif").write_bytes(b"")
    status, faults, _ = command("check", path)
    text = path.read_text().splitlines()
    assert status == 2 and len(faults) == 3, faults
    found = {re.match(r"edaphic: recipe\.yaml:(\d+): (\S+)", line).groups() for line in faults}
    keys = {key: text[int(line) - 1] for line, key in found}
    assert len(keys) == 3 and "lake" in keys["maps.masks"] and "canton" in keys["account.by"]
    (broken,) = (text for key, text in keys.items() if key.startswith("covariates.layers["))
    assert "broken.tif" in broken


def test_a_faulty_key_does_not_hide_what_else_is_wrong(command, tiny, tmp_path):
    """Neither a basis that is missing in the columns of a table nor covariates whose error is told and that are none."""

    def change(told):
        columns = source_of(told)["columns"]
        columns["soc"].pop("unit")
        columns["bulk_density"].pop("basis")
        told["maps"]["monte_carlo"] = {
            "range_km": 10, "draws": 10, "forests": 2,
            "inputs": {"nope": {"sd": 1}, "slope": {"sd": -3}, "land_cover": {"sd": 1}},
        }  # fmt: skip

    path = tiny.copy(tmp_path / "input", change)
    status, faults, _ = command("check", path)
    told = "\n".join(faults)
    assert status == 2 and len(faults) == 5, faults
    for words in (
        r"columns\.soc.unit: found no unit",
        r"columns\.bulk_density: horizons\.csv: found no basis",
        r"inputs\.slope\.sd: found -3",
        r"inputs\.nope: no covariate",
        r"inputs\.land_cover: sd of a covariate of kind class",
    ):
        assert re.search(words, told), told


LATE: dict[str, tuple[Callable[[dict[str, Any]], object], Callable[[Path], object], str, str]] = {
    "one profile": (nothing, edit_table("horizons.csv", lambda t: t[t["PROFILE"] == t["PROFILE"].iloc[0]]), r"profile.*expected", ""),
    "no carbon": (nothing, edit_table("horizons.csv", lambda t: t.assign(OC_PCT=np.nan)), r"expected", ""),
    "constant target": (
        lambda told: source_of(told)["columns"].update(bulk_density={"value": 1.3, "unit": "g/cm3", "basis": "fine_earth"}),
        edit_table("horizons.csv", lambda t: t.assign(OC_PCT=1.0, STONES=0.0)), r"in all \d+ rows; expected values that differ",
        "covariates",
    ),
    "layers below all": (
        lambda told: (told["profiles"].update(layers=["300-400"]), told["account"].pop("truth")), nothing, r"300-400|layer.*expected", "",
    ),
    "too few places": (lambda told: told["evidence"].update(folds=150), nothing, r"(150|fold).*expected", ""),
    "constant covariates": (
        nothing,
        lambda folder: [
            rewrite_raster(p.name, lambda d: np.full_like(d, 3))(folder) for p in sorted((folder / "covariates").glob("*.tif"))
        ],
        r"(constant|covariate).*expected",
        "covariates",
    ),
    "truncated raster": (nothing, truncate("covariates/elevation.tif", 0.6), r"elevation.*expected", ""),
    "profiles off the grid": (nothing, edit_table("sites.csv", lambda t: t.assign(LON=t["LON"] - 20)), r"expected", ""),
}


@pytest.mark.parametrize("name", LATE)
def test_fault_that_shows_in_the_work(command, tiny, tmp_path, name):
    change, spoil, expected, stage = LATE[name]
    path = tiny.copy(tmp_path / "input", change)
    spoil(path.parent)
    out = tmp_path / "run"
    status, faults, screen = command("run", path, "-o", out, "--threads", 1)
    assert status == 2 and screen == "" and len(faults) >= 1, faults
    assert all(re.search(expected, line) and "expected" in line for line in faults), faults
    if out.exists():
        assert_tidy(out)
    if stage:
        assert (out / ".edaphic" / f"{stage}.json").is_file()


def test_run_goes_on_once_the_fault_is_mended(command, tiny, tmp_path):
    path = tiny.copy(tmp_path / "input", lambda told: told["maps"].update(mask={"land_cover": [1, 2, 3, 4, 5]}))
    out = tmp_path / "run"
    assert command("run", path, "-o", out)[0] == 2
    told = yaml.safe_load(path.read_text())
    told["maps"]["mask"] = {"land_cover": [5]}
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    status, faults, _ = command("run", path, "-o", out, "--until", "account")
    assert (status, faults) == (0, [])
    assert (out / "tables" / "stocks.csv").is_file()
    assert_tidy(out)


FIVE = """\
edaphic: 1
nme: x
name: five faults
seed: minus
grid: {like: a.tif}
profiles:
  sources: [{horizons: h.csv, crs: 4326}]
  layers: [30-0]
covariates: {layers: [{path: a.tif, kind: clas}]}
evidence: {folds: 1}
"""


def test_five_faults_of_a_recipe_are_five_lines(command, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(FIVE.replace("crs: 4326", "crs: EPSG:4326"))
    status, faults, _ = command("run", path, "-o", tmp_path / "run")
    assert status == 2
    assert [re.match(r"edaphic: recipe\.yaml:(\d+): ", line)[1] for line in faults] == ["2", "4", "8", "9", "10"], faults
    assert all("; expected " in line for line in faults)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("edaphic: 1\nname: [a\nseed: 7\n", r"recipe\.yaml:\d+: found .*; expected"),
        ("", r"recipe\.yaml:1: found nothing; expected a recipe"),
        ("- 1\n", r"recipe\.yaml:1: found .*; expected"),
        ("a\tb: \x00", r"recipe\.yaml:\d+: found .*; expected"),
    ],
)
def test_text_that_is_no_recipe(command, tmp_path, text, expected):
    (tmp_path / "recipe.yaml").write_text(text)
    status, faults, _ = command("check", tmp_path / "recipe.yaml")
    assert status == 2 and len(faults) == 1
    assert re.search(expected, faults[0]), faults


def test_recipe_that_is_not_there(command, tmp_path):
    status, faults, _ = command("run", tmp_path / "none.yaml", "-o", tmp_path / "run")
    assert status == 2 and len(faults) == 1
    assert re.search(r"none\.yaml: found no readable file .*; expected a recipe in YAML", faults[0])
    assert not (tmp_path / "run").exists()


def test_until_needs_a_stage_before_anything_is_read(command, tmp_path, tiny):
    path = tiny.copy(tmp_path / "input")
    status, faults, _ = command("run", path, "-o", tmp_path / "run", "--until", "nonsense")
    assert status == 2 and len(faults) == 1
    assert "--until nonsense: no such stage; expected one of profiles" in faults[0]
    assert not (tmp_path / "run").exists()


def test_folder_of_others_is_left_alone(command, tiny, tmp_path):
    path, out = tiny.copy(tmp_path / "input"), tmp_path / "run"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    status, faults, _ = command("run", path, "-o", out)
    assert status == 2 and len(faults) == 1 and "expected an empty or new folder" in faults[0]
    assert [p.name for p in out.iterdir()] == ["thesis.txt"]


def test_output_that_is_a_file(command, tiny, tmp_path):
    path, out = tiny.copy(tmp_path / "input"), tmp_path / "run"
    out.write_text("mine")
    status, faults, _ = command("run", path, "-o", out)
    assert status == 2 and len(faults) == 1 and "expected a folder" in faults[0]
    assert out.read_text() == "mine"


def test_output_below_a_file(command, tiny, tmp_path):
    path, out = tiny.copy(tmp_path / "input"), tmp_path / "file" / "run"
    (tmp_path / "file").write_text("mine")
    status, faults, _ = command("run", path, "-o", out)
    assert status == 2 and len(faults) == 1 and "expected a folder" in faults[0]


def test_report_of_no_run(command, tmp_path):
    status, faults, _ = command("report", tmp_path)
    assert status == 2 and len(faults) == 1 and "expected the folder of a run" in faults[0]


# Killed ---------------------------------------------------------------------------------------------------------------

DATA = ("profiles", "covariates", "model", "evidence", "maps", "tables")


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for part in DATA for path in (folder / part).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def start(path: Path, out: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "edaphic", "run", str(path), "-o", str(out), "--threads", "1", "--until", "account"]
    return subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def line_starts(process: subprocess.Popen[str]) -> int:
    """Lines of progress until the end."""
    assert process.stderr is not None
    return sum(1 for _ in process.stderr)


def test_killed_at_five_moments_ends_with_the_same_bytes(tiny, tmp_path):
    """Moments are counted in lines of progress, so that a slow machine is killed where a fast one is; a little random time after each."""
    path = tiny.copy(tmp_path / "input")
    undisturbed = start(path, tmp_path / "whole")
    lines = line_starts(undisturbed)
    assert undisturbed.wait() == 0
    dice = random.Random(11)
    out, killed = tmp_path / "killed", 0
    for _ in range(5):
        process = start(path, out)
        assert process.stderr is not None
        for _ in range(dice.randrange(3, lines // 2)):
            if not process.stderr.readline():
                break
        time.sleep(dice.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stderr.close()
    assert killed >= 3
    last = start(path, out)
    line_starts(last)
    assert last.wait() == 0
    assert digests(out) == digests(tmp_path / "whole")
    assert_tidy(out)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_second_run_in_one_folder_is_refused(command, tiny, tmp_path):
    path, out = tiny.copy(tmp_path / "input"), tmp_path / "run"
    first = start(path, out)
    assert first.stderr is not None
    try:
        while not first.stderr.readline().startswith("profiles"):
            pass
        first.send_signal(signal.SIGSTOP)
        status, faults, _ = command("run", path, "-o", out)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
        first.stderr.close()
    assert status == 2 and len(faults) == 1
    assert f"process {first.pid} is running in it" in faults[0]
