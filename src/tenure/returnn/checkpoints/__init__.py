"""How RETURNN loads checkpoints: by name, with its conversions, strictly or as `preload_from_files` says."""

from tenure.returnn.checkpoints.load import CheckpointMismatchError, load
from tenure.returnn.checkpoints.preload import Preload, due, preload, preload_all

__all__ = ["CheckpointMismatchError", "Preload", "due", "load", "preload", "preload_all"]
