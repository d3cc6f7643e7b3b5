"""One step of self-attention in a loop: keys and values of the steps so far are kept, with room for all of them.

In a search they belong to hypotheses. They stay where they were written, and a table of ancestors, which follows back pointers in
their place, says which of them a hypothesis sees. Each hypothesis is compared with the keys of all, as one product of matrices: more
arithmetic than to let keys and values follow their hypotheses, and less time, which goes into memory. Room is used in blocks, four
small ones and then each as large as all before, so that a step reads little more than there is, and a search that ends after a few
steps does not pay for all that it had room for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tenure import functional
from tenure.core.run.rng import next_rng_key
from tenure.network import sizes
from tenure.network.beams import beam_first
from tenure.network.dims import Dim
from tenure.network.layer import Layer
from tenure.network.layers.attention_memory import Memory
from tenure.network.layers.stepwise import kept
from tenure.network.loop import masks_around
from tenure.network.output import Output, tensors
from tenure.network.tensor import Tensor
from tenure.nn.traced import traced_once

SMALL = 8  # steps of each of the first blocks
FEW = 64  # hypotheses, up to which comparing each with the keys of all is faster


def together(layer: Layer) -> bool:
    """Whether all hypotheses make the step at once, with keys and values that stay in their places."""
    run = layer.run
    if not run.single_step or run.search is None or run.flags.train or run.loop_time is None:
        return False
    if masks_around(layer.node) or layer.node.get("initial_state") is not None:
        return False
    n = sizes.current().padded(run.loop_time)
    if not isinstance(n, int) or n < 1:
        return False
    source, *others = [run.outputs[k] for k in dict.fromkeys(layer.node.deps) if k in run.outputs]
    x, beam = source.tensor, run.search.ended.beam_dim
    if x.beam_dim is None or x.batch_axis is None or any(o.beam_dim is not None for o in tensors(others)):
        return False
    width = x.shape[x.axis(x.beam_dim)]
    return width <= FEW and width == run.search.ended.shape[run.search.ended.axis(beam)]


def step(layer: Layer, x: Tensor, qkv: Any, key_shift: Tensor | None, out: Dim, drop: float, memory: Memory) -> Output:
    """What the step of one sequence sees of the steps before it.

    Args:
      layer: whose step it is.
      x: its input, [B, F].
      qkv: the queries, keys and values of it, each [B, heads, n].
      key_shift: [1, steps, n], what keys are moved by, if they are.
      out: the output's features.
      drop: the dropout of weights.
      memory: keys and values of sequences before this one.
    """
    q, k, v = qkv
    run = layer.run
    n, at = sizes.current().padded(run.loop_time) + memory.size, jnp.asarray(run.loop_step, jnp.int32) + memory.size
    room, state = layer.new_dim("steps", n), {}
    heads, keys, values = Dim(q.shape[1], "heads"), Dim(k.shape[-1], "keys"), Dim(v.shape[-1], "values")
    for name, new, last in (("k_left", k, keys), ("v_left", v, values)):
        dims = (x.dims[0], heads, room, last)  # a head's steps side by side: a product reads them in one go
        old = kept(layer, name)
        before = memory.with_room(name, (*new.shape[:2], n, new.shape[2]), new.dtype) if old is None else old.data
        array = jax.lax.dynamic_update_slice_in_dim(before, new[:, :, None], at, 2)
        state[name] = Tensor(array, dims if old is None else old.dims)
    energy = jnp.einsum("bhd,bhkd->bhk", q, state["k_left"].data)
    if key_shift is not None:
        energy = energy + jnp.einsum("bhd,kd->bhk", q, key_shift.data.reshape(-1, q.shape[-1]))
    energy = jnp.where(memory.seen(n, at), energy, -jnp.inf)
    weights = jax.nn.softmax(energy, axis=-1)
    if drop and layer.training:
        weights = functional.dropped(next_rng_key(), drop, weights)
    y = jnp.einsum("bhk,bhkd->bhd", weights, state["v_left"].data).reshape(x.shape[0], -1)
    return Output(Tensor(y, (x.dims[0], out), None, None, 1), state=state)


def step_together(layer: Layer, x: Tensor, qkv: Any, key_shift: Tensor | None, out: Dim) -> Output:
    """The same for all hypotheses of a search.

    Args:
      layer: whose step it is.
      x: its input, [beam, B, F].
      qkv: the queries, keys and values of it, each [beam, B, heads, n].
      key_shift: [1, steps, n], what keys are moved by, if they are.
      out: the output's features.
    """
    q, k, v = qkv
    beam, batch = x.shape[:2]
    t, n = jnp.asarray(layer.run.loop_step, jnp.int32), sizes.current().padded(layer.run.loop_time)
    own = jnp.broadcast_to(jnp.arange(beam, dtype=jnp.int32)[:, None, None], (beam, batch, 1))
    old = kept(layer, "ancestors")
    before = jnp.broadcast_to(own, (beam, batch, n)) if old is None else beam_first(old).data
    ancestors = jax.lax.dynamic_update_slice_in_dim(before, own, t, 2)
    state = {"ancestors": Tensor(ancestors, (*x.dims[:2], layer.new_dim("steps", n)))}
    q, keys, values = (jnp.moveaxis(y, 0, 2) for y in (q, k, v))  # [B, heads, beam, n]
    keys = jnp.swapaxes(keys, 2, 3)
    parts, stored, dims = tuple(_blocks(n)), [], []
    for start, size in parts:
        for name, new, axis in (("keys", keys, 3), ("values", values, 2)):
            shape = [size * beam if i == axis else length for i, length in enumerate(new.shape)]
            found = kept(layer, f"{name}{start}")
            sizes_ = [Dim(s, f"{name}{start}:{i}") for i, s in enumerate(shape) if i]
            dims.append((f"{name}{start}", (x.dims[1], *sizes_) if found is None else found.dims))
            stored.append(jnp.zeros(shape, new.dtype) if found is None else found.data)
    shift = None if key_shift is None else key_shift.data.reshape(-1, q.shape[-1])
    y, stored = _stepped(q, keys, values, jnp.swapaxes(ancestors, 0, 1), t, shift, stored, parts=parts)
    state |= {name: Tensor(array, of) for (name, of), array in zip(dims, stored, strict=True)}
    y = jnp.moveaxis(y, 2, 0).reshape(beam, batch, -1)
    return Output(Tensor(y, (*x.dims[:2], out), None, None, 2), state=state)


def _blocks(n: int) -> Any:
    """The first steps and sizes of blocks for `n` steps."""
    start = 0
    while start < n:
        size = min(SMALL if start < 4 * SMALL else start, n - start)
        yield start, size
        start += size


@traced_once("parts")
def _stepped(
    q: Any,
    keys: Any,
    values: Any,
    ancestors: Any,
    t: Any,
    shift: Any,
    stored: list[Any],
    parts: tuple[tuple[int, int], ...],
) -> tuple[Any, list[Any]]:
    """Stores the keys and values of step `t`, and gives what hypotheses see of the steps so far [B, heads, beam, n].

    Args:
      q: queries [B, heads, beam, n].
      keys: of this step [B, heads, n, beam].
      values: of this step [B, heads, beam, n].
      ancestors: of each hypothesis at each step [B, beam, steps].
      t: the step.
      shift: [steps, n], what keys are moved by, if they are.
      stored: keys and values of each block, in turn; their steps and hypotheses are one axis.
      parts: the first step and the size of each block.

    Returns:
      what they see, and what is stored then.
    """
    beam, arrays = q.shape[2], iter(stored)
    blocks = []
    for start, size in parts:
        place, inside = jnp.clip(t - start, 0, size - 1) * beam, (t >= start) & (t < start + size)
        block = []
        for new, axis in ((keys, 3), (values, 2)):
            array = next(arrays)
            if len(parts) > 1:
                new = jnp.where(inside, new, jax.lax.dynamic_slice_in_dim(array, place, beam, axis))
            block.append(jax.lax.dynamic_update_slice_in_dim(array, new, place, axis))
        blocks.append(tuple(block))
    given = (q, ancestors, t, shift, blocks)
    ways = [_over(parts[: i + 1]) for i in range(len(parts))]

    def needed(*given: Any) -> Any:  # on CPUs, of as many blocks as there are steps
        return jax.lax.switch(sum((given[2] >= start).astype(jnp.int32) for start, _ in parts[1:]), ways, *given)

    y = ways[0](*given) if len(ways) == 1 else jax.lax.platform_dependent(*given, cpu=needed, default=ways[-1])
    return y, [array for block in blocks for array in block]


def _over(parts: tuple[tuple[int, int], ...]) -> Callable[..., Any]:
    """What hypotheses see of the steps in some blocks [B, heads, beam, n]."""

    def attend(q: Any, ancestors: Any, t: Any, shift: Any, blocks: Any) -> Any:
        batch, heads, beam, _ = q.shape
        end = sum(parts[-1])
        energy, seen = [], []
        for (start, size), (keys, _) in zip(parts, blocks, strict=False):
            of_all = jnp.einsum("bhkd,bhdr->bhkr", q, keys).reshape(batch, heads, beam, size, beam)
            seen.append(jax.lax.slice_in_dim(ancestors, start, start + size, axis=2))
            place = jnp.broadcast_to(seen[-1][:, None, :, :, None], (batch, heads, beam, size, 1))
            energy.append(jnp.take_along_axis(of_all, place, axis=-1, mode="promise_in_bounds")[..., 0])
        energies = jnp.concatenate(energy, axis=-1)
        if shift is not None:
            energies = energies + jnp.einsum("bhkd,td->bhkt", q, shift[:end])
        weights = jax.nn.softmax(jnp.where(jnp.arange(end) <= t, energies, -jnp.inf), axis=-1)
        y: Any = 0
        for (start, size), (_, values), rows in zip(parts, blocks, seen, strict=False):
            own = jax.lax.slice_in_dim(weights, start, start + size, axis=3)[..., None]
            hot = rows[:, None, :, :, None] == jnp.arange(beam)
            of_all = jnp.where(hot, own, 0).reshape(batch, heads, beam, size * beam)
            y = y + jnp.einsum("bhkr,bhrd->bhkd", of_all, values)
        return y

    return attend
