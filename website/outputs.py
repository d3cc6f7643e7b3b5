"""Runs the Python of a page from top to bottom, and compares what it prints with what the page shows.

    python -m website.outputs docs/errors.md            # compares
    python -m website.outputs --write docs/errors.md    # writes what is printed into the page

A block of `text` behind a block of `python` is what the latter prints, or the error with which it ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAIR = re.compile(r"^```python[^\n]*\n(?P<code>.*?)^```\n(?:\n```text\n(?P<shown>.*?)^```\n)?", re.S | re.M)


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of Python that has run.

    Attributes:
      code: the block.
      shown: what the page says that it prints; None if it says nothing.
      printed: what it printed, and at the end the error that it raised.
      error: that error.
    """

    code: str
    shown: str | None
    printed: str
    error: Exception | None


def blocks(page: Path) -> Iterator[Block]:
    """Runs the blocks of a page, in one namespace."""
    names: dict[str, Any] = {"__name__": "page"}
    for found in PAIR.finditer(page.read_text(encoding="utf-8")):
        printed, error = io.StringIO(), None
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile(found["code"], "model.py", "exec"), names)
            except Exception as e:
                error = e
        text = printed.getvalue() + (f"{type(error).__name__}: {error}\n" if error else "")
        yield Block(found["code"], found["shown"], _trimmed(text), error)


def problem(block: Block) -> str:
    """How the page shows something else than the block prints, or that the block fails; "" if all is well."""
    if block.error and not (block.shown or "").strip():
        return f"{block.code}\n{type(block.error).__name__}: {block.error}"
    if block.shown is not None and _trimmed(block.shown) != block.printed:
        return f"{block.code}\nshows\n{block.shown}\nprints\n{block.printed}"
    return ""


def written(page: Path) -> str:
    """The page, with what its code prints."""
    ran = blocks(page)

    def fill(found: re.Match[str]) -> str:
        block = next(ran)
        if found["shown"] is None:
            return found.group()
        return f"{found.group()[: found.start('shown') - found.start()]}{block.printed}```\n"

    return PAIR.sub(fill, page.read_text(encoding="utf-8"))


def _trimmed(text: str) -> str:
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    wrong = []
    for path in map(Path, [x for x in sys.argv[1:] if x != "--write"]):
        if "--write" in sys.argv:
            path.write_text(written(path), encoding="utf-8")
        else:
            wrong += [f"{path}: {found}" for found in map(problem, blocks(path)) if found]
    print("\n".join(wrong))
    sys.exit(bool(wrong))
