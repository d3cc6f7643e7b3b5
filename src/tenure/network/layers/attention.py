"""Self-attention and encodings of positions."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from tenure import functional
from tenure.core.run.rng import next_rng_key
from tenure.network import ops, sizes
from tenure.network.dims import FEATURE, SPATIAL, Dim
from tenure.network.graph import Flags, Node
from tenure.network.layer import Layer, layer
from tenure.network.layers.linear import product
from tenure.network.layers.stepwise import kept, over_steps
from tenure.network.output import Output
from tenure.network.tensor import Tensor


@layer("self_attention")
class SelfAttention(Layer):
    """Dot-product attention of each position over all, or over those before it, in several heads.

    Parameter: `QKV` (in, 2 * total_key_dim + out); for each head queries, keys, values.
    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; `key_shift` Shaw et al. 2018, https://arxiv.org/abs/1803.02155.

    Input [B, T, F], output [B, T, n_out].
    """

    stepwise = True

    @classmethod
    def moves_out(cls, node: Node, flags: Flags) -> bool:
        return bool(node.get("attention_left_only")) and node.get("initial_state") in (None, "zeros", 0)

    @property
    def over_all_steps(self) -> bool:
        return True

    def forward(
        self,
        source: Tensor,
        *,
        num_heads: int,
        total_key_dim: int,
        key_shift: Tensor | None = None,
        forward_weights_init: Any = "glorot_uniform",
        attention_dropout: float = 0.0,
        attention_left_only: bool = False,
        initial_state: Any = None,
        restrict_state_to_last_seq: bool = False,
        state_var_lengths: Any = None,
    ) -> Output:
        self.unsupported(
            "this layer keeps no keys of earlier steps or sequences",
            initial_state=None if initial_state in ("zeros", 0) else initial_state,
            restrict_state_to_last_seq=restrict_state_to_last_seq,
            state_var_lengths=state_var_lengths,
        )
        out = self._out_dim()
        total = out.root.size or 0
        if total_key_dim % num_heads or total % num_heads:
            raise self.error(
                "num_heads", num_heads, f"{total_key_dim} keys and {total} outputs cannot be divided by it"
            )
        x = source.batch_first()
        if self.run.all_steps and self.run.loop_time is not None and not x.has(self.run.loop_time):
            time = self.run.loop_time
            n = sizes.current().padded(time)
            x = x.stacked(time, jnp.broadcast_to(x.data, (n, *x.shape)), as_time=True).batch_first()
        if x.time_axis is None and self.run.single_step:
            return self._step(x, key_shift, num_heads, total_key_dim, out, forward_weights_init, attention_dropout)
        if x.time_axis is None:
            raise self.error("from", self.node.get("from"), f"{source!r} has no time axis")
        x = x.feature_last()
        x = x.move_axis(x.time_axis, 1)  # type: ignore[arg-type]
        x = self.beyond(x, [1], 0)
        in_dim = x.feature_dim
        if in_dim is None:
            raise self.error("from", self.node.get("from"), f"{source!r} has no feature dim")
        both = Dim(2 * total_key_dim + total, "qkv", kind=FEATURE)
        mat = self.param("QKV", (in_dim, both), forward_weights_init)
        batch, time = x.dims[0], x.dims[1]
        q, k, v = split_heads(product(x, mat, both).data, num_heads, total_key_dim, total)
        shifts = None if key_shift is None else jnp.einsum("bqhd,qkd->bhqk", q, key_shift.data)
        keep = self._mask(batch, time, attention_left_only)
        drop = (lambda w: functional.dropped(next_rng_key(), attention_dropout, w)) if self.training else None
        change = drop if attention_dropout else None
        y = functional.attend(q, k, v, keep, scale=1.0, bias=shifts, masked=-jnp.inf, change=change)
        y = y.reshape((*x.shape[:2], total))
        return Output(Tensor(y, (batch, time, out), time_axis=1, feature_axis=2))

    def _step(
        self, x: Tensor, key_shift: Tensor | None, num_heads: int, total_key_dim: int, out: Dim, init: Any, drop: float
    ) -> Output:
        """One step of a loop: the keys and values of the steps so far are kept, with room for all of them."""
        x = x.feature_last()
        if x.feature_dim is None or x.ndim != 2 or self.run.loop_time is None:
            raise self.error("from", self.node.get("from"), f"one vector for each sequence is needed, not {x!r}")
        total = out.root.size or 0
        both = Dim(2 * total_key_dim + total, "qkv", kind=FEATURE)
        mat = self.param("QKV", (x.feature_dim, both), init)
        q, k, v = split_heads(product(x, mat, both).data, num_heads, total_key_dim, total)
        n, step = sizes.current().padded(self.run.loop_time), jnp.asarray(self.run.loop_step, jnp.int32)
        room = self.new_dim("steps", n)
        heads, keys, values = Dim(num_heads, "heads"), Dim(k.shape[-1], "keys"), Dim(v.shape[-1], "values")
        state = {}
        for name, new, last in (("k_left", k, keys), ("v_left", v, values)):
            dims = (x.dims[0], heads, room, last)  # a head's steps side by side: a product reads them in one go
            old = kept(self, name)
            shape = (*new.shape[:2], n, new.shape[2])
            before = jnp.zeros(shape, new.dtype) if old is None else old.data
            array = jax.lax.dynamic_update_slice_in_dim(before, new[:, :, None], step, 2)
            state[name] = Tensor(array, dims if old is None else old.dims)
        energy = jnp.einsum("bhd,bhkd->bhk", q, state["k_left"].data)
        if key_shift is not None:
            energy = energy + jnp.einsum("bhd,kd->bhk", q, key_shift.data.reshape(-1, q.shape[-1]))
        energy = jnp.where(jnp.arange(n) <= step, energy, -jnp.inf)
        weights = jax.nn.softmax(energy, axis=-1)
        if drop and self.training:
            weights = functional.dropped(next_rng_key(), drop, weights)
        y = jnp.einsum("bhk,bhkd->bhd", weights, state["v_left"].data).reshape(x.shape[0], total)
        return Output(Tensor(y, (x.dims[0], out), None, None, 1), state=state)

    def _out_dim(self) -> Dim:
        n_out = self.node.get("n_out")
        if n_out is None or self.node.get("out_dim") is not None:
            return self.feature_out()
        return self.new_dim("self_att_feat", n_out, FEATURE)

    @staticmethod
    def _mask(batch: Dim, time: Dim, left_only: bool) -> jax.Array | None:
        """Which keys a query sees, as an array that broadcasts to (batch, head, query, key)."""
        if left_only:
            n = sizes.current().padded(time)
            return jnp.tril(jnp.ones((n, n), bool))
        keep = ops.mask(time, (batch, time))
        return None if keep is None else keep[:, None, None, :]


def split_heads(qkv: jax.Array, heads: int, keys: int, values: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Scaled queries, keys and values, each (batch, time, head, dim), of what the matrix gives."""
    n = keys // heads
    parts = qkv.reshape((*qkv.shape[:-1], heads, (2 * keys + values) // heads))
    q, k, v = parts[..., :n], parts[..., n : 2 * n], parts[..., 2 * n :]
    return q * n**-0.5, k, v


def sinusoids(positions: jax.Array, channels: int) -> jax.Array:
    """Sines, then cosines, of positions at wavelengths from 2π to 10000·2π, in a new last axis.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, with both halves side by side.
    """
    n = channels // 2
    rates = jnp.exp(jnp.arange(n, dtype=jnp.float32) * -(math.log(1e4) / max(n - 1, 1)))
    signal = functional.sines_and_cosines(positions, rates)
    return jnp.pad(signal, [(0, 0)] * positions.ndim + [(0, channels % 2)])


@layer("positional_encoding")
class PositionalEncoding(Layer):
    """Sinusoids of positions, alone or added to the input.

    Input [B, T, …, F], output [B, T, …, n_out], or [B, T, …, F] with `add_to_input`.
    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762.
    """

    def forward(
        self,
        source: Tensor,
        *,
        axis: Any = "T",
        add_to_input: bool = False,
        constant: int = -1,
        offset: Tensor | None = None,
    ) -> Tensor:
        step = over_steps(self, source, axis)
        feature = source.feature_dim if add_to_input else self.feature_out()
        if feature is None or feature.root.size is None:
            raise self.error("n_out", self.node.get("n_out"), "a number of features is needed")
        around = tuple(d for i, d in enumerate(source.dims) if i != source.feature_axis)
        dims_of: tuple[Dim, ...] = () if step else (source.dims[self.axis(source, axis)],)
        shape = tuple(sizes.current().padded(d) for d in dims_of)
        count = jnp.asarray(self.run.loop_step, jnp.int32) if step else jnp.arange(shape[0])
        where = Tensor(jnp.full(shape, constant) if constant > -1 else count, dims_of)
        if offset is not None:
            where = ops.mapn(jnp.add, [where, offset], broadcast_all=True)
        signal = where.like(sinusoids(where.data, feature.root.size), dims=(*where.dims, feature), feature_axis=None)
        dims = (*around, feature)
        array = ops.aligned(signal, dims)
        if add_to_input:
            array = array + ops.aligned(source, dims)
        known = sizes.current()
        array = jnp.broadcast_to(array, tuple(known.padded(d) for d in dims))
        return source.with_dims(array, dims, None).as_feature(feature)


@layer("relative_positional_encoding")
class RelativePositionalEncoding(Layer):
    """A vector for each distance of two positions, clipped.

    Parameter: `encoding_matrix` (2 * clipping + 1, out). Source: Shaw et al. 2018, https://arxiv.org/abs/1803.02155.

    Input [B, T, F], output [T, T, out] (query, key), or [T, out] in one step of a loop.
    """

    def forward(
        self,
        source: Tensor,
        *,
        forward_weights_init: Any = "glorot_uniform",
        clipping: int = 16,
        fixed: bool = False,
        query_spatial_dim: Any = "T",
        key_value_spatial_dim: Any = "T",
        query_offset: Tensor | None = None,
    ) -> Tensor:
        out_dim, n_out = self.node.get("out_dim"), self.node.get("n_out")
        out = out_dim if out_dim is not None else self.new_dim("rel_pos_enc_feat", n_out, FEATURE)
        if not isinstance(out, Dim) or out.root.size is None:
            raise self.error("n_out", n_out, "the size of the output is needed")
        query = self._dim(source, query_spatial_dim)
        key = self._dim(source, key_value_spatial_dim)
        if key is None:
            raise self.error("key_value_spatial_dim", key_value_spatial_dim, "a dim is needed")
        if fixed:
            matrix = sinusoids(jnp.arange(2 * clipping + 1), out.root.size)
        else:
            matrix = self.param("encoding_matrix", (2 * clipping + 1, out), forward_weights_init)
        known = sizes.current()
        keys = jnp.arange(known.padded(key))
        if query is None:
            distance = keys - _number(query_offset)
            return Tensor(matrix[jnp.clip(distance, -clipping, clipping) + clipping], (key, out))
        first = _number(query_offset)
        if self.run.single_step and query_offset is None and query_spatial_dim == "T" and source.time_axis is None:
            first = jnp.asarray(self.run.loop_step, jnp.int32)
            if (
                key_value_spatial_dim == "T" and self.run.loop_time is not None
            ):  # room for all steps, as attention has it
                key = self.new_dim("steps", known.padded(self.run.loop_time))
                keys = jnp.arange(known.padded(key))
        queries = jnp.arange(known.padded(query)) + first
        distance = jnp.clip(keys[None, :] - queries[:, None], -clipping, clipping) + clipping
        return Tensor(matrix[distance], (query, key, out), feature_axis=2)

    def _dim(self, source: Tensor, description: Any) -> Dim | None:
        if description is None:
            return None
        if isinstance(description, Dim):
            return description
        if description == "T" and source.time_axis is None:
            return self.new_dim("rel_pos_enc_dummy", 1, SPATIAL)
        return source.dims[self.axis(source, description)]


def _number(offset: Any) -> Any:
    return 0 if offset is None else offset.data if isinstance(offset, Tensor) else offset
