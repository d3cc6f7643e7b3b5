"""Some hypotheses of the last search, kept for the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenure.training.files import write_text

_MOST = 12
_LONGEST = 2000  # characters of a text


def keep(path: Path, epoch: int, found: Mapping[str, str], wanted: Mapping[str, str] | None = None) -> None:
    """Keeps some hypotheses.

    Args:
      path: of the file.
      epoch: whose network has found them.
      found: hypotheses by tag.
      wanted: references by tag, where they are known.
    """
    wanted = wanted or {}
    tags = list(found)[:_MOST]
    examples = [{"tag": tag, "found": found[tag][:_LONGEST]} for tag in tags]
    for example in examples:
        if example["tag"] in wanted:
            example["wanted"] = wanted[example["tag"]][:_LONGEST]
    write_text(path, json.dumps({"epoch": epoch, "examples": examples}, indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> dict[str, Any]:
    """What was kept; nothing if there is none, or if it cannot be read."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(kept, dict) or not _are_examples(kept.get("examples")):
        return {}
    epoch = kept.get("epoch")
    return {"epoch": epoch if isinstance(epoch, int) else None, "examples": kept["examples"][:_MOST]}


def _are_examples(examples: Any) -> bool:
    return isinstance(examples, Sequence) and all(isinstance(example, Mapping) for example in examples)
