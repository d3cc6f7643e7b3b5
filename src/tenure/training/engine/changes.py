"""What the batches of an epoch are made of, so that a training that goes on can say what has changed since it was stopped.

Nothing is loaded for that: of data sets, their options, files, sequences and labels are looked at; of a file, its size and some of its bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenure.core.errors import brief
from tenure.training.data.base import DataSet, Epoch

Basis = dict[str, dict[str, str]]
_KEYS = (
    *("random_seed", "batch_size", "packed_batch_size", "max_seqs", "max_seq_length", "min_seq_length", "max_pad_size"),
    *("max_total_num_seqs", "seq_drop", "chunking", "chunking_variance", "min_chunk_size", "context_window", "window"),
    *("batching", "recurrent_net", "buckets", "accum_grad_multiple_step"),
)
_FILES, _SAMPLES, _BYTES = 1000, 16, 4096  # of each file, so many pieces of so many bytes are looked at
_PARTS = ("part", "inner")  # attributes of data sets that are made of one
_SEQUENCES = 1_000_000  # whose tags are looked at, at most


def basis(config: Mapping[str, Any], options: Any, defaults: Mapping[str, Any], data: DataSet, epoch: Epoch) -> Basis:
    """What an epoch is made of, as texts that are equal where nothing has changed.

    Args:
      config: key → value.
      options: of the data set that is trained on.
      defaults: options that hold where it says nothing.
      data: the data set.
      epoch: its sequences.
    """
    flat = dict(_flat({**defaults, **options} if isinstance(options, Mapping) else {}))
    count = data.count()
    return {
        "keys": {key: brief(config[key]) for key in _KEYS if key in config},
        "options": {name: _shown(value) for name, value in flat.items()},
        "files": {
            name: _file(name) for name in _named([*flat.values(), *(list(d.files_read) for d in _with_parts(data))])
        },
        "labels": {key: f"{s.dim} {_digest(s.labels or ())}" for key, s in data.streams.items() if s.sparse},
        "sequences": {
            "count": str(count),
            "tags": _digest(data.tags) if count <= _SEQUENCES and all(d.knows_tags for d in _with_parts(data)) else "",
            "order": ""
            if isinstance(epoch.indices, range)
            else _digest_of(np.asarray(epoch.indices, np.int64).tobytes()),
        },
    }


def _flat(options: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in options.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _shown(value: Any) -> str:
    """A value of an option; of data themselves, how many there are."""
    if isinstance(value, str | int | float | None):
        return brief(value)
    if isinstance(value, list | tuple) and all(isinstance(entry, str | int | float) for entry in value[:100]):
        return brief(value[:100]) + (f" … of {len(value)}" if len(value) > 100 else "")
    count = f" of {len(value)}" if hasattr(value, "__len__") else ""
    return getattr(value, "__name__", type(value).__name__) + count


def _with_parts(data: Any) -> Iterator[DataSet]:
    """A data set and those that it is made of."""
    yield data
    parts = getattr(data, "parts", ())
    for part in [*(parts.values() if isinstance(parts, Mapping) else parts), *(getattr(data, n, None) for n in _PARTS)]:
        if isinstance(part, DataSet):
            yield from _with_parts(part)


def _named(values: Iterable[Any]) -> list[str]:
    """The files that options name."""
    found: dict[str, None] = {}
    for value in values:
        for name in value[:_FILES] if isinstance(value, list | tuple) else (value,):
            if isinstance(name, str | Path) and os.path.isfile(name):
                found[str(name)] = None
        if len(found) >= _FILES:
            break
    return list(found)


def _file(name: str) -> str:
    """The size of a file, and a digest of samples of it."""
    pieces = []
    try:
        with Path(name).open("rb") as file:
            size = file.seek(0, 2)
            for at in np.linspace(0, max(size - _BYTES, 0), _SAMPLES).astype(np.int64):
                file.seek(int(at))
                pieces.append(file.read(_BYTES))
    except OSError as error:  # whatever is trained is saved all the same
        return f"unknown {error.strerror}"
    return f"{size} {_digest_of(b''.join(pieces))}"


def _digest(texts: Iterable[Any]) -> str:
    return _digest_of("\0".join(map(str, texts)).encode("utf-8", "surrogateescape"))


def _digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def contents(before: Basis, now: Basis) -> list[str]:
    """The changes after which an epoch must not go on, whatever its batches are: of what is trained on, and of random numbers.

    >>> contents({"files": {"a.hdf": "10 x"}, "sequences": {"count": "3"}}, {"files": {"a.hdf": "10 y"}, "sequences": {"count": "3"}})
    ["the file 'a.hdf' is another one"]
    """
    found = []
    for name in sorted(before.get("files", {}).keys() & now.get("files", {}).keys()):
        if before["files"][name] != now["files"][name] and "unknown" not in (
            before["files"][name] + now["files"][name]
        ):
            sizes = [of["files"][name].split()[0] for of in (before, now)]
            what = f"has {sizes[1]} bytes, and had {sizes[0]}" if sizes[0] != sizes[1] else "is another one"
            found.append(f"the file '{name}' {what}")
    was, has = before.get("sequences", {}), now.get("sequences", {})
    if was.get("count") != has.get("count"):
        found.append(f"there are {has.get('count')} sequences, and were {was.get('count')}")
    elif was.get("tags") and has.get("tags") and was["tags"] != has["tags"]:
        found.append("sequences have other names, or another order in the data")
    found += [
        f"the vocabulary of {key!r} is another one ({has_} labels, and {was_} before)"
        for key in sorted(before.get("labels", {}).keys() & now.get("labels", {}).keys())
        if before["labels"][key] != now["labels"][key]
        for was_, has_ in [(before["labels"][key].split()[0], now["labels"][key].split()[0])]
    ]
    return found + [change for change in _values(before, now, "keys") if change.startswith("random_seed ")]


def settings(before: Basis, now: Basis) -> list[str]:
    """The changes that may be why batches are other ones.

    >>> settings({"keys": {"max_seqs": "4", "seq_drop": "0.1"}}, {"keys": {"max_seqs": "5"}})
    ['max_seqs is 5, and was 4', 'seq_drop is not set, and was 0.1']
    """
    found = [*_values(before, now, "keys"), *_values(before, now, "options", "train's option ")]
    if not found and before.get("sequences", {}).get("order") != now.get("sequences", {}).get("order"):
        found.append("the order of sequences is another one")
    return found


def _values(before: Basis, now: Basis, group: str, called: str = "") -> list[str]:
    a, b = before.get(group, {}), now.get(group, {})
    return [
        f"{called}{key} is {b.get(key, 'not set')}, and was {a.get(key, 'not set')}"
        for key in dict.fromkeys([*a, *b])
        if a.get(key) != b.get(key)
    ]
