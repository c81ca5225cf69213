"""The stage of covariates: described, and sampled at the profiles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from edaphic import covariates
from edaphic.covariates import Dated, TimedStack, nearest_period
from edaphic.errors import ModelError
from edaphic.recipe import Recipe, is_elsewhere
from edaphic.stages.job import Job, covariates_of, grid_of, made_of, seen_from, sites_of


def build_stack(job: Job) -> TimedStack:
    """All covariates of the run on its grid."""
    return covariates.build_timed(covariates_of(job), grid_of(job.recipe, job.recipe_path))


def map_periods(job: Job) -> tuple[tuple[int, int] | None, ...]:
    """Periods that have maps of their own; ``(None,)`` for maps of one time."""
    return job.recipe.maps.periods or (None,)


def map_year(job: Job, period: tuple[int, int] | None = None) -> float | None:
    """As :func:`year_of_maps`, of the recipe of a job."""
    return year_of_maps(job.recipe, period)


def year_of_maps(told: Recipe, period: tuple[int, int] | None = None) -> float | None:
    """Year of the covariates that maps are made with: the middle of their period; None for the latest that there is.

    Without ``period`` it is that of ``maps.period``, or of the last of ``maps.periods``: the one that model and evidence take the cells
    of the map from.
    """
    if period is None:
        period = told.maps.period if told.maps.periods is None else told.maps.periods[-1]
    return None if period is None else (period[0] + period[1]) / 2


def check_years(told: Recipe, sources: Sequence[Dated]) -> list[str]:
    """Years of the maps that lie too far from every period of a covariate, whether of the sources or made in the run."""
    several, most = told.maps.periods or (), told.covariates.max_gap_years
    dates: dict[str, list[tuple[int, int]]] = {}
    for entry in (*sources, *made_of(told, Path())):
        if entry.period is not None:
            dates.setdefault(entry.source.name, []).append(entry.period)
    faults = []
    for first, last in several or ((told.maps.period,) if told.maps.period else ()):
        for name, own in dates.items():
            gap = nearest_period([(first + last) / 2], sorted(own))[1][0]
            if gap > most:
                shown = ", ".join(map(_years, sorted(own)))
                faults.append(
                    f"maps.{'periods' if several else 'period'}: [{first}, {last}], whose middle lies {gap:g} years from the nearest "
                    f"period of {name} ({shown}); expected {most:g} at most, as covariates.max_gap_years says"
                )
    return faults


def notes_of_year(job: Job, stack: TimedStack) -> list[str]:
    """Which period of each covariate the maps are made with."""
    periods = map_periods(job)
    if periods == (None,):
        return [f"{what} is mapped" for what in _taken(stack, map_year(job))]
    notes = [f"maps of {_years(own, ' to ')}: {what}" for own in periods if own for what in _taken(stack, map_year(job, own))]
    if not notes:
        return ["no covariate changes with time: the maps of all periods are the same"]
    return [*notes, "the cells that model and evidence take for the map are those of the last period"]


def _taken(stack: TimedStack, year: float | None) -> list[str]:
    """Period of each covariate that changes with time which stands for a year."""
    chosen = {name: dates[nearest_period([dates[-1][1] if year is None else year], dates)[0][0]] for name, dates in stack.periods.items()}
    return [f"{name} of {_years(own, ' to ')}" for name, own in chosen.items()]


def _years(period: tuple[int, int], between: str = "-") -> str:
    """The years of a period, a single one once.

    >>> _years((1990, 1990)), _years((1985, 1990), " to ")
    ('1990', '1985 to 1990')
    """
    return f"{period[0]}" if period[0] == period[1] else f"{period[0]}{between}{period[1]}"


def _with_carried(
    job: Job, sites: pd.DataFrame, values: pd.DataFrame, reason: pd.Series
) -> tuple[pd.DataFrame, pd.Series, dict[str, int]]:
    """Values of covariates that the tables of profiles carry in the place of sampled ones; and of how many profiles."""
    wanted = {name for source in job.recipe.profiles.sources for name in source.covariates}
    names = [name for name in values if name in wanted]
    if not names:
        return values, reason, {}
    horizons = pd.read_parquet(job.out / "profiles" / "horizons.parquet", columns=["profile_id", *names])
    given = horizons.groupby("profile_id", sort=False)[names].first().reindex(sites["profile_id"])
    faults = [
        f"profiles: covariate {name}: found text in the table; expected numbers"
        for name in names
        if not pd.api.types.is_numeric_dtype(given[name])
    ]
    if faults:
        raise ModelError(faults)
    given = given.astype("float64").reset_index(drop=True)
    filled = values.assign(**{name: given[name].fillna(values[name].reset_index(drop=True)).to_numpy() for name in names})
    # With every value at hand a profile is of use wherever it lies.
    return filled, reason.where(filled.isna().any(axis=1).to_numpy(), ""), {name: int(given[name].notna().sum()) for name in names}


def stage_covariates(job: Job, work: Path, partial: Path) -> None:
    """Covariates described, and sampled at the profiles."""
    del partial
    sites = sites_of(job)
    asked = job.recipe.covariates
    job.say("opening rasters", 0, 2)
    stack = build_stack(job)
    job.say(f"sampling {len(stack.names)} covariates at {len(sites)} profiles", 1, 2)
    year = sites["year"].astype("float64")
    if asked.undated_year is not None:
        year = year.fillna(asked.undated_year)
    values, reason, matches = stack.sample(sites["lon"].to_numpy(), sites["lat"].to_numpy(), year.to_numpy(), asked.max_gap_years)
    for note in _notes_of_time(matches, asked.max_gap_years):
        job.say(f"note: {note}", 1, 2)
    values, reason, carried = _with_carried(job, sites, values, reason)
    for name, count in carried.items():
        job.say(f"note: {name} of {count} profiles is that of their table", 1, 2)
    if (reason != "").all():
        most = reason.value_counts().index[0]
        raise ModelError(
            f"covariates: none of {len(sites)} profiles has a value of every covariate (most often: {most}); "
            "expected profiles that lie on the grid and on its rasters"
        )
    points = pd.concat([sites[["profile_id"]], reason.rename("reason"), values], axis=1)
    folder = work / "covariates"
    folder.mkdir()
    points.to_parquet(folder / "points.parquet", index=False)
    if len(matches):
        matches.to_csv(folder / "periods.csv", index=False, lineterminator="\n")
    described = covariates.describe(stack.whole)
    root = job.path(".")
    # Seen from the run or from the root of the recipe: the same data in another place make the same file.
    described["path"] = [_seen(job, root, path) for path in described["path"]]
    described.to_csv(folder / "layers.csv", index=False, lineterminator="\n")


def _seen(job: Job, root: Path, path: str) -> str:
    if is_elsewhere(path):
        return path
    return Path(path).relative_to(job.out).as_posix() if Path(path).is_relative_to(job.out) else seen_from(root, Path(path))


def _notes_of_time(matches: pd.DataFrame, max_gap: float) -> list[str]:
    """How well the years of the profiles fit the periods of the covariates."""
    notes = []
    for name, rows in matches.groupby("name", sort=False):
        dated, without = rows[rows["period"] != ""], int(rows.loc[rows["period"] == "", "samples"].sum())
        outside = int(dated["outside"].sum())
        if outside:
            gap = dated["largest_gap_years"].max()
            notes.append(f"{name}: {outside} of {int(dated['samples'].sum())} profiles lie outside its periods, up to {gap:g} years")
        if without:
            notes.append(f"{name}: {without} profiles have no year, or none within {max_gap:g} years of its periods, and so no value")
    return notes
