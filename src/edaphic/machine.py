"""The machine that a run was made on, and the memory that its processes take."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

LOOK_FOR_CHILDREN = 10
"""Samples of the memory between two looks for new child processes."""


@contextmanager
def peak_memory(every_s: float = 0.05) -> Iterator[dict[str, float]]:
    """Largest resident memory of this process and its children while the block runs, sampled; in ``["mb"]`` (10^6 bytes) afterwards.

    Pages that processes share count for each of them: it is an upper bound.
    """
    process = psutil.Process()
    peak = {"mb": process.memory_info().rss / 1e6}
    stop = threading.Event()

    def watch() -> None:
        children: list[psutil.Process] = []
        turn = 0
        while not stop.wait(every_s):
            if turn % LOOK_FOR_CHILDREN == 0:
                children = process.children(recursive=True)  # it reads the table of all processes
            turn += 1
            peak["mb"] = max(peak["mb"], (process.memory_info().rss + sum(map(_resident, children))) / 1e6)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        stop.set()
        watcher.join()


def release_memory() -> None:
    """Give back to the system what is freed: the C library of most Linux systems keeps it otherwise. Elsewhere nothing can be done."""
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # no such function; no library of that name
        return
    trim(0)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has ended
        return 0


def machine() -> dict[str, Any]:
    """The machine in a few words, for ``run.json``."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
    }
