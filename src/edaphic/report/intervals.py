"""Where intervals do not hold: layers, zones, classes and deciles whose coverage differs from what was promised by more than chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edaphic.report.evidence import named
from edaphic.report.facts import ALL_LAYERS, interval_of
from edaphic.report.folder import RunFolder, records
from edaphic.report.words import is_known, percent

FEW_PROFILES = 50
"""Groups of fewer profiles are not judged (layers always are)."""

KINDS = ("layer", "zone or class", "decile")
_NOT_JUDGED = ("decade", "inside applicability", "outside applicability")


@dataclass(frozen=True)
class Missed:
    """A layer or group whose 95 % interval of coverage leaves the nominal share out."""

    kind: str
    name: str
    coverage: float
    low: float
    high: float

    def words(self) -> str:
        """Its name and coverage."""
        return f"{self.name} {percent(self.coverage, 1)} [{percent(self.low, 1)}, {percent(self.high, 1)}]"


def missed(run: RunFolder, design: str) -> list[Missed]:
    """All layers and groups of a design where the intervals do not hold beyond chance, as the table orders them.

    Layers are always judged, zones, classes and deciles where they have at least 50 profiles. Without the 95 % interval of a
    coverage nothing can be told.
    """
    table, nominal = run.table("calibration"), interval_of(run)
    found = []
    for r in records(table[table["design"] == design] if table is not None else None):
        kind = kind_of(r.group)
        n = r.n_profiles if is_known(r.n_profiles) else r.n
        if not kind or not (is_known(r.coverage_low) and is_known(r.coverage_high)):
            continue
        if kind != "layer" and not (is_known(n) and n >= FEW_PROFILES):
            continue
        if not r.coverage_low <= nominal <= r.coverage_high:
            found.append(Missed(kind, named(run, r.group), r.coverage, r.coverage_low, r.coverage_high))
    return found


def kind_of(group: str) -> str:
    """What a group of the calibration table is; empty where it is not judged (all layers, decades, applicability).

    >>> [kind_of(name) for name in ("0-30 cm", "whole 0-100 cm", "decile 9", "zone 2", "land_cover 4", "decade 1990s", "all layers")]
    ['layer', 'layer', 'decile', 'zone or class', 'zone or class', '', '']
    """
    if group == ALL_LAYERS or group.startswith(_NOT_JUDGED):
        return ""
    if group.endswith(" cm"):
        return "layer"
    return "decile" if group.startswith("decile ") else "zone or class"


def worst(run: RunFolder, design: str) -> Mapping[str, Missed]:
    """Of each kind the one farthest below the nominal share, which misleads most; where none is below, the one farthest above."""
    nominal, all_ = interval_of(run), missed(run, design)
    found = {}
    for kind in KINDS:
        here = [item for item in all_ if item.kind == kind]
        if here:
            found[kind] = max(here, key=lambda item: (item.coverage < nominal, abs(item.coverage - nominal)))
    return found
