"""Profiles of the whole world, from two messy files to stocks of six layers: wall time, memory, seconds by step.

Synthetic profiles of five horizons under the names and units of two sources. One in twenty stands in both, moved by some metres, with
values rounded elsewhere. Of the horizons 2 % bear a fault (depths exchanged, repeated, overlapping, missing; carbon missing,
negative, below the detection limit or a word), of the profiles 1 % (places of 0, 0, exchanged coordinates). Half of the
horizons have a bulk density, of fine earth in the one source and of the whole soil in the other; two thirds have stones, two thirds
of the profiles a year or a date.

The whole way, the stage of profiles of a run (places read, duplicates merged), is one process, watched from outside with its start
and its imports. The steps are timed in another process, which has to come to the same layers to the bit. The command
`edaphic stock` is a third; it says how many profiles it merged.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from common import arguments, folder_or_temporary, markdown, save, watched

from edaphic import profiles, recipe
from edaphic.profiles.cleaning.clean import clean, concat_repairs
from edaphic.profiles.cleaning.dedupe import merge_duplicates
from edaphic.profiles.reading.methods import correct
from edaphic.recipe import ProfileRecipe
from edaphic.stages.soil import make_stocks, read_checked

HORIZONS = 5
IN_BOTH = 0.05
FAULTY_HORIZONS, FAULTY_PROFILES = 0.02, 0.01
METRES_PER_DEGREE = 111_195.0
LIMIT_S, LIMIT_MB = 60.0, 4096.0
RECIPE = """\
edaphic: 1
name: world
profiles:
  sources:
    - horizons: north.csv
      columns:
        profile_id: Profile
        lon: Long
        lat: Lat
        year: Sampled
        top: {column: From, unit: cm}
        bottom: {column: To, unit: cm}
        soc: {column: Corg, unit: g/kg}
        soc_method: Method
        bulk_density: {column: BD, unit: g/cm3, basis: fine_earth}
        coarse_fragments: {column: Stones, unit: vol%}
        clay: {column: Clay, unit: "%"}
        sand: {column: Sand, unit: "%"}
        ph_h2o: pH
    - horizons: south.csv
      columns:
        profile_id: plot
        lon: x_deg
        lat: y_deg
        year: date
        top: {column: upper, unit: m}
        bottom: {column: lower, unit: m}
        soc: {column: oc, unit: "%"}
        bulk_density: {column: dbulk, unit: kg/m3, basis: whole_soil}
        coarse_fragments: {column: gravel, unit: "mass%"}
        clay: {column: clay_share, unit: "%"}
  layers: [0-5, 5-15, 15-30, 30-60, 60-100, 100-200]
"""


def world(count: int, random: np.random.Generator) -> pd.DataFrame:
    """Sound horizons of all profiles; half of the profiles lie in clusters some hundred metres wide."""
    of = np.repeat(np.arange(count), HORIZONS)
    lon, lat = random.uniform(-180, 180, count), np.degrees(np.arcsin(random.uniform(-0.8, 0.9, count)))
    centre = np.where(random.random(count) < 0.5, random.integers(0, max(count // 50, 1), count), np.arange(count))
    near = centre != np.arange(count)
    spread = np.where(near, 300.0 / METRES_PER_DEGREE, 0.0)
    lon, lat = lon[centre] + random.normal(0, 1, count) * spread, lat[centre] + random.normal(0, 1, count) * spread
    bottom = np.cumsum(random.uniform(8, 45, (count, HORIZONS)).round(), axis=1)
    top = np.column_stack([np.zeros(count), bottom[:, :-1]])
    gone = np.exp(-(top + bottom) / 2 / random.uniform(25, 120, (count, 1)))
    soc = random.lognormal(2.8, 0.8, (count, 1)) * gone * random.lognormal(0, 0.25, top.shape) + 0.5
    density = np.clip(1.62 - 0.12 * np.sqrt(soc) + random.normal(0, 0.1, soc.shape), 0.2, 2.0)
    stones = np.where(random.random(soc.shape) < 0.5, 0.0, random.uniform(0, 45, soc.shape))
    clay, sand = random.uniform(5, 50, soc.shape), random.uniform(5, 45, soc.shape)
    year = np.where(random.random(count) < 2 / 3, random.integers(1955, 2023, count), -1)
    table = {"of": of, "lon": lon[of].round(5), "lat": lat[of].round(5), "year": year[of], "top": top.ravel(), "bottom": bottom.ravel()}
    table |= {"soc": np.minimum(soc, 580).ravel().round(2), "density": density.ravel().round(2), "stones": stones.ravel().round()}
    table |= {"clay": clay.ravel().round(), "sand": sand.ravel().round(), "ph": random.uniform(4, 9, of.size).round(1)}
    return pd.DataFrame(table)


def northern(table: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """The first source: years and centimetres, words among the numbers."""
    n = len(table)
    word = random.random(n)
    text = table["soc"].astype("str").mask(word < FAULTY_HORIZONS / 6, "n.d.").mask(word > 1 - FAULTY_HORIZONS / 6, "<0.5")
    method = np.array(["dry combustion", "Walkley-Black", ""], dtype=object)[(table["of"] % 3).to_numpy()]
    return pd.DataFrame(
        {
            "Profile": "N" + table["of"].astype("str"), "Long": table["lon"], "Lat": table["lat"],
            "Sampled": table["year"].astype("str").mask(table["year"] < 0, ""), "From": table["top"], "To": table["bottom"],
            "Corg": text, "Method": method, "BD": table["density"].mask(random.random(n) < 0.5),
            "Stones": table["stones"].mask(random.random(n) < 1 / 3), "Clay": table["clay"], "Sand": table["sand"], "pH": table["ph"],
            "Remark": "as described in the field",
        }
    )  # fmt: skip


def southern(table: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """The second source: dates, metres, per cent, whole soil, gravel by mass."""
    n = len(table)
    month = (table["of"] % 12 + 1).astype("str").str.zfill(2)
    return pd.DataFrame(
        {
            "plot": "S-" + table["of"].astype("str"), "x_deg": table["lon"], "y_deg": table["lat"],
            "date": (table["year"].astype("str") + "-" + month + "-15").mask(table["year"] < 0, ""),
            "upper": (table["top"] / 100).round(3), "lower": (table["bottom"] / 100).round(3), "oc": (table["soc"] / 10).round(3),
            "dbulk": (table["density"] * 1000).mask(random.random(n) < 0.5), "gravel": table["stones"].mask(random.random(n) < 1 / 3),
            "clay_share": table["clay"], "surveyor": "survey " + (table["of"] % 40).astype("str"),
        }
    )  # fmt: skip


def with_faults(table: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Sound horizons made unsound here and there; rows of words come later, when the numbers are written."""
    kind = np.where(random.random(len(table)) < FAULTY_HORIZONS * 2 / 3, random.integers(1, 7, len(table)), 0)
    swap = kind == 1
    table.loc[swap, ["top", "bottom"]] = table.loc[swap, ["bottom", "top"]].to_numpy()
    table.loc[kind == 2, "bottom"] += 3.0
    table.loc[kind == 3, "bottom"] = np.nan
    table.loc[kind == 4, "soc"] = np.nan
    table.loc[kind == 5, "soc"] *= -1.0
    table = pd.concat([table, table[kind == 6]]).sort_index(kind="stable").reset_index(drop=True)
    whole = random.random(int(table["of"].max()) + 1) < FAULTY_PROFILES
    bad = whole[table["of"]]
    table.loc[bad & (table["of"] % 2 == 0), ["lon", "lat"]] = 0.0
    turned = bad & (table["of"] % 2 == 1)
    table.loc[turned, ["lon", "lat"]] = table.loc[turned, ["lat", "lon"]].to_numpy()
    return table


def write_sources(folder: Path, count: int, seed: int) -> tuple[int, int]:
    """Both files and the recipe; numbers of horizons, and of profiles that stand in both."""
    random = np.random.default_rng(seed)
    twice = round(count * IN_BOTH)
    table = world(count - twice, random)
    half = (count - twice) // 2
    north, south = table[table["of"] < half], table[table["of"] >= half]
    copies = north[north["of"] < twice].assign(of=lambda t: t["of"] + count)
    copies["lat"] += (20.0 / METRES_PER_DEGREE) * ((copies["of"] % 3) - 1)
    parts = [with_faults(part.reset_index(drop=True), random) for part in (north, pd.concat([south, copies]))]
    northern(parts[0], random).to_csv(folder / "north.csv", index=False)
    southern(parts[1], random).to_csv(folder / "south.csv", index=False)
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return sum(map(len, parts)), twice


def whole(path: Path, out: Path) -> None:
    """Read, clean, merge, fill, stocks of layers, write: as a run does."""
    told = recipe.load_profiles(path)
    layers = [(float(top), float(bottom)) for top, bottom in told.profiles.layers]
    made = make_stocks(told.profiles, sources(told, path), layers, path_of=lambda value: value, seed=told.seed, say=lambda *_: None)
    write(out, made.layers, made.repairs, made.duplicates)


def sources(told: ProfileRecipe, path: Path) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Both files, read."""
    return [read_checked(source, lambda value: recipe.address(told, path, value)).checked() for source in told.profiles.sources]


def write(out: Path, layers: pd.DataFrame, repairs: pd.DataFrame, duplicates: pd.DataFrame) -> None:
    """The layers and the logs beside them."""
    layers.to_parquet(out, index=False)
    for name, part in (("repairs", repairs), ("duplicates", duplicates)):
        part.to_csv(out.with_name(f"{out.stem}.{name}.csv"), index=False, lineterminator="\n")


def by_step(path: Path, out: Path) -> None:
    """The same way step by step; seconds, and what came out, as JSON."""
    seconds: dict[str, float] = {}
    last = time.perf_counter()

    def done(step: str) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[step], last = now - last, now

    told = recipe.load_profiles(path)
    read = sources(told, path)
    done("read")
    raw, unread = profiles.stack_sources(read)
    corrected, factors = correct(raw, told.profiles.soc_methods)
    horizons, repairs = clean(corrected)
    done("clean")
    merged, duplicates = merge_duplicates(horizons)
    done("merge duplicates")
    filled, provenance, more = profiles.fill(merged, seed=told.seed)
    done("fill bulk density and stones")
    layers = [(float(top), float(bottom)) for top, bottom in told.profiles.layers]
    table, left_out = profiles.layer_table(filled, layers)
    done("splines, stocks, errors")
    log = concat_repairs([unread, factors, repairs, more, left_out])
    counts = profiles.summary(raw, filled, table, log, provenance)
    done("summary")
    write(out, table, log, duplicates)
    done("write")
    kept, dropped = (duplicates[f"{which}_profile_id"].str.extract(r"(\d+)", expand=False).astype("int64") for which in ("kept", "dropped"))
    wrong = int(((kept - dropped) % counts["profiles_read"] != 0).sum())
    result = {"seconds": seconds, "duplicates": len(duplicates), "wrong": wrong, "repairs": len(log), "layers": len(table)}
    result |= {"kept": counts["profiles_kept"], "stocks": int(table["soc_stock_kg_m2"].notna().sum())}
    out.with_suffix(".json").write_text(json.dumps(result), encoding="utf-8")


WAYS = {"whole": whole, "steps": by_step}


def figure(what: str, value: float, limit: float | None = None) -> dict[str, str]:
    """One row of the table."""
    kept = "" if limit is None else "yes" if value < limit else "no"
    return {"what": what, "value": f"{value:.1f}", "limit": "" if limit is None else f"{limit:.0f}", "kept": kept}


def main() -> None:
    """Write the sources, watch the whole way and the command, time the steps, write."""
    parser = arguments(__doc__)
    parser.add_argument("--profiles", type=int, default=230_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, help="keep the files here (default: thrown away)")
    parser.add_argument("--way", choices=sorted(WAYS), help="go this way with the files in --out and end")
    asked = parser.parse_args()
    if asked.way is not None:
        WAYS[asked.way](asked.out / "recipe.yaml", asked.out / f"{asked.way}.parquet")
        return
    with folder_or_temporary(asked.out) as folder:
        rows, twice = write_sources(folder, asked.profiles, asked.seed)
        path, itself = folder / "recipe.yaml", [sys.executable, os.path.abspath(__file__), "--out", str(folder), "--way"]
        runs = [watched([*itself, "whole"]) for _ in range(asked.rounds)]
        watched([*itself, "steps"])
        command = watched([sys.executable, "-m", "edaphic", "stock", str(path), "-o", str(folder / "command.parquet")])
        told = json.loads((folder / "steps.json").read_text(encoding="utf-8"))
        one, other = (pd.read_parquet(folder / f"{way}.parquet") for way in ("whole", "steps"))
        pd.testing.assert_frame_equal(one, other, check_exact=True)
        size = sum((folder / name).stat().st_size for name in ("north.csv", "south.csv")) / 1e6
        of_command = folder / "command.duplicates.csv"
        merged = len(pd.read_csv(of_command)) if of_command.exists() else 0
    best, peak = min(runs), max(run[2] for run in (*runs, command))
    figures = pd.DataFrame(
        [
            figure("wall seconds, best of the runs", best[0], LIMIT_S),
            figure("wall seconds, worst of the runs", max(runs)[0], LIMIT_S),
            figure("processor seconds of the best", best[1]),
            figure("peak memory of all, MB", peak, LIMIT_MB),
            figure("wall seconds of `edaphic stock`", command[0], LIMIT_S),
            {"what": "profiles that `edaphic stock` merged", "value": f"{merged:,}", "limit": "", "kept": ""},
        ]
    )
    steps = pd.DataFrame({"step": list(told["seconds"]), "seconds": list(told["seconds"].values())})
    text = [
        f"## {asked.profiles:,} profiles from two files to stocks of six layers",
        f"{rows:,} horizons in {size:.0f} MB of CSV, {asked.rounds} runs.",
        markdown(figures),
        "Seconds by step, in a run of its own:",
        markdown(steps, 1),
        f"{told['repairs']:,} rows of the repair log; {told['duplicates']:,} profiles merged, {told['wrong']:,} of them wrongly, where "
        f"{twice:,} stand in both (a fault in either record can keep them apart); "
        f"{told['kept']:,} profiles kept; {told['stocks']:,} of {told['layers']:,} layers have a stock.",
    ]
    save(asked.results, "profiles_world", "\n\n".join(text), {"profiles_world": figures, "profiles_world_steps": steps})


if __name__ == "__main__":
    main()
