"""The graph of a dictionary: which layers are needed, what each depends on, and an order to compute them in."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping
from typing import Any

from tenure.core.errors import Party, brief, nearest
from tenure.network import registry, versions
from tenure.network.errors import LayerCycleError, LayerNotFoundError, NetworkError, not_found, option_error
from tenure.network.losses.registry import add_default_target
from tenure.network.nodes import Flags, Key, Level, Node, scope_name
from tenure.network.options import FORMER, FORMER_DEFAULTS, GENERIC, REFERENCES


class Graph:
    """The layers that a dictionary's outputs and losses need.

    Attributes:
      nodes: by key, in an order in which each comes after all that it depends on.
      roots: the keys of the layers that it was built for.
      more: the keys of further ones, by the names that they were asked for by.
      imports: nodes of the graph around that this one (the body of a loop or a branch) needs.
      only_named: those of which only the parameters are wanted, so that they need not be computed before.
      absent: nodes that are not computed, because they need inputs that are there with the losses only.
      network_flags: what the whole network is built for; a graph inside may search where the network does not.
      counts_losses: whether the losses of its layers count.
    """

    def __init__(
        self,
        root: Level,
        flags: Flags,
        inputs: Iterable[str],
        *,
        default_input: str = "data",
        default_target: str = "classes",
        outer: Graph | None = None,
        training_only: Iterable[str] = (),
        searched: Iterable[str] = (),
    ):
        self.root, self.flags, self.outer = root, flags, outer
        self.network_flags: Flags = flags if outer is None else outer.network_flags
        self.counts_losses: bool = flags.eval if outer is None else outer.counts_losses
        self.inputs = set(inputs)
        self.default_input, self.default_target = default_input, default_target
        self.nodes: dict[str, Node] = {}
        self.roots: list[str] = []
        self.more: dict[str, str] = {}
        self.imports: list[str] = []
        self.only_named: set[str] = set()
        self.absent: set[str] = set()
        self._training_only = frozenset(training_only)
        self._searched = list(searched)
        self.levels: dict[str, Level] = {root.path: root}
        self.registered: dict[str, str] = {}
        self._todo: list[Node] = []

    def build(self, roots: Iterable[str] | None = None, *, more: Iterable[str] = ()) -> Graph:
        """Finds all layers that the outputs need, and sorts them.

        Args:
          roots: these layers, and not those that the dictionary marks.
          more: further layers that are needed, such as "output/att", one inside of a loop.

        Raises:
          LayerNotFoundError, LayerCycleError, LayerClassError, OptionError: the dictionary is wrong, or has no such layer.
        """
        self._register_data()
        self.roots = [self.resolve(self.root, name, "", "output") for name in (roots or self._wanted())]
        self.roots += self._searched_too()
        self.more = {name: self._asked(name) for name in more}
        self._complete()
        self._sort()
        if not self.flags.eval:
            self._mark_absent()
        return self

    def _searched_too(self) -> list[str]:
        """The layers that search although the network does not, with all that they need, each a second time with the same parameters."""
        if not self._searched or self.flags.search or not self.flags.eval:
            return []
        level = Level(SEARCHED, self.root.scope, self.root.layers)
        return [self.resolve(level, name, "", "search_train_network_layers") for name in self._searched]

    def _mark_absent(self) -> None:
        """Without losses there are no targets, and so nothing that is computed from them."""
        unknown = {f"data:{key}" for key in self._training_only}
        for key, node in self.nodes.items():
            needed = [node.refs.get(option) for option in _NEEDED]
            if not unknown.isdisjoint([*node.sources, *(k for k in needed if isinstance(k, str))]):
                self.absent.add(key)
                unknown.add(key)

    def _asked(self, name: str) -> str:
        """A layer that somebody asks for by its name; a search, which RETURNN evaluates by default, may ask for one `only_on_eval`."""
        entry = self.root.layers.get(name.partition("/")[0])
        spared = self.flags.search and isinstance(entry, Mapping) and entry.get("only_on_eval")
        if isinstance(entry, Mapping) and not self.active(entry) and not spared:
            option = "only_on_search" if entry.get("only_on_search") and not self.flags.search else "only_on_eval"
            raise LayerNotFoundError(
                f"the layer '{name}' was asked for, and there is no such layer here, as it has '{option}'",
                ways=["search=True"] if option == "only_on_search" else ["losses=True"],
            )
        return self.resolve(self.root, name, "", "layers")

    def _wanted(self) -> list[str]:
        found = [name for name in sorted(self.root.layers, key=str) if self._is_wanted(name)]
        if not found:
            raise LayerNotFoundError(
                "the network has no layer 'output', none with 'loss' and none with 'is_output_layer'",
                near=nearest("output", map(str, self.root.layers)),
                ways=["name one of the layers 'output'", "mark it:  'is_output_layer': True"],
            )
        return found

    def _is_wanted(self, name: Any) -> bool:
        entry = self.root.layers[name]
        if not isinstance(name, str) or name.startswith("#"):
            return False
        if not isinstance(entry, Mapping):
            raise NetworkError(
                f"layer '{self.root.path}{name}' is {brief(entry)}, not a dictionary", ways=["{'class': 'linear', …}"]
            )
        named = name == "output" or name.endswith(":output")
        return self.active(entry) and (named or self.is_output(entry))

    def is_output(self, entry: Mapping[str, Any]) -> bool:
        """Whether a layer is computed although no other needs it."""
        return bool(entry.get("loss") or entry.get("is_output_layer"))

    def active(self, entry: Mapping[str, Any]) -> bool:
        """Whether a layer is there under these flags."""
        return not (
            (entry.get("only_on_search") and not self.flags.search)
            or (entry.get("only_on_eval") and not self.flags.eval)
        )

    def _register_data(self) -> None:
        for name in sorted(n for n in self.root.layers if isinstance(n, str) and not n.startswith("#")):
            entry = self.root.layers[name]
            if isinstance(entry, Mapping) and entry.get("register_as_extern_data") and self.active(entry):
                self.registered[str(entry["register_as_extern_data"])] = name

    def _complete(self) -> None:
        while self._todo:
            node = self._todo.pop()
            self._link(node)

    def resolve(self, level: Level, ref: Any, asker: str, option: str) -> str:
        """The key of the node that `ref` names when written in `level`; made if it is not there yet.

        Raises:
          LayerNotFoundError: it leads nowhere.
        """
        if not isinstance(ref, str):
            raise option_error(asker, "", option, ref, "the name of a layer is needed", ["'from': 'encoder'"])
        if ref == "data" or ref.startswith("data:"):
            return self._data(level, ref.partition(":")[2] or None, asker, option)
        if ref.startswith("base:"):
            return self._outside(level, ref[len("base:") :], asker, option)
        name, _, rest = ref.partition("/")
        if name.startswith("extra") and ":" in name and f"{level.path}{name}" not in self.nodes:
            self._make_extra(level, name, asker, option)
        elif name not in level.layers and f"{level.path}{name}" not in self.nodes:
            found = self.missing(level, ref, asker, option)
            if found is None:
                raise not_found(ref, asker, option, [str(n) for n in level.layers] + [f"data:{k}" for k in self.inputs])
            return found
        key = f"{level.path}{name}"
        node = self.nodes.get(key) or self._make(level, name, key)
        if not rest:
            return key
        found = node.cls.sub_layer(self, node, rest)  # type: ignore[attr-defined]
        if found is not None:
            return str(found)
        sub = self.levels.get(key + "/")
        if sub is not None:
            return self.resolve(sub, rest, asker, option)
        return self._sub_layer(node, rest)

    def _make_extra(self, level: Level, name: str, asker: str, option: str) -> None:
        """A second instance of a layer, with the same parameters: `extra.2:input`."""
        plain = name.partition(":")[2]
        entry = level.layers.get(name, level.layers.get(plain))
        if not isinstance(entry, Mapping):
            raise not_found(name, asker, option, map(str, level.layers))
        key = f"{level.path}{name}"
        cls = registry.find(entry.get("class"), key).variant(entry)
        node = self.add(Node(key, plain, cls, dict(entry), level, self._scope(level, plain, entry)))
        cls.expand(self, node)

    def missing(self, level: Level, ref: str, asker: str, option: str) -> str | None:
        """What a name that the level does not have means; loops give meanings to `prev:x` and `:i`."""
        return None

    def _data(self, level: Level, key: str | None, asker: str, option: str) -> str:
        at: Level | None = level
        name = key if key is not None else "data"
        while at is not None:
            if name in at.data:
                return at.data[name]
            if at is self.root:
                break
            at = at.parent
        name = key if key is not None else self.default_input
        if self.outer is not None and at is self.root:
            assert self.root.owner is not None
            return self._import(self.root.owner.level, f"data:{name}", asker, option)
        if name in self.registered and f"data:{name}" not in self.nodes:
            return self.resolve(self.root, self.registered[name], asker, option)
        if name not in self.inputs:
            raise not_found(f"data:{name}", asker, option, [f"data:{k}" for k in sorted(self.inputs)])
        node_key = f"data:{name}"
        if node_key not in self.nodes:
            self.add(
                Node(node_key, name, registry.find("source", node_key), {"class": "source", "key": name}, level, "")
            )
        return node_key

    def _outside(self, level: Level, ref: str, asker: str, option: str) -> str:
        if level is self.root and self.outer is not None:
            assert self.root.owner is not None
            return self._import(self.root.owner.level, ref, asker, option)
        if level.parent is None:
            raise not_found(f"base:{ref}", asker, option, map(str, level.layers))
        if self._sees_around(level, asker) and (level.parent is not self.root or self.outer is not None):
            ref = f"base:{ref}"
        return self.resolve(level.parent, ref, asker, option)

    def _sees_around(self, level: Level, asker: str) -> bool:
        """Whether a level has the layers around it as its own, so that "base:" there means what it means around it."""
        own = asker in self.nodes and self.nodes[asker].class_name == "masked_frames"  # those that make them its own
        return bool(getattr(level.layers, "of_outer_steps", False)) and not own

    def _import(self, level: Level, ref: str, asker: str, option: str) -> str:
        assert self.outer is not None
        key = self.outer.resolve(level, ref, asker, option)
        self.only_named.discard(key)
        if key not in self.imports:
            self.imports.append(key)
        return f"base:{key}"

    @property
    def needed(self) -> list[str]:
        """The imports that must be computed before."""
        return [key for key in self.imports if key not in self.only_named]

    def add(self, node: Node) -> Node:
        """Makes a node part of the graph."""
        self.nodes[node.key] = node
        self._todo.append(node)
        return node

    def _make(self, level: Level, name: str, key: str) -> Node:
        entry = level.layers[name]
        if not isinstance(entry, Mapping):
            raise NetworkError(f"layer '{key}' is {brief(entry)}, not a dictionary", ways=["{'class': 'linear', …}"])
        if "class" not in entry:
            raise NetworkError(
                f"layer '{key}' has no 'class'", near=nearest("class", map(str, entry)), ways=["'class': 'linear'"]
            )
        cls = registry.find(entry["class"], key).variant(entry)
        node = Node(key, name, cls, dict(entry), level, self._scope(level, name, entry))
        self.add(node)
        cls.expand(self, node)
        return node

    @staticmethod
    def _scope(level: Level, name: str, entry: Mapping[str, Any]) -> str:
        own = entry.get("name_scope")
        if own is None:
            return level.scope + scope_name(name)
        if not isinstance(own, str):
            raise option_error(level.path + name, str(entry.get("class")), "name_scope", own, "a string is needed")
        if own.startswith("/"):
            return own.strip("/")
        return (level.scope + own).strip("/")

    def _sub_layer(self, node: Node, rest: str) -> str:
        key = f"{node.key}/{rest}"
        if key not in self.nodes:
            options = {"class": "get_sub_layer", "from": node.key.removeprefix(node.level.path), "name": rest}
            sub = Node(key, rest, registry.find("get_sub_layer", key), options, node.level, "")
            self.add(sub)
        return key

    def _link(self, node: Node) -> None:
        """Resolves everything in the node's options that names a layer."""
        add_default_target(node, self.default_target)
        cls, options, level = node.cls, node.options, node.level
        described = options.get("out_type")
        if isinstance(described, Mapping) and described.get("dtype") == "string" and node.class_name != "eval":
            ways = ["{'class': 'eval', …}  joins words: tf.gather(TFUtil.get_shared_vocab(labels), source(0))"]
            raise option_error(node.key, node.class_name, "out_type", described, "only 'eval' gives words", ways)
        signature = cls.signature  # type: ignore[attr-defined]
        self.check_options(node)
        node.sources = [self.resolve(level, r, node.key, "from") for r in self._from(node)]
        node.deps += node.sources
        for option in sorted(signature.tensors | signature.outputs):
            if options.get(option) is not None:
                node.refs[option] = self.refer(node, option, options[option])
        for option in REFERENCES:
            if option in options and options[option] is not None and option not in node.refs:
                found = cls.generic_reference(self, node, option, options[option])  # type: ignore[attr-defined]
                if found is not None:
                    node.refs[option] = found
        cls.link(self, node)  # type: ignore[attr-defined]

    def _from(self, node: Node) -> list[Any]:
        given = node.options.get("from")
        if "from" not in node.options:
            signature = node.cls.signature  # type: ignore[attr-defined]
            if not signature.takes or signature.optional:
                return []
            if versions.at_least(versions.FROM_REQUIRED):
                raise option_error(
                    node.key,
                    node.class_name,
                    "from",
                    None,
                    "missing (behaviour versions from 1 on ask for it)",
                    ["'from': 'data'"],
                )
            given = "data"
        if given is None:
            return []
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, (list, tuple)):
            raise option_error(node.key, node.class_name, "from", given, "the name of a layer, or a list of names")
        return [n for n in names if n != "none"]

    def refer(self, node: Node, option: str, value: Any) -> Any:
        """The nodes that an option's value names: a name, or lists and dicts of names; other values stay."""
        if isinstance(value, str):
            key = self.resolve(node.level, value, node.key, option)
            node.deps.append(key)
            return Key(key)
        if isinstance(value, (list, tuple)):
            return type(value)(self.refer(node, option, v) for v in value)
        if isinstance(value, Mapping):
            return {k: self.refer(node, option, v) for k, v in value.items()}
        return value

    def check_options(self, node: Node) -> None:
        """Looks at the names of a layer's options.

        Raises:
          OptionError: its class has no such option.
        """
        known = {*node.cls.signature.options, *GENERIC, *node.cls.more_options}  # type: ignore[attr-defined]
        for option, value in node.options.items():
            if option in FORMER_DEFAULTS and value == FORMER_DEFAULTS[option]:
                continue
            if option not in known and not (isinstance(option, str) and option.startswith("_")):
                raise option_error(
                    node.key,
                    node.class_name,
                    str(option),
                    value,
                    FORMER.get(option, "this class has no such option"),
                    [f"nearest names: {', '.join(near)}"]
                    if (near := nearest(str(option), known)) and option not in FORMER
                    else ["remove it"],
                )

    def _sort(self) -> None:
        """Orders the nodes; those that nothing orders stay in the order in which they were found."""
        sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
        for key, node in self.nodes.items():
            sorter.add(key, *[d for d in node.deps if not d.startswith("base:") and d in self.nodes])
        try:
            order = list(sorter.static_order())
        except graphlib.CycleError as e:
            loop = " → ".join(f"'{k}'" for k in reversed(e.args[1]))
            raise LayerCycleError(
                f"layers depend on each other in a loop: {loop}",
                parties=[Party("layer", k, self.nodes[k].class_name) for k in e.args[1][:-1]],
                ways=["inside of a 'rec' layer, use the last step's output:  'prev:x'", "break the loop"],
            ) from None
        self.nodes = {key: self.nodes[key] for key in order}


SEARCHED = "extra.search:"
"""What the keys of layers begin with that search in training."""

_NEEDED = ("output", "position", "target_")
"""Options without whose layers a layer is not computed either: of a sub-network, `gather`, `loss`."""

__all__ = ["SEARCHED", "Flags", "Graph", "Key", "Level", "Node", "scope_name"]
