"""Doctests of docstrings as blocks of code: outside of a section of their own they would be taken for text."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

BLOCK = re.compile(r"(?:^[ \t]*>>> .*\n?(?:^[ \t]*\S.*\n?)*\n?(?=[ \t]*>>> )?)+", re.M)


class Fenced(griffe.Extension):
    """Wraps each run of doctest lines in a fence."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called for each object that is read."""
        if obj.docstring and ">>> " in obj.docstring.value:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """The text, with its doctests between fences."""

    def fence(found: re.Match[str]) -> str:
        return f"\n```pycon\n{textwrap.dedent(found.group()).rstrip()}\n```\n\n"

    return BLOCK.sub(fence, text)
