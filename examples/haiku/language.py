"""A language model like GPT-2, computed in bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jmp
import numpy as np
import optax
from data import text_batches

import tenure.haiku as hk

WIDTH, HEADS, LAYERS, LENGTH, RATE = 32, 4, 2, 32, 0.1


class CausalAttention(hk.MultiHeadAttention):
    """Attention to what came before."""

    def __call__(self, x: jax.Array) -> jax.Array:  # type: ignore[override]
        mask = jax.numpy.asarray(np.tril(np.ones((1, 1, x.shape[1], x.shape[1]))))
        attended: jax.Array = super().__call__(x, x, x, mask=mask)
        return attended


class Transformer(hk.Module):
    """Blocks of attention and dense layers, normalised first."""

    def __call__(self, x: jax.Array, is_training: bool) -> jax.Array:
        init = hk.initializers.VarianceScaling(2 / LAYERS)
        rate = RATE if is_training else 0.0
        for i in range(LAYERS):
            y = hk.LayerNorm(-1, True, True, name=f"h{i}_ln_1")(x)
            y = CausalAttention(HEADS, WIDTH // HEADS, w_init=init, name=f"h{i}_attn")(y)
            x = x + hk.dropout(hk.next_rng_key(), rate, y)
            y = hk.LayerNorm(-1, True, True, name=f"h{i}_ln_2")(x)
            y = hk.nets.MLP([4 * WIDTH, WIDTH], w_init=init, activation=jax.nn.gelu, name=f"h{i}_mlp")(y)
            x = x + hk.dropout(hk.next_rng_key(), rate, y)
        return hk.LayerNorm(-1, True, True, name="ln_f")(x)


def forward(tokens: jax.Array, is_training: bool) -> jax.Array:
    """Logits [B, T, 256] of the next bytes."""
    init = hk.initializers.TruncatedNormal(0.02)
    embed = hk.Embed(256, WIDTH, w_init=init, name="embed")
    positions = hk.get_parameter("pos_embs", [LENGTH, WIDTH], init=init)
    x = Transformer()(embed(tokens) + positions[: tokens.shape[1]], is_training)
    return x @ embed.embeddings.T


def train(steps: int) -> Iterator[float]:
    """Trains on English text; yields the loss of each step."""
    policy = jmp.get_policy("params=float32,compute=bfloat16,output=float32")
    model = hk.transform(forward)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(3e-3, b1=0.9, b2=0.99))

    def loss_fn(params: Any, key: Any, tokens: Any) -> jax.Array:
        logits = model.apply(params, key, tokens[:, :-1], True)
        loss: jax.Array = optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:]).mean()
        return loss

    @jax.jit
    def step(params: Any, opt: Any, key: Any, tokens: Any) -> Any:
        key, next_key = jax.random.split(key)
        loss, grads = jax.value_and_grad(loss_fn)(params, key, tokens)
        updates, opt = optimizer.update(grads, opt)
        return optax.apply_updates(params, updates), opt, next_key, loss

    with hk.mixed_precision.push_policy(Transformer, policy):
        batches = text_batches(8, LENGTH)
        key = jax.random.PRNGKey(0)
        params = model.init(key, next(batches)[:, :-1], True)
        opt = optimizer.init(params)
        for _ in range(steps):
            params, opt, key, loss = step(params, opt, key, next(batches))
            yield float(loss)


if __name__ == "__main__":
    for i, loss in enumerate(train(100)):
        print(i, loss)
