"""Bulk density of the fine earth and coarse fragments of every horizon, with provenance and error.

Each comes from the first source of a chain that has a value: measured, reported by the source as an estimate, a pedotransfer
rule, gap filling with the table's own measurements, a grid. Measured values are brought to fine earth and else never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import TableError
from edaphic.profiles.cleaning.rules import concat_repairs
from edaphic.profiles.density.fragments import FRAGMENT_SOURCES, chain_faults, fill_fragments, fragment_faults, measured_sd_vol_pct
from edaphic.profiles.density.gap_filling import GapFiller, engine_faults, train
from edaphic.profiles.density.given_density import DENSITY_RANGE_G_CM3, FINE_EARTH, Given, resolve_given, text_column
from edaphic.profiles.density.grid_layers import horizon_means_from_layers, per_horizon
from edaphic.profiles.density.organic import ORGANIC_CHOICES, organic_choices
from edaphic.profiles.density.pedotransfer import (
    BLEND_SOC_G_KG,
    DEFAULT_RULE,
    MINERAL_RULES,
    ORGANIC_RULE,
    ORGANIC_SOC_G_KG,
    PEDOTRANSFER,
    Rule,
    blended,
    estimate,
    mixed,
    organic_share,
    predictor,
)
from edaphic.profiles.density.rule_choice import MIN_OWN_CHECK, best_rules, check
from edaphic.units import BASES, ROCK_DENSITY_G_CM3, mass_to_volume_pct

__all__ = [
    "DENSITY_SOURCES", "FRAGMENT_SOURCES", "ORGANIC_CHOICES", "ORGANIC_RULE", "ORGANIC_SOC_G_KG", "PEDOTRANSFER", "Rule", "estimate",
    "fill", "horizon_means_from_layers", "organic_choices",
]  # fmt: skip

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DENSITY_SOURCES = ("measured", "reported", "pedotransfer", "gap_filling", "grid")
"""What ``bulk_density_source`` can say; empty where nothing gave a value."""

MEASURED_SD_SHARE = 0.06
"""Error of a measured bulk density as a share of it: the analytical uncertainty that Samsonova, Meshalkina et al. (2023, Eurasian
Soil Science 56: 1765-1775) found for cores at all depths, about 6 %."""

FAR_ABOVE = "far above the organic curve"
"""What ``bulk_density_flag`` says of measured organic horizons more than twice the error of the curve above it."""


def fill(
    horizons: pd.DataFrame,
    chain: Sequence[str] = ("measured", "reported", "pedotransfer"),
    *,
    rule: str = DEFAULT_RULE,
    fragments_chain: Sequence[str] = ("measured", "class", "profile", "assumed"),
    missing_fragments_vol_pct: float | None = None,
    fragment_classes: Mapping[str, float | tuple[float, float]] | None = None,
    grid: ArrayLike | pd.DataFrame | None = None,
    grid_basis: str = "fine_earth",
    fragments_grid: ArrayLike | pd.DataFrame | None = None,
    rock_density_g_cm3: float = ROCK_DENSITY_G_CM3,
    engine: str = "sklearn",
    seed: int = 0,
) -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Give every horizon a bulk density of the fine earth and coarse fragments, and say where they come from.

    Parameters
    ----------
    horizons : DataFrame
        Clean horizon table (n rows).
    chain : sequence of str
        Sources of bulk density (:data:`DENSITY_SOURCES`) in the order in which they are asked. A rule before "measured"
        replaces what was measured. Outside its range a rule leaves the horizon to later sources; if none has a value, the
        value at the nearer end of the range is used and counted.
    rule : str
        Mineral rule, a key of :data:`PEDOTRANSFER`, or "best": the one with the lowest error on the measured horizons of this
        table (:func:`edaphic.profiles.density.rule_choice.best_rules`). Between 50 and 80 g/kg of organic carbon the estimate goes over
        into the organic curve, which alone holds above.
    fragments_chain, missing_fragments_vol_pct, fragment_classes
        As in :func:`edaphic.profiles.density.fragments.fill_fragments`. Fragments by mass are brought to volume with the density of
        their horizon and its basis, with the density that was filled in where none was measured.
    grid, fragments_grid : array_like (n,) or DataFrame, optional
        Values for "grid", g/cm3 and vol%: one for each horizon, or by profile and layer (:func:`.grid_layers.per_horizon`).
    grid_basis : str
        Basis of ``grid``.
    rock_density_g_cm3 : float
    engine : {"sklearn", "xgboost"}
        Library for "gap_filling".
    seed : int
        For "gap_filling".

    Returns
    -------
    horizons : DataFrame
        The table with ``bulk_density_g_cm3`` of the fine earth (``bulk_density_basis`` says so), ``bulk_density_source``,
        ``bulk_density_sd_g_cm3`` (of the density for the given fragments: measured 6 %, others their checked error),
        ``bulk_density_flag``, and ``coarse_fragments_vol_pct, coarse_fragments_source, coarse_fragments_sd_vol_pct``.
    summary : dict
        ``bulk_density``: counts by source, the rule with its error, what was held, converted or not used, the errors of the
        other sources, ``organic`` with the stock under each of :data:`ORGANIC_CHOICES`. ``coarse_fragments``: counts by source.
    repairs : DataFrame
        Densities that are impossible in fine earth, and fragments by mass that are impossible by volume, as in
        :func:`edaphic.profiles.clean`.

    Raises
    ------
    TableError
        Unknown source, rule, engine, class or basis; a value out of range; a grid that is missing or does not fit; gap filling
        with too few measured horizons.

    Examples
    --------
    Whole soil of 1.6 g/cm3 with a fifth of stones: (1.6 - 0.2 x 2.65) / 0.8.

    >>> table = pd.DataFrame({
    ...     "profile_id": ["a", "a"], "top_cm": [0.0, 20.0], "bottom_cm": [20.0, 50.0], "soc_g_kg": [10.0, 40.0],
    ...     "bulk_density_g_cm3": [1.6, np.nan], "bulk_density_basis": ["whole_soil", ""],
    ...     "coarse_fragments_vol_pct": [20.0, np.nan]})
    >>> filled, summary, repairs = fill(table)
    >>> filled[["bulk_density_g_cm3", "bulk_density_source", "coarse_fragments_source"]].round(4).values.tolist()
    [[1.3375, 'measured', 'measured'], [1.024, 'pedotransfer', 'profile']]
    >>> summary["bulk_density"]["checked_against"], len(repairs)
    ('ISRIC-WISE', 0)
    """
    faults: list[str] = []
    grids: list[Floats | None] = []
    for values, name in ((grid, "bulk density"), (fragments_grid, "coarse fragments")):
        try:
            grids.append(per_horizon(horizons, values, name))
        except TableError as error:
            faults.extend(error.faults)
            grids.append(np.full(len(horizons), np.nan))
    faults += _density_faults(horizons, chain, rule, engine, grids[0], grid_basis)
    faults += fragment_faults(fragments_chain, missing_fragments_vol_pct, fragment_classes, grids[1])
    if not rock_density_g_cm3 > 0.0:
        faults.append(f"density of coarse fragments: found {rock_density_g_cm3:g} g/cm3; expected above 0")
    if faults:
        raise TableError(faults)
    complete = partial(
        fill_fragments, horizons, chain=fragments_chain, missing_vol_pct=missing_fragments_vol_pct, classes=fragment_classes,
        grid_vol_pct=grids[1],
    )  # fmt: skip
    given = resolve_given(horizons, complete, grids[0], grid_basis, rock_density_g_cm3)
    work = _Work(horizons, given)
    summary = work.run(tuple(chain), rule, engine, seed)
    filled = work.table(rock_density_g_cm3)
    choices = organic_choices(filled, summary["rule"] or DEFAULT_RULE)
    summary["organic"]["choices"] = choices.astype(object).where(choices.notna(), None).to_dict("records")
    return filled, {"bulk_density": summary, "coarse_fragments": given.fragments.summary}, concat_repairs(given.repairs)


def _density_faults(
    horizons: pd.DataFrame, chain: Sequence[str], rule: str, engine: str, grid_g_cm3: Floats | None, grid_basis: str
) -> list[str]:
    """What is wrong with the settings of bulk density, one line each."""
    faults = chain_faults("bulk density", chain, DENSITY_SOURCES)
    known = [mineral.name for mineral in MINERAL_RULES]
    if rule not in (*known, "best"):
        faults.append(f"bulk density: unknown pedotransfer rule {rule!r}; expected one of {', '.join(known)} or best")
    if "grid" in chain and grid_g_cm3 is None:
        faults.append("bulk density: 'grid' in the chain without values; expected a value for each horizon")
    low, high = DENSITY_RANGE_G_CM3
    if grid_g_cm3 is not None and ((grid_g_cm3 < low) | (grid_g_cm3 > high)).any():
        found = f"{np.nanmin(grid_g_cm3):g} to {np.nanmax(grid_g_cm3):g}"
        faults.append(f"bulk density of the grid: found {found}; expected {low:g} to {high:g} g/cm3")
    if grid_basis not in BASES:
        faults.append(f"bulk density of the grid: unknown basis {grid_basis!r}; expected one of {', '.join(BASES)}")
    strange = sorted(set(text_column(horizons, "bulk_density_basis").unique()) - {*BASES, ""})
    faults += [f"horizon table: column bulk_density_basis: found {text!r}; expected one of {', '.join(BASES)}" for text in strange]
    return faults + (engine_faults(engine) if "gap_filling" in chain else [])


class _Work:
    """The chain of bulk density of one table: what was found so far, and which source gave it (0 none, else its number)."""

    def __init__(self, horizons: pd.DataFrame, given: Given) -> None:
        n = len(horizons)
        self.horizons, self.given = horizons, given
        self.soc = predictor(horizons, "soc_g_kg")
        self.organic = self.soc > ORGANIC_SOC_G_KG
        self.curve = estimate(horizons, PEDOTRANSFER[ORGANIC_RULE])
        self.curve_check = check(np.where(self.organic, self.curve - given.measured, np.nan), PEDOTRANSFER[ORGANIC_RULE])
        self.density, self.sd, self.index = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, dtype=np.int8)
        self.filler: GapFiller | None = None

    def run(self, chain: tuple[str, ...], rule: str, engine: str, seed: int) -> dict[str, Any]:
        """Ask the sources in turn; what there is to say of them."""
        best = rule == "best"
        rules, choice = best_rules(self.horizons, self.given.measured) if best else ((PEDOTRANSFER[rule],), {"asked": rule})
        estimated, estimated_sd, inside, checks = self._by_rules(rules)
        errors = {name: self._error_of(getattr(self.given, name), checks[0]) for name in ("reported", "grid")}
        for name in chain:
            if name == "measured":
                self._take(name, self.given.measured, MEASURED_SD_SHARE * self.given.measured * self.given.measured_share)
            elif name == "pedotransfer":
                self._take(name, np.where(inside, estimated, np.nan), estimated_sd)
            elif name == "gap_filling":
                self._fill_gaps(engine, seed)
            else:
                self._take(name, getattr(self.given, name), np.full(self.soc.shape, errors[name]["error_sd_g_cm3"]))
        asked = "pedotransfer" in chain
        held = self._take("pedotransfer", estimated, estimated_sd) if asked else 0
        rule_part = {**checks[0], "choice": choice, "second_rule": checks[1] if len(checks) > 1 else None} if asked else {"rule": None}
        return {
            "chain": list(chain),
            **self._counts(np.ones(self.soc.shape, dtype=bool)),
            **rule_part,
            "missing_predictors": self._lacking(rules) if asked else {},
            "held_at_range_end": held,
            "measured_not_used": int((np.isfinite(self.given.measured) & (self.index != 1)).sum()),
            "measured_sd_share": MEASURED_SD_SHARE,
            "converted_to_fine_earth": self.given.converted,
            "basis_assumed_fine_earth": self.given.basis_assumed,
            "errors": {name: error for name, error in errors.items() if name in chain},
            "gap_filling_score": None if self.filler is None else self.filler.score,
            "organic": {
                **self._counts(self.organic),
                **self.curve_check,
                "measured_far_above_curve": int(self._far_above().sum()),
                "blend_soc_g_kg": list(BLEND_SOC_G_KG),
            },
        }

    def _take(self, name: str, density: Floats, sd: Floats) -> int:
        """Give the values of a source to the horizons that have none yet; how many took one."""
        take = (self.index == 0) & np.isfinite(density)
        self.density, self.sd = np.where(take, density, self.density), np.where(take, sd, self.sd)
        self.index[take] = DENSITY_SOURCES.index(name) + 1
        return int(take.sum())

    def _by_rules(self, rules: Sequence[Rule]) -> tuple[Floats, Floats, Bools, list[dict[str, Any]]]:
        """Estimate, its error, whether it lies in the range, and the error of each rule; a second rule where the first has none."""
        density, sd = np.full(self.soc.shape, np.nan), np.full(self.soc.shape, np.nan)
        inside, checks = np.zeros(self.soc.shape, dtype=bool), []
        share = organic_share(self.soc)
        for rule in rules:
            found, within = blended(self.horizons, rule)
            checks.append(check(np.where(self.organic, np.nan, found - self.given.measured), rule))
            spread = mixed(share, np.full(sd.shape, checks[-1]["error_sd_g_cm3"]), np.full(sd.shape, self.curve_check["error_sd_g_cm3"]))
            take = np.isnan(density) & np.isfinite(found)
            density, sd, inside = np.where(take, found, density), np.where(take, spread, sd), np.where(take, within, inside)
        return density, sd, inside, checks

    def _error_of(self, values: Floats, rule: Mapping[str, Any]) -> dict[str, Any]:
        """Error of given estimates on the measured horizons; that of the mineral rule where these are too few."""
        error = values - self.given.measured
        error = error[np.isfinite(error)]
        if error.size < MIN_OWN_CHECK:
            reason = f"not checked, as {rule['rule']} on {rule['checked_against']}"
            return {"error_sd_g_cm3": rule["error_sd_g_cm3"], "bias_g_cm3": None, "checked_on": int(error.size), "checked_against": reason}
        rms, bias = float(np.sqrt(np.mean(error**2))), float(np.mean(error))
        return {"error_sd_g_cm3": rms, "bias_g_cm3": bias, "checked_on": int(error.size), "checked_against": "this table"}

    def _fill_gaps(self, engine: str, seed: int) -> None:
        """Train on the measured horizons if any horizon is left; organic soil goes to the curve if too little of it was measured."""
        left = (self.index == 0) & np.isfinite(self.soc)
        if not left.any():
            return
        fragments = np.where(np.isin(self.given.fragments.source, ("measured", "class")), self.given.fragments.vol_pct, np.nan)
        self.filler = train(self.horizons, self.given.measured, fragments, engine=engine, seed=seed)
        mineral_sd, organic_sd = (np.full(self.soc.shape, sd) for sd in self.filler.sd_g_cm3)
        found = np.full(self.soc.shape, np.nan)
        found[left] = self.filler.predict(self.horizons[left], fragments[left])
        if self.filler.covers_organic:
            self._take("gap_filling", found, np.where(self.organic, organic_sd, mineral_sd))
            return
        share = organic_share(self.soc)
        curve_sd = np.full(self.soc.shape, self.curve_check["error_sd_g_cm3"])
        self._take("gap_filling", np.where(share < 1.0, mixed(share, found, self.curve), np.nan), mixed(share, mineral_sd, curve_sd))
        self._take("pedotransfer", np.where(share >= 1.0, self.curve, np.nan), curve_sd)

    def _counts(self, rows: Bools) -> dict[str, int]:
        number = np.bincount(self.index[rows], minlength=len(DENSITY_SOURCES) + 1).tolist()
        return {**dict(zip(DENSITY_SOURCES, number[1:], strict=True)), "missing": number[0]}

    def _lacking(self, rules: Sequence[Rule]) -> dict[str, int]:
        """Horizons left without a density because a predictor of the rule is missing, by predictor."""
        left = self.horizons[self.index == 0]
        counts = {name: int(np.isnan(predictor(left, name)).sum()) for name in rules[-1].columns}
        return {name: count for name, count in counts.items() if count}

    def _far_above(self) -> Bools:
        far = self.given.measured - self.curve > 2.0 * self.curve_check["error_sd_g_cm3"]
        return np.asarray(self.organic & far & (self.index == 1))

    def table(self, rock_density_g_cm3: float) -> pd.DataFrame:
        """The table with what was found. Fragments by mass follow the density that their horizon got."""
        fragments = self.given.fragments
        again = self.given.by_mass & (fragments.source == "measured") & (self.index > 2)
        volume = fragments.vol_pct.copy()
        mass = predictor(self.horizons, "coarse_fragments_mass_pct")
        volume[again] = mass_to_volume_pct(mass[again], self.density[again], rock_density_g_cm3)
        return self.horizons.assign(
            bulk_density_g_cm3=self.density,
            bulk_density_basis=_words(np.array(["", FINE_EARTH]), self.index > 0),
            bulk_density_source=_words(np.array(["", *DENSITY_SOURCES]), self.index),
            bulk_density_sd_g_cm3=self.sd,
            bulk_density_flag=_words(np.array(["", FAR_ABOVE]), self._far_above()),
            coarse_fragments_vol_pct=volume,
            coarse_fragments_source=fragments.source,
            coarse_fragments_sd_vol_pct=np.where(again, measured_sd_vol_pct(volume), fragments.sd_vol_pct),
        )


def _words(names: NDArray[np.str_], index: NDArray[Any]) -> NDArray[np.str_]:
    return np.asarray(names[index.astype(np.int64)])
