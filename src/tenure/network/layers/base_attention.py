"""Attention of one vector for each sequence over another layer's frames, as before layers were composed for it."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from tenure import functional
from tenure.network import ops, sizes
from tenure.network.layer import Layer, layer
from tenure.network.layers.dims_of import made
from tenure.network.tensor import Tensor


class Attention(Layer):
    """What attention layers over a base have in common."""

    def frames(self, option: str, x: Tensor) -> Tensor:
        """[B, T, F]."""
        x = x.feature_last()
        if x.ndim != 3 or x.batch_axis is None or x.feature_axis is None:
            raise self.error(option, self.node.get(option), f"[batch, time, features] is needed, not {x!r}")
        x = x.batch_first()
        return x if self.run.single_step else self.beyond(x, [1], 0)

    def vector(self, x: Tensor) -> Tensor:
        """[B, F]."""
        x = x.feature_last()
        if x.ndim != 2 or x.batch_axis != 0:
            raise self.error("from", self.node.get("from"), f"[batch, features] is needed, not {x!r}")
        return x

    def attend(self, energy: jax.Array, base: Tensor) -> Tensor:
        """The mean of the base's frames [B, F] by the softmax of energies [B, T]."""
        keep = ops.mask(base.dims[1], base.dims[:2])
        data = functional.with_weights(energy, base.data, keep)
        return Tensor(data, (base.dims[0], base.dims[2]))


@layer("dot_attention")
class DotAttention(Attention):
    """Attention by dot products: Luong et al. 2015, https://arxiv.org/abs/1508.04025.

    Input [B, F], `base` [B, T, G], `base_ctx` [B, T, F], output [B, G].
    """

    def forward(self, source: Tensor, *, base: Tensor, base_ctx: Tensor, energy_factor: float | None = None) -> Tensor:
        query, keys, values = self.vector(source), self.frames("base_ctx", base_ctx), self.frames("base", base)
        if query.shape[-1] != keys.shape[-1]:
            raise self.error("base_ctx", self.node.get("base_ctx"), f"{keys!r} has not the features of {query!r}")
        energy = jnp.einsum("bti,bi->bt", keys.data, query.data)
        return self.attend(energy * energy_factor if energy_factor else energy, values)


@layer("concat_attention")
class ConcatAttention(Attention):
    """Additive attention with weights `v`: Bahdanau et al. 2014, https://arxiv.org/abs/1409.0473.

    Input [B, F], `base` [B, T, G], `base_ctx` [B, T, F], output [B, G]. Parameter: `v` (F).
    """

    def forward(self, source: Tensor, *, base: Tensor, base_ctx: Tensor) -> Tensor:
        query, keys, values = self.vector(source), self.frames("base_ctx", base_ctx), self.frames("base", base)
        if query.shape[-1] != keys.shape[-1]:
            raise self.error("base_ctx", self.node.get("base_ctx"), f"{keys!r} has not the features of {query!r}")
        v = self.param("v", (query.shape[-1],))
        return self.attend(jnp.tanh(keys.data + query.data[:, None]) @ v, values)


@layer("gauss_window_attention")
class GaussWindowAttention(Attention):
    """A bell over the frames around a place that the input says.

    Input [B, 1], `base` [B, T, G], output [B, G], or [B, inner_size, G] with `inner_size`.
    Source: Luong et al. 2015 ("local-p"), https://arxiv.org/abs/1508.04025; several bells Graves 2013, https://arxiv.org/abs/1308.0850.
    """

    def forward(
        self,
        source: Tensor,
        *,
        base: Tensor,
        window_size: int,
        std: float = 1.0,
        inner_size: int | None = None,
        inner_size_step: float = 0.5,
    ) -> Tensor:
        values = self.frames("base", base)
        place = source.batch_first().data
        if place.size != values.shape[0]:
            raise self.error("from", self.node.get("from"), f"one number for each sequence is needed, not {source!r}")
        place = place.reshape(-1)
        first = jnp.round(place).astype(jnp.int32) - window_size // 2
        index = first[:, None] + jnp.arange(window_size)
        lengths = sizes.current().lengths(values.dims[1])
        end: Any = values.shape[1] if lengths is None else lengths.data[:, None]
        found = jnp.take_along_axis(values.data, jnp.clip(index, 0, end - 1)[..., None], axis=1)
        centres = place[:, None]
        if inner_size:
            centres = centres + jnp.asarray([i * inner_size_step - inner_size / 2.0 for i in range(inner_size)])
        bell = jnp.exp(-((centres[:, None] - index[..., None]) ** 2) / (2 * std**2)) / (std * math.sqrt(2 * math.pi))
        data = jnp.einsum("bwf,bwi->bif", found, bell)
        batch, _, features = values.dims
        if not inner_size:
            return Tensor(data[:, 0], (batch, features))
        return Tensor(data, (batch, made(self, "{}:inner", inner_size), features))
