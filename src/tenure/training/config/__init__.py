"""Configs: Python, JSON or `key value` lines, with the keys that RETURNN's configs have."""

from tenure.training.config.config import Config
from tenure.training.config.loading import from_command_line, load

__all__ = ["Config", "from_command_line", "load"]
