"""Which cases are in scope, and the score of many."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tenure.returnn.replay.check import PARTS, Verdict

_TITLES = {
    "constructs": "(a) constructs",
    "params": "(b) same params",
    "layers": "(c) layers",
    "losses": "(d) losses",
    "grads": "(e) grads",
}


def rows(folder: Path) -> list[dict[str, Any]]:
    """The cases of a folder: one row each, from its index, or from the files where there is none."""
    index = folder / "index.json"
    if index.exists():
        return json.loads(index.read_text())
    found = []
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text())
        found.append(
            {
                "id": data["id"],
                "file": path.name,
                "kind": data.get("kind", "values"),
                "flags": data.get("flags", []),
                "classes": data.get("classes", []),
            }
        )
    return found


def out_of_scope(row: Mapping[str, Any]) -> str:
    """Why a case is not one of a network alone: it is one of an optimizer. "" if it is.

    >>> out_of_scope({"kind": "train_steps"}), out_of_scope({"flags": ["rec", "search"]})
    ('train_steps', '')
    """
    trains = row.get("kind") == "train_steps" or "train_steps" in row.get("flags", ())
    return "train_steps" if trains else ""


def summary(verdicts: Iterable[Verdict]) -> str:
    """The score by part, the classes that fail most, and last how many cases pass."""
    verdicts = list(verdicts)
    lines = []
    for part in PARTS:
        held = sum(v.parts.get(part, False) for v in verdicts)
        lines.append(f"{_TITLES[part]:<18}{held:>6} of {len(verdicts)}")
    equal, total = (sum(v.layers[i] for v in verdicts) for i in (0, 1))
    lines.append(f"{'    equal layers':<18}{equal:>6} of {total}")
    failing = [v for v in verdicts if not v.passed]
    ranked = collections.Counter(v.blame or "(unknown)" for v in failing).most_common()
    if ranked:
        lines += ["", "failing, by the class that is wrong first:"]
        lines += [f"  {count:>4}  {name}" for name, count in ranked]
    lines += ["", f"replay: {len(verdicts) - len(failing)} of {len(verdicts)} cases pass"]
    return "\n".join(lines)


def as_json(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """The same for programs."""
    verdicts = list(verdicts)
    return {
        "passed": sum(v.passed for v in verdicts),
        "cases": len(verdicts),
        "parts": {part: sum(v.parts.get(part, False) for v in verdicts) for part in PARTS},
        "equal_layers": [sum(v.layers[i] for v in verdicts) for i in (0, 1)],
        "results": [
            {
                "id": v.id,
                "passed": v.passed,
                "parts": v.parts,
                "problems": v.problems,
                "blame": v.blame,
                "seconds": round(v.seconds, 3),
            }
            for v in verdicts
        ],
    }
