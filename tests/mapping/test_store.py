"""The store of tiles: what is taken up after a kill, and what is not."""

from __future__ import annotations

import json
import os
import re
import shutil

import numpy as np
import pytest
import xarray
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_work import KINDS, Toy, grid_of, whole

from edaphic.errors import RunError
from edaphic.mapping.ledger import Lines
from edaphic.mapping.packing import EMPTY, pack
from edaphic.mapping.place import Place
from edaphic.mapping.plan import Plan, plan_tiles
from edaphic.mapping.store import TileStore, kept_size

WORK = Toy()


def plan_of(rows: int = 100, cols: int = 150, window: int = 32) -> Plan:
    return plan_tiles(grid_of(rows, cols), [], bytes_per_cell=10, fixed_bytes=0, place=Place(memory=10**11), window=window)


def fill(store: TileStore, most: int = 10**9) -> TileStore:
    for tile in store.missing()[:most]:
        store.put(tile, *WORK(tile))
    return store


@pytest.fixture
def filled(tmp_path):
    return fill(TileStore(tmp_path / "kept", plan_of(), KINDS, "key"))


def again(store: TileStore, **changes) -> TileStore:
    plan = changes.get("plan", store.plan)
    return TileStore(store.folder, plan, changes.get("arrays", KINDS), changes.get("key", store.key))


def chunk_of(store: TileStore, name: str, down: int, across: int):
    return store.folder / "tiles.zarr" / name / "c" / str(down) / str(across)


def test_tiles_come_back_as_they_were(filled):
    expected, _ = WORK(type(filled.tiles[0])(0, 0, 100, 150))
    for name in KINDS:
        assert whole(filled, name).tobytes() == expected[name].tobytes()
    assert sum(fact["cells"] for fact in filled.facts()) == np.isfinite(expected["mean"]).sum()
    assert [fact["row"] for fact in filled.facts()] == [tile.row for tile in filled.tiles]


def test_zarr_and_xarray_read_the_store_while_it_grows(tmp_path):
    store = fill(TileStore(tmp_path, plan_of(), KINDS, "key"), 7)
    seen = zarr.open_group(tmp_path / "tiles.zarr", mode="r")
    there = xarray.open_zarr(tmp_path / "tiles.zarr", consolidated=False)
    expected, _ = WORK(type(store.tiles[0])(0, 0, 32, 150))
    assert seen["mean"][:32].tobytes() == expected["mean"].tobytes()
    assert seen["class"][:32].tobytes() == expected["class"].tobytes()
    assert np.isnan(seen["mean"][64:]).all() and (seen["scaled"][64:] == -32768).all()
    assert there["mean"].dims == ("y", "x") and float(there["class"][64:].count()) == 0


def test_chunks_without_a_value_take_no_room(tmp_path):
    store = TileStore(tmp_path, plan_of(), ["mean"], "key")
    for tile in store.missing():
        store.put(tile, {"mean": np.full(tile.shape, np.nan, np.float32)}, {})
    assert not (tmp_path / "tiles.zarr" / "mean" / "c").exists()
    assert np.isnan(whole(TileStore(tmp_path, plan_of(), ["mean"], "key"), "mean")).all()


def test_what_is_done_is_taken_up(tmp_path):
    fill(TileStore(tmp_path, plan_of(), KINDS, "key"), 7)
    store = TileStore(tmp_path, plan_of(), KINDS, "key")
    assert len(store.missing()) == len(store.tiles) - 7
    assert store.notes == ["7 of 20 tiles were finished before and are taken up"]
    assert kept_size(tmp_path, "key") == (32, 32) and kept_size(tmp_path, "other") is None and kept_size(tmp_path / "no", "key") is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": "other"}, "the recipe, the model or an input has changed"),
        ({"plan": plan_of(window=64)}, r"they have another size \(32 x 32 cells\)"),
        ({"plan": plan_of(rows=101)}, "the grid has changed"),
        ({"arrays": {"mean": "float32"}}, "other statistics are asked for"),
    ],
)
def test_a_store_of_something_else_is_not_taken_up(filled, changes, why):
    store = again(filled, **changes)
    assert len(store.missing()) == len(store.tiles)
    assert len(store.notes) == 1 and store.notes[0].startswith("20 tiles that were kept are not taken up: ")
    assert re.search(why, store.notes[0])
    with pytest.raises(RunError, match=r"tile 1 of .* is missing"):
        list(store.read("mean"))


@pytest.mark.parametrize("harm", ["cut", "empty", "gone", "longer"])
def test_a_chunk_of_another_size_makes_its_tile_missing(filled, harm):
    path = chunk_of(filled, "mean", 1, 2)
    held = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": held[:-1], "empty": b"", "longer": held + b"1"}[harm])
    before = whole(fill(TileStore(filled.folder.parent / "other", plan_of(), KINDS, "key")), "mean")
    store = again(filled)
    assert [store.tiles.number(tile) for tile in store.missing()] == [7]
    assert "tile 8 of 20 is computed again: a chunk is missing or has another size" in store.notes
    assert whole(fill(store), "mean").tobytes() == before.tobytes()


def test_a_changed_byte_is_found_when_the_tile_is_read(filled):
    path = chunk_of(filled, "mean", 1, 2)
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    before = whole(filled, "mean")
    path.write_bytes(held)
    store = again(filled)
    assert len(store.missing()) == 0  # its size is right
    with pytest.raises(RunError, match=r"damaged on disk; expected .*: the same command computes its tile again"):
        whole(store, "mean")
    assert len(store.missing()) == 1 and len(again(filled).missing()) == 1
    fill(store)
    path.write_bytes(held)
    healed = dict(zip(range(20), (values.copy() for _, values in store.read("mean", WORK)), strict=True))
    assert "the chunk of mean is damaged" in store.notes[-1]
    assert healed[7].tobytes() == before[32:64, 64:96].tobytes()
    assert len(again(filled).missing()) == 0


def test_every_cut_of_the_ledger_loses_only_what_it_cut(tmp_path):
    store = fill(TileStore(tmp_path / "kept", plan_of(64, 64), KINDS, "key"))
    text = (store.folder / "ledger.jsonl").read_bytes()
    ends = [i + 1 for i, byte in enumerate(text) if byte == 10]
    for cut in [*range(ends[-2] - 3, len(text), 7), *ends, ends[1] + 20]:
        (store.folder / "ledger.jsonl").write_bytes(text[:cut])
        left = again(store)
        assert len(left.missing()) == 4 - (sum(end <= cut for end in ends) - 1)
        fill(left)
        assert len(again(store).missing()) == 0
    (store.folder / "ledger.jsonl").write_bytes(text[: ends[0] - 2])  # its head: nothing is known
    assert len(again(store).missing()) == 4


def test_a_damaged_line_in_the_middle_is_dropped(filled):
    path = filled.folder / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[5] = lines[5].replace(b'"t":4', b'"t":5')
    path.write_bytes(b"".join(lines))
    store = again(filled)
    assert [store.tiles.number(tile) for tile in store.missing()] == [4]
    assert any("1 lines of the ledger" in note for note in store.notes)


@settings(max_examples=60, deadline=None)
@given(junk=st.binary(max_size=200))
def test_junk_at_the_end_of_a_ledger_changes_nothing(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    lines = Lines(path)
    for number in range(3):
        lines.append({"t": number})
    with open(path, "ab") as file:
        file.write(junk)
    assert [record["t"] for _, record in lines.read()] == [0, 1, 2]
    lines.mend()
    at = lines.append({"t": 3})
    assert [record["t"] for _, record in lines.read()] == [0, 1, 2, 3] and lines.at(at) == {"t": 3}


def test_a_chunk_without_its_line_is_not_taken(tmp_path, monkeypatch):
    """Killed between the two: the tile is computed again."""
    store = TileStore(tmp_path, plan_of(64, 64), KINDS, "key")

    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Lines, "append", killed)
    tile = store.tiles[3]
    with pytest.raises(KeyboardInterrupt):
        store.put(tile, *WORK(tile))
    monkeypatch.undo()
    assert chunk_of(store, "mean", 1, 1).exists() and len(again(store).missing()) == 4


def test_a_full_disk_is_one_line_and_what_is_done_stays(tmp_path, monkeypatch):
    store = fill(TileStore(tmp_path, plan_of(64, 64), KINDS, "key"), 2)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"the disk is full \(.* are free\); expected room: what is done stays"):
        fill(store)
    with pytest.raises(RunError, match="disk is full"):
        store._lines.append({"t": 3})
    monkeypatch.undo()
    assert list((tmp_path / "tmp").iterdir()) == []
    assert len(again(store).missing()) == 2 and len(again(fill(store)).missing()) == 0


def test_finished_files_outlive_a_kill_and_their_arrays(filled, tmp_path):
    with pytest.raises(ValueError, match="no finished file"):
        filled.drop("mean")
    for name in ("mean.tif", "mean.json"):
        (filled.finals / name).write_text(name)
    assert filled.finished("mean") is None
    filled.finish("mean", filled.finals / "mean.tif", filled.finals / "mean.json", arrays=["mean"])
    filled.drop("mean")
    assert not (filled.folder / "tiles.zarr" / "mean").exists()
    with pytest.raises(RunError, match="was dropped"):
        list(filled.read("mean"))
    store = again(filled)
    assert store.finished("mean") == filled.finals / "mean.tif" and len(store.missing()) == 0
    given = store.hand_over("mean", tmp_path / "work" / "maps")
    assert [path.read_text() for path in given] == ["mean.tif", "mean.json"]
    os.replace(given[0], tmp_path / "moved.tif")  # the stage ends, or is killed: the kept one stays
    assert again(filled).finished("mean") is not None
    store.hand_over("mean", tmp_path / "work" / "maps")
    assert whole(store, "class").shape == (100, 150)


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_a_lost_finished_file_brings_its_array_back(filled, harm):
    before = whole(filled, "mean")
    (filled.finals / "mean.tif").write_text("whole")
    filled.finish("mean", filled.finals / "mean.tif", arrays=["mean"])
    filled.drop("mean")
    (filled.finals / "mean.tif").unlink() if harm == "gone" else (filled.finals / "mean.tif").write_text("wh0le")
    store = again(filled)
    assert store.finished("mean") is None and len(store.missing()) == len(store.tiles)
    assert "the finished file of mean is damaged or missing; it is made again" in store.notes
    assert whole(fill(store), "mean").tobytes() == before.tobytes()
    assert len(again(filled).missing()) == 0


def test_a_store_whose_zarr_was_removed_begins_anew(filled):
    shutil.rmtree(filled.folder / "tiles.zarr")
    store = again(filled)
    assert len(store.missing()) == 20 and "Zarr store was removed" in store.notes[0]


def test_a_ledger_is_light(filled):
    lines = (filled.folder / "ledger.jsonl").read_text().splitlines()
    assert len(lines) == 21 and max(len(line) for line in lines[1:]) < 200
    assert json.loads(lines[1])["record"]["t"] == 0


def test_faults_of_the_work_are_ours(tmp_path):
    store = TileStore(tmp_path, plan_of(), ["mean"], "key")
    tile = store.tiles[0]
    for arrays in ({}, {"mean": np.zeros((2, 2), np.float32)}, {"mean": np.zeros(tile.shape, complex)}):
        with pytest.raises(ValueError, match="tile"):
            store.put(tile, arrays, {})
    with pytest.raises(ValueError, match="expected plain names"):
        TileStore(tmp_path, plan_of(), {"a/b": "float32"}, "key")


def test_packing_is_the_same_wherever_it_is_done(filled):
    tile = filled.tiles[3]
    assert pack(filled.form, tile, *WORK(tile)) == pack(filled.form, tile, *WORK(tile))
    assert EMPTY["uint8"] == 255
