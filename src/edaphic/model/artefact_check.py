"""What a stored model has to be before anything is computed with it.

Compiled code follows the indices of a forest without looking at bounds, and walks down a tree until it meets a leaf: every index must
lead inside, and no walk may go round in a circle. Values of a document are taken for what they are said to be only if they are.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edaphic.model.artefact_files import Spec, short
from edaphic.model.bags import LEAST_BAGS
from edaphic.model.features import Encoder
from edaphic.model.forest import settings_faults
from edaphic.model.structure import Forest, Settings

ARRAYS: Mapping[str, Spec] = {
    "roots": Spec("<i8"),
    "feature": Spec("<i4"),
    "threshold": Spec("<f4"),
    "left": Spec("<i4"),
    "right": Spec("<i4"),
    "leaf_mean": Spec("<f8"),
    "leaf_mean_fit": Spec("<f8"),
    "leaf_start": Spec("<i8"),
    "member_rank": Spec("<i4"),
    "member_share": Spec("<f4"),
    "values": Spec("<f8"),
    "importance": Spec("<f8"),
}
"""Arrays of a forest, and their types."""

LARGEST = 1e30
"""Numbers beyond do not count as values of rasters either."""
LONGEST = 500
"""Signs of a name, a unit or the name of a class."""
MOST_FEATURES = 100_000
LARGEST_CODE = 2**53
_YEARS = (-1_000_000, 1_000_000)
_T = TypeVar("_T")


def forest_fault(forest: Forest, features: int) -> str:
    """What is wrong with the arrays of a forest; nothing where they are sound.

    Parameters
    ----------
    forest : Forest
        Arrays of the types of :data:`ARRAYS`.
    features : int
        Columns that it is asked with.
    """
    # In this order: each test may count on what those before it have found.
    for test in (_lengths, _indices, _tree, _leaves, _numbers):
        fault = test(forest, features)
        if fault:
            return fault
    return ""


def _lengths(forest: Forest, features: int) -> str:
    nodes, leaves = len(forest.feature), len(forest.leaf_mean)
    alike = (
        all(len(array) == nodes for array in (forest.threshold, forest.left, forest.right))
        and len(forest.leaf_mean_fit) == leaves
        and len(forest.leaf_start) == leaves + 1
        and len(forest.member_share) == len(forest.member_rank)
        and len(forest.importance) == features
        and forest.trees > 0
    )
    if not alike:
        return "arrays whose lengths do not fit each other"
    if forest.bag and (forest.bag < 2 or forest.trees % forest.bag or forest.trees < LEAST_BAGS * forest.bag):
        return f"{forest.trees} trees in bags of {forest.bag}"
    return ""


def _indices(forest: Forest, features: int) -> str:
    nodes, leaves, members = len(forest.feature), len(forest.leaf_mean), len(forest.member_rank)
    inner = forest.feature >= 0
    own = np.arange(nodes)[inner]
    sound = (
        forest.leaf_start[0] == 0
        and forest.leaf_start[-1] == members
        and bool(np.all(np.diff(forest.leaf_start) > 0))
        and bool(np.all((forest.roots >= 0) & (forest.roots < nodes)))
        and bool(np.all((forest.feature >= -1) & (forest.feature < features)))
        and bool(np.all((forest.left[~inner] >= 0) & (forest.left[~inner] < leaves)))
        # Children stand after their parent, so no walk down a tree can go round in a circle.
        and bool(np.all((forest.left[inner] > own) & (forest.left[inner] < nodes)))
        and bool(np.all((forest.right[inner] > own) & (forest.right[inner] < nodes)))
        and bool(np.all((forest.member_rank >= 0) & (forest.member_rank < len(forest.values))))
    )
    return "" if sound else "indices that lead outside the forest"


def _tree(forest: Forest, features: int) -> str:
    """Trees stand one after another, and each node but a root hangs on one other of its tree."""
    del features
    nodes = len(forest.feature)
    inner = forest.feature >= 0
    if forest.roots[0] != 0 or np.any(np.diff(forest.roots) <= 0):
        return "trees that do not stand one after another"
    end = np.append(forest.roots[1:], nodes)
    last = end[np.searchsorted(forest.roots, np.flatnonzero(inner), side="right") - 1]
    if np.any(forest.left[inner] >= last) or np.any(forest.right[inner] >= last):
        return "branches that lead into another tree"
    hangs = np.bincount(np.concatenate([forest.roots, forest.left[inner], forest.right[inner]]), minlength=nodes)
    return "" if np.all(hangs == 1) else "nodes that hang on none or on several others"


def _leaves(forest: Forest, features: int) -> str:
    del features
    ends = forest.left[forest.feature < 0]
    if not np.array_equal(ends, np.arange(len(forest.leaf_mean))):
        return "leaves that do not stand in the order of their nodes"
    begins = np.zeros(len(forest.member_rank), dtype=bool)
    begins[forest.leaf_start[:-1]] = True
    if np.any(np.diff(forest.member_rank)[~begins[1:]] <= 0):
        return "members of leaves that are not in ascending order"
    share = forest.member_share.astype(np.float64)
    if not np.all((share >= 0) & (share <= 1.001)) or np.any(np.abs(np.add.reduceat(share, forest.leaf_start[:-1]) - 1) > 1e-3):
        return "shares of members that do not add up to one"
    return ""


def _numbers(forest: Forest, features: int) -> str:
    del features
    inner = forest.feature >= 0
    parts: dict[str, NDArray] = {"thresholds": forest.threshold[inner], "means": forest.leaf_mean}
    parts["means of the trees"] = forest.leaf_mean_fit
    parts |= {"training values": forest.values, "importances": forest.importance}
    for what, numbers in parts.items():
        if not np.all(np.abs(numbers) <= LARGEST):  # NaN is not below it either
            return f"{what} that are no numbers, or beyond {LARGEST:g}"
    if np.any(np.diff(forest.values) < 0):
        return "training values that are not in ascending order"
    if forest.log and forest.values[0] <= 0:
        return "training values that have no logarithm"
    return ""


def correlation_fault(matrix: NDArray[np.float64], layers: int, *, needed: bool) -> str:
    """What is wrong with a matrix of correlations of so many layers; where it is not needed, that of one may stand for it.

    >>> correlation_fault(np.array([[1.0, 2.0], [2.0, 1.0]]), 2, needed=True)
    'correlations of layers that are none'
    """
    if matrix.shape != (layers, layers) and (needed or matrix.shape != (1, 1)):
        return f"correlations of {matrix.shape[0]} x {matrix.shape[1]} layers in place of {layers}"
    sound = np.isfinite(matrix).all() and np.allclose(np.diag(matrix), 1.0, atol=1e-9) and np.allclose(matrix, matrix.T, atol=1e-12)
    sound = bool(sound) and bool(np.linalg.eigvalsh(matrix)[0] > -1e-8)
    return "" if sound else "correlations of layers that are none"


def prior_fault(prior: NDArray[np.float64], intervals: int, *, needed: bool) -> str:
    """What is wrong with what little bags were told of each interval: degrees of freedom, not below 0, and a scale, at least 1.

    >>> prior_fault(np.empty((0, 2)), 3, needed=False), prior_fault(np.array([[0.0, 0.5]]), 1, needed=True)
    ('', 'what little bags were told of their errors is not what they can be')
    """
    if prior.shape != (intervals if needed else 0, 2):
        return f"what little bags were told of {len(prior)} intervals in place of {intervals if needed else 0}"
    sound = np.isfinite(prior).all() and np.all(prior[:, 0] >= 0) and np.all(prior[:, 1] >= 1) and np.all(prior <= 1e12)
    return "" if sound else "what little bags were told of their errors is not what they can be"


# Values of a document ---------------------------------------------------------------------------------------------------


def take(document: Mapping[str, Any], key: str) -> Any:
    """What stands under a key.

    Raises
    ------
    ValueError
        Nothing does. So say all functions below of what is not as it should be.
    """
    if key not in document:
        raise ValueError(f"no {key}")
    return document[key]


def text(value: Any, where: str, *, empty: bool = False, most: int = LONGEST) -> str:
    """A short text of signs that a screen can show."""
    if not isinstance(value, str) or len(value) > most or not (value or empty) or _unseen_signs(value):
        raise ValueError(f"{where} is {short(ascii(value))}; expected a short text")
    return value


def _unseen_signs(value: str) -> bool:
    return any(unicodedata.category(sign) in ("Cc", "Cs") for sign in value)


def readable(value: str, most: int = LONGEST) -> str:
    """A text as :func:`text` takes it: other signs become spaces, what is too long is cut."""
    return "".join(" " if _unseen_signs(sign) else sign for sign in value)[:most]


def name(value: Any, where: str) -> str:
    """A text that is no path out of a folder, whatever joins it to one.

    >>> name("EVI mean", "covariate")
    'EVI mean'
    """
    told = text(value, where)
    parts = re.split(r"[/\\]", told)
    if ".." in parts or parts[0] == "" or told.startswith("~"):
        raise ValueError(f"{where} is {short(ascii(told))}, a path; expected a name")
    return told


def whole(value: Any, where: str, low: int, high: int) -> int:
    """A whole number within limits."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{where} is {short(ascii(value))}; expected a whole number from {low} to {high}")
    return value


def number(value: Any, where: str, low: float = -LARGEST, high: float = LARGEST) -> float:
    """A number within limits; whole ones stay whole."""
    if type(value) not in (int, float) or not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{where} is {short(ascii(value))}; expected a number from {low:g} to {high:g}")
    return value  # type: ignore[no-any-return]


def truth(value: Any, where: str) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise ValueError(f"{where} is {short(ascii(value))}; expected true or false")
    return value


def listed(value: Any, where: str, read: Callable[[Any, str], _T]) -> tuple[_T, ...]:
    """A list, each entry read by a function."""
    if not isinstance(value, list):
        raise ValueError(f"{where} is {short(ascii(value))}; expected a list")
    return tuple(read(entry, where) for entry in value)


def mapped(value: Any, where: str, read: Callable[[Any, str], _T]) -> dict[str, _T]:
    """An object of JSON, each value read by a function; its keys are texts."""
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {short(ascii(value))}; expected an object")
    return {text(key, where): read(entry, f"{where}.{short(key)}") for key, entry in value.items()}


def interval(value: Any, where: str) -> tuple[float, float]:
    """Upper and lower depth in cm."""
    pair = listed(value, where, lambda depth, at: float(number(depth, at, 0.0, 1e5)))
    if len(pair) != 2 or not pair[0] < pair[1]:
        raise ValueError(f"{where} is {short(ascii(value))}; expected upper and lower depth in cm")
    return pair[0], pair[1]


def years(value: Any, where: str) -> tuple[int, int]:
    """First and last year."""
    pair = listed(value, where, lambda year, at: whole(year, at, *_YEARS))
    if len(pair) != 2 or pair[0] > pair[1]:
        raise ValueError(f"{where} is {short(ascii(value))}; expected first and last year")
    return pair[0], pair[1]


def settings(value: Any) -> Settings:
    """Settings of forests: each of its kind, and within its limits."""
    usual = Settings()
    if not isinstance(value, dict) or set(value) != {field.name for field in fields(Settings)}:
        raise ValueError("settings that are not those of a forest")
    for key, known in value.items():
        kind = type(getattr(usual, key))
        may = (kind, int) if kind is float else (int, type(None)) if key == "max_depth" else (kind,)
        if type(known) not in may:
            raise ValueError(f"settings.{key} is {short(ascii(known))}; expected {kind.__name__}")
    found = Settings(**value)
    faults = settings_faults(found)
    if faults:
        raise ValueError(faults[0])
    return found


def encoder(value: Any, *, depth: bool) -> Encoder:
    """An encoder whose classes are those of its covariates, in ascending order."""
    if not isinstance(value, dict) or set(value) != {"covariates", "classes", "depth", "means", "overall"}:
        raise ValueError("an encoder that lacks a part")
    names = listed(value["covariates"], "covariates", name)
    codes = mapped(value["classes"], "classes", lambda v, at: listed(v, at, lambda c, w: whole(c, w, -LARGEST_CODE, LARGEST_CODE)))
    means = mapped(value["means"], "means", lambda v, at: listed(v, at, lambda m, w: float(number(m, w))))
    overall = float(number(value["overall"], "overall"))
    found = Encoder(names, tuple(codes.items()), truth(value["depth"], "depth"), tuple(means.items()), overall)
    if len(set(names)) < len(names) or not names:
        raise ValueError("no covariates, or some that stand twice")
    if any(not some or list(some) != sorted(set(some)) for some in codes.values()) or not set(codes) <= set(names):
        raise ValueError("classes that are not those of covariates, in ascending order")
    if means and (list(means) != list(codes) or any(len(means[key]) != len(codes[key]) for key in codes)):
        raise ValueError("means of classes that are not those of its classes")
    if found.depth is not depth:
        raise ValueError("an encoder for another form of the model")
    columns = len(names) + sum(len(some) for some in codes.values())
    if columns > MOST_FEATURES:
        raise ValueError(f"{columns} features; expected {MOST_FEATURES} at most")
    return found


def same(said: Sequence[Any], found: Sequence[Any], where: str) -> None:
    """Two lists that have to be the same."""
    if list(said) != list(found):
        raise ValueError(f"{where} that do not fit the model")
