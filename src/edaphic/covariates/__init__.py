"""Rasters in, one aligned stack out: the grid, its layers, their values at places and by window."""

from edaphic.covariates.area import cell_area_m2
from edaphic.covariates.doubts import angle_doubts, class_doubts
from edaphic.covariates.draws import draw_cells
from edaphic.covariates.facts import LayerFacts, Source, expand, facts
from edaphic.covariates.grid import cells_of, grid_from_bounds, grid_from_region, grid_like
from edaphic.covariates.handles import close_rasters
from edaphic.covariates.periods import Dated, TimedStack, build_timed, check_dates, labelled_source, nearest_period
from edaphic.covariates.polygon_layers import PolygonLayer, check_overlap, names_apart, open_polygons
from edaphic.covariates.polygons import cells_inside, rasterise, region_mask
from edaphic.covariates.sources import AnyLayer, Layer, check_sources, open_any, open_layer
from edaphic.covariates.stack import Stack, build, describe, nodata_doubts
from edaphic.covariates.window import Window, window_box, windows

__all__ = [
    "AnyLayer",
    "Dated",
    "Layer",
    "LayerFacts",
    "PolygonLayer",
    "Source",
    "Stack",
    "TimedStack",
    "Window",
    "angle_doubts",
    "build",
    "build_timed",
    "cell_area_m2",
    "cells_inside",
    "cells_of",
    "check_dates",
    "check_overlap",
    "check_sources",
    "class_doubts",
    "close_rasters",
    "describe",
    "draw_cells",
    "expand",
    "facts",
    "grid_from_bounds",
    "grid_from_region",
    "grid_like",
    "labelled_source",
    "names_apart",
    "nearest_period",
    "nodata_doubts",
    "open_any",
    "open_layer",
    "open_polygons",
    "rasterise",
    "region_mask",
    "window_box",
    "windows",
]
