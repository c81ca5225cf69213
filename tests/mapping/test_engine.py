"""One engine, two places: the same bits on threads and on Dask workers, whatever is killed."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from importlib import util
from pathlib import Path

import numpy as np
import psutil
import pytest
from threadpoolctl import threadpool_info
from toy_work import KINDS, Toy, grid_of, whole

from edaphic.covariates.grid import Window
from edaphic.errors import ModelError, RasterError, RunError
from edaphic.mapping import cluster
from edaphic.mapping.engine import run_tiles
from edaphic.mapping.packing import Form
from edaphic.mapping.place import Place
from edaphic.mapping.plan import plan_tiles
from edaphic.mapping.store import TileStore

ROWS, COLS = 210, 330
HERE = Path(__file__).parent


def silent(text: str, done: int, total: int) -> None:
    pass


def made(folder: Path, place: Place, window: int, work: Toy | None = None, say=silent) -> TileStore:
    grid = grid_of(ROWS, COLS)
    plan = plan_tiles(grid, [], bytes_per_cell=50, fixed_bytes=0, place=place, window=window)
    store = TileStore(folder, plan, KINDS, "key")
    run_tiles(work or Toy(), plan, store, say)
    return store


def bits(store: TileStore) -> list[bytes]:
    return [whole(store, name).tobytes() for name in KINDS]


@pytest.fixture(scope="module")
def truth() -> list[bytes]:
    arrays, _ = Toy()(Window(0, 0, ROWS, COLS))
    return [arrays[name].tobytes() for name in KINDS]


@pytest.fixture(scope="module")
def at_work():
    """A scheduler with two workers, as another machine would have it."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0, silence_logs=50
    ) as found:
        yield found


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("window", [17, 64, 400])
def test_threads_and_tiles_change_no_bit(tmp_path, truth, threads, window):
    assert bits(made(tmp_path, Place(threads=threads), window)) == truth


def test_progress_is_told_in_order(tmp_path):
    said: list[tuple[str, int, int]] = []
    made(tmp_path, Place(threads=2), 64, say=lambda *words: said.append(words))
    assert [done for text, done, _ in said if text.startswith("computing")] == list(range(25))
    made(tmp_path, Place(threads=2), 64, say=lambda *words: said.append(words))
    assert said[-1][0] == "note: 24 of 24 tiles were finished before and are taken up"


def test_no_more_tiles_than_threads_are_in_work(tmp_path):
    lock, now, most = threading.Lock(), [0], [0]

    class Counts(Toy):
        def __call__(self, tile):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.002)
            found = super().__call__(tile)
            with lock:
                now[0] -= 1
            return found

    made(tmp_path, Place(threads=3), 32, Counts())
    assert most[0] == 3


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_error_ends_the_work_and_keeps_what_is_done(tmp_path, threads, truth):
    with pytest.raises(ModelError) as refused:
        made(tmp_path, Place(threads=threads), 32, Toy(seconds=0.005, fails_at=96))
    assert refused.value.faults == ("row 96: nothing there; expected soil", "and more")
    left = TileStore(tmp_path, plan_tiles(grid_of(ROWS, COLS), [], bytes_per_cell=1, fixed_bytes=0, place=Place(), window=32), KINDS, "key")
    assert len(left.tiles) - 33 - 2 * threads <= len(left.missing()) <= len(left.tiles) - 33 + threads
    assert bits(made(tmp_path, Place(threads=threads), 32)) == truth


@pytest.mark.parametrize("fault", [ModelError(["a: one", "b: two"]), RasterError("only: one"), RunError(["x: y", "z: w"])])
def test_errors_arrive_as_themselves(fault):
    arrived = pickle.loads(pickle.dumps(fault))
    assert type(arrived) is type(fault) and arrived.faults == fault.faults and str(arrived) == str(fault)


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from test_engine import made
from toy_work import Toy
from edaphic.mapping.place import Place
if __name__ == "__main__":
    made(Path({folder!r}), Place(threads=2), 32, Toy(seconds=0.01))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("kills", [(9,), pytest.param((4, 9, 15), marks=pytest.mark.slow)], ids=len)
def test_killed_in_the_middle_it_goes_on_with_the_same_bits(tmp_path, truth, kills):
    ledger = tmp_path / "kept" / "ledger.jsonl"
    counts = []
    for lines in kills:
        process = subprocess.Popen([sys.executable, "-c", SCRIPT.format(here=str(HERE), folder=str(tmp_path / "kept"))])
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until and (not ledger.exists() or ledger.read_bytes().count(b"\n") < lines):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        counts.append(ledger.read_bytes().count(b"\n"))
    assert counts == sorted(counts) and counts[0] < 40
    said: list[str] = []
    store = made(tmp_path / "kept", Place(threads=2), 32, say=lambda text, *_: said.append(text))
    assert bits(store) == truth
    assert "tiles were finished before and are taken up" in said[0]


# Dask -----------------------------------------------------------------------------------------------------------------


def test_workers_of_our_own_give_the_same_bits(tmp_path, truth):
    before = dict(os.environ)
    assert bits(made(tmp_path, Place(processes=2), 64)) == truth
    assert dict(os.environ) == before  # numba would end this process if its number of threads changed now


@pytest.mark.parametrize("window", [40, 400])
def test_a_scheduler_gives_the_same_bits(tmp_path, truth, window, at_work):
    assert bits(made(tmp_path, Place(scheduler=at_work.scheduler_address), window)) == truth


def test_errors_of_workers_arrive_as_themselves(tmp_path, truth, at_work):
    place = Place(scheduler=at_work.scheduler_address)
    with pytest.raises(ModelError) as refused:
        made(tmp_path, place, 40, Toy(fails_at=80))
    assert refused.value.faults == ("row 80: nothing there; expected soil", "and more")
    with pytest.raises(RasterError, match=r"nowhere\.tif: no such file"):
        made(tmp_path, place, 40, Toy(input=tmp_path / "nowhere.tif"))
    assert bits(made(tmp_path, place, 40)) == truth


def test_a_lost_worker_costs_its_tile_only(tmp_path, truth, at_work):
    store = made(tmp_path / "kept", Place(scheduler=at_work.scheduler_address), 64, Toy(dies=tmp_path / "died"))
    assert (tmp_path / "died").exists() and bits(store) == truth


def test_all_workers_lost_with_what_they_held(tmp_path, truth, at_work):
    """The work was sent to workers that are gone: it is sent again."""
    killed: list[int] = []

    def kill(text: str, done: int, total: int) -> None:
        if done == 5 and not killed:
            for worker in list(at_work.workers.values()):
                killed.append(worker.pid)
                psutil.Process(worker.pid).kill()

    assert bits(made(tmp_path, Place(scheduler=at_work.scheduler_address), 40, Toy(seconds=0.02), say=kill)) == truth
    assert len(killed) == 2


def test_work_that_kills_its_workers_ends_with_one_line(tmp_path, at_work, monkeypatch):
    monkeypatch.setattr(cluster, "RETRIES", 0)

    class Deadly(Toy):
        def __call__(self, tile):
            os._exit(9)

    with pytest.raises(RunError, match=r"tile at row 0, column 0 lost its worker 1 times .*; expected workers that stay"):
        made(tmp_path, Place(scheduler=at_work.scheduler_address), 400, Deadly())


def test_other_versions_at_the_workers_are_refused(tmp_path, at_work, monkeypatch):
    monkeypatch.setattr(cluster, "versions", lambda: {name: "0.0" for name in ("edaphic", *cluster.DECIDING)})
    with pytest.raises(RunError, match=r"a worker has edaphic .* \(here 0\.0\).*; expected the same versions there as here"):
        made(tmp_path, Place(scheduler=at_work.scheduler_address), 64)


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (OSError("Timed out"), r"^--scheduler tcp://a:1: the scheduler does not answer any more \(Timed out\); expected it to run on"),
        (TimeoutError("Only 0/1 workers arrived"), r"^--scheduler tcp://a:1: no worker for 60 seconds; expected one at least"),
        (Exception("ModuleNotFoundError('edaphic')"), r"^--scheduler tcp://a:1: a worker cannot take up the work \(Exception: .*; exp"),
    ],
)
def test_what_goes_wrong_when_the_work_is_sent_is_one_line(fault, line):
    class Client:
        def wait_for_workers(self, number, timeout):
            pass

        def scatter(self, work, broadcast, hash):
            raise fault

    plan = plan_tiles(grid_of(9, 9), [], bytes_per_cell=1, fixed_bytes=0, place=Place(scheduler="tcp://a:1", memory=10**11))
    with pytest.raises(RunError, match=line) as refused:
        cluster._Flight(Client(), cluster.Shipment(Toy(), Form((9, 9), ()), 0, {}), plan, silent)
    assert len(refused.value.faults) == 1


def test_a_tile_that_goes_to_another_worker_is_said():
    class Future:
        key, status = "tile", "lost"

        def add_done_callback(self, tell):
            pass

    class Client:
        def wait_for_workers(self, number, timeout):
            pass

        def scatter(self, work, broadcast, hash):
            return "work"

        def submit(self, *asked, pure):
            return Future()

    told: list[str] = []
    plan = plan_tiles(grid_of(9, 9), [], bytes_per_cell=1, fixed_bytes=0, place=Place(scheduler="tcp://a:1", memory=10**11))
    shipment = cluster.Shipment(Toy(), Form((9, 9), ()), 0, {})
    flight = cluster._Flight(Client(), shipment, plan, lambda text, done, total: told.append(text))
    assert flight._result(cluster._Out(Future(), Window(3, 6, 3, 3), 0, "work")) is None
    assert told == ["note: tile at row 3, column 6 lost its worker and goes to another (lost)"]
    assert flight.out["tile"].tries == 1


class Odd(Exception):
    """One that does not come back from a pickle."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def test_a_fault_that_cannot_be_sent_keeps_its_words_and_its_place():
    class Falls(Toy):
        def __call__(self, tile):
            raise Odd(1, 2)

    got = cluster.task(cluster.Shipment(Falls(), Form((9, 9), ()), 10**7, cluster.versions()), Window(0, 0, 9, 9))
    arrived = pickle.loads(pickle.dumps(got)).fault
    # Where Dask has taught pickle to keep exceptions as they are, it is the same one.
    assert str(arrived) in ("Odd: 1 and 2", "1 and 2") and "in __call__" in arrived.__notes__[0]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://", "tcp://no.such.host.invalid:8786"])
def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path, address, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    with pytest.raises(RunError, match=r"^--scheduler: .* does not answer .*; expected the address of a running Dask scheduler") as refused:
        made(tmp_path, Place(scheduler=address), 64)
    assert len(refused.value.faults) == 1


def test_a_scheduler_without_workers_is_one_line(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "ALONE_S", 1)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as empty,
        pytest.raises(RunError, match="no worker for 1 seconds; expected one at least"),
    ):
        made(tmp_path, Place(scheduler=empty.scheduler_address), 64)


@pytest.mark.parametrize(("place", "option"), [(Place(processes=2), "--workers"), (Place(scheduler="tcp://a:1"), "--scheduler")])
def test_missing_dask_is_one_line(tmp_path, monkeypatch, place, option):
    monkeypatch.setattr(cluster, "find_spec", lambda name: None if name == "distributed" else util.find_spec(name))
    with pytest.raises(RunError, match=rf"^{option}: dask is not installed; expected pip install 'edaphic\[cluster\]'$"):
        made(tmp_path, place, 64)


def test_inner_libraries_have_one_thread(tmp_path):
    """Two tiles at a time on two cores must not become four threads of a matrix product."""
    pools = []

    class Looks(Toy):
        def __call__(self, tile):
            pools.append([pool["num_threads"] for pool in threadpool_info()])
            return super().__call__(tile)

    np.ones((4, 4)) @ np.ones((4, 4))
    made(tmp_path, Place(threads=2), 128, Looks())
    assert all(number == 1 for found in pools for number in found)
