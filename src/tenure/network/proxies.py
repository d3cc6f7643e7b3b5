"""What expressions see of layers and tensors: the attributes that dictionaries written for RETURNN use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from tenure.core.errors import TenureError
from tenure.network import axes, sizes
from tenure.network.tensor import Tensor

if TYPE_CHECKING:
    from tenure.network.layer import Layer
    from tenure.network.run import Run


class DataProxy:
    """A tensor, as `source(0, as_data=True)` and `layer.output` give it."""

    def __init__(self, tensor: Tensor):
        self._tensor = tensor

    def __expression_names__(self) -> frozenset[str]:
        return _DATA

    @property
    def placeholder(self) -> Any:
        return self._tensor.data

    raw_tensor = placeholder

    @property
    def dim(self) -> int | None:
        found = self._tensor.feature_or_sparse_dim
        return None if found is None else found.root.size

    @property
    def batch_dim_axis(self) -> int | None:
        return self._tensor.batch_axis

    @property
    def time_dim_axis(self) -> int | None:
        return self._tensor.time_axis

    @property
    def feature_dim_axis(self) -> int | None:
        return self._tensor.feature_axis

    @property
    def batch_ndim(self) -> int:
        return self._tensor.ndim

    @property
    def batch_shape(self) -> tuple[int | None, ...]:
        return tuple(d.root.size for d in self._tensor.dims)

    @property
    def shape(self) -> tuple[int | None, ...]:
        return tuple(d.root.size for d in self._tensor.dims if not d.is_batch)

    @property
    def dtype(self) -> str:
        return str(self._tensor.dtype)

    @property
    def sparse(self) -> bool:
        return self._tensor.sparse

    @property
    def dims(self) -> tuple[Any, ...]:
        return self._tensor.dims

    dim_tags = dims

    def get_sequence_lengths(self) -> Any:
        """The lengths of the time axis."""
        dim = self._tensor.time_dim
        if dim is None:
            raise TenureError(f"{self._tensor!r} has no time axis")
        found = sizes.current().lengths(dim)
        if found is not None:
            return found.data
        batch = self._tensor.batch_axis
        n = self._tensor.shape[self._tensor.time_axis or 0]
        return jnp.full((1 if batch is None else self._tensor.shape[batch],), n, jnp.int32)

    def get_axis_from_description(self, description: Any) -> int:
        """The axis that is meant."""
        return axes.axis(self._tensor, description, allow_int=True)

    def time_dimension(self) -> int:
        """The padded size of the time axis."""
        if self._tensor.time_axis is None:
            raise TenureError(f"{self._tensor!r} has no time axis")
        return self._tensor.shape[self._tensor.time_axis]

    def copy_as_batch_major(self) -> DataProxy:
        """The batch axis first."""
        return DataProxy(self._tensor.batch_first())

    def copy_as_time_major(self) -> DataProxy:
        """The time axis first."""
        x = self._tensor
        return DataProxy(x if x.time_axis is None else x.move_axis(x.time_axis, 0))

    def copy_with_feature_last(self) -> DataProxy:
        """The feature axis last."""
        return DataProxy(self._tensor.feature_last())


_DATA = frozenset(n for n in vars(DataProxy) if not n.startswith("_"))


class NetworkProxy:
    """The network, as `self.network` gives it."""

    def __init__(self, run: Run):
        self._run = run

    def __expression_names__(self) -> frozenset[str]:
        return frozenset(n for n in vars(NetworkProxy) if not n.startswith("_"))

    @property
    def global_train_step(self) -> Any:
        return jnp.asarray(self._run.step)

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

    def get_root_network(self) -> NetworkProxy:
        """The network itself."""
        return self

    def get_config(self) -> ConfigProxy:
        """The config around the network."""
        return ConfigProxy(self._run.network.config)

    def get_layer(self, name: str) -> LayerProxy:
        """A layer that was computed before."""
        if name not in self._run.outputs:
            raise TenureError(f"layer '{name}' is not computed yet", ways=["name it in 'from'"])
        return LayerProxy(name, self._run.outputs[name].tensor, self._run, [])


class ConfigProxy:
    """A config's values by name."""

    def __init__(self, values: Any):
        self._values = values

    def __expression_names__(self) -> frozenset[str]:
        return frozenset({"typed_value", "value", "bool", "int", "float", "typed_dict"})

    @property
    def typed_dict(self) -> dict[str, Any]:
        return dict(self._values)

    def typed_value(self, name: str, default: Any = None) -> Any:
        """A value of the config."""
        if name not in self._values and default is None:
            raise TenureError(f"the network's config has no '{name}'", ways=[f"tn.network(…, config={{'{name}': …}})"])
        return self._values.get(name, default)

    value = bool = int = float = typed_value


class LayerProxy:
    """A layer, as `self` and `self.sources[0]` give it."""

    def __init__(self, name: str, output: Tensor, run: Run, sources: list[LayerProxy]):
        self._name, self._output, self._run, self._sources = name, output, run, sources

    def __expression_names__(self) -> frozenset[str]:
        return frozenset({"output", "network", "sources", "name", "get_batch_dim"})

    @property
    def name(self) -> str:
        return self._name

    @property
    def output(self) -> DataProxy:
        return DataProxy(self._output)

    @property
    def network(self) -> NetworkProxy:
        return NetworkProxy(self._run)

    @property
    def sources(self) -> list[LayerProxy]:
        return self._sources

    def get_batch_dim(self) -> int:
        """How many sequences there are."""
        batch = self._output.batch_dim
        return 1 if batch is None else sizes.current().padded(batch)


def of_layer(layer: Layer, frame: Tensor) -> LayerProxy:
    """The layer that is being computed, with the dims that its output will have."""
    run = layer.run
    sources = [LayerProxy(key, run.outputs[key].tensor, run, []) for key in layer.node.sources]
    return LayerProxy(layer.node.name, frame, run, sources)
