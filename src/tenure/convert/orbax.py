"""Orbax checkpoint folders, through the library `orbax-checkpoint`. Names have '/' between."""

from __future__ import annotations

import contextlib
import functools
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenure.convert.cursor import size_of
from tenure.convert.errors import FileError, damaged, name_of, unwritable
from tenure.convert.trees import flattened, nested
from tenure.convert.weights import Tensor, Weights

_FREE, _RATIO = 64 << 20, 1000  # bytes that any folder may unpack to, and how many times its own size beyond
MARKS = ("_CHECKPOINT_METADATA", "_METADATA", "manifest.ocdbt")


def _library() -> Any:
    try:
        import orbax.checkpoint as ocp
    except ImportError:
        raise FileError(
            "orbax folders are read with orbax-checkpoint, which is not installed",
            ways=["pip install 'tenure[convert]'"],
        ) from None
    return ocp


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the library logs and warns of: what matters is raised."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def read(path: str | Path) -> Weights:
    """The arrays of a checkpoint of one tree, or of the one item `default` or `params` or `state` in it.

    Raises:
      FileError: it is damaged.
    """
    folder = _item(Path(path).absolute())
    ocp = _library()
    with _quiet(), _told(path):
        checkpointer = ocp.PyTreeCheckpointer()
        metadata = checkpointer.metadata(folder)
        tree = getattr(metadata, "item_metadata", metadata)
        tree = getattr(tree, "tree", tree)
        forms = flattened(tree)
    _check_size(path, folder, forms)
    restored: dict[str, Any] = {}

    def load(name: str) -> np.ndarray:
        if not restored:
            with _quiet(), _told(path):
                restored.update(flattened(checkpointer.restore(folder)))
        value = np.asarray(restored[name])
        if value.shape != tuple(forms[name].shape):
            raise damaged(path, f"the array '{name}'", f"its shape is {value.shape}, and {forms[name].shape} is said")
        return value

    tensors = {
        name: Tensor(tuple(form.shape), np.dtype(form.dtype), functools.partial(load, name))
        for name, form in forms.items()
        if getattr(form, "dtype", None) is not None and getattr(form, "shape", None) is not None
    }
    return Weights(path, "orbax", tensors)


@contextlib.contextmanager
def _told(path: Any) -> Iterator[None]:
    """Whatever the library raises as an error that names the folder."""
    try:
        yield
    except FileError:
        raise
    except Exception as error:
        raise damaged(path, "the checkpoint", f"orbax says: {type(error).__name__}: {str(error)[:300]}") from None


def _item(folder: Path) -> Path:
    if not folder.is_dir():
        raise FileError(f"'{name_of(folder)}' is no folder", ways=["check the path"])
    for name in ("default", "params", "state"):
        if (folder / name / "_METADATA").is_file():
            return folder / name
    return folder


def _check_size(path: Any, folder: Path, forms: Mapping[str, Any]) -> None:
    stored = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    total = 0
    for name, form in forms.items():
        dtype, shape = getattr(form, "dtype", None), getattr(form, "shape", None)
        if dtype is None or shape is None:
            continue
        size = size_of(tuple(int(n) for n in shape), np.dtype(dtype))
        if size is None:
            raise damaged(path, f"the array '{name}'", f"its shape is {tuple(shape)}")
        total += size
    if total > _FREE + _RATIO * stored:
        raise damaged(path, "the checkpoint", f"{stored:,} bytes would unpack to {total:,}")


def write(path: str | Path, values: Mapping[str, Any]) -> None:
    """A folder that orbax restores as nested dicts of arrays.

    Args:
      path: the folder; one that is there gives way.
      values: arrays by name, with '/' between the names of dicts.

    Raises:
      UnsupportedFileError: an array that is none of numbers.
      FileError: orbax-checkpoint is not installed.
    """
    ocp = _library()
    arrays = {name: np.asarray(value) for name, value in values.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "biufcV":
            raise unwritable(path, name, array.dtype)
    folder = Path(path).absolute()
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    with _quiet():
        ocp.PyTreeCheckpointer().save(temporary, nested(arrays))
    if folder.exists():
        shutil.rmtree(folder)
    temporary.rename(folder)


__all__ = ["MARKS", "read", "write"]
