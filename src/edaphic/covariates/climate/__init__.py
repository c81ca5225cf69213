"""Climate from stations: thin-plate smoothing splines with elevation, their errors, and their surfaces."""

from edaphic.covariates.climate.doubts import elevation_doubts, elevation_faults, value_doubts
from edaphic.covariates.climate.evidence import evidence
from edaphic.covariates.climate.model import How, Model, fit_climate
from edaphic.covariates.climate.stations import Period, Stations, Words, read_stations
from edaphic.covariates.climate.surfaces import Block, Extrapolation, blocks

__all__ = [
    "Block",
    "Extrapolation",
    "How",
    "Model",
    "Period",
    "Stations",
    "Words",
    "blocks",
    "elevation_doubts",
    "elevation_faults",
    "evidence",
    "fit_climate",
    "read_stations",
    "value_doubts",
]
