"""What `MultiHeadAttention` can do besides Haiku's: masks, grouped heads, rotary positions, caches."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn
from tests.nn.attending import OPTIONS, B, D, T, X, attention, differs_at, run


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_causal_attention_does_not_see_the_future(options: dict[str, Any]) -> None:
    def model(x: jax.Array) -> jax.Array:
        return attention(**options)(x, x, x, causal=True)

    assert differs_at(run(model, X), run(model, X.at[:, 3].add(1))) == [False] * 3 + [True] * 3


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_padding_is_not_seen(options: dict[str, Any]) -> None:
    mask = nn.padding_mask(jnp.arange(T) < jnp.array([[4], [T]]))

    def model(x: jax.Array) -> jax.Array:
        return attention(**options)(x, x, x, mask)

    before, after = run(model, X), run(model, X.at[:, 4:].add(1))
    np.testing.assert_array_equal(before[0, :4], after[0, :4])
    assert differs_at(before[1:], after[1:]) == [True] * T


@pytest.mark.parametrize("options", [{"num_kv_heads": 4}, {"implementation": "xla"}])
def test_extras_that_change_nothing(options: dict[str, Any]) -> None:
    np.testing.assert_allclose(
        run(lambda x: attention(**options)(x, x, x), X), run(lambda x: attention()(x, x, x), X), atol=1e-5
    )


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("each", [False, True], ids=["one position", "a position for each"])
def test_decoding_step_by_step_is_the_whole_at_once(options: dict[str, Any], each: bool) -> None:
    whole = tn.transform(lambda x: attention(**options)(x, x, x, causal=True))
    params = whole.init(jax.random.key(0), X)

    def step(x: jax.Array, position: jax.Array, cache: Any) -> Any:
        return attention(**options)(x, x, x, cache=cache, position=position)

    apply = jax.jit(tn.transform(step).apply)
    cache = tn.transform(lambda: attention(**options).init_cache(B, T + 2)).apply({}, None)
    outs = []
    for t in range(T):
        position = jnp.full(B, t) if each else jnp.int32(t)
        out, cache = apply(params, None, X[:, t : t + 1], position, cache)
        outs.append(out)
    np.testing.assert_allclose(jnp.concatenate(outs, 1), whole.apply(params, None, X), atol=1e-5)


def test_sequences_at_different_positions() -> None:
    """A batch in which each sequence is a different one's continuation."""
    whole = tn.transform(lambda x: attention(rotary=True)(x, x, x, causal=True))
    params = whole.init(jax.random.key(0), X)
    expected = whole.apply(params, None, X)

    def prompt_and_step(x: jax.Array, last: jax.Array, position: jax.Array) -> jax.Array:
        layer = attention(rotary=True)
        _, cache = layer(x, x, x, cache=layer.init_cache(B, T))
        return layer(last, last, last, cache=cache, position=position)[0]

    last = jnp.stack([X[0, 2], X[1, 4]])[:, None]
    got = tn.transform(prompt_and_step).apply(params, None, X[:, :4], last, jnp.array([2, 4]))
    np.testing.assert_allclose(got[:, 0], jnp.stack([expected[0, 2], expected[1, 4]]), atol=1e-5)


def test_projected_memory_is_the_memory() -> None:
    memory = jax.random.normal(jax.random.key(2), (B, 3, D))

    def at_once(x: jax.Array, memory: jax.Array) -> jax.Array:
        return attention(num_kv_heads=2)(x, memory, memory)

    def projected(x: jax.Array, memory: jax.Array) -> jax.Array:
        layer = attention(num_kv_heads=2)
        return layer(x, cache=layer.project(memory, memory))[0]

    params = tn.transform(at_once).init(jax.random.key(0), X, memory)
    np.testing.assert_allclose(
        run(at_once, X, memory, params=params), run(projected, X, memory, params=params), atol=1e-6
    )


def test_smaller_caches() -> None:
    def model(x: jax.Array) -> jax.Array:
        layer = attention()
        return layer(x, x, x, cache=layer.init_cache(B, T, jnp.bfloat16))[0]

    exact = run(lambda x: attention()(x, x, x, causal=True), X)
    assert run(model, X).dtype == jnp.float32
    np.testing.assert_allclose(run(model, X), exact, atol=0.1)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"num_kv_heads": 3}, "4 heads"), ({"w_init_scale": 1.0}, "provide only `w_init`")],
)
@pytest.mark.filterwarnings("ignore:w_init_scale")
def test_bad_arguments(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        run(lambda x: attention(**options)(x, x, x), X)


def test_initialiser_by_scale_is_deprecated() -> None:
    with pytest.warns(DeprecationWarning, match="w_init"):
        run(lambda x: nn.MultiHeadAttention(2, 4, 1.0)(x, x, x), X)
