"""What commands on files of weights share: their arguments, and reading what these name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def reading(parser: argparse.ArgumentParser, *files: str) -> None:
    """Arguments for files to read."""
    for name in files:
        parser.add_argument(name, type=Path, help="a file or folder of weights")
    parser.add_argument("--from", dest="format", metavar="FORMAT", help="the format, where the content does not tell")
    parser.add_argument("--allow-pickle", action="store_true", help="read pickles of Haiku's parameters, as data")
    parser.add_argument(
        "--group", default="params", choices=["params", "state", "training"], help="of a Tenure checkpoint"
    )
    parser.add_argument("--max-bytes", type=int, metavar="N", help="how many bytes an archive may unpack to")


def read(path: Path, given: argparse.Namespace) -> Any:
    """The weights in a file, as the arguments say."""
    from tenure import convert

    options = {"allow_pickle": given.allow_pickle, "max_bytes": given.max_bytes, "group": given.group}
    return convert.read(path, given.format, **options)


def rules(given: argparse.Namespace) -> Any:
    """The rules that `--map` names, turned round with `--reverse`; None without.

    Raises:
      MapError: there is nothing to turn round, or the rules cannot be read.
    """
    from tenure import convert

    if given.map is None:
        if given.reverse:
            raise convert.MapError("--reverse turns rules round, and there are none", ways=["--map RULES"])
        return None
    found = convert.Rules.read(given.map)
    return found.reversed() if given.reverse else found


def mapping(parser: argparse.ArgumentParser) -> None:
    """Arguments for rules."""
    parser.add_argument("--map", type=Path, metavar="RULES", help='a TOML file: [rules]  "theirs | view" = "ours"')
    parser.add_argument("--reverse", action="store_true", help="apply the rules backwards")


def size(count: int) -> str:
    """Bytes for people.

    >>> size(100), size(3 << 20)
    ('100 B', '3.0 MiB')
    """
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if number < 1024 or unit == "TiB":
            break
        number /= 1024
    return f"{count} B" if unit == "B" else f"{number:.1f} {unit}"


__all__ = ["mapping", "read", "reading", "rules", "size"]
