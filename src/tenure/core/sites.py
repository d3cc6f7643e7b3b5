"""Where in the program something was asked for: `lm.py:31`."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import traceback
from types import CodeType, FrameType
from typing import Any, NamedTuple

import jax

_CORE = os.path.dirname(__file__) + os.sep
_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_JAX = os.path.dirname(jax.__file__) + os.sep
_CACHING = {
    "ad_checkpoint.py": "jax.checkpoint",
    "control_flow": "jax.lax.scan, cond, while_loop or the like",
    "custom_derivatives.py": "jax.custom_jvp or custom_vjp",
    "shard_map.py": "jax.shard_map",
    "pmap.py": "jax.pmap",
    "pjit.py": "jax.jit",
}
_GENERATED = ("<string>", "<frozen", "<attrs")  # code of dataclasses and the like; "<stdin>" is a user's program


class Site(NamedTuple):
    """A line of the program.

    Attributes:
      file: the file's path as Python knows it.
      line: its line.
      code: the code object of the first caller outside of the core, for telling two askers apart.
      at: the line in that code object.
    """

    file: str
    line: int
    code: CodeType | None
    at: int

    def __str__(self) -> str:
        if not self.file or os.path.basename(self.file) == "tenure":  # the command itself is no line of a program
            return ""
        return f"{_short(self.file)}:{self.line}"

    def __reduce__(self) -> Any:
        return Site, (self.file, self.line, None, self.at)  # another process has other code

    @property
    def in_package(self) -> bool:
        """Whether a layer of this package asked, on behalf of the program."""
        return self.code is not None and _room(self.code.co_filename) == 1

    def same_asker(self, other: Site) -> bool:
        """Whether both are the same line of code, run again."""
        return self.code is other.code and self.at == other.at


NOWHERE = Site("", 0, None, 0)


def _short(file: str) -> str:
    if cell := _cell(file):
        return cell
    try:
        here = os.getcwd() + os.sep
    except OSError:  # the directory is gone
        return os.path.basename(file)
    return file[len(here) :] if file.startswith(here) else os.path.basename(file)


def _cell(file: str) -> str:
    """`In[3]`, if the file is a cell of a notebook, whose name on disk says nothing."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    named = getattr(getattr(shell, "compile", None), "format_code_name", lambda file: None)(file)
    return named[1] if named else ""


@functools.cache
def _room(file: str) -> int:
    """2 for code of the core, of JAX, or that Python makes; 1 for the rest of the package; 0 for the user's program."""
    if file.startswith((_CORE, _JAX, *_GENERATED)) or "contextlib" in file:
        return 2
    return 1 if file.startswith(_PACKAGE) else 0


def call_site() -> Site:
    """The nearest line of the user's program on the stack, and the nearest line outside of the core."""
    frame = _outwards(sys._getframe(1), 1)
    if frame is None:
        return NOWHERE
    user = _outwards(frame, 0) or frame
    return Site(user.f_code.co_filename, user.f_lineno, frame.f_code, frame.f_lineno)


def user_site(frame: FrameType | None) -> Site:
    """The nearest line of the user's program, from `frame` outwards."""
    user = _outwards(frame, 0)
    return Site(user.f_code.co_filename, user.f_lineno, None, 0) if user else NOWHERE


def _outwards(frame: FrameType | None, most: int) -> FrameType | None:
    """The nearest frame, outwards, whose code is of a room up to `most`."""
    while frame is not None and _room(frame.f_code.co_filename) > most:
        frame = frame.f_back
    return frame


def opener() -> int:
    """The identity of the Python frame that enters the context manager which calls this function."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (
        frame.f_code.co_flags & inspect.CO_GENERATOR or "contextlib" in frame.f_code.co_filename
    ):
        frame = frame.f_back
    return id(frame)


def caching_transform(start: int) -> tuple[str, Site] | None:
    """The JAX transformation between a Python frame and the caller that skips Python code it has traced before.

    jax.vmap, jax.grad and jax.jvp run the Python code each time; jit, checkpoint, scan, cond and the like do not.

    Args:
      start: `opener()` of the context that the code belongs to: the model's function, or the body of one of Tenure's own
        transformations. What is outside of that traces the whole model, and skips no line of it.

    Returns:
      The transformation's name, and the line that called it; None if there is none.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and id(frame) != start:
        file = frame.f_code.co_filename
        found = [name for part, name in _CACHING.items() if part in file] if file.startswith(_JAX) else []
        if found:
            return found[0], user_site(frame)
        frame = frame.f_back
    return None


def raised_at(error: BaseException) -> Site:
    """The innermost line of the user's program that an error went through."""
    found = NOWHERE
    for frame, line in traceback.walk_tb(error.__traceback__):
        if _room(frame.f_code.co_filename) == 0:
            found = Site(frame.f_code.co_filename, line, frame.f_code, line)
    return found
