"""`tenure export CONFIG`: the network with a checkpoint as one file that runs without the config."""

from __future__ import annotations

import argparse
from pathlib import Path

from tenure.cli import configs

HELP = "write the network with a checkpoint as a program that runs without the config"
EXAMPLES = """\
The file holds a jax.export program for any number of sequences of any length, the weights, and what goes in and comes out.

    tenure export config.py                       # the newest checkpoint, to net/model.exported
    tenure export config.py -e 30 --search        # hypotheses, of epoch 30

    from tenure.training import load_exported
    network = load_exported("net/model.exported")
    found = network({"data": (array, lengths)})["output"].rows()"""


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE", help="what to write; MODEL.exported if not given")
    parser.add_argument(
        "--layer", action="append", default=[], metavar="NAME", help="whose output it gives; may be repeated"
    )
    parser.add_argument("--search", action="store_true", help="choices are searched; it gives what a search finds")
    parser.add_argument("--platforms", metavar="LIST", help="cpu,cuda,tpu; that of this machine if not given")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    configs.arguments(parser, _options)


def run(given: argparse.Namespace) -> int:
    """Writes the file. The config is code, and runs."""
    given = configs.own_options(given, _options)
    from tenure.training.engine.exporting import export
    from tenure.training.engine.learner import Learner
    from tenure.training.engine.settings import values

    learner = Learner(values(configs.read(given)))
    path = given.out or learner.models.prefix.with_name(f"{learner.models.prefix.name}.exported")
    platforms = given.platforms.split(",") if given.platforms else []
    told = export(learner, path, layers=given.layer, search=given.search, platforms=platforms)
    print("\n".join([*told, str(path)]))
    return 0
