"""PLS path models: latents, each measured by a block of indicators, and arrows between them."""

from edaphic.account.paths.model import Block, Bootstrap, Indicator, PathModel, check_model, model_of, ordered
from edaphic.account.paths.results import PathResult, path_models

__all__ = ["Block", "Bootstrap", "Indicator", "PathModel", "PathResult", "check_model", "model_of", "ordered", "path_models"]
