import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from edaphic import manifest as of_runs
from edaphic.errors import RunError
from edaphic.manifest import changes, key_of, open_run, peak_memory, sha256_of
from edaphic.mapping.ledger import LEDGER, Lines, kept_tiles


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


def test_peak_memory_sees_children():
    script = "import time; block = bytearray(150_000_000); time.sleep(1.2)"
    with peak_memory(0.01) as alone:
        pass
    with peak_memory(0.01) as together:
        subprocess.run([sys.executable, "-c", script], check=True)
    assert together["mb"] > alone["mb"] + 120


OLD = {"edaphic": "0.1", "numpy": "2.1", "recipe: maps.stats": "a", "input covs/dem.tif": "b", "stage model": "c", "input gone.tif": "d"}
NEW = {"edaphic": "0.1", "numpy": "2.2", "recipe: maps.stats": "z", "input covs/dem.tif": "z", "stage model": "z", "input new.tif": "e"}


def test_what_changed_is_named(tmp_path):
    with open_run(tmp_path / "run") as manifest:
        manifest.run_stage("maps", "one", writes(a="1"), parts=OLD)
        assert manifest.why_again("maps", "two", OLD | {"recipe: maps.stats": "z"}) == "recipe: maps.stats changed"
        assert manifest.why_again("maps", "two", NEW) == (
            "numpy 2.1 -> 2.2; recipe: maps.stats changed; input covs/dem.tif changed; stage model made anew; and 2 more"
        )
        assert manifest.why_again("maps", "two") == "inputs, recipe or version changed"
        manifest.forget(["maps"])
        assert manifest.why_again("maps", "one", OLD) == "asked for anew"
        manifest.write_run_json(["maps"])
    assert "parts" not in json.loads((tmp_path / "run/run.json").read_text())["stages"]["maps"]
    assert changes({"input a": "1"}, {"input b": "1"}) == "input a left out; input b new"
    with_keys = {"recipe: maps.bedrock.path": "1", "recipe: maps.bedrock.unit": "2", "recipe: maps.bedrocks": "3"}
    without = {"recipe: maps.bedrock": "0", "recipe: maps.bedrocks": "3"}
    assert changes(without, with_keys) == changes(with_keys, without) == "recipe: maps.bedrock changed"
    assert changes(None, OLD) == changes({}, OLD) == "inputs, recipe or version changed"


def test_tiles_of_another_key_are_lost_with_a_word(tmp_path):
    said: list[str] = []
    with open_run(tmp_path / "run") as manifest:
        kept = manifest.partial("maps", "a" * 64, OLD)
        lines = Lines(kept / LEDGER)
        for number in (0, 1, 1):
            lines.append({"t": number})
        manifest.partial("maps", "a" * 64, OLD, lambda text, *_: said.append(text))
        assert said == []
        manifest.partial("maps", "b" * 64, OLD | {"stage model": "z"}, lambda text, *_: said.append(text))
    assert said == ["note: maps: 2 finished tiles of an interrupted run are not taken up (stage model made anew)"]


@pytest.mark.parametrize("harm", ["changed", "vanished"])
def test_an_input_that_changes_meanwhile_is_not_stamped(tmp_path, harm):
    path = tmp_path / "dem.tif"
    path.write_text("as it was")

    def body(work: Path, partial: Path) -> None:
        (partial / "tile").write_text("half of it")
        writes(a="1")(work, partial)
        if harm == "changed":
            path.write_text("as it is!")
        else:
            path.unlink()

    with open_run(tmp_path / "run") as manifest:
        manifest.hash_inputs([path])
        with pytest.raises(RunError, match=rf"dem\.tif: {harm} while the run was at work; expected inputs to stay as they are"):
            manifest.run_stage("maps", "key", body, inputs=[path])
        assert not manifest.unchanged("maps", "key") and not (tmp_path / "run/profiles").exists()
        # What was finished from a file that is gone is right; from one that changed, nobody knows.
        assert (manifest.partial("maps", "key") / "tile").exists() == (harm == "vanished")
        path.write_text("as it was")
        manifest.hash_inputs([path])
        manifest.run_stage("maps", "key", writes(a="1"), inputs=[path])
        assert manifest.unchanged("maps", "key")


def test_an_input_that_is_only_touched_is_the_same(tmp_path):
    path = tmp_path / "dem.tif"
    path.write_text("as it was")
    with open_run(tmp_path / "run") as manifest:
        manifest.hash_inputs([path])
        manifest.run_stage("maps", "key", lambda work, partial: os.utime(path, (1, 1)), inputs=[path])
        assert manifest.finished("maps")


def test_neither_a_run_nor_maps_of_predict_replace_the_other(tmp_path):
    for of, other, why in (("run", "predict", "the folder of a run"), ("predict", "run", "a folder of maps that edaphic predict made")):
        folder = tmp_path / of
        with open_run(folder, of):
            pass
        before = sorted(path.name for path in folder.rglob("*"))
        with pytest.raises(RunError, match=f"{why}; expected a new or empty folder, or "), open_run(folder, other):
            pass
        assert sorted(path.name for path in folder.rglob("*")) == before
        with open_run(folder, of):
            pass


@pytest.mark.parametrize(("left", "other"), [("predict.json", "run"), ("partial/predict", "run"), ("maps.json", "predict")])
def test_folders_from_before_are_known_by_what_they_hold(tmp_path, left, other):
    (tmp_path / ".edaphic" / left).mkdir(parents=True)
    with pytest.raises(RunError, match="expected a new or empty folder"), open_run(tmp_path, other):
        pass


def test_a_lock_that_is_being_written_is_waited_for(tmp_path):
    lock = tmp_path / ".edaphic" / "lock"
    lock.parent.mkdir()
    lock.touch()
    mine = {"pid": os.getpid(), "started": psutil.Process().create_time()}
    writer = threading.Timer(0.1, lambda: lock.write_text(json.dumps(mine)))
    writer.start()
    with pytest.raises(RunError, match="is running in it"), open_run(tmp_path):
        pass
    writer.join()
    assert json.loads(lock.read_text()) == mine


def test_of_many_that_find_the_lock_of_a_dead_process_one_gets_it(tmp_path):
    """All see the same dead holder; those that come late must not remove the lock of the first."""
    hidden = tmp_path / "run" / ".edaphic"
    for _ in range(20):
        hidden.mkdir(parents=True, exist_ok=True)
        (hidden / "lock").write_text(json.dumps({"pid": 2**22 + 1, "started": 0.0}))
        dead = json.loads((hidden / "lock").read_text())
        with open_run(tmp_path / "run"):
            held = (hidden / "lock").read_text()
            of_runs._put_away(hidden / "lock", dead)
            assert (hidden / "lock").read_text() == held
    assert not list(hidden.glob("lock*"))


def test_what_a_kill_right_after_a_stage_left_goes(tmp_path):
    with open_run(tmp_path / "run") as run:
        (run.partial("maps", "k") / "tiles").write_text("many")
        run.tidy("maps")
        assert not (tmp_path / "run" / ".edaphic" / "partial" / "maps").exists()


def test_a_fault_before_anything_is_done_leaves_no_new_folder(tmp_path):
    def fails(work, partial):
        (work / "half").write_text("x")
        raise RunError("no")

    def attempt(folder, stage=fails):
        with pytest.raises(RunError, match="no"), open_run(folder) as manifest:
            manifest.hash_inputs([])
            manifest.run_stage("maps", "k", stage, parts={"a": "b"})

    attempt(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    attempt(tmp_path / "mine" / "new")
    assert list((tmp_path / "mine").iterdir()) == []
    attempt(tmp_path / "mine")  # an empty folder that was there stays there
    assert (tmp_path / "mine").is_dir() and list((tmp_path / "mine").iterdir()) == []


def test_a_fault_after_something_was_done_leaves_it(tmp_path):
    with pytest.raises(RunError, match="later"), open_run(tmp_path / "done") as manifest:
        manifest.run_stage("profiles", "k", writes(table="1"))
        raise RunError("later")
    with open_run(tmp_path / "done") as manifest:
        assert manifest.unchanged("profiles", "k")

    def some_tiles(work, partial):
        Lines(partial / LEDGER).append({"t": 0})
        raise RunError("later")

    with pytest.raises(RunError, match="later"), open_run(tmp_path / "tiles") as manifest:
        manifest.run_stage("maps", "k", some_tiles)
    assert kept_tiles(next((tmp_path / "tiles" / ".edaphic" / "partial" / "maps").iterdir())) == 1
    # A folder of an earlier call stays, whatever becomes of a later one.
    (tmp_path / "old" / ".edaphic").mkdir(parents=True)
    with pytest.raises(RunError, match="later"), open_run(tmp_path / "old"):
        raise RunError("later")
    assert (tmp_path / "old" / ".edaphic").is_dir()
