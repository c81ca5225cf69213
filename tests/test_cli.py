"""The command line: help, templates, schema, check."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import yaml

from edaphic import __version__, recipe
from edaphic.cli.app import plain_lines

VERBS = ("demo", "template", "schema", "check", "run", "predict", "report", "harmonise", "stock")


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb_has_an_example(command, verb):
    status, screen, _ = command(verb, "--help")
    assert status == 0
    assert f"Example: edaphic {verb}" in screen


def test_help_names_every_verb(command):
    status, screen, _ = command("--help")
    assert status == 0
    assert all(f"\n  {verb} " in screen for verb in VERBS)


def test_template_lists_all(command):
    status, screen, _ = command("template")
    assert status == 0
    assert recipe.template_names() and all(f"{name} " in screen for name in recipe.template_names())


@pytest.mark.parametrize("name", recipe.template_names())
def test_template_prints_a_recipe(command, name):
    status, screen, _ = command("template", name)
    assert status == 0 and screen == recipe.template(name)
    assert yaml.safe_load(screen)["edaphic"] == 1


def test_unknown_template_names_the_known(command):
    status, screen, said = command("template", "nowhere")
    assert (status, screen) == (2, "")
    assert said.startswith("edaphic: ") and "start" in said and said.count("\n") == 1


def test_schema_is_json_and_knows_the_sections(command):
    status, screen, _ = command("schema")
    assert status == 0
    assert {"grid", "profiles", "covariates", "model", "evidence"} <= set(json.loads(screen)["properties"])


def test_check_says_the_size_and_writes_nothing(command, tiny, tmp_path):
    path = tiny.copy(tmp_path / "input")
    before = sorted(tmp_path.rglob("*"))
    status, screen, said = command("check", path)
    assert (status, said) == (0, "")
    assert "no faults found" in screen and "2,000 cells, 2 layers" in screen
    assert "tiles       1 of 40 x 50 cells" in screen
    assert all(word in screen for word in ("profiles    120 with", "covariates  11", "disk", "memory", "time"))
    assert sorted(tmp_path.rglob("*")) == before


def test_version(command):
    assert command("--version") == (0, f"edaphic {__version__}\n", "")


@pytest.mark.parametrize("words", [("walk",), ("run",), ("run", "a.yaml", "--threads", "0"), ("run", "a.yaml", "--nonsense")])
def test_wrong_words_leave_with_status_2(command, words):
    status, screen, said = command(*words)
    assert (status, screen) == (2, "") and "Traceback" not in said


def test_fault_of_our_own_leaves_with_status_1(command, monkeypatch):
    def broken() -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(recipe, "schema", broken)
    status, _, said = command("schema")
    assert status == 1 and "this is a fault of Edaphic" in said and "ZeroDivisionError" in said


def test_python_m_edaphic():
    done = subprocess.run([sys.executable, "-m", "edaphic", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"edaphic {__version__}\n", "")


@pytest.mark.parametrize("verb", ["check", "run"])
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--memory", "much"), "edaphic: --memory: found 'much'; expected a size such as 500MB, 4GB or 2GiB\n"),
        (("--workers", "2", "--scheduler", "tcp://a:1"), "edaphic: --workers: given with --scheduler; expected one of them\n"),
    ],
)
def test_bad_places_are_one_line(command, tiny, tmp_path, verb, words, line):
    path = tiny.copy(tmp_path / "input")
    status, screen, said = command(verb, path, *words, *(("-o", tmp_path / "run") if verb == "run" else ()))
    assert (status, screen) == (2, "") and said.splitlines(keepends=True)[-1] == line
    assert not (tmp_path / "run").exists()


def test_too_little_memory_is_refused_before_the_work(command, tiny, tmp_path):
    path = tiny.copy(tmp_path / "input")
    status, _, said = command("run", path, "-o", tmp_path / "run", "--memory", "60MB")
    assert status == 2 and not (tmp_path / "run").exists()
    assert said.splitlines()[-1].startswith("edaphic: --memory: 60 MB; expected ")


def test_check_and_run_refuse_the_same_memory_and_say_what_will_do(command, tiny, tmp_path, monkeypatch):
    """What this process holds may change from one line to the next, so it is told."""
    for module in ("mapping.place", "mapping.plan", "stages.size"):
        monkeypatch.setattr(f"edaphic.{module}.resident", lambda: 500_000_000)
    path = tiny.copy(tmp_path / "input", lambda told: told["maps"].update(monte_carlo={"range_km": 5, "draws": 10, "forests": 2}))
    _, screen, _ = command("check", path, "--threads", 1)
    (line,) = (line for line in screen.splitlines() if line.startswith("memory"))
    peak, *stages = (int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", line))
    assert [name in line for name in ("model and evidence", "maps", "montecarlo", "report")] == [True] * 4
    assert peak == max(stages) and min(stages) >= 620
    for verb in (("check", path), ("run", path, "-o", tmp_path / "run")):
        status, _, said = command(*verb, "--threads", 1, "--memory", "630MB")
        refused = [line for line in said.splitlines() if "expected at least" in line]
        assert status == 2 and [line.split(": 630 MB")[0] for line in refused] == [
            "edaphic: --memory", "edaphic: --memory (montecarlo)", "edaphic: --memory"
        ]  # fmt: skip
        enough = max(int(re.search(r"at least (\d+) MB", line)[1]) for line in refused)
        assert not (tmp_path / "run").exists()
    assert command("check", path, "--threads", 1, "--memory", f"{enough}MB")[0] == 0
    assert command("check", path, "--threads", 1, "--memory", f"{int(enough * 0.97)}MB")[0] == 2


def test_ctrl_c_is_one_line_and_says_how_to_go_on(command, monkeypatch):
    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(recipe, "schema", stopped)
    assert command("schema") == (130, "", "edaphic: interrupted; the same command goes on where it stopped\n")


def test_a_full_disk_is_one_line(command, monkeypatch):
    words = "No space left on device"
    for fault in (OSError(28, words), OSError("1024 requested and 12 written"), ValueError(f"GDAL: {words}")):

        def full(fault: Exception = fault) -> None:
            raise fault

        monkeypatch.setattr(recipe, "schema", full)
        status, _, said = command("schema")
        assert status == 2 and said == (
            "edaphic: the disk is full; expected room: what is done stays, and the same command goes on with it\n"
        )


def test_a_file_gets_a_line_for_each_tenth_of_a_long_step(capsys):
    listener = plain_lines(sys.stdout)
    listener.stage("maps", "not done yet")
    for done in range(90):
        listener.step("writing maps", done, 90)
    for done in range(300):
        listener.step(f"computing tile {done + 1} of 300", done, 300)
    for fold in range(4):
        listener.step(f"fold {fold + 1} of 4", fold, 4)
    listener.step("note: twice", 0, 0)
    listener.step("note: twice", 0, 0)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[:4] == ["maps: not done yet", "writing maps", "writing maps: 10 %", "writing maps: 20 %"]
    assert [line for line in lines if line.startswith("computing")] == [f"computing tile {n} of 300" for n in range(1, 300, 30)]
    assert lines[-6:] == ["fold 1 of 4", "fold 2 of 4", "fold 3 of 4", "fold 4 of 4", "note: twice", "note: twice"]
    assert len(lines) == 1 + 10 + 10 + 6


def test_a_step_told_in_the_same_words_starts_anew_in_each_stage(capsys):
    listener = plain_lines(sys.stdout)
    for name in ("maps", "account"):
        listener.stage(name, "")
        listener.step("drawing", 0, 1)
    assert capsys.readouterr().out.count("drawing") == 2
