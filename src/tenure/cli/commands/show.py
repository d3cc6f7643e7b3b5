"""`tenure show CONFIG`: the drawing of a config's network, as text or as a page."""

from __future__ import annotations

import argparse
from pathlib import Path

from tenure.cli import configs

HELP = "draw the network of a config, as text or HTML (the config is code and runs)"


def _options(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--html", type=Path, metavar="FILE", help="write one self-contained page; - is the output")
    kinds.add_argument("--mermaid", action="store_true", help="a Mermaid flowchart")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    configs.arguments(parser, _options)


def run(given: argparse.Namespace) -> int:
    """Prints the drawing, or writes it as a page."""
    given = configs.own_options(given, _options)
    picture = configs.network(configs.read(given)).show()
    if given.html:
        configs.write_page(given.html, picture.html(title=f"Network of {given.given[0]}"))
    else:
        print(picture.mermaid() if given.mermaid else picture)
    return 0
