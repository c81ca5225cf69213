"""Tiles are computed: by threads of this process, or by Dask workers. The maps have the same bits either way.

This process alone writes. A worker gets the work once and then windows; it gives back chunks as they will lie on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import rasterio
from threadpoolctl import threadpool_limits

from edaphic.covariates.grid import Window
from edaphic.mapping.cluster import compute
from edaphic.mapping.packing import Packed, pack
from edaphic.mapping.plan import Plan
from edaphic.mapping.store import TileStore, Work
from edaphic.progress import Say

__all__ = ["Work", "run_tiles"]


def run_tiles(work: Work, plan: Plan, store: TileStore, say: Say) -> None:
    """Compute the tiles that are missing and keep them.

    No more than ``plan.workers`` tiles are in work in this process at a time, and no others are in memory. The first error ends the work:
    tiles that have not begun are left, those that are finished stay.

    Parameters
    ----------
    work : callable
        ``work(window) -> (arrays by name, facts)``; can be pickled; the same window gives the same bits anywhere. Single-threaded.
    plan : Plan
    store : TileStore
    say : callable
        Is told of notes of the store and the plan, and of each tile.

    Raises
    ------
    EdaphicError
        Whatever the work raises, as it is; RunError where the disk is full, or Dask is missing, cannot be reached or loses its workers.
    """
    for note in store.notes:
        say(f"note: {note}", 0, 1)
    store.notes.clear()
    missing, total = store.missing(), len(plan.tiles)
    if not len(missing):
        return
    done = total - len(missing)
    say(f"computing tile {done + 1} of {total}", done, total)
    with _quiet_libraries(plan):
        finished = compute(work, plan, store.form, missing, say) if plan.processes or plan.scheduler else None
        for _ in _keep(store, finished) if finished is not None else _threads(work, plan.workers, store, missing):
            done += 1
            say(f"computing tile {min(done + 1, total)} of {total}", done, total)


def _keep(store: TileStore, finished: Iterator[tuple[Window, Packed]]) -> Iterator[Window]:
    for tile, packed in finished:
        store.keep(tile, packed)
        yield tile


def _threads(work: Work, threads: int, store: TileStore, missing: Iterable[Window]) -> Iterator[Window]:
    """Each thread computes, packs and writes a tile of its own; tiles are handed out in order, one for each thread."""

    def one(tile: Window) -> Window:
        arrays, facts = work(tile)
        packed: Packed = pack(store.form, tile, arrays, facts)
        del arrays
        store.keep(tile, packed)
        return tile

    left = iter(missing)
    if threads == 1:
        yield from map(one, left)
        return
    # What OpenMP may use is set thread by thread.
    with ThreadPoolExecutor(threads, "tile", initializer=threadpool_limits, initargs=(1,)) as pool:
        waiting: set[Future[Window]] = {pool.submit(one, tile) for _, tile in zip(range(threads), left, strict=False)}
        try:
            while waiting:
                ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ended:
                    yield future.result()
                    following = next(left, None)
                    if following is not None:
                        waiting.add(pool.submit(one, following))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _quiet_libraries(plan: Plan) -> Iterator[None]:
    """One thread in each library, for the tiles are the threads; GDAL keeps no more blocks than the plan says."""
    with threadpool_limits(1), rasterio.Env(GDAL_CACHEMAX=plan.cache_bytes, GDAL_NUM_THREADS="1"):
        yield
