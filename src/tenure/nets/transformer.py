"""Transformers: the language model, and the encoder with a decoder.

Both decode step by step with a cache. A cache is a plain pytree whose arrays have the sequences of the batch as their
first axis, so that a search can pick, repeat and reorder sequences with `jax.tree.map(lambda a: a[rows], cache)`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.model.transform import running_init
from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.naming import name_like, transparent
from tenure.core.run.transformations import eval_shape
from tenure.nets.transformer_config import TransformerConfig
from tenure.nets.transformer_layers import Tower
from tenure.nn.axis_names import with_names
from tenure.nn.linear import Linear
from tenure.nn.masks import padding_mask


class TransformerLM(Module):
    """Predicts each next token: `embed`, `decoder`, `output`.

    The output layer's `w` is its own. To have it borrow the embedding, from within or from outside:

    >>> import tenure as tn
    >>> config = TransformerConfig(width=8, num_heads=2, num_layers=2)
    >>> def lm(tokens):
    ...     return TransformerLM(11, config, share={"output/w": "lm/embed/embeddings | transpose"}, name="lm")(tokens)
    >>> tokens = jnp.zeros((2, 5), int)
    >>> tn.transform(lm).plan(tokens).ledger.owner_of("lm/output/w")
    'lm/embed/embeddings'
    >>> model = tn.transform(
    ...     lambda tokens: TransformerLM(11, config, name="lm")(tokens),
    ...     ties={"lm/output/w": "lm/embed/embeddings | transpose"},
    ... )
    >>> params = model.init(jax.random.key(0), tokens)
    >>> model.apply(params, None, tokens).shape
    (2, 5, 11)
    """

    def __init__(
        self,
        vocab_size: int,
        config: TransformerConfig,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the model.

        Args:
          vocab_size: the number of tokens.
          config: the sizes.
          name: of the module.
        """
        super().__init__(name=name)
        self.vocab_size = vocab_size
        self.config = config

    def __call__(self, tokens: jax.Array, mask: jax.Array | None = None, *, is_training: bool = False) -> jax.Array:
        """Scores the successor of each token, given the tokens up to it.

        Args:
          tokens: integers [B, T].
          mask: [B, T], True where a token is not padding. Not needed for padding at the end, which nothing looks at.
          is_training: whether to use dropout, which needs a random key.

        Returns:
          Logits [B, T, vocabulary].
        """
        mask = None if mask is None else padding_mask(mask)
        return self._logits(tokens, mask, None, 0, is_training)[0]

    @name_like("__call__")
    def step(self, tokens: jax.Array, position: int | jax.Array, cache: Any) -> tuple[jax.Array, Any]:
        """Scores the successors, given all tokens so far.

        Args:
          tokens: integers [B], of this step; or [B, T], to read a prompt at once.
          position: of the (first) token: [], or [B] if the sequences are not at the same one.
          cache: from `config.init_cache(batch, length)` or from the step before.

        Returns:
          Logits [B, vocabulary], or [B, T, vocabulary]; and the cache for the next step.

        >>> import tenure as tn
        >>> config = TransformerConfig(width=8, num_heads=2, num_layers=2)
        >>> step = tn.transform(lambda *args: TransformerLM(11, config).step(*args))
        >>> cache = config.init_cache(batch=2, length=5)
        >>> params = step.init(jax.random.key(0), jnp.array([3, 4]), 0, cache)
        >>> logits, cache = step.apply(params, None, jnp.array([3, 4]), 0, cache)
        >>> logits, cache = step.apply(params, None, jnp.array([1, 2]), 1, cache)
        >>> logits.shape, cache[0]["key"].shape
        ((2, 11), (2, 5, 2, 4))
        """
        rows = tokens[:, None] if tokens.ndim == 1 else tokens
        logits, cache = self._logits(rows, None, cache, position, False)
        return logits[:, 0] if tokens.ndim == 1 else logits, cache

    @transparent
    def _decoder(self) -> Tower:
        return Tower(self.config, self.config.num_layers, causal=True, name="decoder")

    @transparent
    def _logits(
        self, tokens: jax.Array, mask: Any, cache: Any, position: Any, is_training: bool
    ) -> tuple[jax.Array, Any]:
        embed = self.config.embed(self.vocab_size, "embed")
        x = self.config.inputs(embed, tokens, position, is_training)
        x, cache = self._decoder()(x, mask, cache=cache, position=position, is_training=is_training)
        head = with_names(Linear(self.vocab_size, with_bias=False, name="output"), "embed", "vocab")
        return head(x), cache


class Transformer(Module):
    """Maps one sequence to another: `source_embed`, `encoder`, `target_embed`, `decoder`, `output`.

    The three matrices over the vocabularies are three parameters. To make them one, two ties do, and a third way out is
    `tn.own`:

    >>> import tenure as tn
    >>> config = TransformerConfig(width=8, num_heads=2, num_layers=2)
    >>> ties = {
    ...     "transformer/target_embed/embeddings": "transformer/source_embed/embeddings",
    ...     "transformer/output/w": "transformer/target_embed/embeddings | transpose",
    ... }
    >>> def forward(source, target):
    ...     return Transformer(11, 11, config)(source, target)
    >>> model = tn.transform(forward, ties=ties)
    >>> source, target = jnp.zeros((2, 5), int), jnp.zeros((2, 3), int)
    >>> model.plan(source, target).ledger.owner_of("transformer/output/w")
    'transformer/source_embed/embeddings'
    >>> params = jax.jit(model.init)(jax.random.key(0), source, target)
    >>> jax.jit(model.apply)(params, None, source, target).shape
    (2, 3, 11)

    A search calls `start` once and `step` for each token, as two more functions of the same parameters. The same ties
    hold for them:

    >>> start = tn.transform(lambda source: Transformer(11, 11, config).start(source, length=7), ties=ties)
    >>> step = tn.transform(lambda *args: Transformer(11, 11, config).step(*args), ties=ties)
    >>> cache = jax.jit(start.apply)(params, None, source)
    >>> logits, cache = jax.jit(step.apply)(params, None, jnp.array([1, 1]), 0, cache)
    >>> logits.shape
    (2, 11)
    """

    def __init__(
        self,
        source_vocab: int,
        target_vocab: int,
        config: TransformerConfig,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the model.

        Args:
          source_vocab: the number of the source's tokens.
          target_vocab: the number of the target's tokens.
          config: the sizes.
          name: of the module.
        """
        super().__init__(name=name)
        self.source_vocab = source_vocab
        self.target_vocab = target_vocab
        self.config = config

    def __call__(
        self,
        source: jax.Array,
        target: jax.Array,
        source_mask: jax.Array | None = None,
        target_mask: jax.Array | None = None,
        *,
        is_training: bool = False,
    ) -> jax.Array:
        """Scores the successor of each target token, given the source and the target tokens up to it.

        Args:
          source: integers [B, S].
          target: integers [B, T].
          source_mask: [B, S], True where a token is not padding; None if there is no padding.
          target_mask: [B, T], likewise. Not needed for padding at the end, which nothing looks at.
          is_training: whether to use dropout, which needs a random key.

        Returns:
          Logits [B, T, target vocabulary].
        """
        memory = self._encode(source, source_mask, is_training)
        mask = None if target_mask is None else padding_mask(target_mask)
        return self._logits(target, mask, memory, source_mask, None, 0, is_training)[0]

    @name_like("__call__")
    def encode(
        self, source: jax.Array, source_mask: jax.Array | None = None, *, is_training: bool = False
    ) -> jax.Array:
        """The encoder's output [B, S, width]; the arguments are as for the call.

        Args:
          source: tokens [B, S].
          source_mask: which of them count [B, S]; None for all.
          is_training: whether there is dropout.
        """
        self._know_all_slots()
        return self._encode(source, source_mask, is_training)

    @name_like("__call__")
    def start(self, source: jax.Array, source_mask: jax.Array | None = None, *, length: int) -> dict[str, Any]:
        """Reads the source, and returns the cache for the first `step`.

        Args:
          source: integers [B, S].
          source_mask: [B, S], True where a token is not padding; None if there is no padding.
          length: the largest number of target tokens.

        Returns:
          "memory": keys and values of the source, "target": those of the target so far, "mask": [B, S].
        """
        self._know_all_slots()
        memory = self._encode(source, source_mask, False)
        mask = jnp.ones(source.shape, bool) if source_mask is None else jnp.asarray(source_mask, bool)
        return {
            "memory": self._decoder().project(memory),
            "target": self.config.init_cache(len(source), length),
            "mask": mask,
        }

    @name_like("__call__")
    def step(
        self, tokens: jax.Array, position: int | jax.Array, cache: dict[str, Any]
    ) -> tuple[jax.Array, dict[str, Any]]:
        """Scores the successors, given the source and all target tokens so far.

        Args:
          tokens: integers [B], of this step; or [B, T], several at once.
          position: of the (first) token: [], or [B] if the sequences are not at the same one.
          cache: from `start` or from the step before.

        Returns:
          Logits [B, vocabulary], or [B, T, vocabulary]; and the cache for the next step.
        """
        self._know_all_slots()
        rows = tokens[:, None] if tokens.ndim == 1 else tokens
        logits, target = self._logits(rows, None, cache["memory"], cache["mask"], cache["target"], position, False)
        return logits[:, 0] if tokens.ndim == 1 else logits, {**cache, "target": target}

    @transparent
    def _encode(self, source: jax.Array, source_mask: jax.Array | None, is_training: bool) -> jax.Array:
        config = self.config
        x = config.inputs(config.embed(self.source_vocab, "source_embed"), source, 0, is_training)
        layers = config.num_layers if config.encoder_layers is None else config.encoder_layers
        encoder = Tower(config, layers, name="encoder")
        return encoder(x, None if source_mask is None else padding_mask(source_mask), is_training=is_training)[0]

    @transparent
    def _decoder(self) -> Tower:
        return Tower(self.config, self.config.num_layers, causal=True, name="decoder")

    @transparent
    def _logits(
        self, tokens: jax.Array, mask: Any, memory: Any, source_mask: Any, cache: Any, position: Any, is_training: bool
    ) -> tuple[jax.Array, Any]:
        embed = self.config.embed(self.target_vocab, "target_embed")
        x = self.config.inputs(embed, tokens, position, is_training)
        source_mask = None if source_mask is None else padding_mask(source_mask)
        x, cache = self._decoder()(
            x, mask, memory, source_mask, cache=cache, position=position, is_training=is_training
        )
        head = with_names(Linear(self.target_vocab, with_bias=False, name="output"), "embed", "vocab")
        return head(x), cache

    @transparent
    def _know_all_slots(self) -> None:
        """While planning, asks for every parameter: a method that needs half of them has the whole model's ties."""
        if running_init():
            token = jax.ShapeDtypeStruct((1, 1), jnp.int32)
            eval_shape(self.__call__, token, token)
