"""The command line: what can be chosen, and what is chosen if nothing is said."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

DESCRIPTION = """\
Trains an English-German translator on about 23,500 sentence pairs of interface texts.
The source embedding, the target embedding and the output projection are one matrix.
Run it again and it continues from where it was; ctrl-C saves first."""

LONG = 20.0
"""Minutes from which on a run sees the data often enough to need more dropout."""
LONG_DROPOUT = 0.25


@dataclass(frozen=True)
class Options:
    """All choices of one run; the command line's options have the same names."""

    minutes: float = 5.0
    steps: int | None = None
    untied: bool = False
    fresh: bool = False
    out: Path = Path("runs/translate")
    cache: Path = Path(".cache/tenure")
    pairs: Path | None = None
    held_out: int = 500
    vocabulary: int = 4000
    width: int = 128
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    rate: float = 5e-3
    tokens: int = 512
    beam: int = 4
    seed: int = 0
    translate: tuple[str, ...] = ()


def parse(arguments: list[str] | None = None) -> Options:
    """The command line as `Options`."""
    given = vars(_parser().parse_args(arguments))
    untied = "-untied" if given["untied"] else ""
    given["out"] = Path(given["out"] or f"runs/translate{untied}")
    given["cache"] = Path(given["cache"]).expanduser()
    given["translate"] = tuple(given["translate"])
    if given["dropout"] is None:
        given["dropout"] = LONG_DROPOUT if given["minutes"] >= LONG else Options.dropout
    return Options(**given)


def _parser() -> argparse.ArgumentParser:
    usual = Options()
    parser = argparse.ArgumentParser(
        prog="python -m examples.translate",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_run(parser.add_argument_group("the run"), usual)
    _add_places(parser.add_argument_group("files"), usual)
    _add_model(parser.add_argument_group("model and training (a run keeps its own)"), usual)
    return parser


def _add_run(group: argparse._ArgumentGroup, usual: Options) -> None:
    add = group.add_argument
    add(
        "--minutes",
        type=_positive,
        default=usual.minutes,
        metavar="M",
        help="be done within M minutes, download and test included (default: %(default)g)",
    )
    add("--steps", type=int, metavar="N", help="end training after N steps instead; N in all runs")
    add("--untied", action="store_true", help="three matrices, for comparison")
    add("--fresh", action="store_true", help="do not continue: start over")
    add(
        "--translate",
        action="append",
        default=[],
        metavar="TEXT",
        help="translate TEXT with the trained model and do nothing else; may be repeated",
    )


def _add_places(group: argparse._ArgumentGroup, usual: Options) -> None:
    add = group.add_argument
    add("--out", metavar="DIR", help="checkpoint, vocabulary, curve and ledger (default: runs/translate[-untied])")
    add(
        "--cache",
        metavar="DIR",
        default=os.environ.get("TENURE_CACHE") or str(usual.cache),
        help="download and compiled programs (default: $TENURE_CACHE, or .cache/tenure)",
    )
    add(
        "--pairs",
        type=Path,
        metavar="FILE",
        help="your own pairs instead: lines of component, English, German, tab-separated",
    )
    add(
        "--held-out",
        type=int,
        metavar="N",
        default=usual.held_out,
        help="pairs for validation, and as many for the test (default: %(default)s)",
    )


def _add_model(group: argparse._ArgumentGroup, usual: Options) -> None:
    add = group.add_argument
    for name, help in (
        ("vocabulary", "subword pieces, for both languages together"),
        ("width", "size of the embeddings and of the layers"),
        ("layers", "of the encoder, and as many of the decoder"),
        ("heads", "of each attention"),
        ("rate", "highest learning rate"),
        ("tokens", "positions in a batch"),
        ("beam", "hypotheses in the search"),
        ("seed", "of initial values, order and dropout"),
    ):
        value = getattr(usual, name)
        add(f"--{name}", type=type(value), default=value, metavar="N", help=f"{help} (default: %(default)g)")
    add(
        "--dropout",
        type=float,
        metavar="P",
        help=f"probability (default: {usual.dropout:g}; {LONG_DROPOUT:g} from {LONG:g} minutes on)",
    )


def _positive(text: str) -> float:
    if (value := float(text)) <= 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return value
