"""The inner part of attention: from the heads' queries, keys and values to their outputs."""

from __future__ import annotations

from typing import Literal

import jax

from tenure import functional
from tenure.functional.attention import fused as fused_attention
from tenure.nn.traced import traced_once

#: Keys and values that queries attend to: {"key": [..., T, heads, K], "value": [..., T, heads, V]}.
KeyValues = dict[str, jax.Array]


@traced_once("causal", "fused", "implementation")
def attend(
    query: jax.Array,
    memory: KeyValues,
    mask: jax.Array | None = None,
    *,
    causal: bool = False,
    fused: bool = True,
    implementation: Literal["xla", "cudnn"] | None = None,
) -> jax.Array:
    """`softmax(Q Kᵀ / √K) V`, head by head. A query that may see no key at all gets the mean of all values.

    Args:
      query: [..., T', heads, K].
      memory: [..., T, heads, size]; with fewer heads, each one serves several heads of the queries in a row.
      mask: True where a query may look at a key; broadcasts to [..., heads, T', T].
      causal: whether query t sees keys 0 … t only.
      fused: whether to use `jax.nn.dot_product_attention`, where the shapes are what it takes.
      implementation: of `jax.nn.dot_product_attention`.

    Returns:
      [..., T', heads, V].

    >>> import jax.numpy as jnp
    >>> x = jnp.arange(3.0).reshape(1, 3, 1, 1)
    >>> attend(0 * x, {"key": x, "value": x}, causal=True).ravel()
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    key, value = memory["key"].astype(query.dtype), memory["value"].astype(query.dtype)
    out = fused_attention(query, key, value, mask, causal=causal, implementation=implementation) if fused else None
    return functional.attend(query, key, value, mask, causal=causal) if out is None else out
