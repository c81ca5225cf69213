"""What maps need beside a model: how far its intervals are moved, and where it may be applied.

The model stage writes the model; when it has been tested, the evidence writes these files beside it, so that the folder of a model is
complete for a stranger. ``kit.json`` names them with their SHA-256, and the model that they belong to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.artefact_check import LARGEST, listed, number, readable, take, text
from edaphic.model.artefact_files import Spec, read_arrays, read_bytes, read_document, short, write_arrays, write_document
from edaphic.model.artefact_model import DOCUMENT, CovariateFacts, digest_in, load, read_facts
from edaphic.model.zones import AnyModel, base_of

KIT = "kit.json"
ADJUSTMENTS, LEVEL_ADJUSTMENTS, APPLICABILITY = "conformal.csv", "conformal_levels.csv", "applicability.npz"

_GROUPS = ("top_cm", "bottom_cm", "zone")
_ARRAYS: Mapping[str, Spec] = {
    "columns": Spec("<i8"),
    "centre": Spec("<f8"),
    "scale": Spec("<f8"),
    "weights": Spec("<f8"),
    "points": Spec("<f8", 2),
    "mean_distance": Spec("<f8", 0),
    "threshold": Spec("<f8", 0),
    "train_di": Spec("<f8"),
    "train_density": Spec("<f8"),
}
"""Arrays of an area of applicability; ``names`` and ``notes`` stand in ``kit.json``."""


@dataclass(frozen=True)
class Kit:
    """A model and all that maps need of it.

    Attributes
    ----------
    model : SoilModel or ZonedModel
    levels : (low, high)
        Levels of the limits of its interval, such as 0.05 and 0.95.
    adjustments : DataFrame
        How far these limits move: ``top_cm``, ``bottom_cm``, ``zone``, ``lower``, ``upper`` and what is known of each group.
    level_adjustments : DataFrame
        The same for other quantiles: ``level``, ``move``. Empty where there are none.
    applicability : mapping of str to array, or None
        Area of applicability as plain arrays.
    covariates : mapping of str to CovariateFacts
        Kind, unit, classes, periods and range of each covariate in training; empty where they are not known.
    provenance : mapping
        What else was kept with the model.
    sha256 : str
        Of the forests: which model it is.
    """

    model: AnyModel
    levels: tuple[float, float]
    adjustments: pd.DataFrame
    level_adjustments: pd.DataFrame
    applicability: Mapping[str, NDArray[Any]] | None
    covariates: Mapping[str, CovariateFacts]
    provenance: Mapping[str, Any]
    sha256: str


def save_kit(
    folder: Path,
    model_folder: Path,
    levels: tuple[float, float],
    tables: Mapping[str, Path],
    applicability: Mapping[str, NDArray[Any]] | None,
) -> None:
    """Write ``kit.json`` and the files that it names into a folder.

    Parameters
    ----------
    folder : Path
        Made where it is missing; in the end these files and those of the model stand in one folder.
    model_folder : Path
        The model that they belong to.
    levels : (low, high)
    tables : mapping of str to Path
        ``conformal.csv`` and, where there is one, ``conformal_levels.csv``: what is copied under the name.
    applicability : mapping of str to array, optional
        As :attr:`Kit.applicability`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = digest_in(read_document(model_folder / DOCUMENT), model_folder / DOCUMENT)
    files: dict[str, str] = {}
    for name, path in tables.items():
        data = path.read_bytes()
        (folder / name).write_bytes(data)
        files[name] = hashlib.sha256(data).hexdigest()
    told: dict[str, Any] = {"model": model, "levels": list(levels), "names": [], "notes": []}
    if applicability is not None:
        files[APPLICABILITY] = write_arrays(folder / APPLICABILITY, applicability, _ARRAYS)
        told["names"] = [str(entry) for entry in applicability["names"]]
        told["notes"] = [readable(str(entry), 10_000) for entry in applicability["notes"]]
    write_document(folder / KIT, told | {"files": files})


def load_kit(folder: Path) -> Kit:
    """Read a model with all that maps need of it.

    Raises
    ------
    ModelError
        As when the model alone is loaded; or it was not tested, or what stands beside it is of another model, altered, or does
        not fit it.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder; expected the folder of a model, such as run/model/forest")
    model = load(folder)
    covariates, provenance, digest = read_facts(folder)
    path = folder / KIT
    if not path.is_file() and not path.is_symlink():
        raise ModelError(f"{path}: no such file; expected a model whose evidence is finished (edaphic run goes on with it)")
    document = read_document(path)
    if document.get("model") != digest:
        raise ModelError(f"{path}: belongs to another model than {DOCUMENT}; expected files of one run (edaphic run goes on with it)")
    try:
        low, high = listed(take(document, "levels"), "levels", lambda value, at: number(value, at, 0.0, 1.0))
        files = take(document, "files")
        if not (0.0 < low < high < 1.0) or not isinstance(files, dict) or ADJUSTMENTS not in files:
            raise ValueError("levels or files that are not those of a kit")
        tables = [
            _table(folder, files, name, (*_GROUPS, *columns), model) for name, columns in
            ((ADJUSTMENTS, ("lower", "upper")), (LEVEL_ADJUSTMENTS, ("level", "move")))
        ]  # fmt: skip
        where = _applicability(folder, document, files, base_of(model).encoder.features) if APPLICABILITY in files else None
    except ValueError as fault:
        raise ModelError(f"{path}: {fault} (not what Edaphic writes)") from fault
    return Kit(model, (float(low), float(high)), tables[0], tables[1], where, covariates, provenance, digest)


def _table(folder: Path, files: Mapping[str, Any], name: str, columns: Sequence[str], model: AnyModel) -> pd.DataFrame:
    """A table of adjustments, with a row for each interval of the model; without rows where there is none."""
    if name not in files:
        return pd.DataFrame(columns=list(columns), dtype=float)
    data = read_bytes(folder / name, str(files[name]))
    try:
        table = pd.read_csv(BytesIO(data))
        numbers = table[list(columns)].to_numpy(dtype=np.float64)
    except (ValueError, KeyError, TypeError, OverflowError, pd.errors.ParserError) as fault:
        raise ValueError(f"{name} is no table of adjustments ({short(str(fault))})") from fault
    moves = numbers[:, len(_GROUPS) :]
    if not (np.isfinite(moves).all() and np.all(np.abs(moves) <= LARGEST)):
        raise ValueError(f"{name} holds adjustments that are no numbers")
    if "level" in columns and not np.all((moves[:, 0] > 0) & (moves[:, 0] < 1)):
        raise ValueError(f"{name} holds levels outside 0 to 1")
    general = {(row[0], row[1]) for row in numbers[np.isnan(numbers[:, 2])].tolist()}
    lacking = [interval for interval in model.intervals if interval not in general]
    if lacking:
        raise ValueError(f"{name} has nothing for {lacking[0][0]:g}-{lacking[0][1]:g} cm")
    return table


def _applicability(folder: Path, document: Mapping[str, Any], files: Mapping[str, Any], features: Sequence[str]) -> dict[str, NDArray]:
    arrays = read_arrays(folder / APPLICABILITY, str(files[APPLICABILITY]), _ARRAYS)
    names = listed(take(document, "names"), "names", lambda value, at: text(value, at, most=10_000))
    notes = listed(take(document, "notes"), "notes", lambda value, at: text(value, at, most=10_000))
    columns, points = arrays["columns"], arrays["points"]
    count = len(columns)
    fits = (
        names == tuple(features)[: len(names)]
        and len(names) in (len(features), len(features) - 2)
        and all(len(arrays[key]) == count for key in ("centre", "scale", "weights"))
        and points.shape[1] == count
        and len(points) == len(arrays["train_di"]) == len(arrays["train_density"]) > 0
        and bool(np.all((columns >= 0) & (columns < len(names))))
        and len(set(columns.tolist())) == count > 0
    )
    if not fits:
        raise ValueError(f"{APPLICABILITY} does not fit the model")
    finite = all(np.isfinite(arrays[key]).all() for key in ("centre", "scale", "weights", "points", "mean_distance", "threshold"))
    positive = np.all(arrays["scale"] > 0) and np.all(arrays["weights"] >= 0) and arrays["mean_distance"] > 0 and arrays["threshold"] >= 0
    if not (finite and positive):
        raise ValueError(f"{APPLICABILITY} holds numbers that cannot be")
    return arrays | {"names": np.asarray(names, dtype=str), "notes": np.asarray(notes, dtype=str)}
