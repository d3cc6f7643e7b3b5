"""`tenure train CONFIG`: does what a config's task says: trains, evaluates, forwards."""

from __future__ import annotations

import argparse

HELP = "train the network of a config, or do another task that it names"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "given", nargs=argparse.REMAINDER, metavar="CONFIG … [++key value] [-e EPOCHS]",
        help="config files, and values as RETURNN's command line takes them",
    )  # fmt: skip


def run(given: argparse.Namespace) -> int:
    """Runs the task. The config is code, and runs."""
    from tenure.training.config import from_command_line
    from tenure.training.config.keys import check_keys
    from tenure.training.engine import tasks
    from tenure.training.engine.training import Stopped

    config = from_command_line(given.given)
    check_keys(config)
    try:
        tasks.run(config)
    except Stopped as stop:
        print(stop)
        return stop.status
    return 0
