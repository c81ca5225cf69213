"""Finding duplicates: seconds, memory, and what is found of what was planted, in a table of the size of a world compilation.

Profiles of a world-wide survey, half of them in clusters a few hundred metres wide; 1 to 9 horizons, carbon that falls with depth. One
in twenty is a copy of another under the name of another source: moved by up to 60 m, depths by up to 0.5 cm, values by up to 2 %, a
third of them without year. ``wrong`` is the number of records dropped that were not planted. The second table is one place with 20,000
profiles of two sources, where none was planted.

Time and memory are those of `merge_duplicates` on a table in memory; the kernels are compiled before.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time

import numpy as np
import pandas as pd
from common import arguments, markdown, save

from edaphic.profiles.cleaning.dedupe import merge_duplicates

SHARE = 0.05
METRES_PER_DEGREE = 111_195.0
COPY_SHIFT_M = 60.0


def survey(profiles: int, seed: int, one_place: bool = False) -> pd.DataFrame:
    """Profiles of one survey, or 20,000 plots under one coordinate."""
    random = np.random.default_rng(seed)
    clustered = random.random(profiles) < 0.5
    centre = random.integers(0, max(profiles // 50, 1), profiles)
    lon, lat = random.uniform(-180, 180, profiles), np.degrees(np.arcsin(random.uniform(-0.8, 0.9, profiles)))
    spread = 300.0 / METRES_PER_DEGREE
    lon = np.where(clustered, lon[centre] + random.normal(0, spread, profiles), lon)
    lat = np.where(clustered, lat[centre] + random.normal(0, spread, profiles), lat)
    if one_place:
        lon[:], lat[:] = 21.123456, 41.123456
    count = random.integers(1, 10, profiles)
    of = np.repeat(np.arange(profiles), count)
    within = np.arange(of.size) - np.repeat(np.cumsum(count) - count, count)
    thick = np.round(random.uniform(8, 40, of.size))
    bottom = np.cumsum(thick) - np.repeat(np.r_[0, np.cumsum(thick)[np.cumsum(count)[:-1] - 1]], count)
    soc = np.exp(random.normal(2.8, 0.6, profiles))[of] * np.exp(-0.35 * within + random.normal(0, 0.3, of.size))
    year = np.where(random.random(profiles) < 0.7, random.integers(1950, 2020, profiles), np.nan)
    clay, ph = random.uniform(3, 60, of.size).round(), random.uniform(4, 9, of.size).round(1)
    values = {"top_cm": bottom - thick, "bottom_cm": bottom, "soc_g_kg": soc.round(2), "clay_pct": clay, "ph_h2o": ph}
    ids = np.char.add("p", of.astype(str))
    place = {"profile_id": ids, "lon": lon[of].round(6), "lat": lat[of].round(6), "year": year[of]}
    source = np.where(random.random(profiles) < 0.5, "a", "b") if one_place else np.full(profiles, "a")
    return pd.DataFrame({**place, **values, "source": source[of], "row": np.arange(of.size) + 1})


def with_copies(table: pd.DataFrame, profiles: int, copies: int, seed: int) -> pd.DataFrame:
    """The table and, behind it, slightly altered copies of some of its profiles."""
    random = np.random.default_rng(seed)
    chosen = pd.Series(range(copies), index=np.char.add("p", random.choice(profiles, copies, replace=False).astype(str)))
    copy = table[table["profile_id"].isin(chosen.index)].copy()
    at = chosen[copy["profile_id"]].to_numpy()
    angle, far = random.uniform(0, 2 * np.pi, copies)[at], random.uniform(0, COPY_SHIFT_M, copies)[at] / METRES_PER_DEGREE
    copy["lat"] += far * np.sin(angle)
    copy["lon"] += far * np.cos(angle) / np.cos(np.radians(copy["lat"]))
    copy[["top_cm", "bottom_cm"]] += random.uniform(-0.5, 0.5, (len(copy), 2))
    copy["soc_g_kg"] *= random.uniform(0.98, 1.02, len(copy))
    copy["year"] = copy["year"].mask(random.random(copies)[at] < 1 / 3)
    copy = copy.drop(columns="clay_pct").assign(profile_id="copy of " + copy["profile_id"], source="c", row=np.arange(len(copy)) + 1)
    return pd.concat([table, copy], ignore_index=True)


def measured(name: str, profiles: int, seed: int) -> dict[str, object]:
    """One round in a process of its own: what it took and what it found."""
    copies = 0 if name == "one place" else round(SHARE * profiles)
    merge_duplicates(survey(50, seed))
    table = survey(profiles - copies, seed, one_place=name == "one place")
    table = with_copies(table, profiles - copies, copies, seed + 1) if copies else table
    before = _peak_mb()
    begun = time.perf_counter()
    _, found = merge_duplicates(table)
    seconds = time.perf_counter() - begun
    planted = found["dropped_profile_id"].to_numpy(dtype=object) == "copy of " + found["kept_profile_id"].to_numpy(dtype=object)
    row = {"table": name, "profiles": profiles, "horizons": len(table), "seconds": seconds, "planted": copies, "found": int(planted.sum())}
    return {**row, "wrong": int((~planted).sum()), "peak_memory_mb": round(_peak_mb()), "of_it_before_mb": round(before)}


def _peak_mb() -> float:
    """Highest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    """Make both tables, find, write."""
    parser = arguments(__doc__)
    parser.add_argument("--profiles", type=int, default=230_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rows = []
    for name, profiles in (("world", asked.profiles), ("one place", 20_000)):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(measured, (name, profiles, asked.seed)))
    table = pd.DataFrame(rows)
    text = [
        "## Duplicates: one core, copies planted",
        markdown(table),
        f"One in {round(1 / SHARE)} profiles of the first table is a copy; none of the second. `of_it_before_mb` is the highest memory "
        "before the search, with the table.",
    ]
    save(asked.results, "duplicates", "\n\n".join(text), {"duplicates": table})


if __name__ == "__main__":
    main()
