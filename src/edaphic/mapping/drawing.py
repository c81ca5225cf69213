"""What is drawn in a realisation: errors of the inputs, residual errors of the target, and on which forest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from edaphic.errors import ModelError
from edaphic.mapping.noise import stream_of
from edaphic.model.soil import Interval, Target, interval_name

Array = NDArray[np.float64]

FEWEST_RESIDUALS = 30
"""Fewest held-out residuals that tell the distribution of a layer's."""


@dataclass(frozen=True)
class Error:
    """Error of one input: normal with standard deviation ``relative`` |x| + ``sd``; or, with ``classes``, another class with probability
    ``wrong``, each other class being as likely."""

    name: str
    relative: float = 0.0
    sd: float = 0.0
    wrong: float = 0.0
    classes: tuple[int, ...] = ()

    @property
    def streams(self) -> tuple[int, ...]:
        """Streams of random numbers that it takes; none where there is no error."""
        if self.classes:
            return (stream_of(f"wrong {self.name}"), stream_of(f"class {self.name}")) if self.wrong and len(self.classes) > 1 else ()
        return (stream_of(f"input {self.name}"),) if self.relative or self.sd else ()

    def drawn(self, values: Array, fields: Array) -> Array:
        """Values (n,) with an error; ``fields`` (streams, n) standard normal.

        >>> Error("slope", relative=0.1).drawn(np.array([10.0, -20.0]), np.array([[1.0, 1.0]])).tolist()
        [11.0, -18.0]
        >>> Error("cover", wrong=0.5, classes=(10, 20, 30)).drawn(np.array([10.0, 20.0]), np.array([[-1.0, 1.0], [2.0, 2.0]])).tolist()
        [30.0, 20.0]
        """
        if not self.classes:
            return np.asarray(values + fields[0] * (self.relative * np.abs(values) + self.sd))
        codes = np.asarray(self.classes, dtype=np.float64)
        place = np.minimum(np.searchsorted(codes, values), len(codes) - 1)
        known = codes[place] == values
        others = len(codes) - known.astype(np.int64)
        chosen = np.minimum((ndtr(fields[1]) * others).astype(np.int64), others - 1)
        chosen += known & (chosen >= place)
        return np.asarray(np.where(ndtr(fields[0]) < self.wrong, codes[chosen], values))


@dataclass(frozen=True)
class Residuals:
    """Error of the target around the forest, by layer: a distribution and how layers go together.

    ``shares``, ``values``: for each layer the quantile function of the residuals, on the scale of the trees (logarithms, or the unit of
    answers), of mean 0; ``root`` (L, L): what independent normals of the layers are multiplied by.
    """

    shares: tuple[Array, ...]
    values: tuple[Array, ...]
    root: Array

    def drawn(self, fields: Array) -> Array:
        """Residuals (L, n) of independent standard normal fields (L, n)."""
        out = np.zeros_like(fields)
        for i, row in enumerate(self.root):
            together = np.zeros(fields.shape[1])
            for j, share in enumerate(row):  # in this order whatever the number of cells
                together += share * fields[j]
            out[i] = np.interp(ndtr(together), self.shares[i], self.values[i])
        return out


def residuals_of(
    held: pd.DataFrame, layers: Sequence[Interval], target: Target, correlation: Array | None
) -> tuple[Residuals, list[str]]:
    """Residuals of held-out predictions.

    Parameters
    ----------
    held : DataFrame
        Held-out predictions of one design: top_cm, bottom_cm, observed, predicted_fit.
    layers : sequence of (top_cm, bottom_cm)
    target : Target
    correlation : float64 (L, L), optional
        Of the errors of the layers, as normal scores; independent layers where left out.

    Returns
    -------
    (residuals, notes)

    Raises
    ------
    ModelError
        Fewer than 30 residuals in all.
    """
    observed = np.log(held["observed"]) if target.log else held["observed"]
    error = (observed - held["predicted_fit"]).to_numpy(dtype=np.float64)
    own = [((held["top_cm"] == top) & (held["bottom_cm"] == bottom)).to_numpy() & np.isfinite(error) for top, bottom in layers]
    notes, shares, values = [], [], []
    together = np.logical_or.reduce(own)
    if together.sum() < FEWEST_RESIDUALS:
        raise ModelError(f"maps.monte_carlo.residual: {together.sum()} held-out residuals; expected at least {FEWEST_RESIDUALS}, or false")
    for layer, rows in zip(layers, own, strict=True):
        if rows.sum() < FEWEST_RESIDUALS:
            notes.append(f"Monte Carlo: {rows.sum()} residuals of {interval_name(layer)} cm; those of all layers stand for them")
            rows = together
        found = np.sort(error[rows])
        # The mean error is a bias that the maps do not correct either: only what lies around it is drawn.
        values.append(found - found.mean())
        shares.append((np.arange(len(found)) + 0.5) / len(found))
    root = np.eye(len(layers)) if correlation is None else _root(correlation)
    if correlation is None and len(layers) > 1:
        notes.append("Monte Carlo: residuals of layers are drawn independently; the model knows no correlation between them")
    return Residuals(tuple(shares), tuple(values), root), notes


def _root(correlation: Array) -> Array:
    """A matrix whose product with its transpose is the correlation; where that is none (it was put together of pairs), the nearest one."""
    values, vectors = np.linalg.eigh(np.asarray(correlation, dtype=np.float64))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(root / np.sqrt((root**2).sum(axis=1, keepdims=True)))


@dataclass(frozen=True)
class Draws:
    """How realisations are shared out over forests: ``crossed`` and ``single``, each draw on one forest; ``nested``, on every one.

    >>> Draws("crossed", 100, 1000).of(1)[:2], Draws("nested", 2, 10).of(1)[:2], Draws("nested", 2, 10).realisations
    ([(10, 10), (11, 11)], [(10, 0), (11, 1)], 20)
    """

    design: Literal["crossed", "single", "nested"]
    forests: int
    draws: int

    def __post_init__(self) -> None:
        if self.forests < 1 or self.draws < 1 or (self.design != "nested" and self.draws % self.forests):
            raise ModelError(f"Monte Carlo: {self.draws} draws on {self.forests} forests; expected a multiple of the number of forests")

    @property
    def realisations(self) -> int:
        """Number of maps that are drawn."""
        return self.forests * self.draws if self.design == "nested" else self.draws

    def of(self, forest: int) -> list[tuple[int, int]]:
        """Realisations of a forest: (number of the realisation, number of the draw of the inputs)."""
        each = self.draws if self.design == "nested" else self.draws // self.forests
        return [(forest * each + i, i if self.design == "nested" else forest * each + i) for i in range(each)]
