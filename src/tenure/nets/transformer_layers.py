"""What Transformers are made of: the sizes, the block, and the tower of blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.lifting import remat
from tenure.core.module import Module
from tenure.core.naming import name_like, transparent
from tenure.core.rng import next_rng_key
from tenure.core.stack import layer_stack
from tenure.initializers import Initializer, RandomNormal, VarianceScaling
from tenure.nn.attention import MultiHeadAttention
from tenure.nn.dropout import dropout
from tenure.nn.embed import Embed
from tenure.nn.mlp import MLP
from tenure.nn.norm import LayerNorm
from tenure.nn.positions import positions, sinusoidal

POSITIONS = ("sinusoidal", "learned", "rotary", "none")


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """The sizes of a Transformer, and how it is computed.

    Attributes:
      width: of the vectors between the layers.
      num_heads: of each attention; a divisor of `width`.
      num_layers: of the decoder.
      encoder_layers: by default as many.
      hidden: units in the middle of each MLP; by default `4 * width`.
      num_kv_heads: of keys and values, if fewer than of queries.
      dropout_rate: of the embeddings and of what each sub-layer adds.
      positions: "sinusoidal" and "learned" are added to the embeddings, "rotary" turns queries and keys; "none".
      max_length: the number of learned positions.
      activation: in the MLPs.
      w_init: of the layers' weights.
      stack: whether all layers run as one scanned body, so that compile time does not grow with their number. Their
        parameters then have a leading axis.
      remat: whether the backward pass computes each layer again, to save memory.

    Raises:
      ValueError: heads that do not divide the width, or an unknown kind of positions.

    >>> TransformerConfig(width=128, num_heads=4).head_size
    32
    """

    width: int = 512
    num_heads: int = 8
    num_layers: int = 6
    encoder_layers: int | None = None
    hidden: int | None = None
    num_kv_heads: int | None = None
    dropout_rate: float = 0.0
    positions: str = "sinusoidal"
    max_length: int = 512
    activation: Callable[[jax.Array], jax.Array] = jax.nn.gelu
    w_init: Initializer = dataclasses.field(default_factory=lambda: VarianceScaling(1.0, "fan_avg", "uniform"))
    stack: bool = False
    remat: bool = False

    def __post_init__(self) -> None:
        if self.width % self.num_heads:
            raise ValueError(f"{self.num_heads} heads do not divide a width of {self.width}")
        if self.positions not in POSITIONS:
            raise ValueError(f"positions is one of {', '.join(POSITIONS)}, not {self.positions!r}")

    @property
    def head_size(self) -> int:
        """Of queries, keys and values."""
        return self.width // self.num_heads

    def attention(self, name: str, rotary: bool = False) -> MultiHeadAttention:
        """An attention of these sizes."""
        return MultiHeadAttention(
            self.num_heads,
            self.head_size,
            w_init=self.w_init,
            num_kv_heads=self.num_kv_heads,
            rotary=rotary and self.positions == "rotary",
            name=name,
        )

    def embed(self, vocab_size: int, name: str) -> Embed:
        """An embedding that suits the output layer too: times √width, its vectors have elements of variance 1."""
        return Embed(vocab_size, self.width, w_init=RandomNormal(self.width**-0.5), name=name)

    def inputs(self, embed: Embed, tokens: jax.Array, start: int | jax.Array, is_training: bool) -> jax.Array:
        """What the first layer gets for tokens [B, T] of which the first one's position is `start`."""
        x = embed(tokens) * self.width**0.5
        at = positions(start, tokens.shape[1])
        if self.positions == "sinusoidal":
            x = x + sinusoidal(at, self.width, dtype=x.dtype)
        elif self.positions == "learned":
            table = Embed(self.max_length, self.width, w_init=RandomNormal(0.02), name=f"{embed.name}_positions")
            x = x + table(at)
        return self.drop(x, is_training)

    def drop(self, x: jax.Array, is_training: bool) -> jax.Array:
        """Dropout, in training."""
        return dropout(next_rng_key(), self.dropout_rate, x) if is_training and self.dropout_rate else x


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

    def __init__(self, config: TransformerConfig, causal: bool = False, name: str | None = None):
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

    def __init__(self, config: TransformerConfig, num_layers: int, causal: bool = False, name: str | None = None):
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

    def init_cache(self, batch: int, length: int) -> Any:
        """Room for `length` tokens in each layer. Every array's first axis is the batch."""
        size, heads = self.config.head_size, self.config.num_kv_heads or self.config.num_heads
        layers = (self.num_layers,) if self.config.stack else ()

        def one() -> dict[str, jax.Array]:
            return {name: jnp.zeros((batch, *layers, length, heads, size)) for name in ("key", "value")}

        return one() if self.config.stack else [one() for _ in range(self.num_layers)]

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
