"""What Haiku shares or counts by accident is right here, and each has its switch back."""

from __future__ import annotations

import threading
from typing import Any

import jax
import jax.numpy as jnp

import tenure as tn
import tenure.haiku as hk

KEY = jax.random.PRNGKey(0)
X = jnp.ones((2, 4))
TOKENS = jnp.array([[1, 2]])


def _language_model(tokens: jax.Array) -> jax.Array:
    x = hk.Embed(11, 4, name="embed")(tokens)
    return hk.Linear(11, with_bias=False, name="head")(x)


def test_ties_from_outside() -> None:
    model = hk.transform(_language_model, ties={"head/w": "embed/embeddings | transpose"})
    params = model.init(KEY, TOKENS)
    assert list(params) == ["embed"]
    table = params["embed"]["embeddings"]
    assert jnp.allclose(model.apply(params, None, TOKENS), table[TOKENS] @ table.T)
    assert jnp.array_equal(table, hk.transform(_language_model).init(KEY, TOKENS)["embed"]["embeddings"])


def test_share_in_the_program() -> None:
    def program(tokens: jax.Array) -> jax.Array:
        embed = hk.Embed(11, 4)
        head = hk.Linear(11, with_bias=False, share={"w": embed.ref("embeddings").T})
        return head(embed(tokens))

    model = hk.transform(program)
    params = model.init(KEY, TOKENS)
    assert list(params) == ["embed"]
    table = params["embed"]["embeddings"]
    assert jnp.allclose(jax.jit(model.apply)(params, None, TOKENS), table[TOKENS] @ table.T)


def test_low_rank_adaptation_of_a_program() -> None:
    plain = hk.transform(_language_model)
    adapted = hk.transform(_language_model, stages={"head/w": ["lora(2)"]})
    params, new = plain.init(KEY, TOKENS), adapted.init(KEY, TOKENS)
    assert set(new["head"]) == {"w", "w.lora.down", "w.lora.up"}
    assert jnp.array_equal(new["head"]["w"], params["head"]["w"])
    assert jnp.array_equal(adapted.apply(new, None, TOKENS), plain.apply(params, None, TOKENS))
    moved = {**new, "head": {**new["head"], "w.lora.up": new["head"]["w.lora.up"] + 1, "w.lora.down": jnp.ones((4, 2))}}
    assert not jnp.allclose(adapted.apply(moved, None, TOKENS), plain.apply(params, None, TOKENS))


def test_a_state_that_depends_on_a_borrowed_value() -> None:
    """The initial value of the state is computed from the tied weight, not from a stand-in."""

    def program(tokens: jax.Array) -> jax.Array:
        out = _language_model(tokens)
        hk.set_state("last", out)
        return out

    model = hk.transform_with_state(program, ties={"head/w": "embed/embeddings | transpose"})
    params, state = model.init(KEY, TOKENS)
    table = params["embed"]["embeddings"]
    assert jnp.allclose(state["~"]["last"], table[TOKENS] @ table.T)


def test_a_parameter_that_depends_on_a_borrowed_state() -> None:
    """The parameter's first value is computed from what the state's owner has, through the view."""

    def program(x: jax.Array) -> jax.Array:
        hk.set_state("a", x)
        with hk.name_scope("m"):
            b = hk.get_state("b", (2,), init=jnp.zeros)
            return hk.get_parameter("w", (2,), init=lambda shape, dtype: 2 * b)

    model = hk.transform_with_state(program, ties={"m/b": "~/a | scale(3)"})
    params, state = model.init(None, jnp.arange(2.0))
    assert params["m"]["w"].tolist() == [0, 6] and state["~"].keys() == {"a"} and "m" not in state


def test_threads_transform_at_once() -> None:
    model = hk.transform(_language_model)
    expected = model.init(KEY, TOKENS)
    found: list[Any] = []

    def work() -> None:
        params = hk.transform(_language_model).init(KEY, TOKENS)
        found.append(model.apply(params, None, TOKENS))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(jnp.array_equal(out, model.apply(expected, None, TOKENS)) for out in found)


def test_no_tracer_outlives_its_trace() -> None:
    model = hk.transform_with_state(lambda x: hk.BatchNorm(True, True, 0.9)(hk.nets.MLP([3])(x), True))
    with jax.checking_leaks():
        model.plan(X)  # here the trial run that init tries first says what it leaks
        params, state = model.init(KEY, X)
        jax.jit(model.apply)(params, state, None, X)
        jax.jit(model.init)(KEY, X)


def test_one_module_class_for_both_front_ends() -> None:
    assert issubclass(hk.Linear, hk.Module) and hk.Module is tn.Module
    params = tn.transform(lambda x: hk.Linear(3)(x)).init(KEY, X)
    assert params["linear"]["w"].shape == (4, 3)
