"""Whom to tell what is being done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Say = Callable[[str, int, int], None]
"""Progress: what, how many are done, of how many. A text that begins with ``note:`` is for the user to read."""


def quiet(text: str, done: int, total: int) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Listener:
    """Whom to tell of a run.

    ``stage(name, note)`` when a stage starts or is skipped, ``step(text, done, total)`` within it, ``end(seconds)`` when it is done.
    """

    stage: Callable[[str, str], None]
    step: Say
    end: Callable[[float], None]


def silent() -> Listener:
    """A listener that says nothing."""
    return Listener(lambda name, note: None, quiet, lambda seconds: None)
