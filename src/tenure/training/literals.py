"""Data files that hold Python values: read as literals, or unpickled with a short list of allowed types. Nothing of them is executed."""

from __future__ import annotations

import ast
import gzip
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenure.core.errors import nearest
from tenure.training.errors import DataSetError

_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("builtins", name): value
    for name, value in {
        "set": set,
        "frozenset": frozenset,
        "dict": dict,
        "list": list,
        "int": int,
        "float": float,
        "str": str,
    }.items()
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _ALLOWED.get((module.replace("__builtin__", "builtins"), name))
        if found is None:
            raise pickle.UnpicklingError(
                f"it holds {module}.{name}; only lists, dictionaries, sets, numbers and texts are read"
            )
        return found


def read_bytes(path: str | Path, what: str = "file") -> bytes:
    """The bytes of a file, unpacked if its name ends in `.gz`.

    Raises:
      DataSetError: it is missing or cannot be read.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except FileNotFoundError:
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataSetError(f"{what} '{path}' does not exist", near=nearest(path.name, names)) from None
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise DataSetError(f"{what} '{path}' cannot be read: {error}") from None


def read_text(path: str | Path, what: str = "file") -> str:
    """The text of a file.

    Raises:
      DataSetError: it is missing, or no text.
    """
    try:
        return read_bytes(path, what).decode("utf-8")
    except UnicodeDecodeError:
        raise DataSetError(f"{what} '{path}' is no text in UTF-8") from None


def read_value(path: str | Path, what: str = "file") -> Any:
    """The value that a file holds: a pickle if its name says so (`.pkl`, `.pickle`), JSON, or a Python literal.

    Raises:
      DataSetError: it is missing, or holds something else.
    """
    name = Path(path).name.removesuffix(".gz")
    if name.endswith((".pkl", ".pickle")):
        return unpickled(read_bytes(path, what), f"{what} '{path}'")
    text = read_text(path, what)
    try:
        return ast.literal_eval(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError):
        pass
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataSetError(f"{what} '{path}' is neither a Python literal nor JSON: {error}") from None


def unpickled(content: bytes, what: str) -> Any:
    """The value of a pickle of lists, dictionaries, sets, numbers and texts.

    Raises:
      DataSetError: it holds something else, or is damaged.

    >>> unpickled(pickle.dumps({"a": [1, 2]}), "x")
    {'a': [1, 2]}
    """
    try:
        return _Unpickler(io.BytesIO(content)).load()
    except Exception as error:  # pickles raise whatever they like
        raise DataSetError(f"{what} cannot be unpickled: {error}") from None


def read_lines(path: str | Path, what: str = "file") -> list[str]:
    """The lines of a text file, or the list that a file with a literal or a pickle holds."""
    name = Path(path).name.removesuffix(".gz")
    if name.endswith((".pkl", ".pickle")):
        return list(read_value(path, what))
    text = read_text(path, what)
    if text.lstrip().startswith(("[", "{", "(")):
        try:
            return list(ast.literal_eval(text.strip()))
        except (SyntaxError, ValueError):
            pass
    return text.splitlines()
