"""Where the boxes and arrows of a path diagram go: levels from causes to effects, few crossings, labels on their own arrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Point = tuple[float, float]
Edge = tuple[str, str]
Node = str | tuple[str, str, int]
"""A latent, or the place where an arrow passes a level: cause, effect, level."""

SWEEPS = 12
BEND = 0.45
"""Share of a box that an arrow takes where it passes beside boxes."""
LEAST_SLOT_IN = 1.0
"""Boxes of a level need this width each: where they are many the drawing is wider than asked for."""
LEAST_GAP = 0.2
"""Inches between levels for each box of the widest one, so that arrows that meet come in apart."""
SAMPLES = 60


@dataclass(frozen=True)
class Drawing:
    """Places in inches; y grows upwards.

    Parameters
    ----------
    width, height : float
    box : (float, float)
        Width and height of a box.
    centres : dict of latent to point
    curves : dict of (cause, effect) to ndarray (m, 2)
        Points of the arrow, from the box of the cause to that of the effect.
    labels : dict of (cause, effect) to point
    """

    width: float
    height: float
    box: Point
    centres: dict[str, Point]
    curves: dict[Edge, Floats]
    labels: dict[Edge, Point] = field(default_factory=dict)


def draw_levels(latents: Sequence[str], edges: Sequence[Edge], width: float = 6.6, gap: float = 1.25, label: Point = (0.5, 0.2)) -> Drawing:
    """Place boxes and arrows.

    Levels are the longest routes from causes; an arrow that passes a level gets a place between its boxes (Sugiyama, Tagawa and Toda
    1981, IEEE Transactions on Systems, Man and Cybernetics 11, 109-125). Boxes of a level are ordered by the means of
    their neighbours' places; of all orders seen the one with fewest crossings stays.

    Parameters
    ----------
    latents : sequence of str
    edges : sequence of (cause, effect)
        Without cycles.
    width : float
        Inches; more where a level has many boxes.
    gap : float
        Inches between the middles of levels.
    label : (float, float)
        Size of a label in inches.
    """
    level = levels(latents, edges)
    rows, links = _with_bends(latents, edges, level)
    rows = _ordered(rows, links)
    widest = max(sum(BEND if isinstance(node, tuple) else 1.0 for node in row) for row in rows)
    width = max(width, LEAST_SLOT_IN * widest)
    gap = max(gap, LEAST_GAP * widest)
    slot = min(1.75, width / widest)
    box = (min(1.35, slot - 0.18), 0.52)
    height = gap * (len(rows) - 1) + box[1] + 0.2
    places = {node: (x, height - 0.1 - box[1] / 2 - gap * k) for k, row in enumerate(rows) for node, x in _across(row, slot, width)}
    centres = {name: places[name] for name in latents}
    curves = _curves(edges, level, places, box)
    drawing = Drawing(width, height, box, centres, curves)
    drawing.labels.update(_labels(drawing, label))
    return drawing


def levels(latents: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Level of each latent: the longest route to it; causes without a cause stand right above the first that they act on.

    >>> levels(["a", "b", "c", "d"], [("a", "b"), ("b", "c"), ("d", "c")])
    {'a': 0, 'b': 1, 'c': 2, 'd': 1}
    """
    level = dict.fromkeys(latents, 0)
    for _ in latents:
        for cause, effect in edges:
            level[effect] = max(level[effect], level[cause] + 1)
    caused = {effect for _, effect in edges}
    for name in latents:
        if name not in caused:
            level[name] = min((level[effect] for cause, effect in edges if cause == name), default=1) - 1
    return level


def _with_bends(
    latents: Sequence[str], edges: Sequence[Edge], level: Mapping[str, int]
) -> tuple[list[list[Node]], list[tuple[Node, Node]]]:
    """Nodes of each level with those of passing arrows, and links between neighbouring levels."""
    rows: list[list[Node]] = [[] for _ in range(max(level.values()) + 1)]
    for name in latents:
        rows[level[name]].append(name)
    links: list[tuple[Node, Node]] = []
    for cause, effect in edges:
        chain = _chain(cause, effect, level)
        for node in chain[1:-1]:
            rows[node[2] if isinstance(node, tuple) else 0].append(node)
        links += list(pairwise(chain))
    return rows, links


def _chain(cause: str, effect: str, level: Mapping[str, int]) -> list[Node]:
    return [cause, *((cause, effect, k) for k in range(level[cause] + 1, level[effect])), effect]


def _ordered(rows: list[list[Node]], links: Sequence[tuple[Node, Node]]) -> list[list[Node]]:
    best, fewest = rows, _crossings(rows, links)
    current = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for k in range(1, len(current)) if down else range(len(current) - 2, -1, -1):
            beside = current[k - 1] if down else current[k + 1]
            place = {node: (i + 0.5) / len(beside) for i, node in enumerate(beside)}
            current[k] = _by_means(current[k], place, links, down)
        crossed = _crossings(current, links)
        if crossed < fewest:
            best, fewest = [list(row) for row in current], crossed
    return best


def _by_means(row: list[Node], place: Mapping[Node, float], links: Sequence[tuple[Node, Node]], down: bool) -> list[Node]:
    def mean(i: int) -> float:
        own = [place[a if down else b] for a, b in links if (b if down else a) == row[i] and (a if down else b) in place]
        return float(np.mean(own)) if own else (i + 0.5) / len(row)

    return [row[i] for i in sorted(range(len(row)), key=mean)]


def _crossings(rows: Sequence[Sequence[Node]], links: Sequence[tuple[Node, Node]]) -> int:
    place = {node: i for row in rows for i, node in enumerate(row)}
    depth = {node: k for k, row in enumerate(rows) for node in row}
    count = 0
    for i, (a, b) in enumerate(links):
        for c, d in links[i + 1 :]:
            count += depth[a] == depth[c] and (place[a] - place[c]) * (place[b] - place[d]) < 0
    return count


def _across(row: Sequence[Node], slot: float, width: float) -> list[tuple[Node, float]]:
    """Nodes of a level with the x of their middles, spread over the whole width."""
    sizes = np.array([BEND if isinstance(node, tuple) else 1.0 for node in row]) * slot
    spare = (width - sizes.sum()) / (len(row) + 1)
    left = spare
    found = []
    for node, size in zip(row, sizes.tolist(), strict=True):
        found.append((node, left + size / 2))
        left += size + spare
    return found


def _curves(edges: Sequence[Edge], level: Mapping[str, int], places: Mapping[Node, Point], box: Point) -> dict[Edge, Floats]:
    chains = {edge: _chain(*edge, level) for edge in edges}
    leaving = {edge: places[chain[1]][0] for edge, chain in chains.items()}
    coming = {edge: places[chain[-2]][0] for edge, chain in chains.items()}
    curves = {}
    for edge, chain in chains.items():
        start = _port(edge, [e for e in edges if e[0] == edge[0]], leaving, places[edge[0]], box, -1.0)
        end = _port(edge, [e for e in edges if e[1] == edge[1]], coming, places[edge[1]], box, 1.0)
        points = [start, *(places[node] for node in chain[1:-1]), end]
        curves[edge] = _smooth(points)
    return curves


def _port(edge: Edge, same: Sequence[Edge], towards: Mapping[Edge, float], centre: Point, box: Point, side: float) -> Point:
    """Where an arrow meets its box: those of a side stand in the order of where they go."""
    order = sorted(same, key=lambda e: towards[e])
    share = (order.index(edge) + 1) / (len(order) + 1) - 0.5
    return centre[0] + share * box[0] * 0.9, centre[1] + side * box[1] / 2


def _smooth(points: Sequence[Point]) -> Floats:
    """A curve through points that is upright in each."""
    t = np.linspace(0.0, 1.0, SAMPLES)[:, None]
    parts = []
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        p0, p1, p2, p3 = (np.array(point) for point in ((x0, y0), (x0, middle), (x1, middle), (x1, y1)))
        parts.append((1 - t) ** 3 * p0 + 3 * (1 - t) ** 2 * t * p1 + 3 * (1 - t) * t**2 * p2 + t**3 * p3)
    return np.vstack(parts)


def _labels(drawing: Drawing, size: Point) -> dict[Edge, Point]:
    """A point on each curve, away from boxes, other labels and other curves; the most hemmed in first."""
    found: dict[Edge, Point] = {}
    edges = sorted(drawing.curves, key=lambda edge: -len(drawing.curves[edge]))
    for edge in edges:
        curve = drawing.curves[edge]
        inner = curve[int(0.12 * len(curve)) : int(0.85 * len(curve)) : 2]
        others = [drawing.curves[one] for one in edges if one != edge]
        costs = [_cost(point, k / len(inner), size, drawing, found, others) for k, point in enumerate(inner)]
        x, y = inner[int(np.argmin(costs))]
        found[edge] = (float(x), float(y))
    return found


def _cost(point: Floats, along: float, size: Point, drawing: Drawing, found: Mapping[Edge, Point], others: Sequence[Floats]) -> float:
    """How badly a label stands at a point: over boxes and labels most, over other arrows less, far from the middle least."""
    half = np.array(size) / 2
    boxes = sum(_overlap(point - np.array(c), half + np.array(drawing.box) / 2) for c in drawing.centres.values())
    labels = sum(_overlap(point - np.array(c), 2 * half + 0.02) for c in found.values())
    crossed = sum(float((np.abs(other - point) < half + 0.02).all(axis=1).any()) for other in others)
    return 20.0 * boxes + 20.0 * labels + 3.0 * crossed + abs(along - 0.5)


def _overlap(offset: Floats, reach: Floats) -> float:
    return float(np.prod(np.maximum(reach - np.abs(offset), 0.0)) / np.prod(reach)) + float((np.abs(offset) < reach).all())
