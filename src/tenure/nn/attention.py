"""Multi-head attention."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import jax
import jax.numpy as jnp

from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.naming import name_like, transparent
from tenure.core.run.profile import library
from tenure.initializers import Initializer, VarianceScaling
from tenure.nn.attend import KeyValues, attend
from tenure.nn.axis_names import with_names
from tenure.nn.linear import Linear
from tenure.nn.masks import causal_mask
from tenure.nn.positions import positions, rotary


class MultiHeadAttention(Module):
    """`softmax(Q Kᵀ / √key_size) V` for several heads at once, between linear maps.

    Four modules own the parameters: `query`, `key`, `value` and, for the output, `linear`.

    Sources: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; grouped heads: Ainslie et al. 2023,
    https://arxiv.org/abs/2305.13245; rotary positions: see `rotary`.

    >>> import tenure as tn
    >>> from tenure.initializers import VarianceScaling
    >>> def model(x):
    ...     return MultiHeadAttention(4, 8, w_init=VarianceScaling(), num_kv_heads=2, rotary=True)(x, x, x, causal=True)
    >>> params = tn.transform(model).init(jax.random.key(0), jnp.ones((2, 5, 32)))
    >>> for path, entries in params.items():
    ...     print(path, entries["w"].shape)
    multi_head_attention/query (32, 32)
    multi_head_attention/key (32, 16)
    multi_head_attention/value (32, 16)
    multi_head_attention/linear (32, 32)
    """

    def __init__(
        self,
        num_heads: int,
        key_size: int,
        w_init_scale: float | None = None,
        *,
        w_init: Initializer | None = None,
        with_bias: bool = True,
        b_init: Initializer | None = None,
        value_size: int | None = None,
        model_size: int | None = None,
        name: str | None = None,
        num_kv_heads: int | None = None,
        rotary: bool = False,
        rotary_base: float = 10_000.0,
        implementation: Literal["xla", "cudnn"] | None = None,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the attention.

        Args:
          num_heads: of the queries.
          key_size: of one head's queries and keys.
          w_init_scale: deprecated; stands for `w_init=VarianceScaling(w_init_scale)`.
          w_init: for all four weights.
          with_bias: whether the four maps have biases.
          b_init: by default zeros.
          value_size: of one head's values; by default `key_size`.
          model_size: of the output; by default `key_size * num_heads`.
          name: of the module.
          num_kv_heads: of the keys and values, each of which then serves several heads of the queries.
          rotary: whether to rotate queries and keys by their positions.
          rotary_base: see `rotary`.
          implementation: "xla" or "cudnn" leave the inner part to `jax.nn.dot_product_attention`. None does so too for
            calls with `causal`, a cache or grouped heads. Shapes that it does not take are computed without it.

        Raises:
          ValueError: none or both of `w_init` and `w_init_scale`, or heads that do not make equal groups.
        """
        super().__init__(name=name)
        if w_init_scale is not None:
            warnings.warn("w_init_scale is deprecated: give w_init", DeprecationWarning, stacklevel=3)
        if w_init and w_init_scale:
            raise ValueError(f"{library()}.MultiHeadAttention: provide only `w_init`, not `w_init_scale`")
        if w_init is None and w_init_scale is None:
            raise ValueError(
                f"{library()}.MultiHeadAttention needs an initialiser: provide a weight initializer, say w_init=VarianceScaling()"
            )
        self.num_heads = num_heads
        self.num_kv_heads = num_kv_heads or num_heads
        if num_heads % self.num_kv_heads:
            raise ValueError(f"{num_heads} heads do not make {num_kv_heads} groups of equal size")
        self.key_size = key_size
        self.value_size = value_size or key_size
        self.model_size = model_size or key_size * num_heads
        self.w_init = VarianceScaling(w_init_scale) if w_init is None else w_init  # type: ignore[arg-type]
        self.with_bias = with_bias
        self.b_init = b_init
        self.rotary = rotary
        self.rotary_base = rotary_base
        self.implementation: Literal["xla", "cudnn"] | None = implementation

    def __call__(
        self,
        query: jax.Array,
        key: jax.Array | None = None,
        value: jax.Array | None = None,
        mask: jax.Array | None = None,
        *,
        causal: bool = False,
        cache: KeyValues | None = None,
        position: int | jax.Array = 0,
    ) -> Any:
        """Attends from each query to all keys that the mask lets it see.

        Args:
          query: [..., T', D].
          key, value: [..., T, D]. With a cache both may be None: then it is what the queries attend to, as it is.
          mask: True where a query may look at a key; broadcasts to [..., heads, T', T] and has as many axes. With a
            cache, T is the cache's length.
          causal: whether a query sees no keys behind its own position.
          cache: keys and values of earlier steps, from `init_cache`, or of another sequence, from `project`. Those of
            this call are written at `position`, and queries see nothing behind them.
          position: of the first query, and of the first key: [], or [B].

        Returns:
          [..., T', model_size]; with a cache, that and the cache after the call.

        Raises:
          ValueError: the mask has another number of axes.
        """
        q = self._heads(query, self.num_heads, self.key_size, "query")
        if self.rotary:
            q = rotary(q, positions(position, q.shape[-3]), self.rotary_base)
        if cache is None:
            new = self._keys_and_values(key, value, position)
        elif key is None:
            new = cache
        else:
            new = _write(cache, self._keys_and_values(key, value, position), position)
            seen = causal_mask(q.shape[-3], position, new["key"].shape[-3])
            mask = seen if mask is None else mask & seen
        if mask is not None and mask.ndim != q.ndim:
            raise ValueError(f"the mask has {mask.ndim} axes, {mask.shape}, but the attention has {q.ndim}")
        grouped = self.num_kv_heads != self.num_heads
        fused = causal or cache is not None or grouped or self.implementation is not None
        out = attend(q, new, mask, causal=causal and cache is None, fused=fused, implementation=self.implementation)
        out = out.reshape(*query.shape[:-1], self.num_heads * self.value_size)
        out = with_names(self._linear(self.model_size), "heads", "embed")(out)
        return out if cache is None else (out, new)

    @name_like("__call__")
    def project(self, key: jax.Array, value: jax.Array, position: int | jax.Array = 0) -> KeyValues:
        """The heads of keys and values [B, T, D], for calls with `cache=` and without keys and values.

        Args:
          key, value: [B, T, D].
          position: of the first of them, for rotary positions.
        """
        return self._keys_and_values(key, value, position)

    def init_cache(self, batch: int, length: int, dtype: Any = jnp.float32) -> KeyValues:
        """An empty cache: {"key": [batch, length, heads, K], "value": [batch, length, heads, V]}.

        Args:
          batch: the number of sequences.
          length: how many keys there is room for.
          dtype: of keys and values.
        """
        shape = (batch, length, self.num_kv_heads)
        return {"key": jnp.zeros((*shape, self.key_size), dtype), "value": jnp.zeros((*shape, self.value_size), dtype)}

    @transparent
    def _keys_and_values(self, key: Any, value: Any, position: int | jax.Array) -> KeyValues:
        k = self._heads(key, self.num_kv_heads, self.key_size, "key")
        v = self._heads(value, self.num_kv_heads, self.value_size, "value")
        if self.rotary:
            k = rotary(k, positions(position, k.shape[-3]), self.rotary_base)
        return {"key": k, "value": v}

    @transparent
    def _heads(self, x: jax.Array, heads: int, size: int, name: str) -> jax.Array:
        out = "heads" if name == "query" else "kv"
        return with_names(self._linear(heads * size, name), "embed", out)(x).reshape(*x.shape[:-1], heads, size)

    @transparent
    def _linear(self, size: int, name: str | None = None) -> Linear:
        return Linear(size, with_bias=self.with_bias, w_init=self.w_init, b_init=self.b_init, name=name)


def _write(cache: KeyValues, new: KeyValues, position: int | jax.Array) -> KeyValues:
    """The cache with new keys and values [B, T, heads, size] from `position`, [] or [B], onwards."""
    update = jax.lax.dynamic_update_slice_in_dim
    if jnp.ndim(position) == 0:
        return {name: update(cache[name], new[name].astype(cache[name].dtype), position, axis=1) for name in cache}
    rows = jax.vmap(lambda old, one, at: update(old, one.astype(old.dtype), at, axis=0))
    return {name: rows(cache[name], new[name], position) for name in cache}
