"""Change at sites that were visited more than once, on fixed depths and on equivalent soil mass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from edaphic.account.change.revisits import revisit_pairs
from edaphic.account.change.sites import site_change
from edaphic.errors import EdaphicError
from edaphic.profiles.mass.esm_compare import compare
from edaphic.recipe import Change
from edaphic.stages.job import Job


def site_tables(job: Job, told: Change, folder: Path) -> list[str]:
    """Write the change at revisited sites, each and on average; what must be said of it.

    The first and the last visit of a place make a pair. Soil mass is that which the first profile had in each layer.
    """
    layers = pd.read_parquet(job.out / "profiles" / "layers.parquet")
    first = layers[(layers["top_cm"] == job.layers[0][0]) & (layers["bottom_cm"] == job.layers[0][1])]
    usable = first[["lon", "lat", "year", "top_cm", "bottom_cm", "profile_id", "soc_stock_kg_m2"]].dropna().reset_index(drop=True)
    pairs, _ = revisit_pairs(usable, score="soc_stock_kg_m2", within_m=told.within_m)
    if pairs.empty:
        return [f"no site within {told.within_m:g} m was visited in two years; no change on equivalent soil mass"]
    pairs = pairs.sort_values(["place", "lag_years", "row_before"], ascending=[True, False, True]).drop_duplicates("place")
    horizons = pd.read_parquet(job.out / "profiles" / "horizons.parquet")
    ids = usable["profile_id"]
    sides = [
        horizons.merge(pd.DataFrame({"profile_id": ids.iloc[pairs[row]].to_numpy(), "place": pairs["place"].to_numpy()}), on="profile_id")
        for row in ("row_before", "row_after")
    ]
    try:
        compared = compare(sides[0], sides[1], list(job.layers), by="place", method="spline")
    except EdaphicError as fault:
        return [f"no change on equivalent soil mass: {fault.faults[0]}"]
    compared.to_csv(folder / "sites_change_each.csv", index=False, lineterminator="\n")
    table = site_change(compared, place="place", level=told.level, seed=job.recipe.seed)
    table.to_csv(folder / "sites_change.csv", index=False, lineterminator="\n")
    known = int(np.isfinite(compared["change_kg_m2"]).sum())
    return [f"{len(pairs)} revisited sites; {known} of {len(compared)} layers have a change on equivalent soil mass"]
