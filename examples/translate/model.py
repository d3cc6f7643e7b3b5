"""The translator: a Transformer in which one matrix has three users.

`nets.Transformer` has a matrix for each of its two embeddings and one for its output.
Its code stays as it is; two ties, from outside, make one of the three:

    source_embed/embeddings   owner
    target_embed/embeddings   borrows source_embed/embeddings
    output/w                  borrows target_embed/embeddings, transposed

`build` gives plain functions of the parameters; training and search see nothing else of
the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

import tenure as tn
from tenure import nets

from .vocabulary import PAD

Params = dict[str, dict[str, Array]]
Cache = Any

TIES = {
    "translator/target_embed/embeddings": "translator/source_embed/embeddings",
    "translator/output/w": "translator/target_embed/embeddings | transpose",
}


@dataclass(frozen=True)
class Config:
    """The model's sizes; kept in the checkpoint."""

    pieces: int
    width: int = 128
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    tied: bool = True


@dataclass(frozen=True)
class Translator:
    """A model as functions of its parameters.

    Attributes:
      init: ``(key) -> params``.
      logits: ``(params, key or None, source [B, S], inputs [B, T]) -> [B, T, pieces]``;
        with a key, dropout is on.
      start: ``(params, source [B, S], length) -> cache``: encodes, and makes room for
        `length` pieces. All arrays of the cache have B as their first axis.
      step: ``(params, pieces [B], position, cache) -> (logits [B, pieces], cache)``.
      plan: what the model is: who owns, who borrows, through which stages.
    """

    config: Config
    init: Callable[[Array], Params]
    logits: Callable[[Params, Array | None, ArrayLike, ArrayLike], Array]
    start: Callable[[Params, ArrayLike, int], Cache]
    step: Callable[[Params, ArrayLike, ArrayLike, Cache], tuple[Array, Cache]]
    plan: tn.Plan

    @property
    def ledger(self) -> tn.Ledger:
        """Who owns and who borrows."""
        return self.plan.ledger

    @property
    def decays(self) -> dict[str, dict[str, bool]]:
        """The parameters that weight decay is for: the matrices."""
        return self.ledger.mask(lambda row: len(row.shape) > 1)

    @property
    def count(self) -> int:
        """The number of parameters."""
        return self.ledger.count()


def build(config: Config, stages: Mapping[str, Any] | None = None, ties: Mapping[str, Any] | None = None) -> Translator:
    """The model of `config`; nothing is allocated.

    Args:
      config: its sizes.
      stages: what its weights go through, by owner.
      ties: other ties than those of `config`.
    """
    sizes = nets.TransformerConfig(
        width=config.width,
        num_heads=config.heads,
        num_layers=config.layers,
        dropout_rate=config.dropout,
        activation=jax.nn.relu,
    )

    def network() -> nets.Transformer:
        return nets.Transformer(config.pieces, config.pieces, sizes, name="translator")

    def forward(source: Array, inputs: Array, is_training: bool) -> Array:
        return network()(source, inputs, source != PAD, is_training=is_training)

    def start(source: Array, length: int) -> Cache:
        return network().start(source, source != PAD, length=length)

    def step(pieces: Array, position: Array, cache: Cache) -> tuple[Array, Cache]:
        return network().step(pieces, position, cache)

    ties = (TIES if config.tied else {}) if ties is None else ties
    scored, started, stepped = (tn.transform(each, ties=ties, stages=stages) for each in (forward, start, step))
    any_size = jax.ShapeDtypeStruct((1, 2), jnp.int32)  # type: ignore[no-untyped-call]
    return Translator(
        config=config,
        init=lambda key: scored.init(key, any_size, any_size, False),
        logits=lambda params, key, *args: scored.apply(params, key, *args, key is not None),
        start=lambda params, source, length: started.apply(params, None, source, length),
        step=lambda params, *args: stepped.apply(params, None, *args),
        plan=scored.plan(any_size, any_size, False),
    )


def other_count(config: Config) -> int:
    """The number of parameters of the model with the opposite choice of `tied`."""
    return build(replace(config, tied=not config.tied)).count


def shared_part(ledger: tn.Ledger) -> tn.Ledger:
    """The three rows of the ledger that this example is about."""
    about = ("translator/source_embed/", "translator/target_embed/", "translator/output/")
    return tn.Ledger([row for row in ledger.rows if row.path.startswith(about)])
