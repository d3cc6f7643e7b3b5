"""`tenure search CONFIG`: search with a config's network, and score what it finds; as `tenure train CONFIG ++task search`."""

from __future__ import annotations

import argparse

from tenure.cli.tasks import arguments_of_trained as arguments
from tenure.cli.tasks import run_task

HELP = "search with a config's network, and score what it finds"


def run(given: argparse.Namespace) -> int:
    """Runs the task. The config is code, and runs."""
    return run_task(given, "search")


__all__ = ["HELP", "arguments", "run"]
