"""A network to look at: its layers, the dims on the edges, who owns and who borrows parameters."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import jax

from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.row import Row
from tenure.network.boxes import Box, borrowings
from tenure.network.dims import Dim
from tenure.network.drawing import page
from tenure.network.extern import placeholders
from tenure.network.graph import Flags, Graph, Node
from tenure.network.loop import LoopGraph
from tenure.network.nodes import scope_name
from tenure.network.tensor import Tensor
from tenure.network.typing import Network


@dataclasses.dataclass(frozen=True)
class Picture:
    """A network to look at: `print(picture)`, `picture.html()`, `picture.mermaid()`.

    Attributes:
      boxes: the layers, in the order in which they are computed.
      ledger: of the network's parameters.

    >>> import tenure as tn
    >>> net = {"a": {"class": "linear", "n_out": 3, "from": "data"}, "output": {"class": "copy", "from": "a"}}
    >>> print(tn.network(net, {"data": {"dim": 3}}).show())
    layer      class   output                       from       parameters
    data:data  source  [batch, time:data, F 3] f32
    a          linear  [batch, time:data, F 3] f32  data:data  12  W (3, 3)  b (3,)
    output     copy    [batch, time:data, F 3] f32  a
    """

    boxes: tuple[Box, ...]
    ledger: Ledger

    @staticmethod
    def of(network: Network) -> Picture:
        """The picture of a network for training."""
        flags = Flags(train=True)
        plan = network.model.plan(placeholders(network.templates), flags, ("*",))
        rows: dict[str, list[Row]] = {}
        for row in plan.ledger.rows:
            rows.setdefault(row.path.rpartition("/")[0], []).append(row)
        boxes = tuple(_boxes(network.graph(flags), {**network.forms(flags), **plan.out.outputs}, _Rows(rows)))
        return Picture(boxes, plan.ledger)

    def __str__(self) -> str:
        head = ("layer", "class", "output", "from", "parameters")
        table = [head] + [
            (
                "  " * box.depth + box.key,
                box.name + (f" · {box.loss}" if box.loss else ""),
                box.dims,
                ", ".join(box.sources),
                _parameters(box),
            )
            for box in self.boxes
        ]
        widths = [min(60, max(len(row[i]) for row in table)) for i in range(4)]
        return "\n".join(
            "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]]).rstrip()
            for row in table
        )

    __repr__ = __str__

    def mermaid(self) -> str:
        """The network as a Mermaid flowchart; borrowed parameters are dotted arrows from their owners."""
        place = {box.key: f"n{i}" for i, box in enumerate(self.boxes)}
        lines = ["flowchart TD"]
        for box in self.boxes:
            label = "<br/>".join(
                filter(None, (f"<b>{_plain(box.key)}</b>", _plain(box.name), _plain(_parameters(box))))
            )
            lines.append(f'  {place[box.key]}["{label}"]')
        for box in self.boxes:
            for source in box.sources:
                if source in place:
                    dims = next(b.dims for b in self.boxes if b.key == source)
                    lines.append(f'  {place[source]} -->|"{_plain(dims)}"| {place[box.key]}')
        for owner, user, view in borrowings(self):
            lines.append(f'  {place[owner]} -. "{_plain(view)}" .-> {place[user]}')
        return "\n".join(lines)

    def html(self, title: str = "Network") -> str:
        """The network as one page that needs nothing else."""
        return page(self, title)

    def _repr_html_(self) -> str:
        return self.html()


class _Rows:
    """The parameters of each layer: those below its scope, or below a path of its own where an earlier layer has that scope.

    Attributes:
      of_module: the path of a module → its parameters.
      first: a scope → the key of the first layer that has it.
    """

    def __init__(self, of_module: dict[str, list[Row]]):
        self.of_module = of_module
        self.first: dict[str, str] = {}

    def of(self, node: Node, graph: Graph) -> Iterator[Row]:
        """The parameters of a layer that belong to no layer inside of it."""
        scope = node.scope
        if node.cls.container or not scope:  # type: ignore[attr-defined]
            return
        if self.first.setdefault(scope, node.key) != node.key:
            scope += f"&{scope_name(node.key.replace('/', '.'))}"
        others = {n.scope for n in graph.nodes.values() if n.scope.startswith(f"{scope}/")}
        for module, found in self.of_module.items():
            inside = module == scope or module.startswith(f"{scope}/")
            if inside and not any(module == o or module.startswith(f"{o}/") for o in others):
                yield from found


def _boxes(graph: Graph, outputs: Any, rows: _Rows, depth: int = 0, frames: tuple[str, ...] = ()) -> Iterator[Box]:
    for key, node in graph.nodes.items():
        tensor = _form(graph, key, outputs)
        around = [d.removeprefix("base:") for d in (*node.sources, *node.deps)]
        around += _frames(graph, key)
        results = []
        for inner in node.branches.values():  # they come first: the layer around gives what they give
            yield from _boxes(inner, outputs, rows, depth + 1, (*frames, *_around(graph, node), key))
            results += [r for r in inner.roots if r not in results]
        mine = list(rows.of(node, graph))
        yield Box(
            key=key,
            name=node.class_name,
            dims="" if tensor is None else _dims(tensor),
            sources=tuple(dict.fromkeys(results or around)),
            owned=tuple(r for r in mine if r.kind == "owned"),
            borrowed=tuple(r for r in mine if r.kind == "borrowed"),
            depth=depth,
            loss=str(node.get("loss") or ""),
            frames=(*frames, *_around(graph, node)),
        )


def _form(graph: Graph, key: str, outputs: Any) -> Tensor | None:
    """What a node's output looks like; that of `prev:x` is what `x` gives, and a frame has no time."""
    if isinstance(graph, LoopGraph) and key in graph.previous:
        return _form(graph, graph.previous[key], outputs)
    if isinstance(graph, LoopGraph) and key in graph.frames:
        whole: Tensor | None = outputs.get(next(iter(_frames(graph, key)), None))
        if whole is None or whole.time_axis is None:
            return whole
        shape = tuple(n for i, n in enumerate(whole.shape) if i != whole.time_axis)
        return whole.without(whole.time_axis).like(jax.ShapeDtypeStruct(shape, whole.dtype))
    found: Tensor | None = outputs.get(key)
    return found


def _around(graph: Graph, node: Node) -> list[str]:
    """The sub-networks of this graph that a node is in, the outermost first."""
    found: list[str] = []
    owner = node.level.owner
    while owner is not None and owner.key in graph.nodes:
        found.insert(0, owner.key)
        owner = owner.level.owner
    return found


def _frames(graph: Graph, key: str) -> list[str]:
    """The sequence outside of a loop of which a node inside is one frame."""
    outside = graph.frames.get(key) if isinstance(graph, LoopGraph) else None
    if outside is None or not isinstance(graph, LoopGraph):
        return []
    return list(graph.owner.sources) if outside == "source" else [outside]


def _dims(x: Tensor) -> str:
    parts = []
    for i, dim in enumerate(x.dims):
        size = dim.root.size
        name = f"F {size}" if i == x.feature_axis and size is not None else _name(dim)
        parts.append(name)
    sparse = f" of {_name(x.sparse_dim)}" if x.sparse_dim is not None else ""
    kind = re.sub(r"^(float|int|uint|complex)", lambda m: m[1][0], str(x.dtype))
    return f"[{', '.join(parts)}] {kind}{sparse}"


def _name(dim: Dim) -> str:
    return dim.name if dim.root.size is None else f"{dim.name} {dim.root.size}"


def _parameters(box: Box) -> str:
    count = sum(row.count for row in box.owned)
    own = [f"{row.path.rpartition('/')[2]} {row.shape}" for row in box.owned]
    lent = [f"{row.path.rpartition('/')[2]} ← {' | '.join([*row.owners, *row.views])}" for row in box.borrowed]
    return "  ".join([*([f"{count:,}"] if own else []), *own, *lent])


def _plain(text: str) -> str:
    return re.sub(r"[^\w /.,=()\[\]:-]", lambda found: f"#{ord(found[0])};", text)
