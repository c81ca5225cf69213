"""The command line: help, templates, schema, check."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from edaphic import __version__, recipe

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
