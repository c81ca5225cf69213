"""Tables of a run folder that the page reads: where they lie and which columns they have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TableFormat:
    """Columns of one table: ``needed`` ones are a fault when missing, ``wanted`` ones are filled with blanks."""

    path: str
    needed: tuple[str, ...]
    wanted: tuple[str, ...] = ()
    text: frozenset[str] = frozenset()


def _format(path: str, needed: str, wanted: str = "", text: str = "") -> TableFormat:
    return TableFormat(path, tuple(needed.split()), tuple(wanted.split()), frozenset(text.split()))


_SCORES = ("bias", "mae", "rmse", "mec", "ccc", "r2_pearson", "rpiq", "rpd")
_INTERVALS = " ".join(f"{name}_{end}" for name in _SCORES for end in ("low", "high"))
_MORE_SCORES = f"n_profiles mae ccc r2_pearson rpiq rpd rmse_net mec_net mec_layer_mean crps unit {_INTERVALS}"
_COVERAGE = (
    "n_profiles coverage_low coverage_high below_low below_high above_low above_high coverage_raw below_raw above_raw"
    " mean_width mean_width_raw interval_score interval_score_raw"
)
_APART = "unit bias mae ccc rmse_minus_ours rmse_minus_ours_low rmse_minus_ours_high mec_minus_ours mec_minus_ours_low mec_minus_ours_high"
_BOUNDS = "independent_low_Tg independent_high_Tg fully_correlated_low_Tg fully_correlated_high_Tg"

FORMATS: dict[str, TableFormat] = {
    "layers": _format(
        "profiles/layers.parquet",
        "profile_id top_cm bottom_cm soc_stock_kg_m2",
        "year soc_density_kg_m3 soc_g_kg coverage organic_soil below status source value_sd sd_soc_kg_m2 sd_method_kg_m2"
        " sd_bulk_density_kg_m2 sd_coarse_fragments_kg_m2 sd_spline_kg_m2 sd_coverage_kg_m2",
        "profile_id bulk_density_source below status source",
    ),
    "repairs": _format(
        "profiles/repairs.csv", "profile_id row fault action", "", "profile_id fault action before after"
    ),
    "covariates": _format(
        "covariates/layers.csv",
        "name kind",
        "path unit source_crs source_resolution resampling nodata valid_share",
        "name path kind unit source_crs source_resolution resampling nodata",
    ),
    "periods": _format("covariates/periods.csv", "name period samples", "outside largest_gap_years", "name period"),
    "climate": _format("covariates/climate.evidence.csv", "field n loo_rmse", "random_spline_rmse block_spline_rmse", "field"),
    "metrics": _format("evidence/metrics.csv", "design scale layer n mec rmse bias", _MORE_SCORES, "design scale layer unit"),
    "groups": _format("evidence/metrics_by_group.csv", "design group n mec rmse bias", f"scale {_MORE_SCORES}", "design scale group unit"),
    "out_of_fold": _format(
        "evidence/out_of_fold.parquet",
        "profile_id top_cm bottom_cm design observed predicted",
        "q05 q95 in_applicability",
        "profile_id design",
    ),
    "calibration": _format("evidence/calibration.csv", "design group n nominal coverage below above", _COVERAGE, "design group"),
    "curves": _format(
        "evidence/curves.csv",
        "design layer quantiles level picp",
        "picp_low picp_high qcp qcp_low qcp_high width g_statistic",
        "design layer quantiles",
    ),
    "naive": _format("evidence/naive.csv", "design what layer n rmse mec", _APART, "design what layer unit"),
    "baselines": _format("evidence/baselines.csv", "design what layer n rmse mec", _APART, "design what layer unit"),
    "zoning": _format("evidence/zoning.csv", "design what layer n rmse mec", _APART, "design what layer unit"),
    "importance": _format(
        "evidence/importance.csv", "feature rmse_increase", "rmse_increase_sd unit folds share in_model", "feature unit"
    ),
    "selection": _format(
        "evidence/selection.csv",
        "feature kept",
        "reason correlated_with r vif step target_derived",
        "feature reason correlated_with target_derived",
    ),
    "steps": _format("evidence/steps.csv", "step covariates rmse", "mec scale", "step scale"),
    "search": _format("evidence/search.csv", "features rmse", "number mec se step taken chosen", "features"),
    "tuning": _format(
        "evidence/tuning.csv",
        "candidate score",
        "trees max_features min_samples_leaf min_samples_split max_depth split engine chosen metric scale",
        "max_features split engine metric scale",
    ),
    "choices": _format(
        "evidence/choices.csv",
        "design fold names",
        "covariates trees max_features min_samples_leaf max_depth split",
        "design names max_features split",
    ),
    "variogram": _format("evidence/variogram.csv", "layer distance_m gamma", "lag pairs direction_deg", "layer"),
    "knndm": _format("evidence/knndm.csv", "p gij_m gj_star_m", "gj_m gj_profile_m gj_random_m"),
    "conformal": _format("evidence/conformal.csv", "top_cm bottom_cm", "zone n_profiles pooled pooled_to enough", "pooled_to"),
    "independent": _format("evidence/independent.csv", "set scale layer n mec rmse bias", _MORE_SCORES, "set scale layer unit"),
    "independent_coverage": _format(
        "evidence/independent_coverage.csv", "set group n nominal coverage below above", _COVERAGE, "set group"
    ),
    "overlap": _format("evidence/overlap.csv", "set profile_id", "reason duplicate_of", "set profile_id reason duplicate_of"),
    "by_design": _format(
        "evidence/by_design.csv", "set statistic top_cm bottom_cm estimate", "se low high sites unit", "set statistic unit"
    ),
    "products": _format(
        "evidence/products.csv",
        "set rows top_cm bottom_cm product score value",
        "n places low high ours_minus_it ours_minus_it_low ours_minus_it_high unit",
        "set rows product score unit",
    ),
    "stocks": _format(
        "tables/stocks.csv",
        "by class top_cm bottom_cm cells area_km2 mean_kg_m2 total_Tg " + _BOUNDS,
        "class_name unmapped_km2 period",
        "by class class_name period",
    ),
    "monte_carlo": _format("tables/monte_carlo.csv", "by name layer", "class cells area_km2", "by class name layer"),
    "comparison": _format(
        "tables/comparison.csv",
        "name top_cm bottom_cm",
        "cells pearson_r spearman_r mean_ours_kg_m2 mean_theirs_kg_m2 factor total_ours_Tg total_theirs_Tg explanation period",
        "name explanation period",
    ),
    "truth": _format(
        "tables/truth.csv",
        "top_cm bottom_cm cells bias rmse mec coverage true_total_Tg total_Tg " + _BOUNDS,
        "below above inside_independent inside_fully_correlated period",
        "period",
    ),
}
"""Tables that the page reads, by the name used here."""
