"""A stored model: arrays in npz, the rest in JSON; saved and loaded without executing code.

Nothing is pickled. A folder from a stranger can be wrong, but it cannot run anything, and it cannot lead compiled code outside its
arrays: what is not found sound is refused with the reason, and so is what was altered, truncated, or written by a newer Edaphic.
:func:`load` reads the model alone, :func:`load_kit` the model with what maps need beside it.
"""

from edaphic.model.artefact_files import FORMAT
from edaphic.model.artefact_kit import Kit, load_kit, save_kit
from edaphic.model.artefact_model import CovariateFacts, load, save

__all__ = ["FORMAT", "CovariateFacts", "Kit", "load", "load_kit", "save", "save_kit"]
