"""Options of data sets that come from a config's own keys, where the data set does not say them itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEYS = {  # a key of the config, and the option of data sets
    "window": "window",
    "context_window": "context_window",
    "chunking": "chunking",
    "batching": "seq_ordering",
    "shuffle_frames_of_nseqs": "shuffle_frames_of_nseqs",
    "min_chunk_size": "min_chunk_size",
    "chunking_variance": "chunking_variance",
}
_ZERO_IS_ABSENT = ("window", "context_window", "shuffle_frames_of_nseqs", "min_chunk_size")


def training_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the data to train on.

    >>> training_options({"chunking": "50:25", "batching": "random"})
    {'chunking': '50:25', 'seq_ordering': 'random', 'chunking_variance': 0}
    """
    found = {}
    for key, option in _KEYS.items():
        value = config.get(key, 0 if key == "chunking_variance" else None)
        if value is None or (key in _ZERO_IS_ABSENT and value == 0):
            continue
        found[option] = value
    return found


def evaluation_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options of data to evaluate on: whole sequences, sorted by length.

    >>> evaluation_options({"chunking": "50:25", "batching": "random"})
    {'chunking': '0', 'seq_ordering': 'sorted', 'chunking_variance': 0, 'shuffle_frames_of_nseqs': 0}
    """
    chunking = "0"
    if config.get("on_size_limit") == "chunk":
        chunking = str(config.get("batch_size", "0"))
    elif str(config.get("chunking")) == "1":
        chunking = "1"
    return {
        **training_options(config),
        "chunking": chunking,
        "seq_ordering": "sorted",
        "shuffle_frames_of_nseqs": 0,
    }
