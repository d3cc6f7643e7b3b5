"""`layer_stack`: one compiled body for N layers, with Haiku's names and keys."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from tenure.core.run.frame import Frame, maybe_frame
from tenure.core.run.layer_stack import stacked_by
from tenure.core.run.rng import maybe_next_rng_key
from tenure.haiku.api.lifting import lift_with_state, transparent_lift_with_state
from tenure.haiku.api.transforms import transform_with_state
from tenure.haiku.engine.frames import HaikuFrame

Bundles = dict[str, dict[str, Any]]


class LayerStackTransparencyMapping(Protocol):
    """Names of a transparent stack's layers: as one stacked module, and one by one."""

    def stacked_to_flat(self, stacked_module_name: str, scan_idx: int) -> str:
        """The name of a stacked module in layer `scan_idx`."""
        ...

    def flat_to_stacked(self, unstacked_module_name: str) -> tuple[str, int] | None:
        """The stacked name and the layer; None if the module is not of the stack."""
        ...


def _split(stacked: Bundles, size: int, names: LayerStackTransparencyMapping) -> Bundles:
    """One entry for each layer.

    Args:
      stacked: values with a leading axis of layers, by stacked module and name.
      size: how many layers there are.
      names: from stacked names to those of layers.
    """
    flat: Bundles = {}
    for module, bundle in stacked.items():
        for i in range(size):
            name = names.stacked_to_flat(module, i)
            if name in flat:
                raise ValueError(f"Found conflicting unstacked module name for {module} at {name}.")
            flat[name] = jax.tree.map(lambda x, i=i: x[i], bundle)
    return flat


def _stack(flat: Any, size: int, names: LayerStackTransparencyMapping) -> Bundles:
    """One entry for all layers.

    Args:
      flat: values by module and name.
      size: how many layers there are.
      names: from names of layers to stacked ones; modules that it does not know are left out.
    """
    layers: list[Bundles] = [{} for _ in range(size)]
    for module, bundle in flat.items():
        found = names.flat_to_stacked(module)
        if found is None:
            continue
        stacked, i = found
        target = layers[i].setdefault(stacked, {})
        for name, value in bundle.items():
            if name in target:
                raise ValueError(f"Found conflicting values for param {stacked}/{name} at index {i}.")
            target[name] = value
    return jax.tree.map(lambda *values: jnp.stack(values, axis=0), *layers)


def _check_positional(f: Callable[..., Any]) -> None:
    parameters = list(inspect.signature(f).parameters.values())
    if parameters and parameters[0].kind == inspect.Parameter.VAR_POSITIONAL:
        raise ValueError(
            "The function `f` should not have any `varargs` (that is *args) argument. Instead, it should only use "
            "explicit positional arguments"
        )


class _Run(NamedTuple):
    """How a stack of layers is run, as an inner transformed function, whose parameters are the outer one's."""

    size: int
    unroll: int
    names: LayerStackTransparencyMapping | None
    name: str

    def __call__(self, layer: Callable[..., Any], x: Any, inputs: Any, reverse: bool, options: Any) -> tuple[Any, Any]:
        inner = transform_with_state(_within(maybe_frame(), layer))
        rng = maybe_next_rng_key()
        init = functools.partial(self._init, inner, inputs)
        if self.names is not None:
            lifted, updater = transparent_lift_with_state(init, allow_reuse=True)
        else:
            lifted, updater = lift_with_state(init, allow_reuse=True, name=self.name)
        params, state = lifted(x, rng)
        rng = maybe_next_rng_key()
        keys = None if rng is None else jax.random.split(rng, self.size)
        if self.names is not None:
            params, state = _stack(params, self.size, self.names), _stack(state, self.size, self.names)

        def step(x: Any, mine: Any) -> Any:
            params, state, key, inputs = mine
            (x, y), state = inner.apply(params, state, key, x, inputs, **options)
            return x, (y, state)

        x, (ys, states) = jax.lax.scan(
            step, x, (params, state, keys, inputs), length=self.size, unroll=self.unroll, reverse=reverse
        )
        updater.update(states)
        return x, ys

    def _init(self, inner: Any, inputs: Any, x: Any, rng: Any) -> Any:
        def step(carry: Any, inputs: Any) -> Any:
            x, key = carry
            init_key, following, apply_key = (None, None, None) if key is None else jax.random.split(key, 3)
            params, state = inner.init(init_key, x, inputs)
            (x, _), state = inner.apply(params, state, apply_key, x, inputs)
            return (x, following), (params, state)

        _, (params, state) = jax.lax.scan(step, (x, rng), inputs, length=self.size)
        if self.names is not None:
            return _split(params, self.size, self.names), _split(state, self.size, self.names)
        return params, state


def _within(outer: Frame | None, layer: Callable[..., Any]) -> Callable[..., Any]:
    """The layer's function, which finds forced names outside of the stack."""

    def found(x: Any, inputs: Any, **options: Any) -> Any:
        frame = maybe_frame()
        if isinstance(frame, HaikuFrame) and isinstance(outer, HaikuFrame):
            frame.stack_around = outer
        return layer(x, inputs, **options)

    return found


def layer_stack(
    num_layers: int,
    with_per_layer_inputs: bool = False,
    unroll: int = 1,
    pass_reverse_to_layer_fn: bool = False,
    transparent: bool = False,
    transparency_map: LayerStackTransparencyMapping | None = None,
    name: str | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Runs a layer function `num_layers` times as one scan: compiling does not grow with the depth.

    Parameters and states have a leading axis of size `num_layers`, and a scope of their own.

    Args:
      num_layers: how often the layer is applied, each time with its own parameters.
      with_per_layer_inputs: the function also takes one slice of each further input, and returns (x, y); the y are
        stacked.
      unroll: how many layers are in one step of the loop.
      pass_reverse_to_layer_fn: the function also takes the keyword `reverse`.
      transparent: whether parameters are stored layer by layer, under names that `transparency_map` gives.
      transparency_map: from stacked names to names of layers, and back.
      name: of the scope.

    Returns:
      A decorator for `f(x)`, or `f(x, *inputs) -> (x, y)`. The decorated function also takes `reverse=True`.

    Raises:
      ValueError: `f` takes `*args`, or the stack is transparent without a map.

    >>> import tenure.haiku as hk
    >>> f = hk.transform(lambda x: hk.layer_stack(3, name="tower")(lambda x: hk.Linear(4)(x))(x))
    >>> f.init(jax.random.PRNGKey(0), jnp.ones((2, 4)))["tower/linear"]["w"].shape
    (3, 4, 4)
    """
    if transparent and transparency_map is None:
        raise ValueError("transparency_map must be provided with transparent=True.")
    name = name or ("__layer_stack_with_per_layer" if with_per_layer_inputs else "__layer_stack_no_per_layer")

    run = _Run(num_layers, unroll, transparency_map, name)
    decorate = stacked_by(run, num_layers, with_per_layer_inputs, pass_reverse_to_layer_fn)

    def checked(f: Callable[..., Any]) -> Callable[..., Any]:
        if not with_per_layer_inputs:
            _check_positional(f)
        return decorate(f)

    return checked
