"""`tenure keys [WORD …]`: the table of all keys of configs, filtered by name and by class."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

HELP = "list the keys of configs: what each does, and which are not done"
CLASSES = ("done", "without-meaning", "not-done")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="only keys whose name has one of these words")
    parser.add_argument("--class", dest="state", choices=CLASSES, help="only keys of this class")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(given: argparse.Namespace) -> int:
    """Shows the keys that fit; returns 1 if there are none."""
    found = matching(given.words, given.state)
    if given.json:
        print(json.dumps([vars(key) for key in found], indent=1))
    elif found:
        print("\n".join(lines(found)))
    else:
        print("no key fits" + _nearest(given.words))
    return 0 if found else 1


def matching(words: Sequence[str], state: str | None = None) -> list[Any]:
    """The keys whose names have one of the words, in the order of the table.

    Args:
      words: parts of names; all keys if there are none.
      state: one of `CLASSES`; all if None.

    >>> [key.name for key in matching(["newbob_multi"])]
    ['newbob_multi_num_epochs', 'newbob_multi_update_interval']
    """
    from tenure.training.config.keys import KEYS

    return [
        key
        for key in KEYS.values()
        if (not words or any(word.lower() in key.name.lower() for word in words))
        and (state is None or key.state.startswith(state.replace("-", " ")))
    ]


def lines(keys: Sequence[Any]) -> list[str]:
    """The keys for people: a heading for each group, a line for each key, and how many there are of each class."""
    width = max(len(key.name) for key in keys)
    shown: list[str] = []
    group = None
    for key in keys:
        if key.group != group:
            shown += [*([""] if shown else []), f"{key.group}:"]
            group = key.group
        mark = "instead: " if key.state == "not done" else ""
        shown.append(f"  {key.name.ljust(width)}  {mark}{key.says}")
    states = [key.state for key in keys]
    counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    return [*shown, "", f"{len(keys)} keys: {', '.join(counts)}"]


def _nearest(words: Sequence[str]) -> str:
    from tenure.core.errors import nearest
    from tenure.training.config.keys import KEYS

    near = list(dict.fromkeys(name for word in words for name in nearest(word, KEYS)))
    return f"; near: {', '.join(near)}" if near else ""
