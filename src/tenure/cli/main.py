"""`tenure`: finds the command, reads its arguments, and tells errors as sentences.

A command is a module in `tenure.cli.commands`, named like it, with

    HELP        one line
    arguments   adds its arguments to an argparse parser
    run         does it; returns the exit status

Modules of commands import nothing heavy at their top, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import Any

from tenure._version import __version__
from tenure.cli import commands

ABOUT = "Neural networks in which every parameter has exactly one owner."


def names() -> list[str]:
    """All commands, sorted.

    >>> {"convert", "diff", "inspect"} <= set(names())
    True
    """
    return sorted(module.name for module in pkgutil.iter_modules(commands.__path__) if not module.name.startswith("_"))


def command(name: str) -> Any:
    """The module of a command."""
    return importlib.import_module(f"tenure.cli.commands.{name}")


def parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """The parser of all arguments.

    Args:
      wanted: the command whose arguments are needed; the others are listed only.
    """
    whole = argparse.ArgumentParser(prog="tenure", description=ABOUT)
    whole.add_argument("--version", action="version", version=f"tenure {__version__}")
    whole.add_argument("--traceback", action="store_true", help="show where in the code an error came from")
    table = whole.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in names():
        module = command(name)
        sub = table.add_parser(name, help=module.HELP, description=module.HELP)
        if wanted in (name, None):
            module.arguments(sub)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status: 0 if all went well, 1 for an error that was told, 2 for wrong arguments."""
    argv = list(sys.argv[1:] if argv is None else argv)
    wanted = next((word for word in argv if not word.startswith("-")), "")
    whole = parser(wanted)
    given = whole.parse_args(argv)
    if given.command is None:
        whole.print_help()
        return 2
    try:
        status = command(given.command).run(given)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except ValueError as error:
        if given.traceback or not _told(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1


def _told(error: BaseException) -> bool:
    """Whether an error says by itself what is wrong: all of Tenure's do."""
    from tenure.core.errors import TenureError

    return isinstance(error, TenureError)


__all__ = ["command", "main", "names", "parser"]
