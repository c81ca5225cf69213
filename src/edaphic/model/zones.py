"""A model for each zone, beside one for all: climate zones, ecosystems, or any other classes.

A cell is answered by the model of its zone. Zones with too few profiles, and zones that training never saw, are answered by the
model of all, which is also the baseline that zoning must beat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.model.answering import Answers, answer_layers, nothing_said
from edaphic.model.fit import Interval, SoilModel, Target, TrainingTable, answer
from edaphic.model.forest import FEWEST_ROWS, Settings
from edaphic.model.traverse import Prediction, Wish


@dataclass(frozen=True)
class ZonedModel:
    """Models of zones, and that of all.

    ``zone``: covariate with the code of the zone; ``models``: code and model of each zone that has one; ``counts``: profiles in each
    zone of the training set, whether it has a model or not.
    """

    zone: str
    models: tuple[tuple[int, SoilModel], ...]
    everywhere: SoilModel
    counts: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.everywhere.name

    @property
    def target(self) -> Target:
        """What it is trained on."""
        return self.everywhere.target

    @property
    def form(self) -> str:
        """"3d" or "layers"."""
        return self.everywhere.form

    @property
    def layers(self) -> tuple[Interval, ...]:
        """Layers in cm."""
        return self.everywhere.layers

    @property
    def whole(self) -> Interval | None:
        """All layers together."""
        return self.everywhere.whole

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The layers, then the whole depth where there is one."""
        return self.everywhere.intervals

    @property
    def settings(self) -> Settings:
        """Settings of the forests."""
        return self.everywhere.settings

    @property
    def seed(self) -> int:
        """Seed of the forests."""
        return self.everywhere.seed

    @property
    def facts(self) -> Mapping[str, float]:
        """What else is known of the model of all."""
        return self.everywhere.facts

    @property
    def covariates(self) -> tuple[str, ...]:
        """Covariates that it is asked with: those of the models, and the zone."""
        names = self.everywhere.covariates
        return names if self.zone in names else (*names, self.zone)


AnyModel = SoilModel | ZonedModel


def base_of(model: AnyModel) -> SoilModel:
    """The model of all cells: the model itself, or the one beside those of zones."""
    return model.everywhere if isinstance(model, ZonedModel) else model


@dataclass(frozen=True)
class Asked:
    """Rows on their way through the models that answer for them: for each part of the model its rows, and their features."""

    model: AnyModel
    size: int
    parts: tuple[tuple[SoilModel, NDArray[np.intp], NDArray[np.float32]], ...]


def ask(model: AnyModel, cells: NDArray[np.floating]) -> Asked:
    """Share rows out among the models of their zones.

    Parameters
    ----------
    model : SoilModel or ZonedModel
    cells : array (n, number of covariates)
        In the order of ``model.covariates``; no NaN.
    """
    every = np.arange(len(cells))
    if isinstance(model, SoilModel):
        return Asked(model, len(cells), ((model, every, model.encoder.transform(cells)),))
    columns = [model.covariates.index(name) for name in model.everywhere.covariates]
    code = cells[:, model.covariates.index(model.zone)]
    parts, left = [], np.ones(len(cells), dtype=bool)
    for zone, own in model.models:
        rows = np.flatnonzero(code == zone)
        left[rows] = False
        if len(rows):
            parts.append((own, rows, own.encoder.transform(cells[rows][:, columns])))
    rows = np.flatnonzero(left)
    if len(rows):
        parts.append((model.everywhere, rows, model.everywhere.encoder.transform(cells[rows][:, columns])))
    return Asked(model, len(cells), tuple(parts))


def reply(asked: Asked, interval: int, levels: tuple[float, ...] = (), workers: int = 1) -> Prediction:
    """Predict one interval for the rows of :func:`ask`, in the unit of the target's answers.

    Parameters
    ----------
    asked : Asked
    interval : int
        Position among the intervals of the model.
    levels : tuple of float
        Quantile levels, ascending.
    """
    if len(asked.parts) == 1 and len(asked.parts[0][1]) == asked.size:
        model, _, features = asked.parts[0]
        return answer(model, features, interval, levels, workers)
    n = asked.size
    out = Prediction(np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan), np.full((n, len(levels)), np.nan))
    for model, rows, features in asked.parts:
        said = answer(model, features, interval, levels, workers)
        out.mean[rows], out.mean_fit[rows], out.spread[rows] = said.mean, said.mean_fit, said.spread
        out.quantiles[rows] = said.quantiles
    return out


def reply_all(asked: Asked, wish: Wish, thickness: NDArray[np.float64] | None = None) -> Answers:
    """Predict all intervals for the rows of :func:`ask` in one pass, in the unit of the target's answers.

    Parameters
    ----------
    asked : Asked
    wish : Wish
    thickness : float64 (n, L), optional
        Share of each layer that is soil: see :func:`edaphic.model.answering.answer_layers`.
    """
    if len(asked.parts) == 1 and len(asked.parts[0][1]) == asked.size:
        model, _, features = asked.parts[0]
        return answer_layers(model, features, wish, thickness)
    out = nothing_said(len(asked.model.intervals), asked.size, wish)
    for model, rows, features in asked.parts:
        said = answer_layers(model, features, wish, None if thickness is None else thickness[rows])
        for name in Answers.__dataclass_fields__:
            if getattr(out, name).shape[1]:
                getattr(out, name)[:, rows] = getattr(said, name)
    return out


def zone_codes(model: AnyModel, cells: NDArray[np.floating]) -> NDArray[np.int64] | None:
    """Zone of each row; None for a model without zones."""
    if isinstance(model, SoilModel):
        return None
    return cells[:, model.covariates.index(model.zone)].astype(np.int64)


def zones_with_enough(
    table: TrainingTable, zone: pd.Series, intervals: int, fewest: int
) -> tuple[list[int], dict[int, int]]:
    """Zones that a model of their own can be made for, and the number of profiles in every zone.

    Parameters
    ----------
    table : TrainingTable
    zone : Series
        Code of the zone by profile.
    intervals : int
        Number of intervals; each needs ten rows that differ.
    fewest : int
        Fewest profiles.
    """
    profiles = zone.loc[table.profiles]
    codes, numbers = np.unique(profiles.to_numpy(dtype=np.int64), return_counts=True)
    counts = dict(zip(codes.tolist(), numbers.tolist(), strict=True))
    code = zone.loc[list(table.profile_id)].to_numpy()
    enough = []
    for own, number in counts.items():
        rows = code == own
        by_interval = [table.values[rows & (table.interval == i)] for i in range(intervals)]
        if number >= fewest and all(len(v) >= FEWEST_ROWS and np.ptp(v) > 0 for v in by_interval):
            enough.append(own)
    return enough, counts
