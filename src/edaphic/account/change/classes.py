"""Cells of a window by class, for tables of change and trend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edaphic.account.maps import check_shape
from edaphic.account.sums import Sums
from edaphic.account.totals import ClassLayer
from edaphic.covariates.grid import Window
from edaphic.errors import RasterError
from edaphic.mapping.regional import UNCLASSIFIED, check_codes

Key = tuple[str, int | str]
"""Name of a class layer and code; ("all", "") for all cells."""

ALL: Key = ("all", "")


class Classes:
    """All cells, and the cells of each class of some class layers.

    Parameters
    ----------
    layers : sequence of ClassLayer

    Raises
    ------
    RasterError
        Two layers of one name, or one that is called "all".
    """

    def __init__(self, layers: Sequence[ClassLayer]) -> None:
        names = ["all", *(layer.name for layer in layers)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise RasterError([f"class layer {name}: the name is taken; expected another one" for name in twice])
        self._layers = tuple(layers)

    def split(self, window: Window) -> Iterator[tuple[Key, NDArray[np.intp] | None]]:
        """Groups of a window and their cells (flat); None stands for every cell.

        Raises
        ------
        RasterError
            Codes that are no whole numbers, or of another shape than the window.
        """
        yield ALL, None
        for layer in self._layers:
            codes = check_shape(np.asarray(layer.read(window)), window, f"class layer {layer.name}").ravel()
            check_codes(layer.name, codes)
            for code in np.unique(codes[~np.isnan(codes)]):
                yield (layer.name, int(code)), np.flatnonzero(codes == code)
            if np.isnan(codes).any():
                yield (layer.name, UNCLASSIFIED), np.flatnonzero(np.isnan(codes))

    def rows(self, sums: Sums) -> Iterator[tuple[Key, dict[str, object]]]:
        """Groups that were met, in the order of a table: all, then each layer by rising code; with the first columns of their rows."""
        yield ALL, {"by": "all", "class": "", "class_name": "all"}
        for layer in self._layers:
            met = [key[1] for key in sums if isinstance(key, tuple) and key[0] == layer.name]
            for code in sorted(code for code in met if isinstance(code, int)):
                yield (layer.name, code), {"by": layer.name, "class": str(code), "class_name": layer.labels.get(code, f"class {code}")}
            if UNCLASSIFIED in met:
                yield (layer.name, UNCLASSIFIED), {"by": layer.name, "class": UNCLASSIFIED, "class_name": UNCLASSIFIED}
