"""What commands that run a task of a config share."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of a command that runs a task."""
    parser.add_argument(
        "given", nargs=argparse.REMAINDER, metavar="CONFIG … [++key value] [-e EPOCHS]",
        help="config files, and values as RETURNN's command line takes them",
    )  # fmt: skip


def run_task(given: argparse.Namespace, task: str | None = None) -> int:
    """Runs a task of a config, which is code, and runs.

    Args:
      given: what the command was given.
      task: which one; None: the one that the config names.

    Returns:
      The exit status: 130 and 143 after ctrl-C and SIGTERM.
    """
    from tenure.training.config import from_command_line
    from tenure.training.config.command_line import parse
    from tenure.training.config.keys import check_keys
    from tenure.training.engine import tasks
    from tenure.training.engine.training import Stopped
    from tenure.training.errors import ConfigError

    if not parse(given.given).files:
        raise ConfigError(f"tenure {given.command} needs a config", ways=[f"tenure {given.command} config.py"])
    config = from_command_line([*given.given, *(["++task", task] if task else [])])
    check_keys(config)
    try:
        tasks.run(config)
    except Stopped as stop:
        print(stop)
        return stop.status
    return 0
