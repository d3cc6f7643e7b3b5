"""What expressions see of layers, networks and configs: the attributes that dictionaries written for RETURNN use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from tenure.core.errors import TenureError, nearest
from tenure.network import sizes
from tenure.network.beams import Beam, merged
from tenure.network.data_proxy import DataProxy
from tenure.network.dims import batch_dim
from tenure.network.output import Output
from tenure.network.tensor import Tensor
from tenure.network.tf.imports import with_tensorflow

if TYPE_CHECKING:
    from tenure.network.layer import Layer
    from tenure.network.run import Run


class NetworkProxy:
    """The network, as `self.network` gives it; or one of its sub-networks.

    Args:
      run: the pass.
      path: of the sub-network, with "/" at the end.
    """

    def __init__(self, run: Run, path: str = ""):
        self._run, self._path = run, path

    def __expression_names__(self) -> frozenset[str]:
        return frozenset({*(n for n in vars(NetworkProxy) if not n.startswith("_")), "_rec_parent_net", "_config"})

    @property
    def _rec_parent_net(self) -> NetworkProxy | None:
        """The network around the loop that this is the body of, or None."""
        return None if self._run.loop_time is None or self._run.outer is None else NetworkProxy(self._run.outer)

    @property
    def recurrent(self) -> bool:
        """Whether a layer of it depends on the order of frames."""
        return any(node.cls.stepwise for node in self._run.graph.nodes.values())  # type: ignore[attr-defined]

    def get_absolute_name_prefix(self) -> str:
        """The path, with "/" at the end; "" of the root."""
        return self._path

    def get_data_batch_dim(self) -> int:
        """How many sequences there are, each hypothesis of a search being one."""
        last = self._run.beams.last
        known = sizes.current()
        return known.padded(batch_dim()) * (1 if last is None else known.padded(last))

    @property
    def extern_data(self) -> ExternDataProxy:
        return ExternDataProxy(self)

    @property
    def name(self) -> str:
        return self._path.rstrip("/").rpartition("/")[2] or "root"

    @property
    def global_train_step(self) -> Any:
        return jnp.asarray(self._run.step, jnp.int32)

    global_train_step_var = global_train_step

    def get_global_train_step(self) -> Any:
        """How many training steps there have been."""
        return self.global_train_step

    @property
    def train_flag(self) -> bool:
        return self._run.flags.train

    @property
    def eval_flag(self) -> bool:
        return self._run.flags.eval

    @property
    def search_flag(self) -> bool:
        return self._run.flags.search

    def get_rec_step_index(self) -> Any:
        """The number of the loop's step."""
        return jnp.asarray(0 if self._run.loop_step is None else self._run.loop_step, jnp.int32)

    def have_rec_step_info(self) -> bool:
        """Whether it is inside of a loop."""
        return self._run.loop_step is not None

    def is_inside_rec_layer(self, inside_loop: bool = True) -> bool:
        """Whether it is inside of a loop."""
        return self._run.loop_time is not None and (self._run.single_step or not inside_loop)

    def cond_on_train(self, fn_train: Callable[[], Any], fn_eval: Callable[[], Any]) -> Any:
        """The first function's result in training, else the second's."""
        return fn_train() if self._run.flags.train else fn_eval()

    @property
    def parent_net(self) -> NetworkProxy | None:
        """The network around this one, or None."""
        if self._path:
            return NetworkProxy(self._run, self._path[:-1].rpartition("/")[0] + "/" if "/" in self._path[:-1] else "")
        return None if self._run.outer is None else NetworkProxy(self._run.outer)

    def get_root_network(self) -> NetworkProxy:
        """The network that has all others inside."""
        run = self._run
        while run.outer is not None:
            run = run.outer
        return NetworkProxy(run)

    def get_config(self) -> ConfigProxy:
        """The config around the network."""
        return ConfigProxy(self._run.network.config, self._run.unset)

    _config = property(get_config)

    @property
    def layers(self) -> dict[str, LayerProxy]:
        """The layers that were computed before, by name."""
        own = [k for k in self._run.outputs if k.startswith(self._path) and "/" not in k[len(self._path) :]]
        return {k[len(self._path) :]: LayerProxy(k, self._run) for k in own}

    def get_layer(self, name: str) -> LayerProxy:
        """A layer that was computed before: "x", "data:classes", "base:x", "sub/x".

        Raises:
          TenureError: there is none.
        """
        found = self._find(name)
        if found is None:
            raise TenureError(
                f"layer '{self._path}{name}' is not computed yet",
                near=nearest(name, self.layers),
                ways=["name it in 'from'", "'out_type', if only its form is wanted"],
            )
        return found

    def _find(self, name: str) -> LayerProxy | None:
        if name.startswith("base:"):
            around = self.parent_net
            return None if around is None else around._find(name.removeprefix("base:"))
        if name == "data":
            name = f"data:{self._run.network.default_input}"
        key = name if name.startswith("data:") else f"{self._path}{name}"
        for known in (key, f"base:{key}"):
            if known in self._run.outputs:
                return LayerProxy(known, self._run)
        head, _, rest = name.partition("/")
        if rest and f"{self._path}{head}" in self._run.outputs:
            return LayerProxy(f"{self._path}{head}", self._run).get_sub_layer(rest)
        if name in self._run.inputs or name.removeprefix("data:") in self._run.inputs:
            return LayerProxy(name, self._run, Output(self._run.inputs[name.removeprefix("data:")]))
        around = self.parent_net if name.startswith("data:") else None
        return None if around is None else around._find(name)

    def get_extern_data(self, key: str, mark_data_key_as_used: bool = True) -> DataProxy:
        """One of the network's inputs."""
        return self.get_layer(f"data:{key}").output

    def get_search_choices(self, src: LayerProxy | None = None, **unused: Any) -> Any:
        """What a search chose for a layer, or None."""
        return None if src is None else src.search_choices


class ExternDataProxy:
    """The network's inputs, as `self.network.extern_data` gives them."""

    __expression_names__ = frozenset(
        (
            "data",
            "default_input",
            "default_target",
            "get_data",
            "get_default_input_data",
            "get_default_target_data",
            "has_data",
        )
    )

    def __init__(self, network: NetworkProxy):
        self._network = network
        self.default_input = network._run.network.default_input
        self.default_target = network._run.network.default_target

    @property
    def data(self) -> dict[str, DataProxy]:
        """All that are there, by key."""
        root = self._network.get_root_network()
        return {key: root.get_extern_data(key) for key in root._run.inputs}

    def has_data(self, name: str) -> bool:
        """Whether there is such an input."""
        return name in self.data

    def get_data(self, name: str) -> DataProxy:
        """One of them."""
        return self._network.get_extern_data(name)

    def get_default_input_data(self) -> DataProxy:
        """That of "data"."""
        return self.get_data(self.default_input)

    def get_default_target_data(self) -> DataProxy:
        """That of the default target."""
        return self.get_data(self.default_target)


class ConfigProxy:
    """A config's values by name."""

    def __init__(self, values: Any, unset: list[str]):
        self._values, self._unset = values, unset

    def __expression_names__(self) -> frozenset[str]:
        return frozenset(n for n in vars(ConfigProxy) if not n.startswith("_"))

    @property
    def typed_dict(self) -> dict[str, Any]:
        return {name: with_tensorflow(value) for name, value in self._values.items()}

    def has(self, name: str) -> bool:
        """Whether the config has a value of that name."""
        return name in self._values

    def typed_value(self, name: str, default: Any = None, **unused: Any) -> Any:
        """A value of the config; functions get what is mapped where they import TensorFlow.

        Args:
          name: the key.
          default: the value where there is no such key, which errors of the layer then tell.
          **unused: of RETURNN's signature.
        """
        if name not in self._values and default is None:
            self._unset.append(name)
        return with_tensorflow(self._values.get(name, default))

    value = bool = int = float = list = typed_value

    def opt_typed_value(self, name: str, default: Any = None) -> Any:
        """The same; None where there is none."""
        return self.typed_value(name, default)

    def is_true(self, name: str, default: Any = False) -> Any:
        """Whether a value of the config is true."""
        return bool(self._values.get(name, default))


class ChoicesProxy:
    """The hypotheses of a search, as functions of configs see them: the batch first."""

    def __init__(self, beam: Beam):
        self._beam = beam

    def __expression_names__(self) -> frozenset[str]:
        return frozenset(("beam_size", "beam_scores", "src_beams"))

    @property
    def beam_size(self) -> int:
        return int(self._beam.scores.shape[0])

    @property
    def beam_scores(self) -> Any:
        return self._beam.scores.T

    @property
    def src_beams(self) -> Any:
        return None if self._beam.pointers is None else self._beam.pointers.T


class LayerProxy:
    """A layer, as `self` and `self.sources[0]` give it.

    Args:
      key: of the layer.
      run: the pass.
      output: what it gives; what it gave in this pass if None.
      layer: the layer itself, where it is the one that is being computed.
    """

    def __init__(self, key: str, run: Run, output: Output | None = None, layer: Layer | None = None):
        self._key, self._run, self._layer = key, run, layer
        self._output = run.outputs[key] if output is None else output

    def __expression_names__(self) -> frozenset[str]:
        return frozenset(n for n in vars(LayerProxy) if not n.startswith("_"))

    @property
    def name(self) -> str:
        return self._key.rpartition("/")[2]

    @property
    def output(self) -> DataProxy:
        return DataProxy(merged(self._output.tensor))

    @property
    def network(self) -> NetworkProxy:
        return NetworkProxy(self._run, self._key[: self._key.rfind("/") + 1])

    def _node(self) -> Any:
        return self._run.graph.nodes.get(self._key)

    def _proxies(self, keys: Any) -> list[LayerProxy]:
        return [LayerProxy(key, self._run) for key in keys if key in self._run.outputs]

    @property
    def sources(self) -> list[LayerProxy]:
        node = self._node()
        return [] if node is None else self._proxies(node.sources)

    @property
    def explicit_search_sources(self) -> Any:
        node = self._node()
        named = (
            None if node is None else node.refs.get("explicit_search_sources", node.refs.get("explicit_search_source"))
        )
        if isinstance(named, Mapping):
            return {k: LayerProxy(v, self._run) for k, v in named.items() if v in self._run.outputs}
        return self._proxies([named] if isinstance(named, str) else named or [])

    @property
    def search_choices(self) -> ChoicesProxy | None:
        """The hypotheses of its output; of a `decide` the best one; None where nothing was searched."""
        dim, best, node = self._output.tensor.beam_dim, self._output.extra, self._node()
        if dim is not None:
            return ChoicesProxy(self._run.beams.get(dim))
        decided = node is not None and node.class_name == "decide" and isinstance(best, Tensor)
        return ChoicesProxy(Beam(None, None, best.data[None])) if decided else None

    def get_search_choices(self) -> ChoicesProxy | None:
        """What a search chose, or None."""
        return self.search_choices

    def get_sub_layer(self, name: str) -> LayerProxy | None:
        """A part of what the layer gives, or None."""
        at: Output | None = self._output
        for part in name.split("/"):
            at = None if at is None else at.subs.get(part)
        return None if at is None else LayerProxy(f"{self._key}/{name}", self._run, at)

    def get_last_hidden_state(self, key: str = "*") -> Any:
        """The state of the last step, by name; all side by side for "*"."""
        states = {k: v.data if isinstance(v, Tensor) else v for k, v in self._output.state.items()}
        return jnp.concatenate(list(states.values()), -1) if key == "*" else states[key]

    def get_batch_dim(self) -> int:
        """How many sequences there are."""
        batch = self._output.tensor.batch_dim
        return 1 if batch is None else sizes.current().padded(batch)

    def get_absolute_name(self) -> str:
        """The path of the layer."""
        return self._key

    def is_output_layer(self) -> bool:
        """Whether the network's user sees its output."""
        node = self._node()
        return self.name == "output" or (node is not None and bool(node.get("is_output_layer") or node.get("loss")))


def of_layer(layer: Layer, frame: Tensor) -> LayerProxy:
    """The layer that is being computed, with the dims that its output will have."""
    return LayerProxy(layer.node.key, layer.run, Output(frame), layer)
