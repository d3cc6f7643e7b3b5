"""`tenure forward CONFIG`: write outputs of a config's network to an HDF file; as `tenure train CONFIG ++task forward`."""

from __future__ import annotations

import argparse

from tenure.cli.tasks import arguments_of_trained as arguments
from tenure.cli.tasks import run_task

HELP = "write outputs of a config's network to an HDF file"


def run(given: argparse.Namespace) -> int:
    """Runs the task. The config is code, and runs."""
    return run_task(given, "forward")


__all__ = ["HELP", "arguments", "run"]
