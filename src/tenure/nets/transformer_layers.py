"""What Transformers are made of: the block, and the tower of blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.layer_stack import layer_stack
from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.naming import name_like, transparent
from tenure.core.run.transformations import remat
from tenure.nets.transformer_config import TransformerConfig
from tenure.nn.attention import MultiHeadAttention
from tenure.nn.mlp import MLP
from tenure.nn.norm import LayerNorm


class Block(Module):
    """One layer: attention, attention to a memory if it is a cross layer, and an MLP; each `x + f(norm(x))`.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; with the norms where Xiong et al. 2020 put them,
    https://arxiv.org/abs/2002.04745.

    >>> import tenure as tn
    >>> config = TransformerConfig(width=8, num_heads=2)
    >>> plan = tn.transform(lambda x: Block(config)(x)[0]).plan(jnp.ones((1, 3, 8)))
    >>> plan.out.shape, plan.ledger.count()
    ((1, 3, 8), 872)
    """

    def __init__(
        self,
        config: TransformerConfig,
        causal: bool = False,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the layer.

        Args:
          config: sizes and kinds of the parts.
          causal: whether a position attends to those before only.
          name: of the module.
        """
        super().__init__(name=name)
        self.config = config
        self.causal = causal

    def __call__(
        self,
        x: jax.Array,
        mask: jax.Array | None = None,
        memory: Any = None,
        memory_mask: jax.Array | None = None,
        *,
        cache: Any = None,
        position: int | jax.Array = 0,
        is_training: bool = False,
    ) -> tuple[jax.Array, Any]:
        """Applies the layer.

        Args:
          x: [B, T, width].
          mask: for the attention of x to itself, [B or 1, heads or 1, T, T].
          memory: what x attends to besides, [B, S, width]; or its keys and values, from `project`. None: nothing.
          memory_mask: [B or 1, heads or 1, T or 1, S].
          cache: keys and values of x so far; see `nn.MultiHeadAttention`.
          position: of the first of the T.
          is_training: whether to use dropout.

        Returns:
          [B, T, width], and the cache.
        """
        drop = self.config.drop
        h, attention = _norm("attention_norm")(x), self.config.attention("attention", rotary=True)
        if cache is None:
            h = attention(h, h, h, mask, causal=self.causal, position=position)
        else:
            h, cache = attention(h, h, h, mask, cache=cache, position=position)
        x = x + drop(h, is_training)
        if memory is not None:
            h = _norm("cross_norm")(x)
            x = x + drop(self._cross(h, memory, memory_mask), is_training)
        h = _norm("mlp_norm")(x)
        sizes = (self.config.hidden or 4 * self.config.width, self.config.width)
        h = MLP(sizes, self.config.w_init, activation=self.config.activation, name="mlp")(h)
        return x + drop(h, is_training), cache

    @name_like("__call__")
    def project(self, memory: jax.Array) -> dict[str, jax.Array]:
        """The keys and values of a memory, once for all steps of a search."""
        return self._attention_to_memory().project(memory, memory)

    @transparent
    def _cross(self, h: jax.Array, memory: Any, mask: jax.Array | None) -> jax.Array:
        cross = self._attention_to_memory()
        if isinstance(memory, dict):
            return cross(h, mask=mask, cache=memory)[0]
        return cross(h, memory, memory, mask)

    @transparent
    def _attention_to_memory(self) -> MultiHeadAttention:
        return self.config.attention("cross")


class Tower(Module):
    """Blocks one on the other, and a norm on top: `layer_0`, `layer_1`, …, or `layers/layer` if stacked; `norm`.

    >>> import tenure as tn
    >>> config = TransformerConfig(width=8, num_heads=2, stack=True)
    >>> model = tn.transform(lambda x: Tower(config, 5)(x)[0])
    >>> params = model.init(jax.random.key(0), jnp.ones((1, 3, 8)))
    >>> params["tower/layers/layer/attention/query"]["w"].shape
    (5, 8, 8)
    """

    def __init__(
        self,
        config: TransformerConfig,
        num_layers: int,
        causal: bool = False,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the layers.

        Args:
          config: sizes and kinds of the parts.
          num_layers: how many there are.
          causal: whether a position attends to those before only.
          name: of the module.
        """
        super().__init__(name=name)
        self.config = config
        self.num_layers = num_layers
        self.causal = causal

    def __call__(
        self,
        x: jax.Array,
        mask: jax.Array | None = None,
        memory: Any = None,
        memory_mask: jax.Array | None = None,
        *,
        cache: Any = None,
        **rest: Any,
    ) -> tuple[jax.Array, Any]:
        """As `Block`, through all layers.

        A cache, and a memory that is `project`ed, have one entry for each layer: a list, or if stacked a second axis.
        """
        projected = memory if isinstance(memory, (list, dict)) else None
        shared = memory if projected is None else None

        def layer(x: jax.Array, mine: Any, block: Block) -> tuple[jax.Array, Any]:
            past, projected = mine
            with_memory = projected if projected is not None else shared
            return block(x, mask, with_memory, memory_mask, cache=past, **rest)

        x, cache = self._each(layer, x, (cache, projected))
        return _norm("norm")(x), cache

    @name_like("__call__")
    def project(self, memory: jax.Array) -> Any:
        """The keys and values of a memory in each layer, for later calls instead of the memory."""
        return self._each(lambda x, _, block: (x, block.project(memory)), (), (None, None))[1]

    @transparent
    def _each(self, layer: Callable[..., Any], x: Any, per_layer: tuple[Any, Any]) -> tuple[Any, Any]:
        """`x, y_i = layer(x, per_layer_i, block_i)` for all layers; the results and the y_i."""
        if not self.config.stack:
            return self._loop(layer, x, per_layer)
        swapped = jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), per_layer)
        run = layer_stack(self.num_layers, with_per_layer_inputs=True, name="layers")
        x, ys = run(lambda x, *mine: self._apply(layer, "layer", x, mine))(x, *swapped)
        return x, jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), ys)

    @transparent
    def _loop(self, layer: Callable[..., Any], x: Any, per_layer: tuple[Any, Any]) -> tuple[Any, Any]:
        ys = []
        for i in range(self.num_layers):
            mine = tuple(None if entries is None else entries[i] for entries in per_layer)
            x, y = self._apply(layer, f"layer_{i}", x, mine)
            ys.append(y)
        return x, ys if jax.tree.leaves(ys) else None

    @transparent
    def _apply(self, layer: Callable[..., Any], name: str, x: Any, mine: tuple[Any, ...]) -> tuple[Any, Any]:
        def run(x: Any, mine: Any) -> tuple[Any, Any]:
            return layer(x, mine, Block(self.config, self.causal, name=name))

        return (remat(run) if self.config.remat else run)(x, mine)


def _norm(name: str) -> LayerNorm:
    return LayerNorm(-1, True, True, name=name)
