"""How RETURNN loads checkpoints: by name, with its conversions, strictly or as `preload_from_files` says."""

from tenure.returnn.checkpoints.load import CheckpointMismatchError, load
from tenure.returnn.checkpoints.on_init import entries, on_init
from tenure.returnn.checkpoints.preload import Preload, due, preload, preload_all

__all__ = ["CheckpointMismatchError", "Preload", "due", "entries", "load", "on_init", "preload", "preload_all"]
