"""Change of stocks on fixed depth and on equivalent soil mass, from means of layers: of paired soils, or of maps.

What a map needs for it: content and mass of the fine earth of each layer, at both dates. A density map of one date will not do: with the
same mass twice, equivalent mass says what fixed depth says. Carbon on a mass is read off the curve of cumulative carbon on cumulative mass,
as for profiles (Wendt and Hauser 2013, European Journal of Soil Science 64, 58-65; von Haden, Yang and DeLucia 2020, Global Change Biology
26, 3759-3770), through the limits of the layers. Layers that moved with the soil lose nothing by it. Maps have the same limits at both
dates, so that a horizon that moved lies in another mixture of layers, and the curve between the limits adds an error of its own; it is
smaller, the thinner the layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from odc.geo.geobox import GeoBox

from edaphic.account.maps import Layer, Reader, check_shape, layer_name
from edaphic.covariates.grid import Window, windows
from edaphic.errors import RasterError, TableError
from edaphic.profiles.mass.esm import METHODS
from edaphic.profiles.mass.esm_curve import evaluate

Floats = NDArray[np.float64]

REFERENCES = ("before", "after", "minimum")
"""Whose mass above each limit counts: of the earlier date, of the later one, or the smaller of the two, which both reach."""

SAME_MASS = (
    "the masses of the layers are the same at both dates: equivalent soil mass says what fixed depth says, "
    "and a change of density, if there was one, is not in either"
)


@dataclass(frozen=True)
class MassChange:
    """Stocks of layers at two dates, (layers, ...), kg/m2.

    Attributes
    ----------
    soil_mass : float array
        Mass of the layer in the reference.
    before, after, change : float array
        On that mass; NaN where the mass was not sampled or mapped.
    fixed_before, fixed_after, fixed_change : float array
        On the depths of the layers.
    """

    soil_mass: Floats
    before: Floats
    after: Floats
    change: Floats
    fixed_before: Floats
    fixed_after: Floats
    fixed_change: Floats


def mass_change(
    content_before: ArrayLike,
    mass_before: ArrayLike,
    content_after: ArrayLike,
    mass_after: ArrayLike,
    limits_cm: Sequence[float],
    *,
    limits_before_cm: ArrayLike | None = None,
    limits_after_cm: ArrayLike | None = None,
    reference: str | ArrayLike = "before",
    method: str = "spline",
    extrapolate: bool = False,
) -> MassChange:
    """Change of the stocks of paired soils on fixed depth and on equivalent mass, from means of contiguous layers.

    Parameters
    ----------
    content_before, content_after : array_like (layers, ...)
        Organic carbon of the fine earth, g/kg, from the surface down.
    mass_before, mass_after : array_like (layers, ...)
        Mass of the fine earth of each layer, kg/m2.
    limits_cm : sequence of float (layers,)
        Lower limits of the layers that are reported.
    limits_before_cm, limits_after_cm : array_like (layers,) or (layers, ...), optional
        Lower limits of the layers that were sampled, where they are others: of horizons that moved with the soil.
    reference : {"before", "after", "minimum"} or array_like (layers,) or (layers, ...)
        Mass above each reported limit; an array is given as mass of each layer, kg/m2.
    method : {"spline", "hyman", "layers"}
        Curve between the limits, as for profiles (:mod:`edaphic.profiles.mass.esm`).
    extrapolate : bool
        Go on below the lowest limit with the content of the lowest layer. Otherwise a mass that was not reached has no stock.

    Returns
    -------
    MassChange

    Raises
    ------
    TableError
        Shapes that differ, limits that do not rise, contents or masses that cannot be, an unknown choice.

    Notes
    -----
    A cell counts down to its first layer without a content or a mass, and no further. Stocks on fixed depth take each layer as constant
    over its depth.

    Examples
    --------
    30 and 30 cm of 300 and 360 kg/m2, pressed to 24 and 24 cm: the same masses and contents, other depths.

    >>> content, mass = [20.0, 10.0], [300.0, 360.0]
    >>> found = mass_change(content, mass, content, mass, [30.0, 60.0], limits_after_cm=[24.0, 48.0])
    >>> found.change.tolist(), found.fixed_change.round(9).tolist()
    ([0.0, 0.0], [0.9, nan])
    """
    arrays = [np.asarray(one, dtype=np.float64) for one in (content_before, mass_before, content_after, mass_after)]
    limits = np.asarray(limits_cm, dtype=np.float64)
    depths = [limits if one is None else np.asarray(one, dtype=np.float64) for one in (limits_before_cm, limits_after_cm)]
    _check(arrays, limits, depths, reference, method)
    shape = arrays[0].shape
    contents, masses = ([_cells(one) for one in arrays[i::2]] for i in (0, 1))
    knots = [_knots(contents[i], masses[i], _spread(depths[i], shape)) for i in (0, 1)]
    targets = np.tile(limits, (contents[0].shape[0], 1))
    wanted = _reference(reference, knots, targets, shape)
    beyond = "chord" if extrapolate else "missing"
    on_mass = [_between(evaluate(start, mass, carbon, wanted, METHODS[method], beyond), shape) for start, _, mass, carbon in knots]
    on_depth = [_between(evaluate(start, depth, carbon, targets, "linear"), shape) for start, depth, _, carbon in knots]
    return MassChange(
        soil_mass=_between(wanted, shape),
        before=on_mass[0],
        after=on_mass[1],
        change=on_mass[1] - on_mass[0],
        fixed_before=on_depth[0],
        fixed_after=on_depth[1],
        fixed_change=on_depth[1] - on_depth[0],
    )


def _check(arrays: list[Floats], limits: Floats, depths: list[Floats], reference: str | ArrayLike, method: str) -> None:
    shape, faults = arrays[0].shape, []
    if limits.ndim != 1 or not limits.size or not (np.diff(limits, prepend=0.0) > 0).all() or not np.isfinite(limits).all():
        faults.append(f"change on soil mass: limits {limits.ravel()[:12].tolist()} cm; expected depths that rise from above 0")
    if any(one.shape != shape for one in arrays) or not shape or shape[0] != limits.size:
        shapes = ", ".join(str(one.shape) for one in arrays)
        faults.append(f"change on soil mass: contents and masses of shapes {shapes}; expected one shape with {limits.size} layers first")
    for depth, when in zip(depths, ("before", "after"), strict=True):
        if depth is limits:
            continue
        if depth.shape not in ((limits.size,), shape) or not (np.diff(depth, axis=0, prepend=0.0) > 0)[np.isfinite(depth)].all():
            faults.append(f"change on soil mass, {when}: limits of the sampled layers; expected as many depths, rising from above 0")
    for content, mass, when in ((arrays[0], arrays[1], "before"), (arrays[2], arrays[3], "after")):
        if odd := int(np.count_nonzero((content < 0) | (content > 1000))):
            faults.append(f"change on soil mass, {when}: {odd} contents outside 0 to 1000 g/kg; expected organic carbon of the fine earth")
        if odd := int(np.count_nonzero((mass < 0) | np.isinf(mass))):
            faults.append(f"change on soil mass, {when}: {odd} masses below 0 or infinite; expected kg/m2 of each layer")
    if method not in METHODS:
        faults.append(f"change on soil mass: method {method!r}; expected one of {', '.join(METHODS)}")
    if isinstance(reference, str) and reference not in REFERENCES:
        faults.append(f"change on soil mass: reference {reference!r}; expected one of {', '.join(REFERENCES)}, or masses of the layers")
    if not isinstance(reference, str):
        given = np.asarray(reference, dtype=np.float64)
        if given.shape not in ((limits.size,), shape) or (given <= 0).any():
            faults.append("change on soil mass: masses of the reference; expected one above 0 for each layer, kg/m2")
    if faults:
        raise TableError(faults)


def _cells(values: Floats) -> Floats:
    """Values (layers, ...) as (cells, layers)."""
    return values.reshape(values.shape[0], -1).T


def _spread(values: Floats, shape: tuple[int, ...]) -> Floats:
    """Values of layers, or of layers and cells, as (cells, layers)."""
    return np.broadcast_to(values.reshape(values.shape + (1,) * (len(shape) - values.ndim)), shape).reshape(shape[0], -1).T


def _knots(content: Floats, mass: Floats, depth: Floats) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """Start of each cell, and its cumulative depth, mass and carbon down to the first layer that is not known."""
    known = np.cumprod(np.isfinite(content + mass + depth), axis=1).astype(bool)
    start = np.append(0, np.cumsum(known.sum(axis=1))).astype(np.int64)
    carbon = np.cumsum(np.where(known, content * mass / 1000.0, 0.0), axis=1)
    sums = np.cumsum(np.where(known, mass, 0.0), axis=1)
    return start, depth[known], sums[known], carbon[known]


def _reference(
    reference: str | ArrayLike, knots: list[tuple[NDArray[np.int64], Floats, Floats, Floats]], targets: Floats, shape: tuple[int, ...]
) -> Floats:
    """Mass above each reported limit, (cells, layers)."""
    if not isinstance(reference, str):
        return np.cumsum(_spread(np.asarray(reference, dtype=np.float64), shape), axis=1)
    both = [evaluate(start, depth, mass, targets, "linear") for start, depth, mass, _ in knots]
    return both[0] if reference == "before" else both[1] if reference == "after" else np.minimum(*both)


def _between(cumulative: Floats, shape: tuple[int, ...]) -> Floats:
    return np.diff(cumulative, axis=1, prepend=0.0).T.reshape(shape)


def mass_change_windows(
    layers: Sequence[Layer],
    content_before: Sequence[Reader],
    mass_before: Sequence[Reader],
    content_after: Sequence[Reader],
    mass_after: Sequence[Reader],
    grid: GeoBox,
    notes: list[str],
    *,
    reference: str = "before",
    method: str = "spline",
    extrapolate: bool = False,
    window_size: int = 512,
) -> Iterator[tuple[Window, MassChange]]:
    """Change on fixed depth and on equivalent mass of every cell, window by window.

    Parameters
    ----------
    layers : sequence of (top_cm, bottom_cm)
        From the surface down, without a gap.
    content_before, content_after : sequence of callable
        Readers of the content of each layer, g/kg.
    mass_before, mass_after : sequence of callable
        Readers of the mass of the fine earth of each layer, kg/m2: bulk density (g/cm3) x (1 - fragments) x thickness (cm) x 10.
    grid : GeoBox
    notes : list of str
        Takes, after the last window, what a reader of the result must know: :data:`SAME_MASS`, cells that did not reach the mass.
    reference, method, extrapolate
        As for :func:`mass_change`.
    window_size : int

    Yields
    ------
    (Window, MassChange), arrays (layers, height, width). There is no interval: that would take the joint errors of content and mass.

    Raises
    ------
    RasterError
        Layers that do not touch, another number of readers than of layers, another shape than that of a window.
    """
    sets = (content_before, mass_before, content_after, mass_after)
    faults = []
    tops = [0.0, *(float(bottom) for _, bottom in layers)]
    for (top, bottom), expected in zip(layers, tops, strict=False):
        if top != expected or not bottom > top:
            faults.append(
                f"change on soil mass: layer {layer_name((top, bottom))}; expected layers from 0 cm down, each from the limit above"
            )
    counts = [len(readers) for readers in sets]
    if not layers or set(counts) != {len(layers)}:
        faults.append(
            f"change on soil mass: {', '.join(map(str, counts))} maps for {len(layers)} layers; expected one of each for each layer"
        )
    if faults:
        raise RasterError(faults)
    bottoms = [float(bottom) for _, bottom in layers]
    same, missed = True, np.zeros(len(layers), dtype=np.int64)
    for window in windows(grid, window_size):
        arrays = [_read(readers, layers, window) for readers in sets]
        found = mass_change(
            arrays[0], arrays[1], arrays[2], arrays[3], bottoms, reference=reference, method=method, extrapolate=extrapolate
        )
        same = same and bool(np.array_equal(arrays[1], arrays[3], equal_nan=True))
        missed += (np.isfinite(found.fixed_change) & ~np.isfinite(found.change)).sum(axis=(1, 2))
        yield window, found
    if same:
        notes.append(f"change on soil mass: {SAME_MASS}")
    for layer, many in zip(layers, missed, strict=True):
        if many:
            told = f"{many} cells do not hold the mass of the reference at both dates and have no change on it"
            notes.append(f"change on soil mass, {layer_name(layer)}: {told}")


def _read(readers: Sequence[Reader], layers: Sequence[Layer], window: Window) -> Floats:
    pairs = zip(readers, layers, strict=True)
    return np.stack([check_shape(np.asarray(read(window), np.float64), window, f"map of {layer_name(layer)}") for read, layer in pairs])
