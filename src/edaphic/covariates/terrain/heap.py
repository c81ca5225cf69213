"""A heap of cells by level: keys and places in two arrays, four children to a node."""

from __future__ import annotations

from typing import Any

from edaphic.compiled import kernel
from edaphic.covariates.terrain.neighbours import grown


@kernel
def sift_up(keys: Any, places: Any, size: Any, key: Any, place: Any) -> Any:
    """Put an entry into a heap with four children to a node."""
    at = size
    while at > 0:
        parent = (at - 1) >> 2
        if keys[parent] <= key:
            break
        keys[at], places[at] = keys[parent], places[parent]
        at = parent
    keys[at], places[at] = key, place


@kernel
def drop_first(keys: Any, places: Any, size: Any) -> Any:
    """Take the first entry out of a heap of ``size`` entries."""
    last = size - 1
    key, place = keys[last], places[last]
    at = 0
    while True:
        child = 4 * at + 1
        if child >= last:
            break
        least = child
        for other in range(child + 1, min(child + 4, last)):
            if keys[other] < keys[least]:
                least = other
        if keys[least] >= key:
            break
        keys[at], places[at] = keys[least], places[least]
        at = least
    keys[at], places[at] = key, place


@kernel
def push(keys: Any, places: Any, size: Any, key: Any, place: Any) -> Any:
    """Put an entry into a heap that grows."""
    if size == keys.shape[0]:
        keys, places = grown(keys), grown(places)
    sift_up(keys, places, size, key, place)
    return keys, places, size + 1
