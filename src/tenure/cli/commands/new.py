"""`tenure new KIND DIR`: a project that runs: a config, a script that prepares its data, and a README."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

HELP = "make a project that runs: config, data preparation, README"
KINDS = {
    "translate": "English to German, with attention and beam search",
    "asr": "speech to letters, with CTC",
    "lm": "a language model with self-attention",
    "g2p": "words to phonemes, with attention and beam search",
}
_END = ".in"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    told = "; ".join(f"{name}: {says}" for name, says in KINDS.items())
    parser.add_argument("kind", metavar="KIND", help=told)
    parser.add_argument("folder", metavar="DIR", type=Path, help="where it is made; it must not be there, or be empty")
    parser.epilog = "Example: tenure new g2p words; cd words; python prepare.py; tenure train config.py"


def run(given: argparse.Namespace) -> int:
    """Makes the project."""
    made = make(given.kind, given.folder)
    print("\n".join(str(path) for path in made))
    print(f"\nnext:\n  cd {given.folder}\n  python prepare.py\n  tenure check config.py\n  tenure train config.py")
    return 0


def make(kind: str, folder: Path) -> list[Path]:
    """Writes the files of a project.

    Args:
      kind: one of `KINDS`.
      folder: where.

    Returns:
      The paths of the files.

    Raises:
      ConfigError: there is no such kind, or the folder has something in it.
    """
    from tenure.core.errors import nearest
    from tenure.training.errors import ConfigError
    from tenure.training.files import write_text

    if kind not in KINDS:
        raise ConfigError(
            f"there is no project {kind!r}", near=nearest(kind, KINDS), ways=[f"tenure new {k} DIR" for k in KINDS]
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"'{folder}' is there, and not an empty folder", ways=["another name", f"remove '{folder}'"])
    made = []
    for name, text in files(kind):
        write_text(folder / name, text)
        made.append(folder / name)
    return made


def files(kind: str) -> Iterator[tuple[str, str]]:
    """Names and texts of a project's files."""
    source = resources.files("tenure.cli").joinpath("projects").joinpath(kind)
    for file in sorted(source.iterdir(), key=lambda f: f.name):
        if file.name.endswith(_END):
            yield file.name.removesuffix(_END), file.read_text(encoding="utf-8")
