"""What a path model is made of: blocks of indicators, arrows between latents, and how it is estimated."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal, cast

from edaphic.errors import ModelError

Mode = Literal["A", "B"]
Scheme = Literal["centroid", "factorial", "path"]
Signs = Literal["none", "individual", "construct"]
Coding = Literal["number", "dummies", "scores"]
Missing = Literal["drop", "mean"]

MODES = ("A", "B")
SCHEMES = ("centroid", "factorial", "path")
SIGNS = ("none", "individual", "construct")
CODINGS = ("number", "dummies", "scores")
MISSING = ("drop", "mean")


@dataclass(frozen=True)
class Indicator:
    """One column of the table, and how it becomes numbers.

    Parameters
    ----------
    name : str
        Column.
    coding : {"number", "dummies", "scores"}
        A class is a column of 0 and 1 for each class but ``reference``, or one column of scores.
    order : tuple of str
        Classes from the lowest to the highest; their scores are 1, 2, ...
    scores : mapping of str to float
        Score of each class.
    mean_of : str, optional
        The score of a class is the mean of this column over the rows of the class.
    reference : str, optional
        Class without a column; the most frequent one by default.
    """

    name: str
    coding: Coding = "number"
    order: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    mean_of: str | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Block:
    """A latent and its indicators.

    ``mode``: A, weights are covariances with the inner estimate; B, weights of a multiple regression. ``positive``: indicator that shall
    have a positive loading; by default the majority of the indicators decides.
    """

    name: str
    indicators: tuple[Indicator, ...]
    mode: Mode = "A"
    positive: str | None = None


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made.

    ``group``: column whose rows are drawn together, such as a profile; ``level``: share of resamples within an interval.
    """

    resamples: int = 200
    signs: Signs = "construct"
    group: str | None = None
    level: float = 0.95
    seed: int = 1


@dataclass(frozen=True)
class PathModel:
    """Blocks, arrows and rules of estimation.

    ``paths``: for each dependent latent those that act on it. ``vif``: limit of the screening within each block, or None.
    """

    blocks: tuple[Block, ...]
    paths: Mapping[str, tuple[str, ...]]
    scheme: Scheme = "path"
    scaled: bool = True
    missing: Missing = "drop"
    vif: float | None = None
    tolerance: float = 1e-8
    iterations: int = 500
    bootstrap: Bootstrap = field(default_factory=Bootstrap)

    @property
    def latents(self) -> tuple[str, ...]:
        """Names, in the order of the blocks."""
        return tuple(block.name for block in self.blocks)


def model_of(values: Mapping[str, Any]) -> PathModel:
    """A model from plain values, spelt as the section ``paths`` of a recipe.

    Examples
    --------
    >>> model = model_of({"latents": {"climate": {"indicators": [{"name": "map_mm"}]}, "soc": {"indicators": [{"name": "soc"}]}},
    ...                   "paths": {"soc": ["climate"]}})
    >>> model.latents, model.scheme, model.blocks[0].mode
    (('climate', 'soc'), 'path', 'A')
    """
    blocks = tuple(
        Block(name, tuple(map(_indicator, block["indicators"])), block.get("mode", "A"), block.get("positive"))
        for name, block in values["latents"].items()
    )
    usual = {key: values[key] for key in ("scheme", "scaled", "missing", "vif", "tolerance", "iterations") if key in values}
    paths = {name: tuple(causes) for name, causes in values["paths"].items()}
    return PathModel(blocks, paths, **usual, bootstrap=Bootstrap(**(values.get("bootstrap") or {})))


def _indicator(values: Mapping[str, Any]) -> Indicator:
    coding = cast(Coding, values.get("as", "number"))
    order = tuple(values.get("order") or ())
    return Indicator(values["name"], coding, order, dict(values.get("scores") or {}), values.get("mean_of"), values.get("reference"))


def ordered(model: PathModel) -> tuple[str, ...]:
    """Latents, each after those that act on it; of equals the first block comes first.

    >>> blocks = tuple(Block(name, (Indicator(name),)) for name in "cba")
    >>> ordered(PathModel(blocks, {"c": ("a", "b"), "b": ("a",)}))
    ('a', 'b', 'c')
    """
    done: list[str] = []
    left = list(model.latents)
    while left:
        free = next((name for name in left if not set(model.paths.get(name, ())) & set(left)), None)
        if free is None:
            raise ModelError(f"paths: found a cycle among {', '.join(left)}; expected none")
        done.append(free)
        left.remove(free)
    return tuple(done)


def cycle_of(paths: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Latents of a cycle, the first again at the end; an empty list where there is none.

    >>> cycle_of({"b": ("a",), "a": ("b",)}) in (["a", "b", "a"], ["b", "a", "b"]), cycle_of({"b": ("a",)})
    (True, [])
    """
    try:
        TopologicalSorter(paths).prepare()
    except CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


def check_model(model: PathModel) -> None:
    """Refuse what no table can mend.

    Raises
    ------
    ModelError
        All faults: one line each.
    """
    faults = [*_of_blocks(model), *_of_paths(model), *_of_rules(model)]
    if faults:
        raise ModelError(faults)


def _of_blocks(model: PathModel) -> Iterator[str]:
    homes: dict[str, str] = {}
    for place, block in enumerate(model.blocks):
        if block.name in model.latents[:place]:
            yield f"latents: '{block.name}' stands there twice; expected each latent once"
        if not block.indicators:
            yield f"latents.{block.name}: no indicator; expected at least one"
        if block.mode not in MODES:
            yield f"latents.{block.name}: mode '{block.mode}'; expected A or B"
        for indicator in block.indicators:
            if indicator.name in homes:
                yield f"latents.{block.name}: indicator '{indicator.name}' is in '{homes[indicator.name]}' already; expected each once"
            homes.setdefault(indicator.name, block.name)
            if indicator.coding not in CODINGS:
                yield f"latents.{block.name}: '{indicator.name}' as '{indicator.coding}'; expected number, dummies or scores"
            told = bool(indicator.order) + bool(indicator.scores) + (indicator.mean_of is not None)
            if indicator.coding == "scores" and told != 1:
                yield f"latents.{block.name}: '{indicator.name}' as scores from {told} rules; expected one of order, scores, mean_of"
        if block.positive is not None and block.positive not in [indicator.name for indicator in block.indicators]:
            yield f"latents.{block.name}: positive '{block.positive}' is no indicator of the block; expected one of its own"


def _of_paths(model: PathModel) -> Iterator[str]:
    known = set(model.latents)
    for name, causes in model.paths.items():
        for latent in (name, *causes):
            if latent not in known:
                yield f"paths.{name}: unknown latent '{latent}'; expected some of {', '.join(model.latents)}"
        if len(set(causes)) < len(causes):
            yield f"paths.{name}: a latent stands there twice; expected each once"
    cycle = cycle_of(model.paths)
    if cycle:
        yield f"paths: found the cycle {' -> '.join(cycle)}; expected arrows that never come back"
    used = {latent for name, causes in model.paths.items() if causes for latent in (name, *causes)}
    for latent in model.latents:
        if latent not in used:
            yield f"latents.{latent}: no path from or to it; expected at least one"


def _of_rules(model: PathModel) -> Iterator[str]:
    boot = model.bootstrap
    for what, found, choices in (("scheme", model.scheme, SCHEMES), ("missing", model.missing, MISSING), ("signs", boot.signs, SIGNS)):
        if found not in choices:
            yield f"{what}: '{found}'; expected one of {', '.join(choices)}"
    if not (math.isfinite(model.tolerance) and model.tolerance > 0):
        yield f"tolerance: {model.tolerance:g}; expected a positive number"
    if model.iterations < 1:
        yield f"iterations: {model.iterations}; expected at least 1"
    if model.vif is not None and not (math.isfinite(model.vif) and model.vif > 1):
        yield f"vif: {model.vif:g}; expected a number above 1"
    if boot.resamples < 0 or 0 < boot.resamples < 20:
        yield f"bootstrap: {boot.resamples} resamples; expected 0, or at least 20"
    if not 0 < boot.level < 1:
        yield f"bootstrap: level {boot.level:g}; expected between 0 and 1"
    if boot.seed < 0:
        yield f"bootstrap: seed {boot.seed}; expected 0 or more"
