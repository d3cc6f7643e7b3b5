"""The graph of a loop's body, and which of its layers have to run step by step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax

from tenure.network import registry
from tenure.network.graph import Graph, Key, Level, Node

PREV = "prev:"
STEP = ":i"  # the number of the step


class LoopGraph(Graph):
    """The body of a loop: a dictionary in which `prev:x` is a layer's output one step ago, and `data` is one frame.

    Attributes:
      owner: the layer that loops.
      previous: node of `prev:x` → node of `x`.
      frames: nodes that are one frame of a sequence outside → the node there.
      open_ended: whether only the layer `end` says how many steps there are.
      follows: the key of the labels that layers read although `end` is there; they then say how many steps there are.
    """

    def __init__(self, outer: Graph, owner: Node, unit: Mapping[str, Any]):
        scope = f"{owner.scope}/rec/" if owner.get("name_scope") is None else f"{owner.scope}/" if owner.scope else ""
        level = Level(f"{owner.key}/", scope, unit, owner=owner, kind="loop")
        searches = owner.key.startswith("extra.") and "search" in owner.key.partition(":")[0]
        super().__init__(
            level,
            dataclasses.replace(outer.flags, search=True) if searches else outer.flags,
            outer.inputs,
            default_input=outer.default_input,
            default_target=outer.default_target,
            outer=outer,
        )
        self.owner = owner
        self.counts_losses = outer.counts_losses and not self.network_flags.search  # `extra.search` is in training
        self.previous: dict[str, str] = {}
        self.frames: dict[str, str] = {}
        unstacks = any(isinstance(e, Mapping) and e.get("class") == "rec_unstack" for e in unit.values())
        known = bool(owner.get("from")) or unstacks
        self.follows: str | None = None
        self.open_ended = not known and "end" in unit and (self.flags.search or not owner.get("target"))

    def build(self, roots: Iterable[str] | None = None, *, more: Iterable[str] = ()) -> Graph:
        wanted = [n for n, e in self.root.layers.items() if self._wanted_in_loop(n, e)]
        super().build(roots or wanted, more=more)
        if self.open_ended:
            self.follows = min(self._labels_read(), default=None)
            self.open_ended = self.follows is None
        self.owner.deps += [key for key in self.needed if key not in self.owner.deps]
        return self

    def _labels_read(self) -> Iterator[str]:
        """The frames of labels that are read: by choices that cheat or do not search, and where losses count by all layers."""
        search, counts = self.flags.search, self.counts_losses
        for node in self.nodes.values():
            given = node.get("search")
            searches = node.class_name == "choice" and (search if given is None else given)
            reads = not searches and (counts or node.class_name == "choice")
            for key in node.refs.get("target") or () if reads or node.get("cheating") else ():
                if key in self.frames:
                    yield str(key)

    def _wanted_in_loop(self, name: Any, entry: Any) -> bool:
        if not isinstance(name, str) or name.startswith("#") or not isinstance(entry, Mapping):
            return False
        ends = name == "end" and self.open_ended
        return name == "output" or ends or bool(entry.get("need_last")) or self.is_output(entry)

    def active(self, entry: Mapping[str, Any]) -> bool:
        return True  # `only_on_search` and `only_on_eval` are for the layers outside of loops, as in RETURNN

    def is_output(self, entry: Mapping[str, Any]) -> bool:
        return bool(entry.get("is_output_layer") or (entry.get("loss") and self.counts_losses))

    def missing(self, level: Level, ref: str, asker: str, option: str) -> str | None:
        if ref == STEP:
            key = f"{self.root.path}{STEP}"
            if key not in self.nodes:
                self.add(Node(key, ref, registry.find("step_index", key), {"class": "step_index"}, self.root, ""))
            return key
        if not ref.startswith(PREV):
            return None
        if getattr(level.layers, "of_outer_steps", False) and level.parent is not None:
            return self.resolve(level.parent, ref, asker, option)
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
        if key == "source" and self.owner.sources:
            return self._frame("data:source", "source")
        key = key or self.default_input
        outer = self._import(self.owner.level, f"data:{key}", asker, option)
        return self._frame(f"data:{key}", outer.removeprefix("base:"))

    def _frame(self, key: str, outside: str) -> str:
        if key not in self.nodes:
            self.frames[key] = outside
            self.add(Node(key, key, registry.find("frame", key), {"class": "frame"}, self.root, ""))
        return key

    def of_now(self, key: str) -> str:
        """The layer whose output a node is, in this step or the one before."""
        return self.previous.get(key, key)

    def _outside(self, level: Level, ref: str, asker: str, option: str) -> str:
        if level is self.root:
            return self._import(self.owner.level, ref, asker, option)
        return super()._outside(level, ref, asker, option)


@dataclasses.dataclass(frozen=True)
class Parts:
    """The layers of a loop's body by when they run, each list in an order in which they can be computed.

    Attributes:
      before: for all steps at once, ahead of the loop: they need nothing of it.
      inside: step by step.
      after: for all steps at once, when the loop is done: nothing of the next step needs them.
    """

    before: list[str]
    inside: list[str]
    after: list[str]


def parts(
    graph: LoopGraph, move_out: bool = True, over_whole: Iterable[str] = (), states_in_steps: bool = True
) -> Parts:
    """What has to run step by step, and what is moved out of the loop.

    Step by step run the layers that need what they gave a step ago, that keep a state, or that are between such layers.

    Args:
      graph: the body.
      move_out: whether layers may leave the loop at all.
      over_whole: the layers that go over a whole sequence, and keep no state from step to step: one that needs nothing of
        the loop leaves it.
      states_in_steps: whether cells whose states other layers read run step by step, as their states are those of each
        step. RETURNN moves them out, too, and whoever reads their states gets those after the last step.
    """
    needs = _needs(graph)
    end = f"{graph.root.path}end"
    stuck = {key for group in _circles(needs) for key in group}
    read = _of_states(graph)
    late = {k for k in read if _reads_states(graph.nodes[k]) and move_out and not states_in_steps}
    for key in read.keys() - late:
        stuck |= {key, *read[key]}
    for key, node in graph.nodes.items():
        free = key in graph.frames or key in graph.previous or _is_whole(node) or _unmasks_whole(graph, needs, key)
        moves = move_out and node.cls.moves_out(node, graph.flags)  # type: ignore[attr-defined]
        if (not free and not moves and key not in late) or masks_around(node) or (key == end and graph.open_ended):
            stuck.add(key)
    stuck -= _the_same(graph, needs, stuck, {*over_whole} if move_out else set())
    order, users = _order(needs, graph), _turned(needs)
    while True:
        behind = _reached(needs, stuck)
        ahead = _reached(users, stuck)  # what the stuck ones are needed by
        inside = [k for k in graph.nodes if k in stuck or (k in behind and k in ahead)]
        beside = _collocated(graph, inside) | {k for k in late if not read[k].isdisjoint(inside)}
        if beside <= set(inside):
            break
        stuck |= beside
    rest = [k for k in order if k not in set(inside)]
    return Parts([k for k in rest if k not in ahead], inside, [k for k in rest if k in ahead])


def _of_states(graph: LoopGraph) -> dict[str, set[str]]:
    """The layers that read or start from states of others in the loop, each with those."""
    found = {}
    for key, node in graph.nodes.items():
        given = [node.refs.get(option) for option in ("initial_state", "state")]
        todo = list(node.sources) if _reads_states(node) else [k for k in jax.tree.leaves(given) if isinstance(k, Key)]
        of = set()
        while todo:
            at = graph.of_now(todo.pop())
            if at in graph.nodes:
                of.add(at)
                todo += [k for k in [graph.nodes[at].refs.get("output")] if isinstance(k, str)]  # of a sub-network
        if of:
            found[key] = of
    return found


def _reads_states(node: Node) -> bool:
    return node.class_name == "get_last_hidden_state"


def _the_same(graph: LoopGraph, needs: Mapping[str, list[str]], stuck: set[str], over_whole: set[str]) -> set[str]:
    """Those of the layers over whole sequences that need nothing of any step, and are the same in all of them."""
    steps = {k for k, n in graph.nodes.items() if n.class_name in ("frame", "prev", "step_index", "rec_unstack")}
    found = over_whole - {*graph.previous.values()}
    while True:
        moving = steps | (stuck - found)
        fewer = {k for k in found if not moving & _reached(needs, needs[k])}
        if fewer == found:
            return found
        found = fewer


def masks_around(node: Node) -> list[str]:
    """The nodes of the masks of the masked computations that a layer is in, those inside of others first."""
    found, owner = [], node.level.owner
    while owner is not None and not owner.branches:  # of a loop or a branch around
        if owner.class_name == "masked_computation" and "mask" in owner.refs:
            found.append(str(owner.refs["mask"]))
        owner = owner.level.owner
    return found


def own_labels(graph: LoopGraph, split: Parts, others: Iterable[str]) -> set[str]:
    """What is computed of labels that need not be as long as the loop: no step sees them, nor anything that sees other frames.

    Args:
      graph: the body.
      split: which of its layers run when.
      others: the frames of sequences that the loop does not go over.
    """
    needs = _needs(graph)
    users = _turned(needs)
    of_steps = (k for k, n in graph.nodes.items() if n.class_name in ("rec_unstack", "step_index"))
    stepwise = {*split.inside, *graph.frames, *of_steps}
    found: set[str] = set()
    for key in others:
        users_of = (graph.nodes[k] for k in users[key])
        if any(node.class_name == "choice" and key in (node.refs.get("target") or ()) for node in users_of):
            reading = _reached(users, [key])
            found |= reading if reading.isdisjoint(_reached(users, stepwise - {key})) else set()
    return found


def _collocated(graph: LoopGraph, inside: Iterable[str]) -> set[str]:
    """What `collocate_with` keeps in the steps. It matters to losses of a search: there are other hypotheses in a step than in the end."""
    if not (graph.flags.search and graph.counts_losses):
        return set()
    names, found = {graph.nodes[key].name for key in inside if graph.nodes[key].level is graph.root}, set()
    for key, node in graph.nodes.items():
        given = node.get("collocate_with") or ()
        if node.level is graph.root and not names.isdisjoint([given] if isinstance(given, str) else given):
            found.add(key)
    return found


def _needs(graph: LoopGraph) -> dict[str, list[str]]:
    """What each node needs inside of the loop, in this step or the one before."""
    needs = {key: [d for d in node.deps if d in graph.nodes] for key, node in graph.nodes.items()}
    return needs | {key: [target] for key, target in graph.previous.items()}


def _turned(edges: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The edges the other way round."""
    found: dict[str, list[str]] = {key: [] for key in edges}
    for key, of in edges.items():
        for d in of:
            found[d].append(key)
    return found


def _is_whole(node: Node) -> bool:
    """Whether it takes sequences apart, or is under a mask whose frames are a sequence of their own (`masked_from`)."""
    at: Node | None = node
    while at is not None:
        if at.class_name == "masked_computation" and at.get("masked_from") is not None:
            return True
        at = at.level.owner
    return node.class_name == "rec_unstack"


def _unmasks_whole(graph: LoopGraph, needs: Mapping[str, list[str]], key: str) -> bool:
    """Whether it spreads frames that are there as a sequence of their own, and not what a step has kept."""
    if graph.nodes[key].class_name != "unmask":
        return False
    below = [graph.nodes[k] for k in _reached(needs, [k for k in graph.nodes[key].sources if k in needs])]
    return not any(node.class_name == "masked_computation" and not _is_whole(node) for node in below)


def _reached(edges: Mapping[str, list[str]], starts: Iterable[str]) -> set[str]:
    """Everything that the edges lead to from there, the starts included."""
    found: set[str] = set()
    todo = list(starts)
    while todo:
        key = todo.pop()
        if key not in found:
            found.add(key)
            todo += edges[key]
    return found


def _order(needs: Mapping[str, list[str]], graph: LoopGraph) -> list[str]:
    """All nodes, each after what it needs, a step ago included; within circles in the order of the graph."""
    found: dict[str, None] = {}
    for start in graph.nodes:
        stack: list[tuple[str, bool]] = [(start, False)]
        busy: set[str] = set()
        while stack:
            key, done = stack.pop()
            if done:
                found[key] = None
            elif key not in found and key not in busy:
                busy.add(key)
                stack.append((key, True))
                stack += [(d, False) for d in reversed(needs[key]) if d not in found]
    return list(found)


def _circles(needs: Mapping[str, list[str]]) -> list[list[str]]:
    """The groups of nodes that need each other: strongly connected components (Tarjan 1972) with a circle in them."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    for start in needs:
        todo: list[tuple[str, int]] = [(start, 0)] if start not in index else []
        while todo:
            key, place = todo.pop()
            if place == 0:
                index[key] = low[key] = len(index)
                stack.append(key)
                on_stack.add(key)
            for i in range(place, len(needs[key])):
                other = needs[key][i]
                if other not in index:
                    todo += [(key, i + 1), (other, 0)]
                    break
                if other in on_stack:
                    low[key] = min(low[key], index[other])
            else:
                if low[key] == index[key]:
                    group: list[str] = []
                    while not group or group[-1] != key:
                        group.append(stack.pop())
                        on_stack.discard(group[-1])
                    if len(group) > 1 or key in needs[key]:
                        found.append(group)
                if todo:
                    parent = todo[-1][0]
                    low[parent] = min(low[parent], low[key])
    return found
