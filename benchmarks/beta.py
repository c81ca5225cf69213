"""The beta depth function on real profiles: stock of 20-100 cm predicted from that of 0-20 cm, over the observed one.

Profiles of WISE without gaps from 0 to 100 cm, constant bulk density (the content alone, so that no pedotransfer function speaks for
the profiles), cumulative stocks from the mass-preserving spline. The ratio is that of sums over all profiles: what a total of a
region would be off by. At constant bulk density organic soils weigh more in it than they do in the field.

First, the ways to fit, each judged on the profiles that it was fitted to. `ratio` is exact by construction and says nothing; the
others say what is lost by the way of fitting alone. `printed` are figures found before, on 4,711 profiles chosen in a way that is
not known to the letter.

Then, honest use, where beta of a profile is not known: ten folds by profile, beta from the mean of the others, from the ratio of their
summed stocks, from a random forest of beta, of ln(subsoil/topsoil), or of subsoil/topsoil itself weighted by the topsoil stock (place,
topsoil stock, clay, sand, pH); and from the profile's own upper 40 or 60 cm.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from common import SHARED, arguments, markdown, save, skip_without
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold

from edaphic.profiles.depth import beta as depth
from edaphic.profiles.depth.spline import fit, integrate, step

Floats = NDArray[np.float64]

DEPTHS = np.array([20.0, 40.0, 60.0, 80.0, 100.0])
COLUMNS = {"UHDICM": "top_cm", "LHDICM": "bottom_cm", "ORCDRC": "soc_g_kg", "CLYPPT": "clay", "SNDPPT": "sand", "PHIHOX": "ph"}
SITE = ["lon", "lat", "clay", "sand", "ph"]
PRINTED = {
    "truncated": 1.03, "ratio, capped at 0.9999": 0.90, "ratio, beta >= 1 rejected": 0.79, "log_linear": 0.57, "one mean beta": 0.76,
}  # fmt: skip


def profiles(path: Path, min_layers: int) -> pd.DataFrame:
    """Horizons of profiles without gaps from 0 to 100 cm and with enough layers that begin above 100 cm."""
    table = pd.read_csv(path).rename(columns={"SOURCEID": "profile_id", "LONWGS84": "lon", "LATWGS84": "lat", **COLUMNS})
    table = table.dropna(subset=["top_cm", "bottom_cm", "soc_g_kg"]).sort_values(["profile_id", "top_cm"], kind="stable")
    table = table[(table["bottom_cm"] > table["top_cm"]) & (table["top_cm"] < 100)]
    above = table.groupby("profile_id")["bottom_cm"].shift().fillna(0.0)
    joined = (table["top_cm"] == above).groupby(table["profile_id"]).all()
    grouped = table.groupby("profile_id")["bottom_cm"]
    keep = joined & (grouped.max() >= 100) & (grouped.size() >= min_layers)
    return table[table["profile_id"].map(keep)].reset_index(drop=True)


def stocks_and_sites(table: pd.DataFrame, curve: str) -> tuple[Floats, Floats]:
    """Cumulative stocks at DEPTHS and what is known of the site and its topsoil; profiles with a layer not positive are left out."""
    code = pd.factorize(table["profile_id"])[0]
    columns = (code, table["top_cm"], table["bottom_cm"], table["soc_g_kg"])
    fitted = fit(*columns, lam=0.1) if curve == "spline" else step(*columns)
    layers = integrate(fitted, DEPTHS - 20, DEPTHS)[0]
    positive = (layers > 0).all(axis=1)
    sites = table[~table["profile_id"].duplicated()][SITE].to_numpy(dtype=np.float64)
    return np.cumsum(layers[positive], axis=1), np.column_stack([sites[positive], np.log(layers[positive, 0])])


def predicted(beta: Floats, stocks: Floats) -> Floats:
    """Stock of 20-100 cm from that of 0-20 cm."""
    return np.asarray(depth.depth_factor(beta, (0, 20), (20, 100)) * stocks[:, 0])


def line(name: str, estimate: Floats, stocks: Floats, used: NDArray[np.bool_] | None = None) -> dict[str, object]:
    """Ratio of sums, error and skill of an estimate of the stock of 20-100 cm."""
    observed = stocks[:, -1] - stocks[:, 0]
    if used is not None:
        observed, estimate = observed[used], estimate[used]
    error = estimate - observed
    skill = 1 - float((error**2).sum() / ((observed - observed.mean()) ** 2).sum())
    return {
        "way": name, "profiles": len(observed), "predicted_over_observed": float(estimate.sum() / observed.sum()),
        "median_of_ratios": float(np.median(estimate / observed)), "mec": skill,
    }  # fmt: skip


def ways_to_fit(stocks: Floats) -> pd.DataFrame:
    """Each way on the profiles that it was fitted to."""
    ratio, truncated, log_linear = (depth.fit(DEPTHS, stocks, method=method).beta for method in depth.METHODS)
    below_one = ratio < 1
    kept = np.full(len(ratio), ratio[below_one].mean())
    rows = [
        line("ratio", predicted(ratio, stocks), stocks),
        line("truncated", predicted(truncated, stocks), stocks),
        line("ratio, capped at 0.9999", predicted(np.minimum(ratio, 0.9999), stocks), stocks),
        line("truncated, capped at 0.9999", predicted(np.minimum(truncated, 0.9999), stocks), stocks),
        line("ratio, beta >= 1 rejected", np.where(below_one, predicted(ratio, stocks), 0.0), stocks),
        line("ratio, beta >= 1 given the mean of the rest", predicted(np.where(below_one, ratio, kept), stocks), stocks),
        line("log_linear", predicted(log_linear, stocks), stocks),
        line("one mean beta", predicted(np.full(len(ratio), ratio.mean()), stocks), stocks),
        line("one mean beta, beta >= 1 rejected", predicted(kept, stocks), stocks),
    ]
    return pd.DataFrame(rows).assign(printed=lambda table: table["way"].map(PRINTED))


def honest_use(stocks: Floats, sites: Floats, workers: int) -> pd.DataFrame:
    """Ways to come by a beta that was not fitted to the stock it predicts."""
    beta = depth.fit(DEPTHS, stocks).beta
    log_ratio = np.log(stocks[:, -1] / stocks[:, 0] - 1.0)
    names = (
        "mean beta of the others", "beta of the summed stocks of the others", "forest of beta", "forest of ln(subsoil/topsoil)",
        "forest of subsoil/topsoil, weighted by the topsoil stock",
    )  # fmt: skip
    estimate = {name: np.empty(len(beta)) for name in names}
    for train, test in KFold(10, shuffle=True, random_state=1).split(beta):
        summed = depth.fit(DEPTHS, stocks[train].sum(axis=0)[None]).beta[0]
        forest = RandomForestRegressor(200, min_samples_leaf=5, max_features=0.5, random_state=1, n_jobs=workers)
        of_beta = forest.fit(sites[train], beta[train]).predict(sites[test])
        of_ratio = np.exp(forest.fit(sites[train], log_ratio[train]).predict(sites[test])) * stocks[test, 0]
        fold = stocks[test]
        estimate[names[0]][test] = predicted(np.full(len(test), beta[train].mean()), fold)
        estimate[names[1]][test] = predicted(np.full(len(test), summed), fold)
        estimate[names[2]][test] = predicted(of_beta, fold)
        estimate[names[3]][test] = of_ratio
        weighted = forest.fit(sites[train], np.exp(log_ratio[train]), sample_weight=stocks[train, 0])
        estimate[names[4]][test] = weighted.predict(sites[test]) * stocks[test, 0]
    rows = [line(name, values, stocks) for name, values in estimate.items()]
    for deep in (40.0, 60.0):
        upper = depth.fit(DEPTHS, stocks, deep_cm=deep)
        rows.append(line(f"its own 0-20 and 0-{deep:g} cm", predicted(upper.beta, stocks), stocks))
        rows.append(line(f"its own 0-20 and 0-{deep:g} cm, beta <= 1", predicted(np.minimum(upper.beta, 1.0), stocks), stocks))
    return pd.DataFrame(rows)


def main() -> None:
    """Read, fit in every way, print, write."""
    parser = arguments(__doc__)
    parser.add_argument("--root", type=Path, default=SHARED / "data" / "wise_profiles", help="folder of the profiles")
    asked = parser.parse_args()
    path = asked.root / "wise_layers.csv.gz"
    skip_without(path, "WISE profiles (--root)")
    text, fits, uses = ["## Beta depth function: stock of 20-100 cm from 0-20 cm, WISE, constant bulk density"], [], []
    for min_layers, curve in ((4, "spline"), (3, "spline"), (3, "step")):
        stocks, sites = stocks_and_sites(profiles(path, min_layers), curve)
        beta = depth.fit(DEPTHS, stocks).beta
        head = f"{min_layers} layers or more above 100 cm, {curve}"
        fits.append(ways_to_fit(stocks).assign(min_layers=min_layers, curve=curve))
        low, middle, high = np.quantile(beta, [0.25, 0.5, 0.75])
        spread = f"mean {beta.mean():.4f}, quartiles {low:.4f}, {middle:.4f} and {high:.4f}, above 1 in {100 * (beta > 1).mean():.1f} %"
        text += [f"### {head}: {len(beta)} profiles", f"beta by ratio: {spread}.", markdown(fits[-1].iloc[:, :6])]
        if curve == "spline":
            uses.append(honest_use(stocks, sites, asked.workers).assign(min_layers=min_layers, curve=curve))
            text += ["Where beta was not fitted to what it predicts:", markdown(uses[-1].iloc[:, :5])]
    tables = {"beta": pd.concat(fits), "beta_use": pd.concat(uses)}
    save(asked.results, "beta", "\n\n".join(text), tables)


if __name__ == "__main__":
    main()
