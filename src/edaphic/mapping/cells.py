"""Cells of one tile: which are kept, and what the covariates say there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.grid import Window
from edaphic.covariates.sources import AnyLayer
from edaphic.covariates.stack import Stack
from edaphic.mapping.mask import Mask
from edaphic.model.traverse import cell_order

Bools = NDArray[np.bool_]


class TileReader:
    """Layers of one window, by period, each raster read once: those that are the same in all periods are kept for the next one."""

    def __init__(self, stacks: Sequence[Stack], window: Window) -> None:
        self.window = window
        self._stacks = stacks
        self._kept: dict[str, tuple[AnyLayer, NDArray[np.float32]]] = {}

    def read(self, number: int, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Values (height, width) of layers in a period, by name."""
        stack = self._stacks[number].select(names)
        lacking = [layer.name for layer in stack.layers if not self._has(layer)]
        if lacking:
            wanted = stack.select(lacking)
            for layer, values in zip(wanted.layers, wanted.read(self.window), strict=True):
                self._kept[layer.name] = (layer, values)
        return {name: self._kept[name][1] for name in names}

    def forget(self, number: int) -> None:
        """Drop what the next period does not need, after this one is done."""
        later = self._stacks[number + 1 : number + 2]
        needed = list(later[0].layers) if later else []
        self._kept = {name: known for name, known in self._kept.items() if known[0] in needed}

    def _has(self, layer: AnyLayer) -> bool:
        return layer.name in self._kept and self._kept[layer.name][0] == layer


@dataclass(frozen=True)
class Kept:
    """Cells of a tile that no region and no mask removes.

    ``here`` bool (height, width); ``cells``: those of the region; ``masks``: cells of the region that each mask removes, by name.
    """

    grid: GeoBox
    window: Window
    here: Bools
    inside: Bools
    masks: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, grid: GeoBox, window: Window, inside: Bools | None) -> Kept:
        """Cells of the region; all where there is none."""
        here = np.ones(window.shape, dtype=bool) if inside is None else inside
        return cls(grid, window, here, here)

    @property
    def cells(self) -> int:
        """Cells of the region."""
        return int(self.inside.sum())

    @property
    def left(self) -> int:
        """Cells that are kept."""
        return int(self.here.sum())

    def without(self, masks: Sequence[Mask]) -> Kept:
        """What masks that are no covariates leave."""
        kept = self
        for mask in masks:
            kept = kept._less(mask.name, lambda mask=mask: mask.removed(self.grid, self.window))  # type: ignore[misc]
        return kept

    def without_classes(
        self, masks: Sequence[tuple[str, Sequence[int]]], read: Callable[[str], NDArray[np.float32]]
    ) -> Kept:
        """What masks by classes of a covariate leave; ``read`` gives the values of a layer."""
        kept = self
        for name, codes in masks:
            kept = kept._less(name, lambda name=name, codes=codes: np.isin(read(name), codes))  # type: ignore[misc]
        return kept

    def _less(self, name: str, removed: Callable[[], Bools]) -> Kept:
        # Every mask counts what it removes of the region, whatever others remove; without a region there is nothing to read.
        gone = removed() & self.inside if self.inside.any() else np.zeros_like(self.inside)
        return replace(self, here=self.here & ~gone, masks={**self.masks, name: int(gone.sum())})


@dataclass(frozen=True)
class Cells:
    """Cells that have a value of every covariate: ``order`` (n,) are their places in the tile, in an order that suits the forest;
    ``values`` float64 (n, number of covariates).
    """

    order: NDArray[np.intp]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, values: Sequence[NDArray[np.float32]], order: NDArray[np.intp]) -> Cells:
        """Some cells of the layers of a tile."""
        return cls(order, np.stack([layer.ravel()[order] for layer in values], axis=1).astype(np.float64))

    def take(self, which: Bools) -> Cells:
        """Some of them."""
        return self if which.all() else Cells(self.order[which], self.values[which])


def complete_parts(values: Sequence[NDArray[np.float32]], here: Bools, size: int) -> Iterator[Cells]:
    """Cells that are kept and have a value of every layer, at most ``size`` at a time."""
    complete = here.copy()
    for layer in values:
        complete &= np.isfinite(layer)
    order = cell_order(complete)
    for start in range(0, len(order), size):
        yield Cells.of(values, order[start : start + size])
