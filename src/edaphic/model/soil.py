"""What a model of soil carbon is: its target, its depths, its forests, and what it knows of its errors.

The three-dimensional form is one forest with the upper and lower depth of the layer among its predictors; the other form has a
forest for each layer. The whole depth that the layers make has no forest of its own: its mean is the sum of the layers' means, and its
distribution is that of the sum of the layers, whose errors go together as they did at the training profiles
(:mod:`edaphic.model.joint`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edaphic.model.features import Encoder
from edaphic.model.structure import Forest, Settings
from edaphic.units import CM_PER_M

Interval = tuple[float, float]


@dataclass(frozen=True)
class Target:
    """What a model is trained on and what it answers.

    ``column``: column of the layer table; ``quantity``: name in the names of maps; ``unit``: unit of answers; ``log``: trees grow
    on the logarithm; ``per_metre``: trained on a density in kg/m3, answered as a stock (density times thickness in metres).
    """

    name: str
    column: str
    quantity: str
    unit: str
    log: bool
    per_metre: bool

    def factor(self, layer: Interval) -> float:
        """From the trained value to the answer: the thickness in metres for densities, else 1."""
        return (layer[1] - layer[0]) / CM_PER_M if self.per_metre else 1.0


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for target in (
            Target("soc_stock", "soc_stock_kg_m2", "soc_stock", "kg/m2", log=False, per_metre=False),
            Target("log_soc_stock", "soc_stock_kg_m2", "soc_stock", "kg/m2", log=True, per_metre=False),
            Target("soc_density", "soc_density_kg_m3", "soc_stock", "kg/m2", log=False, per_metre=True),
            Target("log_soc_density", "soc_density_kg_m3", "soc_stock", "kg/m2", log=True, per_metre=True),
            Target("soc", "soc_g_kg", "soc", "g/kg", log=False, per_metre=False),
            Target("log_soc", "soc_g_kg", "soc", "g/kg", log=True, per_metre=False),
            Target("beta", "beta", "beta", "1", log=False, per_metre=False),
        )
    }
)


@dataclass(frozen=True)
class SoilModel:
    """A fitted model.

    ``forests`` holds one forest for all layers (three-dimensional form) or one for each. ``whole``: the depth that the layers make
    together, or None where they do not join up or are only one. ``depth_correlation`` (L, L): correlation of the errors of the layers, as
    normal scores. ``se_prior`` (intervals, 2): what :func:`edaphic.model.bags.variance_of_mean` is told of each interval, (0, 2) for
    forests without little bags. ``notes``: what had to be assumed when it was made.
    """

    name: str
    target: Target
    form: str
    layers: tuple[Interval, ...]
    whole: Interval | None
    encoder: Encoder
    forests: tuple[Forest, ...]
    settings: Settings
    seed: int
    facts: Mapping[str, float] = field(default_factory=dict)
    depth_correlation: NDArray[np.float64] = field(default_factory=lambda: np.ones((1, 1)))
    se_prior: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    notes: tuple[str, ...] = ()

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The layers, then the whole depth where there is one."""
        return self.layers + ((self.whole,) if self.whole else ())

    @property
    def covariates(self) -> tuple[str, ...]:
        """Covariates that it is asked with, in their order."""
        return self.encoder.covariates


def combine_means(target: Target, layers: Sequence[Interval], means: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean of the whole depth from the means of its layers.

    Stocks add up; contents are weighted by thickness.

    >>> combine_means(TARGETS["soc_stock"], [(0, 30), (30, 100)], [np.array([6.0]), np.array([4.0])])
    array([10.])
    """
    if target.quantity == "soc":
        thickness = np.array([bottom - top for top, bottom in layers])
        means = [t * m / thickness.sum() for t, m in zip(thickness, means, strict=True)]
    # One after another, so that the order does not depend on the number of cells.
    return np.asarray(reduce(np.add, means))


def interval_name(interval: Interval) -> str:
    """``(0.0, 30.0)`` as ``0-30``.

    >>> interval_name((0.0, 30.0))
    '0-30'
    """
    return f"{interval[0]:g}-{interval[1]:g}"
