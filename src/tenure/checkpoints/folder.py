"""A checkpoint's folder: written beside and moved into place, or replaced by one rename, so that there is always a whole one.

A new folder is written under a hidden name next to its place, flushed to the disk, and renamed. To overwrite, the new
arrays are written into the folder under new names, and then the manifest, which says what is there, is replaced. Whoever is
interrupted leaves the old checkpoint or the new one; what else is left lies under names that no manifest names.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # not on Windows, where only one process may write to a checkpoint at a time
    fcntl = None  # type: ignore[assignment]

from tenure.checkpoints import manifest
from tenure.checkpoints.errors import CheckpointError, DamagedError, ExistingPathError
from tenure.core.errors import brief

Fill = Callable[[Path, int], dict[str, Any]]
_OURS = re.compile(
    r"(params|state|training)(-\d+)?(\.safetensors|\.ocdbt)|tenure\.json\.new"
    r"|\.tmp\w{6}"  # what safetensors writes to before it renames
    r"|(params|state|training)(-\d+)?\.ocdbt\..+"  # what orbax does
)


def as_path(path: Any) -> Path:
    """A path of a checkpoint.

    Raises:
      CheckpointError: it is none.
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path) or "\0" in str(path):
        raise CheckpointError(f"{brief(path)} is no path", ways=["tn.save('run/step_100', plan, params)"])
    return Path(path)


def commit(path: Path, fill: Fill, overwrite: bool) -> None:
    """Writes a checkpoint to a path, all or nothing.

    Args:
      path: the folder.
      fill: writes the arrays into a folder, under names for the given generation, and returns the manifest's body.
      overwrite: whether a checkpoint that is there gives way.

    Raises:
      ExistingPathError: the path exists, and is not to be overwritten, or is no checkpoint.
      CheckpointError: the disk is full, or whatever else the system says. What was there is there still.
    """
    try:
        if os.path.lexists(path):
            _check_ours(path, overwrite)
            _replace(path, fill)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            _create(path, fill)
    except CheckpointError:
        raise
    except Exception as e:
        if not isinstance(e, OSError) and type(e).__name__ != "SafetensorError":
            raise
        raise CheckpointError(
            f"'{path}' could not be written: {e}", ways=["what was there before is there still; free some space"]
        ) from e


def _check_ours(path: Path, overwrite: bool) -> None:
    if not overwrite:
        raise ExistingPathError(f"'{path}' exists already", ways=["save to another path", "overwrite=True"])
    try:
        manifest.read(path)
    except CheckpointError as e:
        if path.is_dir() and (isinstance(e, DamagedError) or not any(path.iterdir())):
            return
        raise ExistingPathError(
            f"'{path}' is no checkpoint, and is not overwritten", ways=["save to another path", "remove it yourself"]
        ) from None


def _create(path: Path, fill: Fill) -> None:
    clean_beside(path)
    temporary = path.with_name(f".{path.name}.tenure-{secrets.token_hex(6)}")
    temporary.mkdir()
    try:
        with _locked(temporary):
            body = fill(temporary, 1)
            _write(temporary / manifest.NAME, manifest.encode({**body, "generation": 1}))
            _flush(temporary)
            if os.path.lexists(path):
                raise ExistingPathError(f"'{path}' was made by somebody else meanwhile", ways=["overwrite=True"])
            os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _flush(path.parent)


def _replace(path: Path, fill: Fill) -> None:
    with _locked(path):
        clean_inside(path)
        new = path / f"{manifest.NAME}.new"
        try:
            generation = manifest.read(path)["generation"] + 1
        except CheckpointError:
            generation = 1 + max([_generation(name) for name in os.listdir(path)], default=0)
        try:
            body = fill(path, generation)
            _write(new, manifest.encode({**body, "generation": generation}))
            _flush(path)
            os.replace(new, path / manifest.NAME)
        except BaseException:
            clean_inside(path)
            raise
        _flush(path)
        clean_inside(path)


def _generation(name: str) -> int:
    found = re.match(r"[a-z]+-(\d+)\.", name)
    return int(found[1]) if found else 1


def clean_beside(path: Path) -> list[Path]:
    """Removes what an interrupted save to a path left next to it. Returns what it removed."""
    gone = []
    for left in path.parent.glob(f".{_escaped(path.name)}.tenure-*"):
        if left.is_dir() and _abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
            gone.append(left)
    return gone


def clean_inside(path: Path) -> None:
    """Removes what an interrupted save left in a checkpoint: files that its manifest does not name."""
    try:
        kept = set(manifest.read(path)["files"])
    except CheckpointError:
        return  # nothing says what belongs together
    for entry in list(path.iterdir()):
        if entry.name not in kept and _OURS.fullmatch(entry.name):
            remove(entry)


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_own(path: Path) -> None:
    """Removes a checkpoint: the files that it names, and what saves have left there; the folder, if nothing else is in it."""
    try:
        named = set(manifest.read(path)["files"])
    except CheckpointError:
        named = set()
    remove(path / manifest.NAME)  # the first, so that whoever is interrupted leaves nothing that looks whole
    for entry in list(path.iterdir()):
        if entry.name in named or _OURS.fullmatch(entry.name):
            remove(entry)
    with contextlib.suppress(OSError):  # there are files of somebody else
        path.rmdir()


def retire(path: Path) -> None:
    """Removes a checkpoint; whoever is interrupted leaves it, or debris that is no checkpoint."""
    gone = path.with_name(f".{path.name}.tenure-{secrets.token_hex(6)}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, gone)
        shutil.rmtree(gone, ignore_errors=True)


def is_debris(name: str) -> bool:
    """Whether a name is one that a save uses before it is done."""
    return name.startswith(".") and ".tenure-" in name


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _write(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush(folder: Path) -> None:
    """Makes the names in a folder last."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder is ours while we write; the system takes the lock back when a process ends, however it ends."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckpointError(
                f"another process is writing to '{folder}'", ways=["wait for it", "save to another path"]
            ) from None
        yield
    finally:
        os.close(handle)


def _abandoned(folder: Path) -> bool:
    """Whether nobody writes to a temporary folder any more."""
    try:
        with _locked(folder):
            return fcntl is not None
    except (CheckpointError, OSError):
        return False
