"""Tiles on Dask workers: of this machine, or of a scheduler that runs anywhere."""

from __future__ import annotations

import logging
import os
import pickle
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

import rasterio
from threadpoolctl import threadpool_limits

from edaphic.covariates.grid import Window
from edaphic.errors import EdaphicError, RunError
from edaphic.mapping.packing import Form, Packed, pack
from edaphic.mapping.plan import Plan
from edaphic.mapping.store import Work
from edaphic.progress import Say

RETRIES = 4
"""Times that a tile is handed out again after its workers were lost (Dask itself gives it to four in turn each time)."""

CONNECT_S = 10
"""Seconds in which a scheduler must answer."""

ALONE_S = 60
"""Seconds that the work waits for a worker while there is none."""

IN_FLIGHT = 2
"""Tiles for each thread of the workers that are handed out: one in work, and one that waits for it."""

LOOK_S = 5
"""Seconds after which the number of workers is asked for again: a cluster may grow."""

DECIDING = ("numpy", "numba", "scipy", "rasterio", "scikit-learn", "pyproj")
"""Libraries that must be the same here and on the workers, or the bits of a map could depend on where a tile was computed."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""What workers of our own start with: each computes one tile at a time. Nothing of numba: Dask writes it into the environment of this
process too, and numba ends a process whose number of threads is changed after they started."""

LOST = ("KilledWorker", "CommClosedError", "CancelledError", "FutureCancelledError")
"""Errors of Dask that mean that workers or what they held are gone."""


@dataclass(frozen=True)
class Shipment:
    """What a worker needs once."""

    work: Work
    form: Form
    cache_bytes: int
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Failed:
    """What the work raised on a worker."""

    fault: Exception


@dataclass(frozen=True)
class _Out:
    """A tile that was handed out: the future (which must be held), how often, and the shipment that it uses."""

    future: Any
    tile: Window
    tries: int
    sent: Any


def compute(work: Work, plan: Plan, form: Form, tiles: Iterable[Window], say: Say) -> Iterator[tuple[Window, Packed]]:
    """Compute tiles on Dask workers; they come as they are finished.

    Raises
    ------
    RunError
        Dask is not installed, the scheduler does not answer, a worker has other versions, or none is left.
    EdaphicError
        What the work raised there.
    """
    option = "--workers" if plan.scheduler is None else "--scheduler"
    if find_spec("distributed") is None:
        raise RunError(f"{option}: dask is not installed; expected pip install 'edaphic[cluster]'")
    with _client(plan) as client:
        yield from _Flight(client, Shipment(work, form, plan.cache_bytes, versions()), plan, say).run(tiles)


@cache
def versions() -> Mapping[str, str]:
    """Versions of Edaphic and of the libraries that decide bits."""
    return {name: installed_version(name) for name in ("edaphic", *DECIDING)} | {"GDAL": rasterio.__gdal_version__}


def task(sent: Shipment, tile: Window) -> Packed | Failed:
    """One tile, on a worker. What it raises comes back as a value, so that it arrives as it is."""
    try:
        here = sent.versions
        wrong = [f"{name} {theirs} (here {here.get(name)})" for name, theirs in versions().items() if theirs != here.get(name)]
        if wrong:
            raise RunError(f"--scheduler: a worker has {', '.join(wrong)}; expected the same versions there as here")
        with threadpool_limits(1), rasterio.Env(GDAL_CACHEMAX=sent.cache_bytes, GDAL_NUM_THREADS="1"):
            arrays, facts = sent.work(tile)
            return pack(sent.form, tile, arrays, facts)
    except EdaphicError as fault:
        return Failed(fault)
    except Exception as fault:
        fault.add_note(f"on a worker:\n{traceback.format_exc()}")
        return Failed(_portable(fault))


def _portable(fault: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(fault))
    except Exception:
        told = RuntimeError(f"{type(fault).__name__}: {fault}")
        for note in getattr(fault, "__notes__", ()):
            told.add_note(note)
        return told
    return fault


class _Flight:
    """Tiles on their way: a bounded number of them, handed out again where their workers are lost."""

    def __init__(self, client: Any, shipment: Shipment, plan: Plan, say: Say) -> None:
        self.client, self.shipment, self.plan, self.say = client, shipment, plan, say
        self.option = "--workers" if plan.scheduler is None else f"--scheduler {plan.scheduler}"
        self.ended: SimpleQueue[Any] = SimpleQueue()
        self.out: dict[str, _Out] = {}
        self.lanes, self.looked, self.seen = 0, -LOOK_S * 2.0, monotonic()
        self.sent = self._send()

    def run(self, tiles: Iterable[Window]) -> Iterator[tuple[Window, Packed]]:
        """Hand out tiles, and yield them as they are finished."""
        left = iter(tiles)
        try:
            self._fill(left)
            while self.out:
                future = self._next()
                ours = self.out.pop(future.key, None)
                if ours is None:
                    continue
                packed = self._result(ours)
                self._fill(left)
                if packed is not None:
                    yield ours.tile, packed
        finally:
            self.client.cancel([out.future for out in self.out.values()], force=True)

    def _send(self) -> Any:
        """Give the work to all workers there are; those that come later take it from them."""
        try:
            self.client.wait_for_workers(1, timeout=ALONE_S)
            return self.client.scatter(self.shipment, broadcast=True, hash=False)
        except TimeoutError as fault:
            raise self._alone() from fault
        except OSError as fault:
            raise self._gone(fault) from fault
        except Exception as fault:  # Dask wraps what a worker said in a plain Exception
            raise self._unfit(fault) from fault

    def _gone(self, fault: BaseException) -> RunError:
        return RunError(
            f"{self.option}: the scheduler does not answer any more ({_line(fault)}); expected it to run on: what is done stays, and "
            "the same command goes on with it"
        )

    def _unfit(self, fault: BaseException) -> RunError:
        return RunError(
            f"{self.option}: a worker cannot take up the work ({type(fault).__name__}: {_line(fault)}); expected the same edaphic "
            "and libraries there as here"
        )

    def _alone(self) -> RunError:
        return RunError(
            f"{self.option}: no worker for {ALONE_S} seconds; expected one at least: what is done stays, and the same command goes on "
            "with it"
        )

    def _fill(self, left: Iterator[Window]) -> None:
        self._look()
        while len(self.out) < IN_FLIGHT * max(1, self.lanes):
            tile = next(left, None)
            if tile is None:
                return
            self._hand_out(tile, 0)

    def _hand_out(self, tile: Window, tries: int) -> None:
        future = self.client.submit(task, self.sent, tile, pure=False)
        self.out[future.key] = _Out(future, tile, tries, self.sent)
        future.add_done_callback(self.ended.put)

    def _look(self, every: float = LOOK_S) -> None:
        """Count the threads of the workers now and then."""
        if monotonic() - self.looked < every:
            return
        try:
            self.lanes = sum(self.client.nthreads().values())
        except (OSError, TimeoutError) as fault:
            raise self._gone(fault) from fault
        self.looked = monotonic()
        own = self.client.cluster if self.plan.scheduler is None else None
        if own is not None and self.lanes < self.plan.processes:
            own.scale(self.plan.processes)  # starts anew what Dask has given up
        if self.lanes:
            self.seen = self.looked
        elif self.looked - self.seen > ALONE_S:
            raise self._alone()

    def _next(self) -> Any:
        while True:
            try:
                return self.ended.get(timeout=1.0)
            except Empty:
                self._look(1.0)

    def _result(self, ours: _Out) -> Packed | None:
        """What came back; None where the tile has to be handed out again."""
        future = ours.future
        fault: BaseException | None = None
        if future.status == "finished":
            try:
                packed = future.result(timeout=ALONE_S)
            except Exception as lost:  # the worker was lost before its result was fetched
                fault = lost
            else:
                if isinstance(packed, Failed):
                    raise packed.fault
                return packed  # type: ignore[no-any-return]
        elif future.status == "error":
            fault = future.exception()
            if type(fault).__name__ not in LOST and not isinstance(fault, OSError):
                raise self._unfit(fault) from fault
        where, why = f"tile at row {ours.tile.row}, column {ours.tile.col}", _line(fault) if fault else future.status
        if ours.tries >= RETRIES:
            raise RunError(
                f"{self.option}: {where} lost its worker {RETRIES + 1} times ({why}); expected workers that stay (are they short of "
                "memory?)"
            ) from fault
        self.say(f"note: {where} lost its worker and goes to another ({why})", 0, 0)
        if ours.sent is self.sent:
            self.sent = self._send()  # what was given to the workers may have gone with them
        self._hand_out(ours.tile, ours.tries + 1)
        return None


def _line(fault: BaseException | None) -> str:
    return " ".join(str(fault).split())[:200]


@contextmanager
def _client(plan: Plan) -> Iterator[Any]:
    """A client of the scheduler, or of a cluster of our own for as long as the block lasts."""
    dask = import_module("distributed")
    settings = {
        # A worker that comes back late, on a busy machine, is not given up.
        "distributed.deploy.lost-worker-timeout": "300s",
        # Dask has workers give freed memory back at once. Tiles ask for the same blocks again and again, and each page of them would be
        # cleared anew: a tenth of the time. What a worker keeps is in the plan.
        "distributed.nanny.pre-spawn-environ": ONE_THREAD,
    }
    with _silent(), _environment(), import_module("dask.config").set(settings):
        if plan.scheduler is None:
            with _own_cluster(dask, plan.processes) as cluster, dask.Client(cluster, set_as_default=False) as client:
                yield client
            return
        try:
            client = dask.Client(plan.scheduler, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as fault:
            raise RunError(
                f"--scheduler: {plan.scheduler} does not answer ({_line(fault)}); expected the address of a running Dask scheduler, such "
                "as tcp://10.0.0.5:8786"
            ) from fault
        with client:
            yield client


def _own_cluster(dask: Any, processes: int) -> Any:
    try:
        return dask.LocalCluster(
            n_workers=processes,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit=0,  # the plan bounds it; Dask would write to disk, or kill
            silence_logs=logging.CRITICAL,
            env={"NUMBA_NUM_THREADS": "1"},  # set in the worker only
        )
    except (OSError, TimeoutError, RuntimeError) as fault:
        raise RunError(
            f"--workers: {processes} worker processes could not be started ({_line(fault)}); expected a machine with room for them"
        ) from fault


@contextmanager
def _environment() -> Iterator[None]:
    """What Dask writes into the environment of this process for its workers is taken out again."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _silent() -> Iterator[None]:
    """Dask tells of lost workers and closed connections in its log; what matters of it is said by us."""
    # Dask gives some of its loggers levels of their own: silence of the first would not reach them.
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "tornado", "tornado.application")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    yield  # after a fault they stay silent: connections that close later would be told of behind our line
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)
