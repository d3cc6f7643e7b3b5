"""``python -m examples.adapt --help``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from examples.translate.corpus import CorpusError

DESCRIPTION = """\
Teaches the English-German translator of `make demo` another language, with a low-rank adapter (LoRA) on the one
matrix that is its source embedding, its target embedding and, transposed, its output. All else stays frozen.

  --where owner   the adapter is on the owner: all three users see it, and it is merged without changing an output
  --where output  the adapter is on one use, the output: merging it would change the others, so it must be untied first"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.adapt", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--where", choices=("owner", "output"), default="owner", help="which users see the adapter (default: owner)")
    add("--language", default="nl", help="to translate into: a code such as fr, nl, sv (default: %(default)s)")
    add("--rank", type=int, default=32, help="of the adapter (default: %(default)s)")
    add("--minutes", type=float, default=2.5, help="be done within so many, test included (default: %(default)s)")
    add("--steps", type=int, help="end training after so many steps instead")
    add("--rate", type=float, default=1e-2, help="highest learning rate (default: %(default)s)")
    add("--start", type=Path, default=Path("runs/translate"), help="the trained translator (default: %(default)s)")
    add("--out", type=Path, help="adapter, ledger and scores (default: runs/adapt-WHERE)")
    add("--cache", type=Path, default=Path(os.environ.get("TENURE_CACHE") or ".cache/tenure"), help="of the download")
    add("--pairs", type=Path, help="your own pairs instead: component, English, other language, tab-separated")
    add(
        "--held-out",
        type=int,
        default=300,
        help="pairs for validation, and as many for the test (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    options.out = options.out or Path(f"runs/adapt-{options.where}")
    return options


def main() -> int:
    """Runs the job; returns the exit code."""
    options = parse()
    try:
        from .job import run  # here, so that --help need not wait for JAX

        return run(options)
    except (CorpusError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
