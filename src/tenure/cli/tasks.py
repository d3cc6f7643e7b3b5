"""What commands that run a task of a config share."""

from __future__ import annotations

import argparse

from tenure.cli import configs


def arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of a command that runs a task."""
    configs.arguments(parser, lambda parser: None)


def arguments_of_trained(parser: argparse.ArgumentParser) -> None:
    """Arguments of a command that runs a task with a trained network."""
    configs.arguments(parser, _averaging)


def _averaging(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--average", metavar="EPOCHS", help="use the mean of checkpoints: 18,19,20, or last:4, or best:4"
    )


def epochs_named(text: str) -> str:
    """The key `average_epochs` for what --average says.

    >>> epochs_named("18,19"), epochs_named("best:4")
    ('[18,19]', "{'best': 4}")
    """
    kind, colon, count = text.partition(":")
    return f"{{{kind!r}: {count}}}" if colon else f"[{text}]"


def run_task(given: argparse.Namespace, task: str | None = None) -> int:
    """Runs a task of a config, which is code, and runs.

    Args:
      given: what the command was given.
      task: which one; None: the one that the config names.

    Returns:
      The exit status: 130 and 143 after ctrl-C and SIGTERM.
    """
    from tenure.training.config.command_line import parse
    from tenure.training.config.keys import check_keys
    from tenure.training.engine import tasks
    from tenure.training.engine.compiled import keep_compiled
    from tenure.training.engine.settings import values
    from tenure.training.engine.training import Stopped
    from tenure.training.errors import ConfigError
    from tenure.training.freed_memory import keep_freed_memory

    if task is not None:
        given = configs.own_options(given, _averaging)
    if not parse(given.given).files:
        raise ConfigError(f"tenure {given.command} needs a config", ways=[f"tenure {given.command} config.py"])
    keep_freed_memory()
    more = ["++task", task] if task else []
    if getattr(given, "average", None):
        more += ["++average_epochs", epochs_named(given.average)]
    config = configs.loaded([*given.given, *more])
    check_keys(config)
    keep_compiled(values(config))
    try:
        tasks.run(config)
    except Stopped as stop:
        print(stop)
        return stop.status
    return 0
