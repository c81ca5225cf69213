"""A finished run folder, read once into memory: tables, the recipe as used, run.json and the list of maps.

Only run.json and recipe.yaml must be there. Every other file may be missing: the page then leaves its section out and
says so. A file that is there but cannot be understood is a fault, and all faults are reported at once.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from edaphic.errors import RunError
from edaphic.report.formats import FORMATS, TableFormat

_Parsed = TypeVar("_Parsed")


_TRUTHS = frozenset(
    {"kept", "chosen", "taken", "pooled", "enough", "inside_independent", "inside_fully_correlated", "in_applicability", "organic_soil"}
    | {"in_model"}
)
_MAP_NAME = re.compile(
    r"(?P<target>.+?)_(?P<stat>mean|(?:tree_)?se|spread|applicability|dissimilarity|point_density|(?:tree_|mc_)?q\d{2,3}|mc_mean|mc_sd"
    r"|p_above_\d+(?:\.\d+)?)"
    r"_(?P<top>\d+(?:\.\d+)?)-(?P<bottom>\d+(?:\.\d+)?)cm(?:_(?P<period>\d+-\d+))?\.tif"
)

OF_COVARIATES = ("applicability", "dissimilarity", "point_density")
"""Statistics of the covariates alone: one map for all depths, without unit, and never an amount of carbon."""


@dataclass(frozen=True)
class MapLayer:
    """The maps of one layer: paths by statistic ("mean", "q05", "spread" ...)."""

    target: str
    top_cm: float
    bottom_cm: float
    period: str
    paths: Mapping[str, Path] = field(repr=False)

    @property
    def depth(self) -> tuple[float, float]:
        """Top and bottom (cm)."""
        return self.top_cm, self.bottom_cm

    @property
    def stem(self) -> str:
        """Layer (and period) as file names spell it."""
        return f"{self.top_cm:g}-{self.bottom_cm:g}cm" + (f"_{self.period}" if self.period else "")


@dataclass(frozen=True)
class RunFolder:
    """What a finished run left, as the page needs it.

    ``summary``, ``designs`` and ``cells`` are profiles/summary.json, evidence/designs.json and maps/summary.json,
    ``variogram`` and ``domain`` evidence/variogram.json and applicability.json, empty where they are not there; tables that
    are not there are None. ``covariate_maps`` are the maps of the covariates alone, by statistic (:data:`OF_COVARIATES`), of the last
    period where there are several. ``monte_carlo_maps`` are those of maps/monte_carlo. ``depth_correlation`` (layers, layers) is the
    correlation of the errors of the model's layers, None where the model has no such matrix. ``totals`` is tables/totals.json.
    """

    path: Path
    run: Mapping[str, Any]
    recipe: Mapping[str, Any]
    summary: Mapping[str, Any]
    designs: Mapping[str, Any]
    cells: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame | None]
    points: pd.Series[str] | None
    maps: tuple[MapLayer, ...]
    models: tuple[str, ...]
    variogram: Mapping[str, Any] = field(default_factory=dict)
    domain: Mapping[str, Any] = field(default_factory=dict)
    covariate_maps: Mapping[str, Path] = field(default_factory=dict)
    monte_carlo_maps: tuple[MapLayer, ...] = ()
    depth_correlation: NDArray[np.float64] | None = None
    totals: Mapping[str, Any] = field(default_factory=dict)

    @property
    def periods(self) -> tuple[str, ...]:
        """Periods that have maps of their own ("1985-1990" ...), in order; empty for maps of one time."""
        given = self.setting("maps", "periods")
        named = [f"{own[0]}-{own[1]}" for own in given if isinstance(own, list) and len(own) == 2] if isinstance(given, list) else []
        found = sorted({layer.period for layer in self.maps if layer.period})
        return tuple(named) if named else tuple(found)

    @property
    def lead_period(self) -> str:
        """The period that the evidence is about: the last one; empty for maps of one time."""
        return self.periods[-1] if self.periods else ""

    def table(self, name: str) -> pd.DataFrame | None:
        """One of the tables in formats.py, or None where the run has no such table or it has no row."""
        found = self.tables[name]
        return None if found is None or found.empty else found

    def setting(self, *keys: str) -> Any:
        """A value of the recipe as used, None where it is not given."""
        here: Any = self.recipe
        for key in keys:
            if not isinstance(here, Mapping) or key not in here:
                return None
            here = here[key]
        return here

    @property
    def layers(self) -> tuple[tuple[float, float], ...]:
        """All layers (cm) that maps or the stock table know, the whole depth among them."""
        found = {layer.depth for layer in self.maps}
        stocks = self.table("stocks")
        if stocks is not None:
            found |= set(zip(stocks["top_cm"], stocks["bottom_cm"], strict=True))
        return tuple(sorted(found))

    @property
    def whole(self) -> tuple[float, float] | None:
        """The layer that holds all others, None where there is no such layer."""
        layers = self.layers
        if not layers:
            return None
        hull = (min(top for top, _ in layers), max(bottom for _, bottom in layers))
        return hull if hull in layers else None


def records(table: pd.DataFrame | None) -> Iterable[Any]:
    """Rows of a table as named tuples, none where there is no table."""
    return () if table is None else table.itertuples()


def read_run(folder: Path) -> RunFolder:
    """Read everything that the page needs from a run folder.

    Parameters
    ----------
    folder : Path
        A run folder; see formats.py for the tables and their columns.

    Returns
    -------
    RunFolder
        Numbers as float64, texts as str, truth values as object (True, False or None).

    Raises
    ------
    RunError
        No run.json or recipe.yaml, or a file that cannot be read or lacks a column; all faults at once.
    """
    faults: list[str] = []
    run = _parse(folder / "run.json", json.loads, faults, must=True)
    recipe = _parse(folder / "recipe.yaml", yaml.safe_load, faults, must=True)
    summary = _parse(folder / "profiles" / "summary.json", json.loads, faults, must=False)
    designs = _parse(folder / "evidence" / "designs.json", json.loads, faults, must=False)
    cells = _parse(folder / "maps" / "summary.json", json.loads, faults, must=False)
    variogram = _parse(folder / "evidence" / "variogram.json", json.loads, faults, must=False)
    domain = _parse(folder / "evidence" / "applicability.json", json.loads, faults, must=False)
    totals = _parse(folder / "tables" / "totals.json", json.loads, faults, must=False)
    tables = {name: _table(folder, form, faults) for name, form in FORMATS.items()}
    points = _points(folder / "covariates" / "points.parquet", faults)
    if faults:
        raise RunError(faults)
    models = tuple(sorted(path.parent.name for path in folder.glob("model/*/model.json")))
    maps, of_covariates = _maps(folder / "maps")
    drawn, _ = _maps(folder / "maps" / "monte_carlo")
    told = (folder, run, recipe, summary, designs, cells, tables, points, maps, models, variogram, domain, of_covariates)
    return RunFolder(*told, drawn, _depth_correlation(folder, models), totals)


def _parse(path: Path, parser: Callable[[str], Any], faults: list[str], *, must: bool) -> Mapping[str, Any]:
    if not path.is_file():
        if must:
            faults.append(f"{path}: no such file; expected the folder of a finished run")
        return {}
    try:
        found = parser(path.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError) as error:
        faults.append(f"{path}: cannot be read ({error}); expected the file as the run wrote it")
        return {}
    if not isinstance(found, Mapping):
        faults.append(f"{path}: found {type(found).__name__}; expected names with values")
        return {}
    return found


def _table(folder: Path, form: TableFormat, faults: list[str]) -> pd.DataFrame | None:
    path = folder / form.path
    if not path.is_file():
        return None
    try:
        raw = pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (ValueError, OSError) as error:
        faults.append(f"{path}: cannot be read ({error}); expected the table as the run wrote it")
        return None
    lacking = [name for name in form.needed if name not in raw.columns]
    if lacking:
        faults.append(f"{path}: no column {', '.join(lacking)}; found {', '.join(map(str, raw.columns))}")
        return None
    columns = {}
    for name in (*form.needed, *form.wanted, *(c for c in raw.columns if c not in form.needed + form.wanted)):
        values = raw[name] if name in raw.columns else pd.Series(np.nan, index=raw.index)
        columns[name] = _texts(values) if name in form.text else _truths(values) if name in _TRUTHS else values
        if name in form.needed + form.wanted and name not in form.text | _TRUTHS:
            columns[name] = _numbers(values, path, name, faults)
    return pd.DataFrame(columns, index=raw.index).reset_index(drop=True)


def _read_csv(path: Path) -> pd.DataFrame:
    """All cells as they are written: a class named "NA" is not a missing one."""
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except pd.errors.EmptyDataError:
        raise ValueError("the file is empty") from None


def _texts(values: pd.Series[Any]) -> pd.Series[str]:
    return pd.Series(["" if pd.isna(value) else str(value) for value in values], index=values.index, dtype=object)


def _truths(values: pd.Series[Any]) -> pd.Series[Any]:
    known = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    found = [None if pd.isna(value) else known.get(str(value).lower()) for value in values]
    return pd.Series(found, index=values.index, dtype=object)


def _numbers(values: pd.Series[Any], path: Path, name: str, faults: list[str]) -> pd.Series[float]:
    if pd.api.types.is_numeric_dtype(values):
        return values.astype(np.float64)
    blank = values.isna() | values.astype(str).str.strip().str.lower().isin(["", "nan", "na", "none"])
    found = pd.to_numeric(values.mask(blank), errors="coerce").astype(np.float64)
    wrong = found.isna() & ~blank
    if wrong.any():
        first = int(np.flatnonzero(wrong.to_numpy())[0])
        faults.append(f"{path}: column {name}, row {first + 1}: found {values.iloc[first]!r}; expected a number")
    return found


def _points(path: Path, faults: list[str]) -> pd.Series[str] | None:
    if not path.is_file():
        return None
    try:
        found = pd.read_parquet(path, columns=["reason"])
    except (ValueError, OSError) as error:
        faults.append(f"{path}: cannot be read ({error}); expected a column reason")
        return None
    return _texts(found["reason"])


def _depth_correlation(folder: Path, models: tuple[str, ...]) -> NDArray[np.float64] | None:
    """Of the model of all cells; None where there is no such array (an older model, or one layer only)."""
    path = folder / "model" / models[0] / "forest.npz" if len(models) == 1 else folder / "none"
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = np.asarray(arrays["all_depth_correlation"], dtype=np.float64) if "all_depth_correlation" in arrays else np.ones((1, 1))
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: cannot be read ({error}); expected the model as the run wrote it") from error
    return found if found.ndim == 2 and len(found) > 1 else None


def _maps(folder: Path) -> tuple[tuple[MapLayer, ...], dict[str, Path]]:
    """Maps of each layer, and those of the covariates alone, whose depth is all depths: it is no layer of its own."""
    of_covariates: dict[str, Path] = {}
    groups: dict[tuple[str, str, float, float], dict[str, Path]] = {}
    for path in sorted(folder.glob("*.tif")):
        name = _MAP_NAME.fullmatch(path.name)
        if name and name["stat"] in OF_COVARIATES:
            of_covariates[name["stat"]] = path
        elif name:
            key = (name["target"], name["period"] or "", float(name["top"]), float(name["bottom"]))
            groups.setdefault(key, {})[name["stat"]] = path
    hull = (min((key[2] for key in groups), default=0.0), max((key[3] for key in groups), default=0.0))
    layers = tuple(
        MapLayer(target, top, bottom, period, paths)
        for (target, period, top, bottom), paths in sorted(
            groups.items(), key=lambda item: (item[0][:2], item[0][2:] == hull, item[0][2:])
        )
    )
    return layers, of_covariates
