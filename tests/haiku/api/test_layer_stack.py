"""Layer stacks: forced names, with Tenure's count and with Haiku's."""

from typing import Any

import haiku
import jax
import jax.numpy as jnp

import tenure.haiku as hk

KEY = jax.random.PRNGKey(0)
X = jnp.ones((2, 4))


def _forced_in_a_stack(m: Any) -> Any:
    def program(x: jax.Array) -> jax.Array:
        x = m.Linear(4, name=m.experimental.force_name("shared"))(x)
        return m.layer_stack(2)(lambda x: m.Linear(4, name=m.experimental.force_name("shared"))(x))(x)

    return program


def test_a_forced_name_is_one_parameter_in_a_layer_stack_too() -> None:
    assert len(haiku.transform(_forced_in_a_stack(haiku)).init(KEY, X)) == 2  # what Haiku does
    model = hk.transform(_forced_in_a_stack(hk))
    params = model.init(KEY, X)
    assert list(params) == ["shared"]
    w, b = params["shared"]["w"], params["shared"]["b"]
    expected = X
    for _ in range(3):
        expected = expected @ w + b
    assert jnp.allclose(model.apply(params, None, X), expected)


def test_a_forced_name_in_a_layer_stack_as_in_haiku() -> None:
    with hk.ownership.context(forced_names_in_stacks="haiku"):
        ours = hk.transform(_forced_in_a_stack(hk)).init(KEY, X)
    theirs = haiku.transform(_forced_in_a_stack(haiku)).init(KEY, X)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), ours, theirs))
