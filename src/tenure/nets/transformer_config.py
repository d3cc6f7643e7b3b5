"""The sizes of a Transformer, and what follows from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.rng import next_rng_key
from tenure.initializers import Initializer, RandomNormal, VarianceScaling
from tenure.nn.attention import MultiHeadAttention
from tenure.nn.dropout import dropout
from tenure.nn.embed import Embed
from tenure.nn.positions import positions, sinusoidal

GLOROT = VarianceScaling(1.0, "fan_avg", "uniform")
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
    w_init: Initializer = GLOROT
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
        """What the first layer gets for tokens [B, T] of which the first one's position is `start`.

        Args:
          embed: the vectors of tokens.
          tokens: [B, T].
          start: the position of the first one.
          is_training: whether there is dropout.
        """
        x = embed(tokens) * self.width**0.5
        at = positions(start, tokens.shape[1])
        if self.positions == "sinusoidal":
            x = x + sinusoidal(at, self.width, dtype=x.dtype)
        elif self.positions == "learned":
            table = Embed(self.max_length, self.width, w_init=RandomNormal(0.02), name=f"{embed.name}_positions")
            x = x + table(at)
        return self.drop(x, is_training)

    def drop(self, x: jax.Array, is_training: bool) -> jax.Array:
        """Dropout, in training.

        Args:
          x: an array of any shape.
          is_training: whether there is dropout.
        """
        return dropout(next_rng_key(), self.dropout_rate, x) if is_training and self.dropout_rate else x

    def init_cache(self, batch: int, length: int, dtype: Any = jnp.float32) -> Any:
        """Room for the keys and values of `length` tokens in each layer of the decoder. Needs no transform.

        Args:
          batch: the number of sequences.
          length: how many tokens there is room for.
          dtype: of keys and values.

        Returns:
          One dict for each layer, with "key" and "value" [batch, length, heads, size]; if the layers are stacked, one
          dict with [batch, layers, length, heads, size].
        """
        heads = self.num_kv_heads or self.num_heads
        layers = (self.num_layers,) if self.stack else ()
        shape = (batch, *layers, length, heads, self.head_size)
        caches = [
            {name: jnp.zeros(shape, dtype) for name in ("key", "value")}
            for _ in range(1 if self.stack else self.num_layers)
        ]
        return caches[0] if self.stack else caches
