"""Checkpoints: owners once, with the ledger, and ties that are compared on load."""

from __future__ import annotations

from tenure.checkpoints.manager import CheckpointManager
from tenure.checkpoints.restore import Restored, restore
from tenure.checkpoints.save import save

__all__ = ["CheckpointManager", "Restored", "restore", "save"]
