"""`tenure keys [WORD …]`: the table of all keys of configs, filtered by name and by class; with `--layers`, of layer classes."""

from __future__ import annotations

import argparse
import inspect
import json
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

HELP = "list the keys of configs: what each does, and which are not done"
CLASSES = ("done", "without-meaning", "not-done")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="only keys whose name has one of these words")
    parser.add_argument("--class", dest="state", choices=CLASSES, help="only keys of this class")
    parser.add_argument(
        "--layers", action="store_true", help="layer classes in place of keys; with its options, if WORD is one"
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--json", action="store_true", help="for programs")
    kinds.add_argument("--markdown", action="store_true", help="as the page docs/keys.md")


def run(given: argparse.Namespace) -> int:
    """Shows the keys that fit; returns 1 if there are none."""
    if given.layers:
        return _show_layers(given)
    from tenure.training.config.keys import KEYS

    found = matching(given.words, given.state)
    if given.json:
        print(json.dumps([vars(key) for key in found], indent=1))
    elif given.markdown:
        print(page(found), end="")
    elif found:
        print("\n".join(lines(found)))
    else:
        print("no key fits" + _nearest(given.words, KEYS))
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
        if _fits(key.name, words) and (state is None or key.state.startswith(state.replace("-", " ")))
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


def page(keys: Sequence[Any]) -> str:
    """The keys as a page: a section with a table for each group."""
    groups: dict[str, list[Any]] = {}
    for key in keys:
        groups.setdefault(key.group, []).append(key)
    parts = [_ABOVE]
    for group, of in groups.items():
        heading = group[0].upper() + group[1:]
        if of[0].state == "without meaning here":
            parts.append(
                f"## {heading}\n\nThey are taken, and change nothing.\n\n{', '.join(f'`{key.name}`' for key in of)}.\n"
            )
            continue
        head = "| key | instead |" if of[0].state == "not done" else "| key | what it does |"
        rows = [f"| `{key.name}` | {_cell(key.says)} |" for key in of]
        parts.append("\n".join([f"## {heading}", "", head, "|---|---|", *rows, ""]))
    return "\n".join(parts)


_ABOVE = """\
# All keys of a config

Made by `tenure keys --markdown`. [Training](training.md) shows how they go together, and `tenure keys WORD` finds one in the terminal.

A key that is not done is refused by name, as a training without it would not be what the config means; one that says how to train hinders no other task. A name that is almost a key is an
error with the suggestion, unless the config itself reads it; any other name is the config's own.
"""


def _cell(text: str) -> str:
    """A text in a cell of a table: what looks like code is code.

    >>> _cell('{"class": "adam", …} | 3')
    '`{"class": "adam", …}` \\\\| 3'
    """
    return re.sub(r"\{[^{}]*\}", lambda match: f"`{match[0]}`", text).replace("|", "\\|")


def _nearest(words: Sequence[str], names: Iterable[str]) -> str:
    from tenure.core.errors import nearest

    near = list(dict.fromkeys(name for word in words for name in nearest(word, names)))
    return f"; near: {', '.join(near)}" if near else ""


def _show_layers(given: argparse.Namespace) -> int:
    """Shows the layer classes that fit; returns 1 if there are none."""
    from tenure.network import registry

    classes = dict(sorted(registry.load().items()))
    found = {name: cls for name, cls in classes.items() if _fits(name, given.words)}
    if given.json:
        print(json.dumps([described(name, cls) for name, cls in found.items()], indent=1))
        return 0 if found else 1
    for name, cls in found.items():
        if name in given.words:
            print("\n".join(_options_of(name, cls)), end="\n\n")
    listed = [name for name in found if name not in given.words]
    width = max(map(len, listed), default=0)
    for name in listed:
        print(f"  {name.ljust(width)}  {described(name, classes[name])['says']}")
    print(
        f"{len(found)} of {len(classes)} layer classes"
        if found
        else "no layer class fits" + _nearest(given.words, classes)
    )
    return 0 if found else 1


def _fits(name: str, words: Sequence[str]) -> bool:
    return not words or any(word.lower() in name.lower() for word in words)


def described(name: str, cls: Any) -> dict[str, Any]:
    """A layer class for programs: its name, its first sentence or why it is refused, and its options with their defaults."""
    from tenure.network.layers.refused import REFUSED

    if name in REFUSED:
        return {"name": name, "says": f"refused: {REFUSED[name][0]}", "options": {}}
    says = " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())
    needed = inspect.Parameter.empty
    options = {k: "needed" if v is needed else repr(v) for k, v in cls.signature.options.items()}
    return {"name": name, "says": says, "options": options}


def _options_of(name: str, cls: Any) -> list[str]:
    """A layer class for people: what it does, a line for each option, and the options that every class takes."""
    from tenure.network.layers.refused import REFUSED
    from tenure.network.options import GENERIC

    if name in REFUSED:
        return [f"{name}:", f"  refused: {REFUSED[name][0]}", f"  instead: {REFUSED[name][1]}"]
    options = described(name, cls)["options"]
    width = max(map(len, options), default=0)
    return [
        f"{name}:",
        *(f"  {line}".rstrip() for line in (inspect.getdoc(cls) or "").splitlines()),
        "",
        *["  options:"][: len(options)],
        *(f"    {option.ljust(width)}  {default}" for option, default in options.items()),
        *textwrap.wrap(
            f"and of every layer: {', '.join(sorted(GENERIC))}", 110, initial_indent="  ", subsequent_indent="    "
        ),
    ]
