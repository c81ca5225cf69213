"""Composites: statistics through time of indices and bands, by period, with the number of observations of each cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.made import MadeLayer, making
from edaphic.covariates.spectra import evidence
from edaphic.covariates.spectra.checking import by_period, in_order, opened_scenes, scene_faults
from edaphic.covariates.spectra.coefficients import apart
from edaphic.covariates.spectra.composing import Composing
from edaphic.covariates.spectra.indices import INDICES
from edaphic.covariates.spectra.periods import shared_days
from edaphic.covariates.spectra.reading import OpenScene
from edaphic.covariates.spectra.reflectance import Float
from edaphic.covariates.spectra.scene import Scene, quality_notes
from edaphic.covariates.spectra.single import THREADS, check_outputs, layer_of, said_now
from edaphic.covariates.spectra.statistics import Statistic, greenest, read_statistic, reduced
from edaphic.covariates.window import Window, windows
from edaphic.errors import RasterError
from edaphic.progress import Say

COMPOSITE = ""
"""In place of the name of a scene: counts of the composite itself."""

SIDES = (256, 128, 64, 32, 16)
"""Rows and columns of a window, of which the largest is taken that the memory allows."""


@dataclass(frozen=True)
class Composite:
    """What :func:`composite` made: rasters by name, scenes used by label of the period, and notes."""

    names: tuple[str, ...]
    used: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


def composite(
    scenes: Sequence[Scene],
    grid: GeoBox,
    how: Composing,
    folder: Path,
    *,
    compress: Literal["deflate", "none"] = "deflate",
    say: Say = lambda text, done, total: None,
) -> Composite:
    """Write composites of scenes as ``folder/NAME_FROM-TO.tif``, and ``count_FROM-TO.tif`` with the number of observations.

    An observation of a cell is one day of one sensor on which every band that is needed has a value and quality is good (scenes of
    one day and sensor overlap where they were cut apart: there they count once). Names carry the statistic
    (``ndvi_p10_2000-2005.tif``) where there are several, and no period where none is asked for.

    Parameters
    ----------
    scenes : sequence of Scene
        In any order, of any footprint and CRS; aligned to the grid by coordinates, masked before; see :func:`.reading.open_scene`.
    grid : GeoBox
    how : Composing
    folder : Path
    compress : {"deflate", "none"}
    say : callable

    Returns
    -------
    Composite

    Raises
    ------
    RasterError
        A scene lacks a band, a date that is needed, or reflectance; its scaling makes none; no scene is left, or no cell has a value.
        Then nothing is written.
    """
    faults = scene_faults(scenes, how)
    if faults:
        raise RasterError(faults)
    dated = in_order(scenes)
    opened, notes = opened_scenes(dated, grid, how)
    periods = by_period(opened, how)
    notes += shared_days(how.periods)
    totals: dict[str, Counter[str]] = {name: Counter() for name in (*(one.scene.name for one in opened), COMPOSITE)}
    known: Counter[str] = Counter()
    quantity = ", ".join(
        dict.fromkeys(band.scaling.quantity for scene in dated for role in how.roles if (band := scene.band(role)) is not None)
    )
    layers = [layer for label, members in periods for layer in _layers(how, label, members, quantity)]
    check_outputs(dated, folder, [layer.name for layer in layers])
    side = _side(how, max(len(members) for _, members in periods))
    parts = windows(grid, side)
    jobs = [(label, members, window) for label, members in periods for window in parts]
    with making(folder, grid, layers, compress) as writers:

        def work(job: tuple[str, list[OpenScene], Window]) -> tuple[list[tuple[str, Counter[str]]], Counter[str]]:
            label, members, window = job
            values, counts = window_composite(members, window, how)
            for name, made in values.items():
                writers[_named(name, label)].write(window, made)
            return counts, Counter({_named(name, label): int(np.isfinite(made).sum()) for name, made in values.items()})

        with ThreadPoolExecutor(THREADS) as pool:
            for done, (counts, valued) in enumerate(pool.map(work, jobs), start=1):
                for name, count in counts:
                    totals[name].update(count)
                known.update(valued)
                if said_now(done, len(jobs)):
                    say("composites", done, len(jobs))
        notes += _verdict([one.scene for one in opened], how, totals, known, periods)
    used = {label: tuple(one.scene.name for one in members) for label, members in periods}
    return Composite(tuple(layer.name for layer in layers), used, tuple(dict.fromkeys(notes)))


def _named(name: str, label: str) -> str:
    return f"{name}_{label}" if label else name


def _outputs(how: Composing) -> list[tuple[str, str, Statistic]]:
    """Name, index or band, and statistic of each raster of a period."""
    several = len(how.statistics) > 1
    return [
        (f"{what}_{text}" if several else what, what, read_statistic(text))
        for what in (*how.indices, *how.bands)
        for text in dict.fromkeys(how.statistics)
    ]


def _layers(how: Composing, label: str, members: Sequence[OpenScene], quantity: str) -> list[MadeLayer]:
    """What the rasters of a period say of themselves."""
    order = "statistic of indices" if how.first == "indices" else "index of statistics"
    scenes = {"SCENES": str(len(members)), **({"PERIOD": label} if label else {})}
    layers = []
    for name, what, statistic in _outputs(how):
        tags = {"STATISTIC": statistic.name, **({"ORDER": order} if what in how.indices else {}), **scenes}
        if how.bare_soil is not None:
            soil = how.bare_soil
            tags["BARE_SOIL"] = (
                f"NDVI {soil.ndvi_low:g} to {soil.ndvi_high:g}, NBR2 up to {soil.nbr2_high:g}, NDSII up to {soil.ndsii_high:g}"
            )
        if what in how.indices:
            layers.append(layer_of(_named(name, label), how.indices[what], quantity, tags))
        else:
            layers.append(MadeLayer(_named(name, label), "1", f"{quantity} of {what}", {"COMPUTED_FROM": quantity, **tags}))
    layers.append(MadeLayer(_named("count", label), "1", "Observations that count", scenes, dtype="uint16"))
    return layers


def _side(how: Composing, scenes: int) -> int:
    """Rows and columns of windows that keep the values of two threads within the memory."""
    kept = len(how.indices) + len(how.bands) if how.first == "indices" else len(how.roles)
    # Beside the stack: bands of a scene, masks, and the float64 in which an index is computed.
    each = 4 * scenes * (kept + ("max_ndvi" in how.statistics)) + 4 * len(how.roles) + 80
    fitting = [side for side in SIDES if THREADS * each * side * side <= how.memory_mb * 1e6]
    if not fitting:
        raise RasterError(f"composite: {scenes} scenes of {kept} layers do not fit into {how.memory_mb:g} MB; expected more memory")
    return fitting[0]


def window_composite(
    members: Sequence[OpenScene], window: Window, how: Composing
) -> tuple[dict[str, Float], list[tuple[str, Counter[str]]]]:
    """Composites of a window by name without period, "count" among them, and counts of cells by scene and of the composite itself."""
    kept = [*how.indices, *how.bands] if how.first == "indices" else how.roles
    days = [list(group) for _, group in groupby(members, key=_day)]
    cubes = {what: np.full((len(days), *window.shape), np.nan, dtype=np.float32) for what in kept}
    if "max_ndvi" in how.statistics:
        cubes[" ndvi"] = np.full((len(days), *window.shape), np.nan, dtype=np.float32)
    count = np.zeros(window.shape, dtype=np.uint16)
    counts: list[tuple[str, Counter[str]]] = []
    for k, day in enumerate(days):
        bands, valid = _observed(day, window, how, counts)
        count += valid
        for what in cubes:
            if what in how.indices:
                cubes[what][k], beyond = how.indices[what].within(how.indices[what](bands))
                counts[-1][1][f"beyond {what}"] += beyond
                counts[-1][1][f"known {what}"] += int(np.isfinite(cubes[what][k]).sum())
            else:
                # An NDVI that cannot be is not the greenest.
                cubes[what][k] = INDICES["ndvi"].within(INDICES["ndvi"](bands))[0] if what == " ndvi" else bands[what]
    best = greenest(cubes[" ndvi"]) if " ndvi" in cubes else None
    own: Counter[str] = Counter()
    values = dict(_reduced(cubes, how, best, own))
    values["count"] = count.astype(np.float32)
    return values, [*counts, (COMPOSITE, own)]


def _day(one: OpenScene) -> tuple[str, str, str]:
    """Scenes of one day and sensor are one observation; scenes without a date are each their own."""
    day = one.scene.day
    return (day.isoformat(), one.scene.sensor, "") if day is not None and one.scene.sensor else ("", "", one.scene.name)


def _observed(
    day: Sequence[OpenScene], window: Window, how: Composing, counts: list[tuple[str, Counter[str]]]
) -> tuple[dict[str, Float], NDArray[np.bool_]]:
    """Bands of one observation, NaN wherever one of them has no value; of scenes that overlap, the first by name that has one."""
    merged: dict[str, Float] = {}
    done = np.zeros(window.shape, dtype=bool)
    for one in day:
        reading = one.read(window)
        count = Counter(reading.counts)
        evidence.look(reading.bands, count)
        counts.append((one.scene.name, count))
        valid = np.ones(window.shape, dtype=bool)
        for values in reading.bands.values():
            valid &= np.isfinite(values)
        if how.bare_soil is not None:
            valid &= how.bare_soil.seen(reading.bands)
        if len(day) == 1:
            for values in reading.bands.values():
                values[~valid] = np.nan
            return dict(reading.bands), valid
        new = valid & ~done
        for role, values in reading.bands.items():
            merged.setdefault(role, np.full(window.shape, np.nan, dtype=np.float32))[new] = values[new]
        done |= valid
    return merged, done


def _reduced(
    cubes: Mapping[str, Float], how: Composing, best: NDArray[np.int64] | None, counts: Counter[str]
) -> Iterator[tuple[str, Float]]:
    """Composites by name; of indices of composites it is counted how many are beyond their limits."""
    if how.first == "indices":
        for name, what, statistic in _outputs(how):
            yield name, reduced(cubes[what], statistic, how.least, best)
        return
    for text in dict.fromkeys(how.statistics):
        statistic = read_statistic(text)
        bands = {role: reduced(cubes[role], statistic, how.least, best) for role in how.roles}
        for name, what, own in _outputs(how):
            if own != statistic:
                continue
            if what not in how.indices:
                yield name, bands[what]
                continue
            made, beyond = how.indices[what].within(how.indices[what](bands))
            counts[f"beyond {what}"] += beyond
            counts[f"known {what}"] += int(np.isfinite(made).sum())
            yield name, made


def _verdict(
    scenes: Sequence[Scene],
    how: Composing,
    totals: Mapping[str, Counter[str]],
    known: Counter[str],
    periods: Sequence[tuple[str, list[OpenScene]]],
) -> list[str]:
    """Notes on all scenes; faults where a scene cannot be right, or a composite is empty."""
    faults: list[str] = []
    notes = list(dict.fromkeys(note for scene in scenes for note in scene.notes)) + quality_notes(scenes, how.conditions)
    sensors = sorted({scene.sensor for scene in scenes if scene.sensor})
    unlike = apart(how.coefficients, sensors)
    if unlike:
        notes.append(f"scenes of {' and '.join(unlike)} are put together as they are, without cross-sensor coefficients")
    total = Counter(totals[COMPOSITE])
    for scene in scenes:
        counts = totals[scene.name]
        total.update(counts)
        faults += evidence.scale_faults(scene, counts)
        notes += [f"{scene.name}: {doubt}" for doubt in evidence.doubts(counts)]
    notes += evidence.left_out(total)
    for name, index in how.indices.items():
        faults += evidence.index_faults(name, index, total)
        notes += evidence.index_notes(name, index, total)
    empty = [label for label, _ in periods if not any(known[_named(name, label)] for name, _, _ in _outputs(how))]
    if not faults:
        what = "of bare soil" if how.bare_soil is not None else "that is clear"
        faults += [
            f"{f'period {label}' if label else 'composite'}: no cell has {how.least} or more observations {what}; expected some"
            for label in empty
        ]
    if faults:
        raise RasterError(faults)
    return notes
