"""How layers ask for parameters and states of their own."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.frame import Scope, current_frame
from tenure.core.run.module import Module
from tenure.core.run.naming import transparent
from tenure.core.run.parameters import get_parameter
from tenure.core.run.state import get_state, set_state
from tenure.network import sizes
from tenure.network.dims import Dim
from tenure.network.errors import option_error
from tenure.network.initializers import initializer
from tenure.network.noise import stages
from tenure.network.sharing import module_of
from tenure.network.typing import Node, Run

MAX_PARAMETER = 2**36


class OwnParameters(Module):
    """A module of a network, which has parameters below its own path.

    Attributes:
      node: what the dictionary says of it.
      run: the forward pass that it is part of.
    """

    node: Node
    run: Run

    @transparent
    def error(self, option: str, value: Any, why: str, ways: Sequence[str] = ()) -> Exception:
        """An error about one of this layer's options, to raise."""
        return option_error(self.node.key, self.node.class_name, option, value, why, ways)

    @transparent
    def param(
        self,
        name: str,
        dims: Sequence[Dim | int],
        init: Any = "glorot_uniform",
        dtype: Any = jnp.float32,
        trainable: bool = True,
    ) -> jax.Array:
        """A parameter of this layer, as the dictionary's `share`, `stages` and `trainable` say.

        Args:
          name: local name, RETURNN's; may have "/" in it.
          dims: of its axes, each a dim or a size.
          init: what dictionaries write: "glorot_uniform", 0.0, "random_normal_initializer(0.0, 0.1)", …; or a callable.
          dtype: of the array.
          trainable: whether it is ever trained.

        Returns:
          The array that the layer computes with.

        Raises:
          OptionError: a dim's size is another one for each batch.
        """
        for dim in dims:
            if isinstance(dim, Dim) and dim.is_dynamic:
                raise self.error("from", self.node.get("from"), f"{dim!r} has no fixed size, which parameters need")
        shape = _shape(dims)
        if math.prod(shape) > MAX_PARAMETER:
            raise self.error("n_out", self.node.get("n_out"), f"the parameter '{name}' would have the shape {shape}")
        if self.run.dry:
            return jnp.zeros(shape, dtype)
        trained = trainable and self.run.is_trainable(self.node)
        staged = self.run.network.reuse != "legacy" and trained and jnp.issubdtype(dtype, jnp.floating)
        path = module_of(self, name)
        with self._scope(name, path) as last:
            value = get_parameter(
                last, shape, dtype, initializer(init), stages=(stages(self) or None) if staged else None
            )
        self.run.record_param(self, name, value, trained, path)
        return self.run.noise(self, name, value, trained)

    @contextlib.contextmanager
    def _scope(self, name: str, module: str = "") -> Iterator[str]:
        """The scope that a name with "/" stands in, below a module or the layer's own; gives the last part of the name."""
        scope, _, last = name.rpartition("/")
        module = module or self.module_name
        path = f"{module}/{scope}" if scope else module
        with current_frame("param").within(Scope(path, "__call__", self)):
            yield last

    @transparent
    def state(self, name: str, dims: Sequence[Dim | int], init: Any = 0.0, dtype: Any = jnp.float32) -> jax.Array:
        """A state of this layer, such as a running average; `set_state` changes it."""
        shape = _shape(dims)
        if self.run.dry:
            return jnp.zeros(shape, dtype)
        with self._scope(name) as last:
            return get_state(last, shape, dtype, initializer(init))

    @transparent
    def set_state(self, name: str, value: jax.Array) -> None:
        """The state's value after this pass."""
        if self.run.dry:
            return
        with self._scope(name) as last:
            set_state(last, value)


def _shape(dims: Sequence[Dim | int]) -> tuple[int, ...]:
    known = sizes.current()
    return tuple([known.padded(d) if isinstance(d, Dim) else int(d) for d in dims])
