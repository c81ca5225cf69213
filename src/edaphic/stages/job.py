"""One run and what its stages share: the recipe and where it stands, its grid and its covariates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd
from odc.geo.geobox import GeoBox

from edaphic import covariates
from edaphic.covariates import Dated, Source
from edaphic.covariates.zones import CODES
from edaphic.manifest import key_of
from edaphic.mapping.place import Place
from edaphic.model.fit import TARGETS, Target
from edaphic.progress import Say
from edaphic.recipe import (
    MadeCovariate,
    Recipe,
    address,
    covariate_layers,
    is_elsewhere,
    made_covariates,
    made_layers,
    resolve,
    whole_layer,
)
from edaphic.recipe.cited import without_citations

FEWEST_WHOLE = 50
"""Fewest profiles observed over all layers that the whole depth is mapped from."""


OF_ZONES = ("covariates.layers", "covariates.max_gap_years", "maps.period", "maps.periods")
"""Keys that rasters depend on only where climate zones are made, of other covariates and for the year of the maps."""


OF_CELLS = ("maps.mask", "maps.masks", "maps.bedrock", "maps.period", "maps.periods")
"""Keys that the cells which stand for the map depend on."""


PARTS: Mapping[str, tuple[str, ...]] = {
    "profiles": ("profiles", "model.target"),
    "rasters": (
        "grid",
        "covariates.terrain",
        "covariates.indices",
        "covariates.climate",
        "covariates.depth_means",
        "covariates.zones",
        *OF_ZONES,
    ),
    "covariates": ("grid", "covariates"),
    "model": ("seed", "grid", "profiles", "covariates", "model", "evidence", *OF_CELLS),
    "evidence": ("seed", "grid", "profiles", "covariates", "model", "evidence", *OF_CELLS),
    "maps": ("name", "seed", "grid", "profiles", "covariates", "model", "evidence", "maps"),
    "montecarlo": (
        "name",
        "seed",
        "grid",
        "profiles",
        "covariates",
        "model",
        "evidence",
        "maps.monte_carlo",
        "maps.shares",
        "maps.subsoil",
        "maps.mask",
        "maps.masks",
        "maps.only_applicable",
        "maps.bedrock",
        "maps.period",
        "maps.periods",
        "maps.encoding",
        "account.by",
    ),
    "totals": (
        "name",
        "seed",
        "grid",
        "profiles",
        "covariates",
        "model",
        "evidence",
        "maps",
        "account.by",
        "account.total",
        "account.change",
    ),
    "account": ("name", "grid", "profiles", "covariates", "model", "evidence", "maps", "account"),
    "drivers": ("seed", "grid", "profiles", "covariates", "model", "evidence", "drivers"),
    "deliver": ("name", "grid", "profiles", "covariates", "model", "evidence", "maps", "account", "deliver"),
    "report": ("name", "grid", "profiles", "covariates", "model", "evidence", "maps", "account", "drivers", "report"),
}
"""Sections of the recipe, or keys of them, that a stage heeds."""

APART: Mapping[str, tuple[str, ...]] = {"maps": ("monte_carlo",)}
"""Keys that a stage which heeds their section does not heed: they have a stage of their own."""


def heeded(recipe: Recipe, parts: Sequence[str]) -> dict[str, object]:
    """What a recipe says under some sections or keys.

    What only climate zones are made of counts only where they are made, licences and citations only where they are handed over.
    """
    told = recipe.model_dump(mode="json")
    if "deliver" not in parts:
        told = without_citations(told)
    found: dict[str, object] = {}
    for part in parts:
        section, _, key = part.partition(".")
        if part in OF_ZONES and "covariates.zones" in parts and recipe.covariates.zones is None:
            continue
        apart = APART.get(section, ())
        whole = {name: value for name, value in told[section].items() if name not in apart} if apart else told[section]
        found[part] = told[section][key] if key else whole
    return found


def named_parts(recipe: Recipe, parts: Sequence[str]) -> dict[str, str]:
    """What is heeded, key by key: a hash of each under ``recipe: SECTION.KEY``, so that a user can be told what has changed."""
    found: dict[str, str] = {}
    for part, value in heeded(recipe, parts).items():
        inner = {f"{part}.{key}": own for key, own in value.items()} if isinstance(value, dict) else {part: value}
        found |= {f"recipe: {name}": key_of({"": own})[:16] for name, own in inner.items()}
    return found


@dataclass(frozen=True)
class Job:
    """One run: the recipe and where it stands, the run folder, threads, and whom to tell of progress.

    ``libraries`` are the versions that decide bits; ``making`` has the hashes of the inputs of each part of the stage of rasters.
    ``place``: where the tiles of maps are computed. Neither it nor ``workers`` (threads) changes a bit of any output.
    """

    recipe: Recipe
    recipe_path: Path
    out: Path
    workers: int
    version: str
    recipe_hash: str
    say: Say
    libraries: Mapping[str, str] = field(default_factory=dict)
    making: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    place: Place = field(default_factory=Place)

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

    @cached_property
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
        return key_of(heeded(self.recipe, sections))

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """Layers, then the whole."""
        return self.layers + ((self.whole,) if self.whole else ())

    @property
    def accounted(self) -> tuple[str, str, tuple[tuple[float, float], ...]]:
        """What is accounted for and compared: quantity and unit of the maps, and their intervals. With beta, the stocks made of it."""
        if self.recipe.maps.subsoil is not None:
            return "soc_stock", "kg/m2", self.recipe.maps.subsoil.intervals
        return self.target.quantity, self.target.unit, self.intervals

    @property
    def levels(self) -> tuple[float, float]:
        """Levels of the limits of the prediction interval."""
        tail = (1 - self.recipe.evidence.interval) / 2
        return (round(tail, 6), round(1 - tail, 6))


def sources_of(recipe: Recipe, recipe_path: Path) -> list[Dated]:
    """Rasters of the recipe, patterns and periods replaced by the files they find."""
    return [
        Dated(
            Source(
                name=str(layer.name),
                path=layer.path if is_elsewhere(layer.path) else Path(layer.path),
                kind=layer.kind,
                band=layer.band,
                nodata=layer.nodata,
                scale=layer.scale,
                offset=layer.offset,
                unit=layer.unit,
                classes=_legend(recipe, recipe_path, layer.classes),
                resampling=layer.resampling,
                variable=layer.variable,
                time=layer.time,
                months=layer.months,
                asset=layer.asset,
                column=layer.column,
                measure=layer.measure,
                value=layer.value,
            ),
            layer.period,
        )
        for layer in covariate_layers(recipe, recipe_path)
    ]


def kinds_of(recipe: Recipe, dated: Sequence[Dated]) -> dict[str, str]:
    """Kind of each covariate, those that are there (of :func:`sources_of`) and those that are made."""
    there: dict[str, str] = {entry.source.name: entry.source.kind for entry in dated}
    return there | {layer.name: layer.kind for layer in made_covariates(recipe)}


def _legend(recipe: Recipe, recipe_path: Path, classes: Mapping[int, str] | str | None) -> Mapping[int, str] | Path | None:
    return resolve(recipe, recipe_path, classes) if isinstance(classes, str) else classes


def made_of(recipe: Recipe, out: Path) -> list[Dated]:
    """Rasters that the run has made, where its folder is ``out``."""
    return _made(made_covariates(recipe), out)


def _made(layers: Sequence[MadeCovariate], out: Path) -> list[Dated]:
    return [
        Dated(Source(layer.name, out / "covariates" / layer.file, kind=layer.kind, classes=_classes(layer)), layer.period)
        for layer in layers
    ]


def _classes(layer: MadeCovariate) -> Mapping[int, str] | None:
    return None if layer.kind == "continuous" else CODES


def rasters_of(job: Job) -> list[Dated]:
    """All that the run has, with what it made and leaves out of the covariates."""
    return sources_of(job.recipe, job.recipe_path) + _made(made_layers(job.recipe), job.out)


def covariates_of(job: Job) -> list[Dated]:
    """All covariates of a run: those that were there, then those that it made."""
    return sources_of(job.recipe, job.recipe_path) + made_of(job.recipe, job.out)


def grid_of(recipe: Recipe, recipe_path: Path) -> GeoBox:
    """Target grid of the recipe."""
    grid = recipe.grid
    if hasattr(grid, "like"):
        return covariates.grid_like(resolve(recipe, recipe_path, grid.like))
    if hasattr(grid, "region"):
        return covariates.grid_from_region(resolve(recipe, recipe_path, grid.region), grid.resolution, grid.crs)
    return covariates.grid_from_bounds(grid.crs, grid.resolution, grid.bounds)


def sites_of(job: Job) -> pd.DataFrame:
    """One row per profile that has layers: profile_id, lon, lat, year, in order of first appearance."""
    layers = pd.read_parquet(job.out / "profiles" / "layers.parquet", columns=["profile_id", "lon", "lat", "year"])
    return layers.drop_duplicates("profile_id", ignore_index=True)


def sampled_years(job: Job) -> tuple[int, int] | None:
    """First and last year of the dated profiles; None where no year is known, or the profiles are elsewhere (a stored model)."""
    layers = job.out / "profiles" / "layers.parquet"
    if not layers.is_file():
        return None
    years = pd.read_parquet(layers, columns=["year"])["year"].dropna()
    return (int(years.min()), int(years.max())) if len(years) else None


def points_of(job: Job) -> tuple[pd.DataFrame, Mapping[str, str]]:
    """Covariates of the profiles that have all of them, by profile, and the kind of each covariate."""
    points = pd.read_parquet(job.out / "covariates" / "points.parquet")
    points = points[points["reason"] == ""].set_index("profile_id").drop(columns="reason")
    kinds: dict[str, str] = {entry.source.name: entry.source.kind for entry in covariates_of(job)}
    return points, kinds


def provenance(job: Job) -> dict[str, str | int]:
    return {
        "edaphic": job.version,
        "model_recipe_sha256": job.hash_of(PARTS["model"]),
        "run_seed": job.recipe.seed,
    }


def seen_from(root: Path, path: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
