"""The states that recurrent layers start from, and those they leave."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from tenure.core.run.frame import Scope, current_frame
from tenure.core.run.state import get_state, set_state
from tenure.network import ops
from tenure.network.cells import Cell, State
from tenure.network.dims import Dim, DimError
from tenure.network.graph import Key
from tenure.network.output import Output
from tenure.network.tensor import Tensor

if TYPE_CHECKING:
    from tenure.network.layer import Layer

KEPT = ("keep_over_epoch", "keep_over_epoch_no_init")


def _written(layer: Layer) -> Any:
    """`initial_state`, with keys of layers for their names."""
    for option in ("state", "initial_state"):
        if layer.node.get(option) is not None:
            return layer.node.refs.get(option, layer.node.get(option))
    return None


def beside_cell(layer: Layer) -> bool:
    """Whether a learned start of a cell in a loop is beside its parameters, where RETURNN has that of one that runs step by step."""
    return layer.node.key in layer.run.stepped


def initial_state(
    layer: Layer, cell: Cell, dims: Sequence[Dim], shape: Sequence[int], out_dim: Dim, beside: bool = False
) -> State:
    """What the cell starts from.

    Args:
      layer: whose options say it.
      cell: its cell.
      dims: of the batch, that is, all but time and features.
      shape: sizes of these.
      out_dim: of the state's features.
      beside: whether learned parts are beside the cell's parameters, not among them.
    """
    written = _written(layer)
    full = (*shape, cell.size)
    return {
        part: jnp.broadcast_to(_part(layer, part, value, (*dims, out_dim), full, beside), full)
        for part, value in _by_part(layer, cell, written).items()
    }


def _by_part(layer: Layer, cell: Cell, written: Any) -> dict[str, Any]:
    parts = cell.parts
    if isinstance(written, Mapping):
        if set(written) != set(parts):
            raise layer.error("initial_state", written, f"the unit's state has the parts {list(parts)}")
        return dict(written)
    if isinstance(written, (list, tuple)):
        if len(written) != len(parts):
            raise layer.error("initial_state", written, f"the unit's state has the parts {list(parts)}")
        return dict(zip(parts, written, strict=True))
    if isinstance(written, Key) and len(parts) > 1:
        state = layer.given(written).state
        if set(state) != set(parts):
            raise layer.error(
                "initial_state",
                layer.node.get("initial_state"),
                f"the unit's state has the parts {list(parts)}",
                [f"name a layer for each: {dict.fromkeys(parts, str(written))}"],
            )
        return dict(state)
    return dict.fromkeys(parts, written)


def _part(layer: Layer, part: str, value: Any, dims: Sequence[Dim], shape: Sequence[int], beside: bool) -> jax.Array:
    if isinstance(value, Tensor):
        return _aligned(layer, value, dims, shape)
    if isinstance(value, Key):
        return _aligned(layer, last_state(layer.given(value)), dims, shape)
    if value is None or value == "zeros":
        return jnp.zeros(shape)
    if value == "ones":
        return jnp.ones(shape)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value in (0, 1):
        return jnp.full(shape, value, jnp.float32)
    prefix = "rec/" if layer.node.get("name_scope") is None and not beside else ""
    name = "var" if part == "state" else part
    if value == "var":
        return layer.param(f"{prefix}initial_{name}", dims[1:], 0.0)
    if value in KEPT:
        return _read_kept(layer, part, shape)
    raise layer.error(
        "initial_state",
        value,
        "neither the name of a layer nor a known word",
        ["'zeros', 'ones', 'var', 'keep_over_epoch'"],
    )


def last_state(out: Output) -> Tensor:
    """All parts of a layer's state side by side; its output if it has none."""
    return ops.concat_features(list(out.state.values())) if out.state else out.tensor


def _aligned(layer: Layer, value: Tensor, dims: Sequence[Dim], shape: Sequence[int]) -> jax.Array:
    if value.feature_axis is not None and value.shape[value.feature_axis] == shape[-1]:
        value = value.replace_dim(value.feature_axis, dims[-1])
    found = None
    with contextlib.suppress(DimError):
        found = ops.aligned(value, dims)
    if found is None or any(n not in (1, m) for n, m in zip(found.shape, shape, strict=True)):
        option = "initial_state" if layer.node.get("state") is None else "state"
        why = f"{value!r} is no state of {[*dims]}, of shape {tuple(shape)}"
        raise layer.error(option, layer.node.get(option), why, [f"a layer with 'n_out': {shape[-1]}"])
    return found


def state_tensors(state: State, dims: Sequence[Dim], out_dim: Dim) -> dict[str, Tensor]:
    """The parts of a state as tensors."""
    return {part: Tensor(x, (*dims, out_dim), time_axis=None, feature_axis=len(dims)) for part, x in state.items()}


# States that are kept from one batch to the next are tenure states; their size follows the batch.


@contextlib.contextmanager
def scope(layer: Layer) -> Iterator[None]:
    """Within, names are below the layer's `rec/`, unless the dictionary gives the layer a scope of its own."""
    if layer.node.get("name_scope") is not None:
        yield
        return
    with current_frame("state").within(Scope(f"{layer.module_name}/rec", "__call__", layer)):
        yield


def _kept_name(part: str) -> str:
    return f"keep_state_{'var' if part == 'state' else part}"


def _read_kept(layer: Layer, part: str, shape: Sequence[int]) -> jax.Array:
    with scope(layer):
        old = get_state(_kept_name(part), (1, *shape[1:]), jnp.float32, jnp.zeros)
    return old if old.shape in (tuple(shape), (1, *shape[1:])) else jnp.zeros(shape)


def keep_states(layer: Layer, last: State) -> None:
    """Keeps what is to be kept for the next batch."""
    for part, value in last.items():
        written = _written(layer)
        if isinstance(written, Mapping):
            written = written.get(part)
        if isinstance(written, str) and written in KEPT:
            with scope(layer):
                set_state(_kept_name(part), value)
