"""What is to be said of fitted climate: smoothing without a minimum, parts withheld without a prediction, values below 0."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from edaphic.covariates.climate.doubts import TEMPERATURE
from edaphic.covariates.climate.evidence import DESIGNS
from edaphic.covariates.climate.model import Model
from edaphic.covariates.climate.tables import named

HALF = 0.5
"""Share of effective degrees of freedom in the stations above which a network is thin for its field (Hutchinson and Gessler 1994)."""


def fit_notes(model: Model) -> list[str]:
    """Where the smoothing has no minimum: one line for each reason."""
    fields: dict[str, list[str]] = {}
    for name, choice in zip(model.names, model.splines.choices, strict=True):
        if choice.note:
            fields.setdefault(choice.note, []).append(name)
    notes = [f"{named(names)}: {note}" for note, names in fields.items()]
    free = [
        name
        for k, (name, choice) in enumerate(zip(model.names, model.splines.choices, strict=True))
        if isinstance(model.how.smoothing, str) and not choice.note and choice.df > HALF * np.isfinite(model.stations.values[:, k]).sum()
    ]
    if free:
        notes.append(
            f"{named(free)}: more degrees of freedom than half the stations: the surface follows single ones; compare --smoothing reml"
        )
    if model.how.metric == "auto" and model.places.metric == "sphere":
        notes.append("stations more than 3,000 km from their middle: splines on the sphere")
    return notes


def below_zero(model: Model, below: Mapping[str, int]) -> list[str]:
    """Notes on surfaces below 0 of what is never below 0 at a station, temperatures apart."""
    lowest = dict(zip(model.names, np.nanmin(model.stations.values, axis=0), strict=True))
    notes = []
    for variable in dict.fromkeys(model.stations.variables):
        fields = [name for name, of in zip(model.names, model.stations.variables, strict=True) if of == variable]
        cells = sum(below[name] for name in fields)
        if cells and min(lowest[name] for name in fields) >= 0 and not TEMPERATURE.match(variable):
            worst = max(fields, key=lambda name: below[name])
            most = f" (most of them of {worst})" if len(fields) > 1 else ""
            notes.append(f"{variable}: {cells:,} cells below 0 though no station is{most}: --transform {variable}=sqrt keeps them above")
    return notes


def withheld_notes(model: Model, stations: pd.DataFrame) -> list[str]:
    """Notes on stations that were withheld but not predicted, because the others do not carry the spline.

    Parameters
    ----------
    model : Model
    stations : DataFrame
        One row for each station and field, see :func:`edaphic.covariates.climate.evidence`.
    """
    designs = [design for design in DESIGNS if design in stations]
    fields = {name: int(rows[designs].isna().any(axis=1).sum()) for name, rows in stations.groupby("field", sort=False)} if designs else {}
    some = [str(name) for name, lost in fields.items() if lost]
    if not some:
        return []
    most = max(fields.values())
    what = "" if isinstance(model.how.smoothing, str) else f" with {model.how.smoothing:g} degrees of freedom"
    return [f"{named(some)}: up to {most} stations withheld have no prediction: the others do not carry a spline{what}"]
