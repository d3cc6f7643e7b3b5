"""What commands on configs share: their arguments, and reading the config that these name."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Options = Callable[[argparse.ArgumentParser], None]
VALUES = """\
A config is code, and runs. After it come values of keys, which have the last word; RETURNN's options are those:
  ++KEY VALUE          any key: ++num_epochs 40, ++batch_size "{'data': 8000}"; a value with a minus: ++scale +-0.5
  -e N, --epoch N      the key epoch: whose network or checkpoint is meant
  -n N, -b N, -r RATE  num_epochs, batch_size, learning_rate
  -x TASK, -L FILE     task, load
`tenure keys` says what each key does."""


def arguments(parser: argparse.ArgumentParser, options: Options) -> None:
    """Arguments of a command that reads a config, as RETURNN's command line names it.

    Args:
      parser: of the command.
      options: adds the command's own options, all of which are long.
    """
    options(parser)
    named = " [OPTIONS]" * (len(parser._actions) > 1)
    parser.usage = f"{parser.prog}{named} CONFIG … [++KEY VALUE …]"
    parser.epilog = "\n\n".join(filter(None, (parser.epilog, VALUES)))
    parser.add_argument("given", nargs=argparse.REMAINDER, metavar="CONFIG …", help="config files, then values of keys")


def own_options(given: argparse.Namespace, options: Options) -> argparse.Namespace:
    """The command's own options, which may also be written after the config.

    Args:
      given: what the command was given.
      options: as for `arguments`.

    Returns:
      `given` with these options; what is left of its `given` is the config.
    """
    parser = argparse.ArgumentParser(prog=f"tenure {given.command}", add_help=False, allow_abbrev=False)
    options(parser)
    rest = given.given
    given.given = []
    given, given.given = parser.parse_known_args(rest, given)
    return given


def read(given: argparse.Namespace, check: bool = True) -> Any:
    """The config that the arguments name. It is code, and runs; a line on the error stream says so.

    Args:
      given: what the command was given.
      check: whether its keys are checked.

    Raises:
      ConfigError: no config is named, it cannot be read, or a key is wrong.
    """
    from tenure.training.config.command_line import parse
    from tenure.training.config.keys import check_keys
    from tenure.training.errors import ConfigError

    files = parse(given.given).files
    if not files:
        raise ConfigError(f"tenure {given.command} needs a config", ways=[f"tenure {given.command} config.py"])
    print(f"runs {', '.join(files)}: a config is code", file=sys.stderr)
    config = loaded(given.given)
    if check:
        check_keys(config)
    return config


def loaded(arguments: Sequence[str]) -> Any:
    """The config of a command line, whose own errors are shown from its first line on.

    Raises:
      ConfigError: it cannot be read, or its code fails.
    """
    from tenure.core.errors import TenureError
    from tenure.training.config import from_command_line
    from tenure.training.config.loading import failure

    try:
        return from_command_line(arguments)
    except TenureError:
        raise
    except Exception as error:
        told = failure(error)
        if told is None:
            raise
        raise told from error


def network(config: Any) -> Any:
    """The network of a config: of the epoch that it names (`-e`), else of the last one.

    Raises:
      ConfigError: the config has no network.
      TenureError: the network is wrong.
    """
    from tenure.training.engine.model import build, network_of
    from tenure.training.engine.settings import values
    from tenure.training.pretraining.overrides import overridden
    from tenure.training.pretraining.plan import Pretraining

    given = values(config)
    pretraining = Pretraining.from_config(given)
    net = network_of(given, epoch(given, pretraining), pretraining)
    return build(overridden(given, net.get("#config") or {}), net)


def epoch(config: Mapping[str, Any], pretraining: Any = None) -> int:
    """The epoch whose network is meant.

    >>> epoch({"epoch": 3}), epoch({"num_epochs": 40}), epoch({})
    (3, 40, 5)
    """
    named = config.get("epoch") or config.get("load_epoch")
    after = 0 if pretraining is None else pretraining.epochs + 1
    return int(named or max(int(config.get("num_epochs") or 5), after))


def write_page(path: Path, page: str) -> None:
    """Writes a page, whole or not at all; "-" is the standard output."""
    from tenure.training.files import write_text

    if str(path) == "-":
        print(page)
        return
    write_text(path, page)
    print(path)
