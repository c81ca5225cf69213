"""Several maps that are made in one pass over the windows of a grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.grid import Window
from edaphic.mapping.info import Encoding, MapInfo
from edaphic.mapping.write import BandWriter, publish


class Several:
    """Writers of maps under names of the caller's choice."""

    def __init__(self, writers: Mapping[str, BandWriter]) -> None:
        self._writers = writers

    def write(self, window: Window, values: Mapping[str, NDArray[np.floating]]) -> None:
        """Values (height, width) of a window, for some of the names; others of ``values`` are left alone."""
        for name, writer in self._writers.items():
            if name in values:
                writer.write(window, np.asarray(values[name], dtype=np.float32).reshape(window.shape))


@contextmanager
def several(
    folder: Path, grid: GeoBox, infos: Mapping[str, MapInfo], *, encoding: Encoding = "float32", threads: int = 0
) -> Iterator[Several]:
    """Maps in a folder, finished and with styles and STAC items once the block ends well.

    Parameters
    ----------
    folder : Path
        Made if it is missing.
    grid : GeoBox
    infos : mapping of str to MapInfo
        What is said of each map, and what its file is called.
    encoding : {"float32", "int16"}
    threads : int
        That pack files; 0 for all cores.
    """
    folder.mkdir(parents=True, exist_ok=True)
    working = {name: folder / f"{info.name}.tmp.tif" for name, info in infos.items()}
    writers = {name: BandWriter(path, grid) for name, path in working.items()}
    try:
        yield Several(writers)
    except BaseException:
        for name, writer in writers.items():
            writer.close()
            working[name].unlink(missing_ok=True)
        raise
    for writer in writers.values():
        writer.close()
    for name, info in infos.items():
        publish(working[name], folder / f"{info.name}.tif", info, grid, encoding=encoding, threads=threads)
