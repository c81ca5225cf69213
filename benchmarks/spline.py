"""The mass-preserving spline: profiles per second, and what the two modes make of real surveys.

Rates are of fit and integrals over six layers, one thread, without reading files, the best of several rounds (other work on the
machine only makes them slower): profiles of five horizons whose curve stays positive, of five of which every sixth would fall below
0, and the profiles of Edgeroi and WISE as they are. At least 200,000 of the first and 50,000 of the second a second are wanted. Beside
them, in the same run and on the same profiles, the Python package `mpspline`, where the Python named by `--peer` (default: this
one) can import it.

The tables of differences say how far exact and paper mode are apart, how many profiles needed the condition, how much mass smoothing moves
between horizons, and how much mass the paper mode makes up by cutting off what is below 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from common import SHARED, arguments, markdown, save, skip_without

from edaphic.profiles.depth.spline import fit, integrate
from edaphic.profiles.depth.spline_paper import harmonise_paper

BOUNDARIES = np.array([0.0, 5.0, 15.0, 30.0, 60.0, 100.0, 200.0])
COMPARED = ((0.0, 30.0), (30.0, 100.0), (0.0, 100.0))
LAM = 0.1
TURNS = 3
WANTED_PER_S = (200_000, 50_000)
PEER = """
import json, sys, time, warnings, logging
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
try:
    import pandas as pd
    from importlib.metadata import version
    from mpspline import mpspline_one
except ImportError:
    sys.exit(3)
table = pd.read_csv(sys.argv[1], dtype={"profile_id": str})
layers = [tuple(pair) for pair in json.loads(sys.argv[2])]
components = [
    {"cokey": name, "compname": name,
     "horizons": [{"hzname": "A", "upper": float(u), "lower": float(v), "value": float(y)}
                  for u, v, y in zip(p.upper_cm, p.lower_cm, p.value)]}
    for name, p in table.groupby("profile_id", sort=False)
]
mpspline_one(components[0], var_name="value", target_depths=layers, lam=0.1, output_type="wide")
begun = time.perf_counter()
found = [mpspline_one(c, var_name="value", target_depths=layers, lam=0.1, output_type="wide") for c in components]
seconds = time.perf_counter() - begun
rows = [{"profile_id": c["cokey"], **{k: v for k, v in f.items() if k not in ("cokey", "compname")}} for c, f in zip(components, found)]
pd.DataFrame(rows).to_csv(sys.argv[3], index=False)
print(json.dumps({"version": version("mpspline"), "seconds": seconds}))
"""


def horizons(table: pd.DataFrame, names: tuple[str, str, str, str]) -> pd.DataFrame:
    """Usable rows in order, as profile_id, upper_cm, lower_cm, value; profiles whose rows overlap are left out."""
    table = table[list(names)].set_axis(["profile_id", "upper_cm", "lower_cm", "value"], axis=1).dropna()
    table = table[(table.upper_cm >= 0) & (table.lower_cm > table.upper_cm) & (table.value >= 0)].astype({"profile_id": str})
    table[["upper_cm", "lower_cm"]] = table[["upper_cm", "lower_cm"]].round(2)
    table = table.sort_values(["profile_id", "upper_cm"], kind="stable")
    overlapping = table.loc[table.upper_cm < table.groupby("profile_id").lower_cm.shift(), "profile_id"]
    return table[~table.profile_id.isin(overlapping)].reset_index(drop=True)


def five_horizons(profiles: int) -> pd.DataFrame:
    """Profiles of five horizons, carbon falling with depth gently enough for curves that stay positive."""
    rng = np.random.default_rng(5)
    bottom = np.cumsum(rng.uniform(8, 40, (profiles, 5)), axis=1).round(0)
    top = np.column_stack([np.zeros(profiles), bottom[:, :-1]])
    middle = (top + bottom) / 2
    value = 30 * np.exp(-middle / rng.uniform(40, 120, (profiles, 1))) * np.exp(rng.normal(0, 0.05, (profiles, 5))) + 2
    names = np.repeat(np.arange(profiles).astype(str), 5)
    return pd.DataFrame({"profile_id": names, "upper_cm": top.ravel(), "lower_cm": bottom.ravel(), "value": value.ravel()})


def one_in_six(profiles: int) -> pd.DataFrame:
    """Profiles of five horizons of which exactly every sixth needs the condition, picked from a pool whose carbon falls steeply."""
    rng = np.random.default_rng(6)
    pool = 20 * profiles
    bottom = np.cumsum(rng.uniform(8, 40, (pool, 5)), axis=1).round(0)
    top = np.column_stack([np.zeros(pool), bottom[:, :-1]])
    value = 40 * np.exp(-(top + bottom) / 2 / rng.uniform(15, 60, (pool, 1))) * np.exp(rng.normal(0, 0.3, (pool, 5)))
    curve = fit(np.repeat(np.arange(pool), 5), top.ravel(), bottom.ravel(), value.ravel(), LAM)
    sixth = np.arange(profiles) % 6 == 5
    chosen = np.empty(profiles, dtype=np.int64)
    for needed in (False, True):
        of_kind = sixth == needed
        chosen[of_kind] = np.flatnonzero(curve.constrained == needed)[: int(of_kind.sum())]
    names = np.repeat(np.arange(profiles).astype(str), 5)
    columns = {"upper_cm": top, "lower_cm": bottom, "value": value}
    return pd.DataFrame({"profile_id": names} | {name: column[chosen].ravel() for name, column in columns.items()})


def rate(name: str, table: pd.DataFrame, copies: int, rounds: int) -> dict[str, object]:
    """Best time of fit and integrals over copies of the profiles, for both modes."""
    codes = pd.factorize(table.profile_id)[0]
    count = int(codes.max()) + 1
    profile = (codes + count * np.arange(copies)[:, None]).ravel()
    top, bottom, value = (np.tile(table[column].to_numpy(), copies) for column in ("upper_cm", "lower_cm", "value"))
    fit(profile[:1], top[:1], bottom[:1], value[:1])
    taken, paper = [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        fitted = fit(profile, top, bottom, value, LAM)
        integrate(fitted, BOUNDARIES[:-1], BOUNDARIES[1:])
        taken.append(time.perf_counter() - begun)
    for _ in range(2):
        begun = time.perf_counter()
        harmonise_paper(profile, top, bottom, value, BOUNDARIES, LAM)
        paper.append(time.perf_counter() - begun)
    total = count * copies
    return {
        "set": name,
        "profiles": total,
        "horizons_per_profile": len(table) / count,
        "constrained_share": float(fitted.constrained.mean()),
        "exact_profiles_per_s": round(total / min(taken)),
        "exact_median_per_s": round(total / float(np.median(taken))),
        "paper_profiles_per_s": round(total / min(paper)),
    }


def beside_peer(table: pd.DataFrame, peer: str, name: str) -> tuple[dict[str, object] | None, str]:
    """Rate and results of the Python package mpspline on the same profiles, if that Python has it."""
    with tempfile.TemporaryDirectory(prefix="edaphic_benchmark_") as folder:
        given, back = Path(folder) / "in.csv", Path(folder) / "out.csv"
        table.to_csv(given, index=False)
        layers = json.dumps([[int(a), int(b)] for a, b in pairwise(BOUNDARIES)])
        ran = subprocess.run([peer, "-c", PEER, str(given), layers, str(back)], capture_output=True, text=True, check=False)
        if ran.returncode == 3:
            return None, "The package `mpspline` was not there to be run."
        if ran.returncode != 0:
            raise SystemExit(f"peer: {ran.stderr.strip().splitlines()[-1]}")
        told, theirs = json.loads(ran.stdout.splitlines()[-1]), pd.read_csv(back, dtype={"profile_id": str}).set_index("profile_id")
    ours = harmonise_paper(table.profile_id, table.upper_cm, table.lower_cm, table.value, BOUNDARIES, LAM)
    columns = [c for c in theirs.columns if c.startswith("value")]
    numbers = theirs[columns].reindex(ours.profile_ids).to_numpy(dtype=np.float64)
    both = np.isfinite(numbers) & np.isfinite(ours.means) & (ours.status == "ok")[:, None]
    apart = np.abs(numbers[both] / np.where(ours.means[both] == 0, np.nan, ours.means[both]) - 1)
    row: dict[str, object] = {
        "set": name,
        "peer": f"mpspline {told['version']} (Python)",
        "profiles": len(numbers),
        "peer_profiles_per_s": round(len(numbers) / told["seconds"]),
        "means_compared": int(both.sum()),
        "median_difference_from_paper_pct": 100 * float(np.nanmedian(apart)),
        "p95_difference_from_paper_pct": 100 * float(np.nanquantile(apart, 0.95)),
    }
    return row, ""


def in_turn(table: pd.DataFrame, peer: str, name: str) -> tuple[dict[str, object] | None, str]:
    """The peer and both modes of ours, turn by turn: the middle ratio of the turns, because the machine changes its pace."""
    ratios, rates, told = [], [], None
    for _ in range(TURNS):
        ours = rate(name, table, max(1, 50_000 // table.profile_id.nunique()), 3)
        told, without = beside_peer(table, peer, name)
        if told is None:
            return None, without
        rates.append(int(str(told["peer_profiles_per_s"])))
        ratios.append([float(ours[f"{mode}_profiles_per_s"]) / rates[-1] for mode in ("paper", "exact")])
    paper, exact = np.median(ratios, axis=0)
    if told is None:
        return None, ""
    return {**told, "peer_profiles_per_s": max(rates), "paper_over_peer": round(paper), "exact_over_peer": round(exact)}, ""


def differences(name: str, table: pd.DataFrame) -> tuple[list[dict[str, object]], dict[str, object]]:
    """Exact beside paper by layer; and by set what the condition, smoothing and cutting do."""
    codes = pd.factorize(table.profile_id)[0]
    top, bottom, value = (table[column].to_numpy() for column in ("upper_cm", "lower_cm", "value"))
    tops, bottoms = (np.array(edge) for edge in zip(*COMPARED, strict=True))
    fitted = fit(codes, top, bottom, value, LAM)
    integral, covered = integrate(fitted, tops, bottoms, np.inf)
    paper = harmonise_paper(codes, top, bottom, value, COMPARED, LAM, vhigh=np.inf)
    unclamped = harmonise_paper(codes, top, bottom, value, COMPARED, LAM, vlow=-np.inf, vhigh=np.inf)
    by_layer = []
    for k, (upper, lower) in enumerate(COMPARED):
        whole = (covered[:, k] == lower - upper) & (paper.status == "ok") & (integral[:, k] > 0)
        apart = paper.means[whole, k] * (lower - upper) / integral[whole, k] - 1
        made_up = paper.means[whole, k] / np.where(unclamped.means[whole, k] > 0, unclamped.means[whole, k], np.nan) - 1
        by_layer.append(
            {
                "set": name,
                "layer_cm": f"{upper:.0f}-{lower:.0f}",
                "profiles": int(whole.sum()),
                "median_signed_pct": 100 * float(np.median(apart)),
                "median_pct": 100 * float(np.median(np.abs(apart))),
                "p95_pct": 100 * float(np.quantile(np.abs(apart), 0.95)),
                "cutting_adds_share": float((made_up > 1e-12).mean()),
                "cutting_adds_mean_pct": 100 * float(np.nanmean(made_up)),
                "cutting_adds_p99_pct": 100 * float(np.nanquantile(made_up, 0.99)),
            }
        )
    return by_layer, _whole(name, codes, top, bottom, value, paper.layers.s_bar.to_numpy())


def _whole(name: str, codes: np.ndarray, top: np.ndarray, bottom: np.ndarray, value: np.ndarray, paper: np.ndarray) -> dict[str, object]:
    fitted = fit(codes, top, bottom, value, LAM)
    free = fit(codes, top, bottom, value, LAM, nonnegative=False)
    several = np.bincount(codes) > 1
    h = bottom - top
    mass = np.bincount(codes, h * value)
    several &= mass > 0

    def moved(s_bar: np.ndarray) -> np.ndarray:
        return 100 * np.bincount(codes, h * np.abs(s_bar - value))[several] / 2 / mass[several]

    lost = 100 * np.abs(np.bincount(codes, h * paper)[several] / mass[several] - 1)
    exact = moved(fitted.s_bar)
    return {
        "set": name,
        "profiles": int(several.sum()),
        "constrained_share": float(fitted.constrained[several].mean()),
        "largest_mixed": float(fitted.mixed.max()),
        "moved_median_pct": float(np.median(exact)),
        "moved_p95_pct": float(np.quantile(exact, 0.95)),
        "moved_without_condition_median_pct": float(np.median(moved(free.s_bar))),
        "moved_paper_median_pct": float(np.median(moved(paper))),
        "paper_mass_error_median_pct": float(np.median(lost)),
        "paper_mass_error_p95_pct": float(np.quantile(lost, 0.95)),
    }


def main() -> None:
    """Rates, the peer, differences; write."""
    parser = arguments(__doc__, root=SHARED)
    parser.add_argument("--profiles", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peer", default=sys.executable, help="a Python that can import mpspline")
    asked = parser.parse_args()
    skip_without(asked.root / "data" / "edgeroi" / "edgeroi_horizons.csv", "Edgeroi horizons (--root)")
    names = ("SOURCEID", "UHDICM", "LHDICM", "ORCDRC")
    edgeroi = horizons(pd.read_csv(asked.root / "data" / "edgeroi" / "edgeroi_horizons.csv"), names)
    wise = horizons(pd.read_csv(asked.root / "data" / "wise_profiles" / "wise_layers.csv.gz"), names)
    made = (("five horizons, positive", five_horizons(1000)), ("five horizons, one in six not positive", one_in_six(1200)))
    rates = pd.DataFrame(
        [
            rate(name, table, max(1, asked.profiles // table.profile_id.nunique()), asked.rounds)
            for name, table in (*made, ("Edgeroi", edgeroi), ("WISE", wise))
        ]
    )
    peers = [in_turn(table, asked.peer, name) for name, table in (*made, ("Edgeroi", edgeroi))]
    peer = pd.DataFrame([row for row, _ in peers if row is not None])
    found = [differences(name, table) for name, table in (("Edgeroi", edgeroi), ("WISE", wise))]
    layers, sets = pd.DataFrame([row for rows, _ in found for row in rows]), pd.DataFrame([row for _, row in found])
    text = [
        f"## Spline: fit and integrals over {len(BOUNDARIES) - 1} layers, one thread, best of {asked.rounds}",
        markdown(rates),
        " ".join(
            f"{name}: {made:,} a second, at least {wanted:,} wanted: {'kept' if made >= wanted else 'NOT KEPT'}."
            for name, made, wanted in zip(rates["set"], rates["exact_profiles_per_s"], WANTED_PER_S, strict=False)
        ),
        markdown(peer) if len(peer) else peers[0][1],
        f"The peer is called profile by profile, as it is made; its rate is the best of {TURNS} turns, ours and its own, the ratios are "
        "the middle ones. `paper` is the same computation as the peer's, `exact` another.",
        "Paper mode against exact mode, SOC content, lam 0.1, layers observed to their full depth (gaps joined). `cutting_adds`: what "
        "cutting off below 0 adds to the mean of the layer.",
        markdown(layers),
        "Profiles of two horizons or more. `moved`: mass that the fit carries from one horizon to another, of the mass of the profile; "
        "`paper_mass_error`: by how much the fitted means of paper mode miss that mass.",
        markdown(sets.assign(largest_mixed=sets.largest_mixed.map("{:.1e}".format))),
    ]
    tables = {"spline": rates, "spline_modes": layers, "spline_sets": sets}
    save(asked.results, "spline", "\n\n".join(text), tables | ({"spline_peer": peer} if len(peer) else {}))


if __name__ == "__main__":
    main()
