"""A run with Monte Carlo: what it leaves, what it does again, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml

from edaphic import recipe, run
from edaphic.errors import EdaphicError
from edaphic.recipe import MonteCarlo
from edaphic.run import Listener
from edaphic.stages import EVERY_STAGE, growing, montecarlo, stages_of

SMALL = {"range_km": 4.0, "draws": 40, "forests": 4, "trees": 5, "inputs": {"elevation": {"sd": 20.0}, "land_cover": {"wrong": 0.2}}}
EVERY = [name for name in EVERY_STAGE if name not in ("drivers", "deliver")]
STAGES = [name for name in EVERY if name != "montecarlo"]


def small(told: dict[str, Any], **changes: Any) -> None:
    told["account"]["total"] = {"realisations": 100, "forests": 0}  # forests of Monte Carlo alone are counted
    told["maps"]["monte_carlo"] = {**SMALL, **changes}
    told["account"]["by"] = ["land_cover"]


def followed(path: Path, out: Path, **options: Any) -> tuple[list[str], list[str]]:
    """Run; the stages that were not skipped, and the notes."""
    worked: list[str] = []
    notes: list[str] = []
    stage = lambda name, note: worked.append(name) if name in EVERY and "skipped" not in note else None  # noqa: E731
    run.run(path, out, listener=Listener(stage, lambda text, done, total: notes.append(text), lambda seconds: None), **options)
    return worked, notes


def digests(folder: Path) -> dict[str, str]:
    files = [*(folder / "maps" / "monte_carlo").iterdir(), *(folder / "tables").glob("monte_carlo*")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(told)
    path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    place = tmp_path_factory.mktemp("montecarlo")
    path = tiny.copy(place / "input", small)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edaphic.report.pictures.png_bytes", lambda figure: bytes(40))  # nobody looks at the figures
        worked, notes = followed(path, place / "run")
    assert worked == EVERY
    return path, place / "run", notes


@pytest.fixture
def again(finished, tmp_path):
    path, out, _ = finished
    shutil.copytree(path.parent, tmp_path / "input")
    shutil.copytree(out, tmp_path / "run")
    return tmp_path / "input" / path.name, tmp_path / "run"


def band(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1)


def test_maps_and_tables_are_there_and_fit_each_other(finished):
    _, out, _ = finished
    folder = out / "maps" / "monte_carlo"
    stats = ("mc_mean", "mc_sd", "mc_q025", "mc_q975")
    names = {f"soc_stock_{stat}_{depth}cm.tif" for stat in stats for depth in ("0-30", "30-60", "0-60")}
    assert {path.name for path in folder.glob("*.tif")} == names and (folder / "catalog.json").is_file()
    low, mean, high = (band(folder / f"soc_stock_{stat}_0-30cm.tif") for stat in ("mc_q025", "mc_mean", "mc_q975"))
    here = ~np.isnan(mean)
    assert (low[here] < mean[here]).all() and (mean[here] < high[here]).all()
    assert np.array_equal(here, ~np.isnan(band(out / "maps" / "soc_stock_mean_0-30cm.tif")))
    parts = [band(folder / f"soc_stock_mc_mean_{depth}cm.tif") for depth in ("0-30", "30-60", "0-60")]
    assert np.nanmax(np.abs(parts[0] + parts[1] - parts[2])) < 1e-4
    with rasterio.open(folder / "soc_stock_mc_q025_0-30cm.tif") as source:
        assert source.tags()["EDAPHIC_STATISTIC"] == "mc_q025" and source.tags()["UNIT"] == "kg/m2"
    drawn = pd.read_parquet(out / "tables" / "monte_carlo_realisations.parquet")
    said = pd.read_csv(out / "tables" / "monte_carlo.csv")
    assert drawn.groupby(["by", "class", "layer"]).size().eq(40).all() and (drawn["unit"] == "Tg").all()
    of_all = drawn[(drawn["by"] == "all") & (drawn["layer"] == "0-60 cm")]["total"]
    row = said[(said["by"] == "all") & (said["layer"] == "0-60 cm")].iloc[0]
    assert row["total_Tg_q025"] == pytest.approx(np.quantile(of_all, 0.025)) and row["total_Tg_sd"] == pytest.approx(of_all.std())
    stocks = pd.read_csv(out / "tables" / "stocks.csv")
    stock = stocks[(stocks["by"] == "all") & (stocks["bottom_cm"] == 60) & (stocks["top_cm"] == 0)].iloc[0]
    assert row["area_km2"] == pytest.approx(stock["area_km2"], rel=1e-6) and row["cells"] == stock["cells"]
    assert row["total_Tg"] == pytest.approx(stock["total_Tg"], rel=0.25)
    classes = said[(said["by"] == "land_cover") & (said["layer"] == "0-60 cm")]
    assert classes["total_Tg"].sum() == pytest.approx(row["total_Tg"], rel=1e-9)
    told = json.loads((out / "tables" / "monte_carlo.json").read_text())
    assert told["realisations"] == 40 and told["design"] == "crossed" and any("independently" in note for note in told["notes"])
    inputs = pd.read_csv(out / "tables" / "monte_carlo_inputs.csv").set_index("covariate")
    assert inputs.loc["elevation", ["relative_sd", "sd"]].tolist() == [0.0, 20.0]
    assert list(json.loads((out / "run.json").read_text())["stages"]) == EVERY


@pytest.mark.usefixtures("undrawn")
def test_unchanged_is_skipped_and_the_maps_do_not_heed_it(again):
    path, out = again
    assert followed(path, out)[0] == []
    before = {path.name: path.read_bytes() for path in (out / "maps").glob("*.tif")}
    rewrite(path, lambda told: small(told, residual=False))
    worked, notes = followed(path, out)
    assert worked == ["montecarlo", "report"]
    assert any("as in the paper" in note for note in notes)
    assert all((out / "maps" / name).read_bytes() == content for name, content in before.items())
    rewrite(path, lambda told: told["maps"].update(stats=["mean", "q05", "q95", "q50"]))
    assert followed(path, out, until="montecarlo")[0] == ["maps"]


@pytest.mark.usefixtures("undrawn")
def test_left_out_again_nothing_of_it_stays(again):
    path, out = again
    rewrite(path, lambda told: told["maps"].pop("monte_carlo"))
    assert 'id="monte-carlo"' in (out / "report.html").read_text(encoding="utf-8")
    assert followed(path, out)[0] == ["report"]
    assert 'id="monte-carlo"' not in (out / "report.html").read_text(encoding="utf-8")
    assert not list((out / "maps").rglob("*_mc_*")) and not list((out / "tables").glob("monte_carlo*"))
    assert list(json.loads((out / "run.json").read_text())["stages"]) == list(STAGES)


def test_tiles_threads_and_a_kill_change_no_bit(again, monkeypatch):
    path, out = again
    expected = digests(out)
    rewrite(path, lambda told: told["maps"].update(window=16))
    grown, real, tiles = [], growing.bootstrap_model, montecarlo.run_tiles

    def dies(given, number, workers):
        if number == 2 and not grown.count(2):
            grown.append(2)
            raise KeyboardInterrupt
        grown.append(number)
        return real(given, number, workers)

    monkeypatch.setattr(growing, "bootstrap_model", dies)
    key = out / ".edaphic" / "montecarlo.json"
    key.unlink()
    with pytest.raises(KeyboardInterrupt):
        followed(path, out)
    harmed = next((out / ".edaphic" / "partial" / "montecarlo").rglob("forest_00001.npz"))
    harmed.write_bytes(harmed.read_bytes()[:-200])
    stopped = []

    def halts(work, plan, store, say):
        def half(window):
            if window.row == 16 and window.col == 16 and not stopped:
                stopped.append(window)
                raise KeyboardInterrupt
            return work(window)

        tiles(half, plan, store, say)

    monkeypatch.setattr(montecarlo, "run_tiles", halts)
    with pytest.raises(KeyboardInterrupt):
        followed(path, out, workers=2)
    assert "montecarlo" in followed(path, out, workers=2)[0]
    assert grown == [0, 1, 2, 1, 2, 3] and stopped  # the damaged one again
    assert digests(out) == expected


def refused(tiny, place: Path, **changes: Any) -> str:
    path = tiny.copy(place, lambda told: small(told, **changes))
    with pytest.raises(EdaphicError) as fault:
        run.check(path)
    return "\n".join(fault.value.faults).replace(": found ", ": ")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"range_km": None}, "maps.monte_carlo.range_km: no such key; expected the distance in km"),
        ({"independent": True}, "maps.monte_carlo.range_km: 4.0 beside independent: true; expected one of them"),
        ({"range_km": 0.0001}, "maps.monte_carlo.range_km: 0.0001; expected at least the side of a cell"),
        ({"draws": 41}, "maps.monte_carlo.draws: 41 on 4 forests; expected a multiple"),
        ({"design": "single"}, "maps.monte_carlo.forests: 4 with the design single and 40 draws"),
        ({"relative_sd": -0.1}, "maps.monte_carlo.relative_sd: -0.1; expected a number of at least 0"),
        ({"inputs": {"elevatoin": {"sd": 1.0}}}, "maps.monte_carlo.inputs.elevatoin: no covariate"),
        ({"inputs": {"elevation": {"sd": -1.0}}}, "maps.monte_carlo.inputs.elevation.sd: -1.0; expected a number of at least 0"),
        ({"inputs": {"elevation": {"sd": 1.0, "relative": 0.1}}}, "maps.monte_carlo.inputs.elevation: relative and sd; expected one of"),
        ({"inputs": {"elevation": {"wrong": 0.1}}}, "wrong of a covariate of kind continuous; expected relative or sd"),
        ({"inputs": {"land_cover": {"sd": 0.1}}}, "sd of a covariate of kind class; expected wrong"),
        ({"inputs": {"land_cover": {"wrong": 1.5}}}, "maps.monte_carlo.inputs.land_cover.wrong: 1.5; expected a number of at most 1"),
        ({"levels": [0.975, 0.025]}, "maps.monte_carlo.levels: [0.975, 0.025]; expected two levels or more from 0.0001 to 0.9999, rising"),
        ({"levels": [0.05, 0.05000001]}, "maps.monte_carlo.levels: [0.05, 0.05]; expected two levels or more from 0.0001 to 0.9999"),
        ({"levels": [0.00001, 0.5]}, "maps.monte_carlo.levels: [1e-05, 0.5]; expected two levels or more from 0.0001 to 0.9999, rising"),
    ],
)
def test_bad_sections_are_refused_in_one_line(tiny, tmp_path, changes, said):
    assert said in refused(tiny, tmp_path / "input", **changes)


def test_the_check_tells_what_it_will_cost(tiny, tmp_path):
    path = tiny.copy(tmp_path / "input", small)
    told, size = run.check(path)
    assert [note for note in size.notes if "40 realisations (crossed: 4 forests of 5 trees), roughly" in note and "core hours" in note]
    assert list(stages_of(told)) == EVERY


def test_designs_of_the_recipe():
    assert (MonteCarlo(range_km=5.0).grown, MonteCarlo(range_km=5.0).realisations) == (100, 1000)
    assert (MonteCarlo(range_km=5.0, design="single", draws=300).grown, MonteCarlo(independent=True).range_km) == (300, None)
    assert MonteCarlo(range_km=5.0, design="nested", draws=7, forests=3).realisations == 21


def test_the_template_still_says_every_key():
    text = recipe.template("start")
    assert all(f"#   {name}:" in text for name in MonteCarlo.model_fields)
