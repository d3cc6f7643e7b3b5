"""The graph of a loop's body, and which of its layers have to run step by step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from tenure.network import registry
from tenure.network.graph import Graph, Level, Node

PREV = "prev:"


class LoopGraph(Graph):
    """The body of a loop: a dictionary in which `prev:x` is a layer's output one step ago, and `data` is one frame.

    Attributes:
      owner: the layer that loops.
      previous: node of `prev:x` → node of `x`.
      frames: nodes that are one frame of a sequence outside → the node there.
    """

    def __init__(self, outer: Graph, owner: Node, unit: Mapping[str, Any]):
        level = Level(f"{owner.key}/", f"{owner.scope}/rec/", unit, owner=owner, kind="loop")
        super().__init__(
            level,
            outer.flags,
            outer.inputs,
            default_input=outer.default_input,
            default_target=outer.default_target,
            outer=outer,
        )
        self.owner = owner
        self.previous: dict[str, str] = {}
        self.frames: dict[str, str] = {}

    def build(self, roots: Iterable[str] | None = None) -> Graph:
        wanted = [n for n, e in self.root.layers.items() if self._wanted_in_loop(n, e)]
        super().build(roots or wanted)
        self.owner.deps += [key for key in self.imports if key not in self.owner.deps]
        return self

    def _wanted_in_loop(self, name: Any, entry: Any) -> bool:
        if (
            not isinstance(name, str)
            or name.startswith("#")
            or not isinstance(entry, Mapping)
            or not self.active(entry)
        ):
            return False
        ends = name == "end" and self.flags.search
        return name == "output" or ends or bool(entry.get("is_output_layer") or entry.get("loss"))

    def missing(self, level: Level, ref: str, asker: str, option: str) -> str | None:
        if not ref.startswith(PREV):
            return None
        target = self.resolve(level, ref[len(PREV) :], asker, option)
        key = PREV + target
        if key not in self.nodes:
            self.previous[key] = target
            self.add(Node(key, ref, registry.find("prev", key), {"class": "prev"}, level, ""))
        return key

    def _data(self, level: Level, key: str | None, asker: str, option: str) -> str:
        at: Level | None = level
        while at is not None and at is not self.root:  # a sub-network inside has its own "data"
            if (key or "data") in at.data:
                return at.data[key or "data"]
            at = at.parent
        source = key in (None, "source", self.default_input)
        sources = self.owner.sources
        if source and sources:
            return self._frame("data:source", "source")
        outer = self._import(self.owner.level, f"data:{key or self.default_input}", asker, option)
        return self._frame(f"data:{key}", outer.removeprefix("base:"))

    def _frame(self, key: str, outside: str) -> str:
        if key not in self.nodes:
            self.frames[key] = outside
            self.add(Node(key, key, registry.find("frame", key), {"class": "frame"}, self.root, ""))
        return key

    def _outside(self, level: Level, ref: str, asker: str, option: str) -> str:
        if level is self.root:
            return self._import(self.owner.level, ref, asker, option)
        return super()._outside(level, ref, asker, option)


@dataclasses.dataclass(frozen=True)
class Parts:
    """The layers of a loop's body by when they run.

    Attributes:
      before: on the whole sequence, ahead of the loop: they need nothing of it.
      inside: step by step.
      after: on the whole sequence, when the loop is done: nothing of the next step needs them.
    """

    before: list[str]
    inside: list[str]
    after: list[str]


def parts(graph: LoopGraph) -> Parts:
    """What has to run step by step, and what is moved out of the loop.

    A layer is moved out only if its class computes each frame for itself (`framewise`).
    """
    depends: set[str] = set(graph.previous)
    for key, node in graph.nodes.items():
        if any(d in depends for d in node.deps) or not (node.cls.framewise or key in graph.frames):  # type: ignore[attr-defined]
            depends.add(key)
    needed: set[str] = set()
    todo = [*graph.previous.values(), *(k for k in graph.nodes if k == f"{graph.root.path}end")]
    while todo:
        key = todo.pop()
        if key in needed or key not in graph.nodes:
            continue
        needed.add(key)
        todo += graph.nodes[key].deps
    inside, before, after = [], [], []
    for key, node in graph.nodes.items():
        if key not in depends:
            before.append(key)
        elif key in needed or key in graph.previous or not node.cls.framewise:  # type: ignore[attr-defined]
            inside.append(key)
        elif any(d in graph.previous for d in node.deps):
            inside.append(key)  # there is no sequence of what was one step ago
        else:
            after.append(key)
    return _consistent(graph, Parts(before, inside, after))


def _consistent(graph: LoopGraph, found: Parts) -> Parts:
    """What a layer inside needs is not after it."""
    inside, after = set(found.inside), set(found.after)
    changed = True
    while changed:
        pulled = {d for k in inside for d in graph.nodes[k].deps if d in after}
        changed = bool(pulled)
        inside |= pulled
        after -= pulled
    order = list(graph.nodes)
    return Parts(found.before, [k for k in order if k in inside], [k for k in order if k in after])
