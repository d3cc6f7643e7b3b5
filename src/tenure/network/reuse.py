"""`reuse_params`: parameters of other layers, in all the forms that configs use, as entries of `share=`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from tenure.core.errors import Party, brief, nearest
from tenure.core.notation import paths
from tenure.core.notation.functions import Opaque
from tenure.core.notation.refs import Ref
from tenure.core.slots.sources import forbid, own
from tenure.network.errors import OptionError
from tenure.network.graph import Graph, Node
from tenure.network.tf.imports import with_tensorflow
from tenure.network.typing import Run

_KEYS = ("reuse_layer", "map", "custom", "auto_create_missing", "layer_output", "shape")


@dataclasses.dataclass(frozen=True)
class Reuse:
    """Where parameters come from.

    Attributes:
      layer: the node whose parameters are used.
      auto: whether what is not found there is created.
      map: the same for single parameters by name.
      custom: a function that makes the parameter from the layer's.
      output: the node whose output is the parameter.
      shape: what the parameter's shape is to be.
    """

    layer: str | None = None
    auto: bool = False
    map: Mapping[str, Reuse] | None = None
    custom: Callable[..., Any] | None = None
    output: str | None = None
    shape: tuple[Any, ...] | None = None


def parse(graph: Graph, node: Node, value: Any) -> Reuse:
    """Reads `reuse_params`, and makes sure that the layers it names are built.

    Raises:
      OptionError: it says something that it cannot.
      LayerNotFoundError: it names a layer that there is not.
    """
    if value is None:
        return Reuse(auto=True)
    if isinstance(value, str):
        return Reuse(layer=_owner(graph, node, value))
    if not isinstance(value, Mapping):
        raise _error(node, value, "the name of a layer, or a dict, is needed")
    unknown = [k for k in value if k not in _KEYS]
    if unknown:
        raise _error(node, value, f"there is no {unknown[0]!r} in it", nearest(str(unknown[0]), _KEYS))
    given = value.get("map")
    if given is not None and not isinstance(given, Mapping):
        raise _error(node, value, f"'map' is {brief(given)}, not a dict from parameters to where they come from")
    custom, output = value.get("custom"), value.get("layer_output")
    if custom is not None and not callable(custom):
        raise _error(node, value, f"'custom' is {brief(custom)}, not a function")
    layer = value.get("reuse_layer")
    return Reuse(
        layer=None if layer is None else _owner(graph, node, layer),
        auto=bool(value.get("auto_create_missing", False)),
        map=None if given is None else {str(k): parse(graph, node, v) for k, v in given.items()},
        custom=None if custom is None else with_tensorflow(custom),
        output=None if output is None else graph.refer(node, "reuse_params", output),
        shape=value.get("shape"),
    )


def _owner(graph: Graph, node: Node, name: Any) -> str:
    """The node of that layer; it is built, but need not be computed before."""
    around: list[tuple[Graph, set[str]]] = []
    at: Graph | None = graph
    while at is not None:
        around.append((at, set(at.needed)))
        at = at.outer
    key = graph.resolve(node.level, name, node.key, "reuse_params")
    for of, before in around:
        of.only_named |= set(of.imports) - before
    if key == node.key:
        raise _error(node, name, "a layer cannot reuse its own parameters")
    return key


def _error(node: Node, value: Any, why: str, near: Any = ()) -> OptionError:
    return OptionError(
        f"layer '{node.key}' ({node.class_name}): option 'reuse_params' is {brief(value)}: {why}",
        parties=[Party("layer", node.key, node.class_name)],
        near=near,
        ways=["'reuse_params': 'other_layer'", "{'map': {'W': {'reuse_layer': 'other', 'custom': f}, 'b': None}}"],
    )


def share(run: Run, node: Node, spec: Reuse, prefix: str = "", legacy: bool = False) -> dict[str, Any]:
    """The `share=` of a layer whose parameters come from elsewhere.

    Args:
      run: the pass.
      node: the layer that gets the parameters.
      spec: where they come from.
      prefix: what the layer's parameters have before their names in `spec`, if it speaks of a sub-network around it.
      legacy: whether a layer gives only what it owns itself, as RETURNN has it.
    """
    entries: dict[str, Any] = {}
    for name, one in (spec.map or {}).items():
        if name.startswith(prefix):
            entries[name[len(prefix) :]] = _single(run, node, name, one)
    if spec.custom is not None:
        entries["*"] = own
        return entries
    rest = spec.map is not None and spec.layer is None
    if rest:
        entries["*"] = own if spec.auto else forbid
    elif spec.layer is not None:
        path = f"{_path(run, spec.layer)}/{prefix}".rstrip("/")
        if legacy and spec.auto and _borrows(run, spec.layer):
            entries["*"] = own
        else:
            entries["*"] = [f"/{path}", None] if spec.auto else f"/{path}"
    return entries


def _borrows(run: Run, key: str) -> bool:
    found = _node(run, key)
    return found is not None and found.get("reuse_params") is not None


def _node(run: Run, key: str) -> Node | None:
    """The node of that key, here, in a graph around, or inside of a loop."""
    at: Run | None = run
    while at is not None:
        key = key.removeprefix("base:") if key not in at.graph.nodes else key
        found = at.graph.nodes.get(key)
        if found is not None:
            around = [at.graph.nodes[s] for s in found.sources if s in at.graph.nodes]  # else it is outside of the loop
            part = [g.nodes[key] for node in around for g in node.branches.values() if key in g.nodes]
            return part[0] if part else found
        at = at.outer
    return None


def _path(run: Run, key: str) -> str:
    found = _node(run, key)
    return run.module_path(found) if found is not None else key


def _single(run: Run, node: Node, name: str, spec: Reuse) -> Any:
    """What one parameter borrows."""
    if spec.output is not None:
        return run.outputs[spec.output].tensor.data
    if spec.layer is None and spec.custom is None:
        return own
    if spec.custom is not None:
        return borrowed_through(run, node, name, spec)
    return f"/{_path(run, spec.layer or '')}/{name}"


class _Unknown:
    """A parameter of which only the name is known; no function can compute with it."""


class _Recorder(Mapping[str, Any]):
    """A layer's parameters, to find out which of them a function reads."""

    def __init__(self, default: str):
        self.default = default
        self.names: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.names += [] if name in self.names else [name]
        return _Unknown()

    def __iter__(self) -> Any:
        self[self.default]
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class ReusedLayer:
    """The layer that a `custom` function sees: its `params`.

    Attributes:
      params: name → array.
      name: of the layer.
    """

    def __init__(self, name: str, params: Mapping[str, Any]):
        self.name, self.params = name, params

    def __expression_names__(self) -> frozenset[str]:
        return frozenset({"name", "params"})


class _Some(dict[str, Any]):
    """The parameters that a function reads."""

    def __init__(self, values: Mapping[str, Any], asker: str):
        super().__init__(values)
        self.asker = asker

    def __missing__(self, name: str) -> Any:
        raise OptionError(
            f"layer '{self.asker}': 'custom' in 'reuse_params' reads '{name}' after it computed with '{next(iter(self))}'",
            ways=["read all parameters first, then compute", "'share': {'W': \"a/W | concat('b/W')\"}"],
        )


def borrowed_through(run: Run, node: Node, name: str, spec: Reuse) -> Any:
    """A reference to the parameters that a `custom` function reads, with the function as its view.

    Args:
      run: the pass.
      node: the layer that borrows.
      name: of its parameter.
      spec: what `reuse_params` says.

    Raises:
      OptionError: the function reads no parameter.
    """
    assert spec.custom is not None
    read = _which(spec, node, name)
    if not read:
        raise _error(node, spec.custom, "'custom' reads no parameter of the layer that it is given")

    def view(*values: Any) -> Any:
        params = _Some(dict(zip(read, values, strict=True)), node.key)
        return call(spec, node, name, values[0].shape, ReusedLayer(spec.layer or "", params))

    view.__name__ = getattr(spec.custom, "__name__", "custom")
    first, *others = (paths.join(_path(run, spec.layer or ""), part) for part in read)
    return Ref(first, (), absolute=True) | Opaque(view, [f"/{path}" for path in others])


def _which(spec: Reuse, node: Node, name: str) -> list[str]:
    """The parameters that a function reads before it computes with the first of them."""
    recorder = _Recorder(name)
    try:
        call(spec, node, name, (), ReusedLayer(spec.layer or "", recorder))
    except Exception:  # it cannot compute with what it was given; what it does before it reads is its own business
        if not recorder.names:
            raise
    return recorder.names


def call(spec: Reuse, node: Node, name: str, shape: Any, layer: ReusedLayer) -> Any:
    """A `custom` function with the arguments that RETURNN passes."""
    assert spec.custom is not None
    return spec.custom(
        base_layer=ReusedLayer(node.name, {}),
        reuse_layer=layer,
        full_name=f"{node.scope}/{name}",
        name=name,
        shape=shape,
        dtype="float32",
        getter=_no_getter,
    )


def _no_getter(**options: Any) -> Any:
    raise OptionError(
        "'custom' in 'reuse_params' asks for a parameter of its own",
        ways=["'auto_create_missing': True", "leave it out of 'map'"],
    )
