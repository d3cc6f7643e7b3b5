"""`tenure train CONFIG`: does what a config's task says: trains, evaluates, forwards."""

from __future__ import annotations

import argparse

from tenure.cli.tasks import arguments, run_task

HELP = "train the network of a config, or do another task that it names"


def run(given: argparse.Namespace) -> int:
    """Runs the task. The config is code, and runs."""
    return run_task(given)


__all__ = ["HELP", "arguments", "run"]
