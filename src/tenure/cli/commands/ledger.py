"""`tenure ledger CONFIG`: who owns and who borrows the parameters of a config's network."""

from __future__ import annotations

import argparse
from pathlib import Path

from tenure.cli import configs

HELP = "print the ledger of a config's network (the config is code and runs)"


def _options(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--json", action="store_true", help="for programs; tn.Ledger.from_json reads it")
    kinds.add_argument("--html", type=Path, metavar="FILE", help="write one self-contained page; - is the output")
    parser.add_argument("--shared-only", action="store_true", help="leave out what only its owner uses")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    configs.arguments(parser, _options)


def run(given: argparse.Namespace) -> int:
    """Prints the ledger, or writes it as a page."""
    given = configs.own_options(given, _options)
    ledger = configs.network(configs.read(given)).plan(train=True).ledger
    if given.json:
        print(ledger.to_json())
    elif given.html:
        configs.write_page(given.html, ledger.to_html(title=f"Ledger of {given.given[0]}"))
    else:
        print(ledger.table(shared_only=given.shared_only, sites=False))  # all layers are built by one line
    return 0
