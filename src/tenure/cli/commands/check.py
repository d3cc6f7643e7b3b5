"""`tenure check CONFIG`: what can be known of a training before it starts, in seconds."""

from __future__ import annotations

import argparse

from tenure.cli import configs

HELP = "check a config before training: keys, files, networks, data (the config is code and runs)"


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--compile", action="store_true", help="compile the step for each shape of batches, and measure its memory"
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    configs.arguments(parser, _options)


def run(given: argparse.Namespace) -> int:
    """Tells of each thing that was looked at; returns 1 if something is wrong."""
    from tenure.training.engine.checking import findings

    given = configs.own_options(given, _options)
    wrong = 0
    for found in findings(configs.read(given, check=False), measure=given.compile):
        print(f"{'wrong' if found.wrong else 'ok':5}  {found.about}: {found.says}", flush=True)
        wrong += found.wrong
    print(f"{wrong} wrong" if wrong else "nothing wrong was found")
    return 1 if wrong else 0
