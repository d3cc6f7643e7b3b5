"""`tenure convert IN OUT --map rules.toml`: weights from one format into another, under new names, through views."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tenure.cli import files

HELP = "convert weights between formats, with rules for names and views"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    files.reading(parser, "input")
    parser.add_argument("output", type=Path, help="the file to write; a name without an ending is a Tenure checkpoint")
    files.mapping(parser)
    parser.add_argument("--to", metavar="FORMAT", help="the format of the output, where its name does not tell")
    parser.add_argument("--force", action="store_true", help="replace an existing output")


def run(given: argparse.Namespace) -> int:
    """Converts, and says what was written."""
    from tenure import convert

    weights = convert.apply(files.read(given.input, given), files.rules(given))
    left = _left_out(weights, given.group) if weights.format == "tenure" else ""
    if left and given.output.exists() and given.output.samefile(given.input):
        raise convert.FileError(
            f"'{given.output}' is the checkpoint that is read, and would lose {left}", ways=["write to another path"]
        )
    convert.write(given.output, weights, given.to, force=given.force)
    total = sum(tensor.count for tensor in weights.tensors.values())
    print(f"{given.output}: {len(weights.tensors)} tensors, {total:,} values, {len(weights.ties)} ties")
    copied = convert.copied(given.output, weights, given.to)
    for name, kept in weights.ties.items():
        print(f"  {name} = {kept}" + ("  (written as a copy)" if name in copied else ""))
    if left:
        print(f"  not written: {left} of the checkpoint {given.input}")
    return 0


def _left_out(weights: Any, group: str) -> str:
    """What a checkpoint holds beside the tensors that are converted."""
    others = weights.about.get("other groups") or {}
    said = [f"{name} ({count} tensors, --group {name})" for name, count in others.items()]
    said += [f"the {key}" for key in ("step", "metadata") if weights.about.get(key) is not None and group == "params"]
    return ", ".join(said)
