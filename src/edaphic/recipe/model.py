"""The section of the model: which covariates, which forest, and how its settings are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from edaphic.recipe.base import Choices, Listed, Section, Text
from edaphic.recipe.designs import Design
from edaphic.recipe.faults import Fault

Target = Literal["soc_stock", "soc_density", "soc", "log_soc_stock", "log_soc_density", "log_soc", "beta"]


class Screen(Section):
    """Which covariates are left out before the model is made. None of the screens looks at the target."""

    correlation: float = Field(
        default=0.95, gt=0, le=1, description="Of two covariates with a larger correlation (0 to 1), one is left out."
    )
    vif: float | None = Field(
        default=None,
        gt=1,
        description="Largest variance inflation factor (10 is usual); covariates above it go one by one. Null: no such screen.",
    )
    keep: Listed[Text] = Field(default=(), description="Covariates that no screen and no search leaves out.")
    target_derived: Literal["flag", "drop"] = Field(
        default="flag",
        description="Covariates that are made of carbon (total N, C:N, microbial C ...): named in the report, or left out too.",
    )


class Select(Section):
    """Search for the covariates that predict best, made anew in each fold of the evidence."""

    method: Literal["none", "exhaustive", "forward", "backward"] = Field(
        default="none",
        description="No search, all subsets of the best covariates, one more at a time, or one less at a time.",
    )
    best: int = Field(default=10, ge=1, le=16, description="How many of the best covariates the exhaustive search takes.")
    rank: Literal["permutation", "impurity"] = Field(default="permutation", description="Importance that ranks covariates.")
    rule: Literal["best", "one_se"] = Field(
        default="best", description="The subset of smallest error, or the smallest one within a standard error of it."
    )
    design: Design = Field(default="profile", description="How rows are split in the search.")
    folds: int = Field(default=5, ge=2, description="Number of parts in the search.")
    trees: int = Field(default=50, ge=1, description="Number of trees in each trial.")


class Forest(Section):
    """Settings of the random forest. What is left out is chosen by tuning."""

    trees: int = Field(default=500, ge=1, description="Number of trees.")
    min_samples_leaf: int | None = Field(default=None, ge=1, description="Fewest rows in a leaf; tuned when left out.")
    max_features: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of covariates (0 to 1) tried at a split; tuned when left out.",
    )
    max_depth: int | None = Field(default=None, ge=1, description="Most splits from root to leaf; no limit when left out.")
    split: Literal["variance", "extra"] = Field(
        default="variance", description="Best split of each covariate, or the best of random ones (extra trees)."
    )
    engine: Literal["edaphic", "scikit-learn"] = Field(default="edaphic", description="Who grows the trees.")
    little_bags: int = Field(
        default=0,
        ge=0,
        description="Trees that share one random half of the profiles, 10 for example: the standard error of the mean needs them. 0: none.",
    )

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        bag, trees = given.get("little_bags", 0), given.get("trees", cls.model_fields["trees"].default)
        if not (type(bag) is int and type(trees) is int and bag > 0 and trees > 0):
            return []
        if bag >= 2 and trees % bag == 0 and trees // bag >= 10:
            return []
        return [Fault(("little_bags",), f"{bag} with {trees} trees", "at least 2, and trees that make 10 bags or more without a rest")]


class Tune(Section):
    """Search for the settings that the forest leaves open, made anew in each fold of the evidence."""

    method: Literal["random", "grid"] = Field(default="random", description="Settings drawn at random, or all of them.")
    candidates: int = Field(default=6, ge=1, description="Number of settings tried at random.")
    over: Choices[Literal["max_features", "min_samples_leaf", "max_depth", "split", "trees"]] = Field(
        default=("max_features", "min_samples_leaf"), description="Settings that are tried."
    )
    design: Literal["bootstrap"] | Design = Field(
        default="profile", description="How rows are split: a design of the evidence, or bootstrap samples."
    )
    folds: int = Field(default=3, ge=1, description="Number of parts in each trial (of repeats, for hold_out and bootstrap).")
    trees: int = Field(default=100, ge=1, description="Number of trees in each trial.")
    metric: Literal["rmse", "mae", "mec", "ccc", "r2_pearson"] = Field(default="rmse", description="What is best.")


class Model(Section):
    """What is predicted, and by what."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = Field(
        default="forest", description="Name of the model's folder."
    )
    target: Target = Field(
        default="log_soc_density",
        description="Stock (kg/m2), density (kg/m3) or content (g/kg) of organic carbon; log_ models its logarithm; or beta of the depth "
        "function of that name.",
    )
    form: Literal["3d", "layers"] = Field(
        default="3d",
        description="One model with depth as a covariate (3d), or one for each layer (layers).",
    )
    zones: Text | None = Field(
        default=None, description="Class covariate with a forest for each of its classes, beside one for all. Null: one for all."
    )
    min_zone_profiles: int = Field(
        default=50, ge=10, description="Zones with fewer profiles take the forest of all."
    )
    classes: Literal["onehot", "ordered"] = Field(
        default="onehot", description="Classes as columns of zeros and ones, or ordered by the mean of the target."
    )
    weights: Literal["none", "error"] | Text = Field(
        default="none",
        description="Weights of rows: none, by the error of each value, or a column of the tables of profiles.",
    )
    screen: Screen = Field(default=Screen(), description="Which covariates are left out before the model is made.")
    select: Select = Field(default=Select(), description="Search for the covariates that predict best.")
    forest: Forest = Field(default=Forest(), description="Settings of the random forest.")
    tune: Tune = Field(default=Tune(), description="Search for the settings that the forest leaves open.")

    @classmethod
    def clashes(cls, given: Mapping[str, Any]) -> list[Fault]:
        forest, tune = given.get("forest"), given.get("tune")
        over = tune.get("over") if isinstance(tune, dict) else None
        if not (isinstance(forest, dict) and forest.get("little_bags") and isinstance(over, list | tuple) and "trees" in over):
            return []
        return [Fault(("forest", "little_bags"), "beside tune.over: trees", "a number of trees that is not tuned")]
