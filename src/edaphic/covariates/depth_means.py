"""Depth-weighted means of layered products: any target layer, from products of layers or of points of depth.

A product of layers (SoilGrids 2, the National Soil Information Grids of China) gives the mean of each layer: a target takes each layer
with the thickness that they share. Equations 6 and 7 of the first paper are cases of it:

    X(0-20)  = X(0-5)/4 + X(5-15)/2 + X(15-30)/4
    X(0-100) = X(0-5)/20 + X(5-15)/10 + 3 X(15-30)/20 + 3 X(30-60)/10 + 2 X(60-100)/5

A product of points (SoilGrids250m of 2017: 0, 5, 15, 30, 60, 100, 200 cm) gives the value at depths; between them it is taken as linear,
so that a target is the area under straight lines (trapezoidal rule; Hengl and others 2017, PLoS ONE 12, e0169748).

These are means: of contents, densities per volume, pH. A stock of a layer is no mean; it adds up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.facts import Source
from edaphic.covariates.made import MadeLayer, making
from edaphic.covariates.sources import check_sources, open_layer
from edaphic.covariates.window import windows
from edaphic.errors import RasterError, UnitError
from edaphic.progress import Say

Floats = NDArray[np.float64]
Layer = tuple[float, float]

SLACK = 1e-9
"""Shares of a target that differ by less than this are the same."""


def layer_weights(layers: Sequence[Layer], target: Layer) -> Floats:
    """Share of the target that lies in each layer of a product.

    Parameters
    ----------
    layers : sequence of (top_cm, bottom_cm)
        In any order; between the first and the last there may be neither gap nor overlap.
    target : (top_cm, bottom_cm)

    Returns
    -------
    ndarray, shape (layers,)
        They sum to 1 where the layers cover the target, to less where they do not.

    Raises
    ------
    ValueError
        Layers or a target without thickness, gaps, overlaps; one line tells all.

    Examples
    --------
    >>> layer_weights([(0, 5), (5, 15), (15, 30)], (0, 20)).tolist()
    [0.25, 0.5, 0.25]
    >>> layer_weights([(0, 30)], (20, 40)).tolist()
    [0.5]
    """
    _check(layers, target)
    top, bottom = target
    return np.array([max(0.0, min(b, bottom) - max(a, top)) / (bottom - top) for a, b in layers])


def depth_mean(values: ArrayLike, layers: Sequence[Layer], target: Layer, min_coverage: float = 1.0) -> Floats:
    """Mean over a target layer of a product of layers.

    Parameters
    ----------
    values : array_like, shape (layers, ...)
        Mean of each layer, in the order of ``layers``.
    layers : sequence of (top_cm, bottom_cm)
    target : (top_cm, bottom_cm)
    min_coverage : float
        Share of the target's thickness that must have values, above 0 and at most 1. Where less has, there is none; where not all of it
        has, the mean of what has stands for the whole.

    Returns
    -------
    ndarray of float64, shape (...)

    Raises
    ------
    ValueError
        See :func:`layer_weights`; also layers that leave more of the target uncovered everywhere than ``min_coverage`` lets them.

    Examples
    --------
    >>> float(depth_mean([12.0, 8.0, 4.0], [(0, 5), (5, 15), (15, 30)], (0, 20)))
    8.0
    >>> halves = [(0, 10), (10, 20)]
    >>> depth_mean([12.0, np.nan], halves, (0, 20)).item(), depth_mean([12.0, np.nan], halves, (0, 20), min_coverage=0.5).item()
    (nan, 12.0)
    """
    weights = layer_weights(layers, target)
    found = _stacked(values, len(layers))
    covers(float(weights.sum()), target, min_coverage)
    total, covered = np.zeros(found.shape[1:]), np.zeros(found.shape[1:])
    # From the top down, whatever the order of the layers, so that the order never shows in the last digit.
    for number in sorted(range(len(layers)), key=lambda k: layers[k]):
        if weights[number] > 0.0:
            known = np.isfinite(found[number])
            total += np.where(known, weights[number] * np.where(known, found[number], 0.0), 0.0)
            covered += np.where(known, weights[number], 0.0)
    return _shared(total, covered, min_coverage)


def point_mean(values: ArrayLike, depths_cm: Sequence[float], target: Layer, min_coverage: float = 1.0) -> Floats:
    """Mean over a target layer of a product of points of depth.

    Parameters
    ----------
    values : array_like, shape (depths, ...)
    depths_cm : sequence of float
        Increasing.
    target : (top_cm, bottom_cm)
    min_coverage : float
        As of :func:`depth_mean`; a stretch between two depths counts where both have a value.

    Returns
    -------
    ndarray of float64, shape (...)

    Examples
    --------
    >>> float(point_mean([10.0, 6.0, 2.0], [0, 5, 15], (0, 15)))  # 5 cm of 8 and 10 cm of 4
    5.333333333333333
    """
    pieces = _segments(depths_cm, target)
    found = _stacked(values, len(depths_cm))
    covers(sum(upper + lower for upper, lower in pieces.values()), target, min_coverage)
    total, covered = np.zeros(found.shape[1:]), np.zeros(found.shape[1:])
    for number, (upper, lower) in pieces.items():
        known = np.isfinite(found[number]) & np.isfinite(found[number + 1])
        with np.errstate(invalid="ignore"):
            total += np.where(known, upper * found[number] + lower * found[number + 1], 0.0)
        covered += np.where(known, upper + lower, 0.0)
    return _shared(total, covered, min_coverage)


def write_depth_means(
    sources: Mapping[Layer, Source] | Mapping[float, Source],
    targets: Sequence[Layer],
    grid: GeoBox,
    folder: Path,
    *,
    name: str,
    unit: str | None = None,
    min_coverage: float = 1.0,
    tags: Mapping[str, str] | None = None,
    say: Say | None = None,
) -> list[Path]:
    """Means of a layered product over target layers, as ``folder/NAME_TOP-BOTTOMcm.tif`` on a grid.

    Parameters
    ----------
    sources : mapping of (top_cm, bottom_cm), or of a depth in cm, to Source
        The product: by layers, or by points of depth.
    targets : sequence of (top_cm, bottom_cm)
    grid : GeoBox
    folder : Path
    name : str
        What the product is: the start of the names of the files.
    unit : str, optional
        Unit of the values; that of the files unless given, which then has to be the same in all.
    min_coverage : float
        As of :func:`depth_mean`.
    tags : mapping of str to str, optional
    say : callable, optional

    Returns
    -------
    list of Path, in the order of the targets

    Raises
    ------
    RasterError
        Files that cannot be read or do not overlap the grid; layers that do not fit the targets.
    UnitError
        Files of different units.
    """
    faults = depth_faults(sources, targets, grid, name, min_coverage)
    if faults:
        raise RasterError(faults)
    given, layers, depths = _ordered(sources)
    opened = [open_layer(source, grid) for source in given]
    units = sorted({layer.facts.unit for layer in opened})
    if unit is None and len(units) > 1:
        raise UnitError(f"{name}: found the units {', '.join(repr(one) for one in units)}; expected one")
    about = {"DEPTHS": _words(depths) if depths else ", ".join(_layer_text(layer) for layer in layers), "MIN_COVERAGE": f"{min_coverage:g}"}
    names = {target: f"{name}_{_layer_text(target)}cm" for target in targets}
    made = [
        MadeLayer(file, unit or units[0] or "1", f"{name}, mean of {_layer_text(target)} cm", {**about, **(tags or {})})
        for target, file in names.items()
    ]
    parts = windows(grid, 512)
    with making(folder, grid, made) as writers:
        for number, window in enumerate(parts):
            if say is not None:
                say(f"depth means of {name}", number, len(parts))
            values = np.stack([layer.read(window) for layer in opened])
            for target, file in names.items():
                writers[file].write(window, _mean(values, layers, depths, target, min_coverage).astype(np.float32))
    return [folder / f"{names[target]}.tif" for target in targets]


def depth_faults(
    sources: Mapping[Layer, Source] | Mapping[float, Source], targets: Sequence[Layer], grid: GeoBox, name: str, min_coverage: float = 1.0
) -> list[str]:
    """What is wrong with a layered product and the layers that are wanted of it, one line each; see :func:`write_depth_means`."""
    points = sum(isinstance(key, (int, float)) for key in sources)
    if not sources or 0 < points < len(sources):
        return [f"{name}: found {len(sources)} layers; expected layers, or points of depth, and not both"]
    given, layers, depths = _ordered(sources)
    blank = np.zeros((len(given), 0))
    faults = list(check_sources(given, grid))
    for target in targets:
        try:
            _mean(blank, layers, depths, target, min_coverage)
        except ValueError as error:
            faults.append(f"{name}: {error}")
    return faults


def _ordered(sources: Mapping[Layer, Source] | Mapping[float, Source]) -> tuple[list[Source], list[Layer], list[float]]:
    """Sources downwards, with their layers, or with their depths."""
    order = sorted(sources)  # type: ignore[type-var]
    given = [sources[key] for key in order]  # type: ignore[index]
    if all(isinstance(key, (int, float)) for key in order):
        return given, [], [float(key) for key in order]  # type: ignore[arg-type]
    return given, [(float(key[0]), float(key[1])) for key in order], []  # type: ignore[index]


def _mean(values: ArrayLike, layers: Sequence[Layer], depths: Sequence[float], target: Layer, min_coverage: float) -> Floats:
    return point_mean(values, depths, target, min_coverage) if depths else depth_mean(values, layers, target, min_coverage)


def covers(share: float, target: Layer, min_coverage: float) -> None:
    """Refuse a product that can nowhere cover enough of the target."""
    if not 0.0 < min_coverage <= 1.0:
        raise ValueError(f"min_coverage {min_coverage}; expected above 0, at most 1")
    if share < min_coverage - SLACK or share <= 0.0:
        raise ValueError(f"the product covers {100 * share:.3g} % of {_layer_text(target)} cm; expected {100 * min_coverage:g} % or more")


def _shared(total: Floats, covered: Floats, min_coverage: float) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        # Whole cover is 1 but for rounding: then nothing is divided, and the printed weights hold to the last digit.
        means = np.where(covered >= 1.0 - SLACK, total, total / covered)
    return np.where((covered >= min_coverage - SLACK) & (covered > 0.0), means, np.nan)


def _stacked(values: ArrayLike, count: int) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim < 1 or found.shape[0] != count:
        raise ValueError(f"values of shape {found.shape}; expected {count} layers first")
    return found


def _check(layers: Sequence[Layer], target: Layer) -> None:
    faults = [f"layer {_layer_text(layer)} cm has no thickness" for layer in layers if not _thick(layer)]
    if not _thick(target):
        faults.append(f"target {_layer_text(target)} cm has no thickness")
    if not layers:
        faults.append("no layers")
    if not faults:
        for above, below in pairwise(sorted(layers)):
            if below[0] > above[1]:
                faults.append(f"gap between {_layer_text(above)} and {_layer_text(below)} cm")
            elif below[0] < above[1]:
                faults.append(f"layers {_layer_text(above)} and {_layer_text(below)} cm overlap")
    if faults:
        raise ValueError(f"{'; '.join(faults)}; expected layers that follow each other")


def _segments(depths: Sequence[float], target: Layer) -> dict[int, tuple[float, float]]:
    """For each stretch between two depths, by its first: the weights of its upper and lower value in the mean of the target."""
    if not _thick(target):
        raise ValueError(f"target {_layer_text(target)} cm has no thickness; expected one with")
    if len(depths) < 2 or not all(math.isfinite(d) for d in depths) or any(b <= a for a, b in pairwise(depths)):
        raise ValueError(f"depths {_words(depths)} cm; expected two or more that increase")
    top, bottom = target
    pieces = {}
    for number, (upper, lower) in enumerate(pairwise(depths)):
        start, end = max(upper, top), min(lower, bottom)
        if end <= start:
            continue
        share = (end - start) / (bottom - top)
        middle = (0.5 * (start + end) - upper) / (lower - upper)
        pieces[number] = (share * (1.0 - middle), share * middle)
    return pieces


def _thick(layer: Layer) -> bool:
    return len(layer) == 2 and all(math.isfinite(edge) for edge in layer) and layer[0] < layer[1]


def _layer_text(layer: Layer) -> str:
    return "-".join(f"{edge:g}" for edge in layer)


def _words(depths: Sequence[float]) -> str:
    return ", ".join(f"{depth:g}" for depth in depths)
