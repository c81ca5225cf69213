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
_RHO = "rho rho_origin"
_CHANGED = "from_period to_period by class class_name"
_ALONG = "map low_deg high_deg mean sd variance"

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
        "class_name unmapped_km2 period modelled_low_Tg modelled_high_Tg",
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
    "monte_carlo_beta": _format("tables/monte_carlo_beta.csv", "by name layer", "class cells area_km2", "by class name layer"),
    "totals": _format(
        "tables/totals.csv",
        "by class top_cm bottom_cm total_Tg modelled_low_Tg modelled_high_Tg",
        "class_name cells area_km2 modelled_sd_Tg fully_correlated_sd_Tg effective_cells profiles_shift_Tg period",
        "by class class_name period",
    ),
    "change": _format(
        "tables/change.csv",
        "from_period to_period by class top_cm bottom_cm change_Tg verdict",
        f"class_name before_Tg after_Tg sd_Tg low_Tg high_Tg p_increase minimum_detectable_Tg level power realisations {_RHO}",
        f"{_CHANGED} verdict rho_origin",
    ),
    "change_sensitivity": _format(
        "tables/change_sensitivity.csv",
        "from_period to_period by class top_cm bottom_cm rho change_Tg low_Tg high_Tg",
        "class_name sd_Tg p_increase minimum_detectable_Tg verdict",
        f"{_CHANGED} verdict",
    ),
    "revisits": _format(
        "tables/revisits.csv", "layer lag pairs", "places mean_lag_years rho rho_low rho_high level verdict", "layer lag verdict"
    ),
    "change_cells": _format(
        "tables/change_cells.csv",
        "by class",
        "from_period to_period top_cm bottom_cm class_name cells area_km2 before_kg_m2 after_kg_m2 change_kg_m2 cell_sd_kg_m2"
        f" cell_minimum_detectable_kg_m2 increase_share decrease_share not_shown_share level power verdict {_RHO}",
        f"{_CHANGED} verdict rho_origin",
    ),
    "sites_change": _format(
        "tables/sites_change.csv",
        "class_name top_cm bottom_cm basis pairs mean_change_kg_m2",
        "places left_out low_kg_m2 high_kg_m2 level verdict",
        "class_name basis verdict",
    ),
    "trend": _format(
        "tables/trend.csv",
        "by class",
        "class_name top_cm bottom_cm cells too_few_values area_km2 mean_slope_kg_m2_per_year rising_share falling_share"
        " shown_rising_share shown_falling_share false_discovery control p_values note",
        "by class class_name control p_values note",
    ),
    "product_pairs": _format(
        "tables/product_pairs.csv",
        "top_cm bottom_cm ours theirs weights",
        "period cells area_km2 bias rmse r2_pearson ccc factor explanation label",
        "period ours theirs weights explanation label",
    ),
    "product_taylor": _format(
        "tables/product_taylor.csv",
        "top_cm bottom_cm reference product",
        "period cells sd_ratio pearson_r centred_rmse_ratio bias_ratio target_x",
        "period reference product",
    ),
    "product_cv": _format(
        "tables/product_cv.csv",
        "top_cm bottom_cm by class mean_cv_pct",
        "period class_name cells area_km2 mean_count",
        "period by class class_name",
    ),
    "product_totals": _format(
        "tables/product_totals.csv",
        "top_cm bottom_cm product rows by class total_Tg",
        "period class_name cells area_km2 mean_kg_m2",
        "period product rows by class class_name",
    ),
    "product_samples": _format(
        "tables/product_samples.parquet", "product ours theirs top_cm bottom_cm", "period", "product period"
    ),
    "product_points": _format(
        "tables/product_points.csv",
        "product score value",
        "set rows top_cm bottom_cm n places low high unit period",
        "set rows product score unit period",
    ),
    "published": _format(
        "tables/published.csv",
        "name quantity by class top_cm bottom_cm product value",
        "source unit period published low high value_over_published within explanation",
        "name source quantity unit by class period product within explanation",
    ),
    "decades": _format("tables/decades.csv", "decade top_cm bottom_cm low high count n mean", "sd median", "decade"),
    "area_by_class": _format("tables/area_by_class.csv", "map low high share", "top_cm bottom_cm cells area_km2", "map"),
    "along_longitude": _format("tables/along_longitude.csv", _ALONG, "top_cm bottom_cm cells area_km2", "map"),
    "along_latitude": _format("tables/along_latitude.csv", _ALONG, "top_cm bottom_cm cells area_km2", "map"),
    "depth_profiles": _format(
        "tables/depth_profiles.csv",
        "by class_name top_cm bottom_cm density_kg_m3 low_kg_m3 high_kg_m3 share",
        "period interval",
        "by class_name period interval",
    ),
    "texture_groups": _format("tables/texture_groups.csv", "group n mean q25 median q75", "sd top_cm bottom_cm", "group"),
    "biomes": _format("tables/biomes.csv", "mat_c map_mm", "profile_id biome", "profile_id biome"),
    "correlations": _format("tables/correlations.csv", "covariate", "", "covariate"),
    "driver_importance": _format(
        "tables/importance_of_drivers.csv",
        "layer measure level name share_pct",
        "family importance sd low high share_low_pct share_high_pct sum_of_members_pct members repeats",
        "layer measure level name family unit",
    ),
    "effects": _format(
        "tables/effects.csv", "covariate kind layer x class effect unit", "class_name low high band n",
        "covariate kind layer class class_name band unit",
    ),
    "shap_by_depth": _format(
        "tables/shap_by_depth.csv", "layer covariate mean_abs_shap share_pct unit", "mean_shap base rows", "layer covariate unit"
    ),
    "response_curves": _format("tables/response_curves.csv", "layer driver x smooth mean unit", "low high n_near n", "layer driver unit"),
    "change_points": _format(
        "tables/change_points.csv", "layer driver words", "at low high slope_below slope_above p n breaks", "layer driver words unit"
    ),
    "group_tests": _format(
        "tables/group_tests.csv", "by layer test p", "statistic df_between df_within eta2 omega2 groups n", "by layer test scale notes"
    ),
    "group_letters": _format(
        "tables/group_letters.csv",
        "by layer class n mean letters",
        "median low high level",
        "by layer class letters scale comparison unit",
    ),
    "layer_changes": _format(
        "tables/layer_changes.csv",
        "by class from_top_cm from_bottom_cm to_top_cm to_bottom_cm difference",
        "n_from n_to difference_all n_paired low high",
        "by class unit",
    ),
    "path_inner": _format(
        "tables/paths_inner_model.csv", "group to from coefficient", "standard_error t p vif", "group to from"
    ),
    "path_effects": _format(
        "tables/paths_effects.csv",
        "group from to direct indirect total",
        "direct_lower direct_upper indirect_lower indirect_upper total_lower total_upper",
        "group from to",
    ),
    "path_quality": _format(
        "tables/paths_quality.csv", "group latent type r2", "mean_communality mean_redundancy ave", "group latent type mode"
    ),
    "path_bootstrap": _format(
        "tables/paths_bootstrap.csv", "group kind from to excludes_zero", "original lower upper", "group kind from to excludes_zero"
    ),
}
"""Tables that the page reads, by the name used here."""
