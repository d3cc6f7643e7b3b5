"""One step of self-attention in a loop: keys and values of the steps so far are kept, with room for all of them.

In a search they belong to hypotheses, and follow them. Where there is room for many steps, they do so in blocks of steps, in place,
and only in those blocks that are in use: a search that ends after a few steps does not pay for all that it had room for.
"""

from __future__ import annotations

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
from tenure.network.loop import mask_around
from tenure.network.output import Output, tensors
from tenure.network.tensor import Tensor

BLOCK = 8  # steps
MANY = 48  # steps, from which on blocks are faster than all at once


def in_blocks(layer: Layer) -> bool:
    """Whether the hypotheses' keys and values follow them block by block."""
    run = layer.run
    if not run.single_step or run.search is None or run.flags.train or run.loop_time is None:
        return False
    if mask_around(layer.node) is not None or layer.node.get("initial_state") is not None:
        return False
    n = sizes.current().padded(run.loop_time)
    if not isinstance(n, int) or n < MANY:
        return False
    source, *others = [run.outputs[k] for k in dict.fromkeys(layer.node.deps) if k in run.outputs]
    x, beam = source.tensor, run.search.ended.beam_dim
    if x.beam_dim is None or x.batch_axis is None or any(o.beam_dim is not None for o in tensors(others)):
        return False
    return x.shape[x.axis(x.beam_dim)] == run.search.ended.shape[run.search.ended.axis(beam)]


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


def step_in_blocks(layer: Layer, x: Tensor, qkv: Any, key_shift: Tensor | None, out: Dim) -> Output:
    """The same for all hypotheses at once, block by block.

    What is kept lies where it was written: `row` says for each hypothesis where that was. So only `row` is read by back pointers.

    Args:
      layer: whose step it is.
      x: its input, [beam, B, F].
      qkv: the queries, keys and values of it, each [beam, B, heads, n].
      key_shift: [1, steps, n], what keys are moved by, if they are.
      out: the output's features.

    Source: the softmax over blocks, Milakov and Gimelshein 2018, https://arxiv.org/abs/1805.02867.
    """
    q, k, v = qkv
    beam, batch, heads, width = k.shape
    t = jnp.asarray(layer.run.loop_step, jnp.int32)
    n = sizes.current().padded(layer.run.loop_time)
    n += -n % BLOCK
    row = kept(layer, "row")
    first = jnp.broadcast_to(jnp.arange(beam, dtype=jnp.int32)[:, None], (beam, batch))
    rows = ((first if row is None else beam_first(row).data) * batch + jnp.arange(batch)).reshape(-1)
    stored, dims = [], (layer.new_dim("rows", beam), x.dims[1], Dim(heads, "heads"), layer.new_dim("steps", n))
    for name, new in (("k_left", k), ("v_left", v)):
        old = kept(layer, name)
        before = jnp.zeros((beam, batch, heads, n, new.shape[-1]), new.dtype) if old is None else old.data
        stored.append(jax.lax.dynamic_update_slice_in_dim(before, new[..., None, :], t, 3))
    shift = None
    if key_shift is not None:
        shift = jnp.einsum("kbhd,td->kbht", q, key_shift.data.reshape(-1, width))
        shift = jnp.pad(shift, [(0, 0)] * 3 + [(0, n - shift.shape[-1])])

    def block(i: Any, carry: Any) -> Any:
        keys, values, most, total, mean = carry
        steps = i * BLOCK + jnp.arange(BLOCK)

        def moved(whole: Any) -> tuple[Any, Any]:
            part = jax.lax.dynamic_slice_in_dim(whole, i * BLOCK, BLOCK, 3)
            old = part.reshape(beam * batch, -1).at[rows].get(mode="promise_in_bounds").reshape(part.shape)
            new = jnp.where((steps == t)[:, None], part, old)  # of this step: in its place already
            return new, jax.lax.dynamic_update_slice_in_dim(whole, new, i * BLOCK, 3)

        part, keys = moved(keys)
        energy = jnp.einsum("kbhd,kbhtd->kbht", q, part)
        if shift is not None:
            energy = energy + jax.lax.dynamic_slice_in_dim(shift, i * BLOCK, BLOCK, 3)
        energy = jnp.where(steps <= t, energy, -jnp.inf)
        new = jnp.maximum(most, jnp.max(energy, axis=-1))
        weights, scale = jnp.exp(energy - new[..., None]), jnp.exp(most - new)
        part, values = moved(values)
        mean = mean * scale[..., None] + jnp.einsum("kbht,kbhtd->kbhd", weights, part)
        return keys, values, new, total * scale + jnp.sum(weights, axis=-1), mean

    zeros = jnp.zeros((beam, batch, heads), q.dtype)
    start = (*stored, zeros - jnp.inf, zeros, jnp.zeros_like(v))
    keys, values, _, total, mean = jax.lax.fori_loop(0, t // BLOCK + 1, block, start)
    y = (mean / total[..., None]).reshape(beam, batch, -1)
    state = {"row": Tensor(first, x.dims[:2])}
    for name, array, title in (("k_left", keys, "keys"), ("v_left", values, "values")):
        old = kept(layer, name)
        state[name] = Tensor(array, (*dims, Dim(array.shape[-1], title)) if old is None else old.dims)
    return Output(Tensor(y, (*x.dims[:2], out), None, None, 2), state=state)
