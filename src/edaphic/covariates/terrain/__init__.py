"""What a digital elevation model tells: slopes, curvatures, positions, and where the water goes."""

from edaphic.covariates.terrain.attributes import ATTRIBUTES, Attribute, TerrainOptions
from edaphic.covariates.terrain.cells import CellSizes, cell_sizes
from edaphic.covariates.terrain.dem import Dem, open_dem
from edaphic.covariates.terrain.evidence import Examined, examine
from edaphic.covariates.terrain.focal import disc_of_cells, disc_of_metres, position_in_disc
from edaphic.covariates.terrain.local import LOCAL, LocalRules, Margins, local_attributes
from edaphic.covariates.terrain.making import Made, make_terrain

__all__ = [
    "ATTRIBUTES",
    "LOCAL",
    "Attribute",
    "CellSizes",
    "Dem",
    "Examined",
    "LocalRules",
    "Made",
    "Margins",
    "TerrainOptions",
    "cell_sizes",
    "disc_of_cells",
    "disc_of_metres",
    "examine",
    "local_attributes",
    "make_terrain",
    "open_dem",
    "position_in_disc",
]
