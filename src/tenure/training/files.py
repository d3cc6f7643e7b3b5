"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tenure.training.errors import TrainingError


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name beside it, and moves it into its place when it is on the disk.

    Raises:
      TrainingError: it cannot be written: no room, no right.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise TrainingError(
            f"'{path}' cannot be written: {error.strerror or error}", ways=["make room, or name another file"]
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """As `write_bytes`, with text."""
    write_bytes(path, text.encode("utf-8"))
