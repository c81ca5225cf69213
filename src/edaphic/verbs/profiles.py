"""``harmonise`` and ``stock``: a table of horizons in, a table of layers out, the repair log beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from edaphic import profiles, recipe
from edaphic.errors import EdaphicError, RunError, TableError
from edaphic.files import replacing
from edaphic.profiles import Column, DepthFunction, SourceRead
from edaphic.profiles.cleaning.dedupe import DUPLICATE_COLUMNS
from edaphic.profiles.cleaning.rules import LOG_COLUMNS
from edaphic.progress import Say
from edaphic.recipe import Depth, ProfileRecipe, Profiles
from edaphic.stages.depth_grids import GridsLookedAt, PathOf, look_at_grids
from edaphic.stages.soil import Stocks, make_stocks, read_checked

ENDINGS = (".csv", ".csv.gz", ".parquet")
RECIPES = (".yaml", ".yml")
BESIDE: Mapping[str, Sequence[str]] = {"repairs": LOG_COLUMNS, "duplicates": DUPLICATE_COLUMNS}
"""Tables that a verb may write beside its own, as ``NAME.WORD.csv``, and their columns."""
Layers = Sequence[tuple[float, float]]


ESM_METHODS = {"spline": "spline", "weighted": "layers"}
"""Curve of cumulative mass for each depth function that has one."""


@dataclass(frozen=True)
class TableWords:
    """What a command says of its table."""

    sites: str | None = None
    crs: str | None = None
    vocabulary: str | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()


def stock(
    horizons: str,
    out: Path,
    *,
    layers: Layers | None,
    section: Mapping[str, Any],
    table: TableWords,
    esm: str | None = None,
    say: Say,
) -> list[str]:
    """Stocks of profiles.

    Parameters
    ----------
    horizons : str
        Table of horizons, or a recipe whose section of profiles says everything (then ``section`` and ``table`` are not looked at).
    out : Path
        Layer table to write; the repair log becomes ``NAME.repairs.csv`` and merged profiles ``NAME.duplicates.csv`` where there are any.
    layers : sequence of (top_cm, bottom_cm), optional
        Those of the recipe where there is one.
    section : mapping
        Keys of the section of profiles other than its sources and layers.
    table : TableWords
    esm : str, optional
        Reference of equivalent soil mass, see :func:`edaphic.profiles.parse_reference`.
    say : callable

    Returns
    -------
    list of str
        What was done, for the screen.
    """
    check_out(out)
    told, root = _told(horizons, layers, section, table)
    if esm is not None:
        _check_esm(told.profiles.depth)
    wanted = list(layers) if layers is not None else [(float(top), float(bottom)) for top, bottom in told.profiles.layers]

    def path_of(value: str) -> Path | str:
        return recipe.address(told, root, value)

    check_out(out, [horizons, esm, *map(path_of, _files(told.profiles))])
    readings = _read(told.profiles, path_of, say)
    grids = look_at_grids(told.profiles, pd.concat([reading.table for reading in readings], ignore_index=True), path_of)
    if grids.faults:
        raise TableError(grids.faults)
    made = make_stocks(
        told.profiles, [reading.checked() for reading in readings], wanted, path_of=path_of, seed=told.seed, say=say, places=False
    )
    name = ", ".join(Path(source.horizons).name for source in told.profiles.sources)
    _check_left(made.horizons, name, len(made.raw), made.repairs)
    # Horizons without a bulk density are clean, and still give no layer.
    _check_left(made.layers, name, len(made.raw), made.repairs, _lacking(made.summary))
    result = made.layers
    if esm is not None:
        say("equivalent soil mass", 3, 4)
        reference = profiles.parse_reference(esm, made.horizons, wanted)
        result = profiles.equivalent_stocks(made.horizons, reference, method=ESM_METHODS[told.profiles.depth.method])
    written = write_tables(out, result, {"repairs": made.repairs, "duplicates": made.duplicates})
    return [*_stock_lines(readings, grids, made, result, esm is None), *(f"wrote       {path}" for path in written)]


def _read(told: Profiles, path_of: PathOf, say: Say) -> list[SourceRead]:
    """All sources; every fault of theirs at once."""
    readings = []
    for i, source in enumerate(told.sources):
        say(f"reading {Path(source.horizons).name}", i, len(told.sources))
        readings.append(read_checked(source, path_of, places=None))
    faults = [fault for reading in readings for fault in reading.faults]
    if not faults and told.stocks == "reported" and not any(_has_stocks(reading.table) for reading in readings):
        faults = ["stocks: found reported (--reported), and no source with soc_stock or soc_density; expected one, or computed stocks"]
    if faults:
        raise TableError(faults)
    return readings


def _has_stocks(table: pd.DataFrame) -> bool:
    return "soc_stock_kg_m2" in table and bool(table["soc_stock_kg_m2"].notna().any())


def _files(told: Profiles) -> list[str]:
    """Every file that a section of profiles reads."""
    tables = [path for source in told.sources for path in (source.horizons, source.sites) if path is not None]
    grids = [grid for grid in (told.bulk_density_grid, told.coarse_fragments_grid) if grid is not None]
    return tables + [path for grid in grids for path in grid.layers.values()]


def _stock_lines(
    readings: Sequence[SourceRead], grids: GridsLookedAt, made: Stocks, result: pd.DataFrame, fixed_depth: bool
) -> list[str]:
    """What was understood, what looks odd, what was done and assumed."""
    lines = [line for reading in readings for line in reading.understood]
    lines += [f"values      {line}" for reading in readings for line in _named(readings, reading, profiles.value_lines(reading.table))]
    lines += [f"values      {line}" for line in grids.values]
    lines += [f"note        {line}" for reading in readings for line in _named(readings, reading, profiles.doubts(reading.table))]
    lines += [f"note        {line}" for line in grids.notes]
    lines.append(_counted(made.summary["profiles_kept"], made.summary["horizons_kept"], readings))
    lines += repair_lines(made.repairs)
    lines += [f"duplicates  {len(made.duplicates):,} profiles merged"] if len(made.duplicates) else []
    lines += [f"sources     {line}" for line in profiles.density_lines(made.summary)]
    lines += value_lines("stocks", result, "soc_stock_kg_m2")
    far = profiles.far_line(made.layers) if fixed_depth else ""
    return lines + ([f"note        {far}"] if far else [])


def _named(readings: Sequence[SourceRead], reading: SourceRead, lines: Sequence[str]) -> list[str]:
    """Lines of one source, with its name where there are several."""
    return [line if len(readings) == 1 else f"{reading.table['source'].iloc[0]}: {line}" for line in lines]


def _counted(profiles_kept: int, horizons_kept: int, readings: Sequence[SourceRead]) -> str:
    """Profiles and horizons that are left, of those in the files."""
    profiles_read, horizons_read = (sum(reading.in_file[i] for reading in readings) for i in (0, 1))
    # Some become several: one for each year.
    words = "from" if profiles_kept > profiles_read else "of"
    return f"profiles    {profiles_kept:,} {words} {profiles_read:,}, horizons {horizons_kept:,} of {horizons_read:,}"


def _lacking(summary: Mapping[str, Any]) -> str:
    """What a pedotransfer rule would need, where it has left horizons without a density."""
    density = summary["bulk_density"]
    lacking = density.get("missing_predictors") or {}
    if not lacking:
        return ""
    names = ", ".join(f"{name} in {count:,}" for name, count in lacking.items())
    return f"; the pedotransfer rule {density['rule']} lacks {names} horizons"


def harmonise(
    horizons: str,
    value: str,
    layers: Layers,
    out: Path,
    *,
    how: DepthFunction,
    negative: bool,
    table: TableWords,
    shift_organic: bool,
    say: Say,
) -> list[str]:
    """One property of horizons, in any unit, brought to depth layers.

    Parameters
    ----------
    horizons : str
        Table of horizons.
    value : str
        Its column of numbers.
    layers : sequence of (top_cm, bottom_cm)
    out : Path
        Layer table to write.
    how : DepthFunction
    negative : bool
        The property may be below zero.
    table : TableWords
    shift_organic : bool
        Count depths from the top of organic layers.
    say : callable

    Returns
    -------
    list of str
        What was done, for the screen.
    """
    check_out(out, (horizons, table.sites), ("repairs",))
    say(f"reading {Path(horizons).name}", 0, 3)
    reading = profiles.read_property(
        horizons,
        value,
        {**table.columns, **{role: Column(ignore=True) for role in table.ignore}},
        sites=table.sites,
        crs=table.crs,
        schema=table.vocabulary,
    )
    raw, unread = reading.checked()
    say("depth functions", 1, 3)
    result, repairs = profiles.harmonise(raw, layers, how, nonnegative=not negative, shift_organic=shift_organic)
    log = profiles.concat_repairs([unread, repairs])
    _check_left(result, Path(horizons).name, len(raw), log)
    written = write_tables(out, result, {"repairs": log})
    lines = [*reading.understood, *(f"note        {line}" for line in profiles.depth_doubts(raw))]
    lines.append(f"profiles    {result['profile_id'].nunique():,} of {reading.in_file[0]:,}")
    lines += repair_lines(log)
    lines += value_lines("layers", result, "value")
    lines += [f"note        {line}" for line in _about_curve(how, result)]
    return lines + [f"wrote       {path}" for path in written]


def _about_curve(how: DepthFunction, result: pd.DataFrame) -> list[str]:
    far = [line for line in (profiles.far_line(result),) if line]
    if how.method != "spline" or how.mode != "paper":
        return far
    return ["mode paper: horizons uncleaned, as mpspline2 takes them; a layer observed in part has the mean of that part", *far]


def repair_lines(repairs: pd.DataFrame) -> list[str]:
    """One line for each fault of a repair log: what, how often, what was done."""
    if not len(repairs):
        return ["repairs     none"]
    counts = repairs.groupby(["fault", "action"], sort=False).size().reset_index(name="cases")
    return [f"repairs     {row.cases:,} x {row.fault}: {row.action}" for row in counts.itertuples()]


def value_lines(word: str, result: pd.DataFrame, value: str) -> list[str]:
    """How many layers have a value, and why none has one.

    >>> value_lines("stocks", pd.DataFrame({"soc": [float("nan")] * 2, "status": ["uncovered"] * 2}), "soc")
    ['stocks      0 of 2 layers have one: no layer has a value (2 x uncovered)']
    """
    valued = int(result[value].notna().sum())
    line = f"{word:<11} {valued:,} of {len(result):,} layers have one"
    if valued:
        return [line]
    causes = result["status"].value_counts(sort=False).sort_index()
    return [f"{line}: no layer has a value ({', '.join(f'{count:,} x {status}' for status, count in causes.items())})"]


def _check_left(left: pd.DataFrame, name: str, read: int, repairs: pd.DataFrame, more: str = "") -> None:
    """A table in which nothing is left is a fault, and the fault that took most of it is named."""
    if len(left):
        return
    taken = repairs[repairs["action"].str.contains("dropped|left out|removed") & (repairs["fault"] != "site without horizons")]
    counts = taken["fault"].value_counts()
    # Ties go to the fault that comes first in the log.
    most = next((f" (most often: {fault}, {counts[fault]:,} times)" for fault in taken["fault"] if counts[fault] == counts.max()), "")
    raise TableError(f"{name}: no horizon is left of {read:,}{most}{more}; expected at least one with depths and a value that can be")


def check_out(out: Path, inputs: Sequence[Path | str | None] = (), beside: Sequence[str] = tuple(BESIDE)) -> None:
    """The output and the tables beside it can be written, and none of them is an input or another's file, before any work is done."""
    if out.name.lower() in ENDINGS:
        raise RunError(f"--out {out}: found an ending alone; expected a name before it")
    if not str(out).lower().endswith(ENDINGS):
        raise RunError(f"--out {out}: found another ending; expected one of {', '.join(ENDINGS)}")
    if out.is_dir():
        raise RunError(f"--out {out}: found a folder; expected the name of a file")
    if not out.parent.is_dir():
        raise RunError(f"--out {out}: found no folder {str(out.parent)!r}; expected one that exists")
    sides = {beside_path(out, word): word for word in beside}
    read = [Path(given) for given in inputs if given is not None and Path(given).is_file()]
    faults = []
    for path in (out, *sides):
        if any(path.exists() and path.samefile(given) for given in read):
            where = "" if path == out else f" in {path.name}, which it would write beside it"
            faults.append(f"--out {out}: found a table that is read{where}; expected another name")
        elif path in sides and path.exists() and not _is_own(path, BESIDE[sides[path]]):
            faults.append(f"--out {out}: found {path.name}, which Edaphic did not write, where {sides[path]} go; expected another name")
    if faults:
        raise RunError(faults)


def beside_path(out: Path, word: str) -> Path:
    """``NAME.WORD.csv`` beside the output."""
    name = out.name[: -len(next(ending for ending in ENDINGS if out.name.lower().endswith(ending)))]
    return out.with_name(f"{name}.{word}.csv")


def _is_own(path: Path, columns: Sequence[str]) -> bool:
    """Whether a file has the row of names that Edaphic writes there: only such a one may be replaced or removed."""
    if not path.is_file():
        return False
    names = ",".join(columns).encode() + b"\n"
    with path.open("rb") as file:
        return file.read(len(names)) == names


def write_tables(out: Path, result: pd.DataFrame, beside: Mapping[str, pd.DataFrame]) -> list[Path]:
    """The result, and every other table that has rows as ``NAME.WORD.csv``; all or none. Tables of an earlier run go."""
    check_out(out, beside=tuple(beside))
    tables = {out: result} | {beside_path(out, word): table for word, table in beside.items() if len(table)}
    with replacing(*tables) as temporary:
        for path, table in tables.items():
            _write(table, path, temporary[path])
    for word in beside:
        stale = beside_path(out, word)
        if stale not in tables:
            stale.unlink(missing_ok=True)
    return list(tables)


def _write(table: pd.DataFrame, path: Path, temporary: Path) -> None:
    if path.name.lower().endswith(".parquet"):
        table.to_parquet(temporary, index=False)
    else:
        packed = {"method": "gzip", "mtime": 0} if path.name.lower().endswith(".gz") else None
        table.to_csv(temporary, index=False, lineterminator="\n", compression=packed)


def _told(horizons: str, layers: Layers | None, section: Mapping[str, Any], table: TableWords) -> tuple[ProfileRecipe, Path]:
    """The recipe, or one made of the words of the command; and the path that its paths are seen from."""
    if horizons.lower().endswith(RECIPES):
        return recipe.load_profiles(Path(horizons)), Path(horizons)
    if layers is None:
        raise EdaphicError("--layers: found none; expected layers in cm such as 0-30,30-100")
    source = {
        "horizons": horizons,
        "sites": table.sites,
        "crs": table.crs,
        "vocabulary": table.vocabulary,
        "columns": {role: _spelled(column) for role, column in table.columns.items()},
        "ignore": list(table.ignore),
    }
    spelled = [recipe.layer_text((float(top), float(bottom))) for top, bottom in layers]
    # The command takes layers in any order and overlapping (0-30 beside 0-100); a recipe maps them, and does not.
    values = {"edaphic": 1, "name": "stock", "profiles": {"sources": [source], "layers": spelled[:1], **section}}
    return recipe.profiles_from(values, "edaphic stock"), Path("recipe.yaml")


def _spelled(column: Column) -> dict[str, Any]:
    keys = ("column", "unit", "value", "basis", "to_carbon", "site_column")
    given = {key: getattr(column, key) for key in keys}
    return {key: value for key, value in given.items() if value is not None}


def _check_esm(depth: Depth) -> None:
    """Choices of fixed depth that equivalent soil mass has no use for are not passed over."""
    faults = [] if depth.method in ESM_METHODS else [f"--esm: found the method {depth.method}; expected {' or '.join(ESM_METHODS)}"]
    plain = Depth()
    faults += [
        f"--esm: found {key} {getattr(depth, key)} beside it; expected none: it is of fixed depth"
        for key in ("mode", "order", "lam", "min_coverage", "max_gap_cm")
        if getattr(depth, key) != getattr(plain, key)
    ]
    if faults:
        raise TableError(faults)
