"""The section that says a PLS path model: latents and their indicators, what acts on what, and how it is estimated.

It stands in a file of its own for ``edaphic paths``, and under ``drivers.paths`` of a recipe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from edaphic.recipe.base import Choices, Section, Text
from edaphic.recipe.faults import Fault, meant, shown

LEAST_RESAMPLES = 20
ITEM = {"type": ["string", "object"]}
"""An indicator in the JSON schema: its name, or a section."""


class PathIndicator(Section):
    """A column of the table; its name alone where it holds numbers."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: Text = Field(description="Column of the table.")
    coded: Literal["number", "dummies", "scores"] = Field(
        default="number", alias="as", description="A number; or a class as columns of 0 and 1, or as one column of scores."
    )
    order: Choices[Text] | None = Field(default=None, description="Of scores: classes from the lowest (1) to the highest.")
    scores: dict[str, float] | None = Field(default=None, min_length=2, description="Of scores: the score of each class.")
    mean_of: Text | None = Field(default=None, description="Of scores: column whose mean over the class is its score.")
    reference: Text | None = Field(default=None, description="Of dummies: class without a column; by default the most frequent.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        coded = given.get("as", "number")
        rules = [key for key in ("order", "scores", "mean_of") if key in given]
        if coded == "scores" and len(rules) != 1:
            found = f"scores from {' and '.join(rules)}" if rules else "scores, and no rule for them"
            return [Fault(("as",), found, "one of order, scores, mean_of")]
        idle = [
            *(rules if coded in ("number", "dummies") else ()),
            *(("reference",) if "reference" in given and coded != "dummies" else ()),
        ]
        wanted = {"reference": "'as: dummies'"}
        return [
            Fault((key,), f"{key} of what is no {'dummy' if key == 'reference' else 'score'}", wanted.get(key, "'as: scores'"))
            for key in idle
        ]


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _of_indicators(value: Any) -> Any:
    return {"indicators": value} if isinstance(value, (list, tuple)) else value


def _of_resamples(value: Any) -> Any:
    return {"resamples": value} if type(value) is int else value


class PathBlock(Section):
    """A latent: what it is measured by. A list alone is its indicators, in mode A."""

    indicators: Annotated[tuple[Annotated[PathIndicator, BeforeValidator(_named)], ...], Field(strict=False, min_length=1)] = Field(
        description="Columns that measure the latent."
    )
    mode: Literal["A", "B"] = Field(
        default="A", description="A: indicators reflect the latent, weights are covariances; B: they form it, weights are a regression's."
    )
    positive: Text | None = Field(default=None, description="Indicator whose loading shall be positive; by default the majority decides.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        names, positive = [name for _, name in _indicator_names(given)], given.get("positive")
        if isinstance(positive, str) and names and positive not in names:
            return [Fault(("positive",), shown(positive), f"an indicator of the block{meant(positive, names)}")]
        return []


class PathBootstrap(Section):
    """How intervals are made. A number alone is that of the resamples."""

    resamples: int = Field(default=200, ge=0, description="Resamples; 0 for none.")
    signs: Literal["construct", "individual", "none"] = Field(
        default="construct",
        description="Signs of a resample. construct: latents turned to their first loadings; individual: each number by itself; none.",
    )
    group: Text | None = Field(default=None, description="Column of what is drawn with all its rows, such as profile_id; by default rows.")
    level: float = Field(default=0.95, gt=0, lt=1, description="Share of the resamples within an interval.")
    seed: int = Field(default=1, ge=0, description="Seed of the draws.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        resamples = given.get("resamples")
        if type(resamples) is int and 0 < resamples < LEAST_RESAMPLES:
            return [Fault(("resamples",), str(resamples), f"0, or at least {LEAST_RESAMPLES}")]
        return []


class Paths(Section):
    """A PLS path model."""

    latents: dict[
        str, Annotated[PathBlock, BeforeValidator(_of_indicators), WithJsonSchema({"type": ["array", "object"], "items": ITEM})]
    ] = Field(
        min_length=2, description="Blocks of indicators, by the name of their latent."
    )
    paths: dict[str, Choices[Text]] = Field(min_length=1, description="For each dependent latent, those that act on it.")
    scheme: Literal["path", "factorial", "centroid"] = Field(default="path", description="Weights of neighbours in the inner estimates.")
    scaled: bool = Field(default=True, description="Indicators as z-scores; false only centres them.")
    missing: Literal["drop", "mean"] = Field(default="drop", description="Rows with a gap: dropped, or filled by the mean of the column.")
    vif: float | None = Field(default=None, gt=1, description="Indicators go, the worst first, until none in its block reaches this VIF.")
    by: Text | None = Field(default=None, description="Column whose values part the rows: a model for each.")
    bootstrap: Annotated[
        PathBootstrap, BeforeValidator(_of_resamples), WithJsonSchema({"type": ["integer", "object"], "minimum": 0})
    ] = Field(
        default_factory=PathBootstrap, description="Percentile intervals."
    )
    tolerance: float = Field(default=1e-8, gt=0, description="Largest sum of squared changes of the weights at the end.")
    iterations: int = Field(default=500, ge=1, description="Most iterations.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        latents, paths = given.get("latents"), given.get("paths")
        if not isinstance(latents, dict):
            return []
        faults = list(_of_twice(latents))
        if isinstance(paths, dict):
            faults += [*_of_arrows(paths, list(latents)), *_of_lonely(paths, list(latents))]
        return faults


def _indicator_names(block: Any) -> Iterator[tuple[int, str]]:
    """Places and names of the indicators of a raw block, as far as they can be read."""
    listed = block.get("indicators") if isinstance(block, dict) else block
    for place, raw in enumerate(listed if isinstance(listed, (list, tuple)) else ()):
        name = raw.get("name") if isinstance(raw, dict) else raw
        if isinstance(name, str):
            yield place, name


def _of_twice(latents: Mapping[Any, Any]) -> Iterator[Fault]:
    """Indicators that stand in the model a second time."""
    homes: dict[str, str] = {}
    for latent, block in latents.items():
        inside = ("indicators",) if isinstance(block, dict) else ()
        for place, name in _indicator_names(block):
            if name in homes:
                yield Fault(
                    ("latents", latent, *inside, place), f"{shown(name)} a second time (first in {homes[name]})", "each indicator once"
                )
            homes.setdefault(name, str(latent))


def _arrows(paths: Mapping[Any, Any]) -> dict[str, list[str]]:
    """Arrows of a raw section, as far as they can be read."""
    return {
        name: [cause for cause in causes if isinstance(cause, str)]
        for name, causes in paths.items()
        if isinstance(name, str) and isinstance(causes, (list, tuple))
    }


def _of_arrows(paths: Mapping[Any, Any], latents: list[Any]) -> Iterator[Fault]:
    known = ", ".join(map(str, latents))
    for name, causes in paths.items():
        if isinstance(name, str) and name not in latents:
            yield Fault(("paths", name), "an unknown latent", f"one of {known}{meant(name, map(str, latents))}")
        for place, cause in enumerate(causes if isinstance(causes, (list, tuple)) else ()):
            if isinstance(cause, str) and cause not in latents:
                yield Fault(("paths", name, place), f"the unknown latent {cause!r}", f"one of {known}{meant(cause, map(str, latents))}")
    try:
        TopologicalSorter(_arrows(paths)).prepare()
    except CycleError as error:
        cycle = [str(name) for name in error.args[1]]
        yield Fault(("paths", cycle[-1]), f"the cycle {' -> '.join(cycle)}", "arrows that never come back")


def _of_lonely(paths: Mapping[Any, Any], latents: list[Any]) -> Iterator[Fault]:
    used = Counter(latent for name, causes in _arrows(paths).items() if causes for latent in (name, *causes))
    for latent in latents:
        if isinstance(latent, str) and not used[latent]:
            yield Fault(("latents", latent), "a latent without a path", "at least one path from or to it")


TEMPLATE = """\
# A path model: which latent quantities act on which, and what each is measured by.
# edaphic paths points.csv --model model.yaml -o paths

# Latents. Each has indicators: columns of the table. A list alone is a block in mode A.
latents:
  climate: [mat_c, map_mm]
  topography: [elevation_m, slope_deg, twi]
  vegetation:
    indicators:
      - ndvi
      - npp
      # A class is not a number. Say how it becomes one:
      #   as: dummies   a column of 0 and 1 for each class but one (reference: CLASS; by default the most frequent)
      #   as: scores    one column; say from what, by one of
      #                   order: [bare, steppe, meadow, forest]     1, 2, 3, 4
      #                   scores: {bare: 0, meadow: 2.5}            each class its number
      #                   mean_of: COLUMN                           mean of a column over the class; it has then seen that column
      - {name: land_cover, as: dummies}
    # A: the indicators reflect the latent and go together; weights are covariances.
    # B: the indicators form the latent and need not go together; weights are those of a regression, so none may repeat the others.
    mode: A
    # The sign of a latent is arbitrary. By default most of its indicators load positively; this one shall:
    positive: ndvi
  soc: [soc_stock_kg_m2]

# For each dependent latent, those that act on it. Arrows may not come back to where they began.
paths:
  vegetation: [climate, topography]
  soc: [climate, topography, vegetation]

# Weights of neighbours in the inner estimates: path, factorial or centroid. Results seldom depend on it much.
scheme: path
# Indicators as z-scores. false only centres them: those with a large variance then count more.
scaled: true
# Rows with a gap: drop (told how many), or mean (fills the gap by the column's mean, which weakens correlations).
missing: drop
# Within each block, take out the indicator with the largest variance inflation factor until all are below this. Remove to keep all.
vif: 10
# A model for each value of this column, such as a depth layer. --by says it too.
# by: depth

# Percentile intervals from resamples of the rows.
bootstrap:
  resamples: 200
  # construct: each latent of a resample is turned to its original loadings. none: as drawn. individual: each number gets its original
  # sign, which keeps intervals off zero and is too sure of itself.
  signs: construct
  # Rows of the same profile are no independent evidence: draw profiles, with all their rows.
  # group: profile_id
  level: 0.95
  seed: 1
"""
