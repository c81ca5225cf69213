"""Observed values by class for the stage of drivers: from the layer table to tables of means, tests and letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.account.describe.diagnostics import by_texture
from edaphic.account.drivers.groups import gather, group_tests, label_of
from edaphic.account.drivers.observed import layer_changes, observed_by_class
from edaphic.account.drivers.ranges import Comparison, duncan, games_howell, tukey_kramer
from edaphic.errors import TableError
from edaphic.model.soil import interval_name
from edaphic.profiles.texture import silt_to_20_um
from edaphic.recipe import Groups
from edaphic.stages.job import Job

Interval = tuple[float, float]
TEXTURE = ("clay_pct", "silt_pct", "sand_pct")
TESTS: Mapping[str, Callable[..., Comparison]] = {"duncan": duncan, "tukey": tukey_kramer, "games_howell": games_howell}


@dataclass
class Found:
    """Tables by name, notes, and facts for drivers.json."""

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, other: Found) -> None:
        """Take in what another part has found; tables of the same name are put below each other."""
        for name, table in other.tables.items():
            own = self.tables.get(name)
            self.tables[name] = table if own is None else pd.concat([own, table], ignore_index=True)
        self.notes += other.notes
        self.facts |= other.facts


@dataclass(frozen=True)
class Layers:
    """Observed values with what may go with them.

    ``table``: the layer table with ``value``, the covariates by name and ``has_covariates``; ``value``, ``unit``: column that it is, and
    its unit; ``intervals``: layers, then the whole; ``single``: the layers alone; ``horizons``: as the run has them; ``log``: whether
    values may be compared on the logarithm.
    """

    table: pd.DataFrame
    value: str
    unit: str
    intervals: tuple[Interval, ...]
    single: tuple[Interval, ...]
    kinds: Mapping[str, str]
    horizons: pd.DataFrame
    log: bool

    @property
    def profiles(self) -> int:
        """Profiles with a value."""
        return int(self.table.loc[self.table["value"].notna(), "profile_id"].nunique())

    def of(self, layer: Interval) -> pd.DataFrame:
        """Rows of one layer."""
        return self.table[(self.table["top_cm"] == layer[0]) & (self.table["bottom_cm"] == layer[1])]


def layers_of(job: Job, points: pd.DataFrame, kinds: Mapping[str, str]) -> Layers:
    """The layer table of a run beside the covariates at its profiles."""
    table = pd.read_parquet(job.out / "profiles" / "layers.parquet")
    target = job.target
    value = "soc_stock_kg_m2" if target.quantity == "soc_stock" else target.column
    wanted = set(job.intervals)
    keep = [layer in wanted for layer in zip(table["top_cm"], table["bottom_cm"], strict=True)]
    table = table[np.array(keep, dtype=bool)].reset_index(drop=True)
    table["has_covariates"] = table["profile_id"].isin(points.index)
    known = points.reindex(table["profile_id"])
    for name in kinds:
        table[name] = known[name].to_numpy()
    table["value"] = table[value]
    horizons = pd.read_parquet(job.out / "profiles" / "horizons.parquet")
    return Layers(table, value, target.unit, job.intervals, job.layers, kinds, horizons, target.quantity != "beta")


def class_names(layers: Layers, by: str, legends: Mapping[str, Mapping[int, str]]) -> list[str]:
    """Class of each row of the layer table; empty where it has none."""
    if layers.kinds.get(by) == "class":
        legend = legends.get(by, {})
        return ["" if pd.isna(code) else legend.get(int(code), str(int(code))) for code in layers.table[by]]
    if by in layers.table:
        return [label_of(item) for item in layers.table[by].astype(object)]
    if by not in layers.horizons:
        raise TableError(f"drivers.groups: {by!r} is no class covariate and no column of the layers or of the tables of profiles")
    first = layers.horizons.drop_duplicates("profile_id").set_index("profile_id")[by]
    return [label_of(item) for item in layers.table["profile_id"].map(first).astype(object)]


def compared(layers: Layers, asked: Sequence[Groups], labels: Mapping[str, Sequence[str]], seed: int) -> Found:
    """Means by class, changes over depth, tests and letters, for each division that is asked for."""
    found = Found()
    for own in asked:
        if own.by in labels:
            found.add(_division(layers, own, labels[own.by], seed))
    return found


def _division(layers: Layers, asked: Groups, labels: Sequence[str], seed: int) -> Found:
    found = Found()
    # That a layer was not observed in a profile is no fault of the division.
    table = layers.table.assign(class_of_row=list(labels))[layers.table["value"].notna()]
    try:
        observed = observed_by_class(table, "class_of_row", value=layers.value, unit=layers.unit, layers=layers.intervals, seed=seed)
    except TableError as fault:
        found.notes += [f"groups {asked.by}: {line}; no table" for line in fault.faults]
        return found
    means = _first(observed.table, "by", asked.by)
    found.tables["observed_by_class"] = means
    found.notes += [f"groups {asked.by}: {_named(note, asked.by)}" for note in observed.notes]
    if len(layers.single) > 1 and layers.log:
        density = layers.unit == "kg/m2"
        value, unit = ("soc_density_kg_m3", "kg/m3") if density else (layers.value, layers.unit)
        changes = layer_changes(table, "class_of_row", value=value, unit=unit, layers=layers.single, seed=seed)
        found.tables["layer_changes"] = _first(changes.table, "by", asked.by)
        found.notes += [f"groups {asked.by}: {_named(note, asked.by)}" for note in changes.notes]
    for layer in layers.intervals:
        here = (table["top_cm"] == layer[0]) & (table["bottom_cm"] == layer[1])
        found.add(_tested(table[here], asked, layer, means, layers))
    return found


def _tested(rows: pd.DataFrame, asked: Groups, layer: Interval, means: pd.DataFrame, layers: Layers) -> Found:
    """Tests over all classes of one layer, then of pairs."""
    found, where = Found(), f"groups {asked.by}, {interval_name(layer)} cm"
    log = asked.log and layers.log
    values = rows["value"].to_numpy(dtype=np.float64)
    if log:
        lost = int((values <= 0).sum())
        if lost:
            found.notes.append(f"{where}: {lost} values of 0 or below have no logarithm, left out of the tests")
        values = np.log(np.where(values > 0, values, np.nan))
    try:
        groups = gather(values, rows["class_of_row"])
        comparison = TESTS[asked.test](groups, asked.level)
    except TableError as fault:
        found.notes += [f"{where}: {line}; no test" for line in fault.faults]
        return found
    found.notes += [f"{where}: {note}" for note in (*groups.notes, *comparison.notes)]
    head: dict[str, Any] = {"by": asked.by, "layer": interval_name(layer), "top_cm": layer[0], "bottom_cm": layer[1]}
    tail: dict[str, Any] = {"scale": "log" if log else "natural"}
    found.tables["group_tests"] = _with(group_tests(groups), head, tail)
    tail |= {"comparison": comparison.name, "level": asked.level}
    found.tables["group_pairs"] = _with(comparison.pairs, head, tail | {"unit": f"ln({layers.unit})" if log else layers.unit})
    own = means[(means["top_cm"] == layer[0]) & (means["bottom_cm"] == layer[1]) & (means["subset"] == "all")].set_index("class")
    letters = comparison.groups.rename(columns={"group": "class", "mean": "mean_compared", "sd": "sd_compared"})
    natural = own.reindex(letters["class"])[["mean", "median", "low", "high"]].reset_index(drop=True)
    letters = pd.concat([letters.reset_index(drop=True), natural], axis=1)
    found.tables["group_letters"] = _with(letters, head, tail | {"unit": layers.unit})
    return found


def _first(table: pd.DataFrame, name: str, value: str) -> pd.DataFrame:
    out = table.copy()
    out.insert(0, name, value)
    return out


def _with(table: pd.DataFrame, head: Mapping[str, Any], tail: Mapping[str, Any]) -> pd.DataFrame:
    out = table.assign(**tail)
    for name, value in reversed(list(head.items())):
        out.insert(0, name, value)
    return out


def _named(note: str, by: str) -> str:
    return note.replace("'class_of_row'", f"'{by}'")


def textures(layers: Layers, asked: Sequence[Groups], seed: int) -> Found:
    """Values by the four groups of texture, where the tables of profiles have clay, silt and sand; with the test of the first division."""
    found = Found()
    wanted = next((own for own in asked if own.by == "texture"), None)
    if not set(TEXTURE) <= set(layers.horizons) or layers.horizons[list(TEXTURE)].isna().any(axis=1).all():
        found.notes += ["groups texture: no horizon has clay, silt and sand; no table"] if wanted is not None else []
        return found
    own = wanted or asked[0].model_copy(update={"by": "texture"})
    parts = silt_to_20_um(*(_mean_over(layers, name) for name in TEXTURE))
    found.notes.append("groups texture: silt is taken to reach to 50 um, and brought to the 20 um of the international system")
    labels = np.full(len(layers.table), "", dtype=object)
    for layer in layers.intervals:
        here = np.flatnonzero((layers.table["top_cm"] == layer[0]) & (layers.table["bottom_cm"] == layer[1]))
        values = layers.table["value"].to_numpy(dtype=np.float64)[here]
        _, group, notes = by_texture(parts[0][here], parts[1][here], parts[2][here], values)
        labels[here] = group.to_numpy()
        found.notes += [f"groups texture, {interval_name(layer)} cm: {note}" for note in notes]
    found.add(_division(layers, own, list(labels), seed))
    return found


def _mean_over(layers: Layers, name: str) -> NDArray[np.float64]:
    """Mean of a column of texture over the layer of each row, by thickness, from horizons that have all three; NaN where none has."""
    use = layers.horizons[list(TEXTURE)].notna().all(axis=1)
    own = layers.horizons.loc[use, ["profile_id", "top_cm", "bottom_cm", name]]
    rows = layers.table[["profile_id", "top_cm", "bottom_cm"]].assign(row=np.arange(len(layers.table)))
    both = rows.merge(own, on="profile_id", suffixes=("", "_of_horizon"))
    tops, bottoms = (both[[f"{end}_cm", f"{end}_cm_of_horizon"]].to_numpy(dtype=np.float64) for end in ("top", "bottom"))
    weight = np.maximum(bottoms.min(axis=1) - tops.max(axis=1), 0.0)
    size = np.bincount(both["row"], weight, len(rows))
    total = np.bincount(both["row"], weight * both[name].to_numpy(dtype=np.float64), len(rows))
    return np.asarray(np.divide(total, size, out=np.full(len(rows), np.nan), where=size > 0))
