"""Recorded engine cases: JSON lines with tagged values, arrays beside them, and data files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


class Source(str):
    """Python source that stands for a function: an expression, mostly a lambda, or one `def`."""

    __slots__ = ()


@dataclass(frozen=True)
class Case:
    """One recorded case.

    Attributes:
      id: its name, unique in all topics.
      topic: the folder that it is in.
      folder: where that is; file names in `inputs` are relative to it.
      inputs: what RETURNN was given.
      expected: what it answered.
      kind: what sort of case of its topic it is, or "".
      files: the data files that it reads.
      fields: everything that was recorded, for topics with fields of their own.
    """

    id: str
    topic: str
    folder: Path
    inputs: Mapping[str, Any]
    expected: Mapping[str, Any]
    kind: str = ""
    files: Mapping[str, Any] | list = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)


def topics(root: Path) -> list[str]:
    """The topics of a folder, sorted."""
    return sorted(path.parent.name for path in root.glob("*/cases.jsonl"))


def cases(root: Path, topic: str) -> Iterator[Case]:
    """The cases of one topic, decoded, in the order of the file."""
    folder = root / topic
    packed = folder / "arrays.npz"
    arrays: Mapping[str, np.ndarray] = np.load(packed) if packed.exists() else {}
    with (folder / "cases.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            found = decode(json.loads(line), arrays)
            yield Case(
                id=found["id"],
                topic=topic,
                folder=folder,
                inputs=found.get("inputs", {}),
                expected=found.get("expected", {}),
                kind=found.get("kind") or "",
                files=found.get("files") or {},
                fields=found,
            )


_TAGS: dict[str, Callable[[Any], Any]] = {
    "__tuple__": tuple,
    "__set__": set,
    "__dict__": dict,
    "__float__": float,
    "__bytes__": bytes.fromhex,
    "__python__": Source,
}


def decode(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """A value as it was before it was written as JSON.

    >>> decode({"__tuple__": [1, {"__float__": "-inf"}]}, {})
    (1, -inf)
    >>> decode({"__array__": [1, 2], "dtype": "int32", "shape": [2, 1]}, {}).tolist()
    [[1], [2]]
    """
    if isinstance(value, list):
        return [decode(v, arrays) for v in value]
    if not isinstance(value, dict):
        return value
    for tag, make in _TAGS.items():
        if tag in value:
            return make(decode(value[tag], arrays))
    if "__array__" in value:
        return np.array(decode(value["__array__"], arrays), dtype=value["dtype"]).reshape(value["shape"])
    if "__strings__" in value:
        return np.array(value["__strings__"], dtype=object).reshape(value["shape"])
    if "__npz__" in value:
        return arrays[value["__npz__"]]
    return {key: decode(v, arrays) for key, v in value.items()}
