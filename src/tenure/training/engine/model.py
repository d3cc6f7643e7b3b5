"""The network of a config, and its values by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.errors import brief
from tenure.network import extern
from tenure.network.graph import Flags
from tenure.network.model import Network
from tenure.training.engine import own_model
from tenure.training.errors import ConfigError
from tenure.training.pretraining.plan import Pretraining

TRAINING, SEARCHING = Flags(True, True, False), Flags(False, False, True)
Tree = Mapping[str, Mapping[str, Any]]


def extern_data(config: Mapping[str, Any]) -> dict[str, Any]:
    """The declared inputs: `extern_data`, or the older `num_inputs` and `num_outputs`.

    >>> extern_data({"num_inputs": 9, "num_outputs": 2})
    {'data': {'dim': 9}, 'classes': {'dim': 2, 'sparse': True}}
    """
    if config.get("extern_data"):
        return dict(config["extern_data"])
    inputs, outputs = config.get("num_inputs"), config.get("num_outputs")
    if outputs is None:
        raise ConfigError(
            "the config does not say what the network is fed", ways=["extern_data = {'data': {'dim': 40}}"]
        )
    if not isinstance(outputs, Mapping):
        outputs = {"classes": (outputs, 1) if isinstance(outputs, int) else outputs}
    found = {key: _entry(key, value) for key, value in outputs.items()}
    return found if "data" in found or inputs is None else {"data": {"dim": inputs}, **found}


def _entry(key: str, value: Any) -> Any:
    if isinstance(value, int):
        return {"dim": value, **({} if key == "data" else {"sparse": True})}
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list | tuple) and len(value) == 2:
        dim, ndim = value
        return {"dim": dim, **({"sparse": True} if ndim == 1 else {})}
    raise ConfigError(f"num_outputs[{key!r}] is {brief(value)}", ways=["[dim, 2], or [dim, 1] for indices"])


def network_of(config: Mapping[str, Any], epoch: int, pretraining: Pretraining | None = None) -> Mapping[str, Any]:
    """The dictionary of layers of an epoch.

    Args:
      config: key → value.
      epoch: counted from 1.
      pretraining: of the config.

    Raises:
      ConfigError: the config has none.

    >>> network_of({"get_network": lambda epoch: {"#epoch": epoch}}, 3)
    {'#epoch': 3}
    """
    if pretraining is not None:
        return pretraining.network(epoch)
    if callable(config.get("get_model")):
        return {own_model.MODEL: own_model.made(config["get_model"])}
    make = config.get("get_network")
    net = make(epoch=epoch) if callable(make) else config.get("network")
    if not isinstance(net, Mapping):
        raise ConfigError(
            "the config has no 'network'" if net is None else f"'network' is {brief(net)}, and no dictionary of layers",
            ways=["network = {…}", "def get_network(epoch): …", "def get_model(): …"],
        )
    return net


def build(config: Mapping[str, Any], net: Mapping[str, Any]) -> Network:
    """The network of a dictionary, as the config has it read."""
    layers = {name: options for name, options in net.items() if not name.startswith("#")}
    default, target = config.get("default_input") or "data", config.get("target") or "classes"
    if own_model.MODEL in net:
        return own_model.OwnModel(net[own_model.MODEL], extern_data(config), config, target)  # type: ignore[return-value]
    return Network(
        layers,
        _with_availability(extern_data(config), default, target),
        behavior_version=int(config.get("behavior_version") or 0),
        default_input=default,
        default_target=target,
        config=dict(config),
        reuse="legacy" if config.get("reuse_legacy") else "owner_final",
        padding="legacy" if config.get("padding_legacy") else "ignored",
    )


def check_available(network: Any, layers: Sequence[str], flags: Flags) -> None:
    """Refuses layers that need inputs which are not there without losses.

    Args:
      network: with the layers; a model of the config's own says it itself.
      layers: whose outputs are wanted.
      flags: what the network is run for.

    Raises:
      ConfigError: there are such; the message names the inputs.
    """
    if not isinstance(network, Network) or flags.eval:
        return
    graph = network.built(flags, roots=layers)
    lacking = [
        k for k, of in network.templates.items() if not of.available_for_inference and f"data:{k}" in graph.nodes
    ]
    absent = [layer for layer in layers if layer in graph.absent]
    if absent and lacking:
        raise ConfigError(
            f"the layer {absent[0]!r} needs the input{'s' * (len(lacking) > 1)} {', '.join(map(repr, lacking))}, which is for losses only",
            ways=[f"extern_data: {lacking[0]!r}: {{…, 'available_for_inference': True}}, if it is no target"],
        )


def _with_availability(known: Mapping[str, Any], default: str, target: str) -> dict[str, Any]:
    """Inputs that say whether they are there without targets. As RETURNN has it: the default input is, and where no other
    says so and there is none, all but the default target are."""
    name = "available_for_inference"
    found = {k: {name: k == default, **v} if isinstance(v, Mapping) else v for k, v in known.items()}
    if any(v[name] if isinstance(v, Mapping) else True for v in found.values()):
        return found
    return {k: {**v, name: k != target} if isinstance(v, Mapping) else v for k, v in found.items()}


def flat(*trees: Tree) -> dict[str, np.ndarray]:
    """Values by the names that RETURNN gives to its variables: "layer/W"."""
    return {
        f"{module}/{name}": np.asarray(v) for tree in trees for module, of in tree.items() for name, v in of.items()
    }


def filled(tree: Tree, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The tree with values by name; what has none stays.

    >>> filled({"h": {"b": np.zeros(1), "W": np.zeros(1)}}, {"h/b": np.ones(1)})["h"]["b"]
    Array([1.], dtype=float32)
    """
    return {
        module: {
            name: jnp.asarray(values[f"{module}/{name}"], jnp.asarray(v).dtype) if f"{module}/{name}" in values else v
            for name, v in of.items()
        }
        for module, of in tree.items()
    }


def embeddings(network: Network) -> dict[tuple[str, str], tuple[str, ...]]:
    """The parameters of which a step reads some rows only, with the layers whose outputs are the numbers of these rows.

    They are the matrices of layers that are linear in labels, unless another kind of layer uses the matrix too, or it has a term of its own
    in the objective (L2): then TensorFlow's gradient is one of all rows.
    """
    nodes = network.graph(TRAINING).nodes
    linear = {node.key: node for node in nodes.values() if node.class_name in ("linear", "hidden", "forward")}
    if not linear:
        return {}
    shapes = extern.placeholders(network.templates)
    batch = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype) if hasattr(x, "dtype") else x, shapes)
    key = jax.random.key(0)
    params, state = jax.eval_shape(lambda: network.init(key, batch))
    result, _ = jax.eval_shape(lambda p, s: network.apply(p, s, key, batch, layers=("*",)), params, state)
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for node in linear.values():
        outputs = [result.outputs.get(source) for source in node.sources]
        sparse = bool(outputs) and all(x is not None and x.sparse_dim is not None for x in outputs)
        if (
            sparse
            and not node.get("use_transposed_weights")
            and (not node.get("L2") or network.config.get("decouple_constraints"))
        ):
            found[node.scope, "W"] = tuple(node.sources)
    ledger = network.plan(train=True).ledger
    alone = {}
    for (module, name), sources in found.items():
        users = [] if ledger.owner_of(f"{module}/{name}") != f"{module}/{name}" else ledger.users_of(f"{module}/{name}")
        pairs = [(user.rpartition("/")[0], user.rpartition("/")[2]) for user in users]
        if all(pair in found for pair in pairs):
            alone[module, name] = tuple(dict.fromkeys([*sources, *(s for pair in pairs for s in found[pair])]))
    return alone


def read_at_places(network: Any) -> frozenset[tuple[str, str]]:
    """The matrices of which layers read rows, in loops too, and which nothing else uses: their gradients are clipped at each place by itself."""
    found: set[tuple[str, str]] = set()
    plain = ("linear", "hidden", "forward")
    for node in _all_nodes(network.graph(TRAINING)):
        forms = [
            network.forms(TRAINING).get(source.removeprefix("prev:").removeprefix("base:")) for source in node.sources
        ]
        sparse = bool(forms) and all(form is not None and form.sparse_dim is not None for form in forms)
        own = not node.get("L2") or network.config.get("decouple_constraints")
        if node.class_name in plain and sparse and own and not node.get("use_transposed_weights"):
            found.add((node.scope, "W"))
    ledger = network.plan(train=True).ledger
    return frozenset(path for path in found if ledger.users_of("/".join(path)) == ("/".join(path),))


def _all_nodes(graph: Any) -> Iterator[Any]:
    """The nodes of a graph, and of those inside of them."""
    for node in graph.nodes.values():
        yield node
        for branch in node.branches.values():
            yield from _all_nodes(branch)
