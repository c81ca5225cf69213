"""Change of organic carbon between two dates on equivalent soil mass, and what fixed depths would say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import TableError
from edaphic.profiles.mass.esm import check_method, on_masses
from edaphic.profiles.mass.esm_cumulative import Cumulative, cumulate
from edaphic.profiles.mass.esm_curve import Floats, Ints
from edaphic.profiles.mass.esm_reference import Layers, Reference, layer_faults
from edaphic.units import ORGANIC_MATTER_TO_CARBON

Column = NDArray[np.generic]

COMPARE_COLUMNS = (
    "lon", "lat", "year_before", "year_after", "top_cm", "bottom_cm", "soil_mass_kg_m2", "stock_before_kg_m2",
    "stock_after_kg_m2", "change_kg_m2", "fixed_depth_before_kg_m2", "fixed_depth_after_kg_m2", "fixed_depth_change_kg_m2",
    "depth_bottom_before_cm", "depth_bottom_after_cm", "coverage_before", "coverage_after", "status_before", "status_after",
    "reason_before", "reason_after",
)  # fmt: skip


def compare(
    before: pd.DataFrame,
    after: pd.DataFrame,
    reference: Reference | Sequence[tuple[float, float]],
    *,
    by: str = "profile_id",
    method: str = "spline",
    extrapolate: bool = False,
    mass: str = "fine_earth",
    to_carbon: float = ORGANIC_MATTER_TO_CARBON,
) -> pd.DataFrame:
    """Change of carbon between two samplings on one soil mass, and beside it what fixed depths would say.

    Parameters
    ----------
    before, after : DataFrame
        Clean horizon tables of the two dates.
    reference : Reference or sequence of (top, bottom)
        One reference for all; or layers: then each pair takes the mass that its own profile had there before.
    by : str
        Column of both tables that names the pair; one profile for each name and date.
    method, extrapolate
        As in :func:`equivalent_stocks`.
    mass, to_carbon
        What counts as mass where ``reference`` is layers; a Reference says it itself.

    Returns
    -------
    DataFrame
        One row per pair (those of ``before`` in their order, then those only in ``after``) and layer: the column ``by``, then
        :data:`COMPARE_COLUMNS`. The stocks of fixed depth take each horizon as constant over its depth. A pair of one date
        only has status ``not sampled`` at the other.

    Raises
    ------
    TableError
        Several profiles of one name at one date, column missing, or what :func:`equivalent_stocks` refuses.

    Examples
    --------
    >>> before = pd.DataFrame({
    ...     "profile_id": ["a"] * 2, "top_cm": [0.0, 30.0], "bottom_cm": [30.0, 60.0], "soc_g_kg": [20.0, 10.0],
    ...     "bulk_density_g_cm3": [1.0, 1.2], "coarse_fragments_vol_pct": 0.0})
    >>> pressed = before.assign(top_cm=[0.0, 24.0], bottom_cm=[24.0, 48.0], bulk_density_g_cm3=[1.25, 1.5])
    >>> compare(before, pressed, [(0, 30)])[["change_kg_m2", "fixed_depth_change_kg_m2"]].round(9).values.tolist()
    [[0.0, 0.9]]
    """
    check_method(method)
    if isinstance(reference, Reference):
        layers: Layers = reference.layers
        mass, to_carbon = reference.mass, reference.to_carbon
    else:
        layers = list(reference)
        faults = layer_faults(layers)
        if faults:
            raise TableError(faults)
    limits = np.asarray(layers, dtype=np.float64)
    dates = [cumulate(table, mass, to_carbon) for table in (before, after)]
    names = [_pair_names(table, by, when) for table, when in ((before, "before"), (after, "after"))]
    pairs = names[0].append(names[1].difference(names[0], sort=False))
    rows = [one.get_indexer(pairs).astype(np.int64) for one in names]
    if isinstance(reference, Reference):
        targets = [np.tile(one, (len(pairs), 1)) for one in (reference.mass_top_kg_m2, reference.mass_bottom_kg_m2)]
    else:
        targets = [_of_pairs(dates[0].mass_at(limits[:, i]), rows[0], np.nan) for i in (0, 1)]

    columns = {"soil_mass_kg_m2": targets[1] - targets[0]}
    for when, sums, at in zip(("before", "after"), dates, rows, strict=True):
        found = _at_one_date(sums, at, targets, limits, method, extrapolate)
        columns |= {name.format(when): array for name, array in found.items()}
    columns["change_kg_m2"] = columns["stock_after_kg_m2"] - columns["stock_before_kg_m2"]
    columns["fixed_depth_change_kg_m2"] = columns["fixed_depth_after_kg_m2"] - columns["fixed_depth_before_kg_m2"]
    columns["top_cm"], columns["bottom_cm"] = (np.tile(limits[:, i], (len(pairs), 1)) for i in (0, 1))
    for name in ("lon", "lat"):
        columns[name] = np.where(np.isnan(columns[f"{name}_before"]), columns[f"{name}_after"], columns[f"{name}_before"])
    table = pd.DataFrame({name: np.ravel(columns[name]) for name in COMPARE_COLUMNS})
    table.insert(0, by, pairs.repeat(len(limits)).to_numpy())
    return table.astype({name: "str" for name in COMPARE_COLUMNS if name.startswith(("status", "reason"))})


def _at_one_date(
    sums: Cumulative, rows: Ints, targets: list[Floats], limits: Floats, method: str, extrapolate: bool
) -> dict[str, Column]:
    """Columns of one date, (n_pairs, n_layers); ``{}`` in a name stands for the date."""
    masses = [_of_profiles(target, rows, len(sums.profiles)) for target in targets]
    found = on_masses(sums, masses[0], masses[1], method, extrapolate)
    columns = {
        "stock_{}_kg_m2": _of_pairs(found["soc_stock_kg_m2"], rows, np.nan),
        "depth_bottom_{}_cm": _of_pairs(found["depth_bottom_cm"], rows, np.nan),
        "coverage_{}": _of_pairs(found["coverage"], rows, 0.0),
        "status_{}": _of_pairs(found["status"], rows, "not sampled"),
        "reason_{}": _of_pairs(found["reason"], rows, ""),
        "fixed_depth_{}_kg_m2": _of_pairs(sums.soc_at(limits[:, 1]) - sums.soc_at(limits[:, 0]), rows, np.nan),
    }
    for name in ("year", "lon", "lat"):
        one = _of_pairs(sums.profiles[[name]].to_numpy(dtype=np.float64), rows, np.nan)
        columns[name + "_{}"] = np.repeat(one, len(limits), axis=1)
    return columns


def _pair_names(table: pd.DataFrame, by: str, when: str) -> pd.Index[Any]:
    """Name of the pair of each profile, in the order of :class:`Cumulative`."""
    if by not in table:
        raise TableError(f"{when}: no column {by}; expected the name of the pair")
    names: pd.Index[Any] = pd.Index(table.loc[~table["profile_id"].duplicated(), by].to_numpy(dtype=object))
    missing = int(np.count_nonzero(names.isna()))
    if missing:
        raise TableError(f"{when}: column {by}: missing for {missing} profiles; expected the name of the pair")
    again = names.duplicated()
    if again.any():
        raise TableError(f"{when}: column {by}: several profiles named {names[again][0]!r}; expected one for each pair and date")
    return names


def _of_pairs(values: Column, rows: Ints, missing: float | str) -> Column:
    """Rows of pairs out of those of profiles; ``rows`` is the profile of each pair, -1 for none."""
    out = np.full((rows.size, values.shape[1]), missing, dtype=object if isinstance(missing, str) else np.float64)
    out[rows >= 0] = values[rows[rows >= 0]]
    return out


def _of_profiles(targets: Floats, rows: Ints, n_profiles: int) -> Floats:
    """Rows of profiles out of those of pairs."""
    out = np.full((n_profiles, targets.shape[1]), np.nan)
    out[rows[rows >= 0]] = targets[rows >= 0]
    return out
