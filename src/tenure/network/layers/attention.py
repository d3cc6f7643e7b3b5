"""Self-attention and encodings of positions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure import functional
from tenure.core.run.naming import transparent
from tenure.core.run.rng import next_rng_key
from tenure.network import ops, sizes
from tenure.network.beams import beam_first
from tenure.network.dims import FEATURE, SPATIAL, Dim, batch_dim
from tenure.network.graph import Flags, Node
from tenure.network.layer import Layer, layer
from tenure.network.layers.attention_memory import Memory, recalled, remember
from tenure.network.layers.attention_steps import step as attention_step
from tenure.network.layers.attention_steps import step_together, together
from tenure.network.layers.linear import product
from tenure.network.layers.rec_state import KEPT
from tenure.network.layers.stepwise import over_steps
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
        return bool(node.get("attention_left_only"))

    @property
    def over_all_steps(self) -> bool:
        return True

    @property
    @transparent
    def sees_beams(self) -> bool:
        return together(self)

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
        self.unsupported("no program around gives lengths of a state here", state_var_lengths=state_var_lengths)
        if restrict_state_to_last_seq and initial_state not in KEPT:
            ways = ["'initial_state': 'keep_over_epoch'", "leave it out"]
            raise self.error("restrict_state_to_last_seq", True, "nothing of a sequence is kept after it", ways)
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
        step = x.time_axis is None and self.run.single_step
        if x.time_axis is None and not step:
            raise self.error("from", self.node.get("from"), f"{source!r} has no time axis")
        at_once = step and self.sees_beams
        x = (beam_first(x) if at_once else x).feature_last()
        in_dim = x.feature_dim
        if step and (in_dim is None or x.ndim != 2 + at_once or self.run.loop_time is None):
            raise self.error("from", self.node.get("from"), f"one vector for each sequence is needed, not {x!r}")
        if in_dim is None:
            raise self.error("from", self.node.get("from"), f"{source!r} has no feature dim")
        if not step:
            x = x.move_axis(x.time_axis, 1)  # type: ignore[arg-type]
            x = self.beyond(x, [1], 0)
        both = Dim(2 * total_key_dim + total, "qkv", kind=FEATURE)
        mat = self.param("QKV", (in_dim, both), forward_weights_init)
        qkv = split_heads(product(x, mat, both).data, num_heads, total_key_dim, total)
        if at_once:
            return step_together(self, x, qkv, key_shift, out)
        per_head = (num_heads, total_key_dim // num_heads), (num_heads, total // num_heads)
        memory = recalled(self, x.shape[0], *per_head)
        if memory.size and key_shift is not None:
            raise self.error("key_shift", self.node.get("key_shift"), "it says nothing of the keys kept from before")
        if step:
            return attention_step(self, x, qkv, key_shift, out, attention_dropout, memory)
        q, k, v = qkv
        batch, time = x.dims[0], x.dims[1]
        shifts = None if key_shift is None else jnp.einsum("bqhd,qkd->bhqk", q, self._of_queries(key_shift, time))
        keep = memory.mask(self._mask(batch, time, attention_left_only), *x.shape[:2])
        k, v = memory.ahead("k_left", k), memory.ahead("v_left", v)
        self._remember(memory, {"k_left": jnp.swapaxes(k, 1, 2), "v_left": jnp.swapaxes(v, 1, 2)}, time)
        drop = (lambda w: functional.dropped(next_rng_key(), attention_dropout, w)) if self.training else None
        change = drop if attention_dropout else None
        y = functional.attend(q, k, v, keep, scale=1.0, bias=shifts, masked=-jnp.inf, change=change)
        y = y.reshape((*x.shape[:2], total))
        return Output(Tensor(y, (batch, time, out), time_axis=1, feature_axis=2))

    def _of_queries(self, key_shift: Tensor, time: Dim) -> jax.Array:
        """[query, key, features]; where the shifts of each step of a loop were made for themselves, those of all steps."""
        if key_shift.ndim != 4 or not key_shift.has(time):
            return key_shift.data
        return jnp.squeeze(key_shift.move_axis(key_shift.axis(time), 0).data, 1)

    def after_loop(self, state: Mapping[str, Tensor], steps: Dim) -> None:
        k, v = state["k_left"], state["v_left"]
        memory = recalled(self, k.shape[0], *((x.shape[1], x.shape[3]) for x in (k, v)))
        self._remember(memory, {"k_left": k.data, "v_left": v.data}, steps)

    def first_state(self, form: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if self.node.get("initial_state") not in KEPT:
            return form
        shapes = [form[name].shape for name in ("k_left", "v_left")]
        memory = recalled(self, shapes[0][0], *((s[1], s[3]) for s in shapes))
        return {n: x.like(memory.with_room(n, x.shape, x.dtype)) for n, x in form.items()}

    def _remember(self, memory: Memory, arrays: Mapping[str, Any], time: Dim) -> None:
        batch, n = arrays["k_left"].shape[0], sizes.current().padded(time)
        keep = ops.mask(time, (batch_dim(), time))
        remember(self, memory, arrays, jnp.broadcast_to(True if keep is None else keep, (batch, n)))

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
    q, k, v = jnp.split(parts, [n, 2 * n], axis=-1)
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
