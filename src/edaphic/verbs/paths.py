"""``paths``: a table and a path model in, tables and figures of the model out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version as installed_version
from pathlib import Path

import pandas as pd

from edaphic.account.paths import PathModel, PathResult, model_of, path_models
from edaphic.errors import RunError
from edaphic.files import replacing, sha256_of
from edaphic.profiles.reading.tables import read_table
from edaphic.progress import Say
from edaphic.recipe.load import load_path_model
from edaphic.report.path_figure import path_pictures

TABLES: Mapping[str, str] = {
    "outer_model.csv": "outer",
    "crossloadings.csv": "cross",
    "inner_model.csv": "inner",
    "effects.csv": "effects",
    "quality.csv": "latents",
    "discriminant.csv": "discriminant",
    "bootstrap.csv": "bootstrap",
    "screening.csv": "screening",
}
"""Tables that are written, and the part of a result that each is."""

DIGITS = "%.10g"
P_SHOWN = 0.001


def paths(
    table: Path,
    model: Path,
    out: Path,
    *,
    by: str | None = None,
    resamples: int | None = None,
    seed: int | None = None,
    threads: int = 1,
    say: Say,
) -> list[str]:
    """Estimate a path model and write what comes of it.

    Parameters
    ----------
    table : Path
        CSV or Parquet: a row for each observation, a column for each indicator.
    model : Path
        YAML; see :class:`edaphic.recipe.path_model.Paths`.
    out : Path
        Folder; made if it is missing. What an earlier call has left there is replaced, other files stay.
    by : str, optional
        Column whose values part the rows, in place of the model's ``by``.
    resamples, seed : int, optional
        In place of those of the model's ``bootstrap``.
    threads : int
    say : callable

    Returns
    -------
    list of str
        What was found, for the screen.

    Raises
    ------
    EdaphicError
        A model or a table that cannot be used; nothing is written then.
    """
    if out.exists() and not out.is_dir():
        raise RunError(f"--out {out}: found a file; expected a folder")
    section = load_path_model(model)
    asked = _with_words(model_of(section.model_dump()), resamples, seed)
    by = section.by if by is None else by
    say("reading the table", 0, 1)
    read = read_table(table)
    results = path_models(read, asked, by=by, threads=threads, where=table.name, say=say)
    for line in [*read.attrs.get("notes", ()), *_notes(results)]:
        say(f"note: {line}", 0, 0)
    say("drawing", 0, 1)
    pictures = {
        f"figures/{picture.name}": picture
        for name, result in zip(file_names([result.group for result in results]), results, strict=True)
        for picture in path_pictures(result, "" if by is None else f"{by} {result.group}", name)
    }
    tables = {name: joined(results, part, by) for name, part in TABLES.items()}
    tables = {name: found for name, found in tables.items() if len(found)}
    scores = f"scores.{'parquet' if table.suffix.lower() in ('.parquet', '.geoparquet') else 'csv'}"
    told = _summary(results, table, model, asked, by)
    before = _figures_of(out)
    (out / "figures").mkdir(parents=True, exist_ok=True)
    names = [*tables, scores, "paths.json", *pictures]
    with replacing(*(out / name for name in names)) as beside:
        for name, found in tables.items():
            found.to_csv(beside[out / name], index=False, float_format=DIGITS, lineterminator="\n")
        _write_scores(joined(results, "scores", by), beside[out / scores], scores)
        for name, picture in pictures.items():
            beside[out / name].write_bytes(picture.png)
        text = json.dumps(told | {"figures": {name: picture.alt for name, picture in pictures.items()}}, indent=1, allow_nan=False)
        beside[out / "paths.json"].write_text(text + "\n", encoding="utf-8")
    for name in sorted({*before, *TABLES, "scores.csv", "scores.parquet"} - set(names)):
        (out / name).unlink(missing_ok=True)
    return [*(line for result in results for line in main_lines(result, by)), f"wrote       {len(names)} files in {out}"]


def _figures_of(out: Path) -> set[str]:
    """Figures that an earlier call has left in a folder, as its paths.json lists them."""
    try:
        told = json.loads((out / "paths.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    listed = told.get("figures") if isinstance(told, dict) else None
    return {name for name in listed if re.fullmatch(r"figures/path[\w.-]+\.png", name)} if isinstance(listed, dict) else set()


def _with_words(model: PathModel, resamples: int | None, seed: int | None) -> PathModel:
    boot = model.bootstrap
    boot = boot if resamples is None else replace(boot, resamples=resamples)
    return replace(model, bootstrap=boot if seed is None else replace(boot, seed=seed))


def _notes(results: Sequence[PathResult]) -> list[str]:
    """Notes of all groups, each with the groups that it is of; once where it is of all."""
    groups: dict[str, list[str]] = {}
    for result in results:
        for note in result.notes:
            groups.setdefault(note, []).append(result.group)
    return [note if len(named) == len(results) else f"{', '.join(named)}: {note}" for note, named in groups.items()]


def joined(results: Sequence[PathResult], part: str, by: str | None) -> pd.DataFrame:
    """The same table of all results, with the group in front where there are groups."""
    tables: list[pd.DataFrame] = [getattr(result, part) for result in results]
    if by is None:
        return pd.concat(tables, ignore_index=True)
    name = "group" if any(by in table.columns for table in tables) else by
    told = [table.copy() for table in tables]
    for table, result in zip(told, results, strict=True):
        table.insert(0, name, result.group)
    full = [table for table in told if len(table)]
    return pd.concat(full or told, ignore_index=True)


def _write_scores(table: pd.DataFrame, path: Path, name: str) -> None:
    if name.endswith(".parquet"):
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False, float_format=DIGITS, lineterminator="\n")


def file_names(groups: Sequence[str]) -> list[str]:
    """Parts of file names, one for each group; none of them twice, even where capitals do not count.

    >>> file_names(["0-20", "a/b", "a b", ""])
    ['0-20', 'a_b', 'a_b_2', '']
    """
    found: list[str] = []
    for group in groups:
        plain = re.sub(r"[^\w.-]+", "_", group)
        taken = {name.lower() for name in found}
        again = (f"{plain}_{number}" for number in range(2, len(groups) + 2))
        found.append(plain if plain.lower() not in taken else next(name for name in again if name.lower() not in taken))
    return found


def main_lines(result: PathResult, by: str | None) -> list[str]:
    """Path coefficients, total effects and R2 of a model, for the screen."""
    gof = "" if math.isnan(result.gof) else f", goodness of fit {result.gof:.3f}"
    lost = f" ({result.dropped:,} with gaps left out)" if result.dropped else ""
    head = f"{by} {result.group}" if by is not None else "model"
    lines = [f"{head}: {result.rows:,} rows{lost}, {result.iterations} iterations{gof}"]
    for latent, r2 in _explained(result).items():
        lines.append(f"  {latent}: R2 {r2:.3f}")
        inner = result.inner[result.inner["to"] == latent]
        for row in result.effects[result.effects["to"] == latent].to_dict("records"):
            own = inner[inner["from"] == row["from"]]
            interval = f" [{row['total_lower']:+.3f}, {row['total_upper']:+.3f}]" if "total_lower" in row else ""
            p = "" if own.empty else f" ({_p(float(own['p'].iloc[0]))})"
            parts = f"direct {row['direct']:+.3f}{p}, indirect {row['indirect']:+.3f}"
            lines.append(f"    {row['from']}: total {row['total']:+.3f}{interval}; {parts}")
    return lines


def _p(value: float) -> str:
    """A p value for the screen.

    >>> _p(0.0004), _p(0.0312)
    ('p < 0.001', 'p 0.031')
    """
    return f"p < {P_SHOWN:g}" if value < P_SHOWN else f"p {value:.3f}"


def _summary(results: Sequence[PathResult], table: Path, path: Path, model: PathModel, by: str | None) -> dict[str, object]:
    """What was done with what, without anything that the next call would not repeat."""
    how = model.bootstrap
    return {
        "edaphic": installed_version("edaphic"),
        "table": {"file": table.name, "sha256": sha256_of(table)},
        "model": {"file": path.name, "sha256": sha256_of(path)},
        "scheme": model.scheme,
        "scaled": model.scaled,
        "missing": model.missing,
        "vif": model.vif,
        "by": by,
        "latents": {
            block.name: {"mode": block.mode, "indicators": [indicator.name for indicator in block.indicators]} for block in model.blocks
        },
        "paths": {name: list(causes) for name, causes in model.paths.items()},
        "bootstrap": {"resamples": how.resamples, "signs": how.signs, "group": how.group, "level": how.level, "seed": how.seed},
        "models": [
            {
                "group": result.group,
                "rows": result.rows,
                "dropped": result.dropped,
                "iterations": result.iterations,
                "goodness_of_fit": None if math.isnan(result.gof) else round(result.gof, 10),
                "r2": _explained(result),
                "notes": result.notes,
            }
            for result in results
        ],
    }


def _explained(result: PathResult) -> dict[str, float]:
    """R2 of each latent that others act on."""
    table = result.latents[result.latents["type"] == "endogenous"]
    return {str(row["latent"]): round(float(row["r2"]), 10) for row in table.to_dict("records")}
