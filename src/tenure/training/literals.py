"""Data files that hold Python values: read as literals, or unpickled with a short list of allowed types. Nothing of them is executed."""

from __future__ import annotations

import ast
import gzip
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenure.core.errors import nearest
from tenure.training.errors import DataSetError

LARGE, RATIO = 64 << 20, 200  # bytes, and how many times more than packed, that are too much together
NO_LITERAL = (SyntaxError, ValueError, RecursionError, MemoryError, TypeError)  # what `ast.literal_eval` raises
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
        return _unpacked(content, f"{what} '{path}'") if path.suffix == ".gz" else content
    except FileNotFoundError:
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataSetError(f"{what} '{path}' does not exist", near=nearest(path.name, names)) from None
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise DataSetError(f"{what} '{path}' cannot be read: {error}") from None


def _unpacked(content: bytes, what: str) -> bytes:
    """The bytes of a gzip file, as long as they are not absurdly many for what was packed."""
    most = max(LARGE, RATIO * len(content))
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise too_large(what, most)
    return found


def read_member(file: zipfile.ZipFile, name: str, what: str) -> bytes:
    """The bytes of a file of a zip file.

    Raises:
      KeyError: there is none.
      DataSetError: it is packed so that it unpacks to absurdly much.
    """
    most = max(LARGE, RATIO * file.getinfo(name).compress_size)
    with file.open(name) as member:
        found = member.read(most + 1)
    if len(found) > most:
        raise too_large(f"'{name}' of {what}", most)
    return found


def too_large(what: str, most: int) -> DataSetError:
    """The error of what unpacks to more than `most` bytes."""
    return DataSetError(
        f"{what} unpacks to more than {most >> 20} MiB, which is {RATIO} times of what it is packed to, or more",
        ways=["unpack it, and look at what it is"],
    )


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
    except NO_LITERAL:
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
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
        except NO_LITERAL:
            pass
    return text.splitlines()
