"""`tenure eval CONFIG`: the scores of a config's network on its evaluation sets; as `tenure train CONFIG ++task eval`."""

from __future__ import annotations

import argparse

from tenure.cli.tasks import arguments_of_trained as arguments
from tenure.cli.tasks import run_task

HELP = "the scores of a config's network on its evaluation sets"


def run(given: argparse.Namespace) -> int:
    """Runs the task. The config is code, and runs."""
    return run_task(given, "eval")


__all__ = ["HELP", "arguments", "run"]
