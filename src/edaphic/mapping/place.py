"""Where tiles are computed, with how much memory."""

from __future__ import annotations

import re
from dataclasses import dataclass

import psutil

from edaphic.errors import RunError

UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
SHARE_OF_FREE = 0.5
"""Part of the memory that is free now which a run may have where it is told nothing."""


@dataclass(frozen=True)
class Place:
    """Where tiles are computed. No result depends on it.

    Parameters
    ----------
    threads : int
        Tiles at a time in this process.
    processes : int
        Dask workers on this machine, one tile each; 0 for threads.
    scheduler : str, optional
        Address of a Dask scheduler whose workers compute the tiles.
    memory : int, optional
        Bytes that all processes of this machine together may have at their peak; half of what is free now unless given.

    Raises
    ------
    RunError
        Fewer than one thread, fewer than no processes, no memory, or both processes and a scheduler.

    Examples
    --------
    >>> Place(threads=2).lanes
    2
    >>> Place(processes=2, scheduler="tcp://node:8786")
    Traceback (most recent call last):
    edaphic.errors.RunError: --workers: given with --scheduler; expected one of them
    """

    threads: int = 1
    processes: int = 0
    scheduler: str | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        faults = []
        if self.threads < 1:
            faults.append(f"--threads: found {self.threads}; expected 1 or more")
        if self.processes < 0:
            faults.append(f"--workers: found {self.processes}; expected 0 (none) or more")
        if self.processes and self.scheduler is not None:
            faults.append("--workers: given with --scheduler; expected one of them")
        if self.memory is not None and self.memory < 1:
            faults.append(f"--memory: found {self.memory} bytes; expected a size such as 500MB, 4GB or 2GiB")
        if faults:
            raise RunError(faults)

    @property
    def lanes(self) -> int:
        """Tiles that are computed at a time on this machine; of a scheduler's workers, none."""
        return 0 if self.scheduler is not None else self.processes or self.threads

    @property
    def distributed(self) -> bool:
        """Whether Dask computes the tiles."""
        return bool(self.processes) or self.scheduler is not None

    def allowed(self) -> int:
        """Bytes that all processes together may have: those that were told, else half of what is free now beside what this one has."""
        if self.memory is not None:
            return self.memory
        return int(SHARE_OF_FREE * psutil.virtual_memory().available) + resident()


def resident() -> int:
    """Bytes that this process has in memory now."""
    return int(psutil.Process().memory_info().rss)


def read_memory(told: str | int | None) -> int | None:
    """Bytes of a size.

    Raises
    ------
    RunError
        The text is no size, or the size is nothing.

    Examples
    --------
    >>> read_memory("4GB"), read_memory("1.5 GiB"), read_memory(None)
    (4000000000, 1610612736, None)
    >>> read_memory("much")
    Traceback (most recent call last):
    edaphic.errors.RunError: --memory: found 'much'; expected a size such as 500MB, 4GB or 2GiB
    """
    if told is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d*)?)\s*([a-z]+)\s*", str(told).lower()) if isinstance(told, str) else None
    found = int(told) if isinstance(told, int) else int(float(match[1]) * UNITS[match[2]]) if match and match[2] in UNITS else 0
    if found < 1:
        raise RunError(f"--memory: found {told!r}; expected a size such as 500MB, 4GB or 2GiB")
    return found


def said(size: float) -> str:
    """A size in words.

    >>> said(4_000_000_000), said(250e6)
    ('4.0 GB', '250 MB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
