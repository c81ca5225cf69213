"""Choices that several sections share: ways to hold profiles back, units of other maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from edaphic.recipe.faults import Fault, fail
from edaphic.units import units_of

Design = Literal["random", "profile", "block", "strata_left_out", "strata_in_proportion", "zone", "time", "hold_out", "knndm"]
"""Ways to hold profiles back."""

QUANTITIES: Mapping[str, tuple[str, ...]] = {
    "soc_stock": ("soc_stock",),
    "soc_density": ("soc_density", "soc_stock"),
    "soc": ("soc",),
    "beta": ("beta",),
}
"""What maps of a target may be compared with, as names in :mod:`edaphic.units`."""

UNITS = tuple(dict.fromkeys(unit for quantity in QUANTITIES for unit in units_of(quantity)))


def check_unit(unit: str) -> str:
    if unit not in UNITS:
        fail(Fault((), repr(unit), f"one of {', '.join(UNITS)}"))
    return unit


def check_names(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    names = [entry if isinstance(entry, str) else entry.name for entry in entries]
    again = [place for place, name in enumerate(names) if name in names[:place]]
    if again:
        fail(*(Fault((place,), f"the name {names[place]!r} a second time", "a name of its own") for place in again))
    return entries
