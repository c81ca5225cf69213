"""From a table to the numbers of a path model: classes coded, gaps handled, constants and collinear indicators taken out."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from edaphic.account.paths.estimate import Layout
from edaphic.account.paths.model import Block, Indicator, PathModel
from edaphic.errors import EdaphicError, ModelError, TableError
from edaphic.model.screening import eliminate_vif, is_constant, vif

Floats = NDArray[np.float64]

MOST_LISTED = 6
SCREENING_COLUMNS = ("latent", "step", "indicator", "vif", "kept", "reason")


@dataclass(frozen=True)
class Encoded:
    """Numbers of a model.

    Parameters
    ----------
    values : ndarray (n, p)
        Indicators, centred; divided by their standard deviation (divisor n) where the model is scaled. Blocks stand together.
    names : tuple of str (p,)
        ``column``, or ``column=class`` for a dummy.
    layout : Layout
    rows : ndarray of int (n,)
        Places of the rows in the table.
    dropped : int
        Rows that were left out for a gap.
    screening : DataFrame
        ``latent``, ``step``, ``indicator``, ``vif``, ``kept``, ``reason``, where the model screens.
    notes : list of str
    """

    values: Floats
    names: tuple[str, ...]
    layout: Layout
    rows: NDArray[np.int64]
    dropped: int
    screening: pd.DataFrame
    notes: list[str]


@dataclass(frozen=True)
class _Column:
    latent: str
    indicator: str
    name: str
    values: Floats
    coded: bool


def check_columns(table: pd.DataFrame, model: PathModel, by: str | None, where: str) -> None:
    """Refuse a table that lacks a column or holds words where numbers are meant; all faults at once.

    Raises
    ------
    TableError
    """
    wanted = [(block.name, indicator) for block in model.blocks for indicator in block.indicators]
    asked = [(indicator.name, f"indicator of '{latent}'") for latent, indicator in wanted]
    asked += [(indicator.mean_of, f"scores of '{indicator.name}'") for _, indicator in wanted if indicator.mean_of is not None]
    asked += [(name, what) for name, what in ((by, "by"), (model.bootstrap.group, "bootstrap group")) if name is not None]
    names = [str(name) for name in table.columns]
    faults = [f"{where}: no column '{name}' ({what}); expected {_near(name, names)}" for name, what in asked if name not in names]
    numbers = [name for latent, one in wanted for name in ([one.mean_of] if one.coding != "number" else [one.name]) if name is not None]
    for name in dict.fromkeys(numbers):
        if name in names:
            faults += _of_numbers(table[name], name, where)
    for _, one in wanted:
        if one.name in names and one.coding != "number":
            faults += _of_classes(_classes(table[one.name]), one, where)
    if by is not None and by in names and table[by].isna().all():
        faults.append(f"{where}: column '{by}' is empty; expected a group for each row")
    if not len(table):
        faults.append(f"{where}: no rows; expected some")
    if faults:
        raise TableError(faults)


def _near(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    listed = ", ".join(names[:MOST_LISTED]) + (", ..." if len(names) > MOST_LISTED else "")
    return f"'{near[0]}'?" if near else f"one of {listed}"


def _of_numbers(column: pd.Series, name: str, where: str) -> list[str]:
    if is_numeric_dtype(column):
        bad = np.isinf(column.to_numpy(np.float64, na_value=np.nan))
        return [f"{where}: column '{name}', row {int(np.argmax(bad)) + 1}: infinite; expected a number"] if bad.any() else []
    numbers = pd.to_numeric(column.astype(object), errors="coerce")
    words = column.notna() & numbers.isna()
    if not words.any():
        return []
    place = int(np.argmax(words.to_numpy()))
    said = f"found {column.iloc[place]!r} (row {place + 1}, {int(words.sum())} such)"
    return [f"{where}: column '{name}': {said}; expected numbers, or 'as: dummies' or 'as: scores' for classes"]


def _of_classes(classes: pd.Series, indicator: Indicator, where: str) -> list[str]:
    found = sorted(classes.dropna().unique())
    known = list(indicator.order) if indicator.coding == "scores" and indicator.order else list(indicator.scores)
    faults = []
    unknown = [one for one in found if one not in known] if known else []
    if unknown:
        faults.append(f"{where}: column '{indicator.name}': {_listed(unknown)} without a score; expected one for each class")
    if indicator.reference is not None and indicator.reference not in found:
        faults.append(f"{where}: column '{indicator.name}': reference '{indicator.reference}' not found; expected one of {_listed(found)}")
    return faults


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:MOST_LISTED]) + (" ..." if len(names) > MOST_LISTED else "")


def _classes(column: pd.Series) -> pd.Series:
    """Classes as text: 3 and 3.0 are the same class, and 'true' is true."""
    if is_bool_dtype(column):
        return column.map({True: "true", False: "false"}).astype(object)
    if is_numeric_dtype(column):
        return column.map(lambda value: None if pd.isna(value) else f"{float(value):.15g}").astype(object)
    return column.map(lambda value: None if pd.isna(value) else str(value).strip()).astype(object)


def encode(table: pd.DataFrame, model: PathModel, where: str) -> Encoded:
    """Numbers of a model from its table, whose columns were checked.

    Raises
    ------
    ModelError
        Too few rows, a block that is constant, a block in mode B that is collinear or has more indicators than rows; all at once.
    """
    notes: list[str] = []
    columns = [column for block in model.blocks for indicator in block.indicators for column in _coded(table, block, indicator, notes)]
    values = np.column_stack([column.values for column in columns]) if columns else np.empty((len(table), 0))
    values, kept, dropped = _without_gaps(values, columns, model, where, notes)
    if len(kept) < 3:
        raise ModelError(f"{where}: {len(kept)} rows without a gap; expected at least 3")
    columns, values = _without_constants(columns, values, model, where, notes)
    columns, values, screening = _screened(columns, values, model, where, notes)
    _check_rows(columns, values, model, where)
    values = values - values.mean(axis=0)
    if model.scaled:
        values = values / np.sqrt((values**2).mean(axis=0))
    return Encoded(values, tuple(column.name for column in columns), _layout(columns, model), kept, dropped, screening, notes)


def _coded(table: pd.DataFrame, block: Block, indicator: Indicator, notes: list[str]) -> list[_Column]:
    name = indicator.name
    if indicator.coding == "number":
        numbers: Floats = np.asarray(pd.to_numeric(table[name].astype(object), errors="coerce"), dtype=np.float64)
        return [_Column(block.name, name, name, numbers, False)]
    classes = _classes(table[name])
    if indicator.coding == "scores":
        scores, how = _scores(table, classes, indicator)
        notes.append(f"{name}: classes as scores ({how})")
        scored: Floats = np.asarray(classes.map(scores).astype(np.float64), dtype=np.float64)
        return [_Column(block.name, name, name, scored, False)]
    counts = classes.value_counts().sort_index()
    if counts.empty:
        return [_Column(block.name, name, name, np.full(len(table), np.nan), True)]
    told = indicator.reference
    reference = told if told is not None and told in counts.index else str(counts.idxmax())
    shown = [str(one) for one in counts.index if one != reference]
    notes.append(f"{name}: {len(shown)} dummies; '{reference}' ({counts[reference]} rows) is the reference")
    known: Floats = np.where(np.asarray(classes.isna()), np.nan, 1.0)
    dummies = [_Column(block.name, name, f"{name}={one}", known * (classes == one).to_numpy(np.float64), True) for one in shown]
    return dummies or [_Column(block.name, name, name, known, True)]


def _scores(table: pd.DataFrame, classes: pd.Series, indicator: Indicator) -> tuple[dict[str, float], str]:
    if indicator.order:
        scores = {one: float(place) for place, one in enumerate(indicator.order, start=1)}
        return scores, "in the order told: " + ", ".join(f"{one} {place:g}" for one, place in scores.items())
    if indicator.scores:
        return dict(indicator.scores), "as told: " + ", ".join(f"{one} {score:g}" for one, score in indicator.scores.items())
    target = pd.to_numeric(table[str(indicator.mean_of)].astype(object), errors="coerce")
    means = target.groupby(classes.to_numpy()).mean()
    told = ", ".join(f"{one} {mean:.4g}" for one, mean in means.items())
    seen = "they have seen that column, and are the same in all resamples"
    return {str(one): float(mean) for one, mean in means.items()}, f"mean {indicator.mean_of} of the class: {told}; {seen}"


def _without_gaps(
    values: Floats, columns: Sequence[_Column], model: PathModel, where: str, notes: list[str]
) -> tuple[Floats, NDArray[np.int64], int]:
    gaps = np.isnan(values)
    empty = np.flatnonzero(gaps.all(axis=0))
    if empty.size:
        named = dict.fromkeys(columns[i].indicator for i in empty.tolist())
        raise ModelError([f"{where}: indicator '{name}' has no value; expected some" for name in named])
    if not gaps.any():
        return values, np.arange(len(values)), 0
    by_column = {columns[i].indicator: int(count) for i, count in enumerate(gaps.sum(axis=0).tolist()) if count}
    told = ", ".join(f"{name} {count}" for name, count in by_column.items())
    if model.missing == "mean":
        notes.append(f"{int(gaps.sum())} gaps filled by the mean of the column: {told}; correlations are weakened by it")
        return np.where(gaps, np.nanmean(values, axis=0), values), np.arange(len(values)), 0
    whole = ~gaps.any(axis=1)
    lost = int((~whole).sum())
    notes.append(f"{lost} of {len(values)} rows left out for a gap: {told}")
    return values[whole], np.flatnonzero(whole), lost


def _without_constants(
    columns: list[_Column], values: Floats, model: PathModel, where: str, notes: list[str]
) -> tuple[list[_Column], Floats]:
    flat = is_constant(values)
    faults = []
    for block in model.blocks:
        own = [i for i, column in enumerate(columns) if column.latent == block.name]
        if flat[own].all():
            said = f"every indicator is constant ({', '.join(columns[i].name for i in own)})"
            faults.append(f"{where}: latents.{block.name}: {said}; expected at least one that varies")
    if faults:
        raise ModelError(faults)
    notes += [f"{columns[i].name} of '{columns[i].latent}' left out: the same value in all rows" for i in np.flatnonzero(flat)]
    return [column for column, gone in zip(columns, flat.tolist(), strict=True) if not gone], values[:, ~flat]


def _screened(
    columns: list[_Column], values: Floats, model: PathModel, where: str, notes: list[str]
) -> tuple[list[_Column], Floats, pd.DataFrame]:
    """Within each block, take out the indicator with the largest VIF until all are below the limit; dummies and anchors stay."""
    if model.vif is None:
        return columns, values, pd.DataFrame(columns=list(SCREENING_COLUMNS))
    gone: set[int] = set()
    parts = []
    for block in model.blocks:
        own = [i for i, column in enumerate(columns) if column.latent == block.name]
        names = [columns[i].name for i in own]
        kinds = {columns[i].name: "class" if columns[i].coded else "continuous" for i in own}
        points = pd.DataFrame(values[:, own], columns=names)
        found = eliminate_vif(points, kinds, model.vif, [name for name in names if name == block.positive])
        found = found.rename(columns={"feature": "indicator"})
        parts.append(found.assign(latent=block.name)[list(SCREENING_COLUMNS)])
        lost = found.loc[~found["kept"], "indicator"].tolist()
        gone |= {i for i, name in zip(own, names, strict=True) if name in lost}
        if lost:
            notes.append(f"'{block.name}': {len(lost)} left out, in this order, for a VIF of at least {model.vif:g}: {', '.join(lost)}")
    stay = [i for i in range(len(columns)) if i not in gone]
    return [columns[i] for i in stay], values[:, stay], pd.concat(parts, ignore_index=True)


def _check_rows(columns: Sequence[_Column], values: Floats, model: PathModel, where: str) -> None:
    """Faults of blocks in mode B, and of regressions with fewer rows than coefficients."""
    faults = []
    rows = len(values)
    for block in model.blocks:
        own = [i for i, column in enumerate(columns) if column.latent == block.name]
        if block.mode == "B" and rows <= len(own):
            faults.append(f"{where}: latents.{block.name}: {rows} rows for {len(own)} indicators in mode B; expected more rows, or mode A")
        elif block.mode == "B" and len(own) > 1:
            factors = vif(pd.DataFrame(values[:, own], columns=[columns[i].name for i in own]))
            exact = [str(name) for name in factors.index[np.isinf(factors.to_numpy())]]
            if exact:
                said = f"{_listed(exact)} are an exact combination of one another in mode B"
                faults.append(f"{where}: latents.{block.name}: {said}; expected one of them less, or mode A")
        causes = len(model.paths.get(block.name, ()))
        if causes and rows < causes + 2:
            faults.append(f"{where}: paths.{block.name}: {rows} rows for {causes} causes; expected at least {causes + 2}")
    if faults:
        raise ModelError(faults)


def _layout(columns: Sequence[_Column], model: PathModel) -> Layout:
    places = {name: j for j, name in enumerate(model.latents)}
    arrows = np.zeros((len(places), len(places)), dtype=np.bool_)
    for name, causes in model.paths.items():
        arrows[places[name], [places[cause] for cause in causes]] = True
    anchors = [
        next((i for i, column in enumerate(columns) if column.latent == block.name and column.indicator == block.positive), -1)
        for block in model.blocks
    ]
    owner = np.array([places[column.latent] for column in columns], dtype=np.int64)
    formative = np.array([block.mode == "B" for block in model.blocks])
    return Layout(model.latents, owner, arrows, formative, np.array(anchors, dtype=np.int64))


def prefixed(fault: EdaphicError, where: str) -> list[str]:
    """Lines of a fault, each with where it was found before it.

    >>> prefixed(EdaphicError(["paths: no rows", "t.csv: no file"]), "t.csv")
    ['t.csv: paths: no rows', 't.csv: no file']
    """
    return [line if line.startswith(f"{where}: ") else f"{where}: {line}" for line in fault.faults]
