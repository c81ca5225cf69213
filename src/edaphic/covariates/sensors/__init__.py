"""Sensors beside each other: pairs of the same places, lines between them, values brought from one sensor to the other."""

from edaphic.covariates.sensors.bootstrap import fit_bootstrap
from edaphic.covariates.sensors.line import Line, apply, chain
from edaphic.covariates.sensors.major_axis import METHODS, How, fit
from edaphic.covariates.sensors.normalise import (
    coefficients,
    faults_of,
    inverted,
    is_coefficients,
    lines_of,
    normalise_image,
    read_lines,
    swapped,
)
from edaphic.covariates.sensors.pairs import Pairs, Screen, fill_doubts, table_bands, table_pairs, thinned
from edaphic.covariates.sensors.rasters import QA_BITS, Mask, raster_pairs
from edaphic.covariates.sensors.series import match_days, series_pairs

__all__ = [
    "METHODS",
    "QA_BITS",
    "How",
    "Line",
    "Mask",
    "Pairs",
    "Screen",
    "apply",
    "chain",
    "coefficients",
    "faults_of",
    "fill_doubts",
    "fit",
    "fit_bootstrap",
    "inverted",
    "is_coefficients",
    "lines_of",
    "match_days",
    "normalise_image",
    "raster_pairs",
    "read_lines",
    "series_pairs",
    "swapped",
    "table_bands",
    "table_pairs",
    "thinned",
]
