"""What all the models agree on: the sizes, the interface, the loss on top of the logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp

Params = Any
#: The hand-written model's parameters: {"embed", "positions", "layers": [...], "norm"}.
HandParams = dict[str, Any]

INIT_SCALE = 0.02
EPSILON = 1e-5


@dataclass(frozen=True)
class Config:
    """Sizes of a decoder-only, pre-norm Transformer whose output matrix is its embedding, transposed."""

    layers: int = 12
    d_model: int = 256
    heads: int = 8
    vocab: int = 4096
    batch: int = 8
    length: int = 64
    #: All layers in one scanned body, rather than a Python loop over them.
    stacked: bool = False

    @property
    def d_ff(self) -> int:
        return 4 * self.d_model

    @property
    def d_head(self) -> int:
        return self.d_model // self.heads


class Peer(Protocol):
    """What a benchmarked model looks like from outside, whatever library it is written in."""

    #: ``init`` must have run (or been evaluated for its shapes) before ``loss`` can be used.
    needs_template: bool

    def __init__(self, config: Config): ...

    def init(self, key: jax.Array) -> Params:
        """Build the model and draw its parameters, as a user of the library would."""
        ...

    def loss(self, params: Params, tokens: jax.Array) -> jax.Array:
        """Mean next-token cross entropy of ``tokens`` [batch, length + 1]."""
        ...

    def convert(self, params: HandParams) -> Params:
        """The hand-written model's values, in this library's layout."""
        ...


def next_token_loss(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean cross entropy; logits [batch, length, vocab], targets [batch, length]."""
    log_probs = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(log_probs, targets[..., None], axis=-1))


def random_tokens(key: jax.Array, config: Config) -> jax.Array:
    """A batch [batch, length + 1]: inputs and, shifted by one, targets."""
    return jax.random.randint(key, (config.batch, config.length + 1), 0, config.vocab)


def stack_trees(trees: list[Params]) -> Params:
    """A list of equal pytrees -> one pytree with a leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def convert_two_level(params: HandParams, config: Config) -> dict[str, dict[str, jax.Array]]:
    """The hand-written model's values as {module path: {name: array}}, which Tenure and dm-haiku both use."""
    out = {
        "lm": {"positions": params["positions"]},
        "lm/embed": {"embeddings": params["embed"]},
        "lm/norm": params["norm"],
    }
    if config.stacked:
        return out | stack_trees([_two_level_layer(p, "lm/stack/layer") for p in params["layers"]])
    for i, p in enumerate(params["layers"]):
        out |= _two_level_layer(p, f"lm/layer_{i}")
    return out


def _two_level_layer(p: HandParams, prefix: str) -> dict[str, dict[str, jax.Array]]:
    attention = {"query": "query", "key": "key", "value": "value", "linear": "out"}
    return {
        f"{prefix}/norm_1": p["norm_1"],
        **{f"{prefix}/attention/{theirs}": p["attention"][ours] for theirs, ours in attention.items()},
        **{f"{prefix}/{name}": p[name] for name in ("norm_2", "up", "down")},
    }
