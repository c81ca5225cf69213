"""Where Edaphic's answer differs from the method of a published product that a recipe follows, and why: a box of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edaphic.report.folder import RunFolder

PAGE = "docs/papers.md"
"""Where every row is."""


@dataclass(frozen=True)
class Followed:
    """A published product: its paper, the start of its rows in the list of the papers, and the main differences.

    ``differences``: what it is about, how the paper does it, how Edaphic does it and why, and the rows of the list that say more.
    """

    paper: str
    short: str
    differences: tuple[tuple[str, str, str, str], ...]


PAPERS: Mapping[str, Followed] = MappingProxyType(
    {
        "space-time": Followed(
            "Dong, Wang and Su: a 1 km soil organic carbon density dataset with depth of 20 cm and 100 cm from 1985 to 2020 in China",
            "S1",
            (
                (
                    "Uncertainty",
                    "No uncertainty of cells or of the national total.",
                    "Calibrated intervals of every cell, and totals and changes with their errors.",
                    "S1.A20",
                ),
                (
                    "Choice of covariates",
                    "Subsets are scored on the data that validate the map.",
                    "Search and tuning anew within each fold; the naive score stands beside, so that its gain can be seen.",
                    "S1.A7",
                ),
                (
                    "Cross-validation",
                    "Folds by sub-regions and decades, which can be read as two opposite tests.",
                    "Both readings by name, beside profiles, blocks and distances as the map has them.",
                    "S1.A8",
                ),
                (
                    "Independent profiles",
                    "A set that shares time and origin with the training data.",
                    "Overlaps are found by place, time and values first, listed, and left out.",
                    "S1.A11",
                ),
                (
                    "Other products",
                    "Products of other depths are compared, and one that was made of a covariate comes out closest.",
                    "Depths are converted with the factor printed; shared inputs are named; agreement is not called accuracy.",
                    "S1.A12, S1.A13, S1.A19",
                ),
                (
                    "Bulk density",
                    "One grid for all years.",
                    "The measured one first, then a pedotransfer function, then the grid, each with its error.",
                    "S1.A14",
                ),
                (
                    "SAVI and units",
                    "A printed index and a formula that do not close.",
                    "The standard index; no number without a unit.",
                    "S1.A1, S1.A2",
                ),
                (
                    "Trend",
                    "Slopes over maps of one model.",
                    "Called descriptive: periods of one model are no independent measurements. False discoveries are controlled.",
                    "S1.A19",
                ),
            ),
        ),
        "beta-subsoil": Followed(
            "Wang and others: global patterns of SOC distribution in the 20-100 cm soil profile for different ecosystems",
            "S2",
            (
                (
                    "Totals",
                    "Limits of the groups are added up.",
                    "That is the fully correlated bound, and is printed so, beside the interval of realisations and the independent bound.",
                    "S2.A6, S2.A14",
                ),
                (
                    "U",
                    "The full width of the interval over the mean.",
                    "The same, and the half width beside it, since most tables mean that.",
                    "S2.A5",
                ),
                (
                    "Fit of beta",
                    "Not stated; beta above 1 not discussed.",
                    "From the ratio that the stocks use; values above 1 are kept and flagged, since to cap them takes carbon away.",
                    "S2.A2, S2.A4",
                ),
                (
                    "Error of beta",
                    "Errors of inputs and forests.",
                    "The residual error of beta around the forest too, and that of the topsoil: limits are wider for it.",
                    "S2.A12, S2.A15",
                ),
                (
                    "Errors of inputs",
                    "A tenth of the value, independent from cell to cell.",
                    "By variable, absolute where zero means nothing (degrees C, pH), and alike over a distance.",
                    "S2.A13, S2.A14",
                ),
                (
                    "Skill",
                    "Squared correlations of 0.85 to 0.90.",
                    "Out of fold by place and by block, beside the score in sample.",
                    "S2.A11",
                ),
                (
                    "Covariates made of carbon",
                    "Nitrogen and microbial carbon predict carbon.",
                    "They are flagged; a run without them is one key away.",
                    "S2.A21",
                ),
                ("Cells of several ecosystems", "Each counts for all of them.", "Each class with its share of the cell.", "S2.A18"),
            ),
        ),
        "plateau-3d": Followed(
            "Mao and others: much larger whole-profile SOC stocks on the Qinghai-Tibet Plateau than previously reported",
            "S3",
            (
                (
                    "Interval of a cell",
                    "Spread of the trees over the root of their number, called a 95 % interval.",
                    "Calibrated quantiles are the interval; spread, noise of the trees and standard error have names of their own.",
                    "S3.A3",
                ),
                (
                    "Totals",
                    "The interval of a cell times the area.",
                    "That is the fully correlated bound, and is printed under this name, beside the interval of realisations.",
                    "S3.A4",
                ),
                (
                    "Folds",
                    "Layers of one profile may fall on both sides.",
                    "A place is never split; blocks and distances as the map has them stand beside.",
                    "S3.A5",
                ),
                (
                    "Target",
                    "Stocks of layers of 0.3, 0.7 and 1 m from one forest.",
                    "Density, integrated over the layer, so that thickness is no hidden covariate.",
                    "S3.A16",
                ),
                (
                    "Bedrock",
                    "The depth to bedrock as the end of the layer.",
                    "Density times the thickness that is soil: a forest trained on fixed layers does not answer for others.",
                    "S3.A14",
                ),
                (
                    "Whole depth",
                    "Not said whether it is a sum.",
                    "The sum of the layers, cell by cell.",
                    "S3.A15",
                ),
                (
                    "Products",
                    "A coefficient of variation over two to four products.",
                    "With divisor n - 1, and the number of products mapped beside it.",
                    "S3.A22",
                ),
                (
                    "Change with depth",
                    "Means of different profiles by depth.",
                    "Profiles that have both layers.",
                    "S3.A9",
                ),
            ),
        ),
    }
)
"""What the papers are called in recipes (``report.follows``), and where Edaphic differs most. All rows are in :data:`PAGE`."""


def followed(run: RunFolder) -> Followed | None:
    """The product that the recipe says it follows (``report.follows``), None where it follows none."""
    return PAPERS.get(str(run.setting("report", "follows") or ""))
