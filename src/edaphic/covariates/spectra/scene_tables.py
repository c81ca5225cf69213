"""Scenes from a table, one row each: for files whose names tell nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

import pandas as pd

from edaphic.covariates.handles import open_raster
from edaphic.covariates.spectra.bands import ROLES, read_name
from edaphic.covariates.spectra.scaling import Told
from edaphic.covariates.spectra.scene import Scene
from edaphic.covariates.spectra.scenes import Words, put_together
from edaphic.errors import RasterError, TableError


def scenes_of_table(path: Path, words: Words) -> list[Scene]:
    """Scenes from a CSV table, one row each.

    Columns: ``date`` (2001-07-30); a column for each role with ``FILE`` or ``FILE:NUMBER``, seen from the table's folder; and, where
    there is something to say, ``name``, ``sensor``, ``qa``, ``qa_scheme``, ``scale``, ``offset``, ``level``. What the row does not
    say, ``words`` do.

    Raises
    ------
    TableError
        A missing table or column, a date that is none: one line for each row.
    RasterError
        A band that cannot be read.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: cannot be read ({error}); expected a CSV table of scenes") from error
    table.columns = [str(column).strip().lower() for column in table.columns]
    roles = [role for role in ROLES if role in table.columns]
    if "date" not in table.columns or not roles:
        raise TableError(f"{path}: columns {', '.join(table.columns)}; expected date, and some of {', '.join(ROLES)}")
    faults, scenes = [], []
    for number, row in enumerate(table.to_dict("records"), start=2):
        try:
            scenes.append(_row(path, {str(key): str(value).strip() for key, value in row.items()}, roles, words))
        except (RasterError, ValueError) as error:
            faults += [f"{path}: row {number}: {fault}" for fault in (error.faults if isinstance(error, RasterError) else [str(error)])]
    if not len(table):
        faults.append(f"{path}: no row; expected one for each scene")
    if faults:
        raise TableError(faults)
    return scenes


def _row(path: Path, row: Mapping[str, str], roles: Iterable[str], words: Words) -> Scene:
    try:
        day = date.fromisoformat(row["date"])
    except ValueError:
        raise RasterError(f"date {row['date']!r}; expected a day such as 2001-07-30") from None
    places = {}
    for role in roles:
        file, _, number = row[role].rpartition(":")
        if not (file and number.isdigit()):
            file, number = row[role], "1"
        if not file:
            continue
        found = path.parent / file
        with open_raster(found) as raster:
            if not 1 <= int(number) <= raster.count:
                raise RasterError(f"{role}: no band {number} of {file}; expected one of 1 to {raster.count}")
        places[role] = (str(found), int(number))
    if not places:
        raise RasterError("no band; expected a file in one of the columns of bands")
    told = words.told
    if row.get("scale") or row.get("offset"):
        told = Told(_real(row, "scale"), _real(row, "offset"), "auto", told.everything)
    elif row.get("level"):
        told = Told(None, None, row["level"], told.everything)  # type: ignore[arg-type]
    own = Words(None, row.get("sensor") or words.sensor, told, row.get("qa") or words.qa, row.get("qa_scheme") or words.scheme, day)
    named = read_name(Path(next(iter(places.values()))[0]).name)
    name = row.get("name") or (named.scene if named else f"{day.isoformat()} {Path(next(iter(places.values()))[0]).name}")
    return put_together(name, places, own, named, path.parent, [])


def _real(row: Mapping[str, str], column: str) -> float | None:
    if not row.get(column):
        return None
    try:
        value = float(row[column])
    except ValueError:
        raise RasterError(f"{column} {row[column]!r}; expected a number") from None
    if not math.isfinite(value):
        raise RasterError(f"{column} {row[column]!r}; expected a number")
    return value
