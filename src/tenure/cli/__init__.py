"""The command line: `tenure COMMAND`, or `python -m tenure COMMAND`."""

from tenure.cli.main import main

__all__ = ["main"]
