"""Reading audio files."""

from __future__ import annotations

import io

import numpy as np

from tenure.training.errors import DataSetError


def read_audio(content: bytes, name: str) -> tuple[np.ndarray, int]:
    """The samples of a file (wav, flac, ogg, mp3) and how many there are a second.

    Args:
      content: of the file.
      name: for messages.

    Returns:
      [samples] float64, or [samples, channels]; and the rate.

    Raises:
      DataSetError: the package soundfile is missing, or the file cannot be read.
    """
    try:
        import soundfile
    except ImportError:
        raise DataSetError(f"'{name}' needs the package soundfile", ways=["pip install 'tenure[train]'"]) from None
    try:
        return soundfile.read(io.BytesIO(content), dtype="float64")
    except RuntimeError as error:
        says = getattr(error, "error_string", error)
        raise DataSetError(f"audio '{name}' cannot be read: {says}") from None
