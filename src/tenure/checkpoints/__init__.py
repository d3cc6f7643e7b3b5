"""Checkpoints: owners once, with the ledger, and ties that are compared on load."""

from __future__ import annotations

from tenure.checkpoints.manager import CheckpointManager
from tenure.checkpoints.opened import Peek, peek
from tenure.checkpoints.restore import Restored, restore
from tenure.checkpoints.save import save
from tenure.checkpoints.transfer import Transferred, transfer

__all__ = ["CheckpointManager", "Peek", "Restored", "Transferred", "peek", "restore", "save", "transfer"]
