"""What graphs are made of: the layers of a dictionary, the dictionaries themselves, and what a network is built for."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import Any

from tenure.core.errors import brief
from tenure.network.errors import NetworkError, option_error
from tenure.network.typing import Graph

MAX_DEPTH = 400
_MARKS = ("class", "loss", "is_output_layer", "need_last", "only_on_search", "only_on_eval", "register_as_extern_data")


def names_of_layers(key: str, config: Mapping[str, Any]) -> list[str]:
    """The names of layers that a key of a config gives: a list, or a text with commas in between; none if it is not set.

    Raises:
      NetworkError: it is of another kind.

    >>> names_of_layers("layers", {"layers": "output, decision"}), names_of_layers("layers", {})
    (['output', 'decision'], [])
    """
    given = config.get(key) or ()
    found = [name.strip() for name in given.split(",")] if isinstance(given, str) else given
    if not isinstance(found, (list, tuple)) or not all(isinstance(name, str) for name in found):
        raise NetworkError(f"the key '{key}' of the config is {brief(given)}", ways=[f"{key} = ['output', 'decision']"])
    return list(found)


@dataclasses.dataclass(frozen=True)
class Flags:
    """What the network is built for."""

    train: bool = False
    eval: bool = True
    search: bool = False


@dataclasses.dataclass(eq=False, repr=False)
class Level:
    """One dictionary of layers: the network itself, or a sub-network.

    Attributes:
      path: of the layer whose sub-network it is, with "/" at the end; "" for the network.
      scope: before the names of its layers' parameters, likewise.
      layers: the dictionary.
      parent: the level around.
      data: what "data" and "data:key" mean here: key → node; what is missing is looked up outside.
      loop: whether it runs step by step inside of `graph`'s own run.
    """

    path: str
    scope: str
    layers: Mapping[str, Any]
    parent: Level | None = None
    data: dict[str, str] = dataclasses.field(default_factory=dict)
    kind: str = "net"
    owner: Node | None = None

    def __post_init__(self) -> None:
        depth, at = 0, self.owner
        while at is not None:
            depth += 1
            if at.level.layers is self.layers or depth > MAX_DEPTH:
                assert self.owner is not None
                itself = at.level.layers is self.layers
                raise NetworkError(
                    f"layer '{self.owner.key[:80]}': its dictionary "
                    + ("contains itself" if itself else f"is nested deeper than {MAX_DEPTH} levels"),
                    ways=["give each sub-network a dictionary of its own"],
                )
            at = at.level.owner
        for name, entry in self.layers.items():
            for option in _MARKS if isinstance(entry, Mapping) else ():
                if hasattr(entry.get(option), "__array__"):
                    key, given = f"{self.path}{name}", entry[option]
                    raise option_error(
                        key, str(entry.get("class")), option, given, "an array is neither a name nor a yes or no"
                    )

    def __repr__(self) -> str:
        return f"Level({self.path!r})"


@dataclasses.dataclass(eq=False, repr=False)
class Node:
    """One layer: its class, its options as written, and the nodes that they name.

    Attributes:
      key: the layer's path in the network, "sub/x", unique in the graph; "data:key" for inputs.
      name: its name in its dictionary.
      scope: where its parameters live.
      sources: the nodes of `from`.
      refs: option → node, or the same structure of nodes as the option's value.
      deps: all nodes that must be computed before.
      inner_level: of a sub-network.
      branches: graphs that the layer itself runs.
    """

    key: str
    name: str
    cls: type
    options: dict[str, Any]
    level: Level
    scope: str
    sources: list[str] = dataclasses.field(default_factory=list)
    refs: dict[str, Any] = dataclasses.field(default_factory=dict)
    deps: list[str] = dataclasses.field(default_factory=list)
    inner_level: Level | None = None
    branches: dict[str, Graph] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Node({self.key!r})"

    @property
    def class_name(self) -> str:
        """The class as the dictionary calls it."""
        return str(self.options.get("class", self.cls.layer_class))  # type: ignore[attr-defined]

    def get(self, option: str, default: Any = None) -> Any:
        """An option's value as written."""
        return self.options.get(option, default)


class Key(str):
    """The key of a node, where an option named a layer."""


@functools.lru_cache(maxsize=4096)
def scope_name(name: str) -> str:
    """A layer's name as part of a parameter's path, as TensorFlow's scopes had it, in which published parameters are named.

    >>> scope_name("conv1"), scope_name("att:0 x"), scope_name("_hidden")
    ('conv1', 'att__0__x', '.95.hidden')
    """
    ascii_only = name.encode("ascii", "ignore").decode() or "".join(f".{ord(c)}." for c in name)
    name = re.sub(r"""[:(){}&+\-*'" ,]""", "__", ascii_only)
    name = re.sub(r"[|@\[\]?\s\x00-\x1f\x7f]", "_", name)
    return f".{ord(name[0])}.{name[1:]}" if name[:1] in ("_", "-", "\\", "/") else name
