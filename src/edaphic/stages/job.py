"""One run and what its stages share: the recipe and where it stands, its grid and its covariates."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from odc.geo.geobox import GeoBox

from edaphic import covariates
from edaphic.covariates import Source
from edaphic.manifest import key_of
from edaphic.model.fit import TARGETS, Target
from edaphic.recipe import Recipe, address, covariate_layers, resolve, whole_layer

Say = Callable[[str, int, int], None]
"""Progress: what, how many are done, of how many."""


FEWEST_WHOLE = 50
"""Fewest profiles observed over all layers that the whole depth is mapped from."""


PARTS: Mapping[str, tuple[str, ...]] = {
    "profiles": ("profiles",),
    "covariates": ("grid", "covariates"),
    "model": ("seed", "profiles", "model", "evidence"),
    "evidence": ("seed", "profiles", "model", "evidence"),
    "maps": ("name", "seed", "grid", "profiles", "covariates", "model", "evidence", "maps"),
    "account": ("name", "grid", "profiles", "covariates", "model", "evidence", "maps", "account"),
    "report": ("name", "grid", "profiles", "covariates", "model", "evidence", "maps", "account", "report"),
}
"""Sections of the recipe that a stage heeds."""


@dataclass(frozen=True)
class Job:
    """One run: the recipe and where it stands, the run folder, threads, and whom to tell of progress."""

    recipe: Recipe
    recipe_path: Path
    out: Path
    workers: int
    version: str
    recipe_hash: str
    say: Say

    def path(self, value: str) -> Path:
        """Path of a file that the recipe names."""
        return resolve(self.recipe, self.recipe_path, value)

    def address(self, value: str) -> Path | str:
        """Path of a table that the recipe names, or the address of a database table."""
        return address(self.recipe, self.recipe_path, value)

    @property
    def target(self) -> Target:
        """What the model is trained on."""
        return TARGETS[self.recipe.model.target]

    @property
    def layers(self) -> tuple[tuple[float, float], ...]:
        """Layers of the recipe, in cm."""
        return tuple(self.recipe.profiles.layers)

    @property
    def whole(self) -> tuple[float, float] | None:
        """All layers together, where they join up and enough profiles were observed over all of them to learn and to test it."""
        whole = whole_layer(self.recipe)
        if whole is None:
            return None
        layers = pd.read_parquet(self.out / "profiles" / "layers.parquet", columns=["top_cm", "bottom_cm", self.target.column])
        here = (layers["top_cm"] == whole[0]) & (layers["bottom_cm"] == whole[1])
        return whole if int(layers.loc[here, self.target.column].notna().sum()) >= FEWEST_WHOLE else None

    def hash_of(self, sections: Sequence[str]) -> str:
        """Hash of some sections of the recipe: of what a file depends on, no more."""
        told = self.recipe.model_dump(mode="json")
        return key_of({section: told[section] for section in sections})

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """Layers, then the whole."""
        return self.layers + ((self.whole,) if self.whole else ())

    @property
    def levels(self) -> tuple[float, float]:
        """Levels of the limits of the prediction interval."""
        tail = (1 - self.recipe.evidence.interval) / 2
        return (round(tail, 6), round(1 - tail, 6))


def sources_of(recipe: Recipe, recipe_path: Path) -> list[Source]:
    """Covariates of the recipe, patterns replaced by the files they find."""
    return [
        Source(
            name=str(layer.name),
            path=Path(layer.path),
            kind=layer.kind,
            band=layer.band,
            nodata=layer.nodata,
            scale=layer.scale,
            offset=layer.offset,
            unit=layer.unit,
            classes=layer.classes,
        )
        for layer in covariate_layers(recipe, recipe_path)
    ]


def grid_of(recipe: Recipe, recipe_path: Path) -> GeoBox:
    """Target grid of the recipe."""
    grid = recipe.grid
    if hasattr(grid, "like"):
        return covariates.grid_like(resolve(recipe, recipe_path, grid.like))
    if hasattr(grid, "region"):
        return covariates.grid_from_region(resolve(recipe, recipe_path, grid.region), grid.resolution, grid.crs)
    return covariates.grid_from_bounds(grid.crs, grid.resolution, grid.bounds)


def sites_of(job: Job) -> pd.DataFrame:
    """One row per profile that has layers: profile_id, lon, lat, in order of first appearance."""
    layers = pd.read_parquet(job.out / "profiles" / "layers.parquet", columns=["profile_id", "lon", "lat"])
    return layers.drop_duplicates("profile_id", ignore_index=True)


def points_of(job: Job) -> tuple[pd.DataFrame, Mapping[str, str]]:
    """Covariates of the profiles that have all of them, by profile, and the kind of each covariate."""
    points = pd.read_parquet(job.out / "covariates" / "points.parquet")
    points = points[points["reason"] == ""].set_index("profile_id").drop(columns="reason")
    kinds: dict[str, str] = {source.name: source.kind for source in sources_of(job.recipe, job.recipe_path)}
    return points, kinds


def provenance(job: Job) -> dict[str, str | int]:
    return {
        "edaphic": job.version,
        "recipe_sha256": job.hash_of(PARTS["model"]),
        "run_seed": job.recipe.seed,
    }


def seen_from(root: Path, path: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
