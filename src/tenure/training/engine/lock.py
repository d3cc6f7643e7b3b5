"""One training at a time in a model folder: a lock that is gone with the process that holds it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from tenure.training.errors import TrainingError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

_WITHOUT = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)  # of file systems that know no locks


@contextlib.contextmanager
def held(prefix: Path) -> Iterator[Path]:
    """Keeps other trainings away from the folder of a model's checkpoints. The system lets go of the lock when the process ends, however it ends.

    Where there are no such locks (Windows, some file systems), nobody is kept away.

    Args:
      prefix: of the checkpoints: "net/model" has the lock file "net/.training.lock", which is removed in the end.

    Raises:
      TrainingError: another training holds the lock, or the folder cannot be written to.
    """
    path = prefix.with_name(".training.lock")
    file = _locked(path, prefix)
    try:
        # who it is, is for messages only: a full disk stops a training when it saves
        with contextlib.suppress(OSError):
            os.ftruncate(file, 0)
            os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield path
    finally:
        path.unlink(missing_ok=True)  # before others can have it: see _locked
        os.close(file)


def _locked(path: Path, prefix: Path) -> int:
    """The lock file, open and locked. Who held it before may have removed the file in between: then a new one is made."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        except OSError as error:
            raise TrainingError(
                f"checkpoints cannot be written to '{path.parent}': {error.strerror}", ways=["another 'model'"]
            ) from None
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 200).decode("utf-8", "replace").strip()
            os.close(file)
            raise TrainingError(
                f"another training writes to the folder '{prefix.parent}': {holder or 'another process'}",
                ways=["wait until it has ended", "a 'model' in another folder, and another 'learning_rate_file'"],
            ) from None
        except OSError as error:
            if error.errno not in _WITHOUT:
                os.close(file)
                raise
        if _is_there(file, path):
            return file
        os.close(file)


def _is_there(file: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), path.stat())
    return False
