"""From the layers that a product has to the layer that is compared: sums, differences, overlap, spline, beta.

Products come in layers of their own (0-5, 5-15 ... cm; 0-30 and 0-100 cm; density at 0, 30, 100 cm). Each rule here is exact about mass:
what is not known is the course of carbon within a layer, and only where the target cuts a layer does it matter which rule is taken.

=============  ===================================================================================================================
``sum``        layers that tile the target are added
``difference`` layers that do so with signs: 30-100 cm from 0-100 less 0-30 cm
``overlap``    a cut layer gives in proportion to the thickness that is cut: density is even within it
``beta``       a cut layer gives (beta^t - beta^b) / (beta^T - beta^B), with t-b the part and T-B the layer (Gale and Grigal 1987)
``spline``     mass-preserving spline through all layers of the cell (Bishop, McBratney and Laslett 1999)
``trapezoid``  densities at depths, joined by straight lines
=============  ===================================================================================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.account.maps import Layer, layer_name
from edaphic.errors import ModelError
from edaphic.profiles.depth.beta import depth_factor
from edaphic.profiles.depth.spline import fit, integrate
from edaphic.units import CM_PER_M

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Method = Literal["auto", "overlap", "beta", "spline"]

GLOBAL_BETA = 0.9786
"""Beta of all biomes together (Jobbagy and Jackson 2000, Ecological Applications 10: 423-436)."""

METHODS: tuple[Method, ...] = ("auto", "overlap", "beta", "spline")


@dataclass(frozen=True)
class DepthSupport:
    """How a target layer is made from the layers of a product; made by :func:`depth_support`.

    Attributes
    ----------
    method : str
        ``sum``, ``difference``, ``overlap``, ``beta``, ``spline`` or ``trapezoid``.
    layers : tuple of (top_cm, bottom_cm)
        All layers of the product, as given.
    target : (top_cm, bottom_cm)
    weights : float array (k,)
        Target = sum of weights x layers; for a spline the layers that it needs have weight 1.
    around : float array (k,)
        Weights of the layers around the target, uncut: the target over this is the factor.
    edges : float array (m + 1,)
        Depths of the layers without overlap that the product's layers tell.
    parts : float array (m, k)
        These layers from the product's.
    beta : float or None
    lam : float
    text : str
        What was done, in a line.
    """

    method: str
    layers: tuple[Layer, ...]
    target: Layer
    weights: Floats = field(repr=False)
    around: Floats = field(repr=False)
    edges: Floats = field(repr=False)
    parts: Floats = field(repr=False)
    beta: float | None
    lam: float
    text: str

    @property
    def used(self) -> tuple[int, ...]:
        """Places of the layers that are needed."""
        return tuple(int(place) for place in np.flatnonzero((self.weights != 0.0) | (self.around != 0.0)))

    @property
    def factor(self) -> float:
        """Stock of the target over that of the layers around it, where it is one number; NaN for a spline and for densities at depths."""
        if self.method in ("spline", "trapezoid"):
            return float("nan")
        known = self.weights[self.around != 0.0]
        ratio = np.unique(np.round(known / self.around[self.around != 0.0], 15))
        return float(ratio[0]) if ratio.size == 1 else float("nan")

    def apply(self, stocks: ArrayLike) -> Floats:
        """Stock of the target.

        Parameters
        ----------
        stocks : float array (k, ...)
            Stock of each layer, kg/m2 (for densities at depths kg/m3), NaN where there is none. Layers that are not :attr:`used` are not
            looked at.

        Returns
        -------
        float array (...)
            kg/m2; NaN where a layer that is needed has no value, or a spline would need a stock below zero.
        """
        values = np.asarray(stocks, dtype=np.float64)
        if self.method == "spline":
            return self._splined(values)
        out = np.zeros(values.shape[1:])
        for place in self.used:
            out = out + self.weights[place] * values[place]
        return out

    def enclosing(self, stocks: ArrayLike) -> Floats:
        """Stock of the layers around the target, of the same shape as :meth:`apply` gives."""
        values = np.asarray(stocks, dtype=np.float64)
        out = np.zeros(values.shape[1:])
        for place in np.flatnonzero(self.around != 0.0):
            out = out + self.around[place] * values[place]
        return out

    def _splined(self, values: Floats) -> Floats:
        """Every cell is a profile; layers without a value are left out of it, so that it may end in rock."""
        shape = values.shape[1:]
        thickness = np.diff(self.edges)
        density = np.stack([_combined(row, values).ravel() for row in self.parts], axis=1) / thickness
        cut = (self.edges[:-1] < self.target[1]) & (self.edges[1:] > self.target[0])
        with np.errstate(invalid="ignore"):
            usable: Flags = np.asarray(np.isfinite(density[:, cut]).all(axis=1) & ~(density < 0.0).any(axis=1))
        known = np.isfinite(density) & usable[:, None]
        cell, layer = np.nonzero(known)
        out = np.full(density.shape[0], np.nan)
        if cell.size:
            curve = fit(cell, self.edges[:-1][layer], self.edges[1:][layer], density[cell, layer], lam=self.lam)
            touched = np.flatnonzero(cut)
            upper, lower = self.edges[:-1][touched], self.edges[1:][touched]
            whole, _ = integrate(curve, upper, lower)
            part, _ = integrate(curve, np.maximum(upper, self.target[0]), np.minimum(lower, self.target[1]))
            # The curve divides a layer; its stock stays that of the product, also where the curve had to be lifted above zero.
            even = (np.minimum(lower, self.target[1]) - np.maximum(upper, self.target[0])) / (lower - upper)
            share = np.where(whole > 0.0, part / np.where(whole > 0.0, whole, 1.0), even)
            out[curve.codes] = (share * (density * thickness)[curve.codes][:, touched]).sum(axis=1)
        return out.reshape(shape)


def depth_support(
    layers: Sequence[Layer], target: Layer, *, method: Method = "auto", beta: float = GLOBAL_BETA, lam: float = 0.0, name: str = "product"
) -> DepthSupport:
    """Choose how a target layer is made from the layers of a product.

    Parameters
    ----------
    layers : sequence of (top_cm, bottom_cm)
        Of the product; they may be nested (0-30, 0-100). Layers whose bottom is their top are densities at a depth.
    target : (top_cm, bottom_cm)
    method : {"auto", "overlap", "beta", "spline"}
        For a target that cuts a layer; where layers tile it (with signs) they are added up whatever the method. ``auto``: a spline where
        the product has two layers or more that do not overlap, else beta. ``beta`` asked for by name also reaches below the product.
    beta : float
        Of the beta function; above 0.
    lam : float
        Smoothing of the spline. Each layer keeps its mass whatever it is: the curve only divides it.
    name : str
        For messages.

    Raises
    ------
    ModelError
        The layers do not reach around the target, or stand twice, or a method cannot be had.

    Examples
    --------
    0-30 cm to 0-20 cm with the global beta: (1 - beta^20) / (1 - beta^30).

    >>> one = depth_support([(0, 30)], (0, 20))
    >>> one.method, round(one.factor, 3), one.apply([[5.0]]).round(2).tolist()
    ('beta', 0.736, [3.68])
    >>> depth_support([(0, 30), (0, 100)], (30, 100)).apply([[5.0], [12.0]]).tolist()
    [7.0]
    >>> depth_support([(0, 5), (5, 15), (15, 30)], (0, 20), method="overlap").apply([[1.0], [2.0], [3.0]]).tolist()
    [4.0]
    """
    asked = tuple((float(top), float(bottom)) for top, bottom in layers)
    wanted = (float(target[0]), float(target[1]))
    faults = _faults(asked, wanted, method, beta, name)
    if faults:
        raise ModelError(faults)
    if all(top == bottom for top, bottom in asked):
        return _trapezoid(asked, wanted, name)
    direct = _path(asked, *wanted)
    edges, parts = _elementary(asked)
    if direct is not None:
        kind = "sum" if (direct >= 0.0).all() else "difference"
        return DepthSupport(kind, asked, wanted, direct, direct, edges, parts, None, lam, _told(kind, asked, direct))
    covered = edges.size > 0 and edges[0] <= wanted[0] and edges[-1] >= wanted[1]
    if not covered and method != "beta":
        raise ModelError(
            f"{name}: layers {_listed(asked)} do not reach over {layer_name(wanted)}; expected layers that do"
            + (", or the method beta, which reaches below them" if edges.size and edges[0] <= wanted[0] < edges[-1] else "")
        )
    chosen = method if method != "auto" else ("spline" if len(parts) > 1 else "beta")
    return _cut(chosen, asked, wanted, edges, parts, beta, lam, name)


def _cut(
    method: str, layers: tuple[Layer, ...], target: Layer, edges: Floats, parts: Floats, beta: float, lam: float, name: str
) -> DepthSupport:
    """Support of a target that cuts a layer, or reaches below them."""
    if method == "spline" and len(parts) < 2:
        raise ModelError(f"{name}: one layer, {_listed(layers)}; expected two or more for a spline, or the method beta or overlap")
    if target[1] > edges[-1]:
        whole = parts.sum(axis=0)
        reach = (float(edges[0]), float(edges[-1]))
        factor = float(depth_factor(beta, reach, target))
        text = f"beta {beta:g} reaches below the product: {layer_name(reach)} x {factor:.4g}"
        return DepthSupport("beta", layers, target, whole * factor, whole, edges, parts, beta, lam, text)
    touched = [i for i in range(len(parts)) if edges[i] < target[1] and edges[i + 1] > target[0]]
    around = parts[touched].sum(axis=0)
    if method == "spline":
        needed = np.where((parts[touched] != 0.0).any(axis=0), 1.0, 0.0)
        also = np.where((parts != 0.0).any(axis=0), 1.0, 0.0)
        weights = np.where(needed > 0.0, needed, also)
        bounds = ", ".join(f"{depth:g}" for depth in edges)
        return DepthSupport(
            "spline", layers, target, weights, around, edges, parts, None, lam, f"mass-preserving spline through layers at {bounds} cm"
        )
    weights, said = np.zeros(len(layers)), []
    for i in touched:
        layer = (float(edges[i]), float(edges[i + 1]))
        part = (max(layer[0], target[0]), min(layer[1], target[1]))
        even = (part[1] - part[0]) / (layer[1] - layer[0])
        share = even if method == "overlap" or part == layer else float(depth_factor(beta, layer, part))
        weights = weights + share * parts[i]
        if part != layer:
            said.append(f"{layer_name(layer)} to {layer_name(part)} x {share:.4g}")
    how = f"beta {beta:g}" if method == "beta" else "even density"
    return DepthSupport(
        method, layers, target, weights, around, edges, parts, beta if method == "beta" else None, lam, f"{how}: {', '.join(said)}"
    )


def _trapezoid(points: tuple[Layer, ...], target: Layer, name: str) -> DepthSupport:
    """Densities at depths, joined by straight lines: the integral is linear in them."""
    depths = np.array([top for top, _ in points])
    order = np.argsort(depths)
    ranked = depths[order]
    if ranked[0] > target[0] or ranked[-1] < target[1]:
        listed = ", ".join(f"{depth:g}" for depth in ranked)
        raise ModelError(f"{name}: densities at {listed} cm do not reach over {layer_name(target)}; expected depths that do")
    weights = np.zeros(len(points))
    for i in range(ranked.size - 1):
        a, b = max(ranked[i], target[0]), min(ranked[i + 1], target[1])
        if b <= a:
            continue
        middle = (0.5 * (a + b) - ranked[i]) / (ranked[i + 1] - ranked[i])
        weights[order[i]] += (1.0 - middle) * (b - a) / CM_PER_M
        weights[order[i + 1]] += middle * (b - a) / CM_PER_M
    text = f"straight lines between densities at {', '.join(f'{depth:g}' for depth in ranked)} cm"
    empty = np.zeros(0)
    return DepthSupport("trapezoid", points, target, weights, np.zeros(len(points)), empty, np.zeros((0, len(points))), None, 0.0, text)


def _faults(layers: tuple[Layer, ...], target: Layer, method: str, beta: float, name: str) -> list[str]:
    found = []
    if not layers:
        found.append(f"{name}: no layers; expected at least one")
    found += [f"{name}: layer {top:g}-{bottom:g} cm; expected 0 <= top <= bottom" for top, bottom in layers if not 0.0 <= top <= bottom]
    found += [f"{name}: layer {layer_name(layer)} stands {layers.count(layer)} times; expected once" for layer in sorted(set(layers))
              if layers.count(layer) > 1]  # fmt: skip
    points = sum(top == bottom for top, bottom in layers)
    if 0 < points < len(layers):
        found.append(f"{name}: {points} densities at a depth among {len(layers)} layers; expected depths only, or layers only")
    if not 0.0 <= target[0] < target[1]:
        found.append(f"{name}: target {target[0]:g}-{target[1]:g} cm; expected 0 <= top < bottom")
    if method not in METHODS:
        found.append(f"{name}: method {method!r}; expected one of {', '.join(METHODS)}")
    if not (np.isfinite(beta) and beta > 0.0):
        found.append(f"{name}: beta {beta:g}; expected a number above 0, such as {GLOBAL_BETA:g}")
    return found


def _path(layers: tuple[Layer, ...], top: float, bottom: float) -> Floats | None:
    """Weights (1, -1, 0) of the fewest layers that lead from top to bottom; upwards (with -1) only where there is no other way."""
    for signed in (False, True):
        found = _walk(layers, top, bottom, signed)
        if found is not None:
            return found
    return None


def _walk(layers: tuple[Layer, ...], top: float, bottom: float, signed: bool) -> Floats | None:
    seen: dict[float, list[tuple[int, float]]] = {top: []}
    queue = deque([top])
    while queue:
        here = queue.popleft()
        if here == bottom:
            weights = np.zeros(len(layers))
            for place, sign in seen[here]:
                weights[place] += sign
            return weights
        for place, (above, below) in enumerate(layers):
            for start, end, sign in ((above, below, 1.0), (below, above, -1.0))[: 2 if signed else 1]:
                if start == here and end not in seen:
                    seen[end] = [*seen[here], (place, sign)]
                    queue.append(end)
    return None


def _elementary(layers: tuple[Layer, ...]) -> tuple[Floats, Floats]:
    """Depths and weights of the deepest run of layers without overlap or gap that the product's layers tell, from its first top down."""
    depths = sorted({depth for layer in layers for depth in layer})
    edges, parts = depths[:1], []
    for below in depths[1:]:
        step = _path(layers, edges[-1], below)
        if step is None:
            continue  # a depth that cannot be reached from here: the next one may be
        edges.append(below)
        parts.append(step)
    return np.array(edges if parts else []), np.array(parts).reshape(len(parts), len(layers))


def _combined(weights: Floats, values: Floats) -> Floats:
    """Sum of weights x values over the layers that have a weight."""
    out = np.zeros(values.shape[1:])
    for place in np.flatnonzero(weights != 0.0):
        out = out + weights[place] * values[place]
    return out


def _told(kind: str, layers: tuple[Layer, ...], weights: Floats) -> str:
    used = [(layer, weight) for layer, weight in zip(layers, weights, strict=True) if weight != 0.0]
    if len(used) == 1:
        return "the layer itself"
    return f"{kind} of layers: " + "".join(
        f"{' + ' if weight > 0.0 else ' - '}{layer_name(layer)}" for layer, weight in sorted(used, key=lambda one: -one[1])
    ).removeprefix(" + ")


def _listed(layers: Sequence[Layer]) -> str:
    return ", ".join(layer_name(layer) for layer in layers)
