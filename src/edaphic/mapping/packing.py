"""A tile as it lies on disk: one compressed chunk of each array of a Zarr store."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs.blosc import SHUFFLE, Blosc
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from zarr.codecs import BloscCodec

from edaphic.covariates.grid import Window

LEVEL = 1
"""Of compression: more of it would take longer than it saves."""

EMPTY: Mapping[str, float] = {"float32": math.nan, "uint8": 255, "int16": -32768}
"""Kinds of numbers that arrays may have, and what stands for no value in each."""


@dataclass(frozen=True)
class Form:
    """What chunks look like: rows and columns of a tile, and the name and kind of each array. Small, and can be sent to workers."""

    size: tuple[int, int]
    kinds: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Packed:
    """A tile as it will lie on disk: the bytes of each chunk (None where it holds no value) and the facts."""

    chunks: tuple[bytes | None, ...]
    facts: Mapping[str, Any]


def pack(form: Form, tile: Window, arrays: Mapping[str, NDArray], facts: Mapping[str, Any]) -> Packed:
    """Compress the arrays of a tile.

    Raises
    ------
    ValueError
        An array is lacking, has another shape than the tile, or numbers that its kind cannot hold: a fault of the work, not of the data.
    """
    lacking = {name for name, _ in form.kinds} ^ set(arrays)
    if lacking:
        raise ValueError(f"tile {tile}: arrays {sorted(lacking)} are lacking or not expected")
    return Packed(tuple(_chunk(form.size, tile, name, kind, arrays[name]) for name, kind in form.kinds), dict(facts))


def _chunk(size: tuple[int, int], tile: Window, name: str, kind: str, values: NDArray) -> bytes | None:
    if values.shape != tile.shape or not np.can_cast(values.dtype, kind, "same_kind"):
        raise ValueError(f"tile {tile}: array {name} is {values.dtype} {values.shape}; expected {kind} {tile.shape}")
    given = np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<"))
    empty = EMPTY[kind]
    if bool((np.isnan(given) if math.isnan(empty) else given == empty).all()):
        return None
    if given.shape != size:
        whole = np.full(size, empty, dtype=given.dtype)
        whole[: tile.height, : tile.width] = given
        given = whole
    return bytes(Blosc("zstd", LEVEL, SHUFFLE).encode(given))


def unpack(chunk: bytes | None, size: tuple[int, int], kind: str) -> NDArray:
    """Values of a chunk, of the size of a whole tile."""
    if chunk is None:
        return np.full(size, EMPTY[kind], dtype=kind)
    values: NDArray = np.frombuffer(Blosc().decode(chunk), dtype=np.dtype(kind).newbyteorder("<")).reshape(size)
    return values


def make_zarr(path: Path, grid: GeoBox, form: Form) -> None:
    """Make the Zarr store (version 3) that the chunks belong to; what has not arrived is nodata in it."""
    about = {"crs": str(grid.crs), "transform": list(grid.affine)[:6], "edaphic": "tiles of a run that is not finished"}
    group = zarr.create_group(store=path, attributes=about)
    for name, kind in form.kinds:
        empty = EMPTY[kind] if math.isnan(EMPTY[kind]) else int(EMPTY[kind])
        attributes: dict[str, Any] = {} if math.isnan(empty) else {"_FillValue": empty}
        group.create_array(
            name,
            shape=(grid.shape[0], grid.shape[1]),
            chunks=form.size,
            dtype=kind,
            fill_value=empty,
            compressors=BloscCodec(cname="zstd", clevel=LEVEL, shuffle="shuffle"),
            filters=None,
            dimension_names=("y", "x"),
            attributes=attributes,
        )
