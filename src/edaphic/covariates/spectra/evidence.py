"""What counts and values tell of mistakes: wrong scale, swapped bands, nothing left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from edaphic.covariates.spectra.indices import Index
from edaphic.covariates.spectra.reflectance import Float
from edaphic.covariates.spectra.scene import Scene

MOST = 0.5
"""A share above which something is a fault, not a property of the place."""

NEARLY_ALL = 0.9

GREEN_LIMIT = -0.1
"""NDVI of land is hardly below it, whatever the season; of water, and of land with red and near infrared swapped, it is."""


def look(bands: Mapping[str, Float], counts: Counter[str]) -> None:
    """Count the cells of a window that speak for swapped bands: NDVI far below 0, and no water by MNDWI."""
    if "red" not in bands or "nir" not in bands:
        return
    nir, red = bands["nir"].astype(np.float64), bands["red"].astype(np.float64)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(nir + red) & (nir + red > 0.0)
        low = known & (nir - red < GREEN_LIMIT * (nir + red))
        if "green" in bands and "swir1" in bands:
            low &= ~(bands["green"] > bands["swir1"])
    counts["ndvi known"] += int(known.sum())
    counts["ndvi low"] += int(low.sum())


def scale_faults(scene: Scene, counts: Counter[str]) -> list[str]:
    """Faults of scaling, one line for each band.

    Scale and offset that the user or the file states are wrong where most of a band comes out as no reflectance. Those of a product
    are wrong only where nearly all of every band does: over water and shadow, single bands of good images are below 0.
    """
    strange, sure = {}, []
    for role in _roles(counts):
        band = scene.band(role)
        if band is None or not band.scaling.is_reflectance or not counts[f"given {role}"]:
            continue
        bad = counts[f"outside {role}"] + counts[f"negative {role}"]
        share = bad / counts[f"given {role}"]
        limit = NEARLY_ALL if band.scaling.documented else MOST
        sure.append(share > limit)
        if share > limit:
            strange[role] = _not_reflectance(scene, role, bad, counts[f"given {role}"])
    stated = [fault for role, fault in strange.items() if (band := scene.band(role)) is not None and not band.scaling.documented]
    return list(strange.values()) if sure and all(sure) else stated


def _not_reflectance(scene: Scene, role: str, bad: int, given: int) -> str:
    band = scene.band(role)
    assert band is not None
    scaling = band.scaling
    return (
        f"{scene.name}: {role}: {_percent(bad, given)} of the numbers give no reflectance between 0 and 1.6 with scale {scaling.scale:g} "
        f"and offset {scaling.offset:g} ({scaling.source}); expected the scale and offset of these numbers"
    )


def left_out(counts: Counter[str]) -> list[str]:
    """Which cells have no value, and why."""
    found = []
    for role in _roles(counts):
        for word, what in (("outside", "outside the valid numbers, or saturated"), ("saturated", "saturated by the quality band")):
            part, whole = counts[f"{word} {role}"], counts[f"given {role}"]
            if part > 0:
                share = f"{part:,} of {whole:,}"
                if counts["resampled"]:
                    percent = _percent(part, whole)
                    share = f"{percent if ' than ' in percent else f'about {percent}'} of the"
                found.append(f"{role}: {share} cells are {what}: no value")
    if counts["masked"]:
        found.append(f"quality takes away {_percent(counts['masked'], counts['cells'])} of the cells")
    return found


def doubts(counts: Counter[str]) -> list[str]:
    """Doubts about the bands of a scene."""
    if not counts["ndvi known"] or counts["ndvi low"] <= MOST * counts["ndvi known"]:
        return []
    return [
        f"NDVI is below {GREEN_LIMIT:g} in {_percent(counts['ndvi low'], counts['ndvi known'])} of the cells: are red and nir swapped, "
        "or is it all water, snow or cloud?"
    ]


def _roles(counts: Counter[str]) -> list[str]:
    return sorted(name.removeprefix("given ") for name in counts if name.startswith("given "))


def index_faults(name: str, index: Index, counts: Counter[str]) -> list[str]:
    """A fault where most values of an index are beyond its limits."""
    outside, known = counts[f"beyond {name}"], counts[f"known {name}"] + counts[f"beyond {name}"]
    if not known or outside <= MOST * known:
        return []
    return [
        f"{name}: {_percent(outside, known)} of the values are outside {index.low:g} to {index.high:g}; expected reflectance: are bands "
        "swapped, or scale and offset wrong?"
    ]


def index_notes(name: str, index: Index, counts: Counter[str]) -> list[str]:
    """A note where some values of an index are beyond its limits, and lost."""
    outside, known = counts[f"beyond {name}"], counts[f"known {name}"] + counts[f"beyond {name}"]
    if not outside:
        return []
    return [f"{name}: {outside:,} of {known:,} values are outside {index.low:g} to {index.high:g}: no value"]


def _percent(part: int, whole: int) -> str:
    """A share in words, never rounded to none or all.

    >>> _percent(1, 3), _percent(1, 100000), _percent(99999, 100000), _percent(3, 3)
    ('33 %', 'less than 1 %', 'more than 99 %', '100 %')
    """
    if 0 < part < 0.01 * whole:
        return "less than 1 %"
    if 0.99 * whole < part < whole:
        return "more than 99 %"
    return f"{100.0 * part / max(whole, 1):.0f} %"
