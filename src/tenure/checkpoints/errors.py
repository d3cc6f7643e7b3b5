"""What can go wrong with a checkpoint."""

from __future__ import annotations

import importlib
from typing import Any

from tenure.core.errors import TenureError


class CheckpointError(TenureError):
    """A checkpoint that can not be written, found or read."""


class ExistingPathError(CheckpointError):
    """The path to save to exists already."""


class DamagedError(CheckpointError):
    """A file is not as it was written: cut, changed, or never finished."""


class NewerFormatError(CheckpointError):
    """The checkpoint was written by a later version of Tenure, in a format that this one does not know."""


class ContentError(CheckpointError):
    """File and model do not hold the same leaves: missing, unexpected, of another shape or dtype."""


class StagedFileError(CheckpointError):
    """The stages of a weight in the file and in the model differ, and nothing leads from one to the other."""


class MissingLibraryError(CheckpointError):
    """An optional library is needed and not installed."""


def library(name: str, extra: str) -> Any:
    """An optional library, imported when it is needed.

    Args:
      name: the module's.
      extra: of this package, which installs it.

    Raises:
      MissingLibraryError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingLibraryError(
            f"checkpoints need the library '{name.partition('.')[0]}', which is not installed",
            ways=[f"pip install 'tenure[{extra}]'"],
        ) from None
