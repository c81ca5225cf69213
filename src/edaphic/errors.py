"""The mistakes a user can make, one class for each kind.

Every message is one line that says where, what was found and what is expected. ``EdaphicError`` carries all faults that
were found at once, so that a user mends them in one go; the command line prints one line for each and leaves with status 2.
"""

from __future__ import annotations

from collections.abc import Iterable


class EdaphicError(Exception):
    """Something the user can mend.

    Parameters
    ----------
    faults : str or iterable of str
        One line for each fault: where, what was found, what is expected.

    Examples
    --------
    >>> EdaphicError(["a.csv: no column 'top'", "b.tif: no such file"]).faults
    ("a.csv: no column 'top'", 'b.tif: no such file')
    """

    def __init__(self, faults: str | Iterable[str]) -> None:
        found = (faults,) if isinstance(faults, str) else tuple(faults)
        self.faults = tuple(" ".join(str(fault).split()) for fault in found)
        super().__init__("\n".join(self.faults))


class RecipeError(EdaphicError):
    """The recipe cannot be understood: unknown key, wrong type, value out of range."""


class TableError(EdaphicError):
    """A table of horizons, sites or stations cannot be used: missing file, column, CRS or values."""


class UnitError(EdaphicError):
    """A unit is missing, unknown, or does not fit its quantity."""


class RasterError(EdaphicError):
    """A raster cannot be read, has no CRS, or does not overlap the grid."""


class GridError(EdaphicError):
    """The target grid cannot be made: unknown CRS, no extent, resolution not positive."""


class ModelError(EdaphicError):
    """The data do not allow a model: too few profiles, constant target, no usable covariate."""


class RunError(EdaphicError):
    """The run folder cannot be used: locked by another run, not writable, made by something else."""
