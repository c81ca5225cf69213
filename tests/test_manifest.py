import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edaphic.errors import RunError
from edaphic.manifest import key_of, open_run, peak_memory, sha256_of


def writes(**files):
    def body(work: Path, partial: Path) -> None:
        for name, text in files.items():
            path = work / "profiles" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    return body


def test_a_finished_stage_is_unchanged_until_key_or_file_changes(tmp_path):
    with open_run(tmp_path / "run") as manifest:
        manifest.run_stage("profiles", "key", writes(a="1", b="2"))
        assert manifest.unchanged("profiles", "key")
        assert not manifest.unchanged("profiles", "other")
        (tmp_path / "run/profiles/a").write_text("changed")
        assert not manifest.unchanged("profiles", "key")
        assert manifest.why_again("profiles", "key") == "its files were changed or removed"


def test_a_failing_stage_changes_nothing(tmp_path):
    def fails(work: Path, partial: Path) -> None:
        writes(a="new", c="new")(work, partial)
        raise ValueError("broken")

    with open_run(tmp_path / "run") as manifest:
        manifest.run_stage("profiles", "key", writes(a="1", b="2"))
        with pytest.raises(ValueError, match="broken"):
            manifest.run_stage("profiles", "next", fails)
        assert manifest.unchanged("profiles", "key")
    found = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert "run/profiles/c" not in found and not any("work" in name for name in found)


def test_files_that_a_new_run_of_a_stage_no_longer_makes_are_removed(tmp_path):
    with open_run(tmp_path / "run") as manifest:
        manifest.run_stage("profiles", "one", writes(a="1", b="2"))
        manifest.run_stage("profiles", "two", writes(a="3"))
    assert sorted(p.name for p in (tmp_path / "run/profiles").iterdir()) == ["a"]


def test_what_is_kept_under_another_key_is_removed(tmp_path):
    with open_run(tmp_path / "run") as manifest:
        (manifest.partial("maps", "a" * 64) / "tile").write_text("old")
        again = manifest.partial("maps", "a" * 64)
        assert (again / "tile").exists()
        fresh = manifest.partial("maps", "b" * 64)
        assert list(fresh.iterdir()) == [] and not again.exists()


def test_a_killed_stage_leaves_no_trace_once_run_again(tmp_path):
    script = (
        "import os, pathlib\nfrom edaphic.manifest import open_run\n"
        "def body(work, partial):\n"
        "    (work / 'half').write_text('half'); (partial / 'kept').write_text('kept'); os.kill(os.getpid(), 9)\n"
        f"with open_run(pathlib.Path({str(tmp_path / 'run')!r})) as m: m.run_stage('maps', 'k', body)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with open_run(tmp_path / "run") as manifest:

        def body(work: Path, partial: Path) -> None:
            assert (partial / "kept").read_text() == "kept"
            (work / "whole").write_text("whole")

        manifest.run_stage("maps", "k", body)
    assert [p.name for p in (tmp_path / "run").iterdir() if p.name != ".edaphic"] == ["whole"]


def test_two_runs_in_one_folder_are_refused(tmp_path):
    refused = pytest.raises(RunError, match=f"process {os.getpid()} is running")
    with open_run(tmp_path / "run"), refused, open_run(tmp_path / "run"):
        pass
    with open_run(tmp_path / "run"):
        pass


def test_foreign_folders_and_files_are_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(RunError, match="not a run of Edaphic"), open_run(tmp_path):
        pass
    with pytest.raises(RunError, match="a file"), open_run(tmp_path / "mine.txt"):
        pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.txt"]


def test_inputs_are_hashed_again_when_they_change(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a")
    with open_run(tmp_path / "run") as manifest:
        first = manifest.hash_inputs([path])
        assert first == {str(path): sha256_of(path)}
        path.write_text("bb")
        assert manifest.hash_inputs([path]) != first


def test_a_damaged_stamp_means_run_again(tmp_path):
    with open_run(tmp_path / "run") as manifest:
        manifest.run_stage("profiles", "key", writes(a="1"))
        (tmp_path / "run/.edaphic/profiles.json").write_text('{"key": ')
        assert not manifest.unchanged("profiles", "key")


def test_run_json_holds_head_and_stages(tmp_path):
    with open_run(tmp_path / "run") as manifest:
        manifest.head["seed"] = 7
        manifest.run_stage("profiles", "key", writes(a="1"))
        manifest.write_run_json(["profiles", "maps"])
    document = json.loads((tmp_path / "run/run.json").read_text())
    assert document["seed"] == 7 and list(document["stages"]) == ["profiles"]
    assert document["stages"]["profiles"]["peak_memory_mb"] > 10


def test_key_depends_on_content_only():
    assert key_of({"a": [1, 2], "b": None}) != key_of({"a": [2, 1], "b": None})


def test_peak_memory_sees_a_large_array():
    with peak_memory(0.005) as small:
        pass
    with peak_memory(0.005) as large:
        block = bytearray(200_000_000)
        for i in range(0, len(block), 4096):
            block[i] = 1
    assert large["mb"] > small["mb"] + 150
