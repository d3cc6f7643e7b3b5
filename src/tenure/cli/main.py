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
from pathlib import Path
from typing import Any

from tenure._version import __version__
from tenure.cli import commands
from tenure.cli.completion import SHELLS, completion
from tenure.cli.ending import terminable, told

ABOUT = "Neural networks in which every parameter has exactly one owner."
COMMANDS = (
    *("new", "data", "check", "train", "eval", "search", "forward", "scores", "show", "ledger", "keys", "export"),
    *("convert", "inspect", "diff"),
)
EXAMPLES = """\
examples:
  tenure new g2p words            a project that runs, in the folder words
  tenure check config.py          what can be known before training, in seconds
  tenure train config.py          trains; the same command goes on after a stop
  tenure COMMAND --help           more of each

Completion of commands, options and keys: add to ~/.bashrc  source <(tenure --completion bash)  (or zsh, fish)."""


def names() -> list[str]:
    """All commands, in the order in which they are needed.

    >>> names()[0], names()[-1]
    ('new', 'diff')
    """
    there = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    return [name for name in COMMANDS if name in there]


def command(name: str) -> Any:
    """The module of a command."""
    return importlib.import_module(f"tenure.cli.commands.{name}")


def parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """The parser of all arguments.

    Args:
      wanted: the command whose arguments are needed; the others are listed only.
    """
    whole = argparse.ArgumentParser(prog="tenure", description=ABOUT, epilog=EXAMPLES, formatter_class=Help)
    whole.add_argument("--version", action="version", version=f"tenure {__version__}")
    whole.add_argument("--traceback", action="store_true", help="show where in the code an error came from")
    whole.add_argument(
        "--completion", choices=SHELLS, metavar="SHELL", help="print what makes bash, zsh or fish complete"
    )
    table = whole.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in names():
        module = command(name)
        examples = getattr(module, "EXAMPLES", None)
        sub = table.add_parser(name, help=module.HELP, description=module.HELP, epilog=examples, formatter_class=Help)
        if wanted in (name, None):
            module.arguments(sub)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status: 0 if all went well, 1 for an error that was told, 2 for wrong arguments, 130 after
    ctrl-C, and 143 after SIGTERM."""
    try:
        with terminable():
            return _run(argv)
    except KeyboardInterrupt as stop:
        says, status = told(stop)
        print(f"\n{says}", file=sys.stderr)
        return status


def _run(argv: Sequence[str] | None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    wanted = next((word for word in argv if not word.startswith("-")), "")
    if wanted and wanted not in names() and not _follows(argv, wanted, "--completion"):
        print(_unknown(wanted), file=sys.stderr)
        return 2
    whole = parser(wanted)
    given = whole.parse_args(argv)
    if given.completion:
        print(completion(given.completion, parser()))
        return 0
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
    except Exception as error:
        says = None if given.traceback else _says(error)
        if says is None:
            raise
        print(f"error: {says}", file=sys.stderr)
        return 1


class Help(argparse.HelpFormatter):
    """Help in which a text of several lines stays as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


def _follows(argv: Sequence[str], word: str, option: str) -> bool:
    return option in argv and argv.index(word) == argv.index(option) + 1


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, names(), 1, 0.5)
    if Path(name).is_file():  # a config without a command
        near = [f"train {name}"]
    more = f"; did you mean `tenure {near[0]}`?" if near else ""
    return f"error: there is no command {name!r}{more}\n  commands: {', '.join(names())}"


def _says(error: Exception) -> str | None:
    """What is wrong, as a sentence; None for an error in Tenure's own code."""
    from tenure.core.errors import TenureError

    if isinstance(error, TenureError):
        return str(error)
    loading = sys.modules.get("tenure.training.config.loading")
    if loading is not None and (failed := loading.failure(error)) is not None:
        return str(failed)
    if isinstance(error, OSError):  # such as a full disk, where nobody says more of it
        return f"{error.strerror or error}{f': {error.filename!r}' if error.filename else ''}"
    return None


__all__ = ["command", "main", "names", "parser"]
