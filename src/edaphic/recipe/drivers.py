"""The section on what goes with soil carbon: importance, effects, response curves, differences between classes, path models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from edaphic.recipe.base import Choices, Listed, Section, Text
from edaphic.recipe.faults import Fault, fail
from edaphic.recipe.path_model import Paths

Share = Annotated[float, Field(gt=0, lt=1)]


def _check_families(families: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    homes: dict[str, str] = {}
    faults = []
    for family, names in families.items():
        for place, name in enumerate(names):
            if homes.setdefault(name, family) != family:
                faults.append(Fault((family, place), f"{name!r}, which is in {homes[name]!r} too", "each name in one family"))
    if faults:
        fail(*faults)
    return families


class Importance(Section):
    """Importance of covariates, one by one and by family."""

    families: Annotated[dict[Text, Choices[Text]], AfterValidator(_check_families)] = Field(
        default={}, description="Covariates that belong together, by name or pattern: {climate: [mat, map, 'bio*']}."
    )
    repeats: int = Field(default=5, ge=1, le=100, description="Permutations of each covariate.")


class Effects(Section):
    """What the model makes of a covariate."""

    covariates: Choices[Text] | None = Field(default=None, description="Covariates; null for the most important.")
    most: int = Field(default=6, ge=1, le=50, description="How many of the most important.")
    forests: int = Field(default=20, ge=2, le=500, description="Bootstrap forests behind the bands.")
    shap: int = Field(default=200, ge=0, le=5000, description="Profiles whose predictions are taken apart by SHAP; 0 for none.")


class Curves(Section):
    """Observed values against a covariate, with a smooth, its band and change points."""

    covariates: Choices[Text] | None = Field(default=None, description="Covariates; null for the most important.")
    most: int = Field(default=9, ge=1, le=50, description="How many of the most important.")
    breaks: Literal[0, 1, 2] = Field(default=1, description="Most change points that are looked for.")


class Groups(Section):
    """Observed values by class, and which classes differ."""

    by: Text = Field(description="Class covariate, or a column of the tables of profiles.")
    test: Literal["duncan", "tukey", "games_howell"] = Field(
        default="games_howell", description="Comparison of pairs: Games-Howell does not ask for equal variances; Duncan is the papers'."
    )
    level: Share = Field(default=0.05, description="Level of the tests.")
    log: bool = Field(default=True, description="Whether values are compared on the logarithm; beta never is.")


class Drivers(Section):
    """What goes with soil carbon. Nothing of it is a cause."""

    importance: Importance | None = Field(default=None, description="Importance of covariates, one by one and by family.")
    effects: Effects | None = Field(default=None, description="Partial dependence, accumulated local effects, SHAP.")
    curves: Curves | None = Field(default=None, description="Observed values against covariates.")
    groups: Listed[Groups] = Field(default=(), description="Observed values by class.")
    paths: Paths | None = Field(default=None, description="PLS path model of covariates and layers (docs/paths.md).")

    @property
    def asked(self) -> bool:
        """Whether anything is asked for."""
        return any((self.importance, self.effects, self.curves, self.groups, self.paths))
